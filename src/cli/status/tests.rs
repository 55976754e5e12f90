//! What people and programs read of states that fixtures describe: for each folder of fixtures/status a `state.json`, the
//! `text.txt` and the `status.json` that follow from it. Adding a folder adds a test; `UPDATE=1 cargo test --lib status`
//! writes what is expected.

use std::fs;
use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use super::super::suspend::duration;
use super::changes::{Change, changes};
use super::json::json;
use super::shown::{Shown, Trouble};
use super::text::text;
use crate::cluster::status::{EnvironmentState, EnvironmentStatus, LeaseStatus, ReleaseStatus};
use crate::error::visible;
use crate::plan::Suspensions;
use crate::repo::Lag;

/// `state.json`. Moments are as in records.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct State {
    now: String,
    #[serde(default)]
    max_lag: Option<String>,
    #[serde(default)]
    from_git: bool,
    environments: Vec<Environment>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Environment {
    name: String,
    /// As the record holds it.
    status: Option<EnvironmentStatus>,
    unreadable: Option<String>,
    /// As the record holds them: a list, or a text that is none.
    #[serde(default)]
    suspensions: Value,
    lease: Option<Lease>,
    #[serde(default)]
    releases: Vec<ReleaseStatus>,
    lag: Option<Behind>,
    reading: Option<Reading>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Lease {
    holder: String,
    renewed: String,
    seconds: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Behind {
    commits: usize,
    oldest: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Reading {
    what: String,
    help: String,
}

fn moment(text: &str) -> Timestamp {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

impl Environment {
    fn shown(self, lag_max: Option<Duration>, now: Timestamp) -> Shown {
        let suspensions = match &self.suspensions {
            Value::Null => String::new(),
            Value::String(text) => text.clone(),
            list => list.to_string(),
        };
        let lease = |lease: Lease| LeaseStatus {
            holder: lease.holder,
            renewed: moment(&lease.renewed),
            seconds: lease.seconds,
        };
        let state = EnvironmentState {
            suspensions: Suspensions::read(&self.name, &suspensions),
            name: self.name,
            status: self.status,
            unreadable: self.unreadable,
            lease: self.lease.map(lease),
            releases: self.releases,
            left_out: Vec::new(),
        };
        let lag = self.lag.map(|lag| Lag { commits: lag.commits, oldest: moment(&lag.oldest).as_second() });
        let reading = self.reading.map(|reading| Trouble::new(reading.what, reading.help));
        Shown::of(state, lag, lag_max, reading, now)
    }
}

/// The environments of a case, its moment, and whether Git told of them.
fn read(case: &Path) -> (Vec<Shown>, Timestamp, bool) {
    let source = fs::read_to_string(case.join("state.json")).expect("a case has a state");
    let state: State = serde_json::from_str(&source).unwrap_or_else(|error| panic!("{}: {error}", case.display()));
    let lag_max = state.max_lag.as_deref().map(|text| duration(text).expect("a time"));
    let now = moment(&state.now);
    (state.environments.into_iter().map(|one| one.shown(lag_max, now)).collect(), now, state.from_git)
}

fn fixtures() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/status")
}

#[test]
fn what_is_said_of_each_state() {
    let mut cases: Vec<_> = fs::read_dir(fixtures()).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.sort();
    assert!(cases.len() >= 13, "there are cases: {}", cases.len());
    let mut wrong = Vec::new();
    for case in cases {
        let (shown, now, is_from_git) = read(&case);
        let lines =
            text(&shown, is_from_git, now).lines().map(|line| format!("{}\n", visible(line))).collect::<String>();
        let document = format!("{:#}\n", json(&shown, now));
        for (name, actual) in [("text.txt", lines), ("status.json", document)] {
            let path = case.join(name);
            if std::env::var_os("UPDATE").is_some() {
                fs::write(&path, &actual).unwrap();
            }
            let expected = fs::read_to_string(&path).unwrap_or_default();
            if actual != expected {
                wrong.push(format!("{}\n--- expected\n{expected}\n--- actual\n{actual}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "UPDATE=1 cargo test --lib status\n\n{}", wrong.join("\n\n"));
}

/// The lines of a log from one case to another, each a look at the same environments.
fn log(before: &str, after: &str) -> Vec<String> {
    let ((before, then, _), (after, now, _)) = (read(&fixtures().join(before)), read(&fixtures().join(after)));
    changes(&before, then, &after, now).iter().map(Change::text).collect()
}

#[test]
fn what_changed_from_one_look_to_the_next() {
    for case in fs::read_dir(fixtures()).unwrap() {
        let case = case.unwrap().file_name().into_string().unwrap();
        assert_eq!(log(&case, &case), Vec::<String>::new(), "{case}: nothing changed");
    }
    assert_eq!(
        log("well", "failed"),
        [
            "staging: the cluster has no such environment any more",
            "prod: well → not well",
            "prod/web: applied → partial at 3f9a1c2d4e5f: apps/Deployment/shop/web: admission webhook \
             \"policy.example.com\" denied the request: no image by digest\u{1b}[2J",
            "prod: failed prod/web apps/Deployment/shop/web: admission webhook \"policy.example.com\" denied the request: \
             no image by digest\u{1b}[2J",
            "prod: failed prod/web core/Service/shop/web: Service \"web\" is invalid: spec.ports[0].port: Invalid value: 99999",
            "prod: not ready prod/api apps/Deployment/shop/api: 2 of 3 replicas are available",
            "prod: refused prod/jobs: rendered/prod/jobs/job-a.yaml: it is not as kcfg.sum says",
            "prod: stale: api, jobs changed after it was rendered",
        ]
    );
    assert_eq!(
        log("suspended-environment", "drift"),
        [
            "prod: well → not well",
            "prod: loop suspended → alive",
            "prod: behind 3 commits → 0 commits",
            "prod: no longer suspended: prod until 2026-01-02T05:00:00Z",
            "prod: drifted prod/web apps/Deployment/shop/web: was changed by kubectl-edit, since 2026-01-02T02:10:00Z; \
             that is only reported",
            "prod/api: corrected core/ConfigMap/shop/flags: was deleted",
            "prod/api: corrected core/Service/shop/api: was changed by kubectl-patch",
            "prod/api: corrected core/Service/shop/old: was changed by kubectl-patch",
        ]
    );
    assert_eq!(
        log("never-applied", "suspended-release"),
        [
            "prod: there is such an environment now",
            "prod: commit - → 3f9a1c2d4e5f",
            "prod/api: - → applied at 3f9a1c2d4e5f",
            "prod/web: - → suspended at 3f9a1c2d4e5f: apps/Deployment/shop/web: suspended until 2026-01-02T03:01:30Z",
            "prod: suspended: prod/api/ConfigMap/flags until 2026-01-05T03:00:00Z: an experiment (alice)",
            "prod: suspended: prod/web until 2026-01-02T03:01:30Z: the database moves ask before you touch it (alice)",
        ]
    );
    assert!(log("well", "leader-gone").contains(&"lab: there is such an environment now".to_owned()));
}

/// A number that grows in a reason, or an age, is no change; a Lease that runs out by time alone is one.
#[test]
fn time_alone_changes_what_it_should() {
    let read_at = |now: &str| {
        let text = fs::read_to_string(fixtures().join("lagging/state.json")).unwrap();
        let state: State = serde_json::from_str(&text).unwrap();
        let lag_max = state.max_lag.as_deref().map(|text| duration(text).unwrap());
        state.environments.into_iter().map(|one| one.shown(lag_max, moment(now))).collect::<Vec<Shown>>()
    };
    let lines = |then: &str, now: &str| -> Vec<String> {
        let found = changes(&read_at(then), moment(then), &read_at(now), moment(now));
        found.iter().map(Change::text).collect()
    };
    assert_eq!(lines("2026-01-02T03:00:00Z", "2026-01-02T03:00:50Z"), Vec::<String>::new());
    assert_eq!(
        lines("2026-01-02T03:00:00Z", "2026-01-02T03:10:01Z"),
        [
            "prod: loop alive → none",
            "staging: well → not well",
            "staging: loop alive → none",
            "staging: 1 commit, 30m behind its branch for longer than --max-lag allows",
            "lab: loop alive → none",
        ]
    );
}
