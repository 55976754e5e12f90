//! An environment as it is shown: its state, and what is not well with it, why, and what to do. Pure.

use std::time::Duration;

use jiff::Timestamp;

use super::text::{age, behind};
use crate::cluster::drifted::DriftedObject;
use crate::cluster::status::{EnvironmentState, Problem, without_digits};
use crate::repo::Lag;

/// An environment, and what follows from its state.
pub struct Shown {
    /// How it stands.
    pub state: EnvironmentState,
    /// How far it is behind its branch, where that is known.
    pub lag: Option<Lag>,
    /// What is not well.
    pub troubles: Vec<Trouble>,
}

/// The state of a release whose objects are being applied, or were when the process was killed.
pub const APPLYING: &str = "applying";

/// Something that is not well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// What.
    pub what: String,
    /// What to do.
    pub help: String,
    /// What it is about: as long as that stays, it is the same trouble. None where a release's own state says it already.
    pub key: Option<String>,
}

impl Trouble {
    /// What, and what to do; the same trouble as long as only numbers in it change.
    pub fn new(what: impl Into<String>, help: impl Into<String>) -> Trouble {
        let what = what.into();
        Trouble { key: Some(without_digits(&what)), help: help.into(), what }
    }

    /// The same, but that something else than its text says whether it is still this one.
    fn with_key(self, key: Option<String>) -> Trouble {
        Trouble { key, ..self }
    }
}

impl Shown {
    /// An environment at a moment; with the trouble of reading its state, if there was any.
    pub fn of(
        state: EnvironmentState,
        lag: Option<Lag>,
        lag_max: Option<Duration>,
        reading: Option<Trouble>,
        now: Timestamp,
    ) -> Shown {
        let mut troubles = match (&state.status, &reading) {
            // There is no more to say.
            (None, Some(_)) => Vec::new(),
            _ => troubles(&state, lag.as_ref(), lag_max, now),
        };
        troubles.extend(reading);
        Shown { state, lag, troubles }
    }
}

/// Whether all is well. Nothing at all is not: there is nobody who could say so.
pub fn is_well(shown: &[Shown]) -> bool {
    !shown.is_empty() && shown.iter().all(|environment| environment.troubles.is_empty())
}

fn troubles(state: &EnvironmentState, lag: Option<&Lag>, lag_max: Option<Duration>, now: Timestamp) -> Vec<Trouble> {
    let name = &state.name;
    let mut found = Vec::new();
    let mut say = |what: String, help: String| found.push(Trouble::new(what, help));
    let is_led = state.lease.as_ref().is_some_and(|lease| lease.is_alive(now));
    let suspended = match &state.suspensions {
        Ok(suspensions) => suspensions.covers_environment(now).is_some(),
        Err(error) => {
            say(error.message.clone(), error.help.clone().unwrap_or_default());
            false
        }
    };
    if let Some(why) = &state.unreadable {
        let help = "use the kcfg that wrote it, or a later one; the next apply writes it anew";
        say(format!("its record cannot be read: {why}"), help.into());
    }
    for release in &state.releases {
        if let Some(why) = &release.unreadable {
            let what = format!("of {name}/{} not all is known: {why}", release.name);
            say(what, "use the kcfg that wrote it, or a later one".into());
        }
    }
    let Some(status) = &state.status else {
        if state.unreadable.is_none() {
            say("it has no record: an older kcfg applied it".into(), "the next apply writes one".into());
        }
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
    if status.follows.is_some() && !suspended && !is_led {
        let what = match &state.lease {
            Some(lease) if lease.holder.is_empty() => {
                format!("no loop is alive: the last one gave the Lease back {} ago", age(lease.renewed, now))
            }
            Some(lease) => format!("no loop is alive: the Lease was last renewed {} ago", age(lease.renewed, now)),
            None => "no loop is alive: there is no Lease".into(),
        };
        let trouble = Trouble::new(what, "`kubectl get pods -n kcfg-system`, and the log of the last one");
        found.push(trouble.with_key(None));
    }
    // What is under way is no trouble, but what a process that is gone left half done is.
    let is_fine = |state: &str| ["applied", "suspended"].contains(&state) || (state == APPLYING && is_led);
    for release in state.releases.iter().filter(|release| !is_fine(&release.state)) {
        let what = format!("{name}/{} is {}", release.name, release.state);
        let help = format!("`kcfg diff --live {name}/{}` shows what is not as the tree says", release.name);
        found.push(Trouble::new(what, help).with_key(None));
    }
    let of_releases = state.releases.iter().flat_map(|release| release.problems.iter().map(|p| (&release.name, p)));
    let of_environment = status.problems.iter().map(|problem| (&problem.release, problem));
    for (release, problem) in of_releases.chain(of_environment).filter(|(_, problem)| problem.outcome != "suspended") {
        let key = format!("{} {release} {} {}", problem.outcome, problem.object, without_digits(&problem.reason));
        found.push(Trouble::new(line(name, release, problem), help(name, release, problem)).with_key(Some(key)));
    }
    for drifted in status.drift.iter().filter(|drifted| !drifted.corrected) {
        let DriftedObject { release, object, reason, since, .. } = drifted;
        let what = format!("drifted {name}/{release} {object}: {reason}, since {since}; that is only reported");
        let help = format!("`kcfg diff --live {name}/{release}` shows it; commit it, or `kcfg apply {name}` by hand");
        found.push(Trouble::new(what, help).with_key(Some(format!("drifted {release} {object}"))));
    }
    if let Some(held) = &status.held {
        let help =
            format!("if it is meant, `kcfg apply {name} --dry-run` prints the Removal document that lets them go");
        found.push(Trouble::new(format!("deletions are held: this sync {}", held.reason), help));
    }
    if !status.stale.is_empty() {
        let what = format!("stale: {} changed after it was rendered", status.stale.join(", "));
        found.push(Trouble::new(what, "`kcfg render`, and commit what it writes"));
    }
    if status.result == "findings" && found.is_empty() && state.releases.is_empty() {
        let parts: Vec<String> = status.releases.iter().map(|(state, count)| format!("{count} {state}")).collect();
        let what = format!("not all is as the tree says: {}", parts.join(", "));
        found.push(Trouble::new(what, format!("`kcfg diff --live {name}`")));
    }
    if lag_max.is_some() && lag.is_none() && status.commit.is_some() && !suspended {
        let help = "ask in a clone that has the branch and its history: `git fetch --unshallow`";
        found.push(Trouble::new("how far it is behind its branch is not known here", help));
    }
    if let (Some(lag), Some(max)) = (lag, lag_max)
        && lag.commits > 0
        && !suspended
        && now.as_second().saturating_sub(lag.oldest) > i64::try_from(max.as_secs()).unwrap_or(i64::MAX)
    {
        let what = format!("{} behind its branch for longer than --max-lag allows", behind(lag, now));
        found.push(Trouble::new(what, "see why the loop does not get there").with_key(Some("lag".into())));
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
