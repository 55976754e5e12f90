//! argv → [`kcfg`] → exit code.

fn main() {}
