//! The order of keys in a Tera chart's values: as the chart wrote them, then those that were added. (In Helm's
//! templates mappings are sorted, so there the order does not matter.)

use super::{Prepared, PreparedChart};
use crate::yaml::{Map, Node};

/// Puts the merged values into the order of the charts' own.
pub(super) fn as_written(prepared: &mut Prepared) {
    let Prepared { chart, values, .. } = prepared;
    of_chart(values, chart);
}

fn of_chart(values: &mut Node, chart: &PreparedChart) {
    let (Some(map), Some(own)) = (values.as_map_mut(), chart.chart.values.as_map()) else {
        return;
    };
    like(map, own);
    for dependency in &chart.dependencies {
        if let Some(entry) = map.get_mut(dependency.name.as_str()) {
            of_chart(&mut entry.node, dependency);
        }
    }
}

fn like(map: &mut Map, own: &Map) {
    // A stable sort: keys that the chart has not keep their order, behind those that it has.
    map.sort_by_cached_key(|key, _| own.get_index_of(key).unwrap_or(usize::MAX));
    for (key, entry) in map.iter_mut() {
        if let (Some(inner), Some(own)) = (entry.node.as_map_mut(), own.get(key).and_then(|own| own.node.as_map())) {
            like(inner, own);
        }
    }
}
