//! A template's error → a diagnostic: the place, the chain of includes, where the wrong value was set, and what the
//! author may have meant.

use std::collections::HashSet;
use std::rc::Rc;
use std::sync::Arc;

use super::explain;
use crate::error::{Diagnostic, Place, Source, Span, nearest};
use crate::gotmpl::{
    self, Culprit, Error, Frame, FrameKind, Functions, Map, ParseError, Site, TPL_NAME, TemplateSet, Text, Value,
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
        let text: &str = &error.site.text.text;
        let before = text.get(..error.site.span.end as usize).unwrap_or_default();
        let is_set = error.culprit.as_ref().map(|culprit| culprit.map.entries.borrow().contains_key(&culprit.key));
        let message = match error.function {
            // What these say is the chart's author's own sentence.
            Some("fail" | "required") => error.message.clone(),
            function => match (explain::in_words(&error.message, before, is_set), function) {
                (Some(words), _) => words,
                (None, Some(function)) => format!("error calling {function}: {}", error.message),
                (None, None) => error.message.clone(),
            },
        };
        let mut place = self.place(&error.site);
        if let Some(name) = explain::missing_template(&error.message)
            && let Some(at) = error.site.span.of(text).find(&format!("{name:?}"))
        {
            let start = place.span.start as usize + at;
            place.span = Span::new(start, start + name.len() + 2);
        }
        let mut diagnostic = Diagnostic::error(message).at(&place.source, place.span);
        diagnostic = self.origin_of_tpl(diagnostic, &error.site);
        diagnostic = self.chain(diagnostic, &error.frames);
        if let Some(help) = explain::lost_root(&error.message, before) {
            return diagnostic.help(help);
        }
        if let Some(culprit) = &error.culprit {
            diagnostic = self.blame(diagnostic, error, culprit, scope);
        }
        if let Some((name, known)) = &error.unknown_field {
            let near = nearest(name, known.iter().map(String::as_str));
            let help = match near {
                Some(near) => format!("did you mean `.{near}`?"),
                None => format!("it has {}", known.join(", ")),
            };
            diagnostic = diagnostic.help(help);
        }
        if diagnostic.help.is_none() {
            diagnostic.help = self.advice(error, scope);
        }
        diagnostic
    }

    /// The calls that led to an error, nearest first: each once however often it stands behind itself, and of a long
    /// chain its two ends.
    fn chain(&self, mut diagnostic: Diagnostic, frames: &[Frame]) -> Diagnostic {
        /// How many calls are shown.
        const SHOWN_MAX: usize = 6;
        let is_same = |a: &Frame, b: &Frame| {
            a.kind == b.kind && a.site.span == b.site.span && Arc::ptr_eq(&a.site.text, &b.site.text)
        };
        let runs: Vec<&[Frame]> = frames.chunk_by(is_same).collect();
        let left_out = if runs.len() > SHOWN_MAX { SHOWN_MAX / 2..runs.len() - SHOWN_MAX / 2 } else { 0..0 };
        for (i, run) in runs.iter().enumerate() {
            if left_out.contains(&i) {
                if i == left_out.start {
                    diagnostic = diagnostic.note(format!("{} more calls between", left_out.len()), None);
                }
                continue;
            }
            let frame = &run[0];
            let mut message = match &frame.kind {
                FrameKind::Include(name) | FrameKind::Template(name) => format!("{name:?} is included here"),
                FrameKind::Tpl => "the text is rendered by tpl here".into(),
            };
            if run.len() > 1 {
                message += &format!(", {} times in one another", run.len());
            }
            diagnostic = diagnostic.note(message, Some(self.place(&frame.site)));
            diagnostic = self.origin_of_tpl(diagnostic, &frame.site);
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
    fn advice(&self, error: &Error, scope: &Map) -> Option<String> {
        if error.function == Some("fail") {
            return Some("the chart refuses these values on purpose: the condition stands above this line".into());
        }
        if let Some(name) = explain::missing_template(&error.message)
            && let Some(near) = nearest(name, self.templates.names())
        {
            return Some(format!("did you mean {near:?}?"));
        }
        let (path, value) = match &error.culprit {
            Some(culprit) => (self.own_path(culprit, scope), culprit.map.get(&culprit.key)),
            None => (None, None),
        };
        let text = error.site.span.of(&error.site.text.text);
        explain::advice(&error.message, text, path.as_deref(), value.as_ref())
    }

    /// The path of an entry as a template of the chart writes it: `.Values.image.tag`.
    fn own_path(&self, culprit: &Culprit, scope: &Map) -> Option<String> {
        let values = scope.get("Values").filter(|values| matches!(values, Value::Map(_)))?;
        let path = find_map(&values, &culprit.map)?;
        let keys: Vec<&str> = path.iter().map(|key| &**key).chain([&*culprit.key]).collect();
        Some(format!(".Values.{}", keys.join(".")))
    }

    /// The diagnostic's place of a site.
    pub(super) fn place(&self, site: &Site) -> Place {
        let known = self.sources.iter().find(|source| source.text.is(&site.text.text));
        let source = known.map_or_else(|| source_of_tpl(&site.text), |source| Arc::clone(source));
        Place { source, span: span(site.span) }
    }

    fn blame(&self, diagnostic: Diagnostic, error: &Error, culprit: &Culprit, scope: &Map) -> Diagnostic {
        let field = error.message.strip_prefix("nil pointer evaluating ").and_then(|rest| rest.rsplit_once('.'));
        let field = field.map(|(_, field)| field);
        let key = &*culprit.key;
        let is_set = culprit.map.entries.borrow().contains_key(key);
        let path = find_map(&Value::Map(self.values.clone()), &culprit.map);
        let mut diagnostic = diagnostic;
        if let Some(path) = &path {
            let full: Vec<&str> = path.iter().map(|key| &**key).chain([key]).collect();
            let (depth, origin) = (1..=full.len())
                .rev()
                .find_map(|depth| Some((depth, self.prepared.origin(&full[..depth])?)))
                .map_or((0, None), |(depth, place)| (depth, Some(place)));
            if origin.is_some() {
                diagnostic = diagnostic.note(format!("`{}` was set here", full[..depth].join(".")), origin);
            }
        }
        if is_set {
            return diagnostic;
        }
        let entries = culprit.map.entries.borrow();
        let own = self.own_path(culprit, scope);
        if let Some(near) = nearest(key, entries.keys().map(|key| &**key)) {
            let owner = own.as_deref().and_then(|own| own.strip_suffix(key)).unwrap_or(".");
            return diagnostic.help(format!("did you mean `{owner}{near}`?"));
        }
        let (Some(path), Some(own)) = (path, own) else { return diagnostic };
        let full: Vec<&str> = path.iter().map(|key| &**key).chain([key]).collect();
        let full = full.join(".");
        diagnostic.help(match field {
            Some(field) => {
                format!("set `{full}.{field}` in the release's values, or look first: {{{{ with {own} }}}}")
            }
            None => format!("set `{full}` in the release's values"),
        })
    }
}

/// The diagnostic of a template that Go would not parse.
pub(super) fn parse_diagnostic(error: &ParseError, source: &Arc<Source>, functions: &Functions) -> Diagnostic {
    let at = |message: String, wanted: Span| Diagnostic::error(message).at(source, wanted);
    let mut diagnostic = match error.opened {
        // The end of the file tells nothing.
        Some(opened) if error.message == "unexpected EOF" => {
            let keyword = opened.of(&source.text).split_whitespace().next().unwrap_or_default();
            at(format!("this `{keyword}` has no {{{{ end }}}} (unexpected EOF)"), span(opened))
        }
        Some(opened) => {
            let place = Place { source: source.clone(), span: span(opened) };
            at(error.message.clone(), span(error.site.span)).note("this action has no {{ end }}", Some(place))
        }
        None => at(error.message.clone(), span(error.site.span)),
    };
    if error.message == "unclosed left paren"
        && let Some(open) = open_parenthesis(source.text.get(..error.site.span.start as usize).unwrap_or_default())
    {
        diagnostic = diagnostic.at(source, Span::new(open, open + 1));
    }
    diagnostic.help = explain::parse_advice(&error.message, functions);
    diagnostic
}

/// Where the innermost parenthesis stands that the last action of a text leaves open.
fn open_parenthesis(text: &str) -> Option<usize> {
    let start = text.rfind("{{")?;
    let (mut open, mut quote, mut is_escaped) = (Vec::new(), None, false);
    for (at, byte) in text.bytes().enumerate().skip(start) {
        match (quote, byte) {
            _ if is_escaped => is_escaped = false,
            (Some(b'"'), b'\\') => is_escaped = true,
            (Some(mark), _) if mark == byte => quote = None,
            (Some(_), _) => {}
            (None, b'"' | b'`') => quote = Some(byte),
            (None, b'(') => open.push(at),
            (None, b')') => drop(open.pop()),
            _ => {}
        }
    }
    open.pop()
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
