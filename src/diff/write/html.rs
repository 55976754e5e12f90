//! The report as one self-contained page: the summary is written out, what changed comes as data from which the page
//! builds what is opened. The page asks no network for anything, and its policy forbids it to.

use std::collections::HashMap;
use std::fmt::Write as _;

use data_encoding::BASE64;
use indexmap::IndexMap;
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use crate::diff::change::{Change, What};
use crate::diff::flag::{Flag, Rule, Severity};
use crate::diff::image::images;
use crate::diff::report::{Counts, EnvironmentDiff, ReleaseDiff, Report, Status};
use crate::diff::section::{Member, Section, Sections, Shared, sections};
use crate::diff::text::{Line, LineSide, hunks};
use crate::yaml::Node;

use super::text::{DIGEST_DIGITS, HASH_DIGITS, many, short};
use super::value::{self, html, printable, window};

/// The page's script.
const SCRIPT: &str = include_str!("html/page.js");
/// Its style.
const STYLE: &str = include_str!("html/page.css");
/// Bytes of the data; what comes after them is named, without what changed in it, so that a page of any report opens.
pub const DATA_BYTES_MAX: usize = 18 << 20;
/// Lines of one change.
pub const LINES_MAX: usize = 5_000;
/// Characters of a line, about the place where it changed.
pub const LINE_CHARS_MAX: usize = 2_000;
/// Dangers that are listed at the top.
const DANGERS_MAX: usize = 50;

/// The whole page.
pub fn report(report: &Report) -> String {
    let sections = sections(report);
    let mut page = String::with_capacity(1 << 16);
    let hash = |text: &str| format!("'sha256-{}'", BASE64.encode(&Sha256::digest(text)));
    let title = format!("{} → {}", report.labels.old, report.labels.new);
    let _ = write!(
        page,
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; script-src {}; style-src {}; \
         base-uri 'none'; form-action 'none'\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"referrer\" content=\"no-referrer\">\n<meta name=\"color-scheme\" content=\"light dark\">\n\
         <title>kcfg diff: {}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n",
        hash(SCRIPT),
        hash(STYLE),
        html(&title)
    );
    header(&mut page, report);
    page.push_str("<main>\n");
    summary(&mut page, report, &sections);
    if !report.is_empty() {
        page.push_str(CHANGES);
    }
    page.push_str("</main>\n");
    let _ =
        writeln!(page, "<footer>Written by kcfg {}. Values of Secrets are hidden.</footer>", env!("CARGO_PKG_VERSION"));
    if !report.is_empty() {
        page.push_str(HELP);
        let _ = writeln!(page, "<script type=\"application/json\" id=\"data\">{}</script>", data(report, &sections));
        let _ = writeln!(page, "<script>{SCRIPT}</script>");
    }
    page.push_str("</body>\n</html>\n");
    page
}

/// The part of the page that the script fills.
const CHANGES: &str = r#"<section id="changes" aria-labelledby="changes-title">
<h2 id="changes-title">Changes</h2>
<noscript><p class="alert note">This list needs JavaScript, which the page brings along. The summary above is complete.</p></noscript>
<form id="filters" role="search" aria-label="Filter the changes">
<label class="wide">Text <input type="search" id="text" placeholder="name, place, value … ( / )" autocomplete="off" spellcheck="false"></label>
<label>Environment <select id="environment"><option value="">all</option></select></label>
<label>Release <select id="release"><option value="">all</option></select></label>
<label>Kind <select id="kind"><option value="">all</option></select></label>
<label>Flag <select id="flag"><option value="">all</option></select></label>
<label>What <select id="status"><option value="">all</option></select></label>
<button type="button" id="reset">Reset</button>
</form>
<div class="bar">
<p id="count" role="status" aria-live="polite"></p>
<div class="buttons">
<button type="button" id="expand">Expand all</button>
<button type="button" id="collapse">Collapse all</button>
<button type="button" id="split" aria-pressed="false">Side by side</button>
</div>
</div>
<p id="none" hidden>Nothing matches the filter.</p>
<ol id="list"></ol>
<button type="button" id="end" hidden>Show more</button>
</section>
"#;

const HELP: &str = r#"<dialog id="help" aria-labelledby="help-title">
<h2 id="help-title">Keys</h2>
<table>
<tr><td><kbd>j</kbd> <kbd>k</kbd></td><td>next, previous entry</td></tr>
<tr><td><kbd>Enter</kbd> <kbd>o</kbd></td><td>open or close it</td></tr>
<tr><td><kbd>e</kbd> <kbd>c</kbd></td><td>expand all, collapse all</td></tr>
<tr><td><kbd>/</kbd></td><td>filter by text; <kbd>Esc</kbd> leaves the field</td></tr>
<tr><td><kbd>x</kbd></td><td>reset the filter</td></tr>
<tr><td><kbd>s</kbd></td><td>side by side or unified</td></tr>
<tr><td><kbd>t</kbd></td><td>colours: system, light, dark</td></tr>
<tr><td><kbd>?</kbd></td><td>this list</td></tr>
</table>
<p><label><input type="checkbox" id="keys" checked> Keys are on</label></p>
<button type="button" id="close">Close</button>
</dialog>
"#;

fn header(page: &mut String, report: &Report) {
    page.push_str("<a class=\"skip\" href=\"#changes\">Skip to the changes</a>\n<header>\n<h1>kcfg diff</h1>\n");
    let _ = writeln!(
        page,
        "<p class=\"sides\"><code>{}</code> → <code>{}</code></p>",
        html(&report.labels.old),
        html(&report.labels.new)
    );
    if !report.is_empty() {
        page.push_str(
            "<div class=\"buttons\"><button type=\"button\" id=\"theme\">Colours: system</button>\
             <button type=\"button\" id=\"shortcuts\">Keys <kbd>?</kbd></button></div>\n",
        );
    }
    page.push_str("</header>\n");
}

fn summary(page: &mut String, report: &Report, sections: &Sections<'_>) {
    page.push_str("<section aria-labelledby=\"summary-title\">\n<h2 id=\"summary-title\">Summary</h2>\n");
    if report.is_empty() {
        page.push_str("<p>No differences.</p>\n");
    }
    chips(page, report);
    dangers(page, sections);
    notes(page, report);
    table(page, report);
    image_table(page, report);
    for environment in &report.environments {
        if let Some(removal) = &environment.removal {
            let _ = writeln!(
                page,
                "<details><summary>Held in <b>{0}</b>: the applier deletes this only with a document in \
                 <code>releases/{0}/</code></summary><pre>{1}</pre></details>",
                html(&environment.name),
                lines_html(removal)
            );
        }
    }
    page.push_str("</section>\n");
}

fn chips(page: &mut String, report: &Report) {
    let mut chips: Vec<String> = counts(&report.counts());
    let releases = || report.environments.iter().flat_map(|environment| &environment.releases);
    if report.environments.iter().any(|environment| !environment.name.is_empty()) {
        let count = releases().count();
        chips.insert(0, format!("in <b>{count}</b> {}", if count == 1 { "release" } else { "releases" }));
    }
    let stale = releases().filter(|release| release.is_stale).count();
    if stale > 0 {
        chips.push(format!("<b>{stale}</b> not rendered yet: <code>kcfg render</code> writes what is shown here"));
    }
    if report.ignored > 0 {
        chips.push(format!("<b>{}</b> ignored by the ignore list", report.ignored));
    }
    if !chips.is_empty() {
        let items: String = chips.iter().map(|chip| format!("<li>{chip}</li>")).collect();
        let _ = writeln!(page, "<ul class=\"chips\">{items}</ul>");
    }
}

fn counts(counts: &Counts) -> Vec<String> {
    let parts = [
        (counts.added, Status::Added),
        (counts.removed, Status::Removed),
        (counts.changed, Status::Changed),
        (counts.renamed, Status::Renamed),
        (counts.moved, Status::Moved),
    ];
    let some = parts.into_iter().filter(|(count, _)| *count > 0);
    some.map(|(count, status)| format!("<b>{count}</b> {}", status.name())).collect()
}

/// Each danger once, with a button that opens the group that it is in.
fn dangers(page: &mut String, sections: &Sections<'_>) {
    let mut found: IndexMap<(Rule, &str), (usize, &Member<'_>, usize)> = IndexMap::new();
    for (index, section) in sections.sections.iter().enumerate() {
        for member in &section.members {
            for flag in member.object.flags.iter().filter(|flag| flag.severity == Severity::Danger) {
                let new = || (sections.shared.len() + index, member, 0);
                found.entry((flag.rule, &flag.explanation)).or_insert_with(new).2 += 1;
            }
        }
    }
    if found.is_empty() {
        return;
    }
    found.sort_by(|(rule, _), _, (other, _), _| rule.cmp(other));
    let rest = found.len().saturating_sub(DANGERS_MAX);
    page.push_str("<div class=\"alert danger\" role=\"note\"><h2>Look at this first</h2><ul>\n");
    for ((rule, explanation), (group, member, objects)) in found.into_iter().take(DANGERS_MAX) {
        let id = &member.object.id;
        let place = member.place();
        let place = if place.is_empty() { String::new() } else { format!(" in {}", html(&place)) };
        let more = if objects > 1 { format!(" and {} more", objects - 1) } else { String::new() };
        let _ = writeln!(
            page,
            "<li><span class=\"flag s2\">{}</span> <button type=\"button\" class=\"link\" data-danger=\"{group}\">{} {}{place}</button>{more} <span class=\"why\">{}</span></li>",
            rule.name(),
            html(&id.kind),
            html(&id.name),
            html(explanation)
        );
    }
    if rest > 0 {
        let _ = writeln!(page, "<li>and {rest} more: choose dangers as the flag below</li>");
    }
    page.push_str("</ul></div>\n");
}

fn notes(page: &mut String, report: &Report) {
    let own = report.notes.iter().map(|note| html(note));
    let releases = report.environments.iter().flat_map(|environment| {
        environment.releases.iter().flat_map(move |release| {
            let path = release.path(environment);
            release.notes.iter().map(move |note| format!("<code>{}</code> {}", html(&path), html(note)))
        })
    });
    let notes: Vec<String> = own.chain(releases).map(|note| format!("<li>{note}</li>\n")).collect();
    if !notes.is_empty() {
        let _ =
            writeln!(page, "<div class=\"alert note\" role=\"note\"><h2>Notes</h2><ul>\n{}</ul></div>", notes.concat());
    }
}

fn table(page: &mut String, report: &Report) {
    let environments: Vec<&EnvironmentDiff> =
        report.environments.iter().filter(|environment| !environment.name.is_empty()).collect();
    if environments.is_empty() {
        return;
    }
    page.push_str(
        "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Releases that change\"><table class=\"summary\">\n\
         <thead><tr><th scope=\"col\">Environment, release</th><th scope=\"col\">Objects</th>\
         <th scope=\"col\">State: digest before → now</th><th scope=\"col\">Flags</th></tr></thead>\n<tbody>\n",
    );
    for environment in environments {
        let all = Counts::of(environment.releases.iter().flat_map(|release| &release.objects));
        let _ = writeln!(
            page,
            "<tr class=\"environment\"><th scope=\"row\"><button type=\"button\" class=\"link\" data-release=\"{0}\">{0}</button>\
             </th><td>{1}</td><td>{2}</td><td></td></tr>",
            html(&environment.name),
            counts(&all).join(", "),
            digests(environment.digests.old.as_deref(), environment.digests.new.as_deref()),
        );
        for release in &environment.releases {
            release_row(page, environment, release);
        }
    }
    page.push_str("</tbody></table></div>\n");
}

fn release_row(page: &mut String, environment: &EnvironmentDiff, release: &ReleaseDiff) {
    let flags: String = release
        .flags()
        .iter()
        .map(|(severity, rule)| format!("<span class=\"flag s{}\">{}</span> ", grade(*severity), rule.name()))
        .collect();
    let charts = match (&release.charts.old, &release.charts.new) {
        (Some(old), Some(new)) if old != new => format!("<small>chart {} → {}</small>", html(old), html(new)),
        _ => String::new(),
    };
    let _ = writeln!(
        page,
        "<tr class=\"release\"><th scope=\"row\"><button type=\"button\" class=\"link\" data-release=\"{}\">{}</button>{charts}</th>\
         <td>{}</td><td>{}</td><td><span class=\"flags\">{flags}</span></td></tr>",
        html(&release.path(environment)),
        html(&release.name),
        counts(&Counts::of(&release.objects)).join(", "),
        digests(release.digests.old.as_deref(), release.digests.new.as_deref()),
    );
}

fn digests(old: Option<&str>, new: Option<&str>) -> String {
    let digits = |digest: Option<&str>| {
        digest.map_or_else(|| "–".to_owned(), |digest| format!("<code>{}</code>", html(short(digest, DIGEST_DIGITS))))
    };
    if old.is_none() && new.is_none() { String::new() } else { format!("{} → {}", digits(old), digits(new)) }
}

fn image_table(page: &mut String, report: &Report) {
    let images = images(report);
    if images.is_empty() {
        return;
    }
    let _ = writeln!(
        page,
        "<details{}><summary><b>{}</b></summary><div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Images that change\">\
         <table class=\"summary\"><thead><tr><th scope=\"col\">Image</th><th scope=\"col\">From</th><th scope=\"col\">To</th>\
         <th scope=\"col\">In</th></tr></thead><tbody>",
        if images.len() <= 12 { " open" } else { "" },
        many(images.len(), "image")
    );
    for image in &images {
        let side = |version: &Option<String>| {
            version.as_deref().map_or_else(|| "–".to_owned(), |version| format!("<code>{}</code>", html(version)))
        };
        let place = match &image.places[..] {
            [] => many(image.objects, "object"),
            [only] => html(only),
            [first, rest @ ..] => format!("{} and {}", html(first), many(rest.len(), "more release")),
        };
        let _ = writeln!(
            page,
            "<tr><th scope=\"row\"><code>{}</code></th><td>{}</td><td>{}</td><td>{place}</td></tr>",
            html(&image.name),
            side(&image.old),
            side(&image.new)
        );
    }
    page.push_str("</tbody></table></div></details>\n");
}

// ---- The data of the page: what src/diff/write/html/page.js reads.

#[derive(Serialize)]
struct GroupData {
    status: &'static str,
    /// The place, for a change that several sections share.
    title: Option<String>,
    /// Rule, grade (0 to 2), explanation.
    flags: Vec<(&'static str, u8, String)>,
    changes: Vec<ChangeData>,
    /// Numbers of groups that hold what these objects share with others.
    shared: Vec<usize>,
    exact: bool,
    members: Vec<MemberData>,
    note: Option<String>,
}

/// Release, id, template, hash before, hash now, where it was.
#[derive(Serialize)]
struct MemberData(usize, String, Option<String>, Option<String>, Option<String>, Option<String>);

#[derive(Serialize)]
struct ChangeData {
    path: String,
    note: Option<String>,
    hunks: Vec<HunkData>,
}

/// Numbers of the first lines on both sides (0 where there are none), and the lines, each behind its sign; changed words
/// stand between U+0001 and U+0002.
#[derive(Serialize)]
struct HunkData(usize, usize, Vec<String>);

/// `releases` (environment and name of each) and `groups`.
fn data(report: &Report, sections: &Sections<'_>) -> String {
    let mut releases = Vec::new();
    let mut numbers: HashMap<*const ReleaseDiff, usize> = HashMap::new();
    for environment in &report.environments {
        for release in &environment.releases {
            numbers.insert(std::ptr::from_ref(release), releases.len());
            releases.push((environment.name.as_str(), release.name.as_str()));
        }
    }
    let mut out = format!("{{\"releases\":{},\"groups\":[", json(&releases));
    let shared = sections.shared.iter().map(|shared| shared_data(shared, &numbers));
    let own = sections.sections.iter().map(|section| section_data(section, &numbers));
    for (index, mut group) in shared.chain(own).enumerate() {
        let mut text = json(&group);
        if out.len() + text.len() > DATA_BYTES_MAX {
            group.changes.clear();
            group.members.truncate(1);
            group.note = Some("Left out, so that the page stays small enough to open: name it to `kcfg diff`.".into());
            text = json(&group);
        }
        out.push_str(if index > 0 { "," } else { "" });
        out.push_str(&text);
    }
    out + "]}"
}

/// JSON that cannot end the element that it stands in.
fn json(value: &impl Serialize) -> String {
    let text = serde_json::to_string(value).expect("texts and numbers can be written as JSON");
    text.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026")
}

fn shared_data(shared: &Shared<'_>, numbers: &HashMap<*const ReleaseDiff, usize>) -> GroupData {
    let mut changes = Vec::new();
    change(&mut changes, "", shared.change);
    GroupData {
        status: "shared",
        title: Some(printable(&shared.change.path.to_string())),
        flags: Vec::new(),
        changes,
        shared: Vec::new(),
        exact: shared.is_exact,
        members: shared.members.iter().map(|member| member_data(member, numbers)).collect(),
        note: None,
    }
}

fn section_data(section: &Section<'_>, numbers: &HashMap<*const ReleaseDiff, usize>) -> GroupData {
    let first = section.members[0].object;
    let mut changes = Vec::new();
    match section.status {
        Status::Added => whole(&mut changes, '+', first.nodes.new.as_ref()),
        Status::Removed => whole(&mut changes, '-', first.nodes.old.as_ref()),
        _ => section.changes.iter().for_each(|inner| change(&mut changes, "", inner)),
    }
    let mut flags: Vec<&Flag> = Vec::new();
    for flag in section.members.iter().flat_map(|member| &member.object.flags) {
        if !flags.contains(&flag) {
            flags.push(flag);
        }
    }
    flags.sort_by_key(|flag| (std::cmp::Reverse(flag.severity), flag.rule));
    let is_written_anew = first.changes.is_empty() && section.status == Status::Changed;
    GroupData {
        status: section.status.name(),
        title: None,
        flags: flags
            .iter()
            .map(|flag| (flag.rule.name(), grade(flag.severity), printable(&flag.explanation)))
            .collect(),
        changes,
        shared: section.shared.clone(),
        exact: section.is_exact,
        members: section.members.iter().map(|member| member_data(member, numbers)).collect(),
        note: is_written_anew.then(|| "The same content, written in another way.".into()),
    }
}

fn member_data(member: &Member<'_>, numbers: &HashMap<*const ReleaseDiff, usize>) -> MemberData {
    let object = member.object;
    let digits = |hash: &Option<String>| hash.as_deref().map(|hash| short(hash, HASH_DIGITS).to_owned());
    let before = object.before.as_ref().map(|before| {
        let place = if before.environment.is_empty() {
            String::new()
        } else {
            format!(" in {}/{}", before.environment, before.release)
        };
        printable(&format!("{}{place}", before.id))
    });
    MemberData(
        numbers.get(&std::ptr::from_ref(member.release)).copied().unwrap_or_default(),
        printable(&object.id.to_string()),
        object.template.as_deref().map(printable),
        digits(&object.hashes.old),
        digits(&object.hashes.new),
        before,
    )
}

fn grade(severity: Severity) -> u8 {
    match severity {
        Severity::Info => 0,
        Severity::Caution => 1,
        Severity::Danger => 2,
    }
}

/// An object that came or went.
fn whole(changes: &mut Vec<ChangeData>, sign: char, node: Option<&Node>) {
    if let Some(node) = node {
        let path = if sign == '+' { "the new object" } else { "the object that was" };
        changes.push(ChangeData { path: path.into(), note: None, hunks: vec![block(sign, node)] });
    }
}

fn block(sign: char, node: &Node) -> HunkData {
    let text = value::block(node);
    let line = |line: &str| printable(&format!("{sign}{}", window(line, 0, LINE_CHARS_MAX)));
    HunkData(0, 0, cut(&text.lines().collect::<Vec<_>>(), |text| line(text)))
}

/// One change; `above` is the text that it is in, if it is in one.
fn change(changes: &mut Vec<ChangeData>, above: &str, change: &Change) {
    let path = printable(&format!("{above}{}", change.path));
    let (note, hunks) = match &change.what {
        What::Added(node) => (None, vec![block('+', node)]),
        What::Removed(node) => (None, vec![block('-', node)]),
        What::Changed { old, new, same_meaning } => {
            let (a, b) = value::pair(old, new, LINE_CHARS_MAX);
            let (x, y) = crate::diff::text::words(&a, &b);
            let lines = vec![marked('-', &x), marked('+', &y)];
            (same_meaning.map(|why| format!("same meaning: {why}")), vec![HunkData(0, 0, lines)])
        }
        What::Text { old, new } => (None, hunks(old, new).iter().map(|hunk| hunk_data(&hunk.lines)).collect()),
        What::Embedded { format, changes: inner, comments_changed, .. } => {
            let above = format!("{path} ({}) ", format.name());
            inner.iter().for_each(|inner| self::change(changes, &above, inner));
            if !comments_changed {
                return;
            }
            (Some("comments changed too".into()), Vec::new())
        }
        What::Reordered(items) => {
            let labels: Vec<&str> = items.iter().map(|item| &*item.label).collect();
            let order = window(&labels.join(", "), 0, LINE_CHARS_MAX);
            (Some(printable(&format!("only the order changed, now {order}"))), Vec::new())
        }
    };
    changes.push(ChangeData { path, note, hunks });
}

fn hunk_data(lines: &[Line]) -> HunkData {
    let first = |number: fn(&Line) -> Option<usize>| lines.iter().find_map(number).unwrap_or_default();
    let line = |line: &Line| {
        let sign = match line.side {
            _ if line.old.is_none() && line.new.is_none() => '\\',
            LineSide::Both => ' ',
            LineSide::Old => '-',
            LineSide::New => '+',
        };
        marked(sign, &line.pieces)
    };
    HunkData(first(|line| line.old), first(|line| line.new), cut(lines, line))
}

/// A line behind its sign, with its changed words marked; a long one about the first of them.
fn marked(sign: char, pieces: &[crate::diff::text::Piece]) -> String {
    let length: usize = pieces.iter().map(|piece| piece.text.len()).sum();
    if length > LINE_CHARS_MAX {
        let text: String = pieces.iter().map(|piece| piece.text.as_str()).collect();
        let unmarked = pieces.iter().take_while(|piece| !piece.is_marked);
        let before: usize = unmarked.map(|piece| piece.text.chars().count()).sum();
        let at = if pieces.iter().any(|piece| piece.is_marked) { before } else { 0 };
        return printable(&format!("{sign}{}", window(&text, at, LINE_CHARS_MAX)));
    }
    let mut out = String::from(sign);
    for piece in pieces {
        let text = printable(&piece.text);
        if piece.is_marked {
            let _ = write!(out, "\u{1}{text}\u{2}");
        } else {
            out.push_str(&text);
        }
    }
    out
}

/// The first lines, and how many more there are.
fn cut<T>(lines: &[T], written: impl Fn(&T) -> String) -> Vec<String> {
    let mut shown: Vec<String> = lines.iter().take(LINES_MAX).map(written).collect();
    if lines.len() > LINES_MAX {
        shown.push(format!("\\… {}", many(lines.len() - LINES_MAX, "more line")));
    }
    shown
}

fn lines_html(text: &str) -> String {
    text.lines().map(|line| html(line) + "\n").collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diff::change::changes;
    use crate::diff::report::{ObjectDiff, Sides};

    fn sample(objects: usize, text: &str) -> Report {
        let object = |n: usize| {
            let (old, new) = (Node::new(format!("{n}\n{text}")), Node::new(format!("{n} {n}\n{text} now")));
            ObjectDiff {
                id: format!("core/ConfigMap/shop/{n}").parse().expect("an id"),
                status: Status::Changed,
                before: None,
                files: Sides::default(),
                hashes: Sides::default(),
                template: None,
                changes: changes(&old, &new, false),
                flags: Vec::new(),
                nodes: Sides { old: Some(old), new: Some(new) },
            }
        };
        let release = ReleaseDiff { objects: (0..objects).map(object).collect(), ..ReleaseDiff::default() };
        let environment = EnvironmentDiff { releases: vec![release], ..EnvironmentDiff::default() };
        Report { environments: vec![environment], ..Report::default() }
    }

    #[test]
    fn data_cannot_leave_their_element() {
        let page = report(&sample(1, "</script><!-- <script> ]]> &amp;"));
        let (_, data) = page.split_once("id=\"data\">").expect("there are data");
        let (data, _) = data.split_once("</script>").expect("they end");
        assert!(!data.contains(['<', '>', '&']), "{data}");
        let data: serde_json::Value = serde_json::from_str(data).expect("JSON");
        assert!(data["groups"][0].to_string().contains("</script>"));
    }

    #[test]
    fn a_page_of_any_report_stays_small() {
        let report = sample(600, &"<".repeat(LINE_CHARS_MAX * 20));
        let page = super::report(&sample(600, &format!("{}\n", "<".repeat(LINE_CHARS_MAX)).repeat(20)));
        assert!(page.len() > DATA_BYTES_MAX / 2 && page.len() < DATA_BYTES_MAX + (2 << 20), "{} bytes", page.len());
        assert!(page.contains("Left out, so that the page stays small"));
        assert!(super::report(&report).len() < DATA_BYTES_MAX + (2 << 20));
    }
}
