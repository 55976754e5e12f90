//! releases/: which environments there are, and the texts of their files. Symbolic links are followed where they
//! stay in the repository, and refused where they leave it.

use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;

use walkdir::WalkDir;

use super::regular::{Links, read_regular};
use super::{RELEASES_FOLDER, Repository};
use crate::error::{Diagnostic, Source, io_help};
use crate::yaml;

/// Bytes of a file below releases/.
pub const RELEASE_FILE_BYTES_MAX: u64 = yaml::BYTES_MAX as u64;
/// Files and folders of one environment below releases/. Symbolic links can make many of few.
pub const RELEASE_ENTRIES_MAX: usize = 50_000;
/// How deep folders below releases/<env>/ may nest.
pub const RELEASE_DEPTH_MAX: usize = 64;

/// The environments of a repository.
#[derive(Debug, Default)]
pub struct Environments {
    /// Their names: the folders below releases/, sorted.
    pub names: Vec<String>,
    /// Files that are in no environment.
    pub warnings: Vec<Diagnostic>,
}

/// The texts of an environment's files.
#[derive(Debug, Default)]
pub struct ReleaseFiles {
    /// The files that could be read, by path; each named by its path from the root.
    pub sources: Vec<Arc<Source>>,
    /// Files that could not be read. While there are any, the environment is incomplete.
    pub errors: Vec<Diagnostic>,
}

impl Repository {
    /// The environments: every folder below releases/ whose name does not begin with a dot.
    ///
    /// # Errors
    /// There is no releases/, or it cannot be read.
    pub fn environments(&self) -> Result<Environments, Diagnostic> {
        let folder = self.root.join(RELEASES_FOLDER);
        let cannot = |error: &dyn std::fmt::Display| {
            Diagnostic::error(format!("the folder of environments cannot be read: {error}"))
                .at_file(format!("{RELEASES_FOLDER}/"))
        };
        if !folder.is_dir() {
            return Err(Diagnostic::error(format!("{} has no folder {RELEASES_FOLDER}/", self.root.display()))
                .help(format!("make one with a folder per environment: {RELEASES_FOLDER}/staging/web.yaml")));
        }
        let mut found = Environments::default();
        for entry in std::fs::read_dir(&folder).map_err(|error| cannot(&error))? {
            let entry = entry.map_err(|error| cannot(&error))?;
            let name = entry.file_name();
            let path = format!("{RELEASES_FOLDER}/{}", name.to_string_lossy());
            if name.as_encoded_bytes().starts_with(b".") || self.settings.is_ignored(&path) {
                continue;
            }
            let Some(name) = name.to_str().filter(|name| !name.contains(char::is_control)) else {
                return Err(odd_name(&path));
            };
            if entry.path().is_dir() {
                found.names.push(name.to_string());
            } else if is_yaml(name) {
                found.warnings.push(
                    Diagnostic::warning("this file is in no environment; it is not read")
                        .at_file(path)
                        .help(format!("move it into a folder below {RELEASES_FOLDER}/")),
                );
            }
        }
        found.names.sort_unstable();
        let mut folded: Vec<(String, &str)> = found.names.iter().map(|name| (name.to_lowercase(), &**name)).collect();
        folded.sort_unstable();
        if let Some([(_, one), (_, other)]) = folded.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            return Err(Diagnostic::error(format!(
                "the environments {one} and {other} would be one folder where file names do not tell case apart"
            ))
            .at_file(format!("{RELEASES_FOLDER}/{other}"))
            .help("rename one of them"));
        }
        found.warnings.sort_by_key(ToString::to_string);
        Ok(found)
    }

    /// Reads the files of an environment: *.yaml and *.yml at any depth, but for those whose name begins with a dot
    /// and those that kcfg.yaml ignores.
    pub fn read_release_files(&self, environment: &str) -> ReleaseFiles {
        let mut found = ReleaseFiles::default();
        let folder = self.root.join(RELEASES_FOLDER).join(environment);
        let shown = |path: &Path| {
            let below = path.strip_prefix(&self.root).unwrap_or(path);
            below.components().map(|part| part.as_os_str().to_string_lossy()).collect::<Vec<_>>().join("/")
        };
        let Some(real_folder) = folder.canonicalize().ok().filter(|target| target.starts_with(&self.root)) else {
            found.errors.push(outside(&shown(&folder)));
            return found;
        };
        let mut refused = Vec::new();
        let walk = WalkDir::new(&folder).follow_links(true).sort_by_file_name().into_iter().filter_entry(|entry| {
            if entry.depth() == 0 {
                return true;
            }
            let path = shown(entry.path());
            if entry.file_name().as_encoded_bytes().starts_with(b".") || self.settings.is_ignored(&path) {
                return false;
            }
            let is_folder = entry.file_type().is_dir();
            let is_wanted = is_folder || is_yaml(&path);
            if is_wanted && entry.file_name().to_str().is_none_or(|name| name.contains(char::is_control)) {
                refused.push(odd_name(&path));
                return false;
            }
            if is_folder && is_yaml(&path) {
                let error = Diagnostic::error("this is a folder, where its name says that it is a file");
                refused.push(error.at_file(path).help("put the file back, or give the folder another name"));
                return false;
            }
            if is_folder && entry.depth() > RELEASE_DEPTH_MAX {
                let error = format!("folders nest more than {RELEASE_DEPTH_MAX} deep here (RELEASE_DEPTH_MAX)");
                refused.push(Diagnostic::error(error).at_file(path).help("move the files to a folder further up"));
                return false;
            }
            if is_wanted && entry.path_is_symlink() {
                match entry.path().canonicalize() {
                    Ok(target) if real_folder.starts_with(&target) => refused.push(above(&path)),
                    Ok(target) if target.starts_with(&self.root) => return true,
                    _ => refused.push(outside(&path)),
                }
                return false;
            }
            is_wanted
        });
        for (count, entry) in walk.enumerate() {
            if count > RELEASE_ENTRIES_MAX {
                let error = format!("an environment of more than {RELEASE_ENTRIES_MAX} files (RELEASE_ENTRIES_MAX)");
                let help = "look for a symbolic link to a large folder; kcfg.yaml can name files to `ignore`";
                found.errors.push(Diagnostic::error(error).at_file(shown(&folder)).help(help));
                break;
            }
            match entry {
                Ok(entry) if entry.file_type().is_dir() => {}
                Ok(entry) => match read_text(entry.path(), &shown(entry.path())) {
                    Ok(source) => found.sources.push(source),
                    Err(error) => found.errors.push(error),
                },
                Err(error) => {
                    let path = error.path().map(shown).unwrap_or_default();
                    // A broken link that would not be read anyway is nobody's concern.
                    let name = path.rsplit('/').next().unwrap_or(&path);
                    let is_wanted = is_yaml(name) && !name.starts_with('.') && !self.settings.is_ignored(&path);
                    if !is_wanted && error.path().is_some_and(|path| path.is_symlink() && !path.exists()) {
                        continue;
                    }
                    found.errors.push(if error.loop_ancestor().is_some() {
                        above(&path)
                    } else {
                        let why = error.io_error().map_or_else(|| error.to_string(), ToString::to_string);
                        let help = error.io_error().map_or("look at what is there", io_help);
                        Diagnostic::error(format!("it cannot be read: {why}")).at_file(path).help(help)
                    });
                }
            }
        }
        found.errors.append(&mut refused);
        found
    }
}

fn odd_name(path: &str) -> Diagnostic {
    Diagnostic::error("the name of this file is not UTF-8, or holds a control character")
        .at_file(path)
        .help("rename it, or name it in kcfg.yaml under `ignore`")
}

fn outside(path: &str) -> Diagnostic {
    Diagnostic::error("this symbolic link is broken or leads out of the repository; it is not followed")
        .at_file(path)
        .help("copy what it names into the repository")
}

fn above(path: &str) -> Diagnostic {
    Diagnostic::error("this symbolic link leads back to a folder above it; it is not followed")
        .at_file(path)
        .help("remove it")
}

fn is_yaml(name: &str) -> bool {
    Path::new(name).extension().is_some_and(|extension| extension == "yaml" || extension == "yml")
}

fn read_text(path: &Path, shown: &str) -> Result<Arc<Source>, Diagnostic> {
    let bytes = read_regular(path, RELEASE_FILE_BYTES_MAX, Links::Followed).map_err(|error| {
        let (limit, help) = match error.kind() {
            ErrorKind::FileTooLarge => (" (RELEASE_FILE_BYTES_MAX)", "split it"),
            _ => ("", io_help(&error)),
        };
        Diagnostic::error(format!("this file cannot be read: {error}{limit}")).at_file(shown).help(help)
    })?;
    yaml::decode(&bytes, shown)
}
