//! What the parser tells the builder: one event a time, each with its byte range in the whole source.

use std::borrow::Cow;

use crate::error::Span;

/// An event and its place.
pub(super) type Located<'a> = (Event<'a>, Span);

/// A part of a YAML stream.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Event<'a> {
    /// The stream is over.
    StreamEnd,
    /// A document begins; with `---` if explicit.
    DocumentStart { explicit: bool },
    /// The document is over.
    DocumentEnd,
    /// The node that anchor number `anchor` marks, again.
    Alias { anchor: usize },
    /// A scalar. `plain` says that a text without a tag is to be resolved: it was not quoted.
    Scalar { text: Cow<'a, str>, tag: Option<Cow<'a, str>>, plain: bool, anchor: Option<usize> },
    /// A sequence begins; its tag means nothing to go-yaml.
    SequenceStart { anchor: Option<usize> },
    /// The sequence is over.
    SequenceEnd,
    /// A mapping begins; its tag means nothing to go-yaml.
    MappingStart { anchor: Option<usize> },
    /// The mapping is over.
    MappingEnd,
}
