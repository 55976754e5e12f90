//! The options of `kcfg diff` that decide what is shown and how it ends.

use crate::repo::Repo;

/// Two releases of `prod` and one of `staging`, committed, then changed: `a` in a label and its data, `b` in the label.
fn changed() -> Repo {
    let repo = Repo::new("");
    let manifest = |name: &str, chart: &str, data: &str| {
        format!(
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}, namespace: shop, labels: {{helm.sh/chart: {chart}}}}}\n\
             data: {{k: {data}}}\n"
        )
    };
    for (file, name) in [("prod/a", "a"), ("prod/b", "b"), ("staging/a", "a")] {
        repo.write(&format!("releases/{file}.yaml"), manifest(name, "web-1", "one"));
    }
    repo.kcfg(&["render"]).code(0);
    repo.commit("one");
    repo.write("releases/prod/a.yaml", manifest("a", "web-2", "two"));
    repo.write("releases/prod/b.yaml", manifest("b", "web-2", "one"));
    repo
}

const LABEL: &str = "metadata.labels[\"helm.sh/chart\"]";

#[test]
fn what_is_ignored_is_counted_and_makes_no_difference() {
    let repo = changed();
    repo.kcfg(&["diff", "--exit-code"]).code(1).says("2 changed").says("web-1 → web-2").says("data.k: one → two");
    let run = repo.kcfg(&["diff", "--ignore", LABEL]).code(0).says("1 changed").says("2 changes ignored");
    assert!(!run.stdout.contains("web-2"), "{}", run.stdout);
    repo.kcfg(&["diff", "--exit-code", "--ignore", LABEL, "--ignore", "ConfigMap:data.*"])
        .code(0)
        .says("no differences")
        .says("3 changes ignored");
    // The same as a list that is committed, for everybody.
    repo.write("kcfg.yaml", format!("diff: {{ignore: ['{LABEL}', 'ConfigMap:data.k']}}\n"));
    repo.kcfg(&["diff", "--exit-code"]).code(0).says("no differences").says("3 changes ignored");
    repo.write("kcfg.yaml", "diff: {ignore: ['metadata.labels[']}\n");
    repo.kcfg(&["diff"]).code(2).complains("kcfg.yaml:1:").complains("write a place as `kcfg diff` shows it");
    repo.remove("kcfg.yaml");
    repo.kcfg(&["diff", "--ignore", "a..b"]).code(2).complains("--ignore `a..b` has an empty step");
}

#[test]
fn selectors_stat_and_exit_codes_do_what_they_say() {
    let repo = changed();
    let run = repo.kcfg(&["diff", "--stat"]).code(0).says("prod").says("2 changed");
    assert!(!run.stdout.contains("one → two"), "the table alone: {}", run.stdout);
    repo.kcfg(&["diff", "--exit-code", "staging"]).code(0).says("no differences");
    let run = repo.kcfg(&["diff", "--exit-code", "prod/b"]).code(1).says("web-1 → web-2");
    assert!(!run.stdout.contains("one → two"), "{}", run.stdout);
    repo.kcfg(&["diff", "prod/*/ConfigMap/a"]).code(0).says("one → two");
    repo.kcfg(&["diff", "--exit-code", "prod/*/Secret/*"]).code(0).says("no differences");
    repo.kcfg(&["diff", "prdo"]).code(2).complains("prod");
    // An error is 2, whatever differs; the others are shown.
    repo.write(
        "releases/prod/b.yaml",
        "apiVersion: kcfg.dev/v1\nkind: Release\nmetadata: {name: b}\nspec: {chart: charts/nosuch}\n",
    );
    repo.kcfg(&["diff", "--exit-code"]).code(2).says("one → two").says("cannot be rendered").complains("charts/nosuch");
}
