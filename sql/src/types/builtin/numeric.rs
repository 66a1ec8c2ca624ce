//! NUMERIC: exact numbers, with the scale that PostgreSQL would print.

use std::cmp::Ordering;

use bigdecimal::BigDecimal;
use bigdecimal::num_bigint::BigInt;
use bytes::BytesMut;
use quorate_engine::codec::CodecError;
use quorate_engine::codec::decimal::Decimal;
use quorate_engine::codec::value::{Reader, Writer};

use super::text::append_group_text;
use crate::error::{SqlError, SqlState};
use crate::types::builtin::array::array_of;
use crate::types::cast::CastRule;
use crate::types::info::{
    BinaryError, Cast, Category, KeyCodec, Parameters, TypeInfo, WireForm, invalid, mistyped_key,
    put_optional, read_optional,
};
use crate::types::kind::{Kind, Shape};
use crate::types::numeric::{fit, from_float, parse, to_text};
use crate::types::{DataType, Datum};

mod wire;

/// Greatest scale of a stored numeric in digits, of either sign: PostgreSQL's numbers end at 131,072 digits before the
/// point, and a damaged scale must not make a number that fills the memory when it is printed.
const STORED_SCALE_MAX: i64 = 131_072;

/// Exact numbers.
pub(crate) struct Numeric;

impl Kind for Numeric {
    type Value = BigDecimal;

    const TAG: u8 = 5;
    const SHAPE: Shape = Shape::VarintAndBytes;
    const RANK: u8 = 2;

    fn put(out: &mut Writer, value: &BigDecimal) {
        let (unscaled, scale) = value.as_bigint_and_scale();
        out.signed(scale).bytes(&unscaled.to_signed_bytes_be());
    }

    fn read(reader: &mut Reader<'_>) -> Result<BigDecimal, CodecError> {
        let scale = reader.signed()?;
        if !(-STORED_SCALE_MAX..=STORED_SCALE_MAX).contains(&scale) {
            return Err(CodecError::Invalid { what: "scale of a numeric", found: scale.unsigned_abs() });
        }
        Ok(BigDecimal::new(BigInt::from_signed_bytes_be(reader.bytes()?), scale))
    }

    fn compare(a: &BigDecimal, b: &BigDecimal) -> Ordering {
        a.cmp(b)
    }

    fn is_same(a: &BigDecimal, b: &BigDecimal) -> bool {
        a.fractional_digit_count() == b.fractional_digit_count() && a == b
    }

    fn append_group(bytes: &mut Vec<u8>, value: &BigDecimal) {
        append_group_text(bytes, &value.normalized().to_string());
    }

    fn heap_bytes(value: &BigDecimal) -> usize {
        usize::try_from(value.digits()).unwrap_or(0) / 2 + 8
    }

    fn text(value: &BigDecimal, _data_type: DataType) -> String {
        to_text(value)
    }

    fn put_binary(out: &mut BytesMut, value: &BigDecimal, _data_type: DataType) -> Option<()> {
        wire::put(out, &to_text(value))
    }
}

/// NUMERIC.
pub static INFO: TypeInfo = TypeInfo {
    base: DataType::NUMERIC,
    name: "numeric",
    catalog_name: "numeric",
    sql_names: &[],
    category: Some(Category::Number),
    is_preferred: false,
    number: 6,
    row_version: 1,
    parameters: Some(&Parameters {
        text: |data_type| parameters(data_type).map(|(precision, scale)| format!("{precision},{scale}")),
        modifier: |data_type| parameters(data_type).map_or(-1, modifier),
        of_modifier,
        number: |_| INFO.number,
        put: |out, data_type| {
            let DataType::Numeric { precision, scale } = data_type else { return };
            put_optional(out, precision).signed(i64::from(scale));
        },
        read: |reader| {
            let precision = read_optional(reader)?;
            let scale = reader.signed()?;
            let scale = i32::try_from(scale).map_err(|_| reader.invalid(scale.unsigned_abs()))?;
            Ok(DataType::Numeric { precision, scale })
        },
    }),
    // `1.10` and `1.1` are one key.
    key: KeyCodec {
        gives_back: false,
        put: |encoder, datum, order| {
            let Datum::Numeric(value) = datum else { return Err(mistyped_key()) };
            let decimal: Decimal = value.to_string().parse().map_err(|_| invalid("numeric in key"))?;
            encoder.decimal(Some(&decimal), order);
            Ok(())
        },
        take: |decoder, _, order| {
            let Some(decimal) = decoder.decimal(order)? else { return Ok(None) };
            let number = decimal.to_string().parse().map_err(|_| invalid("numeric in key"))?;
            Ok(Some(Datum::Numeric(number)))
        },
    },
    wire: WireForm { oid: 1700, size: -1, read },
    from_text: |text, data_type| fitted(parse(text)?, data_type).map(Datum::Numeric),
    casts: &[
        (DataType::Int2, CastRule::Implicit),
        (DataType::Int4, CastRule::Implicit),
        (DataType::Int8, CastRule::Implicit),
        (DataType::Float4, CastRule::Assignment),
        (DataType::Float8, CastRule::Assignment),
    ],
    cast,
    sample: || Datum::Numeric(BigDecimal::from(0)),
    array: Some(&ARRAY),
};

array_of!("numeric", "numeric", 1231);

/// Precision and scale, where they were given.
fn parameters(data_type: DataType) -> Option<(u32, i32)> {
    let DataType::Numeric { precision, scale } = data_type else { return None };
    Some((precision?, scale))
}

fn modifier((precision, scale): (u32, i32)) -> i32 {
    let precision = i32::try_from(precision).unwrap_or(0).min(0x7fff);
    ((precision << 16) | (scale & 0x7ff)).saturating_add(4)
}

/// The type that has this modifier.
fn of_modifier(modifier: i32) -> DataType {
    let Ok(packed) = u32::try_from(modifier.saturating_sub(4)) else { return DataType::NUMERIC };
    // The low eleven bits are a signed number.
    let scale = i32::try_from(packed & 0x7ff).unwrap_or(0);
    DataType::Numeric { precision: Some(packed >> 16), scale: (scale ^ 0x400) - 0x400 }
}

/// The number with the type's scale, within its precision.
fn fitted(value: BigDecimal, data_type: DataType) -> Result<BigDecimal, SqlError> {
    match parameters(data_type) {
        Some((precision, scale)) => fit(&value, precision, scale),
        None => Ok(value),
    }
}

fn cast(datum: Datum, cast: Cast) -> Option<Result<Datum, SqlError>> {
    let value = if let Datum::Int(value) = datum {
        Ok(value.into())
    } else if let Datum::Float(value) = datum {
        from_float(value, cast.from)
    } else if let Datum::Numeric(value) = datum {
        Ok(value)
    } else {
        return None;
    };
    Some(value.and_then(|value| fitted(value, cast.to)).map(Datum::Numeric))
}

fn read(bytes: &[u8]) -> Result<Datum, BinaryError> {
    match wire::read(bytes) {
        wire::Read::Number(text) => Ok(Datum::Numeric(parse(&text)?)),
        wire::Read::Special(name) => Err(SqlError::unsupported(format!("numeric value \"{name}\"")).into()),
        wire::Read::Short => Err(BinaryError::Short),
        wire::Read::Long => Err(BinaryError::Long),
        wire::Read::Invalid(what) => {
            let message = format!("invalid {what} in external \"numeric\" value");
            Err(SqlError::new(SqlState::InvalidBinaryRepresentation, message).into())
        }
    }
}
