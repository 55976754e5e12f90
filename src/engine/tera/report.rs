//! Tera's errors → diagnostics: the place in the template, the calls that led there, the value that was wrong and
//! where it was set, and the nearest name that exists.
//!
//! Tera gives a message, a byte range and, only as text, the calls. What it knows of values is a type name; the path
//! is read from the template around the range.

use std::sync::Arc;

use tera::{Context, ErrorKind, ReportError, Value};

use super::args::OURS;
use super::convert::kind_name;
use super::path::{Path, paths_in};
use super::table::{self, Kind, MEANT};
use crate::error::{Diagnostic, Note, Place, Source, Span, nearest};
use crate::values::Prepared;

const LOOKS_LIKE_HELM: &str =
    "this looks like a Helm template; in Tera it is {{ values.x }} and {% if … %}: see docs/charts-in-tera.md";
/// More known names than this are not listed.
const NAMES_MAX: usize = 12;

/// What a report needs to know of the chart.
pub struct Reporter<'a> {
    /// The templates by Tera's names for them.
    pub sources: &'a [(String, Arc<Source>)],
    /// The names of all components.
    pub components: &'a [String],
    /// The release, while one is rendered.
    pub live: Option<Live<'a>>,
}

/// What a report needs to know of the release.
pub struct Live<'a> {
    /// What templates see.
    pub context: &'a Context,
    /// Where values were set.
    pub prepared: &'a Prepared,
    /// The names of the subcharts that lead to the chart, below the top one.
    pub scope: &'a [&'a str],
}

impl Reporter<'_> {
    /// The findings of one error of the template `name`, in the order in which Tera has them.
    pub fn diagnostics(&self, error: &tera::Error, name: &str) -> Vec<Diagnostic> {
        let one = match error.kind() {
            ErrorKind::SyntaxError(report) => self.syntax(report),
            ErrorKind::RenderingError(report) => self.rendering(report, &error.to_string()),
            ErrorKind::Msg(text) if text.starts_with("error: ") => return self.references(text),
            ErrorKind::Msg(text) => self.message(text, name),
            ErrorKind::MissingParent { current, parent } => {
                self.unknown_template(self.find(current, parent), current, parent)
            }
            ErrorKind::CircularExtend { tpl, inheritance_chain: chain }
            | ErrorKind::CircularInclude { tpl, include_chain: chain } => {
                let chain = chain.join(" → ");
                self.at_template(Diagnostic::error(format!("this template includes or extends itself: {chain}")), tpl)
            }
            other => self.at_template(Diagnostic::error(plain(&other.to_string())), name),
        };
        vec![one]
    }

    fn source(&self, name: &str) -> Option<&Arc<Source>> {
        self.sources.iter().find(|(n, _)| n == name).map(|(_, source)| source)
    }

    fn at_template(&self, diagnostic: Diagnostic, name: &str) -> Diagnostic {
        match self.source(name) {
            Some(source) => diagnostic.at(source, Span::NONE),
            None => diagnostic.at_file(name),
        }
    }

    /// Where a text stands in a template, first.
    fn find(&self, name: &str, wanted: &str) -> Span {
        let at = self.source(name).and_then(|source| source.text.find(wanted));
        at.map_or(Span::NONE, |at| Span::new(at, at + wanted.len()))
    }

    fn at(&self, diagnostic: Diagnostic, name: &str, span: Span) -> Diagnostic {
        match self.source(name) {
            Some(source) => diagnostic.at(source, span),
            None => diagnostic.at_file(name),
        }
    }

    fn syntax(&self, report: &ReportError) -> Diagnostic {
        let range = report.span().range.clone();
        let diagnostic = Diagnostic::error(plain(report.message()));
        let diagnostic = self.at(diagnostic, report.filename(), Span::new(range.start, range.end));
        let text = self.source(report.filename()).map_or("", |source| &*source.text);
        let tag = &text[tag_start(text, range.start)..range.end.min(text.len())];
        let rest = text.get(range.start..).unwrap_or_default();
        let line = rest.lines().next().unwrap_or_default();
        let helmish =
            [".Values", ".Release", ".Chart", ".Capabilities", ":=", "{{ end", "{{- end", "{{ define", "{{- define"];
        if helmish.iter().any(|sign| tag.contains(sign) || line.starts_with(sign))
            || tag.trim_end().ends_with("{{ .")
            || tag.ends_with("{{- .")
        {
            diagnostic.help(LOOKS_LIKE_HELM)
        } else if report.message().starts_with("Unexpected end of input")
            && let Some((open, keyword)) = open_block(text)
        {
            let mut diagnostic = diagnostic;
            if let Some(source) = self.source(report.filename()) {
                let message = format!("this `{keyword}` has no {{% end{keyword} %}} (unexpected end of input)");
                diagnostic = Diagnostic::error(message).at(source, Span::new(open, open + keyword.len()));
            }
            diagnostic.help(format!("write {{% end{keyword} %}} where it should stop"))
        } else if report.message().ends_with("expected =.")
            || report.message() == "Found string but expected identifier."
        {
            diagnostic.help("arguments have names: default(value=1)")
        } else if report.message().starts_with("Found `}}`") && tag.contains('{') {
            diagnostic
                .help("a mapping that closes right before another brace needs a blank between: {\"a\": {\"b\": 1} }")
        } else {
            diagnostic
        }
    }

    /// Unknown filters, tests, functions, components and templates come as one text with a report for each.
    fn references(&self, text: &str) -> Vec<Diagnostic> {
        let mut found = Vec::new();
        let mut lines = text.lines();
        while let Some(line) = lines.next() {
            let Some(first) = line.strip_prefix("error: ") else { continue };
            // The name of a template may hold line breaks, so the message ends where the place begins.
            let mut message = first.to_owned();
            let place = lines.find_map(|line| {
                let place = line.trim_start().strip_prefix("--> ");
                if place.is_none() {
                    message.push('\n');
                    message.push_str(line);
                }
                place
            });
            let under = lines.clone().nth(2).unwrap_or_default();
            found.push(match place.and_then(|place| self.locus(place, under)) {
                Some((name, span)) => self.reference(&message, &name, span),
                None => Diagnostic::error(plain(&message)),
            });
        }
        found
    }

    fn reference(&self, message: &str, name: &str, span: Span) -> Diagnostic {
        let wanted = message.split('`').nth(1).unwrap_or_default();
        let kind = match message.split_whitespace().nth(1).unwrap_or_default() {
            "filter" => Kind::Filter,
            "test" => Kind::Test,
            "function" => Kind::Function,
            "template" => return self.unknown_template(span, name, wanted),
            "component" => {
                let diagnostic = self.at(Diagnostic::error(format!("there is no component `{wanted}`")), name, span);
                return match nearest(wanted, self.components.iter().map(String::as_str)) {
                    Some(near) => diagnostic.help(format!("did you mean `{near}`?")),
                    None if self.components.is_empty() => {
                        diagnostic.help("the chart defines none; {% component name(arg) %} in a file `_*.tera` does")
                    }
                    None => diagnostic
                        .help(format!("the chart defines {}", names(self.components.iter().map(String::as_str)))),
                };
            }
            _ => return self.at(Diagnostic::error(plain(message)), name, span),
        };
        let what = format!("{kind:?}").to_lowercase();
        let diagnostic = self.at(Diagnostic::error(format!("there is no {what} `{wanted}`")), name, span);
        if let Some((_, instead)) = MEANT.iter().find(|(meant, _)| *meant == wanted) {
            return diagnostic.help(*instead);
        }
        if kind == Kind::Function && table::names(Kind::Filter).any(|name| name == wanted) {
            return diagnostic.help(format!("it is a filter: value | {wanted}"));
        }
        if kind == Kind::Filter && table::names(Kind::Function).any(|name| name == wanted) {
            return diagnostic.help(format!("it is a function: {wanted}(…)"));
        }
        match nearest(wanted, table::names(kind)) {
            Some(near) => diagnostic.help(format!("did you mean `{near}`?")),
            None => diagnostic.help("docs/tera.md lists all there are"),
        }
    }

    fn unknown_template(&self, span: Span, name: &str, wanted: &str) -> Diagnostic {
        let diagnostic = self.at(Diagnostic::error(format!("there is no template `{wanted}`")), name, span);
        let known = self.sources.iter().map(|(name, _)| name.as_str()).filter(|known| *known != name);
        match nearest(wanted, known) {
            Some(near) => diagnostic.help(format!("did you mean \"{near}\"?")),
            None => diagnostic.help("names count from the templates folder: \"_helpers.tera\""),
        }
    }

    fn message(&self, text: &str, name: &str) -> Diagnostic {
        if text.starts_with("Component `") && text.contains("is defined in both") {
            let parts: Vec<_> = text.split('`').collect();
            if let [_, component, _, first, _, second, ..] = parts[..] {
                let definition = |name: &str| {
                    let span = self.find(name, &format!("component {component}"));
                    Some(Place { source: self.source(name)?.clone(), span })
                };
                let mut diagnostic = Diagnostic::error(format!("the component `{component}` is defined twice"));
                diagnostic.place = definition(second);
                return diagnostic.note("it is defined here too", definition(first)).help("rename one of them");
            }
        }
        if text.starts_with("Maximum render recursion depth") {
            let max = super::COMPONENT_DEPTH_MAX;
            let diagnostic = Diagnostic::error(format!("components called from here are nested more than {max} deep"));
            return self.at_template(diagnostic, name).help("a component that calls itself must come to an end");
        }
        self.at_template(Diagnostic::error(plain(text)), name)
    }

    fn rendering(&self, report: &ReportError, display: &str) -> Diagnostic {
        let name = report.filename();
        let range = report.span().range.clone();
        let mut diagnostic = match self.source(name) {
            Some(source) => self.explain(report.message(), source, range),
            None => Diagnostic::error(plain(report.message())).at_file(name),
        };
        let calls = display.strip_prefix("error: ").and_then(|rest| rest.strip_prefix(report.message()));
        let mut calls = calls.unwrap_or_default().lines();
        let mut at = 0;
        while let Some(line) = calls.next() {
            let Some(locus) = line.strip_prefix("note: called from ") else { continue };
            if let Some((name, span)) = self.locus(locus, calls.clone().nth(2).unwrap_or_default()) {
                let place = self.source(&name).map(|source| Place { source: source.clone(), span });
                diagnostic.notes.insert(at, Note { message: "called from here".to_owned(), place });
                at += 1;
            }
        }
        diagnostic
    }

    /// `file:line:column` and the line with the carets → the place.
    fn locus(&self, locus: &str, carets: &str) -> Option<(String, Span)> {
        let mut parts = locus.rsplitn(3, ':');
        let column: usize = parts.next()?.parse().ok()?;
        let line: usize = parts.next()?.parse().ok()?;
        let name = parts.next()?;
        let text = &self.source(name)?.text;
        let line_start: usize = text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
        let line_text = text.get(line_start..)?.lines().next().unwrap_or_default();
        let offset = |chars: usize| line_text.char_indices().nth(chars).map_or(line_text.len(), |(at, _)| at);
        let width = carets.chars().filter(|c| *c == '^').count().max(1);
        let (from, to) = (offset(column.saturating_sub(1)), offset(column.saturating_sub(1) + width));
        Some((name.to_owned(), Span::new(line_start + from, line_start + to)))
    }

    /// An error while rendering, from its message and what stands in the template around its range.
    fn explain(&self, message: &str, source: &Arc<Source>, range: std::ops::Range<usize>) -> Diagnostic {
        let text = &*source.text;
        let end = range.end.min(text.len());
        let mut span = Span::new(range.start, end);
        if let Some((field, rest)) = message.strip_prefix("Field `").and_then(|rest| rest.split_once('`')) {
            return self.undefined_field(source, &range, field, rest);
        }
        if let Some((variable, rest)) = message.strip_prefix("Variable `").and_then(|rest| rest.split_once('`')) {
            return self.undefined_variable(variable, rest).at(source, span);
        }
        let from = tag_start(text, range.start);
        let all: Vec<Path> = paths_in(text, from).into_iter().take_while(|path| path.start() < end).collect();
        let paths = concerned(&all, text, range.start, message);
        let ours = message.strip_prefix(OURS);
        let undefined =
            ours.is_none() && message.contains("undefined") || ours.is_some_and(|m| m.ends_with("is not defined"));
        let mut subject = None;
        let mut notes = Vec::new();
        // What is undefined may stand further left: `{"a": values.x} | to_yaml`.
        let candidates = if undefined && ours.is_some() { &all } else { paths };
        for path in candidates {
            match self.resolve(path) {
                Resolved::Missing(depth) if undefined => {
                    let diagnostic = self.missing(path, depth);
                    return diagnostic.at(source, Span::new(path.start(), path.parts[depth].1.end));
                }
                Resolved::Found(value) => {
                    subject.get_or_insert(path);
                    if let Some(place) = self.origin_at(path, path.parts.len()) {
                        let kind = if value.as_str() == Some("") { "empty" } else { kind_name(&value) };
                        let message = format!("`{}` is {kind}; it was set here", path.text());
                        notes.push(Note { message, place: Some(place) });
                    }
                }
                _ => {}
            }
        }
        let message = match (ours, message.strip_prefix("Invalid type for the value, expected `")) {
            (Some(message), _) => message.to_owned(),
            (None, Some(rest)) => {
                let mut parts = rest.split('`');
                let (wanted, got) = (kind(parts.next().unwrap_or_default()), kind(parts.nth(1).unwrap_or_default()));
                match (&subject, paths.len()) {
                    (Some(path), 1) if path.start() == range.start => {
                        span = Span::new(path.start(), path.end());
                        format!("`{}` should be {wanted}, it is {got}", path.text())
                    }
                    _ => format!("this should be {wanted}, it is {got}"),
                }
            }
            (None, None) => plain(message),
        };
        if let [path] = paths
            && path.start() == range.start
            && path.end() > end
        {
            span = Span::new(path.start(), path.end());
        }
        let mut diagnostic = Diagnostic::error(message).at(source, span);
        if ours.is_none() && !notes.is_empty() {
            diagnostic.help = Some("set a value of another kind there, or convert it in the template".into());
        }
        diagnostic.notes = notes;
        diagnostic
    }

    fn undefined_variable(&self, variable: &str, rest: &str) -> Diagnostic {
        let diagnostic = Diagnostic::error(format!("`{variable}` is not defined"));
        if ["if", "else", "end", "range", "with", "define", "toYaml", "template"].contains(&variable) {
            return diagnostic.help(LOOKS_LIKE_HELM);
        }
        if rest.contains("exists but its value is undefined") {
            return diagnostic.help(format!(
                "it was set from something undefined, or a component was given nothing for `{variable}`"
            ));
        }
        let known: Vec<_> =
            rest.split("Available variables: ").nth(1).into_iter().flat_map(|list| list.split(", ")).collect();
        let root = self.live.as_ref().is_some_and(|live| live.context.contains_key(variable));
        if root && !known.contains(&variable) {
            return diagnostic.help(format!(
                "a component sees only its arguments: declare `@{variable}` to take it from the caller, or pass it"
            ));
        }
        match nearest(variable, known.iter().copied()) {
            Some(near) => diagnostic.help(format!("did you mean `{near}`?")),
            None if known.is_empty() => diagnostic,
            None => diagnostic.help(format!("known here: {}", names(known.into_iter()))),
        }
    }

    fn undefined_field(
        &self,
        source: &Arc<Source>,
        range: &std::ops::Range<usize>,
        field: &str,
        rest: &str,
    ) -> Diagnostic {
        let text = &*source.text;
        let inside = paths_in(text, tag_start(text, range.start)).into_iter().find_map(|path| {
            let depth = path.parts.iter().position(|(_, at)| at.start == range.start)?;
            Some((path, depth))
        });
        if let Some((path, depth)) = &inside
            && let Resolved::Missing(missing) = self.resolve(path)
            && missing <= *depth
        {
            return self.missing(path, missing).at(source, Span::new(path.start(), path.parts[missing].1.end));
        }
        let known: Vec<_> =
            rest.split("Available fields: ").nth(1).into_iter().flat_map(|list| list.split(", ")).collect();
        let whole = inside.map_or_else(|| field.to_owned(), |(path, depth)| path.head(depth + 1));
        let diagnostic =
            Diagnostic::error(format!("`{whole}` is not defined")).at(source, Span::new(range.start, range.end));
        match nearest(field, known.iter().copied()) {
            Some(near) => diagnostic.help(format!("did you mean `{near}`?")),
            None if known.is_empty() => diagnostic.help("what stands before it is no mapping"),
            None => diagnostic.help(format!("known here: {}", names(known.into_iter()))),
        }
    }

    /// The part of `path` at `depth` does not exist, the ones before it do.
    fn missing(&self, path: &Path, depth: usize) -> Diagnostic {
        let parent = path.head(depth);
        let wanted = path.parts[depth].0.as_str();
        let whole = path.head(depth + 1);
        let value = self.value_at(path, depth);
        let Some(map) = value.as_ref().and_then(Value::as_map) else {
            let kind = value.as_ref().map_or("undefined", kind_name);
            let mut diagnostic = Diagnostic::error(format!("`{whole}` is not defined: `{parent}` is {kind}"));
            if let Some(place) = self.origin_at(path, depth) {
                diagnostic = diagnostic.note(format!("`{parent}` was set here"), Some(place));
            }
            return diagnostic;
        };
        let mut diagnostic = Diagnostic::error(format!("`{whole}` is not defined"));
        if let Some(place) = self.origin_at(path, depth) {
            diagnostic = diagnostic.note(format!("`{parent}` was set here"), Some(place));
        }
        let keys = || map.keys().filter_map(|key| key.as_str());
        match nearest(wanted, keys()) {
            Some(near) => diagnostic.help(format!("did you mean `{parent}.{near}`?")),
            None if path.parts[0].0 == "values" => diagnostic.help(format!(
                "set it in values.yaml, or write `{whole} or …` if it may be missing; `{parent}` has {}",
                names(keys())
            )),
            None => diagnostic.help(format!("`{parent}` has {}", names(keys()))),
        }
    }

    fn resolve(&self, path: &Path) -> Resolved {
        let Some(live) = &self.live else { return Resolved::Unknown };
        if !live.context.contains_key(&path.parts[0].0) {
            return Resolved::Unknown;
        }
        match (1..path.parts.len()).find(|depth| self.value_at(path, depth + 1).is_none()) {
            Some(depth) => Resolved::Missing(depth),
            None => self.value_at(path, path.parts.len()).map_or(Resolved::Unknown, Resolved::Found),
        }
    }

    /// The value of the first `depth` parts of a path.
    fn value_at(&self, path: &Path, depth: usize) -> Option<Value> {
        let mut parts = path.parts.iter().take(depth);
        let root = self.live.as_ref()?.context.get(&parts.next()?.0)?;
        parts.try_fold(root, |at, (part, _)| at.as_map()?.get(&tera::value::Key::Str(part))).cloned()
    }

    /// Where the value of the first `depth` parts of a path was set.
    fn origin_at(&self, path: &Path, depth: usize) -> Option<Place> {
        let live = self.live.as_ref()?;
        let ((root, _), rest) = path.parts[..depth].split_first()?;
        if root != "values" || rest.is_empty() {
            return None;
        }
        let keys: Vec<&str> = live.scope.iter().copied().chain(rest.iter().map(|(part, _)| part.as_str())).collect();
        live.prepared.origin(&keys)
    }
}

enum Resolved {
    /// It begins with a variable of the template.
    Unknown,
    /// This part is the first that does not exist.
    Missing(usize),
    /// It leads to a value.
    Found(Value),
}

/// The last block that a template opens and does not end: where its keyword stands, and the keyword.
fn open_block(text: &str) -> Option<(usize, &str)> {
    const BLOCKS: [&str; 6] = ["if", "for", "block", "filter", "component", "raw"];
    let mut open = Vec::new();
    for (at, _) in text.match_indices("{%") {
        let rest = &text[at + 2..];
        let rest = rest.strip_prefix('-').unwrap_or(rest).trim_start();
        let start = text.len() - rest.len();
        let word = &rest[..rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len())];
        if BLOCKS.contains(&word) {
            open.push((start, word));
        } else if word.strip_prefix("end").is_some_and(|word| BLOCKS.contains(&word)) {
            open.pop();
        }
    }
    open.pop()
}

/// The beginning of the tag that holds an offset.
fn tag_start(text: &str, offset: usize) -> usize {
    let before = text.get(..offset.min(text.len())).unwrap_or_default();
    let open = ["{{", "{%"].iter().filter_map(|open| before.rfind(open)).max();
    open.unwrap_or(before.len())
}

/// The paths of a tag that an error is about. The range of a filter holds its arguments, but not its value, which is
/// the path before it.
fn concerned<'p>(all: &'p [Path], text: &str, start: usize, message: &str) -> &'p [Path] {
    let inside = all.iter().position(|path| path.end() > start).unwrap_or(all.len());
    let is_filter = text.get(..start).is_some_and(|before| before.trim_end().ends_with('|'));
    if is_filter && !message.contains("argument `") {
        return &all[inside.saturating_sub(1)..inside];
    }
    &all[inside.min(all.len().saturating_sub(1))..]
}

/// Names in backquotes, the first [`NAMES_MAX`] of them.
fn names<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<_> = names.collect();
    let more = names.len().saturating_sub(NAMES_MAX);
    let mut text = super::args::list(&names[..names.len() - more]);
    if names.is_empty() {
        text.push_str("nothing");
    }
    if more > 0 {
        text.push_str(&format!(" and {more} more"));
    }
    text
}

/// Tera's name of a type → ours, with its article.
fn kind(name: &str) -> &str {
    match name {
        "string" | "&str" | "String" => "text",
        "i64" | "u64" | "i128" | "u128" | "usize" => "an integer",
        "f64" | "Number" => "a number",
        "bool" => "a boolean",
        "none" => "null",
        "array" | "Vec<Value>" | "&[Value]" => "a list",
        "map/struct" | "Map" => "a mapping",
        "undefined" => "not defined",
        other => other,
    }
}

/// Tera's words in our form: no full stop, lower case, our names of types.
fn plain(message: &str) -> String {
    let message = message.strip_prefix(OURS).unwrap_or(message).trim_end().trim_end_matches('.');
    let message = &sorted_arguments(message);
    let mut out = String::with_capacity(message.len());
    for (index, part) in message.split('`').enumerate() {
        match (index % 2, kind(part)) {
            (1, name) if name != part => out.push_str(name),
            (1, part) => out.push_str(&format!("`{part}`")),
            (_, part) => out.push_str(part),
        }
    }
    let mut chars = out.chars();
    match (chars.next(), chars.next()) {
        (Some(first), Some(second)) if first.is_uppercase() && !second.is_uppercase() => {
            out.replace_range(..first.len_utf8(), &first.to_lowercase().to_string());
            out
        }
        _ => out,
    }
}

/// Tera names several unknown arguments of a component in an order that changes from run to run.
fn sorted_arguments(message: &str) -> String {
    let sorted = message.strip_prefix("Unknown argument(s) ").and_then(|rest| {
        let (names, rest) = rest.split_once(" in component call")?;
        let mut names: Vec<_> = names.split(", ").collect();
        names.sort_unstable();
        Some(format!(
            "the component has no argument {}{}",
            names.join(", "),
            rest.replace(". Possible argument(s) are: ", "; it has ")
        ))
    });
    sorted.unwrap_or_else(|| message.to_owned())
}
