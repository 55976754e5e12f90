//! Which folder, of the working tree or of a commit, a release's chart is.

use std::path::PathBuf;

use crate::error::Diagnostic;
use crate::release::{ChartRef, EnvironmentDocs, PathChart, Release};
use crate::repo::{ChartOrigin, ChartRequest, CommitId, Identity, Lock, Refs, Repository};
use crate::yaml::fields::Text;

/// Where a chart is read from.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ChartSource {
    /// As shown to the user: `charts/web`, `charts/web@staging`.
    pub location: String,
    /// Where its files are.
    pub files: ChartPlace,
}

/// Where a chart's files are.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ChartPlace {
    /// In this folder of the working tree.
    WorkingTree(PathBuf),
    /// In this folder of this commit.
    Commit(CommitId, String),
}

/// Resolves the charts of releases, against kcfg.lock and into it.
pub struct Resolver<'r> {
    refs: Refs<'r>,
    read: Lock,
    /// The commit that stands for the working tree, and the repository's folder in it; none for the working tree itself.
    commit: Option<(CommitId, String)>,
}

impl<'r> Resolver<'r> {
    /// Starts from kcfg.lock; `docs` are the documents of all environments, for they tell which URL is this repository.
    ///
    /// # Errors
    /// Git or kcfg.lock cannot be read.
    pub fn new(
        repository: &'r Repository,
        docs: &[EnvironmentDocs],
        is_updating: bool,
        warnings: &mut Vec<Diagnostic>,
    ) -> Result<Resolver<'r>, Diagnostic> {
        let named = docs.iter().flat_map(|docs| &docs.releases).filter_map(|release| match &release.chart {
            ChartRef::Path(PathChart { git: Some(git), path, .. }) => Some((git.as_str(), path.as_str())),
            _ => None,
        });
        let identity = Identity::find(repository, named);
        let (read, warning) = Lock::read(&repository.root)?;
        warnings.extend(warning);
        let refs = Refs::new(repository, identity, read.clone(), is_updating);
        warnings.extend(refs.note().cloned());
        Ok(Resolver { refs, read, commit: None })
    }

    /// The same for a commit that stands for the working tree, whose kcfg.lock is given; `prefix` is the repository's
    /// folder in the commit.
    pub fn of_commit(
        repository: &'r Repository,
        docs: &EnvironmentDocs,
        lock: Lock,
        commit: &CommitId,
        prefix: &str,
    ) -> Resolver<'r> {
        let named = docs.releases.iter().filter_map(|release| match &release.chart {
            ChartRef::Path(PathChart { git: Some(git), path, .. }) => Some((git.as_str(), path.as_str())),
            _ => None,
        });
        let identity = Identity::find(repository, named);
        let refs = Refs::new(repository, identity, lock.clone(), false);
        Resolver { refs, read: lock, commit: Some((commit.clone(), prefix.to_owned())) }
    }

    /// The chart of a release.
    ///
    /// # Errors
    /// It is not in this repository, or its ref stands for no commit that is here.
    pub fn chart(&mut self, docs: &EnvironmentDocs, release: &Release) -> Result<ChartSource, Box<Diagnostic>> {
        let chart = match &release.chart {
            ChartRef::Remote(_) => return Err(Box::new(release.chart_is_elsewhere(&docs.name, ""))),
            ChartRef::Path(chart) => chart,
        };
        let environment_branch = docs.environment.as_ref().and_then(|environment| environment.branch.as_ref());
        let request = ChartRequest {
            path: chart.path.as_str(),
            git: chart.git.as_ref().map(Text::as_str),
            reference: chart.reference.as_ref().map(Text::as_str),
            environment_branch: environment_branch.map(Text::as_str),
        };
        let place = chart.reference_place.as_ref().unwrap_or(&chart.place);
        let origin = self.refs.resolve(&request).map_err(|error| Box::new(error.at(&place.source, place.span)))?;
        match (origin, &self.commit) {
            (ChartOrigin::WorkingTree { .. } | ChartOrigin::Missing(_), Some((commit, prefix))) => {
                let path = format!("{prefix}{}", request.path);
                Ok(ChartSource { location: request.path.to_owned(), files: ChartPlace::Commit(commit.clone(), path) })
            }
            (ChartOrigin::WorkingTree { folder, location }, None) => {
                Ok(ChartSource { location, files: ChartPlace::WorkingTree(folder) })
            }
            (ChartOrigin::Commit { commit, path, location }, _) => {
                Ok(ChartSource { location, files: ChartPlace::Commit(commit, path) })
            }
            (ChartOrigin::Missing(error), None) => Err(Box::new(error.at(&chart.place.source, chart.place.span))),
            (ChartOrigin::Elsewhere(url), _) => Err(Box::new(release.chart_is_elsewhere(&docs.name, &url.to_string()))),
        }
    }

    /// kcfg.lock as it was read and as it should be. With `is_whole` every release of every environment was resolved,
    /// so refs that nobody uses any more go.
    pub fn finish(self, is_whole: bool) -> (Lock, Lock) {
        (self.read, self.refs.into_lock(is_whole))
    }
}
