//! fixtures/diff/pairs/NN-name: two manifests and what `kcfg diff` says of them; adding a folder adds a test.
//! `RECORD=1` records anew. `just compare-diff` compares with other tools on the same pairs.

use std::fs;

use regex::Regex;

use crate::repo::{here, kcfg};

#[test]
fn each_pair_is_told_as_it_is_recorded() {
    let folder = here().join("fixtures/diff/pairs");
    let mark = Regex::new(r"\(hidden [0-9a-f]{8}\)").expect("a pattern");
    let mut wrong = Vec::new();
    let mut count = 0;
    for entry in walkdir::WalkDir::new(&folder).min_depth(1).max_depth(1).sort_by_file_name() {
        let path = entry.expect("it can be listed").into_path();
        count += 1;
        let run = kcfg(&path, &["diff", "--from-path", "old.yaml", "--to-path", "new.yaml", "--exit-code"]);
        assert!(run.code < 2 && run.stderr.is_empty(), "{}: {}", path.display(), run.stderr);
        assert_eq!(run.code == 0, run.stdout.contains("no differences"), "{}", path.display());
        // Marks of hidden values are others in every run.
        let found = mark.replace_all(&run.stdout, "(hidden ########)").into_owned();
        let file = path.join("expected.txt");
        if std::env::var_os("RECORD").is_some() {
            fs::write(&file, &found).expect("it can be written");
        }
        let expected = fs::read_to_string(&file).unwrap_or_default();
        if found != expected {
            wrong.push(format!("{}\n--- expected\n{expected}\n--- found\n{found}", path.display()));
        }
    }
    assert!(count >= 30, "the pairs are there: {count}");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
