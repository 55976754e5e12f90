//! What go-yaml's emitter looks at in a text before it chooses how to write it.

use std::borrow::Cow;

use super::super::scalar;

/// What a text would need, for each way to write it.
#[derive(Debug, Default)]
pub(super) struct Analysis {
    /// It holds a line break (also a carriage return, NEL, LS or PS).
    pub(super) multiline: bool,
    /// It reads as itself without quotes, as far as characters go.
    pub(super) plain_allowed: bool,
    pub(super) single_quoted_allowed: bool,
    pub(super) block_allowed: bool,
    /// It holds a tab; v3 treats that otherwise than v2.
    pub(super) tab: bool,
    /// Without quotes it would be a number, a boolean, null or a timestamp.
    pub(super) resolves: bool,
}

/// A key of more bytes is written after `? `.
const SIMPLE_KEY_BYTES_MAX: usize = 128;
/// A JSON key of more characters, quotes included, is not found to be a key.
const JSON_KEY_CHARS_MAX: usize = 1024;

impl Analysis {
    pub(super) fn of(text: &str) -> Analysis {
        if text.is_empty() {
            return Analysis {
                plain_allowed: true,
                single_quoted_allowed: true,
                resolves: true,
                ..Analysis::default()
            };
        }
        Analysis::of_usual(text).unwrap_or_else(|| Analysis::of_any(text))
    }

    /// Of a text of printable ASCII, as nearly all are.
    fn of_usual(text: &str) -> Option<Analysis> {
        let bytes = text.as_bytes();
        let (first, last) = (*bytes.first()?, *bytes.last()?);
        let is_blank_or_end = |at: usize| matches!(bytes.get(at), None | Some(b' '));
        let mut indicators = match first {
            b'?' | b'-' => is_blank_or_end(1) || bytes.starts_with(b"---"),
            b'.' => bytes.starts_with(b"..."),
            _ => b",[]{}&*!|>'\"%@`".contains(&first),
        };
        for (at, byte) in bytes.iter().enumerate() {
            match byte {
                b':' => indicators |= is_blank_or_end(at + 1),
                b'#' => indicators |= at == 0 || bytes[at - 1] == b' ',
                b' '..=b'~' => {}
                _ => return None,
            }
        }
        let trailing_space = last == b' ';
        Some(Analysis {
            plain_allowed: !(indicators || first == b' ' || trailing_space),
            single_quoted_allowed: true,
            block_allowed: !trailing_space,
            resolves: resolves(text),
            ..Analysis::default()
        })
    }

    fn of_any(text: &str) -> Analysis {
        let mut found = Analysis { resolves: resolves(text), ..Analysis::default() };
        let mut indicators = text.starts_with("---") || text.starts_with("...");
        let mut special = false;
        let (mut break_space, mut space_break) = (false, false);
        let (mut previous_space, mut previous_break) = (false, false);
        let mut after_blank = true;
        let mut chars = text.chars();
        let mut first = true;
        while let Some(c) = chars.next() {
            let before_blank = matches!(chars.as_str().as_bytes().first(), None | Some(b' ' | b'\t'));
            indicators |= match c {
                '#' => after_blank,
                ':' => before_blank,
                ',' | '[' | ']' | '{' | '}' | '&' | '*' | '!' | '|' | '>' | '\'' | '"' | '%' | '@' | '`' => first,
                '?' | '-' => first && before_blank,
                _ => false,
            };
            if c == '\t' {
                found.tab = true;
            } else if !is_printable(c) {
                special = true;
            }
            let (space, line_break) = (c == ' ', is_break(c));
            break_space |= space && previous_break;
            space_break |= line_break && previous_space;
            found.multiline |= line_break;
            (previous_space, previous_break) = (space, line_break);
            after_blank = space || line_break || c == '\t' || c == '\0';
            first = false;
        }
        let edge = |c: Option<char>| c.is_some_and(|c| c == ' ' || is_break(c));
        let trailing_space = text.ends_with(' ');
        found.single_quoted_allowed = !(break_space || space_break || special);
        found.block_allowed = !(trailing_space || space_break || special);
        found.plain_allowed = found.single_quoted_allowed
            && !(found.multiline || indicators || edge(text.chars().next()) || edge(text.chars().next_back()));
        found
    }

    pub(super) fn is_simple_key(&self, key: &str) -> bool {
        !self.multiline && key.len() <= SIMPLE_KEY_BYTES_MAX
    }
}

/// Whether the text without quotes would be something else than a text; base-60 numbers count, though go-yaml does not read them.
fn resolves(text: &str) -> bool {
    scalar::resolve_kind(text).is_some() || scalar::is_timestamp(text) || is_base_60(text)
}

/// `[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?`
pub(in crate::yaml) fn is_base_60(text: &str) -> bool {
    if !text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '-' | '+')) || !text.contains(':') {
        return false;
    }
    let rest = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (digits, fraction) = rest.split_once('.').unwrap_or((rest, ""));
    let mut parts = digits.split(':');
    let first = parts.next().unwrap_or_default();
    let is_first =
        first.starts_with(|c: char| c.is_ascii_digit()) && first.bytes().all(|b| b.is_ascii_digit() || b == b'_');
    is_first
        && fraction.bytes().all(|b| b.is_ascii_digit() || b == b'_')
        && parts.all(|p| match p.as_bytes() {
            [b] => b.is_ascii_digit(),
            [a, b] => (b'0'..=b'5').contains(a) && b.is_ascii_digit(),
            _ => false,
        })
}

/// A character that go-yaml writes as it is; a tab is none, nor is anything above U+FFFF.
pub(super) fn is_printable(c: char) -> bool {
    matches!(c, '\n' | ' '..='~' | '\u{a0}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}') && c != '\u{feff}'
}

/// A line break of YAML 1.1.
pub(super) fn is_break(c: char) -> bool {
    matches!(c, '\r' | '\n' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

/// What is left of a text once Go has written it as JSON and go-yaml v2 has read that: NEL is a line break that folds.
/// `None` if go-yaml refuses the JSON.
pub(super) fn json_text(text: &str, is_key: bool) -> Option<Cow<'_, str>> {
    let safe = text.bytes().all(|b| b < 0x7f);
    if !safe && text.chars().any(|c| matches!(c, '\u{7f}'..='\u{84}' | '\u{86}'..='\u{9f}' | '\u{fffe}' | '\u{ffff}')) {
        return None;
    }
    if is_key {
        let chars = || text.chars().map(json_width).sum::<usize>() + 2;
        if text.contains('\u{85}') || (text.len() > JSON_KEY_CHARS_MAX / 6 && chars() > JSON_KEY_CHARS_MAX) {
            return None;
        }
    } else if !safe && text.contains('\u{85}') {
        return fold_nel(text).map(Cow::Owned);
    }
    Some(Cow::Borrowed(text))
}

/// How many characters Go's JSON needs for one.
fn json_width(c: char) -> usize {
    match c {
        '"' | '\\' | '\n' | '\r' | '\t' | '\u{8}' | '\u{c}' => 2,
        '\0'..='\u{1f}' | '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => 6,
        _ => 1,
    }
}

fn fold_nel(text: &str) -> Option<String> {
    let mut parts = text.split('\u{85}').peekable();
    let mut out = String::with_capacity(text.len());
    // Blanks at both sides of a break do not count; tabs are escaped in JSON, so only spaces are blanks here.
    out.push_str(parts.next().unwrap_or_default());
    while let Some(part) = parts.next() {
        let kept = out.trim_end_matches(' ').len();
        out.truncate(kept);
        let mut breaks = 0;
        let mut part = part;
        loop {
            if is_document_indicator(part, parts.peek().is_some()) {
                return None;
            }
            if !part.trim_start_matches(' ').is_empty() || parts.peek().is_none() {
                break;
            }
            part = parts.next().unwrap_or_default();
            breaks += 1;
        }
        if breaks == 0 {
            out.push(' ');
        }
        out.extend(std::iter::repeat_n('\n', breaks));
        out.push_str(part.trim_start_matches(' '));
    }
    Some(out)
}

/// `---` or `...` at a line's start is the end of a document, even between quotes.
fn is_document_indicator(line: &str, more: bool) -> bool {
    (line.starts_with("---") || line.starts_with("...")) && (line[3..].starts_with(' ') || (line.len() == 3 && more))
}
