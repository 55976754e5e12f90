//! Rules of release documents: one name for file, document and release; charts' URLs that a deploy key can read.

use std::collections::HashMap;

use crate::error::{Diagnostic, Place, RuleName};
use crate::pipeline::EnvironmentPlan;
use crate::release::{ChartRef, Release};

/// Findings of an environment's releases.
pub fn check(plan: &EnvironmentPlan) -> Vec<(String, Diagnostic)> {
    let mut in_file: HashMap<&str, usize> = HashMap::new();
    plan.releases.iter().for_each(|release| *in_file.entry(&release.source.name).or_default() += 1);
    let findings = |release: &Release| {
        let name = format!("{}/{}", plan.name, release.name);
        // A file of several releases cannot be called like each of them.
        let file_name = if in_file[&*release.source.name] == 1 { file_name(release) } else { None };
        let found = [file_name, release_name(release), chart_url(release)];
        found.into_iter().flatten().map(move |finding| (name.clone(), finding)).collect::<Vec<_>>()
    };
    plan.releases.iter().flat_map(findings).collect()
}

fn at(finding: Diagnostic, place: &Place) -> Diagnostic {
    finding.at(&place.source, place.span)
}

fn file_name(release: &Release) -> Option<Diagnostic> {
    let path = &release.source.name;
    let file = path.rsplit('/').next().unwrap_or(path);
    let (stem, extension) = file.rsplit_once('.').unwrap_or((file, ""));
    let name = release.name.as_str();
    if stem == name {
        return None;
    }
    let finding = Diagnostic::warning(format!("the release {name} stands in a file called {file}"))
        .help(format!("call the file {name}.{extension}, so that it is found by the release's name"))
        .rule(RuleName::FileName);
    Some(at(finding, &release.place))
}

fn release_name(release: &Release) -> Option<Diagnostic> {
    let (name, other) = (release.name.as_str(), release.release_name.as_str());
    if name == other {
        return None;
    }
    let finding = Diagnostic::warning(format!("the release {name} calls its objects after another name: {other}"))
        .help(format!("write `releaseName: {name}`; for a release that is installed already that renames its objects"))
        .rule(RuleName::ReleaseName);
    Some(at(finding, &release.place))
}

fn chart_url(release: &Release) -> Option<Diagnostic> {
    let ChartRef::Path(chart) = &release.chart else { return None };
    let (url, place) = (chart.git.as_ref()?, chart.git_place.as_ref()?);
    let text = url.as_str().trim();
    let scheme = text.split_once("://").map(|(scheme, _)| scheme.to_ascii_lowercase());
    let is_ssh = match scheme.as_deref() {
        Some(scheme) => matches!(scheme, "ssh" | "git+ssh" | "ssh+git"),
        // scp's way, `git@host:path`; anything else without a scheme is a folder.
        None => text.split_once(':').is_some_and(|(host, _)| host.contains('@') && !host.contains('/')),
    };
    if is_ssh {
        return None;
    }
    let help = match crate::repo::RepositoryUrl::parse(text) {
        url @ crate::repo::RepositoryUrl::Network { .. } => format!("write it so: `git: {}`", url.to_url()),
        crate::repo::RepositoryUrl::Local(_) => "write it so: `git: git@host:group/project.git`".to_owned(),
    };
    // The URL itself may hold a password, so the message does not repeat it; the line is shown as it is.
    let finding = Diagnostic::warning("the chart's Git URL is no SSH URL").help(help).rule(RuleName::ChartUrl);
    Some(at(finding, place))
}
