//! Text → [`Document`]s: the entry points, their options and limits.

use std::sync::Arc;

use super::build::Builder;
use super::event::Event;
use super::fault::Failure;
use super::parse::Parser;
use super::value::{Node, Value};
use crate::error::{Diagnostic, Place, Source, Span};

/// The largest text that is read, in bytes.
pub const BYTES_MAX: usize = 64 << 20;
/// How deep collections may be nested. Everything that walks a tree may recurse: at this depth it fits in a test thread's stack.
pub const DEPTH_MAX: usize = 500;
/// How many values all aliases of one document may stand for.
pub const ALIAS_NODES_MAX: usize = 400_000;
/// How many documents one stream may hold.
pub const DOCUMENTS_MAX: usize = 100_000;

/// How YAML is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ReadOptions {
    /// What numbers become.
    pub numbers: Numbers,
    /// What a key that stands twice in a mapping means.
    pub duplicate_keys: DuplicateKeys,
    /// Where reading stops.
    pub limits: Limits,
}

/// What numbers become.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Numbers {
    /// Integers stay exact, up to 18446744073709551615.
    #[default]
    Exact,
    /// Every number is a 64-bit float, as in Helm's values.
    Float64,
}

/// What a key that stands twice in a mapping means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DuplicateKeys {
    /// The last one counts, as for Helm and kubectl; a warning shows both.
    #[default]
    LastWins,
    /// An error that shows both.
    Error,
}

/// Where reading stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a text; [`BYTES_MAX`] by default.
    pub bytes_max: usize,
    /// Levels of nesting; [`DEPTH_MAX`] by default.
    pub depth_max: usize,
    /// Values that the aliases of a document stand for; [`ALIAS_NODES_MAX`] by default.
    pub alias_nodes_max: usize,
    /// Documents of a stream; [`DOCUMENTS_MAX`] by default.
    pub documents_max: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            bytes_max: BYTES_MAX,
            depth_max: DEPTH_MAX,
            alias_nodes_max: ALIAS_NODES_MAX,
            documents_max: DOCUMENTS_MAX,
        }
    }
}

/// What was read.
#[derive(Debug, Clone)]
pub struct Document {
    /// The root; [`Value::Null`] where there is none.
    pub node: Node,
    /// Whether the text holds no node at all, only comments and blanks (or nothing). A `null` or `~` that is written is a node.
    pub is_empty: bool,
    /// Findings that refuse nothing: duplicate keys, merge keys that come too late, text after the document.
    pub warnings: Vec<Diagnostic>,
}

/// Reads a text that should hold one document. Of several only the first is read, as Helm and kubectl's library do
/// it with values files; a warning says so. A text without a document is null.
///
/// # Errors
/// The first place where the text is no YAML, or passes a limit.
pub fn read(source: &Arc<Source>, options: &ReadOptions) -> Result<Document, Diagnostic> {
    read_part(source, Span::new(0, source.text.len()), options)
}

/// Reads one document from a part of a text; spans count from the beginning of the whole text.
///
/// # Errors
/// As for [`read`].
pub fn read_part(source: &Arc<Source>, span: Span, options: &ReadOptions) -> Result<Document, Diagnostic> {
    read_first(source, span, options).map_err(|failure| failure.diagnostic)
}

/// Reads all documents of a stream. One that holds nothing but comments has [`Document::is_empty`] set.
///
/// # Errors
/// The first place where the text is no YAML, or passes a limit.
pub fn read_all(source: &Arc<Source>, options: &ReadOptions) -> Result<Vec<Document>, Diagnostic> {
    let span = Span::new(0, source.text.len());
    let mut parser = Parser::new(source, span, options).map_err(|failure| failure.diagnostic)?;
    let mut documents = Vec::new();
    while let Some(document) = read_next(&mut parser, source, options).map_err(|failure| failure.diagnostic)? {
        if documents.len() == options.limits.documents_max {
            let max = options.limits.documents_max;
            return Err(Diagnostic::error(format!("this text holds more than {max} documents"))
                .at(source, document.node.span)
                .help("split the file"));
        }
        documents.push(document);
    }
    Ok(documents)
}

/// [`read_part`] with go-yaml's own message beside ours.
pub(super) fn read_first(source: &Arc<Source>, span: Span, options: &ReadOptions) -> Result<Document, Box<Failure>> {
    let mut parser = Parser::new(source, span, options)?;
    let Some(mut document) = read_next(&mut parser, source, options)? else {
        return Ok(Document { node: Node { value: Value::Null, span }, is_empty: true, warnings: Vec::new() });
    };
    let rest = match parser.next() {
        Ok((Event::StreamEnd, _)) => return Ok(document),
        Ok((_, at)) => at,
        Err(failure) => failure.diagnostic.place.map_or(span, |place| place.span),
    };
    document.warnings.push(
        Diagnostic::warning("only the first document of this text is read; what begins here is ignored")
            .at(source, rest)
            .note("the first document", Some(Place { source: source.clone(), span: document.node.span }))
            .help("Helm and kubectl read it the same way; keep one document in a file of values"),
    );
    Ok(document)
}

fn read_next<'a>(
    parser: &mut Parser<'a>,
    source: &'a Arc<Source>,
    options: &'a ReadOptions,
) -> Result<Option<Document>, Box<Failure>> {
    let (event, start) = parser.next()?;
    if matches!(event, Event::StreamEnd) {
        return Ok(None);
    }
    let mut builder = Builder::new(source, options);
    let mut is_empty = true;
    loop {
        let (event, span) = parser.next()?;
        match &event {
            Event::DocumentEnd => break,
            // The parser gives an empty scalar where a document has no node.
            Event::Scalar { text: Some(text), tag: None, plain: true, anchor: None } if text.is_empty() => {}
            _ => is_empty = false,
        }
        if let Err(mut failure) = builder.event((event, span)) {
            failure.go = later_syntax_error(parser).unwrap_or(failure.go);
            return Err(failure);
        }
    }
    let (root, warnings) = builder.finish();
    let node = root.unwrap_or(Node { value: Value::Null, span: start });
    Ok(Some(Document { node, is_empty, warnings }))
}

/// go-yaml parses a document to its end before it looks at tags and keys, so a syntax error counts more, wherever it stands.
fn later_syntax_error(parser: &mut Parser<'_>) -> Option<String> {
    loop {
        match parser.next() {
            Ok((Event::DocumentEnd | Event::StreamEnd, _)) => return None,
            Ok(_) => {}
            Err(failure) => return Some(failure.go),
        }
    }
}

/// Bytes of a file → text: UTF-8, or UTF-16 where a byte order mark says so; the mark is not part of the text.
///
/// # Errors
/// The place of the first bytes that are no text.
pub fn decode(bytes: &[u8], name: &str) -> Result<Arc<Source>, Diagnostic> {
    match bytes {
        [0xff, 0xfe, rest @ ..] => decode_utf16(rest, name, u16::from_le_bytes),
        [0xfe, 0xff, rest @ ..] => decode_utf16(rest, name, u16::from_be_bytes),
        [0xef, 0xbb, 0xbf, rest @ ..] => decode_utf8(rest, name),
        _ => decode_utf8(bytes, name),
    }
}

fn decode_utf8(bytes: &[u8], name: &str) -> Result<Arc<Source>, Diagnostic> {
    std::str::from_utf8(bytes).map(|text| Source::new(name, text)).map_err(|error| {
        let at = error.valid_up_to();
        let source = Source::new(name, String::from_utf8_lossy(bytes));
        Diagnostic::error(format!("byte 0x{:02x} is not UTF-8", bytes[at]))
            .at(&source, Span::new(at, at + 1))
            .help("save the file as UTF-8; bytes that are no text belong into `!!binary` or a Secret's data, in base64")
    })
}

fn decode_utf16(bytes: &[u8], name: &str, unit: fn([u8; 2]) -> u16) -> Result<Arc<Source>, Diagnostic> {
    let (pairs, odd) = bytes.as_chunks::<2>();
    let mut text = String::with_capacity(bytes.len());
    let mut damaged = !odd.is_empty();
    for c in char::decode_utf16(pairs.iter().copied().map(unit)) {
        match c {
            Ok(c) => text.push(c),
            Err(_) => {
                damaged = true;
                break;
            }
        }
    }
    let end = text.len();
    let source = Source::new(name, text);
    if damaged {
        return Err(Diagnostic::error("the file begins as UTF-16, but what follows here is not")
            .at(&source, Span::new(end, end))
            .help("save the file as UTF-8"));
    }
    Ok(source)
}
