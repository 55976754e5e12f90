//! `kcfg status --watch`: on a terminal the status, drawn over itself; in a file or a pipe a line for each thing that
//! changes; with `--format json` a document for each environment that changes.

use std::collections::HashMap;
use std::io::IsTerminal as _;
use std::ops::ControlFlow;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::super::{Output, Status};
use super::changes::{Change, changes};
use super::json::environment;
use super::screen::Screen;
use super::shown::Shown;
use super::text::{age, text};
use super::{Args, Format, asked, environment_names, lag_ends};
use crate::cluster;
use crate::cluster::status::{EnvironmentState, Outage};
use crate::error::{Diagnostic, visible};
use crate::repo::{CommitId, Git, Lag, Repository};

/// Watches until somebody ends it.
///
/// # Errors
/// The options do not go together, the cluster does not answer at first, or has nothing that was asked for.
pub fn run(args: &Args, repository: Option<&Repository>, output: &Output) -> Result<Status, Diagnostic> {
    if args.from_git {
        return Err(Diagnostic::error("--watch cannot be combined with --from-git: a clone hears nothing by itself")
            .help("fetch and ask again: `while sleep 60; do git fetch --quiet && kcfg status --from-git; done`"));
    }
    if args.exit_code {
        return Err(Diagnostic::error(
            "--watch cannot be combined with --exit-code: it goes on whether all is well or not",
        )
        .help("without --watch, --exit-code tells how it is now"));
    }
    let git = repository.and_then(|repository| repository.git().ok().flatten());
    let mut lags = Lags { git, known: HashMap::new() };
    let mut view = match args.format {
        Format::Json => View::Json,
        Format::Text if std::io::stdout().is_terminal() => View::Screen(Screen::new(output)),
        Format::Text => View::Log,
    };
    let mut last: Option<Look> = None;
    let names = environment_names(repository);
    cluster::follow_status(&args.cluster.target(), &names, args.selector.as_ref(), |states, outage| {
        if last.is_none() {
            asked(states, args.selector.as_ref())?;
        }
        let now = Timestamp::now();
        // While nothing is heard, it is shown as it was when that began.
        let at = outage.map_or(now, |outage| outage.since);
        let show = |state: &EnvironmentState| Shown::of(state.clone(), lags.of(state), args.max_lag, None, at);
        let look = Look { shown: states.iter().map(show).collect(), at, outage: outage.cloned() };
        match &mut view {
            View::Screen(screen) => {
                let size = output.stdout_size().unwrap_or(SIZE_DEFAULT);
                screen.draw(&look.drawn(now), &format!("at {now:.0}; Ctrl-C ends"), size);
            }
            View::Log => look.lines(last.as_ref(), now).iter().for_each(|line| output.line(&visible(line))),
            View::Json => look.documents(last.as_ref(), now).iter().for_each(|value| output.line(&value.to_string())),
        }
        last = Some(look);
        Ok(if output.is_closed() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    })?;
    if let (View::Screen(screen), Some(look)) = (view, &last) {
        drop(screen);
        // What was seen last stays on the terminal.
        output.text(&look.drawn(Timestamp::now()));
    }
    Ok(Status::Fine)
}

/// Columns and rows of a terminal that does not say.
const SIZE_DEFAULT: (usize, usize) = (80, 24);

/// How it is shown.
enum View<'a> {
    Screen(Screen<'a>),
    Log,
    Json,
}

/// The environments at one moment.
struct Look {
    shown: Vec<Shown>,
    at: Timestamp,
    outage: Option<Outage>,
}

impl Look {
    /// The text of a terminal.
    fn drawn(&self, now: Timestamp) -> String {
        let mut whole = String::new();
        if let Some(Outage { since, why }) = &self.outage {
            let time = age(*since, now);
            whole = format!("NOTHING IS HEARD of the cluster since {since:.0}, for {time}: {why}\nas it was then:\n\n");
        }
        whole.push_str(&text(&self.shown, false, self.at));
        whole.lines().map(|line| format!("{}\n", visible(line))).collect()
    }

    /// The lines of a log: at first the whole text, then what changed.
    fn lines(&self, before: Option<&Look>, now: Timestamp) -> Vec<String> {
        let Some(before) = before else {
            return text(&self.shown, false, self.at).lines().map(str::to_owned).collect();
        };
        let line = |text: &str| format!("{now:.0} {text}");
        let mut lines = Vec::new();
        match (&before.outage, &self.outage) {
            (None, Some(outage)) => lines.push(line(&format!("nothing is heard of the cluster: {}", outage.why))),
            (Some(outage), None) => {
                lines.push(line(&format!("the cluster is heard again, after {}", age(outage.since, now))));
            }
            _ => {}
        }
        lines.extend(self.changes(before).iter().map(|change| line(&change.text())));
        lines
    }

    /// The documents: at first one for each environment, then one for each that changed.
    fn documents(&self, before: Option<&Look>, now: Timestamp) -> Vec<Value> {
        let time = format!("{now:.0}");
        let document = |one: &Shown, changes: &[Change]| {
            let mut document = json!({"time": time, "changes": changes.iter().map(Change::json).collect::<Vec<_>>()});
            if let (Some(document), Value::Object(of)) = (document.as_object_mut(), environment(one, self.at)) {
                document.extend(of);
            }
            document
        };
        let Some(before) = before else { return self.shown.iter().map(|one| document(one, &[])).collect() };
        let mut documents = Vec::new();
        match (&before.outage, &self.outage) {
            (None, Some(Outage { since, why })) => {
                documents.push(json!({"time": time, "heard": false, "since": format!("{since:.0}"), "reason": why}));
            }
            (Some(_), None) => documents.push(json!({"time": time, "heard": true})),
            _ => {}
        }
        let changes = self.changes(before);
        let of = |name: &str| -> Vec<Change> {
            changes.iter().filter(|change| change.environment == name).cloned().collect()
        };
        for gone in before.shown.iter().map(|one| &one.state.name) {
            if self.shown.iter().all(|one| one.state.name != *gone) {
                let changes: Vec<Value> = of(gone).iter().map(Change::json).collect();
                documents.push(json!({"time": time, "changes": changes, "environment": gone}));
            }
        }
        for one in &self.shown {
            let changes = of(&one.state.name);
            if !changes.is_empty() {
                documents.push(document(one, &changes));
            }
        }
        documents
    }

    fn changes(&self, before: &Look) -> Vec<Change> {
        changes(&before.shown, before.at, &self.shown, self.at)
    }
}

/// How far environments are behind; a walk through the history is done once.
struct Lags<'a> {
    git: Option<&'a Git>,
    /// By environment, of the commits between which they were counted.
    known: HashMap<String, ((CommitId, CommitId), Lag)>,
}

impl Lags<'_> {
    fn of(&mut self, state: &EnvironmentState) -> Option<Lag> {
        let git = self.git?;
        let ends = lag_ends(git, state)?;
        if let Some((of, lag)) = self.known.get(&state.name)
            && *of == ends
        {
            return Some(lag.clone());
        }
        let lag = git.lag(&ends.0, &ends.1)?;
        self.known.insert(state.name.clone(), (ends, lag.clone()));
        Some(lag)
    }
}
