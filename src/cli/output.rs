//! Where everything is printed: results on standard output, diagnostics on standard error, colour where it shows.

use std::cell::Cell;
use std::io::{BufWriter, ErrorKind, IsTerminal as _, Write as _};
use std::process::{Command, Stdio};

use anstream::ColorChoice;
use indexmap::IndexMap;

use crate::error::{Diagnostic, Severity, Style, io_help, reason};
use crate::pipeline::EnvironmentPlan;

/// The two streams.
#[derive(Debug)]
pub struct Output {
    style: Style,
    closed: Cell<bool>,
    failed: Cell<bool>,
}

/// A diagnostic, and the release it was met in.
#[derive(Debug, Clone)]
pub struct Finding {
    /// `env/release`, if it belongs to one.
    pub release: Option<String>,
    /// What was found.
    pub diagnostic: Diagnostic,
}

/// A warning that many releases share names this many of them; an error names all.
const RELEASES_NAMED_MAX: usize = 3;

impl Finding {
    /// Findings of one release.
    pub fn of(release: &str, diagnostics: impl IntoIterator<Item = Diagnostic>) -> Vec<Finding> {
        let release = Some(release.to_owned());
        diagnostics.into_iter().map(|diagnostic| Finding { release: release.clone(), diagnostic }).collect()
    }
}

impl Finding {
    /// What is wrong with an environment before anything is rendered.
    pub fn of_plan(plan: &EnvironmentPlan) -> Vec<Finding> {
        let refused = plan.refused.iter();
        let refused = refused
            .flat_map(|(folder, errors)| Finding::of(&format!("{}/{folder}", plan.name), errors.iter().cloned()));
        plan.findings.iter().cloned().map(Finding::from).chain(refused).collect()
    }
}

impl From<Diagnostic> for Finding {
    fn from(diagnostic: Diagnostic) -> Finding {
        Finding { release: None, diagnostic }
    }
}

impl Default for Output {
    fn default() -> Output {
        Output::new()
    }
}

impl Output {
    /// The process's own streams; colour as the terminal and NO_COLOR, CLICOLOR_FORCE and TERM say.
    pub fn new() -> Output {
        let plain = anstream::AutoStream::choice(&std::io::stderr()) == ColorChoice::Never;
        Output {
            style: if plain { Style::PLAIN } else { Style::COLOUR },
            closed: Cell::new(false),
            failed: Cell::new(false),
        }
    }

    /// Whether standard error is a terminal, so that a progress bar makes sense.
    pub fn is_interactive(&self) -> bool {
        std::io::stderr().is_terminal()
    }

    /// Writes to standard output. A reader that has gone away (`| head`) ends the writing, silently; anything else that
    /// ends it, such as a full disk, is said once, and [`Output::has_failed`] from then on.
    pub fn text(&self, text: &str) {
        self.pieces([text]);
    }

    /// Writes a text that is in pieces; megabytes need not be put together for it.
    pub fn pieces<'t>(&self, pieces: impl IntoIterator<Item = &'t str>) {
        /// Longer pieces are written as they are, shorter ones together.
        const BUFFER_BYTES: usize = 16 << 10;
        if self.closed.get() {
            return;
        }
        let mut stdout = BufWriter::with_capacity(BUFFER_BYTES, std::io::stdout().lock());
        let mut pieces = pieces.into_iter();
        let written = pieces.try_for_each(|piece| stdout.write_all(piece.as_bytes())).and_then(|()| stdout.flush());
        if let Err(error) = written {
            self.closed.set(true);
            if error.kind() != ErrorKind::BrokenPipe {
                self.failed.set(true);
                let what = format!("cannot write to standard output: {}", reason(&error));
                self.report([Finding::from(Diagnostic::error(what).help(io_help(&error)))]);
            }
            // What is left has no reader.
            let _ = stdout.into_parts();
        }
    }

    /// Whether something is missing on standard output that somebody waits for.
    pub fn has_failed(&self) -> bool {
        self.failed.get()
    }

    /// Whether whoever read standard output has gone away.
    pub fn is_closed(&self) -> bool {
        self.closed.get()
    }

    /// The columns of the terminal that standard output is; none if it is none.
    pub fn stdout_width(&self) -> Option<usize> {
        self.stdout_size().map(|(columns, _)| columns)
    }

    /// The columns and rows of the terminal that standard output is; none if it is none, or does not say.
    pub fn stdout_size(&self) -> Option<(usize, usize)> {
        if !std::io::stdout().is_terminal() {
            return None;
        }
        let (width, height) = terminal_size::terminal_size_of(std::io::stdout())?;
        Some((usize::from(width.0), usize::from(height.0)))
    }

    /// Whether colour shows on standard output.
    pub fn stdout_has_colour(&self) -> bool {
        anstream::AutoStream::choice(&std::io::stdout()) != ColorChoice::Never
    }

    /// Writes a text to standard output through the reader's pager: KCFG_PAGER, PAGER, or less, which ends at once if the
    /// text fits on a screen. Without one the text is written as it is.
    pub fn page(&self, text: &str) {
        let named = ["KCFG_PAGER", "PAGER"].iter().find_map(|name| std::env::var(name).ok());
        let program = named.unwrap_or_else(|| "less".into());
        let mut words = program.split_whitespace();
        let Some(name) = words.next() else { return self.text(text) };
        let mut pager = Command::new(name);
        pager.args(words).stdin(Stdio::piped());
        if std::env::var_os("LESS").is_none() {
            pager.env("LESS", "FRX");
        }
        let Ok(mut child) = pager.spawn() else { return self.text(text) };
        if let Some(mut stdin) = child.stdin.take() {
            // A reader who has seen enough closes the pipe.
            let _ = stdin.write_all(text.as_bytes());
        }
        let _ = child.wait();
    }

    /// Writes a line to standard output.
    pub fn line(&self, line: &str) {
        self.text(&format!("{line}\n"));
    }

    /// Writes a line to standard error: what was done beside the result.
    pub fn note(&self, line: &str) {
        // Standard error gone: there is nobody left to tell.
        let _ = writeln!(std::io::stderr().lock(), "{line}");
    }

    /// Writes findings to standard error, each followed by an empty line: warnings first, so that errors stand last,
    /// where a reader looks. What several releases share, as a chart's warning, is shown once, with their names.
    pub fn report(&self, findings: impl IntoIterator<Item = Finding>) {
        self.write_findings(findings, false);
    }

    /// The same, each with the rule of `kcfg lint` that it belongs to.
    pub fn report_with_rules(&self, findings: impl IntoIterator<Item = Finding>) {
        self.write_findings(findings, true);
    }

    fn write_findings(&self, findings: impl IntoIterator<Item = Finding>, with_rules: bool) {
        let mut groups: IndexMap<(Severity, String), Vec<String>> = IndexMap::new();
        for Finding { release, diagnostic } in findings {
            let mut message = diagnostic.render(self.style);
            if let Some(rule) = diagnostic.rule.filter(|_| with_rules) {
                let Style { bold, reset, .. } = self.style;
                message += &format!("{bold}rule{reset}: {}\n", rule.as_str());
            }
            let key = (diagnostic.severity, message);
            let releases = groups.entry(key).or_default();
            if let Some(release) = release
                && releases.last() != Some(&release)
            {
                releases.push(release);
            }
        }
        let mut text = String::new();
        for wanted in [Severity::Warning, Severity::Error] {
            for ((_, message), releases) in groups.iter().filter(|((severity, _), _)| *severity == wanted) {
                text.push_str(message);
                text.push_str(&self.names(releases, wanted));
                text.push('\n');
            }
        }
        // Standard error gone: there is nobody left to tell.
        let _ = std::io::stderr().lock().write_all(text.as_bytes());
    }

    fn names(&self, releases: &[String], severity: Severity) -> String {
        let Style { bold, reset, .. } = self.style;
        match releases {
            [] => String::new(),
            [only] => format!("{bold}release{reset}: {only}\n"),
            many if severity == Severity::Error || many.len() <= RELEASES_NAMED_MAX => {
                format!("{bold}releases{reset}: {}\n", many.join(", "))
            }
            many => {
                let named = many[..RELEASES_NAMED_MAX].join(", ");
                format!("{bold}releases{reset}: {named} and {} more\n", many.len() - RELEASES_NAMED_MAX)
            }
        }
    }
}
