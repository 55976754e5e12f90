use std::fmt::Write as _;

use crate::yaml::go::{self, Style, to_string};
use crate::yaml::{self, Numbers};

#[test]
fn values_are_written_as_helm_writes_them() {
    let mut wrong = String::new();
    let mut count = 0;
    let mut differ = 0;
    for line in include_str!("../../../fixtures/yaml/emit.jsonl").split('\n').filter(|l| l.starts_with('[')) {
        let case = yaml::from_json("emit.jsonl", line, Numbers::Exact).expect("a line of the fixture is JSON");
        let case = case.as_seq().expect("a list");
        let value = &case[0].value;
        count += 1;
        for (style, expected) in [(Style::ToYaml, case[1].as_str()), (Style::Pretty, case[2].as_str())] {
            let got = to_string(value, style).ok();
            if got.as_deref() != expected {
                differ += 1;
                if differ < 30 {
                    let _ = writeln!(wrong, "{style:?} {value:?}\n  expected {expected:?}\n  got      {got:?}");
                }
            }
        }
    }
    assert!(count > 500, "the fixture has only {count} cases");
    assert!(wrong.is_empty(), "{differ} of {count} differ:\n{wrong}");
}

#[test]
fn errors_of_from_yaml_are_helms() {
    let error = |text: &str| go::from_yaml(text).expect_err("it is refused");
    let wrong_type = "error unmarshaling JSON: while decoding JSON: json: cannot unmarshal";
    assert_eq!(error("a: [1"), "error converting YAML to JSON: yaml: line 1: did not find expected ',' or ']'");
    assert_eq!(error("- a"), format!("{wrong_type} array into Go value of type map[string]interface {{}}"));
    assert_eq!(error("1.5"), format!("{wrong_type} number into Go value of type map[string]interface {{}}"));
    let error = go::from_yaml_array("a: 1").expect_err("it is refused");
    assert_eq!(error, format!("{wrong_type} object into Go value of type []interface {{}}"));
    assert!(go::from_yaml("# nothing").expect("it is YAML").is_empty());
    assert_eq!(go::from_yaml_array("- 1\n- 2").expect("it is YAML").len(), 2);
}
