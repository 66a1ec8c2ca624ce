//! Dates and timestamps: ISO text in, PostgreSQL's ISO style out, truncation and fields. The calendar is jiff's;
//! the session's time zone is always UTC.
//!
//! Invariant: a DATE or TIMESTAMP lies between the years 1 and 9999, so that its text has four digits of year.

use std::fmt::Write as _;

use jiff::civil;

use crate::error::{SqlError, SqlState};
use crate::types::DataType;

/// Microseconds of a second.
pub const MICROS_PER_SECOND: i64 = 1_000_000;
/// Microseconds of a day.
pub const MICROS_PER_DAY: i64 = 86_400 * MICROS_PER_SECOND;
/// First day of the calendar that we take, 0001-01-01, in days since 1970-01-01.
pub const DATE_MIN: i32 = -719_162;
/// Last day, 9999-12-31.
pub const DATE_MAX: i32 = 2_932_896;

/// What a date or timestamp's text said.
struct Parsed {
    date: civil::Date,
    /// Microseconds since midnight; 24:00 is a whole day.
    time_micros: i64,
    /// Seconds east of UTC, where a zone was given.
    offset_seconds: Option<i64>,
}

/// Reads a DATE; a time of day behind it is ignored, as PostgreSQL does.
///
/// # Errors
/// 22007 where it is no date, 22008 where it does not exist.
pub fn parse_date(text: &str) -> Result<i32, SqlError> {
    let parsed = parse(text, DataType::Date)?;
    days_of(parsed.date).ok_or_else(|| out_of_range(text))
}

/// Reads a TIMESTAMP into microseconds since 1970; a zone is ignored, as PostgreSQL does.
///
/// # Errors
/// As [`parse_date`].
pub fn parse_timestamp(text: &str) -> Result<i64, SqlError> {
    let parsed = parse(text, DataType::Timestamp)?;
    micros_of(&parsed, 0).ok_or_else(|| out_of_range(text))
}

/// Reads a TIMESTAMPTZ into microseconds since 1970 in UTC; without a zone it is UTC.
///
/// # Errors
/// As [`parse_date`].
pub fn parse_timestamptz(text: &str) -> Result<i64, SqlError> {
    let parsed = parse(text, DataType::TimestampTz)?;
    micros_of(&parsed, parsed.offset_seconds.unwrap_or(0)).ok_or_else(|| out_of_range(text))
}

fn micros_of(parsed: &Parsed, offset_seconds: i64) -> Option<i64> {
    let days = i64::from(days_of(parsed.date)?);
    let micros = days * MICROS_PER_DAY + parsed.time_micros - offset_seconds * MICROS_PER_SECOND;
    check_timestamp(micros).ok()
}

fn days_of(date: civil::Date) -> Option<i32> {
    let epoch = civil::date(1970, 1, 1);
    let days = date.since((jiff::Unit::Day, epoch)).ok()?.get_days();
    (DATE_MIN..=DATE_MAX).contains(&days).then_some(days)
}

fn invalid(text: &str, data_type: DataType) -> SqlError {
    let name = match data_type {
        DataType::Timestamp => "timestamp".to_owned(),
        other @ (DataType::Bool
        | DataType::Int2
        | DataType::Int4
        | DataType::Int8
        | DataType::Float8
        | DataType::Numeric { .. }
        | DataType::Text { .. }
        | DataType::Date
        | DataType::TimestampTz
        | DataType::Unknown) => other.to_string(),
    };
    SqlError::new(
        SqlState::InvalidDatetimeFormat,
        format!("invalid input syntax for type {name}: \"{text}\""),
    )
}

fn out_of_range(text: &str) -> SqlError {
    SqlError::new(SqlState::DatetimeFieldOverflow, format!("date/time field value out of range: \"{text}\""))
}

/// Reads `date [T] time [zone]`.
fn parse(text: &str, data_type: DataType) -> Result<Parsed, SqlError> {
    let mut rest = Scanner { rest: text.trim_matches(|c: char| c.is_ascii_whitespace()) };
    if rest.rest.eq_ignore_ascii_case("epoch") {
        return Ok(Parsed { date: civil::date(1970, 1, 1), time_micros: 0, offset_seconds: None });
    }
    let bad = || invalid(text, data_type);
    let (year, month, day) = rest.date().ok_or_else(bad)?;
    let date = civil::Date::new(year, month, day).map_err(|_| out_of_range(text))?;
    let mut parsed = Parsed { date, time_micros: 0, offset_seconds: None };
    if rest.rest.is_empty() {
        return Ok(parsed);
    }
    let separated = rest.take_any(&['T', 't', ' ']);
    rest.skip_spaces();
    if separated && rest.rest.starts_with(|c: char| c.is_ascii_digit()) {
        let (hour, minute, second_micros) = rest.time().ok_or_else(bad)?;
        let whole_day = hour == 24 && minute == 0 && second_micros == 0;
        if (hour > 23 && !whole_day) || minute > 59 || second_micros > 60 * MICROS_PER_SECOND {
            return Err(out_of_range(text));
        }
        parsed.time_micros = (hour * 60 + minute) * 60 * MICROS_PER_SECOND + second_micros;
    }
    rest.skip_spaces();
    if !rest.rest.is_empty() {
        parsed.offset_seconds = Some(rest.zone().ok_or_else(bad)?);
    }
    if rest.rest.is_empty() { Ok(parsed) } else { Err(bad()) }
}

/// What is left of a text that is read from the left.
struct Scanner<'a> {
    rest: &'a str,
}

impl Scanner<'_> {
    fn skip_spaces(&mut self) {
        self.rest = self.rest.trim_start_matches(' ');
    }

    fn take_any(&mut self, any: &[char]) -> bool {
        match self.rest.strip_prefix(any) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    /// A number of `least` to `most` digits.
    fn number(&mut self, least: usize, most: usize) -> Option<i64> {
        let count = self.rest.bytes().take(most).take_while(u8::is_ascii_digit).count();
        if count < least {
            return None;
        }
        let (digits, rest) = self.rest.split_at_checked(count)?;
        self.rest = rest;
        digits.parse().ok()
    }

    /// `2013-01-31`, `2013/1/31` or `20130131`.
    fn date(&mut self) -> Option<(i16, i8, i8)> {
        let digits = self.rest.bytes().take_while(u8::is_ascii_digit).count();
        let (year, month, day) = if digits == 8 {
            (self.number(4, 4)?, self.number(2, 2)?, self.number(2, 2)?)
        } else {
            let year = self.number(4, 4)?;
            if !self.take_any(&['-', '/']) {
                return None;
            }
            let month = self.number(1, 2)?;
            if !self.take_any(&['-', '/']) {
                return None;
            }
            (year, month, self.number(1, 2)?)
        };
        Some((i16::try_from(year).ok()?, i8::try_from(month).ok()?, i8::try_from(day).ok()?))
    }

    /// `05:00`, `05:00:30` or `05:00:30.25` as hour, minute, and second with fraction in microseconds.
    fn time(&mut self) -> Option<(i64, i64, i64)> {
        let hour = self.number(1, 2)?;
        if !self.take_any(&[':']) {
            return None;
        }
        let minute = self.number(2, 2)?;
        if !self.take_any(&[':']) {
            return Some((hour, minute, 0));
        }
        let second = self.number(1, 2)?;
        let fraction = if self.take_any(&['.']) { self.fraction_micros()? } else { 0 };
        Some((hour, minute, second * MICROS_PER_SECOND + fraction))
    }

    /// Digits behind the point of a second, rounded to microseconds.
    fn fraction_micros(&mut self) -> Option<i64> {
        let count = self.rest.bytes().take_while(u8::is_ascii_digit).count();
        let (digits, rest) = self.rest.split_at_checked(count)?;
        self.rest = rest;
        let seven: String = digits.chars().chain(std::iter::repeat('0')).take(7).collect();
        Some((seven.parse::<i64>().ok()? + 5) / 10)
    }

    /// `Z`, `UTC`, `+05`, `-0530` or `+05:30` in seconds east of UTC.
    fn zone(&mut self) -> Option<i64> {
        for name in ["utc", "gmt", "z"] {
            if let Some((head, tail)) = self.rest.split_at_checked(name.len())
                && head.eq_ignore_ascii_case(name)
            {
                self.rest = tail;
                return Some(0);
            }
        }
        let sign = if self.rest.starts_with('-') { -1 } else { 1 };
        if !self.take_any(&['+', '-']) {
            return None;
        }
        let hours = self.number(1, 2)?;
        self.take_any(&[':']);
        let minutes = if self.rest.is_empty() { 0 } else { self.number(2, 2)? };
        self.take_any(&[':']);
        let seconds = if self.rest.is_empty() { 0 } else { self.number(2, 2)? };
        let valid = hours <= 15 && minutes <= 59 && seconds <= 59;
        valid.then_some(sign * ((hours * 60 + minutes) * 60 + seconds))
    }
}

/// Refuses a DATE outside of the calendar.
///
/// # Errors
/// 22008.
pub fn check_date(days: i64) -> Result<i32, SqlError> {
    i32::try_from(days)
        .ok()
        .filter(|days| (DATE_MIN..=DATE_MAX).contains(days))
        .ok_or_else(|| SqlError::new(SqlState::DatetimeFieldOverflow, "date out of range"))
}

/// Refuses a timestamp outside of the calendar.
///
/// # Errors
/// 22008.
pub fn check_timestamp(micros: i64) -> Result<i64, SqlError> {
    if (i64::from(DATE_MIN)..=i64::from(DATE_MAX)).contains(&micros.div_euclid(MICROS_PER_DAY)) {
        return Ok(micros);
    }
    Err(SqlError::new(SqlState::DatetimeFieldOverflow, "timestamp out of range"))
}

/// The calendar's date of a day; the limits of the calendar stand in for what lies outside of it.
fn civil_date(days: i32) -> civil::Date {
    let days = days.clamp(DATE_MIN, DATE_MAX);
    let epoch = civil::date(1970, 1, 1);
    epoch.checked_add(jiff::Span::new().days(days)).unwrap_or(epoch)
}

/// The day of a timestamp, rounded down.
pub fn date_of(micros: i64) -> i32 {
    i32::try_from(micros.div_euclid(MICROS_PER_DAY)).unwrap_or(DATE_MAX)
}

/// `2013-01-31`.
pub fn date_to_text(days: i32) -> String {
    let date = civil_date(days);
    format!("{:04}-{:02}-{:02}", date.year(), date.month(), date.day())
}

/// `2013-01-31 05:00:00`, with a fraction of seconds where there is one.
pub fn timestamp_to_text(micros: i64) -> String {
    let mut text = date_to_text(date_of(micros));
    let time = micros.rem_euclid(MICROS_PER_DAY);
    let (seconds, fraction) = (time / MICROS_PER_SECOND, time % MICROS_PER_SECOND);
    // Writing into a String cannot fail.
    let _ = write!(text, " {:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
    if fraction != 0 {
        let digits = format!("{fraction:06}");
        let _ = write!(text, ".{}", digits.trim_end_matches('0'));
    }
    text
}

/// Start of the unit that a timestamp lies in (`date_trunc`).
///
/// # Errors
/// 22023 for an unknown unit.
pub fn truncate(unit: &str, micros: i64) -> Result<i64, SqlError> {
    let days = date_of(micros);
    let date = civil_date(days);
    let within = |size: i64| Ok(micros - micros.rem_euclid(size));
    let start = match unit.to_ascii_lowercase().as_str() {
        "microseconds" | "microsecond" => return Ok(micros),
        "milliseconds" | "millisecond" => return within(1_000),
        "second" | "seconds" => return within(MICROS_PER_SECOND),
        "minute" | "minutes" => return within(60 * MICROS_PER_SECOND),
        "hour" | "hours" => return within(3_600 * MICROS_PER_SECOND),
        "day" | "days" => return within(MICROS_PER_DAY),
        "week" | "weeks" => return check_timestamp(monday_of(days) * MICROS_PER_DAY),
        "month" | "months" => (date.year(), date.month()),
        "quarter" => (date.year(), (date.month() - 1) / 3 * 3 + 1),
        "year" | "years" => (date.year(), 1),
        "decade" | "decades" => (date.year() / 10 * 10, 1),
        "century" | "centuries" => ((date.year() - 1) / 100 * 100 + 1, 1),
        "millennium" => ((date.year() - 1) / 1000 * 1000 + 1, 1),
        _ => return Err(unknown_unit(unit)),
    };
    let first = civil::Date::new(start.0, start.1, 1).ok().and_then(days_of);
    first
        .map(|days| i64::from(days) * MICROS_PER_DAY)
        .ok_or_else(|| SqlError::new(SqlState::DatetimeFieldOverflow, "timestamp out of range"))
}

/// The Monday on or before a day; 1970-01-01 was a Thursday.
fn monday_of(days: i32) -> i64 {
    let days = i64::from(days);
    days - (days + 3).rem_euclid(7)
}

fn unknown_unit(unit: &str) -> SqlError {
    SqlError::new(SqlState::InvalidParameterValue, format!("unit \"{unit}\" not recognized"))
}

/// A field of a timestamp (`extract`), in millionths.
pub struct Field {
    /// The value times 10 to the power of `scale`.
    pub unscaled: i64,
    /// Digits after the point that PostgreSQL shows: 6 for seconds and epoch, 3 for milliseconds, else 0.
    pub scale: i64,
}

/// Reads a field of a timestamp.
///
/// # Errors
/// 22023 for an unknown field.
pub fn extract(field: &str, micros: i64) -> Result<Field, SqlError> {
    let days = date_of(micros);
    let date = civil_date(days);
    let time = micros.rem_euclid(MICROS_PER_DAY);
    let whole = |unscaled: i64| Ok(Field { unscaled, scale: 0 });
    let year = i64::from(date.year());
    let week = date.iso_week_date();
    match field.to_ascii_lowercase().as_str() {
        "year" => whole(year),
        "month" => whole(i64::from(date.month())),
        "day" => whole(i64::from(date.day())),
        "hour" => whole(time / (3_600 * MICROS_PER_SECOND)),
        "minute" => whole(time / (60 * MICROS_PER_SECOND) % 60),
        "second" => Ok(Field { unscaled: time % (60 * MICROS_PER_SECOND), scale: 6 }),
        "milliseconds" => Ok(Field { unscaled: time % (60 * MICROS_PER_SECOND), scale: 3 }),
        "microseconds" => whole(time % (60 * MICROS_PER_SECOND)),
        "dow" => whole((i64::from(days) + 4).rem_euclid(7)),
        "isodow" => whole((i64::from(days) + 3).rem_euclid(7) + 1),
        "doy" => whole(i64::from(date.day_of_year())),
        "week" => whole(i64::from(week.week())),
        "isoyear" => whole(i64::from(week.year())),
        "quarter" => whole(i64::from((date.month() - 1) / 3 + 1)),
        "decade" => whole(year / 10),
        "century" => whole((year - 1) / 100 + 1),
        "millennium" => whole((year - 1) / 1000 + 1),
        "epoch" => Ok(Field { unscaled: micros, scale: 6 }),
        _ => Err(unknown_unit(field)),
    }
}
