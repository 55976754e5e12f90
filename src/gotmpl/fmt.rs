//! Go's `fmt`: how a value prints, and `printf` with all its verbs, flags and error texts.
//!
//! In: values and formats. Out: text; a mistake in a format shows in the text, as in Go (`%!d(string=x)`).
//! Absent: `%p` of real addresses, which differ from run to run.

use std::fmt::Write as _;

use super::strconv::{format_float, quote, quote_char};
use super::value::{IntKind, Object, Value};

/// Lists and maps deeper than this print as [`TOO_DEEP`]: a map that holds itself has no end (Go overflows its stack).
pub const PRINT_DEPTH_MAX: usize = 500;
/// A printed value stops growing here.
pub const PRINT_BYTES_MAX: usize = 64 << 20;
const TOO_DEEP: &str = "%!(NESTED TOO DEEP)";
/// Go's limit for widths and precisions.
const WIDTH_MAX: i64 = 1_000_000;

/// Appends what `fmt.Fprint` writes for one value.
pub fn write_value(out: &mut String, value: &Value) {
    write_nested(out, value, 0);
}

/// What `fmt.Fprint` writes for one value.
pub fn to_string(value: &Value) -> String {
    let mut out = String::new();
    write_value(&mut out, value);
    out
}

/// `fmt.Sprintf`.
pub fn sprintf(format: &str, args: &[Value]) -> String {
    text(sprintf_bytes(format.as_bytes(), args))
}

/// `fmt.Sprintf` where format or arguments may hold other bytes than UTF-8.
pub fn sprintf_bytes(format: &[u8], args: &[Value]) -> Vec<u8> {
    let mut printer = Printer { out: Vec::with_capacity(format.len() + 16 * args.len()), flags: Flags::default() };
    printer.printf(format, args);
    printer.out
}

/// `fmt.Sprint`: a space between operands when neither is a string.
pub fn sprint(args: &[Value]) -> String {
    let is_text = |value: &Value| matches!(value, Value::Str(_) | Value::Bytes(_));
    let mut out = String::new();
    for (i, arg) in args.iter().enumerate() {
        if i > 0 && !is_text(arg) && !is_text(&args[i - 1]) {
            out.push(' ');
        }
        write_value(&mut out, arg);
    }
    out
}

/// `fmt.Sprintln`: a space between all operands, and a line feed.
pub fn sprintln(args: &[Value]) -> String {
    let mut out = String::new();
    for (i, arg) in args.iter().enumerate() {
        if i > 0 {
            out.push(' ');
        }
        write_value(&mut out, arg);
    }
    out.push('\n');
    out
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

/// `%v` without flags, by far the most frequent.
fn write_nested(out: &mut String, value: &Value, depth: usize) {
    if depth > PRINT_DEPTH_MAX || out.len() > PRINT_BYTES_MAX {
        return out.push_str(TOO_DEEP);
    }
    match value {
        Value::Nil => out.push_str("<nil>"),
        Value::Bool(b) => out.push_str(if *b { "true" } else { "false" }),
        Value::Int(n, IntKind::Uint64) => write_number(out, *n as u64),
        Value::Int(n, _) => write_number(out, n),
        Value::Float(f) => out.push_str(&format_float(*f, b'g', None)),
        Value::Str(text) => out.push_str(text),
        Value::Bytes(bytes) => out.push_str(&String::from_utf8_lossy(bytes)),
        Value::Object(object) => out.push_str(&object.print()),
        Value::List(list) => {
            out.push('[');
            for (i, item) in list.items.iter().enumerate() {
                if i > 0 {
                    out.push(' ');
                }
                write_nested(out, item, depth + 1);
            }
            out.push(']');
        }
        Value::Map(map) => {
            out.push_str("map[");
            for (i, (key, item)) in map.entries.borrow().iter().enumerate() {
                if i > 0 {
                    out.push(' ');
                }
                out.push_str(key);
                out.push(':');
                write_nested(out, item, depth + 1);
            }
            out.push(']');
        }
    }
}

fn write_number(out: &mut String, n: impl std::fmt::Display) {
    let _ = write!(out, "{n}");
}

#[derive(Default, Clone, Copy)]
struct Flags {
    width: Option<usize>,
    precision: Option<usize>,
    minus: bool,
    plus: bool,
    sharp: bool,
    space: bool,
    zero: bool,
    /// `%#v`: Go syntax.
    sharp_v: bool,
    /// `%+v`: structs with the names of their fields.
    plus_v: bool,
}

struct Printer {
    out: Vec<u8>,
    flags: Flags,
}

/// Where the next verb takes its argument from.
struct Cursor {
    next: usize,
    reordered: bool,
    good: bool,
}

impl Printer {
    fn printf(&mut self, format: &[u8], args: &[Value]) {
        let mut cursor = Cursor { next: 0, reordered: false, good: true };
        let mut i = 0;
        while i < format.len() {
            let percent = format[i..].iter().position(|b| *b == b'%').map_or(format.len(), |n| i + n);
            self.out.extend_from_slice(&format[i..percent]);
            i = percent + 1;
            if percent < format.len() {
                i = self.verb(format, i, args, &mut cursor);
            }
        }
        if !cursor.reordered && cursor.next < args.len() {
            self.extra(&args[cursor.next..]);
        }
    }

    /// Prints one verb; `i` is just behind its `%`, the result just behind the verb.
    fn verb(&mut self, format: &[u8], mut i: usize, args: &[Value], cursor: &mut Cursor) -> usize {
        self.flags = Flags::default();
        cursor.good = true;
        while let Some(c) = format.get(i) {
            match c {
                b'#' => self.flags.sharp = true,
                b'0' => self.flags.zero = true,
                b'+' => self.flags.plus = true,
                b'-' => self.flags.minus = true,
                b' ' => self.flags.space = true,
                _ => break,
            }
            i += 1;
        }
        let mut after_index;
        (i, after_index) = cursor.index(format, i, args.len());
        if format.get(i) == Some(&b'*') {
            i += 1;
            match cursor.number(args) {
                Some(width) => {
                    self.flags.width = Some(width.unsigned_abs() as usize);
                    if width < 0 {
                        self.flags.minus = true;
                        self.flags.zero = false;
                    }
                }
                None => self.out.extend_from_slice(b"%!(BADWIDTH)"),
            }
            after_index = false;
        } else {
            (self.flags.width, i) = digits(format, i);
            if after_index && self.flags.width.is_some() {
                cursor.good = false;
            }
        }
        if i < format.len() && format.get(i) == Some(&b'.') {
            i += 1;
            if after_index {
                cursor.good = false;
            }
            (i, after_index) = cursor.index(format, i, args.len());
            if format.get(i) == Some(&b'*') {
                i += 1;
                self.flags.precision = cursor.number(args).and_then(|n| usize::try_from(n).ok());
                if self.flags.precision.is_none() {
                    self.out.extend_from_slice(b"%!(BADPREC)");
                }
                after_index = false;
            } else {
                let precision;
                (precision, i) = digits(format, i);
                self.flags.precision = Some(precision.unwrap_or(0));
            }
        }
        if !after_index {
            (i, _) = cursor.index(format, i, args.len());
        }
        let Some((verb, length)) = first_char(&format[i.min(format.len())..]) else {
            self.out.extend_from_slice(b"%!(NOVERB)");
            return format.len();
        };
        if verb == '%' {
            self.out.push(b'%');
        } else if !cursor.good {
            self.error_text(verb, "(BADINDEX)");
        } else if let Some(arg) = args.get(cursor.next) {
            if matches!(verb, 'v' | 'w') {
                self.flags.sharp_v = std::mem::take(&mut self.flags.sharp);
                self.flags.plus_v = std::mem::take(&mut self.flags.plus);
            }
            cursor.next += 1;
            self.value(arg, verb, 0);
        } else {
            self.error_text(verb, "(MISSING)");
        }
        i + length
    }

    fn extra(&mut self, args: &[Value]) {
        self.flags = Flags::default();
        self.out.extend_from_slice(b"%!(EXTRA ");
        for (i, arg) in args.iter().enumerate() {
            if i > 0 {
                self.out.extend_from_slice(b", ");
            }
            if !matches!(arg, Value::Nil) {
                self.out.extend_from_slice(arg.type_name().as_bytes());
                self.out.push(b'=');
            }
            self.value(arg, 'v', 0);
        }
        self.out.push(b')');
    }

    fn error_text(&mut self, verb: char, text: &str) {
        let _ = std::io::Write::write_fmt(&mut self.out, format_args!("%!{verb}{text}"));
    }

    fn bad_verb(&mut self, value: &Value, verb: char) {
        self.error_text(verb, "(");
        if !matches!(value, Value::Nil) {
            self.out.extend_from_slice(value.type_name().as_bytes());
            self.out.push(b'=');
        }
        self.value(value, 'v', 0);
        self.out.push(b')');
    }

    fn value(&mut self, value: &Value, verb: char, depth: usize) {
        if depth > PRINT_DEPTH_MAX || self.out.len() > PRINT_BYTES_MAX {
            return self.out.extend_from_slice(TOO_DEEP.as_bytes());
        }
        if depth == 0 && verb == 'T' {
            return match value {
                Value::Nil => self.pad(b"<nil>"),
                _ => self.string(value.type_name().as_bytes(), 's', value),
            };
        }
        match value {
            // Inside a list or map Go prints a nil interface so whatever the verb is, and does not pad it.
            Value::Nil if depth > 0 => {
                self.out.extend_from_slice(if self.flags.sharp_v { b"interface {}(nil)" } else { b"<nil>" });
            }
            Value::Nil if verb == 'v' => self.pad(b"<nil>"),
            Value::Nil => self.error_text(verb, "(<nil>)"),
            Value::Bool(b) if matches!(verb, 't' | 'v') => self.pad(if *b { b"true" } else { b"false" }),
            Value::Int(n, kind) => {
                self.integer(*n as u64, matches!(kind, IntKind::Uint64 | IntKind::Uint8), verb, value);
            }
            Value::Float(f) => self.float(*f, verb, value),
            Value::Str(text) => self.string(text.as_bytes(), verb, value),
            Value::Bytes(bytes) => self.string(bytes, verb, value),
            // Numbers with a name (`time.Month`) are texts for these verbs only.
            Value::Object(object)
                if object.kind().starts_with("int") && !matches!(verb, 'v' | 's' | 'q' | 'x' | 'X') =>
            {
                match object.as_data() {
                    Some(Value::Int(n, _)) => self.integer(n as u64, false, verb, value),
                    _ => self.bad_verb(value, verb),
                }
            }
            Value::Object(object) => self.object(object.as_ref(), verb, value, depth),
            Value::List(list) => {
                self.open(value, b"[");
                for (i, item) in list.items.iter().enumerate() {
                    self.separate(i);
                    self.value(item, verb, depth + 1);
                }
                self.out.push(if self.flags.sharp_v { b'}' } else { b']' });
            }
            Value::Map(map) => {
                self.open(value, b"map[");
                for (i, (key, item)) in map.entries.borrow().iter().enumerate() {
                    self.separate(i);
                    self.string(key.as_bytes(), verb, &Value::Str(key.clone()));
                    self.out.push(b':');
                    self.value(item, verb, depth + 1);
                }
                self.out.push(if self.flags.sharp_v { b'}' } else { b']' });
            }
            Value::Bool(_) => self.bad_verb(value, verb),
        }
    }

    /// What has a method for its text prints as that where the verb is one for text; a struct else as its fields.
    fn object(&mut self, object: &dyn Object, verb: char, value: &Value, depth: usize) {
        let for_text = matches!(verb, 's' | 'q' | 'x' | 'X');
        if let Some(bytes) = object.byte_slice().filter(|_| for_text) {
            return self.string(bytes, verb, value);
        }
        let by_method = object.is_stringer() && (for_text || verb == 'v') && !self.flags.sharp_v;
        if let Some(fields) = object.struct_fields().filter(|_| !by_method) {
            let pointer = object.kind() == "ptr";
            self.out.extend_from_slice(if pointer { b"&" } else { b"" });
            if self.flags.sharp_v {
                self.out.extend_from_slice(object.type_name().trim_start_matches('*').as_bytes());
            }
            self.out.push(b'{');
            for (i, (name, field)) in fields.iter().enumerate() {
                self.separate(i);
                if self.flags.plus_v || self.flags.sharp_v {
                    self.out.extend_from_slice(name.as_bytes());
                    self.out.push(b':');
                }
                self.value(field, verb, depth + 1);
            }
            return self.out.push(b'}');
        }
        match object.as_data().filter(|_| !object.is_stringer() && matches!(object.kind(), "map" | "slice")) {
            Some(data) => self.value(&data, verb, depth),
            None => self.string(object.print().as_bytes(), verb, value),
        }
    }

    fn open(&mut self, value: &Value, plain: &[u8]) {
        if self.flags.sharp_v {
            self.out.extend_from_slice(value.type_name().as_bytes());
            self.out.push(b'{');
        } else {
            self.out.extend_from_slice(plain);
        }
    }

    fn separate(&mut self, i: usize) {
        match (i, self.flags.sharp_v) {
            (0, _) => {}
            (_, true) => self.out.extend_from_slice(b", "),
            (_, false) => self.out.push(b' '),
        }
    }

    fn string(&mut self, bytes: &[u8], verb: char, value: &Value) {
        match verb {
            'v' if self.flags.sharp_v => self.quoted(bytes),
            'v' | 's' => self.pad(truncate(bytes, self.flags.precision)),
            'q' => self.quoted(bytes),
            'x' => self.hexadecimal(bytes, b"0123456789abcdef", b"0x"),
            'X' => self.hexadecimal(bytes, b"0123456789ABCDEF", b"0X"),
            _ => self.bad_verb(value, verb),
        }
    }

    fn quoted(&mut self, bytes: &[u8]) {
        let bytes = truncate(bytes, self.flags.precision);
        if self.flags.sharp && can_backquote(bytes) {
            return self.pad(&[b"`", bytes, b"`"].concat());
        }
        let mut text = Vec::new();
        quote(&mut text, bytes, self.flags.plus);
        self.pad(&text);
    }

    fn hexadecimal(&mut self, bytes: &[u8], digits: &[u8; 16], prefix: &[u8; 2]) {
        let bytes = &bytes[..bytes.len().min(self.flags.precision.unwrap_or(usize::MAX))];
        let mut text = Vec::with_capacity(bytes.len() * 2 + 2);
        for (i, byte) in bytes.iter().enumerate() {
            if i > 0 && self.flags.space {
                text.push(b' ');
            }
            if self.flags.sharp && (i == 0 || self.flags.space) {
                text.extend_from_slice(prefix);
            }
            text.extend_from_slice(&[digits[usize::from(byte >> 4)], digits[usize::from(byte & 15)]]);
        }
        self.pad(&text);
    }

    fn integer(&mut self, n: u64, unsigned: bool, verb: char, value: &Value) {
        match verb {
            'v' if self.flags.sharp_v && unsigned => {
                let sharp = std::mem::replace(&mut self.flags.sharp, true);
                self.number(n, 16, true, 'v');
                self.flags.sharp = sharp;
            }
            'v' | 'd' => self.number(n, 10, unsigned, verb),
            'b' => self.number(n, 2, unsigned, verb),
            'o' | 'O' => self.number(n, 8, unsigned, verb),
            'x' | 'X' => self.number(n, 16, unsigned, verb),
            'c' => self.pad(code_point(n).encode_utf8(&mut [0; 4]).as_bytes()),
            'q' => {
                let mut text = Vec::new();
                quote_char(&mut text, code_point(n), self.flags.plus);
                self.pad(&text);
            }
            'U' => self.unicode(n),
            _ => self.bad_verb(value, verb),
        }
    }

    fn number(&mut self, n: u64, base: u32, unsigned: bool, verb: char) {
        let negative = !unsigned && (n as i64) < 0;
        let magnitude = if negative { n.wrapping_neg() } else { n };
        let flags = self.flags;
        if flags.precision == Some(0) && magnitude == 0 {
            let width = flags.width.unwrap_or(0);
            return self.out.extend(std::iter::repeat_n(b' ', width));
        }
        let mut text = match (base, verb) {
            (2, _) => format!("{magnitude:b}"),
            (8, _) => format!("{magnitude:o}"),
            (16, 'X') => format!("{magnitude:X}"),
            (16, _) => format!("{magnitude:x}"),
            _ => magnitude.to_string(),
        };
        let signed = negative || flags.plus || flags.space;
        let count = match (flags.precision, flags.width) {
            (Some(precision), _) => precision,
            (None, Some(width)) if flags.zero && !flags.minus => width.saturating_sub(usize::from(signed)),
            _ => 0,
        };
        if text.len() < count {
            text.insert_str(0, &"0".repeat(count - text.len()));
        }
        if flags.sharp {
            match (base, verb) {
                (2, _) => text.insert_str(0, "0b"),
                (8, _) if !text.starts_with('0') => text.insert(0, '0'),
                (16, 'X') => text.insert_str(0, "0X"),
                (16, _) => text.insert_str(0, "0x"),
                _ => {}
            }
        }
        if verb == 'O' {
            text.insert_str(0, "0o");
        }
        if signed {
            text.insert(
                0,
                if negative {
                    '-'
                } else if flags.plus {
                    '+'
                } else {
                    ' '
                },
            );
        }
        self.pad_with_spaces(text.as_bytes());
    }

    fn unicode(&mut self, n: u64) {
        let digits = self.flags.precision.unwrap_or(4).max(4);
        let mut text = format!("U+{n:0digits$X}").into_bytes();
        if let (true, Some(c)) = (self.flags.sharp, u32::try_from(n).ok().and_then(char::from_u32))
            && super::strconv::is_print(c)
        {
            text.extend_from_slice(format!(" '{c}'").as_bytes());
        }
        self.pad_with_spaces(&text);
    }

    fn float(&mut self, value: f64, verb: char, shown: &Value) {
        let (letter, precision) = match verb {
            'v' => (b'g', None),
            'b' | 'g' | 'G' | 'x' | 'X' => (verb as u8, None),
            'e' | 'E' | 'f' => (verb as u8, Some(6)),
            'F' => (b'f', Some(6)),
            _ => return self.bad_verb(shown, verb),
        };
        let precision = self.flags.precision.or(precision);
        let mut text = format_float(value, letter, precision);
        if !text.starts_with(['-', '+']) {
            text.insert(0, '+');
        }
        if self.flags.space && text.starts_with('+') && !self.flags.plus {
            text.replace_range(..1, " ");
        }
        if !value.is_finite() {
            // Go keeps the plus of an infinity.
            let unsigned = value.is_nan() && !self.flags.space && !self.flags.plus;
            let shown = if unsigned { &text[1..] } else { &text };
            return self.pad_with_spaces(shown.as_bytes());
        }
        if self.flags.sharp && letter != b'b' {
            text = with_all_digits(&text, letter, precision);
        }
        if self.flags.plus || !text.starts_with('+') {
            let width = self.flags.width.unwrap_or(0);
            if self.flags.zero && !self.flags.minus && width > text.len() {
                self.out.push(text.as_bytes()[0]);
                self.out.extend(std::iter::repeat_n(b'0', width - text.len()));
                return self.out.extend_from_slice(&text.as_bytes()[1..]);
            }
            return self.pad(text.as_bytes());
        }
        self.pad(&text.as_bytes()[1..]);
    }

    fn pad(&mut self, bytes: &[u8]) {
        let fill = if self.flags.zero && !self.flags.minus { b'0' } else { b' ' };
        self.pad_with(bytes, fill);
    }

    fn pad_with_spaces(&mut self, bytes: &[u8]) {
        self.pad_with(bytes, b' ');
    }

    fn pad_with(&mut self, bytes: &[u8], fill: u8) {
        let missing = match self.flags.width {
            None | Some(0) => 0,
            Some(width) => width.saturating_sub(count_chars(bytes)),
        };
        if !self.flags.minus {
            self.out.extend(std::iter::repeat_n(fill, missing));
        }
        self.out.extend_from_slice(bytes);
        if self.flags.minus {
            self.out.extend(std::iter::repeat_n(fill, missing));
        }
    }
}

impl Cursor {
    /// Reads `[n]` if it stands at `i`; gives the place behind it, and whether it was there and readable.
    fn index(&mut self, format: &[u8], i: usize, count: usize) -> (usize, bool) {
        if format.get(i) != Some(&b'[') {
            return (i, false);
        }
        self.reordered = true;
        let Some(length) = format[i..].iter().position(|b| *b == b']').filter(|_| format.len() - i >= 3) else {
            self.good = false;
            return (i + 1, false);
        };
        match digits(format, i + 1) {
            (Some(number), end) if end == i + length => {
                if (1..=count).contains(&number) {
                    self.next = number - 1;
                } else {
                    self.good = false;
                }
                (i + length + 1, true)
            }
            _ => {
                self.good = false;
                (i + length + 1, false)
            }
        }
    }

    /// The argument of a `*`; none if it is no integer or too large.
    fn number(&mut self, args: &[Value]) -> Option<i64> {
        let arg = args.get(self.next)?;
        self.next += 1;
        match arg {
            Value::Int(n, _) if (-WIDTH_MAX..=WIDTH_MAX).contains(n) => Some(*n),
            _ => None,
        }
    }
}

/// A number at `i`, and the place behind it; one above Go's limit is none.
fn digits(format: &[u8], mut i: usize) -> (Option<usize>, usize) {
    let mut number = None;
    while let Some(digit) = format.get(i).filter(|b| b.is_ascii_digit()) {
        let value = number.unwrap_or(0) * 10 + usize::from(digit - b'0');
        if value / 10 > WIDTH_MAX as usize {
            return (None, format.len());
        }
        number = Some(value);
        i += 1;
    }
    (number, i)
}

fn first_char(bytes: &[u8]) -> Option<(char, usize)> {
    let first = *bytes.first()?;
    let length = match first {
        0..0x80 => return Some((char::from(first), 1)),
        0xc0..0xe0 => 2,
        0xe0..0xf0 => 3,
        _ => 4,
    };
    let text = bytes.get(..length).and_then(|bytes| std::str::from_utf8(bytes).ok());
    Some(text.and_then(|text| text.chars().next()).map_or(('\u{fffd}', 1), |c| (c, length)))
}

/// How many runes Go counts: a byte that is no UTF-8 counts as one.
fn count_chars(bytes: &[u8]) -> usize {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.chars().count(),
        Err(_) => bytes.utf8_chunks().map(|c| c.valid().chars().count() + c.invalid().len()).sum(),
    }
}

/// The first `count` runes.
fn truncate(bytes: &[u8], count: Option<usize>) -> &[u8] {
    let Some(count) = count.filter(|count| *count < bytes.len()) else {
        return bytes;
    };
    let (mut i, mut seen) = (0, 0);
    while i < bytes.len() && seen < count {
        i += first_char(&bytes[i..]).map_or(1, |(_, length)| length);
        seen += 1;
    }
    &bytes[..i]
}

fn can_backquote(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes)
        .is_ok_and(|text| !text.chars().any(|c| (c < ' ' && c != '\t') || matches!(c, '`' | '\x7f' | '\u{feff}')))
}

/// The character of a number, or the replacement character.
fn code_point(n: u64) -> char {
    u32::try_from(n).ok().and_then(char::from_u32).unwrap_or('\u{fffd}')
}

/// `%#g` and `%#e`: always a point, and for `g` the trailing zeros that it else drops.
fn with_all_digits(text: &str, verb: u8, precision: Option<usize>) -> String {
    let mut missing = match verb {
        b'g' | b'G' | b'x' => precision.map_or(6, |p| p as i64),
        _ => 0,
    };
    if precision.is_none() && verb == b'x' {
        missing = 6;
    }
    let hexadecimal = matches!(verb, b'x' | b'X');
    let split = text.find(|c| matches!(c, 'p' | 'P') || (!hexadecimal && matches!(c, 'e' | 'E'))).unwrap_or(text.len());
    let (number, tail) = text.split_at(split);
    let (mut seen_nonzero, mut point) = (false, false);
    for c in number.chars().skip(1) {
        if c == '.' {
            point = true;
            continue;
        }
        seen_nonzero |= c != '0';
        missing -= i64::from(seen_nonzero);
    }
    let mut out = String::from(number);
    if !point {
        missing -= i64::from(&number[1..] == "0");
        out.push('.');
    }
    out.extend(std::iter::repeat_n('0', missing.max(0) as usize));
    out.push_str(tail);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(format: &str, args: &[Value], expected: &str) {
        assert_eq!(sprintf(format, args), expected, "{format}");
    }

    #[test]
    fn values_print_as_in_go() {
        let map = Value::map([("b".into(), Value::Float(1e6)), ("a".into(), Value::Nil)].into());
        assert_eq!(
            to_string(&Value::list(vec![Value::str("x y"), map, Value::Bool(true)])),
            "[x y map[a:<nil> b:1e+06] true]"
        );
        assert_eq!(sprint(&[Value::int(1), Value::int(2), Value::str("a"), Value::str("b"), Value::Nil]), "1 2ab<nil>");
        assert_eq!(sprintln(&[Value::str("a"), Value::Float(0.5)]), "a 0.5\n");
    }

    #[test]
    fn verbs_and_flags_follow_go() {
        check(
            "%5d|%-5d|%05d|%+d|%x|%#X|%o|%O|%b|%c|%U",
            &[42; 11].map(Value::int),
            "   42|42   |00042|+42|2a|0X2A|52|0o52|101010|*|U+002A",
        );
        check("%6.2f|%e|%g|%v", &[2.71318; 4].map(Value::Float), "  2.71|2.713180e+00|2.71318|2.71318");
        check("%q %-6s| %6.2s| %x %T", &["a\"b"; 5].map(Value::str), "\"a\\\"b\" a\"b   |     a\"| 612262 string");
        check("%[2]s %[1]s", &[Value::str("a"), Value::str("b")], "b a");
        check("%*d|%.*f", &[Value::int(4), Value::int(7), Value::int(1), Value::Float(2.25)], "   7|2.2");
        check(
            "%#v %#v",
            &[Value::str("a"), Value::list(vec![Value::int(1), Value::Nil])],
            "\"a\" []interface {}{1, interface {}(nil)}",
        );
    }

    #[test]
    fn mistakes_show_in_the_text() {
        check("%d", &[Value::str("x")], "%!d(string=x)");
        check("%d", &[Value::Float(80.0)], "%!d(float64=80)");
        check("%s", &[Value::Nil], "%!s(<nil>)");
        check("%s", &[Value::int(3)], "%!s(int=3)");
        check("%s %s", &[Value::str("a")], "a %!s(MISSING)");
        check("a", &[Value::int(1), Value::Nil], "a%!(EXTRA int=1, <nil>)");
        check("100%", &[], "100%!(NOVERB)");
        check("%z %[5]d", &[Value::int(1)], "%!z(int=1) %!d(BADINDEX)");
    }

    #[test]
    fn a_map_that_holds_itself_ends() {
        let map = super::super::Map { entries: Default::default(), map_type: super::super::MapType::Interface };
        map.set("self", Value::Map(map.clone()));
        assert!(to_string(&Value::Map(map.clone())).contains(TOO_DEEP));
        assert!(sprintf("%q", &[Value::Map(map)]).contains(TOO_DEEP));
    }
}
