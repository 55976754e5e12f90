//! One request and its answer: headers, limits, and which failures pass by themselves.

use std::io::Read as _;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use reqwest::Method;
use reqwest::blocking::{Client, Response};
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use serde_json::Value;

use super::{Token, TokenKind};
use crate::error::Diagnostic;

/// How long a request may take, and a connection to come about.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Bytes of an answer: a page of comments, each as long as it can be, is a quarter of it.
const RESPONSE_BYTES_MAX: u64 = 32 << 20;
/// Characters of what a forge says that an error repeats.
const MESSAGE_CHARS_MAX: usize = 300;

/// Why a request failed.
pub(super) enum Fault {
    /// It will fail again.
    Final(Diagnostic),
    /// It may succeed later: after this pause, if the server names one.
    Passing(Diagnostic, Option<Duration>),
}

/// An answer that is no success, for those who know better what it means.
pub(super) struct Refusal {
    /// The status code.
    pub status: u16,
    /// What the forge said.
    pub message: String,
}

/// What an API wants beside the token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    /// GitHub's media type, and the version of its API.
    GitHub,
    /// JSON.
    Plain,
}

/// A forge's API.
pub(super) struct Api {
    client: Client,
    base: String,
    secret: String,
}

impl Api {
    /// `base` is its address, without `/` at its end; `certificates` are further certificate authorities, in PEM.
    pub fn new(base: &str, dialect: Dialect, token: &Token, certificates: Option<&[u8]>) -> Result<Api, Diagnostic> {
        // Fails only where it is there already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut headers = HeaderMap::new();
        let (name, text) = match token.kind {
            TokenKind::Bearer => (AUTHORIZATION, format!("Bearer {}", token.text)),
            TokenKind::Plain => (AUTHORIZATION, format!("token {}", token.text)),
            TokenKind::Private => (HeaderName::from_static("private-token"), token.text.clone()),
            TokenKind::Job => (HeaderName::from_static("job-token"), token.text.clone()),
        };
        let mut secret = HeaderValue::from_str(&text).map_err(|_| Diagnostic::error("the token cannot be sent"))?;
        secret.set_sensitive(true);
        headers.insert(name, secret);
        match dialect {
            Dialect::GitHub => {
                headers.insert(ACCEPT, HeaderValue::from_static("application/vnd.github+json"));
                headers.insert("x-github-api-version", HeaderValue::from_static("2022-11-28"));
            }
            Dialect::Plain => drop(headers.insert(ACCEPT, HeaderValue::from_static("application/json"))),
        }
        // A redirection would carry the token along: it is an error instead.
        let mut builder = Client::builder();
        for certificate in reqwest::Certificate::from_pem_bundle(certificates.unwrap_or_default())
            .map_err(|error| Diagnostic::error(format!("the certificate authorities cannot be read: {error}")))?
        {
            builder = builder.add_root_certificate(certificate);
        }
        let client = builder
            .default_headers(headers)
            .user_agent(concat!("kcfg/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .timeout(REQUEST_TIMEOUT)
            .connect_timeout(CONNECT_TIMEOUT)
            .build()
            .map_err(|error| Diagnostic::error(format!("no HTTP client can be made: {error}")))?;
        Ok(Api { client, base: base.to_owned(), secret: token.text.clone() })
    }

    /// Sends a request; `path` begins with `/`. Gives the answer's JSON, or the refusal of the forge.
    pub fn send(&self, method: &Method, path: &str, body: Option<&Value>) -> Result<Result<Value, Refusal>, Fault> {
        let mut request = self.client.request(method.clone(), format!("{}{path}", self.base));
        if let Some(body) = body {
            request = request.header(CONTENT_TYPE, "application/json").body(body.to_string());
        }
        let what = format!("{method} {}{path}", self.base);
        let response = request.send().map_err(|error| {
            let why = std::iter::successors(Some(&error as &dyn std::error::Error), |error| error.source()).last();
            let why = why.map(ToString::to_string).unwrap_or_default();
            Fault::Passing(Diagnostic::error(self.redacted(&format!("{what} got no answer: {why}"))), None)
        })?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let text = read(response).map_err(|why| {
            Fault::Passing(Diagnostic::error(self.redacted(&format!("the answer to {what} broke off: {why}"))), None)
        })?;
        let json: Value = serde_json::from_str(&text).unwrap_or(Value::Null);
        if (200..300).contains(&status) {
            if json.is_null() {
                let error = Diagnostic::error(format!("the answer to {what} is no JSON"));
                return Err(Fault::Final(error.help("is the API's address right?")));
            }
            return Ok(Ok(json));
        }
        let message = self.message(&json, &text);
        let error = Diagnostic::error(format!("{what} was answered with {status}: {message}"));
        let pause = pause(&headers);
        match status {
            429 => Err(Fault::Passing(error, pause)),
            403 if pause.is_some() => Err(Fault::Passing(error, pause)),
            500.. => Err(Fault::Passing(error, pause)),
            300..400 => Err(Fault::Final(error.help("the project or the API moved: give its new address"))),
            _ => Ok(Err(Refusal { status, message })),
        }
    }

    /// What a forge says of an error, in one line.
    fn message(&self, json: &Value, text: &str) -> String {
        let said = json.get("message").or_else(|| json.get("error")).unwrap_or(json);
        let said = match said {
            Value::Null => text.to_owned(),
            Value::String(said) => said.clone(),
            other => other.to_string(),
        };
        let line: String = said.split_whitespace().collect::<Vec<_>>().join(" ");
        let line = line.replace(char::is_control, " ");
        self.redacted(&line.chars().take(MESSAGE_CHARS_MAX).collect::<String>())
    }

    /// A text without the token, whoever put it there.
    fn redacted(&self, text: &str) -> String {
        text.replace(&self.secret, "(hidden)")
    }
}

fn read(response: Response) -> Result<String, String> {
    let mut bytes = Vec::new();
    response.take(RESPONSE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    if bytes.len() as u64 > RESPONSE_BYTES_MAX {
        return Err(format!("it is longer than {RESPONSE_BYTES_MAX} bytes (RESPONSE_BYTES_MAX)"));
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// How long a rate limit asks to wait: `Retry-After`, or the reset time of a budget that is used up.
fn pause(headers: &HeaderMap) -> Option<Duration> {
    let number = |name: &str| -> Option<u64> { headers.get(name)?.to_str().ok()?.trim().parse().ok() };
    if let Some(seconds) = number(RETRY_AFTER.as_str()) {
        return Some(Duration::from_secs(seconds));
    }
    for (remaining, reset) in
        [("x-ratelimit-remaining", "x-ratelimit-reset"), ("ratelimit-remaining", "ratelimit-reset")]
    {
        if number(remaining) == Some(0) {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            let at = Duration::from_secs(number(reset).unwrap_or_default());
            return Some(at.saturating_sub(now));
        }
    }
    None
}
