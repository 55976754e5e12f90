//! Tells the Git server how the environment stands: moves the tag `kcfg-sync-ENV`, or gives the commit a status. In the
//! background, so that no server that is slow, gone or refuses ever holds up the loop.
//!
//! Only what changed is told ([`Told::is_like`]), at most once in [`TELL_PAUSE`]; what could not be told is tried again after
//! a growing pause, and at once when there is something new.

use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::git::{Endpoint, Pushed, TagObject};
use super::metrics::{Metrics, label};
use super::told::{Told, tag_name};
use super::watch::one_line;
use super::{Credentials, GitCredentials, Log, LogLine};
use crate::error::Diagnostic;
use crate::post::{StatusTarget, set_commit_status};
use crate::repo::CommitId;

/// The shortest time between two times that one environment is told in one place.
pub const TELL_PAUSE: Duration = Duration::from_secs(10);
/// The pause after something could not be told; it doubles up to [`TELL_RETRY_MAX`].
pub const TELL_RETRY: Duration = Duration::from_secs(60);
/// The longest such pause.
pub const TELL_RETRY_MAX: Duration = Duration::from_secs(3600);

/// Where how an environment stands is told, and with what.
#[derive(Clone)]
pub enum Place {
    /// A tag.
    Tag {
        /// The Git server.
        endpoint: Endpoint,
        /// What it is shown.
        credentials: Credentials,
    },
    /// A status of the commit.
    CommitStatus {
        /// The forge's API.
        target: StatusTarget,
        /// Further certificate authorities, in PEM.
        certificates: Option<Vec<u8>>,
        /// What it is shown: a token.
        credentials: Credentials,
    },
}

impl Place {
    /// Tells it; whether that wrote something, and what.
    fn tell(&self, told: &Told) -> Result<(bool, String), Diagnostic> {
        match self {
            Place::Tag { endpoint, credentials } => {
                let commit = told.status.commit.as_deref().unwrap_or_default();
                let commit: CommitId = commit.parse().map_err(|why| Diagnostic::error(format!("{commit} {why}")))?;
                let name = tag_name(&told.environment);
                let tag = TagObject::new(&name, &commit, told.seconds(), &told.message())?;
                let pushed = endpoint.push_tag(&credentials()?, &tag)?;
                Ok((pushed == Pushed::Moved, format!("the tag {name}")))
            }
            Place::CommitStatus { target, certificates, credentials } => {
                let GitCredentials::Token(token) = credentials()? else {
                    return Err(Diagnostic::error("there is no token for commit statuses")
                        .help("name it with --git-report-token-file"));
                };
                let status = told.commit_status(Timestamp::now());
                let is_written = set_commit_status(target, &token, certificates.as_deref(), &status)?;
                Ok((is_written, format!("the status {} of {}: {}", status.context, status.commit, status.state.word())))
            }
        }
    }
}

/// Tells in the background as long as it lives.
pub struct Teller {
    sender: watch::Sender<Option<Told>>,
    tasks: Vec<JoinHandle<()>>,
}

impl Teller {
    /// Begins; nothing is told where there are no places.
    pub fn start(places: &[Place], metrics: &Metrics, log: &Log) -> Teller {
        let (sender, receiver) = watch::channel(None);
        let start = |place: &Place| tokio::spawn(tell(place.clone(), receiver.clone(), metrics.clone(), log.clone()));
        Teller { tasks: places.iter().map(start).collect(), sender }
    }

    /// This is how it stands now. An environment that no commit was applied to has nothing to tell.
    pub fn tell(&self, told: Told) {
        if self.tasks.is_empty() || told.status.commit.is_none() {
            return;
        }
        self.sender.send_if_modified(|known| {
            let is_new = known.as_ref().is_none_or(|known| !known.is_like(&told));
            if is_new {
                *known = Some(told);
            }
            is_new
        });
    }
}

impl Drop for Teller {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

async fn tell(place: Place, mut receiver: watch::Receiver<Option<Told>>, metrics: Metrics, log: Log) {
    let mut told: Option<Told> = None;
    let mut said = String::new();
    let mut retry: Option<Duration> = None;
    loop {
        tokio::select! {
            changed = receiver.changed() => if changed.is_err() { return },
            () = tokio::time::sleep(retry.unwrap_or_default()), if retry.is_some() => {}
        }
        let Some(next) = receiver.borrow_and_update().clone() else { continue };
        // It may have been changed and changed back meanwhile.
        if told.as_ref().is_some_and(|told| told.is_like(&next)) {
            retry = None;
            continue;
        }
        let (work, copy) = (place.clone(), next.clone());
        let Ok(result) = tokio::task::spawn_blocking(move || work.tell(&copy)).await else { return };
        let commit = next.status.commit.clone().unwrap_or_default();
        let line = |level, message, field: (&'static str, String)| {
            let environment = ("environment", next.environment.clone());
            log(&LogLine { level, message, fields: vec![environment, field, ("commit", commit.clone())] });
        };
        let outcome = match &result {
            Ok((true, _)) => "written",
            Ok((false, _)) => "same",
            Err(_) => "error",
        };
        metrics.add("kcfg_git_reports_total", &label("result", outcome), 1.0);
        match result {
            Ok((is_written, what)) => {
                if is_written || !said.is_empty() {
                    line("info", "told in Git", ("what", what));
                }
                said.clear();
                retry = None;
                told = Some(next);
            }
            Err(error) => {
                let text = one_line(&error);
                if text != said {
                    line("warn", "cannot be told in Git", ("error", text.clone()));
                    said = text;
                }
                retry = Some(retry.map_or(TELL_RETRY, |pause| (pause * 2).min(TELL_RETRY_MAX)));
            }
        }
        tokio::time::sleep(TELL_PAUSE).await;
    }
}
