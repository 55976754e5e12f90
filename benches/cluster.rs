//! How fast `kcfg apply` is, on a control plane of its own, against `kubectl apply --server-side` and against the limit:
//! a bare loop of the same requests at the same concurrency.
//!
//! ```text
//! just bench-cluster             1,000 objects in 50 releases
//! just bench-cluster 10000 50    10,000 objects
//! just bench-loop                the loop: 10,000 objects in 500 releases, left alone for 600 s
//! just bench-loop 1000 50 60
//! ```
//!
//! Half of the objects are ConfigMaps, a fifth each Deployments and Services, a tenth Roles. Requests are counted by the
//! API server; memory is the most that the process held (VmHWM). Figures are medians of five runs (of one, where a run
//! takes very long).

#![allow(clippy::print_stdout)]

mod cluster_loop;
#[allow(dead_code)] // the tests use other parts of them
#[path = "../tests/cluster/control_plane.rs"]
mod control_plane;
#[allow(dead_code)]
#[path = "../tests/cluster/keeper.rs"]
mod keeper;
#[path = "../tests/cluster/programs.rs"]
mod programs;
#[allow(dead_code)]
#[path = "../tests/cluster/running_loop.rs"]
mod running_loop;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use control_plane::{ControlPlane, Parts};

/// Runs of which the middle one counts.
const RUNS: usize = 5;
/// From so many objects on kubectl, which takes its time, runs once.
const OBJECTS_PATIENCE: usize = 5_000;
/// Namespaces that the objects are spread over.
const NAMESPACES: usize = 5;
/// Requests of the bare loop at a time: as many as kcfg has.
const CONCURRENCY: usize = kcfg::cluster::parallel::CONCURRENCY;
/// Kinds of the objects, and of what kcfg keeps of them.
const KINDS: u64 = 4;
/// What the API server counts of requests that clients made; its own are among them, a few a second.
const COUNTER: &str = "apiserver_request_total";

fn main() {
    // `cargo bench` adds `--bench` of its own.
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    let number = |text: &String| text.parse().unwrap_or_else(|_| panic!("{text:?} is no number"));
    match &args[..] {
        [mode, numbers @ ..] if mode == "loop" => {
            let (objects, releases, quiet) = match numbers {
                [] => (10_000, 500, 600),
                [objects, releases, quiet] => (number(objects), number(releases), number(quiet)),
                _ => panic!("arguments: loop [OBJECTS RELEASES QUIET_SECONDS]"),
            };
            let bench = Bench::new(objects, releases, Parts { controllers: false, audit: true });
            cluster_loop::run(&bench, Duration::from_secs(quiet as u64));
        }
        [] => Bench::new(1_000, 50, Parts { controllers: false, audit: false }).run(),
        [objects, releases] => {
            Bench::new(number(objects), number(releases), Parts { controllers: false, audit: false }).run();
        }
        _ => panic!("arguments: [OBJECTS RELEASES]"),
    }
}

/// A repository, a control plane, and the objects of both.
struct Bench {
    plane: ControlPlane,
    folder: tempfile::TempDir,
    releases: Vec<(String, Vec<Value>)>,
    objects: usize,
}

/// What one run of a program took.
#[derive(Clone, Copy)]
struct Taken {
    time: Duration,
    memory_kib: u64,
    requests: u64,
    writes: u64,
}

impl Bench {
    fn new(objects: usize, releases: usize, parts: Parts) -> Bench {
        let plane = ControlPlane::start(parts).unwrap_or_else(|why| panic!("{why}"));
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let releases = generate(objects, releases);
        let bench = Bench { plane, folder, objects: releases.iter().map(|(_, objects)| objects.len()).sum(), releases };
        for (name, objects) in &bench.releases {
            bench.write_release(name, objects);
        }
        bench.write("kcfg.yaml", "kubeVersion: \"1.36.3\"\n");
        let git = Command::new("git").args(["init", "--quiet"]).current_dir(bench.folder.path()).status();
        assert!(git.is_ok_and(|status| status.success()), "git can be run");
        bench.render();
        for index in 0..NAMESPACES {
            let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace(index)}});
            let (status, answer) = bench.plane.request(
                reqwest::Method::POST,
                "/api/v1/namespaces",
                Some(("application/json", &namespace)),
            );
            assert_eq!(status, 201, "{answer}");
        }
        bench
    }

    fn run(&self) {
        let releases = self.releases.len() as u64;
        println!("{} objects in {releases} releases, {RUNS} runs", self.objects);
        println!("  {:34} {:>9} {:>9} {:>9} {:>8}", "", "time", "memory", "requests", "writes");
        let kubectl_runs = if self.objects >= OBJECTS_PATIENCE { 1 } else { RUNS };
        let rendered = self.folder.path().join("rendered/bench").display().to_string();
        let kubectl = || {
            let mut command = Command::new(self.plane.kubectl_program());
            command.args(["apply", "--server-side", "--force-conflicts", "--recursive", "-f", &rendered]);
            command
        };
        let kubectl_first = self.report("kubectl, first", kubectl_runs, || self.clear(), kubectl);
        self.report("kubectl, unchanged", kubectl_runs, || (), kubectl);
        let bare = median((0..RUNS).map(|_| self.bare_loop()).collect());
        self.print("bare loop of the same requests", bare);

        let kcfg = || {
            let mut command = Command::new(env!("CARGO_BIN_EXE_kcfg"));
            command.args(["apply", "bench", "--init"]);
            command
        };
        let first = self.report("kcfg, first", RUNS, || self.clear(), kcfg);
        let unchanged = self.report("kcfg, unchanged", RUNS, || (), kcfg);
        let mut turn = 0;
        let one_changed = self.report(
            "kcfg, one changed",
            RUNS,
            || {
                turn += 1;
                let (name, objects) = &self.releases[0];
                let mut objects = objects.clone();
                let map = objects.iter_mut().find(|object| object["kind"] == "ConfigMap").expect("half of them are");
                map["data"]["turn"] = json!(turn.to_string());
                self.write_release(name, &objects);
                self.render();
            },
            kcfg,
        );
        assert!(one_changed.writes > 0, "a change is written");

        println!("  bars");
        let ratio = |a: Taken, b: Taken| a.time.as_secs_f64() / b.time.as_secs_f64();
        let objects = self.objects as u64;
        let (seconds_max, memory_max_mb) = if self.objects > 1_000 { (0.5, 100) } else { (0.15, 40) };
        bar("first: share of kubectl's time", ratio(first, kubectl_first), 0.35);
        bar("first: times the bare loop", ratio(first, bare), 1.2);
        bar("first: requests", first.requests as f64, (objects + 2 * KINDS + 2 * releases + 10) as f64);
        bar("unchanged: seconds", unchanged.time.as_secs_f64(), seconds_max);
        bar("unchanged: writes and dry runs", unchanged.writes as f64, 0.0);
        bar("unchanged: requests", unchanged.requests as f64, (2 * KINDS + 5 + objects / 500) as f64);
        let memory = first.memory_kib.max(unchanged.memory_kib).max(one_changed.memory_kib);
        bar("peak memory, MB", memory as f64 / 1024.0, f64::from(memory_max_mb));
    }

    /// Runs a program several times and prints the middle of what it took.
    fn report(&self, name: &str, runs: usize, mut before: impl FnMut(), command: impl Fn() -> Command) -> Taken {
        let taken = (0..runs).map(|_| {
            before();
            self.measure(command())
        });
        let middle = median(taken.collect());
        self.print(name, middle);
        middle
    }

    fn print(&self, name: &str, taken: Taken) {
        let Taken { time, memory_kib, requests, writes } = taken;
        let memory = if memory_kib == 0 { "-".to_owned() } else { format!("{:.1} MB", memory_kib as f64 / 1024.0) };
        println!("  {name:34} {:>7.3} s {memory:>9} {requests:>9} {writes:>8}", time.as_secs_f64());
    }

    fn measure(&self, mut command: Command) -> Taken {
        let before = self.counts();
        let begin = Instant::now();
        let mut child = command
            .current_dir(self.folder.path())
            .env("KUBECONFIG", self.plane.kubeconfig())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it can be run");
        let status = PathBuf::from(format!("/proc/{}/status", child.id()));
        let mut memory_kib = 0;
        // The most memory is only known while the process lives.
        let code = loop {
            memory_kib = memory_kib.max(vm_hwm_kib(&status));
            match child.try_wait().expect("it is ours") {
                Some(code) => break code,
                None => sleep(Duration::from_millis(1)),
            }
        };
        let time = begin.elapsed();
        let mut stderr = String::new();
        let _ = std::io::Read::read_to_string(&mut child.stderr.take().expect("it is a pipe"), &mut stderr);
        assert!(code.success(), "{command:?}: {code}\n{stderr}");
        let (requests, writes) = self.since(before);
        Taken { time, memory_kib, requests, writes }
    }

    /// All requests that the API server counts, and those of them that write or ask what a write would do. Not those
    /// by which it keeps the address of each Service as an object: it makes them itself.
    fn counts(&self) -> (u64, u64) {
        let by_verb = |verb: &str| {
            let own = self.plane.counter(COUNTER, &[("verb", verb), ("resource", "ipaddresses")]);
            self.plane.counter(COUNTER, &[("verb", verb)]) - own
        };
        let writes = ["APPLY", "PATCH", "POST", "PUT", "DELETE", "DELETECOLLECTION"].into_iter().map(by_verb).sum();
        let reads: u64 = ["GET", "LIST"].into_iter().map(by_verb).sum();
        (reads + writes, writes)
    }

    /// How many came since; less what the counting itself asks.
    fn since(&self, before: (u64, u64)) -> (u64, u64) {
        let now = self.counts();
        (now.0 - before.0, now.1 - before.1)
    }

    /// Deletes all objects, and what kcfg keeps of them.
    fn clear(&self) {
        let namespaces = (0..NAMESPACES).map(namespace).chain(["kcfg-system".to_owned()]);
        for namespace in namespaces {
            for path in ["api/v1", "apis/apps/v1", "apis/rbac.authorization.k8s.io/v1"] {
                for kind in ["configmaps", "services", "deployments", "roles"] {
                    let at = format!("/{path}/namespaces/{namespace}/{kind}");
                    let (status, answer) = self.plane.request(reqwest::Method::DELETE, &at, None);
                    assert!([200, 404].contains(&status), "{at}: {status} {answer}");
                }
            }
        }
    }

    /// Applies all objects with nothing else done, and gives the time.
    fn bare_loop(&self) -> Taken {
        self.clear();
        let bodies: Arc<[_]> = self.releases.iter().flat_map(|(_, objects)| objects).map(request).collect();
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime can be made");
        let config = runtime.block_on(async {
            let kubeconfig = kube::config::Kubeconfig::read_from(self.plane.kubeconfig()).expect("it is ours");
            kube::Config::from_custom_kubeconfig(kubeconfig, &Default::default()).await.expect("it is ours")
        });
        let before = self.counts();
        let begin = Instant::now();
        runtime.block_on(async {
            let client = kube::Client::try_from(config).expect("it is ours");
            let next = Arc::new(AtomicUsize::new(0));
            let mut workers = tokio::task::JoinSet::new();
            for _ in 0..CONCURRENCY {
                workers.spawn(apply_some(client.clone(), bodies.clone(), next.clone()));
            }
            workers.join_all().await;
        });
        let time = begin.elapsed();
        let (requests, writes) = self.since(before);
        Taken { time, memory_kib: 0, requests, writes }
    }

    fn write_release(&self, name: &str, objects: &[Value]) {
        let text: String = objects.iter().map(|object| format!("---\n{object}\n")).collect();
        self.write(&format!("releases/bench/{name}.yaml"), &text);
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.folder.path().join(path);
        std::fs::create_dir_all(path.parent().expect("a file has a folder")).expect("a folder can be made");
        std::fs::write(path, text).expect("a file can be written");
    }

    fn render(&self) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kcfg"));
        let output = command.arg("render").current_dir(self.folder.path()).output().expect("kcfg can be run");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

/// Applies one object after the other, always the next that nobody has taken yet.
async fn apply_some(client: kube::Client, bodies: Arc<[(String, Vec<u8>)]>, next: Arc<AtomicUsize>) {
    while let Some((path, body)) = bodies.get(next.fetch_add(1, Ordering::Relaxed)) {
        let request = http::Request::patch(path.as_str())
            .header("Content-Type", "application/apply-patch+yaml")
            .header("Accept", "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1")
            .body(kube::client::Body::from(body.clone()))
            .expect("it is a request");
        let answer = client.send(request).await.expect("it is answered");
        assert!(answer.status().is_success(), "{path}: {}", answer.status());
        answer.into_body().collect_bytes().await.expect("it is answered whole");
    }
}

fn bar(name: &str, is: f64, at_most: f64) {
    let verdict = if is <= at_most { "" } else { "  missed" };
    println!("  {name:34} {is:>9.3} of {at_most:>9.3}{verdict}");
}

/// The run in the middle, by time.
fn median(mut taken: Vec<Taken>) -> Taken {
    taken.sort_by_key(|taken| taken.time);
    taken[taken.len() / 2]
}

fn vm_hwm_kib(status: &Path) -> u64 {
    let text = std::fs::read_to_string(status).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().strip_suffix(" kB")?.parse().ok()).unwrap_or(0)
}

fn namespace(index: usize) -> String {
    format!("bench-{index}")
}

/// Releases of the same mix of objects.
fn generate(objects: usize, releases: usize) -> Vec<(String, Vec<Value>)> {
    let per_release = objects / releases;
    let of_release = |release: usize| {
        let namespace = namespace(release % NAMESPACES);
        let object = |index: usize| object(&namespace, &format!("r{release:03}-{index:03}"), index);
        (format!("release-{release:03}"), (0..per_release).map(object).collect())
    };
    (0..releases).map(of_release).collect()
}

/// Of ten objects five are ConfigMaps, two Deployments, two Services, one is a Role.
fn object(namespace: &str, name: &str, index: usize) -> Value {
    let metadata = json!({"name": name, "namespace": namespace, "labels": {"app": name, "team": "bench"}});
    match index % 10 {
        0..=4 => json!({
            "apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata,
            "data": {"level": "info", "url": format!("https://{name}.example.com"), "index": index.to_string()},
        }),
        5 | 6 => json!({
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata,
            "spec": {
                "replicas": 2,
                "selector": {"matchLabels": {"app": name}},
                "template": {
                    "metadata": {"labels": {"app": name}},
                    "spec": {"containers": [{
                        "name": "web", "image": "registry.example.com/web:1.2.3",
                        "env": [{"name": "LEVEL", "value": "info"}, {"name": "NAME", "value": name}],
                        "ports": [{"containerPort": 8080, "name": "http"}],
                        "resources": {"limits": {"cpu": "500m", "memory": "128Mi"}, "requests": {"cpu": "100m", "memory": "64Mi"}},
                        "readinessProbe": {"httpGet": {"path": "/healthz", "port": "http"}},
                    }]},
                },
            },
        }),
        7 | 8 => json!({
            "apiVersion": "v1", "kind": "Service", "metadata": metadata,
            "spec": {"selector": {"app": name}, "ports": [{"name": "http", "port": 80, "targetPort": "http"}]},
        }),
        _ => json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": metadata,
            "rules": [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get", "list", "watch"]}],
        }),
    }
}

/// Path and body of the request that applies an object.
fn request(object: &Value) -> (String, Vec<u8>) {
    let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).expect("it is ours");
    let (group, plural) = match text("/kind") {
        "ConfigMap" => ("api/v1", "configmaps"),
        "Service" => ("api/v1", "services"),
        "Deployment" => ("apis/apps/v1", "deployments"),
        _ => ("apis/rbac.authorization.k8s.io/v1", "roles"),
    };
    let (namespace, name) = (text("/metadata/namespace"), text("/metadata/name"));
    let path = format!("/{group}/namespaces/{namespace}/{plural}/{name}?fieldManager=bare&force=true");
    (path, object.to_string().into_bytes())
}
