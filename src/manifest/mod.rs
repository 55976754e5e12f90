//! Rendered text → objects: splitting, order, hooks ([`sort`]), then namespaces, ids, lists and Secrets
//! ([`objects`]). Pure; writing them to files is the business of `rendered`.

mod generated;
mod hook;
mod locate;
mod object;
mod order;
pub mod prune;
mod scope;
mod split;

use std::sync::Arc;

use crate::engine::{RenderedFile, map_on_two_threads};
use crate::error::{Diagnostic, Place, Source, Span};
pub use crate::id::{ObjectId, group_of};
use crate::yaml::{self, Node, ReadOptions, Value};

pub use generated::{
    GENERATED_ANNOTATION, GENERATED_ENCODINGS_MAX, GENERATED_LENGTH_MAX, GeneratedForm, GeneratedLeaf, generated_text,
    parse_generated,
};
pub use hook::{HOOK_DELETE_ANNOTATION, HOOK_WEIGHT_ANNOTATION, HookEvent, HookRules};
pub use object::{DEFAULT_NAMESPACE, Object, ObjectRules, objects};
pub use order::{INSTALL_ORDER, install_rank};
pub use scope::{Scope, Scopes};
pub use split::split;

/// One document of rendered text.
#[derive(Debug, Clone)]
pub struct Manifest {
    /// The template's path as `# Source:` shows it; for a raw manifest, its file.
    pub path: String,
    /// The template that gave the text; the same as `rendered` for a raw manifest.
    pub template: Arc<Source>,
    /// The whole rendered text.
    pub rendered: Arc<Source>,
    /// The document's bytes in it.
    pub span: Span,
    /// The document, read; null where it holds only comments.
    pub node: Node,
    /// Its kind, by which it is sorted; empty where it says none.
    pub kind: String,
    /// When Helm would run it, if it is a hook; empty for an ordinary object.
    pub hook: Vec<HookEvent>,
}

/// From how many bytes of documents on a second thread helps to read them.
const THREAD_BYTES_MIN: usize = 64 << 10;

/// The annotation that makes an object a hook.
pub const HOOK_ANNOTATION: &str = "helm.sh/hook";

/// All documents of a release, in Helm's order: ordinary ones by kind, then hooks by kind.
#[derive(Debug, Default)]
pub struct Sorted {
    /// What is installed.
    pub manifests: Vec<Manifest>,
    /// What runs around it.
    pub hooks: Vec<Manifest>,
    /// Duplicate keys, hooks of unknown events.
    pub warnings: Vec<Diagnostic>,
}

/// Splits, reads and sorts what the templates of one release gave, as Helm's `releaseutil.SortManifests` does.
///
/// # Errors
/// Every document that is not YAML, or that no Kubernetes object could be (Helm refuses these too).
pub fn sort(files: Vec<RenderedFile>) -> Result<Sorted, Vec<Diagnostic>> {
    sort_with(files, Wanted::Objects)
}

/// The same for those who want the documents' texts: of what was read only kind and hook are kept, and of the rest no
/// data is made where nothing is wrong with it.
///
/// # Errors
/// As of [`sort`].
pub fn sort_texts(files: Vec<RenderedFile>) -> Result<Sorted, Vec<Diagnostic>> {
    sort_with(files, Wanted::Texts)
}

/// What a document is read for.
#[derive(Clone, Copy, PartialEq)]
enum Wanted {
    Objects,
    Texts,
}

fn sort_with(mut files: Vec<RenderedFile>, wanted: Wanted) -> Result<Sorted, Vec<Diagnostic>> {
    files.sort_by(|a, b| a.path.cmp(&b.path));
    let mut documents = Vec::new();
    for RenderedFile { path, template, text } in files {
        let base = path.rsplit('/').next().unwrap_or(&path);
        if base.starts_with('_') || text.trim().is_empty() {
            continue;
        }
        let rendered = Source::new(format!("{} (rendered)", template.name), text);
        let spans = split(&rendered.text).into_iter().map(|range| Span::new(range.start, range.end));
        documents.extend(spans.map(|span| Document {
            path: path.clone(),
            template: template.clone(),
            rendered: rendered.clone(),
            span,
        }));
    }
    let bytes = |document: &Document| (document.span.end - document.span.start) as usize;
    let read = map_on_two_threads(&documents, bytes, THREAD_BYTES_MIN, |document| {
        let mut warnings = Vec::new();
        let mut manifest = read(document, wanted, &mut warnings);
        if let (Wanted::Texts, Ok(Some(manifest))) = (wanted, &mut manifest) {
            manifest.node.value = Value::Null;
        }
        (manifest, warnings)
    });
    let mut sorted = Sorted::default();
    let mut errors = Vec::new();
    for (manifest, warnings) in read {
        sorted.warnings.extend(warnings);
        match manifest {
            Ok(Some(manifest)) if manifest.hook.is_empty() => sorted.manifests.push(manifest),
            Ok(Some(manifest)) => sorted.hooks.push(manifest),
            Ok(None) => {}
            Err(error) => errors.push(error),
        }
    }
    if !errors.is_empty() {
        return Err(errors);
    }
    sorted.manifests.sort_by(|a, b| install_rank(&a.kind).cmp(&install_rank(&b.kind)));
    sorted.hooks.sort_by(|a, b| install_rank(&a.kind).cmp(&install_rank(&b.kind)));
    Ok(sorted)
}

/// A document, not read yet; the fields as of [`Manifest`].
struct Document {
    path: String,
    template: Arc<Source>,
    rendered: Arc<Source>,
    span: Span,
}

impl Manifest {
    /// A document that was not rendered: a raw manifest, or a file of a chart's crds/.
    pub fn raw(path: String, source: &Arc<Source>, node: Node) -> Manifest {
        let (span, kind) = (node.span, kind_of(&node));
        Manifest { path, template: source.clone(), rendered: source.clone(), span, node, kind, hook: Vec::new() }
    }

    /// The document's text, as it was rendered.
    pub fn text(&self) -> &str {
        &self.rendered.text[self.span.start as usize..self.span.end as usize]
    }

    /// A finding at a place of the rendered text, with a note of the template line that made it.
    pub(crate) fn point(&self, diagnostic: Diagnostic, span: Span) -> Diagnostic {
        let span = if span.is_some() { span } else { self.span };
        let diagnostic = diagnostic.at(&self.rendered, span);
        with_template_line(diagnostic, &self.template, &self.rendered)
    }
}

/// Reads one document; `None` for a hook of an event that Helm does not know, which Helm drops.
fn read(document: &Document, wanted: Wanted, warnings: &mut Vec<Diagnostic>) -> Result<Option<Manifest>, Diagnostic> {
    let Document { path, template, rendered, span } = document;
    let options = ReadOptions::default();
    let document = match wanted {
        Wanted::Objects => yaml::read_part(rendered, *span, &options),
        Wanted::Texts => yaml::read_head(rendered, *span, &options, HEAD),
    };
    let document =
        document.map_err(|error| locate::explain(with_template_line(error, template, rendered), template))?;
    warnings.extend(document.warnings.into_iter().map(|warning| with_template_line(warning, template, rendered)));
    let mut manifest = Manifest {
        path: path.clone(),
        template: template.clone(),
        rendered: rendered.clone(),
        span: *span,
        kind: kind_of(&document.node),
        node: document.node,
        hook: Vec::new(),
    };
    check_head(&manifest)?;
    let annotations = field(&manifest.node, "metadata").and_then(|metadata| field(metadata, "annotations"));
    let Some(events) = annotations.and_then(|annotations| annotations.get(HOOK_ANNOTATION)) else {
        return Ok(Some(manifest));
    };
    // An annotation without a value is an empty text to Helm.
    let (text, span) = (scalar_text(events).unwrap_or_default(), events.span);
    match text.split(',').map(|event| HookEvent::named(&event.trim().to_lowercase())).collect::<Option<Vec<_>>>() {
        Some(events) => manifest.hook = events,
        None => {
            let warning =
                Diagnostic::warning(format!("`{text}` is not a hook that Helm knows; the document is left out"))
                    .help("Helm drops it too; if the object is wanted, take the helm.sh/hook annotation away");
            warnings.push(manifest.point(warning, span));
            return Ok(None);
        }
    }
    Ok(Some(manifest))
}

/// The entries that [`check_head`], [`kind_of`] and hooks are about.
const HEAD: yaml::Wanted<'_> =
    &[("apiVersion", None), ("kind", None), ("metadata", Some("name")), ("metadata", Some("annotations"))];

/// What Helm's `SimpleHead` asks of a document: a mapping whose kind, metadata and annotations have the right types.
fn check_head(manifest: &Manifest) -> Result<(), Diagnostic> {
    let node = &manifest.node;
    let wrong = |node: &Node, what: &str, wanted: &str| {
        let message = format!("{what} is {}, not {wanted}", node.value.kind_name());
        manifest.point(Diagnostic::error(message), node.span)
    };
    match &node.value {
        Value::Null => return Ok(()),
        Value::Map(_) => {}
        _ => {
            return Err(wrong(node, "this document", "a Kubernetes object")
                .help("a manifest is a mapping with apiVersion, kind and metadata; check the template's indentation"));
        }
    }
    for key in ["apiVersion", "kind"] {
        if let Some(value) = field(node, key)
            && !value.is_null()
            && scalar_text(value).is_none()
        {
            return Err(wrong(value, key, "text"));
        }
    }
    let Some(metadata) = field(node, "metadata").filter(|metadata| !metadata.is_null()) else { return Ok(()) };
    if metadata.as_map().is_none() {
        return Err(wrong(metadata, "metadata", "a mapping"));
    }
    if let Some(name) = field(metadata, "name")
        && !name.is_null()
        && scalar_text(name).is_none()
    {
        return Err(wrong(name, "metadata.name", "text"));
    }
    let Some(annotations) = field(metadata, "annotations").filter(|node| !node.is_null()) else { return Ok(()) };
    let Some(map) = annotations.as_map() else {
        return Err(wrong(annotations, "metadata.annotations", "a mapping"));
    };
    for (key, entry) in map {
        if !entry.node.is_null() && scalar_text(&entry.node).is_none() {
            return Err(wrong(&entry.node, &format!("the annotation `{key}`"), "text")
                .help("annotations hold text; use `toJson | quote` for structured data"));
        }
    }
    Ok(())
}

/// A field as Go's JSON reader finds it, which Helm reads a document's head with: by its name, else by its name in other case.
fn field<'a>(node: &'a Node, name: &str) -> Option<&'a Node> {
    let map = node.as_map()?;
    let other = || map.iter().rev().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, entry)| &entry.node);
    node.get(name).or_else(other)
}

/// `kind`, or nothing. A kind such as `yes` is a boolean to YAML, and the text of that boolean to Helm.
fn kind_of(node: &Node) -> String {
    field(node, "kind").and_then(scalar_text).unwrap_or_default()
}

/// The text of a scalar as sigs.k8s.io/yaml gives it to a field of type string.
fn scalar_text(node: &Node) -> Option<String> {
    match &node.value {
        Value::Str(text) => Some(text.to_string()),
        Value::Bool(b) => Some(b.to_string()),
        Value::Int(n) => Some(n.to_string()),
        Value::UInt(n) => Some(n.to_string()),
        Value::Float(x) => Some(x.to_string()),
        Value::Null | Value::Seq(_) | Value::Map(_) => None,
    }
}

/// Adds a note of the template line to a diagnostic that points into rendered text.
fn with_template_line(diagnostic: Diagnostic, template: &Arc<Source>, rendered: &Arc<Source>) -> Diagnostic {
    let Some(place) = diagnostic.place.clone() else { return diagnostic };
    if Arc::ptr_eq(template, rendered) || !Arc::ptr_eq(&place.source, rendered) || !place.span.is_some() {
        return diagnostic;
    }
    match locate::locate(template, rendered, place.span.start) {
        Some(span) => {
            diagnostic.note("this line of the template made it", Some(Place { source: template.clone(), span }))
        }
        None => diagnostic,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, text: &str) -> RenderedFile {
        RenderedFile { path: path.into(), template: Source::new(path, text), text: text.into() }
    }

    #[test]
    fn documents_come_in_install_order_and_hooks_apart() {
        let sorted = sort(vec![
            file("web/templates/b.yaml", "kind: Deployment\n---\nkind: Service\n"),
            file("web/templates/a.yaml", "kind: Zoo\n---\n# nothing\n---\nkind: Service\nmetadata: {name: a}"),
            file("web/templates/_c.yaml", "kind: Never"),
            file("web/templates/h.yaml", "kind: Job\nmetadata: {annotations: {helm.sh/hook: 'pre-install, test'}}"),
            file("web/templates/i.yaml", "kind: Job\nmetadata: {annotations: {helm.sh/hook: crd-install}}"),
        ])
        .unwrap();
        let kinds: Vec<_> = sorted.manifests.iter().map(|m| (m.kind.as_str(), m.path.as_str())).collect();
        assert_eq!(
            kinds,
            [
                ("Service", "web/templates/a.yaml"),
                ("Service", "web/templates/b.yaml"),
                ("Deployment", "web/templates/b.yaml"),
                ("", "web/templates/a.yaml"),
                ("Zoo", "web/templates/a.yaml"),
            ]
        );
        assert_eq!(sorted.hooks.len(), 1);
        assert_eq!(sorted.hooks[0].hook, [HookEvent::PreInstall, HookEvent::Test]);
        assert_eq!(sorted.warnings.len(), 1);
        assert!(sorted.warnings[0].message.contains("crd-install"));
    }

    #[test]
    fn a_document_that_is_no_object_is_refused() {
        for (text, message) in [
            ("just text", "this document is text, not a Kubernetes object"),
            ("metadata: x", "metadata is text, not a mapping"),
            ("metadata: {annotations: {a: [1]}}", "the annotation `a` is a list, not text"),
        ] {
            let errors = sort(vec![file("t.yaml", text)]).unwrap_err();
            assert_eq!(errors[0].message, message);
        }
        assert!(sort(vec![file("t.yaml", "metadata: {annotations: {a: 1, b: true}}")]).is_ok());
    }
}
