//! Every row's examples, and expressions with what Go and sprig v3.3.0 made of them (fixtures/sprig).

use std::collections::HashSet;
use std::sync::Arc;

use super::super::*;
use super::functions;

/// Renders on a stack of the size that the limits need; an error as `function: message`.
fn render(template: &str, generator: &mut (dyn Generator + Send)) -> Result<String, String> {
    let run = || {
        let known = Functions::new(super::TABLES);
        let text = Arc::new(Text { name: "t".into(), text: template.into() });
        let parsed = parse(&text, &known).map_err(|error| format!("parse error: {}", error.message))?;
        let mut set = TemplateSet::default();
        set.add(&text.name, &parsed);
        let mut executor = Executor::new(Arc::new(set), &known, generator, Reach::FULL);
        executor.execute("t", Value::Nil).map(|text| text.to_string()).map_err(|error| match error.function {
            Some(function) => format!("{function}: {}", error.message),
            None => error.message,
        })
    };
    std::thread::scope(|scope| {
        std::thread::Builder::new().stack_size(STACK_BYTES).spawn_scoped(scope, run).unwrap().join().unwrap()
    })
}

#[test]
fn examples_hold() {
    let mut failures = String::new();
    for function in functions() {
        for (template, expected) in function.examples {
            let got = render(template, &mut FixedGenerator::new(0));
            if got.as_deref() != Ok(*expected) {
                failures += &format!("{}: {template}\n  expected {expected:?}\n  got      {got:?}\n", function.name);
            }
        }
    }
    assert!(failures.is_empty(), "{failures}");
}

#[test]
fn names_are_given_once_and_all_have_a_line_of_documentation() {
    let mut names = HashSet::new();
    for function in functions() {
        assert!(names.insert(function.name), "{} is there twice", function.name);
        assert!(function.doc.ends_with('.'), "{}", function.name);
        assert!(!function.examples.is_empty() || function.name == "fail", "{} has no example", function.name);
    }
}

#[test]
fn expressions_give_what_sprig_gives() {
    let fixture = include_str!("../../../fixtures/sprig/expressions.tsv");
    let mut failures = String::new();
    let mut count = 0;
    for line in fixture.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
        let [template, kind, expected] = line.split('\t').collect::<Vec<_>>()[..] else {
            panic!("three columns: {line}");
        };
        count += 1;
        let plain = |text: &str| match json::decode(text) {
            Ok(Value::Str(text)) => text.to_string(),
            other => panic!("{text}: {other:?}"),
        };
        let expected = match kind {
            "output" => Ok(plain(expected)),
            _ => Err(plain(expected)),
        };
        let got = render(template, &mut FixedGenerator::new(0));
        let substance = |text: &Result<String, String>| match text {
            // Go also says in which type it looked.
            Err(message) => Err(message.split(" in type ").next().unwrap_or_default().to_owned()),
            Ok(text) => Ok(text.clone()),
        };
        if substance(&got) != substance(&expected) {
            failures += &format!("{template}\n  Go  {expected:?}\n  got {got:?}\n");
        }
    }
    assert!(count >= 350, "the fixture was cut short: {count}");
    assert!(failures.is_empty(), "{failures}");
}

#[test]
fn the_fixed_generators_differ_in_every_character() {
    let both = |template: &str| [0, 1].map(|variant| render(template, &mut FixedGenerator::new(variant)).unwrap());
    let every_character = [
        "{{ randAlphaNum 500 }}",
        "{{ randAlpha 500 }}",
        "{{ randNumeric 500 }}",
        "{{ randAscii 500 }}",
        "{{ randBytes 300 }}",
        "{{ shuffle \"abcdefghijklmnopqrstuvwxyz\" }}",
        "{{ uuidv4 | replace \"-\" \"\" | substr 0 12 }}",
        "{{ uuidv4 | trunc -12 }}",
        "{{ htpasswd \"u\" \"p\" | trunc -53 }}",
        "{{ now | date \"20060102150405002.000000000\" | replace \".\" \"\" }}",
        "{{ now | date \"Mon Jan\" | replace \" \" \"\" }}",
        "{{ range until 200 }}{{ randInt 0 7 }}{{ end }}",
    ];
    for template in every_character {
        let [a, b] = both(template);
        assert!(a.chars().zip(b.chars()).all(|(x, y)| x != y), "{template}: {a} {b}");
        assert_eq!(both(template), [a, b], "{template}: not the same again");
    }
    let somewhere = [
        "{{ (genCA \"a\" 1).Cert }}",
        "{{ (genCA \"a\" 1).Key }}",
        "{{ genPrivateKey \"\" }}",
        "{{ genPrivateKey \"ecdsa\" }}",
        "{{ genPrivateKey \"ed25519\" }}",
        "{{ genPrivateKey \"dsa\" }}",
        "{{ encryptAES \"k\" \"text\" }}",
        "{{ bcrypt \"x\" }}",
        "{{ now }}",
        "{{ ago 0 }}",
        "{{ unixEpoch now }}",
    ];
    for template in somewhere {
        let [a, b] = both(template);
        assert_ne!(a, b, "{template}");
    }
}

#[test]
fn only_what_is_random_counts_as_used() {
    for (template, expected) in [
        ("{{ randAlphaNum 3 }}", true),
        ("{{ genPrivateKey \"ecdsa\" }}", true),
        ("{{ now }}", true),
        ("{{ date \"2006\" \"no date\" }}", true),
        ("{{ date \"2006\" 0 }}{{ toDate \"2006\" \"2020\" }}", false),
        ("{{ sha256sum \"a\" }}{{ list 1 | uniq }}{{ shuffle \"a\" }}", false),
    ] {
        let mut generator = FixedGenerator::new(0);
        render(template, &mut generator).unwrap();
        assert_eq!(generator.used(), expected, "{template}");
    }
}
