//! Text ⇄ [`Value`] with source spans: YAML exactly as Kubernetes and Helm read it, and canonical YAML out.
//!
//! In: [`Source`](crate::error::Source)s ([`decode`] makes them from bytes). Out: [`Document`]s of [`Node`]s.
//! Comments are not kept.

mod build;
mod canonical;
mod characters;
mod event;
mod fault;
pub mod fields;
pub mod go;
mod head;
mod json;
mod number;
mod parse;
mod read;
mod scalar;
mod scan;
mod scan_text;
mod value;

pub use canonical::{canonical, canonical_object};
pub use head::{Wanted, read_head};
pub use json::from_json;
pub use read::{
    ALIAS_NODES_MAX, BYTES_MAX, DEPTH_MAX, DOCUMENTS_MAX, Document, DuplicateKeys, Limits, Numbers, ReadOptions,
    decode, read, read_all, read_part,
};
pub use value::{Entry, HashState, Map, Node, Value};

#[cfg(test)]
mod tests;
