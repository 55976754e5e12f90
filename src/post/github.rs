//! GitHub's comments on a pull request (REST API, issues/comments).

use reqwest::Method;
use serde_json::{Value, json};

use super::client::Comment;
use super::http::{Api, Fault, Refusal};
use super::{Posted, Target};
use crate::error::Diagnostic;

/// Comments of a page, and pages that are looked at.
const PAGE_ITEMS: usize = 100;
const PAGES_MAX: usize = 100;

pub(super) fn post(
    api: &Api,
    target: &Target,
    marker: &str,
    body: &str,
    makes_new: bool,
) -> Result<Option<Posted>, Fault> {
    let me = login(api, target)?;
    let payload = json!({ "body": body });
    let repository = format!("/repos/{}", target.project);
    if let Some(comment) = find(api, target, marker, me.as_deref())? {
        if comment.says(body) {
            return Ok(Some(Posted::Unchanged(comment.url)));
        }
        let path = format!("{repository}/issues/comments/{}", comment.id);
        return match api.send(&Method::PATCH, &path, Some(&payload))? {
            Ok(answer) => Ok(Some(Posted::Updated(url(&answer)))),
            // Somebody removed it just now.
            Err(refusal) if refusal.status == 404 => Err(Fault::Passing(explained(target, &refusal), None)),
            Err(refusal) => Err(Fault::Final(explained(target, &refusal))),
        };
    }
    if !makes_new {
        return Ok(None);
    }
    let path = format!("{repository}/issues/{}/comments", target.number);
    match api.send(&Method::POST, &path, Some(&payload))? {
        Ok(answer) => Ok(Some(Posted::Created(url(&answer)))),
        Err(refusal) => Err(Fault::Final(explained(target, &refusal))),
    }
}

/// Who the token belongs to; none for that of a workflow or an app, which may not ask.
fn login(api: &Api, target: &Target) -> Result<Option<String>, Fault> {
    match api.send(&Method::GET, "/user", None)? {
        Ok(answer) => Ok(answer["login"].as_str().map(str::to_owned)),
        Err(refusal) if refusal.status == 401 => Err(Fault::Final(explained(target, &refusal))),
        Err(_) => Ok(None),
    }
}

/// Our comment. Another one that holds the marker is a quotation, or wants to be taken for it.
fn find(api: &Api, target: &Target, marker: &str, me: Option<&str>) -> Result<Option<Comment>, Fault> {
    for page in 1..=PAGES_MAX {
        let path =
            format!("/repos/{}/issues/{}/comments?per_page={PAGE_ITEMS}&page={page}", target.project, target.number);
        let answer = match api.send(&Method::GET, &path, None)? {
            Ok(answer) => answer,
            Err(refusal) => return Err(Fault::Final(explained(target, &refusal))),
        };
        let comments = answer.as_array().map(Vec::as_slice).unwrap_or_default();
        let is_ours = |comment: &&Value| {
            let by = &comment["user"];
            let is_mine = match me {
                Some(me) => by["login"] == me,
                None => by["type"] == "Bot" || !comment["performed_via_github_app"].is_null(),
            };
            is_mine && comment["body"].as_str().is_some_and(|body| body.starts_with(marker))
        };
        if let Some(found) = comments.iter().find(is_ours)
            && let Some(id) = found["id"].as_u64()
        {
            let body = found["body"].as_str().unwrap_or_default().to_owned();
            return Ok(Some(Comment { id, body, url: url(found) }));
        }
        if comments.len() < PAGE_ITEMS {
            return Ok(None);
        }
    }
    let what = format!("the pull request has more than {} comments", PAGES_MAX * PAGE_ITEMS);
    Err(Fault::Final(Diagnostic::error(what).help("remove some, or open a new one")))
}

fn url(comment: &Value) -> String {
    comment["html_url"].as_str().unwrap_or_default().to_owned()
}

/// What a refusal means here.
fn explained(target: &Target, refusal: &Refusal) -> Diagnostic {
    let Refusal { status, message } = refusal;
    let pull = format!("{}#{}", target.project, target.number);
    let error = Diagnostic::error(format!("GitHub refuses the comment on {pull} ({status}): {message}"));
    let lower = message.to_lowercase();
    error.help(match status {
        401 => "GITHUB_TOKEN is not valid, or no longer",
        403 if lower.contains("locked") => "the conversation is locked: unlock it, or do without the comment",
        403 => {
            "the job needs `permissions: {pull-requests: write}`; in pull requests from forks the token may only read: keep \
             the report as an artefact there"
        }
        404 | 410 => "there is no such pull request, or the token may not see it: check --post-project and --post-number",
        422 => "GitHub takes comments of at most 65,536 characters",
        _ => "see GitHub's documentation of the issues/comments API",
    })
}
