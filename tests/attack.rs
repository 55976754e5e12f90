//! Attacks: kills, full disks, missing rights, links, pipes, devices and odd names. Whatever happens, nothing that was
//! there is lost, the message says what is wrong where, and nothing waits for ever.

mod kill;
mod rights;
mod sources;
mod tree;

use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use crate::repo::{Repo, Run};

/// Longer than any run here takes; who waits for a pipe is killed then.
const SECONDS_MAX: &str = "60";

/// Runs kcfg in a repository; a run that hangs ends the test.
#[track_caller]
fn kcfg(repo: &Repo, args: &[&str]) -> Run {
    run(repo, Path::new(env!("CARGO_BIN_EXE_kcfg")), &[], args)
}

/// The same as a user without root's rights.
#[track_caller]
fn kcfg_without_rights(repo: &Repo, args: &[&str]) -> Run {
    if !is_root() {
        return kcfg(repo, args);
    }
    let open = |path: &Path| std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755));
    let program = repo.path().join(".git/kcfg");
    if !program.exists() {
        std::fs::copy(env!("CARGO_BIN_EXE_kcfg"), &program).expect("it can be copied");
        open(&program).and_then(|()| open(repo.path())).expect("rights can be given");
    }
    run(repo, &program, &["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"], args)
}

fn run(repo: &Repo, program: &Path, before: &[&str], args: &[&str]) -> Run {
    let output = Command::new("timeout")
        .args(["--signal=KILL", SECONDS_MAX])
        .args(before)
        .arg(program)
        .args(args)
        .current_dir(repo.path())
        .env("NO_COLOR", "1")
        .output()
        .expect("timeout can be run");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("kcfg prints UTF-8");
    Run {
        code: output.status.code().expect("it ends within the time"),
        stdout: text(output.stdout),
        stderr: text(output.stderr),
    }
}

/// Runs a script in the repository, with kcfg as `$KCFG`; gives its output if it could do what it was to.
fn script(repo: &Repo, text: &str) -> Option<String> {
    let output = Command::new("timeout")
        .args([SECONDS_MAX, "bash", "-c", text])
        .current_dir(repo.path())
        .env("KCFG", env!("CARGO_BIN_EXE_kcfg"))
        .env("NO_COLOR", "1")
        .output()
        .expect("bash can be run");
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout == b"0\n")
}

/// Says that a test could not attack, past the test runner's capture.
fn skipped(why: &str) {
    let _ = writeln!(std::io::stderr(), "SKIPPED, nothing was tested: {why}");
}
