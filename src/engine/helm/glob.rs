//! The patterns of `.Files.Glob`, as the library behind Helm's (gobwas/glob) reads them: `*` and `?` do not cross a
//! `/`, `**` does; `{a,b}`; `[abc]`, `[!abc]`, and exactly one range in brackets (`[a-z]`). A pattern that it
//! cannot read matches every file, since Helm then falls back to `**`.

use std::iter::Peekable;
use std::str::Chars;

use regex::Regex;

/// A compiled pattern.
pub struct Glob {
    /// `None` matches everything.
    regex: Option<Regex>,
}

impl Glob {
    /// Reads a pattern.
    pub fn new(pattern: &str) -> Glob {
        let mut out = String::from(r"(?s)\A");
        let mut chars = pattern.chars().peekable();
        let parsed = translate(&mut chars, 0, &mut out);
        out.push_str(r"\z");
        Glob { regex: parsed.and_then(|()| Regex::new(&out).ok()) }
    }

    /// Whether a path matches.
    pub fn matches(&self, path: &str) -> bool {
        self.regex.as_ref().is_none_or(|regex| regex.is_match(path))
    }
}

/// Deeper braces are a mistake.
const NESTING_MAX: u32 = 20;

/// Writes the regular expression of a pattern up to its end, or to the end of its braces.
fn translate(chars: &mut Peekable<Chars<'_>>, depth: u32, out: &mut String) -> Option<()> {
    if depth > NESTING_MAX {
        return None;
    }
    while let Some(c) = chars.next() {
        match c {
            '*' if chars.next_if_eq(&'*').is_some() => out.push_str(".*"),
            '*' => out.push_str("[^/]*"),
            '?' => out.push_str("[^/]"),
            '{' => {
                out.push_str("(?:");
                translate(chars, depth + 1, out)?;
                out.push(')');
            }
            ',' if depth > 0 => out.push('|'),
            '}' if depth > 0 => return Some(()),
            '[' => brackets(chars, out)?,
            '\\' => literal(chars.next().unwrap_or('\\'), out),
            c => literal(c, out),
        }
    }
    Some(())
}

fn brackets(chars: &mut Peekable<Chars<'_>>, out: &mut String) -> Option<()> {
    out.push('[');
    if chars.next_if_eq(&'!').is_some() {
        out.push('^');
    }
    let first = chars.next()?;
    if chars.next_if_eq(&'-').is_some() {
        let last = chars.next()?;
        if last < first || chars.next()? != ']' {
            return None;
        }
        literal(first, out);
        out.push('-');
        literal(last, out);
        out.push(']');
        return Some(());
    }
    let mut c = first;
    let mut is_empty = true;
    loop {
        match c {
            ']' => break,
            '\\' => literal(chars.next()?, out),
            c => literal(c, out),
        }
        is_empty = false;
        c = chars.next()?;
    }
    out.push(']');
    (!is_empty).then_some(())
}

fn literal(c: char, out: &mut String) {
    if !c.is_alphanumeric() && c.is_ascii() && !c.is_control() {
        out.push('\\');
    }
    out.push(c);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_helm_s_library_matches() {
        let check = |pattern: &str, path: &str, expected: bool| {
            assert_eq!(Glob::new(pattern).matches(path), expected, "{pattern} {path}");
        };
        check("files/*", "files/a.txt", true);
        check("files/*", "files/sub/a.txt", false);
        check("files/**", "files/sub/a.txt", true);
        check("**/a.txt", "files/sub/a.txt", true);
        check("**/a.txt", "a.txt", false);
        check("**.yaml", "x/y.yaml", true);
        check("f/*.{sh,sql,sql.gz}", "f/a.sql.gz", true);
        check("f/*.{sh,sql,sql.gz}", "f/a.gz", false);
        check("f/*[sh|js|json]", "f/a.js", true);
        check("f/*[sh|js|json]", "f/a.py", false);
        check("a?c", "abc", true);
        check("a?c", "a/c", false);
        check("[a-c]x", "bx", true);
        check("[!a-c]x", "bx", false);
        check("[!a]x", "bx", true);
        check(r"a\*", "a*", true);
        check(r"a\*", "ab", false);
        check("a.b", "axb", false);
        check("a}b,c", "a}b,c", true);
        check("{a,{b,c}d}", "cd", true);
        // What cannot be read matches all.
        check("[a-z0-9]", "anything/at/all", true);
        check("[", "anything", true);
        check("[]", "anything", true);
    }
}
