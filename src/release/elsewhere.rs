//! The error for a release whose chart is not in this repository: what it is, and how to bring it here by hand.

use super::{ChartRef, Format, Release};
use crate::error::Diagnostic;

impl Release {
    /// Why the release of environment `env` cannot be rendered: its chart is in a chart repository, or in another Git
    /// repository (called `repository`, as shown to the user) than this one.
    pub fn chart_is_elsewhere(&self, env: &str, repository: &str) -> Diagnostic {
        let skip = format!("or list `{env}/{}: REASON` under `skip` in kcfg.yaml", self.name);
        match &self.chart {
            ChartRef::Path(chart) => {
                let folder = chart.path.as_str().rsplit('/').next().filter(|name| *name != ".").unwrap_or("NAME");
                let at = chart.reference.as_ref().map(|text| format!(" at {text}")).unwrap_or_default();
                let place = chart.git_place.as_ref().unwrap_or(&chart.place);
                Diagnostic::error(format!("the chart of {} is in another Git repository: {repository}{at}", self.name))
                    .at(&place.source, place.span)
                    .help(format!(
                        "copy its folder {} to charts/{folder} and write {}; {skip}",
                        chart.path,
                        self.path_example(folder)
                    ))
            }
            ChartRef::Remote(chart) => {
                let name = match chart.name.as_str() {
                    "" => chart.repository.as_str().trim_end_matches('/').rsplit('/').next().unwrap_or("NAME"),
                    name => name,
                };
                let version = chart.version.as_ref().map(|text| format!(" {text}")).unwrap_or_default();
                let flag = chart.version.as_ref().map(|text| format!(" --version {text}")).unwrap_or_default();
                let url = without_password(chart.repository.as_str());
                let pull = if url.starts_with("oci://") {
                    let url = url.trim_end_matches('/');
                    let url = if chart.name.as_str().is_empty() { url.to_string() } else { format!("{url}/{name}") };
                    format!("helm pull {url}{flag} --untar -d charts")
                } else {
                    format!("helm pull {name} --repo {url}{flag} --untar -d charts")
                };
                Diagnostic::error(format!(
                    "the chart of {} is in a chart repository: {name}{version} of {url}",
                    self.name
                ))
                .at(&chart.place.source, chart.place.span)
                .help(format!("`{pull}` brings it here, then write {}; {skip}", self.path_example(name)))
            }
        }
    }

    /// How a release of this format names a chart of this repository.
    fn path_example(&self, folder: &str) -> String {
        match self.format {
            Format::HelmOperator => format!("`chart: {{path: charts/{folder}}}`"),
            Format::Kcfg => format!("`chart: charts/{folder}`"),
            Format::Flux => format!("a kcfg.dev/v1 Release with `chart: charts/{folder}`"),
        }
    }
}

/// A URL without user and password.
fn without_password(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_string() };
    let end = rest.find('/').unwrap_or(rest.len());
    match rest[..end].rsplit_once('@') {
        Some((_, host)) => format!("{scheme}://{host}{}", &rest[end..]),
        None => url.to_string(),
    }
}
