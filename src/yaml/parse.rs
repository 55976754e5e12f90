//! Tokens → events, with the grammar of libyaml as go-yaml v2 has it.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use super::characters::Characters;
use super::event::{Event, Located};
use super::fault::{Failure, Fault, Problem};
use super::read::ReadOptions;
use super::scalar::TAG_PREFIX;
use super::scan::{Kind, Mark, Scanner, Tag, Token};
use super::value::HashState;
use crate::error::{Diagnostic, Source, Span};

/// How deep most documents are: so much room is taken at first.
pub(super) const LEVELS_USUAL: usize = 16;

/// Reads the events of a part of a text.
pub(super) struct Parser<'a> {
    source: &'a Arc<Source>,
    scanner: Scanner<'a>,
    state: State,
    states: Vec<State>,
    /// One past the last colon of a key whose token held it.
    value_end: usize,
    /// Where the collections began that are open; for messages.
    marks: Vec<Mark>,
    /// The number of the anchor that a name stands for at the cursor.
    anchors: HashMap<&'a str, u32, HashState>,
    anchors_count: u32,
    tag_directives: Vec<Tag<'a>>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum State {
    /// Before the first document, which needs no `---`.
    FirstDocumentStart,
    DocumentStart,
    DocumentContent,
    DocumentEnd,
    BlockNode,
    BlockSequenceFirst,
    BlockSequenceEntry,
    /// A sequence in the column of the key that it belongs to.
    IndentlessSequenceEntry,
    BlockMappingFirst,
    BlockMappingKey,
    BlockMappingValue,
    /// After the colon of a key whose token held it.
    BlockMappingValueContent,
    FlowSequenceFirst,
    FlowSequenceEntry,
    /// A mapping of one entry that stands in a sequence without braces.
    FlowPairKey,
    FlowPairValue,
    FlowPairEnd,
    FlowMappingFirst,
    FlowMappingKey,
    FlowMappingValue,
    FlowMappingEmptyValue,
    End,
}

impl<'a> Parser<'a> {
    /// A parser of the bytes `span` of a text.
    pub(super) fn new(source: &'a Arc<Source>, span: Span, options: &ReadOptions) -> Result<Parser<'a>, Box<Failure>> {
        let text: &'a str = &source.text;
        let boundary = |at: u32| (at as usize..text.len()).find(|at| text.is_char_boundary(*at)).unwrap_or(text.len());
        let end = boundary(span.end);
        let mut start = boundary(span.start).min(end);
        let max = options.limits.bytes_max;
        if end - start > max {
            let message = format!("the text has {} bytes; at most {max} are read", end - start);
            let diagnostic = Diagnostic::error(message).at(source, Span::NONE).help("split the file");
            return Err(Failure::new("yaml: input error: the text is too large".into(), diagnostic));
        }
        if text[start..end].starts_with('\u{feff}') {
            start += '\u{feff}'.len_utf8();
        }
        let characters = Characters::of(&text[start..end]).map_err(|at| {
            let at = start + at;
            let fault = Fault::ControlCharacter;
            Problem { fault, at, line: 0, context_at: at, context_line: 0, in_scanner: false }.failure(source)
        })?;
        Ok(Parser {
            source,
            scanner: Scanner::new(text, start, end, characters),
            state: State::FirstDocumentStart,
            states: Vec::with_capacity(LEVELS_USUAL),
            value_end: 0,
            marks: Vec::with_capacity(LEVELS_USUAL),
            anchors: HashMap::default(),
            anchors_count: 0,
            tag_directives: Vec::new(),
        })
    }

    /// Says whether the texts of scalars are wanted that are not what stands in the source; at first they are. One
    /// scalar may have been read already.
    pub(super) fn keep_texts(&mut self, keep: bool) {
        self.scanner.keeps_texts = keep;
    }

    /// The next event; after the stream's end always that.
    #[inline]
    pub(super) fn next(&mut self) -> Result<Located<'a>, Box<Failure>> {
        self.step().map_err(|stop| self.failure(stop))
    }

    #[cold]
    fn failure(&self, stop: Stop<'a>) -> Box<Failure> {
        let (name, span) = match stop {
            Stop::Problem(problem) => return problem.failure(self.source),
            Stop::UnknownAnchor(name, span) => (name, span),
        };
        let help = format!(
            "write `&{name}` before the value that it repeats, above in this file; or put text that begins with `*` in quotes"
        );
        let diagnostic = Diagnostic::error(format!("no anchor `&{name}` stands before this alias"));
        let go = format!("yaml: unknown anchor '{name}' referenced");
        Failure::new(go, diagnostic.at(self.source, span).help(help))
    }

    fn step(&mut self) -> Result<Located<'a>, Stop<'a>> {
        match self.state {
            State::FirstDocumentStart => self.document_start(true),
            State::DocumentStart => self.document_start(false),
            State::DocumentContent => self.document_content(),
            State::DocumentEnd => self.document_end(),
            State::BlockNode => self.node(true, false),
            State::BlockSequenceFirst | State::BlockSequenceEntry => self.block_sequence_entry(),
            State::IndentlessSequenceEntry => self.indentless_sequence_entry(),
            State::BlockMappingFirst | State::BlockMappingKey => self.block_mapping_key(),
            State::BlockMappingValue => self.block_mapping_value(),
            State::BlockMappingValueContent => self.block_mapping_value_content(self.value_end),
            State::FlowSequenceFirst => self.flow_sequence_entry(true),
            State::FlowSequenceEntry => self.flow_sequence_entry(false),
            State::FlowPairKey => self.flow_pair_key(),
            State::FlowPairValue => self.flow_pair_value(),
            State::FlowPairEnd => {
                let at = self.scanner.peek()?.start;
                self.state = State::FlowSequenceEntry;
                Ok((Event::MappingEnd, Span::new(at.at, at.at)))
            }
            State::FlowMappingFirst => self.flow_mapping_key(true),
            State::FlowMappingKey => self.flow_mapping_key(false),
            State::FlowMappingValue => self.flow_mapping_value(),
            State::FlowMappingEmptyValue => {
                let at = self.scanner.peek()?.start;
                self.state = State::FlowMappingKey;
                Ok(empty(at.at))
            }
            State::End => Ok((Event::StreamEnd, Span::new(self.scanner.at, self.scanner.at))),
        }
    }

    fn document_start(&mut self, first: bool) -> Result<Located<'a>, Stop<'a>> {
        if !first {
            while matches!(self.scanner.peek()?.kind, Kind::DocumentEnd) {
                self.scanner.take();
            }
        }
        let Token { kind, start, .. } = self.scanner.peek()?;
        let start = *start;
        let implicit = match kind {
            Kind::StreamEnd => {
                self.state = State::End;
                return Ok((Event::StreamEnd, Span::new(start.at, start.at)));
            }
            Kind::VersionDirective { .. } | Kind::TagDirective(_) | Kind::DocumentStart => false,
            _ => first,
        };
        self.anchors.clear();
        self.tag_directives.clear();
        self.states.push(State::DocumentEnd);
        if implicit {
            self.state = State::BlockNode;
            return Ok((Event::DocumentStart { explicit: false }, Span::new(start.at, start.at)));
        }
        self.directives()?;
        let Token { kind, start: at, end } = self.scanner.peek()?;
        if !matches!(kind, Kind::DocumentStart) {
            let at = *at;
            return Err(problem(Fault::DocumentStart, at, None));
        }
        let span = Span::new(start.at, *end);
        self.scanner.take();
        self.state = State::DocumentContent;
        Ok((Event::DocumentStart { explicit: true }, span))
    }

    fn directives(&mut self) -> Result<(), Stop<'a>> {
        let mut version_seen = false;
        loop {
            let Token { kind, start, .. } = self.scanner.peek()?;
            let start = *start;
            match kind {
                Kind::VersionDirective { .. } if version_seen => {
                    return Err(problem(Fault::DuplicateVersion, start, None));
                }
                Kind::VersionDirective { supported: false } => {
                    return Err(problem(Fault::UnsupportedVersion, start, None));
                }
                Kind::VersionDirective { .. } => version_seen = true,
                Kind::TagDirective(tag) => {
                    if self.tag_directives.iter().any(|known| known.handle == tag.handle) {
                        return Err(problem(Fault::DuplicateTagDirective, start, None));
                    }
                    self.tag_directives.push((**tag).clone());
                }
                _ => return Ok(()),
            }
            self.scanner.take();
        }
    }

    fn document_content(&mut self) -> Result<Located<'a>, Stop<'a>> {
        let Token { kind, start, .. } = self.scanner.peek()?;
        match kind {
            Kind::VersionDirective { .. }
            | Kind::TagDirective(_)
            | Kind::DocumentStart
            | Kind::DocumentEnd
            | Kind::StreamEnd => {
                let at = start.at;
                self.pop_state();
                Ok(empty(at))
            }
            _ => self.node(true, false),
        }
    }

    fn document_end(&mut self) -> Result<Located<'a>, Stop<'a>> {
        let Token { kind, start, end } = self.scanner.peek()?;
        let mut span = Span::new(start.at, start.at);
        if matches!(kind, Kind::DocumentEnd) {
            span = Span::new(start.at, *end);
            self.scanner.take();
        }
        self.state = State::DocumentStart;
        Ok((Event::DocumentEnd, span))
    }

    /// A value: an alias, or properties and then a scalar or a collection, or properties alone.
    fn node(&mut self, block: bool, indentless: bool) -> Result<Located<'a>, Stop<'a>> {
        let token = self.scanner.peek()?;
        let first = token.start;
        let has_properties = matches!(token.kind, Kind::Alias(_) | Kind::Anchor(_) | Kind::Tag(_));
        if matches!(token.kind, Kind::Scalar { .. })
            && let Some(Token { kind: Kind::Scalar { text, plain }, start, end }) = self.scanner.take()
        {
            self.pop_state();
            return Ok((Event::Scalar { text, tag: None, plain, anchor: None }, Span::new(start.at, end)));
        }
        let mut properties = Properties::default();
        if has_properties && let Some(alias) = self.properties(&mut properties)? {
            return Ok(alias);
        }
        let token = self.scanner.peek()?;
        let (start, end) = (token.start, token.end);
        let Properties { tag, anchor, .. } = properties;
        let begin = Span::new(first.at, end);
        let next = match &token.kind {
            Kind::BlockEntry if indentless => State::IndentlessSequenceEntry,
            Kind::FlowSequenceStart => State::FlowSequenceFirst,
            Kind::FlowMappingStart => State::FlowMappingFirst,
            Kind::BlockSequenceStart if block => State::BlockSequenceFirst,
            Kind::BlockMappingStart if block => State::BlockMappingFirst,
            Kind::Scalar { .. } => {
                self.pop_state();
                let Some(Token { kind: Kind::Scalar { text, plain }, .. }) = self.scanner.take() else {
                    return Err(problem(Fault::NodeContent, start, Some(first)));
                };
                let plain = if let Some(tag) = &tag { **tag == *"!" } else { plain };
                return Ok((Event::Scalar { text, tag, plain, anchor }, begin));
            }
            _ if anchor.is_some() || tag.is_some() => {
                self.pop_state();
                let plain = tag.is_none();
                let span = Span::new(first.at, properties.end);
                return Ok((Event::Scalar { text: Some(Cow::Borrowed("")), tag, plain, anchor }, span));
            }
            _ => return Err(problem(Fault::NodeContent, start, Some(first))),
        };
        self.state = next;
        match next {
            State::IndentlessSequenceEntry | State::FlowSequenceFirst | State::BlockSequenceFirst => {
                Ok((Event::SequenceStart { anchor }, begin))
            }
            _ => Ok((Event::MappingStart { anchor }, begin)),
        }
    }

    /// Anchor and tag before a value, in either order; or an alias, which is a value by itself.
    fn properties(&mut self, found: &mut Properties) -> Result<Option<Located<'a>>, Stop<'a>> {
        let first = self.scanner.peek()?.start;
        let mut tag = None;
        loop {
            let token = self.scanner.peek()?;
            let (start, end) = (token.start, token.end);
            match &token.kind {
                Kind::Alias(name) if found.anchor.is_none() && tag.is_none() => {
                    let span = Span::new(start.at, end);
                    let anchor = self.anchors.get(name).copied().ok_or(Stop::UnknownAnchor(name, span))?;
                    self.scanner.take();
                    self.pop_state();
                    return Ok(Some((Event::Alias { anchor }, span)));
                }
                Kind::Anchor(name) if found.anchor.is_none() => {
                    self.anchors_count += 1;
                    found.anchor = Some(self.anchors_count);
                    self.anchors.insert(name, self.anchors_count);
                }
                Kind::Tag(own) if tag.is_none() => tag = Some((own.clone(), start)),
                _ => break,
            }
            found.end = end;
            self.scanner.take();
        }
        if let Some((tag, at)) = tag {
            found.tag = Some(self.whole_tag(*tag, at, first)?);
        }
        Ok(None)
    }

    fn whole_tag(&self, tag: Tag<'a>, at: Mark, context: Mark) -> Result<Box<str>, Stop<'a>> {
        let Tag { handle, rest } = tag;
        if handle.is_empty() {
            return Ok(rest.into());
        }
        let defined = self.tag_directives.iter().find(|known| known.handle == handle);
        let prefix = match (defined, handle) {
            (Some(defined), _) => &*defined.rest,
            (None, "!") => "!",
            (None, "!!") => TAG_PREFIX,
            (None, _) => return Err(problem(Fault::UndefinedTagHandle, at, Some(context))),
        };
        Ok(format!("{prefix}{rest}").into())
    }

    fn block_sequence_entry(&mut self) -> Result<Located<'a>, Stop<'a>> {
        self.begin_if(State::BlockSequenceFirst)?;
        let token = self.scanner.peek()?;
        let (start, end) = (token.start, token.end);
        match token.kind {
            Kind::BlockEntry => {
                self.scanner.take();
                if matches!(self.scanner.peek()?.kind, Kind::BlockEntry | Kind::BlockEnd) {
                    self.state = State::BlockSequenceEntry;
                    return Ok(empty(end));
                }
                self.states.push(State::BlockSequenceEntry);
                self.node(true, false)
            }
            Kind::BlockEnd => Ok(self.finish(Event::SequenceEnd)),
            _ => Err(problem(Fault::BlockCollectionEntry, start, self.marks.pop())),
        }
    }

    fn indentless_sequence_entry(&mut self) -> Result<Located<'a>, Stop<'a>> {
        let token = self.scanner.peek()?;
        let (start, end) = (token.start, token.end);
        if !matches!(token.kind, Kind::BlockEntry) {
            self.pop_state();
            return Ok((Event::SequenceEnd, Span::new(start.at, start.at)));
        }
        self.scanner.take();
        match self.scanner.peek()?.kind {
            Kind::BlockEntry | Kind::Key | Kind::ScalarKey { .. } | Kind::Value | Kind::BlockEnd => {
                self.state = State::IndentlessSequenceEntry;
                Ok(empty(end))
            }
            _ => {
                self.states.push(State::IndentlessSequenceEntry);
                self.node(true, false)
            }
        }
    }

    fn block_mapping_key(&mut self) -> Result<Located<'a>, Stop<'a>> {
        self.begin_if(State::BlockMappingFirst)?;
        let token = self.scanner.peek()?;
        let (start, end) = (token.start, token.end);
        match token.kind {
            Kind::ScalarKey { value_end, .. } => {
                let Some(Token { kind: Kind::ScalarKey { text, plain, .. }, .. }) = self.scanner.take() else {
                    return Err(problem(Fault::NodeContent, start, None));
                };
                self.value_end = value_end;
                self.state = State::BlockMappingValueContent;
                Ok((Event::Scalar { text, tag: None, plain, anchor: None }, Span::new(start.at, end)))
            }
            Kind::Key => {
                self.scanner.take();
                if matches!(
                    self.scanner.peek()?.kind,
                    Kind::Key | Kind::ScalarKey { .. } | Kind::Value | Kind::BlockEnd
                ) {
                    self.state = State::BlockMappingValue;
                    return Ok(empty(end));
                }
                self.states.push(State::BlockMappingValue);
                self.node(true, true)
            }
            Kind::BlockEnd => Ok(self.finish(Event::MappingEnd)),
            _ => Err(problem(Fault::BlockMappingKey, start, self.marks.pop())),
        }
    }

    fn block_mapping_value(&mut self) -> Result<Located<'a>, Stop<'a>> {
        let token = self.scanner.peek()?;
        let (start, end) = (token.start, token.end);
        self.state = State::BlockMappingKey;
        if !matches!(token.kind, Kind::Value) {
            return Ok(empty(start.at));
        }
        self.scanner.take();
        self.block_mapping_value_content(end)
    }

    /// What follows a colon that ends at `end`.
    fn block_mapping_value_content(&mut self, end: usize) -> Result<Located<'a>, Stop<'a>> {
        self.state = State::BlockMappingKey;
        let next = &self.scanner.peek()?.kind;
        if matches!(next, Kind::Key | Kind::ScalarKey { .. } | Kind::Value | Kind::BlockEnd) {
            return Ok(empty(end));
        }
        self.states.push(State::BlockMappingKey);
        self.node(true, true)
    }

    fn flow_sequence_entry(&mut self, first: bool) -> Result<Located<'a>, Stop<'a>> {
        self.begin_if(State::FlowSequenceFirst)?;
        if !matches!(self.scanner.peek()?.kind, Kind::FlowSequenceEnd) {
            if !first {
                self.flow_separator(Fault::FlowSequenceEnd)?;
            }
            let token = self.scanner.peek()?;
            let (start, end) = (token.start, token.end);
            match token.kind {
                Kind::Key => {
                    self.scanner.take();
                    self.state = State::FlowPairKey;
                    return Ok((Event::MappingStart { anchor: None }, Span::new(start.at, end)));
                }
                Kind::FlowSequenceEnd => {}
                _ => {
                    self.states.push(State::FlowSequenceEntry);
                    return self.node(false, false);
                }
            }
        }
        Ok(self.finish(Event::SequenceEnd))
    }

    fn flow_pair_key(&mut self) -> Result<Located<'a>, Stop<'a>> {
        let token = self.scanner.peek()?;
        if matches!(token.kind, Kind::Value | Kind::FlowEntry | Kind::FlowSequenceEnd) {
            // go-yaml takes the token here, so that `[? : a]` is an error; so it is for this.
            let end = token.end;
            self.scanner.take();
            self.state = State::FlowPairValue;
            return Ok(empty(end));
        }
        self.states.push(State::FlowPairValue);
        self.node(false, false)
    }

    fn flow_pair_value(&mut self) -> Result<Located<'a>, Stop<'a>> {
        let token = self.scanner.peek()?;
        let at = token.start.at;
        if matches!(token.kind, Kind::Value) {
            self.scanner.take();
            if !matches!(self.scanner.peek()?.kind, Kind::FlowEntry | Kind::FlowSequenceEnd) {
                self.states.push(State::FlowPairEnd);
                return self.node(false, false);
            }
        }
        self.state = State::FlowPairEnd;
        Ok(empty(at))
    }

    fn flow_mapping_key(&mut self, first: bool) -> Result<Located<'a>, Stop<'a>> {
        self.begin_if(State::FlowMappingFirst)?;
        if !matches!(self.scanner.peek()?.kind, Kind::FlowMappingEnd) {
            if !first {
                self.flow_separator(Fault::FlowMappingEnd)?;
            }
            match self.scanner.peek()?.kind {
                Kind::Key => {
                    self.scanner.take();
                    let token = self.scanner.peek()?;
                    let at = token.start.at;
                    if matches!(token.kind, Kind::Value | Kind::FlowEntry | Kind::FlowMappingEnd) {
                        self.state = State::FlowMappingValue;
                        return Ok(empty(at));
                    }
                    self.states.push(State::FlowMappingValue);
                    return self.node(false, false);
                }
                Kind::FlowMappingEnd => {}
                _ => {
                    self.states.push(State::FlowMappingEmptyValue);
                    return self.node(false, false);
                }
            }
        }
        Ok(self.finish(Event::MappingEnd))
    }

    fn flow_mapping_value(&mut self) -> Result<Located<'a>, Stop<'a>> {
        let token = self.scanner.peek()?;
        let mut at = token.start.at;
        if matches!(token.kind, Kind::Value) {
            self.scanner.take();
            let token = self.scanner.peek()?;
            at = token.start.at;
            if !matches!(token.kind, Kind::FlowEntry | Kind::FlowMappingEnd) {
                self.states.push(State::FlowMappingKey);
                return self.node(false, false);
            }
        }
        self.state = State::FlowMappingKey;
        Ok(empty(at))
    }

    /// Takes the `,` between two entries of a flow collection.
    fn flow_separator(&mut self, fault: Fault) -> Result<(), Stop<'a>> {
        let token = self.scanner.peek()?;
        let start = token.start;
        if !matches!(token.kind, Kind::FlowEntry) {
            return Err(problem(fault, start, self.marks.pop()));
        }
        self.scanner.take();
        Ok(())
    }

    /// In the state that a collection begins with: takes the token that begins it.
    #[inline]
    fn begin_if(&mut self, first: State) -> Result<(), Stop<'a>> {
        if self.state == first {
            let start = self.scanner.peek()?.start;
            self.marks.push(start);
            self.scanner.take();
        }
        Ok(())
    }

    /// Takes the token that ends a collection.
    fn finish(&mut self, event: Event<'a>) -> Located<'a> {
        self.pop_state();
        self.marks.pop();
        let span = self.scanner.take().map_or(Span::NONE, |token| Span::new(token.start.at, token.end));
        (event, span)
    }

    fn pop_state(&mut self) {
        self.state = self.states.pop().unwrap_or(State::End);
    }
}

/// What may stand before a value.
#[derive(Default)]
struct Properties {
    tag: Option<Box<str>>,
    anchor: Option<u32>,
    /// One past the last byte of them.
    end: usize,
}

/// Why there is no further event.
enum Stop<'a> {
    Problem(Box<Problem>),
    UnknownAnchor(&'a str, Span),
}

impl From<Box<Problem>> for Stop<'_> {
    fn from(problem: Box<Problem>) -> Self {
        Stop::Problem(problem)
    }
}

fn problem<'a>(fault: Fault, at: Mark, context: Option<Mark>) -> Stop<'a> {
    // Without a context go-yaml's own is that of the text's beginning.
    let context_line = context.map_or(0, |mark| mark.line);
    let context_at = context.map_or(at.at, |mark| mark.at);
    let (at, line) = (at.at, at.line);
    Stop::Problem(Box::new(Problem { fault, at, line, context_at, context_line, in_scanner: false }))
}

/// The scalar that stands for nothing at all.
fn empty<'a>(at: usize) -> Located<'a> {
    (Event::Scalar { text: Some(Cow::Borrowed("")), tag: None, plain: true, anchor: None }, Span::new(at, at))
}
