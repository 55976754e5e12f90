//! What is said of a synchronisation and of what is seen besides: log lines and metrics.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::leading::Leading;
use super::logger::one_line;
use super::now_seconds;
use crate::cluster::client::Failure;
use crate::cluster::discovery::Resource;
use crate::cluster::event::Event;
use crate::cluster::members::Trouble;
use crate::cluster::metrics::label;
use crate::cluster::{EventsSent, Outcome, ReleaseResult, ReleaseState, SyncReport};
use crate::error::{Diagnostic, Severity};
use crate::plan::{Suspension, Suspensions};
use crate::repo::CommitId;

/// Releases that have a number of their own.
const RELEASES_MAX: usize = 2000;
/// How long a suspension, or its end, is news.
pub(super) const SUSPENSION_IS_NEW: SignedDuration = SignedDuration::from_secs(60);

impl Leading {
    /// Says which suspensions began and ended; whether one ended, or one of a part began.
    pub(super) fn tell_suspensions(&mut self, found: &Result<Suspensions, Diagnostic>, now: Timestamp) -> bool {
        let Ok(found) = found.as_ref().inspect_err(|error| {
            if self.told.insert(String::new(), now).is_none() {
                self.log.error("nothing is done", &[("error", one_line(error))]);
            }
        }) else {
            return false;
        };
        let in_force: BTreeMap<String, Timestamp> =
            found.in_force(now).map(|suspension| (suspension.selector.to_string(), suspension.until)).collect();
        if in_force == self.told {
            return false;
        }
        let begun = found.in_force(now).filter(|s| self.told.get(&s.selector.to_string()) != Some(&s.until));
        for suspension in begun {
            let fields = [
                ("selector", suspension.selector.to_string()),
                ("until", suspension.until.to_string()),
                ("by", suspension.by.clone()),
                ("reason", suspension.reason.clone()),
            ];
            self.log.warn("suspended", &fields);
            // A process that is started anew has nothing new to tell of an old one.
            if now.duration_since(suspension.since) < SUSPENSION_IS_NEW {
                let Suspension { selector, until, by, reason, .. } = suspension;
                let note = format!("{selector} is left alone until {until}, by {by}: {reason}");
                self.events.push(Event::of_environment("Suspended", "Suspend", note).normal());
            }
        }
        for selector in self.told.keys().filter(|selector| !in_force.contains_key(*selector)) {
            self.log.info("a suspension ended", &[("selector", selector.clone())]);
            let note = format!("{selector} is no longer left alone");
            self.events.push(Event::of_environment("Resumed", "Resume", note).normal());
        }
        let numbers = in_force.iter().map(|(selector, until)| (label("selector", selector), until.as_second() as f64));
        self.board.metrics.replace("kcfg_suspended", numbers);
        self.told = in_force;
        true
    }

    pub(super) fn unable<T>(&mut self, commit: &CommitId, what: &'static str, errors: &[Diagnostic]) -> Option<T> {
        self.board.metrics.add("kcfg_syncs_total", &label("result", "error"), 1.0);
        for error in errors {
            self.log.error(what, &[("commit", commit.to_string()), ("error", one_line(error))]);
        }
        let why = errors.first().map(one_line).unwrap_or_default();
        self.events.push(Event::of_environment("SyncFailed", "Synchronise", format!("{what}: {why}")).lasting());
        None
    }

    /// Counts Events, and says once why they cannot be written.
    pub(super) fn said_events(&mut self, sent: &EventsSent) {
        let count = |result, number: usize| {
            if number > 0 {
                self.board.metrics.add("kcfg_events_total", &label("result", result), number as f64);
            }
        };
        count("written", sent.written);
        count("failed", sent.failed);
        match &sent.why {
            Some(why) if self.event_trouble.is_empty() => {
                self.log.warn("Events cannot be written", &[("error", why.clone())]);
                self.event_trouble.clone_from(why);
            }
            None if sent.written > 0 => self.event_trouble.clear(),
            _ => {}
        }
    }

    pub(super) fn said(&self, commit: &CommitId, report: &SyncReport, took: Duration) {
        let metrics = &self.board.metrics;
        let count = |outcome: Outcome| report.count(&outcome);
        for object in &report.objects {
            metrics.add("kcfg_objects_total", &label("outcome", object.outcome.word()), 1.0);
        }
        let unchanged = report.unchanged + count(Outcome::Same);
        for (state, number) in [
            ("unchanged", unchanged),
            ("failed", count(Outcome::Failed)),
            ("held", count(Outcome::Held)),
            ("suspended", report.suspended),
            ("drifted", count(Outcome::Drifted)),
        ] {
            metrics.set("kcfg_objects", &label("state", state), number as f64);
        }
        for state in [ReleaseState::Applied, ReleaseState::Partial, ReleaseState::Suspended, ReleaseState::Refused] {
            let number = report.releases.iter().filter(|release| release.state == state).count();
            metrics.set("kcfg_releases", &label("state", state.word()), number as f64);
        }
        let mut releases: Vec<&ReleaseResult> = report.releases.iter().collect();
        // Should they be too many, those that are as they should be are left out first.
        releases.sort_by_key(|release| release.state == ReleaseState::Applied);
        let numbers = releases.iter().take(RELEASES_MAX).map(|release| {
            let (name, state) = (label("release", &release.name), label("state", release.state.word()));
            (format!("{name},{state}"), 1.0)
        });
        metrics.replace("kcfg_release_info", numbers);
        metrics.replace("kcfg_commit_info", [(label("commit", commit.as_str()), 1.0)]);
        let stale = report.releases.iter().filter(|release| release.is_stale).count();
        metrics.set("kcfg_stale_releases", "", stale as f64);
        metrics.set("kcfg_last_sync_timestamp_seconds", "", now_seconds());
        metrics.set("kcfg_last_sync_duration_seconds", "", took.as_secs_f64());
        for (release, finding) in &report.findings {
            let fields = [
                ("release", release.clone().unwrap_or_default()),
                ("commit", commit.to_string()),
                ("finding", one_line(finding)),
            ];
            match finding.severity {
                Severity::Error => self.log.error("finding", &fields),
                Severity::Warning => self.log.warn("finding", &fields),
            }
        }
        if let Some(hold) = &report.hold {
            self.log.warn("deletions are held", &[("commit", commit.to_string()), ("why", hold.excess.to_string())]);
        }
        let is_as_meant = |state| matches!(state, ReleaseState::Applied | ReleaseState::Suspended);
        let is_whole = report.releases.iter().all(|release| is_as_meant(release.state));
        let result = if is_whole && report.hold.is_none() { "ok" } else { "findings" };
        metrics.add("kcfg_syncs_total", &label("result", result), 1.0);
        self.log.info(
            "synchronised",
            &[
                ("commit", commit.to_string()),
                ("result", result.to_owned()),
                ("applied", (count(Outcome::Created) + count(Outcome::Changed)).to_string()),
                ("unchanged", unchanged.to_string()),
                ("pruned", count(Outcome::Pruned).to_string()),
                ("held", count(Outcome::Held).to_string()),
                ("failed", count(Outcome::Failed).to_string()),
                ("requests", report.requests.to_string()),
                ("seconds", format!("{:.3}", took.as_secs_f64())),
            ],
        );
    }

    /// Says what cannot be watched.
    pub(super) fn trouble(&self) -> Trouble {
        let log = self.log.clone();
        Arc::new(move |resource: &Resource, failure: Option<&Failure>| {
            let kind = ("kind", format!("{}/{}", resource.group, resource.kind));
            match failure {
                Some(failure) => {
                    log.warn("cannot be watched: its drift is seen late", &[kind, ("error", failure.to_string())]);
                }
                None => log.info("can be watched again", &[kind]),
            }
        })
    }
}
