//! [`Decimal`]: a decimal number taken apart, for the key codec.
//!
//! The value is `±0.d₁d₂d₃… × 10^exponent` with `d₁ ≠ 0` and no zeros at the end, so that equal numbers have equal parts
//! (`1.10` and `1.1` are one key; the scale that SQL shows is kept in the row, not here).

use std::fmt;
use std::str::FromStr;

/// Most significant digits of a decimal in a key: as long as a key may be, this never cuts a sane NUMERIC off.
pub const DECIMAL_DIGITS_MAX: usize = 16 << 10;
/// Greatest exponent either way: PostgreSQL's NUMERIC ends at 131,072 digits before the point.
pub const DECIMAL_EXPONENT_MAX: i32 = 1 << 20;

/// A finite decimal number.
#[derive(Clone, Debug, PartialEq, Eq, Default, Hash)]
pub struct Decimal {
    is_negative: bool,
    exponent: i32,
    digits: Vec<u8>,
}

/// Text or parts that are no decimal number within the limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a decimal number, or beyond its limits")]
pub struct DecimalError;

impl Decimal {
    /// The number `±0.digits × 10^exponent`; zeros before and after are taken off.
    ///
    /// # Errors
    /// A digit above nine, or a number beyond the limits.
    pub fn from_parts(is_negative: bool, digits: &[u8], exponent: i32) -> Result<Self, DecimalError> {
        if digits.iter().any(|digit| *digit > 9) {
            return Err(DecimalError);
        }
        let zeros_before = digits.iter().take_while(|digit| **digit == 0).count();
        let zeros_after = digits.iter().rev().take_while(|digit| **digit == 0).count();
        if zeros_before == digits.len() {
            return Ok(Self::default());
        }
        let digits = digits.get(zeros_before..digits.len() - zeros_after).ok_or(DecimalError)?;
        let shift = i32::try_from(zeros_before).map_err(|_| DecimalError)?;
        let exponent = exponent.checked_sub(shift).ok_or(DecimalError)?;
        if digits.len() > DECIMAL_DIGITS_MAX || exponent.unsigned_abs() > DECIMAL_EXPONENT_MAX.unsigned_abs()
        {
            return Err(DecimalError);
        }
        Ok(Self { is_negative, exponent, digits: digits.to_vec() })
    }

    /// Whether the number is below zero.
    pub fn is_negative(&self) -> bool {
        self.is_negative
    }

    /// Whether the number is zero.
    pub fn is_zero(&self) -> bool {
        self.digits.is_empty()
    }

    /// Power of ten.
    pub fn exponent(&self) -> i32 {
        self.exponent
    }

    /// The digits after the point, most significant first.
    pub fn digits(&self) -> &[u8] {
        &self.digits
    }
}

impl FromStr for Decimal {
    type Err = DecimalError;

    /// Reads `[+-]digits[.digits][e[+-]digits]`.
    fn from_str(text: &str) -> Result<Self, DecimalError> {
        let (mantissa, power) = match text.split_once(['e', 'E']) {
            Some((mantissa, power)) => (mantissa, power.parse::<i32>().map_err(|_| DecimalError)?),
            None => (text, 0),
        };
        let (is_negative, unsigned) = match mantissa.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, mantissa.strip_prefix('+').unwrap_or(mantissa)),
        };
        let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
        let digits = [whole, fraction].concat();
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(DecimalError);
        }
        let digits: Vec<u8> = digits.bytes().map(|byte| byte - b'0').collect();
        let whole_digits = i32::try_from(whole.len()).map_err(|_| DecimalError)?;
        Self::from_parts(is_negative, &digits, power.checked_add(whole_digits).ok_or(DecimalError)?)
    }
}

impl fmt::Display for Decimal {
    /// Without an exponent: `-0.05`, `1200`, `3.14`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_zero() {
            return f.write_str("0");
        }
        if self.is_negative {
            f.write_str("-")?;
        }
        let text: String = self.digits.iter().map(|digit| char::from(b'0' + digit)).collect();
        let zeros = |count: u32| "0".repeat(count as usize);
        match usize::try_from(self.exponent) {
            Err(_) | Ok(0) => write!(f, "0.{}{text}", zeros(self.exponent.unsigned_abs())),
            Ok(whole) => match text.split_at_checked(whole) {
                Some((whole, "")) => f.write_str(whole),
                Some((whole, fraction)) => write!(f, "{whole}.{fraction}"),
                None => write!(f, "{text}{}", "0".repeat(whole - text.len())),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimal_reads_and_shows() {
        for (text, shown) in [
            ("0", "0"),
            ("-0.00", "0"),
            ("1.10", "1.1"),
            ("-0.05", "-0.05"),
            ("1200", "1200"),
            ("12e2", "1200"),
            ("+12.5e-3", "0.0125"),
            ("007", "7"),
            (".5", "0.5"),
            ("99999999999999999999999999.5", "99999999999999999999999999.5"),
        ] {
            assert_eq!(text.parse::<Decimal>().unwrap().to_string(), shown, "{text}");
        }
    }

    #[test]
    fn decimal_refuses_what_is_none() {
        for text in ["", "-", ".", "1.2.3", "1e", "NaN", "1e99999999999", "1e2000000", "--1", "1 "] {
            assert_eq!(text.parse::<Decimal>(), Err(DecimalError), "{text}");
        }
        assert_eq!(Decimal::from_parts(false, &[10], 0), Err(DecimalError));
    }
}
