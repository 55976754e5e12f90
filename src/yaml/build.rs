//! Events → [`Node`]: tags and types, keys, anchors and aliases, merge keys, duplicates.
//!
//! The rules are those of go-yaml v2 and of the conversion to JSON in sigs.k8s.io/yaml, which kubectl and Helm read with.
//! There is no recursion here, so only [`Limits::depth_max`] bounds the nesting.

use std::borrow::Cow;
use std::sync::Arc;

use super::event::{Event, Located};
use super::fault::Failure;
use super::number::go_shortest;
use super::read::{DuplicateKeys, Limits, Numbers, ReadOptions};
use super::scalar::{self, NoKey, Scalar, TAG_PREFIX};
use super::value::{Entry, HashState, Map, Node, Value};
use crate::error::{Diagnostic, Place, RuleName, Source, Span};

type HashMap<K, V> = std::collections::HashMap<K, V, HashState>;
type HashSet<T> = std::collections::HashSet<T, HashState>;

/// Builds one document.
pub(super) struct Builder<'a> {
    source: &'a Arc<Source>,
    options: &'a ReadOptions,
    warnings: Vec<Diagnostic>,
    open: Vec<Frame<'a>>,
    anchors: HashMap<u32, Anchor<'a>>,
    alias_nodes: usize,
    root: Option<Node>,
}

/// A collection that is not closed yet.
struct Frame<'a> {
    start: Span,
    /// Where the last child ends: a block has no end of its own.
    last_end: u32,
    anchor: Option<u32>,
    /// Nodes below, the aliases' included.
    nodes: usize,
    items: Items<'a>,
}

enum Items<'a> {
    Sequence(Vec<Node>),
    Mapping { map: Map, expect: Expect<'a>, merged: Merged },
}

/// The keys that merge keys have given; nearly no mapping has such.
type Merged = Option<Box<HashSet<Arc<str>>>>;

enum Expect<'a> {
    Key,
    Value(Cow<'a, str>, Span),
    /// The same after a scalar that no JSON key can be made of: go-yaml's message wants the value, too.
    NoKey(NoKey, Span),
    Merge(Span),
}

/// What an alias stands for.
enum Anchor<'a> {
    Open,
    Done { node: Node, scalar: Option<Scalar<'a>>, nodes: usize },
}

/// A node that is complete, with what its parent must know of it.
struct Complete<'a> {
    node: Node,
    /// The scalar before numbers became floats: what a key's text is made of.
    scalar: Option<Scalar<'a>>,
    /// A plain or tagged `<<`.
    is_merge_key: bool,
    is_alias: bool,
    nodes: usize,
}

impl<'a> Builder<'a> {
    pub(super) fn new(source: &'a Arc<Source>, options: &'a ReadOptions) -> Builder<'a> {
        Builder {
            source,
            options,
            warnings: Vec::new(),
            open: Vec::new(),
            anchors: HashMap::default(),
            alias_nodes: 0,
            root: None,
        }
    }

    /// Takes the next event of the document, from after its start to before its end.
    pub(super) fn event(&mut self, (event, span): Located<'a>) -> Result<(), Box<Failure>> {
        match event {
            Event::Scalar { text, tag, plain, anchor } => {
                // Who builds has told the parser to keep all texts.
                self.scalar(text.unwrap_or_default(), tag.as_deref(), plain, anchor, span)
            }
            Event::SequenceStart { anchor } => self.begin(Items::Sequence(Vec::new()), anchor, span),
            Event::MappingStart { anchor } => {
                let items = Items::Mapping { map: Map::default(), expect: Expect::Key, merged: None };
                self.begin(items, anchor, span)
            }
            Event::SequenceEnd | Event::MappingEnd => self.end(span),
            Event::Alias { anchor } => self.alias(anchor, span),
            Event::DocumentStart { .. } | Event::DocumentEnd | Event::StreamEnd => Ok(()),
        }
    }

    /// The document's root, if there was any event, and the warnings.
    pub(super) fn finish(self) -> (Option<Node>, Vec<Diagnostic>) {
        (self.root, self.warnings)
    }

    fn begin(&mut self, items: Items<'a>, anchor: Option<u32>, start: Span) -> Result<(), Box<Failure>> {
        let Limits { depth_max, .. } = self.options.limits;
        if self.open.len() >= depth_max {
            let diagnostic = Diagnostic::error(format!("the document is nested more than {depth_max} levels deep"))
                .at(self.source, start)
                .help("no Kubernetes object is nested that deep; look for an indentation that grows by mistake");
            return Err(Failure::new(format!("yaml: exceeded max depth of {depth_max}"), diagnostic));
        }
        if let Some(anchor) = anchor {
            self.anchors.insert(anchor, Anchor::Open);
        }
        self.open.push(Frame { start, last_end: start.start, anchor, nodes: 1, items });
        Ok(())
    }

    fn end(&mut self, end: Span) -> Result<(), Box<Failure>> {
        let Some(frame) = self.open.pop() else {
            return Ok(());
        };
        let end = if end.start == end.end { frame.last_end } else { end.end };
        let span = Span { start: frame.start.start, end };
        let value = match frame.items {
            Items::Sequence(items) => Value::Seq(items),
            Items::Mapping { map, .. } => Value::Map(map),
        };
        let node = Node { value, span };
        if let Some(anchor) = frame.anchor {
            self.anchors.insert(anchor, Anchor::Done { node: node.clone(), scalar: None, nodes: frame.nodes });
        }
        self.complete(Complete { node, scalar: None, is_merge_key: false, is_alias: false, nodes: frame.nodes })
    }

    fn alias(&mut self, anchor: u32, span: Span) -> Result<(), Box<Failure>> {
        let (node, scalar, nodes) = match self.anchors.get(&anchor) {
            Some(Anchor::Done { node, scalar, nodes }) => (node, scalar, *nodes),
            Some(Anchor::Open) => {
                let name = self.source.text.get(span.start as usize + 1..span.end as usize).unwrap_or_default();
                let go = format!("yaml: anchor '{name}' value contains itself");
                let diagnostic =
                    Diagnostic::error("this alias stands inside the value that it names, so it has no end")
                        .at(self.source, span)
                        .help("give the alias an anchor outside of its own value");
                return Err(Failure::new(go, diagnostic));
            }
            // The parser has numbered this anchor, and every number's node comes before its aliases.
            None => return Ok(()),
        };
        self.alias_nodes += nodes;
        let Limits { alias_nodes_max, .. } = self.options.limits;
        if self.alias_nodes > alias_nodes_max {
            let message = format!("the aliases of this document stand for more than {alias_nodes_max} values");
            let diagnostic = Diagnostic::error(message)
                .at(self.source, span)
                .help("write out what the anchors hold only where it is needed; aliases of aliases multiply");
            return Err(Failure::new("yaml: document contains excessive aliasing".into(), diagnostic));
        }
        let node = Node { value: node.value.clone(), span };
        let scalar = scalar.clone();
        self.complete(Complete { node, scalar, is_merge_key: false, is_alias: true, nodes })
    }

    fn scalar(
        &mut self,
        text: Cow<'a, str>,
        tag: Option<&str>,
        plain: bool,
        anchor: Option<u32>,
        span: Span,
    ) -> Result<(), Box<Failure>> {
        let is_merge_key = text == "<<" && (plain || tag.is_some_and(|t| t.strip_prefix(TAG_PREFIX) == Some("merge")));
        let scalar = match tag {
            None if plain => scalar::resolve(text),
            None => Scalar::Str(text),
            Some(tag) => scalar::resolve_tagged(tag, text).map_err(|wrong| {
                let diagnostic = Diagnostic::error(wrong.message).at(self.source, span);
                Failure::new(format!("yaml: {}", wrong.go), diagnostic.help("remove the tag, or mend the value"))
            })?,
        };
        let frame = self.open.last_mut();
        let mut is_key = false;
        if let Some(Frame { items: Items::Mapping { expect: expect @ Expect::Key, .. }, nodes, last_end, .. }) = frame {
            is_key = true;
            if anchor.is_none() && !is_merge_key {
                *nodes += 1;
                *last_end = span.end.max(*last_end);
                *expect = match scalar::key_text(scalar) {
                    Ok(key) => Expect::Value(key, span),
                    Err(kind) => Expect::NoKey(kind, span),
                };
                return Ok(());
            }
        }
        let mut complete =
            Complete { node: Node { value: Value::Null, span }, scalar: None, is_merge_key, is_alias: false, nodes: 1 };
        if !is_key || anchor.is_some() {
            complete.node.value = self.value(&scalar, span)?;
        }
        if let Some(anchor) = anchor {
            let done = Anchor::Done { node: complete.node.clone(), scalar: Some(scalar.clone()), nodes: 1 };
            self.anchors.insert(anchor, done);
        }
        complete.scalar = Some(scalar);
        self.complete(complete)
    }

    fn value(&self, scalar: &Scalar<'a>, span: Span) -> Result<Value, Box<Failure>> {
        let floats = self.options.numbers == Numbers::Float64;
        Ok(match scalar {
            Scalar::Null => Value::Null,
            Scalar::Bool(b) => Value::Bool(*b),
            Scalar::Int(n) if floats => Value::Float(*n as f64),
            Scalar::UInt(n) if floats => Value::Float(*n as f64),
            Scalar::Int(n) => Value::Int(*n),
            Scalar::UInt(n) => Value::UInt(*n),
            Scalar::Float(n) if n.is_finite() => Value::Float(*n),
            Scalar::Float(n) => {
                let go = if n.is_nan() {
                    "NaN"
                } else if *n > 0.0 {
                    "+Inf"
                } else {
                    "-Inf"
                };
                let message = "infinity and not-a-number cannot be said in JSON, so Kubernetes has no such values";
                let diagnostic =
                    Diagnostic::error(message).at(self.source, span).help("put it in quotes if it is meant as text");
                return Err(Failure::new(format!("json: unsupported value: {go}"), diagnostic));
            }
            Scalar::Str(text) => Value::Str(Arc::from(&**text)),
        })
    }

    /// Hands a node to the collection it stands in.
    fn complete(&mut self, done: Complete<'a>) -> Result<(), Box<Failure>> {
        let Some(frame) = self.open.last_mut() else {
            self.root = Some(done.node);
            return Ok(());
        };
        frame.nodes += done.nodes;
        frame.last_end = frame.last_end.max(done.node.span.end);
        match &mut frame.items {
            Items::Sequence(items) => {
                items.push(done.node);
                Ok(())
            }
            Items::Mapping { map, expect, merged } => {
                let span = done.node.span;
                match std::mem::replace(expect, Expect::Key) {
                    Expect::Key if done.is_merge_key => {
                        *expect = Expect::Merge(span);
                        Ok(())
                    }
                    Expect::Key => {
                        *expect = match key(self.source, done)? {
                            Ok(key) => Expect::Value(key, span),
                            Err(kind) => Expect::NoKey(kind, span),
                        };
                        Ok(())
                    }
                    Expect::NoKey(kind, key_span) => {
                        let value = if done.node.is_null() { "<nil>".into() } else { go_syntax(&done.node.value) };
                        let go = format!("unsupported map key of type: {}, value: {value}", kind.go());
                        Err(Failure::new(go, no_key(self.source, kind.name(), key_span)))
                    }
                    Expect::Value(key, key_span) => {
                        let entry = Entry { key_span, node: done.node };
                        let (index, replaced) = map.insert_full(Arc::from(key), entry);
                        let Some((Entry { key_span: first, .. }, (key, _))) = replaced.zip(map.get_index(index)) else {
                            return Ok(());
                        };
                        if merged.as_mut().is_some_and(|merged| merged.remove(&**key)) {
                            return Ok(());
                        }
                        let finding = duplicate(self.source, key, key_span, first, self.options.duplicate_keys);
                        if self.options.duplicate_keys == DuplicateKeys::Error {
                            let go = format!("yaml: unmarshal errors:\n  key {key:?} already set in map");
                            return Err(Failure::new(go, finding));
                        }
                        self.warnings.push(finding);
                        Ok(())
                    }
                    Expect::Merge(at) => merge(self.source, map, merged, done, at, &mut self.warnings),
                }
            }
        }
    }
}

/// The text of a key; `Ok(Err(_))` for a scalar that cannot be one.
fn key<'a>(source: &Arc<Source>, done: Complete<'a>) -> Result<Result<Cow<'a, str>, NoKey>, Box<Failure>> {
    let Some(scalar) = done.scalar else {
        let go = format!("yaml: invalid map key: {}", go_syntax(&done.node.value));
        return Err(Failure::new(go, no_key(source, done.node.value.kind_name(), done.node.span)));
    };
    Ok(scalar::key_text(scalar))
}

fn no_key(source: &Arc<Source>, what: &str, span: Span) -> Diagnostic {
    let start = span.start as usize;
    let braces = source.text.get(start..).is_some_and(|t| t.starts_with("{{"))
        || source.text.get(..start).is_some_and(|t| t.ends_with('{') && source.text[start..].starts_with('{'));
    if braces {
        return Diagnostic::error("`{{` outside of quotes begins a mapping inside a mapping")
            .at(source, Span::new(start - usize::from(!source.text[start..].starts_with("{{")), start + 1))
            .help("put the value in quotes; or, if a template was meant, this text is not rendered as one");
    }
    Diagnostic::error(format!("{what} cannot be a key"))
        .at(source, span)
        .help("a key is a text, a number or a boolean; put it in quotes if it is meant as text")
}

fn duplicate(source: &Arc<Source>, key: &str, second: Span, first: Span, rule: DuplicateKeys) -> Diagnostic {
    let place = Some(Place { source: source.clone(), span: first });
    let finding = match rule {
        DuplicateKeys::Error => Diagnostic::error(format!("the key `{key}` stands twice in this mapping"))
            .at(source, second)
            .note("the first one is here", place)
            .help("remove one of them"),
        DuplicateKeys::LastWins => {
            Diagnostic::warning(format!("the key `{key}` stands twice in this mapping; the last one counts"))
                .at(source, second)
                .note("this one is ignored", place)
                .help("remove one of them")
        }
    };
    finding.rule(RuleName::DuplicateKey)
}

fn merge<'a>(
    source: &Arc<Source>,
    map: &mut Map,
    merged: &mut Merged,
    done: Complete<'a>,
    at: Span,
    warnings: &mut Vec<Diagnostic>,
) -> Result<(), Box<Failure>> {
    let span = done.node.span;
    let maps: Vec<Map> = match done.node.value {
        Value::Map(one) => vec![one],
        Value::Seq(items) if !done.is_alias => {
            // The earlier ones count more, so they come last.
            let maps: Option<Vec<Map>> =
                items.into_iter().rev().map(|n| if let Value::Map(m) = n.value { Some(m) } else { None }).collect();
            maps.ok_or_else(|| refuse_merge(source, span))?
        }
        _ => return Err(refuse_merge(source, span)),
    };
    let merged = merged.get_or_insert_default();
    for (key, entry) in maps.into_iter().flatten() {
        match map.get_mut(&key) {
            Some(found) if !merged.contains(&key) => {
                warnings.push(
                    Diagnostic::warning(format!(
                        "the merge key replaces `{key}`, which this mapping has given already"
                    ))
                    .at(source, at)
                    .note("this value is lost", Some(Place { source: source.clone(), span: found.key_span }))
                    .help("go-yaml, and so Helm and kubectl, read it that way; put `<<` first in the mapping"),
                );
                *found = entry;
            }
            _ => {
                map.insert(key.clone(), entry);
            }
        }
        merged.insert(key);
    }
    Ok(())
}

fn refuse_merge(source: &Arc<Source>, span: Span) -> Box<Failure> {
    let diagnostic = Diagnostic::error("a merge key `<<` wants a mapping, or a list of mappings")
        .at(source, span)
        .help("give it an alias of a mapping: `<<: *name`");
    Failure::new("yaml: map merge requires map or sequence of maps as the value".into(), diagnostic)
}

/// A value as Go's `%#v` shows it; only go-yaml's messages about keys need it.
fn go_syntax(value: &Value) -> String {
    match value {
        Value::Null => "interface {}(nil)".into(),
        Value::Bool(b) => b.to_string(),
        Value::Int(n) => n.to_string(),
        Value::UInt(n) => format!("0x{n:x}"),
        Value::Float(n) => {
            let mut text = String::new();
            go_shortest(*n, &mut text);
            text
        }
        Value::Str(text) => format!("{text:?}"),
        Value::Seq(items) => {
            let items: Vec<String> = items.iter().map(|item| go_syntax(&item.value)).collect();
            format!("[]interface {{}}{{{}}}", items.join(", "))
        }
        Value::Map(map) => {
            let mut entries: Vec<String> =
                map.iter().map(|(key, entry)| format!("{key:?}:{}", go_syntax(&entry.node.value))).collect();
            entries.sort_unstable();
            format!("map[interface {{}}]interface {{}}{{{}}}", entries.join(", "))
        }
    }
}
