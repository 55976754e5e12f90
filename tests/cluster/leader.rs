//! Who may write: of a loop, another loop and somebody at a keyboard only one at a time, as the API server saw it.

use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::control_plane::{Parts, Shared, eventually};
use crate::running_loop::Loop;
use crate::site::{Site, config_map, config_maps};

static PLANE: Shared = Shared::new(Parts { controllers: false, audit: true });

#[test]
fn who_applies_by_hand_gives_way_to_a_loop_that_runs() {
    let site = Site::new(&PLANE, "by-hand");
    site.write("one", &config_map("one", "first"));
    site.render();
    site.repo.commit("first");
    let running = Loop::start(&site, "one", &["--init"]);
    running.says("\"message\":\"synchronised\"", 1);
    site.write("one", &config_map("one", "second"));
    site.render();
    let begin = Instant::now();
    let run = site.apply(&[]).code(2);
    run.complains("leads: it has the Lease kcfg-by-hand");
    assert!(begin.elapsed() < Duration::from_secs(15), "{:?}", begin.elapsed());
    assert_eq!(site.config_map("one").expect("it is there")["data"]["value"], "first");
    // A dry run changes nothing, so it needs no Lease.
    site.apply(&["--dry-run"]).says("its file changed");
    // A loop that was killed has ended: on the same machine nobody waits for its Lease.
    running.signal("-KILL");
    let begin = Instant::now();
    eventually(Duration::from_secs(5), "it has ended", || site.apply(&[]).code == 0);
    assert!(begin.elapsed() < Duration::from_secs(10), "{:?}", begin.elapsed());
    site.assert_cluster_is_tree();
    site.apply(&[]).code(0).says("0 applied");
}

#[test]
fn a_cluster_that_is_not_the_right_one_is_left_as_it_is() {
    let site = Site::new(&PLANE, "never-here");
    site.write("one", &config_map("one", "first"));
    site.render();
    let run = site.apply(&[]).code(2);
    run.complains("was never applied to this cluster");
    assert!(site.requests().iter().all(|request| !request.writes()), "{:#?}", site.requests());
}

/// The leader is stopped for longer than its Lease lasts, and goes on while another leads.
#[test]
fn a_leader_that_was_stopped_writes_nothing_more() {
    let site = Site::new(&PLANE, "stopped");
    site.write("one", &config_maps("one", 60, "first"));
    site.render();
    site.repo.commit("first");
    let first = Loop::start(&site, "one", &["--init"]);
    first.says("\"message\":\"synchronised\"", 1);
    // Stopped in the middle of a synchronisation.
    site.write("one", &config_maps("one", 60, "second"));
    site.render();
    site.repo.commit("second");
    first.nudge();
    first.says("\"outcome\":\"changed\"", 1);
    first.signal("-STOP");
    let second = Loop::start(&site, "two", &[]);
    second.says_within(Duration::from_secs(90), "\"message\":\"leading\"", 1);
    second.says("\"message\":\"synchronised\"", 1);
    site.assert_cluster_is_tree();
    // Between here and the end of the other every write is the second's.
    let before = site.requests().len();
    first.signal("-CONT");
    site.write("one", &config_maps("one", 60, "third"));
    site.render();
    site.repo.commit("third");
    second.nudge();
    first.nudge();
    second.says("\"message\":\"synchronised\"", 2);
    sleep(Duration::from_secs(3));
    assert!(
        first.log().contains("the lease was lost") || first.log().contains("waiting for the lease"),
        "{}",
        first.log()
    );
    let since = site.requests().split_off(before);
    let applies = since.iter().filter(|request| request.writes() && request.uri.contains("/one-"));
    let mut names: Vec<_> = applies.map(|request| request.uri.clone()).collect();
    let all = names.len();
    names.sort();
    names.dedup();
    assert_eq!((names.len(), all), (60, 60), "an object was written by two, or by none: {names:#?}");
    site.assert_cluster_is_tree();
    second.stop();
    // The first leads again, and finds nothing to do.
    first.says("\"message\":\"leading\"", 2);
    first.stop();
    site.assert_cluster_is_tree();
}
