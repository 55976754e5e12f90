//! The webhook of a running loop: wrong signatures, the same call again and again, ten thousand at once, a body of 100 MB.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use data_encoding::HEXLOWER;
use ring::hmac;

use crate::control_plane::{Parts, Shared, eventually};
use crate::running_loop::{Loop, SECRET};
use crate::site::{Site, config_maps, value};

static PLANE: Shared = Shared::new(Parts { controllers: false, audit: false });

/// A push, as GitHub tells of it.
const BODY: &str = r#"{"ref":"refs/heads/main","after":"0123456789abcdef0123456789abcdef01234567"}"#;

/// The call, signed with a key.
fn call(key: &str) -> String {
    let signature = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key.as_bytes()), BODY.as_bytes());
    format!(
        "POST /webhook HTTP/1.1\r\nhost: x\r\nx-github-event: push\r\nx-hub-signature-256: sha256={}\r\ncontent-length: {}\r\n\r\n{BODY}",
        HEXLOWER.encode(signature.as_ref()),
        BODY.len()
    )
}

/// Sends a call so often over one connection, and counts the answers of this status.
fn calls(port: u16, call: &str, times: usize, status: &str) -> usize {
    let mut answered = 0;
    // As a client that keeps its connection does, some at a time.
    for _ in 0..times / 100 {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("the loop listens");
        stream.write_all(call.repeat(100).as_bytes()).expect("it reads");
        stream.shutdown(std::net::Shutdown::Write).expect("it is open");
        let mut answers = String::new();
        let _ = stream.read_to_string(&mut answers);
        answered += answers.matches(&format!("HTTP/1.1 {status} ")).count();
    }
    answered
}

#[test]
fn a_flood_of_webhooks_holds_up_nothing() {
    let site = Site::new(&PLANE, "flood");
    site.write("one", &config_maps("one", 3, "first"));
    site.render();
    site.repo.commit("first");
    let running = Loop::start(&site, "one", &["--init"]);
    running.synchronised(1);
    let (memory, fetches) = (running.memory_kib("VmRSS"), running.metric("kcfg_fetches_total"));

    // Not signed with the secret: refused, and nobody is asked for anything.
    let refused = running.ask(call("another secret").replace("host: x", "host: x\r\nconnection: close").as_bytes());
    assert!(refused.starts_with("HTTP/1.1 403"), "{refused}");
    let unsigned =
        running.ask(b"POST /webhook HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 2\r\n\r\n{}");
    assert!(unsigned.starts_with("HTTP/1.1 403"), "{unsigned}");
    assert_eq!(running.metric("kcfg_fetches_total"), fetches);

    // The same call, rightly signed, ten thousand times: a commit comes through meanwhile, and drift is corrected.
    site.write("one", &config_maps("one", 3, "second"));
    site.render();
    site.repo.commit("second");
    let begin = Instant::now();
    let answered: usize = std::thread::scope(|scope| {
        let signed = call(SECRET);
        let threads: Vec<_> = (0..10)
            .map(|_| {
                let (signed, port) = (signed.clone(), running.port());
                scope.spawn(move || calls(port, &signed, 1000, "202"))
            })
            .collect();
        eventually(Duration::from_secs(10), "it is applied", || value(&site, "one-1").as_deref() == Some("second"));
        let patch = ["patch", "configmap", "one-0", "--type=merge", "-p", "{\"data\":{\"value\":\"mine\"}}"];
        site.kubectl(&[&["-n", "NAME"], &patch[..]].concat(), "");
        eventually(Duration::from_secs(10), "drift is gone", || value(&site, "one-0").as_deref() == Some("second"));
        threads.into_iter().map(|thread| thread.join().expect("it ends well")).sum()
    });
    let time = begin.elapsed();
    let fetched = running.metric("kcfg_fetches_total") - fetches;
    let grown = running.memory_kib("VmRSS").saturating_sub(memory) / 1024;
    println!("{answered} answered in {time:.1?}, {fetched} fetches, {grown} MiB more");
    // However many come while it fetches, it fetches once more.
    assert_eq!(answered, 10_000);
    assert!((1.0..200.0).contains(&fetched), "{fetched} fetches");

    // 100 MB, whatever is said of its length.
    let head = "POST /webhook HTTP/1.1\r\nhost: x\r\nx-gitlab-token: a long random text\r\n";
    let declared = running.ask(format!("{head}content-length: 104857600\r\n\r\n").as_bytes());
    assert!(declared.starts_with("HTTP/1.1 413"), "{declared}");
    let mut chunked = format!("{head}transfer-encoding: chunked\r\n\r\n").into_bytes();
    for _ in 0..100 {
        chunked.extend_from_slice(b"100000\r\n");
        chunked.extend(std::iter::repeat_n(b'x', 1 << 20));
        chunked.extend_from_slice(b"\r\n");
    }
    let answer = running.ask(&chunked);
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 413"), "{answer}");
    let grown = running.memory_kib("VmRSS").saturating_sub(memory) / 1024;
    assert!(grown < 32, "{grown} MiB more");
    assert!(running.get("/healthz").starts_with("HTTP/1.1 200"));
    running.stop();
    site.assert_cluster_is_tree();
}
