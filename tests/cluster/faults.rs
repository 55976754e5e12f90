//! What breaks between kcfg and the API server, and in kcfg itself: every test ends with the cluster equal to the tree.

use std::time::Duration;

use crate::control_plane::{Parts, Shared};
use crate::proxy::{Fault, Proxy, at_random, next};
use crate::site::{Site, config_maps};

static PLANE: Shared = Shared::new(Parts { controllers: false, audit: false });

/// How often kcfg is killed where `KCFG_SOAK_KILLS` does not say.
const KILLS: u64 = 5;
/// Releases of the tree under which kcfg is killed, and ConfigMaps of each.
const RELEASES: usize = 6;
const OBJECTS: usize = 20;

/// A number of the environment.
pub fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name}={text} is no number")))
}

/// Writes releases of ConfigMaps whose names and values hang on the state, so that half of them come and go with it.
fn turn(site: &Site, state: &str) {
    for release in 0..RELEASES {
        let kept = config_maps(&format!("kept-{release}"), OBJECTS / 2, state);
        let other = config_maps(&format!("{state}-{release}"), OBJECTS / 2, state);
        site.write(&format!("release-{release}"), &(kept + &other));
    }
    // As many objects go in one run as the guard holds back otherwise.
    site.write(
        "environment",
        "apiVersion: kcfg.dev/v1\nkind: Environment\nmetadata: {name: NAME}\nspec: {pruneBudget: {objects: 10000, percent: 100}}\n",
    );
    site.render();
}

/// kcfg is killed with SIGKILL at random moments of applying and pruning. `just soak` does it more often:
/// `KCFG_SOAK_KILLS` says how often, `KCFG_SOAK_SEED` from which random number on.
#[test]
fn a_kill_at_any_moment_loses_nothing() {
    let kills = number("KCFG_SOAK_KILLS").unwrap_or(KILLS);
    let first_seed = number("KCFG_SOAK_SEED").unwrap_or(1);
    let mut seed = first_seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let site = Site::new(&PLANE, "kills");
    turn(&site, "even");
    site.render_and_init();
    site.assert_cluster_is_tree();
    // A stranger's object, which nothing may delete.
    site.kubectl(&["create", "configmap", "strange", "--namespace=NAME"], "");
    turn(&site, "odd");
    let begun = std::time::Instant::now();
    site.apply(&[]).code(0);
    let whole_us = begun.elapsed().as_micros() as u64;
    site.assert_cluster_is_tree();
    let (mut killed, mut partial) = (0, 0);
    for round in 0..kills {
        turn(&site, if round % 2 == 0 { "even" } else { "odd" });
        let before = site.members();
        let part_us = whole_us / kills.max(1) + 1;
        let wait = Duration::from_micros(part_us * round + next(&mut seed) % part_us);
        let mut run = site.start(&["apply", site.name]);
        std::thread::sleep(wait);
        run.kill().expect("it can be killed, or has ended");
        killed += u64::from(run.wait().expect("it ends").code().is_none());
        let told = format!("seed {first_seed}, kill {round} after {wait:?}");
        let (left, wanted) = (site.members(), site.wanted());
        partial += u64::from(left != before && left != wanted);
        let lost: Vec<_> = before.intersection(&wanted).filter(|id| !left.contains(*id)).collect();
        assert!(lost.is_empty(), "{told}: lost {lost:?}");
        let run = site.apply(&[]);
        assert_eq!(run.code, 0, "{told}\n{}\n{}", run.stdout, run.stderr);
        site.assert_cluster_is_tree();
        assert!(site.config_map("strange").is_some(), "{told}: a stranger's object is gone");
    }
    site.apply(&[]).code(0).says("0 applied");
    println!("{kills} kills from seed {first_seed}: {killed} hit a running apply, {partial} left it half done");
    assert!(kills < 20 || partial > 0, "no kill hit the writing: the moments are chosen badly");
}

#[test]
fn two_at_once_end_as_one() {
    let site = Site::new(&PLANE, "two");
    turn(&site, "even");
    site.render_and_init();
    turn(&site, "odd");
    let mut others: Vec<_> = (0..3).map(|_| site.start(&["apply", site.name])).collect();
    let run = site.apply(&[]);
    for other in &mut others {
        other.wait().expect("it ends");
    }
    // Whoever came late may have been told to wait, and says so; the next one finds nothing undone.
    assert!(run.code < 2 || run.stderr.contains("ease"), "{}\n{}", run.stdout, run.stderr);
    site.apply(&[]).code(0);
    site.assert_cluster_is_tree();
    site.apply(&[]).code(0).says("0 applied");
}

/// Applies through a proxy, as often as it takes, with an API server that does these things; then without.
fn through_faults(name: &'static str, one_in: u64, faults: Vec<Fault>) {
    let site = Site::new(&PLANE, name);
    let proxy = Proxy::start(site.plane, at_random(7, one_in, faults));
    let kubeconfig = site.plane.kubeconfig_through(&format!("{name}-proxy"), &["system:masters"], &proxy.url);
    let kubeconfig = kubeconfig.display().to_string();
    for state in ["even", "odd"] {
        turn(&site, state);
        let run = site.apply(&["--init", "--kubeconfig", &kubeconfig]);
        assert!([0, 1, 2].contains(&run.code), "{}\n{}", run.stdout, run.stderr);
        site.apply(&["--init"]).code(0);
        site.assert_cluster_is_tree();
    }
    assert!(proxy.faults() > 10, "{} faults in {} requests", proxy.faults(), proxy.requests().len());
}

#[test]
fn refusals_for_overload_are_waited_out() {
    through_faults("overload", 8, vec![Fault::Status(429)]);
}

#[test]
fn errors_of_the_server_are_tried_again() {
    through_faults("errors", 6, vec![Fault::Status(500), Fault::Status(502), Fault::Status(503), Fault::Status(504)]);
}

#[test]
fn slow_answers_are_waited_for() {
    through_faults("slow", 8, vec![Fault::Late(Duration::from_millis(300))]);
}

#[test]
fn lost_requests_and_cut_answers_are_tried_again() {
    through_faults("cut", 6, vec![Fault::Lost, Fault::HalfAnswered, Fault::Unanswered]);
}
