//! The loop behind a network that does not let its watches be: commits and drift arrive all the same, nothing is written
//! twice, and the API server is not flooded.

use std::thread::sleep;
use std::time::Duration;

use crate::control_plane::{Parts, Shared, eventually};
use crate::proxy::{Fault, Proxy, WatchFault};
use crate::running_loop::Loop;
use crate::site::{Site, config_map, config_maps, value};

static PLANE: Shared = Shared::new(Parts { controllers: false, audit: false });

/// Kinds that the loop of these tests watches: ConfigMaps, the parents among them, the environment's record.
const WATCHES: usize = 3;
/// How long nothing changes while requests are counted.
const QUIET: Duration = Duration::from_secs(6);

/// How many requests may come while nothing changes.
struct Bounds {
    watches: usize,
    lists: usize,
}

/// A loop of a site through a proxy that does this to watches; `fault` is told how many watches came before.
fn start(site: &Site, fault: impl Fn(usize) -> Fault + Send + Sync + 'static) -> (Proxy, Loop) {
    let count = std::sync::atomic::AtomicUsize::new(0);
    let proxy = Proxy::start(site.plane, move |_, asked| match asked.is_watch() {
        true => fault(count.fetch_add(1, std::sync::atomic::Ordering::SeqCst)),
        false => Fault::None,
    });
    let user = format!("{}-proxy", site.name);
    let kubeconfig = site.plane.kubeconfig_through(&user, &["system:masters"], &proxy.url).display().to_string();
    let running = Loop::start(site, "one", &["--init", "--kubeconfig", &kubeconfig]);
    running.synchronised(1);
    (proxy, running)
}

/// Requests of a proxy that came since, but for those of the Lease: watches, lists, and those that write.
fn since(proxy: &Proxy, before: usize) -> [Vec<String>; 3] {
    let requests = proxy.requests().split_off(before);
    let requests = requests.into_iter().filter(|request| !request.contains("/leases"));
    let (watches, others): (Vec<_>, Vec<_>) = requests.partition(|request| request.contains("watch=true"));
    let (reads, writes): (Vec<_>, Vec<_>) = others.into_iter().partition(|request| request.starts_with("GET "));
    let lists = reads.into_iter().filter(|request| request.contains("limit=")).collect();
    [watches, lists, writes]
}

/// Commits, drift and quiet through such a proxy. Drift is gone `within` this time.
fn goes_on(
    name: &'static str,
    within: Duration,
    bounds: &Bounds,
    fault: impl Fn(usize) -> Fault + Send + Sync + 'static,
) {
    let site = Site::new(&PLANE, name);
    site.write("many", &config_maps("many", 20, "first"));
    site.render();
    site.repo.commit("first");
    let (proxy, running) = start(&site, fault);
    for round in ["second", "third"] {
        site.write("many", &(config_maps("many", 19, "first") + &config_map("many-19", round)));
        site.render();
        let commit = site.repo.commit(round);
        let before = proxy.requests().len();
        running.nudge();
        eventually(Duration::from_secs(10), "the commit is applied", || {
            value(&site, "many-19").as_deref() == Some(round)
        });
        running.says(&format!("\"commit\":\"{}\",\"result\":\"ok\"", commit.trim()), 1);
        let [_, _, writes] = since(&proxy, before);
        let of_object = writes.iter().filter(|request| request.contains("/many-")).count();
        assert_eq!(of_object, 1, "one object changed: {writes:#?}");

        let patch = ["patch", "configmap", "many-0", "--type=merge", "-p", "{\"data\":{\"value\":\"mine\"}}"];
        site.kubectl(&[&["-n", "NAME"], &patch[..]].concat(), "");
        eventually(within, "the change is taken back", || value(&site, "many-0").as_deref() == Some("first"));
        site.kubectl(&["-n", "NAME", "delete", "configmap", "many-1"], "");
        eventually(within, "it is made again", || value(&site, "many-1").is_some());
    }
    site.assert_cluster_is_tree();
    // What was written is seen, late perhaps; then nothing is left to do.
    sleep(within.min(Duration::from_secs(5)));
    let (before, log_before) = (proxy.requests().len(), running.log().len());
    sleep(QUIET);
    let [watches, lists, writes] = since(&proxy, before);
    let log = running.log();
    assert!(writes.is_empty(), "nothing changed, and this was written: {writes:#?}\n{}", &log[log_before..]);
    assert!(watches.len() <= bounds.watches && lists.len() <= bounds.lists, "{watches:#?} {lists:#?}");
    assert!(!log.contains("a record was changed"), "{log}");
    running.stop();
    site.apply(&[]).code(0).says("0 applied");
}

/// Watches that last so long, opened half a second after their end, over the time in which they are counted.
fn opened_anew(lasting: Duration) -> usize {
    let period = lasting + Duration::from_millis(500);
    WATCHES * (QUIET.as_millis() / period.as_millis() + 2) as usize
}

const SECOND: Duration = Duration::from_secs(1);
const DRIFT: Duration = Duration::from_secs(10);

#[test]
fn watches_that_are_cut_every_second() {
    let bounds = Bounds { watches: opened_anew(SECOND), lists: 0 };
    goes_on("watch-cut", DRIFT, &bounds, |_| Fault::Watch(WatchFault::Cut(SECOND)));
}

#[test]
fn watches_that_end_every_second() {
    let bounds = Bounds { watches: opened_anew(SECOND), lists: 0 };
    goes_on("watch-ends", DRIFT, &bounds, |_| Fault::Watch(WatchFault::Ends(SECOND)));
}

#[test]
fn watches_whose_version_expires_every_second() {
    let bounds = Bounds { watches: opened_anew(SECOND), lists: opened_anew(SECOND) };
    goes_on("watch-expires", DRIFT, &bounds, |_| Fault::Watch(WatchFault::Expires(SECOND)));
}

/// As after a long sleep: what the watch goes on from is too old, said at its beginning.
#[test]
fn watches_that_are_refused_as_too_old_every_other_time() {
    let bounds = Bounds { watches: opened_anew(SECOND), lists: opened_anew(SECOND) };
    let fault = |count: usize| match count % 2 {
        0 => Fault::Watch(WatchFault::Cut(2 * SECOND)),
        _ => Fault::Status(410),
    };
    goes_on("watch-410", DRIFT, &bounds, fault);
}

#[test]
fn watches_without_bookmarks() {
    goes_on("watch-bookmarks", DRIFT, &Bounds { watches: 0, lists: 0 }, |_| Fault::Watch(WatchFault::NoBookmarks));
}

#[test]
fn watches_of_which_half_a_line_comes() {
    let bounds = Bounds { watches: opened_anew(SECOND), lists: 0 };
    goes_on("watch-half", DRIFT, &bounds, |_| Fault::Watch(WatchFault::HalfLine(Duration::from_millis(700))));
}

#[test]
fn watches_that_begin_late() {
    goes_on("watch-late", DRIFT, &Bounds { watches: 0, lists: 0 }, |_| Fault::Late(2 * SECOND));
}

/// Nothing can be watched at all: what is asked grows rare, commits are applied, and nothing is taken for current.
fn nothing_can_be_watched(name: &'static str, fault: Fault) {
    let site = Site::new(&PLANE, name);
    site.write("many", &config_maps("many", 20, "first"));
    site.render();
    site.repo.commit("first");
    let (proxy, running) = start(&site, move |_| fault.clone());
    running.says("cannot be watched: its drift is seen late", 1);
    let before = proxy.requests().len();
    sleep(QUIET);
    let [watches, lists, writes] = since(&proxy, before);
    // The record's watch has a pause of two seconds, the others one that has grown to four and more.
    assert!(watches.len() <= WATCHES * 5 && lists.len() <= WATCHES * 3, "{watches:#?} {lists:#?}");
    assert!(writes.is_empty(), "{writes:#?}");
    // A commit sees what no watch told: it lists.
    site.kubectl(&["-n", "NAME", "delete", "configmap", "many-1"], "");
    site.write("many", &(config_maps("many", 19, "first") + &config_map("many-19", "second")));
    site.render();
    site.repo.commit("second");
    running.nudge();
    eventually(Duration::from_secs(10), "the commit is applied", || {
        value(&site, "many-19").as_deref() == Some("second") && value(&site, "many-1").is_some()
    });
    site.assert_cluster_is_tree();
    let log = running.stop();
    assert!(!log.contains("panicked"), "{log}");
}

#[test]
fn a_server_that_says_410_to_every_watch() {
    nothing_can_be_watched("watch-never", Fault::Status(410));
}

#[test]
fn a_server_that_expires_every_watch_at_once() {
    nothing_can_be_watched("watch-gone", Fault::Watch(WatchFault::Expires(Duration::ZERO)));
}

#[test]
fn a_line_without_an_end() {
    nothing_can_be_watched("watch-endless", Fault::Watch(WatchFault::Endless(5 << 20)));
}

/// The longest line that an API server sends: annotations may have 256 KiB, and managedFields name each of them.
#[test]
fn a_line_that_is_longer_than_usual_is_read() {
    let site = Site::new(&PLANE, "watch-long");
    site.write("many", &config_maps("many", 3, "first"));
    site.render();
    site.repo.commit("first");
    let (proxy, running) = start(&site, |_| Fault::None);
    let notes: Vec<String> =
        (0..1000).map(|index| format!("\"example.com/{index}\":\"{}\"", "x".repeat(240))).collect();
    let patch = format!("{{\"metadata\":{{\"annotations\":{{{}}}}},\"data\":{{\"value\":\"mine\"}}}}", notes.join(","));
    let path = site.repo.path().join(".git/patch.json");
    std::fs::write(&path, patch).expect("the folder is ours");
    let before = proxy.requests().len();
    let path = path.display().to_string();
    site.kubectl(&["-n", "NAME", "patch", "configmap", "many-0", "--type=merge", "--patch-file", &path], "");
    eventually(DRIFT, "the change is taken back", || value(&site, "many-0").as_deref() == Some("first"));
    sleep(SECOND);
    let [watches, lists, _] = since(&proxy, before);
    assert!(watches.is_empty() && lists.is_empty(), "the watch went on: {watches:#?} {lists:#?}");
    running.stop();
    site.assert_cluster_is_tree();
}
