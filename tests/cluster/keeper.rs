//! [`Keeper`]: starts programs that do not outlive the test process, even if it is killed with SIGKILL.
//!
//! A shell holds the reading end of a pipe whose writing end only this process has. When the process ends, however it
//! does, the shell reads the pipe's end, kills what it started and removes the folder. So nothing depends on
//! destructors, which statics and killed processes do not run.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Mutex, PoisonError};

/// Reads names of scripts, starts them in the background and answers with their process ids. It ignores SIGHUP, which
/// the kernel sends to a group that loses its parent while one of its processes is stopped.
const SHELL: &str = r#"
trap '' HUP INT TERM
while read -r name; do
  sh "./$name.sh" >>"$name.log" 2>&1 </dev/null &
  pids="$pids $!"
  echo "$!"
done
kill -9 $pids
wait
cd / && rm -rf "$1"
"#;

/// A folder, and the programs that run in it.
pub struct Keeper {
    folder: PathBuf,
    shell: Child,
    pipe: Mutex<(Option<ChildStdin>, BufReader<ChildStdout>)>,
}

/// A process that a [`Keeper`] started.
#[derive(Clone, Copy, Debug)]
pub struct Pid(pub u32);

impl Keeper {
    /// A keeper with an empty folder of its own.
    pub fn new() -> Keeper {
        let folder =
            tempfile::Builder::new().prefix("kcfg-cluster-").tempdir().expect("a temporary folder can be made");
        let folder = folder.keep();
        let mut shell = Command::new("sh")
            .args(["-c", SHELL, "sh"])
            .arg(&folder)
            .current_dir(&folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            // Ctrl-C is for the test process; the pipe tells the shell.
            .process_group(0)
            .spawn()
            .expect("sh can be run");
        let stdin = shell.stdin.take().expect("it is a pipe");
        let stdout = BufReader::new(shell.stdout.take().expect("it is a pipe"));
        Keeper { folder, shell, pipe: Mutex::new((Some(stdin), stdout)) }
    }

    /// Where the programs run; removed with them.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Starts a program; what it prints goes to `<name>.log`.
    pub fn start(&self, name: &str, program: &Path, args: &[String]) -> Pid {
        let words = std::iter::once(program.display().to_string()).chain(args.iter().cloned());
        let words: Vec<_> = words.map(|word| format!("'{}'", word.replace('\'', r"'\''"))).collect();
        fs::write(self.folder.join(format!("{name}.sh")), format!("exec {}\n", words.join(" "))).expect("it is ours");
        let mut pipe = self.pipe.lock().unwrap_or_else(PoisonError::into_inner);
        writeln!(pipe.0.as_mut().expect("it is open until the drop"), "{name}").expect("the shell reads");
        let mut answer = String::new();
        pipe.1.read_line(&mut answer).expect("the shell answers");
        Pid(answer.trim().parse().unwrap_or_else(|_| panic!("{name}: the shell says {answer:?}")))
    }

    /// The last lines of what a program printed.
    pub fn log_tail(&self, name: &str) -> String {
        let text = fs::read(self.folder.join(format!("{name}.log"))).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<_> = text.lines().rev().take(5).collect();
        lines.into_iter().rev().map(|line| format!("{name}: {line}\n")).collect()
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.pipe.get_mut().unwrap_or_else(PoisonError::into_inner).0 = None;
        let _ = self.shell.wait();
    }
}

impl Pid {
    /// Sends a signal by its name without `SIG`.
    pub fn signal(self, name: &str) {
        let sent = Command::new("sh").args(["-c", &format!("kill -{name} {}", self.0)]).status();
        assert!(sent.is_ok_and(|status| status.success()), "no process {} to send SIG{name} to", self.0);
    }

    /// Whether it runs (or is stopped), and is not merely not yet waited for.
    pub fn runs(self) -> bool {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.0)).unwrap_or_default();
        stat.rsplit_once(')').is_some_and(|(_, rest)| !rest.trim_start().starts_with(['Z', 'X']))
    }
}
