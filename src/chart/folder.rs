//! A chart folder of the working tree → its files: the one place of this stage that touches the file system.
//!
//! Symbolic links are followed, as Helm follows them, but never to a place outside of the repository.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::ignore::{FILE_NAME as HELMIGNORE, Rules};
use super::{CHART_SIZE_BYTES_MAX, ChartFile, DEPTH_MAX, FILE_COUNT_MAX, FILE_SIZE_BYTES_MAX};
use crate::error::Diagnostic;

/// Reads the files of a chart folder, without those that .helmignore leaves out; sorted by path.
///
/// `location` is the folder as shown to the user, `root` the folder that no symbolic link may lead out of.
///
/// # Errors
/// The first file that cannot be read, is no file (a socket, a device), leads out of `root`, or is too big; a chart
/// of too many files.
pub fn read_folder(path: &Path, location: &str, root: &Path) -> Result<Vec<ChartFile>, Diagnostic> {
    let unreadable = |error: &io::Error| {
        let diagnostic = Diagnostic::error(format!("cannot read this chart: {error}")).at_file(location);
        match error.kind() {
            io::ErrorKind::NotFound => diagnostic.help("check the path; a chart is a folder with Chart.yaml in it"),
            _ => diagnostic,
        }
    };
    let folder = fs::canonicalize(path).map_err(|e| unreadable(&e))?;
    let root = fs::canonicalize(root).map_err(|e| unreadable(&e))?;
    let mut reader = Reader { root, location, rules: Rules::defaults(), files: Vec::new(), size_bytes: 0 };
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
        let bytes = reader.read_file(&helmignore, HELMIGNORE)?;
        reader.size_bytes = 0;
        reader.rules = super::load::helmignore(location, &bytes)?;
    }
    reader.folder(&folder, "", 0)?;
    reader.files.sort_by(|a, b| a.path.split('/').cmp(b.path.split('/')));
    Ok(reader.files)
}

struct Reader<'a> {
    root: PathBuf,
    location: &'a str,
    rules: Rules,
    files: Vec<ChartFile>,
    size_bytes: u64,
}

impl Reader<'_> {
    fn folder(&mut self, folder: &Path, below: &str, depth: usize) -> Result<(), Diagnostic> {
        if depth > DEPTH_MAX {
            return Err(Diagnostic::error(format!("folders are nested more than {DEPTH_MAX} deep here"))
                .at_file(self.shown(below))
                .help("look for a symbolic link that leads back to a folder above it"));
        }
        for entry in fs::read_dir(folder).map_err(|e| self.unreadable(below, &e))? {
            let entry = entry.map_err(|e| self.unreadable(below, &e))?;
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
                    Err(error) => return Err(self.unreadable(&shown, &error)),
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
                self.folder(&path, &shown, depth + 1)?;
            } else if file_type.is_file() {
                let bytes = self.read_file(&path, &shown)?;
                self.files.push(ChartFile { path: shown, bytes });
                if self.files.len() > FILE_COUNT_MAX {
                    return Err(Diagnostic::error(format!("this chart has more than {FILE_COUNT_MAX} files"))
                        .at_file(self.location)
                        .help("leave out in .helmignore what does not belong to the chart"));
                }
            } else {
                return Err(Diagnostic::error("this is neither a file nor a folder, but a device, pipe or socket")
                    .at_file(self.shown(&shown))
                    .help("remove it, or leave it out in .helmignore"));
            }
        }
        Ok(())
    }

    fn read_file(&mut self, path: &Path, below: &str) -> Result<Arc<[u8]>, Diagnostic> {
        let size_bytes = fs::metadata(path).map_err(|e| self.unreadable(below, &e))?.len();
        self.size_bytes += size_bytes;
        super::load::check_size(&self.shown(below), size_bytes)?;
        if self.size_bytes > CHART_SIZE_BYTES_MAX {
            return Err(Diagnostic::error(format!("this chart is larger than {CHART_SIZE_BYTES_MAX} bytes"))
                .at_file(self.location)
                .help("leave out in .helmignore what does not belong to the chart"));
        }
        debug_assert!(size_bytes <= FILE_SIZE_BYTES_MAX);
        fs::read(path).map(Arc::from).map_err(|e| self.unreadable(below, &e))
    }

    fn shown(&self, below: &str) -> String {
        join(self.location, below)
    }

    fn unreadable(&self, below: &str, error: &io::Error) -> Diagnostic {
        Diagnostic::error(format!("cannot read this: {error}")).at_file(self.shown(below))
    }

    fn leaves_root(&self, below: &str, target: &Path) -> Diagnostic {
        Diagnostic::error(format!("this leads out of the repository, to {}", target.display()))
            .at_file(self.shown(below))
            .help(
                "a chart may use only files of its repository: copy the file in, or leave the link out in .helmignore",
            )
    }
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
        symlink("../../secret", root.join("c/file")).unwrap();
        let error = read_folder(&root.join("c"), "c", &root).unwrap_err().to_string();
        assert!(error.contains("leads out of the repository"), "{error}");
        assert!(error.contains("--> c/file"), "{error}");
    }

    #[test]
    fn a_loop_of_links_and_a_missing_folder_are_errors() {
        let dir = tempfile::tempdir().unwrap();
        let chart = dir.path().join("c");
        fs::create_dir(&chart).unwrap();
        symlink(".", chart.join("again")).unwrap();
        let error = read_folder(&chart, "c", dir.path()).unwrap_err().to_string();
        assert!(error.contains("nested more than"), "{error}");
        assert!(read_folder(&dir.path().join("none"), "none", dir.path()).is_err());
        let big = dir.path().join("big");
        fs::create_dir(&big).unwrap();
        fs::File::create(big.join("blob")).unwrap().set_len(FILE_SIZE_BYTES_MAX + 1).unwrap();
        let error = read_folder(&big, "big", dir.path()).unwrap_err().to_string();
        assert!(error.contains("big/blob") && error.contains("larger than"), "{error}");
    }
}
