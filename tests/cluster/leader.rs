//! Who may write: of a loop, another loop and somebody at a keyboard only one at a time, as the API server saw it.

use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::control_plane::{Parts, Request, Shared, eventually};
use crate::running_loop::Loop;
use crate::site::{Site, config_map};

static PLANE: Shared = Shared::new(Parts { controllers: false, audit: true });

#[test]
fn who_applies_by_hand_gives_way_to_a_loop_that_runs() {
    let site = Site::new(&PLANE, "by-hand");
    site.write("one", &config_map("one", "first"));
    let running = Loop::begin(&site);
    site.write("one", &config_map("one", "second"));
    site.render();
    let begin = Instant::now();
    let run = site.apply(&[]).code(2);
    run.complains("leads: it has the Lease kcfg-by-hand");
    assert!(begin.elapsed() < Duration::from_secs(15), "{:?}", begin.elapsed());
    assert_eq!(site.config_map("one").expect("it is there")["data"]["value"], "first");
    // A dry run changes nothing, so it needs no Lease.
    site.apply(&["--dry-run"]).says("its file changed");
    // A loop that was killed has ended: on the same machine nobody waits for its Lease.
    running.signal("-KILL");
    let begin = Instant::now();
    eventually(Duration::from_secs(5), "it has ended", || site.apply(&[]).code == 0);
    assert!(begin.elapsed() < Duration::from_secs(10), "{:?}", begin.elapsed());
    site.assert_cluster_is_tree();
    site.apply(&[]).code(0).says("0 applied");
}

#[test]
fn a_cluster_that_is_not_the_right_one_is_left_as_it_is() {
    let site = Site::new(&PLANE, "never-here");
    site.write("one", &config_map("one", "first"));
    site.render();
    let run = site.apply(&[]).code(2);
    run.complains("was never applied to this cluster");
    assert!(site.requests().iter().all(|request| !request.writes()), "{:#?}", site.requests());
}

/// The Lease too is written only where Git or earlier records say that it is the right cluster.
#[test]
fn a_loop_writes_nothing_to_a_cluster_before_it_is_known_to_be_the_right_one() {
    let site = Site::new(&PLANE, "which-one");
    let environment = |uid: &str| {
        let text = "apiVersion: kcfg.dev/v1\nkind: Environment\nmetadata: {name: NAME}\nspec: {cluster: {uid: UID}}\n";
        site.write("environment", &text.replace("UID", uid));
        site.render();
        site.repo.commit(uid);
    };
    let writes = || site.plane.requests_of(site.name).into_iter().filter(Request::writes).count();
    site.write("one", &config_map("one", "first"));
    site.render();
    site.repo.commit("first");
    let running = Loop::start(&site, "one", &[]);
    running.says("which-one was never applied to this cluster", 1);
    environment("another");
    running.nudge();
    running.says("this is not the cluster of which-one", 1);
    assert!(running.get("/readyz").starts_with("HTTP/1.1 503"));
    assert_eq!(writes(), 0, "{:#?}", site.plane.requests_of(site.name));
    let kube_system = site.get("/api/v1/namespaces/kube-system").expect("it is there");
    environment(kube_system["metadata"]["uid"].as_str().expect("it has one"));
    running.nudge();
    running.synchronised(1);
    running.stop();
    site.assert_cluster_is_tree();
    // With the Git server gone, and with a tree that cannot be read, the records tell.
    let running = Loop::follow(&site, "two", "file:///nowhere/config", &[]);
    running.says("fetching failed", 1);
    running.says("\"message\":\"leading\"", 1);
    running.stop();
    site.repo.remove("releases");
    site.repo.remove("rendered");
    site.repo.commit("nothing");
    let running = Loop::start(&site, "three", &[]);
    running.says("the tree cannot be read", 1);
    running.stop();
    assert!(site.config_map("one").is_some());
}

#[test]
fn a_loop_without_an_api_server_ends_when_it_is_asked_to() {
    let site = Site::new(&PLANE, "nowhere");
    site.write("one", &config_map("one", "first"));
    site.render();
    site.repo.commit("first");
    let nowhere = site.plane.kubeconfig_through("nowhere-nowhere", &["system:masters"], "http://127.0.0.1:1");
    let running = Loop::start(&site, "one", &["--init", "--kubeconfig", &nowhere.display().to_string()]);
    running.says("new commit", 1);
    sleep(Duration::from_secs(2));
    let begin = Instant::now();
    running.stop();
    assert!(begin.elapsed() < Duration::from_secs(3), "{:?}", begin.elapsed());
}
