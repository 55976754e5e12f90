//! Values that a release takes from elsewhere: ConfigMaps and Secrets that stand in the same environment, and files
//! of its chart. What is not in the repository is refused, or left out with a warning where it is optional: a render
//! never asks a cluster.

use std::collections::HashMap;
use std::sync::Arc;

use super::document::Document;
use super::parse::Raw;
use super::{ChartPath, Values, ValuesFile};
use crate::error::{Diagnostic, Source, Span};
use crate::yaml::fields::{Fields, Text};
use crate::yaml::{self, Node, ReadOptions};

/// The group of Flux's sources.
const SOURCE_GROUP: &str = "source.toolkit.fluxcd.io";

/// The keys with which releases refer to raw documents beside them.
const REFERENCES: [&str; 4] = ["valuesFrom", "valueFileSecrets", "sourceRef", "chartRef"];

/// Whether a text may hold a release that refers to a raw document. Where none does, raw documents need not be kept.
pub(super) fn may_refer(text: &str) -> bool {
    REFERENCES.iter().any(|key| text.contains(key))
}

/// The raw documents of an environment that releases may refer to.
pub(super) struct Beside<'d> {
    /// By kind, namespace and name.
    objects: HashMap<(&'d str, &'d str, &'d str), &'d Document>,
}

/// A ConfigMap or Secret that a release wants values from.
pub(super) struct Wanted {
    pub(super) kind: &'static str,
    pub(super) namespace: String,
    pub(super) name: String,
    pub(super) key: String,
    pub(super) is_optional: bool,
    /// Where it was asked for.
    pub(super) span: Span,
}

impl Wanted {
    pub(super) fn new(kind: &'static str, namespace: &str, key: &str, span: Span) -> Wanted {
        let (namespace, key) = (namespace.to_string(), key.to_string());
        Wanted { kind, namespace, name: String::new(), key, is_optional: false, span }
    }
}

impl<'d> Beside<'d> {
    pub(super) fn new(raw: &'d [Raw]) -> Beside<'d> {
        let mut objects = HashMap::new();
        for Raw { document, .. } in raw {
            let is_values = document.group.is_empty() && matches!(&*document.kind, "ConfigMap" | "Secret");
            let text = |key: &str| document.node.at(&["metadata", key]).and_then(Node::as_str);
            let Some(name) = text("name") else { continue };
            if is_values || document.group == SOURCE_GROUP {
                let namespace = text("namespace").filter(|text| !text.is_empty()).unwrap_or("default");
                objects.entry((&*document.kind, namespace, name)).or_insert(document);
            }
        }
        Beside { objects }
    }

    /// A source of Flux (GitRepository, HelmRepository, OCIRepository).
    pub(super) fn source(&self, kind: &str, namespace: &str, name: &str) -> Option<&'d Document> {
        self.objects.get(&(kind, namespace, name)).copied().filter(|document| document.group == SOURCE_GROUP)
    }

    /// The values of a ConfigMap's or Secret's key; null and absent optional ones are none at all.
    pub(super) fn values(
        &self,
        fields: &mut Fields,
        wanted: &Wanted,
        warnings: &mut Vec<Diagnostic>,
    ) -> Option<Values> {
        let Wanted { kind, namespace, name, key, .. } = wanted;
        let object = self.objects.get(&(*kind, namespace.as_str(), name.as_str()));
        let text = object.and_then(|object| data(object, key));
        let text = match text {
            Some(Ok(text)) => text,
            Some(Err(why)) => {
                fields.error(wanted.span, format!("key {key} of {kind} {namespace}/{name} {why}"));
                return None;
            }
            None => {
                let what = match object {
                    Some(_) => format!("{kind} {namespace}/{name} has no key {key}"),
                    None => format!("{kind} {namespace}/{name} is not among the documents of this environment"),
                };
                if wanted.is_optional {
                    warnings.push(
                        Diagnostic::warning(format!("optional values are left out: {what}"))
                            .at(&fields.source, wanted.span)
                            .help("a render never asks a cluster"),
                    );
                } else {
                    fields.error_help(
                        wanted.span,
                        format!("values cannot be read: {what}"),
                        "a render never asks a cluster: put the object beside the release, or the values into `spec.values`",
                    );
                }
                return None;
            }
        };
        let file = object.map(|object| object.source.name.clone()).unwrap_or_default();
        let source = Source::new(format!("{file} ({kind} {namespace}/{name}, {key})"), text);
        let document = match yaml::read(&source, &ReadOptions::default()) {
            Ok(document) => document,
            Err(error) => {
                fields.errors.push(error.note("the values were asked for here", Some(fields.place(wanted.span))));
                return None;
            }
        };
        warnings.extend(document.warnings);
        if document.node.is_null() {
            return None;
        }
        if document.node.as_map().is_none() {
            let found = document.node.value.kind_name();
            fields.errors.push(
                Diagnostic::error(format!("values have to be a mapping, not {found}")).at(&source, document.node.span),
            );
            return None;
        }
        Some(Values { source, root: document.node })
    }
}

/// The text at a key of a ConfigMap's or Secret's data.
fn data(object: &Document, key: &str) -> Option<Result<Arc<str>, String>> {
    let text = |field: &str| object.node.at(&[field, key]).map(|node| node.as_str());
    let wrong = || Err("is not text".to_string());
    if object.kind == "ConfigMap" {
        return text("data").map(|found| found.map_or_else(wrong, |text| Ok(text.into())));
    }
    if let Some(found) = text("stringData") {
        return Some(found.map_or_else(wrong, |text| Ok(text.into())));
    }
    let encoded = text("data")?;
    let Some(encoded) = encoded else { return Some(wrong()) };
    let compact: String = encoded.chars().filter(|c| !c.is_ascii_whitespace()).collect();
    let decoded = data_encoding::BASE64.decode(compact.as_bytes()).map_err(|_| "is not base64".to_string());
    Some(decoded.and_then(|bytes| String::from_utf8(bytes).map(Into::into).map_err(|_| "is not UTF-8".to_string())))
}

/// A values file of a chart, its path checked.
pub(super) fn chart_file(fields: &mut Fields, path: &Text, is_optional: bool) -> Option<ValuesFile> {
    match path.as_str().parse::<ChartPath>() {
        Ok(checked) => Some(ValuesFile { path: checked, is_optional, place: fields.place(path.span) }),
        Err(why) => {
            fields.error(path.span, format!("the path of this values file {why}"));
            None
        }
    }
}
