//! Typed columns in a key, so that the order of the bytes is the order of the columns.
//!
//! ```text
//!   column   = marker, payload                   marker: 01 NULL (first) · 02 value · 03 NULL (last)
//!   bool     = 00 | 01
//!   i64      = 8 bytes, sign bit flipped         (also dates)
//!   shifted  = i64 of value plus shift;          ff*8, 8 bytes of the value where that does not fit    (timestamps)
//!   f64      = 8 bytes, positive: sign bit flipped; negative: all bits flipped;  -0 is 0, NaN is one and greatest
//!   bytes    = escaped and terminated            (also text)
//!   uuid     = 16 bytes
//!   decimal  = 10 negative | 20 zero | 30 positive, then
//!              exponent (4 bytes, sign bit flipped), pairs of digits plus one, 00;  all flipped where negative
//! ```
//!
//! A descending column has all bits of its payload flipped; where NULLs go is a choice of its own. The types are those
//! of the schema: no byte tells them. Invariants: equal values have equal bytes, bytes compare as the values do, and no
//! encoding is a prefix of another, so that columns can follow each other.

use uuid::Uuid;

use super::CodecError;
use super::decimal::Decimal;
use super::escape::{escape_into, unescape};
use crate::kv::Key;

const NULL_FIRST: u8 = 0x01;
const NOT_NULL: u8 = 0x02;
const NULL_LAST: u8 = 0x03;

const DECIMAL_NEGATIVE: u8 = 0x10;
const DECIMAL_ZERO: u8 = 0x20;
const DECIMAL_POSITIVE: u8 = 0x30;

/// How a column sorts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ColumnOrder {
    /// Greatest value first.
    pub is_descending: bool,
    /// NULLs before all values; else behind them.
    pub nulls_first: bool,
}

impl ColumnOrder {
    /// Smallest first, NULLs last: PostgreSQL's default.
    pub const ASCENDING: Self = Self { is_descending: false, nulls_first: false };
    /// Greatest first, NULLs first: PostgreSQL's default for DESC.
    pub const DESCENDING: Self = Self { is_descending: true, nulls_first: true };
}

/// Appends columns to a key. `None` is NULL.
#[derive(Clone, Debug, Default)]
pub struct KeyEncoder {
    out: Vec<u8>,
}

impl KeyEncoder {
    /// Starts with the bytes of `prefix`, as they are.
    pub fn new(prefix: &[u8]) -> Self {
        Self { out: prefix.to_vec() }
    }

    /// A truth value: false before true.
    pub fn bool(&mut self, value: Option<bool>, order: ColumnOrder) -> &mut Self {
        self.column(value, order, |out, value| out.push(u8::from(value)))
    }

    /// A number that is kept with a shift added to it; the shift is not below zero. Sums of 64 bits are as
    /// [`KeyEncoder::i64`] has them, and greater ones follow.
    pub fn shifted_i64(&mut self, value: Option<i64>, shift: i64, order: ColumnOrder) -> &mut Self {
        self.column(value, order, |out, value| match value.checked_add(shift) {
            Some(sum) if sum != i64::MAX => {
                out.extend_from_slice(&(sum.cast_unsigned() ^ SIGN_BIT).to_be_bytes());
            }
            _ => {
                out.extend_from_slice(&BEYOND);
                out.extend_from_slice(&(value.cast_unsigned() ^ SIGN_BIT).to_be_bytes());
            }
        })
    }

    /// A number; also a date.
    pub fn i64(&mut self, value: Option<i64>, order: ColumnOrder) -> &mut Self {
        self.column(value, order, |out, value| {
            out.extend_from_slice(&(value.cast_unsigned() ^ SIGN_BIT).to_be_bytes());
        })
    }

    /// A floating-point number: in PostgreSQL's order, NaN above infinity, and one zero.
    pub fn f64(&mut self, value: Option<f64>, order: ColumnOrder) -> &mut Self {
        self.column(value, order, |out, value| out.extend_from_slice(&ordered_bits(value).to_be_bytes()))
    }

    /// Bytes, in their order.
    pub fn bytes(&mut self, value: Option<&[u8]>, order: ColumnOrder) -> &mut Self {
        self.column(value, order, escape_into)
    }

    /// Text, in the order of its bytes (collation C).
    pub fn text(&mut self, value: Option<&str>, order: ColumnOrder) -> &mut Self {
        self.bytes(value.map(str::as_bytes), order)
    }

    /// A UUID, in the order of its bytes.
    pub fn uuid(&mut self, value: Option<Uuid>, order: ColumnOrder) -> &mut Self {
        self.column(value, order, |out, value| out.extend_from_slice(value.as_bytes()))
    }

    /// A decimal number, in its numeric order.
    pub fn decimal(&mut self, value: Option<&Decimal>, order: ColumnOrder) -> &mut Self {
        self.column(value, order, encode_decimal)
    }

    /// Bytes so far.
    pub fn as_bytes(&self) -> &[u8] {
        &self.out
    }

    /// The key.
    pub fn finish(&mut self) -> Key {
        Key::from(std::mem::take(&mut self.out))
    }

    fn column<T>(
        &mut self,
        value: Option<T>,
        order: ColumnOrder,
        encode: impl FnOnce(&mut Vec<u8>, T),
    ) -> &mut Self {
        match value {
            None => self.out.push(if order.nulls_first { NULL_FIRST } else { NULL_LAST }),
            Some(value) => {
                self.out.push(NOT_NULL);
                let start = self.out.len();
                encode(&mut self.out, value);
                if order.is_descending {
                    self.out.iter_mut().skip(start).for_each(|byte| *byte = !*byte);
                }
            }
        }
        self
    }
}

/// Takes columns off a key, with the types and orders with which they were put there.
#[derive(Clone, Debug)]
pub struct KeyDecoder<'a> {
    rest: &'a [u8],
}

impl<'a> KeyDecoder<'a> {
    /// Reads `bytes`, which start with a column.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// A truth value.
    ///
    /// # Errors
    /// As all decoders here: bytes that end too early, or that no encoder writes.
    pub fn bool(&mut self, order: ColumnOrder) -> Result<Option<bool>, CodecError> {
        let Some([byte]) = self.fixed(order, "bool in key")? else { return Ok(None) };
        match byte {
            0 => Ok(Some(false)),
            1 => Ok(Some(true)),
            other => Err(CodecError::Invalid { what: "bool in key", found: u64::from(other) }),
        }
    }

    /// A number.
    ///
    /// # Errors
    /// As [`KeyDecoder::bool`].
    pub fn i64(&mut self, order: ColumnOrder) -> Result<Option<i64>, CodecError> {
        let payload = self.fixed(order, "integer in key")?;
        Ok(payload.map(|bytes| (u64::from_be_bytes(bytes) ^ SIGN_BIT).cast_signed()))
    }

    /// What [`KeyEncoder::shifted_i64`] wrote.
    ///
    /// # Errors
    /// As [`KeyDecoder::bool`].
    pub fn shifted_i64(&mut self, shift: i64, order: ColumnOrder) -> Result<Option<i64>, CodecError> {
        const WHAT: &str = "shifted integer in key";
        let Some(bytes) = self.fixed::<8>(order, WHAT)? else { return Ok(None) };
        if bytes != BEYOND {
            let sum = (u64::from_be_bytes(bytes) ^ SIGN_BIT).cast_signed();
            return sum.checked_sub(shift).map(Some).ok_or(CodecError::Invalid { what: WHAT, found: 0 });
        }
        let (head, rest) = self.rest.split_first_chunk::<8>().ok_or(CodecError::Truncated { what: WHAT })?;
        self.rest = rest;
        let bytes = if order.is_descending { head.map(|byte| !byte) } else { *head };
        Ok(Some((u64::from_be_bytes(bytes) ^ SIGN_BIT).cast_signed()))
    }

    /// A floating-point number.
    ///
    /// # Errors
    /// As [`KeyDecoder::bool`].
    pub fn f64(&mut self, order: ColumnOrder) -> Result<Option<f64>, CodecError> {
        let payload = self.fixed(order, "float in key")?;
        Ok(payload.map(|bytes| float_of_bits(u64::from_be_bytes(bytes))))
    }

    /// Bytes.
    ///
    /// # Errors
    /// As [`KeyDecoder::bool`].
    pub fn bytes(&mut self, order: ColumnOrder) -> Result<Option<Vec<u8>>, CodecError> {
        if !self.marker(order)? {
            return Ok(None);
        }
        if !order.is_descending {
            let (bytes, rest) = unescape(self.rest)?;
            self.rest = rest;
            return Ok(Some(bytes));
        }
        // The terminator is flipped too: only the column's own bytes are flipped back.
        let length = self
            .rest
            .windows(2)
            .position(|pair| pair == [u8::MAX, u8::MAX])
            .ok_or(CodecError::Truncated { what: "bytes in key" })?;
        let (_, bytes) = self.flipped(length + 2, "bytes in key")?;
        unescape(&bytes).map(|(bytes, _)| Some(bytes))
    }

    /// Text.
    ///
    /// # Errors
    /// As [`KeyDecoder::bool`], also for what is no UTF-8.
    pub fn text(&mut self, order: ColumnOrder) -> Result<Option<String>, CodecError> {
        let Some(bytes) = self.bytes(order)? else { return Ok(None) };
        let text = String::from_utf8(bytes);
        text.map(Some).map_err(|error| CodecError::Invalid {
            what: "text in key",
            found: error.utf8_error().valid_up_to() as u64,
        })
    }

    /// A UUID.
    ///
    /// # Errors
    /// As [`KeyDecoder::bool`].
    pub fn uuid(&mut self, order: ColumnOrder) -> Result<Option<Uuid>, CodecError> {
        Ok(self.fixed(order, "uuid in key")?.map(Uuid::from_bytes))
    }

    /// A decimal number.
    ///
    /// # Errors
    /// As [`KeyDecoder::bool`].
    pub fn decimal(&mut self, order: ColumnOrder) -> Result<Option<Decimal>, CodecError> {
        if !self.marker(order)? {
            return Ok(None);
        }
        let flip = if order.is_descending { u8::MAX } else { 0 };
        let class = self.take_one("decimal in key")? ^ flip;
        let flip = match class {
            DECIMAL_ZERO => return Ok(Some(Decimal::default())),
            DECIMAL_POSITIVE => flip,
            DECIMAL_NEGATIVE => !flip,
            other => return Err(CodecError::Invalid { what: "decimal in key", found: u64::from(other) }),
        };
        decode_magnitude(self, class == DECIMAL_NEGATIVE, flip).map(Some)
    }

    /// What no column has taken yet.
    pub fn remainder(&self) -> &'a [u8] {
        self.rest
    }

    /// Reads the marker; whether a value follows.
    fn marker(&mut self, order: ColumnOrder) -> Result<bool, CodecError> {
        match self.take_one("column in key")? {
            NOT_NULL => Ok(true),
            NULL_FIRST if order.nulls_first => Ok(false),
            NULL_LAST if !order.nulls_first => Ok(false),
            other => Err(CodecError::Invalid { what: "column in key", found: u64::from(other) }),
        }
    }

    fn take_one(&mut self, what: &'static str) -> Result<u8, CodecError> {
        let (first, rest) = self.rest.split_first().ok_or(CodecError::Truncated { what })?;
        self.rest = rest;
        Ok(*first)
    }

    /// A payload of fixed length, with its bits as they were before a descending order flipped them.
    fn fixed<const N: usize>(
        &mut self,
        order: ColumnOrder,
        what: &'static str,
    ) -> Result<Option<[u8; N]>, CodecError> {
        if !self.marker(order)? {
            return Ok(None);
        }
        let (head, rest) = self.rest.split_first_chunk::<N>().ok_or(CodecError::Truncated { what })?;
        self.rest = rest;
        Ok(Some(if order.is_descending { head.map(|byte| !byte) } else { *head }))
    }

    /// The next bytes, as they are and flipped.
    fn flipped(&mut self, length: usize, what: &'static str) -> Result<(&'a [u8], Vec<u8>), CodecError> {
        let (head, rest) = self.rest.split_at_checked(length).ok_or(CodecError::Truncated { what })?;
        self.rest = rest;
        Ok((head, head.iter().map(|byte| !byte).collect()))
    }
}

const SIGN_BIT: u64 = 1 << 63;
/// Stands before a shifted number whose sum does not fit.
const BEYOND: [u8; 8] = [u8::MAX; 8];

/// Bits of a float that compare as unsigned numbers in the float's order.
fn ordered_bits(value: f64) -> u64 {
    let canonical = if value.is_nan() {
        f64::NAN.abs()
    } else if value == 0.0 {
        0.0
    } else {
        value
    };
    let bits = canonical.to_bits();
    if bits & SIGN_BIT == 0 { bits | SIGN_BIT } else { !bits }
}

fn float_of_bits(bits: u64) -> f64 {
    f64::from_bits(if bits & SIGN_BIT == 0 { !bits } else { bits & !SIGN_BIT })
}

fn encode_decimal(out: &mut Vec<u8>, value: &Decimal) {
    if value.is_zero() {
        out.push(DECIMAL_ZERO);
        return;
    }
    out.push(if value.is_negative() { DECIMAL_NEGATIVE } else { DECIMAL_POSITIVE });
    let start = out.len();
    out.extend_from_slice(&(value.exponent().cast_unsigned() ^ (1 << 31)).to_be_bytes());
    for pair in value.digits().chunks(2) {
        let (tens, ones) = match pair {
            [tens, ones] => (*tens, *ones),
            [tens] => (*tens, 0),
            _ => (0, 0),
        };
        out.push(tens * 10 + ones + 1);
    }
    out.push(0);
    if value.is_negative() {
        out.iter_mut().skip(start).for_each(|byte| *byte = !*byte);
    }
}

/// Reads exponent and digits; each byte was combined with `flip`.
fn decode_magnitude(
    decoder: &mut KeyDecoder<'_>,
    is_negative: bool,
    flip: u8,
) -> Result<Decimal, CodecError> {
    const WHAT: &str = "decimal in key";
    let mut exponent = [0; 4];
    for byte in &mut exponent {
        *byte = decoder.take_one(WHAT)? ^ flip;
    }
    let exponent = (u32::from_be_bytes(exponent) ^ (1 << 31)).cast_signed();
    let mut digits = Vec::new();
    loop {
        match decoder.take_one(WHAT)? ^ flip {
            0 => break,
            pair @ 1..=100 => digits.extend_from_slice(&[(pair - 1) / 10, (pair - 1) % 10]),
            other => return Err(CodecError::Invalid { what: WHAT, found: u64::from(other) }),
        }
    }
    Decimal::from_parts(is_negative, &digits, exponent)
        .map_err(|_| CodecError::Invalid { what: WHAT, found: u64::from(exponent.unsigned_abs()) })
}

#[cfg(test)]
mod tests;
