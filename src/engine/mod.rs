//! The template engines behind one trait: a chart and merged values in, rendered texts out.

pub mod capabilities;
mod helm;
mod stack;
pub mod tera;

use std::sync::Arc;

use crate::chart::{Chart, EngineKind};
use crate::error::{Diagnostic, Place, Source};

pub use crate::gotmpl::{Alphabet, CallSite};
pub use helm::{HelmEngine, name_from_template};
pub use stack::{map_on_two_threads, start_pool};
pub use tera::TeraEngine;

/// A chart whose templates are compiled; shared by all its releases, rendered in parallel.
pub trait Engine: Send + Sync {
    /// Expands the templates for one release.
    ///
    /// # Errors
    /// Every template that could not be rendered, with its place and include chain.
    fn render(&self, input: &RenderInput<'_>) -> Result<RenderOutput, Vec<Diagnostic>>;
}

/// What one release brings to a chart.
pub struct RenderInput<'a> {
    /// `.Release.Name`.
    pub release_name: &'a str,
    /// `.Release.Namespace`.
    pub namespace: &'a str,
    /// The environment's name; empty for `kcfg template`.
    pub environment: &'a str,
    /// Whether `.Release.IsUpgrade` (else `.Release.IsInstall`).
    pub is_upgrade: bool,
    /// The merged values with the chart tree that they enable.
    pub prepared: &'a crate::values::Prepared,
    /// What the cluster is taken to offer.
    pub capabilities: &'a Capabilities,
    /// Where random values, keys and the clock come from.
    pub randomness: Randomness<'a>,
}

/// Where random values, keys and the clock come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Randomness<'a> {
    /// The machine's, as helm does: `kcfg template`.
    Real,
    /// One of two fixed generators (0 or 1) that differ in every character, number, permutation and time field.
    Fixed(usize),
    /// The same, except that the random texts of these calls are fixed texts, equal with both generators.
    Pinned(usize, &'a [CallSite]),
}

/// What the cluster is taken to offer: `.Capabilities`.
#[derive(Debug, Clone)]
pub struct Capabilities {
    /// `v1.33.0`.
    pub kube_version: KubeVersion,
    /// `apps/v1`, `apps/v1/Deployment`, …: Helm's default set and what was added.
    pub api_versions: Vec<String>,
}

/// A Kubernetes version as `.Capabilities.KubeVersion` shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KubeVersion {
    /// `v1.33.0`, `v1.28.3-gke.1`.
    pub version: String,
    /// `1`.
    pub major: String,
    /// `33`.
    pub minor: String,
}

/// What came out of one release's templates.
#[derive(Debug, Default)]
pub struct RenderOutput {
    /// One entry per template that is not a partial, sorted by path (bytewise); NOTES.txt is not among them.
    pub files: Vec<RenderedFile>,
    /// Warnings, such as `lookup` without a cluster.
    pub warnings: Vec<Diagnostic>,
    /// Whether any template asked for randomness or the time.
    pub used_randomness: bool,
    /// The random texts that were made, where a fixed generator made them.
    pub random_texts: Vec<RandomText>,
    /// The calls that asked for randomness or the time.
    pub random_calls: Vec<RandomCall>,
    /// What checksum functions gave after something random was asked for, with a fixed generator.
    pub checksums: Vec<String>,
}

/// A random text, and the call that made it.
#[derive(Debug, Clone)]
pub struct RandomText {
    /// What it is drawn from.
    pub alphabet: Alphabet,
    /// How many characters (bytes for [`Alphabet::Bytes`]) it is made of.
    pub length: usize,
    /// The text.
    pub text: String,
    /// The call.
    pub call: RandomCall,
}

/// The text that one template gave.
#[derive(Debug, Clone)]
pub struct RenderedFile {
    /// Helm's path of the template, as `# Source:` shows it: `web/templates/deployment.yaml`.
    pub path: String,
    /// The template's own text, for diagnostics.
    pub template: Arc<Source>,
    /// The rendered text.
    pub text: Arc<str>,
}

/// A call that asked for randomness or the time.
#[derive(Debug, Clone)]
pub struct RandomCall {
    /// The template that ran, as [`RenderedFile::path`] has it.
    pub path: String,
    /// The call.
    pub site: CallSite,
    /// The call, for diagnostics.
    pub place: Place,
    /// The values of the release that would have been taken instead, as paths, where known.
    pub instead: Vec<String>,
    /// The values because of which it was called, where known and where nothing would have been taken instead.
    pub because: Vec<String>,
}

/// The chart itself, if a caller needs it.
pub type ChartRef = Arc<Chart>;

/// Compiles a chart's templates with the engine it is written for.
///
/// # Errors
/// Every template that is not of the engine's language.
pub fn compile(chart: &Arc<Chart>) -> Result<Box<dyn Engine>, Vec<Diagnostic>> {
    Ok(match chart.engine {
        EngineKind::Helm => Box::new(HelmEngine::compile(chart)?),
        EngineKind::Tera => Box::new(TeraEngine::compile(chart)?),
    })
}
