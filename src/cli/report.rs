//! How the report of `kcfg diff` is written.

use crate::diff::Report;
use crate::diff::write;

/// How a report is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// For people, in a terminal
    #[default]
    Text,
    /// One JSON document (docs/diff.schema.json)
    Json,
    /// GitHub's workflow commands, which annotate the files of a pull request with what to look at
    Github,
    /// GitLab's Code Quality report: the same for a merge request
    Gitlab,
}

/// The options that say how a report is written.
#[derive(Debug, clap::Args)]
pub struct ReportArgs {
    /// How the report is written
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}

impl ReportArgs {
    /// The report as a text; none for the terminal's form, which depends on the terminal.
    pub fn written(&self, report: &Report) -> Option<String> {
        Some(match self.format {
            Format::Text => return None,
            Format::Json => write::json::report(report),
            Format::Github => write::annotation::github(report),
            Format::Gitlab => write::annotation::gitlab(report),
        })
    }
}
