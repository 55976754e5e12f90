//! What the loop counts, in Prometheus's text format. Of our own: a dozen numbers need no library.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError};

/// The type of the text.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// A number's name, what it is, and whether it only grows.
struct Family {
    name: &'static str,
    help: &'static str,
    is_counter: bool,
}

/// All numbers, in the order in which they are shown. Also the table of docs/watch.md, which a test compares.
const FAMILIES: &[Family] = &[
    gauge("kcfg_leader", "1 where this process has the Lease"),
    gauge("kcfg_last_sync_timestamp_seconds", "When the last synchronisation ended that could read tree and cluster"),
    gauge("kcfg_last_sync_duration_seconds", "How long it took"),
    counter("kcfg_syncs_total", "Synchronisations, by result: ok, findings or error"),
    counter("kcfg_fetches_total", "Polls of the Git server, by result: new, same or error"),
    gauge("kcfg_last_fetch_timestamp_seconds", "When the Git server last answered"),
    counter(
        "kcfg_git_reports_total",
        "Attempts to tell the Git server how things stand, by result: written, same or error",
    ),
    counter("kcfg_objects_total", "Objects that something was done with, by outcome"),
    gauge(
        "kcfg_objects",
        "Objects of the last synchronisation, by state: unchanged, failed, held, suspended or drifted",
    ),
    gauge("kcfg_releases", "Releases, by state: applied, partial, suspended or refused"),
    gauge("kcfg_release_info", "1 for each release, with its state"),
    gauge("kcfg_commit_info", "1, with the commit that was applied last"),
    gauge("kcfg_suspended", "What is suspended, by selector: when that ends, in seconds since 1970"),
    counter("kcfg_drift_total", "Objects that were found changed in the cluster, by the manager that changed them"),
    gauge("kcfg_fights", "Objects that somebody keeps changing back"),
    counter("kcfg_events_total", "Events of Kubernetes, by result: written or failed"),
    gauge("kcfg_stale_releases", "Releases whose sources changed after they were rendered"),
    counter("kcfg_api_requests_total", "Requests to the API server"),
    counter("kcfg_webhooks_total", "Webhook requests, by result: accepted or refused"),
    counter("kcfg_watch_restarts_total", "Watches that were opened anew"),
];

const fn gauge(name: &'static str, help: &'static str) -> Family {
    Family { name, help, is_counter: false }
}

const fn counter(name: &'static str, help: &'static str) -> Family {
    Family { name, help, is_counter: true }
}

/// The label that tells the numbers of one family apart has at most so many values; others are counted as `other`.
const LABELS_MAX: usize = 50;

/// The numbers; clones share them.
#[derive(Debug, Clone, Default)]
pub struct Metrics(Arc<Mutex<BTreeMap<(&'static str, String), f64>>>);

impl Metrics {
    /// Adds to a number. `label` is `name="value"`, or empty.
    pub fn add(&self, name: &'static str, label: &str, amount: f64) {
        self.change(name, label, &mut |number| *number += amount);
    }

    /// Sets a number.
    pub fn set(&self, name: &'static str, label: &str, value: f64) {
        self.change(name, label, &mut |number| *number = value);
    }

    /// Sets all numbers of a family: those that are not among them are gone. How many there are is the caller's to limit.
    pub fn replace(&self, name: &'static str, numbers: impl IntoIterator<Item = (String, f64)>) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|(family, _), _| *family != name);
        known.extend(numbers.into_iter().map(|(label, number)| ((name, label), number)));
    }

    fn change(&self, name: &'static str, label: &str, change: &mut dyn FnMut(&mut f64)) {
        let mut numbers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_known = numbers.contains_key(&(name, label.to_owned()));
        let count = numbers.range((name, String::new())..).take_while(|((family, _), _)| *family == name).count();
        let label = match label.split_once('=') {
            Some((key, _)) if !is_known && count >= LABELS_MAX => format!("{key}=\"other\""),
            _ => label.to_owned(),
        };
        change(numbers.entry((name, label)).or_default());
    }

    /// The text, of all families that have a number.
    pub fn text(&self, environment: &str) -> String {
        let numbers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut out = String::new();
        let environment = format!("environment={}", quoted(environment));
        for Family { name, help, is_counter } in FAMILIES {
            let mut of_family = numbers.range((*name, String::new())..).take_while(|((n, _), _)| n == name).peekable();
            if of_family.peek().is_none() {
                continue;
            }
            let kind = if *is_counter { "counter" } else { "gauge" };
            let _ = writeln!(out, "# HELP {name} {help}.\n# TYPE {name} {kind}");
            for ((_, label), number) in of_family {
                let comma = if label.is_empty() { "" } else { "," };
                let _ = writeln!(out, "{name}{{{environment}{comma}{label}}} {number}");
            }
        }
        out
    }
}

/// A label: `name="value"`.
pub fn label(name: &str, value: &str) -> String {
    format!("{name}={}", quoted(value))
}

fn quoted(value: &str) -> String {
    format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_is_of_the_format() {
        let metrics = Metrics::default();
        metrics.add("kcfg_syncs_total", &label("result", "ok"), 1.0);
        metrics.add("kcfg_syncs_total", &label("result", "ok"), 1.0);
        metrics.add("kcfg_syncs_total", &label("result", "a\"b\\c\nd"), 1.0);
        metrics.set("kcfg_leader", "", 1.0);
        metrics.set("kcfg_leader", "", 0.0);
        assert_eq!(
            metrics.text("prod"),
            "# HELP kcfg_leader 1 where this process has the Lease.\n# TYPE kcfg_leader gauge\n\
             kcfg_leader{environment=\"prod\"} 0\n\
             # HELP kcfg_syncs_total Synchronisations, by result: ok, findings or error.\n# TYPE kcfg_syncs_total counter\n\
             kcfg_syncs_total{environment=\"prod\",result=\"a\\\"b\\\\c\\nd\"} 1\n\
             kcfg_syncs_total{environment=\"prod\",result=\"ok\"} 2\n"
        );
    }

    #[test]
    fn what_others_choose_makes_no_more_numbers_than_so_many() {
        let metrics = Metrics::default();
        (0..1000).for_each(|i| metrics.add("kcfg_drift_total", &label("manager", &i.to_string()), 1.0));
        let text = metrics.text("prod");
        assert_eq!(text.lines().count(), LABELS_MAX + 3);
        assert!(text.contains("manager=\"other\"} 950"), "{text}");
    }

    #[test]
    fn the_documentation_has_every_number() {
        let text = include_str!("../../docs/watch.md");
        for family in FAMILIES {
            assert!(text.contains(&format!("| `{}` | {} |", family.name, family.help)), "{}", family.name);
        }
    }
}
