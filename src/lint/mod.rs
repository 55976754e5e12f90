//! What can be said of releases, charts and objects that render, and should still be better: `kcfg lint`.
//!
//! In: a plan (its release documents), a release's chart and values, its rendered objects. Out: diagnostics, each
//! with the name of its rule. Pure. What stops a release from rendering is found by the stages before; they name the
//! rule where there is one (unknown keys, duplicate keys).

mod documents;
mod objects;
mod reads;
pub mod rules;
mod unread;
mod versions;

use std::collections::HashMap;
use std::sync::Mutex;

use crate::chart::Chart;
use crate::error::Diagnostic;
use crate::manifest::Object;
use crate::pipeline::{ChartSource, Charts, Content, EnvironmentPlan, Job};

pub use objects::{Claim, shared};
pub use rules::{RULES, Rule, document};

/// The rule of a finding that belongs to none: the release does not render, or rendering it warns.
pub const RENDER: &str = "render";

/// Lints the releases of one environment; remembers what it learnt of their charts.
#[derive(Debug, Default)]
pub struct Linter {
    reads: Mutex<HashMap<ChartSource, std::sync::Arc<reads::Reads>>>,
}

/// What one rendered release gave.
#[derive(Debug, Default)]
pub struct Linted {
    /// What was found.
    pub findings: Vec<Diagnostic>,
    /// The objects it wants to own, for [`shared`].
    pub claims: Vec<Claim>,
}

impl Linter {
    /// No chart is known yet.
    pub fn new() -> Linter {
        Linter::default()
    }

    /// Findings of the release documents themselves, with the release's name.
    pub fn documents(&self, plan: &EnvironmentPlan) -> Vec<(String, Diagnostic)> {
        documents::check(plan)
    }

    /// Findings of a release that was rendered: its values and its objects.
    pub fn release(&self, plan: &EnvironmentPlan, job: &Job, charts: &Charts, objects: &[Object]) -> Linted {
        let mut linted = objects::check(plan, job, objects);
        if let Content::Release(release) = &job.content
            // The chart was compiled to render it, so this only looks it up.
            && let Ok(compiled) = charts.compiled(&release.chart)
        {
            let reads = self.reads_of(&release.chart, &compiled.chart);
            let document = plan.release(&job.folder);
            for values in document.iter().flat_map(|document| &document.values) {
                linted.findings.extend(unread::check(values, &compiled.chart, &reads, &release.chart.location));
            }
        }
        linted
    }

    fn reads_of(&self, source: &ChartSource, chart: &Chart) -> std::sync::Arc<reads::Reads> {
        // A panic elsewhere leaves the map itself whole.
        let lock = || self.reads.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(known) = lock().get(source) {
            return known.clone();
        }
        let reads = std::sync::Arc::new(reads::Reads::of_chart(chart));
        lock().entry(source.clone()).or_insert(reads).clone()
    }
}
