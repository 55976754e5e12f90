//! Text → events, through crate granit-parser.

use std::sync::Arc;

use granit_parser::{Event as Granit, ScalarStyle, StrInput};

use super::event::{Event, Located};
use super::read::ReadOptions;
use crate::error::{Diagnostic, Source, Span};

/// Reads the events of a part of a text.
pub(super) struct Parser<'a> {
    source: &'a Arc<Source>,
    base: usize,
    inner: granit_parser::Parser<'a, StrInput<'a>>,
    ended: bool,
}

impl<'a> Parser<'a> {
    pub(super) fn new(source: &'a Arc<Source>, span: Span, options: &ReadOptions) -> Result<Parser<'a>, Diagnostic> {
        let (start, end) = (span.start as usize, span.end as usize);
        let max = options.limits.bytes_max;
        if end - start > max {
            return Err(Diagnostic::error(format!("the text has {} bytes; at most {max} are read", end - start))
                .at(source, Span::NONE)
                .help("split the file"));
        }
        let parser_options = granit_parser::options! {
            emit_comments: false,
            block_scalar_eof_without_line_feed: true,
            flow_nesting_limit: 10_000,
            block_nesting_limit: 10_000,
        };
        let inner = granit_parser::Parser::new_from_str_with_options(&source.text[start..end], parser_options);
        Ok(Parser { source, base: start, inner, ended: false })
    }

    /// The next event; after the stream's end always that.
    pub(super) fn next(&mut self) -> Result<Located<'a>, Diagnostic> {
        loop {
            if self.ended {
                let end = Span::new(self.source.text.len(), self.source.text.len());
                return Ok((Event::StreamEnd, end));
            }
            let Some(next) = self.inner.next_event() else {
                self.ended = true;
                continue;
            };
            let (event, span) = next.map_err(|error| {
                let at = self.base + error.marker().byte_offset().unwrap_or_default();
                Diagnostic::error(error.info()).at(self.source, Span::new(at, at))
            })?;
            let range = span.byte_range().unwrap_or(0..0);
            let span = Span::new(self.base + range.start, self.base + range.end);
            let anchored = |id: usize| (id != 0).then_some(id);
            let event = match event {
                Granit::DocumentStart(explicit, _) => Event::DocumentStart { explicit },
                Granit::DocumentEnd => Event::DocumentEnd,
                Granit::Alias(anchor) => Event::Alias { anchor },
                Granit::Scalar(text, style, anchor, tag) => {
                    let tag = tag.map(|t| format!("{}{}", t.handle(), t.suffix()));
                    let bare = tag.as_deref().is_some_and(|t| t == "!");
                    Event::Scalar {
                        text,
                        plain: bare || (tag.is_none() && style == ScalarStyle::Plain),
                        tag: tag.map(Into::into),
                        anchor: anchored(anchor),
                    }
                }
                Granit::SequenceStart(_, anchor, _) => Event::SequenceStart { anchor: anchored(anchor) },
                Granit::MappingStart(_, anchor, _) => Event::MappingStart { anchor: anchored(anchor) },
                Granit::SequenceEnd => Event::SequenceEnd,
                Granit::MappingEnd => Event::MappingEnd,
                Granit::StreamEnd => {
                    self.ended = true;
                    continue;
                }
                _ => continue,
            };
            return Ok((event, span));
        }
    }
}
