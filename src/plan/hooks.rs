//! Helm hooks: which of a release's hooks are to run, from what the tree has and what its parent remembers. Pure.
//!
//! Hooks run once for each digest of a release, around its objects: before them, after them. What is under way or has
//! failed is remembered in the parent as a [`HookRecord`], before anything starts.

use serde::{Deserialize, Serialize};

use crate::manifest::{HookEvent, HookRules, ObjectId, install_rank};

use super::DesiredRelease;

/// How often hooks are tried before they wait for a new digest.
pub const HOOK_ATTEMPTS_MAX: u32 = 5;
/// Seconds after the first failure; after each further one twice as many, up to [`HOOK_PAUSE_MAX`].
pub const HOOK_PAUSE: i64 = 10;
/// See [`HOOK_PAUSE`].
pub const HOOK_PAUSE_MAX: i64 = 300;
/// Characters of a failure that are remembered.
const ERROR_CHARACTERS_MAX: usize = 500;

/// A hook of a release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hook {
    /// Its place among the release's objects.
    pub object: usize,
    /// How it is run.
    pub rules: HookRules,
}

/// What happens to a release, as Helm calls it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Event {
    /// It was never applied as a whole.
    Install,
    /// It was, or it was taken over from somebody else.
    Upgrade,
    /// It left the tree.
    Delete,
}

/// How far it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HookPhase {
    /// The hooks before the objects have not all run.
    Pre,
    /// They have; those after the objects have not all run.
    Post,
    /// All have run.
    Done,
}

impl Event {
    /// The hooks of a phase.
    pub fn hook(self, phase: HookPhase) -> Option<HookEvent> {
        Some(match (self, phase) {
            (Event::Install, HookPhase::Pre) => HookEvent::PreInstall,
            (Event::Install, HookPhase::Post) => HookEvent::PostInstall,
            (Event::Upgrade, HookPhase::Pre) => HookEvent::PreUpgrade,
            (Event::Upgrade, HookPhase::Post) => HookEvent::PostUpgrade,
            (Event::Delete, HookPhase::Pre) => HookEvent::PreDelete,
            (Event::Delete, HookPhase::Post) => HookEvent::PostDelete,
            (_, HookPhase::Done) => return None,
        })
    }
}

/// What a release's parent remembers of its hooks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HookRecord {
    /// The release's digest that they run for.
    pub digest: String,
    /// Which of them.
    pub event: Event,
    /// How far they are.
    pub phase: HookPhase,
    /// The second of Unix time at which they began, which tells them from those of another time for the same digest.
    #[serde(default)]
    pub begun: i64,
    /// How often this phase has failed.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub attempts: u32,
    /// Before this second of Unix time it is not tried again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_at: Option<i64>,
    /// The id of the hook that failed last.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub hook: String,
    /// How.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub error: String,
    /// A hash of the delete hooks that are kept for the time when the release is no longer in the tree.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept: Option<String>,
}

fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// When it is, and what was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asked {
    /// Seconds of Unix time.
    pub now: i64,
    /// Whether hooks that failed are run without a pause, and however often they failed.
    pub retries: bool,
}

/// What is to be done about the hooks of a release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Turn {
    /// Nothing.
    None,
    /// Nothing, and the record is to be this one: the release is back at a state whose hooks have run.
    Settle(HookRecord),
    /// They run, from this record on.
    Run(HookRecord),
    /// They failed, and are not run now, for this reason.
    Wait(HookRecord, String),
}

impl HookRecord {
    /// The record of hooks that begin now.
    pub fn new(digest: &str, event: Event, now: i64) -> HookRecord {
        HookRecord {
            digest: digest.to_owned(),
            event,
            phase: HookPhase::Pre,
            begun: now,
            attempts: 0,
            retry_at: None,
            hook: String::new(),
            error: String::new(),
            kept: None,
        }
    }

    /// Out of a parent; none where it cannot be read, as when somebody edited it.
    pub fn parse(text: &str) -> Option<HookRecord> {
        serde_json::from_str(text).ok()
    }

    /// As a parent holds it.
    pub fn text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// The hooks of the phase at hand; none when all is done.
    pub fn hook_event(&self) -> Option<HookEvent> {
        self.event.hook(self.phase)
    }

    /// What a run of a hook is known by in the cluster: after a restart one that is under way is waited for, and not started
    /// twice. `release` is `ENV/RELEASE`.
    pub fn stamp(&self, release: &str) -> String {
        let event = self.hook_event().map_or("", HookEvent::word);
        format!("{release} {} {event} {} {}", self.digest, self.begun, self.attempts + 1)
    }

    /// The phase at hand is over.
    pub fn advance(&mut self) {
        self.phase = if self.phase == HookPhase::Pre { HookPhase::Post } else { HookPhase::Done };
        (self.attempts, self.retry_at) = (0, None);
        self.hook.clear();
        self.error.clear();
    }

    /// A hook of the phase at hand failed.
    pub fn fail(&mut self, hook: &ObjectId, error: &str, now: i64) {
        self.attempts += 1;
        let pause = (1..self.attempts).fold(HOOK_PAUSE, |pause, _| (pause * 2).min(HOOK_PAUSE_MAX));
        self.retry_at = (self.attempts < HOOK_ATTEMPTS_MAX).then_some(now + pause);
        self.hook = hook.to_string();
        self.error = error.chars().take(ERROR_CHARACTERS_MAX).collect();
    }

    /// Whether it may run now, or why it waits.
    pub fn turn(self, asked: Asked) -> Turn {
        if asked.retries || self.attempts == 0 {
            return Turn::Run(self);
        }
        let failed = |when: &str| {
            let event = self.hook_event().map_or("", HookEvent::word);
            format!("{event} hook: {}; {when}", self.error)
        };
        if self.attempts >= HOOK_ATTEMPTS_MAX {
            let why = failed(&format!(
                "it failed {} times, and runs again when the release has a new digest, or with --retry-hooks",
                self.attempts
            ));
            return Turn::Wait(self, why);
        }
        // A moment that no pause can lead to is of a clock that was wrong.
        match self.retry_at.map(|at| at - asked.now).filter(|left| *left > 0 && *left <= HOOK_PAUSE_MAX) {
            Some(left) => {
                let why = failed(&format!(
                    "it failed {} of {HOOK_ATTEMPTS_MAX} times, and runs again in {left} s",
                    self.attempts
                ));
                Turn::Wait(self, why)
            }
            None => Turn::Run(self),
        }
    }
}

/// Decides about the hooks of a release of the tree. `applied` is the digest that was last applied as a whole, `adopts`
/// whether objects of somebody else are taken over.
pub fn turn(
    release: &DesiredRelease,
    record: Option<&HookRecord>,
    applied: Option<&str>,
    adopts: bool,
    asked: Asked,
) -> Turn {
    let (mut is_back, mut was_deleted) = (false, false);
    let kept = record.and_then(|record| record.kept.clone());
    match record {
        Some(record) if record.event == Event::Delete => {
            // It is back. What its deletion began with had not begun yet, or else nothing of it may be there.
            is_back = true;
            was_deleted = record.phase != HookPhase::Pre;
            if !was_deleted && applied == Some(release.digest.as_str()) {
                return settle(release, kept, asked);
            }
        }
        Some(record) if record.digest == release.digest => {
            if record.phase == HookPhase::Done {
                return Turn::None;
            }
            return record.clone().turn(asked);
        }
        Some(record) if record.phase == HookPhase::Pre && applied == Some(release.digest.as_str()) => {
            // Nothing of the other digest was applied.
            return settle(release, kept, asked);
        }
        Some(_) => {}
        // Applied by a version that ran no hooks, or the record was lost.
        None if applied == Some(release.digest.as_str()) => return Turn::None,
        None => {}
    }
    let event = if was_deleted || (applied.is_none() && !adopts) { Event::Install } else { Event::Upgrade };
    let has = |phase| event.hook(phase).is_some_and(|hook| !of_event(release, hook).is_empty());
    let mut begun = HookRecord { kept, ..HookRecord::new(&release.digest, event, asked.now) };
    if !has(HookPhase::Pre) {
        begun.advance();
        if !has(HookPhase::Post) {
            return if is_back { settle(release, begun.kept, asked) } else { Turn::None };
        }
    }
    Turn::Run(begun)
}

fn settle(release: &DesiredRelease, kept: Option<String>, asked: Asked) -> Turn {
    let new = HookRecord::new(&release.digest, Event::Upgrade, asked.now);
    Turn::Settle(HookRecord { phase: HookPhase::Done, kept, ..new })
}

/// The hooks of an event, in the order in which Helm runs them.
pub fn of_event(release: &DesiredRelease, event: HookEvent) -> Vec<&Hook> {
    let mut hooks: Vec<&Hook> = release.hooks.iter().filter(|hook| hook.rules.events.contains(&event)).collect();
    hooks.sort_by_key(|hook| rank(hook.rules.weight, &release.objects[hook.object].id));
    hooks
}

/// The hooks that run when the release is deleted.
pub fn of_deletion(release: &DesiredRelease) -> Vec<&Hook> {
    let runs = |hook: &&Hook| {
        hook.rules.events.iter().any(|event| matches!(event, HookEvent::PreDelete | HookEvent::PostDelete))
    };
    release.hooks.iter().filter(runs).collect()
}

/// A sort key: by weight, then by kind in the install order, then by name.
pub fn rank(weight: i64, id: &ObjectId) -> (i64, (usize, &str), &str, &ObjectId) {
    (weight, install_rank(&id.kind), &id.name, id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{DesiredObject, ShortHash};

    const NOW: Asked = Asked { now: 1000, retries: false };

    fn id(text: &str) -> ObjectId {
        text.parse().expect("an id")
    }

    /// A release of hooks, each with its events and weight.
    fn release(digest: &str, hooks: &[(&str, &[HookEvent], i64)]) -> DesiredRelease {
        let object = |text: &str| DesiredObject { id: id(text), content: ShortHash::UNKNOWN, is_hook: true };
        let rules = |events: &[HookEvent], weight| HookRules {
            events: events.to_vec(),
            weight,
            deletes_before: true,
            deletes_succeeded: false,
            deletes_failed: false,
        };
        DesiredRelease {
            name: "web".into(),
            digest: digest.into(),
            set: "set".into(),
            objects: hooks.iter().map(|(text, ..)| object(text)).collect(),
            hooks: (0..)
                .zip(hooks)
                .map(|(object, (_, events, weight))| Hook { object, rules: rules(events, *weight) })
                .collect(),
            is_stale: false,
        }
    }

    fn record(digest: &str, event: Event, phase: HookPhase) -> HookRecord {
        HookRecord { phase, ..HookRecord::new(digest, event, NOW.now) }
    }

    #[test]
    fn what_runs_follows_from_the_record_and_from_what_was_applied() {
        use Event::{Delete, Install, Upgrade};
        use HookPhase::{Done, Post, Pre};
        let web = release("new", &[("batch/Job/shop/all", &[HookEvent::PreInstall, HookEvent::PostUpgrade], 0)]);
        let run = |event, phase| Turn::Run(record("new", event, phase));
        let settled = Turn::Settle(record("new", Upgrade, Done));
        // What the parent remembers, the digest that was applied, whether objects are taken over, what is done.
        type Row<'a> = (&'a str, Option<HookRecord>, Option<&'a str>, bool, Turn);
        let table: Vec<Row<'_>> = vec![
            ("never applied", None, None, false, run(Install, Pre)),
            ("taken over: it has no pre-upgrade hook", None, None, true, run(Upgrade, Post)),
            ("another digest", None, Some("old"), false, run(Upgrade, Post)),
            ("applied before hooks were run", None, Some("new"), false, Turn::None),
            ("has run", Some(record("new", Install, Done)), None, false, Turn::None),
            ("has run for another", Some(record("old", Install, Done)), Some("old"), false, run(Upgrade, Post)),
            ("killed before the objects", Some(record("new", Install, Pre)), None, false, run(Install, Pre)),
            ("killed after them", Some(record("new", Install, Post)), Some("new"), false, run(Install, Post)),
            ("back, and nothing was applied", Some(record("odd", Upgrade, Pre)), Some("new"), false, settled.clone()),
            ("back, and something was", Some(record("odd", Upgrade, Post)), Some("new"), false, run(Upgrade, Post)),
            ("never whole, and another", Some(record("odd", Install, Post)), None, false, run(Install, Pre)),
            ("back before its deletion", Some(record("new", Delete, Pre)), Some("new"), false, settled),
            ("back after its deletion", Some(record("new", Delete, Post)), Some("new"), false, run(Install, Pre)),
        ];
        for (name, record, applied, adopts, expected) in table {
            assert_eq!(turn(&web, record.as_ref(), applied, adopts, NOW), expected, "{name}");
        }
        let without = release("new", &[("batch/Job/shop/all", &[HookEvent::PreRollback, HookEvent::PreDelete], 0)]);
        assert_eq!(turn(&without, None, None, false, NOW), Turn::None);
        let deleted = record("old", Delete, Pre);
        assert!(matches!(turn(&without, Some(&deleted), Some("old"), false, NOW), Turn::Settle(_)));
        // Which delete hooks are kept is not forgotten.
        let before = HookRecord { kept: Some("a".into()), ..record("old", Install, Done) };
        let Turn::Run(begun) = turn(&web, Some(&before), Some("old"), false, NOW) else { panic!("it runs") };
        assert_eq!(begun.kept.as_deref(), Some("a"));
    }

    #[test]
    fn what_failed_is_tried_again_after_a_growing_pause_and_then_not() {
        let mut record = record("new", Event::Install, HookPhase::Pre);
        let mut pauses = Vec::new();
        for attempt in 1..HOOK_ATTEMPTS_MAX {
            record.fail(&id("batch/Job/shop/a"), "no", 1000);
            pauses.push(record.retry_at.expect("it is tried again") - 1000);
            let turn = |now| record.clone().turn(Asked { now, retries: false });
            let Turn::Wait(_, why) = turn(1000) else { panic!("it waits") };
            assert!(
                why.starts_with("pre-install hook: no; it failed") && why.contains(&format!("{attempt} of")),
                "{why}"
            );
            assert_eq!(turn(1000 + pauses[pauses.len() - 1]), Turn::Run(record.clone()));
            // A clock that was far ahead when it failed.
            assert_eq!(turn(-100_000), Turn::Run(record.clone()));
        }
        assert_eq!(pauses, [10, 20, 40, 80]);
        record.fail(&id("batch/Job/shop/a"), "no", 1000);
        let late = |retries| record.clone().turn(Asked { now: 1_000_000, retries });
        assert!(matches!(late(false), Turn::Wait(_, why) if why.contains("new digest")));
        assert_eq!(late(true), Turn::Run(record.clone()));
        // Each try has a stamp of its own, and the next phase begins anew.
        assert_eq!(record.stamp("prod/web"), "prod/web new pre-install 1000 6");
        record.advance();
        assert_eq!((record.stamp("prod/web"), record.attempts), ("prod/web new post-install 1000 1".into(), 0));
        assert_eq!(HookRecord::parse(&record.text()), Some(record));
        assert_eq!(HookRecord::parse("{}"), None);
    }

    #[test]
    fn hooks_run_by_weight_then_kind_then_name() {
        let all = &[HookEvent::PreInstall];
        let web = release(
            "new",
            &[
                ("batch/Job/shop/b", all, 0),
                ("batch/Job/shop/a", all, 0),
                ("core/ServiceAccount/shop/z", all, 0),
                ("example.com/Backup/shop/a", all, 0),
                ("batch/Job/shop/first", all, -1),
                ("core/ConfigMap/shop/last", all, 10),
                ("batch/Job/shop/other", &[HookEvent::PostInstall, HookEvent::PostDelete], 0),
            ],
        );
        let names = |hooks: Vec<&Hook>| -> Vec<String> {
            hooks.iter().map(|hook| web.objects[hook.object].id.name.to_string()).collect()
        };
        assert_eq!(names(of_event(&web, HookEvent::PreInstall)), ["first", "z", "a", "b", "a", "last"]);
        assert_eq!(names(of_deletion(&web)), ["other"]);
    }
}
