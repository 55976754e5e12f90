//! Where a template writes to: text in memory, with a limit.

use std::io::{self, Write};

use super::OUTPUT_BYTES_MAX;
use crate::error::Diagnostic;

/// A text that grows until it passes the limit.
#[derive(Default)]
pub struct Limited {
    bytes: Vec<u8>,
    is_passed: bool,
}

impl Limited {
    /// The error, if the limit was passed.
    pub fn passed(&self) -> Option<Diagnostic> {
        self.is_passed.then(|| {
            Diagnostic::error(format!("this template gives more than {OUTPUT_BYTES_MAX} bytes (OUTPUT_BYTES_MAX)"))
                .help("look for loops inside loops")
        })
    }

    /// What was written. Tera writes texts only, so all of it is UTF-8.
    pub fn into_text(self) -> String {
        String::from_utf8(self.bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
    }
}

impl Write for Limited {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.bytes.len() + bytes.len() > OUTPUT_BYTES_MAX {
            self.is_passed = true;
            return Err(io::Error::other("the limit is passed"));
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
