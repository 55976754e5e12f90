//! Which values a chart's templates read, found without running them.
//!
//! A template reads `a.b` where it says `.Values.a.b` (or `$.Values.a.b`, `.context.Values.a.b`; `values.a.b` in
//! Tera). What it does with it cannot be followed in general: `toYaml`, `with`, `range`, `include` and variables may
//! use all that is below, so only a plain condition (`if .Values.a`) leaves the rest of `a` open. The rules err on the
//! side of silence:
//!
//! - Every text of the chart and of its subcharts counts for all of them: templates, partials, NOTES.txt, files and
//!   values.yaml, which `tpl` may render. Subcharts' values are looked for with and without the subchart's name.
//! - A chart that uses `.Values` as a whole (`index .Values $x`, `toYaml .Values`) is not judged at all, nor is one
//!   that imports values, or one whose templates hand all of the top over (`toYaml $`).

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value as Json;

use crate::chart::{Chart, EngineKind};

/// What a chart reads.
#[derive(Debug, Default)]
pub struct Reads {
    root: Tree,
    /// Names that subcharts go by, whose values may stand under them.
    subcharts: Vec<String>,
    /// Keys that a schema requires somewhere: a release has to set them, whoever reads them.
    required: BTreeSet<String>,
    is_unknown: bool,
}

/// How a value is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Read {
    /// Nowhere.
    Never,
    /// Itself, or something below it, but not all that is below.
    Below,
    /// With all that is below.
    Whole,
}

#[derive(Debug, Default)]
struct Tree {
    below: BTreeMap<String, Tree>,
    is_whole: bool,
}

impl Reads {
    /// Looks through the texts of a chart and its subcharts.
    pub fn of_chart(chart: &Chart) -> Reads {
        let mut reads = Reads::default();
        reads.add_chart(chart);
        reads
    }

    /// What the templates in a text read: a release's values may hold some, for `tpl`.
    pub fn of_text(text: &str, engine: EngineKind) -> Reads {
        let mut reads = Reads::default();
        reads.add_text(text, Language::of(engine));
        reads
    }

    /// Whether what the chart reads cannot be told.
    pub fn is_unknown(&self) -> bool {
        self.is_unknown
    }

    /// How the value at a path is read.
    pub fn of_path(&self, path: &[&str]) -> Read {
        let mut tree = &self.root;
        for key in path {
            match tree.below.get(*key) {
                None => return Read::Never,
                Some(below) if below.is_whole => return Read::Whole,
                Some(below) => tree = below,
            }
        }
        Read::Below
    }

    /// How the value at a path is read, by the chart or by the subchart that the path leads into.
    pub fn of(&self, path: &[&str]) -> Read {
        if path.last().is_some_and(|key| self.required.contains(*key)) {
            return Read::Whole;
        }
        let mut found = self.of_path(path);
        let mut rest = path;
        while let Some((first, below)) = rest.split_first()
            && self.subcharts.iter().any(|name| name == first)
        {
            if below.is_empty() {
                return if found == Read::Whole { found } else { Read::Below };
            }
            found = match (found, self.of_path(below)) {
                (Read::Whole, _) | (_, Read::Whole) => Read::Whole,
                (Read::Never, Read::Never) => Read::Never,
                _ => Read::Below,
            };
            rest = below;
        }
        found
    }

    /// The keys that are read directly below a path.
    pub fn keys_below(&self, path: &[&str]) -> Vec<&str> {
        let tree = path.iter().try_fold(&self.root, |tree, key| tree.below.get(*key));
        tree.into_iter().flat_map(|tree| tree.below.keys()).map(String::as_str).collect()
    }

    fn add_chart(&mut self, chart: &Chart) {
        let language = Language::of(chart.engine);
        for template in &chart.templates {
            self.add_text(&template.source.text, language);
        }
        self.add_text(&chart.values_source.text, language);
        // One that is no JSON refuses the release, which then is not judged anyway.
        if let Some(schema) = chart.schema.as_ref().and_then(|schema| serde_json::from_str(&schema.source.text).ok()) {
            self.add_required(&schema);
        }
        for file in &chart.files {
            if let Ok(text) = std::str::from_utf8(&file.bytes) {
                self.add_text(text, language);
            }
        }
        for dependency in chart.metadata.dependencies.iter().flatten() {
            self.is_unknown |= !dependency.import_values.is_empty();
            for name in [&dependency.name, &dependency.alias] {
                if !name.is_empty() {
                    self.subcharts.push(name.clone());
                }
            }
            for condition in dependency.condition.split(',') {
                self.add(condition.trim().split('.'), true);
            }
            self.add(["tags"].into_iter(), true);
        }
        for subchart in &chart.dependencies {
            self.subcharts.push(subchart.metadata.name.clone());
            self.add_chart(subchart);
        }
    }

    /// Whether the schema requires anything. (The JSON parser has limited how deep it nests.)
    fn add_required(&mut self, schema: &Json) -> bool {
        match schema {
            Json::Object(map) => {
                let names = map.get("required").and_then(Json::as_array).map_or(&[][..], Vec::as_slice);
                self.required.extend(names.iter().filter_map(Json::as_str).map(str::to_owned));
                let mut requires = !names.is_empty();
                for (key, below) in map {
                    // A key whose own keys are required has to be there as well.
                    if self.add_required(below) {
                        self.required.insert(key.clone());
                        requires = true;
                    }
                }
                requires
            }
            Json::Array(items) => items.iter().filter(|below| self.add_required(below)).count() > 0,
            _ => false,
        }
    }

    fn add<'p>(&mut self, path: impl Iterator<Item = &'p str>, is_whole: bool) {
        let mut tree = &mut self.root;
        for key in path {
            tree = tree.below.entry(key.to_owned()).or_default();
        }
        tree.is_whole |= is_whole;
    }

    fn add_text(&mut self, text: &str, language: &Language) {
        for (open, close) in language.brackets {
            let mut rest = text;
            while let Some(start) = rest.find(open) {
                let inside = &rest[start + open.len()..];
                let end = inside.find(close).unwrap_or(inside.len());
                self.add_action(&inside[..end], language);
                rest = &inside[end..];
            }
        }
    }

    /// One `{{ … }}` or `{% … %}`. A text in quotes that holds the closing brackets cuts it short, which loses nothing:
    /// what follows is no value path in any template that parses.
    fn add_action(&mut self, action: &str, language: &Language) {
        let mut chains = Vec::new();
        let mut rest = String::new();
        let mut at = 0;
        while let Some(found) = (language.next)(action, at) {
            let (keys, end) = keys(action, found.end);
            rest.push_str(&action[at..found.start]);
            // Stands for the chain, so that what is around it can be judged.
            rest.push_str(" 0 ");
            chains.push(keys);
            at = end;
        }
        rest.push_str(&action[at..]);
        self.is_unknown |= (language.hands_all_over)(&rest);
        let is_test = is_plain_condition(&rest, language);
        for keys in chains {
            if keys.is_empty() {
                // In a condition, and as a component's argument of Tera, nothing is read yet.
                self.is_unknown |= !is_test;
            } else {
                self.add(keys.into_iter(), !is_test);
            }
        }
    }
}

/// What tells the template languages apart.
struct Language {
    brackets: &'static [(&'static str, &'static str)],
    /// The next use of the values at or after a byte of an action: the bytes of the word that names them with what
    /// leads to it.
    next: fn(&str, usize) -> Option<std::ops::Range<usize>>,
    /// Words that a condition may hold and still only ask whether something is set, or equal.
    condition_starts: &'static [&'static str],
    condition_words: &'static [&'static str],
    /// Whether an action (its value paths taken out) gives the whole top to something that may read all of it.
    hands_all_over: fn(&str) -> bool,
}

impl Language {
    fn of(engine: EngineKind) -> &'static Language {
        match engine {
            EngineKind::Helm => &HELM,
            EngineKind::Tera => &TERA,
        }
    }
}

const HELM: Language = Language {
    brackets: &[("{{", "}}")],
    next: next_helm,
    condition_starts: &["if ", "else if ", "if(", "else if("],
    condition_words: &["if", "else", "and", "or", "not", "eq", "ne", "true", "false", "0"],
    hands_all_over: |rest| {
        let words: Vec<&str> =
            rest.split(|c: char| c.is_whitespace() || "()|".contains(c)).filter(|w| !w.is_empty()).collect();
        words.windows(2).any(|pair| {
            matches!(pair[0], "toYaml" | "toJson" | "toPrettyJson" | "toRawJson" | "range" | "toToml" | "values" | "keys")
                && pair[1] == "$"
        }) || words.windows(2).any(|pair| pair == ["$", "toYaml"] || pair == ["$", "toJson"])
            // `"Values"` in quotes: `index . "Values"`, `get $ "Values"`.
            || rest.contains("\"Values\"")
            || rest.contains("`Values`")
    },
};

const TERA: Language = Language {
    brackets: &[("{{", "}}"), ("{%", "%}")],
    next: next_tera,
    condition_starts: &["if ", "elif ", "if(", "elif("],
    condition_words: &["if", "elif", "and", "or", "not", "true", "false", "0", "==", "!="],
    hands_all_over: |_| false,
};

/// `.Values` with whatever leads to it: `$`, `.context`, `$root`.
fn next_helm(action: &str, from: usize) -> Option<std::ops::Range<usize>> {
    const WORD: &str = ".Values";
    let mut at = from;
    loop {
        let start = at + action[at..].find(WORD)?;
        let end = start + WORD.len();
        if action[end..].starts_with(is_word) {
            at = end;
            continue;
        }
        let leading = action[from..start].rfind(|c: char| !is_word(c) && c != '.' && c != '$');
        let start =
            leading.map_or(from, |byte| from + byte + action[from + byte..].chars().next().map_or(1, char::len_utf8));
        return Some(start..end);
    }
}

/// The variable `values`, which is neither a key nor a filter of that name, nor a component's parameter.
fn next_tera(action: &str, from: usize) -> Option<std::ops::Range<usize>> {
    const WORD: &str = "values";
    let mut at = from;
    loop {
        let start = at + action[at..].find(WORD)?;
        let end = start + WORD.len();
        let before = action[..start].trim_end();
        let is_joined = action[..start].ends_with(|c: char| is_word(c) || c == '@') || before.ends_with(['.', '|']);
        if is_joined || action[end..].starts_with(is_word) {
            at = end;
            continue;
        }
        return Some(start..end);
    }
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The keys of a path that begins at a byte (`.a.b`, `?.a`, `["a"]`), and where it ends.
fn keys(action: &str, from: usize) -> (Vec<&str>, usize) {
    let mut keys = Vec::new();
    let mut at = from;
    loop {
        let rest = &action[at..];
        let (skip, quote) = if rest.starts_with("?.") {
            (2, None)
        } else if rest.starts_with('.') {
            (1, None)
        } else if rest.starts_with("[\"") || rest.starts_with("['") {
            (2, rest.chars().nth(1))
        } else {
            return (keys, at);
        };
        let name = &rest[skip..];
        let length = match quote {
            Some(quote) => name.find(quote),
            None => Some(name.find(|c| !is_word(c)).unwrap_or(name.len())),
        };
        let Some(length) = length.filter(|length| *length > 0) else { return (keys, at) };
        keys.push(&name[..length]);
        at += skip + length + if quote.is_some() { 2 } else { 0 };
        at = at.min(action.len());
    }
}

/// Whether an action only asks whether values are set or equal to a text.
fn is_plain_condition(rest: &str, language: &Language) -> bool {
    let rest = rest.trim_matches(|c: char| c == '-' || c.is_whitespace());
    language.condition_starts.iter().any(|start| rest.starts_with(start)) && {
        let mut is_quoted = false;
        let bare: String = rest
            .chars()
            .map(|c| {
                if c == '"' {
                    is_quoted = !is_quoted;
                    return ' ';
                }
                if is_quoted || "()".contains(c) { ' ' } else { c }
            })
            .collect();
        bare.split_whitespace().all(|word| language.condition_words.contains(&word))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reads(text: &str, language: &Language) -> Reads {
        let mut reads = Reads::default();
        reads.add_text(text, language);
        reads
    }

    #[test]
    fn helm_paths() {
        let table: &[(&str, &[&str], Read)] = &[
            ("{{ .Values.a }}", &["a", "x"], Read::Whole),
            ("{{ .Values.a }}", &["b"], Read::Never),
            ("{{ .Values.a.b }}", &["a"], Read::Below),
            ("{{ .Values.a.b }}", &["a", "c"], Read::Never),
            ("{{ $.Values.a }}{{ $root.Values.b }}{{ .ctx.Values.c.d }}", &["c", "d"], Read::Whole),
            ("{{- if .Values.a -}}{{ .Values.a.b }}", &["a", "c"], Read::Never),
            ("{{ if and .Values.a (not $.Values.b) (eq .Values.c \"x y\") }}", &["c", "d"], Read::Never),
            ("{{ if hasKey .Values.a \"b\" }}", &["a", "b"], Read::Whole),
            ("{{ with .Values.a }}", &["a", "b"], Read::Whole),
            ("{{ toYaml (default dict .Values.a.b).c }}", &["a", "b", "c"], Read::Whole),
            (".Values.a outside", &["a"], Read::Never),
            ("{{ .ValuesOf.a }}", &["a"], Read::Never),
            ("{{/* .Values.a */}}", &["a"], Read::Whole),
        ];
        for (text, path, expected) in table {
            let reads = reads(text, &HELM);
            assert!(!reads.is_unknown(), "{text}");
            assert_eq!(reads.of(path), *expected, "{text} {path:?}");
        }
    }

    #[test]
    fn tera_paths() {
        let table: &[(&str, &[&str], Read)] = &[
            ("{{ values.a | to_yaml }}", &["a", "b"], Read::Whole),
            ("{{ values[\"a-b\"].c }}", &["a-b", "c"], Read::Whole),
            ("{{ values?.a?.b or 1 }}", &["a", "c"], Read::Never),
            ("{%- if values.a and not values.b %}", &["a", "c"], Read::Never),
            ("{% for x in values.a %}", &["a", "c"], Read::Whole),
            ("{% set x = values.a if values.b else 1 %}", &["b"], Read::Whole),
            ("{% component x(@values, @release) %}{{ chart.values.a }}{{ m | values }}", &["a"], Read::Never),
        ];
        for (text, path, expected) in table {
            let reads = reads(text, &TERA);
            assert!(!reads.is_unknown(), "{text}");
            assert_eq!(reads.of(path), *expected, "{text} {path:?}");
        }
    }

    #[test]
    fn what_cannot_be_told_is_not_judged() {
        let helm =
            ["{{ toYaml .Values }}", "{{ index .Values $x }}", "{{ range $k, $v := $.Values }}", "{{ toYaml $ }}"];
        for text in helm {
            assert!(reads(text, &HELM).is_unknown(), "{text}");
        }
        for text in ["{{ values | to_yaml }}", "{% for k, v in values %}", "{{ values[name] }}"] {
            assert!(reads(text, &TERA).is_unknown(), "{text}");
        }
    }

    #[test]
    fn what_a_schema_requires_may_be_set() {
        let mut reads = reads("{{ .Values.a }}", &HELM);
        let schema = serde_json::json!({"required": ["x"], "properties": {"y": {"required": ["z"]}}});
        reads.add_required(&schema);
        assert_eq!(reads.of(&["x"]), Read::Whole);
        assert_eq!(reads.of(&["y", "z"]), Read::Whole);
        assert_eq!(reads.of(&["y"]), Read::Whole);
        assert_eq!(reads.of(&["q"]), Read::Never);
    }

    #[test]
    fn subcharts_read_below_their_name() {
        let mut reads = reads("{{ .Values.a.b }}{{ .Values.global.g }}", &HELM);
        reads.subcharts.push("sub".to_owned());
        assert_eq!(reads.of(&["sub"]), Read::Below);
        assert_eq!(reads.of(&["sub", "a", "b"]), Read::Whole);
        assert_eq!(reads.of(&["sub", "a", "c"]), Read::Never);
        assert_eq!(reads.of(&["sub", "global", "g"]), Read::Whole);
        assert_eq!(reads.of(&["sub", "sub", "a"]), Read::Below);
        assert_eq!(reads.of(&["other"]), Read::Never);
    }
}
