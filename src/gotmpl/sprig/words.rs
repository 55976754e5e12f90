//! Words: their case, their length, lines of them (goutils v1.1.1 and xstrings v1.5.0).
//!
//! Some of goutils works byte by byte and breaks characters beyond ASCII; charts get here what Go gives them.

use std::sync::OnceLock;

use Param::{Int, Str};
use regex::Regex;

use super::super::func::{Function, Host, Param};
use super::super::value::Value;
use super::{TEXT_BYTES_MAX, bytes, int, row, text};

pub(super) const FUNCTIONS: &[Function] = &[
    row("title", &[Str], title, "Upper case for the first letter of every word.", &[("{{ title \"a bc\" }}", "A Bc")]),
    row("untitle", &[Str], untitle, "Lower case for it.", &[("{{ untitle \"A Bc\" }}", "a bc")]),
    row(
        "swapcase",
        &[Str],
        swap_case,
        "Swaps upper and lower case, but begins words with upper case.",
        &[("{{ swapcase \"aB cD\" }}", "Ab Cd")],
    ),
    row(
        "camelcase",
        &[Str],
        |_, args| Ok(Value::str(pascal_case(&text(&args[0])))),
        "Joins words, each with a capital.",
        &[("{{ camelcase \"http_server\" }}", "HttpServer")],
    ),
    row(
        "snakecase",
        &[Str],
        |_, args| Ok(Value::str(joined_lower(&text(&args[0]), '_'))),
        "Lower-case words joined by underscores.",
        &[("{{ snakecase \"FirstName\" }}", "first_name")],
    ),
    row(
        "kebabcase",
        &[Str],
        |_, args| Ok(Value::str(joined_lower(&text(&args[0]), '-'))),
        "Lower-case words joined by hyphens.",
        &[("{{ kebabcase \"FirstName\" }}", "first-name")],
    ),
    row("initials", &[Str], initials, "The first letters of all words.", &[("{{ initials \"First Try\" }}", "FT")]),
    row("nospace", &[Str], no_space, "Removes all white space.", &[("{{ nospace \"h e l l o\" }}", "hello")]),
    row(
        "abbrev",
        &[Int, Str],
        |_, args| Ok(abbreviate(&args[1], 0, int(&args[0]))),
        "At most n bytes, the last three of them dots where something was cut.",
        &[("{{ abbrev 5 \"hello world\" }}", "he...")],
    ),
    row(
        "abbrevboth",
        &[Int, Int, Str],
        abbrev_both,
        "The same from an offset, with dots at both ends.",
        &[("{{ abbrevboth 5 10 \"1234 5678 9123\" }}", "...5678...")],
    ),
    row(
        "wrap",
        &[Int, Str],
        |_, args| wrap(&args[1], int(&args[0]), "", false),
        "Breaks lines at spaces; longer words stay whole.",
        &[("{{ wrap 5 \"Hello World\" }}", "Hello\nWorld")],
    ),
    row(
        "wrapWith",
        &[Int, Str, Str],
        |_, args| wrap(&args[2], int(&args[0]), &text(&args[1]), true),
        "Breaks lines by a text of one's own, longer words too.",
        &[("{{ wrapWith 5 \"|\" \"HelloWorld\" }}", "Hello|World")],
    ),
];

/// `unicode.ToUpper`: one character for one, as Go's simple mapping does.
pub(super) fn to_upper(c: char) -> char {
    let mut upper = c.to_uppercase();
    match (upper.next(), upper.next()) {
        (Some(only), None) => only,
        _ => c,
    }
}

/// `unicode.ToLower`.
pub(super) fn to_lower(c: char) -> char {
    let mut lower = c.to_lowercase();
    match (lower.next(), lower.next()) {
        (Some(only), None) => only,
        _ if c == 'İ' => 'i',
        _ => c,
    }
}

fn title(_: &mut dyn Host, args: &[Value]) -> Result<Value, String> {
    let separates = |c: char| if c.is_ascii() { !c.is_ascii_alphanumeric() && c != '_' } else { c.is_whitespace() };
    let mut before = ' ';
    let whole = text(&args[0]);
    let titled = whole.chars().map(|c| {
        let begins = separates(std::mem::replace(&mut before, c));
        if begins { to_upper(c) } else { c }
    });
    Ok(Value::str(titled.collect::<String>()))
}

fn untitle(_: &mut dyn Host, args: &[Value]) -> Result<Value, String> {
    let mut begins = true;
    let whole = text(&args[0]);
    let lowered = whole.chars().map(|c| {
        let lower = begins && !c.is_whitespace();
        begins = c.is_whitespace();
        if lower { to_lower(c) } else { c }
    });
    Ok(Value::str(lowered.collect::<String>()))
}

fn swap_case(_: &mut dyn Host, args: &[Value]) -> Result<Value, String> {
    let mut after_space = true;
    let whole = text(&args[0]);
    let swapped = whole.chars().map(|c| {
        if c.is_uppercase() {
            after_space = false;
            to_lower(c)
        } else if c.is_lowercase() {
            after_space = false;
            to_upper(c)
        } else {
            after_space = c.is_whitespace();
            c
        }
    });
    Ok(Value::str(swapped.collect::<String>()))
}

/// Go's `rune(str[i])`: each byte as the Latin-1 character of its number.
fn latin1(value: &Value) -> impl Iterator<Item = char> {
    bytes(value).iter().map(|byte| char::from(*byte))
}

fn initials(_: &mut dyn Host, args: &[Value]) -> Result<Value, String> {
    let mut after_gap = true;
    let first = latin1(&args[0]).filter(|c| {
        let gap = c.is_whitespace();
        std::mem::replace(&mut after_gap, gap) && !gap
    });
    Ok(Value::str(first.collect::<String>()))
}

fn no_space(_: &mut dyn Host, args: &[Value]) -> Result<Value, String> {
    if !latin1(&args[0]).any(char::is_whitespace) {
        return Ok(args[0].clone());
    }
    Ok(Value::str(latin1(&args[0]).filter(|c| !c.is_whitespace()).collect::<String>()))
}

fn abbrev_both(_: &mut dyn Host, args: &[Value]) -> Result<Value, String> {
    let (left, right) = (int(&args[0]), int(&args[1]));
    if left > 0 && right < 7 {
        return Ok(args[2].clone());
    }
    Ok(abbreviate(&args[2], left, right))
}

/// goutils `AbbreviateFull`; below a width of 4 sprig leaves the text alone.
fn abbreviate(value: &Value, offset: i64, width: i64) -> Value {
    const DOTS: &[u8] = b"...";
    let whole = bytes(value);
    let Ok(width) = usize::try_from(width) else {
        return value.clone();
    };
    if width < 4 || whole.len() <= width {
        return value.clone();
    }
    let kept = width - DOTS.len();
    let mut offset = usize::try_from(offset).unwrap_or(0).min(whole.len());
    if whole.len() - offset < kept {
        offset = whole.len() - kept;
    }
    if offset <= 4 {
        return Value::bytes([&whole[..kept], DOTS].concat());
    }
    if width < 7 {
        return Value::str("");
    }
    if offset + kept < whole.len() {
        let inner = abbreviate(&Value::bytes(whole[offset..].to_vec()), 0, kept as i64);
        return Value::bytes([DOTS, bytes(&inner)].concat());
    }
    Value::bytes([DOTS, &whole[whole.len() - kept..]].concat())
}

/// goutils `WrapCustom`.
fn wrap(value: &Value, width: i64, line_end: &str, break_words: bool) -> Result<Value, String> {
    let whole = bytes(value);
    let line_end = if line_end.is_empty() { "\n" } else { line_end };
    let width = usize::try_from(width).unwrap_or(1).max(1);
    if (whole.len() / width).saturating_mul(line_end.len()) > TEXT_BYTES_MAX {
        return Err(format!("the text would be longer than {TEXT_BYTES_MAX} bytes"));
    }
    let mut out = Vec::with_capacity(whole.len() + 16);
    let mut offset = 0;
    while offset < whole.len() && whole.len() - offset > width {
        if whole[offset] == b' ' {
            offset += 1;
            continue;
        }
        let line = &whole[offset..offset + width + 1];
        if let Some(space) = line.iter().rposition(|b| *b == b' ') {
            out.extend_from_slice(&line[..space]);
            out.extend_from_slice(line_end.as_bytes());
            offset += space + 1;
        } else if break_words {
            out.extend_from_slice(&line[..width]);
            out.extend_from_slice(line_end.as_bytes());
            offset += width;
        } else {
            let rest = &whole[offset..];
            match rest[width..].iter().position(|b| *b == b' ') {
                None => {
                    out.extend_from_slice(rest);
                    offset = whole.len();
                }
                Some(space) => {
                    out.extend_from_slice(&rest[..width + space]);
                    out.extend_from_slice(line_end.as_bytes());
                    offset += width + space + 1;
                }
            }
        }
    }
    out.extend_from_slice(&whole[offset.min(whole.len())..]);
    Ok(Value::bytes(out))
}

fn is_connector(c: char) -> bool {
    c == '-' || c == '_' || c.is_whitespace()
}

/// xstrings `ToPascalCase`.
fn pascal_case(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text.chars();
    let mut current = '\0';
    let mut first_upper = false;
    for c in rest.by_ref() {
        current = c;
        if !is_connector(c) {
            first_upper = c.is_uppercase();
            current = to_upper(c);
            break;
        }
        out.push(c);
    }
    if rest.as_str().is_empty() {
        // Go writes the last character once more where it was a connector.
        if !text.is_empty() {
            out.push(current);
        }
        return out;
    }
    for c in rest {
        let before = std::mem::replace(&mut current, c);
        if is_connector(c) && is_connector(before) {
            out.push(before);
        } else if is_connector(before) {
            first_upper = c.is_uppercase();
            current = to_upper(c);
        } else {
            if first_upper {
                if c.is_uppercase() {
                    current = to_lower(c);
                } else {
                    first_upper = false;
                }
            }
            out.push(before);
        }
    }
    out.push(current);
    out
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Word {
    Nothing,
    Number,
    Upper,
    Alphabet,
    Connector,
    Punctuation,
    Other,
}

/// xstrings `isAlphabet`: letters that form words; Chinese characters do not.
fn is_alphabet(c: char) -> bool {
    c.is_alphabetic() && !matches!(c, '\u{4e00}'..='\u{9fcc}' | '\u{3400}'..='\u{4d85}' | '\u{20000}'..='\u{2b81d}')
}

/// `unicode.IsPunct`.
fn is_punctuation(c: char) -> bool {
    static PUNCTUATION: OnceLock<Regex> = OnceLock::new();
    if c.is_ascii() {
        return c.is_ascii_punctuation() && !matches!(c, '$' | '+' | '<' | '=' | '>' | '^' | '`' | '|' | '~');
    }
    let pattern = PUNCTUATION.get_or_init(|| Regex::new(r"^\p{P}$").expect("a constant pattern"));
    pattern.is_match(c.encode_utf8(&mut [0; 4]))
}

/// xstrings `nextWord`: the first word of a text, its kind, and what follows it.
fn next_word(text: &str) -> (Word, &str, &str) {
    let Some(first) = text.chars().next() else {
        return (Word::Nothing, "", "");
    };
    let lower = |c: char| is_alphabet(c) && !c.is_uppercase();
    let run =
        |from: usize, fits: &dyn Fn(char) -> bool| from + text[from..].find(|c| !fits(c)).unwrap_or(text.len() - from);
    let after_first = first.len_utf8();
    let (word, end) = if is_connector(first) {
        (Word::Connector, run(0, &is_connector))
    } else if is_punctuation(first) {
        (Word::Punctuation, run(0, &is_punctuation))
    } else if first.is_uppercase() {
        let end = match text[after_first..].chars().next() {
            Some(second) if second.is_uppercase() => {
                let end = run(after_first, &char::is_uppercase);
                // The last capital of `HTTPStatus` begins the next word.
                match (text[end..].chars().next(), text[..end].chars().next_back()) {
                    (Some(next), Some(last)) if is_alphabet(next) => end - last.len_utf8(),
                    _ => end,
                }
            }
            Some(second) if is_alphabet(second) => run(after_first + second.len_utf8(), &lower),
            _ => after_first,
        };
        (Word::Upper, end)
    } else if is_alphabet(first) {
        (Word::Alphabet, run(after_first, &lower))
    } else if first.is_numeric() {
        (Word::Number, run(0, &char::is_numeric))
    } else {
        let other = |c: char| !(is_connector(c) || is_alphabet(c) || c.is_numeric() || is_punctuation(c));
        (Word::Other, run(after_first, &other))
    };
    (word, &text[..end], &text[end..])
}

fn push_lower(out: &mut String, kind: Word, word: &str, connector: char) {
    if !matches!(kind, Word::Upper | Word::Connector) {
        return out.push_str(word);
    }
    out.extend(word.chars().map(|c| if is_connector(c) { connector } else { to_lower(c) }));
}

/// xstrings `camelCaseToLowerCase`: `HTTP20xOK` → `http_20x_ok`.
fn joined_lower(text: &str, connector: char) -> String {
    use Word::{Alphabet, Connector, Nothing, Number, Punctuation};
    let mut out = String::with_capacity(text.len() + 4);
    let (mut kind, mut word, mut rest) = next_word(text);
    while !rest.is_empty() {
        if kind != Connector {
            push_lower(&mut out, kind, word, connector);
        }
        let (before, last) = (kind, word);
        (kind, word, rest) = next_word(rest);
        match before {
            Number => {
                while matches!(kind, Alphabet | Number) {
                    push_lower(&mut out, kind, word, connector);
                    (kind, word, rest) = next_word(rest);
                }
                if !matches!(kind, Nothing | Punctuation | Connector) {
                    out.push(connector);
                }
            }
            Connector => push_lower(&mut out, before, last, connector),
            Punctuation => {}
            _ if kind != Number => {
                if !matches!(kind, Connector | Punctuation) {
                    out.push(connector);
                }
            }
            _ if rest.is_empty() => {}
            _ => {
                let number = word;
                (kind, word, rest) = next_word(rest);
                if kind != Alphabet {
                    push_lower(&mut out, Number, number, connector);
                    if !matches!(kind, Connector | Punctuation) {
                        out.push(connector);
                    }
                    continue;
                }
                // Letters after a number belong to it: `HTTP2xx` → `http_2xx`.
                out.push(connector);
                push_lower(&mut out, Number, number, connector);
                while matches!(kind, Alphabet | Number) {
                    push_lower(&mut out, kind, word, connector);
                    (kind, word, rest) = next_word(rest);
                }
                if !matches!(kind, Nothing | Connector | Punctuation) {
                    out.push(connector);
                }
            }
        }
    }
    push_lower(&mut out, kind, word, connector);
    out
}
