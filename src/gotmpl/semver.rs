//! Masterminds semver v3.5: versions, loosely read (`v1`, `1.2`), and constraints on them.
//!
//! In: texts. Out: versions and whether they fit. What surprises, and is kept: a pre-release fits only a group of
//! constraints that names a pre-release itself; `=1.2` means any patch of it.

use std::cmp::Ordering;
use std::fmt;
use std::sync::LazyLock;

use regex::Regex;

use super::strconv::{parse_uint, quoted};

/// The longest text of a version.
pub const VERSION_BYTES_MAX: usize = 256;
/// The longest text of a constraint.
pub const CONSTRAINT_BYTES_MAX: usize = 512;
/// How many alternatives a constraint may have.
pub const CONSTRAINT_GROUPS_MAX: usize = 32;

/// A semantic version.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Version {
    /// The first number.
    pub major: u64,
    /// The second number.
    pub minor: u64,
    /// The third number.
    pub patch: u64,
    /// What stands between `-` and `+`.
    pub pre: String,
    /// What stands behind `+`; not compared.
    pub metadata: String,
    /// The text it was read from.
    pub original: String,
}

/// Alternatives (`||`) of constraints that must all be met.
#[derive(Debug, Clone)]
pub struct Constraints {
    groups: Vec<Group>,
}

#[derive(Debug, Clone)]
struct Group {
    constraints: Vec<Constraint>,
    names_prerelease: bool,
}

#[derive(Debug, Clone)]
struct Constraint {
    operator: Operator,
    version: Version,
    /// Which part a wildcard stands for, or is missing.
    wildcard: Wildcard,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Equal,
    NotEqual,
    Greater,
    Less,
    GreaterEqual,
    LessEqual,
    Tilde,
    Caret,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wildcard {
    None,
    Major,
    Minor,
    Patch,
}

impl Version {
    /// Reads a version, with or without `v`, with one to three numbers.
    ///
    /// # Errors
    /// The library's message.
    pub fn parse(text: &str) -> Result<Version, String> {
        static VERSION: LazyLock<Regex> = LazyLock::new(|| {
            Regex::new(
                r"^v?([0-9]+)(?:\.([0-9]+))?(?:\.([0-9]+))?(?:-([0-9A-Za-z\-]+(?:\.[0-9A-Za-z\-]+)*))?(?:\+([0-9A-Za-z\-]+(?:\.[0-9A-Za-z\-]+)*))?$",
            )
            .expect("a constant pattern")
        });
        if text.len() > VERSION_BYTES_MAX {
            return Err(format!("version string is too long (max {VERSION_BYTES_MAX} bytes)"));
        }
        let parts = VERSION.captures(text).ok_or("invalid semantic version")?;
        let part = |i: usize| parts.get(i).map_or("", |part| part.as_str());
        let number = |i: usize| match part(i) {
            "" => Ok(0),
            digits => parse_uint(digits, 10).ok_or_else(|| {
                format!(
                    "error parsing version segment: strconv.ParseUint: parsing {}: value out of range",
                    quoted(digits)
                )
            }),
        };
        let version = Version {
            major: number(1)?,
            minor: number(2)?,
            patch: number(3)?,
            pre: part(4).into(),
            metadata: part(5).into(),
            original: text.into(),
        };
        let starts_zero = |id: &str| id.len() > 1 && id.starts_with('0') && id.bytes().all(|b| b.is_ascii_digit());
        if version.pre.split('.').any(starts_zero) {
            return Err("version segment starts with 0".into());
        }
        Ok(version)
    }

    /// By the rules of semver.org: metadata does not count.
    pub fn compare(&self, other: &Version) -> Ordering {
        let numbers = |v: &Version| (v.major, v.minor, v.patch);
        numbers(self).cmp(&numbers(other)).then_with(|| match (self.pre.is_empty(), other.pre.is_empty()) {
            (true, true) => Ordering::Equal,
            (true, false) => Ordering::Greater,
            (false, true) => Ordering::Less,
            (false, false) => compare_prereleases(&self.pre, &other.pre),
        })
    }
}

impl fmt::Display for Version {
    /// All three numbers, no `v`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)?;
        if !self.pre.is_empty() {
            write!(f, "-{}", self.pre)?;
        }
        if !self.metadata.is_empty() {
            write!(f, "+{}", self.metadata)?;
        }
        Ok(())
    }
}

fn compare_prereleases(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a.split('.'), b.split('.'));
    loop {
        match (a.next(), b.next()) {
            (None, None) => return Ordering::Equal,
            (None, Some(_)) => return Ordering::Less,
            (Some(_), None) => return Ordering::Greater,
            (Some(a), Some(b)) => {
                let order = match (parse_uint(a, 10), parse_uint(b, 10)) {
                    // The library takes numbers that differ only in their zeros for different ones.
                    (Some(x), Some(y)) if a != b => x.cmp(&y).then(Ordering::Less),
                    (Some(_), None) => Ordering::Less,
                    (None, Some(_)) => Ordering::Greater,
                    _ => a.cmp(b),
                };
                if order != Ordering::Equal {
                    return order;
                }
            }
        }
    }
}

struct Patterns {
    valid: Regex,
    find: Regex,
    one: Regex,
    range: Regex,
}

static PATTERNS: LazyLock<Patterns> = LazyLock::new(|| {
    const VERSION: &str = r"v?([0-9|xX*]+)(\.[0-9|xX*]+)?(\.[0-9|xX*]+)?(-([0-9A-Za-z\-]+(\.[0-9A-Za-z\-]+)*))?(\+([0-9A-Za-z\-]+(\.[0-9A-Za-z\-]+)*))?";
    const OPERATOR: &str = r"=||!=|>|<|>=|=>|<=|=<|~|~>|\^";
    const S: &str = r"[\t\n\x0c\r ]";
    let compile = |pattern: String| Regex::new(&pattern).expect("a constant pattern");
    Patterns {
        valid: compile(format!(
            "^({S}*({OPERATOR}){S}*({VERSION}){S}*)((?:{S}+|,{S}*)({OPERATOR}){S}*({VERSION}){S}*)*$"
        )),
        find: compile(format!("({OPERATOR}){S}*({VERSION})")),
        one: compile(format!("^{S}*({OPERATOR}){S}*({VERSION}){S}*$")),
        range: compile(format!("{S}*({VERSION}){S}+-{S}+({VERSION}){S}*")),
    }
});

impl Constraints {
    /// Reads constraints: `>=1.2 <2 || ^3.1`, `1.2 - 1.4.5`, `~1.2.x`.
    ///
    /// # Errors
    /// The library's message.
    pub fn parse(text: &str) -> Result<Constraints, String> {
        if text.len() > CONSTRAINT_BYTES_MAX {
            return Err(format!("constraint string is too long (max {CONSTRAINT_BYTES_MAX} bytes)"));
        }
        let mut rewritten = text.to_owned();
        for range in PATTERNS.range.captures_iter(text) {
            rewritten = rewritten.replacen(&range[0], &format!(">= {}, <= {} ", &range[1], &range[11]), 1);
        }
        let groups: Vec<&str> = rewritten.split("||").collect();
        if groups.len() > CONSTRAINT_GROUPS_MAX {
            return Err(format!("too many constraint groups (max {CONSTRAINT_GROUPS_MAX})"));
        }
        Ok(Constraints { groups: groups.into_iter().map(Group::parse).collect::<Result<_, _>>()? })
    }

    /// Whether a version meets all constraints of one alternative.
    pub fn check(&self, version: &Version) -> bool {
        self.groups.iter().any(|group| {
            (version.pre.is_empty() || group.names_prerelease) && group.constraints.iter().all(|c| c.check(version))
        })
    }
}

impl Group {
    fn parse(text: &str) -> Result<Group, String> {
        if !PATTERNS.valid.is_match(text) {
            return Err(format!("improper constraint: {}", quoted(text)));
        }
        let constraints: Vec<Constraint> =
            PATTERNS.find.find_iter(text).map(|found| Constraint::parse(found.as_str())).collect::<Result<_, _>>()?;
        let names_prerelease = constraints.iter().any(|constraint| !constraint.version.pre.is_empty());
        Ok(Group { constraints, names_prerelease })
    }
}

impl Constraint {
    fn parse(text: &str) -> Result<Constraint, String> {
        let parts = PATTERNS.one.captures(text).ok_or_else(|| format!("improper constraint: {}", quoted(text)))?;
        let part = |i: usize| parts.get(i).map_or("", |part| part.as_str());
        let operator = match part(1) {
            "!=" => Operator::NotEqual,
            ">" => Operator::Greater,
            "<" => Operator::Less,
            ">=" | "=>" => Operator::GreaterEqual,
            "<=" | "=<" => Operator::LessEqual,
            "~" | "~>" => Operator::Tilde,
            "^" => Operator::Caret,
            _ => Operator::Equal,
        };
        let open = |i: usize| matches!(part(i).trim_start_matches('.'), "" | "x" | "X" | "*");
        let (wildcard, version) = if open(3) {
            (Wildcard::Major, format!("0.0.0{}", part(6)))
        } else if open(4) {
            (Wildcard::Minor, format!("{}.0.0{}", part(3), part(6)))
        } else if open(5) {
            (Wildcard::Patch, format!("{}{}.0{}", part(3), part(4), part(6)))
        } else {
            (Wildcard::None, part(2).to_owned())
        };
        let version = Version::parse(&version).map_err(|_| "constraint parser error")?;
        Ok(Constraint { operator, version, wildcard })
    }

    fn check(&self, v: &Version) -> bool {
        let c = &self.version;
        let order = v.compare(c);
        match self.operator {
            Operator::Equal if self.wildcard == Wildcard::None => order == Ordering::Equal,
            Operator::Equal | Operator::Tilde => self.tilde(v, order),
            Operator::NotEqual => self.not_equal(v, order),
            Operator::Greater => match self.wildcard {
                Wildcard::None => order == Ordering::Greater,
                _ if v.major != c.major => v.major > c.major,
                Wildcard::Minor => false,
                Wildcard::Patch => v.minor > c.minor,
                Wildcard::Major => order == Ordering::Greater,
            },
            Operator::Less => order == Ordering::Less,
            Operator::GreaterEqual => order != Ordering::Less,
            Operator::LessEqual => match self.wildcard {
                Wildcard::None => order != Ordering::Greater,
                wildcard => {
                    v.major <= c.major && !(v.major == c.major && v.minor > c.minor && wildcard != Wildcard::Minor)
                }
            },
            Operator::Caret => self.caret(v, order),
        }
    }

    fn not_equal(&self, v: &Version, order: Ordering) -> bool {
        let c = &self.version;
        match self.wildcard {
            Wildcard::None => order != Ordering::Equal,
            _ if c.major != v.major => true,
            Wildcard::Minor => false,
            _ if c.minor != v.minor => true,
            Wildcard::Patch => (!v.pre.is_empty() || !c.pre.is_empty()) && v.pre != c.pre,
            Wildcard::Major => c.patch != v.patch || order != Ordering::Equal,
        }
    }

    fn tilde(&self, v: &Version, order: Ordering) -> bool {
        let c = &self.version;
        if order == Ordering::Less {
            return false;
        }
        let any = (c.major, c.minor, c.patch) == (0, 0, 0);
        if any && !matches!(self.wildcard, Wildcard::Minor | Wildcard::Patch) {
            return true;
        }
        v.major == c.major && (v.minor == c.minor || self.wildcard == Wildcard::Minor)
    }

    fn caret(&self, v: &Version, order: Ordering) -> bool {
        let c = &self.version;
        if order == Ordering::Less {
            return false;
        }
        if c.major > 0 || self.wildcard == Wildcard::Minor {
            return v.major == c.major;
        }
        if v.major > 0 {
            return false;
        }
        if c.minor > 0 || self.wildcard == Wildcard::Patch {
            return v.minor == c.minor;
        }
        v.minor == 0 && v.patch == c.patch
    }
}
