//! The repository's documents → jobs: which folders are to be made, from which charts, values and versions.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use rayon::prelude::*;

use crate::engine::{Capabilities, KubeVersion};
use crate::error::Diagnostic;
use crate::manifest::{self, Scope, Scopes};
use crate::release::{self, Environment, EnvironmentDocs, Release, ReleaseValues};
use crate::rendered::{self, Folder, RENDERED_FOLDER};
use crate::repo::{Lock, RELEASES_FOLDER, Repository, Selector};

use super::resolve::Resolver;
use super::{Charts, Content, Context, Job, ReleaseContent};

/// What to plan.
#[derive(Debug, Default)]
pub struct PlanOptions {
    /// `ENV[/RELEASE]` with globs; everything if empty.
    pub selectors: Vec<String>,
    /// Whether refs are resolved anew.
    pub update_refs: bool,
}

/// All that a run is to do.
#[derive(Debug)]
pub struct Plan {
    /// The repository.
    pub repository: Arc<Repository>,
    /// The environments that the selectors name, by name.
    pub environments: Vec<EnvironmentPlan>,
    /// Findings about the repository as a whole.
    pub warnings: Vec<Diagnostic>,
    lock_read: Lock,
    lock: Lock,
}

/// What is to be done in one environment.
#[derive(Debug)]
pub struct EnvironmentPlan {
    /// Its name.
    pub name: String,
    /// The folders to make.
    pub jobs: Vec<Job>,
    /// Releases that cannot be rendered, with the reasons.
    pub refused: Vec<(String, Vec<Diagnostic>)>,
    /// Releases that kcfg.yaml says to skip, with the reasons.
    pub skipped: Vec<(String, String)>,
    /// Documents that could not be read, and what else concerns the environment as a whole.
    pub findings: Vec<Diagnostic>,
    /// The releases that are selected, by name; those whose chart is not here are among them.
    pub releases: Vec<Release>,
    /// The Environment document, if there is one.
    pub environment: Option<Environment>,
    /// What the environment's cluster offers; none where its version cannot be read.
    pub capabilities: Option<Arc<Capabilities>>,
    /// Whether all of it is selected and every document could be read, so that what nobody owns may be removed.
    pub is_whole: bool,
    /// The folders that some document owns, selected or not.
    owned: BTreeSet<String>,
    /// What the Environment says of custom kinds.
    scopes: Scopes,
}

/// Something in rendered/<env>/ that no document gives.
#[derive(Debug)]
pub enum Orphan {
    /// A folder that kcfg wrote.
    Ours(Box<Folder>),
    /// A file or folder that it did not write, as shown to the user.
    Stranger(String),
}

impl Plan {
    /// Reads the repository that holds `dir` and works out what the selectors ask for.
    ///
    /// # Errors
    /// There is no repository, its settings cannot be read, or a selector matches nothing. What is wrong with single
    /// documents and releases is in the plan.
    pub fn read(dir: &Path, options: &PlanOptions) -> Result<Plan, Vec<Diagnostic>> {
        let repository = Repository::discover(dir).map_err(|error| vec![error])?;
        Plan::of(Arc::new(repository), options)
    }

    /// Works out what the selectors ask for in a repository.
    ///
    /// # Errors
    /// As for [`Plan::read`].
    pub fn of(repository: Arc<Repository>, options: &PlanOptions) -> Result<Plan, Vec<Diagnostic>> {
        let single = |error| vec![error];
        rendered::is_folder(&repository.root.join(RENDERED_FOLDER), RENDERED_FOLDER).map_err(single)?;
        let mut found = repository.environments().map_err(single)?;
        for name in rendered_environments(&repository.root.join(RENDERED_FOLDER)) {
            if !found.names.contains(&name) {
                found.names.push(name);
            }
        }
        found.names.sort_unstable();
        let selectors: Vec<Selector> =
            options.selectors.iter().map(|text| text.parse().map_err(single)).collect::<Result<_, _>>()?;
        let docs: Vec<EnvironmentDocs> =
            found.names.par_iter().map(|name| read_environment(&repository, name)).collect();
        for selector in &selectors {
            let folders = || docs.iter().flat_map(|docs| folders(docs).map(|folder| (docs.name.as_str(), folder)));
            let matches = if selector.is_whole_environments() {
                found.names.iter().any(|name| selector.matches_environment(name))
            } else {
                folders().any(|(environment, folder)| selector.matches_release(environment, folder))
            };
            if !matches {
                let known = folders().map(|(_, folder)| folder);
                return Err(vec![selector.matches_nothing(found.names.iter().map(String::as_str), known)]);
            }
        }
        let mut warnings = found.warnings;
        let mut resolver = Resolver::new(&repository, &docs, options.update_refs, &mut warnings).map_err(single)?;
        let wanted = |name: &str| selectors.is_empty() || selectors.iter().any(|s| s.matches_environment(name));
        let environments = docs
            .into_iter()
            .filter(|docs| wanted(&docs.name))
            .map(|docs| environment_plan(&repository, &mut resolver, docs, &selectors))
            .collect();
        let (lock_read, lock) = resolver.finish(selectors.is_empty());
        Ok(Plan { repository, environments, warnings, lock_read, lock })
    }

    /// How many folders are to be made.
    pub fn job_count(&self) -> usize {
        self.environments.iter().map(|environment| environment.jobs.len()).sum()
    }

    /// Whether kcfg.lock says something else than the releases need.
    pub fn is_lock_stale(&self) -> bool {
        self.lock_read != self.lock
    }

    /// Writes kcfg.lock where it has to change.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write_lock(&self) -> Result<bool, Diagnostic> {
        self.lock.write(&self.repository.root)
    }

    /// What the jobs of this plan share.
    pub fn context(&self, use_cache: bool) -> Context {
        Context {
            charts: Charts::new(self.repository.clone()),
            rendered: self.repository.root.join(RENDERED_FOLDER),
            use_cache,
            done: Arc::default(),
        }
    }
}

impl EnvironmentPlan {
    /// The scopes that are known before anything is rendered: what the Environment says, and what the
    /// CustomResourceDefinitions of the folders teach that no job makes.
    pub fn known_scopes(&self, rendered: &Path) -> Scopes {
        let mut scopes = Scopes::default();
        let jobs: BTreeSet<&str> = self.jobs.iter().map(|job| job.folder.as_str()).collect();
        for folder in self.owned.iter().filter(|folder| !jobs.contains(folder.as_str())) {
            let shown = format!("{RENDERED_FOLDER}/{}/{folder}", self.name);
            if let Ok(Some(folder)) = Folder::read(&rendered.join(&self.name).join(folder), &shown) {
                scopes.extend(&folder.scopes());
            }
        }
        scopes.extend(&self.scopes);
        scopes
    }

    /// The release document of a folder; none for the folder of raw manifests.
    pub fn release(&self, folder: &str) -> Option<&Release> {
        let found = self.releases.binary_search_by(|release| release.name.as_str().cmp(folder)).ok()?;
        Some(&self.releases[found])
    }

    /// What stands in rendered/<env>/ and belongs to no document, by name.
    ///
    /// # Errors
    /// The folder cannot be listed.
    pub fn orphans(&self, rendered: &Path) -> Result<Vec<Orphan>, Diagnostic> {
        let mut orphans = Vec::new();
        for (name, is_folder) in rendered::list(&rendered.join(&self.name), &self.shown())? {
            if self.owned.contains(&name) && is_folder {
                continue;
            }
            let shown = format!("{}/{name}", self.shown());
            let path = rendered.join(&self.name).join(&name);
            match if is_folder { Folder::read(&path, &shown)? } else { None } {
                Some(folder) if folder.has_ours() => orphans.push(Orphan::Ours(Box::new(folder))),
                _ => orphans.push(Orphan::Stranger(shown)),
            }
        }
        Ok(orphans)
    }

    fn shown(&self) -> String {
        format!("{RENDERED_FOLDER}/{}", self.name)
    }
}

fn read_environment(repository: &Repository, name: &str) -> EnvironmentDocs {
    if !repository.root.join(RELEASES_FOLDER).join(name).exists() {
        return EnvironmentDocs { name: name.to_owned(), ..EnvironmentDocs::default() };
    }
    let files = repository.read_release_files(name);
    let mut docs = release::parse_environment(name, &files.sources);
    docs.errors.extend(files.errors);
    docs
}

/// Every folder that a document of the environment owns.
fn folders(docs: &EnvironmentDocs) -> impl Iterator<Item = &str> {
    let releases = docs.releases.iter().map(|release| release.name.as_str());
    let raw = docs.raw.iter().map(|raw| raw.folder.as_str());
    releases.chain(raw).chain(docs.refused.iter().map(|refused| refused.folder.as_str()))
}

/// The environments that rendered/ holds; those that releases/ no longer has are to be removed from it.
fn rendered_environments(rendered: &Path) -> Vec<String> {
    let entries = rendered::list(rendered, RENDERED_FOLDER).unwrap_or_default();
    entries.into_iter().filter(|(name, is_folder)| *is_folder && !name.starts_with('.')).map(|(name, _)| name).collect()
}

pub(super) fn environment_plan(
    repository: &Repository,
    resolver: &mut Resolver<'_>,
    mut docs: EnvironmentDocs,
    selectors: &[Selector],
) -> EnvironmentPlan {
    let environment_name = docs.name.clone();
    let selected =
        |folder: &str| selectors.is_empty() || selectors.iter().any(|s| s.matches_release(&environment_name, folder));
    let is_whole = docs.is_complete()
        && (selectors.is_empty()
            || selectors.iter().any(|s| s.is_whole_environments() && s.matches_environment(&docs.name)));
    let mut plan = EnvironmentPlan {
        name: docs.name.clone(),
        jobs: Vec::new(),
        refused: Vec::new(),
        skipped: Vec::new(),
        findings: Vec::new(),
        releases: Vec::new(),
        environment: None,
        capabilities: None,
        is_whole,
        owned: folders(&docs).map(str::to_owned).collect(),
        scopes: Scopes::default(),
    };
    let environment = docs.environment.as_ref();
    for (key, scope) in environment.iter().flat_map(|environment| &environment.scopes) {
        let (group, kind) = key.split_once('/').unwrap_or(("", key));
        let scope = match scope {
            release::Scope::Namespaced => Scope::Namespaced,
            release::Scope::Cluster => Scope::Cluster,
        };
        plan.scopes.insert(if group == "core" { "" } else { group }, kind, scope);
    }
    let capabilities = match capabilities(repository, environment) {
        Ok(capabilities) => Some(Arc::new(capabilities)),
        Err(error) => {
            plan.findings.push(error);
            None
        }
    };
    for release in docs.releases.iter().filter(|release| selected(release.name.as_str())) {
        let name = release.name.to_string();
        if let Some(skip) = repository.settings.skip_of(&docs.name, &name) {
            plan.skipped.push((name, skip.reason.clone()));
            continue;
        }
        // What is wrong with the Environment is reported once, not for each of its releases.
        let Some(capabilities) = capabilities.as_ref().filter(|_| !docs.is_blocked) else {
            plan.refused.push((name, Vec::new()));
            continue;
        };
        match release_content(resolver, &docs, release, capabilities) {
            Ok(content) => plan.jobs.push(Job {
                environment: docs.name.clone(),
                folder: name,
                namespace: release.namespace.to_string(),
                source: release.source.name.clone(),
                content: Content::Release(Box::new(content)),
            }),
            Err(error) => plan.refused.push((name, vec![*error])),
        }
    }
    for raw in std::mem::take(&mut docs.raw).into_iter().filter(|raw| selected(&raw.folder)) {
        if let Some(skip) = repository.settings.skip_of(&docs.name, &raw.folder) {
            plan.skipped.push((raw.folder, skip.reason.clone()));
            continue;
        }
        plan.jobs.push(Job {
            environment: docs.name.clone(),
            folder: raw.folder.clone(),
            namespace: manifest::DEFAULT_NAMESPACE.to_owned(),
            source: raw.source.name.clone(),
            content: Content::Raw(raw),
        });
    }
    for refused in docs.refused.iter().filter(|refused| selected(&refused.folder)) {
        match repository.settings.skip_of(&docs.name, &refused.folder) {
            Some(skip) => plan.skipped.push((refused.folder.clone(), skip.reason.clone())),
            None => plan.refused.push((refused.folder.clone(), refused.errors.clone())),
        }
    }
    plan.jobs.sort_by(|a, b| a.folder.cmp(&b.folder));
    plan.releases = docs.releases.into_iter().filter(|release| selected(release.name.as_str())).collect();
    plan.environment = docs.environment;
    plan.capabilities = capabilities;
    plan.findings.extend(docs.errors);
    plan.findings.extend(docs.warnings);
    let folder = repository.root.join(RENDERED_FOLDER).join(&plan.name);
    if let Err(error) = rendered::is_folder(&folder, &plan.shown()) {
        // Said once, not for each release.
        plan.findings.push(error);
        plan.is_whole = false;
        plan.owned.clear();
        plan.refused.extend(plan.jobs.drain(..).map(|job| (job.folder, Vec::new())));
    }
    plan
}

fn release_content(
    resolver: &mut Resolver<'_>,
    docs: &EnvironmentDocs,
    release: &Release,
    capabilities: &Arc<Capabilities>,
) -> Result<ReleaseContent, Box<Diagnostic>> {
    let chart = resolver.chart(docs, release)?;
    if let Some(file) = release.chart_values_files.first() {
        return Err(Box::new(
            Diagnostic::error("valuesFiles of a chart are not supported")
                .at(&file.place.source, file.place.span)
                .help("put these values into the release's own, or into the chart's values.yaml"),
        ));
    }
    let shared = docs.environment.iter().filter_map(|environment| environment.values.clone());
    let values = shared.map(ReleaseValues::Inline).chain(release.values.iter().cloned()).collect();
    Ok(ReleaseContent {
        name: release.release_name.to_string(),
        chart,
        values,
        capabilities: capabilities.clone(),
        skip_crds: release.skip_crds,
    })
}

/// The Kubernetes version and API versions of an environment: its own, else kcfg.yaml's, else the default.
fn capabilities(
    repository: &Repository,
    environment: Option<&release::Environment>,
) -> Result<Capabilities, Diagnostic> {
    let settings = &repository.settings;
    let own = environment.and_then(|e| Some((e.kube_version.as_ref()?, &e.place.source)));
    let shared = settings.kube_version.as_ref().zip(settings.source.as_ref());
    let version = match own.or(shared) {
        None => KubeVersion::default(),
        Some((text, source)) => KubeVersion::parse(text.as_str()).map_err(|message| {
            Diagnostic::error(message).at(source, text.span).help("a Kubernetes version has the form 1.33.0")
        })?,
    };
    let own = environment.iter().flat_map(|environment| &environment.api_versions);
    let more: Vec<String> = settings.api_versions.iter().chain(own).map(|text| text.as_str().to_owned()).collect();
    Ok(Capabilities::new(version, &more))
}
