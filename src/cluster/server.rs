//! The loop's own HTTP server: the webhook, health, metrics.
//!
//! | path | answer |
//! |---|---|
//! | `POST /webhook` | 202 and a nudge where the signature is right, 403 where not |
//! | `GET /healthz` | 200 while the loop moves, 503 when it has stood still for [`STALL_MAX`] |
//! | `GET /readyz` | 200 once this process leads and has applied, or waits for the Lease |
//! | `GET /metrics` | the numbers of [`Metrics`] |
//!
//! Whatever arrives costs little: so many connections, so many bytes of headers and of body, so much time; then the
//! connection is closed.

use std::convert::Infallible;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::sync::{Notify, Semaphore};

use super::metrics::{CONTENT_TYPE, Metrics, label};
use super::webhook::WebhookSecret;

/// Connections at a time; more wait until one ends.
const CONNECTIONS_MAX: usize = 64;
/// Bytes of a request's head.
const HEAD_BYTES_MAX: usize = 16 << 10;
/// Headers of a request.
const HEADERS_MAX: usize = 64;
/// Bytes of a body: GitHub sends at most 25 MB, of which a push is a small part; a nudge needs none of it, but its
/// signature covers all.
const BODY_BYTES_MAX: usize = 1 << 20;
/// How long a head may take to arrive.
const HEAD_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a connection may last altogether.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(30);
/// How long the loop may stand still before it counts as dead: longer than the longest fetch and wait.
pub const STALL_MAX: Duration = Duration::from_secs(900);

/// What the server tells and is told; shared with the loop.
#[derive(Debug)]
pub struct Board {
    /// The environment.
    pub environment: String,
    /// The numbers.
    pub metrics: Metrics,
    /// Woken by a webhook.
    pub nudge: Notify,
    /// Whether the loop does what it is there for.
    pub is_ready: AtomicBool,
    secret: Option<WebhookSecret>,
    moved: Mutex<Instant>,
}

impl Board {
    /// A board for an environment; without a secret there is no webhook.
    pub fn new(environment: &str, secret: Option<WebhookSecret>) -> Board {
        Board {
            environment: environment.to_owned(),
            metrics: Metrics::default(),
            nudge: Notify::new(),
            is_ready: AtomicBool::new(false),
            secret,
            moved: Mutex::new(Instant::now()),
        }
    }

    /// The loop moves.
    pub fn moves(&self) {
        *self.moved.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    fn is_stalled(&self) -> bool {
        self.moved.lock().unwrap_or_else(PoisonError::into_inner).elapsed() > STALL_MAX
    }
}

/// Serves until it is dropped.
pub async fn serve(listener: TcpListener, board: Arc<Board>) {
    let connections = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let Ok(permit) = connections.clone().acquire_owned().await else { return };
        let Ok((stream, _)) = listener.accept().await else {
            // No file descriptor is left, for instance.
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        let board = board.clone();
        tokio::spawn(async move {
            let service = service_fn(move |request| {
                let board = board.clone();
                async move { Ok::<_, Infallible>(answer(&board, request).await) }
            });
            let mut builder = http1::Builder::new();
            builder
                .timer(TokioTimer::new())
                .header_read_timeout(HEAD_TIMEOUT)
                .max_buf_size(HEAD_BYTES_MAX)
                .max_headers(HEADERS_MAX)
                .half_close(true);
            let serving = builder.serve_connection(TokioIo::new(stream), service);
            // What goes wrong with a connection is its own affair.
            let _ = tokio::time::timeout(CONNECTION_TIMEOUT, serving).await;
            drop(permit);
        });
    }
}

async fn answer(board: &Board, request: Request<Incoming>) -> Response<Full<Bytes>> {
    match (request.method(), request.uri().path()) {
        (&Method::GET, "/healthz") if board.is_stalled() => {
            text(StatusCode::SERVICE_UNAVAILABLE, "the loop stands still\n")
        }
        (&Method::GET, "/healthz") => text(StatusCode::OK, "ok\n"),
        (&Method::GET, "/readyz") if board.is_ready.load(Ordering::Relaxed) => text(StatusCode::OK, "ok\n"),
        (&Method::GET, "/readyz") => text(StatusCode::SERVICE_UNAVAILABLE, "nothing was applied yet\n"),
        (&Method::GET, "/metrics") => {
            let mut response = text(StatusCode::OK, &board.metrics.text(&board.environment));
            response.headers_mut().insert(http::header::CONTENT_TYPE, http::HeaderValue::from_static(CONTENT_TYPE));
            response
        }
        (&Method::POST, "/webhook") => webhook(board, request).await,
        (_, "/webhook" | "/metrics" | "/healthz" | "/readyz") => text(StatusCode::METHOD_NOT_ALLOWED, "not so\n"),
        _ => text(StatusCode::NOT_FOUND, "no such path\n"),
    }
}

async fn webhook(board: &Board, request: Request<Incoming>) -> Response<Full<Bytes>> {
    let refuse = |status, why: &str| {
        board.metrics.add("kcfg_webhooks_total", &label("result", "refused"), 1.0);
        let mut response = text(status, why);
        // The rest of the body is not read.
        response.headers_mut().insert(http::header::CONNECTION, http::HeaderValue::from_static("close"));
        response
    };
    let Some(secret) = &board.secret else { return refuse(StatusCode::NOT_FOUND, "no webhook secret is set\n") };
    let declared =
        request.headers().get(http::header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    if declared.is_some_and(|bytes: u64| bytes > BODY_BYTES_MAX as u64) {
        return refuse(StatusCode::PAYLOAD_TOO_LARGE, "the body is too large\n");
    }
    let (head, body) = request.into_parts();
    let Ok(body) = Limited::new(body, BODY_BYTES_MAX).collect().await else {
        return refuse(StatusCode::PAYLOAD_TOO_LARGE, "the body is too large, or broke off\n");
    };
    if !secret.accepts(&head.headers, &body.to_bytes()) {
        return refuse(StatusCode::FORBIDDEN, "the signature is not right\n");
    }
    board.metrics.add("kcfg_webhooks_total", &label("result", "accepted"), 1.0);
    // However many come, one is remembered.
    board.nudge.notify_one();
    text(StatusCode::ACCEPTED, "ok\n")
}

fn text(status: StatusCode, text: &str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::copy_from_slice(text.as_bytes())));
    *response.status_mut() = status;
    response
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::{SocketAddr, TcpStream};

    use super::*;

    /// A server on a runtime of its own; the runtime keeps it alive.
    fn start(secret: Option<&str>) -> (tokio::runtime::Runtime, SocketAddr, Arc<Board>) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let board = Arc::new(Board::new("prod", secret.map(|secret| WebhookSecret::new(secret).unwrap())));
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        runtime.spawn(serve(listener, board.clone()));
        (runtime, address, board)
    }

    fn ask(address: SocketAddr, request: &[u8]) -> String {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        // A server that has seen enough may close before all is written.
        let _ = stream.write_all(request);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        String::from_utf8_lossy(&answer).into_owned()
    }

    fn get(address: SocketAddr, path: &str) -> String {
        ask(address, format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").as_bytes())
    }

    fn post(address: SocketAddr, token: &str, body: &str) -> String {
        let head = format!(
            "POST /webhook HTTP/1.1\r\nhost: x\r\nconnection: close\r\nx-gitlab-token: {token}\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        ask(address, [head.as_bytes(), body.as_bytes()].concat().as_slice())
    }

    #[test]
    fn health_readiness_and_metrics() {
        let (_runtime, address, board) = start(None);
        assert!(get(address, "/healthz").starts_with("HTTP/1.1 200"));
        assert!(get(address, "/readyz").starts_with("HTTP/1.1 503"));
        board.is_ready.store(true, Ordering::Relaxed);
        assert!(get(address, "/readyz").starts_with("HTTP/1.1 200"));
        board.metrics.set("kcfg_leader", "", 1.0);
        let metrics = get(address, "/metrics");
        assert!(
            metrics.contains("version=0.0.4") && metrics.contains("kcfg_leader{environment=\"prod\"} 1\n"),
            "{metrics}"
        );
        if let Some(long_ago) = Instant::now().checked_sub(STALL_MAX + Duration::from_secs(1)) {
            *board.moved.lock().unwrap() = long_ago;
            assert!(get(address, "/healthz").starts_with("HTTP/1.1 503"));
            board.moves();
        }
        assert!(get(address, "/healthz").starts_with("HTTP/1.1 200"));
        assert!(get(address, "/other").starts_with("HTTP/1.1 404"));
        assert!(post(address, "", "").starts_with("HTTP/1.1 404"));
    }

    #[test]
    fn a_webhook_is_a_nudge_for_who_knows_the_secret() {
        let (runtime, address, board) = start(Some("s3cret"));
        let nudged = || {
            runtime.block_on(async {
                tokio::time::timeout(Duration::from_millis(50), board.nudge.notified()).await.is_ok()
            })
        };
        assert!(post(address, "wrong", "{}").starts_with("HTTP/1.1 403"));
        assert!(get(address, "/webhook").starts_with("HTTP/1.1 405"));
        assert!(!nudged());
        for _ in 0..3 {
            assert!(post(address, "s3cret", "{}").starts_with("HTTP/1.1 202"));
        }
        assert!(nudged());
        assert!(!nudged());
    }

    #[test]
    fn floods_large_bodies_and_slow_heads_are_survived() {
        let (_runtime, address, board) = start(Some("s3cret"));
        // 100 MB by its own account, and without one.
        let head = "POST /webhook HTTP/1.1\r\nhost: x\r\nx-gitlab-token: s3cret\r\n";
        let declared = format!("{head}content-length: 104857600\r\n\r\n");
        assert!(ask(address, declared.as_bytes()).starts_with("HTTP/1.1 413"));
        let mut chunked = format!("{head}transfer-encoding: chunked\r\n\r\n").into_bytes();
        for _ in 0..100 {
            chunked.extend_from_slice(b"100000\r\n");
            chunked.extend(std::iter::repeat_n(b'x', 1 << 20));
            chunked.extend_from_slice(b"\r\n");
        }
        let answer = ask(address, &chunked);
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 413"), "{answer}");
        drop(chunked);
        let long = format!("GET / HTTP/1.1\r\nhost: x\r\nx: {}\r\n\r\n", "y".repeat(HEAD_BYTES_MAX * 2));
        let answer = ask(address, long.as_bytes());
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431"), "{answer}");
        // More connections than there may be, which say nothing; the next one waits for their end, not for ever.
        let silent: Vec<_> = (0..CONNECTIONS_MAX + 10).map(|_| TcpStream::connect(address).unwrap()).collect();
        let begin = Instant::now();
        assert!(get(address, "/healthz").starts_with("HTTP/1.1 200"));
        assert!(begin.elapsed() < Duration::from_secs(15));
        drop(silent);
        // Ten thousand on a few connections.
        let one = format!("{head}content-length: 2\r\n\r\n{{}}").repeat(100);
        let begin = Instant::now();
        for _ in 0..100 {
            let mut stream = TcpStream::connect(address).unwrap();
            stream.write_all(one.as_bytes()).unwrap();
            stream.shutdown(std::net::Shutdown::Write).unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).unwrap();
        }
        let text = board.metrics.text("prod");
        assert!(text.contains("kcfg_webhooks_total{environment=\"prod\",result=\"accepted\"} 10000\n"), "{text}");
        assert!(begin.elapsed() < Duration::from_secs(20));
        assert!(get(address, "/healthz").starts_with("HTTP/1.1 200"));
    }
}
