//! [`Proxy`]: stands between kcfg and the API server and does what networks and overloaded servers do.

use std::io::{self, BufRead as _, BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, mpsc};
use std::thread::sleep;
use std::time::{Duration, Instant};

use reqwest::blocking::Response;

use crate::control_plane::ControlPlane;
use crate::http::{self, Asked, Connection};

/// What happens to a request.
#[derive(Clone, Debug)]
pub enum Fault {
    /// Nothing.
    None,
    /// It never reaches the API server; this status comes back, with `Retry-After: 1` where it is 429.
    Status(u16),
    /// It is done, late.
    Late(Duration),
    /// It never reaches the API server, and the connection is closed.
    Lost,
    /// It is done, and the connection is closed after half of the answer.
    HalfAnswered,
    /// It is done, and the connection is closed without an answer.
    Unanswered,
    /// A watch is passed on, and this happens to it.
    Watch(WatchFault),
}

/// What happens to a watch.
#[derive(Clone, Copy, Debug)]
pub enum WatchFault {
    /// It ends after this time, as the API server ends one.
    Ends(Duration),
    /// The connection is cut after this time.
    Cut(Duration),
    /// Of the first line after this time only a half comes, then the connection is cut.
    HalfLine(Duration),
    /// It begins, and after this time an ERROR says that its version is too old.
    Expires(Duration),
    /// Its bookmarks are left out.
    NoBookmarks,
    /// Nothing but a line without an end, of so many bytes.
    Endless(usize),
}

/// How long a watch may last that nothing happens to.
const WATCH_MAX: Duration = Duration::from_secs(3600);
/// What the API server says in a watch whose version it no longer has.
const EXPIRED: &str = r#"{"type":"ERROR","object":{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"too old resource version","reason":"Expired","code":410}}"#;

/// Decides what happens to the request of a number, counted from 0 over all connections.
type Rule = dyn Fn(usize, &Asked) -> Fault + Send + Sync;

/// Plain HTTP on a port of the loopback before an API server.
pub struct Proxy {
    /// Where it listens.
    pub url: String,
    counts: &'static Counts,
}

#[derive(Default)]
struct Counts {
    faults: AtomicUsize,
    requests: Mutex<Vec<String>>,
}

impl Proxy {
    /// Starts one that lives until the process ends.
    pub fn start(plane: &'static ControlPlane, rule: impl Fn(usize, &Asked) -> Fault + Send + Sync + 'static) -> Proxy {
        let counts: &'static Counts = Box::leak(Box::default());
        let rule: Box<Rule> = Box::new(rule);
        let port = http::serve(Ok, move |asked, stream: &mut TcpStream| {
            let number = {
                let mut requests = counts.requests.lock().expect("nobody panics with it");
                requests.push(format!("{} {}", asked.method, asked.path));
                requests.len() - 1
            };
            let fault = rule(number, &asked);
            if !matches!(fault, Fault::None) {
                counts.faults.fetch_add(1, Ordering::SeqCst);
            }
            pass(plane, &asked, &fault, stream)
        });
        Proxy { url: format!("http://127.0.0.1:{port}"), counts }
    }

    /// The requests that came, as `GET /path?query`.
    pub fn requests(&self) -> Vec<String> {
        self.counts.requests.lock().expect("nobody panics with it").clone()
    }

    /// How many of them something happened to.
    pub fn faults(&self) -> usize {
        self.counts.faults.load(Ordering::SeqCst)
    }
}

/// A rule that gives each of these faults to every `one_in`-th request, in the order of a row of numbers from `seed` on.
pub fn at_random(seed: u64, one_in: u64, faults: Vec<Fault>) -> impl Fn(usize, &Asked) -> Fault + Send + Sync {
    let state = Mutex::new(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    move |_, _| {
        let mut state = state.lock().expect("nobody panics with it");
        let number = next(&mut state);
        if number.is_multiple_of(one_in) {
            faults[(number / one_in) as usize % faults.len()].clone()
        } else {
            Fault::None
        }
    }
}

/// xorshift64: the next of a row of numbers that look random.
pub fn next(seed: &mut u64) -> u64 {
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    *seed
}

/// Passes a request on and its answer back, as far as the fault lets it.
fn pass(plane: &ControlPlane, asked: &Asked, fault: &Fault, stream: &mut TcpStream) -> io::Result<Connection> {
    match fault {
        Fault::Status(code) => {
            let status = format!(
                r#"{{"kind":"Status","apiVersion":"v1","status":"Failure","message":"the proxy says {code}","code":{code}}}"#
            );
            let mut headers = vec![("Content-Type", "application/json")];
            if *code == 429 {
                headers.push(("Retry-After", "1"));
            }
            http::answer(stream, *code, &headers, status.as_bytes())?;
            return Ok(Connection::Keep);
        }
        Fault::Lost => return Ok(Connection::Close),
        Fault::Late(time) => sleep(*time),
        Fault::Watch(WatchFault::Endless(bytes)) => {
            write!(stream, "HTTP/1.1 200 Answer\r\nContent-Type: application/json\r\n\r\n")?;
            stream.write_all(&vec![b'x'; *bytes])?;
            return Ok(Connection::Close);
        }
        Fault::None | Fault::HalfAnswered | Fault::Unanswered | Fault::Watch(_) => {}
    }
    let method = reqwest::Method::from_bytes(asked.method.as_bytes()).map_err(io::Error::other)?;
    let mut request = plane.client().request(method, format!("{}{}", plane.url(), asked.path));
    for (name, value) in &asked.headers {
        let is_ours = ["host", "connection", "content-length"].iter().any(|own| name.eq_ignore_ascii_case(own));
        if !is_ours {
            request = request.header(name, value);
        }
    }
    if asked.is_watch() {
        request = request.timeout(WATCH_MAX);
    }
    let mut answer = match request.body(asked.body.clone()).send() {
        Ok(answer) => answer,
        // As a load balancer does whose server is down.
        Err(_) => return Ok(Connection::Close),
    };
    if matches!(fault, Fault::Unanswered) {
        return Ok(Connection::Close);
    }
    let mut head = format!("HTTP/1.1 {} Answer\r\n", answer.status().as_u16());
    for (name, value) in answer.headers() {
        if !["content-length", "transfer-encoding", "connection"].contains(&name.as_str()) {
            head.push_str(&format!("{name}: {}\r\n", value.to_str().unwrap_or_default()));
        }
    }
    if matches!(fault, Fault::HalfAnswered) {
        let mut body = Vec::new();
        answer.read_to_end(&mut body)?;
        write!(stream, "{head}Content-Length: {}\r\n\r\n", body.len())?;
        stream.write_all(&body[..body.len() / 2])?;
        return Ok(Connection::Close);
    }
    write!(stream, "{head}Transfer-Encoding: chunked\r\n\r\n")?;
    if asked.is_watch() && answer.status().is_success() {
        let fault = if let Fault::Watch(fault) = fault { Some(*fault) } else { None };
        return pass_watch(answer, fault, stream);
    }
    let mut piece = vec![0; 64 * 1024];
    loop {
        let read = answer.read(&mut piece)?;
        write_chunk(stream, &piece[..read])?;
        if read == 0 {
            return Ok(Connection::Keep);
        }
    }
}

/// Passes the lines of a watch on as they come, as far as the fault lets it.
fn pass_watch(answer: Response, fault: Option<WatchFault>, stream: &mut TcpStream) -> io::Result<Connection> {
    let (sender, lines) = mpsc::channel();
    // It ends with the API server's answer, or with its first line that nobody wants.
    std::thread::spawn(move || {
        let mut answer = BufReader::new(answer);
        let mut line = Vec::new();
        while answer.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) && sender.send(line.clone()).is_ok() {
            line.clear();
        }
    });
    let end = match fault {
        Some(WatchFault::Ends(time) | WatchFault::Cut(time) | WatchFault::Expires(time)) => Instant::now() + time,
        _ => Instant::now() + WATCH_MAX,
    };
    let begin = Instant::now();
    loop {
        match (lines.recv_timeout(end.saturating_duration_since(Instant::now())), fault) {
            (Ok(line), Some(WatchFault::NoBookmarks)) if line.starts_with(br#"{"type":"BOOKMARK""#) => {}
            (Ok(line), Some(WatchFault::HalfLine(time))) if begin.elapsed() >= time => {
                write_chunk(stream, &line[..line.len() / 2])?;
                return Ok(Connection::Close);
            }
            (Ok(line), _) => write_chunk(stream, &line)?,
            (Err(_), Some(WatchFault::Cut(_))) => return Ok(Connection::Close),
            (Err(_), Some(WatchFault::Expires(_))) => {
                write_chunk(stream, format!("{EXPIRED}\n").as_bytes())?;
                write_chunk(stream, b"")?;
                return Ok(Connection::Keep);
            }
            (Err(_), _) => {
                write_chunk(stream, b"")?;
                return Ok(Connection::Keep);
            }
        }
    }
}

/// A chunk of an answer; the empty one is its end.
fn write_chunk(stream: &mut TcpStream, bytes: &[u8]) -> io::Result<()> {
    write!(stream, "{:x}\r\n", bytes.len())?;
    stream.write_all(bytes)?;
    stream.write_all(b"\r\n")?;
    stream.flush()
}
