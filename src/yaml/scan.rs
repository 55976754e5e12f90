//! Text → tokens, with the rules of libyaml as go-yaml v2 has them.
//!
//! In: a byte range of a text. Out: [`Token`]s with places in the whole text. What makes YAML hard is decided here:
//! indentation opens and closes collections, and a key is known as a key only once its colon is seen, so its token is put
//! in before tokens that are there already. The scalars are in [`super::scan_text`].

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::VecDeque;

use super::characters::Characters;
use super::fault::{Fault, Problem};
use super::parse::LEVELS_USUAL;

/// A place in the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Mark {
    /// Byte offset in the whole text.
    pub(super) at: usize,
    /// Line breaks before it, from the beginning of the part that is read.
    pub(super) line: u32,
    /// Characters before it in its line.
    pub(super) column: u32,
}

/// A piece of syntax.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Token<'a> {
    pub(super) kind: Kind<'a>,
    pub(super) start: Mark,
    /// One past its last byte.
    pub(super) end: usize,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Kind<'a> {
    StreamEnd,
    /// `%YAML`; whether it says 1.1, the only version that go-yaml v2 reads.
    VersionDirective {
        supported: bool,
    },
    /// `%TAG`.
    TagDirective(Box<Tag<'a>>),
    /// `---`
    DocumentStart,
    /// `...`
    DocumentEnd,
    BlockSequenceStart,
    BlockMappingStart,
    BlockEnd,
    FlowSequenceStart,
    FlowSequenceEnd,
    FlowMappingStart,
    FlowMappingEnd,
    BlockEntry,
    FlowEntry,
    Key,
    Value,
    /// In block style, what nearly every key is: [`Kind::Key`], a [`Kind::Scalar`] on one line and [`Kind::Value`] in one.
    /// It ends where the scalar does.
    ScalarKey {
        text: Option<Cow<'a, str>>,
        plain: bool,
        /// One past the colon.
        value_end: usize,
    },
    Alias(&'a str),
    Anchor(&'a str),
    /// An empty handle says that the rest is the whole tag.
    Tag(Box<Tag<'a>>),
    /// Without a text where it is not the one that stands there, and nobody wants it: see [`Scanner::keeps_texts`].
    Scalar {
        text: Option<Cow<'a, str>>,
        plain: bool,
    },
}

/// A tag, or what a handle stands for.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Tag<'a> {
    pub(super) handle: &'a str,
    /// What follows the handle, or what it stands for.
    pub(super) rest: Cow<'a, str>,
}

/// Where a key may have begun whose colon is not seen yet.
#[derive(Debug, Clone, Copy)]
struct SimpleKey {
    possible: bool,
    /// The indentation allows nothing but a key.
    required: bool,
    /// How many tokens came before it.
    token: usize,
    mark: Mark,
    /// Characters before it in the text.
    index: usize,
}

/// So many tokens wait at most in block style.
const TOKENS_USUAL: usize = 4;
/// A key without `? ` must have its colon within so many characters.
const SIMPLE_KEY_CHARS_MAX: usize = 1024;
/// A number in `%YAML` has at most so many digits.
const VERSION_DIGITS_MAX: usize = 2;

/// Splits a text into tokens.
pub(super) struct Scanner<'a> {
    pub(super) text: &'a str,
    pub(super) bytes: &'a [u8],
    /// What the text is made of: what it does not hold is not looked for.
    characters: Characters,
    /// Whether somebody wants the texts that are not what stands in the source: with escapes, folds or indentation.
    pub(super) keeps_texts: bool,
    pub(super) at: usize,
    pub(super) line: u32,
    /// Bytes so far that are not the first of their character.
    pub(super) trailing_bytes: usize,
    /// Characters before the line's start.
    line_index: usize,
    /// The column of the innermost block collection; -1 outside of all.
    pub(super) indent: isize,
    indents: Vec<isize>,
    pub(super) flow_level: usize,
    pub(super) simple_key_allowed: bool,
    /// One for each flow level, and one for the block around them.
    simple_keys: Vec<SimpleKey>,
    /// The levels whose key is possible, outermost first: without it, deep nesting would take quadratic time.
    possible_keys: VecDeque<usize>,
    tokens: VecDeque<Token<'a>>,
    tokens_taken: usize,
}

impl<'a> Scanner<'a> {
    /// Reads `text[start..end]`, which holds these characters.
    pub(super) fn new(text: &'a str, start: usize, end: usize, characters: Characters) -> Scanner<'a> {
        let none = SimpleKey { possible: false, required: false, token: 0, mark: Mark::default(), index: 0 };
        Scanner {
            text,
            bytes: &text.as_bytes()[..end],
            characters,
            keeps_texts: true,
            at: start,
            line: 0,
            trailing_bytes: 0,
            line_index: start,
            indent: -1,
            indents: Vec::with_capacity(LEVELS_USUAL),
            flow_level: 0,
            simple_key_allowed: true,
            simple_keys: vec![none],
            possible_keys: VecDeque::new(),
            tokens: VecDeque::with_capacity(TOKENS_USUAL),
            tokens_taken: 0,
        }
    }

    /// The next token; after the last one always [`Kind::StreamEnd`].
    #[inline]
    pub(super) fn peek(&mut self) -> Result<&Token<'a>, Box<Problem>> {
        if self.tokens.is_empty() || !self.possible_keys.is_empty() {
            self.fetch_certain()?;
        }
        self.tokens.front().ok_or_else(|| self.problem(Fault::NodeContent))
    }

    fn fetch_certain(&mut self) -> Result<(), Box<Problem>> {
        while self.needs_more()? {
            self.fetch()?;
        }
        Ok(())
    }

    /// Takes the token that [`Scanner::peek`] has shown.
    #[inline]
    pub(super) fn take(&mut self) -> Option<Token<'a>> {
        self.tokens_taken += 1;
        self.tokens.pop_front()
    }

    /// Whether the first token is not certain yet: there is none, or a key may turn out to begin with it.
    fn needs_more(&mut self) -> Result<bool, Box<Problem>> {
        if self.tokens.is_empty() {
            return Ok(true);
        }
        while let Some(&level) = self.possible_keys.front() {
            match self.simple_keys[level].token.cmp(&self.tokens_taken) {
                Ordering::Less => self.possible_keys.pop_front(),
                Ordering::Equal => return self.simple_key_is_valid(level),
                Ordering::Greater => break,
            };
        }
        Ok(false)
    }

    fn fetch(&mut self) -> Result<(), Box<Problem>> {
        self.skip_to_token()?;
        self.unroll_indent(self.column() as isize);
        let Some(&byte) = self.bytes.get(self.at) else {
            return self.fetch_stream_end();
        };
        if self.column() == 0 {
            if byte == b'%' {
                return self.fetch_directive();
            }
            if let Some(kind) = self.document_indicator() {
                self.unroll_indent(-1);
                self.remove_simple_key()?;
                self.simple_key_allowed = false;
                self.push_ascii(kind, 3);
                return Ok(());
            }
            if self.bytes[self.at..].starts_with("\u{feff}".as_bytes()) {
                return Err(self.problem(Fault::ByteOrderMark));
            }
        }
        let next_is_blank = self.is_blank_or_end(self.at + 1);
        let in_flow = self.flow_level > 0;
        match byte {
            b'[' => self.fetch_flow_start(Kind::FlowSequenceStart),
            b'{' => self.fetch_flow_start(Kind::FlowMappingStart),
            b']' => self.fetch_flow_end(Kind::FlowSequenceEnd),
            b'}' => self.fetch_flow_end(Kind::FlowMappingEnd),
            b',' => {
                self.remove_simple_key()?;
                self.simple_key_allowed = true;
                self.push_ascii(Kind::FlowEntry, 1);
                Ok(())
            }
            b'-' if next_is_blank => self.fetch_block_entry(),
            b'?' if in_flow || next_is_blank => self.fetch_key(),
            b':' if in_flow || next_is_blank => self.fetch_value(),
            b'*' | b'&' => self.fetch_anchor(byte == b'*'),
            b'!' => {
                self.save_simple_key()?;
                self.simple_key_allowed = false;
                self.scan_tag()
            }
            b'|' | b'>' if !in_flow => {
                self.remove_simple_key()?;
                self.simple_key_allowed = true;
                self.scan_block_scalar(byte == b'|')
            }
            b'\'' | b'"' => self.fetch_scalar(Some(byte)),
            b'\t' | b'#' | b'|' | b'>' | b'%' | b'@' | b'`' => Err(self.problem(Fault::CannotStartToken)),
            _ => self.fetch_scalar(None),
        }
    }

    /// A quoted or plain scalar. Nearly every one that can be a key is followed by its colon, or by what says that it is
    /// none; where neither is so, the next token has to tell.
    fn fetch_scalar(&mut self, quote: Option<u8>) -> Result<(), Box<Problem>> {
        let key_allowed = self.simple_key_allowed;
        self.simple_key_allowed = false;
        if key_allowed {
            self.remove_simple_key()?;
        }
        let in_flow = self.flow_level > 0;
        let required = !in_flow && self.indent == self.column() as isize;
        let (start, index) = (self.mark(), self.index());
        let (text, end) = match quote {
            Some(quote) => self.scan_quoted(quote)?,
            None => self.scan_plain()?,
        };
        let plain = quote.is_none();
        if !key_allowed {
            self.tokens.push_back(Token { kind: Kind::Scalar { text, plain }, start, end });
            return Ok(());
        }
        let next = self.bytes.get(self.at);
        let is_short = self.line == start.line && index + SIMPLE_KEY_CHARS_MAX >= self.index();
        // A bracket further out that may be a key is looked at before the colon is.
        let is_alone = self.possible_keys.is_empty();
        if is_short && is_alone && next == Some(&b':') && (in_flow || self.is_blank_or_end(self.at + 1)) {
            if in_flow {
                self.tokens.push_back(Token { kind: Kind::Key, start, end: start.at });
                self.tokens.push_back(Token { kind: Kind::Scalar { text, plain }, start, end });
                self.push_ascii(Kind::Value, 1);
            } else {
                self.roll_indent(start, self.tokens.len(), Kind::BlockMappingStart);
                self.at += 1;
                let kind = Kind::ScalarKey { text, plain, value_end: self.at };
                self.tokens.push_back(Token { kind, start, end });
            }
            return Ok(());
        }
        let is_certain = if in_flow { matches!(next, Some(b',' | b']' | b'}')) } else { self.line > start.line };
        if required || !is_certain {
            let token = self.tokens_taken + self.tokens.len();
            self.save_key(SimpleKey { possible: true, required, token, mark: start, index });
        }
        self.tokens.push_back(Token { kind: Kind::Scalar { text, plain }, start, end });
        Ok(())
    }

    fn fetch_stream_end(&mut self) -> Result<(), Box<Problem>> {
        if self.column() != 0 {
            self.line += 1;
            self.line_index = self.at - self.trailing_bytes;
        }
        self.unroll_indent(-1);
        self.remove_simple_key()?;
        self.simple_key_allowed = false;
        self.push_ascii(Kind::StreamEnd, 0);
        Ok(())
    }

    fn fetch_flow_start(&mut self, kind: Kind<'a>) -> Result<(), Box<Problem>> {
        self.save_simple_key()?;
        let none = SimpleKey { possible: false, required: false, token: 0, mark: self.mark(), index: self.index() };
        self.simple_keys.push(none);
        self.flow_level += 1;
        self.simple_key_allowed = true;
        self.push_ascii(kind, 1);
        Ok(())
    }

    fn fetch_flow_end(&mut self, kind: Kind<'a>) -> Result<(), Box<Problem>> {
        self.remove_simple_key()?;
        if self.flow_level > 0 {
            self.flow_level -= 1;
            self.simple_keys.pop();
        }
        self.simple_key_allowed = false;
        self.push_ascii(kind, 1);
        Ok(())
    }

    fn fetch_block_entry(&mut self) -> Result<(), Box<Problem>> {
        if self.flow_level == 0 {
            if !self.simple_key_allowed {
                return Err(self.problem(Fault::SequenceEntryHere));
            }
            self.roll_indent(self.mark(), self.tokens.len(), Kind::BlockSequenceStart);
        }
        self.remove_simple_key()?;
        self.simple_key_allowed = true;
        self.push_ascii(Kind::BlockEntry, 1);
        Ok(())
    }

    fn fetch_key(&mut self) -> Result<(), Box<Problem>> {
        if self.flow_level == 0 {
            if !self.simple_key_allowed {
                return Err(self.problem(Fault::KeyHere));
            }
            self.roll_indent(self.mark(), self.tokens.len(), Kind::BlockMappingStart);
        }
        self.remove_simple_key()?;
        self.simple_key_allowed = self.flow_level == 0;
        self.push_ascii(Kind::Key, 1);
        Ok(())
    }

    fn fetch_value(&mut self) -> Result<(), Box<Problem>> {
        let level = self.simple_keys.len() - 1;
        if self.simple_key_is_valid(level)? {
            let SimpleKey { token, mark, .. } = self.simple_keys[level];
            let key = Token { kind: Kind::Key, start: mark, end: mark.at };
            let token = token.saturating_sub(self.tokens_taken);
            self.tokens.insert(token, key);
            self.roll_indent(mark, token, Kind::BlockMappingStart);
            self.forget_key(level);
            self.simple_key_allowed = false;
        } else {
            if self.flow_level == 0 {
                if !self.simple_key_allowed {
                    return Err(self.problem(Fault::ValueHere));
                }
                self.roll_indent(self.mark(), self.tokens.len(), Kind::BlockMappingStart);
            }
            self.simple_key_allowed = self.flow_level == 0;
        }
        self.push_ascii(Kind::Value, 1);
        Ok(())
    }

    fn fetch_anchor(&mut self, is_alias: bool) -> Result<(), Box<Problem>> {
        self.save_simple_key()?;
        self.simple_key_allowed = false;
        let start = self.mark();
        self.at += 1;
        let name = self.take_alphanumeric();
        let ends = match self.bytes.get(self.at) {
            Some(b'?' | b':' | b',' | b']' | b'}' | b'%' | b'@' | b'`') => true,
            _ => self.is_blank_or_end(self.at),
        };
        if name.is_empty() || !ends {
            return Err(self.problem_from(Fault::AnchorName, start));
        }
        self.push(if is_alias { Kind::Alias(name) } else { Kind::Anchor(name) }, start);
        Ok(())
    }

    fn fetch_directive(&mut self) -> Result<(), Box<Problem>> {
        self.unroll_indent(-1);
        self.remove_simple_key()?;
        self.simple_key_allowed = false;
        let start = self.mark();
        self.at += 1;
        let name = self.take_alphanumeric();
        if name.is_empty() {
            return Err(self.problem_from(Fault::DirectiveName, start));
        }
        if !self.is_blank_or_end(self.at) {
            return Err(self.problem_from(Fault::DirectiveCharacter, start));
        }
        let kind = match name {
            "YAML" => {
                self.skip_blanks();
                let major = self.scan_version_number(start)?;
                if self.bytes.get(self.at) != Some(&b'.') {
                    return Err(self.problem_from(Fault::VersionPoint, start));
                }
                self.at += 1;
                let minor = self.scan_version_number(start)?;
                Kind::VersionDirective { supported: major == 1 && minor == 1 }
            }
            "TAG" => {
                self.skip_blanks();
                let handle = self.scan_tag_handle(start)?;
                if handle.len() > 1 && !handle.ends_with('!') {
                    return Err(self.problem_from(Fault::TagBang, start));
                }
                if !matches!(self.bytes.get(self.at), Some(b' ' | b'\t')) {
                    return Err(self.problem_from(Fault::TagDirectiveBlank, start));
                }
                self.skip_blanks();
                let prefix = self.scan_tag_uri("", start)?;
                if !self.is_blank_or_end(self.at) {
                    return Err(self.problem_from(Fault::TagBlank, start));
                }
                Kind::TagDirective(Box::new(Tag { handle, rest: prefix }))
            }
            _ => return Err(self.problem_from(Fault::UnknownDirective, start)),
        };
        let end = self.at;
        self.skip_blanks();
        self.skip_comment();
        if self.at < self.bytes.len() && self.break_len(self.at) == 0 {
            return Err(self.problem_from(Fault::CommentOrBreak, start));
        }
        self.skip_line();
        self.tokens.push_back(Token { kind, start, end });
        Ok(())
    }

    fn scan_version_number(&mut self, start: Mark) -> Result<u32, Box<Problem>> {
        let digits = self.bytes[self.at..].iter().take_while(|b| b.is_ascii_digit()).count();
        let value = self.text[self.at..self.at + digits.min(VERSION_DIGITS_MAX)].parse();
        self.at += digits;
        match value {
            Ok(_) if digits > VERSION_DIGITS_MAX => Err(self.problem_from(Fault::VersionLong, start)),
            Ok(value) => Ok(value),
            Err(_) => Err(self.problem_from(Fault::VersionNumber, start)),
        }
    }

    fn scan_tag(&mut self) -> Result<(), Box<Problem>> {
        let start = self.mark();
        let (handle, rest) = if self.bytes.get(self.at + 1) == Some(&b'<') {
            self.at += 2;
            let suffix = self.scan_tag_uri("", start)?;
            if self.bytes.get(self.at) != Some(&b'>') {
                return Err(self.problem_from(Fault::TagAngle, start));
            }
            self.at += 1;
            ("", suffix)
        } else {
            let handle = self.scan_tag_handle(start)?;
            if handle.len() > 1 && handle.ends_with('!') {
                (handle, self.scan_tag_uri("", start)?)
            } else {
                let suffix = self.scan_tag_uri(handle, start)?;
                if suffix.is_empty() { ("", Cow::Borrowed("!")) } else { ("!", suffix) }
            }
        };
        if !self.is_blank_or_end(self.at) {
            return Err(self.problem_from(Fault::TagBlank, start));
        }
        self.push(Kind::Tag(Box::new(Tag { handle, rest })), start);
        Ok(())
    }

    fn scan_tag_handle(&mut self, start: Mark) -> Result<&'a str, Box<Problem>> {
        if self.bytes.get(self.at) != Some(&b'!') {
            return Err(self.problem_from(Fault::TagBang, start));
        }
        let begin = self.at;
        self.at += 1;
        self.take_alphanumeric();
        if self.bytes.get(self.at) == Some(&b'!') {
            self.at += 1;
        }
        Ok(&self.text[begin..self.at])
    }

    /// The characters of a tag; `head` is a handle that turned out to be its beginning.
    fn scan_tag_uri(&mut self, head: &'a str, start: Mark) -> Result<Cow<'a, str>, Box<Problem>> {
        let begin = self.at;
        let mut escaped = false;
        while let Some(&byte) = self.bytes.get(self.at) {
            match byte {
                b'%' => {
                    let hex = |b: Option<&u8>| b.is_some_and(u8::is_ascii_hexdigit);
                    if !hex(self.bytes.get(self.at + 1)) || !hex(self.bytes.get(self.at + 2)) {
                        return Err(self.problem_from(Fault::TagEscape, start));
                    }
                    escaped = true;
                    self.at += 3;
                }
                b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' => self.at += 1,
                _ if b"_-;/?:@&=+$,.!~*'()[]".contains(&byte) => self.at += 1,
                _ => break,
            }
        }
        let uri = &self.text[begin..self.at];
        if uri.is_empty() && head.is_empty() {
            return Err(self.problem_from(Fault::TagUri, start));
        }
        let head = head.get(1..).unwrap_or_default();
        if escaped {
            let bytes = unescape(uri);
            let text = String::from_utf8(bytes).map_err(|_| self.problem_from(Fault::TagUtf8, start))?;
            return Ok(Cow::Owned(format!("{head}{text}")));
        }
        // The head stands directly before the rest.
        Ok(Cow::Borrowed(&self.text[begin - head.len()..self.at]))
    }

    fn take_alphanumeric(&mut self) -> &'a str {
        let begin = self.at;
        while self.bytes.get(self.at).is_some_and(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-')) {
            self.at += 1;
        }
        &self.text[begin..self.at]
    }

    fn skip_to_token(&mut self) -> Result<(), Box<Problem>> {
        loop {
            self.skip_spaces();
            if self.bytes.get(self.at) == Some(&b'\t') && (self.flow_level > 0 || !self.simple_key_allowed) {
                self.skip_blanks();
            }
            self.skip_comment();
            if self.break_len(self.at) == 0 {
                return Ok(());
            }
            self.skip_line();
            if self.flow_level == 0 {
                self.simple_key_allowed = true;
            }
        }
    }

    pub(super) fn skip_blanks(&mut self) {
        while matches!(self.bytes.get(self.at), Some(b' ' | b'\t')) {
            self.at += 1;
        }
    }

    /// Skips spaces, eight at once: indentation is a third of what is read.
    #[inline]
    pub(super) fn skip_spaces(&mut self) {
        const SPACES: u64 = u64::from_le_bytes([b' '; 8]);
        while let Some(eight) = self.bytes.get(self.at..).and_then(<[u8]>::first_chunk) {
            let others = u64::from_le_bytes(*eight) ^ SPACES;
            if others != 0 {
                self.at += (others.trailing_zeros() / 8) as usize;
                return;
            }
            self.at += 8;
        }
        while self.bytes.get(self.at) == Some(&b' ') {
            self.at += 1;
        }
    }

    pub(super) fn skip_comment(&mut self) {
        if self.bytes.get(self.at) == Some(&b'#') {
            self.skip_to_break();
        }
    }

    /// Moves to the end of the line.
    pub(super) fn skip_to_break(&mut self) {
        let begin = self.at;
        if self.characters.only_line_feeds {
            self.at = self.line_feed_from(begin);
        } else {
            while self.at < self.bytes.len() && self.break_len(self.at) == 0 {
                self.at += 1;
            }
        }
        self.count_trailing(begin);
    }

    /// The offset of the next line feed, or of the end; eight bytes at once.
    fn line_feed_from(&self, mut at: usize) -> usize {
        const ONES: u64 = u64::from_le_bytes([1; 8]);
        const HIGH_BITS: u64 = u64::from_le_bytes([0x80; 8]);
        const LINE_FEEDS: u64 = u64::from_le_bytes([b'\n'; 8]);
        while let Some(eight) = self.bytes.get(at..).and_then(<[u8]>::first_chunk) {
            // A byte that is a line feed is now 0; the lowest high bit is that of the first one.
            let others = u64::from_le_bytes(*eight) ^ LINE_FEEDS;
            let zeros = others.wrapping_sub(ONES) & !others & HIGH_BITS;
            if zeros != 0 {
                return at + (zeros.trailing_zeros() / 8) as usize;
            }
            at += 8;
        }
        while self.bytes.get(at).is_some_and(|byte| *byte != b'\n') {
            at += 1;
        }
        at
    }

    /// Skips the line break at the cursor, if there is one.
    pub(super) fn skip_line(&mut self) {
        let len = self.break_len(self.at);
        if len > 0 {
            self.at += len;
            self.line += 1;
            self.trailing_bytes += match len {
                3 => 2,
                2 if self.bytes[self.at - 2] == 0xc2 => 1,
                _ => 0,
            };
            self.line_index = self.at - self.trailing_bytes;
        }
    }

    /// Bytes of the line break at an offset; 0 if there is none. YAML 1.1 knows CR LF, CR, LF, NEL, LS and PS.
    #[inline]
    pub(super) fn break_len(&self, at: usize) -> usize {
        match self.bytes.get(at) {
            Some(b'\n') => 1,
            Some(b'\r' | 0xc2 | 0xe2) => self.rare_break_len(at),
            _ => 0,
        }
    }

    fn rare_break_len(&self, at: usize) -> usize {
        match self.bytes[at..] {
            [b'\r', b'\n', ..] | [0xc2, 0x85, ..] => 2,
            [b'\r', ..] => 1,
            [0xe2, 0x80, 0xa8 | 0xa9, ..] => 3,
            _ => 0,
        }
    }

    /// Whether a blank, a line break or the end is at an offset.
    #[inline]
    pub(super) fn is_blank_or_end(&self, at: usize) -> bool {
        match self.bytes.get(at) {
            None | Some(b' ' | b'\t' | b'\n' | b'\r') => true,
            Some(0xc2 | 0xe2) => self.rare_break_len(at) > 0,
            _ => false,
        }
    }

    /// `---` or `...` at the cursor, if a blank follows; only to be asked at a line's start.
    pub(super) fn document_indicator(&self) -> Option<Kind<'a>> {
        let kind = match self.bytes.get(self.at..self.at + 3)? {
            b"---" => Kind::DocumentStart,
            b"..." => Kind::DocumentEnd,
            _ => return None,
        };
        self.is_blank_or_end(self.at + 3).then_some(kind)
    }

    /// Characters before the cursor.
    fn index(&self) -> usize {
        self.at - self.trailing_bytes
    }

    pub(super) fn column(&self) -> usize {
        self.index() - self.line_index
    }

    pub(super) fn mark(&self) -> Mark {
        Mark { at: self.at, line: self.line, column: self.column() as u32 }
    }

    /// To be called after a run over characters that may not be ASCII.
    #[inline]
    pub(super) fn count_trailing(&mut self, begin: usize) {
        if !self.characters.only_ascii {
            self.count_trailing_bytes(begin);
        }
    }

    fn count_trailing_bytes(&mut self, begin: usize) {
        let run = &self.bytes[begin..self.at];
        if !run.is_ascii() {
            self.trailing_bytes += run.iter().filter(|b| **b & 0xc0 == 0x80).count();
        }
    }

    pub(super) fn push(&mut self, kind: Kind<'a>, start: Mark) {
        self.tokens.push_back(Token { kind, start, end: self.at });
    }

    /// The same for a token whose end is not the cursor.
    pub(super) fn push_until(&mut self, kind: Kind<'a>, start: Mark, end: usize) {
        self.tokens.push_back(Token { kind, start, end });
    }

    fn push_ascii(&mut self, kind: Kind<'a>, len: usize) {
        let start = self.mark();
        self.at += len;
        self.push(kind, start);
    }

    pub(super) fn problem(&self, fault: Fault) -> Box<Problem> {
        self.problem_from(fault, self.mark())
    }

    #[cold]
    pub(super) fn problem_from(&self, fault: Fault, context: Mark) -> Box<Problem> {
        Box::new(Problem {
            fault,
            at: self.at,
            line: self.line,
            context_at: context.at,
            context_line: context.line,
            in_scanner: true,
        })
    }

    fn simple_key_is_valid(&mut self, level: usize) -> Result<bool, Box<Problem>> {
        let key = self.simple_keys[level];
        if !key.possible {
            return Ok(false);
        }
        if key.mark.line < self.line || key.index + SIMPLE_KEY_CHARS_MAX < self.index() {
            if key.required {
                return Err(self.problem_from(Fault::ExpectedColon, key.mark));
            }
            self.forget_key(level);
            return Ok(false);
        }
        Ok(true)
    }

    fn save_simple_key(&mut self) -> Result<(), Box<Problem>> {
        if self.simple_key_allowed {
            let required = self.flow_level == 0 && self.indent == self.column() as isize;
            self.remove_simple_key()?;
            let token = self.tokens_taken + self.tokens.len();
            self.save_key(SimpleKey { possible: true, required, token, mark: self.mark(), index: self.index() });
        }
        Ok(())
    }

    fn save_key(&mut self, key: SimpleKey) {
        let level = self.simple_keys.len() - 1;
        self.simple_keys[level] = key;
        self.possible_keys.push_back(level);
    }

    fn remove_simple_key(&mut self) -> Result<(), Box<Problem>> {
        let level = self.simple_keys.len() - 1;
        let key = self.simple_keys[level];
        if key.possible {
            self.forget_key(level);
            if key.required {
                return Err(self.problem_from(Fault::ExpectedColon, key.mark));
            }
        }
        Ok(())
    }

    fn forget_key(&mut self, level: usize) {
        self.simple_keys[level].possible = false;
        // It is the innermost one, or the outermost one that is possible.
        if self.possible_keys.back() == Some(&level) {
            self.possible_keys.pop_back();
        } else if self.possible_keys.front() == Some(&level) {
            self.possible_keys.pop_front();
        }
    }

    /// Opens a block collection if the column is deeper than the innermost one; its token goes before number `token` of
    /// those that wait.
    fn roll_indent(&mut self, mark: Mark, token: usize, kind: Kind<'a>) {
        if self.flow_level > 0 || self.indent >= mark.column as isize {
            return;
        }
        self.indents.push(self.indent);
        self.indent = mark.column as isize;
        let begin = Token { kind, start: mark, end: mark.at };
        if token == self.tokens.len() {
            self.tokens.push_back(begin);
        } else {
            self.tokens.insert(token, begin);
        }
    }

    #[inline]
    fn unroll_indent(&mut self, column: isize) {
        while self.indent > column && self.flow_level == 0 {
            self.push_ascii(Kind::BlockEnd, 0);
            self.indent = self.indents.pop().unwrap_or(-1);
        }
    }
}

fn unescape(uri: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(uri.len());
    let mut rest = uri.as_bytes();
    while let [byte, tail @ ..] = rest {
        rest = tail;
        if let (b'%', [high, low, tail @ ..]) = (byte, tail) {
            let digit = |b: &u8| char::from(*b).to_digit(16).unwrap_or_default() as u8;
            bytes.push(digit(high) << 4 | digit(low));
            rest = tail;
        } else {
            bytes.push(*byte);
        }
    }
    bytes
}
