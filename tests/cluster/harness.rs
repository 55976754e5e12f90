//! Tests of the harness itself: kubectl works against the control plane, what was started ends, requests are counted.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::control_plane::{Parts, Shared, eventually};
use crate::keeper::{Keeper, Pid};

static PLANE: Shared = Shared::new(Parts { controllers: true, audit: true });

/// The child's part in `what_was_started_ends_with_a_killed_process`: starts something and says what.
#[test]
#[ignore = "run by another test"]
fn start_something_and_wait() {
    let keeper = Keeper::new();
    let pid = keeper.start("sleep", Path::new("sleep"), &["600".to_owned()]);
    println!("{} {}", pid.0, keeper.folder().display());
    std::thread::sleep(Duration::from_secs(600));
}

#[test]
fn what_was_started_ends_with_a_killed_process() {
    let mut child = Command::new(std::env::current_exe().expect("it has a path"))
        .args(["--exact", "harness::start_something_and_wait", "--ignored", "--nocapture"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("it can be run");
    let output = std::io::BufReader::new(child.stdout.take().expect("it is a pipe"));
    let mut lines = std::io::BufRead::lines(output).map(|line| line.expect("it is text"));
    let (pid, folder) = lines
        .find_map(|line| {
            let (pid, folder) = line.split_once(" /")?;
            Some((Pid(pid.parse().ok()?), format!("/{folder}")))
        })
        .expect("it says what it started");
    assert!(pid.runs() && Path::new(&folder).is_dir());
    pid.signal("STOP");
    child.kill().expect("it runs");
    child.wait().expect("it ends");
    eventually(Duration::from_secs(20), "the program and its folder are gone", || {
        !pid.runs() && !Path::new(&folder).exists()
    });
}

#[test]
fn a_deployment_becomes_ready() {
    let plane = PLANE.get();
    plane.kubectl(&["create", "namespace", "harness"], "");
    let image = "registry.example.com/web:1";
    plane.kubectl(&["create", "deployment", "web", "--namespace=harness", "--replicas=2", "--image", image], "");
    plane.kubectl(&["rollout", "status", "deployment/web", "--namespace=harness", "--timeout=60s"], "");
    let web = plane.get("/apis/apps/v1/namespaces/harness/deployments/web").expect("it is there");
    assert_eq!(web["status"]["readyReplicas"], 2);
    plane.kubectl(&["delete", "namespace", "harness", "--timeout=60s"], "");
    assert_eq!(plane.get("/api/v1/namespaces/harness"), None);
}

#[test]
fn requests_are_seen_per_user_and_counted() {
    let plane = PLANE.get();
    let before = plane.counter("apiserver_request_total", &[("verb", "POST"), ("resource", "namespaces")]);
    let kubeconfig = plane.kubeconfig_of("counted", &["system:masters"]).display().to_string();
    plane.kubectl(&["--kubeconfig", &kubeconfig, "create", "namespace", "counted"], "");
    let after = plane.counter("apiserver_request_total", &[("verb", "POST"), ("resource", "namespaces")]);
    assert!(after > before, "{before} {after}");
    let requests = plane.requests_of("counted");
    let writes: Vec<_> = requests.iter().filter(|request| request.writes()).collect();
    assert_eq!(writes.len(), 1, "{requests:#?}");
    assert!(writes[0].verb == "create" && writes[0].status == 201, "{writes:?}");
    let nobody = plane.kubeconfig_of("nobody", &[]).display().to_string();
    let (success, _, stderr) = plane.try_kubectl(&["--kubeconfig", &nobody, "get", "secrets"], "");
    assert!(!success && stderr.contains("forbidden"), "{stderr}");
}
