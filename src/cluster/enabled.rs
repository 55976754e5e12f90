//! The entry points of a kcfg that can talk to clusters.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Instant;

use jiff::Timestamp;

use crate::error::Diagnostic;
use crate::repo::Selector;

use super::client::{Client, Gate};
use super::lease::{Lease, Seizure};
use super::source::Tree;
use super::status::{EnvironmentState, Outage};
use super::sync::Synchroniser;
use super::{
    Contender, ObjectResult, Resumed, Source, SuspendRequest, Suspended, SyncOptions, SyncReport, Target, WatchOptions,
    mirror, survey, watch,
};

/// Makes a cluster equal to an environment of the tree, once, with the environment's Lease; a dry run needs none.
/// `on_object` is told of every object as it ends, `on_wait` of the process whose Lease has to run out first.
///
/// # Errors
/// The tree cannot be read, the cluster does not answer or is the wrong one, or another process leads. What went wrong
/// with single releases and objects is in the report.
pub fn apply(
    source: &Source,
    environment: &str,
    target: &Target,
    options: &SyncOptions,
    contender: Contender,
    mut on_object: impl FnMut(&ObjectResult),
    on_wait: impl FnMut(&str),
) -> Result<SyncReport, Vec<Diagnostic>> {
    runtime().map_err(|error| vec![error])?.block_on(async {
        let started = Instant::now();
        let tree = Arc::new(Tree::read(source, environment)?);
        let gate = Gate::default();
        let mut of_lease = 0;
        let mut synchroniser = Synchroniser::connect(target, gate.clone()).await.map_err(|error| vec![error])?;
        let mut report = if options.is_dry_run {
            synchroniser.sync(&tree, options, &mut on_object).await?
        } else {
            synchroniser.check(environment, Some(&tree), options).await?;
            synchroniser.reports_as(&contender.name);
            let lease = Lease::new(target, environment, contender).await;
            let mut lease = lease.map_err(|error| vec![error])?;
            let leading = lead(&mut lease, &gate, &mut synchroniser, on_wait);
            leading.await.map_err(|error| vec![error])?;
            let result = {
                let syncing = synchroniser.sync(&tree, options, &mut on_object);
                tokio::pin!(syncing);
                tokio::select! {
                    result = &mut syncing => result,
                    // The gate is closed then, and what was not done is reported.
                    _lost_to = lease.keep(&gate) => syncing.await,
                }
            };
            // It ends by itself, should this fail.
            let _ = lease.release().await;
            of_lease = lease.requests();
            result?
        };
        if let Some(why) = &report.events.why {
            let finding = Diagnostic::warning(format!("{} Events could not be written: {why}", report.events.failed));
            let help = "they are for whoever looks at the objects: all else was done";
            report.findings.push((None, finding.help(help)));
        }
        // Connecting counts too.
        report.requests = synchroniser.client().requests() + of_lease;
        report.seconds = started.elapsed().as_secs_f64();
        Ok(report)
    })
}

/// What the cluster says of what a selector names, everything if there is none: of the environments that have a record, and
/// those of these names.
///
/// # Errors
/// The cluster does not answer, or forbids it.
pub fn status(
    target: &Target,
    names: &BTreeSet<String>,
    selector: Option<&Selector>,
) -> Result<Vec<EnvironmentState>, Diagnostic> {
    ask(target, async |client| {
        let found = survey::survey(&client, names, selector).await;
        found.map_err(|failure| failure.diagnostic("read the records of the environments"))
    })
}

/// The same as [`status`], for who goes on looking: `look` is called at first, whenever something changed, and from time to
/// time, since ages grow; until it breaks or the process is asked to end (SIGTERM, SIGINT). While nothing is heard of the
/// cluster it is given what was known before, and since when.
///
/// # Errors
/// The cluster does not answer at first, forbids lists or watches, or `look` fails.
pub fn follow_status(
    target: &Target,
    names: &BTreeSet<String>,
    selector: Option<&Selector>,
    look: impl FnMut(&[EnvironmentState], Option<&Outage>) -> Result<ControlFlow<()>, Diagnostic>,
) -> Result<(), Diagnostic> {
    ask(target, async |client| mirror::watch(&client, names, selector, look).await)
}

/// Leaves alone what a selector names.
///
/// # Errors
/// It matches nothing in the cluster, or that cannot be written.
pub fn suspend(target: &Target, request: &SuspendRequest) -> Result<Vec<Suspended>, Diagnostic> {
    ask(target, async |client| super::suspend::suspend(&client, request, Timestamp::now()).await)
}

/// Ends suspensions.
///
/// # Errors
/// There is none of that name, or that cannot be written.
pub fn resume(target: &Target, selector: &Selector) -> Result<Vec<Resumed>, Diagnostic> {
    ask(target, async |client| super::suspend::resume(&client, selector, Timestamp::now()).await)
}

fn ask<T>(target: &Target, work: impl AsyncFnOnce(Client) -> Result<T, Diagnostic>) -> Result<T, Diagnostic> {
    runtime()?.block_on(async { work(Client::new(target, Gate::default()).await?).await })
}

fn runtime() -> Result<tokio::runtime::Runtime, Diagnostic> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|error| Diagnostic::error(format!("cannot start: {error}")))
}

/// Takes the Lease.
async fn lead(
    lease: &mut Lease,
    gate: &Gate,
    synchroniser: &mut Synchroniser,
    mut on_wait: impl FnMut(&str),
) -> Result<(), Diagnostic> {
    let mut has_waited = false;
    let seized = lease.seize(|holder| {
        has_waited = true;
        on_wait(holder);
    });
    let deadline = seized.await.map_err(|seizure| match seizure {
        Seizure::Held(holder) => Diagnostic::error(format!("{holder} leads: it has the Lease {}", lease.name())).help(
            "commit what you want and let it apply that, or stop it first: `kcfg suspend ENV --for 1h --reason TEXT`",
        ),
        Seizure::Failure(failure) => failure.diagnostic("take the environment's Lease"),
    })?;
    gate.set_deadline(Some(deadline));
    if has_waited {
        synchroniser.forget_parents();
    }
    Ok(())
}

/// Keeps a cluster equal to a ref of a Git server until the process is asked to end (SIGTERM, SIGINT).
///
/// # Errors
/// The address cannot be listened on, the Git server's cannot be used, or there are no credentials for the cluster. What
/// goes wrong later is logged.
pub fn follow(options: WatchOptions) -> Result<(), Vec<Diagnostic>> {
    watch::run(options)
}
