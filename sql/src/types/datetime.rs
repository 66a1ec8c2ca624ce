//! Dates and timestamps: their ranges, infinity, and text out in PostgreSQL's ISO style. Reading text is
//! [`parse`](mod@parse), units are [`fields`]; the session's time zone is always UTC.
//!
//! ```text
//! DATE       days since 1970-01-01          4714-11-24 BC … 5874897-12-31
//! TIMESTAMP  microseconds since 2000-01-01  4714-11-24 BC … 294276-12-31 23:59:59.999999
//! ```
//!
//! Infinity and minus infinity are the greatest and the smallest number. A timestamp counts from 2000, as PostgreSQL's
//! does, because counted from 1970 its last years do not fit 64 bits.
//!
//! Invariant: a value of either type lies in its range or is infinite.

use std::fmt::Write as _;

use super::calendar::{self, CivilDate, EPOCH_JULIAN_DAY};
use crate::error::{SqlError, SqlState};

pub mod fields;
pub mod parse;

/// Microseconds of a second.
pub const MICROS_PER_SECOND: i64 = 1_000_000;
/// Microseconds of a day.
pub const MICROS_PER_DAY: i64 = 86_400 * MICROS_PER_SECOND;
/// Days from 1970-01-01 to 2000-01-01.
pub const EPOCH_2000_DAYS: i32 = 10_957;
/// Microseconds from 1970-01-01 to 2000-01-01.
pub const EPOCH_2000_MICROS: i64 = EPOCH_2000_DAYS as i64 * MICROS_PER_DAY;

/// `-infinity` as a DATE.
pub const DATE_MINUS_INFINITY: i32 = i32::MIN;
/// `infinity` as a DATE.
pub const DATE_INFINITY: i32 = i32::MAX;
/// First DATE, 4714-11-24 BC.
pub const DATE_MIN: i32 = -2_440_588;
/// Last DATE, 5874897-12-31.
pub const DATE_MAX: i32 = 2_145_042_905;
/// `-infinity` as a TIMESTAMP.
pub const TIMESTAMP_MINUS_INFINITY: i64 = i64::MIN;
/// `infinity` as a TIMESTAMP.
pub const TIMESTAMP_INFINITY: i64 = i64::MAX;
/// First TIMESTAMP, 4714-11-24 00:00:00 BC.
pub const TIMESTAMP_MIN: i64 = -211_813_488_000_000_000;
/// Last TIMESTAMP, 294276-12-31 23:59:59.999999.
pub const TIMESTAMP_MAX: i64 = 9_223_371_331_199_999_999;

const _: () = assert!(DATE_MIN as i64 == -EPOCH_JULIAN_DAY);
const _: () = assert!(TIMESTAMP_MIN == (DATE_MIN - EPOCH_2000_DAYS) as i64 * MICROS_PER_DAY);

/// Whether a DATE is neither of the infinities.
pub fn is_finite_date(days: i32) -> bool {
    days != DATE_INFINITY && days != DATE_MINUS_INFINITY
}

/// Whether a TIMESTAMP is neither of the infinities.
pub fn is_finite_timestamp(micros: i64) -> bool {
    micros != TIMESTAMP_INFINITY && micros != TIMESTAMP_MINUS_INFINITY
}

/// The TIMESTAMP of a number of microseconds since 1970, which clocks count.
pub fn timestamp_of_unix(micros: i64) -> i64 {
    micros.saturating_sub(EPOCH_2000_MICROS).clamp(TIMESTAMP_MIN, TIMESTAMP_MAX)
}

fn date_out_of_range() -> SqlError {
    SqlError::new(SqlState::DatetimeFieldOverflow, "date out of range")
}

fn timestamp_out_of_range() -> SqlError {
    SqlError::new(SqlState::DatetimeFieldOverflow, "timestamp out of range")
}

/// A finite DATE within its range.
///
/// # Errors
/// 22008.
pub fn check_date(days: i64) -> Result<i32, SqlError> {
    i32::try_from(days).ok().filter(|days| (DATE_MIN..=DATE_MAX).contains(days)).ok_or_else(date_out_of_range)
}

/// A DATE within its range, or infinite.
///
/// # Errors
/// 22008.
pub fn check_any_date(days: i32) -> Result<i32, SqlError> {
    if is_finite_date(days) { check_date(i64::from(days)) } else { Ok(days) }
}

/// A finite TIMESTAMP within its range.
///
/// # Errors
/// 22008.
pub fn check_timestamp(micros: i128) -> Result<i64, SqlError> {
    i64::try_from(micros)
        .ok()
        .filter(|micros| (TIMESTAMP_MIN..=TIMESTAMP_MAX).contains(micros))
        .ok_or_else(timestamp_out_of_range)
}

/// A TIMESTAMP within its range, or infinite.
///
/// # Errors
/// 22008.
pub fn check_any_timestamp(micros: i64) -> Result<i64, SqlError> {
    if is_finite_timestamp(micros) { check_timestamp(i128::from(micros)) } else { Ok(micros) }
}

/// A DATE some days later; infinity stays.
///
/// # Errors
/// 22008.
pub fn add_days(days: i32, count: i64) -> Result<i32, SqlError> {
    if !is_finite_date(days) {
        return Ok(days);
    }
    check_date(i64::from(days).checked_add(count).ok_or_else(date_out_of_range)?)
}

/// Days between two DATEs.
///
/// # Errors
/// 22008 where one is infinite.
pub fn days_between(later: i32, earlier: i32) -> Result<i64, SqlError> {
    if !is_finite_date(later) || !is_finite_date(earlier) {
        return Err(SqlError::new(SqlState::DatetimeFieldOverflow, "cannot subtract infinite dates"));
    }
    Ok(i64::from(later) - i64::from(earlier))
}

/// Midnight of a DATE in the microseconds of a TIMESTAMP, perhaps beyond its range.
pub fn midnight(days: i32) -> i128 {
    match days {
        DATE_INFINITY => i128::MAX,
        DATE_MINUS_INFINITY => i128::MIN,
        days => (i128::from(days) - i128::from(EPOCH_2000_DAYS)) * i128::from(MICROS_PER_DAY),
    }
}

/// A TIMESTAMP as [`midnight`] counts.
pub fn unbounded(micros: i64) -> i128 {
    match micros {
        TIMESTAMP_INFINITY => i128::MAX,
        TIMESTAMP_MINUS_INFINITY => i128::MIN,
        micros => i128::from(micros),
    }
}

/// A DATE as a TIMESTAMP.
///
/// # Errors
/// 22008.
pub fn timestamp_of_date(days: i32) -> Result<i64, SqlError> {
    match days {
        DATE_INFINITY => Ok(TIMESTAMP_INFINITY),
        DATE_MINUS_INFINITY => Ok(TIMESTAMP_MINUS_INFINITY),
        days => check_timestamp(midnight(days))
            .map_err(|_| SqlError::new(SqlState::DatetimeFieldOverflow, "date out of range for timestamp")),
    }
}

/// The day of a TIMESTAMP, rounded down.
pub fn date_of_timestamp(micros: i64) -> i32 {
    match micros {
        TIMESTAMP_INFINITY => DATE_INFINITY,
        TIMESTAMP_MINUS_INFINITY => DATE_MINUS_INFINITY,
        // A count of days since 2000 of 64 bits of microseconds is far below 32 bits.
        micros => i32::try_from(days_since_1970(micros)).unwrap_or(DATE_MAX),
    }
}

fn days_since_1970(micros: i64) -> i64 {
    micros.div_euclid(MICROS_PER_DAY) + i64::from(EPOCH_2000_DAYS)
}

/// `2013-01-31`, without the mark of years before 1.
fn push_date(text: &mut String, date: CivilDate) {
    let year = if date.year > 0 { date.year } else { 1 - date.year };
    // Writing into a String cannot fail.
    let _ = write!(text, "{year:04}-{:02}-{:02}", date.month, date.day);
}

fn infinity(is_positive: bool) -> String {
    if is_positive { "infinity" } else { "-infinity" }.to_owned()
}

/// `2013-01-31`, `0044-03-15 BC`, `infinity`.
pub fn date_to_text(days: i32) -> String {
    if !is_finite_date(days) {
        return infinity(days > 0);
    }
    let date = calendar::date_of(i64::from(days));
    let mut text = String::with_capacity(16);
    push_date(&mut text, date);
    if date.year <= 0 {
        text.push_str(" BC");
    }
    text
}

/// `2013-01-31 05:00:00`, with a fraction of seconds where there is one, and the zone behind it where that is wanted.
pub fn timestamp_to_text(micros: i64, zone: &str) -> String {
    if !is_finite_timestamp(micros) {
        return infinity(micros > 0);
    }
    let date = calendar::date_of(days_since_1970(micros));
    let mut text = String::with_capacity(32);
    push_date(&mut text, date);
    let time = micros.rem_euclid(MICROS_PER_DAY);
    let (seconds, fraction) = (time / MICROS_PER_SECOND, time % MICROS_PER_SECOND);
    let _ = write!(text, " {:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
    if fraction != 0 {
        let digits = format!("{fraction:06}");
        let _ = write!(text, ".{}", digits.trim_end_matches('0'));
    }
    text.push_str(zone);
    if date.year <= 0 {
        text.push_str(" BC");
    }
    text
}
