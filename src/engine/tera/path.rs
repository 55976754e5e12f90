//! Finds paths like `values.image.tag` and `values["a-b"].c` in the text of a template tag.
//!
//! Tera reports a byte range and hides its syntax tree, so the report reads the text again. Only constant keys are
//! followed; a computed subscript ends a path.

use std::ops::Range;

/// A path as it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Path {
    /// Its parts, each with its place in the text; the first is a variable's name. Never empty.
    pub parts: Vec<(String, Range<usize>)>,
    end: usize,
}

impl Path {
    /// The first byte.
    pub fn start(&self) -> usize {
        self.parts[0].1.start
    }

    /// One past the last byte, a closing bracket included.
    pub fn end(&self) -> usize {
        self.end
    }

    /// The path with dots.
    pub fn text(&self) -> String {
        self.head(self.parts.len())
    }

    /// The first `len` parts with dots.
    pub fn head(&self, len: usize) -> String {
        self.parts[..len].iter().map(|(part, _)| part.as_str()).collect::<Vec<_>>().join(".")
    }
}

/// The paths of the tag that begins at `from`, in order.
pub fn paths_in(text: &str, from: usize) -> Vec<Path> {
    let bytes = text.as_bytes();
    let mut paths = Vec::new();
    let mut at = from;
    while at < bytes.len() {
        match bytes[at] {
            b'"' | b'\'' | b'`' => at = string_end(bytes, at),
            b'}' if at > from && matches!(bytes[at - 1], b'}' | b'%') => break,
            b if is_name(b) => {
                let end = name_end(bytes, at);
                // A name after a dot belongs to something that is no constant path; digits begin no name.
                let free = at == from || bytes[at - 1] != b'.';
                if free && !b.is_ascii_digit() {
                    let path = path_at(text, at, end);
                    at = path.end;
                    paths.push(path);
                } else {
                    at = end;
                }
            }
            _ => at += 1,
        }
    }
    paths
}

fn path_at(text: &str, start: usize, end: usize) -> Path {
    let bytes = text.as_bytes();
    let mut parts = vec![(text[start..end].to_owned(), start..end)];
    let mut end = end;
    loop {
        let mut at = end;
        if bytes.get(at) == Some(&b'?') {
            at += 1;
        }
        match bytes.get(at) {
            Some(b'.') if bytes.get(at + 1).is_some_and(|b| is_name(*b)) => {
                let next = name_end(bytes, at + 1);
                parts.push((text[at + 1..next].to_owned(), at + 1..next));
                end = next;
            }
            Some(b'[') if matches!(bytes.get(at + 1), Some(b'"' | b'\'')) => {
                let close = string_end(bytes, at + 1);
                if bytes.get(close) != Some(&b']') {
                    break;
                }
                parts.push((text[at + 2..close - 1].to_owned(), at + 2..close - 1));
                end = close + 1;
            }
            _ => break,
        }
    }
    Path { parts, end }
}

fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

fn name_end(bytes: &[u8], from: usize) -> usize {
    bytes[from..].iter().position(|b| !is_name(*b)).map_or(bytes.len(), |n| from + n)
}

/// One past the closing quote of the string that begins at `from`, or the end of the text.
fn string_end(bytes: &[u8], from: usize) -> usize {
    let mut at = from + 1;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 1,
            b if b == bytes[from] => return at + 1,
            _ => {}
        }
        at += 1;
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_found_where_they_are_written() {
        let found = |text: &str| paths_in(text, 0).iter().map(Path::text).collect::<Vec<_>>();
        for (text, expected) in [
            ("{{ values.image.tag }} {{ values.other }}", vec!["values.image.tag"]),
            ("{{ values?.a?.b or 'values.c' }}", vec!["values.a.b", "or"]),
            ("{{ values[\"a-b\"].c | upper }}", vec!["values.a-b.c", "upper"]),
            ("{{ values[key].c }}", vec!["values", "key"]),
            ("{{ f(x=values.a ~ 1) }}", vec!["f", "x", "values.a"]),
            ("{{ 'it\\'s' ~ a }}", vec!["a"]),
            ("{{ 1.5 }}", vec![]),
            ("{{ \"é\" ~ é.b }}", vec![]),
        ] {
            assert_eq!(found(text), expected, "{text}");
        }
        let path = &paths_in("é {{ values['x'].y", 3)[0];
        assert_eq!((path.start(), path.end()), (6, 19));
        assert_eq!(path.parts[1].1, 14..15);
    }
}
