//! `kcfg apply --watch --git-report`: the Git server is told how the environment stands, over SSH and HTTPS, and nothing
//! that it does holds up the loop.

use std::fs;
use std::os::unix::fs::symlink;
use std::thread::sleep;
use std::time::Duration;

use serde_json::Value;

use crate::control_plane::{Parts, Shared, eventually};
use crate::forge::{Forge, Kind, TOKEN};
use crate::git_servers::{HttpServer, SshServer, fixture};
use crate::running_loop::Loop;
use crate::site::{Site, config_map, config_maps, value};

static PLANE: Shared = Shared::new(Parts { controllers: false, audit: false });

/// The tag's commit and the message's JSON; none while there is no tag.
fn told(site: &Site) -> Option<(String, Value)> {
    let name = format!("refs/tags/kcfg-sync-{}", site.name);
    let text = site.repo.git(&["for-each-ref", "--format=%(*objectname)%0a%(contents:body)", &name]);
    let (commit, body) = text.split_once('\n')?;
    Some((commit.to_owned(), serde_json::from_str(body).expect("the body is JSON")))
}

/// Waits until the tag tells this.
#[track_caller]
fn tells(site: &Site, what: &str, is_so: impl Fn(&str, &Value) -> bool) {
    eventually(Duration::from_secs(40), what, || told(site).is_some_and(|(commit, state)| is_so(&commit, &state)));
}

fn write_file(site: &Site, name: &str, text: &str) -> String {
    let path = site.repo.path().join(".git").join(name);
    fs::write(&path, text).expect("the folder is ours");
    path.display().to_string()
}

#[test]
fn a_tag_tells_over_ssh_what_became_of_each_commit() {
    let site = Site::new(&PLANE, "told-ssh");
    site.write("web", &config_maps("web", 3, "first"));
    site.render();
    let first = site.repo.commit("first").trim().to_owned();
    let server = SshServer::start();
    let key = write_file(&site, "deploy-key", &server.read("client"));
    let hosts = write_file(&site, "known-hosts", &server.known_hosts("host"));
    let args = ["--git-ssh-key-file", &key, "--git-known-hosts-file", &hosts, "--git-report", "tag"];
    let url = server.url(site.repo.path());
    let running = Loop::follow(&site, "one", &url, &[&args[..], &["--init"]].concat());
    tells(&site, "the first commit is told", |commit, state| commit == first && state["result"] == "ok");
    let (_, state) = told(&site).expect("it is there");
    assert_eq!((&state["environment"], &state["objects"]["applied"]), (&"told-ssh".into(), &3.into()));
    assert_eq!((&state["commit"], &state["ref"]), (&first.as_str().into(), &"HEAD".into()));
    assert!(state["digest"].as_str().is_some_and(|digest| digest.len() == 64), "{state}");

    // Drift that is corrected is nothing to tell, nor is a webhook without a commit.
    let tag = || site.repo.git(&["rev-parse", "refs/tags/kcfg-sync-told-ssh"]);
    let before = tag();
    let mine = ["--type=merge", "-p", "{\"data\":{\"value\":\"mine\"}}"];
    site.kubectl(&[&["-n", "NAME", "patch", "configmap", "web-0"], &mine[..]].concat(), "");
    eventually(Duration::from_secs(10), "it is taken back", || value(&site, "web-0").as_deref() == Some("first"));
    running.nudge();
    sleep(Duration::from_secs(12));
    assert_eq!(tag(), before);
    running.says("\"message\":\"told in Git\"", 1);

    // One that the API server refuses, with a value that must not get out, and one that it takes.
    let secret = "---\napiVersion: v1\nkind: Secret\nmetadata: {name: web-key, namespace: NAME}\ntype: kubernetes.io/tls\nstringData: {other: hunter2}\n";
    site.write("web", &(config_maps("web", 2, "second") + secret));
    site.render();
    let second = site.repo.commit("second").trim().to_owned();
    running.nudge();
    tells(&site, "the second is told", |commit, state| commit == second && state["result"] == "findings");
    let (_, state) = told(&site).expect("it is there");
    let problem = &state["problems"][0];
    assert_eq!((&problem["outcome"], &problem["object"]), (&"failed".into(), &"core/Secret/told-ssh/web-key".into()));
    assert_eq!((&state["objects"]["failed"], &state["releases"]["partial"]), (&1.into(), &1.into()));
    let text = state.to_string();
    assert!(!text.contains("hunter2") && !text.contains(&data_encoding::BASE64.encode(b"hunter2")), "{text}");
    site.repo.git(&["fsck", "--strict"]);
    let shown = site.repo.kcfg(&["status", "--from-git", "--exit-code"]).code(1).says("NOT WELL: told-ssh");
    shown.says("failed told-ssh/web core/Secret/told-ssh/web-key: ").says("  0  ");

    // A loop that begins anew finds that all is told.
    running.stop();
    let before = tag();
    let running = Loop::follow(&site, "two", &url, &args);
    running.says("\"message\":\"synchronised\"", 1);
    eventually(Duration::from_secs(20), "it looks", || running.get("/metrics").contains("kcfg_git_reports_total"));
    let metrics = running.get("/metrics");
    assert!(metrics.contains("kcfg_git_reports_total{environment=\"told-ssh\",result=\"same\"} 1"), "{metrics}");
    assert_eq!(tag(), before);

    // Left alone as a whole, and not.
    site.kcfg(&["suspend", "told-ssh", "--for", "1h", "--reason", "looking around"]).code(0);
    tells(&site, "the suspension is told", |_, state| state["suspensions"][0]["reason"] == "looking around");
    site.kcfg(&["resume", "told-ssh"]).code(0);
    tells(&site, "its end is told", |_, state| state["suspensions"].as_array().is_some_and(Vec::is_empty));

    // A commit that is for another cluster: the tag stays at the one that is in force, and says why.
    let environment =
        "apiVersion: kcfg.dev/v1\nkind: Environment\nmetadata: {name: NAME}\nspec: {cluster: {uid: other}}\n";
    site.write("environment", environment);
    site.render();
    site.repo.commit("third");
    running.nudge();
    tells(&site, "the error is told", |commit, state| commit == second && state["result"] == "error");
    let shown = site.repo.kcfg(&["status", "--from-git", "--exit-code"]).code(1);
    shown.says("nothing can be done since ").says("  1 commit, ");
    let what = told(&site).expect("it is there").1["error"]["what"].clone();
    assert!(what.as_str().is_some_and(|what| what.contains("other")), "{what}");
    let log = running.stop();
    assert!(!log.contains("cannot be told"), "{log}");
}

#[test]
fn a_server_that_takes_no_tag_holds_up_nothing() {
    let site = Site::new(&PLANE, "told-https");
    site.write("web", &config_map("web", "first"));
    site.render();
    site.repo.commit("first");
    let folder = tempfile::tempdir().expect("a folder can be made");
    symlink(site.repo.path(), folder.path().join("config")).expect("the folder is ours");
    let basic = format!("Basic {}", data_encoding::BASE64.encode(b"x-access-token:s3cret"));
    let server = HttpServer::start(folder.path(), Some(&basic));
    let token = write_file(&site, "token", "s3cret\n");
    let ca = fixture("ca.pem").display().to_string();
    let args = ["--init", "--git-token-file", &token, "--git-ca-file", &ca, "--git-report", "tag"];
    let running = Loop::follow(&site, "one", &server.url("https"), &args);
    running.says("cannot be told in Git", 1);
    site.assert_cluster_is_tree();
    site.write("web", &config_map("web", "second"));
    site.render();
    site.repo.commit("second");
    running.nudge();
    eventually(Duration::from_secs(10), "it is applied", || value(&site, "web").as_deref() == Some("second"));
    // The second time it is refused is said no more, but counted.
    let refused = "kcfg_git_reports_total{environment=\"told-https\",result=\"error\"} 2";
    eventually(Duration::from_secs(30), "it is tried again", || running.get("/metrics").contains(refused));
    assert_eq!(running.log().matches("cannot be told in Git").count(), 1, "{}", running.log());
    assert!(running.get("/healthz").starts_with("HTTP/1.1 200"));
    assert_eq!(told(&site), None);

    site.repo.git(&["config", "http.receivepack", "true"]);
    site.write("web", &config_map("web", "third"));
    site.render();
    let third = site.repo.commit("third").trim().to_owned();
    running.nudge();
    tells(&site, "the third is told", |commit, state| commit == third && state["result"] == "ok");
    let log = running.stop();
    assert!(!log.contains("s3cret"), "{log}");
}

#[test]
fn a_forge_shows_beside_each_commit_what_became_of_it() {
    let site = Site::new(&PLANE, "told-forge");
    site.write("web", &config_map("web", "first"));
    site.render();
    let first = site.repo.commit("first");
    let folder = tempfile::tempdir().expect("a folder can be made");
    fs::create_dir(folder.path().join("shop")).expect("the folder is ours");
    symlink(site.repo.path(), folder.path().join("shop/config")).expect("the folder is ours");
    let url = format!("file://{}/shop/config", folder.path().display());
    let forge = Forge::start(Kind::Gitea);
    let token = write_file(&site, "report-token", &format!("{TOKEN}\n"));
    let args = ["--git-report", "tag,gitea", "--git-report-api", &forge.url, "--git-report-token-file", &token];
    let known = || forge.state.lock().expect("no panic").statuses.clone();
    let shows = |commit: &str, state: &str, text: &str| {
        let what = format!("{commit} shows {state}");
        eventually(Duration::from_secs(40), &what, || {
            let known = known();
            let last = known.iter().rev().find(|status| status.commit == commit);
            last.is_some_and(|last| {
                last.context == "kcfg/told-forge" && last.state == state && last.description.contains(text)
            })
        });
    };
    // The forge is down at first.
    forge.fault("GET ", 503, &[], serde_json::json!({"message": "down"}));
    let running = Loop::follow(&site, "one", &url, &[&args[..], &["--init"]].concat());
    running.says("cannot be told in Git", 1);
    tells(&site, "the tag is not held up by that", |commit, _| commit == first);
    let secret = "---\napiVersion: v1\nkind: Secret\nmetadata: {name: key, namespace: NAME}\ntype: kubernetes.io/tls\nstringData: {a: hunter2}\n";
    site.write("web", &(config_map("web", "second") + secret));
    site.render();
    let second = site.repo.commit("second");
    running.nudge();
    shows(&second, "failure", "1 applied, 1 failed; web core/Secret/told-forge/key: ");
    site.write("web", &config_map("web", "third"));
    site.render();
    let third = site.repo.commit("third");
    running.nudge();
    shows(&third, "success", "1 applied");
    // A loop that begins anew finds that all is told.
    running.stop();
    let before = known().len();
    let running = Loop::follow(&site, "two", &url, &args);
    running.says("\"message\":\"synchronised\"", 1);
    let same = "kcfg_git_reports_total{environment=\"told-forge\",result=\"same\"} 2";
    eventually(Duration::from_secs(20), "it looks", || running.get("/metrics").contains(same));
    assert_eq!(known().len(), before);
    // It is the commit that cannot be applied which is to blame.
    let environment =
        "apiVersion: kcfg.dev/v1\nkind: Environment\nmetadata: {name: NAME}\nspec: {cluster: {uid: other}}\n";
    site.write("environment", environment);
    site.render();
    let fourth = site.repo.commit("fourth");
    running.nudge();
    shows(&fourth, "failure", "other");
    tells(&site, "the tag says so too", |commit, state| commit == third && state["attempted"] == fourth.as_str());
    let log = running.stop();
    assert!(!log.contains(TOKEN) && !known().iter().any(|status| status.description.contains("hunter2")), "{log}");
    forge.log();
}
