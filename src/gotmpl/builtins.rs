//! Go's built-in template functions (text/template/funcs.go): truth, comparison, indexing, escaping, printing.
//! `and` and `or` are evaluated by the executor, since they evaluate no more arguments than they need.

use super::fmt;
use super::func::Param;
use super::value::{IntKind, List, MapType, Value};

/// A built-in function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Builtin {
    And,
    Or,
    Not,
    Call,
    Html,
    Index,
    Slice,
    Js,
    Len,
    Print,
    Printf,
    Println,
    Urlquery,
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
}

use Builtin::*;

impl Builtin {
    /// All of them.
    pub const ALL: &[Builtin] =
        &[And, Or, Not, Call, Html, Index, Slice, Js, Len, Print, Printf, Println, Urlquery, Eq, Ne, Lt, Le, Gt, Ge];

    /// The name in templates.
    pub const fn name(self) -> &'static str {
        match self {
            And => "and",
            Or => "or",
            Not => "not",
            Call => "call",
            Html => "html",
            Index => "index",
            Slice => "slice",
            Js => "js",
            Len => "len",
            Print => "print",
            Printf => "printf",
            Println => "println",
            Urlquery => "urlquery",
            Eq => "eq",
            Ne => "ne",
            Lt => "lt",
            Le => "le",
            Gt => "gt",
            Ge => "ge",
        }
    }

    pub(super) fn params(self) -> &'static [Param] {
        match self {
            Not | Len | Html | Js | Urlquery | Print | Println => &[Param::Any],
            Printf => &[Param::Str, Param::Any],
            And | Or | Call | Index | Slice | Eq | Ne | Lt | Le | Gt | Ge => &[Param::Any, Param::Any],
        }
    }

    pub(super) fn is_variadic(self) -> bool {
        matches!(self, And | Or | Call | Html | Index | Slice | Js | Print | Printf | Println | Urlquery | Eq)
    }

    /// Calls it with checked arguments.
    pub(super) fn call(self, args: &[Value]) -> Result<Value, String> {
        match self {
            And | Or => Err("evaluated by the executor".into()),
            Not => Ok(Value::Bool(!args[0].truth())),
            Call => match &args[0] {
                Value::Nil => Err("call of nil".into()),
                other => Err(format!("non-function of type {}", other.type_name())),
            },
            Html => Ok(Value::str(html_escape(&text_of(args)))),
            Js => Ok(Value::str(js_escape(&text_of(args)))),
            Urlquery => Ok(Value::str(query_escape(&text_of(args)))),
            Index => index(&args[0], &args[1..]),
            Slice => slice(&args[0], &args[1..]),
            Len => length(&args[0]),
            Print => Ok(Value::str(fmt::sprint(args))),
            Println => Ok(Value::str(fmt::sprintln(args))),
            Printf => {
                let format = match &args[0] {
                    Value::Bytes(bytes) => bytes,
                    Value::Str(text) => text.as_bytes(),
                    _ => &[],
                };
                Ok(Value::bytes(fmt::sprintf_bytes(format, &args[1..])))
            }
            Eq => equal(&args[0], &args[1..]).map(Value::Bool),
            Ne => equal(&args[0], &args[1..]).map(|equal| Value::Bool(!equal)),
            Lt => less(&args[0], &args[1]).map(Value::Bool),
            Le => less_or_equal(&args[0], &args[1]).map(Value::Bool),
            Gt => less_or_equal(&args[0], &args[1]).map(|le| Value::Bool(!le)),
            Ge => less(&args[0], &args[1]).map(|less| Value::Bool(!less)),
        }
    }
}

/// What kinds can be compared with each other.
#[derive(PartialEq, Clone, Copy)]
enum Basic {
    Bool,
    Int,
    Uint,
    Float,
    Str,
    /// Nil and everything that is made of other values.
    Other,
}

fn basic(value: &Value) -> Basic {
    match value {
        Value::Bool(_) => Basic::Bool,
        Value::Int(_, IntKind::Uint64 | IntKind::Uint8) => Basic::Uint,
        Value::Int(..) => Basic::Int,
        Value::Float(_) => Basic::Float,
        Value::Str(_) | Value::Bytes(_) => Basic::Str,
        Value::Object(object) => match object.kind() {
            "int64" => Basic::Int,
            "string" => Basic::Str,
            _ => Basic::Other,
        },
        Value::Nil | Value::List(_) | Value::Map(_) => Basic::Other,
    }
}

fn incompatible(a: &Value, b: &Value) -> String {
    format!("incompatible types for comparison: {} and {}", a.type_name(), b.type_name())
}

fn equal(first: &Value, others: &[Value]) -> Result<bool, String> {
    if others.is_empty() {
        return Err("missing argument for comparison".into());
    }
    for other in others {
        let is_nil = |value: &Value| matches!(value, Value::Nil);
        let (a, b) = (basic(first), basic(other));
        let truth = match (a, b) {
            (Basic::Int, Basic::Uint) | (Basic::Uint, Basic::Int) => integer(first) == integer(other),
            _ if a != b && (is_nil(first) || is_nil(other)) => false,
            _ if a != b => return Err(incompatible(first, other)),
            (Basic::Other, _) if is_nil(first) || is_nil(other) => is_nil(first) && is_nil(other),
            (Basic::Other, _) if first.kind() != other.kind() => {
                return Err(format!("non-comparable types {}, {}", first.type_name(), other.type_name()));
            }
            (Basic::Other, _) => match (first, other) {
                (Value::Object(x), Value::Object(y)) if !matches!(y.kind(), "map" | "slice") => {
                    x.type_name() == y.type_name() && x.print() == y.print()
                }
                _ => return Err(format!("non-comparable type {}", other.type_name())),
            },
            (Basic::Bool, _) => first.truth() == other.truth(),
            (Basic::Float, _) => float(first) == float(other),
            (Basic::Int | Basic::Uint, _) => integer(first) == integer(other),
            (Basic::Str, _) => bytes(first) == bytes(other),
        };
        if truth {
            return Ok(true);
        }
    }
    Ok(false)
}

fn less(a: &Value, b: &Value) -> Result<bool, String> {
    let (kind_a, kind_b) = (basic(a), basic(b));
    if kind_a == Basic::Other || kind_b == Basic::Other {
        return Err("invalid type for comparison".into());
    }
    match (kind_a, kind_b) {
        (Basic::Int | Basic::Uint, Basic::Int | Basic::Uint) => Ok(integer(a) < integer(b)),
        (Basic::Float, Basic::Float) => Ok(float(a) < float(b)),
        (Basic::Str, Basic::Str) => Ok(bytes(a) < bytes(b)),
        (Basic::Bool, Basic::Bool) => Err("invalid type for comparison".into()),
        _ => Err(incompatible(a, b)),
    }
}

fn less_or_equal(a: &Value, b: &Value) -> Result<bool, String> {
    Ok(less(a, b)? || equal(a, std::slice::from_ref(b))?)
}

/// An integer; those of unsigned kinds are stored with their bits.
fn integer(value: &Value) -> i128 {
    match value {
        Value::Int(n, IntKind::Uint64) => i128::from(n.cast_unsigned()),
        Value::Int(n, _) => i128::from(*n),
        Value::Object(object) => object.as_data().map_or(0, |data| integer(&data)),
        _ => 0,
    }
}

fn float(value: &Value) -> f64 {
    match value {
        Value::Float(f) => *f,
        _ => f64::NAN,
    }
}

fn bytes(value: &Value) -> Vec<u8> {
    match value {
        Value::Str(text) => text.as_bytes().to_vec(),
        Value::Bytes(bytes) => bytes.to_vec(),
        Value::Object(object) => object.print().into_bytes(),
        _ => Vec::new(),
    }
}

/// The data of a Go map or slice that has methods.
fn data_of(value: &Value) -> Value {
    match value {
        Value::Object(object) if matches!(object.kind(), "map" | "slice") => object.as_data().unwrap_or(Value::Nil),
        other => other.clone(),
    }
}

fn index_number(index: &Value, cap: usize) -> Result<usize, String> {
    match index {
        Value::Int(..) => {
            let n = integer(index);
            usize::try_from(n).ok().filter(|n| *n <= cap).ok_or_else(|| format!("index out of range: {n}"))
        }
        Value::Nil => Err("cannot index slice/array with nil".into()),
        other => Err(format!("cannot index slice/array with type {}", other.type_name())),
    }
}

fn index(item: &Value, indexes: &[Value]) -> Result<Value, String> {
    if matches!(item, Value::Nil) {
        return Err("index of untyped nil".into());
    }
    let mut item = item.clone();
    for index in indexes {
        if let (Value::Object(object), Value::Str(key)) = (&item, index)
            && object.kind() == "map"
        {
            item = object.field(key).unwrap_or(Value::Nil);
            continue;
        }
        item = match data_of(&item) {
            Value::Nil => return Err("index of nil pointer".into()),
            Value::List(list) => {
                let i = index_number(index, list.items.len())?;
                list.items.get(i).cloned().ok_or("reflect: slice index out of range")?
            }
            text @ (Value::Str(_) | Value::Bytes(_)) => {
                let bytes = bytes(&text);
                let i = index_number(index, bytes.len())?;
                let byte = bytes.get(i).ok_or("reflect: string index out of range")?;
                Value::Int(i64::from(*byte), IntKind::Uint8)
            }
            Value::Map(map) => match index {
                Value::Str(key) => map.get(key).unwrap_or(match map.map_type {
                    MapType::Strings => Value::str(""),
                    MapType::Interface | MapType::Values => Value::Nil,
                }),
                Value::Bytes(_) => Value::Nil,
                Value::Nil => return Err("value is nil; should be of type string".into()),
                other => return Err(format!("value has type {}; should be string", other.type_name())),
            },
            other => return Err(format!("can't index item of type {}", other.type_name())),
        };
    }
    Ok(item)
}

fn slice(item: &Value, indexes: &[Value]) -> Result<Value, String> {
    let item = data_of(item);
    if matches!(item, Value::Nil) {
        return Err("slice of untyped nil".into());
    }
    if indexes.len() > 3 {
        return Err(format!("too many slice indexes: {}", indexes.len()));
    }
    let length = match &item {
        Value::Str(_) | Value::Bytes(_) if indexes.len() == 3 => return Err("cannot 3-index slice a string".into()),
        Value::Str(text) => text.len(),
        Value::Bytes(bytes) => bytes.len(),
        Value::List(list) => list.items.len(),
        other => return Err(format!("can't slice item of type {}", other.type_name())),
    };
    let mut bounds = [0, length, length];
    for (bound, index) in bounds.iter_mut().zip(indexes) {
        *bound = index_number(index, length)?;
    }
    let [from, to, cap] = bounds;
    if from > to {
        return Err(format!("invalid slice index: {from} > {to}"));
    }
    if to > cap {
        return Err(format!("invalid slice index: {to} > {cap}"));
    }
    Ok(match &item {
        Value::List(list) => {
            let items = list.items[from..to].to_vec();
            Value::List(List { items: items.into(), element: list.element })
        }
        other => Value::bytes(bytes(other)[from..to].to_vec()),
    })
}

fn length(item: &Value) -> Result<Value, String> {
    let length = match data_of(item) {
        Value::Nil => return Err("len of nil pointer".into()),
        Value::Str(text) => text.len(),
        Value::Bytes(bytes) => bytes.len(),
        Value::List(list) => list.items.len(),
        Value::Map(map) => map.entries.borrow().len(),
        other => return Err(format!("len of type {}", other.type_name())),
    };
    Ok(Value::int(i64::try_from(length).unwrap_or(i64::MAX)))
}

/// What the escaping functions escape: their arguments as `print` prints them, but nil as an action prints it.
fn text_of(args: &[Value]) -> String {
    if let [Value::Str(text)] = args {
        return text.as_ref().into();
    }
    let printable = |value: &Value| match value {
        Value::Nil => Value::str(super::exec::NO_VALUE),
        value => value.clone(),
    };
    fmt::sprint(&args.iter().map(printable).collect::<Vec<_>>())
}

fn html_escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\0' => out.push('\u{fffd}'),
            '"' => out.push_str("&#34;"),
            '\'' => out.push_str("&#39;"),
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            c => out.push(c),
        }
    }
    out
}

fn js_escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\'' => out.push_str("\\'"),
            '"' => out.push_str("\\\""),
            '<' | '>' | '&' | '=' | '\0'..' ' => out.push_str(&format!("\\u{:04X}", u32::from(c))),
            c if c.is_ascii() || is_printable(c) => out.push(c),
            c => out.push_str(&format!("\\u{:04X}", u32::from(c))),
        }
    }
    out
}

/// Go's `unicode.IsPrint`, nearly: Rust's tables also take combining marks for unprintable.
fn is_printable(c: char) -> bool {
    c.is_alphanumeric() || c.escape_debug().count() == 1
}

/// Go's `url.QueryEscape`.
fn query_escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => out.push(byte.into()),
            b' ' => out.push('+'),
            byte => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}
