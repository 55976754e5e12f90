//! `kcfg apply --watch`, measured: how soon after a webhook a commit is in the cluster, how soon drift is gone, what a
//! quiet loop asks for and takes, what a restart costs. Requests are those of the API server's audit log, but for the Lease.

use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::control_plane::Request;
use super::running_loop::Loop;
use super::{Bench, KINDS, RUNS, bar};

const USER: &str = "loop";

fn start(bench: &Bench, name: &str) -> Loop {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kcfg"));
    command.args(["apply", "bench", "--init"]);
    command.env("KUBECONFIG", bench.plane.kubeconfig_of(USER, &["system:masters"]));
    let folder = bench.folder.path();
    Loop::following(command, &format!("file://{}", folder.display()), &folder.join(".git"), name, &[])
}

/// Ends it; gives the most MiB of memory that it held.
fn stop(running: Loop) -> f64 {
    let memory = running.memory_kib("VmHWM") as f64 / 1024.0;
    running.stop();
    memory
}

/// Measures a loop over the objects of the bench; it is left alone for `quiet`.
pub fn run(bench: &Bench, quiet: Duration) {
    println!("the loop, {} objects in {} releases", bench.objects, bench.releases.len());
    commit(bench, "first");
    let begin = Instant::now();
    let running = start(bench, "one");
    running.synchronised(1);
    println!("  first synchronisation {:.2} s", begin.elapsed().as_secs_f64());

    let (name, objects) = &bench.releases[0];
    let mut objects = objects.clone();
    let place = objects.iter().position(|object| object["kind"] == "ConfigMap").expect("half of them are");
    let text = |pointer: &str| objects[place].pointer(pointer).and_then(Value::as_str).expect("it is ours").to_owned();
    let path = format!("/api/v1/namespaces/{}/configmaps/{}", text("/metadata/namespace"), text("/metadata/name"));
    let turn = || bench.plane.get(&path).and_then(|map| Some(map["data"]["turn"].as_str()?.to_owned()));
    let reaches = |wanted: &str| {
        let begin = Instant::now();
        while turn().as_deref() != Some(wanted) {
            assert!(begin.elapsed() < Duration::from_secs(60), "it does not come");
            sleep(Duration::from_millis(2));
        }
        begin.elapsed().as_secs_f64()
    };
    let (mut applied, mut asked) = (Vec::new(), Vec::new());
    for run in 1..=RUNS {
        objects[place]["data"]["turn"] = json!(run.to_string());
        bench.write_release(name, &objects);
        bench.render();
        commit(bench, "one object");
        sleep(Duration::from_secs(1));
        let before = requests(bench).len();
        running.nudge();
        applied.push(reaches(&run.to_string()));
        running.synchronised(run + 1);
        sleep(Duration::from_secs(2));
        asked.push(requests(bench).len() - before);
    }
    bar("one of them changed in Git, s", middle(&mut applied), 1.0);
    bar("  requests", *asked.iter().max().expect("some runs") as f64, 10.0);

    let mut corrected = Vec::new();
    for _ in 0..RUNS {
        let patch = json!({"data": {"turn": "mine"}});
        let body = Some(("application/merge-patch+json", &patch));
        let (status, answer) = bench.plane.request(reqwest::Method::PATCH, &path, body);
        assert_eq!(status, 200, "{answer}");
        corrected.push(reaches(&RUNS.to_string()));
        // More often would be a fight.
        sleep(Duration::from_secs(15));
    }
    bar("drift corrected, s", middle(&mut corrected), 2.0);

    let (before, processor) = (requests(bench).len(), running.processor());
    sleep(quiet);
    let asked = requests(bench).split_off(before);
    let share = (running.processor() - processor) / quiet.as_secs_f64() * 100.0;
    asked.iter().take(10).for_each(|request| println!("  {} {}", request.verb, request.uri));
    println!("  left alone for {} s", quiet.as_secs());
    bar("  requests", asked.len() as f64, 0.0);
    bar("  processor, % of a core", share, 0.5);
    let memory = stop(running);

    sleep(Duration::from_secs(1));
    let before = requests(bench).len();
    let running = start(bench, "two");
    running.synchronised(1);
    sleep(Duration::from_secs(2));
    let asked = requests(bench).split_off(before);
    bar("requests of a restart", asked.len() as f64, (2 * KINDS + 5) as f64 + bench.objects as f64 / 500.0);
    bar("  writes", asked.iter().filter(|request| request.writes()).count() as f64, 0.0);
    bar("memory at most, MiB", memory.max(stop(running)), if bench.objects > 1_000 { 100.0 } else { 40.0 });
}

fn requests(bench: &Bench) -> Vec<Request> {
    let requests = bench.plane.requests_of(USER);
    requests.into_iter().filter(|request| !request.uri.contains("/leases")).collect()
}

fn middle(times: &mut [f64]) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

fn commit(bench: &Bench, message: &str) {
    let git = |args: &[&str]| {
        let mut command = Command::new("git");
        command.args(["-c", "user.name=bench", "-c", "user.email=bench@example.com", "-c", "gc.auto=0"]).args(args);
        let status = command.current_dir(bench.folder.path()).status().expect("git can be run");
        assert!(status.success(), "git {args:?}");
    };
    git(&["add", "--all"]);
    git(&["commit", "--quiet", "--message", message]);
}
