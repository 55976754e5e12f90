//! Events, as whoever asks the API server for them sees them: what is exceptional, told once, counted after that.

use std::thread::sleep;
use std::time::Duration;

use serde_json::Value;

use crate::control_plane::{Parts, Request, Shared, eventually};
use crate::prune::removal_of;
use crate::running_loop::Loop;
use crate::site::{Site, config_map, config_maps, value};

static PLANE: Shared = Shared::new(Parts { controllers: false, audit: true });

/// Events of a namespace that kcfg wrote for this site.
fn events(site: &Site, namespace: &str) -> Vec<Value> {
    let list = site.get(&format!("/apis/events.k8s.io/v1/namespaces/{namespace}/events")).expect("it can be listed");
    let mut items = list["items"].as_array().expect("a list").clone();
    items.retain(|event| event["metadata"]["annotations"]["kcfg.dev/environment"] == site.name);
    items
}

fn of_reason(site: &Site, namespace: &str, reason: &str) -> Vec<Value> {
    events(site, namespace).into_iter().filter(|event| event["reason"] == reason).collect()
}

#[test]
fn what_is_exceptional_is_told_on_the_object_and_counted() {
    let site = Site::new(&PLANE, "told");
    site.write("many", &config_maps("many", 12, "first"));
    let running = Loop::begin(&site);
    sleep(Duration::from_secs(1));
    assert_eq!((events(&site, site.name).len(), events(&site, "kcfg-system").len()), (0, 0));

    // Drift: on the object, for `kubectl describe`.
    let patch = |text: &str| {
        let patch = format!("{{\"data\":{{\"value\":\"{text}\"}}}}");
        site.kubectl(&["-n", "NAME", "patch", "configmap", "many-0", "--type=merge", "-p", &patch], "");
        running.says("\"message\":\"drift\"", 1);
        eventually(Duration::from_secs(10), "it is taken back", || value(&site, "many-0").as_deref() == Some("first"));
    };
    patch("mine");
    eventually(Duration::from_secs(10), "the drift is told", || {
        of_reason(&site, site.name, "DriftCorrected").len() == 1
    });
    let event = of_reason(&site, site.name, "DriftCorrected").remove(0);
    let map = site.config_map("many-0").expect("it is there");
    assert_eq!(event["regarding"]["uid"], map["metadata"]["uid"], "{event}");
    assert_eq!(event["regarding"]["apiVersion"], "v1");
    assert!(event["note"].as_str().is_some_and(|note| note.contains("by kubectl-patch")), "{event}");
    assert_eq!((&event["type"], &event["action"]), (&Value::from("Warning"), &Value::from("Apply")));
    assert!(event["reportingInstance"].as_str().is_some_and(|name| !name.is_empty()), "{event}");
    let shown = site.kubectl(&["-n", "NAME", "describe", "configmap", "many-0"], "");
    assert!(shown.contains("DriftCorrected") && shown.contains("kubectl-patch"), "{shown}");

    // Again, and again: one Event, which counts; the third time within minutes is counted without a request.
    patch("yours");
    eventually(Duration::from_secs(10), "it is counted", || {
        of_reason(&site, site.name, "DriftCorrected").iter().any(|event| event["series"]["count"] == 2)
    });
    let written = || running.metric("kcfg_events_total");
    assert!((written() - 2.0).abs() < 0.1, "{}", running.get("/metrics"));
    patch("theirs");
    sleep(Duration::from_secs(2));
    assert_eq!(of_reason(&site, site.name, "DriftCorrected").len(), 1);
    assert!((written() - 2.0).abs() < 0.1, "{}", running.get("/metrics"));

    // A failure of what does not exist is told on the environment's record; a deletion where the object was.
    let bad =
        "---\napiVersion: v1\nkind: Service\nmetadata: {name: bad, namespace: NAME}\nspec: {ports: [{port: 0}]}\n";
    site.write("bad", bad);
    site.write("many", &config_maps("many", 11, "first"));
    site.render();
    let commit = site.repo.commit("second");
    running.nudge();
    running.says("\"result\":\"findings\"", 1);
    eventually(Duration::from_secs(10), "all is told", || {
        of_reason(&site, "kcfg-system", "ApplyFailed").len() == 1 && of_reason(&site, site.name, "Pruned").len() == 1
    });
    let failed = of_reason(&site, "kcfg-system", "ApplyFailed").remove(0);
    assert_eq!(failed["regarding"]["name"], "kcfg-told", "{failed}");
    assert!(failed["note"].as_str().is_some_and(|note| note.starts_with("core/Service/told/bad: ")), "{failed}");
    assert_eq!(failed["metadata"]["annotations"]["kcfg.dev/commit"], commit.trim());
    assert_eq!(of_reason(&site, site.name, "Pruned")[0]["type"], "Normal");
    // The retry after ten seconds fails as well.
    eventually(Duration::from_secs(30), "the retry is counted", || {
        of_reason(&site, "kcfg-system", "ApplyFailed").iter().any(|event| event["series"]["count"] == 2)
    });

    // All is well again: nothing is told, and a quiet environment asks for nothing.
    site.remove("bad");
    site.render();
    site.repo.commit("third");
    running.nudge();
    running.says("\"result\":\"ok\"", 5);
    sleep(Duration::from_secs(2));
    let (before, requests) = (events(&site, site.name).len(), site.requests().len());
    sleep(Duration::from_secs(5));
    let quiet = site.requests().split_off(requests);
    assert!(quiet.is_empty() && events(&site, site.name).len() == before, "{quiet:#?}");
    running.stop();
}

#[test]
fn a_suspension_is_told_and_many_deletions_are_told_within_a_limit() {
    let site = Site::new(&PLANE, "limits");
    site.write("keep", &config_map("keep", "first"));
    site.write("many", &config_maps("many", 60, "first"));
    site.render();
    site.apply(&["--init"]).code(0);
    site.remove("many");
    site.render();
    let held = site.apply(&["--dry-run"]);
    assert_eq!(events(&site, "kcfg-system").len(), 0, "a dry run tells nothing");
    let said = held.stdout + &held.stderr;
    let removal = removal_of(&said[said.find("kind: Removal").expect("a Removal")..]);
    site.apply(&[]).code(1);
    let told = of_reason(&site, "kcfg-system", "DeletionsHeld");
    assert_eq!((told.len(), events(&site, site.name).len()), (1, 0), "{told:#?}");
    // Who applies by hand tells too; what lasts is not told again by the next process.
    let before = site.requests().len();
    site.apply(&[]).code(1);
    let again = site.requests().split_off(before);
    assert!(!again.iter().any(Request::writes), "{again:#?}");
    assert_eq!(of_reason(&site, "kcfg-system", "DeletionsHeld").len(), 1);
    site.write("removal", &removal);
    site.render();
    site.apply(&[]);
    let (pruned, more) = (of_reason(&site, site.name, "Pruned"), of_reason(&site, "kcfg-system", "More"));
    assert_eq!((pruned.len(), more.len()), (19, 1));
    assert!(more[0]["note"].as_str().is_some_and(|note| note.starts_with("41 more: 41 Pruned")), "{more:#?}");

    site.repo.commit("first");
    let running = Loop::start(&site, "one", &[]);
    running.says("\"message\":\"synchronised\"", 1);
    site.kcfg(&["suspend", "limits/keep", "--for", "1h", "--reason", "looking at it"]).code(0);
    eventually(Duration::from_secs(10), "it is told", || of_reason(&site, "kcfg-system", "Suspended").len() == 1);
    site.kcfg(&["resume", "limits/keep"]).code(0);
    eventually(Duration::from_secs(10), "the end is told", || of_reason(&site, "kcfg-system", "Resumed").len() == 1);
    running.stop();
}

/// Nobody has the Lease while an environment is suspended as a whole: who takes it then tells that it is over.
#[test]
fn the_end_of_a_suspension_of_the_whole_environment_is_told() {
    let site = Site::new(&PLANE, "all-of-it");
    site.write("one", &config_map("one", "first"));
    let running = Loop::begin(&site);
    let times = || -> u64 {
        let ended = of_reason(&site, "kcfg-system", "Resumed");
        let note = ended.first().map(|event| event["note"].as_str().unwrap_or_default());
        assert!(ended.len() < 2 && note.is_none_or(|note| note == "all-of-it is no longer left alone"), "{ended:#?}");
        ended.first().map_or(0, |event| event["series"]["count"].as_u64().unwrap_or(1))
    };
    site.kcfg(&["suspend", "all-of-it", "--for", "1h", "--reason", "by hand"]).code(0);
    running.says("\"message\":\"handed over while", 1);
    assert_eq!((of_reason(&site, "kcfg-system", "Suspended").len(), times()), (1, 0));
    site.kcfg(&["resume", "all-of-it"]).code(0);
    eventually(Duration::from_secs(10), "the end is told", || times() == 1);
    // So is the end of one that ends by itself.
    site.kcfg(&["suspend", "all-of-it", "--for", "10s", "--reason", "by hand"]).code(0);
    running.says("\"message\":\"handed over while", 2);
    assert_eq!(times(), 1);
    eventually(Duration::from_secs(25), "the end is counted", || times() == 2);
    // A process that waited meanwhile tells nothing of what is over.
    let second = Loop::start(&site, "two", &[]);
    second.says("\"message\":\"waiting for the lease\"", 1);
    running.stop();
    second.says("\"message\":\"synchronised\"", 1);
    sleep(Duration::from_secs(1));
    assert_eq!(times(), 2);
    second.stop();
}

/// Without the right to write Events all else is done, and that is said once.
#[test]
fn events_that_cannot_be_written_stop_nothing() {
    let site = Site::new(&PLANE, "mute");
    site.write("one", &config_maps("one", 2, "first"));
    site.render();
    site.repo.commit("first");
    let rules = "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: mute}\nrules:\n\
                 - {apiGroups: ['', coordination.k8s.io], resources: ['configmaps', 'namespaces', 'leases'], verbs: ['*']}\n\
                 - {nonResourceURLs: ['*'], verbs: [get]}\n---\n\
                 apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRoleBinding\nmetadata: {name: mute}\n\
                 roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: mute}\n\
                 subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: nobody-events}]\n";
    site.kubectl(&["apply", "-f", "-"], rules);
    let limited = site.plane.kubeconfig_of("nobody-events", &[]).display().to_string();
    let running = Loop::start(&site, "one", &["--init", "--kubeconfig", &limited]);
    running.says("\"message\":\"synchronised\"", 1);
    for (at, name) in ["one-0", "one-1"].iter().enumerate() {
        let patch = ["patch", "configmap", name, "--type=merge", "-p", "{\"data\":{\"value\":\"mine\"}}"];
        site.kubectl(&[&["-n", "NAME"], &patch[..]].concat(), "");
        running.says("\"message\":\"synchronised\"", 2 + at);
        eventually(Duration::from_secs(10), "it is taken back", || value(&site, name).as_deref() == Some("first"));
    }
    eventually(Duration::from_secs(10), "both are counted", || (running.metric("kcfg_events_total") - 2.0).abs() < 0.1);
    let log = running.stop();
    assert_eq!(log.matches("Events cannot be written").count(), 1, "{log}");
    assert!(log.contains("events.events.k8s.io is forbidden"), "{log}");
    assert_eq!(events(&site, site.name).len(), 0);
}
