//! What people are told: every `fixtures/yaml/errors/<case>.yaml` beside the `<case>.txt` that reading it prints.

use std::fmt::Write as _;
use std::path::Path;

use crate::yaml::{self, ReadOptions};

#[test]
fn mistakes_are_told_with_their_place_and_a_way_out() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/yaml/errors");
    let mut count = 0;
    let mut wrong = String::new();
    let entries = std::fs::read_dir(&folder).expect("the fixtures' folder is there");
    for entry in entries.map(|entry| entry.expect("the folder can be listed").path()) {
        if entry.extension().is_none_or(|extension| extension != "yaml") {
            continue;
        }
        count += 1;
        let name = entry.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let bytes = std::fs::read(&entry).expect("a fixture can be read");
        let mut told = String::new();
        match yaml::decode(&bytes, &name).and_then(|source| yaml::read(&source, &ReadOptions::default())) {
            Ok(document) => document.warnings.iter().for_each(|warning| {
                let _ = writeln!(told, "{warning}");
            }),
            Err(error) => told = format!("{error}\n"),
        }
        if told.is_empty() {
            let _ = writeln!(wrong, "{name} is read without a word");
        }
        let expected = entry.with_extension("txt");
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(&expected, &told).expect("a fixture can be written");
        } else if std::fs::read_to_string(&expected).unwrap_or_default() != told {
            let _ = writeln!(wrong, "{name}: expected another text than (UPDATE=1 writes it)\n{told}");
        }
    }
    assert!(count > 40, "only {count} cases were found");
    assert!(wrong.is_empty(), "{wrong}");
}
