//! Breaking lines where the terminal ends.

use unicode_width::UnicodeWidthStr as _;

/// A text in lines of at most `first` columns, then `rest`; a word that is longer stands alone. What stands between
/// backticks is one word, so that it can be copied.
pub fn sentence(text: &str, first: usize, rest: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    let mut columns = first;
    let mut is_code = false;
    let words = text.split(|c| {
        is_code ^= c == '`';
        c == ' ' && !is_code
    });
    for word in words {
        let last = lines.last_mut().expect("never empty");
        if last.is_empty() {
            last.push_str(word);
        } else if last.width() + 1 + word.width() <= columns {
            last.push(' ');
            last.push_str(word);
        } else {
            lines.push(word.to_owned());
            columns = rest;
        }
    }
    lines
}

/// Items after a first text, in lines of at most `width` columns.
pub fn items(first: &str, items: &[String], width: usize) -> Vec<String> {
    let indent = " ".repeat(8);
    let mut lines = vec![first.to_owned()];
    for (index, item) in items.iter().enumerate() {
        let item = if index + 1 < items.len() { format!("{item}, ") } else { item.clone() };
        let last = lines.last_mut().expect("never empty");
        if last.width() + item.trim_end().width() > width && last.trim_end() != indent.trim_end() {
            lines.push(format!("{indent}{item}"));
        } else {
            last.push_str(&item);
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_end_between_words() {
        assert_eq!(sentence("one two three", 7, 5), ["one two", "three"]);
        assert_eq!(sentence("one two three", 3, 9), ["one", "two three"]);
        assert_eq!(sentence("averylongword b", 4, 4), ["averylongword", "b"]);
        assert_eq!(sentence("run `a b c` now", 5, 5), ["run", "`a b c`", "now"]);
        assert_eq!(sentence("", 4, 4), [""]);
        let names = ["aa", "bb", "cc"].map(str::to_owned);
        assert_eq!(items("in x: ", &names, 12), ["in x: aa, ", "        bb, ", "        cc"]);
    }
}
