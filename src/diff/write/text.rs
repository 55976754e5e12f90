//! The report for a terminal: summary first, details after. Colour and width are the caller's to say.

use indexmap::IndexMap;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr as _};

mod wrap;

use super::value::{self, printable, window};
use crate::diff::change::{Change, What};
use crate::diff::flag::{Flag, Severity};
use crate::diff::image::images;
use crate::diff::report::{Counts, EnvironmentDiff, ReleaseDiff, Report, Status};
use crate::diff::section::{Member, Section, Sections, sections};
use crate::diff::text::{Hunk, Line, LineSide, Piece, hunks, words};
use crate::yaml::Node;

/// Digits of a digest that people compare.
pub const DIGEST_DIGITS: usize = 12;
/// Columns of two digests with an arrow between them, and the blanks around.
const DIGESTS_WIDTH: usize = 2 * DIGEST_DIGITS + 7;
/// Digits of an object's hash.
pub const HASH_DIGITS: usize = 8;
/// Objects of a section that get a line each; more are listed by environment.
const MEMBER_LINES_MAX: usize = 5;
/// Lines of an object that came or went; [`Layout::is_full`] shows all.
const BODY_LINES_MAX: usize = 40;
/// The width from which texts are shown side by side.
pub const SIDE_BY_SIDE_WIDTH_MIN: usize = 150;
/// Images that get a line each.
const IMAGES_MAX: usize = 20;
/// The narrowest width that is believed.
const WIDTH_MIN: usize = 40;

/// How the report is laid out.
#[derive(Debug, Clone, Copy)]
pub struct Layout {
    /// Columns of the terminal.
    pub width: usize,
    /// Whether it is one: sentences are broken where it ends.
    pub is_terminal: bool,
    /// Whether there is colour.
    pub has_colour: bool,
    /// Whether texts are shown in two columns.
    pub is_side_by_side: bool,
    /// Whether the summary is all.
    pub is_stat: bool,
    /// Whether objects that came or went are shown whole.
    pub is_full: bool,
}

/// The whole report.
pub fn report(report: &Report, layout: Layout) -> String {
    let layout = Layout { width: layout.width.max(WIDTH_MIN), ..layout };
    let mut page = Page { out: String::new(), layout };
    page.header(report);
    if !layout.is_stat && !report.is_empty() {
        page.details(&sections(report));
        page.removals(report);
    }
    page.out
}

/// What colours mean here.
#[derive(Clone, Copy)]
enum Ink {
    Bold,
    Dim,
    Old,
    New,
    OldMark,
    NewMark,
    Warn,
    Danger,
}

impl Ink {
    fn code(self) -> &'static str {
        match self {
            Ink::Bold => "\x1b[1m",
            Ink::Dim => "\x1b[2m",
            Ink::Old => "\x1b[31m",
            Ink::New => "\x1b[32m",
            Ink::OldMark => "\x1b[1;7;31m",
            Ink::NewMark => "\x1b[1;7;32m",
            Ink::Warn => "\x1b[1;33m",
            Ink::Danger => "\x1b[1;31m",
        }
    }
}

struct Page {
    out: String,
    layout: Layout,
}

impl Page {
    /// A text in a colour; control characters of it do not reach the terminal.
    fn ink(&self, ink: Ink, text: &str) -> String {
        let text = printable(text);
        if self.layout.has_colour && !text.is_empty() { format!("{}{text}\x1b[0m", ink.code()) } else { text }
    }

    fn line(&mut self, text: &str) {
        self.out.push_str(text.trim_end());
        self.out.push('\n');
    }

    fn header(&mut self, report: &Report) {
        let title = format!("{} → {}", report.labels.old, report.labels.new);
        let title = self.ink(Ink::Bold, &title);
        self.line(&title);
        for note in &report.notes {
            self.sentence("", Ink::Warn, "note:", note, 2);
        }
        if report.is_empty() {
            self.line("no differences");
        } else {
            self.line("");
            self.table(report);
        }
        let stale = report.environments.iter().flat_map(|environment| &environment.releases);
        let stale = stale.filter(|release| release.is_stale).count();
        if stale > 0 {
            let line = format!("{} not rendered yet: `kcfg render` writes what is shown here", many(stale, "release"));
            let line = self.ink(Ink::Dim, &line);
            self.line(&line);
        }
        if report.ignored > 0 {
            let line = format!("{} ignored by the ignore list", many(report.ignored, "change"));
            let line = self.ink(Ink::Dim, &line);
            self.line(&line);
        }
        self.images(report);
    }

    /// A line per environment and release.
    fn table(&mut self, report: &Report) {
        let releases = report.environments.iter().flat_map(|environment| &environment.releases);
        let names = releases.map(|release| release.name.len() + 2);
        let widest = names.chain(report.environments.iter().map(|environment| environment.name.len())).max();
        let column = widest.unwrap_or_default().min(48);
        for environment in &report.environments {
            let counts = Counts::of(environment.releases.iter().flat_map(|release| &release.objects));
            let name = if environment.name.is_empty() { "manifests" } else { &environment.name };
            let name = self.ink(Ink::Bold, &format!("{name:<column$}"));
            let digests = self.digests(environment.digests.old.as_deref(), environment.digests.new.as_deref());
            let (counts, _) = self.counts(&counts, column.max(environment.name.width()) + DIGESTS_WIDTH);
            let line = format!("{name}  {digests}  {counts}");
            self.line(&line);
            for release in &environment.releases {
                self.release(environment, release, column);
            }
        }
    }

    fn release(&mut self, environment: &EnvironmentDiff, release: &ReleaseDiff, column: usize) {
        if !environment.name.is_empty() {
            let name = printable(&format!("  {:<width$}", release.name, width = column.saturating_sub(2)));
            let digests = self.digests(release.digests.old.as_deref(), release.digests.new.as_deref());
            let used = column.max(release.name.width() + 2) + DIGESTS_WIDTH;
            let (counts, width) = self.counts(&Counts::of(&release.objects), used);
            self.line(&format!("{name}  {digests}  {counts}"));
            // Flags stand in the line if there is room, else below it.
            self.flags(release.objects.iter().flat_map(|object| &object.flags), used + width);
            if release.charts.old != release.charts.new
                && let (Some(old), Some(new)) = (&release.charts.old, &release.charts.new)
            {
                let line = self.ink(Ink::Dim, &format!("    chart {old} → {new}"));
                self.line(&line);
            }
        }
        for note in &release.notes {
            self.sentence("    ", Ink::Warn, "note:", note, 6);
        }
    }

    fn digests(&self, old: Option<&str>, new: Option<&str>) -> String {
        let short =
            |digest: Option<&str>| format!("{:<DIGEST_DIGITS$}", digest.map_or("-", |d| short(d, DIGEST_DIGITS)));
        format!("{} → {}", self.ink(Ink::Old, &short(old)), self.ink(Ink::New, &short(new)))
    }

    /// `1 added, 2 changed`, or `+1 ~2` where the columns left are too few for that; with its width.
    fn counts(&self, counts: &Counts, used: usize) -> (String, usize) {
        let is_short = self.layout.is_terminal && used + plain_counts(counts).width() > self.layout.width;
        let some = parts(counts).into_iter().filter(|(count, _)| *count > 0);
        let (mut texts, mut width) = (Vec::new(), 0);
        for (count, status) in some {
            let text =
                if is_short { format!("{}{count}", status.sign()) } else { format!("{count} {}", status.name()) };
            width += text.width() + 2;
            texts.push(match status {
                Status::Added => self.ink(Ink::New, &text),
                Status::Removed => self.ink(Ink::Old, &text),
                _ => text,
            });
        }
        (texts.join(if is_short { " " } else { ", " }), width)
    }

    fn details(&mut self, sections: &Sections<'_>) {
        for (number, shared) in sections.shared.iter().enumerate() {
            let title = format!("({}) the same change in {}", number + 1, many(shared.members.len(), "object"));
            self.title(&title, "");
            self.change(shared.change, 2);
            self.members(&shared.members, shared.is_exact);
        }
        for section in &sections.sections {
            self.section(section);
        }
    }

    fn title(&mut self, text: &str, rest: &str) {
        self.line("");
        let width = text.width() + 3 + rest.width();
        let text = self.ink(Ink::Bold, text);
        if rest.is_empty() || width <= self.layout.width {
            let blank = if rest.is_empty() { "" } else { "   " };
            let line = format!("{text}{blank}{}", self.ink(Ink::Dim, rest));
            self.line(&line);
        } else {
            self.line(&text);
            let line = format!("  {}", self.ink(Ink::Dim, rest));
            self.line(&line);
        }
    }

    /// A sentence behind a name, broken where the terminal ends.
    fn sentence(&mut self, pad: &str, ink: Ink, name: &str, text: &str, indent: usize) {
        let lead = pad.width() + name.width() + 1;
        let width = if self.layout.is_terminal { self.layout.width } else { usize::MAX };
        let columns = |used: usize| width.saturating_sub(used).max(20);
        let lines = wrap::sentence(&printable(text), columns(lead), columns(indent));
        for (number, text) in lines.iter().enumerate() {
            let line = if number == 0 {
                format!("{pad}{} {text}", self.ink(ink, name))
            } else {
                format!("{}{text}", " ".repeat(indent))
            };
            self.line(&line);
        }
    }

    /// The images that change.
    fn images(&mut self, report: &Report) {
        let images = images(report);
        // One image of one object stands right below.
        if images.iter().map(|image| image.objects).sum::<usize>() < 2 {
            return;
        }
        self.line("");
        let line = self.ink(Ink::Bold, "images");
        self.line(&line);
        for image in images.iter().take(IMAGES_MAX) {
            let side =
                |version: &Option<String>, ink| version.as_ref().map(|version| self.ink(ink, &window(version, 0, 80)));
            let (old, new) = (side(&image.old, Ink::Old), side(&image.new, Ink::New));
            let versions = match (old, new) {
                (Some(old), Some(new)) => format!("{old} → {new}"),
                (None, Some(new)) => format!("{new} (new)"),
                (Some(old), None) => format!("{old} (gone)"),
                (None, None) => String::new(),
            };
            let place = match &image.places[..] {
                [] => many(image.objects, "object"),
                [only] => only.clone(),
                places => many(places.len(), "release"),
            };
            let place = self.ink(Ink::Dim, &format!("in {place}"));
            self.line(&format!("  {}  {versions}  {place}", printable(&image.name)));
        }
        if images.len() > IMAGES_MAX {
            self.line(&format!("  and {} more", images.len() - IMAGES_MAX));
        }
    }

    fn section(&mut self, section: &Section<'_>) {
        let sign = section.status.sign();
        if let [member] = &section.members[..] {
            let id = &member.object.id;
            let namespace = id.namespace.as_deref().map(|namespace| format!("{namespace}/")).unwrap_or_default();
            let rest = format!("{}  {}", member.place(), hashes(member)).trim().to_owned();
            self.title(&format!("{sign} {} {namespace}{} {}", id.kind, id.name, section.status.name()), &rest);
        } else {
            let mut kinds: Vec<&str> = section.members.iter().map(|member| &*member.object.id.kind).collect();
            kinds.sort_unstable();
            kinds.dedup();
            let title = format!("{sign} {} {}", many(section.members.len(), "object"), section.status.name());
            self.title(&title, &kinds.join(", "));
        }
        let first = section.members[0].object;
        if let [member] = section.members[..]
            && let Some(before) = &member.object.before
        {
            let place = if before.environment.is_empty() {
                String::new()
            } else {
                format!(" in {}/{}", before.environment, before.release)
            };
            let from = format!("  was {}{place}", before.id);
            let line = self.ink(Ink::Dim, &from);
            self.line(&line);
        }
        let mut flags: Vec<&Flag> = section.members.iter().flat_map(|member| &member.object.flags).collect();
        flags.sort_by_key(|flag| (std::cmp::Reverse(flag.severity), flag.rule));
        let mut told: Vec<&str> = Vec::new();
        for flag in flags {
            if !told.contains(&flag.explanation.as_str()) {
                told.push(&flag.explanation);
                let name = format!("{}:", flag.rule.name());
                self.sentence("  ! ", ink_of(flag.severity), &name, &flag.explanation, 6);
            }
        }
        match section.status {
            Status::Added => self.body(first.nodes.new.as_ref(), '+', Ink::New),
            Status::Removed => self.body(first.nodes.old.as_ref(), '-', Ink::Old),
            _ => {
                for change in &section.changes {
                    self.change(change, 2);
                }
                if first.changes.is_empty() && section.status == Status::Changed {
                    let line = self.ink(Ink::Dim, "  the same content, written in another way");
                    self.line(&line);
                }
            }
        }
        if !section.shared.is_empty() {
            let numbers: Vec<String> = section.shared.iter().map(|number| format!("({})", number + 1)).collect();
            let line = self.ink(Ink::Dim, &format!("  and {} above", numbers.join(", ")));
            self.line(&line);
        }
        if section.members.len() > 1 {
            self.members(&section.members, section.is_exact);
        }
    }

    /// Where a section's objects are.
    fn members(&mut self, members: &[Member<'_>], is_exact: bool) {
        if !is_exact {
            let line = self.ink(Ink::Dim, "  (as in the first; each of the others with its own names or checksums)");
            self.line(&line);
        }
        if members.len() <= MEMBER_LINES_MAX {
            for member in members {
                let place = member.place();
                let place = if place.is_empty() { String::new() } else { format!("{place}  ") };
                let (line, hashes) = (format!("    in {place}{}", member.object.id), hashes(member));
                let fits = line.width() + hashes.width() + 2 <= self.layout.width;
                let line = self.ink(Ink::Dim, &if fits { format!("{line}  {hashes}") } else { line });
                self.line(&line);
            }
            return;
        }
        let mut environments: IndexMap<&str, Vec<String>> = IndexMap::new();
        for member in members {
            let id = &member.object.id;
            let blank = if member.release.name.is_empty() { "" } else { " " };
            let item = format!("{}{blank}{}/{}", member.release.name, id.kind, id.name);
            environments.entry(member.environment.name.as_str()).or_default().push(item);
        }
        for (environment, items) in environments {
            let blank = if environment.is_empty() { "" } else { " " };
            let first = format!("    in {environment}{blank}({}): ", items.len());
            for line in wrap::items(&first, &items, self.layout.width) {
                let line = self.ink(Ink::Dim, &line);
                self.line(&line);
            }
        }
    }

    /// An object that came or went.
    fn body(&mut self, node: Option<&Node>, sign: char, ink: Ink) {
        let Some(node) = node else { return };
        let text = value::block(node);
        let lines: Vec<&str> = text.lines().collect();
        let shown = if self.layout.is_full { lines.len() } else { lines.len().min(BODY_LINES_MAX) };
        for line in &lines[..shown] {
            let line = self.ink(ink, &format!("  {sign} {line}"));
            self.line(&line);
        }
        if shown < lines.len() {
            let line = format!("    … {} (--full shows them)", many(lines.len() - shown, "more line"));
            let line = self.ink(Ink::Dim, &line);
            self.line(&line);
        }
    }

    fn change(&mut self, change: &Change, indent: usize) {
        let pad = " ".repeat(indent);
        let path = printable(&change.path.to_string());
        match &change.what {
            What::Added(node) => self.value(&pad, '+', &path, node, Ink::New),
            What::Removed(node) => self.value(&pad, '-', &path, node, Ink::Old),
            What::Changed { old, new, same_meaning } => self.changed(&pad, &path, old, new, *same_meaning),
            What::Reordered(items) => {
                let labels: Vec<&str> = items.iter().map(|item| &*item.label).collect();
                let line = format!("{pad}o {path}: only the order changed, now {}", printable(&labels.join(", ")));
                self.line(&line);
            }
            What::Text { old, new } => {
                self.line(&format!("{pad}~ {path}:"));
                self.text(old, new, indent + 4);
            }
            What::Embedded { format, changes, comments_changed, .. } => {
                let comments = if *comments_changed { ", comments too" } else { "" };
                self.line(&format!("{pad}~ {path} ({}{comments}):", format.name()));
                for inner in changes {
                    self.change(inner, indent + 4);
                }
            }
        }
    }

    /// A value that came or went: in the line, or as YAML below it.
    fn value(&mut self, pad: &str, sign: char, path: &str, node: &Node, ink: Ink) {
        let line = value::line(node);
        let is_scalar = node.as_map().is_none() && node.as_seq().is_none() && !is_long(node);
        if is_scalar || line.len() + path.len() + pad.len() + 4 <= self.layout.width / 2 {
            let line = self.ink(ink, &format!("{pad}{sign} {path}: {line}"));
            self.line(&line);
            return;
        }
        let line = self.ink(ink, &format!("{pad}{sign} {path}:"));
        self.line(&line);
        for line in value::block(node).lines() {
            let line = self.ink(ink, &format!("{pad}    {line}"));
            self.line(&line);
        }
    }

    fn changed(&mut self, pad: &str, path: &str, old: &Node, new: &Node, same_meaning: Option<&str>) {
        let (a, b) = value::pair(old, new, value::VALUE_CHARS_MAX);
        let (x, y) = words(&a, &b);
        let (x, y) = (self.pieces(&x, Ink::Old, Ink::OldMark), self.pieces(&y, Ink::New, Ink::NewMark));
        let why = same_meaning.map(|why| self.ink(Ink::Dim, &format!("  (same meaning: {why})"))).unwrap_or_default();
        if pad.len() + path.len() + a.len() + b.len() + 8 <= self.layout.width {
            self.line(&format!("{pad}~ {path}: {x} → {y}{why}"));
        } else {
            self.line(&format!("{pad}~ {path}:{why}"));
            self.line(&format!("{pad}    {}{x}", self.ink(Ink::Old, "- ")));
            self.line(&format!("{pad}    {}{y}", self.ink(Ink::New, "+ ")));
        }
    }

    fn pieces(&self, pieces: &[Piece], plain: Ink, mark: Ink) -> String {
        pieces.iter().map(|piece| self.ink(if piece.is_marked { mark } else { plain }, &piece.text)).collect()
    }

    fn text(&mut self, old: &str, new: &str, indent: usize) {
        let pad = " ".repeat(indent);
        for (number, hunk) in hunks(old, new).iter().enumerate() {
            if number > 0 {
                let line = self.ink(Ink::Dim, &format!("{pad}⋯"));
                self.line(&line);
            }
            if self.layout.is_side_by_side {
                self.side_by_side(hunk, &pad);
                continue;
            }
            for line in &hunk.lines {
                let text = self.text_line(line);
                self.line(&format!("{pad}{text}"));
            }
        }
    }

    fn text_line(&self, line: &Line) -> String {
        match line.side {
            LineSide::Both => format!("  {}", printable(&line.text())),
            LineSide::Old => {
                format!("{}{}", self.ink(Ink::Old, "- "), self.pieces(&line.pieces, Ink::Old, Ink::OldMark))
            }
            LineSide::New => {
                format!("{}{}", self.ink(Ink::New, "+ "), self.pieces(&line.pieces, Ink::New, Ink::NewMark))
            }
        }
    }

    fn side_by_side(&mut self, hunk: &Hunk, pad: &str) {
        let column = (self.layout.width.saturating_sub(pad.len() + 3) / 2).max(10);
        let mut rest = &hunk.lines[..];
        while let Some(first) = rest.first() {
            if first.side == LineSide::Both {
                let cell = self.cell(Some(first), column);
                self.line(&format!("{pad}{cell} │ {cell}"));
                rest = &rest[1..];
                continue;
            }
            let old = rest.iter().take_while(|line| line.side == LineSide::Old).count();
            let new = rest[old..].iter().take_while(|line| line.side == LineSide::New).count();
            let (left, right) = (&rest[..old], &rest[old..old + new]);
            for row in 0..old.max(new) {
                let (a, b) = (self.cell(left.get(row), column), self.cell(right.get(row), column));
                self.line(&format!("{pad}{a} │ {b}"));
            }
            rest = &rest[old + new..];
        }
    }

    /// One side of a line, exactly `column` columns wide.
    fn cell(&self, line: Option<&Line>, column: usize) -> String {
        let Some(line) = line else { return " ".repeat(column) };
        let (sign, plain, mark) = match line.side {
            LineSide::Both => ("  ".to_owned(), None, None),
            LineSide::Old => (self.ink(Ink::Old, "- "), Some(Ink::Old), Some(Ink::OldMark)),
            LineSide::New => (self.ink(Ink::New, "+ "), Some(Ink::New), Some(Ink::NewMark)),
        };
        let (mut out, mut used) = (sign, 2);
        'pieces: for piece in &line.pieces {
            let mut text = String::new();
            let mut is_cut = false;
            for c in printable(&piece.text).chars() {
                let width = c.width().unwrap_or(0);
                if used + width > column - 1 {
                    text.push('…');
                    used += 1;
                    is_cut = true;
                    break;
                }
                text.push(c);
                used += width;
            }
            out.push_str(&match if piece.is_marked { mark } else { plain } {
                Some(ink) => self.ink(ink, &text),
                None => text,
            });
            if is_cut {
                break 'pieces;
            }
        }
        out + &" ".repeat(column.saturating_sub(used))
    }

    /// The flags, one word each, the gravest first; they end the last line if that has room after `used` columns.
    fn flags<'f>(&mut self, flags: impl Iterator<Item = &'f Flag>, used: usize) {
        let mut flags: Vec<_> = flags.map(|flag| (std::cmp::Reverse(flag.severity), flag.rule)).collect();
        flags.sort_unstable();
        let mut names: Vec<(Severity, &str)> = Vec::new();
        for (severity, rule) in flags {
            if !names.iter().any(|(_, name)| *name == rule.name()) {
                names.push((severity.0, rule.name()));
            }
        }
        if names.is_empty() {
            return;
        }
        let width = names.iter().map(|(_, name)| name.len() + 2).sum::<usize>();
        let inked: Vec<String> = names.iter().map(|(severity, name)| self.ink(ink_of(*severity), name)).collect();
        if used + width <= self.layout.width {
            self.out.pop();
            let line = format!("  {}", inked.join(", "));
            self.line(&line);
        } else {
            self.line(&format!("    {}", inked.join(", ")));
        }
    }

    /// Documents that let the applier delete what its guards would hold.
    fn removals(&mut self, report: &Report) {
        for environment in &report.environments {
            let Some(removal) = &environment.removal else { continue };
            let title = format!(
                "held in {}: the applier deletes this only with this document in releases/{}/",
                environment.name, environment.name
            );
            self.title(&title, "");
            for line in removal.lines() {
                self.line(&printable(line));
            }
        }
    }
}

fn ink_of(severity: Severity) -> Ink {
    match severity {
        Severity::Danger => Ink::Danger,
        Severity::Caution => Ink::Warn,
        Severity::Info => Ink::Bold,
    }
}

fn parts(counts: &Counts) -> [(usize, Status); 5] {
    [
        (counts.added, Status::Added),
        (counts.removed, Status::Removed),
        (counts.changed, Status::Changed),
        (counts.renamed, Status::Renamed),
        (counts.moved, Status::Moved),
    ]
}

/// `1 added, 2 changed`.
pub fn plain_counts(counts: &Counts) -> String {
    let some = parts(counts).into_iter().filter(|(count, _)| *count > 0);
    some.map(|(count, status)| format!("{count} {}", status.name())).collect::<Vec<_>>().join(", ")
}

/// `3 objects`, `1 object`.
pub fn many(count: usize, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}

/// The first digits of a hash.
pub fn short(hash: &str, digits: usize) -> &str {
    hash.get(..digits).unwrap_or(hash)
}

fn hashes(member: &Member<'_>) -> String {
    let hashes = &member.object.hashes;
    if hashes.old.is_none() && hashes.new.is_none() {
        return String::new();
    }
    let digits = |hash: &Option<String>| hash.as_deref().map_or("-", |hash| short(hash, HASH_DIGITS)).to_owned();
    format!("{} → {}", digits(&hashes.old), digits(&hashes.new))
}

fn is_long(node: &Node) -> bool {
    node.as_str().is_some_and(|text| text.contains('\n'))
}
