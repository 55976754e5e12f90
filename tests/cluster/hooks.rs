//! Helm hooks: when they run, in which order, what a failure stops, and what is left when kcfg is killed. No controller runs
//! here: a thread of the test ends Jobs, well or badly by their names.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{JoinHandle, sleep};
use std::time::{Duration, Instant};

use http::Method;
use serde_json::{Value, json};

use crate::control_plane::{ControlPlane, Parts, Request, Shared, eventually};
use crate::running_loop::Loop;
use crate::site::{Site, config_map, config_maps};

static PLANE: Shared = Shared::new(Parts { controllers: false, audit: true });

/// A Job with these annotations, `KEY: VALUE, …` below `helm.sh/`.
fn job(name: &str, annotations: &str) -> String {
    format!(
        "---\napiVersion: batch/v1\nkind: Job\nmetadata:\n  name: {name}\n  namespace: NAME\n  annotations: {{{annotations}}}\n\
         spec:\n  template:\n    spec: {{restartPolicy: Never, containers: [{{name: job, image: 'registry.example.com/job:1'}}]}}\n"
    )
}

/// Ends the Jobs of a namespace: those named `fail…` badly, those named `hang…` never, all others well.
struct Ender {
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Ender {
    fn new(site: &Site) -> Ender {
        let is_over = Arc::new(AtomicBool::new(false));
        let (plane, namespace, over) = (site.plane, site.name, is_over.clone());
        let thread = std::thread::spawn(move || {
            while !over.load(Ordering::Relaxed) {
                let list = plane.get(&format!("/apis/batch/v1/namespaces/{namespace}/jobs")).unwrap_or_default();
                for item in list["items"].as_array().into_iter().flatten() {
                    let name = item["metadata"]["name"].as_str().unwrap_or_default();
                    if item["status"]["conditions"].is_null() && !name.starts_with("hang") {
                        end(plane, namespace, name, !name.starts_with("fail"));
                    }
                }
                sleep(Duration::from_millis(100));
            }
        });
        Ender { is_over, thread: Some(thread) }
    }
}

impl Drop for Ender {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

fn end(plane: &ControlPlane, namespace: &str, name: &str, is_well: bool) {
    let time = "2026-01-01T00:00:00Z";
    let condition = |kind: &str| {
        json!({"type": kind, "status": "True", "reason": if is_well { "Completed" } else { "BackoffLimitExceeded" },
               "message": "as the test says", "lastTransitionTime": time, "lastProbeTime": time})
    };
    let kinds = if is_well { ["SuccessCriteriaMet", "Complete"] } else { ["FailureTarget", "Failed"] };
    let mut status = json!({"startTime": time, "conditions": kinds.map(condition)});
    if is_well {
        status["completionTime"] = json!(time);
    }
    let path = format!("/apis/batch/v1/namespaces/{namespace}/jobs/{name}/status");
    let body = json!({ "status": status });
    let (code, answer) = plane.request(Method::PATCH, &path, Some(("application/merge-patch+json", &body)));
    // It may have been deleted in the meantime.
    assert!(code == 200 || code == 404 || code == 409, "{answer}");
}

fn uid(site: &Site, job: &str) -> Option<Value> {
    Some(site.get(&format!("/apis/batch/v1/namespaces/NAME/jobs/{job}"))?["metadata"]["uid"].clone())
}

fn writes(site: &Site) -> Vec<Request> {
    let requests = site.requests().into_iter().filter(Request::writes);
    requests.filter(|request| !request.uri.contains("/kcfg-system/")).collect()
}

/// The parent of a release.
fn parent(site: &Site, release: &str) -> Value {
    let list = site.get("/api/v1/namespaces/kcfg-system/configmaps?labelSelector=kcfg.dev%2Fparent%3DNAME");
    let list = list.expect("there are parents");
    let full = format!("{}/{release}", site.name);
    let mut found = list["items"].as_array().expect("items").iter();
    found.find(|map| map["metadata"]["annotations"]["kcfg.dev/release"] == full.as_str()).expect("its parent").clone()
}

/// Changes what a parent remembers of hooks.
fn rewrite(site: &Site, release: &str, change: impl Fn(&mut Value)) {
    let parent = parent(site, release);
    let mut record: Value = serde_json::from_str(parent["data"]["hooks"].as_str().expect("a record")).expect("JSON");
    change(&mut record);
    let patch = json!({"data": {"hooks": record.to_string()}}).to_string();
    let name = parent["metadata"]["name"].as_str().expect("a name");
    site.kubectl(&["patch", "configmap", "-n", "kcfg-system", name, "--type=merge", "-p", &patch], "");
}

/// Asserts that these texts are in the paths of the requests, in this order.
#[track_caller]
fn in_order(requests: &[Request], parts: &[&str]) {
    let place = |part: &&str| {
        let found = requests.iter().position(|request| request.uri.contains(part) && request.status < 300);
        found.unwrap_or_else(|| panic!("{part} is not among {requests:#?}"))
    };
    let places: Vec<usize> = parts.iter().map(place).collect();
    assert!(places.is_sorted(), "{places:?} {requests:#?}");
}

#[test]
fn hooks_run_around_the_objects_by_event_and_weight_and_once() {
    let site = Site::new(&PLANE, "hooks-order");
    let _ender = Ender::new(&site);
    let hooks = [
        job("pre-b", "helm.sh/hook: pre-install, helm.sh/hook-weight: '5'"),
        job("pre-a", "helm.sh/hook: 'pre-install,pre-upgrade', helm.sh/hook-weight: '-5'"),
        job("swept", "helm.sh/hook: pre-install, helm.sh/hook-delete-policy: hook-succeeded"),
        job("post", "helm.sh/hook: post-install"),
        job("after", "helm.sh/hook: post-upgrade"),
        config_map("settings", "x").replace(
            "name: settings,",
            "name: settings, annotations: {helm.sh/hook: pre-install, helm.sh/hook-weight: '-10'},",
        ),
    ]
    .concat();
    site.write("web", &(hooks.clone() + &config_map("one", "first")));
    site.write("plain", &config_map("plain", "x"));
    site.render();
    let planned = site.apply(&["--init", "--dry-run"]).code(0);
    assert!(planned.stdout.contains("pre-install hook") && !planned.stdout.contains("post-upgrade"), "{planned:?}");
    let run = site.apply(&["--init"]).code(0);
    run.says("started   hooks-order/web batch/Job/hooks-order/pre-a: pre-install hook");
    in_order(
        &writes(&site),
        &["/configmaps/settings", "/jobs/pre-a", "/jobs/swept", "/jobs/pre-b", "/configmaps/one", "/jobs/post"],
    );
    assert_eq!((uid(&site, "after"), uid(&site, "swept")), (None, None));
    let members: Vec<String> = site.members().into_iter().collect();
    assert_eq!(members, ["core/ConfigMap/hooks-order/one", "core/ConfigMap/hooks-order/plain"]);

    // They stand outside drift and prune, and run once.
    let first = uid(&site, "pre-a");
    site.kubectl(&["-n", "NAME", "delete", "job", "post"], "");
    let before = writes(&site).len();
    site.apply(&[]).code(0).says("0 applied, 2 unchanged, 0 pruned");
    assert_eq!(writes(&site).split_off(before).len(), 0);

    // An upgrade.
    site.write("web", &(hooks + &config_map("one", "second")));
    site.render();
    let (b, before) = (uid(&site, "pre-b"), writes(&site).len());
    site.apply(&[]).code(0).says("2 hooks run");
    in_order(&writes(&site).split_off(before), &["/jobs/pre-a", "/configmaps/one", "/jobs/after"]);
    assert_ne!(uid(&site, "pre-a"), first);
    assert_eq!((uid(&site, "pre-b"), uid(&site, "post")), (b, None));
}

#[test]
fn a_hook_that_fails_stops_its_release_only_and_is_tried_again() {
    let site = Site::new(&PLANE, "hooks-fail");
    let _ender = Ender::new(&site);
    let hook = "helm.sh/hook: 'pre-install,pre-upgrade'";
    site.write("bad", &(job("fail", hook) + &config_map("bad", "x")));
    site.write("good", &(job("well", hook) + &config_map("good", "x")));
    site.render();
    let run = site.apply(&["--init"]).code(1);
    run.says("pre-install hook: the Job failed: BackoffLimitExceeded: as the test says");
    assert!(site.config_map("bad").is_none() && site.config_map("good").is_some());
    let failed = uid(&site, "fail");
    let quiet = || {
        // What it waits for is recorded once.
        site.apply(&[]).code(1);
        let before = site.requests().len();
        let run = site.apply(&[]).code(1);
        assert!(!site.requests().split_off(before).iter().any(Request::writes), "nothing is written");
        run
    };
    quiet().says("it failed 1 of 5 times, and runs again in").says("held");
    rewrite(&site, "bad", |record| record["retryAt"] = json!(0));
    site.apply(&[]).code(1);
    assert_ne!(uid(&site, "fail"), failed, "it was made anew");
    rewrite(&site, "bad", |record| record["attempts"] = json!(5));
    quiet().says("runs again when the release has a new digest");
    let failed = uid(&site, "fail");
    site.apply(&["--retry-hooks"]).code(1);
    assert_ne!(uid(&site, "fail"), failed);
    site.write("bad", &(job("mended", hook) + &config_map("bad", "x")));
    site.render();
    site.apply(&[]).code(0);
    assert!(site.config_map("bad").is_some());

    // After the objects: they are applied, and the hook is tried again.
    site.write(
        "bad",
        &(job("fail-late", "helm.sh/hook: post-upgrade, helm.sh/hook-delete-policy: hook-failed")
            + &config_map("bad", "y")),
    );
    site.render();
    site.apply(&[]).code(1).says("post-upgrade hook: the Job failed");
    assert_eq!(site.config_map("bad").expect("it is there")["data"]["value"], "y");
    assert_eq!(uid(&site, "fail-late"), None, "its policy deletes it");
    quiet().says("runs again in");
    site.apply(&["--retry-hooks", "--timeout", "60"]).code(1);
}

#[test]
fn what_is_taken_over_is_an_upgrade_and_runs_nothing_before() {
    let site = Site::new(&PLANE, "hooks-adopt");
    let _ender = Ender::new(&site);
    site.kubectl(&["create", "namespace", "NAME"], "");
    site.kubectl(&["create", "configmap", "one", "--namespace=NAME", "--from-literal=value=theirs"], "");
    let hooks = job("fresh", "helm.sh/hook: pre-install") + &job("over", "helm.sh/hook: pre-upgrade");
    site.write("web", &(hooks + &config_map("one", "x") + &config_map("two", "x")));
    site.render();
    site.apply(&["--init"]).code(1).says("its hooks do not run while another object");
    assert_eq!((uid(&site, "fresh"), uid(&site, "over"), site.config_map("two")), (None, None, None));
    site.apply(&["--init", "--adopt"]).code(0);
    assert!(uid(&site, "fresh").is_none() && uid(&site, "over").is_some() && site.config_map("two").is_some());
}

#[test]
fn a_hook_under_way_is_waited_for_after_a_kill_and_not_started_twice() {
    let site = Site::new(&PLANE, "hooks-kill");
    site.write("web", &(job("hang", "helm.sh/hook: pre-install") + &config_map("one", "x")));
    site.render();
    let mut run = site.start(&["apply", site.name, "--init"]);
    eventually(Duration::from_secs(30), "the hook is started", || uid(&site, "hang").is_some());
    run.kill().expect("it runs");
    run.wait().expect("it ends");
    let begun = uid(&site, "hang");
    site.apply(&["--timeout", "2"]).code(1).says("it did not end within 2 s");
    assert_eq!((uid(&site, "hang"), site.config_map("one")), (begun.clone(), None), "it is the same run");
    // The second try is another run, which deletes the first.
    let mut run = site.start(&["apply", site.name, "--retry-hooks"]);
    eventually(Duration::from_secs(30), "it is started anew", || uid(&site, "hang").is_some_and(|u| Some(u) != begun));
    run.kill().expect("it runs");
    run.wait().expect("it ends");
    let again = uid(&site, "hang");
    end(site.plane, site.name, "hang", true);
    site.apply(&["--retry-hooks"]).code(0);
    assert_eq!(uid(&site, "hang"), again);
    assert!(site.config_map("one").is_some());
}

#[test]
fn delete_hooks_run_when_their_release_has_left_the_tree() {
    let site = Site::new(&PLANE, "hooks-delete");
    let _ender = Ender::new(&site);
    let secret = "---\napiVersion: v1\nkind: Secret\nmetadata: {name: access, namespace: NAME, annotations: {helm.sh/hook: pre-delete, \
                  helm.sh/hook-weight: '-1', helm.sh/hook-delete-policy: 'before-hook-creation,hook-succeeded'}}\n\
                  stringData: {password: hunter2}\n";
    let hooks =
        secret.to_owned() + &job("fail", "helm.sh/hook: pre-delete") + &job("swept", "helm.sh/hook: post-delete");
    site.write("web", &(hooks.clone() + &config_map("one", "x")));
    site.write("stay", &config_maps("stay", 5, "x"));
    site.render();
    site.apply(&["--init"]).code(0);
    assert_eq!((uid(&site, "fail"), uid(&site, "swept")), (None, None));
    let records = site.get("/api/v1/namespaces/kcfg-system/configmaps").expect("they are there").to_string();
    assert!(!records.contains("hunter2") && !records.contains("aHVudGVyMg=="), "no Secret value in a ConfigMap");
    site.remove("web");
    site.render();
    site.apply(&[]).code(1).says("pre-delete hook batch/Job/hooks-delete/fail failed");
    assert!(site.config_map("one").is_some());
    // It comes back mended, and goes.
    site.write("web", &(hooks.replace("name: fail", "name: well") + &config_map("one", "x")));
    site.render();
    site.apply(&[]).code(0);
    site.remove("web");
    site.render();
    let before = writes(&site).len();
    let run = site.apply(&[]).code(0).says("1 pruned");
    assert!(!format!("{run:?}").contains("hunter2"));
    let asked = writes(&site).split_off(before);
    in_order(&asked, &["/secrets/access", "/jobs/well", "/configmaps/one", "/jobs/swept"]);
    assert_eq!(site.get("/api/v1/namespaces/NAME/secrets/access"), None);
    let left = site.get("/api/v1/namespaces/kcfg-system/secrets?labelSelector=kcfg.dev%2Fparent%3DNAME");
    assert_eq!(left.expect("a list")["items"].as_array().map(Vec::len), Some(0));
    site.apply(&[]).code(0).says("0 applied, 5 unchanged, 0 pruned");
}

#[test]
fn delete_hooks_do_not_run_where_another_release_takes_over() {
    let site = Site::new(&PLANE, "hooks-handover");
    let _ender = Ender::new(&site);
    let text = job("danger", "helm.sh/hook: pre-delete") + &config_map("one", "x");
    site.write("old", &text);
    site.write("stay", &config_maps("stay", 5, "x"));
    site.render();
    site.apply(&["--init"]).code(0);
    site.remove("old");
    site.write("new", &text);
    site.render();
    site.apply(&[]).code(0).complains("its delete hooks are not run");
    assert_eq!(uid(&site, "danger"), None);
    assert!(site.config_map("one").is_some());
}

#[test]
fn a_new_commit_ends_the_wait_for_a_hook() {
    let site = Site::new(&PLANE, "hooks-loop");
    let _ender = Ender::new(&site);
    site.write("web", &(job("hang", "helm.sh/hook: pre-install") + &config_map("one", "x")));
    site.write("plain", &config_map("plain", "x"));
    site.render();
    site.repo.commit("first");
    let running = Loop::start(&site, "one", &["--init"]);
    running.says("\"outcome\":\"started\"", 1);
    eventually(Duration::from_secs(10), "other releases go on", || site.config_map("plain").is_some());
    site.write("web", &(job("well", "helm.sh/hook: pre-install") + &config_map("one", "y")));
    site.render();
    site.repo.commit("second");
    running.nudge();
    running.says("there is a newer commit", 1);
    eventually(Duration::from_secs(20), "the second commit is applied", || site.config_map("one").is_some());
    running.says("\"outcome\":\"ran\"", 1);
    running.stop();
}

/// A loop with a hook under way that nobody ends.
fn hanging(site: &Site) -> Loop {
    site.write("web", &(job("hang", "helm.sh/hook: pre-install") + &config_map("one", "x")));
    site.write("plain", &config_map("plain", "x"));
    site.render();
    site.repo.commit("first");
    let running = Loop::start(site, "one", &["--init"]);
    running.says("\"outcome\":\"started\"", 1);
    eventually(Duration::from_secs(10), "the hook runs", || uid(site, "hang").is_some());
    eventually(Duration::from_secs(10), "other releases go on", || site.config_map("plain").is_some());
    running
}

#[test]
fn a_loop_that_is_asked_to_end_leaves_a_hook_under_way_to_the_next() {
    let site = Site::new(&PLANE, "hooks-term");
    let running = hanging(&site);
    let begun = uid(&site, "hang");
    let time = Instant::now();
    let log = running.stop();
    assert!(time.elapsed() < Duration::from_secs(5), "{:?}", time.elapsed());
    assert!(log.contains("kcfg stops; the next run goes on with it"), "{log}");
    assert!(log.contains("\"lease\":\"released\"") && !log.contains("\"level\":\"error\""), "{log}");
    assert_eq!((uid(&site, "hang"), site.config_map("one")), (begun.clone(), None));
    let running = Loop::start(&site, "two", &[]);
    running.says("\"outcome\":\"started\"", 1);
    sleep(Duration::from_secs(1));
    assert_eq!((uid(&site, "hang"), site.config_map("one")), (begun.clone(), None), "it is the same run");
    end(site.plane, site.name, "hang", true);
    eventually(Duration::from_secs(20), "the objects follow", || site.config_map("one").is_some());
    assert_eq!(uid(&site, "hang"), begun);
    running.synchronised(1);
    running.stop();
    site.apply(&[]).code(0).says("0 applied, 2 unchanged");
}

#[test]
fn a_lease_that_is_lost_during_a_hook_ends_the_waiting_and_not_the_hook() {
    let site = Site::new(&PLANE, "hooks-lease");
    let running = hanging(&site);
    let begun = uid(&site, "hang");
    let holder = |name: &str| {
        let patch = format!("{{\"spec\":{{\"holderIdentity\":\"{name}\"}}}}");
        site.kubectl(&["-n", "kcfg-system", "patch", "lease", "kcfg-NAME", "--type=merge", "-p", &patch], "");
    };
    holder("somebody-else");
    running.says("the lease was lost", 1);
    let before = site.requests().len();
    // Its end is for whoever leads now.
    end(site.plane, site.name, "hang", true);
    sleep(Duration::from_secs(6));
    let since: Vec<_> = site.requests().split_off(before).into_iter().filter(Request::writes).collect();
    assert!(since.is_empty(), "who does not lead writes nothing: {since:#?}");
    assert_eq!(site.config_map("one"), None);
    holder("");
    running.says("\"message\":\"leading\"", 2);
    eventually(Duration::from_secs(20), "the objects follow", || site.config_map("one").is_some());
    assert_eq!(uid(&site, "hang"), begun, "it was not started a second time");
    running.synchronised(1);
    running.stop();
    site.apply(&[]).code(0).says("0 applied, 2 unchanged");
}

#[test]
fn a_release_of_nothing_but_delete_hooks_runs_them_when_it_goes() {
    let site = Site::new(&PLANE, "hooks-only");
    let _ender = Ender::new(&site);
    site.write("web", &(job("before", "helm.sh/hook: pre-delete") + &job("after", "helm.sh/hook: post-delete")));
    site.write("stay", &config_maps("stay", 5, "x"));
    site.render();
    site.apply(&["--init"]).code(0);
    assert_eq!((uid(&site, "before"), uid(&site, "after")), (None, None));
    let before = writes(&site).len();
    site.apply(&[]).code(0).says("0 applied, 5 unchanged");
    assert_eq!(writes(&site).len(), before, "nothing changed");
    site.remove("web");
    site.render();
    site.kcfg(&["suspend", "hooks-only/web", "--for", "1h", "--reason", "x"]).code(0);
    site.apply(&[]);
    assert_eq!(uid(&site, "before"), None);
    site.kcfg(&["resume", "hooks-only"]).code(0);
    let before = writes(&site).len();
    // What would run is said, and does not.
    let planned = site.apply(&["--dry-run"]).code(0);
    assert!(planned.stdout.contains("pre-delete hook") && planned.stdout.contains("post-delete hook"), "{planned:?}");
    assert_eq!((uid(&site, "before"), writes(&site).len()), (None, before));
    site.apply(&[]).code(0).says("2 hooks run");
    in_order(&writes(&site).split_off(before), &["/jobs/before", "/jobs/after"]);
    site.apply(&[]).code(0).says("0 applied, 5 unchanged, 0 pruned");
    assert!(!site.apply(&["--dry-run"]).code(0).stdout.contains("delete hook"));
}

#[test]
fn hooks_of_what_is_suspended_wait_for_the_end_of_that() {
    let site = Site::new(&PLANE, "hooks-glass");
    let _ender = Ender::new(&site);
    let suspend = |selector: &str| site.kcfg(&["suspend", selector, "--for", "1h", "--reason", "x"]).code(0);
    let secret = "---\napiVersion: v1\nkind: Secret\nmetadata: {name: other, namespace: NAME}\n";
    let web = |hooks: &str, value: &str| site.write("web", &(hooks.to_owned() + secret + &config_map("one", value)));
    let delete = job("bye", "helm.sh/hook: pre-delete");
    web(&delete, "first");
    site.write("gone", &(job("leaves", "helm.sh/hook: pre-delete") + &config_map("gone", "x")));
    site.write("stay", &config_maps("stay", 10, "x"));
    site.render();
    site.apply(&["--init"]).code(0);

    // A part is suspended: neither a hook that comes before the objects runs, nor one after them; then both do.
    suspend("hooks-glass/web/Secret");
    web(
        &(delete.clone() + &job("pre", "helm.sh/hook: pre-upgrade") + &job("post", "helm.sh/hook: post-upgrade")),
        "second",
    );
    site.render();
    site.apply(&[]).says("its pre-upgrade hooks do not run while a part of the release is suspended");
    let one = || site.config_map("one").expect("it is there")["data"]["value"].clone();
    assert_eq!((uid(&site, "pre"), uid(&site, "post"), one()), (None, None, json!("first")));
    let before = writes(&site).len();
    site.apply(&[]);
    assert_eq!(writes(&site).len(), before, "it is recorded once");
    site.kcfg(&["resume", "hooks-glass"]).code(0);
    site.apply(&[]).code(0).says("2 hooks run");
    assert_eq!(one(), "second");
    // A hook by its kind and name; one that is not there is warned of.
    let slip = site.kcfg(&["suspend", "hooks-glass/web/Job/latter", "--for", "1h", "--reason", "x"]).code(0);
    slip.complains("has no object that `hooks-glass/web/Job/latter` names");
    site.kcfg(&["resume", "hooks-glass"]).code(0);
    site.kcfg(&["suspend", "hooks-glass/web/Jub", "--for", "1h", "--reason", "x"])
        .code(2)
        .complains("the kinds are ConfigMap, Job, Secret");
    let run = suspend("hooks-glass/web/Job/bye");
    assert!(!run.stderr.contains("no object"), "{}", run.stderr);
    site.kcfg(&["resume", "hooks-glass"]).code(0);
    suspend("hooks-glass/web/Job/later");
    web(&(delete.clone() + &job("later", "helm.sh/hook: post-upgrade")), "third");
    site.render();
    site.apply(&[]);
    assert_eq!((uid(&site, "later"), one()), (None, json!("third")), "what comes before it is applied");
    site.kcfg(&["resume", "hooks-glass"]).code(0);
    site.apply(&[]).code(0).says("1 hooks run");
    assert!(uid(&site, "later").is_some());

    // The same of what leaves the tree.
    suspend("hooks-glass/gone/Job/leaves");
    site.remove("gone");
    site.render();
    site.apply(&[]);
    assert!(uid(&site, "leaves").is_none() && site.config_map("gone").is_some());
    assert!(!site.apply(&["--dry-run"]).stdout.contains("pre-delete hook"));
    site.kcfg(&["resume", "hooks-glass"]).code(0);
    site.apply(&[]).code(0).says("1 hooks run").says("1 pruned");
    assert!(uid(&site, "leaves").is_some() && site.config_map("gone").is_none());
}

#[test]
fn a_hook_that_fails_does_not_hold_what_left_the_tree_elsewhere() {
    let site = Site::new(&PLANE, "hooks-others");
    let _ender = Ender::new(&site);
    site.write("web", &(job("fail", "helm.sh/hook: pre-install") + &config_map("web", "x")));
    site.write("old", &(job("bye", "helm.sh/hook: pre-delete") + &config_map("old", "x")));
    site.write("stay", &config_maps("stay", 6, "x"));
    site.render();
    site.apply(&["--init"]).code(1).says("pre-install hook: the Job failed");
    site.remove("old");
    site.write("stay", &config_maps("stay", 5, "x"));
    site.render();
    site.apply(&[]).code(1).says("2 pruned");
    assert!(uid(&site, "bye").is_some());
    assert!(["old", "stay-5", "web"].iter().all(|name| site.config_map(name).is_none()));
}
