//! The report as the comment of a pull request, in the Markdown of GitHub and GitLab. It never grows over a limit: the
//! least important is folded first, and what is folded is named.

mod body;
mod escape;

use indexmap::IndexMap;

use crate::diff::flag::{Flag, Rule, Severity};
use crate::diff::image::{ImageChange, images};
use crate::diff::report::{Counts, EnvironmentDiff, ReleaseDiff, Report, Status};
use crate::diff::section::{Member, Section, Shared, sections};

use super::text::{DIGEST_DIGITS, many, plain_counts, short};
use super::value::{html, window};
use escape::{cell_code, code, count, fenced, html_code, prose};

/// The first line of every comment, by which the poster finds its own. No reader sees it.
pub const COMMENT_MARKER: &str = "<!-- kcfg diff: this comment is kept up to date, edits are lost -->";
/// Characters of a comment on GitHub, counted in UTF-16 code units.
pub const COMMENT_CHARS_MAX: usize = 65_536;
/// The least limit in which the summary of any report fits.
pub const LIMIT_CHARS_MIN: usize = 6_000;
/// Characters of the address of the full report.
pub const URL_CHARS_MAX: usize = 1_000;

/// Kept free, beside the address, for what says what was folded.
const TAIL_CHARS: usize = 1_000;
/// Characters of a name, a label or a sentence in the summary.
const NAME_CHARS_MAX: usize = 160;
/// Sentences of one kind at the top: dangers, notes.
const SENTENCES_MAX: usize = 10;
/// Rows of a table that stand open; the others are behind a click.
const OPEN_ROWS_MAX: usize = 25;
/// Groups up to which all of them stand open, and lines that they may have together.
const OPEN_GROUPS_MAX: usize = 4;
const OPEN_LINES_MAX: usize = 60;
/// Lines of one group's block; [`Options::is_full`] lifts it for objects that came or went.
const GROUP_LINES_MAX: usize = 120;
/// Lines of an object that came or went.
const BODY_LINES_MAX: usize = 40;
/// Objects of a group that are named.
const MEMBERS_MAX: usize = 60;

/// How the comment is written.
#[derive(Debug, Clone)]
pub struct Options {
    /// Characters that it may have; at least [`LIMIT_CHARS_MIN`].
    pub limit: usize,
    /// Where the full report is.
    pub report_url: Option<String>,
    /// Whether the summary is all.
    pub is_stat: bool,
    /// Whether objects that came or went are shown whole.
    pub is_full: bool,
}

impl Default for Options {
    fn default() -> Options {
        Options { limit: COMMENT_CHARS_MAX, report_url: None, is_stat: false, is_full: false }
    }
}

/// The whole comment.
pub fn report(report: &Report, options: &Options) -> String {
    let limit = options.limit.max(LIMIT_CHARS_MIN);
    let tail = TAIL_CHARS + options.report_url.as_deref().map_or(0, |url| count(&address(url)));
    let mut page = Page { out: String::new(), used: 0, room: limit.saturating_sub(tail), limit };
    page.push(&format!("{COMMENT_MARKER}\n"));
    page.push(&title(report));
    let mut folded = Vec::new();
    page.sentences("CAUTION", "danger", &dangers(report));
    page.sentences("WARNING", "note", &notes(report));
    if report.is_empty() {
        return page.out;
    }
    page.releases(report, &mut folded);
    page.images(&images(report), &mut folded);
    if !options.is_stat {
        page.removals(report, &mut folded);
        page.groups(report, options, &mut folded);
    }
    page.tail(report, options, &folded);
    page.out
}

struct Page {
    out: String,
    used: usize,
    /// Characters that everything but the tail may have.
    room: usize,
    limit: usize,
}

/// A group of changes: something that is shown whole or named.
struct Group {
    /// What it is called where it is folded.
    name: String,
    /// The summary that stands before its text.
    summary: String,
    /// What stands above the block: flags.
    above: String,
    lines: Vec<String>,
    /// What stands below it: where.
    below: String,
}

impl Page {
    fn push(&mut self, text: &str) {
        self.used += count(text);
        self.out.push_str(text);
    }

    /// Appends a text if it fits into this part of the room.
    fn fits(&mut self, text: &str, room: usize) -> bool {
        let fits = self.used + count(text) <= room.min(self.room);
        if fits {
            self.push(text);
        }
        fits
    }

    fn sentences(&mut self, alert: &str, noun: &str, sentences: &[String]) {
        if sentences.is_empty() {
            return;
        }
        self.push(&format!("\n> [!{alert}]\n"));
        for (number, sentence) in sentences.iter().enumerate() {
            let line = format!("> - {sentence}\n");
            if number == SENTENCES_MAX || !self.fits(&line, self.limit / 2) {
                self.push(&format!("> - and {} below or in the full report\n", many(sentences.len() - number, noun)));
                break;
            }
        }
    }

    /// The table of environments and releases.
    fn releases(&mut self, report: &Report, folded: &mut Vec<String>) {
        let rows: Vec<(usize, String)> = rows(report);
        if rows.is_empty() {
            return;
        }
        let header = "\n| | objects | state | flags |\n|:--|:--|:--|:--|\n";
        self.push(header);
        // Which rows fit: the gravest first; they are shown in their own order.
        let mut order: Vec<usize> = (0..rows.len()).collect();
        order.sort_by_key(|index| rows[*index].0);
        let mut room = (self.limit / 2).saturating_sub(self.used + 200);
        let mut is_shown = vec![false; rows.len()];
        for index in order {
            let size = count(&rows[index].1);
            if size > room {
                break;
            }
            room -= size;
            is_shown[index] = true;
        }
        let shown: Vec<&str> =
            rows.iter().zip(&is_shown).filter(|(_, shown)| **shown).map(|(row, _)| &*row.1).collect();
        let (open, more) = shown.split_at(shown.len().min(OPEN_ROWS_MAX));
        open.iter().for_each(|row| self.push(row));
        if !more.is_empty() {
            self.push(&format!("\n<details><summary>{}</summary>\n{header}", many(more.len(), "more row")));
            more.iter().for_each(|row| self.push(row));
            self.push("\n</details>\n");
        }
        if shown.len() < rows.len() {
            folded.push(many(rows.len() - shown.len(), "row") + " of the table");
        }
    }

    fn images(&mut self, images: &[ImageChange], folded: &mut Vec<String>) {
        if images.is_empty() {
            return;
        }
        let header = "\n| image | from | to | in |\n|:--|:--|:--|:--|\n";
        let is_long = images.len() > OPEN_ROWS_MAX;
        let begin = if is_long {
            format!("\n<details><summary>{} changed</summary>\n{header}", many(images.len(), "image"))
        } else {
            header.to_owned()
        };
        let end = if is_long { "\n</details>\n" } else { "" };
        let room = self.limit * 3 / 5;
        let first = image_row(&images[0]);
        if self.used + count(&begin) + count(&first) + count(end) > room.min(self.room) {
            folded.push(many(images.len(), "image"));
            return;
        }
        self.push(&begin);
        let mut shown = 0;
        while shown < images.len() && self.fits(&image_row(&images[shown]), room - count(end)) {
            shown += 1;
        }
        self.push(end);
        if shown < images.len() {
            folded.push(many(images.len() - shown, "image"));
        }
    }

    /// Documents that let the applier delete what its guards would hold.
    fn removals(&mut self, report: &Report, folded: &mut Vec<String>) {
        for environment in &report.environments {
            let Some(removal) = &environment.removal else { continue };
            let name = window(&environment.name, 0, NAME_CHARS_MAX);
            let lines: Vec<String> = removal.lines().map(super::value::printable).collect();
            let text = format!(
                "\n<details><summary>Held in {}: the applier deletes this only with a document in {}</summary>\n\n{}\n\
                 </details>\n",
                html_code(&name),
                html_code(&format!("releases/{name}/")),
                fenced("yaml", &lines)
            );
            if !self.fits(&text, self.limit * 3 / 4) {
                folded.push(format!("the Removal document for {}", code(&name)));
            }
        }
    }

    /// Every group is shown, cut, or named by its number as folded; the important ones come first.
    fn groups(&mut self, report: &Report, options: &Options, folded: &mut Vec<String>) {
        let sections = sections(report);
        let shared = sections.shared.iter().map(|shared| shared_group(shared));
        let own = sections.sections.iter().map(|section| section_group(section, options));
        let mut groups: Vec<Group> = shared.chain(own).collect();
        let lines: usize = groups.iter().map(|group| group.lines.len()).sum();
        let is_open = groups.len() <= OPEN_GROUPS_MAX && lines <= OPEN_LINES_MAX;
        for (index, group) in groups.iter_mut().enumerate() {
            let number = index + 1;
            group.summary = format!("{number}. {}", group.summary);
            group.name = format!("{number}. {}", group.name);
        }
        if groups.is_empty() || !self.fits("\n### Changes\n", self.room) {
            if !groups.is_empty() {
                folded.push(numbers(1, groups.len(), groups.len()));
            }
            return;
        }
        let texts: Vec<String> = groups.iter().map(|group| group.text(is_open, group.lines.len())).collect();
        let all: usize = texts.iter().map(|text| count(text)).sum();
        let names: usize = groups.iter().map(|group| count(&group.name)).sum();
        let free = self.room.saturating_sub(self.used);
        // Where not everything fits, a part of the room names what is folded.
        let for_names = if all <= free { 0 } else { names.min(free / 4) };
        let room = self.room - for_names;
        let mut shown = 0;
        for (group, text) in groups.iter().zip(&texts) {
            if self.fits(text, room) {
                shown += 1;
                continue;
            }
            // The first one that does not fit is cut, if much of it can be seen.
            let cut = group.cut(room.min(self.room).saturating_sub(self.used));
            if let Some(text) = cut
                && self.fits(&text, room)
            {
                shown += 1;
            }
            break;
        }
        if shown == groups.len() {
            return;
        }
        folded.push(numbers(shown + 1, groups.len(), groups.len()));
        let begin = format!("\n<details><summary>{} folded</summary>\n\n", many(groups.len() - shown, "group"));
        let end = "\n</details>\n";
        if self.used + count(&begin) + count(end) + NAME_CHARS_MAX > self.room {
            return;
        }
        self.push(&begin);
        for group in &groups[shown..] {
            if !self.fits(&group.name, self.room - count(end)) {
                break;
            }
        }
        self.push(end);
    }

    fn tail(&mut self, report: &Report, options: &Options, folded: &[String]) {
        let mut text = String::new();
        if !folded.is_empty() {
            let what = folded.join(", ");
            text += &format!("\n**Folded to fit {} characters:** {what}.", self.limit);
        }
        let where_it_is = match &options.report_url {
            Some(url) => format!(" [The full report]({}).", address(url)),
            None if folded.is_empty() => String::new(),
            None => " `kcfg diff` shows all of it.".to_owned(),
        };
        if !where_it_is.is_empty() {
            text += &if folded.is_empty() { where_it_is.replacen(' ', "\n", 1) } else { where_it_is };
        }
        if report.ignored > 0 {
            text += &format!("\n\n{} ignored by the ignore list.", many(report.ignored, "change"));
        }
        if !text.is_empty() {
            text.push('\n');
        }
        self.push(&text);
    }
}

impl Group {
    /// The group with so many of its lines.
    fn text(&self, is_open: bool, lines: usize) -> String {
        let open = if is_open { " open" } else { "" };
        let mut out = format!("\n<details{open}><summary>{}</summary>\n\n{}", self.summary, self.above);
        let mut shown = self.lines[..lines].to_vec();
        if lines < self.lines.len() {
            shown.push(format!("… {}", many(self.lines.len() - lines, "more line")));
        }
        if !shown.is_empty() {
            out += &fenced("diff", &shown);
        }
        out + &self.below + "\n</details>\n"
    }

    /// The group with as many of its lines as fit; none if these are few.
    fn cut(&self, room: usize) -> Option<String> {
        const LINES_MIN: usize = 8;
        let (mut fits, mut too_many) = (LINES_MIN.min(self.lines.len()), self.lines.len());
        if count(&self.text(false, fits)) > room {
            return None;
        }
        while fits + 1 < too_many {
            let middle = usize::midpoint(fits, too_many);
            if count(&self.text(false, middle)) <= room { fits = middle } else { too_many = middle }
        }
        Some(self.text(false, fits))
    }
}

/// `groups 12 to 40 of 40`.
fn numbers(first: usize, last: usize, all: usize) -> String {
    if first == last { format!("group {first} of {all}") } else { format!("groups {first} to {last} of {all}") }
}

fn title(report: &Report) -> String {
    let counts = report.counts();
    let releases: usize = report.environments.iter().map(|environment| environment.releases.len()).sum();
    let has_environments = report.environments.iter().any(|environment| !environment.name.is_empty());
    let what = match (counts.total(), has_environments) {
        (0, _) if report.is_empty() => "no differences".to_owned(),
        (total, false) => many(total, "object"),
        (total, true) => format!("{} in {}", many(total, "object"), many(releases, "release")),
    };
    let label = |text: &str| code(&window(text, 0, NAME_CHARS_MAX));
    let mut out = format!("### kcfg diff: {what}\n\n{} → {}", label(&report.labels.old), label(&report.labels.new));
    if counts.total() > 0 {
        out += &format!(": {}", plain_counts(&counts));
    }
    let releases = report.environments.iter().flat_map(|environment| &environment.releases);
    let stale = releases.filter(|release| release.is_stale).count();
    if stale > 0 {
        out += &format!("  \n{} not rendered yet: `kcfg render` writes what is shown here", many(stale, "release"));
    }
    out + "\n"
}

/// One sentence for each danger, with the first of the objects and how many more there are.
fn dangers(report: &Report) -> Vec<String> {
    let mut found: IndexMap<(Rule, &str), (String, usize)> = IndexMap::new();
    for (environment, release, object) in report.objects() {
        for flag in object.flags.iter().filter(|flag| flag.severity == Severity::Danger) {
            let member = Member { environment, release, object };
            let name = || (code(&window(&named(&member), 0, NAME_CHARS_MAX)), 0);
            found.entry((flag.rule, &flag.explanation)).or_insert_with(name).1 += 1;
        }
    }
    found.sort_by(|(rule, _), _, (other, _), _| rule.cmp(other));
    let sentence = |((rule, explanation), (first, objects)): ((Rule, &str), (String, usize))| {
        let more = if objects > 1 { format!(" and {} more", objects - 1) } else { String::new() };
        format!("**{}** {first}{more}: {}", rule.name(), prose(&window(explanation, 0, NAME_CHARS_MAX)))
    };
    found.into_iter().map(sentence).collect()
}

fn notes(report: &Report) -> Vec<String> {
    let own = report.notes.iter().map(|note| prose(&window(note, 0, NAME_CHARS_MAX)));
    let releases = report.environments.iter().flat_map(|environment| {
        environment.releases.iter().flat_map(move |release| {
            let path = release.path(environment);
            release.notes.iter().map(move |note| {
                format!("{} {}", code(&window(&path, 0, NAME_CHARS_MAX)), prose(&window(note, 0, NAME_CHARS_MAX)))
            })
        })
    });
    own.chain(releases).collect()
}

/// The rows of the table, each with its rank: environments first, then releases by their gravest flag.
fn rows(report: &Report) -> Vec<(usize, String)> {
    let mut rows = Vec::new();
    for environment in report.environments.iter().filter(|environment| !environment.name.is_empty()) {
        let counts = Counts::of(environment.releases.iter().flat_map(|release| &release.objects));
        let state = state(environment.digests.old.as_deref(), environment.digests.new.as_deref());
        let name = cell_code(&window(&environment.name, 0, NAME_CHARS_MAX));
        rows.push((0, format!("| **{name}** | {} | {state} | |\n", plain_counts(&counts))));
        rows.extend(environment.releases.iter().map(|release| row(environment, release)));
    }
    rows
}

fn row(environment: &EnvironmentDiff, release: &ReleaseDiff) -> (usize, String) {
    let flags = release.flags();
    let rank = match flags.first() {
        Some((Severity::Danger, _)) => 1,
        Some((Severity::Caution, _)) => 2,
        _ => 3,
    };
    let names: Vec<String> = flags.iter().map(|(severity, rule)| flag_name(*severity, *rule)).collect();
    let name = cell_code(&window(&release.path(environment), 0, NAME_CHARS_MAX));
    let state = state(release.digests.old.as_deref(), release.digests.new.as_deref());
    let counts = plain_counts(&Counts::of(&release.objects));
    (rank, format!("| {name} | {counts} | {state} | {} |\n", names.join(", ")))
}

fn flag_name(severity: Severity, rule: Rule) -> String {
    if severity == Severity::Danger { format!("**{}**", rule.name()) } else { rule.name().to_owned() }
}

fn state(old: Option<&str>, new: Option<&str>) -> String {
    let digits =
        |digest: Option<&str>| digest.map_or_else(|| "–".to_owned(), |digest| cell_code(short(digest, DIGEST_DIGITS)));
    if old.is_none() && new.is_none() { String::new() } else { format!("{} → {}", digits(old), digits(new)) }
}

fn image_row(image: &ImageChange) -> String {
    let cell = |text: &str| cell_code(&window(text, 0, NAME_CHARS_MAX));
    let side = |version: &Option<String>| version.as_deref().map_or_else(|| "–".to_owned(), cell);
    let place = match &image.places[..] {
        [] => many(image.objects, "object"),
        [only] => cell(only),
        [first, rest @ ..] => format!("{} and {}", cell(first), many(rest.len(), "more release")),
    };
    format!("| {} | {} | {} | {place} |\n", cell(&image.name), side(&image.old), side(&image.new))
}

/// `Deployment shop/web in prod/shop`.
fn named(member: &Member<'_>) -> String {
    let id = &member.object.id;
    let namespace = id.namespace.as_deref().map(|namespace| format!("{namespace}/")).unwrap_or_default();
    let place = member.place();
    let place = if place.is_empty() { String::new() } else { format!(" in {place}") };
    format!("{} {namespace}{}{place}", id.kind, id.name)
}

fn shared_group(shared: &Shared<'_>) -> Group {
    let mut lines = Vec::new();
    body::change(&mut lines, "", shared.change);
    cut(&mut lines, GROUP_LINES_MAX);
    let place = window(&shared.change.path.to_string(), 0, NAME_CHARS_MAX);
    let objects = many(shared.members.len(), "object");
    Group {
        name: format!("the same change in {objects}: {}  \n", code(&place)),
        summary: format!("<b>the same change in {objects}</b> {}", html_code(&place)),
        above: String::new(),
        lines,
        below: members(&shared.members, shared.is_exact),
    }
}

fn section_group(section: &Section<'_>, options: &Options) -> Group {
    let (sign, status) = (section.status.sign(), section.status.name());
    let first = &section.members[0];
    let mut flags: Vec<&Flag> = section.members.iter().flat_map(|member| &member.object.flags).collect();
    flags.sort_by_key(|flag| (std::cmp::Reverse(flag.severity), flag.rule));
    let mut names: Vec<Rule> = flags.iter().map(|flag| flag.rule).collect();
    let mut told: Vec<&str> = Vec::new();
    flags.retain(|flag| {
        let is_new = !told.contains(&&*flag.explanation);
        told.push(&flag.explanation);
        is_new
    });
    names.sort_unstable();
    names.dedup();
    let names: Vec<&str> = names.iter().map(|rule| rule.name()).collect();
    let (plain, summary) = if section.members.len() == 1 {
        let name = window(&named(first), 0, NAME_CHARS_MAX);
        (code(&name), html_code(&name))
    } else {
        let mut kinds: Vec<&str> = section.members.iter().map(|member| &*member.object.id.kind).collect();
        kinds.sort_unstable();
        kinds.dedup();
        let kinds = window(&kinds.join(", "), 0, NAME_CHARS_MAX);
        let objects = many(section.members.len(), "object");
        (format!("{objects}, {}", code(&kinds)), format!("{objects}, {}", html_code(&kinds)))
    };
    let flagged = if names.is_empty() { String::new() } else { format!(" — {}", names.join(", ")) };
    let mut above = String::new();
    if let (1, Some(before)) = (section.members.len(), &first.object.before) {
        let was = format!("{} in {}/{}", before.id, before.environment, before.release);
        above += &format!("Was {}.\n\n", code(&window(&was, 0, NAME_CHARS_MAX)));
    }
    for flag in flags.iter().take(SENTENCES_MAX) {
        let name = flag_name(flag.severity, flag.rule);
        above += &format!("- {name}: {}\n", prose(&window(&flag.explanation, 0, NAME_CHARS_MAX)));
    }
    if flags.len() > SENTENCES_MAX {
        above += &format!("- and {}\n", many(flags.len() - SENTENCES_MAX, "more flag"));
    }
    if !flags.is_empty() {
        above.push('\n');
    }
    let mut lines = body::section(section);
    let lines_max = match section.status {
        Status::Added | Status::Removed if options.is_full => usize::MAX,
        Status::Added | Status::Removed => BODY_LINES_MAX,
        _ => GROUP_LINES_MAX,
    };
    cut(&mut lines, lines_max);
    if lines.is_empty() && section.status == Status::Changed {
        above += "The same content, written in another way.\n\n";
    }
    let mut below = String::new();
    if !section.shared.is_empty() {
        let numbers: Vec<String> = section.shared.iter().map(|number| (number + 1).to_string()).collect();
        below += &format!("\nAnd what is under {}.\n", numbers.join(", "));
    }
    if section.members.len() > 1 {
        below += &members(&section.members, section.is_exact);
    } else if let Some(template) = &first.object.template {
        below += &format!("\nTemplate {}\n", code(&window(template, 0, NAME_CHARS_MAX)));
    }
    Group {
        name: format!("{sign} {plain} {status}{}  \n", html(&flagged)),
        summary: format!("{sign} {summary} <b>{status}</b>{}", html(&flagged)),
        above,
        lines,
        below,
    }
}

/// Cuts lines off and says how many.
fn cut(lines: &mut Vec<String>, max: usize) {
    if lines.len() > max {
        let rest = lines.len() - max;
        lines.truncate(max);
        lines.push(format!("… {}", many(rest, "more line")));
    }
}

/// Where a group's objects are, by environment.
fn members(members: &[Member<'_>], is_exact: bool) -> String {
    let mut out = String::new();
    if !is_exact {
        out += "\nAs in the first; each of the others with its own names or checksums.\n";
    }
    let mut environments: IndexMap<&str, (Vec<String>, usize)> = IndexMap::new();
    for (index, member) in members.iter().enumerate() {
        let environment = member.environment.name.as_str();
        let id = &member.object.id;
        let (items, all) = environments.entry(environment).or_default();
        *all += 1;
        if index < MEMBERS_MAX {
            let release = if environment.is_empty() { String::new() } else { format!("{} ", member.release.name) };
            items.push(code(&window(&format!("{release}{}/{}", id.kind, id.name), 0, NAME_CHARS_MAX)));
        }
    }
    for (environment, (mut items, all)) in environments.into_iter().take(MEMBERS_MAX) {
        let rest = all - items.len();
        if rest > 0 {
            items.push(format!("{rest} more"));
        }
        let objects = many(all, "object");
        let place = if environment.is_empty() {
            objects
        } else {
            format!("{} ({objects})", code(&window(environment, 0, NAME_CHARS_MAX)))
        };
        out += &format!("\nIn {place}: {}\n", items.join(", "));
    }
    out
}

/// An address within `(…)`: nothing in it can end it or begin a line.
fn address(url: &str) -> String {
    let mut out = String::new();
    for c in url.chars().take(URL_CHARS_MAX) {
        match c {
            '(' => out.push_str("%28"),
            ')' => out.push_str("%29"),
            '<' => out.push_str("%3C"),
            '>' => out.push_str("%3E"),
            '\\' => out.push_str("%5C"),
            c if c.is_whitespace() || c.is_control() => out.push_str("%20"),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests;
