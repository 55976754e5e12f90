//! spf13/cast v1.7: any value as a number. What cannot be one is 0, as sprig drops the error.

use super::super::strconv::{float_to_int, parse_float, parse_int};
use super::super::value::{IntKind, Value};

/// `cast.ToInt64`: texts are read with Go's prefixes (`0x1F`, `010` is 8), floats are cut.
pub fn to_int(value: &Value) -> i64 {
    match value {
        Value::Int(n, _) => *n,
        Value::Float(f) => float_to_int(*f),
        Value::Bool(b) => i64::from(*b),
        Value::Str(text) => parse_int(trim_zero_decimal(text), 0).unwrap_or(0),
        Value::Object(object) if object.kind() == "int" => object.as_data().map_or(0, |data| to_int(&data)),
        _ => 0,
    }
}

/// `cast.ToFloat64`.
pub fn to_float(value: &Value) -> f64 {
    match value {
        Value::Int(n, IntKind::Uint64) => *n as u64 as f64,
        Value::Int(n, _) => *n as f64,
        Value::Float(f) => *f,
        Value::Bool(b) => f64::from(u8::from(*b)),
        Value::Str(text) => parse_float(text).unwrap_or(0.0),
        Value::Object(object) if object.kind() == "int" => object.as_data().map_or(0.0, |data| to_float(&data)),
        _ => 0.0,
    }
}

/// Drops `.000` at the end, so that the text of a whole float is an integer.
fn trim_zero_decimal(text: &str) -> &str {
    let trimmed = text.trim_end_matches('0');
    match trimmed.strip_suffix('.') {
        Some(whole) if trimmed.len() < text.len() => whole,
        _ => text,
    }
}
