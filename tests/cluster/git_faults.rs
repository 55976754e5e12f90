//! A loop whose Git server breaks off, is slow, gone, or another one; and one with a long history. What was good last stays in
//! force: drift is corrected meanwhile.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::symlink;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::control_plane::{Parts, Shared, eventually};
use crate::git_servers::{Fault, HttpServer, SshServer};
use crate::proxy::next;
use crate::running_loop::Loop;
use crate::site::{Site, config_map, config_maps, value};

static PLANE: Shared = Shared::new(Parts { controllers: false, audit: false });

/// Serves a site's repository over HTTP; the folder has to live as long.
fn serve(site: &Site) -> (HttpServer, tempfile::TempDir) {
    let folder = tempfile::tempdir().expect("a folder can be made");
    symlink(site.repo.path(), folder.path().join("config")).expect("the folder is ours");
    (HttpServer::start(folder.path(), None), folder)
}

/// Somebody changes an object, and it is changed back.
fn drift_is_corrected(site: &Site, value_now: &str) {
    let patch = ["patch", "configmap", "one-0", "--type=merge", "-p", "{\"data\":{\"value\":\"mine\"}}"];
    site.kubectl(&[&["-n", "NAME"], &patch[..]].concat(), "");
    eventually(Duration::from_secs(10), "it is taken back", || value(site, "one-0").as_deref() == Some(value_now));
}

#[test]
fn a_server_that_breaks_off_is_slow_or_gone_leaves_the_last_good_commit_in_force() {
    let site = Site::new(&PLANE, "git-faults");
    site.write("one", &config_maps("one", 3, "first"));
    site.render();
    site.repo.commit("first");
    let (server, _folder) = serve(&site);
    let running = Loop::follow(&site, "one", &server.url("http"), &["--init"]);
    running.synchronised(1);
    site.write("one", &config_maps("one", 3, "second"));
    // Enough that a pack can be cut in its middle.
    let mut seed = 7;
    site.repo.write("noise", (0..20_000).flat_map(|_| next(&mut seed).to_le_bytes()).collect::<Vec<u8>>());
    site.render();
    let second = site.repo.commit("second");
    for (count, fault) in [Fault::Truncate(300), Fault::Truncate(80_000), Fault::ServerError].into_iter().enumerate() {
        server.set(fault);
        running.nudge();
        eventually(Duration::from_secs(15), "the fetch fails", || {
            running.get("/metrics").contains(&format!("result=\"error\"}} {}\n", count + 1))
        });
        assert_eq!(value(&site, "one-1").as_deref(), Some("first"));
    }
    // It accepts and says nothing: the loop goes on with what it has.
    server.set(Fault::Silent);
    running.nudge();
    sleep(Duration::from_secs(1));
    drift_is_corrected(&site, "first");
    let shown = site.kcfg(&["status", "git-faults"]).stdout;
    assert!(shown.contains("fetching") || shown.contains("Git"), "{shown}");
    // It is well again: the next one that asks has it, without a restart.
    server.set(Fault::None);
    eventually(Duration::from_secs(60), "it is applied", || {
        running.nudge();
        sleep(Duration::from_millis(500));
        value(&site, "one-1").as_deref() == Some("second")
    });
    running.says("the Git server answers again", 1);
    running.says(&format!("\"commit\":\"{}\",\"result\":\"ok\"", second.trim()), 1);
    // A force-push to another history is a new truth; what only the old one had goes.
    site.repo.git(&["checkout", "--quiet", "--orphan", "other"]);
    site.write("one", &config_maps("one", 2, "third"));
    site.render();
    let third = site.repo.commit("third");
    site.repo.git(&["branch", "--quiet", "--force", "main"]);
    site.repo.git(&["checkout", "--quiet", "main"]);
    running.nudge();
    running.says(&format!("\"commit\":\"{}\",\"result\":\"ok\"", third.trim()), 1);
    running.stop();
    site.assert_cluster_is_tree();
    assert_eq!(value(&site, "one-2"), None);
}

#[test]
fn a_server_with_another_key_is_not_listened_to() {
    let site = Site::new(&PLANE, "git-key");
    site.write("one", &config_maps("one", 3, "first"));
    site.render();
    site.repo.commit("first");
    let server = SshServer::start();
    let file = |name: &str, text: &str| {
        let path = site.repo.path().join(".git").join(name);
        fs::write(&path, text).expect("the folder is ours");
        path.display().to_string()
    };
    let key = file("deploy-key", &server.read("client"));
    let hosts = file("known-hosts", &server.known_hosts("host"));
    let args = ["--init", "--git-ssh-key-file", &key, "--git-known-hosts-file", &hosts];
    let running = Loop::follow(&site, "one", &server.url(site.repo.path()), &args);
    running.synchronised(1);
    site.write("one", &config_maps("one", 3, "second"));
    site.render();
    site.repo.commit("second");
    // Somebody stands in between: what is known of the server is no longer what it shows.
    file("known-hosts", &server.known_hosts("other"));
    running.nudge();
    running.says("shows another key than the known hosts have", 1);
    drift_is_corrected(&site, "first");
    assert_eq!(value(&site, "one-1").as_deref(), Some("first"));
    file("known-hosts", &server.known_hosts("host"));
    running.nudge();
    eventually(Duration::from_secs(15), "it is applied", || value(&site, "one-1").as_deref() == Some("second"));
    running.stop();
    site.assert_cluster_is_tree();
}

/// A repository that carries 100 MB of what was: of no interest, so it is not fetched.
#[test]
fn a_long_history_is_not_fetched() {
    /// Commits of the past, each with a file of a megabyte that does not compress.
    const COMMITS: usize = 100;
    let site = Site::new(&PLANE, "git-history");
    let mut import = Command::new("git")
        .args(["-c", "core.compression=0", "fast-import", "--quiet"])
        .current_dir(site.repo.path())
        .stdin(Stdio::piped())
        .spawn()
        .expect("git can be run");
    let mut stream = std::io::BufWriter::new(import.stdin.take().expect("it is a pipe"));
    let mut seed = 11;
    for commit in 0..COMMITS {
        let noise: Vec<u8> = (0..131_072).flat_map(|_| next(&mut seed).to_le_bytes()).collect();
        let head = format!(
            "commit refs/heads/main\ncommitter Test <test@example.com> {} +0000\ndata 1\nx",
            1_700_000_000 + commit
        );
        write!(stream, "{head}\nM 100644 inline noise-{}\ndata {}\n", commit % 3, noise.len()).expect("it reads");
        stream.write_all(&noise).expect("it reads");
        writeln!(stream).expect("it reads");
    }
    drop(stream);
    assert!(import.wait().expect("it ends").success());
    site.repo.git(&["reset", "--quiet", "--mixed", "main"]);
    site.write("one", &config_maps("one", 3, "first"));
    site.render();
    site.repo.commit("first");
    let packed: u64 = fs::read_dir(site.repo.path().join(".git/objects/pack"))
        .expect("it is there")
        .filter_map(|entry| Some(entry.ok()?.metadata().ok()?.len()))
        .sum();
    assert!(packed > 100 << 20, "{packed} bytes of history");
    let (server, _folder) = serve(&site);
    let begin = Instant::now();
    let running = Loop::follow(&site, "one", &server.url("http"), &["--init"]);
    running.synchronised(1);
    let first = begin.elapsed();
    site.write("one", &(config_maps("one", 2, "first") + &config_map("one-2", "second")));
    site.render();
    site.repo.commit("second");
    let begin = Instant::now();
    running.nudge();
    eventually(Duration::from_secs(10), "it is applied", || value(&site, "one-2").as_deref() == Some("second"));
    let second = begin.elapsed();
    let memory = running.memory_kib("VmHWM") / 1024;
    println!(
        "{} MiB of history: first synchronisation after {first:.1?}, a commit after {second:.1?}, {memory} MiB at most",
        packed >> 20
    );
    assert!(first < Duration::from_secs(20) && second < Duration::from_secs(5), "{first:?} {second:?}");
    assert!(memory < 100, "{memory} MiB");
    running.stop();
    site.assert_cluster_is_tree();
}
