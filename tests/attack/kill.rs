//! kill -9 during `kcfg render`, at random points: every release is wholly old or wholly new, the next render mends
//! all. `just soak` does it more often: `KCFG_SOAK_KILLS` says how often, `KCFG_SOAK_SEED` from which random number on.

use std::collections::BTreeMap;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::kcfg;
use crate::repo::Repo;

/// Enough that a kill finds some releases written and some not.
const RELEASES: usize = 60;

/// How often the program is killed where nobody says.
const KILLS: u64 = 5;

/// The files of each release's folder, kcfg.sum among them.
type Tree = BTreeMap<String, BTreeMap<String, String>>;

/// A chart of twelve objects, and releases of it, two of which have strangers in their folders.
fn fleet() -> Repo {
    let repo = Repo::new(
        r#"
        -- charts/web/Chart.yaml --
        apiVersion: v2
        name: web
        version: 1.0.0
        -- charts/web/templates/config.yaml --
        {{- range 12 }}
        ---
        apiVersion: v1
        kind: ConfigMap
        metadata: {name: config-{{ . }}}
        data: {state: {{ $.Values.state }}, index: "{{ . }}"}
        {{- end }}
        "#,
    );
    turn(&repo, "even");
    repo.kcfg(&["render"]).code(0);
    for release in ["r00", "r59"] {
        repo.write(&format!("rendered/prod/{release}/notes"), "mine");
        repo.write(&format!("rendered/prod/{release}/more/notes"), "mine too");
    }
    repo
}

/// Gives all releases other values.
fn turn(repo: &Repo, state: &str) {
    for index in 0..RELEASES {
        repo.write(
            &format!("releases/prod/r{index:02}.yaml"),
            format!(
                "apiVersion: kcfg.dev/v1\nkind: Release\nmetadata: {{name: r{index:02}, namespace: shop}}\n\
                 spec: {{chart: charts/web, values: {{state: {state}}}}}\n"
            ),
        );
    }
}

fn tree(repo: &Repo) -> Tree {
    let mut tree = Tree::new();
    for (path, text) in repo.snapshot("rendered/prod") {
        let (release, file) = path.split_once('/').expect("files stand in folders");
        tree.entry(release.to_owned()).or_default().insert(file.to_owned(), text);
    }
    tree
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name}={text} is no number")))
}

/// xorshift64: the next of a row of numbers that look random.
fn next(seed: &mut u64) -> u64 {
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    *seed
}

#[test]
fn a_kill_at_any_moment_leaves_every_release_wholly_old_or_wholly_new() {
    let kills = number("KCFG_SOAK_KILLS").unwrap_or(KILLS);
    let first_seed = number("KCFG_SOAK_SEED").unwrap_or(1);
    let mut seed = first_seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let repo = fleet();
    let even = tree(&repo);
    turn(&repo, "odd");
    let begun = Instant::now();
    repo.kcfg(&["render"]).code(0);
    let whole_us = begun.elapsed().as_micros() as u64;
    let odd = tree(&repo);
    let (mut killed, mut mixed) = (0, 0);
    for round in 0..kills {
        let (state, old, new) = if round % 2 == 0 { ("even", &odd, &even) } else { ("odd", &even, &odd) };
        turn(&repo, state);
        // One point in each part of the run, anywhere in the part.
        let part_us = whole_us / kills.max(1) + 1;
        let wait = Duration::from_micros(part_us * round + next(&mut seed) % part_us);
        let mut run = Command::new(env!("CARGO_BIN_EXE_kcfg"))
            .arg("render")
            .current_dir(repo.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("kcfg can be run");
        sleep(wait);
        run.kill().expect("it can be killed, or has ended");
        killed += u64::from(run.wait().expect("it ends").code().is_none());
        let told = format!("seed {first_seed}, kill {round} after {wait:?}");
        let left = tree(&repo);
        let mut states = [0, 0];
        for (release, files) in &left {
            if release.starts_with(".kcfg-") {
                continue;
            }
            // A stranger's folder may be on its way; that it is not lost shows when all is healed.
            let without_more = |files: &BTreeMap<String, String>| {
                files.iter().filter(|(name, _)| *name != "more/notes").map(|(n, t)| (n.clone(), t.clone())).collect()
            };
            let files: Vec<(String, String)> = without_more(files);
            let is = |state: &Tree| without_more(&state[release]) == files;
            assert!(is(old) || is(new), "{told}: {release} is neither old nor new:\n{files:#?}");
            states[usize::from(is(new))] += 1;
        }
        assert_eq!(states[0] + states[1], RELEASES, "{told}: a release is gone");
        mixed += u64::from(states[0] > 0 && states[1] > 0);
        kcfg(&repo, &["render"]).code(0);
        let healed = tree(&repo);
        assert!(healed == *new, "{told}: {:?}", healed.keys().collect::<Vec<_>>());
        assert!(!repo.path().join(".kcfg.lock.tmp").exists(), "{told}");
        // Only the strangers' files are complained of.
        kcfg(&repo, &["check"]).code(1).says("4 differences").says("0 refused");
    }
    println!(
        "{kills} kills from seed {first_seed}: {killed} hit a running render, {mixed} left some releases old, some new"
    );
    assert!(kills < 20 || mixed > 0, "no kill hit the writing: the moments are chosen badly");
}
