//! Writing files that are not there yet, and saying so.

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::path::Path;

use crate::error::Diagnostic;

use super::Output;

/// A file to be written.
#[derive(Debug)]
pub struct NewFile {
    /// The path below the repository's root, with `/`.
    pub path: String,
    /// Its text.
    pub text: String,
}

/// Writes all files and prints a line for each. Nothing is written if one of them is there already.
pub fn write_new(root: &Path, files: &[NewFile], output: &Output) -> Result<(), Diagnostic> {
    for file in files {
        if fs::symlink_metadata(root.join(&file.path)).is_ok() {
            return Err(Diagnostic::error("this file is there already; nothing was written")
                .at_file(file.path.clone())
                .help("kcfg never writes over a file: remove or rename it first"));
        }
    }
    for file in files {
        if !write_if_absent(root, file)? {
            return Err(Diagnostic::error("this file was made by somebody else meanwhile").at_file(file.path.clone()));
        }
        output.line(&format!("wrote {}", file.path));
    }
    Ok(())
}

/// Writes a file with the folders above it, unless something of its name is there; says whether it did.
pub fn write_if_absent(root: &Path, file: &NewFile) -> Result<bool, Diagnostic> {
    let cannot = |error: std::io::Error| {
        Diagnostic::error(format!("the file cannot be written: {error}")).at_file(file.path.clone())
    };
    let path = root.join(&file.path);
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(cannot)?;
        // A folder that is a symbolic link could lead anywhere.
        if !folder.canonicalize().map_err(cannot)?.starts_with(root.canonicalize().map_err(cannot)?) {
            return Err(Diagnostic::error("a folder above this file leads out of the repository; nothing was written")
                .at_file(file.path.clone()));
        }
    }
    match OpenOptions::new().write(true).create_new(true).open(&path) {
        Ok(mut opened) => opened.write_all(file.text.as_bytes()).map(|()| true).map_err(cannot),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(cannot(error)),
    }
}
