//! Cutting, joining, padding and quoting texts (sprig's strings.go and the closures of functions.go).

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use Param::{Any, Int, Str};

use super::super::fmt::write_value;
use super::super::func::{Function, Host, Param};
use super::super::strconv::quote as go_quote;
use super::super::value::{Map, MapType, Value};
use super::{TEXT_BYTES_MAX, bytes, int, items, row, string_of, strval, text, variadic};

pub(super) const FUNCTIONS: &[Function] = &[
    row("hello", &[], |_, _| Ok(Value::str("Hello!")), "A greeting.", &[("{{ hello }}", "Hello!")]),
    row("trim", &[Str], trim, "Removes white space from both ends.", &[("{{ trim \"  a b \\n\" }}", "a b")]),
    row("upper", &[Str], upper, "Upper case.", &[("{{ upper \"aé\" }}", "AÉ")]),
    row("lower", &[Str], lower, "Lower case.", &[("{{ lower \"AÉ\" }}", "aé")]),
    row(
        "trimAll",
        &[Str, Str],
        trim_all,
        "Removes the given characters from both ends.",
        &[("{{ trimAll \"$\" \"$5.00$\" }}", "5.00")],
    ),
    row("trimall", &[Str, Str], trim_all, "The old name of trimAll.", &[("{{ trimall \"-\" \"--a-\" }}", "a")]),
    row("trimSuffix", &[Str, Str], trim_suffix, "Removes a suffix, once.", &[("{{ trimSuffix \"-\" \"a--\" }}", "a-")]),
    row(
        "trimPrefix",
        &[Str, Str],
        trim_prefix,
        "Removes a prefix, once.",
        &[("{{ trimPrefix \"v\" \"v1.2\" }}", "1.2")],
    ),
    row(
        "trunc",
        &[Int, Str],
        trunc,
        "The first n bytes, or the last -n.",
        &[("{{ trunc 3 \"hello\" }}", "hel"), ("{{ trunc -3 \"hello\" }}", "llo")],
    ),
    row(
        "substr",
        &[Int, Int, Str],
        substr,
        "The bytes from start to end; a negative start is 0, a negative end is the text's end.",
        &[("{{ substr 1 3 \"hello\" }}", "el"), ("{{ substr 1 -1 \"hello\" }}", "ello")],
    ),
    row("repeat", &[Int, Str], repeat, "The text n times.", &[("{{ repeat 3 \"ab\" }}", "ababab")]),
    row(
        "replace",
        &[Str, Str, Str],
        replace,
        "Replaces every old by new: replace old new text.",
        &[("{{ \"a.b.c\" | replace \".\" \"-\" }}", "a-b-c")],
    ),
    row(
        "contains",
        &[Str, Str],
        |_, args| Ok(Value::Bool(find(bytes(&args[1]), bytes(&args[0])).is_some())),
        "Whether the second text holds the first.",
        &[("{{ contains \"ell\" \"hello\" }}", "true")],
    ),
    row(
        "hasPrefix",
        &[Str, Str],
        |_, args| Ok(Value::Bool(bytes(&args[1]).starts_with(bytes(&args[0])))),
        "Whether the second text begins with the first.",
        &[("{{ hasPrefix \"he\" \"hello\" }}", "true")],
    ),
    row(
        "hasSuffix",
        &[Str, Str],
        |_, args| Ok(Value::Bool(bytes(&args[1]).ends_with(bytes(&args[0])))),
        "Whether the second text ends with the first.",
        &[("{{ hasSuffix \"lo\" \"hello\" }}", "true")],
    ),
    variadic(
        "quote",
        &[Any],
        quote,
        "Every argument in double quotes, as Go writes strings; nil is left out.",
        &[("{{ quote 1 \"a\\\"b\" nil }}", "\"1\" \"a\\\"b\"")],
    ),
    variadic(
        "squote",
        &[Any],
        squote,
        "Every argument in single quotes, not escaped; nil is left out.",
        &[("{{ squote 1 \"it's\" }}", "'1' 'it's'")],
    ),
    variadic(
        "cat",
        &[Any],
        cat,
        "Joins what the arguments print with spaces; nil is left out.",
        &[("{{ cat \"a\" 1 nil true }}", "a 1 true")],
    ),
    row("indent", &[Int, Str], indent, "Begins every line with n spaces.", &[("{{ indent 2 \"a\\nb\" }}", "  a\n  b")]),
    row(
        "nindent",
        &[Int, Str],
        nindent,
        "The same, after a line feed.",
        &[("x:{{ nindent 2 \"a\\nb\" }}", "x:\n  a\n  b")],
    ),
    row(
        "plural",
        &[Str, Str, Int],
        |_, args| Ok(args[usize::from(int(&args[2]) != 1)].clone()),
        "The first text for one, the second for any other number.",
        &[("{{ plural \"pod\" \"pods\" 2 }}", "pods")],
    ),
    row(
        "toString",
        &[Any],
        |_, args| Ok(string_of(&args[0])),
        "What a value prints as.",
        &[("{{ toString 1.5 | quote }}", "\"1.5\"")],
    ),
    row(
        "toStrings",
        &[Any],
        |_, args| Ok(Value::strings(strslice(&args[0]))),
        "A list of what the elements print as; nil is left out.",
        &[("{{ list 1 nil \"a\" | toStrings }}", "[1 a]")],
    ),
    row(
        "join",
        &[Str, Any],
        join,
        "Joins what the elements print as; nil is left out.",
        &[("{{ list 1 2 | join \",\" }}", "1,2")],
    ),
    row(
        "split",
        &[Str, Str],
        |_, args| Ok(numbered(split(&text(&args[0]), &text(&args[1]), None))),
        "The parts between separators, in a map with the keys _0, _1 and so on.",
        &[("{{ (split \"$\" \"a$b\")._1 }}", "b")],
    ),
    row(
        "splitn",
        &[Str, Int, Str],
        |_, args| Ok(numbered(split_n(&text(&args[0]), int(&args[1]), &text(&args[2])))),
        "The same, in at most n parts.",
        &[("{{ (splitn \"$\" 2 \"a$b$c\")._1 }}", "b$c")],
    ),
    row(
        "splitList",
        &[Str, Str],
        |_, args| Ok(Value::strings(split(&text(&args[0]), &text(&args[1]), None))),
        "The parts between separators, in a list.",
        &[("{{ splitList \",\" \"a,b\" }}", "[a b]")],
    ),
    row(
        "sortAlpha",
        &[Any],
        sort_alpha,
        "What the elements print as, sorted by bytes.",
        &[("{{ list \"b\" \"a\" 10 9 | sortAlpha }}", "[10 9 a b]")],
    ),
    row("shuffle", &[Str], shuffle, "The characters in a random order.", &[("{{ shuffle \"aaa\" }}", "aaa")]),
];

/// sprig's `strslice`: the elements of a list as texts without nil; any other value as the only element.
pub(super) fn strslice(value: &Value) -> Vec<Arc<str>> {
    match items(value, "") {
        Ok(items) => items.iter().filter(|item| !matches!(item, Value::Nil)).map(strval).collect(),
        Err(_) if matches!(value, Value::Nil) => Vec::new(),
        Err(_) => vec![strval(value)],
    }
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    match (std::str::from_utf8(haystack), std::str::from_utf8(needle)) {
        (Ok(haystack), Ok(needle)) => haystack.find(needle),
        _ if needle.is_empty() => Some(0),
        _ => haystack.windows(needle.len()).position(|window| window == needle),
    }
}

/// The argument itself where nothing was cut off it.
fn part(whole: &Value, part: &str) -> Value {
    match whole {
        Value::Str(text) if text.len() == part.len() => whole.clone(),
        _ => Value::str(part),
    }
}

fn trim(_: &mut dyn Host, args: &[Value]) -> Result<Value, String> {
    Ok(part(&args[0], text(&args[0]).trim()))
}

fn trim_all(_: &mut dyn Host, args: &[Value]) -> Result<Value, String> {
    let cutset = text(&args[0]);
    Ok(part(&args[1], text(&args[1]).trim_matches(|c| cutset.contains(c))))
}

fn trim_suffix(_: &mut dyn Host, args: &[Value]) -> Result<Value, String> {
    let whole = text(&args[1]);
    Ok(part(&args[1], whole.strip_suffix(&*text(&args[0])).unwrap_or(&whole)))
}

fn trim_prefix(_: &mut dyn Host, args: &[Value]) -> Result<Value, String> {
    let whole = text(&args[1]);
    Ok(part(&args[1], whole.strip_prefix(&*text(&args[0])).unwrap_or(&whole)))
}

fn upper(_: &mut dyn Host, args: &[Value]) -> Result<Value, String> {
    Ok(Value::str(text(&args[0]).chars().map(super::words::to_upper).collect::<String>()))
}

fn lower(_: &mut dyn Host, args: &[Value]) -> Result<Value, String> {
    Ok(Value::str(text(&args[0]).chars().map(super::words::to_lower).collect::<String>()))
}

fn trunc(_: &mut dyn Host, args: &[Value]) -> Result<Value, String> {
    let (count, whole) = (int(&args[0]), bytes(&args[1]));
    let length = whole.len() as i64;
    if count < 0 && length + count > 0 {
        return Ok(Value::bytes(whole[(length + count) as usize..].to_vec()));
    }
    if count >= 0 && length > count {
        return Ok(Value::bytes(whole[..count as usize].to_vec()));
    }
    Ok(args[1].clone())
}

fn substr(_: &mut dyn Host, args: &[Value]) -> Result<Value, String> {
    let (start, end, whole) = (int(&args[0]), int(&args[1]), bytes(&args[2]));
    let length = whole.len() as i64;
    let out_of_range = |what: String| format!("runtime error: slice bounds out of range [{what}");
    let range = if start < 0 {
        match end {
            0.. if end <= length => 0..end,
            0.. => return Err(out_of_range(format!(":{end}] with length {length}"))),
            _ => return Err(out_of_range(format!(":{end}]"))),
        }
    } else {
        let end = if end < 0 || end > length { length } else { end };
        if start > end {
            return Err(out_of_range(format!("{start}:{end}]")));
        }
        start..end
    };
    Ok(Value::bytes(whole[range.start as usize..range.end as usize].to_vec()))
}

/// `count` copies of a text, if Go and the limit allow it.
fn copies(text: &str, count: i64) -> Result<String, String> {
    let count = usize::try_from(count).map_err(|_| "strings: negative Repeat count")?;
    if text.len().saturating_mul(count) > TEXT_BYTES_MAX {
        return Err(format!("the text would be longer than {TEXT_BYTES_MAX} bytes"));
    }
    Ok(text.repeat(count))
}

fn repeat(_: &mut dyn Host, args: &[Value]) -> Result<Value, String> {
    copies(&text(&args[1]), int(&args[0])).map(Value::str)
}

fn replace(_: &mut dyn Host, args: &[Value]) -> Result<Value, String> {
    let (old, new, whole) = (text(&args[0]), text(&args[1]), text(&args[2]));
    if !whole.contains(&*old) {
        return Ok(args[2].clone());
    }
    Ok(Value::str(whole.replace(&*old, &new)))
}

fn quote(_: &mut dyn Host, args: &[Value]) -> Result<Value, String> {
    let mut out = Vec::new();
    for arg in args {
        if matches!(arg, Value::Nil) {
            continue;
        }
        if !out.is_empty() {
            out.push(b' ');
        }
        match arg {
            Value::Bytes(bytes) => go_quote(&mut out, bytes, false),
            other => go_quote(&mut out, strval(other).as_bytes(), false),
        }
    }
    Ok(Value::bytes(out))
}

fn squote(_: &mut dyn Host, args: &[Value]) -> Result<Value, String> {
    let mut out = String::new();
    for arg in args.iter().filter(|arg| !matches!(arg, Value::Nil)) {
        if !out.is_empty() {
            out.push(' ');
        }
        out.push('\'');
        write_value(&mut out, arg);
        out.push('\'');
    }
    Ok(Value::str(out))
}

fn cat(_: &mut dyn Host, args: &[Value]) -> Result<Value, String> {
    let mut out = String::new();
    for (i, arg) in args.iter().filter(|arg| !matches!(arg, Value::Nil)).enumerate() {
        if i > 0 {
            out.push(' ');
        }
        write_value(&mut out, arg);
    }
    Ok(Value::str(out))
}

fn indented(prefix: &str, spaces: i64, text: &str) -> Result<Value, String> {
    let pad = copies(" ", spaces)?;
    let lines = text.bytes().filter(|b| *b == b'\n').count() + 1;
    if pad.len().saturating_mul(lines).saturating_add(text.len()) > TEXT_BYTES_MAX {
        return Err(format!("the text would be longer than {TEXT_BYTES_MAX} bytes"));
    }
    let mut out = String::with_capacity(prefix.len() + text.len() + pad.len() * lines);
    out.push_str(prefix);
    for (i, line) in text.split('\n').enumerate() {
        if i > 0 {
            out.push('\n');
        }
        out.push_str(&pad);
        out.push_str(line);
    }
    Ok(Value::str(out))
}

fn indent(_: &mut dyn Host, args: &[Value]) -> Result<Value, String> {
    indented("", int(&args[0]), &text(&args[1]))
}

fn nindent(_: &mut dyn Host, args: &[Value]) -> Result<Value, String> {
    indented("\n", int(&args[0]), &text(&args[1]))
}

fn join(_: &mut dyn Host, args: &[Value]) -> Result<Value, String> {
    Ok(Value::str(strslice(&args[1]).join(&*text(&args[0]))))
}

/// `strings.SplitN`: an empty separator splits between characters.
fn split<'a>(separator: &'a str, text: &'a str, count: Option<usize>) -> Vec<&'a str> {
    let count = count.unwrap_or(usize::MAX);
    if !separator.is_empty() {
        return text.splitn(count, separator).collect();
    }
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        if parts.len() + 1 == count {
            parts.push(rest);
            break;
        }
        let (first, others) = rest.split_at(c.len_utf8());
        parts.push(first);
        rest = others;
    }
    parts
}

fn split_n<'a>(separator: &'a str, count: i64, text: &'a str) -> Vec<&'a str> {
    match count {
        0 => Vec::new(),
        _ => split(separator, text, usize::try_from(count).ok()),
    }
}

/// A `map[string]string` with the keys `_0`, `_1`…
fn numbered(parts: Vec<&str>) -> Value {
    let entries: BTreeMap<Arc<str>, Value> =
        parts.into_iter().enumerate().map(|(i, part)| (format!("_{i}").into(), Value::str(part))).collect();
    Value::Map(Map { entries: Rc::new(entries.into()), map_type: MapType::Strings })
}

fn sort_alpha(_: &mut dyn Host, args: &[Value]) -> Result<Value, String> {
    let mut texts = match items(&args[0], "") {
        Ok(_) => strslice(&args[0]),
        Err(_) => vec![strval(&args[0])],
    };
    texts.sort_unstable();
    Ok(Value::strings(texts))
}

fn shuffle(host: &mut dyn Host, args: &[Value]) -> Result<Value, String> {
    let chars: Vec<char> = text(&args[0]).chars().collect();
    if chars.len() < 2 {
        return Ok(args[0].clone());
    }
    let order = host.generator().permutation(chars.len());
    Ok(Value::str(order.into_iter().map(|i| chars[i]).collect::<String>()))
}
