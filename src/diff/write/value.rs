//! Values in a line, shortened where they are long.

use crate::yaml::{self, Node, Value};

/// Characters of a value that are shown in a line.
pub const VALUE_CHARS_MAX: usize = 120;
/// Characters that are shown before the place where two long values part.
const BEFORE_CHARS: usize = 24;

/// A scalar as YAML writes it, a collection in JSON's way; cut after [`VALUE_CHARS_MAX`] characters.
pub fn line(node: &Node) -> String {
    let mut text = String::new();
    flow(&node.value, &mut text);
    let count = text.chars().count();
    if count <= VALUE_CHARS_MAX {
        return text;
    }
    let cut: String = text.chars().take(VALUE_CHARS_MAX).collect();
    format!("{cut}… ({count} characters)")
}

/// Two values that differ, each in a line of at most `chars_max` characters; where they are longer, what is shown begins
/// shortly before they part.
pub fn pair(old: &Node, new: &Node, chars_max: usize) -> (String, String) {
    let (mut a, mut b) = (String::new(), String::new());
    flow(&old.value, &mut a);
    flow(&new.value, &mut b);
    let head = a.chars().zip(b.chars()).take_while(|(x, y)| x == y).count();
    (window(&a, head, chars_max), window(&b, head, chars_max))
}

/// At most `chars_max` characters of a text, from shortly before its character `at` on if that would else be cut off.
pub fn window(text: &str, at: usize, chars_max: usize) -> String {
    if text.len() <= chars_max {
        return text.to_owned();
    }
    let count = text.chars().count();
    if count <= chars_max {
        return text.to_owned();
    }
    let skip = if at + BEFORE_CHARS < chars_max { 0 } else { at.saturating_sub(BEFORE_CHARS).min(count - chars_max) };
    let shown: String = text.chars().skip(skip).take(chars_max).collect();
    let (before, after) = (if skip > 0 { "…" } else { "" }, if skip + chars_max < count { "…" } else { "" });
    format!("{before}{shown}{after} ({count} characters)")
}

/// Without control characters, which could make a terminal lie, nor those that make text run backwards, which could make
/// any reader see another text; tabs become spaces.
pub fn printable(text: &str) -> String {
    if !text.chars().any(is_unseen) {
        return text.to_owned();
    }
    text.replace('\t', "    ").replace(is_unseen, "\u{fffd}")
}

/// Text within HTML tags, and within attributes in double quotes; on one line.
pub fn html(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 16);
    for c in printable(text).chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            c => out.push(c),
        }
    }
    out
}

/// Control characters, and the marks of Unicode's bidirectional algorithm that reorder what stands around them (UAX #9).
fn is_unseen(c: char) -> bool {
    c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn flow(value: &Value, out: &mut String) {
    match value {
        Value::Seq(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                out.push_str(if index > 0 { ", " } else { "" });
                flow(&item.value, out);
            }
            out.push(']');
        }
        Value::Map(map) => {
            out.push('{');
            for (index, (key, entry)) in map.iter().enumerate() {
                out.push_str(if index > 0 { ", " } else { "" });
                out.push_str(key);
                out.push_str(": ");
                flow(&entry.node.value, out);
            }
            out.push('}');
        }
        Value::Str(text) if text.contains('\n') => out.push_str(&format!("{text:?}")),
        scalar => {
            let mut text = String::new();
            yaml::canonical(scalar, &mut text);
            out.push_str(text.trim_end());
        }
    }
}

/// A value as lines of YAML.
pub fn block(node: &Node) -> String {
    let mut text = String::new();
    yaml::canonical(&node.value, &mut text);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_values_show_where_they_part() {
        let (old, new) = (Node::new("a".repeat(500) + "x" + &"b".repeat(300)), Node::new("a".repeat(500) + "yy"));
        let (a, b) = pair(&old, &new, VALUE_CHARS_MAX);
        assert!(a.starts_with('…') && a.contains("aax") && a.ends_with("… (801 characters)"), "{a}");
        assert!(b.starts_with('…') && b.contains("aayy (502"), "{b}");
        assert_eq!(window("short", 900, 10), "short");
        assert_eq!(window("0123456789abc", 2, 10), "0123456789… (13 characters)");
    }

    #[test]
    fn nothing_unseen_is_printed() {
        assert_eq!(printable("a\tb\u{1b}[1m\u{202e}c\u{2067}é"), "a    b\u{fffd}[1m\u{fffd}c\u{fffd}é");
    }
}
