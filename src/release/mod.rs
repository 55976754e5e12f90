//! Release documents → [`Release`]s. In: the texts of releases/<env>/. Out: [`EnvironmentDocs`]: releases of all
//! formats as one type, raw manifests, the Environment document, and what was wrong.
//!
//! Pure: no file is opened here, no chart looked for, no ref resolved. A document that cannot be read never hides
//! the others: it is an error with its place, and makes its environment *incomplete* (nothing may be removed then).
//! A release that can be named but not honoured is *refused*: it keeps its rendered folder.

mod document;
mod elsewhere;
mod environment;
mod flux;
mod helm_operator;
mod kcfg;
mod names;
mod parse;
mod removal;
mod values_from;

use std::sync::Arc;

use crate::error::{Diagnostic, Place, Source, Span};
use crate::yaml::fields::Text;
use crate::yaml::{self, Node};

pub use environment::{ClusterIdentity, Drift, Environment, PruneBudget, Scope, SecretPolicy};
pub use names::{
    ChartPath, DocumentName, FOLDER_BYTES_MAX, LABEL_BYTES_MAX, Namespace, RELEASE_NAME_BYTES_MAX, ReleaseName,
    SUBDOMAIN_BYTES_MAX,
};
pub use parse::parse_environment;
pub use removal::{DIGEST_LENGTH, Removal, RemovalOf, text as removal_text};

/// Everything that the files of one environment say.
#[derive(Debug, Default)]
pub struct EnvironmentDocs {
    /// The environment's name: its folder below releases/.
    pub name: String,
    /// Releases that can be rendered, by name.
    pub releases: Vec<Release>,
    /// Releases and raw files that have a name but cannot be honoured, by folder. Their rendered folders stay as they are.
    pub refused: Vec<Refused>,
    /// Raw manifests by rendered folder, one entry per file.
    pub raw: Vec<RawFile>,
    /// The Environment document, if there is one.
    pub environment: Option<Environment>,
    /// Whether an Environment document is there that cannot be read: then nothing of this environment may be
    /// rendered, for its values and versions are unknown.
    pub is_blocked: bool,
    /// `kind: Removal` documents: what may be deleted beyond the prune budget.
    pub removals: Vec<Removal>,
    /// Documents that could not be read, or that have no usable name.
    pub errors: Vec<Diagnostic>,
    /// What somebody should look at.
    pub warnings: Vec<Diagnostic>,
}

impl EnvironmentDocs {
    /// Whether every document could be read; if not, no rendered folder of this environment may be removed.
    pub fn is_complete(&self) -> bool {
        self.errors.is_empty()
    }
}

/// One release, whatever format it was written in.
#[derive(Debug, Clone)]
pub struct Release {
    /// `metadata.name`, unique in its environment; also the name of its rendered folder.
    pub name: DocumentName,
    /// The namespace of its objects (`.Release.Namespace`).
    pub namespace: Namespace,
    /// `.Release.Name`.
    pub release_name: ReleaseName,
    /// Which chart.
    pub chart: ChartRef,
    /// Values, lowest first; integers are exact.
    pub values: Vec<ReleaseValues>,
    /// Files of the chart that take the place of its values.yaml, lowest first; empty where values.yaml counts
    /// (Flux's `chart.spec.valuesFiles`; paths are relative to the repository's root).
    pub chart_values_files: Vec<ValuesFile>,
    /// Whether the objects below crds/ are left out.
    pub skip_crds: bool,
    /// What format it was written in.
    pub format: Format,
    /// The file it was written in.
    pub source: Arc<Source>,
    /// Where its name stands in that file.
    pub place: Place,
}

/// Which chart a release wants.
#[derive(Debug, Clone)]
pub enum ChartRef {
    /// A folder of a Git repository; of this one where `git` is absent or names it.
    Path(PathChart),
    /// A chart of a chart repository or an OCI registry, which has to be fetched first.
    Remote(RemoteChart),
}

/// A chart in a folder of a Git repository.
#[derive(Debug, Clone)]
pub struct PathChart {
    /// The folder, relative to the repository's root.
    pub path: ChartPath,
    /// Where the path was written.
    pub place: Place,
    /// The repository's URL as it was written, with its span in [`PathChart::git_place`]'s source.
    pub git: Option<Text>,
    /// Where the URL was written: for Flux's formats that is another document.
    pub git_place: Option<Place>,
    /// The branch, tag or commit as it was written.
    pub reference: Option<Text>,
    /// Where the ref was written.
    pub reference_place: Option<Place>,
}

/// A chart of a chart repository.
#[derive(Debug, Clone)]
pub struct RemoteChart {
    /// The repository's URL.
    pub repository: Text,
    /// The chart's name; for an OCI URL it may be part of the URL already, then it is empty.
    pub name: Text,
    /// The version or version constraint.
    pub version: Option<Text>,
    /// Where the chart was written.
    pub place: Place,
}

/// Values that a document holds.
#[derive(Debug, Clone)]
pub struct Values {
    /// The text the values were read from.
    pub source: Arc<Source>,
    /// The values: a mapping, whose spans point into `source`; integers are exact.
    pub root: Node,
}

/// Values of a release, from one place.
#[derive(Debug, Clone)]
pub enum ReleaseValues {
    /// Values that the documents hold.
    Inline(Values),
    /// A file of the chart (the Helm operator's `chartFileRef`); the path is relative to the chart's folder.
    ChartFile(ValuesFile),
}

/// A values file of a chart.
#[derive(Debug, Clone)]
pub struct ValuesFile {
    /// The path, with `/`, without `..`.
    pub path: ChartPath,
    /// Whether the file may be missing.
    pub is_optional: bool,
    /// Where it was asked for.
    pub place: Place,
}

/// The format of a release document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// HelmRelease of `flux.weave.works/v1beta1` or `helm.fluxcd.io/v1`.
    HelmOperator,
    /// HelmRelease of `helm.toolkit.fluxcd.io`.
    Flux,
    /// Release of `kcfg.dev/v1`.
    Kcfg,
}

/// A release or raw file that is refused.
#[derive(Debug, Clone)]
pub struct Refused {
    /// Its rendered folder (of a release: its name), which has to stay.
    pub folder: String,
    /// The file.
    pub source: Arc<Source>,
    /// Why.
    pub errors: Vec<Diagnostic>,
}

/// The raw manifests of one file.
#[derive(Debug, Clone)]
pub struct RawFile {
    /// The name of their rendered folder.
    pub folder: String,
    /// The file.
    pub source: Arc<Source>,
    /// Where the kind of each object stands, in the order they were written.
    pub kinds: Vec<Span>,
    objects: RawObjects,
}

/// Thousands of objects take twenty times the memory of their text, and are wanted one file at a time.
#[derive(Debug, Clone)]
enum RawObjects {
    /// The file holds nothing else.
    InText,
    /// Those of a file that holds more.
    Read(Vec<Node>),
}

impl RawFile {
    /// The objects, mappings with apiVersion and kind, in the order they were written; a `kind: List` is one of them.
    ///
    /// # Errors
    /// None is expected: the text was read before.
    pub fn objects(&self) -> Result<Vec<Node>, Diagnostic> {
        match &self.objects {
            RawObjects::Read(nodes) => Ok(nodes.clone()),
            RawObjects::InText => {
                let documents = yaml::read_all(&self.source, &yaml::ReadOptions::default())?;
                let written = documents.into_iter().filter(|document| !document::is_blank(document));
                Ok(written.map(|document| document.node).collect())
            }
        }
    }
}

#[cfg(test)]
mod tests;
