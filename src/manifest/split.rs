//! Rendered text → documents, split exactly as Helm's `releaseutil.SplitManifests` splits it.

use std::ops::Range;

/// The byte ranges of the documents in `text`, each without the blanks around it.
///
/// The rule is Helm's, not YAML's: the text is trimmed, then cut at every match of `(?:^|\s*\n)---\s*`, and empty
/// pieces are dropped. So `---` eats the next line's indentation, and of `---\n\n---` the second one stays.
pub fn split(text: &str) -> Vec<Range<usize>> {
    let trimmed = trim(text, 0..text.len());
    let bytes = text.as_bytes();
    let mut documents = Vec::new();
    let mut push = |range: Range<usize>| {
        if !range.is_empty() {
            documents.push(trim(text, range));
        }
    };
    let mut begin = trimmed.start;
    if text[trimmed.clone()].starts_with("---") {
        begin = skip_blanks(bytes, trimmed.start + 3, trimmed.end);
    }
    let mut from = begin;
    while let Some(newline) = next_separator(&bytes[..trimmed.end], from) {
        // The match begins at the first blank of the run that ends with this line feed, but not before the last match.
        let mut start = newline;
        while start > begin && is_blank(bytes[start - 1]) {
            start -= 1;
        }
        push(begin..start);
        begin = skip_blanks(bytes, newline + 4, trimmed.end);
        from = begin;
    }
    push(begin..trimmed.end);
    documents
}

/// Where a line feed stands, from an offset on, that three dashes follow.
fn next_separator(bytes: &[u8], from: usize) -> Option<usize> {
    /// So many bytes are looked at together; few of such parts have a line that begins with a dash.
    const TOGETHER: usize = 64;
    let is_separator = |at: &usize| bytes[*at..].starts_with(b"\n---");
    let mut at = from;
    while let Some(part) = bytes[at..].first_chunk::<{ TOGETHER + 1 }>() {
        let mut has_dash = false;
        // Without a way out of it, so that it goes over many bytes at once.
        for n in 0..TOGETHER {
            has_dash |= (part[n] == b'\n') & (part[n + 1] == b'-');
        }
        if has_dash && let Some(found) = (at..at + TOGETHER).find(is_separator) {
            return Some(found);
        }
        at += TOGETHER;
    }
    (at..bytes.len()).find(is_separator)
}

/// `\s` of RE2: ASCII only.
fn is_blank(byte: u8) -> bool {
    matches!(byte, b'\t' | b'\n' | 0x0c | b'\r' | b' ')
}

fn skip_blanks(bytes: &[u8], mut at: usize, end: usize) -> usize {
    while at < end && is_blank(bytes[at]) {
        at += 1;
    }
    at
}

/// Go's `strings.TrimSpace`: Unicode's white space.
fn trim(text: &str, range: Range<usize>) -> Range<usize> {
    let part = &text[range.clone()];
    let start = range.start + (part.len() - part.trim_start().len());
    start..start + part.trim().len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[&str]) {
        let got: Vec<&str> = split(text).into_iter().map(|range| &text[range]).collect();
        assert_eq!(got, expected, "{text:?}");
    }

    #[test]
    fn documents_are_split_as_helm_splits_them() {
        check("", &[]);
        check("\n \n", &[]);
        check("a: 1", &["a: 1"]);
        check("---\na: 1\n---\nb: 2\n", &["a: 1", "b: 2"]);
        check("a: 1\n\n  \n---   \n\nb: 2", &["a: 1", "b: 2"]);
        // Eats the indentation of the next line.
        check("a: 1\n---\n  b: 2\n  c: 3", &["a: 1", "b: 2\n  c: 3"]);
        // The second separator has no line feed of its own left.
        check("---\n\n---\na: 1", &["---\na: 1"]);
        check("a: 1\n---\n---\nb: 2", &["a: 1", "---\nb: 2"]);
        // Not a separator: indented, or in the middle of a line; but a longer one is cut after three dashes.
        check("a: |\n  ---\n  x", &["a: |\n  ---\n  x"]);
        check("a: 1 --- b", &["a: 1 --- b"]);
        check("a: 1\n-----\nb: 2", &["a: 1", "--\nb: 2"]);
        check("a: 1\n--- # comment\nb: 2", &["a: 1", "# comment\nb: 2"]);
        check("# only a comment\n---\n# another", &["# only a comment", "# another"]);
        check("a: 1\r\n---\r\nb: 2\r\n", &["a: 1", "b: 2"]);
        // Wherever it stands.
        for length in 0..200 {
            let (before, after) = ("a".repeat(length + 1), "b".repeat(200 - length));
            check(&format!("{before}\n---\n{after}\n--\n-- -\n---"), &[&before, &format!("{after}\n--\n-- -")]);
        }
    }
}
