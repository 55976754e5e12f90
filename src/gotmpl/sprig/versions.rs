//! Semantic versions.

use std::rc::Rc;

use Param::Str;

use super::super::func::{Function, Host, Param};
use super::super::semver::{Constraints, Version};
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
    Ok(object(Version::parse(&text(&args[0]))?, true))
}

fn compare(_: &mut dyn Host, args: &[Value]) -> Result<Value, String> {
    let constraints = Constraints::parse(&text(&args[0]))?;
    Ok(Value::Bool(constraints.check(&Version::parse(&text(&args[1]))?)))
}

fn object(version: Version, pointer: bool) -> Value {
    Value::Object(Rc::new(VersionObject { version, pointer }))
}

/// Go's `*semver.Version`; what its methods make are plain `semver.Version`s, which have fewer methods.
struct VersionObject {
    version: Version,
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
        let order =
            || other().map(|other| version.compare(other)).ok_or("wrong type for value; expected *semver.Version");
        match name {
            "Major" => number(version.major),
            "Minor" => number(version.minor),
            "Patch" => number(version.patch),
            "Prerelease" => Ok(Value::str(&*version.pre)),
            "Metadata" => Ok(Value::str(&*version.metadata)),
            "Original" => Ok(Value::str(&*version.original)),
            "String" => Ok(Value::str(version.to_string())),
            "Compare" => Ok(Value::int(order()? as i64)),
            "Equal" => Ok(Value::Bool(order()?.is_eq())),
            "LessThan" => Ok(Value::Bool(order()?.is_lt())),
            "LessThanEqual" => Ok(Value::Bool(order()?.is_le())),
            "GreaterThan" => Ok(Value::Bool(order()?.is_gt())),
            "GreaterThanEqual" => Ok(Value::Bool(order()?.is_ge())),
            "IncMajor" => next(version, (version.major.checked_add(1), Some(0), Some(0)), "major"),
            "IncMinor" => next(version, (Some(version.major), version.minor.checked_add(1), Some(0)), "minor"),
            "IncPatch" => {
                let patch = if version.pre.is_empty() { version.patch.checked_add(1) } else { Some(version.patch) };
                next(version, (Some(version.major), Some(version.minor), patch), "patch")
            }
            "SetPrerelease" | "SetMetadata" => {
                let [Value::Str(text)] = args else {
                    return Err(format!("wrong arguments for {name}; expected string"));
                };
                let mut changed = version.clone();
                if name == "SetMetadata" { &mut changed.metadata } else { &mut changed.pre }.replace_range(.., text);
                Version::parse(&changed.to_string()).map_err(|_| match name {
                    "SetMetadata" => "invalid metadata string".to_owned(),
                    _ => "invalid prerelease string".to_owned(),
                })?;
                changed.original = prefixed(version, &changed);
                Ok(object(changed, false))
            }
            _ => Err(format!("can't evaluate field {name} in type *semver.Version")),
        }
    }

    fn print(&self) -> String {
        self.version.to_string()
    }

    fn as_data(&self) -> Option<Value> {
        Some(Value::str(self.version.to_string()))
    }

    fn as_any(&self) -> &dyn std::any::Any {
        self
    }
}

fn next(old: &Version, numbers: (Option<u64>, Option<u64>, Option<u64>), part: &str) -> Result<Value, String> {
    let (Some(major), Some(minor), Some(patch)) = numbers else {
        return Err(format!("{part} version increment would overflow uint64"));
    };
    let mut version = Version { major, minor, patch, ..Version::default() };
    version.original = prefixed(old, &version);
    Ok(object(version, false))
}

/// The text of a version made from another one: with its `v`.
fn prefixed(old: &Version, new: &Version) -> String {
    let prefix = if old.original.starts_with('v') { "v" } else { "" };
    format!("{prefix}{new}")
}
