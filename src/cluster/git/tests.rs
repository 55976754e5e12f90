//! Against the real thing: a folder, `git http-backend` behind a small HTTP server, and sshd, all on this machine.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::*;

#[path = "../../../tests/cluster/git_servers.rs"]
mod servers;

use servers::{Fault, HttpServer, SshServer, fixture};

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
    remote.endpoint.limits.total = Duration::from_secs(2);
    assert!(error(remote.fetch(&NONE)).contains("took more than 2 s"));
    server.set(Fault::None);
    remote.endpoint.limits.total = Duration::from_secs(60);
    let two = remote.fetch(&NONE).unwrap();
    assert_eq!((two.commit.as_str(), content(&one, "a").as_str()), (second.as_str(), "1"));
    // Gone altogether.
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut gone = origin.remote(&format!("http://127.0.0.1:{closed}/config"), "main");
    assert!(error(gone.fetch(&NONE)).contains("fetching http://127.0.0.1"));
}

fn credentials(server: &SshServer, key: &str, host_key: &str) -> GitCredentials {
    GitCredentials::Ssh { key: server.read(key), known_hosts: server.known_hosts(host_key) }
}

#[test]
fn ssh_with_a_deploy_key() {
    let origin = Origin::new();
    let first = origin.commit("it's", b"1");
    let server = SshServer::start();
    let good = credentials(&server, "client", "host");
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
            credentials(&server, "client", "other"),
            format!("[127.0.0.1]:{port} shows another key than the known hosts have"),
        ),
        (unknown, format!("[127.0.0.1]:{port} is not among the known hosts; it shows the key ssh-ed25519 SHA256:")),
        (credentials(&server, "other", "host"), format!("[127.0.0.1]:{port} refuses the deploy key")),
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

/// The tag of `origin` at a commit, with a message.
fn tag(commit: &str, message: &str) -> TagObject {
    TagObject::new("kcfg-sync-prod", &commit.parse().unwrap(), 1_700_000_000, message).unwrap()
}

/// Moves a tag there and on, loses a race, and is refused by a hook.
fn pushes(origin: &Origin, endpoint: &Endpoint, credentials: &GitCredentials) {
    let first = origin.git(&["rev-parse", "HEAD"]);
    let one = tag(&first, "prod: ok\n\n{\"é\": 1}");
    assert_eq!(endpoint.push_tag(credentials, &one).unwrap(), Pushed::Moved);
    assert_eq!(endpoint.push_tag(credentials, &one).unwrap(), Pushed::Same);
    assert_eq!(origin.git(&["rev-parse", "refs/tags/kcfg-sync-prod"]), one.id());
    assert_eq!(origin.git(&["rev-parse", "kcfg-sync-prod^{commit}"]), first);
    assert_eq!(origin.git(&["for-each-ref", "--format=%(contents)", "refs/tags"]), "prod: ok\n\n{\"é\": 1}");
    assert!(
        origin.git(&["for-each-ref", "--format=%(taggername) %(taggerdate:unix)", "refs/tags"]).contains("1700000000")
    );
    // Long, and of a commit that comes later.
    let second = origin.commit("next", b"2");
    let long = tag(&second, &data_encoding::HEXLOWER.encode(&noise(100_000)));
    assert_eq!(endpoint.push_tag(credentials, &long).unwrap(), Pushed::Moved);
    assert_eq!(origin.git(&["rev-parse", "kcfg-sync-prod^{commit}"]), second);
    origin.git(&["fsck", "--strict"]);
    // A commit that the server does not have.
    let nowhere = tag(&"3".repeat(40), "prod");
    let refused = endpoint.push_tag(credentials, &nowhere).unwrap_err().to_string();
    assert!(refused.contains("the tag kcfg-sync-prod of ") && refused.contains("cannot be moved: "), "{refused}");
    // A rule of the server's, in its words.
    let hook = origin.path().join(".git/hooks/pre-receive");
    fs::create_dir_all(hook.parent().unwrap()).unwrap();
    fs::write(&hook, "#!/bin/sh\necho nobody moves tags here >&2\nexit 1\n").unwrap();
    fs::set_permissions(&hook, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let refused = endpoint.push_tag(credentials, &one).unwrap_err().to_string();
    assert!(refused.contains("pre-receive hook declined") && refused.contains("nobody moves tags here"), "{refused}");
    fs::remove_file(&hook).unwrap();
    // Somebody holds the ref's lock: as good as moving it at the same moment.
    let lock = origin.path().join(".git/refs/tags/kcfg-sync-prod.lock");
    fs::write(&lock, "").unwrap();
    let lost = endpoint.push_tag(credentials, &one).unwrap_err().to_string();
    assert!(lost.contains("cannot be moved: failed to update ref"), "{lost}");
    fs::remove_file(&lock).unwrap();
    assert_eq!(origin.git(&["rev-parse", "refs/tags/kcfg-sync-prod"]), long.id());
    // Packed refs, a tag that is none of ours beside it, and a checked-out branch, none of which is touched.
    origin.git(&["tag", "v1"]);
    origin.git(&["pack-refs", "--all"]);
    assert_eq!(endpoint.push_tag(credentials, &one).unwrap(), Pushed::Moved);
    assert_eq!(origin.git(&["rev-parse", "v1"]), origin.git(&["rev-parse", "main"]));
    origin.git(&["tag", "-d", "kcfg-sync-prod"]);
}

#[test]
fn a_tag_is_moved_in_a_folder() {
    let origin = Origin::new();
    origin.commit("a", b"1");
    pushes(&origin, origin.local("main").endpoint(), &NONE);
}

#[test]
fn a_tag_is_moved_over_https_where_the_server_allows_it() {
    let origin = Origin::new();
    let first = origin.commit("a", b"1");
    let basic = format!("Basic {}", data_encoding::BASE64.encode(b"x-access-token:s3cret"));
    let server = HttpServer::start(origin.folder.path(), Some(&basic));
    let certificates = Some(fs::read(fixture("ca.pem")).unwrap());
    let endpoint = Endpoint::new(&server.url("https"), certificates).unwrap();
    let token = GitCredentials::Token("s3cret\n".into());
    // A token that may read alone.
    let refused = endpoint.push_tag(&token, &tag(&first, "prod")).unwrap_err().to_string();
    assert!(refused.contains("403") && refused.contains("may write to this repository"), "{refused}");
    let refused = endpoint.push_tag(&GitCredentials::Token("wr0ng".into()), &tag(&first, "prod"));
    let refused = refused.unwrap_err().to_string();
    assert!(refused.contains("401") && !refused.contains("wr0ng"), "{refused}");
    origin.git(&["config", "http.receivepack", "true"]);
    pushes(&origin, &endpoint, &token);
    // Two requests to move it, one to see that it stands there.
    let one = tag(&first, "prod");
    for expected in [2, 1] {
        let before = server.requests.load(Ordering::Relaxed);
        endpoint.push_tag(&token, &one).unwrap();
        assert_eq!(server.requests.load(Ordering::Relaxed) - before, expected);
    }
    // Faults.
    for fault in [Fault::ServerError, Fault::Silent] {
        server.set(fault);
        let mut hasty = endpoint.clone();
        hasty.limits.idle = Duration::from_secs(1);
        let error = hasty.push_tag(&token, &tag(&first, "other")).unwrap_err().to_string();
        assert!(error.contains("cannot be moved: "), "{error}");
    }
}

#[test]
fn a_tag_is_moved_over_ssh() {
    let origin = Origin::new();
    let first = origin.commit("it's", b"1");
    let server = SshServer::start();
    let endpoint = Endpoint::new(&server.url(&origin.path()), None).unwrap();
    pushes(&origin, &endpoint, &credentials(&server, "client", "host"));
    let elsewhere = Endpoint::new(&server.url(Path::new("/nowhere/config")), None).unwrap();
    let error = elsewhere.push_tag(&credentials(&server, "client", "host"), &tag(&first, "prod")).unwrap_err();
    assert!(error.to_string().contains("the server says: "), "{error}");
    let error = endpoint.push_tag(&credentials(&server, "other", "host"), &tag(&first, "prod")).unwrap_err();
    assert!(error.to_string().contains("refuses the deploy key"), "{error}");
}

#[test]
fn names_that_no_tag_has() {
    let commit = "3".repeat(40).parse().unwrap();
    for name in ["a b", "a..b", "a~1", "a.lock", "a\n", "", "a:b"] {
        assert!(TagObject::new(name, &commit, 0, "x").is_err(), "{name:?}");
    }
}
