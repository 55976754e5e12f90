//! The scalars of [`Scanner`]: plain, quoted and block texts, with the line folding of go-yaml v2.
//!
//! A text that stands on one line without escapes is borrowed from the source.

use std::borrow::Cow;

use super::fault::{Fault, Problem};
use super::scan::{Kind, Mark, Scanner};

/// Line breaks between two lines of a scalar: how they fold is known only when the next line is seen.
#[derive(Default)]
struct Breaks<'a> {
    first: &'a str,
    further: String,
}

impl Breaks<'_> {
    /// A single break becomes a blank, of several the first one is dropped; LS and PS stay.
    fn fold_into(&mut self, out: &mut String) {
        if self.first != "\n" {
            out.push_str(self.first);
            out.push_str(&self.further);
        } else if self.further.is_empty() {
            out.push(' ');
        } else {
            out.push_str(&self.further);
        }
        self.first = "";
        self.further.clear();
    }
}

/// A scalar's text, and where it ends.
type Scanned<'a> = Result<(Option<Cow<'a, str>>, usize), Box<Problem>>;

/// What a byte may be in a plain scalar.
#[derive(Clone, Copy, PartialEq)]
enum Plain {
    Text,
    /// Ends it in a flow collection.
    Flow,
    /// Ends it, or not: a line break, `:`, `#`, or what a line break may begin with.
    Perhaps,
}

const PLAIN: [Plain; 256] = {
    let mut table = [Plain::Text; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = match byte as u8 {
            b'\n' | b'\r' | b':' | b'#' | 0xc2 | 0xe2 => Plain::Perhaps,
            b',' | b'?' | b'[' | b']' | b'{' | b'}' => Plain::Flow,
            _ => Plain::Text,
        };
        byte += 1;
    }
    table
};

impl<'a> Scanner<'a> {
    pub(super) fn scan_plain(&mut self) -> Scanned<'a> {
        let start = self.mark();
        let indent = self.indent + 1;
        let mut end = self.scan_plain_line();
        if self.break_len(self.at) == 0 {
            return Ok((Some(Cow::Borrowed(&self.text[start.at..end])), end));
        }
        self.simple_key_allowed = true;
        // Owned once a line break was folded; until then the text is `start..end`.
        let mut folded: Option<String> = None;
        let mut breaks = Breaks::default();
        loop {
            breaks.first = self.read_break();
            loop {
                self.skip_spaces();
                match self.bytes.get(self.at) {
                    Some(b'\t') if (self.column() as isize) < indent => {
                        return Err(self.problem_from(Fault::TabInPlain, start));
                    }
                    Some(b'\t') => self.at += 1,
                    Some(_) if self.break_len(self.at) > 0 => breaks.further.push_str(self.read_break()),
                    _ => break,
                }
            }
            if (self.flow_level == 0 && (self.column() as isize) < indent)
                || (self.column() == 0 && self.document_indicator().is_some())
                || self.bytes.get(self.at) == Some(&b'#')
            {
                break;
            }
            let begin = self.at;
            let line_end = self.scan_plain_line();
            if line_end == begin {
                break;
            }
            let out = folded.get_or_insert_with(|| self.made(&self.text[start.at..end]));
            if self.keeps_texts {
                breaks.fold_into(out);
                out.push_str(&self.text[begin..line_end]);
            }
            end = line_end;
            if self.break_len(self.at) == 0 {
                self.simple_key_allowed = false;
                break;
            }
        }
        let text = match folded {
            Some(_) if !self.keeps_texts => None,
            Some(text) => Some(Cow::Owned(text)),
            None => Some(Cow::Borrowed(&self.text[start.at..end])),
        };
        Ok((text, end))
    }

    /// Moves over what stands on this line of a plain scalar, and over the blanks behind it; gives where the text ends.
    fn scan_plain_line(&mut self) -> usize {
        let begin = self.at;
        let in_flow = self.flow_level > 0;
        let mut at = begin;
        while let Some(&byte) = self.bytes.get(at) {
            match PLAIN[usize::from(byte)] {
                Plain::Text => {}
                Plain::Flow if in_flow => break,
                Plain::Flow => {}
                Plain::Perhaps => match byte {
                    b'\n' => break,
                    b':' if self.is_blank_or_end(at + 1) => break,
                    b'#' if at > begin && matches!(self.bytes[at - 1], b' ' | b'\t') => break,
                    b'\r' | 0xc2 | 0xe2 if self.break_len(at) > 0 => break,
                    _ => {}
                },
            }
            at += 1;
        }
        self.at = at;
        self.count_trailing(begin);
        let blanks = self.bytes[begin..at].iter().rev().take_while(|byte| matches!(byte, b' ' | b'\t'));
        at - blanks.count()
    }

    /// The beginning of a text that is made here, or nothing where nobody wants it.
    fn made(&self, text: &str) -> String {
        if self.keeps_texts { text.to_owned() } else { String::new() }
    }

    pub(super) fn scan_quoted(&mut self, quote: u8) -> Scanned<'a> {
        let start = self.mark();
        self.at += 1;
        if let Some(text) = self.quoted_on_one_line(quote) {
            return Ok((Some(Cow::Borrowed(text)), self.at));
        }
        let mut out = String::new();
        let mut breaks = Breaks::default();
        loop {
            if self.column() == 0 && self.document_indicator().is_some() {
                return Err(self.problem_from(Fault::DocumentInQuotes, start));
            }
            if self.at >= self.bytes.len() {
                return Err(self.problem_from(Fault::EndInQuotes, start));
            }
            let mut over_lines = false;
            while !self.is_blank_or_end(self.at) {
                let rest = &self.bytes[self.at..];
                if rest[0] == quote {
                    if quote == b'"' || rest.get(1) != Some(&b'\'') {
                        break;
                    }
                    out.push('\'');
                    self.at += 2;
                } else if quote == b'"' && rest[0] == b'\\' {
                    if self.break_len(self.at + 1) > 0 {
                        self.at += 1;
                        self.skip_line();
                        over_lines = true;
                        break;
                    }
                    self.scan_escape(start, &mut out)?;
                } else {
                    let begin = self.at;
                    self.at += 1;
                    while self.bytes.get(self.at).is_some_and(|b| !matches!(b, b'\\' | b'"' | b'\''))
                        && !self.is_blank_or_end(self.at)
                    {
                        self.at += 1;
                    }
                    self.count_trailing(begin);
                    if self.keeps_texts {
                        out.push_str(&self.text[begin..self.at]);
                    }
                }
            }
            if self.bytes.get(self.at) == Some(&quote) {
                break;
            }
            let begin = self.at;
            let mut blanks_end = begin;
            loop {
                match self.bytes.get(self.at) {
                    Some(b' ' | b'\t') => {
                        self.at += 1;
                        if !over_lines {
                            blanks_end = self.at;
                        }
                    }
                    Some(_) if self.break_len(self.at) > 0 => {
                        let line_break = self.read_break();
                        if over_lines {
                            breaks.further.push_str(line_break);
                        } else {
                            breaks.first = line_break;
                        }
                        over_lines = true;
                    }
                    _ => break,
                }
            }
            if over_lines {
                // After an escaped line break there is no first one: what follows stays as it is.
                breaks.fold_into(&mut out);
            } else {
                out.push_str(&self.text[begin..blanks_end]);
            }
        }
        self.at += 1;
        Ok((self.keeps_texts.then_some(Cow::Owned(out)), self.at))
    }

    /// The text up to the closing quote, if it stands on this line and holds no escape; the cursor is moved past the quote.
    fn quoted_on_one_line(&mut self, quote: u8) -> Option<&'a str> {
        let begin = self.at;
        let mut at = begin;
        loop {
            match *self.bytes.get(at)? {
                b'\n' | b'\r' => return None,
                b'\\' if quote == b'"' => return None,
                0xc2 | 0xe2 if self.break_len(at) > 0 => return None,
                byte if byte == quote => break,
                _ => at += 1,
            }
        }
        if quote == b'\'' && self.bytes.get(at + 1) == Some(&b'\'') {
            return None;
        }
        self.at = at;
        self.count_trailing(begin);
        self.at += 1;
        Some(&self.text[begin..at])
    }

    fn scan_escape(&mut self, start: Mark, out: &mut String) -> Result<(), Box<Problem>> {
        let short = match self.bytes.get(self.at + 1) {
            Some(b'0') => '\0',
            Some(b'a') => '\u{7}',
            Some(b'b') => '\u{8}',
            Some(b't' | b'\t') => '\t',
            Some(b'n') => '\n',
            Some(b'v') => '\u{b}',
            Some(b'f') => '\u{c}',
            Some(b'r') => '\r',
            Some(b'e') => '\u{1b}',
            Some(b' ') => ' ',
            Some(b'"') => '"',
            Some(b'\'') => '\'',
            Some(b'\\') => '\\',
            Some(b'N') => '\u{85}',
            Some(b'_') => '\u{a0}',
            Some(b'L') => '\u{2028}',
            Some(b'P') => '\u{2029}',
            Some(b'x') => return self.scan_hex_escape(2, start, out),
            Some(b'u') => return self.scan_hex_escape(4, start, out),
            Some(b'U') => return self.scan_hex_escape(8, start, out),
            _ => return Err(self.problem_from(Fault::UnknownEscape, start)),
        };
        out.push(short);
        self.at += 2;
        Ok(())
    }

    fn scan_hex_escape(&mut self, digits: usize, start: Mark, out: &mut String) -> Result<(), Box<Problem>> {
        let begin = self.at + 2;
        let hex = self.bytes.get(begin..begin + digits).filter(|hex| hex.iter().all(u8::is_ascii_hexdigit));
        if hex.is_none() {
            return Err(self.problem_from(Fault::HexEscape, start));
        }
        let code = u32::from_str_radix(&self.text[begin..begin + digits], 16).ok();
        let Some(c) = code.and_then(char::from_u32) else {
            return Err(self.problem_from(Fault::InvalidCharacter, start));
        };
        out.push(c);
        self.at = begin + digits;
        Ok(())
    }

    pub(super) fn scan_block_scalar(&mut self, literal: bool) -> Result<(), Box<Problem>> {
        let start = self.mark();
        self.at += 1;
        let (chomping, increment) = self.scan_block_header(start)?;
        let mut indent = increment.map_or(0, |n| self.indent.max(0) as usize + n);
        let mut end = self.at;
        let mut out = String::new();
        let mut breaks = Breaks::default();
        self.scan_block_breaks(&mut indent, &mut breaks.further, start, &mut end)?;
        let mut after_blank = false;
        while self.column() == indent && self.at < self.bytes.len() {
            let begin = self.at;
            self.skip_to_break();
            end = self.at;
            if self.keeps_texts {
                let begins_blank = matches!(self.bytes[begin], b' ' | b'\t');
                if !literal && !after_blank && !begins_blank && breaks.first == "\n" {
                    if breaks.further.is_empty() {
                        out.push(' ');
                    }
                } else {
                    out.push_str(breaks.first);
                }
                out.push_str(&breaks.further);
                after_blank = begins_blank;
                out.push_str(&self.text[begin..end]);
            }
            breaks.further.clear();
            breaks.first = self.read_break();
            self.scan_block_breaks(&mut indent, &mut breaks.further, start, &mut end)?;
        }
        if chomping != Chomping::Strip {
            out.push_str(breaks.first);
        }
        if chomping == Chomping::Keep {
            out.push_str(&breaks.further);
        }
        let text = self.keeps_texts.then_some(Cow::Owned(out));
        self.push_until(Kind::Scalar { text, plain: false }, start, end);
        Ok(())
    }

    /// What stands behind `|` or `>`, with its line break.
    fn scan_block_header(&mut self, start: Mark) -> Result<(Chomping, Option<usize>), Box<Problem>> {
        let mut chomping = Chomping::Clip;
        let mut increment = None;
        for _ in 0..2 {
            match self.bytes.get(self.at) {
                Some(b'+') if chomping == Chomping::Clip => chomping = Chomping::Keep,
                Some(b'-') if chomping == Chomping::Clip => chomping = Chomping::Strip,
                Some(b'0') if increment.is_none() => return Err(self.problem_from(Fault::ZeroIndent, start)),
                Some(digit @ b'1'..=b'9') if increment.is_none() => increment = Some(usize::from(digit - b'0')),
                _ => break,
            }
            self.at += 1;
        }
        self.skip_blanks();
        self.skip_comment();
        if self.at < self.bytes.len() && self.break_len(self.at) == 0 {
            return Err(self.problem_from(Fault::CommentOrBreak, start));
        }
        self.skip_line();
        Ok((chomping, increment))
    }

    /// Empty lines, and the indentation before the next line; finds out the indentation if it is not known (0).
    fn scan_block_breaks(
        &mut self,
        indent: &mut usize,
        breaks: &mut String,
        start: Mark,
        end: &mut usize,
    ) -> Result<(), Box<Problem>> {
        let mut deepest = 0;
        loop {
            let column = self.column();
            self.skip_spaces();
            if *indent > 0 && self.column() > *indent {
                // What is deeper belongs to the text.
                self.at -= self.column() - column.max(*indent);
            }
            let column = self.column();
            deepest = deepest.max(column);
            if (*indent == 0 || column < *indent) && self.bytes.get(self.at) == Some(&b'\t') {
                return Err(self.problem_from(Fault::TabInBlock, start));
            }
            if self.break_len(self.at) == 0 {
                break;
            }
            breaks.push_str(self.read_break());
            *end = self.at;
        }
        if *indent == 0 {
            *indent = deepest.max((self.indent + 1).max(1) as usize);
        }
        Ok(())
    }

    /// Takes the line break at the cursor, if there is one: LS and PS as they are, all others as a line feed.
    fn read_break(&mut self) -> &'a str {
        let begin = self.at;
        self.skip_line();
        match self.at - begin {
            0 => "",
            3 => &self.text[begin..begin + 3],
            _ => "\n",
        }
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Chomping {
    Clip,
    Strip,
    Keep,
}
