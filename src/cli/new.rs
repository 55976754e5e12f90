//! `kcfg new`: a chart, a release or an environment to begin with. Writes new files only, never over one that is there.
//!
//! The chart's texts stand in `src/cli/new/`; both engines share values.yaml and values.schema.json, and give the same
//! objects. Names that a template could not write without quotes (`on`, `no`) are refused here, so that the templates
//! stay readable.

use std::path::Path;

use crate::engine::KubeVersion;
use crate::error::{Diagnostic, nearest};
use crate::release::{self, ChartPath, DocumentName, EnvironmentDocs, Namespace, ReleaseName};
use crate::repo::{RELEASES_FOLDER, Repository};

use super::files::{NewFile, write_new};
use super::{Output, Status};

/// The folder that charts are made in.
const CHARTS_FOLDER: &str = "charts";
/// What the texts say where the chart's name belongs.
const CHART_NAME: &str = "CHARTNAME";

/// Make a chart, a release or an environment to begin with
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// A chart under charts/ that renders: Deployment, Service, ServiceAccount, disruption budget, and Ingress,
    /// autoscaling and NetworkPolicy to switch on
    Chart {
        /// The chart's name: lower-case letters, digits and `-`
        name: String,
        /// The template language
        #[arg(long, value_enum, default_value_t = EngineChoice::Tera)]
        engine: EngineChoice,
    },
    /// A release file under releases/ENV/
    Release {
        /// The environment
        #[arg(value_name = "ENV")]
        environment: String,
        /// The release's name; the file and the rendered folder are called so too
        name: String,
        /// The chart's folder, relative to the repository's root
        #[arg(long, value_name = "PATH")]
        chart: String,
        /// The namespace of its objects
        #[arg(long, short = 'n', default_value = "default")]
        namespace: String,
    },
    /// A folder under releases/ with an Environment document
    Env {
        /// The environment's name
        name: String,
        /// The Kubernetes version of its cluster; kcfg.yaml's if left out
        #[arg(long, value_name = "VERSION")]
        kube_version: Option<String>,
    },
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum EngineChoice {
    /// Tera templates, for new charts
    Tera,
    /// Go templates, for charts that Helm has to read too
    Helm,
}

pub fn run(dir: &Path, args: &Args, output: &Output) -> Result<Status, Vec<Diagnostic>> {
    let single = |error| vec![error];
    let repository = Repository::discover(dir).map_err(single)?;
    let (files, next) = match &args.what {
        What::Chart { name, engine } => chart(&repository, name, *engine),
        What::Release { environment, name, chart, namespace } => {
            release(&repository, environment, name, chart, namespace)
        }
        What::Env { name, kube_version } => environment(&repository, name, kube_version.as_deref()),
    }
    .map_err(single)?;
    write_new(&repository.root, &files, output).map_err(single)?;
    output.line(&next);
    Ok(Status::Fine)
}

/// A chart's files by their paths below its folder, with the place of its name still to be filled.
fn chart_files(engine: EngineChoice) -> Vec<(&'static str, &'static str)> {
    macro_rules! files {
        ($folder:literal: $($path:literal),+) => {
            vec![$(($path, include_str!(concat!("new/", $folder, "/", $path)))),+]
        };
    }
    let mut files = vec![
        ("values.yaml", include_str!("new/values.yaml")),
        ("values.schema.json", include_str!("new/values.schema.json")),
    ];
    match engine {
        EngineChoice::Tera => files.extend(files!["tera":
            "Chart.yaml", "templates/_lib.tera", "templates/deployment.yaml", "templates/service.yaml",
            "templates/serviceaccount.yaml", "templates/ingress.yaml", "templates/hpa.yaml", "templates/pdb.yaml",
            "templates/networkpolicy.yaml"]),
        EngineChoice::Helm => {
            // Called so here because the name would hide files from Helm in this very folder.
            files.push((".helmignore", include_str!("new/helm/helmignore")));
            files.extend(files!["helm":
                "Chart.yaml", "templates/_helpers.tpl", "templates/deployment.yaml", "templates/service.yaml",
                "templates/serviceaccount.yaml", "templates/ingress.yaml", "templates/hpa.yaml", "templates/pdb.yaml",
                "templates/networkpolicy.yaml"]);
        }
    }
    files.sort_unstable();
    files
}

type Made = Result<(Vec<NewFile>, String), Diagnostic>;

fn chart(repository: &Repository, name: &str, engine: EngineChoice) -> Made {
    let what = "a chart's name";
    plain_name(what, name)?;
    // The name is a container's and part of labels.
    name.parse::<Namespace>().map_err(|why| {
        Diagnostic::error(format!("{what} {why}: {name:?}")).help("choose a short one of lower-case words: `web-api`")
    })?;
    let folder = format!("{CHARTS_FOLDER}/{name}");
    if std::fs::symlink_metadata(repository.root.join(&folder)).is_ok() {
        return Err(Diagnostic::error("there is a chart of this name already; nothing was written")
            .at_file(folder)
            .help("choose another name, or remove that folder first"));
    }
    let file =
        |(path, text): (&str, &str)| NewFile { path: format!("{folder}/{path}"), text: text.replace(CHART_NAME, name) };
    let files = chart_files(engine).into_iter().map(file).collect();
    let environments = repository.environments().map(|found| found.names).unwrap_or_default();
    let environment = environments.first().map_or("ENV", String::as_str);
    Ok((
        files,
        format!(
            "next: set your image in {folder}/values.yaml, then `kcfg new release {environment} {name} --chart {folder}`"
        ),
    ))
}

fn release(repository: &Repository, environment: &str, name: &str, chart: &str, namespace: &str) -> Made {
    // A repository without releases/ has no environments yet.
    let has_any = repository.root.join(RELEASES_FOLDER).is_dir();
    let environments = if has_any { repository.environments()?.names } else { Vec::new() };
    if !environments.iter().any(|known| known == environment) {
        let near = nearest(environment, environments.iter().map(String::as_str));
        let help = match near {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("make it with `kcfg new env {environment}`"),
        };
        return Err(Diagnostic::error(format!("there is no environment {environment}")).help(help));
    }
    let what = "a release's name";
    plain_name(what, name)?;
    let checked = name.parse::<DocumentName>().map(drop).and_then(|()| name.parse::<ReleaseName>().map(drop));
    checked.map_err(|why| {
        Diagnostic::error(format!("{what} {why}: {name:?}")).help("choose a short one of lower-case words: `web-api`")
    })?;
    namespace.parse::<Namespace>().map_err(|why| {
        Diagnostic::error(format!("the namespace {namespace:?} {why}")).help("name another one with --namespace")
    })?;
    let chart = existing_chart(repository, chart)?;
    let docs: EnvironmentDocs =
        release::parse_environment(environment, &repository.read_release_files(environment).sources);
    let taken = docs.releases.iter().find(|release| release.name.as_str() == name).map(|release| &release.place);
    if let Some(place) = taken {
        return Err(Diagnostic::error(format!("{environment} has a release {name} already"))
            .at(&place.source, place.span)
            .help("choose another name; it is unique in its environment"));
    }
    let raw = docs.raw.iter().find(|raw| raw.folder == name).map(|raw| &raw.source);
    let refused = docs.refused.iter().find(|refused| refused.folder == name).map(|refused| &refused.source);
    if let Some(source) = raw.or(refused) {
        return Err(Diagnostic::error(format!("the rendered folder of {environment}/{name} belongs to another file"))
            .at_file(source.name.clone())
            .help("choose another name"));
    }
    let text = format!(
        "apiVersion: kcfg.dev/v1\nkind: Release\nmetadata:\n  name: {name}\n  namespace: {namespace}\nspec:\n  \
         chart: {chart}\n  # What is otherwise here than in {chart}/values.yaml.\n  values: {{}}\n"
    );
    let path = format!("{RELEASES_FOLDER}/{environment}/{name}.yaml");
    Ok((
        vec![NewFile { path, text }],
        format!("next: set its values, then `kcfg render {environment}/{name}` and commit what it writes"),
    ))
}

fn environment(repository: &Repository, name: &str, kube_version: Option<&str>) -> Made {
    let what = "an environment's name";
    plain_name(what, name)?;
    name.parse::<Namespace>().map_err(|why| {
        Diagnostic::error(format!("{what} {why}: {name:?}")).help("choose one like `staging` or `production-eu`")
    })?;
    let folder = format!("{RELEASES_FOLDER}/{name}");
    if repository.root.join(&folder).is_dir() {
        return Err(Diagnostic::error("there is an environment of this name already; nothing was written")
            .at_file(folder)
            .help(format!("put releases into it with `kcfg new release {name} NAME --chart PATH`")));
    }
    let settings = repository.settings.kube_version.as_ref().map(|text| text.as_str().to_owned());
    let version = kube_version.map(str::to_owned).or(settings);
    let version = version.unwrap_or_else(|| KubeVersion::default().version);
    KubeVersion::parse(&version)
        .map_err(|message| Diagnostic::error(message).help("write it so: `--kube-version v1.33.0`"))?;
    let text = include_str!("new/environment.yaml").replace("ENVNAME", name);
    // In quotes, because `1.33` alone would be a number.
    let text = text.replace("KUBEVERSION", &format!("{version:?}"));
    Ok((
        vec![NewFile { path: format!("{folder}/environment.yaml"), text }],
        format!("next: `kcfg new release {name} NAME --chart {CHARTS_FOLDER}/NAME`"),
    ))
}

/// A chart's folder relative to the repository's root, if there is a chart in it.
fn existing_chart(repository: &Repository, written: &str) -> Result<String, Diagnostic> {
    let path = written.parse::<ChartPath>().map_err(|why| {
        Diagnostic::error(format!("the chart's path {why}: {written:?}"))
            .help("write it relative to the repository's root")
    })?;
    let path = path.as_str();
    if repository.root.join(path).join("Chart.yaml").is_file() {
        return Ok(path.to_owned());
    }
    let mut charts: Vec<String> = Vec::new();
    for entry in std::fs::read_dir(repository.root.join(CHARTS_FOLDER)).into_iter().flatten().flatten() {
        if entry.path().join("Chart.yaml").is_file() {
            charts.extend(entry.file_name().into_string().ok().map(|name| format!("{CHARTS_FOLDER}/{name}")));
        }
    }
    charts.sort_unstable();
    let by_name = charts.iter().find(|chart| chart.rsplit('/').next() == Some(path)).map(String::as_str);
    let help = match by_name.or_else(|| nearest(path, charts.iter().map(String::as_str))) {
        Some(near) => format!("did you mean `{near}`?"),
        None => "name a folder with a Chart.yaml, or make one with `kcfg new chart NAME`".to_owned(),
    };
    Err(Diagnostic::error("there is no chart here: no Chart.yaml").at_file(path).help(help))
}

/// Refuses names that begin with something else than a letter, as a Service's may not, and those that YAML takes for
/// a boolean or null when a template writes them without quotes.
fn plain_name(what: &str, name: &str) -> Result<(), Diagnostic> {
    const WORDS: [&str; 9] = ["y", "n", "yes", "no", "on", "off", "true", "false", "null"];
    if WORDS.contains(&name.to_ascii_lowercase().as_str()) {
        return Err(Diagnostic::error(format!("{what} cannot be `{name}`: YAML reads that as a boolean or null"))
            .help("choose another name"));
    }
    if !name.is_empty() && !name.starts_with(|c: char| c.is_ascii_lowercase()) {
        return Err(Diagnostic::error(format!("{what} has to begin with a lower-case letter: {name:?}"))
            .help("Kubernetes wants it of a Service, whose name is made from it"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_templates_cannot_write_are_refused() {
        for bad in ["on", "No", "1st", "-x", "Web", "_x"] {
            assert!(plain_name("a name", bad).is_err(), "{bad}");
        }
        assert!(plain_name("a name", "web").is_ok());
    }

    #[test]
    fn every_file_below_the_folder_is_part_of_a_chart() {
        for (engine, folder) in [(EngineChoice::Tera, "tera"), (EngineChoice::Helm, "helm")] {
            let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/cli/new").join(folder);
            let on_disk = walkdir::WalkDir::new(top).into_iter().flatten().filter(|e| e.file_type().is_file()).count();
            // values.yaml and the schema are shared.
            assert_eq!(chart_files(engine).len(), on_disk + 2, "{folder}");
        }
    }
}
