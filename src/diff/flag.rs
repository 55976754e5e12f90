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
}
