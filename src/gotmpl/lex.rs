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
    /// A run of spaces, which separates arguments.
    Space,
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
    let mut lexer = Lexer { text, pos: 0, start: 0, parens: 0, tokens: Vec::with_capacity(text.len() / 8 + 4) };
    match lexer.run() {
        Ok(()) => Tokens { tokens: lexer.tokens, error: String::new() },
        Err(error) => {
            let end = lexer.pos.max(lexer.start);
            lexer.tokens.push(Token { kind: Kind::Error, span: Span::new(lexer.start, end) });
            Tokens { tokens: lexer.tokens, error }
        }
    }
}

const LEFT: &str = "{{";
const RIGHT: &str = "}}";
const LEFT_COMMENT: &str = "/*";
const RIGHT_COMMENT: &str = "*/";
/// A trim marker is a minus and the space that sets it off from the action.
const TRIM_MARKER_BYTES: usize = 2;
const SPACES: [char; 4] = [' ', '\t', '\r', '\n'];

struct Lexer<'a> {
    text: &'a str,
    pos: usize,
    start: usize,
    parens: u32,
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
        self.tokens.push(Token { kind, span: Span::new(self.start, self.pos) });
        self.start = self.pos;
    }

    fn ignore(&mut self) {
        self.start = self.pos;
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
            let trim = has_left_trim(&self.text[delim + LEFT.len()..]);
            self.pos = delim;
            if trim {
                self.pos = self.start + self.text[self.start..delim].trim_end_matches(SPACES).len();
            }
            if self.pos > self.start {
                self.emit(Kind::Text);
            }
            self.start = delim;
            self.pos = delim + LEFT.len();
            let after = if trim { self.pos + TRIM_MARKER_BYTES } else { self.pos };
            if self.text[after..].starts_with(LEFT_COMMENT) {
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
        let rest = self.rest();
        if has_right_trim(rest) && rest[TRIM_MARKER_BYTES..].starts_with(RIGHT) {
            return Some(true);
        }
        rest.starts_with(RIGHT).then_some(false)
    }

    fn skip_right_delim(&mut self, trim: bool) {
        self.pos += if trim { TRIM_MARKER_BYTES + RIGHT.len() } else { RIGHT.len() };
        if trim {
            self.pos = self.text.len() - self.rest().trim_start_matches(SPACES).len();
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
            self.pos = self.text.len() - self.rest().trim_start_matches(SPACES).len();
            self.ignore();
        }
    }

    /// Takes one token of an action; false when that was its end.
    fn inside_action(&mut self) -> Result<bool, String> {
        if let Some(trim) = self.at_right_delim() {
            if self.parens > 0 {
                return Err("unclosed left paren".into());
            }
            self.right_delim(trim);
            return Ok(false);
        }
        let Some(c) = self.next() else { return Err("unclosed action".into()) };
        match c {
            ' ' | '\t' | '\r' | '\n' => return Ok(self.space()),
            '=' => self.emit(Kind::Assign),
            ':' => {
                if self.next() != Some('=') {
                    return Err("expected :=".into());
                }
                self.emit(Kind::Declare);
            }
            '|' => self.emit(Kind::Pipe),
            '"' => self.quoted('"', "unterminated quoted string", Kind::Str)?,
            '\'' => self.quoted('\'', "unterminated character constant", Kind::CharConstant)?,
            '`' => {
                let Some(end) = self.rest().find('`') else {
                    return Err("unterminated raw quoted string".into());
                };
                self.pos += end + 1;
                self.emit(Kind::RawStr);
            }
            '$' => self.name(Kind::Variable, Kind::Variable)?,
            '.' if !self.peek().is_some_and(|c| c.is_ascii_digit()) => self.name(Kind::Field, Kind::Dot)?,
            '.' | '+' | '-' | '0'..='9' => {
                self.pos -= 1;
                self.number()?;
            }
            c if is_alphanumeric(c) => self.identifier()?,
            '(' => {
                self.parens += 1;
                self.emit(Kind::LeftParen);
            }
            ')' => {
                if self.parens == 0 {
                    return Err("unexpected right paren".into());
                }
                self.parens -= 1;
                self.emit(Kind::RightParen);
            }
            '!'..='~' => self.emit(Kind::Char),
            c => return Err(format!("unrecognized character in action: {}", show_char(c))),
        }
        Ok(true)
    }

    /// Takes a run of spaces, whose last one may belong to a trim marker; false when the action ended.
    fn space(&mut self) -> bool {
        let length = self.text.len() - self.start - self.text[self.start..].trim_start_matches(SPACES).len();
        self.pos = self.start + length;
        let last = &self.text[self.pos - 1..];
        if has_right_trim(last) && last[TRIM_MARKER_BYTES..].starts_with(RIGHT) {
            self.pos -= 1;
            if length == 1 {
                self.right_delim(true);
                return false;
            }
        }
        self.emit(Kind::Space);
        true
    }

    fn quoted(&mut self, quote: char, unterminated: &str, kind: Kind) -> Result<(), String> {
        loop {
            match self.next() {
                Some('\\') if !matches!(self.next(), None | Some('\n')) => {}
                None | Some('\n' | '\\') => return Err(unterminated.into()),
                Some(c) if c == quote => break,
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
        // Nearly all words are ASCII.
        let ascii = self.rest().bytes().take_while(|b| *b == b'_' || b.is_ascii_alphanumeric()).count();
        self.pos += ascii;
        while self.peek().is_some_and(is_alphanumeric) {
            self.next();
        }
        if self.at_terminator() {
            return Ok(());
        }
        let c = self.peek().unwrap_or('\0');
        self.start = self.pos;
        self.pos += c.len_utf8().min(self.rest().len());
        Err(format!("bad character {}", show_char(c)))
    }

    fn at_terminator(&self) -> bool {
        match self.peek() {
            None | Some(' ' | '\t' | '\r' | '\n' | '.' | ',' | '|' | ':' | ')' | '(') => true,
            Some(_) => self.rest().starts_with(RIGHT),
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

fn has_left_trim(text: &str) -> bool {
    let mut chars = text.chars();
    chars.next() == Some('-') && chars.next().is_some_and(|c| SPACES.contains(&c))
}

fn has_right_trim(text: &str) -> bool {
    let mut chars = text.chars();
    chars.next().is_some_and(|c| SPACES.contains(&c)) && chars.next() == Some('-')
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
