//! Random texts with what a person needs to know of them: where they were made, and which value to set instead.

use super::Unit;
use super::report::Context;
use crate::engine::RandomText;
use crate::gotmpl::{self, Site};
use crate::yaml::{Node, Value};

/// A text that a fixed generator made while `unit` ran.
pub(super) fn record(context: &Context<'_>, unit: &Unit<'_>, made: gotmpl::RandomText) -> RandomText {
    let site = made.site();
    let values = values(context, &chart_path(&unit.path), &made.sites);
    let place = context.place(&made.sites[0]);
    RandomText { alphabet: made.alphabet, length: made.length, text: made.text, site, place, values }
}

/// Where the values of a template's chart are in those of the release: below the names of the subcharts in its path.
fn chart_path(path: &str) -> Vec<&str> {
    let chart = path.split("/templates/").next().unwrap_or_default();
    chart.split("/charts/").skip(1).collect()
}

/// The values that decide about the nearest of these calls for which any are known.
fn values(context: &Context<'_>, chart: &[&str], sites: &[Site]) -> Vec<String> {
    /// More than these confuse more than they help.
    const VALUES_MAX: usize = 3;
    for site in sites {
        let mut found: Vec<Vec<String>> = context
            .templates
            .deciding_values(site)
            .iter()
            .map(|path| path.iter().map(|key| (**key).to_owned()).collect())
            .collect();
        found.extend(named_values(context, chart, site));
        found.truncate(VALUES_MAX);
        if !found.is_empty() {
            return found.iter().map(|path| full_path(chart, path)).collect();
        }
    }
    Vec::new()
}

fn full_path(chart: &[&str], path: &[String]) -> String {
    const GLOBAL: &str = "global";
    let chart = if path[0] == GLOBAL { &[] } else { chart };
    chart.iter().copied().chain(path.iter().map(String::as_str)).collect::<Vec<_>>().join(".")
}

/// Values that a call names in text literals (`include "password" (dict "values" (list "auth.password") …)`): those
/// that the chart has, and that hold no mapping or list.
fn named_values(context: &Context<'_>, chart: &[&str], site: &Site) -> Vec<Vec<String>> {
    let (start, end) = (site.span.start as usize, site.span.end as usize);
    let call = site.text.text.get(start..end).unwrap_or_default();
    let literals = call.split('"').skip(1).step_by(2);
    let paths = literals.map(|text| text.split('.').map(str::to_owned).collect::<Vec<_>>());
    paths.filter(|path| is_leaf(&context.prepared.values, chart, path)).collect()
}

fn is_leaf(values: &Node, chart: &[&str], path: &[String]) -> bool {
    let path = chart.iter().copied().chain(path.iter().map(String::as_str));
    let node = path.into_iter().try_fold(values, |node, key| node.get(key));
    node.is_some_and(|node| matches!(node.value, Value::Str(_) | Value::Null))
}
