//! Go's literals: what strconv.Unquote, ParseInt and ParseFloat make of strings, characters and numbers.

use std::borrow::Cow;

use super::ast::Number;

/// What a string literal says; `\xff` is allowed, so that it may be no text.
#[derive(Debug, PartialEq)]
pub(super) enum Unquoted<'a> {
    Text(Cow<'a, str>),
    Bytes(Vec<u8>),
}

/// The text of a quoted (`"…"`) or raw (`` `…` ``) string literal, with its quotes.
pub(super) fn unquote(literal: &str) -> Result<Unquoted<'_>, &'static str> {
    let inner = literal.get(1..literal.len().saturating_sub(1)).ok_or("invalid syntax")?;
    if literal.starts_with('`') {
        let text = if inner.contains('\r') { inner.replace('\r', "").into() } else { inner.into() };
        return Ok(Unquoted::Text(text));
    }
    if !inner.bytes().any(|byte| matches!(byte, b'\\' | b'"')) {
        return Ok(Unquoted::Text(inner.into()));
    }
    let mut out = Vec::with_capacity(inner.len());
    let mut rest = inner;
    while !rest.is_empty() {
        let (unit, tail) = unquote_unit(rest, '"').ok_or("invalid syntax")?;
        match unit {
            Unit::Byte(byte) => out.push(byte),
            Unit::Char(c) => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
        rest = tail;
    }
    Ok(match String::from_utf8(out) {
        Ok(text) => Unquoted::Text(text.into()),
        Err(error) => Unquoted::Bytes(error.into_bytes()),
    })
}

/// The number of a character literal with its quotes.
pub(super) fn unquote_char(literal: &str) -> Option<i64> {
    let (unit, tail) = unquote_unit(literal.get(1..)?, '\'')?;
    let value = match unit {
        Unit::Byte(byte) => i64::from(byte),
        Unit::Char(c) => i64::from(u32::from(c)),
    };
    (tail == "'").then_some(value)
}

enum Unit {
    Byte(u8),
    Char(char),
}

/// Takes one character or escape sequence.
fn unquote_unit(text: &str, quote: char) -> Option<(Unit, &str)> {
    let mut chars = text.chars();
    let first = chars.next()?;
    if first == quote {
        return None;
    }
    if first != '\\' {
        return Some((Unit::Char(first), chars.as_str()));
    }
    let escape = chars.next()?;
    let rest = chars.as_str();
    let simple = |c: char| Some((Unit::Char(c), rest));
    let coded = |text: &'_ str, digits: usize, radix: u32| {
        let code = text.get(..digits)?;
        if !code.chars().all(|c| c.is_digit(radix)) {
            return None;
        }
        u32::from_str_radix(code, radix).ok()
    };
    match escape {
        'a' => simple('\x07'),
        'b' => simple('\x08'),
        'f' => simple('\x0c'),
        'n' => simple('\n'),
        'r' => simple('\r'),
        't' => simple('\t'),
        'v' => simple('\x0b'),
        '\\' => simple('\\'),
        '\'' | '"' if escape == quote => simple(quote),
        'x' => Some((Unit::Byte(u8::try_from(coded(rest, 2, 16)?).ok()?), &rest[2..])),
        'u' => Some((Unit::Char(char::from_u32(coded(rest, 4, 16)?)?), &rest[4..])),
        'U' => Some((Unit::Char(char::from_u32(coded(rest, 8, 16)?)?), &rest[8..])),
        '0'..='7' => {
            let digits = &text[1..];
            Some((Unit::Byte(u8::try_from(coded(digits, 3, 8)?).ok()?), &digits[3..]))
        }
        _ => None,
    }
}

/// A number literal; the error says what Go says.
pub(super) fn number(text: &str) -> Result<Number, String> {
    let illegal = || format!("illegal number syntax: {text:?}");
    if text.ends_with('i') {
        return Err(format!("complex numbers are not supported: {text:?}"));
    }
    let looks_like_float = text.contains(['.', 'e', 'E', 'p', 'P']);
    if let Some(int) = parse_int(text) {
        return match i64::try_from(int) {
            Ok(n) => Ok(Number { int: Some(n), float: Some(n as f64), is_int_like: true }),
            Err(_) if u64::try_from(int).is_ok() => Err(format!("{text} overflows int")),
            Err(_) => Err(format!("integer overflow: {text:?}")),
        };
    }
    let float = parse_float(text).ok_or_else(illegal)?;
    if !looks_like_float {
        return Err(format!("integer overflow: {text:?}"));
    }
    // The bounds are exact: both are powers of two.
    let fits = float.fract() == 0.0 && (-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&float);
    #[allow(clippy::cast_possible_truncation)]
    let int = fits.then_some(float as i64);
    Ok(Number { int, float: Some(float), is_int_like: false })
}

/// Go's ParseInt with base 0.
fn parse_int(text: &str) -> Option<i128> {
    let (negative, body) = split_sign(text);
    if !underscores_ok(body) {
        return None;
    }
    let lower = body.to_ascii_lowercase();
    let (radix, digits) = match lower.as_bytes() {
        [b'0', b'x', ..] => (16, &lower[2..]),
        [b'0', b'b', ..] => (2, &lower[2..]),
        [b'0', b'o', ..] => (8, &lower[2..]),
        [b'0', _, ..] => (8, &lower[1..]),
        _ => (10, lower.as_str()),
    };
    let digits: String = digits.chars().filter(|c| *c != '_').collect();
    if digits.is_empty() || digits.starts_with(['+', '-']) {
        return None;
    }
    let magnitude = i128::from_str_radix(&digits, radix).ok()?;
    Some(if negative { -magnitude } else { magnitude })
}

/// Go's ParseFloat for what the lexer lets through: decimal and hexadecimal floats.
fn parse_float(text: &str) -> Option<f64> {
    let (negative, body) = split_sign(text);
    if !underscores_ok(body) {
        return None;
    }
    let body: String = body.chars().filter(|c| *c != '_').collect::<String>().to_ascii_lowercase();
    let magnitude = match body.strip_prefix("0x") {
        Some(hex) => parse_hex_float(hex)?,
        None if body.bytes().all(|b| b.is_ascii_digit() || b".e+-".contains(&b)) => body.parse().ok()?,
        None => return None,
    };
    if !f64::is_finite(magnitude) {
        return None;
    }
    Some(if negative { -magnitude } else { magnitude })
}

fn parse_hex_float(hex: &str) -> Option<f64> {
    let (mantissa, exponent) = hex.split_once('p')?;
    let exponent: i32 = exponent.parse().ok()?;
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let mut value = 0.0_f64;
    for digit in whole.chars().chain(fraction.chars()) {
        value = value * 16.0 + f64::from(digit.to_digit(16)?);
    }
    let shift = exponent.checked_sub(i32::try_from(fraction.len()).ok()?.checked_mul(4)?)?;
    Some(value * 2.0_f64.powi(shift))
}

fn split_sign(text: &str) -> (bool, &str) {
    match text.strip_prefix('-') {
        Some(body) => (true, body),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    }
}

/// Whether underscores stand only between digits, or after a base prefix.
fn underscores_ok(body: &str) -> bool {
    let lower = body.to_ascii_lowercase();
    let has_prefix = ["0x", "0b", "0o"].iter().any(|prefix| lower.starts_with(prefix));
    let is_hex = lower.starts_with("0x");
    let digits = if has_prefix { &lower[2..] } else { lower.as_str() };
    // What came before: a digit or prefix, an underscore, or something else.
    let (mut after_digit, mut after_underscore) = (has_prefix, false);
    for c in digits.chars() {
        let is_digit = c.is_ascii_digit() || is_hex && c.is_ascii_hexdigit();
        if c == '_' && !after_digit || !is_digit && c != '_' && after_underscore {
            return false;
        }
        (after_digit, after_underscore) = (is_digit, c == '_');
    }
    !after_underscore
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_go_reads_them() {
        let int = |text| number(text).unwrap().int;
        assert_eq!(int("0x_1F"), Some(31));
        assert_eq!(int("0b101"), Some(5));
        assert_eq!(int("0o17"), Some(15));
        assert_eq!(int("017"), Some(15));
        assert_eq!(int("1_000"), Some(1000));
        assert_eq!(int("-9223372036854775808"), Some(i64::MIN));
        assert_eq!(int("1e3"), Some(1000));
        assert_eq!(number("1.5").unwrap().int, None);
        assert_eq!(number("0x1p-2").unwrap().float, Some(0.25));
        assert_eq!(number("0x1.8p1").unwrap().float, Some(3.0));
        for wrong in ["1__0", "1_", "089", "0x", "1e400", "99999999999999999999", "2i", "."] {
            assert!(number(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn strings_and_characters_are_unquoted() {
        assert_eq!(unquote(r#""a\t\x41\u00e9\101\"""#).unwrap(), Unquoted::Text("a\tAéA\"".into()));
        assert_eq!(unquote("`a\\t\r\n`").unwrap(), Unquoted::Text("a\\t\n".into()));
        assert_eq!(unquote(r#""\xff""#).unwrap(), Unquoted::Bytes(b"\xff".to_vec()));
        assert!(unquote(r#""\q""#).is_err());
        assert!(unquote(r#""\'""#).is_err());
        assert_eq!(unquote_char(r"'\''"), Some(39));
        assert_eq!(unquote_char("'é'"), Some(233));
        assert_eq!(unquote_char("'ab'"), None);
    }
}
