//! What the loop tells in Git of how an environment stands: the tag `kcfg-sync-ENV`, whose message `kcfg status --from-git`
//! reads. Plain data and its text; moving the tag is `teller`'s.
//!
//! The text is made of what is recorded in the cluster and of nothing else (no clock, no host), so that a loop that is
//! restarted finds the very same tag in its place and writes nothing.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::Diagnostic;
use crate::plan::Suspensions;
use crate::post::{CommitState, CommitStatus};

use super::status::{EnvironmentStatus, PROBLEMS_MAX, Problem, without_digits};

/// What the names of the tags begin with.
pub const TAG_PREFIX: &str = "kcfg-sync-";
/// Digits of a commit in the first line of a message.
const DIGITS: usize = 12;

/// How an environment stands, as it is told.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Told {
    /// The environment.
    pub environment: String,
    /// As its record has it, with the problems of all its releases; without what only the cluster's own people need:
    /// addresses, Removal documents, drift that was corrected, and that Git cannot be asked, which Git cannot be told.
    #[serde(flatten)]
    pub status: EnvironmentStatus,
    /// Where it cannot go on: the commit that it should be at.
    pub attempted: Option<String>,
    /// What is suspended, as [`Suspensions::text`] writes it.
    pub suspensions: Vec<Value>,
}

impl Told {
    /// What is told. `problems` are those of the releases; `suspensions` that are over are left out.
    pub fn new(status: &EnvironmentStatus, problems: &[Problem], suspensions: &Suspensions, now: Timestamp) -> Told {
        let mut status = EnvironmentStatus { follows: None, git: None, ..status.clone() };
        if let Some(held) = &mut status.held {
            held.removal = None;
        }
        status.drift.retain(|drifted| !drifted.corrected);
        status.problems.splice(0..0, problems.iter().cloned());
        status.problems.truncate(PROBLEMS_MAX);
        let in_force = suspensions.in_force(now).cloned().collect();
        let in_force = Suspensions { environment: suspensions.environment.clone(), list: in_force };
        Told {
            environment: suspensions.environment.clone(),
            status,
            attempted: None,
            suspensions: serde_json::from_str(&in_force.text()).unwrap_or_default(),
        }
    }

    /// The same, told of a loop that looks at a commit: where it cannot go on, that is the one to blame.
    #[must_use]
    pub fn with_attempted(mut self, commit: &str) -> Told {
        let is_stuck = self.status.error.is_some() && self.status.commit.as_deref() != Some(commit);
        self.attempted = is_stuck.then(|| commit.to_owned());
        self
    }

    /// Whether it is the same but for times, numbers in reasons, and what the last change was: nothing to tell again.
    pub fn is_like(&self, other: &Told) -> bool {
        self.essence() == other.essence()
    }

    fn essence(&self) -> Told {
        let mut told = self.clone();
        told.status.time.clear();
        told.status.last_change = BTreeMap::new();
        told.status.problems.iter_mut().for_each(|problem| problem.reason = without_digits(&problem.reason));
        told.status.drift.iter_mut().for_each(|drifted| drifted.since.clear());
        if let Some(error) = &mut told.status.error {
            error.since.clear();
            error.what = without_digits(&error.what);
        }
        told
    }

    /// The tag's message: a line for people, then what is told as JSON.
    pub fn message(&self) -> String {
        let status = &self.status;
        let commit: String = status.commit.as_deref().unwrap_or("nothing").chars().take(DIGITS).collect();
        let mut text = format!("{}: {} at {commit}", self.environment, status.result);
        for (state, count) in &status.objects {
            let _ = write!(text, ", {count} {state}");
        }
        if let Some(commit) = &self.attempted {
            let _ = write!(text, ", not at {}", commit.chars().take(DIGITS).collect::<String>());
        }
        if !self.suspensions.is_empty() {
            let _ = write!(text, ", {} suspensions", self.suspensions.len());
        }
        let json = serde_json::to_string_pretty(self).unwrap_or_default();
        format!("{text}\n\n{json}\n")
    }

    /// The line beside the commit: `kcfg/ENV`, how it does there, and the first reason why.
    pub fn commit_status(&self, now: Timestamp) -> CommitStatus {
        let status = &self.status;
        let suspensions = self.suspensions().unwrap_or_default();
        let has = |state: &str| status.objects.contains_key(state) || status.releases.contains_key(state);
        let is_unready = status.result == "findings" && has("notReady") && status.held.is_none();
        let counts: Vec<String> = status.objects.iter().map(|(state, count)| format!("{count} {state}")).collect();
        let problem = status.problems.iter().find(|problem| problem.outcome != "suspended").map(|problem| {
            let object = if problem.object.is_empty() { String::new() } else { format!(" {}", problem.object) };
            format!("; {}{object}: {}", problem.release, problem.reason)
        });
        let held = status.held.as_ref().map(|held| format!("; deletions are held: {}", held.reason));
        let happened = format!("{}{}", counts.join(", "), problem.or(held).unwrap_or_default());
        let (state, description) = match (&status.error, suspensions.covers_environment(now)) {
            (Some(error), _) => (CommitState::Failure, error.what.clone()),
            (None, Some(s)) => {
                (CommitState::Pending, format!("suspended until {}, by {}: {}", s.until, s.by, s.reason))
            }
            (None, None) if status.result == "ok" => (CommitState::Success, happened),
            (None, None) if is_unready && !["failed", "held", "partial", "refused"].iter().any(|state| has(state)) => {
                (CommitState::Pending, happened)
            }
            (None, None) => (CommitState::Failure, happened),
        };
        CommitStatus {
            commit: self.attempted.as_ref().or(status.commit.as_ref()).cloned().unwrap_or_default(),
            context: format!("kcfg/{}", self.environment),
            state,
            description: description.split_whitespace().collect::<Vec<_>>().join(" "),
        }
    }

    /// Reads a message; none where it is no such message.
    pub fn read(message: &str) -> Option<Told> {
        let (_, json) = message.split_once("\n\n")?;
        serde_json::from_str(json).ok().filter(|told: &Told| !told.environment.is_empty())
    }

    /// What is suspended.
    ///
    /// # Errors
    /// It is not as kcfg writes it.
    pub fn suspensions(&self) -> Result<Suspensions, Diagnostic> {
        Suspensions::read(&self.environment, &Value::from(self.suspensions.clone()).to_string())
    }

    /// The moment that the tag bears, in seconds since 1970: when the environment changed last.
    pub fn seconds(&self) -> i64 {
        self.status.time.parse::<Timestamp>().map_or(0, Timestamp::as_second)
    }
}

/// The name of an environment's tag. What the name of a ref cannot hold is written `%` and two digits for each byte.
pub fn tag_name(environment: &str) -> String {
    let mut name = TAG_PREFIX.to_owned();
    let is_lock = environment.ends_with(".lock");
    for (at, byte) in environment.bytes().enumerate() {
        let is_plain = match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' => true,
            b'.' => !is_lock && environment.as_bytes().get(at + 1).is_some_and(|next| *next != b'.'),
            _ => false,
        };
        if is_plain {
            name.push(char::from(byte));
        } else {
            let _ = write!(name, "%{byte:02X}");
        }
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::status::{Held, Since};
    use crate::plan::Suspension;

    fn status() -> EnvironmentStatus {
        EnvironmentStatus {
            follows: Some("ssh://git@internal/config.git".into()),
            reference: Some("refs/heads/main".into()),
            commit: Some("3f9a1c2d4e5f60718293".into()),
            time: "2026-01-02T02:00:00Z".into(),
            result: "findings".into(),
            objects: [("applied".to_owned(), 74), ("failed".to_owned(), 1)].into(),
            held: Some(Held { reason: "deletes 12 objects".into(), removal: Some("a: b".into()) }),
            git: Some(Since { since: "x".into(), what: "y".into() }),
            ..EnvironmentStatus::default()
        }
    }

    fn problem(reason: &str) -> Problem {
        Problem {
            release: "web".into(),
            object: "core/ConfigMap/a/b".into(),
            outcome: "failed".into(),
            reason: reason.into(),
        }
    }

    #[test]
    fn what_is_told_is_read_again() {
        let now: Timestamp = "2026-01-02T03:00:00Z".parse().unwrap();
        let suspension = |until: &str| Suspension {
            selector: "prod/web".parse().unwrap(),
            until: until.parse().unwrap(),
            since: now,
            reason: "a\n\nb".into(),
            by: "me".into(),
        };
        let list = vec![suspension("2026-01-02T02:59:00Z"), suspension("2026-01-02T04:00:00Z")];
        let suspensions = Suspensions { environment: "prod".into(), list };
        let told = Told::new(&status(), &[problem("denied\n\n{")], &suspensions, now);
        let message = told.message();
        let first = "prod: findings at 3f9a1c2d4e5f, 74 applied, 1 failed, 1 suspensions\n\n{\n";
        assert!(message.starts_with(first), "{message}");
        assert!(!message.contains("internal") && !message.contains("a: b"), "{message}");
        assert_eq!(Told::read(&message).as_ref(), Some(&told));
        assert_eq!(told.suspensions().unwrap().list.len(), 1);
        assert_eq!((told.seconds(), told.status.problems.len()), (1_767_319_200, 1));
        // Whatever somebody else writes into such a tag.
        for text in ["", "x", "x\n\n{}", "x\n\n[1]", "x\n\n{\"environment\": 1}", "x\n\n{\"environment\": \"a\"} b"] {
            assert_eq!(Told::read(text), None, "{text}");
        }
        assert_eq!(Told::read("x\n\n{\"environment\": \"a\", \"new\": 1}").unwrap().environment, "a");
    }

    #[test]
    fn what_changes_nothing_is_not_told_again() {
        let now = Timestamp::UNIX_EPOCH;
        let none = Suspensions { environment: "prod".into(), ..Suspensions::default() };
        let told = |status: &EnvironmentStatus, reason: &str| Told::new(status, &[problem(reason)], &none, now);
        let first = told(&status(), "not ready for 12 s");
        let later = EnvironmentStatus {
            time: "2027-01-02T02:00:00Z".into(),
            last_change: [("changed".to_owned(), 1)].into(),
            git: None,
            ..status()
        };
        assert!(first.is_like(&told(&later, "not ready for 140 s")));
        assert!(!first.is_like(&told(&later, "denied")));
        assert!(!first.is_like(&told(&EnvironmentStatus { commit: None, ..later.clone() }, "not ready for 12 s")));
        assert!(!first.is_like(&told(&later.failed("no cluster", now), "not ready for 12 s")));
    }

    #[test]
    fn what_stands_beside_a_commit() {
        let now: Timestamp = "2026-01-02T03:00:00Z".parse().unwrap();
        let shown = |status: &EnvironmentStatus, problems: &[Problem], list: Vec<Suspension>| {
            let told = Told::new(status, problems, &Suspensions { environment: "prod".into(), list }, now);
            let status = told.with_attempted("77aa").commit_status(now);
            format!("{} {} {} {}", status.context, status.commit, status.state.word(), status.description)
        };
        let held = status();
        assert_eq!(
            shown(&held, &[problem("denied\nby a webhook")], Vec::new()),
            "kcfg/prod 3f9a1c2d4e5f60718293 failure 74 applied, 1 failed; web core/ConfigMap/a/b: denied by a webhook"
        );
        let held = EnvironmentStatus { objects: [("applied".to_owned(), 75)].into(), ..held };
        assert!(shown(&held, &[], Vec::new()).ends_with("failure 75 applied; deletions are held: deletes 12 objects"));
        let waits = EnvironmentStatus { objects: [("notReady".to_owned(), 1)].into(), held: None, ..held.clone() };
        assert!(shown(&waits, &[], Vec::new()).ends_with(" pending 1 notReady"));
        let partial = EnvironmentStatus { releases: [("partial".to_owned(), 1)].into(), ..waits };
        assert!(shown(&partial, &[], Vec::new()).ends_with(" failure 1 notReady"));
        let well = EnvironmentStatus { result: "ok".into(), held: None, ..held };
        assert_eq!(shown(&well, &[], Vec::new()), "kcfg/prod 3f9a1c2d4e5f60718293 success 75 applied");
        let until = "2026-01-02T04:00:00Z".parse().unwrap();
        let whole =
            Suspension { selector: "prod".parse().unwrap(), until, since: now, reason: "x".into(), by: "me".into() };
        assert!(shown(&well, &[], vec![whole]).ends_with(" pending suspended until 2026-01-02T04:00:00Z, by me: x"));
        let stuck = well.failed("another cluster", now);
        assert_eq!(shown(&stuck, &[], Vec::new()), "kcfg/prod 77aa failure another cluster");
    }

    #[test]
    fn names_of_tags() {
        let prefixed = |environment: &str| tag_name(environment).split_off(TAG_PREFIX.len());
        assert_eq!(prefixed("prod-eu_1"), "prod-eu_1");
        assert_eq!(prefixed("eu.prod"), "eu.prod");
        assert_eq!(prefixed("a..b."), "a%2E.b%2E");
        assert_eq!(prefixed("a.lock"), "a%2Elock");
        assert_eq!(prefixed("é b~%"), "%C3%A9%20b%7E%25");
        for environment in ["a..b.", ".", "..", "x.lock", "@{", "a b", "~^:?*[\\", "\u{7f}", "%2E"] {
            let name = format!("refs/tags/{}", tag_name(environment));
            assert!(gix::validate::reference::name(name.as_str().into()).is_ok(), "{name}");
        }
    }
}
