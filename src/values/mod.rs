//! Merging: chart → parent and global → environment → release, and where each leaf came from.
//!
//! A loaded chart and layers of values come in; out comes the tree of enabled subcharts with the values that the
//! templates see, as Helm 3.22 works them out (`ProcessDependenciesWithMerge`, then `ToRenderValues`). Charts are
//! shared and stay as they are. Whether the chart's kubeVersion is met is the caller's question.

mod coalesce;
mod dependencies;
mod order;
mod origin;
mod schema;
pub mod set;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use crate::chart::{Chart, Dependency};
#[cfg(test)]
use crate::error::Diagnostic;
use crate::error::Source;
use crate::yaml::{Map, Node, Value};

pub use dependencies::{prepare, prepare_merged};

/// Values from one file (or flag), to be laid over the chart's own; later layers win.
#[derive(Debug, Clone)]
pub struct Layer {
    /// The text the values were read from.
    pub source: Arc<Source>,
    /// The values: a mapping, whose spans point into `source`.
    pub root: Node,
}

/// A chart tree with the subcharts that its values enable, and the merged values.
#[derive(Debug)]
pub struct Prepared {
    /// The chart and its enabled subcharts, with aliases applied.
    pub chart: PreparedChart,
    /// The merged values of the top chart; those of a subchart stand under its name, with `global` in them. Spans in
    /// here are of several texts: ask [`Prepared::origin`].
    pub values: Node,
    /// What was merged, lowest first, to find where a value was set.
    pub layers: Vec<Layer>,
}

/// A chart in the tree of one release.
#[derive(Debug, Clone)]
pub struct PreparedChart {
    /// The chart.
    pub chart: Arc<Chart>,
    /// Its name in this tree: the alias, or its own.
    pub name: String,
    /// Helm's path of the chart, which the paths of its templates begin with: `web/charts/db`. Nearly always the
    /// names with `/charts/` between them; a subchart that its aliased parent does not declare keeps the parent's own name in
    /// it, and two such may share a path, of which Helm renders the last only.
    pub full_path: String,
    /// `.Chart.Dependencies`: the declared dependencies that are enabled, under their aliases.
    pub requirements: Vec<Dependency>,
    /// The subcharts that are enabled, in Helm's order.
    pub dependencies: Vec<PreparedChart>,
}

/// Makes every number a float, as Helm reads values; those that `--set` gives stay integers.
pub fn float_numbers(node: &mut Node) {
    match &mut node.value {
        Value::Int(n) => node.value = Value::Float(*n as f64),
        Value::UInt(n) => node.value = Value::Float(*n as f64),
        Value::Seq(items) => items.iter_mut().for_each(float_numbers),
        Value::Map(map) => map.values_mut().for_each(|entry| float_numbers(&mut entry.node)),
        Value::Null | Value::Bool(_) | Value::Float(_) | Value::Str(_) => {}
    }
}

/// Lays values over others as Helm does with several files of values: mappings are merged, everything else, null
/// included, replaces what is there.
pub fn merge_over(base: &mut Node, over: &Node) {
    match (&mut base.value, &over.value) {
        (Value::Map(below), Value::Map(above)) => {
            base.span = over.span;
            for (key, entry) in above {
                match below.get_mut(key) {
                    Some(known) => {
                        merge_over(&mut known.node, &entry.node);
                        known.key_span = entry.key_span;
                    }
                    None => {
                        below.insert(key.clone(), entry.clone());
                    }
                }
            }
        }
        _ => *base = over.clone(),
    }
}

/// All layers in one, as `helm -f a -f b` merges its files.
pub fn merge_files(layers: &[Layer]) -> Node {
    let mut merged = Node::new(Value::Map(Map::default()));
    for layer in layers.iter().filter(|layer| !layer.root.is_null()) {
        merge_over(&mut merged, &layer.root);
    }
    merged
}
