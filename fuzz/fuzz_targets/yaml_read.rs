//! Any bytes are read or refused with a message; nothing panics, hangs or overflows.

#![no_main]

use kcfg::yaml::{self, DuplicateKeys, Numbers, ReadOptions};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let source = match yaml::decode(bytes, "input.yaml") {
        Ok(source) => source,
        Err(error) => {
            assert!(!error.to_string().is_empty());
            return;
        }
    };
    for numbers in [Numbers::Exact, Numbers::Float64] {
        let options = ReadOptions { numbers, ..ReadOptions::default() };
        if let Err(error) = yaml::read(&source, &options) {
            assert!(error.place.is_some() && !error.to_string().is_empty());
        }
    }
    let strict = ReadOptions { duplicate_keys: DuplicateKeys::Error, ..ReadOptions::default() };
    let _ = yaml::read_all(&source, &strict);
    let _ = yaml::go::from_yaml(&source.text);
    let _ = yaml::from_json("input.json", &source.text, Numbers::Exact);
});
