//! How fast kcfg is, as a whole process, as its users run it.
//!
//! ```text
//! just bench                      a generated repository (2000 releases of 20 objects), and one small chart
//! just bench 500 5                the same with 500 releases of 5 objects
//! just bench-diff                 `kcfg diff`: ten changes among 50,000 objects of two commits, and files of which everything changed
//! just bench-generate DIR 2000 20 leaves the generated repository in DIR
//! just bench-repo PATH            any repository: `kcfg render` against `helm template` once per release, in the same run
//! ```
//!
//! The generated repository is the same on every machine. Each figure stands beside what it is measured against: a tenth of
//! the releases, `cp -r` and `sha256sum` over the same output, an unchanged run. Memory and processor time are taken by
//! GNU time, where it is installed.

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
        [] => generated(2000, 20),
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
    let render = report("render, nothing there yet", RUNS_LONG, || remove(&rendered), || kcfg(folder, &["render"]));
    compare_with_tenth(render, releases, objects);
    compare_with_copy(folder);
    let unchanged = report("render, nothing changed", RUNS_LONG, || (), || kcfg(folder, &["render"]));
    let hash = report("sha256sum, same files", RUNS_LONG, || (), || shell(folder, HASH));
    println!("    nothing changed takes {:.2} times the time of sha256sum", ratio(unchanged, hash));
    compare_changed_chart(folder, unchanged, releases, objects);
    report("check", RUNS_LONG, || (), || kcfg(folder, &["check"]));
    println!("one small chart");
    let template = ["template", "web", generate::CHART];
    report("template", RUNS_SHORT, || (), || kcfg(folder, &template));
}

/// One pass over the rendered tree.
const HASH: &str = "find rendered -type f -exec sha256sum {} + > /dev/null";
/// What any program has to do that makes such a tree: write it and hash it once.
const COPY_AND_HASH: &str = "cp -r rendered copy; find copy -type f -exec sha256sum {} + > /dev/null";

/// Is it linear: a tenth of the releases, in a repository of their own.
fn compare_with_tenth(render: Duration, releases: usize, objects: usize) {
    let folder = scratch();
    let folder = folder.path();
    generate::write(folder, releases / 10, objects);
    let rendered = folder.join("rendered");
    let tenth = report("render, a tenth of them", RUNS_LONG, || remove(&rendered), || kcfg(folder, &["render"]));
    println!("    ten times the releases take {:.1} times the time", ratio(render, tenth));
}

/// Processor time against the least that such a tree costs.
fn compare_with_copy(folder: &Path) {
    let (rendered, copy) = (folder.join("rendered"), folder.join("copy"));
    let cost = |before: &Path, command: &dyn Fn() -> Command| {
        let mut times: Vec<f64> = (0..RUNS_LONG)
            .filter_map(|_| {
                remove(before);
                gnu_time("%U %S", &command())
            })
            .map(|times| times.split_whitespace().filter_map(|time| time.parse::<f64>().ok()).sum())
            .collect();
        times.sort_by(f64::total_cmp);
        times.get(times.len() / 2).copied()
    };
    let copied = cost(&copy, &|| shell(folder, COPY_AND_HASH));
    remove(&copy);
    let Some((copied, render)) = copied.zip(cost(&rendered, &|| kcfg(folder, &["render"]))) else { return };
    println!(
        "    render takes {render:.2} s of processor time, cp -r and sha256sum {copied:.2} s: {:.1} times",
        render / copied
    );
}

/// One chart changes that a few releases use: against an unchanged run and these releases in a repository of their own.
fn compare_changed_chart(folder: &Path, unchanged: Duration, releases: usize, objects: usize) {
    let template = folder.join(generate::RARE_CHART).join("templates/service.yaml");
    let text = std::fs::read_to_string(&template).expect("the chart has a service");
    let mut change = 0;
    let edit = || {
        change += 1;
        let text = format!("{text}  externalName: n{change}\n");
        std::fs::write(&template, text).expect("the template can be written");
    };
    let users = releases.div_ceil(generate::RARE_EVERY);
    let name = format!("render, {users} releases' chart");
    let changed = report(&name, RUNS_LONG, edit, || kcfg(folder, &["render"]));
    let alone = scratch();
    let alone = alone.path();
    generate::write(alone, users, objects);
    let rendered = alone.join("rendered");
    let name = format!("render, {users} releases alone");
    let alone = report(&name, RUNS_LONG, || remove(&rendered), || kcfg(alone, &["render"]));
    println!("    the change takes {:.2} times an unchanged run and those alone", ratio(changed, unchanged + alone));
}

fn ratio(time: Duration, other: Duration) -> f64 {
    time.as_secs_f64() / other.as_secs_f64()
}

/// A line of shell in a folder.
fn shell(folder: &Path, script: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", script]).current_dir(folder).stdout(Stdio::null()).stderr(Stdio::null());
    command
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
    println!("  kcfg render is {:.0} times as fast", ratio(total, render));
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
    gnu_time("%M", command)?.parse().ok()
}

/// Runs a command under GNU time and gives what that says of it.
fn gnu_time(format: &str, command: &Command) -> Option<String> {
    let mut timed = Command::new("/usr/bin/time");
    timed.args(["-q", "-f", format]).arg(command.get_program()).args(command.get_args().map(OsStr::to_owned));
    timed.current_dir(command.get_current_dir()?).stdout(Stdio::null());
    let output = timed.output().ok()?;
    Some(String::from_utf8_lossy(&output.stderr).lines().last()?.trim().to_owned())
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
