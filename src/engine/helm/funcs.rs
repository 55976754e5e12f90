//! The functions that Helm adds to sprig's (helm's pkg/engine/funcs.go), all but `include` and `tpl`, which the
//! template engine has itself. Errors are data where Helm has it so: `fromYaml` gives a map with the key `Error`.

use std::collections::BTreeMap;
use std::sync::Arc;

use data_encoding::BASE64;

use super::convert::from_node;
use super::toml;
use crate::gotmpl::{Function, IntKind, Param, Value, fmt, json};
use crate::yaml::Node;
use crate::yaml::go::{self, Emitter, Style};

/// All of them; they hide sprig's functions of the same names.
pub(super) const FUNCTIONS: &[Function] = &[
    Function {
        name: "toYaml",
        params: &[Param::Any],
        variadic: false,
        call: |_, args| Ok(to_yaml(&args[0])),
        doc: "A value as YAML, without a last line feed; nothing if YAML has no word for it.",
        examples: &[("{{ toYaml (dict \"b\" 1 \"a\" (list \"x\")) }}", "a:\n- x\nb: 1")],
    },
    Function {
        name: "toYamlPretty",
        params: &[Param::Any],
        variadic: false,
        call: |_, args| Ok(write(&args[0], Style::Pretty)),
        doc: "A value as YAML whose lists are indented and whose lines are not folded.",
        examples: &[("{{ toYamlPretty (dict \"a\" (list \"x\")) }}", "a:\n  - x")],
    },
    Function {
        name: "fromYaml",
        params: &[Param::Str],
        variadic: false,
        call: |_, args| Ok(from_yaml(&text(&args[0]))),
        doc: "A YAML mapping as a map; if it is none, a map that says why under `Error`.",
        examples: &[("{{ (fromYaml \"a: 1\").a }}", "1")],
    },
    Function {
        name: "fromYamlArray",
        params: &[Param::Str],
        variadic: false,
        call: |_, args| Ok(from_yaml_array(&text(&args[0]))),
        doc: "A YAML sequence as a list; if it is none, a list that says why.",
        examples: &[("{{ fromYamlArray \"- a\\n- b\" | join \"+\" }}", "a+b")],
    },
    Function {
        name: "toJson",
        params: &[Param::Any],
        variadic: false,
        call: |_, args| Ok(Value::str(json::encode(&args[0], json::Layout::default()).unwrap_or_default())),
        doc: "A value as JSON in one line; nothing if JSON has no word for it.",
        examples: &[("{{ toJson (dict \"a\" (list 1 \"<\")) }}", "{\"a\":[1,\"\\u003c\"]}")],
    },
    Function {
        name: "fromJson",
        params: &[Param::Str],
        variadic: false,
        call: |_, args| Ok(from_json(&text(&args[0]))),
        doc: "A JSON object as a map; if it is none, a map that says why under `Error`.",
        examples: &[("{{ (fromJson \"{\\\"a\\\": 1}\").a }}", "1")],
    },
    Function {
        name: "fromJsonArray",
        params: &[Param::Str],
        variadic: false,
        call: |_, args| Ok(from_json_array(&text(&args[0]))),
        doc: "A JSON array as a list; if it is none, a list that says why.",
        examples: &[("{{ fromJsonArray \"[1, 2]\" | len }}", "2")],
    },
    Function {
        name: "toToml",
        params: &[Param::Any],
        variadic: false,
        call: |_, args| match &args[0] {
            Value::Nil => Err("reflect: call of reflect.Value.Type on zero Value".into()),
            value => Ok(Value::str(toml::encode(value).unwrap_or_else(|error| error))),
        },
        doc: "A map as TOML; if it cannot be, why not.",
        examples: &[("{{ toToml (dict \"a\" (dict \"b\" 1)) }}", "[a]\n  b = 1\n")],
    },
    Function {
        name: "fromToml",
        params: &[Param::Str],
        variadic: false,
        call: |_, args| Ok(toml::decode(&text(&args[0])).unwrap_or_else(error_map)),
        doc: "TOML as a map; if it is none, a map that says why under `Error`.",
        examples: &[("{{ (fromToml \"[a]\\nb = 'x'\").a.b }}", "x")],
    },
    Function {
        name: "required",
        params: &[Param::Str, Param::Any],
        variadic: false,
        call: |_, args| match &args[1] {
            Value::Nil => Err(text(&args[0])),
            Value::Str(value) if value.is_empty() => Err(text(&args[0])),
            value => Ok(value.clone()),
        },
        doc: "The second argument; an error with the first one as its text if it is nil or empty text.",
        examples: &[("{{ required \"say which\" \"x\" }}", "x")],
    },
    Function {
        name: "fail",
        params: &[Param::Str],
        variadic: false,
        call: |_, args| Err(text(&args[0])),
        doc: "An error with this text.",
        examples: &[],
    },
    Function {
        name: "lookup",
        params: &[Param::Str, Param::Str, Param::Str, Param::Str],
        variadic: false,
        call: |host, _| {
            host.warn("lookup finds nothing: rendering never asks a cluster");
            Ok(Value::map(BTreeMap::new()))
        },
        doc: "An empty map: rendering never asks a cluster.",
        examples: &[("{{ lookup \"v1\" \"Secret\" \"a\" \"b\" | len }}", "0")],
    },
    Function {
        name: "getHostByName",
        params: &[Param::Str],
        variadic: false,
        call: |_, _| Ok(Value::str("")),
        doc: "Nothing: rendering never asks the network.",
        examples: &[("[{{ getHostByName \"example.org\" }}]", "[]")],
    },
];

fn text(value: &Value) -> String {
    let mut out = String::new();
    fmt::write_value(&mut out, value);
    out
}

/// Helm's `toYaml`.
pub(super) fn to_yaml(value: &Value) -> Value {
    write(value, Style::ToYaml)
}

/// A value nested deeper than this is one that holds itself: nothing is written then, as in Go.
const DEPTH_MAX: u32 = 5_000;

fn write(value: &Value, style: Style) -> Value {
    let mut out = String::new();
    let mut walk = Walk { emitter: Emitter::new(&mut out, style), style, depth: 0, too_deep: false };
    walk.emit(value);
    let Walk { emitter, too_deep, .. } = walk;
    if emitter.finish().is_err() || too_deep {
        return Value::str("");
    }
    if out.ends_with('\n') {
        out.pop();
    }
    Value::str(out)
}

struct Walk<'o> {
    emitter: Emitter<'o>,
    style: Style,
    depth: u32,
    too_deep: bool,
}

impl Walk<'_> {
    fn emit(&mut self, value: &Value) {
        self.depth += 1;
        self.too_deep |= self.depth > DEPTH_MAX;
        if self.too_deep {
            return;
        }
        match value {
            Value::Nil => self.emitter.null(),
            Value::Bool(b) => self.emitter.bool(*b),
            Value::Int(n, IntKind::Uint64) => self.emitter.uint(n.cast_unsigned()),
            Value::Int(n, _) => self.emitter.int(*n),
            Value::Float(f) => self.emitter.float(*f),
            Value::Str(text) => self.emitter.str(text),
            // Go's JSON replaces what is no UTF-8.
            Value::Bytes(bytes) => self.emitter.str(&String::from_utf8_lossy(bytes)),
            // By way of JSON a nil slice is null: `concat (list) (list) | toYaml`.
            Value::List(list) if list.is_nil() && self.style == Style::ToYaml => self.emitter.null(),
            Value::List(list) => {
                self.emitter.seq(list.items.len());
                for item in list.items.iter() {
                    self.emit(item);
                }
                self.emitter.end();
            }
            Value::Map(map) if map.is_nil() && self.style == Style::ToYaml => self.emitter.null(),
            Value::Map(map) => {
                let entries = map.entries.borrow();
                let mut entries: Vec<(&Arc<str>, &Value)> = entries.iter().collect();
                self.style.sort_keys(&mut entries, |(key, _)| key);
                self.emitter.map(entries.len());
                for (key, value) in entries {
                    self.emitter.key(key);
                    self.emit(value);
                }
                self.emitter.end();
            }
            Value::Object(object) if object.byte_slice().is_some() && self.style == Style::ToYaml => {
                self.emitter.str(&BASE64.encode(object.byte_slice().unwrap_or_default()));
            }
            // This library reads structs itself, not by way of JSON.
            Value::Object(object) if self.style == Style::Pretty && !object.is_stringer() => {
                match (object.struct_fields(), object.as_data()) {
                    (Some(fields), _) => {
                        self.emitter.map(fields.len());
                        for (name, value) in fields {
                            self.emitter.key(&name.to_lowercase());
                            self.emit(&value);
                        }
                        self.emitter.end();
                    }
                    (None, data) => self.emit(&data.unwrap_or(Value::Nil)),
                }
            }
            Value::Object(object) => match object.as_data() {
                Some(data) => self.emit(&data),
                None => self.emitter.str(&object.print()),
            },
        }
        self.depth -= 1;
    }
}

fn from_yaml(text: &str) -> Value {
    match go::from_yaml(text) {
        Ok(map) => from_node(&Node::new(map)),
        Err(error) => error_map(error),
    }
}

fn from_yaml_array(text: &str) -> Value {
    match go::from_yaml_array(text) {
        Ok(items) => from_node(&Node::new(items)),
        Err(error) => error_list(error),
    }
}

/// Why a JSON value is not what `fromJson` and its kin give, in Go's words.
fn wrong_kind(value: &Value, wanted: &str) -> String {
    let kind = match value {
        Value::Bool(_) => "bool",
        Value::Int(..) | Value::Float(_) => "number",
        Value::List(_) => "array",
        Value::Map(_) => "object",
        _ => "string",
    };
    format!("json: cannot unmarshal {kind} into Go value of type {wanted}")
}

fn from_json(text: &str) -> Value {
    match json::decode(text) {
        Ok(map @ Value::Map(_)) => map,
        Ok(Value::Nil) => Value::map(BTreeMap::new()),
        Ok(other) => error_map(wrong_kind(&other, "map[string]interface {}")),
        Err(error) => error_map(error),
    }
}

fn from_json_array(text: &str) -> Value {
    match json::decode(text) {
        Ok(list @ Value::List(_)) => list,
        Ok(Value::Nil) => Value::nil_list(),
        Ok(other) => error_list(wrong_kind(&other, "[]interface {}")),
        Err(error) => error_list(error),
    }
}

fn error_map(error: String) -> Value {
    Value::map([("Error".into(), Value::str(error))].into())
}

fn error_list(error: String) -> Value {
    Value::list(vec![Value::str(error)])
}
