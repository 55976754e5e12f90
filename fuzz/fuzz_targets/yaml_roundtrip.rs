//! What the canonical emitter writes is read back as the same value, and written the same again.

#![no_main]

use kcfg::error::Source;
use kcfg::yaml::{self, ReadOptions, go};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(source) = yaml::decode(bytes, "input.yaml") else { return };
    let Ok(documents) = yaml::read_all(&source, &ReadOptions::default()) else { return };
    for document in documents {
        let mut written = String::new();
        yaml::canonical(&document.node.value, &mut written);
        let source = Source::new("written.yaml", written.as_str());
        let again = yaml::read(&source, &ReadOptions::default()).expect("what was written can be read");
        assert_eq!(again.node, document.node, "{written}");
        let mut twice = String::new();
        yaml::canonical(&again.node.value, &mut twice);
        assert_eq!(twice, written);
        for style in [go::Style::ToYaml, go::Style::Pretty] {
            let _ = go::to_string(&document.node.value, style);
        }
    }
});
