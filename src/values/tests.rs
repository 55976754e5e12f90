//! Merging against recorded answers of the real helm: `fixtures/values/*.txt`, each a chart, files of values, and what
//! every chart's templates then see.
//!
//! A case is a text of files under `-- name --` lines: `chart/…`, then any number of values files in their order, then
//! `expected, helm v…`, with one JSON line for each chart, or the word `error`.
//! Recorded anew by `HELM=/path/to/helm cargo test --lib values::tests::record -- --ignored`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::{Value as Json, json};

use super::*;
use crate::chart::{self, ChartFile, Metadata};
use crate::yaml::{self, Numbers, ReadOptions};

/// Printed by every chart of a recorded case.
const PROBE: &str = r#"{{ dict "path" .Template.BasePath "chart" .Chart "values" .Values | toJson }}"#;

struct Case {
    files: Vec<(String, String)>,
    expected: Option<(String, String)>,
}

fn fixtures() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/values");
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "txt"));
    paths.sort();
    paths
}

fn parse(text: &str) -> Case {
    let mut files: Vec<(String, String)> = Vec::new();
    for line in text.split_inclusive('\n') {
        match line.trim_end().strip_prefix("-- ").and_then(|rest| rest.strip_suffix(" --")) {
            Some(name) => files.push((name.to_string(), String::new())),
            None => files.last_mut().expect("a case begins with a file").1.push_str(line),
        }
    }
    let expected = files.pop_if(|(name, _)| name.starts_with("expected"));
    Case { files, expected }
}

fn layers(case: &Case) -> Vec<Layer> {
    let values = case.files.iter().filter(|(name, _)| !name.starts_with("chart/"));
    values
        .map(|(name, text)| {
            let source = Source::new(name.as_str(), text.as_str());
            let options = ReadOptions { numbers: Numbers::Float64, ..ReadOptions::default() };
            let root = yaml::read(&source, &options).unwrap().node;
            Layer { source, root }
        })
        .collect()
}

fn prepared(case: &Case) -> Result<(Prepared, Vec<Diagnostic>), Vec<Diagnostic>> {
    let files = case.files.iter().filter_map(|(name, text)| {
        let path = name.strip_prefix("chart/")?.to_string();
        Some(ChartFile { path, bytes: text.as_bytes().into() })
    });
    let loaded = chart::load("chart", files.collect())?;
    prepare(&Arc::new(loaded.chart), layers(case))
}

fn node_json(node: &Node) -> Json {
    match &node.value {
        Value::Null => Json::Null,
        Value::Bool(b) => json!(b),
        Value::Int(n) => json!(*n as f64),
        Value::UInt(n) => json!(*n as f64),
        Value::Float(f) => json!(f),
        Value::Str(text) => json!(text.as_ref()),
        Value::Seq(items) => items.iter().map(node_json).collect(),
        Value::Map(map) => map.iter().map(|(key, entry)| (key.to_string(), node_json(&entry.node))).collect(),
    }
}

fn floats(json: Json) -> Json {
    match json {
        Json::Number(n) => json!(n.as_f64().unwrap()),
        Json::Array(items) => items.into_iter().map(floats).collect(),
        Json::Object(map) => map.into_iter().map(|(key, value)| (key, floats(value))).collect(),
        other => other,
    }
}

/// `.Chart` as Helm's `toJson` prints it.
fn chart_json(chart: &PreparedChart, is_root: bool) -> Json {
    let Metadata { version, description, app_version, api_version, kube_version, chart_type, home, icon, .. } =
        &chart.chart.metadata;
    let metadata = &chart.chart.metadata;
    let mut map = serde_json::Map::new();
    let mut put = |key: &str, value: Json| {
        let empty = match &value {
            Json::String(text) => text.is_empty(),
            Json::Array(items) => items.is_empty(),
            Json::Object(map) => map.is_empty(),
            Json::Bool(b) => !b,
            _ => true,
        };
        if !empty {
            map.insert(key.to_string(), value);
        }
    };
    for (key, text) in [
        ("name", &chart.name),
        ("version", version),
        ("description", description),
        ("appVersion", app_version),
        ("apiVersion", api_version),
        ("kubeVersion", kube_version),
        ("type", chart_type),
        ("home", home),
        ("icon", icon),
        ("condition", &metadata.condition),
        ("tags", &metadata.tags),
    ] {
        put(key, json!(text));
    }
    put("sources", json!(metadata.sources));
    put("keywords", json!(metadata.keywords));
    put("annotations", json!(metadata.annotations));
    put("deprecated", json!(metadata.deprecated));
    let maintainers = metadata.maintainers.iter().map(|m| {
        let fields = [("name", &m.name), ("email", &m.email), ("url", &m.url)];
        fields
            .iter()
            .filter(|(_, text)| !text.is_empty())
            .map(|(key, text)| (key.to_string(), json!(text)))
            .collect::<Json>()
    });
    put("maintainers", maintainers.collect());
    let requirements = chart.requirements.iter().map(|r| {
        let mut map = serde_json::Map::new();
        map.insert("name".into(), json!(r.name));
        map.insert("repository".into(), json!(r.repository));
        for (key, text) in [("version", &r.version), ("condition", &r.condition), ("alias", &r.alias)] {
            if !text.is_empty() {
                map.insert(key.into(), json!(text));
            }
        }
        if !r.tags.is_empty() {
            map.insert("tags".into(), json!(r.tags));
        }
        if r.enabled {
            map.insert("enabled".into(), json!(true));
        }
        if !r.import_values.is_empty() {
            map.insert("import-values".into(), r.import_values.iter().map(node_json).collect());
        }
        Json::Object(map)
    });
    put("dependencies", requirements.collect());
    map.insert("IsRoot".into(), json!(is_root));
    Json::Object(map)
}

fn answers(chart: &PreparedChart, values: &Node, is_root: bool, out: &mut BTreeMap<String, String>) {
    let path = format!("{}/templates", chart.full_path);
    let json = json!({"path": path, "chart": chart_json(chart, is_root), "values": node_json(values)});
    out.insert(path, sorted(json).to_string());
    for dependency in &chart.dependencies {
        answers(dependency, values.get(&dependency.name).unwrap(), false, out);
    }
}

fn sorted(json: Json) -> Json {
    match json {
        Json::Object(map) => {
            let map: BTreeMap<String, Json> = map.into_iter().map(|(key, value)| (key, sorted(value))).collect();
            map.into_iter().collect()
        }
        Json::Array(items) => items.into_iter().map(sorted).collect(),
        other => other,
    }
}

#[test]
fn values_come_out_as_helm_has_them() {
    let mut failures = Vec::new();
    let paths = fixtures();
    assert!(!paths.is_empty());
    for path in paths {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let case = parse(&std::fs::read_to_string(&path).unwrap());
        let (header, expected) = case.expected.clone().unwrap_or_else(|| panic!("{name} is not recorded"));
        assert!(header.starts_with("expected, helm v"), "{name} does not say which helm it was recorded with");
        match prepared(&case) {
            Err(errors) => {
                if !expected.starts_with("error") {
                    failures.push(format!("{name}: {}", errors[0]));
                }
            }
            Ok((prepared, _)) => {
                let mut got = BTreeMap::new();
                answers(&prepared.chart, &prepared.values, true, &mut got);
                let expected: Vec<String> = expected
                    .lines()
                    .map(|line| match serde_json::from_str(line) {
                        Ok(json) => sorted(floats(json)).to_string(),
                        Err(_) => line.to_string(),
                    })
                    .collect();
                let got: Vec<String> = got.into_values().collect();
                if got != expected {
                    failures.push(format!("{name}:\n got {}\nhelm {}", got.join("\n     "), expected.join("\n     ")));
                }
            }
        }
    }
    assert!(failures.is_empty(), "{} cases differ\n{}", failures.len(), failures.join("\n"));
}

/// Runs the helm that `HELM` names on every case and writes its answers down.
#[test]
#[ignore = "writes the fixtures anew with a real helm"]
fn record() {
    let helm = std::env::var("HELM").expect("HELM names the helm program");
    let run = |args: &[&str]| std::process::Command::new(&helm).args(args).output().unwrap();
    let version = String::from_utf8(run(&["version", "--template", "{{.Version}}"]).stdout).unwrap();
    for path in fixtures() {
        let case = parse(&std::fs::read_to_string(&path).unwrap());
        let folder = tempfile::tempdir().unwrap();
        let mut args =
            vec!["template".to_string(), "release".into(), folder.path().join("chart").display().to_string()];
        for (name, text) in &case.files {
            let file = folder.path().join(name);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(&file, text).unwrap();
            if name.ends_with("Chart.yaml") {
                let templates = file.parent().unwrap().join("templates");
                std::fs::create_dir_all(&templates).unwrap();
                std::fs::write(templates.join("probe.yaml"), PROBE).unwrap();
            }
            if !name.starts_with("chart/") {
                args.extend(["-f".into(), file.display().to_string()]);
            }
        }
        let output = run(&args.iter().map(String::as_str).collect::<Vec<_>>());
        let expected = if output.status.success() {
            let text = String::from_utf8(output.stdout).unwrap();
            let mut lines: Vec<(String, String)> = text
                .lines()
                .filter(|line| line.starts_with('{'))
                .map(|line| {
                    let json: Json = serde_json::from_str(line).unwrap();
                    (json["path"].as_str().unwrap().to_string(), format!("{line}\n"))
                })
                .collect();
            lines.sort();
            lines.into_iter().map(|(_, line)| line).collect()
        } else {
            let text = String::from_utf8_lossy(&output.stderr).into_owned();
            let error = text.lines().rfind(|line| line.starts_with("Error")).unwrap_or("").to_lowercase();
            format!("{error}\n").replace(&folder.path().display().to_string(), "")
        };
        let mut text: String = case.files.iter().map(|(name, text)| format!("-- {name} --\n{text}")).collect();
        text.push_str(&format!("-- expected, helm {version} --\n{expected}"));
        std::fs::write(&path, text).unwrap();
    }
}
