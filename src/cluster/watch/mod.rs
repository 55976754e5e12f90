//! `kcfg apply --watch`: keeps a cluster equal to a ref of a Git repository, for years.
//!
//! Three things go on beside each other, and the loop ties them together:
//! - the Git server is polled (and asked at once after a webhook): [`GitRemote`]; a new commit ends a wait of the
//!   synchronisation under way;
//! - the members are watched: [`Members`](super::members::Members); what no longer is as it was applied is drift; so are
//!   the parents, which nobody else should change;
//! - the Lease is kept: [`Lease`]; without it nothing is written.
//!
//! A synchronisation runs when there is a new commit, when something drifted, and after a growing pause when something
//! failed. Otherwise nothing is asked of the API server but the Lease and the open watches.

mod drift;
mod fights;
mod follow;
mod identity;
mod leading;
mod logger;
mod say;

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use jiff::Timestamp;
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::client::Gate;
use super::event::Event;
use super::git::GitRemote;
use super::lease::{Attempt, Lease, RENEW_PERIOD};
use super::moment::Moment;
use super::server::{Board, serve};
use super::teller::{Place, Teller};
use super::webhook::WebhookSecret;
use super::{GitReport, RemoteOptions, WatchOptions};
use crate::error::Diagnostic;
use fights::Fights;
use follow::follow;
use identity::{Identified, identify};
use leading::Leading;
use logger::Logger;
use say::SUSPENSION_IS_NEW;

pub use fights::{FIGHT_CORRECTIONS_MAX, FIGHT_WINDOW};
pub(super) use logger::one_line;

/// The pause after a synchronisation in which something failed; it doubles up to [`RETRY_MAX`].
pub const RETRY: Duration = Duration::from_secs(10);
/// The longest such pause.
pub const RETRY_MAX: Duration = Duration::from_secs(300);

/// Runs until the process is asked to end (SIGTERM, SIGINT): then the step at hand is finished and the Lease given back.
///
/// # Errors
/// The address cannot be listened on, or there are no credentials for the cluster. What goes wrong later is logged.
pub fn run(options: WatchOptions) -> Result<(), Vec<Diagnostic>> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| vec![Diagnostic::error(format!("cannot start: {error}"))])?;
    let result = runtime.block_on(run_async(options)).map_err(|error| vec![error]);
    // A fetch that hangs must not keep the process.
    runtime.shutdown_timeout(Duration::from_secs(1));
    result
}

async fn run_async(options: WatchOptions) -> Result<(), Diagnostic> {
    let WatchOptions { environment, target, mut sync, remote, poll, git_reports, .. } = options;
    let (listen, webhook_secret, contender, log) =
        (options.listen, options.webhook_secret, options.contender, options.log);
    let RemoteOptions { url, reference, certificates, cache_folder, credentials } = remote;
    let secret = webhook_secret.map(|text| WebhookSecret::new(&text)).transpose();
    let secret = secret.map_err(|problem| Diagnostic::error(problem).help("put a long random text into its file"))?;
    let board = Arc::new(Board::new(&environment, secret));
    let remote = GitRemote::new(&url, &reference, certificates.clone(), &cache_folder)?;
    let place = |report| match report {
        GitReport::Tag => Place::Tag { endpoint: remote.endpoint().clone(), credentials: credentials.clone() },
        GitReport::CommitStatus(target) => Place::CommitStatus {
            target,
            certificates: certificates.clone(),
            credentials: options.report_credentials.clone(),
        },
    };
    let places: Vec<Place> = git_reports.into_iter().map(place).collect();
    (sync.follows, sync.reference) = (Some(remote.url()), Some(remote.reference().to_owned()));
    if let Some(address) = listen {
        let listener = TcpListener::bind(&address).await.map_err(|error| {
            Diagnostic::error(format!("cannot listen on {address}: {error}"))
                .help("--listen takes ADDRESS:PORT, as in 0.0.0.0:8080")
        })?;
        tokio::spawn(serve(listener, board.clone()));
    }
    let mut stop = stopped()?;
    let log = Logger { log, environment: environment.clone() };
    let instance = contender.name.clone();
    let mut lease = Lease::new(&target, &environment, contender).await?;
    let mut following = follow(remote, credentials, poll, board.clone(), log.clone());
    // The end of a suspension of the whole environment, which whoever saw it had no Lease to tell with.
    let mut untold: (Timestamp, Vec<Event>) = Default::default();
    loop {
        let gate = Gate::default();
        let (place, tellers) = ((&target, environment.as_str()), (board.as_ref(), &log));
        let mut identified = identify(place, &sync, &gate, &mut following, &mut stop, tellers).await;
        if identified.is_none() {
            return Ok(());
        }
        let acquired = acquire(&mut lease, &mut identified, &mut stop, &board, &log).await;
        let Some(deadline) = acquired else { return Ok(()) };
        gate.set_deadline(Some(deadline));
        let (connected, tree) = identified.map_or((None, None), |found| (Some(found.synchroniser), found.tree));
        let (since, events) = std::mem::take(&mut untold);
        let is_new = Timestamp::now().duration_since(since) < SUSPENSION_IS_NEW;
        let mut leading = Leading {
            environment: environment.clone(),
            instance: instance.clone(),
            target: target.clone(),
            sync: sync.clone(),
            board: board.clone(),
            log: log.clone(),
            gate: gate.clone(),
            fights: Fights::default(),
            told: BTreeMap::new(),
            problems: None,
            attempted: String::new(),
            read: tree,
            teller: Teller::start(&places, &board.metrics, &log.log),
            events: if is_new { events } else { Vec::new() },
            event_trouble: String::new(),
            suspended: HashSet::new(),
            differing: HashSet::new(),
            hands_over: watch::channel(false).0,
        };
        let hands_over = leading.hands_over.subscribe();
        board.metrics.set("kcfg_leader", "", 1.0);
        let ended = tokio::select! {
            biased;
            holder = keep(&mut lease, &gate, hands_over, &log) => Some(holder),
            () = leading.run(connected, &mut following, stop.clone()) => None,
        };
        board.metrics.set("kcfg_leader", "", 0.0);
        match ended {
            Some(holder) => log.warn("the lease was lost", &[("holder", holder)]),
            // What was suspended as a whole goes on, with whoever has the Lease first.
            None if !*stop.borrow() => untold = (Timestamp::now(), leading.events),
            None => {
                let released = lease.release().await;
                log.info("stopped", &[("lease", released.map_or_else(|e| e.to_string(), |()| "released".into()))]);
                return Ok(());
            }
        }
    }
}

/// Keeps the Lease until somebody else has it, or gives it back when the environment is handed over.
async fn keep(lease: &mut Lease, gate: &Gate, mut hands_over: watch::Receiver<bool>, log: &Logger) -> String {
    tokio::select! {
        holder = lease.keep(gate) => return holder,
        _ = hands_over.wait_for(|is_handed_over| *is_handed_over) => {}
    }
    gate.set_deadline(Some(Moment::now()));
    let state = lease.release().await.map_or_else(|error| error.to_string(), |()| "released".into());
    log.info("handed over while the environment is suspended", &[("lease", state)]);
    std::future::pending().await
}

/// Becomes true when the process is asked to end.
pub(super) fn stopped() -> Result<watch::Receiver<bool>, Diagnostic> {
    use tokio::signal::unix::{SignalKind, signal};
    let failed = |error| Diagnostic::error(format!("cannot wait for signals: {error}"));
    let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
    let (sender, receiver) = watch::channel(false);
    tokio::spawn(async move {
        tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
        let _ = sender.send(true);
    });
    Ok(receiver)
}

/// Waits until the Lease is ours, and gives the deadline; none when the process is asked to end before. What was found out
/// of the cluster is dropped when that takes time: it may be long ago, and memory is held for it.
async fn acquire(
    lease: &mut Lease,
    identified: &mut Option<Identified>,
    stop: &mut watch::Receiver<bool>,
    board: &Board,
    log: &Logger,
) -> Option<Moment> {
    let mut said = String::new();
    loop {
        board.moves();
        let state = match lease.attempt().await {
            Ok(Attempt::Ours(deadline)) => {
                log.info("leading", &[("lease", lease.name().to_owned())]);
                return Some(deadline);
            }
            Ok(Attempt::Theirs(holder)) => {
                // Who waits is as ready as it can be.
                board.is_ready.store(true, Ordering::Relaxed);
                format!("{holder} has it")
            }
            Err(failure) => failure.to_string(),
        };
        *identified = None;
        if state != said {
            log.info("waiting for the lease", &[("lease", lease.name().to_owned()), ("state", state.clone())]);
            said = state;
        }
        tokio::select! {
            () = tokio::time::sleep(RENEW_PERIOD) => {}
            _ = stop.wait_for(|is_stopped| *is_stopped) => return None,
        }
    }
}

fn now_seconds() -> f64 {
    Timestamp::now().as_millisecond() as f64 / 1000.0
}
