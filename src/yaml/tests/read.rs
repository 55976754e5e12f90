use std::fmt::Write as _;

use crate::error::Span;
use crate::yaml::read::read_first;
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

#[test]
fn texts_are_read_as_go_yaml_reads_them() {
    let mut wrong = String::new();
    let mut count = 0;
    let fixtures =
        [include_str!("../../../fixtures/yaml/read.jsonl"), include_str!("../../../fixtures/yaml/mutated.jsonl")];
    for line in fixtures.iter().flat_map(|text| text.split('\n')).filter(|l| l.starts_with('[')) {
        let case: serde_json::Value = serde_json::from_str(line).expect("a line of the fixture is JSON");
        let text = case[0].as_str().expect("the text");
        count += 1;
        let ours = yaml::decode(text.as_bytes(), "t").expect("the fixture is UTF-8");
        let ours = read_first(&ours, Span::new(0, ours.text.len()), &ReadOptions::default());
        match (case[1]["json"].as_str(), &ours) {
            (Some(json), Ok(document)) => {
                let expected: serde_json::Value = serde_json::from_str(json).expect("Go wrote JSON");
                let got = to_json(&document.node);
                if !same(&expected, &got) {
                    let _ = writeln!(wrong, "{text:?}: expected {json}, got {got}");
                }
            }
            (None, Err(e)) => {
                let expected = case[1]["error"].as_str().expect("a message");
                if e.go != expected {
                    let _ = writeln!(wrong, "{text:?}: expected {expected}, got {}", e.go);
                }
            }
            (Some(json), Err(e)) => {
                let _ = writeln!(wrong, "{text:?}: expected {json}, got {}", e.go);
            }
            (None, Ok(document)) => {
                let _ = writeln!(wrong, "{text:?}: expected {}, got {}", case[1]["error"], to_json(&document.node));
            }
        }
    }
    assert!(count > 1500, "the fixture has only {count} cases");
    assert!(wrong.is_empty(), "{} of {count} differ:\n{wrong}", wrong.lines().count());
}
