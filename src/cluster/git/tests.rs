//! Against the real thing: a folder, `git http-backend` behind a small HTTP server, and sshd, all on this machine.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::*;

/// A repository to fetch from, with its working tree.
struct Origin {
    folder: tempfile::TempDir,
}

impl Origin {
    fn new() -> Origin {
        let origin = Origin { folder: tempfile::tempdir().unwrap() };
        fs::create_dir(origin.path()).unwrap();
        origin.git(&["init", "-q", "-b", "main"]);
        origin
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("config")
    }

    fn cache(&self) -> PathBuf {
        self.folder.path().join("cache")
    }

    fn git(&self, arguments: &[&str]) -> String {
        let output = Command::new("git")
            .current_dir(self.path())
            .args(["-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "core.compression=0"])
            .args(arguments)
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("HOME", self.folder.path())
            .output()
            .unwrap();
        assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// Commits a file, and gives the commit's id.
    fn commit(&self, name: &str, content: &[u8]) -> String {
        fs::write(self.path().join(name), content).unwrap();
        self.git(&["add", "-A"]);
        self.git(&["commit", "-q", "-m", name]);
        self.git(&["rev-parse", "HEAD"])
    }

    fn remote(&self, url: &str, reference: &str) -> GitRemote {
        let limits = FetchLimits { idle: Duration::from_secs(3), ..FetchLimits::default() };
        GitRemote::new(url, reference, None, &self.cache()).unwrap().with_limits(limits)
    }

    fn local(&self, reference: &str) -> GitRemote {
        self.remote(&format!("file://{}", self.path().display()), reference)
    }
}

fn content(fetched: &Fetched, name: &str) -> String {
    let entries = fetched.git.folder_entries(&fetched.commit, "").unwrap().unwrap();
    let entry = entries.iter().find(|entry| entry.name == name).unwrap();
    String::from_utf8(fetched.git.blob(entry.id, name).unwrap()).unwrap()
}

/// Bytes that do not compress.
fn noise(count: usize) -> Vec<u8> {
    let mut state = 88_172_645_463_325_252_u64;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    };
    std::iter::repeat_with(next).take(count).collect()
}

#[track_caller]
fn error(result: Result<Fetched, Diagnostic>) -> String {
    result.unwrap_err().to_string()
}

const NONE: GitCredentials = GitCredentials::None;

#[test]
fn a_ref_is_followed_whatever_happens_to_it() {
    let origin = Origin::new();
    let first = origin.commit("a", b"1");
    let mut remote = origin.local("main");
    let one = remote.fetch(&NONE).unwrap();
    assert_eq!((one.commit.as_str(), content(&one, "a").as_str()), (first.as_str(), "1"));
    // Nothing new: nothing comes, and the repository stays open.
    let again = remote.fetch(&NONE).unwrap();
    assert!(Arc::ptr_eq(&one.git, &again.git));
    let second = origin.commit("a", b"2");
    let two = remote.fetch(&NONE).unwrap();
    assert_eq!((two.commit.as_str(), content(&two, "a").as_str()), (second.as_str(), "2"));
    // A force-push, back and then to another history.
    origin.git(&["reset", "-q", "--hard", &first]);
    assert_eq!(remote.fetch(&NONE).unwrap().commit.as_str(), first);
    let other = origin.commit("b", b"3");
    let three = remote.fetch(&NONE).unwrap();
    assert_eq!((three.commit.as_str(), content(&three, "b").as_str()), (other.as_str(), "3"));
    // What was handed out is still there.
    assert_eq!(content(&two, "a"), "2");
    // The ref goes, and what was last stays.
    origin.git(&["checkout", "-q", "-b", "other"]);
    origin.git(&["branch", "-q", "-D", "main"]);
    assert!(error(remote.fetch(&NONE)).contains("has no refs/heads/main"));
    assert_eq!(remote.last().unwrap().commit.as_str(), other);
    assert_eq!(content(&remote.last().unwrap().clone(), "b"), "3");
}

#[test]
fn tags_and_head_by_their_full_names() {
    let origin = Origin::new();
    let first = origin.commit("a", b"1");
    origin.git(&["tag", "-a", "v1", "-m", "one"]);
    let second = origin.commit("a", b"2");
    assert_eq!(origin.local("refs/tags/v1").fetch(&NONE).unwrap().commit.as_str(), first);
    assert_eq!(origin.local("HEAD").fetch(&NONE).unwrap().commit.as_str(), second);
    assert!(error(origin.local("v1").fetch(&NONE)).contains("has no refs/heads/v1"));
}

#[test]
fn addresses_that_cannot_be_used() {
    let origin = Origin::new();
    for (url, reference, expected) in [
        ("https://me:secret@host/x", "main", "the address holds a password"),
        ("git://host/x", "main", "kcfg speaks HTTPS and SSH"),
        ("https://host/x", "a b", "cannot be the name of a ref"),
    ] {
        let error = GitRemote::new(url, reference, None, &origin.cache()).unwrap_err().to_string();
        assert!(error.contains(expected) && !error.contains("secret"), "{error}");
    }
    let token = GitCredentials::Token("secret".into());
    let refused = error(origin.remote("http://git.example/x", "main").fetch(&token));
    assert!(refused.contains("is not sent to") && !refused.contains("secret"), "{refused}");
    assert!(error(origin.remote("ssh://git.example/x", "main").fetch(&NONE)).contains("needs a deploy key"));
    assert_eq!(format!("{token:?}"), "Token(…)");
}

#[test]
fn history_is_not_fetched_and_packs_do_not_pile_up() {
    let origin = Origin::new();
    let mut noise = noise(5 << 20);
    for i in 0..20_u8 {
        noise.iter_mut().for_each(|b| *b = b.wrapping_add(i));
        origin.commit("big", &noise);
    }
    origin.commit("big", b"small now");
    let mut remote = origin.local("main");
    remote.fetch(&NONE).unwrap();
    let (packs, bytes) = remote.cache.packs().unwrap();
    assert!(packs == 1 && bytes < 10_000, "{packs} packs, {bytes} bytes");
    for i in 0..2 * PACKS_MAX + 3 {
        let id = origin.commit("a", i.to_string().as_bytes());
        let fetched = remote.fetch(&NONE).unwrap();
        assert_eq!((fetched.commit.as_str(), content(&fetched, "a")), (id.as_str(), i.to_string()));
        assert!(remote.cache.packs().unwrap().0 <= PACKS_MAX);
    }
    let folders = fs::read_dir(origin.cache().join("kcfg-fetched-0")).unwrap().filter_map(Result::ok);
    assert_eq!(folders.filter(|entry| entry.path().is_dir()).count(), 2);
    drop(remote);
    assert_eq!(fs::read_dir(origin.cache()).unwrap().count(), 0);
}

/// What the HTTP server does beside what it should.
#[derive(Clone, Copy, PartialEq)]
enum Fault {
    None,
    /// Ends the connection after so many bytes of a pack.
    Truncate(usize),
    /// Accepts and says nothing.
    Silent,
    /// Sends a byte now and then.
    Drip,
    ServerError,
}

fn fixture(name: &str) -> PathBuf {
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
struct HttpServer {
    port: u16,
    requests: Arc<AtomicUsize>,
    fault: Arc<Mutex<Fault>>,
}

impl HttpServer {
    fn start(root: &Path, authorization: Option<&str>) -> HttpServer {
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

    fn url(&self, scheme: &str) -> String {
        format!("{scheme}://127.0.0.1:{}/config", self.port)
    }

    fn set(&self, fault: Fault) {
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
    let head = String::from_utf8_lossy(head).replace("Status: ", "X-Status: ");
    let head = format!("HTTP/1.1 200 OK\r\n{head}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", rest.len());
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

#[test]
fn https_with_a_token() {
    let origin = Origin::new();
    let first = origin.commit("a", b"1");
    let basic = format!("Basic {}", data_encoding::BASE64.encode(b"x-access-token:s3cret"));
    let server = HttpServer::start(origin.folder.path(), Some(&basic));
    let certificates = Some(fs::read(fixture("ca.pem")).unwrap());
    let mut remote = GitRemote::new(&server.url("https"), "main", certificates, &origin.cache()).unwrap();
    let token = GitCredentials::Token("s3cret\n".into());
    let fetched = remote.fetch(&token).unwrap();
    assert_eq!((fetched.commit.as_str(), content(&fetched, "a").as_str()), (first.as_str(), "1"));
    // A poll that finds nothing new is two requests.
    let before = server.requests.load(Ordering::Relaxed);
    remote.fetch(&token).unwrap();
    assert_eq!(server.requests.load(Ordering::Relaxed) - before, 2);
    for wrong in [NONE, GitCredentials::Token("wr0ng".into())] {
        let refused = error(remote.fetch(&wrong));
        assert!(refused.contains("the server refuses the credentials") && !refused.contains("wr0ng"), "{refused}");
    }
    assert_eq!(remote.fetch(&token).unwrap().commit.as_str(), first);
    // A server whose certificate nobody vouches for.
    let message = error(origin.remote(&server.url("https"), "main").fetch(&token));
    assert!(message.contains("UnknownIssuer") && !message.contains("s3cret"), "{message}");
}

#[test]
fn a_server_that_breaks_off_is_slow_or_gone_changes_nothing() {
    let origin = Origin::new();
    let first = origin.commit("a", b"1");
    let server = HttpServer::start(origin.folder.path(), None);
    let mut remote = origin.remote(&server.url("http"), "main");
    let one = remote.fetch(&NONE).unwrap();
    let second = origin.commit("b", &noise(200_000));
    for fault in [Fault::Truncate(500), Fault::Truncate(100_000), Fault::ServerError, Fault::Silent] {
        server.set(fault);
        let begin = Instant::now();
        let message = error(remote.fetch(&NONE));
        assert!(message.contains("fetching http://127.0.0.1"), "{message}");
        assert!(begin.elapsed() < Duration::from_secs(10));
        let last = remote.last().unwrap().clone();
        assert_eq!((last.commit.as_str(), content(&last, "a").as_str()), (first.as_str(), "1"));
    }
    server.set(Fault::Drip);
    remote.limits.total = Duration::from_secs(2);
    assert!(error(remote.fetch(&NONE)).contains("took more than 2 s"));
    server.set(Fault::None);
    remote.limits.total = Duration::from_secs(60);
    let two = remote.fetch(&NONE).unwrap();
    assert_eq!((two.commit.as_str(), content(&one, "a").as_str()), (second.as_str(), "1"));
    // Gone altogether.
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut gone = origin.remote(&format!("http://127.0.0.1:{closed}/config"), "main");
    assert!(error(gone.fetch(&NONE)).contains("fetching http://127.0.0.1"));
}

/// sshd for the user who runs the tests, with one host key and one client's key.
struct SshServer {
    child: Child,
    folder: tempfile::TempDir,
    port: u16,
    user: String,
}

impl SshServer {
    fn start() -> SshServer {
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

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.folder.path().join(name)).unwrap()
    }

    fn url(&self, path: &Path) -> String {
        format!("ssh://{}@127.0.0.1:{}{}", self.user, self.port, path.display())
    }

    fn credentials(&self, key: &str, host_key: &str) -> GitCredentials {
        let known_hosts = format!("[127.0.0.1]:{} {}", self.port, self.read(&format!("{host_key}.pub")));
        GitCredentials::Ssh { key: self.read(key), known_hosts }
    }
}

impl Drop for SshServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn ssh_with_a_deploy_key() {
    let origin = Origin::new();
    let first = origin.commit("it's", b"1");
    let server = SshServer::start();
    let good = server.credentials("client", "host");
    let mut remote = origin.remote(&server.url(&origin.path()), "main");
    let one = remote.fetch(&good).unwrap();
    assert_eq!((one.commit.as_str(), content(&one, "it's").as_str()), (first.as_str(), "1"));
    let second = origin.commit("big", &noise(8_000_000));
    assert_eq!(remote.fetch(&good).unwrap().commit.as_str(), second);

    let port = server.port;
    let unknown = GitCredentials::Ssh { key: server.read("client"), known_hosts: "# none\n".into() };
    let broken = GitCredentials::Ssh { key: "no key".into(), known_hosts: server.read("host.pub") };
    for (credentials, expected) in [
        (
            server.credentials("client", "other"),
            format!("[127.0.0.1]:{port} shows another key than the known hosts have"),
        ),
        (unknown, format!("[127.0.0.1]:{port} is not among the known hosts; it shows the key ssh-ed25519 SHA256:")),
        (server.credentials("other", "host"), format!("[127.0.0.1]:{port} refuses the deploy key")),
        (broken, "the deploy key cannot be read".into()),
    ] {
        let message = error(remote.fetch(&credentials));
        assert!(message.contains(&expected), "{message}");
        assert_eq!(remote.last().unwrap().commit.as_str(), second);
    }
    let mut missing = origin.remote(&server.url(Path::new("/nowhere/config")), "main");
    let message = error(missing.fetch(&good));
    assert!(message.contains("the server says: ") && message.contains("/nowhere/config"), "{message}");
    assert_eq!(remote.fetch(&good).unwrap().commit.as_str(), second);
}

#[test]
fn an_ssh_server_that_says_nothing() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let origin = Origin::new();
    let limits = FetchLimits { connect: Duration::from_secs(1), ..FetchLimits::default() };
    let url = format!("ssh://git@127.0.0.1:{}/x", listener.local_addr().unwrap().port());
    let mut remote = origin.remote(&url, "main").with_limits(limits);
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("key");
    let key_path = key.display().to_string();
    Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f", &key_path]).status().unwrap();
    let credentials = GitCredentials::Ssh { key: fs::read_to_string(key).unwrap(), known_hosts: String::new() };
    let message = error(remote.fetch(&credentials));
    assert!(message.contains("cannot be reached by SSH: no answer within 1 s"), "{message}");
}
