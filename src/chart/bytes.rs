//! The bytes of a chart's file: there, or read when they are first asked for. Most of a chart's bytes are in files that no
//! template asks for: its README, its crds/, examples.

use std::io;
use std::ops::Deref;
use std::path::PathBuf;
use std::str::Utf8Error;
use std::sync::{Arc, OnceLock};

use super::FILE_SIZE_BYTES_MAX;
use crate::error::{Diagnostic, io_help, reason};
use crate::repo::{Links, read_shared};

/// The bytes of a file, shared by all clones.
#[derive(Debug, Clone)]
pub struct Bytes(Kind);

#[derive(Debug, Clone)]
enum Kind {
    Read(Arc<[u8]>),
    /// Bytes that are UTF-8, shared with those who want the text.
    Text(Arc<str>),
    Later(Arc<Later>),
}

#[derive(Debug)]
struct Later {
    path: PathBuf,
    shown: String,
    length: usize,
    bytes: OnceLock<Arc<[u8]>>,
    failures: Failures,
}

/// Why files could not be read when they were asked for, although they could be opened before; the first one.
#[derive(Debug, Clone, Default)]
pub struct Failures(Arc<OnceLock<Diagnostic>>);

impl Failures {
    /// The first failure. With it nothing holds that was made of the chart.
    pub fn first(&self) -> Option<&Diagnostic> {
        self.0.get()
    }
}

impl Bytes {
    /// A file of `length` bytes that is read when it is asked for. Where that fails it is empty, and `failures` says why.
    pub(super) fn later(path: PathBuf, shown: String, length: usize, failures: &Failures) -> Bytes {
        Bytes(Kind::Later(Arc::new(Later { path, shown, length, bytes: OnceLock::new(), failures: failures.clone() })))
    }

    /// Of a file that was just read.
    pub(super) fn of(bytes: &[u8]) -> Bytes {
        match std::str::from_utf8(bytes) {
            Ok(text) => Bytes(Kind::Text(text.into())),
            Err(_) => bytes.into(),
        }
    }

    /// How many there are, without reading them.
    pub fn len(&self) -> usize {
        match &self.0 {
            Kind::Read(bytes) => bytes.len(),
            Kind::Text(text) => text.len(),
            Kind::Later(later) => later.length,
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Takes the byte order mark away; from a file that is read later, then.
    pub(super) fn without_mark(self) -> Bytes {
        match self.0 {
            Kind::Read(bytes) => Bytes(Kind::Read(without_mark(bytes))),
            Kind::Text(text) => {
                Bytes(Kind::Text(text.strip_prefix('\u{feff}').map_or_else(|| text.clone(), Arc::from)))
            }
            Kind::Later(_) => self,
        }
    }

    /// The bytes themselves.
    pub fn shared(&self) -> Arc<[u8]> {
        match &self.0 {
            Kind::Read(bytes) => bytes.clone(),
            Kind::Text(text) => text.clone().into(),
            Kind::Later(later) => later.bytes().clone(),
        }
    }

    /// The text that they are.
    ///
    /// # Errors
    /// They are not UTF-8; says from where on.
    pub fn text(&self) -> Result<Arc<str>, Utf8Error> {
        match &self.0 {
            Kind::Text(text) => Ok(text.clone()),
            _ => std::str::from_utf8(self).map(Arc::from),
        }
    }
}

impl Later {
    fn bytes(&self) -> &Arc<[u8]> {
        self.bytes.get_or_init(|| self.read())
    }

    fn read(&self) -> Arc<[u8]> {
        let result = read_shared(&self.path, FILE_SIZE_BYTES_MAX, Links::Followed);
        match result.map(without_mark) {
            Ok(bytes) => bytes,
            Err(error) => {
                // Only the first one is told.
                let _ = self.failures.0.set(unreadable(&self.shown, &error));
                Arc::default()
            }
        }
    }
}

/// What is said of a file or folder that cannot be read.
pub(super) fn unreadable(shown: &str, error: &io::Error) -> Diagnostic {
    Diagnostic::error(format!("cannot read this: {}", reason(error))).at_file(shown).help(io_help(error))
}

fn without_mark(bytes: Arc<[u8]>) -> Arc<[u8]> {
    match bytes.strip_prefix(b"\xef\xbb\xbf") {
        Some(rest) => Arc::from(rest),
        None => bytes,
    }
}

impl Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match &self.0 {
            Kind::Read(bytes) => bytes,
            Kind::Text(text) => text.as_bytes(),
            Kind::Later(later) => later.bytes(),
        }
    }
}

impl AsRef<[u8]> for Bytes {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl<T: Into<Arc<[u8]>>> From<T> for Bytes {
    fn from(bytes: T) -> Bytes {
        Bytes(Kind::Read(bytes.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn what_is_read_later_is_what_is_there_then_or_a_failure() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("README.md");
        fs::write(&path, b"\xef\xbb\xbfabc").unwrap();
        let failures = Failures::default();
        let later = || Bytes::later(path.clone(), "charts/a/README.md".into(), 6, &failures);
        let (there, gone) = (later(), later());
        assert_eq!((there.len(), &*there.clone().without_mark(), &*there), (6, &b"abc"[..], &b"abc"[..]));
        assert!(failures.first().is_none());
        fs::remove_file(&path).unwrap();
        assert_eq!((&*there, &*gone), (&b"abc"[..], &b""[..]));
        let failure = failures.first().unwrap();
        assert!(failure.to_string().contains("cannot read this"), "{failure}");
    }
}
