//! .helmignore: rules in, "is this path left out?" out; exactly as Helm's `pkg/ignore` reads them, oddities included.
//!
//! A rule without `/` looks at the last name of a path, one with `/` at the whole path, `dir/` at folders only. Of a
//! folder that is left out nothing is looked at. `!rule` does not bring a file back: it leaves out all that it does
//! *not* match. There is no `**`.

use std::sync::Arc;

use crate::error::{Diagnostic, Source, Span};

/// The name of the file, in the folder of the outermost chart.
pub(super) const FILE_NAME: &str = ".helmignore";

/// The rules of one chart folder.
#[derive(Debug, Default)]
pub(super) struct Rules {
    rules: Vec<Rule>,
}

#[derive(Debug)]
struct Rule {
    pattern: Pattern,
    negated: bool,
    folders_only: bool,
    whole_path: bool,
}

impl Rules {
    /// The rules that hold without a .helmignore: names in templates/ that begin with a dot are left out.
    pub(super) fn defaults() -> Rules {
        let mut rules = Rules::default();
        rules.add("templates/.?*").expect("the pattern is a constant");
        rules
    }

    /// Reads a .helmignore; the defaults come after its rules.
    ///
    /// # Errors
    /// A `**` or a pattern that is not one, with its line.
    pub(super) fn parse(source: &Arc<Source>) -> Result<Rules, Diagnostic> {
        let mut rules = Rules::default();
        let mut offset = 0;
        for line in source.text.split_inclusive('\n') {
            if let Err(problem) = rules.add(line.strip_prefix('\u{feff}').unwrap_or(line)) {
                let span = Span::new(offset, offset + line.trim_end().len());
                return Err(Diagnostic::error(problem).at(source, span).help(
                    "a rule is a shell pattern: `*` and `?` stand for characters of one name, `[a-z]` for one of a set",
                ));
            }
            offset += line.len();
        }
        rules.rules.extend(Rules::defaults().rules);
        Ok(rules)
    }

    fn add(&mut self, line: &str) -> Result<(), String> {
        let rule = line.trim();
        if rule.is_empty() || rule.starts_with('#') {
            return Ok(());
        }
        if rule.contains('*') && rule.contains("**") {
            return Err("`**` is not supported in .helmignore".into());
        }
        let bad = |BadPattern| format!("`{rule}` is not a pattern");
        Pattern::of(rule).map_err(bad)?;
        let (negated, rule) = rule.strip_prefix('!').map_or((false, rule), |rest| (true, rest));
        let (folders_only, rule) = rule.strip_suffix('/').map_or((false, rule), |rest| (true, rest));
        let (rooted, rule) = rule.strip_prefix('/').map_or((false, rule), |rest| (true, rest));
        self.rules.push(Rule {
            // What is left of `\/` is none, and matches nothing.
            pattern: Pattern::of(rule).unwrap_or(Pattern::Text(String::new())),
            negated,
            folders_only,
            whole_path: rooted || rule.contains('/'),
        });
        Ok(())
    }

    /// Whether the file at a path below the chart's folder is left out, by itself or with a folder above it.
    pub(super) fn leaves_out_file(&self, path: &str) -> bool {
        path.match_indices('/').any(|(at, _)| self.leaves_out(&path[..at], true)) || self.leaves_out(path, false)
    }

    /// Whether exactly this file or folder is left out; the folders above it have been asked about.
    pub(super) fn leaves_out(&self, path: &str, is_folder: bool) -> bool {
        let name = &path[path.bytes().rposition(|byte| byte == b'/').map_or(0, |slash| slash + 1)..];
        for rule in &self.rules {
            let applies = is_folder || !rule.folders_only;
            let matched = applies && rule.pattern.matches(if rule.whole_path { path } else { name });
            if rule.negated != matched && (applies || rule.negated) {
                return true;
            }
        }
        false
    }
}

/// A pattern; most are names, or endings of names, which a comparison decides.
#[derive(Debug)]
enum Pattern {
    /// This text.
    Text(String),
    /// `*`, then this text.
    Ending(String),
    Tokens(Vec<Token>),
}

impl Pattern {
    fn of(pattern: &str) -> Result<Pattern, BadPattern> {
        let is_text = |pattern: &&str| !pattern.bytes().any(|byte| b"*?[\\".contains(&byte));
        Ok(match pattern.strip_prefix('*').filter(is_text) {
            Some(ending) => Pattern::Ending(ending.to_owned()),
            None if is_text(&pattern) => Pattern::Text(pattern.to_owned()),
            None => Pattern::Tokens(tokens(pattern)?),
        })
    }

    /// As [`matches()`].
    fn matches(&self, name: &str) -> bool {
        match self {
            Pattern::Text(text) => text == name,
            Pattern::Ending(text) => name.strip_suffix(text.as_str()).is_some_and(|before| !before.contains('/')),
            Pattern::Tokens(tokens) => matches(tokens, name),
        }
    }
}

/// A pattern that Go's `filepath.Match` refuses.
#[derive(Debug, PartialEq, Eq)]
struct BadPattern;

/// Go's `filepath.Match`: the whole of `name` against a pattern of `*`, `?`, `[…]` and `\`; none of them stands for `/`.
fn matches(tokens: &[Token], name: &str) -> bool {
    let char_at = |at: usize| name[at..].chars().next();
    // The last `*` met, and how far its stretch of the name reaches: enough to go back to, as for any wildcard match.
    let (mut token, mut at) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    loop {
        let stepped = match (tokens.get(token), char_at(at)) {
            (None, None) => return true,
            (Some(Token::Star), _) => {
                star = Some((token, at));
                token += 1;
                continue;
            }
            (Some(one), Some(c)) if one.takes(c) => Some(c.len_utf8()),
            _ => None,
        };
        if let Some(bytes) = stepped {
            token += 1;
            at += bytes;
            continue;
        }
        let Some((star_token, star_at)) = star else { return false };
        match char_at(star_at) {
            None | Some('/') => return false,
            Some(c) => at = star_at + c.len_utf8(),
        }
        star = Some((star_token, at));
        token = star_token + 1;
    }
}

#[derive(Debug)]
enum Token {
    Star,
    Any,
    Char(char),
    Class { negated: bool, ranges: Vec<(char, char)> },
}

impl Token {
    fn takes(&self, c: char) -> bool {
        match self {
            Token::Star => false,
            Token::Any => c != '/',
            Token::Char(own) => *own == c,
            Token::Class { negated, ranges } => {
                ranges.iter().any(|(low, high)| (*low..=*high).contains(&c)) != *negated
            }
        }
    }
}

fn tokens(pattern: &str) -> Result<Vec<Token>, BadPattern> {
    let mut tokens = Vec::new();
    let mut chars = pattern.chars().peekable();
    while let Some(c) = chars.next() {
        tokens.push(match c {
            '*' => Token::Star,
            '?' => Token::Any,
            '\\' => Token::Char(chars.next().ok_or(BadPattern)?),
            '[' => {
                let negated = chars.next_if_eq(&'^').is_some();
                let mut ranges = Vec::new();
                loop {
                    if !ranges.is_empty() && chars.next_if_eq(&']').is_some() {
                        break;
                    }
                    let mut bound = || match chars.next() {
                        None | Some('-' | ']') => Err(BadPattern),
                        Some('\\') => chars.next().ok_or(BadPattern),
                        Some(c) => Ok(c),
                    };
                    let low = bound()?;
                    let high = if chars.next_if_eq(&'-').is_some() {
                        match chars.next() {
                            None | Some('-' | ']') => return Err(BadPattern),
                            Some('\\') => chars.next().ok_or(BadPattern)?,
                            Some(c) => c,
                        }
                    } else {
                        low
                    };
                    ranges.push((low, high));
                }
                Token::Class { negated, ranges }
            }
            c => Token::Char(c),
        });
    }
    Ok(tokens)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(rules: &str, path: &str, is_folder: bool, expected: bool) {
        let rules = Rules::parse(&Source::new(FILE_NAME, rules)).unwrap();
        assert_eq!(rules.leaves_out(path, is_folder), expected, "{rules:?} {path}");
    }

    /// The rows of Helm's own test (pkg/ignore/rules_test.go, v3.22.0).
    #[test]
    fn rules_leave_out_what_helm_leaves_out() {
        for (rule, path, expected) in [
            ("helm.txt", "helm.txt", true),
            ("helm.*", "helm.txt", true),
            ("helm.*", "rudder.txt", false),
            ("*.txt", "tiller.txt", true),
            ("*.txt", "cargo/a.txt", true),
            ("cargo/*.txt", "cargo/a.txt", true),
            ("cargo/*.*", "cargo/a.txt", true),
            ("cargo/*.txt", "mast/a.txt", false),
            ("ru[c-e]?er.txt", "rudder.txt", true),
            ("templates/.?*", "templates/.dotfile", true),
            (".*", ".joonix", true),
            (".*", "helm.txt", false),
            ("helm.txt/", "helm.txt", false),
            ("!helm.txt", "helm.txt", false),
            ("!helm.txt", "tiller.txt", true),
            ("!*.txt", "cargo", true),
            ("/a.txt", "a.txt", true),
            ("/a.txt", "cargo/a.txt", false),
            ("/cargo/a.txt", "cargo/a.txt", true),
            ("", "templates/.hidden", true),
            ("", "templates/sub/.hidden", false),
        ] {
            check(rule, path, false, expected);
        }
        for (rule, path, expected) in [
            ("cargo/", "cargo", true),
            ("cargo/", "mast", false),
            ("!cargo/", "mast", true),
            ("!cargo/", "cargo", false),
        ] {
            check(rule, path, true, expected);
        }
        // A negated rule for folders leaves out every file that it is asked about.
        check("!cargo/", "a.txt", false, true);
    }

    #[test]
    fn a_folder_takes_its_files_along() {
        let rules = Rules::parse(&Source::new(FILE_NAME, "\u{feff}# comment\n\n  docs/  \r\n")).unwrap();
        assert!(rules.leaves_out_file("docs/a/b.md"));
        assert!(!rules.leaves_out_file("docs"));
        assert!(!rules.leaves_out_file("other/a.md"));
    }

    #[test]
    fn what_is_no_pattern_is_an_error_with_its_line() {
        for rule in ["foo/**/bar", "[z-", "[]a]", "a\\", "[a-]", "[-a]", "["] {
            let error = Rules::parse(&Source::new(FILE_NAME, format!("ok\n{rule}\n"))).unwrap_err();
            assert_eq!(error.place.unwrap().to_string(), ".helmignore:2:1", "{rule}");
        }
    }

    fn glob_match(pattern: &str, name: &str) -> Result<bool, BadPattern> {
        let matched = matches(&tokens(pattern)?, name);
        assert_eq!(Pattern::of(pattern).unwrap().matches(name), matched, "{name}");
        Ok(matched)
    }

    #[test]
    fn stars_do_not_cross_folders_and_are_fast() {
        assert_eq!(glob_match("a*", "a/b"), Ok(false));
        for (pattern, name, expected) in [
            ("*.md", "a.md", true),
            ("*.md", "a/b.md", false),
            ("*", "", true),
            ("*", "a/", false),
            ("a", "a", true),
            ("", "a", false),
            ("*a", "aa", true),
        ] {
            assert_eq!(glob_match(pattern, name), Ok(expected), "{pattern} {name}");
        }
        assert_eq!(glob_match("*a*b*c", "xxaxxbxxc"), Ok(true));
        assert_eq!(glob_match("[^a]", "/"), Ok(true));
        assert_eq!(glob_match("\\*", "*"), Ok(true));
        assert_eq!(glob_match(&"*a".repeat(200), &"a".repeat(5000)), Ok(true));
        assert_eq!(glob_match(&format!("{}b", "*a".repeat(200)), &"a".repeat(5000)), Ok(false));
    }
}
