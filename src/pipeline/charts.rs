//! Charts, each read, hashed, loaded and compiled once however many releases use it.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, OnceLock};

use sha2::{Digest as _, Sha256};

use crate::chart::{self, Chart, ChartFile, EngineKind};
use crate::engine::{self, Engine};
use crate::error::Diagnostic;
use crate::repo::Repository;

use data_encoding::HEXLOWER;

/// Where a chart is read from.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ChartSource {
    /// Its folder, relative to the repository's root.
    pub path: String,
    /// The commit, and the ref that names it; `None` is the working tree.
    pub commit: Option<(String, String)>,
}

impl ChartSource {
    /// As shown to the user: `charts/web`, `charts/web@staging`.
    pub fn shown(&self) -> String {
        match &self.commit {
            None => self.path.clone(),
            Some((_, reference)) => format!("{}@{reference}", self.path),
        }
    }
}

/// A chart that is ready to render.
pub struct Compiled {
    /// The chart.
    pub chart: Arc<Chart>,
    /// Its compiled templates.
    pub engine: Box<dyn Engine>,
    /// Its files, as they were read.
    pub files: Vec<ChartFile>,
    /// What loading it found.
    pub warnings: Vec<Diagnostic>,
}

impl Compiled {
    /// The chart as a sum names it: where it is, its version, its engine.
    pub fn title(&self, source: &ChartSource) -> String {
        let engine = match self.chart.engine {
            EngineKind::Helm => "helm",
            EngineKind::Tera => "tera",
        };
        format!("{} {} {engine}", source.shown(), self.chart.metadata.version)
    }
}

type Shared<T> = OnceLock<Result<T, Vec<Diagnostic>>>;

#[derive(Default)]
struct Entry {
    files: Shared<(Vec<ChartFile>, String)>,
    compiled: Shared<Arc<Compiled>>,
}

/// The charts of one run.
pub struct Charts {
    repository: Arc<Repository>,
    entries: Mutex<HashMap<ChartSource, Arc<Entry>>>,
}

impl fmt::Debug for Charts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Charts").finish_non_exhaustive()
    }
}

impl Charts {
    /// No charts yet.
    pub fn new(repository: Arc<Repository>) -> Charts {
        Charts { repository, entries: Mutex::default() }
    }

    /// sha256 over a chart's files: over their paths and bytes, whatever .helmignore says of them.
    ///
    /// # Errors
    /// The chart's folder cannot be read.
    pub fn hash(&self, source: &ChartSource) -> Result<String, Vec<Diagnostic>> {
        let entry = self.entry(source);
        self.files(&entry, source).map(|(_, hash)| hash.clone())
    }

    /// The chart, compiled.
    ///
    /// # Errors
    /// What is wrong with the chart; the same for each of its releases.
    pub fn compiled(&self, source: &ChartSource) -> Result<Arc<Compiled>, Vec<Diagnostic>> {
        let entry = self.entry(source);
        let compile = || {
            let (files, _) = self.files(&entry, source)?;
            let loaded = chart::load(&source.shown(), files.clone())?;
            let chart = Arc::new(loaded.chart);
            let engine = engine::compile(&chart)?;
            Ok(Arc::new(Compiled { chart, engine, files: files.clone(), warnings: loaded.warnings }))
        };
        entry.compiled.get_or_init(compile).clone()
    }

    fn entry(&self, source: &ChartSource) -> Arc<Entry> {
        // A panic elsewhere leaves the map itself whole.
        let mut entries = self.entries.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        entries.entry(source.clone()).or_default().clone()
    }

    fn files<'a>(
        &self,
        entry: &'a Entry,
        source: &ChartSource,
    ) -> Result<&'a (Vec<ChartFile>, String), Vec<Diagnostic>> {
        let read = || {
            let files = match &source.commit {
                None => {
                    chart::read_folder(&self.repository.root.join(&source.path), &source.path, &self.repository.root)
                }
                Some(_) => Err(Diagnostic::error("refs: not yet")),
            };
            let files = files.map_err(|error| vec![error])?;
            let hash = hash(&files);
            Ok((files, hash))
        };
        entry.files.get_or_init(read).as_ref().map_err(Clone::clone)
    }
}

fn hash(files: &[ChartFile]) -> String {
    let mut all = Sha256::new();
    for file in files {
        all.update((file.path.len() as u64).to_le_bytes());
        all.update(file.path.as_bytes());
        all.update((file.bytes.len() as u64).to_le_bytes());
        all.update(&file.bytes);
    }
    HEXLOWER.encode(&all.finalize())
}
