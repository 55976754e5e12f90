//! Texts that must not mean anything to Markdown, to HTML in it, or to the host that shows it: nobody is notified by an
//! `@name` in a value, no `#1` becomes a reference, and nothing breaks out of where it stands.

use std::fmt::Write as _;

use crate::diff::write::value::{html, printable};

/// Parts a sign from what it would call: GitHub looks for names after `@` and numbers after `#` in the rendered text, so
/// escaping these signs would not help.
const APART: &str = "&#8203;";

/// Plain text in a line of Markdown: shows as it is.
pub fn prose(text: &str) -> String {
    let text: Vec<char> = printable(text).chars().collect();
    let mut out = String::with_capacity(text.len() + 16);
    for (index, c) in text.iter().copied().enumerate() {
        let before = |back: usize| index.checked_sub(back).map_or(' ', |at| text[at].to_ascii_lowercase());
        let rest = &text[index + 1..];
        let is_shortcode = || {
            let end = rest.iter().position(|c| !c.is_alphanumeric() && !matches!(c, '+' | '-' | '_'));
            end.is_some_and(|end| end > 0 && rest[end] == ':')
        };
        let mut entity = |apart: &str| {
            let _ = write!(out, "&#{};{apart}", u32::from(c));
        };
        match c {
            // Names, numbers, shortcodes (`:name:`) and addresses (`https://`).
            '@' | '#' => entity(APART),
            ':' if rest.starts_with(&['/', '/']) || is_shortcode() => entity(APART),
            // `GH-1` is a reference too, and `www.` begins an address.
            '-' if before(1) == 'h' && before(2) == 'g' => entity(APART),
            '.' if before(1) == 'w' && before(2) == 'w' => entity(APART),
            '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '!' | '|' | '~' | '&' | '$' | '^' => entity(""),
            // A list, a heading or a rule at the begin of a line.
            '-' | '+' | '=' if index == 0 => entity(""),
            '.' | ')' if text[..index].iter().all(char::is_ascii_digit) => entity(""),
            c => out.push(c),
        }
    }
    out
}

/// A piece of code in a line of Markdown.
pub fn code(text: &str) -> String {
    let text = printable(text);
    let ticks = "`".repeat(longest_run(&text, '`') + 1);
    let is_blank = text.trim().is_empty();
    // What begins or ends with a backtick or blanks needs a blank, which Markdown takes off again.
    let pad = if text.starts_with(['`', ' ']) || text.ends_with(['`', ' ']) { " " } else { "" };
    if is_blank { "` `".into() } else { format!("{ticks}{pad}{text}{pad}{ticks}") }
}

/// The same in a cell of a table, which a bar would end even within code.
pub fn cell_code(text: &str) -> String {
    code(text).replace('|', "\\|")
}

/// Code within HTML tags; hosts look for no names and numbers in it.
pub fn html_code(text: &str) -> String {
    format!("<code>{}</code>", html(text))
}

/// A fenced block; its fence is longer than any run of backticks within.
pub fn fenced(language: &str, lines: &[String]) -> String {
    let longest = lines.iter().map(|line| longest_run(line, '`')).max().unwrap_or(0);
    let fence = "`".repeat(longest.max(2) + 1);
    let mut out = format!("{fence}{language}\n");
    for line in lines {
        out.push_str(line);
        out.push('\n');
    }
    out + &fence + "\n"
}

/// Characters as a host counts them: UTF-16 code units, of which there are never fewer than characters.
pub fn count(text: &str) -> usize {
    text.encode_utf16().count()
}

fn longest_run(text: &str, wanted: char) -> usize {
    let (mut longest, mut run) = (0, 0);
    for c in text.chars() {
        run = if c == wanted { run + 1 } else { 0 };
        longest = longest.max(run);
    }
    longest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_prose_means_anything() {
        let text = prose("a @all #77 GH-1 <b> *x* [l](u) `c` | https://x.y www.z \n> q\u{202e}");
        for bad in ["@", "#77", "GH-1", "<", "*", "[", "](", "`", "|", "://", "www.z", "\n", "\u{202e}"] {
            assert!(!text.contains(bad), "{bad:?} in {text}");
        }
        assert_eq!(prose("the pod's template (a/b) changes, so: yes."), "the pod's template (a/b) changes, so: yes.");
        assert_eq!(prose(":tada: postgres:16.3"), "&#58;&#8203;tada: postgres:16.3");
        assert_eq!(prose("12. x"), "12&#46; x");
    }

    #[test]
    fn code_holds_any_text() {
        let table = [
            ("a", "`a`"),
            ("a`b", "``a`b``"),
            ("`", "`` ` ``"),
            ("``a", "``` ``a ```"),
            ("", "` `"),
            (" a ", "`  a  `"),
            ("a\nb", "`a\u{fffd}b`"),
        ];
        for (text, expected) in table {
            assert_eq!(code(text), expected, "{text:?}");
        }
        assert_eq!(cell_code("a|b"), "`a\\|b`");
        assert_eq!(html_code("<a & \"b\">"), "<code>&lt;a &amp; &quot;b&quot;&gt;</code>");
    }

    #[test]
    fn fences_are_longer_than_what_is_within() {
        assert_eq!(fenced("diff", &["+ a".into()]), "```diff\n+ a\n```\n");
        assert_eq!(fenced("", &["````".into()]), "`````\n````\n`````\n");
    }
}
