//! What a change means for the cluster and for the people who run it: one table of rules.

/// How much a flag matters to the person who approves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Severity {
    /// Good to know.
    Info,
    /// Look at it before you approve.
    Caution,
    /// Data, access or availability may be lost.
    Danger,
}

/// A rule: what a change can mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum Rule {
    DeletesData,
    HeldByGuard,
    NeedsReplacement,
    WidensPermissions,
    OpensTraffic,
    NeverDeleted,
    RestartsPods,
    Scales,
    ChangesImage,
    Stale,
}

/// What one change of one object means.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Flag {
    /// The rule.
    pub rule: Rule,
    /// How much it matters here.
    pub severity: Severity,
    /// One sentence: what happens and why.
    pub explanation: String,
}

impl Rule {
    /// All rules, the most important first.
    pub const ALL: &'static [Rule] = &[
        Rule::DeletesData,
        Rule::HeldByGuard,
        Rule::NeedsReplacement,
        Rule::WidensPermissions,
        Rule::OpensTraffic,
        Rule::NeverDeleted,
        Rule::RestartsPods,
        Rule::Scales,
        Rule::ChangesImage,
        Rule::Stale,
    ];

    /// The rule's name, as reports, JSON and settings write it.
    pub fn name(self) -> &'static str {
        match self {
            Rule::DeletesData => "deletes-data",
            Rule::HeldByGuard => "held-by-guard",
            Rule::NeedsReplacement => "needs-replacement",
            Rule::WidensPermissions => "widens-permissions",
            Rule::OpensTraffic => "opens-traffic",
            Rule::NeverDeleted => "never-deleted",
            Rule::RestartsPods => "restarts-pods",
            Rule::Scales => "scales",
            Rule::ChangesImage => "changes-image",
            Rule::Stale => "stale",
        }
    }

    /// What the rule says of a change, for those who read its name for the first time (docs/diff.md).
    pub fn meaning(self) -> &'static str {
        match self {
            Rule::DeletesData => {
                "What no manifest brings back goes, or goes more easily from now on: a PersistentVolumeClaim, a \
                 PersistentVolume, a Namespace, a CustomResourceDefinition, a StatefulSet."
            }
            Rule::HeldByGuard => {
                "The applier would delete more than a guard lets go at once, and waits for the Removal document that the \
                 report prints."
            }
            Rule::NeedsReplacement => {
                "A field changes that the API server does not let change: the object has to be deleted and made anew."
            }
            Rule::WidensPermissions => {
                "Somebody may do more than before: a role or binding allows more, a pod gets rights on its node, a \
                 namespace lets its pods do more."
            }
            Rule::OpensTraffic => {
                "Something can be reached from more places: the type of a Service, hosts of an Ingress or a route, a \
                 NetworkPolicy, a port on the node."
            }
            Rule::NeverDeleted => {
                "The object left the tree, and kcfg does not delete it from the cluster: the report shows the kubectl line \
                 that does."
            }
            Rule::RestartsPods => "The pod template of a workload changes, so its pods are replaced.",
            Rule::Scales => "The number of pods changes, or the bounds in which an autoscaler chooses it.",
            Rule::ChangesImage => "A container runs another image.",
            Rule::Stale => "The sources were changed, and the tree was not rendered.",
        }
    }
}
