//! `kcfg render`: releases/<env>/ and charts/ → rendered/<env>/.

use std::ffi::OsString;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use rayon::prelude::*;

use crate::engine;
use crate::error::{Diagnostic, Severity};
use crate::pipeline::{self, EnvironmentPlan, Finished, Job, Plan, PlanOptions};
use crate::rendered::{self, Folder, Outcome, RENDERED_FOLDER};
use crate::repo::Repository;

use super::output::Finding;
use super::progress::Progress;
use super::{Output, Status, digests};

/// Render releases to rendered/<env>/<release>/, one file per object
///
/// Reads releases/<env>/ and the charts they name, and writes what changed. A release that cannot be rendered is
/// reported and keeps its old files; the others go on. Files that are no longer rendered are removed; files that kcfg
/// did not write are reported and stay.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// What to render: ENV or ENV/RELEASE, with globs; everything if left out
    #[arg(value_name = "SELECTOR")]
    selectors: Vec<String>,
    /// Render everything anew, whatever kcfg.sum says of its inputs
    #[arg(long)]
    fresh: bool,
    /// Resolve the refs of charts anew and move kcfg.lock
    #[arg(long)]
    update_refs: bool,
}

/// What became of one job.
struct Written {
    release: String,
    objects: usize,
    outcome: Outcome,
    refused: bool,
    diagnostics: Vec<Diagnostic>,
}

#[derive(Debug, Default)]
struct Totals {
    releases: usize,
    objects: usize,
    written: usize,
    unchanged: usize,
    removed: usize,
    refused: usize,
    skipped: usize,
}

pub fn run(dir: &Path, args: &Args, output: &Output) -> Result<Status, Vec<Diagnostic>> {
    let started = Instant::now();
    let options = PlanOptions { selectors: args.selectors.clone(), update_refs: args.update_refs };
    engine::start_pool();
    let single = |error| vec![error];
    let repository = Repository::discover(dir).map_err(single)?;
    // Without releases/ no rendered/ is made. The lock comes before all reading, so that of two runs the one that
    // writes last has also read last.
    repository.environments().map_err(single)?;
    let _lock = rendered::lock(&repository.root.join(RENDERED_FOLDER)).map_err(single)?;
    let mut plan = Plan::of(Arc::new(repository), &options)?;
    let context = plan.context(!args.fresh);
    let mut totals = Totals::default();
    let mut findings: Vec<Finding> = std::mem::take(&mut plan.warnings).into_iter().map(Finding::from).collect();
    let progress = Progress::start(output, &context.done, plan.job_count());
    let render = |environment: &EnvironmentPlan| {
        let shown = format!("{RENDERED_FOLDER}/{}", environment.name);
        let mut findings = rendered::remove_leftovers(&context.rendered.join(&environment.name), &shown);
        let known = environment.known_scopes(&context.rendered);
        let write = |job: &Job, finished| write(&context.rendered, job, finished);
        let written = pipeline::run(&context, &environment.jobs, &known, write);
        let (removed, more) = clean(&context.rendered, environment);
        findings.extend(more);
        (written, (removed, findings))
    };
    let results: Vec<_> = plan.environments.par_iter().map(render).collect();
    for (environment, (written, (removed, more))) in plan.environments.iter().zip(results) {
        for written in written {
            totals.objects += written.objects;
            totals.written += written.outcome.written;
            totals.unchanged += written.outcome.unchanged;
            totals.removed += written.outcome.removed;
            totals.refused += usize::from(written.refused);
            findings.extend(Finding::of(&written.release, written.diagnostics));
        }
        totals.releases += environment.jobs.len() + environment.refused.len() + environment.skipped.len();
        totals.refused += environment.refused.len();
        totals.skipped += environment.skipped.len();
        totals.removed += removed;
        findings.extend(Finding::of_plan(environment));
        findings.extend(more.into_iter().map(Finding::from));
    }
    drop(progress);
    let lock_error = plan.write_lock().err();
    findings.extend(lock_error.map(Finding::from));
    let failed = findings.iter().any(|finding| finding.diagnostic.severity == Severity::Error);
    output.report(findings);
    for environment in &plan.environments {
        for (release, reason) in &environment.skipped {
            output.line(&format!("skipped {}/{release}: {reason}", environment.name));
        }
    }
    digests::print(output, &context.rendered, plan.environments.iter().map(|environment| environment.name.as_str()));
    output.line(&totals.line(started));
    // The process ends now, and the memory goes with it: taking it apart piece by piece would only cost time.
    std::mem::forget((plan, context));
    Ok(if failed { Status::Error } else { Status::Fine })
}

/// Writes one finished job.
fn write(rendered: &Path, job: &Job, finished: Finished) -> Written {
    let result = |objects, outcome, refused, diagnostics| Written {
        release: job.name(),
        objects,
        outcome,
        refused,
        diagnostics,
    };
    match finished {
        Finished::Refused(errors) => result(0, Outcome::default(), true, errors),
        Finished::Unchanged(folder) => {
            let objects = folder.sum.as_ref().map_or(0, |sum| sum.files.len());
            let outcome = Outcome { unchanged: objects, ..Outcome::default() };
            result(objects, outcome, false, strangers(&folder))
        }
        Finished::Rendered { tree, folder, mut warnings, .. } => {
            warnings.extend(folder.iter().flat_map(|folder| strangers(folder)));
            let path = job.path(rendered);
            match rendered::write(folder.as_deref(), &path, &job.shown_folder(), &tree) {
                Ok(outcome) => result(tree.files.len(), outcome, false, warnings),
                Err(error) => result(0, Outcome::default(), true, vec![error]),
            }
        }
    }
}

/// A warning for each file in a release's folder that kcfg did not write.
fn strangers(folder: &Folder) -> Vec<Diagnostic> {
    let warning = |name: &OsString| {
        Diagnostic::warning("kcfg did not write this; it stays, and `kcfg check` fails on it")
            .at_file(format!("{}/{}", folder.shown, name.to_string_lossy()))
            .help("whoever applies the folder applies this too: move it to releases/, or away")
    };
    folder.strangers.iter().map(warning).collect()
}

/// Removes the folders of releases that are gone, where every document of the environment could be read.
fn clean(rendered: &Path, environment: &EnvironmentPlan) -> (usize, Vec<Diagnostic>) {
    let (mut removed, mut findings) = (0, Vec::new());
    if !environment.is_whole {
        return (removed, findings);
    }
    let orphans = match environment.orphans(rendered) {
        Ok(orphans) => orphans,
        Err(error) => return (removed, vec![error]),
    };
    for orphan in orphans {
        match orphan {
            pipeline::Orphan::Ours(folder) => match rendered::remove(&folder) {
                Ok(count) => {
                    removed += count;
                    findings.extend(strangers(&folder));
                }
                Err(error) => findings.push(error),
            },
            pipeline::Orphan::Stranger(shown) => {
                findings.push(Diagnostic::warning("kcfg did not write this; it stays").at_file(shown));
            }
        }
    }
    // An environment that is gone leaves no empty folder; one that still holds something stays.
    let _ = std::fs::remove_dir(rendered.join(&environment.name));
    (removed, findings)
}

impl Totals {
    fn line(&self, started: Instant) -> String {
        let Totals { releases, objects, written, unchanged, removed, refused, skipped } = self;
        let seconds = started.elapsed().as_secs_f64();
        format!(
            "{releases} releases, {objects} objects: {written} written, {unchanged} unchanged, {removed} removed; \
             {refused} refused, {skipped} skipped ({seconds:.3} s)"
        )
    }
}
