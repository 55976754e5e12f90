//! The tree of a parsed template: shared between threads, never changed after parsing. Nodes hold byte spans of
//! their text, one per path segment, so that an error can underline the segment that failed.
//!
//! Lists are boxes of exactly their size: a chart has ten thousands of nodes, most with one child.

use std::sync::Arc;

use super::builtins::Builtin;
use super::func::Function;

/// A template text with the name that messages give it.
#[derive(Debug)]
pub struct Text {
    /// The name: `web/templates/deployment.yaml`; [`TPL_NAME`] for a text that `tpl` was given.
    pub name: Arc<str>,
    /// The template.
    pub text: Arc<str>,
}

/// What Helm calls the text that `tpl` renders.
pub const TPL_NAME: &str = "gotpl";

/// A byte range of a [`Text`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// First byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
}

impl Span {
    pub(super) fn new(start: usize, end: usize) -> Span {
        let clamp = |n| u32::try_from(n).unwrap_or(u32::MAX);
        Span { start: clamp(start), end: clamp(end) }
    }

    pub(super) fn to(self, end: Span) -> Span {
        Span { start: self.start, end: end.end.max(self.start) }
    }

    /// The bytes of `text` that it covers.
    pub fn of(self, text: &str) -> &str {
        text.get(self.start as usize..self.end as usize).unwrap_or_default()
    }
}

/// What one text defines: itself, and the templates of its `define` and `block` actions.
#[derive(Debug)]
pub struct Parsed {
    /// The text outside all definitions.
    pub main: Arc<Body>,
    /// The definitions, by their order in the text; no two have the same name.
    pub definitions: Vec<Arc<Body>>,
}

/// A template that can be executed.
#[derive(Debug)]
pub struct Body {
    /// Its name.
    pub name: Arc<str>,
    /// The text that it is part of.
    pub text: Arc<Text>,
    /// Whether it holds nothing but space and comments: such a one never replaces another.
    pub is_empty: bool,
    pub(super) nodes: Box<[Node]>,
}

#[derive(Debug)]
pub(super) enum Node {
    /// Literal text.
    Text(Span),
    /// `{{ pipeline }}`.
    Action(Pipe),
    If(Box<Branch>),
    With(Box<Branch>),
    Range(Box<Branch>),
    /// `{{ template "name" pipeline }}`, and what a `block` leaves behind.
    Template(Box<Call>),
    Break,
    Continue,
}

#[derive(Debug)]
pub(super) struct Branch {
    pub(super) pipe: Pipe,
    pub(super) then: Box<[Node]>,
    pub(super) otherwise: Box<[Node]>,
}

#[derive(Debug)]
pub(super) struct Call {
    pub(super) name: Arc<str>,
    pub(super) span: Span,
    pub(super) pipe: Option<Pipe>,
}

/// A pipeline: `$x, $y := command | command`.
#[derive(Debug)]
pub(super) struct Pipe {
    pub(super) span: Span,
    pub(super) declared: Box<[Variable]>,
    /// `=` rather than `:=`.
    pub(super) is_assignment: bool,
    /// Never empty.
    pub(super) commands: Box<[Command]>,
}

/// A variable's name within one text, as a number; `$` is [`Variable::ROOT`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Variable(pub(super) u32);

impl Variable {
    pub(super) const ROOT: Variable = Variable(0);
}

/// An operand with its arguments; `args` is never empty and its first element is the operand.
#[derive(Debug)]
pub(super) struct Command {
    pub(super) span: Span,
    pub(super) args: Box<[Expr]>,
}

#[derive(Debug)]
pub(super) struct Expr {
    pub(super) span: Span,
    pub(super) kind: ExprKind,
}

#[derive(Debug)]
pub(super) enum ExprKind {
    Dot,
    Nil,
    Bool(bool),
    Number(Box<Number>),
    Str(Arc<str>),
    /// A string literal whose escapes made it something else than UTF-8.
    Bytes(Arc<[u8]>),
    /// `.a.b`
    Field(Box<[Segment]>),
    /// `$x.a.b`
    Variable {
        id: Variable,
        path: Box<[Segment]>,
    },
    /// `(pipeline).a.b`, `function.a.b`
    Chain {
        base: Box<Expr>,
        path: Box<[Segment]>,
    },
    Function(Callee),
    /// `( pipeline )`
    Pipe(Box<Pipe>),
}

/// One step of a path; the span covers the name with its dot.
#[derive(Debug)]
pub(super) struct Segment {
    pub(super) name: Arc<str>,
    pub(super) span: Span,
}

/// A number literal under all the types that can hold it, as Go's untyped constants are.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Number {
    pub(super) int: Option<i64>,
    pub(super) float: Option<f64>,
    /// Whether it is written like an integer, so that it is an `int` where no type is asked for.
    pub(super) is_int_like: bool,
}

/// A function, found while parsing.
#[derive(Debug, Clone, Copy)]
pub(super) enum Callee {
    Builtin(Builtin),
    Row(&'static Function),
    /// `include NAME DATA`
    Include,
    /// `tpl TEXT DATA`
    Tpl,
}

impl Callee {
    pub(super) fn name(self) -> &'static str {
        match self {
            Callee::Builtin(builtin) => builtin.name(),
            Callee::Row(row) => row.name,
            Callee::Include => "include",
            Callee::Tpl => "tpl",
        }
    }
}
