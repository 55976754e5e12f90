//! Reading a document of which only some entries are wanted: the head of an object that is printed as it stands.
//!
//! The same parser goes over all of it, but nodes are made of the wanted entries only; of the rest only what can be
//! wrong is looked at. Whatever is wrong there, or unusual (an anchor, a tag, a merge key, a key that stands twice),
//! is left to [`read_part`], so that there is one place that finds and tells it.

use std::borrow::Cow;
use std::sync::Arc;

use super::build::Builder;
use super::event::{Event, Located};
use super::parse::{LEVELS_USUAL, Parser};
use super::read::{Document, ReadOptions, read_part};
use super::scalar;
use crate::error::{Diagnostic, Source, Span};

/// A mapping with more keys is read in full: here a key is compared with all before it.
const KEYS_MAX: usize = 100;
/// How many keys the open mappings of most documents have: so much room is taken at first.
const KEYS_USUAL: usize = 64;

/// Where entries stand that are wanted: the key of the root, and perhaps one in its value, both in any case.
pub type Wanted<'a> = &'a [(&'a str, Option<&'a str>)];

/// Reads a document as [`read_part`] does, with the same findings. Only the wanted entries of its root are sure to be in the
/// result; a value that they are only a part of may end before its place in the text does.
///
/// # Errors
/// As for [`read_part`].
pub fn read_head(
    source: &Arc<Source>,
    span: Span,
    options: &ReadOptions,
    wanted: Wanted<'_>,
) -> Result<Document, Diagnostic> {
    match head(source, span, options, wanted) {
        Some(document) => Ok(document),
        None => read_part(source, span, options),
    }
}

/// The document, if it is a mapping without anything unusual.
fn head(source: &Arc<Source>, span: Span, options: &ReadOptions, wanted: Wanted<'_>) -> Option<Document> {
    let mut parser = Parser::new(source, span, options).ok()?;
    let Ok((Event::DocumentStart { .. }, _)) = parser.next() else { return None };
    let mut head = Head {
        wanted,
        depth_max: options.limits.depth_max,
        builder: Builder::new(source, options),
        open: Vec::with_capacity(LEVELS_USUAL),
        keys: Vec::with_capacity(KEYS_USUAL),
        hashes: Vec::with_capacity(KEYS_USUAL),
        is_wanted: true,
        wanted_in: None,
        end: 0,
    };
    parser.keep_texts(false);
    loop {
        let (event, span) = parser.next().ok()?;
        if matches!(event, Event::DocumentEnd) {
            break;
        }
        head.event((event, span))?;
        parser.keep_texts(head.is_wanted);
    }
    let Ok((Event::StreamEnd, _)) = parser.next() else { return None };
    let (node, warnings) = head.builder.finish();
    let mut node = node.filter(|_| warnings.is_empty())?;
    node.span.end = head.end;
    Some(Document { node, is_empty: false, warnings })
}

struct Head<'a, 'w> {
    wanted: Wanted<'w>,
    depth_max: usize,
    /// Takes the root, and the entries that are wanted.
    builder: Builder<'a>,
    open: Vec<Open>,
    /// The keys of all open mappings, and their hashes.
    keys: Vec<&'a str>,
    hashes: Vec<u32>,
    /// Whether what comes next belongs to a wanted entry, or is the root itself.
    is_wanted: bool,
    /// The key of the root whose value is only wanted in part.
    wanted_in: Option<&'a str>,
    /// One past the last byte so far.
    end: u32,
}

/// A collection that is not closed yet.
struct Open {
    /// How many keys the collections around it have; of a sequence this is not needed.
    keys_before: usize,
    is_mapping: bool,
    expects_key: bool,
}

impl<'a> Head<'a, '_> {
    /// Takes an event; nothing if it is unusual.
    fn event(&mut self, located: Located<'a>) -> Option<()> {
        let (event, span) = &located;
        let depth = self.open.len();
        match event {
            Event::Scalar { text, tag: None, plain, anchor: None } => {
                self.end = self.end.max(span.end);
                let within = self.open.last_mut()?;
                if within.expects_key {
                    within.expects_key = false;
                    let Some(Cow::Borrowed(key)) = *text else { return None };
                    if *plain && (key == "<<" || scalar::resolve_kind(key).is_some()) {
                        return None;
                    }
                    let keys_before = within.keys_before;
                    self.key(key, keys_before)?;
                    match (depth, self.wanted_in) {
                        (1, _) => {
                            let mut found =
                                self.wanted.iter().filter(|(name, _)| name.eq_ignore_ascii_case(key)).peekable();
                            self.is_wanted = found.peek().is_some();
                            self.wanted_in = (self.is_wanted && found.all(|(_, below)| below.is_some())).then_some(key);
                        }
                        (2, Some(name)) => {
                            self.is_wanted = self.wanted.iter().any(|(root, below)| {
                                root.eq_ignore_ascii_case(name)
                                    && below.is_some_and(|below| below.eq_ignore_ascii_case(key))
                            });
                        }
                        _ => {}
                    }
                } else {
                    within.expects_key = within.is_mapping;
                    if *plain && text.as_deref().is_some_and(scalar::is_not_finite) {
                        return None;
                    }
                }
                if self.is_wanted {
                    text.as_ref()?;
                }
            }
            Event::MappingStart { anchor: None } | Event::SequenceStart { anchor: None } => {
                let is_mapping = matches!(event, Event::MappingStart { .. });
                match self.open.last_mut() {
                    Some(Open { expects_key: true, .. }) => return None,
                    Some(within) => within.expects_key = within.is_mapping,
                    None if is_mapping => {}
                    None => return None,
                }
                if depth == self.depth_max {
                    return None;
                }
                self.end = self.end.max(span.start);
                self.open.push(Open { keys_before: self.keys.len(), is_mapping, expects_key: is_mapping });
            }
            Event::MappingEnd | Event::SequenceEnd => {
                if span.start < span.end {
                    self.end = self.end.max(span.end);
                }
                let Open { keys_before, .. } = self.open.pop()?;
                self.keys.truncate(keys_before);
                self.hashes.truncate(keys_before);
                self.is_wanted |= depth == 1 || (depth == 2 && self.wanted_in.is_some());
            }
            _ => return None,
        }
        if self.is_wanted { self.builder.event(located).ok() } else { Some(()) }
    }

    /// Takes a key of the innermost mapping, whose keys begin at an index; nothing if it has that key already.
    fn key(&mut self, key: &'a str, from: usize) -> Option<()> {
        let hash = hash(key.as_bytes());
        let others = &self.hashes[from..];
        if others.len() == KEYS_MAX
            || (others.contains(&hash)
                && others.iter().zip(&self.keys[from..]).any(|(h, other)| *h == hash && *other == key))
        {
            return None;
        }
        self.keys.push(key);
        self.hashes.push(hash);
        Some(())
    }
}

/// Tells nearly all keys of a mapping apart; those with equal hashes are compared.
fn hash(key: &[u8]) -> u32 {
    const ODD: u64 = 0x9e37_79b9_7f4a_7c15;
    let (first, last) = match (key.first_chunk(), key.last_chunk()) {
        (Some(first), Some(last)) => (u64::from_le_bytes(*first), u64::from_le_bytes(*last)),
        _ => (key.iter().fold(0, |all, byte| all << 8 | u64::from(*byte)), 0),
    };
    let middle = key.get(key.len() / 2).copied().unwrap_or_default();
    let mixed = (first ^ last.rotate_left(29) ^ u64::from(middle)).wrapping_mul(ODD).wrapping_add(key.len() as u64);
    (mixed.wrapping_mul(ODD) >> 32) as u32
}
