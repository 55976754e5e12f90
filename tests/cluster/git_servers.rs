//! Git servers on this machine: `git http-backend` behind a small HTTP server, and sshd. The unit tests of the fetching use
//! them too.

#![allow(clippy::unwrap_used, dead_code)] // each user takes some of it

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// What the HTTP server does beside what it should.
#[derive(Clone, Copy, PartialEq)]
pub enum Fault {
    None,
    /// Ends the connection after so many bytes of a pack.
    Truncate(usize),
    /// Accepts and says nothing.
    Silent,
    /// Sends a byte now and then.
    Drip,
    ServerError,
}

/// A file of fixtures/tls.
pub fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/tls").join(name)
}

/// The server's side of a TLS connection.
fn tls() -> rustls::ServerConnection {
    use rustls::pki_types::pem::PemObject as _;
    let _ = rustls::crypto::ring::default_provider().install_default();
    let certificate = rustls::pki_types::CertificateDer::from_pem_file(fixture("server.pem")).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::from_pem_file(fixture("server.key")).unwrap();
    let config = rustls::ServerConfig::builder().with_no_client_auth().with_single_cert(vec![certificate], key);
    rustls::ServerConnection::new(Arc::new(config.unwrap())).unwrap()
}

/// `git http-backend` behind HTTP/1.1; with an authorization, it is asked for, and the server speaks TLS.
pub struct HttpServer {
    /// Where it listens.
    pub port: u16,
    /// How many requests came.
    pub requests: Arc<AtomicUsize>,
    fault: Arc<Mutex<Fault>>,
}

impl HttpServer {
    /// Serves `root/config`, a repository with its working tree.
    pub fn start(root: &Path, authorization: Option<&str>) -> HttpServer {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = HttpServer { port, requests: Arc::default(), fault: Arc::new(Mutex::new(Fault::None)) };
        let (requests, fault) = (server.requests.clone(), server.fault.clone());
        let (root, authorization) = (root.to_owned(), authorization.map(str::to_owned));
        // It ends with the test's process.
        std::thread::spawn(move || {
            for stream in listener.incoming().filter_map(Result::ok) {
                requests.fetch_add(1, Ordering::Relaxed);
                let (root, authorization, fault) = (root.clone(), authorization.clone(), *fault.lock().unwrap());
                std::thread::spawn(move || match authorization {
                    None => answer(stream, &root, None, fault),
                    Some(authorization) => {
                        let mut stream = rustls::StreamOwned::new(tls(), stream);
                        answer(&mut stream, &root, Some(&authorization), fault);
                        stream.conn.send_close_notify();
                        let _ = stream.flush();
                    }
                });
            }
        });
        server
    }

    /// The repository's address.
    pub fn url(&self, scheme: &str) -> String {
        format!("{scheme}://127.0.0.1:{}/config", self.port)
    }

    /// Does so from now on.
    pub fn set(&self, fault: Fault) {
        *self.fault.lock().unwrap() = fault;
    }
}

fn answer<S: Read + Write>(stream: S, root: &Path, authorization: Option<&str>, fault: Fault) {
    let mut reader = BufReader::new(stream);
    let mut first = String::new();
    reader.read_line(&mut first).unwrap();
    let mut words = first.split(' ');
    let (method, target) = (words.next().unwrap_or("").to_owned(), words.next().unwrap_or("").to_owned());
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap() == 0 || line == "\r\n" {
            break;
        }
        let (name, value) = line.trim().split_once(':').unwrap();
        headers.push((name.to_lowercase(), value.trim().to_owned()));
    }
    let header = |name: &str| headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str());
    match fault {
        Fault::Silent => return std::thread::sleep(Duration::from_secs(20)),
        Fault::ServerError => {
            return reader
                .get_mut()
                .write_all(b"HTTP/1.1 503 no\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
                .unwrap();
        }
        _ => {}
    }
    if header("authorization") != authorization {
        let refusal = b"HTTP/1.1 401 no\r\nwww-authenticate: Basic\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
        return reader.get_mut().write_all(refusal).unwrap();
    }
    let mut body = Vec::new();
    if let Some(length) = header("content-length") {
        body.resize(length.parse().unwrap(), 0);
        reader.read_exact(&mut body).unwrap();
    }
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let mut backend = Command::new("git")
        .arg("http-backend")
        .env("GIT_PROJECT_ROOT", root)
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("GIT_CONFIG_COUNT", "1")
        .env("GIT_CONFIG_KEY_0", "safe.directory")
        .env("GIT_CONFIG_VALUE_0", "*")
        .env("GIT_PROTOCOL", header("git-protocol").unwrap_or(""))
        .env("HTTP_CONTENT_ENCODING", header("content-encoding").unwrap_or(""))
        .env("REQUEST_METHOD", method)
        .env("PATH_INFO", path.replacen("/config", "/config/.git", 1))
        .env("QUERY_STRING", query)
        .env("CONTENT_TYPE", header("content-type").unwrap_or(""))
        .env("CONTENT_LENGTH", body.len().to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    backend.stdin.take().unwrap().write_all(&body).unwrap();
    let output = backend.wait_with_output().unwrap().stdout;
    let split = output.windows(4).position(|w| w == b"\r\n\r\n").unwrap();
    let (head, rest) = (&output[..split], &output[split + 4..]);
    let head = String::from_utf8_lossy(head);
    let status = head.lines().find_map(|line| line.strip_prefix("Status: ")).unwrap_or("200 OK").to_owned();
    let head = format!("HTTP/1.1 {status}\r\n{head}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", rest.len());
    let stream = reader.get_mut();
    let is_pack = rest.windows(4).any(|w| w == b"PACK");
    let _ = stream.write_all(head.as_bytes());
    let _ = match fault {
        Fault::Truncate(count) if is_pack => stream.write_all(&rest[..count.min(rest.len())]),
        Fault::Drip if is_pack => rest.iter().try_for_each(|b| {
            std::thread::sleep(Duration::from_millis(200));
            stream.write_all(&[*b])
        }),
        _ => stream.write_all(rest),
    };
}

/// sshd for the user who runs the tests, with one host key and one client's key.
pub struct SshServer {
    child: Child,
    folder: tempfile::TempDir,
    /// Where it listens.
    pub port: u16,
    user: String,
}

impl SshServer {
    /// Starts one.
    pub fn start() -> SshServer {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name).display().to_string();
        for name in ["host", "other", "client"] {
            let made = Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f", &at(name)]).status();
            assert!(made.expect("ssh-keygen is installed (openssh-client)").success());
        }
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let config = format!(
            "Port {port}\nListenAddress 127.0.0.1\nHostKey {}\nAuthorizedKeysFile {}\nPidFile none\nStrictModes no\n\
             UsePAM no\nPasswordAuthentication no\nKbdInteractiveAuthentication no\nAcceptEnv GIT_PROTOCOL\nLogLevel ERROR\n",
            at("host"),
            at("client.pub"),
        );
        fs::write(at("config"), config).unwrap();
        // What the Debian package's service makes.
        let _ = fs::create_dir_all("/run/sshd");
        let child =
            Command::new("/usr/sbin/sshd").args(["-D", "-e", "-f", &at("config")]).stderr(Stdio::null()).spawn();
        let child = child.expect("sshd is installed (openssh-server)");
        let until = Instant::now() + Duration::from_secs(10);
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(Instant::now() < until, "sshd does not start");
            std::thread::sleep(Duration::from_millis(20));
        }
        let user = String::from_utf8(Command::new("id").arg("-un").output().unwrap().stdout).unwrap().trim().to_owned();
        SshServer { child, folder, port, user }
    }

    /// A key of it: `client`, `host`, `other`, and each with `.pub`.
    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.folder.path().join(name)).unwrap()
    }

    /// The address of a repository in a folder.
    pub fn url(&self, path: &Path) -> String {
        format!("ssh://{}@127.0.0.1:{}{}", self.user, self.port, path.display())
    }

    /// The line of known_hosts that says which key the server has.
    pub fn known_hosts(&self, host_key: &str) -> String {
        format!("[127.0.0.1]:{} {}", self.port, self.read(&format!("{host_key}.pub")))
    }
}

impl Drop for SshServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
