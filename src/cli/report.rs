//! How the report of `kcfg diff` is written.

use crate::diff::Report;
use crate::diff::write;
use crate::diff::write::markdown::{self, COMMENT_CHARS_MAX, LIMIT_CHARS_MIN, URL_CHARS_MAX};

/// How a report is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// For people, in a terminal
    #[default]
    Text,
    /// One JSON document (docs/diff.schema.json)
    Json,
    /// A comment for a pull request; folds the least important where it would grow over --limit
    Markdown,
    /// One page to open in a browser or keep as an artefact; it needs nothing beside itself
    Html,
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
    /// Characters that the Markdown report may have
    #[arg(long, value_name = "N", default_value_t = COMMENT_CHARS_MAX, value_parser = limit)]
    pub limit: usize,
    /// Where the full report is, for the Markdown report to link to
    #[arg(long, value_name = "URL", value_parser = address)]
    pub report_url: Option<String>,
}

fn limit(text: &str) -> Result<usize, String> {
    let number: usize = text.parse().map_err(|_| "it is not a number".to_owned())?;
    if number < LIMIT_CHARS_MIN { Err(format!("at least {LIMIT_CHARS_MIN} are needed")) } else { Ok(number) }
}

fn address(text: &str) -> Result<String, String> {
    let is_web = ["https://", "http://"].iter().any(|scheme| text.starts_with(scheme));
    if !is_web {
        return Err("it must begin with https:// or http://".into());
    }
    if text.chars().count() > URL_CHARS_MAX {
        return Err(format!("it has more than {URL_CHARS_MAX} characters"));
    }
    Ok(text.to_owned())
}

impl ReportArgs {
    /// The report as a text; none for the terminal's form, which depends on the terminal.
    /// `is_stat` leaves the details out, `is_full` shows objects that came or went whole.
    pub fn written(&self, report: &Report, is_stat: bool, is_full: bool) -> Option<String> {
        Some(match self.format {
            Format::Text => return None,
            Format::Markdown => write::markdown::report(report, &self.markdown(is_stat, is_full)),
            Format::Html => write::html::report(report),
            Format::Json => write::json::report(report),
            Format::Github => write::annotation::github(report),
            Format::Gitlab => write::annotation::gitlab(report),
        })
    }

    /// How the Markdown report is written.
    pub fn markdown(&self, is_stat: bool, is_full: bool) -> markdown::Options {
        markdown::Options { limit: self.limit, report_url: self.report_url.clone(), is_stat, is_full }
    }
}
