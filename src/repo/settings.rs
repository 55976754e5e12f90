//! kcfg.yaml, the settings of a repository. All of it is optional, and so is the file.

use std::path::Path;
use std::sync::Arc;

use super::git::Git;
use super::glob::PathGlob;
use super::lock::CommitId;
use super::regular::read_own;
use super::selector::Selector;
use crate::error::{Diagnostic, Place, Source};
use crate::yaml::fields::{Fields, Text, present};
use crate::yaml::{self, DuplicateKeys, Map, ReadOptions};

/// The name of the file.
pub const SETTINGS_FILE: &str = "kcfg.yaml";
/// Bytes of kcfg.yaml, and of kcfg.lock.
pub const SETTINGS_BYTES_MAX: u64 = 4 << 20;

const KEYS: [&str; 8] = ["kcfg", "branch", "kubeVersion", "apiVersions", "repository", "skip", "ignore", "diff"];

/// What kcfg.yaml says.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// The file's text, which the spans of the other fields point into; none if there is no file.
    pub source: Option<Arc<Source>>,
    /// The branch whose name in a chart's `ref` means the working tree.
    pub branch: Option<Text>,
    /// The Kubernetes version to render for where the environment names none.
    pub kube_version: Option<Text>,
    /// API versions to render for, beside the built-in ones.
    pub api_versions: Vec<Text>,
    /// The URL of this repository, as releases write it.
    pub repository: Option<Text>,
    /// Releases that are not rendered.
    pub skip: Vec<Skip>,
    /// Files below releases/ that are not read.
    pub ignore: Vec<PathGlob>,
    /// Places of objects whose changes `kcfg diff` leaves out (`diff.ignore`).
    pub diff_ignore: Vec<Text>,
}

/// Releases that are not rendered, and why.
#[derive(Debug, Clone)]
pub struct Skip {
    /// `env/release`, with globs.
    pub selector: Selector,
    /// Why, as every run reports it.
    pub reason: String,
    /// Where it was written.
    pub place: Place,
}

impl Settings {
    /// Reads the file below `root`, if it is there; a symbolic link may not lead out of `top`.
    ///
    /// # Errors
    /// It cannot be read, holds a key that nobody knows, or asks for a newer kcfg.
    pub fn read(root: &Path, top: &Path) -> Result<Settings, Diagnostic> {
        match read_own(root, SETTINGS_FILE, top, SETTINGS_BYTES_MAX, "SETTINGS_BYTES_MAX")? {
            None => Ok(Settings::default()),
            Some(bytes) => Settings::parse(&yaml::decode(&bytes, SETTINGS_FILE)?),
        }
    }

    /// The settings of a commit of a repository that lies below `prefix` in Git's.
    ///
    /// # Errors
    /// As for [`Settings::read`], or an object is missing or damaged.
    pub fn of_commit(git: &Git, commit: &CommitId, prefix: &str) -> Result<Settings, Diagnostic> {
        let root = git.folder_entries(commit, prefix.trim_end_matches('/'))?.unwrap_or_default();
        let at = format!("{}:{prefix}{SETTINGS_FILE}", commit.short());
        match root.iter().find(|entry| entry.name == SETTINGS_FILE) {
            Some(entry) => Settings::parse(&yaml::decode(&git.blob(entry.id, &at)?, SETTINGS_FILE)?),
            None => Ok(Settings::default()),
        }
    }

    /// Reads the settings from a text.
    ///
    /// # Errors
    /// As for [`Settings::read`]; further findings are notes of the first one.
    pub fn parse(source: &Arc<Source>) -> Result<Settings, Diagnostic> {
        let options = ReadOptions { duplicate_keys: DuplicateKeys::Error, ..ReadOptions::default() };
        let document = yaml::read(source, &options)?;
        let mut settings = Settings { source: Some(source.clone()), ..Settings::default() };
        if document.node.is_null() {
            return Ok(settings);
        }
        let mut fields = Fields::new(source);
        if let Some(map) = document.node.as_map() {
            // Before all else: a newer version's keys would only be unknown ones.
            if let Some(wanted) = fields.text(map, "", "kcfg") {
                check_version(&mut fields, &wanted, env!("CARGO_PKG_VERSION"));
            }
            if fields.errors.is_empty() {
                settings.read_keys(&mut fields, map);
            }
        } else {
            fields.wrong_kind(&document.node, SETTINGS_FILE, "a mapping");
        }
        let mut errors = fields.errors.into_iter();
        let Some(first) = errors.next() else { return Ok(settings) };
        Err(errors.fold(first, |first, other| {
            let help = other.help.map(|help| format!(" ({help})")).unwrap_or_default();
            first.note(format!("{}{help}", other.message), other.place)
        }))
    }

    /// Why a release is skipped, if it is.
    pub fn skip_of(&self, environment: &str, release: &str) -> Option<&Skip> {
        self.skip.iter().find(|skip| skip.selector.matches_release(environment, release))
    }

    /// Whether a file (its path from the root, with `/`) is ignored.
    pub fn is_ignored(&self, path: &str) -> bool {
        self.ignore.iter().any(|glob| glob.matches(path))
    }

    fn read_keys(&mut self, fields: &mut Fields, map: &Map) {
        fields.known(map, "", &KEYS);
        self.branch = fields.text(map, "", "branch");
        self.kube_version = fields.text(map, "", "kubeVersion");
        self.api_versions = fields.texts(map, "", "apiVersions");
        self.repository = fields.text(map, "", "repository");
        for pattern in fields.texts(map, "", "ignore") {
            match pattern.as_str().parse() {
                Ok(glob) => self.ignore.push(glob),
                Err(why) => {
                    fields.error(pattern.span, format!("the pattern `{pattern}` {why}"));
                }
            }
        }
        if let Some(diff) = fields.map(map, "", "diff") {
            fields.known(diff, "diff", &["ignore"]);
            self.diff_ignore = fields.texts(diff, "diff", "ignore");
        }
        let Some(skip) = fields.map(map, "", "skip") else { return };
        for (key, entry) in skip {
            let place = fields.place(entry.key_span);
            let reason = present(skip, key).and_then(|node| fields.as_text(node, &format!("skip.{key}")));
            let selector = match key.parse::<Selector>() {
                Ok(selector) if selector.is_within_release() => {
                    fields.error_help(
                        entry.key_span,
                        format!("`{key}` names objects; only whole releases can be skipped"),
                        "write `env/release: reason`",
                    );
                    continue;
                }
                Ok(selector) => selector,
                Err(error) => {
                    fields.error(entry.key_span, error.message).help = error.help;
                    continue;
                }
            };
            match reason {
                Some(reason) if !reason.text.trim().is_empty() => {
                    self.skip.push(Skip { selector, reason: reason.to_string(), place });
                }
                Some(_) => fields.error_help(
                    entry.key_span,
                    format!("`skip.{key}` gives no reason"),
                    "say why, for those who read the report",
                ),
                None if present(skip, key).is_none() => {
                    fields.error_help(
                        entry.key_span,
                        format!("`skip.{key}` gives no reason"),
                        "say why, for those who read the report",
                    );
                }
                None => {}
            }
        }
    }
}

/// `>=X[.Y[.Z]]` against the version of this binary.
fn check_version(fields: &mut Fields, wanted: &Text, version: &str) {
    let numbers = |text: &str| -> Option<[u64; 3]> {
        let mut found = [0; 3];
        let core = text.trim().trim_start_matches('v').split(['-', '+']).next()?;
        let parts: Vec<&str> = core.split('.').collect();
        if parts.len() > 3 {
            return None;
        }
        for (slot, part) in found.iter_mut().zip(parts) {
            *slot = part.parse().ok()?;
        }
        Some(found)
    };
    let minimum = wanted.as_str().trim().strip_prefix(">=").and_then(numbers);
    match (minimum, numbers(version)) {
        (None, _) => fields.error_help(
            wanted.span,
            format!("`kcfg: {wanted}` is no lowest version"),
            format!("write it so: `kcfg: \">={version}\"`"),
        ),
        (Some(minimum), Some(own)) if own < minimum => fields.error_help(
            wanted.span,
            format!("this repository needs kcfg {wanted}; this is kcfg {version}"),
            "install a newer kcfg; an older one could render differently",
        ),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Settings, String> {
        Settings::parse(&Source::new(SETTINGS_FILE, text)).map_err(|error| error.to_string())
    }

    #[test]
    fn all_keys_are_read() {
        let settings = parse(
            "kcfg: '>=0.1'\nbranch: main\nkubeVersion: v1.33.0\napiVersions: [a.example/v1]\n\
             repository: git@host:a/b.git\nskip: {prod/web: not ours, 'staging/*': later}\nignore: [x.yaml]\n",
        )
        .expect("good settings");
        assert_eq!(settings.branch.as_ref().map(Text::as_str), Some("main"));
        assert_eq!(settings.kube_version.as_ref().map(Text::as_str), Some("v1.33.0"));
        assert_eq!(settings.api_versions.len(), 1);
        assert_eq!(settings.skip_of("prod", "web").map(|skip| &*skip.reason), Some("not ours"));
        assert_eq!(settings.skip_of("staging", "any").map(|skip| &*skip.reason), Some("later"));
        assert!(settings.skip_of("prod", "api").is_none());
        assert!(settings.is_ignored("releases/prod/x.yaml"));
        assert!(parse("# nothing\n").is_ok_and(|settings| settings.skip.is_empty()));
    }

    #[test]
    fn errors_say_what_and_where() {
        let table = [
            ("brnch: main\n", "kcfg.yaml:1:1", "did you mean `branch`?"),
            ("branch: main\nkubeVersion: 1.30\n", "kcfg.yaml:2:14", "write it in quotes"),
            ("kcfg: '>=99'\nnewKey: 1\n", "kcfg.yaml:1:7", "this repository needs kcfg >=99"),
            ("kcfg: '1.0'\n", "kcfg.yaml:1:7", "is no lowest version"),
            ("skip: {prod/web: ''}\n", "kcfg.yaml:1:8", "gives no reason"),
            ("skip: {prod/web: }\n", "kcfg.yaml:1:8", "gives no reason"),
            ("skip: {prod/web/Service: x}\n", "kcfg.yaml:1:8", "only whole releases"),
            ("skip: {'a{': x}\n", "kcfg.yaml:1:8", "without its `}`"),
            ("ignore: ['[a']\n", "kcfg.yaml:1:10", "without its `]`"),
            ("- 1\n", "kcfg.yaml:1:1", "has to be a mapping"),
            ("branch: a\nbranch: b\n", "kcfg.yaml:2:1", "branch"),
        ];
        for (text, place, what) in table {
            let error = parse(text).expect_err(text);
            assert!(error.contains(place) && error.contains(what), "{text}: {error}");
        }
    }

    #[test]
    fn versions_compare_by_number() {
        let mut fields = Fields::new(&Source::new("x", ""));
        let mut is_enough = |wanted: &str, version: &str| {
            fields.errors.clear();
            let span = crate::error::Span::new(0, 0);
            check_version(&mut fields, &Text { text: wanted.into(), span }, version);
            fields.errors.is_empty()
        };
        assert!(is_enough(">=0.1", "0.1.0"));
        assert!(is_enough(">= 0.9.3", "0.10.0"));
        assert!(is_enough(">=v1", "1.0.0-rc1"));
        assert!(!is_enough(">=0.2", "0.1.9"));
        assert!(!is_enough("~1", "1.0.0"));
    }
}
