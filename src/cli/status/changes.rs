//! What changed between two looks at the environments. Pure.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::shown::{Shown, Trouble};
use super::text::{commits, loop_word, short};
use crate::cluster::drifted::DriftedObject;
use crate::cluster::status::ReleaseStatus;

/// Something that changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The environment.
    pub environment: String,
    /// The release, if it is about one.
    pub release: Option<String>,
    /// What changed.
    pub what: What,
    /// How it was; none where there was nothing.
    pub before: Option<String>,
    /// How it is; none where there is nothing any more.
    pub after: Option<String>,
    /// The commit at which it changed, where that is known.
    pub commit: Option<String>,
    /// Why.
    pub reason: Option<String>,
}

/// What can change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// Whether there is such an environment.
    Environment,
    /// Whether all is well with it: `well`, `not well`.
    Well,
    /// The commit that was applied.
    Commit,
    /// Who applies: the words of the column LOOP.
    Loop,
    /// Commits of the branch that are not applied.
    Behind,
    /// A release's state, or its digest at the same state.
    Release,
    /// Something that is left alone for a while.
    Suspension,
    /// Something that is not well.
    Trouble,
    /// Drift that was corrected.
    Corrected,
}

impl What {
    /// As programs read it.
    pub fn word(self) -> &'static str {
        match self {
            What::Environment => "environment",
            What::Well => "well",
            What::Commit => "commit",
            What::Loop => "loop",
            What::Behind => "behind",
            What::Release => "release",
            What::Suspension => "suspension",
            What::Trouble => "trouble",
            What::Corrected => "corrected",
        }
    }
}

impl Change {
    /// As people read it, in one line.
    pub fn text(&self) -> String {
        let subject = match &self.release {
            Some(release) => format!("{}/{release}", self.environment),
            None => self.environment.clone(),
        };
        let (before, after) = (self.before.as_deref().unwrap_or("-"), self.after.as_deref().unwrap_or("-"));
        let at = self.commit.as_deref().map(|commit| format!(" at {}", short(commit))).unwrap_or_default();
        let why = self.reason.as_deref().map(|reason| format!(": {reason}")).unwrap_or_default();
        let text = match (self.what, &self.before, &self.after) {
            (What::Environment, None, _) => format!("{subject}: there is such an environment now"),
            (What::Environment, ..) => format!("{subject}: the cluster has no such environment any more"),
            (What::Well, ..) => format!("{subject}: {before} → {after}"),
            (What::Commit, ..) => format!("{subject}: commit {} → {}", short(before), short(after)),
            (What::Loop, ..) => format!("{subject}: loop {before} → {after}"),
            (What::Behind, ..) => format!("{subject}: behind {before} → {after}"),
            (What::Release, Some(a), Some(b)) if a == b => format!("{subject}: {after} anew{at}{why}"),
            (What::Release, ..) => format!("{subject}: {before} → {after}{at}{why}"),
            (What::Suspension, _, Some(_)) => format!("{subject}: suspended: {after}{why}"),
            (What::Suspension, ..) => format!("{subject}: no longer suspended: {before}"),
            (What::Trouble, _, Some(_)) => format!("{subject}: {after}"),
            (What::Trouble, ..) => format!("{subject}: no longer: {before}"),
            (What::Corrected, ..) => format!("{subject}: corrected {after}{why}"),
        };
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    /// As programs read it.
    pub fn json(&self) -> Value {
        let mut object = Map::new();
        object.insert("of".into(), self.what.word().into());
        let fields = [
            ("release", &self.release),
            ("before", &self.before),
            ("after", &self.after),
            ("commit", &self.commit),
            ("reason", &self.reason),
        ];
        object.extend(fields.map(|(name, text)| (name.to_owned(), text.clone().into())));
        object.into()
    }
}

/// What changed from one look to the next, each with its moment: by environment, and there in an order that stays.
pub fn changes(before: &[Shown], then: Timestamp, after: &[Shown], now: Timestamp) -> Vec<Change> {
    let mut found = Vec::new();
    let old: BTreeMap<&str, &Shown> = before.iter().map(|one| (one.state.name.as_str(), one)).collect();
    for gone in before.iter().filter(|old| !after.iter().any(|new| new.state.name == old.state.name)) {
        found.push(change(gone, What::Environment, Some("there".into()), None));
    }
    for one in after {
        match old.get(one.state.name.as_str()) {
            Some(before) => of_environment((before, then), (one, now), &mut found),
            None => {
                found.push(change(one, What::Environment, None, Some("there".into())));
                let mut nothing = one.state.clone();
                (nothing.status, nothing.releases) = (None, Vec::new());
                nothing.suspensions = Ok(crate::plan::Suspensions::default());
                let nothing = Shown { state: nothing, lag: one.lag.clone(), troubles: Vec::new() };
                of_environment((&nothing, then), (one, now), &mut found);
            }
        }
    }
    found
}

fn change(one: &Shown, what: What, before: Option<String>, after: Option<String>) -> Change {
    let environment = one.state.name.clone();
    Change { environment, release: None, what, before, after, commit: None, reason: None }
}

fn of_environment((old, then): (&Shown, Timestamp), (new, now): (&Shown, Timestamp), found: &mut Vec<Change>) {
    let mut note = |what: What, before: Option<String>, after: Option<String>| {
        if before != after {
            found.push(change(new, what, before, after));
        }
    };
    let well = |one: &Shown| Some(if one.troubles.is_empty() { "well" } else { "not well" }.to_owned());
    let commit = |one: &Shown| one.state.status.as_ref().and_then(|status| status.commit.clone());
    let behind = |one: &Shown| Some(one.lag.as_ref().map_or_else(|| "unknown".to_owned(), |lag| commits(lag.commits)));
    note(What::Well, well(old), well(new));
    note(What::Commit, commit(old), commit(new));
    note(What::Loop, Some(loop_word(old, then).to_owned()), Some(loop_word(new, now).to_owned()));
    note(What::Behind, behind(old), behind(new));
    releases(old, new, found);
    suspensions((old, then), (new, now), found);
    troubles(old, new, found);
    corrected(old, new, found);
}

fn releases(old: &Shown, new: &Shown, found: &mut Vec<Change>) {
    let known = |of: &Shown, name: &str| of.state.releases.iter().find(|release| release.name == name).cloned();
    let of_release = |release: &ReleaseStatus, before: Option<String>, after: Option<String>| Change {
        release: Some(release.name.clone()),
        commit: release.commit.clone(),
        reason: release.problems.first().map(|problem| match problem.object.as_str() {
            "" => problem.reason.clone(),
            object => format!("{object}: {}", problem.reason),
        }),
        ..change(new, What::Release, before, after)
    };
    for gone in old.state.releases.iter().filter(|release| known(new, &release.name).is_none()) {
        found.push(Change { reason: None, ..of_release(gone, Some(gone.state.clone()), None) });
    }
    for release in &new.state.releases {
        let before = known(old, &release.name);
        let is_same = before.as_ref().is_some_and(|b| b.state == release.state && b.digest == release.digest);
        if !is_same {
            found.push(of_release(release, before.map(|before| before.state), Some(release.state.clone())));
        }
    }
}

fn suspensions((old, then): (&Shown, Timestamp), (new, now): (&Shown, Timestamp), found: &mut Vec<Change>) {
    let in_force = |one: &Shown, at: Timestamp| -> BTreeMap<(String, Timestamp), String> {
        let suspensions = one.state.suspensions.iter().flat_map(|suspensions| suspensions.in_force(at));
        suspensions.map(|s| ((s.selector.to_string(), s.until), format!("{} ({})", s.reason, s.by))).collect()
    };
    let (old, now_in_force) = (in_force(old, then), in_force(new, now));
    for ((selector, until), _) in old.iter().filter(|(key, _)| !now_in_force.contains_key(*key)) {
        found.push(change(new, What::Suspension, Some(format!("{selector} until {until}")), None));
    }
    for ((selector, until), reason) in now_in_force.iter().filter(|(key, _)| !old.contains_key(*key)) {
        let after = Some(format!("{selector} until {until}"));
        found.push(Change { reason: Some(reason.clone()), ..change(new, What::Suspension, None, after) });
    }
}

fn troubles(old: &Shown, new: &Shown, found: &mut Vec<Change>) {
    // What a release's own state says is told by that.
    let known = |one: &'_ Shown| -> BTreeMap<String, String> {
        let troubles = one.troubles.iter().filter_map(|Trouble { key, what, .. }| Some((key.clone()?, what.clone())));
        troubles.collect()
    };
    let (before, after) = (known(old), known(new));
    for (_, what) in before.iter().filter(|(key, _)| !after.contains_key(*key)) {
        found.push(change(new, What::Trouble, Some(what.clone()), None));
    }
    for (_, what) in after.iter().filter(|(key, _)| !before.contains_key(*key)) {
        found.push(change(new, What::Trouble, None, Some(what.clone())));
    }
}

fn corrected(old: &Shown, new: &Shown, found: &mut Vec<Change>) {
    let list = |one: &Shown| -> Vec<DriftedObject> {
        let drift = one.state.status.iter().flat_map(|status| &status.drift);
        drift.filter(|drifted| drifted.corrected).cloned().collect()
    };
    // What an environment that was not there before looks back on is no change.
    if old.state.status.is_none() {
        return;
    }
    let before = list(old);
    let is_new = |drifted: &DriftedObject| {
        !before
            .iter()
            .any(|old| old.object == drifted.object && (&old.since, old.count) == (&drifted.since, drifted.count))
    };
    for drifted in list(new).iter().filter(|drifted| is_new(drifted)) {
        found.push(Change {
            release: Some(drifted.release.clone()),
            reason: Some(drifted.reason.clone()),
            ..change(new, What::Corrected, None, Some(drifted.object.clone()))
        });
    }
}
