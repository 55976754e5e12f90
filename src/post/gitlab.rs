//! GitLab's notes on a merge request (API v4, merge_requests/notes).

use reqwest::Method;
use serde_json::{Value, json};

use super::client::Comment;
use super::http::{Api, Fault, Refusal};
use super::{Posted, Target, TokenKind};
use crate::error::Diagnostic;

/// Notes of a page, and pages that are looked at.
const PAGE_ITEMS: usize = 100;
const PAGES_MAX: usize = 100;

pub(super) fn post(
    api: &Api,
    target: &Target,
    marker: &str,
    body: &str,
    makes_new: bool,
) -> Result<Option<Posted>, Fault> {
    let me = user(api, target)?;
    let payload = json!({ "body": body });
    let notes = format!("/projects/{}/merge_requests/{}/notes", encoded(&target.project), target.number);
    if let Some(note) = find(api, target, &notes, marker, me)? {
        if note.says(body) {
            return Ok(Some(Posted::Unchanged(note.url)));
        }
        return match api.send(&Method::PUT, &format!("{notes}/{}", note.id), Some(&payload))? {
            Ok(_) => Ok(Some(Posted::Updated(note.url))),
            // Somebody removed it just now.
            Err(refusal) if refusal.status == 404 => Err(Fault::Passing(explained(target, &refusal), None)),
            Err(refusal) => Err(Fault::Final(explained(target, &refusal))),
        };
    }
    if !makes_new {
        return Ok(None);
    }
    match api.send(&Method::POST, &notes, Some(&payload))? {
        Ok(answer) => Ok(Some(Posted::Created(place(target, &answer)))),
        Err(refusal) => Err(Fault::Final(explained(target, &refusal))),
    }
}

/// Who the token belongs to; none for a job's, which may not ask.
fn user(api: &Api, target: &Target) -> Result<Option<u64>, Fault> {
    if target.token.kind == TokenKind::Job {
        return Ok(None);
    }
    match api.send(&Method::GET, "/user", None)? {
        Ok(answer) => Ok(answer["id"].as_u64()),
        Err(refusal) if refusal.status == 401 => Err(Fault::Final(explained(target, &refusal))),
        Err(_) => Ok(None),
    }
}

/// Our note. Another one that holds the marker is a quotation, or wants to be taken for it.
fn find(api: &Api, target: &Target, notes: &str, marker: &str, me: Option<u64>) -> Result<Option<Comment>, Fault> {
    for page in 1..=PAGES_MAX {
        let path = format!("{notes}?order_by=created_at&sort=asc&per_page={PAGE_ITEMS}&page={page}");
        let answer = match api.send(&Method::GET, &path, None)? {
            Ok(answer) => answer,
            Err(refusal) => return Err(Fault::Final(explained(target, &refusal))),
        };
        let found = answer.as_array().map(Vec::as_slice).unwrap_or_default();
        let is_ours = |note: &&Value| {
            let is_mine = me.is_none_or(|me| note["author"]["id"] == me);
            let is_written = note["system"] != true;
            is_mine && is_written && note["body"].as_str().is_some_and(|body| body.starts_with(marker))
        };
        if let Some(note) = found.iter().find(is_ours)
            && let Some(id) = note["id"].as_u64()
        {
            let body = note["body"].as_str().unwrap_or_default().to_owned();
            return Ok(Some(Comment { id, body, url: place(target, note) }));
        }
        if found.len() < PAGE_ITEMS {
            return Ok(None);
        }
    }
    let what = format!("the merge request has more than {} notes", PAGES_MAX * PAGE_ITEMS);
    Err(Fault::Final(Diagnostic::error(what).help("remove some, or open a new one")))
}

/// Where a note is, as people write it: the API gives no address.
fn place(target: &Target, note: &Value) -> String {
    format!("{}!{}#note_{}", target.project, target.number, note["id"])
}

/// A project's path as one part of an address.
pub(super) fn encoded(project: &str) -> String {
    let byte = |b: u8| match b {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => char::from(b).to_string(),
        _ => format!("%{b:02X}"),
    };
    project.bytes().map(byte).collect()
}

/// What a refusal means here.
fn explained(target: &Target, refusal: &Refusal) -> Diagnostic {
    let Refusal { status, message } = refusal;
    let place = format!("{}!{}", target.project, target.number);
    let error = Diagnostic::error(format!("GitLab refuses the note on {place} ({status}): {message}"));
    let lower = message.to_lowercase();
    error.help(match (status, target.token.kind) {
        (401 | 403 | 404, TokenKind::Job) => {
            "a CI_JOB_TOKEN may not write notes: make a project access token with the scope api and the role Reporter, \
             and save it as a masked variable GITLAB_TOKEN"
        }
        (401, _) => "GITLAB_TOKEN is not valid, or no longer",
        (403, _) if lower.contains("locked") => "the discussion is locked: unlock it, or do without the note",
        (403, _) => "GITLAB_TOKEN needs the scope api, and its owner the role Reporter in the project",
        (404, _) => {
            "there is no such merge request, or the token may not see it: check --post-project and --post-number (the !N of \
             its page)"
        }
        (400 | 422, _) => "GitLab does not take the text",
        _ => "see GitLab's documentation of the notes API",
    })
}
