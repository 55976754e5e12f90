//! `kcfg lint`: what can be said of releases and charts beside that they render.

use std::path::Path;

use serde_json::{Value, json};

use crate::chart;
use crate::engine::{self, Capabilities, Randomness, RenderInput};
use crate::error::{Diagnostic, Place, RuleName, Severity};
use crate::lint::{Linter, RENDER, shared};
use crate::manifest;
use crate::pipeline::{self, Content, Finished, Plan, PlanOptions};
use crate::repo::Repository;
use crate::values;

use super::output::Finding;
use super::progress::Progress;
use super::{Output, Status};

/// Look for mistakes in releases and charts: naming, values that nothing reads, removed API versions, plain Secrets
///
/// The rules are listed in docs/lint.md. Exits with 1 where an error is found.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// What to lint: ENV or ENV/RELEASE, with globs, or a chart's folder with the releases that use it; everything if
    /// left out
    #[arg(value_name = "SELECTOR|CHART")]
    targets: Vec<String>,
    /// How findings are written
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Exit with 1 for warnings too
    #[arg(long)]
    deny_warnings: bool,
}

/// How findings are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// For people, with the lines in question
    Text,
    /// One JSON document on standard output
    Json,
    /// GitHub's workflow commands, which annotate the lines of a pull request
    Github,
}

pub fn run(dir: &Path, args: &Args, output: &Output) -> Result<Status, Vec<Diagnostic>> {
    let single = |error| vec![error];
    let repository = Repository::discover(dir).map_err(single)?;
    let (charts, selectors): (Vec<_>, Vec<_>) = args
        .targets
        .iter()
        .map(|target| chart_folder(&repository, target).ok_or(target.clone()))
        .partition(Result::is_ok);
    let charts: Vec<String> = charts.into_iter().flatten().collect();
    let selectors: Vec<String> = selectors.into_iter().filter_map(Result::err).collect();
    let mut findings = Vec::new();
    let mut releases = 0;
    if charts.is_empty() || !selectors.is_empty() {
        let plan = Plan::read(dir, &PlanOptions { selectors, update_refs: false })?;
        releases += lint(plan, output, &mut findings)?;
    }
    for chart in &charts {
        let mut plan = Plan::read(dir, &PlanOptions::default())?;
        plan.warnings.clear();
        for environment in &mut plan.environments {
            environment.jobs.retain(|job| matches!(&job.content, Content::Release(r) if r.chart.location == *chart));
            let folders: Vec<String> = environment.jobs.iter().map(|job| job.folder.clone()).collect();
            environment.releases.retain(|release| folders.iter().any(|folder| folder == release.name.as_str()));
            environment.refused.clear();
            environment.findings.clear();
        }
        plan.environments.retain(|environment| !environment.jobs.is_empty());
        let is_used = plan.environments.iter().any(|environment| !environment.jobs.is_empty());
        let own = by_itself(&repository, chart, is_used);
        // What is wrong with the chart is wrong in each of its releases; they would only repeat it.
        if own.iter().all(|finding| finding.severity == Severity::Warning) {
            releases += lint(plan, output, &mut findings)?;
        }
        findings.extend(own.into_iter().map(Finding::from));
    }
    let count = |severity| findings.iter().filter(|finding| finding.diagnostic.severity == severity).count();
    let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
    print(output, args.format, findings);
    if args.format == Format::Text {
        let charts = match charts.len() {
            0 => String::new(),
            1 => "1 chart, ".to_owned(),
            more => format!("{more} charts, "),
        };
        output.line(&format!("{charts}{releases} releases: {errors} errors, {warnings} warnings"));
    }
    Ok(if errors > 0 || args.deny_warnings && warnings > 0 { Status::Findings } else { Status::Fine })
}

/// The rule of a finding; those of the stages before lint have none.
fn rule(diagnostic: &Diagnostic) -> &'static str {
    diagnostic.rule.map_or(RENDER, RuleName::as_str)
}

/// Writes findings in the form that was asked for.
pub fn print(output: &Output, format: Format, findings: Vec<Finding>) {
    match format {
        Format::Text => output.report_with_rules(findings),
        Format::Json => print_json(output, &findings, &[], &[]),
        Format::Github => findings.iter().for_each(|finding| output.line(&as_command(finding))),
    }
}

/// Writes findings, what differs in rendered/, and which releases only kcfg can apply, as one JSON document.
pub fn print_json(output: &Output, findings: &[Finding], differences: &[String], not_portable: &[String]) {
    let findings: Vec<Value> = findings.iter().map(as_json).collect();
    let mut all = json!({"findings": findings});
    if !differences.is_empty() {
        all["differences"] = json!(differences);
    }
    if !not_portable.is_empty() {
        all["notPortable"] = json!(not_portable);
    }
    let text = serde_json::to_string_pretty(&all);
    output.line(&text.expect("texts and numbers can be written as JSON"));
}

/// A difference in rendered/ (`path: what`) as GitHub's command.
pub fn problem_command(problem: &str) -> String {
    let (file, what) = problem.split_once(": ").unwrap_or(("", problem));
    let what = format!("{what}; run `kcfg render` and commit what it writes");
    format!("::error file={},title=kcfg check::{}", property(file), data(&what))
}

/// Lints what a plan holds and gives the number of its releases.
fn lint(mut plan: Plan, output: &Output, findings: &mut Vec<Finding>) -> Result<usize, Vec<Diagnostic>> {
    let context = plan.context(false);
    let linter = Linter::new();
    findings.extend(std::mem::take(&mut plan.warnings).into_iter().map(Finding::from));
    let mut releases = 0;
    let progress = Progress::start(output, &context.done, plan.job_count());
    for environment in &plan.environments {
        let known = environment.known_scopes(&context.rendered);
        let mut claims = Vec::new();
        let linted = pipeline::run(&context, &environment.jobs, &known, |job, finished| match finished {
            Finished::Refused(errors) => (job.name(), errors, Vec::new()),
            Finished::Unchanged(_) => unreachable!("lint never uses the cache"),
            Finished::Rendered { warnings, objects, .. } => {
                let mut linted = linter.release(environment, job, &context.charts, &objects);
                linted.findings.splice(0..0, warnings);
                (job.name(), linted.findings, linted.claims)
            }
        });
        for (release, diagnostics, own_claims) in linted {
            findings.extend(Finding::of(&release, diagnostics));
            claims.extend(own_claims);
        }
        let more = linter.documents(environment).into_iter().chain(shared(&claims));
        findings.extend(more.map(|(release, diagnostic)| Finding { release: Some(release), diagnostic }));
        findings.extend(Finding::of_plan(environment));
        releases += environment.jobs.len() + environment.refused.len();
    }
    drop(progress);
    Ok(releases)
}

/// The chart's folder relative to the repository's root, if the argument names one: counted from the root, or from
/// the folder kcfg runs in.
fn chart_folder(repository: &Repository, target: &str) -> Option<String> {
    let found = [repository.root.join(target), Path::new(target).to_path_buf()];
    let folder = found.iter().find(|folder| folder.join("Chart.yaml").is_file())?.canonicalize().ok()?;
    let below = folder.strip_prefix(&repository.root).ok()?;
    Some(below.components().map(|part| part.as_os_str().to_string_lossy()).collect::<Vec<_>>().join("/"))
}

/// Loads and compiles a chart, and where no release uses it renders it with its own values.
fn by_itself(repository: &Repository, folder: &str, is_used: bool) -> Vec<Diagnostic> {
    let work = || -> Result<Vec<Diagnostic>, Vec<Diagnostic>> {
        let files = chart::read_folder(&repository.root.join(folder), folder, &repository.root);
        let loaded = chart::load(folder, files.map_err(|error| vec![error])?)?;
        let mut warnings = loaded.warnings;
        let chart = std::sync::Arc::new(loaded.chart);
        let engine = engine::compile(&chart)?;
        if is_used || chart.metadata.chart_type == "library" {
            return Ok(warnings);
        }
        let (prepared, more) = values::prepare(&chart, Vec::new())?;
        warnings.extend(more);
        let capabilities = Capabilities::default();
        let input = RenderInput {
            release_name: "release-name",
            namespace: manifest::DEFAULT_NAMESPACE,
            environment: "",
            is_upgrade: false,
            prepared: &prepared,
            capabilities: &capabilities,
            randomness: Randomness::Fixed(0),
        };
        let rendered = engine.render(&input)?;
        warnings.extend(rendered.warnings);
        warnings.extend(manifest::sort_texts(rendered.files)?.warnings);
        Ok(warnings)
    };
    work().unwrap_or_else(|errors| errors)
}

/// The place that a person can open: rendered texts are no files, so the template's line stands for them.
fn file_place(diagnostic: &Diagnostic) -> Option<&Place> {
    let notes = diagnostic.notes.iter().filter_map(|note| note.place.as_ref());
    let mut places = diagnostic.place.iter().chain(notes);
    let is_file = |place: &&Place| !place.source.name.ends_with(" (rendered)");
    places.clone().find(is_file).or_else(|| places.next())
}

fn place_json(place: Option<&Place>) -> Value {
    let Some(place) = place else { return Value::Null };
    if !place.span.is_some() {
        return json!({"file": place.source.name});
    }
    let (line, column) = place.source.line_column(place.span.start);
    json!({"file": place.source.name, "line": line, "column": column})
}

fn as_json(finding: &Finding) -> Value {
    let Finding { release, diagnostic } = finding;
    let severity = match diagnostic.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    };
    let notes: Vec<Value> = diagnostic
        .notes
        .iter()
        .map(|note| json!({"message": note.message, "place": place_json(note.place.as_ref())}))
        .collect();
    json!({
        "rule": rule(diagnostic),
        "severity": severity,
        "release": release,
        "message": diagnostic.message,
        "place": place_json(file_place(diagnostic)),
        "notes": notes,
        "help": diagnostic.help,
    })
}

/// A text of a command, with GitHub's escapes.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// A property of a command, with GitHub's escapes.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

/// `::warning file=…,line=…,col=…,title=…::message`, with GitHub's escapes.
fn as_command(finding: &Finding) -> String {
    let Finding { release, diagnostic } = finding;
    let command = match diagnostic.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    };
    let mut properties = Vec::new();
    if let Some(place) = file_place(diagnostic) {
        properties.push(format!("file={}", property(&place.source.name)));
        if place.span.is_some() {
            let (line, column) = place.source.line_column(place.span.start);
            properties.push(format!("line={line},col={column}"));
        }
    }
    properties.push(format!("title={}", property(&format!("kcfg {}", rule(diagnostic)))));
    let mut message = diagnostic.message.clone();
    if let Some(help) = &diagnostic.help {
        message += &format!("\nhelp: {help}");
    }
    if let Some(release) = release {
        message += &format!("\nrelease: {release}");
    }
    format!("::{command} {}::{}", properties.join(","), data(&message))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{Source, Span};

    #[test]
    fn github_commands_are_escaped_and_point_at_files() {
        let template = Source::new("charts/a,b/t.yaml", "x\nkind: y\n");
        let rendered = Source::new("charts/a,b/t.yaml (rendered)", "kind: y\n");
        let diagnostic = Diagnostic::warning("50% of: it")
            .at(&rendered, Span::new(0, 4))
            .note("here", Some(Place { source: template, span: Span::new(2, 6) }))
            .help("mend it");
        let finding = Finding { release: Some("prod/web".to_owned()), diagnostic };
        assert_eq!(
            as_command(&finding),
            "::warning file=charts/a%2Cb/t.yaml,line=2,col=1,title=kcfg render::50%25 of: it%0Ahelp: mend it%0Arelease: prod/web"
        );
    }
}
