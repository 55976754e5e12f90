//! Attacks by missing rights. Root ignores them, so that the program runs as another user here.

use std::fs::{Permissions, set_permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use super::{is_root, kcfg, kcfg_without_rights};
use crate::render::shop;
use crate::repo::Repo;

/// A path with the rights that are left, what the error says, and whether both releases are refused that should have
/// been written, or one.
const ATTACKS: &[(&str, u32, &str, usize)] = &[
    ("rendered/prod", 0o500, "make the rendered tree writable", 2),
    ("rendered/prod/web", 0o500, "make the rendered tree writable", 1),
    ("rendered/prod/web", 0, "cannot list this folder: Permission denied", 1),
    ("rendered/prod/web/configmap-web.yaml", 0, "cannot read this file: Permission denied", 1),
    ("rendered/prod/web/kcfg.sum", 0, "cannot read this file: Permission denied", 1),
    (
        "rendered/prod/web/mine/",
        0o500,
        "`mine`, which kcfg did not write, cannot be carried over: Permission denied",
        1,
    ),
    ("charts/old/templates/config.yaml", 0, "cannot read this: Permission denied", 1),
    ("charts/old/templates", 0, "cannot read this: Permission denied", 1),
    ("charts/old", 0, "cannot read this: Permission denied", 1),
    ("releases/prod/web.yaml", 0, "this file cannot be read: Permission denied", 0),
    ("releases/prod", 0, "it cannot be read: Permission denied", 0),
];

fn set(repo: &Repo, path: &str, rights: u32) {
    set_permissions(repo.path().join(path), Permissions::from_mode(rights)).expect("rights can be changed");
}

/// A rendered shop that belongs to nobody, with a change to both releases; what is not root's is the runner's.
fn shop_of_nobody() -> Repo {
    let repo = shop();
    repo.kcfg(&["render"]).code(0);
    repo.write("releases/prod/web.yaml", repo.read("releases/prod/web.yaml").replace("replicas: 3", "replicas: 4"));
    repo.write("releases/prod/old.yaml", repo.read("releases/prod/old.yaml").replace("red", "green"));
    repo
}

fn give_to_nobody(repo: &Repo) {
    if is_root() {
        let status = Command::new("chown").args(["-R", "65534:65534", "."]).current_dir(repo.path()).status();
        assert!(status.expect("chown can be run").success());
    }
}

#[test]
fn what_may_not_be_read_or_written_is_named_and_nothing_is_lost() {
    for (path, rights, says, refused) in ATTACKS {
        let repo = shop_of_nobody();
        if path.contains("mine") {
            repo.write("rendered/prod/web/mine/notes", "mine");
        }
        let before = repo.snapshot("rendered/prod");
        give_to_nobody(&repo);
        set(&repo, path, *rights);
        let run = kcfg_without_rights(&repo, &["render"]).code(2);
        let check = kcfg_without_rights(&repo, &["check"]);
        set(&repo, path, 0o755);
        let run = run.says(&format!("{refused} refused")).complains(says).complains(path.trim_end_matches("/mine/"));
        run.complains("help: ");
        assert_eq!(check.code, 1, "{path}: {check:?}");
        let after = repo.snapshot("rendered/prod");
        assert_eq!(
            before.iter().map(|(path, _)| path).collect::<Vec<_>>(),
            after.iter().map(|(path, _)| path).collect::<Vec<_>>()
        );
        let untouched = if path.starts_with("charts") { "old/" } else { "web/" };
        let of = |state: &[(String, String)]| -> Vec<_> {
            state.iter().filter(|(path, _)| path.starts_with(untouched)).cloned().collect()
        };
        assert_eq!(of(&before), of(&after), "{path}");
        kcfg_without_rights(&repo, &["render"]).code(0);
        let heals = kcfg_without_rights(&repo, &["check"]);
        assert!(heals.code == 0 || path.contains("mine") && heals.stdout.contains("1 difference"), "{heals:?}");
    }
}

#[test]
fn a_tree_that_may_not_be_written_is_refused_before_anything_is_read() {
    let repo = shop_of_nobody();
    give_to_nobody(&repo);
    set(&repo, "rendered", 0);
    kcfg_without_rights(&repo, &["render"])
        .code(2)
        .complains("cannot open the rendered tree")
        .complains("--> rendered\n");
    set(&repo, "rendered", 0o755);
    set(&repo, ".", 0o555);
    repo.remove("kcfg.lock");
    set(&repo, ".", 0o555);
    let run = kcfg_without_rights(&repo, &["render"]).code(2);
    run.complains("the lock file cannot be written").complains("--> kcfg.lock").says("2 written");
    set(&repo, ".", 0o755);
    kcfg(&repo, &["render"]).code(0);
    kcfg(&repo, &["check"]).code(0);
}
