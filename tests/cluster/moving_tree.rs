//! The tree changes while it is applied: what counts is the last commit, and nothing is left of those before it.

use std::thread::sleep;
use std::time::Duration;

use crate::control_plane::{Parts, Shared};
use crate::proxy::{Fault, Proxy};
use crate::running_loop::Loop;
use crate::site::{Site, config_map, config_maps, value};

static PLANE: Shared = Shared::new(Parts { controllers: false, audit: false });

/// Commits pushed one after the other, every third on top of another history, while synchronisations run that take
/// longer than the commits are apart.
#[test]
fn of_commits_during_a_synchronisation_the_last_one_counts() {
    let site = Site::new(&PLANE, "moving");
    // Writes take their time, as with a slow webhook of the cluster's.
    let proxy = Proxy::start(site.plane, |_, asked| match asked.method.as_str() {
        "PATCH" | "DELETE" => Fault::Late(Duration::from_millis(60)),
        _ => Fault::None,
    });
    let kubeconfig = site.plane.kubeconfig_through("moving-proxy", &["system:masters"], &proxy.url);
    site.write(
        "environment",
        "apiVersion: kcfg.dev/v1\nkind: Environment\nmetadata: {name: NAME}\nspec: {pruneBudget: {objects: 1000, percent: 100}}\n",
    );
    // Each commit has a release and objects of its own, and changes what all have.
    let commit = |round: usize| {
        if round > 0 {
            site.remove(&format!("release-{}", round - 1));
        }
        site.write(&format!("release-{round}"), &config_maps(&format!("own-{round}"), 10, "x"));
        site.write(
            "shared",
            &(config_maps(&format!("shared-{round}"), 10, "x") + &config_maps("kept", 60, &round.to_string())),
        );
        site.render();
        site.repo.commit(&format!("commit {round}"))
    };
    commit(0);
    let running = Loop::start(&site, "one", &["--init", "--kubeconfig", &kubeconfig.display().to_string()]);
    running.synchronised(1);
    let rounds = 12;
    let mut last = String::new();
    for round in 1..=rounds {
        if round % 3 == 0 {
            site.repo.git(&["reset", "--quiet", "--soft", "HEAD~1"]);
        }
        last = commit(round).trim().to_owned();
        running.nudge();
        sleep(Duration::from_millis(150));
    }
    running.says_within(Duration::from_secs(60), &format!("\"commit\":\"{last}\",\"result\":\"ok\""), 1);
    let log = running.stop();
    let synchronised = log.matches("\"message\":\"synchronised\"").count();
    assert!(
        synchronised > 2 && synchronised <= rounds,
        "commits during a synchronisation are skipped: {synchronised}\n{log}"
    );
    site.assert_cluster_is_tree();
    assert_eq!(value(&site, "kept-59"), Some(rounds.to_string()));
    for id in site.members().into_iter().filter(|id| id.contains("/own-") || id.contains("/shared-")) {
        assert!(id.contains(&format!("-{rounds}-")), "{id} is of a commit before the last");
    }
    site.apply(&[]).code(0).says("0 applied");
}

/// A commit that is taken back while it is applied: what it made goes again.
#[test]
fn a_commit_that_is_taken_back_at_once_leaves_nothing() {
    let site = Site::new(&PLANE, "taken-back");
    let proxy = Proxy::start(site.plane, |_, asked| match asked.method.as_str() {
        "PATCH" => Fault::Late(Duration::from_millis(50)),
        _ => Fault::None,
    });
    let kubeconfig = site.plane.kubeconfig_through("taken-back-proxy", &["system:masters"], &proxy.url);
    site.write("one", &config_maps("one", 30, "good"));
    site.render();
    let good = site.repo.commit("good");
    let running = Loop::start(&site, "one", &["--init", "--kubeconfig", &kubeconfig.display().to_string()]);
    running.synchronised(1);
    site.write("one", &config_maps("one", 30, "bad"));
    site.write("more", &config_map("more", "bad"));
    site.render();
    site.repo.commit("bad");
    running.nudge();
    running.says("\"outcome\":\"changed\"", 1);
    site.repo.git(&["reset", "--quiet", "--hard", good.trim()]);
    running.nudge();
    running.says_within(Duration::from_secs(60), &format!("\"commit\":\"{}\",\"result\":\"ok\"", good.trim()), 2);
    running.stop();
    site.assert_cluster_is_tree();
    assert_eq!((value(&site, "one-29").as_deref(), value(&site, "more")), (Some("good"), None));
}
