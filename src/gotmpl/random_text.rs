//! Random texts with their provenance: what they are drawn from, and which call of which template made them.
//!
//! Two renders with different texts tell what depends on them; a text's record tells which call is behind it. Absent:
//! what a verb makes of that.

use std::sync::Arc;

use data_encoding::{BASE64, HEXLOWER};

use super::ast::Span;
use super::error::Site;

/// What the characters of a random text are drawn from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Alphabet {
    /// `0`–`9`: `randNumeric`.
    Digits,
    /// `A`–`Z` and `a`–`z`: `randAlpha`.
    Letters,
    /// Digits and letters: `randAlphaNum`.
    Alphanumeric,
    /// The 95 printable characters of ASCII: `randAscii`.
    Ascii,
    /// Any bytes; as a text they are in base64: `randBytes`. The length counts bytes.
    Bytes,
    /// A version 4 UUID: `uuidv4`. The length is that of the text, 36.
    Uuid,
}

/// Which call made a random text: the template's text and the call in it. Two calls of one site are one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallSite {
    /// The whole template.
    pub text: Arc<str>,
    /// The call.
    pub span: Span,
}

/// A random text that a fixed generator gave.
#[derive(Debug, Clone)]
pub struct RandomText {
    /// What it is drawn from.
    pub alphabet: Alphabet,
    /// How many characters (bytes for [`Alphabet::Bytes`]) were asked for.
    pub length: usize,
    /// The text.
    pub text: String,
    /// The call that made it, and the calls of templates that led there, nearest first.
    pub sites: Vec<Site>,
}

impl Alphabet {
    /// The characters; none for bytes and UUIDs, whose texts are not drawn character by character.
    pub fn characters(self) -> &'static [u8] {
        match self {
            Alphabet::Digits => b"0123456789",
            Alphabet::Letters => b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz",
            Alphabet::Alphanumeric => b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz",
            Alphabet::Ascii => {
                b" !\"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefghijklmnopqrstuvwxyz{|}~"
            }
            Alphabet::Bytes | Alphabet::Uuid => b"",
        }
    }

    /// A text of the source's characters or bytes.
    pub(super) fn draw(self, length: usize, source: &mut dyn Draw) -> String {
        match self {
            Alphabet::Bytes => {
                let mut bytes = vec![0; length];
                source.bytes(&mut bytes);
                BASE64.encode(&bytes)
            }
            Alphabet::Uuid => {
                let mut bytes = [0; 16];
                source.bytes(&mut bytes);
                uuid(bytes)
            }
            _ => (0..length).map(|at| char::from(source.character(self.characters(), at))).collect(),
        }
    }

    /// The one text of a length that stands for all random ones where a checksum is made of them.
    pub(super) fn fixed_text(self, length: usize) -> String {
        struct First;
        impl Draw for First {
            fn bytes(&mut self, bytes: &mut [u8]) {
                bytes.fill(0);
            }
            fn character(&mut self, characters: &[u8], at: usize) -> u8 {
                *class(characters, at).first().unwrap_or(&b'0')
            }
        }
        self.draw(length, &mut First)
    }
}

/// Where the parts of a random text come from.
pub(super) trait Draw {
    /// Fills a buffer.
    fn bytes(&mut self, bytes: &mut [u8]);
    /// One of the characters, for a place in the text.
    fn character(&mut self, characters: &[u8], at: usize) -> u8;
}

/// Those of the characters that a fixed text may have at a place: an upper-case letter, a lower-case one, a digit, any
/// other one, and so on, of as many kinds as there are. Each kind is then in a text of a few characters already, so
/// that whatever changes or removes some kind of character shows; and a text that begins with a letter is text in YAML.
pub(super) fn class(characters: &[u8], at: usize) -> Vec<u8> {
    const KINDS: [fn(&u8) -> bool; 4] =
        [u8::is_ascii_uppercase, u8::is_ascii_lowercase, u8::is_ascii_digit, u8::is_ascii_punctuation];
    let kinds: Vec<_> = KINDS.iter().filter(|is_kind| characters.iter().any(is_kind)).collect();
    characters.iter().copied().filter(|c| kinds[at % kinds.len().max(1)](c)).collect()
}

fn uuid(mut bytes: [u8; 16]) -> String {
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex = HEXLOWER.encode(&bytes);
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fixed_texts_hold_every_kind_of_character() {
        for (alphabet, length, expected) in [
            (Alphabet::Digits, 3, "000"),
            (Alphabet::Letters, 3, "AaA"),
            (Alphabet::Alphanumeric, 5, "Aa0Aa"),
            (Alphabet::Ascii, 5, "Aa0!A"),
            (Alphabet::Bytes, 2, "AAA="),
            (Alphabet::Uuid, 36, "00000000-0000-4000-8000-000000000000"),
        ] {
            assert_eq!(alphabet.fixed_text(length), expected);
        }
    }
}
