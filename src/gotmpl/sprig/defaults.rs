//! Defaults, emptiness, choices and JSON (sprig's defaults.go).
//!
//! Empty are nil, false, 0, and texts, lists and dictionaries without content.

use Param::{Any, Bool, Str};

use super::super::func::{Function, Host, Param};
use super::super::json::{Layout, decode, encode};
use super::super::value::Value;
use super::{row, text, variadic};

pub(super) const FUNCTIONS: &[Function] = &[
    variadic(
        "default",
        &[Any, Any],
        |_, args| Ok(args.get(1).filter(|given| given.truth()).unwrap_or(&args[0]).clone()),
        "The second argument, or the first where it is empty or missing.",
        &[("{{ \"\" | default \"a\" }} {{ default \"a\" \"b\" }}", "a b")],
    ),
    row(
        "empty",
        &[Any],
        |_, args| Ok(Value::Bool(!args[0].truth())),
        "Whether a value is empty.",
        &[("{{ empty 0 }}", "true")],
    ),
    variadic(
        "coalesce",
        &[Any],
        |_, args| Ok(args.iter().find(|arg| arg.truth()).cloned().unwrap_or(Value::Nil)),
        "The first argument that is not empty, else nil.",
        &[("{{ coalesce 0 \"\" \"a\" \"b\" }}", "a")],
    ),
    variadic(
        "all",
        &[Any],
        |_, args| Ok(Value::Bool(args.iter().all(Value::truth))),
        "Whether none is empty.",
        &[("{{ all 1 \"\" }}", "false")],
    ),
    variadic(
        "any",
        &[Any],
        |_, args| Ok(Value::Bool(args.iter().any(Value::truth))),
        "Whether one is not empty.",
        &[("{{ any 1 \"\" }}", "true")],
    ),
    row(
        "ternary",
        &[Any, Any, Bool],
        |_, args| Ok(args[usize::from(!args[2].truth())].clone()),
        "The first value if the last one is true, else the second.",
        &[("{{ ternary \"yes\" \"no\" true }}", "yes")],
    ),
    row("fail", &[Str], |_, args| Err(text(&args[0]).into_owned()), "Stops with a message.", &[]),
    row(
        "fromJson",
        &[Str],
        |_, args| Ok(decode(&text(&args[0])).unwrap_or(Value::Nil)),
        "The value of a JSON text, else nil.",
        &[("{{ (fromJson \"{\\\"a\\\":[1]}\").a }}", "[1]")],
    ),
    row(
        "mustFromJson",
        &[Str],
        |_, args| decode(&text(&args[0])),
        "The value of a JSON text.",
        &[("{{ mustFromJson \"[1, 2.5]\" }}", "[1 2.5]")],
    ),
    row(
        "toJson",
        &[Any],
        to_json,
        "A JSON text, with HTML's characters escaped.",
        &[("{{ toJson (list 1 \"<\") }}", "[1,\"\\u003c\"]")],
    ),
    row(
        "mustToJson",
        &[Any],
        must_to_json,
        "The same as toJson.",
        &[("{{ mustToJson (dict \"a\" nil) }}", "{\"a\":null}")],
    ),
    row(
        "toPrettyJson",
        &[Any],
        to_pretty_json,
        "A JSON text over several lines.",
        &[("{{ toPrettyJson (list 1) }}", "[\n  1\n]")],
    ),
    row(
        "mustToPrettyJson",
        &[Any],
        must_to_pretty_json,
        "The same as toPrettyJson.",
        &[("{{ mustToPrettyJson (dict) }}", "{}")],
    ),
    row(
        "toRawJson",
        &[Any],
        to_raw_json,
        "A JSON text with HTML's characters as they are.",
        &[("{{ toRawJson \"<\" }}", "\"<\"")],
    ),
    row("mustToRawJson", &[Any], to_raw_json, "The same as toRawJson.", &[("{{ mustToRawJson \"&\" }}", "\"&\"")]),
];

const PLAIN: Layout = Layout { raw_html: false, indent: 0 };
const PRETTY: Layout = Layout { raw_html: false, indent: 2 };
const RAW: Layout = Layout { raw_html: true, indent: 0 };

fn must_to_json(_: &mut dyn Host, args: &[Value]) -> Result<Value, String> {
    encode(&args[0], PLAIN).map(Value::str)
}

fn must_to_pretty_json(_: &mut dyn Host, args: &[Value]) -> Result<Value, String> {
    encode(&args[0], PRETTY).map(Value::str)
}

/// Like sprig, an empty text where the value is none for JSON.
fn to_json(_: &mut dyn Host, args: &[Value]) -> Result<Value, String> {
    Ok(Value::str(encode(&args[0], PLAIN).unwrap_or_default()))
}

fn to_pretty_json(_: &mut dyn Host, args: &[Value]) -> Result<Value, String> {
    Ok(Value::str(encode(&args[0], PRETTY).unwrap_or_default()))
}

fn to_raw_json(_: &mut dyn Host, args: &[Value]) -> Result<Value, String> {
    encode(&args[0], RAW).map(Value::str)
}
