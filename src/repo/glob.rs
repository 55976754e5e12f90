//! Globs: `*`, `?`, `[a-z]`, `[!a-z]`, `{a,b}`, and `\` before a character that stands for itself.
//!
//! Matching takes time in proportion to pattern × text at the worst, whatever the pattern.

use std::str::FromStr;

/// Alternatives that one pattern may have once its braces are written out.
pub const ALTERNATIVES_MAX: usize = 1024;
/// Bytes of a pattern.
pub const PATTERN_BYTES_MAX: usize = 4096;

/// A glob for one name; `*` matches any characters.
#[derive(Debug, Clone)]
pub struct Glob {
    text: String,
    alternatives: Vec<Vec<Token>>,
}

#[derive(Debug, Clone, PartialEq)]
enum Token {
    Char(char),
    AnyChar,
    AnyChars,
    Class { is_negated: bool, ranges: Vec<(char, char)> },
}

impl Glob {
    /// The pattern as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether the whole name matches. A name equal to the pattern's text always does.
    pub fn matches(&self, name: &str) -> bool {
        self.text == name || {
            let name: Vec<char> = name.chars().collect();
            self.alternatives.iter().any(|tokens| matches(tokens, &name))
        }
    }

    /// The same without regard to case.
    pub fn matches_ignoring_case(&self, name: &str) -> bool {
        let fold = |c: char| c.to_lowercase().next().unwrap_or(c);
        let name: Vec<char> = name.chars().map(fold).collect();
        self.alternatives.iter().any(|tokens| {
            let tokens: Vec<Token> = tokens
                .iter()
                .map(|token| match token {
                    Token::Char(c) => Token::Char(fold(*c)),
                    Token::Class { is_negated, ranges } => Token::Class {
                        is_negated: *is_negated,
                        ranges: ranges.iter().map(|(from, to)| (fold(*from), fold(*to))).collect(),
                    },
                    other => other.clone(),
                })
                .collect();
            matches(&tokens, &name)
        })
    }

    /// The one name that the pattern stands for, if it has no wildcard.
    pub fn literal(&self) -> Option<String> {
        let [tokens] = &self.alternatives[..] else { return None };
        tokens.iter().map(|token| if let Token::Char(c) = token { Some(*c) } else { None }).collect()
    }
}

impl FromStr for Glob {
    type Err = String;

    /// The error says what is wrong with the pattern, as the end of a sentence.
    fn from_str(text: &str) -> Result<Glob, String> {
        if text.len() > PATTERN_BYTES_MAX {
            return Err(format!("is longer than {PATTERN_BYTES_MAX} bytes"));
        }
        let alternatives = expand(text)?.iter().map(|text| tokens(text)).collect::<Result<_, _>>()?;
        Ok(Glob { text: text.to_string(), alternatives })
    }
}

/// Writes braces out: `a{b,c}d` → `abd`, `acd`.
fn expand(text: &str) -> Result<Vec<String>, String> {
    let mut done = Vec::new();
    let mut open = vec![text.to_string()];
    while let Some(text) = open.pop() {
        match brace(&text)? {
            None => done.push(text),
            Some((start, commas, end)) => {
                let mut from = start + 1;
                for to in commas.into_iter().chain([end]) {
                    open.push(format!("{}{}{}", &text[..start], &text[from..to], &text[end + 1..]));
                    from = to + 1;
                }
            }
        }
        if done.len() + open.len() > ALTERNATIVES_MAX {
            return Err(format!("stands for more than {ALTERNATIVES_MAX} patterns"));
        }
    }
    Ok(done)
}

/// The first pair of braces: its start, its commas, its end.
#[allow(clippy::type_complexity)]
fn brace(text: &str) -> Result<Option<(usize, Vec<usize>, usize)>, String> {
    let (mut start, mut depth, mut commas, mut in_class) = (0, 0_usize, Vec::new(), false);
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => {
                chars.next();
            }
            '[' => in_class = true,
            ']' => in_class = false,
            _ if in_class => {}
            '{' => {
                if depth == 0 {
                    start = at;
                }
                depth += 1;
            }
            '}' if depth == 1 => return Ok(Some((start, commas, at))),
            '}' if depth == 0 => return Err("has a `}` without its `{`".into()),
            '}' => depth -= 1,
            ',' if depth == 1 => commas.push(at),
            _ => {}
        }
    }
    if depth > 0 { Err("has a `{` without its `}`".into()) } else { Ok(None) }
}

fn tokens(text: &str) -> Result<Vec<Token>, String> {
    let mut tokens = Vec::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        tokens.push(match c {
            '*' if tokens.last() == Some(&Token::AnyChars) => continue,
            '*' => Token::AnyChars,
            '?' => Token::AnyChar,
            '\\' => Token::Char(chars.next().ok_or("ends with a `\\`")?),
            '[' => {
                let is_negated = chars.next_if(|c| matches!(c, '!' | '^')).is_some();
                let mut ranges = Vec::new();
                loop {
                    let from = match chars.next() {
                        None => return Err("has a `[` without its `]`".into()),
                        Some(']') if !ranges.is_empty() => break,
                        Some('\\') => chars.next().ok_or("ends with a `\\`")?,
                        Some(c) => c,
                    };
                    let mut to = from;
                    let mut ahead = chars.clone();
                    if ahead.next() == Some('-')
                        && let Some(end) = ahead.next().filter(|c| *c != ']')
                    {
                        (to, chars) = (end, ahead);
                    }
                    ranges.push((from, to));
                }
                Token::Class { is_negated, ranges }
            }
            c => Token::Char(c),
        });
    }
    Ok(tokens)
}

/// The usual matcher: only the last `*` is ever tried again.
fn matches(tokens: &[Token], name: &[char]) -> bool {
    let (mut t, mut n) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while n < name.len() {
        let is_match = match tokens.get(t) {
            Some(Token::AnyChars) => {
                star = Some((t, n));
                t += 1;
                continue;
            }
            Some(Token::AnyChar) => true,
            Some(Token::Char(c)) => *c == name[n],
            Some(Token::Class { is_negated, ranges }) => {
                ranges.iter().any(|(from, to)| (*from..=*to).contains(&name[n])) != *is_negated
            }
            None => false,
        };
        if is_match {
            t += 1;
            n += 1;
        } else if let Some((star_token, star_name)) = star {
            t = star_token + 1;
            n = star_name + 1;
            star = Some((star_token, n));
        } else {
            return false;
        }
    }
    tokens[t..].iter().all(|token| *token == Token::AnyChars)
}

/// A glob for paths, read as a line of .gitignore is: without `/` it matches a name at any depth, with one it begins
/// at the root; `*` stays within a name and `**` crosses folders; what is below a matching folder matches too.
#[derive(Debug, Clone)]
pub struct PathGlob {
    parts: Vec<PathPart>,
}

#[derive(Debug, Clone)]
enum PathPart {
    Name(Glob),
    AnyFolders,
}

impl PathGlob {
    /// Whether a path (from the root, with `/`) or a folder above it matches.
    pub fn matches(&self, path: &str) -> bool {
        let names: Vec<&str> = path.split('/').collect();
        // Which parts of the pattern may come next; one pass over the path.
        let mut at = vec![false; self.parts.len() + 1];
        at[0] = true;
        self.skip_folders(&mut at);
        for name in names {
            let mut next = vec![false; self.parts.len() + 1];
            for (i, part) in self.parts.iter().enumerate().filter(|(i, _)| at[*i]) {
                match part {
                    PathPart::AnyFolders => next[i] = true,
                    PathPart::Name(glob) => next[i + 1] |= glob.matches(name),
                }
            }
            self.skip_folders(&mut next);
            if next[self.parts.len()] {
                return true;
            }
            at = next;
        }
        false
    }

    /// `**` may stand for no folder at all.
    fn skip_folders(&self, at: &mut [bool]) {
        for (i, part) in self.parts.iter().enumerate() {
            if at[i] && matches!(part, PathPart::AnyFolders) {
                at[i + 1] = true;
            }
        }
    }
}

impl FromStr for PathGlob {
    type Err = String;

    fn from_str(text: &str) -> Result<PathGlob, String> {
        let trimmed = text.trim_end_matches('/');
        if trimmed.is_empty() {
            return Err("is empty".into());
        }
        let mut parts = Vec::new();
        if !trimmed.contains('/') {
            parts.push(PathPart::AnyFolders);
        }
        for part in trimmed.trim_start_matches('/').split('/') {
            parts.push(if part == "**" { PathPart::AnyFolders } else { PathPart::Name(part.parse()?) });
        }
        if matches!(parts.last(), Some(PathPart::AnyFolders)) {
            parts.push(PathPart::Name("*".parse()?));
        }
        Ok(PathGlob { parts })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs_match_names() {
        let table = [
            ("web", "web", true),
            ("web", "web2", false),
            ("*", "", true),
            ("w*b", "wb", true),
            ("w*b", "wxbxb", true),
            ("w*b*", "wxbxbx", true),
            ("*a*a*b", "aaaa", false),
            ("w?b", "wéb", true),
            ("w?b", "wb", false),
            ("[a-c]x", "bx", true),
            ("[!a-c]x", "bx", false),
            ("[]a]", "]", true),
            ("[a-]", "-", true),
            ("{prod,staging}-*", "staging-1", true),
            ("{prod,staging}-*", "dev-1", false),
            ("a{b,c{d,e}}f", "acef", true),
            ("a{,b}", "a", true),
            ("\\*", "*", true),
            ("\\*", "x", false),
            ("a[b", "a[b", false),
            ("[x]", "[x]", true),
        ];
        for (pattern, name, expected) in table {
            let glob = pattern.parse::<Glob>();
            assert_eq!(glob.is_ok_and(|glob| glob.matches(name)), expected, "{pattern} {name}");
        }
        assert!("DePloy*".parse::<Glob>().expect("a glob").matches_ignoring_case("Deployment"));
        assert_eq!("a\\*b".parse::<Glob>().expect("a glob").literal().as_deref(), Some("a*b"));
        assert_eq!("a*".parse::<Glob>().expect("a glob").literal(), None);
    }

    #[test]
    fn bad_globs_are_errors_and_costly_ones_end() {
        for pattern in ["{a", "a}", "[a", "a\\", "{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}"] {
            assert!(pattern.parse::<Glob>().is_err(), "{pattern}");
        }
        let costly: Glob = "a*".repeat(1000).parse().expect("a glob");
        assert!(!costly.matches(&"a".repeat(999)));
    }

    #[test]
    fn path_globs_match_as_gitignore_lines_do() {
        let table = [
            ("kustomization.yaml", "releases/prod/kustomization.yaml", true),
            ("*.draft.yaml", "releases/prod/x.draft.yaml", true),
            ("releases/*/x.yaml", "releases/prod/x.yaml", true),
            ("releases/*/x.yaml", "releases/prod/sub/x.yaml", false),
            ("releases/**/x.yaml", "releases/prod/sub/x.yaml", true),
            ("releases/**/x.yaml", "releases/x.yaml", true),
            ("releases/old/", "releases/old/a/b.yaml", true),
            ("/releases/old", "releases/old/a.yaml", true),
            ("old", "releases/old/a.yaml", true),
            ("releases/**", "releases/a.yaml", true),
            ("prod/x.yaml", "releases/prod/x.yaml", false),
        ];
        for (pattern, path, expected) in table {
            assert_eq!(pattern.parse::<PathGlob>().expect("a glob").matches(path), expected, "{pattern} {path}");
        }
    }
}
