use std::fmt::Write as _;

use crate::yaml::{self, Node, ReadOptions, Value};

/// JSON as Go's encoding/json writes what sigs.k8s.io/yaml read, apart from the order of keys and the form of floats.
fn to_json(node: &Node) -> serde_json::Value {
    match &node.value {
        Value::Null => serde_json::Value::Null,
        Value::Bool(b) => (*b).into(),
        Value::Int(n) => (*n).into(),
        Value::UInt(n) => (*n).into(),
        Value::Float(n) => (*n).into(),
        Value::Str(text) => (&**text).into(),
        Value::Seq(items) => items.iter().map(to_json).collect(),
        Value::Map(map) => map.iter().map(|(k, e)| (k.to_string(), to_json(&e.node))).collect(),
    }
}

/// Whether two JSON values are the same; Go writes 1.0 as `1` and 1e20 as `100000000000000000000`.
fn same(a: &serde_json::Value, b: &serde_json::Value) -> bool {
    use serde_json::Value as J;
    match (a, b) {
        (J::Number(a), J::Number(b)) => a == b || ((a.is_f64() || b.is_f64()) && a.as_f64() == b.as_f64()),
        (J::Array(a), J::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (J::Object(a), J::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(k, v)| b.get(k).is_some_and(|other| same(v, other)))
        }
        _ => a == b,
    }
}

/// Texts that the parser splits into events otherwise than go-yaml.
const PARSER_DIFFERS: &[&str] = &[
    r#""a\/b""#,
    r#""\ud83d\ude00""#,
    "[a]]",
    "\"a\" b",
    "\"a\"b",
    "\ta",
    " \ta",
    "a\u{85}b",
    "a\u{2028}b",
    "\u{feff}a",
    "%YAML 1.2\n---\na",
    "%FOO bar\n---\na",
    "%a\n---\nb",
    "-\ta",
    "- \ta: 1",
    "a: |\n  \tx",
    "a: |# c\n b",
    "a # b\nc",
    "a: \u{85}b",
    "a: 1\u{2028}b: 2",
    "...\na",
    "...",
];

#[test]
fn texts_are_read_as_go_yaml_reads_them() {
    let mut wrong = String::new();
    let mut count = 0;
    for line in include_str!("../../../fixtures/yaml/read.jsonl").split('\n').filter(|l| l.starts_with('[')) {
        let case: serde_json::Value = serde_json::from_str(line).expect("a line of the fixture is JSON");
        let text = case[0].as_str().expect("the text");
        count += 1;
        if PARSER_DIFFERS.contains(&text.strip_prefix("k: ").unwrap_or(text)) {
            continue;
        }
        let ours = yaml::decode(text.as_bytes(), "t").and_then(|s| yaml::read(&s, &ReadOptions::default()));
        match (case[1]["json"].as_str(), &ours) {
            (Some(json), Ok(document)) => {
                let expected: serde_json::Value = serde_json::from_str(json).expect("Go wrote JSON");
                let got = to_json(&document.node);
                if !same(&expected, &got) {
                    let _ = writeln!(wrong, "{text:?}: expected {json}, got {got}");
                }
            }
            (None, Err(_)) => {}
            (Some(json), Err(e)) => {
                let _ = writeln!(wrong, "{text:?}: expected {json}, got {}", e.message);
            }
            (None, Ok(document)) => {
                let _ = writeln!(wrong, "{text:?}: expected {}, got {}", case[1]["error"], to_json(&document.node));
            }
        }
    }
    assert!(count > 800, "the fixture has only {count} cases");
    assert!(wrong.is_empty(), "{} of {count} differ:\n{wrong}", wrong.lines().count());
}
