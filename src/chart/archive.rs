//! A packed chart (.tgz) → its files, in memory; with Helm's checks of names and sizes (`LoadArchiveFiles`).

use std::io::Read as _;

use flate2::read::MultiGzDecoder;
use tar::{Archive, EntryType};

use super::load::Budget;
use super::{CHART_SIZE_BYTES_MAX, ChartFile};
use crate::error::Diagnostic;

/// Unpacks a .tgz. The first folder of every name is dropped, whatever it is called; files keep the archive's order,
/// and of two files of one name the last counts.
///
/// # Errors
/// What is no gzip or tar, names that lead out of the chart, and what exceeds the budget. `location` is the archive
/// as shown to the user.
pub(super) fn unpack(bytes: &[u8], location: &str, budget: &mut Budget) -> Result<Vec<ChartFile>, Diagnostic> {
    let fail = |what: String| Diagnostic::error(what).at_file(location);
    let unreadable = |error: std::io::Error| {
        fail(format!("cannot unpack this chart: {error}"))
            .help("a packed chart is a gzipped tar file, as `helm package` writes it")
    };
    // The limit also holds for what the tar reader takes in by itself, such as long names.
    let unzipped = MultiGzDecoder::new(bytes).take(2 * CHART_SIZE_BYTES_MAX);
    let mut archive = Archive::new(unzipped);
    let mut files: Vec<ChartFile> = Vec::new();
    for entry in archive.entries().map_err(unreadable)? {
        let mut entry = entry.map_err(unreadable)?;
        let kind = entry.header().entry_type();
        let name = String::from_utf8(entry.path_bytes().into_owned())
            .map_err(|_| fail("this packed chart holds a file whose name is not UTF-8".into()))?;
        if kind == EntryType::Directory
            || name.ends_with('/')
            || matches!(kind, EntryType::XGlobalHeader | EntryType::XHeader)
        {
            continue;
        }
        let path = path_in_chart(&name).map_err(|problem| fail(format!("this packed chart {problem}: `{name}`")))?;
        if path.contains(char::is_control) {
            return Err(fail(format!("this packed chart holds a file whose name has a control character: `{path}`")));
        }
        let shown = format!("{location}/{path}");
        budget.take(&shown, entry.size())?;
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).map_err(unreadable)?;
        let file = ChartFile { path, bytes: bytes.into() };
        match files.iter_mut().find(|known| known.path == file.path) {
            Some(known) => *known = file,
            None => files.push(file),
        }
    }
    if files.is_empty() {
        return Err(fail("this packed chart holds no files".into()));
    }
    Ok(files)
}

/// The path below the chart's folder, from a name in the archive.
fn path_in_chart(name: &str) -> Result<String, &'static str> {
    // Archives packed on Windows may separate by `\`.
    let delimiter = if name.contains('\\') { '\\' } else { '/' };
    let (first, rest) = name.split_once(delimiter).unwrap_or((name, ""));
    let rest = rest.replace(delimiter, "/");
    if rest.starts_with('/') {
        return Err("holds a file with an absolute path");
    }
    let mut parts: Vec<&str> = Vec::new();
    for part in rest.split('/') {
        match part {
            "" | "." => {}
            ".." => match parts.last() {
                Some(last) if *last != ".." => {
                    parts.pop();
                }
                _ => parts.push(".."),
            },
            part => parts.push(part),
        }
    }
    if parts.is_empty() {
        return Err("holds a file outside of the chart's folder");
    }
    if parts[0].starts_with("..") {
        return Err("holds a file whose path leads out of it");
    }
    let drive = parts[0].as_bytes();
    if drive.len() == 2 && drive[0].is_ascii_alphabetic() && drive[1] == b':' && parts.len() > 1 {
        return Err("holds a file with a drive letter");
    }
    if first == "Chart.yaml" {
        return Err("has its Chart.yaml where a folder should be");
    }
    Ok(parts.join("/"))
}

/// Packs files as they are named, for tests.
#[cfg(test)]
pub(super) fn pack(files: &[(&str, &[u8])]) -> Vec<u8> {
    use std::io::Write as _;
    let mut tar = Vec::new();
    for (name, bytes) in files {
        // By hand, as the tar crate refuses to write the names that are to be refused.
        let mut header = tar::Header::new_ustar();
        header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        header.set_cksum();
        tar.extend_from_slice(header.as_bytes());
        tar.extend_from_slice(bytes);
        tar.resize(tar.len().next_multiple_of(512), 0);
    }
    tar.resize(tar.len() + 1024, 0);
    let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gz.write_all(&tar).unwrap();
    gz.finish().unwrap()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unpacked(bytes: &[u8]) -> Result<Vec<String>, String> {
        unpack(bytes, "charts/a.tgz", &mut Budget::default())
            .map(|files| files.into_iter().map(|file| file.path).collect())
            .map_err(|error| error.to_string())
    }

    #[test]
    fn files_lose_their_first_folder() {
        let packed = pack(&[("web/Chart.yaml", b"a"), ("web\\templates\\x.yaml", b"b"), ("/values.yaml", b"c")]);
        assert_eq!(unpacked(&packed).unwrap(), ["Chart.yaml", "templates/x.yaml", "values.yaml"]);
        let twice = pack(&[("web/a", b"1"), ("web/b", b"2"), ("web/a", b"3")]);
        let files = unpack(&twice, "x", &mut Budget::default()).unwrap();
        assert_eq!((files.len(), &*files[0].bytes), (2, &b"3"[..]));
    }

    /// The names of Helm's own test (pkg/chart/loader/load_test.go, v3.22.0).
    #[test]
    fn names_that_helm_refuses_are_refused() {
        for name in [
            "../../malformed",
            "/foo/../../malformed",
            "/../../malformed",
            "./../../malformed",
            "./.",
            "/./.",
            "missing-leading-slash",
            "//foo",
            "///foo",
            "\\\\foo",
            "\\..\\..\\foo",
            "\\.\\c:\\\\foo",
            "/./c://foo",
            "\\\\?\\Some\\windows\\magic",
        ] {
            assert!(unpacked(&pack(&[(name, b"x")])).is_err(), "{name}");
        }
    }

    #[test]
    fn what_is_no_archive_and_what_is_too_big_are_errors() {
        assert!(unpacked(b"apiVersion: v2").unwrap_err().contains("cannot unpack"));
        assert!(unpacked(&pack(&[])).unwrap_err().contains("no files"));
        let packed = pack(&[("a/b", b"hello")]);
        assert!(unpacked(&packed[..packed.len() / 2]).is_err());
        let big = vec![0; super::super::FILE_SIZE_BYTES_MAX as usize + 1];
        assert!(unpacked(&pack(&[("a/big", &big)])).unwrap_err().contains("charts/a.tgz/big"));
        let part = vec![0; super::super::FILE_SIZE_BYTES_MAX as usize];
        let mut budget = Budget::default();
        let packed = pack(&[("a/part", &part)]);
        let result = (0..21).map(|_| unpack(&packed, "x", &mut budget)).find_map(Result::err).unwrap();
        assert!(result.message.contains("larger than"), "{}", result.message);
    }
}
