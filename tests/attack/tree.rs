//! Attacks on what a render writes: rendered/ and what stands in it, full and read-only disks, two renders at once.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{FileTypeExt as _, symlink};
use std::process::{Command, Stdio};

use super::sources::{link, pipe};
use super::{kcfg, script, skipped};
use crate::render::shop;
use crate::repo::Repo;

/// A rendered shop, of which `old` and `web` are to be rendered anew.
fn changed() -> Repo {
    let repo = shop();
    repo.kcfg(&["render"]).code(0);
    change(&repo);
    repo
}

fn change(repo: &Repo) {
    repo.write("releases/prod/web.yaml", repo.read("releases/prod/web.yaml").replace("replicas: 3", "replicas: 4"));
    repo.write("releases/prod/old.yaml", repo.read("releases/prod/old.yaml").replace("red", "green"));
}

/// Renders once more, with nothing in the way, and sees that all is well.
#[track_caller]
fn heals(repo: &Repo) {
    kcfg(repo, &["render"]).code(0);
    kcfg(repo, &["check"]).code(0).says("0 differences");
    assert!(repo.read("rendered/prod/web/configmap-web.yaml").contains('4'));
    assert!(repo.read("rendered/prod/old/configmap-old.yaml").contains("green"));
    assert!(!repo.list("rendered").iter().any(|path| path.contains(".kcfg")), "{:?}", repo.list("rendered"));
}

#[test]
fn a_link_in_the_place_of_a_folder_is_never_written_through() {
    for (path, refused) in [("rendered", 3), ("rendered/prod", 3), ("rendered/prod/web", 1)] {
        let repo = changed();
        let outside = tempfile::tempdir().expect("it can be made");
        repo.remove(path);
        symlink(outside.path(), repo.path().join(path)).expect("it can be made");
        let run =
            kcfg(&repo, &["render"]).code(2).complains("this is a symbolic link").complains(&format!("--> {path}\n"));
        let says = format!("{refused} refused");
        assert!(path == "rendered" || run.stdout.contains(&says), "{run:?}");
        assert_eq!(fs::read_dir(outside.path()).expect("it can be listed").count(), 0);
        let check = kcfg(&repo, &["check"]).complains("this is a symbolic link");
        assert!(matches!(check.code, 1 | 2));
        fs::remove_file(repo.path().join(path)).expect("it is a link");
        heals(&repo);
    }
}

#[test]
fn a_file_in_the_place_of_a_folder_is_named_and_stays() {
    for path in ["rendered", "rendered/prod", "rendered/prod/web"] {
        let repo = changed();
        repo.remove(path);
        repo.write(path, "mine");
        kcfg(&repo, &["render"]).code(2).complains("this is a file").complains(&format!("--> {path}\n"));
        assert_eq!(repo.read(path), "mine");
        repo.remove(path);
        heals(&repo);
    }
}

#[test]
fn what_kcfg_did_not_write_is_never_written_over() {
    for name in ["configmap-web.yaml", "kcfg.sum"] {
        let path = format!("rendered/prod/web/{name}");
        let attacks: [&dyn Fn(&Repo); 4] = [
            &|repo| {
                repo.remove(&path);
                repo.write(&format!("{path}/notes"), "mine");
            },
            &|repo| {
                repo.write("notes", repo.read(&path));
                link(repo, &path, "../../../notes");
            },
            &|repo| link(repo, &path, "nowhere"),
            &|repo| pipe(repo, &path),
        ];
        for attack in attacks {
            let repo = changed();
            attack(&repo);
            let before = Command::new("ls").args(["-lR"]).arg(repo.path().join("rendered/prod/web")).output();
            let run = kcfg(&repo, &["render"]).code(2).says("1 written").says("1 refused");
            run.complains("kcfg did not write this, and it stands where").complains(&format!("--> {path}\n"));
            let after = Command::new("ls").args(["-lR"]).arg(repo.path().join("rendered/prod/web")).output();
            assert_eq!(before.expect("ls can be run").stdout, after.expect("ls can be run").stdout);
            kcfg(&repo, &["check"]).code(1).says(&path);
            let _ = fs::remove_file(repo.path().join(&path)).or_else(|_| fs::remove_dir_all(repo.path().join(&path)));
            heals(&repo);
        }
    }
    // The same for a file with other bytes, where no sum says that it was kcfg's.
    let repo = changed();
    repo.remove("rendered/prod/web/kcfg.sum");
    repo.write("rendered/prod/web/configmap-web.yaml", "kind: ConfigMap # mine\n");
    kcfg(&repo, &["render"]).code(2).complains("kcfg did not write this");
    // Two sides of a merge that both wrote it are kcfg's.
    let text = "<<<<<<< HEAD\n# rendered by kcfg from a\n=======\n# rendered by kcfg from b\n>>>>>>> other\n";
    repo.write("rendered/prod/web/configmap-web.yaml", text);
    heals(&repo);
}

#[test]
fn whatever_else_stands_in_a_release_is_carried_over() {
    let repo = changed();
    let folder = repo.path().join("rendered/prod/web");
    let odd = [&b"a\xff"[..], b"b\n\x1b[31mred", "größe 図".as_bytes(), &[b'x'; 255]];
    for name in odd {
        fs::write(folder.join(OsStr::from_bytes(name)), "mine").expect("it can be written");
    }
    fs::create_dir(folder.join(OsStr::from_bytes(b"d\xff"))).expect("it can be made");
    fs::write(folder.join(OsStr::from_bytes(b"d\xff/notes")), "mine").expect("it can be written");
    fs::write(repo.path().join("rendered/prod").join(OsStr::from_bytes(b"e\xff")), "mine").expect("it can be written");
    pipe(&repo, "rendered/prod/web/pipe");
    link(&repo, "rendered/prod/web/dangling", "nowhere");
    link(&repo, "rendered/prod/web/out", "/etc/passwd");
    let run = kcfg(&repo, &["render"]).code(0).says("2 written").complains("b\\n\\u{1b}[31mred");
    assert!(!run.stderr.contains('\u{1b}'));
    for name in odd.iter().copied().chain([&b"d\xff/notes"[..], b"../e\xff"]) {
        let text = fs::read_to_string(folder.join(OsStr::from_bytes(name)));
        assert_eq!(text.expect("it is there still"), "mine");
    }
    assert!(fs::symlink_metadata(folder.join("pipe")).is_ok_and(|meta| meta.file_type().is_fifo()));
    for (name, target) in [("dangling", "nowhere"), ("out", "/etc/passwd")] {
        assert_eq!(fs::read_link(folder.join(name)).expect("it is a link still"), OsStr::new(target));
    }
    let check = kcfg(&repo, &["check"]).code(1).says("rendered/prod/web/b\\n").says("rendered/prod/web/pipe: not in");
    assert!(!check.stdout.contains('\u{1b}'));
    // The release goes, the strangers stay.
    repo.remove("releases/prod/web.yaml");
    kcfg(&repo, &["render"]).code(0).says("1 removed");
    assert_eq!(fs::read_dir(&folder).expect("it is there").count(), odd.len() + 4);
}

#[test]
fn names_that_differ_only_in_case_never_meet() {
    let repo = shop();
    let object = |name: &str| format!("apiVersion: x.io/v1\nkind: Thing\nmetadata: {{name: {name}}}\n---\n");
    repo.write("releases/prod/things.yaml", object("abc") + &object("ABC") + &object("Abc"));
    repo.kcfg(&["render"]).code(0);
    let mut names: Vec<String> =
        repo.list("rendered/prod/things").into_iter().map(|name| name.to_lowercase()).collect();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), 4, "three objects and their sum: {names:?}");
    repo.write("releases/prod/Things.yaml", object("other"));
    kcfg(&repo, &["render"]).code(2).says("2 refused").complains("would share the rendered folder");
    assert_eq!(repo.list("rendered/prod/things").len(), 4);
}

#[test]
fn two_renders_at_once_end_well() {
    let repo = changed();
    let start = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kcfg"));
        command.arg("render").current_dir(repo.path()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().expect("kcfg can be run")
    };
    let runs: Vec<_> = (0..6).map(|_| start()).collect();
    let mut done = 0;
    for run in runs {
        let output = run.wait_with_output().expect("it ends");
        let stderr = String::from_utf8_lossy(&output.stderr);
        match output.status.code() {
            Some(0) => done += 1,
            Some(2) => assert!(
                stderr.contains("another kcfg is rendering this repository")
                    && stderr.contains("wait until it ends, then try again"),
                "{stderr}"
            ),
            other => panic!("{other:?}: {stderr}"),
        }
    }
    assert!(done >= 1);
    kcfg(&repo, &["check"]).code(0);
    heals(&repo);
}

/// Renders where rendered/ cannot take what is to be written: `prepare` sees to that, `clear` ends it. Both states of
/// the tree come out as `full` and `healed`, for the mount is seen by the script alone.
fn on_a_bad_disk(repo: &Repo, prepare: &str, clear: &str) -> Option<String> {
    repo.write(
        "attack.sh",
        format!(
            "set -e\n{prepare}\n\
             code=0; \"$KCFG\" render >out.txt 2>err.txt || code=$?\n\
             cp -a rendered full\necho \"code $code\"\ncat out.txt err.txt\n{clear}\n\
             \"$KCFG\" render >/dev/null\n\"$KCFG\" check\ncp -a rendered healed\n"
        ),
    );
    script(repo, "unshare --mount bash attack.sh")
}

#[test]
fn a_full_disk_keeps_the_old_files_and_says_so() {
    let repo = changed();
    let before = repo.snapshot("rendered");
    let prepare = "cp -a rendered saved; mount -t tmpfs -o size=64k none rendered; cp -a saved/. rendered\n\
                   dd if=/dev/zero of=rendered/filler bs=1k 2>/dev/null || true";
    let Some(output) = on_a_bad_disk(&repo, prepare, "rm rendered/filler") else {
        return skipped("no file system can be mounted here");
    };
    assert!(output.starts_with("code 2\n"), "{output}");
    for says in ["No space left on device", "rendered/prod/web", "make room on the disk", "1 unchanged", "2 refused"] {
        assert!(output.contains(says), "no {says:?} in {output}");
    }
    let mut full = repo.snapshot("full");
    full.retain(|(name, _)| name != "filler");
    assert_eq!(full, before);
    assert!(output.contains("0 differences"), "{output}");
    assert!(repo.read("healed/prod/web/configmap-web.yaml").contains('4'));
}

#[test]
fn a_read_only_disk_keeps_the_old_files_and_says_so() {
    let repo = changed();
    let before = repo.snapshot("rendered");
    let prepare = "mount --bind rendered rendered; mount -o remount,bind,ro rendered";
    let Some(output) = on_a_bad_disk(&repo, prepare, "umount rendered") else {
        return skipped("no file system can be mounted here");
    };
    assert!(output.starts_with("code 2\n"), "{output}");
    for says in ["Read-only file system", "rendered/prod/web", "make the rendered tree writable", "2 refused"] {
        assert!(output.contains(says), "no {says:?} in {output}");
    }
    assert_eq!(repo.snapshot("full"), before);
    assert!(output.contains("0 differences"), "{output}");
}

#[test]
fn a_limit_on_the_size_of_files_keeps_the_old_files_and_says_so() {
    let repo = changed();
    let before = repo.snapshot("rendered");
    // A write beyond the limit is an error, as on a full disk; this needs nobody's rights.
    let output =
        script(&repo, "trap '' XFSZ; ulimit -f 0; \"$KCFG\" render 2>&1 | cat; exit 0").expect("it can be run");
    assert!(output.contains("File too large") && output.contains("2 refused"), "{output}");
    assert_eq!(repo.snapshot("rendered"), before);
    heals(&repo);
}
