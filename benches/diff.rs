//! `kcfg diff` as a whole process: few changes in a large tree of two commits, and a file of which everything changed.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::{RUNS_LONG, RUNS_SHORT, generate, kcfg, millis, number, report, scratch};

/// Releases and objects of each in the large tree.
const TREE: (usize, usize) = (2_500, 20);
/// Objects of it that change, each in another release.
const TREE_CHANGES: usize = 10;
/// Objects of the files of which everything changed: the time has to grow with the number and no faster.
const FILES: [usize; 3] = [1_000, 2_000, 4_000];
/// The number of objects that dyff is compared at; it takes the longest.
const DYFF_AT: usize = 2_000;

pub fn run(args: &[&str]) {
    let (releases, objects) = match args {
        [releases, objects] => (number(releases), number(objects)),
        _ => TREE,
    };
    tree(releases, objects);
    let dyff = dyff();
    for count in FILES {
        file(count, dyff.as_deref().filter(|_| count == DYFF_AT));
    }
}

/// A tree of two commits that differ in few objects.
fn tree(releases: usize, objects: usize) {
    let folder = scratch();
    let folder = folder.path();
    generate::write(folder, releases, objects);
    let render = |message: &str| {
        assert!(kcfg(folder, &["render"]).status().expect("kcfg can be run").success());
        generate::git(folder, &["add", "--all"]);
        let author = ["-c", "user.name=Bench", "-c", "user.email=bench@example.com"];
        generate::git(folder, &[&author[..], &["commit", "--quiet", "--message", message]].concat());
    };
    render("rendered");
    for change in 0..TREE_CHANGES {
        let release = change * releases / TREE_CHANGES;
        let path = generate::release_path(folder, release);
        let text = fs::read_to_string(&path).expect("it is there");
        fs::write(&path, text.replacen("LEVEL: info", "LEVEL: debug", 1)).expect("it can be written");
    }
    render("changed");
    generate::git(folder, &["gc", "--quiet"]);
    let shown = kcfg(folder, &["diff", "--from", "HEAD~1", "--to", "HEAD", "--stat"]).stdout(Stdio::piped()).output();
    let shown = String::from_utf8(shown.expect("kcfg can be run").stdout).expect("UTF-8");
    assert_eq!(shown.lines().filter(|line| line.starts_with("  web-")).count(), TREE_CHANGES, "{shown}");
    println!("{} objects in {releases} releases, {TREE_CHANGES} changed, two commits", releases * objects);
    let commits = ["diff", "--from", "HEAD~1", "--to", "HEAD"];
    report("diff", RUNS_SHORT, || (), || kcfg(folder, &commits));
    report("diff --no-digests", RUNS_SHORT, || (), || kcfg(folder, &[&commits[..], &["--no-digests"]].concat()));
}

/// Two files of so many objects, each of which changed in four places.
fn file(count: usize, dyff: Option<&Path>) {
    let folder = scratch();
    let folder = folder.path();
    for (name, version) in [("old", 0), ("new", 1)] {
        fs::write(folder.join(format!("{name}.yaml")), manifests(count, version)).expect("it can be written");
    }
    println!("{count} objects in two files, all changed");
    let files = ["diff", "--from-path", "old.yaml", "--to-path", "new.yaml"];
    let ours = report("diff", RUNS_LONG, || (), || kcfg(folder, &files));
    let Some(dyff) = dyff else { return };
    let theirs = report(
        "dyff between",
        1,
        || (),
        || {
            let mut command = Command::new(dyff);
            command.args(["between", "--omit-header", "--color=off", "old.yaml", "new.yaml"]).current_dir(folder);
            command.stdout(Stdio::null()).stderr(Stdio::null());
            command
        },
    );
    println!("  kcfg diff is {:.0} times as fast", millis(theirs) / millis(ours));
}

/// Half Deployments, half ConfigMaps.
fn manifests(count: usize, version: usize) -> String {
    let mut text = String::new();
    for n in 0..count {
        let metadata = format!(
            "metadata:\n  name: app-{n}\n  namespace: team-{}\n  labels:\n    version: \"{version}\"\n",
            n % 10
        );
        let _ = if n % 2 == 0 {
            write!(
                text,
                "---\napiVersion: apps/v1\nkind: Deployment\n{metadata}spec:\n  replicas: {}\n  selector:\n    matchLabels:\n      app: app-{n}\n  \
                 template:\n    metadata:\n      labels:\n        app: app-{n}\n    spec:\n      containers:\n      - name: app\n        \
                 image: registry.example.com/app-{n}:1.{version}\n        env:\n        - name: LEVEL\n          value: info\n        \
                 - name: NUMBER\n          value: \"{}\"\n        ports:\n        - containerPort: 8080\n",
                version + 1,
                n + version
            )
        } else {
            write!(
                text,
                "---\napiVersion: v1\nkind: ConfigMap\n{metadata}data:\n  number: \"{}\"\n  level: l{version}\n  app.conf: |\n    \
                 [server]\n    port = 80{version}\n    name = app-{n}\n",
                n + version
            )
        };
    }
    text
}

/// The dyff that `just compare-diff` builds, or the one that DYFF names.
fn dyff() -> Option<PathBuf> {
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let cache = cache.or_else(|| std::env::var_os("HOME").map(|home| Path::new(&home).join(".cache")));
    let path = std::env::var_os("DYFF").map(PathBuf::from).or_else(|| Some(cache?.join("kcfg-dyff/dyff")))?;
    path.is_file().then_some(path)
}
