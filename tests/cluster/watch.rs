//! `kcfg apply --watch`: commits, drift, quiet, and who leads.

use std::fs;
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::control_plane::{Parts, Request, Shared, eventually};
use crate::running_loop::Loop;
use crate::site::{Site, config_map, config_maps, value};

static PLANE: Shared = Shared::new(Parts { controllers: false, audit: true });

/// Requests of a loop that starts where all is applied, of one kind: three for what the cluster is and serves, the parents
/// whole and as they are watched, the record twice, and a watch each of members, parents and record beside the members' list.
const RESTART_REQUESTS_MAX: usize = 11;

#[test]
fn a_loop_follows_commits_corrects_drift_and_is_quiet_otherwise() {
    let site = Site::new(&PLANE, "loop");
    site.write("many", &config_maps("many", 20, "first"));
    let running = Loop::begin(&site);
    site.assert_cluster_is_tree();
    assert!(running.get("/readyz").starts_with("HTTP/1.1 200"));

    // A commit, and a webhook.
    site.write("many", &(config_maps("many", 19, "first") + &config_map("many-19", "second")));
    site.render();
    let commit = site.repo.commit("second");
    sleep(Duration::from_secs(1));
    let before = site.requests().len();
    running.nudge();
    let begin = Instant::now();
    eventually(Duration::from_secs(10), "the commit is applied", || {
        value(&site, "many-19").as_deref() == Some("second")
    });
    let took = begin.elapsed();
    assert!(took < Duration::from_secs(3), "{took:?}");
    running.says(commit.trim(), 2);
    sleep(Duration::from_secs(2));
    let of_commit = site.requests().split_off(before);
    assert!(of_commit.len() <= 10, "{of_commit:#?}");

    // Drift: a change, a deletion, a lost label.
    site.kubectl(
        &["-n", "NAME", "patch", "configmap", "many-0", "--type=merge", "-p", "{\"data\":{\"value\":\"mine\"}}"],
        "",
    );
    eventually(Duration::from_secs(10), "the change is taken back", || {
        value(&site, "many-0").as_deref() == Some("first")
    });
    site.kubectl(&["-n", "NAME", "delete", "configmap", "many-1"], "");
    eventually(Duration::from_secs(10), "it is made again", || value(&site, "many-1").is_some());
    site.kubectl(&["-n", "NAME", "label", "configmap", "many-2", "kcfg.dev/env-"], "");
    eventually(Duration::from_secs(10), "the label is back", || {
        site.config_map("many-2").is_some_and(|map| map["metadata"]["labels"]["kcfg.dev/env"] == "loop")
    });
    site.assert_cluster_is_tree();
    running.says("\"message\":\"drift\"", 3);
    let shown = site.kcfg(&["status", "loop", "--exit-code"]).code(0);
    shown.says(
        "corrected: loop/many core/ConfigMap/loop/many-0 was changed in the cluster by kubectl-patch; applied again",
    );
    let metrics = running.get("/metrics");
    assert!(metrics.contains("kcfg_drift_total{environment=\"loop\",manager=\"kubectl-patch\"} 1"), "{metrics}");
    assert!(metrics.contains("kcfg_leader{environment=\"loop\"} 1"), "{metrics}");

    // Nothing changed: nothing is asked.
    sleep(Duration::from_secs(2));
    let before = site.requests().len();
    running.nudge();
    sleep(Duration::from_secs(10));
    let quiet = site.requests().split_off(before);
    assert!(quiet.is_empty(), "{quiet:#?}");

    let log = running.stop();
    assert!(log.contains("\"lease\":\"released\""), "{log}");

    // A restart reads what it has to know, each thing once, and writes nothing.
    let before = site.requests().len();
    let running = Loop::start(&site, "two", &[]);
    running.says("\"message\":\"synchronised\"", 1);
    sleep(Duration::from_secs(2));
    let asked = site.requests().split_off(before);
    assert!(asked.len() <= RESTART_REQUESTS_MAX && !asked.iter().any(Request::writes), "{asked:#?}");
    running.stop();
}

#[test]
fn drift_is_only_reported_where_the_environment_says_so() {
    let site = Site::new(&PLANE, "reports");
    let environment = "apiVersion: kcfg.dev/v1\nkind: Environment\nmetadata: {name: NAME}\nspec: {drift: report}\n";
    site.write("environment", environment);
    site.write("one", &config_maps("one", 3, "first"));
    let running = Loop::begin(&site);
    let mine = ["--type=merge", "-p", "{\"data\":{\"value\":\"mine\"}}"];
    site.kubectl(&[&["-n", "NAME", "patch", "configmap", "one-0"], &mine[..]].concat(), "");
    site.kubectl(&["-n", "NAME", "delete", "configmap", "one-1"], "");
    running.says("drift, which is only reported", 2);
    // It is shown without a commit, and no more is written for it.
    let drift = || {
        let shown = site.kcfg(&["status", "reports", "--format", "json"]).code(0).stdout;
        let shown: Value = serde_json::from_str(&shown).expect("it is JSON");
        shown["environments"][0]["status"]["drift"].clone()
    };
    eventually(Duration::from_secs(10), "both are shown", || drift().as_array().is_some_and(|list| list.len() == 2));
    let first = drift()[0].clone();
    assert_eq!(
        (&first["object"], &first["manager"]),
        (&"core/ConfigMap/reports/one-0".into(), &"kubectl-patch".into())
    );
    assert_eq!((&first["corrected"], &first["release"]), (&false.into(), &"one".into()));
    let shown = site.kcfg(&["status", "reports", "--exit-code"]).code(1);
    shown.says("drifted reports/one core/ConfigMap/reports/one-0: was changed in the cluster by kubectl-patch, since");
    sleep(Duration::from_secs(1));
    let metrics = running.get("/metrics");
    assert!(metrics.contains("kcfg_objects{environment=\"reports\",state=\"drifted\"} 2"), "{metrics}");
    assert!(metrics.contains("kcfg_release_info{environment=\"reports\",release=\"one\",state=\"partial\"} 1"));
    let before = site.requests().len();
    site.kubectl(&["-n", "NAME", "patch", "configmap", "one-0", "--type=merge", "-p", "{\"data\":{\"b\":\"c\"}}"], "");
    sleep(Duration::from_secs(3));
    let more = site.requests().split_off(before);
    assert!(more.is_empty(), "what is known to differ may differ more: {more:#?}");
    // A commit changes what it changes, and leaves the rest.
    site.write("one", &(config_maps("one", 2, "first") + &config_map("one-2", "second")));
    site.render();
    site.repo.commit("second");
    running.nudge();
    eventually(Duration::from_secs(10), "the commit is applied", || value(&site, "one-2").as_deref() == Some("second"));
    running.says("\"outcome\":\"drifted\"", 2);
    assert_eq!((value(&site, "one-0").as_deref(), value(&site, "one-1")), (Some("mine"), None));
    // What the tree says anew is applied, drifted or not; and who applies by hand means all of it.
    site.write("one", &(config_map("one-0", "third") + &config_map("one-1", "first") + &config_map("one-2", "second")));
    site.render();
    site.repo.commit("third");
    running.nudge();
    eventually(Duration::from_secs(10), "the commit is applied", || value(&site, "one-0").as_deref() == Some("third"));
    running.stop();
    site.apply(&[]).code(0).says("1 applied, 2 unchanged");
    site.assert_cluster_is_tree();
}

#[test]
fn a_record_that_somebody_changes_is_read_again_and_mended() {
    let site = Site::new(&PLANE, "records");
    site.write("one", &config_maps("one", 3, "first"));
    site.write("two", &config_maps("two", 3, "first"));
    let running = Loop::begin(&site);
    let record = |release: &str| {
        let list = site.get("/api/v1/namespaces/kcfg-system/configmaps?labelSelector=kcfg.dev%2Fparent%3DNAME");
        let items = list.expect("it can be listed")["items"].as_array().expect("a list").clone();
        let full = format!("{}/{release}", site.name);
        items.into_iter().find(|item| item["metadata"]["annotations"]["kcfg.dev/release"] == full.as_str())
    };
    let name = record("one").expect("it is there")["metadata"]["name"].as_str().expect("it has one").to_owned();
    let patch = "{\"binaryData\":{\"inventory\":\"AAAA\"},\"data\":{\"digest\":\"nonsense\"}}";
    site.kubectl(&["-n", "kcfg-system", "patch", "configmap", &name, "--type=merge", "-p", patch], "");
    running.says("a record was changed", 1);
    let is_mended = || {
        let record = record("one")?;
        let size = record["binaryData"]["inventory"].as_str()?.len();
        (size == 192 && record["data"]["state"] == "applied" && record["data"]["digest"] != "nonsense").then_some(())
    };
    eventually(Duration::from_secs(20), "the record is mended", || is_mended().is_some());
    site.kubectl(&["-n", "kcfg-system", "delete", "configmap", &name], "");
    eventually(Duration::from_secs(20), "the record is there again", || is_mended().is_some());
    site.assert_cluster_is_tree();
    // Nothing was lost: what leaves the tree is still known to be kcfg's.
    site.write("one", &config_maps("one", 2, "first"));
    site.render();
    site.repo.commit("second");
    running.nudge();
    eventually(Duration::from_secs(10), "it is pruned", || value(&site, "one-2").is_none());
    running.stop();
    site.assert_cluster_is_tree();
}

#[test]
fn one_leads_the_next_takes_over_and_the_first_good_tree_stays() {
    let site = Site::new(&PLANE, "leads");
    site.write("one", &config_map("one", "first"));
    let first = Loop::begin(&site);
    let second = Loop::start(&site, "two", &[]);
    second.says("waiting for the lease", 1);
    assert!(!second.log().contains("\"synchronised\""));
    first.stop();
    second.says("\"message\":\"synchronised\"", 1);
    let lease = site.get("/apis/coordination.k8s.io/v1/namespaces/kcfg-system/leases/kcfg-leads").expect("it is there");
    assert_eq!(lease["spec"]["leaseTransitions"], 1, "{lease}");

    // A tree that does not match its sum is refused; what was applied stays.
    let file = "rendered/leads/one/configmap-one.yaml";
    let good = site.repo.read(file);
    site.repo.write(file, good.replace("first", "tampered"));
    site.repo.commit("tampered");
    second.nudge();
    second.says("\"result\":\"findings\"", 1);
    assert_eq!(value(&site, "one").as_deref(), Some("first"));
    // The repository goes, and comes back with another commit.
    let (git, away) = (site.repo.path().join(".git/HEAD"), site.repo.path().join(".git/HEAD.away"));
    fs::rename(&git, &away).expect("it can be renamed");
    second.nudge();
    second.says("fetching failed", 1);
    fs::rename(&away, &git).expect("it can be renamed");
    site.write("one", &config_map("one", "third"));
    site.repo.write(file, &good);
    site.render();
    site.repo.commit("third");
    second.nudge();
    eventually(Duration::from_secs(10), "the commit is applied", || value(&site, "one").as_deref() == Some("third"));
    second.says("the Git server answers again", 1);
    second.stop();
}
