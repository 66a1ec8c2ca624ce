//! NUMERIC arithmetic with the scales that PostgreSQL 15 prints (`numeric.c`: a value carries the number of digits
//! shown after its point, and each operation has a rule for the scale of its result).
//!
//! Invariant: the scale of every number that leaves this module is between 0 and [`NUMERIC_SCALE_MAX`].

use bigdecimal::num_bigint::{BigInt, Sign};
use bigdecimal::{BigDecimal, ToPrimitive};

use crate::error::{SqlError, SqlState};
use crate::types::{DataType, float};

/// Most digits before the point: PostgreSQL's limit of the format.
pub const NUMERIC_DIGITS_MAX: i64 = 131_072;
/// Most digits after the point: PostgreSQL's limit of the format.
pub const NUMERIC_SCALE_MAX: i64 = 16_383;
/// Largest precision that a column may declare, in digits, as in PostgreSQL.
pub const NUMERIC_PRECISION_MAX: u32 = 1_000;
/// Significant digits that a quotient has at least.
const QUOTIENT_DIGITS_MIN: i64 = 16;
/// Most digits after the point of a quotient.
const QUOTIENT_SCALE_MAX: i64 = 1_000;
/// PostgreSQL counts in groups of this many decimal digits; the scale of a quotient depends on it.
const GROUP_DIGITS: i64 = 4;

/// Reads a decimal number, with or without exponent.
///
/// # Errors
/// 22P02 where it is no number, 22003 beyond the limits of the format, 0A000 for NaN and infinity.
pub fn parse(text: &str) -> Result<BigDecimal, SqlError> {
    let trimmed = text.trim_matches(|c: char| c.is_ascii_whitespace());
    let unsigned = trimmed.trim_start_matches(['+', '-']).to_ascii_lowercase();
    if matches!(unsigned.as_str(), "nan" | "inf" | "infinity") {
        return Err(SqlError::unsupported(format!("numeric value \"{trimmed}\"")));
    }
    let invalid = || {
        SqlError::new(
            SqlState::InvalidTextRepresentation,
            format!("invalid input syntax for type numeric: \"{text}\""),
        )
    };
    let (mantissa, exponent) = match trimmed.split_once(['e', 'E']) {
        None => (trimmed, 0),
        Some((mantissa, exponent)) => (mantissa, parse_exponent(exponent).ok_or_else(invalid)?),
    };
    let (negative, digits) = match mantissa.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, mantissa.strip_prefix('+').unwrap_or(mantissa)),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let all = format!("{whole}{fraction}");
    if all.is_empty() || !all.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(invalid());
    }
    if exponent.abs() > NUMERIC_DIGITS_MAX {
        return Err(overflow());
    }
    let unscaled = BigInt::parse_bytes(all.as_bytes(), 10).ok_or_else(invalid)?;
    let unscaled = if negative { -unscaled } else { unscaled };
    let scale = length(fraction.len()) - exponent;
    checked(raised(unscaled, scale))
}

/// The exponent of a number's text: an optional sign and up to six digits count, more saturate.
fn parse_exponent(text: &str) -> Option<i64> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let magnitude = digits.parse::<i64>().unwrap_or(i64::MAX);
    Some(if text.starts_with('-') { -magnitude } else { magnitude })
}

/// The number with scale 0 at least, by appending zeros.
fn raised(unscaled: BigInt, scale: i64) -> BigDecimal {
    if scale >= 0 {
        return BigDecimal::new(unscaled, scale);
    }
    BigDecimal::new(unscaled * power_of_ten(-scale), 0)
}

/// Refuses what is beyond the limits of the format; a scale that is too large is rounded away.
fn checked(value: BigDecimal) -> Result<BigDecimal, SqlError> {
    let scale = value.fractional_digit_count();
    if length_of(&value) - scale > NUMERIC_DIGITS_MAX {
        return Err(overflow());
    }
    if scale > NUMERIC_SCALE_MAX {
        return Ok(round(&value, NUMERIC_SCALE_MAX));
    }
    Ok(value)
}

fn overflow() -> SqlError {
    SqlError::new(SqlState::NumericValueOutOfRange, "value overflows numeric format")
}

/// Digits of the unscaled number.
fn length_of(value: &BigDecimal) -> i64 {
    i64::try_from(value.digits()).unwrap_or(i64::MAX)
}

fn length(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// 10 to the power of `exponent`, which the limits of the format keep small.
fn power_of_ten(exponent: i64) -> BigInt {
    BigInt::from(10u8).pow(u32::try_from(exponent.max(0)).unwrap_or(0))
}

/// The unscaled integer at a scale that is at least the number's own.
fn unscaled_at(value: &BigDecimal, scale: i64) -> BigInt {
    let (unscaled, own) = value.as_bigint_and_scale();
    if scale <= own { unscaled.into_owned() } else { unscaled.into_owned() * power_of_ten(scale - own) }
}

/// As PostgreSQL prints it: no exponent, all digits of the scale.
pub fn to_text(value: &BigDecimal) -> String {
    let (unscaled, scale) = value.as_bigint_and_scale();
    let digits = unscaled.magnitude().to_string();
    let sign = if unscaled.sign() == Sign::Minus { "-" } else { "" };
    let scale = usize::try_from(scale.max(0)).unwrap_or(0);
    if scale == 0 {
        return format!("{sign}{digits}");
    }
    let padded = format!("{digits:0>width$}", width = scale + 1);
    let (whole, fraction) = padded.split_at(padded.len() - scale);
    format!("{sign}{whole}.{fraction}")
}

/// `a + b`, at the larger scale.
///
/// # Errors
/// 22003 beyond the format.
pub fn add(a: &BigDecimal, b: &BigDecimal) -> Result<BigDecimal, SqlError> {
    let scale = a.fractional_digit_count().max(b.fractional_digit_count());
    checked(BigDecimal::new(unscaled_at(a, scale) + unscaled_at(b, scale), scale))
}

/// `a - b`, at the larger scale.
///
/// # Errors
/// 22003 beyond the format.
pub fn subtract(a: &BigDecimal, b: &BigDecimal) -> Result<BigDecimal, SqlError> {
    let scale = a.fractional_digit_count().max(b.fractional_digit_count());
    checked(BigDecimal::new(unscaled_at(a, scale) - unscaled_at(b, scale), scale))
}

/// `a * b`, at the sum of the scales.
///
/// # Errors
/// 22003 beyond the format.
pub fn multiply(a: &BigDecimal, b: &BigDecimal) -> Result<BigDecimal, SqlError> {
    let ((left, left_scale), (right, right_scale)) = (a.as_bigint_and_scale(), b.as_bigint_and_scale());
    checked(BigDecimal::new(left.into_owned() * right.into_owned(), left_scale + right_scale))
}

/// `a / b`, with at least 16 significant digits (`select_div_scale` of PostgreSQL).
///
/// # Errors
/// 22012 where `b` is zero, 22003 beyond the format.
pub fn divide(a: &BigDecimal, b: &BigDecimal) -> Result<BigDecimal, SqlError> {
    let ((dividend, dividend_scale), (divisor, divisor_scale)) =
        (a.as_bigint_and_scale(), b.as_bigint_and_scale());
    if divisor.sign() == Sign::NoSign {
        return Err(division_by_zero());
    }
    let scale = quotient_scale(a, b);
    let shift = scale + divisor_scale - dividend_scale;
    let numerator = dividend.into_owned() * power_of_ten(shift);
    let denominator = divisor.into_owned() * power_of_ten(-shift);
    checked(BigDecimal::new(divide_rounded(&numerator, &denominator), scale))
}

/// Scale of `a / b`.
fn quotient_scale(a: &BigDecimal, b: &BigDecimal) -> i64 {
    let (a_weight, a_first) = leading_group(a);
    let (b_weight, b_first) = leading_group(b);
    let weight = a_weight - b_weight - i64::from(a_first <= b_first);
    (QUOTIENT_DIGITS_MIN - weight * GROUP_DIGITS)
        .max(a.fractional_digit_count())
        .max(b.fractional_digit_count())
        .clamp(0, QUOTIENT_SCALE_MAX)
}

/// Weight (power of 10,000) and value of the first group of four digits that is not zero; zeros for zero.
fn leading_group(value: &BigDecimal) -> (i64, u32) {
    let (unscaled, scale) = value.as_bigint_and_scale();
    if unscaled.sign() == Sign::NoSign {
        return (0, 0);
    }
    let digits = unscaled.magnitude().to_string();
    let exponent = length(digits.len()) - 1 - scale;
    let wanted = usize::try_from(exponent.rem_euclid(GROUP_DIGITS) + 1).unwrap_or(1);
    let leading: String = digits.chars().chain(std::iter::repeat('0')).take(wanted).collect();
    (exponent.div_euclid(GROUP_DIGITS), leading.parse().unwrap_or(0))
}

/// The quotient of integers, rounded half away from zero. The divisor is not zero.
fn divide_rounded(numerator: &BigInt, denominator: &BigInt) -> BigInt {
    let quotient = numerator / denominator;
    let remainder = numerator % denominator;
    if remainder.magnitude() * 2u8 < *denominator.magnitude() {
        return quotient;
    }
    let same_sign = numerator.sign() == denominator.sign();
    if same_sign { quotient + 1 } else { quotient - 1 }
}

/// `a % b`, with the sign of `a`.
///
/// # Errors
/// 22012 where `b` is zero.
pub fn remainder(a: &BigDecimal, b: &BigDecimal) -> Result<BigDecimal, SqlError> {
    let scale = a.fractional_digit_count().max(b.fractional_digit_count());
    let divisor = unscaled_at(b, scale);
    if divisor.sign() == Sign::NoSign {
        return Err(division_by_zero());
    }
    Ok(BigDecimal::new(unscaled_at(a, scale) % divisor, scale))
}

/// The error of `x / 0`.
pub fn division_by_zero() -> SqlError {
    SqlError::new(SqlState::DivisionByZero, "division by zero")
}

/// Rounds half away from zero to `digits` after the point (before it, where negative).
pub fn round(value: &BigDecimal, digits: i64) -> BigDecimal {
    shortened(value, digits, divide_rounded)
}

/// Cuts to `digits` after the point (before it, where negative).
pub fn truncate(value: &BigDecimal, digits: i64) -> BigDecimal {
    shortened(value, digits, |numerator, denominator| numerator / denominator)
}

/// The largest integer that is not above `value`.
pub fn floor(value: &BigDecimal) -> BigDecimal {
    let cut = truncate(value, 0);
    if cut > *value { BigDecimal::new(unscaled_at(&cut, 0) - 1, 0) } else { cut }
}

/// The smallest integer that is not below `value`.
pub fn ceil(value: &BigDecimal) -> BigDecimal {
    let cut = truncate(value, 0);
    if cut < *value { BigDecimal::new(unscaled_at(&cut, 0) + 1, 0) } else { cut }
}

fn shortened(value: &BigDecimal, digits: i64, divide: impl Fn(&BigInt, &BigInt) -> BigInt) -> BigDecimal {
    let digits = digits.clamp(-NUMERIC_DIGITS_MAX, NUMERIC_SCALE_MAX);
    let (unscaled, scale) = value.as_bigint_and_scale();
    if digits >= scale {
        return BigDecimal::new(unscaled_at(value, digits), digits);
    }
    let cut = divide(&unscaled, &power_of_ten(scale - digits));
    if digits >= 0 { BigDecimal::new(cut, digits) } else { BigDecimal::new(cut * power_of_ten(-digits), 0) }
}

/// Rounds to a column's scale and checks its precision.
///
/// # Errors
/// 22003 where the number has too many digits before the point.
pub fn fit(value: &BigDecimal, precision: u32, scale: i32) -> Result<BigDecimal, SqlError> {
    let rounded = round(value, i64::from(scale));
    let whole_digits = i64::from(precision) - i64::from(scale);
    let limit = power_of_ten(whole_digits.max(0));
    let whole = unscaled_at(&truncate(&rounded, 0), 0);
    let too_large = if whole_digits >= 0 {
        *whole.magnitude() >= *limit.magnitude()
    } else {
        rounded.as_bigint_and_scale().0.magnitude() >= power_of_ten(i64::from(precision)).magnitude()
    };
    if too_large {
        return Err(SqlError::new(SqlState::NumericValueOutOfRange, "numeric field overflow").with_detail(format!(
            "A field with precision {precision}, scale {scale} must round to an absolute value less than {}.",
            if whole_digits == 0 { "1".to_owned() } else { format!("10^{whole_digits}") }
        )));
    }
    Ok(rounded)
}

/// The number as an integer, rounded half away from zero; `None` beyond 64 bits.
pub fn to_i64(value: &BigDecimal) -> Option<i64> {
    unscaled_at(&round(value, 0), 0).to_i64()
}

/// The nearest double; infinite beyond its range.
pub fn to_f64(value: &BigDecimal) -> f64 {
    let (unscaled, scale) = value.as_bigint_and_scale();
    format!("{unscaled}e{}", -scale).parse().unwrap_or(f64::NAN)
}

/// A float of this type as NUMERIC, with as many digits as the type always keeps: 15, or 6 of a REAL.
///
/// # Errors
/// 0A000 for NaN and infinity, which our NUMERIC does not have.
pub fn from_float(value: f64, from: DataType) -> Result<BigDecimal, SqlError> {
    if !value.is_finite() {
        return Err(SqlError::unsupported(format!("numeric value \"{}\"", float::to_text(value, from))));
    }
    let parsed =
        parse(&if from == DataType::Float4 { format!("{value:.5e}") } else { format!("{value:.14e}") })?;
    let (unscaled, scale) = parsed.normalized().into_bigint_and_scale();
    Ok(raised(unscaled, scale))
}
