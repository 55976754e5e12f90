//! Reading one file whole, without waiting for ever and without taking in more than is meant.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, IoSliceMut, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::Arc;

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
    let (file, length) = open(path, links)?;
    read_rest(&file, Vec::with_capacity(usize::try_from(length.min(bytes_max)).unwrap_or(0) + 1), bytes_max)
}

/// The same for those who share the bytes: they are read to where they stay.
///
/// # Errors
/// As of [`read_regular`].
pub fn read_shared(path: &Path, bytes_max: u64, links: Links) -> io::Result<Arc<[u8]>> {
    let (_, bytes) = read_shared_to(u64::MAX, path, bytes_max, links)?;
    Ok(bytes.unwrap_or_default())
}

/// The same, but only if the file has no more bytes than `at_once_max`; also gives how many it has.
///
/// # Errors
/// As of [`read_regular`], also where it is not read.
pub fn read_shared_to(
    at_once_max: u64,
    path: &Path,
    bytes_max: u64,
    links: Links,
) -> io::Result<(usize, Option<Arc<[u8]>>)> {
    let (file, length) = open(path, links)?;
    if length > bytes_max {
        return Err(too_large(bytes_max));
    }
    let shared_length = usize::try_from(length).unwrap_or(0);
    if length > at_once_max {
        return Ok((shared_length, None));
    }
    let shared = read_from(&file, shared_length, bytes_max)?;
    Ok((shared.len(), Some(shared)))
}

/// Reads a file that should have so many bytes.
fn read_from(file: &File, length: usize, bytes_max: u64) -> io::Result<Arc<[u8]>> {
    let mut shared: Arc<[u8]> = std::iter::repeat_n(0, length).collect();
    // One byte more than there should be: the end shows without a further call.
    let mut more = [0];
    let read = match Arc::get_mut(&mut shared) {
        Some(bytes) => (&*file).read_vectored(&mut [IoSliceMut::new(bytes), IoSliceMut::new(&mut more)])?,
        None => 0,
    };
    if read == length {
        return Ok(shared);
    }
    // It has just been changed.
    let mut bytes = shared[..read.min(length)].to_vec();
    bytes.extend(&more[..read.saturating_sub(length)]);
    read_rest(file, bytes, bytes_max).map(Arc::from)
}

/// Opens a regular file; also gives its length, for now.
fn open(path: &Path, links: Links) -> io::Result<(File, u64)> {
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
    Ok((file, metadata.len()))
}

/// Reads what comes after `bytes`, up to the limit: a file may grow while it is read.
fn read_rest(file: &File, mut bytes: Vec<u8>, bytes_max: u64) -> io::Result<Vec<u8>> {
    let rest = bytes_max.saturating_add(1).saturating_sub(bytes.len() as u64);
    file.take(rest).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > bytes_max {
        return Err(too_large(bytes_max));
    }
    Ok(bytes)
}

fn too_large(bytes_max: u64) -> io::Error {
    io::Error::new(ErrorKind::FileTooLarge, format!("it has more than {bytes_max} bytes"))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_whole_whatever_its_length_is_said_to_be() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        for text in ["", "a", "abc"] {
            fs::write(&path, text).unwrap();
            assert_eq!(&*read_shared(&path, 3, Links::Followed).unwrap(), text.as_bytes());
            assert_eq!(read_regular(&path, 3, Links::Followed).unwrap(), text.as_bytes());
        }
        fs::write(&path, "abcd").unwrap();
        assert_eq!(read_shared(&path, 3, Links::Followed).unwrap_err().kind(), ErrorKind::FileTooLarge);
        assert_eq!(read_regular(&path, 3, Links::Followed).unwrap_err().kind(), ErrorKind::FileTooLarge);
        // The kernel's files say that they are empty.
        assert_eq!(
            read_shared_to(2, Path::new("/proc/self/stat"), 0, Links::Followed).unwrap_err().kind(),
            ErrorKind::FileTooLarge
        );
        fs::write(&path, "abc").unwrap();
        assert_eq!(read_shared_to(2, &path, 3, Links::Followed).unwrap(), (3, None));
        let status = read_shared(Path::new("/proc/self/status"), 1 << 20, Links::Followed).unwrap();
        assert!(status.starts_with(b"Name:") && status.ends_with(b"\n"), "{status:?}");
        assert!(read_shared(folder.path(), 3, Links::Followed).is_err());
    }
}
