//! What templates see: `release`, `chart`, `values`, `environment`, `capabilities`.
//!
//! There is no revision and no "is this an upgrade": a rendered tree is the same whatever runs in the cluster.

use tera::value::Key;
use tera::{Context, Map, Value};

use super::convert::{map_to_tera, to_tera};
use crate::chart::Chart;
use crate::engine::{Capabilities, RenderInput};
use crate::yaml;

/// Names that Chart.yaml writes in camel case, and the way templates write names.
const SNAKE_CASE: &[(&str, &str)] =
    &[("apiVersion", "api_version"), ("appVersion", "app_version"), ("kubeVersion", "kube_version")];

/// All variables of one chart of a release; `scope` names the subcharts that lead to it.
pub fn build(input: &RenderInput<'_>, chart: Value, scope: &[&str]) -> Context {
    let mut context = Context::new();
    let release = [("name", input.release_name), ("namespace", input.namespace)];
    context.insert_value("release", object(release.map(|(key, text)| (key, text.into()))));
    context.insert_value("chart", chart);
    let values = input.prepared.values.at(scope).map(|node| to_tera(&node.value));
    let values = values.filter(Value::is_map).unwrap_or_else(|| Map::default().into());
    context.insert_value("values", values);
    context.insert_value("environment", object([("name", input.environment.into())]));
    context.insert_value("capabilities", capabilities(input.capabilities));
    context
}

/// `chart`: all of Chart.yaml, with `app_version` and its like beside `appVersion`.
pub fn chart_object(chart: &Chart) -> Value {
    let mut map = match chart.metadata.raw.as_ref().map(|node| &node.value) {
        Some(yaml::Value::Map(map)) => map_to_tera(map),
        _ => Map::default(),
    };
    // Numbers such as `version: 1.10` are texts here, as the reader of Chart.yaml made them.
    let metadata = &chart.metadata;
    for (key, text) in [
        ("name", &metadata.name),
        ("version", &metadata.version),
        ("apiVersion", &metadata.api_version),
        ("appVersion", &metadata.app_version),
        ("kubeVersion", &metadata.kube_version),
    ] {
        if !text.is_empty() {
            map.insert(Key::Str(key), text.as_str().into());
        }
    }
    for (camel, snake) in SNAKE_CASE {
        if let Some(value) = map.get(&Key::Str(camel)).cloned() {
            map.insert(Key::Str(snake), value);
        }
    }
    map.into()
}

/// The same under the name that the chart above gave it, as Helm has it.
pub fn under_alias(chart: &Value, name: &str) -> Value {
    match chart.as_map() {
        Some(map) if map.get(&Key::Str("name")).and_then(Value::as_str) != Some(name) => {
            let mut map = map.clone();
            map.insert(Key::Str("name"), name.into());
            map.into()
        }
        _ => chart.clone(),
    }
}

fn capabilities(capabilities: &Capabilities) -> Value {
    let version = &capabilities.kube_version;
    let version = [("version", &version.version), ("major", &version.major), ("minor", &version.minor)];
    object([
        ("kube_version", object(version.map(|(key, text)| (key, text.as_str().into())))),
        ("api_versions", capabilities.api_versions.iter().map(String::as_str).collect::<Vec<_>>().into()),
    ])
}

fn object<const N: usize>(entries: [(&'static str, Value); N]) -> Value {
    entries.into_iter().map(|(key, value)| (Key::Str(key), value)).collect::<Map>().into()
}
