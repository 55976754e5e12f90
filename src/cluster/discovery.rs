//! Kinds → the paths of their resources, from the API server's aggregated discovery: two requests. A server that does not
//! know it (before 1.27) is asked group by group.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use serde::Deserialize;

use super::client::{Accept, Call, Client, Failure, segment};
use crate::manifest::ObjectId;

/// What the server serves.
#[derive(Debug, Clone, Default)]
pub struct Discovery {
    resources: HashMap<(Arc<str>, Arc<str>), Resource>,
    /// Groups whose kinds are not known for certain at the moment: their server is down. Nothing may be pruned then.
    pub stale: BTreeSet<String>,
}

/// The resource of a kind.
#[derive(Debug, Clone)]
pub struct Resource {
    /// The API group; empty for the core group.
    pub group: Arc<str>,
    /// The kind.
    pub kind: Arc<str>,
    /// The name in paths: `deployments`.
    pub plural: Arc<str>,
    /// Whether its objects live in namespaces.
    pub is_namespaced: bool,
    /// The versions it is served in, the preferred one first.
    pub versions: Vec<Arc<str>>,
    /// Whether its objects can be listed.
    pub is_listable: bool,
}

impl Resource {
    /// The path of all its objects, or of those of a namespace.
    pub fn list_path(&self, version: &str, namespace: Option<&str>) -> String {
        let root = match &*self.group {
            "" => format!("/api/{version}"),
            group => format!("/apis/{group}/{version}"),
        };
        match namespace {
            Some(namespace) => format!("{root}/namespaces/{}/{}", segment(namespace), self.plural),
            None => format!("{root}/{}", self.plural),
        }
    }

    /// The path of an object, in the preferred version.
    pub fn path(&self, id: &ObjectId) -> String {
        self.path_in(self.preferred(), id)
    }

    /// The path of an object in a version.
    pub fn path_in(&self, version: &str, id: &ObjectId) -> String {
        format!("{}/{}", self.list_path(version, id.namespace.as_deref()), segment(&id.name))
    }

    /// The preferred version.
    pub fn preferred(&self) -> &str {
        self.versions.first().map_or("v1", |version| version)
    }
}

impl Discovery {
    /// Asks the server.
    ///
    /// # Errors
    /// It does not answer, or not in a form that is known.
    pub async fn read(client: &Client) -> Result<Discovery, Failure> {
        let (core, groups) = tokio::join!(document(client, "/api"), document(client, "/apis"));
        let (core, groups) = (core?, groups?);
        let mut found = Discovery::default();
        match (core, groups) {
            (Document::Aggregated(core), Document::Aggregated(groups)) => {
                core.into_iter().chain(groups).for_each(|group| found.add_group(group));
            }
            (_, groups) => found.read_each(client, groups).await?,
        }
        Ok(found)
    }

    /// The resource of a kind.
    pub fn get(&self, group: &str, kind: &str) -> Option<&Resource> {
        self.resources.get(&(Arc::from(group), Arc::from(kind)))
    }

    /// Whether what is known of a group is certain.
    pub fn is_certain(&self, group: &str) -> bool {
        !self.stale.contains(group)
    }

    fn add_group(&mut self, group: GroupDocument) {
        let name: Arc<str> = group.metadata.name.unwrap_or_default().into();
        for version in group.versions {
            if version.freshness.as_deref() == Some("Stale") {
                self.stale.insert(name.to_string());
            }
            for resource in version.resources {
                let Some(kind) = resource.response_kind.and_then(|kind| kind.kind) else { continue };
                let is_namespaced = resource.scope.as_deref() == Some("Namespaced");
                self.add(&name, &version.version, kind, resource.resource, is_namespaced, &resource.verbs);
            }
        }
    }

    fn add(
        &mut self,
        group: &Arc<str>,
        version: &str,
        kind: String,
        plural: String,
        is_namespaced: bool,
        verbs: &[String],
    ) {
        let can = |verb: &str| verbs.iter().any(|known| known == verb);
        // Reviews and the like are asked, not kept.
        if !can("get") || !can("patch") {
            return;
        }
        let kind: Arc<str> = kind.into();
        let resource = self.resources.entry((group.clone(), kind.clone())).or_insert_with(|| Resource {
            group: group.clone(),
            kind,
            plural: plural.into(),
            is_namespaced,
            versions: Vec::new(),
            is_listable: can("list"),
        });
        resource.versions.push(version.into());
    }

    /// The old way: one request for each group and version.
    async fn read_each(&mut self, client: &Client, groups: Document) -> Result<(), Failure> {
        let mut wanted = vec![(Arc::from(""), "v1".to_owned(), "/api/v1".to_owned())];
        if let Document::Groups(groups) = groups {
            for group in groups {
                let name: Arc<str> = group.name.into();
                let mut versions: Vec<String> = group.versions.into_iter().map(|version| version.version).collect();
                if let Some(preferred) = group.preferred_version {
                    versions.retain(|version| *version != preferred.version);
                    versions.insert(0, preferred.version);
                }
                for version in versions {
                    let path = format!("/apis/{name}/{version}");
                    wanted.push((name.clone(), version, path));
                }
            }
        }
        for (group, version, path) in wanted {
            match client.send(&Call::get(path, Accept::Json)).await {
                Ok(answer) => {
                    for resource in answer.json::<ResourceList>()?.resources {
                        if !resource.name.contains('/') {
                            let (kind, plural) = (resource.kind, resource.name);
                            self.add(&group, &version, kind, plural, resource.namespaced, &resource.verbs);
                        }
                    }
                }
                // The server of this group is down: the others count all the same.
                Err(Failure::Refused { .. }) => {
                    self.stale.insert(group.to_string());
                }
                Err(failure) => return Err(failure),
            }
        }
        Ok(())
    }
}

/// What /api or /apis answers.
enum Document {
    Aggregated(Vec<GroupDocument>),
    Groups(Vec<LegacyGroup>),
}

async fn document(client: &Client, path: &str) -> Result<Document, Failure> {
    let answer = client.send(&Call::get(path, Accept::Discovery)).await?;
    let any: AnyDocument = answer.json()?;
    Ok(if any.kind == "APIGroupDiscoveryList" { Document::Aggregated(any.items) } else { Document::Groups(any.groups) })
}

#[derive(Deserialize)]
struct AnyDocument {
    kind: String,
    #[serde(default)]
    items: Vec<GroupDocument>,
    #[serde(default)]
    groups: Vec<LegacyGroup>,
}

#[derive(Deserialize)]
struct GroupDocument {
    #[serde(default)]
    metadata: Name,
    #[serde(default)]
    versions: Vec<VersionDocument>,
}

#[derive(Deserialize, Default)]
struct Name {
    name: Option<String>,
}

#[derive(Deserialize)]
struct VersionDocument {
    version: String,
    #[serde(default)]
    resources: Vec<ResourceDocument>,
    freshness: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ResourceDocument {
    resource: String,
    response_kind: Option<KindDocument>,
    scope: Option<String>,
    #[serde(default)]
    verbs: Vec<String>,
}

#[derive(Deserialize)]
struct KindDocument {
    kind: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct LegacyGroup {
    name: String,
    #[serde(default)]
    versions: Vec<LegacyVersion>,
    preferred_version: Option<LegacyVersion>,
}

#[derive(Deserialize)]
struct LegacyVersion {
    version: String,
}

#[derive(Deserialize)]
struct ResourceList {
    #[serde(default)]
    resources: Vec<LegacyResource>,
}

#[derive(Deserialize)]
struct LegacyResource {
    name: String,
    kind: String,
    #[serde(default)]
    namespaced: bool,
    #[serde(default)]
    verbs: Vec<String>,
}
