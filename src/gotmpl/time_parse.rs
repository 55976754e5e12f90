//! Reading times by Go's layouts (`time.ParseInLocation`).

use super::time::{Chunk, MONTHS, Time, WEEKDAYS, Zone, next_chunk};

/// What was read so far.
#[derive(Default)]
struct Reading {
    year: i64,
    month: Option<i64>,
    day: Option<i64>,
    year_day: Option<i64>,
    hour: i64,
    minute: i64,
    second: i64,
    nanosecond: u32,
    pm: Option<bool>,
    zone: ReadZone,
}

#[derive(Default)]
enum ReadZone {
    #[default]
    None,
    Utc,
    Offset(i64),
    Named(String),
}

/// Why a part could not be read.
enum Refusal {
    /// It is not there.
    Bad,
    /// Its number is too large: what it counts.
    Range(&'static str),
}

type Step<'v> = Result<&'v str, Refusal>;

pub(super) fn parse(layout: &str, value: &str, local: &Zone) -> Result<Time, String> {
    let cannot = |part: &str, rest: &str| {
        format!(
            "parsing time {} as {}: cannot parse {} as {}",
            quoted(value),
            quoted(layout),
            quoted(rest),
            quoted(part)
        )
    };
    let because = |reason: String| format!("parsing time {}: {reason}", quoted(value));
    let mut reading = Reading::default();
    let (mut layout_rest, mut rest) = (layout, value);
    loop {
        let next = next_chunk(layout_rest);
        let prefix = next.map_or(layout_rest, |(prefix, _, _)| prefix);
        rest = skip(rest, prefix).map_err(|rest| cannot(prefix, rest))?;
        let Some((_, chunk, suffix)) = next else {
            if !rest.is_empty() {
                return Err(because(format!("extra text: {}", quoted(rest))));
            }
            break;
        };
        let part = &layout_rest[prefix.len()..layout_rest.len() - suffix.len()];
        layout_rest = suffix;
        rest = match reading.read(chunk, rest, suffix) {
            Ok(after) => after,
            Err(Refusal::Bad) => return Err(cannot(part, rest)),
            Err(Refusal::Range(what)) => return Err(because(format!("{what} out of range"))),
        };
    }
    reading.finish(local).map_err(|reason| because(reason.into()))
}

/// Go's own quoting of times: every byte beyond ASCII is escaped.
pub(super) fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for byte in text.bytes() {
        match byte {
            b'"' | b'\\' => out.extend(['\\', char::from(byte)]),
            b' '..0x80 => out.push(char::from(byte)),
            _ => out.push_str(&format!("\\x{byte:02x}")),
        }
    }
    out.push('"');
    out
}

/// Skips the plain text of a layout, where any number of spaces stands for any number; else the place it stopped at.
fn skip<'v>(mut value: &'v str, mut prefix: &str) -> Result<&'v str, &'v str> {
    while let Some(c) = prefix.chars().next() {
        if c == ' ' {
            if !value.is_empty() && !value.starts_with(' ') {
                return Err(value);
            }
            prefix = prefix.trim_start_matches(' ');
            value = value.trim_start_matches(' ');
            continue;
        }
        value = value.strip_prefix(c).ok_or(value)?;
        prefix = &prefix[c.len_utf8()..];
    }
    Ok(value)
}

fn digit_at(text: &str, i: usize) -> bool {
    text.as_bytes().get(i).is_some_and(u8::is_ascii_digit)
}

/// One or two digits; exactly two if `fixed`.
fn number(text: &str, fixed: bool) -> Result<(i64, &str), Refusal> {
    let count = match (digit_at(text, 0), digit_at(text, 1)) {
        (true, true) => 2,
        (true, false) if !fixed => 1,
        _ => return Err(Refusal::Bad),
    };
    Ok((text[..count].parse().unwrap_or(0), &text[count..]))
}

/// The same within a limit.
fn below<'v>(text: &'v str, fixed: bool, limit: i64, what: &'static str) -> Result<(i64, &'v str), Refusal> {
    let (value, rest) = number(text, fixed)?;
    if value < limit { Ok((value, rest)) } else { Err(Refusal::Range(what)) }
}

/// The index of the name that a text begins with, in any case, and what follows.
fn name<'v>(text: &'v str, names: &[&str], length: Option<usize>) -> Result<(i64, &'v str), Refusal> {
    for (i, name) in names.iter().enumerate() {
        let name = &name[..length.unwrap_or(name.len())];
        if text.get(..name.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(name)) {
            return Ok((i as i64, &text[name.len()..]));
        }
    }
    Err(Refusal::Bad)
}

/// A separator and some digits, as nanoseconds.
fn fraction(text: &str) -> u32 {
    let digits = &text[1..text.len().min(10)];
    digits.parse::<u32>().unwrap_or(0) * 10u32.pow(9 - digits.len() as u32)
}

impl Reading {
    fn read<'v>(&mut self, chunk: Chunk, value: &'v str, layout_rest: &str) -> Step<'v> {
        let after;
        match chunk {
            Chunk::Year => {
                if !digit_at(value, 0) || !digit_at(value, 1) {
                    return Err(Refusal::Bad);
                }
                (self.year, after) = number(value, true)?;
                self.year += if self.year >= 69 { 1900 } else { 2000 };
            }
            Chunk::LongYear => {
                let digits = value.get(..4).filter(|digits| digits.bytes().all(|b| b.is_ascii_digit()));
                self.year = digits.and_then(|digits| digits.parse().ok()).ok_or(Refusal::Bad)?;
                after = &value[4..];
            }
            Chunk::Month | Chunk::LongMonth => {
                let (index, rest) = name(value, &MONTHS, (chunk == Chunk::Month).then_some(3))?;
                self.month = Some(index + 1);
                after = rest;
            }
            Chunk::NumberMonth | Chunk::ZeroMonth => {
                let (month, rest) = number(value, chunk == Chunk::ZeroMonth)?;
                if !(1..=12).contains(&month) {
                    return Err(Refusal::Range("month"));
                }
                self.month = Some(month);
                after = rest;
            }
            Chunk::Weekday | Chunk::LongWeekday => {
                (_, after) = name(value, &WEEKDAYS, (chunk == Chunk::Weekday).then_some(3))?;
            }
            Chunk::Day | Chunk::UnderDay | Chunk::ZeroDay => {
                let value = if chunk == Chunk::UnderDay { value.strip_prefix(' ').unwrap_or(value) } else { value };
                let (day, rest) = number(value, chunk == Chunk::ZeroDay)?;
                self.day = Some(day);
                after = rest;
            }
            Chunk::UnderYearDay | Chunk::ZeroYearDay => {
                let mut value = value;
                for _ in 0..2 {
                    if chunk == Chunk::UnderYearDay {
                        value = value.strip_prefix(' ').unwrap_or(value);
                    }
                }
                let count = value.bytes().take(3).take_while(u8::is_ascii_digit).count();
                if count == 0 || chunk == Chunk::ZeroYearDay && count != 3 {
                    return Err(Refusal::Bad);
                }
                self.year_day = value[..count].parse().ok();
                after = &value[count..];
            }
            Chunk::Hour => (self.hour, after) = below(value, false, 24, "hour")?,
            Chunk::Hour12 | Chunk::ZeroHour12 => {
                (self.hour, after) = below(value, chunk == Chunk::ZeroHour12, 13, "hour")?;
            }
            Chunk::Minute | Chunk::ZeroMinute => {
                (self.minute, after) = below(value, chunk == Chunk::ZeroMinute, 60, "minute")?;
            }
            Chunk::Second | Chunk::ZeroSecond => {
                let rest;
                (self.second, rest) = below(value, chunk == Chunk::ZeroSecond, 60, "second")?;
                after = self.unannounced_fraction(rest, layout_rest);
            }
            Chunk::UpperPm | Chunk::LowerPm => {
                let (am, pm) = if chunk == Chunk::UpperPm { ("AM", "PM") } else { ("am", "pm") };
                self.pm = match value.get(..2) {
                    Some(text) if text == pm => Some(true),
                    Some(text) if text == am => Some(false),
                    _ => return Err(Refusal::Bad),
                };
                after = &value[2..];
            }
            Chunk::ZoneName => {
                if let Some(rest) = value.strip_prefix("UTC") {
                    self.zone = ReadZone::Utc;
                    return Ok(rest);
                }
                let length = zone_name_length(value).ok_or(Refusal::Bad)?;
                self.zone = ReadZone::Named(value[..length].into());
                after = &value[length..];
            }
            Chunk::Offset { zulu: true, .. } if value.starts_with('Z') => {
                self.zone = ReadZone::Utc;
                after = &value[1..];
            }
            Chunk::Offset { colons, pairs, .. } => {
                let (offset, rest) = offset(value, colons, pairs)?;
                self.zone = ReadZone::Offset(offset);
                after = rest;
            }
            Chunk::Fraction { digits, trimmed: false, .. } => {
                let length = 1 + usize::from(digits);
                let text = value.get(..length).filter(|text| text.starts_with(['.', ',']));
                let text = text.filter(|text| text[1..].bytes().all(|b| b.is_ascii_digit())).ok_or(Refusal::Bad)?;
                self.nanosecond = fraction(text);
                after = &value[length..];
            }
            Chunk::Fraction { trimmed: true, .. } => {
                if !value.starts_with(['.', ',']) || !digit_at(value, 1) {
                    return Ok(value);
                }
                after = self.take_fraction(value);
            }
        }
        Ok(after)
    }

    fn take_fraction<'v>(&mut self, value: &'v str) -> &'v str {
        let length = 1 + value[1..].bytes().take_while(u8::is_ascii_digit).count();
        self.nanosecond = fraction(&value[..length]);
        &value[length..]
    }

    /// Go takes a fraction behind the seconds also where the layout has none.
    fn unannounced_fraction<'v>(&mut self, value: &'v str, layout_rest: &str) -> &'v str {
        let announced = matches!(next_chunk(layout_rest), Some((_, Chunk::Fraction { .. }, _)));
        if announced || !value.starts_with(['.', ',']) || !digit_at(value, 1) {
            return value;
        }
        self.take_fraction(value)
    }

    fn finish(self, local: &Zone) -> Result<Time, &'static str> {
        let hour = match self.pm {
            Some(true) if self.hour < 12 => self.hour + 12,
            Some(false) if self.hour == 12 => 0,
            _ => self.hour,
        };
        let (mut month, mut day) = (self.month.unwrap_or(1), self.day.unwrap_or(1));
        if let Some(year_day) = self.year_day {
            let found = Time::month_and_day(self.year, year_day).ok_or("day-of-year out of range")?;
            if self.month.is_some_and(|month| month != found.0) {
                return Err("day-of-year does not match month");
            }
            if self.day.is_some_and(|day| day != found.1) {
                return Err("day-of-year does not match day");
            }
            (month, day) = found;
        }
        let at = |zone: Zone| {
            let clock = (hour, self.minute, self.second);
            Time::from_reading((self.year, month, day), clock, self.nanosecond, zone).ok_or("day out of range")
        };
        match &self.zone {
            ReadZone::None => at(local.clone()),
            ReadZone::Utc => at(Zone::UTC),
            ReadZone::Offset(offset) => {
                let time = at(Zone::Fixed(String::new(), *offset))?;
                let here = time.in_zone(local.clone());
                Ok(if here.parts().offset == *offset { here } else { time })
            }
            ReadZone::Named(name) => {
                let time = at(Zone::UTC)?;
                if let Some(offset) = Time::offset_of(local, name, time.unix) {
                    return Ok(Time { unix: time.unix - offset, zone: local.clone(), ..time });
                }
                // The offset of an unknown name is unknown; `GMT+3` says it, but Go does not count it.
                let hours = name.strip_prefix("GMT").and_then(|hours| hours.parse::<i64>().ok()).unwrap_or(0);
                Ok(time.in_zone(Zone::Fixed(name.clone(), hours * 3600)))
            }
        }
    }
}

/// A sign and pairs of digits, in seconds.
fn offset(value: &str, colons: bool, pairs: u8) -> Result<(i64, &str), Refusal> {
    const LIMITS: [(i64, &str); 3] =
        [(25, "time zone offset hour"), (61, "time zone offset minute"), (61, "time zone offset second")];
    let sign = match value.as_bytes().first() {
        Some(b'+') => 1,
        Some(b'-') => -1,
        _ => return Err(Refusal::Bad),
    };
    let (mut rest, mut numbers) = (&value[1..], [0; 3]);
    for (i, pair) in numbers.iter_mut().take(usize::from(pairs)).enumerate() {
        if i > 0 && colons {
            rest = rest.strip_prefix(':').ok_or(Refusal::Bad)?;
        }
        (*pair, rest) = number(rest, true)?;
    }
    for (number, (limit, what)) in numbers.iter().zip(LIMITS) {
        if *number >= limit {
            return Err(Refusal::Range(what));
        }
    }
    Ok((sign * (numbers[0] * 3600 + numbers[1] * 60 + numbers[2]), rest))
}

/// How long the abbreviation of a zone is that a text begins with.
fn zone_name_length(value: &str) -> Option<usize> {
    if value.starts_with("ChST") || value.starts_with("MeST") {
        return Some(4);
    }
    if let Some(rest) = value.strip_prefix("GMT") {
        return Some(3 + signed_hours_length(rest));
    }
    if value.starts_with(['+', '-']) {
        return Some(signed_hours_length(value)).filter(|length| *length > 0);
    }
    let upper = value.bytes().take(6).take_while(u8::is_ascii_uppercase).count();
    match upper {
        3 => Some(3),
        4 if value.as_bytes()[3] == b'T' || value.starts_with("WITA") => Some(4),
        5 if value.as_bytes()[4] == b'T' => Some(5),
        _ => None,
    }
}

fn signed_hours_length(text: &str) -> usize {
    if !text.starts_with(['+', '-']) {
        return 0;
    }
    let digits = text[1..].bytes().take_while(u8::is_ascii_digit).count();
    match text[1..=digits].parse::<u32>() {
        Ok(0..24) => 1 + digits,
        _ => 0,
    }
}
