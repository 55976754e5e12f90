//! `kcfg init`: the files that a repository needs around charts/ and releases/. What is there already stays as it is;
//! what it lacks is printed.

use std::path::{Path, PathBuf};

use crate::engine::KubeVersion;
use crate::error::Diagnostic;
use crate::repo::{RELEASES_FOLDER, Repository, SETTINGS_FILE};

use super::files::{NewFile, write_if_absent};
use super::{Output, Status};

/// Where GitHub and GitLab look for the owners of paths.
const CODEOWNERS: [&str; 4] = [".github/CODEOWNERS", "CODEOWNERS", "docs/CODEOWNERS", ".gitlab/CODEOWNERS"];

/// Set up a repository: kcfg.yaml, .gitattributes, the pre-commit hook, CODEOWNERS
///
/// Never writes over a file: what is there already is left as it is, and the lines to add are printed.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// A file of the repository, and the text whose presence in an older file says that nothing is missing.
struct Wanted {
    paths: Vec<&'static str>,
    text: String,
    sign: &'static str,
}

pub fn run(dir: &Path, _: &Args, output: &Output) -> Result<Status, Vec<Diagnostic>> {
    let single = |error| vec![error];
    let root = root(dir).map_err(single)?;
    let repository = Repository::open(&root).map_err(single)?;
    // A repository without releases/ has no environments yet.
    let environments = repository.environments().map(|found| found.names).unwrap_or_default();
    let branch = repository.git().map_err(single)?.and_then(crate::repo::Git::default_branch);
    let wanted = [
        Wanted { paths: vec![SETTINGS_FILE], text: settings(branch.as_deref()), sign: "kubeVersion:" },
        Wanted {
            paths: vec![".gitattributes"],
            text: include_str!("init/gitattributes").to_owned(),
            sign: "rendered/**",
        },
        Wanted {
            paths: vec![".pre-commit-config.yaml"],
            text: include_str!("init/pre-commit-config.yaml").to_owned(),
            sign: "kcfg",
        },
        Wanted { paths: CODEOWNERS.to_vec(), text: owners(&environments), sign: "rendered/" },
    ];
    let mut to_add = Vec::new();
    for Wanted { paths, text, sign } in wanted {
        let present = paths.iter().find(|path| std::fs::symlink_metadata(root.join(path)).is_ok());
        let file = NewFile { path: present.unwrap_or(&paths[0]).to_string(), text };
        if write_if_absent(&root, &file).map_err(single)? {
            output.line(&format!("wrote {}", file.path));
            continue;
        }
        let there = std::fs::read_to_string(root.join(&file.path)).unwrap_or_default();
        if there.contains(sign) {
            output.line(&format!("kept {}: it says `{sign}` already", file.path));
        } else {
            output.line(&format!("kept {}: it was there before; the lines to add stand below", file.path));
            to_add.push(file);
        }
    }
    for file in to_add {
        output.line(&format!("\nadd to {}:\n{}", file.path, indented(&file.text)));
    }
    output.line(if environments.is_empty() {
        "next: `kcfg new env staging`, `kcfg new chart NAME`"
    } else {
        "next: `kcfg render`, and commit what it writes"
    });
    Ok(Status::Fine)
}

/// The folder to set up: the repository's, else Git's, else the one given.
fn root(dir: &Path) -> Result<PathBuf, Diagnostic> {
    let start = dir.canonicalize().map_err(|error| {
        Diagnostic::error(format!("the folder cannot be opened: {error}")).at_file(dir.display().to_string())
    })?;
    let is_root = |folder: &&Path| {
        folder.join(RELEASES_FOLDER).is_dir() || folder.join(SETTINGS_FILE).is_file() || folder.join(".git").exists()
    };
    Ok(start.ancestors().find(is_root).unwrap_or(&start).to_path_buf())
}

fn settings(branch: Option<&str>) -> String {
    let version = env!("CARGO_PKG_VERSION");
    let kube_version = KubeVersion::default().version;
    let branch = match branch {
        Some(branch) => format!("branch: {branch:?}"),
        None => "# branch: main".to_owned(),
    };
    format!(
        "# Settings of kcfg for this repository; every key may be left out.\n\n\
         # Older versions of kcfg refuse to work here.\n\
         kcfg: \">={version}\"\n\n\
         # A chart's `ref` that names this branch means the files as they are here.\n\
         {branch}\n\n\
         # The Kubernetes version to render for, where an environment names none. It is written down so that a newer\n\
         # kcfg does not change rendered files by itself.\n\
         kubeVersion: \"{kube_version}\"\n"
    )
}

fn owners(environments: &[String]) -> String {
    let mut text = String::from(
        "# Who has to approve what. The last line that matches counts; take the `#` away and name real owners.\n\
         # rendered/ is what runs in the clusters: its owners see every change of it.\n\
         # /charts/ @example/charts\n",
    );
    let placeholder = ["ENV".to_owned()];
    for name in if environments.is_empty() { &placeholder } else { environments } {
        for folder in ["releases", "rendered"] {
            text += &format!("# /{folder}/{name}/ @example/{name}\n");
        }
    }
    text
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("    {line}\n")).collect()
}
