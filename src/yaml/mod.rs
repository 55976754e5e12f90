//! Text ⇄ [`Value`] with source spans: YAML exactly as Kubernetes and Helm read it, and canonical YAML out.

mod value;

pub use value::{Entry, Map, Node, Value};
