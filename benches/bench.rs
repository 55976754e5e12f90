//! How fast kcfg is, as a whole process, as its users run it.
//!
//! ```text
//! just bench                      a generated repository (500 releases of 5 objects), and one small chart
//! just bench 2000 20              the same with 2000 releases of 20 objects
//! just bench-diff                 `kcfg diff`: ten changes among 50,000 objects of two commits, and files of which everything changed
//! just bench-generate DIR 2000 20 leaves the generated repository in DIR
//! just bench-repo PATH            any repository: `kcfg render` against `helm template` once per release, in the same run
//! ```
//!
//! The generated repository is the same on every machine. Peak memory is measured where GNU time is installed.

#![allow(clippy::print_stdout)]

mod diff;
mod generate;
mod helm;

use std::ffi::OsStr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// How often a short run is repeated; the least and the middle time are shown.
const RUNS_SHORT: usize = 30;
/// How often a run over a whole repository is repeated.
const RUNS_LONG: usize = 5;

fn main() {
    // `cargo bench` adds `--bench` of its own.
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => generated(500, 5),
        ["repo", path] => repository(Path::new(path)),
        ["diff", ref rest @ ..] => diff::run(rest),
        ["generate", folder, releases, objects] => {
            generate::write(Path::new(folder), number(releases), number(objects));
        }
        [releases, objects] => generated(number(releases), number(objects)),
        _ => panic!(
            "arguments: [RELEASES OBJECTS] | diff [RELEASES OBJECTS] | generate DIR RELEASES OBJECTS | repo PATH"
        ),
    }
}

fn number(text: &str) -> usize {
    text.parse().unwrap_or_else(|_| panic!("{text:?} is no number"))
}

/// A repository made for the purpose, then one small chart of it.
fn generated(releases: usize, objects: usize) {
    let folder = scratch();
    let folder = folder.path();
    generate::write(folder, releases, objects);
    println!("generated repository: {releases} releases of {objects} objects");
    let rendered = folder.join("rendered");
    report("render, nothing there yet", RUNS_LONG, || remove(&rendered), || kcfg(folder, &["render"]));
    report("render, nothing changed", RUNS_LONG, || (), || kcfg(folder, &["render"]));
    report("check", RUNS_LONG, || (), || kcfg(folder, &["check"]));
    println!("one small chart");
    let template = ["template", "web", generate::CHART];
    report("template", RUNS_SHORT, || (), || kcfg(folder, &template));
}

/// Any repository, in a copy of it.
fn repository(path: &Path) {
    let folder = scratch();
    let folder = folder.path();
    let copied = Command::new("cp").arg("-a").arg(path.join(".")).arg(folder).status().expect("cp can be run");
    assert!(copied.success(), "{} cannot be copied", path.display());
    println!("{}", path.display());
    let rendered = folder.join("rendered");
    let render = report("render, nothing there yet", 2 * RUNS_LONG, || remove(&rendered), || kcfg(folder, &["render"]));
    report("render, nothing changed", 2 * RUNS_LONG, || (), || kcfg(folder, &["render"]));
    let releases = helm::releases(folder);
    let (total, refused) = helm::template_all(&releases);
    println!(
        "  {:28} {:9.1} ms, {} releases, {refused} refused",
        "helm template, each release",
        millis(total),
        releases.len()
    );
    println!("  kcfg render is {:.0} times as fast", total.as_secs_f64() / render.as_secs_f64());
}

fn remove(folder: &Path) {
    if folder.exists() {
        std::fs::remove_dir_all(folder).expect("a folder can be removed");
    }
}

/// kcfg in a folder, silent.
fn kcfg(folder: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kcfg"));
    command.args(args).current_dir(folder).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// Runs a command several times, prints its times and its peak memory, and gives the middle time.
fn report(name: &str, runs: usize, mut before: impl FnMut(), command: impl Fn() -> Command) -> Duration {
    let mut times: Vec<Duration> = (0..runs)
        .map(|_| {
            before();
            let begin = Instant::now();
            let status = command().status().expect("it can be run");
            let time = begin.elapsed();
            // An error is no reason to stop: a repository may hold releases that are refused. A crash is.
            assert!(
                status.code().is_some_and(|code| [0, 2].contains(&code) || name.starts_with("dyff")),
                "{name} ends with {status}"
            );
            time
        })
        .collect();
    times.sort();
    before();
    let memory =
        peak_memory_kib(&command()).map_or("unknown (no GNU time)".to_owned(), |kib| format!("{:.1} MB", kib / 1024.0));
    let middle = times[runs / 2];
    println!("  {name:28} {:9.1} ms, least {:9.1} ms, peak memory {memory}", millis(middle), millis(times[0]));
    middle
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

/// The most memory a command held, by GNU time.
fn peak_memory_kib(command: &Command) -> Option<f64> {
    let mut timed = Command::new("/usr/bin/time");
    timed.args(["-q", "-f", "%M"]).arg(command.get_program()).args(command.get_args().map(OsStr::to_owned));
    timed.current_dir(command.get_current_dir()?).stdout(Stdio::null());
    let output = timed.output().ok()?;
    String::from_utf8_lossy(&output.stderr).lines().last()?.trim().parse().ok()
}

/// A temporary folder in memory where there is such a file system, so that figures do not depend on a disk; TMPDIR
/// names another one.
fn scratch() -> tempfile::TempDir {
    let memory = std::path::Path::new("/dev/shm");
    let folder = match std::env::var_os("TMPDIR") {
        None if memory.is_dir() => tempfile::tempdir_in(memory),
        _ => tempfile::tempdir(),
    };
    folder.expect("a temporary folder can be made")
}
