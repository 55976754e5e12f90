//! One release's part of the rendered tree, in memory.

use crate::manifest::Object;
use crate::yaml;

use super::sum::{Sum, SumFile, hex_sha256};
use super::{FIRST_LINE, file_names};

/// What is said of a release in its sum beside the files.
#[derive(Debug, Clone, Default)]
pub struct Header {
    /// `env/release`.
    pub release: String,
    /// The release's namespace.
    pub namespace: String,
    /// The file that holds the release document.
    pub source: String,
    /// The chart with its version and engine; empty for raw manifests.
    pub chart: String,
    /// The commit the chart was read from, where kcfg.lock pins one.
    pub commit: Option<String>,
    /// sha256 over everything the release was rendered from.
    pub inputs: String,
}

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
    /// Writes objects as canonical YAML, one file each.
    pub fn build(header: Header, objects: &[Object]) -> Tree {
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
        let lines = files
            .iter()
            .map(|(file, id)| SumFile {
                name: file.name.clone(),
                hash: hex_sha256(file.text.as_bytes()),
                id: id.clone(),
            })
            .collect();
        let mut generated: Vec<String> = objects.iter().filter_map(generated).collect();
        generated.sort();
        let Header { release, namespace, source, chart, commit, inputs } = header;
        let sum = Sum { release, namespace, source, chart, commit, inputs, generated, files: lines };
        Tree { files: files.into_iter().map(|(file, _)| file).collect(), sum }
    }
}
/// A Secret's id and the keys of it that are made up in the cluster, if there are any.
fn generated(object: &Object) -> Option<String> {
    let leaves = object.generated().ok().filter(|leaves| !leaves.is_empty())?;
    let keys: Vec<&str> = leaves.iter().map(|leaf| leaf.key.as_str()).collect();
    Some(format!("{} {}", object.id, keys.join(" ")))
}
