//! Where the control plane's programs are: in KUBEBUILDER_ASSETS, or else built from Go modules by control-plane/build.sh.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::control_plane::SWITCH;

/// The path of each program, built first if it is nowhere.
///
/// # Errors
/// Says what to install or set where a program is missing and cannot be built.
pub fn find<const N: usize>(programs: [&str; N]) -> Result<[PathBuf; N], String> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cluster/control-plane/build.sh");
    let output = Command::new("bash").arg(&script).args(programs).output();
    let output = output.map_err(|e| format!("bash cannot be run: {e}"))?;
    let paths: Vec<_> = String::from_utf8_lossy(&output.stdout).lines().map(PathBuf::from).collect();
    paths.try_into().map_err(|_| {
        format!(
            "the tests' control plane cannot be built: install Go 1.26 or later, or set KUBEBUILDER_ASSETS to a folder \
             with {}, or leave these tests out with {SWITCH}=off\n{}",
            programs.join(", "),
            String::from_utf8_lossy(&output.stderr).trim_end()
        )
    })
}
