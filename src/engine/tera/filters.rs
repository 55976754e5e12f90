//! kcfg's own filters, tests and functions; [`super::table`] names and documents them.
//!
//! Each takes a value and its arguments and gives a value back; none knows the template, the release or the cluster.

use std::fmt::Write as _;

use data_encoding::{BASE64, HEXLOWER};
use sha2::{Digest, Sha256};
use tera::value::Key;
use tera::{Map, TeraResult, Value};

use super::args::{Args, map, refuse, scalar, text, wrong_value};
use super::convert::{self, to_tera};
use super::files::Files;
use crate::error::Source;
use crate::yaml;

pub fn to_yaml(value: &Value, args: &Args<'_>) -> TeraResult<Value> {
    let indent = args.width("indent")?.unwrap_or_default();
    defined(value)?;
    let out = convert::to_yaml(value).map_err(refuse)?;
    Ok(if indent == 0 { out.into() } else { indented(&out, indent, false).into() })
}

pub fn from_yaml(value: &Value, _: &Args<'_>) -> TeraResult<Value> {
    let source = Source::new("the text", text(value)?);
    match yaml::read(&source, &yaml::ReadOptions::default()) {
        Ok(document) => Ok(to_tera(&document.node.value)),
        Err(error) => Err(inner("YAML", &error)),
    }
}

pub fn to_json(value: &Value, args: &Args<'_>) -> TeraResult<Value> {
    let pretty = args.flag("pretty")?;
    defined(value)?;
    convert::to_json(value, pretty).map(Value::from).map_err(refuse)
}

pub fn from_json(value: &Value, _: &Args<'_>) -> TeraResult<Value> {
    match yaml::from_json("the text", text(value)?, yaml::Numbers::Exact) {
        Ok(node) => Ok(to_tera(&node.value)),
        Err(error) => Err(inner("JSON", &error)),
    }
}

pub fn nindent(value: &Value, args: &Args<'_>) -> TeraResult<Value> {
    let width = args.width("width")?.ok_or_else(|| refuse("`nindent` needs the argument `width`"))?;
    Ok(format!("\n{}", indented(text(value)?, width, true)).into())
}

pub fn quote(value: &Value, _: &Args<'_>) -> TeraResult<Value> {
    let text = scalar(value)?;
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            // What YAML counts as a line break or does not print; all of these are below U+10000.
            c if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}') => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    Ok(out.into())
}

pub fn squote(value: &Value, _: &Args<'_>) -> TeraResult<Value> {
    let text = scalar(value)?;
    if text.chars().any(|c| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}')) {
        return Err(refuse("single quotes cannot hold a line break, a tab or a control character; use `quote`"));
    }
    Ok(format!("'{}'", text.replace('\'', "''")).into())
}

pub fn b64encode(value: &Value, _: &Args<'_>) -> TeraResult<Value> {
    Ok(BASE64.encode(scalar(value)?.as_bytes()).into())
}

pub fn b64decode(value: &Value, _: &Args<'_>) -> TeraResult<Value> {
    let compact: String = text(value)?.chars().filter(|c| !c.is_ascii_whitespace()).collect();
    let bytes = BASE64.decode(compact.as_bytes()).map_err(|error| refuse(format!("this is no base64: {error}")))?;
    String::from_utf8(bytes).map(Value::from).map_err(|_| refuse("what the base64 stands for is no UTF-8 text"))
}

pub fn sha256(value: &Value, _: &Args<'_>) -> TeraResult<Value> {
    Ok(HEXLOWER.encode(&Sha256::digest(scalar(value)?.as_bytes())).into())
}

pub fn required(value: &Value, args: &Args<'_>) -> TeraResult<Value> {
    let message = args.text("message")?;
    let missing = value.is_undefined() || value.is_none() || value.as_str().is_some_and(str::is_empty);
    if missing { Err(refuse(message)) } else { Ok(value.clone()) }
}

pub fn trunc(value: &Value, args: &Args<'_>) -> TeraResult<Value> {
    let text = text(value)?;
    let length = args.integer("length")?.ok_or_else(|| refuse("`trunc` needs the argument `length`"))?;
    let count = usize::try_from(length.unsigned_abs()).unwrap_or(usize::MAX);
    let cut = |n: usize| text.char_indices().nth(n).map_or(text.len(), |(at, _)| at);
    Ok(if length < 0 {
        text[cut(text.chars().count().saturating_sub(count))..].into()
    } else {
        text[..cut(count)].into()
    })
}

pub fn trim_prefix(value: &Value, args: &Args<'_>) -> TeraResult<Value> {
    let (text, pat) = (text(value)?, args.text("pat")?);
    Ok(text.strip_prefix(pat).unwrap_or(text).into())
}

pub fn trim_suffix(value: &Value, args: &Args<'_>) -> TeraResult<Value> {
    let (text, pat) = (text(value)?, args.text("pat")?);
    Ok(text.strip_suffix(pat).unwrap_or(text).into())
}

pub fn kebab_case(value: &Value, _: &Args<'_>) -> TeraResult<Value> {
    Ok(words(text(value)?).join("-").to_lowercase().into())
}

pub fn snake_case(value: &Value, _: &Args<'_>) -> TeraResult<Value> {
    Ok(words(text(value)?).join("_").to_lowercase().into())
}

pub fn pascal_case(value: &Value, _: &Args<'_>) -> TeraResult<Value> {
    Ok(words(text(value)?).iter().map(|word| capitalised(word)).collect::<String>().into())
}

pub fn camel_case(value: &Value, _: &Args<'_>) -> TeraResult<Value> {
    let words = words(text(value)?);
    let all = words.iter().enumerate();
    Ok(all.map(|(i, word)| if i == 0 { word.to_lowercase() } else { capitalised(word) }).collect::<String>().into())
}

pub fn regex_replace(value: &Value, args: &Args<'_>) -> TeraResult<Value> {
    let pattern = regex(args.text("pattern")?)?;
    Ok(pattern.replace_all(text(value)?, args.text("to")?).into_owned().into())
}

pub fn matching(value: &Value, args: &Args<'_>) -> TeraResult<bool> {
    Ok(regex(args.text("pattern")?)?.is_match(text(value)?))
}

pub fn merge(value: &Value, args: &Args<'_>) -> TeraResult<Value> {
    let over = args.must_get("with")?;
    let over = over.as_map().ok_or_else(|| refuse("the argument `with` of `merge` should be a mapping"))?;
    Ok(merged(map(value)?, over).into())
}

pub fn dig(value: &Value, args: &Args<'_>) -> TeraResult<Value> {
    let path = args.text("path")?;
    let found = path.split('.').try_fold(value, |at, part| match at.as_array() {
        Some(items) => items.get(part.parse::<usize>().ok()?),
        None => at.as_map()?.get(&Key::Str(part)),
    });
    match (found, args.get("default")) {
        (Some(found), Some(default)) if found.is_none() => Ok(default.clone()),
        (Some(found), _) => Ok(found.clone()),
        (None, Some(default)) => Ok(default.clone()),
        (None, None) => Err(refuse(format!("the value has nothing at `{path}`; give `default` if it may be missing"))),
    }
}

pub fn pick(value: &Value, args: &Args<'_>) -> TeraResult<Value> {
    let keys = args.texts("keys")?;
    Ok(keep(map(value)?, |key| keys.contains(&key)))
}

pub fn omit(value: &Value, args: &Args<'_>) -> TeraResult<Value> {
    let keys = args.texts("keys")?;
    Ok(keep(map(value)?, |key| !keys.contains(&key)))
}

pub fn compact(value: &Value, _: &Args<'_>) -> TeraResult<Value> {
    let full = |value: &Value| match (value.as_str(), value.len()) {
        (Some(text), _) => !text.is_empty(),
        (None, Some(len)) => len > 0,
        (None, None) => !value.is_none() && !value.is_undefined(),
    };
    if let Some(items) = value.as_array() {
        return Ok(items.iter().filter(|item| full(item)).cloned().collect::<Vec<_>>().into());
    }
    let entries = value.as_map().ok_or_else(|| wrong_value("a mapping or a list", value))?;
    Ok(entries.iter().filter(|(_, item)| full(item)).map(|(k, v)| (k.clone(), v.clone())).collect::<Map>().into())
}

/// Replaces Tera's own, whose groups come in another order on every run.
pub fn group_by(value: &Value, args: &Args<'_>) -> TeraResult<Value> {
    let path = args.text("attribute")?;
    let mut groups: indexmap::IndexMap<Key<'static>, Vec<Value>> = indexmap::IndexMap::new();
    let items = value.as_array().ok_or_else(|| wrong_value("a list", value))?;
    for (index, item) in items.iter().enumerate() {
        let by = path.split('.').try_fold(item, |at, part| at.as_map()?.get(&Key::Str(part)));
        let by = by.ok_or_else(|| refuse(format!("item {index} of the list has nothing at `{path}`")))?;
        if !by.is_none() {
            let by = scalar(by).map_err(|_| refuse(format!("`{path}` of item {index} of the list is no scalar")))?;
            groups.entry(Key::from(by)).or_default().push(item.clone());
        }
    }
    Ok(groups.into_iter().map(|(key, items)| (key, Value::from(items))).collect::<Map>().into())
}

pub fn semver(value: &Value, _: &Args<'_>) -> TeraResult<Value> {
    let version = version(text(value)?)?;
    let mut out = Map::new();
    out.insert("major".into(), version.major.into());
    out.insert("minor".into(), version.minor.into());
    out.insert("patch".into(), version.patch.into());
    out.insert("prerelease".into(), version.pre.into());
    out.insert("metadata".into(), version.metadata.into());
    Ok(out.into())
}

pub fn is_semver(value: &Value, args: &Args<'_>) -> TeraResult<bool> {
    let constraint = args.text("constraint")?;
    let parsed = crate::semver::Constraint::parse(constraint)
        .map_err(|error| refuse(format!("`{constraint}` is no version constraint: {error}")))?;
    Ok(parsed.check(&version(text(value)?)?))
}

pub fn fail(args: &Args<'_>, _: &Files) -> TeraResult<Value> {
    Err(refuse(args.text("message")?))
}

pub fn file(args: &Args<'_>, files: &Files) -> TeraResult<Value> {
    let path = args.text("path")?;
    let bytes = files.get(path)?;
    if args.flag("base64")? {
        return Ok(BASE64.encode(bytes).into());
    }
    std::str::from_utf8(bytes)
        .map(Value::from)
        .map_err(|_| refuse(format!("the file `{path}` is no UTF-8 text; read it with base64=true")))
}

pub fn files(args: &Args<'_>, files: &Files) -> TeraResult<Value> {
    let pattern = args.text("glob")?;
    let (base, encode) = (args.flag("base")?, args.flag("base64")?);
    let mut out = Map::new();
    for (path, bytes) in files.glob(pattern)? {
        let name = if base { path.rsplit('/').next().unwrap_or(path) } else { path };
        let content = match std::str::from_utf8(bytes) {
            _ if encode => Value::from(BASE64.encode(bytes)),
            Ok(text) => Value::from(text),
            Err(_) => return Err(refuse(format!("the file `{path}` is no UTF-8 text; read it with base64=true"))),
        };
        if out.insert(name.to_owned().into(), content).is_some() {
            return Err(refuse(format!("two files that `{pattern}` matches are called `{name}`; leave out base=true")));
        }
    }
    Ok(out.into())
}

/// Indents every line that is not empty; the first one only if `first`.
fn indented(text: &str, width: usize, first: bool) -> String {
    let pad = " ".repeat(width);
    let mut out = String::with_capacity(text.len() + width * 8);
    for (i, line) in text.split('\n').enumerate() {
        if i > 0 {
            out.push('\n');
        }
        if !line.is_empty() && (i > 0 || first) {
            out.push_str(&pad);
        }
        out.push_str(line);
    }
    out
}

/// The report points at a value of the wrong kind, so this comes before the walk through the value.
fn defined(value: &Value) -> TeraResult<()> {
    if value.is_undefined() { Err(wrong_value("a value", value)) } else { Ok(()) }
}

fn inner(format: &str, error: &crate::error::Diagnostic) -> tera::Error {
    let line = error.place.as_ref().map(|place| place.source.line_column(place.span.start).0);
    let line = line.map_or_else(String::new, |line| format!(" (line {line} of the text)"));
    refuse(format!("the text is no {format}: {}{line}", error.message))
}

fn version(text: &str) -> TeraResult<crate::semver::Version> {
    crate::semver::Version::parse(text).map_err(|error| refuse(format!("`{text}` is no version: {error}")))
}

fn regex(pattern: &str) -> TeraResult<regex::Regex> {
    regex::RegexBuilder::new(pattern).size_limit(super::REGEX_BYTES_MAX).build().map_err(|error| {
        let error = error.to_string();
        refuse(format!(
            "`{pattern}` is no regular expression: {}",
            error.lines().last().unwrap_or_default().trim_start_matches("error: ")
        ))
    })
}

/// Mappings are merged key by key, everything else of `over` wins; the order is that of `under`, then of `over`.
fn merged(under: &Map, over: &Map) -> Map {
    let mut out = under.clone();
    for (key, value) in over {
        let value = match (out.get(key).and_then(Value::as_map), value.as_map()) {
            (Some(under), Some(over)) => merged(under, over).into(),
            _ => value.clone(),
        };
        out.insert(key.clone(), value);
    }
    out
}

fn keep(map: &Map, wanted: impl Fn(&str) -> bool) -> Value {
    let kept = map.iter().filter(|(key, _)| wanted(key.as_str().unwrap_or_default()));
    kept.map(|(key, value)| (key.clone(), value.clone())).collect::<Map>().into()
}

/// `fooBar-baz HTTPServer2` → foo, Bar, baz, HTTP, Server2.
fn words(text: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let chars: Vec<char> = text.chars().collect();
    let mut word = String::new();
    for (i, &c) in chars.iter().enumerate() {
        if !c.is_alphanumeric() {
            words.extend((!word.is_empty()).then(|| std::mem::take(&mut word)));
            continue;
        }
        let before = i.checked_sub(1).map(|i| chars[i]);
        let after_lower = before.is_some_and(|b| b.is_lowercase() || b.is_numeric());
        let ends_capitals =
            before.is_some_and(char::is_uppercase) && chars.get(i + 1).is_some_and(|n| n.is_lowercase());
        if c.is_uppercase() && (after_lower || ends_capitals) {
            words.extend((!word.is_empty()).then(|| std::mem::take(&mut word)));
        }
        word.push(c);
    }
    words.extend((!word.is_empty()).then_some(word));
    words
}

fn capitalised(word: &str) -> String {
    let mut chars = word.chars();
    chars
        .next()
        .map_or_else(String::new, |first| first.to_uppercase().chain(chars.flat_map(char::to_lowercase)).collect())
}
