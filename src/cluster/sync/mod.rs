//! One synchronisation from end to end: what the parents and the cluster say, the plan, its steps, the parents again.

mod carry_out;
mod check;
mod look;
mod parents;

use std::cell::LazyCell;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use jiff::Timestamp;

use crate::error::{Diagnostic, Severity};
use crate::manifest::ObjectId;
use crate::plan::{self, Departure, Known, ShortHash, Step, Suspensions};

use super::client::{Accept, Call, Client, Failure, Gate};
use super::discovery::{Discovery, Resource};
use super::event::{self, Event, Part};
use super::hooks::Hooks;
use super::members::Members;
use super::parent::Parent;
use super::record::Record;
use super::recorder::Recorder;
use super::run::{Run, Sink};
use super::source::Tree;
use super::status::{EnvironmentStatus, Occasion};
use super::{EventsSent, LiveDiff, SyncOptions, SyncReport, Target, compare};

/// A cluster that environments are applied to: the connection, and what is known of the cluster between two
/// synchronisations.
#[derive(Debug)]
pub struct Synchroniser {
    client: Client,
    discovery: Arc<Discovery>,
    cluster_uid: String,
    record: Option<Record>,
    /// Tells Events.
    recorder: Recorder,
    /// The members, where somebody keeps them current.
    members: Option<Members>,
    /// The parents as they were read or written last, where somebody tells when another changes them.
    parents: Option<BTreeMap<String, Parent>>,
    /// Set by whoever has something newer to do: ends a wait.
    pub preempt: Arc<AtomicBool>,
}

impl SyncOptions {
    /// Whether a step is of what a dry run shows.
    fn is_selected(&self, tree: &Tree, step: &Step) -> bool {
        let release = &tree.desired.releases[step.release];
        self.selects(&tree.desired.environment, &release.name, &release.objects[step.object].id)
    }

    fn is_selected_departure(&self, tree: &Tree, departure: &Departure) -> bool {
        self.selects(&tree.desired.environment, &departure.release, &departure.id)
    }

    fn selects(&self, environment: &str, release: &str, id: &ObjectId) -> bool {
        self.shows.is_empty() || self.shows.iter().any(|s| s.matches_object(environment, release, &id.kind, &id.name))
    }
}

impl Synchroniser {
    /// Connects, and learns which cluster it is and what it serves.
    ///
    /// # Errors
    /// There are no credentials, or the cluster does not answer.
    pub async fn connect(target: &Target, gate: Gate) -> Result<Synchroniser, Diagnostic> {
        let client = Client::new(target, gate).await?;
        let (uid, discovery) = tokio::join!(cluster_uid(&client), Discovery::read(&client));
        let cluster_uid = uid.map_err(|failure| failure.diagnostic("ask the cluster which one it is"))?;
        let discovery = discovery.map_err(|failure| failure.diagnostic("ask the cluster which kinds it serves"))?;
        let discovery = Arc::new(discovery);
        Ok(Synchroniser {
            client,
            discovery,
            cluster_uid,
            record: None,
            recorder: Recorder::default(),
            members: None,
            parents: None,
            preempt: Arc::default(),
        })
    }

    /// Events name this process.
    pub fn reports_as(&mut self, instance: &str) {
        instance.clone_into(&mut self.recorder.instance);
    }

    /// From now on reads members from here, and the parents once: whoever hands this over tells when another changes a
    /// parent ([`Synchroniser::forget_parents`]).
    pub fn keep(&mut self, members: Members) {
        self.members = Some(members);
    }

    /// The members, where somebody keeps them current.
    pub fn members(&self) -> Option<&Members> {
        self.members.as_ref()
    }

    /// The parents, as they were read or written last.
    pub fn parents(&self) -> Option<&BTreeMap<String, Parent>> {
        self.parents.as_ref()
    }

    /// Reads the parents anew next time.
    pub fn forget_parents(&mut self) {
        self.parents = None;
    }

    /// How the environment stands, as its record has it.
    pub fn status(&self) -> Option<&EnvironmentStatus> {
        self.record.as_ref()?.status.as_ref()
    }

    /// The connection.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// What is known of a kind.
    pub fn resource(&self, group: &str, kind: &str) -> Option<&Resource> {
        self.discovery.get(group, kind)
    }

    /// Finds out whether this is the right cluster for an environment, without changing anything. Without its tree the
    /// records alone tell.
    ///
    /// # Errors
    /// It is not, or it does not answer.
    pub async fn check(
        &mut self,
        environment: &str,
        tree: Option<&Tree>,
        options: &SyncOptions,
    ) -> Result<(), Vec<Diagnostic>> {
        let parents = Parent::list(&self.client, environment)
            .await
            .map_err(|failure| vec![failure.diagnostic("list what kcfg applied before")])?;
        self.check_cluster(environment, tree, &parents, options)?;
        self.parents = Some(parents);
        Ok(())
    }

    /// Makes the cluster equal to a tree. Once the gate is closed no request starts: what was not done is reported.
    ///
    /// # Errors
    /// It is the wrong cluster, or what is in it cannot be found out; nothing was changed then. What went wrong with
    /// single objects is in the report.
    pub async fn sync(
        &mut self,
        tree: &Arc<Tree>,
        options: &SyncOptions,
        sink: Sink<'_>,
    ) -> Result<SyncReport, Vec<Diagnostic>> {
        let started = Instant::now();
        let requests_before = self.client.requests();
        let (mut parents, mut known) = self.learn(tree, options).await?;
        known.suspensions = self.suspensions(&tree.desired.environment, options).await.map_err(|error| vec![error])?;
        known.now = Timestamp::now();
        let known = Arc::new(known);
        let plan = plan::plan(&tree.desired, &known);
        let mut run = Run::new(tree, sink);
        let mut hooks = Hooks::of(tree, &parents, &known, &plan.applies, options);
        let applies = run.sort(plan.applies);
        let applies = hooks.hold(&mut run, &mut parents, applies);
        run.report.hold = plan.hold;
        if options.is_dry_run {
            let steps: Vec<Step> = applies.iter().filter(|step| options.is_selected(tree, step)).cloned().collect();
            let departures: Vec<Departure> = plan
                .departures
                .iter()
                .filter(|departure| options.is_selected_departure(tree, departure))
                .cloned()
                .collect();
            let found = compare::compare(&self.client, &self.discovery, tree, &known, &steps, &departures).await;
            run.report.live = Some(LiveDiff { cluster: self.client.name(), pairs: found.pairs, notes: found.notes });
            hooks.planned(&mut run);
            hooks.planned_deletes(&self.client, &mut run, &parents, &known, &plan.departures).await;
            applies.iter().for_each(|step| run.planned(step));
            plan.departures.iter().for_each(|departure| run.departure_planned(departure, &self.discovery));
        } else {
            let steps = (applies, plan.departures);
            self.carry_out(&mut run, &mut hooks, &mut parents, known.clone(), steps, options).await?;
            self.parents = self.members.is_some().then_some(parents);
        }
        let mut report = run.finish();
        if !options.is_dry_run {
            self.conclude(tree, options, &mut report).await;
            report.events = self.tell_report(tree, &report, &known).await;
        }
        report.requests = self.client.requests() - requests_before;
        report.seconds = started.elapsed().as_secs_f64();
        Ok(report)
    }

    /// What is to be left alone. The record is read anew each time: who suspended something must be able to count on it.
    async fn suspensions(&mut self, environment: &str, options: &SyncOptions) -> Result<Suspensions, Diagnostic> {
        let doing = format!("read what is suspended in {environment}");
        let record = Record::read(&self.client, environment).await.map_err(|failure| failure.diagnostic(&doing))?;
        let suspensions = self.record.insert(record).suspensions.clone()?;
        Ok(if options.follows.is_some() { suspensions } else { suspensions.of_parts() })
    }

    /// Writes how the environment stands, if that changed. That it cannot be written is a finding: everything else is done.
    async fn conclude(&mut self, tree: &Tree, options: &SyncOptions, report: &mut SyncReport) {
        let Some(record) = &mut self.record else { return };
        let occasion = Occasion {
            commit: tree.commit().map(ToString::to_string),
            reference: options.reference.clone(),
            follows: options.follows.clone(),
        };
        let status = record.status.clone().unwrap_or_default().after(report, &occasion, Timestamp::now());
        if let Err(failure) = record.write_status(&self.client, status).await {
            let finding = failure.diagnostic("write the record of the environment");
            report.findings.push((None, Diagnostic { severity: Severity::Warning, ..finding }));
        }
    }

    /// Tells what a synchronisation did that somebody should know.
    async fn tell_report(&mut self, tree: &Tree, report: &SyncReport, known: &Known) -> EventsSent {
        let parts = LazyCell::new(|| {
            let objects = tree.desired.releases.iter().flat_map(|release| &release.objects);
            let part = |is_hook| if is_hook { Part::Hook } else { Part::Member };
            objects.map(|object| (&object.id, part(object.is_hook))).collect::<HashMap<&ObjectId, Part>>()
        });
        let mut events = event::of_report(report, |id| parts.get(id).copied().unwrap_or(Part::Gone));
        for event in &mut events {
            let live = event.object.as_ref().and_then(|id| known.live.get(&ShortHash::of_id(id)));
            event.uid = live.map(|live| live.uid.clone());
        }
        self.tell(&tree.desired.environment, tree.commit().map(ToString::to_string).as_deref(), events).await
    }

    /// Tells Events about an environment.
    pub(super) async fn tell(&mut self, environment: &str, commit: Option<&str>, events: Vec<Event>) -> EventsSent {
        self.recorder.send(&self.client, &self.discovery, environment, commit, events).await
    }

    /// Changes the status in the record, where there is one: an environment that was never applied to the cluster leaves
    /// nothing in it.
    pub(super) async fn amend(
        &mut self,
        environment: &str,
        change: impl FnOnce(&EnvironmentStatus) -> EnvironmentStatus,
    ) -> Result<(), Failure> {
        if self.record.as_ref().is_none_or(|record| record.environment != environment) {
            self.record = Some(Record::read(&self.client, environment).await?);
        }
        let Some(record) = &mut self.record else { return Ok(()) };
        let Some(status) = &record.status else { return Ok(()) };
        let status = change(status);
        record.write_status(&self.client, status).await
    }
}

async fn cluster_uid(client: &Client) -> Result<String, Failure> {
    let answer = client.send(&Call::get("/api/v1/namespaces/kube-system", Accept::Metadata)).await?;
    let namespace: kube::core::PartialObjectMeta<kube::core::DynamicObject> = answer.json()?;
    Ok(namespace.metadata.uid.unwrap_or_default())
}
