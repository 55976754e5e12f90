//! docs/diff.md names every flag with its meaning, every format, and a list of places that kcfg.yaml takes.

use std::fmt::Write as _;
use std::fs;

use kcfg::diff::flag::Rule;

use crate::repo::{Repo, here, kcfg};

const BEGIN: &str = "|---|---|\n";
const COMMENT: &str = "<!-- Written from src/diff/flag.rs";
const END: &str = "<!-- end -->";

#[test]
fn the_guide_explains_every_flag() {
    let path = here().join("docs/diff.md");
    let text = fs::read_to_string(&path).expect("it can be read");
    let comment = text.find(COMMENT).expect("the table of flags is marked");
    let begin = comment + text[comment..].find(BEGIN).expect("it has a head") + BEGIN.len();
    let end = begin + text[begin..].find(END).expect("it has an end");
    let mut table = String::new();
    for rule in Rule::ALL {
        let _ = writeln!(table, "| `{}` | {} |", rule.name(), rule.meaning());
    }
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&path, format!("{}{table}{}", &text[..begin], &text[end..])).expect("it can be written");
        return;
    }
    assert_eq!(&text[begin..end], table, "UPDATE=1 cargo test guide");
}

#[test]
fn the_guide_names_every_format_and_option() {
    let text = fs::read_to_string(here().join("docs/diff.md")).expect("it can be read");
    let help = kcfg(&here(), &["diff", "--help"]).code(0).stdout;
    let formats = help.split("How the report is written").nth(1).expect("--help names the formats");
    let formats: Vec<&str> = formats
        .lines()
        .filter_map(|line| line.trim().strip_prefix("- ")?.split(':').next())
        .take_while(|name| !["auto", "never"].contains(name))
        .collect();
    assert!(formats.len() >= 6, "{formats:?} in {help}");
    for format in formats {
        assert!(text.contains(&format!("`{format}`")), "docs/diff.md lacks the format `{format}`");
    }
}

#[test]
fn the_list_of_the_guide_is_one() {
    let text = fs::read_to_string(here().join("docs/diff.md")).expect("it can be read");
    let list = text.split("```yaml\n").nth(1).and_then(|rest| rest.split("```").next()).expect("it has an example");
    let repo = Repo::new("");
    repo.write("kcfg.yaml", list);
    repo.write(
        "releases/prod/a.yaml",
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a, namespace: b}\nspec: {replicas: 1}\n",
    );
    repo.kcfg(&["render"]).code(0);
    repo.commit("rendered");
    repo.write("releases/prod/a.yaml", repo.read("releases/prod/a.yaml").replace("replicas: 1", "replicas: 2"));
    repo.kcfg(&["diff"]).code(0).says("1 change ignored by the ignore list");
}
