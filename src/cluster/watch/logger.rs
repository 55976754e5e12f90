//! The log of one environment: what happened, to which object, why, at which commit.

use crate::cluster::{Log, LogLine, ObjectResult, Outcome};
use crate::error::Diagnostic;
use crate::repo::CommitId;

/// The log of one environment.
#[derive(Clone)]
pub(super) struct Logger {
    pub(super) log: Log,
    pub(super) environment: String,
}

impl Logger {
    pub(super) fn info(&self, message: &'static str, fields: &[(&'static str, String)]) {
        self.line("info", message, fields);
    }

    pub(super) fn warn(&self, message: &'static str, fields: &[(&'static str, String)]) {
        self.line("warn", message, fields);
    }

    pub(super) fn error(&self, message: &'static str, fields: &[(&'static str, String)]) {
        self.line("error", message, fields);
    }

    pub(super) fn object(&self, object: &ObjectResult, commit: &CommitId) {
        let fields = [
            ("object", object.id.to_string()),
            ("outcome", object.outcome.word().to_owned()),
            ("release", object.release.clone()),
            ("commit", commit.to_string()),
            ("reason", object.reason.clone()),
        ];
        match object.outcome {
            Outcome::Failed => self.error("object", &fields),
            Outcome::Held | Outcome::Suspended | Outcome::Terminating | Outcome::Unready => {
                self.warn("object", &fields);
            }
            _ => self.info("object", &fields),
        }
    }

    pub(super) fn line(&self, level: &'static str, message: &'static str, fields: &[(&'static str, String)]) {
        let environment = ("environment", self.environment.clone());
        let fields = fields.iter().filter(|(_, value)| !value.is_empty()).cloned();
        (self.log)(&LogLine { level, message, fields: std::iter::once(environment).chain(fields).collect() });
    }
}

/// A finding in one line.
pub(in crate::cluster) fn one_line(error: &Diagnostic) -> String {
    let place = error.place.as_ref().map(|place| format!("{place}: ")).unwrap_or_default();
    let notes: String = error.notes.iter().map(|note| format!("; {}", note.message)).collect();
    format!("{place}{}{notes}", error.message)
}
