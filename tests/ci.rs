//! ci/kcfg-ci.sh against a real Git server on loopback and the stand-in of GitHub's API.

use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::json;
use tempfile::TempDir;

use crate::forge::{Forge, Kind, TOKEN};
use crate::repo::{Repo, Run, here};

/// How long the Git server may take to listen.
const START_TIMEOUT: Duration = Duration::from_secs(10);

const SOURCES: &str = "
    -- charts/web/Chart.yaml --
    apiVersion: v2
    name: web
    version: 1.0.0
    -- charts/web/values.yaml --
    level: info
    -- charts/web/templates/configmap.yaml --
    apiVersion: v1
    kind: ConfigMap
    metadata: {name: web}
    data: {level: {{ .Values.level }}, name: {{ .Values.name | quote }}}
    -- releases/prod/web.yaml --
    apiVersion: kcfg.dev/v1
    kind: Release
    metadata: {name: web, namespace: shop}
    spec: {chart: charts/web, values: {name: one}}
    -- kcfg.yaml --
    branch: main
    ";

/// A `git daemon` that serves one bare repository, and a clone of it on branch `main`.
struct Server {
    daemon: Child,
    folder: TempDir,
    url: String,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.daemon.kill();
        let _ = self.daemon.wait();
    }
}

impl Server {
    /// Serves the sources, rendered and committed on `main`.
    fn start() -> (Server, Repo) {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let bare = folder.path().join("config.git");
        let repo = Repo::new(SOURCES);
        repo.kcfg(&["render"]).code(0);
        repo.commit("all");
        repo.git(&["clone", "--quiet", "--bare", ".", &bare.display().to_string()]);
        let free = TcpListener::bind("127.0.0.1:0").expect("a port on loopback");
        let address = free.local_addr().expect("it is bound");
        drop(free);
        let programs = repo.git(&["--exec-path"]);
        let daemon = Command::new(format!("{programs}/git-daemon"))
            .args(["--listen=127.0.0.1", "--export-all", "--enable=receive-pack", "--reuseaddr"])
            .arg(format!("--port={}", address.port()))
            .arg(format!("--base-path={}", folder.path().display()))
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("git-daemon can be run");
        let server = Server { daemon, folder, url: format!("git://{address}/config.git") };
        let begin = Instant::now();
        while TcpStream::connect(address).is_err() {
            assert!(begin.elapsed() < START_TIMEOUT, "git-daemon does not listen");
            sleep(Duration::from_millis(20));
        }
        repo.git(&["remote", "add", "origin", &server.url]);
        repo.git(&["fetch", "--quiet", "origin"]);
        repo.git(&["remote", "set-head", "origin", "main"]);
        (server, repo)
    }

    /// Git in the bare repository.
    fn git(&self, args: &[&str]) -> String {
        let output = Command::new("git").args(args).current_dir(self.folder.path().join("config.git")).output();
        let output = output.expect("git can be run");
        assert!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("UTF-8").trim_end().to_owned()
    }

    fn branches(&self) -> Vec<String> {
        self.git(&["for-each-ref", "--format=%(refname:short)", "refs/heads"]).lines().map(str::to_owned).collect()
    }
}

/// Runs the script as a job of GitHub would.
fn script(repo: &Repo, mode: &str, forge: &Forge, variables: &[(&str, &str)]) -> Run {
    let output = Command::new("sh")
        .arg(here().join("ci/kcfg-ci.sh"))
        .arg(mode)
        .current_dir(repo.path())
        .envs([("GIT_CONFIG_GLOBAL", "/dev/null"), ("GIT_CONFIG_NOSYSTEM", "1"), ("NO_COLOR", "1")])
        .envs([("KCFG", env!("CARGO_BIN_EXE_kcfg")), ("KCFG_POST", "github")])
        .envs([("GITHUB_REPOSITORY", "shop/config"), ("GITHUB_REF", "refs/pull/7/merge"), ("GITHUB_TOKEN", TOKEN)])
        .env("GITHUB_API_URL", &forge.url)
        .envs(variables.iter().copied())
        .output()
        .expect("sh can be run");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    let run = Run {
        code: output.status.code().expect("an exit code"),
        stdout: text(output.stdout),
        stderr: text(output.stderr),
    };
    assert!(!run.stdout.contains(TOKEN) && !run.stderr.contains(TOKEN), "the token shows: {run:?}");
    run
}

const PULL: &[(&str, &str)] = &[("KCFG_BRANCH", "change"), ("KCFG_TARGET", "main")];

/// A branch `change` in which somebody edited a value in the web page: the tree was not rendered.
fn edited(repo: &Repo) {
    repo.git(&["switch", "--quiet", "--create", "change"]);
    repo.write("releases/prod/web.yaml", repo.read("releases/prod/web.yaml").replace("one", "two"));
    repo.commit("two");
    repo.git(&["push", "--quiet", "origin", "change"]);
    repo.git(&["switch", "--quiet", "--detach"]);
}

/// Whether a report shows what the branch changes.
fn tells(report: &str) -> bool {
    ["prod/web", "data.name", "one", "two"].iter().all(|text| report.contains(text))
}

#[test]
fn a_pull_request_is_rendered_pushed_checked_and_reported() {
    let (server, repo) = Server::start();
    let forge = Forge::start(Kind::GitHub);
    edited(&repo);
    let main = server.git(&["rev-parse", "main"]);
    let run = script(&repo, "pull", &forge, PULL).code(0).complains("is pushed to change").complains("posted");
    assert_eq!(server.git(&["log", "-1", "--format=%an %s", "change"]), "kcfg Render", "{run:?}");
    assert!(server.git(&["show", "change:rendered/prod/web/configmap-web.yaml"]).contains("two"));
    assert_eq!(server.git(&["rev-parse", "main"]), main, "nobody pushes to main");
    assert!(tells(&forge.bodies()[0]) && tells(&repo.read("kcfg-diff.md")));
    // Again: nothing to push, the comment stays.
    let change = server.git(&["rev-parse", "change"]);
    script(&repo, "pull", &forge, PULL).code(0).complains("says so already");
    assert_eq!(server.git(&["rev-parse", "change"]), change);
    assert_eq!(server.branches(), ["change", "main"]);
    forge.log();
}

#[test]
fn without_commit_a_stale_tree_fails_and_nothing_is_pushed() {
    let (server, repo) = Server::start();
    let forge = Forge::start(Kind::GitHub);
    edited(&repo);
    let change = server.git(&["rev-parse", "change"]);
    let variables = [PULL, &[("KCFG_COMMIT", "false")]].concat();
    script(&repo, "pull", &forge, &variables).code(1).says("differs from a fresh render").complains("posted");
    assert_eq!(server.git(&["rev-parse", "change"]), change);
    assert!(tells(&forge.bodies()[0]));
}

#[test]
fn a_fork_gets_a_check_and_a_report_only() {
    let (server, repo) = Server::start();
    let forge = Forge::start(Kind::GitHub);
    edited(&repo);
    let refs = server.git(&["for-each-ref"]);
    let variables = [PULL, &[("KCFG_FORK", "true")]].concat();
    script(&repo, "pull", &forge, &variables).code(1).says("differs from a fresh render");
    assert_eq!(server.git(&["for-each-ref"]), refs);
    assert!(forge.log().is_empty(), "nothing is asked of the forge");
    assert!(tells(&repo.read("kcfg-diff.md")));
}

#[test]
fn a_branch_that_is_applied_from_is_never_pushed_to() {
    let (server, repo) = Server::start();
    let forge = Forge::start(Kind::GitHub);
    repo.write(
        "releases/prod/environment.yaml",
        "apiVersion: kcfg.dev/v1\nkind: Environment\nspec: {branch: 'live'}\n",
    );
    edited(&repo);
    let refs = server.git(&["for-each-ref"]);
    for branch in ["main", "live", "further"] {
        // Named as the target, in an Environment document, in a variable; `main` also as the remote's default branch.
        let variables =
            [("KCFG_BRANCH", branch), ("KCFG_TARGET", "change"), ("KCFG_APPLIED_BRANCHES", "other further")];
        script(&repo, "pull", &forge, &variables).code(2).complains("is a branch that is applied from");
        repo.git(&["reset", "--quiet", "--hard", "origin/change"]);
    }
    for branch in ["-f", "a b", "", "x..y"] {
        script(&repo, "pull", &forge, &[("KCFG_BRANCH", branch), ("KCFG_TARGET", "main")]).code(2);
        repo.git(&["reset", "--quiet", "--hard", "origin/change"]);
    }
    assert_eq!(server.git(&["for-each-ref"]), refs);
}

#[test]
fn a_branch_that_moved_meanwhile_is_left_to_the_next_run() {
    let (server, repo) = Server::start();
    let forge = Forge::start(Kind::GitHub);
    edited(&repo);
    let ours = repo.git(&["rev-parse", "HEAD"]);
    repo.write("releases/prod/web.yaml", repo.read("releases/prod/web.yaml").replace("two", "three"));
    repo.commit("three");
    repo.git(&["push", "--quiet", "origin", "HEAD:change"]);
    let theirs = server.git(&["rev-parse", "change"]);
    repo.git(&["checkout", "--quiet", &ours]);
    script(&repo, "pull", &forge, PULL).code(2).complains("it moved meanwhile");
    assert_eq!(server.git(&["rev-parse", "change"]), theirs);
    assert!(forge.log().is_empty());
}

#[test]
fn a_shallow_clone_is_deepened_as_far_as_it_takes() {
    let (server, repo) = Server::start();
    let forge = Forge::start(Kind::GitHub);
    edited(&repo);
    let shallow = Repo::new("");
    shallow.git(&["remote", "add", "origin", &server.url]);
    shallow.git(&["fetch", "--quiet", "--depth=1", "origin", "change"]);
    shallow.git(&["checkout", "--quiet", "--detach", "FETCH_HEAD"]);
    script(&shallow, "pull", &forge, PULL).code(0).complains("is pushed to change");
    assert!(tells(&forge.bodies()[0]));
}

#[test]
fn a_stale_default_branch_gets_a_pull_request_that_renders_it() {
    let (server, repo) = Server::start();
    let forge = Forge::start(Kind::GitHub);
    let variables = &[("KCFG_BRANCH", "main"), ("GITHUB_REF", "refs/heads/main")];
    script(&repo, "branch", &forge, variables).code(0);
    assert!(forge.log().is_empty() && server.branches() == ["main"]);
    // Two changes, merged one after the other, each rendered for itself.
    repo.write("charts/web/values.yaml", "level: debug\n");
    repo.commit("merged without a render");
    repo.git(&["push", "--quiet", "origin", "HEAD:main"]);
    let main = server.git(&["rev-parse", "main"]);
    script(&repo, "branch", &forge, variables).code(1).complains("opened a pull request that renders main");
    assert_eq!(server.git(&["rev-parse", "main"]), main, "nobody pushes to main");
    assert!(server.git(&["show", "kcfg/render-main:rendered/prod/web/configmap-web.yaml"]).contains("debug"));
    assert_eq!(server.git(&["rev-parse", "kcfg/render-main~1"]), main);
    // Again, from the same state: the pull request is there already.
    repo.git(&["reset", "--quiet", "--hard", "origin/main"]);
    script(&repo, "branch", &forge, variables).code(1).complains("is open already");
    let log = forge.log();
    assert_eq!(log.iter().filter(|line| line.starts_with("POST")).count(), 1, "{log:?}");
    // GitHub refuses: the reason and the way out are told.
    repo.git(&["reset", "--quiet", "--hard", "origin/main"]);
    forge.state.lock().expect("no panic").pulls.clear();
    let refusal = json!({"message": "GitHub Actions is not permitted to create or approve pull requests."});
    forge.fault("POST /api/repos/shop/config/pulls", 403, &[], refusal);
    script(&repo, "branch", &forge, variables)
        .code(2)
        .complains("not permitted to create")
        .complains("in the settings");
    // An error in the sources is for people: no pull request.
    repo.git(&["reset", "--quiet", "--hard", "origin/main"]);
    repo.write("releases/prod/web.yaml", "apiVersion: kcfg.dev/v1\nkind: Relase\n");
    let before = forge.log().len();
    script(&repo, "branch", &forge, variables).code(2);
    assert_eq!(forge.log().len(), before);
}
