//! `kcfg apply`: makes a cluster equal to an environment of the rendered tree, once.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use crate::cluster::{
    self, ObjectResult, Outcome, ReleaseState, Source, SyncOptions, SyncReport, Target, WAIT_DEFAULT,
};
use crate::diff::write;
use crate::diff::write::text::Layout;
use crate::error::{Diagnostic, Severity, visible};
use crate::repo::{Git, Repository};

use super::output::Finding;
use super::watch::WatchArgs;
use super::{Output, Status, live, process};

/// Make a cluster equal to an environment of the rendered tree
///
/// Every file is compared with its kcfg.sum first; a release that does not match is refused, the others go on. Objects
/// that are as they were applied cost nothing. Exits with 1 where something failed, was held or was refused.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The environment
    #[arg(value_name = "ENV")]
    environment: String,
    /// Apply the tree of a commit of this repository, instead of the folder as it is; with --watch the branch to follow, or
    /// another ref in full (default: the repository's HEAD)
    #[arg(long = "ref", value_name = "REV")]
    reference: Option<String>,
    /// The kubeconfig file (default: $KUBECONFIG, ~/.kube/config, or the pod's service account)
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// The kubeconfig's context (default: its current one)
    #[arg(long, value_name = "NAME")]
    context: Option<String>,
    /// Say what would be done, and change nothing
    #[arg(long)]
    dry_run: bool,
    /// This cluster never had this environment, and now it will
    #[arg(long)]
    init: bool,
    /// Take over objects that belong to somebody else: to kubectl, Helm, Flux or another tool
    #[arg(long)]
    adopt: bool,
    /// How the result is written
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// Wait until everything is ready
    #[arg(long)]
    wait: bool,
    /// Run hooks anew that failed, without a pause and however often they failed
    #[arg(long)]
    retry_hooks: bool,
    /// How long each release may take to become ready, and each hook to end, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = WAIT_DEFAULT.as_secs())]
    timeout: u64,
    #[command(flatten)]
    watch: WatchArgs,
}

/// How the result is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// A line for each object that changed, and a summary
    #[default]
    Text,
    /// One JSON document at the end
    Json,
}

/// Columns where nothing tells how wide the reader's window is.
const WIDTH_DEFAULT: usize = 100;

pub fn run(dir: &Path, args: &Args, output: &Output) -> Result<Status, Vec<Diagnostic>> {
    let target = Target { kubeconfig: args.kubeconfig.clone(), context: args.context.clone() };
    let options = SyncOptions {
        is_dry_run: args.dry_run,
        shows: Vec::new(),
        adopts: args.adopt,
        leaves_drift: false,
        initialises: args.init,
        hook_timeout: Some(Duration::from_secs(args.timeout)),
        retries_hooks: args.retry_hooks,
        wait: args.wait.then(|| Duration::from_secs(args.timeout)),
        reference: args.reference.clone(),
        follows: None,
    };
    if args.watch.is_given() {
        return args.watch.run(&args.environment, args.reference.as_deref(), target, options);
    }
    let source = source(dir, args).map_err(|error| vec![error])?;
    let environment = args.environment.as_str();
    let is_text = args.format == Format::Text;
    let contender = process::contender().map_err(|error| vec![error])?;
    let on_object = |object: &ObjectResult| {
        if is_text {
            print_object(environment, object, output);
        }
    };
    let on_wait = |holder: &str| {
        output.note(&format!(
            "{holder} has the Lease of {environment}; waiting to see whether it still runs (a minute at most)"
        ));
    };
    let mut report = cluster::apply(&source, environment, &target, &options, contender, on_object, on_wait)?;
    if args.format == Format::Json {
        output.line(&json(&report, args.dry_run));
        return Ok(status(&report));
    }
    if let Some(found) = report.live.take() {
        let options = live::plain_options().map_err(|error| vec![error])?;
        let changes = live::report(found, environment, &options);
        let layout = Layout {
            width: output.stdout_width().unwrap_or(WIDTH_DEFAULT),
            is_terminal: output.stdout_width().is_some(),
            has_colour: output.stdout_has_colour(),
            is_side_by_side: false,
            is_stat: false,
            is_full: false,
        };
        output.text(&format!("\n{}", write::text::report(&changes, layout)));
        output.line("dry run: nothing was changed");
    }
    print_hold(&report, output);
    print_summary(&report, output);
    let findings = report.findings.iter().map(|(release, diagnostic)| Finding {
        release: release.as_ref().map(|release| format!("{environment}/{release}")),
        diagnostic: diagnostic.clone(),
    });
    output.report(findings);
    Ok(status(&report))
}

fn source(dir: &Path, args: &Args) -> Result<Source, Diagnostic> {
    let repository = Repository::discover(dir)?;
    let Some(reference) = &args.reference else { return Ok(Source::Folder(Arc::new(repository))) };
    let Some(git_root) = &repository.git_root else {
        return Err(Diagnostic::error(format!("`--ref {reference}` needs a Git repository, and there is none here")));
    };
    let git = Git::open(git_root)?;
    let commit = git.revision(reference)?;
    Ok(Source::Commit { git: Arc::new(git), commit, prefix: repository.prefix() })
}

fn print_object(environment: &str, object: &ObjectResult, output: &Output) {
    let ObjectResult { release, id, outcome, reason } = object;
    let reason = if reason.is_empty() { String::new() } else { format!(": {}", visible(reason)) };
    output.line(&format!("{:<9} {environment}/{release} {id}{reason}", outcome.word()));
}

fn print_summary(report: &SyncReport, output: &Output) {
    for release in &report.releases {
        let digest = release.digest.as_deref().map_or("-", |digest| &digest[..12]);
        if release.state != ReleaseState::Applied {
            output.line(&format!("{}/{} {digest} {}", report.environment, release.name, release.state.word()));
        }
        if release.is_stale {
            output.line(&format!(
                "{}/{} {digest} stale: its sources changed after it was rendered",
                report.environment, release.name
            ));
        }
    }
    let counts = Counts::of(report);
    let refused = report.releases.iter().filter(|release| release.state == ReleaseState::Refused).count();
    let stale = report.releases.iter().filter(|release| release.is_stale).count();
    let suspended = report.suspended;
    let extra = |count: usize, word: &str| if count > 0 { format!(", {count} {word}") } else { String::new() };
    output.line(&format!(
        "{}: {} applied, {} unchanged, {} pruned, {} held, {} failed{}{}{}{}{}{}; {} requests ({:.3} s)",
        report.environment,
        counts.applied,
        counts.unchanged,
        counts.pruned,
        counts.held,
        counts.failed,
        extra(report.count(&Outcome::Ran), "hooks run"),
        extra(suspended, "suspended"),
        extra(counts.released, "released"),
        extra(counts.unready, "not ready"),
        extra(refused, if refused == 1 { "release refused" } else { "releases refused" }),
        extra(stale, "stale"),
        report.requests,
        report.seconds
    ));
}

/// The report as JSON; docs/apply.md says what is in it.
fn json(report: &SyncReport, is_dry_run: bool) -> String {
    let releases: Vec<_> = report
        .releases
        .iter()
        .map(|release| {
            json!({"name": release.name, "digest": release.digest, "state": release.state.word(), "stale": release.is_stale})
        })
        .collect();
    let objects: Vec<_> = report
        .objects
        .iter()
        .map(|object| {
            json!({"release": object.release, "id": object.id.to_string(), "outcome": object.outcome.word(),
                   "reason": object.reason})
        })
        .collect();
    let findings: Vec<_> = report
        .findings
        .iter()
        .map(|(release, found)| {
            json!({"release": release, "severity": if found.severity == Severity::Error { "error" } else { "warning" },
                   "message": found.message, "place": found.place.as_ref().map(ToString::to_string),
                   "help": found.help})
        })
        .collect();
    let counts = Counts::of(report);
    json!({
        "environment": report.environment,
        "dryRun": is_dry_run,
        "releases": releases,
        "objects": objects,
        "findings": findings,
        "held": report.hold.as_ref().map(|hold| json!({"reason": hold.excess, "removal": hold.removal})),
        "stale": report.releases.iter().filter(|release| release.is_stale).count(),
        "counts": {"applied": counts.applied, "unchanged": counts.unchanged, "pruned": counts.pruned,
                   "released": counts.released, "held": counts.held, "failed": counts.failed, "notReady": counts.unready,
                   "hooksRun": report.count(&Outcome::Ran), "suspended": report.suspended},
        "requests": report.requests,
        "seconds": report.seconds,
    })
    .to_string()
}

/// How many objects ended how.
struct Counts {
    applied: usize,
    unchanged: usize,
    pruned: usize,
    released: usize,
    held: usize,
    failed: usize,
    unready: usize,
}

impl Counts {
    fn of(report: &SyncReport) -> Counts {
        let count = |outcome| report.count(&outcome);
        Counts {
            applied: count(Outcome::Created) + count(Outcome::Changed),
            unchanged: report.unchanged + count(Outcome::Same),
            pruned: count(Outcome::Pruned),
            released: count(Outcome::Released),
            held: count(Outcome::Held) + count(Outcome::Terminating),
            failed: count(Outcome::Failed),
            unready: count(Outcome::Unready),
        }
    }
}

/// What holds deletions, with the document that lets them go.
fn print_hold(report: &SyncReport, output: &Output) {
    let Some(hold) = &report.hold else { return };
    let environment = &report.environment;
    output.line(&format!("\nheld in {environment}: this sync {}", hold.excess));
    if let Some(removal) = &hold.removal {
        output.line(&format!(
            "if that is meant, put this document into releases/{environment}/, commit it and apply again:\n\n{removal}"
        ));
    }
}

fn status(report: &SyncReport) -> Status {
    let bad = [Outcome::Failed, Outcome::Held, Outcome::Terminating, Outcome::Unready];
    let is_wrong = bad.iter().any(|outcome| report.count(outcome) > 0)
        || report.releases.iter().any(|r| matches!(r.state, ReleaseState::Partial | ReleaseState::Refused))
        || report.findings.iter().any(|(_, diagnostic)| diagnostic.severity == Severity::Error);
    if is_wrong { Status::Findings } else { Status::Fine }
}
