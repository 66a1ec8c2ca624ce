//! Units of dates and timestamps: `date_trunc` and `extract`.
//!
//! Source: PostgreSQL 15's `timestamp_trunc`, `extract_timestamp` and `extract_date`. Years before 1 have no year 0: the
//! year 0 of the calendar is shown as -1.

use super::{
    EPOCH_2000_MICROS, MICROS_PER_DAY, MICROS_PER_SECOND, check_timestamp, days_since_1970, is_finite_date,
    is_finite_timestamp,
};
use crate::error::{SqlError, SqlState};
use crate::types::DataType;
use crate::types::calendar::{self, CivilDate, EPOCH_JULIAN_DAY};

/// A unit of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Microseconds.
    Microseconds,
    /// Milliseconds.
    Milliseconds,
    /// Seconds.
    Second,
    /// Minutes.
    Minute,
    /// Hours.
    Hour,
    /// Days.
    Day,
    /// Weeks of ISO 8601.
    Week,
    /// Months.
    Month,
    /// Quarters of a year.
    Quarter,
    /// Years.
    Year,
    /// Ten years.
    Decade,
    /// Hundred years.
    Century,
    /// Thousand years.
    Millennium,
    /// The year that a week of ISO 8601 belongs to.
    IsoYear,
    /// Day of the week, Sunday being 0.
    DayOfWeek,
    /// Day of the week, Monday being 1.
    IsoDayOfWeek,
    /// Day of the year.
    DayOfYear,
    /// Seconds since 1970.
    Epoch,
    /// Days since 4714-11-24 BC.
    Julian,
    /// Seconds east of UTC.
    Zone,
    /// The zone's hours.
    ZoneHour,
    /// The zone's minutes.
    ZoneMinute,
}

impl Unit {
    /// The unit of this name; `None` where there is none.
    fn of(name: &str) -> Option<Self> {
        Some(match name.to_ascii_lowercase().as_str() {
            "microseconds" | "microsecond" | "us" | "usec" | "usecs" | "useconds" | "usecond" => {
                Self::Microseconds
            }
            "milliseconds" | "millisecond" | "ms" | "msec" | "msecs" | "mseconds" | "msecond" => {
                Self::Milliseconds
            }
            "second" | "seconds" | "s" | "sec" | "secs" => Self::Second,
            "minute" | "minutes" | "m" | "min" | "mins" => Self::Minute,
            "hour" | "hours" | "h" | "hr" | "hrs" => Self::Hour,
            "day" | "days" | "d" => Self::Day,
            "week" | "weeks" | "w" => Self::Week,
            "month" | "months" | "mon" | "mons" => Self::Month,
            "quarter" | "qtr" => Self::Quarter,
            "year" | "years" | "y" | "yr" | "yrs" => Self::Year,
            "decade" | "decades" | "dec" | "decs" => Self::Decade,
            "century" | "centuries" | "c" | "cent" => Self::Century,
            "millennium" | "millennia" | "mil" | "mils" => Self::Millennium,
            "isoyear" => Self::IsoYear,
            "dow" => Self::DayOfWeek,
            "isodow" => Self::IsoDayOfWeek,
            "doy" => Self::DayOfYear,
            "epoch" => Self::Epoch,
            "julian" | "j" | "jd" => Self::Julian,
            "timezone" => Self::Zone,
            "timezone_hour" | "timezone_h" => Self::ZoneHour,
            "timezone_minute" | "timezone_m" => Self::ZoneMinute,
            _ => return None,
        })
    }
}

/// A field of a date or timestamp.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// A number: the value times 10 to the power of the scale, and the scale that PostgreSQL shows.
    Number(i128, i64),
    /// Days since 4714-11-24 BC and microseconds of the day.
    Julian(i64, i64),
    /// What an infinite value does not have.
    Null,
    /// The field grows without end, and so is infinite.
    Infinite {
        /// Plus or minus.
        is_positive: bool,
    },
}

fn unknown(unit: &str, data_type: DataType) -> SqlError {
    let message = format!("unit \"{unit}\" not recognized for type {data_type}");
    SqlError::new(SqlState::InvalidParameterValue, message)
}

fn unsupported(unit: &str, data_type: DataType) -> SqlError {
    let message = format!("unit \"{unit}\" not supported for type {data_type}");
    SqlError::new(SqlState::FeatureNotSupported, message)
}

/// Start of the unit that a timestamp lies in (`date_trunc`).
///
/// # Errors
/// 22023 for an unknown unit, 22008 where the start lies before all timestamps.
pub fn truncate(unit: &str, micros: i64, data_type: DataType) -> Result<i64, SqlError> {
    if !is_finite_timestamp(micros) {
        return Ok(micros);
    }
    let days = days_since_1970(micros);
    let date = calendar::date_of(days);
    let year = date.year;
    let within = |size: i64| Ok(micros - micros.rem_euclid(size));
    let (year, month) = match Unit::of(unit).ok_or_else(|| unknown(unit, data_type))? {
        Unit::Microseconds => return Ok(micros),
        Unit::Milliseconds => return within(1_000),
        Unit::Second => return within(MICROS_PER_SECOND),
        Unit::Minute => return within(60 * MICROS_PER_SECOND),
        Unit::Hour => return within(3_600 * MICROS_PER_SECOND),
        Unit::Day => return within(MICROS_PER_DAY),
        Unit::Week => return start_of(calendar::monday_of(days)),
        Unit::Month => (year, date.month),
        Unit::Quarter => (year, (date.month - 1) / 3 * 3 + 1),
        Unit::Year => (year, 1),
        Unit::Decade => (year.div_euclid(10) * 10, 1),
        Unit::Century => ((year - 1).div_euclid(100) * 100 + 1, 1),
        Unit::Millennium => ((year - 1).div_euclid(1_000) * 1_000 + 1, 1),
        Unit::IsoYear
        | Unit::DayOfWeek
        | Unit::IsoDayOfWeek
        | Unit::DayOfYear
        | Unit::Epoch
        | Unit::Julian
        | Unit::Zone
        | Unit::ZoneHour
        | Unit::ZoneMinute => return Err(unknown(unit, data_type)),
    };
    start_of(calendar::days_of(CivilDate { year, month, day: 1 }))
}

/// Midnight of a day since 1970.
fn start_of(days: i64) -> Result<i64, SqlError> {
    check_timestamp(i128::from(days) * i128::from(MICROS_PER_DAY) - i128::from(EPOCH_2000_MICROS))
}

/// Reads a field of a timestamp.
///
/// # Errors
/// 22023 for an unknown field, 0A000 for one that the type does not have.
pub fn extract(field: &str, micros: i64, data_type: DataType) -> Result<Field, SqlError> {
    let unit = Unit::of(field).ok_or_else(|| unknown(field, data_type))?;
    let is_zone = matches!(unit, Unit::Zone | Unit::ZoneHour | Unit::ZoneMinute);
    if is_zone && data_type != DataType::TimestampTz {
        return Err(unsupported(field, data_type));
    }
    if !is_finite_timestamp(micros) {
        return Ok(of_infinity(unit, micros > 0));
    }
    let days = days_since_1970(micros);
    let time = micros.rem_euclid(MICROS_PER_DAY);
    let of_minute = time % (60 * MICROS_PER_SECOND);
    Ok(match unit {
        Unit::Hour => whole(time / (3_600 * MICROS_PER_SECOND)),
        Unit::Minute => whole(time / (60 * MICROS_PER_SECOND) % 60),
        Unit::Second => Field::Number(i128::from(of_minute), 6),
        Unit::Milliseconds => Field::Number(i128::from(of_minute), 3),
        Unit::Microseconds => whole(of_minute),
        // The last years of timestamps lie beyond 64 bits of microseconds since 1970.
        Unit::Epoch => Field::Number(i128::from(micros) + i128::from(EPOCH_2000_MICROS), 6),
        Unit::Julian => Field::Julian(days + EPOCH_JULIAN_DAY, time),
        Unit::Zone | Unit::ZoneHour | Unit::ZoneMinute => whole(0),
        unit @ (Unit::Day
        | Unit::Week
        | Unit::Month
        | Unit::Quarter
        | Unit::Year
        | Unit::Decade
        | Unit::Century
        | Unit::Millennium
        | Unit::IsoYear
        | Unit::DayOfWeek
        | Unit::IsoDayOfWeek
        | Unit::DayOfYear) => whole(of_day(unit, days)),
    })
}

/// Reads a field of a date.
///
/// # Errors
/// As [`extract`].
pub fn extract_of_date(field: &str, days: i32) -> Result<Field, SqlError> {
    let unit = Unit::of(field).ok_or_else(|| unknown(field, DataType::Date))?;
    let is_of_time = matches!(
        unit,
        Unit::Microseconds
            | Unit::Milliseconds
            | Unit::Second
            | Unit::Minute
            | Unit::Hour
            | Unit::Zone
            | Unit::ZoneHour
            | Unit::ZoneMinute
    );
    if is_of_time {
        return Err(unsupported(field, DataType::Date));
    }
    if !is_finite_date(days) {
        return Ok(of_infinity(unit, days > 0));
    }
    let days = i64::from(days);
    Ok(whole(if unit == Unit::Epoch {
        days * 86_400
    } else if unit == Unit::Julian {
        days + EPOCH_JULIAN_DAY
    } else {
        of_day(unit, days)
    }))
}

fn whole(number: i64) -> Field {
    Field::Number(i128::from(number), 0)
}

/// What only counts up is infinite, what comes round again is not there.
fn of_infinity(unit: Unit, is_positive: bool) -> Field {
    match unit {
        Unit::Year
        | Unit::Decade
        | Unit::Century
        | Unit::Millennium
        | Unit::IsoYear
        | Unit::Epoch
        | Unit::Julian => Field::Infinite { is_positive },
        Unit::Microseconds
        | Unit::Milliseconds
        | Unit::Second
        | Unit::Minute
        | Unit::Hour
        | Unit::Day
        | Unit::Week
        | Unit::Month
        | Unit::Quarter
        | Unit::DayOfWeek
        | Unit::IsoDayOfWeek
        | Unit::DayOfYear
        | Unit::Zone
        | Unit::ZoneHour
        | Unit::ZoneMinute => Field::Null,
    }
}

/// A unit that the day alone decides.
fn of_day(unit: Unit, days: i64) -> i64 {
    let date = calendar::date_of(days);
    let year = date.year;
    let without_zero = |year: i64| if year > 0 { year } else { year - 1 };
    match unit {
        Unit::Year => without_zero(year),
        Unit::Month => date.month,
        Unit::Day => date.day,
        Unit::Quarter => (date.month - 1) / 3 + 1,
        Unit::Decade => year.div_euclid(10),
        Unit::Century => without_zero((year - 1).div_euclid(100) + 1),
        Unit::Millennium => without_zero((year - 1).div_euclid(1_000) + 1),
        Unit::Week => calendar::iso_week(days).1,
        Unit::IsoYear => without_zero(calendar::iso_week(days).0),
        Unit::DayOfWeek => (days + 4).rem_euclid(7),
        Unit::IsoDayOfWeek => (days + 3).rem_euclid(7) + 1,
        Unit::DayOfYear => days - calendar::days_of(CivilDate { year, month: 1, day: 1 }) + 1,
        Unit::Microseconds
        | Unit::Milliseconds
        | Unit::Second
        | Unit::Minute
        | Unit::Hour
        | Unit::Epoch
        | Unit::Julian
        | Unit::Zone
        | Unit::ZoneHour
        | Unit::ZoneMinute => 0,
    }
}
