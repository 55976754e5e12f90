//! A program that was built without the features says so, and how to get them.

use std::process::Command;

use crate::repo::Repo;

#[test]
fn what_a_feature_does_says_how_to_get_it() {
    let manifests = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: b}\ndata: {x: y}\n";
    let repo = Repo::new("");
    repo.write("releases/prod/web.yaml", manifests);
    repo.kcfg(&["render"]).code(0);
    repo.write("old.yaml", manifests);
    repo.write("new.yaml", manifests.replace("y}", "z}"));
    for (args, feature) in [
        (&["apply", "prod"][..], "cluster"),
        (&["diff", "--live", "prod"], "cluster"),
        (
            &["diff", "--from-path", "old.yaml", "--to-path", "new.yaml", "--post", "github", "--post-number", "1"],
            "post",
        ),
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_kcfg"))
            .args(args)
            .current_dir(repo.path())
            .env("GITHUB_REPOSITORY", "acme/config")
            .env("GITHUB_TOKEN", "none")
            .output()
            .expect("kcfg starts");
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {said}");
        assert!(said.contains(&format!("built without the feature `{feature}`")), "{args:?}: {said}");
        assert!(said.contains("help: build it with"), "{args:?}: {said}");
    }
}
