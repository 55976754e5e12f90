//! Types and kinds by their Go names (sprig's reflect.go), and `getHostByName`.

use Param::{Any, Str};

use super::super::func::{Function, Host, Param};
use super::super::value::Value;
use super::{deep_equal, row, text};

pub(super) const FUNCTIONS: &[Function] = &[
    row(
        "typeOf",
        &[Any],
        |_, args| Ok(Value::str(args[0].type_name())),
        "The Go type.",
        &[("{{ typeOf (list 1) }}", "[]interface {}")],
    ),
    row("typeIs", &[Str, Any], type_is, "Whether a value has a Go type.", &[("{{ typeIs \"string\" \"a\" }}", "true")]),
    row(
        "typeIsLike",
        &[Str, Any],
        type_is_like,
        "The same, a pointer to it too.",
        &[("{{ typeIsLike \"int\" 1 }}", "true")],
    ),
    row(
        "kindOf",
        &[Any],
        |_, args| Ok(Value::str(args[0].kind())),
        "The Go kind.",
        &[("{{ kindOf (dict) }} {{ kindOf nil }}", "map invalid")],
    ),
    row(
        "kindIs",
        &[Str, Any],
        kind_is,
        "Whether a value is of a Go kind.",
        &[("{{ kindIs \"slice\" (list) }}", "true")],
    ),
    row(
        "deepEqual",
        &[Any, Any],
        |_, args| Ok(Value::Bool(deep_equal(&args[0], &args[1]))),
        "Whether two values have the same types and content.",
        &[("{{ deepEqual (list 1) (list 1) }} {{ deepEqual 1 1.0 }}", "true false")],
    ),
    row(
        "getHostByName",
        &[Str],
        |_, _| Ok(Value::str("")),
        "Always empty: rendering asks no name server, as Helm without --enable-dns.",
        &[("{{ getHostByName \"localhost\" | quote }}", "\"\"")],
    ),
];

fn type_is(_: &mut dyn Host, args: &[Value]) -> Result<Value, String> {
    Ok(Value::Bool(*text(&args[0]) == args[1].type_name()))
}

fn type_is_like(_: &mut dyn Host, args: &[Value]) -> Result<Value, String> {
    let name = args[1].type_name();
    let target = text(&args[0]);
    Ok(Value::Bool(*target == *name || name.strip_prefix('*') == Some(&*target)))
}

fn kind_is(_: &mut dyn Host, args: &[Value]) -> Result<Value, String> {
    Ok(Value::Bool(&*text(&args[0]) == args[1].kind()))
}
