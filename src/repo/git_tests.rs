//! Repositories made by the git program, read by gix.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::tests::write;
use super::*;

/// The URL that the releases of these tests name.
const URL: &str = "git@example.com:team/config.git";

/// Runs git without anybody's configuration; gives what it printed.
fn git(folder: &Path, arguments: &[&str]) -> String {
    let output = Command::new("git")
        .args([
            "-c",
            "init.defaultBranch=main",
            "-c",
            "protocol.file.allow=always",
            "-c",
            "uploadpack.allowFilter=true",
        ])
        .args(arguments)
        .current_dir(folder)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_SYSTEM", "/dev/null")
        .env("GIT_AUTHOR_NAME", "a")
        .env("GIT_AUTHOR_EMAIL", "a@example.com")
        .env("GIT_COMMITTER_NAME", "a")
        .env("GIT_COMMITTER_EMAIL", "a@example.com")
        .output()
        .expect("git runs");
    assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().to_string()
}

fn commit(folder: &Path, files: &[(&str, &str)]) -> String {
    write(folder, files);
    git(folder, &["add", "-A"]);
    git(folder, &["commit", "-q", "-m", "x"]);
    git(folder, &["rev-parse", "HEAD"])
}

/// `origin` with branches main and staging and tag v1, and `clone`, a clone of it on main.
struct Two {
    _temporary: tempfile::TempDir,
    origin: PathBuf,
    clone: PathBuf,
    main: String,
    staging: String,
}

fn two() -> Two {
    let temporary = tempfile::tempdir().expect("a folder");
    let (origin, clone) = (temporary.path().join("origin"), temporary.path().join("clone"));
    std::fs::create_dir(&origin).expect("a folder");
    git(&origin, &["init", "-q"]);
    let main = commit(&origin, &[("releases/prod/web.yaml", ""), ("charts/web/Chart.yaml", "name: main")]);
    git(&origin, &["tag", "-a", "v1", "-m", "x"]);
    git(&origin, &["checkout", "-q", "-b", "staging"]);
    let staging = commit(&origin, &[("charts/web/Chart.yaml", "name: staging"), ("charts/web/templates/a.yaml", "a")]);
    git(&origin, &["checkout", "-q", "main"]);
    git(temporary.path(), &["clone", "-q", "origin", "clone"]);
    Two { _temporary: temporary, origin, clone, main, staging }
}

fn request<'a>(reference: Option<&'a str>) -> ChartRequest<'a> {
    ChartRequest { path: "charts/web", git: Some(URL), reference, environment_branch: None }
}

fn refs<'r>(repository: &'r Repository, lock: &Lock, is_updating: bool) -> Refs<'r> {
    let identity = Identity::find(repository, [(URL, "charts/web")]);
    Refs::new(repository, identity, lock.clone(), is_updating)
}

fn commit_of(origin: ChartOrigin) -> String {
    let ChartOrigin::Commit { commit, .. } = origin else { panic!("a commit: {origin:?}") };
    commit.to_string()
}

fn is_working_tree(origin: &ChartOrigin) -> bool {
    matches!(origin, ChartOrigin::WorkingTree { .. })
}

#[test]
fn a_ref_of_the_branch_is_the_working_tree_and_others_are_commits() {
    let two = two();
    // Whatever is checked out: the branch, another one, no branch at all.
    for checkout in
        [&["checkout", "-q", "main"][..], &["checkout", "-q", "-b", "feature"], &["checkout", "-q", "--detach"]]
    {
        git(&two.clone, checkout);
        let repository = Repository::open(&two.clone).expect("a repository");
        let mut refs = refs(&repository, &Lock::default(), false);
        assert_eq!(refs.default_branch(), Some("main"));
        for reference in [None, Some("main"), Some("refs/heads/main")] {
            let origin = refs.resolve(&request(reference)).expect("it is here");
            assert!(is_working_tree(&origin), "{checkout:?} {reference:?}: {origin:?}");
        }
        let origin = refs.resolve(&request(Some("staging"))).expect("it is a remote branch");
        let ChartOrigin::Commit { commit, path, location } = origin else { panic!("a commit") };
        assert_eq!((commit.as_str(), &*path, &*location), (&*two.staging, "charts/web", "charts/web@staging"));
        for reference in ["v1", &two.main[..8], &two.main, "refs/tags/v1"] {
            assert_eq!(
                commit_of(refs.resolve(&request(Some(reference))).expect("it is here")),
                two.main,
                "{reference}"
            );
        }
        let lock = refs.into_lock(true);
        assert_eq!(lock.branch.as_deref(), Some("main"));
        assert_eq!(lock.commit(".", "staging").map(CommitId::as_str), Some(&*two.staging));
    }
}

#[test]
fn the_branch_is_the_environments_else_the_settings_else_the_locks() {
    let two = two();
    let answer = |settings: &str, lock: &Lock, environment_branch: Option<&str>| {
        write(&two.clone, &[("kcfg.yaml", settings)]);
        let repository = Repository::open(&two.clone).expect("a repository");
        let mut refs = refs(&repository, lock, false);
        let request = ChartRequest { environment_branch, ..request(Some("staging")) };
        is_working_tree(&refs.resolve(&request).expect("it is here"))
    };
    let lock = |branch: &str| Lock { branch: Some(branch.into()), ..Lock::default() };
    assert!(answer("", &lock("main"), Some("staging")));
    assert!(answer("branch: staging", &lock("main"), None));
    assert!(answer("", &lock("staging"), None));
    assert!(!answer("branch: main", &lock("staging"), None));
    assert!(!answer("branch: staging", &lock("staging"), Some("main")));
}

#[test]
fn without_origin_head_the_branch_that_is_checked_out_counts_once() {
    let two = two();
    git(&two.clone, &["remote", "set-head", "origin", "--delete"]);
    git(&two.clone, &["checkout", "-q", "-b", "feature"]);
    let repository = Repository::open(&two.clone).expect("a repository");
    assert_eq!(refs(&repository, &Lock::default(), false).default_branch(), Some("feature"));
    git(&two.clone, &["checkout", "-q", "--detach"]);
    let repository = Repository::open(&two.clone).expect("a repository");
    assert_eq!(refs(&repository, &Lock::default(), false).default_branch(), None);
    let lock = Lock { branch: Some("main".into()), ..Lock::default() };
    assert_eq!(refs(&repository, &lock, false).default_branch(), Some("main"));
}

#[test]
fn a_locked_ref_moves_only_when_asked() {
    let two = two();
    let repository = Repository::open(&two.clone).expect("a repository");
    let mut first = refs(&repository, &Lock::default(), false);
    first.resolve(&request(Some("staging"))).expect("it is here");
    let lock = first.into_lock(true);
    git(&two.origin, &["checkout", "-q", "staging"]);
    let newer = commit(&two.origin, &[("charts/web/Chart.yaml", "name: newer")]);
    git(&two.clone, &["fetch", "-q"]);

    let mut second = refs(&repository, &lock, false);
    assert_eq!(commit_of(second.resolve(&request(Some("staging"))).expect("it is locked")), two.staging);
    assert_eq!(second.moved().count(), 0);
    let mut third = refs(&repository, &lock, true);
    assert_eq!(commit_of(third.resolve(&request(Some("staging"))).expect("it moves")), newer);
    assert_eq!(commit_of(third.resolve(&request(Some("staging"))).expect("the same")), newer);
    let moved: Vec<&Moved> = third.moved().collect();
    assert_eq!(moved.len(), 1);
    assert_eq!(moved[0].from.as_ref().map(CommitId::as_str), Some(&*two.staging));
    // A run that used nothing drops nothing, unless it saw everything.
    assert_eq!(refs(&repository, &lock, false).into_lock(false), lock);
    assert!(refs(&repository, &lock, false).into_lock(true).refs.is_empty());
}

#[test]
fn refs_that_are_not_here_are_errors_that_help() {
    let two = two();
    let repository = Repository::open(&two.clone).expect("a repository");
    let mut refs = refs(&repository, &Lock::default(), false);
    for reference in ["nowhere", "0000000", "a b", "..", "refs/heads/nowhere", "-x", "é", "v1:charts"] {
        let error = refs.resolve(&request(Some(reference))).expect_err(reference);
        assert!(error.message.contains("is not in this clone"), "{reference}: {error}");
        assert!(error.help.is_some_and(|help| help.contains("git fetch")));
    }
    assert!(refs.into_lock(true).refs.is_empty());
    let gone: CommitId = "1".repeat(40).parse().expect("an id");
    let mut lock = Lock::default();
    lock.refs.entry(".".into()).or_default().insert("staging".into(), gone);
    let error = super::git_tests::refs(&repository, &lock, false).resolve(&request(Some("staging")));
    assert!(
        error.expect_err("it is gone").message.contains("is locked to commit 1111111111, which is not in this clone")
    );
}

#[test]
fn this_repository_is_known_by_setting_remote_or_majority() {
    let two = two();
    let open = || Repository::open(&two.clone).expect("a repository");
    let repository = open();
    let other = "https://example.com/team/other";
    let find = |repository: &Repository, named: &[(&str, &str)]| Identity::find(repository, named.iter().copied());
    let is_this = |identity: &Identity, url: &str| identity.is_this(&RepositoryUrl::parse(url));

    // The only remote is a folder: most releases decide, if their charts are here.
    let identity =
        find(&repository, &[(URL, "charts/web"), (URL, "charts/gone"), (URL, "charts/web"), (other, "charts/web")]);
    assert!(is_this(&identity, "ssh://git@example.com/team/config") && !is_this(&identity, other));
    assert!(identity.note.as_ref().is_some_and(|note| note.help.as_ref().is_some_and(|help| help.contains(URL))));
    let nothing_here = find(&repository, &[(URL, "charts/gone"), (URL, "charts/gone2")]);
    assert!(!is_this(&nothing_here, URL) && nothing_here.note.is_none());
    let tie = find(&repository, &[(URL, "charts/web"), (other, "charts/web")]);
    assert!(!is_this(&tie, URL) && !is_this(&tie, other));

    // A remote decides, under any name and spelling.
    git(&two.clone, &["remote", "add", "upstream", "https://token@EXAMPLE.com/team/config"]);
    let repository = open();
    let identity = find(&repository, &[(URL, "x"), (other, "charts/web"), (other, "charts/web")]);
    assert!(is_this(&identity, URL) && !is_this(&identity, other) && identity.note.is_none());
    // So does the setting.
    write(&two.clone, &[("kcfg.yaml", "repository: git@example.com:team/other.git")]);
    let repository = open();
    let identity = find(&repository, &[("git@x:a/b", "charts/web")]);
    assert!(is_this(&identity, other) && !is_this(&identity, "git@x:a/b"));

    let mut refs = Refs::new(&repository, identity, Lock::default(), false);
    let request = ChartRequest { git: Some("git@x:a/b"), ..request(None) };
    let elsewhere = refs.resolve(&request).expect("it is elsewhere");
    let ChartOrigin::Elsewhere(url) = elsewhere else { panic!("{elsewhere:?}") };
    assert_eq!(url, RepositoryUrl::parse("ssh://x/a/b"));
}

#[test]
fn a_branch_of_the_named_remote_comes_before_origins() {
    let two = two();
    git(&two.clone, &["remote", "add", "upstream", URL]);
    git(&two.clone, &["update-ref", "refs/remotes/upstream/staging", &two.main]);
    let repository = Repository::open(&two.clone).expect("a repository");
    let mut refs = refs(&repository, &Lock::default(), false);
    assert_eq!(commit_of(refs.resolve(&request(Some("staging"))).expect("it is here")), two.main);
    let request = ChartRequest { git: None, ..request(Some("staging")) };
    let mut refs = self::refs(&repository, &Lock::default(), false);
    assert_eq!(commit_of(refs.resolve(&request).expect("it is here")), two.staging);
}

#[test]
fn files_are_read_from_a_commit() {
    let two = two();
    let repository = Repository::open(&two.clone).expect("a repository");
    let git_repository = repository.git().expect("it opens").expect("it is there");
    let id: CommitId = two.staging.parse().expect("an id");
    let folder = git_repository.read_folder(&id, "charts/web").expect("it is there");
    let files: Vec<(&str, &[u8])> = folder.files.iter().map(|file| (&*file.path, &*file.bytes)).collect();
    assert_eq!(files, [("Chart.yaml", &b"name: staging"[..]), ("templates/a.yaml", b"a")]);
    assert_eq!(folder.id, git(&two.clone, &["rev-parse", &format!("{}:charts/web", two.staging)]));
    assert_eq!(git_repository.read_folder(&id, ".").expect("the root").files.len(), 3);
    for (path, expected) in
        [("charts/gone", "is not in commit"), ("charts/web/Chart.yaml", "is a file"), ("../x", "leads out")]
    {
        assert!(git_repository.read_folder(&id, path).expect_err(path).message.contains(expected), "{path}");
    }
    assert_eq!(git_repository.head().map(|id| id.to_string()), Some(two.main));
}

#[cfg(unix)]
#[test]
fn links_and_submodules_of_a_commit() {
    use std::os::unix::fs::symlink;
    let two = two();
    let link = |target: &str, path: &str| {
        let path = two.clone.join(path);
        std::fs::create_dir_all(path.parent().expect("it has one")).expect("a folder");
        symlink(target, path).expect("a link");
    };
    link("../../shared/a.yaml", "charts/good/file.yaml");
    link("../../shared", "charts/good/folder");
    link("charts/good", "alias");
    link("../web/Chart.yaml", "charts/inner/x.yaml");
    link("../../../../etc/passwd", "charts/out/x");
    link("/etc/passwd", "charts/absolute/x");
    link("nowhere", "charts/broken/x");
    link("b", "charts/circle/a");
    link("a", "charts/circle/b");
    link("..", "charts/up/x");
    link("../mutual-b", "charts/mutual-a/x");
    link("../mutual-a", "charts/mutual-b/x");
    let id: CommitId = commit(&two.clone, &[("shared/a.yaml", "shared")]).parse().expect("an id");
    let repository = Repository::open(&two.clone).expect("a repository");
    let git_repository = repository.git().expect("it opens").expect("it is there");
    for path in ["charts/good", "alias"] {
        let folder = git_repository.read_folder(&id, path).expect("links inside are followed");
        let files: Vec<&str> = folder.files.iter().map(|file| &*file.path).collect();
        assert_eq!(files, ["file.yaml", "folder/a.yaml"], "{path}");
        assert!(folder.id.ends_with(&format!("+{id}")), "{}", folder.id);
    }
    let table = [
        ("charts/out", "leads out"),
        ("charts/absolute", "leads out"),
        ("charts/broken", "broken symbolic link"),
        ("charts/circle", "in a circle"),
        ("charts/up", "back to a folder above"),
        ("charts/mutual-a", "folders in each other"),
    ];
    for (path, expected) in table {
        let error = git_repository.read_folder(&id, path).expect_err(path);
        assert!(error.message.contains(expected), "{path}: {error}");
    }
    git(&two.clone, &["submodule", "--quiet", "add", "../origin", "charts/sub/module"]);
    let id: CommitId = commit(&two.clone, &[]).parse().expect("an id");
    for path in ["charts/sub", "charts/sub/module/charts"] {
        let error = git_repository.read_folder(&id, path).expect_err(path);
        assert!(error.message.contains("a submodule"), "{path}: {error}");
    }
}

#[test]
fn objects_that_a_clone_has_not_are_errors_that_help() {
    let two = two();
    let url = format!("file://{}", two.origin.display());
    let parent = two.origin.parent().expect("it has one");
    git(&two.origin, &["checkout", "-q", "staging"]);
    git(parent, &["clone", "-q", "--depth", "1", "--branch", "staging", &url, "shallow"]);
    let shallow = Repository::open(&parent.join("shallow")).expect("a repository");
    let main: CommitId = two.main.parse().expect("an id");
    let error = shallow.git().expect("it opens").expect("it is there").read_folder(&main, "charts/web");
    let error = error.expect_err("the commit is not there");
    assert!(error.help.is_some_and(|help| help.contains("--unshallow")));

    git(&two.origin, &["config", "uploadpack.allowFilter", "true"]);
    git(parent, &["clone", "-q", "--no-checkout", "--filter=blob:none", &url, "partial"]);
    let partial = Repository::open(&parent.join("partial")).expect("a repository");
    let error = partial.git().expect("it opens").expect("it is there").read_folder(&main, "charts/web");
    let error = error.expect_err("the blobs are not there");
    assert!(error.help.as_ref().is_some_and(|help| help.contains("partial clone")), "{error}");
}

#[test]
fn worktrees_nested_roots_and_folders_without_git_work() {
    let two = two();
    let parent = two.origin.parent().expect("it has one");
    git(&two.clone, &["worktree", "add", "-q", "--detach", "../tree"]);
    let tree = Repository::discover(&parent.join("tree/charts")).expect("a repository");
    let mut found = refs(&tree, &Lock::default(), false);
    assert_eq!(commit_of(found.resolve(&request(Some("staging"))).expect("it is here")), two.staging);

    // A checkout whose configuration says that it is none, as some CI systems leave it.
    git(&two.clone, &["config", "core.bare", "true"]);
    let bare = Repository::discover(&two.clone).expect("a repository");
    let mut found = refs(&bare, &Lock::default(), false);
    assert_eq!(commit_of(found.resolve(&request(Some("staging"))).expect("it is here")), two.staging);
    git(&two.clone, &["config", "core.bare", "false"]);

    // releases/ below Git's root: a URL's path counts from Git's root, a bare path from ours.
    git(&two.clone, &["checkout", "-q", "-b", "nested"]);
    let id = commit(&two.clone, &[("deploy/releases/prod/a.yaml", ""), ("deploy/charts/api/Chart.yaml", "x")]);
    let nested = Repository::discover(&two.clone.join("deploy/releases")).expect("a repository");
    assert_eq!(nested.prefix(), "deploy/");
    let mut found = refs(&nested, &Lock::default(), false);
    let own = ChartRequest { path: "charts/api", git: None, reference: Some(&id), environment_branch: None };
    let ChartOrigin::Commit { path, commit, .. } = found.resolve(&own).expect("it is here") else { panic!("a commit") };
    assert_eq!(path, "deploy/charts/api");
    let git_repository = nested.git().expect("it opens").expect("it is there");
    assert_eq!(git_repository.read_folder(&commit, &path).expect("it is there").files.len(), 1);
    let ChartOrigin::WorkingTree { folder, .. } = found.resolve(&request(None)).expect("here") else { panic!("here") };
    assert_eq!(folder, nested.git_root.clone().expect("Git is there").join("charts/web"));

    let plain = tempfile::tempdir().expect("a folder");
    write(plain.path(), &[("releases/prod/web.yaml", ""), ("charts/web/Chart.yaml", "")]);
    let plain = Repository::open(plain.path()).expect("a repository");
    let mut found = refs(&plain, &Lock::default(), false);
    assert!(is_working_tree(&found.resolve(&request(None)).expect("here")));
    let error = found.resolve(&request(Some("staging"))).expect_err("there is no Git");
    assert!(error.message.contains("is no Git repository"));
    assert!(found.into_lock(true) == Lock::default());
}

#[test]
fn a_damaged_git_folder_is_an_error_and_an_empty_one_works() {
    let folder = tempfile::tempdir().expect("a folder");
    write(folder.path(), &[(".git/HEAD", "nonsense"), ("releases/prod/a.yaml", ""), ("charts/web/Chart.yaml", "")]);
    let repository = Repository::open(folder.path()).expect("files need no Git");
    assert!(repository.git().is_err());
    let mut found = refs(&repository, &Lock::default(), false);
    assert!(found.resolve(&request(Some("main"))).expect_err("a ref needs Git").message.contains("cannot be opened"));
    let own = ChartRequest { git: None, ..request(None) };
    assert!(is_working_tree(&found.resolve(&own).expect("a folder needs no Git")));
    let folder = tempfile::tempdir().expect("a folder");
    git(folder.path(), &["init", "-q"]);
    let repository = Repository::open(folder.path()).expect("a repository");
    let unborn = repository.git().expect("it opens").expect("it is there");
    assert_eq!((unborn.default_branch().as_deref(), unborn.head()), (Some("main"), None));
}
