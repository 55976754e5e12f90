//! `kcfg.sum`: what a release rendered to, in the format of sha256sum with comment lines.
//!
//! ```text
//! # kcfg.sum 1
//! # release production/web
//! # namespace shop
//! # source releases/production/web.yaml
//! # chart charts/web 0.1.0 tera
//! # inputs 91ab…
//! # generated core/Secret/shop/web password
//! # digest 3f9a…
//! # id apps/Deployment/shop/web
//! 77c0…  deployment-web.yaml
//! ```

use std::fmt::Write as _;

use data_encoding::HEXLOWER;
use sha2::{Digest as _, Sha256};

/// The format's version, in the first line.
const VERSION: u32 = 1;

/// A `kcfg.sum`, read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sum {
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
    /// The Secrets that hold values made up in the cluster, each with their keys after it: such a release needs kcfg
    /// to apply it.
    pub generated: Vec<String>,
    /// The files, sorted by name, bytewise.
    pub files: Vec<SumFile>,
}

/// A file of a release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SumFile {
    /// The file's name.
    pub name: String,
    /// sha256 of its bytes, in lower-case hexadecimal.
    pub hash: String,
    /// The id of its object.
    pub id: String,
}

impl Sum {
    /// The release's digest: sha256 over the id and hash lines, so it names a state of the cluster and nothing else.
    pub fn digest(&self) -> String {
        hex_sha256(self.lines().as_bytes())
    }

    fn lines(&self) -> String {
        let mut lines = String::with_capacity(self.files.len() * 160);
        for file in &self.files {
            let _ = write!(lines, "# id {}\n{}  {}\n", file.id, file.hash, file.name);
        }
        lines
    }

    /// The text of the file.
    pub fn to_text(&self) -> String {
        let lines = self.lines();
        let mut text = format!("# kcfg.sum {VERSION}\n");
        let mut field = |name: &str, value: &str| {
            if !value.is_empty() {
                let _ = writeln!(text, "# {name} {value}");
            }
        };
        field("release", &self.release);
        field("namespace", &self.namespace);
        field("source", &self.source);
        field("chart", &self.chart);
        field("commit", self.commit.as_deref().unwrap_or(""));
        field("inputs", &self.inputs);
        self.generated.iter().for_each(|secret| field("generated", secret));
        field("digest", &hex_sha256(lines.as_bytes()));
        text + &lines
    }

    /// Reads a `kcfg.sum`.
    ///
    /// # Errors
    /// One sentence on the first line that is not of the format, or where the digest does not match the lines; a sum
    /// that cannot be read counts as absent, so a merge conflict in it is mended by rendering again.
    pub fn parse(text: &str) -> Result<Sum, String> {
        let mut lines = text.lines().enumerate();
        match lines.next() {
            Some((_, first)) if first == format!("# kcfg.sum {VERSION}") => {}
            Some((_, first)) if first.starts_with("# kcfg.sum ") => {
                return Err(format!(
                    "`{first}` is of another version than {VERSION}; use the kcfg that wrote it, or render again"
                ));
            }
            _ => return Err("it does not begin with `# kcfg.sum`".into()),
        }
        let mut sum = Sum::default();
        let mut digest = String::new();
        let mut id = None;
        for (index, line) in lines {
            let bad = || Err(format!("line {} is not of the format: `{line}`", index + 1));
            if let Some(comment) = line.strip_prefix("# ") {
                let Some((name, value)) = comment.split_once(' ') else { return bad() };
                let value = value.to_owned();
                match name {
                    "release" => sum.release = value,
                    "namespace" => sum.namespace = value,
                    "source" => sum.source = value,
                    "chart" => sum.chart = value,
                    "commit" => sum.commit = Some(value),
                    "inputs" => sum.inputs = value,
                    "generated" => sum.generated.push(value),
                    "digest" => digest = value,
                    "id" if id.is_none() => id = Some(value),
                    _ => return bad(),
                }
                continue;
            }
            let (Some((hash, name)), Some(id)) = (line.split_once("  "), id.take()) else { return bad() };
            let is_hash = hash.len() == 64 && hash.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
            let is_name = !name.is_empty() && !name.contains('/') && name != "." && name != "..";
            let in_order = sum.files.last().is_none_or(|last| last.name.as_str() < name);
            if !is_hash || !is_name || !in_order {
                return bad();
            }
            sum.files.push(SumFile { name: name.into(), hash: hash.into(), id });
        }
        if id.is_some() || sum.release.is_empty() {
            return Err("it ends early".into());
        }
        if digest != sum.digest() {
            return Err("its digest does not match its lines".into());
        }
        Ok(sum)
    }

    /// The line of a file.
    pub fn file(&self, name: &str) -> Option<&SumFile> {
        self.files.binary_search_by(|file| file.name.as_str().cmp(name)).ok().map(|index| &self.files[index])
    }
}

/// An environment's digest: sha256 over the sorted lines `release digest`.
pub fn environment_digest<'a>(releases: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let mut lines: Vec<String> = releases.into_iter().map(|(name, digest)| format!("{name} {digest}\n")).collect();
    lines.sort();
    hex_sha256(lines.concat().as_bytes())
}

/// sha256 in lower-case hexadecimal.
pub fn hex_sha256(bytes: &[u8]) -> String {
    HEXLOWER.encode(&Sha256::digest(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum() -> Sum {
        Sum {
            release: "production/web".into(),
            namespace: "shop".into(),
            source: "releases/production/web.yaml".into(),
            chart: "charts/web 0.1.0 tera".into(),
            commit: None,
            inputs: hex_sha256(b"inputs"),
            generated: vec!["core/Secret/shop/a key other".into(), "core/Secret/shop/b key".into()],
            files: vec![
                SumFile { name: "a.yaml".into(), hash: hex_sha256(b"a"), id: "core/ConfigMap/shop/a".into() },
                SumFile { name: "b.yaml".into(), hash: hex_sha256(b"b"), id: "core/ConfigMap/shop/b".into() },
            ],
        }
    }

    #[test]
    fn a_sum_reads_back_as_it_was_written() {
        let text = sum().to_text();
        assert_eq!(Sum::parse(&text).unwrap(), sum());
        assert!(text.starts_with("# kcfg.sum 1\n# release production/web\n"));
    }

    #[test]
    fn a_sum_that_somebody_touched_is_refused() {
        let text = sum().to_text();
        for (from, to) in [
            ("# kcfg.sum 1", "# kcfg.sum 2"),
            ("# kcfg.sum 1\n", ""),
            ("a.yaml", "../a.yaml"),
            ("a.yaml", "c.yaml"),
            ("ConfigMap/shop/a", "ConfigMap/shop/z"),
            ("# namespace", "<<<<<<< HEAD\n# namespace"),
            ("# id core/ConfigMap/shop/b\n", ""),
        ] {
            assert!(text.contains(from));
            assert!(Sum::parse(&text.replacen(from, to, 1)).is_err(), "{from} → {to}");
        }
        // Cut anywhere, it is unreadable.
        for end in 0..text.len() - 1 {
            assert!(Sum::parse(&text[..end]).is_err(), "cut at {end}");
        }
    }

    #[test]
    fn the_digest_names_the_state_only() {
        let mut other = sum();
        other.inputs = hex_sha256(b"others");
        other.source = "elsewhere".into();
        assert_eq!(other.digest(), sum().digest());
        other.files[0].hash = hex_sha256(b"x");
        assert_ne!(other.digest(), sum().digest());
    }

    #[test]
    fn an_environment_digest_does_not_depend_on_order() {
        assert_eq!(environment_digest([("a", "1"), ("b", "2")]), environment_digest([("b", "2"), ("a", "1")]));
    }
}
