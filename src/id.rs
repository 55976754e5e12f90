//! The name of an object in a cluster: `group/Kind/namespace/name`.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// Which object of a cluster is meant, whatever the API version.
///
/// Written `group/Kind/namespace/name`; the core group is `core`, a cluster-scoped object has `-` for its namespace.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectId {
    /// The API group; empty for the core group.
    pub group: Arc<str>,
    /// The kind.
    pub kind: Arc<str>,
    /// The namespace; none for a cluster-scoped object.
    pub namespace: Option<Arc<str>>,
    /// The name.
    pub name: Arc<str>,
}

/// The API group of an `apiVersion`: empty for the core group (`v1`).
pub fn group_of(api_version: &str) -> &str {
    api_version.rsplit_once('/').map_or("", |(group, _)| group)
}

impl fmt::Display for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let group = if self.group.is_empty() { "core" } else { &*self.group };
        let namespace = self.namespace.as_deref().unwrap_or("-");
        write!(f, "{group}/{}/{namespace}/{}", self.kind, self.name)
    }
}

impl FromStr for ObjectId {
    type Err = String;

    fn from_str(text: &str) -> Result<ObjectId, String> {
        let parts: Vec<&str> = text.split('/').collect();
        let [group, kind, namespace, name] = parts[..] else {
            return Err(format!("`{text}` is not an object id: it has the form group/Kind/namespace/name"));
        };
        if [group, kind, namespace, name].iter().any(|part| part.is_empty()) {
            return Err(format!("`{text}` is not an object id: a part of it is empty"));
        }
        Ok(ObjectId {
            group: if group == "core" { "" } else { group }.into(),
            kind: kind.into(),
            namespace: (namespace != "-").then(|| namespace.into()),
            name: name.into(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_reads_back_as_it_was_written() {
        for text in ["core/ConfigMap/shop/web", "apps/Deployment/shop/web", "core/Namespace/-/shop"] {
            assert_eq!(text.parse::<ObjectId>().unwrap().to_string(), text);
        }
        assert!("core/ConfigMap/web".parse::<ObjectId>().is_err());
        assert!("core//shop/web".parse::<ObjectId>().is_err());
    }

    #[test]
    fn the_group_is_what_stands_before_the_version() {
        assert_eq!(group_of("v1"), "");
        assert_eq!(group_of("apps/v1"), "apps");
        assert_eq!(group_of("rbac.authorization.k8s.io/v1"), "rbac.authorization.k8s.io");
    }
}
