//! Break-glass: what the applier leaves alone for a while, because somebody said so. Kept as JSON in the record of the
//! environment; each ends by itself.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::error::Diagnostic;
use crate::manifest::ObjectId;
use crate::repo::Selector;

/// The longest time that a suspension may last: what is forgotten must not stay off for good.
pub const SUSPENSION_MAX: Duration = Duration::from_secs(7 * 24 * 3600);
/// Suspensions that one environment may have at a time.
pub const SUSPENSIONS_MAX: usize = 100;
/// Characters of a reason, and of who gave it.
pub const REASON_CHARACTERS_MAX: usize = 500;

/// Something that is left alone for a while.
#[derive(Debug, Clone)]
pub struct Suspension {
    /// What.
    pub selector: Selector,
    /// Until when.
    pub until: Timestamp,
    /// Since when.
    pub since: Timestamp,
    /// Why.
    pub reason: String,
    /// Who wants it.
    pub by: String,
}

/// The suspensions of one environment, also those that are over.
#[derive(Debug, Clone, Default)]
pub struct Suspensions {
    /// The environment.
    pub environment: String,
    /// In the order in which they were asked for.
    pub list: Vec<Suspension>,
}

/// A suspension as it is written.
#[derive(Serialize, Deserialize)]
struct Written {
    selector: String,
    until: String,
    since: String,
    reason: String,
    by: String,
}

impl Suspension {
    /// Whether it holds at a moment.
    pub fn is_in_force(&self, now: Timestamp) -> bool {
        now < self.until
    }
}

impl Suspensions {
    /// Nothing of an environment is left alone.
    pub fn none(environment: &str) -> Suspensions {
        Suspensions { environment: environment.to_owned(), list: Vec::new() }
    }

    /// Reads what [`Suspensions::text`] wrote.
    ///
    /// # Errors
    /// It is no such text. What it meant to leave alone is not known then, so nothing may be touched.
    pub fn read(environment: &str, text: &str) -> Result<Suspensions, Diagnostic> {
        let refuse = |why: String| {
            Diagnostic::error(format!("the suspensions of {environment} in the cluster cannot be read: {why}"))
                .help(format!("`kcfg resume {environment}` removes them; `kcfg suspend` writes them anew"))
        };
        let written: Vec<Written> = match text {
            "" => Vec::new(),
            text => serde_json::from_str(text).map_err(|error| refuse(error.to_string()))?,
        };
        let moment = |text: &str| text.parse::<Timestamp>().map_err(|error| refuse(error.to_string()));
        let read = |written: Written| {
            Ok(Suspension {
                selector: written.selector.parse().map_err(|error: Diagnostic| refuse(error.message))?,
                until: moment(&written.until)?,
                since: moment(&written.since)?,
                reason: written.reason,
                by: written.by,
            })
        };
        let list = written.into_iter().map(read).collect::<Result<_, Diagnostic>>()?;
        Ok(Suspensions { environment: environment.to_owned(), list })
    }

    /// As they are written; empty where there is none.
    pub fn text(&self) -> String {
        if self.list.is_empty() {
            return String::new();
        }
        let write = |suspension: &Suspension| Written {
            selector: suspension.selector.to_string(),
            until: suspension.until.to_string(),
            since: suspension.since.to_string(),
            reason: suspension.reason.clone(),
            by: suspension.by.clone(),
        };
        let written: Vec<Written> = self.list.iter().map(write).collect();
        serde_json::to_string_pretty(&written).unwrap_or_default()
    }

    /// Those that hold at a moment.
    pub fn in_force(&self, now: Timestamp) -> impl Iterator<Item = &Suspension> {
        self.list.iter().filter(move |suspension| suspension.is_in_force(now))
    }

    /// What covers an object at a moment.
    pub fn covers(&self, release: &str, id: &ObjectId, now: Timestamp) -> Option<&Suspension> {
        self.in_force(now).find(|s| s.selector.matches_object(&self.environment, release, &id.kind, &id.name))
    }

    /// What covers a release as a whole at a moment.
    pub fn covers_release(&self, release: &str, now: Timestamp) -> Option<&Suspension> {
        let is_whole =
            |s: &&Suspension| !s.selector.is_within_release() && s.selector.matches_release(&self.environment, release);
        self.in_force(now).find(is_whole)
    }

    /// What covers the environment as a whole at a moment.
    pub fn covers_environment(&self, now: Timestamp) -> Option<&Suspension> {
        let is_whole =
            |s: &&Suspension| s.selector.is_whole_environments() && s.selector.matches_environment(&self.environment);
        self.in_force(now).find(is_whole)
    }

    /// Those that cover no whole environment.
    #[must_use]
    pub fn of_parts(&self) -> Suspensions {
        let list = self.list.iter().filter(|s| !s.selector.is_whole_environments()).cloned().collect();
        Suspensions { environment: self.environment.clone(), list }
    }

    /// When the next of them ends.
    pub fn next_end(&self, now: Timestamp) -> Option<Timestamp> {
        self.in_force(now).map(|suspension| suspension.until).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moment(text: &str) -> Timestamp {
        format!("2026-01-02T{text}:00Z").parse().expect("a moment")
    }

    fn suspensions(selectors: &[&str]) -> Suspensions {
        let suspend = |text: &&str| Suspension {
            selector: text.parse().expect("a selector"),
            since: moment("03:00"),
            until: moment("05:00"),
            reason: "a \"reason\"\nof two lines".into(),
            by: "alice".into(),
        };
        Suspensions { environment: "prod".into(), list: selectors.iter().map(suspend).collect() }
    }

    #[test]
    fn what_is_covered() {
        let id: ObjectId = "apps/Deployment/shop/web".parse().unwrap();
        let table = [
            ("prod", true, true, true),
            ("p*", true, true, true),
            ("prod/*", true, true, false),
            ("prod/web", true, true, false),
            ("prod/web/deployment", true, false, false),
            ("prod/web/Deployment/w*", true, false, false),
            ("prod/web/Deployment/api", false, false, false),
            ("prod/api", false, false, false),
            ("staging", false, false, false),
        ];
        for (selector, object, release, environment) in table {
            let found = suspensions(&[selector]);
            let at = |text: &str| {
                let now = moment(text);
                (
                    found.covers("web", &id, now).is_some(),
                    found.covers_release("web", now).is_some(),
                    found.covers_environment(now).is_some(),
                )
            };
            assert_eq!(at("04:59"), (object, release, environment), "{selector}");
            assert_eq!(at("05:00"), (false, false, false), "{selector}: it is over");
        }
    }

    #[test]
    fn what_is_written_is_read_and_what_is_not_is_an_error() {
        let written = suspensions(&["prod", "prod/w{a,b}"]);
        let read = Suspensions::read("prod", &written.text()).unwrap();
        assert_eq!(read.text(), written.text());
        assert_eq!(
            (read.list[1].reason.as_str(), read.next_end(moment("04:00"))),
            ("a \"reason\"\nof two lines", Some(moment("05:00")))
        );
        assert_eq!(read.next_end(moment("06:00")), None);
        assert_eq!(read.of_parts().list.len(), 1);
        assert_eq!(Suspensions::read("prod", "").unwrap().text(), "");
        for text in ["{", "[{}]", &written.text().replace("2026", "x"), &written.text().replace("prod/w", "/")] {
            let error = Suspensions::read("prod", text).unwrap_err();
            assert!(error.message.starts_with("the suspensions of prod in the cluster cannot be read"), "{text}");
        }
    }
}
