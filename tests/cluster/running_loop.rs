//! [`Loop`]: a running `kcfg apply --watch`, as tests, benches and the soak see it: its log, its server, its process.

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// What webhooks are signed with.
pub const SECRET: &str = "a long random text";
/// The environment variables that the Deployment of charts/kcfg sets, by which memory is measured.
pub const VARIABLES: [(&str, &str); 1] = [("MALLOC_ARENA_MAX", "1")];
/// Ticks of /proc/PID/stat in a second.
const TICKS: f64 = 100.0;

/// A running loop; killed when dropped.
pub struct Loop {
    child: Child,
    port: u16,
    log: PathBuf,
}

impl Loop {
    /// A loop that somebody else describes: it listens on that port, and its log goes to that file.
    pub fn of(mut command: Command, port: u16, log: PathBuf) -> Loop {
        let child = command
            .envs(VARIABLES)
            .stdout(File::create(&log).expect("the folder is ours"))
            .spawn()
            .expect("kcfg can be run");
        Loop { child, port, log }
    }

    /// A loop that follows the HEAD of a repository at `url`; its log is in `folder`, by this name. `command` is
    /// `kcfg apply ENV`, to be run with the credentials of whoever it is.
    pub fn following(mut command: Command, url: &str, folder: &Path, name: &str, args: &[&str]) -> Loop {
        let (log, secret) = (folder.join(format!("{name}.log")), folder.join("webhook-secret"));
        fs::write(&secret, SECRET).expect("the folder is ours");
        let port = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port").port();
        command.args(["--watch", "--git-url", url, "--log-format", "json"]);
        command.args(["--listen", &format!("127.0.0.1:{port}"), "--webhook-secret-file"]).arg(secret).args(args);
        Loop::of(command, port, log)
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// What it said so far.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).expect("the log can be read")
    }

    /// Waits until the log has a text so often.
    #[track_caller]
    pub fn says(&self, text: &str, count: usize) {
        self.says_within(Duration::from_secs(30), text, count);
    }

    /// Waits that long until the log has a text so often.
    #[track_caller]
    pub fn says_within(&self, time: Duration, text: &str, count: usize) {
        let begin = Instant::now();
        while self.log().matches(text).count() < count {
            assert!(begin.elapsed() < time, "the log lacks `{text}`:\n{}", self.log());
            sleep(Duration::from_millis(20));
        }
    }

    /// Waits until it synchronised so often.
    #[track_caller]
    pub fn synchronised(&self, count: usize) {
        self.says_within(Duration::from_secs(300), "\"message\":\"synchronised\"", count);
    }

    /// Sends a request to its server, bytes as they are, and gives the whole answer.
    pub fn ask(&self, request: &[u8]) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).expect("the loop listens");
        // A server that has seen enough may close before all is written.
        let _ = stream.write_all(request);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        String::from_utf8_lossy(&answer).into_owned()
    }

    /// The answer to a GET.
    pub fn get(&self, path: &str) -> String {
        self.ask(format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").as_bytes())
    }

    /// A number of its metrics, over all values of its labels; 0 where there is none yet.
    pub fn metric(&self, name: &str) -> f64 {
        let text = self.get("/metrics");
        let of_line = |line: &str| line.strip_prefix(name)?.strip_prefix('{')?.rsplit_once(' ')?.1.parse::<f64>().ok();
        text.lines().filter_map(of_line).sum()
    }

    /// Calls its webhook.
    pub fn nudge(&self) {
        let head = "POST /webhook HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 2\r\n";
        let answer = self.ask(format!("{head}x-gitlab-token: {SECRET}\r\n\r\n{{}}").as_bytes());
        assert!(answer.starts_with("HTTP/1.1 202"), "{answer}");
    }

    /// Calls its webhook, if it listens yet; what it fetches first is newer then.
    pub fn try_nudge(&self) {
        if TcpStream::connect(("127.0.0.1", self.port)).is_ok() {
            self.nudge();
        }
    }

    /// Sends it a signal, as `-TERM`.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([name, &self.child.id().to_string()]).status().expect("there is kill");
        assert!(sent.success());
    }

    /// Seconds of processor time that it has taken.
    pub fn processor(&self) -> f64 {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id())).expect("it runs");
        let fields: Vec<&str> = stat.rsplit_once(')').expect("a name").1.split_ascii_whitespace().collect();
        let ticks: f64 = fields[11..13].iter().map(|ticks| ticks.parse::<f64>().expect("a number")).sum();
        ticks / TICKS
    }

    /// A line of /proc/PID/status in KiB: `VmRSS`, `VmHWM`.
    pub fn memory_kib(&self, line: &str) -> u64 {
        let text = fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("it runs");
        let found = text.lines().find_map(|text| text.strip_prefix(line)?.strip_prefix(':'));
        found.and_then(|text| text.trim().strip_suffix(" kB")?.parse().ok()).unwrap_or(0)
    }

    /// Ends it with SIGKILL; gives what it said.
    pub fn kill(mut self) -> String {
        self.child.kill().expect("it is ours");
        self.child.wait().expect("it ends");
        self.log()
    }

    /// Asks it to end with SIGTERM, and waits for that; gives what it said.
    pub fn stop(mut self) -> String {
        self.signal("-TERM");
        let code = self.child.wait().expect("it ends");
        let log = self.log();
        assert!(code.success(), "{log}");
        log
    }
}

impl Drop for Loop {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
