//! Which subcharts a release has, and what they see: Helm's `CheckDependencies`, `ProcessDependenciesWithMerge` and
//! `CoalesceValues`, in the order in which `helm template` calls them (pkg/chartutil/dependencies.go, 3.22).
//!
//! Helm changes the charts it loaded, and copies of a chart under several aliases share what is below them. Here the
//! same is done to a tree of small records that stand for the shared charts; [`Tree`] is thrown away at the end.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::coalesce::{Merger, Stop, Table, Val};
use super::{Layer, Prepared, PreparedChart, merge_files};
use crate::chart::{Chart, Dependency, EngineKind};
use crate::error::Diagnostic;
use crate::semver::is_compatible;
use crate::yaml::{Entry, Map, Node, Value};

/// Works out which subcharts are enabled and what values the chart and they see, and how odd that is.
///
/// # Errors
/// The chart is a library; a declared dependency is missing in charts/; values of a subchart are not a mapping;
/// values that import each other beyond all limits; values that do not fit a chart's schema.
pub fn prepare(chart: &Arc<Chart>, layers: Vec<Layer>) -> Result<(Prepared, Vec<Diagnostic>), Vec<Diagnostic>> {
    let merged = merge_files(&layers);
    let (prepared, mut warnings) = prepare_merged(chart, &merged, layers)?;
    warnings.extend(prepared.check_schemas()?);
    Ok((prepared, warnings))
}

/// The same for values that were merged before, as those that `--set` changed are; `layers` only tells where they were set.
/// Schemas are left to the caller ([`Prepared::check_schemas`]).
///
/// # Errors
/// As for [`prepare`].
pub fn prepare_merged(
    chart: &Arc<Chart>,
    merged: &Node,
    layers: Vec<Layer>,
) -> Result<(Prepared, Vec<Diagnostic>), Vec<Diagnostic>> {
    check_installable(chart)?;
    check_dependencies(chart)?;
    let empty = Map::default();
    let given = Table::of(merged.as_map().unwrap_or(&empty));
    let mut tree = Tree::default();
    let root = tree.add(chart, None, &mut HashMap::new());
    let mut work = Work { tree, merger: Merger::default(), odd: Vec::new(), imported: HashSet::new() };
    let (result, stop) = match work.run(root, &given) {
        Ok(values) => (Some(values), None),
        Err(stop) => (None, Some(stop)),
    };
    let Work { tree, mut merger, odd, .. } = work;
    let prepared_chart = tree.prepared(root, chart);
    let values = result.map(|values| merger.data(&values)).transpose();
    let (values, stop) = match (values, stop) {
        (Ok(values), stop) => (values, stop),
        (Err(stop), _) => (None, Some(stop)),
    };
    let mut prepared = Prepared { chart: prepared_chart, values: Node::new(values.unwrap_or_default()), layers };
    let describe = |mut diagnostic: Diagnostic, path: &[Arc<str>]| {
        let keys: Vec<&str> = path.iter().map(AsRef::as_ref).collect();
        diagnostic.message = format!("`{}` {}", keys.join("."), diagnostic.message);
        diagnostic.place = prepared.origin(&keys);
        diagnostic
    };
    if let Some(stop) = stop {
        let error = match stop {
            Stop::NoTable(misfit) => describe(Diagnostic::error(misfit.message), &misfit.path)
                .help("write the subchart's values below this key, or `{}` for none"),
            Stop::Limit(what) => Diagnostic::error(format!("the merged values of this chart {what}"))
                .at_file(&chart.location)
                .help("look for import-values that import each other"),
        };
        return Err(vec![error]);
    }
    let mut warnings: Vec<Diagnostic> =
        merger.misfits.into_iter().map(|misfit| describe(Diagnostic::warning(misfit.message), &misfit.path)).collect();
    warnings.extend(odd);
    if chart.engine == EngineKind::Tera {
        super::order::as_written(&mut prepared);
    }
    Ok((prepared, warnings))
}

fn check_installable(chart: &Chart) -> Result<(), Vec<Diagnostic>> {
    if chart.metadata.chart_type != "library" {
        return Ok(());
    }
    let mut error = Diagnostic::error("library charts are not installable")
        .help("a library holds templates for other charts; make it a dependency of the chart that you want to render");
    error.place = chart.metadata_place("type");
    Err(vec![error])
}

/// As Helm does before everything else: of the top chart, by name alone, enabled or not.
fn check_dependencies(chart: &Chart) -> Result<(), Vec<Diagnostic>> {
    let missing: Vec<&Dependency> = chart
        .metadata
        .dependencies
        .iter()
        .flatten()
        .filter(|wanted| chart.dependencies.iter().all(|found| found.metadata.name != wanted.name))
        .collect();
    let Some(first) = missing.first() else {
        return Ok(());
    };
    let names: Vec<&str> = missing.iter().map(|dependency| dependency.name.as_str()).collect();
    let location = &chart.location;
    let mut error = Diagnostic::error(format!(
        "found in Chart.yaml, but missing in charts/ directory: {}",
        names.join(", ")
    ))
    .help(format!(
        "put {} into {location}/charts (`helm dependency build {location}` fetches and packs what Chart.yaml names) and commit it",
        if names.len() == 1 { "this chart" } else { "these charts" }
    ));
    error.place = first.place.clone();
    Err(vec![error])
}

/// A chart of the tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct WorkId(usize);

/// The charts of one release while their dependencies are worked out.
#[derive(Debug, Default)]
pub(super) struct Tree<'a> {
    charts: Vec<WorkChart<'a>>,
    /// Entries of `dependencies`; copies of a chart share them.
    requirements: Vec<Dependency>,
}

#[derive(Debug, Clone)]
struct WorkChart<'a> {
    chart: &'a Arc<Chart>,
    name: Arc<str>,
    /// What import-values made of the chart's values.
    values: Option<Table<'a>>,
    requirements: Option<Vec<usize>>,
    dependencies: Vec<WorkId>,
    parent: Option<WorkId>,
}

impl<'a> Tree<'a> {
    fn add(&mut self, chart: &'a Arc<Chart>, parent: Option<WorkId>, names: &mut HashMap<&'a str, Arc<str>>) -> WorkId {
        let id = WorkId(self.charts.len());
        let name = names.entry(&chart.metadata.name).or_insert_with(|| chart.metadata.name.as_str().into()).clone();
        let requirements = chart.metadata.dependencies.as_ref().map(|entries| {
            let first = self.requirements.len();
            self.requirements.extend(entries.iter().cloned());
            (first..self.requirements.len()).collect()
        });
        self.charts.push(WorkChart { chart, name, values: None, requirements, dependencies: Vec::new(), parent });
        let dependencies = chart.dependencies.iter().map(|dependency| self.add(dependency, Some(id), names)).collect();
        self.charts[id.0].dependencies = dependencies;
        id
    }

    pub(super) fn name(&self, chart: WorkId) -> &Arc<str> {
        &self.charts[chart.0].name
    }

    pub(super) fn dependencies(&self, chart: WorkId) -> &[WorkId] {
        &self.charts[chart.0].dependencies
    }

    /// The chart's own values.
    pub(super) fn values(&self, chart: WorkId) -> Table<'a> {
        let work = &self.charts[chart.0];
        match &work.values {
            Some(table) => table.clone(),
            None => work.chart.values.as_map().map_or_else(Table::default, Table::of),
        }
    }

    fn set_dependencies(&mut self, chart: WorkId, dependencies: Vec<WorkId>) {
        for dependency in &dependencies {
            self.charts[dependency.0].parent = Some(chart);
        }
        self.charts[chart.0].dependencies = dependencies;
    }

    /// The subchart that an entry of `dependencies` means, as a copy under its alias.
    fn aliased(&mut self, chart: WorkId, requirement: usize) -> Option<WorkId> {
        let wanted = &self.requirements[requirement];
        let found = *self.dependencies(chart).iter().find(|d| self.meets(**d, wanted))?;
        let mut copy = self.charts[found.0].clone();
        if !wanted.alias.is_empty() {
            copy.name = wanted.alias.as_str().into();
        }
        self.charts.push(copy);
        Some(WorkId(self.charts.len() - 1))
    }

    fn meets(&self, chart: WorkId, wanted: &Dependency) -> bool {
        let found = &self.charts[chart.0];
        *found.name == *wanted.name && is_compatible(&wanted.version, &found.chart.metadata.version)
    }

    fn full_path(&self, chart: WorkId) -> String {
        let work = &self.charts[chart.0];
        match work.parent {
            Some(parent) => format!("{}/charts/{}", self.full_path(parent), work.name),
            None => work.name.to_string(),
        }
    }

    fn prepared(&self, id: WorkId, chart: &Arc<Chart>) -> PreparedChart {
        let work = &self.charts[id.0];
        let requirements = work.requirements.iter().flatten().map(|r| self.requirements[*r].clone()).collect();
        let dependencies = work.dependencies.iter().map(|d| self.prepared(*d, self.charts[d.0].chart)).collect();
        PreparedChart {
            chart: chart.clone(),
            name: work.name.to_string(),
            full_path: self.full_path(id),
            requirements,
            dependencies,
        }
    }
}

struct Work<'a> {
    tree: Tree<'a>,
    merger: Merger,
    /// What Helm warns of.
    odd: Vec<Diagnostic>,
    /// Entries of `dependencies` whose import-values are done.
    imported: HashSet<usize>,
}

impl<'a> Work<'a> {
    fn run(&mut self, root: WorkId, given: &Table<'a>) -> Result<Table<'a>, Stop> {
        self.enable(root, given, "")?;
        self.import(root)?;
        self.merger.coalesce_values(&self.tree, root, given, false)
    }

    /// Keeps the subcharts that are enabled, under their aliases. `path` leads to the chart's values.
    fn enable(&mut self, chart: WorkId, given: &Table<'a>, path: &str) -> Result<(), Stop> {
        // Without `dependencies` everything below stays as it was loaded, conditions there included.
        let Some(requirements) = self.tree.charts[chart.0].requirements.clone() else {
            return Ok(());
        };
        let tree = &mut self.tree;
        let undeclared = |d: &WorkId| !requirements.iter().any(|r| tree.meets(*d, &tree.requirements[*r]));
        let mut dependencies: Vec<WorkId> = tree.dependencies(chart).iter().copied().filter(undeclared).collect();
        for requirement in &requirements {
            dependencies.extend(tree.aliased(chart, *requirement));
            let entry = &mut tree.requirements[*requirement];
            if !entry.alias.is_empty() {
                entry.name = entry.alias.clone();
            }
            entry.enabled = true;
        }
        tree.set_dependencies(chart, dependencies);

        let values = self.merger.coalesce_values(&self.tree, chart, given, false)?;
        for requirement in &requirements {
            self.tags(*requirement, &values);
        }
        for requirement in &requirements {
            self.condition(*requirement, &values, path);
        }
        let is_enabled = |r: &usize| self.tree.requirements[*r].enabled;
        let disabled: HashSet<&str> =
            requirements.iter().filter(|r| !is_enabled(r)).map(|r| self.tree.requirements[*r].name.as_str()).collect();
        let dependencies: Vec<WorkId> = self
            .tree
            .dependencies(chart)
            .iter()
            .copied()
            .filter(|d| !disabled.contains(self.tree.name(*d).as_ref()))
            .collect();
        let kept: Vec<usize> = requirements
            .iter()
            .copied()
            .filter(|r| !disabled.contains(self.tree.requirements[*r].name.as_str()))
            .collect();
        for dependency in &dependencies {
            let below = format!("{path}{}.", self.tree.name(*dependency));
            self.enable(*dependency, &values, &below)?;
        }
        self.tree.charts[chart.0].requirements = if kept.is_empty() { None } else { Some(kept) };
        self.tree.set_dependencies(chart, dependencies);
        Ok(())
    }

    /// `tags`: off if one of them is false and none is true.
    fn tags(&mut self, requirement: usize, values: &Table<'a>) {
        let Some(Val::Table(tags)) = values.get("tags") else {
            return;
        };
        let (mut any_true, mut any_false) = (false, false);
        for tag in self.tree.requirements[requirement].tags.clone() {
            match tags.get(&tag) {
                None => {}
                Some(Val::Leaf(Node { value: Value::Bool(b), .. })) => {
                    any_true |= *b;
                    any_false |= !*b;
                }
                Some(other) => self.not_boolean(requirement, &format!("tags.{tag}"), &other),
            }
        }
        self.tree.requirements[requirement].enabled = any_true || !any_false;
    }

    /// `condition`: the first of its paths that leads to a boolean decides, over tags.
    fn condition(&mut self, requirement: usize, values: &Table<'a>, path: &str) {
        let condition = self.tree.requirements[requirement].condition.trim().to_string();
        for condition in condition.split(',').filter(|c| !c.is_empty()) {
            let path = format!("{path}{condition}");
            let (above, key) = path.rsplit_once('.').map_or((None, path.as_str()), |(above, key)| (Some(above), key));
            let table = match above {
                Some(above) => values.table_at(above.split('.')),
                None => Some(values.clone()),
            };
            match table.and_then(|table| table.get(key)) {
                None | Some(Val::Table(_)) => {}
                Some(Val::Leaf(Node { value: Value::Bool(b), .. })) => {
                    self.tree.requirements[requirement].enabled = *b;
                    return;
                }
                Some(other) => self.not_boolean(requirement, &path, &other),
            }
        }
    }

    fn not_boolean(&mut self, requirement: usize, path: &str, value: &Val<'_>) {
        let entry = &self.tree.requirements[requirement];
        let mut warning = Diagnostic::warning(format!(
            "`{path}` should say whether the subchart `{}` is enabled, but it is {}",
            entry.name,
            value.kind_name()
        ))
        .help("set it to true or false");
        warning.place = entry.place.clone();
        if self.odd.iter().all(|known| known.message != warning.message) {
            self.odd.push(warning);
        }
    }

    /// Import-values of the whole tree, from below. As a side effect, which shows in how nulls and globals come out,
    /// a chart with enabled dependencies gets all of their values into its own.
    fn import(&mut self, chart: WorkId) -> Result<(), Stop> {
        for dependency in self.tree.dependencies(chart).to_vec() {
            self.import(dependency)?;
        }
        let Some(requirements) = self.tree.charts[chart.0].requirements.clone() else {
            return Ok(());
        };
        let values = self.merger.coalesce_values(&self.tree, chart, &Table::default(), true)?;
        let imported = Table::default();
        for requirement in requirements {
            let name = self.tree.requirements[requirement].name.clone();
            // What another copy of this chart, under another alias, has imported is not imported again, but forgotten; so
            // it is in Helm.
            if !self.imported.insert(requirement) {
                self.tree.requirements[requirement].import_values.clear();
                continue;
            }
            let mut pairs = Vec::new();
            for import in std::mem::take(&mut self.tree.requirements[requirement].import_values) {
                let (child, parent) = match &import.value {
                    Value::Str(export) => (format!("exports.{export}"), ".".to_string()),
                    Value::Map(map) => (pair_part(map, "child"), pair_part(map, "parent")),
                    _ => continue,
                };
                let mut pair = Map::default();
                pair.insert("child".into(), Entry::new(child.as_str()));
                pair.insert("parent".into(), Entry::new(parent.as_str()));
                pairs.push(Node { value: Value::Map(pair), span: import.span });
                let Some(table) = values.table_at(std::iter::once(name.as_str()).chain(child.split('.'))) else {
                    self.nothing_to_import(requirement, &child);
                    continue;
                };
                // An empty mapping is not shared with what it is merged into.
                let table = if table.is_empty() { Table::default() } else { table };
                let table = if parent == "." {
                    table
                } else {
                    parent.split('.').rev().fold(table, |inner, key| {
                        let outer = Table::default();
                        outer.set(key, Val::Table(inner));
                        outer
                    })
                };
                self.merger.tables(&imported, &table, true)?;
            }
            self.tree.requirements[requirement].import_values = pairs;
        }
        // The chart's own values win over what it imports.
        let values = self.merger.deep_copy(&values)?;
        self.merger.tables(&values, &imported, true)?;
        self.tree.charts[chart.0].values = Some(values);
        Ok(())
    }

    fn nothing_to_import(&mut self, requirement: usize, child: &str) {
        let entry = &self.tree.requirements[requirement];
        let mut warning = Diagnostic::warning(format!(
            "import-values names `{child}`, but the values of the subchart `{}` have no such mapping",
            entry.name
        ));
        warning.place = entry.place.clone();
        self.odd.push(warning);
    }
}

/// Go's `fmt.Sprintf("%v", …)` of what should be text.
fn pair_part(map: &Map, key: &str) -> String {
    match map.get(key).map(|entry| &entry.node.value) {
        Some(Value::Str(text)) => text.to_string(),
        Some(Value::Bool(b)) => b.to_string(),
        Some(Value::Int(n)) => n.to_string(),
        Some(Value::UInt(n)) => n.to_string(),
        Some(Value::Float(f)) => f.to_string(),
        Some(Value::Null | Value::Seq(_) | Value::Map(_)) | None => "<nil>".into(),
    }
}
