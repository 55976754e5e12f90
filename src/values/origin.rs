//! Where a merged value was set: the way back through layers, charts above, globals, aliases and import-values.

use std::sync::Arc;

use super::coalesce::GLOBAL;
use super::{Prepared, PreparedChart};
use crate::error::{Place, Source};
use crate::yaml::{Node, Value};

impl Prepared {
    /// Where the value at a path of the top chart's merged values was set: in the highest layer that has it, or in
    /// the values.yaml of the chart or subchart it belongs to. An element of a list is named by its index. None for
    /// what no text holds: the empty values of a subchart, a `global` that nobody wrote.
    pub fn origin(&self, path: &[&str]) -> Option<Place> {
        let merged_is_null = lookup(&self.values, path).is_none_or(Node::is_null);
        let fits = |node: &Node| merged_is_null || !node.is_null();
        // A global may come from any chart above, the highest one first.
        if let Some(global) = self.global_at(path) {
            for above in 0..global {
                let candidate: Vec<&str> = path[..above].iter().chain(&path[global..]).copied().collect();
                if let Some(place) = self.plain_origin(&candidate, &fits) {
                    return Some(place);
                }
            }
        }
        self.plain_origin(path, &fits)
    }

    /// Where in a path `global` stands for the globals of a subchart.
    fn global_at(&self, path: &[&str]) -> Option<usize> {
        let mut chart = &self.chart;
        for (at, key) in path.iter().enumerate() {
            if *key == GLOBAL {
                return Some(at);
            }
            chart = chart.dependencies.iter().find(|dependency| dependency.name == *key)?;
        }
        None
    }

    fn plain_origin(&self, path: &[&str], fits: &dyn Fn(&Node) -> bool) -> Option<Place> {
        let in_layers = self.layers.iter().rev().find_map(|layer| place(&layer.source, &layer.root, path, fits));
        in_layers.or_else(|| in_charts(&self.chart, path, fits))
    }
}

/// In the chart's own values.yaml, else in what it imports, else in the subchart that the path leads into.
fn in_charts(chart: &PreparedChart, path: &[&str], fits: &dyn Fn(&Node) -> bool) -> Option<Place> {
    in_own(chart, path, fits).or_else(|| in_imports(chart, path, fits)).or_else(|| in_subchart(chart, path, fits))
}

fn in_own(chart: &PreparedChart, path: &[&str], fits: &dyn Fn(&Node) -> bool) -> Option<Place> {
    place(&chart.chart.values_source, &chart.chart.values, path, fits)
}

fn in_subchart(chart: &PreparedChart, path: &[&str], fits: &dyn Fn(&Node) -> bool) -> Option<Place> {
    let (name, below) = path.split_first()?;
    let dependency = chart.dependencies.iter().find(|dependency| dependency.name == *name)?;
    in_charts(dependency, below, fits)
}

fn in_imports(chart: &PreparedChart, path: &[&str], fits: &dyn Fn(&Node) -> bool) -> Option<Place> {
    chart.requirements.iter().find_map(|requirement| {
        requirement.import_values.iter().find_map(|pair| {
            let (child, parent) = (pair.get("child")?.as_str()?, pair.get("parent")?.as_str()?);
            let rest = match parent {
                "." => path,
                parent => parent.split('.').try_fold(path, |path, key| path.strip_prefix(&[key][..]))?,
            };
            let path: Vec<&str> = std::iter::once(requirement.name.as_str())
                .chain(child.split('.'))
                .chain(rest.iter().copied())
                .collect();
            // Not through this chart's imports again: every step leads deeper into the tree.
            in_own(chart, &path, fits).or_else(|| in_subchart(chart, &path, fits))
        })
    })
}

fn place(source: &Arc<Source>, root: &Node, path: &[&str], fits: &dyn Fn(&Node) -> bool) -> Option<Place> {
    let node = lookup(root, path).filter(|node| fits(node))?;
    if !node.span.is_some() || source.text.is_empty() {
        return None;
    }
    // What begins on a line of its own is known by its key.
    let key = path.split_last().and_then(|(key, above)| lookup(root, above)?.as_map()?.get(*key));
    let key = key.map(|entry| entry.key_span).filter(|key| {
        let between = source.text.get(key.end as usize..node.span.start as usize);
        key.is_some() && between.is_some_and(|between| between.contains('\n'))
    });
    Some(Place { source: source.clone(), span: key.unwrap_or(node.span) })
}

fn lookup<'n>(root: &'n Node, path: &[&str]) -> Option<&'n Node> {
    path.iter().try_fold(root, |node, key| match &node.value {
        Value::Map(map) => map.get(*key).map(|entry| &entry.node),
        Value::Seq(items) => items.get(key.parse::<usize>().ok()?),
        _ => None,
    })
}
