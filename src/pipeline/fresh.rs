//! What rendered/ would hold after a render, without writing anything: one side of a comparison.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rayon::prelude::*;

use crate::error::Diagnostic;
use crate::rendered::{ReleaseFolder, Snapshot, Tree};

use super::{Context, EnvironmentPlan, Finished, Orphan, Plan};

/// The rendered tree as a render would leave it.
#[derive(Debug, Default)]
pub struct Fresh {
    /// The tree.
    pub snapshot: Snapshot,
    /// Releases whose folder on disk is not what their sources give, as environment and name.
    pub stale: BTreeSet<(String, String)>,
    /// Releases that cannot be rendered, with the reasons; their folders stay as they are.
    pub refused: BTreeMap<(String, String), Vec<Diagnostic>>,
    /// Findings that refuse nothing, with the release that they belong to.
    pub warnings: Vec<(String, Diagnostic)>,
}

/// What became of one release.
enum Made {
    /// The folder on disk is right.
    Current,
    /// It is not: this is what should be there.
    New(Arc<Tree>, Vec<Diagnostic>),
    Refused(Vec<Diagnostic>),
}

/// Renders what a plan asks for, in memory.
///
/// # Errors
/// The rendered tree cannot be listed.
pub fn fresh(plan: &Plan, context: &Context) -> Result<Fresh, Diagnostic> {
    let mut fresh = Fresh::default();
    let made: Vec<Vec<Made>> = plan.environments.par_iter().map(|environment| made(context, environment)).collect();
    for (environment, made) in plan.environments.iter().zip(made) {
        let key = |folder: &str| (environment.name.clone(), folder.to_owned());
        // What stands there stays, unless a release makes it anew or nobody owns it any more.
        let path = context.rendered.join(&environment.name);
        let on_disk = Snapshot::disk_environment(&path, &environment.name)?;
        fresh.snapshot.releases.extend(on_disk.releases);
        if environment.is_whole {
            for orphan in environment.orphans(&context.rendered)? {
                if let Orphan::Ours(folder) = orphan
                    && let Some(name) = folder.path.file_name()
                {
                    fresh.snapshot.releases.remove(&key(&name.to_string_lossy()));
                }
            }
        }
        for (job, made) in environment.jobs.iter().zip(made) {
            match made {
                Made::Current => {}
                Made::New(tree, warnings) => {
                    fresh.warnings.extend(warnings.into_iter().map(|warning| (job.name(), warning)));
                    fresh.stale.insert(key(&job.folder));
                    fresh.snapshot.releases.insert(key(&job.folder), ReleaseFolder::Memory(tree));
                }
                Made::Refused(errors) => drop(fresh.refused.insert(key(&job.folder), errors)),
            }
        }
        fresh.refused.extend(environment.refused.iter().map(|(folder, errors)| (key(folder), errors.clone())));
    }
    Ok(fresh)
}

fn made(context: &Context, environment: &EnvironmentPlan) -> Vec<Made> {
    let known = environment.known_scopes(&context.rendered);
    super::run(context, &environment.jobs, &known, |_, finished| match finished {
        Finished::Unchanged(_) => Made::Current,
        Finished::Refused(errors) => Made::Refused(errors),
        Finished::Rendered { tree, folder, warnings, .. } => {
            // A sum that only says other inputs is another file, but no other object.
            let is_current = folder.is_some_and(|folder| folder.differences(&tree).is_empty());
            if is_current { Made::Current } else { Made::New(Arc::new(*tree), warnings) }
        }
    })
}
