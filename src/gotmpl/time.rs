//! Go's `time`: instants with a zone, layouts (`Jan 2 15:04:05 2006 MST`) for printing and reading, durations.
//!
//! In: numbers, texts, layouts. Out: the same, and Go's error messages. Absent: the monotonic clock, which Go adds
//! to what `now` prints.

use std::fmt;

use jiff::Timestamp;
use jiff::tz::TimeZone;

/// Nanoseconds of a second.
pub const SECOND_NS: i64 = 1_000_000_000;
const DAY_SECONDS: i64 = 86_400;

/// An instant as Go's `time.Time` holds it.
#[derive(Debug, Clone)]
pub struct Time {
    /// Seconds since 1970 (UTC).
    pub unix: i64,
    /// Nanoseconds of the second.
    pub nanosecond: u32,
    /// Where it is.
    pub zone: Zone,
}

/// Go's `time.Location`.
#[derive(Debug, Clone)]
pub enum Zone {
    /// A zone of the time zone database.
    Named(TimeZone),
    /// A zone that was read from a text: its name, may be empty, and its seconds east of UTC.
    Fixed(String, i64),
}

impl Zone {
    /// UTC.
    pub const UTC: Zone = Zone::Named(TimeZone::UTC);

    /// `time.LoadLocation`, which tells upper and lower case apart; `Local` is up to the caller.
    pub fn load(name: &str) -> Option<Zone> {
        if matches!(name, "" | "UTC") {
            return Some(Zone::UTC);
        }
        let zone = TimeZone::get(name).ok()?;
        (zone.iana_name() == Some(name)).then_some(Zone::Named(zone))
    }

    /// Seconds east of UTC, the abbreviation, and whether it is daylight saving time.
    fn at(&self, unix: i64) -> (i64, String, bool) {
        match self {
            Zone::Fixed(name, offset) => (*offset, name.clone(), false),
            Zone::Named(zone) => {
                // Beyond the years that the database covers its last rule holds.
                let (min, max) = (Timestamp::MIN.as_second(), Timestamp::MAX.as_second());
                let timestamp = Timestamp::from_second(unix.clamp(min, max)).unwrap_or_default();
                let info = zone.to_offset_info(timestamp);
                (i64::from(info.offset().seconds()), info.abbreviation().to_owned(), info.dst().is_dst())
            }
        }
    }
}

/// Year, month from 1, day from 1.
type Date = (i64, i64, i64);

/// Days since 1970-01-01 of a date; months and days beyond their range move on, as in Go.
fn days_of((year, month, day): Date) -> i64 {
    let year = year.saturating_add((month - 1).div_euclid(12));
    let month = (month - 1).rem_euclid(12) + 1;
    // Years begin in March, so that the leap day is the last one.
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year - era * 400;
    let day_of_year = (153 * (month + if month > 2 { -3 } else { 9 }) + 2) / 5;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era.saturating_mul(146_097).saturating_add(day_of_era - 719_468).saturating_add(day - 1)
}

fn date_of(days: i64) -> Date {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days - era * 146_097;
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn days_in(month: i64, year: i64) -> i64 {
    match month {
        2 => 28 + i64::from(is_leap(year)),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// The names of the months.
pub const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
/// The names of the weekdays, from Sunday.
pub const WEEKDAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

/// A time's parts, as its zone's clocks and calendars show them.
#[derive(Debug, Clone)]
#[allow(missing_docs)]
pub struct Parts {
    pub year: i64,
    pub month: i64,
    pub day: i64,
    pub hour: i64,
    pub minute: i64,
    pub second: i64,
    pub nanosecond: u32,
    /// From Sunday, 0.
    pub weekday: i64,
    /// From 1.
    pub year_day: i64,
    /// Seconds east of UTC.
    pub offset: i64,
    pub zone: String,
    pub is_dst: bool,
}

impl Time {
    /// Go's zero time: the first of January of the year 1, UTC.
    pub fn zero() -> Time {
        Time { unix: ZERO_UNIX, nanosecond: 0, zone: Zone::UTC }
    }

    /// The time of nanoseconds since 1970.
    pub fn from_ns(ns: i128, zone: Zone) -> Time {
        let second = i128::from(SECOND_NS);
        let unix = i64::try_from(ns.div_euclid(second)).unwrap_or(i64::MAX);
        Time { unix, nanosecond: ns.rem_euclid(second) as u32, zone }
    }

    /// Nanoseconds since 1970.
    pub fn as_ns(&self) -> i128 {
        i128::from(self.unix) * i128::from(SECOND_NS) + i128::from(self.nanosecond)
    }

    /// Whether it is [`Time::zero`].
    pub fn is_zero(&self) -> bool {
        self.unix == ZERO_UNIX && self.nanosecond == 0
    }

    /// `Time.Add`.
    #[must_use]
    pub fn add(&self, duration: Duration) -> Time {
        Time::from_ns(self.as_ns() + i128::from(duration.0), self.zone.clone())
    }

    /// `Time.Sub`; what is too long for a duration becomes the longest one.
    pub fn sub(&self, other: &Time) -> Duration {
        let ns = self.as_ns() - other.as_ns();
        Duration(ns.clamp(i128::from(i64::MIN), i128::from(i64::MAX)) as i64)
    }

    /// `Time.AddDate`: the 31st of a shorter month is a day of the next one.
    #[must_use]
    pub fn add_date(&self, years: i64, months: i64, days: i64) -> Time {
        let parts = self.parts();
        let date =
            (parts.year.saturating_add(years), parts.month.saturating_add(months), parts.day.saturating_add(days));
        Time::from_local(days_of(date), (parts.hour, parts.minute, parts.second), self.nanosecond, self.zone.clone())
    }

    /// The same instant elsewhere.
    #[must_use]
    pub fn in_zone(&self, zone: Zone) -> Time {
        Time { zone, ..self.clone() }
    }

    fn from_local(days: i64, (hour, minute, second): (i64, i64, i64), nanosecond: u32, zone: Zone) -> Time {
        let local = days.saturating_mul(DAY_SECONDS).saturating_add(hour * 3600 + minute * 60 + second);
        // As Go: the offset at that time in UTC, or the one that holds at the result.
        let (offset, _, _) = zone.at(local);
        let (again, _, _) = zone.at(local.saturating_sub(offset));
        Time { unix: local.saturating_sub(again), nanosecond, zone }
    }

    /// What clocks and calendars show.
    pub fn parts(&self) -> Parts {
        let (offset, zone, is_dst) = self.zone.at(self.unix);
        let local = self.unix.saturating_add(offset);
        let (days, seconds) = (local.div_euclid(DAY_SECONDS), local.rem_euclid(DAY_SECONDS));
        let (year, month, day) = date_of(days);
        Parts {
            year,
            month,
            day,
            hour: seconds / 3600,
            minute: seconds / 60 % 60,
            second: seconds % 60,
            nanosecond: self.nanosecond,
            weekday: (days + 4).rem_euclid(7),
            year_day: days - days_of((year, 1, 1)) + 1,
            offset,
            zone,
            is_dst,
        }
    }

    /// `Time.Format`.
    pub fn format(&self, layout: &str) -> String {
        let parts = self.parts();
        let mut out = String::with_capacity(layout.len() + 10);
        let mut rest = layout;
        while let Some((prefix, chunk, suffix)) = next_chunk(rest) {
            out.push_str(prefix);
            push_chunk(&mut out, chunk, &parts);
            rest = suffix;
        }
        out.push_str(rest);
        out
    }

    /// `time.ParseInLocation`.
    ///
    /// # Errors
    /// Go's message, which names value and layout.
    pub fn parse(layout: &str, value: &str, local: &Zone) -> Result<Time, String> {
        super::time_parse::parse(layout, value, local)
    }

    /// The time of a date that was read, or why there is no such day.
    pub(super) fn from_reading(date: Date, clock: (i64, i64, i64), ns: u32, zone: Zone) -> Option<Time> {
        let (year, month, day) = date;
        let exists = (1..=days_in(month, year)).contains(&day);
        exists.then(|| Time::from_local(days_of(date), clock, ns, zone))
    }

    /// The offset that a zone has at a time, where its abbreviation is this one.
    pub(super) fn offset_of(zone: &Zone, name: &str, unix: i64) -> Option<i64> {
        const HALF_YEAR_SECONDS: i64 = 182 * DAY_SECONDS;
        let around = [0, HALF_YEAR_SECONDS, -HALF_YEAR_SECONDS].map(|distance| zone.at(unix.saturating_add(distance)));
        around.into_iter().find(|(_, zone, _)| zone == name).map(|(offset, _, _)| offset)
    }

    /// Month and day of a day of the year.
    pub(super) fn month_and_day(year: i64, year_day: i64) -> Option<(i64, i64)> {
        let length = 365 + i64::from(is_leap(year));
        if !(1..=length).contains(&year_day) {
            return None;
        }
        let (_, month, day) = date_of(days_of((year, 1, 1)) + year_day - 1);
        Some((month, day))
    }
}

/// The seconds between 1970 and the year 1.
const ZERO_UNIX: i64 = -62_135_596_800;

impl fmt::Display for Time {
    /// `Time.String`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.format("2006-01-02 15:04:05.999999999 -0700 MST"))
    }
}

/// A part of a layout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Chunk {
    LongMonth,
    Month,
    NumberMonth,
    ZeroMonth,
    LongWeekday,
    Weekday,
    Day,
    UnderDay,
    ZeroDay,
    UnderYearDay,
    ZeroYearDay,
    Hour,
    Hour12,
    ZeroHour12,
    Minute,
    ZeroMinute,
    Second,
    ZeroSecond,
    LongYear,
    Year,
    UpperPm,
    LowerPm,
    ZoneName,
    /// A numeric offset: whether zero is `Z`, whether there are colons, and how many pairs of digits.
    Offset {
        zulu: bool,
        colons: bool,
        pairs: u8,
    },
    /// A fraction of a second: the separator, how many digits, and whether zeros at its end are dropped.
    Fraction {
        separator: char,
        digits: u8,
        trimmed: bool,
    },
}

/// What stands before the next part of a layout, the part, and what follows it.
pub(super) fn next_chunk(layout: &str) -> Option<(&str, Chunk, &str)> {
    layout.bytes().enumerate().find_map(|(i, _)| {
        let rest = layout.get(i..)?;
        let (chunk, skipped, length) = chunk_at(rest)?;
        Some((&layout[..i + skipped], chunk, &rest[skipped + length..]))
    })
}

/// The part that a layout begins with, how many bytes of it are plain text, and its length behind them.
fn chunk_at(rest: &str) -> Option<(Chunk, usize, usize)> {
    const OFFSETS: [(&str, bool, u8); 5] =
        [("070000", false, 3), ("07:00:00", true, 3), ("0700", false, 2), ("07:00", true, 2), ("07", false, 1)];
    let starts = |text: &str| rest.starts_with(text);
    // `Jan` and `Mon` are parts only where no word goes on.
    let word_ends = || !rest.as_bytes().get(3).is_some_and(u8::is_ascii_lowercase);
    let found = |chunk, length| Some((chunk, 0, length));
    match rest.as_bytes()[0] {
        b'J' if starts("January") => found(Chunk::LongMonth, 7),
        b'J' if starts("Jan") && word_ends() => found(Chunk::Month, 3),
        b'M' if starts("Monday") => found(Chunk::LongWeekday, 6),
        b'M' if starts("Mon") && word_ends() => found(Chunk::Weekday, 3),
        b'M' if starts("MST") => found(Chunk::ZoneName, 3),
        b'0' => match rest.as_bytes().get(1)? {
            b'1' => found(Chunk::ZeroMonth, 2),
            b'2' => found(Chunk::ZeroDay, 2),
            b'3' => found(Chunk::ZeroHour12, 2),
            b'4' => found(Chunk::ZeroMinute, 2),
            b'5' => found(Chunk::ZeroSecond, 2),
            b'6' => found(Chunk::Year, 2),
            _ if starts("002") => found(Chunk::ZeroYearDay, 3),
            _ => None,
        },
        b'1' if starts("15") => found(Chunk::Hour, 2),
        b'1' => found(Chunk::NumberMonth, 1),
        b'2' if starts("2006") => found(Chunk::LongYear, 4),
        b'2' => found(Chunk::Day, 1),
        b'_' if starts("_2006") => Some((Chunk::LongYear, 1, 4)),
        b'_' if starts("_2") => found(Chunk::UnderDay, 2),
        b'_' if starts("__2") => found(Chunk::UnderYearDay, 3),
        b'3' => found(Chunk::Hour12, 1),
        b'4' => found(Chunk::Minute, 1),
        b'5' => found(Chunk::Second, 1),
        b'P' if starts("PM") => found(Chunk::UpperPm, 2),
        b'p' if starts("pm") => found(Chunk::LowerPm, 2),
        first @ (b'-' | b'Z') => {
            let (text, colons, pairs) = OFFSETS.into_iter().find(|(text, _, _)| rest[1..].starts_with(text))?;
            found(Chunk::Offset { zulu: first == b'Z', colons, pairs }, 1 + text.len())
        }
        separator @ (b'.' | b',') => {
            let digit = rest.as_bytes().get(1).filter(|b| matches!(b, b'0' | b'9'))?;
            let count = rest[1..].bytes().take_while(|b| b == digit).count();
            if rest.as_bytes().get(1 + count).is_some_and(u8::is_ascii_digit) {
                return None;
            }
            let digits = u8::try_from(count).unwrap_or(u8::MAX);
            let trimmed = *digit == b'9';
            found(Chunk::Fraction { separator: char::from(separator), digits, trimmed }, 1 + count)
        }
        _ => None,
    }
}

fn push_chunk(out: &mut String, chunk: Chunk, parts: &Parts) {
    let name = |names: &[&'static str], i: i64| names[i as usize % names.len()];
    let hour12 = if parts.hour % 12 == 0 { 12 } else { parts.hour % 12 };
    let text = match chunk {
        Chunk::LongMonth => name(&MONTHS, parts.month - 1).into(),
        Chunk::Month => name(&MONTHS, parts.month - 1)[..3].into(),
        Chunk::NumberMonth => parts.month.to_string(),
        Chunk::ZeroMonth => format!("{:02}", parts.month),
        Chunk::LongWeekday => name(&WEEKDAYS, parts.weekday).into(),
        Chunk::Weekday => name(&WEEKDAYS, parts.weekday)[..3].into(),
        Chunk::Day => parts.day.to_string(),
        Chunk::UnderDay => format!("{:2}", parts.day),
        Chunk::ZeroDay => format!("{:02}", parts.day),
        Chunk::UnderYearDay => format!("{:3}", parts.year_day),
        Chunk::ZeroYearDay => format!("{:03}", parts.year_day),
        Chunk::Hour => format!("{:02}", parts.hour),
        Chunk::Hour12 => hour12.to_string(),
        Chunk::ZeroHour12 => format!("{hour12:02}"),
        Chunk::Minute => parts.minute.to_string(),
        Chunk::ZeroMinute => format!("{:02}", parts.minute),
        Chunk::Second => parts.second.to_string(),
        Chunk::ZeroSecond => format!("{:02}", parts.second),
        Chunk::LongYear if parts.year < 0 => format!("-{:04}", -parts.year),
        Chunk::LongYear => format!("{:04}", parts.year),
        Chunk::Year => format!("{:02}", parts.year.max(0) % 100),
        Chunk::UpperPm => if parts.hour >= 12 { "PM" } else { "AM" }.into(),
        Chunk::LowerPm => if parts.hour >= 12 { "pm" } else { "am" }.into(),
        Chunk::ZoneName if parts.zone.is_empty() => offset_text(parts.offset, false, 2),
        Chunk::ZoneName => parts.zone.clone(),
        Chunk::Offset { zulu: true, .. } if parts.offset == 0 => "Z".into(),
        Chunk::Offset { colons, pairs, .. } => offset_text(parts.offset, colons, pairs),
        Chunk::Fraction { separator, digits, trimmed } => {
            let all = format!("{:09}", parts.nanosecond);
            let cut = &all[..usize::from(digits).min(9)];
            let cut = if trimmed { cut.trim_end_matches('0') } else { cut };
            if trimmed && cut.is_empty() { String::new() } else { format!("{separator}{cut}") }
        }
    };
    out.push_str(&text);
}

fn offset_text(offset: i64, colons: bool, pairs: u8) -> String {
    let size = offset.abs();
    let sign = if offset / 60 < 0 { '-' } else { '+' };
    let colon = if colons { ":" } else { "" };
    let mut out = format!("{sign}{:02}", size / 3600);
    if pairs >= 2 {
        out += &format!("{colon}{:02}", size / 60 % 60);
    }
    if pairs >= 3 {
        out += &format!("{colon}{:02}", size % 60);
    }
    out
}

/// Go's `time.Duration`: nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Duration(pub i64);

impl Duration {
    /// `time.ParseDuration`: `1h30m`, `-1.5s`, `100ms`.
    ///
    /// # Errors
    /// Go's message.
    pub fn parse(text: &str) -> Result<Duration, String> {
        let shown = super::time_parse::quoted(text);
        let invalid = || format!("time: invalid duration {shown}");
        let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
        if unsigned == "0" {
            return Ok(Duration(0));
        }
        if unsigned.is_empty() {
            return Err(invalid());
        }
        let mut total: u128 = 0;
        let mut rest = unsigned;
        while !rest.is_empty() {
            let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
            let (whole, after) = rest.split_at(digits(rest));
            let (fraction, after) = match after.strip_prefix('.') {
                Some(after) => after.split_at(digits(after)),
                None => ("", after),
            };
            if whole.is_empty() && fraction.is_empty() {
                return Err(invalid());
            }
            let length = after.find(|c: char| c == '.' || c.is_ascii_digit()).unwrap_or(after.len());
            let (unit, after) = after.split_at(length);
            let scale: u128 = match unit {
                "" => return Err(format!("time: missing unit in duration {shown}")),
                "ns" => 1,
                "us" | "µs" | "μs" => 1_000,
                "ms" => 1_000_000,
                "s" => 1_000_000_000,
                "m" => 60_000_000_000,
                "h" => 3_600_000_000_000,
                _ => {
                    let unit = super::time_parse::quoted(unit);
                    return Err(format!("time: unknown unit {unit} in duration {shown}"));
                }
            };
            let whole: u128 = if whole.is_empty() { 0 } else { whole.parse().map_err(|_| invalid())? };
            // Eighteen digits are more than a nanosecond of an hour has.
            let fraction = &fraction[..fraction.len().min(18)];
            let part = fraction.parse::<u128>().unwrap_or(0) * scale / 10u128.pow(fraction.len() as u32);
            let value = whole.checked_mul(scale).and_then(|ns| ns.checked_add(part)).ok_or_else(invalid)?;
            total = total.checked_add(value).filter(|total| *total <= 1 << 63).ok_or_else(invalid)?;
            rest = after;
        }
        let ns = if text.starts_with('-') { -(total as i128) } else { total as i128 };
        i64::try_from(ns).map(Duration).map_err(|_| invalid())
    }

    /// `Duration.Round(time.Second)`: half away from zero.
    #[must_use]
    pub fn rounded_to_seconds(self) -> Duration {
        let half = if self.0 < 0 { -SECOND_NS / 2 } else { SECOND_NS / 2 };
        Duration(self.0.saturating_add(half) / SECOND_NS * SECOND_NS)
    }
}

impl fmt::Display for Duration {
    /// `Duration.String`: `1h1m1.5s`, `1.5ms`, `0s`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ns = self.0.unsigned_abs();
        let sign = if self.0 < 0 { "-" } else { "" };
        let decimal = |scale: u64| {
            let width = scale.ilog10() as usize;
            let fraction = format!("{:0width$}", ns % scale);
            match fraction.trim_end_matches('0') {
                "" => (ns / scale).to_string(),
                fraction => format!("{}.{fraction}", ns / scale),
            }
        };
        match ns {
            0 => return f.write_str("0s"),
            1..1_000 => return write!(f, "{sign}{ns}ns"),
            1_000..1_000_000 => return write!(f, "{sign}{}µs", decimal(1_000)),
            1_000_000..1_000_000_000 => return write!(f, "{sign}{}ms", decimal(1_000_000)),
            _ => {}
        }
        let second = SECOND_NS.unsigned_abs();
        let (hours, minutes) = (ns / (3600 * second), ns / (60 * second) % 60);
        let rest = ns % (60 * second);
        let seconds = match format!("{:09}", rest % second).trim_end_matches('0') {
            "" => (rest / second).to_string(),
            fraction => format!("{}.{fraction}", rest / second),
        };
        match (hours, minutes) {
            (0, 0) => write!(f, "{sign}{seconds}s"),
            (0, _) => write!(f, "{sign}{minutes}m{seconds}s"),
            _ => write!(f, "{sign}{hours}h{minutes}m{seconds}s"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_and_dates_are_inverse() {
        for days in (-1_000_000..1_000_000).step_by(37) {
            assert_eq!(days_of(date_of(days)), days);
        }
        assert_eq!(date_of(0), (1970, 1, 1));
        assert_eq!(days_of((2020, 14, -1)), days_of((2021, 1, 30)));
    }

    #[test]
    fn durations_print_and_read() {
        for text in ["0s", "1ns", "1.5µs", "100ms", "1m0s", "48h0m0s", "1h0m0.5s", "-1m30s"] {
            assert_eq!(Duration::parse(text).unwrap().to_string(), text);
        }
        for text in ["", "1", "x", "1x", "-", ".s", "99999999999h", "1e3s"] {
            assert!(Duration::parse(text).is_err(), "{text}");
        }
        assert_eq!(Duration(-1_500_000_000).rounded_to_seconds(), Duration(-2_000_000_000));
    }

    #[test]
    fn layouts_beyond_ascii_and_far_times_are_no_panic() {
        let time = Time { unix: i64::MAX / 2, nanosecond: 1, zone: Zone::UTC };
        assert!(time.format("é2006é.000000000000000é").starts_with('é'));
        assert!(Time::parse("é2006", "é20é6", &Zone::UTC).is_err());
    }
}
