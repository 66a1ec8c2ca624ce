//! What a session variable may be set to: texts are checked as PostgreSQL checks them, and kept as it shows them.

use super::definitions::Definition;
use crate::error::{SqlError, SqlState};

/// Longest name of a client's program in bytes, PostgreSQL's.
const CLIENT_NAME_MAX_BYTES: usize = 63;
/// Longest value of any other text, in bytes: a session keeps a few of each.
pub const TEXT_MAX_BYTES: usize = 8 << 10;
/// Digits behind the point that count.
const FRACTION_DIGITS: usize = 6;
const FRACTION: i128 = 1_000_000;
const INT_MAX: i128 = 2_147_483_647;

/// A unit, and how many of the variable's own it is: a ratio.
type Unit = (&'static str, i128, i128);

const TIME_UNITS: &[Unit] = &[
    ("us", 1, 1_000),
    ("ms", 1, 1),
    ("s", 1_000, 1),
    ("min", 60_000, 1),
    ("h", 3_600_000, 1),
    ("d", 86_400_000, 1),
];
const MEMORY_UNITS: &[Unit] =
    &[("B", 1, 1 << 10), ("kB", 1, 1), ("MB", 1 << 10, 1), ("GB", 1 << 20, 1), ("TB", 1 << 30, 1)];

/// Names of UTC, as PostgreSQL shows them; the last are not among its names, and mean UTC too.
const ZONES: &[&str] = &[
    "UTC",
    "Etc/UTC",
    "GMT",
    "Etc/GMT",
    "UCT",
    "Etc/UCT",
    "Universal",
    "Etc/Universal",
    "Zulu",
    "Etc/Zulu",
    "Greenwich",
    "Etc/Greenwich",
    "GMT0",
    "GMT+0",
    "GMT-0",
];
const ZONES_IN_OTHER_WORDS: &[&str] = &["Z", "0", "+0", "-0", "+00", "+00:00", "GMT+00:00", "GMT-00:00"];

/// What a variable may be set to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Any text.
    Text,
    /// Any text of printable ASCII, cut to the length of a name.
    ClientName,
    /// On or off.
    Bool,
    /// On: the other is not offered.
    On,
    /// One of these, in any case.
    OneOf(&'static [&'static str]),
    /// One of these, in any case, which all mean the default: others are not offered.
    Only(&'static [&'static str]),
    /// A whole number within these bounds.
    Integer(i64, i64),
    /// A number from 0 on, perhaps with one of these units.
    Quantity(&'static [Unit]),
    /// An encoding of text.
    Encoding,
    /// A style of dates and an order of their fields.
    DateStyle,
    /// A time zone.
    Zone,
    /// Not to be set.
    Fixed,
}

impl Kind {
    /// A time, in milliseconds where it has no unit.
    pub const MILLISECONDS: Self = Self::Quantity(TIME_UNITS);
    /// An amount of memory, in kilobytes where it has no unit.
    pub const KILOBYTES: Self = Self::Quantity(MEMORY_UNITS);

    /// What a quantity without a unit counts.
    pub fn unit(self) -> Option<&'static str> {
        if self == Self::MILLISECONDS {
            return Some("ms");
        }
        (self == Self::KILOBYTES).then_some("kB")
    }
}

impl Definition {
    /// The value as it is kept and shown.
    ///
    /// # Errors
    /// 22023 for what it cannot be set to, 55P02 where it cannot be set at all.
    pub fn check(&self, value: &str) -> Result<String, SqlError> {
        match self.kind {
            Kind::Text if value.len() <= TEXT_MAX_BYTES => Ok(value.to_owned()),
            Kind::Text => Err(self.invalid_because(format!("a value has at most {TEXT_MAX_BYTES} bytes"))),
            Kind::ClientName => Ok(client_name(value)),
            Kind::Bool => match boolean(value) {
                Some(value) => Ok(shown_bool(value).to_owned()),
                None => Err(self.error(format!("parameter \"{}\" requires a Boolean value", self.name))),
            },
            Kind::On => match boolean(value) {
                Some(true) => Ok("on".to_owned()),
                Some(false) => Err(self.invalid(value).with_hint("Quorate offers on.")),
                None => Err(self.error(format!("parameter \"{}\" requires a Boolean value", self.name))),
            },
            Kind::OneOf(values) => one_of(values, value).map(str::to_owned).ok_or_else(|| {
                self.invalid(value).with_hint(format!("Available values: {}.", values.join(", ")))
            }),
            Kind::Only(values) => one_of(values, value).map(|_| self.default.to_owned()).ok_or_else(|| {
                self.invalid(value).with_hint(format!("Quorate offers {}.", values.join(", ")))
            }),
            Kind::Integer(least, greatest) => self.integer(value, least, greatest),
            Kind::Quantity(units) => {
                self.quantity(value, units).map(|quantity| shown_quantity(quantity, units))
            }
            Kind::Encoding => encoding(value)
                .map(str::to_owned)
                .ok_or_else(|| self.invalid(value).with_hint("Set client_encoding to UTF8.")),
            Kind::DateStyle => date_style(value)
                .ok_or_else(|| self.invalid(value).with_hint("Quorate offers \"ISO, MDY\".")),
            Kind::Zone => one_of(ZONES, value)
                .or_else(|| one_of(ZONES_IN_OTHER_WORDS, value).map(|_| "UTC"))
                .map(str::to_owned)
                .ok_or_else(|| {
                    self.invalid(value).with_hint(
                        "Timestamps are shown in UTC only: ask for UTC (libpq: PGTZ=UTC; JDBC: -Duser.timezone=UTC).",
                    )
                }),
            Kind::Fixed => {
                let message = format!("parameter \"{}\" cannot be changed", self.name);
                Err(SqlError::new(SqlState::CantChangeRuntimeParam, message))
            }
        }
    }

    fn integer(&self, value: &str, least: i64, greatest: i64) -> Result<String, SqlError> {
        let number = value.trim().parse::<i64>().map_err(|_| self.invalid(value))?;
        if (least..=greatest).contains(&number) {
            return Ok(number.to_string());
        }
        Err(self.error(format!(
            "{number} is outside the valid range for parameter \"{}\" ({least} .. {greatest})",
            self.name
        )))
    }

    fn quantity(&self, value: &str, units: &[Unit]) -> Result<i128, SqlError> {
        let names: Vec<String> = units.iter().map(|(name, ..)| format!("\"{name}\"")).collect();
        let hint = || format!("Valid units for this parameter are {}.", names.join(", "));
        let quantity = quantity(value, units).ok_or_else(|| self.invalid(value).with_hint(hint()))?;
        if (0..=INT_MAX).contains(&quantity) {
            return Ok(quantity);
        }
        Err(self.error(format!(
            "{} is outside the valid range for parameter \"{}\" (0 .. {INT_MAX})",
            value.trim(),
            self.name
        )))
    }

    fn invalid(&self, value: &str) -> SqlError {
        let shown: String = value.chars().take(CLIENT_NAME_MAX_BYTES).collect();
        self.error(format!("invalid value for parameter \"{}\": \"{shown}\"", self.name))
    }

    fn invalid_because(&self, detail: String) -> SqlError {
        self.error(format!("invalid value for parameter \"{}\"", self.name)).with_detail(detail)
    }

    fn error(&self, message: String) -> SqlError {
        SqlError::new(SqlState::InvalidParameterValue, message)
    }
}

/// The whole milliseconds of a value that was checked.
pub fn millis_of(value: &str) -> Option<u64> {
    quantity(value, TIME_UNITS).and_then(|millis| u64::try_from(millis).ok())
}

/// A quantity as it is shown, as a number of its kind's own unit.
pub fn base_quantity(shown: &str, kind: Kind) -> Option<String> {
    let Kind::Quantity(units) = kind else { return None };
    quantity(shown, units).map(|number| number.to_string())
}

/// On or off: the words that PostgreSQL takes, in any case, and what they begin with where that is clear.
pub fn boolean(value: &str) -> Option<bool> {
    let value = value.trim().to_ascii_lowercase();
    let begins = |word: &str, least: usize| value.len() >= least && word.starts_with(&value);
    if value == "1" || value == "on" || begins("true", 1) || begins("yes", 1) {
        return Some(true);
    }
    (value == "0" || begins("off", 2) || begins("false", 1) || begins("no", 1)).then_some(false)
}

/// As SHOW prints it.
pub fn shown_bool(value: bool) -> &'static str {
    if value { "on" } else { "off" }
}

fn one_of(values: &[&'static str], value: &str) -> Option<&'static str> {
    values.iter().copied().find(|one| one.eq_ignore_ascii_case(value))
}

/// As PostgreSQL keeps it: what is not printable ASCII becomes a question mark.
fn client_name(value: &str) -> String {
    let printable = |c: char| if matches!(c, ' '..='~') { c } else { '?' };
    value.chars().map(printable).take(CLIENT_NAME_MAX_BYTES).collect()
}

/// Everything is UTF-8. Clients in the C locale ask for SQL_ASCII, which means "as it is". Drivers write names in many
/// ways, even in quotes; PostgreSQL looks at letters and digits only.
fn encoding(value: &str) -> Option<&'static str> {
    let plain: String = value.chars().filter(char::is_ascii_alphanumeric).collect();
    match plain.to_ascii_lowercase().as_str() {
        "utf8" | "unicode" => Some("UTF8"),
        "sqlascii" => Some("SQL_ASCII"),
        _ => None,
    }
}

/// A style, an order, or both, in any order.
fn date_style(value: &str) -> Option<String> {
    let mut parts = value.split(',').map(str::trim);
    let is_known = |part: &str| {
        ["iso", "mdy", "us", "noneuro", "noneuropean"].iter().any(|known| known.eq_ignore_ascii_case(part))
    };
    parts.all(is_known).then(|| "ISO, MDY".to_owned())
}

/// A number with an optional unit, in the variable's own, rounded.
fn quantity(value: &str, units: &[Unit]) -> Option<i128> {
    let value = value.trim();
    let end = value.find(|c: char| !matches!(c, '0'..='9' | '.' | '+' | '-')).unwrap_or(value.len());
    let (number, unit) = value.split_at_checked(end)?;
    let unit = unit.trim_start();
    let (_, numerator, denominator) =
        if unit.is_empty() { ("", 1, 1) } else { *units.iter().find(|(name, ..)| *name == unit)? };
    let scaled = fixed_point(number)?.checked_mul(numerator)?;
    let divisor = denominator.checked_mul(FRACTION)?;
    let half = if scaled < 0 { -divisor / 2 } else { divisor / 2 };
    Some(scaled.checked_add(half)? / divisor)
}

/// A decimal number in millionths; further digits are dropped.
fn fixed_point(text: &str) -> Option<i128> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let all_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if (whole.is_empty() && fraction.is_empty()) || !all_digits(whole) || !all_digits(fraction) {
        return None;
    }
    let whole: i128 = if whole.is_empty() { 0 } else { whole.parse::<u64>().ok()?.into() };
    let millionths: String = fraction.chars().chain(std::iter::repeat('0')).take(FRACTION_DIGITS).collect();
    Some(sign * (whole * FRACTION + millionths.parse::<i128>().ok()?))
}

/// With the largest unit that divides it.
fn shown_quantity(quantity: i128, units: &[Unit]) -> String {
    if quantity == 0 {
        return "0".to_owned();
    }
    let fits = |(_, numerator, denominator): &&Unit| *denominator == 1 && quantity % numerator == 0;
    match units.iter().rfind(fits) {
        Some((name, numerator, _)) => format!("{}{name}", quantity / numerator),
        None => quantity.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_read_and_shown_as_postgresql_does() {
        for (given, shown) in [
            ("0", "0"),
            ("1234", "1234ms"),
            ("1000", "1s"),
            ("1.5s", "1500ms"),
            (" 90 s ", "90s"),
            ("120s", "2min"),
            ("86400000", "1d"),
            ("36h", "36h"),
            ("1500us", "2ms"),
            ("400us", "0"),
            (".5min", "30s"),
            ("2147483647", "2147483647ms"),
        ] {
            let quantity = quantity(given, TIME_UNITS).unwrap();
            assert_eq!(shown_quantity(quantity, TIME_UNITS), shown, "{given}");
        }
        assert_eq!(shown_quantity(quantity("4096", MEMORY_UNITS).unwrap(), MEMORY_UNITS), "4MB");
        assert_eq!(shown_quantity(quantity("1024B", MEMORY_UNITS).unwrap(), MEMORY_UNITS), "1kB");
        for wrong in ["", "s", "1 year", "1S", "1..2", "--1", "1e3", "0x10", "1s1", "99999999999999999999999"]
        {
            assert_eq!(quantity(wrong, TIME_UNITS), None, "{wrong}");
        }
    }

    #[test]
    fn booleans_are_words_and_their_beginnings() {
        for yes in ["on", "ON", "1", "t", "true", "tru", "y", "yes", " on "] {
            assert_eq!(boolean(yes), Some(true), "{yes}");
        }
        for no in ["off", "of", "0", "f", "false", "n", "no"] {
            assert_eq!(boolean(no), Some(false), "{no}");
        }
        for neither in ["", "o", "2", "yess", "maybe"] {
            assert_eq!(boolean(neither), None, "{neither}");
        }
    }

    #[test]
    fn encodings_are_known_by_their_letters() {
        assert_eq!(encoding("'utf-8'"), Some("UTF8"));
        assert_eq!(encoding("unicode"), Some("UTF8"));
        assert_eq!(encoding("SQL_ASCII"), Some("SQL_ASCII"));
        assert_eq!(encoding("LATIN1"), None);
    }
}
