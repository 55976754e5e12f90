//! A headless Chromium of its own for a test, driven over the DevTools protocol through a pair of pipes: no port, no
//! driver program, no network.

use std::collections::VecDeque;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

/// The names that the program has.
const PROGRAMS: [&str; 3] = ["chromium", "chromium-browser", "google-chrome"];
/// For one answer.
const TIMEOUT: Duration = Duration::from_secs(60);

/// A browser with one page; it ends when dropped.
pub struct Chromium {
    child: Child,
    requests: ChildStdin,
    messages: Receiver<Value>,
    last_id: u64,
    session: Option<String>,
    /// Messages of the page that nobody asked for.
    events: VecDeque<Value>,
    _profile: TempDir,
}

impl Chromium {
    /// None where `KCFG_BROWSER_TESTS=off` leaves these tests out.
    pub fn start() -> Option<Chromium> {
        if std::env::var("KCFG_BROWSER_TESTS").is_ok_and(|value| value == "off") {
            return None;
        }
        let program = PROGRAMS.into_iter().find(|name| {
            std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()).any(|dir| dir.join(name).is_file())
        });
        let program = program.unwrap_or_else(|| {
            panic!(
                "the HTML report is tested in a real browser, and none of {PROGRAMS:?} is here: install Chromium \
                 (Debian: apt-get install chromium), or leave these tests out with KCFG_BROWSER_TESTS=off"
            )
        });
        let profile = tempfile::tempdir().expect("a temporary folder can be made");
        // The protocol is spoken on the file descriptors 3 and 4.
        let mut child = Command::new("sh")
            .args(["-c", "exec \"$@\" 3<&0 4>&1 </dev/null >/dev/null 2>/dev/null", "sh", program])
            .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"])
            .args(["--disable-background-networking", "--disable-component-update", "--disable-sync"])
            .args(["--disable-dev-shm-usage", "--hide-scrollbars", "--remote-debugging-pipe"])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .arg("about:blank")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("sh can be run");
        let requests = child.stdin.take().expect("it is piped");
        let answers = child.stdout.take().expect("it is piped");
        let (send, messages) = channel();
        std::thread::spawn(move || {
            for message in BufReader::new(answers).split(0).map_while(Result::ok) {
                let message = serde_json::from_slice(&message).expect("messages are JSON");
                if send.send(message).is_err() {
                    break;
                }
            }
        });
        let mut browser = Chromium {
            child,
            requests,
            messages,
            last_id: 0,
            session: None,
            events: VecDeque::new(),
            _profile: profile,
        };
        let target = browser.ask("Target.createTarget", &json!({"url": "about:blank"}));
        let attached = browser.ask("Target.attachToTarget", &json!({"targetId": target["targetId"], "flatten": true}));
        browser.session = attached["sessionId"].as_str().map(str::to_owned);
        for domain in ["Page", "Runtime", "Log", "Network"] {
            browser.ask(&format!("{domain}.enable"), &json!({}));
        }
        browser.size(1280, 900);
        Some(browser)
    }

    /// Sends a request and waits for its answer.
    pub fn ask(&mut self, method: &str, params: &Value) -> Value {
        self.last_id += 1;
        let mut request = json!({"id": self.last_id, "method": method, "params": params});
        if let Some(session) = &self.session {
            request["sessionId"] = json!(session);
        }
        let mut bytes = request.to_string().into_bytes();
        bytes.push(0);
        self.requests.write_all(&bytes).expect("the browser listens");
        let deadline = Instant::now() + TIMEOUT;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let message = self.messages.recv_timeout(left).unwrap_or_else(|e| panic!("{method}: no answer: {e}"));
            if message["id"] == json!(self.last_id) {
                assert!(message["error"].is_null(), "{method}: {}", message["error"]);
                return message["result"].clone();
            }
            self.events.push_back(message);
        }
    }

    /// Opens a page and waits until all of it is there.
    pub fn open(&mut self, address: &str) {
        self.ask("Page.navigate", &json!({"url": address}));
        self.wait("document.readyState === 'complete' && location.href !== 'about:blank'");
    }

    /// The value of a JavaScript expression.
    pub fn value(&mut self, expression: &str) -> Value {
        let params = json!({"expression": expression, "returnByValue": true, "awaitPromise": true});
        let answer = self.ask("Runtime.evaluate", &params);
        assert!(answer["exceptionDetails"].is_null(), "{expression}: {}", answer["exceptionDetails"]);
        answer["result"]["value"].clone()
    }

    /// Waits until an expression is true.
    #[track_caller]
    pub fn wait(&mut self, expression: &str) {
        let deadline = Instant::now() + TIMEOUT;
        while self.value(&format!("Boolean({expression})")) != json!(true) {
            assert!(Instant::now() < deadline, "never true: {expression}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Presses keys, one after the other: single characters, or names like `Enter`.
    pub fn press(&mut self, keys: &[&str]) {
        for key in keys {
            let text = if *key == "Enter" { "\r" } else { key };
            let is_text = *key == "Enter" || key.chars().count() == 1;
            let mut down = json!({"type": if is_text { "keyDown" } else { "rawKeyDown" }, "key": key});
            if is_text {
                down["text"] = json!(text);
            }
            if *key == "Enter" {
                down["windowsVirtualKeyCode"] = json!(13);
            }
            if *key == "Escape" {
                down["windowsVirtualKeyCode"] = json!(27);
            }
            self.ask("Input.dispatchKeyEvent", &down);
            self.ask("Input.dispatchKeyEvent", &json!({"type": "keyUp", "key": key}));
        }
    }

    /// The window's size.
    pub fn size(&mut self, width: u32, height: u32) {
        let size = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": false});
        self.ask("Emulation.setDeviceMetricsOverride", &size);
    }

    /// What the system is said to prefer: `light` or `dark`.
    pub fn prefer(&mut self, scheme: &str) {
        let features = json!([{"name": "prefers-color-scheme", "value": scheme}]);
        self.ask("Emulation.setEmulatedMedia", &json!({"features": features}));
    }

    /// Writes what is seen as a PNG.
    pub fn screenshot(&mut self, path: &Path) {
        let answer = self.ask("Page.captureScreenshot", &json!({"format": "png"}));
        let data = answer["data"].as_str().expect("a picture");
        let bytes = data_encoding::BASE64.decode(data.as_bytes()).expect("base64");
        std::fs::write(path, bytes).expect("a picture can be written");
    }

    /// What went wrong on the page (errors, violations of its policy), and what it asked the network for.
    pub fn complaints(&mut self) -> Vec<String> {
        self.value("0");
        let complaint = |event: &Value| {
            let params = &event["params"];
            let is_bad = match event["method"].as_str()? {
                "Runtime.exceptionThrown" => true,
                "Runtime.consoleAPICalled" => ["error", "warning"].contains(&params["type"].as_str()?),
                "Log.entryAdded" => ["error", "warning"].contains(&params["entry"]["level"].as_str()?),
                "Network.requestWillBeSent" => {
                    let url = params["request"]["url"].as_str()?;
                    !["file:", "data:", "about:"].iter().any(|scheme| url.starts_with(scheme))
                }
                _ => false,
            };
            is_bad.then(|| event.to_string())
        };
        self.events.drain(..).filter_map(|event| complaint(&event)).collect()
    }
}

impl Drop for Chromium {
    fn drop(&mut self) {
        let _ = self.requests.write_all(b"{\"id\":0,\"method\":\"Browser.close\"}\0");
        for _ in 0..100 {
            if self.child.try_wait().is_ok_and(|status| status.is_some()) {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
