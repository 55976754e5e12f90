//! Whether this is the cluster that a tree is for.

use std::collections::BTreeMap;

use super::Synchroniser;
use crate::cluster::SyncOptions;
use crate::cluster::parent::Parent;
use crate::cluster::source::Tree;
use crate::error::Diagnostic;
use crate::plan::OWN_NAMESPACE;

impl Synchroniser {
    /// Refuses a cluster that is not the environment's.
    pub(super) fn check_cluster(
        &self,
        environment: &str,
        tree: Option<&Tree>,
        parents: &BTreeMap<String, Parent>,
        options: &SyncOptions,
    ) -> Result<(), Vec<Diagnostic>> {
        let document = tree.and_then(|tree| tree.environment.as_ref());
        let wanted = document.map(|document| document.cluster.clone()).unwrap_or_default();
        let actual = &self.cluster_uid;
        let is_named = wanted.uid.is_some();
        if let Some(uid) = wanted.uid.filter(|uid| uid.as_str() != actual) {
            return Err(vec![
                Diagnostic::error(format!(
                    "this is not the cluster of {environment}: its kube-system has the UID {actual}, not {uid}"
                ))
                .help("name the right cluster with --context, or mend `cluster.uid` of the Environment"),
            ]);
        }
        if let Some(context) = wanted.context.filter(|context| Some(context.as_str()) != self.client.context.as_deref())
        {
            let actual = self.client.context.as_deref().unwrap_or("none: a service account is used");
            return Err(vec![
                Diagnostic::error(format!(
                    "this is not the cluster of {environment}: it has the context {context}, and the one in use is {actual}"
                ))
                .help(format!("name it with `--context {context}`; in a pod write `cluster.uid` instead")),
            ]);
        }
        if let Some((parent, why)) = parents.values().find_map(|parent| Some((parent, parent.refusal()?))) {
            let (release, name) = (&parent.release, &parent.name);
            let error =
                Diagnostic::error(format!("the record {name} of {environment}/{release} cannot be used: {why}"));
            return Err(vec![error.help(format!("use {} or a later one", parent.tooling))]);
        }
        let other = parents.values().find(|parent| !parent.cluster_uid.is_empty() && parent.cluster_uid != *actual);
        if let Some(parent) = other {
            return Err(vec![
                Diagnostic::error(format!(
                    "this is not the cluster that {environment}/{} was applied to: the record {} is of one whose \
                     kube-system has the UID {}, and this one has {actual}",
                    parent.release, parent.name, parent.cluster_uid
                ))
                .help(format!(
                    "if this is a copy that is meant to go on by itself, delete the ConfigMaps of {OWN_NAMESPACE} and \
                     apply with --init --adopt"
                )),
            ]);
        }
        // Where the Environment names the cluster, Git has said that it is the right one.
        let is_meant = is_named || options.initialises || options.is_dry_run;
        if parents.is_empty() && (tree.is_none() || !is_meant) {
            return Err(vec![Diagnostic::error(format!("{environment} was never applied to this cluster")).help(
                "if this is the right one, say so once with --init, or name it in the Environment (cluster.uid)",
            )]);
        }
        Ok(())
    }
}
