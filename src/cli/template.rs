//! `kcfg template`: one chart on standard output, in the form of `helm template`, so that the two can be compared.

use std::borrow::Cow;
use std::mem::ManuallyDrop;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::chart::{self, ChartFile};
use crate::engine::{self, Capabilities, KubeVersion, Randomness, RenderInput};
use crate::error::Diagnostic;
use crate::manifest::{self, HookEvent, Manifest, Sorted};
use crate::repo::Glob;
use crate::values::{self, PreparedChart};

use super::output::Finding;
use super::value_flags::ValueFlags;
use super::{Output, Status};

/// Render one chart to standard output, as `helm template` does
#[derive(Debug, clap::Args)]
#[command(override_usage = "kcfg template [OPTIONS] [RELEASE] <CHART>")]
pub struct Args {
    /// The release's name, then the chart's folder; the name may be left out
    #[arg(required = true, num_args = 1..=2, value_names = ["RELEASE", "CHART"])]
    positional: Vec<String>,
    #[command(flatten)]
    values: ValueFlags,
    /// The release's namespace
    #[arg(long, short = 'n', default_value = "default")]
    namespace: String,
    /// The Kubernetes version that `.Capabilities.KubeVersion` shows
    #[arg(long, value_name = "VERSION")]
    kube_version: Option<String>,
    /// Further API versions for `.Capabilities.APIVersions`
    #[arg(long, short = 'a', value_name = "VERSION", value_delimiter = ',')]
    api_versions: Vec<String>,
    /// Only show what these templates gave (a path below the chart, with globs)
    #[arg(long, short = 's', value_name = "TEMPLATE")]
    show_only: Vec<String>,
    /// Include the files of crds/
    #[arg(long)]
    include_crds: bool,
    /// Leave hooks out
    #[arg(long)]
    no_hooks: bool,
    /// Leave test hooks out
    #[arg(long)]
    skip_tests: bool,
    /// A template that gives the release's name
    #[arg(long, value_name = "TEMPLATE")]
    name_template: Option<String>,
    /// Set .Release.IsUpgrade instead of .Release.IsInstall
    #[arg(long)]
    is_upgrade: bool,
    /// Do not check the values against values.schema.json
    #[arg(long)]
    skip_schema_validation: bool,
}

/// The release's name where none is given, as Helm has it.
const DEFAULT_NAME: &str = "release-name";

/// Helm's limit of a release's name, in bytes.
const NAME_BYTES_MAX: usize = 53;

pub fn run(dir: &Path, args: &Args, output: &Output) -> Result<Status, Vec<Diagnostic>> {
    let (name, path) = name_and_chart(args).map_err(|error| vec![error])?;
    let mut warnings = Vec::new();
    let result = render(args, &name, &dir.join(path), &mut warnings);
    output.report(warnings.into_iter().map(Finding::from));
    // What is large lives to the end of the process: to take it apart node by node is a tenth of the whole run.
    let sorted_and_crds = ManuallyDrop::new(result?);
    let (sorted, crds) = &*sorted_and_crds;
    let pieces = print(args, sorted, crds);
    if args.show_only.is_empty() {
        output.pieces(pieces.iter().map(AsRef::as_ref));
    } else {
        output.text(&show_only(&args.show_only, &pieces.concat())?);
    }
    Ok(Status::Fine)
}

fn name_and_chart(args: &Args) -> Result<(String, PathBuf), Diagnostic> {
    let (name, chart) = match (&args.positional[..], &args.name_template) {
        ([name, chart], None) => (name.clone(), chart),
        ([chart], None) => (DEFAULT_NAME.to_owned(), chart),
        ([chart], Some(template)) => (engine::name_from_template(template)?, chart),
        _ => {
            return Err(Diagnostic::error("both a release name and --name-template are given")
                .help("leave one of them out: kcfg template --name-template TEMPLATE CHART"));
        }
    };
    let part = |part: &str| {
        !part.is_empty()
            && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
            && !part.starts_with('-')
            && !part.ends_with('-')
    };
    if name.len() > NAME_BYTES_MAX || !name.split('.').all(part) {
        return Err(Diagnostic::error(format!("`{name}` is not a release name")).help(format!(
            "a release name has at most {NAME_BYTES_MAX} lower-case letters, digits, `-` and `.`, and begins and ends with a letter or digit"
        )));
    }
    Ok((name, PathBuf::from(chart)))
}

/// The files of crds/: Helm's path and the text of each.
type Crds = Vec<(String, Arc<[u8]>)>;

fn render(
    args: &Args,
    name: &str,
    path: &Path,
    warnings: &mut Vec<Diagnostic>,
) -> Result<(Sorted, Crds), Vec<Diagnostic>> {
    let shown = path.strip_prefix(".").unwrap_or(path).display().to_string();
    let shown = if shown.is_empty() { "." } else { shown.trim_end_matches('/') };
    let (files, failures) = chart::read_folder_later(path, shown, Path::new("/")).map_err(|error| vec![error])?;
    let result = render_files(args, name, shown, files, warnings);
    match failures.first() {
        Some(failure) => Err(vec![failure.clone()]),
        None => result,
    }
}

fn render_files(
    args: &Args,
    name: &str,
    shown: &str,
    files: Vec<ChartFile>,
    warnings: &mut Vec<Diagnostic>,
) -> Result<(Sorted, Crds), Vec<Diagnostic>> {
    let single = |error: Diagnostic| vec![error];
    let loaded = chart::load(shown, files)?;
    warnings.extend(loaded.warnings);
    let chart = Arc::new(loaded.chart);
    let (merged, layers) = args.values.merge(Vec::new(), chart.engine, warnings).map_err(single)?;
    let merged = ManuallyDrop::new(merged);
    let (prepared, more) = values::prepare_merged(&chart, &merged, layers)?;
    let prepared = ManuallyDrop::new(prepared);
    warnings.extend(more);
    if !args.skip_schema_validation {
        warnings.extend(prepared.check_schemas()?);
    }
    let version = args.kube_version.as_deref().map_or(Ok(KubeVersion::default()), KubeVersion::parse);
    let version = version.map_err(|message| {
        single(Diagnostic::error(format!("invalid kube version: {message}")).help("it has the form 1.33.0 or v1.33.0"))
    })?;
    let capabilities = Capabilities::new(version, &args.api_versions);
    capabilities.check_chart(&chart).map_err(single)?;
    let engine = ManuallyDrop::new(engine::compile(&chart)?);
    let rendered = engine.render(&RenderInput {
        release_name: name,
        namespace: &args.namespace,
        environment: "",
        is_upgrade: args.is_upgrade,
        prepared: &prepared,
        capabilities: &capabilities,
        randomness: Randomness::Real,
    })?;
    warnings.extend(rendered.warnings);
    let mut sorted = manifest::sort_texts(rendered.files)?;
    warnings.append(&mut sorted.warnings);
    let mut crds = Vec::new();
    if args.include_crds {
        collect_crds(&prepared.chart, &mut crds);
    }
    Ok((sorted, crds))
}

fn collect_crds(chart: &PreparedChart, crds: &mut Crds) {
    let files = chart.chart.crds.iter();
    crds.extend(files.map(|file| (format!("{}/{}", chart.full_path, file.path), file.bytes.shared())));
    chart.dependencies.iter().for_each(|dependency| collect_crds(dependency, crds));
}

/// What Helm puts before each document, up to its path.
const SOURCE_LINES: &str = "---\n# Source: ";

/// The output in Helm's form, in pieces.
fn print<'a>(args: &Args, sorted: &'a Sorted, crds: &'a Crds) -> Vec<Cow<'a, str>> {
    let mut pieces: Vec<Cow<'a, str>> = Vec::new();
    let document = |path: &'a str, text: Cow<'a, str>| -> [Cow<'a, str>; 5] {
        [SOURCE_LINES.into(), path.into(), "\n".into(), text, "\n".into()]
    };
    let of = |manifest: &'a Manifest| document(&manifest.path, manifest.text().into());
    pieces.extend(crds.iter().flat_map(|(path, bytes)| document(path, String::from_utf8_lossy(bytes))));
    pieces.extend(sorted.manifests.iter().flat_map(of));
    // It begins with `---`, or is empty: there are blanks at its end only.
    while let Some(last) = pieces.pop() {
        let length = last.trim_end().len();
        if length > 0 {
            pieces.push(match last {
                Cow::Borrowed(text) => Cow::Borrowed(&text[..length]),
                Cow::Owned(text) => Cow::Owned(text[..length].to_owned()),
            });
            break;
        }
    }
    pieces.push("\n".into());
    if !args.no_hooks {
        let is_shown = |hook: &&Manifest| !(args.skip_tests && hook.hook.contains(&HookEvent::Test));
        pieces.extend(sorted.hooks.iter().filter(is_shown).flat_map(of));
    }
    pieces
}

/// The documents whose `# Source:` path below the chart matches one of the globs, in the order of the globs.
fn show_only(globs: &[String], text: &str) -> Result<String, Vec<Diagnostic>> {
    let documents: Vec<(&str, &str)> = manifest::split(text)
        .into_iter()
        .filter_map(|range| {
            let document = &text[range];
            let path = document.lines().find_map(|line| line.split_once("# Source: "))?.1;
            Some((path.split_once('/')?.1, document))
        })
        .collect();
    let mut shown = String::new();
    for glob in globs {
        let before = shown.len();
        // As Go's filepath.Match: a star stays within a name.
        let parts: Vec<Glob> = glob
            .split('/')
            .map(str::parse)
            .collect::<Result<_, _>>()
            .map_err(|message: String| vec![Diagnostic::error(format!("`{glob}` is not a glob: {message}"))])?;
        for (_, document) in documents.iter().filter(|(path, _)| {
            parts.len() == path.split('/').count()
                && parts.iter().zip(path.split('/')).all(|(part, name)| part.matches(name))
        }) {
            shown.push_str("---\n");
            shown.push_str(document);
            shown.push('\n');
        }
        if shown.len() == before {
            let known = documents.iter().map(|(path, _)| *path);
            let help = match crate::error::nearest(glob, known) {
                Some(near) => format!("did you mean `{near}`?"),
                None => "give a path below the chart, like templates/deployment.yaml".into(),
            };
            return Err(vec![
                Diagnostic::error(format!("could not find template {glob} in chart, or it rendered to nothing"))
                    .help(help),
            ]);
        }
    }
    Ok(shown)
}
