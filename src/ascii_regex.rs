//! Regular expressions for a few short texts in ASCII: image tags, names, versions, what templates and schemas ask about.
//!
//! In: a pattern as the crate `regex` reads it. Out: one that gives for such texts what `regex` gives, and takes a fifth of
//! its time to compile. That time is what counts here: it is some hundred times that of a search. Left out is what long
//! texts are searched faster by, a table of how characters are encoded in UTF-8 (300 KB), and all of Unicode.

use regex_automata::MatchKind;
use regex_automata::meta::{Builder, Config, Regex};
use regex_automata::util::syntax;

/// How long a text may be that is searched so.
pub const TEXT_BYTES_MAX: usize = 1024;

/// Escapes that may stand for a character beyond ASCII.
const ESCAPES_OF_CHARACTERS: [&str; 3] = ["\\x", "\\u", "\\U"];

/// Whether a text may be searched so.
pub fn may_search(text: &str) -> bool {
    text.len() <= TEXT_BYTES_MAX && text.is_ascii()
}

/// Compiles a pattern that takes so many bytes at most, for texts that [`may_search`] allows. None where the pattern has to be
/// compiled for all texts: it asks for what Unicode says of characters, takes more, or is wrong.
pub fn compile(pattern: &str, bytes_max: usize) -> Option<Regex> {
    // Some characters beyond ASCII are ASCII ones in another case: (?i) takes K (U+212A) for k.
    if !pattern.is_ascii() || ESCAPES_OF_CHARACTERS.iter().any(|escape| pattern.contains(escape)) {
        return None;
    }
    let config = Config::new()
        .match_kind(MatchKind::LeftmostFirst)
        .nfa_size_limit(Some(bytes_max))
        .utf8_empty(false)
        .hybrid(false)
        .dfa(false)
        .onepass(false)
        .auto_prefilter(false);
    let syntax = syntax::Config::new().unicode(false).utf8(false);
    Builder::new().configure(config).syntax(syntax).build(pattern).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BYTES_MAX: usize = 1 << 20;

    #[test]
    fn what_unicode_decides_is_left_to_others() {
        let wrong_or_large = ["(", r"(?:a{1000}){1000}"];
        for pattern in [r"\p{L}", r"[\p{Nd}]", r"(?i)\x{212a}", r"(?i)\u212a", "é"].into_iter().chain(wrong_or_large) {
            assert!(compile(pattern, BYTES_MAX).is_none(), "{pattern}");
        }
        assert!(!may_search("é") && !may_search(&"a".repeat(TEXT_BYTES_MAX + 1)) && may_search("v1.2"));
    }

    /// Patterns of pieces that some engines read in different ways.
    fn pattern() -> impl Strategy<Value = String> {
        let piece = prop::sample::select(vec![
            "a",
            "b",
            "k",
            "-",
            ".",
            "0",
            r"\.",
            "[^a]",
            "[a-k]",
            "[^-0-9]",
            r"[^\n]",
            "[[:^alpha:]]",
            "[[:word:]]",
            r"(?-u:\b)",
            r"(?-u:\B)",
            "^",
            "$",
            r"\A",
            r"\z",
            "(?i)",
            "(?s)",
            "(?m)",
            "(?U)",
            "(",
            ")",
            "(?:",
            "(?P<n>",
            "|",
            "*",
            "+",
            "?",
            "*?",
            "+?",
            "??",
            "{2}",
            "{1,3}",
            "{2,}?",
            r"\x7f",
            r"\n",
            "é",
            r"\x{e9}",
            r"\p{L}",
            r"\P{L}",
        ]);
        prop::collection::vec(piece, 0..9).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4000))]

        #[test]
        fn it_finds_what_the_whole_engine_finds(pattern in pattern(), text in "[abkK0\\-. \n\u{7f}]{0,12}") {
            let Some(regex) = compile(&pattern, BYTES_MAX) else { return Ok(()) };
            let Ok(whole) = regex::Regex::new(&pattern) else {
                return Err(TestCaseError::fail(format!("{pattern} is wrong")));
            };
            let found: Vec<Vec<_>> = regex
                .captures_iter(&text)
                .map(|captures| (0..captures.group_len()).map(|i| captures.get_group(i).map(|span| span.range())).collect())
                .collect();
            let expected: Vec<Vec<_>> = whole
                .captures_iter(&text)
                .map(|captures| captures.iter().map(|group| group.map(|group| group.range())).collect())
                .collect();
            prop_assert_eq!(found, expected, "{}", pattern);
        }
    }
}
