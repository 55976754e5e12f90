//! The engine against what Go itself said (fixtures/gotmpl), and against its own limits.

use std::sync::Arc;

use super::*;

struct NoGenerator;

impl Generator for NoGenerator {
    fn fill(&mut self, bytes: &mut [u8]) {
        bytes.fill(0);
    }
    fn now_ns(&mut self) -> i128 {
        0
    }
    fn used(&self) -> bool {
        false
    }
    fn fixed_keys(&self) -> Option<usize> {
        None
    }
}

macro_rules! function {
    ($name:literal, $params:expr, $variadic:expr, $call:expr) => {
        Function { name: $name, params: $params, variadic: $variadic, call: $call, doc: "", examples: &[] }
    };
}

fn text_of(value: &Value) -> &str {
    match value {
        Value::Str(text) => text,
        _ => "",
    }
}

/// How many entries or elements a value has.
fn count_of(value: &Value) -> Value {
    Value::int(match value {
        Value::List(list) => list.items.len() as i64,
        Value::Map(map) => map.entries.borrow().len() as i64,
        Value::Nil => 0,
        _ => -1,
    })
}

const TEST_FUNCTIONS: &[Function] = &[
    function!("takeStr", &[Param::Str], false, |_, args| Ok(Value::str(format!("<{}>", text_of(&args[0]))))),
    function!("takeInt", &[Param::Int], false, |_, args| match args[0] {
        Value::Int(n, _) => Ok(Value::int(n + 1)),
        _ => Err("no int".into()),
    }),
    function!("takeFloat", &[Param::Float], false, |_, args| match args[0] {
        Value::Float(n) => Ok(Value::Float(n * 2.0)),
        _ => Err("no float".into()),
    }),
    function!("takeBool", &[Param::Bool], false, |_, args| Ok(Value::Bool(!args[0].truth()))),
    function!("takeMap", &[Param::Map], false, |_, args| Ok(count_of(&args[0]))),
    function!("takeList", &[Param::List], false, |_, args| Ok(count_of(&args[0]))),
    function!("takeStrs", &[Param::Strings], false, |_, args| Ok(count_of(&args[0]))),
    function!("list", &[Param::Any], true, |_, args| Ok(Value::list(args.to_vec()))),
    function!("map", &[Param::Any], false, |_, args| Ok(map([("a", args[0].clone())]))),
    function!("fails", &[Param::Str], false, |_, args| Err(format!("it failed: {}", text_of(&args[0])))),
    function!("none", &[], false, |_, _| Ok(Value::Nil)),
    function!("two", &[Param::Str, Param::Any], false, |_, args| {
        Ok(Value::str(format!("{}/{}", text_of(&args[0]), text_of(&args[1]))))
    }),
];

fn map<const N: usize>(entries: [(&str, Value); N]) -> Value {
    Value::map(entries.into_iter().map(|(key, value)| (key.into(), value)).collect())
}

fn data() -> Value {
    let s = |text: &str| Value::str(text);
    let strmap = Value::Map(Map {
        entries: match map([("k", s("v"))]) {
            Value::Map(map) => map.entries,
            _ => unreachable!("made just now"),
        },
        map_type: MapType::Strings,
    });
    map([
        ("str", s("hello")),
        ("empty", s("")),
        ("num", Value::Float(3.0)),
        ("big", Value::Float(1e6)),
        ("half", Value::Float(0.5)),
        ("zero", Value::Float(0.0)),
        ("yes", Value::Bool(true)),
        ("no", Value::Bool(false)),
        ("nil", Value::Nil),
        ("list", Value::list(vec![s("a"), s("b"), s("c")])),
        ("none", Value::list(Vec::new())),
        ("mixed", Value::list(vec![Value::Float(1.0), s("x"), Value::Nil, Value::Bool(true), map([("k", s("v"))])])),
        ("map", map([("b", Value::Float(2.0)), ("a", Value::Float(1.0)), ("c", map([("d", s("deep"))]))])),
        ("emptymap", map([])),
        ("maps", Value::list(vec![map([("name", s("x")), ("v", Value::Float(1.0))]), map([("name", s("y"))])])),
        ("html", s("<a href='x'>\"&\"</a>")),
        ("tmpl", s("{{ .str }}")),
        ("int", Value::int(7)),
        ("int64", Value::int64(8)),
        ("uint8", Value::Int(200, IntKind::Uint8)),
        ("strs", Value::strings(["s1", "s2"])),
        ("strmap", strmap),
    ])
}

/// Renders on a stack of the size that the limits need; the kind is that of the fixtures.
fn render(template: &str) -> (&'static str, String) {
    let template = template.to_owned();
    let run = move || {
        let functions = Functions::new(&[TEST_FUNCTIONS]);
        let text = Arc::new(Text { name: "t".into(), text: template.into() });
        let parsed = match parse(&text, &functions) {
            Ok(parsed) => parsed,
            Err(error) => return ("parse error", error.message),
        };
        let mut set = TemplateSet::default();
        set.add(&text.name, &parsed);
        let mut generator = NoGenerator;
        let mut executor = Executor::new(Arc::new(set), &functions, &mut generator, Reach::FULL);
        match executor.execute("t", data()) {
            Ok(text) => ("output", text.to_string()),
            Err(error) => match error.function {
                Some(function) => ("error", format!("error calling {function}: {}", error.message)),
                None => ("error", error.message),
            },
        }
    };
    std::thread::Builder::new().stack_size(STACK_BYTES).spawn(run).unwrap().join().unwrap()
}

/// A message without what Go's reflection adds: the static type of what held a value, a print of both operands.
fn substance(message: &str) -> String {
    let message = message.strip_prefix("template: ").unwrap_or(message);
    match message.split_once(" in type ").or_else(|| message.split_once("non-comparable type")) {
        Some((before, _)) => before.into(),
        None => message.into(),
    }
}

#[test]
fn snippets_give_what_go_gives() {
    let fixture = include_str!("../../fixtures/gotmpl/snippets.txt").strip_suffix('\n').unwrap();
    let mut failures = String::new();
    let mut count = 0;
    for block in fixture.split("\n=== ").skip(1) {
        let (name, rest) = block.split_once('\n').unwrap();
        let (template, rest) = rest.split_once("\n--- ").unwrap();
        let (kind, expected) = rest.split_once('\n').unwrap();
        count += 1;
        let (got_kind, got) = render(template);
        if (got_kind, substance(&got)) != (kind, substance(expected)) {
            failures += &format!("{name}: {template}\n  Go  {kind}: {expected:?}\n  got {got_kind}: {got:?}\n");
        }
    }
    assert!(count >= 200, "the fixture was cut short: {count}");
    assert!(failures.is_empty(), "{failures}");
}

/// A template that nests `count` times.
fn nested(open: &str, middle: &str, close: &str, count: usize) -> String {
    open.repeat(count) + middle + &close.repeat(count)
}

#[test]
fn limits_stop_what_would_overflow_the_stack() {
    let parentheses = nested("(", "1", ")", NESTING_MAX as usize + 1);
    assert_eq!(render(&format!("{{{{ {parentheses} }}}}")).0, "parse error");
    let parentheses = nested("(", "1", ")", NESTING_MAX as usize - 1);
    assert_eq!(render(&format!("{{{{ {parentheses} }}}}")), ("output", "1".into()));
    assert_eq!(render(&nested("{{if 1}}", "x", "{{end}}", 100_000)).0, "parse error");
    assert_eq!(render(&("{{if 0}}".to_owned() + &"{{else if 0}}".repeat(100_000) + "{{end}}")).0, "parse error");
    let (kind, message) = render(r#"{{ define "x" }}{{ template "x" . }}{{ end }}{{ template "x" . }}"#);
    assert_eq!((kind, message), ("error", format!("exceeded maximum template depth ({DEPTH_MAX})")));
}

#[test]
fn output_is_bounded() {
    let (kind, message) = render(r#"{{ range 3000 }}{{ printf "%0100000d" 1 }}{{ end }}"#);
    assert_eq!(kind, "error");
    assert!(message.contains("the output is larger than 268435456 bytes (OUTPUT_BYTES_MAX)"), "{message}");
}

#[test]
fn the_deepest_nesting_fits_the_stack() {
    // Every level goes through as many kinds of frames as one can.
    let inner = "{{ range list 1 }}{{ with print (print (include \"x\" .)) }}{{ . }}{{ end }}{{ end }}";
    let (kind, message) = render(&format!("{{{{ define \"x\" }}}}{inner}{{{{ end }}}}{inner}"));
    assert_eq!(kind, "error");
    assert!(message.contains("nested reference name: x") || message.contains("template depth"), "{message}");
    let mutual: String = (0..60)
        .map(|i| {
            let next = (i + 1) % 60;
            format!(
                "{{{{ define \"x{i}\" }}}}{{{{ if true }}}}{{{{ range list 1 }}}}{{{{ with print (or 0 (include \"x{next}\" .)) }}}}{{{{ . }}}}\
                 {{{{ end }}}}{{{{ end }}}}{{{{ end }}}}{{{{ end }}}}"
            )
        })
        .collect();
    let (kind, message) = render(&(mutual + "{{ include \"x0\" . }}"));
    assert_eq!(kind, "error");
    assert!(message.contains("template depth"), "{message}");
}

#[test]
fn a_deep_value_can_be_dropped() {
    // A level of a map takes more stack than one of a list.
    let nest = |count: u32| {
        render(&format!("{{{{ $x := list }}}}{{{{ range {count} }}}}{{{{ $x = map $x }}}}{{{{ end }}}}ok"))
    };
    assert_eq!(nest(CONTAINERS_MAX - 1), ("output", "ok".into()));
    let (kind, message) = nest(CONTAINERS_MAX);
    assert_eq!(kind, "error");
    assert!(message.contains("lists and maps"), "{message}");
}

#[test]
fn a_loop_without_end_is_stopped() {
    let (kind, message) = render("{{ range 9223372036854775807 }}{{ end }}");
    assert_eq!(kind, "error");
    assert!(message.contains("rounds of range"), "{message}");
}

#[test]
fn include_and_tpl_see_what_their_caller_sees() {
    let check = |template: &str, expected: &str| assert_eq!(render(template), ("output", expected.to_owned()));
    check(r#"{{ define "x" }}<{{ . }}>{{ end }}{{ include "x" .str | print "a" }}"#, "a<hello>");
    check(r#"{{ tpl .tmpl . }}{{ tpl "{{ .missing }}|" . }}"#, "hello|");
    check(
        r#"{{ define "x" }}1{{ end }}{{ tpl "{{ define \"x\" }}2{{ end }}{{ include \"x\" . }}" . }}{{ include "x" . }}"#,
        "21",
    );
    check(r#"{{ define "x" }}1{{ end }}{{ tpl "{{ define \"x\" }} {{ end }}{{ include \"x\" . }}" . }}"#, "1");
    check(
        r#"{{ define "y" }}{{ include "x" . }}{{ end }}{{ define "x" }}1{{ end }}{{ tpl "{{ define \"x\" }}2{{ end }}{{ include \"y\" . }}" . }}"#,
        "2",
    );
    check(
        r#"{{ tpl "{{ tpl .t .d }}" (index (list .) 0) | print }}"#.replace("{{ tpl .t .d }}", "{{ .str }}").as_str(),
        "hello",
    );
}

#[test]
fn an_error_says_where_it_was_and_how_one_got_there() {
    let template = "{{ define \"x\" }}\n{{ .map.nosuch.tag }}{{ end }}\n{{ include \"x\" . }}";
    let functions = Functions::new(&[TEST_FUNCTIONS]);
    let text = Arc::new(Text { name: "t".into(), text: template.into() });
    let parsed = parse(&text, &functions).unwrap();
    let mut set = TemplateSet::default();
    set.add(&text.name, &parsed);
    let mut generator = NoGenerator;
    let root = data();
    let error =
        Executor::new(Arc::new(set), &functions, &mut generator, Reach::FULL).execute("t", root.clone()).unwrap_err();
    assert_eq!(error.site.span.of(template), ".nosuch");
    assert_eq!(error.frames.len(), 1);
    assert_eq!(error.frames[0].kind, FrameKind::Include("x".into()));
    assert_eq!(error.frames[0].site.span.of(template), "include \"x\" .");
    let culprit = error.culprit.as_ref().unwrap();
    let Value::Map(root) = root else { panic!() };
    let Some(Value::Map(expected)) = root.get("map") else { panic!() };
    assert!(culprit.map.same(&expected));
    assert_eq!(&*culprit.key, "nosuch");
    assert_eq!(error.to_string(), "template: t:2: at <.nosuch>: nil pointer evaluating interface {}.tag");
}

#[test]
fn after_an_error_no_keys_are_made_for_what_is_thrown_away() {
    let functions = Functions::new(&[TEST_FUNCTIONS]);
    let mut set = TemplateSet::default();
    for (name, template) in [("good", "a"), ("bad", "{{ fails \"x\" }}")] {
        let text = Arc::new(Text { name: name.into(), text: template.into() });
        set.add(&text.name, &parse(&text, &functions).unwrap());
    }
    let mut generator = RealGenerator::new();
    let set = Arc::new(set);
    Executor::new(set.clone(), &functions, &mut generator, Reach::FULL).execute("good", Value::Nil).unwrap();
    assert_eq!(generator.fixed_keys(), None);
    Executor::new(set, &functions, &mut generator, Reach::FULL).execute("bad", Value::Nil).unwrap_err();
    assert_eq!(generator.fixed_keys(), Some(0));
}
