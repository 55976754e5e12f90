//! RE2's dialect, as Go's `regexp` reads it, by the crate `regex`: patterns are translated, then compiled and kept.
//!
//! In: a pattern. Out: a compiled one, or Go's error message; and the searches that sprig offers. Matching takes
//! linear time in both. Translated are what the dialects read differently: `\d \w \s \b` are ASCII, a lone `{` and
//! `[` and `-` in classes are themselves, `\Q…\E`, escapes, repeat limits.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, RwLock};

use regex::{Captures, Regex, RegexBuilder};

use super::strconv::parse_uint;

/// How much memory one compiled pattern may take.
pub const PATTERN_BYTES_MAX: usize = 10 << 20;
/// How deep groups may nest: Go's limit.
pub const GROUPS_DEPTH_MAX: usize = 1_000;
/// The highest count of a repetition: Go's limit.
pub const REPEAT_MAX: u64 = 1_000;
/// How many compiled patterns are kept; when there are more, all are dropped.
pub const CACHED_PATTERNS_MAX: usize = 500;

type Compiled = Result<Arc<Regex>, Arc<str>>;

/// Compiles a pattern, or finds it compiled.
///
/// # Errors
/// Go's message: ``error parsing regexp: missing closing ): `(` ``.
pub fn compile(pattern: &str) -> Result<Arc<Regex>, String> {
    static CACHE: LazyLock<RwLock<HashMap<String, Compiled>>> = LazyLock::new(RwLock::default);
    let found = CACHE.read().ok().and_then(|cache| cache.get(pattern).cloned());
    let compiled = found.unwrap_or_else(|| {
        let compiled = build(pattern).map(Arc::new).map_err(Arc::from);
        if let Ok(mut cache) = CACHE.write() {
            if cache.len() >= CACHED_PATTERNS_MAX {
                cache.clear();
            }
            cache.insert(pattern.to_owned(), compiled.clone());
        }
        compiled
    });
    compiled.map_err(|message| message.to_string())
}

/// `FindAllString`: at most `count` matches, all if it is negative.
pub fn find_all<'t>(regex: &Regex, text: &'t str, count: i64) -> Vec<&'t str> {
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    regex.find_iter(text).take(count).map(|found| found.as_str()).collect()
}

/// `ReplaceAllString`: `$1`, `$name`, `${name}` stand for groups, `$$` for a dollar.
pub fn replace_all(regex: &Regex, text: &str, template: &str) -> String {
    regex
        .replace_all(text, |captures: &Captures<'_>| {
            let mut out = String::new();
            expand(&mut out, template, regex, captures);
            out
        })
        .into_owned()
}

/// `Split`: at most `count` parts, all if it is negative.
pub fn split<'t>(regex: &Regex, pattern: &str, text: &'t str, count: i64) -> Vec<&'t str> {
    if count == 0 {
        return Vec::new();
    }
    if !pattern.is_empty() && text.is_empty() {
        return vec![""];
    }
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    let (mut parts, mut begin, mut end) = (Vec::new(), 0, 0);
    for found in regex.find_iter(text).take(count) {
        if parts.len() + 1 == count {
            break;
        }
        end = found.start();
        if found.end() != 0 {
            parts.push(&text[begin..end]);
        }
        begin = found.end();
    }
    if end != text.len() {
        parts.push(&text[begin..]);
    }
    parts
}

/// `QuoteMeta`.
pub fn quote_meta(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if "\\.+*?()|[]{}^$".contains(c) {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

/// `Expand`: a name takes all letters, digits and underscores it can get, so `$1x` is the group named `1x`.
fn expand(out: &mut String, template: &str, regex: &Regex, captures: &Captures<'_>) {
    let mut rest = template;
    while let Some(dollar) = rest.find('$') {
        out.push_str(&rest[..dollar]);
        rest = &rest[dollar + 1..];
        if let Some(after) = rest.strip_prefix('$') {
            out.push('$');
            rest = after;
            continue;
        }
        let Some((name, after)) = reference(rest) else {
            out.push('$');
            continue;
        };
        rest = after;
        let leading_zero = name.len() > 1 && name.starts_with('0');
        let number = if leading_zero { None } else { parse_uint(name, 10) };
        let group = match number {
            Some(number) => usize::try_from(number).ok().and_then(|i| captures.get(i)),
            None => {
                let named = regex.capture_names().enumerate().filter(|(_, n)| *n == Some(name));
                named.filter_map(|(i, _)| captures.get(i)).next()
            }
        };
        out.push_str(group.map_or("", |group| group.as_str()));
    }
    out.push_str(rest);
}

/// The name at the start of a text behind its `$`, and what follows.
fn reference(text: &str) -> Option<(&str, &str)> {
    let braced = text.strip_prefix('{');
    let inner = braced.unwrap_or(text);
    let end = inner.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(inner.len());
    let (name, after) = inner.split_at(end);
    if name.is_empty() {
        return None;
    }
    match braced {
        Some(_) => after.strip_prefix('}').map(|after| (name, after)),
        None => Some((name, after)),
    }
}

fn build(pattern: &str) -> Result<Regex, String> {
    let mut translator =
        Translator { pattern, rest: pattern, out: String::with_capacity(pattern.len() + 8), groups: 0 };
    translator.run().map_err(|message| format!("error parsing regexp: {message}"))?;
    RegexBuilder::new(&translator.out).size_limit(PATTERN_BYTES_MAX).build().map_err(|error| match error {
        regex::Error::CompiledTooBig(limit) => {
            format!("error parsing regexp: expression takes more than {limit} bytes")
        }
        other => format!("error parsing regexp: {}", other.to_string().lines().last().unwrap_or_default().trim()),
    })
}

struct Translator<'a> {
    pattern: &'a str,
    rest: &'a str,
    out: String,
    groups: usize,
}

type Outcome = Result<(), String>;

impl<'a> Translator<'a> {
    fn run(&mut self) -> Outcome {
        // Whether something stands before that a repetition can follow.
        let mut repeatable = false;
        while let Some(c) = self.rest.chars().next() {
            match c {
                '*' | '+' | '?' => {
                    self.repetition(repeatable, 1)?;
                    repeatable = false;
                    continue;
                }
                '{' => {
                    if let Some(length) = self.repeat_length()? {
                        self.repetition(repeatable, length)?;
                        repeatable = false;
                        continue;
                    }
                    self.literal(c);
                }
                '}' => self.literal(c),
                '\\' => {
                    repeatable = self.escape(repeatable)?;
                    continue;
                }
                '[' => {
                    self.class()?;
                    repeatable = true;
                    continue;
                }
                '(' => {
                    repeatable = self.group(repeatable)?;
                    continue;
                }
                ')' => {
                    if self.groups == 0 {
                        return Err(format!("unexpected ): `{}`", self.pattern));
                    }
                    self.groups -= 1;
                    self.out.push(c);
                }
                '|' => {
                    self.out.push(c);
                    self.advance(1);
                    repeatable = false;
                    continue;
                }
                _ => self.out.push(c),
            }
            self.advance(c.len_utf8());
            repeatable = true;
        }
        if self.groups > 0 {
            return Err(format!("missing closing ): `{}`", self.pattern));
        }
        Ok(())
    }

    fn advance(&mut self, bytes: usize) {
        self.rest = &self.rest[bytes..];
    }

    fn literal(&mut self, c: char) {
        self.out.push_str(&regex::escape(c.encode_utf8(&mut [0; 4])));
    }

    /// A repetition of so many bytes, with the `?` that may follow it.
    fn repetition(&mut self, repeatable: bool, length: usize) -> Outcome {
        let operator = &self.rest[..length];
        if !repeatable {
            return Err(format!("missing argument to repetition operator: `{operator}`"));
        }
        let lazy = self.rest[length..].starts_with('?');
        let whole = length + usize::from(lazy);
        let after = &self.rest[whole..];
        let again = match after.chars().next() {
            Some('*' | '+' | '?') => 1,
            Some('{') => {
                let here = self.rest;
                self.rest = after;
                let found = self.repeat_length();
                self.rest = here;
                found?.unwrap_or(0)
            }
            _ => 0,
        };
        if again > 0 {
            return Err(format!("invalid nested repetition operator: `{}`", &self.rest[..whole + again]));
        }
        self.out.push_str(&self.rest[..whole]);
        self.advance(whole);
        Ok(())
    }

    /// How long the `{n}`, `{n,}` or `{n,m}` is that stands here; none if the brace is itself.
    fn repeat_length(&self) -> Result<Option<usize>, String> {
        let Some(end) = self.rest.find('}') else {
            return Ok(None);
        };
        let inner = &self.rest[1..end];
        let (min, max) = inner.split_once(',').unwrap_or((inner, inner));
        let number = |text: &str| {
            let plain = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
            (plain && (text.len() == 1 || !text.starts_with('0'))).then(|| text.parse::<u64>().unwrap_or(u64::MAX))
        };
        let (Some(min), Some(max)) = (number(min), if max.is_empty() { Some(0) } else { number(max) }) else {
            return Ok(None);
        };
        let open = inner.ends_with(',');
        if min > REPEAT_MAX || !open && (max > REPEAT_MAX || min > max) {
            return Err(format!("invalid repeat count: `{}`", &self.rest[..=end]));
        }
        Ok(Some(end + 1))
    }

    fn group(&mut self, repeatable: bool) -> Result<bool, String> {
        let Some(flags) = self.rest.strip_prefix("(?") else {
            self.open(1)?;
            return Ok(false);
        };
        if let Some(name) = flags.strip_prefix("P<").or_else(|| flags.strip_prefix('<')) {
            let Some(end) = name.find('>') else {
                return Err(format!("invalid named capture: `{}`", self.rest));
            };
            let length = self.rest.len() - name.len() + end + 1;
            let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
            let name = &name[..end];
            if name.is_empty() || !name.chars().all(plain) {
                return Err(format!("invalid named capture: `{}`", &self.rest[..length]));
            }
            if name.starts_with(|c: char| c.is_ascii_digit()) {
                // Go takes such names, this crate does not; the group keeps its number.
                self.open_as("(", length)?;
                return Ok(false);
            }
            self.open(length)?;
            return Ok(false);
        }
        let invalid = |length: usize| {
            let end = self.rest.len().min(2 + length);
            Err(format!("invalid or unsupported Perl syntax: `{}`", &self.rest[..end]))
        };
        let (mut negative, mut seen) = (false, false);
        for (i, c) in flags.char_indices() {
            match c {
                'i' | 'm' | 's' | 'U' => seen = true,
                '-' if !negative => (negative, seen) = (true, false),
                ':' if seen || !negative => {
                    self.open(3 + i)?;
                    return Ok(false);
                }
                ')' if seen || (!negative && i == 0) => {
                    if i > 0 {
                        self.out.push_str(&self.rest[..3 + i]);
                    }
                    self.advance(3 + i);
                    return Ok(repeatable);
                }
                _ => return invalid(i + c.len_utf8()),
            }
        }
        Err(format!("invalid or unsupported Perl syntax: `{}`", self.rest))
    }

    fn open(&mut self, length: usize) -> Outcome {
        let text = &self.rest[..length];
        self.open_as(text, length)
    }

    fn open_as(&mut self, text: &str, length: usize) -> Outcome {
        self.groups += 1;
        if self.groups > GROUPS_DEPTH_MAX {
            return Err(format!("expression nests too deeply: `{}`", self.pattern));
        }
        self.out.push_str(text);
        self.advance(length);
        Ok(())
    }

    /// An escape outside of classes; whether a repetition may follow.
    fn escape(&mut self, repeatable: bool) -> Result<bool, String> {
        let Some(c) = self.rest[1..].chars().next() else {
            return Err("trailing backslash at end of expression: ``".into());
        };
        let plain = match c {
            'A' => "\\A",
            'z' => "\\z",
            'b' => "(?-u:\\b)",
            'B' => "(?-u:\\B)",
            _ => "",
        };
        if !plain.is_empty() {
            self.out.push_str(plain);
            self.advance(2);
            return Ok(true);
        }
        if c == 'Q' {
            let inner = &self.rest[2..];
            let (quoted, after) = inner.split_once("\\E").unwrap_or((inner, ""));
            for c in quoted.chars() {
                self.literal(c);
            }
            self.rest = after;
            return Ok(repeatable || !quoted.is_empty());
        }
        if c == 'E' {
            // Only after \Q; alone Go refuses it.
            return Err("invalid escape sequence: `\\E`".into());
        }
        if let Some((set, negated)) = perl_class(c) {
            self.out.push_str(if negated { "[^" } else { "[" });
            self.out.push_str(set);
            self.out.push(']');
            self.advance(2);
            return Ok(true);
        }
        if matches!(c, 'p' | 'P') {
            let class = self.unicode_class()?;
            self.out.push_str(&class);
            return Ok(true);
        }
        let c = self.escaped_char()?;
        self.literal(c);
        Ok(true)
    }

    /// `\pL`, `\p{Greek}`, `\P{^L}`.
    fn unicode_class(&mut self) -> Result<String, String> {
        let body = &self.rest[2..];
        let (name, length) = match body.strip_prefix('{') {
            Some(inner) => match inner.find('}') {
                Some(end) => (&inner[..end], end + 4),
                None => return Err(format!("invalid character class range: `{}`", self.rest)),
            },
            None => match body.chars().next() {
                Some(c) => (&body[..c.len_utf8()], 2 + c.len_utf8()),
                None => return Err("trailing backslash at end of expression: ``".into()),
            },
        };
        let negated = self.rest.starts_with("\\P") != name.starts_with('^');
        let name = name.trim_start_matches('^');
        if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
            return Err(format!("invalid character class range: `{}`", &self.rest[..length]));
        }
        self.advance(length);
        Ok(format!("\\{}{{{name}}}", if negated { 'P' } else { 'p' }))
    }

    /// The character of an escape, inside and outside of classes.
    fn escaped_char(&mut self) -> Result<char, String> {
        let body = &self.rest[1..];
        let Some(c) = body.chars().next() else {
            return Err("trailing backslash at end of expression: ``".into());
        };
        let invalid = |length: usize| {
            let length = (1 + length).min(self.rest.len());
            Err(format!("invalid escape sequence: `{}`", self.rest.get(..length).unwrap_or(self.rest)))
        };
        let (value, length) = match c {
            'a' => ('\x07', 1),
            'f' => ('\x0c', 1),
            'n' => ('\n', 1),
            'r' => ('\r', 1),
            't' => ('\t', 1),
            'v' => ('\x0b', 1),
            '0'..='7' => {
                let octal: String = body.chars().take(3).take_while(|c| c.is_digit(8)).collect();
                // A single digit other than 0 would be a reference to a group, which RE2 has not.
                if c != '0' && octal.len() < 2 {
                    return invalid(1);
                }
                let code = u32::from_str_radix(&octal, 8).unwrap_or(0);
                (char::from_u32(code).unwrap_or('\0'), octal.len())
            }
            'x' => {
                let (digits, length) = match body[1..].strip_prefix('{') {
                    Some(inner) => match inner.find('}') {
                        Some(end) => (&inner[..end], end + 3),
                        None => return invalid(body.len()),
                    },
                    None => match body.get(1..3) {
                        Some(digits) => (digits, 3),
                        None => return invalid(body.len()),
                    },
                };
                match u32::from_str_radix(digits, 16).ok().filter(|_| !digits.starts_with('+')).and_then(char::from_u32)
                {
                    Some(c) => (c, length),
                    None => return invalid(length),
                }
            }
            _ if c.is_ascii() && !c.is_ascii_alphanumeric() => (c, 1),
            _ => return invalid(c.len_utf8()),
        };
        self.advance(1 + length);
        Ok(value)
    }

    fn class(&mut self) -> Outcome {
        let whole = self.rest;
        let missing = || format!("missing closing ]: `{whole}`");
        self.advance(1);
        self.out.push('[');
        if let Some(after) = self.rest.strip_prefix('^') {
            self.rest = after;
            self.out.push('^');
        }
        let mut first = true;
        loop {
            let Some(c) = self.rest.chars().next() else {
                return Err(missing());
            };
            if c == ']' && !first {
                break;
            }
            first = false;
            if self.rest.starts_with("[:") && self.posix_class()? {
                continue;
            }
            if c == '\\' {
                let escaped = self.rest[1..].chars().next().unwrap_or('\0');
                if let Some((set, negated)) = perl_class(escaped) {
                    self.out.push_str(&if negated { format!("[^{set}]") } else { set.to_owned() });
                    self.advance(2);
                    continue;
                }
                if matches!(escaped, 'p' | 'P') {
                    let class = self.unicode_class()?;
                    self.out.push_str(&class);
                    continue;
                }
            }
            let start = self.rest;
            let low = self.class_char().map_err(|e| e.unwrap_or_else(missing))?;
            let mut high = low;
            if self.rest.starts_with('-') && !self.rest[1..].starts_with(']') && self.rest.len() > 1 {
                self.advance(1);
                high = self.class_char().map_err(|e| e.unwrap_or_else(missing))?;
                if high < low {
                    let range = &start[..start.len() - self.rest.len()];
                    return Err(format!("invalid character class range: `{range}`"));
                }
            }
            self.class_literal(low);
            if high != low {
                self.out.push('-');
                self.class_literal(high);
            }
        }
        self.advance(1);
        self.out.push(']');
        Ok(())
    }

    /// `[:alpha:]` and kin; whether one stands here.
    fn posix_class(&mut self) -> Result<bool, String> {
        const NAMES: &[&str] = &[
            "alnum", "alpha", "ascii", "blank", "cntrl", "digit", "graph", "lower", "print", "punct", "space", "upper",
            "word", "xdigit",
        ];
        let Some(end) = self.rest[2..].find(":]") else {
            return Ok(false);
        };
        let text = &self.rest[..end + 4];
        let name = text[2..end + 2].trim_start_matches('^');
        if !NAMES.contains(&name) {
            return Err(format!("invalid character class range: `{text}`"));
        }
        self.out.push_str(text);
        self.advance(end + 4);
        Ok(true)
    }

    /// One character of a class; `Err(None)` if the class ends here.
    fn class_char(&mut self) -> Result<char, Option<String>> {
        match self.rest.chars().next() {
            None => Err(None),
            Some('\\') => self.escaped_char().map_err(Some),
            Some(c) => {
                self.advance(c.len_utf8());
                Ok(c)
            }
        }
    }

    /// Nested classes and set operations of the crate's dialect are escaped away.
    fn class_literal(&mut self, c: char) {
        if c.is_ascii_punctuation() && !matches!(c, '<' | '>') {
            self.out.push('\\');
        }
        self.out.push(c);
    }
}

/// The ASCII set of `\d`, `\s`, `\w`, and whether the escape stands for all others.
fn perl_class(c: char) -> Option<(&'static str, bool)> {
    let set = match c.to_ascii_lowercase() {
        'd' => "0-9",
        's' => "\\t\\n\\x0c\\r\\x20",
        'w' => "0-9A-Za-z_",
        _ => return None,
    };
    Some((set, c.is_ascii_uppercase()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_of_real_charts_compile() {
        for pattern in [
            r"{(v[0-9])*[^}]*}}$",
            r"^[\w-\.]+$",
            r"\$(?:__(?:env|file|vault))?{[^}]+}",
            r"[^-A-Za-z0-9_.]+",
            r"^[[:alnum:]_-]{1,63}$",
            r"(?i)[[a]",
            r"[]a]",
            r"\Qa.b\E+",
            r"a{,5}",
            r"\<x\>",
        ] {
            assert!(compile(pattern).is_ok(), "{pattern}: {:?}", compile(pattern));
        }
    }

    #[test]
    fn matches_are_those_of_go() {
        let rows: &[(&str, &str, &[&str])] = &[
            (r"\w+", "aé b", &["a", "b"]),
            (r"[\w-\.]+", "a-b.c d", &["a-b.c", "d"]),
            (r"[[a]", "[a", &["[", "a"]),
            (r"[a&&b]", "a&b", &["a", "&", "b"]),
            (r"a*", "baac", &["", "aa", ""]),
            (r"x{,2}", "x{,2}", &["x{,2}"]),
            (r"\d", "1٣", &["1"]),
            (r"\x{41}\101\x42", "AAB", &["AAB"]),
            (r"[^\D3]", "12345", &["1", "2", "4", "5"]),
            (r"\p{^Lu}", "Ab", &["b"]),
        ];
        for (pattern, text, expected) in rows {
            assert_eq!(find_all(&compile(pattern).unwrap(), text, -1), *expected, "{pattern}");
        }
    }

    #[test]
    fn replacements_follow_go() {
        let regex = compile(r"a(?P<x>b*)(c)?").unwrap();
        for (template, expected) in
            [("$1y", "-"), ("${1}y", "-bby"), ("$x|$2|$9|$", "-bb|||$"), ("$$1", "-$1"), ("${x", "-${x"), ("$01", "-")]
        {
            assert_eq!(replace_all(&regex, "-abb", template), expected, "{template}");
        }
        assert_eq!(split(&compile(",").unwrap(), ",", "a,b,c", 2), ["a", "b,c"]);
        assert_eq!(split(&compile("x*").unwrap(), "x*", "axbxc", -1), ["a", "b", "c"]);
    }

    #[test]
    fn mistakes_are_said_as_go_says_them() {
        for (pattern, expected) in [
            ("(", "missing closing ): `(`"),
            (")", "unexpected ): `)`"),
            ("[a", "missing closing ]: `[a`"),
            ("*", "missing argument to repetition operator: `*`"),
            ("a**", "invalid nested repetition operator: `**`"),
            ("a{2,1}", "invalid repeat count: `{2,1}`"),
            ("a{1001}", "invalid repeat count: `{1001}`"),
            (r"\8", r"invalid escape sequence: `\8`"),
            ("[z-a]", "invalid character class range: `z-a`"),
            ("\\", "trailing backslash at end of expression: ``"),
            ("(?=a)", "invalid or unsupported Perl syntax: `(?=`"),
            ("(?P<a-b>x)", "invalid named capture: `(?P<a-b>`"),
        ] {
            assert_eq!(compile(pattern).unwrap_err(), format!("error parsing regexp: {expected}"), "{pattern}");
        }
        assert!(compile(&"(".repeat(2000)).is_err());
        assert!(compile("(((a{1000}){1000}){1000})").is_err());
    }
}
