//! Go's `strconv`: numbers and quoted strings as text, and back, by Go's rules rather than Rust's.
//!
//! In: a number or bytes. Out: text. Absent: verbs and flags, which are in `fmt.rs`.

use std::sync::OnceLock;

use regex::Regex;

/// The text of a float, as `strconv.FormatFloat(value, verb, precision, 64)` writes it; verbs `e E f g G b x X`.
/// No precision means the fewest digits that read back as the same number.
pub fn format_float(value: f64, verb: u8, precision: Option<usize>) -> String {
    if value.is_nan() {
        return "NaN".into();
    }
    if value.is_infinite() {
        return if value > 0.0 { "+Inf".into() } else { "-Inf".into() };
    }
    let sign = if value.is_sign_negative() { "-" } else { "" };
    let text = match verb {
        b'b' => return binary_exponent(value),
        b'x' | b'X' => hexadecimal(value.abs(), verb, precision),
        b'e' | b'E' => {
            let digits = Digits::new(value.abs(), precision.map(|p| p + 1));
            digits.scientific(precision.unwrap_or(digits.digits.len().saturating_sub(1)), verb)
        }
        b'f' => match precision {
            Some(precision) => format!("{:.precision$}", value.abs()),
            None => format!("{}", value.abs()),
        },
        _ => general(value.abs(), verb, precision),
    };
    format!("{sign}{text}")
}

/// `%g`: the exponent form below 1e-4 and from the precision on, which counts as 6 for the shortest form.
fn general(value: f64, verb: u8, precision: Option<usize>) -> String {
    const SHORTEST_EXPONENT_MAX: i32 = 6;
    let digits = Digits::new(value, precision.map(|p| p.max(1)));
    let count = digits.digits.len();
    let exponent = if count == 0 { 0 } else { digits.point - 1 };
    let exponent_max = match precision {
        None => SHORTEST_EXPONENT_MAX,
        Some(precision) => {
            let precision = precision.max(1);
            let enough = precision > count && count as i32 >= digits.point;
            if enough { count as i32 } else { precision as i32 }
        }
    };
    if exponent < -4 || exponent >= exponent_max {
        return digits.scientific(count.saturating_sub(1), if verb == b'G' { b'E' } else { b'e' });
    }
    digits.plain()
}

/// Decimal digits without trailing zeros, and where the point stands before them: `0.d1d2… × 10^point`.
struct Digits {
    digits: Vec<u8>,
    point: i32,
}

impl Digits {
    fn new(value: f64, count: Option<usize>) -> Digits {
        if value == 0.0 {
            return Digits { digits: Vec::new(), point: 0 };
        }
        let text = match count {
            None => format!("{value:e}"),
            Some(count) => format!("{value:.*e}", count.saturating_sub(1)),
        };
        let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let mut digits: Vec<u8> = mantissa.bytes().filter(u8::is_ascii_digit).collect();
        while digits.last() == Some(&b'0') {
            digits.pop();
        }
        Digits { digits, point: exponent.parse::<i32>().unwrap_or(0) + 1 }
    }

    fn digit(&self, index: usize) -> char {
        self.digits.get(index).map_or('0', |d| char::from(*d))
    }

    fn scientific(&self, decimals: usize, letter: u8) -> String {
        let mut out = String::with_capacity(decimals + 8);
        out.push(self.digit(0));
        if decimals > 0 {
            out.push('.');
            (1..=decimals).for_each(|i| out.push(self.digit(i)));
        }
        let exponent = if self.digits.is_empty() { 0 } else { self.point - 1 };
        out.push(char::from(letter));
        out.push(if exponent < 0 { '-' } else { '+' });
        out.push_str(&format!("{:02}", exponent.abs()));
        out
    }

    fn plain(&self) -> String {
        let mut out = String::new();
        if self.point <= 0 {
            out.push('0');
        }
        for i in 0..self.point.max(0) as usize {
            out.push(self.digit(i));
        }
        let decimals = self.digits.len() as i32 - self.point;
        if decimals > 0 && !self.digits.is_empty() {
            out.push('.');
            for i in 0..decimals {
                let index = self.point + i;
                out.push(if index < 0 { '0' } else { self.digit(index as usize) });
            }
        }
        out
    }
}

const MANTISSA_BITS: u32 = 52;

/// The mantissa as an integer and the exponent of two it is multiplied by.
fn parts(value: f64) -> (u64, i32) {
    let bits = value.to_bits();
    let exponent = ((bits >> MANTISSA_BITS) & 0x7ff) as i32;
    let mantissa = bits & ((1 << MANTISSA_BITS) - 1);
    match exponent {
        0 => (mantissa, -1074),
        _ => (mantissa | (1 << MANTISSA_BITS), exponent - 1075),
    }
}

/// `%b`: the mantissa and the exponent of two, `4503599627370496p-52`.
fn binary_exponent(value: f64) -> String {
    let (mantissa, exponent) = parts(value.abs());
    let sign = if value.is_sign_negative() { "-" } else { "" };
    format!("{sign}{mantissa}p{exponent:+}")
}

/// `%x`: `0x1.8p+01`, with the digits that a precision asks for, rounded half to even.
fn hexadecimal(value: f64, verb: u8, precision: Option<usize>) -> String {
    let (mut mantissa, mut exponent) = parts(value);
    exponent += MANTISSA_BITS as i32;
    if mantissa == 0 {
        exponent = 0;
    }
    // The leading digit stands in bit 60: 1 and fifteen hexadecimal digits after it.
    mantissa <<= 60 - MANTISSA_BITS;
    while mantissa != 0 && mantissa & (1 << 60) == 0 {
        mantissa <<= 1;
        exponent -= 1;
    }
    if let Some(precision) = precision.filter(|p| *p < 15) {
        let shift = (precision * 4) as u32;
        let extra = (mantissa << shift) & ((1 << 60) - 1);
        mantissa >>= 60 - shift;
        if extra | (mantissa & 1) > 1 << 59 {
            mantissa += 1;
        }
        mantissa <<= 60 - shift;
        if mantissa & (1 << 61) != 0 {
            mantissa >>= 1;
            exponent += 1;
        }
    }
    let mut out = format!("0x{}", (mantissa >> 60) & 15);
    mantissa <<= 4;
    let mut digits = 0;
    while precision.map_or(mantissa != 0, |precision| digits < precision) {
        if digits == 0 {
            out.push('.');
        }
        out.push(char::from_digit((mantissa >> 60) as u32, 16).unwrap_or('0'));
        mantissa <<= 4;
        digits += 1;
    }
    out.push('p');
    out.push(if exponent < 0 { '-' } else { '+' });
    out.push_str(&format!("{:02}", exponent.abs()));
    if verb == b'X' { out.to_ascii_uppercase() } else { out }
}

/// `strconv.ParseInt(text, base, 64)`; base 0 reads Go's prefixes (`0x 0o 0b 0`) and underscores.
pub fn parse_int(text: &str, base: u32) -> Option<i64> {
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let magnitude = parse_uint(digits, base)?;
    match negative {
        true if magnitude <= 1 << 63 => Some((magnitude as i64).wrapping_neg()),
        false if magnitude < 1 << 63 => Some(magnitude as i64),
        _ => None,
    }
}

/// `strconv.ParseUint(text, base, 64)`.
pub fn parse_uint(text: &str, base: u32) -> Option<u64> {
    let bytes = text.as_bytes();
    if bytes.is_empty() {
        return None;
    }
    let (radix, digits) = match base {
        0 if bytes[0] == b'0' => match bytes.get(1).map(u8::to_ascii_lowercase) {
            Some(b'b') if bytes.len() >= 3 => (2, &text[2..]),
            Some(b'o') if bytes.len() >= 3 => (8, &text[2..]),
            Some(b'x') if bytes.len() >= 3 => (16, &text[2..]),
            _ => (8, &text[1..]),
        },
        0 => (10, text),
        _ => (base, text),
    };
    if base == 0 && !underscores_fit(text) {
        return None;
    }
    let mut value = 0u64;
    for c in digits.chars() {
        if c == '_' && base == 0 {
            continue;
        }
        value = value.checked_mul(u64::from(radix))?.checked_add(u64::from(c.to_digit(radix)?))?;
    }
    Some(value)
}

/// Whether underscores stand only between digits, or between a base prefix and a digit.
fn underscores_fit(text: &str) -> bool {
    if !text.contains('_') {
        return true;
    }
    let text = text.trim_start_matches(['-', '+']);
    let bytes = text.as_bytes();
    let prefixed = bytes.len() >= 2 && bytes[0] == b'0' && matches!(bytes[1] | 32, b'b' | b'o' | b'x');
    let hexadecimal = prefixed && bytes[1] | 32 == b'x';
    let mut last = if prefixed { b'0' } else { b'^' };
    for c in &bytes[if prefixed { 2 } else { 0 }..] {
        let digit = c.is_ascii_digit() || hexadecimal && c.is_ascii_hexdigit();
        match (digit, *c, last) {
            (true, _, _) => last = b'0',
            (false, b'_', b'0') => last = b'_',
            (false, b'_', _) | (false, _, b'_') => return false,
            _ => last = b'!',
        }
    }
    last != b'_'
}

/// `strconv.ParseFloat(text, 64)`; what is too large is an error, as in Go.
pub fn parse_float(text: &str) -> Option<f64> {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let lower = unsigned.to_ascii_lowercase();
    if matches!(&*lower, "inf" | "infinity") {
        return Some(if text.starts_with('-') { f64::NEG_INFINITY } else { f64::INFINITY });
    }
    if lower == "nan" {
        return (text.len() == unsigned.len()).then_some(f64::NAN);
    }
    if !underscores_fit(text) {
        return None;
    }
    let plain = lower.replace('_', "");
    let value = match plain.strip_prefix("0x") {
        Some(digits) => parse_hexadecimal(digits)?,
        None if plain.starts_with(|c: char| c.is_ascii_digit() || c == '.') => plain.parse().ok()?,
        None => return None,
    };
    let value: f64 = if text.starts_with('-') { -value } else { value };
    value.is_finite().then_some(value)
}

fn parse_hexadecimal(text: &str) -> Option<f64> {
    let (mantissa, exponent) = text.split_once('p')?;
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    // Fifteen digits are more than a mantissa holds; a bit stands for all that follows.
    let (mut value, mut shift) = (0u64, 0i32);
    for (c, after_point) in whole.chars().map(|c| (c, false)).chain(fraction.chars().map(|c| (c, true))) {
        let digit = u64::from(c.to_digit(16)?);
        if value >> 58 == 0 {
            value = value << 4 | digit;
            shift -= if after_point { 4 } else { 0 };
        } else {
            value |= u64::from(digit != 0);
            shift += if after_point { 0 } else { 4 };
        }
    }
    let exponent = exponent.parse::<i32>().ok()?.saturating_add(shift);
    Some(value as f64 * 2f64.powi(exponent.clamp(-2000, 2000)))
}

/// `int64(value)` as Go on amd64 converts: what does not fit becomes the smallest number.
pub fn float_to_int(value: f64) -> i64 {
    const LIMIT: f64 = 9_223_372_036_854_775_808.0;
    if (-LIMIT..LIMIT).contains(&value) { value as i64 } else { i64::MIN }
}

/// `strconv.Quote` (or `QuoteToASCII`), appended to `out`.
pub fn quote(out: &mut Vec<u8>, bytes: &[u8], ascii: bool) {
    out.reserve(bytes.len() + 2);
    out.push(b'"');
    for chunk in bytes.utf8_chunks() {
        quote_text(out, chunk.valid(), b'"', ascii);
        for byte in chunk.invalid() {
            out.extend_from_slice(format!("\\x{byte:02x}").as_bytes());
        }
    }
    out.push(b'"');
}

/// `strconv.QuoteRune`.
pub fn quote_char(out: &mut Vec<u8>, c: char, ascii: bool) {
    out.push(b'\'');
    quote_text(out, c.encode_utf8(&mut [0; 4]), b'\'', ascii);
    out.push(b'\'');
}

fn quote_text(out: &mut Vec<u8>, text: &str, delimiter: u8, ascii: bool) {
    let mut written = 0;
    for (i, c) in text.char_indices() {
        let plain = match c {
            '\\' => false,
            ' '..='~' => c != char::from(delimiter),
            _ => !ascii && is_print(c),
        };
        if plain {
            continue;
        }
        out.extend_from_slice(&text.as_bytes()[written..i]);
        written = i + c.len_utf8();
        let escape = match c {
            '\x07' => "\\a",
            '\x08' => "\\b",
            '\x0c' => "\\f",
            '\n' => "\\n",
            '\r' => "\\r",
            '\t' => "\\t",
            '\x0b' => "\\v",
            '\\' => "\\\\",
            '"' => "\\\"",
            '\'' => "\\'",
            _ => "",
        };
        out.extend_from_slice(escape.as_bytes());
        if escape.is_empty() {
            let code = u32::from(c);
            let text = match code {
                0..0x80 => format!("\\x{code:02x}"),
                0x80..0x10000 => format!("\\u{code:04x}"),
                _ => format!("\\U{code:08x}"),
            };
            out.extend_from_slice(text.as_bytes());
        }
    }
    out.extend_from_slice(&text.as_bytes()[written..]);
}

/// The text of [`quote`].
pub fn quoted(text: &str) -> String {
    let mut out = Vec::new();
    quote(&mut out, text.as_bytes(), false);
    String::from_utf8(out).unwrap_or_default()
}

/// `unicode.IsPrint`: letters, marks, numbers, punctuation, symbols and the ASCII space.
pub fn is_print(c: char) -> bool {
    static PRINTABLE: OnceLock<Regex> = OnceLock::new();
    match c {
        ' '..='~' => true,
        '\0'..='\u{a0}' | '\u{ad}' => false,
        '\u{a1}'..='\u{377}' | '\u{2010}'..='\u{2027}' | '\u{2030}'..='\u{205e}' => true,
        _ => PRINTABLE
            .get_or_init(|| Regex::new(r"^[\p{L}\p{M}\p{N}\p{P}\p{S}]$").expect("a constant pattern"))
            .is_match(c.encode_utf8(&mut [0; 4])),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_print_as_go_prints_them() {
        let rows: &[(f64, u8, Option<usize>, &str)] = &[
            (3.5, b'x', None, "0x1.cp+01"),
            (3.5, b'x', Some(0), "0x1p+02"),
            (1.0, b'b', None, "4503599627370496p-52"),
            (-0.0, b'g', None, "-0"),
            (0.0, b'e', Some(2), "0.00e+00"),
            (123_456.0, b'e', Some(3), "1.235e+05"),
            (2.5, b'f', Some(0), "2"),
            (0.25, b'f', Some(1), "0.2"),
            (123_456_789.0, b'g', Some(4), "1.235e+08"),
            (100.0, b'g', Some(6), "100"),
            (5e-324, b'g', None, "5e-324"),
        ];
        for (value, verb, precision, expected) in rows {
            assert_eq!(format_float(*value, *verb, *precision), *expected, "{value} {}", char::from(*verb));
        }
    }

    #[test]
    fn integers_read_as_go_reads_them() {
        let rows: &[(&str, Option<i64>)] = &[
            ("0x1F", Some(31)),
            ("08", None),
            ("010", Some(8)),
            ("0b11", Some(3)),
            ("0", Some(0)),
            ("1_000", Some(1000)),
            ("1__0", None),
            ("_1", None),
            ("0_8", None),
            ("0x_1", Some(1)),
            ("-9223372036854775808", Some(i64::MIN)),
            ("9223372036854775808", None),
            ("", None),
            ("+", None),
            ("0x", None),
        ];
        for (text, expected) in rows {
            assert_eq!(parse_int(text, 0), *expected, "{text}");
        }
    }
}
