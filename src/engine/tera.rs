//! The engine of charts with `apiVersion: kcfg.dev/v1`: Tera 2 templates.
//!
//! In: a chart, compiled once, and the values of one release. Out: the text of every template below templates/ whose
//! name does not begin with `_`. Templates see `release`, `chart`, `values`, `environment` and `capabilities`, the
//! functions of [`table`], and nothing else: rendering never asks a clock, a random source, the process environment
//! or a cluster, so the same input always gives the same text.
//!
//! A subchart is rendered as Helm renders one: with the values under its name (and `global`), in a scope of its own.
//! A library chart (`type: library`) renders nothing and lends its partials to the chart above it.
//!
//! Deliberately absent: escaping, hooks into Helm charts (a subchart is a Tera chart too), NOTES.txt, `tpl`.

mod args;
mod context;
mod convert;
mod files;
mod filters;
mod output;
mod path;
mod report;
pub mod table;

use std::collections::HashMap;
use std::sync::Arc;

use tera::Tera;

use super::{Engine, RenderInput, RenderOutput, RenderedFile};
use crate::chart::{Chart, EngineKind, TemplateFile};
use crate::error::{Diagnostic, Source, Span};
use crate::values::PreparedChart;
use files::Files;
use output::Limited;
use report::{Live, Reporter};

/// A template that gives more bytes than this is refused.
pub const OUTPUT_BYTES_MAX: usize = 16 << 20;
/// Templates that include or extend one another more deeply than this are refused.
pub const INCLUDE_DEPTH_MAX: usize = 16;
/// Components that are nested more deeply than this are refused; Tera's own limit.
pub const COMPONENT_DEPTH_MAX: usize = 20;
/// Indentations wider than this are refused.
pub const WIDTH_MAX: usize = 1000;
/// Regular expressions that need more memory than this are refused.
pub const REGEX_BYTES_MAX: usize = 1 << 20;

/// Files below templates/ that are rendered.
const EXTENSIONS: &[&str] = &[".yaml", ".yml", ".json", ".tera"];
/// The folder of a chart that holds its templates.
const TEMPLATES: &str = "templates/";

/// A Tera chart with its subcharts, compiled.
pub struct TeraEngine {
    /// The chart itself, then its subcharts.
    charts: Vec<Compiled>,
}

/// One chart of the tree.
struct Compiled {
    chart: Arc<Chart>,
    tera: Tera,
    /// All templates by Tera's names for them, which count from templates/.
    sources: Vec<(String, Arc<Source>)>,
    /// The names of those that are rendered.
    rendered: Vec<String>,
    components: Vec<String>,
    /// What templates see as `chart`.
    object: tera::Value,
}

impl TeraEngine {
    /// Compiles the templates of a chart and its subcharts, for all its releases.
    ///
    /// # Errors
    /// Every template that cannot be read, every name that none of them defines, and subcharts of another engine.
    pub fn compile(chart: &Arc<Chart>) -> Result<TeraEngine, Vec<Diagnostic>> {
        let mut engine = TeraEngine { charts: Vec::new() };
        let mut findings = Vec::new();
        engine.add(chart, &mut findings);
        if findings.is_empty() { Ok(engine) } else { Err(findings) }
    }

    fn add(&mut self, chart: &Arc<Chart>, findings: &mut Vec<Diagnostic>) {
        match compile(chart) {
            Ok(compiled) => self.charts.push(compiled),
            Err(more) => findings.extend(more),
        }
        for subchart in &chart.dependencies {
            if subchart.engine == EngineKind::Tera {
                self.add(subchart, findings);
            } else {
                let (sub, name) = (&subchart.location, &chart.metadata.name);
                findings.push(
                    Diagnostic::error(format!(
                        "{sub} is a Helm chart, so it cannot be a subchart of the Tera chart {name}"
                    ))
                    .at_file(format!("{sub}/Chart.yaml"))
                    .help("move it out of charts/ and give it a release of its own"),
                );
            }
        }
    }

    fn render_chart(&self, at: &Scope<'_>, out: &mut RenderOutput, findings: &mut Vec<Diagnostic>) {
        let chart = &at.prepared.chart;
        let Some(compiled) = self.charts.iter().find(|compiled| Arc::ptr_eq(&compiled.chart, chart)) else {
            findings.push(Diagnostic::error(format!("the chart {} was not compiled", chart.location)));
            return;
        };
        let context = context::build(at.input, compiled.object.clone(), at.names);
        let live = Live { context: &context, prepared: at.input.prepared, scope: at.names };
        let reporter = Reporter { sources: &compiled.sources, components: &compiled.components, live: Some(live) };
        for name in &compiled.rendered {
            let mut limited = Limited::default();
            let result = compiled.tera.render_to(name, &context, &mut limited);
            let template = compiled.source(name);
            if let Some(limit) = limited.passed() {
                findings.push(limit.at(&template, Span::NONE));
            } else if let Err(error) = result {
                findings.extend(reporter.diagnostics(&error, name));
            } else {
                let path = format!("{}/{TEMPLATES}{name}", at.prepared.full_path);
                out.files.push(RenderedFile { path, template, text: limited.into_text() });
            }
        }
        for subchart in &at.prepared.dependencies {
            let names: Vec<&str> = at.names.iter().copied().chain([subchart.name.as_str()]).collect();
            self.render_chart(&Scope { prepared: subchart, names: &names, ..*at }, out, findings);
        }
    }
}

/// A chart in the tree of one release.
struct Scope<'a> {
    input: &'a RenderInput<'a>,
    prepared: &'a PreparedChart,
    /// The names below the top chart.
    names: &'a [&'a str],
}

impl Engine for TeraEngine {
    fn render(&self, input: &RenderInput<'_>) -> Result<RenderOutput, Vec<Diagnostic>> {
        let mut out = RenderOutput::default();
        let mut findings = Vec::new();
        let top = Scope { input, prepared: &input.prepared.chart, names: &[] };
        self.render_chart(&top, &mut out, &mut findings);
        out.files.sort_by(|a, b| a.path.cmp(&b.path));
        if findings.is_empty() {
            return Ok(out);
        }
        // A component that fails does so in every template that calls it.
        let mut seen = std::collections::HashSet::new();
        findings.retain(|finding| {
            seen.insert(format!("{} {:?}", finding.message, finding.place.as_ref().map(ToString::to_string)))
        });
        Err(findings)
    }
}

impl Compiled {
    fn source(&self, name: &str) -> Arc<Source> {
        let found = self.sources.iter().find(|(n, _)| n == name);
        found.map_or_else(|| Source::new(name, ""), |(_, source)| source.clone())
    }
}

fn compile(chart: &Arc<Chart>) -> Result<Compiled, Vec<Diagnostic>> {
    let mut findings = Vec::new();
    let mut sources = Vec::new();
    let mut rendered = Vec::new();
    for template in &chart.templates {
        match role(template) {
            Role::Rendered if chart.metadata.chart_type != "library" => {
                rendered.push(template_name(template).to_owned());
            }
            Role::Rendered => findings.push(
                Diagnostic::error(
                    "a library chart renders nothing, so only partials may stand in its templates folder",
                )
                .at(&template.source, Span::NONE)
                .help("begin the file's name with `_`, or take `type: library` out of Chart.yaml"),
            ),
            Role::Partial => {}
            Role::Ignored => continue,
            Role::Unknown => {
                let known = EXTENSIONS.join(", ");
                findings.push(
                    Diagnostic::error(format!("this is no template: its name ends in none of {known}"))
                        .at(&template.source, Span::NONE)
                        .help("rename it, begin its name with `_` if it is a partial, or move it out of templates/"),
                );
                continue;
            }
        }
        sources.push((template_name(template).to_owned(), template.source.clone()));
    }
    rendered.sort_unstable();
    let libraries = chart.dependencies.iter().filter(|sub| sub.metadata.chart_type == "library");
    for library in libraries.filter(|sub| sub.engine == EngineKind::Tera) {
        let partials = library.templates.iter().filter(|template| matches!(role(template), Role::Partial));
        let name = |template| format!("charts/{}/{}", library.metadata.name, template_name(template));
        sources.extend(partials.map(|template| (name(template), template.source.clone())));
    }
    for (_, source) in &sources {
        findings.extend(refused_names(source));
    }
    findings.extend(include_depth(&sources));
    if !findings.is_empty() {
        return Err(findings);
    }

    let mut tera = fresh(chart);
    let result = tera.add_raw_templates(sources.iter().map(|(name, source)| (name, &*source.text)));
    let mut components: Vec<String> = tera.get_component_names().map(str::to_owned).collect();
    components.sort_unstable();
    if let Err(error) = result {
        return Err(every_error(chart, &sources, &error));
    }
    let object = context::chart_object(chart);
    Ok(Compiled { chart: chart.clone(), tera, sources, rendered, components, object })
}

fn fresh(chart: &Chart) -> Tera {
    let mut tera = Tera::new();
    tera.autoescape_on(Vec::<&str>::new());
    table::register(&mut tera, &Arc::new(Files::of(chart)));
    tera
}

/// Tera stops at the first template that it cannot read; the others are tried by themselves.
fn every_error(chart: &Chart, sources: &[(String, Arc<Source>)], first: &tera::Error) -> Vec<Diagnostic> {
    let mut alone = fresh(chart);
    let mut components = Vec::new();
    let mut syntax = Vec::new();
    for (name, source) in sources {
        match alone.add_raw_template(name, &source.text) {
            Err(error) if matches!(error.kind(), tera::ErrorKind::SyntaxError(_)) => syntax.push((error, name)),
            Err(_) => {}
            Ok(()) => components = alone.get_component_names().map(str::to_owned).collect(),
        }
    }
    components.sort_unstable();
    let reporter = Reporter { sources, components: &components, live: None };
    if syntax.is_empty() {
        return reporter.diagnostics(first, "");
    }
    syntax.iter().flat_map(|(error, name)| reporter.diagnostics(error, name)).collect()
}

/// Names that Tera has and rendering cannot allow.
fn refused_names(source: &Arc<Source>) -> Option<Diagnostic> {
    /// Prints all variables, in another order on every run.
    const DUMP: &str = "__tera_context";
    let at = source.text.find(DUMP)?;
    Some(
        Diagnostic::error(format!("`{DUMP}` is refused: its order changes from run to run"))
            .at(source, Span::new(at, at + DUMP.len()))
            .help("print what you look for: {{ values | to_yaml }}"),
    )
}

/// Tera recurses into includes and parents, also while it looks for circles, so their depth is checked before.
fn include_depth(sources: &[(String, Arc<Source>)]) -> Option<Diagnostic> {
    let calls = regex::Regex::new(r#"\{%-?\s*(?:include|extends)\s*["'`]([^"'`]*)["'`]"#).ok()?;
    let mut depths: HashMap<&str, usize> = HashMap::new();
    // Each round lengthens the longest chain by one; in a circle it grows for ever, which Tera reports better.
    for _ in 0..=INCLUDE_DEPTH_MAX {
        let mut next = HashMap::new();
        for (name, source) in sources {
            let below = calls.captures_iter(&source.text).filter_map(|call| depths.get(call.get(1)?.as_str())).max();
            next.insert(name.as_str(), below.map_or(0, |depth| depth + 1));
        }
        depths = next;
    }
    let (name, source) = sources.iter().find(|(name, _)| depths.get(name.as_str()) >= Some(&INCLUDE_DEPTH_MAX))?;
    if in_circle(name, sources, &calls) {
        return None;
    }
    Some(
        Diagnostic::error(format!("templates include one another more than {INCLUDE_DEPTH_MAX} deep, beginning here"))
            .at(source, Span::NONE)
            .help("include them side by side"),
    )
}

/// Whether a template leads back to itself or to another circle.
fn in_circle(name: &str, sources: &[(String, Arc<Source>)], calls: &regex::Regex) -> bool {
    let mut at = vec![name.to_owned()];
    // Without a circle no chain has more steps than there are templates.
    for _ in 0..=sources.len() {
        let below = sources.iter().filter(|(name, _)| at.contains(name));
        let mut next: Vec<String> =
            below.flat_map(|(_, source)| calls.captures_iter(&source.text).map(|call| call[1].to_owned())).collect();
        next.sort_unstable();
        next.dedup();
        at = next;
    }
    !at.is_empty()
}

/// What becomes of a file below templates/.
enum Role {
    Rendered,
    /// Compiled for the others.
    Partial,
    /// NOTES.txt, which Helm shows after an installation, and hidden files.
    Ignored,
    Unknown,
}

fn role(template: &TemplateFile) -> Role {
    let file = template.path.rsplit('/').next().unwrap_or(&template.path);
    if file.starts_with('_') {
        Role::Partial
    } else if file == "NOTES.txt" || file.starts_with('.') {
        Role::Ignored
    } else if EXTENSIONS.iter().any(|extension| file.ends_with(extension)) {
        Role::Rendered
    } else {
        Role::Unknown
    }
}

fn template_name(template: &TemplateFile) -> &str {
    template.path.strip_prefix(TEMPLATES).unwrap_or(&template.path)
}

#[cfg(test)]
mod tests;
