//! What leaves the tree: what the applier will delete, keep or hold is said beforehand.

use crate::repo::Repo;

/// An environment `prod` of so many ConfigMaps, each in a file of its own, and a claim.
fn repo(config_maps: usize) -> Repo {
    let repo = Repo::new("");
    for n in 0..config_maps {
        let text = format!(
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: c{n}, namespace: shop}}\ndata: {{n: \"{n}\"}}\n"
        );
        repo.write(&format!("releases/prod/c{n}.yaml"), text);
    }
    repo.write(
        "releases/prod/claim.yaml",
        "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: data, namespace: shop}\nspec: {}\n",
    );
    repo.kcfg(&["render"]).code(0);
    repo.commit("all");
    repo
}

#[test]
fn deletions_beyond_the_budget_are_held_until_the_printed_document_is_there() {
    let repo = repo(60);
    for n in 0..11 {
        repo.remove(&format!("releases/prod/c{n}.yaml"));
    }
    let run =
        repo.kcfg(&["diff"]).code(0).says("would delete 11 objects; the prune budget is 10").says("held-by-guard");
    let document: String = run
        .stdout
        .lines()
        .skip_while(|line| *line != "apiVersion: kcfg.dev/v1")
        .map(|line| format!("{line}\n"))
        .collect();
    repo.write("releases/prod/removal.yaml", &document);
    let run = repo.kcfg(&["diff"]).code(0);
    assert!(!run.stdout.contains("held"), "{}", run.stdout);

    // The same of two commits, whose documents are in the newer one.
    repo.kcfg(&["render"]).code(0);
    repo.commit("remove");
    let run = repo.kcfg(&["diff", "--from", "HEAD~1", "--to", "HEAD"]).code(0).says("removed");
    assert!(!run.stdout.contains("held"), "{}", run.stdout);
    // Without the digests of environments all the same.
    repo.remove("releases/prod/removal.yaml");
    repo.commit("document gone");
    repo.kcfg(&["diff", "--from", "HEAD~2", "--to", "HEAD", "--no-digests"]).code(0).says("held-by-guard");

    // From another state the same document permits nothing.
    let digest = |line: &str| {
        if line.contains("from: ") { format!("    from: {}\n", "f".repeat(64)) } else { format!("{line}\n") }
    };
    let elsewhere: String = document.lines().map(digest).collect();
    assert_ne!(elsewhere, document);
    repo.write("releases/prod/removal.yaml", elsewhere);
    repo.kcfg(&["diff", "--from", "HEAD~2", "--to-worktree"]).code(0).says("held-by-guard");
}

#[test]
fn the_environment_sets_the_budget() {
    let repo = repo(5);
    for n in 0..3 {
        repo.remove(&format!("releases/prod/c{n}.yaml"));
    }
    repo.kcfg(&["diff"]).says("would delete 3 objects of 6; the prune budget is 20 %");
    // Of a part of the environment no budget can be told.
    let run = repo.kcfg(&["diff", "prod/c*"]);
    assert!(!run.stdout.contains("held"), "{}", run.stdout);
    repo.write(
        "releases/prod/environment.yaml",
        "apiVersion: kcfg.dev/v1\nkind: Environment\nspec: {pruneBudget: {objects: 3, percent: 50}}\n",
    );
    let run = repo.kcfg(&["diff"]).says("3 removed");
    assert!(!run.stdout.contains("held"), "{}", run.stdout);
}

#[test]
fn what_is_never_deleted_is_named_with_the_line_that_does() {
    let repo = repo(30);
    repo.remove("releases/prod/claim.yaml");
    repo.kcfg(&["diff"])
        .says("never-deleted: it stays in the cluster: objects of its kind are never pruned unless they carry kcfg.dev/prune: enabled")
        .says("`kubectl delete persistentvolumeclaim/data --namespace shop` deletes it");
}

#[test]
fn an_object_that_moves_to_another_environment_leaves_its_own() {
    let repo = repo(3);
    repo.write("releases/staging/other.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\n");
    repo.kcfg(&["render"]).code(0);
    repo.commit("staging");
    for file in ["c0", "c1", "c2"] {
        let text = repo.read(&format!("releases/prod/{file}.yaml"));
        repo.remove(&format!("releases/prod/{file}.yaml"));
        repo.write(&format!("releases/staging/{file}.yaml"), text);
    }
    repo.kcfg(&["diff"]).says("held in prod").says("prod would delete 3 objects of 4");
}
