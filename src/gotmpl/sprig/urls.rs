//! URLs by Go's `net/url`: split into a dictionary and put together again.

use std::net::Ipv6Addr;

use Param::{Map as Dict, Str};

use super::super::func::{Function, Host, Param};
use super::super::strconv::{quote, quoted};
use super::super::value::Value;
use super::{map, row, text};

pub(super) const FUNCTIONS: &[Function] = &[
    row(
        "urlParse",
        &[Str],
        url_parse,
        "The parts of a URL: scheme, userinfo, host, hostname, path, query, opaque, fragment.",
        &[("{{ (urlParse \"https://u@a.b:80/c?d=e#f\").hostname }}", "a.b")],
    ),
    row(
        "urlJoin",
        &[Dict],
        url_join,
        "The URL of such parts.",
        &[("{{ urlJoin (dict \"scheme\" \"https\" \"host\" \"a.b\" \"path\" \"/c d\") }}", "https://a.b/c%20d")],
    ),
];

/// Which characters a part of a URL may hold as they are.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Path,
    Host,
    Zone,
    User,
    Fragment,
}

impl Part {
    fn must_escape(self, c: u8) -> bool {
        if c.is_ascii_alphanumeric() || matches!(c, b'-' | b'_' | b'.' | b'~') {
            return false;
        }
        match self {
            Part::Host | Part::Zone => !b"!$&'()*+,;=:[]<>\"".contains(&c),
            Part::Path => !b"$&+,/:;=@".contains(&c),
            Part::User => !b"$&+,;=".contains(&c),
            Part::Fragment => !b"$&+,/:;=?@!()*".contains(&c),
        }
    }

    fn escape(self, out: &mut Vec<u8>, bytes: &[u8]) {
        for byte in bytes {
            if self.must_escape(*byte) {
                out.extend_from_slice(format!("%{byte:02X}").as_bytes());
            } else {
                out.push(*byte);
            }
        }
    }

    fn unescape(self, text: &str) -> Result<Vec<u8>, String> {
        let bytes = text.as_bytes();
        let hex = |i: usize| bytes.get(i).and_then(|b| char::from(*b).to_digit(16));
        let mut out = Vec::with_capacity(bytes.len());
        let mut i = 0;
        while let Some(byte) = bytes.get(i) {
            if *byte != b'%' {
                if matches!(self, Part::Host | Part::Zone) && byte.is_ascii() && self.must_escape(*byte) {
                    return Err(format!("invalid character {} in host name", quoted(&char::from(*byte).to_string())));
                }
                out.push(*byte);
                i += 1;
                continue;
            }
            let triple = &bytes[i..bytes.len().min(i + 3)];
            let invalid = || {
                let mut shown = Vec::new();
                quote(&mut shown, triple, false);
                format!("invalid URL escape {}", String::from_utf8_lossy(&shown))
            };
            let (Some(high), Some(low)) = (hex(i + 1), hex(i + 2)) else {
                return Err(invalid());
            };
            let value = (high * 16 + low) as u8;
            let refused = match self {
                // A host escapes nothing but what is not ASCII, and the percent sign of a zone.
                Part::Host => high < 8 && triple != b"%25",
                Part::Zone => triple != b"%25" && value != b' ' && Part::Host.must_escape(value),
                _ => false,
            };
            if refused {
                return Err(invalid());
            }
            out.push(value);
            i += 3;
        }
        Ok(out)
    }
}

#[derive(Default)]
struct Url {
    scheme: String,
    opaque: String,
    /// Escaped as it prints.
    userinfo: Option<Vec<u8>>,
    host: Vec<u8>,
    path: Vec<u8>,
    query: String,
    fragment: Vec<u8>,
}

impl Url {
    /// `url.Parse`.
    fn parse(text: &str) -> Result<Url, String> {
        let (before, fragment) = text.split_once('#').unwrap_or((text, ""));
        let named = |shown: &str, message: String| format!("parse {}: {message}", quoted(shown));
        let mut url = Url::parse_before_fragment(before).map_err(|message| named(before, message))?;
        url.fragment = Part::Fragment.unescape(fragment).map_err(|message| named(text, message))?;
        Ok(url)
    }

    fn parse_before_fragment(text: &str) -> Result<Url, String> {
        if text.bytes().any(|b| b < b' ' || b == 0x7f) {
            return Err("net/url: invalid control character in URL".into());
        }
        if text == "*" {
            return Ok(Url { path: b"*".to_vec(), ..Url::default() });
        }
        let (scheme, rest) = split_scheme(text)?;
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let mut url = Url { scheme: scheme.to_ascii_lowercase(), query: query.into(), ..Url::default() };
        let mut path = rest;
        if !rest.starts_with('/') {
            if !scheme.is_empty() {
                url.opaque = rest.into();
                return Ok(url);
            }
            if rest.split('/').next().is_some_and(|segment| segment.contains(':')) {
                return Err("first path segment in URL cannot contain colon".into());
            }
        }
        if let Some(after) = rest.strip_prefix("//").filter(|after| !scheme.is_empty() || !after.starts_with('/')) {
            let slash = after.find('/').unwrap_or(after.len());
            let authority;
            (authority, path) = after.split_at(slash);
            let (userinfo, host) = match authority.rsplit_once('@') {
                Some((userinfo, host)) => (Some(userinfo), host),
                None => (None, authority),
            };
            url.host = parse_host(&url.scheme, host)?;
            url.userinfo = userinfo.map(parse_userinfo).transpose()?;
        }
        url.path = Part::Path.unescape(path)?;
        Ok(url)
    }

    fn hostname(&self) -> &[u8] {
        let host = &self.host;
        let colon = host.iter().rposition(|b| *b == b':');
        let digits = |i: usize| host[i + 1..].iter().all(u8::is_ascii_digit);
        let name = &host[..colon.filter(|i| digits(*i)).unwrap_or(host.len())];
        name.strip_prefix(b"[").and_then(|name| name.strip_suffix(b"]")).unwrap_or(name)
    }

    /// `URL.String` of a URL whose path was never escaped by hand.
    fn print(&self) -> Vec<u8> {
        let mut out = Vec::new();
        if !self.scheme.is_empty() {
            out.extend_from_slice(self.scheme.as_bytes());
            out.push(b':');
        }
        if self.opaque.is_empty() {
            let has_authority = !self.host.is_empty() || self.userinfo.is_some();
            if has_authority || (!self.scheme.is_empty() && !self.path.is_empty()) {
                out.extend_from_slice(b"//");
            }
            if let Some(userinfo) = &self.userinfo {
                out.extend_from_slice(userinfo);
                out.push(b'@');
            }
            Part::Host.escape(&mut out, &self.host);
            if !self.path.is_empty() && self.path[0] != b'/' && !self.host.is_empty() {
                out.push(b'/');
            }
            let segment = self.path.split(|b| *b == b'/').next().unwrap_or_default();
            if out.is_empty() && segment.contains(&b':') {
                out.extend_from_slice(b"./");
            }
            if self.path == b"*" {
                out.push(b'*');
            } else {
                Part::Path.escape(&mut out, &self.path);
            }
        } else {
            out.extend_from_slice(self.opaque.as_bytes());
        }
        if !self.query.is_empty() {
            out.push(b'?');
            out.extend_from_slice(self.query.as_bytes());
        }
        if !self.fragment.is_empty() {
            out.push(b'#');
            Part::Fragment.escape(&mut out, &self.fragment);
        }
        out
    }
}

fn split_scheme(text: &str) -> Result<(&str, &str), String> {
    for (i, c) in text.char_indices() {
        match c {
            'a'..='z' | 'A'..='Z' => {}
            '0'..='9' | '+' | '-' | '.' if i > 0 => {}
            ':' if i == 0 => return Err("missing protocol scheme".into()),
            ':' => return Ok((&text[..i], &text[i + 1..])),
            _ => break,
        }
    }
    Ok(("", text))
}

fn check_port(port: &str) -> Result<(), String> {
    let valid = port.strip_prefix(':').is_some_and(|digits| digits.bytes().all(|b| b.is_ascii_digit()));
    if port.is_empty() || valid { Ok(()) } else { Err(format!("invalid port {} after host", quoted(port))) }
}

fn parse_host(scheme: &str, host: &str) -> Result<Vec<u8>, String> {
    match host.rfind('[') {
        Some(0) => {}
        Some(_) => return Err("invalid IP-literal".into()),
        None => {
            if let (Some(first), Some(last)) = (host.find(':'), host.rfind(':')) {
                let strict = matches!(scheme, "http" | "https");
                check_port(&host[if strict { first } else { last }..])?;
            }
            return Part::Host.unescape(host);
        }
    }
    let Some(close) = host.rfind(']') else {
        return Err("missing ']' in host".into());
    };
    check_port(&host[close + 1..])?;
    let name = &host[1..close];
    let plain = match name.find("%25") {
        Some(zone) => [Part::Host.unescape(&name[..zone])?, Part::Zone.unescape(&name[zone..])?].concat(),
        None => Part::Host.unescape(name)?,
    };
    let shown = String::from_utf8_lossy(&plain);
    let address = shown.split_once('%').map_or(&*shown, |(address, _)| address);
    if address.parse::<Ipv6Addr>().is_err() {
        if address.parse::<std::net::Ipv4Addr>().is_ok() {
            return Err("invalid IP-literal".into());
        }
        return Err(format!("invalid host: ParseAddr({}): unable to parse IP", quoted(&shown)));
    }
    Ok([b"[", &plain[..], b"]", &host.as_bytes()[close + 1..]].concat())
}

/// Name and password, unescaped and escaped again as Go prints them.
fn parse_userinfo(text: &str) -> Result<Vec<u8>, String> {
    if !text.chars().all(|c| c.is_ascii_alphanumeric() || "-._:~!$&'()*+,;=%@".contains(c)) {
        return Err("net/url: invalid userinfo".into());
    }
    let (name, password) = match text.split_once(':') {
        Some((name, password)) => (name, Some(password)),
        None => (text, None),
    };
    let mut out = Vec::new();
    Part::User.escape(&mut out, &Part::User.unescape(name)?);
    if let Some(password) = password {
        out.push(b':');
        Part::User.escape(&mut out, &Part::User.unescape(password)?);
    }
    Ok(out)
}

fn url_parse(_: &mut dyn Host, args: &[Value]) -> Result<Value, String> {
    let url = Url::parse(&text(&args[0])).map_err(|message| format!("unable to parse url: {message}"))?;
    let hostname = Value::bytes(url.hostname().to_vec());
    let parts = [
        ("scheme", Value::str(url.scheme)),
        ("host", Value::bytes(url.host)),
        ("hostname", hostname),
        ("path", Value::bytes(url.path)),
        ("query", Value::str(url.query)),
        ("opaque", Value::str(url.opaque)),
        ("fragment", Value::bytes(url.fragment)),
        ("userinfo", Value::bytes(url.userinfo.unwrap_or_default())),
    ];
    Ok(Value::map(parts.into_iter().map(|(key, value)| (key.into(), value)).collect()))
}

fn url_join(_: &mut dyn Host, args: &[Value]) -> Result<Value, String> {
    let part = |key: &str| match map(&args[0]).and_then(|map| map.get(key)) {
        None => Ok(String::new()),
        Some(Value::Nil) => Err(super::NIL_POINTER.to_owned()),
        Some(value @ (Value::Str(_) | Value::Bytes(_))) => Ok(text(&value).into_owned()),
        Some(other) => Err(format!("unable to parse {key} key, must be of type string, but {} found", other.kind())),
    };
    let mut url = Url {
        scheme: part("scheme")?,
        host: part("host")?.into_bytes(),
        path: part("path")?.into_bytes(),
        query: part("query")?,
        opaque: part("opaque")?,
        fragment: part("fragment")?.into_bytes(),
        userinfo: None,
    };
    let userinfo = part("userinfo")?;
    if !userinfo.is_empty() {
        let parsed = Url::parse(&format!("proto://{userinfo}@host"));
        url.userinfo = parsed.map_err(|message| format!("unable to parse userinfo in dict: {message}"))?.userinfo;
    }
    Ok(Value::bytes(url.print()))
}
