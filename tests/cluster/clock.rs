//! Clocks that are wrong or jump. Who leads is decided by what is seen to change and by the monotonic clock alone; a wall clock
//! that is off is, for a decision, the same as times in the cluster that are off, and those are written here.

use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use http::Method;
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use serde_json::json;

use crate::control_plane::{Parts, Shared, eventually};
use crate::running_loop::Loop;
use crate::site::{Site, config_map, value};

static PLANE: Shared = Shared::new(Parts { controllers: false, audit: true });

/// Renews the site's Lease as a machine does whose clock is so far off.
fn renew(site: &Site, off: SignedDuration) {
    let time = format!("{:.6}", Timestamp::now() + off);
    let lease = json!({
        "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
        "metadata": {"name": format!("kcfg-{}", site.name), "namespace": "kcfg-system"},
        "spec": {"holderIdentity": "elsewhere", "leaseDurationSeconds": 60, "acquireTime": time, "renewTime": time},
    });
    let path = format!(
        "/apis/coordination.k8s.io/v1/namespaces/kcfg-system/leases/kcfg-{}?fieldManager=elsewhere&force=true",
        site.name
    );
    let (status, answer) = site.plane.request(Method::PATCH, &path, Some(("application/apply-patch+yaml", &lease)));
    assert!(status == 200 || status == 201, "{answer}");
}

/// The clock of who leads is ten hours behind, then ten ahead: as long as the Lease is renewed it is respected, and one that
/// is not renewed is free after its duration.
#[test]
fn a_leader_whose_wall_clock_is_wrong_leads_while_it_renews_and_no_longer() {
    let site = Site::new(&PLANE, "clock-lease");
    site.write("one", &config_map("one", "first"));
    site.render_and_init();
    site.repo.commit("first");
    let hours = SignedDuration::from_hours(10);
    renew(&site, -hours);
    let running = Loop::start(&site, "one", &[]);
    running.says("waiting for the lease", 1);
    for second in 0..16 {
        renew(&site, if second < 8 { -hours } else { hours });
        sleep(Duration::from_secs(1));
    }
    assert!(!running.log().contains("\"message\":\"leading\""), "{}", running.log());
    let hand = std::thread::scope(|scope| {
        let hand = scope.spawn(|| site.apply(&[]));
        while !hand.is_finished() {
            renew(&site, -hours);
            sleep(Duration::from_millis(500));
        }
        hand.join().expect("it ends")
    });
    hand.code(2).complains("elsewhere leads");
    // The last renewal says a time far ahead, and nobody waits for that.
    renew(&site, hours);
    let begin = Instant::now();
    running.says_within(Duration::from_secs(90), "\"message\":\"leading\"", 1);
    let waited = begin.elapsed();
    assert!(waited > Duration::from_secs(50) && waited < Duration::from_secs(75), "{waited:?}");
    running.synchronised(1);
    running.stop();
}

/// Monotonic clocks that stand elsewhere, as on another machine: one that has just begun, and one that has run for thirty years.
/// In namespaces of their own, where this machine and user may make some.
#[test]
fn monotonic_clocks_of_another_boot_do_as_well_and_are_no_excuse_to_lead() {
    let now = || std::fs::read_to_string("/proc/uptime").expect("it is there");
    let up = now().split('.').next().and_then(|text| text.parse::<i64>().ok()).expect("seconds");
    if !Command::new("unshare").args(["--time", "true"]).status().is_ok_and(|status| status.success()) {
        println!("left out: this machine or user may make no namespace of clocks");
        return;
    }
    let site = Site::new(&PLANE, "clock-boot");
    site.write("one", &config_map("one", "first"));
    site.render();
    site.repo.commit("first");
    let elsewhere = |name: &str, offset: i64, args: &[&str]| {
        let kcfg = site.command(&["apply", site.name]);
        let mut command = Command::new("unshare");
        command.args(["--time", &format!("--monotonic={offset}"), &format!("--boottime={offset}")]);
        command.arg(kcfg.get_program()).args(kcfg.get_args()).current_dir(site.repo.path());
        command.envs(kcfg.get_envs().filter_map(|(name, value)| Some((name, value?))));
        let url = format!("file://{}", site.repo.path().display());
        Loop::following(command, &url, &site.repo.path().join(".git"), name, &[&["--poll", "3600"], args].concat())
    };
    // One after the other leads, while the next one waits, and takes no process for ended that runs.
    let mut leads = elsewhere("young", 2 - up, &["--init"]);
    for (round, offset) in [("old", 30 * 365 * 86_400), ("here", 0), ("last", 2 - up)] {
        leads.says("\"message\":\"leading\"", 1);
        leads.synchronised(1);
        let waits = elsewhere(round, offset, &[]);
        waits.says("waiting for the lease", 1);
        sleep(Duration::from_secs(6));
        assert!(!waits.log().contains("\"message\":\"leading\""), "{}", waits.log());
        site.write("one", &config_map("one", round));
        site.render();
        site.repo.commit(round);
        leads.nudge();
        eventually(Duration::from_secs(20), "it is applied", || value(&site, "one").as_deref() == Some(round));
        leads.stop();
        leads = waits;
    }
    leads.synchronised(1);
    leads.stop();
    site.assert_cluster_is_tree();
}
