//! Diagnostics: what is wrong, where, and how to mend it.
//!
//! Every stage reports with [`Diagnostic`]; nothing here prints. A place is a byte range of a
//! [`Source`], so line and column are worked out only when somebody reads the message.

use std::borrow::Cow;
use std::fmt::{self, Write as _};
use std::io;
use std::ops::Deref;
use std::sync::Arc;

use unicode_width::UnicodeWidthStr;

/// A text that diagnostics can point into: a file, or a text that a template rendered.
#[derive(Debug)]
pub struct Source {
    /// The name as shown to the user, relative to the repository's root, with `/`.
    pub name: String,
    /// The whole text.
    pub text: SourceText,
}

/// A text that is shared with others, as that of a template is; or one's own, as what it gave is, which may be large and is
/// not copied to be shared.
#[derive(Debug, Clone)]
pub enum SourceText {
    /// With others.
    Shared(Arc<str>),
    /// With nobody.
    Own(String),
}

impl SourceText {
    /// Whether it is this very text, not only an equal one.
    pub fn is(&self, other: &str) -> bool {
        std::ptr::eq(&**self, other)
    }

    /// The text to be shared; copied if it was one's own.
    pub fn shared(&self) -> Arc<str> {
        match self {
            SourceText::Shared(text) => text.clone(),
            SourceText::Own(text) => text.as_str().into(),
        }
    }
}

impl Deref for SourceText {
    type Target = str;

    #[inline]
    fn deref(&self) -> &str {
        match self {
            SourceText::Shared(text) => text,
            SourceText::Own(text) => text,
        }
    }
}

impl From<String> for SourceText {
    fn from(text: String) -> SourceText {
        SourceText::Own(text)
    }
}

impl From<&str> for SourceText {
    fn from(text: &str) -> SourceText {
        SourceText::Shared(text.into())
    }
}

impl From<Arc<str>> for SourceText {
    fn from(text: Arc<str>) -> SourceText {
        SourceText::Shared(text)
    }
}

impl From<Cow<'_, str>> for SourceText {
    fn from(text: Cow<'_, str>) -> SourceText {
        match text {
            Cow::Borrowed(text) => text.into(),
            Cow::Owned(text) => text.into(),
        }
    }
}

impl Source {
    /// A source that diagnostics share.
    pub fn new(name: impl Into<String>, text: impl Into<SourceText>) -> Arc<Source> {
        Arc::new(Source { name: name.into(), text: text.into() })
    }

    /// The place of a byte offset: line and column, both from 1, the column counted in characters.
    pub fn line_column(&self, offset: u32) -> (usize, usize) {
        let offset = floor_char_boundary(&self.text, offset as usize);
        let before = &self.text[..offset];
        let line_start = before.rfind('\n').map_or(0, |i| i + 1);
        let line = before.bytes().filter(|b| *b == b'\n').count() + 1;
        (line, before[line_start..].chars().count() + 1)
    }

    /// The text of the line that holds a byte offset, without its line end, and the offset it starts at.
    pub fn line_at(&self, offset: u32) -> (&str, usize) {
        let offset = floor_char_boundary(&self.text, offset as usize);
        let start = self.text[..offset].rfind('\n').map_or(0, |i| i + 1);
        let end = self.text[offset..].find('\n').map_or(self.text.len(), |i| offset + i);
        (self.text[start..end].trim_end_matches('\r'), start)
    }
}

fn floor_char_boundary(text: &str, mut offset: usize) -> usize {
    offset = offset.min(text.len());
    while !text.is_char_boundary(offset) {
        offset -= 1;
    }
    offset
}

/// A text for one line of a terminal: control characters, which could move the cursor or forge a line, as Rust writes
/// them in a string.
pub fn visible(text: &str) -> Cow<'_, str> {
    escaped(text, char::is_control)
}

fn escaped(text: &str, is_hidden: impl Fn(char) -> bool) -> Cow<'_, str> {
    if !text.contains(&is_hidden) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if is_hidden(c) { shown.extend(c.escape_default()) } else { shown.push(c) }
    }
    Cow::Owned(shown)
}

/// How to mend what the file system refused, as a line of help.
pub fn io_help(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::PermissionDenied => "give the user that kcfg runs as the right to it",
        io::ErrorKind::ReadOnlyFilesystem => "make the file system writable",
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "make room on the disk, then try again",
        io::ErrorKind::FileTooLarge => "move it away: this is no file for this place",
        _ => "put a regular file in its place, or remove it",
    }
}

/// A byte range of a source: small and `Copy`, so that every node of a tree can carry one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Span {
    /// First byte.
    pub start: u32,
    /// One past the last byte; `start == end` marks a point.
    pub end: u32,
}

impl Span {
    /// The span of a value that no text holds.
    pub const NONE: Span = Span { start: u32::MAX, end: u32::MAX };

    /// A span from two byte offsets.
    pub fn new(start: usize, end: usize) -> Span {
        let clamp = |n: usize| u32::try_from(n).unwrap_or(u32::MAX - 1);
        Span { start: clamp(start), end: clamp(end) }
    }

    /// Whether the span points into a text at all.
    pub fn is_some(self) -> bool {
        self != Span::NONE
    }
}

/// A span and the source it points into; a span of [`Span::NONE`] names the file as a whole.
#[derive(Debug, Clone)]
pub struct Place {
    /// The text.
    pub source: Arc<Source>,
    /// The bytes of it.
    pub span: Span,
}

impl fmt::Display for Place {
    /// `file:line:column`, or the file alone.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.span.is_some() {
            return f.write_str(&visible(&self.source.name));
        }
        let (line, column) = self.source.line_column(self.span.start);
        write!(f, "{}:{line}:{column}", visible(&self.source.name))
    }
}

/// How much a diagnostic matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Nothing was refused; somebody should look.
    Warning,
    /// The release, file or command was refused.
    Error,
}

/// A rule of `kcfg lint`; its table of rules says what each is for. One byte, so that results stay small.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs)]
pub enum RuleName {
    ChartUrl,
    DeprecatedApi,
    DuplicateKey,
    FileName,
    PlainSecret,
    ReleaseName,
    RemovedApi,
    SharedObject,
    UnknownKey,
    UnreadValue,
    ValuesSchema,
}

impl RuleName {
    /// The name as findings show it.
    pub fn as_str(self) -> &'static str {
        match self {
            RuleName::ChartUrl => "chart-url",
            RuleName::DeprecatedApi => "deprecated-api",
            RuleName::DuplicateKey => "duplicate-key",
            RuleName::FileName => "file-name",
            RuleName::PlainSecret => "plain-secret",
            RuleName::ReleaseName => "release-name",
            RuleName::RemovedApi => "removed-api",
            RuleName::SharedObject => "shared-object",
            RuleName::UnknownKey => "unknown-key",
            RuleName::UnreadValue => "unread-value",
            RuleName::ValuesSchema => "values-schema",
        }
    }
}

/// A second place that belongs to the message: an include frame, the first of two duplicate keys, where a value was set.
#[derive(Debug, Clone)]
pub struct Note {
    /// What is there, as a phrase: "included here", "the value was set here".
    pub message: String,
    /// The place, if there is one.
    pub place: Option<Place>,
}

/// One finding: what, where, why, and one line of help.
#[derive(Debug, Clone)]
pub struct Diagnostic {
    /// Error or warning.
    pub severity: Severity,
    /// What is wrong, one sentence without a full stop, lower case unless it begins with a name.
    pub message: String,
    /// Where; none for a finding about the command line or the machine.
    pub place: Option<Place>,
    /// Further places, nearest first.
    pub notes: Vec<Note>,
    /// How to mend it, one line.
    pub help: Option<String>,
    /// The rule of `kcfg lint` that it belongs to, if it belongs to one.
    pub rule: Option<RuleName>,
}

impl Diagnostic {
    /// An error without a place.
    pub fn error(message: impl Into<String>) -> Diagnostic {
        Diagnostic {
            severity: Severity::Error,
            message: message.into(),
            place: None,
            notes: Vec::new(),
            help: None,
            rule: None,
        }
    }

    /// A warning without a place.
    pub fn warning(message: impl Into<String>) -> Diagnostic {
        Diagnostic { severity: Severity::Warning, ..Diagnostic::error(message) }
    }

    /// The same, pointing at a span of a source.
    #[must_use]
    pub fn at(mut self, source: &Arc<Source>, span: Span) -> Diagnostic {
        self.place = Some(Place { source: source.clone(), span });
        self
    }

    /// The same, pointing at a file of which there is no text (missing, binary, a folder).
    #[must_use]
    pub fn at_file(self, name: impl Into<String>) -> Diagnostic {
        let source = Source::new(name, "");
        self.at(&source, Span::NONE)
    }

    /// The same with one more note.
    #[must_use]
    pub fn note(mut self, message: impl Into<String>, place: Option<Place>) -> Diagnostic {
        self.notes.push(Note { message: message.into(), place });
        self
    }

    /// The same with its line of help.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Diagnostic {
        self.help = Some(help.into());
        self
    }

    /// The same, as a finding of a rule of `kcfg lint`.
    #[must_use]
    pub fn rule(mut self, name: RuleName) -> Diagnostic {
        self.rule = Some(name);
        self
    }

    /// The text for a terminal: message, place, line with carets, notes, help; ends with a line feed.
    pub fn render(&self, style: Style) -> String {
        let mut out = String::new();
        let (label, colour) = match self.severity {
            Severity::Error => ("error", style.red),
            Severity::Warning => ("warning", style.yellow),
        };
        let message = visible_lines(&self.message);
        let _ = writeln!(out, "{colour}{label}{}{}: {message}{}", style.reset, style.bold, style.reset);
        if let Some(place) = &self.place {
            snippet(&mut out, place, style);
        }
        for note in &self.notes {
            let _ = writeln!(out, "{}note{}: {}", style.bold, style.reset, visible_lines(&note.message));
            if let Some(place) = &note.place {
                snippet(&mut out, place, style);
            }
        }
        if let Some(help) = &self.help {
            let _ = writeln!(out, "{}help{}: {}", style.green, style.reset, visible_lines(help));
        }
        out
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(Style::PLAIN))
    }
}

impl std::error::Error for Diagnostic {}

/// The escape sequences of a rendered diagnostic: [`Style::PLAIN`] has none.
#[derive(Debug, Clone, Copy)]
#[allow(missing_docs)]
pub struct Style {
    pub bold: &'static str,
    pub red: &'static str,
    pub yellow: &'static str,
    pub green: &'static str,
    pub blue: &'static str,
    pub reset: &'static str,
}

impl Style {
    /// No colour.
    pub const PLAIN: Style = Style { bold: "", red: "", yellow: "", green: "", blue: "", reset: "" };
    /// ANSI colours.
    pub const COLOUR: Style = Style {
        bold: "\x1b[1m",
        red: "\x1b[1;31m",
        yellow: "\x1b[1;33m",
        green: "\x1b[1;32m",
        blue: "\x1b[1;34m",
        reset: "\x1b[0m",
    };
}

/// The same as [`visible`] for a text of several lines.
fn visible_lines(text: &str) -> Cow<'_, str> {
    escaped(text, |c| c.is_control() && !matches!(c, '\n' | '\t'))
}

/// Lines longer than this are cut around the span.
const SNIPPET_WIDTH_MAX: usize = 160;

fn snippet(out: &mut String, place: &Place, style: Style) {
    let _ = writeln!(out, "  {}-->{} {place}", style.blue, style.reset);
    if !place.span.is_some() || place.source.text.is_empty() {
        return;
    }
    let (line, line_start) = place.source.line_at(place.span.start);
    let (number, _) = place.source.line_column(place.span.start);
    let from = floor_char_boundary(line, (place.span.start as usize).saturating_sub(line_start));
    let to = floor_char_boundary(line, (place.span.end as usize).saturating_sub(line_start)).max(from);
    let (cut_from, cut_to) = window(line, from, to);
    let show = |text: &str| text.replace('\t', "    ").replace(|c: char| c.is_control(), "\u{fffd}");
    let shown = show(&line[cut_from..cut_to]);
    let indent = show(&line[cut_from..from]).width();
    let width = show(&line[from..to.min(cut_to).max(from)]).width().max(1);
    let gutter = number.to_string().len();
    let _ = writeln!(out, "{:gutter$} {}|{}", "", style.blue, style.reset);
    let _ = writeln!(out, "{}{number} |{} {shown}", style.blue, style.reset);
    let _ = writeln!(
        out,
        "{:gutter$} {}|{} {:indent$}{}{}{}",
        "",
        style.blue,
        style.reset,
        "",
        style.red,
        "^".repeat(width),
        style.reset
    );
}

/// The part of a long line to show: all of a short one.
fn window(line: &str, from: usize, to: usize) -> (usize, usize) {
    if line.len() <= SNIPPET_WIDTH_MAX {
        return (0, line.len());
    }
    let start = floor_char_boundary(line, from.saturating_sub(SNIPPET_WIDTH_MAX / 2));
    let end = floor_char_boundary(line, (start + SNIPPET_WIDTH_MAX).max(to.min(start + 2 * SNIPPET_WIDTH_MAX)));
    (start, end)
}

/// Why reading or writing failed, in the system's words without its number.
pub fn reason(error: &std::io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error ").next().unwrap_or_default().to_owned()
}

/// The name nearest to `wanted`, if it is near enough to be what somebody meant.
pub fn nearest<'a>(wanted: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    /// Below this share of equal characters a suggestion confuses more than it helps.
    const RATIO_MIN: f32 = 0.7;
    let lower = wanted.to_lowercase();
    let ratio = |name: &str| match is_swapped(&lower, name) {
        true => 1.0,
        false => similar::TextDiff::from_chars(lower.as_str(), name).ratio(),
    };
    known
        .into_iter()
        .map(|name| (ratio(&name.to_lowercase()), name))
        .filter(|(ratio, _)| *ratio >= RATIO_MIN)
        .max_by(|a, b| a.0.total_cmp(&b.0).then_with(|| b.1.cmp(a.1)))
        .map(|(_, name)| name)
}

/// Whether two names differ by two neighbouring characters only, which stand the other way round.
fn is_swapped(a: &str, b: &str) -> bool {
    let different: Vec<_> = a.chars().zip(b.chars()).enumerate().filter(|(_, (a, b))| a != b).collect();
    match different[..] {
        [(i, (a1, b1)), (j, (a2, b2))] => i + 1 == j && a1 == b2 && a2 == b1 && a.chars().count() == b.chars().count(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_diagnostic_shows_place_line_carets_notes_and_help() {
        let source = Source::new("charts/web/values.yaml", "image:\n\ttag: é1\nport: 80\n");
        let d = Diagnostic::error("a tab indents this line")
            .at(&source, Span::new(7, 8))
            .note("the mapping begins here", Some(Place { source: source.clone(), span: Span::new(0, 5) }))
            .help("indent with spaces");
        assert_eq!(
            d.to_string(),
            "error: a tab indents this line\n  --> charts/web/values.yaml:2:1\n  |\n2 |     tag: é1\n  | ^^^^\n\
             note: the mapping begins here\n  --> charts/web/values.yaml:1:1\n  |\n1 | image:\n  | ^^^^^\n\
             help: indent with spaces\n"
        );
    }

    #[test]
    fn a_place_past_the_end_is_no_panic() {
        let source = Source::new("x", "é");
        let place = Place { source: source.clone(), span: Span::new(1, 900) };
        assert_eq!(place.to_string(), "x:1:1");
        assert!(Diagnostic::error("e").at(&source, Span::new(70, 71)).to_string().contains("x:1:2"));
    }

    #[test]
    fn the_nearest_name_is_found_and_a_far_one_is_not() {
        assert_eq!(nearest("releasName", ["releaseName", "values", "chart"]), Some("releaseName"));
        assert_eq!(nearest("zzz", ["releaseName", "values"]), None);
        assert_eq!(nearest("wbe", ["api", "web"]), Some("web"));
        assert_eq!(nearest("abc", ["cab", "acd"]), None);
    }
}
