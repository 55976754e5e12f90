//! The order of keys: go-yaml compares numbers inside of texts by their value.

use std::sync::LazyLock;

use regex::Regex;

use super::Style;

pub(super) fn less(style: Style, a: &str, b: &str) -> bool {
    let (mut rest_a, mut rest_b) = (a.chars(), b.chars());
    // The digits just before the first difference: in v3 they make a number sort before what is longer by a letter.
    let mut after_digit = false;
    let mut consumed = 0;
    loop {
        let (at_a, at_b) = (rest_a.as_str(), rest_b.as_str());
        match (rest_a.next(), rest_b.next()) {
            (Some(x), Some(y)) if x == y => {
                after_digit = is_digit(x);
                consumed += x.len_utf8();
            }
            (Some(x), Some(y)) => {
                let before = &a[..consumed];
                return differ(style, before, after_digit, (x, at_a), (y, at_b));
            }
            (x, y) => return x.is_none() && y.is_some(),
        }
    }
}

/// A stable merge sort that no order can bring to panic.
pub(super) fn sort<T>(items: &mut Vec<T>, less: impl Fn(&T, &T) -> bool + Copy) {
    if items.windows(2).all(|pair| !less(&pair[1], &pair[0])) {
        return;
    }
    let mut right = items.split_off(items.len() / 2);
    sort(items, less);
    sort(&mut right, less);
    let mut merged = Vec::with_capacity(items.len() + right.len());
    let mut left = std::mem::take(items).into_iter().peekable();
    let mut right = right.into_iter().peekable();
    while let (Some(a), Some(b)) = (left.peek(), right.peek()) {
        let next = if less(b, a) { right.next() } else { left.next() };
        merged.extend(next);
    }
    merged.extend(left);
    merged.extend(right);
    *items = merged;
}

fn differ(style: Style, before: &str, after_digit: bool, (x, at_a): (char, &str), (y, at_b): (char, &str)) -> bool {
    match (is_letter(x), is_letter(y)) {
        (true, true) => return x < y,
        (false, false) => {}
        (letter_a, letter_b) => return if style == Style::Pretty && after_digit { letter_a } else { letter_b },
    }
    let mut start = 0i64;
    if x == '0' || y == '0' {
        let in_number = before.chars().rev().take_while(|c| is_digit(*c)).any(|c| c != '0');
        start = i64::from(in_number);
    }
    let (number_a, digits_a) = number(start, at_a);
    let (number_b, digits_b) = number(start, at_b);
    (number_a, digits_a, x) < (number_b, digits_b, y)
}

/// The number that a text begins with, and its count of digits. Go lets it overflow.
fn number(start: i64, text: &str) -> (i64, usize) {
    text.chars().take_while(|c| is_digit(*c)).fold((start, 0), |(n, count), c| {
        let digit = i64::from(u32::from(c)) - i64::from(b'0');
        (n.wrapping_mul(10).wrapping_add(digit), count + 1)
    })
}

/// Go's `unicode.IsLetter`.
fn is_letter(c: char) -> bool {
    static LETTER: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"^\p{L}").expect("a class of Unicode"));
    if c.is_ascii() {
        c.is_ascii_alphabetic()
    } else {
        c.is_alphabetic() && LETTER.is_match(c.encode_utf8(&mut [0; 4]))
    }
}

/// Go's `unicode.IsDigit`.
fn is_digit(c: char) -> bool {
    static DIGIT: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"^\p{Nd}").expect("a class of Unicode"));
    if c.is_ascii() { c.is_ascii_digit() } else { c.is_numeric() && DIGIT.is_match(c.encode_utf8(&mut [0; 4])) }
}
