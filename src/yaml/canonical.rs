//! [`Value`] → the canonical YAML of rendered trees.
//!
//! Out: block style, two spaces, the items of a list in the column of its key, keys in the order given, no line ever
//! folded. A text is plain where every reader, of YAML 1.1 or 1.2, takes it for that text; it is a literal block where
//! it has several lines and a block can hold it; else it is quoted. Characters that a reviewer cannot see are escaped.
//! The same value always gives the same bytes, and [`super::read()`] gives back the same value.
//! Absent on purpose: comments, anchors, flow collections other than `{}` and `[]`.

use std::fmt::Write as _;
use std::sync::Arc;

use super::go::is_base_60;
use super::scalar;
use super::value::{Entry, Node, Value};

/// The keys that come first in a Kubernetes object, whatever order it was rendered in.
const OBJECT_KEYS_FIRST: [&str; 3] = ["apiVersion", "kind", "metadata"];
/// Readers look for the colon of a key without `? ` within 1,024 characters.
const KEY_BYTES_MAX: usize = 1000;

/// Appends a document, without `---`, ending with a line feed.
pub fn canonical(value: &Value, out: &mut String) {
    match value {
        Value::Map(map) if !map.is_empty() => entries(map.iter(), 0, false, out),
        _ => root(value, out),
    }
}

/// The same for a Kubernetes object: `apiVersion`, `kind` and `metadata` come first.
pub fn canonical_object(value: &Value, out: &mut String) {
    match value {
        Value::Map(map) if !map.is_empty() => {
            let first = OBJECT_KEYS_FIRST.iter().filter_map(|key| map.get_key_value(*key));
            let rest = map.iter().filter(|(key, _)| !OBJECT_KEYS_FIRST.contains(&&***key));
            entries(first.chain(rest), 0, false, out);
        }
        _ => root(value, out),
    }
}

fn root(value: &Value, out: &mut String) {
    match value {
        Value::Seq(items) if !items.is_empty() => sequence(items, 0, false, out),
        // A block that needs an indentation indicator is read differently by 1.1 and 1.2 here, so none is used.
        Value::Str(text) => {
            inline_text(text, out);
            out.push('\n');
        }
        _ => {
            scalar_or_empty(value, 0, out);
        }
    }
}

/// The entries of a mapping at column `indent`; the first one is at the cursor if `inline`.
fn entries<'a>(
    entries: impl Iterator<Item = (&'a Arc<str>, &'a Entry)>,
    indent: usize,
    mut inline: bool,
    out: &mut String,
) {
    for (key, entry) in entries {
        if !std::mem::take(&mut inline) {
            spaces(indent, out);
        }
        let start = out.len();
        inline_text(key, out);
        if out.len() - start > KEY_BYTES_MAX {
            out.insert_str(start, "? ");
            out.push('\n');
            spaces(indent, out);
        }
        out.push(':');
        match &entry.node.value {
            Value::Map(map) if !map.is_empty() => {
                out.push('\n');
                self::entries(map.iter(), indent + 2, false, out);
            }
            Value::Seq(items) if !items.is_empty() => {
                out.push('\n');
                sequence(items, indent, false, out);
            }
            value => {
                out.push(' ');
                scalar_or_empty(value, indent, out);
            }
        }
    }
}

/// The items of a sequence at column `indent`; the first one is at the cursor if `inline`.
fn sequence(items: &[Node], indent: usize, mut inline: bool, out: &mut String) {
    for item in items {
        if !std::mem::take(&mut inline) {
            spaces(indent, out);
        }
        out.push_str("- ");
        match &item.value {
            Value::Map(map) if !map.is_empty() => entries(map.iter(), indent + 2, true, out),
            Value::Seq(items) if !items.is_empty() => sequence(items, indent + 2, true, out),
            value => scalar_or_empty(value, indent, out),
        }
    }
}

/// What needs no line of its own, with the line feed; `indent` is the column of the collection it stands in.
fn scalar_or_empty(value: &Value, indent: usize, out: &mut String) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(true) => out.push_str("true"),
        Value::Bool(false) => out.push_str("false"),
        Value::Int(n) => {
            let _ = write!(out, "{n}");
        }
        Value::UInt(n) => {
            let _ = write!(out, "{n}");
        }
        Value::Float(n) => float(*n, out),
        Value::Map(_) => out.push_str("{}"),
        Value::Seq(_) => out.push_str("[]"),
        Value::Str(text) if can_be_block(text) => return block(text, indent + 2, out),
        Value::Str(text) => inline_text(text, out),
    }
    out.push('\n');
}

/// A float that no reader takes for an integer or a text: with a point, and a sign in the exponent.
fn float(value: f64, out: &mut String) {
    /// From 10^16 on not every digit of an integer is a digit of the float.
    const POSITIONAL: std::ops::Range<f64> = 1e-4..1e16;
    if !value.is_finite() {
        out.push_str(if value.is_nan() {
            ".nan"
        } else if value > 0.0 {
            ".inf"
        } else {
            "-.inf"
        });
    } else if value == 0.0 || POSITIONAL.contains(&value.abs()) {
        let _ = write!(out, "{value:?}");
    } else {
        let start = out.len();
        let _ = write!(out, "{value:e}");
        let e = start + out[start..].find('e').unwrap_or(out.len() - start);
        if !out[e..].starts_with("e-") {
            out.insert(e + 1, '+');
        }
        if !out[start..e].contains('.') {
            out.insert_str(e, ".0");
        }
    }
}

/// A text on one line: plain or quoted.
fn inline_text(text: &str, out: &mut String) {
    match quoting(text) {
        Quoting::Plain => out.push_str(text),
        Quoting::Single => {
            out.push('\'');
            for part in text.split_inclusive('\'') {
                out.push_str(part);
                if part.ends_with('\'') {
                    out.push('\'');
                }
            }
            out.push('\'');
        }
        Quoting::Double => double_quoted(text, out),
    }
}

enum Quoting {
    Plain,
    Single,
    Double,
}

fn quoting(text: &str) -> Quoting {
    let bytes = text.as_bytes();
    let (Some(first), Some(last)) = (bytes.first(), bytes.last()) else {
        return Quoting::Double;
    };
    if needs_escape(text, is_hidden) {
        return Quoting::Double;
    }
    if is_ambiguous(text) {
        return Quoting::Double;
    }
    let indicator = match first {
        b'-' => matches!(bytes.get(1), None | Some(b' ')),
        b'?' | b':' | b',' | b'[' | b']' | b'{' | b'}' | b'#' | b'&' | b'*' | b'!' | b'|' | b'>' | b'\'' | b'"'
        | b'%' | b'@' | b'`' | b' ' => true,
        _ => false,
    };
    let inside = || {
        bytes.windows(2).any(|pair| matches!(pair, b": " | b" #")) || text.starts_with("---") || text.starts_with("...")
    };
    if indicator || matches!(last, b' ' | b':') || inside() { Quoting::Single } else { Quoting::Plain }
}

/// Whether some reader takes the text, without quotes, for something else than that text.
fn is_ambiguous(text: &str) -> bool {
    let first = text.as_bytes().first().copied().unwrap_or_default();
    match first {
        b'0'..=b'9' | b'+' | b'-' | b'.' => {
            scalar::resolve_kind(text).is_some() || is_like_a_number(text) || is_like_a_date(text) || is_base_60(text)
        }
        b'=' => text == "=",
        b'<' => text == "<<",
        b'~' => text == "~",
        b'y' | b'Y' | b'n' | b'N' | b'o' | b'O' | b't' | b'T' | b'f' | b'F' if text.len() <= 5 => {
            const WORDS: [&str; 9] = ["y", "n", "yes", "no", "on", "off", "true", "false", "null"];
            WORDS.iter().any(|word| text.eq_ignore_ascii_case(word))
        }
        _ => false,
    }
}

/// Whether a text has the shape of a number in some dialect: with separators (`_` and `,`), a base, an exponent without
/// digits, groups of a base-60 number, infinity or not-a-number in any case.
fn is_like_a_number(text: &str) -> bool {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.strip_prefix('.').is_some_and(|rest| rest.eq_ignore_ascii_case("inf") || rest.eq_ignore_ascii_case("nan"))
    {
        return true;
    }
    if digits.len() > 2 && digits.starts_with('0') {
        let rest = &digits.as_bytes()[2..];
        let all = |is_digit: fn(&u8) -> bool| rest.iter().all(|b| matches!(b, b'_' | b',') || is_digit(b));
        match digits.as_bytes()[1] {
            b'x' | b'X' if all(u8::is_ascii_hexdigit) => return true,
            b'b' | b'B' | b'o' | b'O' if all(u8::is_ascii_digit) => return true,
            _ => {}
        }
    }
    let (mantissa, exponent) = digits.split_once(['e', 'E']).unwrap_or((digits, ""));
    let of_digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'_' | b',' | b':'));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    !mantissa.is_empty()
        && mantissa != "."
        && of_digits(whole)
        && of_digits(fraction)
        && of_digits(exponent.strip_prefix(['+', '-']).unwrap_or(exponent))
}

/// Whether a text begins as a date does that is a timestamp in YAML 1.1: `2020-1-2`, alone or before a time.
fn is_like_a_date(text: &str) -> bool {
    let mut parts = text.splitn(3, '-');
    let (Some(year), Some(month), Some(rest)) = (parts.next(), parts.next(), parts.next()) else {
        return false;
    };
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    let day = rest.bytes().take_while(u8::is_ascii_digit).count();
    year.len() == 4
        && digits(year)
        && (1..=2).contains(&month.len())
        && digits(month)
        && (1..=2).contains(&day)
        && matches!(rest.as_bytes().get(day), None | Some(b'T' | b't' | b' '))
}

/// Whether a character has to be escaped; ASCII is judged by the byte alone.
fn needs_escape(text: &str, is_hidden: fn(char) -> bool) -> bool {
    text.bytes().any(|b| !(b' '..=b'~').contains(&b)) && text.chars().any(is_hidden)
}

/// A character that no reviewer sees, or that some reader takes for a line break or refuses.
fn is_hidden(c: char) -> bool {
    is_unfit_for_block(c) || matches!(c, '\t' | '\n' | '\u{200b}'..='\u{200f}' | '\u{2060}'..='\u{2064}')
}

/// The same inside a block: tabs and zero-width characters may stay, as in any text of several lines; those that turn the
/// direction of writing may not.
fn is_unfit_for_block(c: char) -> bool {
    matches!(c,
        '\0'..='\u{8}' | '\u{b}'..='\u{1f}' | '\u{7f}'..='\u{9f}'
        | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}')
}

fn double_quoted(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            '\0' => out.push_str("\\0"),
            c if is_hidden(c) => {
                let code = u32::from(c);
                let _ = if code <= 0xff { write!(out, "\\x{code:02X}") } else { write!(out, "\\u{code:04X}") };
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

/// Whether a literal block gives the text back, in every reader.
fn can_be_block(text: &str) -> bool {
    if !text.contains('\n') || needs_escape(text, is_unfit_for_block) {
        return false;
    }
    let last_line = text.trim_end_matches('\n').rsplit('\n').next().unwrap_or_default();
    !last_line.trim_matches([' ', '\t']).is_empty()
}

fn block(text: &str, indent: usize, out: &mut String) {
    out.push('|');
    if text.starts_with([' ', '\t', '\n']) {
        out.push('2');
    }
    let body = text.trim_end_matches('\n');
    match text.len() - body.len() {
        0 => out.push('-'),
        1 => {}
        _ => out.push('+'),
    }
    out.push('\n');
    for line in body.split('\n') {
        if !line.is_empty() {
            spaces(indent, out);
            out.push_str(line);
        }
        out.push('\n');
    }
    out.extend(std::iter::repeat_n('\n', (text.len() - body.len()).saturating_sub(1)));
}

fn spaces(count: usize, out: &mut String) {
    out.extend(std::iter::repeat_n(' ', count));
}
