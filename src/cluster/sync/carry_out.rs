//! The steps of a plan, carried out in their order.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Synchroniser;
use super::parents::enter;
use crate::cluster::client::Failure;
use crate::cluster::hooks::Hooks;
use crate::cluster::parent::{self, Parent};
use crate::cluster::prune::{self, Departed};
use crate::cluster::run::Run;
use crate::cluster::{Outcome, SyncOptions, order, wait};
use crate::error::Diagnostic;
use crate::plan::{Departure, End, Known, Step};

impl Synchroniser {
    pub(super) async fn carry_out(
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
        if !applies.is_empty() || hooks.touched().next().is_some() {
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
}
