//! Which folder, of the working tree or of a commit, a release's chart is.

use crate::error::Diagnostic;
use crate::release::{ChartRef, EnvironmentDocs, PathChart, Release, RemoteChart};
use crate::repo::Repository;

use super::ChartSource;

/// Resolves the charts of releases.
pub struct Resolver<'r> {
    repository: &'r Repository,
}

impl<'r> Resolver<'r> {
    pub fn new(
        repository: &'r Repository,
        _docs: &[EnvironmentDocs],
        _update_refs: bool,
        _warnings: &mut Vec<Diagnostic>,
    ) -> Result<Resolver<'r>, Diagnostic> {
        Ok(Resolver { repository })
    }

    /// The chart of a release.
    pub fn chart(&mut self, docs: &EnvironmentDocs, release: &Release) -> Result<ChartSource, Box<Diagnostic>> {
        let _ = (docs, self.repository);
        match &release.chart {
            ChartRef::Remote(chart) => Err(Box::new(remote(chart))),
            ChartRef::Path(chart) => Ok(working_tree(chart)),
        }
    }
}

fn working_tree(chart: &PathChart) -> ChartSource {
    ChartSource { path: chart.path.to_string(), commit: None }
}

fn remote(chart: &RemoteChart) -> Diagnostic {
    let RemoteChart { repository, name, version, place } = chart;
    let version = version.as_ref().map_or(String::new(), |version| format!(" {version}"));
    let shown =
        if name.as_str().is_empty() { repository.to_string() } else { format!("{name}{version} of {repository}") };
    let folder = if name.as_str().is_empty() { "NAME" } else { name.as_str() };
    Diagnostic::error(format!("the chart {shown} is not in this repository"))
        .at(&place.source, place.span)
        .help(format!(
            "unpack it to charts/{folder} (helm pull --untar), commit it and set `chart: {{path: charts/{folder}}}`; or leave the release out with `skip` in kcfg.yaml"
        ))
}
