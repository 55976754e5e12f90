//! Merging: chart → parent and globals → environment → release, and where each leaf came from.

use std::sync::Arc;

use crate::chart::Chart;
use crate::error::{Place, Source};
use crate::yaml::Node;

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
    /// The merged values of the top chart; those of a subchart stand under its name.
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
    /// The subcharts that are enabled.
    pub dependencies: Vec<PreparedChart>,
}

impl Prepared {
    /// Where the value at a path of the top chart's merged values was set: in the highest layer that has it, or in
    /// the values.yaml of the chart or subchart it belongs to.
    pub fn origin(&self, path: &[&str]) -> Option<Place> {
        self.layers.iter().rev().find_map(|layer| {
            let node = layer.root.at(path)?;
            Some(Place { source: layer.source.clone(), span: node.span })
        })
    }
}
