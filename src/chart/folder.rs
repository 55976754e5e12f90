//! A chart folder of the working tree → its files: the one place of this stage that touches the file system.
//!
//! Symbolic links are followed, as Helm follows them, but never to a place outside of the repository.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::bytes::{Bytes, Failures, unreadable};
use super::ignore::{FILE_NAME as HELMIGNORE, Rules};
use super::{CHART_SIZE_BYTES_MAX, ChartFile, DEPTH_MAX, FILE_COUNT_MAX, FILE_SIZE_BYTES_MAX};
use crate::error::{Diagnostic, io_help, reason};
use crate::repo::{Buffer, Links};

/// Reads the files of a chart folder, without those that .helmignore leaves out; sorted by path.
///
/// `location` is the folder as shown to the user, `root` the folder that no symbolic link may lead out of.
///
/// # Errors
/// The first file that cannot be read, is no file (a socket, a device), leads out of `root`, or is too big; a chart
/// of too many files.
pub fn read_folder(path: &Path, location: &str, root: &Path) -> Result<Vec<ChartFile>, Diagnostic> {
    read(path, location, root, None)
}

/// The same, except that large files which a chart can do without are read when a template asks for them. Whoever made
/// something of the chart asks afterwards whether that failed.
///
/// # Errors
/// As of [`read_folder`]: every file is opened.
pub fn read_folder_later(path: &Path, location: &str, root: &Path) -> Result<(Vec<ChartFile>, Failures), Diagnostic> {
    let failures = Failures::default();
    Ok((read(path, location, root, Some(&failures))?, failures))
}

fn read(path: &Path, location: &str, root: &Path, later: Option<&Failures>) -> Result<Vec<ChartFile>, Diagnostic> {
    let unreadable = |error: &io::Error| {
        let diagnostic = Diagnostic::error(format!("cannot read this chart: {}", reason(error))).at_file(location);
        match error.kind() {
            io::ErrorKind::NotFound => diagnostic.help("check the path; a chart is a folder with Chart.yaml in it"),
            _ => diagnostic.help(io_help(error)),
        }
    };
    let folder = fs::canonicalize(path).map_err(|e| unreadable(&e))?;
    let root = fs::canonicalize(root).map_err(|e| unreadable(&e))?;
    let (rules, buffer) = (Rules::defaults(), Buffer::default());
    let mut reader = Reader { root, location, rules, later, buffer, files: Vec::new(), entries: 0, size_bytes: 0 };
    if !folder.starts_with(&reader.root) {
        return Err(reader.leaves_root("", &folder));
    }
    if !folder.is_dir() {
        return Err(Diagnostic::error("a chart is a folder, this is a file")
            .at_file(location)
            .help("name the folder that holds Chart.yaml; a packed chart (.tgz) must be unpacked first"));
    }
    let helmignore = folder.join(HELMIGNORE);
    if helmignore.is_file() {
        if helmignore.is_symlink() {
            let target = fs::canonicalize(&helmignore).map_err(|error| reader.unreadable(HELMIGNORE, &error))?;
            if !target.starts_with(&reader.root) {
                return Err(reader.leaves_root(HELMIGNORE, &target));
            }
        }
        let bytes = reader.read_file(&helmignore, HELMIGNORE)?;
        reader.size_bytes = 0;
        reader.rules = super::load::helmignore(location, &bytes)?;
    }
    reader.folder(&folder, "", &mut Vec::new())?;
    reader.files.sort_by(|a, b| a.path.split('/').cmp(b.path.split('/')));
    Ok(reader.files)
}

struct Reader<'a> {
    root: PathBuf,
    location: &'a str,
    rules: Rules,
    /// Whether files may be read later, and where failures go then.
    later: Option<&'a Failures>,
    buffer: Buffer,
    files: Vec<ChartFile>,
    /// Files and folders that were looked at.
    entries: usize,
    size_bytes: u64,
}

impl Reader<'_> {
    /// Reads a folder; `above` are the folders that it stands in, as they are without symbolic links.
    fn folder(&mut self, folder: &Path, below: &str, above: &mut Vec<PathBuf>) -> Result<(), Diagnostic> {
        if above.len() > DEPTH_MAX {
            return Err(Diagnostic::error(format!("folders are nested more than {DEPTH_MAX} deep here (DEPTH_MAX)"))
                .at_file(self.shown(below))
                .help("move what is in it further up"));
        }
        if above.iter().any(|known| known == folder) {
            return Err(Diagnostic::error("this symbolic link leads back to a folder above it")
                .at_file(self.shown(below))
                .help("remove it, or leave it out in .helmignore"));
        }
        above.push(folder.to_owned());
        for entry in fs::read_dir(folder).map_err(|e| self.unreadable(below, &e))? {
            let entry = entry.map_err(|e| self.unreadable(below, &e))?;
            self.entries += 1;
            if self.entries > FILE_COUNT_MAX {
                let error = format!("this chart has more than {FILE_COUNT_MAX} files and folders (FILE_COUNT_MAX)");
                return Err(Diagnostic::error(error)
                    .at_file(self.location)
                    .help("move what does not belong to the chart out of its folder; look for symbolic links"));
            }
            let name = entry.file_name();
            let Some(name) = name.to_str() else {
                return Err(Diagnostic::error("the name of this file is not UTF-8")
                    .at_file(self.shown(&join(below, &name.to_string_lossy())))
                    .help("rename it, or leave it out in .helmignore"));
            };
            let shown = join(below, name);
            let mut path = entry.path();
            let mut file_type = entry.file_type().map_err(|e| self.unreadable(&shown, &e))?;
            if file_type.is_symlink() {
                path = match fs::canonicalize(&path) {
                    Ok(target) => target,
                    // What .helmignore leaves out may dangle.
                    Err(_) if self.rules.leaves_out(&shown, false) => continue,
                    Err(error) => {
                        let target = fs::read_link(&path).unwrap_or_default();
                        let what =
                            format!("this symbolic link leads nowhere, to {}: {}", target.display(), reason(&error));
                        let help = "correct or remove the link, or leave it out in .helmignore";
                        return Err(Diagnostic::error(what).at_file(self.shown(&shown)).help(help));
                    }
                };
                file_type = fs::metadata(&path).map_err(|e| self.unreadable(&shown, &e))?.file_type();
                if !self.rules.leaves_out(&shown, file_type.is_dir()) && !path.starts_with(&self.root) {
                    return Err(self.leaves_root(&shown, &path));
                }
            }
            if self.rules.leaves_out(&shown, file_type.is_dir()) {
                continue;
            }
            if file_type.is_dir() {
                let before = self.files.len();
                self.folder(&path, &shown, above)?;
                if self.files.len() == before && is_named_as_file(&shown) {
                    return Err(Diagnostic::error("this is an empty folder, where its name says that it is a file")
                        .at_file(self.shown(&shown))
                        .help("put the file back, or remove the folder"));
                }
            } else if file_type.is_file() {
                if is_named_as_folder(&shown) {
                    return Err(Diagnostic::error("this is a file, but a chart has a folder of this name")
                        .at_file(self.shown(&shown))
                        .help("put the folder back, or remove the file"));
                }
                let bytes = self.read_file(&path, &shown)?;
                self.files.push(ChartFile { path: shown, bytes });
            } else {
                return Err(Diagnostic::error("this is neither a file nor a folder, but a device, pipe or socket")
                    .at_file(self.shown(&shown))
                    .help("remove it, or leave it out in .helmignore"));
            }
        }
        above.pop();
        Ok(())
    }

    fn read_file(&mut self, path: &Path, below: &str) -> Result<Bytes, Diagnostic> {
        let at_once_max = if self.later.is_some() && !is_needed(below) { AT_ONCE_BYTES_MAX } else { u64::MAX };
        let read = self.buffer.read(at_once_max, path, FILE_SIZE_BYTES_MAX, Links::Followed);
        let read = read.map(|(length, bytes)| (length, bytes.map(Bytes::of)));
        let (length, bytes) = read.map_err(|error| match error.kind() {
            io::ErrorKind::FileTooLarge => super::load::too_large(&self.shown(below)),
            _ => self.unreadable(below, &error),
        })?;
        self.size_bytes += length as u64;
        if self.size_bytes > CHART_SIZE_BYTES_MAX {
            let error = format!("this chart is larger than {CHART_SIZE_BYTES_MAX} bytes (CHART_SIZE_BYTES_MAX)");
            return Err(Diagnostic::error(error)
                .at_file(self.location)
                .help("leave out in .helmignore what does not belong to the chart"));
        }
        Ok(match (bytes, self.later) {
            (None, Some(failures)) => Bytes::later(path.to_owned(), self.shown(below), length, failures),
            (bytes, _) => bytes.unwrap_or_else(|| Bytes::of(&[])),
        })
    }

    fn shown(&self, below: &str) -> String {
        join(self.location, below)
    }

    fn unreadable(&self, below: &str, error: &io::Error) -> Diagnostic {
        unreadable(&self.shown(below), error)
    }

    fn leaves_root(&self, below: &str, target: &Path) -> Diagnostic {
        Diagnostic::error(format!("this leads out of the repository, to {}", target.display()))
            .at_file(self.shown(below))
            .help(
                "a chart may use only files of its repository: copy the file in, or leave the link out in .helmignore",
            )
    }
}

/// A file of so many bytes is read at once even if nothing may ask for it: most of its cost is to open it.
const AT_ONCE_BYTES_MAX: u64 = 4 << 10;

/// Whether a chart or a subchart cannot be loaded without this file.
fn is_needed(path: &str) -> bool {
    const NAMES: [&str; 7] = [
        HELMIGNORE,
        "Chart.yaml",
        "Chart.lock",
        "values.yaml",
        "values.schema.json",
        "requirements.yaml",
        "requirements.lock",
    ];
    let name = path.rsplit('/').next().unwrap_or_default();
    path.contains("templates/") || name.ends_with(".tgz") || NAMES.contains(&name)
}

/// Whether a file of a chart has this name, so that an empty folder in its place is a mishap.
fn is_named_as_file(path: &str) -> bool {
    let is_template = path.starts_with("templates/")
        && [".yaml", ".yml", ".tpl", ".tera"].iter().any(|extension| path.ends_with(extension));
    is_template || matches!(path, "Chart.yaml" | "values.yaml" | "values.schema.json" | "requirements.yaml")
}

/// Whether a folder of a chart has this name: without it the chart would silently give nothing.
fn is_named_as_folder(path: &str) -> bool {
    matches!(path, "templates" | "charts" | "crds")
}

/// A path below another one; either may be empty.
pub(super) fn join(above: &str, below: &str) -> String {
    match (above, below) {
        ("", below) => below.to_string(),
        (above, "") => above.to_string(),
        (above, below) => format!("{above}/{below}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn paths(files: &[ChartFile]) -> Vec<&str> {
        files.iter().map(|file| file.path.as_str()).collect()
    }

    #[test]
    fn files_come_sorted_without_what_is_ignored_and_through_links() {
        let dir = tempfile::tempdir().unwrap();
        let chart = dir.path().join("charts/web");
        fs::create_dir_all(chart.join("templates")).unwrap();
        fs::create_dir_all(chart.join("docs")).unwrap();
        fs::create_dir_all(dir.path().join("shared")).unwrap();
        for (path, text) in [
            ("charts/web/Chart.yaml", "name: web"),
            ("charts/web/.helmignore", "docs/\nbroken\n"),
            ("charts/web/docs/long.md", "x"),
            ("charts/web/templates/.swp", "x"),
            ("charts/web/templates/a.yaml", "a"),
            ("charts/web/templates-old", "x"),
            ("shared/b.yaml", "b"),
        ] {
            fs::write(dir.path().join(path), text).unwrap();
        }
        symlink("../../../shared/b.yaml", chart.join("templates/b.yaml")).unwrap();
        symlink("../../shared", chart.join("extra")).unwrap();
        symlink("nowhere", chart.join("broken")).unwrap();
        let files = read_folder(&chart, "charts/web", dir.path()).unwrap();
        assert_eq!(
            paths(&files),
            [".helmignore", "Chart.yaml", "extra/b.yaml", "templates/a.yaml", "templates/b.yaml", "templates-old"]
        );
        assert_eq!(&*files[4].bytes, b"b");
    }

    #[test]
    fn a_link_out_of_the_repository_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("repo");
        fs::create_dir_all(root.join("c")).unwrap();
        fs::write(dir.path().join("secret"), "s").unwrap();
        for name in ["file", HELMIGNORE] {
            symlink("../../secret", root.join("c").join(name)).unwrap();
            let error = read_folder(&root.join("c"), "c", &root).unwrap_err().to_string();
            assert!(error.contains("leads out of the repository"), "{error}");
            assert!(error.contains(&format!("--> c/{name}")), "{error}");
        }
    }

    #[test]
    fn a_loop_of_links_and_a_missing_folder_are_errors() {
        let dir = tempfile::tempdir().unwrap();
        let chart = dir.path().join("c");
        fs::create_dir(&chart).unwrap();
        symlink(".", chart.join("again")).unwrap();
        let error = read_folder(&chart, "c", dir.path()).unwrap_err().to_string();
        assert!(error.contains("leads back to a folder above it") && error.contains("--> c/again"), "{error}");
        assert!(read_folder(&dir.path().join("none"), "none", dir.path()).is_err());
        let big = dir.path().join("big");
        fs::create_dir(&big).unwrap();
        fs::File::create(big.join("blob")).unwrap().set_len(FILE_SIZE_BYTES_MAX + 1).unwrap();
        let error = read_folder(&big, "big", dir.path()).unwrap_err().to_string();
        assert!(error.contains("big/blob") && error.contains("larger than"), "{error}");
    }
}
