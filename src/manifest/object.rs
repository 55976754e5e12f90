//! Documents → objects of a cluster: exactly one object each, with its id, its namespace and canonical data.

use std::collections::HashMap;
use std::sync::Arc;

use data_encoding::BASE64;

use crate::error::{Diagnostic, Place, Span};
use crate::yaml::{Entry, Map, Node, Value};

use super::scope::{Scope, Scopes};
use super::{HookEvent, Manifest, ObjectId, group_of, scalar_text};

/// One object, ready to be written.
#[derive(Debug, Clone)]
pub struct Object {
    /// Which object it is.
    pub id: ObjectId,
    /// Its data: apiVersion, kind and metadata first, then as rendered.
    pub node: Node,
    /// The template, raw file or CRD file it came from, for the first line of its file.
    pub path: String,
    /// When Helm would run it, if it is a hook.
    pub hook: Vec<HookEvent>,
    /// The document in the rendered text, for diagnostics.
    pub manifest: Arc<Manifest>,
}

/// What decides about namespaces.
#[derive(Debug, Clone, Copy)]
pub struct ObjectRules<'a> {
    /// The release's namespace, given to every namespaced object that has none; `None` for raw manifests.
    pub namespace: Option<&'a str>,
    /// The scopes of custom kinds.
    pub scopes: &'a Scopes,
}

/// The namespace of a namespaced object that nothing gives one, as kubectl has it.
pub const DEFAULT_NAMESPACE: &str = "default";

/// How many levels of `kind: List` within one another are unpacked.
const LIST_DEPTH_MAX: usize = 8;

/// Makes objects of documents: lists are split, namespaces set, `stringData` becomes `data`, ids checked.
/// Documents that hold nothing are passed over, test hooks are left out.
///
/// # Errors
/// Every document that is no object of a cluster: without apiVersion, kind or name, with generateName, or twice.
pub fn objects(
    manifests: Vec<Manifest>,
    rules: ObjectRules<'_>,
    warnings: &mut Vec<Diagnostic>,
) -> Result<Vec<Object>, Vec<Diagnostic>> {
    let mut found = Vec::new();
    let mut errors = Vec::new();
    for mut manifest in manifests {
        if manifest.hook.contains(&HookEvent::Test) {
            continue;
        }
        let node = std::mem::replace(&mut manifest.node, Node::new(Value::Null));
        collect(&Arc::new(manifest), node, rules, 0, &mut found, warnings, &mut errors);
    }
    let mut first: HashMap<ObjectId, usize> = HashMap::with_capacity(found.len());
    for (index, object) in found.iter().enumerate() {
        if let Some(earlier) = first.insert(object.id.clone(), index) {
            let earlier: &Object = &found[earlier];
            let name = |node: &Node| node.at(&["metadata", "name"]).map_or(node.span, |name| name.span);
            let place = Place { source: earlier.manifest.rendered.clone(), span: name(&earlier.node) };
            let error = Diagnostic::error(format!("{} is rendered twice", object.id))
                .note("the first one is here", Some(place))
                .help("two objects of one kind, namespace and name cannot both exist; give one another name");
            errors.push(object.manifest.point(error, name(&object.node)));
        }
    }
    if errors.is_empty() { Ok(found) } else { Err(errors) }
}

fn collect(
    manifest: &Arc<Manifest>,
    node: Node,
    rules: ObjectRules<'_>,
    depth: usize,
    found: &mut Vec<Object>,
    warnings: &mut Vec<Diagnostic>,
    errors: &mut Vec<Diagnostic>,
) {
    if node.is_null() {
        return;
    }
    let is_list = node.get("kind").and_then(Node::as_str).is_some_and(|kind| kind.ends_with("List"));
    if !is_list || node.get("items").and_then(Node::as_seq).is_none() {
        match object(manifest, node, rules, warnings) {
            Ok(object) => found.push(object),
            Err(error) => errors.push(*error),
        }
        return;
    }
    if depth == LIST_DEPTH_MAX {
        let error = Diagnostic::error(format!("more than {LIST_DEPTH_MAX} lists within one another (LIST_DEPTH_MAX)"));
        errors.push(manifest.point(error, node.span));
        return;
    }
    let Value::Map(mut map) = node.value else { return };
    let Some(Entry { node: Node { value: Value::Seq(items), .. }, .. }) = map.shift_remove("items") else { return };
    for item in items {
        collect(manifest, item, rules, depth + 1, found, warnings, errors);
    }
}

fn object(
    manifest: &Arc<Manifest>,
    node: Node,
    rules: ObjectRules<'_>,
    warnings: &mut Vec<Diagnostic>,
) -> Result<Object, Box<Diagnostic>> {
    let span = node.span;
    let fail =
        |message: String, at: Span, help: &str| Box::new(manifest.point(Diagnostic::error(message).help(help), at));
    let Value::Map(mut map) = node.value else {
        let kind = node.value.kind_name();
        return Err(fail(format!("this is {kind}, not a Kubernetes object"), span, "an object is a mapping"));
    };
    let head = |key: &str| -> Result<Arc<str>, Box<Diagnostic>> {
        match map.get(key).map(|entry| &entry.node) {
            Some(Node { value: Value::Str(text), .. }) if !text.is_empty() => Ok(text.clone()),
            Some(value) if !value.is_null() && value.as_str().is_none() => {
                let message = format!("{key} is {}, not text", value.value.kind_name());
                Err(fail(message, value.span, "put it in quotes"))
            }
            _ => Err(fail(
                format!("this object has no {key}"),
                span,
                "every object needs apiVersion, kind and metadata.name; a document that should be empty must render to nothing",
            )),
        }
    };
    let api_version = head("apiVersion")?;
    let kind = head("kind")?;
    let metadata_entry = map.shift_remove("metadata");
    let metadata_span = metadata_entry.as_ref().map_or(span, |entry| entry.node.span);
    let key_span = metadata_entry.as_ref().map_or(Span::NONE, |entry| entry.key_span);
    let mut metadata = match metadata_entry.map(|entry| entry.node.value) {
        Some(Value::Map(metadata)) => metadata,
        _ => return Err(fail(format!("this {kind} has no metadata"), span, "add metadata.name")),
    };
    let name = match metadata.get("name").map(|entry| &entry.node) {
        Some(Node { value: Value::Str(name), .. }) if !name.is_empty() => name.clone(),
        Some(other) if !other.is_null() && other.as_str().is_none() => {
            let message = format!("metadata.name is {}, not text", other.value.kind_name());
            return Err(fail(message, other.span, "put the name in quotes"));
        }
        _ if metadata.contains_key("generateName") => {
            return Err(fail(
                format!("this {kind} has generateName instead of a name"),
                metadata_span,
                "what Git declares needs a name of its own: an object with generateName would be created anew on every apply",
            ));
        }
        _ => return Err(fail(format!("this {kind} has no metadata.name"), metadata_span, "give it a name")),
    };
    let namespace = namespace(manifest, &api_version, &kind, &name, &mut metadata, rules, warnings)?;
    if group_of(&api_version).is_empty() && *kind == *"Secret" {
        string_data(manifest, &mut map)?;
    }
    let id = ObjectId { group: group_of(&api_version).into(), kind, namespace, name };
    let mut ordered = Map::with_capacity_and_hasher(map.len() + 1, Default::default());
    for key in ["apiVersion", "kind"] {
        if let Some((key, entry)) = map.shift_remove_entry(key) {
            ordered.insert(key, entry);
        }
    }
    ordered.insert("metadata".into(), Entry { key_span, node: Node { value: metadata.into(), span: metadata_span } });
    ordered.extend(map);
    let node = Node { value: ordered.into(), span };
    Ok(Object { id, node, path: manifest.path.clone(), hook: manifest.hook.clone(), manifest: manifest.clone() })
}

/// Sets metadata.namespace where the kind's scope asks for one, and gives the namespace of the id.
fn namespace(
    manifest: &Manifest,
    api_version: &str,
    kind: &str,
    name: &str,
    metadata: &mut Map,
    rules: ObjectRules<'_>,
    warnings: &mut Vec<Diagnostic>,
) -> Result<Option<Arc<str>>, Box<Diagnostic>> {
    let given = match metadata.get("namespace").map(|entry| &entry.node) {
        Some(Node { value: Value::Str(text), .. }) if !text.is_empty() => Some(text.clone()),
        Some(Node { value: Value::Null | Value::Str(_), .. }) | None => None,
        Some(other) => {
            let message = format!("metadata.namespace is {}, not text", other.value.kind_name());
            let error = Diagnostic::error(message).help("put the namespace in quotes");
            return Err(Box::new(manifest.point(error, other.span)));
        }
    };
    if rules.scopes.of(api_version, kind) == Scope::Cluster {
        // It stays, for what was reviewed has to be what Helm or kubectl would have sent; the API server drops it.
        if let Some(entry) = metadata.get("namespace").filter(|_| given.is_some()) {
            let warning =
                Diagnostic::warning(format!("{kind} `{name}` is cluster-scoped; its namespace means nothing"))
                    .help("take metadata.namespace away");
            warnings.push(manifest.point(warning, entry.node.span));
        }
        return Ok(None);
    }
    let namespace = given.unwrap_or_else(|| rules.namespace.unwrap_or(DEFAULT_NAMESPACE).into());
    match metadata.get_mut("namespace") {
        Some(entry) => entry.node.value = Value::Str(namespace.clone()),
        None => {
            // After the name, where a reader looks for it.
            let index = metadata.get_index_of("name").map_or(0, |index| index + 1);
            metadata.shift_insert(index, "namespace".into(), Entry::new(namespace.clone()));
        }
    }
    Ok(Some(namespace))
}

/// A Secret's write-only stringData becomes data, as the API server would make it; stringData wins.
fn string_data(manifest: &Manifest, map: &mut Map) -> Result<(), Box<Diagnostic>> {
    let Some(index) = map.get_index_of("stringData") else { return Ok(()) };
    let Some(entry) = map.shift_remove("stringData") else { return Ok(()) };
    let texts = match entry.node.value {
        Value::Map(texts) => texts,
        Value::Null => return Ok(()),
        other => {
            let error = Diagnostic::error(format!("stringData is {}, not a mapping", other.kind_name()));
            return Err(Box::new(manifest.point(error, entry.node.span)));
        }
    };
    if map.get("data").is_none_or(|data| data.node.as_map().is_none()) {
        map.shift_remove("data");
        let entry =
            Entry { key_span: entry.key_span, node: Node { value: Map::default().into(), span: entry.node.span } };
        map.shift_insert(index.min(map.len()), "data".into(), entry);
    }
    let Some(data) = map.get_mut("data").and_then(|data| data.node.as_map_mut()) else { return Ok(()) };
    for (key, entry) in texts {
        let text = match &entry.node.value {
            Value::Str(text) => text.clone(),
            Value::Null => "".into(),
            other => {
                let message = format!("stringData.{key} is {}, not text", other.kind_name());
                let error = Diagnostic::error(message).help("put it in quotes: `| quote` in a template");
                return Err(Box::new(manifest.point(error, entry.node.span)));
            }
        };
        let node = Node { value: BASE64.encode(text.as_bytes()).into(), span: entry.node.span };
        data.insert(key, Entry { key_span: entry.key_span, node });
    }
    Ok(())
}

impl Object {
    /// The text of an annotation.
    pub fn annotation(&self, key: &str) -> Option<String> {
        scalar_text(self.node.at(&["metadata", "annotations", key])?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Source;
    use crate::yaml::{self, ReadOptions};

    fn run(text: &str) -> Result<(Vec<Object>, Vec<Diagnostic>), Vec<Diagnostic>> {
        let source = Source::new("t.yaml", text);
        let documents = yaml::read_all(&source, &ReadOptions::default()).unwrap();
        let manifests = documents.into_iter().map(|d| Manifest::raw("t.yaml".into(), &source, d.node)).collect();
        let scopes = Scopes::default();
        let mut warnings = Vec::new();
        objects(manifests, ObjectRules { namespace: Some("shop"), scopes: &scopes }, &mut warnings)
            .map(|found| (found, warnings))
    }

    fn ids(text: &str) -> Vec<String> {
        run(text).unwrap().0.iter().map(|object| object.id.to_string()).collect()
    }

    #[test]
    fn a_namespaced_object_gets_the_release_namespace_and_a_cluster_scoped_one_a_warning() {
        let text = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: b}\n---\napiVersion: v1\nkind: Namespace\nmetadata: {name: ns, namespace: x}\n";
        let (objects, warnings) = run(text).unwrap();
        let ids: Vec<_> = objects.iter().map(|object| object.id.to_string()).collect();
        assert_eq!(ids, ["core/ConfigMap/shop/a", "core/ConfigMap/b/a", "core/Namespace/-/ns"]);
        assert_eq!(objects[0].node.at(&["metadata", "namespace"]).unwrap().as_str(), Some("shop"));
        assert_eq!(objects[2].node.at(&["metadata", "namespace"]).unwrap().as_str(), Some("x"));
        assert_eq!(warnings.len(), 1);
    }

    #[test]
    fn lists_are_split_whatever_their_kind() {
        let item = "{apiVersion: v1, kind: ConfigMap, metadata: {name: NAME}}";
        let (a, b) = (item.replace("NAME", "a"), item.replace("NAME", "b"));
        for kind in ["List", "ConfigMapList"] {
            let text =
                format!("apiVersion: v1\nkind: {kind}\nitems: [{a}, {{apiVersion: v1, kind: List, items: [{b}]}}]");
            assert_eq!(ids(&text), ["core/ConfigMap/shop/a", "core/ConfigMap/shop/b"]);
        }
        assert!(ids("apiVersion: v1\nkind: List\nitems: []").is_empty());
        // A custom kind that merely ends in List.
        assert_eq!(
            ids("apiVersion: x.io/v1\nkind: AllowList\nmetadata: {name: a}\nspec: {}"),
            ["x.io/AllowList/shop/a"]
        );
    }

    #[test]
    fn string_data_becomes_data_and_wins() {
        let (objects, _) =
            run("apiVersion: v1\nkind: Secret\nmetadata: {name: a}\ndata: {x: b2xk, z: eQ==}\nstringData: {x: new}")
                .unwrap();
        let node = &objects[0].node;
        assert_eq!(node.at(&["data", "x"]).unwrap().as_str(), Some("bmV3"));
        assert_eq!(node.at(&["data", "z"]).unwrap().as_str(), Some("eQ=="));
        assert!(node.get("stringData").is_none());
    }

    #[test]
    fn what_is_no_object_is_an_error_that_says_why() {
        for (text, message) in [
            ("kind: ConfigMap\nmetadata: {name: a}", "this object has no apiVersion"),
            ("apiVersion: v1\nmetadata: {name: a}", "this object has no kind"),
            ("apiVersion: v1\nkind: ConfigMap", "this ConfigMap has no metadata"),
            ("apiVersion: v1\nkind: ConfigMap\nmetadata: {}", "this ConfigMap has no metadata.name"),
            ("apiVersion: v1\nkind: Job\nmetadata: {generateName: a-}", "this Job has generateName instead of a name"),
            ("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: 12}", "metadata.name is an integer, not text"),
            (
                "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}",
                "core/ConfigMap/shop/a is rendered twice",
            ),
        ] {
            let errors = run(text).unwrap_err();
            assert_eq!(errors[0].message, message);
            assert!(errors[0].place.is_some() && errors[0].help.is_some());
        }
    }

    #[test]
    fn the_head_comes_first_and_the_rest_stays_as_it_was() {
        let (objects, _) = run("spec: 1\nmetadata: {labels: {}, name: a}\nkind: X\ndata: 2\napiVersion: y/v1").unwrap();
        let keys: Vec<_> = objects[0].node.as_map().unwrap().keys().map(ToString::to_string).collect();
        assert_eq!(keys, ["apiVersion", "kind", "metadata", "spec", "data"]);
        let metadata: Vec<_> = objects[0].node.get("metadata").unwrap().as_map().unwrap().keys().cloned().collect();
        assert_eq!(metadata, ["labels".into(), "name".into(), Arc::<str>::from("namespace")]);
    }
}
