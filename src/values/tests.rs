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

fn helm_chart(files: &[(&str, &str)]) -> Arc<Chart> {
    let files = files
        .iter()
        .map(|(path, text)| ChartFile { path: (*path).to_string(), bytes: text.as_bytes().into() })
        .collect();
    Arc::new(chart::load("charts/web", files).unwrap().chart)
}

fn layer(name: &str, text: &str) -> Layer {
    let source = Source::new(name, text);
    let root = yaml::read(&source, &ReadOptions::default()).unwrap().node;
    Layer { source, root }
}

#[test]
fn every_value_knows_where_it_was_set() {
    let chart = helm_chart(&[
        (
            "Chart.yaml",
            "apiVersion: v2\nname: web\nversion: 1.0.0\ndependencies:\n- name: db\n  version: 1.0.0\n  alias: data\n  \
             import-values: [out, {child: deep, parent: here.there}]\n",
        ),
        ("values.yaml", "a: 1\nb:\n  c: 2\n  list: [x, y]\ndata:\n  size: 1\nglobal:\n  zone: z\n"),
        ("charts/db/Chart.yaml", "apiVersion: v2\nname: db\nversion: 1.0.0\n"),
        (
            "charts/db/values.yaml",
            "size: 0\nport: 5432\nglobal: {zone: own, only: here}\nexports: {out: {imported: 1}}\ndeep: {x: 1}\n",
        ),
    ]);
    let layers = vec![
        layer("one.yaml", "b: {c: 3}\ne: 1\nx: 1\n"),
        layer("two.yaml", "e: 2\ndata: {global: {zone: q}}\nx: ~\n"),
    ];
    let (prepared, warnings) = prepare(&chart, layers).unwrap();
    assert!(warnings.is_empty(), "{warnings:?}");
    for (path, expected) in [
        ("a", "charts/web/values.yaml:1:4"),
        ("b.c", "one.yaml:1:8"),
        ("b.list", "charts/web/values.yaml:4:9"),
        ("b.list.1", "charts/web/values.yaml:4:13"),
        ("e", "two.yaml:1:4"),
        ("x", "two.yaml:3:4"),
        ("data.size", "charts/web/values.yaml:6:9"),
        ("data.port", "charts/web/charts/db/values.yaml:2:7"),
        ("global.zone", "charts/web/values.yaml:8:9"),
        ("data.global.zone", "charts/web/values.yaml:8:9"),
        ("data.global.only", "charts/web/charts/db/values.yaml:3:27"),
        ("imported", "charts/web/charts/db/values.yaml:4:27"),
        ("here.there.x", "charts/web/charts/db/values.yaml:5:11"),
    ] {
        let keys: Vec<&str> = path.split('.').collect();
        let place = prepared.origin(&keys).map(|place| place.to_string());
        assert_eq!(place.as_deref(), Some(expected), "{path}");
    }
    assert!(prepared.origin(&["none"]).is_none());
}

#[test]
fn what_does_not_fit_is_a_warning_with_its_place() {
    let chart = helm_chart(&[
        ("Chart.yaml", "name: web\nversion: 1.0.0\n"),
        ("values.yaml", "a: {t: {x: 1}, s: 1}\nglobal: 5\nb: 1\n"),
        ("charts/db/Chart.yaml", "name: db\nversion: 1.0.0\n"),
    ]);
    let (_, warnings) = prepare(&chart, vec![layer("v.yaml", "a:\n  t: 5\n  s: {y: 1}\nb: {c: 1}\n")]).unwrap();
    let texts: Vec<String> = warnings
        .iter()
        .map(|w| format!("{} @ {}", w.message, w.place.as_ref().map_or(String::new(), ToString::to_string)))
        .collect();
    assert_eq!(
        texts,
        [
            "`a.t` is a mapping in the chart's own values, an integer is laid over it @ v.yaml:2:6",
            "`a.s` is a number in the chart's own values, a mapping is laid over it @ v.yaml:3:6",
            "`b` is a number in the chart's own values, a mapping is laid over it @ v.yaml:4:4",
            "`global` is a number, not a mapping: subcharts do not see it @ charts/web/values.yaml:2:9",
        ]
    );
}

#[test]
fn errors_say_what_is_missing_and_where() {
    let chart = helm_chart(&[(
        "Chart.yaml",
        "apiVersion: v2\nname: web\nversion: 1.0.0\ndependencies:\n- {name: db, version: 1.0.0}\n- {name: mq, version: 1}\n",
    )]);
    let errors = prepare(&chart, Vec::new()).unwrap_err();
    let text = errors[0].to_string();
    assert!(text.contains("found in Chart.yaml, but missing in charts/ directory: db, mq"), "{text}");
    assert!(text.contains("charts/web/Chart.yaml:5:3") && text.contains("into charts/web/charts"), "{text}");

    let chart = helm_chart(&[
        ("Chart.yaml", "name: web\nversion: 1.0.0\n"),
        ("values.yaml", "a: 1\ndb: text\n"),
        ("charts/db/Chart.yaml", "name: db\nversion: 1.0.0\n"),
    ]);
    let text = prepare(&chart, Vec::new()).unwrap_err()[0].to_string();
    assert!(text.contains("`db` must be a mapping") && text.contains("charts/web/values.yaml:2:5"), "{text}");
}

#[test]
fn imports_that_feed_each_other_end_in_an_error_or_a_result() {
    let chart = helm_chart(&[
        (
            "Chart.yaml",
            "name: web\nversion: 1.0.0\ndependencies:\n- name: db\n  version: 1.0.0\n  import-values:\n  \
             - {child: a, parent: a}\n  - {child: x, parent: a.q}\n",
        ),
        ("requirements.yaml", ""),
        ("charts/db/Chart.yaml", "name: db\nversion: 1.0.0\n"),
        ("charts/db/values.yaml", "x: {y: 1}\na: {b: 2}\n"),
    ]);
    assert!(prepare(&chart, Vec::new()).is_ok());
    let chart = helm_chart(&[
        (
            "Chart.yaml",
            "name: web\nversion: 1.0.0\ndependencies:\n- name: db\n  version: 1.0.0\n  import-values:\n  \
             - {child: x.a, parent: a}\n  - {child: x, parent: a.q}\n",
        ),
        ("charts/db/Chart.yaml", "name: db\nversion: 1.0.0\n"),
        ("charts/db/values.yaml", "x: {a: {b: 2}}\n"),
    ]);
    let errors = prepare(&chart, Vec::new()).unwrap_err();
    assert!(errors[0].help.as_ref().unwrap().contains("import-values"), "{}", errors[0]);
}

#[test]
fn a_tera_chart_keeps_its_order_and_exact_numbers() {
    let chart = helm_chart(&[
        ("Chart.yaml", "apiVersion: kcfg.dev/v1\nname: web\nversion: 1.0.0\n"),
        ("values.yaml", "zone: z\nports: {web: 80, admin: 8080}\nname: x\n"),
        ("charts/db/Chart.yaml", "apiVersion: kcfg.dev/v1\nname: db\nversion: 1.0.0\n"),
        ("charts/db/values.yaml", "size: 9007199254740993\nport: 1\n"),
    ]);
    let text = "added: 1\nports: {extra: 1, admin: 9}\nname: y\nzone: null\ndb: {port: 2, also: 3}\n";
    let (prepared, _) = prepare(&chart, vec![layer("v.yaml", text)]).unwrap();
    let show = |node: &Node| node.as_map().unwrap().keys().map(AsRef::as_ref).collect::<Vec<_>>().join(" ");
    assert_eq!(show(&prepared.values), "ports name added db");
    assert_eq!(show(prepared.values.get("ports").unwrap()), "web admin extra");
    assert_eq!(show(prepared.values.get("db").unwrap()), "size port also global");
    assert_eq!(prepared.values.at(&["db", "size"]).unwrap().value, Value::Int(9_007_199_254_740_993));
}

mod properties {
    use super::*;
    use proptest::prelude::*;

    fn node() -> impl Strategy<Value = Node> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::Bool),
            (0..9i64).prop_map(Value::Int),
            "[a-c]{0,2}".prop_map(Value::from),
        ]
        .prop_map(Node::new);
        leaf.prop_recursive(4, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..3).prop_map(Node::new),
                mapping(inner).prop_map(Node::new),
            ]
        })
    }

    fn mapping(inner: impl Strategy<Value = Node>) -> impl Strategy<Value = Value> {
        prop::collection::btree_map("[a-d]", inner, 0..4).prop_map(|map| {
            let entry = |(key, node): (String, Node)| {
                (key.into(), crate::yaml::Entry { key_span: crate::error::Span::NONE, node })
            };
            Value::Map(map.into_iter().map(entry).collect())
        })
    }

    fn root() -> impl Strategy<Value = Node> {
        mapping(node()).prop_map(Node::new)
    }

    fn merged(a: &Node, b: &Node) -> Node {
        let mut merged = a.clone();
        merge_over(&mut merged, b);
        merged
    }

    fn chart_of(values: &Node) -> Arc<Chart> {
        let mut chart = chart::load(
            "c",
            vec![ChartFile { path: "Chart.yaml".into(), bytes: b"name: c\nversion: 1.0.0".as_slice().into() }],
        )
        .unwrap()
        .chart;
        chart.values = values.clone();
        Arc::new(chart)
    }

    fn over_chart(chart: &Node, values: &Node) -> Node {
        prepare_merged(&chart_of(chart), values, Vec::new()).unwrap().0.values
    }

    proptest! {
        #[test]
        fn nothing_changes_nothing(a in root()) {
            let empty = Node::new(Value::Map(crate::yaml::Map::default()));
            prop_assert_eq!(&merged(&a, &empty), &a);
            prop_assert_eq!(&merged(&empty, &a), &a);
            prop_assert_eq!(&over_chart(&a, &empty), &a);
            prop_assert_eq!(&over_chart(&empty, &a), &a);
        }

        #[test]
        fn a_layer_twice_is_a_layer_once(a in root(), b in root()) {
            prop_assert_eq!(merged(&merged(&a, &b), &b), merged(&a, &b));
        }

        #[test]
        fn what_is_laid_over_wins_at_every_leaf(chart in root(), values in root()) {
            fn check(values: &Node, merged: Option<&Node>) -> bool {
                match &values.value {
                    // A null deletes, or stays.
                    Value::Null => merged.is_none_or(Node::is_null),
                    Value::Map(map) => merged.is_some_and(|m| map.iter().all(|(key, entry)| check(&entry.node, m.get(key)))),
                    _ => merged == Some(values),
                }
            }
            let merged = over_chart(&chart, &values);
            prop_assert!(check(&values, Some(&merged)), "{:?}", merged);
        }
    }
}

#[test]
fn values_that_do_not_fit_a_schema_are_refused_where_they_were_set() {
    let chart = helm_chart(&[
        ("Chart.yaml", "name: web\nversion: 1.0.0\n"),
        ("values.yaml", "a: 1\ndb: {port: 1}\n"),
        ("values.schema.json", r#"{"required": ["name"], "properties": {"a": {"type": "integer"}}}"#),
        ("charts/db/Chart.yaml", "name: db\nversion: 1.0.0\n"),
        ("charts/db/values.yaml", "port: 5432\nsize: big\n"),
        (
            "charts/db/values.schema.json",
            r#"{"properties": {"port": {"type": "integer"}, "size": {"type": "integer"}}}"#,
        ),
    ]);
    let errors = prepare(&chart, vec![layer("v.yaml", "a: one\ndb:\n  port: x\n")]).unwrap_err();
    let texts: Vec<String> = errors
        .iter()
        .map(|e| format!("{} @ {}", e.message, e.place.as_ref().map_or(String::new(), ToString::to_string)))
        .collect();
    assert_eq!(
        texts,
        [
            "the values: missing property \"name\" @ v.yaml:1:1",
            "`a`: got string, want integer @ v.yaml:1:4",
            "`db.port`: got string, want integer @ v.yaml:3:9",
            "`db.size`: got string, want integer @ charts/web/charts/db/values.yaml:2:7",
        ]
    );
    assert!(errors[2].notes[0].place.as_ref().unwrap().to_string() == "charts/web/charts/db/values.schema.json");
    let (_, warnings) = prepare(&chart, vec![layer("v.yaml", "name: x\ndb: {size: 5}\n")]).unwrap();
    assert!(warnings.is_empty());
}
