//! `kcfg diff --live`: what an apply would change in the cluster, and how `kcfg apply --dry-run` shows it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::cluster::{self, LiveDiff, Outcome, Source, SyncOptions, SyncReport, Target};
use crate::diff::mask::MaskKey;
use crate::diff::report::Sides;
use crate::diff::{self, Options, Report};
use crate::error::{Diagnostic, Severity};
use crate::repo::{Repository, Selector};

use super::output::Finding;
use super::{Output, Status, diff as verb, process};

/// The options of `kcfg diff` that are about a cluster.
#[derive(Debug, clap::Args)]
pub struct LiveArgs {
    /// Compare the cluster with rendered/ on disk: what `kcfg apply` would change. SELECTOR names one environment
    #[arg(long, conflicts_with_all = ["old", "new"])]
    pub live: bool,
    /// With --live: the kubeconfig file (default: $KUBECONFIG, ~/.kube/config, or the pod's service account)
    #[arg(long, value_name = "FILE", requires = "live")]
    pub kubeconfig: Option<PathBuf>,
    /// With --live: the kubeconfig's context (default: its current one)
    #[arg(long, value_name = "NAME", requires = "live")]
    pub context: Option<String>,
}

pub fn run(dir: &Path, selectors: &[Selector], args: &verb::Args, output: &Output) -> Result<Status, Vec<Diagnostic>> {
    let single = |error: Diagnostic| vec![error];
    let repository = Arc::new(Repository::discover(dir).map_err(single)?);
    let environment = environment(&repository, selectors).map_err(single)?;
    let target = Target { kubeconfig: args.live.kubeconfig.clone(), context: args.live.context.clone() };
    let options = SyncOptions { is_dry_run: true, shows: selectors.to_vec(), ..SyncOptions::default() };
    let source = Source::Folder(repository.clone());
    let contender = process::contender().map_err(|error| vec![error])?;
    let mut synced = cluster::apply(&source, &environment, &target, &options, contender, |_| {}, |_| {})?;
    let live = synced.live.take().unwrap_or_default();
    let mut report = report(live, &synced.environment, &args.options(Some(&repository)).map_err(single)?);
    add_not_done(&mut report, &synced, selectors);
    match args.report.written(&report, args.stat, args.full) {
        Some(text) => output.text(&text),
        None => verb::print(&report, args, output),
    }
    let has_errors = synced.findings.iter().any(|(_, found)| found.severity == Severity::Error);
    let findings = synced.findings.into_iter().map(|(release, diagnostic)| Finding { release, diagnostic });
    output.report(findings);
    Ok(match (has_errors, report.is_empty()) {
        (true, _) => Status::Error,
        (false, false) if args.exit_code => Status::Findings,
        _ => Status::Fine,
    })
}

/// What would change, as a report of `kcfg diff`.
pub fn report(live: LiveDiff, environment: &str, options: &Options) -> Report {
    let mut report = diff::compare(live.pairs, options);
    report.labels = Sides { old: live.cluster, new: format!("rendered/{environment}") };
    report.notes.extend(live.notes);
    report
}

/// Notes what would not be done.
fn add_not_done(report: &mut Report, synced: &SyncReport, selectors: &[Selector]) {
    let not_done = [Outcome::Failed, Outcome::Held, Outcome::Released, Outcome::Terminating];
    for object in synced.objects.iter().filter(|object| not_done.contains(&object.outcome)) {
        let (environment, release, id) = (&synced.environment, &object.release, &object.id);
        let is_meant = |s: &Selector| s.matches_object(environment, release, &id.kind, &id.name);
        if selectors.is_empty() || selectors.iter().any(is_meant) {
            report.notes.push(format!("{}: {release} {id}: {}", object.outcome.word(), object.reason));
        }
    }
}

/// How Secrets are masked, and nothing left out.
pub fn plain_options() -> Result<Options, Diagnostic> {
    let mut random = [0; 32];
    getrandom::fill(&mut random).map_err(|error| {
        Diagnostic::error(format!("the system gives no random bytes to mask Secrets with: {error}"))
    })?;
    Ok(Options { mask: MaskKey::new(&random), ignore: Vec::new() })
}

/// The one environment that the selectors name.
fn environment(repository: &Repository, selectors: &[Selector]) -> Result<String, Diagnostic> {
    let names = repository.environments()?.names;
    let matching = |name: &&String| selectors.iter().any(|selector| selector.matches_environment(name));
    let found: Vec<&String> = names.iter().filter(matching).collect();
    match found[..] {
        [only] => Ok(only.clone()),
        _ => Err(Diagnostic::error("--live compares one environment with the cluster that it is in").help(format!(
            "name one of {}: `kcfg diff --live {}`",
            names.join(", "),
            names.first().map_or("ENV", |n| n)
        ))),
    }
}
