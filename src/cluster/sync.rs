//! One synchronisation from end to end: what the parents and the cluster say, the plan, its steps, the parents again.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use jiff::Timestamp;

use crate::error::{Diagnostic, Severity};
use crate::manifest::ObjectId;
use crate::plan::{self, Departure, End, Entry, Known, LiveObject, OWN_NAMESPACE, Phase, ShortHash, Step, Suspensions};

use super::client::{Accept, Call, Client, Failure, Gate};
use super::discovery::{Discovery, Resource};
use super::hooks::Hooks;
use super::members::{Kind, Members};
use super::order::Done;
use super::parallel::each;
use super::parent::{
    self, COMMIT_KEY, DIGEST_KEY, ENVIRONMENT_LABEL, OBJECTS_KEY, PROBLEMS_KEY, Parent, STATE_KEY, TIME_KEY,
};
use super::prune::Departed;
use super::record::Record;
use super::run::{Run, Sink};
use super::source::Tree;
use super::status::{self, EnvironmentStatus, Occasion, Problem};
use super::{LiveDiff, ObjectResult, Outcome, SyncOptions, SyncReport, Target, compare, live, order, prune, wait};

/// Objects of a kind that are looked up one by one; more of them are found by listing the kind.
const LOOKUPS_MAX: usize = 1;

/// A cluster that environments are applied to: the connection, and what is known of the cluster between two
/// synchronisations.
#[derive(Debug)]
pub struct Synchroniser {
    client: Client,
    discovery: Arc<Discovery>,
    cluster_uid: String,
    record: Option<Record>,
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
            members: None,
            parents: None,
            preempt: Arc::default(),
        })
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

    /// Finds out whether this is the right cluster for a tree, without changing anything.
    ///
    /// # Errors
    /// It is not, or it does not answer.
    pub async fn check(&mut self, tree: &Tree, options: &SyncOptions) -> Result<(), Vec<Diagnostic>> {
        let parents = Parent::list(&self.client, &tree.desired.environment)
            .await
            .map_err(|failure| vec![failure.diagnostic("list what kcfg applied before")])?;
        self.check_cluster(tree, &parents, options)?;
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
            applies.iter().for_each(|step| run.planned(step));
            plan.departures.iter().for_each(|departure| run.departure_planned(departure, &self.discovery));
        } else {
            let steps = (applies, plan.departures);
            self.carry_out(&mut run, &mut hooks, &mut parents, Arc::new(known), steps, options).await?;
            self.parents = self.members.is_some().then_some(parents);
        }
        let mut report = run.finish();
        if !options.is_dry_run {
            self.conclude(tree, options, &mut report).await;
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

    /// What was applied before, and what is in the cluster now.
    async fn learn(
        &mut self,
        tree: &Tree,
        options: &SyncOptions,
    ) -> Result<(BTreeMap<String, Parent>, Known), Vec<Diagnostic>> {
        let single = |doing: &'static str| move |failure: Failure| vec![failure.diagnostic(doing)];
        // What fails on its way through a synchronisation leaves them to be read anew.
        let parents = match self.parents.take() {
            Some(parents) => parents,
            None => Parent::list(&self.client, &tree.desired.environment)
                .await
                .map_err(single("list what kcfg applied before"))?,
        };
        self.check_cluster(tree, &parents, options)?;
        self.discover(tree).await.map_err(single("ask the cluster which kinds it serves"))?;
        let (live, unlisted) = self.look(tree, &parents).await.map_err(single("list what is in the cluster"))?;
        let stale: Vec<&str> = self.discovery.stale.iter().map(String::as_str).collect();
        let known = Known {
            inventories: parents.iter().map(|(name, parent)| (name.clone(), parent.inventory.clone())).collect(),
            live,
            adopts: options.adopts,
            leaves_drift: options.leaves_drift,
            unlisted,
            uncertain: (!stale.is_empty())
                .then(|| format!("the servers of the API groups {} are down", stale.join(", "))),
            ..Known::default()
        };
        Ok((parents, known))
    }

    async fn carry_out(
        &mut self,
        run: &mut Run<'_, '_>,
        hooks: &mut Hooks,
        parents: &mut BTreeMap<String, Parent>,
        known: Arc<Known>,
        (applies, mut departures): (Vec<Step>, Vec<Departure>),
        options: &SyncOptions,
    ) -> Result<(), Vec<Diagnostic>> {
        let single = |doing: &'static str| move |failure: Failure| vec![failure.diagnostic(doing)];
        let tree = run.tree.clone();
        let environment = tree.desired.environment.clone();
        if !applies.is_empty() || hooks.due().next().is_some() {
            let prepared = self.prepare(&tree, parents, &known, &applies, hooks).await;
            prepared.map_err(single("record what is to be applied"))?;
            let mut context = order::Context {
                client: self.client.clone(),
                discovery: self.discovery.clone(),
                tree: tree.clone(),
                known: known.clone(),
                environment_label: parent::environment_label(&environment).into(),
                may_delete: tree.desired.refused.is_empty() && known.unlisted.is_empty() && known.uncertain.is_none(),
            };
            let (first, beside, mut after) = hooks.split(applies, &tree, &known);
            if !first.is_empty() {
                let done = order::apply_all(&mut context, first, |done| run.applied(done, &known)).await;
                enter(run, parents, self.members.as_ref(), &known, done);
            }
            let mut running = hooks.start(&context, &self.preempt);
            let done = order::apply_all(&mut context, beside, |done| {
                run.applied(done, &known);
                running.tell(run);
            });
            let done = done.await;
            enter(run, parents, self.members.as_ref(), &known, done);
            while let Some((name, result)) = running.next(run).await {
                let ended = hooks.ended(&self.client, run, parents, &name, result).await;
                let (index, stop) = ended.map_err(single("record how hooks ended"))?;
                let steps = after.remove(&index).unwrap_or_default();
                if let Some(why) = stop {
                    run.is_complete[index] = false;
                    steps.iter().for_each(|step| run.held(step, &why));
                    enter(
                        run,
                        parents,
                        self.members.as_ref(),
                        &known,
                        steps.into_iter().map(|step| (step, Err(why.clone()))).collect(),
                    );
                    continue;
                }
                let done = order::apply_all(&mut context, steps, |done| run.applied(done, &known)).await;
                enter(run, parents, self.members.as_ref(), &known, done);
            }
            self.discovery = context.discovery;
        }
        hooks.keep(&self.client, run, parents).await;
        run.hold_after_applies(&mut departures);
        let discovery = self.discovery.clone();
        let (client, preempt) = (self.client.clone(), self.preempt.clone());
        let shared = (&client, &discovery, &preempt);
        let ended = hooks.before_deletes(shared, run, parents, &known, &mut departures).await;
        ended.map_err(single("run the hooks before what left the tree is deleted"))?;
        let (now, later): (Vec<Departure>, Vec<Departure>) =
            departures.into_iter().partition(|departure| matches!(departure.end, End::Delete | End::Release(_)));
        later.iter().for_each(|departure| run.departure_planned(departure, &self.discovery));
        let mut left: Vec<Departure> = later;
        let departed =
            prune::depart_all(&self.client, &self.discovery, now, |d, departed| run.departed(d, departed, &discovery));
        for (departure, departed) in departed.await {
            if matches!(departed, Departed::Terminating(_) | Departed::Failed(_)) {
                left.push(departure);
            }
        }
        let ended = hooks.after_deletes(shared, run, parents, &left).await;
        ended.map_err(single("run the hooks after what left the tree is deleted"))?;
        self.record(run, hooks, parents, &known, &left).await.map_err(single("record what was applied"))?;
        let ended = hooks.finish(&client, &discovery, &preempt, run, parents).await;
        ended.map_err(single("record how hooks ended"))?;
        if let Some(timeout) = options.wait {
            let objects = tree.desired.releases.iter().flat_map(|release| {
                let objects = release.objects.iter().filter(|object| !object.is_hook);
                objects.map(|object| (release.name.clone(), object.id.clone()))
            });
            let objects = objects.filter(|(_, id)| !run.failed.contains(id)).collect();
            for (release, id, why) in wait::wait(&self.client, &self.discovery, objects, timeout, &self.preempt).await {
                run.note(&release, &id, Outcome::Unready, why);
            }
        }
        Ok(())
    }

    /// Refuses a cluster that is not the environment's.
    fn check_cluster(
        &self,
        tree: &Tree,
        parents: &BTreeMap<String, Parent>,
        options: &SyncOptions,
    ) -> Result<(), Vec<Diagnostic>> {
        let environment = &tree.desired.environment;
        let wanted = tree.environment.as_ref().map(|document| document.cluster.clone()).unwrap_or_default();
        let actual = &self.cluster_uid;
        let is_named = wanted.uid.is_some();
        if let Some(uid) = wanted.uid.filter(|uid| uid.as_str() != actual) {
            return Err(vec![
                Diagnostic::error(format!(
                    "this is not the cluster of {environment}: its kube-system has the UID {actual}, not {uid}"
                ))
                .help("name the right cluster with --context, or mend `cluster.uid` of the Environment"),
            ]);
        }
        if let Some(context) = wanted.context.filter(|context| Some(context.as_str()) != self.client.context.as_deref())
        {
            let actual = self.client.context.as_deref().unwrap_or("none: a service account is used");
            return Err(vec![
                Diagnostic::error(format!(
                    "this is not the cluster of {environment}: it has the context {context}, and the one in use is {actual}"
                ))
                .help(format!("name it with `--context {context}`; in a pod write `cluster.uid` instead")),
            ]);
        }
        if let Some((parent, why)) = parents.values().find_map(|parent| Some((parent, parent.refusal()?))) {
            let (release, name) = (&parent.release, &parent.name);
            let error =
                Diagnostic::error(format!("the record {name} of {environment}/{release} cannot be used: {why}"));
            return Err(vec![error.help(format!("use {} or a later one", parent.tooling))]);
        }
        let other = parents.values().find(|parent| !parent.cluster_uid.is_empty() && parent.cluster_uid != *actual);
        if let Some(parent) = other {
            return Err(vec![
                Diagnostic::error(format!(
                    "this is not the cluster that {environment}/{} was applied to: the record {} is of one whose \
                     kube-system has the UID {}, and this one has {actual}",
                    parent.release, parent.name, parent.cluster_uid
                ))
                .help(format!(
                    "if this is a copy that is meant to go on by itself, delete the ConfigMaps of {OWN_NAMESPACE} and \
                     apply with --init --adopt"
                )),
            ]);
        }
        // Where the Environment names the cluster, Git has said that it is the right one.
        if parents.is_empty() && !is_named && !options.initialises && !options.is_dry_run {
            return Err(vec![Diagnostic::error(format!("{environment} was never applied to this cluster")).help(
                "if this is the right one, say so once with --init, or name it in the Environment (cluster.uid)",
            )]);
        }
        Ok(())
    }

    /// Asks anew what the cluster serves, where what is known does not do: a kind of the tree is missing, or the server
    /// of a group was down.
    async fn discover(&mut self, tree: &Tree) -> Result<(), Failure> {
        let defined = |id: &ObjectId| self.discovery.get(&id.group, &id.kind).is_some();
        let mut objects = tree.desired.releases.iter().flat_map(|release| &release.objects);
        // Who connects for one synchronisation has just asked.
        if self.members.is_some() && (!self.discovery.stale.is_empty() || !objects.all(|object| defined(&object.id))) {
            self.discovery = Arc::new(Discovery::read(&self.client).await?);
        }
        Ok(())
    }

    /// What is in the cluster of everything that the tree wants or that was applied before, and the kinds of which that
    /// cannot be found out.
    async fn look(
        &mut self,
        tree: &Tree,
        parents: &BTreeMap<String, Parent>,
    ) -> Result<(HashMap<ShortHash, LiveObject>, Unlisted), Failure> {
        let mut wanted: BTreeMap<Kind, Wanted> = BTreeMap::new();
        for release in &tree.desired.releases {
            let inventory = parents.get(&release.name).map(|parent| &parent.inventory);
            for object in release.objects.iter().filter(|object| !object.is_hook) {
                let of_kind = wanted.entry((object.id.group.clone(), object.id.kind.clone())).or_default();
                let key = ShortHash::of_id(&object.id);
                let is_known = inventory.is_some_and(|known| known.entries.contains_key(&key));
                of_kind.ids.insert(key, object.id.clone());
                of_kind.unknown += usize::from(!is_known);
            }
        }
        for kind in parents.values().flat_map(|parent| &parent.kinds) {
            let (kind, group) = kind.split_once('.').unwrap_or((kind, ""));
            wanted.entry((group.into(), kind.into())).or_default();
        }
        let label = parent::environment_label(&tree.desired.environment);
        let selector = format!("{ENVIRONMENT_LABEL}={label}");
        // A kind that the server does not know has no objects; applying them will say so.
        let discovery = self.discovery.clone();
        let wanted = wanted
            .into_iter()
            .filter_map(|(kind, of_kind)| Some((discovery.get(&kind.0, &kind.1)?.clone(), kind, of_kind)))
            .collect::<Vec<_>>();
        if let Some(members) = &mut self.members {
            members.follow(wanted.iter().map(|(resource, ..)| resource.clone())).await;
        }
        let tasks = wanted.into_iter().map(|(resource, kind, of_kind)| {
            let (client, selector) = (self.client.clone(), selector.clone());
            let members = self.members.as_ref().and_then(|members| members.of(&kind));
            async move { (kind, look_at_kind(client, resource, members, selector, of_kind).await) }
        });
        let (mut found, mut unlisted, mut failure) = (HashMap::new(), Unlisted::new(), None);
        each(tasks, |(kind, result)| match result {
            Ok(live) => found.extend(live),
            Err(Failure::Refused { message, .. }) => drop(unlisted.insert(kind, message)),
            Err(error) => failure = Some(error),
        })
        .await;
        failure.map_or(Ok((found, unlisted)), Err)
    }

    /// Makes what is needed before the first object: kcfg's namespace, the parents, missing namespaces.
    async fn prepare(
        &mut self,
        tree: &Arc<Tree>,
        parents: &mut BTreeMap<String, Parent>,
        known: &Known,
        applies: &[Step],
        hooks: &Hooks,
    ) -> Result<(), Failure> {
        let environment = &tree.desired.environment;
        if parents.is_empty() {
            parent::make_own_namespace(&self.client).await?;
        }
        let mut touched: BTreeSet<usize> = applies.iter().map(|step| step.release).collect();
        touched.extend(hooks.due().map(|(index, _)| index));
        let mut writes: BTreeMap<usize, Parent> = BTreeMap::new();
        for index in touched {
            let release = &tree.desired.releases[index];
            let mut parent = parents
                .remove(&release.name)
                .unwrap_or_else(|| Parent::new(environment, &release.name, &self.cluster_uid));
            parent.cluster_uid.clone_from(&self.cluster_uid);
            release.objects.iter().filter(|object| !object.is_hook).for_each(|object| widen(&mut parent, &object.id));
            parent.status.insert(STATE_KEY.into(), "applying".into());
            hooks.begin(index, &mut parent);
            writes.insert(index, parent);
        }
        for step in applies {
            let id = &tree.desired.releases[step.release].objects[step.object].id;
            let Some(parent) = writes.get_mut(&step.release) else { continue };
            let unknown = Entry { content: ShortHash::UNKNOWN, state: ShortHash::UNKNOWN };
            // The state stays: it tells that the object was applied before.
            parent.inventory.entries.entry(ShortHash::of_id(id)).or_insert(unknown).content = ShortHash::UNKNOWN;
        }
        self.write(environment, parents, writes.into_values().collect()).await?;
        let in_tree: BTreeSet<Arc<str>> = tree
            .desired
            .releases
            .iter()
            .flat_map(|release| &release.objects)
            .filter(|object| Phase::of(&object.id) == Phase::Namespaces)
            .map(|object| object.id.name.clone())
            .collect();
        // Where something lives there is a namespace.
        let inhabited: BTreeSet<&Arc<str>> =
            known.live.values().filter_map(|live| live.id.namespace.as_ref()).collect();
        let ids = applies.iter().map(|step| &tree.desired.releases[step.release].objects[step.object].id);
        let ids = ids.chain(hooks.ids(tree));
        let ids = ids.filter(|id| id.namespace.as_ref().is_none_or(|namespace| !inhabited.contains(namespace)));
        order::make_namespaces(&self.client, &self.discovery, ids, &in_tree).await.map(drop)
    }

    /// Writes those parents once more that no longer say how things are, without what is gone or was handed over; a
    /// parent of a release that is gone with everything it had is deleted.
    async fn record(
        &self,
        run: &Run<'_, '_>,
        hooks: &Hooks,
        parents: &mut BTreeMap<String, Parent>,
        known: &Known,
        left: &[Departure],
    ) -> Result<(), Failure> {
        let desired = &run.tree.desired;
        let is_certain = known.unlisted.is_empty() && known.uncertain.is_none();
        let mut writes = Vec::new();
        let mut problems: HashMap<&str, Vec<&ObjectResult>> = HashMap::new();
        for object in run.report.objects.iter().filter(|object| status::is_problem(&object.outcome)) {
            problems.entry(&object.release).or_default().push(object);
        }
        for name in parents.keys().cloned().collect::<Vec<_>>() {
            let release = desired.releases.iter().position(|release| release.name == name);
            let Some(mut parent) = parents.remove(&name) else { continue };
            let mut staying: HashMap<ShortHash, &ObjectId> = HashMap::new();
            if let Some(index) = release {
                let objects = desired.releases[index].objects.iter().filter(|object| !object.is_hook);
                staying.extend(objects.map(|object| (ShortHash::of_id(&object.id), &object.id)));
            }
            let of_release = left.iter().filter(|departure| departure.release == name);
            staying.extend(of_release.map(|departure| (ShortHash::of_id(&departure.id), &departure.id)));
            // What another release wants is handed over once it is applied there.
            let handed_over = |key: &ShortHash| run.keys.contains(key);
            for (key, live) in &known.live {
                let is_member = live.part_of.as_deref() == Some(parent.inventory.set.as_str());
                let is_known = parent.inventory.entries.contains_key(key);
                if is_member && is_known && run.wanted.contains(key) && !handed_over(key) {
                    staying.insert(*key, &live.id);
                }
            }
            let before = (parent.kinds.clone(), parent.namespaces.clone(), parent.status.clone());
            let entries_before = parent.inventory.entries.len();
            if is_certain && (release.is_some() || desired.is_complete) {
                parent.inventory.entries.retain(|key, _| staying.contains_key(key));
                (parent.kinds, parent.namespaces) = Default::default();
            }
            staying.values().for_each(|id| widen(&mut parent, id));
            if let Some(index) = release {
                if run.is_complete[index] && !run.suspended[index].1 {
                    parent.status.insert(DIGEST_KEY.into(), desired.releases[index].digest.clone());
                }
                parent.status.insert(STATE_KEY.into(), run.state(index).word().into());
            }
            let of_release = problems.get(name.as_str()).map(Vec::as_slice).unwrap_or_default();
            describe(&mut parent, release.map_or(0, |index| run.suspended[index].0), of_release, staying.len());
            let is_gone = release.is_none() && is_certain && desired.is_complete && !desired.refused.contains(&name);
            if is_gone && parent.inventory.entries.is_empty() && !hooks.keeps(&name) {
                parent.delete(&self.client).await?;
                continue;
            }
            let is_touched = release.is_some_and(|index| run.touched.contains(&index));
            let is_changed = before != (parent.kinds.clone(), parent.namespaces.clone(), parent.status.clone())
                || entries_before != parent.inventory.entries.len();
            if is_touched || is_changed {
                let commit = run.tree.commit().map(ToString::to_string).unwrap_or_default();
                parent.status.insert(COMMIT_KEY.into(), commit);
                parent.status.insert(TIME_KEY.into(), status::moment(Timestamp::now()));
                writes.push(parent);
            } else {
                parents.insert(name, parent);
            }
        }
        self.write(&desired.environment, parents, writes).await
    }

    async fn write(
        &self,
        environment: &str,
        parents: &mut BTreeMap<String, Parent>,
        writes: Vec<Parent>,
    ) -> Result<(), Failure> {
        let tasks = writes.into_iter().map(|mut parent| {
            let (client, environment) = (self.client.clone(), environment.to_owned());
            async move {
                let result = parent.write(&client, &environment).await;
                (parent, result)
            }
        });
        let mut failure = None;
        each(tasks, |(parent, result): (Parent, Result<(), Failure>)| {
            if let Err(error) = result {
                failure = Some(error);
            }
            parents.insert(parent.release.clone(), parent);
        })
        .await;
        failure.map_or(Ok(()), Err)
    }
}

/// Enters into the parents, and into what is known of the members, what applies left behind.
fn enter(
    run: &mut Run<'_, '_>,
    parents: &mut BTreeMap<String, Parent>,
    members: Option<&Members>,
    known: &Known,
    done: Vec<Done>,
) {
    let tree = run.tree.clone();
    for (step, result) in done {
        let release = &tree.desired.releases[step.release];
        let object = &release.objects[step.object];
        let Some(parent) = parents.get_mut(&release.name) else { continue };
        let key = ShortHash::of_id(&object.id);
        let Ok(applied) = result else {
            // What was applied before is what is there, as far as anybody knows.
            let before = known.inventories.get(&release.name).and_then(|known| known.entries.get(&key));
            if let Some(before) = before {
                parent.inventory.entries.insert(key, *before);
            }
            continue;
        };
        if let Some(members) = members {
            members.put(&applied.live);
        }
        run.uids.insert(applied.live.uid);
        run.keys.insert(key);
        let entry = Entry { content: object.content, state: applied.live.state };
        parent.inventory.entries.insert(key, entry);
    }
}

/// Kinds that cannot be listed, and why.
type Unlisted = BTreeMap<Kind, String>;

/// What is wanted of one kind.
#[derive(Default)]
struct Wanted {
    ids: BTreeMap<ShortHash, ObjectId>,
    /// How many of them no inventory has.
    unknown: usize,
}

/// Lists the members of a kind, where they are not known, and finds out whether objects that are to be made are there
/// already: one by one where they are few, else by listing everything of the kind.
async fn look_at_kind(
    client: Client,
    resource: Resource,
    members: Option<Vec<LiveObject>>,
    selector: String,
    wanted: Wanted,
) -> Result<Vec<(ShortHash, LiveObject)>, Failure> {
    let mut found = Vec::new();
    let mut seen = BTreeSet::new();
    let mut keep = |live: LiveObject| {
        let key = ShortHash::of_id(&live.id);
        let is_wanted = wanted.ids.contains_key(&key);
        // Of strangers only those matter that stand where an object of the tree is to stand.
        if (is_wanted || live.part_of.is_some()) && seen.insert(key) {
            found.push((key, live));
        }
    };
    if wanted.unknown <= LOOKUPS_MAX || members.is_some() {
        match members {
            Some(members) => members.into_iter().for_each(&mut keep),
            None => drop(live::list(&client, &resource, None, &selector, &mut keep).await?),
        }
        let missing: Vec<&ObjectId> =
            wanted.ids.iter().filter(|(key, _)| !seen.contains(*key)).map(|(_, id)| id).collect();
        if missing.len() <= LOOKUPS_MAX {
            for id in missing {
                match client.send(&Call::get(resource.path(id), Accept::Metadata)).await {
                    Ok(answer) => found.push((ShortHash::of_id(id), live::one(&resource, &answer.body)?)),
                    Err(Failure::Refused { code: 404, .. }) => {}
                    Err(failure) => return Err(failure),
                }
            }
            return Ok(found);
        }
    }
    let mut keep = |live: LiveObject| {
        let key = ShortHash::of_id(&live.id);
        let is_wanted = wanted.ids.contains_key(&key);
        if (is_wanted || live.part_of.is_some()) && seen.insert(key) {
            found.push((key, live));
        }
    };
    live::list(&client, &resource, None, "", &mut keep).await?;
    Ok(found)
}

/// Notes in a release's parent how many of its objects stand how, and what is not as it should be.
fn describe(parent: &mut Parent, suspended: usize, problems: &[&ObjectResult], members: usize) {
    let count = |outcome| problems.iter().filter(|object| object.outcome == outcome).count();
    let (failed, waiting) = (count(Outcome::Failed), count(Outcome::Suspended));
    let held = count(Outcome::Held) + count(Outcome::Terminating);
    let objects = status::counts([
        ("applied", members.saturating_sub(failed + held + waiting)),
        ("failed", failed),
        ("held", held),
        ("suspended", suspended.max(waiting)),
    ]);
    let mut kept = status::problems(problems.iter().copied(), false);
    let before: Option<Vec<Problem>> = parent.status.get(PROBLEMS_KEY).and_then(|text| serde_json::from_str(text).ok());
    // Reasons that count seconds do not make a quiet environment write.
    if let Some(before) = before.filter(|before| status::are_alike(before, &kept)) {
        kept = before;
    }
    let json = |value: serde_json::Result<String>| value.unwrap_or_default();
    parent.status.insert(OBJECTS_KEY.into(), json(serde_json::to_string(&objects)));
    parent.status.insert(PROBLEMS_KEY.into(), json(serde_json::to_string_pretty(&kept)));
}

/// Notes the kind and namespace of an object.
fn widen(parent: &mut Parent, id: &ObjectId) {
    let kind = if id.group.is_empty() { id.kind.to_string() } else { format!("{}.{}", id.kind, id.group) };
    parent.kinds.insert(kind);
    if let Some(namespace) = id.namespace.as_deref().filter(|namespace| *namespace != OWN_NAMESPACE) {
        parent.namespaces.insert(namespace.to_owned());
    }
}

async fn cluster_uid(client: &Client) -> Result<String, Failure> {
    let answer = client.send(&Call::get("/api/v1/namespaces/kube-system", Accept::Metadata)).await?;
    let namespace: kube::core::PartialObjectMeta<kube::core::DynamicObject> = answer.json()?;
    Ok(namespace.metadata.uid.unwrap_or_default())
}
