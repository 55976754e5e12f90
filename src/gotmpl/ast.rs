//! The tree of a parsed template: shared between threads, never changed after parsing. Nodes hold byte spans of
//! their text, one per path segment, so that an error can underline the segment that failed.
//!
//! A chart has ten thousands of nodes, most with one child. So all nodes of a kind stand in one array of the [`Tree`], and
//! a node has its children as a [`List`], the indices of neighbours in it: parsing allocates and dropping frees a few arrays.

use std::fmt;
use std::marker::PhantomData;
use std::ops::Index;
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
    /// Whether it holds nothing but space and comments: such a one never replaces another.
    pub is_empty: bool,
    /// The tree of the text that it is part of.
    pub(super) tree: Arc<Tree>,
    pub(super) nodes: List<Node>,
}

impl Body {
    /// The text that it is part of.
    pub fn text(&self) -> &Arc<Text> {
        &self.tree.text
    }
}

/// All that was parsed of one text.
#[derive(Debug)]
pub(super) struct Tree {
    pub(super) text: Arc<Text>,
    pub(super) arrays: Arrays,
}

/// The nodes of a text by their kinds.
#[derive(Debug, Default)]
pub(super) struct Arrays {
    nodes: Vec<Node>,
    branches: Vec<Branch>,
    calls: Vec<Call>,
    pipes: Vec<Pipe>,
    declared: Vec<Variable>,
    commands: Vec<Command>,
    exprs: Vec<Expr>,
    segments: Vec<Segment>,
    numbers: Vec<Number>,
    strings: Vec<Arc<str>>,
    bytes: Vec<Arc<[u8]>>,
}

impl Arrays {
    /// Empty arrays that need not grow for so many of the most frequent nodes.
    pub(super) fn with_room(nodes: usize, pipes: usize, commands: usize, exprs: usize, segments: usize) -> Arrays {
        Arrays {
            nodes: Vec::with_capacity(nodes),
            pipes: Vec::with_capacity(pipes),
            commands: Vec::with_capacity(commands),
            exprs: Vec::with_capacity(exprs),
            segments: Vec::with_capacity(segments),
            ..Arrays::default()
        }
    }

    /// Keeps one.
    pub(super) fn keep<T: Kept>(&mut self, item: T) -> Id<T> {
        let array = T::array_mut(self);
        let id = Id { index: index(array.len()), kind: PhantomData };
        array.push(item);
        id
    }

    /// Keeps several as neighbours.
    pub(super) fn keep_all<T: Kept>(&mut self, items: impl Iterator<Item = T>) -> List<T> {
        let array = T::array_mut(self);
        let start = array.len();
        array.extend(items);
        List { start: index(start), end: index(array.len()), kind: PhantomData }
    }
}

/// Texts are shorter than 4 GiB (they come from files that are), and each node has a byte of its own.
fn index(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

/// A kind of node.
pub(super) trait Kept: Sized {
    fn array(arrays: &Arrays) -> &[Self];
    fn array_mut(arrays: &mut Arrays) -> &mut Vec<Self>;
}

macro_rules! kept {
    ($($kind:ty: $field:ident,)+) => {
        $(impl Kept for $kind {
            fn array(arrays: &Arrays) -> &[Self] {
                &arrays.$field
            }

            fn array_mut(arrays: &mut Arrays) -> &mut Vec<Self> {
                &mut arrays.$field
            }
        })+
    };
}

kept! {
    Node: nodes,
    Branch: branches,
    Call: calls,
    Pipe: pipes,
    Variable: declared,
    Command: commands,
    Expr: exprs,
    Segment: segments,
    Number: numbers,
    Arc<str>: strings,
    Arc<[u8]>: bytes,
}

/// One node of a [`Tree`], by its place.
pub(super) struct Id<T> {
    index: u32,
    kind: PhantomData<fn() -> T>,
}

/// Neighbours in a [`Tree`].
pub(super) struct List<T> {
    start: u32,
    end: u32,
    kind: PhantomData<fn() -> T>,
}

impl<T> Clone for Id<T> {
    fn clone(&self) -> Id<T> {
        *self
    }
}

impl<T> Copy for Id<T> {}

impl<T> Clone for List<T> {
    fn clone(&self) -> List<T> {
        *self
    }
}

impl<T> Copy for List<T> {}

impl<T> List<T> {
    pub(super) const EMPTY: List<T> = List { start: 0, end: 0, kind: PhantomData };

    pub(super) fn len(self) -> usize {
        (self.end - self.start) as usize
    }

    pub(super) fn is_empty(self) -> bool {
        self.start == self.end
    }
}

impl<T> fmt::Debug for Id<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.index)
    }
}

impl<T> fmt::Debug for List<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}..{}", self.start, self.end)
    }
}

impl<T: Kept> Index<Id<T>> for Arrays {
    type Output = T;

    fn index(&self, id: Id<T>) -> &T {
        &T::array(self)[id.index as usize]
    }
}

impl<T: Kept> Index<List<T>> for Arrays {
    type Output = [T];

    fn index(&self, list: List<T>) -> &[T] {
        &T::array(self)[list.start as usize..list.end as usize]
    }
}

impl<I> Index<I> for Tree
where
    Arrays: Index<I>,
{
    type Output = <Arrays as Index<I>>::Output;

    fn index(&self, of: I) -> &Self::Output {
        &self.arrays[of]
    }
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Node {
    /// Literal text.
    Text(Span),
    /// `{{ pipeline }}`.
    Action(Id<Pipe>),
    If(Id<Branch>),
    With(Id<Branch>),
    Range(Id<Branch>),
    /// `{{ template "name" pipeline }}`, and what a `block` leaves behind.
    Template(Id<Call>),
    Break,
    Continue,
}

#[derive(Debug)]
pub(super) struct Branch {
    pub(super) pipe: Id<Pipe>,
    pub(super) then: List<Node>,
    pub(super) otherwise: List<Node>,
}

#[derive(Debug)]
pub(super) struct Call {
    pub(super) name: Arc<str>,
    pub(super) span: Span,
    pub(super) pipe: Option<Id<Pipe>>,
}

/// A pipeline: `$x, $y := command | command`.
#[derive(Debug)]
pub(super) struct Pipe {
    pub(super) span: Span,
    pub(super) declared: List<Variable>,
    /// `=` rather than `:=`.
    pub(super) is_assignment: bool,
    /// Never empty.
    pub(super) commands: List<Command>,
}

/// A variable's name within one text, as a number; `$` is [`Variable::ROOT`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Variable(pub(super) u32);

impl Variable {
    pub(super) const ROOT: Variable = Variable(0);
}

/// An operand with its arguments; `args` is never empty and its first element is the operand.
#[derive(Debug, Clone, Copy)]
pub(super) struct Command {
    pub(super) span: Span,
    pub(super) args: List<Expr>,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Expr {
    pub(super) span: Span,
    pub(super) kind: ExprKind,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum ExprKind {
    Dot,
    Nil,
    Bool(bool),
    Number(Id<Number>),
    Str(Id<Arc<str>>),
    /// A string literal whose escapes made it something else than UTF-8.
    Bytes(Id<Arc<[u8]>>),
    /// `.a.b`
    Field(List<Segment>),
    /// `$x.a.b`
    Variable {
        id: Variable,
        path: List<Segment>,
    },
    /// `(pipeline).a.b`, `function.a.b`
    Chain {
        base: Id<Expr>,
        path: List<Segment>,
    },
    Function(Callee),
    /// `( pipeline )`
    Pipe(Id<Pipe>),
}

/// One step of a path, with its dot.
#[derive(Debug, Clone, Copy)]
pub(super) struct Segment {
    pub(super) span: Span,
}

impl Segment {
    /// The name in a text.
    pub(super) fn name(self, text: &Text) -> &str {
        self.span.of(&text.text).get(1..).unwrap_or_default()
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_stay_small() {
        let sizes = (size_of::<Node>(), size_of::<Pipe>(), size_of::<Command>(), size_of::<Expr>());
        assert_eq!(sizes, (12, 28, 16, 24));
    }
}
