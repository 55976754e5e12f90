//! `kcfg diff`: what changes in the rendered tree, and what that means.

mod policy;

use std::collections::BTreeSet;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rayon::prelude::*;

use crate::diff::mask::MaskKey;
use crate::diff::path::PathPattern;
use crate::diff::report::Sides;
use crate::diff::write::text::{Layout, SIDE_BY_SIDE_WIDTH_MIN};
use crate::diff::{self, Options, Report, write};
use crate::engine;
use crate::error::{Diagnostic, Source};
use crate::pipeline::{self, Fresh, Plan, PlanOptions};
use crate::rendered::{self, RENDERED_FOLDER, SUM_FILE, Snapshot, environment_digest};
use crate::repo::{CommitId, Git, Repository, Selector};
use crate::yaml;

use super::output::Finding;
use super::post::PostArgs;
use super::progress::Progress;
use super::{Output, Status, live, report};
use policy::Documents;

/// Columns where nothing tells how wide the reader's window is.
const WIDTH_DEFAULT: usize = 100;
/// Files of a folder of manifests that are read, by their endings.
const MANIFEST_ENDINGS: &[&str] = &["yaml", "yml", "json"];
/// Bytes of standard input, and of one file of `--from-path` and `--to-path`.
const INPUT_BYTES_MAX: u64 = 256 << 20;

/// Show what changes in the rendered tree, and what that means for the cluster
///
/// Without options: the tree of HEAD against a fresh render of the working tree, so it says what your change will do
/// before you commit it. Values of Secrets are never shown.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// What to compare: ENV[/RELEASE[/KIND[/NAME]]], with globs; everything if left out
    #[arg(value_name = "SELECTOR")]
    selectors: Vec<String>,
    /// The older side: the tree of a Git revision (default: HEAD)
    #[arg(long, value_name = "REV", group = "old")]
    from: Option<String>,
    /// The older side: rendered/ as it is on disk
    #[arg(long, group = "old")]
    from_worktree: bool,
    /// The older side: a folder or file of manifests, `-` for standard input
    #[arg(long, value_name = "PATH", group = "old")]
    from_path: Option<PathBuf>,
    /// The newer side: the tree of a Git revision (default: a fresh render of the working tree)
    #[arg(long, value_name = "REV", group = "new")]
    to: Option<String>,
    /// The newer side: rendered/ as it is on disk
    #[arg(long, group = "new")]
    to_worktree: bool,
    /// The newer side: a folder or file of manifests, `-` for standard input
    #[arg(long, value_name = "PATH", group = "new")]
    to_path: Option<PathBuf>,
    #[command(flatten)]
    pub(super) live: live::LiveArgs,
    /// Leave out changes at this place: `metadata.labels["helm.sh/chart"]`, `Deployment:spec.replicas`, `**.image`
    #[arg(long, value_name = "PATH")]
    ignore: Vec<String>,
    /// Do not work out the digests of whole environments, which takes reading every kcfg.sum of them
    #[arg(long)]
    no_digests: bool,
    /// Only the summary
    #[arg(long)]
    pub(super) stat: bool,
    /// Show objects that came or went in full length
    #[arg(long)]
    pub(super) full: bool,
    /// Texts of several lines in one column or two; `auto` takes two where the terminal is wide
    #[arg(long, value_enum, default_value_t = Columns::Auto)]
    columns: Columns,
    /// Do not use a pager ($KCFG_PAGER, $PAGER, or less), which is used where the report goes to a terminal
    #[arg(long)]
    no_pager: bool,
    /// Exit with 1 if anything differs
    #[arg(long)]
    pub(super) exit_code: bool,
    #[command(flatten)]
    pub(super) report: report::ReportArgs,
    #[command(flatten)]
    post: PostArgs,
}

/// How texts of several lines are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Columns {
    /// Two where the terminal is wide enough
    Auto,
    /// As `diff -u` does
    One,
    /// Side by side
    Two,
}

/// One side of the comparison, as it is asked for.
enum Side<'a> {
    Commit(&'a str),
    Worktree,
    Path(&'a Path),
    Fresh,
}

pub fn run(dir: &Path, args: &Args, output: &Output) -> Result<Status, Vec<Diagnostic>> {
    let single = |error: Diagnostic| vec![error];
    engine::start_pool();
    let selectors: Vec<Selector> =
        args.selectors.iter().map(|text| text.parse()).collect::<Result<_, _>>().map_err(single)?;
    if args.live.live {
        return live::run(dir, &selectors, args, output);
    }
    let old = args.old();
    let new = args.new_side();
    let needs_repository = ![&old, &new].iter().all(|side| matches!(side, Side::Path(_)));
    let repository = match Repository::discover(dir) {
        Ok(repository) => Some(Arc::new(repository)),
        Err(error) if needs_repository => return Err(vec![error]),
        Err(_) => None,
    };
    let loader = Loader { dir, repository: repository.as_deref(), selectors: &selectors, output };
    let mut findings = Vec::new();
    let git = loader.git().map_err(single)?;
    let (old, old_label, _) = loader.load(&old)?;
    let (new, new_label, fresh) = loader.load(&new)?;
    if !selectors.is_empty() && old.releases.is_empty() && new.releases.is_empty() {
        return Err(vec![nothing_selected(&selectors, &loader)]);
    }
    let pairs = rendered::changed(&old, &new, git, &selectors)?;
    let mut report = diff::compare(pairs, &args.options(repository.as_deref()).map_err(single)?);
    report.labels = Sides { old: old_label, new: new_label };
    if let Some(fresh) = fresh {
        findings.extend(judge(fresh, &mut report));
    }
    // Of a part of an environment neither a digest nor a budget can be told.
    if selectors.iter().all(Selector::is_whole_environments) {
        count(&mut report, &old, &new, git, !args.no_digests);
    }
    let documents = loader.documents(&args.new_side());
    diff::guard::judge(&mut report, |environment| documents.policy(environment));
    match args.report.written(&report, args.stat, args.full) {
        Some(text) => output.text(&text),
        None => print(&report, args, output),
    }
    if args.post.is_wanted() {
        let mut options = args.report.markdown(args.stat, args.full);
        options.limit = options.limit.min(write::markdown::COMMENT_CHARS_MAX);
        let body = write::markdown::report(&report, &options);
        match args.post.run(write::markdown::COMMENT_MARKER, &body, report.is_empty()) {
            Ok(said) => output.note(&said),
            Err(error) => findings.push(Finding::from(error)),
        }
    }
    let has_errors = findings.iter().any(|f: &Finding| f.diagnostic.severity == crate::error::Severity::Error);
    output.report(findings);
    Ok(match (has_errors, report.is_empty()) {
        (true, _) => Status::Error,
        (false, false) if args.exit_code => Status::Findings,
        _ => Status::Fine,
    })
}

/// Prints the text report, through a pager where somebody reads it on a terminal.
pub(super) fn print(report: &Report, args: &Args, output: &Output) {
    let terminal = output.stdout_width();
    let width = terminal.unwrap_or(WIDTH_DEFAULT);
    let layout = Layout {
        width,
        is_terminal: terminal.is_some(),
        has_colour: output.stdout_has_colour(),
        is_side_by_side: match args.columns {
            Columns::Auto => terminal.is_some_and(|width| width >= SIDE_BY_SIDE_WIDTH_MIN),
            Columns::One => false,
            Columns::Two => true,
        },
        is_stat: args.stat,
        is_full: args.full,
    };
    let text = write::text::report(report, layout);
    if terminal.is_some() && !args.no_pager {
        output.page(&text);
    } else {
        output.text(&text);
    }
}

impl Args {
    fn old(&self) -> Side<'_> {
        match (&self.from, &self.from_path) {
            (Some(revision), _) => Side::Commit(revision),
            (_, Some(path)) => Side::Path(path),
            _ if self.from_worktree => Side::Worktree,
            _ => Side::Commit("HEAD"),
        }
    }

    fn new_side(&self) -> Side<'_> {
        match (&self.to, &self.to_path) {
            (Some(revision), _) => Side::Commit(revision),
            (_, Some(path)) => Side::Path(path),
            _ if self.to_worktree => Side::Worktree,
            _ => Side::Fresh,
        }
    }

    pub(super) fn options(&self, repository: Option<&Repository>) -> Result<Options, Diagnostic> {
        let mut random = [0; 32];
        getrandom::fill(&mut random).map_err(|error| {
            Diagnostic::error(format!("the system gives no random bytes to mask Secret values with: {error}"))
        })?;
        let mut ignore = Vec::new();
        for text in &self.ignore {
            let pattern = text.parse::<PathPattern>();
            ignore
                .push(pattern.map_err(|why| Diagnostic::error(format!("--ignore `{text}` {why}")).help(PATTERN_HELP))?);
        }
        let settings = repository.map(|repository| &repository.settings);
        for text in settings.iter().flat_map(|settings| &settings.diff_ignore) {
            let pattern = text.as_str().parse::<PathPattern>();
            ignore.push(pattern.map_err(|why| {
                let error = Diagnostic::error(format!("the pattern `{text}` {why}")).help(PATTERN_HELP);
                match settings.and_then(|settings| settings.source.as_ref()) {
                    Some(source) => error.at(source, text.span),
                    None => error,
                }
            })?);
        }
        Ok(Options { mask: MaskKey::new(&random), ignore })
    }
}

const PATTERN_HELP: &str = "write a place as `kcfg diff` shows it, with * for a step and ** for any number of them";

/// Reads the sides.
struct Loader<'a> {
    dir: &'a Path,
    repository: Option<&'a Repository>,
    selectors: &'a [Selector],
    output: &'a Output,
}

impl<'a> Loader<'a> {
    fn repository(&self) -> Result<&'a Repository, Diagnostic> {
        self.repository.ok_or_else(|| Diagnostic::error("there is no repository here"))
    }

    fn git(&self) -> Result<Option<&'a Git>, Diagnostic> {
        self.repository.map_or(Ok(None), Repository::git)
    }

    fn load(&self, side: &Side<'_>) -> Result<(Snapshot, String, Option<Fresh>), Vec<Diagnostic>> {
        let single = |error: Diagnostic| vec![error];
        match side {
            Side::Commit(revision) => {
                let repository = self.repository().map_err(single)?;
                let git = repository.git().map_err(single)?.ok_or_else(|| {
                    single(
                        Diagnostic::error(format!("`{revision}` needs a Git repository, and there is none here"))
                            .help("compare folders with --from-path and --to-path"),
                    )
                })?;
                let commit: CommitId = git.revision(revision).map_err(single)?;
                let snapshot = Snapshot::commit(git, &commit, &repository.prefix(), self.selectors).map_err(single)?;
                let label = if commit.as_str().starts_with(revision) {
                    commit.short().to_owned()
                } else {
                    format!("{revision} ({})", commit.short())
                };
                Ok((snapshot, label, None))
            }
            Side::Worktree => {
                let rendered = self.repository().map_err(single)?.root.join(RENDERED_FOLDER);
                let snapshot = Snapshot::disk(&rendered, self.selectors).map_err(single)?;
                Ok((snapshot, format!("{RENDERED_FOLDER}/ on disk"), None))
            }
            Side::Path(path) => {
                let snapshot = self.path(path).map_err(single)?;
                let label = if path.as_os_str() == "-" { "standard input".into() } else { path.display().to_string() };
                Ok((snapshot, label, None))
            }
            Side::Fresh => {
                let mut fresh = self.fresh()?;
                let snapshot = std::mem::take(&mut fresh.snapshot);
                Ok((snapshot, "a fresh render".into(), Some(fresh)))
            }
        }
    }

    /// Where the newer side's documents are.
    fn documents(&self, side: &Side<'_>) -> Documents<'a> {
        let Some(repository) = self.repository else { return Documents::None };
        match side {
            Side::Worktree | Side::Fresh => Documents::Worktree(repository),
            Side::Path(_) => Documents::None,
            Side::Commit(revision) => match repository.git() {
                Ok(Some(git)) => git
                    .revision(revision)
                    .map_or(Documents::None, |commit| Documents::Commit(git, commit, repository.prefix())),
                _ => Documents::None,
            },
        }
    }

    /// Renders the environments that are asked for, as far as they are here.
    fn fresh(&self) -> Result<Fresh, Vec<Diagnostic>> {
        let repository = self.repository().map_err(|error| vec![error])?;
        let mut names = repository.environments().map_err(|error| vec![error])?.names;
        let rendered = rendered::list(&repository.root.join(RENDERED_FOLDER), RENDERED_FOLDER).unwrap_or_default();
        names.extend(rendered.into_iter().filter(|(_, is_folder)| *is_folder).map(|(name, _)| name));
        names.retain(|name| self.selectors.is_empty() || self.selectors.iter().any(|s| s.matches_environment(name)));
        names.sort();
        names.dedup();
        if names.is_empty() {
            return Ok(Fresh::default());
        }
        let selectors = if self.selectors.is_empty() { Vec::new() } else { names };
        let plan = Plan::read(self.dir, &PlanOptions { selectors, update_refs: false })?;
        let context = plan.context(true);
        let progress = Progress::start(self.output, &context.done, plan.job_count());
        let mut fresh = pipeline::fresh(&plan, &context).map_err(|error| vec![error])?;
        drop(progress);
        let is_wanted = |(environment, release): &(String, String)| {
            self.selectors.is_empty() || self.selectors.iter().any(|s| s.matches_release(environment, release))
        };
        fresh.snapshot.releases.retain(|key, _| is_wanted(key));
        fresh.refused.retain(|key, _| is_wanted(key));
        fresh.stale.retain(is_wanted);
        let documents = plan.environments.iter().flat_map(|environment| &environment.findings);
        fresh.warnings.extend(documents.map(|finding| (String::new(), finding.clone())));
        Ok(fresh)
    }

    /// A folder or file of manifests: a rendered tree where it looks like one, else all manifests in it.
    fn path(&self, path: &Path) -> Result<Snapshot, Diagnostic> {
        let shown = path.display().to_string();
        if path.as_os_str() == "-" {
            let mut bytes = Vec::new();
            let read = std::io::stdin().lock().take(INPUT_BYTES_MAX + 1).read_to_end(&mut bytes);
            read.map_err(|error| Diagnostic::error(format!("standard input cannot be read: {error}")))?;
            return Ok(Snapshot::plain(vec![manifest_text("standard input", &bytes)?]));
        }
        let io = |error: std::io::Error| {
            Diagnostic::error(format!("cannot be read: {error}"))
                .at_file(&shown)
                .help("name a folder or a file of manifests, or `-` for standard input")
        };
        if std::fs::metadata(path).map_err(io)?.is_file() {
            return Ok(Snapshot::plain(vec![manifest_text(&shown, &read_file(path, &shown)?)?]));
        }
        let nested = |levels: usize| {
            walkdir::WalkDir::new(path)
                .min_depth(levels + 1)
                .max_depth(levels + 1)
                .into_iter()
                .flatten()
                .any(|entry| entry.file_name() == SUM_FILE)
        };
        if nested(2) {
            return Snapshot::disk(path, self.selectors);
        }
        if let Some(name) = path.file_name().filter(|_| nested(1)) {
            let name = name.to_string_lossy().into_owned();
            let mut snapshot = Snapshot::default();
            for ((environment, release), folder) in Snapshot::disk_environment(path, &name)?.releases {
                snapshot.add(self.selectors, &environment, release, folder);
            }
            return Ok(snapshot);
        }
        let mut texts = Vec::new();
        for entry in walkdir::WalkDir::new(path).sort_by_file_name() {
            let entry = entry.map_err(|error| Diagnostic::error(error.to_string()))?;
            let is_manifest = |ending: &std::ffi::OsStr| MANIFEST_ENDINGS.iter().any(|known| ending == *known);
            if entry.file_type().is_file() && entry.path().extension().is_some_and(is_manifest) {
                let name = entry.path().display().to_string();
                texts.push(manifest_text(&name, &read_file(entry.path(), &name)?)?);
            }
        }
        Ok(Snapshot::plain(texts))
    }
}

fn read_file(path: &Path, shown: &str) -> Result<Vec<u8>, Diagnostic> {
    let fail = |error: std::io::Error| Diagnostic::error(format!("cannot be read: {error}")).at_file(shown);
    let mut bytes = Vec::new();
    std::fs::File::open(path).and_then(|file| file.take(INPUT_BYTES_MAX + 1).read_to_end(&mut bytes)).map_err(fail)?;
    Ok(bytes)
}

fn manifest_text(shown: &str, bytes: &[u8]) -> Result<(String, Arc<Source>), Diagnostic> {
    if bytes.len() as u64 > INPUT_BYTES_MAX {
        return Err(Diagnostic::error(format!("holds more than {INPUT_BYTES_MAX} bytes (INPUT_BYTES_MAX)"))
            .at_file(shown)
            .help("compare parts of it"));
    }
    Ok((shown.to_owned(), yaml::decode(bytes, shown)?))
}

/// What a fresh render tells beside the tree: releases that are refused (their old folders stay) or not rendered.
fn judge(fresh: Fresh, report: &mut Report) -> Vec<Finding> {
    let mut findings = Vec::new();
    for ((environment, release), errors) in fresh.refused {
        report.notes.push(format!("{environment}/{release} cannot be rendered: its old objects stay"));
        findings.extend(Finding::of(&format!("{environment}/{release}"), errors));
    }
    for (release, warning) in fresh.warnings {
        let release = Some(release).filter(|release| !release.is_empty());
        findings.push(Finding { release, diagnostic: warning });
    }
    for environment in &mut report.environments {
        for release in &mut environment.releases {
            release.is_stale = fresh.stale.contains(&(environment.name.clone(), release.name.clone()));
        }
    }
    findings
}

/// Adds digests and object counts of the environments that differ.
fn count(report: &mut Report, old: &Snapshot, new: &Snapshot, git: Option<&Git>, wants_digests: bool) {
    for environment in &mut report.environments {
        let counts = diff::report::Counts::of(environment.releases.iter().flat_map(|release| &release.objects));
        if environment.name.is_empty() || !(wants_digests || counts.removed + counts.renamed + counts.moved > 0) {
            continue;
        }
        let sums = |snapshot: &Snapshot| -> Vec<(String, String, usize)> {
            let folders: Vec<_> = snapshot.releases.iter().filter(|((name, _), _)| *name == environment.name).collect();
            let sum = |((_, release), folder): &(&(String, String), &rendered::ReleaseFolder)| {
                let sum = folder.sum(git)?;
                Some((release.clone(), sum.digest(), sum.files.len()))
            };
            folders.par_iter().filter_map(sum).collect()
        };
        let (a, b) = (sums(old), sums(new));
        let digest = |sums: &[(String, String, usize)]| {
            let lines = sums.iter().map(|(name, digest, _)| (name.as_str(), digest.as_str()));
            (!sums.is_empty()).then(|| environment_digest(lines))
        };
        if wants_digests {
            environment.digests = Sides { old: digest(&a), new: digest(&b) };
        }
        let objects = |sums: &[(String, String, usize)]| sums.iter().map(|(.., count)| count).sum();
        environment.object_counts = Some(Sides { old: objects(&a), new: objects(&b) });
    }
}

fn nothing_selected(selectors: &[Selector], loader: &Loader<'_>) -> Diagnostic {
    let all = loader.repository.and_then(|repository| Snapshot::disk(&repository.root.join(RENDERED_FOLDER), &[]).ok());
    let all = all.unwrap_or_default();
    let environments: BTreeSet<&str> = all.releases.keys().map(|(environment, _)| environment.as_str()).collect();
    let releases = all.releases.keys().map(|(_, release)| release.as_str());
    selectors[0].matches_nothing(environments, releases)
}
