//! The entry points of a kcfg that was built without the feature `cluster`.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use crate::error::Diagnostic;
use crate::repo::Selector;

use super::status::{EnvironmentState, Outage};
use super::{
    Contender, ObjectResult, Resumed, Source, SuspendRequest, Suspended, SyncOptions, SyncReport, Target, WatchOptions,
};

/// Says how to get a kcfg that applies.
///
/// # Errors
/// Always.
pub fn apply(
    _source: &Source,
    _environment: &str,
    _target: &Target,
    _options: &SyncOptions,
    _contender: Contender,
    _on_object: impl FnMut(&ObjectResult),
    _on_wait: impl FnMut(&str),
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

/// Says how to get a kcfg that knows clusters.
///
/// # Errors
/// Always.
pub fn status(
    _target: &Target,
    _names: &BTreeSet<String>,
    _selector: Option<&Selector>,
) -> Result<Vec<EnvironmentState>, Diagnostic> {
    Err(missing())
}

/// Says how to get a kcfg that knows clusters.
///
/// # Errors
/// Always.
pub fn follow_status(
    _target: &Target,
    _names: &BTreeSet<String>,
    _selector: Option<&Selector>,
    _look: impl FnMut(&[EnvironmentState], Option<&Outage>) -> Result<ControlFlow<()>, Diagnostic>,
) -> Result<(), Diagnostic> {
    Err(missing())
}

/// Says how to get a kcfg that knows clusters.
///
/// # Errors
/// Always.
pub fn suspend(_target: &Target, _request: &SuspendRequest) -> Result<Vec<Suspended>, Diagnostic> {
    Err(missing())
}

/// Says how to get a kcfg that knows clusters.
///
/// # Errors
/// Always.
pub fn resume(_target: &Target, _selector: &Selector) -> Result<Vec<Resumed>, Diagnostic> {
    Err(missing())
}

fn missing() -> Diagnostic {
    Diagnostic::error("this kcfg was built without the feature `cluster`, so it cannot talk to a cluster")
        .help("build it with `cargo build --release`, without --no-default-features, or with `--features cluster`")
}
