//! Lists: none is changed in place, each function makes a new one (sprig's list.go).

use std::borrow::Cow;
use std::rc::Rc;

use Param::{Any, Int};

use super::super::func::{Function, Host, Param};
use super::super::value::{ElementType, List, Value};
use super::{NIL_POINTER, deep_equal, int, items, row, to_int, variadic};

pub(super) const FUNCTIONS: &[Function] = &[
    variadic("list", &[Any], list, "A list of its arguments.", &[("{{ list 1 \"a\" nil }}", "[1 a <nil>]")]),
    variadic("tuple", &[Any], list, "The old name of list.", &[("{{ tuple 1 2 }}", "[1 2]")]),
    row("append", &[Any, Any], append, "The list with one more element.", &[("{{ append (list 1) 2 }}", "[1 2]")]),
    row("push", &[Any, Any], append, "The same as append.", &[("{{ push (list 1) 2 }}", "[1 2]")]),
    row("mustAppend", &[Any, Any], append, "The same as append.", &[("{{ mustAppend (list 1) 2 }}", "[1 2]")]),
    row("mustPush", &[Any, Any], append, "The same as append.", &[("{{ mustPush (list 1) 2 }}", "[1 2]")]),
    row("prepend", &[Any, Any], prepend, "The list after one more element.", &[("{{ prepend (list 1) 0 }}", "[0 1]")]),
    row("mustPrepend", &[Any, Any], prepend, "The same as prepend.", &[("{{ mustPrepend (list 1) 0 }}", "[0 1]")]),
    row("first", &[Any], first, "The first element; nil of an empty list.", &[("{{ first (list 1 2) }}", "1")]),
    row("mustFirst", &[Any], first, "The same as first.", &[("{{ mustFirst (list 1 2) }}", "1")]),
    row("last", &[Any], last, "The last element; nil of an empty list.", &[("{{ last (list 1 2) }}", "2")]),
    row("mustLast", &[Any], last, "The same as last.", &[("{{ mustLast (list 1 2) }}", "2")]),
    row("rest", &[Any], rest, "All but the first element.", &[("{{ rest (list 1 2 3) }}", "[2 3]")]),
    row("mustRest", &[Any], rest, "The same as rest.", &[("{{ mustRest (list 1 2 3) }}", "[2 3]")]),
    row("initial", &[Any], initial, "All but the last element.", &[("{{ initial (list 1 2 3) }}", "[1 2]")]),
    row("mustInitial", &[Any], initial, "The same as initial.", &[("{{ mustInitial (list 1 2 3) }}", "[1 2]")]),
    row("reverse", &[Any], reverse, "The elements from last to first.", &[("{{ reverse (list 1 2 3) }}", "[3 2 1]")]),
    row("mustReverse", &[Any], reverse, "The same as reverse.", &[("{{ mustReverse (list 1 2) }}", "[2 1]")]),
    row("uniq", &[Any], uniq, "Every element once.", &[("{{ uniq (list 1 2 1 1.0) }}", "[1 2 1]")]),
    row("mustUniq", &[Any], uniq, "The same as uniq.", &[("{{ mustUniq (list 1 2 1) }}", "[1 2]")]),
    variadic(
        "without",
        &[Any, Any],
        without,
        "The elements that equal none of the arguments, in type and value.",
        &[("{{ without (list 1 2 3 2) 2 }}", "[1 3]")],
    ),
    variadic("mustWithout", &[Any, Any], without, "The same.", &[("{{ mustWithout (list 1 2) 2 }}", "[1]")]),
    row(
        "has",
        &[Any, Any],
        has,
        "Whether a list has an element: has element list.",
        &[("{{ has 2 (list 1 2) }}", "true")],
    ),
    row("mustHas", &[Any, Any], has, "The same as has.", &[("{{ mustHas 3 (list 1 2) }}", "false")]),
    row(
        "compact",
        &[Any],
        compact,
        "The elements that are not empty.",
        &[("{{ compact (list 0 1 \"\" \"a\") }}", "[1 a]")],
    ),
    row("mustCompact", &[Any], compact, "The same as compact.", &[("{{ mustCompact (list 0 1) }}", "[1]")]),
    variadic(
        "slice",
        &[Any, Any],
        slice,
        "The elements from a first to before a last.",
        &[("{{ slice (list 1 2 3 4) 1 3 }}", "[2 3]")],
    ),
    variadic("mustSlice", &[Any, Any], slice, "The same as slice.", &[("{{ mustSlice (list 1 2 3) 1 }}", "[2 3]")]),
    variadic(
        "concat",
        &[Any],
        concat,
        "The elements of all lists.",
        &[("{{ concat (list 1) (list 2 3) }}", "[1 2 3]")],
    ),
    row("chunk", &[Int, Any], chunk, "Lists of n elements.", &[("{{ chunk 2 (list 1 2 3) }}", "[[1 2] [3]]")]),
    row("mustChunk", &[Int, Any], chunk, "The same as chunk.", &[("{{ mustChunk 1 (list 1 2) }}", "[[1] [2]]")]),
];

fn list(_: &mut dyn Host, args: &[Value]) -> Result<Value, String> {
    Ok(Value::list(args.to_vec()))
}

fn append(_: &mut dyn Host, args: &[Value]) -> Result<Value, String> {
    let items = items(&args[0], "Cannot push on type")?;
    let mut longer = Vec::with_capacity(items.len() + 1);
    longer.extend_from_slice(&items);
    longer.push(args[1].clone());
    Ok(Value::list(longer))
}

fn prepend(_: &mut dyn Host, args: &[Value]) -> Result<Value, String> {
    let items = items(&args[0], "Cannot prepend on type")?;
    let mut longer = Vec::with_capacity(items.len() + 1);
    longer.push(args[1].clone());
    longer.extend_from_slice(&items);
    Ok(Value::list(longer))
}

fn first(_: &mut dyn Host, args: &[Value]) -> Result<Value, String> {
    Ok(items(&args[0], "Cannot find first on type")?.first().cloned().unwrap_or(Value::Nil))
}

fn last(_: &mut dyn Host, args: &[Value]) -> Result<Value, String> {
    Ok(items(&args[0], "Cannot find last on type")?.last().cloned().unwrap_or(Value::Nil))
}

fn rest(_: &mut dyn Host, args: &[Value]) -> Result<Value, String> {
    let items = items(&args[0], "Cannot find rest on type")?;
    Ok(items.split_first().map_or_else(Value::nil_list, |(_, rest)| Value::list(rest.to_vec())))
}

fn initial(_: &mut dyn Host, args: &[Value]) -> Result<Value, String> {
    let items = items(&args[0], "Cannot find initial on type")?;
    Ok(items.split_last().map_or_else(Value::nil_list, |(_, initial)| Value::list(initial.to_vec())))
}

fn reverse(_: &mut dyn Host, args: &[Value]) -> Result<Value, String> {
    let items = items(&args[0], "Cannot find reverse on type")?;
    Ok(Value::list(items.iter().rev().cloned().collect()))
}

fn uniq(_: &mut dyn Host, args: &[Value]) -> Result<Value, String> {
    let items = items(&args[0], "Cannot find uniq on type")?;
    let mut seen: Vec<Value> = Vec::new();
    for item in items.iter() {
        if !seen.iter().any(|other| deep_equal(item, other)) {
            seen.push(item.clone());
        }
    }
    Ok(Value::list(seen))
}

fn without(_: &mut dyn Host, args: &[Value]) -> Result<Value, String> {
    let items = items(&args[0], "Cannot find without on type")?;
    let kept = items.iter().filter(|item| !args[1..].iter().any(|omit| deep_equal(item, omit)));
    Ok(Value::list(kept.cloned().collect()))
}

fn has(_: &mut dyn Host, args: &[Value]) -> Result<Value, String> {
    if matches!(args[1], Value::Nil) {
        return Ok(Value::Bool(false));
    }
    let items = items(&args[1], "Cannot find has on type")?;
    Ok(Value::Bool(items.iter().any(|item| deep_equal(&args[0], item))))
}

fn compact(_: &mut dyn Host, args: &[Value]) -> Result<Value, String> {
    let items = items(&args[0], "Cannot compact on type")?;
    Ok(Value::list(items.iter().filter(|item| item.truth()).cloned().collect()))
}

fn slice(_: &mut dyn Host, args: &[Value]) -> Result<Value, String> {
    let items = items(&args[0], "list should be type of slice or array but")?;
    if items.is_empty() {
        return Ok(Value::Nil);
    }
    let start = args.get(1).map_or(0, to_int);
    let end = args.get(2).map_or(items.len() as i64, to_int);
    if start < 0 || end < start || end > items.len() as i64 {
        return Err("reflect.Value.Slice: slice index out of bounds".into());
    }
    let element = match &args[0] {
        Value::List(list) => list.element,
        _ => ElementType::Interface,
    };
    Ok(Value::List(List { items: Rc::new(items[start as usize..end as usize].to_vec()), element }))
}

fn concat(_: &mut dyn Host, args: &[Value]) -> Result<Value, String> {
    let mut all = Vec::new();
    for arg in args {
        match items(arg, "") {
            Ok(items) => all.extend_from_slice(&items),
            Err(_) if matches!(arg, Value::Nil) => return Err(NIL_POINTER.into()),
            Err(_) => return Err(format!("Cannot concat type {} as list", arg.kind())),
        }
    }
    Ok(if all.is_empty() { Value::nil_list() } else { Value::list(all) })
}

fn chunk(_: &mut dyn Host, args: &[Value]) -> Result<Value, String> {
    let items: Cow<'_, [Value]> = items(&args[1], "Cannot chunk type")?;
    let size = int(&args[0]);
    let chunks = match usize::try_from(size) {
        Ok(size @ 1..) => items.chunks(size).map(|chunk| Value::list(chunk.to_vec())).collect(),
        // Sprig makes floor((length - 1) / size) + 1 lists, which may come to one, none or less.
        Err(_) if items.len() == 1 && size < -1 => vec![Value::list(items.to_vec())],
        Err(_) if items.len() > 1 && items.len() as u64 - 1 <= size.unsigned_abs() => Vec::new(),
        _ => return Err("runtime error: makeslice: len out of range".into()),
    };
    Ok(Value::List(List { items: Rc::new(chunks), element: ElementType::List }))
}
