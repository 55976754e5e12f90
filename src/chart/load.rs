//! Files → [`Chart`]: which file is what, in the order and by the rules of Helm's `LoadFiles`.
//!
//! Chart.lock and requirements.lock are checked as Helm checks them, and then forgotten: nothing here depends on them.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::folder::join;
use super::ignore::{FILE_NAME as HELMIGNORE, Rules};
use super::{
    Bytes, CHART_SIZE_BYTES_MAX, Chart, ChartFile, DEPTH_MAX, EngineKind, FILE_COUNT_MAX, FILE_SIZE_BYTES_MAX, Loaded,
    Metadata, Schema, TemplateFile, archive, metadata,
};
use crate::error::{Diagnostic, Source, Span};
use crate::yaml::{self, Map, Node, Numbers, ReadOptions, Value};

/// Makes a chart of the files of its folder. `location` is the folder as shown to the user. Nothing is read from the
/// file system; the order of `files` does not matter.
///
/// # Errors
/// No Chart.yaml, or one that is not valid; YAML that cannot be read; a template that is not UTF-8; a subchart with
/// any of these; a packed subchart that cannot be unpacked.
pub fn load(location: &str, mut files: Vec<ChartFile>) -> Result<Loaded, Vec<Diagnostic>> {
    let rules = match files.iter().find(|file| file.path == HELMIGNORE) {
        Some(file) => helmignore(location, &file.bytes).map_err(|error| vec![error])?,
        None => Rules::defaults(),
    };
    files.retain(|file| !rules.leaves_out_file(&file.path));
    files.sort_by(|a, b| a.path.split('/').cmp(b.path.split('/')));
    let mut loader = Loader { warnings: Vec::new(), budget: Budget::default() };
    for file in &files {
        let shown = join(location, &file.path);
        if file.path.contains(char::is_control) {
            // The name stands in the first line of what is rendered from it.
            return Err(vec![
                Diagnostic::error("the name of this file holds a control character")
                    .at_file(shown)
                    .help("rename it, or leave it out in .helmignore"),
            ]);
        }
        loader.budget.take(&shown, file.bytes.len() as u64).map_err(|error| vec![error])?;
    }
    let chart = loader.chart(location, files, None)?;
    if chart.metadata.deprecated {
        loader.warnings.push(
            Diagnostic::warning("this chart is deprecated")
                .at_file(join(location, "Chart.yaml"))
                .help("its authors no longer mend it: look for its successor in its README"),
        );
    }
    Ok(Loaded { chart, warnings: loader.warnings })
}

/// How much a chart with all its subcharts may still take.
#[derive(Debug)]
pub(super) struct Budget {
    size_bytes: u64,
    files: usize,
}

impl Default for Budget {
    fn default() -> Budget {
        Budget { size_bytes: CHART_SIZE_BYTES_MAX, files: FILE_COUNT_MAX }
    }
}

impl Budget {
    /// Takes a file's share.
    pub(super) fn take(&mut self, shown: &str, size_bytes: u64) -> Result<(), Diagnostic> {
        check_size(shown, size_bytes)?;
        let (Some(rest), Some(files)) = (self.size_bytes.checked_sub(size_bytes), self.files.checked_sub(1)) else {
            let limit = format!(
                "{FILE_COUNT_MAX} files (FILE_COUNT_MAX) or {CHART_SIZE_BYTES_MAX} bytes (CHART_SIZE_BYTES_MAX)"
            );
            return Err(Diagnostic::error(format!("this chart is larger than {limit}")).at_file(shown));
        };
        self.size_bytes = rest;
        self.files = files;
        Ok(())
    }
}

/// Refuses a file above Helm's limit.
pub(super) fn check_size(shown: &str, size_bytes: u64) -> Result<(), Diagnostic> {
    if size_bytes <= FILE_SIZE_BYTES_MAX { Ok(()) } else { Err(too_large(shown)) }
}

/// What is said of a file above Helm's limit.
pub(super) fn too_large(shown: &str) -> Diagnostic {
    Diagnostic::error(format!("this file of a chart is larger than {FILE_SIZE_BYTES_MAX} bytes (FILE_SIZE_BYTES_MAX)"))
        .at_file(shown)
        .help("this is Helm's limit; leave the file out in .helmignore, or keep it elsewhere")
}

/// Reads .helmignore.
pub(super) fn helmignore(location: &str, bytes: &Bytes) -> Result<Rules, Diagnostic> {
    Rules::parse(&text(&join(location, HELMIGNORE), bytes)?)
}

struct Loader {
    warnings: Vec<Diagnostic>,
    budget: Budget,
}

/// The chart above the one that is loaded.
struct Above {
    engine: EngineKind,
    depth: usize,
}

impl Loader {
    fn chart(
        &mut self,
        location: &str,
        files: Vec<ChartFile>,
        above: Option<&Above>,
    ) -> Result<Chart, Vec<Diagnostic>> {
        let depth = above.map_or(0, |above| above.depth + 1);
        if depth > DEPTH_MAX {
            let error = Diagnostic::error(format!("subcharts are nested more than {DEPTH_MAX} deep (DEPTH_MAX)"))
                .at_file(location);
            return Err(vec![error]);
        }
        let Some(chart_yaml) = files.iter().find(|file| file.path == "Chart.yaml") else {
            return Err(vec![no_chart_yaml(location, &files)]);
        };
        let mut metadata = self.metadata(location, chart_yaml)?;
        let engine = self.engine(&metadata, location, above).map_err(|error| vec![error])?;

        let mut chart = Chart {
            location: location.to_string(),
            engine,
            metadata: Metadata::default(),
            values: Node::new(Map::default()),
            values_source: Source::new(join(location, "values.yaml"), ""),
            schema: None,
            templates: Vec::new(),
            crds: Vec::new(),
            files: Vec::new(),
            dependencies: Vec::new(),
        };
        let mut subcharts: BTreeMap<String, Vec<ChartFile>> = BTreeMap::new();
        let mut errors = Vec::new();
        for mut file in files {
            let shown = join(location, &file.path);
            file.bytes = file.bytes.without_mark();
            let result = match file.path.as_str() {
                "Chart.yaml" => Ok(()),
                "Chart.lock" => {
                    errors.extend(self.lock(&shown, &file).err().into_iter().flatten());
                    Ok(())
                }
                "values.yaml" => self.values(&shown, &file, &mut chart),
                "values.schema.json" => {
                    text(&shown, &file.bytes).map(|source| chart.schema = Some(Schema::new(source)))
                }
                "requirements.yaml" => {
                    let result = self.requirements(&shown, &file, &mut metadata);
                    if metadata.api_version == "v1" {
                        chart.files.push(file);
                    }
                    if let Err(mut found) = result {
                        errors.append(&mut found);
                    }
                    Ok(())
                }
                "requirements.lock" => {
                    errors.extend(self.lock(&shown, &file).err().into_iter().flatten());
                    if metadata.api_version == "v1" {
                        chart.files.push(file);
                    }
                    Ok(())
                }
                path if path.starts_with("templates/") => text(&shown, &file.bytes)
                    .map(|source| chart.templates.push(TemplateFile { path: file.path.clone(), source })),
                path if path.starts_with("charts/") && !path.ends_with(".prov") => {
                    let below = path["charts/".len()..].to_string();
                    let name = below.split('/').next().unwrap_or_default().to_string();
                    subcharts.entry(name).or_default().push(ChartFile { path: below, bytes: file.bytes });
                    Ok(())
                }
                path => {
                    if path.starts_with("crds/") && is_manifest(path) {
                        chart.crds.push(file.clone());
                    }
                    chart.files.push(file);
                    Ok(())
                }
            };
            errors.extend(result.err());
        }
        errors.extend(metadata::validate(&mut metadata, location).err().into_iter().flatten());
        chart.metadata = metadata;

        let above = Above { engine, depth };
        for (name, files) in subcharts {
            if name.starts_with(['_', '.']) {
                continue;
            }
            let location = format!("{location}/charts/{name}");
            match self.subchart(&location, &name, files, &above) {
                Ok(subchart) => chart.dependencies.push(Arc::new(subchart)),
                Err(mut found) => errors.append(&mut found),
            }
        }
        if errors.is_empty() { Ok(chart) } else { Err(errors) }
    }

    fn subchart(
        &mut self,
        location: &str,
        name: &str,
        files: Vec<ChartFile>,
        above: &Above,
    ) -> Result<Chart, Vec<Diagnostic>> {
        if name.ends_with(".tgz") && files[0].path == name {
            let files = archive::unpack(&files[0].bytes, location, &mut self.budget).map_err(|error| vec![error])?;
            return self.chart(location, files, Some(above));
        }
        if name.ends_with(".tgz") {
            let error = Diagnostic::error("this should be a packed chart, it is a folder").at_file(location);
            return Err(vec![error.help("rename the folder")]);
        }
        if files[0].path == name {
            return Err(vec![
                Diagnostic::error("this is not a chart: charts/ may hold folders and packed charts (.tgz)")
                    .at_file(location)
                    .help("move it elsewhere, or let its name begin with `_` or `.` to have it ignored"),
            ]);
        }
        let strip = |file: ChartFile| ChartFile { path: file.path[name.len() + 1..].to_string(), bytes: file.bytes };
        self.chart(location, files.into_iter().map(strip).collect(), Some(above))
    }

    fn metadata(&mut self, location: &str, file: &ChartFile) -> Result<Metadata, Vec<Diagnostic>> {
        let source = text(&join(location, "Chart.yaml"), &file.bytes).map_err(|error| vec![error])?;
        let root = self.yaml(&source, Numbers::Exact).map_err(|error| vec![error])?;
        let mut metadata = Metadata { source: Some(source.clone()), ..Metadata::default() };
        metadata::decode_into(&mut metadata, &root, &source)?;
        metadata.raw = Some(root);
        if metadata.api_version.is_empty() {
            // Helm 2 did without it.
            metadata.api_version = "v1".into();
        }
        Ok(metadata)
    }

    fn engine(&mut self, metadata: &Metadata, location: &str, above: Option<&Above>) -> Result<EngineKind, Diagnostic> {
        let place = |diagnostic: Diagnostic| {
            let file = metadata.source.clone().unwrap_or_else(|| Source::new(join(location, "Chart.yaml"), ""));
            let span = metadata.raw.as_ref().and_then(|raw| raw.get("apiVersion")).map_or(Span::NONE, |node| node.span);
            diagnostic.at(&file, span)
        };
        let engine = match metadata.api_version.as_str() {
            "v1" | "v2" => EngineKind::Helm,
            "kcfg.dev/v1" => EngineKind::Tera,
            own if own.starts_with("kcfg.dev") => {
                return Err(place(Diagnostic::error(format!("`{own}` is not the apiVersion of a chart")))
                    .help("write `v2` (or `v1`) for a Helm chart, `kcfg.dev/v1` for a Tera chart"));
            }
            other => {
                let warning = Diagnostic::warning(format!(
                    "`{other}` is not the apiVersion of a chart; it is read as `v2`, as Helm 3 does"
                ));
                self.warnings
                    .push(place(warning).help("write `v2` (or `v1`) for a Helm chart, `kcfg.dev/v1` for a Tera chart"));
                EngineKind::Helm
            }
        };
        match above {
            Some(above) if above.engine != engine => Err(place(Diagnostic::error(
                "this subchart is written for another template engine than the chart above it",
            ))
            .help("Helm charts take Helm subcharts, Tera charts take Tera subcharts; make it a release of its own")),
            _ => Ok(engine),
        }
    }

    fn requirements(&mut self, shown: &str, file: &ChartFile, metadata: &mut Metadata) -> Result<(), Vec<Diagnostic>> {
        let source = text(shown, &file.bytes).map_err(|error| vec![error])?;
        if metadata.api_version != "v1" {
            self.warnings.push(
                Diagnostic::warning(format!(
                    "requirements.yaml is read, but apiVersion `{}` keeps dependencies in Chart.yaml",
                    metadata.api_version
                ))
                .at(&source, Span::NONE)
                .help("move `dependencies` to Chart.yaml"),
            );
        }
        let root = self.yaml(&source, Numbers::Exact).map_err(|error| vec![error])?;
        metadata::decode_into(metadata, &root, &source)
    }

    /// Nothing here depends on a lock, but Helm refuses a chart whose lock it cannot read.
    fn lock(&mut self, shown: &str, file: &ChartFile) -> Result<(), Vec<Diagnostic>> {
        let source = text(shown, &file.bytes).map_err(|error| vec![error])?;
        let root = self.yaml(&source, Numbers::Exact).map_err(|error| vec![error])?;
        metadata::check_lock(&root, &source)
    }

    fn values(&mut self, shown: &str, file: &ChartFile, chart: &mut Chart) -> Result<(), Diagnostic> {
        chart.values_source = text(shown, &file.bytes)?;
        let numbers = match chart.engine {
            EngineKind::Helm => Numbers::Float64,
            EngineKind::Tera => Numbers::Exact,
        };
        let root = self.yaml(&chart.values_source, numbers)?;
        match root.value {
            Value::Map(_) => chart.values = root,
            Value::Null => {}
            _ => {
                return Err(Diagnostic::error(format!("values must be a mapping, this is {}", root.value.kind_name()))
                    .at(&chart.values_source, root.span)
                    .help("write `key: value` lines"));
            }
        }
        Ok(())
    }

    fn yaml(&mut self, source: &Arc<Source>, numbers: Numbers) -> Result<Node, Diagnostic> {
        let document = yaml::read(source, &ReadOptions { numbers, ..ReadOptions::default() })?;
        self.warnings.extend(document.warnings);
        Ok(document.node)
    }
}

/// The text of a file.
fn text(shown: &str, bytes: &Bytes) -> Result<Arc<Source>, Diagnostic> {
    let bytes = bytes.clone().without_mark();
    match bytes.text() {
        Ok(text) => Ok(Source::new(shown, text)),
        Err(error) => {
            let valid = String::from_utf8_lossy(&bytes[..error.valid_up_to()]).into_owned();
            let end = valid.len();
            let byte = bytes.get(end).copied().unwrap_or_default();
            Err(Diagnostic::error(format!("this file is not UTF-8: the byte 0x{byte:02x} stands here"))
                .at(&Source::new(shown, valid), Span::new(end, end))
                .help("save it as UTF-8; a binary file does not belong here, but in a folder of its own for `.Files`"))
        }
    }
}

fn no_chart_yaml(location: &str, files: &[ChartFile]) -> Diagnostic {
    /// Names shown of what is there instead.
    const SHOWN_MAX: usize = 5;
    let error = Diagnostic::error("this chart has no Chart.yaml").at_file(location);
    if let Some(file) =
        files.iter().find(|file| file.path.eq_ignore_ascii_case("chart.yaml") || file.path == "Chart.yml")
    {
        return error.help(format!("rename `{}` to `Chart.yaml`", file.path));
    }
    if let Some(folder) = files.iter().find_map(|file| file.path.strip_suffix("/Chart.yaml")) {
        return error.help(format!("there is one in {location}/{folder}; is that the chart?"));
    }
    let mut names: Vec<&str> = files.iter().map(|file| file.path.split('/').next().unwrap_or_default()).collect();
    names.dedup();
    match names.len() {
        0 => error.help("the folder holds no files"),
        n => {
            let more = if n > SHOWN_MAX { ", …" } else { "" };
            error.help(format!(
                "a chart is a folder with Chart.yaml; there is: {}{more}",
                names[..n.min(SHOWN_MAX)].join(", ")
            ))
        }
    }
}

fn is_manifest(path: &str) -> bool {
    let extension =
        path.rsplit('/').next().and_then(|name| name.rsplit_once('.')).map_or("", |(_, extension)| extension);
    ["yaml", "yml", "json"].iter().any(|known| extension.eq_ignore_ascii_case(known))
}
