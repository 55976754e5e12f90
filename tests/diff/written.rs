//! fixtures/diff/written/NAME: two manifests and the reports of them that people read, as Markdown and HTML; adding a
//! folder adds a test. `RECORD=1` records anew.

use std::fs;

use regex::Regex;

use crate::repo::{here, kcfg};

/// Reports of a case: file, and arguments.
const REPORTS: &[(&str, &[&str])] = &[
    ("expected.md", &["--format", "markdown"]),
    ("expected-short.md", &["--format", "markdown", "--limit", "6000", "--report-url", "https://ci.example/report"]),
    ("expected.html", &["--format", "html"]),
];

#[test]
fn reports_are_written_as_they_are_recorded() {
    let folder = here().join("fixtures/diff/written");
    let mark = Regex::new(r"\(hidden (\\u0001)?[0-9a-f]{8}(\\u0002)?\)").expect("a pattern");
    // Script and style are files of their own, and the policy holds their hashes; versions come and go.
    let own = Regex::new(r"(?s)<style>.*?</style>|<script>.*?</script>|<meta http-equiv[^>]*>|kcfg \d+\.\d+\.\d+")
        .expect("a pattern");
    let mut wrong = Vec::new();
    let mut count = 0;
    for entry in walkdir::WalkDir::new(&folder).min_depth(1).max_depth(1).sort_by_file_name() {
        let path = entry.expect("it can be listed").into_path();
        for (name, args) in REPORTS {
            count += 1;
            let sides = ["diff", "--from-path", "old.yaml", "--to-path", "new.yaml"];
            let run = kcfg(&path, &[&sides[..], args].concat()).code(0);
            assert!(run.stderr.is_empty(), "{}: {}", path.display(), run.stderr);
            let found = mark.replace_all(&run.stdout, "(hidden ########)");
            let found = if name.ends_with(".html") {
                let found = own.replace_all(&found, "");
                // The data in lines, so that a change of them can be read.
                found.replace("{\"status\"", "\n{\"status\"").replace("{\"path\"", "\n  {\"path\"")
            } else {
                found.into_owned()
            };
            let file = path.join(name);
            if std::env::var_os("RECORD").is_some() {
                fs::write(&file, &found).expect("it can be written");
            }
            let expected = fs::read_to_string(&file).unwrap_or_default();
            if found != expected {
                wrong.push(format!("{}\n--- expected\n{expected}\n--- found\n{found}", file.display()));
            }
        }
    }
    assert!(count >= 12, "the cases are there: {count}");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
