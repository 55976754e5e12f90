//! The loop while this process leads: when something is due, one synchronisation.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::drift::{Known, corrects, know};
use super::fights::Fights;
use super::follow::Following;
use super::logger::{Logger, one_line};
use super::{RETRY, RETRY_MAX};
use crate::cluster::client::{Client, Gate};
use crate::cluster::event::Event;
use crate::cluster::git::Fetched;
use crate::cluster::members::Members;
use crate::cluster::record::{self, Record};
use crate::cluster::server::Board;
use crate::cluster::source::Tree;
use crate::cluster::status::{self, EnvironmentStatus, Problem};
use crate::cluster::sync::Synchroniser;
use crate::cluster::teller::Teller;
use crate::cluster::told::Told;
use crate::cluster::{ObjectResult, Outcome, Source, SyncOptions, SyncReport, Target};
use crate::error::Diagnostic;
use crate::plan::{ShortHash, Suspensions};

/// How long sights are gathered before something is done about them.
const SETTLE: Duration = Duration::from_millis(200);

/// The loop while this process leads.
pub(super) struct Leading {
    pub(super) environment: String,
    /// This process, as Events name it.
    pub(super) instance: String,
    pub(super) target: Target,
    pub(super) sync: SyncOptions,
    pub(super) board: Arc<Board>,
    pub(super) log: Logger,
    pub(super) gate: Gate,
    pub(super) fights: Fights,
    /// Suspensions that the log was told of: selector and end.
    pub(super) told: BTreeMap<String, Timestamp>,
    /// What the last synchronisation could not do; none before the first.
    pub(super) problems: Option<Vec<Problem>>,
    /// The commit that was looked at last.
    pub(super) attempted: String,
    /// A tree that was read before the first synchronisation.
    pub(super) read: Option<Tree>,
    /// Tells the Git server.
    pub(super) teller: Teller,
    /// What happened that is not told as an Event yet.
    pub(super) events: Vec<Event>,
    /// Why Events cannot be written; empty while they can.
    pub(super) event_trouble: String,
    /// Objects that are suspended and not as the tree says.
    pub(super) suspended: HashSet<ShortHash>,
    /// Objects that are not as they were applied, which is only reported.
    pub(super) differing: HashSet<ShortHash>,
    /// Becomes true while the whole environment is suspended: the Lease is given back then.
    pub(super) hands_over: watch::Sender<bool>,
}

impl Leading {
    /// Ends when the process is asked to end. `connected` is there where nobody else led before.
    pub(super) async fn run(
        &mut self,
        mut connected: Option<Synchroniser>,
        following: &mut Following,
        mut stop: watch::Receiver<bool>,
    ) {
        if connected.is_none() {
            // Who led before has applied what it fetched last, which is newer than what was fetched here.
            tokio::select! {
                () = following.refresh() => {}
                _ = stop.wait_for(|is_stopped| *is_stopped) => return,
            }
        }
        let mut synchroniser = loop {
            if let Some(synchroniser) = connected.take() {
                break synchroniser;
            }
            let connected = tokio::select! {
                connected = Synchroniser::connect(&self.target, self.gate.clone()) => connected,
                _ = stop.wait_for(|is_stopped| *is_stopped) => return,
            };
            match connected {
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
        let mut breaker = JoinSet::new();
        {
            let (mut newest, mut stop, gate) = (following.newest.clone(), stop.clone(), self.gate.clone());
            newest.mark_unchanged();
            breaker.spawn(async move {
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
            });
        }
        synchroniser.reports_as(&self.instance);
        self.steps(&mut synchroniser, following, stop).await;
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
            self.send_events(synchroniser).await;
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
                // From here on whatever is newer than what is taken ends its waits.
                synchroniser.preempt.store(false, Ordering::Relaxed);
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
            self.send_events(synchroniser).await;
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
        self.attempted = commit.to_string();
        let requests = synchroniser.client().requests();
        let read = match self.read.take().filter(|tree| tree.commit() == Some(&commit)) {
            Some(tree) => Ok(Ok(tree)),
            None => {
                let source = Source::Commit { git: fetched.git.clone(), commit: commit.clone(), prefix: String::new() };
                let environment = self.environment.clone();
                tokio::task::spawn_blocking(move || Tree::read(&source, &environment)).await
            }
        };
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
            // The process ends, or the Lease is lost.
            Err(_) if !self.gate.is_open() => {
                let fields = [("commit", commit.to_string())];
                self.log.warn("a synchronisation was broken off: the next one goes on", &fields);
                return None;
            }
            Err(errors) => {
                let error = errors.first().map(one_line).unwrap_or_default();
                self.amend(synchroniser, |status, now| status.failed(&error, now)).await;
                return self.unable(&commit, "the synchronisation failed", &errors);
            }
        };
        let suspended = report.objects.iter().filter(|object| object.outcome == Outcome::Suspended);
        self.suspended = suspended.map(|object| ShortHash::of_id(&object.id)).collect();
        let differing = report.objects.iter().filter(|object| object.outcome == Outcome::Drifted);
        self.differing = differing.map(|object| ShortHash::of_id(&object.id)).collect();
        let problems = report.objects.iter().filter(|object| status::is_problem(&object.outcome));
        self.problems = Some(status::problems(problems, true));
        self.said(&commit, &report, begin.elapsed());
        self.said_events(&report.events);
        self.board.is_ready.store(true, Ordering::Relaxed);
        Some((tree, report))
    }

    /// Tells what happened between synchronisations. Who gave the Lease back keeps it for who leads next, and before the
    /// first synchronisation it may not be known yet whether the environment was ever applied.
    async fn send_events(&mut self, synchroniser: &mut Synchroniser) {
        if *self.hands_over.borrow() || (self.attempted.is_empty() && synchroniser.status().is_none()) {
            return;
        }
        let events = std::mem::take(&mut self.events);
        // A cluster that the environment was never applied to gets nothing.
        if !events.is_empty() && synchroniser.status().is_some() {
            let sent = synchroniser.tell(&self.environment, None, events).await;
            self.said_events(&sent);
        }
    }

    /// Tells the Git server how the environment stands.
    fn tell(&self, synchroniser: &Synchroniser, found: &Result<Suspensions, Diagnostic>, now: Timestamp) {
        let (Some(status), Ok(suspensions)) = (synchroniser.status(), found) else { return };
        // Before the first synchronisation of this process its problems are not known.
        if self.problems.is_some() || status.error.is_some() {
            let problems = self.problems.as_deref().unwrap_or_default();
            let told = Told::new(status, problems, suspensions, now);
            self.teller.tell(told.with_attempted(&self.attempted));
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
}

/// Waits until a member was seen to change.
async fn changed(synchroniser: &Synchroniser) {
    match synchroniser.members() {
        Some(members) => members.changed().await,
        None => std::future::pending().await,
    }
}
