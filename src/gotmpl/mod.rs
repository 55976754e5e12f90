//! Go's text/template with sprig's functions. Knows nothing of Helm or of the rest of kcfg.
//!
//! Comes in: texts, which [`parse()`] turns into trees that all threads share; a [`TemplateSet`] of them; a value.
//! Goes out: the rendered text, or an [`Error`] with its place, the chain of calls, and the map entry to blame.
//! Absent: reading files, and how errors look.

mod ast;
mod builtins;
mod deciding;
mod error;
mod eval;
mod exec;
pub mod fmt;
mod func;
mod functions;
pub mod json;
mod lex;
mod literal;
mod parse;
mod random;
mod random_text;
pub mod regex;
mod set;
pub mod sprig;
pub mod strconv;
#[cfg(test)]
mod tests;
pub mod time;
mod time_parse;
mod value;
mod values_methods;

/// By words of templates, whose writers gain nothing from collisions; with seeds that differ from run to run all the same.
type HashMap<K, V> = std::collections::HashMap<K, V, foldhash::fast::RandomState>;

pub use ast::{Body, Parsed, Span, TPL_NAME, Text};
pub use builtins::Builtin;
pub use deciding::DecidingValues;
pub use error::{Culprit, Error, Frame, FrameKind, ParseError, Site};
pub use exec::{
    CONTAINERS_MAX, DEPTH_MAX, Executor, INCLUDE_RECURSION_MAX, NO_VALUE, OUTPUT_BYTES_MAX, PRODUCED_BYTES_MAX,
    ROUNDS_MAX, Reach, STACK_BYTES,
};
pub use func::{Function, Generator, Host, Param};
pub use functions::Functions;
pub use parse::{NESTING_MAX, parse};
pub use random::{FixedGenerator, RANDOM_TEXT_BYTES_MAX, RANDOM_TEXTS_MAX, RealGenerator};
pub use random_text::{Alphabet, CallSite, RandomText};
pub use set::TemplateSet;
pub use value::{ElementType, IntKind, List, Map, MapType, Object, Value};
