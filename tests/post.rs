//! `kcfg diff --post`: one comment, made once and kept up to date, whatever the forge answers.

use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::json;

use kcfg::post::{CommitState, CommitStatus, StatusForge, StatusTarget, set_commit_status};

use crate::forge::{Forge, Kind, TOKEN};
use crate::repo::{Repo, Run};

const MARKER: &str = kcfg::diff::write::markdown::COMMENT_MARKER;
const OLD: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {k: one}\n";

fn pair() -> Repo {
    let repo = Repo::new("");
    repo.write("old.yaml", OLD);
    repo.write("new.yaml", OLD.replace("one", "two"));
    repo
}

/// Posts the difference of two files, in the surroundings of a job for number 7 of shop/config.
fn post(repo: &Repo, forge: &Forge, kind: Kind, variables: &[(&str, &str)]) -> Run {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kcfg"));
    command.args(["diff", "--from-path", "old.yaml", "--to-path", "new.yaml"]).current_dir(repo.path());
    command.env_clear().env("NO_COLOR", "1");
    match kind {
        Kind::GitHub => command.args(["--post", "github"]).envs([
            ("GITHUB_API_URL", forge.url.as_str()),
            ("GITHUB_REPOSITORY", "shop/config"),
            ("GITHUB_REF", "refs/pull/7/merge"),
            ("GITHUB_TOKEN", TOKEN),
        ]),
        Kind::Gitea => unreachable!("it has no comments here"),
        Kind::GitLab | Kind::GitLabJob => command.args(["--post", "gitlab", "--post-project", "shop/config"]).envs([
            ("CI_API_V4_URL", forge.url.as_str()),
            ("CI_PROJECT_ID", "99"),
            ("CI_MERGE_REQUEST_IID", "7"),
            (if kind == Kind::GitLab { "GITLAB_TOKEN" } else { "CI_JOB_TOKEN" }, TOKEN),
        ]),
    };
    let output = command.envs(variables.iter().copied()).output().expect("kcfg can be run");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    let run = Run {
        code: output.status.code().expect("an exit code"),
        stdout: text(output.stdout),
        stderr: text(output.stderr),
    };
    assert!(!run.stdout.contains(TOKEN) && !run.stderr.contains(TOKEN), "the token shows: {run:?}");
    run
}

#[test]
fn the_comment_is_made_once_and_kept_up_to_date() {
    for kind in [Kind::GitHub, Kind::GitLab, Kind::GitLabJob] {
        let (repo, forge) = (pair(), Forge::start(kind));
        post(&repo, &forge, kind, &[]).code(0).says("data.k: one → two").complains("posted");
        let bodies = forge.bodies();
        assert!(bodies.len() == 1 && bodies[0].starts_with(MARKER) && bodies[0].contains("two"), "{bodies:?}");
        // The same again changes nothing.
        post(&repo, &forge, kind, &[]).code(0).complains("says so already");
        let writes = |forge: &Forge| forge.log().iter().filter(|line| !line.starts_with("GET")).count();
        assert_eq!(writes(&forge), 1);
        repo.write("new.yaml", OLD.replace("one", "three"));
        post(&repo, &forge, kind, &[]).code(0).complains("updated");
        let bodies = forge.bodies();
        assert!(bodies.len() == 1 && bodies[0].contains("three"), "{bodies:?}");
        // Nothing differs any more: the comment says so, and does not stay as it was.
        repo.write("new.yaml", OLD);
        post(&repo, &forge, kind, &[]).code(0).complains("updated");
        assert!(!forge.bodies()[0].contains("three"));
        assert_eq!(writes(&forge), 3);
    }
}

#[test]
fn where_nothing_differs_no_comment_is_made() {
    let (repo, forge) = (pair(), Forge::start(Kind::GitHub));
    repo.write("new.yaml", OLD);
    post(&repo, &forge, Kind::GitHub, &[]).code(0).complains("nothing to post");
    assert!(forge.bodies().is_empty());
    forge.log();
}

#[test]
fn it_is_found_on_any_page_and_a_strangers_is_left_alone() {
    for kind in [Kind::GitHub, Kind::GitLab] {
        let (repo, forge) = (pair(), Forge::start(kind));
        forge.state.lock().expect("no panic").knows_user = true;
        for n in 0..250 {
            forge.comment("somebody", &format!("comment {n}"));
        }
        // Somebody quotes the marker, or wants to be taken for kcfg.
        forge.comment("mallory!", &format!("{MARKER}\nall is well"));
        forge.comment("octocat", &format!("as in {MARKER}"));
        post(&repo, &forge, kind, &[]).code(0).complains("posted");
        post(&repo, &forge, kind, &[]).code(0).complains("says so already");
        let bodies = forge.bodies();
        assert_eq!(bodies.len(), 253);
        assert!(bodies[250].ends_with("all is well") && bodies[252].contains("two"));
        let pages = forge.log().iter().filter(|line| line.contains("page=3")).count();
        assert_eq!(pages, 2, "the third page is asked for in each run");
    }
}

#[test]
fn without_knowing_the_user_only_a_bots_comment_is_taken_for_ones_own() {
    let (repo, forge) = (pair(), Forge::start(Kind::GitHub));
    forge.comment("mallory", &format!("{MARKER}\nall is well"));
    post(&repo, &forge, Kind::GitHub, &[]).code(0).complains("posted");
    post(&repo, &forge, Kind::GitHub, &[]).code(0).complains("says so already");
    assert_eq!(forge.bodies().len(), 2);
    forge.log();
}

#[test]
fn what_passes_is_tried_again_and_makes_one_comment() {
    let (repo, forge) = (pair(), Forge::start(Kind::GitHub));
    let comments = "/api/repos/shop/config/issues/7/comments";
    forge.fault("GET /api/user", 502, &[], json!({"message": "bad gateway"}));
    forge.fault(&format!("GET {comments}"), 429, &[("retry-after", "1")], json!({"message": "slow down"}));
    forge.fault(
        &format!("GET {comments}"),
        403,
        &[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "0")],
        json!({"message": "API rate limit exceeded"}),
    );
    let begin = Instant::now();
    post(&repo, &forge, Kind::GitHub, &[]).code(0).complains("posted");
    assert!(begin.elapsed() >= Duration::from_millis(1500), "it waits as it is told");
    assert_eq!(forge.bodies().len(), 1);
    // The comment came about, only its answer did not come through: the next try finds it.
    let (repo, forge) = (pair(), Forge::start(Kind::GitHub));
    forge.lose_answer(&format!("POST {comments}"));
    post(&repo, &forge, Kind::GitHub, &[]).code(0).complains("says so already");
    assert_eq!(forge.bodies().len(), 1);
    // A comment that is removed between finding and changing it.
    forge.fault("PATCH ", 404, &[], json!({"message": "Not Found"}));
    repo.write("new.yaml", OLD.replace("one", "four"));
    post(&repo, &forge, Kind::GitHub, &[]).code(0).complains("updated");
    forge.log();
}

#[test]
fn what_stays_is_an_error_that_says_what_to_do() {
    let github = "/api/repos/shop/config/issues/7/comments";
    let gitlab = "/api/projects/shop%2Fconfig/merge_requests/7/notes";
    // Which forge, the request that fails, its answer, and what is said.
    let table: &[(Kind, String, u16, &str, &str)] = &[
        (Kind::GitHub, "GET /api/user".into(), 401, "Bad credentials", "GITHUB_TOKEN is not valid"),
        (
            Kind::GitHub,
            format!("POST {github}"),
            403,
            "Resource not accessible by integration",
            "permissions: {pull-requests: write}",
        ),
        (
            Kind::GitHub,
            format!("POST {github}"),
            403,
            "Unable to create comment because issue is locked.",
            "the conversation is locked",
        ),
        (Kind::GitHub, format!("GET {github}"), 404, "Not Found", "there is no such pull request"),
        (Kind::GitHub, format!("POST {github}"), 422, "Validation Failed", "at most 65,536 characters"),
        (Kind::GitHub, format!("GET {github}"), 301, "Moved Permanently", "moved: give its new address"),
        (Kind::GitHub, format!("POST {github}"), 410, "This issue was deleted", "there is no such pull request"),
        (Kind::GitLab, "GET /api/user".into(), 401, "401 Unauthorized", "GITLAB_TOKEN is not valid"),
        (Kind::GitLab, format!("POST {gitlab}"), 403, "403 Forbidden", "needs the scope api"),
        (Kind::GitLab, format!("POST {gitlab}"), 403, "discussion is locked", "the discussion is locked"),
        (Kind::GitLab, format!("GET {gitlab}"), 404, "404 Project Not Found", "there is no such merge request"),
        (Kind::GitLabJob, format!("GET {gitlab}"), 404, "404 Project Not Found", "a CI_JOB_TOKEN may not write notes"),
    ];
    for (kind, request, status, message, expected) in table {
        let (repo, forge) = (pair(), Forge::start(*kind));
        // What a forge says may hold the token; it is not repeated.
        forge.fault(request, *status, &[], json!({"message": format!("{message} {TOKEN}")}));
        let run = post(&repo, &forge, *kind, &[]).code(2).complains(expected).complains(message);
        // The report is printed all the same.
        run.says("data.k: one → two");
        forge.log();
        assert!(forge.bodies().is_empty());
    }
    // Too long a pause is left to the next run.
    let (repo, forge) = (pair(), Forge::start(Kind::GitHub));
    forge.fault("GET /api/user", 429, &[("retry-after", "3600")], json!({"message": "slow down"}));
    post(&repo, &forge, Kind::GitHub, &[]).code(2).complains("it asks to wait 3600 s");
    // Nobody answers.
    let nobody = [("GITHUB_API_URL", "http://127.0.0.1:1/api")];
    post(&repo, &forge, Kind::GitHub, &nobody).code(2).complains("got no answer").complains("it was tried 5 times");
}

/// Where the stand-in's commits get their statuses.
fn statuses(forge: &Forge, kind: Kind) -> StatusTarget {
    let name = match kind {
        Kind::GitHub => StatusForge::GitHub,
        Kind::Gitea => StatusForge::Gitea,
        Kind::GitLab | Kind::GitLabJob => StatusForge::GitLab,
    };
    StatusTarget::new(name, "git@git.example.com:shop/config.git", Some(&forge.url)).expect("it names a project")
}

#[test]
fn a_commit_bears_one_status_and_it_is_written_when_it_changes() {
    for (kind, failure) in [(Kind::GitHub, "failure"), (Kind::GitLab, "failed"), (Kind::Gitea, "failure")] {
        let forge = Forge::start(kind);
        let target = statuses(&forge, kind);
        let set = |state, description: &str| {
            let commit = "3f9a".repeat(10);
            let status = CommitStatus { commit, context: "kcfg/prod".into(), state, description: description.into() };
            set_commit_status(&target, &format!("{TOKEN}\n"), None, &status).expect("it is taken")
        };
        assert!(set(CommitState::Success, "3 applied") && !set(CommitState::Success, "3 applied"));
        assert!(set(CommitState::Success, "4 applied") && set(CommitState::Failure, &"é".repeat(200)));
        assert!(!set(CommitState::Failure, &"é".repeat(200)));
        assert!(set(CommitState::Pending, "suspended") && set(CommitState::Success, "4 applied"));
        let known = forge.state.lock().expect("no panic").statuses.clone();
        let states: Vec<&str> = known.iter().map(|status| status.state.as_str()).collect();
        assert_eq!(states, ["success", "success", failure, "pending", "success"]);
        // Two environments of one commit do not touch each other.
        let other = CommitStatus {
            commit: "3f9a".repeat(10),
            context: "kcfg/lab".into(),
            state: CommitState::Pending,
            description: "x".into(),
        };
        assert!(set_commit_status(&target, TOKEN, None, &other).expect("it is taken"));
        assert!(!set(CommitState::Success, "4 applied"));
        // GitLab has no way from pending to pending.
        let again = CommitStatus { description: "y".into(), ..other };
        assert_eq!(set_commit_status(&target, TOKEN, None, &again).expect("it is taken"), kind != Kind::GitLab);
        forge.log();
    }
}

#[test]
fn a_status_that_is_refused_says_what_to_do_and_not_the_token() {
    for (kind, status, expected) in [
        (Kind::GitHub, 401, "the token is not valid"),
        (Kind::GitHub, 404, "permission to write commit statuses"),
        (Kind::GitHub, 422, "at most 1,000 statuses"),
        (Kind::GitLab, 403, "the role Developer"),
        (Kind::Gitea, 403, "write:repository"),
        (Kind::Gitea, 503, "it is tried again"),
        (Kind::GitLab, 302, "moved"),
    ] {
        let forge = Forge::start(kind);
        forge.fault("POST ", status, &[], json!({"message": format!("no {TOKEN}")}));
        let line = CommitStatus {
            commit: "3f9a".repeat(10),
            context: "kcfg/prod".into(),
            state: CommitState::Success,
            description: "x".into(),
        };
        let error =
            set_commit_status(&statuses(&forge, kind), TOKEN, None, &line).expect_err("it is refused").to_string();
        assert!(error.contains(expected) && !error.contains(TOKEN), "{error}");
        forge.log();
    }
}
