//! The documents of an environment, sorted into releases, raw manifests and the rest; names checked across them.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::document::{Document, Documents, KCFG_GROUP};
use super::names::raw_folder;
use super::values_from::{Beside, may_refer};
use super::{DocumentName, EnvironmentDocs, RawFile, RawObjects, Refused, Release, environment, flux};
use super::{helm_operator, kcfg, removal};
use crate::error::{Diagnostic, Place, Source, Span, nearest};
use crate::yaml::fields::Fields;
use crate::yaml::{Map, Node};

/// Reads all documents of an environment. `env` is its folder's name; the names of `sources` are paths from the
/// repository's root.
pub fn parse_environment(env: &str, sources: &[Arc<Source>]) -> EnvironmentDocs {
    let mut docs = EnvironmentDocs { name: env.to_string(), ..EnvironmentDocs::default() };
    let may_refer = sources.iter().any(|source| may_refer(&source.text));
    let mut ours = Vec::new();
    let mut raw = Vec::new();
    for source in sources {
        let read = Documents::read(source);
        docs.errors.extend(read.errors);
        docs.warnings.extend(read.warnings);
        docs.is_blocked |= read.is_environment_unreadable;
        let raw_before = raw.len();
        let mut is_raw = read.is_as_written;
        for document in read.documents {
            let role = role(&document);
            is_raw &= matches!(role, Role::Raw);
            match role {
                Role::Raw => raw.push(Raw { document, is_in_text: false }),
                Role::LeftOut(warning) => docs.warnings.push(warning),
                Role::Unknown(error) => docs.errors.push(error),
                role => ours.push((role, document)),
            }
        }
        for raw in raw.iter_mut().skip(raw_before).filter(|_| is_raw) {
            raw.is_in_text = true;
            if !may_refer {
                raw.document.node = Node::new(crate::yaml::Value::Null);
            }
        }
    }
    let beside = Beside::new(&raw);
    let mut by_name: BTreeMap<DocumentName, Vec<Parsed>> = BTreeMap::new();
    let mut environments = Vec::new();
    for (role, document) in ours {
        match role {
            Role::Environment => environments.push(document),
            Role::Removal => {
                let mut fields = Fields::new(&document.source);
                let removal = removal::parse(&mut fields, &document);
                docs.removals.extend(removal.filter(|_| fields.errors.is_empty()));
                docs.errors.append(&mut fields.errors);
            }
            role => {
                if let Some((name, parsed)) = release(&role, document, &beside, &mut docs) {
                    by_name.entry(name).or_default().push(parsed);
                }
            }
        }
    }
    read_environment(env, environments, &mut docs);
    sort_releases(by_name, &mut docs);
    sort_raw(env, raw, &mut docs);
    docs.refused.sort_by(|a, b| a.folder.cmp(&b.folder));
    docs
}

/// A document that passes through.
pub(super) struct Raw {
    pub(super) document: Document,
    /// Whether its file holds nothing else, and can be read again: the node may be missing then.
    is_in_text: bool,
}

/// What a document is to us.
enum Role {
    Raw,
    HelmOperator,
    Flux,
    Kcfg,
    /// A release document of a version that nobody reads.
    Refused(String),
    Environment,
    Removal,
    LeftOut(Diagnostic),
    Unknown(Diagnostic),
}

/// The versions of HelmRelease that there are readers for.
const READ_VERSIONS: &str = "flux.weave.works/v1beta1, helm.fluxcd.io/v1, helm.toolkit.fluxcd.io/v2";
const KCFG_KINDS: [&str; 3] = ["Release", "Environment", "Removal"];

fn role(document: &Document) -> Role {
    let (group, version, kind) = (&*document.group, &*document.version, &*document.kind);
    let error = |what: String| Diagnostic::error(what).at(&document.source, document.span);
    match (group, version, kind) {
        ("flux.weave.works", "v1beta1", "HelmRelease") | ("helm.fluxcd.io", "v1", "HelmRelease") => Role::HelmOperator,
        ("helm.toolkit.fluxcd.io", "v2beta1" | "v2beta2" | "v2", "HelmRelease") => Role::Flux,
        ("flux.weave.works" | "helm.fluxcd.io" | "helm.toolkit.fluxcd.io", _, "HelmRelease")
        | ("helm.integrations.flux.weave.works", _, "FluxHelmRelease") => {
            Role::Refused(format!("kcfg cannot read a {kind} of {group}/{version}"))
        }
        // Nothing else is of these groups: a raw manifest it is not.
        ("flux.weave.works" | "helm.fluxcd.io" | "helm.toolkit.fluxcd.io", ..)
            if nearest(kind, ["HelmRelease"]).is_some() =>
        {
            Role::Unknown(
                error(format!("unknown kind `{kind}` of {group}/{version}")).help("did you mean `HelmRelease`?"),
            )
        }
        (KCFG_GROUP, "v1", "Release") => Role::Kcfg,
        (KCFG_GROUP, "v1", "Environment") => Role::Environment,
        (KCFG_GROUP, "v1", "Removal") => Role::Removal,
        (KCFG_GROUP, "v1", _) => {
            let help = match nearest(kind, KCFG_KINDS) {
                Some(name) => format!("did you mean `{name}`?"),
                None => format!("known are {}", KCFG_KINDS.join(", ")),
            };
            Role::Unknown(error(format!("unknown kind `{kind}` of {KCFG_GROUP}/v1")).help(help))
        }
        (KCFG_GROUP, ..) => Role::Unknown(
            error(format!("unknown apiVersion `{group}/{version}`"))
                .help("this kcfg reads kcfg.dev/v1; a newer version of the format needs a newer kcfg"),
        ),
        ("kustomize.config.k8s.io", ..) => Role::LeftOut(
            Diagnostic::warning(format!("a {kind} of kustomize is no object of a cluster; it is left out"))
                .at(&document.source, document.span)
                .help("list the file under `ignore` in kcfg.yaml"),
        ),
        _ => Role::Raw,
    }
}

/// A release document that has a name.
struct Parsed {
    place: Place,
    result: Result<Box<Release>, Vec<Diagnostic>>,
}

/// What the parsers of the three formats get: the document's parts that they share.
pub(super) struct Head {
    pub(super) name: DocumentName,
    /// `metadata.namespace`, unchecked.
    pub(super) namespace: Option<crate::yaml::fields::Text>,
    pub(super) source: Arc<Source>,
    pub(super) place: Place,
    /// `spec.values`, taken out of the document so that it is not copied.
    pub(super) values: Option<Node>,
}

fn release(
    role: &Role,
    mut document: Document,
    beside: &Beside<'_>,
    docs: &mut EnvironmentDocs,
) -> Option<(DocumentName, Parsed)> {
    let values = document.take_values();
    let mut fields = Fields::new(&document.source);
    let empty = Map::default();
    let root = document.node.as_map().unwrap_or(&empty);
    let metadata = fields.map(root, "", "metadata").unwrap_or(&empty);
    let metadata_span = root.get("metadata").map_or(document.span, |entry| entry.key_span);
    let name = if fields.errors.is_empty() { fields.text(metadata, "metadata", "name") } else { None };
    if fields.errors.is_empty() && name.is_none() {
        let what = format!("this {} has no `metadata.name`", document.kind);
        fields.error_help(metadata_span, what, "write `metadata: {name: NAME}`; it names the rendered folder too");
    }
    let name_span = name.as_ref().map_or(document.span, |name| name.span);
    let checked = name.and_then(|name| match name.as_str().parse::<DocumentName>() {
        Ok(name) => Some(name),
        Err(why) => {
            let what = format!("`metadata.name` {why}");
            fields.error_help(name.span, what, name_help(&name.text));
            None
        }
    });
    let Some(name) = checked else {
        docs.errors.append(&mut fields.errors);
        return None;
    };
    let place = Place { source: document.source.clone(), span: name_span };
    let namespace = fields.text(metadata, "metadata", "namespace");
    let head = Head { name: name.clone(), namespace, source: document.source.clone(), place: place.clone(), values };
    let warnings = &mut docs.warnings;
    let release = match role {
        Role::HelmOperator => helm_operator::parse(&mut fields, root, head, beside, warnings),
        Role::Flux => flux::parse(&mut fields, root, head, beside, warnings),
        Role::Refused(why) => {
            let span = root.get("apiVersion").map_or(document.span, |entry| entry.node.span);
            fields.error_help(span, why.clone(), format!("write one that it reads: {READ_VERSIONS}"));
            None
        }
        _ => kcfg::parse(&mut fields, root, head),
    };
    let result = match release {
        Some(release) if fields.errors.is_empty() => Ok(Box::new(release)),
        _ => Err(fields.errors),
    };
    Some((name, Parsed { place, result }))
}

/// What to write instead of a name that cannot be one.
fn name_help(name: &str) -> String {
    let is_fine = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.';
    let name: String = name.to_lowercase().chars().map(|c| if is_fine(c) { c } else { '-' }).collect();
    match name.trim_matches(['-', '.']) {
        near if near.parse::<DocumentName>().is_ok() => format!("write it like this: `{near}`"),
        _ => "it names the release and its rendered folder".into(),
    }
}

fn read_environment(env: &str, documents: Vec<Document>, docs: &mut EnvironmentDocs) {
    let mut first: Option<Place> = None;
    for document in documents {
        let place = Place { source: document.source.clone(), span: document.span };
        if let Some(first) = &first {
            docs.is_blocked = true;
            docs.errors.push(
                Diagnostic::error(format!("a second Environment document for {env}"))
                    .at(&document.source, document.span)
                    .note("the first one", Some(first.clone()))
                    .help("keep one"),
            );
            continue;
        }
        first = Some(place);
        let mut fields = Fields::new(&document.source);
        let environment = environment::parse(&mut fields, env, document);
        if fields.errors.is_empty() {
            docs.environment = environment;
        } else {
            docs.is_blocked = true;
            docs.errors.append(&mut fields.errors);
        }
    }
}

fn sort_releases(by_name: BTreeMap<DocumentName, Vec<Parsed>>, docs: &mut EnvironmentDocs) {
    for (name, mut parsed) in by_name {
        let folder = name.to_string();
        if parsed.len() == 1
            && let Some(one) = parsed.pop()
        {
            match one.result {
                Ok(release) => docs.releases.push(*release),
                Err(errors) => docs.refused.push(Refused { folder, source: one.place.source, errors }),
            }
            continue;
        }
        let source = parsed[0].place.source.clone();
        let mut error = Diagnostic::error(format!("{} releases of {} are called {name}", parsed.len(), docs.name))
            .at(&source, parsed[0].place.span);
        for other in &parsed[1..] {
            error = error.note("another one", Some(other.place.clone()));
        }
        let error = error.help("`metadata.name` has to be unique in an environment; rename or remove one");
        let mut errors = vec![error];
        errors.extend(parsed.into_iter().filter_map(|one| one.result.err()).flatten());
        docs.refused.push(Refused { folder, source, errors });
    }
}

/// Gives each file with raw manifests its folder. Where a release of the environment has the file's name, the folder
/// of the raw manifests gets the suffix `_raw`, which no release's name can have.
fn sort_raw(env: &str, raw: Vec<Raw>, docs: &mut EnvironmentDocs) {
    let mut files: Vec<(Arc<Source>, Vec<Span>, RawObjects)> = Vec::new();
    for Raw { document, is_in_text } in raw {
        if !files.last().is_some_and(|(source, ..)| Arc::ptr_eq(source, &document.source)) {
            let objects = if is_in_text { RawObjects::InText } else { RawObjects::Read(Vec::new()) };
            files.push((document.source.clone(), Vec::new(), objects));
        }
        let Some((_, kinds, objects)) = files.last_mut() else { continue };
        kinds.push(document.span);
        if let RawObjects::Read(nodes) = objects {
            nodes.push(document.node);
        }
    }
    let prefix = format!("releases/{env}/");
    let mut by_folder: BTreeMap<String, Vec<RawFile>> = BTreeMap::new();
    for (source, kinds, objects) in files {
        let below = source.name.strip_prefix(&prefix).unwrap_or(&source.name);
        let folder = raw_folder(below).and_then(|folder| {
            let is_taken = docs.releases.iter().any(|release| release.name.as_str().eq_ignore_ascii_case(&folder))
                || docs.refused.iter().any(|refused| refused.folder.eq_ignore_ascii_case(&folder));
            if is_taken { raw_folder(&format!("{folder}_raw.yaml")) } else { Ok(folder) }
        });
        match folder {
            Ok(folder) => {
                by_folder.entry(folder.to_ascii_lowercase()).or_default().push(RawFile {
                    folder,
                    source,
                    kinds,
                    objects,
                });
            }
            Err(why) => docs.errors.push(
                Diagnostic::error(format!("the rendered folder for this file's path {why}"))
                    .at_file(source.name.clone())
                    .help("give the file a shorter path"),
            ),
        }
    }
    for (_, mut files) in by_folder {
        if files.len() == 1 {
            docs.raw.append(&mut files);
            continue;
        }
        let names: Vec<&str> = files.iter().map(|file| &*file.source.name).collect();
        let error =
            Diagnostic::error(format!("{} would share the rendered folder {}", names.join(" and "), files[0].folder))
                .at(&files[0].source, files[0].kinds[0])
                .help("raw manifests are rendered to a folder named after their file; rename one of the files");
        let mut errors = Some(error);
        for file in files {
            let errors = errors.take().into_iter().collect();
            docs.refused.push(Refused { folder: file.folder, source: file.source, errors });
        }
    }
}
