//! Git URLs in the ways that people write them → host and path, so that two spellings of one repository are equal.

use std::fmt;

/// A repository's address without what does not tell repositories apart: scheme, user, password, port, `.git`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RepositoryUrl {
    /// On a host.
    Network {
        /// In lower case.
        host: String,
        /// Without leading and trailing `/` and without `.git`.
        path: String,
    },
    /// A folder of this machine.
    Local(String),
}

impl RepositoryUrl {
    /// Reads `git@host:path`, `ssh://`, `https://`, `git://`, `file://` and paths of the file system.
    pub fn parse(text: &str) -> RepositoryUrl {
        let text = text.trim();
        if let Some((scheme, rest)) = text.split_once("://") {
            if scheme.eq_ignore_ascii_case("file") {
                return RepositoryUrl::Local(trimmed(rest).to_string());
            }
            let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
            let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
            let host = host.rsplit_once(':').filter(|(_, port)| is_port(port)).map_or(host, |(host, _)| host);
            return RepositoryUrl::network(host, path);
        }
        // scp's way: a colon before the first slash.
        match text.split_once(':') {
            Some((authority, path)) if !authority.contains('/') && authority.len() > 1 => {
                let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
                RepositoryUrl::network(host, path)
            }
            _ => RepositoryUrl::Local(trimmed(text).to_string()),
        }
    }

    /// The address in a form that [`RepositoryUrl::parse`] reads.
    pub fn to_url(&self) -> String {
        match self {
            RepositoryUrl::Network { host, path } => format!("git@{host}:{path}.git"),
            RepositoryUrl::Local(path) => path.clone(),
        }
    }

    fn network(host: &str, path: &str) -> RepositoryUrl {
        let path = path.split(['?', '#']).next().unwrap_or(path);
        let path = trimmed(path).trim_start_matches('/').to_string();
        RepositoryUrl::Network { host: host.to_ascii_lowercase(), path }
    }
}

impl fmt::Display for RepositoryUrl {
    /// `host/path`, or the folder; never a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RepositoryUrl::Network { host, path } => write!(f, "{host}/{path}"),
            RepositoryUrl::Local(path) => f.write_str(path),
        }
    }
}

fn is_port(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_digit())
}

fn trimmed(path: &str) -> &str {
    let path = path.trim_end_matches('/');
    path.strip_suffix(".git").unwrap_or(path).trim_end_matches('/')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_repository_are_equal() {
        for text in [
            "git@github.com:travis-ci/config.git",
            "git@GitHub.com:travis-ci/config",
            "github.com:/travis-ci/config.git/",
            "ssh://git@github.com/travis-ci/config.git",
            "ssh://git@github.com:22/travis-ci/config",
            "https://github.com/travis-ci/config",
            "https://user:secret@github.com/travis-ci/config.git",
            "HTTPS://github.com/travis-ci/config/?a=b",
            "git://github.com/travis-ci/config.git",
        ] {
            assert_eq!(RepositoryUrl::parse(text).to_string(), "github.com/travis-ci/config", "{text}");
        }
    }

    #[test]
    fn others_are_not() {
        let ours = RepositoryUrl::parse("git@host:a/b.git");
        for text in ["git@host:a/c.git", "git@host2:a/b.git", "/a/b.git", "file:///a/b", "../a/b", "C:\\a\\b"] {
            assert_ne!(RepositoryUrl::parse(text), ours, "{text}");
        }
        for text in ["https://h/a/b", "/a/b"] {
            let url = RepositoryUrl::parse(text);
            assert_eq!(RepositoryUrl::parse(&url.to_url()), url);
        }
        assert_eq!(RepositoryUrl::parse("/srv/x.git/"), RepositoryUrl::parse("file:///srv/x"));
    }
}
