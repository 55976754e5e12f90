//! What holds for every verb: exit codes, where output goes, and how bad command lines and closed pipes end.

use std::io::Read as _;
use std::process::{Command, Stdio};

use crate::repo::Repo;

/// A chart whose output is longer than a pipe holds.
fn long() -> Repo {
    Repo::new(
        "
        -- chart/Chart.yaml --
        apiVersion: v2
        name: long
        version: 0.1.0
        -- chart/values.yaml --
        deep: {name: chart}
        -- chart/templates/a.yaml --
        kind: ConfigMap
        name: {{ .Values.deep.name }}
        data:
        {{- range 20000 }}
          k{{ . }}: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
        {{- end }}
        ",
    )
}

#[test]
fn a_bad_command_line_is_an_error_and_help_is_not() {
    let repo = Repo::new("-- file --\n");
    repo.kcfg(&[]).code(2);
    repo.kcfg(&["rendre"]).code(2).complains("render");
    repo.kcfg(&["render", "--nonsense"]).code(2).complains("--nonsense");
    repo.kcfg(&["template", "a", "b", "c"]).code(2);
    repo.kcfg(&["--help"]).code(0).says("template");
    repo.kcfg(&["check", "--help"]).code(0).says("SELECTOR");
    repo.kcfg(&["--version"]).code(0).says(concat!("kcfg ", env!("CARGO_PKG_VERSION")));
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let repo = long();
    let mut kcfg = Command::new(env!("CARGO_BIN_EXE_kcfg"))
        .args(["template", "web", "chart"])
        .current_dir(repo.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("kcfg can be run");
    let mut first = [0; 10];
    kcfg.stdout.take().expect("it is piped").read_exact(&mut first).expect("there is output");
    let mut stderr = String::new();
    kcfg.stderr.take().expect("it is piped").read_to_string(&mut stderr).expect("it is UTF-8");
    assert_eq!((kcfg.wait().expect("it ends").code(), stderr.as_str()), (Some(0), ""));
}

#[test]
fn output_that_cannot_be_written_is_an_error() {
    let repo = long();
    // Of this file every write fails as on a full disk.
    let full = std::fs::File::options().write(true).open("/dev/full").expect("there is one");
    let output = Command::new(env!("CARGO_BIN_EXE_kcfg"))
        .args(["template", "web", "chart"])
        .current_dir(repo.path())
        .stdout(full)
        .output()
        .expect("kcfg can be run");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    assert_eq!(stderr.matches("cannot write to standard output").count(), 1, "{stderr}");
}

#[test]
fn values_are_read_from_standard_input() {
    let repo = long();
    let output = Command::new("sh")
        .args(["-c", "echo 'deep: {name: piped}' | \"$0\" template web chart -f -", env!("CARGO_BIN_EXE_kcfg")])
        .current_dir(repo.path())
        .output()
        .expect("sh can be run");
    assert!(String::from_utf8_lossy(&output.stdout).contains("name: piped\n"));
}

#[test]
fn an_error_points_at_its_place_and_prints_nothing_else() {
    let repo = long();
    repo.write("flat.yaml", "deep: flat\n");
    let run = repo.kcfg(&["template", "web", "chart", "-f", "flat.yaml"]).code(2);
    let run = run.complains("chart/templates/a.yaml:2:").complains(".Values.deep.name").complains("^^^");
    assert_eq!(run.stdout, "");
}

#[test]
fn another_folder_is_named_with_dir() {
    let repo = long();
    let (here, there) =
        (repo.kcfg(&["template", "web", "chart"]), repo.kcfg_in("chart", &["-C", "..", "template", "web", "chart"]));
    assert_eq!(here.code(0).stdout, there.code(0).stdout);
}

/// The first thread of a program has 8 MB of stack; what needs more is run anew on a thread with more.
#[test]
fn templates_go_deeper_than_the_first_threads_stack() {
    let repo = long();
    let down = r#"{{ define "down" }}{{ if . }}{{ include "down" (sub . 1 | int) }}{{ else }}bottom{{ end }}{{ end }}"#;
    let nest = r#"{{ define "nest" }}{{ $x := list }}{{ range . }}{{ $x = list $x }}{{ end }}{{ len $x }}{{ end }}"#;
    for (call, text) in [
        // The deepest that fits there, and what does not.
        (r#"include "down" 110"#, "bottom"),
        (r#"include "nest" 4600"#, "1"),
        (r#"include "down" 1000"#, "bottom"),
        (r#"include "nest" 100000"#, "1"),
    ] {
        repo.write("chart/templates/a.yaml", format!("{down}{nest}kind: {{{{ {call} }}}}\n"));
        let run = repo.kcfg(&["template", "web", "chart"]).code(0);
        assert_eq!(run.stdout, format!("---\n# Source: long/templates/a.yaml\nkind: {text}\n"), "{call}");
    }
    repo.write("chart/templates/a.yaml", format!(r#"{down}kind: {{{{ include "down" 1001 }}}}"#));
    repo.kcfg(&["template", "web", "chart"]).code(2).complains("includes itself without end");
}
