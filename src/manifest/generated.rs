//! The annotation `kcfg.dev/generated`: which keys of a Secret are made up in the cluster, and of what.
//!
//! A Secret that is committed without a password names it here. Whoever applies the Secret makes the value up once,
//! before the first apply, and never changes it. The text is one line per key, sorted by key, without a last line feed:
//!
//! ```text
//! KEY LENGTH ALPHABET [base64…]
//! ```
//!
//! | alphabet | value |
//! |---|---|
//! | `digits` | LENGTH characters of `0`–`9` |
//! | `letters` | LENGTH characters of `A`–`Z`, `a`–`z` |
//! | `alphanumeric` | LENGTH characters of `0`–`9`, `A`–`Z`, `a`–`z` |
//! | `ascii` | LENGTH of the 95 printable characters of ASCII, the space among them |
//! | `bytes` | LENGTH bytes |
//! | `uuid` | a version 4 UUID as text; LENGTH is 36 |
//!
//! Every character or byte is equally likely and independent of the others. Each `base64` after the alphabet says that
//! the value is the base64 (RFC 4648, with padding) of what stands before. The value is what a container sees: a
//! Secret's `data` holds it in base64 once more. For instance
//!
//! ```text
//! admin-password 16 alphanumeric
//! cookie 32 bytes base64
//! ```
//!
//! Absent: making values (the applier's), and finding out which leaves of a chart are such (the pipeline's).

use std::fmt;
use std::str::FromStr;

use data_encoding::BASE64;

use crate::engine::Alphabet;
use crate::error::{Diagnostic, Span};
use crate::yaml::{Entry, Map, Node, Value};

use super::{Object, scalar_text};

/// The annotation.
pub const GENERATED_ANNOTATION: &str = "kcfg.dev/generated";
/// The longest value that is made up: a Secret holds no more than 1 MiB.
pub const GENERATED_LENGTH_MAX: usize = 1 << 20;
/// How often a value may be in base64 beside the encoding of `data` itself.
pub const GENERATED_ENCODINGS_MAX: usize = 3;
/// The length of a UUID's text.
const UUID_LENGTH: usize = 36;

const ALPHABETS: [(&str, Alphabet); 6] = [
    ("digits", Alphabet::Digits),
    ("letters", Alphabet::Letters),
    ("alphanumeric", Alphabet::Alphanumeric),
    ("ascii", Alphabet::Ascii),
    ("bytes", Alphabet::Bytes),
    ("uuid", Alphabet::Uuid),
];

/// A key of a Secret whose value is made up in the cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GeneratedLeaf {
    /// The key in `data`.
    pub key: String,
    /// What its value is.
    pub form: GeneratedForm,
}

/// What a value that is made up looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GeneratedForm {
    /// How many characters, or bytes.
    pub length: usize,
    /// What they are drawn from.
    pub alphabet: Alphabet,
    /// How often the value is in base64, beside the encoding of `data`.
    pub encodings: usize,
}

impl GeneratedForm {
    /// A value of this form, as a container sees it, from a source of random bytes.
    pub fn make(&self, fill: impl FnMut(&mut [u8])) -> Vec<u8> {
        let text = self.alphabet.random_text(self.length, fill);
        let mut value = match self.alphabet {
            Alphabet::Bytes => BASE64.decode(text.as_bytes()).expect("random bytes are drawn in base64"),
            _ => text.into_bytes(),
        };
        for _ in 0..self.encodings {
            value = BASE64.encode(&value).into_bytes();
        }
        value
    }
}

impl fmt::Display for GeneratedLeaf {
    /// A line of the annotation.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let GeneratedForm { length, alphabet, encodings } = self.form;
        let name = ALPHABETS.iter().find(|(_, known)| *known == alphabet).map_or("", |(name, _)| name);
        write!(f, "{} {length} {name}", self.key)?;
        (0..encodings).try_for_each(|_| f.write_str(" base64"))
    }
}

impl FromStr for GeneratedLeaf {
    type Err = String;

    /// Reads a line of the annotation.
    fn from_str(line: &str) -> Result<GeneratedLeaf, String> {
        let words: Vec<&str> = line.split(' ').collect();
        let [key, length, alphabet, encodings @ ..] = words.as_slice() else {
            return Err(format!("`{line}` is not of the form KEY LENGTH ALPHABET"));
        };
        let is_key = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
        if key.is_empty() || !key.bytes().all(is_key) {
            return Err(format!("`{key}` cannot be a key of a Secret"));
        }
        let range = 1..=GENERATED_LENGTH_MAX;
        let Some(length) = length.parse().ok().filter(|length| range.contains(length) && is_plain(words[1])) else {
            return Err(format!("`{length}` is not a length from 1 to {GENERATED_LENGTH_MAX}"));
        };
        let Some((_, alphabet)) = ALPHABETS.iter().find(|(name, _)| name == alphabet) else {
            let known = ALPHABETS.map(|(name, _)| name).join(", ");
            return Err(format!("`{alphabet}` is no alphabet; there are {known}"));
        };
        if *alphabet == Alphabet::Uuid && length != UUID_LENGTH {
            return Err(format!("a UUID has {UUID_LENGTH} characters, not {length}"));
        }
        if encodings.len() > GENERATED_ENCODINGS_MAX || encodings.iter().any(|word| *word != "base64") {
            return Err(format!(
                "`{}`: after the alphabet may stand `base64`, at most {GENERATED_ENCODINGS_MAX} times",
                encodings.join(" ")
            ));
        }
        let form = GeneratedForm { length, alphabet: *alphabet, encodings: encodings.len() };
        Ok(GeneratedLeaf { key: (*key).to_owned(), form })
    }
}

/// The decimal form that writing gives: no sign, no zeros before it.
fn is_plain(number: &str) -> bool {
    number.bytes().all(|b| b.is_ascii_digit()) && !number.starts_with('0')
}

/// Reads the annotation's text; a last line feed is allowed, as a block scalar has one.
///
/// # Errors
/// One sentence on the first line that is not of the format, or on a key that stands there twice.
pub fn parse_generated(text: &str) -> Result<Vec<GeneratedLeaf>, String> {
    let mut leaves: Vec<GeneratedLeaf> = Vec::new();
    for line in text.strip_suffix('\n').unwrap_or(text).split('\n') {
        let leaf: GeneratedLeaf = line.parse()?;
        if leaves.iter().any(|known| known.key == leaf.key) {
            return Err(format!("the key `{}` stands there twice", leaf.key));
        }
        leaves.push(leaf);
    }
    leaves.sort_by(|a, b| a.key.cmp(&b.key));
    Ok(leaves)
}

/// The annotation's text.
pub fn generated_text(leaves: &[GeneratedLeaf]) -> String {
    let mut lines: Vec<&GeneratedLeaf> = leaves.iter().collect();
    lines.sort_by(|a, b| a.key.cmp(&b.key));
    lines.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

impl Object {
    /// The keys of this Secret that are made up in the cluster, sorted; of most objects there are none.
    ///
    /// # Errors
    /// The annotation cannot be read, the object is not a Secret, or `data` has the key as well.
    pub fn generated(&self) -> Result<Vec<GeneratedLeaf>, Diagnostic> {
        let Some(node) = self.node.at(&["metadata", "annotations", GENERATED_ANNOTATION]) else {
            return Ok(Vec::new());
        };
        let fail = |message: String, span: Span, help: &str| {
            Err(self.manifest.point(Diagnostic::error(message).help(help), span))
        };
        if !self.is_secret() {
            let message = format!("{GENERATED_ANNOTATION} stands on {}, which is not a Secret", self.id);
            return fail(message, node.span, "only values of a Secret are made up in the cluster");
        }
        let leaves =
            match scalar_text(node).ok_or_else(|| "it is not text".to_owned()).and_then(|t| parse_generated(&t)) {
                Ok(leaves) => leaves,
                Err(problem) => {
                    let message = format!("{GENERATED_ANNOTATION} of {} cannot be read: {problem}", self.id);
                    return fail(message, node.span, "a line is KEY LENGTH ALPHABET, as in `password 16 alphanumeric`");
                }
            };
        for leaf in &leaves {
            if let Some(value) = self.node.at(&["data", &leaf.key]) {
                let message =
                    format!("{}: data.{} is written and is listed in {GENERATED_ANNOTATION}", self.id, leaf.key);
                return fail(message, value.span, "write the value, or have it made up, not both");
            }
        }
        Ok(leaves)
    }

    /// Whether it is a Secret of Kubernetes itself.
    pub fn is_secret(&self) -> bool {
        self.id.group.is_empty() && &*self.id.kind == "Secret"
    }

    /// Takes the leaves out of `data`, and lists them in the annotation beside those that it lists already.
    pub(crate) fn leave_out(&mut self, mut leaves: Vec<GeneratedLeaf>) {
        leaves.extend(self.generated().unwrap_or_default());
        let Some(object) = self.node.as_map_mut() else { return };
        if let Some(data) = object.get_mut("data").and_then(|data| data.node.as_map_mut()) {
            leaves.iter().for_each(|leaf| drop(data.shift_remove(leaf.key.as_str())));
            if data.is_empty() {
                object.shift_remove("data");
            }
        }
        let Some(metadata) = object.get_mut("metadata").and_then(|metadata| metadata.node.as_map_mut()) else { return };
        let annotations = metadata.entry("annotations".into()).or_insert_with(|| Entry::new(Map::default()));
        if annotations.node.as_map().is_none() {
            annotations.node = Node::new(Map::default());
        }
        if let Value::Map(annotations) = &mut annotations.node.value {
            annotations.insert(GENERATED_ANNOTATION.into(), Entry::new(generated_text(&leaves)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let text =
            "a.b_c-D 16 alphanumeric\ncookie 32 bytes base64 base64\nid 36 uuid\npin 4 digits\nw 9 letters\nx 8 ascii";
        let leaves = parse_generated(text).unwrap();
        assert_eq!(leaves.len(), 6);
        assert_eq!(leaves[1].form, GeneratedForm { length: 32, alphabet: Alphabet::Bytes, encodings: 2 });
        assert_eq!(generated_text(&leaves), text);
        assert_eq!(parse_generated(&format!("{text}\n")).unwrap(), leaves);
        let backwards: Vec<&str> = text.lines().rev().collect();
        assert_eq!(generated_text(&parse_generated(&backwards.join("\n")).unwrap()), text);
    }

    #[test]
    fn what_is_not_of_the_format_is_an_error() {
        for (text, problem) in [
            ("", "`` is not of the form KEY LENGTH ALPHABET"),
            ("a 16", "`a 16` is not of the form KEY LENGTH ALPHABET"),
            ("a  16 digits", "`` is not a length from 1 to 1048576"),
            ("a/b 16 digits", "`a/b` cannot be a key of a Secret"),
            ("a 0 digits", "`0` is not a length from 1 to 1048576"),
            ("a +5 digits", "`+5` is not a length from 1 to 1048576"),
            ("a 016 digits", "`016` is not a length from 1 to 1048576"),
            ("a 1048577 digits", "`1048577` is not a length from 1 to 1048576"),
            ("a 16 hex", "`hex` is no alphabet; there are digits, letters, alphanumeric, ascii, bytes, uuid"),
            ("a 35 uuid", "a UUID has 36 characters, not 35"),
            ("a 16 digits base32", "`base32`: after the alphabet may stand `base64`, at most 3 times"),
            ("a 16 digits\na 17 digits", "the key `a` stands there twice"),
            ("a 16 digits\n\nb 1 digits", "`` is not of the form KEY LENGTH ALPHABET"),
        ] {
            assert_eq!(parse_generated(text).unwrap_err(), problem, "{text:?}");
        }
    }

    #[test]
    fn values_are_of_their_form() {
        let mut state = 7_u8;
        let mut fill = |bytes: &mut [u8]| {
            bytes.fill_with(|| {
                state = state.wrapping_mul(77).wrapping_add(31);
                state
            });
        };
        for (line, is_right) in [
            ("k 40 digits", (|v| v.len() == 40 && v.iter().all(u8::is_ascii_digit)) as fn(&[u8]) -> bool),
            ("k 40 letters", |v| v.len() == 40 && v.iter().all(u8::is_ascii_alphabetic)),
            ("k 40 alphanumeric", |v| v.len() == 40 && v.iter().all(u8::is_ascii_alphanumeric)),
            ("k 40 ascii", |v| v.len() == 40 && v.iter().all(|b| (b' '..=b'~').contains(b))),
            ("k 40 bytes", |v| v.len() == 40),
            ("k 36 uuid", |v| v.len() == 36 && v[14] == b'4'),
            ("k 3 bytes base64", |v| BASE64.decode(v).is_ok_and(|v| v.len() == 3)),
            ("k 3 digits base64 base64", |v| v.len() == 8),
        ] {
            let leaf: GeneratedLeaf = line.parse().unwrap();
            let value = leaf.form.make(&mut fill);
            assert!(is_right(&value), "{line}: {value:?}");
        }
    }
}
