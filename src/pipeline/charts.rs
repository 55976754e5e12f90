//! Charts, each read, hashed, loaded and compiled once however many releases use it.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, OnceLock};

use sha2::{Digest as _, Sha256};

use crate::chart::{self, Chart, ChartFile, EngineKind};
use crate::engine::{self, Engine};
use crate::error::Diagnostic;
use crate::repo::{CommitId, Repository};

use super::resolve::{ChartPlace, ChartSource};

use data_encoding::HEXLOWER;

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
        format!("{} {} {engine}", source.location, self.chart.metadata.version)
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
            let loaded = chart::load(&source.location, files.clone())?;
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
            let repository = &self.repository;
            let files = match &source.files {
                ChartPlace::WorkingTree(folder) => {
                    let top = repository.git_root.as_ref().unwrap_or(&repository.root);
                    chart::read_folder(folder, &source.location, top)
                }
                ChartPlace::Commit(commit, path) => read_commit(repository, commit, path),
            };
            let files = files.map_err(|error| vec![error])?;
            let hash = hash(&files);
            Ok((files, hash))
        };
        entry.files.get_or_init(read).as_ref().map_err(Clone::clone)
    }
}

fn read_commit(repository: &Repository, commit: &CommitId, path: &str) -> Result<Vec<ChartFile>, Diagnostic> {
    let git =
        repository.git()?.ok_or_else(|| Diagnostic::error("a chart of a commit, but this is no Git repository"))?;
    let folder = git.read_folder(commit, path)?;
    Ok(folder.files.into_iter().map(|file| ChartFile { path: file.path, bytes: file.bytes.into() }).collect())
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
