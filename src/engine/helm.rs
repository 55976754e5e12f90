//! Helm's engine: charts whose templates are Go's, with Helm's objects, functions and order of execution
//! (helm's pkg/engine/engine.go).
//!
//! In: a chart, compiled once; for each release its merged values. Out: the rendered texts. Absent: splitting them
//! into objects, hooks, and everything that Helm does with a cluster.

mod convert;
mod explain;
mod files;
mod funcs;
mod glob;
mod objects;
mod random;
mod report;
#[cfg(test)]
mod tests;
mod toml;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use self::convert::{as_values, empty_values, from_node};
use self::report::Context;
use super::stack::{first_has_stack, map_on_two_threads, with_stack};
use super::{Engine, Randomness, RenderInput, RenderOutput, RenderedFile};
use crate::chart::{Chart, TemplateFile};
use crate::error::{Diagnostic, Source, Span};
use crate::gotmpl::{
    self, Executor, FixedGenerator, Function, Functions, Generator, Map, NO_VALUE, Parsed, Reach, RealGenerator,
    TemplateSet, Text, Value,
};
use crate::values::PreparedChart;

/// Helm's functions over sprig's over Go's.
static FUNCTIONS: Functions = Functions::new(&TABLES);

const TABLES: [&[Function]; gotmpl::sprig::TABLES.len() + 1] = {
    let mut tables = [funcs::FUNCTIONS; gotmpl::sprig::TABLES.len() + 1];
    let mut at = 0;
    while at < gotmpl::sprig::TABLES.len() {
        tables[at] = gotmpl::sprig::TABLES[at];
        at += 1;
    }
    tables
};

/// From how many bytes of templates on a second thread helps to parse them: before, starting it and the pages of its own
/// allocator cost as much as it saves.
const THREAD_BYTES_MIN: usize = 64 << 10;

/// A Helm chart whose templates, and those of all its subcharts, are parsed.
pub struct HelmEngine {
    /// By the address of the chart, which `_root` keeps alive.
    charts: HashMap<usize, Vec<Template>>,
    _root: Arc<Chart>,
}

/// A file below templates/ that Helm would parse.
struct Template {
    /// The path below its chart's folder.
    path: String,
    source: Arc<Source>,
    /// Partials are there for others to include.
    is_partial: bool,
    parsed: Result<Parsed, Box<Diagnostic>>,
}

/// A template in the tree of one release.
struct Unit<'a> {
    /// Helm's name of it: `web/charts/db/templates/service.yaml`.
    path: Arc<str>,
    /// `.Template.BasePath`.
    base_path: Arc<str>,
    /// The chart it belongs to, counted as [`Units::add`] meets them.
    chart: usize,
    template: &'a Template,
}

impl HelmEngine {
    /// Parses all templates of a chart and its subcharts.
    ///
    /// # Errors
    /// Every template of the chart itself that cannot be parsed. One of a subchart is an error only for the releases
    /// that enable the subchart.
    pub fn compile(chart: &Arc<Chart>) -> Result<HelmEngine, Vec<Diagnostic>> {
        let charts = compile_tree(chart);
        let errors: Vec<Diagnostic> = charts[&address(chart)].iter().filter_map(Template::error).collect();
        if !errors.is_empty() {
            return Err(errors);
        }
        Ok(HelmEngine { charts, _root: chart.clone() })
    }
}

impl Engine for HelmEngine {
    fn render(&self, input: &RenderInput<'_>) -> Result<RenderOutput, Vec<Diagnostic>> {
        let mut units = Units { engine: self, units: Vec::new(), chart_count: 0 };
        units.add(&input.prepared.chart)?;
        let units = units.sorted();
        let errors: Vec<Diagnostic> = units.iter().filter_map(|unit| unit.template.error()).collect();
        if !errors.is_empty() {
            return Err(errors);
        }
        let mut set = TemplateSet::default();
        for unit in &units {
            if let Ok(parsed) = &unit.template.parsed {
                set.add(&unit.path, parsed);
            }
        }
        let set = Arc::new(set);
        // A thread of its own, with an allocator of its own, takes a tenth of the time of a small chart.
        if first_has_stack(Reach::USUAL.stack_bytes) {
            let (result, out_of_reach) = run(input, &units, &set, Reach::USUAL);
            if !out_of_reach {
                return result;
            }
        }
        let result = with_stack(Reach::FULL.stack_bytes, || run(input, &units, &set, Reach::FULL));
        result.map_err(|error| vec![error])?.0
    }
}

/// A release's name from a template (`--name-template`): the functions of templates, no data.
///
/// # Errors
/// The template cannot be parsed or run.
pub fn name_from_template(text: &str) -> Result<String, Diagnostic> {
    let source = Source::new("--name-template", text);
    let name: Arc<str> = source.name.as_str().into();
    let text = Arc::new(Text { name: name.clone(), text: source.text.shared() });
    let parsed =
        gotmpl::parse(&text, &FUNCTIONS).map_err(|error| report::parse_diagnostic(&error, &source, &FUNCTIONS))?;
    let mut set = TemplateSet::default();
    set.add(&name, &parsed);
    let result = with_stack(gotmpl::STACK_BYTES, || {
        let mut generator = RealGenerator::new();
        let result = Executor::new(Arc::new(set), &FUNCTIONS, &mut generator, Reach::FULL).execute(&name, Value::Nil);
        // The error's values belong to this thread.
        result.map_err(|error| (error.message, error.site.span))
    });
    match result? {
        Ok(name) => Ok(name.replace(NO_VALUE, "").trim().to_owned()),
        Err((message, span)) => Err(Diagnostic::error(message).at(&source, Span { start: span.start, end: span.end })),
    }
}

impl Template {
    fn error(&self) -> Option<Diagnostic> {
        self.parsed.as_ref().err().map(|error| (**error).clone())
    }
}

fn address(chart: &Arc<Chart>) -> usize {
    Arc::as_ptr(chart).addr()
}

/// The templates of a chart and its subcharts, by the address of each chart.
fn compile_tree(chart: &Arc<Chart>) -> HashMap<usize, Vec<Template>> {
    let mut charts = Vec::new();
    let mut seen = HashSet::new();
    collect_charts(chart, &mut seen, &mut charts);
    let files: Vec<&TemplateFile> = charts.iter().flat_map(|chart| parsed_files(chart)).collect();
    let bytes = |file: &&TemplateFile| file.source.text.len();
    let mut templates = map_on_two_threads(&files, bytes, THREAD_BYTES_MIN, |file| compile_file(file)).into_iter();
    charts
        .into_iter()
        .map(|chart| (address(chart), templates.by_ref().take(parsed_files(chart).count()).collect()))
        .collect()
}

fn collect_charts<'a>(chart: &'a Arc<Chart>, seen: &mut HashSet<usize>, charts: &mut Vec<&'a Arc<Chart>>) {
    if seen.insert(address(chart)) {
        charts.push(chart);
        chart.dependencies.iter().for_each(|dependency| collect_charts(dependency, seen, charts));
    }
}

/// Of a library chart Helm parses the partials only.
fn parsed_files(chart: &Chart) -> impl Iterator<Item = &TemplateFile> {
    let is_library = chart.metadata.chart_type.eq_ignore_ascii_case("library");
    chart.templates.iter().filter(move |file| !is_library || is_partial(file))
}

fn is_partial(file: &TemplateFile) -> bool {
    file.path.rsplit('/').next().unwrap_or_default().starts_with('_')
}

fn compile_file(file: &TemplateFile) -> Template {
    let source = file.source.clone();
    let text = Arc::new(Text { name: file.path.as_str().into(), text: source.text.shared() });
    let parsed = gotmpl::parse(&text, &FUNCTIONS)
        .map_err(|error| Box::new(report::parse_diagnostic(&error, &source, &FUNCTIONS)));
    Template { path: file.path.clone(), source, is_partial: is_partial(file), parsed }
}

/// Finds the templates of the charts that a release enables.
struct Units<'a> {
    engine: &'a HelmEngine,
    units: Vec<Unit<'a>>,
    chart_count: usize,
}

impl<'a> Units<'a> {
    fn add(&mut self, prepared: &PreparedChart) -> Result<(), Vec<Diagnostic>> {
        let chart = self.chart_count;
        self.chart_count += 1;
        for dependency in &prepared.dependencies {
            self.add(dependency)?;
        }
        let Some(templates) = self.engine.charts.get(&address(&prepared.chart)) else {
            let message = format!("the chart {} was not compiled with the chart that it is part of", prepared.name);
            return Err(vec![Diagnostic::error(message)]);
        };
        let base_path: Arc<str> = format!("{}/templates", prepared.full_path).into();
        for template in templates {
            let path = format!("{}/{}", prepared.full_path, template.path).into();
            self.units.push(Unit { path, base_path: base_path.clone(), chart, template });
        }
        Ok(())
    }

    /// In Helm's order of execution: the deepest first, then from the end of the alphabet. Of several with the same
    /// path the last one counts.
    fn sorted(mut self) -> Vec<Unit<'a>> {
        let depth = |path: &str| path.bytes().filter(|b| *b == b'/').count();
        self.units.reverse();
        self.units.sort_by(|a, b| depth(&b.path).cmp(&depth(&a.path)).then_with(|| b.path.cmp(&a.path)));
        self.units.dedup_by(|later, first| later.path == first.path);
        self.units
    }
}

/// Renders, on one thread, to which the values of templates belong; also gives whether a template wanted to go deeper
/// than `reach`, which is among the errors then.
fn run(
    input: &RenderInput<'_>,
    units: &[Unit<'_>],
    set: &Arc<TemplateSet>,
    reach: Reach,
) -> (Result<RenderOutput, Vec<Diagnostic>>, bool) {
    let values = match from_node(&input.prepared.values) {
        Value::Map(map) => as_values(&map),
        _ => empty_values(),
    };
    share_globals(&input.prepared.chart, &values);
    let shared = Shared { release: objects::release(input), capabilities: objects::capabilities(input.capabilities) };
    let mut scopes = Vec::new();
    shared.add_scopes(&input.prepared.chart, None, &values, &mut scopes);

    let mut generator: Box<dyn Generator> = match input.randomness {
        Randomness::Real => Box::new(RealGenerator::new()),
        Randomness::Fixed(variant) => Box::new(FixedGenerator::new(variant)),
        Randomness::Pinned(variant, sites) => Box::new(FixedGenerator::pinned(variant, sites.to_vec())),
    };
    let context = Context {
        sources: units.iter().map(|unit| &unit.template.source).collect(),
        templates: set.clone(),
        prepared: input.prepared,
        values,
    };
    let mut output = RenderOutput::default();
    let mut errors: Vec<Diagnostic> = Vec::new();
    let mut executor = Executor::new(set.clone(), &FUNCTIONS, &mut *generator, reach);
    for unit in units.iter().filter(|unit| !unit.template.is_partial) {
        let scope = &scopes[unit.chart];
        scope.set("Template", template_object(unit));
        let result = executor.execute(&unit.path, Value::Map(scope.clone()));
        let (texts, checksums) = executor.take_records();
        output.random_texts.extend(texts.into_iter().map(|text| random::record(&context, unit, text)));
        output.checksums.extend(checksums);
        let calls = executor.take_random_calls();
        output.random_calls.extend(calls.iter().map(|sites| random::call(&context, unit, sites)));
        match result {
            Ok(text) => {
                if unit.path.ends_with(NOTES_SUFFIX) {
                    continue;
                }
                let text = if text.contains(NO_VALUE) { text.replace(NO_VALUE, "").into() } else { text };
                let template = unit.template.source.clone();
                output.files.push(RenderedFile { path: (*unit.path).to_owned(), template, text });
            }
            Err(error) => {
                let diagnostic = context.diagnostic(&error, scope);
                // One mistake in a partial is one finding, however many templates include it.
                if !errors.iter().any(|known| same_finding(known, &diagnostic)) {
                    errors.push(diagnostic);
                }
            }
        }
    }
    for (message, site) in executor.take_warnings() {
        let place = context.place(&site);
        output.warnings.push(Diagnostic::warning(message).at(&place.source, place.span));
    }
    let out_of_reach = executor.out_of_reach();
    drop(executor);
    if !errors.is_empty() {
        return (Err(errors), out_of_reach);
    }
    output.used_randomness = generator.used();
    output.files.sort_by(|a, b| a.path.cmp(&b.path));
    (Ok(output), out_of_reach)
}

/// Files that end like this are text for a person: Helm runs them and prints them elsewhere.
const NOTES_SUFFIX: &str = "NOTES.txt";

fn same_finding(a: &Diagnostic, b: &Diagnostic) -> bool {
    let place = |diagnostic: &Diagnostic| diagnostic.place.as_ref().map(ToString::to_string);
    a.message == b.message && place(a) == place(b)
}

/// `.Template`.
fn template_object(unit: &Unit<'_>) -> Value {
    let object = empty_values();
    object.set("Name", Value::Str(unit.path.clone()));
    object.set("BasePath", Value::Str(unit.base_path.clone()));
    Value::Map(object)
}

/// What all charts of a tree see.
struct Shared {
    release: Value,
    capabilities: Value,
}

impl Shared {
    /// Makes what `.` is in the templates of a chart and its subcharts, in the order of [`Units::add`].
    fn add_scopes(
        &self,
        prepared: &PreparedChart,
        parent: Option<&Map>,
        root_values: &Map,
        scopes: &mut Vec<Map>,
    ) -> Value {
        let scope = empty_values();
        let subcharts = Value::map(Default::default());
        let values = match parent {
            None => root_values.clone(),
            Some(parent) => table(parent, &prepared.name).unwrap_or_else(empty_values),
        };
        scope.set("Chart", objects::chart(prepared, parent.is_none()));
        scope.set("Files", files::Files::value(&prepared.chart.files));
        scope.set("Release", self.release.clone());
        scope.set("Capabilities", self.capabilities.clone());
        scope.set("Values", Value::Map(values));
        scope.set("Subcharts", subcharts.clone());
        scopes.push(scope.clone());
        for dependency in &prepared.dependencies {
            let child = self.add_scopes(dependency, Some(&scope), root_values, scopes);
            if let Value::Map(subcharts) = &subcharts {
                subcharts.set(dependency.name.as_str(), child);
            }
        }
        Value::Map(Map { map_type: gotmpl::MapType::Interface, ..scope })
    }
}

/// Lets a chart and its subcharts share the tables within tables of `global`, as Helm does: there the tables of `global`
/// are copied from chart to chart, but not what they hold, so what a template sets in it is seen by the other charts.
fn share_globals(prepared: &PreparedChart, values: &Map) {
    const GLOBAL: &str = "global";
    let tables = |map: &Map| -> Vec<(Arc<str>, Map)> {
        let entries = map.entries.borrow();
        let tables = entries.iter().filter_map(|(key, value)| match value {
            Value::Map(table) => Some((key.clone(), table.clone())),
            _ => None,
        });
        tables.collect()
    };
    for dependency in &prepared.dependencies {
        let Some(Value::Map(below)) = values.get(&dependency.name) else { continue };
        if let (Some(Value::Map(above)), Some(Value::Map(global))) = (values.get(GLOBAL), below.get(GLOBAL)) {
            for (key, table) in tables(&above) {
                let Some(Value::Map(own)) = global.get(&key) else { continue };
                for (key, shared) in tables(&table) {
                    if own
                        .get(&key)
                        .is_some_and(|value| matches!(&value, Value::Map(other) if same_data(other, &shared)))
                    {
                        own.set(key, Value::Map(shared));
                    }
                }
            }
        }
        share_globals(dependency, &below);
    }
}

/// Whether two maps that were just made of values hold the same.
fn same_data(a: &Map, b: &Map) -> bool {
    format!("{a:?}") == format!("{b:?}")
}

/// The part of a chart's values that belongs to a subchart: the same map, not a copy. A name with dots is a path,
/// as in Helm.
fn table(scope: &Map, name: &str) -> Option<Map> {
    let mut current = match scope.get("Values")? {
        Value::Map(map) => map,
        _ => return None,
    };
    for part in name.split('.') {
        current = match current.get(part)? {
            Value::Map(map) => map,
            _ => return None,
        };
    }
    Some(as_values(&current))
}
