//! One finding for each flag that a person should look at, at a file of the pull request: GitHub's workflow commands and
//! GitLab's Code Quality report.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt::Write as _;

use data_encoding::HEXLOWER;
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use crate::diff::flag::{Flag, Rule, Severity};
use crate::diff::report::{EnvironmentDiff, ObjectDiff, ReleaseDiff, Report};

/// GitHub's workflow commands, one a line, the gravest first: GitHub shows the first ten warnings and errors of a step.
pub fn github(report: &Report) -> String {
    let mut out = String::new();
    for found in annotations(report) {
        let command = if found.flag.severity == Severity::Danger { "error" } else { "warning" };
        let title = property(&format!("{}: {}", found.flag.rule.name(), found.name()));
        let file = found.file.as_deref().map(|file| format!("file={},line=1,", property(file))).unwrap_or_default();
        let _ = writeln!(out, "::{command} {file}title={title}::{}", data(&found.message()));
    }
    out
}

/// GitLab's Code Quality report: a JSON list, empty if there is nothing to look at.
pub fn gitlab(report: &Report) -> String {
    let mut seen: HashMap<String, usize> = HashMap::new();
    let mut list = Vec::new();
    for found in annotations(report) {
        // GitLab drops findings with the same fingerprint and those without a file.
        let Some(path) = &found.file else { continue };
        let (check_name, description) = (found.flag.rule.name(), format!("{}: {}", found.name(), found.message()));
        let mut key = format!("{path}\0{check_name}\0{description}");
        let times = seen.entry(key.clone()).or_default();
        *times += 1;
        let _ = write!(key, "\0{times}");
        list.push(Violation {
            description,
            check_name,
            fingerprint: HEXLOWER.encode(&Sha256::digest(key)),
            severity: if found.flag.severity == Severity::Danger { "critical" } else { "major" },
            location: Location { path: path.clone(), lines: Lines { begin: 1 } },
        });
    }
    let mut text = serde_json::to_string_pretty(&list).expect("texts and numbers can be written as JSON");
    text.push('\n');
    text
}

#[derive(Serialize)]
struct Violation {
    description: String,
    check_name: &'static str,
    fingerprint: String,
    severity: &'static str,
    location: Location,
}

#[derive(Serialize)]
struct Location {
    path: String,
    lines: Lines,
}

#[derive(Serialize)]
struct Lines {
    begin: usize,
}

struct Annotation<'r> {
    environment: &'r EnvironmentDiff,
    release: &'r ReleaseDiff,
    /// None where the flag is about the release.
    object: Option<&'r ObjectDiff>,
    flag: Cow<'r, Flag>,
    /// The rendered file; the release's document where that is gone.
    file: Option<String>,
}

fn annotations(report: &Report) -> Vec<Annotation<'_>> {
    let mut found = Vec::new();
    for (environment, release, object) in report.objects() {
        let path = release.path(environment);
        let file = match &object.files.new {
            Some(file) if path.is_empty() => Some(file.clone()),
            Some(file) => Some(format!("rendered/{path}/{file}")),
            None => release.source.clone(),
        };
        let flags = object.flags.iter().filter(|flag| flag.severity >= Severity::Caution);
        found.extend(flags.map(|flag| Annotation {
            environment,
            release,
            object: Some(object),
            flag: Cow::Borrowed(flag),
            file: file.clone(),
        }));
    }
    for environment in &report.environments {
        for release in environment.releases.iter().filter(|release| release.is_stale) {
            let explanation = "its sources were changed, and rendered/ does not show it: run `kcfg render` and commit";
            let flag = Flag { rule: Rule::Stale, severity: Severity::Caution, explanation: explanation.into() };
            let file = release.source.clone();
            found.push(Annotation { environment, release, object: None, flag: Cow::Owned(flag), file });
        }
    }
    found.sort_by_key(|found| std::cmp::Reverse(found.flag.severity));
    found
}

impl Annotation<'_> {
    fn name(&self) -> String {
        let path = self.release.path(self.environment);
        let blank = if path.is_empty() { "" } else { " " };
        match self.object {
            Some(object) => format!("{path}{blank}{}/{}", object.id.kind, object.id.name),
            None => path,
        }
    }

    fn message(&self) -> String {
        let mut text = self.flag.explanation.clone();
        let template = self.object.and_then(|object| object.template.as_ref());
        for (what, file) in [("template", template), ("release", self.release.source.as_ref())] {
            if let Some(file) = file {
                let _ = write!(text, "\n{what}: {file}");
            }
        }
        text
    }
}

/// A text of a command, with GitHub's escapes.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// A property of a command, with GitHub's escapes.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diff::report::{Sides, Status};

    fn object(name: &str, is_there: bool, flags: &[(Rule, Severity, &str)]) -> ObjectDiff {
        let flag = |(rule, severity, text): &(Rule, Severity, &str)| Flag {
            rule: *rule,
            severity: *severity,
            explanation: (*text).to_owned(),
        };
        ObjectDiff {
            id: format!("apps/Deployment/shop/{name}").parse().expect("an id"),
            status: Status::Changed,
            before: None,
            files: Sides { old: None, new: is_there.then(|| format!("deployment-{name}.yaml")) },
            hashes: Sides::default(),
            template: Some("charts/a/templates/d.yaml".into()),
            changes: Vec::new(),
            flags: flags.iter().map(flag).collect(),
            nodes: Sides::default(),
        }
    }

    fn sample() -> Report {
        let objects = vec![
            object(
                "web",
                true,
                &[
                    (Rule::RestartsPods, Severity::Caution, "50% of pods,\nrestart"),
                    (Rule::ChangesImage, Severity::Info, "not shown"),
                ],
            ),
            object("db", false, &[(Rule::DeletesData, Severity::Danger, "gone")]),
        ];
        let release = ReleaseDiff {
            name: "web".into(),
            source: Some("releases/prod/a,b.yaml".into()),
            objects,
            ..ReleaseDiff::default()
        };
        let environment =
            EnvironmentDiff { name: "prod".into(), releases: vec![release], ..EnvironmentDiff::default() };
        Report { environments: vec![environment], ..Report::default() }
    }

    #[test]
    fn github_gets_a_command_for_each_flag_the_gravest_first() {
        assert_eq!(
            github(&sample()),
            "::error file=releases/prod/a%2Cb.yaml,line=1,title=deletes-data%3A prod/web Deployment/db::gone\
             %0Atemplate: charts/a/templates/d.yaml%0Arelease: releases/prod/a,b.yaml\n\
             ::warning file=rendered/prod/web/deployment-web.yaml,line=1,title=restarts-pods%3A prod/web Deployment/web::\
             50%25 of pods,%0Arestart%0Atemplate: charts/a/templates/d.yaml%0Arelease: releases/prod/a,b.yaml\n"
        );
    }

    #[test]
    fn a_release_that_was_not_rendered_gets_one_of_its_own() {
        let mut report = sample();
        report.environments[0].releases[0].is_stale = true;
        let found = github(&report);
        let line = found.lines().find(|line| line.contains("title=stale")).expect("it is there");
        assert!(line.starts_with("::warning file=releases/prod/a%2Cb.yaml,line=1,title=stale%3A prod/web::"), "{line}");
        assert!(gitlab(&report).contains("run `kcfg render` and commit"));
    }

    #[test]
    fn gitlab_gets_a_list_with_fingerprints_that_differ() {
        let mut report = sample();
        let again = report.environments[0].releases[0].objects[1].clone();
        report.environments[0].releases[0].objects.push(again);
        let list: serde_json::Value = serde_json::from_str(&gitlab(&report)).expect("JSON");
        let field = |name: &str| -> Vec<&str> {
            list.as_array().expect("a list").iter().filter_map(|item| item[name].as_str()).collect()
        };
        assert_eq!(field("severity"), ["critical", "critical", "major"]);
        assert_eq!(field("check_name"), ["deletes-data", "deletes-data", "restarts-pods"]);
        assert_eq!(list[2]["location"]["path"], "rendered/prod/web/deployment-web.yaml");
        assert_eq!(list[2]["location"]["lines"]["begin"], 1);
        let fingerprints: std::collections::HashSet<&str> = field("fingerprint").into_iter().collect();
        assert_eq!(fingerprints.len(), 3);
        assert_eq!(gitlab(&Report::default()), "[]\n");
    }
}
