//! `kcfg diff` as a whole program: what it says of pairs of manifests, and of deletions in a repository.

mod deletions;
mod guide;
mod input;
mod options;
mod pairs;
mod secrets;
mod written;
