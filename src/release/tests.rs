//! One environment per test, written as texts.

use super::*;
use crate::error::Place;
use crate::yaml::Value;

fn parse(files: &[(&str, &str)]) -> EnvironmentDocs {
    let sources: Vec<Arc<Source>> =
        files.iter().map(|(name, text)| Source::new(format!("releases/prod/{name}"), *text)).collect();
    parse_environment("prod", &sources)
}

fn one(text: &str) -> Release {
    let docs = parse(&[("web.yaml", text)]);
    assert!(docs.errors.is_empty() && docs.refused.is_empty(), "{:?} {:?}", docs.errors, docs.refused);
    docs.releases.into_iter().next().expect("one release")
}

/// All findings, each as `place: message (help)`.
fn findings(docs: &EnvironmentDocs) -> Vec<String> {
    let refused = docs.refused.iter().flat_map(|refused| &refused.errors);
    let line = |d: &Diagnostic| {
        let place = d.place.as_ref().map(ToString::to_string).unwrap_or_default();
        let help = d.help.as_ref().map(|help| format!(" ({help})")).unwrap_or_default();
        format!("{}: {}{help}", place.trim_start_matches("releases/prod/"), d.message)
    };
    docs.errors.iter().chain(refused).chain(&docs.warnings).map(line).collect()
}

fn helm_release(spec: &str) -> String {
    format!(
        "apiVersion: helm.fluxcd.io/v1\nkind: HelmRelease\nmetadata: {{name: web, namespace: shop}}\nspec: {spec}\n"
    )
}

fn path_chart(release: &Release) -> (&str, Option<&str>, Option<&str>) {
    let ChartRef::Path(chart) = &release.chart else { panic!("a chart by path: {:?}", release.chart) };
    (chart.path.as_str(), chart.git.as_ref().map(Text::as_str), chart.reference.as_ref().map(Text::as_str))
}

#[test]
fn a_helm_release_is_read_as_the_helm_operator_read_it() {
    let release =
        one("apiVersion: flux.weave.works/v1beta1\nkind: HelmRelease\nmetadata:\n  name: web\n  namespace: shop\n\
         spec:\n  chart:\n    path: charts/web\n    git: git@example.com:a/b.git\n    ref: staging\n  \
         releaseName: the-web\n  values:\n    big: 18446744073709551615\n");
    assert_eq!(release.name.as_str(), "web");
    assert_eq!(release.namespace.as_str(), "shop");
    assert_eq!(release.release_name.as_str(), "the-web");
    assert_eq!(path_chart(&release), ("charts/web", Some("git@example.com:a/b.git"), Some("staging")));
    assert_eq!(release.place.to_string(), "releases/prod/web.yaml:4:9");
    assert!(!release.skip_crds && release.format == Format::HelmOperator);
    let [ReleaseValues::Inline(layer)] = &release.values[..] else { panic!("one layer") };
    let big = layer.root.get("big").expect("it is there");
    assert_eq!(big.value, Value::UInt(u64::MAX));
    assert_eq!(layer.source.line_column(big.span.start), (13, 10));
}

#[test]
fn names_and_namespaces_default_as_the_operator_had_them() {
    let name = |head: &str, spec: &str| {
        let release = one(&format!(
            "apiVersion: helm.fluxcd.io/v1\nkind: HelmRelease\nmetadata: {head}\nspec: {{chart: {{path: c}}{spec}}}\n"
        ));
        format!("{} in {}", release.release_name, release.namespace)
    };
    assert_eq!(name("{name: web, namespace: shop}", ""), "shop-web in shop");
    assert_eq!(name("{name: web}", ""), "default-web in default");
    assert_eq!(name("{name: web, namespace: shop}", ", targetNamespace: other"), "shop-other-web in other");
    assert_eq!(name("{name: web, namespace: shop}", ", targetNamespace: shop"), "shop-web in shop");
    assert_eq!(name("{name: web, namespace: shop}", ", targetNamespace: other, releaseName: w"), "w in other");
    assert_eq!(name("{name: web, namespace: shop}", ", releaseName: ''"), "shop-web in shop");
}

#[test]
fn our_own_release_says_the_same_with_less() {
    let release = one("apiVersion: kcfg.dev/v1\nkind: Release\nmetadata: {name: web, namespace: shop}\n\
         spec: {chart: charts/web, values: {replicas: 3}}\n");
    assert_eq!((release.release_name.as_str(), release.namespace.as_str()), ("web", "shop"));
    assert_eq!(path_chart(&release), ("charts/web", None, None));
    let release = one("apiVersion: kcfg.dev/v1\nkind: Release\nmetadata: {name: web}\n\
         spec: {chart: {path: ./charts/web/, ref: v1, git: 'https://h/a/b'}, includeCRDs: false, releaseName: w}\n");
    assert_eq!(path_chart(&release), ("charts/web", Some("https://h/a/b"), Some("v1")));
    assert!(release.skip_crds && release.namespace.as_str() == "default" && release.release_name.as_str() == "w");
}

#[test]
fn a_chart_of_a_chart_repository_is_remote() {
    let release =
        one(&helm_release("{chart: {repository: 'https://charts.example.com', name: redis, version: 8.0.13}}"));
    let ChartRef::Remote(chart) = &release.chart else { panic!("remote: {:?}", release.chart) };
    assert_eq!(chart.repository.as_str(), "https://charts.example.com");
    assert_eq!((chart.name.as_str(), chart.version.as_ref().map(Text::as_str)), ("redis", Some("8.0.13")));
}

#[test]
fn unknown_keys_are_errors_and_known_ones_without_effect_are_warnings() {
    let docs = parse(&[("web.yaml", &helm_release("{chart: {path: c, reff: x}, valeus: {a: 1}, timeout: 9}"))]);
    assert_eq!(
        findings(&docs),
        [
            "web.yaml:4:35: unknown key `valeus` in `spec` (did you mean `values`?)",
            "web.yaml:4:25: unknown key `reff` in `spec.chart` (did you mean `ref`?)",
            "web.yaml:4:51: `spec.timeout` is not honoured (it told Helm how to install and upgrade; objects are \
             rendered the same without it)",
        ]
    );
    assert!(docs.is_complete(), "the document could be read, its release is refused");
    assert_eq!(docs.refused[0].folder, "web");
}

#[test]
fn errors_of_releases_name_the_field() {
    let table = [
        ("{}", "`spec.chart` is missing"),
        ("{chart: {}}", "`spec.chart` says neither `path` nor `repository`"),
        ("{chart: charts/web}", "`spec.chart` has to be a mapping, not text"),
        ("{chart: {path: ../x}}", "the chart's path leads out of the repository"),
        ("{chart: {path: c, git: g, repository: r}}", "names both a Git repository and a chart repository"),
        ("{chart: {repository: r, name: redis}}", "`spec.chart.version` is missing"),
        ("{chart: {path: c}, releaseName: Web}", "`spec.releaseName` may not hold 'W'"),
        ("{chart: {path: c}, targetNamespace: a.b}", "the namespace a.b may hold only"),
        ("{chart: {path: c}, values: [1]}", "`spec.values` has to be a mapping, not a list"),
        ("{chart: {path: c}, valueFileSecrets: [{name: s}]}", "Secret shop/s is not among the documents"),
        ("{chart: {path: c}, valuesFrom: [{externalSourceRef: {url: 'http://x'}}]}", "rendering asks no network"),
    ];
    for (spec, expected) in table {
        let docs = parse(&[("web.yaml", &helm_release(spec))]);
        assert_eq!(docs.refused.len(), 1, "{spec}");
        assert!(findings(&docs)[0].contains(expected), "{spec}: {:?}", findings(&docs));
    }
    let long = "x".repeat(60);
    let text = format!(
        "apiVersion: helm.fluxcd.io/v1\nkind: HelmRelease\nmetadata: {{name: {long}}}\nspec: {{chart: {{path: c}}}}\n"
    );
    assert!(findings(&parse(&[("web.yaml", &text)]))[0].contains("choose another name with `spec.releaseName`"));
}

#[test]
fn a_document_that_cannot_be_read_does_not_hide_the_others() {
    let text = format!("{}---\na: [1\n---\n# only a comment\n---\n{}", helm_release("{chart: {path: c}}"), "kind: X\n");
    let docs = parse(&[("web.yaml", &text), ("b.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\n")]);
    assert_eq!(docs.releases.len(), 1);
    assert_eq!(docs.raw.len(), 1);
    assert_eq!(docs.errors.len(), 2, "{:?}", docs.errors);
    assert!(!docs.is_complete() && !docs.is_blocked);
    assert!(findings(&docs)[1].contains("this document has no `apiVersion`"));
}

#[test]
fn documents_without_a_usable_name_make_the_environment_incomplete() {
    for head in ["{}", "{name: ''}", "{name: Web}", "{name: a/b}", "{name: 1}", "x"] {
        let text = format!("apiVersion: kcfg.dev/v1\nkind: Release\nmetadata: {head}\nspec: {{chart: c}}\n");
        let docs = parse(&[("web.yaml", &text)]);
        assert!(!docs.is_complete() && docs.releases.is_empty() && docs.refused.is_empty(), "{head}");
        assert_eq!(docs.errors.len(), 1, "{head}: {:?}", findings(&docs));
    }
}

#[test]
fn two_releases_of_one_name_are_refused_with_both_places() {
    let text = helm_release("{chart: {path: c}}");
    let docs = parse(&[("a.yaml", &text), ("b.yaml", &text)]);
    assert!(docs.releases.is_empty() && docs.is_complete());
    let shown = docs.refused[0].errors[0].to_string();
    assert!(shown.contains("releases/prod/a.yaml:3:18") && shown.contains("releases/prod/b.yaml:3:18"), "{shown}");
}

#[test]
fn duplicate_keys_are_warnings_in_helm_releases_and_errors_in_ours() {
    let docs = parse(&[("web.yaml", &helm_release("{chart: {path: c}, values: {a: 1, a: 2}}"))]);
    assert_eq!((docs.releases.len(), docs.warnings.len(), docs.errors.len()), (1, 1, 0));
    let ours =
        "apiVersion: kcfg.dev/v1\nkind: Release\nmetadata: {name: web}\nspec: {chart: c, values: {a: 1, a: 2}}\n";
    let docs = parse(&[("web.yaml", ours)]);
    assert_eq!((docs.releases.len(), docs.warnings.len(), docs.errors.len()), (0, 0, 1));
}

#[test]
fn raw_manifests_are_grouped_by_file() {
    let config = |name: &str| format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\n---\n");
    let docs = parse(&[
        ("extra.yaml", &format!("{}{}", config("a"), config("b"))),
        ("sub/dir/more.yml", &config("c")),
        ("web.yaml", &format!("{}{}", config("d"), helm_release("{chart: {path: c}}"))),
    ]);
    let folders: Vec<(&str, usize)> = docs.raw.iter().map(|file| (&*file.folder, file.kinds.len())).collect();
    assert_eq!(folders, [("extra", 2), ("sub_dir_more", 1), ("web_raw", 1)]);
    assert_eq!(docs.releases.len(), 1);
    let extra = &docs.raw[0];
    let place = Place { source: extra.source.clone(), span: extra.kinds[1] };
    assert_eq!(place.to_string(), "releases/prod/extra.yaml:6:7");
}

#[test]
fn raw_files_that_would_share_a_folder_are_refused() {
    let config = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n";
    for (a, b) in [("x.yaml", "x.yml"), ("a/b.yaml", "a_b.yaml"), ("X.yaml", "x.yaml")] {
        let docs = parse(&[(a, config), (b, config)]);
        assert!(docs.raw.is_empty() && docs.refused.len() == 2, "{a} {b}");
        assert!(findings(&docs)[0].contains("would share the rendered folder"));
    }
}

#[test]
fn releases_in_a_list_are_found_and_other_lists_pass_through() {
    let item = helm_release("{chart: {path: c}}").replace('\n', "\n  ");
    let docs = parse(&[("l.yaml", &format!("apiVersion: v1\nkind: List\nitems:\n- {item}\n"))]);
    assert_eq!(docs.releases.len(), 1, "{:?}", findings(&docs));
    let config = "apiVersion: v1\nkind: List\nitems: [{apiVersion: v1, kind: ConfigMap}]\n";
    assert_eq!(parse(&[("l.yaml", config)]).raw.len(), 1);
}

#[test]
fn other_kinds_of_documents_have_their_own_rules() {
    let table = [
        ("apiVersion: kcfg.dev/v1\nkind: Relase\n", "did you mean `Release`?"),
        ("apiVersion: kcfg.dev/v9\nkind: Release\n", "needs a newer kcfg"),
        ("apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n", "it is left out"),
        ("- 1\n", "has to be a mapping"),
        ("apiVersion: 1\nkind: X\n", "`apiVersion` has to be text"),
        ("apiVersion: helm.toolkit.fluxcd.io/v9\nkind: HelmRelease\nmetadata: {name: w}\n", "kcfg cannot read"),
    ];
    for (text, expected) in table {
        let docs = parse(&[("web.yaml", text)]);
        assert!(findings(&docs).iter().any(|finding| finding.contains(expected)), "{text}: {:?}", findings(&docs));
    }
}

#[test]
fn an_environment_is_read() {
    let docs = parse(&[(
        "environment.yaml",
        "apiVersion: kcfg.dev/v1\nkind: Environment\nmetadata: {name: prod}\nspec:\n  branch: main\n  \
         kubeVersion: v1.31.0\n  apiVersions: [a.example/v1]\n  values: {domain: example.com}\n  \
         scopes: {example.com/Widget: Cluster}\n  cluster: {uid: u, context: c}\n  secretPolicy: deny\n  \
         pruneBudget: {objects: 3}\n  drift: report\n",
    )]);
    assert!(findings(&docs).is_empty(), "{:?}", findings(&docs));
    let environment = docs.environment.expect("it is there");
    assert_eq!(environment.branch.as_ref().map(Text::as_str), Some("main"));
    assert_eq!(environment.scopes.get("example.com/Widget"), Some(&Scope::Cluster));
    assert_eq!(environment.secret_policy, SecretPolicy::Deny);
    assert_eq!(environment.prune_budget, PruneBudget { objects: 3, percent: 20 });
    assert_eq!(environment.drift, Drift::Report);
    assert!(environment.values.is_some_and(|layer| layer.root.get("domain").is_some()));
    assert_eq!(environment.cluster.uid.as_ref().map(Text::as_str), Some("u"));
}

#[test]
fn an_environment_that_cannot_be_read_blocks_its_releases() {
    let head = "apiVersion: kcfg.dev/v1\nkind: Environment\n";
    let table = [
        ("spec: {brnch: x}\n", "did you mean `branch`?"),
        ("spec: {drift: correkt}\n", "did you mean `correct`?"),
        ("spec: {kubeVersion: 1.30}\n", "write it in quotes"),
        ("spec: {pruneBudget: {percent: 101}}\n", "from 0 to 100"),
        ("spec: {scopes: {Widget: Cluster}}\n", "is no `group/Kind`"),
        ("metadata: {name: staging}\n", "it stands in the folder of prod"),
        ("spec: {branch: a, branch: b}\n", "branch"),
        ("spec: [\n", ""),
    ];
    for (text, expected) in table {
        let docs = parse(&[("e.yaml", &format!("{head}{text}"))]);
        assert!(docs.is_blocked && !docs.is_complete() && docs.environment.is_none(), "{text}");
        assert!(findings(&docs)[0].contains(expected), "{text}: {:?}", findings(&docs));
    }
    let two = parse(&[("e.yaml", &format!("{head}---\n{head}"))]);
    assert!(two.is_blocked && findings(&two)[0].contains("a second Environment"));
    assert!(parse(&[("e.yaml", head)]).environment.is_some());
}

#[test]
fn values_come_from_objects_beside_the_release_in_order() {
    let docs = parse(&[
        (
            "c.yaml",
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c, namespace: shop}\ndata: {values.yaml: 'a: 1'}\n",
        ),
        ("s.yaml", "apiVersion: v1\nkind: Secret\nmetadata: {name: s, namespace: shop}\ndata: {k: YjogMg==}\n"),
        (
            "web.yaml",
            &helm_release(
                "{chart: {path: c}, valuesFrom: [{secretKeyRef: {name: s, key: k}}, {chartFileRef: {path: v/x.yaml, \
                 optional: true}}, {configMapKeyRef: {name: c}}, {configMapKeyRef: {name: gone, optional: true}}], \
                 values: {z: 1}}",
            ),
        ),
    ]);
    assert!(docs.refused.is_empty(), "{:?}", findings(&docs));
    assert_eq!(docs.warnings.len(), 1);
    let show = |values: &ReleaseValues| match values {
        ReleaseValues::Inline(layer) => {
            layer.root.as_map().expect("a mapping").keys().map(ToString::to_string).collect()
        }
        ReleaseValues::ChartFile(file) => format!("{} {}", file.path, file.is_optional),
    };
    let shown: Vec<String> = docs.releases[0].values.iter().map(show).collect();
    assert_eq!(shown, ["b", "v/x.yaml true", "a", "z"]);
}

const GIT_SOURCE: &str = "apiVersion: source.toolkit.fluxcd.io/v1\nkind: GitRepository\n\
    metadata: {name: repo, namespace: flux}\nspec: {url: 'ssh://git@h/a/b', ref: {branch: main}}\n";

fn flux(spec: &str) -> String {
    format!(
        "apiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\nmetadata: {{name: web, namespace: flux}}\nspec: {spec}\n"
    )
}

#[test]
fn a_flux_release_takes_its_chart_from_a_source_beside_it() {
    let spec = "{interval: 5m, chart: {spec: {chart: ./charts/web, sourceRef: {kind: GitRepository, name: repo}}}, \
                targetNamespace: shop, install: {crds: Skip}}";
    let docs = parse(&[("s.yaml", GIT_SOURCE), ("web.yaml", &flux(spec))]);
    assert!(findings(&docs).is_empty(), "{:?}", findings(&docs));
    let release = &docs.releases[0];
    assert_eq!(path_chart(release), ("charts/web", Some("ssh://git@h/a/b"), Some("main")));
    assert_eq!((release.release_name.as_str(), release.namespace.as_str()), ("shop-web", "shop"));
    assert!(release.skip_crds);
    let ChartRef::Path(chart) = &release.chart else { panic!("a chart by path") };
    let place = chart.reference_place.as_ref().expect("the ref has a place").to_string();
    assert_eq!(place, "releases/prod/s.yaml:4:46");
    assert_eq!(docs.raw.len(), 1, "the source passes through");
}

#[test]
fn a_flux_release_of_a_helm_repository_is_remote() {
    let source = "apiVersion: source.toolkit.fluxcd.io/v1\nkind: HelmRepository\nmetadata: {name: r, namespace: flux}\nspec: {url: 'https://c'}\n";
    let spec = "{chart: {spec: {chart: redis, version: '1.x', sourceRef: {kind: HelmRepository, name: r}}}}";
    let docs = parse(&[("s.yaml", source), ("web.yaml", &flux(spec))]);
    let ChartRef::Remote(chart) = &docs.releases[0].chart else { panic!("remote") };
    assert_eq!((chart.repository.as_str(), chart.name.as_str()), ("https://c", "redis"));
    assert_eq!(docs.releases[0].release_name.as_str(), "web");
}

#[test]
fn what_flux_would_do_to_objects_is_refused() {
    let chart = "chart: {spec: {chart: c, sourceRef: {kind: GitRepository, name: repo}}}";
    let table = [
        (
            format!("{{{chart}, postRenderers: [{{kustomize: {{}}}}]}}"),
            "`spec.postRenderers` changes what the chart renders",
        ),
        (format!("{{{chart}, suspend: true}}"), "`spec.suspend` is not honoured"),
        (format!("{{{chart}, intervall: 5m}}"), "did you mean `interval`?"),
        ("{}".into(), "`spec.chart` is missing"),
        ("{chart: {spec: {chart: c, sourceRef: {kind: Bucket, name: b}}}}".into(), "cannot take a chart from a Bucket"),
        (
            "{chart: {spec: {chart: c, sourceRef: {kind: GitRepository, name: x}}}}".into(),
            "GitRepository flux/x is not among",
        ),
        (format!("{{{chart}, valuesFrom: [{{kind: ConfigMap, name: c, targetPath: a}}]}}"), "`targetPath` is not read"),
    ];
    for (spec, expected) in table {
        let docs = parse(&[("s.yaml", GIT_SOURCE), ("web.yaml", &flux(&spec))]);
        assert!(findings(&docs).iter().any(|finding| finding.contains(expected)), "{spec}: {:?}", findings(&docs));
    }
}

#[test]
fn a_chart_that_is_elsewhere_is_refused_with_the_way_to_bring_it() {
    let table = [
        (
            "{chart: {repository: 'https://u:p@charts.example.com/', name: redis, version: 8.0.13}}",
            "the chart of web is in a chart repository: redis 8.0.13 of https://charts.example.com/",
            "`helm pull redis --repo https://charts.example.com/ --version 8.0.13 --untar -d charts` brings it here, \
             then write `chart: {path: charts/redis}`; or list `prod/web: REASON` under `skip` in kcfg.yaml",
        ),
        (
            "{chart: {git: 'git@h:a/b', path: charts/api, ref: v1}}",
            "the chart of web is in another Git repository: h/a/b at v1",
            "copy its folder charts/api to charts/api and write `chart: {path: charts/api}`; or list \
             `prod/web: REASON` under `skip` in kcfg.yaml",
        ),
        (
            "{chart: {repository: 'oci://h/charts/', name: redis, version: '1'}}",
            "the chart of web is in a chart repository: redis 1 of oci://h/charts/",
            "`helm pull oci://h/charts/redis --version 1 --untar -d charts` brings it here, then write \
             `chart: {path: charts/redis}`; or list `prod/web: REASON` under `skip` in kcfg.yaml",
        ),
    ];
    for (spec, message, help) in table {
        let error = one(&helm_release(spec)).chart_is_elsewhere("prod", "h/a/b");
        assert_eq!((&*error.message, error.help.as_deref()), (message, Some(help)));
        assert!(error.place.is_some());
    }
}

proptest::proptest! {
    /// Damaged documents are findings, never panics; and a document that was read is always accounted for.
    #[test]
    fn damaged_documents_never_panic(at in 0usize..400, cut in 0usize..12, put in "[a-z{}\\[\\]:, \n'\"*&-]{0,6}") {
        let text = format!(
            "{}---\n{}---\napiVersion: kcfg.dev/v1\nkind: Environment\nspec: {{values: {{a: 1}}, scopes: {{a/B: Cluster}}}}\n",
            helm_release("{chart: {path: c, ref: x}, values: {a: 1}, valuesFrom: [{chartFileRef: {path: x}}]}"),
            flux("{chart: {spec: {chart: c, sourceRef: {kind: GitRepository, name: repo}}}}"),
        );
        let at = at.min(text.len());
        let end = (at + cut).min(text.len());
        let damaged = format!("{}{put}{}", &text[..at], &text[end..]);
        let docs = parse(&[("web.yaml", &damaged), ("s.yaml", GIT_SOURCE)]);
        for finding in findings(&docs) {
            proptest::prop_assert!(!finding.is_empty());
        }
        proptest::prop_assert!(!docs.raw.is_empty(), "the other file is read whatever this one holds");
    }
}

fn removal(spec: &str) -> EnvironmentDocs {
    parse(&[("removal.yaml", &format!("apiVersion: kcfg.dev/v1\nkind: Removal\nspec:\n{spec}"))])
}

#[test]
fn a_removal_names_releases_digests_and_objects() {
    let digest = "0123456789abcdef".repeat(4);
    let spec = format!("  releases:\n  - name: web\n    from: {digest}\n    objects: [core/Namespace/-/shop]\n");
    let docs = removal(&spec);
    assert!(findings(&docs).is_empty(), "{:?}", findings(&docs));
    let [removal] = &docs.removals[..] else { panic!("one removal") };
    let id = "core/Namespace/-/shop".parse().expect("an id");
    assert!(removal.covers("web", &digest, &id));
    assert!(!removal.covers("api", &digest, &id));
    assert!(!removal.covers("web", &"0".repeat(64), &id));
    assert!(!removal.covers("web", &digest, &"core/Namespace/-/other".parse().expect("an id")));
    // What is written reads back; names that YAML would read as something else are quoted.
    let written = removal_text(&[RemovalOf { release: "1e3".into(), from: digest.clone(), objects: vec![id] }]);
    let docs = parse(&[("removal.yaml", &written)]);
    assert_eq!(docs.removals[0].releases[0].release, "1e3", "{written}");
}

#[test]
fn a_removal_that_cannot_be_read_is_an_error_and_permits_nothing() {
    let digest = "0123456789abcdef".repeat(4);
    let of = |rest: &str| format!("  releases:\n  - name: web\n    from: {digest}\n{rest}");
    let table: &[(String, &str)] = &[
        ("  relases: []\n".into(), "removal.yaml:4:3: unknown key `relases` in `spec` (did you mean `releases`?)"),
        (
            "  releases: []\n".into(),
            "removal.yaml:4:3: `spec.releases` is missing or empty (list releases, each with `name`, `from` and `objects`)",
        ),
        (
            of("    object: [a]\n"),
            "removal.yaml:7:5: unknown key `object` in `spec.releases[]` (did you mean `objects`?)",
        ),
        (of(""), "removal.yaml:5:5: `spec.releases[].objects` is missing or empty (list the ids of the objects)"),
        (
            of("    objects: [web]\n"),
            "removal.yaml:7:15: `web` is not an object id: it has the form group/Kind/namespace/name (such as \
             apps/Deployment/shop/web, or core/Namespace/-/shop without a namespace)",
        ),
        (
            "  releases: [{name: web, from: 0123, objects: [core/Namespace/-/x]}]\n".into(),
            "removal.yaml:4:32: `spec.releases[].from` has to be text, not an integer (write it in quotes)",
        ),
        (
            "  releases: [{name: web, from: abc, objects: [core/Namespace/-/x]}]\n".into(),
            "removal.yaml:4:32: `from` has to be a release's digest of 64 hexadecimal digits (take it from the \
             `# digest` line of the release's kcfg.sum, in the commit that is applied now)",
        ),
        (
            "  releases: [{name: web, objects: [core/Namespace/-/x]}]\n".into(),
            "removal.yaml:4:15: `spec.releases[].from` is missing",
        ),
        (
            of(&format!(
                "    objects: [core/Namespace/-/x]\n  - {{name: web, from: {digest}, objects: [core/Namespace/-/y]}}\n"
            )),
            "removal.yaml:8:12: this Removal names web twice (list its objects together)",
        ),
    ];
    for (spec, expected) in table {
        let docs = removal(spec);
        assert_eq!(findings(&docs), [*expected], "{spec}");
        assert!(docs.removals.is_empty() && !docs.is_complete(), "{spec}");
    }
    let docs = parse(&[("removal.yaml", "apiVersion: kcfg.dev/v1\nkind: Removal\n")]);
    assert_eq!(
        findings(&docs),
        ["removal.yaml:2:7: this Removal has no `spec` (`kcfg diff` prints the document that a change needs)"]
    );
}
