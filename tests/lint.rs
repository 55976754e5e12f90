//! `kcfg lint`: every rule finds what it is there for and is silent where nothing is wrong; the forms of output.

use kcfg::lint::rules::BASE;
use kcfg::lint::{RULES, document};

use crate::repo::{Repo, here};

fn repo(files: &str) -> Repo {
    let repo = Repo::new(BASE);
    repo.write_all(files);
    repo
}

fn found(repo: &Repo, args: &[&str]) -> Vec<(String, String)> {
    let args: Vec<&str> = ["lint", "--format", "json"].iter().chain(args).copied().collect();
    let run = repo.kcfg(&args);
    let json: serde_json::Value = serde_json::from_str(&run.stdout).unwrap_or_else(|e| panic!("{e}: {}", run.stderr));
    let findings = json["findings"].as_array().expect("there is a list");
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    findings.iter().map(|finding| (text(&finding["rule"]), finding.to_string())).collect()
}

#[test]
fn every_rule_finds_its_bad_example_and_passes_its_good_one() {
    for rule in RULES {
        let (rule, bad, good) = (rule.name.as_str(), rule.bad, rule.good);
        let findings = found(&repo(bad), &[]);
        assert!(findings.iter().any(|(name, _)| name == rule), "{rule}: {findings:#?}");
        for (name, finding) in findings.iter().filter(|(name, _)| name == rule) {
            assert!(finding.contains("\"line\":"), "{name} names a line: {finding}");
            assert!(!finding.contains("\"help\":null"), "{name} helps: {finding}");
        }
        let findings = found(&repo(good), &[]);
        // Charts of another repository cannot be rendered here; the rule that shows them has to be silent all the same.
        let others: Vec<_> = findings.iter().filter(|(name, _)| rule != "chart-url" || name == rule).collect();
        assert!(others.is_empty(), "{rule}: {others:#?}");
    }
}

#[test]
fn rules_are_documented() {
    let names: Vec<&str> = RULES.iter().map(|rule| rule.name.as_str()).collect();
    assert!(names.is_sorted(), "{names:?}");
    let path = here().join("docs/lint.md");
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, document()).expect("it can be written");
    }
    let text = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(text == document(), "docs/lint.md is not what src/lint/rules.rs says: run `UPDATE=1 cargo test`");
}

const WEB: &str = "\
-- releases/prod/web.yaml --
apiVersion: kcfg.dev/v1
kind: Release
metadata: {name: web, namespace: shop}
spec:
  chart: charts/web
  values:
    replica: 2
";

#[test]
fn a_finding_shows_rule_line_and_help() {
    let run = repo(WEB).kcfg(&["lint"]).code(0).says("1 releases: 0 errors, 1 warnings");
    assert_eq!(
        run.stderr,
        "warning: no template of charts/web reads `replica`\n  --> releases/prod/web.yaml:7:5\n  |\n\
         7 |     replica: 2\n  |     ^^^^^^^\nhelp: did you mean `replicas`?\nrule: unread-value\nrelease: prod/web\n\n"
    );
    repo(WEB).kcfg(&["lint", "--deny-warnings"]).code(1);
    repo(WEB).kcfg(&["lint", "--format", "github"]).code(0).says(
        "::warning file=releases/prod/web.yaml,line=7,col=5,title=kcfg unread-value::no template of charts/web reads \
         `replica`%0Ahelp: did you mean `replicas`?%0Arelease: prod/web\n",
    );
}

#[test]
fn check_lints() {
    let repo = repo(WEB);
    repo.kcfg(&["render"]).code(0);
    repo.kcfg(&["check"]).code(0).complains("rule: unread-value");
    repo.kcfg(&["check", "--format", "github"]).code(0).says("::warning file=releases/prod/web.yaml,line=7");
    repo.write("releases/prod/job.yaml", "apiVersion: batch/v1beta1\nkind: CronJob\nmetadata: {name: clean}\n");
    repo.kcfg(&["render"]).code(0);
    repo.kcfg(&["check"]).code(1).complains("Kubernetes v1.33.0 has no batch/v1beta1 CronJob: it was removed in 1.25");
    repo.remove("rendered/prod/job");
    let run = repo.kcfg(&["check", "--format", "github"]).code(1);
    run.says("::error file=rendered/prod/job,title=kcfg check::not rendered");
    let run = repo.kcfg(&["check", "--format", "json"]).code(1);
    let json: serde_json::Value = serde_json::from_str(&run.stdout).expect("one document");
    assert_eq!(json["differences"][0], "rendered/prod/job: not rendered");
}

#[test]
fn selectors_and_charts_say_what_is_linted() {
    let repo = repo(WEB);
    repo.write("charts/other/Chart.yaml", "apiVersion: kcfg.dev/v1\nname: other\nversion: 1.0.0\n");
    repo.write("charts/other/templates/x.yaml", "a: {{ values.missing.x }}\n");
    repo.write("releases/staging/x.yaml", "apiVersion: v1\nkind: Secret\nmetadata: {name: x}\ndata: {a: YQ==}\n");
    let rules = |args: &[&str]| found(&repo, args).into_iter().map(|(name, _)| name).collect::<Vec<_>>();
    assert_eq!(rules(&[]), ["unread-value", "plain-secret"]);
    assert_eq!(rules(&["staging"]), ["plain-secret"]);
    assert_eq!(rules(&["prod/web"]), ["unread-value"]);
    assert_eq!(rules(&["charts/web"]), ["unread-value"]);
    // No release uses it, so its own values are all that it can be rendered with.
    assert_eq!(rules(&["charts/other"]), ["render"]);
    repo.kcfg(&["lint", "charts/other"]).code(1).says("1 chart, 0 releases: 1 errors");
    repo.kcfg(&["lint", "charts/none"]).code(2).complains("charts");
    repo.kcfg_in("charts", &["lint", "web"]).code(0).says("1 chart, 1 releases");
}

#[test]
fn the_environment_decides_about_secrets() {
    for (policy, code, rules) in [("allow", 0, 0), ("warn", 0, 1), ("deny", 1, 1)] {
        let repo = Repo::new(&format!(
            "-- releases/prod/environment.yaml --\napiVersion: kcfg.dev/v1\nkind: Environment\nspec: {{secretPolicy: {policy}}}\n\
             -- releases/prod/s.yaml --\napiVersion: v1\nkind: Secret\nmetadata: {{name: s}}\nstringData: {{a: hunter2}}\n"
        ));
        let run = repo.kcfg(&["lint"]).code(code);
        assert_eq!(run.stderr.matches("rule: plain-secret").count(), rules, "{policy}: {}", run.stderr);
        assert!(!run.stderr.contains("hunter2"), "a report must not repeat the secret: {}", run.stderr);
    }
}

#[test]
fn what_kcfg_new_makes_has_no_findings() {
    let repo = Repo::new("-- README.md --\n");
    repo.kcfg(&["init"]).code(0);
    repo.kcfg(&["new", "env", "staging"]).code(0);
    for (name, engine) in [("web", "tera"), ("api", "helm")] {
        repo.kcfg(&["new", "chart", name, "--engine", engine]).code(0);
        repo.kcfg(&["new", "release", "staging", name, "--chart", &format!("charts/{name}")]).code(0);
    }
    assert_eq!(repo.kcfg(&["lint", "--deny-warnings"]).code(0).stderr, "");
    // Every value of values.yaml is read, so that none of them is there in vain.
    for name in ["web", "api"] {
        let values = repo.read(&format!("charts/{name}/values.yaml"));
        let indented: String = values.lines().map(|line| format!("    {line}\n")).collect();
        let release = repo.read(&format!("releases/staging/{name}.yaml"));
        repo.write(
            &format!("releases/staging/{name}.yaml"),
            release.replace("values: {}\n", &format!("values:\n{indented}")),
        );
    }
    assert_eq!(repo.kcfg(&["lint", "--deny-warnings"]).code(0).stderr, "");
}
