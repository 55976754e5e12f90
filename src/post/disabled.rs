//! In the place of the poster where kcfg was built without it.

use super::{Posted, Target};
use crate::error::Diagnostic;

/// Says how to get a kcfg that can post.
///
/// # Errors
/// Always.
pub fn post(_target: &Target, _marker: &str, _body: &str, _makes_new: bool) -> Result<Option<Posted>, Diagnostic> {
    Err(Diagnostic::error("this kcfg was built without the feature `post`")
        .help("build it with `--features post`, or post the output of `--format markdown` with a program of your own"))
}
