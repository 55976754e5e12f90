//! SSH to a Git server, as a transport for gix: connect, check the host's key, log in with the deploy key, run
//! `git-upload-pack` or `git-receive-pack`. In Rust, so that the image needs no ssh program and no libraries of one.
//!
//! gix reads and writes as if on a pipe; each such call runs the connection on a small runtime of its own, no longer than
//! [`FetchLimits::idle`]. Keys are Ed25519 or ECDSA; RSA would bring a second RSA library in.

use std::io::{self, Read, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use gix::bstr::ByteSlice as _;
use gix::protocol::transport::{Protocol, Service, client};
use russh::client::{AuthResult, Handle, Handler};
use russh::keys::{HashAlg, PrivateKeyWithHashAlg, PublicKeyOrCertificate, decode_secret_key};
use russh::{ChannelMsg, ChannelReadHalf, ChannelWriteHalf};
use tokio::runtime::Runtime;
use tokio::time::timeout;

use super::FetchLimits;
use super::known_hosts::{HostKeys, Refusal};
use crate::error::Diagnostic;

/// How much of what the server says on its error output is kept.
const STDERR_BYTES_MAX: usize = 4096;
/// The user where the URL names none: all hosters of Git have this one.
const USER: &str = "git";

/// What the server wrote on its error output: why it refuses, in its words.
pub(super) type Stderr = Arc<Mutex<String>>;

/// A connection that gix can talk through.
pub(super) type Connection = client::git::blocking_io::Connection<Reader, Writer>;

/// Connects, and starts the service for the URL's path.
pub(super) fn connect(
    url: &gix::Url,
    service: Service,
    key: &str,
    known_hosts: &str,
    limits: FetchLimits,
    stderr: &Stderr,
) -> Result<Connection, Diagnostic> {
    let host = url.host().ok_or_else(|| Diagnostic::error(format!("{url} names no host")))?;
    let port = url.port.unwrap_or(22);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Diagnostic::error(format!("no thread for SSH: {error}")))?;
    let (session, channel) = runtime.block_on(async {
        let session = log_in(host, port, url.user().unwrap_or(USER), key, known_hosts, limits).await?;
        let command = format!("{} {}", service.as_str(), quoted(&path(url)));
        let channel = within(limits.idle, "the server gives no session", async {
            let channel = session.channel_open_session().await?;
            if service == Service::UploadPack {
                // Not every server allows it; it then speaks the older version of the protocol.
                channel.set_env(false, "GIT_PROTOCOL", "version=2").await?;
            }
            channel.exec(true, command).await?;
            Ok(channel)
        })
        .await?;
        Ok::<_, Diagnostic>((session, channel))
    })?;
    let (read, write) = channel.split();
    let runtime = Arc::new(Line { runtime, idle: limits.idle, _session: session });
    let reader = Reader { line: runtime.clone(), channel: read, rest: Vec::new(), at: 0, stderr: stderr.clone() };
    let writer = Writer { line: runtime, channel: write };
    let no_host: Option<(&str, Option<u16>)> = None;
    let mode = client::git::ConnectMode::Process;
    let connection = Connection::new(reader, writer, Protocol::V2, path(url), no_host, mode, false);
    Ok(connection.custom_url(Some(url.to_bstring())))
}

async fn log_in(
    host: &str,
    port: u16,
    user: &str,
    key: &str,
    known_hosts: &str,
    limits: FetchLimits,
) -> Result<Handle<HostCheck>, Diagnostic> {
    let key = decode_secret_key(key, None).map_err(|error| {
        Diagnostic::error(format!("the deploy key cannot be read: {error}"))
            .help("it is an Ed25519 or ECDSA key without a passphrase: ssh-keygen -t ed25519 -N '' -f deploy-key")
    })?;
    let keys = HostKeys::read(known_hosts, host, port);
    let name = if port == 22 { host.to_owned() } else { format!("[{host}]:{port}") };
    let scan = format!("compare it with what the hoster publishes, then `ssh-keyscan -p {port} {host}` gives the line");
    let algorithms = keys.algorithms();
    if algorithms.is_empty() && !keys.unread.is_empty() {
        let message = format!(
            "the known hosts have {name} with keys of type {} only, which kcfg does not use",
            keys.unread.join(", ")
        );
        return Err(Diagnostic::error(message).help(format!("add its ssh-ed25519 key: {scan}")));
    }
    let mut config = russh::client::Config {
        inactivity_timeout: Some(limits.idle),
        nodelay: true,
        ..russh::client::Config::default()
    };
    if !algorithms.is_empty() {
        config.preferred.key = algorithms.into();
    }
    let refusal = Arc::new(Mutex::new(None));
    let check = HostCheck { keys, refusal: refusal.clone() };
    let connecting = russh::client::connect(Arc::new(config), (host, port), check);
    let connected = match timeout(limits.connect, connecting).await {
        Ok(connected) => connected,
        Err(_) => return Err(unreachable(&name, &format!("no answer within {} s", limits.connect.as_secs()))),
    };
    let mut session =
        connected.map_err(|error| match refusal.lock().unwrap_or_else(PoisonError::into_inner).take() {
            None => unreachable(&name, &error.to_string()),
            Some((Refusal::UnknownHost, shown)) => {
                Diagnostic::error(format!("{name} is not among the known hosts; it shows the key {shown}"))
                    .help(format!("{scan} for the known hosts"))
            }
            Some((Refusal::OtherKey, shown)) => {
                Diagnostic::error(format!("{name} shows another key than the known hosts have: {shown}"))
                    .help(format!("somebody may be in between. If the host has changed its key: {scan}"))
            }
            Some((Refusal::Revoked, shown)) => {
                Diagnostic::error(format!("{name} shows a key that the known hosts mark as revoked: {shown}"))
                    .help("do not trust this host")
            }
        })?;
    let key = PrivateKeyWithHashAlg::new(Arc::new(key), None);
    let outcome = within(limits.idle, "the server does not answer the login", async {
        session.authenticate_publickey(user, key).await
    })
    .await?;
    match outcome {
        AuthResult::Success => Ok(session),
        AuthResult::Failure { .. } => Err(Diagnostic::error(format!("{name} refuses the deploy key for user {user}"))
            .help("add its public half to the repository's deploy keys; reading is enough")),
    }
}

async fn within<T>(
    limit: Duration,
    what: &str,
    work: impl Future<Output = Result<T, russh::Error>>,
) -> Result<T, Diagnostic> {
    match timeout(limit, work).await {
        Ok(result) => result.map_err(|error| Diagnostic::error(format!("{what}: {error}"))),
        Err(_) => Err(Diagnostic::error(format!("{what} within {} s", limit.as_secs()))),
    }
}

fn unreachable(name: &str, why: &str) -> Diagnostic {
    Diagnostic::error(format!("{name} cannot be reached by SSH: {why}"))
        .help("check the host, its port, and what network policies let out")
}

/// The path as the server's shell has to get it.
fn path(url: &gix::Url) -> String {
    let path = url.path.to_str_lossy();
    // `ssh://host/~user/x` is below a home folder.
    if path.starts_with("/~") { path[1..].to_owned() } else { path.into_owned() }
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''").replace('!', "'\\!'"))
}

/// Accepts the host only by a key that the known hosts have.
struct HostCheck {
    keys: HostKeys,
    refusal: Arc<Mutex<Option<(Refusal, String)>>>,
}

impl Handler for HostCheck {
    type Error = russh::Error;

    async fn check_server_key(&mut self, shown: &PublicKeyOrCertificate) -> Result<bool, russh::Error> {
        let PublicKeyOrCertificate::PublicKey { key, .. } = shown else { return Ok(false) };
        match self.keys.check(key) {
            Ok(()) => Ok(true),
            Err(refusal) => {
                let shown = format!("{} {}", key.algorithm(), key.fingerprint(HashAlg::Sha256));
                *self.refusal.lock().unwrap_or_else(PoisonError::into_inner) = Some((refusal, shown));
                Ok(false)
            }
        }
    }
}

/// The connection's runtime, and the session, whose end would close the channel.
struct Line {
    runtime: Runtime,
    idle: Duration,
    _session: Handle<HostCheck>,
}

impl Line {
    fn wait<T>(&self, work: impl Future<Output = T>) -> io::Result<T> {
        self.runtime
            .block_on(async { timeout(self.idle, work).await })
            .map_err(|_| io::Error::new(io::ErrorKind::TimedOut, format!("nothing came for {} s", self.idle.as_secs())))
    }
}

/// What the server sends.
pub(super) struct Reader {
    line: Arc<Line>,
    channel: ChannelReadHalf,
    rest: Vec<u8>,
    at: usize,
    stderr: Stderr,
}

impl Read for Reader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.at == self.rest.len() {
            match self.line.wait(self.channel.wait())? {
                Some(ChannelMsg::Data { data }) => {
                    self.rest.clear();
                    self.rest.extend_from_slice(&data);
                    self.at = 0;
                }
                Some(ChannelMsg::ExtendedData { data, .. }) => {
                    let mut stderr = self.stderr.lock().unwrap_or_else(PoisonError::into_inner);
                    if stderr.len() < STDERR_BYTES_MAX {
                        stderr.push_str(&data.to_str_lossy());
                    }
                }
                // The reason on the error output may come after the end of the output.
                Some(ChannelMsg::Eof | ChannelMsg::ExitStatus { .. }) => {}
                Some(ChannelMsg::Failure) => {
                    return Err(io::Error::other("the server refuses to run Git"));
                }
                None | Some(ChannelMsg::Close) => return Ok(0),
                Some(_) => {}
            }
        }
        let count = buffer.len().min(self.rest.len() - self.at);
        buffer[..count].copy_from_slice(&self.rest[self.at..self.at + count]);
        self.at += count;
        Ok(count)
    }
}

/// What goes to the server.
pub(super) struct Writer {
    line: Arc<Line>,
    channel: ChannelWriteHalf<russh::client::Msg>,
}

impl Write for Writer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.line.wait(self.channel.data(bytes))?.map_err(io::Error::other)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
