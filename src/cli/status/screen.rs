//! The status on a terminal, drawn over itself: no more rows than the window has, and no flicker, for nothing is cleared
//! before it is written over.

use unicode_width::UnicodeWidthChar as _;

use super::super::Output;

/// To the other screen, so that what is above stays as it was, and no cursor.
const ENTER: &str = "\x1b[?1049h\x1b[?25l";
/// Back, with the cursor.
const LEAVE: &str = "\x1b[?25h\x1b[?1049l";
/// To the upper left corner.
const HOME: &str = "\x1b[H";
/// Clears the rest of the row.
const CLEAR_ROW: &str = "\x1b[K";
/// Clears all below.
const CLEAR_BELOW: &str = "\x1b[J";
/// Windows smaller than this are drawn for as if they were of this size.
const SIZE_MIN: (usize, usize) = (20, 4);

/// A terminal that is drawn on; given back as it was when dropped.
pub struct Screen<'a> {
    output: &'a Output,
    is_entered: bool,
}

impl Screen<'_> {
    /// The terminal; nothing is drawn yet.
    pub fn new(output: &Output) -> Screen<'_> {
        Screen { output, is_entered: false }
    }

    /// Draws a text, and at the bottom of it one more line.
    pub fn draw(&mut self, text: &str, foot: &str, size: (usize, usize)) {
        let enter = if self.is_entered { "" } else { ENTER };
        self.is_entered = true;
        self.output.text(&format!("{enter}{}", frame(text, foot, size)));
    }
}

impl Drop for Screen<'_> {
    fn drop(&mut self) {
        if self.is_entered {
            self.output.text(LEAVE);
        }
    }
}

/// What draws a text over whatever the window shows; `size` is columns and rows. Lines are broken where the window ends; of
/// the rows that do not fit it is said how many they are.
fn frame(text: &str, foot: &str, size: (usize, usize)) -> String {
    let (columns, height) = (size.0.max(SIZE_MIN.0), size.1.max(SIZE_MIN.1));
    let mut rows: Vec<String> = text.lines().flat_map(|line| broken(line, columns)).collect();
    // One row is the foot's.
    if rows.len() + 1 > height {
        let more = rows.len() - (height - 2);
        rows.truncate(height - 2);
        let more = format!("… {more} more rows: make the window higher, or name a SELECTOR");
        rows.push(broken(&more, columns).swap_remove(0));
    }
    rows.push(broken(foot, columns).swap_remove(0));
    let rows: Vec<String> = rows.into_iter().map(|row| row + CLEAR_ROW).collect();
    format!("{HOME}{}{CLEAR_BELOW}", rows.join("\r\n"))
}

/// A line in rows. The last column stays free: a terminal whose cursor stands behind it clears what is in it.
fn broken(line: &str, columns: usize) -> Vec<String> {
    let (mut rows, mut used) = (vec![String::new()], 0);
    for c in line.chars() {
        let width = c.width().unwrap_or(0);
        if used + width > columns - 1 {
            rows.push(String::new());
            used = 0;
        }
        used += width;
        if let Some(row) = rows.last_mut() {
            row.push(c);
        }
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A terminal that knows what [`frame`] uses, and nothing else.
    struct Terminal {
        cells: Vec<Vec<char>>,
        at: (usize, usize),
    }

    impl Terminal {
        fn new((columns, rows): (usize, usize)) -> Terminal {
            Terminal { cells: vec![vec![' '; columns]; rows], at: (0, 0) }
        }

        fn write(&mut self, bytes: &str) {
            let mut rest = bytes;
            while let Some(c) = rest.chars().next() {
                let (row, column) = self.at;
                if let Some(after) = rest.strip_prefix(HOME) {
                    (self.at, rest) = ((0, 0), after);
                } else if let Some(after) = rest.strip_prefix(CLEAR_ROW) {
                    self.cells[row][column..].fill(' ');
                    rest = after;
                } else if let Some(after) = rest.strip_prefix(CLEAR_BELOW) {
                    self.cells[row][column..].fill(' ');
                    self.cells[row + 1..].iter_mut().for_each(|row| row.fill(' '));
                    rest = after;
                } else if let Some(after) = rest.strip_prefix("\r\n") {
                    assert!(row + 1 < self.cells.len(), "it would scroll");
                    (self.at, rest) = ((row + 1, 0), after);
                } else {
                    assert!(!c.is_control(), "{c:?}");
                    assert!(column + 1 < self.cells[row].len(), "it would wrap");
                    self.cells[row][column] = c;
                    (self.at, rest) = ((row, column + 1), &rest[c.len_utf8()..]);
                }
            }
        }

        fn text(&self) -> String {
            let rows: Vec<String> =
                self.cells.iter().map(|row| row.iter().collect::<String>().trim_end().to_owned()).collect();
            rows.join("\n").trim_end().to_owned()
        }
    }

    fn drawn(text: &str, size: (usize, usize)) -> String {
        let mut terminal = Terminal::new(size);
        terminal.write(&frame(text, "foot", size));
        terminal.text()
    }

    #[test]
    fn what_fits_is_shown_whole_and_of_the_rest_its_number() {
        assert_eq!(drawn("one\n\ntwo", (20, 6)), "one\n\ntwo\nfoot");
        assert_eq!(drawn("a\nb\nc\nd\ne", (40, 6)), "a\nb\nc\nd\ne\nfoot");
        assert_eq!(
            drawn("a\nb\nc\nd\ne\nf", (70, 6)),
            "a\nb\nc\nd\n… 2 more rows: make the window higher, or name a SELECTOR\nfoot"
        );
        assert_eq!(
            drawn("a\nb\n1234567890123456789012\nd\ne", (20, 5)),
            "a\nb\n1234567890123456789\n… 3 more rows: make\nfoot"
        );
        assert_eq!(drawn("1234567890123456789012\nb", (20, 5)), "1234567890123456789\n012\nb\nfoot");
        assert_eq!(drawn("", (20, 4)), "foot");
    }

    #[test]
    fn wide_characters_stay_in_the_window() {
        assert_eq!(broken(&"語".repeat(6), 8), ["語語語", "語語語"]);
        assert_eq!(broken("e\u{301}e\u{301}", 3), ["e\u{301}e\u{301}"]);
    }

    #[test]
    fn a_frame_leaves_nothing_of_the_one_before() {
        let size = (24, 8);
        let texts = ["NOT WELL: prod\n\nmany words of a line\nand\nanother\n", "all is well", "", "x\ny\nz"];
        let mut terminal = Terminal::new(size);
        for text in texts.iter().chain(&texts) {
            terminal.write(&frame(text, "foot", size));
            assert_eq!(terminal.text(), drawn(text, size));
        }
    }
}
