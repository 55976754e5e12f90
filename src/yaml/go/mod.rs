//! YAML text as Go's libraries write it: Helm's `toYaml` and `toYamlPretty`, byte for byte.
//!
//! In: a walk over a value, one call per node, so that any data model can drive it without a copy. Out: the text, with
//! its last line feed (Helm's functions cut that off). Keys must come in the order of [`Style::natural_less`].
//! Absent on purpose: comments, anchors and tags, which values do not have.

mod analyse;
mod from;
mod order;
mod scalar;

use super::number::{go_json, go_shortest};
use super::value::{Node, Value};
pub(super) use analyse::is_base_60;
use analyse::{Analysis, json_text};
pub use from::{from_yaml, from_yaml_array};

/// Whose text it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// Helm's `toYaml`: the value as JSON, read and written by go-yaml v2. Lines fold after 80 columns; the items of a
    /// list stand in the column of its key.
    ToYaml,
    /// Helm's `toYamlPretty`: go-yaml v3's encoder with an indent of 2. No line folds; lists are indented.
    Pretty,
}

/// `toYaml` cannot write this value; Helm's function returns nothing then, silently. Either JSON has no word for it
/// (infinity), or go-yaml refuses to read the JSON (control characters, keys of more than 1,024 characters).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refused;

/// Writes one document.
#[derive(Debug)]
pub struct Emitter<'o> {
    out: &'o mut String,
    style: Style,
    /// Characters since the last line break.
    column: usize,
    /// Whether the last thing written was a blank or a line's indentation.
    whitespace: bool,
    /// Whether only indentation and `-`, `?`, `:` stand in this line so far.
    indention: bool,
    open: Vec<Frame>,
    refused: bool,
}

/// What lines are indented with.
const SPACES: &str = "                                                                ";

#[derive(Debug)]
struct Frame {
    indent: usize,
    kind: Kind,
}

#[derive(Debug, PartialEq)]
enum Kind {
    Sequence,
    Mapping,
    /// Written as `[]` or `{}`.
    Empty,
}

/// Where a node stands.
#[derive(PartialEq)]
enum Context {
    Root,
    Item,
    Value,
}

impl<'o> Emitter<'o> {
    /// An emitter that appends one document to `out`.
    pub fn new(out: &'o mut String, style: Style) -> Emitter<'o> {
        Emitter { out, style, column: 0, whitespace: true, indention: true, open: Vec::new(), refused: false }
    }

    /// Begins a mapping of `len` entries: for each, [`Emitter::key`] and a value; then [`Emitter::end`].
    pub fn map(&mut self, len: usize) {
        self.begin(if len == 0 { Kind::Empty } else { Kind::Mapping }, "{}");
    }

    /// Begins a sequence of `len` items; then [`Emitter::end`].
    pub fn seq(&mut self, len: usize) {
        self.begin(if len == 0 { Kind::Empty } else { Kind::Sequence }, "[]");
    }

    /// Ends the innermost mapping or sequence.
    pub fn end(&mut self) {
        self.open.pop();
    }

    /// The key of the next entry.
    pub fn key(&mut self, key: &str) {
        let text = match self.style {
            Style::Pretty => std::borrow::Cow::Borrowed(key),
            Style::ToYaml => match json_text(key, true) {
                Some(text) => text,
                None => return self.refuse(),
            },
        };
        let indent = self.indent();
        self.write_indent(indent);
        let analysis = Analysis::of(&text);
        if analysis.is_simple_key(&text) {
            self.write_scalar(&text, &analysis, true, indent + 2);
            self.write_indicator(":", false, false, false);
        } else {
            self.write_indicator("?", true, false, true);
            self.write_scalar(&text, &analysis, false, indent + 2);
            self.write_indent(indent);
            self.write_indicator(":", true, false, true);
        }
    }

    /// A text.
    pub fn str(&mut self, text: &str) {
        let text = match self.style {
            Style::Pretty => std::borrow::Cow::Borrowed(text),
            Style::ToYaml => match json_text(text, false) {
                Some(text) => text,
                None => return self.refuse(),
            },
        };
        self.node();
        let indent = self.scalar_indent();
        self.write_scalar(&text, &Analysis::of(&text), false, indent);
    }

    /// A boolean.
    pub fn bool(&mut self, value: bool) {
        self.plain(if value { "true" } else { "false" });
    }

    /// An integer.
    pub fn int(&mut self, value: i64) {
        self.node();
        self.display(value);
    }

    /// An integer above 2^63.
    pub fn uint(&mut self, value: u64) {
        self.node();
        self.display(value);
    }

    /// A float. `toYaml` writes one without a fraction as an integer, since JSON does not tell them apart.
    pub fn float(&mut self, value: f64) {
        if !value.is_finite() {
            return match self.style {
                Style::ToYaml => self.refuse(),
                Style::Pretty if value.is_nan() => self.plain(".nan"),
                Style::Pretty => self.plain(if value > 0.0 { ".inf" } else { "-.inf" }),
            };
        }
        let mut text = String::new();
        match self.style {
            Style::ToYaml => {
                go_json(value, &mut text);
                match super::scalar::resolve_kind(&text) {
                    Some(super::scalar::Scalar::Int(n)) => return self.int(n),
                    Some(super::scalar::Scalar::UInt(n)) => return self.uint(n),
                    _ => {}
                }
                text.clear();
                go_shortest(value, &mut text);
            }
            Style::Pretty => go_shortest(value, &mut text),
        }
        self.plain(&text);
    }

    /// Null, and whatever is nil in Go.
    pub fn null(&mut self) {
        self.plain("null");
    }

    /// Ends the document.
    ///
    /// # Errors
    /// See [`Refused`]; what was appended is to be thrown away then.
    pub fn finish(mut self) -> Result<(), Refused> {
        if self.refused {
            return Err(Refused);
        }
        self.write_indent(0);
        Ok(())
    }

    fn refuse(&mut self) {
        self.refused = true;
    }

    fn context(&self) -> Context {
        match self.open.last() {
            None => Context::Root,
            Some(Frame { kind: Kind::Mapping, .. }) => Context::Value,
            Some(_) => Context::Item,
        }
    }

    fn indent(&self) -> usize {
        self.open.last().map_or(0, |frame| frame.indent)
    }

    /// Before any node: what belongs to the collection it stands in.
    fn node(&mut self) {
        if self.context() == Context::Item {
            let indent = self.indent();
            self.write_indent(indent);
            self.write_indicator("-", true, false, true);
        }
    }

    fn begin(&mut self, kind: Kind, empty: &str) {
        let context = self.context();
        self.node();
        let indent = match (&context, &kind) {
            (Context::Root, _) => 0,
            (Context::Value, Kind::Sequence) if self.style == Style::ToYaml && !self.indention => self.indent(),
            _ => self.indent() + 2,
        };
        if kind == Kind::Empty {
            self.write_indicator(empty, true, false, false);
        }
        self.open.push(Frame { indent, kind });
    }

    /// The column of the further lines of a scalar that stands here.
    fn scalar_indent(&self) -> usize {
        if self.open.is_empty() { 2 } else { self.indent() + 2 }
    }

    fn plain(&mut self, text: &str) {
        self.node();
        self.blank();
        self.out.push_str(text);
        self.after_word(text.len());
    }

    fn display(&mut self, value: impl std::fmt::Display) {
        self.blank();
        let before = self.out.len();
        let _ = std::fmt::Write::write_fmt(self.out, format_args!("{value}"));
        self.after_word(self.out.len() - before);
    }

    fn blank(&mut self) {
        if !self.whitespace {
            self.out.push(' ');
            self.column += 1;
        }
    }

    fn after_word(&mut self, width: usize) {
        self.column += width;
        self.whitespace = false;
        self.indention = false;
    }

    fn write_indicator(&mut self, text: &str, blank_before: bool, is_whitespace: bool, is_indention: bool) {
        if blank_before {
            self.blank();
        }
        self.out.push_str(text);
        self.column += text.len();
        self.whitespace = is_whitespace;
        self.indention = self.indention && is_indention;
    }

    fn write_indent(&mut self, indent: usize) {
        if !self.indention || self.column > indent || (self.column == indent && !self.whitespace) {
            self.line_feed();
        }
        while self.column < indent {
            let spaces = SPACES.len().min(indent - self.column);
            self.out.push_str(&SPACES[..spaces]);
            self.column += spaces;
        }
        self.whitespace = true;
        self.indention = true;
    }

    fn line_feed(&mut self) {
        self.out.push('\n');
        self.column = 0;
        if self.style == Style::Pretty {
            self.indention = true;
        }
    }
}

impl Style {
    /// Whether key `a` comes before key `b`: numbers inside of texts by their value, letters after what is none. Sort with
    /// [`Style::sort_keys`]: this is no total order, and `sort_by` may panic on such a one.
    pub fn natural_less(self, a: &str, b: &str) -> bool {
        order::less(self, a, b)
    }

    /// Sorts entries by their keys. go-yaml's order is none for some keys (a19 < a1b < a001a < a19), where Go's own
    /// result is a matter of chance; here it is always the same for the same keys, in whatever order they come.
    pub fn sort_keys<T>(self, entries: &mut Vec<T>, key: impl Fn(&T) -> &str) {
        order::sort(entries, |a, b| key(a).cmp(key(b)).is_lt());
        order::sort(entries, |a, b| self.natural_less(key(a), key(b)));
    }
}

/// The text of a value, its keys sorted, with its last line feed.
///
/// # Errors
/// See [`Refused`].
pub fn to_string(value: &Value, style: Style) -> Result<String, Refused> {
    let mut out = String::new();
    let mut emitter = Emitter::new(&mut out, style);
    walk(&mut emitter, value);
    emitter.finish()?;
    Ok(out)
}

fn walk(emitter: &mut Emitter<'_>, value: &Value) {
    match value {
        Value::Null => emitter.null(),
        Value::Bool(b) => emitter.bool(*b),
        Value::Int(n) => emitter.int(*n),
        Value::UInt(n) => emitter.uint(*n),
        Value::Float(n) => emitter.float(*n),
        Value::Str(text) => emitter.str(text),
        Value::Seq(items) => {
            emitter.seq(items.len());
            items.iter().for_each(|Node { value, .. }| walk(emitter, value));
            emitter.end();
        }
        Value::Map(map) => {
            let mut entries: Vec<_> = map.iter().collect();
            emitter.style.sort_keys(&mut entries, |entry| entry.0);
            emitter.map(entries.len());
            for (key, entry) in entries {
                emitter.key(key);
                walk(emitter, &entry.node.value);
            }
            emitter.end();
        }
    }
}
