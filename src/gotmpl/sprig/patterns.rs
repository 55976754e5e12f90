//! Regular expressions (sprig's regex.go); the pattern comes first.

use std::sync::Arc;

use Param::{Int, Str};
use regex_automata::meta::Regex;

use super::super::func::{Function, Host, Param};
use super::super::regex::{self, compile, find_all, quote_meta, replace_all, replace_all_literal, split};
use super::super::value::Value;
use super::{int, row, text};

pub(super) const FUNCTIONS: &[Function] = &[
    row(
        "regexMatch",
        &[Str, Str],
        is_match,
        "Whether a pattern matches somewhere; a bad pattern never does.",
        &[("{{ regexMatch \"^v[0-9]+$\" \"v12\" }}", "true")],
    ),
    row(
        "mustRegexMatch",
        &[Str, Str],
        must_match,
        "The same, but a bad pattern is an error.",
        &[("{{ mustRegexMatch \"b\" \"abc\" }}", "true")],
    ),
    row(
        "regexFind",
        &[Str, Str],
        find,
        "The first match, else \"\".",
        &[("{{ regexFind \"[0-9]+\" \"v12.3\" }}", "12")],
    ),
    row("mustRegexFind", &[Str, Str], must_find, "The same.", &[("{{ mustRegexFind \"[0-9]+\" \"v12.3\" }}", "12")]),
    row(
        "regexFindAll",
        &[Str, Str, Int],
        all,
        "The first n matches, all if n is negative.",
        &[("{{ regexFindAll \"[0-9]\" \"a1b2\" -1 }}", "[1 2]")],
    ),
    row(
        "mustRegexFindAll",
        &[Str, Str, Int],
        must_all,
        "The same.",
        &[("{{ mustRegexFindAll \"[0-9]\" \"a1b2\" 1 }}", "[1]")],
    ),
    row(
        "regexReplaceAll",
        &[Str, Str, Str],
        replace,
        "Replaces all matches; $1 and ${1} stand for groups.",
        &[("{{ regexReplaceAll \"a(x*)b\" \"-ab-axxb-\" \"${1}W\" }}", "-W-xxW-")],
    ),
    row(
        "mustRegexReplaceAll",
        &[Str, Str, Str],
        must_replace,
        "The same.",
        &[("{{ mustRegexReplaceAll \"[^a-z]\" \"a.b\" \"-\" }}", "a-b")],
    ),
    row(
        "regexReplaceAllLiteral",
        &[Str, Str, Str],
        literal,
        "Replaces all matches by a text as it is.",
        &[("{{ regexReplaceAllLiteral \"a\" \"ab\" \"$1\" }}", "$1b")],
    ),
    row(
        "mustRegexReplaceAllLiteral",
        &[Str, Str, Str],
        must_literal,
        "The same.",
        &[("{{ mustRegexReplaceAllLiteral \"a\" \"ab\" \"${1}\" }}", "${1}b")],
    ),
    row(
        "regexSplit",
        &[Str, Str, Int],
        parts,
        "The parts between matches, at most n if n is positive.",
        &[("{{ regexSplit \"z+\" \"pizza\" -1 }}", "[pi a]")],
    ),
    row(
        "mustRegexSplit",
        &[Str, Str, Int],
        must_parts,
        "The same.",
        &[("{{ mustRegexSplit \",\" \"a,b,c\" 2 }}", "[a b,c]")],
    ),
    row(
        "regexQuoteMeta",
        &[Str],
        |_, args| Ok(Value::str(quote_meta(&text(&args[0])))),
        "A pattern that matches just this text.",
        &[("{{ regexQuoteMeta \"1.2\" }}", "1\\.2")],
    ),
];

/// `regexp.MustCompile`, whose panic names the pattern.
fn compiled(pattern: &str, searched: &str) -> Result<Arc<Regex>, String> {
    compile(pattern, searched).map_err(|message| {
        let shown = if pattern.contains('`') { super::super::strconv::quoted(pattern) } else { format!("`{pattern}`") };
        format!("regexp: Compile({shown}): {message}")
    })
}

fn is_match(_: &mut dyn Host, args: &[Value]) -> Result<Value, String> {
    let searched = text(&args[1]);
    Ok(Value::Bool(compile(&text(&args[0]), &searched).is_ok_and(|regex| regex.is_match(&*searched))))
}

fn must_match(_: &mut dyn Host, args: &[Value]) -> Result<Value, String> {
    let searched = text(&args[1]);
    Ok(Value::Bool(compile(&text(&args[0]), &searched)?.is_match(&*searched)))
}

/// What compiles a pattern to be searched for in a text.
type Compiler = fn(&str, &str) -> Result<Arc<Regex>, String>;

fn find(_: &mut dyn Host, args: &[Value]) -> Result<Value, String> {
    find_by(compiled, args)
}

fn must_find(_: &mut dyn Host, args: &[Value]) -> Result<Value, String> {
    find_by(compile, args)
}

fn find_by(compiler: Compiler, args: &[Value]) -> Result<Value, String> {
    let searched = text(&args[1]);
    let regex = compiler(&text(&args[0]), &searched)?;
    Ok(Value::str(regex::find(&regex, &searched).unwrap_or_default()))
}

fn all(_: &mut dyn Host, args: &[Value]) -> Result<Value, String> {
    all_by(compiled, args)
}

fn must_all(_: &mut dyn Host, args: &[Value]) -> Result<Value, String> {
    all_by(compile, args)
}

fn all_by(compiler: Compiler, args: &[Value]) -> Result<Value, String> {
    let searched = text(&args[1]);
    let regex = compiler(&text(&args[0]), &searched)?;
    Ok(match find_all(&regex, &searched, int(&args[2])) {
        none if none.is_empty() => Value::nil_strings(),
        found => Value::strings(found),
    })
}

fn replace(_: &mut dyn Host, args: &[Value]) -> Result<Value, String> {
    replace_by(compiled, args)
}

fn must_replace(_: &mut dyn Host, args: &[Value]) -> Result<Value, String> {
    replace_by(compile, args)
}

fn replace_by(compiler: Compiler, args: &[Value]) -> Result<Value, String> {
    let searched = text(&args[1]);
    let regex = compiler(&text(&args[0]), &searched)?;
    Ok(Value::str(replace_all(&regex, &searched, &text(&args[2]))))
}

fn literal(_: &mut dyn Host, args: &[Value]) -> Result<Value, String> {
    literal_by(compiled, args)
}

fn must_literal(_: &mut dyn Host, args: &[Value]) -> Result<Value, String> {
    literal_by(compile, args)
}

fn literal_by(compiler: Compiler, args: &[Value]) -> Result<Value, String> {
    let searched = text(&args[1]);
    let regex = compiler(&text(&args[0]), &searched)?;
    Ok(Value::str(replace_all_literal(&regex, &searched, &text(&args[2]))))
}

fn parts(_: &mut dyn Host, args: &[Value]) -> Result<Value, String> {
    parts_by(compiled, args)
}

fn must_parts(_: &mut dyn Host, args: &[Value]) -> Result<Value, String> {
    parts_by(compile, args)
}

fn parts_by(compiler: Compiler, args: &[Value]) -> Result<Value, String> {
    let (pattern, searched, count) = (text(&args[0]), text(&args[1]), int(&args[2]));
    let regex = compiler(&pattern, &searched)?;
    if count == 0 {
        return Ok(Value::nil_strings());
    }
    Ok(Value::strings(split(&regex, &pattern, &searched, count)))
}
