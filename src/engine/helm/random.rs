//! Random texts with what a person needs to know of them: where they were made, and which value to set instead.

use std::sync::Arc;

use super::Unit;
use super::report::Context;
use crate::engine::{CallSite, RandomCall, RandomText};
use crate::gotmpl::{self, Site};
use crate::yaml::{Node, Value};

/// A text that a fixed generator made while `unit` ran.
pub(super) fn record(context: &Context<'_>, unit: &Unit<'_>, made: gotmpl::RandomText) -> RandomText {
    let call = call(context, unit, &made.sites);
    RandomText { alphabet: made.alphabet, length: made.length, text: made.text, call }
}

/// A call that asked for randomness while `unit` ran, and the calls that led there, nearest first.
pub(super) fn call(context: &Context<'_>, unit: &Unit<'_>, sites: &[Site]) -> RandomCall {
    let (instead, because) = values(context, &chart_path(&unit.path), sites);
    let site = CallSite { text: sites[0].text.text.clone(), span: sites[0].span };
    RandomCall { path: (*unit.path).to_owned(), site, place: context.place(&sites[0]), instead, because }
}

/// Where the values of a template's chart are in those of the release: below the names of the subcharts in its path.
fn chart_path(path: &str) -> Vec<&str> {
    let chart = path.split("/templates/").next().unwrap_or_default();
    chart.split("/charts/").skip(1).collect()
}

/// The values that would have been taken instead of the nearest of these calls for which any are known, else the
/// values because of which they ran.
fn values(context: &Context<'_>, chart: &[&str], sites: &[Site]) -> (Vec<String>, Vec<String>) {
    /// More than these confuse more than they help.
    const VALUES_MAX: usize = 3;
    let full = |paths: &[Vec<String>]| -> Vec<String> {
        paths.iter().take(VALUES_MAX).map(|path| full_path(chart, path)).collect()
    };
    let mut because = Vec::new();
    for site in sites {
        let found = context.templates.deciding_values(site);
        let owned = |paths: &[Vec<Arc<str>>]| -> Vec<Vec<String>> {
            paths.iter().map(|path| path.iter().map(|key| (**key).to_owned()).collect()).collect()
        };
        let mut instead = owned(&found.instead);
        instead.extend(named_values(context, chart, site));
        if !instead.is_empty() {
            return (full(&instead), Vec::new());
        }
        because.extend(owned(&found.because));
    }
    (Vec::new(), full(&because))
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
