//! `kcfg status --from-git`: how environments stand, as the tags of this clone tell it. No cluster is asked, and no server.

use std::collections::BTreeSet;
use std::path::Path;

use super::shown::Trouble;
use crate::cluster::status::EnvironmentState;
use crate::cluster::told::{TAG_PREFIX, Told, tag_name};
use crate::error::Diagnostic;
use crate::plan::Suspensions;
use crate::rendered::RENDERED_FOLDER;
use crate::repo::{EntryType, Git, RELEASES_FOLDER, Repository, Selector, Settings, Tag, TreeEntry};

/// How to have the tags in a clone.
pub const FETCH: &str = "git fetch origin '+refs/tags/kcfg-sync-*:refs/tags/kcfg-sync-*'";

/// What the tags tell of the environments that the selector matches, by name, each with what is wrong with its tag. Of an
/// environment that the repository has and no tag tells of, that is what is wrong.
///
/// # Errors
/// Tags cannot be read, or there is no environment that was asked for.
pub fn states(
    git: &Git,
    repository: Option<&Repository>,
    selector: Option<&Selector>,
) -> Result<Vec<(EnvironmentState, Option<Trouble>)>, Diagnostic> {
    let tags = git.tags(TAG_PREFIX)?;
    let mut found: Vec<(EnvironmentState, Option<Trouble>)> =
        tags.iter().filter_map(|tag| state(tag, selector)).collect();
    let told: BTreeSet<String> = found.iter().map(|(state, _)| state.name.clone()).collect();
    let is_asked = |name: &String| selector.is_none_or(|selector| selector.matches_environment(name));
    let expected = environments(git, repository);
    found.extend(expected.difference(&told).filter(|name| is_asked(name)).map(|name| untold(name)));
    found.sort_by(|(a, _), (b, _)| a.name.cmp(&b.name));
    match (found.is_empty(), selector) {
        (true, Some(selector)) => {
            let what = format!("`{selector}` matches no environment that a tag {TAG_PREFIX}* of this clone tells of");
            Err(Diagnostic::error(what).help(format!("`{FETCH}` brings them")))
        }
        _ => Ok(found),
    }
}

/// The environments that the repository has: those of the branch as this clone knows it, or, where its trees are not here, of
/// the working tree. None where there are no trees at all, as in a bare clone with `--filter=tree:0`.
fn environments(git: &Git, repository: Option<&Repository>) -> BTreeSet<String> {
    let of_branch = || {
        let head = match git.default_branch() {
            Some(branch) => git.resolve(&branch, &["origin"]).ok().flatten(),
            None => git.head(),
        }?;
        let prefix = repository.map(Repository::prefix).unwrap_or_default();
        // Without the file a folder too many may be expected, and that is said.
        let settings = Settings::of_commit(git, &head, &prefix).unwrap_or_default();
        let is_meant = |entry: &TreeEntry| {
            let is_ignored = settings.is_ignored(&format!("{RELEASES_FOLDER}/{}", entry.name));
            entry.kind == EntryType::Folder && !entry.name.starts_with('.') && !is_ignored
        };
        let mut names = BTreeSet::new();
        for folder in [RELEASES_FOLDER, RENDERED_FOLDER] {
            let entries = git.folder_entries(&head, &format!("{prefix}{folder}")).ok()?.unwrap_or_default();
            names.extend(entries.into_iter().filter(is_meant).map(|entry| entry.name));
        }
        Some(names)
    };
    let of_working_tree = || {
        repository.and_then(|repository| repository.environments().ok()).map(|found| found.names.into_iter().collect())
    };
    of_branch().or_else(of_working_tree).unwrap_or_default()
}

/// An environment of which nothing is told.
fn untold(name: &str) -> (EnvironmentState, Option<Trouble>) {
    let state = EnvironmentState {
        name: name.to_owned(),
        status: None,
        unreadable: None,
        suspensions: Ok(Suspensions::none(name)),
        lease: None,
        releases: Vec::new(),
        left_out: Vec::new(),
    };
    let what = format!("no state of {name} is told in Git: this clone has no tag {} that does", tag_name(name));
    let help = format!("`{FETCH}` brings it, once a loop with --git-report tag wrote it; a SELECTOR leaves {name} out");
    (state, Some(Trouble::new(what, help)))
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

fn state(tag: &Tag, selector: Option<&Selector>) -> Option<(EnvironmentState, Option<Trouble>)> {
    let told = Told::read(&tag.message)?;
    let name = told.environment.clone();
    // A copy of the tag by another name, or somebody else's.
    if tag_name(&name) != tag.name || selector.is_some_and(|selector| !selector.matches_environment(&name)) {
        return None;
    }
    let is_at = |commit: &str| tag.commit.as_ref().is_none_or(|at| at.as_str() == commit);
    let moved = told.status.commit.as_deref().filter(|commit| !is_at(commit)).map(|commit| {
        let at = tag.commit.as_ref().map(ToString::to_string).unwrap_or_default();
        let what = format!("the tag {} was moved by hand: it tells of {commit}, and is at {at}", tag.name);
        Trouble::new(what, "the loop mends it when there is something new to tell")
    });
    let suspensions = told.suspensions();
    let (status, releases, left_out) = (Some(told.status), Vec::new(), Vec::new());
    let mut state = EnvironmentState { name, status, unreadable: None, suspensions, lease: None, releases, left_out };
    if let Some(selector) = selector {
        state.narrow(selector);
    }
    Some((state, moved))
}
