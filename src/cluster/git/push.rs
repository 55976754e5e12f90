//! Moves one tag of a remote repository: `git-receive-pack`, as far as a single tag object needs it (gitprotocol-pack,
//! "Pushing data to a server"), over the transports that fetching has. gix 0.90 does not push.
//!
//! The server tells where its refs stand; the tag is moved from there and from nowhere else, so that of two who move it
//! at once one is refused. Nothing is ever forced, and no other ref is named.

use std::io::{self, Read as _, Write as _};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use flate2::Compression;
use flate2::write::ZlibEncoder;
use gix::ObjectId;
use gix::bstr::ByteSlice as _;
use gix::odb::pack::data;
use gix::protocol::transport::client::blocking_io::Transport;
use gix::protocol::transport::client::{MessageKind, TransportWithoutIO as _, WriteMode};
use gix::protocol::transport::packetline::read::ProgressAction;
use gix::protocol::transport::packetline::{PacketLineRef, blocking_io::encode, decode};
use gix::protocol::transport::{Service, packetline};
use sha1::{Digest as _, Sha1};

use super::super::GitCredentials;
use super::connect::{Endpoint, causes, with_words};
use super::ssh;
use crate::error::Diagnostic;
use crate::repo::CommitId;

/// Bytes of a server's answer to a push that are read.
const REPORT_BYTES_MAX: u64 = 64 << 10;
/// Bytes of what a server says beside it that are kept.
const WORDS_BYTES_MAX: usize = 4096;
/// Who writes the tags.
const TAGGER: &str = "kcfg <noreply@kcfg.dev>";

/// What became of a tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pushed {
    /// It was made, or moved.
    Moved,
    /// It stood there already.
    Same,
}

/// A tag as an object of Git: the same content always has the same id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TagObject {
    name: String,
    id: ObjectId,
    bytes: Vec<u8>,
}

impl TagObject {
    /// A tag of a commit. `name` is without `refs/tags/`; `seconds` are since 1970.
    ///
    /// # Errors
    /// No tag can have that name.
    pub fn new(name: &str, commit: &CommitId, seconds: i64, message: &str) -> Result<TagObject, Diagnostic> {
        let reference = format!("refs/tags/{name}");
        gix::validate::reference::name(reference.as_str().into())
            .map_err(|error| Diagnostic::error(format!("`{name}` cannot be the name of a tag: {error}")))?;
        let head = format!("object {commit}\ntype commit\ntag {name}\ntagger {TAGGER} {seconds} +0000\n");
        let bytes = format!("{head}\n{}\n", message.trim_end()).into_bytes();
        let id = gix::objs::compute_hash(gix::hash::Kind::Sha1, gix::objs::Kind::Tag, &bytes)
            .map_err(|error| Diagnostic::error(format!("the tag {name} cannot be made: {error}")))?;
        Ok(TagObject { name: name.to_owned(), id, bytes })
    }

    /// Its id.
    pub fn id(&self) -> String {
        self.id.to_string()
    }

    /// A pack that holds it and nothing else.
    fn pack(&self) -> io::Result<Vec<u8>> {
        let mut pack = data::header::encode(data::Version::V2, 1).to_vec();
        data::entry::Header::Tag.write_to(self.bytes.len() as u64, &mut pack)?;
        let mut encoder = ZlibEncoder::new(pack, Compression::default());
        encoder.write_all(&self.bytes)?;
        let mut pack = encoder.finish()?;
        let sum = Sha1::digest(&pack);
        pack.extend_from_slice(&sum);
        Ok(pack)
    }
}

impl Endpoint {
    /// Has the tag be this one. What stands there already is not written again.
    ///
    /// # Errors
    /// The server cannot be reached, refuses, is too slow, breaks off, or somebody else moved the tag at the same time.
    pub fn push_tag(&self, credentials: &GitCredentials, tag: &TagObject) -> Result<Pushed, Diagnostic> {
        let stderr = ssh::Stderr::default();
        self.push(credentials, tag, &stderr).map_err(|error| with_words(error, &stderr))
    }

    fn push(&self, credentials: &GitCredentials, tag: &TagObject, stderr: &ssh::Stderr) -> Result<Pushed, Diagnostic> {
        let begin = Instant::now();
        let reference = format!("refs/tags/{}", tag.name);
        let failed = |error: &dyn std::error::Error| self.not_pushed(tag, &causes(error));
        let (mut transport, options) = self.connect(Service::ReceivePack, credentials, stderr)?;
        if let Some(options) = options {
            transport.configure(&*options).map_err(|error| failed(&error))?;
        }
        let mut response = transport.handshake(Service::ReceivePack, &[]).map_err(|error| failed(&error))?;
        let has = |name: &str| response.capabilities.contains(name);
        let (reports, has_bands, has_format) = (has("report-status"), has("side-band-64k"), has("object-format"));
        let mut old = None;
        if let Some(refs) = &mut response.refs {
            while let Some(line) = refs.readline() {
                let line = line.map_err(|error| failed(&error))?.map_err(|error| failed(&error))?;
                let Some((id, name)) = line.as_bstr().and_then(|line| line.trim_end().split_once_str(" ")) else {
                    continue;
                };
                if name == reference.as_bytes() {
                    old = ObjectId::from_hex(id).ok();
                }
                if begin.elapsed() > self.limits.total {
                    return Err(self.not_pushed(tag, "the server takes too long to tell its refs"));
                }
            }
        }
        drop(response);
        if old == Some(tag.id) {
            if transport.connection_persists_across_multiple_requests() {
                // Nothing is asked for: the server ends in peace. That it is told so is all that can fail.
                let _ = transport
                    .request(WriteMode::Binary, MessageKind::Flush, false)
                    .map(|request| request.into_read().map(drop));
            }
            return Ok(Pushed::Same);
        }
        if !reports {
            return Err(self.not_pushed(tag, "the server would not say whether it did it"));
        }
        let mut capabilities = "report-status".to_owned();
        if has_bands {
            capabilities.push_str(" side-band-64k");
        }
        if has_format {
            capabilities.push_str(" object-format=sha1");
        }
        let old = old.unwrap_or_else(|| ObjectId::null(gix::hash::Kind::Sha1));
        let command = format!("{old} {} {reference}\0{capabilities} agent=kcfg/{}", tag.id, env!("CARGO_PKG_VERSION"));
        let mut body = Vec::new();
        let write = |body: &mut Vec<u8>| -> io::Result<()> {
            encode::data_to_write(command.as_bytes(), &mut *body)?;
            encode::flush_to_write(&mut *body)?;
            body.extend(tag.pack()?);
            Ok(())
        };
        write(&mut body).map_err(|error| failed(&error))?;
        let words = Arc::new(Mutex::new(String::new()));
        let report = exchange(&mut *transport, &body, has_bands, &words).map_err(|error| failed(&error))?;
        let outcome = outcome(&report, &reference);
        outcome.map(|()| Pushed::Moved).map_err(|why| {
            let error = self.not_pushed(tag, &why);
            let words = words.lock().unwrap_or_else(PoisonError::into_inner);
            match words.trim() {
                "" => error,
                words => error.note(format!("the server says: {words}"), None),
            }
        })
    }

    fn not_pushed(&self, tag: &TagObject, why: &str) -> Diagnostic {
        Diagnostic::error(format!("the tag {} of {} cannot be moved: {why}", tag.name, self.url())).help(
            "see that the deploy key or the token may write to this repository, and that no rule protects the tag",
        )
    }
}

/// Sends a request, and gives the lines of the report. What is said beside it goes to `words`.
fn exchange(
    transport: &mut dyn Transport,
    body: &[u8],
    has_bands: bool,
    words: &Arc<Mutex<String>>,
) -> io::Result<Vec<String>> {
    // This way of writing has the length of the body told beforehand, which not every proxy can do without.
    let request = transport.request(WriteMode::OneLfTerminatedLinePerWriteCall, MessageKind::Flush, false);
    let (mut writer, mut reader) = request.map_err(io::Error::other)?.into_parts();
    writer.write_all(body)?;
    writer.flush()?;
    drop(writer);
    if has_bands {
        let words = words.clone();
        reader.set_progress_handler(Some(Box::new(move |_, text| {
            let mut words = words.lock().unwrap_or_else(PoisonError::into_inner);
            if words.len() < WORDS_BYTES_MAX {
                words.push_str(&text.to_str_lossy());
                words.push('\n');
            }
            ProgressAction::Continue(())
        })));
    }
    let mut bytes = Vec::new();
    reader.take(REPORT_BYTES_MAX).read_to_end(&mut bytes)?;
    let text = if has_bands { lines(&bytes)? } else { bytes };
    Ok(text.to_str_lossy().lines().map(str::to_owned).collect())
}

/// The text of packet lines, up to the first that is none.
fn lines(mut bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    while !bytes.is_empty() {
        match decode::streaming(bytes).map_err(io::Error::other)? {
            packetline::decode::Stream::Complete { line: PacketLineRef::Data(line), bytes_consumed } => {
                text.extend_from_slice(line.trim_end());
                text.push(b'\n');
                bytes = &bytes[bytes_consumed..];
            }
            _ => break,
        }
    }
    Ok(text)
}

/// What the report says of a ref: why it was not moved.
fn outcome(report: &[String], reference: &str) -> Result<(), String> {
    match report.first().map(|line| line.trim()) {
        Some("unpack ok") => {}
        Some(line) => return Err(line.to_owned()),
        None => return Err("the server broke off before it said whether it did it".to_owned()),
    }
    for line in &report[1..] {
        match line.trim_end().splitn(3, ' ').collect::<Vec<_>>()[..] {
            ["ok", name] if name == reference => return Ok(()),
            ["ng", name, why] if name == reference => return Err(why.to_owned()),
            _ => {}
        }
    }
    Err("the server does not say whether it did it".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_of_servers() {
        let of = |text: &str| {
            outcome(&text.lines().map(str::to_owned).collect::<Vec<_>>(), "refs/tags/a").err().unwrap_or_default()
        };
        assert_eq!(of("unpack ok\nok refs/tags/a"), "");
        assert_eq!(of("unpack ok\nng refs/tags/a failed to update ref"), "failed to update ref");
        assert_eq!(
            of("unpack index-pack abnormal exit\nng refs/tags/a unpacker error"),
            "unpack index-pack abnormal exit"
        );
        assert_eq!(of("unpack ok\nok refs/tags/ab"), "the server does not say whether it did it");
        assert!(of("").contains("broke off"));
        assert_eq!(lines(b"000eunpack ok\n0013ok refs/tags/a\n0000").unwrap(), b"unpack ok\nok refs/tags/a\n");
        assert!(lines(b"zzzz").is_err());
        assert_eq!(lines(b"00ff").unwrap(), b"");
    }
}
