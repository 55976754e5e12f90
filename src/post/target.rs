//! Flags and the CI's variables → which pull request, at which address, with which token. Pure: variables are handed in.

use super::{Forge, Target, Token, TokenKind};
use crate::error::Diagnostic;

const GITHUB_API: &str = "https://api.github.com";
const GITLAB_API: &str = "https://gitlab.com/api/v4";

/// What the command line says; the rest is told by the CI's variables.
#[derive(Debug, Clone, Copy, Default)]
pub struct Asked<'a> {
    /// The project.
    pub project: Option<&'a str>,
    /// The number of the pull or merge request.
    pub number: Option<u64>,
}

/// The target. `variable` gives an environment variable, `event` the text of the file that GITHUB_EVENT_PATH names.
///
/// # Errors
/// Something cannot be told: what, and which flag or variable would say it.
pub fn target(
    forge: Forge,
    asked: Asked<'_>,
    variable: &dyn Fn(&str) -> Option<String>,
    event: Option<&str>,
) -> Result<Target, Diagnostic> {
    let variable = |name: &str| variable(name).map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
    let missing = |what: &str, help: &str| Diagnostic::error(what).help(help);
    let (api, project, number, token) = match forge {
        Forge::GitHub => (
            variable("GITHUB_API_URL").unwrap_or_else(|| GITHUB_API.into()),
            asked.project.map(str::to_owned).or_else(|| variable("GITHUB_REPOSITORY")).ok_or_else(|| {
                missing("which GitHub repository to comment in is not said", "give --post-project OWNER/NAME, or set GITHUB_REPOSITORY")
            })?,
            asked.number.or_else(|| github_number(&variable, event)).ok_or_else(|| {
                missing(
                    "this run belongs to no pull request (neither GITHUB_REF nor the event names one)",
                    "run it on `pull_request`, or give --post-number N",
                )
            })?,
            variable("GITHUB_TOKEN").map(|text| Token { kind: TokenKind::Bearer, text }).ok_or_else(|| {
                missing(
                    "there is no GITHUB_TOKEN to comment with",
                    "in the workflow's step: `env: {GITHUB_TOKEN: \"${{ github.token }}\"}`",
                )
            })?,
        ),
        Forge::GitLab => (
            variable("CI_API_V4_URL").unwrap_or_else(|| GITLAB_API.into()),
            asked
                .project
                .map(str::to_owned)
                .or_else(|| variable("CI_MERGE_REQUEST_PROJECT_ID"))
                .or_else(|| variable("CI_PROJECT_ID"))
                .ok_or_else(|| {
                    missing("which GitLab project to comment in is not said", "give --post-project GROUP/NAME, or set CI_PROJECT_ID")
                })?,
            asked.number.or_else(|| variable("CI_MERGE_REQUEST_IID")?.parse().ok()).ok_or_else(|| {
                missing(
                    "this job belongs to no merge request (there is no CI_MERGE_REQUEST_IID)",
                    "run it in merge request pipelines (`rules: [{if: $CI_PIPELINE_SOURCE == \"merge_request_event\"}]`), or give --post-number N",
                )
            })?,
            variable("GITLAB_TOKEN")
                .map(|text| Token { kind: TokenKind::Private, text })
                .or_else(|| variable("CI_JOB_TOKEN").map(|text| Token { kind: TokenKind::Job, text }))
                .ok_or_else(|| {
                    missing(
                        "there is no GITLAB_TOKEN to comment with",
                        "make a project access token with the scope api and the role Reporter, and save it as a masked variable GITLAB_TOKEN",
                    )
                })?,
        ),
    };
    check(forge, &api, &project, &token)?;
    Ok(Target { forge, api: api.trim_end_matches('/').to_owned(), project, number, token })
}

fn github_number(variable: &dyn Fn(&str) -> Option<String>, event: Option<&str>) -> Option<u64> {
    let of_ref = || {
        let name = variable("GITHUB_REF")?;
        name.strip_prefix("refs/pull/")?.split('/').next()?.parse().ok()
    };
    let of_event = || {
        let event: serde_json::Value = serde_json::from_str(event?).ok()?;
        let number = event.pointer("/pull_request/number").or_else(|| event.pointer("/issue/number"));
        number?.as_u64()
    };
    of_ref().or_else(of_event)
}

/// Nothing of what is put into an address or a header may lead anywhere else.
fn check(forge: Forge, api: &str, project: &str, token: &Token) -> Result<(), Diagnostic> {
    if !is_api(api) {
        let variable = if forge == Forge::GitHub { "GITHUB_API_URL" } else { "CI_API_V4_URL" };
        return Err(Diagnostic::error(format!("{variable} is no address of an API: `{api}`"))
            .help(format!("such as {}", if forge == Forge::GitHub { GITHUB_API } else { GITLAB_API })));
    }
    let parts: Vec<&str> = project.split('/').collect();
    let is_right = parts.iter().all(|part| is_name(part)) && (forge == Forge::GitLab || parts.len() == 2);
    if !is_right {
        let form = if forge == Forge::GitHub { "OWNER/NAME" } else { "GROUP/NAME or its number" };
        return Err(Diagnostic::error(format!("`{project}` is no project")).help(format!("write it as {form}")));
    }
    if !token.text.chars().all(|c| c.is_ascii_graphic()) {
        return Err(Diagnostic::error("the token holds characters that no token has")
            .help("set the variable to the token alone, without quotes or line feeds"));
    }
    Ok(())
}

/// Whether a text is the address of an API, to which paths can be added.
pub(super) fn is_api(text: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_graphic() && !matches!(c, '?' | '#' | '@' | '\\');
    ["https://", "http://"].iter().any(|scheme| text.starts_with(scheme)) && text.chars().all(is_plain)
}

/// Whether a part of a project's path is one.
pub(super) fn is_name(part: &str) -> bool {
    let is_plain = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.');
    !part.is_empty() && part != "." && part != ".." && part.chars().all(is_plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(forge: Forge, asked: Asked<'_>, variables: &[(&str, &str)], event: Option<&str>) -> String {
        let variable =
            |name: &str| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
        match target(forge, asked, &variable, event) {
            Ok(target) => {
                format!(
                    "{} {} {} {:?} {}",
                    target.api, target.project, target.number, target.token.kind, target.token.text
                )
            }
            Err(error) => error.message,
        }
    }

    #[test]
    fn flags_go_before_variables_and_what_is_missing_is_said() {
        let none = Asked::default();
        let github = [("GITHUB_TOKEN", "t"), ("GITHUB_REPOSITORY", "o/n"), ("GITHUB_REF", "refs/pull/7/merge")];
        assert_eq!(found(Forge::GitHub, none, &github, None), "https://api.github.com o/n 7 Bearer t");
        let mut enterprise = github.to_vec();
        enterprise.extend([("GITHUB_API_URL", "https://ghe.example.com/api/v3/")]);
        let asked = Asked { project: Some("p/q"), number: Some(9) };
        assert_eq!(found(Forge::GitHub, asked, &enterprise, None), "https://ghe.example.com/api/v3 p/q 9 Bearer t");
        let push = [("GITHUB_TOKEN", "t"), ("GITHUB_REPOSITORY", "o/n"), ("GITHUB_REF", "refs/heads/main")];
        assert_eq!(
            found(Forge::GitHub, none, &push, Some("{\"issue\": {\"number\": 3}}")),
            "https://api.github.com o/n 3 Bearer t"
        );
        assert!(found(Forge::GitHub, none, &push, Some("{}")).starts_with("this run belongs to no pull request"));
        assert!(found(Forge::GitHub, none, &github[1..], None).starts_with("there is no GITHUB_TOKEN"));
        assert!(found(Forge::GitHub, none, &github[..1], None).starts_with("which GitHub repository"));

        let gitlab = [("CI_JOB_TOKEN", "j"), ("CI_PROJECT_ID", "12"), ("CI_MERGE_REQUEST_IID", "5")];
        assert_eq!(found(Forge::GitLab, none, &gitlab, None), "https://gitlab.com/api/v4 12 5 Job j");
        let mut own = gitlab.to_vec();
        own.extend([("GITLAB_TOKEN", "g"), ("CI_API_V4_URL", "https://git.example.com/api/v4")]);
        own.extend([("CI_MERGE_REQUEST_PROJECT_ID", "13")]);
        assert_eq!(found(Forge::GitLab, none, &own, None), "https://git.example.com/api/v4 13 5 Private g");
        assert!(found(Forge::GitLab, none, &gitlab[..2], None).starts_with("this job belongs to no merge request"));
        assert!(found(Forge::GitLab, none, &gitlab[1..], None).starts_with("there is no GITLAB_TOKEN"));
        assert!(found(Forge::GitLab, none, &[("GITLAB_TOKEN", "g")], None).starts_with("which GitLab project"));
    }

    #[test]
    fn nothing_leads_elsewhere_and_no_token_shows() {
        let with = |key: &str, value: &str| {
            let mut variables =
                vec![("GITHUB_TOKEN", "t"), ("GITHUB_REPOSITORY", "o/n"), ("GITHUB_REF", "refs/pull/7/merge")];
            variables.retain(|(name, _)| *name != key);
            variables.push((key, value));
            found(Forge::GitHub, Asked::default(), &variables, None)
        };
        for api in ["ftp://x", "https://user@evil", "https://x/?a=", "https://x y"] {
            assert!(with("GITHUB_API_URL", api).contains("no address of an API"), "{api}");
        }
        for project in ["o", "o/n/m", "../n", "o/n?x", "o/"] {
            assert!(with("GITHUB_REPOSITORY", project).contains("is no project"), "{project}");
        }
        let said = with("GITHUB_TOKEN", "sec\nret");
        assert!(said.contains("no token has") && !said.contains("sec"), "{said}");
        let token = Token { kind: TokenKind::Bearer, text: "hunter2".into() };
        assert!(!format!("{token:?}").contains("hunter2"));
    }
}
