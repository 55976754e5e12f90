//! Template text → tokens, with Go's trim markers, comments and token boundaries (text/template/parse/lex.go).
//! Comes in: the text. Goes out: all tokens at once; a lexical error is the last token. Absent: other delimiters
//! than `{{` and `}}`, which no chart can choose.

use super::ast::Span;

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// The text is wrong here; the message is in [`Tokens::error`].
    Error,
    Eof,
    Text,
    LeftDelim,
    RightDelim,
    Bool,
    /// Any other printable ASCII character, such as a comma.
    Char,
    CharConstant,
    Complex,
    Number,
    Str,
    RawStr,
    /// `=`
    Assign,
    /// `:=`
    Declare,
    Pipe,
    LeftParen,
    RightParen,
    /// `.name`
    Field,
    Identifier,
    /// `$` or `$name`
    Variable,
    Dot,
    Nil,
    Block,
    Break,
    Continue,
    Define,
    Else,
    End,
    If,
    Range,
    Template,
    With,
}

impl Kind {
    /// Whether Go shows the token as `<word>`.
    pub(super) fn is_keyword(self) -> bool {
        use Kind::*;
        matches!(self, Dot | Nil | Block | Break | Continue | Define | Else | End | If | Range | Template | With)
    }
}

/// A token and its place.
#[derive(Debug, Clone, Copy)]
pub(super) struct Token {
    pub(super) kind: Kind,
    /// Whether space separates it from the token before, as it must arguments.
    pub(super) is_apart: bool,
    pub(super) span: Span,
}

/// All tokens of a text: the last one is [`Kind::Eof`] or [`Kind::Error`].
pub(super) struct Tokens {
    pub(super) tokens: Vec<Token>,
    /// What is wrong at the last token, if it is an error.
    pub(super) error: String,
}

/// Splits a template into tokens.
pub(super) fn lex(text: &str) -> Tokens {
    let tokens = Vec::with_capacity(text.len() / BYTES_PER_TOKEN + 4);
    let mut lexer = Lexer { text, bytes: text.as_bytes(), pos: 0, start: 0, parens: 0, is_apart: false, tokens };
    match lexer.run() {
        Ok(()) => Tokens { tokens: lexer.tokens, error: String::new() },
        Err(error) => {
            let end = lexer.pos.max(lexer.start);
            lexer.tokens.push(Token { kind: Kind::Error, is_apart: false, span: Span::new(lexer.start, end) });
            Tokens { tokens: lexer.tokens, error }
        }
    }
}

/// Charts have fewer tokens than one for so many bytes, nearly always.
const BYTES_PER_TOKEN: usize = 10;
const LEFT: &str = "{{";
const RIGHT: &str = "}}";
const LEFT_COMMENT: &str = "/*";
const RIGHT_COMMENT: &str = "*/";
/// A trim marker is a minus and the space that sets it off from the action.
const TRIM_MARKER_BYTES: usize = 2;

struct Lexer<'a> {
    text: &'a str,
    bytes: &'a [u8],
    pos: usize,
    start: usize,
    parens: u32,
    /// Whether space was taken since the last token.
    is_apart: bool,
    tokens: Vec<Token>,
}

impl<'a> Lexer<'a> {
    fn run(&mut self) -> Result<(), String> {
        while self.text_up_to_action()? {
            while self.inside_action()? {}
        }
        self.emit(Kind::Eof);
        Ok(())
    }

    fn rest(&self) -> &'a str {
        &self.text[self.pos..]
    }

    fn emit(&mut self, kind: Kind) {
        let is_apart = std::mem::take(&mut self.is_apart);
        self.tokens.push(Token { kind, is_apart, span: Span::new(self.start, self.pos) });
        self.start = self.pos;
    }

    fn ignore(&mut self) {
        self.start = self.pos;
    }

    fn byte(&self, ahead: usize) -> Option<u8> {
        self.bytes.get(self.pos + ahead).copied()
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.pos += c.len_utf8();
        Some(c)
    }

    /// Takes text and comments; true when an action begins.
    fn text_up_to_action(&mut self) -> Result<bool, String> {
        loop {
            self.ignore();
            let Some(found) = find_left_delim(self.rest()) else {
                self.pos = self.text.len();
                if self.pos > self.start {
                    self.emit(Kind::Text);
                }
                return Ok(false);
            };
            let delim = self.pos + found;
            let trim = has_left_trim(&self.bytes[delim + LEFT.len()..]);
            self.pos = delim;
            if trim {
                let spaces = self.bytes[self.start..delim].iter().rev().take_while(|b| is_space(**b)).count();
                self.pos = delim - spaces;
            }
            if self.pos > self.start {
                self.emit(Kind::Text);
            }
            self.start = delim;
            self.pos = delim + LEFT.len();
            let after = if trim { self.pos + TRIM_MARKER_BYTES } else { self.pos };
            if self.bytes[after..].starts_with(LEFT_COMMENT.as_bytes()) {
                self.pos = after;
                self.ignore();
                self.comment()?;
                continue;
            }
            self.emit(Kind::LeftDelim);
            self.pos = after;
            self.ignore();
            self.parens = 0;
            return Ok(true);
        }
    }

    fn comment(&mut self) -> Result<(), String> {
        let Some(end) = self.rest()[LEFT_COMMENT.len()..].find(RIGHT_COMMENT) else {
            return Err("unclosed comment".into());
        };
        self.pos += LEFT_COMMENT.len() + end + RIGHT_COMMENT.len();
        let Some(trim) = self.at_right_delim() else {
            return Err("comment ends before closing delimiter".into());
        };
        self.skip_right_delim(trim);
        Ok(())
    }

    /// Whether a right delimiter comes next, and whether it has a trim marker.
    fn at_right_delim(&self) -> Option<bool> {
        match self.bytes[self.pos..] {
            [b'}', b'}', ..] => Some(false),
            [space, b'-', b'}', b'}', ..] if is_space(space) => Some(true),
            _ => None,
        }
    }

    fn skip_spaces(&mut self) {
        while self.byte(0).is_some_and(is_space) {
            self.pos += 1;
        }
    }

    fn skip_right_delim(&mut self, trim: bool) {
        self.pos += if trim { TRIM_MARKER_BYTES + RIGHT.len() } else { RIGHT.len() };
        if trim {
            self.skip_spaces();
        }
    }

    fn right_delim(&mut self, trim: bool) {
        if trim {
            self.pos += TRIM_MARKER_BYTES;
            self.ignore();
        }
        self.pos += RIGHT.len();
        self.emit(Kind::RightDelim);
        if trim {
            self.skip_spaces();
            self.ignore();
        }
    }

    /// Takes one token of an action; false when that was its end.
    fn inside_action(&mut self) -> Result<bool, String> {
        self.space();
        if let Some(trim) = self.at_right_delim() {
            if self.parens > 0 {
                return Err("unclosed left paren".into());
            }
            self.right_delim(trim);
            return Ok(false);
        }
        let Some(byte) = self.byte(0) else { return Err("unclosed action".into()) };
        self.pos += 1;
        match byte {
            b'=' => self.emit(Kind::Assign),
            b':' => {
                if self.next() != Some('=') {
                    return Err("expected :=".into());
                }
                self.emit(Kind::Declare);
            }
            b'|' => self.emit(Kind::Pipe),
            b'"' => self.quoted(byte, "unterminated quoted string", Kind::Str)?,
            b'\'' => self.quoted(byte, "unterminated character constant", Kind::CharConstant)?,
            b'`' => {
                let Some(end) = self.rest().find('`') else {
                    return Err("unterminated raw quoted string".into());
                };
                self.pos += end + 1;
                self.emit(Kind::RawStr);
            }
            b'$' => self.name(Kind::Variable, Kind::Variable)?,
            b'.' if !self.byte(0).is_some_and(|b| b.is_ascii_digit()) => self.name(Kind::Field, Kind::Dot)?,
            b'.' | b'+' | b'-' | b'0'..=b'9' => {
                self.pos -= 1;
                self.number()?;
            }
            b'_' | b'a'..=b'z' | b'A'..=b'Z' => self.identifier()?,
            b'(' => {
                self.parens += 1;
                self.emit(Kind::LeftParen);
            }
            b')' => {
                if self.parens == 0 {
                    return Err("unexpected right paren".into());
                }
                self.parens -= 1;
                self.emit(Kind::RightParen);
            }
            b'!'..=b'~' => self.emit(Kind::Char),
            _ => {
                self.pos -= 1;
                match self.next() {
                    Some(c) if is_alphanumeric(c) => self.identifier()?,
                    c => return Err(format!("unrecognized character in action: {}", show_char(c.unwrap_or_default()))),
                }
            }
        }
        Ok(true)
    }

    /// Takes a run of spaces, whose last one may belong to a trim marker.
    fn space(&mut self) {
        let start = self.pos;
        self.skip_spaces();
        if self.pos == start {
            return;
        }
        let is_trim = self.bytes[self.pos..].starts_with(b"-}}");
        self.pos -= usize::from(is_trim);
        self.is_apart = self.pos > start;
        self.ignore();
    }

    fn quoted(&mut self, quote: u8, unterminated: &str, kind: Kind) -> Result<(), String> {
        loop {
            let byte = self.byte(0);
            self.pos += usize::from(byte.is_some());
            match byte {
                Some(b'\\') if !matches!(self.next(), None | Some('\n')) => {}
                None | Some(b'\n' | b'\\') => return Err(unterminated.into()),
                Some(byte) if byte == quote => break,
                Some(_) => {}
            }
        }
        self.emit(kind);
        Ok(())
    }

    /// A field or a variable, whose first character is taken.
    fn name(&mut self, kind: Kind, alone: Kind) -> Result<(), String> {
        if self.at_terminator() {
            self.emit(alone);
            return Ok(());
        }
        self.word()?;
        self.emit(kind);
        Ok(())
    }

    fn identifier(&mut self) -> Result<(), String> {
        self.word()?;
        let kind = match &self.text[self.start..self.pos] {
            "true" | "false" => Kind::Bool,
            "nil" => Kind::Nil,
            "block" => Kind::Block,
            "break" => Kind::Break,
            "continue" => Kind::Continue,
            "define" => Kind::Define,
            "else" => Kind::Else,
            "end" => Kind::End,
            "if" => Kind::If,
            "range" => Kind::Range,
            "template" => Kind::Template,
            "with" => Kind::With,
            _ => Kind::Identifier,
        };
        self.emit(kind);
        Ok(())
    }

    fn word(&mut self) -> Result<(), String> {
        loop {
            // Nearly all words are ASCII.
            while self.byte(0).is_some_and(|b| b == b'_' || b.is_ascii_alphanumeric()) {
                self.pos += 1;
            }
            if self.at_terminator() {
                return Ok(());
            }
            match self.peek() {
                Some(c) if is_alphanumeric(c) => self.pos += c.len_utf8(),
                c => {
                    self.start = self.pos;
                    self.pos += c.map_or(0, char::len_utf8);
                    return Err(format!("bad character {}", show_char(c.unwrap_or_default())));
                }
            }
        }
    }

    fn at_terminator(&self) -> bool {
        match self.byte(0) {
            None | Some(b' ' | b'\t' | b'\r' | b'\n' | b'.' | b',' | b'|' | b':' | b')' | b'(') => true,
            Some(b'}') => self.byte(1) == Some(b'}'),
            Some(_) => false,
        }
    }

    fn number(&mut self) -> Result<(), String> {
        let bad = |lexer: &Lexer<'_>| format!("bad number syntax: {:?}", &lexer.text[lexer.start..lexer.pos]);
        if !self.scan_number() {
            return Err(bad(self));
        }
        if matches!(self.peek(), Some('+' | '-')) {
            if !self.scan_number() || !self.text[..self.pos].ends_with('i') {
                return Err(bad(self));
            }
            self.emit(Kind::Complex);
            return Ok(());
        }
        self.emit(Kind::Number);
        Ok(())
    }

    fn accept(&mut self, valid: &str) -> bool {
        let found = self.peek().is_some_and(|c| valid.contains(c));
        if found {
            self.next();
        }
        found
    }

    fn accept_run(&mut self, valid: &str) {
        while self.accept(valid) {}
    }

    fn scan_number(&mut self) -> bool {
        const DECIMAL: &str = "0123456789_";
        const HEX: &str = "0123456789abcdefABCDEF_";
        self.accept("+-");
        let mut digits = DECIMAL;
        if self.accept("0") {
            if self.accept("xX") {
                digits = HEX;
            } else if self.accept("oO") {
                digits = "01234567_";
            } else if self.accept("bB") {
                digits = "01_";
            }
        }
        self.accept_run(digits);
        if self.accept(".") {
            self.accept_run(digits);
        }
        if digits == DECIMAL && self.accept("eE") || digits == HEX && self.accept("pP") {
            self.accept("+-");
            self.accept_run(DECIMAL);
        }
        self.accept("i");
        if self.peek().is_some_and(is_alphanumeric) {
            self.next();
            return false;
        }
        true
    }
}

/// Where an action begins.
fn find_left_delim(text: &str) -> Option<usize> {
    // Braces are rare: looking for one is faster than preparing a search for two.
    let mut from = 0;
    while let Some(found) = text[from..].find('{') {
        let at = from + found;
        if text[at..].starts_with(LEFT) {
            return Some(at);
        }
        from = at + 1;
    }
    None
}

fn has_left_trim(bytes: &[u8]) -> bool {
    matches!(bytes, [b'-', space, ..] if is_space(*space))
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

fn is_alphanumeric(c: char) -> bool {
    c == '_' || c.is_alphanumeric()
}

/// A character as Go's `%#U` shows it.
fn show_char(c: char) -> String {
    match c {
        c if c.is_control() => format!("U+{:04X}", c as u32),
        c => format!("U+{:04X} '{c}'", c as u32),
    }
}
