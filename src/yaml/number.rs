//! Floats as Go writes them.
//!
//! Both languages write the fewest digits that read back as the same float, and of those the nearest. Where two are
//! equally near, Rust takes the greater one and Go the even one; so does this.

use std::fmt::Write as _;

/// As Go's encoding/json: an exponent below 1e-6 and from 1e+21 on.
pub(super) fn go_json(value: f64, out: &mut String) {
    let magnitude = value.abs();
    let (digits, exponent) = even_digits(value, &format!("{value:e}"), |text| text.parse() == Ok(value));
    if magnitude != 0.0 && !(1e-6..1e21).contains(&magnitude) {
        let sign = if exponent < 0 { '-' } else { '+' };
        let _ = write!(out, "{digits}e{sign}{}", exponent.abs());
    } else {
        positional(&digits, exponent, out);
    }
}

/// As Go's `FormatFloat(value, 'g', -1, 64)`: an exponent below 1e-4 and from 1e+06 on, of two digits at least.
pub(super) fn go_shortest(value: f64, out: &mut String) {
    let (digits, exponent) = even_digits(value, &format!("{value:e}"), |text| text.parse() == Ok(value));
    shortest(&digits, exponent, out);
}

/// The same for 32 bits.
pub(super) fn go_shortest_32(value: f32, out: &mut String) {
    let (digits, exponent) = even_digits(value.into(), &format!("{value:e}"), |text| text.parse() == Ok(value));
    shortest(&digits, exponent, out);
}

fn shortest(digits: &str, exponent: i32, out: &mut String) {
    if (-4..6).contains(&exponent) {
        positional(digits, exponent, out);
    } else {
        let sign = if exponent < 0 { '-' } else { '+' };
        let _ = write!(out, "{digits}e{sign}{:02}", exponent.abs());
    }
}

/// `d.ddd` and its exponent, from Rust's shortest form; of two that are equally near the one with an even last digit.
fn even_digits(value: f64, scientific: &str, reads_back: impl Fn(&str) -> bool) -> (String, i32) {
    let (digits, exponent) = scientific.split_once('e').unwrap_or((scientific, "0"));
    let parsed = exponent.parse().unwrap_or_default();
    let last = digits.as_bytes().last().copied().unwrap_or(b'0');
    if last % 2 == 1 && digits.contains('.') {
        let lower = format!("{}{}", &digits[..digits.len() - 1], char::from(last - 1));
        // A tie: the exact value is the lower one, then a 5, then nothing.
        let exact = format!("{value:.40e}");
        let tail = exact.split_once('e').and_then(|(all, _)| all.strip_prefix(&lower));
        let is_tie = tail.is_some_and(|t| t.starts_with('5') && t[1..].bytes().all(|b| b == b'0'));
        if is_tie && reads_back(&format!("{lower}e{exponent}")) {
            return (lower, parsed);
        }
    }
    (digits.to_owned(), parsed)
}

/// `d.ddd` times ten to the `exponent`, without an exponent.
fn positional(digits: &str, exponent: i32, out: &mut String) {
    let (sign, digits) = digits.strip_prefix('-').map_or(("", digits), |rest| ("-", rest));
    let (first, rest) = digits.split_once('.').unwrap_or((digits, ""));
    out.push_str(sign);
    if exponent < 0 {
        out.push_str("0.");
        out.extend(std::iter::repeat_n('0', exponent.unsigned_abs() as usize - 1));
        out.push_str(first);
        out.push_str(rest);
        return;
    }
    let whole = exponent.unsigned_abs() as usize;
    out.push_str(first);
    if rest.len() <= whole {
        out.push_str(rest);
        out.extend(std::iter::repeat_n('0', whole - rest.len()));
    } else {
        out.push_str(&rest[..whole]);
        out.push('.');
        out.push_str(&rest[whole..]);
    }
}
