//! Releases → trees in memory: the stages put together, in parallel, with the cache. `render` writes what comes out,
//! `check` compares it.
//!
//! Every release goes through the same steps: its inputs are hashed and compared with its `kcfg.sum`; if they differ
//! (or the cache is not wanted), its chart is compiled (once for all releases of the chart), its values merged, its
//! templates expanded, the text made into objects, the objects into files. Only a release that has custom objects
//! waits for the others: whether these live in a namespace is known when all CustomResourceDefinitions are.

mod charts;
mod determinism;
mod fresh;
mod inputs;
mod job;
mod plan;
mod resolve;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::prelude::*;

use crate::engine::{Randomness, RenderInput};
use crate::error::Diagnostic;
use crate::manifest::{self, Manifest, Object, ObjectId, ObjectRules, Scope, Scopes, group_of};
use crate::rendered::{Folder, Problem, Tree};
use crate::values::{self, PreparedChart};
use crate::yaml::{self, Node, ReadOptions};

use determinism::{Records, Renders};

pub use charts::Charts;
pub use fresh::{Fresh, fresh};
pub use inputs::inputs;
pub use job::{Content, Job, ReleaseContent};
pub use plan::{EnvironmentPlan, Orphan, Plan, PlanOptions};
pub use resolve::{ChartPlace, ChartSource};

/// What rendered files depend on beside the inputs: the renderer itself. It goes up whenever a golden output changes
/// (a test sees to it), so that trees rendered by an older kcfg are rendered anew.
pub const RENDERER_VERSION: u32 = 1;

/// How a job ended, as it is handed to the caller's sink.
#[derive(Debug)]
pub enum Finished {
    /// The inputs and the files match the sum: nothing was rendered.
    Unchanged(Box<Folder>),
    /// Rendered; what stood there before, if anything.
    Rendered {
        /// What should stand there.
        tree: Box<Tree>,
        /// What stands there.
        folder: Option<Box<Folder>>,
        /// Findings that refuse nothing.
        warnings: Vec<Diagnostic>,
        /// The objects that the tree's files hold, in Helm's order.
        objects: Vec<Object>,
    },
    /// Refused: nothing may be written.
    Refused(Vec<Diagnostic>),
}

/// What all jobs share.
#[derive(Debug)]
pub struct Context {
    /// The charts, each loaded and compiled once.
    pub charts: Charts,
    /// rendered/ of the repository.
    pub rendered: PathBuf,
    /// Whether the cache may be used.
    pub use_cache: bool,
    /// How many jobs are done, for a progress bar.
    pub done: Arc<AtomicUsize>,
}

/// Documents that wait for the scopes of custom kinds.
struct Pending {
    manifests: Vec<Manifest>,
    /// Further renders, where something random shows in the documents.
    renders: Option<Box<Renders<Vec<Manifest>>>>,
    inputs: String,
    chart: String,
    folder: Option<Box<Folder>>,
    warnings: Vec<Diagnostic>,
}

enum First<R> {
    Done(R, Scopes),
    Cached(Box<Folder>, Scopes),
    Pending(Box<Pending>, Scopes),
}

/// Runs all jobs of one environment in parallel and hands each result to `sink`; gives what it returned, in the order
/// of the jobs. `known` are the scopes that are known beforehand: from the Environment, and from the
/// CustomResourceDefinitions of releases that are not among the jobs.
pub fn run<R: Send>(
    context: &Context,
    jobs: &[Job],
    known: &Scopes,
    sink: impl Fn(&Job, Finished) -> R + Sync,
) -> Vec<R> {
    let first: Vec<First<R>> = jobs
        .par_iter()
        .map(|job| {
            let first = first(context, job, known, &sink);
            if matches!(first, First::Done(..)) {
                context.done.fetch_add(1, Ordering::Relaxed);
            }
            first
        })
        .collect();
    let mut scopes = known.clone();
    for first in &first {
        let (First::Done(_, learnt) | First::Cached(_, learnt) | First::Pending(_, learnt)) = first;
        scopes.extend(learnt);
    }
    jobs.par_iter()
        .zip(first)
        .map(|(job, first)| {
            let finished = match first {
                First::Done(result, _) => return result,
                First::Cached(folder, _) if scopes_match(&folder, &scopes) => Finished::Unchanged(folder),
                First::Cached(folder, _) => match documents(context, job) {
                    Ok(mut pending) => {
                        pending.folder = Some(folder);
                        finish(job, pending, &scopes)
                    }
                    Err(errors) => Finished::Refused(errors),
                },
                First::Pending(pending, _) => finish(job, *pending, &scopes),
            };
            context.done.fetch_add(1, Ordering::Relaxed);
            sink(job, finished)
        })
        .collect()
}

fn first<R>(context: &Context, job: &Job, known: &Scopes, sink: impl Fn(&Job, Finished) -> R) -> First<R> {
    let refused = |errors| First::Done(sink(job, Finished::Refused(errors)), Scopes::default());
    let folder = match Folder::read(&job.path(&context.rendered), &job.shown_folder()) {
        Ok(Some(folder)) if context.use_cache && is_current(context, job, &folder) => {
            let learnt = folder.scopes();
            return First::Cached(Box::new(folder), learnt);
        }
        Ok(folder) => folder.map(Box::new),
        Err(error) => return refused(vec![error]),
    };
    let mut pending = match documents(context, job) {
        Ok(pending) => pending,
        Err(errors) => return refused(errors),
    };
    pending.folder = folder;
    let mut learnt = Scopes::default();
    pending.manifests.iter().for_each(|manifest| learnt.learn(&manifest.node));
    if pending.manifests.iter().any(|manifest| needs_scopes(&manifest.node)) {
        return First::Pending(Box::new(pending), learnt);
    }
    First::Done(sink(job, finish(job, pending, known)), learnt)
}

/// Whether a folder holds exactly what the job's inputs gave when it was rendered; strangers do not count.
fn is_current(context: &Context, job: &Job, folder: &Folder) -> bool {
    let Some(sum) = &folder.sum else { return false };
    folder.verify().iter().all(|problem| matches!(problem, Problem::Extra(_, false)))
        && job.inputs(&context.charts).is_ok_and(|inputs| inputs == sum.inputs)
}

/// Whether a document may hold objects whose scope only a CustomResourceDefinition or the Environment can tell.
fn needs_scopes(node: &Node) -> bool {
    if let Some(items) = node.get("items").and_then(Node::as_seq) {
        return items.iter().any(needs_scopes);
    }
    node.get("apiVersion").and_then(Node::as_str).is_some_and(|version| !Scopes::is_built_in(group_of(version)))
}

/// Whether the ids of a rendered folder have namespaces just where the scopes say so.
fn scopes_match(folder: &Folder, scopes: &Scopes) -> bool {
    let ids = folder.sum.iter().flat_map(|sum| &sum.files).filter_map(|file| file.id.parse::<ObjectId>().ok());
    ids.filter(|id| !Scopes::is_built_in(&id.group)).all(|id| {
        let cluster = scopes.of(&format!("{}/v1", id.group), &id.kind) == Scope::Cluster;
        cluster == id.namespace.is_none()
    })
}

/// Everything up to the documents: chart, values, templates, text.
fn documents(context: &Context, job: &Job) -> Result<Pending, Vec<Diagnostic>> {
    let inputs = job.inputs(&context.charts)?;
    let mut pending = Pending {
        manifests: Vec::new(),
        renders: None,
        inputs,
        chart: String::new(),
        folder: None,
        warnings: Vec::new(),
    };
    let release = match &job.content {
        Content::Raw(file) => {
            let objects = file.objects().map_err(|error| vec![error])?;
            let manifest = |object| Manifest::raw(file.source.name.clone(), &file.source, object);
            pending.manifests = objects.into_iter().map(manifest).collect();
            return Ok(pending);
        }
        Content::Release(release) => release,
    };
    let chart = context.charts.compiled(&release.chart)?;
    pending.chart = chart.title(&release.chart);
    pending.warnings.extend(chart.warnings.iter().cloned());
    release.capabilities.check_chart(&chart.chart).map_err(|error| vec![error])?;
    let layers = release.layers(chart.chart.engine, &chart.files).map_err(|error| vec![error])?;
    let (prepared, warnings) = values::prepare(&chart.chart, layers)?;
    pending.warnings.extend(warnings);
    let render = |randomness: Randomness<'_>| {
        let input = RenderInput {
            release_name: &release.name,
            namespace: &job.namespace,
            environment: &job.environment,
            is_upgrade: false,
            prepared: &prepared,
            capabilities: &release.capabilities,
            randomness,
        };
        let output = chart.engine.render(&input)?;
        let used = output.used_randomness;
        let records = Records { texts: output.random_texts, calls: output.random_calls, checksums: output.checksums };
        let mut warnings = output.warnings;
        let mut sorted = manifest::sort(output.files)?;
        warnings.append(&mut sorted.warnings);
        let mut manifests = Vec::new();
        if !release.skip_crds {
            crds(&prepared.chart, &mut manifests)?;
        }
        manifests.append(&mut sorted.manifests);
        manifests.append(&mut sorted.hooks);
        Ok::<_, Vec<Diagnostic>>((manifests, warnings, used.then_some(records)))
    };
    let (manifests, warnings, used_randomness) = render(Randomness::Fixed(0))?;
    pending.manifests = manifests;
    pending.warnings.extend(warnings);
    let Some(records) = used_randomness else { return Ok(pending) };
    let (second, _, other_records) = render(Randomness::Fixed(1))?;
    if same(&pending.manifests, &second) {
        return Ok(pending);
    }
    let sites = determinism::candidates(&pending.manifests, &records);
    let pinned = match sites.as_slice() {
        [] => None,
        sites => Some([render(Randomness::Pinned(0, sites))?.0, render(Randomness::Pinned(1, sites))?.0]),
    };
    let records = [records, other_records.unwrap_or_default()];
    pending.renders = Some(Box::new(Renders { second, pinned, records }));
    Ok(pending)
}

/// Whether two renders gave the same documents.
fn same(a: &[Manifest], b: &[Manifest]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.node == b.node && a.path == b.path && a.hook == b.hook)
}

/// The documents of the crds/ folders of a chart and of its enabled subcharts.
fn crds(chart: &PreparedChart, manifests: &mut Vec<Manifest>) -> Result<(), Vec<Diagnostic>> {
    for file in &chart.chart.crds {
        let name = format!("{}/{}", chart.chart.location, file.path);
        let source = yaml::decode(&file.bytes, &name).map_err(|error| vec![error])?;
        for document in yaml::read_all(&source, &ReadOptions::default()).map_err(|error| vec![error])? {
            if !document.is_empty {
                manifests.push(Manifest::raw(format!("{}/{}", chart.full_path, file.path), &source, document.node));
            }
        }
    }
    chart.dependencies.iter().try_for_each(|dependency| crds(dependency, manifests))
}

/// Documents → objects → files, once the scopes are known.
fn finish(job: &Job, pending: Pending, scopes: &Scopes) -> Finished {
    let Pending { manifests, renders, inputs, chart, folder, mut warnings } = pending;
    let mut scopes = scopes.clone();
    manifests.iter().for_each(|manifest| scopes.learn(&manifest.node));
    let rules = ObjectRules { namespace: Some(&job.namespace), scopes: &scopes };
    let settled = manifest::objects(manifests, rules, &mut warnings).and_then(|objects| match renders {
        None => Ok(objects),
        Some(renders) => settle(objects, *renders, rules),
    });
    let objects = match settled {
        Ok(objects) => objects,
        Err(errors) => return Finished::Refused(errors),
    };
    let errors: Vec<Diagnostic> = objects.iter().filter_map(|object| object.generated().err()).collect();
    if !errors.is_empty() {
        return Finished::Refused(errors);
    }
    let tree = Box::new(Tree::build(job.sum(inputs, chart), &objects));
    Finished::Rendered { tree, folder, warnings, objects }
}

/// The objects of the first render without what is random.
fn settle(
    objects: Vec<Object>,
    renders: Renders<Vec<Manifest>>,
    rules: ObjectRules<'_>,
) -> Result<Vec<Object>, Vec<Diagnostic>> {
    let objects_of = |manifests| manifest::objects(manifests, rules, &mut Vec::new());
    let pinned = match renders.pinned {
        None => None,
        Some([a, b]) => Some([objects_of(a)?, objects_of(b)?]),
    };
    let renders = Renders { second: objects_of(renders.second)?, pinned, records: renders.records };
    determinism::settle(objects, &renders)
}
