//! What went wrong in a template: Go's message in substance, the place, the chain of calls, and which value of
//! which map was to blame. Absent: printing; whoever owns the texts makes a diagnostic of it.

use std::fmt;
use std::sync::Arc;

use super::ast::{Span, Text};
use super::value::Map;

/// A place in a template.
#[derive(Debug, Clone)]
pub struct Site {
    /// The text.
    pub text: Arc<Text>,
    /// The part of it.
    pub span: Span,
}

/// A template that could not be parsed.
#[derive(Debug)]
pub struct ParseError {
    /// Go's message without its place.
    pub message: String,
    /// The token that was not understood.
    pub site: Site,
    /// An action that this one belongs to, such as the `if` that nobody ended.
    pub opened: Option<Span>,
}

/// A template that failed while it ran.
#[derive(Debug)]
pub struct Error {
    /// Go's message without its place: `nil pointer evaluating interface {}.tag`; for a function's own error
    /// what the function said.
    pub message: String,
    /// The function that failed, if one did.
    pub function: Option<&'static str>,
    /// The part of the template that failed.
    pub site: Site,
    /// The calls that led there, nearest first.
    pub frames: Vec<Frame>,
    /// Where the failing value was read from.
    pub culprit: Option<Culprit>,
    /// The field that a struct does not have, and those that it has.
    pub unknown_field: Option<(Arc<str>, Vec<String>)>,
}

/// A call of one template by another.
#[derive(Debug, Clone)]
pub struct Frame {
    /// How the template was called.
    pub kind: FrameKind,
    /// The action that called it.
    pub site: Site,
}

/// How a template was called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FrameKind {
    /// `include "name" …`
    Include(Arc<str>),
    /// `template "name" …`
    Template(Arc<str>),
    /// `tpl …`
    Tpl,
}

/// The entry of a map that held the failing value; the key may be missing.
#[derive(Debug, Clone)]
pub struct Culprit {
    /// The map, by reference: whoever knows the value tree finds it there by identity.
    pub map: Map,
    /// The key.
    pub key: Arc<str>,
}

impl Error {
    pub(super) fn new(message: String, site: Site) -> Error {
        Error { message, function: None, site, frames: Vec::new(), culprit: None, unknown_field: None }
    }
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "template: {}: {}", self.site, self.message)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let context = self.site.span.of(&self.site.text.text);
        write!(f, "template: {}: at <{context}>: ", self.site)?;
        if let Some(function) = self.function {
            write!(f, "error calling {function}: ")?;
        }
        f.write_str(&self.message)
    }
}

impl fmt::Display for Site {
    /// `name:line`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let before = self.text.text.get(..self.span.start as usize).unwrap_or_default();
        write!(f, "{}:{}", self.text.name, before.bytes().filter(|b| *b == b'\n').count() + 1)
    }
}

impl std::error::Error for ParseError {}
impl std::error::Error for Error {}
