//! The loop for a long time: killed again and again under commits, and thousands of synchronisations with an eye on its
//! memory. Here in short; `just soak` does it for as long as it takes to believe it.

use std::collections::BTreeMap;
use std::thread::sleep;
use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};

use crate::control_plane::{Parts, Shared};
use crate::faults::number;
use crate::proxy::next;
use crate::running_loop::Loop;
use crate::site::{Site, config_maps};

static PLANE: Shared = Shared::new(Parts { controllers: false, audit: false });

/// Seconds for which the loop is killed where `KCFG_SOAK_SECONDS` does not say.
const SECONDS: u64 = 15;
/// Synchronisations that memory is looked at for where `KCFG_SOAK_SYNCS` does not say.
const SYNCS: u64 = 60;
/// How much the memory may have grown between the second tenth of the synchronisations, when everything was used once,
/// and the last: 100 bytes lost in each of 10,000 would be half of it.
const GROWTH_KIB_MAX: u64 = 2048;
/// The same where they are fewer than [`SYNCS_LONG`]: the allocator goes up and down by as much.
const GROWTH_KIB_MAX_SHORT: u64 = 8192;
/// See [`GROWTH_KIB_MAX_SHORT`].
const SYNCS_LONG: u64 = 1000;
/// The pause between two looks whether a synchronisation is over, and how many looks are had.
const LOOK: Duration = Duration::from_millis(5);
/// See [`LOOK`]: a minute at least.
const LOOKS_MAX: u32 = 12_000;
/// The releases that commits change.
const RELEASES: u64 = 4;
/// ConfigMaps of each at most where the loop is killed, which shall hit it while it writes, and where it lives long.
const OBJECTS_KILLED: u64 = 60;
/// See [`OBJECTS_KILLED`].
const OBJECTS_LONG: u64 = 12;
/// ConfigMaps of the release that no commit changes.
const STEADY: u64 = 12;

const ENVIRONMENT: &str = "apiVersion: kcfg.dev/v1\nkind: Environment\nmetadata: {name: NAME}\nspec: {pruneBudget: {objects: 10000, percent: 100}}\n";

/// What happens to a site, by a row of numbers that look random.
struct Chance {
    seed: u64,
    objects_max: u64,
    commits: u64,
    drifts: u64,
}

impl Chance {
    fn new(seed: u64, objects_max: u64) -> Chance {
        Chance { objects_max, seed: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1, commits: 0, drifts: 0 }
    }

    /// A number below `end`.
    fn below(&mut self, end: u64) -> u64 {
        // The lower bits of a xorshift are the weaker ones.
        (next(&mut self.seed) >> 16) % end
    }

    /// A release that changes: with more or fewer objects, which hold something new; or none any more.
    fn changes_release(&mut self, site: &Site) {
        let document = format!("release-{}", self.below(RELEASES));
        if self.below(4) == 0 && site.repo.path().join(format!("releases/{}/{document}.yaml", site.name)).exists() {
            site.remove(&document);
        } else {
            let (count, value) = (1 + self.below(self.objects_max), next(&mut self.seed));
            site.write(&document, &config_maps(&document, count as usize, &value.to_string()));
        }
    }

    /// Commits such changes; now and then on top of the commit before the last one, as a force-push does.
    fn commits(&mut self, site: &Site) {
        if self.commits > 2 && self.below(8) == 0 {
            site.repo.git(&["reset", "--quiet", "--hard", "HEAD~1"]);
        }
        for _ in 0..=self.below(2) {
            self.changes_release(site);
        }
        site.render();
        self.commits += 1;
        site.repo.commit(&format!("commit {}", self.commits));
    }

    /// Somebody changes an object of a release that stays, one after the other: the same too often would be a fight.
    /// Whether it was there.
    fn drifts(&mut self, site: &Site) -> bool {
        let path = format!("/api/v1/namespaces/{}/configmaps/steady-{}", site.name, self.drifts % STEADY);
        let patch = json!({"data": {"value": next(&mut self.seed).to_string()}});
        let body = Some(("application/merge-patch+json", &patch));
        let (status, _) = site.plane.request(Method::PATCH, &path, body);
        self.drifts += u64::from(status == 200);
        status == 200
    }
}

/// A site with a release that no commit changes beside those that come and go, and an object of a stranger.
fn site(name: &'static str) -> Site {
    let site = Site::new(&PLANE, name);
    site.write("environment", ENVIRONMENT);
    site.write("steady", &config_maps("steady", STEADY as usize, "steady"));
    site.render();
    site.repo.commit("first");
    site.kubectl(&["create", "namespace", "NAME"], "");
    site.kubectl(&["create", "configmap", "strange", "--namespace=NAME"], "");
    site
}

/// The uids of the objects that no commit changes, by name.
fn steady(site: &Site) -> BTreeMap<String, Value> {
    let list = site.get("/api/v1/namespaces/NAME/configmaps").expect("it can be listed");
    let items = list["items"].as_array().expect("a list").iter();
    let named = items.map(|item| (item["metadata"]["name"].as_str().unwrap_or_default(), &item["metadata"]["uid"]));
    let kept = named.filter(|(name, _)| name.starts_with("steady-") || *name == "strange");
    kept.map(|(name, uid)| (name.to_owned(), uid.clone())).collect()
}

/// The loop is killed with SIGKILL at random moments while commits and drift go on: `KCFG_SOAK_SECONDS` long, by
/// `KCFG_SOAK_SEED`.
#[test]
fn a_loop_that_is_killed_again_and_again_under_commits_ends_as_the_tree() {
    let time = Duration::from_secs(number("KCFG_SOAK_SECONDS").unwrap_or(SECONDS));
    let seed = number("KCFG_SOAK_SEED").unwrap_or(1);
    let site = site("soak-kills");
    let mut chance = Chance::new(seed, OBJECTS_KILLED);
    let mut running = Loop::start(&site, "run-0", &["--init"]);
    running.synchronised(1);
    let before = steady(&site);
    let (mut kills, mut halves, mut syncs) = (0, 0, 0);
    let begin = Instant::now();
    while begin.elapsed() < time {
        match chance.below(4) {
            0 => drop(chance.drifts(&site)),
            _ => chance.commits(&site),
        }
        running.try_nudge();
        sleep(Duration::from_millis(chance.below(500)));
        if chance.below(3) == 0 {
            let log = running.kill();
            kills += 1;
            syncs += log.matches("\"message\":\"synchronised\"").count();
            // Something was written, and the end was not reached.
            let last = |text: &str| log.rfind(text);
            halves += usize::from(last("\"message\":\"object\"") > last("\"message\":\"synchronised\""));
            assert!(!log.contains("panicked"), "seed {seed}, kill {kills}\n{log}");
            running = Loop::start(&site, "run", &[]);
        }
    }
    chance.commits(&site);
    let commit = site.repo.git(&["rev-parse", "HEAD"]);
    running.try_nudge();
    running.says_within(Duration::from_secs(60), &format!("\"commit\":\"{commit}\",\"result\":\"ok\""), 1);
    println!(
        "seed {seed}, {} s: {kills} kills, {halves} of them amid a synchronisation, {} commits, {} times drift, at least {syncs} \
         synchronisations",
        begin.elapsed().as_secs(),
        chance.commits,
        chance.drifts
    );
    site.assert_cluster_is_tree();
    assert_eq!(
        steady(&site),
        before,
        "seed {seed}: what stayed in the tree was never deleted, nor what is a stranger's"
    );
    running.stop();
    site.apply(&[]).code(0).says("0 applied");
    assert!(kills > 2 && (time.as_secs() < 60 || halves > 0), "{kills} kills, {halves} of them amid something");
}

/// `KCFG_SOAK_SYNCS` synchronisations: commits that change, add and remove releases, and drift in between.
#[test]
fn memory_does_not_grow_with_synchronisations() {
    let wanted = number("KCFG_SOAK_SYNCS").unwrap_or(SYNCS);
    let site = site("soak-memory");
    let mut chance = Chance::new(number("KCFG_SOAK_SEED").unwrap_or(1), OBJECTS_LONG);
    let running = Loop::start(&site, "one", &["--init"]);
    running.synchronised(1);
    let begin = Instant::now();
    let tenth = (wanted / 10).max(1);
    let mut samples: Vec<Vec<u64>> = vec![Vec::new(); 10];
    let mut done = 0;
    println!("{:>8} {:>8} {:>13} {:>12} {:>12}", "syncs", "seconds", "RssAnon, KiB", "VmRSS, KiB", "VmHWM, KiB");
    while done < wanted {
        if chance.below(20) != 0 || !chance.drifts(&site) {
            chance.commits(&site);
            running.nudge();
        }
        let (before, mut looks) = (done, 0);
        while done == before {
            // Counted, not timed: the whole machine may stand still meanwhile, as a virtual one does that is paused.
            assert!(looks < LOOKS_MAX, "it does not synchronise\n{}", running.log());
            looks += 1;
            sleep(LOOK);
            done = running.metric("kcfg_syncs_total") as u64 - 1;
        }
        // Of the program's own pages the kernel maps more or fewer as it likes, by megabytes: what grows is the rest.
        samples[((done - 1) / tenth).min(9) as usize].push(running.memory_kib("RssAnon"));
        if done / tenth > before / tenth {
            println!(
                "{done:>8} {:>8} {:>13} {:>12} {:>12}",
                begin.elapsed().as_secs(),
                running.memory_kib("RssAnon"),
                running.memory_kib("VmRSS"),
                running.memory_kib("VmHWM")
            );
        }
    }
    let middle = |samples: &mut Vec<u64>| {
        samples.sort_unstable();
        samples[samples.len() / 2]
    };
    let (first, last) = (middle(&mut samples[1]), middle(&mut samples[9]));
    let (grown, limit) =
        (last.saturating_sub(first), if wanted < SYNCS_LONG { GROWTH_KIB_MAX_SHORT } else { GROWTH_KIB_MAX });
    println!("RssAnon, middle of the second tenth {first} KiB, of the last {last} KiB: {grown} KiB more of {limit}");
    assert!(grown <= limit, "{grown} KiB more than after the first tenth");
    chance.commits(&site);
    let commit = site.repo.git(&["rev-parse", "HEAD"]);
    running.nudge();
    running.says_within(Duration::from_secs(60), &format!("\"commit\":\"{commit}\",\"result\":\"ok\""), 1);
    site.assert_cluster_is_tree();
    running.stop();
}
