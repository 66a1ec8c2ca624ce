//! BOOLEAN: truth values, which a stored tag says alone.

use std::cmp::Ordering;

use bytes::{BufMut, BytesMut};
use quorate_engine::codec::CodecError;
use quorate_engine::codec::value::{Reader, Writer};

use crate::error::SqlError;
use crate::types::builtin::array::array_of;
use crate::types::cast::CastRule;
use crate::types::info::{Category, KeyCodec, TypeInfo, WireForm, fixed, mistyped_key};
use crate::types::kind::{Kind, Shape};
use crate::types::text::{invalid, trimmed};
use crate::types::{DataType, Datum};

/// Truth values.
pub(crate) struct Bool;

/// The tag of the truth value true.
pub(crate) const TAG_TRUE: u8 = 2;

impl Kind for Bool {
    type Value = bool;

    const TAG: u8 = 1;
    const SHAPE: Shape = Shape::Nothing;
    const RANK: u8 = 0;

    fn tag(value: &bool) -> u8 {
        if *value { TAG_TRUE } else { Self::TAG }
    }

    fn put(_out: &mut Writer, _value: &bool) {}

    /// Of its own tag, which is false's.
    fn read(_reader: &mut Reader<'_>) -> Result<bool, CodecError> {
        Ok(false)
    }

    fn compare(a: &bool, b: &bool) -> Ordering {
        a.cmp(b)
    }

    fn append_group(bytes: &mut Vec<u8>, value: &bool) {
        bytes.push(u8::from(*value));
    }

    fn text(value: &bool, _data_type: DataType) -> String {
        if *value { "t" } else { "f" }.to_owned()
    }

    fn put_binary(out: &mut BytesMut, value: &bool, _data_type: DataType) -> Option<()> {
        out.put_u8(u8::from(*value));
        Some(())
    }
}

/// BOOLEAN.
pub static INFO: TypeInfo = TypeInfo {
    base: DataType::Bool,
    name: "boolean",
    catalog_name: "bool",
    sql_names: &["bool", "boolean"],
    category: Some(Category::Bool),
    is_preferred: true,
    number: 1,
    row_version: 1,
    parameters: None,
    key: KeyCodec {
        gives_back: true,
        put: |encoder, datum, order| {
            let Datum::Bool(value) = datum else { return Err(mistyped_key()) };
            encoder.bool(Some(*value), order);
            Ok(())
        },
        take: |decoder, _, order| Ok(decoder.bool(order)?.map(Datum::Bool)),
    },
    wire: WireForm { oid: 16, size: 1, read: |bytes| Ok(Datum::Bool(fixed::<1>(bytes)? != [0])) },
    from_text: |text, _| parse(text).map(Datum::Bool),
    casts: &[(DataType::Int4, CastRule::Explicit)],
    cast: |datum, _| {
        if let Datum::Int(value) = datum {
            return Some(Ok(Datum::Bool(value != 0)));
        }
        matches!(datum, Datum::Bool(_)).then_some(Ok(datum))
    },
    sample: || Datum::Bool(false),
    array: Some(&ARRAY),
};

array_of!("boolean", "bool", 1000);

/// Any unique prefix of true, false, yes, no, on, off, or 1 and 0.
fn parse(text: &str) -> Result<bool, SqlError> {
    let word = trimmed(text).to_ascii_lowercase();
    let is_prefix = |full: &str, least: usize| word.len() >= least && full.starts_with(&word);
    if is_prefix("true", 1) || is_prefix("yes", 1) || word == "on" || word == "1" {
        return Ok(true);
    }
    if is_prefix("false", 1) || is_prefix("no", 1) || is_prefix("off", 2) || word == "0" {
        return Ok(false);
    }
    Err(invalid(text, DataType::Bool))
}
