//! `kcfg suspend` and `kcfg resume`: break-glass.

use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;

use crate::cluster::{self, SuspendRequest, Target};
use crate::error::{Diagnostic, visible};
use crate::plan::{REASON_CHARACTERS_MAX, SUSPENSION_MAX};
use crate::repo::Selector;

use super::{Output, Status};

/// Leave something alone for a while: it is neither applied, corrected nor deleted
///
/// It is kept in the cluster, needs no Git server, and ends by itself. The whole environment (`kcfg suspend prod …`) is
/// then open for `kcfg apply prod --ref GOOD`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// What: ENV[/RELEASE[/KIND[/NAME]]], each part a glob
    #[arg(value_name = "SELECTOR")]
    selector: Selector,
    /// How long: 30m, 2h, 1d; at most 7d
    #[arg(long = "for", value_name = "TIME", value_parser = duration)]
    time: Duration,
    /// Why: whoever looks at it later reads this
    #[arg(long, value_name = "TEXT")]
    reason: String,
    #[command(flatten)]
    cluster: ClusterArgs,
}

/// End suspensions before their time
#[derive(Debug, clap::Args)]
pub struct ResumeArgs {
    /// What: ENV[/RELEASE[/KIND[/NAME]]], each part a glob; all suspensions that lie within it end
    #[arg(value_name = "SELECTOR")]
    selector: Selector,
    #[command(flatten)]
    cluster: ClusterArgs,
}

/// Which cluster.
#[derive(Debug, clap::Args)]
pub struct ClusterArgs {
    /// The kubeconfig file (default: $KUBECONFIG, ~/.kube/config, or the pod's service account)
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// The kubeconfig's context (default: its current one)
    #[arg(long, value_name = "NAME")]
    context: Option<String>,
}

impl ClusterArgs {
    /// The cluster.
    pub fn target(&self) -> Target {
        Target { kubeconfig: self.kubeconfig.clone(), context: self.context.clone() }
    }
}

pub fn run(args: &Args, output: &Output) -> Result<Status, Vec<Diagnostic>> {
    let reason = args.reason.trim();
    if reason.is_empty() || reason.chars().count() > REASON_CHARACTERS_MAX {
        let error = format!("--reason wants a text of 1 to {REASON_CHARACTERS_MAX} characters");
        return Err(vec![Diagnostic::error(error).help("say why, and who to ask: it is all that others will see")]);
    }
    let now = Timestamp::now();
    let seconds = now.as_second().saturating_add(i64::try_from(args.time.as_secs()).unwrap_or(i64::MAX));
    let until = Timestamp::from_second(seconds).unwrap_or(Timestamp::MAX);
    let by = std::env::var("USER").unwrap_or_default();
    let request = SuspendRequest { selector: args.selector.clone(), until, reason: reason.to_owned(), by };
    let done = cluster::suspend(&args.cluster.target(), &request).map_err(|error| vec![error])?;
    for suspended in done {
        if suspended.is_unknown {
            let warning = format!("{} has no object that `{}` names", suspended.environment, args.selector);
            let help =
                format!("if that is a slip, `kcfg resume {}`; objects of that name are left alone", args.selector);
            output.report([Diagnostic::warning(warning).help(help).into()]);
        }
        let what = match (args.selector.is_whole_environments(), args.selector.is_within_release()) {
            (true, _) => "the whole environment".to_owned(),
            (_, true) => format!("objects of {}", suspended.releases.join(", ")),
            _ => suspended.releases.join(", "),
        };
        output.line(&visible(&format!(
            "{}: suspended until {until} ({}), by {}: {what}",
            suspended.environment,
            args.selector,
            if suspended.by.is_empty() { "somebody" } else { &suspended.by },
        )));
    }
    output.line(&format!("it ends by itself; before that: `kcfg resume {}`", args.selector));
    Ok(Status::Fine)
}

pub fn resume(args: &ResumeArgs, output: &Output) -> Result<Status, Vec<Diagnostic>> {
    let done = cluster::resume(&args.cluster.target(), &args.selector).map_err(|error| vec![error])?;
    for resumed in done {
        let environment = &resumed.environment;
        if resumed.is_damaged {
            output.line(&format!("{environment}: its suspensions could not be read, and are removed"));
        }
        for suspension in resumed.ended {
            output.line(&format!("{environment}: {} is no longer suspended", suspension.selector));
        }
    }
    Ok(Status::Fine)
}

/// A time such as `30m`, `2h`, `1d` or `1h30m`.
pub fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("`{text}` is no time: write it as 30m, 2h, 1d or 1h30m");
    let (mut seconds, mut digits) = (0_u64, String::new());
    for c in text.chars() {
        let unit = match c {
            '0'..='9' => {
                digits.push(c);
                continue;
            }
            's' => 1,
            'm' => 60,
            'h' => 3600,
            'd' => 24 * 3600,
            _ => return Err(wrong()),
        };
        let number: u64 = std::mem::take(&mut digits).parse().map_err(|_| wrong())?;
        seconds = number.checked_mul(unit).and_then(|more| seconds.checked_add(more)).ok_or_else(wrong)?;
    }
    if !digits.is_empty() || seconds == 0 {
        return Err(wrong());
    }
    if seconds > SUSPENSION_MAX.as_secs() {
        return Err(format!(
            "`{text}` is longer than 7d (SUSPENSION_MAX): what is forgotten must not stay off for good"
        ));
    }
    Ok(Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times() {
        let table = [("30m", 1800), ("2h", 7200), ("1h30m", 5400), ("7d", 604_800), ("90s", 90)];
        for (text, seconds) in table {
            assert_eq!(duration(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for text in ["", "2", "h", "0m", "2 h", "8d", "-1h", "99999999999999999999h", "7d1s"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }
}
