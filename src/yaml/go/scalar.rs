//! The ways to write a text: plain, quoted, or as a block.

use std::fmt::Write as _;

use super::analyse::{Analysis, is_break, is_printable};
use super::{Emitter, Style};

/// `toYaml` breaks a line at the first blank after this column.
const WIDTH: usize = 80;

impl Emitter<'_> {
    /// Writes a text at the cursor; its further lines begin at column `indent`.
    pub(super) fn write_scalar(&mut self, text: &str, found: &Analysis, is_simple_key: bool, indent: usize) {
        let tab_is_special = found.tab && self.style == Style::ToYaml;
        let block_allowed = found.block_allowed && !tab_is_special;
        if text.contains('\n') && block_allowed && !is_simple_key {
            self.write_literal(text, indent);
        } else if text.contains('\n') || found.resolves {
            self.write_double_quoted(text, is_simple_key, indent);
        } else if found.plain_allowed && !found.tab {
            self.write_plain(text, is_simple_key, indent);
        } else if found.single_quoted_allowed && !found.tab {
            self.write_single_quoted(text, is_simple_key, indent);
        } else {
            self.write_double_quoted(text, is_simple_key, indent);
        }
    }

    /// Whether a line breaks before the blank at the cursor.
    fn folds(&self, is_simple_key: bool) -> bool {
        self.style == Style::ToYaml && !is_simple_key && self.column > WIDTH
    }

    fn write_char(&mut self, c: char) {
        self.out.push(c);
        self.column += 1;
    }

    fn write_ascii(&mut self, text: &str) {
        self.out.push_str(text);
        self.column += text.len();
    }

    fn write_break(&mut self, c: char) {
        if c == '\n' {
            self.line_feed();
        } else {
            self.out.push(c);
            self.column = 0;
        }
        self.indention = true;
    }

    fn write_plain(&mut self, text: &str, is_simple_key: bool, indent: usize) {
        self.blank();
        if self.style == Style::Pretty || is_simple_key || self.column + text.len() <= WIDTH {
            self.out.push_str(text);
            self.column += if text.is_ascii() { text.len() } else { text.chars().count() };
        } else {
            self.write_folding(text, is_simple_key, indent, false);
        }
        self.whitespace = false;
        self.indention = false;
    }

    fn write_single_quoted(&mut self, text: &str, is_simple_key: bool, indent: usize) {
        self.write_indicator("'", true, false, false);
        self.write_folding(text, is_simple_key, indent, true);
        self.write_indicator("'", false, false, false);
        self.whitespace = false;
        self.indention = false;
    }

    /// The text of a plain or single-quoted scalar.
    fn write_folding(&mut self, text: &str, is_simple_key: bool, indent: usize, quoted: bool) {
        let (mut spaces, mut breaks) = (false, false);
        let mut at = 0;
        while let Some(c) = text[at..].chars().next() {
            let word = text[at..].bytes().take_while(|byte| byte.is_ascii_graphic() && *byte != b'\'').count();
            if word > 0 {
                if breaks {
                    self.write_indent(indent);
                }
                self.write_ascii(&text[at..at + word]);
                self.indention = false;
                spaces = false;
                breaks = false;
                at += word;
                continue;
            }
            let next = text[at + c.len_utf8()..].chars().next();
            if c == ' ' {
                let inside = !quoted || (at > 0 && next.is_some());
                if !spaces && self.folds(is_simple_key) && inside && next != Some(' ') {
                    self.write_indent(indent);
                } else {
                    self.write_char(c);
                }
                spaces = true;
            } else if is_break(c) {
                if !breaks && c == '\n' {
                    self.line_feed();
                }
                self.write_break(c);
                breaks = true;
            } else {
                if breaks {
                    self.write_indent(indent);
                }
                if quoted && c == '\'' {
                    self.write_char(c);
                }
                self.write_char(c);
                self.indention = false;
                spaces = false;
                breaks = false;
            }
            at += c.len_utf8();
        }
    }

    fn write_double_quoted(&mut self, text: &str, is_simple_key: bool, indent: usize) {
        self.write_indicator("\"", true, false, false);
        // go-yaml looks for a byte order mark at the text's start instead of at the cursor: after one, all is escaped.
        let escape_all = text.starts_with('\u{feff}');
        let mut spaces = false;
        let mut at = 0;
        while let Some(c) = text[at..].chars().next() {
            let is_plain = |byte: &u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\');
            let word = text[at..].bytes().take_while(is_plain).count();
            if word > 0 && !escape_all {
                self.write_ascii(&text[at..at + word]);
                spaces = false;
                at += word;
                continue;
            }
            let next = text[at + c.len_utf8()..].chars().next();
            if escape_all || !is_printable(c) || is_break(c) || matches!(c, '"' | '\\') {
                let before = self.out.len();
                write_escape(self.out, c);
                self.column += self.out.len() - before;
                spaces = false;
            } else if c == ' ' {
                if !spaces && self.folds(is_simple_key) && at > 0 && next.is_some() {
                    self.write_indent(indent);
                    if next == Some(' ') {
                        self.write_char('\\');
                    }
                } else {
                    self.write_char(c);
                }
                spaces = true;
            } else {
                self.write_char(c);
                spaces = false;
            }
            at += c.len_utf8();
        }
        self.write_indicator("\"", false, false, false);
        self.whitespace = false;
        self.indention = false;
    }

    fn write_literal(&mut self, text: &str, indent: usize) {
        self.write_indicator("|", true, false, false);
        if text.starts_with(|c: char| c == ' ' || is_break(c)) {
            self.write_indicator("2", false, false, false);
        }
        let mut ends = text.chars().rev();
        match (ends.next().is_some_and(is_break), ends.next().is_none_or(is_break)) {
            (false, _) => self.write_indicator("-", false, false, false),
            (true, true) => self.write_indicator("+", false, false, false),
            (true, false) => {}
        }
        self.line_feed();
        self.indention = true;
        self.whitespace = true;
        let mut breaks = true;
        let mut rest = text;
        while let Some(c) = rest.chars().next() {
            let run = rest.bytes().take_while(|byte| matches!(byte, b' '..=b'~')).count();
            if run > 0 {
                if breaks {
                    self.write_indent(indent);
                }
                self.write_ascii(&rest[..run]);
                self.indention = false;
                breaks = false;
                rest = &rest[run..];
                continue;
            }
            rest = &rest[c.len_utf8()..];
            if is_break(c) {
                self.write_break(c);
                breaks = true;
            } else {
                if breaks {
                    self.write_indent(indent);
                }
                self.write_char(c);
                self.indention = false;
                breaks = false;
            }
        }
    }
}

fn write_escape(out: &mut String, c: char) {
    out.push('\\');
    let short = match c {
        '\0' => '0',
        '\u{7}' => 'a',
        '\u{8}' => 'b',
        '\t' => 't',
        '\n' => 'n',
        '\u{b}' => 'v',
        '\u{c}' => 'f',
        '\r' => 'r',
        '\u{1b}' => 'e',
        '"' => '"',
        '\\' => '\\',
        '\u{85}' => 'N',
        '\u{a0}' => '_',
        '\u{2028}' => 'L',
        '\u{2029}' => 'P',
        _ => {
            let code = u32::from(c);
            let _ = match code {
                0..=0xff => write!(out, "x{code:02X}"),
                0x100..=0xffff => write!(out, "u{code:04X}"),
                _ => write!(out, "U{code:08X}"),
            };
            return;
        }
    };
    out.push(short);
}
