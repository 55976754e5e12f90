//! Dictionaries: `set`, `unset` and the merges change their first argument for everybody who holds it (dict.go).

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use Param::{Any, Map as Dict, Str};

use super::super::func::{Function, Host, Param};
use super::super::json::VALUE_DEPTH_MAX;
use super::super::value::{List, Map, MapType, Value};
use super::merge::merge;
use super::{map, plain, row, strval, text, variadic};

pub(super) const FUNCTIONS: &[Function] = &[
    variadic(
        "dict",
        &[Any],
        dict,
        "A dictionary of keys and values in turn; a last key without value gets \"\".",
        &[("{{ dict \"a\" 1 \"b\" }}", "map[a:1 b:]")],
    ),
    row("get", &[Dict, Str], get, "The value of a key, else \"\".", &[("{{ get (dict \"a\" 1) \"a\" }}", "1")]),
    row(
        "set",
        &[Dict, Str, Any],
        set,
        "Sets a key in place and gives the dictionary.",
        &[("{{ $d := dict }}{{ $_ := set $d \"a\" 1 }}{{ $d }}", "map[a:1]")],
    ),
    row(
        "unset",
        &[Dict, Str],
        unset,
        "Removes a key in place and gives the dictionary.",
        &[("{{ unset (dict \"a\" 1 \"b\" 2) \"a\" }}", "map[b:2]")],
    ),
    row("hasKey", &[Dict, Str], has_key, "Whether it has a key.", &[("{{ hasKey (dict \"a\" nil) \"a\" }}", "true")]),
    variadic(
        "pluck",
        &[Str, Dict],
        pluck,
        "The values of one key in all dictionaries that have it.",
        &[("{{ pluck \"a\" (dict \"a\" 1) (dict) (dict \"a\" 2) }}", "[1 2]")],
    ),
    variadic(
        "keys",
        &[Dict],
        keys,
        "The keys, sorted (Go leaves the order open).",
        &[("{{ keys (dict \"b\" 1 \"a\" 2) }}", "[a b]")],
    ),
    row("values", &[Dict], values, "The values, by sorted keys.", &[("{{ values (dict \"b\" 1 \"a\" 2) }}", "[2 1]")]),
    variadic(
        "pick",
        &[Dict, Str],
        pick,
        "Only the given keys.",
        &[("{{ pick (dict \"a\" 1 \"b\" 2) \"a\" }}", "map[a:1]")],
    ),
    variadic(
        "omit",
        &[Dict, Str],
        omit,
        "All but the given keys.",
        &[("{{ omit (dict \"a\" 1 \"b\" 2) \"a\" }}", "map[b:2]")],
    ),
    variadic(
        "merge",
        &[Dict, Dict],
        |_, args| merge_all(args, false),
        "Adds to the first dictionary, in place, what the others have and it lacks or has empty.",
        &[("{{ merge (dict \"a\" 1) (dict \"a\" 2 \"b\" 3) }}", "map[a:1 b:3]")],
    ),
    variadic(
        "mustMerge",
        &[Dict, Dict],
        |_, args| merge_all(args, false),
        "The same as merge.",
        &[("{{ mustMerge (dict \"a\" 0) (dict \"a\" 2) }}", "map[a:2]")],
    ),
    variadic(
        "mergeOverwrite",
        &[Dict, Dict],
        |_, args| merge_all(args, true),
        "Puts into the first dictionary, in place, all that the others have.",
        &[("{{ mergeOverwrite (dict \"a\" 1) (dict \"a\" 2) }}", "map[a:2]")],
    ),
    variadic(
        "mustMergeOverwrite",
        &[Dict, Dict],
        |_, args| merge_all(args, true),
        "The same as mergeOverwrite.",
        &[("{{ mustMergeOverwrite (dict \"a\" 1) (dict \"b\" 2) }}", "map[a:1 b:2]")],
    ),
    row(
        "deepCopy",
        &[Any],
        deep_copy,
        "A copy that shares nothing.",
        &[("{{ deepCopy (dict \"a\" (list 1)) }}", "map[a:[1]]")],
    ),
    row("mustDeepCopy", &[Any], deep_copy, "The same as deepCopy.", &[("{{ mustDeepCopy (list 1) }}", "[1]")]),
    variadic(
        "dig",
        &[Any],
        dig,
        "The value at a path of keys, else a default: dig key… default dictionary.",
        &[("{{ dig \"a\" \"b\" 0 (dict \"a\" (dict \"b\" 1)) }}", "1")],
    ),
];

fn dict(_: &mut dyn Host, args: &[Value]) -> Result<Value, String> {
    let mut entries = BTreeMap::new();
    for pair in args.chunks(2) {
        entries.insert(strval(&pair[0]), pair.get(1).cloned().unwrap_or_else(|| Value::str("")));
    }
    Ok(Value::map(entries))
}

fn get(_: &mut dyn Host, args: &[Value]) -> Result<Value, String> {
    let found = map(&args[0]).and_then(|map| map.get(&text(&args[1])));
    Ok(found.unwrap_or_else(|| Value::str("")))
}

fn set(_: &mut dyn Host, args: &[Value]) -> Result<Value, String> {
    let map = map(&args[0]).ok_or("assignment to entry in nil map")?;
    map.set(strval(&args[1]), args[2].clone());
    Ok(plain(map))
}

fn unset(_: &mut dyn Host, args: &[Value]) -> Result<Value, String> {
    let Some(map) = map(&args[0]) else {
        return Ok(Value::map(BTreeMap::new()));
    };
    map.entries.borrow_mut().remove(&*text(&args[1]));
    Ok(plain(map))
}

fn has_key(_: &mut dyn Host, args: &[Value]) -> Result<Value, String> {
    let key = text(&args[1]);
    Ok(Value::Bool(map(&args[0]).is_some_and(|map| map.entries.borrow().contains_key(&*key))))
}

fn pluck(_: &mut dyn Host, args: &[Value]) -> Result<Value, String> {
    let key = text(&args[0]);
    Ok(Value::list(args[1..].iter().filter_map(|arg| map(arg)?.get(&key)).collect()))
}

fn keys(_: &mut dyn Host, args: &[Value]) -> Result<Value, String> {
    let mut keys: Vec<Arc<str>> = Vec::new();
    for map in args.iter().filter_map(map) {
        keys.extend(map.entries.borrow().keys().cloned());
    }
    Ok(Value::strings(keys))
}

fn values(_: &mut dyn Host, args: &[Value]) -> Result<Value, String> {
    Ok(Value::list(map(&args[0]).map_or_else(Vec::new, |map| map.entries.borrow().values().cloned().collect())))
}

fn pick(_: &mut dyn Host, args: &[Value]) -> Result<Value, String> {
    let Some(map) = map(&args[0]) else {
        return Ok(Value::map(BTreeMap::new()));
    };
    let entries = map.entries.borrow();
    let picked = args[1..].iter().filter_map(|key| entries.get_key_value(&*text(key)));
    Ok(Value::map(picked.map(|(key, value)| (key.clone(), value.clone())).collect()))
}

fn omit(_: &mut dyn Host, args: &[Value]) -> Result<Value, String> {
    let Some(map) = map(&args[0]) else {
        return Ok(Value::map(BTreeMap::new()));
    };
    let mut entries = map.entries.borrow().clone();
    for key in &args[1..] {
        entries.remove(&*text(key));
    }
    Ok(Value::map(entries))
}

fn merge_all(args: &[Value], overwrite: bool) -> Result<Value, String> {
    let into = match &args[0] {
        Value::Map(map) => map.clone(),
        _ => Map { entries: Rc::default(), map_type: MapType::Interface },
    };
    for from in args[1..].iter().filter_map(map) {
        merge(&into, from, overwrite)?;
    }
    Ok(plain(&into))
}

fn deep_copy(_: &mut dyn Host, args: &[Value]) -> Result<Value, String> {
    match &args[0] {
        Value::Nil => Err("reflect: call of reflect.Value.Type on zero Value".into()),
        value => copy(value, 0),
    }
}

fn copy(value: &Value, depth: usize) -> Result<Value, String> {
    if depth > VALUE_DEPTH_MAX {
        return Err("deepCopy error: the value holds itself".into());
    }
    Ok(match value {
        Value::List(list) => {
            let items = list.items.iter().map(|item| copy(item, depth + 1)).collect::<Result<_, _>>()?;
            Value::List(List { items: Rc::new(items), element: list.element })
        }
        Value::Map(map) => {
            let entries = map.entries.borrow();
            let copies = entries.iter().map(|(key, value)| Ok((key.clone(), copy(value, depth + 1)?)));
            let copies: BTreeMap<Arc<str>, Value> = copies.collect::<Result<_, String>>()?;
            Value::Map(Map { entries: Rc::new(copies.into()), map_type: map.map_type })
        }
        other => other.clone(),
    })
}

fn dig(_: &mut dyn Host, args: &[Value]) -> Result<Value, String> {
    /// Go's words where a type assertion fails.
    fn no(value: &Value, wanted: &str) -> String {
        let is = if matches!(value, Value::Nil) { "nil".into() } else { value.type_name() };
        format!("interface conversion: interface {{}} is {is}, not {wanted}")
    }
    let dictionary = |value: &Value| match value {
        Value::Map(map) if map.map_type == MapType::Interface => Ok(map.clone()),
        other => Err(no(other, "map[string]interface {}")),
    };
    let [path @ .., default, root] = args else {
        return Err("dig needs at least three arguments".into());
    };
    if path.is_empty() {
        return Err("dig needs at least three arguments".into());
    }
    let mut current = dictionary(root)?;
    for key in path {
        if !matches!(key, Value::Str(_) | Value::Bytes(_)) {
            return Err(no(key, "string"));
        }
    }
    for (i, key) in path.iter().enumerate() {
        match current.get(&text(key)) {
            None => return Ok(default.clone()),
            Some(found) if i + 1 == path.len() => return Ok(found),
            Some(found) => current = dictionary(&found)?,
        }
    }
    Ok(default.clone())
}
