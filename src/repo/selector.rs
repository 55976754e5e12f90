//! Selectors: `ENV[/RELEASE[/KIND[/NAME]]]`, each part a glob.

use std::fmt;
use std::str::FromStr;

use super::glob::Glob;
use crate::error::{Diagnostic, nearest};

/// What a verb works on. A missing part matches everything; kinds match without regard to case.
#[derive(Debug, Clone)]
pub struct Selector {
    text: String,
    environment: Glob,
    release: Option<Glob>,
    kind: Option<Glob>,
    name: Option<Glob>,
}

impl Selector {
    /// Whether anything of an environment may match.
    pub fn matches_environment(&self, environment: &str) -> bool {
        self.environment.matches(environment)
    }

    /// Whether anything of a release (or raw folder) may match.
    pub fn matches_release(&self, environment: &str, release: &str) -> bool {
        self.matches_environment(environment) && is_match(self.release.as_ref(), release)
    }

    /// Whether an object matches.
    pub fn matches_object(&self, environment: &str, release: &str, kind: &str, name: &str) -> bool {
        self.matches_release(environment, release)
            && self.kind.as_ref().is_none_or(|glob| glob.matches_ignoring_case(kind))
            && is_match(self.name.as_ref(), name)
    }

    /// Whether a kind may match.
    pub fn matches_kind(&self, kind: &str) -> bool {
        self.kind.as_ref().is_none_or(|glob| glob.matches_ignoring_case(kind))
    }

    /// The one name of an object that it names; none where it has none, or a pattern.
    pub fn literal_name(&self) -> Option<String> {
        self.name.as_ref()?.literal()
    }

    /// Whether all that another selector names lies within this one; its globs count as the texts that they are.
    pub fn encloses(&self, other: &Selector) -> bool {
        let is_within = |own: Option<&Glob>, other: Option<&Glob>, ignores_case: bool| match (own, other) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(own), Some(other)) if ignores_case => {
                own.as_str().eq_ignore_ascii_case(other.as_str()) || own.matches_ignoring_case(other.as_str())
            }
            (Some(own), Some(other)) => own.as_str() == other.as_str() || own.matches(other.as_str()),
        };
        is_within(Some(&self.environment), Some(&other.environment), false)
            && is_within(self.release.as_ref(), other.release.as_ref(), false)
            && is_within(self.kind.as_ref(), other.kind.as_ref(), true)
            && is_within(self.name.as_ref(), other.name.as_ref(), false)
    }

    /// Whether the selector stands for whole environments.
    pub fn is_whole_environments(&self) -> bool {
        self.release.is_none() && self.kind.is_none() && self.name.is_none()
    }

    /// Whether the selector picks single objects of a release.
    pub fn is_within_release(&self) -> bool {
        self.kind.is_some()
    }

    /// The error for a selector that matches nothing, with the nearest name there is.
    ///
    /// `environments` are the names of all environments; `releases` gives those of the environments that match.
    pub fn matches_nothing<'a>(
        &self,
        environments: impl IntoIterator<Item = &'a str>,
        releases: impl IntoIterator<Item = &'a str>,
    ) -> Diagnostic {
        let environments: Vec<&str> = environments.into_iter().collect();
        let is_env_known = environments.iter().any(|name| self.matches_environment(name));
        let (what, wanted, mut known) = match &self.release {
            Some(glob) if is_env_known => ("release", glob.as_str(), releases.into_iter().collect::<Vec<_>>()),
            _ => ("environment", self.environment.as_str(), environments),
        };
        known.sort_unstable();
        known.dedup();
        let error = match what {
            "release" => format!("`{self}` matches no release"),
            _ if is_env_known => format!("`{self}` matches nothing"),
            _ => format!("`{self}` matches no environment"),
        };
        let help = match nearest(wanted, known.iter().copied()) {
            Some(name) if name != wanted && what == "release" => {
                format!("did you mean `{}/{name}`?", self.environment.as_str())
            }
            Some(name) if name != wanted => format!("did you mean `{name}`?"),
            _ if known.is_empty() => format!("there is no {what}"),
            _ => {
                let more = known.len().saturating_sub(NAMES_SHOWN_MAX);
                let shown = &known[..known.len() - more];
                let tail = if more > 0 { format!(" and {more} more") } else { String::new() };
                format!("{what}s are {}{tail}", shown.join(", "))
            }
        };
        Diagnostic::error(error).help(help)
    }
}

/// Names that an error lists.
const NAMES_SHOWN_MAX: usize = 12;

fn is_match(glob: Option<&Glob>, name: &str) -> bool {
    glob.is_none_or(|glob| glob.matches(name))
}

impl FromStr for Selector {
    type Err = Diagnostic;

    fn from_str(text: &str) -> Result<Selector, Diagnostic> {
        let refuse = |why: String| {
            Diagnostic::error(format!("the selector `{text}` {why}"))
                .help("a selector is ENV[/RELEASE[/KIND[/NAME]]]; each part may hold *, ?, [a-z] and {a,b}")
        };
        let parts = split(text);
        // What a shell completes: the folder of an environment with its slash.
        let parts = match parts.as_slice() {
            [rest @ .., ""] if !rest.is_empty() => rest,
            all => all,
        };
        if parts.len() > 4 {
            return Err(refuse("has more than four parts".into()));
        }
        let mut globs = Vec::with_capacity(parts.len());
        for part in parts {
            if part.is_empty() {
                return Err(refuse("has an empty part".into()));
            }
            globs.push(part.parse::<Glob>().map_err(refuse)?);
        }
        let mut globs = globs.into_iter();
        let Some(environment) = globs.next() else { return Err(refuse("is empty".into())) };
        Ok(Selector {
            text: text.to_string(),
            environment,
            release: globs.next(),
            kind: globs.next(),
            name: globs.next(),
        })
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Splits at `/` outside of braces and brackets.
fn split(text: &str) -> Vec<&str> {
    let (mut parts, mut from, mut braces, mut in_class) = (Vec::new(), 0, 0_usize, false);
    for (at, c) in text.char_indices() {
        match c {
            '{' if !in_class => braces += 1,
            '}' if !in_class => braces = braces.saturating_sub(1),
            '[' => in_class = true,
            ']' => in_class = false,
            '/' if braces == 0 && !in_class => {
                parts.push(&text[from..at]);
                from = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[from..]);
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn selector(text: &str) -> Selector {
        text.parse().expect("a selector")
    }

    #[test]
    fn parts_that_are_missing_match_everything() {
        let table = [
            ("prod", true),
            ("prod/", true),
            ("prod/web", true),
            ("*/w*", true),
            ("{prod,staging}/web/deployment", true),
            ("prod/web/Deploy*/web-[0-9]", true),
            ("prod/web/Service", false),
            ("prod/api", false),
            ("staging", false),
        ];
        for (text, expected) in table {
            assert_eq!(selector(text).matches_object("prod", "web", "Deployment", "web-1"), expected, "{text}");
        }
        assert!(selector("prod").is_whole_environments());
        assert!(!selector("prod/*").is_whole_environments());
    }

    #[test]
    fn what_lies_within_a_selector() {
        let table = [
            ("prod", "prod/web/Deployment/a", true),
            ("prod/web", "prod/web", true),
            ("prod/web", "prod", false),
            ("prod/w*", "prod/web", true),
            ("prod/w*", "prod/w*/Service", true),
            ("prod/web", "prod/w*", false),
            ("*/web/deployment", "prod/web/Deployment/a", true),
            ("staging", "prod", false),
        ];
        for (outer, inner, expected) in table {
            assert_eq!(selector(outer).encloses(&selector(inner)), expected, "{inner} within {outer}");
        }
    }

    #[test]
    fn bad_selectors_are_errors() {
        for text in ["", "/", "a//b", "/web", "a/b/c/d/e", "{a", "[a"] {
            assert!(text.parse::<Selector>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_selector_that_matches_nothing_names_what_was_meant() {
        let help = |text: &str| {
            let d = selector(text).matches_nothing(["production", "staging"], ["web", "worker"]);
            (d.message, d.help.unwrap_or_default())
        };
        let pair = |a: &str, b: &str| (a.to_string(), b.to_string());
        assert_eq!(help("prodution"), pair("`prodution` matches no environment", "did you mean `production`?"));
        assert_eq!(help("staging/wrker"), pair("`staging/wrker` matches no release", "did you mean `staging/worker`?"));
        assert_eq!(help("zzz"), pair("`zzz` matches no environment", "environments are production, staging"));
    }
}
