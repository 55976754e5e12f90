//! `kind: Removal` of kcfg.dev/v1: permission to delete more than the prune budget lets go, for exactly the objects it
//! names and only from the states it starts from. Read here, and written ready to paste.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::document::Document;
use super::kcfg::{METADATA_KEYS, ROOT_KEYS, first_key};
use crate::error::{Place, Span};
use crate::id::ObjectId;
use crate::yaml::fields::{Fields, Text, present};
use crate::yaml::{self, Entry, Map, Node};

/// Hexadecimal digits of a release's digest (sha256).
pub const DIGEST_LENGTH: usize = 64;

/// A Removal document.
#[derive(Debug, Clone)]
pub struct Removal {
    /// The releases it is about, each once.
    pub releases: Vec<RemovalOf>,
    /// Where its kind stands.
    pub place: Place,
}

/// What of one release may be deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemovalOf {
    /// The name of the release: of its rendered folder.
    pub release: String,
    /// The digest that the release has to have in the cluster before the deletion, in full.
    pub from: String,
    /// The objects.
    pub objects: Vec<ObjectId>,
}

const SPEC_KEYS: [&str; 1] = ["releases"];
const RELEASE_KEYS: [&str; 3] = ["name", "from", "objects"];

impl Removal {
    /// Whether it lets this object of a release go from the state with this digest.
    pub fn covers(&self, release: &str, digest: &str, id: &ObjectId) -> bool {
        let is_meant = |of: &&RemovalOf| of.release == release && of.from == digest;
        self.releases.iter().find(is_meant).is_some_and(|of| of.objects.contains(id))
    }
}

/// A document that lets these objects go, as text to save below releases/<env>/.
pub fn text(releases: &[RemovalOf]) -> String {
    let map = |entries: Vec<(&str, Node)>| {
        let entry = |(key, node): (&str, Node)| (Arc::from(key), Entry { node, ..Entry::new(false) });
        Node::new(entries.into_iter().map(entry).collect::<Map>())
    };
    let release = |of: &RemovalOf| {
        map(vec![
            ("name", Node::new(of.release.as_str())),
            ("from", Node::new(of.from.as_str())),
            ("objects", Node::new(of.objects.iter().map(|id| Node::new(id.to_string())).collect::<Vec<_>>())),
        ])
    };
    let document = map(vec![
        ("apiVersion", Node::new("kcfg.dev/v1")),
        ("kind", Node::new("Removal")),
        ("spec", map(vec![("releases", Node::new(releases.iter().map(release).collect::<Vec<_>>()))])),
    ]);
    let mut text = String::new();
    yaml::canonical(&document.value, &mut text);
    text
}

/// Reads a Removal; what is wrong is left in `fields`.
pub(super) fn parse(fields: &mut Fields, document: &Document) -> Option<Removal> {
    let root = document.node.as_map()?;
    fields.known(root, "", &ROOT_KEYS);
    if let Some(metadata) = fields.map(root, "", "metadata") {
        fields.known(metadata, "metadata", &METADATA_KEYS);
    }
    let Some(spec) = present(root, "spec") else {
        let help = "`kcfg diff` prints the document that a change needs";
        fields.error_help(document.span, "this Removal has no `spec`", help);
        return None;
    };
    let span = spec.span;
    let spec = fields.as_map(spec, "spec")?;
    fields.known(spec, "spec", &SPEC_KEYS);
    let items = fields.list(spec, "spec", "releases");
    if items.is_empty() && fields.errors.is_empty() {
        let help = "list releases, each with `name`, `from` and `objects`";
        fields.error_help(first_key(spec, span), "`spec.releases` is missing or empty", help);
    }
    let mut first: BTreeMap<String, Span> = BTreeMap::new();
    let mut releases = Vec::with_capacity(items.len());
    for item in items {
        let Some((of, name)) = removal_of(fields, item) else { continue };
        if let Some(earlier) = first.get(&of.release) {
            let note = fields.place(*earlier);
            let error = fields.error(name.span, format!("this Removal names {name} twice"));
            *error = error.clone().note("the first one", Some(note)).help("list its objects together");
        }
        first.entry(of.release.clone()).or_insert(name.span);
        releases.push(of);
    }
    Some(Removal { releases, place: fields.place(document.span) })
}

fn removal_of(fields: &mut Fields, item: &Node) -> Option<(RemovalOf, Text)> {
    const PATH: &str = "spec.releases[]";
    let map = fields.as_map(item, PATH)?;
    let owner = first_key(map, item.span);
    fields.known(map, PATH, &RELEASE_KEYS);
    let name = fields.required_text(map, PATH, "name", owner);
    let from = fields.required_text(map, PATH, "from", owner).filter(|text| {
        let is_hex = |b: u8| matches!(b, b'0'..=b'9' | b'a'..=b'f');
        let is_digest = text.as_str().len() == DIGEST_LENGTH && text.as_str().bytes().all(is_hex);
        if !is_digest {
            let what = format!("`from` has to be a release's digest of {DIGEST_LENGTH} hexadecimal digits");
            let help = "take it from the `# digest` line of the release's kcfg.sum, in the commit that is applied now";
            fields.error_help(text.span, what, help);
        }
        is_digest
    });
    let texts = fields.texts(map, PATH, "objects");
    if texts.is_empty() && fields.errors.is_empty() {
        fields.error_help(owner, format!("`{PATH}.objects` is missing or empty"), "list the ids of the objects");
    }
    let mut objects = Vec::with_capacity(texts.len());
    for text in texts {
        match text.as_str().parse::<ObjectId>() {
            Ok(id) => objects.push(id),
            Err(why) => {
                let help = "such as apps/Deployment/shop/web, or core/Namespace/-/shop without a namespace";
                fields.error_help(text.span, why, help);
            }
        }
    }
    let name = name?;
    Some((RemovalOf { release: name.as_str().to_owned(), from: from?.as_str().to_owned(), objects }, name))
}
