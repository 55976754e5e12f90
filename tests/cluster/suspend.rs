//! `kcfg status`, `suspend` and `resume`, by hand and beside a loop.

use std::thread::sleep;
use std::time::Duration;

use serde_json::Value;

use crate::control_plane::{Parts, Request, Shared, eventually};
use crate::proxy::{Fault, Proxy, WatchFault};
use crate::running_loop::Loop;
use crate::site::{Site, config_map, value};

static PLANE: Shared = Shared::new(Parts { controllers: false, audit: true });

fn status(site: &Site) -> Value {
    let run = site.kcfg(&["status", site.name, "--format", "json"]).code(0);
    let document: Value = serde_json::from_str(&run.stdout).expect("it is JSON");
    document["environments"][0].clone()
}

#[test]
fn what_is_suspended_is_left_alone_by_an_apply_until_it_is_resumed() {
    let site = Site::new(&PLANE, "glass");
    site.write("web", &config_map("web", "first"));
    site.write("api", &config_map("api", "first"));
    site.render_and_init();
    let well = site.kcfg(&["status", "glass", "--exit-code"]).code(0);
    assert!(well.stdout.starts_with("all is well\n"), "{}", well.stdout);
    assert_eq!(status(&site)["status"]["objects"]["applied"], 2);

    // Nothing changed: nothing is written.
    let before = site.requests().len();
    site.apply(&[]).code(0);
    let writes: Vec<_> = site.requests().split_off(before).into_iter().filter(Request::writes).collect();
    assert!(writes.is_empty(), "{writes:#?}");

    let wrong = site.kcfg(&["suspend", "glass/webb", "--for", "1h", "--reason", "x"]).code(2);
    assert!(wrong.stderr.contains("did you mean `glass/web`?"), "{}", wrong.stderr);
    let slip = site.kcfg(&["suspend", "glass/web/configmap/wbe", "--for", "1h", "--reason", "x"]).code(0);
    assert!(slip.stderr.contains("glass has no object that `glass/web/configmap/wbe` names"), "{}", slip.stderr);
    site.kcfg(&["resume", "glass/web/configmap/wbe"]).code(0);
    let known = site.kcfg(&["suspend", "glass/web/configmap/web", "--for", "1h", "--reason", "x"]).code(0);
    assert_eq!(known.stderr, "");
    site.kcfg(&["resume", "glass/web/configmap/web"]).code(0);
    // Status of a part.
    let releases = |selector: &str| {
        let shown = site.kcfg(&["status", selector, "--format", "json"]).code(0).stdout;
        let shown: Value = serde_json::from_str(&shown).expect("it is JSON");
        let list = shown["environments"][0]["releases"].as_array().expect("a list").clone();
        list.iter().map(|release| release["name"].as_str().expect("a name").to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(releases("glass/*/configmap"), ["api", "web"]);
    assert_eq!(releases("glass/*/ConfigMap/web"), ["web"]);
    let none = site.kcfg(&["status", "glass/web/ConfigMap/api"]).code(2);
    assert!(none.stderr.contains("`glass/web/ConfigMap/api` matches no object that was applied"), "{}", none.stderr);
    let none = site.kcfg(&["status", "glass/webb"]).code(2);
    assert!(none.stderr.contains("did you mean `glass/web`?"), "{}", none.stderr);
    let done = site.kcfg(&["suspend", "glass/web", "--for", "1h", "--reason", "trying something"]).code(0);
    assert!(done.stdout.contains("glass: suspended until"), "{}", done.stdout);
    let digest = |name: &str| {
        let found = status(&site);
        let releases = found["releases"].as_array().expect("a list").clone();
        releases.into_iter().find(|release| release["name"] == name).expect("it is there")
    };
    let old = digest("web")["digest"].clone();
    site.write("web", &config_map("web", "second"));
    site.write("api", &config_map("api", "second"));
    site.render();
    let applied = site.apply(&[]).code(0);
    assert!(applied.stdout.contains("1 suspended"), "{}", applied.stdout);
    assert_eq!((value(&site, "web").as_deref(), value(&site, "api").as_deref()), (Some("first"), Some("second")));
    let web = digest("web");
    assert_eq!((&web["state"], &web["digest"]), (&Value::from("suspended"), &old));
    let shown = site.kcfg(&["status", "glass"]).code(0);
    assert!(shown.stdout.contains("suspended: glass/web until") && shown.stdout.contains("trying something"));

    // It leaves the tree, and stays.
    site.remove("web");
    site.render();
    site.apply(&[]).code(0);
    assert_eq!(value(&site, "web").as_deref(), Some("first"));

    let none = site.kcfg(&["resume", "glass/api"]).code(2);
    assert!(none.stderr.contains("there are glass/web"), "{}", none.stderr);
    site.kcfg(&["resume", "glass"]).code(0);
    site.apply(&[]).code(0);
    assert_eq!(value(&site, "web"), None);
    site.assert_cluster_is_tree();

    // The applier and the one who suspends write the same record, each its own part.
    site.kcfg(&["suspend", "glass", "--for", "1h", "--reason", "by hand now"]).code(0);
    site.write("api", &config_map("api", "third"));
    site.render();
    site.apply(&[]).code(0);
    assert_eq!(value(&site, "api").as_deref(), Some("third"), "who applies by hand may, that is what it is for");
    assert_eq!(status(&site)["suspensions"][0]["reason"], "by hand now");
}

#[test]
fn a_loop_leaves_alone_what_is_suspended_and_goes_on_when_that_ends() {
    let site = Site::new(&PLANE, "paused");
    site.write("web", &config_map("web", "first"));
    site.write("api", &config_map("api", "first"));
    let running = Loop::begin(&site);
    eventually(Duration::from_secs(10), "the status is written", || status(&site)["status"]["result"] == "ok");
    assert_eq!(status(&site)["loop"]["alive"], true);

    site.kcfg(&["suspend", "paused/web", "--for", "1h", "--reason", "looking"]).code(0);
    running.says("\"message\":\"suspended\"", 1);
    let patch = |name: &str| {
        let patch = ["patch", "configmap", name, "--type=merge", "-p", "{\"data\":{\"value\":\"mine\"}}"];
        site.kubectl(&[&["-n", "NAME"], &patch[..]].concat(), "");
    };
    patch("web");
    patch("api");
    eventually(Duration::from_secs(10), "the other is corrected", || value(&site, "api").as_deref() == Some("first"));
    sleep(Duration::from_secs(2));
    assert_eq!(value(&site, "web").as_deref(), Some("mine"));

    // Resumed: corrected within seconds. The whole environment: nothing at all is done.
    site.kcfg(&["resume", "paused/web"]).code(0);
    eventually(Duration::from_secs(10), "it is corrected", || value(&site, "web").as_deref() == Some("first"));
    site.kcfg(&["suspend", "paused", "--for", "15s", "--reason", "all of it"]).code(0);
    running.says("\"message\":\"suspended\"", 2);
    patch("api");
    sleep(Duration::from_secs(2));
    assert_eq!(value(&site, "api").as_deref(), Some("mine"));
    // The Lease was given back: who applies by hand has the environment for that time.
    running.says("handed over", 1);
    site.apply(&[]).code(0);
    assert_eq!(value(&site, "api").as_deref(), Some("first"));
    patch("api");
    // It ends by itself.
    eventually(Duration::from_secs(20), "it is corrected", || value(&site, "api").as_deref() == Some("first"));
    running.says("a suspension ended", 2);
    // Who applied by hand left a record that no loop stands behind; one that is stopped before it is done leaves it so.
    eventually(Duration::from_secs(10), "the record is the loop's again", || {
        status(&site)["status"]["follows"].is_string()
    });
    let metrics = running.get("/metrics");
    assert!(
        metrics.contains("kcfg_commit_info{environment=\"paused\",commit=") && !metrics.contains("kcfg_suspended{")
    );
    let log = running.stop();
    let stopped = site.kcfg(&["status", "paused", "--exit-code"]).code(1);
    assert!(stopped.stdout.starts_with("NOT WELL: paused\n") && stopped.stdout.contains("no loop is alive"), "{log}");
}

/// The watches end while the environment is somebody else's, and what failed before would be tried again.
#[test]
fn while_all_is_suspended_a_loop_sleeps_whatever_there_is_to_do() {
    let site = Site::new(&PLANE, "asleep");
    let proxy = Proxy::start(site.plane, |_, asked| match asked.is_watch() && !asked.path.contains("fieldSelector") {
        true => Fault::Watch(WatchFault::Ends(Duration::from_secs(1))),
        false => Fault::None,
    });
    let kubeconfig = site.plane.kubeconfig_through("asleep-proxy", &["system:masters"], &proxy.url);
    // The API server refuses a port of that number.
    let bad =
        "---\napiVersion: v1\nkind: Service\nmetadata: {name: bad, namespace: NAME}\nspec: {ports: [{port: 99999}]}\n";
    site.write("web", &(config_map("web", "first") + bad));
    site.render();
    site.repo.commit("first");
    let running = Loop::start(&site, "one", &["--init", "--kubeconfig", &kubeconfig.display().to_string()]);
    running.says("\"failed\":\"1\"", 1);
    site.kcfg(&["suspend", "asleep", "--for", "20s", "--reason", "all of it"]).code(0);
    running.says("handed over", 1);
    sleep(Duration::from_secs(1));
    let (requests, processor) = (proxy.requests().len(), running.processor());
    // The retry would be due after ten seconds, and the watches have ended by then.
    sleep(Duration::from_secs(13));
    let asked = proxy.requests().split_off(requests);
    assert!(asked.is_empty(), "{asked:#?}");
    let took = running.processor() - processor;
    assert!(took < 0.5, "{took} s of processor time");
    assert!(!running.log().contains("a suspension ended"));
    running.says("a suspension ended", 1);
    running.says("\"failed\":\"1\"", 2);
    // Mended, it is well at once.
    site.write("web", &config_map("web", "second"));
    site.render();
    site.repo.commit("second");
    running.nudge();
    eventually(Duration::from_secs(20), "it is applied", || value(&site, "web").as_deref() == Some("second"));
    let log = running.stop();
    assert!(!log.contains("cannot be watched"), "{log}");
    site.assert_cluster_is_tree();
}
