//! Paths with slashes, by Go's `path`; the `os` functions do the same, as on Linux.

use Param::Str;

use super::super::func::{Function, Param};
use super::super::value::Value;
use super::{row, text};

pub(super) const FUNCTIONS: &[Function] = &[
    row(
        "base",
        &[Str],
        |_, args| Ok(Value::str(base(&text(&args[0])))),
        "The last element.",
        &[("{{ base \"a/b.txt\" }}", "b.txt")],
    ),
    row(
        "dir",
        &[Str],
        |_, args| Ok(Value::str(dir(&text(&args[0])))),
        "All but the last element.",
        &[("{{ dir \"a/b/c\" }}", "a/b")],
    ),
    row(
        "clean",
        &[Str],
        |_, args| Ok(Value::str(clean(&text(&args[0])))),
        "The shortest equal path.",
        &[("{{ clean \"a//b/../c/\" }}", "a/c")],
    ),
    row(
        "ext",
        &[Str],
        |_, args| Ok(Value::str(ext(&text(&args[0])))),
        "The suffix from the last dot.",
        &[("{{ ext \"a.tar.gz\" }}", ".gz")],
    ),
    row(
        "isAbs",
        &[Str],
        |_, args| Ok(Value::Bool(text(&args[0]).starts_with('/'))),
        "Whether it begins with a slash.",
        &[("{{ isAbs \"/a\" }}", "true")],
    ),
    row(
        "osBase",
        &[Str],
        |_, args| Ok(Value::str(base(&text(&args[0])))),
        "The same as base.",
        &[("{{ osBase \"/a/b/\" }}", "b")],
    ),
    row(
        "osDir",
        &[Str],
        |_, args| Ok(Value::str(dir(&text(&args[0])))),
        "The same as dir.",
        &[("{{ osDir \"/a\" }}", "/")],
    ),
    row(
        "osClean",
        &[Str],
        |_, args| Ok(Value::str(clean(&text(&args[0])))),
        "The same as clean.",
        &[("{{ osClean \"\" }}", ".")],
    ),
    row(
        "osExt",
        &[Str],
        |_, args| Ok(Value::str(ext(&text(&args[0])))),
        "The same as ext.",
        &[("{{ osExt \"a.b/c\" }}", "")],
    ),
    row(
        "osIsAbs",
        &[Str],
        |_, args| Ok(Value::Bool(text(&args[0]).starts_with('/'))),
        "The same as isAbs.",
        &[("{{ osIsAbs \"a\" }}", "false")],
    ),
];

fn base(path: &str) -> &str {
    let trimmed = path.trim_end_matches('/');
    match (path.is_empty(), trimmed.is_empty()) {
        (true, _) => ".",
        (false, true) => "/",
        _ => trimmed.rsplit('/').next().unwrap_or(trimmed),
    }
}

fn dir(path: &str) -> String {
    clean(path.rfind('/').map_or("", |slash| &path[..=slash]))
}

fn ext(path: &str) -> &str {
    let name = path.rsplit('/').next().unwrap_or(path);
    name.rfind('.').map_or("", |dot| &name[dot..])
}

fn clean(path: &str) -> String {
    let rooted = path.starts_with('/');
    let mut kept: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if kept.last().is_some_and(|last| *last != "..") => {
                kept.pop();
            }
            ".." if rooted => {}
            _ => kept.push(part),
        }
    }
    let joined = kept.join("/");
    match (rooted, joined.is_empty()) {
        (true, _) => format!("/{joined}"),
        (false, true) => ".".into(),
        (false, false) => joined,
    }
}
