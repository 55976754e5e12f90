//! What changes of one object mean: one module for each kind of question, each giving flags of the table in
//! [`flag`](super::flag). Pure; what needs more than the object (a prune guard, a stale tree) is flagged elsewhere.

mod data;
mod permissions;
mod pods;
mod replacement;
mod scale;
mod traffic;

use crate::yaml::Node;

use super::flag::{Flag, Rule, Severity};
use super::report::{ObjectDiff, Status};

/// Flags of an object's changes, the gravest first. `leaves_environment` says that another environment renders it now,
/// so that it goes from this one's cluster.
pub fn flags(object: &ObjectDiff, leaves_environment: bool) -> Vec<Flag> {
    let mut found = Found::default();
    let subject = Subject::of(object, leaves_environment);
    data::flag(&subject, &mut found);
    replacement::flag(&subject, &mut found);
    permissions::flag(&subject, &mut found);
    traffic::flag(&subject, &mut found);
    pods::flag(&subject, &mut found);
    scale::flag(&subject, &mut found);
    found.0.sort_by_key(|flag| (std::cmp::Reverse(flag.severity), flag.rule));
    found.0.dedup();
    found.0
}

/// An object as the rules ask about it.
struct Subject<'o> {
    object: &'o ObjectDiff,
    group: &'o str,
    kind: &'o str,
    old: Option<&'o Node>,
    new: Option<&'o Node>,
    /// Whether the cluster deletes an object: it was removed, renamed, or went to another environment.
    is_deleted: bool,
    /// Whether the cluster sees a new object, which it may have under another name or elsewhere.
    is_created: bool,
}

impl<'o> Subject<'o> {
    fn of(object: &'o ObjectDiff, leaves_environment: bool) -> Subject<'o> {
        let becomes_another = object.status == Status::Renamed || leaves_environment;
        Subject {
            object,
            group: &object.id.group,
            kind: &object.id.kind,
            old: object.nodes.old.as_ref(),
            new: object.nodes.new.as_ref(),
            is_deleted: object.status == Status::Removed || becomes_another,
            is_created: object.status == Status::Added || becomes_another,
        }
    }

    fn is(&self, group: &str, kinds: &[&str]) -> bool {
        self.group == group && kinds.contains(&self.kind)
    }

    /// The object as the cluster has it before; none if it is new there.
    fn before(&self) -> Option<&'o Node> {
        self.old.filter(|_| !self.is_created)
    }

    /// Whether the same object of the cluster changes.
    fn is_updated(&self) -> bool {
        self.old.is_some() && self.new.is_some() && !self.is_created
    }
}

#[derive(Default)]
struct Found(Vec<Flag>);

impl Found {
    fn add(&mut self, rule: Rule, severity: Severity, explanation: impl Into<String>) {
        self.0.push(Flag { rule, severity, explanation: explanation.into() });
    }
}

/// The items of a list; none where there is no list.
fn items<'n>(node: Option<&'n Node>, path: &[&str]) -> &'n [Node] {
    node.and_then(|node| node.at(path)).and_then(Node::as_seq).unwrap_or_default()
}

/// A text.
fn text<'n>(node: Option<&'n Node>, path: &[&str]) -> Option<&'n str> {
    node.and_then(|node| node.at(path)).and_then(Node::as_str)
}

/// The first few of some names, and how many there are beside them.
fn some(names: &[String]) -> String {
    const NAMED_MAX: usize = 3;
    let named = names.iter().take(NAMED_MAX).cloned().collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(NAMED_MAX) {
        0 => named,
        rest => format!("{named} and {rest} more"),
    }
}

#[cfg(test)]
mod tests;
