//! A leader that is stopped (SIGSTOP) for longer than its Lease lasts and goes on while another leads: never two who
//! write, as the API server's audit log has it. Here a few times; `just soak-loop` does it as often as it takes to
//! believe it.

use std::collections::BTreeMap;
use std::thread::{self, sleep};
use std::time::Duration;

use jiff::Timestamp;

use crate::control_plane::{Parts, Request, Shared};
use crate::faults::number;
use crate::proxy::next;
use crate::running_loop::Loop;
use crate::site::{Site, config_maps};

static PLANE: Shared = Shared::new(Parts { controllers: false, audit: true });

/// How often a leader is stopped where `KCFG_SOAK_STOPS` does not say.
const STOPS: u64 = 2;
/// Sites whose leaders are stopped at once: most of the time everybody waits for a Lease to end.
const SITES: [&str; 6] = ["fence-a", "fence-b", "fence-c", "fence-d", "fence-e", "fence-f"];
/// ConfigMaps that each commit changes.
const OBJECTS: usize = 150;
/// Up to how long after its first write a leader is stopped: some are done by then.
const PAUSE_MS_MAX: u64 = 150;
/// A Lease lasts 60 s, and is looked at every 5.
const TAKEN_WITHIN: Duration = Duration::from_secs(120);
/// For how long after it was resumed what a leader writes is looked for.
const LATE: Duration = Duration::from_secs(2);

/// What the stops came to.
#[derive(Debug, Default)]
struct Tally {
    stops: u64,
    /// Stops amid a synchronisation.
    amid: u64,
    /// Writes of somebody who led no longer that the API server refused, or had no whole of.
    broken: usize,
}

/// The leader is stopped at a random moment of a synchronisation, by `KCFG_SOAK_SEED`; another takes over; the first is
/// resumed, and there is a further commit.
#[test]
fn a_leader_that_was_stopped_writes_nothing_more() {
    let (stops, seed) = (number("KCFG_SOAK_STOPS").unwrap_or(STOPS), number("KCFG_SOAK_SEED").unwrap_or(1));
    PLANE.get();
    let tallies: Vec<Tally> = thread::scope(|scope| {
        let sites = SITES.into_iter().zip(0..).take(stops as usize);
        let of_site = |index: u64| (stops - index).div_ceil(SITES.len() as u64);
        let started: Vec<_> =
            sites.map(|(name, index)| scope.spawn(move || stop_leaders(name, of_site(index), seed + index))).collect();
        started.into_iter().map(|thread| thread.join().unwrap_or_else(|why| std::panic::resume_unwind(why))).collect()
    });
    let sum = |of: fn(&Tally) -> u64| tallies.iter().map(of).sum::<u64>();
    let (done, amid, broken) = (sum(|tally| tally.stops), sum(|tally| tally.amid), sum(|tally| tally.broken as u64));
    println!(
        "seed {seed}: {done} stops, {amid} of them amid a synchronisation; {broken} late writes, none with an effect"
    );
    assert_eq!(done, stops);
    assert!(stops < 10 || amid > stops / 3, "{amid} of {stops} stops hit something");
}

/// Two loops of an environment, each a user of its own, take turns in leading and in being stopped.
fn stop_leaders(name: &'static str, stops: u64, seed: u64) -> Tally {
    let site = Site::new(&PLANE, name);
    let mut chance = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let commit = |value: String| {
        site.write("one", &config_maps("one", OBJECTS, &value));
        site.render();
        site.repo.commit(&value);
        format!("\"commit\":\"{}\",\"result\":\"ok\"", site.repo.git(&["rev-parse", "HEAD"]))
    };
    let users = ["one", "two"].map(|process| format!("{name}-{process}"));
    let start = |user: &str| {
        let kubeconfig = site.plane.kubeconfig_of(user, &["system:masters"]);
        Loop::start(&site, user, &["--init", "--kubeconfig", &kubeconfig.display().to_string()])
    };
    let done = commit("first".to_owned());
    let first = start(&users[0]);
    first.says(&done, 1);
    let loops = [first, start(&users[1])];
    loops[1].says(WAITS, 1);
    let mut tally = Tally::default();
    for stop in 0..stops {
        let (leader, other) = ((stop % 2) as usize, 1 - (stop % 2) as usize);
        let [applied, waited, led] = [(leader, APPLIED), (leader, WAITS), (other, LEADS)]
            .map(|(index, text)| loops[index].log().matches(text).count());
        let done = commit(format!("stop {stop}"));
        loops[leader].nudge();
        loops[leader].says(APPLIED, applied + 1);
        sleep(Duration::from_millis((next(&mut chance) >> 16) % PAUSE_MS_MAX));
        loops[leader].signal("-STOP");
        let stopped = now();
        tally.amid += u64::from(!loops[leader].log().contains(&done));
        tally.stops += 1;
        loops[other].nudge();
        loops[other].says_within(TAKEN_WITHIN, LEADS, led + 1);
        loops[other].says(&done, 1);
        site.assert_cluster_is_tree();
        let took = |request: &Request| request.is_of_lease() && request.changed() && request.ended > stopped;
        let taken = site.plane.requests_of(&users[other]).into_iter().find(took).expect("it leads").ended;

        let resumed = now();
        loops[leader].signal("-CONT");
        let done = commit(format!("resumed {stop}"));
        loops[leader].nudge();
        loops[other].nudge();
        loops[other].says(&done, 1);
        loops[leader].says(WAITS, waited + 1);
        sleep(LATE);
        let mut late = writes(&site, &users[leader], &taken);
        assert!(
            !late.iter().any(Request::changed),
            "seed {seed}, stop {stop}, resumed at {resumed}: {} wrote after {} had taken the Lease at {taken}: {late:#?}",
            users[leader],
            users[other]
        );
        late.retain(|request| !request.is_of_lease());
        tally.broken += late.len();
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        let applies = writes(&site, &users[other], &resumed);
        for apply in applies.iter().filter(|request| request.changed() && request.uri.contains("/configmaps/one-")) {
            *counts.entry(apply.uri.clone()).or_default() += 1;
        }
        // What a webhook holds for longer would outlive the Lease of who sent it.
        assert!(applies.iter().all(|request| request.uri.contains("timeout=25s")), "{applies:#?}");
        let is_once = counts.len() == OBJECTS && counts.values().all(|count| *count == 1);
        assert!(is_once, "seed {seed}, stop {stop}: an object was not written once: {counts:#?}\n{applies:#?}");
        site.assert_cluster_is_tree();
    }
    // Who was stopped leads again when the other ends, and finds nothing to do.
    let [one, two] = loops;
    let (leader, waiting, user) = if stops.is_multiple_of(2) { (one, two, &users[1]) } else { (two, one, &users[0]) };
    let (begin, led) = (now(), waiting.log().matches(LEADS).count());
    leader.stop();
    waiting.says(LEADS, led + 1);
    waiting.stop();
    let writes = writes(&site, user, &begin);
    assert!(!writes.iter().any(|request| request.uri.contains("/configmaps/one-")), "{writes:#?}");
    site.assert_cluster_is_tree();
    tally
}

const APPLIED: &str = "\"outcome\":\"changed\"";
const WAITS: &str = "\"message\":\"waiting for the lease\"";
const LEADS: &str = "\"message\":\"leading\"";

/// What a user tried to write that the API server was done with after a moment.
fn writes(site: &Site, user: &str, since: &str) -> Vec<Request> {
    let requests = site.plane.requests_of(user).into_iter();
    requests.filter(|request| request.writes() && request.ended.as_str() > since).collect()
}

/// The moment, as the audit log has it.
fn now() -> String {
    format!("{:.6}", Timestamp::now())
}
