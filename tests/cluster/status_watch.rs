//! `kcfg status --watch`: what a process that only looks on sees, and what it asks for. One test at a time: one of them ends
//! the API server.

use std::fs::{self, File};
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::sleep;
use std::time::Duration;

use serde_json::Value;

use crate::control_plane::{Parts, Shared, eventually};
use crate::running_loop::Loop;
use crate::site::{Site, config_map};

static PLANE: Shared = Shared::new(Parts { controllers: false, audit: true });
static TURN: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A running `kcfg status --watch`, as a user of its own; killed when dropped.
struct Onlooker {
    child: Child,
    output: PathBuf,
}

impl Onlooker {
    fn start(site: &Site, user: &str, args: &[&str]) -> Onlooker {
        let kubeconfig = site.plane.kubeconfig_of(user, &["system:masters"]).display().to_string();
        let args = [&["status", site.name, "--watch", "--kubeconfig", &kubeconfig], args].concat();
        let output = site.repo.path().join(format!(".git/{user}.txt"));
        let mut command = site.command(&args);
        command.stdout(File::create(&output).expect("the folder is ours")).stderr(Stdio::piped());
        Onlooker { child: command.spawn().expect("kcfg can be run"), output }
    }

    fn said(&self) -> String {
        fs::read_to_string(&self.output).expect("it can be read")
    }

    #[track_caller]
    fn says(&self, text: &str) {
        eventually(Duration::from_secs(40), &format!("it says {text:?}"), || self.said().contains(text));
    }

    /// Its documents so far.
    fn documents(&self) -> Vec<Value> {
        self.said().lines().map(|line| serde_json::from_str(line).expect("each line is a document")).collect()
    }

    /// Asks it to end, as Ctrl-C does; gives what it said.
    fn interrupt(mut self) -> String {
        let sent = Command::new("kill").args(["-INT", &self.child.id().to_string()]).status().expect("there is kill");
        assert!(sent.success());
        let status = self.child.wait().expect("it ends");
        assert_eq!(status.code(), Some(0), "{}", self.said());
        self.said()
    }
}

impl Drop for Onlooker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A Service that the API server refuses.
const BAD: &str =
    "---\napiVersion: v1\nkind: Service\nmetadata: {name: bad, namespace: NAME}\nspec: {ports: [{port: 99999}]}\n";

#[test]
fn what_changes_is_told_line_by_line_and_nothing_is_asked_meanwhile() {
    let _alone = alone();
    let site = Site::new(&PLANE, "seen");
    site.write("web", &config_map("web", "first"));
    site.write("api", &config_map("api", "first"));
    site.render_and_init();
    let onlooker = Onlooker::start(&site, "seen-by", &[]);
    let machine = Onlooker::start(&site, "seen-by-machine", &["--format", "json"]);
    onlooker.says("all is well\n\nENVIRONMENT");
    onlooker.says("by hand");
    eventually(Duration::from_secs(20), "the first document", || machine.documents().len() == 1);
    let first = machine.documents().remove(0);
    assert_eq!(
        (&first["environment"], &first["well"], &first["changes"]),
        (&"seen".into(), &true.into(), &Value::Array(Vec::new()))
    );

    let asked = |user: &str| site.plane.requests_of(user).len();
    let before = [asked("seen-by"), asked("seen-by-machine")];
    // Two lists of ConfigMaps, one of Leases, and a watch after each.
    assert!(before.iter().all(|count| *count <= 6), "{:#?}", site.plane.requests_of("seen-by"));
    sleep(Duration::from_secs(12));
    site.kcfg(&["suspend", "seen/api", "--for", "1h", "--reason", "trying something"]).code(0);
    onlooker.says("seen: suspended: seen/api until ");
    site.write("web", &config_map("web", "second"));
    site.render();
    site.apply(&[]).code(0);
    onlooker.says(" seen/web: ");
    site.kcfg(&["resume", "seen/api"]).code(0);
    onlooker.says("seen: no longer suspended: seen/api until ");
    site.write("web", &(config_map("web", "third") + BAD));
    site.render();
    site.apply(&[]).code(1);
    onlooker.says("seen: well → not well");
    onlooker.says("seen: failed seen/web core/Service/seen/bad: ");
    site.write("web", &config_map("web", "third"));
    site.render();
    site.apply(&[]).code(0);
    onlooker.says("seen: no longer: failed seen/web core/Service/seen/bad: ");
    onlooker.says("seen: not well → well");
    assert_eq!([asked("seen-by"), asked("seen-by-machine")], before, "all of that came by itself");

    let text = onlooker.interrupt();
    let changes: Vec<&str> = text.lines().skip_while(|line| !line.starts_with("20")).collect();
    let is_stamped = |line: &&str| line.as_bytes().get(19) == Some(&b'Z') && line.as_bytes().get(20) == Some(&b' ');
    assert!(!changes.is_empty() && changes.iter().all(is_stamped), "{text}");
    let documents = machine.documents();
    let bad = documents.iter().find(|one| one["well"] == false).expect("it was not well");
    let change = bad["changes"]
        .as_array()
        .expect("a list")
        .iter()
        .find(|change| change["of"] == "release" && change["release"] == "web");
    let change = change.unwrap_or_else(|| panic!("{bad:#}"));
    assert_eq!(change["after"], "partial", "{bad:#}");
    assert!(change["reason"].as_str().is_some_and(|reason| reason.contains("99999")), "{bad:#}");
    assert_eq!(documents.last().expect("there are some")["well"], true);
    machine.interrupt();
}

#[test]
fn an_api_server_that_goes_away_and_comes_back_is_said_and_survived() {
    let _alone = alone();
    let site = Site::new(&PLANE, "unheard");
    site.write("web", &config_map("web", "first"));
    let running = Loop::begin(&site);
    let onlooker = Onlooker::start(&site, "unheard-by", &[]);
    let machine = Onlooker::start(&site, "unheard-by-machine", &["--format", "json"]);
    onlooker.says("alive");
    eventually(Duration::from_secs(20), "the first document", || machine.documents().len() == 1);
    site.plane.kill_api_server();
    onlooker.says(" nothing is heard of the cluster: the API server cannot be reached: ");
    sleep(Duration::from_secs(2));
    site.plane.restart_api_server();
    onlooker.says(" the cluster is heard again, after ");
    site.write("web", &config_map("web", "second"));
    site.render();
    let commit = site.repo.commit("second");
    running.nudge();
    onlooker.says(&format!(" → {}\n", &commit[..12]));
    // Whoever stops the loop is seen too, at once, for it gives its Lease back.
    running.stop();
    onlooker.says("unheard: loop alive → none");
    let text = onlooker.interrupt();
    assert_eq!(text.matches("nothing is heard").count(), 1, "{text}");
    assert!(!text.contains("there is such an environment now"), "{text}");
    let documents = machine.documents();
    let heard: Vec<&Value> = documents.iter().filter_map(|one| one.get("heard")).collect();
    assert_eq!(heard, [&Value::from(false), &Value::from(true)]);
    assert_eq!(documents.last().expect("there are some")["changes"][0]["of"], "well");
    machine.interrupt();
}

#[test]
fn on_a_terminal_it_is_drawn_over_itself_and_the_last_state_stays() {
    let _alone = alone();
    let site = Site::new(&PLANE, "drawn");
    site.write("web", &config_map("web", "first"));
    site.render_and_init();
    let (typescript, pid) = (site.repo.path().join(".git/typescript"), site.repo.path().join(".git/pid"));
    let program = env!("CARGO_BIN_EXE_kcfg");
    let run = format!("stty rows 6 cols 60; echo $$ > {}; exec {program} status --watch drawn", pid.display());
    let mut script = Command::new("script");
    script.args(["--quiet", "--return", "--flush", "--command", &run]).arg(&typescript);
    // The environment of whoever runs the site's kcfg.
    let environment: Vec<_> =
        site.command(&[]).get_envs().map(|(k, v)| (k.to_owned(), v.map(ToOwned::to_owned))).collect();
    script.envs(environment.into_iter().filter_map(|(name, value)| Some((name, value?))));
    script.current_dir(site.repo.path()).stdin(Stdio::null()).stdout(Stdio::null()).process_group(0);
    let mut script = script.spawn().expect("there is script");
    let drawn = || fs::read_to_string(&typescript).unwrap_or_default();
    eventually(Duration::from_secs(20), "it is drawn", || drawn().contains("Ctrl-C ends"));
    site.kcfg(&["suspend", "drawn/web", "--for", "1h", "--reason", "a look\u{7}around"]).code(0);
    eventually(Duration::from_secs(20), "what changed is drawn", || drawn().matches("\u{1b}[H").count() >= 2);
    sleep(Duration::from_secs(1));
    let process = fs::read_to_string(&pid).expect("it wrote it");
    Command::new("kill").args(["-INT", process.trim()]).status().expect("there is kill");
    assert_eq!(script.wait().expect("it ends").code(), Some(0));
    let text = drawn();
    let (frames, last) = text.rsplit_once("\u{1b}[?1049l").expect("the screen is given back");
    assert!(frames.contains("\u{1b}[?1049h\u{1b}[?25l\u{1b}[H") && frames.ends_with("\u{1b}[?25h"), "{frames}");
    // Six rows do not hold it: what is missing is said, and no frame is longer than the window.
    let frames: Vec<&str> = frames.split("\u{1b}[H").skip(1).collect();
    assert!(frames.iter().all(|frame| frame.matches("\r\n").count() < 6), "{frames:#?}");
    assert!(frames.last().expect("there are some").contains(" more rows: make the window"), "{frames:#?}");
    assert!(last.contains("suspended: drawn/web until ") && last.contains("drawn  "), "{last}");
    assert!(!text.contains('\u{7}'), "{text}");
}

#[test]
fn what_cannot_be_watched_is_an_error() {
    let _alone = alone();
    let site = Site::new(&PLANE, "unseen");
    site.write("web", &config_map("web", "first"));
    site.render_and_init();
    site.kcfg(&["status", "unsene", "--watch"]).code(2).complains("matches no environment");
    site.kcfg(&["status", "--watch", "--exit-code"]).code(2).complains("without --watch, --exit-code tells");
    site.kcfg(&["status", "--watch", "--from-git"]).code(2).complains("a clone hears nothing by itself");
    let nobody = site.plane.kubeconfig_of("unseen-by", &[]).display().to_string();
    site.kcfg(&["status", "--watch", "--kubeconfig", &nobody]).code(2).complains("cannot watch the records");
    // Who may list and not watch is told so too.
    let role = "
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: NAME}
rules:
- {apiGroups: ['', coordination.k8s.io], resources: [configmaps, leases], verbs: [get, list]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: NAME}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: NAME}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: NAME-by}]
";
    site.kubectl(&["apply", "-f", "-"], role);
    eventually(Duration::from_secs(20), "the right is there", || {
        site.kcfg(&["status", "--kubeconfig", &nobody]).code == 0
    });
    site.kcfg(&["status", "--watch", "--kubeconfig", &nobody]).code(2).complains("(RBAC)");
}
