//! Semantic versions and constraints as Helm reads them (Masterminds semver 3): `1.2` is a version, `>=1.18-0 <1.30-0 || ^2`
//! a constraint. Text in, comparison out; a leaf that every stage may use.
//!
//! Two rules differ from what other implementations do: missing parts and `x` make a constraint a range, and a
//! version with a pre-release matches only where some part of the same `||` group has one too.

use std::cmp::Ordering;

/// Longer versions are refused, as Masterminds does.
const VERSION_LEN_MAX: usize = 256;
/// Longer constraints are refused, as Masterminds does.
const CONSTRAINT_LEN_MAX: usize = 512;
/// More `||` groups are refused, as Masterminds does.
const CONSTRAINT_GROUPS_MAX: usize = 32;

/// A version; build metadata does not count in comparisons.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// `1` of `1.2.3`.
    pub major: u64,
    /// `2` of `1.2.3`; 0 where it is missing.
    pub minor: u64,
    /// `3` of `1.2.3`; 0 where it is missing.
    pub patch: u64,
    /// `rc.1` of `1.2.3-rc.1`, or empty.
    pub pre: String,
    /// `build5` of `1.2.3+build5`, or empty.
    pub metadata: String,
}

/// What a version is tested against: groups of conditions, of which one must hold whole.
#[derive(Debug, Clone)]
pub struct Constraint {
    groups: Vec<Group>,
}

#[derive(Debug, Clone)]
struct Group {
    conditions: Vec<Condition>,
    /// Whether a pre-release is looked for at all.
    has_pre: bool,
}

#[derive(Debug, Clone)]
struct Condition {
    op: Op,
    version: Version,
    /// Some part is missing or `x`.
    dirty: bool,
    minor_dirty: bool,
    patch_dirty: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Op {
    Equal,
    NotEqual,
    Greater,
    Less,
    GreaterEqual,
    LessEqual,
    Tilde,
    Caret,
}

/// Whether `version` meets `constraint`; false as well where either cannot be read (Helm's `IsCompatibleRange`).
pub fn is_compatible(constraint: &str, version: &str) -> bool {
    match (Constraint::parse(constraint), Version::parse(version)) {
        (Ok(constraint), Ok(version)) => constraint.check(&version),
        _ => false,
    }
}

impl Version {
    /// Reads a version, tolerating a leading `v`, missing parts and leading zeros.
    ///
    /// # Errors
    /// Masterminds' words for what is wrong.
    pub fn parse(text: &str) -> Result<Version, String> {
        if text.len() > VERSION_LEN_MAX {
            return Err(format!("version string is too long (max {VERSION_LEN_MAX} bytes)"));
        }
        let invalid = || "invalid semantic version".to_string();
        let pattern = Pattern::scan(text, u8::is_ascii_digit).ok_or_else(invalid)?;
        if pattern.len != text.len() {
            return Err(invalid());
        }
        let number = |part: &str| match part {
            "" => Ok(0),
            digits => digits.parse::<u64>().map_err(|_| {
                format!("error parsing version segment: strconv.ParseUint: parsing \"{digits}\": value out of range")
            }),
        };
        for identifier in pattern.pre.split('.') {
            if identifier.len() > 1 && identifier.starts_with('0') && identifier.bytes().all(|b| b.is_ascii_digit()) {
                return Err("version segment starts with 0".into());
            }
        }
        Ok(Version {
            major: number(pattern.major)?,
            minor: number(pattern.minor)?,
            patch: number(pattern.patch)?,
            pre: pattern.pre.into(),
            metadata: pattern.metadata.into(),
        })
    }
}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Version) -> Option<Ordering> {
        Some(self.cmp_precedence(other))
    }
}

impl Version {
    /// Which of two versions comes first; build metadata does not count.
    pub fn cmp_precedence(&self, other: &Version) -> Ordering {
        (self.major, self.minor, self.patch).cmp(&(other.major, other.minor, other.patch)).then_with(|| {
            match (self.pre.is_empty(), other.pre.is_empty()) {
                (true, true) => Ordering::Equal,
                (true, false) => Ordering::Greater,
                (false, true) => Ordering::Less,
                (false, false) => compare_pre(&self.pre, &other.pre),
            }
        })
    }
}

fn compare_pre(a: &str, b: &str) -> Ordering {
    let mut a = a.split('.');
    let mut b = b.split('.');
    loop {
        let (left, right) = match (a.next(), b.next()) {
            (None, None) => return Ordering::Equal,
            (None, Some(_)) => return Ordering::Less,
            (Some(_), None) => return Ordering::Greater,
            (Some(left), Some(right)) => (left, right),
        };
        let order = match (left.parse::<u64>(), right.parse::<u64>()) {
            (Ok(left), Ok(right)) => left.cmp(&right),
            (Ok(_), Err(_)) => Ordering::Less,
            (Err(_), Ok(_)) => Ordering::Greater,
            (Err(_), Err(_)) => left.cmp(right),
        };
        if order != Ordering::Equal {
            return order;
        }
    }
}

/// The parts of a version, or of a version with `x`, at the start of a text.
struct Pattern<'a> {
    major: &'a str,
    minor: &'a str,
    patch: &'a str,
    pre: &'a str,
    metadata: &'a str,
    /// How many bytes it takes.
    len: usize,
}

impl<'a> Pattern<'a> {
    fn scan(text: &'a str, part_byte: impl Fn(&u8) -> bool) -> Option<Pattern<'a>> {
        let run = |from: usize| text.as_bytes()[from..].iter().take_while(|b| part_byte(b)).count();
        let mut at = usize::from(text.starts_with('v'));
        let mut part = |prefix: &str| -> &'a str {
            if !text[at..].starts_with(prefix) {
                return "";
            }
            let from = at + prefix.len();
            let len = run(from);
            if len > 0 {
                at = from + len;
            }
            &text[from..from + len]
        };
        let major = part("");
        if major.is_empty() {
            return None;
        }
        let minor = part(".");
        let patch = if minor.is_empty() { "" } else { part(".") };
        let mut identifiers = |prefix: char| -> &'a str {
            if !text[at..].starts_with(prefix) {
                return "";
            }
            let from = at + 1;
            let mut end = from;
            loop {
                let len =
                    text.as_bytes()[end..].iter().take_while(|b| b.is_ascii_alphanumeric() || **b == b'-').count();
                if len == 0 {
                    // A dot with nothing after it is not part of it.
                    end = if end == from { from } else { end - 1 };
                    break;
                }
                end += len;
                if !text[end..].starts_with('.') {
                    break;
                }
                end += 1;
            }
            if end > from {
                at = end;
            }
            &text[from..end]
        };
        let pre = identifiers('-');
        let metadata = identifiers('+');
        Some(Pattern { major, minor, patch, pre, metadata, len: at })
    }

    fn scan_constraint(text: &'a str) -> Option<Pattern<'a>> {
        Pattern::scan(text, |b| b.is_ascii_digit() || matches!(b, b'x' | b'X' | b'*' | b'|'))
    }
}

fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\r' | '\x0c')
}

impl Constraint {
    /// Reads a constraint.
    ///
    /// # Errors
    /// Masterminds' words for what is wrong.
    pub fn parse(text: &str) -> Result<Constraint, String> {
        if text.len() > CONSTRAINT_LEN_MAX {
            return Err(format!("constraint string is too long (max {CONSTRAINT_LEN_MAX} bytes)"));
        }
        let text = rewrite_ranges(text);
        let groups: Vec<&str> = text.split("||").collect();
        if groups.len() > CONSTRAINT_GROUPS_MAX {
            return Err(format!("too many constraint groups (max {CONSTRAINT_GROUPS_MAX})"));
        }
        let groups = groups.into_iter().map(Group::parse).collect::<Result<_, _>>()?;
        Ok(Constraint { groups })
    }

    /// Whether a version meets it.
    pub fn check(&self, version: &Version) -> bool {
        self.groups
            .iter()
            .any(|group| (version.pre.is_empty() || group.has_pre) && group.conditions.iter().all(|c| c.holds(version)))
    }
}

/// `1.2 - 1.4` → `>= 1.2, <= 1.4 `.
fn rewrite_ranges(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    'search: while !rest.is_empty() {
        for (start, _) in rest.char_indices() {
            if let Some((from, to, end)) = range_at(&rest[start..]) {
                out.push_str(&rest[..start]);
                out.push_str(&format!(">= {from}, <= {to} "));
                rest = &rest[start + end..];
                continue 'search;
            }
        }
        break;
    }
    out.push_str(rest);
    out
}

/// A range at the start of a text: both versions, and where it ends.
fn range_at(text: &str) -> Option<(&str, &str, usize)> {
    let after_first = text.trim_start_matches(is_space);
    let first = &after_first[..Pattern::scan_constraint(after_first)?.len];
    let after_first = &after_first[first.len()..];
    let dash = after_first.trim_start_matches(is_space);
    let after_dash = dash.strip_prefix('-')?;
    let second = after_dash.trim_start_matches(is_space);
    if dash.len() == after_first.len() || second.len() == after_dash.len() {
        return None;
    }
    let second_len = Pattern::scan_constraint(second)?.len;
    let rest = second[second_len..].trim_start_matches(is_space);
    Some((first, &second[..second_len], text.len() - rest.len()))
}

impl Group {
    fn parse(text: &str) -> Result<Group, String> {
        let improper = || format!("improper constraint: {text:?}");
        let mut conditions = Vec::new();
        let mut rest = text.trim_start_matches(is_space);
        loop {
            let (op, after_op) = Op::scan(rest);
            let version_text = after_op.trim_start_matches(is_space);
            let pattern = Pattern::scan_constraint(version_text).ok_or_else(improper)?;
            conditions.push(Condition::new(op, &version_text[..pattern.len], &pattern)?);
            let after = &version_text[pattern.len..];
            let trimmed = after.trim_start_matches(is_space);
            if trimmed.is_empty() {
                break;
            }
            rest = match trimmed.strip_prefix(',') {
                Some(next) => next.trim_start_matches(is_space),
                None if trimmed.len() < after.len() => trimmed,
                None => return Err(improper()),
            };
        }
        let has_pre = conditions.iter().any(|c| !c.version.pre.is_empty());
        Ok(Group { conditions, has_pre })
    }
}

impl Op {
    fn scan(text: &str) -> (Op, &str) {
        const OPS: [(&str, Op); 11] = [
            ("!=", Op::NotEqual),
            (">=", Op::GreaterEqual),
            ("=>", Op::GreaterEqual),
            ("<=", Op::LessEqual),
            ("=<", Op::LessEqual),
            ("~>", Op::Tilde),
            ("=", Op::Equal),
            (">", Op::Greater),
            ("<", Op::Less),
            ("~", Op::Tilde),
            ("^", Op::Caret),
        ];
        OPS.iter().find_map(|(sign, op)| text.strip_prefix(sign).map(|rest| (*op, rest))).unwrap_or((Op::Equal, text))
    }
}

impl Condition {
    fn new(op: Op, text: &str, pattern: &Pattern<'_>) -> Result<Condition, String> {
        let open = |part: &str| matches!(part, "" | "x" | "X" | "*");
        let pre = if pattern.pre.is_empty() { String::new() } else { format!("-{}", pattern.pre) };
        let (mut dirty, mut minor_dirty, mut patch_dirty) = (true, false, false);
        let version = if open(pattern.major) {
            format!("0.0.0{pre}")
        } else if open(pattern.minor) {
            minor_dirty = true;
            format!("{}.0.0{pre}", pattern.major)
        } else if open(pattern.patch) {
            patch_dirty = true;
            format!("{}.{}.0{pre}", pattern.major, pattern.minor)
        } else {
            dirty = false;
            text.to_string()
        };
        let version = Version::parse(&version).map_err(|_| "constraint parser error".to_string())?;
        Ok(Condition { op, version, dirty, minor_dirty, patch_dirty })
    }

    fn holds(&self, v: &Version) -> bool {
        let c = &self.version;
        let order = v.cmp_precedence(c);
        match self.op {
            Op::Equal if self.dirty => self.tilde(v, order),
            Op::Equal => order == Ordering::Equal,
            Op::NotEqual => self.not_equal(v, order),
            Op::Greater if !self.dirty => order == Ordering::Greater,
            Op::Greater => match v.major.cmp(&c.major) {
                Ordering::Greater => true,
                Ordering::Less => false,
                Ordering::Equal if self.minor_dirty => false,
                Ordering::Equal if self.patch_dirty => v.minor > c.minor,
                Ordering::Equal => order == Ordering::Greater,
            },
            Op::Less => order == Ordering::Less,
            Op::GreaterEqual => order != Ordering::Less,
            Op::LessEqual if !self.dirty => order != Ordering::Greater,
            Op::LessEqual => v.major <= c.major && !(v.major == c.major && v.minor > c.minor && !self.minor_dirty),
            Op::Tilde => self.tilde(v, order),
            Op::Caret => self.caret(v, order),
        }
    }

    fn not_equal(&self, v: &Version, order: Ordering) -> bool {
        let c = &self.version;
        if self.dirty {
            if c.major != v.major {
                return true;
            }
            if c.minor != v.minor && !self.minor_dirty {
                return true;
            }
            if self.minor_dirty {
                return false;
            }
            if c.patch != v.patch && !self.patch_dirty {
                return true;
            }
            if self.patch_dirty {
                return v.pre != c.pre;
            }
        }
        order != Ordering::Equal
    }

    fn tilde(&self, v: &Version, order: Ordering) -> bool {
        let c = &self.version;
        if order == Ordering::Less {
            return false;
        }
        // ~0.0.0 and * take every version that is not less.
        if (c.major, c.minor, c.patch) == (0, 0, 0) && !self.minor_dirty && !self.patch_dirty {
            return true;
        }
        v.major == c.major && (v.minor == c.minor || self.minor_dirty)
    }

    fn caret(&self, v: &Version, order: Ordering) -> bool {
        let c = &self.version;
        if order == Ordering::Less {
            return false;
        }
        if c.major > 0 || self.minor_dirty {
            return v.major == c.major;
        }
        if v.major > 0 {
            return false;
        }
        if c.minor > 0 || self.patch_dirty {
            return v.minor == c.minor;
        }
        v.minor == 0 && c.patch == v.patch
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Expectations are those of Masterminds semver v3.5.0 (see `fixtures/semver.tsv`).
    #[test]
    fn constraints_hold_where_masterminds_says() {
        let table = include_str!("../fixtures/semver.tsv");
        let mut rows = 0;
        for line in table.lines().filter(|line| !line.starts_with('#')) {
            let mut columns = line.split('\t');
            let (constraint, version, expected) =
                (columns.next().unwrap(), columns.next().unwrap(), columns.next().unwrap());
            let got = match (Constraint::parse(constraint), Version::parse(version)) {
                (Err(_), _) => "bad constraint",
                (_, Err(_)) => "bad version",
                (Ok(c), Ok(v)) if c.check(&v) => "yes",
                _ => "no",
            };
            assert_eq!(got, expected, "{constraint:?} {version:?}");
            rows += 1;
        }
        assert!(rows > 1000, "the table was read: {rows} rows");
    }

    #[test]
    fn long_texts_are_refused() {
        assert!(Version::parse(&"1".repeat(VERSION_LEN_MAX + 1)).is_err());
        assert!(Constraint::parse(&" ".repeat(CONSTRAINT_LEN_MAX + 1)).is_err());
        assert!(Constraint::parse(&["1"; CONSTRAINT_GROUPS_MAX + 1].join("||")).is_err());
    }
}
