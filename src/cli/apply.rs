//! `kcfg apply`: makes a cluster equal to an environment of the rendered tree, once.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::cluster::{
    self, ObjectResult, Outcome, ReleaseState, Source, SyncOptions, SyncReport, Target, WAIT_DEFAULT,
};
use crate::error::{Diagnostic, Severity, visible};
use crate::repo::{Git, Repository};

use super::output::Finding;
use super::{Output, Status};

/// Make a cluster equal to an environment of the rendered tree
///
/// Every file is compared with its kcfg.sum first; a release that does not match is refused, the others go on. Objects
/// that are as they were applied cost nothing. Exits with 1 where something failed, was held or was refused.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The environment
    #[arg(value_name = "ENV")]
    environment: String,
    /// Apply the tree of a commit of this repository, instead of the folder as it is
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
    /// Wait until everything is ready
    #[arg(long)]
    wait: bool,
    /// How long each release may take to become ready, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = WAIT_DEFAULT.as_secs())]
    timeout: u64,
}

pub fn run(dir: &Path, args: &Args, output: &Output) -> Result<Status, Vec<Diagnostic>> {
    let source = source(dir, args).map_err(|error| vec![error])?;
    let target = Target { kubeconfig: args.kubeconfig.clone(), context: args.context.clone() };
    let options = SyncOptions {
        is_dry_run: args.dry_run,
        adopts: args.adopt,
        initialises: args.init,
        wait: args.wait.then(|| Duration::from_secs(args.timeout)),
    };
    let environment = args.environment.as_str();
    let report = cluster::apply(&source, environment, &target, &options, |object| {
        print_object(environment, object, output);
    })?;
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
        let state = match release.state {
            ReleaseState::Applied => continue,
            ReleaseState::Partial => "partial",
            ReleaseState::Refused => "refused",
        };
        output.line(&format!("{}/{} {digest} {state}", report.environment, release.name));
    }
    let count = |outcome| report.count(&outcome);
    let applied = count(Outcome::Created) + count(Outcome::Changed);
    let unchanged = report.unchanged + count(Outcome::Same);
    let refused = report.releases.iter().filter(|release| release.state == ReleaseState::Refused).count();
    output.line(&format!(
        "{}: {applied} applied, {unchanged} unchanged, {} pruned, {} held, {} failed; {refused} releases refused; \
         {} requests ({:.3} s)",
        report.environment,
        count(Outcome::Pruned),
        count(Outcome::Held),
        count(Outcome::Failed),
        report.requests,
        report.seconds
    ));
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
        || report.releases.iter().any(|release| release.state != ReleaseState::Applied)
        || report.findings.iter().any(|(_, diagnostic)| diagnostic.severity == Severity::Error);
    if is_wrong { Status::Findings } else { Status::Fine }
}
