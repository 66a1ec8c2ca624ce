//! Integers: what those of all widths share. A value is 64 bits, and is checked against its type's width where it is made.

use std::cmp::Ordering;
use std::ops::RangeInclusive;

use bytes::{BufMut, BytesMut};
use quorate_engine::codec::CodecError;
use quorate_engine::codec::value::{Reader, Writer};

use crate::error::{SqlError, SqlState};
use crate::types::cast::{check_integer, integer_out_of_range};
use crate::types::info::{Cast, KeyCodec, mistyped_key};
use crate::types::kind::{Kind, Shape};
use crate::types::text::{invalid, trimmed};
use crate::types::{DataType, Datum, numeric};

/// Integers of any width.
pub(crate) struct Int;

impl Kind for Int {
    type Value = i64;

    const TAG: u8 = 3;
    const SHAPE: Shape = Shape::Varint;
    const RANK: u8 = 1;

    fn put(out: &mut Writer, value: &i64) {
        out.signed(*value);
    }

    fn read(reader: &mut Reader<'_>) -> Result<i64, CodecError> {
        reader.signed()
    }

    fn compare(a: &i64, b: &i64) -> Ordering {
        a.cmp(b)
    }

    fn append_group(bytes: &mut Vec<u8>, value: &i64) {
        bytes.extend_from_slice(&value.to_be_bytes());
    }

    fn text(value: &i64, _data_type: DataType) -> String {
        value.to_string()
    }

    fn put_binary(out: &mut BytesMut, value: &i64, data_type: DataType) -> Option<()> {
        if data_type == DataType::Int2 {
            out.put_i16(i16::try_from(*value).ok()?);
        } else if data_type == DataType::Int4 {
            out.put_i32(i32::try_from(*value).ok()?);
        } else if matches!(data_type, DataType::Oid | DataType::Xid) {
            out.put_u32(u32::try_from(*value).ok()?);
        } else {
            out.put_i64(*value);
        }
        Some(())
    }
}

pub(super) const KEY: KeyCodec = KeyCodec {
    gives_back: true,
    put: |encoder, datum, order| {
        let Datum::Int(value) = datum else { return Err(mistyped_key()) };
        encoder.i64(Some(*value), order);
        Ok(())
    },
    take: |decoder, _, order| Ok(decoder.i64(order)?.map(Datum::Int)),
};

/// An integer of text.
///
/// # Errors
/// 22P02 where it is none, 22003 beyond the type's range.
pub(super) fn parse(text: &str, data_type: DataType, range: RangeInclusive<i64>) -> Result<Datum, SqlError> {
    let word = trimmed(text);
    let digits = word.strip_prefix(['+', '-']).unwrap_or(word);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(invalid(text, data_type));
    }
    word.parse::<i64>().ok().filter(|value| range.contains(value)).map(Datum::Int).ok_or_else(|| {
        SqlError::new(
            SqlState::NumericValueOutOfRange,
            format!("value \"{text}\" is out of range for type {data_type}"),
        )
    })
}

/// Casts numbers to an integer type.
pub(super) fn cast(datum: Datum, cast: Cast) -> Option<Result<Datum, SqlError>> {
    let value = if let Datum::Int(value) = datum {
        Some(value)
    } else if let Datum::Float(value) = datum {
        float_to_i64(value)
    } else if let Datum::Numeric(value) = datum {
        numeric::to_i64(&value)
    } else if let Datum::Reg(value) = datum {
        Some(value.oid.into())
    } else {
        return None;
    };
    let checked =
        value.ok_or_else(|| integer_out_of_range(cast.to)).and_then(|value| check_integer(value, cast.to));
    Some(checked.map(Datum::Int))
}

/// The nearest integer, halves to even as PostgreSQL's `rint`; `None` beyond 64 bits.
fn float_to_i64(value: f64) -> Option<i64> {
    let rounded = value.round_ties_even();
    // 2^63 is a double, and the first one that does not fit.
    let limit = 9_223_372_036_854_775_808.0;
    if !(-limit..limit).contains(&rounded) {
        return None;
    }
    #[expect(clippy::cast_possible_truncation, reason = "the range was checked above")]
    Some(rounded as i64)
}
