//! [`ControlPlane`]: an API server with its etcd on free ports of the loopback, and optionally the controllers, the
//! scheduler and a kubelet's stand-in.

use std::fs;
use std::io::Write as _;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::thread::sleep;
use std::time::{Duration, Instant};

use reqwest::blocking::Client;
use reqwest::{Certificate, Method};
use serde_json::Value;

use crate::keeper::{Keeper, Pid};
use crate::programs;

/// `KCFG_CLUSTER_TESTS=off` leaves out all tests that need a control plane.
pub const SWITCH: &str = "KCFG_CLUSTER_TESTS";

/// The bearer token of the user `admin`, a member of `system:masters`.
const TOKEN: &str = "admin-token";

/// How long a control plane may take to be ready on a busy machine; a quiet one needs five seconds.
const READY_WITHIN: Duration = Duration::from_secs(120);

/// A port found free may be taken by another process before the program binds it.
const STARTS_MAX: usize = 3;

/// What a control plane consists of.
#[derive(Clone, Copy, Debug)]
pub struct Parts {
    /// kube-controller-manager, kube-scheduler and kwok with one node: Deployments become ready, Namespaces go.
    pub controllers: bool,
    /// A log of all requests that changes or reads anything; costs some time per request.
    pub audit: bool,
}

/// A running control plane. Its programs end with the test process.
pub struct ControlPlane {
    keeper: Keeper,
    parts: Parts,
    programs: [PathBuf; 6],
    port: u16,
    etcd_port: u16,
    etcd: Pid,
    api_server: Mutex<Pid>,
    client: Client,
}

/// The control plane of one file of tests, started by the first test that asks for it.
pub struct Shared {
    parts: Parts,
    plane: OnceLock<Result<ControlPlane, String>>,
}

/// One request that the API server answered, from its audit log.
#[derive(Debug)]
pub struct Request {
    /// `get`, `list`, `watch`, `create`, `update`, `patch`, `delete`, …
    pub verb: String,
    /// Path and query.
    pub uri: String,
    /// The status code of the answer.
    pub status: u64,
    /// Who asked, after impersonation.
    pub user: String,
    /// When the API server had its head, as RFC 3339 in UTC with microseconds: such texts compare as the moments do.
    pub received: String,
    /// When the API server was done with it.
    pub ended: String,
}

impl Request {
    /// Whether it may change what is stored.
    pub fn writes(&self) -> bool {
        !matches!(self.verb.as_str(), "get" | "list" | "watch")
            && !self.is_dry_run()
            && !self.uri.contains("selfsubject")
    }

    /// Whether it changed what is stored, or may have: it was not refused.
    pub fn changed(&self) -> bool {
        self.writes() && self.status < 400
    }

    /// Whether it is about a Lease.
    pub fn is_of_lease(&self) -> bool {
        self.uri.contains("/leases")
    }

    /// Whether it only asks what a write would do.
    pub fn is_dry_run(&self) -> bool {
        self.uri.contains("dryRun=")
    }
}

impl Shared {
    /// A control plane of these parts, not yet started.
    pub const fn new(parts: Parts) -> Shared {
        Shared { parts, plane: OnceLock::new() }
    }

    /// The running control plane.
    ///
    /// With `KCFG_CLUSTER_TESTS=off` the process ends here, successfully, and says so.
    pub fn get(&self) -> &ControlPlane {
        if std::env::var(SWITCH).is_ok_and(|value| value == "off") {
            leave_out();
        }
        let plane = self.plane.get_or_init(|| ControlPlane::start(self.parts));
        plane.as_ref().unwrap_or_else(|why| panic!("{why}"))
    }
}

impl ControlPlane {
    /// Starts one and waits until it is ready.
    ///
    /// # Errors
    /// Says why it cannot be built or does not start, with the last lines of the logs.
    pub fn start(parts: Parts) -> Result<ControlPlane, String> {
        let mut why = String::new();
        for _ in 0..STARTS_MAX {
            match ControlPlane::start_on_free_ports(parts) {
                Err(e) if e.contains("address already in use") => why = e,
                result => return result,
            }
        }
        Err(why)
    }

    fn start_on_free_ports(parts: Parts) -> Result<ControlPlane, String> {
        let programs = ["etcd", "kube-apiserver", "kubectl", "kube-controller-manager", "kube-scheduler", "kwok"];
        let programs = if parts.controllers {
            programs::find(programs)?
        } else {
            let [etcd, api_server, kubectl] = programs::find([programs[0], programs[1], programs[2]])?;
            [etcd, api_server, kubectl, PathBuf::new(), PathBuf::new(), PathBuf::new()]
        };
        let keeper = Keeper::new();
        let [port, etcd_port, peer_port] = free_ports();
        write_files(&keeper, port);
        let etcd = keeper.start("etcd", &programs[0], &etcd_args(etcd_port, peer_port));
        let api_server = keeper.start("kube-apiserver", &programs[1], &api_server_args(parts, port, etcd_port));
        let client = client(&keeper, api_server)?;
        let plane =
            ControlPlane { keeper, parts, programs, port, etcd_port, etcd, api_server: Mutex::new(api_server), client };
        plane.wait_until_ready()?;
        if parts.controllers {
            plane.start_controllers();
        }
        Ok(plane)
    }

    /// Where the API server listens, as `https://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("https://127.0.0.1:{}", self.port)
    }

    /// The kubeconfig of the user `admin`, who may do everything.
    pub fn kubeconfig(&self) -> PathBuf {
        self.keeper.folder().join("admin.kubeconfig")
    }

    /// A kubeconfig of a user of this name, whom the audit log shows; a member of these groups.
    pub fn kubeconfig_of(&self, user: &str, groups: &[&str]) -> PathBuf {
        self.write_kubeconfig(user, groups, &self.url())
    }

    /// A kubeconfig of such a user, for a proxy before the API server.
    pub fn kubeconfig_through(&self, user: &str, groups: &[&str], url: &str) -> PathBuf {
        self.write_kubeconfig(user, groups, url)
    }

    /// A kubeconfig of a service account of kcfg-system, with a token such as its Pod gets; and the token.
    pub fn kubeconfig_of_account(&self, name: &str) -> (PathBuf, String) {
        let path = format!("/api/v1/namespaces/kcfg-system/serviceaccounts/{name}/token");
        let wanted = serde_json::json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}});
        let (status, answer) = self.request(Method::POST, &path, Some(("application/json", &wanted)));
        assert_eq!(status, 201, "{answer}");
        let token = string(&answer["status"]["token"]);
        (write_kubeconfig(&self.keeper, name, &format!("token: {token}"), &self.url()), token)
    }

    /// The certificates that the API server's own can be checked with.
    pub fn certificate(&self) -> PathBuf {
        self.keeper.folder().join("certificates/apiserver.crt")
    }

    /// What an object or a collection at this path holds; none where there is no such thing.
    pub fn get(&self, path: &str) -> Option<Value> {
        match self.request(Method::GET, path, None) {
            (404, _) => None,
            (200, value) => Some(value),
            (status, value) => panic!("GET {path}: {status} {value}"),
        }
    }

    /// Sends a request as `admin`: the status code and what was answered (null where that is no JSON).
    pub fn request(&self, method: Method, path: &str, body: Option<(&str, &Value)>) -> (u16, Value) {
        let mut request = self.client.request(method, format!("{}{path}", self.url())).bearer_auth(TOKEN);
        if let Some((media_type, value)) = body {
            request = request.header("Content-Type", media_type).body(value.to_string());
        }
        let answer = request.send().unwrap_or_else(|e| panic!("{path}: {e:?}"));
        let status = answer.status().as_u16();
        (status, serde_json::from_slice(&answer.bytes().unwrap_or_default()).unwrap_or_default())
    }

    /// The client with which [`Self::request`] asks; it trusts the API server's certificate.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Where kubectl is.
    pub fn kubectl_program(&self) -> &Path {
        &self.programs[2]
    }

    /// Runs kubectl as `admin` with this standard input, and gives what it prints; it must succeed.
    #[track_caller]
    pub fn kubectl(&self, args: &[&str], input: &str) -> String {
        let (success, stdout, stderr) = self.try_kubectl(args, input);
        assert!(success, "kubectl {args:?}: {stderr}");
        stdout
    }

    /// Runs kubectl as `admin`: whether it succeeded, and both its outputs.
    pub fn try_kubectl(&self, args: &[&str], input: &str) -> (bool, String, String) {
        // A file, so that neither side waits for the other.
        let mut file = tempfile::tempfile().expect("a temporary file can be made");
        file.write_all(input.as_bytes()).expect("it can be written");
        std::io::Seek::rewind(&mut file).expect("it can be read");
        let output = Command::new(&self.programs[2])
            .args(args)
            .env("KUBECONFIG", self.kubeconfig())
            .stdin(Stdio::from(file))
            .output()
            .expect("kubectl can be run");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.success(), text(&output.stdout), text(&output.stderr))
    }

    /// The requests that a user made so far, in the order of their ends. Needs [`Parts::audit`].
    pub fn requests_of(&self, user: &str) -> Vec<Request> {
        assert!(self.parts.audit, "this control plane keeps no audit log");
        let text = fs::read_to_string(self.keeper.folder().join("audit.log")).expect("there is an audit log");
        // The last line may be half written.
        let events = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let requests = events.filter(|event| event["stage"] == "ResponseComplete").map(|event| Request {
            verb: string(&event["verb"]),
            uri: string(&event["requestURI"]),
            status: event["responseStatus"]["code"].as_u64().unwrap_or_default(),
            user: string(event.pointer("/impersonatedUser/username").unwrap_or(&event["user"]["username"])),
            received: string(&event["requestReceivedTimestamp"]),
            ended: string(&event["stageTimestamp"]),
        });
        requests.filter(|request| request.user == user).collect()
    }

    /// The sum of one of the API server's counters over those of its series whose labels include all of these.
    pub fn counter(&self, name: &str, labels: &[(&str, &str)]) -> u64 {
        let request = self.client.get(format!("{}/metrics", self.url())).bearer_auth(TOKEN);
        let text = request.send().and_then(reqwest::blocking::Response::text).expect("metrics can be read");
        let wanted: Vec<_> = labels.iter().map(|(label, value)| format!("{label}=\"{value}\"")).collect();
        let series = text.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix('{')?.split_once('}'));
        let matching = series.filter(|(labels, _)| wanted.iter().all(|label| labels.contains(label.as_str())));
        matching.map(|(_, value)| value.trim().parse::<f64>().expect("a counter is a number") as u64).sum()
    }

    /// Kills the API server with SIGKILL and waits until its port is closed.
    pub fn kill_api_server(&self) {
        let pid = *self.api_server.lock().unwrap_or_else(PoisonError::into_inner);
        pid.signal("KILL");
        while pid.runs() {
            sleep(Duration::from_millis(5));
        }
    }

    /// Starts the API server again, on the same port, and waits until it is ready.
    pub fn restart_api_server(&self) {
        let args = api_server_args(self.parts, self.port, self.etcd_port);
        let pid = self.keeper.start("kube-apiserver", &self.programs[1], &args);
        *self.api_server.lock().unwrap_or_else(PoisonError::into_inner) = pid;
        self.wait_until_ready().unwrap_or_else(|why| panic!("{why}"));
    }

    /// Stops etcd with SIGSTOP: the API server then answers nothing that needs it.
    pub fn freeze_etcd(&self) {
        self.etcd.signal("STOP");
    }

    /// Lets etcd go on.
    pub fn thaw_etcd(&self) {
        self.etcd.signal("CONT");
    }

    /// Tries until the API server says it is ready.
    pub fn wait_until_ready(&self) -> Result<(), String> {
        let begin = Instant::now();
        let ready = || {
            let request = self.client.get(format!("{}/readyz", self.url())).bearer_auth(TOKEN);
            request.timeout(Duration::from_secs(5)).send().is_ok_and(|answer| answer.status().is_success())
        };
        while !ready() {
            let pid = *self.api_server.lock().unwrap_or_else(PoisonError::into_inner);
            if begin.elapsed() > READY_WITHIN || !pid.runs() || !self.etcd.runs() {
                return Err(format!(
                    "the control plane is not ready after {} s\n{}{}",
                    begin.elapsed().as_secs(),
                    self.keeper.log_tail("etcd"),
                    self.keeper.log_tail("kube-apiserver")
                ));
            }
            sleep(Duration::from_millis(50));
        }
        Ok(())
    }

    fn start_controllers(&self) {
        let kubeconfig = self.kubeconfig().display().to_string();
        let args = |rest: &[&str]| {
            let all = ["--kubeconfig", kubeconfig.as_str()].into_iter().chain(rest.iter().copied());
            all.map(str::to_owned).collect::<Vec<_>>()
        };
        let manager = args(&[
            "--leader-elect=false",
            "--secure-port=0",
            "--service-account-private-key-file=service-account.key",
            "--root-ca-file=certificates/apiserver.crt",
            "--use-service-account-credentials=true",
        ]);
        self.keeper.start("kube-controller-manager", &self.programs[3], &manager);
        let scheduler = args(&["--leader-elect=false", "--secure-port=0"]);
        self.keeper.start("kube-scheduler", &self.programs[4], &scheduler);
        self.keeper.start("kwok", &self.programs[5], &args(&["--manage-all-nodes=true", "--server-address="]));
        let resources = serde_json::json!({"cpu": "64", "memory": "256Gi", "pods": "1000"});
        let node = serde_json::json!({
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {"name": "node", "labels": {"kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64"}},
            "status": {"allocatable": resources, "capacity": resources},
        });
        let (status, answer) = self.request(Method::POST, "/api/v1/nodes", Some(("application/json", &node)));
        assert_eq!(status, 201, "{answer}");
    }

    fn write_kubeconfig(&self, user: &str, groups: &[&str], url: &str) -> PathBuf {
        let identity = if user == "admin" {
            format!("token: {TOKEN}")
        } else {
            format!("token: {TOKEN}, as: {user}, as-groups: {groups:?}")
        };
        write_kubeconfig(&self.keeper, user, &identity, url)
    }
}

/// How long after `begin` a condition held first; fails where it does not within `limit`.
#[track_caller]
pub fn eventually(limit: Duration, what: &str, condition: impl Fn() -> bool) {
    let begin = Instant::now();
    while !condition() {
        assert!(begin.elapsed() < limit, "not within {} s: {what}", limit.as_secs());
        sleep(Duration::from_millis(50));
    }
}

/// Ends the process: the test harness knows no other way to leave out tests that already run.
#[allow(clippy::exit)]
fn leave_out() -> ! {
    // Not `eprintln!`, which the harness captures.
    let _ = writeln!(std::io::stderr(), "tests on a control plane are left out: {SWITCH}=off");
    std::process::exit(0)
}

fn string(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// Ports that are free at this moment, all different.
fn free_ports<const N: usize>() -> [u16; N] {
    let listeners: [TcpListener; N] =
        std::array::from_fn(|_| TcpListener::bind("127.0.0.1:0").expect("a port is free"));
    listeners.map(|listener| listener.local_addr().expect("it is bound").port())
}

/// What the programs read: the key pair for service accounts, who has which token, what the audit log records.
fn write_files(keeper: &Keeper, port: u16) {
    let (private, public) = service_account_keys();
    let policy = "apiVersion: audit.k8s.io/v1\nkind: Policy\nomitStages: [RequestReceived, ResponseStarted]\n\
                  rules:\n- {level: None, userGroups: [\"system:serviceaccounts:kube-system\"]}\n- {level: Metadata}\n";
    let files = [
        ("service-account.key", private),
        ("service-account.pub", public),
        ("tokens.csv", format!("{TOKEN},admin,admin,system:masters\n")),
        ("audit-policy.yaml", policy.to_owned()),
    ];
    for (name, text) in files {
        fs::write(keeper.folder().join(name), text).expect("the folder is ours");
    }
    write_kubeconfig(keeper, "admin", &format!("token: {TOKEN}"), &format!("https://127.0.0.1:{port}"));
}

fn write_kubeconfig(keeper: &Keeper, name: &str, identity: &str, url: &str) -> PathBuf {
    let certificate = keeper.folder().join("certificates/apiserver.crt");
    let authority = if url.starts_with("https:") {
        format!(", certificate-authority: {}", certificate.display())
    } else {
        String::new()
    };
    let text = format!(
        "apiVersion: v1\nkind: Config\nclusters: [{{name: test, cluster: {{server: \"{url}\"{authority}}}}}]\n\
         users: [{{name: {name}, user: {{{identity}}}}}]\n\
         contexts: [{{name: test, context: {{cluster: test, user: {name}}}}}]\ncurrent-context: test\n"
    );
    let path = keeper.folder().join(format!("{name}.kubeconfig"));
    fs::write(&path, text).expect("the folder is ours");
    path
}

fn etcd_args(port: u16, peer_port: u16) -> Vec<String> {
    let (client, peer) = (format!("http://127.0.0.1:{port}"), format!("http://127.0.0.1:{peer_port}"));
    vec![
        "--data-dir=etcd-data".to_owned(),
        "--log-level=error".to_owned(),
        "--unsafe-no-fsync".to_owned(),
        format!("--listen-client-urls={client}"),
        format!("--advertise-client-urls={client}"),
        format!("--listen-peer-urls={peer}"),
        format!("--initial-advertise-peer-urls={peer}"),
        format!("--initial-cluster=default={peer}"),
    ]
}

/// The API server makes itself a certificate in `certificates/`, once.
fn api_server_args(parts: Parts, port: u16, etcd_port: u16) -> Vec<String> {
    let mut args = vec![
        format!("--etcd-servers=http://127.0.0.1:{etcd_port}"),
        format!("--secure-port={port}"),
        "--bind-address=127.0.0.1".to_owned(),
        "--advertise-address=127.0.0.1".to_owned(),
        "--endpoint-reconciler-type=none".to_owned(),
        "--cert-dir=certificates".to_owned(),
        "--token-auth-file=tokens.csv".to_owned(),
        "--service-account-key-file=service-account.pub".to_owned(),
        "--service-account-signing-key-file=service-account.key".to_owned(),
        "--service-account-issuer=https://kubernetes.default.svc".to_owned(),
        "--service-cluster-ip-range=10.0.0.0/16".to_owned(),
        "--authorization-mode=RBAC".to_owned(),
        "--allow-privileged=true".to_owned(),
    ];
    if parts.audit {
        args.push("--audit-log-path=audit.log".to_owned());
        args.push("--audit-policy-file=audit-policy.yaml".to_owned());
    }
    args
}

/// A client that trusts the certificate which the API server makes itself while it starts.
fn client(keeper: &Keeper, api_server: Pid) -> Result<Client, String> {
    // An error says that another test was first.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let path = keeper.folder().join("certificates/apiserver.crt");
    let begin = Instant::now();
    loop {
        let certificates = fs::read(&path).unwrap_or_default();
        // The file holds the server's certificate and its issuer's.
        if let Ok(certificates) = Certificate::from_pem_bundle(&certificates)
            && certificates.len() == 2
        {
            let client = Client::builder().tls_certs_only(certificates).no_proxy().timeout(Duration::from_secs(60));
            return client.build().map_err(|e| e.to_string());
        }
        if begin.elapsed() > READY_WITHIN || !api_server.runs() {
            return Err(format!("kube-apiserver made no certificate\n{}", keeper.log_tail("kube-apiserver")));
        }
        sleep(Duration::from_millis(20));
    }
}

/// A key pair of P-256 as PEM: private (PKCS #8), public (SubjectPublicKeyInfo).
fn service_account_keys() -> (String, String) {
    use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
    /// SubjectPublicKeyInfo of an uncompressed point on P-256, up to the point itself (RFC 5480).
    const PUBLIC_PREFIX: [u8; 26] = [
        0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48,
        0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
    ];
    let random = ring::rand::SystemRandom::new();
    let private = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).expect("there is randomness");
    let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, private.as_ref(), &random)
        .expect("it was just made");
    let public = [&PUBLIC_PREFIX[..], pair.public_key().as_ref()].concat();
    let pem = |label: &str, der: &[u8]| {
        let text = data_encoding::BASE64.encode(der);
        let lines: Vec<_> = text.as_bytes().chunks(64).map(|line| String::from_utf8_lossy(line)).collect();
        format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
    };
    (pem("PRIVATE KEY", private.as_ref()), pem("PUBLIC KEY", &public))
}
