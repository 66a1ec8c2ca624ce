//! Text of dates and timestamps, as PostgreSQL reads it with DateStyle `ISO, MDY`.
//!
//! ```text
//! 2013-01-31   20130131   1/31/2013   Jan 31, 2013   31-Jan-2013   0044-03-15 BC   infinity   epoch
//! … 05:00   … 5:00:30.25 PM   …T050030Z   … +05:30
//! ```
//!
//! A text is cut into words, each of which says one thing: date, time, zone, or a word of the list below. What PostgreSQL
//! reads beyond this is refused, never guessed. Source: `datetime.c` (`ParseDateTime`, `DecodeDateTime`).

use super::{
    DATE_INFINITY, DATE_MINUS_INFINITY, EPOCH_2000_MICROS, MICROS_PER_DAY, MICROS_PER_SECOND,
    TIMESTAMP_INFINITY, TIMESTAMP_MINUS_INFINITY, check_date, check_timestamp,
};
use crate::error::{SqlError, SqlState};
use crate::types::DataType;
use crate::types::calendar::{self, CivilDate};

mod words;

use words::{Meaning, Word};

/// What a text said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Parsed {
    Infinite { is_positive: bool },
    Point(Point),
}

/// A point in time; times of day and zones are kept beside the day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Point {
    days: i64,
    /// Microseconds since midnight; 24:00 is a whole day.
    time_micros: i64,
    /// Seconds east of UTC, where a zone was given.
    offset_seconds: Option<i64>,
}

/// What is wrong with a text.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Fault {
    /// It is none.
    Format,
    /// A field beyond its range.
    Field,
    /// A month or day beyond its range: perhaps the other way round.
    MonthOrDay,
    /// A zone beyond its range.
    Zone,
    /// What PostgreSQL would read.
    Unsupported(String),
}

/// Reads a DATE; a time of day behind it is ignored, as PostgreSQL does.
///
/// # Errors
/// 22007 where it is no date, 22008 where it does not exist, 0A000 for what is not read yet.
pub fn parse_date(text: &str) -> Result<i32, SqlError> {
    match parse(text).map_err(|fault| error(text, DataType::Date, fault))? {
        Parsed::Infinite { is_positive: true } => Ok(DATE_INFINITY),
        Parsed::Infinite { is_positive: false } => Ok(DATE_MINUS_INFINITY),
        Parsed::Point(point) => check_date(point.days).map_err(|_| out_of_range("date", text)),
    }
}

/// Reads a TIMESTAMP; a zone is ignored, as PostgreSQL does.
///
/// # Errors
/// As [`parse_date`].
pub fn parse_timestamp(text: &str) -> Result<i64, SqlError> {
    timestamp(text, DataType::Timestamp)
}

/// Reads a TIMESTAMPTZ; without a zone it is UTC.
///
/// # Errors
/// As [`parse_date`].
pub fn parse_timestamptz(text: &str) -> Result<i64, SqlError> {
    timestamp(text, DataType::TimestampTz)
}

fn timestamp(text: &str, data_type: DataType) -> Result<i64, SqlError> {
    let point = match parse(text).map_err(|fault| error(text, data_type, fault))? {
        Parsed::Infinite { is_positive: true } => return Ok(TIMESTAMP_INFINITY),
        Parsed::Infinite { is_positive: false } => return Ok(TIMESTAMP_MINUS_INFINITY),
        Parsed::Point(point) => point,
    };
    let offset = if data_type == DataType::TimestampTz { point.offset_seconds.unwrap_or(0) } else { 0 };
    let micros = i128::from(point.days) * i128::from(MICROS_PER_DAY) + i128::from(point.time_micros)
        - i128::from(EPOCH_2000_MICROS)
        - i128::from(offset * MICROS_PER_SECOND);
    check_timestamp(micros).map_err(|_| out_of_range("timestamp", text))
}

fn out_of_range(what: &str, text: &str) -> SqlError {
    SqlError::new(SqlState::DatetimeFieldOverflow, format!("{what} out of range: \"{text}\""))
}

fn error(text: &str, data_type: DataType, fault: Fault) -> SqlError {
    let name = if data_type == DataType::Timestamp { "timestamp".to_owned() } else { data_type.to_string() };
    match fault {
        Fault::Format => SqlError::new(
            SqlState::InvalidDatetimeFormat,
            format!("invalid input syntax for type {name}: \"{text}\""),
        ),
        Fault::Field => out_of_range("date/time field value", text),
        Fault::MonthOrDay => out_of_range("date/time field value", text)
            .with_hint("Perhaps you need a different \"datestyle\" setting."),
        Fault::Zone => SqlError::new(
            SqlState::InvalidTimeZoneDisplacement,
            format!("time zone displacement out of range: \"{text}\""),
        ),
        Fault::Unsupported(what) => SqlError::unsupported(what),
    }
}

/// What the words of a text have said so far.
#[derive(Default)]
struct PartialDateTime {
    year: Option<(i64, bool)>,
    month: Option<i64>,
    day: Option<i64>,
    has_text_month: bool,
    is_before_christ: bool,
    has_era: bool,
    afternoon: Option<bool>,
    time: Option<(i64, i64, i64)>,
    offset_seconds: Option<i64>,
    /// The last word was the `T` before a time.
    after_t: bool,
}

fn parse(text: &str) -> Result<Parsed, Fault> {
    let words = words::split(text).ok_or(Fault::Format)?;
    if let [Word::Name(name)] = words.as_slice() {
        match name.as_str() {
            "infinity" => return Ok(Parsed::Infinite { is_positive: true }),
            "epoch" => return Ok(Parsed::Point(Point { days: 0, time_micros: 0, offset_seconds: None })),
            _ => {}
        }
    }
    if let [Word::Signed(true, name)] = words.as_slice()
        && name == "infinity"
    {
        return Ok(Parsed::Infinite { is_positive: false });
    }
    let mut partial = PartialDateTime::default();
    for word in words {
        partial.word(word)?;
    }
    partial.point().map(Parsed::Point)
}

impl PartialDateTime {
    fn has_date(&self) -> bool {
        self.year.is_some() && self.month.is_some() && self.day.is_some()
    }

    fn word(&mut self, word: Word) -> Result<(), Fault> {
        let after_t = std::mem::take(&mut self.after_t);
        match word {
            Word::Date(parts) if after_t || self.has_date() => {
                drop(parts);
                Err(Fault::Format)
            }
            Word::Date(parts) => parts.into_iter().try_for_each(|part| self.date_part(&part)),
            Word::Time(text) => self.set_time(words::time(&text).ok_or(Fault::Format)?),
            Word::Number(digits) if after_t || digits.len() > 4 || self.has_date() => {
                self.digits_together(&digits)
            }
            Word::Number(digits) => self.date_part(&digits),
            Word::Zone(text) => {
                if self.offset_seconds.is_some() {
                    return Err(Fault::Format);
                }
                self.offset_seconds = Some(zone(&text)?);
                Ok(())
            }
            Word::Signed(..) => Err(Fault::Format),
            Word::ZoneName(name) => Err(Fault::Unsupported(format!("time zone \"{name}\""))),
            Word::Name(name) => self.name(&name),
        }
    }

    fn name(&mut self, name: &str) -> Result<(), Fault> {
        match words::meaning(name) {
            Meaning::Month(month) => {
                // A number before the name was taken for the month, and was the day.
                if let (Some(number), None, false) = (self.month, self.day, self.has_text_month) {
                    self.day = Some(number);
                } else if self.month.is_some() {
                    return Err(Fault::Format);
                }
                self.month = Some(month);
                self.has_text_month = true;
                Ok(())
            }
            Meaning::Ignored => Ok(()),
            Meaning::Era { is_before_christ } if self.has_date() && !self.has_era => {
                self.is_before_christ = is_before_christ;
                self.has_era = true;
                Ok(())
            }
            Meaning::Half { is_afternoon } if self.afternoon.is_none() => {
                self.afternoon = Some(is_afternoon);
                Ok(())
            }
            Meaning::TimeFollows if self.has_date() => {
                self.after_t = true;
                Ok(())
            }
            Meaning::Utc if self.offset_seconds.is_none() => {
                self.offset_seconds = Some(0);
                Ok(())
            }
            Meaning::Unsupported => Err(Fault::Unsupported(format!("\"{name}\" in a date or timestamp"))),
            Meaning::Era { .. }
            | Meaning::Half { .. }
            | Meaning::TimeFollows
            | Meaning::Utc
            | Meaning::Unknown => Err(Fault::Format),
        }
    }

    /// A number or a month's name within a date: what it means depends on what is known.
    fn date_part(&mut self, part: &str) -> Result<(), Fault> {
        if !part.starts_with(|c: char| c.is_ascii_digit()) {
            let is_month = matches!(words::meaning(part), Meaning::Month(_));
            return if is_month { self.name(part) } else { Err(Fault::Format) };
        }
        let number = words::number(part).ok_or(Fault::Field)?;
        let is_short = part.len() <= 2;
        match (self.year, self.month, self.day) {
            (None, None, None) if part.len() >= 3 => self.year = Some((number, false)),
            (None, None, None) => self.month = Some(number),
            (None, None, Some(_)) => self.month = Some(number),
            (Some(_), None, None) if part.len() == 3 => {
                return Err(Fault::Unsupported("a date by the day of its year".to_owned()));
            }
            (Some(_), None, _) => self.month = Some(number),
            (None, Some(_), None) if self.has_text_month && part.len() >= 3 => {
                self.year = Some((number, false));
            }
            (_, Some(_), None) => self.day = Some(number),
            (None, Some(_), Some(_)) => self.year = Some((number, is_short)),
            (Some(_), Some(_), Some(_)) => return Err(Fault::Format),
        }
        Ok(())
    }

    /// `20130131`, `130131`, `050030`, `0500`.
    fn digits_together(&mut self, word: &str) -> Result<(), Fault> {
        let (digits, fraction) = word.split_once('.').map_or((word, None), |(d, f)| (d, Some(f)));
        let part = |from: usize, to: usize| digits.get(from..to).and_then(words::number).ok_or(Fault::Format);
        if !self.has_date() {
            let length = digits.len();
            let nothing = self.year.is_none() && self.month.is_none() && self.day.is_none();
            if !nothing || length < 6 || fraction.is_some() {
                return Err(Fault::Format);
            }
            self.day = Some(part(length - 2, length)?);
            self.month = Some(part(length - 4, length - 2)?);
            self.year = Some((part(0, length - 4)?, length == 6));
            return Ok(());
        }
        let (hour, minute, second) = match digits.len() {
            6 => (part(0, 2)?, part(2, 4)?, part(4, 6)?),
            4 => (part(0, 2)?, part(2, 4)?, 0),
            _ => return Err(Fault::Format),
        };
        let fraction = fraction.map_or(Some(0), words::fraction_micros).ok_or(Fault::Format)?;
        self.set_time((hour, minute, second * MICROS_PER_SECOND + fraction))
    }

    fn set_time(&mut self, time: (i64, i64, i64)) -> Result<(), Fault> {
        if self.time.replace(time).is_some() {
            return Err(Fault::Format);
        }
        Ok(())
    }

    fn point(self) -> Result<Point, Fault> {
        if self.after_t {
            return Err(Fault::Format);
        }
        let (Some((year, is_short)), Some(month), Some(day)) = (self.year, self.month, self.day) else {
            return Err(Fault::Format);
        };
        if year <= 0 && !is_short {
            return Err(Fault::Field);
        }
        let year = match (self.is_before_christ, is_short) {
            (true, _) if year <= 0 => return Err(Fault::Field),
            (true, _) => 1 - year,
            (false, true) if year < 70 => year + 2_000,
            (false, true) => year + 1_900,
            (false, false) => year,
        };
        if !(1..=12).contains(&month) || !(1..=31).contains(&day) {
            return Err(Fault::MonthOrDay);
        }
        if day > calendar::days_in_month(year, month) {
            return Err(Fault::Field);
        }
        let time_micros = self.time.map_or(Ok(0), |time| time_micros(time, self.afternoon))?;
        let days = calendar::days_of(CivilDate { year, month, day });
        Ok(Point { days, time_micros, offset_seconds: self.offset_seconds })
    }
}

fn time_micros(
    (hour, minute, second_micros): (i64, i64, i64),
    afternoon: Option<bool>,
) -> Result<i64, Fault> {
    let hour = match afternoon {
        Some(_) if hour > 12 => return Err(Fault::Field),
        Some(true) if hour < 12 => hour + 12,
        Some(false) if hour == 12 => 0,
        Some(_) | None => hour,
    };
    let is_whole_day = hour == 24 && minute == 0 && second_micros == 0;
    if (hour > 23 && !is_whole_day) || minute > 59 || second_micros > 60 * MICROS_PER_SECOND {
        return Err(Fault::Field);
    }
    Ok((hour * 60 + minute) * 60 * MICROS_PER_SECOND + second_micros)
}

/// `+05`, `-0530`, `+05:30` or `+05:30:15` in seconds east of UTC.
fn zone(text: &str) -> Result<i64, Fault> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let mut parts = digits.split(':').map(|part| words::number(part).ok_or(Fault::Format));
    let first = parts.next().ok_or(Fault::Format)??;
    let rest = parts.collect::<Result<Vec<_>, _>>()?;
    let (hours, minutes, seconds) = match rest.as_slice() {
        [] if digits.len() > 2 => (first / 100, first % 100, 0),
        [] => (first, 0, 0),
        [minutes] => (first, *minutes, 0),
        [minutes, seconds] => (first, *minutes, *seconds),
        _ => return Err(Fault::Format),
    };
    if hours > 15 || minutes > 59 || seconds > 59 {
        return Err(Fault::Zone);
    }
    Ok(sign * ((hours * 60 + minutes) * 60 + seconds))
}
