//! What a synchronisation has done so far: results as they come, each told to whoever listens, and the report at the end.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use crate::error::Diagnostic;
use crate::manifest::ObjectId;
use crate::plan::{Action, Departure, End, HoldReason, Known, Reason, ShortHash, Step};

use super::discovery::Discovery;
use super::order::Done;
use super::prune::{self, Departed};
use super::source::Tree;
use super::{Drifted, ObjectResult, Outcome, ReleaseResult, ReleaseState, SyncReport};

/// Who is told of every object as it ends.
pub type Sink<'s> = &'s mut dyn FnMut(&ObjectResult);

/// One synchronisation under way.
pub struct Run<'s, 'f> {
    /// The tree.
    pub tree: Arc<Tree>,
    /// The report so far.
    pub report: SyncReport,
    /// Whether every object of a release is applied, by the release's index.
    pub is_complete: Vec<bool>,
    /// Releases of which something was applied, or should have been.
    pub touched: BTreeSet<usize>,
    /// Objects that the tree wants.
    pub wanted: HashSet<ShortHash>,
    /// Objects that were applied.
    pub keys: HashSet<ShortHash>,
    /// Their uids.
    pub uids: HashSet<Box<str>>,
    /// Objects that could not be applied, or are suspended: there is nothing to wait for.
    pub failed: HashSet<ObjectId>,
    /// Releases some of whose hooks failed or have not ended.
    pub hook_failures: BTreeSet<usize>,
    /// Releases whose objects wait for a hook, and for nothing else.
    pub stopped: BTreeSet<usize>,
    /// How many objects of a release are suspended, and whether one of them is not as the tree says, by the release's index.
    pub suspended: Vec<(usize, bool)>,
    sink: &'s mut (dyn FnMut(&ObjectResult) + 'f),
}

impl<'s, 'f> Run<'s, 'f> {
    /// Nothing done yet.
    pub fn new(tree: &Arc<Tree>, sink: &'s mut (dyn FnMut(&ObjectResult) + 'f)) -> Run<'s, 'f> {
        let desired = &tree.desired;
        let report = SyncReport {
            environment: desired.environment.clone(),
            findings: tree.findings.clone(),
            ..SyncReport::default()
        };
        let objects = desired.releases.iter().flat_map(|release| &release.objects);
        let wanted = objects.filter(|object| !object.is_hook).map(|object| ShortHash::of_id(&object.id)).collect();
        Run {
            tree: tree.clone(),
            report,
            is_complete: vec![true; desired.releases.len()],
            touched: BTreeSet::new(),
            wanted,
            keys: HashSet::new(),
            uids: HashSet::new(),
            failed: HashSet::new(),
            hook_failures: BTreeSet::new(),
            stopped: BTreeSet::new(),
            suspended: vec![(0, false); desired.releases.len()],
            sink,
        }
    }

    /// Notes what became of an object.
    pub fn note(&mut self, release: &str, id: &ObjectId, outcome: Outcome, reason: String) {
        let result = ObjectResult { release: release.to_owned(), id: id.clone(), outcome, reason };
        (self.sink)(&result);
        self.report.objects.push(result);
    }

    /// Notes what needs no request, and gives the steps that apply something.
    pub fn sort(&mut self, steps: Vec<Step>) -> Vec<Step> {
        let tree = self.tree.clone();
        let mut applies = Vec::new();
        for step in steps {
            let release = &tree.desired.releases[step.release];
            match &step.action {
                Action::Keep => self.report.unchanged += 1,
                Action::SkipHook => {}
                Action::Refuse(refusal) => {
                    let id = &release.objects[step.object].id;
                    self.note(&release.name, id, Outcome::Failed, refusal.to_string());
                    self.failed.insert(id.clone());
                    self.is_complete[step.release] = false;
                }
                Action::Suspend(waits) => {
                    let id = &release.objects[step.object].id;
                    let (count, differs) = &mut self.suspended[step.release];
                    *count += 1;
                    *differs |= waits.is_some();
                    self.report.suspended += 1;
                    self.failed.insert(id.clone());
                    if let Some(reason) = waits {
                        self.note(&release.name, id, Outcome::Suspended, reason.clone());
                    }
                }
                Action::Report(reason) => {
                    self.drifted(reason, false);
                    self.note(&release.name, &release.objects[step.object].id, Outcome::Drifted, reason.to_string());
                    self.is_complete[step.release] = false;
                }
                Action::Apply(_) => {
                    self.touched.insert(step.release);
                    applies.push(step);
                }
            }
        }
        applies
    }

    /// Notes what would be applied.
    pub fn planned(&mut self, step: &Step) {
        let tree = self.tree.clone();
        let release = &tree.desired.releases[step.release];
        let Action::Apply(reason) = &step.action else { return };
        let outcome = match reason {
            Reason::New | Reason::Gone => Outcome::Created,
            _ => Outcome::Changed,
        };
        self.note(&release.name, &release.objects[step.object].id, outcome, reason.to_string());
    }

    /// Notes that an object is not applied for now.
    pub fn held(&mut self, step: &Step, why: &str) {
        let tree = self.tree.clone();
        let release = &tree.desired.releases[step.release];
        let id = &release.objects[step.object].id;
        self.is_complete[step.release] = false;
        self.failed.insert(id.clone());
        self.note(&release.name, id, Outcome::Held, why.to_owned());
    }

    /// Notes how an apply ended.
    pub fn applied(&mut self, (step, result): &Done, known: &Known) {
        let tree = self.tree.clone();
        let release = &tree.desired.releases[step.release];
        let id = &release.objects[step.object].id;
        let before = known.live.get(&ShortHash::of_id(id));
        let (outcome, reason) = match (result, &step.action) {
            (Ok(applied), Action::Apply(reason)) => {
                let is_same = before.is_some_and(|before| before.resource_version == applied.live.resource_version);
                let outcome = match (applied.is_created || before.is_none(), is_same || applied.is_left) {
                    (true, _) => Outcome::Created,
                    (_, true) => Outcome::Same,
                    _ => Outcome::Changed,
                };
                (outcome, reason.to_string())
            }
            (Err(error), _) => (Outcome::Failed, error.clone()),
            (Ok(_), _) => return,
        };
        if outcome == Outcome::Failed {
            self.is_complete[step.release] = false;
            self.failed.insert(id.clone());
        }
        if let (Outcome::Created | Outcome::Changed, Action::Apply(reason)) = (&outcome, &step.action) {
            self.drifted(reason, true);
        }
        if let Ok(applied) = result {
            let file = tree.file(step.release, step.object);
            let warnings = applied.warnings.iter().map(|text| Diagnostic::warning(text.as_str()).at_file(&file));
            self.report.findings.extend(warnings.map(|warning| (Some(release.name.clone()), warning)));
        }
        self.note(&release.name, id, outcome, reason);
    }

    /// Notes that the object which is noted next had been changed by somebody else, if it was for that reason.
    fn drifted(&mut self, reason: &Reason, is_corrected: bool) {
        let manager = match reason {
            Reason::Drift(manager) => manager.clone(),
            Reason::Gone => None,
            _ => return,
        };
        self.report.drift.push(Drifted { object: self.report.objects.len(), manager, is_corrected });
    }

    /// Whether an object could not be applied on which what left the tree may depend. A hook stops its own release only.
    pub fn is_any_hindered(&self) -> bool {
        (0..self.is_complete.len()).any(|index| !self.is_complete[index] && !self.stopped.contains(&index))
    }

    /// Holds deletions that what happened since the plan was made forbids: of an object that was just applied under another
    /// group, and of what something else may depend on that could not be applied.
    pub fn hold_after_applies(&self, departures: &mut [Departure]) {
        let releases = &self.tree.desired.releases;
        for departure in departures.iter_mut().filter(|departure| departure.end == End::Delete) {
            let is_partial = match releases.iter().position(|release| release.name == departure.release) {
                Some(index) => !self.is_complete[index],
                None => self.is_any_hindered(),
            };
            if self.uids.contains(&departure.uid) {
                departure.end = End::Hold(HoldReason::SameUid);
            } else if is_partial {
                departure.end = End::Hold(HoldReason::Partial);
            }
        }
    }

    /// Notes what is, or would be, done with an object that left the tree.
    pub fn departure_planned(&mut self, departure: &Departure, discovery: &Discovery) {
        let (outcome, reason) = match &departure.end {
            End::Delete => (Outcome::Pruned, "left the tree".to_owned()),
            End::Release(keeper) => (
                Outcome::Released,
                format!("left the tree, and stays: {keeper}; `{}`", prune::kubectl_line(discovery, &departure.id)),
            ),
            End::Hold(HoldReason::Suspended) => (Outcome::Suspended, HoldReason::Suspended.to_string()),
            End::Hold(reason) => (Outcome::Held, reason.to_string()),
            End::KeepOwn => (Outcome::Held, "it is kcfg's own, which kcfg never deletes".to_owned()),
            End::Terminating => (Outcome::Terminating, "left the tree, and is being deleted".to_owned()),
        };
        // What is held is not as the tree says: the state that was reached is still the one before, which a Removal names.
        let is_held = matches!(&departure.end, End::Hold(reason) if *reason != HoldReason::SameUid);
        let release = self.tree.desired.releases.iter().position(|release| release.name == departure.release);
        if let Some(index) = release.filter(|_| is_held) {
            self.is_complete[index] = false;
        }
        self.note(&departure.release, &departure.id, outcome, reason);
    }

    /// Notes what became of an object that left the tree.
    pub fn departed(&mut self, departure: &Departure, departed: &Departed, discovery: &Discovery) {
        match departed {
            Departed::Gone | Departed::Released => self.departure_planned(departure, discovery),
            Departed::Terminating(finalizers) => {
                let reason = format!("left the tree, and is held by its finalizers ({finalizers})");
                self.note(&departure.release, &departure.id, Outcome::Terminating, reason);
            }
            Departed::Failed(error) => self.note(&departure.release, &departure.id, Outcome::Failed, error.clone()),
        }
    }

    /// How a release of the tree stands.
    pub fn state(&self, index: usize) -> ReleaseState {
        let objects = &self.tree.desired.releases[index].objects;
        let count = objects.iter().filter(|object| !object.is_hook).count();
        match self.suspended[index] {
            (suspended, _) if count > 0 && suspended == count => ReleaseState::Suspended,
            (_, false) if self.is_complete[index] && !self.hook_failures.contains(&index) => ReleaseState::Applied,
            _ => ReleaseState::Partial,
        }
    }

    /// The report.
    pub fn finish(mut self) -> SyncReport {
        let tree = self.tree.clone();
        let desired = &tree.desired;
        for (index, release) in desired.releases.iter().enumerate() {
            let state = self.state(index);
            self.report.releases.push(ReleaseResult {
                name: release.name.clone(),
                digest: Some(release.digest.clone()),
                state,
                is_stale: release.is_stale,
            });
        }
        for name in &desired.refused {
            if !desired.releases.iter().any(|release| release.name == *name) {
                let state = ReleaseState::Refused;
                self.report.releases.push(ReleaseResult { name: name.clone(), digest: None, state, is_stale: false });
            }
        }
        self.report.releases.sort_by(|a, b| a.name.cmp(&b.name));
        self.report
    }
}
