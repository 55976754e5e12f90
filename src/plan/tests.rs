//! Every rule of the plan as a row of a table.

use std::sync::Arc;

use super::*;

const ENV_SET: &str = "set-of-web";
const OTHER_SET: &str = "set-of-api";

fn id(text: &str) -> ObjectId {
    text.parse().expect("an id")
}

fn hash(n: u8) -> ShortHash {
    ShortHash([n; 16])
}

fn live(text: &str, part_of: Option<&str>) -> LiveObject {
    LiveObject {
        id: id(text),
        uid: text.into(),
        resource_version: "1".into(),
        part_of: part_of.map(Into::into),
        state: hash(2),
        fate: Fate::Deleted,
        is_terminating: false,
        other_manager: None,
        is_ours: false,
    }
}

fn release(name: &str, set: &str, ids: &[&str]) -> DesiredRelease {
    DesiredRelease {
        name: name.into(),
        digest: "d".into(),
        set: set.into(),
        objects: ids.iter().map(|text| DesiredObject { id: id(text), content: hash(1), is_hook: false }).collect(),
        hooks: Vec::new(),
        is_stale: false,
    }
}

fn inventory(set: &str, ids: &[&str]) -> Inventory {
    let entry = Entry { content: hash(1), state: hash(2) };
    let entries = ids.iter().map(|text| (ShortHash::of_id(&id(text)), entry)).collect();
    Inventory { set: set.into(), digest: Some("a".repeat(64)), entries }
}

/// An environment where release web wants `wanted`, has `had` in its inventory and `there` in the cluster.
fn world(wanted: &[&str], had: &[&str], there: &[LiveObject]) -> (Desired, Known) {
    let desired = Desired {
        environment: "prod".into(),
        releases: vec![release("web", ENV_SET, wanted)],
        documented: BTreeSet::from(["web".to_owned()]),
        is_complete: true,
        budget: PruneBudget { objects: 10, percent: 100 },
        ..Desired::default()
    };
    let known = Known {
        inventories: BTreeMap::from([("web".to_owned(), inventory(ENV_SET, had))]),
        live: there.iter().map(|live| (ShortHash::of_id(&live.id), live.clone())).collect(),
        ..Known::default()
    };
    (desired, known)
}

const A: &str = "core/ConfigMap/shop/a";
const B: &str = "core/ConfigMap/shop/b";
const C: &str = "core/ConfigMap/shop/c";

#[test]
fn what_is_done_with_an_object_follows_from_entry_and_live_state() {
    let ours = live(A, Some(ENV_SET));
    let set = |change: &dyn Fn(&mut LiveObject)| {
        let mut live = ours.clone();
        change(&mut live);
        Some(live)
    };
    let entry = |content, state| Some(Entry { content, state });
    let known = entry(hash(1), hash(2));
    type Row<'a> = (&'a str, Option<Entry>, Option<LiveObject>, bool, Action);
    let by_me: Option<Arc<str>> = Some("kubectl-edit".into());
    let table: Vec<Row<'_>> = vec![
        ("not there", None, None, false, Action::Apply(Reason::New)),
        ("was there", known, None, false, Action::Apply(Reason::Gone)),
        ("was never made", entry(ShortHash::UNKNOWN, ShortHash::UNKNOWN), None, false, Action::Apply(Reason::New)),
        ("as it was applied", known, Some(ours.clone()), false, Action::Keep),
        ("another file", entry(hash(9), hash(2)), Some(ours.clone()), false, Action::Apply(Reason::Content)),
        (
            "killed in between",
            entry(ShortHash::UNKNOWN, ShortHash::UNKNOWN),
            Some(ours.clone()),
            false,
            Action::Apply(Reason::Unfinished),
        ),
        ("no entry", None, Some(ours.clone()), false, Action::Apply(Reason::Unfinished)),
        (
            "drift",
            known,
            set(&|live| {
                live.state = hash(7);
                live.other_manager = by_me.clone();
            }),
            false,
            Action::Apply(Reason::Drift(by_me.clone())),
        ),
        (
            "our managedFields are gone",
            known,
            set(&|live| live.state = ShortHash::UNKNOWN),
            false,
            Action::Apply(Reason::Drift(None)),
        ),
        ("the label is gone", known, set(&|live| live.part_of = None), false, Action::Apply(Reason::Drift(None))),
        ("terminating", known, set(&|live| live.is_terminating = true), false, Action::Refuse(Refusal::Terminating)),
        (
            "of another release",
            None,
            set(&|live| live.part_of = Some(OTHER_SET.into())),
            false,
            Action::Apply(Reason::Moved("api".into())),
        ),
        (
            "of another tool",
            None,
            set(&|live| live.part_of = Some("applyset-x".into())),
            false,
            Action::Refuse(Refusal::Foreign("the ApplySet applyset-x".into())),
        ),
        (
            "of nobody",
            None,
            set(&|live| {
                live.part_of = None;
                live.other_manager = by_me.clone();
            }),
            false,
            Action::Refuse(Refusal::Foreign("kubectl-edit".into())),
        ),
        (
            "of nobody, adopted",
            None,
            set(&|live| {
                live.part_of = None;
                live.other_manager = by_me.clone();
            }),
            true,
            Action::Apply(Reason::Adopted("kubectl-edit".into())),
        ),
        (
            "a namespace that kcfg made",
            None,
            set(&|live| {
                live.part_of = None;
                live.is_ours = true;
            }),
            false,
            Action::Apply(Reason::New),
        ),
    ];
    for (name, entry, live, adopts, expected) in table {
        let (desired, mut known) = world(&[A], &[], live.as_slice());
        known.inventories.insert("api".into(), inventory(OTHER_SET, &[]));
        known.adopts = adopts;
        if let Some(entry) = entry {
            let entries = &mut known.inventories.get_mut("web").expect("web").entries;
            entries.insert(ShortHash::of_id(&id(A)), entry);
        }
        assert_eq!(plan(&desired, &known).applies[0].action, expected, "{name}");
    }
}

#[test]
fn of_two_releases_that_want_an_object_the_one_that_has_it_keeps_it() {
    for (owner, refused) in [(ENV_SET, "api"), (OTHER_SET, "web"), ("", "web")] {
        let (mut desired, known) = world(&[A], &[A], &[live(A, Some(owner))]);
        desired.releases.insert(0, release("api", OTHER_SET, &[A]));
        let plan = plan(&desired, &known);
        let refusals: Vec<&str> = plan
            .applies
            .iter()
            .filter(|step| matches!(step.action, Action::Refuse(Refusal::Shared(_))))
            .map(|step| desired.releases[step.release].name.as_str())
            .collect();
        assert_eq!(refusals, [refused], "{owner}");
    }
}

#[test]
fn hooks_and_kinds_that_cannot_be_listed_are_not_applied() {
    let (mut desired, mut known) = world(&[A, "apps/Deployment/shop/a"], &[], &[]);
    desired.releases[0].objects[1].is_hook = true;
    known.unlisted.insert(("".into(), "ConfigMap".into()), "forbidden".into());
    let actions: Vec<Action> = plan(&desired, &known).applies.into_iter().map(|step| step.action).collect();
    assert_eq!(actions, [Action::Refuse(Refusal::Unlisted("forbidden".into())), Action::SkipHook]);
}

/// The end of object B, which was applied and left the tree; A and C stay.
fn end_of_b(change: impl FnOnce(&mut Desired, &mut Known)) -> Option<End> {
    let there = [A, B, C].map(|text| live(text, Some(ENV_SET)));
    let (mut desired, mut known) = world(&[A, C], &[A, B, C], &there);
    change(&mut desired, &mut known);
    let mut departures = plan(&desired, &known).departures;
    departures.retain(|departure| departure.id == id(B));
    departures.pop().map(|departure| departure.end)
}

fn b(known: &mut Known) -> &mut LiveObject {
    known.live.get_mut(&ShortHash::of_id(&id(B))).expect("b is there")
}

#[test]
fn what_left_the_tree_is_deleted() {
    assert_eq!(end_of_b(|_, _| {}), Some(End::Delete));
}

#[test]
fn what_was_never_applied_is_no_member_whatever_label_it_carries() {
    let end = end_of_b(|_, known| {
        known.inventories.get_mut("web").expect("web").entries.remove(&ShortHash::of_id(&id(B)));
    });
    assert_eq!(end, None);
}

#[test]
fn what_was_applied_is_still_a_member_when_the_record_is_lost() {
    let copied = |known: &mut Known| b(known).state = ShortHash::UNKNOWN;
    assert_eq!(end_of_b(|_, known| known.inventories.clear()), Some(End::Delete));
    assert_eq!(end_of_b(|_, known| known.inventories.get_mut("web").expect("web").entries.clear()), Some(End::Delete));
    let end = end_of_b(|_, known| {
        known.inventories.clear();
        copied(known);
    });
    assert_eq!(end, None);
}

#[test]
fn what_another_release_wants_is_handed_over() {
    let end = end_of_b(|desired, _| desired.releases.push(release("api", OTHER_SET, &[B])));
    assert_eq!(end, None);
}

#[test]
fn nothing_is_deleted_while_a_release_is_refused() {
    let end = end_of_b(|desired, _| desired.refused = BTreeSet::from(["api".to_owned()]));
    assert_eq!(end, Some(End::Hold(HoldReason::Refused(vec!["api".into()]))));
}

#[test]
fn a_whole_release_goes_only_when_every_document_could_be_read() {
    let gone = |is_complete: bool| {
        end_of_b(|desired, known| {
            known.inventories.insert("old".into(), inventory("set-of-old", &[B]));
            b(known).part_of = Some("set-of-old".into());
            desired.is_complete = is_complete;
        })
    };
    assert_eq!(gone(true), Some(End::Delete));
    assert_eq!(gone(false), Some(End::Hold(HoldReason::Unreadable)));
    // An object of a release that is there may go all the same.
    assert_eq!(end_of_b(|desired, _| desired.is_complete = false), Some(End::Delete));
}

#[test]
fn nothing_is_deleted_while_it_is_not_known_what_is_there() {
    let end = end_of_b(|_, known| {
        known.unlisted.insert(("apps".into(), "Deployment".into()), "forbidden".into());
    });
    assert_eq!(end, Some(End::Hold(HoldReason::Uncertain("Deployment: forbidden".into()))));
    let end = end_of_b(|_, known| known.uncertain = Some("metrics.k8s.io is down".into()));
    assert_eq!(end, Some(End::Hold(HoldReason::Uncertain("metrics.k8s.io is down".into()))));
}

#[test]
fn the_same_object_under_another_group_is_never_deleted() {
    let end = end_of_b(|_, known| b(known).uid = A.into());
    assert_eq!(end, Some(End::Hold(HoldReason::SameUid)));
}

#[test]
fn what_is_kept_is_released_and_what_goes_already_is_left_alone() {
    let end = end_of_b(|_, known| b(known).fate = Fate::Kept(Keeper::Kind));
    assert_eq!(end, Some(End::Release(Keeper::Kind)));
    assert_eq!(end_of_b(|_, known| b(known).is_terminating = true), Some(End::Terminating));
}

#[test]
fn kcfgs_own_things_are_never_deleted() {
    for text in [
        "core/Namespace/-/kcfg-system",
        "apps/Deployment/kcfg-system/kcfg",
        "core/Secret/kcfg-system/deploy-key",
        "rbac.authorization.k8s.io/ClusterRoleBinding/-/kcfg",
        "rbac.authorization.k8s.io/ClusterRole/-/kcfg-prod",
    ] {
        let (desired, known) = world(&[], &[text], &[live(text, Some(ENV_SET))]);
        assert_eq!(plan(&desired, &known).departures[0].end, End::KeepOwn, "{text}");
    }
}

#[test]
fn the_guard_holds_what_is_too_much_and_says_what_lets_it_go() {
    let ids: Vec<String> = (0..12).map(|n| format!("core/ConfigMap/shop/c{n:02}")).collect();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    let there: Vec<LiveObject> = ids.iter().map(|text| live(text, Some(ENV_SET))).collect();
    let (mut desired, known) = world(&ids[..1], &ids, &there);
    let held = plan(&desired, &known);
    assert!(held.departures.iter().all(|departure| matches!(departure.end, End::Hold(HoldReason::Guard(_)))));
    let hold = held.hold.expect("eleven are more than ten");
    assert_eq!(hold.excess, "would delete 11 objects; the prune budget is 10");
    assert_eq!(hold.removal.expect("a document").matches("core/ConfigMap/shop/").count(), 11);
    desired.budget.objects = 11;
    let free = plan(&desired, &known);
    assert_eq!(free.hold, None);
    assert_eq!(free.departures.iter().filter(|departure| departure.end == End::Delete).count(), 11);
    // Everything at once is held whatever the budget.
    let (mut desired, known) = world(&[], &[A], &[live(A, Some(ENV_SET))]);
    desired.budget.objects = 1000;
    assert!(plan(&desired, &known).hold.is_some());
}

#[test]
fn deleting_goes_the_other_way_round() {
    let ids = [
        "core/ConfigMap/shop/a",
        "apps/Deployment/shop/a",
        "admissionregistration.k8s.io/ValidatingWebhookConfiguration/-/a",
        "example.com/Widget/shop/a",
        "core/Service/shop/a",
    ];
    let mut there: Vec<LiveObject> = ids.iter().map(|text| live(text, Some(ENV_SET))).collect();
    there.push(live(A, Some(ENV_SET)));
    let (desired, known) = world(&["core/ConfigMap/shop/z"], &ids, &there);
    let kinds: Vec<String> =
        plan(&desired, &known).departures.iter().map(|departure| departure.id.kind.to_string()).collect();
    assert_eq!(kinds, ["ValidatingWebhookConfiguration", "Widget", "Deployment", "Service", "ConfigMap"]);
}

#[test]
fn what_is_suspended_is_neither_applied_nor_deleted() {
    let drifted = LiveObject { state: hash(7), ..live(B, Some(ENV_SET)) };
    let there = [live(A, Some(ENV_SET)), drifted, live(C, Some(ENV_SET))];
    let (desired, mut known) = world(&[A, B], &[A, B, C], &there);
    let suspend = |selector: &str| Suspensions {
        environment: "prod".into(),
        list: vec![Suspension {
            selector: selector.parse().expect("a selector"),
            until: Timestamp::from_second(100).expect("a moment"),
            since: Timestamp::UNIX_EPOCH,
            reason: String::new(),
            by: String::new(),
        }],
    };
    let drift = Action::Apply(Reason::Drift(None));
    let waits = Action::Suspend(Some("was changed in the cluster".into()));
    let held = End::Hold(HoldReason::Suspended);
    let table = [
        ("prod/web", 99, [Action::Suspend(None), waits.clone()], held.clone()),
        ("prod/web", 100, [Action::Keep, drift.clone()], End::Delete),
        ("prod/web/*/b", 0, [Action::Keep, waits], End::Delete),
        ("prod/web/*/c", 0, [Action::Keep, drift.clone()], held),
        ("staging", 0, [Action::Keep, drift], End::Delete),
    ];
    for (selector, now, actions, end) in table {
        known.suspensions = suspend(selector);
        known.now = Timestamp::from_second(now).expect("a moment");
        let plan = plan(&desired, &known);
        let found: Vec<Action> = plan.applies.into_iter().map(|step| step.action).collect();
        assert_eq!((found.as_slice(), &plan.departures[0].end), (&actions[..], &end), "{selector} at {now}");
    }
    // What moves to a release that is not suspended moves once the one that has it no longer is.
    let (mut desired, mut known) = world(&[], &[A], &[live(A, Some(ENV_SET))]);
    desired.releases.push(release("api", OTHER_SET, &[A]));
    known.suspensions = suspend("prod/web");
    let steps = plan(&desired, &known).applies;
    assert_eq!(steps[0].action, Action::Suspend(Some("moved from release web".into())));
}
