//! Break-glass, as people call for it: `kcfg suspend` and `kcfg resume` change the suspensions in the records of
//! environments. Only the cluster is asked, so that it works while the Git server does not.

use std::collections::BTreeMap;

use http::Method;
use jiff::Timestamp;
use serde_json::Value;

use super::client::{Accept, Call, Client, Failure, JSON};
use super::parent::Parent;
use super::record::change_suspensions;
use super::survey::{Releases, environments};
use super::{Resumed, SuspendRequest, Suspended};
use crate::error::{Diagnostic, nearest};
use crate::plan::{SUSPENSIONS_MAX, Suspension, Suspensions};
use crate::repo::Selector;

/// Suspends what a selector names, in every environment of the cluster that it matches.
///
/// # Errors
/// It matches nothing there, or a record cannot be written.
pub async fn suspend(client: &Client, request: &SuspendRequest, now: Timestamp) -> Result<Vec<Suspended>, Diagnostic> {
    let known = known(client, "find what is to be suspended").await?;
    let matching = matching(&request.selector, &known)?;
    let by = match user(client).await {
        Some(user) if user != request.by && !request.by.is_empty() => format!("{} ({user})", request.by),
        Some(user) => user,
        None => request.by.clone(),
    };
    let mut done = Vec::new();
    for (environment, releases) in matching {
        let written = change_suspensions(client, environment, |found| {
            let mut suspensions = found?;
            let is_other =
                |s: &Suspension| s.is_in_force(now) && s.selector.to_string() != request.selector.to_string();
            suspensions.list.retain(is_other);
            if suspensions.list.len() >= SUSPENSIONS_MAX {
                return Err(Diagnostic::error(format!(
                    "{environment} has {SUSPENSIONS_MAX} suspensions already (SUSPENSIONS_MAX)"
                ))
                .help("suspend more at once with a wider selector, as in ENV/*"));
            }
            suspensions.list.push(Suspension {
                selector: request.selector.clone(),
                until: request.until,
                since: now,
                reason: request.reason.clone(),
                by: by.clone(),
            });
            Ok(suspensions)
        });
        written.await?;
        // What is not there yet may be suspended too; but it may be a slip.
        let is_unknown = request.selector.literal_name().is_some()
            && Parent::list(client, environment)
                .await
                .is_ok_and(|parents| !parents.values().any(|parent| parent.may_hold(environment, &request.selector)));
        done.push(Suspended { environment: environment.clone(), releases, by: by.clone(), is_unknown });
    }
    Ok(done)
}

/// Ends the suspensions that lie within what a selector names.
///
/// # Errors
/// There is no such suspension, or a record cannot be written.
pub async fn resume(client: &Client, selector: &Selector, now: Timestamp) -> Result<Vec<Resumed>, Diagnostic> {
    let known = known(client, "find what is to be resumed").await?;
    let names: Vec<&String> = known.keys().filter(|name| selector.matches_environment(name)).collect();
    if names.is_empty() {
        return Err(nothing(selector, &known));
    }
    let (mut done, mut wider, mut others) = (Vec::new(), None, Vec::new());
    for environment in names {
        let record = super::record::Record::read(client, environment).await;
        let record = record.map_err(|failure| failure.diagnostic("read what is suspended"))?;
        // What cannot be read is ended as a whole, by whoever names the whole environment.
        let is_damaged = record.suspensions.is_err() && selector.is_whole_environments();
        let found = if is_damaged { Suspensions::default() } else { record.suspensions? };
        let (ending, staying): (Vec<_>, Vec<_>) =
            found.in_force(now).cloned().partition(|suspension| selector.encloses(&suspension.selector));
        if let Some(wide) = staying.iter().find(|suspension| suspension.selector.encloses(selector)) {
            wider = Some(wide.selector.to_string());
        }
        others.extend(staying.iter().map(|suspension| suspension.selector.to_string()));
        if ending.is_empty() && !is_damaged {
            continue;
        }
        let written = change_suspensions(client, environment, |found| {
            let mut suspensions = if is_damaged { Suspensions::default() } else { found? };
            suspensions.list.retain(|s| s.is_in_force(now) && !selector.encloses(&s.selector));
            Ok(suspensions)
        });
        written.await?;
        done.push(Resumed { environment: environment.clone(), ended: ending, is_damaged });
    }
    if !done.is_empty() {
        return Ok(done);
    }
    let error = Diagnostic::error(format!("nothing is suspended by the name of `{selector}`"));
    others.sort_unstable();
    others.dedup();
    Err(match wider {
        Some(wider) => Diagnostic::error(format!("`{selector}` is suspended as a part of `{wider}`"))
            .help(format!("`kcfg resume {wider}` ends that as a whole; suspend again what is to stay so")),
        None if others.is_empty() => error.help("there is no suspension; `kcfg status` shows them"),
        None => error.help(format!("there are {}", others.join(", "))),
    })
}

async fn known(client: &Client, doing: &str) -> Result<BTreeMap<String, Releases>, Diagnostic> {
    environments(client).await.map_err(|failure| match failure {
        // Nobody ever applied anything.
        Failure::Refused { code: 404, .. } => Diagnostic::error("kcfg was never used with this cluster"),
        failure => failure.diagnostic(doing),
    })
}

/// The environments that a selector matches, with the releases that it does.
fn matching<'k>(
    selector: &Selector,
    known: &'k BTreeMap<String, Releases>,
) -> Result<Vec<(&'k String, Vec<String>)>, Diagnostic> {
    let mut found = Vec::new();
    let (mut kinds, mut has_releases) = (Vec::new(), false);
    for (environment, releases) in known.iter().filter(|(name, _)| selector.matches_environment(name)) {
        let of_release: Vec<&String> =
            releases.keys().filter(|release| selector.matches_release(environment, release)).collect();
        has_releases |= !of_release.is_empty();
        let matches_kind = |release: &&String| {
            let known = &releases[*release];
            kinds.extend(known.iter().map(String::as_str));
            known.iter().any(|kind| selector.matches_kind(kind))
        };
        let matching: Vec<String> = match selector.is_within_release() {
            true => of_release.into_iter().filter(matches_kind).cloned().collect(),
            false => of_release.into_iter().cloned().collect(),
        };
        if selector.is_whole_environments() || !matching.is_empty() {
            found.push((environment, matching));
        }
    }
    if !found.is_empty() {
        return Ok(found);
    }
    if !has_releases {
        return Err(nothing(selector, known));
    }
    kinds.sort_unstable();
    kinds.dedup();
    let text = selector.to_string();
    let wanted = text.split('/').nth(2).unwrap_or_default();
    let help = match nearest(wanted, kinds.iter().copied()) {
        Some(kind) => format!("did you mean `{kind}`?"),
        None => format!("the kinds are {}", kinds.join(", ")),
    };
    Err(Diagnostic::error(format!("no release that `{selector}` matches has an object of that kind")).help(help))
}

fn nothing(selector: &Selector, known: &BTreeMap<String, Releases>) -> Diagnostic {
    let matching = known.iter().filter(|(name, _)| selector.matches_environment(name));
    let releases = matching.flat_map(|(_, releases)| releases.keys().map(String::as_str));
    let error = selector.matches_nothing(known.keys().map(String::as_str), releases);
    Diagnostic { message: format!("{} of this cluster", error.message), ..error }
}

/// Who the cluster says that we are, where it can (Kubernetes 1.28).
async fn user(client: &Client) -> Option<String> {
    let body = br#"{"apiVersion":"authentication.k8s.io/v1","kind":"SelfSubjectReview"}"#.to_vec();
    let path = "/apis/authentication.k8s.io/v1/selfsubjectreviews".to_owned();
    let call = Call { method: Method::POST, path, accept: Accept::Json, content_type: JSON, body };
    let review: Value = client.send(&call).await.ok()?.json().ok()?;
    Some(review.pointer("/status/userInfo/username")?.as_str()?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_selector_matches_in_a_cluster() {
        let kinds = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let prod = Releases::from([
            ("web".to_owned(), kinds(&["Deployment", "Service"])),
            ("worker".to_owned(), kinds(&["Deployment"])),
        ]);
        let known = BTreeMap::from([("prod".to_owned(), prod), ("empty".to_owned(), Releases::new())]);
        let table = [
            ("prod", Ok("prod: web worker")),
            ("empty", Ok("empty: ")),
            ("prod/w*/service", Ok("prod: web")),
            ("prod/*/Deployment/web", Ok("prod: web worker")),
            ("prd", Err(("`prd` matches no environment of this cluster", "did you mean `prod`?"))),
            ("prod/webb", Err(("`prod/webb` matches no release of this cluster", "did you mean `prod/web`?"))),
            (
                "prod/web/Deploymnt",
                Err((
                    "no release that `prod/web/Deploymnt` matches has an object of that kind",
                    "did you mean `Deployment`?",
                )),
            ),
        ];
        for (selector, expected) in table {
            let found = matching(&selector.parse().unwrap(), &known);
            let found = found.map(|found| {
                let line = |(name, releases): &(&String, Vec<String>)| format!("{name}: {}", releases.join(" "));
                found.iter().map(line).collect::<Vec<_>>().join("; ")
            });
            let found = found.map_err(|error| (error.message, error.help.unwrap_or_default()));
            let expected = expected.map(str::to_owned).map_err(|(a, b)| (a.to_owned(), b.to_owned()));
            assert_eq!(found, expected, "{selector}");
        }
    }
}
