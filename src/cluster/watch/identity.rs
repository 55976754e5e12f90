//! Whether the cluster is the environment's: found out before anything is written to it, the Lease too.

use tokio::sync::watch;

use super::RETRY;
use super::follow::Following;
use super::logger::{Logger, one_line};
use crate::cluster::client::Gate;
use crate::cluster::git::Fetched;
use crate::cluster::server::Board;
use crate::cluster::source::Tree;
use crate::cluster::sync::Synchroniser;
use crate::cluster::{Source, SyncOptions, Target};
use crate::error::Diagnostic;

/// An environment whose cluster this is.
pub(super) struct Identified {
    pub(super) synchroniser: Synchroniser,
    /// The tree that was asked, for whoever applies it next.
    pub(super) tree: Option<Tree>,
}

/// Waits until that is known, and gives the connection; none when the process is asked to end before. Where the Git server
/// does not answer, or the tree cannot be read, the records of earlier synchronisations tell.
pub(super) async fn identify(
    (target, environment): (&Target, &str),
    options: &SyncOptions,
    gate: &Gate,
    following: &mut Following,
    stop: &mut watch::Receiver<bool>,
    (board, log): (&Board, &Logger),
) -> Option<Identified> {
    let mut said = String::new();
    loop {
        board.moves();
        while following.newest.borrow().is_none() && following.trouble.borrow().is_none() {
            let changed = tokio::select! {
                changed = following.newest.changed() => changed,
                changed = following.trouble.changed() => changed,
                _ = stop.wait_for(|is_stopped| *is_stopped) => return None,
            };
            // Nobody fetches any more.
            changed.ok()?;
        }
        let fetched = following.newest.borrow().clone();
        // A server that is down is asked for long; whoever wants to end does not wait for that.
        let looked = tokio::select! {
            looked = look(target, environment, options, gate, fetched) => looked,
            _ = stop.wait_for(|is_stopped| *is_stopped) => return None,
        };
        match looked {
            Ok(identified) => {
                if following.trouble.borrow().is_some() {
                    following.trouble.mark_changed();
                }
                return Some(identified);
            }
            Err(error) => {
                let text = one_line(&error);
                if text != said {
                    log.error("nothing is done", &[("error", text.clone())]);
                    said = text;
                }
            }
        }
        tokio::select! {
            () = tokio::time::sleep(RETRY) => {}
            changed = following.newest.changed() => changed.ok()?,
            _ = stop.wait_for(|is_stopped| *is_stopped) => return None,
        }
    }
}

async fn look(
    target: &Target,
    environment: &str,
    options: &SyncOptions,
    gate: &Gate,
    fetched: Option<Fetched>,
) -> Result<Identified, Diagnostic> {
    let mut synchroniser = Synchroniser::connect(target, gate.clone()).await?;
    let tree = match fetched {
        Some(Fetched { git, commit }) => {
            let source = Source::Commit { git, commit, prefix: String::new() };
            let name = environment.to_owned();
            // Why it cannot be read is said by who applies it.
            tokio::task::spawn_blocking(move || Tree::read(&source, &name).ok()).await.ok().flatten()
        }
        None => None,
    };
    let checked = synchroniser.check(environment, tree.as_ref(), options).await;
    checked.map_err(|errors| errors.into_iter().next().unwrap_or_else(|| Diagnostic::error("it cannot be checked")))?;
    Ok(Identified { synchroniser, tree })
}
