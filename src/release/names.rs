//! Names, each checked once: of release documents, Helm releases, namespaces, rendered folders; and chart paths.

use std::fmt;
use std::str::FromStr;

/// Bytes of a Helm release's name, as Helm limits it.
pub const RELEASE_NAME_BYTES_MAX: usize = 53;
/// Bytes of a DNS-1123 subdomain.
pub const SUBDOMAIN_BYTES_MAX: usize = 253;
/// Bytes of a DNS-1123 label.
pub const LABEL_BYTES_MAX: usize = 63;
/// Bytes of a rendered folder's name: a file system's 255, less what a temporary sibling's name needs.
pub const FOLDER_BYTES_MAX: usize = 240;

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $check:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl $name {
            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = String;

            /// The error says what is wrong with the text, as the end of a sentence.
            fn from_str(text: &str) -> Result<$name, String> {
                let check: fn(&str) -> Result<(), String> = $check;
                check(text).map(|()| $name(text.to_string()))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

name!(
    /// `metadata.name` of a release document: a DNS-1123 subdomain. Also the name of its rendered folder.
    DocumentName,
    |text| subdomain(text, SUBDOMAIN_BYTES_MAX.min(FOLDER_BYTES_MAX))
);
name!(
    /// The name of a Helm release (`.Release.Name`): a DNS-1123 subdomain of at most 53 bytes, Helm's rule.
    ReleaseName,
    |text| subdomain(text, RELEASE_NAME_BYTES_MAX)
);
name!(
    /// A namespace: a DNS-1123 label.
    Namespace,
    |text| {
        if text.contains('.') {
            return Err("may hold only lower-case letters, digits and `-`".into());
        }
        subdomain(text, LABEL_BYTES_MAX)
    }
);

/// Labels of lower-case letters, digits and inner hyphens, joined by dots: RFC 1123 as Kubernetes checks it.
fn subdomain(text: &str, bytes_max: usize) -> Result<(), String> {
    if text.is_empty() {
        return Err("may not be empty".into());
    }
    if text.len() > bytes_max {
        return Err(format!("is {} bytes long; at most {bytes_max} are allowed", text.len()));
    }
    let alphanumeric = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    if let Some(c) = text.chars().find(|c| !alphanumeric(*c) && !matches!(c, '-' | '.')) {
        return Err(format!("may not hold {c:?}: only lower-case letters, digits, `-` and `.`"));
    }
    if !text.split('.').all(|label| label.starts_with(alphanumeric) && label.ends_with(alphanumeric)) {
        return Err("has to begin and end with a letter or digit, before and after each `.` too".into());
    }
    Ok(())
}

/// A chart's folder: relative to the repository's root, with `/`, without `.`, `..` or empty parts; `.` is the root itself.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChartPath(String);

impl ChartPath {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ChartPath {
    type Err = String;

    /// A leading `/` is dropped: the Helm operator joined the path to the clone's folder.
    fn from_str(text: &str) -> Result<ChartPath, String> {
        let mut parts: Vec<&str> = Vec::new();
        for part in text.split('/') {
            match part {
                "" | "." => {}
                ".." => {
                    parts.pop().ok_or("leads out of the repository")?;
                }
                part if part.contains(['\\', '\0']) => return Err("may not hold a backslash or NUL".into()),
                part if part.eq_ignore_ascii_case(".git") => return Err("leads into .git".into()),
                part => parts.push(part),
            }
        }
        Ok(ChartPath(if parts.is_empty() { ".".into() } else { parts.join("/") }))
    }
}

impl fmt::Display for ChartPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The rendered folder of a file's raw manifests: its path below the environment without extension, `/` as `_`,
/// and every character but ASCII letters, digits, `-`, `_` and `.` as `-`.
pub fn raw_folder(path_below_env: &str) -> Result<String, String> {
    let stem = path_below_env.rsplit_once('.').map_or(path_below_env, |(stem, _)| stem);
    let folder: String = stem
        .chars()
        .map(|c| match c {
            '/' => '_',
            c if c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.') => c,
            _ => '-',
        })
        .collect();
    let folder = if folder.starts_with('.') || folder.is_empty() { format!("_{folder}") } else { folder };
    if folder.len() > FOLDER_BYTES_MAX {
        return Err(format!("is {} bytes long; at most {FOLDER_BYTES_MAX} are allowed", folder.len()));
    }
    Ok(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_rfc_1123() {
        let long = "a".repeat(54);
        let table = [
            ("web", true, true, true),
            ("web.v2", true, true, false),
            ("0-1", true, true, true),
            ("", false, false, false),
            ("Web", false, false, false),
            ("-web", false, false, false),
            ("web-", false, false, false),
            ("web..x", false, false, false),
            ("web.-x", false, false, false),
            ("a/b", false, false, false),
            ("é", false, false, false),
            (&long, true, false, true),
        ];
        for (text, document, release, namespace) in table {
            assert_eq!(text.parse::<DocumentName>().is_ok(), document, "document {text}");
            assert_eq!(text.parse::<ReleaseName>().is_ok(), release, "release {text}");
            assert_eq!(text.parse::<Namespace>().is_ok(), namespace, "namespace {text}");
        }
    }

    #[test]
    fn chart_paths_are_normalised_and_stay_inside() {
        let table = [
            ("charts/web", Some("charts/web")),
            ("./charts//web/", Some("charts/web")),
            ("/charts/web", Some("charts/web")),
            ("charts/../other", Some("other")),
            ("", Some(".")),
            ("../x", None),
            ("a/../../x", None),
            (".git/hooks", None),
            ("a\\b", None),
        ];
        for (text, expected) in table {
            assert_eq!(text.parse::<ChartPath>().ok().as_ref().map(ChartPath::as_str), expected, "{text}");
        }
    }

    #[test]
    fn raw_folders_are_named_after_their_file() {
        let table = [
            ("web.yaml", "web"),
            ("sub/dir/web.v2.yml", "sub_dir_web.v2"),
            ("my file.yaml", "my-file"),
            ("rate_limit.yaml", "rate_limit"),
        ];
        for (path, expected) in table {
            assert_eq!(raw_folder(path).as_deref(), Ok(expected));
        }
        assert!(raw_folder(&"x".repeat(300)).is_err());
    }
}
