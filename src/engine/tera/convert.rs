//! Values between the worlds: [`crate::yaml::Value`] as files hold them, [`tera::Value`] as templates see them, and
//! the YAML and JSON texts that templates make of those.
//!
//! Integers stay exact and mappings keep their order. Places do not survive: where a value was
//! set is found again by its path.

use tera::value::{Key, ValueKind};

use crate::yaml;
use crate::yaml::go::{Emitter, Style};

/// What templates see of a value.
pub fn to_tera(value: &yaml::Value) -> tera::Value {
    match value {
        yaml::Value::Null => tera::Value::none(),
        yaml::Value::Bool(b) => (*b).into(),
        yaml::Value::Int(n) => (*n).into(),
        yaml::Value::UInt(n) => (*n).into(),
        yaml::Value::Float(n) => (*n).into(),
        yaml::Value::Str(text) => tera::Value::normal_string(text),
        yaml::Value::Seq(items) => items.iter().map(|item| to_tera(&item.value)).collect::<Vec<_>>().into(),
        yaml::Value::Map(map) => map_to_tera(map).into(),
    }
}

/// What templates see of a mapping.
pub fn map_to_tera(map: &yaml::Map) -> tera::Map {
    map.iter().map(|(key, entry)| (Key::String(key.clone()), to_tera(&entry.node.value))).collect()
}

/// A value that templates made, as YAML text without its last line feed; mappings keep their order.
///
/// # Errors
/// What cannot be written, and where in the value: something undefined, an integer beyond 64 bits, NaN, raw bytes.
pub fn to_yaml(value: &tera::Value) -> Result<String, String> {
    let mut out = String::new();
    let mut emitter = Emitter::new(&mut out, Style::Pretty);
    write(value, &mut emitter, &mut Vec::new())?;
    emitter.finish().map_err(|_| "the value cannot be written as YAML".to_owned())?;
    out.truncate(out.strip_suffix('\n').map_or(out.len(), str::len));
    Ok(out)
}

/// A value that templates made, as JSON text, in one line or indented by two spaces.
///
/// # Errors
/// As for [`to_yaml`].
pub fn to_json(value: &tera::Value, pretty: bool) -> Result<String, String> {
    // The walk finds what JSON has no word for; serde would write null in its place.
    to_yaml(value)?;
    let text = if pretty { serde_json::to_string_pretty(value) } else { serde_json::to_string(value) };
    text.map_err(|error| format!("the value cannot be written as JSON: {error}"))
}

/// What a person calls a kind of value, with its article, as [`yaml::Value::kind_name`] does.
pub fn kind_name(value: &tera::Value) -> &'static str {
    match value.kind() {
        ValueKind::Undefined => "undefined",
        ValueKind::None => "null",
        ValueKind::Bool => "a boolean",
        ValueKind::F64 => "a number",
        ValueKind::String => "text",
        ValueKind::Array => "a list",
        ValueKind::Map => "a mapping",
        ValueKind::Bytes => "bytes",
        _ => "an integer",
    }
}

fn write(value: &tera::Value, out: &mut Emitter<'_>, path: &mut Vec<String>) -> Result<(), String> {
    match value.kind() {
        ValueKind::Undefined => return refuse(path, "is not defined"),
        ValueKind::None => out.null(),
        ValueKind::Bool => out.bool(value.as_bool().unwrap_or_default()),
        ValueKind::String => out.str(value.as_str().unwrap_or_default()),
        ValueKind::F64 => match value.as_f64() {
            Some(n) if n.is_finite() => out.float(n),
            _ => return refuse(path, "is no finite number"),
        },
        ValueKind::Array => {
            let items = value.as_array().unwrap_or_default();
            out.seq(items.len());
            for (index, item) in items.iter().enumerate() {
                path.push(index.to_string());
                write(item, out, path)?;
                path.pop();
            }
            out.end();
        }
        ValueKind::Map => {
            let len = value.len().unwrap_or_default();
            out.map(len);
            for (key, item) in value.as_map().into_iter().flatten() {
                let key = key.to_string();
                out.key(&key);
                path.push(key);
                write(item, out, path)?;
                path.pop();
            }
            out.end();
        }
        ValueKind::Bytes => return refuse(path, "is bytes, not text"),
        _ => match (value.as_i64(), value.as_u64()) {
            (Some(n), _) => out.int(n),
            (None, Some(n)) => out.uint(n),
            (None, None) => return refuse(path, "is an integer beyond 64 bits"),
        },
    }
    Ok(())
}

fn refuse(path: &[String], what: &str) -> Result<(), String> {
    if path.is_empty() {
        return Err(format!("the value {what}"));
    }
    Err(format!("`{}` in the value {what}", path.join(".")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_survive_the_way_to_a_template_and_back() {
        let text = "z: 1\na:\n  - true\n  - null\n  - 0.5\n  - 18446744073709551615\n  - -9223372036854775808\nm:\n  k: \"yes\"\n\
                    long: a text of more than twenty-one bytes\n";
        let source = crate::error::Source::new("x", text);
        let node = yaml::read(&source, &yaml::ReadOptions::default()).expect("valid YAML").node;
        let there = to_tera(&node.value);
        assert_eq!(to_yaml(&there), Ok(text.trim_end().to_owned()));
    }

    #[test]
    fn what_is_no_data_is_named_by_its_path() {
        let mut map = tera::Map::new();
        map.insert("list".into(), vec![tera::Value::from(1), tera::Value::undefined()].into());
        assert_eq!(to_yaml(&map.clone().into()), Err("`list.1` in the value is not defined".to_owned()));
        assert_eq!(to_json(&map.into(), false), Err("`list.1` in the value is not defined".to_owned()));
        assert_eq!(to_yaml(&f64::NAN.into()), Err("the value is no finite number".to_owned()));
        assert_eq!(to_yaml(&i128::MAX.into()), Err("the value is an integer beyond 64 bits".to_owned()));
    }
}
