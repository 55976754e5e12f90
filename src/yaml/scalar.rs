//! What a plain text means: YAML 1.1 scalars as go-yaml v2 resolves them, and therefore kubectl and Helm.
//!
//! In: a scalar's text and its tag. Out: [`Scalar`]. Absent on purpose: base-60 numbers and timestamps are texts, as
//! go-yaml leaves them once they become JSON.

use std::borrow::Cow;

use super::number::go_shortest_32;

/// A scalar's meaning, before it becomes JSON.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Scalar<'a> {
    Null,
    Bool(bool),
    Int(i64),
    UInt(u64),
    /// Infinite and NaN are possible here; JSON has no word for them.
    Float(f64),
    Str(Cow<'a, str>),
}

/// The tags of the YAML repository that say something about scalars; the others are read as texts.
pub(super) const TAG_PREFIX: &str = "tag:yaml.org,2002:";

/// A tag that its text does not fit.
pub(super) struct WrongTag {
    /// For a person.
    pub(super) message: String,
    /// In go-yaml's words.
    pub(super) go: String,
}

/// A scalar that sigs.k8s.io/yaml makes no JSON key of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoKey {
    Null,
    UInt(u64),
}

impl NoKey {
    pub(super) fn name(self) -> &'static str {
        match self {
            NoKey::Null => "null",
            NoKey::UInt(_) => "an integer above 9223372036854775807",
        }
    }

    /// Type and value as Go shows them.
    pub(super) fn go(self) -> String {
        match self {
            NoKey::Null => "%!s(<nil>), key: <nil>".into(),
            NoKey::UInt(n) => format!("uint64, key: 0x{n:x}"),
        }
    }
}

/// Resolves a scalar without a tag that stands in the text without quotes.
pub(super) fn resolve(text: Cow<'_, str>) -> Scalar<'_> {
    resolve_kind(&text).unwrap_or(Scalar::Str(text))
}

/// Resolves a scalar that has a tag (with `!!` written out as [`TAG_PREFIX`]).
pub(super) fn resolve_tagged<'a>(tag: &str, text: Cow<'a, str>) -> Result<Scalar<'a>, WrongTag> {
    let Some(short) = tag.strip_prefix(TAG_PREFIX) else {
        return Ok(Scalar::Str(text));
    };
    let found = match short {
        "bool" | "int" | "float" | "null" | "timestamp" => resolve_kind(&text),
        "binary" => return binary(&text).map(|t| Scalar::Str(Cow::Owned(t))),
        _ => return Ok(Scalar::Str(text)),
    };
    let found = found.map(Scalar::into_owned);
    match (short, found) {
        ("bool", Some(s @ Scalar::Bool(_)))
        | ("int", Some(s @ (Scalar::Int(_) | Scalar::UInt(_))))
        | ("float", Some(s @ Scalar::Float(_)))
        | ("null", Some(s @ Scalar::Null)) => Ok(s),
        ("float", Some(Scalar::Int(n))) => Ok(Scalar::Float(n as f64)),
        ("timestamp", _) if is_timestamp(&text) => Ok(Scalar::Str(text)),
        (_, other) => {
            let (name, go) = other.as_ref().map_or(("text", "str"), Scalar::kind_names);
            Err(WrongTag {
                message: format!("`{text}` is {name}, not a !!{short}"),
                go: format!("cannot decode !!{go} `{text}` as a !!{short}"),
            })
        }
    }
}

impl Scalar<'_> {
    /// The scalar without borrowing the source.
    pub(super) fn into_owned(self) -> Scalar<'static> {
        match self {
            Scalar::Null => Scalar::Null,
            Scalar::Bool(b) => Scalar::Bool(b),
            Scalar::Int(n) => Scalar::Int(n),
            Scalar::UInt(n) => Scalar::UInt(n),
            Scalar::Float(n) => Scalar::Float(n),
            Scalar::Str(text) => Scalar::Str(Cow::Owned(text.into_owned())),
        }
    }

    /// What a person calls it, and its tag.
    fn kind_names(&self) -> (&'static str, &'static str) {
        match self {
            Scalar::Null => ("null", "null"),
            Scalar::Bool(_) => ("a boolean", "bool"),
            Scalar::Int(_) | Scalar::UInt(_) => ("an integer", "int"),
            Scalar::Float(_) => ("a number", "float"),
            Scalar::Str(_) => ("text", "str"),
        }
    }
}

/// The meaning of an untagged text, if it is anything but a text.
pub(super) fn resolve_kind(text: &str) -> Option<Scalar<'static>> {
    let Some(first) = text.bytes().next() else {
        return Some(Scalar::Null);
    };
    match first {
        b'y' | b'Y' | b'n' | b'N' | b't' | b'T' | b'f' | b'F' | b'o' | b'O' | b'~' => word(text),
        b'.' => special_float(text).or_else(|| go_float(text)),
        b'0'..=b'9' => number(text),
        b'+' | b'-' => special_float(text).or_else(|| number(text)),
        _ => None,
    }
}

fn word(text: &str) -> Option<Scalar<'static>> {
    Some(match text {
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => Scalar::Bool(true),
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => Scalar::Bool(false),
        "~" | "null" | "Null" | "NULL" => Scalar::Null,
        _ => return None,
    })
}

/// Whether a plain text is infinity or not-a-number.
pub(super) fn is_not_finite(text: &str) -> bool {
    text.starts_with(['.', '+', '-']) && special_float(text).is_some()
}

fn special_float(text: &str) -> Option<Scalar<'static>> {
    Some(Scalar::Float(match text {
        ".nan" | ".NaN" | ".NAN" => f64::NAN,
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => f64::INFINITY,
        "-.inf" | "-.Inf" | "-.INF" => f64::NEG_INFINITY,
        _ => return None,
    }))
}

/// A text that begins with a digit or a sign.
fn number(text: &str) -> Option<Scalar<'static>> {
    if !text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.' | b'_')) {
        return None;
    }
    // go-yaml drops every underscore, wherever it stands.
    let plain = if text.contains('_') { Cow::Owned(text.replace('_', "")) } else { Cow::Borrowed(text) };
    integer(&plain).or_else(|| if is_yaml_float(&plain) { finite(&plain) } else { signed_binary(&plain) })
}

/// An integer of any base that Go's `strconv.ParseInt(s, 0, 64)` and `ParseUint` take.
fn integer(text: &str) -> Option<Scalar<'static>> {
    let (negative, signed, digits) = match text.as_bytes().first()? {
        b'-' => (true, true, &text[1..]),
        b'+' => (false, true, &text[1..]),
        _ => (false, false, text),
    };
    let magnitude = unsigned(digits)?;
    if negative {
        return 0i64.checked_sub_unsigned(magnitude).map(Scalar::Int);
    }
    match i64::try_from(magnitude) {
        Ok(n) => Some(Scalar::Int(n)),
        Err(_) if signed => None,
        Err(_) => Some(Scalar::UInt(magnitude)),
    }
}

fn unsigned(text: &str) -> Option<u64> {
    let bytes = text.as_bytes();
    let (base, digits) = match bytes {
        [b'0', b'x' | b'X', _, ..] => (16, &text[2..]),
        [b'0', b'b' | b'B', _, ..] => (2, &text[2..]),
        [b'0', b'o' | b'O', _, ..] => (8, &text[2..]),
        [b'0'] => return Some(0),
        [b'0', ..] => (8, &text[1..]),
        _ => (10, text),
    };
    // from_str_radix takes a sign of its own, which Go does not after a prefix.
    if digits.starts_with(['+', '-']) {
        return None;
    }
    u64::from_str_radix(digits, base).ok()
}

/// go-yaml's own reading of `0b`, which takes a sign after it.
fn signed_binary(text: &str) -> Option<Scalar<'static>> {
    let digits = text.strip_prefix("0b").filter(|d| d.starts_with(['+', '-']))?;
    i64::from_str_radix(digits, 2).ok().map(Scalar::Int)
}

/// `[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?`
fn is_yaml_float(text: &str) -> bool {
    let digits = |s: &[u8]| s.iter().take_while(|b| b.is_ascii_digit()).count();
    let mut rest = text.as_bytes();
    if let [b'+' | b'-', tail @ ..] = rest {
        rest = tail;
    }
    let whole = digits(rest);
    rest = &rest[whole..];
    if let [b'.', tail @ ..] = rest {
        let fraction = digits(tail);
        if whole == 0 && fraction == 0 {
            return false;
        }
        rest = &tail[fraction..];
    } else if whole == 0 {
        return false;
    }
    if let [b'e' | b'E', tail @ ..] = rest {
        rest = if let [b'+' | b'-', t @ ..] = tail { t } else { tail };
        let exponent = digits(rest);
        if exponent == 0 {
            return false;
        }
        rest = &rest[exponent..];
    }
    rest.is_empty()
}

/// A text that begins with a point: go-yaml asks Go's `ParseFloat` without a look at the form, so underscores
/// between digits are taken (and nowhere else).
fn go_float(text: &str) -> Option<Scalar<'static>> {
    if !text.contains('_') {
        return if is_yaml_float(text) { finite(text) } else { None };
    }
    let bytes = text.as_bytes();
    let between_digits = bytes.iter().enumerate().all(|(i, b)| {
        let digit = |b: Option<&u8>| b.is_some_and(u8::is_ascii_digit);
        *b != b'_' || (digit(bytes.get(i.wrapping_sub(1))) && digit(bytes.get(i + 1)))
    });
    let plain = text.replace('_', "");
    if between_digits && is_yaml_float(&plain) { finite(&plain) } else { None }
}

/// A number that is too large for a float is a text, as in Go, where `ParseFloat` reports a range error.
fn finite(text: &str) -> Option<Scalar<'static>> {
    text.parse().ok().filter(|n: &f64| n.is_finite()).map(Scalar::Float)
}

/// Whether go-yaml takes the text for a timestamp. It stays a text then, but `toYaml` quotes it.
pub(super) fn is_timestamp(text: &str) -> bool {
    let bytes = text.as_bytes();
    if bytes.len() < 8 || !bytes[..4].iter().all(u8::is_ascii_digit) || bytes[4] != b'-' {
        return false;
    }
    parse_timestamp(text).is_some()
}

/// The four layouts of go-yaml, with what Go's `time.Parse` allows in them.
fn parse_timestamp(text: &str) -> Option<()> {
    let year: u32 = text.get(..4)?.parse().ok()?;
    let (month, rest) = one_or_two_digits(text[4..].strip_prefix('-')?)?;
    let (day, rest) = one_or_two_digits(rest.strip_prefix('-')?)?;
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let days = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 => 28 + u32::from(leap),
        _ => return None,
    };
    if day < 1 || day > days {
        return None;
    }
    if rest.is_empty() {
        return Some(());
    }
    let with_zone = rest.starts_with(['T', 't']);
    let rest = if with_zone { &rest[1..] } else { rest.strip_prefix(' ')?.trim_start_matches(' ') };
    let (hour, rest) = one_or_two_digits(rest)?;
    let (minute, rest) = one_or_two_digits(rest.strip_prefix(':')?)?;
    let (second, mut rest) = one_or_two_digits(rest.strip_prefix(':')?)?;
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    if let Some(fraction) = rest.strip_prefix(['.', ','])
        && fraction.starts_with(|c: char| c.is_ascii_digit())
    {
        rest = fraction.trim_start_matches(|c: char| c.is_ascii_digit());
    }
    if !with_zone {
        return rest.is_empty().then_some(());
    }
    if rest == "Z" {
        return Some(());
    }
    match rest.as_bytes() {
        [b'+' | b'-', h1, h2, b':', m1, m2] if [h1, h2, m1, m2].iter().all(|b| b.is_ascii_digit()) => {
            let two = |a: &u8, b: &u8| u32::from(a - b'0') * 10 + u32::from(b - b'0');
            (two(h1, h2) <= 24 && two(m1, m2) <= 60).then_some(())
        }
        _ => None,
    }
}

fn one_or_two_digits(text: &str) -> Option<(u32, &str)> {
    let count = text.bytes().take(2).take_while(u8::is_ascii_digit).count();
    Some((text[..count].parse().ok()?, &text[count..]))
}

/// The text of a key, as sigs.k8s.io/yaml makes it a JSON key.
pub(super) fn key_text(key: Scalar<'_>) -> Result<Cow<'_, str>, NoKey> {
    Ok(match key {
        Scalar::Str(text) => text,
        Scalar::Bool(true) => Cow::Borrowed("true"),
        Scalar::Bool(false) => Cow::Borrowed("false"),
        Scalar::Int(n) => Cow::Owned(n.to_string()),
        Scalar::Float(n) => Cow::Owned(float_key(n)),
        Scalar::Null => return Err(NoKey::Null),
        Scalar::UInt(n) => return Err(NoKey::UInt(n)),
    })
}

/// Go's `FormatFloat(n, 'g', -1, 32)`: the shortest text that a 32-bit float needs, with an exponent below 1e-4 and from 1e+06 on.
fn float_key(n: f64) -> String {
    let narrow = n as f32;
    if narrow.is_nan() {
        return ".nan".into();
    }
    if narrow.is_infinite() {
        return if narrow > 0.0 { ".inf".into() } else { "-.inf".into() };
    }
    let mut text = String::new();
    go_shortest_32(narrow, &mut text);
    text
}

/// The bytes of a base64 text, read as UTF-8; what is none becomes U+FFFD byte by byte, as in Go's JSON.
fn binary(text: &str) -> Result<String, WrongTag> {
    let packed: Vec<u8> = text.bytes().filter(|b| !matches!(b, b'\r' | b'\n')).collect();
    // Go does not mind bits that are left over in the last character.
    let mut spec = data_encoding::BASE64.specification();
    spec.check_trailing_bits = false;
    let encoding = spec.encoding().expect("standard base64 without a check of trailing bits is an encoding");
    let bytes = encoding.decode(&packed).map_err(|_| WrongTag {
        message: "!!binary holds a text that is no base64".into(),
        go: "!!binary value contains invalid base64 data".into(),
    })?;
    let mut out = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        out.push_str(chunk.valid());
        for _ in chunk.invalid() {
            out.push('\u{fffd}');
        }
    }
    Ok(out)
}
