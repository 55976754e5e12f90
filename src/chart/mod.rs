//! A chart folder → [`Chart`]: Chart.yaml, values, templates, files, subcharts, .helmignore. Comes in as a list of
//! files (from the working tree, from a commit, from a .tgz); nothing here renders.

use std::sync::Arc;

use crate::error::Source;
use crate::yaml::Node;

/// A file of a chart folder as it was read, before .helmignore.
#[derive(Debug, Clone)]
pub struct ChartFile {
    /// The path below the chart's folder, with `/`.
    pub path: String,
    /// The bytes.
    pub bytes: Arc<[u8]>,
}

/// Which engine a chart is written for, by Chart.yaml's apiVersion.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EngineKind {
    /// `v1`, `v2` or none: a Helm chart.
    Helm,
    /// `kcfg.dev/v1`: a Tera chart.
    Tera,
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
    /// The text of values.yaml.
    pub values_source: Arc<Source>,
    /// values.schema.json, unparsed.
    pub schema: Option<Arc<Source>>,
    /// Files below templates/, by path, partials and NOTES.txt among them.
    pub templates: Vec<TemplateFile>,
    /// Files below crds/, by path.
    pub crds: Vec<ChartFile>,
    /// Every other file, for `.Files`.
    pub files: Vec<ChartFile>,
    /// Subcharts of charts/, in Helm's loading order.
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

/// Chart.yaml, with the names it has there.
#[derive(Debug, Clone, Default)]
pub struct Metadata {
    /// `name`.
    pub name: String,
    /// `version`.
    pub version: String,
    /// `appVersion`.
    pub app_version: String,
    /// `apiVersion`.
    pub api_version: String,
    /// `kubeVersion`: a constraint.
    pub kube_version: String,
    /// `type`: `application` or `library` or empty.
    pub chart_type: String,
    /// All of Chart.yaml, for `.Chart` in templates.
    pub raw: Option<Node>,
}
