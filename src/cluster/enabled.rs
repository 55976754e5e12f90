//! The entry points of a kcfg that can talk to clusters.

use std::sync::Arc;
use std::time::Instant;

use crate::error::Diagnostic;

use super::client::Gate;
use super::source::Tree;
use super::sync::Synchroniser;
use super::{ObjectResult, Source, SyncOptions, SyncReport, Target, WatchOptions, watch};

/// Makes a cluster equal to an environment of the tree, once. `on_object` is told of every object as it ends.
///
/// # Errors
/// The tree cannot be read, the cluster does not answer or is the wrong one. What went wrong with single releases and
/// objects is in the report.
pub fn apply(
    source: &Source,
    environment: &str,
    target: &Target,
    options: &SyncOptions,
    mut on_object: impl FnMut(&ObjectResult),
) -> Result<SyncReport, Vec<Diagnostic>> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| vec![Diagnostic::error(format!("cannot start: {error}"))])?;
    runtime.block_on(async {
        let started = Instant::now();
        let tree = Arc::new(Tree::read(source, environment)?);
        let mut synchroniser = Synchroniser::connect(target, Gate::default()).await.map_err(|error| vec![error])?;
        let mut report = synchroniser.sync(&tree, options, &mut on_object).await?;
        // Connecting counts too.
        report.requests = synchroniser.client().requests();
        report.seconds = started.elapsed().as_secs_f64();
        Ok(report)
    })
}

/// Keeps a cluster equal to a ref of a Git server until the process is asked to end (SIGTERM, SIGINT).
///
/// # Errors
/// The address cannot be listened on, the Git server's cannot be used, or there are no credentials for the cluster. What
/// goes wrong later is logged.
pub fn follow(options: WatchOptions) -> Result<(), Vec<Diagnostic>> {
    watch::run(options)
}
