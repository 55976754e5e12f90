//! What kcfg does to a cluster, on a real control plane: etcd, kube-apiserver and, where a test needs them, the
//! controllers and kwok as kubelet.
//!
//! One control plane per file of tests, started with the first of its tests and shared by all of them; each test has
//! names of its own there. `KCFG_CLUSTER_TESTS=off` leaves all of this out where neither Go nor KUBEBUILDER_ASSETS is at hand.

mod apply;
mod clock;
#[allow(dead_code)] // the bench uses it too, and other parts of it
mod control_plane;
mod events;
mod faults;
mod fence;
#[path = "../forge.rs"]
#[allow(dead_code)] // the tests of comments use the rest
mod forge;
mod git_faults;
mod git_report;
mod git_servers;
mod harness;
mod hooks;
mod http;
mod image;
mod install;
mod keeper;
mod leader;
mod moving_tree;
mod outage;
mod owners;
mod programs;
mod proxy;
mod prune;
mod records;
#[path = "../repo.rs"]
mod repo;
#[allow(dead_code)] // the bench uses other parts of it
mod running_loop;
mod site;
mod soak;
mod status_watch;
mod suspend;
mod watch;
mod watch_faults;
mod webhook;
mod webhooks;
mod workloads;

#[test]
fn no_file_of_cluster_tests_is_forgotten() {
    let text = include_str!("main.rs");
    for entry in std::fs::read_dir(repo::here().join("tests/cluster")).expect("it can be listed") {
        let name = entry.expect("it can be listed").file_name().into_string().expect("names are UTF-8");
        if let Some(module) = name.strip_suffix(".rs") {
            assert!(module == "main" || text.contains(&format!("mod {module};")), "main.rs lacks `mod {module};`");
        }
    }
}
