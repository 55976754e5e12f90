//! `kind: Release` of kcfg.dev/v1: our own format.

use super::parse::Head;
use super::{ChartPath, ChartRef, Format, Namespace, PathChart, Release, ReleaseName, ReleaseValues, Values};
use crate::error::Span;
use crate::yaml::fields::{Fields, Text, present};
use crate::yaml::{Map, Node, Value};

/// The namespace of what names none, as the API server has it.
const NAMESPACE_DEFAULT: &str = "default";

/// Keys of a document.
pub(super) const ROOT_KEYS: [&str; 4] = ["apiVersion", "kind", "metadata", "spec"];
/// Keys of our own documents' metadata.
pub(super) const METADATA_KEYS: [&str; 4] = ["name", "namespace", "labels", "annotations"];
const SPEC_KEYS: [&str; 5] = ["chart", "releaseName", "values", "skipCRDs", "includeCRDs"];
const CHART_KEYS: [&str; 3] = ["path", "git", "ref"];

/// Reads a Release; what is wrong is left in `fields`.
pub(super) fn parse(fields: &mut Fields, root: &Map, head: Head) -> Option<Release> {
    fields.known(root, "", &ROOT_KEYS);
    if let Some(metadata) = fields.map(root, "", "metadata") {
        fields.known(metadata, "metadata", &METADATA_KEYS);
    }
    let Some(spec) = present(root, "spec") else {
        fields.error_help(head.place.span, "this Release has no `spec`", "write at least `spec: {chart: charts/web}`");
        return None;
    };
    let spec_span = spec.span;
    let spec = fields.as_map(spec, "spec")?;
    fields.known(spec, "spec", &SPEC_KEYS);
    let chart = match present(spec, "chart") {
        None => {
            fields.error_help(
                first_key(spec, spec_span),
                "`spec.chart` is missing",
                "write the path of the chart's folder: `chart: charts/web`",
            );
            None
        }
        Some(node) => chart(fields, node),
    };
    let release_name = fields.text(spec, "spec", "releaseName");
    let release_name = match release_name {
        Some(text) => checked_release_name(fields, &text),
        None => default_release_name(fields, head.name.as_str(), head.place.span),
    };
    let skip = fields.boolean(spec, "spec", "skipCRDs");
    let include = fields.boolean(spec, "spec", "includeCRDs");
    if let (Some(_), Some(_), Some(entry)) = (skip, include, spec.get("includeCRDs")) {
        fields.error_help(entry.key_span, "both `skipCRDs` and `includeCRDs` are given", "keep one of them");
    }
    let namespace = namespace(fields, head.namespace.as_ref(), head.place.span);
    let values = values_layer(fields, head.values);
    Some(Release {
        name: head.name,
        namespace: namespace?,
        release_name: release_name?,
        chart: chart?,
        values: values.into_iter().collect(),
        chart_values_files: Vec::new(),
        skip_crds: skip.or(include.map(|include| !include)).unwrap_or(false),
        format: Format::Kcfg,
        source: head.source,
        place: head.place,
    })
}

fn chart(fields: &mut Fields, node: &Node) -> Option<ChartRef> {
    if let Value::Str(text) = &node.value {
        let text = Text { text: text.clone(), span: node.span };
        return path_chart(fields, &text, None, None);
    }
    if node.as_map().is_none() {
        fields.wrong_kind(node, "spec.chart", "the path of a folder, or a mapping with `path`");
        return None;
    }
    let map = fields.as_map(node, "spec.chart")?;
    fields.known(map, "spec.chart", &CHART_KEYS);
    let git = fields.text(map, "spec.chart", "git");
    let reference = fields.text(map, "spec.chart", "ref");
    let path = fields.required_text(map, "spec.chart", "path", first_key(map, node.span))?;
    path_chart(fields, &path, git, reference)
}

/// A chart by path, all of whose parts stand in the same source.
pub(super) fn path_chart(
    fields: &mut Fields,
    path: &Text,
    git: Option<Text>,
    reference: Option<Text>,
) -> Option<ChartRef> {
    let checked = match path.as_str().parse::<ChartPath>() {
        Ok(checked) => checked,
        Err(why) => {
            fields.error_help(
                path.span,
                format!("the chart's path {why}"),
                "write it relative to the repository's root",
            );
            return None;
        }
    };
    Some(ChartRef::Path(PathChart {
        path: checked,
        place: fields.place(path.span),
        git_place: git.as_ref().map(|text| fields.place(text.span)),
        git,
        reference_place: reference.as_ref().map(|text| fields.place(text.span)),
        reference,
    }))
}

/// The namespace as it was written, or `default`.
pub(super) fn namespace(fields: &mut Fields, written: Option<&Text>, owner: Span) -> Option<Namespace> {
    let (text, span) = written.map_or((NAMESPACE_DEFAULT, owner), |text| (text.as_str(), text.span));
    text.parse::<Namespace>().map_err(|why| fields.error(span, format!("the namespace {text} {why}")).clone()).ok()
}

/// `spec.releaseName`, checked.
pub(super) fn checked_release_name(fields: &mut Fields, text: &Text) -> Option<ReleaseName> {
    let checked = text.as_str().parse::<ReleaseName>();
    checked.map_err(|why| fields.error(text.span, format!("`spec.releaseName` {why}")).clone()).ok()
}

/// A release's name that nobody wrote.
pub(super) fn default_release_name(fields: &mut Fields, text: &str, owner: Span) -> Option<ReleaseName> {
    match text.parse::<ReleaseName>() {
        Ok(name) => Some(name),
        Err(why) => {
            let what = format!("the release would be called {text}, which {why}");
            fields.error_help(owner, what, "choose another name with `spec.releaseName`");
            None
        }
    }
}

/// `spec.values` as a layer; none if it is absent or null.
pub(super) fn values_layer(fields: &mut Fields, values: Option<Node>) -> Option<ReleaseValues> {
    let root = values.filter(|node| !node.is_null())?;
    if root.as_map().is_none() {
        fields.wrong_kind(&root, "spec.values", "a mapping");
        return None;
    }
    Some(ReleaseValues::Inline(Values { source: fields.source.clone(), root }))
}

/// The place of a mapping's first key, or another one: carets under a whole mapping say little.
pub(super) fn first_key(map: &Map, otherwise: Span) -> Span {
    map.first().map_or(otherwise, |(_, entry)| entry.key_span)
}
