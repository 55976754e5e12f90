//! The digests of environments, as `render` and `check` end with them.

use std::fs;
use std::path::Path;

use crate::rendered::{SUM_FILE, Sum, environment_digest};

use super::Output;

/// How many digits of a digest people compare.
const DIGITS: usize = 12;

/// Prints a line per environment: its digest over what stands in the rendered tree.
pub fn print<'a>(output: &Output, rendered: &Path, environments: impl IntoIterator<Item = &'a str>) {
    for environment in environments {
        let sums = sums(&rendered.join(environment));
        if sums.is_empty() {
            continue;
        }
        let digests: Vec<(String, String)> = sums.iter().map(|(name, sum)| (name.clone(), sum.digest())).collect();
        let digest = environment_digest(digests.iter().map(|(name, digest)| (name.as_str(), digest.as_str())));
        output.line(&format!("{environment} {} ({} releases)", &digest[..DIGITS], sums.len()));
    }
}

/// The sums of an environment's releases that can be read.
fn sums(environment: &Path) -> Vec<(String, Sum)> {
    let Ok(entries) = fs::read_dir(environment) else { return Vec::new() };
    let sum = |entry: fs::DirEntry| {
        let text = fs::read_to_string(entry.path().join(SUM_FILE)).ok()?;
        Some((entry.file_name().into_string().ok()?, Sum::parse(&text).ok()?))
    };
    entries.flatten().filter_map(sum).collect()
}
