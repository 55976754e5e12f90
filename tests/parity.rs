//! Helm parity: `kcfg template` against what the real helm printed, byte for byte, for every case of fixtures/helm.
//!
//! A case is a folder; adding one adds a test. `just oracle` records (tests/oracle/record.sh says what a case holds).
//! Where helm refuses, kcfg must refuse too, with exit code 2 and nothing on standard output; its words are its own, but
//! each line of a case's file `says` (a message that the chart's author wrote, a name) stands in both messages.

use std::fs;
use std::path::Path;

use rayon::prelude::*;

use crate::repo::{Run, here, kcfg};

/// What record.sh gives helm where a case has no file `args`.
const USUAL_ARGS: &str = "rel\nchart\n--namespace\nns1\n--kube-version\n1.33.0\n";

/// The version in every recording's first line: the one that tests/oracle/go.mod pins.
fn header() -> String {
    let pins = fs::read_to_string(here().join("tests/oracle/go.mod")).expect("go.mod can be read");
    let version = pins.lines().find_map(|line| line.trim().strip_prefix("helm.sh/helm/v3 ")).expect("go.mod pins helm");
    format!("# recorded by helm {}: helm template ", version.trim_end_matches(" // indirect"))
}

#[test]
fn template_prints_what_helm_prints() {
    let mut cases: Vec<_> = fs::read_dir(here().join("fixtures/helm"))
        .expect("fixtures/helm can be listed")
        .map(|entry| entry.expect("it can be listed").path())
        .collect();
    cases.sort();
    assert!(!cases.is_empty(), "there are cases");
    let header = header();
    let wrong: Vec<String> =
        cases.par_iter().filter_map(|case| compare(case, &header).err().map(|e| describe(case, &e))).collect();
    assert!(wrong.is_empty(), "{} of {} cases differ\n\n{}", wrong.len(), cases.len(), wrong.join("\n\n"));
}

fn describe(case: &Path, finding: &str) -> String {
    format!("fixtures/helm/{}: {finding}", case.file_name().expect("it has a name").to_string_lossy())
}

fn compare(case: &Path, header: &str) -> Result<(), String> {
    match (read(case, "expected.yaml"), read(case, "expected-error.txt")) {
        (Some(recording), None) => {
            let expected = body(&recording, header)?;
            let run = run(case);
            if run.code != 0 {
                return Err(format!("helm renders this, kcfg does not:\n{}", run.stderr));
            }
            first_difference(expected, &run.stdout)
        }
        (None, Some(recording)) => {
            let expected = body(&recording, header)?;
            let run = run(case);
            if run.code != 2 || !run.stdout.is_empty() {
                return Err(format!("helm refuses this, kcfg exits with {} and prints\n{}", run.code, run.stdout));
            }
            let says = read(case, "says").unwrap_or_default();
            says.lines().try_for_each(|line| {
                if !expected.contains(line) {
                    return Err(format!("the file `says` has {line:?}, which helm does not say:\n{expected}"));
                }
                if run.stderr.contains(line) { Ok(()) } else { Err(format!("{line:?} is not in\n{}", run.stderr)) }
            })
        }
        _ => Err("it has not one recording: run `just oracle`".to_owned()),
    }
}

fn read(case: &Path, name: &str) -> Option<String> {
    fs::read_to_string(case.join(name)).ok()
}

/// A recording without its first line, which must name the pinned helm.
fn body<'a>(recording: &'a str, header: &str) -> Result<&'a str, String> {
    match recording.split_once('\n') {
        Some((first, rest)) if first.starts_with(header) => Ok(rest),
        _ => Err(format!("its recording does not begin with {header:?}: run `just oracle`")),
    }
}

/// Runs `kcfg template` with the case's arguments, and its values*.yaml in the order of their names.
fn run(case: &Path) -> Run {
    let args = read(case, "args").unwrap_or_else(|| USUAL_ARGS.to_owned());
    let mut args: Vec<String> = args.lines().map(str::to_owned).collect();
    let files = fs::read_dir(case).expect("a case can be listed").map(|e| e.expect("it can be listed").file_name());
    let mut values: Vec<_> = files.map(|name| name.to_string_lossy().into_owned()).collect();
    values.retain(|name| name.starts_with("values") && name.ends_with(".yaml"));
    values.sort();
    args.extend(values.into_iter().flat_map(|name| ["-f".to_owned(), name]));
    let args: Vec<&str> = std::iter::once("template").chain(args.iter().map(String::as_str)).collect();
    kcfg(case, &args)
}

fn first_difference(expected: &str, actual: &str) -> Result<(), String> {
    if expected == actual {
        return Ok(());
    }
    let mut lines = 1;
    let (mut helm, mut ours) = (expected.split_inclusive('\n'), actual.split_inclusive('\n'));
    loop {
        match (helm.next(), ours.next()) {
            (a, b) if a == b => lines += 1,
            (a, b) => return Err(format!("line {lines}\n  helm {a:?}\n  kcfg {b:?}")),
        }
    }
}

#[test]
fn a_recording_without_the_pinned_version_is_refused() {
    let header = header();
    assert!(header.starts_with("# recorded by helm v3."), "{header}");
    assert_eq!(body(&format!("{header}rel chart\na: 1\n"), &header), Ok("a: 1\n"));
    assert!(body("# recorded by helm v3.1.0: helm template rel chart\na: 1\n", &header).is_err());
    assert!(body("a: 1\n", &header).is_err());
}

#[test]
fn the_first_different_line_is_shown() {
    assert_eq!(first_difference("a\nb\n", "a\nb\n"), Ok(()));
    assert_eq!(
        first_difference("a\nb\n", "a\nc\n"),
        Err("line 2\n  helm Some(\"b\\n\")\n  kcfg Some(\"c\\n\")".to_owned())
    );
    assert_eq!(first_difference("a\n", "a"), Err("line 1\n  helm Some(\"a\\n\")\n  kcfg Some(\"a\")".to_owned()));
}
