//! HelmRelease of `flux.weave.works/v1beta1` and `helm.fluxcd.io/v1`, read as the Helm operator (1.4) read them.
//!
//! Both versions take the fields of the newer one; the older has fewer. What only tells Helm how to upgrade is not
//! honoured, and a warning says so; what would need a cluster to render is refused.

use super::kcfg::{
    ROOT_KEYS, checked_release_name, default_release_name, first_key, namespace, path_chart, values_layer,
};
use super::parse::Head;
use super::values_from::{Beside, Wanted, chart_file};
use super::{ChartRef, Format, Release, ReleaseValues, RemoteChart};
use crate::error::{Diagnostic, Span};
use crate::yaml::fields::{Fields, present};
use crate::yaml::{Map, Node};

/// Keys of Kubernetes' ObjectMeta.
pub(super) const OBJECT_META_KEYS: [&str; 15] = [
    "annotations",
    "creationTimestamp",
    "deletionGracePeriodSeconds",
    "deletionTimestamp",
    "finalizers",
    "generateName",
    "generation",
    "labels",
    "managedFields",
    "name",
    "namespace",
    "ownerReferences",
    "resourceVersion",
    "selfLink",
    "uid",
];
/// Annotations that tell Flux to leave a document alone.
const IGNORE_ANNOTATIONS: [&str; 2] = ["flux.weave.works/ignore", "fluxcd.io/ignore"];

const SPEC_KEYS: [&str; 9] = [
    "chart",
    "releaseName",
    "targetNamespace",
    "values",
    "valuesFrom",
    "valueFileSecrets",
    "skipCRDs",
    "helmVersion",
    "resetValues",
];
const NOT_HONOURED: [&str; 7] =
    ["maxHistory", "timeout", "wait", "forceUpgrade", "rollback", "test", "disableOpenAPIValidation"];
const CHART_KEYS: [&str; 9] =
    ["path", "git", "ref", "secretRef", "skipDepUpdate", "repository", "name", "version", "chartPullSecret"];

/// Reads a HelmRelease; what is wrong is left in `fields`.
pub(super) fn parse(
    fields: &mut Fields,
    root: &Map,
    head: Head,
    beside: &Beside<'_>,
    warnings: &mut Vec<Diagnostic>,
) -> Option<Release> {
    let (spec, spec_span) = spec_of(fields, root, &head, &[&SPEC_KEYS[..], &NOT_HONOURED].concat(), warnings)?;
    let mut moot: Vec<(&str, Span)> = keys_of(spec, &NOT_HONOURED);
    if fields.boolean(spec, "spec", "resetValues") == Some(false) {
        moot.extend(keys_of(spec, &["resetValues"]));
    }
    warnings.extend(not_honoured(fields, "spec", &moot));

    let chart = match present(spec, "chart") {
        None => {
            let help = "write the path of the chart's folder: `chart: {path: charts/web}`";
            fields.error_help(first_key(spec, spec_span), "`spec.chart` is missing", help);
            None
        }
        Some(node) => chart(fields, node),
    };
    let own_namespace = namespace(fields, head.namespace.as_ref(), head.place.span);
    let target = fields.text(spec, "spec", "targetNamespace");
    let target = match &target {
        Some(_) => namespace(fields, target.as_ref(), head.place.span),
        None => own_namespace.clone(),
    };
    let release_name = match fields.text(spec, "spec", "releaseName") {
        Some(text) => checked_release_name(fields, &text),
        None => {
            let (own, target) = (own_namespace.as_ref()?, target.as_ref()?);
            // The operator named its own namespace too where the two differ.
            let prefix = if own == target { own.to_string() } else { format!("{own}-{target}") };
            default_release_name(fields, &format!("{prefix}-{}", head.name), head.place.span)
        }
    };
    let mut values = Vec::new();
    let own = own_namespace.as_ref().map_or("default", |namespace| namespace.as_str());
    for item in fields.list(spec, "spec", "valueFileSecrets") {
        let Some(map) = fields.as_map(item, "spec.valueFileSecrets[]") else { continue };
        let wanted = Wanted::new("Secret", own, "values.yaml", first_key(map, item.span));
        values.extend(values_of(fields, map, "spec.valueFileSecrets[]", wanted, beside, warnings));
    }
    for item in fields.list(spec, "spec", "valuesFrom") {
        let Some(map) = fields.as_map(item, "spec.valuesFrom[]") else { continue };
        values.extend(values_from(fields, map, own, beside, warnings));
    }
    values.extend(values_layer(fields, head.values));
    Some(Release {
        name: head.name,
        namespace: target?,
        release_name: release_name?,
        chart: chart?,
        values,
        chart_values_files: Vec::new(),
        skip_crds: fields.boolean(spec, "spec", "skipCRDs").unwrap_or(false),
        format: Format::HelmOperator,
        source: head.source,
        place: head.place,
    })
}

/// The spec of a HelmRelease of any version and its place; the document's other parts are checked on the way.
pub(super) fn spec_of<'m>(
    fields: &mut Fields,
    root: &'m Map,
    head: &Head,
    keys: &[&str],
    warnings: &mut Vec<Diagnostic>,
) -> Option<(&'m Map, Span)> {
    fields.known(root, "", &[&ROOT_KEYS[..], &["status"]].concat());
    metadata(fields, root, warnings);
    let Some(spec) = present(root, "spec") else {
        let help = "write at least `spec: {chart: {path: charts/web}}`";
        fields.error_help(head.place.span, "this HelmRelease has no `spec`", help);
        return None;
    };
    let map = fields.as_map(spec, "spec")?;
    fields.known(map, "spec", keys);
    Some((map, spec.span))
}

/// Checks metadata: unknown keys, and the annotation that made Flux leave the document alone.
fn metadata(fields: &mut Fields, root: &Map, warnings: &mut Vec<Diagnostic>) {
    let Some(metadata) = fields.map(root, "", "metadata") else { return };
    fields.known(metadata, "metadata", &OBJECT_META_KEYS);
    let Some(annotations) = fields.map(metadata, "metadata", "annotations") else { return };
    for (key, entry) in annotations {
        let is_ignored = entry.node.as_str() == Some("true") || entry.node.as_bool() == Some(true);
        if is_ignored && IGNORE_ANNOTATIONS.contains(&&**key) {
            warnings.push(
                Diagnostic::warning(format!(
                    "`{key}` made Flux leave this release alone; kcfg renders it all the same"
                ))
                .at(&fields.source, entry.key_span)
                .help("list the release under `skip` in kcfg.yaml if it should not be rendered"),
            );
        }
    }
}

/// The keys of `map` that are among `wanted` and not null, with their places.
pub(super) fn keys_of<'k>(map: &Map, wanted: &[&'k str]) -> Vec<(&'k str, Span)> {
    let span = |key: &str| map.get(key).filter(|entry| !entry.node.is_null()).map(|entry| entry.key_span);
    wanted.iter().filter_map(|key| Some((*key, span(key)?))).collect()
}

/// One warning for all fields of a document that have no effect here.
pub(super) fn not_honoured(fields: &Fields, path: &str, keys: &[(&str, Span)]) -> Option<Diagnostic> {
    let first = keys.iter().map(|(_, span)| *span).min_by_key(|span| span.start)?;
    let names: Vec<String> = keys.iter().map(|(key, _)| format!("`{path}.{key}`")).collect();
    let verb = if names.len() == 1 { "is" } else { "are" };
    Some(
        Diagnostic::warning(format!("{} {verb} not honoured", names.join(", ")))
            .at(&fields.source, first)
            .help("it told Helm how to install and upgrade; objects are rendered the same without it"),
    )
}

fn chart(fields: &mut Fields, node: &Node) -> Option<ChartRef> {
    let path = "spec.chart";
    let map = fields.as_map(node, path)?;
    fields.known(map, path, &CHART_KEYS);
    fields.boolean(map, path, "skipDepUpdate");
    let owner = first_key(map, node.span);
    let repository = fields.text(map, path, "repository");
    let git = fields.text(map, path, "git");
    match (git, repository) {
        (Some(_), Some(repository)) => {
            fields.error_help(
                repository.span,
                "`spec.chart` names both a Git repository and a chart repository",
                "keep `git`, `path` and `ref`, or `repository`, `name` and `version`",
            );
            None
        }
        (None, Some(repository)) => {
            let name = fields.required_text(map, path, "name", owner);
            let version = fields.required_text(map, path, "version", owner);
            Some(ChartRef::Remote(RemoteChart {
                place: fields.place(repository.span),
                repository,
                name: name?,
                version: Some(version?),
            }))
        }
        (git, None) => {
            let reference = fields.text(map, path, "ref");
            let errors_before = fields.errors.len();
            let Some(chart_path) = fields.text(map, path, "path") else {
                if fields.errors.len() == errors_before {
                    fields.error_help(
                        owner,
                        "`spec.chart` says neither `path` nor `repository`",
                        "write `path: charts/NAME` for a chart of this repository",
                    );
                }
                return None;
            };
            path_chart(fields, &chart_path, git, reference)
        }
    }
}

/// One entry of `spec.valuesFrom`.
fn values_from(
    fields: &mut Fields,
    map: &Map,
    own_namespace: &str,
    beside: &Beside<'_>,
    warnings: &mut Vec<Diagnostic>,
) -> Option<ReleaseValues> {
    let path = "spec.valuesFrom[]";
    fields.known(map, path, &["configMapKeyRef", "secretKeyRef", "externalSourceRef", "chartFileRef"]);
    let (key, entry) = map.first()?;
    let at = entry.key_span;
    let inner = fields.map(map, path, key)?;
    let inner_path = format!("{path}.{key}");
    match &**key {
        "configMapKeyRef" | "secretKeyRef" => {
            let kind = if &**key == "secretKeyRef" { "Secret" } else { "ConfigMap" };
            let wanted = Wanted::new(kind, own_namespace, "values.yaml", at);
            values_of(fields, inner, &inner_path, wanted, beside, warnings)
        }
        "chartFileRef" => {
            fields.known(inner, &inner_path, &["path", "optional"]);
            let is_optional = fields.boolean(inner, &inner_path, "optional").unwrap_or(false);
            let file = fields.required_text(inner, &inner_path, "path", at)?;
            chart_file(fields, &file, is_optional).map(ReleaseValues::ChartFile)
        }
        "externalSourceRef" => {
            fields.known(inner, &inner_path, &["url", "optional"]);
            let url = fields.required_text(inner, &inner_path, "url", at)?;
            if fields.boolean(inner, &inner_path, "optional") == Some(true) {
                warnings.push(
                    Diagnostic::warning(format!("optional values of {url} are left out: rendering asks no network"))
                        .at(&fields.source, url.span),
                );
            } else {
                fields.error_help(
                    url.span,
                    format!("values of {url} cannot be read: rendering asks no network"),
                    "copy them into `spec.values`, or into a file of the chart that `chartFileRef` names",
                );
            }
            None
        }
        _ => None,
    }
}

/// Values of a ConfigMap or Secret, whose reference has the fields name, namespace, key and optional.
fn values_of(
    fields: &mut Fields,
    map: &Map,
    path: &str,
    mut wanted: Wanted,
    beside: &Beside<'_>,
    warnings: &mut Vec<Diagnostic>,
) -> Option<ReleaseValues> {
    fields.known(map, path, &["name", "namespace", "key", "optional"]);
    let name = fields.required_text(map, path, "name", wanted.span)?;
    wanted.span = name.span;
    wanted.name = name.to_string();
    if let Some(namespace) = fields.text(map, path, "namespace") {
        wanted.namespace = namespace.to_string();
    }
    if let Some(key) = fields.text(map, path, "key") {
        wanted.key = key.to_string();
    }
    wanted.is_optional = fields.boolean(map, path, "optional").unwrap_or(false);
    beside.values(fields, &wanted, warnings).map(ReleaseValues::Inline)
}
