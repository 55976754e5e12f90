//! `kcfg apply --watch`: keeps a cluster equal to a ref of a Git repository, for years.
//!
//! Three things go on beside each other, and the loop ties them together:
//! - the Git server is polled (and asked at once after a webhook): [`GitRemote`]; a new commit ends a wait of the
//!   synchronisation under way;
//! - the members are watched: [`Members`]; what no longer is as it was applied is drift; so are the parents, which nobody
//!   else should change;
//! - the Lease is kept: [`Lease`]; without it nothing is written.
//!
//! A synchronisation runs when there is a new commit, when something drifted, and after a growing pause when something
//! failed. Otherwise nothing is asked of the API server but the Lease and the open watches.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::client::{Client, Failure, Gate};
use super::discovery::Resource;
use super::git::{Fetched, GitRemote};
use super::lease::{Attempt, Lease, RENEW_PERIOD};
use super::members::{Members, Sight, Trouble};
use super::metrics::label;
use super::record::{self, Record};
use super::server::{Board, serve};
use super::source::Tree;
use super::status::{self, EnvironmentStatus, Problem};
use super::sync::Synchroniser;
use super::teller::{Place, Teller};
use super::told::Told;
use super::webhook::WebhookSecret;
use super::{
    Credentials, Log, LogLine, ObjectResult, Outcome, ReleaseState, RemoteOptions, Source, SyncOptions, SyncReport,
    Target, WatchOptions,
};
use crate::error::{Diagnostic, Severity};
use crate::plan::{ShortHash, Suspensions};
use crate::release::Drift;
use crate::repo::CommitId;

/// The pause after a synchronisation in which something failed; it doubles up to [`RETRY_MAX`].
pub const RETRY: Duration = Duration::from_secs(10);
/// The longest such pause.
pub const RETRY_MAX: Duration = Duration::from_secs(300);
/// How long sights are gathered before something is done about them.
const SETTLE: Duration = Duration::from_millis(200);
/// How often one object may be corrected within [`FIGHT_WINDOW`] before that counts as a fight.
pub const FIGHT_CORRECTIONS_MAX: usize = 5;
/// See [`FIGHT_CORRECTIONS_MAX`]; an object that is fought over is left alone as long.
pub const FIGHT_WINDOW: Duration = Duration::from_secs(60);

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
    let remote = GitRemote::new(&url, &reference, certificates, &cache_folder)?;
    let place = |_| Place { endpoint: remote.endpoint().clone(), credentials: credentials.clone() };
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
    let mut lease = Lease::new(&target, &environment, contender, sync.initialises).await?;
    let mut following = follow(remote, credentials, poll, board.clone(), log.clone());
    loop {
        let Some(deadline) = acquire(&mut lease, &mut stop, &board, &log).await else { return Ok(()) };
        let gate = Gate::default();
        gate.set_deadline(Some(deadline));
        let mut leading = Leading {
            environment: environment.clone(),
            target: target.clone(),
            sync: sync.clone(),
            board: board.clone(),
            log: log.clone(),
            gate: gate.clone(),
            fights: Fights::default(),
            told: BTreeMap::new(),
            problems: None,
            teller: Teller::start(&places, &board.metrics, &log.log),
            suspended: HashSet::new(),
            hands_over: watch::channel(false).0,
        };
        let hands_over = leading.hands_over.subscribe();
        board.metrics.set("kcfg_leader", "", 1.0);
        let ended = tokio::select! {
            biased;
            holder = keep(&mut lease, &gate, hands_over, &log) => Some(holder),
            () = leading.run(&mut following, stop.clone()) => None,
        };
        board.metrics.set("kcfg_leader", "", 0.0);
        match ended {
            Some(holder) => log.warn("the lease was lost", &[("holder", holder)]),
            // What was suspended as a whole goes on, with whoever has the Lease first.
            None if !*stop.borrow() => {}
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
    gate.set_deadline(Some(Instant::now()));
    let state = lease.release().await.map_or_else(|error| error.to_string(), |()| "released".into());
    log.info("handed over while the environment is suspended", &[("lease", state)]);
    std::future::pending().await
}

/// Becomes true when the process is asked to end.
fn stopped() -> Result<watch::Receiver<bool>, Diagnostic> {
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

/// Waits until the Lease is ours; none when the process is asked to end before.
async fn acquire(lease: &mut Lease, stop: &mut watch::Receiver<bool>, board: &Board, log: &Logger) -> Option<Instant> {
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

/// What is fetched, as the loop sees it.
struct Following {
    newest: watch::Receiver<Option<Fetched>>,
    /// Why the Git server cannot be asked; none while it can.
    trouble: watch::Receiver<Option<String>>,
}

/// Polls the Git server in the background.
fn follow(
    mut remote: GitRemote,
    credentials: Credentials,
    poll: Duration,
    board: Arc<Board>,
    log: Logger,
) -> Following {
    let (sender, newest) = watch::channel(None);
    let (trouble_sender, trouble) = watch::channel(None);
    tokio::spawn(async move {
        let mut said = String::new();
        loop {
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
            tokio::select! {
                () = tokio::time::sleep(jittered(poll)) => {}
                () = board.nudge.notified() => {}
            }
        }
    });
    Following { newest, trouble }
}

/// The loop while this process leads.
struct Leading {
    environment: String,
    target: Target,
    sync: SyncOptions,
    board: Arc<Board>,
    log: Logger,
    gate: Gate,
    fights: Fights,
    /// Suspensions that the log was told of: selector and end.
    told: BTreeMap<String, Timestamp>,
    /// What the last synchronisation could not do; none before the first.
    problems: Option<Vec<Problem>>,
    /// Tells the Git server.
    teller: Teller,
    /// Objects that are suspended and not as the tree says.
    suspended: HashSet<ShortHash>,
    /// Becomes true while the whole environment is suspended: the Lease is given back then.
    hands_over: watch::Sender<bool>,
}

impl Leading {
    /// Ends when the process is asked to end.
    async fn run(&mut self, following: &mut Following, mut stop: watch::Receiver<bool>) {
        let mut synchroniser = loop {
            match Synchroniser::connect(&self.target, self.gate.clone()).await {
                Ok(synchroniser) => break synchroniser,
                Err(error) => self.log.error("the cluster does not answer", &[("error", one_line(&error))]),
            }
            tokio::select! {
                () = tokio::time::sleep(RETRY) => {}
                _ = stop.wait_for(|is_stopped| *is_stopped) => return,
            }
        };
        // Ends a wait when there is something newer to do, and lets no request start when the process is to end.
        let preempt = synchroniser.preempt.clone();
        let breaker = {
            let (mut newest, mut stop, gate) = (following.newest.clone(), stop.clone(), self.gate.clone());
            newest.mark_unchanged();
            tokio::spawn(async move {
                loop {
                    tokio::select! {
                        changed = newest.changed() => if changed.is_err() { return },
                        _ = stop.wait_for(|is_stopped| *is_stopped) => {
                            gate.close();
                            preempt.store(true, Ordering::Relaxed);
                            return;
                        }
                    }
                    preempt.store(true, Ordering::Relaxed);
                }
            })
        };
        self.steps(&mut synchroniser, following, stop).await;
        breaker.abort();
    }

    async fn steps(
        &mut self,
        synchroniser: &mut Synchroniser,
        following: &mut Following,
        mut stop: watch::Receiver<bool>,
    ) {
        let (client, metrics) = (synchroniser.client().clone(), self.board.metrics.clone());
        let mut suspensions = self.suspensions(&client).await;
        let members = Members::new(client.clone(), &self.environment, metrics.clone(), self.trouble());
        synchroniser.keep(members);
        let mut parents = Members::parents(client, &self.environment, metrics, self.trouble());
        parents.follow(synchroniser.resource("", "ConfigMap").cloned()).await;
        let mut known: Option<Known> = None;
        let mut retry: Option<(Instant, Duration)> = None;
        let mut is_due = true;
        loop {
            self.board.moves();
            let (now, found) = (Timestamp::now(), suspensions.borrow_and_update().clone());
            is_due |= self.tell_suspensions(&found, now);
            // What is suspended as a whole is not even looked at; what cannot be read may be that.
            let is_suspended = found.as_ref().map_or(true, |found| found.covers_environment(now).is_some());
            let is_handed_over = *self.hands_over.borrow();
            if is_handed_over && !is_suspended {
                return;
            }
            if is_suspended && found.is_ok() && !is_handed_over {
                self.board.is_ready.store(true, Ordering::Relaxed);
                self.hands_over.send_replace(true);
            }
            if !is_suspended && following.trouble.has_changed().unwrap_or(false) {
                let trouble = following.trouble.borrow_and_update().clone();
                self.amend(synchroniser, |status, now| status.with_git(trouble.as_deref(), now)).await;
            }
            if is_due && !is_suspended {
                let Some(fetched) = following.newest.borrow_and_update().clone() else {
                    tokio::select! {
                        _ = following.newest.changed() => continue,
                        _ = following.trouble.changed() => {
                            following.trouble.mark_changed();
                            continue;
                        }
                        _ = suspensions.changed() => continue,
                        _ = stop.wait_for(|is_stopped| *is_stopped) => return,
                    }
                };
                is_due = false;
                let pause = retry.take().map_or(RETRY, |(_, pause)| (pause * 2).min(RETRY_MAX));
                match self.step(synchroniser, &fetched).await {
                    Some((tree, report)) => {
                        let is_failed = report.count(&Outcome::Failed) + report.count(&Outcome::Unready) > 0;
                        retry = is_failed.then(|| (Instant::now() + pause, pause));
                        known = know(synchroniser, &tree).or(known);
                    }
                    None => retry = Some((Instant::now() + pause, pause)),
                }
                if *stop.borrow() {
                    return;
                }
            }
            if !is_handed_over {
                self.tell(synchroniser, &found, now);
            }
            // A retry whose time is over waits for the end of the suspension, which wakes the loop by itself.
            let again = retry.filter(|_| !is_suspended).map(|(until, _)| until);
            let until = again.into_iter().chain(self.fights.next_end()).min();
            let until = until.unwrap_or_else(|| Instant::now() + Duration::from_secs(60));
            // Suspensions end by the wall clock.
            let ends = found.ok().and_then(|found| found.next_end(now));
            let ends = ends.map(|end| Instant::now() + Duration::try_from(end.duration_since(now)).unwrap_or_default());
            let until = ends.into_iter().chain([until]).min().unwrap_or(until);
            tokio::select! {
                _ = suspensions.changed() => suspensions.mark_changed(),
                _ = following.trouble.changed() => following.trouble.mark_changed(),
                changed = following.newest.changed() => is_due |= changed.is_ok(),
                _ = stop.wait_for(|is_stopped| *is_stopped) => return,
                () = tokio::time::sleep_until(until.into()) => {
                    let is_over = self.fights.end_of_some(Instant::now());
                    is_due |= is_over || retry.is_some_and(|(until, _)| until <= Instant::now());
                }
                () = changed(synchroniser) => {
                    tokio::time::sleep(SETTLE).await;
                    let sights = synchroniser.members().map(Members::take_sights).unwrap_or_default();
                    if let Some(known) = &known {
                        is_due |= self.drifted(known, sights);
                    }
                }
                () = parents.changed() => {
                    tokio::time::sleep(SETTLE).await;
                    is_due |= self.parents_changed(synchroniser, parents.take_sights().into_values());
                }
            }
        }
    }

    /// One synchronisation, with all that is said about it; none where tree or cluster cannot be read.
    async fn step(&mut self, synchroniser: &mut Synchroniser, fetched: &Fetched) -> Option<(Arc<Tree>, SyncReport)> {
        let begin = Instant::now();
        let metrics = self.board.metrics.clone();
        let commit = fetched.commit.clone();
        let requests = synchroniser.client().requests();
        synchroniser.preempt.store(false, Ordering::Relaxed);
        let source = Source::Commit { git: fetched.git.clone(), commit: commit.clone(), prefix: String::new() };
        let environment = self.environment.clone();
        let read = tokio::task::spawn_blocking(move || Tree::read(&source, &environment)).await;
        let tree = match read {
            Ok(Ok(tree)) => Arc::new(tree),
            Ok(Err(errors)) => {
                let error = errors.first().map(one_line).unwrap_or_default();
                self.amend(synchroniser, |status, now| status.failed(&error, now)).await;
                return self.unable(&commit, "the tree cannot be read", &errors);
            }
            Err(error) => {
                let error = Diagnostic::error(error.to_string());
                return self.unable(&commit, "the tree cannot be read", &[error]);
            }
        };
        let log = self.log.clone();
        let mut sink = |object: &ObjectResult| log.object(object, &commit);
        let options = SyncOptions { leaves_drift: !corrects(&tree), ..self.sync.clone() };
        let result = synchroniser.sync(&tree, &options, &mut sink).await;
        metrics.add("kcfg_api_requests_total", "", (synchroniser.client().requests() - requests) as f64);
        let report = match result {
            Ok(report) => report,
            Err(errors) => {
                let error = errors.first().map(one_line).unwrap_or_default();
                self.amend(synchroniser, |status, now| status.failed(&error, now)).await;
                return self.unable(&commit, "the synchronisation failed", &errors);
            }
        };
        let suspended = report.objects.iter().filter(|object| object.outcome == Outcome::Suspended);
        self.suspended = suspended.map(|object| ShortHash::of_id(&object.id)).collect();
        let problems = report.objects.iter().filter(|object| status::is_problem(&object.outcome));
        self.problems = Some(status::problems(problems, true));
        self.said(&commit, &report, begin.elapsed());
        self.board.is_ready.store(true, Ordering::Relaxed);
        Some((tree, report))
    }

    /// Tells the Git server how the environment stands.
    fn tell(&self, synchroniser: &Synchroniser, found: &Result<Suspensions, Diagnostic>, now: Timestamp) {
        let (Some(status), Ok(suspensions)) = (synchroniser.status(), found) else { return };
        // Before the first synchronisation of this process its problems are not known.
        if self.problems.is_some() || status.error.is_some() {
            let problems = self.problems.as_deref().unwrap_or_default();
            self.teller.tell(Told::new(status, problems, suspensions, now));
        }
    }

    /// What is suspended, read now and watched from now on.
    async fn suspensions(&self, client: &Client) -> watch::Receiver<Result<Suspensions, Diagnostic>> {
        let first = match Record::read(client, &self.environment).await {
            Ok(record) => record.suspensions,
            Err(failure) => Err(failure.diagnostic("read what is suspended")),
        };
        let (sender, receiver) = watch::channel(first);
        tokio::spawn(record::follow(client.ungated(), self.environment.clone(), sender));
        receiver
    }

    /// Says which suspensions began and ended; whether one ended, or one of a part began.
    fn tell_suspensions(&mut self, found: &Result<Suspensions, Diagnostic>, now: Timestamp) -> bool {
        let Ok(found) = found.as_ref().inspect_err(|error| {
            if self.told.insert(String::new(), now).is_none() {
                self.log.error("nothing is done", &[("error", one_line(error))]);
            }
        }) else {
            return false;
        };
        let in_force: BTreeMap<String, Timestamp> =
            found.in_force(now).map(|suspension| (suspension.selector.to_string(), suspension.until)).collect();
        if in_force == self.told {
            return false;
        }
        let begun = found.in_force(now).filter(|s| self.told.get(&s.selector.to_string()) != Some(&s.until));
        for suspension in begun {
            let fields = [
                ("selector", suspension.selector.to_string()),
                ("until", suspension.until.to_string()),
                ("by", suspension.by.clone()),
                ("reason", suspension.reason.clone()),
            ];
            self.log.warn("suspended", &fields);
        }
        for selector in self.told.keys().filter(|selector| !in_force.contains_key(*selector)) {
            self.log.info("a suspension ended", &[("selector", selector.clone())]);
        }
        let numbers = in_force.iter().map(|(selector, until)| (label("selector", selector), until.as_second() as f64));
        self.board.metrics.replace("kcfg_suspended", numbers);
        self.told = in_force;
        true
    }

    /// Changes the status in the record. Where that fails there is trouble that is told anyway.
    async fn amend(
        &self,
        synchroniser: &mut Synchroniser,
        change: impl FnOnce(&EnvironmentStatus, Timestamp) -> EnvironmentStatus,
    ) {
        let now = Timestamp::now();
        let amended = synchroniser.amend(&self.environment, |status| change(status, now)).await;
        if let Err(failure) = amended {
            self.log.warn("the record cannot be written", &[("error", failure.to_string())]);
        }
    }

    fn unable<T>(&self, commit: &CommitId, what: &'static str, errors: &[Diagnostic]) -> Option<T> {
        self.board.metrics.add("kcfg_syncs_total", &label("result", "error"), 1.0);
        for error in errors {
            self.log.error(what, &[("commit", commit.to_string()), ("error", one_line(error))]);
        }
        None
    }

    fn said(&self, commit: &CommitId, report: &SyncReport, took: Duration) {
        let metrics = &self.board.metrics;
        let count = |outcome: Outcome| report.count(&outcome);
        for object in &report.objects {
            metrics.add("kcfg_objects_total", &label("outcome", object.outcome.word()), 1.0);
        }
        let unchanged = report.unchanged + count(Outcome::Same);
        for (state, number) in [
            ("unchanged", unchanged),
            ("failed", count(Outcome::Failed)),
            ("held", count(Outcome::Held)),
            ("suspended", report.suspended),
        ] {
            metrics.set("kcfg_objects", &label("state", state), number as f64);
        }
        for state in [ReleaseState::Applied, ReleaseState::Partial, ReleaseState::Suspended, ReleaseState::Refused] {
            let number = report.releases.iter().filter(|release| release.state == state).count();
            metrics.set("kcfg_releases", &label("state", state.word()), number as f64);
        }
        metrics.replace("kcfg_commit_info", [(label("commit", commit.as_str()), 1.0)]);
        let stale = report.releases.iter().filter(|release| release.is_stale).count();
        metrics.set("kcfg_stale_releases", "", stale as f64);
        metrics.set("kcfg_last_sync_timestamp_seconds", "", now_seconds());
        metrics.set("kcfg_last_sync_duration_seconds", "", took.as_secs_f64());
        for (release, finding) in &report.findings {
            let fields = [
                ("release", release.clone().unwrap_or_default()),
                ("commit", commit.to_string()),
                ("finding", one_line(finding)),
            ];
            match finding.severity {
                Severity::Error => self.log.error("finding", &fields),
                Severity::Warning => self.log.warn("finding", &fields),
            }
        }
        if let Some(hold) = &report.hold {
            self.log.warn("deletions are held", &[("commit", commit.to_string()), ("why", hold.excess.to_string())]);
        }
        let is_as_meant = |state| matches!(state, ReleaseState::Applied | ReleaseState::Suspended);
        let is_whole = report.releases.iter().all(|release| is_as_meant(release.state));
        let result = if is_whole && report.hold.is_none() { "ok" } else { "findings" };
        metrics.add("kcfg_syncs_total", &label("result", result), 1.0);
        self.log.info(
            "synchronised",
            &[
                ("commit", commit.to_string()),
                ("result", result.to_owned()),
                ("applied", (count(Outcome::Created) + count(Outcome::Changed)).to_string()),
                ("unchanged", unchanged.to_string()),
                ("pruned", count(Outcome::Pruned).to_string()),
                ("held", count(Outcome::Held).to_string()),
                ("failed", count(Outcome::Failed).to_string()),
                ("requests", report.requests.to_string()),
                ("seconds", format!("{:.3}", took.as_secs_f64())),
            ],
        );
    }

    /// Whether somebody else changed a parent; they are then read anew.
    fn parents_changed(&self, synchroniser: &mut Synchroniser, sights: impl Iterator<Item = Sight>) -> bool {
        let Some(known) = synchroniser.parents() else { return true };
        let number = |version: &str| version.parse::<u64>().unwrap_or(0);
        let mut names = Vec::new();
        for Sight { live, is_gone } in sights {
            let own = known.values().find_map(|parent| parent.version_of(&live.id.name));
            // What was written here is seen too, and may be seen late.
            let is_own = match own {
                Some(own) => !is_gone && number(&live.resource_version) <= number(own),
                None => is_gone,
            };
            if !is_own {
                let manager = live.other_manager.as_deref().unwrap_or("unknown").to_owned();
                self.log.warn("a record was changed", &[("record", live.id.to_string()), ("manager", manager)]);
                names.push(live.id.name);
            }
        }
        if !names.is_empty() {
            synchroniser.forget_parents();
        }
        !names.is_empty()
    }

    /// Says what cannot be watched.
    fn trouble(&self) -> Trouble {
        let log = self.log.clone();
        Arc::new(move |resource: &Resource, failure: Option<&Failure>| {
            let kind = ("kind", format!("{}/{}", resource.group, resource.kind));
            match failure {
                Some(failure) => {
                    log.warn("cannot be watched: its drift is seen late", &[kind, ("error", failure.to_string())]);
                }
                None => log.info("can be watched again", &[kind]),
            }
        })
    }

    /// Whether something has to be corrected; says what is seen.
    fn drifted(&mut self, known: &Known, sights: HashMap<ShortHash, Sight>) -> bool {
        let mut is_due = false;
        for (key, sight) in sights {
            let Some(state) = known.states.get(&key) else { continue };
            if self.suspended.contains(&key) {
                continue;
            }
            if *state == ShortHash::UNKNOWN || (!sight.is_gone && *state == sight.live.state) {
                continue;
            }
            let manager = match &sight.live.other_manager {
                _ if sight.is_gone => "deleted",
                Some(manager) => manager,
                None => "unknown",
            };
            self.board.metrics.add("kcfg_drift_total", &label("manager", manager), 1.0);
            let fields = [("object", sight.live.id.to_string()), ("manager", manager.to_owned())];
            if !known.corrects {
                self.log.warn("drift, which is only reported", &fields);
                continue;
            }
            match self.fights.note(key, Instant::now()) {
                Fight::None => {
                    self.log.warn("drift", &fields);
                    is_due = true;
                }
                Fight::Begins => self.log.error("somebody keeps changing it back", &fields),
                Fight::GoesOn => {}
            }
        }
        self.board.metrics.set("kcfg_fights", "", self.fights.count() as f64);
        is_due
    }
}

/// Waits until a member was seen to change.
async fn changed(synchroniser: &Synchroniser) {
    match synchroniser.members() {
        Some(members) => members.changed().await,
        None => std::future::pending().await,
    }
}

/// What was applied, for telling drift from what was done here.
fn know(synchroniser: &Synchroniser, tree: &Tree) -> Option<Known> {
    let entries = synchroniser.parents()?.values().flat_map(|parent| &parent.inventory.entries);
    let states = entries.map(|(key, entry)| (*key, entry.state)).collect();
    Some(Known { states, corrects: corrects(tree) })
}

/// Whether drift is corrected, or only said.
fn corrects(tree: &Tree) -> bool {
    tree.environment.as_ref().is_none_or(|document| document.drift == Drift::Correct)
}

/// What was applied.
struct Known {
    states: HashMap<ShortHash, ShortHash>,
    corrects: bool,
}

/// Whether an object is fought over.
#[derive(Debug, PartialEq, Eq)]
enum Fight {
    None,
    Begins,
    GoesOn,
}

/// Objects that are corrected again and again.
#[derive(Debug, Default)]
struct Fights(HashMap<ShortHash, Corrections>);

#[derive(Debug, Default)]
struct Corrections {
    times: Vec<Instant>,
    left_alone_until: Option<Instant>,
}

impl Fights {
    /// One more change of an object by somebody else.
    fn note(&mut self, key: ShortHash, now: Instant) -> Fight {
        let recent = |time: &Instant| now.saturating_duration_since(*time) < FIGHT_WINDOW;
        self.0.retain(|_, corrections| corrections.left_alone_until.is_some() || corrections.times.iter().any(recent));
        let corrections = self.0.entry(key).or_default();
        if corrections.left_alone_until.is_some() {
            return Fight::GoesOn;
        }
        corrections.times.retain(recent);
        corrections.times.push(now);
        if corrections.times.len() <= FIGHT_CORRECTIONS_MAX {
            return Fight::None;
        }
        corrections.left_alone_until = Some(now + FIGHT_WINDOW);
        Fight::Begins
    }

    /// When the first of them is looked at again.
    fn next_end(&self) -> Option<Instant> {
        self.0.values().filter_map(|corrections| corrections.left_alone_until).min()
    }

    /// Ends those whose time is over; whether there was one. A single further change makes it a fight again.
    fn end_of_some(&mut self, now: Instant) -> bool {
        let mut is_some = false;
        for corrections in self.0.values_mut().filter(|c| c.left_alone_until.is_some_and(|until| until <= now)) {
            corrections.left_alone_until = None;
            corrections.times = vec![now; FIGHT_CORRECTIONS_MAX];
            is_some = true;
        }
        is_some
    }

    fn count(&self) -> usize {
        self.0.values().filter(|corrections| corrections.left_alone_until.is_some()).count()
    }
}

/// The log of one environment.
#[derive(Clone)]
struct Logger {
    log: Log,
    environment: String,
}

impl Logger {
    fn info(&self, message: &'static str, fields: &[(&'static str, String)]) {
        self.line("info", message, fields);
    }

    fn warn(&self, message: &'static str, fields: &[(&'static str, String)]) {
        self.line("warn", message, fields);
    }

    fn error(&self, message: &'static str, fields: &[(&'static str, String)]) {
        self.line("error", message, fields);
    }

    fn object(&self, object: &ObjectResult, commit: &CommitId) {
        let fields = [
            ("object", object.id.to_string()),
            ("outcome", object.outcome.word().to_owned()),
            ("release", object.release.clone()),
            ("commit", commit.to_string()),
            ("reason", object.reason.clone()),
        ];
        match object.outcome {
            Outcome::Failed => self.error("object", &fields),
            Outcome::Held | Outcome::Suspended | Outcome::Terminating | Outcome::Unready => {
                self.warn("object", &fields);
            }
            _ => self.info("object", &fields),
        }
    }

    fn line(&self, level: &'static str, message: &'static str, fields: &[(&'static str, String)]) {
        let environment = ("environment", self.environment.clone());
        let fields = fields.iter().filter(|(_, value)| !value.is_empty()).cloned();
        (self.log)(&LogLine { level, message, fields: std::iter::once(environment).chain(fields).collect() });
    }
}

pub(super) fn one_line(error: &Diagnostic) -> String {
    let place = error.place.as_ref().map(|place| format!("{place}: ")).unwrap_or_default();
    let notes: String = error.notes.iter().map(|note| format!("; {}", note.message)).collect();
    format!("{place}{}{notes}", error.message)
}

fn now_seconds() -> f64 {
    Timestamp::now().as_millisecond() as f64 / 1000.0
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
    fn a_fight_is_left_alone_and_looked_at_again() {
        let mut fights = Fights::default();
        let key = ShortHash::UNKNOWN;
        let begin = Instant::now();
        let at = |seconds: u64| begin + Duration::from_secs(seconds);
        for second in 0..FIGHT_CORRECTIONS_MAX as u64 {
            assert_eq!(fights.note(key, at(second)), Fight::None);
        }
        assert_eq!(fights.note(key, at(10)), Fight::Begins);
        assert_eq!(fights.note(key, at(11)), Fight::GoesOn);
        assert_eq!((fights.count(), fights.next_end()), (1, Some(at(70))));
        assert!(!fights.end_of_some(at(69)));
        assert!(fights.end_of_some(at(70)));
        assert_eq!((fights.count(), fights.note(key, at(71))), (0, Fight::Begins));
        // Slow drift is no fight.
        let mut fights = Fights::default();
        for i in 0..100 {
            assert_eq!(fights.note(key, at(i * 20)), Fight::None);
        }
    }

    #[test]
    fn polls_are_spread() {
        let pause = Duration::from_secs(60);
        for _ in 0..100 {
            let jittered = jittered(pause);
            assert!(jittered >= Duration::from_secs(54) && jittered <= Duration::from_secs(66));
        }
    }
}
