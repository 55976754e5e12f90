//! The files of a chart that templates may read: what `file` and `files` see.

use regex::Regex;
use tera::TeraResult;

use super::args::refuse;
use crate::chart::{Chart, ChartFile};
use crate::error::nearest;

/// The files of a chart outside templates/, crds/ and charts/, by path.
pub struct Files {
    files: Vec<ChartFile>,
}

impl Files {
    /// The files of one chart. The bytes are shared with it.
    pub fn of(chart: &Chart) -> Files {
        let mut files = chart.files.clone();
        files.sort_by(|a, b| a.path.cmp(&b.path));
        Files { files }
    }

    /// A file's bytes.
    ///
    /// # Errors
    /// The chart has no such file; the nearest name is proposed.
    pub fn get(&self, path: &str) -> TeraResult<&[u8]> {
        if let Ok(index) = self.files.binary_search_by(|file| file.path.as_str().cmp(path)) {
            return Ok(&self.files[index].bytes);
        }
        let hint = match nearest(path, self.files.iter().map(|file| file.path.as_str())) {
            Some(near) => format!("; did you mean `{near}`?"),
            None => "; paths count from the chart's folder, and .helmignore hides files".to_owned(),
        };
        Err(refuse(format!("the chart has no file `{path}`{hint}")))
    }

    /// The files whose path matches, by path.
    ///
    /// # Errors
    /// The pattern cannot be read.
    pub fn glob(&self, pattern: &str) -> TeraResult<impl Iterator<Item = (&str, &[u8])>> {
        let regex = glob_regex(pattern).map_err(|error| refuse(format!("the pattern `{pattern}` {error}")))?;
        Ok(self
            .files
            .iter()
            .filter(move |file| regex.is_match(&file.path))
            .map(|file| (file.path.as_str(), &*file.bytes)))
    }
}

/// `*` and `?` stay within a folder, `**` does not; `[ab]`, `[!a-z]`, `{yaml,json}`; `\` takes the next character as it is.
fn glob_regex(pattern: &str) -> Result<Regex, &'static str> {
    let mut out = String::from("^");
    let mut chars = pattern.chars().peekable();
    let mut braces = 0_usize;
    while let Some(c) = chars.next() {
        match c {
            '*' if chars.next_if_eq(&'*').is_some() => out.push_str(".*"),
            '*' => out.push_str("[^/]*"),
            '?' => out.push_str("[^/]"),
            '[' => {
                let class: String = chars.by_ref().take_while(|c| *c != ']').collect();
                let (negated, set) = class.strip_prefix('!').map_or(("", class.as_str()), |set| ("^", set));
                if set.is_empty() {
                    return Err("has an empty or unclosed `[`");
                }
                let set = set.replace('\\', r"\\").replace('[', r"\[").replace('^', r"\^").replace('&', r"\&");
                out.push_str(&format!("[{negated}{set}]"));
            }
            '{' => {
                braces += 1;
                out.push_str("(?:");
            }
            '}' if braces > 0 => {
                braces -= 1;
                out.push(')');
            }
            ',' if braces > 0 => out.push('|'),
            '\\' => match chars.next() {
                Some(c) => out.push_str(&regex::escape(c.encode_utf8(&mut [0; 4]))),
                None => return Err("ends with `\\`"),
            },
            c => out.push_str(&regex::escape(c.encode_utf8(&mut [0; 4]))),
        }
    }
    if braces > 0 {
        return Err("has an unclosed `{`");
    }
    out.push('$');
    Regex::new(&out).map_err(|_| "cannot be read")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_paths_as_people_expect() {
        let check = |pattern: &str, path: &str| glob_regex(pattern).map(|regex| regex.is_match(path));
        for (pattern, path, expected) in [
            ("conf/*", "conf/a.ini", true),
            ("conf/*", "conf/d/a.ini", false),
            ("conf/**", "conf/d/a.ini", true),
            ("**.ini", "conf/d/a.ini", true),
            ("conf/?.ini", "conf/a.ini", true),
            ("conf/?.ini", "conf/ab.ini", false),
            ("conf/a.{ini,toml}", "conf/a.toml", true),
            ("conf/[!b-z].ini", "conf/a.ini", true),
            ("conf/[!b-z].ini", "conf/c.ini", false),
            (r"conf/\*", "conf/*", true),
            ("a+b", "a+b", true),
            ("a.b", "axb", false),
        ] {
            assert_eq!(check(pattern, path), Ok(expected), "{pattern} on {path}");
        }
        assert_eq!(check("a[", "a"), Err("has an empty or unclosed `[`"));
        assert_eq!(check("a{b", "ab"), Err("has an unclosed `{`"));
    }
}
