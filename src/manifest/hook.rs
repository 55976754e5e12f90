//! What Helm's annotations say of a hook: when it runs, its place among others, and when its object is deleted again.

use crate::yaml::Node;

use super::{HOOK_ANNOTATION, scalar_text};

/// When Helm runs a hook.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum HookEvent {
    PreInstall,
    PostInstall,
    PreDelete,
    PostDelete,
    PreUpgrade,
    PostUpgrade,
    PreRollback,
    PostRollback,
    Test,
}

/// The annotation with the place of a hook among those of its event: a whole number, the lowest first.
pub const HOOK_WEIGHT_ANNOTATION: &str = "helm.sh/hook-weight";
/// The annotation that says when a hook's object is deleted.
pub const HOOK_DELETE_ANNOTATION: &str = "helm.sh/hook-delete-policy";
/// Of Helm 2: a definition that comes before everything else, as every definition does here.
const CRD_INSTALL: &str = "crd-install";

impl HookEvent {
    /// By Helm's name, in small letters.
    pub(super) fn named(name: &str) -> Option<HookEvent> {
        Some(match name {
            "pre-install" => HookEvent::PreInstall,
            "post-install" => HookEvent::PostInstall,
            "pre-delete" => HookEvent::PreDelete,
            "post-delete" => HookEvent::PostDelete,
            "pre-upgrade" => HookEvent::PreUpgrade,
            "post-upgrade" => HookEvent::PostUpgrade,
            "pre-rollback" => HookEvent::PreRollback,
            "post-rollback" => HookEvent::PostRollback,
            "test" | "test-success" => HookEvent::Test,
            _ => return None,
        })
    }

    /// Helm's name for it.
    pub fn word(self) -> &'static str {
        match self {
            HookEvent::PreInstall => "pre-install",
            HookEvent::PostInstall => "post-install",
            HookEvent::PreDelete => "pre-delete",
            HookEvent::PostDelete => "post-delete",
            HookEvent::PreUpgrade => "pre-upgrade",
            HookEvent::PostUpgrade => "post-upgrade",
            HookEvent::PreRollback => "pre-rollback",
            HookEvent::PostRollback => "post-rollback",
            HookEvent::Test => "test",
        }
    }
}

/// How a hook is run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HookRules {
    /// When; none where Helm does not know the event, so that it never runs.
    pub events: Vec<HookEvent>,
    /// Its place: the lowest first.
    pub weight: i64,
    /// `before-hook-creation`, which is so where nothing is said: what is there is deleted first.
    pub deletes_before: bool,
    /// `hook-succeeded`: it is deleted once it has run, and all others of its event too.
    pub deletes_succeeded: bool,
    /// `hook-failed`: it is deleted where it failed.
    pub deletes_failed: bool,
}

impl HookRules {
    /// Of an object; none where it is no hook.
    pub fn of(node: &Node) -> Option<HookRules> {
        let annotation = |name: &str| node.at(&["metadata", "annotations", name]).and_then(scalar_text);
        let events = annotation(HOOK_ANNOTATION)?.to_lowercase();
        if events.trim() == CRD_INSTALL {
            return None;
        }
        let events = events.split(',').map(|event| HookEvent::named(event.trim())).collect::<Option<Vec<_>>>();
        // Helm takes a weight that is no number for 0.
        let weight = annotation(HOOK_WEIGHT_ANNOTATION).and_then(|text| text.parse().ok()).unwrap_or_default();
        let policies = annotation(HOOK_DELETE_ANNOTATION).unwrap_or_default().to_lowercase();
        let has = |policy: &str| policies.split(',').any(|named| named.trim() == policy);
        let [before, succeeded, failed] = ["before-hook-creation", "hook-succeeded", "hook-failed"].map(has);
        Some(HookRules {
            events: events.unwrap_or_default(),
            weight,
            deletes_before: before || !(succeeded || failed),
            deletes_succeeded: succeeded,
            deletes_failed: failed,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Source;
    use crate::yaml::{self, ReadOptions};

    fn rules(annotations: &str) -> Option<HookRules> {
        let text = format!("kind: Job\nmetadata: {{annotations: {{{annotations}}}}}\n");
        HookRules::of(&yaml::read(&Source::new("hook.yaml", text), &ReadOptions::default()).expect("YAML").node)
    }

    #[test]
    fn a_hook_is_read_as_helm_reads_it() {
        use HookEvent::{PostDelete, PreInstall, PreUpgrade};
        // Annotations, events, weight, and whether it is deleted before, after success, after failure.
        type Row = (&'static str, &'static [HookEvent], i64, [bool; 3]);
        let table: &[Row] = &[
            ("helm.sh/hook: post-delete", &[PostDelete], 0, [true, false, false]),
            (
                "helm.sh/hook: 'pre-install, Pre-Upgrade', helm.sh/hook-weight: '-5'",
                &[PreInstall, PreUpgrade],
                -5,
                [true, false, false],
            ),
            (
                "helm.sh/hook: pre-install, helm.sh/hook-weight: 7, helm.sh/hook-delete-policy: 'hook-succeeded,hook-failed'",
                &[PreInstall],
                7,
                [false, true, true],
            ),
            (
                "helm.sh/hook: pre-install, helm.sh/hook-weight: heavy, helm.sh/hook-delete-policy: 'before-hook-creation, hook-succeeded'",
                &[PreInstall],
                0,
                [true, true, false],
            ),
            ("helm.sh/hook: 'pre-install,sometimes'", &[], 0, [true, false, false]),
        ];
        for (annotations, events, weight, [before, succeeded, failed]) in table {
            let expected = HookRules {
                events: events.to_vec(),
                weight: *weight,
                deletes_before: *before,
                deletes_succeeded: *succeeded,
                deletes_failed: *failed,
            };
            assert_eq!(rules(annotations), Some(expected), "{annotations}");
        }
        assert_eq!(rules("a: b"), None);
        assert_eq!(rules("helm.sh/hook: crd-install"), None);
    }
}
