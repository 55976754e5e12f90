//! Dates and durations (sprig's date.go). Where sprig wants a date and gets something else, it takes now.

use std::rc::Rc;

use Param::{Any, Str};

use super::super::func::{Function, Host, Param};
use super::super::strconv::parse_int;
use super::super::time::{Duration, MONTHS, SECOND_NS, Time, WEEKDAYS, Zone};
use super::super::value::{IntKind, Object, Value};
use super::{int, row, text};

const TIME: &str = "time.Time";
const TIME_PARAM: Param = Param::Object(TIME);

pub(super) const FUNCTIONS: &[Function] = &[
    row("now", &[], |host, _| Ok(now(host).into()), "The time.", &[("{{ typeOf now }}", "time.Time")]),
    row(
        "date",
        &[Str, Any],
        |host, args| formatted(host, &text(&args[0]), &args[1], "Local"),
        "A date by a Go layout.",
        &[("{{ date \"Jan 2, 2006\" 86400 }}", "Jan 2, 1970")],
    ),
    row(
        "dateInZone",
        &[Str, Any, Str],
        in_zone,
        "The same in a time zone.",
        &[("{{ dateInZone \"15:04 MST\" 0 \"Asia/Tokyo\" }}", "09:00 JST")],
    ),
    row(
        "date_in_zone",
        &[Str, Any, Str],
        in_zone,
        "The old name of dateInZone.",
        &[("{{ date_in_zone \"15:04\" 0 \"UTC\" }}", "00:00")],
    ),
    row(
        "htmlDate",
        &[Any],
        |host, args| formatted(host, HTML, &args[0], "Local"),
        "A date as 2006-01-02.",
        &[("{{ htmlDate 0 }}", "1970-01-01")],
    ),
    row(
        "htmlDateInZone",
        &[Any, Str],
        |host, args| formatted(host, HTML, &args[0], &text(&args[1])),
        "The same in a time zone.",
        &[("{{ htmlDateInZone 0 \"UTC\" }}", "1970-01-01")],
    ),
    row(
        "dateModify",
        &[Str, TIME_PARAM],
        modify,
        "Moves a date by a duration; a bad one moves nothing.",
        &[("{{ dateModify \"-1h\" (toDate \"2006\" \"2020\") | htmlDate }}", "2019-12-31")],
    ),
    row(
        "date_modify",
        &[Str, TIME_PARAM],
        modify,
        "The old name of dateModify.",
        &[("{{ date_modify \"1h\" (toDate \"2006\" \"2020\") }}", "2020-01-01 01:00:00 +0000 UTC")],
    ),
    row(
        "mustDateModify",
        &[Str, TIME_PARAM],
        must_modify,
        "Moves a date by a duration.",
        &[("{{ mustDateModify \"24h\" (toDate \"2006\" \"2020\") | htmlDate }}", "2020-01-02")],
    ),
    row(
        "must_date_modify",
        &[Str, TIME_PARAM],
        must_modify,
        "The old name of mustDateModify.",
        &[("{{ must_date_modify \"24h\" (toDate \"2006\" \"2020\") | htmlDate }}", "2020-01-02")],
    ),
    row(
        "toDate",
        &[Str, Str],
        |host, args| Ok(read(host, args).unwrap_or_else(|_| Time::zero()).into()),
        "Reads a date by a Go layout, else the year 1.",
        &[("{{ toDate \"2006-01-02\" \"2020-02-03\" }}", "2020-02-03 00:00:00 +0000 UTC")],
    ),
    row(
        "mustToDate",
        &[Str, Str],
        |host, args| Ok(read(host, args)?.into()),
        "Reads a date by a Go layout.",
        &[("{{ (mustToDate \"2006-01-02\" \"2020-02-03\").Month }}", "February")],
    ),
    row(
        "unixEpoch",
        &[TIME_PARAM],
        |_, args| Ok(Value::str(time_of(&args[0]).map_or(0, |t| t.unix).to_string())),
        "Seconds since 1970.",
        &[("{{ unixEpoch (toDate \"2006\" \"1971\") }}", "31536000")],
    ),
    row("ago", &[Any], ago, "The duration from a date to now.", &[("{{ ago now }}", "0s")]),
    row(
        "duration",
        &[Any],
        duration,
        "Seconds, as text or int64, as a duration.",
        &[("{{ duration \"95\" }}", "1m35s")],
    ),
    row(
        "durationRound",
        &[Any],
        duration_round,
        "The largest unit of a duration.",
        &[("{{ durationRound \"2h10m5s\" }}", "2h")],
    ),
];

const HTML: &str = "2006-01-02";

fn now(host: &mut dyn Host) -> Time {
    let generator = host.generator();
    Time::from_ns(generator.now_ns(), Zone::Named(generator.zone()))
}

fn time_of(value: &Value) -> Option<&Time> {
    match value {
        Value::Object(object) => object.as_any().downcast_ref::<TimeObject>().map(|object| &object.0),
        _ => None,
    }
}

fn formatted(host: &mut dyn Host, layout: &str, date: &Value, zone: &str) -> Result<Value, String> {
    let time = match (time_of(date), date) {
        (Some(time), _) => time.clone(),
        (None, Value::Int(unix, IntKind::Int | IntKind::Int64 | IntKind::Int32)) => {
            Time { unix: *unix, nanosecond: 0, zone: Zone::UTC }
        }
        _ => now(host),
    };
    let zone = match zone {
        "Local" => Zone::Named(host.generator().zone()),
        name => Zone::load(name).unwrap_or(Zone::UTC),
    };
    Ok(Value::str(time.in_zone(zone).format(layout)))
}

fn in_zone(host: &mut dyn Host, args: &[Value]) -> Result<Value, String> {
    formatted(host, &text(&args[0]), &args[1], &text(&args[2]))
}

fn modified(args: &[Value]) -> Result<Value, String> {
    let time = time_of(&args[1]).ok_or("wrong type for value; expected time.Time")?;
    Ok(time.add(Duration::parse(&text(&args[0]))?).into())
}

fn modify(_: &mut dyn Host, args: &[Value]) -> Result<Value, String> {
    Ok(modified(args).unwrap_or_else(|_| args[1].clone()))
}

fn must_modify(_: &mut dyn Host, args: &[Value]) -> Result<Value, String> {
    modified(args)
}

fn read(host: &mut dyn Host, args: &[Value]) -> Result<Time, String> {
    Time::parse(&text(&args[0]), &text(&args[1]), &Zone::Named(host.generator().zone()))
}

fn ago(host: &mut dyn Host, args: &[Value]) -> Result<Value, String> {
    let now = now(host);
    let then = match (time_of(&args[0]), &args[0]) {
        (Some(time), _) => time.clone(),
        (None, Value::Int(unix, IntKind::Int | IntKind::Int64)) => Time { unix: *unix, nanosecond: 0, zone: Zone::UTC },
        _ => now.clone(),
    };
    Ok(Value::str(now.sub(&then).rounded_to_seconds().to_string()))
}

fn duration(_: &mut dyn Host, args: &[Value]) -> Result<Value, String> {
    let seconds = match &args[0] {
        Value::Str(text) => parse_int(text, 10).unwrap_or(0),
        Value::Int(seconds, IntKind::Int64) => *seconds,
        _ => 0,
    };
    Ok(Value::str(Duration(seconds.wrapping_mul(SECOND_NS)).to_string()))
}

fn duration_round(host: &mut dyn Host, args: &[Value]) -> Result<Value, String> {
    const HOUR: u64 = 3600 * SECOND_NS as u64;
    const UNITS: [(u64, &str); 6] = [
        (HOUR * 24 * 365, "y"),
        (HOUR * 24 * 30, "mo"),
        (HOUR * 24, "d"),
        (HOUR, "h"),
        (HOUR / 60, "m"),
        (HOUR / 3600, "s"),
    ];
    let duration = match &args[0] {
        Value::Str(text) => Duration::parse(text).unwrap_or(Duration(0)),
        Value::Int(ns, IntKind::Int64) => Duration(*ns),
        other => match time_of(other) {
            Some(time) => now(host).sub(time),
            None => Duration(0),
        },
    };
    let ns = duration.0.unsigned_abs();
    let found = UNITS.iter().find(|(unit, _)| ns > *unit);
    Ok(Value::str(found.map_or_else(|| "0s".into(), |(unit, name)| format!("{}{name}", ns / unit))))
}

/// Go's `time.Time` with its methods.
struct TimeObject(Time);

impl From<Time> for Value {
    fn from(time: Time) -> Value {
        Value::Object(Rc::new(TimeObject(time)))
    }
}

const METHODS: &[&str] = &[
    "Add",
    "AddDate",
    "After",
    "Before",
    "Compare",
    "Day",
    "Equal",
    "Format",
    "Hour",
    "IsDST",
    "IsZero",
    "Local",
    "Minute",
    "Month",
    "Nanosecond",
    "Second",
    "String",
    "Sub",
    "UTC",
    "Unix",
    "UnixMicro",
    "UnixMilli",
    "UnixNano",
    "Weekday",
    "Year",
    "YearDay",
];

impl Object for TimeObject {
    fn type_name(&self) -> &str {
        TIME
    }

    fn field(&self, _: &str) -> Option<Value> {
        None
    }

    fn has_method(&self, name: &str) -> bool {
        METHODS.contains(&name)
    }

    fn call(&self, name: &str, args: &[Value]) -> Result<Value, String> {
        let time = &self.0;
        let parts = time.parts();
        let other = || args.first().and_then(time_of).ok_or("wrong type for value; expected time.Time");
        let by_ns = |unit: i128| Ok(Value::int64(time.as_ns().div_euclid(unit) as i64));
        match name {
            "Year" => Ok(Value::int(parts.year)),
            "Month" => Ok(Value::Object(Rc::new(Named { number: parts.month, names: &MONTHS, first: 1 }))),
            "Weekday" => Ok(Value::Object(Rc::new(Named { number: parts.weekday, names: &WEEKDAYS, first: 0 }))),
            "Day" => Ok(Value::int(parts.day)),
            "YearDay" => Ok(Value::int(parts.year_day)),
            "Hour" => Ok(Value::int(parts.hour)),
            "Minute" => Ok(Value::int(parts.minute)),
            "Second" => Ok(Value::int(parts.second)),
            "Nanosecond" => Ok(Value::int(i64::from(parts.nanosecond))),
            "IsDST" => Ok(Value::Bool(parts.is_dst)),
            "IsZero" => Ok(Value::Bool(time.is_zero())),
            "Unix" => Ok(Value::int64(time.unix)),
            "UnixMilli" => by_ns(1_000_000),
            "UnixMicro" => by_ns(1_000),
            "UnixNano" => by_ns(1),
            "String" => Ok(Value::str(time.to_string())),
            // Without a generator the zone of the machine is not known here; what it made is there already.
            "Local" => Ok(time.clone().into()),
            "UTC" => Ok(time.in_zone(Zone::UTC).into()),
            "Format" => match args {
                [Value::Str(layout)] => Ok(Value::str(time.format(layout))),
                _ => Err("wrong type for value; expected string".into()),
            },
            "Before" => Ok(Value::Bool(time.as_ns() < other()?.as_ns())),
            "After" => Ok(Value::Bool(time.as_ns() > other()?.as_ns())),
            "Equal" => Ok(Value::Bool(time.as_ns() == other()?.as_ns())),
            "Compare" => Ok(Value::int(time.as_ns().cmp(&other()?.as_ns()) as i64)),
            "Sub" => Ok(Value::Object(Rc::new(DurationObject(time.sub(other()?))))),
            "Add" => match args {
                [Value::Object(object)] => match object.as_any().downcast_ref::<DurationObject>() {
                    Some(duration) => Ok(time.add(duration.0).into()),
                    None => Err("wrong type for value; expected time.Duration".into()),
                },
                [Value::Int(ns, _)] => Ok(time.add(Duration(*ns)).into()),
                _ => Err("wrong type for value; expected time.Duration".into()),
            },
            "AddDate" => match args {
                [years @ Value::Int(..), months @ Value::Int(..), days @ Value::Int(..)] => {
                    Ok(time.add_date(int(years), int(months), int(days)).into())
                }
                _ => Err("wrong type for value; expected int".into()),
            },
            _ => Err(format!("can't evaluate field {name} in type time.Time")),
        }
    }

    /// As `time.Parse` makes them; the zone, which is an address, is none here.
    fn struct_fields(&self) -> Option<Vec<(&str, Value)>> {
        /// From the year 1, where Go begins, to 1970.
        const SECONDS_TO_1970: i64 = 62_135_596_800;
        let seconds = self.0.unix.saturating_add(SECONDS_TO_1970);
        let wall = Value::Int(i64::from(self.0.parts().nanosecond), IntKind::Uint64);
        Some(vec![("wall", wall), ("ext", Value::int64(seconds)), ("loc", Value::int(0))])
    }

    fn print(&self) -> String {
        self.0.to_string()
    }

    /// As Go writes it to JSON.
    fn as_data(&self) -> Option<Value> {
        Some(Value::str(self.0.format("2006-01-02T15:04:05.999999999Z07:00")))
    }

    fn as_any(&self) -> &dyn std::any::Any {
        self
    }
}

/// Go's `time.Month` and `time.Weekday`: ints that print as names.
struct Named {
    number: i64,
    names: &'static [&'static str],
    /// The number of the first name.
    first: i64,
}

impl Object for Named {
    fn type_name(&self) -> &str {
        if self.first == 1 { "time.Month" } else { "time.Weekday" }
    }

    fn kind(&self) -> &'static str {
        "int"
    }

    fn field(&self, _: &str) -> Option<Value> {
        None
    }

    fn has_method(&self, name: &str) -> bool {
        name == "String"
    }

    fn call(&self, _: &str, _: &[Value]) -> Result<Value, String> {
        Ok(Value::str(self.print()))
    }

    fn print(&self) -> String {
        self.names[(self.number - self.first) as usize % self.names.len()].into()
    }

    fn as_data(&self) -> Option<Value> {
        Some(Value::int(self.number))
    }

    fn as_any(&self) -> &dyn std::any::Any {
        self
    }
}

/// Go's `time.Duration` with its methods.
struct DurationObject(Duration);

impl Object for DurationObject {
    fn type_name(&self) -> &str {
        "time.Duration"
    }

    fn kind(&self) -> &'static str {
        "int64"
    }

    fn field(&self, _: &str) -> Option<Value> {
        None
    }

    fn has_method(&self, name: &str) -> bool {
        matches!(name, "Hours" | "Microseconds" | "Milliseconds" | "Minutes" | "Nanoseconds" | "Seconds" | "String")
    }

    fn call(&self, name: &str, _: &[Value]) -> Result<Value, String> {
        let ns = self.0.0;
        // As Go: whole units and the rest apart, so that no digit is lost.
        let float = |unit: i64| Ok(Value::Float((ns / unit) as f64 + (ns % unit) as f64 / unit as f64));
        match name {
            "Hours" => float(3600 * SECOND_NS),
            "Minutes" => float(60 * SECOND_NS),
            "Seconds" => float(SECOND_NS),
            "Milliseconds" => Ok(Value::int64(ns / 1_000_000)),
            "Microseconds" => Ok(Value::int64(ns / 1_000)),
            "Nanoseconds" => Ok(Value::int64(ns)),
            _ => Ok(Value::str(self.print())),
        }
    }

    fn print(&self) -> String {
        self.0.to_string()
    }

    fn as_data(&self) -> Option<Value> {
        Some(Value::int64(self.0.0))
    }

    fn as_any(&self) -> &dyn std::any::Any {
        self
    }
}
