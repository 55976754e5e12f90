//! Commit statuses: one line beside a commit, by the APIs of GitHub (REST, statuses), GitLab (v4, commit statuses) and Gitea
//! (v1). What a commit has already is not written again.

use reqwest::Method;
use serde_json::{Value, json};

use super::gitlab::encoded;
use super::http::{Api, Dialect, Fault, Refusal};
use super::{CommitState, CommitStatus, StatusForge, StatusTarget, Token, TokenKind};
use crate::error::Diagnostic;

/// Characters of a description: what GitHub takes, the least of the three.
const DESCRIPTION_CHARACTERS_MAX: usize = 140;
/// Statuses of a commit that are looked at, by as many contexts.
const PAGE_ITEMS: usize = 100;

/// Has a commit bear this status; whether it had to be written.
///
/// # Errors
/// The forge refuses, or does not answer. The token is never part of what is said.
pub fn set_commit_status(
    target: &StatusTarget,
    token: &str,
    certificates: Option<&[u8]>,
    status: &CommitStatus,
) -> Result<bool, Diagnostic> {
    let kind = match target.forge {
        StatusForge::GitHub => TokenKind::Bearer,
        StatusForge::GitLab => TokenKind::Private,
        StatusForge::Gitea => TokenKind::Plain,
    };
    let dialect = if target.forge == StatusForge::GitHub { Dialect::GitHub } else { Dialect::Plain };
    let token = Token { kind, text: token.trim().to_owned() };
    let api = Api::new(&target.api, dialect, &token, certificates)?;
    let description: String = status.description.chars().take(DESCRIPTION_CHARACTERS_MAX).collect();
    let set = || match target.forge {
        StatusForge::GitLab => gitlab(&api, target, status, &description),
        StatusForge::GitHub | StatusForge::Gitea => github(&api, target, status, &description),
    };
    set().map_err(|fault| match fault {
        Fault::Final(error) => error,
        Fault::Passing(error, _) => error.help("it is tried again"),
    })
}

/// GitHub's way, which Gitea has too but for one name.
fn github(api: &Api, target: &StatusTarget, status: &CommitStatus, description: &str) -> Result<bool, Fault> {
    let CommitStatus { commit, context, state, .. } = status;
    let word = state.word();
    let limit = if target.forge == StatusForge::GitHub { "per_page" } else { "limit" };
    let path = format!("/repos/{}/commits/{commit}/status?{limit}={PAGE_ITEMS}", target.project);
    let known = ask(api, target, commit, &Method::GET, &path, None)?;
    let is_so = |known: &Value| {
        // Contexts do not differ by case alone.
        let is_same = known["context"].as_str().is_some_and(|known| known.eq_ignore_ascii_case(context));
        let state = known.get("state").or_else(|| known.get("status"));
        is_same && state.is_some_and(|state| state == word) && known["description"] == description
    };
    if known["statuses"].as_array().is_some_and(|list| list.iter().any(is_so)) {
        return Ok(false);
    }
    let body = json!({"state": word, "context": context, "description": description});
    let path = format!("/repos/{}/statuses/{commit}", target.project);
    ask(api, target, commit, &Method::POST, &path, Some(&body)).map(|_| true)
}

fn gitlab(api: &Api, target: &StatusTarget, status: &CommitStatus, description: &str) -> Result<bool, Fault> {
    let CommitStatus { commit, context, state, .. } = status;
    let word = match state {
        CommitState::Failure => "failed",
        CommitState::Success | CommitState::Pending => state.word(),
    };
    let project = encoded(&target.project);
    let path = format!(
        "/projects/{project}/repository/commits/{commit}/statuses?name={}&per_page={PAGE_ITEMS}",
        encoded(context)
    );
    let known = ask(api, target, commit, &Method::GET, &path, None)?;
    let is_state = |known: &Value| known["name"] == context.as_str() && known["status"] == word;
    let known = known.as_array().and_then(|list| list.iter().find(|known| is_state(known)));
    // From pending to pending there is no way (older GitLab answers 400), whatever the words beside it.
    if known.is_some_and(|known| known["description"] == description || *state == CommitState::Pending) {
        return Ok(false);
    }
    let body = json!({"state": word, "name": context, "description": description});
    let path = format!("/projects/{project}/statuses/{commit}");
    ask(api, target, commit, &Method::POST, &path, Some(&body)).map(|_| true)
}

fn ask(
    api: &Api,
    target: &StatusTarget,
    commit: &str,
    method: &Method,
    path: &str,
    body: Option<&Value>,
) -> Result<Value, Fault> {
    api.send(method, path, body)?.map_err(|Refusal { status, message }| {
        let (forge, project) = (target.forge.name(), &target.project);
        let error =
            Diagnostic::error(format!("{forge} refuses a status for {commit} of {project} ({status}): {message}"));
        Fault::Final(error.help(match (status, target.forge) {
            (401, _) => "the token is not valid, or no longer",
            (403 | 404, StatusForge::GitHub) => {
                "the token has to see the repository, and needs the permission to write commit statuses (repo:status)"
            }
            (403 | 404, StatusForge::GitLab) => "the token needs the scope api, and its owner the role Developer",
            (403 | 404, StatusForge::Gitea) => "the token needs the scope write:repository",
            (422, StatusForge::GitHub) => "a commit takes at most 1,000 statuses of one context, and has to be there",
            _ => "see the documentation of the forge's commit status API",
        }))
    })
}
