//! Trees rendered by an older kcfg have to be rendered anew when the renderer changed: `RENDERER_VERSION` is among the
//! inputs of every release, and it has to go up whenever a golden output changes.

use std::collections::BTreeMap;
use std::fs;

use kcfg::pipeline::RENDERER_VERSION;
use kcfg::rendered::hex_sha256;

use crate::repo::here;

/// The version, and the hash of each golden output it was last accepted with.
const RECORD: &str = "fixtures/renderer-version.txt";

/// The golden outputs of `kcfg render`: the example with both engines, and the cases of the Tera engine.
const FOLDERS: &[&str] = &["fixtures/tera", "rendered"];

#[test]
fn the_renderer_version_goes_up_when_a_golden_output_changes() {
    let now = golden();
    let record = fs::read_to_string(here().join(RECORD)).unwrap_or_else(|_| "version 0\n".into());
    let (version, lines) = record.split_once('\n').expect("the version stands in the first line");
    let version: u32 = version.trim_start_matches("version ").parse().expect("the version is a number");
    let before: BTreeMap<&str, &str> =
        lines.lines().filter_map(|line| line.split_once("  ")).map(|(h, p)| (p, h)).collect();
    let changed: Vec<&String> = now
        .iter()
        .filter(|(path, hash)| before.get(path.as_str()).is_some_and(|old| old != hash))
        .map(|(path, _)| path)
        .collect();
    assert!(
        changed.is_empty() || RENDERER_VERSION > version,
        "raise RENDERER_VERSION in src/pipeline/mod.rs above {version}, then run `UPDATE=1 just test renderer_version`: {changed:#?}"
    );
    assert!(RENDERER_VERSION >= version, "RENDERER_VERSION never goes down");
    let text = format!("version {RENDERER_VERSION}\n")
        + &now.iter().map(|(path, hash)| format!("{hash}  {path}\n")).collect::<String>();
    if text != record {
        assert!(
            std::env::var_os("UPDATE").is_some(),
            "{RECORD} is out of date: run `UPDATE=1 just test renderer_version`"
        );
        fs::write(here().join(RECORD), text).expect("the record can be written");
    }
}

/// The golden outputs with their hashes. The sums of rendered/ hold the inputs, and so the version itself: left out.
fn golden() -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for folder in FOLDERS {
        for entry in walkdir::WalkDir::new(here().join(folder)) {
            let entry = entry.expect("the folder can be read");
            let name = entry.file_name().to_string_lossy();
            let is_golden = if *folder == "rendered" { name != "kcfg.sum" } else { name == "expected.yaml" };
            if entry.file_type().is_file() && is_golden {
                let path = entry.path().strip_prefix(here()).expect("it is below").display().to_string();
                found.insert(path, hex_sha256(&fs::read(entry.path()).expect("the file can be read")));
            }
        }
    }
    found
}
