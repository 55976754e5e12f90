//! What can be wrong with a text, in go-yaml's words, and told to a person.

use std::sync::Arc;

use crate::error::{Diagnostic, Place, Source, Span};

/// A place where reading stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Problem {
    pub(super) fault: Fault,
    /// Byte offset, and the line breaks before it.
    pub(super) at: usize,
    pub(super) line: u32,
    /// Where the construct began that could not be finished.
    pub(super) context_at: usize,
    pub(super) context_line: u32,
    /// go-yaml counts the lines of such problems otherwise.
    pub(super) in_scanner: bool,
}

/// Why a text, or a part of it, could not be read.
#[derive(Debug)]
pub(super) struct Failure {
    /// The text of the error as sigs.k8s.io/yaml gives it; Helm's `fromYaml` shows it to templates.
    pub(super) go: String,
    pub(super) diagnostic: Diagnostic,
}

impl Failure {
    /// In a box, for it is large, and whatever may fail gives a result that holds one.
    pub(super) fn new(go: String, diagnostic: Diagnostic) -> Box<Failure> {
        Box::new(Failure { go, diagnostic })
    }
}

/// The kinds of problems.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    AnchorName,
    BlockCollectionEntry,
    BlockMappingKey,
    ByteOrderMark,
    CannotStartToken,
    CommentOrBreak,
    ControlCharacter,
    DirectiveCharacter,
    DirectiveName,
    DocumentInQuotes,
    DocumentStart,
    DuplicateTagDirective,
    DuplicateVersion,
    EndInQuotes,
    ExpectedColon,
    FlowMappingEnd,
    FlowSequenceEnd,
    HexEscape,
    InvalidCharacter,
    KeyHere,
    NodeContent,
    SequenceEntryHere,
    TabInBlock,
    TabInPlain,
    TagAngle,
    TagBang,
    TagBlank,
    TagDirectiveBlank,
    TagEscape,
    TagUri,
    TagUtf8,
    UndefinedTagHandle,
    UnknownDirective,
    UnknownEscape,
    UnsupportedVersion,
    ValueHere,
    VersionLong,
    VersionNumber,
    VersionPoint,
    ZeroIndent,
}

impl Fault {
    /// go-yaml's words.
    fn go(self) -> &'static str {
        match self {
            Fault::AnchorName => "did not find expected alphabetic or numeric character",
            Fault::BlockCollectionEntry => "did not find expected '-' indicator",
            Fault::BlockMappingKey => "did not find expected key",
            Fault::ByteOrderMark | Fault::CannotStartToken => "found character that cannot start any token",
            Fault::CommentOrBreak => "did not find expected comment or line break",
            Fault::ControlCharacter => "control characters are not allowed",
            Fault::DirectiveCharacter => "found unexpected non-alphabetical character",
            Fault::DirectiveName => "could not find expected directive name",
            Fault::DocumentInQuotes => "found unexpected document indicator",
            Fault::DocumentStart => "did not find expected <document start>",
            Fault::DuplicateTagDirective => "found duplicate %TAG directive",
            Fault::DuplicateVersion => "found duplicate %YAML directive",
            Fault::EndInQuotes => "found unexpected end of stream",
            Fault::ExpectedColon => "could not find expected ':'",
            Fault::FlowMappingEnd => "did not find expected ',' or '}'",
            Fault::FlowSequenceEnd => "did not find expected ',' or ']'",
            Fault::HexEscape => "did not find expected hexdecimal number",
            Fault::InvalidCharacter => "found invalid Unicode character escape code",
            Fault::KeyHere => "mapping keys are not allowed in this context",
            Fault::NodeContent => "did not find expected node content",
            Fault::SequenceEntryHere => "block sequence entries are not allowed in this context",
            Fault::TabInBlock => "found a tab character where an indentation space is expected",
            Fault::TabInPlain => "found a tab character that violates indentation",
            Fault::TagAngle => "did not find the expected '>'",
            Fault::TagBang => "did not find expected '!'",
            Fault::TagBlank => "did not find expected whitespace or line break",
            Fault::TagDirectiveBlank => "did not find expected whitespace",
            Fault::TagEscape => "did not find URI escaped octet",
            Fault::TagUri => "did not find expected tag URI",
            Fault::TagUtf8 => "found an incorrect trailing UTF-8 octet",
            Fault::UndefinedTagHandle => "found undefined tag handle",
            Fault::UnknownDirective => "found unknown directive name",
            Fault::UnknownEscape => "found unknown escape character",
            Fault::UnsupportedVersion => "found incompatible YAML document",
            Fault::ValueHere => "mapping values are not allowed in this context",
            Fault::VersionLong => "found extremely long version number",
            Fault::VersionNumber => "did not find expected version number",
            Fault::VersionPoint => "did not find expected digit or '.' character",
            Fault::ZeroIndent => "found an indentation indicator equal to 0",
        }
    }

    /// The same as a sentence, and a line of help where there is a usual cause.
    fn told(self) -> (&'static str, Option<&'static str>) {
        match self {
            Fault::AnchorName => (
                "`&` begins an anchor and `*` an alias, and this is no name of one",
                Some("put the text in quotes if it is meant as text"),
            ),
            Fault::BlockCollectionEntry => (
                "this line stands inside a list, but is no item of it",
                Some("begin it with `- `, or indent it as the key that the list belongs to"),
            ),
            Fault::BlockMappingKey => (
                "this is no key, where the indentation asks for one",
                Some("lines of the same mapping begin in the same column; compare with the line that the note shows"),
            ),
            Fault::ByteOrderMark => (
                "a byte order mark stands in the middle of the text",
                Some("remove it (it is invisible): it got there where two files were joined"),
            ),
            Fault::CannotStartToken => ("no value can begin with this character", Some("put the text in quotes")),
            Fault::CommentOrBreak => {
                ("only a comment can stand here", Some("begin the text of a `|` or `>` block on the next line"))
            }
            Fault::ControlCharacter => (
                "control characters are not allowed in YAML",
                Some("remove it, or write it as an escape like \"\\x1b\" between double quotes"),
            ),
            Fault::DirectiveCharacter | Fault::DirectiveName | Fault::UnknownDirective => (
                "a line that begins with `%` is a directive, and this one is unknown",
                Some("put the text in quotes, or indent it, if it is no directive"),
            ),
            Fault::DocumentInQuotes => (
                "the document ends here, but a quoted text is still open",
                Some("close the quote, or indent this line if it belongs to the text"),
            ),
            Fault::DocumentStart => (
                "the document is over, yet something follows",
                Some("begin another document with `---`, or indent this line as what it belongs to"),
            ),
            Fault::DuplicateTagDirective | Fault::DuplicateVersion => {
                ("this directive stands twice", Some("remove one"))
            }
            Fault::EndInQuotes => {
                ("the quote that opens here is never closed", Some("close it, or double a `'` inside of `'…'`"))
            }
            Fault::ExpectedColon => (
                "this line should be `key: value`, but has no colon followed by a blank",
                Some("write `key: value` with a blank after the colon; indent the line if it continues the one before"),
            ),
            Fault::FlowMappingEnd => {
                ("`{` is not closed: a `,` or `}` should stand here", Some("close it, or put the text in quotes"))
            }
            Fault::FlowSequenceEnd => {
                ("`[` is not closed: a `,` or `]` should stand here", Some("close it, or put the text in quotes"))
            }
            Fault::HexEscape => {
                ("hexadecimal digits should follow `\\x`, `\\u` or `\\U`", Some("write `\\\\` for a backslash"))
            }
            Fault::InvalidCharacter => {
                ("this escape names no character", Some("write the character itself, or `\\U` with eight digits"))
            }
            Fault::KeyHere => ("no key can begin here", Some("begin it on a line of its own")),
            Fault::NodeContent => {
                ("a value should stand here", Some("put the text in quotes if it begins with a special character"))
            }
            Fault::SequenceEntryHere => (
                "no list can begin here: it stands behind a key",
                Some("begin the list on the next line, or put the text in quotes"),
            ),
            Fault::TabInBlock | Fault::TabInPlain => {
                ("a tab indents this line; YAML wants spaces", Some("replace the tab by spaces"))
            }
            Fault::TagAngle
            | Fault::TagBang
            | Fault::TagBlank
            | Fault::TagDirectiveBlank
            | Fault::TagEscape
            | Fault::TagUri
            | Fault::TagUtf8 => {
                ("`!` begins a tag, and this is none", Some("put the text in quotes if it is meant as text"))
            }
            Fault::UndefinedTagHandle => {
                ("this tag begins with a handle that no %TAG line defines", Some("put the text in quotes"))
            }
            Fault::UnknownEscape => (
                "this escape is unknown",
                Some("write `\\\\` for a backslash, or use single quotes, where nothing is escaped"),
            ),
            Fault::UnsupportedVersion => ("only %YAML 1.1 is read, as in Kubernetes", Some("remove the directive")),
            Fault::ValueHere => (
                "a key with a value stands behind another one in the same line",
                Some("put the value in quotes if its `: ` is meant as text; else begin the key on a line of its own"),
            ),
            Fault::VersionLong | Fault::VersionNumber | Fault::VersionPoint => {
                ("%YAML wants a version like 1.1", Some("remove the directive"))
            }
            Fault::ZeroIndent => ("the indentation after `|` or `>` is from 1 to 9", Some("remove the 0")),
        }
    }
}

impl Problem {
    /// The problem, told with the text around it.
    pub(super) fn failure(self, source: &Arc<Source>) -> Box<Failure> {
        let line = match (self.line, self.context_line) {
            (0, 0) => None,
            (0, context) => Some(context),
            (line, _) => Some(line + u32::from(self.in_scanner)),
        };
        let at = line.map_or(String::new(), |line| format!("line {line}: "));
        Failure::new(format!("yaml: {at}{}", self.fault.go()), self.diagnostic(source))
    }

    fn diagnostic(self, source: &Arc<Source>) -> Diagnostic {
        if let Some(found) = usual_mistake(self, source) {
            return found;
        }
        let (message, help) = self.fault.told();
        // What is told about the beginning is shown there; the end of the text shows nothing.
        let from_context = matches!(self.fault, Fault::AnchorName | Fault::EndInQuotes | Fault::ExpectedColon);
        let (at, other) = if from_context { (self.context_at, self.at) } else { (self.at, self.context_at) };
        let mut found = Diagnostic::error(message).at(source, point(source, at));
        let same_line = source.text.get(at.min(other)..at.max(other)).is_none_or(|t| !t.contains('\n'));
        if !same_line {
            let what = if from_context { "it is noticed here" } else { "it should belong to what begins here" };
            found = found.note(what, Some(Place { source: source.clone(), span: point(source, other) }));
        }
        match help {
            Some(help) => found.help(help),
            None => found,
        }
    }
}

/// The character at an offset; the last one of the text at its end.
fn point(source: &Source, at: usize) -> Span {
    let at = at.min(source.text.trim_end().len());
    let width =
        source.text.get(at..).and_then(|t| t.chars().next()).filter(|c| !c.is_control()).map_or(0, char::len_utf8);
    Span::new(at, at + width)
}

/// The mistakes that people make most, told by what their lines look like.
fn usual_mistake(problem: Problem, source: &Arc<Source>) -> Option<Diagnostic> {
    let Problem { fault, at, context_at, .. } = problem;
    for at in [context_at, at] {
        let (line, start) = source.line_at(u32::try_from(at).ok()?);
        if ["<<<<<<<", "=======", ">>>>>>>", "|||||||"].iter().any(|marker| line.starts_with(marker)) {
            return Some(
                Diagnostic::error("a merge conflict was left in this text")
                    .at(source, Span::new(start, start + 7))
                    .help("resolve it: keep what is right of both sides, and remove the lines with <<<<<<<, ======= and >>>>>>>"),
            );
        }
    }
    let (line, start) = source.line_at(u32::try_from(at).ok()?);
    let indentation = line.len() - line.trim_start_matches([' ', '\t']).len();
    if let Some(tab) = line[..indentation].find('\t') {
        return Some(
            Diagnostic::error("a tab indents this line; YAML wants spaces")
                .at(source, Span::new(start + tab, start + tab + 1))
                .help("replace the tab by spaces"),
        );
    }
    let by_braces = matches!(
        fault,
        Fault::FlowMappingEnd
            | Fault::BlockMappingKey
            | Fault::NodeContent
            | Fault::CannotStartToken
            | Fault::ExpectedColon
            | Fault::ValueHere
    );
    for at in [context_at, at] {
        let (line, start) = source.line_at(u32::try_from(at).ok()?);
        if let Some(braces) = unquoted_braces(line).filter(|_| by_braces) {
            return Some(
                Diagnostic::error("`{{` outside of quotes begins a mapping inside a mapping")
                    .at(source, Span::new(start + braces, start + braces + 2))
                    .help("put the value in quotes; or, if a template was meant, this text is not rendered as one"),
            );
        }
    }
    let in_brackets = matches!(fault, Fault::FlowMappingEnd | Fault::FlowSequenceEnd | Fault::NodeContent);
    if in_brackets && source.text.get(at..).is_none_or(|rest| rest.trim().is_empty()) {
        return Some(
            Diagnostic::error("the text ends before a `{` or `[` is closed")
                .at(source, point(source, context_at))
                .help("close it, or put the text in quotes"),
        );
    }
    let is_first = source.text.get(start..at).is_none_or(|before| before.trim_start().is_empty());
    if fault == Fault::BlockMappingKey && !is_first {
        return Some(
            Diagnostic::error("the value ends before this place, yet the line goes on")
                .at(source, point(source, at))
                .help("put all of the value in quotes; between single quotes, `'` is written twice"),
        );
    }
    if let Some(found) = wrong_indentation(fault, at, source) {
        return Some(found);
    }
    if fault == Fault::CannotStartToken {
        let c = source.text.get(at..)?.chars().next()?;
        return Some(
            Diagnostic::error(format!("no value can begin with `{c}`"))
                .at(source, point(source, at))
                .help("put the value in quotes"),
        );
    }
    None
}

/// A line that stands too far to the left or to the right of those above it.
fn wrong_indentation(fault: Fault, at: usize, source: &Arc<Source>) -> Option<Diagnostic> {
    let (line, start) = source.line_at(u32::try_from(at).ok()?);
    let own = indentation(line);
    let first = start + own;
    let is_text = |line: &str| !line.trim_start().is_empty() && !line.trim_start().starts_with('#');
    let above: Vec<(usize, &str)> = source.text[..start].lines().enumerate().filter(|(_, l)| is_text(l)).collect();
    let told = |(number, line): (usize, &str)| {
        let text: String = line.trim().chars().take(40).collect();
        format!("line {}, `{text}`", number + 1)
    };
    match fault {
        // `a: 1`, and deeper below it `b: 2`: that is one text, up to the second colon.
        Fault::ValueHere => {
            let before = *above.last()?;
            let is_first_colon = !source.text[first..at].contains(": ");
            if is_first_colon && let Some(colon) = colon_without_blank(before.1) {
                let line_start = source.text.split_inclusive('\n').take(before.0).map(str::len).sum::<usize>();
                let (name, value) = before.1.split_at(colon);
                return Some(
                    Diagnostic::error("a blank is missing behind this `:`")
                        .at(source, point(source, line_start + colon))
                        .help(format!("write `{}: {}`", name.trim(), value[1..].trim())),
                );
            }
            if !is_first_colon || indentation(before.1) >= own || !before.1.contains(": ") {
                return None;
            }
            let columns = indentation(before.1);
            Some(
                Diagnostic::error("this line is indented deeper than the one above, which has its value already")
                    .at(source, Span::new(first, at))
                    .help(format!("indent it by {columns}, as {}", told(before))),
            )
        }
        Fault::BlockMappingKey | Fault::BlockCollectionEntry if at == first => {
            let mut open: Vec<(usize, &str)> = Vec::new();
            for candidate in above.into_iter().rev() {
                let columns = indentation(candidate.1);
                if open.last().is_none_or(|(_, line)| columns < indentation(line)) {
                    open.push(candidate);
                }
                if columns <= own {
                    break;
                }
            }
            let (outer, inner) = (*open.last()?, *open.get(open.len().checked_sub(2)?)?);
            let (left, right) = (indentation(outer.1), indentation(inner.1));
            if left >= own || right <= own {
                return None;
            }
            Some(
                Diagnostic::error(format!("the indentation of this line, {own}, is that of no line above"))
                    .at(source, point(source, at))
                    .help(format!("indent it by {left}, as {}; or by {right}, as {}", told(outer), told(inner))),
            )
        }
        _ => None,
    }
}

/// Where the `:` stands in a line that looks like `name:value`.
fn colon_without_blank(line: &str) -> Option<usize> {
    let colon = line.find(':')?;
    let (name, value) = (line[..colon].trim(), &line[colon + 1..]);
    let is_name = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.');
    let looks_so =
        !name.is_empty() && name.chars().all(is_name) && !value.starts_with([' ', '/', ':']) && !value.is_empty();
    (looks_so && !value.contains(": ")).then_some(colon)
}

/// Where `{{` stands in a line outside of quotes.
fn unquoted_braces(line: &str) -> Option<usize> {
    let mut quote = None;
    for (at, byte) in line.bytes().enumerate() {
        match (quote, byte) {
            (None, b'\'' | b'"') => quote = Some(byte),
            (Some(open), _) if open == byte => quote = None,
            (None, b'{') if line[at..].starts_with("{{") => return Some(at),
            _ => {}
        }
    }
    None
}

fn indentation(line: &str) -> usize {
    line.len() - line.trim_start_matches(' ').len()
}
