//! Values of a release that its chart never reads: a misspelt key, or one that the chart lost in an upgrade.

use crate::chart::Chart;
use crate::error::{Diagnostic, RuleName, nearest};
use crate::release::ReleaseValues;
use crate::yaml::{Map, Value};

use super::reads::{Read, Reads};

/// Values nest no deeper than this where it is looked; below, all counts as read.
const DEPTH_MAX: usize = 64;

/// Findings of the values that a release document holds; the highest key that nothing reads is named.
pub fn check(values: &ReleaseValues, chart: &Chart, reads: &Reads, shown: &str) -> Vec<Diagnostic> {
    let (ReleaseValues::Inline(values), false) = (values, reads.is_unknown()) else { return Vec::new() };
    let Some(root) = values.root.as_map() else { return Vec::new() };
    let own = Reads::of_text(&values.source.text, chart.engine);
    if own.is_unknown() {
        return Vec::new();
    }
    let read = |path: &[&str]| match reads.of(path) {
        Read::Never => own.of(path),
        read => read,
    };
    let mut unread = Vec::new();
    let mut path = Vec::new();
    walk(root, &mut path, &read, &mut |path, span| {
        let key = path.last().copied().unwrap_or_default();
        let parent = &path[..path.len() - 1];
        // What the chart reads there, then what its values.yaml has there.
        let mut known: Vec<&str> = reads.keys_below(parent);
        known.extend(
            chart.values.at(parent).and_then(|node| node.as_map()).into_iter().flat_map(Map::keys).map(|key| &**key),
        );
        let help = match nearest(key, known.into_iter().filter(|known| *known != key)) {
            Some(near) => format!("did you mean `{near}`?"),
            None => "remove it, or have the chart read it".to_owned(),
        };
        unread.push(
            Diagnostic::warning(format!("no template of {shown} reads `{}`", path.join(".")))
                .at(&values.source, span)
                .help(help)
                .rule(RuleName::UnreadValue),
        );
    });
    unread
}

fn walk<'v>(
    map: &'v Map,
    path: &mut Vec<&'v str>,
    read: &impl Fn(&[&str]) -> Read,
    report: &mut impl FnMut(&[&'v str], crate::error::Span),
) {
    for (key, entry) in map {
        path.push(key);
        match read(path) {
            Read::Never => report(path, entry.key_span),
            Read::Whole => {}
            Read::Below => {
                if let Value::Map(below) = &entry.node.value
                    && path.len() < DEPTH_MAX
                {
                    walk(below, path, read, report);
                }
            }
        }
        path.pop();
    }
}
