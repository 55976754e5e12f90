//! Go's messages for people who do not know Go: the same in plain words, and one line of help.
//!
//! In: a message of `gotmpl`, and the text it points into. Out: sentences. Absent: places, which `report` finds.

use crate::gotmpl::{Functions, Value};

/// What a failing template says, in words that begin with Go's own, so that a search for these finds it. `before` is
/// the template up to the end of the part to blame, `.Values.image` at its end; `is_set` tells whether a map has that
/// part, if a map was read.
pub(super) fn in_words(message: &str, before: &str, is_set: Option<bool>) -> Option<String> {
    let state = if is_set == Some(true) { "null" } else { "not set" };
    if let Some(rest) = message.strip_prefix("nil pointer evaluating ") {
        let (_, field) = rest.rsplit_once('.')?;
        let owner = owner(before, field, is_set.is_some())?;
        return Some(format!("nil pointer: `{owner}` is {state}, so it has no `.{field}`"));
    }
    if let Some(rest) = message.strip_prefix("can't evaluate field ") {
        let (field, go_type) = rest.split_once(" in type ")?;
        return Some(match kind(go_type) {
            Some(kind) => {
                let owner = owner(before, field, is_set.is_some())?;
                format!("can't evaluate field {field}: `{owner}` is {kind}, not a mapping")
            }
            None => format!("can't evaluate field {field}: `{}` has no such field", owner(before, field, false)?),
        });
    }
    if let Some(wanted) = message.strip_prefix("invalid value; expected ") {
        return Some(format!("invalid value: this should be {}, and `{}` is {state}", kind(wanted)?, chain(before)?));
    }
    if let Some(rest) = message.strip_prefix("wrong type for value; expected ") {
        let (wanted, got) = rest.split_once("; got ")?;
        return Some(format!("wrong type for value: this should be {}, and it is {}", kind(wanted)?, kind(got)?));
    }
    if let Some(name) = message.strip_prefix("rendering template has a nested reference name: ") {
        let name = name.strip_suffix(": unable to execute template")?;
        return Some(format!("the template {name:?} includes itself without end"));
    }
    if message == "reflect: slice index out of range" {
        return Some("index out of range: the list is shorter".into());
    }
    missing_template(message).map(|name| format!("no template is called {name:?}"))
}

/// What helps where `.` is not what the template was given any more: the most frequent mistake there is.
pub(super) fn lost_root(message: &str, before: &str) -> Option<String> {
    const ROOT: [&str; 7] = ["Capabilities", "Chart", "Files", "Release", "Subcharts", "Template", "Values"];
    let name = match message.strip_prefix("can't evaluate field ") {
        Some(rest) => rest.split(' ').next()?,
        None if message.starts_with("nil pointer evaluating ") => chain(before)?.strip_prefix('.')?,
        None => return None,
    };
    ROOT.contains(&name).then(|| {
        format!(
            "`.` is something else here: write `$.{name}` inside `range` and `with`, and give `include` the whole `.`"
        )
    })
}

/// The path that a template ends with, `.Values.image` or `$x.y`.
fn chain(before: &str) -> Option<&str> {
    let is_part = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.' | '$');
    let chain = &before[before.trim_end_matches(is_part).len()..];
    (chain.starts_with(['.', '$'])).then_some(chain)
}

/// What a field was read from. Where that is no entry of a map, the path ends with the field itself.
fn owner<'t>(before: &'t str, field: &str, is_entry: bool) -> Option<&'t str> {
    let chain = chain(before)?;
    match chain.strip_suffix(field).and_then(|chain| chain.strip_suffix('.')) {
        Some(owner) if !is_entry => Some(if owner.is_empty() { "." } else { owner }),
        _ => Some(chain),
    }
}

/// What a Go type is called here.
fn kind(go_type: &str) -> Option<&'static str> {
    Some(match go_type {
        "string" => "text",
        "int" | "int64" => "an integer",
        "float64" => "a number",
        "bool" => "true or false",
        "[]interface {}" | "[]string" => "a list",
        "map[string]interface {}" => "a mapping",
        _ => return None,
    })
}

/// The template that a call names and nobody defines.
pub(super) fn missing_template(message: &str) -> Option<&str> {
    let name = message.strip_prefix("no template ").or_else(|| message.strip_prefix("template "))?;
    let (name, rest) = name.strip_prefix('"')?.split_once('"')?;
    (rest.starts_with(" associated with") || rest == " not defined").then_some(name)
}

/// What helps against an error while a template runs. `text` is the part of the template that failed, `value` what was
/// to blame and `path` where it stands, as a template would write it.
pub(super) fn advice(message: &str, text: &str, path: Option<&str>, value: Option<&Value>) -> Option<String> {
    if let Some(rest) = message.strip_prefix("cannot parse template: ") {
        return parse_advice(rest, &super::FUNCTIONS);
    }
    let shown = path.unwrap_or(".Values.x");
    let key = path.and_then(|path| path.rsplit('.').next());
    if let Some(types) = message.strip_prefix("incompatible types for comparison: ") {
        let is_number = |value: &Value| matches!(value, Value::Str(text) if text.parse::<f64>().is_ok());
        return match types.split_once(" and ")? {
            ("float64", "int") | ("int", "float64") => {
                Some(format!("a number in values is a float64, one in a template an int: write `(int {shown})`"))
            }
            (left, right) if left != right && value.is_some_and(is_number) => {
                Some(format!("it is a number in quotes: take them off where it was set, or write `(int {shown})`"))
            }
            ("float64" | "int" | "int64" | "bool", "string") | ("string", _) => {
                Some("compare texts: put `toString` before the one that is none".into())
            }
            _ => None,
        };
    }
    if let Some(rest) = message.strip_prefix("wrong type for value; expected ") {
        let (wanted, got) = rest.split_once("; got ")?;
        return Some(match (wanted, got) {
            ("string", "float64" | "int" | "int64" | "bool") => {
                "quote it where it is set, or convert it here with `toString`".into()
            }
            ("string", "map[string]interface {}" | "[]interface {}") => {
                "make text of it (`toYaml`, `join`), or name the part of it that is meant".into()
            }
            ("map[string]interface {}", _) => "set a mapping: `name: value` lines below the key".into(),
            ("[]interface {}" | "[]string", _) => "set a list: `- value` lines below the key".into(),
            ("int", _) => "convert it here with `int`".into(),
            _ => return None,
        });
    }
    if message.starts_with("range can't iterate over ") {
        let example = match (key, value) {
            (Some(key), Some(Value::Str(text))) if text.len() <= 30 => format!(", like `{key}: [{text}]`"),
            _ => String::new(),
        };
        return Some(format!("`range` goes through a list or a mapping: set one{example}"));
    }
    if message.ends_with("index out of range") {
        return Some(format!("elements count from 0: ask for the length first, `if gt (len {shown}) 1`"));
    }
    if message.starts_with("can't evaluate field ") && value.is_some() {
        let field = message.strip_prefix("can't evaluate field ")?.split(' ').next()?;
        return Some(format!("set a mapping there, with `{field}:` in it, as the chart reads it"));
    }
    if message.starts_with("rendering template has a nested reference name: ") {
        return Some("include another template here, or put the `include` into an `if` that ends it".into());
    }
    if let Some(name) = missing_template(message) {
        return Some(format!("no file below templates/ of the chart or its subcharts has {{{{ define {name:?} }}}}"));
    }
    if let Some(name) = message.strip_prefix("undefined variable: ") {
        return Some(format!("declare it above, in the same block or around it: {{{{ {name} := … }}}}"));
    }
    if message.starts_with("exceeded maximum template depth") {
        return Some("templates call each other without end: look for one that calls itself".into());
    }
    if ["(ROUNDS_MAX)", "(CONTAINERS_MAX)", "(PRODUCED_BYTES_MAX)", "(OUTPUT_BYTES_MAX)"]
        .iter()
        .any(|limit| message.ends_with(limit))
    {
        return Some(
            "that is more than a cluster takes: look for a `range`, `until` or `repeat` over a number that is too high"
                .into(),
        );
    }
    if message.starts_with("divide by zero") || message.contains("division by zero") {
        return Some("check the divisor with `if` before".into());
    }
    wrong_count(message, text)
}

/// What helps against a wrong number of arguments: nearly always a `|` or the `.` was forgotten.
fn wrong_count(message: &str, text: &str) -> Option<String> {
    let (name, counts) = message.strip_prefix("wrong number of args for ")?.split_once(": ")?;
    let mut words = text.split_whitespace().skip(1);
    if let Some(other) = words.find(|word| super::FUNCTIONS.names().any(|name| name == *word)) {
        return Some(format!(
            "`{other}` is a function too: put `|` before it, or parentheses around it and what it takes"
        ));
    }
    if name == "include" && counts.ends_with("got 1") {
        return Some(format!("say what `.` is in the included template: `{} .`", text.trim()));
    }
    let (wanted, got) = counts.strip_prefix("want ")?.split_once(" got ")?;
    Some(format!("`{name}` takes {wanted} arguments, here are {got}; what stands before a `|` is the last one"))
}

/// What helps against a text that is no template.
pub(super) fn parse_advice(message: &str, functions: &Functions) -> Option<String> {
    if let Some(name) = message.strip_prefix("function \"").and_then(|rest| rest.strip_suffix("\" not defined")) {
        return Some(match crate::error::nearest(name, functions.names()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => "neither Helm nor sprig has it; text stands in quotes, and a value begins with `.Values.`".into(),
        });
    }
    if let Some(name) = message.strip_prefix("undefined variable \"").and_then(|rest| rest.strip_suffix('"')) {
        return Some(format!("declare it above, in the same block or around it: {{{{ {name} := … }}}}"));
    }
    const TABLE: &[(&str, &str)] = &[
        ("unexpected EOF", "write {{ end }} where it should stop"),
        (
            "unexpected {{end}}",
            "nothing is open here: remove it, or look above for the `if`, `range`, `with` or `define` that it ended",
        ),
        ("unexpected {{else}}", "it belongs between an `if`, `range` or `with` and its {{ end }}"),
        ("unexpected \"}\"", "an action ends with `}}`"),
        ("unclosed action", "an action ends with `}}`"),
        ("unclosed comment", "a comment ends with `*/}}`"),
        ("unclosed left paren", "close it with `)`"),
        ("unexpected right paren", "remove it, or open it with `(`"),
        ("unterminated quoted string", "close the quote in the same line; inside of it, `\"` is written `\\\"`"),
        ("unterminated raw quoted string", "close it with another backtick"),
        ("unterminated character constant", "text stands in double quotes"),
        ("malformed character constant", "text stands in double quotes"),
        ("missing value for ", "write what it should look at: {{ if .Values.enabled }}"),
        ("bad character U+002D", "a key with `-` in it is read like this: {{ index .Values \"my-key\" }}"),
        ("bad number syntax", "text that begins with a digit stands in quotes"),
        ("unexpected \",\"", "arguments stand behind each other with blanks between, without commas"),
        ("unexpected \"=\"", "a variable is declared with `:=`; to compare write `eq a b`"),
        ("unexpected bad character", "text stands in quotes"),
        ("non executable command", "only a function can follow `|`"),
    ];
    TABLE.iter().find(|(start, _)| message.starts_with(start)).map(|(_, help)| (*help).into())
}
