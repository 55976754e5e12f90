//! A chart folder → [`Chart`]: Chart.yaml, values, templates, files, subcharts, .helmignore. Comes in as a list of
//! files (from the working tree by [`read_folder`], from a commit, from a .tgz); nothing here renders or merges.
//!
//! The rules are those of Helm 3 (`pkg/chart/loader`, `pkg/ignore`); a Tera chart (`kcfg.dev/v1`) is laid out alike.

mod archive;
mod bytes;
mod dialect;
mod fits;
mod folder;
mod ignore;
mod load;
mod metadata;
mod schema;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::error::{Diagnostic, Source, Span};
use crate::yaml::Node;

pub use bytes::{Bytes, Failures};
pub use folder::{read_folder, read_folder_later};
pub use load::load;
pub use schema::{Schema, Unfit};

/// Helm's limit on one file of a chart, and ours.
pub const FILE_SIZE_BYTES_MAX: u64 = 5 * 1024 * 1024;
/// Helm's limit on an unpacked .tgz, here for every chart as a whole.
pub const CHART_SIZE_BYTES_MAX: u64 = 100 * 1024 * 1024;
/// More files than this are no chart but a mistake: a checkout, a package cache.
pub const FILE_COUNT_MAX: usize = 20_000;
/// How deep folders, and charts in charts, may nest; a loop of symbolic links ends here.
pub const DEPTH_MAX: usize = 64;

/// A file of a chart folder as it was read, before .helmignore.
#[derive(Debug, Clone)]
pub struct ChartFile {
    /// The path below the chart's folder, with `/`.
    pub path: String,
    /// The bytes.
    pub bytes: Bytes,
}

/// Which engine a chart is written for, by Chart.yaml's apiVersion.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EngineKind {
    /// `v1`, `v2` or none: a Helm chart.
    Helm,
    /// `kcfg.dev/v1`: a Tera chart.
    Tera,
}

/// A chart that was read, and what was odd about it.
#[derive(Debug)]
pub struct Loaded {
    /// The chart.
    pub chart: Chart,
    /// Duplicate keys and the like.
    pub warnings: Vec<Diagnostic>,
}

/// A loaded chart with its subcharts; immutable and shared by all releases of the chart.
#[derive(Debug)]
pub struct Chart {
    /// Where it was read from, as shown to the user: `charts/web`, `charts/web@staging`.
    pub location: String,
    /// The engine its templates are written for.
    pub engine: EngineKind,
    /// Chart.yaml, read.
    pub metadata: Metadata,
    /// values.yaml as it was read (numbers as float64 where the engine is Helm's), with its source; an empty mapping if there is none.
    pub values: Node,
    /// The text of values.yaml; empty if there is none.
    pub values_source: Arc<Source>,
    /// values.schema.json, compiled when it is first used.
    pub schema: Option<Schema>,
    /// Files below templates/, by path, partials and NOTES.txt among them.
    pub templates: Vec<TemplateFile>,
    /// The manifests below crds/ (`.yaml`, `.yml`, `.json`), by path.
    pub crds: Vec<ChartFile>,
    /// Every file of `.Files`, by path; as in Helm those of crds/ are among them.
    pub files: Vec<ChartFile>,
    /// Subcharts of charts/, by the name of their folder or archive.
    pub dependencies: Vec<Arc<Chart>>,
}

/// A file below templates/.
#[derive(Debug, Clone)]
pub struct TemplateFile {
    /// The path below the chart's folder: `templates/deployment.yaml`.
    pub path: String,
    /// Its text; the source's name is the path as shown to the user.
    pub source: Arc<Source>,
}

/// Chart.yaml (with requirements.yaml laid over it), with the names it has there. A field that is missing is empty.
#[derive(Debug, Clone, Default)]
pub struct Metadata {
    /// `name`.
    pub name: String,
    /// `home`: a URL.
    pub home: String,
    /// `sources`: URLs.
    pub sources: Vec<String>,
    /// `version`.
    pub version: String,
    /// `description`.
    pub description: String,
    /// `keywords`.
    pub keywords: Vec<String>,
    /// `maintainers`.
    pub maintainers: Vec<Maintainer>,
    /// `icon`: a URL.
    pub icon: String,
    /// `apiVersion`; `v1` where none is written.
    pub api_version: String,
    /// `condition`; Helm reads it and does nothing with it.
    pub condition: String,
    /// `tags`; Helm reads it and does nothing with it.
    pub tags: String,
    /// `appVersion`.
    pub app_version: String,
    /// `deprecated`.
    pub deprecated: bool,
    /// `annotations`.
    pub annotations: BTreeMap<String, String>,
    /// `kubeVersion`: a constraint, checked by the caller.
    pub kube_version: String,
    /// `dependencies`; `None` where the key is missing or null: Helm then leaves subcharts of subcharts as they are.
    pub dependencies: Option<Vec<Dependency>>,
    /// `type`: `application` or `library` or empty.
    pub chart_type: String,
    /// The text of Chart.yaml.
    pub source: Option<Arc<Source>>,
    /// All of Chart.yaml, keys that Helm does not know among them.
    pub raw: Option<Node>,
}

/// A person of `maintainers`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Maintainer {
    /// `name`.
    pub name: String,
    /// `email`.
    pub email: String,
    /// `url`.
    pub url: String,
}

/// An entry of `dependencies`.
#[derive(Debug, Clone, Default)]
pub struct Dependency {
    /// `name` of the chart; after [`crate::values::prepare`] the alias, as Helm has it.
    pub name: String,
    /// `version`: a constraint.
    pub version: String,
    /// `repository`.
    pub repository: String,
    /// `condition`: paths into the values, with `,` between them; the first that holds a boolean decides.
    pub condition: String,
    /// `tags`.
    pub tags: Vec<String>,
    /// `enabled`; what the file says does not count, Helm sets it.
    pub enabled: bool,
    /// `import-values`: names below `exports`, or `child` and `parent` paths.
    pub import_values: Vec<Node>,
    /// `alias`.
    pub alias: String,
    /// Where the entry stands, in Chart.yaml or requirements.yaml.
    pub place: Option<crate::error::Place>,
}

impl Chart {
    /// A place in this chart's Chart.yaml: a key's value, or the file.
    pub fn metadata_place(&self, key: &str) -> Option<crate::error::Place> {
        let source = self.metadata.source.clone()?;
        let span = self.metadata.raw.as_ref().and_then(|raw| raw.get(key)).map_or(Span::NONE, |node| node.span);
        Some(crate::error::Place { source, span })
    }
}
