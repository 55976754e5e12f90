//! Repositories made for each test, as plain folders.

use std::fs;
use std::path::Path;

use super::*;

pub(super) fn write(root: &Path, files: &[(&str, &str)]) {
    for (path, text) in files {
        let path = root.join(path);
        fs::create_dir_all(path.parent().expect("every path has a folder")).expect("a folder");
        fs::write(path, text).expect("a file");
    }
}

fn repository(files: &[(&str, &str)]) -> (tempfile::TempDir, Repository) {
    let folder = tempfile::tempdir().expect("a folder");
    write(folder.path(), files);
    let repository = Repository::open(folder.path()).expect("a repository");
    (folder, repository)
}

#[test]
fn the_root_is_found_from_below() {
    let folder = tempfile::tempdir().expect("a folder");
    write(folder.path(), &[("deploy/releases/prod/web.yaml", "a"), ("deploy/charts/web/x", ""), (".git/HEAD", "")]);
    let root = |start: &str| Repository::discover(&folder.path().join(start)).map(|found| found.root);
    let deploy = folder.path().canonicalize().expect("a path").join("deploy");
    assert_eq!(root("deploy/charts/web").expect("found"), deploy);
    assert_eq!(root("deploy/releases/prod").expect("found"), deploy);
    assert_eq!(root(".").expect("found"), folder.path().canonicalize().expect("a path"));
    let found = Repository::discover(&folder.path().join("deploy")).expect("found");
    assert_eq!(found.git_root.expect("Git is above"), folder.path().canonicalize().expect("a path"));
    assert!(root("nowhere").is_err());
}

#[test]
fn environments_are_folders_and_only_yaml_is_read() {
    let (_folder, repository) = repository(&[
        ("kcfg.yaml", "ignore: ['*.draft.yaml', 'releases/prod/old/']\n"),
        ("releases/prod/web.yaml", "a: 1"),
        ("releases/prod/sub/api.yml", "\u{feff}b: 1"),
        ("releases/prod/old/x.yaml", ""),
        ("releases/prod/x.draft.yaml", ""),
        ("releases/prod/.hidden.yaml", ""),
        ("releases/prod/README.md", ""),
        ("releases/empty/.placeholder", ""),
        ("releases/.git-ish/x.yaml", ""),
        ("releases/README.md", ""),
        ("releases/stray.yaml", ""),
    ]);
    let found = repository.environments().expect("releases/ is there");
    assert_eq!(found.names, ["empty", "prod"]);
    assert_eq!(found.warnings.len(), 1);
    let files = repository.read_release_files("prod");
    let names: Vec<&str> = files.sources.iter().map(|source| &*source.name).collect();
    assert_eq!(names, ["releases/prod/sub/api.yml", "releases/prod/web.yaml"]);
    assert_eq!(&*files.sources[0].text, "b: 1");
    assert!(files.errors.is_empty());
    let empty = repository.read_release_files("empty");
    assert!(empty.sources.is_empty() && empty.errors.is_empty());
}

#[test]
fn a_file_that_is_no_text_is_an_error_and_the_others_are_read() {
    let (folder, repository) = repository(&[("releases/prod/web.yaml", "a: 1")]);
    fs::write(folder.path().join("releases/prod/bad.yaml"), b"a: \xff").expect("a file");
    let files = repository.read_release_files("prod");
    assert_eq!(files.sources.len(), 1);
    assert_eq!(files.errors.len(), 1);
    assert!(files.errors[0].to_string().contains("releases/prod/bad.yaml:1:4"));
}

#[test]
fn no_releases_is_an_error_that_helps() {
    let (_folder, repository) = repository(&[("kcfg.yaml", "")]);
    let error = repository.environments().expect_err("there is no releases/");
    assert!(error.help.is_some_and(|help| help.contains("releases/staging")));
}

#[cfg(unix)]
#[test]
fn links_are_followed_inside_the_repository_only() {
    use std::os::unix::fs::symlink;
    let (folder, repository) = repository(&[("releases/prod/web.yaml", "a: 1"), ("shared/all.yaml", "b: 1")]);
    let outside = tempfile::tempdir().expect("a folder");
    write(outside.path(), &[("secret.yaml", "c: 1")]);
    let prod = folder.path().join("releases/prod");
    symlink("../../shared/all.yaml", prod.join("inside.yaml")).expect("a link");
    symlink(outside.path().join("secret.yaml"), prod.join("outside.yaml")).expect("a link");
    symlink(outside.path(), prod.join("folder")).expect("a link");
    symlink("..", prod.join("loop")).expect("a link");
    symlink("nowhere", prod.join("broken.yaml")).expect("a link");
    symlink("nowhere", prod.join("broken.txt")).expect("a link");
    symlink("nowhere", prod.join(".broken.yaml")).expect("a link");
    symlink(outside.path(), folder.path().join("releases/elsewhere")).expect("a link");
    let files = repository.read_release_files("prod");
    let names: Vec<&str> = files.sources.iter().map(|source| &*source.name).collect();
    assert_eq!(names, ["releases/prod/inside.yaml", "releases/prod/web.yaml"]);
    let errors: Vec<String> = files.errors.iter().map(ToString::to_string).collect();
    assert_eq!(errors.len(), 4, "{errors:?}");
    for path in ["broken.yaml", "loop", "folder", "outside.yaml"] {
        assert!(errors.iter().any(|error| error.contains(path)), "{path}: {errors:?}");
    }
    let elsewhere = repository.read_release_files("elsewhere");
    assert!(elsewhere.sources.is_empty() && elsewhere.errors.len() == 1);
}

proptest::proptest! {
    #[test]
    fn any_text_is_a_selector_or_an_error(text in "[a-c*?\\[\\]{},!\\\\/-]{0,16}", name in "[a-c/]{0,8}") {
        if let Ok(selector) = text.parse::<Selector>() {
            selector.matches_object(&name, &name, &name, &name);
        }
        if let Ok(glob) = text.parse::<PathGlob>() {
            glob.matches(&name);
        }
        if let Ok(glob) = text.parse::<Glob>() {
            glob.matches_ignoring_case(&name);
            // A pattern without wildcards matches its own text and nothing else.
            if let Some(literal) = glob.literal() {
                proptest::prop_assert!(glob.matches(&literal));
            }
        }
    }
}
