//! Reading the head gives what reading everything gives, with the same findings.

use crate::error::{Source, Span};
use crate::yaml::{self, Document, ReadOptions};

const WANTED: yaml::Wanted<'_> = &[("kind", None), ("metadata", Some("name")), ("metadata", Some("annotations"))];

/// What both give: whether the head was read by itself, and what was found.
fn check(text: &str) -> (bool, String) {
    let source = Source::new("t", text);
    let (span, options) = (Span::new(0, source.text.len()), ReadOptions::default());
    let mut is_head = false;
    let mut show = |read: Result<Document, _>| match read {
        Err(error) => format!("{error}"),
        Ok(Document { node, is_empty, warnings }) => {
            let others = ["spec", "a", "last"];
            let is_other = |key: &str| others.contains(&key);
            is_head = node.as_map().is_some_and(|map| !map.keys().any(|key| is_other(key)));
            let metadata = node.get("metadata");
            is_head &= metadata.is_none_or(|node| node.get("labels").is_none());
            let wanted = ["name", "annotations"].map(|key| metadata.and_then(|node| node.as_map()?.get(key)));
            // What is no mapping is there as a whole.
            let whole = metadata.filter(|node| node.as_map().is_none());
            let warnings: Vec<String> = warnings.iter().map(ToString::to_string).collect();
            let kind = node.as_map().and_then(|map| map.get("kind"));
            format!("{is_empty} {:?} {kind:?} {wanted:?} {whole:?} {}", node.span, warnings.concat())
        }
    };
    let all = show(yaml::read_part(&source, span, &options));
    let head = show(yaml::read_head(&source, span, &options, WANTED));
    assert_eq!(head, all, "{text}");
    (is_head, head)
}

#[test]
fn what_is_usual_is_read_without_the_rest() {
    for text in [
        "kind: A\nspec: {a: [1, 2.5, -3], b: null, c: 'x', d: \"\\x41\"}\nmetadata: {name: a, labels: {b: c}}\n",
        "# comment\nkind: A\nspec:\n- a: 1\n  b: |\n    text\n\n- c: plain over\n    lines\nmetadata:\n  name: \"a\\tb\"\n  annotations:\n    a: >-\n      folded\n      text\n",
        "spec: {a: 1}\nmetadata:\n  annotations: {a: plain\n    over lines}\n  list: [a: b, {c: d}]\nother: é — \u{2028} x\nlast:\n",
        "metadata: [{a: b}, {a: c, name: d}]\n",
        "metadata: {annotations: {a: {name: b}}, labels: {name: c}, name: {d: e}}\n",
        "a: {x: 1}\nb: {x: 1}\nc: [{x: 1}, {x: 1}]\nkind: 12\n",
        "kind:\nspec: []\n...\n",
        "---\nkind: A\na-key-of-many-bytes-1: 1\na-key-of-many-bytes-2: 2\nb-key-of-many-bytes-1: 1\n",
    ] {
        let (is_head, found) = check(text);
        assert!(is_head, "{text}\n{found}");
    }
}

#[test]
fn what_is_wrong_or_unusual_is_found_all_the_same() {
    for (text, message) in [
        ("spec: {a: 1, b: 2, a: 3}", "the key `a` stands twice"),
        ("spec: 1\nkind: A\nspec: 2", "the key `spec` stands twice"),
        ("metadata: {a: 1}\nmetadata: {b: 1}", "the key `metadata` stands twice"),
        ("a: 1\n\"a\": 2", "the key `a` stands twice"),
        ("yes: 1\ntrue: 2", "the key `true` stands twice"),
        ("\"a\\x62\": 1\nab: 2", "the key `ab` stands twice"),
        ("spec: {? [a] : 1}", "a list cannot be a key"),
        ("spec: {? {a: b} : 1}", "a mapping cannot be a key"),
        ("spec: {~: 1}", "null cannot be a key"),
        ("spec: {a: .inf}", "infinity and not-a-number"),
        ("spec: {a: -.INF}", "infinity and not-a-number"),
        ("spec: [.nan]", "infinity and not-a-number"),
        ("spec: {a: !!int x}", "is text, not a !!int"),
        ("spec: {a: *b}", "no anchor `&b`"),
        ("spec: &a [*a]", "inside the value that it names"),
        ("spec: {<<: 1}", "a merge key `<<` wants a mapping"),
        ("a: &a {b: 1}\nspec: {b: 2, <<: *a}", "the merge key replaces `b`"),
        ("a: 1\n b: 2", "indented deeper"),
        ("a: \"\\q\"", "this escape is unknown"),
        ("a: b\n---\nc: d", "only the first document"),
        ("a: b\n---\n@", "only the first document"),
        ("a: \u{1}", "control characters"),
        ("- a\n- .inf", "infinity and not-a-number"),
    ] {
        let (_, found) = check(text);
        assert!(found.contains(message), "{text}: {found}");
    }
    for text in ["", "# nothing\n", "~", "text", "- a\n", "a: &b c\nd: *b", "{}", "!!map {a: b}", "a: !!str 1\n"] {
        check(text);
    }
    let deep = |levels: usize| format!("spec: {}{}", "[".repeat(levels), "]".repeat(levels));
    check(&deep(yaml::DEPTH_MAX - 1));
    assert!(check(&deep(yaml::DEPTH_MAX)).1.contains("levels deep"));
    let many: String = (0..1000).map(|n| format!("k{n}: 1\n")).collect();
    check(&format!("{many}k0: 2"));
    assert!(check(&format!("{many}k999: 2")).1.contains("the key `k999` stands twice"));
}
