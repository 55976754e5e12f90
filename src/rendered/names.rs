//! File names of objects: `<kind>-<name>.yaml`, with a suffix by rule where names would collide.

use std::collections::HashMap;

use crate::manifest::ObjectId;

use super::sum::hex_sha256;

/// The longest file name, in bytes (NAME_MAX of Linux and of every common file system).
const NAME_BYTES_MAX: usize = 255;

/// How many hexadecimal digits of the id's hash tell colliding names apart.
const SUFFIX_DIGITS: usize = 8;

/// The file names of a release's objects, in their order.
///
/// A name is the kind and the object's name in lower case, with `_` for characters that some file system cannot hold.
/// Where that leaves two objects with one name, or changes an upper-case letter or a character, or is too long, the
/// first digits of sha256(id) follow: the name of an object never depends on the order of the others.
pub fn file_names<'a>(ids: impl IntoIterator<Item = &'a ObjectId>) -> Vec<String> {
    let stems: Vec<(String, bool, &ObjectId)> = ids
        .into_iter()
        .map(|id| {
            let (stem, changed) = stem(id);
            (stem, changed, id)
        })
        .collect();
    let mut count: HashMap<&str, usize> = HashMap::with_capacity(stems.len());
    for (stem, _, _) in &stems {
        *count.entry(stem).or_default() += 1;
    }
    stems
        .iter()
        .map(|(stem, changed, id)| {
            let too_long = stem.len() + ".yaml".len() > NAME_BYTES_MAX;
            if !changed && !too_long && count[stem.as_str()] == 1 {
                return format!("{stem}.yaml");
            }
            let hash = hex_sha256(id.to_string().as_bytes());
            let room = NAME_BYTES_MAX - SUFFIX_DIGITS - "-.yaml".len();
            // Stems are ASCII, so any byte is a boundary.
            format!("{}-{}.yaml", &stem[..stem.len().min(room)], &hash[..SUFFIX_DIGITS])
        })
        .collect()
}

/// The name before any suffix, and whether it lost something of the object's name.
fn stem(id: &ObjectId) -> (String, bool) {
    let mut stem = id.kind.to_ascii_lowercase();
    stem.push('-');
    let mut changed = !id.kind.is_ascii();
    for c in id.name.chars() {
        match c {
            'a'..='z' | '0'..='9' | '-' | '.' | '_' => stem.push(c),
            'A'..='Z' => {
                stem.push(c.to_ascii_lowercase());
                changed = true;
            }
            _ => {
                stem.push('_');
                changed = true;
            }
        }
    }
    if !stem.is_ascii() {
        stem = stem.chars().map(|c| if c.is_ascii() { c } else { '_' }).collect();
    }
    (stem, changed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(ids: &[&str]) -> Vec<String> {
        let ids: Vec<ObjectId> = ids.iter().map(|id| id.parse().unwrap()).collect();
        file_names(&ids)
    }

    #[test]
    fn ordinary_names_are_plain() {
        assert_eq!(
            names(&["apps/Deployment/shop/web", "core/Namespace/-/shop"]),
            ["deployment-web.yaml", "namespace-shop.yaml"]
        );
    }

    #[test]
    fn colliding_names_get_a_suffix_that_does_not_depend_on_order() {
        let a = names(&["extensions/Ingress/shop/web", "networking.k8s.io/Ingress/shop/web", "core/Service/shop/web"]);
        let b = names(&["core/Service/shop/web", "networking.k8s.io/Ingress/shop/web", "extensions/Ingress/shop/web"]);
        assert_eq!(a[0], b[2]);
        assert_eq!(a[1], b[1]);
        assert_eq!(a[2], "service-web.yaml");
        assert!(a[0].starts_with("ingress-web-") && a[0] != a[1]);
    }

    #[test]
    fn odd_names_are_made_safe_and_stay_apart() {
        let n = names(&[
            "rbac.authorization.k8s.io/ClusterRole/-/system:auth",
            "rbac.authorization.k8s.io/ClusterRole/-/system_auth",
        ]);
        assert!(n[0].starts_with("clusterrole-system_auth-"));
        assert_ne!(n[0], n[1]);
        let case = names(&["x.io/Thing/a/ABC", "x.io/Thing/a/abc"]);
        assert_ne!(case[0].to_lowercase(), case[1].to_lowercase());
        let long = "a".repeat(253);
        let n = names(&[&format!("apiextensions.k8s.io/CustomResourceDefinition/-/{long}")]);
        assert_eq!(n[0].len(), 255);
    }
}
