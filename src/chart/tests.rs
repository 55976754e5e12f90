//! Loading: which file is what, and what is refused with which words.

use super::*;
use crate::yaml::Value;

fn files(files: &[(&str, &str)]) -> Vec<ChartFile> {
    files.iter().map(|(path, text)| ChartFile { path: (*path).to_string(), bytes: text.as_bytes().into() }).collect()
}

const CHART_YAML: &str = "apiVersion: v2\nname: web\nversion: 1.0.0\n";

fn check_error(given: &[(&str, &str)], expected: &[&str]) {
    let errors = load("charts/web", files(given)).unwrap_err();
    let text: String = errors.iter().map(ToString::to_string).collect();
    for part in expected {
        assert!(text.contains(part), "{part:?} is not in\n{text}");
    }
}

#[test]
fn every_file_has_its_place() {
    let sub = "apiVersion: v1\nname: db\nversion: 0.1.0\n";
    let loaded = load(
        "charts/web",
        files(&[
            ("templates/b/a.yaml", "x"),
            ("templates/_helpers.tpl", "\u{feff}h"),
            ("templates/.hidden", "x"),
            ("templates/NOTES.txt", "n"),
            ("values.yaml", "size: 5\nlist: [1]\n"),
            ("values.schema.json", "{}"),
            ("Chart.yaml", CHART_YAML),
            ("Chart.lock", "digest: checked"),
            ("README.md", "r"),
            (".helmignore", "*.bak\nsecret/\n"),
            ("a.bak", "x"),
            ("secret/key", "x"),
            ("charts/db/secret/key", "x"),
            ("charts/db/Chart.yaml", sub),
            ("charts/db/.helmignore", "*"),
            ("charts/db/requirements.yaml", "dependencies: []"),
            ("charts/db/templates/.x", "only ignored at the top"),
            ("charts/_old/whatever", "x"),
            ("charts/.gitkeep", ""),
            ("charts/db.tgz.prov", "signature"),
            ("crds/a.yaml", "crd"),
            ("crds/README.md", "r"),
        ]),
    )
    .unwrap();
    let chart = loaded.chart;
    assert!(loaded.warnings.is_empty());
    let paths = |files: &[ChartFile]| files.iter().map(|file| file.path.clone()).collect::<Vec<_>>();
    let templates: Vec<&str> = chart.templates.iter().map(|template| template.path.as_str()).collect();
    assert_eq!(templates, ["templates/NOTES.txt", "templates/_helpers.tpl", "templates/b/a.yaml"]);
    assert_eq!(chart.templates[1].source.name, "charts/web/templates/_helpers.tpl");
    assert_eq!(&*chart.templates[1].source.text, "h");
    assert_eq!(
        paths(&chart.files),
        [".helmignore", "README.md", "charts/db.tgz.prov", "crds/README.md", "crds/a.yaml"]
    );
    assert_eq!(paths(&chart.crds), ["crds/a.yaml"]);
    assert_eq!(chart.schema.unwrap().source.name, "charts/web/values.schema.json");
    assert_eq!(chart.values.get("size").unwrap().value, Value::Float(5.0));
    assert_eq!(chart.dependencies.len(), 1);
    let db = &chart.dependencies[0];
    assert_eq!((db.location.as_str(), db.metadata.name.as_str()), ("charts/web/charts/db", "db"));
    assert_eq!(paths(&db.files), [".helmignore", "requirements.yaml"]);
    assert_eq!(db.templates[0].path, "templates/.x");
    assert!(db.metadata.dependencies.as_ref().is_some_and(Vec::is_empty));
}

#[test]
fn a_tera_chart_has_exact_numbers() {
    let chart_yaml = "apiVersion: kcfg.dev/v1\nname: web\nversion: 1.0.0\n";
    let given = [("Chart.yaml", chart_yaml), ("values.yaml", "size: 18446744073709551615")];
    let chart = load("c", files(&given)).unwrap().chart;
    assert_eq!(chart.engine, EngineKind::Tera);
    assert_eq!(chart.values.get("size").unwrap().value, Value::UInt(u64::MAX));
    check_error(
        &[("Chart.yaml", chart_yaml), ("charts/db/Chart.yaml", CHART_YAML)],
        &["another template engine", "charts/web/charts/db/Chart.yaml:1:13"],
    );
}

#[test]
fn duplicate_keys_are_a_warning_with_both_lines() {
    let given = [("Chart.yaml", CHART_YAML), ("values.yaml", "a: 1\nb: 2\na: 3\n")];
    let loaded = load("c", files(&given)).unwrap();
    assert_eq!(loaded.warnings.len(), 1);
    let text = loaded.warnings[0].to_string();
    assert!(text.contains("c/values.yaml:1:1") && text.contains("c/values.yaml:3:1"), "{text}");
}

#[test]
fn a_missing_chart_yaml_says_what_is_there() {
    check_error(&[], &["no Chart.yaml", "--> charts/web", "no files"]);
    check_error(&[("chart.yaml", "")], &["rename `chart.yaml` to `Chart.yaml`"]);
    check_error(&[("Chart.yml", "")], &["rename `Chart.yml`"]);
    check_error(&[("app/Chart.yaml", "")], &["charts/web/app; is that"]);
    check_error(&[("a/b", ""), ("a/c", ""), ("d", "")], &["there is: a, d\n"]);
    check_error(&[("Chart.yaml", CHART_YAML), ("charts/db/x", "")], &["--> charts/web/charts/db\n", "no Chart.yaml"]);
}

#[test]
fn bad_metadata_is_refused_with_its_place() {
    let check = |text: &str, expected: &[&str]| check_error(&[("Chart.yaml", text)], expected);
    check("a: [", &["charts/web/Chart.yaml:1:"]);
    check("", &["has no `name`", "add `name: web`", "has no `version`"]);
    check("- a", &["the file must be a mapping, this is a list"]);
    check(
        "apiVersion: kcfg.dev/v2\nname: a\nversion: 1.0.0",
        &["`kcfg.dev/v2` is not", "Chart.yaml:1:13", "`kcfg.dev/v1`"],
    );
    check("name: a/b\nversion: one", &["`a/b` cannot be", "`one` is not a version", "Chart.yaml:2:10"]);
    check(
        "name: [a]\nversion: 1.0.0\nkeywords: x\ndeprecated: 'true'",
        &[
            "`name` must be text, this is a list",
            "`keywords` must be a list, this is text",
            "`deprecated` must be true or false, this is text",
        ],
    );
    check("name: a\nversion: 1.0.0\ntype: lib", &["`type` must be application or library"]);
    check("name: a\nversion: 1.0.0\nmaintainers: [null]", &["`maintainers` must be a list of mappings"]);
    check(
        "name: a\nversion: 1.0.0\ndependencies:\n- name: x\n- name: y\n  alias: x\n- {name: z, alias: a b}",
        &["name or alias `x`", "Chart.yaml:5:3", "the alias of the dependency `z`"],
    );
}

#[test]
fn files_that_cannot_be_read_are_refused_by_name() {
    let with = |path: &'static str, bytes: &'static [u8]| {
        vec![
            ChartFile { path: "Chart.yaml".into(), bytes: CHART_YAML.as_bytes().into() },
            ChartFile { path: path.into(), bytes: bytes.into() },
        ]
    };
    for (path, bytes, expected) in [
        ("templates/a.yaml", &b"ok\n\xff"[..], "charts/web/templates/a.yaml:2:1"),
        ("values.yaml", b"a: \xc3", "charts/web/values.yaml:1:4"),
        ("values.yaml", b"a: [", "charts/web/values.yaml:1:"),
        ("values.yaml", b"- a", "values must be a mapping, this is a list"),
        ("values.schema.json", b"\xff", "charts/web/values.schema.json"),
        ("requirements.yaml", b"dependencies: 5", "`dependencies` must be a list"),
        ("charts/README.md", b"", "this is not a chart"),
        ("charts/db.tgz", b"", "cannot unpack"),
        ("charts/db.tgz/x", b"", "it is a folder"),
        (".helmignore", b"ok\n**", "charts/web/.helmignore:2:1"),
    ] {
        let errors = load("charts/web", with(path, bytes)).unwrap_err();
        let text = errors[0].to_string();
        assert!(text.contains(expected), "{expected:?} is not in\n{text}");
    }
    // A file for `.Files` may hold anything.
    assert!(load("charts/web", with("logo.png", b"\xff\x00")).is_ok());
}

#[test]
fn requirements_in_a_v2_chart_are_read_and_warned_of() {
    let given = [("Chart.yaml", CHART_YAML), ("requirements.yaml", "dependencies: [{name: db, version: 1.0}]")];
    let loaded = load("c", files(&given)).unwrap();
    assert_eq!(loaded.chart.metadata.dependencies.unwrap()[0].version, "1");
    assert!(loaded.chart.files.is_empty());
    assert!(loaded.warnings[0].message.contains("requirements.yaml"));
}

#[test]
fn packed_subcharts_are_charts() {
    let packed = archive::pack(&[("db/Chart.yaml", b"name: db\nversion: 1.0.0"), ("db/templates/a.yaml", b"a")]);
    let mut given = files(&[("Chart.yaml", CHART_YAML)]);
    given.push(ChartFile { path: "charts/db-1.0.0.tgz".into(), bytes: packed.into() });
    let chart = load("c", given).unwrap().chart;
    assert_eq!(chart.dependencies[0].metadata.api_version, "v1");
    assert_eq!(chart.dependencies[0].templates[0].source.name, "c/charts/db-1.0.0.tgz/templates/a.yaml");
}

#[test]
fn subcharts_nest_only_so_deep() {
    let path = |depth: usize| format!("{}Chart.yaml", "charts/a/".repeat(depth));
    let given =
        (0..=DEPTH_MAX + 1).map(|depth| ChartFile { path: path(depth), bytes: CHART_YAML.as_bytes().into() }).collect();
    assert!(load("c", given).unwrap_err()[0].message.contains("nested more than"));
}

#[test]
fn the_files_of_a_chart_are_counted() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    std::fs::write(folder.path().join("Chart.yaml"), CHART_YAML).expect("it can be written");
    for number in 0..FILE_COUNT_MAX {
        std::fs::File::create(folder.path().join(number.to_string())).expect("it can be made");
    }
    let error = read_folder(folder.path(), "charts/web", folder.path()).expect_err("that is one too many");
    assert!(error.message.contains("more than 20000 files and folders (FILE_COUNT_MAX)"), "{error}");
}
