//! A remote Git repository: one ref of it → commits, fetched one at a time without their history.
//!
//! [`GitRemote::fetch`] asks the server where the ref stands and fetches what is missing for that commit alone (depth
//! 1), by gix: over HTTPS with a token, over SSH with a deploy key, or from a folder. A force-push is just a new commit.
//! Whatever fails, the repository that was fetched into stays as it was, and so do the commits that were handed out.
//!
//! Every fetch that brings something adds a pack; at [`PACKS_MAX`] of them, or [`PACK_BYTES_MAX`], the next fetch begins
//! with an empty repository ([`FetchCache`]), so that the disk holds at most two of these.
//!
//! Blocking: the loop calls it on a thread for such work. Absent: pushing, and submodules, which rendered trees have no
//! use for.

mod known_hosts;
mod ssh;

use std::any::Any;
use std::io;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::Duration;

use gix::bstr::ByteSlice as _;
use gix::protocol::transport::client::blocking_io::{Transport, connect, http};
use gix::protocol::transport::{Protocol, client};
use gix::remote::{Direction, fetch};
use gix::url::Scheme;

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
/// The user that goes with a token where the URL names none; GitHub asks for this one, others take any.
const TOKEN_USER: &str = "x-access-token";
/// Where the commit that was fetched last is kept.
const FETCHED_REF: &str = "refs/kcfg/fetched";

/// One ref of a remote repository.
#[derive(Debug)]
pub struct GitRemote {
    url: gix::Url,
    reference: String,
    certificates: Option<Vec<u8>>,
    limits: FetchLimits,
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
        let help = "as in ssh://git@host/owner/name.git, git@host:owner/name.git or https://host/owner/name.git";
        let parsed = gix::url::parse(url).map_err(|error| {
            Diagnostic::error(format!("`{url}` is no address of a Git repository: {error}")).help(help)
        })?;
        if !matches!(parsed.scheme, Scheme::Https | Scheme::Http | Scheme::Ssh | Scheme::File) {
            let message = format!("`{}` cannot be fetched from: kcfg speaks HTTPS and SSH", shown(&parsed));
            return Err(Diagnostic::error(message).help(help));
        }
        if parsed.password().is_some() {
            return Err(Diagnostic::error("the address holds a password, which logs and status would show")
                .help("put it in a file and name that with --git-token-file"));
        }
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
        Ok(GitRemote {
            url: parsed,
            reference,
            certificates,
            limits: FetchLimits::default(),
            cache,
            last: None,
            last_repository: PathBuf::new(),
        })
    }

    /// The same with other limits than the usual ones.
    #[must_use]
    pub fn with_limits(mut self, limits: FetchLimits) -> GitRemote {
        self.limits = limits;
        self
    }

    /// The address as it may be shown.
    pub fn url(&self) -> String {
        shown(&self.url)
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
        let commit = self.receive(credentials, &stderr).map_err(|mut error| {
            let said = stderr.lock().unwrap_or_else(PoisonError::into_inner);
            if !said.trim().is_empty() {
                error = error.note(format!("the server says: {}", said.trim()), None);
            }
            error
        })?;
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
            .map_err(|error| self.failed("opening the cache", &error))?;
        let remote = local
            .remote_at_without_url_rewrite(self.url.clone())
            .and_then(|remote| {
                remote
                    .with_fetch_tags(fetch::Tags::None)
                    .with_refspecs([format!("+{}:{FETCHED_REF}", self.reference).as_str()], Direction::Fetch)
            })
            .map_err(|error| self.failed("naming the remote", &error))?;
        let (transport, options) = self.connect(&remote, credentials, stderr)?;
        let is_over = AtomicBool::new(false);
        let outcome = with_deadline(self.limits.total, &is_over, || {
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
                    self.limits.total.as_secs()
                ))
                .help("the last good commit stays in force; the next poll tries again"));
            }
            Err(error) => return Err(self.failed("fetching", &error)),
            Ok(false) => {
                return Err(Diagnostic::error(format!("{} has no {}", self.url(), self.reference))
                    .help("--ref names a branch, or another ref in full: refs/tags/v1.2"));
            }
            Ok(true) => {}
        }
        let id = local.find_reference(FETCHED_REF).and_then(|mut found| found.peel_to_id().map(gix::Id::detach));
        let id = id.map_err(|error| self.failed("reading what was fetched", &error))?;
        id.to_string().parse().map_err(|error| Diagnostic::error(format!("{id} {error}")))
    }

    fn connect(
        &self,
        remote: &gix::Remote<'_>,
        credentials: &GitCredentials,
        stderr: &ssh::Stderr,
    ) -> Result<Connected, Diagnostic> {
        match (&self.url.scheme, credentials) {
            (Scheme::Ssh, GitCredentials::Ssh { key, known_hosts }) => {
                Ok((Box::new(ssh::connect(&self.url, key, known_hosts, self.limits, stderr)?), None))
            }
            (Scheme::Ssh, _) => Err(Diagnostic::error(format!("{} needs a deploy key", self.url()))
                .help("name it with --git-ssh-key-file, and the host's key with --git-known-hosts-file")),
            (Scheme::Http | Scheme::Https, _) => self.connect_http(credentials),
            _ => {
                let open = || -> Result<Connected, gix::Error> {
                    let (url, version) = remote.sanitized_url_and_version(Direction::Fetch)?;
                    Ok((connect::connect(url, connect::Options { version, ..connect::Options::default() })?, None))
                };
                open().map_err(|error| self.failed("opening", &error))
            }
        }
    }

    fn connect_http(&self, credentials: &GitCredentials) -> Result<Connected, Diagnostic> {
        // Another part of the program may have installed it already; it is the same one.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut transport = http::connect::<http::reqwest::Remote>(self.url.clone(), Protocol::V2, false);
        if let GitCredentials::Token(token) = credentials {
            if self.url.scheme != Scheme::Https {
                return Err(Diagnostic::error(format!("the token is not sent to {} in clear text", self.url()))
                    .help("write https://"));
            }
            let account = client::Account {
                username: self.url.user().unwrap_or(TOKEN_USER).to_owned(),
                password: token.trim().to_owned(),
                oauth_refresh_token: None,
            };
            client::TransportWithoutIO::set_identity(&mut transport, account)
                .map_err(|error| self.failed("logging in", &error))?;
        }
        let certificates = match &self.certificates {
            None => Vec::new(),
            Some(pem) => reqwest::Certificate::from_pem_bundle(pem).map_err(|error| {
                Diagnostic::error(format!("the certificate authorities for {} cannot be read: {error}", self.url()))
                    .help("the file holds certificates in PEM: -----BEGIN CERTIFICATE-----")
            })?,
        };
        let FetchLimits { connect, idle, .. } = self.limits;
        let backend = http::reqwest::Options {
            configure_client: Some(Box::new(move |mut builder| {
                builder = builder.connect_timeout(connect).timeout(idle);
                for certificate in &certificates {
                    builder = builder.add_root_certificate(certificate.clone());
                }
                Ok(builder)
            })),
            configure_request: None,
        };
        let options = http::Options { backend: Some(Arc::new(Mutex::new(backend))), ..http::Options::default() };
        Ok((Box::new(transport), Some(Box::new(options))))
    }

    fn failed(&self, what: &str, error: &dyn std::error::Error) -> Diagnostic {
        let mut causes = vec![error.to_string()];
        let mut source = error.source();
        while let Some(cause) = source {
            let text = cause.to_string();
            if causes.last() != Some(&text) {
                causes.push(text);
            }
            source = cause.source();
        }
        let text = causes.join(": ");
        let is_refused = ["401", "403", "authenticat"].iter().any(|word| text.to_lowercase().contains(word));
        let help = match is_refused {
            true => "the server refuses the credentials: see that the token is valid and may read this repository",
            false => "the last good commit stays in force; the next poll tries again",
        };
        Diagnostic::error(format!("{what} {}: {text}", self.url())).help(help)
    }
}

/// A transport, and what gix has to configure it with.
type Connected = (Box<dyn Transport + Send>, Option<Box<dyn Any>>);

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

fn shown(url: &gix::Url) -> String {
    url.to_bstring().to_str_lossy().into_owned()
}

#[cfg(test)]
mod tests;
