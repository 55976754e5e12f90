//! Reading one file whole, without waiting for ever and without taking in more than is meant.

use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use rustix::fs::OFlags;

use crate::error::{Diagnostic, io_help};

/// Whether a symbolic link in the place of the file is followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Links {
    /// It is.
    Followed,
    /// It is refused.
    Refused,
}

/// The bytes of a regular file. A pipe, a socket or a device is refused, not waited for.
///
/// # Errors
/// It cannot be opened or read, is no regular file, or has more than `bytes_max` bytes ([`ErrorKind::FileTooLarge`]).
pub fn read_regular(path: &Path, bytes_max: u64, links: Links) -> io::Result<Vec<u8>> {
    let mut flags = OFlags::NONBLOCK;
    if links == Links::Refused {
        flags |= OFlags::NOFOLLOW;
    }
    let file = OpenOptions::new().read(true).custom_flags(flags.bits().cast_signed()).open(path)?;
    let metadata = file.metadata()?;
    if metadata.is_dir() {
        return Err(io::Error::new(ErrorKind::IsADirectory, "it is a folder"));
    }
    if !metadata.is_file() {
        return Err(io::Error::other("it is no regular file, but a pipe, socket or device"));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(metadata.len().min(bytes_max)).unwrap_or(0) + 1);
    // It may grow while it is read.
    file.take(bytes_max.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > bytes_max {
        return Err(io::Error::new(ErrorKind::FileTooLarge, format!("it has more than {bytes_max} bytes")));
    }
    Ok(bytes)
}

/// A file of the repository's own, such as kcfg.yaml: its bytes, or none if it is not there. `top` is the folder that a
/// symbolic link may not lead out of.
pub(super) fn read_own(
    folder: &Path,
    name: &str,
    top: &Path,
    bytes_max: u64,
    limit: &str,
) -> Result<Option<Vec<u8>>, Diagnostic> {
    let path = folder.join(name);
    match fs::symlink_metadata(&path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Ok(metadata) if metadata.is_symlink() && !path.canonicalize().is_ok_and(|target| target.starts_with(top)) => {
            return Err(Diagnostic::error(
                "this symbolic link is broken or leads out of the repository; it is not followed",
            )
            .at_file(name)
            .help("copy what it names into the repository"));
        }
        _ => {}
    }
    read_regular(&path, bytes_max, Links::Followed).map(Some).map_err(|error| {
        let named = if error.kind() == ErrorKind::FileTooLarge { format!(" ({limit})") } else { String::new() };
        Diagnostic::error(format!("this file cannot be read: {error}{named}")).at_file(name).help(io_help(&error))
    })
}
