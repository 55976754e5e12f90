//! What must hold for any bytes whatever: each of [`CHECKS`] is a target of cargo-fuzz, and tests/fuzz.rs runs the same
//! functions on inputs made from a fixed seed.
//!
//! In: bytes. Out: nothing, or a panic that says what does not hold. Absent: where the bytes come from.

use std::sync::{Arc, LazyLock};

use kcfg::chart::{self, ChartFile};
use kcfg::engine::{self, Capabilities, Engine, KubeVersion, Randomness, RenderInput, RenderOutput};
use kcfg::error::{Diagnostic, Source, Span};
use kcfg::gotmpl::{self, Functions, Text};
use kcfg::manifest;
use kcfg::values::set::{self, SetKind};
use kcfg::values::{self, Layer, Prepared};
use kcfg::yaml::{self, DuplicateKeys, Node, Numbers, ReadOptions, Value};

/// A name, and what must hold.
pub type Check = (&'static str, fn(&[u8]));

/// All of them, by the names of their targets.
#[allow(dead_code)]
pub const CHECKS: &[Check] = &[
    ("gotmpl_parse", gotmpl_parse),
    ("helm_render", helm_render),
    ("tera_render", tera_render),
    ("values_set", values_set),
    ("yaml_read", yaml_read),
    ("yaml_roundtrip", yaml_roundtrip),
];

/// What stands between two expressions of [`values_set`].
pub const EXPRESSION_END: u8 = 0;

/// Any text is a template or refused with a place in it.
pub fn gotmpl_parse(bytes: &[u8]) {
    static FUNCTIONS: Functions = Functions::new(gotmpl::sprig::TABLES);
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let text = Arc::new(Text { name: "t".into(), text: text.into() });
    if let Err(error) = gotmpl::parse(&text, &FUNCTIONS) {
        assert!(!error.message.is_empty());
        for span in [Some(error.site.span), error.opened].into_iter().flatten() {
            let bytes = span.start as usize..span.end as usize;
            assert!(text.text.get(bytes).is_some(), "{span:?} is no part of the text: {error}");
        }
    }
}

/// Whatever a template of a Helm chart does ends with a text or with findings, the same every time; and that text is
/// split into documents or refused.
pub fn helm_render(bytes: &[u8]) {
    render("apiVersion: v2\nname: web\nversion: 1.2.3\n", bytes);
}

/// The same for a chart of Tera templates.
pub fn tera_render(bytes: &[u8]) {
    render("apiVersion: kcfg.dev/v1\nname: web\nversion: 1.2.3\n", bytes);
}

/// The first byte says which flag, the rest are its expressions: each sets something, or is refused with a place.
pub fn values_set(bytes: &[u8]) {
    let Some((flag, expressions)) = bytes.split_first() else { return };
    let read = |path: &str| match path.starts_with("no") {
        true => Err(Diagnostic::error(format!("there is no file {path}"))),
        false => Ok(path.to_owned()),
    };
    let kinds = [SetKind::Typed, SetKind::Text, SetKind::Json, SetKind::File(&read), SetKind::Literal];
    let kind = kinds[usize::from(*flag) % kinds.len()];
    let mut base = Node::new(Value::Null);
    for expression in expressions.split(|byte| *byte == EXPRESSION_END) {
        let Ok(expression) = std::str::from_utf8(expression) else { return };
        if let Err(error) = set::parse_into(&mut base, expression, kind) {
            expect_finding(&error, true);
        }
        if let Ok(layer) = set::layer(expression, kind) {
            assert!(matches!(layer.root.value, Value::Map(_)));
        }
    }
    assert!(matches!(base.value, Value::Map(_)));
}

/// Any bytes are read or refused with a message.
pub fn yaml_read(bytes: &[u8]) {
    let source = match yaml::decode(bytes, "input.yaml") {
        Ok(source) => source,
        Err(error) => return expect_finding(&error, false),
    };
    for numbers in [Numbers::Exact, Numbers::Float64] {
        let options = ReadOptions { numbers, ..ReadOptions::default() };
        if let Err(error) = yaml::read(&source, &options) {
            expect_finding(&error, true);
        }
    }
    let strict = ReadOptions { duplicate_keys: DuplicateKeys::Error, ..ReadOptions::default() };
    let _ = yaml::read_all(&source, &strict);
    let _ = yaml::go::from_yaml(&source.text);
    let _ = yaml::from_json("input.json", &source.text, Numbers::Exact);
    expect_same_head(&source);
}

/// Reading the head finds what reading everything finds.
fn expect_same_head(source: &Arc<Source>) {
    const WANTED: yaml::Wanted<'_> = &[("kind", None), ("name", None), ("a", Some("b")), ("metadata", Some("name"))];
    let show = |read: Result<yaml::Document, Diagnostic>| match read {
        Err(error) => error.to_string(),
        Ok(yaml::Document { node, is_empty, warnings }) => {
            let warnings: String = warnings.iter().map(ToString::to_string).collect();
            let at = |(key, below): &(&str, Option<&str>)| match (node.get(key), below) {
                (Some(Node { value: Value::Map(map), .. }), Some(below)) => format!("{:?}", map.get(*below)),
                (found, _) => format!("{found:?}"),
            };
            let found: Vec<String> = WANTED.iter().map(at).collect();
            format!("{is_empty} {:?} {found:?} {warnings}", node.span)
        }
    };
    let (options, span) = (ReadOptions::default(), Span::new(0, source.text.len()));
    let head = yaml::read_head(source, span, &options, WANTED);
    assert_eq!(show(head), show(yaml::read_part(source, span, &options)), "{}", &*source.text);
}

/// What the canonical emitter writes is read back as the same value, and written the same again.
pub fn yaml_roundtrip(bytes: &[u8]) {
    let Ok(source) = yaml::decode(bytes, "input.yaml") else { return };
    let Ok(documents) = yaml::read_all(&source, &ReadOptions::default()) else { return };
    for document in documents {
        let mut written = String::new();
        yaml::canonical(&document.node.value, &mut written);
        let source = Source::new("written.yaml", written.as_str());
        let again = yaml::read(&source, &ReadOptions::default()).expect("what was written can be read");
        assert_eq!(again.node, document.node, "{written}");
        let mut twice = String::new();
        yaml::canonical(&again.node.value, &mut twice);
        assert_eq!(twice, written);
        for style in [yaml::go::Style::ToYaml, yaml::go::Style::Pretty] {
            let _ = yaml::go::to_string(&document.node.value, style);
        }
    }
}

/// A finding that a person can use, and that can be printed.
fn expect_finding(finding: &Diagnostic, has_place: bool) {
    assert!(!finding.message.is_empty());
    assert!(finding.place.is_some() || !has_place, "no place: {finding}");
    assert!(finding.to_string().ends_with('\n'));
}

/// Values that hold something of every kind.
const VALUES: &str = "\
name: web
count: 3
big: 1e6
half: 0.5
yes: true
no: false
nil: null
empty: ''
list: [a, b, c]
none: []
mixed: [1, x, null, true, {k: v}]
map: {b: 2, a: 1, c: {d: deep}}
maps: [{name: x, v: 1}, {name: y}]
text: \"two\\nlines\"
tmpl: '{{ .Values.name }}'
image: {repository: nginx, tag: 1.27.0}
";
/// A partial that templates can include, and one that includes itself.
const HELM_PARTIALS: &str = r#"{{ define "web.name" }}{{ .Values.name | trunc 63 }}{{ end -}}
{{ define "web.again" }}{{ include "web.again" . }}{{ end -}}
"#;

/// A chart of one template, rendered twice.
fn render(metadata: &str, template: &[u8]) {
    let file = |path: &str, bytes: &[u8]| ChartFile { path: path.to_owned(), bytes: bytes.into() };
    let mut files = vec![
        file("Chart.yaml", metadata.as_bytes()),
        file("values.yaml", VALUES.as_bytes()),
        file("conf/app.ini", b"debug = no\n"),
        file("templates/t.yaml", template),
    ];
    if !metadata.contains("kcfg.dev") {
        files.push(file("templates/_helpers.tpl", HELM_PARTIALS.as_bytes()));
    }
    let chart = match chart::load("charts/web", files) {
        Ok(loaded) => Arc::new(loaded.chart),
        Err(findings) => return findings.iter().for_each(|finding| expect_finding(finding, true)),
    };
    let (prepared, _) = values::prepare(&chart, Vec::<Layer>::new()).expect("the values are fine");
    let compiled = engine::compile(&chart);
    let [first, second] = [&compiled; 2].map(|engine| render_once(engine.as_deref(), &prepared));
    assert_eq!(shown(&first), shown(&second), "two runs differ");
    match first {
        Ok(output) => match manifest::sort(output.files) {
            Ok(sorted) => sorted.warnings.iter().for_each(|finding| expect_finding(finding, true)),
            Err(findings) => findings.iter().for_each(|finding| expect_finding(finding, true)),
        },
        Err(findings) => {
            assert!(!findings.is_empty());
            findings.iter().for_each(|finding| expect_finding(finding, true));
        }
    }
}

fn render_once(
    engine: Result<&dyn Engine, &Vec<Diagnostic>>,
    prepared: &Prepared,
) -> Result<RenderOutput, Vec<Diagnostic>> {
    static CAPABILITIES: LazyLock<Capabilities> =
        LazyLock::new(|| Capabilities::new(KubeVersion::parse("1.33.0").expect("it is a version"), &[]));
    engine.map_err(Clone::clone)?.render(&RenderInput {
        release_name: "rel",
        namespace: "shop",
        environment: "prod",
        is_upgrade: false,
        prepared,
        capabilities: &CAPABILITIES,
        randomness: Randomness::Fixed(0),
    })
}

/// All that a run gave.
fn shown(result: &Result<RenderOutput, Vec<Diagnostic>>) -> Vec<String> {
    match result {
        Ok(output) => {
            let texts = output.files.iter().map(|file| file.text.to_string());
            texts.chain(output.warnings.iter().map(ToString::to_string)).collect()
        }
        Err(findings) => findings.iter().map(ToString::to_string).collect(),
    }
}
