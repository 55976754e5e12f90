//! Semantic versions.

use std::rc::Rc;

use Param::Str;

use crate::semver::{Constraint, Version};

use super::super::func::{Function, Host, Param};
use super::super::value::{IntKind, Object, Value};
use super::{row, text};

pub(super) const FUNCTIONS: &[Function] = &[
    row(
        "semver",
        &[Str],
        semver,
        "A version with .Major, .Minor, .Patch, .Prerelease, .Metadata, .Original.",
        &[("{{ (semver \"v1.2\").Minor }} {{ semver \"v1.2\" }}", "2 1.2.0")],
    ),
    row(
        "semverCompare",
        &[Str, Str],
        compare,
        "Whether a version meets a constraint: semverCompare constraint version.",
        &[("{{ semverCompare \">=1.19-0\" \"v1.20.3-gke.1\" }}", "true")],
    ),
];

fn semver(_: &mut dyn Host, args: &[Value]) -> Result<Value, String> {
    let original = text(&args[0]);
    Ok(object(Version::parse(&original)?, &original, true))
}

fn compare(_: &mut dyn Host, args: &[Value]) -> Result<Value, String> {
    let constraint = Constraint::parse(&text(&args[0]))?;
    Ok(Value::Bool(constraint.check(&Version::parse(&text(&args[1]))?)))
}

fn object(version: Version, original: &str, pointer: bool) -> Value {
    Value::Object(Rc::new(VersionObject { version, original: original.into(), pointer }))
}

/// Go's `*semver.Version`; what its methods make are plain `semver.Version`s, which have fewer methods.
struct VersionObject {
    version: Version,
    /// The text it was read from.
    original: String,
    pointer: bool,
}

const METHODS: &[&str] = &[
    "IncMajor",
    "IncMinor",
    "IncPatch",
    "Major",
    "Metadata",
    "Minor",
    "Patch",
    "Prerelease",
    "SetMetadata",
    "SetPrerelease",
    "String",
];
const POINTER_METHODS: &[&str] =
    &["Compare", "Equal", "GreaterThan", "GreaterThanEqual", "LessThan", "LessThanEqual", "Original"];

impl Object for VersionObject {
    fn type_name(&self) -> &str {
        if self.pointer { "*semver.Version" } else { "semver.Version" }
    }

    fn kind(&self) -> &'static str {
        if self.pointer { "ptr" } else { "struct" }
    }

    fn field(&self, _: &str) -> Option<Value> {
        None
    }

    fn has_method(&self, name: &str) -> bool {
        METHODS.contains(&name) || self.pointer && POINTER_METHODS.contains(&name)
    }

    fn call(&self, name: &str, args: &[Value]) -> Result<Value, String> {
        let version = &self.version;
        let number = |n: u64| Ok(Value::Int(n as i64, IntKind::Uint64));
        let other = || match args {
            [Value::Object(object)] => object.as_any().downcast_ref::<VersionObject>().map(|other| &other.version),
            _ => None,
        };
        let order = || {
            other().map(|other| version.cmp_precedence(other)).ok_or("wrong type for value; expected *semver.Version")
        };
        match name {
            "Major" => number(version.major),
            "Minor" => number(version.minor),
            "Patch" => number(version.patch),
            "Prerelease" => Ok(Value::str(&*version.pre)),
            "Metadata" => Ok(Value::str(&*version.metadata)),
            "Original" => Ok(Value::str(&*self.original)),
            "String" => Ok(Value::str(printed(version))),
            "Compare" => Ok(Value::int(order()? as i64)),
            "Equal" => Ok(Value::Bool(order()?.is_eq())),
            "LessThan" => Ok(Value::Bool(order()?.is_lt())),
            "LessThanEqual" => Ok(Value::Bool(order()?.is_le())),
            "GreaterThan" => Ok(Value::Bool(order()?.is_gt())),
            "GreaterThanEqual" => Ok(Value::Bool(order()?.is_ge())),
            "IncMajor" => self.next((version.major.checked_add(1), Some(0), Some(0)), "major"),
            "IncMinor" => self.next((Some(version.major), version.minor.checked_add(1), Some(0)), "minor"),
            "IncPatch" => {
                let patch = if version.pre.is_empty() { version.patch.checked_add(1) } else { Some(version.patch) };
                self.next((Some(version.major), Some(version.minor), patch), "patch")
            }
            "SetPrerelease" | "SetMetadata" => {
                let [Value::Str(text)] = args else {
                    return Err(format!("wrong arguments for {name}; expected string"));
                };
                let mut changed = version.clone();
                if name == "SetMetadata" { &mut changed.metadata } else { &mut changed.pre }.replace_range(.., text);
                Version::parse(&printed(&changed)).map_err(|_| match name {
                    "SetMetadata" => "invalid metadata string".to_owned(),
                    _ => "invalid prerelease string".to_owned(),
                })?;
                Ok(self.derived(changed))
            }
            _ => Err(format!("can't evaluate field {name} in type *semver.Version")),
        }
    }

    fn struct_fields(&self) -> Option<Vec<(&str, Value)>> {
        let Version { major, minor, patch, pre, metadata } = &self.version;
        let number = |n: &u64| Value::Int(n.cast_signed(), IntKind::Uint64);
        Some(vec![
            ("major", number(major)),
            ("minor", number(minor)),
            ("patch", number(patch)),
            ("pre", Value::str(&**pre)),
            ("metadata", Value::str(&**metadata)),
            ("original", Value::str(&*self.original)),
        ])
    }

    fn print(&self) -> String {
        printed(&self.version)
    }

    fn as_data(&self) -> Option<Value> {
        Some(Value::str(printed(&self.version)))
    }

    fn as_any(&self) -> &dyn std::any::Any {
        self
    }
}

impl VersionObject {
    fn next(&self, numbers: (Option<u64>, Option<u64>, Option<u64>), part: &str) -> Result<Value, String> {
        let (Some(major), Some(minor), Some(patch)) = numbers else {
            return Err(format!("{part} version increment would overflow uint64"));
        };
        Ok(self.derived(Version { major, minor, patch, pre: String::new(), metadata: String::new() }))
    }

    /// A plain version; it cannot be asked for the text it was read from, though it has one.
    fn derived(&self, version: Version) -> Value {
        let prefix = if self.original.starts_with('v') { "v" } else { "" };
        let original = format!("{prefix}{}", printed(&version));
        object(version, &original, false)
    }
}

/// All three numbers, no `v`.
fn printed(version: &Version) -> String {
    let mut out = format!("{}.{}.{}", version.major, version.minor, version.patch);
    for (mark, part) in [('-', &version.pre), ('+', &version.metadata)] {
        if !part.is_empty() {
            out.push(mark);
            out.push_str(part);
        }
    }
    out
}
