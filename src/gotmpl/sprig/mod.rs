//! The functions of sprig v3.3.0 that Helm keeps (all but `env` and `expandenv`), a table per area.
//!
//! In: arguments that the executor has checked against each row's parameters. Out: a value, or the message of the
//! error or panic that Go would raise. Absent: Helm's own functions, which hide some of these (`toJson`, `fail`).
//!
//! A row holds the Go signature, the code, a line of documentation, and examples, which the tests run.

mod cast;
mod certificates;
mod checksums;
mod ciphers;
mod compare;
mod dates;
mod decimal;
mod defaults;
mod der;
mod dicts;
mod encoding;
mod keys;
#[cfg(target_arch = "x86_64")]
mod lanes;
#[cfg(not(target_arch = "x86_64"))]
#[path = "no_lanes.rs"]
mod lanes;
mod lists;
mod merge;
mod numbers;
mod passwords;
mod paths;
mod patterns;
mod primes;
mod reflection;
mod strings;
#[cfg(test)]
mod tests;
mod urls;
mod versions;
mod words;

use std::borrow::Cow;
use std::sync::Arc;

use super::fmt::to_string;
use super::func::{Function, Host, Param};
use super::value::{Map, MapType, Value};

pub use cast::{to_float, to_int};
pub use compare::deep_equal;

/// The tables, as `Functions::new` takes them.
pub const TABLES: &[&[Function]] = &[
    certificates::FUNCTIONS,
    checksums::FUNCTIONS,
    dates::FUNCTIONS,
    defaults::FUNCTIONS,
    dicts::FUNCTIONS,
    encoding::FUNCTIONS,
    keys::FUNCTIONS,
    lists::FUNCTIONS,
    numbers::FUNCTIONS,
    passwords::FUNCTIONS,
    paths::FUNCTIONS,
    patterns::FUNCTIONS,
    reflection::FUNCTIONS,
    strings::FUNCTIONS,
    urls::FUNCTIONS,
    versions::FUNCTIONS,
    words::FUNCTIONS,
];

/// All rows.
pub fn functions() -> impl Iterator<Item = &'static Function> {
    TABLES.iter().copied().flatten()
}

/// How long a text may get that a number in the template asks for (`repeat`, `indent`, `randAlphaNum`…).
pub const TEXT_BYTES_MAX: usize = 64 << 20;
/// How long a list may get that a number in the template asks for (`until`, `untilStep`, `seq`).
pub const LIST_LENGTH_MAX: usize = 1_000_000;

type Call = fn(&mut dyn Host, &[Value]) -> Result<Value, String>;
type Examples = &'static [(&'static str, &'static str)];

/// A row of a table.
const fn row(
    name: &'static str,
    params: &'static [Param],
    call: Call,
    doc: &'static str,
    examples: Examples,
) -> Function {
    Function { name, params, variadic: false, call, doc, examples }
}

/// A row whose last parameter may be given any number of times.
const fn variadic(
    name: &'static str,
    params: &'static [Param],
    call: Call,
    doc: &'static str,
    examples: Examples,
) -> Function {
    Function { name, params, variadic: true, call, doc, examples }
}

/// The text of an argument that the executor checked to be a string; bytes that are no UTF-8 are replaced.
fn text(value: &Value) -> Cow<'_, str> {
    match value {
        Value::Str(text) => Cow::Borrowed(text),
        Value::Bytes(bytes) => String::from_utf8_lossy(bytes),
        _ => Cow::Borrowed(""),
    }
}

/// The same as bytes, none replaced.
fn bytes(value: &Value) -> &[u8] {
    match value {
        Value::Str(text) => text.as_bytes(),
        Value::Bytes(bytes) => bytes,
        _ => &[],
    }
}

/// An argument that the executor checked to be an `int`.
fn int(value: &Value) -> i64 {
    match value {
        Value::Int(n, _) => *n,
        _ => 0,
    }
}

/// An argument that the executor checked to be a map; none for Go's nil map.
fn map(value: &Value) -> Option<&Map> {
    match value {
        Value::Map(map) => Some(map),
        _ => None,
    }
}

/// The map as a function of type `map[string]interface {}` gives it back: the same entries, without a type's name.
fn plain(map: &Map) -> Value {
    Value::Map(Map { entries: map.entries.clone(), map_type: MapType::Interface })
}

/// sprig's `strval`: how a value looks as a string.
fn strval(value: &Value) -> Arc<str> {
    match value {
        Value::Str(text) => text.clone(),
        other => match byte_slice(other) {
            Some(bytes) => String::from_utf8_lossy(bytes).into(),
            None => to_string(other).into(),
        },
    }
}

fn byte_slice(value: &Value) -> Option<&[u8]> {
    match value {
        Value::Object(object) => object.byte_slice(),
        _ => None,
    }
}

/// A value that is a string already, or what it prints as.
fn string_of(value: &Value) -> Value {
    match value {
        Value::Str(_) | Value::Bytes(_) => value.clone(),
        other => match byte_slice(other) {
            Some(bytes) => Value::bytes(bytes.to_vec()),
            None => Value::str(to_string(other)),
        },
    }
}

/// The elements of a slice; the error names the Go kind, as sprig's messages do: `Cannot push on type string`.
fn items<'a>(value: &'a Value, refusal: &str) -> Result<Cow<'a, [Value]>, String> {
    match value {
        Value::List(list) => Ok(Cow::Borrowed(&list.items)),
        Value::Nil => Err(NIL_POINTER.into()),
        Value::Object(object) if object.kind() == "slice" => match object.as_data() {
            Some(Value::List(list)) => Ok(Cow::Owned(list.items.to_vec())),
            _ => Ok(Cow::Owned(Vec::new())),
        },
        other => Err(format!("{refusal} {}", other.kind())),
    }
}

/// What Go says where sprig asks a nil for its type.
const NIL_POINTER: &str = "runtime error: invalid memory address or nil pointer dereference";
