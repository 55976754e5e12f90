//! Tests of the table, of docs/tera.md, of the limits, and the golden folders of fixtures/tera.
//!
//! A folder fixtures/tera/<case>/ holds a chart in chart/, perhaps values.yaml, and expected.yaml (the texts) or
//! expected-error.txt (the diagnostics). Adding a folder adds a test; `UPDATE=1 cargo test` writes what is expected.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use super::table::{Imp, Kind, ROWS};
use super::*;
use crate::chart::ChartFile;
use crate::engine::{Capabilities, KubeVersion, Randomness};
use crate::values::{Layer, Prepared};
use crate::yaml;

/// What the examples of the table, and docs/tera.md, see.
const EXAMPLE_VALUES: &str = "\
name: web
replicas: 2
motto: say \"hi\"
image: {repository: nginx, tag: 1.27.0}
ports: [80, 443]
labels: {tier: front, \"on\": \"yes\"}
empty: {}
none: null
";
const EXAMPLE_FILES: &[(&str, &str)] = &[("conf/app.ini", "debug = no"), ("conf/log.ini", "level = warn")];

fn top() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn file(path: &str, text: &str) -> ChartFile {
    ChartFile { path: path.to_owned(), bytes: text.as_bytes().into() }
}

fn chart(files: Vec<ChartFile>, location: &str) -> Result<Arc<Chart>, Vec<Diagnostic>> {
    crate::chart::load(location, files).map(|loaded| Arc::new(loaded.chart))
}

/// A chart of these templates.
fn chart_of(templates: &[(&str, &str)]) -> Arc<Chart> {
    let mut files = vec![
        file("Chart.yaml", "apiVersion: kcfg.dev/v1\nname: demo\nversion: 1.2.3\nappVersion: \"4.5\"\n"),
        file("values.yaml", EXAMPLE_VALUES),
    ];
    files.extend(EXAMPLE_FILES.iter().map(|(path, text)| file(path, text)));
    files.extend(templates.iter().map(|(name, text)| file(&format!("templates/{name}"), text)));
    chart(files, "charts/demo").expect("a chart of a test is valid")
}

fn render(chart: &Arc<Chart>, layers: Vec<Layer>) -> Result<RenderOutput, Vec<Diagnostic>> {
    let engine = TeraEngine::compile(chart)?;
    let (prepared, _) = crate::values::prepare(chart, layers)?;
    render_prepared(&engine, &prepared)
}

fn render_prepared(engine: &TeraEngine, prepared: &Prepared) -> Result<RenderOutput, Vec<Diagnostic>> {
    let version = KubeVersion { version: "v1.33.1-eks-1".to_owned(), major: "1".to_owned(), minor: "33".to_owned() };
    let api_versions = ["v1", "apps/v1", "autoscaling/v2", "policy/v1"].map(str::to_owned).to_vec();
    engine.render(&RenderInput {
        release_name: "web",
        namespace: "shop",
        environment: "staging",
        is_upgrade: false,
        prepared,
        capabilities: &Capabilities { kube_version: version, api_versions },
        randomness: Randomness::Fixed(0),
    })
}

/// The text of one template, or the diagnostics.
fn text_of(template: &str) -> Result<String, String> {
    match render(&chart_of(&[("x.yaml", template)]), Vec::new()) {
        Ok(out) => Ok(out.files.iter().map(|file| &*file.text).collect()),
        Err(findings) => Err(findings.iter().map(ToString::to_string).collect()),
    }
}

#[test]
fn the_examples_of_the_table_give_what_they_say() {
    for row in ROWS {
        assert!(!row.examples.is_empty(), "{} has no example", row.name);
        for (template, expected) in row.examples {
            assert_eq!(text_of(template).as_deref(), Ok(*expected), "{}: {template}", row.name);
        }
    }
}

#[test]
fn the_table_holds_all_that_tera_has() {
    // Tera counts them in its Debug form only.
    let shown = format!("{:?}", fresh(&chart_of(&[])));
    for (kind, field) in [(Kind::Filter, "filters"), (Kind::Test, "tests"), (Kind::Function, "functions")] {
        let names: std::collections::BTreeSet<_> = table::names(kind).collect();
        assert_eq!(names.len(), table::names(kind).count(), "a name stands twice among the {field}");
        assert!(shown.contains(&format!(" {field}: {},", names.len())), "{field}: {} rows, but {shown}", names.len());
    }
}

#[test]
fn signatures_name_the_arguments_that_are_taken() {
    for row in ROWS {
        let (Imp::Filter(known, _) | Imp::Test(known, _) | Imp::Function(known, _)) = row.imp else { continue };
        let inside = row.signature.split_once('(').map_or("", |(_, rest)| rest.trim_end_matches(')'));
        let named: Vec<_> =
            inside.split(", ").filter(|s| !s.is_empty()).map(|s| s.split('=').next().unwrap_or(s)).collect();
        assert_eq!(named, known, "{}", row.name);
    }
}

#[test]
fn nothing_that_is_meant_exists() {
    let there: Vec<_> = table::MEANT
        .iter()
        .filter(|(name, _)| table::names(Kind::Filter).chain(table::names(Kind::Function)).any(|known| known == *name))
        .collect();
    assert!(there.is_empty(), "{there:?}");
}

#[test]
fn the_documentation_is_in_step_with_the_table() {
    let mut out = String::from(
        "# Filters, tests and functions of Tera charts\n\n\
         <!-- Written from src/engine/tera/table.rs: `UPDATE=1 cargo test` writes it anew. -->\n\n\
         Arguments always have names: `| nindent(width=4)`, never `| nindent(4)`. An argument that is not listed is an\n\
         error for kcfg's own; Tera's ignore it. The language itself (`if`, `for`, `set`, `include`, components, `or`,\n\
         `a if b else c`, comprehensions) is [Tera's](https://keats.github.io/tera/); how a chart is laid out stands in\n\
         [charts-in-tera.md](charts-in-tera.md).\n\n\
         The examples are tests. They see these values:\n\n```yaml\n",
    );
    out.push_str(EXAMPLE_VALUES);
    out.push_str("```\n\nand these files: ");
    let files: Vec<_> = EXAMPLE_FILES.iter().map(|(path, text)| format!("`{path}` (`{text}`)")).collect();
    let _ = writeln!(out, "{}.", files.join(", "));
    for (kind, title) in [(Kind::Filter, "Filters"), (Kind::Test, "Tests"), (Kind::Function, "Functions")] {
        let _ = writeln!(out, "\n## {title}");
        let mut rows: Vec<_> = ROWS.iter().filter(|row| row.kind == kind).collect();
        rows.sort_by_key(|row| row.name);
        for row in rows {
            let origin = if matches!(row.imp, Imp::Tera) { " (Tera's own)" } else { "" };
            let _ = writeln!(out, "\n### `{}`{origin}\n\n{}\n\n```jinja", row.signature, row.doc);
            for (index, (template, result)) in row.examples.iter().enumerate() {
                let gap = if index > 0 { "\n" } else { "" };
                let _ = writeln!(out, "{gap}{template}\n{{# gives #}}\n{}", result.trim_end());
            }
            out.push_str("```\n");
        }
    }
    same_as_file(&top().join("docs/tera.md"), &out);
}

#[test]
fn the_golden_folders_give_what_they_expect() {
    let folder = top().join("fixtures/tera");
    let mut cases: Vec<_> =
        fs::read_dir(&folder).expect("fixtures/tera is there").map(|e| e.expect("an entry").path()).collect();
    cases.sort();
    assert!(!cases.is_empty());
    for case in cases {
        golden(&case);
    }
}

fn golden(case: &Path) {
    let read = |path: &Path| crate::chart::read_folder(path, "chart", path).map_err(|e| vec![e]);
    let result = read(&case.join("chart")).and_then(|files| chart(files, "chart")).and_then(|chart| {
        let layers = fs::read_to_string(case.join("values.yaml")).ok().map(|text| {
            let source = Source::new("values.yaml", text);
            let root = yaml::read(&source, &yaml::ReadOptions::default()).expect("values of a case are valid").node;
            Layer { source, root }
        });
        render(&chart, layers.into_iter().collect())
    });
    let (name, other, text) = match result {
        Ok(out) => {
            let texts = out.files.iter().map(|f| format!("---\n# Source: {}\n{}\n", f.path, f.text.trim_end()));
            ("expected.yaml", "expected-error.txt", texts.collect::<String>())
        }
        Err(findings) => {
            let texts: Vec<_> = findings.iter().map(ToString::to_string).collect();
            ("expected-error.txt", "expected.yaml", texts.join("\n"))
        }
    };
    assert!(!case.join(other).exists(), "{} expects {other}, but gives:\n{text}", case.display());
    same_as_file(&case.join(name), &text);
}

fn same_as_file(path: &Path, text: &str) {
    if std::env::var_os("UPDATE").is_some() {
        fs::write(path, text).expect("the expected file can be written");
    }
    let expected = fs::read_to_string(path).unwrap_or_default();
    let path = path.display();
    assert!(expected == text, "{path} is out of step; UPDATE=1 cargo test writes it. It should hold:\n{text}");
}

#[test]
fn many_threads_share_one_engine() {
    let chart = chart_of(&[("x.yaml", "{{ values.name }} {{ file(path='conf/app.ini') }}")]);
    let engine = TeraEngine::compile(&chart).expect("it compiles");
    let (prepared, _) = crate::values::prepare(&chart, Vec::new()).expect("values are valid");
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let out = render_prepared(&engine, &prepared).expect("it renders");
                assert_eq!(&*out.files[0].text, "web debug = no");
                assert_eq!(out.files[0].path, "demo/templates/x.yaml");
            });
        }
    });
}

#[test]
fn limits_have_names_and_are_kept() {
    let check = |template: &str, expected: &str| {
        let error = text_of(template).expect_err("the limit is passed");
        assert!(error.contains(expected), "{template}: {error}");
    };
    let long = "{% for i in range(end=100000) %}{% for j in range(end=1000) %}0123456789{% endfor %}{% endfor %}";
    check(long, "gives more than 16777216 bytes (OUTPUT_BYTES_MAX)");
    check("{{ range(end=100001) }}", "exceeds the limit of 100000");
    check("{{ 'x' | nindent(width=1001) }}", "not from 0 to 1000");
    check("{% component c() %}{{<c />}}{% endcomponent c %}{{<c />}}", "nested more than 20 deep");
    check(&format!("{{{{ {}1{} }}}}", "(".repeat(200), ")".repeat(200)), "x.yaml:1:");
}

#[test]
fn includes_have_a_limit_that_fits_the_stack_of_a_thread() {
    let chain = |len: usize| {
        let name = |i: usize| format!("_{i}.tera");
        let include = |i: usize| format!("{{% include \"{}\" %}}", name(i));
        let mut templates: Vec<_> =
            (0..len).map(|i| (name(i), if i + 1 == len { "end".to_owned() } else { include(i + 1) })).collect();
        templates.push(("x.yaml".to_owned(), include(0)));
        let templates: Vec<_> = templates.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
        render(&chart_of(&templates), Vec::new())
    };
    assert_eq!(
        chain(INCLUDE_DEPTH_MAX - 1).map(|out| out.files[0].text.clone()).map_err(|e| e[0].message.clone()),
        Ok("end".into())
    );
    let error = chain(2000).expect_err("too deep");
    assert!(error[0].message.contains("more than 8 deep"), "{}", error[0]);
    // Components between the includes count for themselves: the deepest nest that is allowed.
    let mut templates = vec![("x.yaml".to_owned(), "{{<c n={1} />}}".to_owned())];
    for i in 0..INCLUDE_DEPTH_MAX - 1 {
        templates.push((format!("_{i}.tera"), format!("{{% include \"_{}.tera\" %}}", i + 1)));
    }
    templates.push((format!("_{}.tera", INCLUDE_DEPTH_MAX - 1), "{{ <c n={1} /> }}".to_owned()));
    templates
        .push(("_c.tera".to_owned(), "{% component c(n) %}{% include \"_0.tera\" %}{% endcomponent c %}".to_owned()));
    let templates: Vec<_> = templates.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    let error = render(&chart_of(&templates), Vec::new()).expect_err("it never ends");
    assert!(error[0].message.contains("deep"), "{}", error[0]);
}

#[test]
fn the_guide_tells_the_limits_and_what_is_lenient() {
    let guide = fs::read_to_string(top().join("docs/charts-in-tera.md")).expect("the guide is there");
    let limits = format!(
        "give {} MiB of text; includes nest {INCLUDE_DEPTH_MAX} deep, components {COMPONENT_DEPTH_MAX}",
        OUTPUT_BYTES_MAX >> 20
    );
    assert!(guide.contains(&limits), "the guide should say: {limits}");
    for (template, expected) in [
        ("{% if values.typo %}a{% else %}b{% endif %}", "b"),
        ("{{ 'a' ~ values.typo }}", "a"),
        ("{{ values.typo == 'x' }}", "false"),
        ("{{ values?.a?.b or 'd' }}", "d"),
        ("{{ values.none | default(value='d') }}{{ values.none or 'd' }}", "d"),
        ("{{ false | default(value=true) }} {{ false or true }}", "false true"),
        ("{{ environment.name }} {{ release.namespace }}", "staging shop"),
    ] {
        assert_eq!(text_of(template).as_deref(), Ok(expected), "{template}");
    }
}

/// Templates that are broken in a few places: none may panic, every finding has a place and can be shown.
#[test]
fn broken_templates_give_diagnostics_with_places() {
    const CASES: usize = 400;
    const PIECES: &[&str] = &[
        "{{",
        "}}",
        "{%",
        "%}",
        "{#",
        "é",
        "\r\n",
        "\n",
        "\"",
        "'",
        "|",
        "[",
        "(",
        ")",
        "?.",
        "~",
        " is ",
        "{",
        "}",
        "-",
        "include \"x\n\"",
        "<labels />",
        "values.a.b",
        "99999999999999999999",
        "\0",
        "𝄞",
        "...",
    ];
    let seeds: Vec<String> = ["web", "worker"]
        .iter()
        .flat_map(|chart| fs::read_dir(top().join("charts").join(chart).join("templates")).expect("templates"))
        .map(|entry| fs::read_to_string(entry.expect("an entry").path()).expect("a template"))
        .collect();
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut below = move |n: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % n as u64).unwrap_or_default()
    };
    let mut refused = 0;
    for _ in 0..CASES {
        let mut text: Vec<char> = seeds[below(seeds.len())].chars().collect();
        for _ in 0..=below(3) {
            let at = below(text.len() + 1);
            let until = (at + below(6)).min(text.len());
            text.splice(at..until, PIECES[below(PIECES.len())].chars());
        }
        let text: String = text.into_iter().collect();
        if let Err(findings) = render(&chart_of(&[("x.yaml", &text), ("_lib.tera", &seeds[0])]), Vec::new()) {
            refused += 1;
            for finding in findings {
                assert!(finding.place.is_some(), "{finding}\n{text}");
                assert!(!finding.to_string().contains(args::OURS), "{finding}");
            }
        }
    }
    assert!(refused > CASES / 4, "{refused} of {CASES}");
}
