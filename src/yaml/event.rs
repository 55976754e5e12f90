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
    Alias { anchor: u32 },
    /// A scalar. `plain` says that a text without a tag is to be resolved: it was not quoted. Without a text it is one
    /// that folds, has escapes or is a block, and the parser was told that nobody wants such.
    Scalar { text: Option<Cow<'a, str>>, tag: Option<Box<str>>, plain: bool, anchor: Option<u32> },
    /// A sequence begins; its tag means nothing to go-yaml.
    SequenceStart { anchor: Option<u32> },
    /// The sequence is over.
    SequenceEnd,
    /// A mapping begins; its tag means nothing to go-yaml.
    MappingStart { anchor: Option<u32> },
    /// The mapping is over.
    MappingEnd,
}
