//! Records that are not as this kcfg left them: deleted or edited by hand, of an older kcfg, of a newer one, of another program.

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};

use crate::control_plane::{Parts, Request, Shared, eventually};
use crate::running_loop::Loop;
use crate::site::{Site, config_map, config_maps, value};

static PLANE: Shared = Shared::new(Parts { controllers: false, audit: true });

/// The parent of a release.
fn parent(site: &Site, release: &str) -> Option<Value> {
    let list = site.get("/api/v1/namespaces/kcfg-system/configmaps?labelSelector=kcfg.dev%2Fparent%3DNAME");
    let items = list.expect("it can be listed")["items"].as_array().expect("a list").clone();
    let full = format!("{}/{release}", site.name);
    items.into_iter().find(|item| item["metadata"]["annotations"]["kcfg.dev/release"] == full.as_str())
}

/// Changes the parent of a release, as its old and its new version would have had it.
fn rewrite(site: &Site, release: &str, change: impl FnOnce(&mut Value)) {
    let mut parent = parent(site, release).expect("it is there");
    let name = parent["metadata"]["name"].as_str().expect("it has one").to_owned();
    change(&mut parent);
    let path = format!("/api/v1/namespaces/kcfg-system/configmaps/{name}");
    let (status, answer) = site.plane.request(Method::PUT, &path, Some(("application/json", &parent)));
    assert_eq!(status, 200, "{answer}");
}

fn delete(site: &Site, release: &str) {
    let name = parent(site, release).expect("it is there")["metadata"]["name"].as_str().expect("it has one").to_owned();
    site.kubectl(&["-n", "kcfg-system", "delete", "configmap", &name], "");
}

/// How often something was written, but for how the environment stands.
fn writes(site: &Site) -> usize {
    let record = format!("/configmaps/kcfg-{}?", site.name);
    site.requests().iter().filter(|request| request.writes() && !request.uri.contains(&record)).count()
}

const TOOLING: &str = "applyset.kubernetes.io/tooling";

#[test]
fn what_was_applied_is_known_when_the_record_is_lost() {
    let site = Site::new(&PLANE, "lost");
    site.write("one", &config_maps("one", 6, "x"));
    site.write("two", &config_maps("two", 6, "x"));
    site.render_and_init();
    // A copy by hand carries the labels, and is nobody's but its maker's.
    let mut copy = site.config_map("one-0").expect("it is there");
    copy["metadata"] = json!({"name": "copy", "labels": copy["metadata"]["labels"]});
    site.kubectl(&["-n", "NAME", "create", "-f", "-"], &copy.to_string());
    delete(&site, "one");
    // What leaves the tree now is in no record.
    site.write("one", &config_maps("one", 5, "x"));
    site.render();
    site.apply(&[]).code(0).says("1 pruned");
    assert!(site.config_map("one-5").is_none() && site.config_map("copy").is_some());
    assert_eq!(parent(&site, "one").expect("it is there")["data"]["state"], "applied");
    site.kubectl(&["-n", "NAME", "delete", "configmap", "copy"], "");
    site.assert_cluster_is_tree();
    site.apply(&[]).code(0).says("0 applied, 11 unchanged, 0 pruned");
}

#[test]
fn the_record_of_an_older_kcfg_is_read_and_brought_up() {
    let site = Site::new(&PLANE, "older");
    site.write("one", &config_maps("one", 6, "x"));
    site.render_and_init();
    // An ApplySet as KEP-3659 has it and nothing else: no inventory, no status.
    rewrite(&site, "one", |parent| {
        parent["metadata"]["annotations"][TOOLING] = json!("kcfg/v0.0.1");
        for key in ["data", "binaryData"] {
            parent.as_object_mut().expect("a map").remove(key);
        }
    });
    site.write("one", &config_maps("one", 5, "x"));
    site.render();
    site.apply(&[]).code(0).says("1 pruned");
    site.assert_cluster_is_tree();
    let now = parent(&site, "one").expect("it is there");
    assert_eq!(now["data"]["state"], "applied");
    assert_ne!(now["metadata"]["annotations"][TOOLING], "kcfg/v0.0.1");
    site.apply(&[]).code(0).says("0 applied, 5 unchanged, 0 pruned");
}

#[test]
fn the_record_of_a_newer_kcfg_keeps_what_is_not_known() {
    let site = Site::new(&PLANE, "newer");
    site.write("one", &config_map("one", "first"));
    site.render_and_init();
    rewrite(&site, "one", |parent| {
        parent["metadata"]["annotations"][TOOLING] = json!("kcfg/v9.0.0");
        parent["data"]["forecast"] = json!("sunny");
    });
    site.apply(&[]).code(0).says("0 applied, 1 unchanged");
    site.write("one", &config_map("one", "second"));
    site.render();
    site.apply(&[]).code(0).says("1 applied");
    assert_eq!(parent(&site, "one").expect("it is there")["data"]["forecast"], "sunny");
}

#[test]
fn a_record_in_a_newer_format_or_of_another_program_is_left_alone() {
    let site = Site::new(&PLANE, "strange-record");
    site.write("one", &config_map("one", "first"));
    site.write("two", &config_map("two", "first"));
    site.render_and_init();
    site.repo.commit("first");
    rewrite(&site, "one", |parent| {
        parent["metadata"]["annotations"][TOOLING] = json!("kcfg/v9.0.0");
        parent["data"]["format"] = json!("2");
    });
    site.write("one", &config_map("one", "second"));
    site.write("two", &config_map("two", "second"));
    site.render();
    site.repo.commit("second");
    let before = writes(&site);
    let run = site.apply(&[]).code(2);
    run.complains("kcfg/v9.0.0 wrote it in the format 2, which kcfg v0.1.0 cannot read")
        .complains("use kcfg/v9.0.0 or a later one");
    // The loop says so too, and goes on once it can be read.
    let running = Loop::start(&site, "one", &[]);
    running.says("wrote it in the format 2", 1);
    assert_eq!((writes(&site), value(&site, "two").as_deref()), (before, Some("first")));
    running.stop();
    rewrite(&site, "one", |parent| {
        parent["metadata"]["annotations"][TOOLING] = json!("kubectl/v1.36.3");
        parent["data"].as_object_mut().expect("a map").remove("format");
    });
    site.apply(&[]).code(2).complains("it belongs to kubectl/v1.36.3");
    rewrite(&site, "one", |parent| parent["metadata"]["annotations"][TOOLING] = json!("kcfg/v0.1.0"));
    site.apply(&[]).code(0).says("2 applied");
    site.assert_cluster_is_tree();
}

/// Whoever deletes or damages records while a loop runs sees them come back, and commits go on meanwhile.
#[test]
fn records_that_vanish_under_commits_lose_nothing() {
    let site = Site::new(&PLANE, "vanishing");
    site.write(
        "environment",
        "apiVersion: kcfg.dev/v1\nkind: Environment\nmetadata: {name: NAME}\nspec: {pruneBudget: {objects: 100, percent: 100}}\n",
    );
    let write = |round: usize| {
        site.write("one", &(config_map("kept", &round.to_string()) + &config_maps(&format!("round-{round}"), 5, "x")));
        site.write("two", &config_maps("two", 5, "x"));
        site.render();
        site.repo.commit(&round.to_string())
    };
    write(0);
    let running = Loop::start(&site, "one", &["--init"]);
    running.synchronised(1);
    for round in 1..=6 {
        let commit = write(round);
        match round % 3 {
            0 => delete(&site, "one"),
            1 => rewrite(&site, "one", |parent| parent["binaryData"]["inventory"] = json!("")),
            _ => site.kubectl(&["-n", "kcfg-system", "delete", "configmap", "-l", "kcfg.dev/parent=NAME"], "").clear(),
        }
        running.nudge();
        running.says(&format!("\"commit\":\"{}\",\"result\":\"ok\"", commit.trim()), 1);
    }
    eventually(Duration::from_secs(20), "the records are back", || {
        let state = |release| parent(&site, release).is_some_and(|parent| parent["data"]["state"] == "applied");
        state("one") && state("two")
    });
    running.stop();
    site.assert_cluster_is_tree();
    site.apply(&[]).code(0).says("0 applied, 11 unchanged, 0 pruned");
    assert!(site.requests().iter().any(Request::writes));
}
