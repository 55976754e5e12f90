//! RE2's dialect, as Go's `regexp` reads it, by the engines of the crate `regex`: patterns are translated, then compiled and kept.
//!
//! In: a pattern. Out: a compiled one, or Go's error message; and the searches that sprig offers. Matching takes
//! linear time in both. Translated are what the dialects read differently: `\d \w \s \b` are ASCII, a lone `{` and
//! `[` and `-` in classes are themselves, `\Q…\E`, escapes, repeat limits.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, RwLock};

use regex_automata::meta::{Builder, Config, Regex};
use regex_automata::util::captures::Captures;
use regex_automata::{MatchKind, PatternID};

use crate::ascii_regex;

use super::strconv::parse_uint;

/// How much memory one compiled pattern may take.
pub const PATTERN_BYTES_MAX: usize = 10 << 20;
/// How deep groups may nest: Go's limit.
pub const GROUPS_DEPTH_MAX: usize = 1_000;
/// The highest count of a repetition: Go's limit.
pub const REPEAT_MAX: u64 = 1_000;
/// How many compiled patterns are kept, of those for short texts and of those for all; when there are more, all are dropped.
pub const CACHED_PATTERNS_MAX: usize = 500;
/// How much memory the tables may take that long texts are searched with.
const SEARCH_BYTES_MAX: usize = 2 << 20;

type Compiled = Result<Arc<Regex>, Arc<str>>;
type Cache = LazyLock<RwLock<HashMap<String, Compiled>>>;

/// Compiles a pattern to be searched for in this text, or finds it compiled.
///
/// # Errors
/// Go's message: ``error parsing regexp: missing closing ): `(` ``.
pub fn compile(pattern: &str, text: &str) -> Result<Arc<Regex>, String> {
    static FOR_SHORT_ASCII: Cache = LazyLock::new(RwLock::default);
    static FOR_ALL: Cache = LazyLock::new(RwLock::default);
    let is_short = ascii_regex::may_search(text);
    let cache = if is_short { &FOR_SHORT_ASCII } else { &FOR_ALL };
    let found = cache.read().ok().and_then(|cache| cache.get(pattern).cloned());
    let compiled = found.unwrap_or_else(|| {
        let compiled = build(pattern, is_short).map(Arc::new).map_err(Arc::from);
        if let Ok(mut cache) = cache.write() {
            if cache.len() >= CACHED_PATTERNS_MAX {
                cache.clear();
            }
            cache.insert(pattern.to_owned(), compiled.clone());
        }
        compiled
    });
    compiled.map_err(|message| message.to_string())
}

/// `FindString`: the first match.
pub fn find<'t>(regex: &Regex, text: &'t str) -> Option<&'t str> {
    regex.find(text).map(|found| &text[found.range()])
}

/// `FindAllString`: at most `count` matches, all if it is negative.
pub fn find_all<'t>(regex: &Regex, text: &'t str, count: i64) -> Vec<&'t str> {
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    regex.find_iter(text).take(count).map(|found| &text[found.range()]).collect()
}

/// `ReplaceAllString`: `$1`, `$name`, `${name}` stand for groups, `$$` for a dollar.
pub fn replace_all(regex: &Regex, text: &str, template: &str) -> String {
    // Finding groups takes longer than finding matches.
    if !template.contains('$') {
        return replace_all_literal(regex, text, template);
    }
    let (mut out, mut end) = (String::new(), 0);
    for captures in regex.captures_iter(text) {
        let Some(found) = captures.get_match() else { continue };
        out.push_str(&text[end..found.start()]);
        expand(&mut out, template, &captures, text);
        end = found.end();
    }
    out.push_str(&text[end..]);
    out
}

/// `ReplaceAllLiteralString`.
pub fn replace_all_literal(regex: &Regex, text: &str, replacement: &str) -> String {
    let (mut out, mut end) = (String::new(), 0);
    for found in regex.find_iter(text) {
        out.push_str(&text[end..found.start()]);
        out.push_str(replacement);
        end = found.end();
    }
    out.push_str(&text[end..]);
    out
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
fn expand(out: &mut String, template: &str, captures: &Captures, text: &str) {
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
            Some(number) => usize::try_from(number).ok().and_then(|i| captures.get_group(i)),
            None => {
                let names = captures.group_info().pattern_names(PatternID::ZERO).enumerate();
                names.filter(|(_, n)| *n == Some(name)).filter_map(|(i, _)| captures.get_group(i)).next()
            }
        };
        out.push_str(group.map_or("", |group| &text[group.range()]));
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

/// Compiles a pattern, for short texts in ASCII or for all.
fn build(pattern: &str, is_short: bool) -> Result<Regex, String> {
    let mut translator =
        Translator { pattern, rest: pattern, out: String::with_capacity(pattern.len() + 8), groups: 0 };
    translator.run().map_err(|message| format!("error parsing regexp: {message}"))?;
    if is_short && let Some(regex) = ascii_regex::compile(&translator.out, PATTERN_BYTES_MAX) {
        return Ok(regex);
    }
    let config = Config::new()
        .match_kind(MatchKind::LeftmostFirst)
        .nfa_size_limit(Some(PATTERN_BYTES_MAX))
        .hybrid_cache_capacity(SEARCH_BYTES_MAX);
    Builder::new().configure(config).build(&translator.out).map_err(|error| {
        if let Some(limit) = error.size_limit() {
            return format!("error parsing regexp: expression takes more than {limit} bytes (PATTERN_BYTES_MAX)");
        }
        let message = error.syntax_error().map_or_else(|| error.to_string(), ToString::to_string);
        format!("error parsing regexp: {}", message.lines().last().unwrap_or_default().trim())
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
        's' => "\\t\\n\\f\\r ",
        'w' => "0-9A-Za-z_",
        _ => return None,
    };
    Some((set, c.is_ascii_uppercase()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The forms of a pattern that a text may be searched with.
    fn forms(pattern: &str, text: &str) -> Vec<Result<Regex, String>> {
        let short = ascii_regex::may_search(text).then(|| build(pattern, true));
        short.into_iter().chain([build(pattern, false)]).collect()
    }

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
            for form in forms(pattern, "") {
                assert!(form.is_ok(), "{pattern}: {form:?}");
            }
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
            for form in forms(pattern, text) {
                assert_eq!(find_all(&form.unwrap(), text, -1), *expected, "{pattern}");
            }
        }
    }

    #[test]
    fn replacements_follow_go() {
        for regex in forms(r"a(?P<x>b*)(c)?", "").into_iter().map(Result::unwrap) {
            for (template, expected) in [
                ("$1y", "-"),
                ("${1}y", "-bby"),
                ("$x|$2|$9|$", "-bb|||$"),
                ("$$1", "-$1"),
                ("${x", "-${x"),
                ("$01", "-"),
                ("x", "-x"),
            ] {
                assert_eq!(replace_all(&regex, "-abb", template), expected, "{template}");
            }
            assert_eq!(replace_all_literal(&regex, "-abb-ac", "$1"), "-$1-$1");
        }
        for regex in forms(",", "").into_iter().map(Result::unwrap) {
            assert_eq!(split(&regex, ",", "a,b,c", 2), ["a", "b,c"]);
        }
        for regex in forms("x*", "").into_iter().map(Result::unwrap) {
            assert_eq!(split(&regex, "x*", "axbxc", -1), ["a", "b", "c"]);
            assert_eq!(replace_all(&regex, "abxc", "-"), "-a-b-c-");
        }
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
            for form in forms(pattern, "") {
                assert_eq!(form.unwrap_err(), format!("error parsing regexp: {expected}"), "{pattern}");
            }
        }
        for form in [forms(&"(".repeat(2000), ""), forms("(((a{1000}){1000}){1000})", "")].concat() {
            assert!(form.is_err());
        }
    }
}
