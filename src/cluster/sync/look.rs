//! What is in the cluster of what the tree wants or what was applied before.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::Synchroniser;
use crate::cluster::client::{Accept, Call, Client, Failure};
use crate::cluster::discovery::{Discovery, Resource};
use crate::cluster::members::Kind;
use crate::cluster::parallel::each;
use crate::cluster::parent::{self, ENVIRONMENT_LABEL, Parent};
use crate::cluster::source::Tree;
use crate::cluster::{SyncOptions, live};
use crate::error::Diagnostic;
use crate::manifest::ObjectId;
use crate::plan::{Known, LiveObject, ShortHash};

/// Objects of a kind that are looked up one by one; more of them are found by listing the kind.
const LOOKUPS_MAX: usize = 1;

impl Synchroniser {
    /// What was applied before, and what is in the cluster now.
    pub(super) async fn learn(
        &mut self,
        tree: &Tree,
        options: &SyncOptions,
    ) -> Result<(BTreeMap<String, Parent>, Known), Vec<Diagnostic>> {
        let single = |doing: &'static str| move |failure: Failure| vec![failure.diagnostic(doing)];
        // What fails on its way through a synchronisation leaves them to be read anew.
        let parents = match self.parents.take() {
            Some(parents) => parents,
            None => Parent::list(&self.client, &tree.desired.environment)
                .await
                .map_err(single("list what kcfg applied before"))?,
        };
        self.check_cluster(&tree.desired.environment, Some(tree), &parents, options)?;
        self.discover(tree).await.map_err(single("ask the cluster which kinds it serves"))?;
        let (live, unlisted) = self.look(tree, &parents).await.map_err(single("list what is in the cluster"))?;
        let stale: Vec<&str> = self.discovery.stale.iter().map(String::as_str).collect();
        let known = Known {
            inventories: parents.iter().map(|(name, parent)| (name.clone(), parent.inventory.clone())).collect(),
            live,
            adopts: options.adopts,
            leaves_drift: options.leaves_drift,
            unlisted,
            uncertain: (!stale.is_empty())
                .then(|| format!("the servers of the API groups {} are down", stale.join(", "))),
            ..Known::default()
        };
        Ok((parents, known))
    }

    /// Asks anew what the cluster serves, where what is known does not do: a kind of the tree is missing, or the server
    /// of a group was down.
    async fn discover(&mut self, tree: &Tree) -> Result<(), Failure> {
        let defined = |id: &ObjectId| self.discovery.get(&id.group, &id.kind).is_some();
        let mut objects = tree.desired.releases.iter().flat_map(|release| &release.objects);
        // Who connects for one synchronisation has just asked.
        if self.members.is_some() && (!self.discovery.stale.is_empty() || !objects.all(|object| defined(&object.id))) {
            self.discovery = Arc::new(Discovery::read(&self.client).await?);
        }
        Ok(())
    }

    /// What is in the cluster of everything that the tree wants or that was applied before, and the kinds of which that
    /// cannot be found out.
    async fn look(
        &mut self,
        tree: &Tree,
        parents: &BTreeMap<String, Parent>,
    ) -> Result<(HashMap<ShortHash, LiveObject>, Unlisted), Failure> {
        let mut wanted: BTreeMap<Kind, Wanted> = BTreeMap::new();
        for release in &tree.desired.releases {
            let inventory = parents.get(&release.name).map(|parent| &parent.inventory);
            for object in release.objects.iter().filter(|object| !object.is_hook) {
                let of_kind = wanted.entry((object.id.group.clone(), object.id.kind.clone())).or_default();
                let key = ShortHash::of_id(&object.id);
                let is_known = inventory.is_some_and(|known| known.entries.contains_key(&key));
                of_kind.ids.insert(key, object.id.clone());
                of_kind.unknown += usize::from(!is_known);
            }
        }
        for (group, kind) in parents.values().flat_map(Parent::groups_and_kinds) {
            wanted.entry((group.into(), kind.into())).or_default();
        }
        let label = parent::environment_label(&tree.desired.environment);
        let selector = format!("{ENVIRONMENT_LABEL}={label}");
        // A kind that the server does not know has no objects; applying them will say so.
        let discovery = self.discovery.clone();
        let wanted = wanted
            .into_iter()
            .filter_map(|(kind, of_kind)| Some((discovery.get(&kind.0, &kind.1)?.clone(), kind, of_kind)))
            .collect::<Vec<_>>();
        if let Some(members) = &mut self.members {
            members.follow(wanted.iter().map(|(resource, ..)| resource.clone())).await;
        }
        let tasks = wanted.into_iter().map(|(resource, kind, of_kind)| {
            let (client, selector) = (self.client.clone(), selector.clone());
            let members = self.members.as_ref().and_then(|members| members.of(&kind));
            async move { (kind, look_at_kind(client, resource, members, selector, of_kind).await) }
        });
        let (mut found, mut unlisted, mut failure) = (HashMap::new(), Unlisted::new(), None);
        each(tasks, |(kind, result)| match result {
            Ok(live) => found.extend(live),
            Err(Failure::Refused { message, .. }) => drop(unlisted.insert(kind, message)),
            Err(error) => failure = Some(error),
        })
        .await;
        failure.map_or(Ok((found, unlisted)), Err)
    }
}

/// Kinds that cannot be listed, and why.
type Unlisted = BTreeMap<Kind, String>;

/// What is wanted of one kind.
#[derive(Default)]
struct Wanted {
    ids: BTreeMap<ShortHash, ObjectId>,
    /// How many of them no inventory has.
    unknown: usize,
}

/// Lists the members of a kind, where they are not known, and finds out whether objects that are to be made are there
/// already: one by one where they are few, else by listing everything of the kind.
async fn look_at_kind(
    client: Client,
    resource: Resource,
    members: Option<Vec<LiveObject>>,
    selector: String,
    wanted: Wanted,
) -> Result<HashMap<ShortHash, LiveObject>, Failure> {
    let mut found = HashMap::new();
    let keep = |found: &mut HashMap<ShortHash, LiveObject>, live: LiveObject| {
        let key = ShortHash::of_id(&live.id);
        // Of strangers only those matter that stand where an object of the tree is to stand.
        if wanted.ids.contains_key(&key) || live.part_of.is_some() {
            found.entry(key).or_insert(live);
        }
    };
    if wanted.unknown <= LOOKUPS_MAX || members.is_some() {
        match members {
            Some(members) => members.into_iter().for_each(|live| keep(&mut found, live)),
            None => drop(live::list(&client, &resource, None, &selector, |live| keep(&mut found, live)).await?),
        }
        let missing: Vec<&ObjectId> =
            wanted.ids.iter().filter(|(key, _)| !found.contains_key(*key)).map(|(_, id)| id).collect();
        if missing.len() <= LOOKUPS_MAX {
            for id in missing {
                match client.send(&Call::get(resource.path(id), Accept::Metadata)).await {
                    Ok(answer) => drop(found.insert(ShortHash::of_id(id), live::one(&resource, &answer.body)?)),
                    Err(Failure::Refused { code: 404, .. }) => {}
                    Err(failure) => return Err(failure),
                }
            }
            return Ok(found);
        }
    }
    live::list(&client, &resource, None, "", |live| keep(&mut found, live)).await?;
    Ok(found)
}
