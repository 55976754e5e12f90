use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use crate::error::Source;
use crate::yaml::{self, Entry, Node, ReadOptions, Value};

fn written(value: &Value) -> String {
    let mut out = String::new();
    yaml::canonical(value, &mut out);
    out
}

fn read_back(text: &str) -> Value {
    let source = Source::new("written.yaml", text);
    let document = yaml::read(&source, &ReadOptions::default()).unwrap_or_else(|e| panic!("{e}\nin\n{text}"));
    assert!(document.warnings.is_empty(), "{:?}", document.warnings);
    document.node.value
}

/// A mapping of one key.
fn map(key: &str, value: impl Into<Value>) -> Value {
    Value::Map([(key.into(), Entry::new(value))].into_iter().collect())
}

#[test]
fn texts_are_plain_only_where_all_readers_agree() {
    for text in [
        "a",
        "a b",
        "nginx:1.25",
        "http://x.y/z?a=b",
        "1.2.3",
        "10.0.0.1",
        "-foo",
        "--flag=x",
        "a#b",
        "é",
        "a,b",
        "1k",
        "10Mi",
        "yes please",
        "v1",
        "1-2",
        "0.0.0.0/0",
        "<<x",
        "==",
        "node",
        "日本",
        "😀",
        "a'b",
        "a\"b",
        "a\\b",
        "$(x)",
        "5m0s",
        "2020-01",
        "0xzz",
        "/a/b",
        "a{b}",
        "a*",
    ] {
        assert_eq!(written(&map("k", text)), format!("k: {text}\n"), "{text}");
    }
    for text in [
        "",
        "y",
        "Y",
        "n",
        "yes",
        "No",
        "ON",
        "off",
        "true",
        "False",
        "null",
        "NULL",
        "nULL",
        "~",
        "=",
        "<<",
        "0",
        "00",
        "0644",
        "0o644",
        "0O17",
        "08",
        "1_000",
        "1,000",
        "+1",
        "-1",
        "12:30:45",
        "8080:80",
        "1:2",
        "190:20:30.5",
        "2020-01-02",
        "2020-1-2",
        "2020-01-02T03:04:05Z",
        "2001-12-14 21:59:43.10 -5",
        ".inf",
        "-.INF",
        "+.Inf",
        ".nan",
        ".NAN",
        "1e3",
        "1E5",
        "1e",
        "1e+",
        "0x1F",
        "0b1",
        "1.",
        ".5",
        "._5",
        "1.5",
        "-0",
        "1_",
        "1__0.5",
        "\u{85}",
        "\u{2028}",
        "a\u{2029}b",
        "\u{feff}x",
        "a\u{7f}",
        "\u{0}",
        "\u{1b}[0m",
        "a\rb",
        "a\tb",
        "\u{202e}evil",
        "a\u{200b}b",
        "\u{fffe}",
        "\u{9f}",
    ] {
        let line = written(&map("k", text));
        assert!(line.starts_with("k: \"") && line.ends_with("\"\n"), "{text:?}: {line}");
        assert_eq!(read_back(&line), map("k", text), "{line}");
    }
    for text in [
        "a: b", "a:", "a #b", "# a", " a", "a ", "-", "- a", "?", ": a", ":a", "?a", ",", "[a", "{a", "&a", "*a", "!a",
        "|", ">", "'", "\"", "%a", "@a", "`a", "---", "--- a", "...", "{{ x }}", "it's: x",
    ] {
        let line = written(&map("k", text));
        assert!(line.starts_with("k: '") && line.ends_with("'\n"), "{text:?}: {line}");
        assert_eq!(read_back(&line), map("k", text), "{line}");
    }
}

#[test]
fn several_lines_are_a_block_where_it_gives_them_back() {
    for (text, expected) in [
        ("a\n", "k: |\n  a\n"),
        ("a\nb", "k: |-\n  a\n  b\n"),
        ("a\n\n", "k: |+\n  a\n\n"),
        (" a\n", "k: |2\n   a\n"),
        ("\ta\n", "k: |2\n  \ta\n"),
        ("\n  a", "k: |2-\n\n    a\n"),
        ("a \n\n  b # c\n", "k: |\n  a \n\n    b # c\n"),
        ("a\n  \nb", "k: |-\n  a\n    \n  b\n"),
        ("---\n", "k: |\n  ---\n"),
        ("\n", "k: \"\\n\"\n"),
        ("a\n  ", "k: \"a\\n  \"\n"),
        ("a\r\n", "k: \"a\\r\\n\"\n"),
        ("a\u{85}\n", "k: \"a\\x85\\n\"\n"),
        ("a\u{202e}\n", "k: \"a\\u202E\\n\"\n"),
    ] {
        assert_eq!(written(&map("k", text)), expected);
        assert_eq!(read_back(expected), map("k", text));
    }
}

#[test]
fn numbers_keep_their_type() {
    for (value, expected) in [
        (Value::Int(i64::MIN), "-9223372036854775808"),
        (Value::UInt(u64::MAX), "18446744073709551615"),
        (Value::Float(1.0), "1.0"),
        (Value::Float(-0.0), "-0.0"),
        (Value::Float(1e21), "1.0e+21"),
        (Value::Float(1.5e300), "1.5e+300"),
        (Value::Float(1e-7), "1.0e-7"),
        (Value::Float(0.1), "0.1"),
        (Value::Float(1e15), "1000000000000000.0"),
        (Value::Float(1e16), "1.0e+16"),
        (Value::Float(5e-324), "5.0e-324"),
        (Value::Float(f64::MAX), "1.7976931348623157e+308"),
        (Value::Null, "null"),
        (Value::Bool(true), "true"),
    ] {
        assert_eq!(written(&map("k", value.clone())), format!("k: {expected}\n"));
        assert_eq!(read_back(&format!("k: {expected}\n")), map("k", value));
    }
}

#[test]
fn an_object_begins_with_what_it_is() {
    let object =
        read_back("spec:\n  b: [1, [2, {x: [], z: {}}], {a: 1, b: 2}]\nmetadata: {name: x}\nkind: K\napiVersion: v1\n");
    let mut out = String::new();
    yaml::canonical_object(&object, &mut out);
    assert_eq!(
        out,
        "apiVersion: v1\nkind: K\nmetadata:\n  name: x\nspec:\n  b:\n  - 1\n  - - 2\n    - x: []\n      z: {}\n  - a: 1\n    b: 2\n"
    );
}

#[test]
fn a_long_key_is_written_so_that_its_colon_is_found() {
    let key = "k".repeat(2000);
    for inner in [Value::from("x"), map("a", "b"), Value::Seq(vec![Node::new("a")]), Value::from("a\nb")] {
        let value = Value::Seq(vec![Node::new(map(&key, inner))]);
        assert_eq!(read_back(&written(&value)), value);
    }
}

fn odd_text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => "[a-z]{1,4}",
        2 => "[ \\t\\n]{1,3}",
        2 => "[-+:#?,\\[\\]{}&*!|>'\"%@`=<~.\\\\0-9]{1,3}",
        1 => prop::sample::select(vec!["\n", "\n\n", "\r\n", "\u{85}", "\u{2028}", "\u{feff}", "é", "😀", "\u{0}", "\u{7f}", ": ", " #", "---", "...", "\n---\n", "true", "0x1", "12:30", "1e3"]).prop_map(String::from),
        1 => any::<char>().prop_map(String::from),
    ];
    prop::collection::vec(piece, 0..8).prop_map(|pieces| pieces.concat())
}

fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        1 => Just(Value::Null),
        1 => any::<bool>().prop_map(Value::Bool),
        2 => any::<i64>().prop_map(Value::Int),
        1 => (1u64 << 63..=u64::MAX).prop_map(Value::UInt),
        2 => any::<f64>().prop_filter("finite", |n| n.is_finite()).prop_map(Value::Float),
        12 => odd_text().prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 40, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone().prop_map(Node::new), 0..5).prop_map(Value::Seq),
            prop::collection::vec((odd_text(), inner), 0..5)
                .prop_map(|entries| Value::Map(entries.into_iter().map(|(k, v)| (k.into(), Entry::new(v))).collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, rng_seed: RngSeed::Fixed(1), ..ProptestConfig::default() })]

    #[test]
    fn what_is_written_is_read_back(value in any_value()) {
        let text = written(&value);
        prop_assert_eq!(read_back(&text), value, "{}", text);
    }

    #[test]
    fn what_helm_writes_is_read_back(text in odd_text()) {
        let value = map("k", text.replace('\u{85}', ""));
        if let Ok(written) = yaml::go::to_string(&value, yaml::go::Style::ToYaml) {
            prop_assert_eq!(read_back(&written), value, "{}", written);
        }
    }
}
