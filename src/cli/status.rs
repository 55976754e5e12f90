//! `kcfg status`: how environments stand, as a cluster's records say it, or as Git was told (`from_git`). The first line
//! says whether all is well; then a table, and of what is not well what it is, why, and what to do.

mod changes;
mod from_git;
mod json;
mod screen;
mod shown;
mod text;
mod watch;

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;

use crate::cluster;
use crate::cluster::status::EnvironmentState;
use crate::error::{Diagnostic, visible};
use crate::repo::{CommitId, Git, Lag, Repository, Selector};

use super::suspend::{ClusterArgs, duration};
use super::{Output, Status};
use json::json;
use shown::Shown;
use text::text;

/// How the environments stand
///
/// Reads what the applier recorded in the cluster, or told in Git, and changes nothing.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// What to show: ENV[/RELEASE[/KIND[/NAME]]], each part a glob (default: everything)
    #[arg(value_name = "SELECTOR")]
    selector: Option<Selector>,
    #[command(flatten)]
    cluster: ClusterArgs,
    /// As the tags kcfg-sync-* of this clone tell it, without a cluster
    #[arg(long, conflicts_with_all = ["kubeconfig", "context"])]
    from_git: bool,
    /// Go on looking: on a terminal what changes is drawn anew, else each change is a line
    #[arg(long)]
    watch: bool,
    /// How it is written
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// Exit with 1 where something is not well
    #[arg(long)]
    exit_code: bool,
    /// How long a commit of the branch may wait before that is not well: 30m, 2h
    #[arg(long, value_name = "TIME", value_parser = duration)]
    max_lag: Option<Duration>,
}

/// How it is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// For people
    #[default]
    Text,
    /// One JSON document; with --watch one a line, for each environment that changes
    Json,
}

pub fn run(dir: &Path, args: &Args, output: &Output) -> Result<Status, Vec<Diagnostic>> {
    let single = |error| vec![error];
    // Without a repository the cluster's own records are all there is to show.
    let repository = Repository::discover(dir).ok();
    if args.watch {
        return watch::run(args, repository.as_ref(), output).map_err(single);
    }
    let git = match args.from_git {
        true => Some(from_git::clone(dir, repository.as_ref()).map_err(single)?),
        false => repository.as_ref().and_then(|repository| repository.git().ok().flatten().cloned()),
    };
    let found = match &git {
        Some(git) if args.from_git => {
            from_git::states(git, repository.as_ref(), args.selector.as_ref()).map_err(single)?
        }
        _ => recorded(args, repository.as_ref()).map_err(single)?.into_iter().map(|state| (state, None)).collect(),
    };
    let now = Timestamp::now();
    let shown: Vec<Shown> = found
        .into_iter()
        .map(|(state, trouble)| {
            let lag = git.as_ref().and_then(|git| lag(git, &state));
            Shown::of(state, lag, args.max_lag, trouble, now)
        })
        .collect();
    match args.format {
        Format::Json => output.line(&json(&shown, now).to_string()),
        Format::Text => text(&shown, args.from_git, now).lines().for_each(|line| output.line(&visible(line))),
    }
    Ok(if args.exit_code && !shown::is_well(&shown) { Status::Findings } else { Status::Fine })
}

/// What the cluster has recorded of the environments that are asked for.
fn recorded(args: &Args, repository: Option<&Repository>) -> Result<Vec<EnvironmentState>, Diagnostic> {
    let found = cluster::status(&args.cluster.target(), &environment_names(repository), args.selector.as_ref())?;
    asked(&found, args.selector.as_ref())?;
    Ok(found)
}

/// The environments of the repository that one stands in.
fn environment_names(repository: Option<&Repository>) -> BTreeSet<String> {
    let found = repository.and_then(|repository| repository.environments().ok());
    found.into_iter().flat_map(|found| found.names).collect()
}

/// Refuses a selector that names nothing of what was found.
fn asked(found: &[EnvironmentState], selector: Option<&Selector>) -> Result<(), Diagnostic> {
    let Some(selector) = selector else { return Ok(()) };
    if found.is_empty() {
        let help = "`kcfg status` shows what the cluster has; name another one with --context";
        return Err(Diagnostic::error(format!("`{selector}` matches no environment of this cluster")).help(help));
    }
    if !selector.is_whole_environments() && !found.iter().any(EnvironmentState::has_anything) {
        let is_release = |state: &EnvironmentState| {
            state.left_out.iter().any(|release| selector.matches_release(&state.name, release))
        };
        if found.iter().any(is_release) {
            let error = Diagnostic::error(format!("`{selector}` matches no object that was applied"));
            return Err(error.help("`kcfg status ENV/RELEASE` shows the release; the rendered tree has its objects"));
        }
        let environments = found.iter().map(|state| state.name.as_str());
        let releases = found.iter().flat_map(|state| state.left_out.iter().map(String::as_str));
        return Err(selector.matches_nothing(environments, releases));
    }
    Ok(())
}

/// How far an environment is behind its branch, as far as this clone knows the branch.
fn lag(git: &Git, state: &EnvironmentState) -> Option<Lag> {
    let (at, head) = lag_ends(git, state)?;
    git.lag(&at, &head)
}

/// The commits between which that is counted: the one that was applied, and the newest of the branch.
fn lag_ends(git: &Git, state: &EnvironmentState) -> Option<(CommitId, CommitId)> {
    let status = state.status.as_ref()?;
    let at = status.commit.as_deref()?.parse().ok()?;
    let reference = match status.reference.as_deref().and_then(|text| text.strip_prefix("refs/heads/")) {
        Some(branch) => branch.to_owned(),
        None => git.default_branch()?,
    };
    Some((at, git.resolve(&reference, &["origin"]).ok()??))
}

#[cfg(test)]
mod tests;
