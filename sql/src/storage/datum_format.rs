//! One value as bytes: a tag of four bits, which also tells how to skip the value, and the value.
//!
//! ```text
//! 0 NULL · 1 false · 2 true · 3 integer: signed varint · 4 double: 8 bytes of its bits, most significant first
//! 5 numeric: signed varint scale, bytes of the unscaled integer (two's complement, most significant first)
//! 6 text: bytes · 7 date: signed varint days · 8 timestamp: signed varint microseconds since 1970, which wraps around
//! 9 char: bytes, with the spaces at their end (since version 2 of the formats that hold values) · 10 uuid: 16 bytes (since 3)
//! 11 array: bytes: varint count, each element with its tag in a byte of its own (since version 3)
//! ```
//!
//! A TIMESTAMP counts from 2000 and its stored number from 1970: the last years wrap around to numbers that no other
//! has, and so come back.
//!
//! Tags and bytes of a value are in the file of its type (`types/builtin`); the tags are shared by stored rows, rows sent by scan programs and literals within programs.

use quorate_engine::codec::CodecError;
use quorate_engine::codec::value::{Reader, Writer};

use crate::types::Datum;
use crate::types::builtin::boolean::TAG_TRUE;
use crate::types::kind::{Kind, Shape, match_tag, match_value};

/// Number of bits of a tag.
pub const TAG_BITS: u32 = 4;
/// The tag of NULL.
const TAG_NULL: u8 = 0;

/// What follows; the number is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tag(u8);

impl Tag {
    /// Tag of a value.
    pub fn of(datum: &Datum) -> Self {
        Self(match_value!(datum, TAG_NULL, K, value => K::tag(value)))
    }

    /// The stored number.
    pub const fn number(self) -> u8 {
        self.0
    }

    /// The tag with this number.
    ///
    /// # Errors
    /// There is none.
    pub fn from_number(number: u64) -> Result<Self, CodecError> {
        let invalid = CodecError::Invalid { what: "type tag", found: number };
        let Ok(tag) = u8::try_from(number).map(Self) else { return Err(invalid) };
        tag.shape().map(|_| tag).ok_or(invalid)
    }

    fn shape(self) -> Option<Shape> {
        match self.0 {
            TAG_NULL | TAG_TRUE => Some(Shape::Nothing),
            tag => match_tag!(tag, K, _of => Some(K::SHAPE), None),
        }
    }
}

/// Appends a value's bytes, without its tag.
pub fn put_value(out: &mut Writer, datum: &Datum) {
    match_value!(datum, {}, K, value => K::put(out, value));
}

/// Reads a value whose tag is known.
///
/// # Errors
/// The bytes do not follow the format.
pub fn read_value(reader: &mut Reader<'_>, tag: Tag) -> Result<Datum, CodecError> {
    match tag.0 {
        TAG_NULL => Ok(Datum::Null),
        TAG_TRUE => Ok(Datum::Bool(true)),
        tag => match_tag!(tag, K, of => K::read(reader).map(of), Err(reader.invalid(u64::from(tag)))),
    }
}

/// Passes over a value whose tag is known.
///
/// # Errors
/// The bytes do not follow the format.
pub fn skip_value(reader: &mut Reader<'_>, tag: Tag) -> Result<(), CodecError> {
    match tag.shape() {
        None | Some(Shape::Nothing) => {}
        Some(Shape::Varint) => {
            reader.varint()?;
        }
        Some(Shape::Eight) => {
            reader.u64()?;
        }
        Some(Shape::Sixteen) => {
            reader.raw(16)?;
        }
        Some(Shape::Bytes) => {
            reader.bytes()?;
        }
        Some(Shape::VarintAndBytes) => {
            reader.varint()?;
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
    use bigdecimal::BigDecimal;
    use bigdecimal::num_bigint::BigInt;
    use proptest::prelude::*;

    use super::*;
    use crate::types::builtin::array::Elements;

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
            prop::collection::vec(prop_oneof![Just(Datum::Null), any::<bool>().prop_map(Datum::Bool)], 0..4)
                .prop_map(|elements| Datum::Array(Elements::new(elements).unwrap())),
            any::<u128>().prop_map(|bits| Datum::Uuid(uuid::Uuid::from_u128(bits))),
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
