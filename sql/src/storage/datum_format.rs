//! One value as bytes: a tag of four bits, which also tells how to skip the value, and the value.
//!
//! ```text
//! 0 NULL · 1 false · 2 true · 3 integer: signed varint · 4 double: 8 bytes of its bits, most significant first
//! 5 numeric: signed varint scale, bytes of the unscaled integer (two's complement, most significant first)
//! 6 text: bytes · 7 date: signed varint days · 8 timestamp: signed varint microseconds since 1970, which wraps around
//! 9 char: bytes, with the spaces at their end (since version 2 of the formats that hold values)
//! ```
//!
//! A TIMESTAMP counts from 2000 and its stored number from 1970: the last years wrap around to numbers that no other
//! has, and so come back.
//!
//! The tags are shared by stored rows, rows sent by scan programs and literals within programs.

use bigdecimal::BigDecimal;
use bigdecimal::num_bigint::BigInt;
use quorate_engine::codec::CodecError;
use quorate_engine::codec::value::{Reader, Writer};

use crate::types::Datum;
use crate::types::datetime::EPOCH_2000_MICROS;

/// Greatest scale of a stored numeric in digits, of either sign: PostgreSQL's numbers end at 131,072 digits before the
/// point, and a damaged scale must not make a number that fills the memory when it is printed.
const NUMERIC_SCALE_MAX: i64 = 131_072;

/// Number of bits of a tag.
pub const TAG_BITS: u32 = 4;

/// What follows; the number is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tag {
    /// Nothing follows.
    Null,
    /// Nothing follows.
    False,
    /// Nothing follows.
    True,
    /// A signed varint.
    Int,
    /// Eight bytes.
    Float,
    /// Scale and unscaled integer.
    Numeric,
    /// UTF-8 with its length.
    Text,
    /// A signed varint.
    Date,
    /// A signed varint.
    Timestamp,
    /// UTF-8 with its length.
    Char,
}

impl Tag {
    /// Tag of a value.
    pub fn of(datum: &Datum) -> Self {
        match datum {
            Datum::Null => Self::Null,
            Datum::Bool(false) => Self::False,
            Datum::Bool(true) => Self::True,
            Datum::Int(_) => Self::Int,
            Datum::Float(_) => Self::Float,
            Datum::Numeric(_) => Self::Numeric,
            Datum::Text(_) => Self::Text,
            Datum::Date(_) => Self::Date,
            Datum::Timestamp(_) => Self::Timestamp,
            Datum::Char(_) => Self::Char,
        }
    }

    /// The stored number.
    pub const fn number(self) -> u8 {
        match self {
            Self::Null => 0,
            Self::False => 1,
            Self::True => 2,
            Self::Int => 3,
            Self::Float => 4,
            Self::Numeric => 5,
            Self::Text => 6,
            Self::Date => 7,
            Self::Timestamp => 8,
            Self::Char => 9,
        }
    }

    /// The tag with this number.
    ///
    /// # Errors
    /// There is none.
    pub fn from_number(number: u64) -> Result<Self, CodecError> {
        Ok(match number {
            0 => Self::Null,
            1 => Self::False,
            2 => Self::True,
            3 => Self::Int,
            4 => Self::Float,
            5 => Self::Numeric,
            6 => Self::Text,
            7 => Self::Date,
            8 => Self::Timestamp,
            9 => Self::Char,
            found => return Err(CodecError::Invalid { what: "type tag", found }),
        })
    }
}

/// Appends a value's bytes, without its tag.
pub fn put_value(out: &mut Writer, datum: &Datum) {
    match datum {
        Datum::Null | Datum::Bool(_) => out,
        Datum::Int(number) => out.signed(*number),
        Datum::Timestamp(micros) => out.signed(micros.wrapping_add(EPOCH_2000_MICROS)),
        Datum::Float(number) => out.u64(number.to_bits()),
        Datum::Numeric(number) => {
            let (unscaled, scale) = number.as_bigint_and_scale();
            out.signed(scale).bytes(&unscaled.to_signed_bytes_be())
        }
        Datum::Text(text) | Datum::Char(text) => out.text(text),
        Datum::Date(days) => out.signed(i64::from(*days)),
    };
}

/// Reads a value whose tag is known.
///
/// # Errors
/// The bytes do not follow the format.
pub fn read_value(reader: &mut Reader<'_>, tag: Tag) -> Result<Datum, CodecError> {
    Ok(match tag {
        Tag::Null => Datum::Null,
        Tag::False => Datum::Bool(false),
        Tag::True => Datum::Bool(true),
        Tag::Int => Datum::Int(reader.signed()?),
        Tag::Float => Datum::Float(f64::from_bits(reader.u64()?)),
        Tag::Numeric => {
            let scale = reader.signed()?;
            if !(-NUMERIC_SCALE_MAX..=NUMERIC_SCALE_MAX).contains(&scale) {
                return Err(CodecError::Invalid { what: "scale of a numeric", found: scale.unsigned_abs() });
            }
            Datum::Numeric(BigDecimal::new(BigInt::from_signed_bytes_be(reader.bytes()?), scale))
        }
        Tag::Text => Datum::Text(reader.text()?.to_owned()),
        Tag::Date => {
            let days = reader.signed()?;
            Datum::Date(i32::try_from(days).map_err(|_| reader.invalid(days.unsigned_abs()))?)
        }
        Tag::Timestamp => Datum::Timestamp(reader.signed()?.wrapping_sub(EPOCH_2000_MICROS)),
        Tag::Char => Datum::Char(reader.text()?.to_owned()),
    })
}

/// Passes over a value whose tag is known.
///
/// # Errors
/// The bytes do not follow the format.
pub fn skip_value(reader: &mut Reader<'_>, tag: Tag) -> Result<(), CodecError> {
    match tag {
        Tag::Null | Tag::False | Tag::True => {}
        Tag::Int | Tag::Date | Tag::Timestamp => {
            reader.varint()?;
        }
        Tag::Float => {
            reader.u64()?;
        }
        Tag::Numeric => {
            reader.varint()?;
            reader.bytes()?;
        }
        Tag::Text | Tag::Char => {
            reader.bytes()?;
        }
    }
    Ok(())
}

/// Appends a value with its tag in a byte of its own.
pub fn put_datum(out: &mut Writer, datum: &Datum) {
    out.u8(Tag::of(datum).number());
    put_value(out, datum);
}

/// Reads what [`put_datum`] wrote.
///
/// # Errors
/// The bytes do not follow the format.
pub fn read_datum(reader: &mut Reader<'_>) -> Result<Datum, CodecError> {
    let tag = Tag::from_number(u64::from(reader.u8()?))?;
    read_value(reader, tag)
}

/// Values of tests: one of each kind, and any of them.
#[cfg(test)]
pub(crate) mod samples {
    use proptest::prelude::*;

    use super::*;

    /// Any value that can be compared with itself (no NaN).
    pub(crate) fn any_datum() -> impl Strategy<Value = Datum> {
        prop_oneof![
            Just(Datum::Null),
            any::<bool>().prop_map(Datum::Bool),
            any::<i64>().prop_map(Datum::Int),
            any::<f64>().prop_filter("NaN equals nothing", |f| !f.is_nan()).prop_map(Datum::Float),
            (any::<i128>(), -30_i64..60)
                .prop_map(|(unscaled, scale)| Datum::Numeric(BigDecimal::new(BigInt::from(unscaled), scale))),
            ".{0,12}".prop_map(Datum::Text),
            ".{0,12} {0,3}".prop_map(Datum::Char),
            any::<i32>().prop_map(Datum::Date),
            any::<i64>().prop_map(Datum::Timestamp),
        ]
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn datums_come_back_and_can_be_skipped(datums in prop::collection::vec(samples::any_datum(), 0..6)) {
            let mut out = Writer::new();
            for datum in &datums {
                put_datum(&mut out, datum);
            }
            let out = out.finish();
            let (mut reading, mut skipping) = (Reader::new(&out, "datums"), Reader::new(&out, "datums"));
            for datum in &datums {
                prop_assert_eq!(&read_datum(&mut reading).unwrap(), datum);
                let tag = Tag::from_number(u64::from(skipping.u8().unwrap())).unwrap();
                skip_value(&mut skipping, tag).unwrap();
                prop_assert_eq!(reading.clone().remainder(), skipping.clone().remainder());
            }
        }

        #[test]
        fn damaged_datums_give_errors(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            let mut reader = Reader::new(&bytes, "noise");
            while read_datum(&mut reader).is_ok() && !reader.is_empty() {}
        }
    }
}
