//! The digests of environments, as `render` and `check` end with them, and which of their releases only kcfg can apply.

use std::path::Path;

use crate::rendered::{Sum, environment_digest, sums};

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
        not_portable_of(environment, &sums).iter().for_each(|line| output.line(line));
    }
}

/// A line per release whose Secrets hold values that kcfg makes up in the cluster: another applier leaves them empty.
pub fn not_portable<'a>(rendered: &Path, environments: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let environments = environments.into_iter();
    environments.flat_map(|environment| not_portable_of(environment, &sums(&rendered.join(environment)))).collect()
}

fn not_portable_of(environment: &str, sums: &[(String, Sum)]) -> Vec<String> {
    let of_release = |(release, sum): &(String, Sum)| {
        let secrets = sum.generated.iter().map(|secret| match secret.split_once(' ') {
            Some((id, keys)) => format!("{} of {id}", keys.replace(' ', ", ")),
            None => secret.clone(),
        });
        let secrets: Vec<String> = secrets.collect();
        let line = || format!("{environment}/{release} needs kcfg to apply it, which makes up {}", secrets.join("; "));
        (!secrets.is_empty()).then(line)
    };
    sums.iter().filter_map(of_release).collect()
}
