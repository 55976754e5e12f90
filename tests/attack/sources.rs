//! Attacks on what a render reads: charts/, releases/, kcfg.yaml and kcfg.lock.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::process::Command;

use super::kcfg;
use crate::render::shop;
use crate::repo::Repo;

/// What is done, and what the error says; the place comes last.
type Attack = (fn(&Repo), &'static [&'static str]);

fn remove(repo: &Repo, path: &str) {
    let path = repo.path().join(path);
    let _ = fs::remove_file(&path).or_else(|_| fs::remove_dir_all(&path));
}

/// Puts a pipe in the place of whatever is there.
pub fn pipe(repo: &Repo, path: &str) {
    remove(repo, path);
    assert!(Command::new("mkfifo").arg(repo.path().join(path)).status().expect("mkfifo can be run").success());
}

/// Puts an empty folder in the place of whatever is there.
fn folder(repo: &Repo, path: &str) {
    remove(repo, path);
    fs::create_dir(repo.path().join(path)).expect("it can be made");
}

/// Puts a link in the place of whatever is there.
pub fn link(repo: &Repo, path: &str, target: &str) {
    remove(repo, path);
    symlink(target, repo.path().join(path)).expect("it can be made");
}

/// Moves a file out of the repository, and links to it.
fn move_out(repo: &Repo, path: &str) {
    let outside = tempfile::tempdir().expect("it can be made").keep();
    repo.write(".git/outside", outside.to_str().expect("its name is UTF-8"));
    let name = outside.join("moved");
    assert!(Command::new("mv").arg(repo.path().join(path)).arg(&name).status().expect("mv can be run").success());
    symlink(&name, repo.path().join(path)).expect("it can be made");
}

fn named(repo: &Repo, folder: &str, name: &[u8], text: &str) {
    fs::write(repo.path().join(folder).join(OsStr::from_bytes(name)), text).expect("it can be written");
}

const CHARTS: &[Attack] = &[
    (|r| pipe(r, "charts/old/templates/x.yaml"), &["a device, pipe or socket", "charts/old/templates/x.yaml"]),
    (|r| pipe(r, "charts/old/values.yaml"), &["a device, pipe or socket", "charts/old/values.yaml"]),
    (|r| pipe(r, "charts/old/Chart.yaml"), &["a device, pipe or socket", "charts/old/Chart.yaml"]),
    (|r| pipe(r, "charts/old/.helmignore"), &["a device, pipe or socket", "charts/old/.helmignore"]),
    (
        |r| drop(UnixListener::bind(r.path().join("charts/old/socket")).expect("it can be made")),
        &["a device, pipe or socket", "charts/old/socket"],
    ),
    (|r| link(r, "charts/old/x", "/dev/zero"), &["leads out of the repository, to /dev/zero", "charts/old/x"]),
    (|r| link(r, "charts/old/x", "/proc/self/environ"), &["leads out of the repository", "charts/old/x"]),
    (
        |r| link(r, "charts/old/x", "../../../../../../../etc"),
        &["leads out of the repository, to /etc", "charts/old/x"],
    ),
    (|r| move_out(r, "charts/old/values.yaml"), &["leads out of the repository", "charts/old/values.yaml"]),
    (|r| move_out(r, "charts/old"), &["leads out of the repository", "charts/old"]),
    // It would leave itself out.
    (
        |r| {
            r.write("charts/old/.helmignore", ".helmignore\n");
            move_out(r, "charts/old/.helmignore");
        },
        &["leads out of the repository", "charts/old/.helmignore"],
    ),
    (|r| link(r, "charts/old/x", "nowhere"), &["this symbolic link leads nowhere", "charts/old/x"]),
    (|r| link(r, "charts/old/x", "x"), &["this symbolic link leads nowhere", "charts/old/x"]),
    (
        |r| link(r, "charts/old/templates/x", "../templates"),
        &["leads back to a folder above it", "charts/old/templates/x"],
    ),
    (
        |r| {
            r.write("charts/old/a/one", "");
            r.write("charts/old/b/two", "");
            link(r, "charts/old/a/b", "../b");
            link(r, "charts/old/b/a", "../a");
        },
        &["leads back to a folder above it", "/a"],
    ),
    // Two to the thirtieth folders, of sixty links.
    (
        |r| {
            for level in 0..30 {
                fs::create_dir(r.path().join(format!("charts/old/{level:02}"))).expect("it can be made");
                link(r, &format!("charts/old/{level:02}/a"), &format!("../{:02}", level + 1));
                link(r, &format!("charts/old/{level:02}/b"), &format!("../{:02}", level + 1));
            }
            folder(r, "charts/old/30");
        },
        &["more than 20000 files and folders (FILE_COUNT_MAX)", "charts/old"],
    ),
    (
        |r| folder(r, "charts/old/templates/config.yaml"),
        &["this is an empty folder", "charts/old/templates/config.yaml"],
    ),
    (|r| folder(r, "charts/old/values.yaml"), &["this is an empty folder", "charts/old/values.yaml"]),
    (|r| folder(r, "charts/old/Chart.yaml"), &["this is an empty folder", "charts/old/Chart.yaml"]),
    (
        |r| {
            remove(r, "charts/old/templates");
            r.write("charts/old/templates", "");
        },
        &["this is a file, but a chart has a folder of this name", "charts/old/templates"],
    ),
    (
        |r| {
            remove(r, "charts/old");
            r.write("charts/old", "");
        },
        &["a chart is a folder, this is a file", "charts/old"],
    ),
    (|r| named(r, "charts/old/templates", b"a\xff.yaml", ""), &["is not UTF-8", "charts/old/templates/a"]),
    (
        // It would stand in the first line of a rendered file, and go on in the second.
        |r| named(r, "charts/old/templates", b"a\nkind: Secret\n#.yaml", "kind: ConfigMap\n"),
        &["holds a control character", "charts/old/templates/a\\nkind: Secret\\n#.yaml"],
    ),
];

const RELEASES: &[Attack] = &[
    (|r| pipe(r, "releases/prod/web.yaml"), &["a pipe, socket or device", "releases/prod/web.yaml"]),
    (|r| link(r, "releases/prod/x.yaml", "/dev/zero"), &["leads out of the repository", "releases/prod/x.yaml"]),
    (|r| link(r, "releases/prod/x.yaml", "/etc/passwd"), &["leads out of the repository", "releases/prod/x.yaml"]),
    (|r| link(r, "releases/prod/x", "../../../../../../etc"), &["leads out of the repository", "releases/prod/x"]),
    (|r| link(r, "releases/prod/x.yaml", "nowhere"), &["cannot be read", "releases/prod/x.yaml"]),
    (|r| link(r, "releases/prod/x.yaml", "x.yaml"), &["cannot be read", "releases/prod/x.yaml"]),
    (|r| link(r, "releases/prod/x", "../prod"), &["leads back to a folder above it", "releases/prod/x"]),
    (|r| move_out(r, "releases/prod/web.yaml"), &["leads out of the repository", "releases/prod/web.yaml"]),
    (|r| move_out(r, "releases/prod"), &["leads out of the repository", "releases/prod"]),
    (|r| move_out(r, "releases"), &["leads out of the repository", "releases/prod"]),
    (|r| folder(r, "releases/prod/web.yaml"), &["this is a folder", "releases/prod/web.yaml"]),
    (|r| named(r, "releases/prod", b"q\xff.yaml", "a: b"), &["is not UTF-8", "releases/prod/q"]),
    (|r| named(r, "releases/prod", b"q\nq.yaml", "a: b"), &["a control character", "releases/prod/q\\nq.yaml"]),
    (
        |r| fs::create_dir(r.path().join("releases/q\nq")).expect("it can be made"),
        &["a control character", "releases/q\\nq"],
    ),
    (
        |r| r.write("releases/Prod/web.yaml", ""),
        &["the environments Prod and prod would be one folder", "releases/prod"],
    ),
    (
        |r| r.write(&format!("releases/prod/{}.yaml", "a".repeat(245)), "kind: ConfigMap\napiVersion: v1\n"),
        &["at most 240 are allowed", "releases/prod/aaa"],
    ),
    (
        |r| r.write(&format!("releases/prod{}/x.yaml", "/a".repeat(70)), "kind: ConfigMap\napiVersion: v1\n"),
        &["nest more than 64 deep here (RELEASE_DEPTH_MAX)", "releases/prod/a/a/a"],
    ),
    (
        |r| {
            for level in 0..30 {
                fs::create_dir(r.path().join(format!("releases/prod/{level:02}"))).expect("it can be made");
                link(r, &format!("releases/prod/{level:02}/a"), &format!("../{:02}", level + 1));
                link(r, &format!("releases/prod/{level:02}/b"), &format!("../{:02}", level + 1));
            }
            folder(r, "releases/prod/30");
        },
        &["more than 50000 files (RELEASE_ENTRIES_MAX)", "releases/prod"],
    ),
    (
        |r| {
            let file = fs::File::create(r.path().join("releases/prod/x.yaml")).expect("it can be made");
            file.set_len(100 << 30).expect("a file may have a hole");
        },
        &["more than 67108864 bytes (RELEASE_FILE_BYTES_MAX)", "releases/prod/x.yaml"],
    ),
    (|r| pipe(r, "kcfg.yaml"), &["a pipe, socket or device", "kcfg.yaml"]),
    (|r| folder(r, "kcfg.yaml"), &["it is a folder", "kcfg.yaml"]),
    (|r| link(r, "kcfg.yaml", "/etc/passwd"), &["leads out of the repository", "kcfg.yaml"]),
    (|r| link(r, "kcfg.yaml", "nowhere"), &["this symbolic link is broken", "kcfg.yaml"]),
    (|r| pipe(r, "kcfg.lock"), &["a pipe, socket or device", "kcfg.lock"]),
    (|r| folder(r, "kcfg.lock"), &["it is a folder", "kcfg.lock"]),
    (|r| link(r, "kcfg.lock", "/etc/passwd"), &["leads out of the repository", "kcfg.lock"]),
    (
        |r| {
            let file = fs::File::create(r.path().join("kcfg.lock")).expect("it can be made");
            file.set_len(100 << 30).expect("a file may have a hole");
        },
        &["more than 4194304 bytes (SETTINGS_BYTES_MAX)", "kcfg.lock"],
    ),
];

#[test]
fn whatever_stands_in_charts_the_old_files_stay_and_the_error_names_it() {
    for (attack, expected) in CHARTS {
        attacked(*attack, expected);
    }
}

#[test]
fn whatever_stands_in_releases_the_old_files_stay_and_the_error_names_it() {
    for (attack, expected) in RELEASES {
        attacked(*attack, expected);
    }
}

#[track_caller]
fn attacked(attack: fn(&Repo), expected: &[&str]) {
    let repo = shop();
    kcfg(&repo, &["render"]).code(0);
    let before = repo.snapshot("rendered");
    attack(&repo);
    let mut run = kcfg(&repo, &["render"]).code(2);
    let (place, messages) = expected.split_last().expect("there is a place");
    for message in messages {
        run = run.complains(message);
    }
    run = run.complains(place).complains("help: ");
    assert_eq!(repo.snapshot("rendered"), before, "{expected:?}");
    assert!(!run.stderr.contains('\u{1b}'), "{}", run.stderr);
    let check = kcfg(&repo, &["check"]);
    assert!(check.code == 1 || check.code == 2, "{expected:?}: {check:?}");
    if let Ok(outside) = fs::read_to_string(repo.path().join(".git/outside")) {
        fs::remove_dir_all(outside).expect("it was made by the attack");
    }
}

#[test]
fn a_link_that_stays_in_the_repository_is_followed_as_helm_does() {
    let repo = shop();
    repo.kcfg(&["render"]).code(0);
    let before = repo.snapshot("rendered");
    repo.write("shared/config.yaml", repo.read("charts/old/templates/config.yaml"));
    link(&repo, "charts/old/templates/config.yaml", "../../../shared/config.yaml");
    fs::rename(repo.path().join("charts/web"), repo.path().join("shared/web")).expect("it can be moved");
    link(&repo, "charts/web", "../shared/web");
    fs::rename(repo.path().join("releases/prod/web.yaml"), repo.path().join("shared/web.yaml")).expect("it moves");
    link(&repo, "releases/prod/web.yaml", "../../shared/web.yaml");
    kcfg(&repo, &["render", "--fresh"]).code(0).says("0 written");
    kcfg(&repo, &["check"]).code(0);
    assert_eq!(repo.snapshot("rendered"), before);
}

#[test]
fn names_of_every_length_and_script_that_a_file_system_holds_are_read() {
    let repo = shop();
    let long = "a".repeat(250);
    repo.write(&format!("charts/old/templates/{long}.yaml"), "# nothing\n");
    repo.write("charts/old/templates/größe 図 %$'.yaml", "# nothing\n");
    repo.write("releases/prod/größe 図 %$'.yaml", repo.read("releases/prod/quota.yaml").replace("quota", "other"));
    kcfg(&repo, &["render"]).code(0);
    kcfg(&repo, &["check"]).code(0);
}
