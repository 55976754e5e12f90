//! Limits, encodings, and texts that are made to hurt.

use std::sync::Arc;

use crate::error::{Source, Span};
use crate::yaml::{self, DEPTH_MAX, DuplicateKeys, Limits, Numbers, ReadOptions, Value};

fn read(text: &str) -> Result<yaml::Document, crate::error::Diagnostic> {
    yaml::read(&Source::new("t", text), &ReadOptions::default())
}

fn refusal(text: &str) -> String {
    read(text).expect_err("it is refused").message
}

#[test]
fn a_text_at_the_depth_limit_can_be_walked_in_every_way() {
    for text in [
        "[".repeat(DEPTH_MAX) + &"]".repeat(DEPTH_MAX),
        "{a: ".repeat(DEPTH_MAX) + &"}".repeat(DEPTH_MAX),
        "- ".repeat(DEPTH_MAX),
        (0..DEPTH_MAX).map(|n| format!("{}a:\n", " ".repeat(n))).collect(),
    ] {
        let node = read(&text).expect("it is within the limit").node;
        assert_eq!(node, node.clone());
        let mut out = String::new();
        yaml::canonical(&node.value, &mut out);
        assert_eq!(read(&out).expect("what was written is within the limit").node, node);
        yaml::go::to_string(&node.value, yaml::go::Style::ToYaml).expect("nothing in it is refused");
    }
}

#[test]
fn a_text_that_is_nested_too_deep_is_refused() {
    for text in
        ["[".repeat(10_000), "{a: ".repeat(10_000), "- ".repeat(10_000), "? ".repeat(10_000), "[".repeat(100_000)]
    {
        assert_eq!(refusal(&text), "the document is nested more than 500 levels deep");
    }
}

#[test]
fn aliases_of_aliases_are_bounded() {
    let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x]\n");
    for n in 1..20 {
        let before = n - 1;
        bomb += &format!(
            "a{n}: &a{n} [*a{before}, *a{before}, *a{before}, *a{before}, *a{before}, *a{before}, *a{before}]\n"
        );
    }
    assert_eq!(refusal(&bomb), "the aliases of this document stand for more than 400000 values");
    let merges = "a: &a {k: 1}\n".to_owned() + &"b: {<<: [*a, *a]}\n".repeat(1000);
    assert!(read(&merges).is_ok());
}

#[test]
fn bytes_and_documents_are_bounded() {
    let source = Source::new("t", "a\n---\nb\n---\nc\n");
    let limits = Limits { documents_max: 2, ..Limits::default() };
    let error =
        yaml::read_all(&source, &ReadOptions { limits, ..ReadOptions::default() }).expect_err("three are too many");
    assert_eq!(error.message, "this text holds more than 2 documents");
    let limits = Limits { bytes_max: 10, ..Limits::default() };
    let error =
        yaml::read_all(&source, &ReadOptions { limits, ..ReadOptions::default() }).expect_err("it is too large");
    assert_eq!(error.message, "the text has 14 bytes; at most 10 are read");
}

#[test]
fn repeated_syntax_takes_neither_forever_nor_the_stack() {
    for part in [
        "[",
        "{",
        "]",
        "}",
        "- ",
        "? ",
        ": ",
        "&a ",
        "*a ",
        "!a ",
        "! ",
        "'",
        "\"",
        "a: ",
        "[a, ",
        "{a: ",
        "[? ",
        "\n",
        " ",
        "\t",
        "#",
        "|\n ",
        "- |\n",
        "- >\n\n",
        "%",
        "---\n",
        "...\n",
        "<<: ",
        "a\n",
        "a: b\n",
        "- a\n",
        "\"\\\n",
        "é",
        "\u{2028}",
        "\r",
        ",",
        "a: &a\n",
        "{a: 1},\n",
        "[]: ",
        "{}\n",
        " a:\n",
        "? a\n: b\n",
        "&a [*a, ",
        "'a'\n",
        "-\n",
        "-\n -\n",
        "x: |\n  a\n",
        "\u{feff}",
        "%TAG !a! b\n",
    ] {
        let text = part.repeat(60_000 / part.len());
        let started = std::time::Instant::now();
        // The verdict does not matter here.
        let _ = yaml::read_all(&Source::new("t", text.as_str()), &ReadOptions::default());
        let _ = yaml::read_all(&Source::new("t", format!("[{text}")), &ReadOptions::default());
        let took = started.elapsed();
        assert!(took.as_secs() < 5, "{part:?} took {took:?}");
    }
}

#[test]
fn damaged_texts_are_refused_or_read_but_never_panic() {
    let texts: Vec<String> = include_str!("../../../fixtures/yaml/read.jsonl")
        .split('\n')
        .filter(|line| line.starts_with('['))
        .map(|line| serde_json::from_str::<(String, serde_json::Value)>(line).expect("a line of the fixture is JSON").0)
        .collect();
    let pieces = [
        "\n", " ", "\t", "- ", ": ", "? ", "'", "\"", "[", "]", "{", "}", ",", "|\n", ">", "&a ", "*a", "!", "%", "#",
        "\r\n", "\u{85}", "é", "\u{feff}", "---\n", "\\", "<<: ",
    ];
    let mut state = 42u64;
    let mut below = |n: usize| {
        // xorshift: the same texts on every run.
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % n as u64) as usize
    };
    for _ in 0..20_000 {
        let mut text = texts[below(texts.len())].clone() + &texts[below(texts.len())];
        for _ in 0..=below(4) {
            let mut at = below(text.len() + 1);
            while !text.is_char_boundary(at) {
                at -= 1;
            }
            match below(3) {
                0 => text.truncate(at),
                1 if at < text.len() => {
                    text.remove(at);
                }
                _ => text.insert_str(at, pieces[below(pieces.len())]),
            }
        }
        let source = Source::new("t", text.as_str());
        match yaml::read_all(&source, &ReadOptions::default()) {
            Ok(documents) => {
                for document in &documents {
                    let mut out = String::new();
                    yaml::canonical(&document.node.value, &mut out);
                    assert_eq!(
                        read(&out).expect("what was written can be read").node,
                        document.node,
                        "{text:?} {out:?}"
                    );
                    document.warnings.iter().for_each(|w| assert!(!w.to_string().is_empty()));
                }
            }
            Err(error) => assert!(error.to_string().contains("error: "), "{text:?}"),
        }
    }
}

#[test]
fn encodings_are_told_by_their_marks() {
    let text = "a: é😀\n";
    let le = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
    let be = |text: &str| text.encode_utf16().flat_map(u16::to_be_bytes).collect::<Vec<u8>>();
    for bytes in [
        text.as_bytes().to_vec(),
        [b"\xef\xbb\xbf", text.as_bytes()].concat(),
        [b"\xff\xfe".to_vec(), le(text)].concat(),
        [b"\xfe\xff".to_vec(), be(text)].concat(),
    ] {
        assert_eq!(&*yaml::decode(&bytes, "t").expect("it is text").text, text);
    }
    for (bytes, place) in [
        (&b"a: \xe9\n"[..], "t:1:4"),
        (b"a: 1\nb: \xc3\xa9 \xff", "t:2:6"),
        (b"\xff\xfea\0\0\xd8", "t:1:2"),
        (b"\xff\xfea", "t:1:1"),
        (b"\xed\xa0\x80", "t:1:1"),
    ] {
        let error = yaml::decode(bytes, "t").expect_err("it is no text");
        assert_eq!(error.place.expect("it has a place").to_string(), place);
    }
}

#[test]
fn every_kind_of_line_break_is_one() {
    let expected = read("a:\n- b\n- |\n  c\n  d\n").expect("it is YAML").node;
    for line_break in ["\r\n", "\r", "\u{85}"] {
        let text = "a:\n- b\n- |\n  c\n  d\n".replace('\n', line_break);
        assert_eq!(read(&text).expect("it is YAML").node, expected, "{line_break:?}");
    }
}

#[test]
fn nul_and_other_control_characters_have_a_place() {
    for (text, place) in [("a: \0", "t:1:4"), ("é\nb: \u{1b}", "t:2:4"), ("\u{9f}", "t:1:1"), ("a\u{ffff}", "t:1:2")] {
        let error = read(text).expect_err("it is refused");
        assert_eq!(error.message, "control characters are not allowed in YAML");
        assert_eq!(error.place.expect("it has a place").to_string(), place);
    }
}

#[test]
fn spans_are_bytes_of_the_whole_text() {
    let text: Arc<str> = "# é\n---\nключ: [é, \"ü\\n\", |, x]\n".replace("|, ", "").into();
    let source = Source::new("t", text.clone());
    let start = text.find("ключ").expect("it is there");
    let part = yaml::read_part(&source, Span::new(start, text.len()), &ReadOptions::default()).expect("it is YAML");
    let slice = |span: Span| &text[span.start as usize..span.end as usize];
    let entry = &part.node.as_map().expect("a mapping")["ключ"];
    assert_eq!(slice(entry.key_span), "ключ");
    assert_eq!(slice(entry.node.span), "[é, \"ü\\n\", x]");
    let items: Vec<&str> = entry.node.as_seq().expect("a list").iter().map(|n| slice(n.span)).collect();
    assert_eq!(items, ["é", "\"ü\\n\"", "x"]);
    assert_eq!(slice(part.node.span), text[start..].trim_end());
    let all = yaml::read_all(&source, &ReadOptions::default()).expect("it is YAML");
    assert_eq!(all.len(), 1);
    assert_eq!(all[0].node.span, part.node.span);
}

#[test]
fn documents_without_a_node_are_marked() {
    let source = Source::new("t", "# a\n---\n---\n# b\n---\n~\n--- x\n...\n");
    let all = yaml::read_all(&source, &ReadOptions::default()).expect("it is YAML");
    let empty: Vec<bool> = all.iter().map(|document| document.is_empty).collect();
    assert_eq!(empty, [true, true, false, false]);
    assert!(read("# nothing\n").expect("it is YAML").is_empty);
}

#[test]
fn options_change_numbers_and_duplicates() {
    let floats = ReadOptions { numbers: Numbers::Float64, ..ReadOptions::default() };
    let source = Source::new("t", "{a: 1, 9007199254740993: 18446744073709551615, b: 0x10}");
    let node = yaml::read(&source, &floats).expect("it is YAML").node;
    assert_eq!(node.get("a").map(|n| &n.value), Some(&Value::Float(1.0)));
    assert_eq!(node.get("9007199254740993").map(|n| &n.value), Some(&Value::Float(18_446_744_073_709_551_615.0)));
    let strict = ReadOptions { duplicate_keys: DuplicateKeys::Error, ..ReadOptions::default() };
    let error = yaml::read(&Source::new("t", "y: 1\n\"true\": 2\n"), &strict).expect_err("it is refused");
    assert_eq!(error.message, "the key `true` stands twice in this mapping");
    assert_eq!(error.notes.len(), 1);
    let merged =
        yaml::read(&Source::new("t", "{<<: {a: 1}, a: 2}"), &strict).expect("an own key over a merged one is fine");
    assert_eq!(merged.node.get("a").map(|n| &n.value), Some(&Value::Int(2)));
}

#[test]
fn json_is_read_as_json() {
    let node = yaml::from_json(
        "--set-json",
        r#"{"a": "\ud83d\ude00\/", "b": [18446744073709551615, -1, 1.5e3, null], "a": 1}"#,
        Numbers::Exact,
    );
    let node = node.expect("it is JSON");
    assert_eq!(node.get("a").map(|n| &n.value), Some(&Value::Int(1)));
    assert_eq!(node.at(&["b"]).and_then(|n| n.as_seq()).map(<[_]>::len), Some(4));
    let error =
        yaml::from_json("--set-json", "{\n  a: 1}", Numbers::Exact).expect_err("a key without quotes is no JSON");
    assert_eq!(error.place.expect("it has a place").to_string(), "--set-json:2:3");
}
