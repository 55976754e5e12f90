//! `kcfg status --from-git`: how environments stand, as the tags of this clone tell it. No cluster is asked, and no server.

use std::path::Path;

use crate::cluster::status::EnvironmentState;
use crate::cluster::told::{TAG_PREFIX, Told, tag_name};
use crate::error::Diagnostic;
use crate::repo::{Git, Repository, Selector, Tag};

/// How to have the tags in a clone.
pub const FETCH: &str = "git fetch origin '+refs/tags/kcfg-sync-*:refs/tags/kcfg-sync-*'";

/// What the tags tell of the environments that the selector matches, by name, each with what is wrong with its tag.
///
/// # Errors
/// This is no clone, its tags cannot be read, or none of them is of an environment that was asked for.
pub fn states(git: &Git, selector: Option<&Selector>) -> Result<Vec<(EnvironmentState, Option<String>)>, Diagnostic> {
    let tags = git.tags(TAG_PREFIX)?;
    let mut found: Vec<(EnvironmentState, Option<String>)> =
        tags.iter().filter_map(|tag| state(tag, selector)).collect();
    found.sort_by(|(a, _), (b, _)| a.name.cmp(&b.name));
    match (found.is_empty(), selector) {
        (true, Some(selector)) => {
            let what = format!("`{selector}` matches no environment that a tag {TAG_PREFIX}* of this clone tells of");
            Err(Diagnostic::error(what).help(format!("`{FETCH}` brings them")))
        }
        _ => Ok(found),
    }
}

/// The clone that a folder belongs to; a bare one has to be the folder itself.
///
/// # Errors
/// There is none.
pub fn clone(dir: &Path, repository: Option<&Repository>) -> Result<Git, Diagnostic> {
    if let Some(git) = repository.map(Repository::git).transpose()?.flatten() {
        return Ok(git.clone());
    }
    Git::open(dir).map_err(|error| error.help("change into a clone of the repository, or name it with -C"))
}

fn state(tag: &Tag, selector: Option<&Selector>) -> Option<(EnvironmentState, Option<String>)> {
    let told = Told::read(&tag.message)?;
    let name = told.environment.clone();
    // A copy of the tag by another name, or somebody else's.
    if tag_name(&name) != tag.name || selector.is_some_and(|selector| !selector.matches_environment(&name)) {
        return None;
    }
    let is_at = |commit: &str| tag.commit.as_ref().is_none_or(|at| at.as_str() == commit);
    let moved = told.status.commit.as_deref().filter(|commit| !is_at(commit)).map(|commit| {
        let at = tag.commit.as_ref().map(ToString::to_string).unwrap_or_default();
        format!("the tag {} was moved by hand: it tells of {commit}, and is at {at}", tag.name)
    });
    let suspensions = told.suspensions();
    let (status, releases, left_out) = (Some(told.status), Vec::new(), Vec::new());
    let mut state = EnvironmentState { name, status, suspensions, lease: None, releases, left_out };
    if let Some(selector) = selector {
        state.narrow(selector);
    }
    Some((state, moved))
}
