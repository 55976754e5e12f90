//! A template's error → a diagnostic: the place, the chain of includes, where the wrong value was set, and what the
//! author may have meant.

use std::collections::HashSet;
use std::rc::Rc;
use std::sync::Arc;

use crate::error::{Diagnostic, Place, Source, Span, nearest};
use crate::gotmpl::{
    self, Culprit, Error, FrameKind, Functions, Map, ParseError, Site, TPL_NAME, TemplateSet, Text, Value,
};
use crate::values::Prepared;

/// What errors are explained with.
pub(super) struct Context<'a> {
    /// The sources of the templates, each with the text it was parsed from.
    pub(super) sources: Vec<&'a Arc<Source>>,
    /// The templates that can be included.
    pub(super) templates: Arc<TemplateSet>,
    /// The values of the release.
    pub(super) prepared: &'a Prepared,
    /// `.Values` of the top chart, as templates left it.
    pub(super) values: Map,
}

impl Context<'_> {
    /// The diagnostic of an error in a template that runs in `scope` (`.` of its chart).
    pub(super) fn diagnostic(&self, error: &Error, scope: &Map) -> Diagnostic {
        let message = match error.function {
            // What these say is the chart's author's own sentence.
            Some("fail" | "required") | None => error.message.clone(),
            Some(function) => format!("error calling {function}: {}", error.message),
        };
        let place = self.place(&error.site);
        let mut diagnostic = Diagnostic::error(message).at(&place.source, place.span);
        diagnostic = self.origin_of_tpl(diagnostic, &error.site);
        for frame in &error.frames {
            let message = match &frame.kind {
                FrameKind::Include(name) | FrameKind::Template(name) => format!("{name:?} is included here"),
                FrameKind::Tpl => "the text is rendered by tpl here".into(),
            };
            diagnostic = diagnostic.note(message, Some(self.place(&frame.site)));
            diagnostic = self.origin_of_tpl(diagnostic, &frame.site);
        }
        if let Some(culprit) = &error.culprit {
            diagnostic = self.blame(diagnostic, culprit, scope);
        }
        if let Some((name, known)) = &error.unknown_field {
            let near = nearest(name, known.iter().map(String::as_str));
            diagnostic.help = near.map(|near| format!("did you mean `.{near}`?"));
        }
        if diagnostic.help.is_none() {
            diagnostic.help = self.advice(&error.message);
        }
        diagnostic
    }

    /// Says where a text that `tpl` renders was set, if it is a value as it was written.
    fn origin_of_tpl(&self, diagnostic: Diagnostic, site: &Site) -> Diagnostic {
        if *site.text.name != *TPL_NAME {
            return diagnostic;
        }
        let is_text = |value: &Value| matches!(value, Value::Str(text) if Arc::ptr_eq(text, &site.text.text));
        let Some(path) = find(&Value::Map(self.values.clone()), &is_text) else { return diagnostic };
        let path: Vec<&str> = path.iter().map(|key| &**key).collect();
        match self.prepared.origin(&path) {
            Some(origin) => diagnostic.note("this text was set here", Some(origin)),
            None => diagnostic,
        }
    }

    /// What helps against the mistakes that Go's message names but does not explain.
    fn advice(&self, message: &str) -> Option<String> {
        if let Some(types) = message.strip_prefix("incompatible types for comparison: ") {
            return match types.split_once(" and ") {
                Some(("float64", "int") | ("int", "float64")) => Some(
                    "numbers in values are float64, numbers in templates int: compare `int .Values.x` with the other"
                        .into(),
                ),
                Some(("float64" | "int" | "int64" | "bool", "string") | ("string", _)) => {
                    Some("compare texts: put `toString` before the one that is none".into())
                }
                _ => None,
            };
        }
        if message == "wrong type for value; expected string; got float64" {
            return Some("quote the number where it is set, or convert it here with `toString`".into());
        }
        let name = message.strip_prefix("no template ").or_else(|| message.strip_prefix("template "))?;
        let name = name.strip_prefix('"')?.split_once('"')?.0;
        Some(match nearest(name, self.templates.names()) {
            Some(near) => format!("did you mean {near:?}?"),
            None => format!("no file below templates/ of the chart or its subcharts has {{{{ define {name:?} }}}}"),
        })
    }

    /// The diagnostic's place of a site.
    pub(super) fn place(&self, site: &Site) -> Place {
        let known = self.sources.iter().find(|source| Arc::ptr_eq(&source.text, &site.text.text));
        let source = known.map_or_else(|| source_of_tpl(&site.text), |source| Arc::clone(source));
        Place { source, span: span(site.span) }
    }

    fn blame(&self, diagnostic: Diagnostic, culprit: &Culprit, scope: &Map) -> Diagnostic {
        let key = &*culprit.key;
        let is_set = culprit.map.entries.borrow().contains_key(key);
        let path = find_map(&Value::Map(self.values.clone()), &culprit.map);
        // The chart's own view of its values, for what the author of the template would write.
        let own = match scope.get("Values") {
            Some(values @ Value::Map(_)) => find_map(&values, &culprit.map),
            _ => None,
        };
        let mut diagnostic = diagnostic;
        if let Some(path) = &path {
            let full: Vec<&str> = path.iter().map(|key| &**key).chain([key]).collect();
            let (depth, origin) = (1..=full.len())
                .rev()
                .find_map(|depth| Some((depth, self.prepared.origin(&full[..depth])?)))
                .map_or((0, None), |(depth, place)| (depth, Some(place)));
            if origin.is_some() {
                let message = if depth == full.len() {
                    "the value was set here".to_owned()
                } else {
                    format!("`{}` was set here", full[..depth].join("."))
                };
                diagnostic = diagnostic.note(message, origin);
            }
        }
        if is_set {
            return diagnostic;
        }
        let show = |key: &str| match &own {
            Some(path) => {
                format!(".Values.{}", path.iter().map(|key| &**key).chain([key]).collect::<Vec<_>>().join("."))
            }
            None => format!(".{key}"),
        };
        let entries = culprit.map.entries.borrow();
        if let Some(near) = nearest(key, entries.keys().map(|key| &**key)) {
            return diagnostic.help(format!("did you mean `{}`?", show(near)));
        }
        match own {
            Some(_) => diagnostic.help(format!("`{}` is not set; set it in the release's values", show(key))),
            None => diagnostic,
        }
    }
}

/// The diagnostic of a template that Go would not parse.
pub(super) fn parse_diagnostic(error: &ParseError, source: &Arc<Source>, functions: &Functions) -> Diagnostic {
    let mut diagnostic = Diagnostic::error(error.message.clone()).at(source, span(error.site.span));
    if let Some(opened) = error.opened {
        let place = Place { source: source.clone(), span: span(opened) };
        diagnostic = diagnostic.note("this action has no {{ end }}", Some(place));
    }
    let name = error.message.strip_prefix("function \"").and_then(|rest| rest.strip_suffix("\" not defined"));
    if let Some(near) = name.and_then(|name| nearest(name, functions.names())) {
        diagnostic = diagnostic.help(format!("did you mean `{near}`?"));
    }
    diagnostic
}

fn span(span: gotmpl::Span) -> Span {
    Span { start: span.start, end: span.end }
}

/// A text that only `tpl` saw: it stands in no file.
fn source_of_tpl(text: &Text) -> Arc<Source> {
    let name = if *text.name == *TPL_NAME { "text given to tpl" } else { &text.name };
    Source::new(name, text.text.clone())
}

/// The path of the first value below `value` that is the wanted one; elements of lists are named by their index.
fn find(value: &Value, is_wanted: &dyn Fn(&Value) -> bool) -> Option<Vec<Arc<str>>> {
    /// Templates can make values of any depth, and maps that hold themselves.
    const DEPTH_MAX: usize = 200;
    struct Search<'a> {
        is_wanted: &'a dyn Fn(&Value) -> bool,
        seen: HashSet<*const ()>,
        path: Vec<Arc<str>>,
    }
    impl Search<'_> {
        fn enter(&mut self, key: Arc<str>, value: &Value) -> bool {
            self.path.push(key);
            let found = self.search(value);
            if !found {
                self.path.pop();
            }
            found
        }
        fn search(&mut self, value: &Value) -> bool {
            if (self.is_wanted)(value) {
                return true;
            }
            match value {
                Value::Map(map) => {
                    self.path.len() < DEPTH_MAX
                        && self.seen.insert(Rc::as_ptr(&map.entries).cast())
                        && map.entries.borrow().iter().any(|(key, value)| self.enter(key.clone(), value))
                }
                Value::List(list) => {
                    let mut items = list.items.iter().enumerate();
                    self.path.len() < DEPTH_MAX && items.any(|(i, item)| self.enter(i.to_string().into(), item))
                }
                _ => false,
            }
        }
    }
    let mut search = Search { is_wanted, seen: HashSet::new(), path: Vec::new() };
    search.search(value).then_some(search.path)
}

/// The path of a map below a value, by identity.
fn find_map(value: &Value, wanted: &Map) -> Option<Vec<Arc<str>>> {
    find(value, &|value| matches!(value, Value::Map(map) if map.same(wanted)))
}
