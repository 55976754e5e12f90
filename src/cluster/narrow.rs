//! How an environment stands, narrowed to what a selector names.

use super::status::{EnvironmentState, Problem};
use crate::manifest::ObjectId;
use crate::repo::Selector;

impl EnvironmentState {
    /// Leaves out problems, drift and stale releases that the selector does not name. Releases are left out where they are
    /// read, for their inventories say which objects they have; here those that only their problems could keep.
    pub fn narrow(&mut self, selector: &Selector) {
        let environment = self.name.clone();
        for release in &mut self.releases {
            release.problems.retain(|problem| is_meant(selector, &environment, &release.name, problem));
        }
        if let Some(status) = &mut self.status {
            status.problems.retain(|problem| {
                problem.release.is_empty() || is_meant(selector, &environment, &problem.release, problem)
            });
            status.drift.retain(|drifted| names(selector, &environment, &drifted.release, &drifted.object));
            status.stale.retain(|release| selector.matches_release(&environment, release));
        }
    }

    /// Whether there is anything of what a selector named after this was narrowed to it.
    pub fn has_anything(&self) -> bool {
        let is_noted = |status: &super::status::EnvironmentStatus| {
            !status.drift.is_empty() || status.problems.iter().any(|problem| !problem.release.is_empty())
        };
        !self.releases.is_empty() || self.status.as_ref().is_some_and(is_noted)
    }
}

/// Whether a problem is about what the selector names; one of a whole release is about each of its objects.
pub fn is_meant(selector: &Selector, environment: &str, release: &str, problem: &Problem) -> bool {
    names(selector, environment, release, &problem.object)
}

fn names(selector: &Selector, environment: &str, release: &str, object: &str) -> bool {
    match object.parse::<ObjectId>() {
        Ok(id) => selector.matches_object(environment, release, &id.kind, &id.name),
        Err(_) => selector.matches_release(environment, release),
    }
}
