//! Arithmetic: any value is cast to an int64 or a float64 first (sprig's numeric.go).

use std::rc::Rc;

use Param::{Any, Float, Int, Str};

use super::super::fmt::{sprint, to_string};
use super::super::func::{Function, Host, Param};
use super::super::strconv::parse_int;
use super::super::value::{ElementType, List, Value};
use super::decimal::Decimal;
use super::{LIST_LENGTH_MAX, int, row, text, to_float, to_int, variadic};

pub(super) const FUNCTIONS: &[Function] = &[
    row("atoi", &[Str], atoi, "The int of a decimal text, else 0.", &[("{{ atoi \"42\" }}", "42")]),
    row(
        "int",
        &[Any],
        |_, args| Ok(Value::int(to_int(&args[0]))),
        "As an int.",
        &[("{{ int 3.7 }} {{ int \"0x1F\" }}", "3 31")],
    ),
    row("int64", &[Any], |_, args| Ok(Value::int64(to_int(&args[0]))), "As an int64.", &[("{{ int64 \"7\" }}", "7")]),
    row(
        "float64",
        &[Any],
        |_, args| Ok(Value::Float(to_float(&args[0]))),
        "As a float64.",
        &[("{{ float64 \"1.50\" }}", "1.5")],
    ),
    row("toDecimal", &[Any], to_decimal, "Reads an octal number: file modes.", &[("{{ toDecimal \"0777\" }}", "511")]),
    variadic("add", &[Any], |_, args| Ok(fold(args, 0, i64::wrapping_add)), "Sum.", &[("{{ add 1 \"2\" 3.9 }}", "6")]),
    row(
        "add1",
        &[Any],
        |_, args| Ok(Value::int64(to_int(&args[0]).wrapping_add(1))),
        "One more.",
        &[("{{ add1 1 }}", "2")],
    ),
    row("sub", &[Any, Any], |_, args| Ok(binary(args, i64::wrapping_sub)), "Difference.", &[("{{ sub 5 2 }}", "3")]),
    row("div", &[Any, Any], divide, "Quotient, cut.", &[("{{ div 7 2 }}", "3")]),
    row("mod", &[Any, Any], modulo, "Remainder, of the sign of the first.", &[("{{ mod -7 2 }}", "-1")]),
    variadic("mul", &[Any, Any], multiply, "Product.", &[("{{ mul 2 3 4 }}", "24")]),
    row("add1f", &[Any], add1_float, "One more, of floats.", &[("{{ add1f 0.5 }}", "1.5")]),
    variadic("addf", &[Any], add_floats, "Sum of floats, in decimals.", &[("{{ addf 0.1 0.2 }}", "0.3")]),
    variadic(
        "subf",
        &[Any, Any],
        |_, args| decimals(args, Decimal::sub),
        "Difference of floats, in decimals.",
        &[("{{ subf 1 0.9 }}", "0.1")],
    ),
    variadic(
        "divf",
        &[Any, Any],
        |_, args| decimals(args, Decimal::div),
        "Quotient of floats, in decimals.",
        &[("{{ divf 10 4 }}", "2.5")],
    ),
    variadic(
        "mulf",
        &[Any, Any],
        |_, args| decimals(args, Decimal::mul),
        "Product of floats, in decimals.",
        &[("{{ mulf 1.1 1.1 }}", "1.21")],
    ),
    variadic(
        "max",
        &[Any, Any],
        |_, args| Ok(fold(&args[1..], to_int(&args[0]), i64::max)),
        "The largest, as int64.",
        &[("{{ max 1 \"3\" 2 }}", "3")],
    ),
    variadic(
        "biggest",
        &[Any, Any],
        |_, args| Ok(fold(&args[1..], to_int(&args[0]), i64::max)),
        "The same as max.",
        &[("{{ biggest 1 3 2 }}", "3")],
    ),
    variadic(
        "min",
        &[Any, Any],
        |_, args| Ok(fold(&args[1..], to_int(&args[0]), i64::min)),
        "The smallest, as int64.",
        &[("{{ min 2 1 3 }}", "1")],
    ),
    variadic(
        "maxf",
        &[Any, Any],
        |_, args| Ok(fold_floats(args, larger)),
        "The largest float.",
        &[("{{ maxf 1 1.5 }}", "1.5")],
    ),
    variadic(
        "minf",
        &[Any, Any],
        |_, args| Ok(fold_floats(args, smaller)),
        "The smallest float.",
        &[("{{ minf 1.5 2 }}", "1.5")],
    ),
    row(
        "ceil",
        &[Any],
        |_, args| Ok(Value::Float(to_float(&args[0]).ceil())),
        "Rounds up, as float.",
        &[("{{ ceil 1.2 }}", "2")],
    ),
    row(
        "floor",
        &[Any],
        |_, args| Ok(Value::Float(to_float(&args[0]).floor())),
        "Rounds down, as float.",
        &[("{{ floor -1.2 }}", "-2")],
    ),
    variadic(
        "round",
        &[Any, Int, Float],
        round,
        "Rounds to n places; a third number says from where up.",
        &[("{{ round 123.555 2 }}", "123.56")],
    ),
    row(
        "until",
        &[Int],
        |_, args| until(0, int(&args[0]), if int(&args[0]) < 0 { -1 } else { 1 }),
        "The ints from 0 to before n.",
        &[("{{ until 3 }}", "[0 1 2]")],
    ),
    row(
        "untilStep",
        &[Int, Int, Int],
        |_, args| until(int(&args[0]), int(&args[1]), int(&args[2])),
        "The ints from start to before stop, by a step.",
        &[("{{ untilStep 3 9 3 }}", "[3 6]")],
    ),
    variadic(
        "seq",
        &[Int],
        seq,
        "As the shell's seq: seq end, seq start end, seq start step end.",
        &[("{{ seq 3 }}|{{ seq 2 -2 }}|{{ seq 0 2 5 }}", "1 2 3|2 1 0 -1 -2|0 2 4")],
    ),
    row("randInt", &[Int, Int], random, "A random int from min to before max.", &[("{{ randInt 5 6 }}", "5")]),
];

fn fold(args: &[Value], start: i64, f: fn(i64, i64) -> i64) -> Value {
    Value::int64(args.iter().map(to_int).fold(start, f))
}

fn binary(args: &[Value], f: fn(i64, i64) -> i64) -> Value {
    Value::int64(f(to_int(&args[0]), to_int(&args[1])))
}

fn fold_floats(args: &[Value], f: fn(f64, f64) -> f64) -> Value {
    Value::Float(args[1..].iter().map(to_float).fold(to_float(&args[0]), f))
}

/// `math.Max`: a NaN wins.
fn larger(a: f64, b: f64) -> f64 {
    if a.is_nan() || b.is_nan() { f64::NAN } else { a.max(b) }
}

fn smaller(a: f64, b: f64) -> f64 {
    if a.is_nan() || b.is_nan() { f64::NAN } else { a.min(b) }
}

fn atoi(_: &mut dyn Host, args: &[Value]) -> Result<Value, String> {
    let text = text(&args[0]);
    let digits = text.strip_prefix(['+', '-']).unwrap_or(&text);
    // Go's Atoi gives the nearest int beside its error, and sprig drops the error.
    let number = match parse_int(&text, 10) {
        Some(number) => number,
        None if digits.is_empty() || digits.bytes().any(|b| !b.is_ascii_digit()) => 0,
        None if text.starts_with('-') => i64::MIN,
        None => i64::MAX,
    };
    Ok(Value::int(number))
}

fn to_decimal(_: &mut dyn Host, args: &[Value]) -> Result<Value, String> {
    Ok(Value::int64(parse_int(&to_string(&args[0]), 8).unwrap_or(0)))
}

fn divide(_: &mut dyn Host, args: &[Value]) -> Result<Value, String> {
    match to_int(&args[1]) {
        0 => Err("runtime error: integer divide by zero".into()),
        divisor => Ok(Value::int64(to_int(&args[0]).wrapping_div(divisor))),
    }
}

fn modulo(_: &mut dyn Host, args: &[Value]) -> Result<Value, String> {
    match to_int(&args[1]) {
        0 => Err("runtime error: integer divide by zero".into()),
        divisor => Ok(Value::int64(to_int(&args[0]).wrapping_rem(divisor))),
    }
}

fn multiply(_: &mut dyn Host, args: &[Value]) -> Result<Value, String> {
    Ok(fold(&args[1..], to_int(&args[0]), i64::wrapping_mul))
}

type Operation = fn(&Decimal, &Decimal) -> Result<Decimal, String>;

fn decimals(args: &[Value], f: Operation) -> Result<Value, String> {
    let mut result = Decimal::new(to_float(&args[0]))?;
    for arg in &args[1..] {
        result = f(&result, &Decimal::new(to_float(arg))?)?;
    }
    Ok(Value::Float(result.to_float()))
}

fn add_floats(_: &mut dyn Host, args: &[Value]) -> Result<Value, String> {
    let mut result = Decimal::new(0.0)?;
    for arg in args {
        result = result.add(&Decimal::new(to_float(arg))?)?;
    }
    Ok(Value::Float(result.to_float()))
}

fn add1_float(_: &mut dyn Host, args: &[Value]) -> Result<Value, String> {
    decimals(&[args[0].clone(), Value::int(1)], Decimal::add)
}

fn round(_: &mut dyn Host, args: &[Value]) -> Result<Value, String> {
    let from = match args.get(2) {
        Some(Value::Float(from)) => *from,
        _ => 0.5,
    };
    let places = 10f64.powi(i32::try_from(int(&args[1])).unwrap_or(i32::MAX));
    let digits = places * to_float(&args[0]);
    let rounded = if digits.fract() >= from { digits.ceil() } else { digits.floor() };
    Ok(Value::Float(rounded / places))
}

/// sprig's `untilStep`: nothing where the step leads away from the stop.
fn steps(start: i64, stop: i64, step: i64) -> Result<Vec<i64>, String> {
    let towards = if stop < start { step < 0 } else { step > 0 };
    if !towards {
        return Ok(Vec::new());
    }
    let count = start.abs_diff(stop).div_ceil(step.unsigned_abs());
    if count > LIST_LENGTH_MAX as u64 {
        return Err(format!("the list would have more than {LIST_LENGTH_MAX} elements"));
    }
    Ok((0..count as i64).map(|i| start.wrapping_add(i.wrapping_mul(step))).collect())
}

fn until(start: i64, stop: i64, step: i64) -> Result<Value, String> {
    let items = steps(start, stop, step)?.into_iter().map(Value::int).collect();
    Ok(Value::List(List { items: Rc::new(items), element: ElementType::Int }))
}

fn seq(_: &mut dyn Host, args: &[Value]) -> Result<Value, String> {
    let numbers: Vec<i64> = args.iter().map(int).collect();
    let (start, step, end) = match numbers[..] {
        [end] => (1, if end < 1 { -1 } else { 1 }, end),
        [start, end] => (start, if end < start { -1 } else { 1 }, end),
        [start, step, end] if end < start && step > 0 => (start, 0, end),
        [start, step, end] => (start, step, end),
        _ => return Ok(Value::str("")),
    };
    let stop = end.saturating_add(if end < start { -1 } else { 1 });
    let texts: Vec<Value> = steps(start, stop, step)?.into_iter().map(Value::int).collect();
    let mut out = String::new();
    for (i, number) in texts.iter().enumerate() {
        if i > 0 {
            out.push(' ');
        }
        out.push_str(&sprint(std::slice::from_ref(number)));
    }
    Ok(Value::str(out))
}

fn random(host: &mut dyn Host, args: &[Value]) -> Result<Value, String> {
    let (min, max) = (int(&args[0]), int(&args[1]));
    match usize::try_from(max.wrapping_sub(min)) {
        Ok(count @ 1..) => Ok(Value::int(min.wrapping_add(host.generator().pick(count) as i64))),
        _ => Err("invalid argument to Intn".into()),
    }
}
