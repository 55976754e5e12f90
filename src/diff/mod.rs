//! Two rendered trees → what changed, what it means, and where it is the same.
//!
//! In: [`ReleasePair`](crate::rendered::ReleasePair)s, which hold only the objects that are not the same on both sides.
//! Out: a [`Report`], which the modules of reports write as text, Markdown, JSON or HTML. Nothing here reads files, a
//! clock or a random source; Secret values are masked before anything else sees them.

pub mod change;
mod compare;
pub mod embedded;
pub mod flag;
pub mod guard;
pub mod image;
pub mod list;
pub mod mask;
pub mod meaning;
pub mod path;
pub mod rename;
pub mod report;
pub mod rules;
pub mod section;
pub mod text;
pub mod write;

pub use compare::{Options, compare};
pub use report::Report;

#[cfg(test)]
mod tests;
