//! What is told as a Kubernetes Event: what people have to know who look at the objects and never at kcfg. Out of a
//! synchronisation's report, purely; sending them is `recorder`'s.
//!
//! Only what is exceptional: failures, drift, deletions, what is held. An object that is applied as its tree says gives none.

use std::collections::BTreeMap;

use crate::manifest::ObjectId;

use super::{ObjectResult, Outcome, ReleaseState, SyncReport};

/// Bytes that a note may have: a rule of the API server.
pub const NOTE_BYTES_MAX: usize = 1024;
/// Names of releases that one note holds.
const NAMES_MAX: usize = 10;

/// Something to tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// The object that it is about; none for the environment as a whole.
    pub object: Option<ObjectId>,
    /// That object's uid; none where there is no such object in the cluster.
    pub uid: Option<Box<str>>,
    /// Why, in one word: `ApplyFailed`.
    pub reason: &'static str,
    /// What was being done, in one word: `Apply`.
    pub action: &'static str,
    /// Whether somebody should look at it.
    pub is_warning: bool,
    /// Whether it is how things stand, and no attempt or deed: finding it once more is nothing new.
    pub is_lasting: bool,
    /// What happened, for people. Longer ones than [`NOTE_BYTES_MAX`] are cut when they are sent.
    pub note: String,
}

impl Event {
    /// Something about an object that somebody should look at.
    pub fn warning(object: &ObjectId, reason: &'static str, action: &'static str, note: String) -> Event {
        Event { object: Some(object.clone()), uid: None, reason, action, is_warning: true, is_lasting: false, note }
    }

    /// The same about the environment as a whole.
    pub fn of_environment(reason: &'static str, action: &'static str, note: String) -> Event {
        Event { object: None, uid: None, reason, action, is_warning: true, is_lasting: false, note }
    }

    /// The same as something that lasts.
    #[must_use]
    pub fn lasting(self) -> Event {
        Event { is_lasting: true, ..self }
    }

    /// The same as something that is as it should be.
    #[must_use]
    pub fn normal(self) -> Event {
        Event { is_warning: false, ..self }
    }
}

/// What an object is to the tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// It wants it.
    Member,
    /// It is a hook.
    Hook,
    /// It is not in it.
    Gone,
}

/// What a synchronisation gives to tell: what is the matter first, deletions last.
pub fn of_report(report: &SyncReport, part: impl Fn(&ObjectId) -> Part) -> Vec<Event> {
    let environment = &report.environment;
    let mut events = Vec::new();
    if let Some(hold) = &report.hold {
        let note = format!(
            "deletions are held: this sync {}; `kcfg apply {environment} --dry-run` prints the Removal document that \
             lets them go",
            hold.excess
        );
        events.push(Event::of_environment("DeletionsHeld", "Prune", note).lasting());
    }
    let refused = report.releases.iter().filter(|release| release.state == ReleaseState::Refused);
    for release in refused {
        let finding = report.findings.iter().find(|(name, _)| name.as_deref() == Some(release.name.as_str()));
        let why = finding.map(|(_, finding)| format!(": {}", finding.message)).unwrap_or_default();
        let note = format!("release {} is refused, and nothing of it is applied{why}", release.name);
        events.push(Event::of_environment("Refused", "Verify", note).lasting());
    }
    let stale: Vec<&str> =
        report.releases.iter().filter(|release| release.is_stale).map(|release| release.name.as_str()).collect();
    if !stale.is_empty() {
        let more = stale.len().saturating_sub(NAMES_MAX);
        let tail = if more > 0 { format!(" and {more} more") } else { String::new() };
        let names = stale[..stale.len() - more].join(", ");
        let note = format!("{names}{tail} changed after being rendered");
        events.push(Event::of_environment("Stale", "Verify", note).lasting());
    }
    for object in &report.objects {
        let (id, why) = (&object.id, &object.reason);
        let (reason, action, what) = match object.outcome {
            Outcome::Unready => ("NotReady", "Wait", "is not ready"),
            Outcome::Failed => match part(id) {
                Part::Member => ("ApplyFailed", "Apply", "could not be applied"),
                Part::Hook => ("HookFailed", "RunHook", "the hook failed"),
                Part::Gone => ("PruneFailed", "Prune", "could not be deleted"),
            },
            _ => continue,
        };
        let event = Event::warning(id, reason, action, format!("{what}: {why}"));
        // A hook that failed is waited for, and not run each time.
        events.push(if reason == "ApplyFailed" { event } else { event.lasting() });
    }
    for drift in &report.drift {
        let Some(ObjectResult { id, reason, .. }) = report.objects.get(drift.object) else { continue };
        events.push(if drift.is_corrected {
            Event::warning(id, "DriftCorrected", "Apply", format!("{reason}; it was applied again"))
        } else {
            let note = format!("{reason}; that is left as it is (drift: report)");
            Event::warning(id, "Drifted", "Compare", note).lasting()
        });
    }
    events.extend(held(report));
    for object in &report.objects {
        let (id, why) = (&object.id, &object.reason);
        match &object.outcome {
            Outcome::Pruned => {
                events.push(Event::warning(id, "Pruned", "Prune", format!("{why}, and was deleted")).normal());
            }
            Outcome::Released => events.push(Event::warning(id, "Released", "Prune", why.clone()).normal()),
            _ => {}
        }
    }
    events
}

/// What is held, said once for each release and reason. What the guard holds is said as a whole.
fn held(report: &SyncReport) -> impl Iterator<Item = Event> {
    let of_guard =
        |object: &&ObjectResult| report.hold.as_ref().is_some_and(|hold| object.reason.ends_with(&hold.excess));
    let is_held = |object: &&ObjectResult| matches!(object.outcome, Outcome::Held | Outcome::Terminating);
    let mut groups: BTreeMap<(&str, &str), Vec<&ObjectId>> = BTreeMap::new();
    for object in report.objects.iter().filter(is_held).filter(|object| !of_guard(object)) {
        groups.entry((&object.release, &object.reason)).or_default().push(&object.id);
    }
    groups.into_iter().map(|((release, reason), ids)| {
        let more = if ids.len() > 1 { format!(" and {} more objects", ids.len() - 1) } else { String::new() };
        Event::of_environment("Held", "Prune", format!("release {release}: {}{more}: {reason}", ids[0])).lasting()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::Drifted;
    use crate::plan::Hold;

    #[test]
    fn only_what_is_exceptional_is_told() {
        let object = |name: &str, outcome: Outcome, reason: &str| ObjectResult {
            release: "web".into(),
            id: format!("core/ConfigMap/shop/{name}").parse().unwrap(),
            outcome,
            reason: reason.into(),
        };
        let mut report = SyncReport {
            environment: "prod".into(),
            objects: vec![
                object("a", Outcome::Created, "new"),
                object("b", Outcome::Changed, "its file changed"),
                object("c", Outcome::Same, "x"),
                object("d", Outcome::Suspended, "x"),
                object("e", Outcome::Ran, "post-install hook"),
            ],
            unchanged: 7,
            ..SyncReport::default()
        };
        let part = |id: &ObjectId| match &*id.name {
            "hook" => Part::Hook,
            name if name.starts_with("old") => Part::Gone,
            _ => Part::Member,
        };
        assert_eq!(of_report(&report, part), []);
        report.objects.extend([
            object("f", Outcome::Failed, "denied"),
            object("hook", Outcome::Failed, "exit 1"),
            object("old-1", Outcome::Failed, "denied"),
            object("g", Outcome::Changed, "was changed in the cluster by kubectl-edit"),
            object("h", Outcome::Drifted, "was changed in the cluster"),
            object("old-2", Outcome::Pruned, "left the tree"),
            object("old-3", Outcome::Held, "this sync deletes 12 objects"),
            object("old-4", Outcome::Held, "not while that"),
            object("old-5", Outcome::Held, "not while that"),
        ]);
        report.drift = vec![
            Drifted { object: 8, manager: Some("kubectl-edit".into()), is_corrected: true },
            Drifted { object: 9, manager: None, is_corrected: false },
        ];
        report.hold = Some(Hold { excess: "deletes 12 objects".into(), removal: None });
        let said: Vec<String> = of_report(&report, part)
            .into_iter()
            .map(|event| {
                let name = event.object.map_or_else(|| "-".to_owned(), |id| id.name.to_string());
                format!("{} {name} {} {}: {}", event.is_warning, event.reason, event.action, event.note)
            })
            .collect();
        let expected = [
            "true - DeletionsHeld Prune: deletions are held: this sync deletes 12 objects; `kcfg apply prod --dry-run` \
             prints the Removal document that lets them go",
            "true f ApplyFailed Apply: could not be applied: denied",
            "true hook HookFailed RunHook: the hook failed: exit 1",
            "true old-1 PruneFailed Prune: could not be deleted: denied",
            "true g DriftCorrected Apply: was changed in the cluster by kubectl-edit; it was applied again",
            "true h Drifted Compare: was changed in the cluster; that is left as it is (drift: report)",
            "true - Held Prune: release web: core/ConfigMap/shop/old-4 and 1 more objects: not while that",
            "false old-2 Pruned Prune: left the tree, and was deleted",
        ];
        assert_eq!(said, expected);
    }
}
