//! Texts → documents that have an apiVersion and a kind. Empty documents are dropped; one that cannot be read is an
//! error, and those beside it in the same file are read all the same.

use std::sync::Arc;

use crate::error::{Diagnostic, Severity, Source, Span};
use crate::yaml::fields::present;
use crate::yaml::{self, Node, ReadOptions, Value};

/// A document of a known kind of object.
#[derive(Debug)]
pub(super) struct Document {
    pub(super) source: Arc<Source>,
    pub(super) node: Node,
    /// The group of its apiVersion; empty for the core group.
    pub(super) group: String,
    pub(super) version: String,
    pub(super) kind: String,
    /// Where the kind stands.
    pub(super) span: Span,
}

impl Document {
    /// Takes out `spec.values`, unless it is null, so that it need not be copied.
    pub(super) fn take_values(&mut self) -> Option<Node> {
        let spec = self.node.as_map_mut()?.get_mut("spec")?.node.as_map_mut()?;
        let values = &mut spec.get_mut("values")?.node;
        (!values.is_null()).then(|| std::mem::replace(values, Node::new(Value::Null)))
    }
}

/// What a file holds.
#[derive(Debug, Default)]
pub(super) struct Documents {
    pub(super) documents: Vec<Document>,
    /// Whether these are all that [`yaml::read_all`] gives for the file but for blank ones, in the same order.
    pub(super) is_as_written: bool,
    pub(super) errors: Vec<Diagnostic>,
    pub(super) warnings: Vec<Diagnostic>,
    /// Whether a text that could not be read looks like an Environment document.
    pub(super) is_environment_unreadable: bool,
    /// Whether items of a list became documents.
    is_split: bool,
}

/// Our own API group.
pub(super) const KCFG_GROUP: &str = "kcfg.dev";

/// Lists in lists that are looked into.
const LIST_DEPTH_MAX: usize = 8;

impl Documents {
    pub(super) fn read(source: &Arc<Source>) -> Documents {
        let mut all = Documents::default();
        all.read_source(source);
        all
    }

    fn read_source(&mut self, source: &Arc<Source>) {
        let options = ReadOptions::default();
        if let Ok(documents) = yaml::read_all(source, &options) {
            let written = documents.iter().filter(|document| !is_blank(document)).count();
            for document in documents {
                self.add(source, document);
            }
            self.is_as_written = !self.is_split && self.documents.len() == written;
            return;
        }
        // Something in it is no YAML. A line that begins with `---` ends a document wherever it stands, so the other
        // documents can still be read one by one.
        for span in split(&source.text) {
            match yaml::read_part(source, span, &options) {
                Ok(document) => self.add(source, document),
                Err(error) => {
                    let text = source.text.get(span.start as usize..span.end as usize).unwrap_or_default();
                    self.is_environment_unreadable |= text.contains(KCFG_GROUP) && text.contains("Environment");
                    self.errors.push(error);
                }
            }
        }
    }

    fn add(&mut self, source: &Arc<Source>, document: yaml::Document) {
        if is_blank(&document) {
            return;
        }
        let warnings = document.warnings;
        let group = self.add_node(source, document.node, 0);
        // What merely deserves a warning in a format that others defined is an error in our own.
        if group.as_deref() == Some(KCFG_GROUP) {
            let as_error = |warning| Diagnostic { severity: Severity::Error, ..warning };
            let is_any = !warnings.is_empty();
            self.errors.extend(warnings.into_iter().map(as_error));
            if is_any && let Some(document) = self.documents.pop() {
                self.is_environment_unreadable |= document.kind == "Environment";
            }
        } else {
            self.warnings.extend(warnings);
        }
    }

    /// Adds a document, or the items of a list of releases. Gives back its group, if it was added as one document.
    fn add_node(&mut self, source: &Arc<Source>, mut node: Node, depth: usize) -> Option<String> {
        let document_span = node.span;
        let Some(map) = node.as_map_mut() else {
            let found = node.value.kind_name();
            self.errors.push(
                Diagnostic::error(format!("a document has to be a mapping with apiVersion and kind, not {found}"))
                    .at(source, document_span),
            );
            return None;
        };
        let mut text = |key: &str| match present(map, key) {
            Some(found) if found.as_str().is_some_and(|text| !text.is_empty()) => {
                Some((found.as_str().unwrap_or_default().to_string(), found.span))
            }
            found => {
                let (what, span) = match found {
                    None => (format!("this document has no `{key}`"), document_span),
                    Some(found) => (format!("`{key}` has to be text, not {}", found.value.kind_name()), found.span),
                };
                self.errors.push(Diagnostic::error(what).at(source, span).help(
                    "every document below releases/ has to be a Kubernetes object, a release or an Environment; \
                     files of other kinds can be listed under `ignore` in kcfg.yaml",
                ));
                None
            }
        };
        let (api_version, kind) = (text("apiVersion"), text("kind"));
        let ((api_version, _), (kind, span)) = (api_version?, kind?);
        if matches!((&*api_version, &*kind), ("v1", "List")) || kind == "HelmReleaseList" {
            let items = map.get_mut("items").map(|entry| &mut entry.node.value);
            if depth < LIST_DEPTH_MAX
                && let Some(yaml::Value::Seq(items)) = items
                && items.iter().any(is_release_or_list)
            {
                self.is_split = true;
                for item in std::mem::take(items) {
                    self.add_node(source, item, depth + 1);
                }
                return None;
            }
        }
        let (group, version) = api_version.split_once('/').unwrap_or(("", &api_version));
        let (group, version) = (group.to_string(), version.to_string());
        self.documents.push(Document { source: source.clone(), node, group: group.clone(), version, kind, span });
        Some(group)
    }
}

/// Whether a document holds nothing.
pub(super) fn is_blank(document: &yaml::Document) -> bool {
    document.is_empty || document.node.is_null() && document.node.span.start == document.node.span.end
}

/// Whether an item of a list has to be looked at as a document of its own.
fn is_release_or_list(item: &Node) -> bool {
    matches!(item.get("kind").and_then(Node::as_str), Some("HelmRelease" | "Release" | "Environment" | "List"))
}

/// The parts of a text between document markers; each begins with its marker.
fn split(text: &str) -> Vec<Span> {
    let mut starts = vec![0];
    let mut offset = 0;
    for line in text.split_inclusive('\n') {
        if offset > 0
            && line.strip_prefix("---").is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t', '\r', '\n']))
        {
            starts.push(offset);
        }
        offset += line.len();
    }
    starts.push(text.len());
    starts.windows(2).filter(|pair| pair[0] < pair[1]).map(|pair| Span::new(pair[0], pair[1])).collect()
}
