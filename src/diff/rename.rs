//! Which of the objects that are gone came back under another name: generated suffixes, and bodies that are (nearly) the
//! same. Only within a release and kind, so an object is never said to have become something else.

use std::collections::{BTreeMap, HashMap};

use super::compare::{Placed, body};

/// Objects of one kind in one release that are compared with each other at most, on each side; with more of them only
/// equal bodies and equal stems count.
pub const SIMILAR_MAX: usize = 64;
/// The share of lines that two objects have in common, in percent, from which one is taken for the other.
const SIMILAR_PERCENT: usize = 70;
/// Characters of a generated suffix.
const SUFFIX_CHARS: std::ops::RangeInclusive<usize> = 5..=40;

/// Pairs of objects (indices into both sides) that are the same one under another name.
pub(super) fn matches(old: &[Placed], left_old: &[usize], new: &[Placed], left_new: &[usize]) -> Vec<(usize, usize)> {
    type Groups<'a> = BTreeMap<(usize, &'a str, &'a str), Vec<usize>>;
    fn groups<'a>(all: &'a [Placed], left: &[usize]) -> Groups<'a> {
        let mut groups = Groups::new();
        for index in left {
            let Placed { release, object } = &all[*index];
            groups.entry((*release, &object.id.group, &object.id.kind)).or_default().push(*index);
        }
        groups
    }
    let others = groups(new, left_new);
    let mut found = Vec::new();
    for (key, a) in groups(old, left_old) {
        let Some(b) = others.get(&key) else { continue };
        found.extend(group(old, &a, new, b));
    }
    found
}

/// Pairs within one release and kind: the best first, each object once.
fn group(old: &[Placed], a: &[usize], new: &[Placed], b: &[usize]) -> Vec<(usize, usize)> {
    let bodies = |all: &[Placed], indices: &[usize]| -> Vec<String> {
        indices.iter().map(|index| body(&all[*index].object.node)).collect()
    };
    let (bodies_a, bodies_b) = (bodies(old, a), bodies(new, b));
    let compare_lines = a.len() <= SIMILAR_MAX && b.len() <= SIMILAR_MAX;
    let mut candidates = Vec::new();
    for (i, x) in a.iter().enumerate() {
        for (j, y) in b.iter().enumerate() {
            let (from, to) = (&old[*x].object.id.name, &new[*y].object.id.name);
            let score = if bodies_a[i] == bodies_b[j] {
                200
            } else if is_same_stem(from, to) {
                150
            } else if compare_lines {
                similarity(&bodies_a[i], &bodies_b[j])
            } else {
                0
            };
            if score >= SIMILAR_PERCENT {
                // Names break ties the same way whichever side is the older.
                let names = (from.min(to).clone(), from.max(to).clone());
                candidates.push((usize::MAX - score, names, *x, *y));
            }
        }
    }
    candidates.sort();
    let mut found: Vec<(usize, usize)> = Vec::new();
    for (.., x, y) in candidates {
        if !found.iter().any(|(a, b)| *a == x || *b == y) {
            found.push((x, y));
        }
    }
    found
}

/// `web-7d4f9` and `web-81c2e`: names that differ in a generated suffix only.
fn is_same_stem(a: &str, b: &str) -> bool {
    let stem = |name: &str| {
        let (stem, suffix) = name.rsplit_once('-')?;
        let is_generated = SUFFIX_CHARS.contains(&suffix.len())
            && suffix.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
            && suffix.bytes().any(|b| b.is_ascii_digit());
        is_generated.then(|| stem.to_owned())
    };
    matches!((stem(a), stem(b)), (Some(x), Some(y)) if x == y)
}

/// The share of lines in common, in percent.
fn similarity(a: &str, b: &str) -> usize {
    let mut counts: HashMap<&str, usize> = HashMap::new();
    a.lines().for_each(|line| *counts.entry(line).or_default() += 1);
    let total = a.lines().count() + b.lines().count();
    let mut common = 0_usize;
    for line in b.lines() {
        if let Some(count) = counts.get_mut(line).filter(|count| **count > 0) {
            *count -= 1;
            common += 1;
        }
    }
    (200 * common).checked_div(total).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generated_suffixes_are_seen() {
        let table = [
            ("web-7d4f9", "web-81c2e", true),
            ("web-config-1a2b3c4d5e", "web-config-9f8e7d6c5b", true),
            ("web-server", "web-worker", false),
            ("web-7d4f9", "api-7d4f9", false),
            ("web-1", "web-2", false),
        ];
        for (a, b, expected) in table {
            assert_eq!(is_same_stem(a, b), expected, "{a} {b}");
        }
        assert_eq!(similarity("a\nb\nc\nd\n", "a\nb\nc\nx\n"), 75);
    }
}
