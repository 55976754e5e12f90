//! `kcfg apply ENV --watch`: its arguments, and the lines of its log.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Map, Value};

use crate::cluster::{
    self, Credentials, GitCredentials, GitReport, LogLine, RemoteOptions, SyncOptions, Target, WatchOptions,
};
use crate::error::{Diagnostic, io_help, reason, visible};
use crate::post::{StatusForge, StatusTarget};

use super::{Output, Status, process};

/// The longest file that is read for a key, a token or a secret.
const SECRET_BYTES_MAX: u64 = 1 << 20;
/// The shortest time between two polls.
const POLL_MIN: u64 = 5;

/// What only `--watch` has.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "With --watch")]
pub struct WatchArgs {
    /// Keep the cluster equal to a Git repository's ref until the process is told to stop
    #[arg(long, requires = "git_url", conflicts_with_all = ["dry_run"])]
    watch: bool,
    /// The repository's address: ssh://git@host/owner/name.git or https://host/owner/name.git
    #[arg(long, value_name = "URL", requires = "watch")]
    git_url: Option<String>,
    /// A file with the token for HTTPS
    #[arg(long, value_name = "FILE", requires = "watch", conflicts_with = "git_ssh_key_file")]
    git_token_file: Option<PathBuf>,
    /// A file with the deploy key for SSH: Ed25519 or ECDSA, without a passphrase
    #[arg(long, value_name = "FILE", requires = "git_known_hosts_file")]
    git_ssh_key_file: Option<PathBuf>,
    /// A known_hosts file with the Git server's key
    #[arg(long, value_name = "FILE", requires = "watch")]
    git_known_hosts_file: Option<PathBuf>,
    /// A file with further certificate authorities for HTTPS, in PEM
    #[arg(long, value_name = "FILE", requires = "watch")]
    git_ca_file: Option<PathBuf>,
    /// Tell the Git server how the environment stands; the key or token needs the right to write (docs/status.md)
    #[arg(long, value_name = "HOW", value_enum, value_delimiter = ',', requires = "watch")]
    git_report: Vec<ReportArg>,
    /// The forge's API for commit statuses (default: the usual one of the host of --git-url)
    #[arg(long, value_name = "URL", requires = "git_report")]
    git_report_api: Option<String>,
    /// A file with the token for commit statuses (default: that of --git-token-file)
    #[arg(long, value_name = "FILE", requires = "git_report")]
    git_report_token_file: Option<PathBuf>,
    /// A folder for fetched commits (default: the one for temporary files)
    #[arg(long, value_name = "DIR", requires = "watch")]
    cache_dir: Option<PathBuf>,
    /// How often the Git server is asked, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(POLL_MIN..))]
    poll: u64,
    /// Where /webhook, /healthz, /readyz and /metrics are served, as in 0.0.0.0:8080
    #[arg(long, value_name = "ADDRESS:PORT", requires = "watch")]
    listen: Option<String>,
    /// A file with the secret that webhooks are signed with
    #[arg(long, value_name = "FILE", requires = "listen")]
    webhook_secret_file: Option<PathBuf>,
    /// How the log is written
    #[arg(long, value_enum, default_value_t)]
    log_format: LogFormat,
}

/// How the Git server is told of how the environment stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum ReportArg {
    /// By the tag kcfg-sync-ENV on the applied commit
    Tag,
    /// By the status kcfg/ENV of the commit, on GitHub
    Github,
    /// By the status kcfg/ENV of the commit, on GitLab
    Gitlab,
    /// By the status kcfg/ENV of the commit, on Gitea or Forgejo
    Gitea,
}

impl ReportArg {
    /// As it is written.
    pub fn word(self) -> &'static str {
        match self {
            ReportArg::Tag => "tag",
            ReportArg::Github => "github",
            ReportArg::Gitlab => "gitlab",
            ReportArg::Gitea => "gitea",
        }
    }
}

/// How the log is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
enum LogFormat {
    /// A line with words and `name=value`
    #[default]
    Text,
    /// A JSON object a line
    Json,
}

impl WatchArgs {
    /// Whether the loop is asked for.
    pub fn is_given(&self) -> bool {
        self.watch
    }

    /// Runs the loop until the process is told to stop.
    pub fn run(
        &self,
        environment: &str,
        reference: Option<&str>,
        target: Target,
        sync: SyncOptions,
    ) -> Result<Status, Vec<Diagnostic>> {
        let read = |file: &Option<PathBuf>| file.as_deref().map(read).transpose().map_err(|error| vec![error]);
        let certificates = read(&self.git_ca_file)?.map(String::into_bytes);
        let webhook_secret = read(&self.webhook_secret_file)?;
        let remote = RemoteOptions {
            url: self.git_url.clone().unwrap_or_default(),
            reference: reference.unwrap_or("HEAD").to_owned(),
            certificates,
            cache_folder: self.cache_dir.clone().unwrap_or_else(std::env::temp_dir),
            credentials: self.credentials(),
        };
        // What is wrong with the files is said at once, not at the first poll.
        (remote.credentials)().map_err(|error| vec![error])?;
        let git_reports: Result<Vec<GitReport>, Diagnostic> =
            self.git_report.iter().map(|arg| self.report(*arg)).collect();
        let git_reports = git_reports.map_err(|error| vec![error])?;
        let token = self.git_report_token_file.clone().or_else(|| self.git_token_file.clone());
        let report_credentials: Credentials = Arc::new(move || match &token {
            Some(token) => Ok(GitCredentials::Token(self::read(token)?)),
            None => Err(Diagnostic::error("commit statuses need a token, as a forge's API knows no deploy keys")
                .help("name it with --git-report-token-file")),
        });
        if git_reports.iter().any(|report| *report != GitReport::Tag) {
            report_credentials().map_err(|error| vec![error])?;
        }
        let format = self.log_format;
        let options = WatchOptions {
            environment: environment.to_owned(),
            target,
            sync,
            remote,
            poll: Duration::from_secs(self.poll),
            git_reports,
            report_credentials,
            listen: self.listen.clone(),
            webhook_secret,
            contender: process::contender().map_err(|error| vec![error])?,
            // Lines come from several threads, each with its own streams.
            log: Arc::new(move |line| Output::new().line(&shown(line, format, Timestamp::now()))),
        };
        cluster::follow(options)?;
        Ok(Status::Fine)
    }

    fn report(&self, arg: ReportArg) -> Result<GitReport, Diagnostic> {
        let forge = match arg {
            ReportArg::Tag => return Ok(GitReport::Tag),
            ReportArg::Github => StatusForge::GitHub,
            ReportArg::Gitlab => StatusForge::GitLab,
            ReportArg::Gitea => StatusForge::Gitea,
        };
        let url = self.git_url.as_deref().unwrap_or_default();
        StatusTarget::new(forge, url, self.git_report_api.as_deref()).map(GitReport::CommitStatus)
    }

    fn credentials(&self) -> Credentials {
        let (token, key, known_hosts) =
            (self.git_token_file.clone(), self.git_ssh_key_file.clone(), self.git_known_hosts_file.clone());
        Arc::new(move || {
            Ok(match (&token, &key, &known_hosts) {
                (Some(token), _, _) => GitCredentials::Token(read(token)?),
                (None, Some(key), Some(known_hosts)) => {
                    GitCredentials::Ssh { key: read(key)?, known_hosts: read(known_hosts)? }
                }
                _ => GitCredentials::None,
            })
        })
    }
}

fn read(path: &Path) -> Result<String, Diagnostic> {
    let read = || {
        if fs::metadata(path)?.len() > SECRET_BYTES_MAX {
            return Err(io::Error::from(io::ErrorKind::FileTooLarge));
        }
        fs::read_to_string(path)
    };
    read().map_err(|error| {
        Diagnostic::error(format!("the file cannot be read: {}", reason(&error)))
            .at_file(path.display().to_string())
            .help(io_help(&error))
    })
}

/// A line of the log.
fn shown(line: &LogLine, format: LogFormat, now: Timestamp) -> String {
    match format {
        LogFormat::Text => {
            let mut text = format!("{now:.3} {:<5} {}", line.level, line.message);
            for (name, value) in &line.fields {
                let is_plain =
                    !value.is_empty() && value.chars().all(|c| !c.is_whitespace() && c != '"' && !c.is_control());
                let value = if is_plain { value.clone() } else { Value::from(value.as_str()).to_string() };
                text.push_str(&format!(" {name}={value}"));
            }
            visible(&text).into_owned()
        }
        LogFormat::Json => {
            let mut object = Map::default();
            object.insert("time".into(), format!("{now:.3}").into());
            object.insert("level".into(), line.level.into());
            object.insert("message".into(), line.message.into());
            object.extend(line.fields.iter().map(|(name, value)| ((*name).to_owned(), value.as_str().into())));
            Value::Object(object).to_string()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_the_log() {
        let now: Timestamp = "2026-01-02T03:04:05.6789Z".parse().unwrap();
        let fields = vec![("commit", "3f9a".to_owned()), ("error", "a \"b\"\nc".to_owned())];
        let line = LogLine { level: "warn", message: "fetching failed", fields };
        assert_eq!(
            shown(&line, LogFormat::Text, now),
            r#"2026-01-02T03:04:05.678Z warn  fetching failed commit=3f9a error="a \"b\"\nc""#
        );
        assert_eq!(
            shown(&line, LogFormat::Json, now),
            r#"{"time":"2026-01-02T03:04:05.678Z","level":"warn","message":"fetching failed","commit":"3f9a","error":"a \"b\"\nc"}"#
        );
    }
}
