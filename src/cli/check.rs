//! `kcfg check`: is what is committed what the sources give? For CI and pre-commit hooks.

use std::path::Path;
use std::time::Instant;

use crate::engine;
use crate::error::{Diagnostic, Severity, visible};
use crate::lint::{Claim, Linted, Linter, shared};
use crate::pipeline::{self, Finished, Job, Orphan, Plan, PlanOptions};
use crate::rendered::{self, Problem, RENDERED_FOLDER, SUM_FILE};

use super::lint::{self, Format};
use super::output::Finding;
use super::progress::Progress;
use super::{Output, Status, digests};

/// Check that rendered/ is what releases/ and charts/ give; for CI and pre-commit hooks
///
/// Compares the files with their kcfg.sum, a fresh render (never the cache) with what is there, and the refs in use
/// with kcfg.lock, and lints. Writes nothing. Exits with 1 where anything differs or an error is found, and names each
/// release and file.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// What to check: ENV or ENV/RELEASE, with globs; everything if left out
    #[arg(value_name = "SELECTOR")]
    selectors: Vec<String>,
    /// How findings are written
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

struct Checked {
    release: String,
    objects: usize,
    problems: Vec<String>,
    refused: bool,
    diagnostics: Vec<Diagnostic>,
    claims: Vec<Claim>,
}

pub fn run(dir: &Path, args: &Args, output: &Output) -> Result<Status, Vec<Diagnostic>> {
    let started = Instant::now();
    let options = PlanOptions { selectors: args.selectors.clone(), update_refs: false };
    engine::start_pool();
    let mut plan = Plan::read(dir, &options)?;
    let context = plan.context(false);
    let mut findings: Vec<Finding> = std::mem::take(&mut plan.warnings).into_iter().map(Finding::from).collect();
    let linter = Linter::new();
    let (mut releases, mut objects, mut refused, mut problems) = (0, 0, 0, Vec::new());
    let progress = Progress::start(output, &context.done, plan.job_count());
    for environment in &plan.environments {
        let known = environment.known_scopes(&context.rendered);
        let mut claims = Vec::new();
        let results = pipeline::run(&context, &environment.jobs, &known, |job, finished| {
            let linted = match &finished {
                Finished::Rendered { objects, .. } => linter.release(environment, job, &context.charts, objects),
                _ => Linted::default(),
            };
            let mut checked = check(job, finished);
            checked.diagnostics.extend(linted.findings);
            Checked { claims: linted.claims, ..checked }
        });
        for checked in results {
            claims.extend(checked.claims);
            objects += checked.objects;
            refused += usize::from(checked.refused);
            problems.extend(checked.problems);
            findings.extend(Finding::of(&checked.release, checked.diagnostics));
        }
        releases += environment.jobs.len() + environment.refused.len() + environment.skipped.len();
        refused += environment.refused.len();
        let more = linter.documents(environment).into_iter().chain(shared(&claims));
        findings.extend(more.map(|(release, diagnostic)| Finding { release: Some(release), diagnostic }));
        findings.extend(Finding::of_plan(environment));
        let leftovers = rendered::leftovers(&context.rendered.join(&environment.name));
        problems.extend(
            leftovers.iter().map(|name| {
                format!("{RENDERED_FOLDER}/{}/{name}: a render was killed and left this", environment.name)
            }),
        );
        if environment.is_whole {
            for orphan in environment.orphans(&context.rendered).map_err(|error| vec![error])? {
                problems.push(match orphan {
                    Orphan::Ours(folder) => format!("{}: no release gives this folder any more", folder.shown),
                    Orphan::Stranger(shown) => format!("{shown}: kcfg did not write this"),
                });
            }
        }
    }
    drop(progress);
    if plan.is_lock_stale() {
        problems.push("kcfg.lock: does not say what the releases' refs stand for".to_owned());
    }
    let errors = findings.iter().any(|finding| finding.diagnostic.severity == Severity::Error);
    if args.format == Format::Json {
        let environments = plan.environments.iter().map(|environment| environment.name.as_str());
        lint::print_json(output, &findings, &problems, &digests::not_portable(&context.rendered, environments));
        return Ok(if !problems.is_empty() || errors { Status::Findings } else { Status::Fine });
    }
    lint::print(output, args.format, findings);
    for problem in &problems {
        output.line(&match args.format {
            Format::Github => lint::problem_command(problem),
            _ => visible(problem).into_owned(),
        });
    }
    digests::print(output, &context.rendered, plan.environments.iter().map(|environment| environment.name.as_str()));
    let differ = problems.len();
    let noun = if differ == 1 { "difference" } else { "differences" };
    let seconds = started.elapsed().as_secs_f64();
    output
        .line(&format!("{releases} releases, {objects} objects: {differ} {noun}, {refused} refused ({seconds:.3} s)"));
    if differ > 0 {
        output.line("run `kcfg render` and commit what it writes");
    }
    Ok(if differ > 0 || errors { Status::Findings } else { Status::Fine })
}

/// Compares one fresh render with what stands in the tree.
fn check(job: &Job, finished: Finished) -> Checked {
    let shown = job.shown_folder();
    let checked = |objects, problems, refused, diagnostics| Checked {
        release: job.name(),
        objects,
        problems,
        refused,
        diagnostics,
        claims: Vec::new(),
    };
    match finished {
        Finished::Refused(errors) => checked(0, Vec::new(), true, errors),
        Finished::Unchanged(_) => unreachable!("check never uses the cache"),
        Finished::Rendered { folder: None, tree, warnings, .. } => {
            checked(tree.files.len(), vec![format!("{shown}: not rendered")], false, warnings)
        }
        Finished::Rendered { folder: Some(folder), tree, warnings, .. } => {
            let mut problems = Vec::new();
            let against_sum = folder.verify();
            problems.extend(against_sum.iter().map(|problem| line(&shown, problem, SUM_FILE)));
            let against_render = folder.differences(&tree).into_iter().filter(|problem| !against_sum.contains(problem));
            problems.extend(against_render.map(|problem| line(&shown, &problem, "a fresh render")));
            checked(tree.files.len(), problems, false, warnings)
        }
    }
}

fn line(shown: &str, problem: &Problem, against: &str) -> String {
    match problem {
        Problem::NotRendered => format!("{shown}: has no {SUM_FILE}"),
        Problem::BadSum(reason) => format!("{shown}/{SUM_FILE}: cannot be read: {reason}"),
        Problem::Missing(name) => format!("{shown}/{name}: missing, but {against} has it"),
        Problem::Extra(name, true) => format!("{shown}/{name}: not in {against}"),
        Problem::Extra(name, false) => format!("{shown}/{name}: not in {against}, and kcfg did not write it"),
        Problem::Altered(name) => format!("{shown}/{name}: differs from {against}"),
        Problem::Stale => format!("{shown}/{SUM_FILE}: was rendered from other inputs than those that are here"),
    }
}
