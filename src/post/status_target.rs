//! A Git server's address → where commits of it get their statuses: which API, which project. Pure.

use gix::bstr::ByteSlice as _;
use gix::url::Scheme;

use super::target::{is_api, is_name};
use crate::error::{Diagnostic, visible};

/// Whose API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StatusForge {
    /// github.com, or a GitHub Enterprise Server.
    GitHub,
    /// gitlab.com, or any other GitLab.
    GitLab,
    /// Gitea, or Forgejo.
    Gitea,
}

/// Where commits get their statuses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusTarget {
    /// Whose API.
    pub forge: StatusForge,
    /// The API's address, without `/` at its end.
    pub api: String,
    /// `owner/name`; on GitLab the path of the project, with its groups.
    pub project: String,
}

impl StatusForge {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            StatusForge::GitHub => "GitHub",
            StatusForge::GitLab => "GitLab",
            StatusForge::Gitea => "Gitea",
        }
    }

    /// The API where the Git server's host is also the forge's.
    fn api(self, host: &str) -> String {
        match self {
            StatusForge::GitHub if host == "github.com" => "https://api.github.com".to_owned(),
            StatusForge::GitHub => format!("https://{host}/api/v3"),
            StatusForge::GitLab => format!("https://{host}/api/v4"),
            StatusForge::Gitea => format!("https://{host}/api/v1"),
        }
    }
}

impl StatusTarget {
    /// Works it out of a repository's address; `api` where the API is at another address than the host's usual one.
    ///
    /// # Errors
    /// The address names no project of such a forge, or the API would be shown the token in clear.
    pub fn new(forge: StatusForge, git_url: &str, api: Option<&str>) -> Result<StatusTarget, Diagnostic> {
        let shown = visible(git_url);
        let no_project = |why: &str| {
            Diagnostic::error(format!("`{shown}` names no project of {}: {why}", forge.name()))
                .help("commits get statuses where --git-url is the forge's own, as in https://github.com/owner/name")
        };
        let url = gix::url::parse(git_url).map_err(|error| no_project(&error.to_string()))?;
        let path = url.path.to_str_lossy();
        let path = path.trim_matches('/');
        let parts: Vec<&str> = path.strip_suffix(".git").unwrap_or(path).split('/').collect();
        if parts.len() < 2 || !parts.iter().all(|part| is_name(part)) {
            return Err(no_project("its path is not OWNER/NAME"));
        }
        let parts = match forge {
            StatusForge::GitLab => &parts[..],
            _ => &parts[parts.len() - 2..],
        };
        let api = match (api, url.host(), &url.scheme) {
            (Some(api), _, _) => api.to_owned(),
            (None, Some(host), Scheme::Https) => {
                let port = url.port.map(|port| format!(":{port}")).unwrap_or_default();
                forge.api(&format!("{host}{port}"))
            }
            (None, Some(host), Scheme::Ssh) => forge.api(host),
            _ => return Err(no_project("its host is not known").help("name the API with --git-report-api")),
        };
        check(&api)?;
        Ok(StatusTarget { forge, api: api.trim_end_matches('/').to_owned(), project: parts.join("/") })
    }
}

/// The token goes to this address: over TLS, or not beyond this machine.
fn check(api: &str) -> Result<(), Diagnostic> {
    let shown = visible(api);
    let error = |what: &str| {
        Err(Diagnostic::error(format!("`{shown}` {what}"))
            .help("--git-report-api is as in https://git.example.com/api/v4"))
    };
    if !is_api(api) {
        return error("is no address of an API");
    }
    if let Some(rest) = api.strip_prefix("http://") {
        let host = rest.split('/').next().unwrap_or_default();
        let host = host.rsplit_once(':').map_or(host, |(host, _)| host);
        return match host {
            "127.0.0.1" | "localhost" | "[::1]" => Ok(()),
            _ => error("would be shown the token in clear text"),
        };
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use StatusForge::{GitHub, GitLab, Gitea};

    fn found(forge: StatusForge, url: &str, api: Option<&str>) -> String {
        StatusTarget::new(forge, url, api).map_or_else(|error| error.message, |t| format!("{} {}", t.api, t.project))
    }

    #[test]
    fn addresses_of_repositories_name_projects() {
        for (forge, url, expected) in [
            (GitHub, "git@github.com:acme/config.git", "https://api.github.com acme/config"),
            (GitHub, "https://ghe.example.com/acme/config", "https://ghe.example.com/api/v3 acme/config"),
            (GitLab, "ssh://git@git.example.com:2222/a/b/config.git", "https://git.example.com/api/v4 a/b/config"),
            (GitLab, "https://git.example.com:8443/a/config/", "https://git.example.com:8443/api/v4 a/config"),
            (Gitea, "https://x.example.com/git/acme/config.git", "https://x.example.com/api/v1 acme/config"),
        ] {
            assert_eq!(found(forge, url, None), expected);
        }
        assert_eq!(
            found(Gitea, "file:///srv/acme/config", Some("http://127.0.0.1:3000/api/v1/")),
            "http://127.0.0.1:3000/api/v1 acme/config"
        );
    }

    #[test]
    fn nothing_leads_elsewhere() {
        for url in
            ["https://github.com/config", "https://github.com/a/../b/..", "https://github.com/a b/c", "file:///a/b"]
        {
            assert!(found(GitHub, url, None).contains("names no project of GitHub"), "{url}");
        }
        let with = |api| found(GitHub, "https://github.com/a/b", Some(api));
        assert!(with("http://api.example.com").contains("in clear text"));
        assert!(with("http://127.0.0.1.example.com/api").contains("in clear text"));
        for api in ["ftp://x", "https://user@evil", "https://x/?a=", "api.example.com"] {
            assert!(with(api).contains("is no address of an API"), "{api}");
        }
    }
}
