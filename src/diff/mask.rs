//! Secret values never leave this module: before anything is compared, each is replaced by a mark that tells equal values
//! from different ones within one run and nothing else.

use std::fmt;

use data_encoding::HEXLOWER;
use ring::hmac;

use crate::manifest::ObjectId;
use crate::yaml::{self, Node, Value};

/// The annotation in which `kubectl apply` keeps the whole object, a Secret's values too.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";
/// Hexadecimal digits of a mark: enough to tell the values of one comparison apart.
const MARK_DIGITS: usize = 8;

/// The key of one run. Marks of different runs cannot be compared, so nobody can try values against a published mark.
pub struct MaskKey(hmac::Key);

impl fmt::Debug for MaskKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MaskKey(hidden)")
    }
}

impl MaskKey {
    /// A key from random bytes.
    pub fn new(random: &[u8; 32]) -> MaskKey {
        MaskKey(hmac::Key::new(hmac::HMAC_SHA256, random))
    }

    /// Whether an object's values are hidden.
    pub fn hides(id: &ObjectId) -> bool {
        id.group.is_empty() && &*id.kind == "Secret"
    }

    /// Replaces the values of a Secret; any other object stays as it is.
    pub fn mask(&self, id: &ObjectId, node: &mut Node) {
        if !MaskKey::hides(id) {
            return;
        }
        let Some(map) = node.as_map_mut() else { return };
        for field in ["data", "stringData"] {
            let Some(entry) = map.get_mut(field) else { continue };
            match &mut entry.node.value {
                Value::Map(values) => values.values_mut().for_each(|entry| self.mask_node(&mut entry.node)),
                Value::Null => {}
                _ => self.mask_node(&mut entry.node),
            }
        }
        let annotations = map
            .get_mut("metadata")
            .and_then(|entry| entry.node.as_map_mut()?.get_mut("annotations"))
            .and_then(|entry| entry.node.as_map_mut());
        if let Some(entry) = annotations.and_then(|annotations| annotations.get_mut(LAST_APPLIED)) {
            self.mask_node(&mut entry.node);
        }
    }

    fn mask_node(&self, node: &mut Node) {
        let mut text = String::new();
        match &node.value {
            Value::Str(value) => text.push_str(value),
            other => yaml::canonical(other, &mut text),
        }
        let tag = HEXLOWER.encode(hmac::sign(&self.0, text.as_bytes()).as_ref());
        node.value = format!("(hidden {})", &tag[..MARK_DIGITS]).into();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Source;
    use crate::yaml::ReadOptions;

    fn masked(key: &MaskKey, kind: &str, text: &str) -> String {
        let mut node = yaml::read(&Source::new("test", text), &ReadOptions::default()).expect("YAML").node;
        key.mask(&format!("core/{kind}/a/b").parse().expect("an id"), &mut node);
        let mut out = String::new();
        yaml::canonical(&node.value, &mut out);
        out
    }

    #[test]
    fn no_value_of_a_secret_remains() {
        let key = MaskKey::new(&[7; 32]);
        let text = "metadata: {name: n, annotations: {kubectl.kubernetes.io/last-applied-configuration: hunter2, a: b}}\n\
                    data: {one: hunter2, two: hunter2, three: other, four: 5, l: [hunter2], m: {k: hunter2}}\nstringData: hunter2\n";
        let out = masked(&key, "Secret", text);
        assert!(!out.contains("hunter2") && !out.contains("other"), "{out}");
        let mark = |field: &str| {
            let line = out.lines().find_map(|line| line.trim().strip_prefix(field)).expect("a line");
            line.to_owned()
        };
        assert_eq!(mark("one:"), mark("two:"));
        assert_ne!(mark("one:"), mark("three:"));
        assert!(out.contains("a: b"));
        assert_ne!(out, masked(&MaskKey::new(&[8; 32]), "Secret", text), "another run, other marks");
        assert!(masked(&key, "ConfigMap", text).contains("hunter2"));
    }
}
