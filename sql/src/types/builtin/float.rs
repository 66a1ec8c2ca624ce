//! Floats: what those of both widths share. A REAL is a double that has no more than 24 bits.

use std::cmp::Ordering;

use bytes::{BufMut, BytesMut};
use quorate_engine::codec::CodecError;
use quorate_engine::codec::value::{Reader, Writer};

use crate::error::SqlError;
use crate::types::float::{parse, single, to_real, to_text};
use crate::types::info::{Cast, KeyCodec, mistyped_key};
use crate::types::kind::{Kind, Shape};
use crate::types::{DataType, Datum, numeric};

/// Floats of either width.
pub(crate) struct Float;

impl Kind for Float {
    type Value = f64;

    const TAG: u8 = 4;
    const SHAPE: Shape = Shape::Eight;
    const RANK: u8 = 3;

    fn put(out: &mut Writer, value: &f64) {
        out.u64(value.to_bits());
    }

    fn read(reader: &mut Reader<'_>) -> Result<f64, CodecError> {
        Ok(f64::from_bits(reader.u64()?))
    }

    /// NaN equals itself and is above all numbers.
    fn compare(a: &f64, b: &f64) -> Ordering {
        a.partial_cmp(b).unwrap_or_else(|| a.is_nan().cmp(&b.is_nan()))
    }

    /// The two zeros print differently.
    fn is_same(a: &f64, b: &f64) -> bool {
        a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan())
    }

    fn append_group(bytes: &mut Vec<u8>, value: &f64) {
        bytes.extend_from_slice(&canonical(*value).to_bits().to_be_bytes());
    }

    fn text(value: &f64, data_type: DataType) -> String {
        to_text(*value, data_type)
    }

    fn put_binary(out: &mut BytesMut, value: &f64, data_type: DataType) -> Option<()> {
        if data_type == DataType::Float4 {
            out.put_f32(single(*value));
        } else {
            out.put_f64(*value);
        }
        Some(())
    }
}

pub(super) const KEY: KeyCodec = KeyCodec {
    gives_back: true,
    put: |encoder, datum, order| {
        let Datum::Float(value) = datum else { return Err(mistyped_key()) };
        encoder.f64(Some(*value), order);
        Ok(())
    },
    take: |decoder, _, order| Ok(decoder.f64(order)?.map(Datum::Float)),
};

/// One bit pattern for both zeros, and one for all NaNs.
fn canonical(value: f64) -> f64 {
    if value == 0.0 {
        0.0
    } else if value.is_nan() {
        f64::NAN
    } else {
        value
    }
}

/// Casts numbers to a float type.
pub(super) fn cast(datum: Datum, cast: Cast) -> Option<Result<Datum, SqlError>> {
    let is_single = cast.to == DataType::Float4;
    let value = if let Datum::Int(value) = datum {
        #[expect(clippy::cast_precision_loss, reason = "PostgreSQL rounds too; once, also to REAL")]
        Ok(if is_single { f64::from(value as f32) } else { value as f64 })
    } else if let Datum::Float(value) = datum {
        if is_single { to_real(value) } else { Ok(value) }
    } else if let Datum::Numeric(value) = datum {
        // By way of text, as PostgreSQL: rounded once, and the error shows the number.
        parse(&numeric::to_text(&value), cast.to)
    } else {
        return None;
    };
    Some(value.map(Datum::Float))
}
