//! argv → [`kcfg::run`] → exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    kcfg::run(std::env::args_os())
}
