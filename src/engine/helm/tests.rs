//! Charts through the whole engine: objects, scopes, order, include and tpl, and how errors look.

use std::sync::Arc;

use super::*;
use crate::chart::{self, ChartFile};
use crate::engine::{Capabilities, KubeVersion, Randomness};
use crate::error::Source;
use crate::values::{Layer, prepare};
use crate::yaml::{Numbers, ReadOptions, read};

/// Renders a chart given as files; values come from `values`.
fn render(files: &[(&str, &str)], values: &str) -> Result<RenderOutput, Vec<Diagnostic>> {
    let mut all = vec![("Chart.yaml", "apiVersion: v2\nname: web\nversion: 1.2.3\nappVersion: \"4.5\"\n")];
    all.retain(|(path, _)| files.iter().all(|(other, _)| other != path));
    all.extend(files);
    let files = all.iter().map(|(path, text)| ChartFile { path: (*path).into(), bytes: text.as_bytes().into() });
    let chart = Arc::new(chart::load("charts/web", files.collect())?.chart);
    let source = Source::new("releases/prod/web.yaml", values);
    let options = ReadOptions { numbers: Numbers::Float64, ..ReadOptions::default() };
    let root = read(&source, &options).map_err(|error| vec![error])?.node;
    let (prepared, _) = prepare(&chart, vec![Layer { source, root }])?;
    let capabilities = Capabilities::new(KubeVersion::parse("1.33.0").unwrap(), &["example.org/v1".into()]);
    HelmEngine::compile(&chart)?.render(&RenderInput {
        release_name: "rel",
        namespace: "ns1",
        environment: "prod",
        is_upgrade: false,
        prepared: &prepared,
        capabilities: &capabilities,
        randomness: Randomness::Fixed(0),
    })
}

/// What one template gives.
fn check_with(template: &str, values: &str, more: &[(&str, &str)], expected: &str) {
    let mut files = vec![("templates/t.yaml", template)];
    files.extend(more);
    match render(&files, values) {
        Ok(output) => {
            let file = output.files.iter().find(|file| file.path == "web/templates/t.yaml").unwrap();
            assert_eq!(&*file.text, expected, "{template}");
        }
        Err(errors) => panic!("{template}\n{}", errors[0]),
    }
}

fn check(template: &str, values: &str, expected: &str) {
    check_with(template, values, &[], expected);
}

/// What one template's error looks like.
fn error_of(files: &[(&str, &str)], values: &str) -> String {
    let errors = render(files, values).unwrap_err();
    errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

#[test]
fn helm_s_objects_are_there() {
    check(
        "{{ .Release.Name }} {{ .Release.Namespace }} {{ .Release.Service }} {{ .Release.Revision }}",
        "",
        "rel ns1 Helm 1",
    );
    check("{{ .Release.IsInstall }} {{ .Release.IsUpgrade }}", "", "true false");
    check(
        "{{ .Chart.Name }}-{{ .Chart.Version }} {{ .Chart.AppVersion }} {{ .Chart.IsRoot }}",
        "",
        "web-1.2.3 4.5 true",
    );
    check("{{ .Template.Name }} {{ .Template.BasePath }}", "", "web/templates/t.yaml web/templates");
    check("{{ .Capabilities.KubeVersion }} {{ .Capabilities.KubeVersion.Minor }}", "", "v1.33.0 33");
    check(
        "{{ .Capabilities.KubeVersion.GitVersion }} {{ print .Capabilities.KubeVersion }}",
        "",
        "v1.33.0 {v1.33.0 1 33}",
    );
    check("{{ .Capabilities.HelmVersion.Version }}", "", "v3.22.0");
    check(
        "{{ .Capabilities.APIVersions.Has \"apps/v1\" }} {{ .Capabilities.APIVersions.Has \"example.org/v1\" }} \
         {{ .Capabilities.APIVersions.Has \"autoscaling/v2beta1\" }}",
        "",
        "true true false",
    );
    check(
        "{{ range $i, $v := .Capabilities.APIVersions }}{{ if lt $i 2 }}{{ $v }} {{ end }}{{ end }}",
        "",
        "v1 admissionregistration.k8s.io/v1 ",
    );
}

#[test]
fn chart_fields_are_those_of_helm_s_struct() {
    let chart = "apiVersion: v2\nname: web\nversion: 1.2.3\nkeywords: [a, b]\nannotations: {k: v}\n\
                 maintainers:\n- name: n\n  email: e\ndeprecated: true\nhome: h\nsources: [s]\ntype: application\n";
    let template = "{{ .Chart.Keywords }} {{ .Chart.Annotations.k }} [{{ .Chart.Annotations.x }}] \
                    {{ (index .Chart.Maintainers 0).Email }} {{ .Chart.Deprecated }} {{ .Chart.Home }} {{ .Chart.Type }}";
    check_with(template, "", &[("Chart.yaml", chart)], "[a b] v [] e true h application");
    let error = error_of(&[("templates/t.yaml", "{{ .Chart.Nmae }}")], "");
    assert!(error.contains("can't evaluate field Nmae: `.Chart` has no such field"), "{error}");
    assert!(error.contains("1 | {{ .Chart.Nmae }}\n  |          ^^^^^\nhelp: did you mean `.Name`?\n"), "{error}");
}

#[test]
fn numbers_are_floats_and_missing_values_are_nothing() {
    check(
        "{{ .Values.big }} {{ .Values.small }} {{ .Values.port }}",
        "{big: 1000000, small: 0.00001, port: 80}",
        "1e+06 1e-05 80",
    );
    check(
        "[{{ .Values.nosuch }}] [{{ .Values.a.nosuch }}] {{ printf \"%s\" .Values.nosuch }}",
        "{a: {}}",
        "[] [] %!s(<nil>)",
    );
    check("{{ printf \"%d\" .Values.a }}", "{a: 80}", "%!d(float64=80)");
    check("<no value>", "", "");
}

#[test]
fn templates_run_deepest_first_and_share_changes() {
    let files = [
        ("templates/a.yaml", "{{ .Values.seen }}"),
        ("templates/b.yaml", "{{ .Values.seen }}"),
        ("templates/z/c.yaml", "{{ range $k, $v := .Values.m }}{{ end }}c"),
    ];
    let output = render(&files, "{seen: no, m: {}}").unwrap();
    let paths: Vec<&str> = output.files.iter().map(|file| file.path.as_str()).collect();
    assert_eq!(paths, ["web/templates/a.yaml", "web/templates/b.yaml", "web/templates/z/c.yaml"]);
}

#[test]
fn partials_libraries_and_notes_are_not_rendered() {
    let files = [
        ("templates/_helpers.tpl", "{{ define \"web.name\" }}{{ .Chart.Name }}{{ end }}x"),
        ("templates/NOTES.txt", "{{ include \"web.name\" . }}"),
        ("templates/t.yaml", "{{ include \"web.name\" . }} {{ include \"lib.name\" . }}"),
        ("charts/lib/Chart.yaml", "apiVersion: v2\nname: lib\nversion: 1.0.0\ntype: library\n"),
        ("charts/lib/templates/_lib.tpl", "{{ define \"lib.name\" }}lib of {{ .Chart.Name }}{{ end }}"),
        ("charts/lib/templates/bad.yaml", "{{ this is not parsed"),
    ];
    let output = render(&files, "").unwrap();
    assert_eq!(output.files.len(), 1);
    assert_eq!(&*output.files[0].text, "web lib of web");
    let error = error_of(&[("templates/NOTES.txt", "{{ fail \"read me\" }}")], "");
    assert!(error.starts_with("error: read me\n  --> charts/web/templates/NOTES.txt:1:4"), "{error}");
}

#[test]
fn subcharts_see_their_own_values_and_the_globals() {
    let files = [
        ("values.yaml", "db: {port: 1}\nglobal: {zone: eu}\n"),
        ("templates/t.yaml", "{{ .Subcharts.db.Chart.Name }} {{ .Subcharts.db.Values.port }}"),
        ("charts/db/Chart.yaml", "apiVersion: v2\nname: db\nversion: 1.0.0\n"),
        ("charts/db/values.yaml", "port: 2\nuser: u\n"),
        (
            "charts/db/templates/t.yaml",
            "{{ .Values.port }} {{ .Values.user }} {{ .Values.global.zone }} {{ .Chart.Name }} {{ .Chart.IsRoot }} {{ .Template.Name }}",
        ),
    ];
    let output = render(&files, "{db: {port: 3}}").unwrap();
    assert_eq!(output.files[0].path, "web/charts/db/templates/t.yaml");
    assert_eq!(&*output.files[0].text, "3 u eu db false web/charts/db/templates/t.yaml");
    assert_eq!(&*output.files[1].text, "db 3");
}

#[test]
fn an_alias_names_the_chart_and_its_templates() {
    let chart = "apiVersion: v2\nname: web\nversion: 1.0.0\ndependencies:\n- {name: db, version: 1.0.0, alias: one}\n\
                 - {name: db, version: 1.0.0, alias: two}\n";
    let files = [
        ("Chart.yaml", chart),
        ("charts/db/Chart.yaml", "apiVersion: v2\nname: db\nversion: 1.0.0\n"),
        ("charts/db/templates/t.yaml", "{{ .Chart.Name }} {{ .Values.x }} {{ .Template.Name }}"),
    ];
    let output = render(&files, "{one: {x: 1}, two: {x: 2}}").unwrap();
    let texts: Vec<&str> = output.files.iter().map(|file| &*file.text).collect();
    assert_eq!(texts, ["one 1 web/charts/one/templates/t.yaml", "two 2 web/charts/two/templates/t.yaml"]);
}

#[test]
fn files_are_found() {
    let more = [("conf/a.txt", "one\ntwo\n"), ("conf/b.sh", "sh"), ("conf/sub/c.txt", "deep")];
    check_with("{{ .Files.Get \"conf/a.txt\" }}[{{ .Files.Get \"nosuch\" }}]", "", &more, "one\ntwo\n[]");
    check_with(
        "{{ range $path, $_ := .Files.Glob \"conf/*\" }}{{ $path }} {{ end }}",
        "",
        &more,
        "conf/a.txt conf/b.sh ",
    );
    check_with("{{ range .Files.Lines \"conf/a.txt\" }}<{{ . }}>{{ end }}", "", &more, "<one><two>");
    check_with("{{ (.Files.Glob \"conf/**.txt\").AsConfig }}", "", &more, "a.txt: |\n  one\n  two\nc.txt: deep");
    check_with("{{ (.Files.Glob \"conf/*.sh\").AsSecrets }}", "", &more, "b.sh: c2g=");
}

#[test]
fn tpl_renders_with_the_caller_s_definitions() {
    let helpers = ("templates/_h.tpl", "{{ define \"n\" }}<{{ .Chart.Name }}>{{ end }}");
    let values = "a: '{{ include \"n\" . }}{{ .Values.nosuch }}{{ .Template.Name }}'";
    check_with("{{ tpl .Values.a . }}", values, &[helpers], "<web>web/templates/t.yaml");
    check("{{ tpl \"{{ $x := 1 }}{{ $x }}\" . }} {{ tpl \"no action\" . }}", "", "1 no action");
}

#[test]
fn helm_s_yaml_functions() {
    check(
        "{{ toYaml .Values }}",
        "{b: [1, x], a: {c: null}, big: 1000000}",
        "a:\n  c: null\nb:\n- 1\n- x\nbig: 1000000",
    );
    check("{{ (fromYaml \"a: [1, 2]\").a }} {{ fromYaml \"\" }}", "", "[1 2] map[]");
    check(
        "{{ (fromYaml \"- a\").Error }}",
        "",
        "error unmarshaling JSON: while decoding JSON: json: cannot unmarshal array into Go value of type map[string]interface {}",
    );
    check(
        "{{ fromYamlArray \"a: 1\" }}",
        "",
        "[error unmarshaling JSON: while decoding JSON: json: cannot unmarshal object into Go value of type []interface {}]",
    );
    check("{{ if lookup \"v1\" \"Pod\" \"a\" \"b\" }}x{{ else }}none{{ end }}", "", "none");
    let output = render(
        &[("templates/t.yaml", "{{ lookup \"v1\" \"Pod\" \"a\" \"b\" }}{{ lookup \"v1\" \"Pod\" \"a\" \"c\" }}")],
        "",
    )
    .unwrap();
    assert_eq!(output.warnings.len(), 1);
}

#[test]
fn an_error_shows_the_place_the_includes_and_where_the_value_was_set() {
    let files = [
        ("templates/_h.tpl", "{{ define \"image\" }}\n  {{ .image.tag.major }}{{ end }}"),
        ("templates/t.yaml", "a\n{{ include \"image\" .Values }}"),
        ("values.yaml", "image:\n  tag: 1\n"),
    ];
    assert_eq!(
        error_of(&files, "image: {tag: v1}"),
        "error: can't evaluate field major: `.image.tag` is text, not a mapping\n\
         \u{20} --> charts/web/templates/_h.tpl:2:12\n\
         \u{20} |\n\
         2 |   {{ .image.tag.major }}{{ end }}\n\
         \u{20} |            ^^^^\n\
         note: \"image\" is included here\n\
         \u{20} --> charts/web/templates/t.yaml:2:4\n\
         \u{20} |\n\
         2 | {{ include \"image\" .Values }}\n\
         \u{20} |    ^^^^^^^^^^^^^^^^^^^^^^^\n\
         note: `image.tag` was set here\n\
         \u{20} --> releases/prod/web.yaml:1:14\n\
         \u{20} |\n\
         1 | image: {tag: v1}\n\
         \u{20} |              ^^\n\
         help: set a mapping there, with `major:` in it, as the chart reads it\n"
    );
}

#[test]
fn a_missing_key_gets_the_nearest_name() {
    let error = error_of(&[("templates/t.yaml", "{{ .Values.imgae.tag }}")], "image: {tag: v1}");
    assert!(error.contains("nil pointer: `.Values.imgae` is not set, so it has no `.tag`"), "{error}");
    assert!(error.contains("1 | {{ .Values.imgae.tag }}\n  |           ^^^^^^\n"), "{error}");
    assert!(error.ends_with("help: did you mean `.Values.image`?\n"), "{error}");
    let error = error_of(&[("templates/t.yaml", "{{ required \"say which image\" .Values.x.image }}")], "x: {a: 1}");
    assert!(error.starts_with("error: say which image\n"), "{error}");
    assert!(error.contains("note: `x` was set here\n  --> releases/prod/web.yaml:1:4"), "{error}");
    assert!(error.ends_with("help: set `x.image` in the release's values\n"), "{error}");
    let error = error_of(&[("templates/t.yaml", "{{ .Value.image.tag }}")], "");
    assert!(error.ends_with("help: did you mean `.Values`?\n"), "{error}");
}

#[test]
fn an_error_in_a_value_that_tpl_renders_says_where_it_was_set() {
    let helpers = ("templates/_h.tpl", "{{ define \"render\" }}{{ tpl .value .context }}{{ end }}");
    let template = ("templates/t.yaml", "{{ range .Values.list }}{{ tpl .text $ }}{{ end }}");
    let error = error_of(&[helpers, template], "list:\n- text: ok\n- text: '{{ .Values.nosuch.deeper }}'");
    assert!(error.contains("  --> text given to tpl:1:11\n"), "{error}");
    assert!(error.contains("note: this text was set here\n  --> releases/prod/web.yaml:3:9\n"), "{error}");
    let error = error_of(&[helpers, ("templates/t.yaml", "{{ tpl .Values.a . }}")], "a: '{{ nosuch }}'");
    assert!(error.contains("error: cannot parse template: function \"nosuch\" not defined\n"), "{error}");
    assert!(error.contains("note: this text was set here\n  --> releases/prod/web.yaml:1:4\n"), "{error}");
}

#[test]
fn mistakes_get_advice() {
    let check = |template: &str, values: &str, help: &str| {
        let helpers = (
            "templates/_h.tpl",
            "{{ define \"web.labels\" }}{{ end }}{{ define \"takes.text\" }}{{ tpl .Values.a . }}{{ end }}",
        );
        let error = error_of(&[("templates/t.yaml", template), helpers], values);
        assert!(error.contains(&format!("help: {help}")), "{error}");
    };
    check("{{ include \"web.label\" . }}", "", "did you mean \"web.labels\"?");
    check("{{ template \"nothing.like.it\" . }}", "", "no file below templates/");
    check("{{ if eq .Values.a 80 }}{{ end }}", "a: 80", "a number in values is a float64");
    check("{{ if eq .Values.a \"80\" }}{{ end }}", "a: 80", "compare texts");
    check("{{ include \"takes.text\" . }}", "a: 80", "quote it where it is set");
    check("{{ tpl \"{{ toYml 1 }}\" . }}", "", "did you mean `toYaml`?");
    check("{{ len (list 1 2) (list 3) }}", "", "`len` takes 1 arguments, here are 2");
    check("{{ .Values.a.b }}", "a: 80", "set a mapping there, with `b:` in it");
    check("{{ trunc 3 .Values.list }}", "list: [a]", "make text of it");
    check("{{ .Values.a-b }}", "", "a key with `-` in it is read like this");
    check("{{ if (and (eq \")\" `)`) .Values.a }}{{ end }}", "", "close it with `)`");
    check("{{ $x = 1 }}", "", "declare it above");
}

#[test]
fn what_is_copied_or_read_at_once_counts_by_its_levels() {
    const LEVELS: usize = 50;
    let (path, deep) = ([".a"; LEVELS - 1].concat(), "{a: ".repeat(LEVELS - 1) + "{}" + &"}".repeat(LEVELS - 1));
    for maker in ["deepCopy .Values.deep", "fromYaml (.Values.deep | toYaml)"] {
        let nest = |rounds: usize| {
            let text = format!(
                "{{{{ $x := dict }}}}{{{{ range until {rounds} }}}}{{{{ with $ }}}}{{{{ $y := {maker} }}}}\
                 {{{{ $_ := set $y{path} \"k\" $x }}}}{{{{ $x = $y }}}}{{{{ end }}}}{{{{ end }}}}ok"
            );
            render(&[("templates/t.yaml", &text)], &format!("deep: {deep}"))
        };
        // A level more for what `set` gives.
        let rounds_max = gotmpl::CONTAINERS_MAX as usize / (LEVELS + 1);
        assert_eq!(&*nest(rounds_max - 1).unwrap().files[0].text, "ok", "{maker}");
        let error = nest(rounds_max + 1).unwrap_err()[0].to_string();
        assert!(error.contains("levels of lists and maps in one render (CONTAINERS_MAX)"), "{error}");
        assert!(error.contains("help: that is more than a cluster takes"), "{error}");
    }
}

#[test]
fn a_long_chain_of_includes_is_cut() {
    let links: String =
        (0..20).map(|i| format!("{{{{ define \"x{i}\" }}}}{{{{ include \"x{}\" . }}}}{{{{ end }}}}", i + 1)).collect();
    let last = "{{ define \"x20\" }}{{ .Values.a.b }}{{ end }}";
    let error = error_of(&[("templates/_h.tpl", &(links + last)), ("templates/t.yaml", "{{ include \"x0\" . }}")], "");
    assert_eq!(error.matches(" is included here\n").count(), 6, "{error}");
    assert!(error.contains("note: 15 more calls between\n"), "{error}");
    assert!(error.contains("note: \"x0\" is included here\n  --> charts/web/templates/t.yaml:1:4"), "{error}");
}

#[test]
fn all_mistakes_are_reported_once() {
    let files = [
        ("templates/_h.tpl", "{{ define \"x\" }}{{ fail \"once\" }}{{ end }}"),
        ("templates/a.yaml", "{{ include \"x\" . }}"),
        ("templates/b.yaml", "{{ include \"x\" . }}"),
        ("templates/c.yaml", "{{ eq 1 1.0 }}"),
    ];
    let errors = render(&files, "").unwrap_err();
    let messages: Vec<&str> = errors.iter().map(|error| error.message.as_str()).collect();
    assert_eq!(messages, ["error calling eq: incompatible types for comparison: int and float64", "once"]);
}

#[test]
fn templates_that_cannot_be_parsed_are_all_reported() {
    let files = [
        ("templates/a.yaml", "a\n{{ if .Values.x }}\nb"),
        ("templates/b.yaml", "{{ requierd \"x\" 1 }}"),
        ("templates/c.yaml", "{{ .Values.x | | quote }}"),
    ];
    let error = error_of(&files, "");
    let place = "  --> charts/web/templates/a.yaml:2:4";
    assert!(error.contains(&format!("error: this `if` has no {{{{ end }}}} (unexpected EOF)\n{place}")), "{error}");
    assert!(error.contains("help: did you mean `required`?"), "{error}");
    assert!(error.contains("charts/web/templates/c.yaml:1:16"), "{error}");
}

#[test]
fn a_disabled_subchart_may_be_broken() {
    let files = [
        (
            "Chart.yaml",
            "apiVersion: v2\nname: web\nversion: 1.0.0\ndependencies: [{name: db, version: 1.0.0, condition: db.enabled}]\n",
        ),
        ("templates/t.yaml", "ok"),
        ("charts/db/Chart.yaml", "apiVersion: v2\nname: db\nversion: 1.0.0\n"),
        ("charts/db/templates/t.yaml", "{{ nosuch }}"),
    ];
    assert!(render(&files, "db: {enabled: false}").is_ok());
    assert!(error_of(&files, "db: {enabled: true}").contains("function \"nosuch\" not defined"));
}

#[test]
fn toml_is_written_and_read() {
    // What helm 3.22 gives for these values.
    let values = "{b: 1, a: {x: [1, 2.5, s], 'y z': {deep: true}}, t: [{v: 1}, {v: 2}], e: {}, s: \"q\\\"\\n\", none: null, m: [[1], {k: v}]}";
    let expected = "b = 1.0\nm = [[1.0], {k = \"v\"}]\ns = \"q\\\"\\n\"\n\n[a]\n  x = [1.0, 2.5, \"s\"]\n  [a.\"y z\"]\n    deep = true\n\n[e]\n\n[[t]]\n  v = 1.0\n\n[[t]]\n  v = 2.0\n";
    check("{{ toToml .Values }}", values, expected);
    check("{{ toToml (fromToml (toToml .Values)) }}", values, expected);
    check(
        "{{ fromToml .Values.t }}",
        "t: \"a.b = 0x1F\\n[c]\\nd = [1_000, 'l', \\\"\\\"\\\"\\nm\\\\tx\\\"\\\"\\\"]\\n[[e]]\\nf={g=-1.5e3}\"",
        "map[a:map[b:31] c:map[d:[1000 l m\tx]] e:[map[f:map[g:-1500]]]]",
    );
    check(
        "{{ (fromToml \"a = \").Error }}|{{ (fromToml \"a = 1\\na = 2\").Error }}",
        "",
        "toml: line 1 (last key \"a\"): unexpected EOF; expected value|toml: line 2 (last key \"a\"): Key 'a' has already been defined.",
    );
}
