//! How environments and releases stand: what the applier writes into its records, and `kcfg status` reads. Plain data, and
//! the pure step from one synchronisation's report to the next status.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::error::Diagnostic;
use crate::plan::Suspensions;
use crate::rendered::environment_digest;

use super::drifted::{self, DriftedObject};
use super::{ObjectResult, Outcome, ReleaseState, SyncReport};

/// Problems that one record keeps; of more the number is kept.
pub const PROBLEMS_MAX: usize = 20;
/// Characters of a problem's reason that a record keeps.
pub const PROBLEM_CHARACTERS_MAX: usize = 400;
/// Names of stale releases that a record keeps.
const STALE_MAX: usize = 100;
/// Bytes of a Removal document that a record keeps; a longer one is printed by `kcfg apply --dry-run`.
const REMOVAL_BYTES_MAX: usize = 100 << 10;

/// How an environment stands, as its record says it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct EnvironmentStatus {
    /// The address of the repository that a loop follows; none where it is applied by hand.
    pub follows: Option<String>,
    /// The ref that the commit is of.
    #[serde(rename = "ref")]
    pub reference: Option<String>,
    /// The commit whose tree was applied last; none for a folder's.
    pub commit: Option<String>,
    /// The digest of that tree.
    pub digest: Option<String>,
    /// When the commit moved or something changed, for the last time.
    pub time: String,
    /// `ok`: everything is as the tree says; `findings`: something is not; `error`: nothing could be done at all.
    pub result: String,
    /// Objects by state: `applied`, `failed`, `held`, `suspended`, `drifted`, `notReady`.
    pub objects: BTreeMap<String, usize>,
    /// Releases by state: `applied`, `partial`, `refused`, `suspended`.
    pub releases: BTreeMap<String, usize>,
    /// Of the last synchronisation that changed something: objects by outcome.
    pub last_change: BTreeMap<String, usize>,
    /// Deletions that are held.
    pub held: Option<Held>,
    /// Releases whose sources changed after they were rendered.
    pub stale: Vec<String>,
    /// Objects that somebody else changed: those that differ, and what was corrected last.
    pub drift: Vec<DriftedObject>,
    /// What belongs to no release's own record: releases that are refused, objects that are not ready.
    pub problems: Vec<Problem>,
    /// Why nothing can be done at all.
    pub error: Option<Since>,
    /// Why the Git server cannot be asked; what was fetched last stays in force.
    pub git: Option<Since>,
}

/// Deletions that are held.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Held {
    /// What the synchronisation would do.
    pub reason: String,
    /// The document that lets them go.
    pub removal: Option<String>,
}

/// Something that lasts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Since {
    /// Since when.
    pub since: String,
    /// What.
    pub what: String,
}

/// An object or a release that is not as it should be.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Problem {
    /// The release.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub release: String,
    /// The object's id; empty for the release as a whole.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub object: String,
    /// `failed`, `held`, `suspended`, `not ready`, `deleting`, `refused`.
    pub outcome: String,
    /// Why.
    pub reason: String,
}

/// How a release stands, as its parent says it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ReleaseStatus {
    /// Its name.
    pub name: String,
    /// `applied`, `partial`, `suspended`; `applying` while it is under way, or after a run that was killed.
    pub state: String,
    /// The digest that was last applied as a whole.
    pub digest: Option<String>,
    /// The commit at which it last changed.
    pub commit: Option<String>,
    /// When it last changed.
    pub time: Option<String>,
    /// Objects by state, as in [`EnvironmentStatus::objects`].
    pub objects: BTreeMap<String, usize>,
    /// What is not as it should be, at most [`PROBLEMS_MAX`].
    pub problems: Vec<Problem>,
    /// Why not all of this may be so: its parent is of a later kcfg, or of another program.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unreadable: Option<String>,
    /// Its kinds: `Deployment.apps`.
    #[serde(skip)]
    pub kinds: Vec<String>,
}

/// Who has the Lease of an environment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LeaseStatus {
    /// The process; empty where nobody has it.
    pub holder: String,
    /// When it was last renewed.
    pub renewed: Timestamp,
    /// How long it lasts.
    pub seconds: u64,
}

impl LeaseStatus {
    /// Whether somebody holds it who renews it.
    pub fn is_alive(&self, now: Timestamp) -> bool {
        let age = now.as_second().saturating_sub(self.renewed.as_second());
        !self.holder.is_empty() && age <= i64::try_from(self.seconds).unwrap_or(i64::MAX)
    }
}

/// Nothing is heard of a cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outage {
    /// Since when: what is known is as it was then.
    pub since: Timestamp,
    /// Why.
    pub why: String,
}

/// All that a cluster says of an environment.
#[derive(Debug, Clone)]
pub struct EnvironmentState {
    /// Its name.
    pub name: String,
    /// Its record; none where there is none yet, or it cannot be read.
    pub status: Option<EnvironmentStatus>,
    /// Why it cannot be read.
    pub unreadable: Option<String>,
    /// What is left alone; an error where that cannot be read.
    pub suspensions: Result<Suspensions, Diagnostic>,
    /// Who applies; none where no loop ever did.
    pub lease: Option<LeaseStatus>,
    /// Its releases, by name; those that were asked for.
    pub releases: Vec<ReleaseStatus>,
    /// The names of its other releases.
    pub left_out: Vec<String>,
}

/// A moment, as records hold it: seconds are enough.
pub fn moment(now: Timestamp) -> String {
    Timestamp::from_second(now.as_second()).unwrap_or(now).to_string()
}

/// A text for a record: not longer than it has to be.
pub fn cut(text: &str) -> String {
    match text.char_indices().nth(PROBLEM_CHARACTERS_MAX) {
        None => text.to_owned(),
        Some((at, _)) => format!("{}…", &text[..at]),
    }
}

/// Whether an outcome is a problem that a release's own record lists.
pub fn is_problem(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Failed | Outcome::Held | Outcome::Suspended | Outcome::Terminating)
}

/// The worst of these, as a record keeps them, in an order that stays: failures first.
pub fn problems<'a>(objects: impl IntoIterator<Item = &'a ObjectResult>, with_release: bool) -> Vec<Problem> {
    let mut found: Vec<&ObjectResult> = objects.into_iter().collect();
    found.sort_by_key(|object| (object.outcome != Outcome::Failed, &object.release, &object.id));
    let problem = |object: &&ObjectResult| Problem {
        release: if with_release { object.release.clone() } else { String::new() },
        object: object.id.to_string(),
        outcome: object.outcome.word().to_owned(),
        reason: cut(&object.reason),
    };
    found.iter().take(PROBLEMS_MAX).map(problem).collect()
}

/// Whether problems are the same but for numbers in their reasons.
pub fn are_alike(a: &[Problem], b: &[Problem]) -> bool {
    let is_alike = |(a, b): (&Problem, &Problem)| {
        a.object == b.object && a.outcome == b.outcome && without_digits(&a.reason) == without_digits(&b.reason)
    };
    a.len() == b.len() && a.iter().zip(b).all(is_alike)
}

/// What stays of a reason that counts seconds or attempts: the same as long as it is the same one.
pub fn without_digits(text: &str) -> String {
    text.replace(|c: char| c.is_ascii_digit(), "")
}

/// Numbers by name, without those that are zero.
pub fn counts<const N: usize>(numbers: [(&str, usize); N]) -> BTreeMap<String, usize> {
    numbers.into_iter().filter(|(_, number)| *number > 0).map(|(name, number)| (name.to_owned(), number)).collect()
}

/// What a synchronisation was of.
#[derive(Debug, Clone, Default)]
pub struct Occasion {
    /// The commit; none for a folder.
    pub commit: Option<String>,
    /// Its ref.
    pub reference: Option<String>,
    /// The repository that a loop follows.
    pub follows: Option<String>,
}

impl EnvironmentStatus {
    /// The status after a synchronisation. Equal to this one where nothing changed and the commit is the same.
    #[must_use]
    pub fn after(&self, report: &SyncReport, occasion: &Occasion, now: Timestamp) -> EnvironmentStatus {
        let mut next = self.clone();
        let count = |outcome: Outcome| report.count(&outcome);
        let changes = counts([
            ("created", count(Outcome::Created)),
            ("changed", count(Outcome::Changed)),
            ("pruned", count(Outcome::Pruned)),
            ("released", count(Outcome::Released)),
        ]);
        let digests: Option<Vec<(&str, &str)>> =
            report.releases.iter().map(|release| Some((release.name.as_str(), release.digest.as_deref()?))).collect();
        next.digest = digests.map(environment_digest);
        let (held, failed) = (count(Outcome::Held) + count(Outcome::Terminating), count(Outcome::Failed));
        next.objects = counts([
            ("applied", report.unchanged + count(Outcome::Same) + count(Outcome::Created) + count(Outcome::Changed)),
            ("failed", failed),
            ("held", held),
            ("suspended", report.suspended),
            ("drifted", count(Outcome::Drifted)),
            ("notReady", count(Outcome::Unready)),
        ]);
        let releases = |state| report.releases.iter().filter(|release| release.state == state).count();
        next.releases = counts([
            ("applied", releases(ReleaseState::Applied)),
            ("partial", releases(ReleaseState::Partial)),
            ("refused", releases(ReleaseState::Refused)),
            ("suspended", releases(ReleaseState::Suspended)),
        ]);
        next.held = report.hold.as_ref().map(|hold| Held {
            reason: hold.excess.clone(),
            removal: hold.removal.clone().filter(|removal| removal.len() <= REMOVAL_BYTES_MAX),
        });
        let stale = report.releases.iter().filter(|release| release.is_stale);
        next.stale = stale.take(STALE_MAX).map(|release| release.name.clone()).collect();
        next.drift = drifted::after(&self.drift, report, now);
        next.problems = refusals(report);
        let unready = report.objects.iter().filter(|object| object.outcome == Outcome::Unready);
        next.problems.extend(problems(unready, true));
        next.problems.truncate(PROBLEMS_MAX);
        let is_fine = failed + held + count(Outcome::Unready) + releases(ReleaseState::Refused) == 0
            && report.hold.is_none()
            && releases(ReleaseState::Partial) == 0;
        next.result = if is_fine { "ok" } else { "findings" }.to_owned();
        next.error = None;
        next.follows.clone_from(&occasion.follows);
        next.commit.clone_from(&occasion.commit);
        next.reference.clone_from(&occasion.reference);
        if !changes.is_empty() || next.commit != self.commit || self.time.is_empty() {
            next.time = moment(now);
        }
        if !changes.is_empty() {
            next.last_change = changes;
        }
        next
    }

    /// The status after one that could do nothing.
    #[must_use]
    pub fn failed(&self, why: &str, now: Timestamp) -> EnvironmentStatus {
        let error = Some(since(self.error.as_ref(), why, now));
        EnvironmentStatus { result: "error".to_owned(), error, ..self.clone() }
    }

    /// The status while the Git server cannot be asked, or again can.
    #[must_use]
    pub fn with_git(&self, why: Option<&str>, now: Timestamp) -> EnvironmentStatus {
        // Reasons come and go; since when there is one is what counts.
        let git = why.map(|why| self.git.clone().unwrap_or_else(|| since(None, why, now)));
        EnvironmentStatus { git, ..self.clone() }
    }
}

fn since(before: Option<&Since>, what: &str, now: Timestamp) -> Since {
    let what = cut(what);
    match before {
        Some(before) if before.what == what => before.clone(),
        _ => Since { since: moment(now), what },
    }
}

/// Why releases are refused.
fn refusals(report: &SyncReport) -> Vec<Problem> {
    let refused = report.releases.iter().filter(|release| release.state == ReleaseState::Refused);
    let problem = |release: &super::ReleaseResult| {
        let finding = report.findings.iter().find(|(name, _)| name.as_deref() == Some(release.name.as_str()));
        let reason = finding.map(|(_, finding)| {
            let place = finding.place.as_ref().map(|place| format!("{place}: ")).unwrap_or_default();
            cut(&format!("{place}{}", finding.message))
        });
        Problem {
            release: release.name.clone(),
            object: String::new(),
            outcome: "refused".to_owned(),
            reason: reason.unwrap_or_default(),
        }
    };
    refused.take(PROBLEMS_MAX).map(problem).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(outcomes: &[Outcome]) -> SyncReport {
        let object = |outcome: &Outcome| ObjectResult {
            release: "web".into(),
            id: "core/ConfigMap/shop/a".parse().unwrap(),
            outcome: outcome.clone(),
            reason: "x".repeat(1000),
        };
        SyncReport { objects: outcomes.iter().map(object).collect(), unchanged: 2, ..SyncReport::default() }
    }

    #[test]
    fn a_synchronisation_that_changes_nothing_leaves_the_status_as_it_is() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let occasion = Occasion { commit: Some("3f9a".into()), ..Occasion::default() };
        let first = EnvironmentStatus::default().after(&report(&[Outcome::Created]), &occasion, at(0));
        assert_eq!((first.time.as_str(), first.result.as_str()), ("1970-01-01T00:00:00Z", "ok"));
        assert_eq!((first.objects["applied"], first.last_change["created"]), (3, 1));
        let mut same = report(&[Outcome::Same]);
        assert_eq!(first.after(&same, &occasion, at(60)), first);
        // An object that fails for the second time changes nothing either.
        same.objects[0].outcome = Outcome::Failed;
        let failed = first.after(&same, &occasion, at(60));
        assert_eq!((failed.result.as_str(), failed.time.as_str()), ("findings", first.time.as_str()));
        assert_eq!(failed.after(&same, &occasion, at(120)), failed);
        let moved = first.after(&report(&[Outcome::Same]), &Occasion { commit: Some("b".into()), ..occasion }, at(60));
        assert_eq!((moved.time.as_str(), moved.last_change["created"]), ("1970-01-01T00:01:00Z", 1));
        let error = moved.failed("no cluster", at(60));
        assert_eq!((error.failed("no cluster", at(90)), error.result.as_str()), (error.clone(), "error"));
        let away = moved.with_git(Some("gone"), at(60));
        assert_eq!(away.with_git(Some("slow"), at(90)), away);
        assert_eq!(away.with_git(None, at(90)), moved);
    }

    #[test]
    fn what_records_keep_is_bounded() {
        let found = report(&vec![Outcome::Failed; 100]);
        let kept = problems(&found.objects, true);
        assert_eq!((kept.len(), kept[0].reason.chars().count()), (PROBLEMS_MAX, PROBLEM_CHARACTERS_MAX + 1));
    }

    #[test]
    fn a_lease_is_alive_while_it_is_renewed() {
        let lease = LeaseStatus { holder: "a".into(), renewed: Timestamp::from_second(100).unwrap(), seconds: 60 };
        let alive = |second| lease.is_alive(Timestamp::from_second(second).unwrap());
        assert!(alive(100) && alive(160) && !alive(161));
        assert!(!LeaseStatus { holder: String::new(), ..lease.clone() }.is_alive(lease.renewed));
    }
}
