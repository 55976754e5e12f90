//! A folder or a commit → the releases whose files match their kcfg.sum, and what the documents of the environment say.
//! No file of a release that does not match is ever used; objects are read again, and compared again, when applied.

use std::collections::BTreeSet;
use std::sync::Arc;

use rayon::prelude::*;

use crate::error::{Diagnostic, Source as Text};
use crate::manifest::HookRules;
use crate::pipeline;
use crate::plan::hooks::Hook;
use crate::plan::{Desired, DesiredObject, DesiredRelease, ShortHash};
use crate::release::{self, Environment, EnvironmentDocs};
use crate::rendered::{
    FileAt, Problem, RENDERED_FOLDER, ReleaseFolder, SUM_FILE, Snapshot, Sum, VerifiedFolder, hex_sha256,
};
use crate::repo::{CommitId, EntryType, Git, Repository, Selector, Settings};
use crate::yaml::{self, Node, ReadOptions};

use super::Source;
use super::parent;

/// The folder of release documents.
const RELEASES_FOLDER: &str = crate::repo::RELEASES_FOLDER;
/// How deep folders of documents may nest in a commit.
const DOCUMENT_DEPTH_MAX: usize = 64;

/// One environment of the tree, verified.
#[derive(Debug)]
pub struct Tree {
    /// What it wants.
    pub desired: Desired,
    /// The Environment document.
    pub environment: Option<Environment>,
    /// What is wrong with single releases and documents.
    pub findings: Vec<(Option<String>, Diagnostic)>,
    source: Source,
    files: Vec<Vec<FileAt>>,
    sums: Vec<Sum>,
}

impl Tree {
    /// Reads and verifies an environment.
    ///
    /// # Errors
    /// There is no such environment, or its folders cannot be listed.
    pub fn read(source: &Source, environment: &str) -> Result<Tree, Vec<Diagnostic>> {
        let selector: Selector = environment.parse().map_err(|error| vec![error])?;
        let (git, snapshot) = match source {
            Source::Folder(repository) => {
                let path = repository.root.join(RENDERED_FOLDER).join(environment);
                (None, Snapshot::disk_environment(&path, environment))
            }
            Source::Commit { git, commit, prefix } => {
                let snapshot = Snapshot::commit(git, commit, prefix, std::slice::from_ref(&selector));
                (Some(git.as_ref()), snapshot)
            }
        };
        let snapshot = snapshot.map_err(|error| vec![error])?;
        let (mut docs, settings) = documents(source, environment).map_err(|error| vec![error])?;
        let mut tree = Tree {
            desired: Desired { environment: environment.to_owned(), ..Desired::default() },
            environment: docs.environment.clone(),
            findings: docs.errors.iter().map(|error| (None, error.clone())).collect(),
            source: source.clone(),
            files: Vec::new(),
            sums: Vec::new(),
        };
        tree.desired.is_complete = docs.is_complete() && !docs.is_blocked;
        tree.desired.documented = folders(&docs);
        tree.desired.budget = docs.environment.as_ref().map(|document| document.prune_budget).unwrap_or_default();
        tree.desired.removals = std::mem::take(&mut docs.removals);
        for refused in &docs.refused {
            tree.desired.refused.insert(refused.folder.clone());
            let release = Some(refused.folder.clone());
            tree.findings.extend(refused.errors.iter().map(|error| (release.clone(), error.clone())));
        }
        let releases: Vec<(String, ReleaseFolder)> =
            snapshot.releases.into_iter().map(|((_, release), folder)| (release, folder)).collect();
        if releases.is_empty() && tree.desired.documented.is_empty() {
            return Err(vec![
                Diagnostic::error(format!("there is no environment {environment}: no {RENDERED_FOLDER}/{environment}"))
                    .help("`kcfg render` writes it; the folders below releases/ are the environments"),
            ]);
        }
        let verified: Vec<_> = releases
            .into_par_iter()
            .map(|(name, folder)| {
                let shown = format!("{RENDERED_FOLDER}/{environment}/{name}");
                let found = folder.verify(git, &shown);
                (name, shown, found)
            })
            .collect();
        for (name, shown, found) in verified {
            tree.add(environment, &name, &shown, found, git);
        }
        for name in tree.desired.documented.clone() {
            let is_there = tree.desired.releases.iter().any(|release| release.name == name);
            let is_skipped = settings.skip_of(environment, &name).is_some();
            if !is_there && !is_skipped && tree.desired.refused.insert(name.clone()) {
                let shown = format!("{RENDERED_FOLDER}/{environment}/{name}");
                let error = Diagnostic::error("this release was never rendered").at_file(shown).help(RENDER_HELP);
                tree.findings.push((Some(name), error));
            }
        }
        tree.find_stale(docs, settings);
        Ok(tree)
    }

    /// Takes a release's folder in, or refuses it by name.
    fn add(
        &mut self,
        environment: &str,
        name: &str,
        shown: &str,
        found: Result<VerifiedFolder, Diagnostic>,
        git: Option<&Git>,
    ) {
        let mut errors = Vec::new();
        match found {
            Err(error) => errors.push(error),
            Ok(found) => {
                errors.extend(found.problems.iter().map(|problem| problem_error(shown, problem)));
                if let Some(sum) = found.sum.filter(|_| errors.is_empty()) {
                    match release(environment, name, shown, &sum, &found.files, git) {
                        Ok(release) => {
                            self.desired.releases.push(release);
                            self.files.push(found.files);
                            self.sums.push(sum);
                            return;
                        }
                        Err(error) => errors.push(error),
                    }
                }
            }
        }
        self.desired.refused.insert(name.to_owned());
        self.findings.extend(errors.into_iter().map(|error| (Some(name.to_owned()), error)));
    }

    /// Marks the releases that were rendered from other sources than those beside the tree. What cannot be worked out is
    /// not stale.
    fn find_stale(&mut self, docs: EnvironmentDocs, settings: Settings) {
        let (repository, commit) = match &self.source {
            Source::Folder(repository) => (repository.clone(), None),
            Source::Commit { git, commit, prefix } => {
                (Arc::new(Repository::of_commits(git, settings)), Some((commit, prefix.as_str())))
            }
        };
        let Ok(inputs) = pipeline::inputs(&repository, commit, docs) else { return };
        for (release, sum) in self.desired.releases.iter_mut().zip(&self.sums) {
            release.is_stale = inputs.get(&release.name).is_some_and(|inputs| *inputs != sum.inputs);
        }
    }

    /// An object, read; its file is compared with the sum once more.
    ///
    /// # Errors
    /// The file is gone, was altered since, or holds no object.
    pub fn object(&self, release: usize, object: usize) -> Result<Node, Diagnostic> {
        let git = match &self.source {
            Source::Folder(_) => None,
            Source::Commit { git, .. } => Some(git.as_ref()),
        };
        let line = &self.sums[release].files[object];
        let shown = format!("{RENDERED_FOLDER}/{}/{}", self.sums[release].release, line.name);
        let bytes = self.files[release][object].place.bytes(git, &shown)?;
        if hex_sha256(&bytes) != line.hash {
            let error =
                Diagnostic::error(format!("this file was altered while it was applied: {SUM_FILE} has another"));
            return Err(error.at_file(shown).help(RENDER_HELP));
        }
        parse(&bytes, &shown)
    }

    /// The commit that it is of; none for a folder.
    pub fn commit(&self) -> Option<&CommitId> {
        match &self.source {
            Source::Folder(_) => None,
            Source::Commit { commit, .. } => Some(commit),
        }
    }

    /// The file of an object, as people know it.
    pub fn file(&self, release: usize, object: usize) -> String {
        let sum = &self.sums[release];
        format!("{RENDERED_FOLDER}/{}/{}", sum.release, sum.files[object].name)
    }

    /// The sum of a release.
    pub fn sum(&self, release: usize) -> &Sum {
        &self.sums[release]
    }
}

const RENDER_HELP: &str = "render again and commit what it writes: `kcfg render`, and see `kcfg check`";

fn release(
    environment: &str,
    name: &str,
    shown: &str,
    sum: &Sum,
    files: &[FileAt],
    git: Option<&Git>,
) -> Result<DesiredRelease, Diagnostic> {
    let expected = format!("{environment}/{name}");
    if sum.release != expected {
        let what = format!("this {SUM_FILE} is that of {}, not of {expected}: the folder was renamed", sum.release);
        return Err(Diagnostic::error(what).at_file(format!("{shown}/{SUM_FILE}")).help(RENDER_HELP));
    }
    let mut objects = Vec::with_capacity(sum.files.len());
    let mut hooks = Vec::new();
    for (line, file) in sum.files.iter().zip(files) {
        let at = || format!("{shown}/{}", line.name);
        let id = line.id.parse().map_err(|why: String| Diagnostic::error(why).at_file(at()))?;
        let rules = match file.mentions_hook {
            true => HookRules::of(&parse(&file.place.bytes(git, &at())?, &at())?),
            false => None,
        };
        let is_hook = rules.is_some();
        hooks.extend(rules.map(|rules| Hook { object: objects.len(), rules }));
        objects.push(DesiredObject { id, content: ShortHash::from_hex(&line.hash), is_hook });
    }
    let set = parent::set_id(&parent::parent_name(environment, name));
    Ok(DesiredRelease { name: name.to_owned(), digest: sum.digest(), set, objects, hooks, is_stale: false })
}

fn parse(bytes: &[u8], shown: &str) -> Result<Node, Diagnostic> {
    let text = yaml::decode(bytes, shown)?;
    Ok(yaml::read(&text, &ReadOptions::default())?.node)
}

fn problem_error(shown: &str, problem: &Problem) -> Diagnostic {
    let (file, what) = match problem {
        Problem::NotRendered => (SUM_FILE, "missing: nothing tells what belongs into this folder".to_owned()),
        Problem::BadSum(why) => (SUM_FILE, format!("cannot be read: {why}")),
        Problem::Missing(name) => (name.as_str(), format!("missing, but {SUM_FILE} lists it")),
        Problem::Extra(name, _) => (name.as_str(), format!("not in {SUM_FILE}, or no regular file")),
        Problem::Altered(name) => (name.as_str(), format!("was altered: it is not what {SUM_FILE} lists")),
        Problem::Stale => (SUM_FILE, "was rendered from other sources".to_owned()),
    };
    Diagnostic::error(what).at_file(format!("{shown}/{file}")).help(RENDER_HELP)
}

/// The folders of the tree that documents stand for.
fn folders(docs: &EnvironmentDocs) -> BTreeSet<String> {
    let releases = docs.releases.iter().map(|release| release.name.as_str().to_owned());
    let raw = docs.raw.iter().map(|raw| raw.folder.clone());
    let refused = docs.refused.iter().map(|refused| refused.folder.clone());
    releases.chain(raw).chain(refused).collect()
}

/// The environment's documents, and kcfg.yaml.
fn documents(source: &Source, environment: &str) -> Result<(EnvironmentDocs, Settings), Diagnostic> {
    let ((texts, errors), settings) = match source {
        Source::Folder(repository) => {
            let found = repository.read_release_files(environment);
            ((found.sources, found.errors), repository.settings.clone())
        }
        Source::Commit { git, commit, prefix } => {
            let settings = Settings::of_commit(git, commit, prefix)?;
            let mut found = (Vec::new(), Vec::new());
            let path = format!("{prefix}{RELEASES_FOLDER}/{environment}");
            let entries = git.folder_entries(commit, &path)?.unwrap_or_default();
            let shown = format!("{RELEASES_FOLDER}/{environment}");
            commit_documents(git, &settings, entries, &shown, 0, &mut found);
            (found, settings)
        }
    };
    let mut docs = release::parse_environment(environment, &texts);
    docs.errors.splice(0..0, errors);
    Ok((docs, settings))
}

fn commit_documents(
    git: &Git,
    settings: &Settings,
    entries: Vec<crate::repo::TreeEntry>,
    shown: &str,
    depth: usize,
    found: &mut (Vec<Arc<Text>>, Vec<Diagnostic>),
) {
    for entry in entries {
        let path = format!("{shown}/{}", entry.name);
        let is_yaml = [".yaml", ".yml"].iter().any(|end| entry.name.ends_with(end));
        if entry.name.starts_with('.') || settings.is_ignored(&path) {
            continue;
        }
        let read = match entry.kind {
            EntryType::Folder if depth >= DOCUMENT_DEPTH_MAX => {
                let error = format!("folders nest more than {DOCUMENT_DEPTH_MAX} deep here (DOCUMENT_DEPTH_MAX)");
                Err(Diagnostic::error(error).at_file(&path))
            }
            EntryType::Folder => git
                .entries(entry.id, &path)
                .map(|entries| commit_documents(git, settings, entries, &path, depth + 1, found)),
            EntryType::File if is_yaml => {
                git.blob(entry.id, &path).and_then(|bytes| yaml::decode(&bytes, &path)).map(|text| found.0.push(text))
            }
            EntryType::Other if is_yaml => {
                let error = Diagnostic::error("this is a symbolic link, which the applier does not follow");
                Err(error.at_file(&path).help("put the file itself in its place"))
            }
            _ => Ok(()),
        };
        if let Err(error) = read {
            found.1.push(error);
        }
    }
}
