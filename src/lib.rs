//! kcfg: Kubernetes configuration in Git, rendered before it is reviewed.

pub mod ascii_regex;
pub mod chart;
pub mod cli;
pub mod cluster;
pub mod diff;
pub mod engine;
pub mod error;
pub mod gotmpl;
pub mod id;
pub mod lint;
pub mod manifest;
pub mod pipeline;
pub mod plan;
pub mod post;
pub mod release;
pub mod rendered;
pub mod repo;
pub mod semver;
pub mod values;
pub mod yaml;

pub use cli::run;
