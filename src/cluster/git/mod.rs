//! A remote Git repository: one ref of it → commits, fetched one at a time without their history.
//!
//! [`GitRemote::fetch`] asks the server where the ref stands and fetches what is missing for that commit alone (depth
//! 1), by gix: over HTTPS with a token, over SSH with a deploy key, or from a folder. A force-push is just a new commit.
//! Whatever fails, the repository that was fetched into stays as it was, and so do the commits that were handed out.
//!
//! Every fetch that brings something adds a pack; at [`PACKS_MAX`] of them, or [`PACK_BYTES_MAX`], the next fetch begins
//! with an empty repository ([`FetchCache`]), so that the disk holds at most two of these.
//!
//! [`Endpoint::push_tag`] moves one tag; nothing else is ever pushed.
//!
//! Blocking: the loop calls it on a thread for such work. Absent: submodules, which rendered trees have no use for.

mod connect;
mod known_hosts;
mod push;
mod ssh;

use std::io;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use gix::protocol::transport::Service;
use gix::remote::{Direction, fetch};

pub use connect::Endpoint;
pub use push::{Pushed, TagObject};

use super::GitCredentials;
use crate::error::Diagnostic;
use crate::repo::{CommitId, FetchCache, Git};

/// How long a server may take.
#[derive(Debug, Clone, Copy)]
pub struct FetchLimits {
    /// To accept a connection.
    pub connect: Duration,
    /// To send something more.
    pub idle: Duration,
    /// Altogether, however steadily its bytes drip.
    pub total: Duration,
}

impl Default for FetchLimits {
    fn default() -> FetchLimits {
        FetchLimits { connect: Duration::from_secs(15), idle: Duration::from_secs(30), total: Duration::from_secs(300) }
    }
}

/// How many fetches may add to one repository before the next one begins anew.
pub const PACKS_MAX: usize = 24;
/// How many bytes of packs one repository may hold before the next fetch begins anew.
pub const PACK_BYTES_MAX: u64 = 256 << 20;
/// Where the commit that was fetched last is kept.
const FETCHED_REF: &str = "refs/kcfg/fetched";

/// One ref of a remote repository.
#[derive(Debug)]
pub struct GitRemote {
    endpoint: Endpoint,
    reference: String,
    cache: FetchCache,
    last: Option<Fetched>,
    /// The repository of `last`.
    last_repository: PathBuf,
}

/// A commit that is here.
#[derive(Debug, Clone)]
pub struct Fetched {
    /// The repository that holds it.
    pub git: Arc<Git>,
    /// The commit.
    pub commit: CommitId,
}

impl GitRemote {
    /// The ref of the repository at an address: a branch, or any ref by its full name (`refs/tags/v1`), or `HEAD`.
    /// Fetched commits are kept below `cache_folder` until the end. `certificates` are further certificate authorities
    /// for HTTPS, in PEM.
    ///
    /// # Errors
    /// The address cannot be used, or the folder cannot be written.
    pub fn new(
        url: &str,
        reference: &str,
        certificates: Option<Vec<u8>>,
        cache_folder: &Path,
    ) -> Result<GitRemote, Diagnostic> {
        let endpoint = Endpoint::new(url, certificates)?;
        let reference = match reference {
            "HEAD" => "HEAD".to_owned(),
            full if full.starts_with("refs/") => full.to_owned(),
            branch => format!("refs/heads/{branch}"),
        };
        gix::refspec::parse(
            format!("+{reference}:{FETCHED_REF}").as_str().into(),
            gix::refspec::parse::Operation::Fetch,
        )
        .map_err(|error| Diagnostic::error(format!("`{reference}` cannot be the name of a ref: {error}")))?;
        let cache = FetchCache::open(cache_folder)?;
        Ok(GitRemote { endpoint, reference, cache, last: None, last_repository: PathBuf::new() })
    }

    /// The same with other limits than the usual ones.
    #[must_use]
    pub fn with_limits(mut self, limits: FetchLimits) -> GitRemote {
        self.endpoint.limits = limits;
        self
    }

    /// The address as it may be shown.
    pub fn url(&self) -> String {
        self.endpoint.url()
    }

    /// Where it is.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// The full name of the ref.
    pub fn reference(&self) -> &str {
        &self.reference
    }

    /// What was fetched last.
    pub fn last(&self) -> Option<&Fetched> {
        self.last.as_ref()
    }

    /// Where the ref stands now; the commit is here when this returns. The same commit as before costs two requests and
    /// brings nothing.
    ///
    /// # Errors
    /// The server cannot be reached, is not who it should be, refuses, is too slow, has no such ref, or breaks off.
    /// [`GitRemote::last`] is as it was.
    pub fn fetch(&mut self, credentials: &GitCredentials) -> Result<Fetched, Diagnostic> {
        let (packs, bytes) = self.cache.packs()?;
        if self.last.is_none() || packs >= PACKS_MAX || bytes >= PACK_BYTES_MAX {
            // A first fetch that failed may have left something.
            self.cache.rotate()?;
        }
        let stderr = ssh::Stderr::default();
        let commit = self.receive(credentials, &stderr).map_err(|error| connect::with_words(error, &stderr))?;
        let repository = self.cache.repository();
        let fetched = match &self.last {
            Some(last) if last.commit == commit && self.last_repository == repository => last.clone(),
            _ => Fetched { git: Arc::new(self.cache.git()?), commit },
        };
        self.last_repository = repository;
        self.last = Some(fetched.clone());
        Ok(fetched)
    }

    fn receive(&self, credentials: &GitCredentials, stderr: &ssh::Stderr) -> Result<CommitId, Diagnostic> {
        let options = gix::open::Options::isolated().with(gix::sec::Trust::Full);
        let local = gix::open_opts(self.cache.repository(), options)
            .map_err(|error| self.endpoint.failed("opening the cache", &error))?;
        let remote = local
            .remote_at_without_url_rewrite(self.endpoint.address().clone())
            .and_then(|remote| {
                remote
                    .with_fetch_tags(fetch::Tags::None)
                    .with_refspecs([format!("+{}:{FETCHED_REF}", self.reference).as_str()], Direction::Fetch)
            })
            .map_err(|error| self.endpoint.failed("naming the remote", &error))?;
        let (transport, options) = self.endpoint.connect(Service::UploadPack, credentials, stderr)?;
        let is_over = AtomicBool::new(false);
        let outcome = with_deadline(self.endpoint.limits.total, &is_over, || {
            let mut connection = remote.to_connection_with_transport(transport);
            if let Some(options) = options {
                connection.set_transport_options(options);
            }
            let prepared = connection
                .with_credentials(|_| Err(gix::Error::from_error(io::Error::other("401 Unauthorized"))))
                .prepare_fetch(gix::progress::Discard, gix::remote::ref_map::Options::default())?;
            let Some(mapping) = prepared.ref_map().mappings.first() else { return Ok(false) };
            // The ref is written after its objects.
            let here = local.try_find_reference(FETCHED_REF)?;
            if here.is_some_and(|here| here.try_id().is_some_and(|id| mapping.remote.as_id() == Some(&id))) {
                return Ok(true);
            }
            prepared
                .with_shallow(fetch::Shallow::DepthAtRemote(NonZeroU32::MIN))
                .receive(gix::progress::Discard, &is_over)
                .map(|_| true)
        });
        match outcome {
            Err(_) if is_over.load(Ordering::Relaxed) => {
                return Err(Diagnostic::error(format!(
                    "{} took more than {} s to send the commit",
                    self.url(),
                    self.endpoint.limits.total.as_secs()
                ))
                .help("the last good commit stays in force; the next poll tries again"));
            }
            Err(error) => return Err(self.endpoint.failed("fetching", &error)),
            Ok(false) => {
                return Err(Diagnostic::error(format!("{} has no {}", self.url(), self.reference))
                    .help("--ref names a branch, or another ref in full: refs/tags/v1.2"));
            }
            Ok(true) => {}
        }
        let id = local.find_reference(FETCHED_REF).and_then(|mut found| found.peel_to_id().map(gix::Id::detach));
        let id = id.map_err(|error| self.endpoint.failed("reading what was fetched", &error))?;
        id.to_string().parse().map_err(|error| Diagnostic::error(format!("{id} {error}")))
    }
}

/// Runs something that stops when `is_over` is set, and sets that after a time.
fn with_deadline<T>(limit: Duration, is_over: &AtomicBool, work: impl FnOnce() -> T) -> T {
    let (done, waiting) = mpsc::channel::<()>();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            if waiting.recv_timeout(limit) == Err(mpsc::RecvTimeoutError::Timeout) {
                is_over.store(true, Ordering::Relaxed);
            }
        });
        let result = work();
        drop(done);
        result
    })
}

#[cfg(test)]
mod tests;
