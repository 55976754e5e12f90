//! `kcfg new` and `kcfg init`: what they write renders and passes `kcfg check`, and nothing is ever overwritten.

use crate::repo::{Repo, here};

fn empty() -> Repo {
    Repo::new("-- README.md --\nA repository.\n")
}

#[test]
fn a_new_repository_renders() {
    let repo = empty();
    repo.kcfg(&["init"]).code(0).says("wrote kcfg.yaml\n").says("next: `kcfg new env staging`");
    repo.kcfg(&["new", "env", "staging"]).code(0).says("wrote releases/staging/environment.yaml\n");
    repo.kcfg(&["new", "chart", "web"])
        .code(0)
        .says("wrote charts/web/values.schema.json\n")
        .says("kcfg new release staging web --chart charts/web");
    repo.kcfg(&["new", "release", "staging", "web", "--chart", "charts/web", "--namespace", "shop"])
        .code(0)
        .says("wrote releases/staging/web.yaml\nnext: set its values, then `kcfg render staging/web`");
    repo.kcfg(&["new", "chart", "api", "--engine", "helm"]).code(0);
    repo.kcfg(&["new", "release", "staging", "api", "--chart", "charts/api", "--namespace", "shop"]).code(0);
    for file in repo.list("charts") {
        assert!(!repo.read(&format!("charts/{file}")).contains("CHARTNAME"), "{file}");
    }
    let run = repo.kcfg(&["render"]).code(0).says("8 written").says("0 refused");
    assert_eq!(run.stderr, "", "nothing to complain about");
    let files = ["deployment-web.yaml", "kcfg.sum", "poddisruptionbudget-web.yaml", "service-web.yaml"];
    for file in files {
        assert!(repo.list("rendered/staging/web").contains(&file.to_owned()), "{file}");
    }
    let run = repo.kcfg(&["check"]).code(0);
    assert_eq!(run.stderr, "");
}

/// Values that switch everything on, and some that replace what is there.
const ALL: &str = "autoscaling: {enabled: true}\ningress: {enabled: true, hosts: [a.example], tlsSecret: t, className: nginx}\n\
    networkPolicy: {enabled: true}\nenv: {A: 1, B: 'x y'}\nsecretEnv: {C: {secret: s, key: k}}\n\
    podAnnotations: {a: b}\npodLabels: {a: 'yes'}\nimagePullSecrets: [{name: r}]\n\
    serviceAccount: {annotations: {a: b}}\nimage: {tag: '1'}\nnodeSelector: {a: b}\ntolerations: [{operator: Exists}]\n\
    affinity: {nodeAffinity: {}}\nprobes: {startup: {tcpSocket: {port: http}}}\nservice: {type: NodePort}\n";

/// What leaves as much out as can be left out.
const LITTLE: &str = "replicas: 1\nserviceAccount: {create: false}\nresources: {requests: null, limits: null}\n\
    volumes: []\nvolumeMounts: []\nprobes: {readiness: null, liveness: null}\n\
    image: {digest: 'sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef'}\n";

#[test]
fn every_switch_of_the_charts_renders() {
    let repo = empty();
    repo.kcfg(&["new", "chart", "web", "--engine", "helm"]).code(0).says("wrote charts/web/templates/_helpers.tpl\n");
    std::fs::rename(repo.path().join("charts"), repo.path().join("helm")).expect("a folder can be renamed");
    repo.kcfg(&["new", "chart", "web"]).code(0);
    for file in ["values.yaml", "values.schema.json"] {
        assert_eq!(repo.read(&format!("charts/web/{file}")), repo.read(&format!("helm/web/{file}")), "{file}");
    }
    let common = ["Service", "Deployment"];
    let more = ["NetworkPolicy", "PodDisruptionBudget", "ServiceAccount"];
    let last = ["HorizontalPodAutoscaler", "Ingress"];
    let table =
        [("", [&more[1..], &common].concat()), (ALL, [&more[..], &common, &last].concat()), (LITTLE, common.to_vec())];
    for (values, expected) in table {
        repo.write("values.yaml", values);
        let render = |chart| {
            let run = repo.kcfg(&["template", "a.b", chart, "-n", "shop", "-f", "values.yaml"]).code(0);
            assert_eq!(run.stderr, "");
            objects(&run.stdout)
        };
        let (tera, helm) = (render("charts/web"), render("helm/web"));
        let kinds: Vec<&str> = tera.iter().filter_map(|object| object.get("kind")?.as_str()).collect();
        assert_eq!(kinds, expected);
        // Both engines' charts are one chart: only who made the objects differs.
        assert_eq!(tera.len(), helm.len());
        for (tera, helm) in tera.iter().zip(&helm) {
            assert_eq!(tera, helm);
        }
    }
}

/// The objects of rendered text, as data; a mapping's order does not count.
fn objects(text: &str) -> Vec<kcfg::yaml::Node> {
    let text = text.replace("managed-by: Helm", "managed-by: kcfg");
    let source = kcfg::error::Source::new("rendered", text);
    let documents = kcfg::yaml::read_all(&source, &kcfg::yaml::ReadOptions::default()).expect("it is YAML");
    documents.into_iter().filter(|document| !document.is_empty).map(|document| document.node).collect()
}

#[test]
fn nothing_is_overwritten() {
    let repo = empty();
    repo.kcfg(&["init"]).code(0);
    repo.kcfg(&["new", "env", "staging"]).code(0);
    repo.kcfg(&["new", "chart", "web"]).code(0);
    repo.kcfg(&["new", "release", "staging", "web", "--chart", "charts/web"]).code(0);
    let before = repo.snapshot(".");
    repo.kcfg(&["init"]).code(0).says("kept kcfg.yaml").says("kept .gitattributes").says("next: `kcfg render`");
    repo.kcfg(&["new", "env", "staging"]).code(2).complains("there is an environment of this name already");
    repo.kcfg(&["new", "chart", "web"]).code(2).complains("--> charts/web").complains("nothing was written");
    repo.kcfg(&["new", "release", "staging", "web", "--chart", "charts/web"])
        .code(2)
        .complains("staging has a release web already")
        .complains("--> releases/staging/web.yaml:4:9");
    assert_eq!(before, repo.snapshot("."));
}

#[test]
fn init_keeps_files_and_prints_what_they_lack() {
    let repo = empty();
    repo.write(".gitattributes", "*.png binary\n");
    repo.write("CODEOWNERS", "* @example/all\n");
    repo.write("releases/prod/web.yaml", "");
    let run = repo.kcfg(&["init"]).code(0);
    let run = run.says("add to .gitattributes:\n    # Rendered by kcfg").says("add to CODEOWNERS:\n");
    run.says("# /rendered/prod/ @example/prod");
    assert_eq!(repo.read(".gitattributes"), "*.png binary\n");
    assert_eq!(repo.read("CODEOWNERS"), "* @example/all\n");
    assert!(!repo.path().join(".github").exists());
    let settings = repo.read("kcfg.yaml");
    assert!(settings.contains("branch: \"main\"\n") && settings.contains("kubeVersion: \"v1."), "{settings}");
    // Older repositories may have no Git at all.
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    // Its own releases/ keeps the search from going on to the folders above it.
    std::fs::create_dir(folder.path().join("releases")).expect("a folder can be made");
    crate::repo::kcfg(folder.path(), &["init"]).code(0).says("wrote .pre-commit-config.yaml");
}

#[test]
fn mistakes_are_explained() {
    let repo = empty();
    // Before there is any environment.
    let run = repo.kcfg(&["new", "release", "staging", "web", "--chart", "charts/web"]).code(2);
    run.complains("there is no environment staging").complains("make it with `kcfg new env staging`");
    repo.kcfg(&["new", "env", "staging"]).code(0);
    repo.kcfg(&["new", "chart", "web"]).code(0);
    let table: [(&[&str], &str, &str); 10] = [
        (&["chart", "Web"], "has to begin with a lower-case letter: \"Web\"", "help: "),
        (&["chart", "../web"], "has to begin with a lower-case letter", "help: "),
        (&["chart", "web_api"], "may not hold '_'", "help: choose"),
        (&["chart", "on"], "YAML reads that as a boolean", "help: choose another name"),
        (&["release", "stagin", "web", "--chart", "charts/web"], "no environment stagin", "did you mean `staging`?"),
        (&["release", "prod", "web", "--chart", "charts/web"], "no environment prod", "`kcfg new env prod`"),
        (&["release", "staging", "web", "--chart", "web"], "no Chart.yaml", "did you mean `charts/web`?"),
        (&["release", "staging", "web", "--chart", "../x"], "leads out of the repository", "help: "),
        (&["release", "staging", "web", "--chart", "charts/web", "-n", "A b"], "the namespace \"A b\"", "--namespace"),
        (&["env", "prod", "--kube-version", "new"], "new", "--kube-version v1.33.0"),
    ];
    let before = repo.snapshot(".");
    for (args, what, help) in table {
        let args: Vec<&str> = std::iter::once("new").chain(args.iter().copied()).collect();
        repo.kcfg(&args).code(2).complains(what).complains(help);
    }
    assert_eq!(before, repo.snapshot("."));
}

#[test]
fn the_real_helm_renders_the_chart() {
    // Recordings of helm stand beside a chart as `kcfg new` writes it; tests/parity.rs compares them.
    let repo = empty();
    repo.kcfg(&["new", "chart", "web", "--engine", "helm"]).code(0);
    for case in ["new-chart", "new-chart-with-everything"] {
        let folder = here().join("fixtures/helm").join(case);
        assert!(folder.join("expected.yaml").is_file(), "helm accepts it");
        for file in repo.list("charts/web") {
            let recorded = folder.join("chart").join(&file);
            let made = repo.read(&format!("charts/web/{file}"));
            if std::env::var_os("UPDATE").is_some() {
                std::fs::write(&recorded, &made).expect("it can be written");
            }
            let recorded = std::fs::read_to_string(&recorded).unwrap_or_default();
            assert!(recorded == made, "{case}/chart/{file}: run `UPDATE=1 cargo test`, then `just oracle {case}`");
        }
    }
}
