//! Reading one file whole, without waiting for ever and without taking in more than is meant.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::Arc;

use rustix::buffer::spare_capacity;
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

/// The same for those who share the bytes.
///
/// # Errors
/// As of [`read_regular`].
pub fn read_shared(path: &Path, bytes_max: u64, links: Links) -> io::Result<Arc<[u8]>> {
    read_regular(path, bytes_max, links).map(Arc::from)
}

/// Of a buffer while files are small, and from the first one on that is not.
const BUFFER_BYTES_MIN: usize = 64 << 10;
const BUFFER_BYTES_USUAL: usize = 1 << 20;

/// A place to read one file after the other to: memory that is taken once.
#[derive(Debug, Default)]
pub struct Buffer(Vec<u8>);

impl Buffer {
    /// Reads a file, but only if it has no more bytes than `at_once_max`; also gives how many it has.
    ///
    /// # Errors
    /// As of [`read_regular`], also where it is not read.
    pub fn read(
        &mut self,
        at_once_max: u64,
        path: &Path,
        bytes_max: u64,
        links: Links,
    ) -> io::Result<(usize, Option<&[u8]>)> {
        let (file, length) = open(path, links)?;
        if length > bytes_max {
            return Err(too_large(bytes_max));
        }
        let length_shown = usize::try_from(length).unwrap_or(0);
        if length > at_once_max {
            return Ok((length_shown, None));
        }
        self.0.clear();
        // One byte more than there should be: the end shows without a further call.
        if self.0.capacity() <= length_shown {
            let bytes = if length_shown < BUFFER_BYTES_MIN { BUFFER_BYTES_MIN } else { BUFFER_BYTES_USUAL };
            self.0 = Vec::with_capacity(bytes.max(length_shown + 1));
        }
        // Not by `Read`, for which zeros would be written first, to pages that the process does not have yet.
        let read = rustix::io::read(&file, spare_capacity(&mut self.0))?;
        if read == length_shown {
            return Ok((read, Some(&self.0)));
        }
        // It has just been changed.
        self.0 = read_rest(&file, std::mem::take(&mut self.0), bytes_max)?;
        Ok((self.0.len(), Some(&self.0)))
    }
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
        let mut buffer = Buffer::default();
        let stat = buffer.read(2, Path::new("/proc/self/stat"), 0, Links::Followed);
        assert_eq!(stat.unwrap_err().kind(), ErrorKind::FileTooLarge);
        fs::write(&path, "abc").unwrap();
        assert_eq!(buffer.read(2, &path, 3, Links::Followed).unwrap(), (3, None));
        assert_eq!(buffer.read(3, &path, 3, Links::Followed).unwrap(), (3, Some(&b"abc"[..])));
        let status = read_shared(Path::new("/proc/self/status"), 1 << 20, Links::Followed).unwrap();
        assert!(status.starts_with(b"Name:") && status.ends_with(b"\n"), "{status:?}");
        assert!(read_shared(folder.path(), 3, Links::Followed).is_err());
    }
}
