//! HelmRelease of `helm.toolkit.fluxcd.io` (v2beta1, v2beta2, v2), whose source has to stand in the same environment.
//!
//! The source documents themselves are raw manifests: another object of the cluster may need them.

use sha2::{Digest, Sha256};

use super::document::Document;
use super::helm_operator::{keys_of, not_honoured, spec_of};
use super::kcfg::{checked_release_name, default_release_name, first_key, namespace, values_layer};
use super::names::RELEASE_NAME_BYTES_MAX;
use super::parse::Head;
use super::values_from::{Beside, Wanted, chart_file};
use super::{ChartPath, ChartRef, Format, PathChart, Release, ReleaseValues, RemoteChart, ValuesFile};
use crate::error::{Diagnostic, Place, Span};
use crate::yaml::fields::{Fields, Text, present};
use crate::yaml::{Map, Node};

const SPEC_KEYS: [&str; 11] = [
    "chart",
    "chartRef",
    "releaseName",
    "targetNamespace",
    "values",
    "valuesFrom",
    "install",
    "upgrade",
    "interval",
    "postRenderers",
    "commonMetadata",
];
const NOT_HONOURED: [&str; 14] = [
    "suspend",
    "storageNamespace",
    "dependsOn",
    "timeout",
    "maxHistory",
    "serviceAccountName",
    "persistentClient",
    "driftDetection",
    "test",
    "rollback",
    "uninstall",
    "kubeConfig",
    "healthCheckExprs",
    "waitStrategy",
];
const CHART_SPEC_KEYS: [&str; 9] = [
    "chart",
    "version",
    "sourceRef",
    "interval",
    "reconcileStrategy",
    "valuesFiles",
    "valuesFile",
    "ignoreMissingValuesFiles",
    "verify",
];
/// Characters of a long default release name that Flux keeps, and of the hash that it adds.
const SHORT_NAME: (usize, usize) = (40, 12);

/// Reads a HelmRelease; what is wrong is left in `fields`.
pub(super) fn parse(
    fields: &mut Fields,
    root: &Map,
    head: Head,
    beside: &Beside<'_>,
    warnings: &mut Vec<Diagnostic>,
) -> Option<Release> {
    let (spec, spec_span) = spec_of(fields, root, &head, &[&SPEC_KEYS[..], &NOT_HONOURED].concat(), warnings)?;
    warnings.extend(not_honoured(fields, "spec", &keys_of(spec, &NOT_HONOURED)));
    refuse_what_changes_objects(fields, spec);

    let own_namespace = namespace(fields, head.namespace.as_ref(), head.place.span);
    let own = own_namespace.as_ref().map_or("default", |namespace| namespace.as_str());
    let mut chart_values_files = Vec::new();
    let chart = chart(fields, spec, spec_span, own, beside, &mut chart_values_files);
    let target = fields.text(spec, "spec", "targetNamespace");
    let release_name = match fields.text(spec, "spec", "releaseName") {
        Some(text) => checked_release_name(fields, &text),
        None => {
            let name =
                target.as_ref().map_or_else(|| head.name.to_string(), |target| format!("{target}-{}", head.name));
            default_release_name(fields, &shortened(name), head.place.span)
        }
    };
    let target = match &target {
        Some(_) => namespace(fields, target.as_ref(), head.place.span),
        None => own_namespace.clone(),
    };
    let mut values = Vec::new();
    for item in fields.list(spec, "spec", "valuesFrom") {
        let Some(map) = fields.as_map(item, "spec.valuesFrom[]") else { continue };
        values.extend(values_from(fields, map, first_key(map, item.span), own, beside, warnings));
    }
    values.extend(values_layer(fields, head.values));
    Some(Release {
        name: head.name,
        namespace: target?,
        release_name: release_name?,
        chart: chart?,
        values,
        chart_values_files,
        skip_crds: skips_crds(fields, spec),
        format: Format::Flux,
        source: head.source,
        place: head.place,
    })
}

/// A default name that is too long: its beginning and a hash of all of it, as the helm controller shortens it.
fn shortened(name: String) -> String {
    if name.len() <= RELEASE_NAME_BYTES_MAX {
        return name;
    }
    let hash = data_encoding::HEXLOWER.encode(&Sha256::digest(name.as_bytes()));
    let kept = name.get(..SHORT_NAME.0).unwrap_or(&name);
    format!("{kept}-{}", &hash[..SHORT_NAME.1])
}

/// What changes the rendered objects and is not done here cannot be a mere warning.
fn refuse_what_changes_objects(fields: &mut Fields, spec: &Map) {
    for key in ["postRenderers", "commonMetadata"] {
        let Some(node) = present(spec, key) else { continue };
        let is_empty =
            node.as_seq().is_some_and(<[Node]>::is_empty) || node.as_map().is_some_and(indexmap::IndexMap::is_empty);
        if let (false, Some(entry)) = (is_empty, spec.get(key)) {
            fields.error_help(
                entry.key_span,
                format!("`spec.{key}` changes what the chart renders, and kcfg does not do that"),
                "put the change into the chart or its values",
            );
        }
    }
}

/// `install.skipCRDs`, or `install.crds: Skip`.
fn skips_crds(fields: &mut Fields, spec: &Map) -> bool {
    let Some(install) = fields.map(spec, "spec", "install") else { return false };
    let policy = fields.text(install, "spec.install", "crds");
    match policy {
        Some(policy) => policy.as_str() == "Skip",
        None => fields.boolean(install, "spec.install", "skipCRDs").unwrap_or(false),
    }
}

fn chart(
    fields: &mut Fields,
    spec: &Map,
    spec_span: Span,
    own_namespace: &str,
    beside: &Beside<'_>,
    values_files: &mut Vec<ValuesFile>,
) -> Option<ChartRef> {
    if let Some(node) = present(spec, "chartRef") {
        return chart_ref(fields, node, own_namespace, beside);
    }
    let Some(node) = present(spec, "chart") else {
        fields.error(first_key(spec, spec_span), "`spec.chart` is missing");
        return None;
    };
    let template = fields.as_map(node, "spec.chart")?;
    fields.known(template, "spec.chart", &["metadata", "spec"]);
    let path = "spec.chart.spec";
    let Some(chart) = fields.map(template, "spec.chart", "spec") else {
        fields.error(first_key(template, node.span), format!("`{path}` is missing"));
        return None;
    };
    fields.known(chart, path, &CHART_SPEC_KEYS);
    let owner = first_key(chart, node.span);
    let is_optional = fields.boolean(chart, path, "ignoreMissingValuesFiles").unwrap_or(false);
    let files: Vec<Text> =
        fields.text(chart, path, "valuesFile").into_iter().chain(fields.texts(chart, path, "valuesFiles")).collect();
    values_files.extend(files.iter().filter_map(|file| chart_file(fields, file, is_optional)));
    let name = fields.required_text(chart, path, "chart", owner)?;
    let version = fields.text(chart, path, "version");
    let (kind, source) = source(fields, chart, path, owner, own_namespace, beside)?;
    let mut beyond = Fields::new(&source.source);
    let empty = Map::default();
    let source_spec = source.node.get("spec").and_then(Node::as_map).unwrap_or(&empty);
    let url = beyond.required_text(source_spec, "spec", "url", source.span);
    let found = match &*kind {
        "GitRepository" => git_chart(fields, &mut beyond, source_spec, &name, url),
        _ => url.map(|repository| {
            ChartRef::Remote(RemoteChart { repository, place: fields.place(name.span), name, version })
        }),
    };
    fields.errors.append(&mut beyond.errors);
    found
}

/// `spec.chartRef`: a chart in an OCI registry.
fn chart_ref(fields: &mut Fields, node: &Node, own_namespace: &str, beside: &Beside<'_>) -> Option<ChartRef> {
    let map = fields.as_map(node, "spec.chartRef")?;
    let (span, source) = reference(fields, map, "spec.chartRef", node.span, &["OCIRepository"], own_namespace, beside)?;
    let mut beyond = Fields::new(&source.source);
    let empty = Map::default();
    let source_spec = source.node.get("spec").and_then(Node::as_map).unwrap_or(&empty);
    let url = beyond.required_text(source_spec, "spec", "url", source.span);
    let at = beyond.map(source_spec, "spec", "ref").unwrap_or(&empty);
    let version = ["digest", "semver", "tag"].iter().find_map(|key| beyond.text(at, "spec.ref", key));
    fields.errors.append(&mut beyond.errors);
    let name = Text { text: "".into(), span };
    url.map(|repository| ChartRef::Remote(RemoteChart { repository, name, version, place: fields.place(span) }))
}

fn source<'d>(
    fields: &mut Fields,
    chart: &Map,
    path: &str,
    owner: Span,
    own_namespace: &str,
    beside: &Beside<'d>,
) -> Option<(String, &'d Document)> {
    let path = format!("{path}.sourceRef");
    let Some(node) = present(chart, "sourceRef") else {
        fields.error(owner, format!("`{path}` is missing"));
        return None;
    };
    let map = fields.as_map(node, &path)?;
    let kinds = ["GitRepository", "HelmRepository"];
    let (_, source) = reference(fields, map, &path, node.span, &kinds, own_namespace, beside)?;
    Some((source.kind.clone(), source))
}

/// The document that a reference of kind, name and namespace names, and where its name was written.
fn reference<'d>(
    fields: &mut Fields,
    map: &Map,
    path: &str,
    span: Span,
    kinds: &[&str],
    own_namespace: &str,
    beside: &Beside<'d>,
) -> Option<(Span, &'d Document)> {
    fields.known(map, path, &["apiVersion", "kind", "name", "namespace"]);
    let owner = first_key(map, span);
    let kind = fields.required_text(map, path, "kind", owner)?;
    let name = fields.required_text(map, path, "name", owner)?;
    let namespace = fields.text(map, path, "namespace");
    let namespace = namespace.as_ref().map_or(own_namespace, Text::as_str);
    if !kinds.contains(&kind.as_str()) {
        let what = format!("kcfg cannot take a chart from a {kind}");
        let help = format!("it reads {}; or put the chart's folder into this repository", kinds.join(" and "));
        fields.error_help(kind.span, what, help);
        return None;
    }
    let found = beside.source(kind.as_str(), namespace, name.as_str());
    if found.is_none() {
        fields.error_help(
            name.span,
            format!("{kind} {namespace}/{name} is not among the documents of this environment"),
            "put the source beside the release, or write a kcfg.dev/v1 Release that names the chart's folder",
        );
    }
    Some((name.span, found?))
}

/// A chart in a folder of a GitRepository. A ref in it is a commit, else a full ref name, a tag or a branch, as the
/// source controller prefers them; none at all is taken as no ref.
fn git_chart(
    fields: &mut Fields,
    beyond: &mut Fields,
    source_spec: &Map,
    path: &Text,
    url: Option<Text>,
) -> Option<ChartRef> {
    let empty = Map::default();
    let at = beyond.map(source_spec, "spec", "ref").unwrap_or(&empty);
    let commit = beyond.text(at, "spec.ref", "commit").or_else(|| beyond.text(at, "spec.ref", "name"));
    if let (None, Some(semver)) = (&commit, beyond.text(at, "spec.ref", "semver")) {
        beyond.error_help(semver.span, "a range of tags cannot be followed", "name a tag, a branch or a commit");
        return None;
    }
    let reference =
        commit.or_else(|| beyond.text(at, "spec.ref", "tag")).or_else(|| beyond.text(at, "spec.ref", "branch"));
    let checked = match path.as_str().parse::<ChartPath>() {
        Ok(checked) => checked,
        Err(why) => {
            fields.error(path.span, format!("the chart's path {why}"));
            return None;
        }
    };
    let place = |text: &Text| Place { source: beyond.source.clone(), span: text.span };
    Some(ChartRef::Path(PathChart {
        path: checked,
        place: fields.place(path.span),
        git_place: url.as_ref().map(place),
        git: Some(url?),
        reference_place: reference.as_ref().map(place),
        reference,
    }))
}

/// One entry of `spec.valuesFrom`.
fn values_from(
    fields: &mut Fields,
    map: &Map,
    owner: Span,
    own_namespace: &str,
    beside: &Beside<'_>,
    warnings: &mut Vec<Diagnostic>,
) -> Option<ReleaseValues> {
    let path = "spec.valuesFrom[]";
    fields.known(map, path, &["kind", "name", "valuesKey", "targetPath", "optional", "literal"]);
    let kind = fields.required_text(map, path, "kind", owner)?;
    let name = fields.required_text(map, path, "name", owner)?;
    let kind = match kind.as_str() {
        "ConfigMap" => "ConfigMap",
        "Secret" => "Secret",
        _ => {
            fields.error_help(kind.span, format!("values cannot come from a {kind}"), "write ConfigMap or Secret");
            return None;
        }
    };
    if let Some(target) = fields.text(map, path, "targetPath") {
        fields.error_help(
            target.span,
            "`targetPath` is not read",
            "write the value into `spec.values`, or let the ConfigMap hold a values file",
        );
        return None;
    }
    let key = fields.text(map, path, "valuesKey");
    let mut wanted = Wanted::new(kind, own_namespace, key.as_ref().map_or("values.yaml", Text::as_str), name.span);
    wanted.name = name.to_string();
    wanted.is_optional = fields.boolean(map, path, "optional").unwrap_or(false);
    beside.values(fields, &wanted, warnings).map(ReleaseValues::Inline)
}
