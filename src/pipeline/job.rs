//! One folder of the rendered tree to be made: a release with its chart and values, or the raw manifests of a file.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use data_encoding::HEXLOWER;
use sha2::{Digest as _, Sha256};

use crate::chart::{ChartFile, EngineKind};
use crate::engine::Capabilities;
use crate::error::{Diagnostic, nearest};
use crate::release::{RawFile, ReleaseValues, ValuesFile};
use crate::rendered::Sum;
use crate::values::{Layer, float_numbers};
use crate::yaml::{self, Node, ReadOptions, Value};

use super::RENDERER_VERSION;
use super::charts::Charts;
use super::resolve::{ChartPlace, ChartSource};

/// What is to be rendered into one folder.
#[derive(Debug)]
pub struct Job {
    /// The environment.
    pub environment: String,
    /// The folder's name: the release document's, or the raw file's without its extension.
    pub folder: String,
    /// The namespace of the release's objects; `default` for raw manifests that name none.
    pub namespace: String,
    /// The file of the document, relative to the repository's root.
    pub source: String,
    /// The release, or the raw manifests.
    pub content: Content,
}

/// What a job renders.
#[derive(Debug)]
pub enum Content {
    /// The raw manifests of one file.
    Raw(RawFile),
    /// A chart with values.
    Release(Box<ReleaseContent>),
}

/// A release's chart and values.
#[derive(Debug)]
pub struct ReleaseContent {
    /// The release's name, as templates see it.
    pub name: String,
    /// Where its chart is.
    pub chart: ChartSource,
    /// The environment's values, then the release's.
    pub values: Vec<ReleaseValues>,
    /// What the environment's cluster offers.
    pub capabilities: Arc<Capabilities>,
    /// Whether the chart's crds/ stay out.
    pub skip_crds: bool,
}

impl ReleaseContent {
    /// The values to lay over the chart's, with numbers as the chart's engine reads them.
    ///
    /// # Errors
    /// A values file of the chart that is asked for is missing or cannot be read.
    pub fn layers(&self, engine: EngineKind, chart_files: &[ChartFile]) -> Result<Vec<Layer>, Diagnostic> {
        let mut layers = Vec::with_capacity(self.values.len());
        for values in &self.values {
            match values {
                ReleaseValues::Inline(values) => {
                    layers.push(Layer { source: values.source.clone(), root: values.root.clone() });
                }
                ReleaseValues::ChartFile(wanted) => layers.extend(self.chart_file(wanted, chart_files)?),
            }
        }
        if engine == EngineKind::Helm {
            layers.iter_mut().for_each(|layer| float_numbers(&mut layer.root));
        }
        Ok(layers)
    }

    fn chart_file(&self, wanted: &ValuesFile, files: &[ChartFile]) -> Result<Option<Layer>, Diagnostic> {
        let path = wanted.path.as_str();
        let Some(file) = files.iter().find(|file| file.path == path) else {
            if wanted.is_optional {
                return Ok(None);
            }
            let near = nearest(path, files.iter().map(|file| file.path.as_str()));
            return Err(Diagnostic::error(format!("the chart {} has no file {path}", self.chart.location))
                .at(&wanted.place.source, wanted.place.span)
                .help(near.map_or("add it to the chart".into(), |near| format!("did you mean `{near}`?"))));
        };
        let source = yaml::decode(&file.bytes, &format!("{}/{path}", self.chart.location))?;
        let root = yaml::read(&source, &ReadOptions::default())?.node;
        Ok(Some(Layer { source, root }))
    }
}

impl Job {
    /// `env/release`.
    pub fn name(&self) -> String {
        format!("{}/{}", self.environment, self.folder)
    }

    /// Where the folder stands.
    pub fn path(&self, rendered: &Path) -> PathBuf {
        rendered.join(&self.environment).join(&self.folder)
    }

    /// The folder as shown to the user.
    pub fn shown_folder(&self) -> String {
        format!("rendered/{}/{}", self.environment, self.folder)
    }

    /// sha256 over everything that the rendered files depend on.
    ///
    /// # Errors
    /// The chart cannot be read.
    pub fn inputs(&self, charts: &Charts) -> Result<String, Vec<Diagnostic>> {
        let mut all = InputsHash::default();
        all.text(&format!("kcfg inputs {RENDERER_VERSION}"));
        all.text(&self.environment);
        all.text(&self.folder);
        all.text(&self.namespace);
        match &self.content {
            Content::Raw(file) => {
                file.objects().map_err(|error| vec![error])?.iter().for_each(|object| all.node(object));
            }
            Content::Release(release) => {
                all.text(&release.name);
                all.text(if release.skip_crds { "without CRDs" } else { "with CRDs" });
                all.text(&release.capabilities.kube_version.version);
                all.text(&release.capabilities.api_versions.join(" "));
                all.text(&release.chart.location);
                all.text(&charts.hash(&release.chart)?);
                for values in &release.values {
                    match values {
                        ReleaseValues::Inline(values) => all.node(&values.root),
                        // The file itself is among the chart's.
                        ReleaseValues::ChartFile(file) => all.text(file.path.as_str()),
                    }
                }
            }
        }
        Ok(all.finish())
    }

    /// The release's sum, without its files.
    pub fn sum(&self, inputs: String, chart: String) -> Sum {
        let commit = match &self.content {
            Content::Release(release) => match &release.chart.files {
                ChartPlace::Commit(commit, _) => Some(commit.to_string()),
                ChartPlace::WorkingTree(_) => None,
            },
            Content::Raw(_) => None,
        };
        Sum {
            release: self.name(),
            namespace: self.namespace.clone(),
            source: self.source.clone(),
            chart,
            commit,
            inputs,
            ..Sum::default()
        }
    }
}

/// sha256 over texts and values, each told apart from the next; comments and places do not count.
#[derive(Default)]
struct InputsHash(Sha256);

impl InputsHash {
    fn text(&mut self, text: &str) {
        self.0.update((text.len() as u64).to_le_bytes());
        self.0.update(text.as_bytes());
    }

    fn node(&mut self, node: &Node) {
        match &node.value {
            Value::Null => self.0.update(b"n"),
            Value::Bool(b) => self.0.update([b'b', u8::from(*b)]),
            Value::Int(n) => {
                self.0.update(b"i");
                self.0.update(n.to_le_bytes());
            }
            Value::UInt(n) => {
                self.0.update(b"u");
                self.0.update(n.to_le_bytes());
            }
            Value::Float(x) => {
                self.0.update(b"f");
                self.0.update(x.to_bits().to_le_bytes());
            }
            Value::Str(text) => {
                self.0.update(b"s");
                self.text(text);
            }
            Value::Seq(items) => {
                self.0.update(b"l");
                self.0.update((items.len() as u64).to_le_bytes());
                items.iter().for_each(|item| self.node(item));
            }
            Value::Map(map) => {
                self.0.update(b"m");
                self.0.update((map.len() as u64).to_le_bytes());
                for (key, entry) in map {
                    self.text(key);
                    self.node(&entry.node);
                }
            }
        }
    }

    fn finish(self) -> String {
        HEXLOWER.encode(&self.0.finalize())
    }
}
