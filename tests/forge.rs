//! Stand-ins for the APIs of GitHub, GitLab and Gitea on loopback. They check every request as the real ones would, and more
//! strictly: method, path, query, headers, body. What is wrong is kept, and fails the test at its end.

use std::collections::VecDeque;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::{Value, json};

/// The token that the stand-ins take.
pub const TOKEN: &str = "tok-3c0ffee";

/// A request as it came in.
#[derive(Debug, Clone)]
pub struct Request {
    pub method: String,
    /// With the query.
    pub path: String,
    pub headers: Vec<(String, String)>,
    pub body: String,
}

/// A status, further headers, and a body.
pub type Answer = (u16, Vec<(&'static str, String)>, Value);

/// What takes the place of an answer.
#[derive(Debug)]
pub struct Fault {
    /// `METHOD path`, or its beginning.
    request: String,
    /// Whether the request does its work all the same, and only the right answer is lost.
    is_done: bool,
    answer: Answer,
}

/// Which API.
#[allow(clippy::enum_variant_names)] // they are called that
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    GitHub,
    GitLab,
    /// GitLab with a job's token.
    GitLabJob,
    Gitea,
}

/// A status of a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    pub commit: String,
    pub context: String,
    pub state: String,
    pub description: String,
}

/// What the stand-in has and does.
#[derive(Debug, Default)]
pub struct State {
    /// Comments or notes of number 7 of `shop/config`, oldest first.
    pub comments: Vec<Value>,
    /// Statuses of commits, oldest first.
    pub statuses: Vec<Status>,
    /// Pull requests that were opened.
    pub pulls: Vec<Value>,
    /// Answers that take the place of the right ones: for the next request whose `METHOD path` begins so.
    pub faults: VecDeque<Fault>,
    /// Whether `GET /user` tells who the token belongs to.
    pub knows_user: bool,
    /// All requests, as `METHOD path`.
    pub log: Vec<String>,
    wrong: Vec<String>,
}

pub struct Forge {
    pub url: String,
    pub state: Arc<Mutex<State>>,
}

impl Forge {
    /// Starts one; it lives as long as the test's process.
    pub fn start(kind: Kind) -> Forge {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port on loopback");
        let url = format!("http://{}/api", listener.local_addr().expect("it is bound"));
        let state = Arc::new(Mutex::new(State::default()));
        let shared = state.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let Some(request) = read(&stream) else { continue };
                let answer = shared.lock().expect("no panic").answer(kind, &request);
                write(stream, &answer);
            }
        });
        Forge { url, state }
    }

    /// The requests so far, after making sure that each was right.
    #[track_caller]
    pub fn log(&self) -> Vec<String> {
        let state = self.state.lock().expect("no panic");
        assert!(state.wrong.is_empty(), "{:#?}", state.wrong);
        state.log.clone()
    }

    /// The bodies of the comments.
    pub fn bodies(&self) -> Vec<String> {
        let state = self.state.lock().expect("no panic");
        state.comments.iter().map(|comment| comment["body"].as_str().unwrap_or_default().to_owned()).collect()
    }

    /// Adds a comment; `by` is a login, which a bot's ends with `[bot]`.
    pub fn comment(&self, by: &str, body: &str) {
        let mut state = self.state.lock().expect("no panic");
        let comment = comment(state.comments.len() + 1, by, body);
        state.comments.push(comment);
    }

    /// The next request that begins so gets this answer, and does nothing.
    pub fn fault(&self, request: &str, status: u16, headers: &[(&'static str, &str)], body: Value) {
        let headers = headers.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        let fault = Fault { request: request.to_owned(), is_done: false, answer: (status, headers, body) };
        self.state.lock().expect("no panic").faults.push_back(fault);
    }

    /// The next request that begins so does its work, but its answer is lost.
    pub fn lose_answer(&self, request: &str) {
        let answer = (504, Vec::new(), json!({"message": "gateway timeout"}));
        let fault = Fault { request: request.to_owned(), is_done: true, answer };
        self.state.lock().expect("no panic").faults.push_back(fault);
    }
}

fn comment(id: usize, by: &str, body: &str) -> Value {
    let kind = if by.ends_with("[bot]") { "Bot" } else { "User" };
    let author = by.len();
    json!({
        "id": id, "body": body, "system": false, "performed_via_github_app": null,
        "html_url": format!("https://forge.example/comment/{id}"),
        "user": {"login": by, "type": kind}, "author": {"id": author, "username": by},
    })
}

impl State {
    fn answer(&mut self, kind: Kind, request: &Request) -> Answer {
        let line = format!("{} {}", request.method, request.path);
        self.log.push(line.clone());
        self.check(kind, request);
        let is_next = self.faults.front().is_some_and(|fault| line.starts_with(&fault.request));
        let fault = if is_next { self.faults.pop_front() } else { None };
        if let Some(Fault { is_done: false, answer, .. }) = fault {
            return answer;
        }
        let right = match kind {
            Kind::GitHub => self.github(request),
            Kind::GitLab | Kind::GitLabJob => self.gitlab(kind, request),
            Kind::Gitea => self.gitea(request),
        };
        fault.map_or(right, |fault| fault.answer)
    }

    /// Headers that every request has to have.
    fn check(&mut self, kind: Kind, request: &Request) {
        let header = |name: &str| request.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
        let (bearer, plain) = (format!("Bearer {TOKEN}"), format!("token {TOKEN}"));
        let mut wanted = match kind {
            Kind::GitHub => vec![
                ("authorization", bearer.as_str()),
                ("accept", "application/vnd.github+json"),
                ("x-github-api-version", "2022-11-28"),
            ],
            Kind::GitLab => vec![("private-token", TOKEN), ("accept", "application/json")],
            Kind::Gitea => vec![("authorization", plain.as_str()), ("accept", "application/json")],
            Kind::GitLabJob => vec![("job-token", TOKEN), ("accept", "application/json")],
        };
        if request.body.is_empty() {
            if ["POST", "PATCH", "PUT"].contains(&request.method.as_str()) {
                self.wrong.push(format!("{request:?}: no body"));
            }
        } else {
            wanted.push(("content-type", "application/json"));
        }
        for (name, value) in wanted {
            if header(name) != Some(value) {
                self.wrong.push(format!("{} {}: {name} is {:?}", request.method, request.path, header(name)));
            }
        }
        if header("user-agent").is_none_or(str::is_empty) {
            self.wrong.push(format!("{}: no user-agent (GitHub refuses that)", request.path));
        }
        let tokens = ["authorization", "private-token", "job-token"];
        if request.headers.iter().filter(|(name, _)| tokens.contains(&name.as_str())).count() != 1 {
            self.wrong.push(format!("{}: not exactly one token", request.path));
        }
    }

    fn github(&mut self, request: &Request) -> Answer {
        let ok = |value: Value| (200, Vec::new(), value);
        let comments = "/api/repos/shop/config/issues/7/comments";
        let (path, query) = request.path.split_once('?').unwrap_or((&request.path, ""));
        match (request.method.as_str(), path) {
            ("GET", "/api/user") if self.knows_user => ok(json!({"login": "octocat"})),
            ("GET", "/api/user") => (403, Vec::new(), json!({"message": "Resource not accessible by integration"})),
            ("GET", path) if path == comments => ok(self.page(query)),
            ("POST", path) if path == comments => {
                let by = if self.knows_user { "octocat" } else { "github-actions[bot]" };
                self.create(by, request)
            }
            ("PATCH", path) => self.update("/api/repos/shop/config/issues/comments/", path, request),
            ("GET", path) if path.ends_with("/status") => {
                let statuses = self.known(path.trim_end_matches("/status"), query, "per_page=100", "state");
                ok(json!({"state": "pending", "statuses": statuses}))
            }
            ("POST", path) if path.starts_with("/api/repos/shop/config/statuses/") => {
                self.status(request, "context", &["success", "failure", "pending", "error"])
            }
            ("GET", "/api/repos/shop/config/pulls") => {
                let wanted = "state=open&head=shop:kcfg/render-main&base=main";
                if query != wanted {
                    self.wrong.push(format!("{}: the query should be {wanted}", request.path));
                }
                ok(Value::Array(self.pulls.clone()))
            }
            ("POST", "/api/repos/shop/config/pulls") => {
                let body: Value = serde_json::from_str(&request.body).unwrap_or_default();
                let is_right = body["head"] == "kcfg/render-main"
                    && body["base"] == "main"
                    && ["title", "body"].iter().all(|key| body[key].as_str().is_some_and(|text| !text.is_empty()));
                if !is_right {
                    self.wrong.push(format!("the pull request is asked for with {}", request.body));
                }
                let pull = json!({"number": 8, "html_url": "https://forge.example/pull/8"});
                self.pulls.push(pull.clone());
                (201, Vec::new(), pull)
            }
            _ => self.unknown(request),
        }
    }

    fn gitlab(&mut self, kind: Kind, request: &Request) -> Answer {
        let ok = |value: Value| (200, Vec::new(), value);
        let notes = "/api/projects/shop%2Fconfig/merge_requests/7/notes";
        let (path, query) = request.path.split_once('?').unwrap_or((&request.path, ""));
        match (request.method.as_str(), path) {
            ("GET", "/api/user") if kind == Kind::GitLab => ok(json!({"id": "octocat".len()})),
            ("GET", path) if path == notes => match query.strip_prefix("order_by=created_at&sort=asc&") {
                Some(query) => ok(self.page(query)),
                None => self.unknown(request),
            },
            ("POST", path) if path == notes => self.create("octocat", request),
            ("PUT", path) => self.update(&format!("{notes}/"), path, request),
            ("GET", path) if path.ends_with("/statuses") => {
                let (name, page) = query.split_once('&').unwrap_or_default();
                let name = name.strip_prefix("name=").unwrap_or_default().replace("%2F", "/");
                let statuses = self.known(path.trim_end_matches("/statuses"), page, "per_page=100", "status");
                ok(statuses.into_iter().filter(|status| status["name"] == name.as_str()).collect())
            }
            ("POST", path) if path.starts_with("/api/projects/shop%2Fconfig/statuses/") => {
                self.status(request, "name", &["success", "failed", "pending", "running", "canceled"])
            }
            _ => self.unknown(request),
        }
    }

    fn gitea(&mut self, request: &Request) -> Answer {
        let (path, query) = request.path.split_once('?').unwrap_or((&request.path, ""));
        match (request.method.as_str(), path) {
            ("GET", path) if path.ends_with("/status") => {
                let statuses = self.known(path.trim_end_matches("/status"), query, "limit=100", "status");
                (200, Vec::new(), json!({"state": "pending", "statuses": statuses}))
            }
            ("POST", path) if path.starts_with("/api/repos/shop/config/statuses/") => {
                self.status(request, "context", &["success", "failure", "pending", "error", "warning"])
            }
            _ => self.unknown(request),
        }
    }

    /// The newest status of each context of a commit.
    fn known(&mut self, path: &str, query: &str, wanted: &str, key: &str) -> Vec<Value> {
        let (folder, commit) = path.rsplit_once('/').unwrap_or_default();
        if query != wanted
            || !["/api/repos/shop/config/commits", "/api/projects/shop%2Fconfig/repository/commits"].contains(&folder)
        {
            self.wrong.push(format!("{path}?{query} asks for no statuses"));
        }
        let mut newest: Vec<&Status> = Vec::new();
        for status in self.statuses.iter().rev().filter(|status| status.commit == commit) {
            if !newest.iter().any(|known| known.context == status.context) {
                newest.push(status);
            }
        }
        let shown = |status: &&Status| json!({key: status.state, "context": status.context, "name": status.context, "description": status.description});
        newest.iter().map(shown).collect()
    }

    /// Takes a status.
    fn status(&mut self, request: &Request, name: &str, states: &[&str]) -> Answer {
        let body: Value = serde_json::from_str(&request.body).unwrap_or_default();
        let text = |key: &str| body[key].as_str().unwrap_or_default().to_owned();
        let commit = request.path.rsplit('/').next().unwrap_or_default().to_owned();
        let status = Status { commit, context: text(name), state: text("state"), description: text("description") };
        let is_right = body.as_object().is_some_and(|body| body.len() == 3)
            && states.contains(&status.state.as_str())
            && status.commit.len() == 40
            && status.context.starts_with("kcfg/")
            && (1..=140).contains(&status.description.chars().count());
        if !is_right {
            self.wrong.push(format!("a status is asked for with {}", request.body));
        }
        let last =
            self.statuses.iter().rev().find(|last| (&last.commit, &last.context) == (&status.commit, &status.context));
        if name == "name" && status.state == "pending" && last.is_some_and(|last| last.state == "pending") {
            return (400, Vec::new(), json!({"message": "Cannot transition status via :enqueue from :pending"}));
        }
        self.statuses.push(status);
        (201, Vec::new(), body)
    }

    fn unknown(&mut self, request: &Request) -> Answer {
        self.wrong.push(format!("{} {} is nothing that should be asked", request.method, request.path));
        (404, Vec::new(), json!({"message": "Not Found"}))
    }

    /// A page of comments, as the query `per_page=100&page=N` asks for it.
    fn page(&mut self, query: &str) -> Value {
        let page: Option<usize> = query.strip_prefix("per_page=100&page=").and_then(|page| page.parse().ok());
        let Some(page) = page.filter(|page| *page > 0) else {
            self.wrong.push(format!("the query {query:?} asks for no page"));
            return Value::Null;
        };
        Value::Array(self.comments.iter().skip((page - 1) * 100).take(100).cloned().collect())
    }

    fn text(&mut self, request: &Request) -> Option<String> {
        let body: Value = serde_json::from_str(&request.body).ok()?;
        let object = body.as_object()?;
        (object.len() == 1).then(|| object.get("body")?.as_str().map(str::to_owned)).flatten()
    }

    fn create(&mut self, by: &str, request: &Request) -> Answer {
        let Some(text) = self.text(request) else { return self.unknown(request) };
        let comment = comment(self.comments.len() + 1, by, &text);
        self.comments.push(comment.clone());
        (201, Vec::new(), comment)
    }

    fn update(&mut self, prefix: &str, path: &str, request: &Request) -> Answer {
        let id: Option<u64> = path.strip_prefix(prefix).and_then(|id| id.parse().ok());
        let Some(text) = self.text(request) else { return self.unknown(request) };
        match self.comments.iter_mut().find(|comment| comment["id"].as_u64() == id) {
            Some(comment) => {
                comment["body"] = text.into();
                (200, Vec::new(), comment.clone())
            }
            None => self.unknown(request),
        }
    }
}

fn read(stream: &TcpStream) -> Option<Request> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let mut parts = line.split_whitespace();
    let (method, path) = (parts.next()?.to_owned(), parts.next()?.to_owned());
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let length = headers.iter().find(|(name, _)| name == "content-length").and_then(|(_, value)| value.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    reader.read_exact(&mut body).ok()?;
    Some(Request { method, path, headers, body: String::from_utf8(body).ok()? })
}

fn write(mut stream: TcpStream, (status, headers, body): &Answer) {
    let body = body.to_string();
    let mut text = format!("HTTP/1.1 {status} x\r\nconnection: close\r\ncontent-length: {}\r\n", body.len());
    for (name, value) in headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    // A client that has gone away asks again.
    let _ = stream.write_all(format!("{text}\r\n{body}").as_bytes());
}
