//! Documents → the inputs of their releases, without rendering: does a tree belong to the sources beside it?

use std::collections::BTreeMap;
use std::sync::Arc;

use rayon::prelude::*;

use crate::error::Diagnostic;
use crate::release::EnvironmentDocs;
use crate::repo::{CommitId, LOCK_FILE, Lock, Repository};

use super::plan::environment_plan;
use super::resolve::Resolver;
use super::{Charts, Job};

/// The inputs of an environment's releases, by folder, as `kcfg render` would write them into the sums; those that
/// cannot be worked out are left out. The sources are the working tree, or a commit with its folder of the repository.
///
/// # Errors
/// Git or kcfg.lock cannot be read.
pub fn inputs(
    repository: &Arc<Repository>,
    commit: Option<(&CommitId, &str)>,
    docs: EnvironmentDocs,
) -> Result<BTreeMap<String, String>, Diagnostic> {
    let mut resolver = match commit {
        None => Resolver::new(repository, std::slice::from_ref(&docs), false, &mut Vec::new())?,
        Some((commit, prefix)) => {
            let lock = lock_of(repository, commit, prefix)?;
            Resolver::of_commit(repository, &docs, lock, commit, prefix)
        }
    };
    let plan = environment_plan(repository, &mut resolver, docs, &[]);
    let charts = Charts::new(repository.clone());
    let inputs = |job: &Job| Some((job.folder.clone(), job.inputs(&charts).ok()?));
    Ok(plan.jobs.par_iter().filter_map(inputs).collect())
}

fn lock_of(repository: &Repository, commit: &CommitId, prefix: &str) -> Result<Lock, Diagnostic> {
    let Some(git) = repository.git()? else { return Ok(Lock::default()) };
    let entries = git.folder_entries(commit, prefix.trim_end_matches('/'))?.unwrap_or_default();
    match entries.iter().find(|entry| entry.name == LOCK_FILE) {
        Some(entry) => Lock::parse(&git.blob(entry.id, LOCK_FILE)?).map(|(lock, _)| lock),
        None => Ok(Lock::default()),
    }
}
