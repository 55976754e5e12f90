//! The entry points of a kcfg that was built without the feature `cluster`.

use crate::error::Diagnostic;

use super::{ObjectResult, Source, SyncOptions, SyncReport, Target, WatchOptions};

/// Says how to get a kcfg that applies.
///
/// # Errors
/// Always.
pub fn apply(
    _source: &Source,
    _environment: &str,
    _target: &Target,
    _options: &SyncOptions,
    _on_object: impl FnMut(&ObjectResult),
) -> Result<SyncReport, Vec<Diagnostic>> {
    Err(vec![missing()])
}

/// Says how to get a kcfg that applies.
///
/// # Errors
/// Always.
pub fn follow(_options: WatchOptions) -> Result<(), Vec<Diagnostic>> {
    Err(vec![missing()])
}

fn missing() -> Diagnostic {
    Diagnostic::error("this kcfg was built without the feature `cluster`, so it cannot talk to a cluster")
        .help("build it with `cargo build --release`, without --no-default-features, or with `--features cluster`")
}
