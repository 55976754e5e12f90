//! Changes as the lines of a `diff` block: the place as a hunk's header, what was there behind `-`, what is there now
//! behind `+`.

use crate::diff::change::{Change, What};
use crate::diff::report::Status;
use crate::diff::section::Section;
use crate::diff::text::{Line, LineSide, hunks};
use crate::diff::write::value::{self, printable, window};
use crate::yaml::Node;

/// Characters of a line that are shown, about the place where it changed.
const LINE_CHARS_MAX: usize = 300;

/// What a section shows of its objects.
pub fn section(section: &Section<'_>) -> Vec<String> {
    let mut lines = Vec::new();
    let first = section.members[0].object;
    match section.status {
        Status::Added => node(&mut lines, '+', first.nodes.new.as_ref()),
        Status::Removed => node(&mut lines, '-', first.nodes.old.as_ref()),
        _ => section.changes.iter().for_each(|change| self::change(&mut lines, "", change)),
    }
    lines
}

/// One change; `above` is the place of the text that it is in, if it is in one.
pub fn change(lines: &mut Vec<String>, above: &str, change: &Change) {
    let place = printable(&format!("{above}{}", change.path));
    let mut header = |rest: &str| lines.push(format!("@@ {place} @@{rest}"));
    match &change.what {
        What::Added(value) => {
            header("");
            node(lines, '+', Some(value));
        }
        What::Removed(value) => {
            header("");
            node(lines, '-', Some(value));
        }
        What::Changed { old, new, same_meaning } => {
            header(&same_meaning.map(|why| format!(" same meaning: {why}")).unwrap_or_default());
            let (old, new) = value::pair(old, new, value::VALUE_CHARS_MAX);
            lines.push(printable(&format!("- {old}")));
            lines.push(printable(&format!("+ {new}")));
        }
        What::Text { old, new } => {
            header("");
            for (number, hunk) in hunks(old, new).iter().enumerate() {
                if number > 0 {
                    lines.push("  ⋯".into());
                }
                lines.extend(hunk.lines.iter().map(text_line));
            }
        }
        What::Embedded { format, changes, comments_changed, .. } => {
            let above = format!("{place} ({}) ", format.name());
            changes.iter().for_each(|inner| self::change(lines, &above, inner));
            if *comments_changed {
                lines.push(format!("@@ {place} @@ comments changed too"));
            }
        }
        What::Reordered(items) => {
            header(" only the order changed");
            let labels: Vec<&str> = items.iter().map(|item| &*item.label).collect();
            lines.push(printable(&format!("  now {}", window(&labels.join(", "), 0, LINE_CHARS_MAX))));
        }
    }
}

fn node(lines: &mut Vec<String>, sign: char, node: Option<&Node>) {
    let Some(node) = node else { return };
    let block = value::block(node);
    lines.extend(block.lines().map(|line| printable(&format!("{sign} {}", window(line, 0, LINE_CHARS_MAX)))));
}

fn text_line(line: &Line) -> String {
    let sign = match line.side {
        LineSide::Both => ' ',
        LineSide::Old => '-',
        LineSide::New => '+',
    };
    let unmarked = line.pieces.iter().take_while(|piece| !piece.is_marked);
    let before: usize = unmarked.map(|piece| piece.text.chars().count()).sum();
    let at = if line.pieces.iter().any(|piece| piece.is_marked) { before } else { 0 };
    printable(&format!("{sign} {}", window(&line.text(), at, LINE_CHARS_MAX)))
}
