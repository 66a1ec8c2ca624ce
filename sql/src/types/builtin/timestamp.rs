//! TIMESTAMP without time zone; and what TIMESTAMPTZ shares with it: microseconds since 2000-01-01 00:00, or an infinity.

use std::cmp::Ordering;

use bytes::{BufMut, BytesMut};
use quorate_engine::codec::CodecError;
use quorate_engine::codec::value::{Reader, Writer};

use crate::error::SqlError;
use crate::types::builtin::array::array_of;
use crate::types::cast::CastRule;
use crate::types::datetime::parse::parse_timestamp;
use crate::types::datetime::{EPOCH_2000_MICROS, check_any_timestamp, timestamp_of_date, timestamp_to_text};
use crate::types::info::{BinaryError, Cast, Category, KeyCodec, TypeInfo, WireForm, fixed, mistyped_key};
use crate::types::kind::{Kind, Shape};
use crate::types::{DataType, Datum};

/// Microseconds, without a zone or in UTC.
pub(crate) struct Timestamp;

/// The stored number counts from 1970: the last years wrap around to numbers that no other has, and so come back.
impl Kind for Timestamp {
    type Value = i64;

    const TAG: u8 = 8;
    const SHAPE: Shape = Shape::Varint;
    const RANK: u8 = 5;

    fn put(out: &mut Writer, value: &i64) {
        out.signed(value.wrapping_add(EPOCH_2000_MICROS));
    }

    fn read(reader: &mut Reader<'_>) -> Result<i64, CodecError> {
        Ok(reader.signed()?.wrapping_sub(EPOCH_2000_MICROS))
    }

    fn compare(a: &i64, b: &i64) -> Ordering {
        a.cmp(b)
    }

    fn append_group(bytes: &mut Vec<u8>, value: &i64) {
        bytes.extend_from_slice(&value.to_be_bytes());
    }

    fn text(value: &i64, data_type: DataType) -> String {
        timestamp_to_text(*value, if data_type == DataType::TimestampTz { "+00" } else { "" })
    }

    fn put_binary(out: &mut BytesMut, value: &i64, _data_type: DataType) -> Option<()> {
        out.put_i64(*value);
        Some(())
    }
}

pub(super) const KEY: KeyCodec = KeyCodec {
    gives_back: true,
    put: |encoder, datum, order| {
        let Datum::Timestamp(value) = datum else { return Err(mistyped_key()) };
        encoder.shifted_i64(Some(*value), EPOCH_2000_MICROS, order);
        Ok(())
    },
    take: |decoder, _, order| Ok(decoder.shifted_i64(EPOCH_2000_MICROS, order)?.map(Datum::Timestamp)),
};

/// TIMESTAMP.
pub static INFO: TypeInfo = TypeInfo {
    base: DataType::Timestamp,
    name: "timestamp without time zone",
    catalog_name: "timestamp",
    sql_names: &["timestamp", "timestamp without time zone"],
    category: Some(Category::Time),
    is_preferred: false,
    number: 9,
    row_version: 1,
    parameters: None,
    key: KEY,
    wire: WireForm { oid: 1114, size: 8, read },
    from_text: |text, _| parse_timestamp(text).map(Datum::Timestamp),
    casts: &[(DataType::Date, CastRule::Implicit), (DataType::TimestampTz, CastRule::Assignment)],
    cast,
    sample: || Datum::Timestamp(0),
    array: Some(&ARRAY),
};

array_of!("timestamp without time zone", "timestamp", 1115);

pub(super) fn read(bytes: &[u8]) -> Result<Datum, BinaryError> {
    Ok(Datum::Timestamp(check_any_timestamp(i64::from_be_bytes(fixed(bytes)?))?))
}

pub(super) fn cast(datum: Datum, _: Cast) -> Option<Result<Datum, SqlError>> {
    if let Datum::Date(days) = datum {
        return Some(timestamp_of_date(days).map(Datum::Timestamp));
    }
    matches!(datum, Datum::Timestamp(_)).then_some(Ok(datum))
}
