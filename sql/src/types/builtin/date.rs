//! DATE: days since 1970-01-01, or an infinity.

use std::cmp::Ordering;

use bytes::{BufMut, BytesMut};
use quorate_engine::codec::CodecError;
use quorate_engine::codec::value::{Reader, Writer};

use crate::error::SqlError;
use crate::types::builtin::array::array_of;
use crate::types::cast::CastRule;
use crate::types::datetime::parse::parse_date;
use crate::types::datetime::{
    DATE_INFINITY, DATE_MINUS_INFINITY, EPOCH_2000_DAYS, check_date, date_of_timestamp, date_to_text,
    is_finite_date,
};
use crate::types::info::{
    BinaryError, Cast, Category, KeyCodec, TypeInfo, WireForm, fixed, invalid, mistyped_key,
};
use crate::types::kind::{Kind, Shape};
use crate::types::{DataType, Datum};

/// Days.
pub(crate) struct Date;

impl Kind for Date {
    type Value = i32;

    const TAG: u8 = 7;
    const SHAPE: Shape = Shape::Varint;
    const RANK: u8 = 4;

    fn put(out: &mut Writer, value: &i32) {
        out.signed(i64::from(*value));
    }

    fn read(reader: &mut Reader<'_>) -> Result<i32, CodecError> {
        let days = reader.signed()?;
        i32::try_from(days).map_err(|_| reader.invalid(days.unsigned_abs()))
    }

    fn compare(a: &i32, b: &i32) -> Ordering {
        a.cmp(b)
    }

    fn append_group(bytes: &mut Vec<u8>, value: &i32) {
        bytes.extend_from_slice(&value.to_be_bytes());
    }

    fn text(value: &i32, _data_type: DataType) -> String {
        date_to_text(*value)
    }

    /// Clients count from 2000-01-01; infinities are the same.
    fn put_binary(out: &mut BytesMut, value: &i32, _data_type: DataType) -> Option<()> {
        let days = if is_finite_date(*value) { value.checked_sub(EPOCH_2000_DAYS)? } else { *value };
        out.put_i32(days);
        Some(())
    }
}

/// DATE.
pub static INFO: TypeInfo = TypeInfo {
    base: DataType::Date,
    name: "date",
    catalog_name: "date",
    sql_names: &["date"],
    category: Some(Category::Time),
    is_preferred: false,
    number: 8,
    row_version: 1,
    parameters: None,
    key: KeyCodec {
        gives_back: true,
        put: |encoder, datum, order| {
            let Datum::Date(value) = datum else { return Err(mistyped_key()) };
            encoder.i64(Some(i64::from(*value)), order);
            Ok(())
        },
        take: |decoder, _, order| {
            let Some(days) = decoder.i64(order)? else { return Ok(None) };
            Ok(Some(Datum::Date(i32::try_from(days).map_err(|_| invalid("date in key"))?)))
        },
    },
    wire: WireForm { oid: 1082, size: 4, read },
    from_text: |text, _| parse_date(text).map(Datum::Date),
    casts: &[(DataType::Timestamp, CastRule::Assignment), (DataType::TimestampTz, CastRule::Assignment)],
    cast,
    sample: || Datum::Date(0),
    array: Some(&ARRAY),
};

array_of!("date", "date", 1182);

fn read(bytes: &[u8]) -> Result<Datum, BinaryError> {
    Ok(Datum::Date(match i32::from_be_bytes(fixed(bytes)?) {
        infinity @ (DATE_INFINITY | DATE_MINUS_INFINITY) => infinity,
        days => check_date(i64::from(days) + i64::from(EPOCH_2000_DAYS))?,
    }))
}

fn cast(datum: Datum, _: Cast) -> Option<Result<Datum, SqlError>> {
    if let Datum::Timestamp(micros) = datum {
        return Some(Ok(Datum::Date(date_of_timestamp(micros))));
    }
    matches!(datum, Datum::Date(_)).then_some(Ok(datum))
}
