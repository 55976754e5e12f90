//! One release's part of the rendered tree, in memory.

use crate::manifest::Object;
use crate::yaml;

use super::sum::{Sum, SumFile, hex_sha256};
use super::{FIRST_LINE, file_names};

/// A release as it is to stand in the rendered tree.
#[derive(Debug, Clone)]
pub struct Tree {
    /// The files, sorted by name, without the sum.
    pub files: Vec<TreeFile>,
    /// The sum over them.
    pub sum: Sum,
}

/// A file of a release.
#[derive(Debug, Clone)]
pub struct TreeFile {
    /// Its name.
    pub name: String,
    /// Its text.
    pub text: String,
}

impl Tree {
    /// Writes objects as canonical YAML, one file each; `sum` says of the release what does not follow from them.
    pub fn build(sum: Sum, objects: &[Object]) -> Tree {
        let names = file_names(objects.iter().map(|object| &object.id));
        let mut files: Vec<(TreeFile, String)> = objects
            .iter()
            .zip(names)
            .map(|(object, name)| {
                let mut text = format!("{FIRST_LINE}{}\n", object.manifest.template.name);
                yaml::canonical_object(&object.node.value, &mut text);
                (TreeFile { name, text }, object.id.to_string())
            })
            .collect();
        files.sort_by(|a, b| a.0.name.cmp(&b.0.name));
        let of_files = files
            .iter()
            .map(|(file, id)| SumFile {
                name: file.name.clone(),
                hash: hex_sha256(file.text.as_bytes()),
                id: id.clone(),
            })
            .collect();
        let mut generated: Vec<String> = objects.iter().filter_map(generated).collect();
        generated.sort();
        let sum = Sum { generated, files: of_files, ..sum };
        Tree { files: files.into_iter().map(|(file, _)| file).collect(), sum }
    }
}
/// A Secret's id and the keys of it that are made up in the cluster, if there are any.
fn generated(object: &Object) -> Option<String> {
    let leaves = object.generated().ok().filter(|leaves| !leaves.is_empty())?;
    let keys: Vec<&str> = leaves.iter().map(|leaf| leaf.key.as_str()).collect();
    Some(format!("{} {}", object.id, keys.join(" ")))
}
