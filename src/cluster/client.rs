//! Requests to the API server: each counted, limited in time, and repeated within limits where the server or the network
//! failed. No request starts once the [`Gate`] is closed, and none leaves once its deadline is past ([`connection`]).
//!
//! HTTP/1.1 over kept connections, as many as there are requests at a time.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::{Method, Request, StatusCode};
use http_body_util::BodyExt as _;
use kube::client::Body;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::core::response::{Status, StatusCause};
use serde::de::DeserializeOwned;

use crate::error::Diagnostic;

use super::moment::Moment;
use super::{Target, connection};

/// How long one request may take, its answer read.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
/// How long what is written to a connection may be on its way until the API server's machine has it. Then the kernel gives
/// it up; else it would send minutes later, when the network is back, what a request left in the socket.
pub const SENDING_TIMEOUT: Duration = Duration::from_secs(10);
/// How long the API server may work at a request that writes. It would do so for a minute, as when a webhook takes its
/// time, for a client that was stopped and closes no connection.
pub const WRITING_TIMEOUT: Duration = Duration::from_secs(25);
/// How long it may take to connect.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How often a request is repeated where the server cannot answer at the moment.
const RETRIES_MAX: u32 = 10;
/// How often a request is repeated after an error that may well last, such as that of a webhook.
const RETRIES_MAX_INTERNAL: u32 = 3;
/// The pause before the first repetition; each further one is twice as long, up to [`RETRY_PAUSE_MAX`].
const RETRY_PAUSE: Duration = Duration::from_millis(100);
/// The longest pause before a repetition, whatever the server asks for.
const RETRY_PAUSE_MAX: Duration = Duration::from_secs(5);
/// How long a watch may say nothing, as over a connection that nobody told it is dead: the API server sends bookmarks
/// about once a minute.
const LINE_TIMEOUT: Duration = Duration::from_secs(150);
/// Bytes of one line of a watch: the metadata of one object.
const LINE_BYTES_MAX: usize = 4 << 20;
/// Characters of an answer that is no Status shown in an error.
const SHOWN_CHARACTERS_MAX: usize = 200;

/// What an answer holds: objects whole, or their metadata alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accept {
    /// Whole objects, or a document that is no object.
    Json,
    /// `PartialObjectMetadata`.
    Metadata,
    /// `PartialObjectMetadataList`.
    MetadataList,
    /// Aggregated discovery, or what a server has that does not know it.
    Discovery,
}

impl Accept {
    fn header(self) -> &'static str {
        match self {
            Accept::Json => "application/json",
            Accept::Metadata => "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1",
            Accept::MetadataList => "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1",
            Accept::Discovery => {
                "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,\
                 application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,application/json"
            }
        }
    }
}

/// One request.
#[derive(Debug, Clone)]
pub struct Call {
    /// GET, PATCH, …
    pub method: Method,
    /// Path and query.
    pub path: String,
    /// What the answer holds.
    pub accept: Accept,
    /// The body's type; empty where there is no body.
    pub content_type: &'static str,
    /// The body.
    pub body: Vec<u8>,
}

/// The body of a server-side apply. JSON is YAML.
pub const APPLY_PATCH: &str = "application/apply-patch+yaml";
/// The body of a JSON merge patch.
pub const MERGE_PATCH: &str = "application/merge-patch+json";
/// The body of a JSON patch.
pub const JSON_PATCH: &str = "application/json-patch+json";
/// A body of JSON.
pub const JSON: &str = "application/json";

impl Call {
    /// A GET.
    pub fn get(path: impl Into<String>, accept: Accept) -> Call {
        Call { method: Method::GET, path: path.into(), accept, content_type: "", body: Vec::new() }
    }

    /// A PATCH of this type; the answer holds metadata alone.
    pub fn patch(path: impl Into<String>, content_type: &'static str, body: Vec<u8>) -> Call {
        Call { method: Method::PATCH, path: path.into(), accept: Accept::Metadata, content_type, body }
    }

    /// A DELETE with these options, if there are any.
    pub fn delete(path: impl Into<String>, options: Vec<u8>) -> Call {
        Call { method: Method::DELETE, path: path.into(), accept: Accept::Json, content_type: JSON, body: options }
    }
}

/// An answer of 2xx.
#[derive(Debug)]
pub struct Answer {
    /// 200, 201, 202.
    pub code: u16,
    /// What the server says beside the answer: deprecated versions, unknown fields.
    pub warnings: Vec<String>,
    /// The body.
    pub body: Vec<u8>,
}

impl Answer {
    /// The body, read.
    ///
    /// # Errors
    /// It is not of that form.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        serde_json::from_slice(&self.body).map_err(|error| Failure::Unreadable(error.to_string()))
    }
}

/// Why there is no answer.
#[derive(Debug, Clone)]
pub enum Failure {
    /// The server said no.
    Refused {
        /// The HTTP status.
        code: u16,
        /// The reason in one word: `Forbidden`, `Invalid`, `Conflict`.
        reason: String,
        /// What it said.
        message: String,
        /// The fields that it is about, and why.
        causes: Vec<(String, String, String)>,
    },
    /// No answer within [`REQUEST_TIMEOUT`], however often it was tried.
    TimedOut,
    /// The server could not be reached, or the connection broke, however often it was tried.
    Unreachable(String),
    /// The answer is not of the form it should have.
    Unreadable(String),
    /// The gate is closed: the lease ran out, or somebody asked to stop.
    Stopped,
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Failure::Refused { message, .. } => f.write_str(message),
            Failure::TimedOut => write!(f, "no answer within {} s", REQUEST_TIMEOUT.as_secs()),
            Failure::Unreachable(why) => write!(f, "the API server cannot be reached: {why}"),
            Failure::Unreadable(why) => write!(f, "the API server's answer cannot be read: {why}"),
            Failure::Stopped => f.write_str("stopped before it was done"),
        }
    }
}

impl Failure {
    /// The HTTP status, where the server answered.
    pub fn code(&self) -> Option<u16> {
        match self {
            Failure::Refused { code, .. } => Some(*code),
            _ => None,
        }
    }

    /// The same as a diagnostic about what was being done.
    pub fn diagnostic(&self, doing: &str) -> Diagnostic {
        let error = Diagnostic::error(format!("cannot {doing}: {self}"));
        match self {
            Failure::Refused { code: 401, .. } => error.help("log in again: the credentials are not valid (any more)"),
            Failure::Refused { code: 403, .. } => error.help("give the account that kcfg uses the right to it (RBAC)"),
            Failure::TimedOut | Failure::Unreachable(_) => {
                error.help("is this the right cluster, and is it up? `kubectl get --raw /readyz` asks it")
            }
            _ => error,
        }
    }

    fn is_transient(&self) -> bool {
        match self {
            Failure::Refused { code, .. } => matches!(code, 429 | 500 | 502 | 503 | 504),
            Failure::TimedOut | Failure::Unreachable(_) => true,
            Failure::Unreadable(_) | Failure::Stopped => false,
        }
    }

    fn retries_max(&self) -> u32 {
        if self.code() == Some(500) { RETRIES_MAX_INTERNAL } else { RETRIES_MAX }
    }
}

/// Whether requests may still start: closed by whoever asks to stop, and by a deadline such as a lease's.
#[derive(Debug, Clone, Default)]
pub struct Gate(Arc<Mutex<GateState>>);

#[derive(Debug, Default)]
struct GateState {
    is_closed: bool,
    deadline: Option<Moment>,
}

impl Gate {
    /// No request starts any more; those under way end by themselves.
    pub fn close(&self) {
        self.state().is_closed = true;
    }

    /// No request starts after this moment. A later call moves it.
    pub fn set_deadline(&self, deadline: Option<Moment>) {
        self.state().deadline = deadline;
    }

    /// Whether a request may start now.
    pub fn is_open(&self) -> bool {
        !self.state().is_closed && !self.is_overdue()
    }

    /// Whether the deadline is past: not even what has begun may leave then.
    pub fn is_overdue(&self) -> bool {
        let deadline = self.state().deadline;
        deadline.is_some_and(|deadline| Moment::now() >= deadline)
    }

    fn state(&self) -> std::sync::MutexGuard<'_, GateState> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// A connection to one API server; clones share everything.
#[derive(Clone)]
pub struct Client {
    inner: kube::Client,
    /// The same, through other connections, which no gate breaks.
    open: kube::Client,
    gate: Gate,
    requests: Arc<AtomicU64>,
    /// The kubeconfig's context; none with a service account.
    pub context: Option<String>,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").field("context", &self.context).finish_non_exhaustive()
    }
}

impl Client {
    /// Prepares the connection; nothing is sent yet.
    ///
    /// # Errors
    /// There is no kubeconfig and no service account, or they cannot be read.
    pub async fn new(target: &Target, gate: Gate) -> Result<Client, Diagnostic> {
        let fail = |why: String| {
            Diagnostic::error(format!("no cluster to talk to: {why}"))
                .help("name one with --kubeconfig FILE and --context NAME; in a pod its service account is used")
        };
        let kubeconfig = match &target.kubeconfig {
            Some(path) => Kubeconfig::read_from(path).map(Some).map_err(|error| fail(error.to_string()))?,
            None => match Kubeconfig::read() {
                Ok(kubeconfig) => Some(kubeconfig),
                Err(error) if target.context.is_some() => return Err(fail(error.to_string())),
                Err(_) => None,
            },
        };
        let (mut config, context) = match kubeconfig {
            Some(kubeconfig) => {
                let context = target.context.clone().or_else(|| kubeconfig.current_context.clone());
                let options = KubeConfigOptions { context: target.context.clone(), ..KubeConfigOptions::default() };
                let config = kube::Config::from_custom_kubeconfig(kubeconfig, &options).await;
                (config.map_err(|error| fail(error.to_string()))?, context)
            }
            None => {
                let config = kube::Config::incluster();
                (config.map_err(|error| fail(format!("there is no kubeconfig, and {error}")))?, None)
            }
        };
        // Requests are repeated here, within limits, and each has its own timeout.
        config.default_retry = false;
        config.connect_timeout = Some(CONNECT_TIMEOUT);
        let prepared = connection::prepare(config, &gate).map_err(|error| fail(error.to_string()))?;
        Ok(Client { inner: prepared.gated, open: prepared.open, gate, requests: Arc::default(), context })
    }

    /// How many requests were sent so far, the repeated ones too.
    pub fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    /// The cluster, as people call it.
    pub fn name(&self) -> String {
        self.context.clone().unwrap_or_else(|| "the cluster".to_owned())
    }

    /// The same API server for what only reads, and goes on while the gate is closed.
    pub fn ungated(&self) -> Client {
        Client { inner: self.open.clone(), gate: Gate::default(), ..self.clone() }
    }

    /// Whether requests may still start.
    pub fn gate(&self) -> &Gate {
        &self.gate
    }

    /// Sends a request and reads the answer. Every request that kcfg makes may be repeated: applies and patches say what
    /// should be, deletes name a uid.
    ///
    /// # Errors
    /// The last failure, once repeating it is over.
    pub async fn send(&self, call: &Call) -> Result<Answer, Failure> {
        let mut pause = RETRY_PAUSE;
        let mut tries = 0;
        loop {
            if !self.gate.is_open() {
                return Err(Failure::Stopped);
            }
            self.requests.fetch_add(1, Ordering::Relaxed);
            let (failure, asked_pause) = match tokio::time::timeout(REQUEST_TIMEOUT, self.once(call)).await {
                Ok(Ok(answer)) => return Ok(answer),
                Ok(Err(failure)) => failure,
                Err(_) => (Failure::TimedOut, None),
            };
            if !failure.is_transient() || tries >= failure.retries_max() {
                return Err(failure);
            }
            tries += 1;
            tokio::time::sleep(jittered(asked_pause.unwrap_or(pause).min(RETRY_PAUSE_MAX))).await;
            pause = (pause * 2).min(RETRY_PAUSE_MAX);
        }
    }

    /// Sends a request once, for at most this long: for what nothing depends on.
    ///
    /// # Errors
    /// It failed.
    pub async fn send_once(&self, call: &Call, time: Duration) -> Result<Answer, Failure> {
        if !self.gate.is_open() {
            return Err(Failure::Stopped);
        }
        self.requests.fetch_add(1, Ordering::Relaxed);
        let sent = tokio::time::timeout(time, self.once(call)).await;
        sent.unwrap_or(Err((Failure::TimedOut, None))).map_err(|(failure, _)| failure)
    }

    /// Sends a request whose answer comes line by line, as a watch's does. It is not repeated.
    ///
    /// # Errors
    /// The server cannot be reached, or says no.
    pub async fn lines(&self, call: &Call) -> Result<Lines, Failure> {
        if !self.gate.is_open() {
            return Err(Failure::Stopped);
        }
        self.requests.fetch_add(1, Ordering::Relaxed);
        let opened = tokio::time::timeout(REQUEST_TIMEOUT, async {
            let request = Request::builder().uri(&call.path).header(http::header::ACCEPT, call.accept.header());
            let request = request.body(Body::empty()).map_err(|error| Failure::Unreachable(error.to_string()))?;
            let response = self.inner.send(request).await.map_err(|error| Failure::Unreachable(innermost(&error)))?;
            let (head, body) = response.into_parts();
            if head.status.is_success() {
                return Ok(Lines { body, rest: Vec::new(), at: 0, searched: 0 });
            }
            let body = body.collect_bytes().await.map_err(|error| Failure::Unreachable(innermost(&error)))?;
            Err(refusal(head.status, &body))
        });
        opened.await.unwrap_or(Err(Failure::TimedOut))
    }

    /// Sends it once; with a failure comes the pause that the server asks for.
    async fn once(&self, call: &Call) -> Result<Answer, (Failure, Option<Duration>)> {
        let mut path = call.path.clone();
        if call.method != Method::GET {
            let separator = if path.contains('?') { '&' } else { '?' };
            path.push_str(&format!("{separator}timeout={}s", WRITING_TIMEOUT.as_secs()));
        }
        let mut request = Request::builder().method(call.method.clone()).uri(path);
        request = request.header(http::header::ACCEPT, call.accept.header());
        if !call.content_type.is_empty() {
            request = request.header(http::header::CONTENT_TYPE, call.content_type);
        }
        let request =
            request.body(Body::from(call.body.clone())).map_err(|e| (Failure::Unreachable(e.to_string()), None))?;
        let unreachable = |error: kube::Error| (Failure::Unreachable(innermost(&error)), None);
        let response = self.inner.send(request).await.map_err(unreachable)?;
        let code = response.status();
        let (head, body) = response.into_parts();
        let asked_pause = head.headers.get("retry-after").and_then(|value| value.to_str().ok()?.parse().ok());
        let asked_pause = asked_pause.map(Duration::from_secs);
        let warnings = head.headers.get_all("warning").iter();
        let warnings = warnings.filter_map(|value| warning_text(value.to_str().ok()?)).collect();
        let body = body.collect_bytes().await.map_err(unreachable)?;
        if code.is_success() {
            return Ok(Answer { code: code.as_u16(), warnings, body: body.into() });
        }
        Err((refusal(code, &body), asked_pause))
    }
}

/// An answer that comes line by line.
#[derive(Debug)]
pub struct Lines {
    body: Body,
    rest: Vec<u8>,
    /// Where the next line begins.
    at: usize,
    /// Up to where no line ends.
    searched: usize,
}

impl Lines {
    /// The next line, without its line feed; none at the end.
    ///
    /// # Errors
    /// The connection broke, nothing came for [`LINE_TIMEOUT`], or a line is longer than [`LINE_BYTES_MAX`].
    pub async fn next(&mut self) -> Result<Option<Vec<u8>>, Failure> {
        loop {
            if let Some(length) = self.rest[self.searched..].iter().position(|b| *b == b'\n') {
                let end = self.searched + length;
                let line = self.rest[self.at..end].to_vec();
                (self.at, self.searched) = (end + 1, end + 1);
                return Ok(Some(line));
            }
            self.rest.drain(..self.at);
            (self.at, self.searched) = (0, self.rest.len());
            if self.rest.len() > LINE_BYTES_MAX {
                return Err(Failure::Unreadable(format!("a line is longer than {LINE_BYTES_MAX} bytes")));
            }
            match tokio::time::timeout(LINE_TIMEOUT, self.body.frame()).await {
                Err(_) => return Err(Failure::TimedOut),
                Ok(None) => return Ok(None),
                Ok(Some(Err(error))) => return Err(Failure::Unreachable(innermost(&error))),
                Ok(Some(Ok(frame))) => {
                    if let Some(bytes) = frame.data_ref() {
                        self.rest.extend_from_slice(bytes);
                    }
                }
            }
        }
    }
}

fn refusal(code: StatusCode, body: &[u8]) -> Failure {
    let code = code.as_u16();
    match serde_json::from_slice::<Status>(body) {
        Ok(status) if !status.message.is_empty() => {
            let causes = status.details.map(|details| details.causes).unwrap_or_default();
            let cause = |cause: StatusCause| (cause.field, cause.reason, cause.message);
            Failure::Refused {
                code,
                reason: status.reason,
                message: status.message,
                causes: causes.into_iter().map(cause).collect(),
            }
        }
        _ => {
            let text: String = String::from_utf8_lossy(body).trim().chars().take(SHOWN_CHARACTERS_MAX).collect();
            let message = if text.is_empty() { format!("HTTP status {code}") } else { format!("{text} ({code})") };
            Failure::Refused { code, reason: String::new(), message, causes: Vec::new() }
        }
    }
}

/// The text of a Warning header: `299 - "unknown field \"spec.replcas\""`.
fn warning_text(header: &str) -> Option<String> {
    let quoted = header.splitn(3, ' ').nth(2)?.trim();
    let inner = quoted.strip_prefix('"')?.strip_suffix('"')?;
    Some(inner.replace("\\\"", "\"").replace("\\\\", "\\"))
}

/// Between half and all of a pause, so that many clients do not come back at the same moment.
fn jittered(pause: Duration) -> Duration {
    let mut random = [0_u8; 1];
    // Without randomness the whole pause will do.
    let _ = getrandom::fill(&mut random);
    pause - pause.mul_f64(f64::from(random[0]) / 512.0)
}

/// The cause at the bottom of an error, which says most.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}

/// A part of a path, with what may not stand there escaped.
pub fn segment(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b':' | b'@' => out.push(byte.into()),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

/// A label selector, as a query takes it.
pub fn query(text: &str) -> String {
    segment(text).replace(':', "%3A").replace('@', "%40")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gate_closes_by_hand_and_by_its_deadline() {
        let gate = Gate::default();
        assert!(gate.is_open());
        gate.set_deadline(Some(Moment::now()));
        assert!(!gate.is_open());
        gate.set_deadline(Some(Moment::now() + Duration::from_secs(60)));
        assert!(gate.is_open());
        gate.clone().close();
        assert!(!gate.is_open());
    }

    #[test]
    fn warnings_are_read_out_of_their_header() {
        assert_eq!(
            warning_text(r#"299 - "unknown field \"spec.replcas\"""#).as_deref(),
            Some(r#"unknown field "spec.replcas""#)
        );
        assert_eq!(warning_text("nonsense"), None);
    }

    #[test]
    fn names_are_escaped_in_paths() {
        assert_eq!(segment("system:auth/x y"), "system:auth%2Fx%20y");
        assert_eq!(query("a=b,!c"), "a%3Db%2C%21c");
    }
}
