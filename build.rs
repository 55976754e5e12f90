//! Links the program statically, for fixed addresses: there is then no loader that finds, maps and binds libraries, and
//! nothing to be written into tables of addresses. The program takes a third less processor time to start, and runs where
//! nothing else is. Stack and heap stay at random addresses.
//!
//! In a release, the functions that `kcfg template` runs stand beside each other (`ci/template-functions`): a process takes in
//! its program in pieces of 64 KB and more, and of these it then needs half as many.
//!
//! By rustc's own means (`target-feature=+crt-static`) this would need a `--target`, for procedural macros cannot be
//! linked so, and the program would stand in another folder than everybody looks in.

use std::path::Path;
use std::process::Command;
use std::{env, fs, io};

/// What rustc links dynamically, and what stands in its place.
const LIBRARIES: [(&str, &str); 7] = [
    ("gcc_s", "libgcc_eh.a libgcc.a libc.a"),
    ("c", "libc.a libgcc_eh.a libgcc.a"),
    ("m", "libm.a"),
    ("rt", "librt.a"),
    ("util", "libutil.a"),
    ("pthread", "libpthread.a"),
    ("dl", "libdl.a"),
];

/// What stands beside each other; its lines are told in record.sh, which makes it.
const FUNCTIONS: &str = "ci/template-functions/names.txt";

fn main() -> io::Result<()> {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed={FUNCTIONS}");
    let variable = |name: &str| env::var(name).unwrap_or_default();
    if variable("CARGO_CFG_TARGET_OS") != "linux" || variable("CARGO_CFG_TARGET_ENV") != "gnu" {
        return Ok(());
    }
    println!("cargo::rustc-link-arg-bins=-no-pie");
    if variable("PROFILE") == "release" && variable("CARGO_CFG_TARGET_ARCH") == "x86_64" {
        let script = Path::new(&variable("OUT_DIR")).join("functions.ld");
        fs::write(&script, linker_script(&fs::read_to_string(FUNCTIONS)?))?;
        println!("cargo::rustc-link-arg-bins=-Wl,-T,{}", script.display());
    }
    // Another machine's libraries are not looked for, and some distributions leave the static ones out.
    if variable("HOST") == variable("TARGET") && LIBRARIES.iter().all(|(name, _)| has_static(name)) {
        let folder = Path::new(&variable("OUT_DIR")).join("static");
        fs::create_dir_all(&folder)?;
        for (name, archives) in LIBRARIES {
            // A linker script: the linker looks here first.
            fs::write(folder.join(format!("lib{name}.so")), format!("GROUP({archives})\n"))?;
        }
        println!("cargo::rustc-link-arg-bins=-static");
        println!("cargo::rustc-link-arg-bins=-L{}", folder.display());
    }
    Ok(())
}

/// Puts the sections of some functions before all others, in their order.
fn linker_script(functions: &str) -> String {
    let patterns = functions.lines().map(|line| match line.strip_prefix("libc.a:") {
        Some(member) => format!("*libc.a:{member}(.text .text.*)\n"),
        None => {
            // `$` would begin a variable.
            let name = line.replace('$', "?");
            let rest = if name.starts_with("_ZN") { "*" } else { "" };
            // Functions that the compiler takes for cold have another prefix.
            format!("*(.text.{name}{rest} .text.unlikely.{name}{rest})\n")
        }
    });
    format!("SECTIONS {{ .text.template : {{\n{}}} }} INSERT BEFORE .text;\n", patterns.collect::<String>())
}

/// Whether the C compiler that links knows a static form of a library.
fn has_static(name: &str) -> bool {
    let name = if name == "gcc_s" { "gcc_eh" } else { name };
    let output = Command::new("cc").arg(format!("-print-file-name=lib{name}.a")).output();
    // What it does not find it repeats as it was asked.
    output.is_ok_and(|output| String::from_utf8_lossy(&output.stdout).starts_with('/'))
}
