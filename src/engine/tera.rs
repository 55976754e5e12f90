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

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, LazyLock};

use tera::Tera;

use super::stack::with_stack;
use super::{Engine, RenderInput, RenderOutput, RenderedFile};
use crate::chart::{Chart, TemplateFile};
use crate::error::{Diagnostic, Source, Span};
use crate::values::PreparedChart;
use files::Files;
use output::Limited;
use report::{Live, Reporter};

/// A template that gives more bytes than this is refused.
pub const OUTPUT_BYTES_MAX: usize = 16 << 20;
/// Templates that include or extend one another more deeply than this are refused.
pub const INCLUDE_DEPTH_MAX: usize = 8;
/// Components that are nested more deeply than this are refused; Tera's own limit.
pub const COMPONENT_DEPTH_MAX: usize = 20;
/// The stack for compiling and rendering. The deepest nest that the limits allow takes 16 MB where Tera is built
/// without optimisation; pages that are not touched cost nothing.
pub const STACK_BYTES: usize = 64 << 20;
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
    /// Every template that cannot be read, and every name that none of them defines.
    pub fn compile(chart: &Arc<Chart>) -> Result<TeraEngine, Vec<Diagnostic>> {
        on_deep_stack(|| {
            let mut engine = TeraEngine { charts: Vec::new() };
            let mut findings = Vec::new();
            engine.add(chart, &mut findings);
            if findings.is_empty() { Ok(engine) } else { Err(findings) }
        })
    }

    fn add(&mut self, chart: &Arc<Chart>, findings: &mut Vec<Diagnostic>) {
        match compile(chart) {
            Ok(compiled) => self.charts.push(compiled),
            Err(more) => findings.extend(more),
        }
        for subchart in &chart.dependencies {
            // Loading refuses a subchart of another engine.
            self.add(subchart, findings);
        }
    }

    fn render_chart(&self, at: &Scope<'_>, out: &mut RenderOutput, findings: &mut Vec<Diagnostic>) {
        let chart = &at.prepared.chart;
        let Some(compiled) = self.charts.iter().find(|compiled| Arc::ptr_eq(&compiled.chart, chart)) else {
            findings.push(Diagnostic::error(format!("the chart {} was not compiled", chart.location)));
            return;
        };
        let object = context::under_alias(&compiled.object, &at.prepared.name);
        let context = context::build(at.input, object, at.names);
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
                out.files.push(RenderedFile { path, template, text: limited.into_text().into() });
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
        on_deep_stack(|| self.render_all(input))
    }
}

impl TeraEngine {
    fn render_all(&self, input: &RenderInput<'_>) -> Result<RenderOutput, Vec<Diagnostic>> {
        let mut out = RenderOutput::default();
        let mut findings = Vec::new();
        let top = Scope { input, prepared: &input.prepared.chart, names: &[] };
        self.render_chart(&top, &mut out, &mut findings);
        out.files.sort_by(|a, b| a.path.cmp(&b.path));
        if findings.is_empty() {
            return Ok(out);
        }
        // A component that fails does so in every template that calls it.
        let mut seen = HashSet::new();
        findings.retain(|finding| {
            seen.insert(format!("{} {:?}", finding.message, finding.place.as_ref().map(ToString::to_string)))
        });
        Err(findings)
    }
}

/// Runs something on a stack of [`STACK_BYTES`].
fn on_deep_stack<T: Send>(run: impl FnOnce() -> Result<T, Vec<Diagnostic>> + Send) -> Result<T, Vec<Diagnostic>> {
    with_stack(STACK_BYTES, run).map_err(|error| vec![error])?
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
    for library in libraries {
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
    static CALL: LazyLock<regex::Regex> = LazyLock::new(|| {
        let pattern = r#"\{%-?\s*(?:include|extends)\s*["'`]([^"'`]*)["'`]"#;
        regex::Regex::new(pattern).expect("the pattern is constant")
    });
    let called = |text| CALL.captures_iter(text).filter_map(|call| call.get(1)).map(|name| name.as_str());
    let calls: HashMap<&str, Vec<&str>> =
        sources.iter().map(|(name, source)| (name.as_str(), called(&source.text).collect())).collect();
    // All templates that a chain of this length leads to. Without a circle no chain is longer than there are templates,
    // and a circle is Tera's to report, which names it.
    let mut at: HashSet<&str> = calls.keys().copied().collect();
    let mut too_deep = false;
    for depth in 0..=sources.len() {
        at = called_by(&at, &calls);
        if at.is_empty() {
            break;
        }
        too_deep |= depth >= INCLUDE_DEPTH_MAX;
    }
    let (_, source) = sources.iter().find(|(name, _)| too_deep && at.is_empty() && leads_too_deep(name, &calls))?;
    Some(
        Diagnostic::error(format!("templates include one another more than {INCLUDE_DEPTH_MAX} deep, beginning here"))
            .at(source, Span::NONE)
            .help("include them side by side"),
    )
}

/// The templates of the chart that any of these include or extend.
fn called_by<'a>(at: &HashSet<&'a str>, calls: &HashMap<&'a str, Vec<&'a str>>) -> HashSet<&'a str> {
    let called = at.iter().filter_map(|name| calls.get(name)).flatten().copied();
    called.filter(|name| calls.contains_key(name)).collect()
}

fn leads_too_deep(name: &str, calls: &HashMap<&str, Vec<&str>>) -> bool {
    let mut at = HashSet::from([name]);
    for _ in 0..=INCLUDE_DEPTH_MAX {
        at = called_by(&at, calls);
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
