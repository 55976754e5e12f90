//! The Git server, polled in the background, and asked at once after a webhook.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::logger::{Logger, one_line};
use super::now_seconds;
use crate::cluster::Credentials;
use crate::cluster::git::{Fetched, GitRemote};
use crate::cluster::metrics::label;
use crate::cluster::server::Board;

/// What is fetched, as the loop sees it.
pub(super) struct Following {
    pub(super) newest: watch::Receiver<Option<Fetched>>,
    /// Why the Git server cannot be asked; none while it can.
    pub(super) trouble: watch::Receiver<Option<String>>,
    /// When the last poll that is over began.
    polled: watch::Receiver<Option<Instant>>,
    board: Arc<Board>,
}

impl Following {
    /// Asks the Git server now, and waits until it has answered or has failed to.
    pub(super) async fn refresh(&mut self) {
        let now = Instant::now();
        self.board.nudge.notify_one();
        // An error says that nobody polls any more.
        let _ = self.polled.wait_for(|begun| begun.is_some_and(|begun| begun >= now)).await;
    }
}

/// Polls the Git server in the background.
pub(super) fn follow(
    mut remote: GitRemote,
    credentials: Credentials,
    poll: Duration,
    board: Arc<Board>,
    log: Logger,
) -> Following {
    let (sender, newest) = watch::channel(None);
    let (trouble_sender, trouble) = watch::channel(None);
    let (polled_sender, polled) = watch::channel(None);
    let following = Following { newest, trouble, polled, board: board.clone() };
    tokio::spawn(async move {
        let mut said = String::new();
        loop {
            let begun = Instant::now();
            let credentials = credentials.clone();
            let work = tokio::task::spawn_blocking(move || {
                let before = remote.last().map(|last| last.commit.clone());
                let result = credentials().and_then(|credentials| remote.fetch(&credentials));
                (remote, before, result)
            });
            let Ok((back, before, result)) = work.await else { return };
            remote = back;
            let outcome = match &result {
                Ok(fetched) if before.as_ref() == Some(&fetched.commit) => "same",
                Ok(_) => "new",
                Err(_) => "error",
            };
            board.metrics.add("kcfg_fetches_total", &label("result", outcome), 1.0);
            match result {
                Ok(fetched) => {
                    board.metrics.set("kcfg_last_fetch_timestamp_seconds", "", now_seconds());
                    trouble_sender.send_if_modified(|trouble| trouble.take().is_some());
                    if !said.is_empty() {
                        log.info("the Git server answers again", &[("url", remote.url())]);
                        said.clear();
                    }
                    if outcome == "new" {
                        let commit = fetched.commit.to_string();
                        log.info("new commit", &[("commit", commit), ("ref", remote.reference().to_owned())]);
                        if sender.send(Some(fetched)).is_err() {
                            return;
                        }
                    }
                }
                Err(error) => {
                    let text = one_line(&error);
                    // Since when there is trouble is what counts: its first reason stays.
                    trouble_sender.send_if_modified(|trouble| {
                        let begins = trouble.is_none();
                        trouble.get_or_insert_with(|| text.clone());
                        begins
                    });
                    if text != said {
                        let last = before.map_or_else(|| "none".to_owned(), |commit| commit.to_string());
                        log.warn("fetching failed", &[("error", text.clone()), ("commit", last)]);
                        said = text;
                    }
                }
            }
            polled_sender.send_replace(Some(begun));
            tokio::select! {
                () = tokio::time::sleep(jittered(poll)) => {}
                () = board.nudge.notified() => {}
            }
        }
    });
    following
}

/// A tenth more or less, so that many loops do not ask at the same moment.
fn jittered(pause: Duration) -> Duration {
    let mut random = [0_u8; 1];
    // Without randomness the plain pause will do.
    let _ = getrandom::fill(&mut random);
    pause.mul_f64(0.9 + f64::from(random[0]) / 255.0 * 0.2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn polls_are_spread() {
        let pause = Duration::from_secs(60);
        for _ in 0..100 {
            let jittered = jittered(pause);
            assert!(jittered >= Duration::from_secs(54) && jittered <= Duration::from_secs(66));
        }
    }
}
