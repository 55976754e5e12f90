//! `kcfg status`: how environments stand, as a cluster's records say it, or as Git was told (`from_git`). The first line
//! says whether all is well; then a table, and of what is not well what it is, why, and what to do.

mod from_git;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::cluster;
use crate::cluster::drifted::DriftedObject;
use crate::cluster::status::{EnvironmentState, Problem};
use crate::error::{Diagnostic, visible};
use crate::repo::{Git, Lag, Repository, Selector};

use super::suspend::{ClusterArgs, duration};
use super::{Output, Status};

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
    /// One JSON document
    Json,
}

/// Digits of commits and digests that people compare.
const DIGITS: usize = 12;

/// An environment, and what follows from its state.
struct Shown {
    state: EnvironmentState,
    lag: Option<Lag>,
    /// What is not well: what, and what to do.
    troubles: Vec<(String, String)>,
}

pub fn run(dir: &Path, args: &Args, output: &Output) -> Result<Status, Vec<Diagnostic>> {
    let single = |error| vec![error];
    // Without a repository the cluster's own records are all there is to show.
    let repository = Repository::discover(dir).ok();
    let git = match args.from_git {
        true => Some(from_git::clone(dir, repository.as_ref()).map_err(single)?),
        false => repository.as_ref().and_then(|repository| repository.git().ok().flatten().cloned()),
    };
    let found = match &git {
        Some(git) if args.from_git => from_git::states(git, args.selector.as_ref()).map_err(single)?,
        _ => recorded(args, repository.as_ref()).map_err(single)?.into_iter().map(|state| (state, None)).collect(),
    };
    let now = Timestamp::now();
    let shown: Vec<Shown> = found
        .into_iter()
        .map(|(state, oddity)| {
            let lag = git.as_ref().and_then(|git| lag(git, &state));
            let mut troubles = troubles(&state, lag.as_ref(), args.max_lag, now);
            troubles.extend(oddity.map(|what| (what, "the loop mends it when there is something new to tell".into())));
            Shown { state, lag, troubles }
        })
        .collect();
    match args.format {
        Format::Json => output.line(&json(&shown, now).to_string()),
        Format::Text => text(&shown, args.from_git, now).lines().for_each(|line| output.line(&visible(line))),
    }
    let is_well = shown.iter().all(|environment| environment.troubles.is_empty());
    Ok(if args.exit_code && !is_well { Status::Findings } else { Status::Fine })
}

/// What the cluster has recorded of the environments that are asked for.
fn recorded(args: &Args, repository: Option<&Repository>) -> Result<Vec<EnvironmentState>, Diagnostic> {
    let names = repository.and_then(|repository| repository.environments().ok());
    let names: BTreeSet<String> = names.into_iter().flat_map(|found| found.names).collect();
    let found = cluster::status(&args.cluster.target(), &names, args.selector.as_ref())?;
    let Some(selector) = &args.selector else { return Ok(found) };
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
    Ok(found)
}

/// How far an environment is behind its branch, as far as this clone knows the branch.
fn lag(git: &Git, state: &EnvironmentState) -> Option<Lag> {
    let status = state.status.as_ref()?;
    let reference = match status.reference.as_deref().and_then(|text| text.strip_prefix("refs/heads/")) {
        Some(branch) => branch.to_owned(),
        None => git.default_branch()?,
    };
    let head = git.resolve(&reference, &["origin"]).ok()??;
    git.lag(&status.commit.as_deref()?.parse().ok()?, &head)
}

/// What is not well with an environment: what, and what to do.
fn troubles(
    state: &EnvironmentState,
    lag: Option<&Lag>,
    lag_max: Option<Duration>,
    now: Timestamp,
) -> Vec<(String, String)> {
    let name = &state.name;
    let mut found = Vec::new();
    let mut say = |what: String, help: String| found.push((what, help));
    let suspended = match &state.suspensions {
        Ok(suspensions) => suspensions.covers_environment(now).is_some(),
        Err(error) => {
            say(error.message.clone(), error.help.clone().unwrap_or_default());
            false
        }
    };
    let Some(status) = &state.status else {
        say("it has no record: an older kcfg applied it".into(), "the next apply writes one".into());
        return found;
    };
    if let Some(error) = &status.error {
        say(
            format!("nothing can be done since {}: {}", error.since, error.what),
            "mend that; the loop tries again".into(),
        );
    }
    if let Some(git) = &status.git {
        let help = "what was fetched last stays in force; look at the Git server, the network and the credentials";
        say(format!("the Git server cannot be asked since {}: {}", git.since, git.what), help.into());
    }
    if status.follows.is_some() && !suspended && !state.lease.as_ref().is_some_and(|lease| lease.is_alive(now)) {
        let what = match &state.lease {
            Some(lease) => format!("no loop is alive: the Lease was last renewed {} ago", age(lease.renewed, now)),
            None => "no loop is alive: there is no Lease".into(),
        };
        say(what, "`kubectl get pods -n kcfg-system`, and the log of the last one".into());
    }
    for release in state.releases.iter().filter(|release| !["applied", "suspended"].contains(&release.state.as_str())) {
        let what = format!("{name}/{} is {}", release.name, release.state);
        let help = format!("`kcfg diff --live {name}/{}` shows what is not as the tree says", release.name);
        say(what, help);
    }
    let of_releases = state.releases.iter().flat_map(|release| release.problems.iter().map(|p| (&release.name, p)));
    let of_environment = status.problems.iter().map(|problem| (&problem.release, problem));
    for (release, problem) in of_releases.chain(of_environment).filter(|(_, problem)| problem.outcome != "suspended") {
        say(line(name, release, problem), help(name, release, problem));
    }
    for drifted in status.drift.iter().filter(|drifted| !drifted.corrected) {
        let DriftedObject { release, object, reason, since, .. } = drifted;
        let what = format!("drifted {name}/{release} {object}: {reason}, since {since}; that is only reported");
        let help = format!("`kcfg diff --live {name}/{release}` shows it; commit it, or `kcfg apply {name}` by hand");
        say(what, help);
    }
    if let Some(held) = &status.held {
        let help =
            format!("if it is meant, `kcfg apply {name} --dry-run` prints the Removal document that lets them go");
        say(format!("deletions are held: this sync {}", held.reason), help);
    }
    if !status.stale.is_empty() {
        let what = format!("stale: {} changed after it was rendered", status.stale.join(", "));
        say(what, "`kcfg render`, and commit what it writes".into());
    }
    if status.result == "findings" && found.is_empty() && state.releases.is_empty() {
        let parts: Vec<String> = status.releases.iter().map(|(state, count)| format!("{count} {state}")).collect();
        found
            .push((format!("not all is as the tree says: {}", parts.join(", ")), format!("`kcfg diff --live {name}`")));
    }
    if lag_max.is_some() && lag.is_none() && status.commit.is_some() && !suspended {
        let help = "ask in a clone that has the branch and its history: `git fetch --unshallow`";
        found.push(("how far it is behind its branch is not known here".into(), help.into()));
    }
    if let (Some(lag), Some(max)) = (lag, lag_max)
        && lag.commits > 0
        && !suspended
        && now.as_second().saturating_sub(lag.oldest) > i64::try_from(max.as_secs()).unwrap_or(i64::MAX)
    {
        let what = format!("{} behind its branch for longer than --max-lag allows", behind(lag, now));
        found.push((what, "see why the loop does not get there".into()));
    }
    found
}

fn line(environment: &str, release: &str, problem: &Problem) -> String {
    let object = if problem.object.is_empty() { String::new() } else { format!(" {}", problem.object) };
    format!("{} {environment}/{release}{object}: {}", problem.outcome, problem.reason)
}

fn help(environment: &str, release: &str, problem: &Problem) -> String {
    match problem.outcome.as_str() {
        "refused" => format!("`kcfg check {environment}` names the files; `kcfg render` mends them"),
        "held" => format!("`kcfg apply {environment} --dry-run` tells what would let it go"),
        "deleting" => "its finalizers are another controller's business: see why that does not end".into(),
        _ => format!("`kcfg diff --live {environment}/{release}`"),
    }
}

fn text(shown: &[Shown], is_from_git: bool, now: Timestamp) -> String {
    if shown.is_empty() && is_from_git {
        let what = "no tag kcfg-sync-* of this clone tells of an environment";
        return format!("{what}; `{}` brings them, where a loop with --git-report tag writes them\n", from_git::FETCH);
    }
    if shown.is_empty() {
        return "no environment was applied to this cluster; `kcfg apply ENV --init` does it\n".into();
    }
    let bad: Vec<&str> =
        shown.iter().filter(|one| !one.troubles.is_empty()).map(|one| one.state.name.as_str()).collect();
    let mut out = match bad.as_slice() {
        [] if is_from_git => "all was well when this clone was fetched\n\n".to_owned(),
        [] => "all is well\n\n".to_owned(),
        names => format!("NOT WELL: {}\n\n", names.join(", ")),
    };
    let head = [
        "ENVIRONMENT",
        "COMMIT",
        "DIGEST",
        "RELEASES",
        "OBJECTS",
        "BEHIND",
        "CHANGED",
        if is_from_git { "STATE" } else { "LOOP" },
    ];
    let mut rows = vec![head.map(str::to_owned)];
    rows.extend(shown.iter().map(|one| row(one, is_from_git, now)));
    out.push_str(&table(&rows));
    for one in shown {
        if let Ok(suspensions) = &one.state.suspensions {
            for s in suspensions.in_force(now) {
                let reason = s.reason.split_whitespace().collect::<Vec<_>>().join(" ");
                out.push_str(&format!("\nsuspended: {} until {}, by {}: {reason}\n", s.selector, s.until, s.by));
            }
        }
        let status = one.state.status.iter();
        for drifted in status.flat_map(|status| &status.drift).filter(|one| one.corrected && one.is_shown(now)) {
            let times = if drifted.count > 1 { format!(", {} times", drifted.count) } else { String::new() };
            let DriftedObject { release, object, reason, since, .. } = drifted;
            out.push_str(&format!(
                "\ncorrected: {}/{release} {object} {reason}; applied again at {since}{times}\n",
                one.state.name
            ));
        }
        for (what, help) in &one.troubles {
            // One line each, whatever a server said.
            let what = what.split_whitespace().collect::<Vec<_>>().join(" ");
            out.push_str(&format!("\n{}: {what}\n  help: {help}\n", one.state.name));
        }
    }
    out
}

fn row(one: &Shown, is_from_git: bool, now: Timestamp) -> [String; 8] {
    let cut = |text: &Option<String>| {
        text.as_deref().map_or_else(|| "-".to_owned(), |text| text.chars().take(DIGITS).collect())
    };
    let counts = |counts: &BTreeMap<String, usize>| {
        let parts: Vec<String> = counts.iter().map(|(state, count)| format!("{count} {state}")).collect();
        if parts.is_empty() { "-".to_owned() } else { parts.join(", ") }
    };
    let status = one.state.status.clone().unwrap_or_default();
    let alive = match &one.state.lease {
        _ if is_from_git => status.result.as_str(),
        Some(lease) if lease.is_alive(now) => "alive",
        _ if status.follows.is_some() => "none",
        _ => "by hand",
    };
    let is_suspended =
        one.state.suspensions.as_ref().is_ok_and(|suspensions| suspensions.covers_environment(now).is_some());
    [
        one.state.name.clone(),
        if status.commit.is_some() { cut(&status.commit) } else { "folder".into() },
        cut(&status.digest),
        counts(&status.releases),
        counts(&status.objects),
        one.lag.as_ref().map_or_else(|| "unknown".to_owned(), |lag| behind(lag, now)),
        status.time.parse().map_or_else(|_| "-".to_owned(), |time| format!("{} ago", age(time, now))),
        if is_suspended { "suspended".into() } else { alive.into() },
    ]
}

fn behind(lag: &Lag, now: Timestamp) -> String {
    match (lag.commits, Timestamp::from_second(lag.oldest)) {
        (0, _) => "0".to_owned(),
        (commits, Ok(oldest)) => format!("{commits} commits, {}", age(oldest, now)),
        (commits, Err(_)) => format!("{commits} commits"),
    }
}

/// How long ago a moment was, in its largest unit.
fn age(then: Timestamp, now: Timestamp) -> String {
    let seconds = now.as_second().saturating_sub(then.as_second()).max(0);
    match seconds {
        0..120 => format!("{seconds}s"),
        120..7200 => format!("{}m", seconds / 60),
        7200..172_800 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86400),
    }
}

fn table<const N: usize>(rows: &[[String; N]]) -> String {
    let widths: Vec<usize> =
        (0..N).map(|column| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0)).collect();
    let mut out = String::new();
    for row in rows {
        let cells: Vec<String> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        out.push_str(cells.join("  ").trim_end());
        out.push('\n');
    }
    out
}

/// The document of `--format json`; docs/status.md says what is in it.
fn json(shown: &[Shown], now: Timestamp) -> Value {
    let environments: Vec<Value> = shown
        .iter()
        .map(|one| {
            let suspensions = one.state.suspensions.as_ref().ok();
            let suspensions: Vec<Value> = suspensions
                .into_iter()
                .flat_map(|suspensions| suspensions.in_force(now))
                .map(|s| {
                    json!({"selector": s.selector.to_string(), "until": s.until.to_string(),
                           "since": s.since.to_string(), "by": s.by, "reason": s.reason})
                })
                .collect();
            let loop_ = one.state.lease.as_ref().map(|lease| {
                json!({"holder": lease.holder, "renewed": lease.renewed.to_string(), "alive": lease.is_alive(now)})
            });
            let troubles: Vec<Value> =
                one.troubles.iter().map(|(what, help)| json!({"what": what, "help": help})).collect();
            json!({
                "environment": one.state.name,
                "well": one.troubles.is_empty(),
                "status": one.state.status,
                "lag": one.lag.as_ref().map(|lag| json!({"commits": lag.commits, "oldest": lag.oldest})),
                "loop": loop_,
                "suspensions": suspensions,
                "releases": one.state.releases,
                "troubles": troubles,
            })
        })
        .collect();
    json!({"well": shown.iter().all(|one| one.troubles.is_empty()), "environments": environments})
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::status::{EnvironmentStatus, LeaseStatus};
    use crate::plan::Suspensions;

    #[test]
    fn what_is_not_well_is_said_with_what_to_do() {
        let now: Timestamp = "2026-01-02T03:00:00Z".parse().unwrap();
        let status = EnvironmentStatus {
            follows: Some("ssh://git@x/y.git".into()),
            commit: Some("3f9a1c2d4e5f60718293".into()),
            digest: Some("91ab".repeat(16)),
            time: "2026-01-02T02:00:00Z".into(),
            result: "ok".into(),
            ..EnvironmentStatus::default()
        };
        let renewed = "2026-01-02T02:59:58Z".parse().unwrap();
        let mut state = EnvironmentState {
            name: "prod".into(),
            status: Some(status),
            suspensions: Ok(Suspensions { environment: "prod".into(), ..Suspensions::default() }),
            lease: Some(LeaseStatus { holder: "a".into(), renewed, seconds: 60 }),
            releases: Vec::new(),
            left_out: Vec::new(),
        };
        let lag = Lag { commits: 2, oldest: now.as_second() - 3600 };
        let show = |state: &EnvironmentState, max: Option<Duration>| {
            let troubles = troubles(state, Some(&lag), max, now);
            text(&[Shown { state: state.clone(), lag: Some(lag.clone()), troubles }], false, now)
        };
        assert_eq!(
            show(&state, None),
            "all is well\n\n\
             ENVIRONMENT  COMMIT        DIGEST        RELEASES  OBJECTS  BEHIND          CHANGED  LOOP\n\
             prod         3f9a1c2d4e5f  91ab91ab91ab  -         -        2 commits, 60m  60m ago  alive\n"
        );
        assert!(show(&state, Some(Duration::from_secs(1800))).contains("longer than --max-lag allows"));
        state.lease = None;
        let said = show(&state, None);
        assert!(said.starts_with("NOT WELL: prod\n") && said.contains("no loop is alive"), "{said}");
    }
}
