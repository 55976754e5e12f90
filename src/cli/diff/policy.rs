//! What an environment's documents say about deletions, read from the side that is compared: the working tree or a commit.

use std::sync::Arc;

use crate::diff::guard::Policy;
use crate::error::Source;
use crate::release::parse_environment;
use crate::repo::{CommitId, Git, RELEASES_FOLDER, Repository};
use crate::yaml;

/// Where the documents of the newer side are.
pub enum Documents<'a> {
    /// In the working tree.
    Worktree(&'a Repository),
    /// In a commit; the text is the repository's folder below Git's, with `/` at its end.
    Commit(&'a Git, CommitId, String),
    /// Nowhere: manifests alone are compared.
    None,
}

impl Documents<'_> {
    /// The policy of an environment; the defaults where it says nothing that can be read.
    pub fn policy(&self, environment: &str) -> Policy {
        let sources = match self {
            Documents::Worktree(repository) => repository.read_release_files(environment).sources,
            Documents::Commit(git, commit, prefix) => {
                let folder = git.read_folder(commit, &format!("{prefix}{RELEASES_FOLDER}/{environment}"));
                let files = folder.map(|folder| folder.files).unwrap_or_default();
                let is_document = |path: &str| path.ends_with(".yaml") || path.ends_with(".yml");
                let read = |path: &str, bytes: &[u8]| -> Option<Arc<Source>> {
                    yaml::decode(bytes, &format!("{RELEASES_FOLDER}/{environment}/{path}")).ok()
                };
                files.iter().filter(|f| is_document(&f.path)).filter_map(|f| read(&f.path, &f.bytes)).collect()
            }
            Documents::None => Vec::new(),
        };
        let docs = parse_environment(environment, &sources);
        Policy {
            budget: docs.environment.map(|environment| environment.prune_budget).unwrap_or_default(),
            removals: docs.removals,
        }
    }
}
