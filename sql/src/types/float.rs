//! REAL and DOUBLE PRECISION: text in and out, and rounding from one to the other.
//!
//! A float is printed with the fewest digits that read back as the same one. PostgreSQL takes of several such texts the
//! nearest, of two that are equally near the even one, and none that lies exactly between two floats, because readers
//! may round it either way. The standard library agrees but for the last two, which only long texts and large numbers
//! can be ([`is_plain`]).

use bigdecimal::num_bigint::BigUint;

use crate::error::{SqlError, SqlState};
use crate::types::DataType;

/// How a width of floats is stored and shown.
struct Width {
    /// Bits of the mantissa, with the one that is not stored.
    mantissa_bits: u32,
    /// Exponent of the mantissa's last bit for the smallest floats.
    exponent_min: i32,
    /// An exponent from here on is written out.
    exponent_shown: i32,
    /// Texts with at most so many digits are the standard library's.
    plain_digits: usize,
}

const DOUBLE: Width = Width { mantissa_bits: 53, exponent_min: -1_074, exponent_shown: 15, plain_digits: 15 };
const SINGLE: Width = Width { mantissa_bits: 24, exponent_min: -149, exponent_shown: 6, plain_digits: 6 };

/// The float as a REAL, rounded to the nearest; infinite beyond its range.
pub fn single(value: f64) -> f32 {
    #[expect(clippy::cast_possible_truncation, reason = "rounding is what is asked for")]
    let rounded = value as f32;
    rounded
}

/// A double as a REAL.
///
/// # Errors
/// 22003 where only rounding makes it infinite or zero.
pub fn to_real(value: f64) -> Result<f64, SqlError> {
    let rounded = f64::from(single(value));
    if rounded.is_infinite() && value.is_finite() {
        return Err(overflow());
    }
    if rounded == 0.0 && value != 0.0 {
        return Err(underflow());
    }
    Ok(rounded)
}

/// The error of a float that became infinite.
pub fn overflow() -> SqlError {
    SqlError::new(SqlState::NumericValueOutOfRange, "value out of range: overflow")
}

/// The error of a float that became zero.
pub fn underflow() -> SqlError {
    SqlError::new(SqlState::NumericValueOutOfRange, "value out of range: underflow")
}

/// Reads a float of this type.
///
/// # Errors
/// 22P02 where it is none, 22003 beyond the type's range.
pub fn parse(text: &str, data_type: DataType) -> Result<f64, SqlError> {
    let word = text.trim_matches(|c: char| c.is_ascii_whitespace());
    let unsigned = word.strip_prefix(['+', '-']).unwrap_or(word);
    let lower = unsigned.to_ascii_lowercase();
    let is_named = matches!(lower.as_str(), "nan" | "inf" | "infinity");
    let invalid = || {
        let message = format!("invalid input syntax for type {data_type}: \"{text}\"");
        SqlError::new(SqlState::InvalidTextRepresentation, message)
    };
    if !is_named && !unsigned.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return Err(invalid());
    }
    // A REAL is read as one: rounding a double again would round some texts twice.
    let is_single = data_type == DataType::Float4;
    let value = if is_single { word.parse::<f32>().map(f64::from) } else { word.parse::<f64>() };
    let value = value.map_err(|_| invalid())?;
    let mantissa = lower.split('e').next().unwrap_or_default();
    let has_vanished = value == 0.0 && mantissa.bytes().any(|byte| matches!(byte, b'1'..=b'9'));
    if !is_named && (value.is_infinite() || has_vanished) {
        return Err(SqlError::new(
            SqlState::NumericValueOutOfRange,
            format!("\"{word}\" is out of range for type {data_type}"),
        ));
    }
    Ok(value)
}

/// A float of this type as text: exponents below -4, and large ones, are written out.
pub fn to_text(value: f64, data_type: DataType) -> String {
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "Infinity" } else { "-Infinity" }.to_owned();
    }
    let is_single = data_type == DataType::Float4;
    let width = if is_single { &SINGLE } else { &DOUBLE };
    let scientific =
        if is_single { format!("{:e}", single(value.abs())) } else { format!("{:e}", value.abs()) };
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let digits = mantissa.replace('.', "");
    let (digits, exponent) = if is_plain(value, &digits, width) {
        (digits, exponent)
    } else {
        shortest(value.abs(), exponent + 1 - length(&digits), width)
    };
    let sign = if value.is_sign_negative() { "-" } else { "" };
    format!("{sign}{}", with_point(&digits, exponent, width))
}

fn length(digits: &str) -> i32 {
    i32::try_from(digits.len()).unwrap_or(i32::MAX)
}

/// Whether no text of this value can lie in the middle of two floats, nor the value in the middle of two texts. The first
/// needs a number of more bits than the mantissa has: a large one, or many digits. The second needs digits that are
/// finer than half of the last bit.
fn is_plain(value: f64, digits: &str, width: &Width) -> bool {
    let integers_end = f64::powi(2.0, i32::try_from(width.mantissa_bits).unwrap_or(i32::MAX));
    digits.len() <= width.plain_digits && value.abs() < integers_end
}

/// The digits and the exponent of the first one, of a positive number. `power` is the power of ten of the last digit
/// that would do if the middle between two floats were taken too.
fn shortest(value: f64, power: i32, width: &Width) -> (String, i32) {
    let (mantissa, exponent) = parts(value, width);
    let is_first_of_power = mantissa == 1 << (width.mantissa_bits - 1) && exponent > width.exponent_min;
    // In quarters of the last bit: the value, and the middles to its neighbours.
    let value = BigUint::from(mantissa) * 4u8;
    let below = if is_first_of_power { &value - 1u8 } else { &value - 2u8 };
    let above = &value + 2u8;
    let mut power = power;
    loop {
        let scale = Scale::new(exponent - 2, power);
        let (low, _) = scale.divided(&below);
        let (high, high_rest) = scale.divided(&above);
        // Strictly between the middles.
        let first = low + 1u8;
        let last = if high_rest == BigUint::ZERO { high - 1u8 } else { high };
        if first <= last {
            let digits = scale.nearest(&value).clamp(first, last).to_string();
            let exponent = power + length(&digits) - 1;
            return (digits.trim_end_matches('0').to_owned(), exponent);
        }
        power -= 1;
    }
}

/// Mantissa and exponent of a positive number: `mantissa × 2^exponent`.
fn parts(value: f64, width: &Width) -> (u64, i32) {
    let bits = value.to_bits();
    let stored = bits & ((1 << 52) - 1);
    let biased = i32::try_from(bits >> 52).unwrap_or(0);
    let (mantissa, exponent) =
        if biased == 0 { (stored, DOUBLE.exponent_min) } else { (stored | 1 << 52, biased - 1_075) };
    // A REAL has zeros behind its own bits; the smallest ones have fewer bits than others.
    let target = (exponent + 53 - i32::try_from(width.mantissa_bits).unwrap_or(53)).max(width.exponent_min);
    let shift = u32::try_from(target - exponent).unwrap_or(0);
    (mantissa >> shift, exponent + i32::try_from(shift).unwrap_or(0))
}

/// Turns numbers times `2^binary` into numbers times `10^decimal`.
struct Scale {
    factor: BigUint,
    divisor: BigUint,
}

impl Scale {
    fn new(binary: i32, decimal: i32) -> Self {
        let ten = |power: i32| BigUint::from(10u8).pow(u32::try_from(power.max(0)).unwrap_or(0));
        let two = |power: i32| BigUint::from(1u8) << power.max(0);
        Self { factor: two(binary) * ten(-decimal), divisor: two(-binary) * ten(decimal) }
    }

    fn divided(&self, number: &BigUint) -> (BigUint, BigUint) {
        let scaled = number * &self.factor;
        (&scaled / &self.divisor, &scaled % &self.divisor)
    }

    /// The nearest integer, of two the even one.
    fn nearest(&self, number: &BigUint) -> BigUint {
        let (quotient, rest) = self.divided(number);
        let is_even = &quotient % 2u8 == BigUint::ZERO;
        match (rest * 2u8).cmp(&self.divisor) {
            std::cmp::Ordering::Less => quotient,
            std::cmp::Ordering::Equal if is_even => quotient,
            std::cmp::Ordering::Equal | std::cmp::Ordering::Greater => quotient + 1u8,
        }
    }
}

/// Digits with the point in its place: `0.00012`, `1200`, `1.2e+16`.
fn with_point(digits: &str, exponent: i32, width: &Width) -> String {
    if !(-4..width.exponent_shown).contains(&exponent) {
        let sign = if exponent < 0 { '-' } else { '+' };
        let (first, rest) = digits.split_at_checked(1).unwrap_or((digits, ""));
        let point = if rest.is_empty() { "" } else { "." };
        return format!("{first}{point}{rest}e{sign}{:02}", exponent.unsigned_abs());
    }
    let zeros = |count: i32| "0".repeat(usize::try_from(count).unwrap_or(0));
    if exponent < 0 {
        return format!("0.{}{digits}", zeros(-exponent - 1));
    }
    let whole = usize::try_from(exponent).unwrap_or(0) + 1;
    match digits.split_at_checked(whole) {
        Some((whole, "")) => whole.to_owned(),
        Some((whole, fraction)) => format!("{whole}.{fraction}"),
        None => format!("{digits}{}", zeros(exponent + 1 - length(digits))),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn doubles_print_as_in_postgresql() {
        for (value, text) in [
            (147.220_001_220_703_12, "147.22000122070312"),
            (1e23, "9.999999999999999e+22"),
            (9.007_199_254_740_993e18, "9.007199254740993e+18"),
            (5e-324, "5e-324"),
            (0.1, "0.1"),
            (-0.0, "-0"),
            (1e15, "1e+15"),
            (123_456_789_012_345.0, "123456789012345"),
            (0.0001, "0.0001"),
            (0.000_01, "1e-05"),
            (9_007_199_254_740_993.0, "9.007199254740992e+15"),
            (33_537_813_017_216_488.0, "3.3537813017216488e+16"),
            (f64::MAX, "1.7976931348623157e+308"),
            (f64::MIN_POSITIVE, "2.2250738585072014e-308"),
        ] {
            assert_eq!(to_text(value, DataType::Float8), text);
        }
    }

    #[test]
    fn reals_print_as_in_postgresql() {
        for (text, printed) in [
            ("14.3999996", "14.4"),
            ("16777217", "1.6777216e+07"),
            ("0.1", "0.1"),
            ("123456", "123456"),
            ("1000000", "1e+06"),
            ("3.4028235e38", "3.4028235e+38"),
            ("1e-45", "1e-45"),
            ("8388608.5", "8.388608e+06"),
            ("33554432", "3.3554432e+07"),
        ] {
            let value = parse(text, DataType::Float4).unwrap();
            assert_eq!(to_text(value, DataType::Float4), printed, "{text}");
        }
    }

    proptest! {
        #[test]
        fn shortest_is_the_standard_librarys_where_nothing_lies_between(bits: u64) {
            let value = f64::from_bits(bits).abs();
            // Within these bounds a text may lie between two floats, or a float between two texts.
            prop_assume!(value.is_finite() && value != 0.0 && !(1e-9..1e40).contains(&value));
            let scientific = format!("{value:e}");
            let (mantissa, exponent) = scientific.split_once('e').unwrap();
            let digits = mantissa.replace('.', "");
            let power = exponent.parse::<i32>().unwrap() + 1 - length(&digits);
            let found = shortest(value, power, &DOUBLE);
            prop_assert_eq!(found, (digits, exponent.parse::<i32>().unwrap()));
        }

        #[test]
        fn reals_read_back(bits: u32) {
            let value = f64::from(f32::from_bits(bits));
            prop_assume!(value.is_finite());
            let text = to_text(value, DataType::Float4);
            prop_assert_eq!(parse(&text, DataType::Float4).unwrap().to_bits(), value.to_bits(), "{}", text);
        }
    }
}
