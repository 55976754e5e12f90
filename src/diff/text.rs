//! Two texts of several lines → hunks as `diff -u` gives them, with the changed words of changed lines marked.

use similar::{Algorithm, DiffOp, capture_diff_slices, group_diff_ops};

/// Lines around a change that are shown with it, as `diff -u` does.
pub const CONTEXT_LINES: usize = 3;
/// Pairs of lines that are compared at most (old × new, what is equal at both ends left out); beyond it the differing
/// part is shown as replaced whole.
pub const TEXT_PAIRS_MAX: usize = 25_000_000;
/// Pairs of words of two lines that are compared at most (old × new, what is equal at both ends left out); beyond it the
/// differing part is marked whole.
pub const LINE_PAIRS_MAX: usize = 4_000_000;

/// Lines that changed, with the lines around them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hunk {
    /// The lines, in the order in which they are shown.
    pub lines: Vec<Line>,
}

/// A line of a hunk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Which side it stands on.
    pub side: LineSide,
    /// Its number in the older text, from 1.
    pub old: Option<usize>,
    /// Its number in the newer text, from 1.
    pub new: Option<usize>,
    /// Its text without the line end, in pieces.
    pub pieces: Vec<Piece>,
}

/// Which side a line stands on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LineSide {
    /// On both.
    Both,
    /// Only in the older text.
    Old,
    /// Only in the newer text.
    New,
}

/// A piece of a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// The text.
    pub text: String,
    /// Whether this is what changed in the line.
    pub is_marked: bool,
}

impl Line {
    /// The line without its marks.
    pub fn text(&self) -> String {
        self.pieces.iter().map(|piece| piece.text.as_str()).collect()
    }
}

/// What is shown for a text that does not end with a line end, on the line after its last one.
pub const NO_NEWLINE: &str = "\\ No newline at end of file";

/// The hunks between two texts.
pub fn hunks(old: &str, new: &str) -> Vec<Hunk> {
    let (a, b) = (lines(old), lines(new));
    let groups = group_diff_ops(sequence(&a, &b, TEXT_PAIRS_MAX), CONTEXT_LINES);
    let mut hunks: Vec<Hunk> = groups.into_iter().map(|group| hunk(&group, &a, &b)).collect();
    // Where neither text ends with a line end, that is no difference.
    if !old.ends_with('\n') && !new.ends_with('\n') {
        hunks.iter_mut().for_each(|hunk| hunk.lines.retain(|line| line.old.is_some() || line.new.is_some()));
    }
    hunks
}

/// The lines with their ends, so that a missing last one is a difference.
fn lines(text: &str) -> Vec<&str> {
    text.split_inclusive('\n').collect()
}

fn hunk(group: &[DiffOp], a: &[&str], b: &[&str]) -> Hunk {
    let mut lines = Vec::new();
    let whole = |text: &str| vec![Piece { text: shown(text), is_marked: false }];
    for op in group {
        let (old, new) = (op.old_range(), op.new_range());
        if let DiffOp::Equal { .. } = op {
            for (i, j) in old.zip(new) {
                lines.push(Line { side: LineSide::Both, old: Some(i + 1), new: Some(j + 1), pieces: whole(a[i]) });
            }
            continue;
        }
        // Lines that replace each other, one by one, get their words compared.
        let pairs: Vec<(Vec<Piece>, Vec<Piece>)> =
            old.clone().zip(new.clone()).map(|(i, j)| words(&shown(a[i]), &shown(b[j]))).collect();
        for (nth, i) in old.enumerate() {
            let pieces = pairs.get(nth).map_or_else(|| whole(a[i]), |(pieces, _)| pieces.clone());
            lines.push(Line { side: LineSide::Old, old: Some(i + 1), new: None, pieces });
            lines.extend(unended(a[i], LineSide::Old));
        }
        for (nth, j) in new.enumerate() {
            let pieces = pairs.get(nth).map_or_else(|| whole(b[j]), |(_, pieces)| pieces.clone());
            lines.push(Line { side: LineSide::New, old: None, new: Some(j + 1), pieces });
            lines.extend(unended(b[j], LineSide::New));
        }
    }
    Hunk { lines }
}

fn shown(line: &str) -> String {
    line.strip_suffix('\n').unwrap_or(line).to_owned()
}

fn unended(line: &str, side: LineSide) -> Option<Line> {
    let pieces = vec![Piece { text: NO_NEWLINE.into(), is_marked: false }];
    (!line.ends_with('\n')).then_some(Line { side, old: None, new: None, pieces })
}

/// Two lines with the words marked that differ.
pub fn words(old: &str, new: &str) -> (Vec<Piece>, Vec<Piece>) {
    let (a, b) = (tokens(old), tokens(new));
    let piece = |text: &str, is_marked| Piece { text: text.to_owned(), is_marked };
    let ops = sequence(&a, &b, LINE_PAIRS_MAX);
    let same: usize = ops.iter().filter(|op| matches!(op, DiffOp::Equal { .. })).map(|op| op.old_range().len()).sum();
    // Lines with nothing in common but blanks and signs are other lines; marks in them would only distract.
    if same * 3 < a.len().max(b.len()) {
        return (vec![piece(old, false)], vec![piece(new, false)]);
    }
    let side = |tokens: &[&str], range: fn(&DiffOp) -> std::ops::Range<usize>| {
        let mut pieces: Vec<Piece> = Vec::new();
        for op in &ops {
            let is_marked = !matches!(op, DiffOp::Equal { .. });
            let text: String = tokens[range(op)].concat();
            match pieces.last_mut() {
                _ if text.is_empty() => {}
                Some(last) if last.is_marked == is_marked => last.text.push_str(&text),
                _ => pieces.push(Piece { text, is_marked }),
            }
        }
        pieces
    };
    (side(&a, DiffOp::old_range), side(&b, DiffOp::new_range))
}

/// Words, runs of blanks, and single signs.
fn tokens(line: &str) -> Vec<&str> {
    let class = |c: char| {
        if c.is_alphanumeric() || c == '_' {
            0
        } else if c.is_whitespace() {
            1
        } else {
            2
        }
    };
    let mut tokens = Vec::new();
    let mut start = 0;
    let mut last = None;
    for (at, c) in line.char_indices() {
        let now = class(c);
        if last.is_some_and(|last| last != now || now == 2) {
            tokens.push(&line[start..at]);
            start = at;
        }
        last = Some(now);
    }
    if start < line.len() {
        tokens.push(&line[start..]);
    }
    tokens
}

/// The operations that lead from one sequence to another, the same whichever of the two is the older. Where more than
/// `pairs_max` pairs of items would have to be compared, what lies between the equal ends is one replacement.
pub fn sequence<T: Ord + Eq + std::hash::Hash + Clone>(a: &[T], b: &[T], pairs_max: usize) -> Vec<DiffOp> {
    if a > b {
        return sequence(b, a, pairs_max).into_iter().map(turned).collect();
    }
    let head = a.iter().zip(b).take_while(|(x, y)| x == y).count();
    let (a_rest, b_rest) = (&a[head..], &b[head..]);
    let tail = a_rest.iter().rev().zip(b_rest.iter().rev()).take_while(|(x, y)| x == y).count();
    let (n, m) = (a_rest.len() - tail, b_rest.len() - tail);
    let mut ops = Vec::new();
    if head > 0 {
        ops.push(DiffOp::Equal { old_index: 0, new_index: 0, len: head });
    }
    if n.saturating_mul(m) > pairs_max {
        ops.push(DiffOp::Replace { old_index: head, old_len: n, new_index: head, new_len: m });
    } else {
        let middle = capture_diff_slices(Algorithm::Myers, &a_rest[..n], &b_rest[..m]);
        ops.extend(middle.into_iter().map(|op| moved(op, head)));
    }
    if tail > 0 {
        ops.push(DiffOp::Equal { old_index: head + n, new_index: head + m, len: tail });
    }
    ops
}

fn moved(op: DiffOp, by: usize) -> DiffOp {
    let (old_index, new_index) = (op.old_range().start + by, op.new_range().start + by);
    let (old_len, new_len) = (op.old_range().len(), op.new_range().len());
    match op {
        DiffOp::Equal { len, .. } => DiffOp::Equal { old_index, new_index, len },
        DiffOp::Delete { .. } => DiffOp::Delete { old_index, old_len, new_index },
        DiffOp::Insert { .. } => DiffOp::Insert { old_index, new_index, new_len },
        DiffOp::Replace { .. } => DiffOp::Replace { old_index, old_len, new_index, new_len },
    }
}

fn turned(op: DiffOp) -> DiffOp {
    match op {
        DiffOp::Equal { old_index, new_index, len } => {
            DiffOp::Equal { old_index: new_index, new_index: old_index, len }
        }
        DiffOp::Delete { old_index, old_len, new_index } => {
            DiffOp::Insert { old_index: new_index, new_index: old_index, new_len: old_len }
        }
        DiffOp::Insert { old_index, new_index, new_len } => {
            DiffOp::Delete { old_index: new_index, old_len: new_len, new_index: old_index }
        }
        DiffOp::Replace { old_index, old_len, new_index, new_len } => {
            DiffOp::Replace { old_index: new_index, old_len: new_len, new_index: old_index, new_len: old_len }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marked(pieces: &[Piece]) -> String {
        pieces.iter().map(|p| if p.is_marked { format!("<{}>", p.text) } else { p.text.clone() }).collect()
    }

    #[test]
    fn changed_words_are_marked() {
        let (old, new) = words("image: web:1.4", "image: web:1.5");
        assert_eq!((marked(&old), marked(&new)), ("image: web:1.<4>".into(), "image: web:1.<5>".into()));
        let (old, new) = words("listen 80", "proxy_pass upstream;");
        assert_eq!((marked(&old), marked(&new)), ("listen 80".into(), "proxy_pass upstream;".into()));
    }

    #[test]
    fn hunks_have_three_lines_around_them() {
        let old: String = (0..20).map(|n| format!("{n}\n")).collect();
        let new = old.replace("10\n", "ten\n");
        let hunks = hunks(&old, &new);
        assert_eq!(hunks.len(), 1);
        let lines: Vec<String> = hunks[0].lines.iter().map(Line::text).collect();
        assert_eq!(lines, ["7", "8", "9", "10", "ten", "11", "12", "13"]);
        assert_eq!((hunks[0].lines[3].old, hunks[0].lines[4].new), (Some(11), Some(11)));
    }

    #[test]
    fn a_missing_line_end_shows() {
        let hunks = hunks("a\nb\n", "a\nb");
        let lines: Vec<(LineSide, String)> = hunks[0].lines.iter().map(|line| (line.side, line.text())).collect();
        let expected = [(LineSide::Both, "a"), (LineSide::Old, "b"), (LineSide::New, "b"), (LineSide::New, NO_NEWLINE)];
        assert_eq!(lines, expected.map(|(side, text)| (side, text.to_owned())));
    }

    #[test]
    fn line_ends_that_both_lack_are_no_difference() {
        let lines: Vec<String> = hunks("a", "b")[0].lines.iter().map(Line::text).collect();
        assert_eq!(lines, ["a", "b"]);
    }

    #[test]
    fn texts_too_long_to_compare_are_replaced_whole() {
        let ops = sequence(&["a", "b", "c", "z"], &["a", "c", "d", "z"], 3);
        assert_eq!(ops.len(), 3);
        assert!(matches!(ops[1], DiffOp::Replace { old_index: 1, old_len: 2, new_index: 1, new_len: 2 }));
    }
}
