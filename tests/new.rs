//! `kcfg new` and `kcfg init`: what they write renders and passes `kcfg check`, and nothing is ever overwritten.

use crate::repo::Repo;

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
    let run = repo.kcfg(&["render"]).code(0).says("4 written").says("0 refused");
    assert_eq!(run.stderr, "", "nothing to complain about");
    let files = ["deployment-web.yaml", "kcfg.sum", "poddisruptionbudget-web.yaml", "service-web.yaml"];
    for file in files {
        assert!(repo.list("rendered/staging/web").contains(&file.to_owned()), "{file}");
    }
    let run = repo.kcfg(&["check"]).code(0);
    assert_eq!(run.stderr, "");
}

#[test]
fn every_switch_of_the_chart_renders() {
    let repo = empty();
    repo.kcfg(&["new", "env", "staging"]).code(0);
    repo.kcfg(&["new", "chart", "web"]).code(0);
    repo.write(
        "all.yaml",
        "autoscaling: {enabled: true}\ningress: {enabled: true, hosts: [a.example], tlsSecret: t}\n\
         networkPolicy: {enabled: true}\nenv: {A: 1}\nsecretEnv: {B: {secret: s, key: k}}\n\
         podAnnotations: {a: b}\npodLabels: {a: b}\nimagePullSecrets: [{name: r}]\n\
         serviceAccount: {annotations: {a: b}}\nimage: {digest: 'sha256:0000000000000000000000000000000000000000000000000000000000000000'}\n",
    );
    let run = repo.kcfg(&["template", "web", "charts/web", "-f", "all.yaml"]).code(0);
    let kinds: Vec<&str> = run.stdout.lines().filter_map(|line| line.strip_prefix("kind: ")).collect();
    let expected = [
        "NetworkPolicy",
        "PodDisruptionBudget",
        "ServiceAccount",
        "Service",
        "Deployment",
        "HorizontalPodAutoscaler",
        "Ingress",
    ];
    assert_eq!(kinds, expected);
    let run = run.says("image: docker.io/nginxinc/nginx-unprivileged@sha256:0000000000000000000000000000000000000000000000000000000000000000");
    assert!(!run.stdout.contains("replicas:"), "an autoscaler owns the number of replicas:\n{}", run.stdout);
}

#[test]
fn a_helm_chart_has_the_same_values() {
    let repo = empty();
    repo.kcfg(&["new", "chart", "web"]).code(0);
    repo.kcfg(&["new", "chart", "api", "--engine", "helm"]).code(0).says("wrote charts/api/templates/_helpers.tpl\n");
    for file in ["values.yaml", "values.schema.json"] {
        let tera = repo.read(&format!("charts/web/{file}")).replace("chart web", "chart api");
        assert_eq!(tera, repo.read(&format!("charts/api/{file}")));
    }
    for file in repo.list("charts/api") {
        assert!(!repo.read(&format!("charts/api/{file}")).contains("CHARTNAME"), "{file}");
    }
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
    crate::repo::kcfg(folder.path(), &["init"]).code(0).says("wrote .pre-commit-config.yaml");
}

#[test]
fn mistakes_are_explained() {
    let repo = empty();
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
