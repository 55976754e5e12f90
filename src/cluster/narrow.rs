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

#[cfg(test)]
mod tests {
    use super::super::drifted::DriftedObject;
    use super::super::status::{EnvironmentStatus, ReleaseStatus};
    use super::*;
    use crate::plan::Suspensions;

    fn problem(release: &str, object: &str) -> Problem {
        Problem { release: release.into(), object: object.into(), outcome: "failed".into(), reason: "why".into() }
    }

    /// prod, with something of every place in which something may stand: problems of releases, each as a whole and of
    /// objects, problems in the environment's record, drift, stale releases.
    fn prod() -> EnvironmentState {
        let release = |name: &str, objects: &[&str]| ReleaseStatus {
            name: name.into(),
            problems: objects.iter().map(|object| problem("", object)).collect(),
            ..ReleaseStatus::default()
        };
        let drifted = |release: &str, object: &str| DriftedObject {
            release: release.into(),
            object: object.into(),
            ..DriftedObject::default()
        };
        let status = EnvironmentStatus {
            problems: vec![
                problem("", ""),
                problem("gone", ""),
                problem("api", "batch/Job/shop/migrate"),
                problem("web", "apps/Deployment/shop/web"),
            ],
            drift: vec![drifted("web", "core/Service/shop/web"), drifted("api", "core/ConfigMap/shop/api-2")],
            stale: vec!["api".into(), "web".into()],
            ..EnvironmentStatus::default()
        };
        EnvironmentState {
            name: "prod".into(),
            status: Some(status),
            suspensions: Ok(Suspensions::default()),
            unreadable: None,
            lease: None,
            releases: vec![
                release("api", &["", "core/ConfigMap/shop/api-1"]),
                release("web", &["apps/Deployment/shop/web", "rbac.authorization.k8s.io/ClusterRole/-/web"]),
            ],
            left_out: Vec::new(),
        }
    }

    /// What is left of it: `RELEASE:NAME` of each problem, then of drift with `~`, then stale releases with `!`.
    fn left(selector: &str) -> String {
        let mut state = prod();
        state.narrow(&selector.parse().unwrap());
        let shown =
            |release: &str, object: &str| format!("{release}:{}", object.rsplit('/').next().unwrap_or_default());
        let mut parts = Vec::new();
        for release in &state.releases {
            parts.extend(release.problems.iter().map(|problem| shown(&release.name, &problem.object)));
        }
        let status = state.status.unwrap();
        parts.extend(status.problems.iter().map(|problem| shown(&problem.release, &problem.object)));
        parts.extend(status.drift.iter().map(|drifted| format!("~{}", shown(&drifted.release, &drifted.object))));
        parts.extend(status.stale.iter().map(|release| format!("!{release}")));
        parts.join(" ")
    }

    #[test]
    fn what_a_selector_names_is_left() {
        let all = "api: api:api-1 web:web web:web : gone: api:migrate web:web ~web:web ~api:api-2 !api !web";
        // What is wrong with the environment as a whole (`:`) concerns whoever asks for a part of it, and so does a
        // release as a whole (`api:`) whoever asks for an object of it.
        let web = "web:web web:web : web:web ~web:web !web";
        let table = [
            ("prod", all),
            ("prod/", all),
            ("*", all),
            ("{prod,staging}", all),
            ("pr[a-z]d", all),
            ("prod/*", all),
            ("prod/*/*/*", all),
            ("prod/web", web),
            ("prod/w?b", web),
            ("*/web", web),
            ("prod/{web,nothing}", web),
            ("prod/gone", ": gone:"),
            ("prod/nothing", ":"),
            ("prod/Web", ":"),
            ("prod/web/Deployment", "web:web : web:web !web"),
            ("prod/web/deployment", "web:web : web:web !web"),
            ("prod/web/Deploy*", "web:web : web:web !web"),
            ("prod/web/{deployment,SERVICE}", "web:web : web:web ~web:web !web"),
            ("prod/web/clusterrole/web", "web:web : !web"),
            ("prod/web/Deployment/api", ": !web"),
            ("prod/web/Deployment/Web", ": !web"),
            ("prod/*/Job", "api: : gone: api:migrate !api !web"),
            ("prod/*/ConfigMap/api-[0-9]", "api: api:api-1 : gone: ~api:api-2 !api !web"),
            ("prod/api/ConfigMap/api-1", "api: api:api-1 : !api"),
            ("prod/api/ConfigMap/api-?", "api: api:api-1 : ~api:api-2 !api"),
            ("staging", ":"),
            ("staging/web", ":"),
        ];
        for (selector, expected) in table {
            assert_eq!(left(selector), expected, "{selector}");
        }
    }

    #[test]
    fn narrowing_again_takes_nothing_more_and_order_does_not_matter() {
        let narrowed = |selectors: [&str; 2]| {
            let mut state = prod();
            selectors.iter().for_each(|selector| state.narrow(&selector.parse().unwrap()));
            format!("{:?} {:?}", state.status, state.releases)
        };
        assert_eq!(narrowed(["prod/web", "prod/web"]), narrowed(["*", "prod/web"]));
        assert_eq!(narrowed(["prod/web", "prod/*/Deployment"]), narrowed(["prod/*/Deployment", "prod/web"]));
    }

    #[test]
    fn whether_there_is_anything_left() {
        // Releases are left out where they are read; here only what is noted of others can keep an environment.
        let has_anything = |selector: &str| {
            let mut state = prod();
            state.releases.clear();
            state.narrow(&selector.parse().unwrap());
            state.has_anything()
        };
        for (selector, expected) in [
            ("prod/gone", true),
            ("prod/*/Job/migrate", true),
            ("prod/web/Service", true),
            ("prod/nothing", false),
            ("prod/web/ClusterRole", false),
            ("staging/gone", false),
        ] {
            assert_eq!(has_anything(selector), expected, "{selector}");
        }
        let mut state = prod();
        state.status = None;
        assert!(state.has_anything(), "a release is something");
        state.releases.clear();
        assert!(!state.has_anything());
    }

    #[test]
    fn what_a_problem_is_about() {
        let table = [
            ("prod/web/Deployment", "apps/Deployment/shop/web", true),
            ("prod/web/Deployment", "", true),
            ("prod/web/Deployment", "no id at all", true),
            ("prod/api/Deployment", "", false),
            ("prod/web/ClusterRole/web", "rbac.authorization.k8s.io/ClusterRole/-/web", true),
            ("prod/web/Deployment/web", "apps/Deployment/other/web", true),
            ("prod/web/Deployment/web", "apps/Deployment/shop/web-2", false),
        ];
        for (selector, object, expected) in table {
            let selector = selector.parse().unwrap();
            assert_eq!(is_meant(&selector, "prod", "web", &problem("", object)), expected, "{selector} {object}");
        }
    }
}
