//! The targets of fuzz/ on inputs made from a fixed seed, and on every input that once broke one of them.
//!
//! `SEEDS=fuzz/corpus cargo test fuzz` also writes the seeds and a dictionary for cargo-fuzz (`just fuzz` does so).

use std::collections::BTreeSet;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use crate::repo::here;

#[path = "../fuzz/checks.rs"]
mod checks;

use checks::{CHECKS, EXPRESSION_END};

/// Inputs are cut here: what is large is the business of the tests of limits.
const INPUT_BYTES_MAX: usize = 2000;

#[test]
fn gotmpl_parse() {
    run("gotmpl_parse", 6000);
}

#[test]
fn helm_render() {
    run("helm_render", 1000);
}

#[test]
fn tera_render() {
    run("tera_render", 1000);
}

#[test]
fn values_set() {
    run("values_set", 10_000);
}

#[test]
fn yaml_read() {
    run("yaml_read", 6000);
}

#[test]
fn yaml_roundtrip() {
    run("yaml_roundtrip", 6000);
}

/// Inputs that once broke a check: fuzz/found/<check>/<what it was>.
#[test]
fn what_was_found_stays_mended() {
    for (name, check) in CHECKS {
        let folder = here().join("fuzz/found").join(name);
        for (path, bytes) in files(&folder) {
            expect(*check, &bytes, &path);
        }
    }
}

#[test]
fn every_check_is_a_target_and_a_test() {
    let manifest = fs::read_to_string(here().join("fuzz/Cargo.toml")).expect("it can be read");
    for (name, _) in CHECKS {
        assert!(manifest.contains(&format!("name = \"{name}\"")), "fuzz/Cargo.toml lacks {name}");
        assert!(include_str!("fuzz.rs").contains(&format!("run(\"{name}\"")), "no test runs {name}");
    }
}

/// Runs a check on its seeds, and on so many inputs made of them.
fn run(name: &str, count: usize) {
    let (_, check) = CHECKS.iter().find(|(known, _)| *known == name).expect("it is one of the checks");
    let seeds = seeds(name);
    assert!(seeds.len() > 20, "{name} has seeds: {}", seeds.len());
    let words = words(&seeds);
    if let Some(folder) = std::env::var_os("SEEDS") {
        write_corpus(&here().join(folder), name, &seeds, &words);
    }
    for (i, seed) in seeds.iter().enumerate() {
        expect(*check, seed, &format!("seed {i}"));
    }
    let mut random = Random(0x6b63_6667);
    for i in 0..count {
        let input = mutated(&seeds, &words, &mut random);
        expect(*check, &input, &format!("case {i}"));
    }
}

fn expect(check: fn(&[u8]), input: &[u8], what: &str) {
    let result = catch_unwind(AssertUnwindSafe(|| check(input)));
    assert!(result.is_ok(), "{what} broke it:\n{}\n", input.escape_ascii());
}

/// SplitMix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `count`, which is not 0.
    fn below(&mut self, count: usize) -> usize {
        (self.next() % count as u64) as usize
    }

    fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len())]
    }
}

/// A seed with a few things changed: parts left out, doubled, moved, taken from another seed, words and bytes put in.
fn mutated(seeds: &[Vec<u8>], words: &[Vec<u8>], random: &mut Random) -> Vec<u8> {
    const ODD: &[&[u8]] = &[
        b"",
        b"\0",
        b"\t",
        b"\r\n",
        b"\xef\xbb\xbf",
        b"\xff",
        b"\"",
        b"'",
        b"`",
        b"{{",
        b"}}",
        b"-9223372036854775808",
        b"18446744073709551616",
        b"1e400",
        b"-0",
        b"%!",
        b"---\n",
        "\u{e9}".as_bytes(),
        "\u{1f600}".as_bytes(),
        "\u{2028}".as_bytes(),
        "\u{85}".as_bytes(),
    ];
    let mut input = random.pick(seeds).clone();
    for _ in 0..=random.below(4) {
        let at = random.below(input.len() + 1);
        let end = (at + random.below(16)).min(input.len());
        match random.below(7) {
            0 => drop(input.drain(at..end)),
            1 => {
                let part = input[at..end].to_vec();
                let times = 1 + random.below(4);
                input.splice(at..at, part.repeat(times));
            }
            2 => {
                let other = random.pick(seeds);
                let from = random.below(other.len() + 1);
                let to = (from + random.below(40)).min(other.len());
                input.splice(at..end, other[from..to].iter().copied());
            }
            3 | 4 => drop(input.splice(at..at, random.pick(words).iter().copied())),
            5 => drop(input.splice(at..end, random.pick(words).iter().copied())),
            _ => drop(input.splice(at..at, random.pick(ODD).iter().copied())),
        }
    }
    input.truncate(INPUT_BYTES_MAX);
    input
}

/// What a check's inputs are made of: the fixtures of what it checks.
fn seeds(name: &str) -> Vec<Vec<u8>> {
    match name {
        "gotmpl_parse" | "helm_render" => go_templates(),
        "tera_render" => tera_templates(),
        "values_set" => expressions(),
        _ => yaml_texts(),
    }
}

fn go_templates() -> Vec<Vec<u8>> {
    let snippets = fixture("gotmpl/snippets.txt");
    let snippets = snippets.split("\n=== ").filter_map(|block| {
        let template = block.split_once('\n')?.1.split_once("\n--- ")?.0;
        Some(template.replace("{{ .", "{{ .Values.").into_bytes())
    });
    let expressions = fixture("sprig/expressions.txt");
    let expressions = expressions.lines().filter(|line| line.contains("{{")).map(|line| line.as_bytes().to_vec());
    let mut seeds: Vec<_> = snippets.chain(expressions).collect();
    seeds.extend(templates_below("fixtures/helm"));
    // One call takes seconds where scrypt is built without optimisation.
    seeds.retain(|seed| !seed.windows(14).any(|window| window == b"derivePassword"));
    seeds
}

fn tera_templates() -> Vec<Vec<u8>> {
    let docs = fs::read_to_string(here().join("docs/tera.md")).expect("it can be read");
    let examples = docs.split("```jinja\n").skip(1).filter_map(|block| Some(block.split_once("```")?.0.into()));
    examples.chain(templates_below("fixtures/tera")).chain(templates_below("charts")).collect()
}

/// Lines of `["set","{}","a=1"]`: the flag, the values before (left out), the expression.
fn expressions() -> Vec<Vec<u8>> {
    let flags = ["set", "string", "json", "file", "literal"];
    let table = fixture("set.tsv");
    let rows = table.lines().skip(1).filter_map(|line| {
        let input: [String; 3] = serde_json::from_str(line.split_once('\t')?.0).ok()?;
        let flag = flags.iter().position(|flag| *flag == input[0]).unwrap_or(0) as u8;
        Some([&[flag], input[2].as_bytes(), &[EXPRESSION_END], input[2].as_bytes()].concat())
    });
    rows.collect()
}

fn yaml_texts() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for table in ["yaml/read.jsonl", "yaml/mutated.jsonl"] {
        for line in fixture(table).lines().skip(1) {
            let row: serde_json::Value = serde_json::from_str(line).expect("it is JSON");
            let text = row.as_array().and_then(|row| row.first()).or_else(|| row.get("in"));
            seeds.extend(text.and_then(|text| text.as_str()).map(|text| text.as_bytes().to_vec()));
        }
    }
    let values = files(&here().join("fixtures/helm")).into_iter().filter(|(path, _)| path.ends_with("values.yaml"));
    seeds.extend(values.map(|(_, bytes)| bytes));
    seeds
}

fn templates_below(folder: &str) -> Vec<Vec<u8>> {
    let files = files(&here().join(folder)).into_iter().filter(|(path, _)| path.contains("/templates/"));
    files.map(|(_, bytes)| bytes).filter(|bytes| bytes.len() <= INPUT_BYTES_MAX).collect()
}

fn fixture(path: &str) -> String {
    fs::read_to_string(here().join("fixtures").join(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
}

/// The files below a folder, if there is one, by name.
fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let walk = walkdir::WalkDir::new(folder).sort_by_file_name().into_iter().filter_map(Result::ok);
    let files = walk.filter(|entry| entry.file_type().is_file());
    files.map(|f| (f.path().display().to_string(), fs::read(f.path()).expect("a file can be read"))).collect()
}

/// The words and signs of the seeds, each once, sorted.
fn words(seeds: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'.' || byte == b'$';
    let mut words = BTreeSet::new();
    for seed in seeds {
        words.extend(seed.chunk_by(|a, b| is_word(*a) == is_word(*b)).filter(|w| w.len() <= 24).map(<[u8]>::to_vec));
    }
    words.into_iter().collect()
}

/// Seeds as files, and the words as a dictionary of libFuzzer beside their folder.
fn write_corpus(folder: &Path, name: &str, seeds: &[Vec<u8>], words: &[Vec<u8>]) {
    let corpus = folder.join(name);
    fs::create_dir_all(&corpus).expect("a folder can be made");
    for (i, seed) in seeds.iter().enumerate() {
        fs::write(corpus.join(format!("seed-{i:04}")), seed).expect("a seed can be written");
    }
    let escape = |word: &Vec<u8>| word.iter().map(|byte| format!("\\x{byte:02x}")).collect::<String>();
    let dictionary: String = words.iter().map(|word| format!("\"{}\"\n", escape(word))).collect();
    fs::write(folder.join(format!("{name}.dict")), dictionary).expect("a dictionary can be written");
}
