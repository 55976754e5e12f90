//! Comments of generated reports: never over the limit, every group shown or named, and nothing of a value that means
//! anything to Markdown.

use proptest::prelude::*;
use pulldown_cmark::{CodeBlockKind, Event, Parser, Tag, TagEnd};

use super::*;
use crate::diff::change::changes;
use crate::diff::report::{ObjectDiff, Sides};
use crate::yaml::{Entry, Map, Node, Value};

/// What values try to do to a comment.
const HOSTILE: &[&str] = &[
    "plain",
    "`code`",
    "```\n</details>\n```",
    "````````",
    "a | b || c",
    "<img src=x onerror=alert(1)>",
    "</summary></details><script>",
    "@octocat and @org/team",
    "fixes #123, org/repo#1, GH-7",
    "[link](https://evil.example) www.evil.example",
    "![x](https://evil.example/p.png)",
    "line\nbreak\r\n> quote\n# heading",
    "$x$ ~~y~~ **z** :tada: &amp;",
    "\u{202e}gnp.exe \u{1b}[31m",
    "é 漢字 🦀",
    "--- \n| a |\n|---|",
    " ` ",
    "\\",
];

fn text() -> impl Strategy<Value = String> {
    (0..HOSTILE.len(), 0..4_usize, "[a-z|`<@#]{0,12}")
        .prop_map(|(index, times, rest)| format!("{}{rest}", HOSTILE[index].repeat(times + 1)))
}

fn map(entries: &[(&str, Value)]) -> Value {
    let entry = |(key, value): &(&str, Value)| ((*key).into(), Entry::new(value.clone()));
    Value::Map(entries.iter().map(entry).collect::<Map>())
}

fn object(seed: usize, old: &str, new: &str, severity: usize) -> ObjectDiff {
    let node = |value: &str| {
        let data: Vec<(String, Value)> = (0..=seed % 7).map(|key| (format!("k{key}"), value.into())).collect();
        let data: Vec<(&str, Value)> = data.iter().map(|(key, value)| (key.as_str(), value.clone())).collect();
        Node::new(map(&[("data", map(&data)), ("image", value.into()), ("nth", format!("{seed}").as_str().into())]))
    };
    let (a, b) = (node(old), node(new));
    let status = [Status::Added, Status::Removed, Status::Changed, Status::Changed, Status::Changed][seed % 5];
    let flag = |severity| Flag { rule: Rule::ALL[seed % Rule::ALL.len()], severity, explanation: new.to_owned() };
    ObjectDiff {
        id: crate::manifest::ObjectId {
            group: "".into(),
            kind: "ConfigMap".into(),
            namespace: Some("shop".into()),
            name: format!("{seed}-{old}").into(),
        },
        status,
        before: None,
        files: Sides::default(),
        hashes: Sides::default(),
        template: Some(new.to_owned()),
        changes: if status == Status::Changed { changes(&a, &b, true) } else { Vec::new() },
        flags: [None, Some(Severity::Info), Some(Severity::Caution), Some(Severity::Danger)][severity % 4]
            .map(flag)
            .into_iter()
            .collect(),
        nodes: Sides {
            old: Some(a).filter(|_| status != Status::Added),
            new: Some(b).filter(|_| status != Status::Removed),
        },
    }
}

fn sample(texts: &[(String, String)], copies: usize) -> Report {
    let mut report = Report {
        labels: Sides { old: texts[0].0.clone(), new: texts[0].1.clone() },
        notes: texts.iter().take(3).map(|(old, _)| old.clone()).collect(),
        ..Report::default()
    };
    let mut seed = 0;
    for environment in ["production", "a|b `c`"] {
        let mut releases = Vec::new();
        for (old, new) in texts {
            let objects = (0..copies).map(|copy| {
                seed += 1;
                object(seed, &format!("{old}{copy}"), new, seed / 3)
            });
            releases.push(ReleaseDiff {
                name: format!("{}-{old}", releases.len()),
                digests: Sides { old: Some("a".repeat(64)), new: Some("b".repeat(64)) },
                objects: objects.collect(),
                notes: vec![new.clone()],
                ..ReleaseDiff::default()
            });
        }
        report.environments.push(EnvironmentDiff { name: environment.into(), releases, ..EnvironmentDiff::default() });
    }
    report.environments[0].removal = Some(format!("kind: Removal\n# {}\n", texts[0].0));
    report
}

/// Checks a comment as the host reads it; gives the numbers of the groups that are shown.
fn read(text: &str, groups: usize, url: Option<&str>) -> Vec<usize> {
    let options = pulldown_cmark::Options::ENABLE_TABLES
        | pulldown_cmark::Options::ENABLE_STRIKETHROUGH
        | pulldown_cmark::Options::ENABLE_MATH
        | pulldown_cmark::Options::ENABLE_GFM;
    let (mut depth, mut in_code, mut cells) = (0_i32, false, 0);
    let mut shown = Vec::new();
    let summary = regex::Regex::new(r"^<summary>(?:(\d+)\. )?([^<]|</?b>|</?code>)*</summary>$").expect("a pattern");
    let mut tags = String::new();
    for event in Parser::new_ext(text, options) {
        match event {
            Event::Start(Tag::CodeBlock(kind)) => {
                assert!(matches!(kind, CodeBlockKind::Fenced(ref language) if ["diff", "yaml"].contains(&&**language)));
                in_code = true;
            }
            Event::End(TagEnd::CodeBlock) => in_code = false,
            Event::Start(Tag::TableHead | Tag::TableRow) => cells = 0,
            Event::Start(Tag::TableCell) => cells += 1,
            Event::End(TagEnd::TableRow | TagEnd::TableHead) => assert_eq!(cells, 4, "{text}"),
            Event::Start(Tag::Link { dest_url, .. }) => assert_eq!(Some(&*dest_url), url, "{text}"),
            Event::Start(tag @ (Tag::Image { .. } | Tag::Strikethrough)) => panic!("{tag:?} in {text}"),
            Event::InlineMath(_) | Event::DisplayMath(_) => panic!("math in {text}"),
            Event::Html(html) | Event::InlineHtml(html) => tags += &html,
            Event::Text(plain) if !in_code => {
                assert!(!plain.contains("://") && !plain.contains(":tada:"), "{plain:?} in {text}");
                for sign in ['@', '#'] {
                    for (at, _) in plain.match_indices(sign) {
                        let next = plain[at + 1..].chars().next();
                        assert!(!next.is_some_and(|c| c.is_ascii_alphanumeric()), "{plain:?} in {text}");
                    }
                }
                assert!(!plain.contains("GH-") && !plain.contains("www."), "{plain:?}");
            }
            _ => {}
        }
    }
    for tag in tags
        .split_inclusive('\n')
        .flat_map(|line| line.split_inclusive("<details>").flat_map(|l| l.split_inclusive("<details open>")))
    {
        let tag = tag.trim();
        match tag {
            "" | COMMENT_MARKER => {}
            "<details>" | "<details open>" => depth += 1,
            "</details>" => depth -= 1,
            _ => {
                let found = summary.captures(tag).unwrap_or_else(|| panic!("{tag:?} in {text}"));
                shown.extend(found.get(1).map(|number| number.as_str().parse::<usize>().expect("a number")));
            }
        }
    }
    assert_eq!(depth, 0, "every <details> is closed: {text}");
    assert!(shown.iter().all(|number| *number <= groups));
    shown
}

#[track_caller]
fn holds(report: &Report, options: &Options) -> usize {
    let text = super::report(report, options);
    assert!(text.starts_with(COMMENT_MARKER));
    assert!(count(&text) <= options.limit, "{} characters, {} are allowed", count(&text), options.limit);
    let sections = sections(report);
    let groups = sections.shared.len() + sections.sections.len();
    let shown = read(&text, groups, options.report_url.as_deref());
    assert_eq!(shown, (1..=shown.len()).collect::<Vec<_>>(), "the important groups come first, without gaps");
    if shown.len() < groups && !options.is_stat {
        let named = numbers(shown.len() + 1, groups, groups);
        assert!(text.contains(&named), "no {named:?} in {text}");
        assert!(text.contains("Folded to fit"));
    }
    shown.len()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn comments_fit_name_what_they_fold_and_quote_what_they_show(
        texts in prop::collection::vec((text(), text()), 1..6),
        copies in 1..8_usize,
        limit in LIMIT_CHARS_MIN..80_000_usize,
        has_url in any::<bool>(),
        is_stat in any::<bool>(),
    ) {
        let report_url = has_url.then(|| "https://ci.example/artefacts/1".to_owned());
        holds(&sample(&texts, copies), &Options { limit, report_url, is_stat, is_full: false });
    }
}

#[test]
fn reports_of_thousands_of_groups_fit() {
    let texts: Vec<(String, String)> =
        (0..40).map(|n| (format!("old {n} {}", "x".repeat(200)), format!("new {n}"))).collect();
    let report = sample(&texts, 60);
    let shown = holds(&report, &Options::default());
    assert!(shown > 20, "{shown} groups are shown");
    holds(&report, &Options { limit: LIMIT_CHARS_MIN, ..Options::default() });
    let url = format!("https://ci.example/{}", "a".repeat(URL_CHARS_MAX - 19));
    holds(&report, &Options { limit: LIMIT_CHARS_MIN, report_url: Some(url), ..Options::default() });
}

#[test]
fn what_fits_is_shown_whole() {
    let report = sample(&[("one".into(), "two".into())], 2);
    let text = super::report(&report, &Options::default());
    assert!(!text.contains("Folded"), "{text}");
    assert_eq!(
        super::report(&Report::default(), &Options::default()).lines().nth(1),
        Some("### kcfg diff: no differences")
    );
}
