//! CHAR(n): text filled up with spaces, which mean nothing where values are compared ("blank-padded char").

use std::cmp::Ordering;

use bytes::{BufMut, BytesMut};
use quorate_engine::codec::CodecError;
use quorate_engine::codec::value::{Reader, Writer};

use super::text::{append_group_text, written};
use crate::types::builtin::array::array_of;
use crate::types::cast::{CastKind, CastRule};
use crate::types::info::{
    Category, KeyCodec, Parameters, TypeInfo, WireForm, mistyped_key, put_optional, read_optional,
};
use crate::types::kind::{Kind, Shape};
use crate::types::text::{cut_char, fit_char, length_modifier, length_of, unpadded, utf8};
use crate::types::{DataType, Datum};

/// Text with the spaces at its end.
pub(crate) struct Char;

impl Kind for Char {
    type Value = String;

    const TAG: u8 = 9;
    const SHAPE: Shape = Shape::Bytes;
    const RANK: u8 = 7;

    fn put(out: &mut Writer, value: &String) {
        out.text(value);
    }

    fn read(reader: &mut Reader<'_>) -> Result<String, CodecError> {
        Ok(reader.text()?.to_owned())
    }

    fn compare(a: &String, b: &String) -> Ordering {
        unpadded(a).as_bytes().cmp(unpadded(b).as_bytes())
    }

    fn is_same(a: &String, b: &String) -> bool {
        a == b
    }

    fn append_group(bytes: &mut Vec<u8>, value: &String) {
        append_group_text(bytes, unpadded(value));
    }

    fn heap_bytes(value: &String) -> usize {
        value.capacity()
    }

    fn text(value: &String, _data_type: DataType) -> String {
        value.clone()
    }

    fn put_binary(out: &mut BytesMut, value: &String, _data_type: DataType) -> Option<()> {
        out.put_slice(value.as_bytes());
        Some(())
    }
}

/// CHAR(n).
pub static INFO: TypeInfo = TypeInfo {
    base: DataType::Char { length: None },
    name: "character",
    catalog_name: "bpchar",
    sql_names: &[],
    category: Some(Category::Text),
    is_preferred: false,
    number: 13,
    row_version: 2,
    parameters: Some(&Parameters {
        text: |data_type| length(data_type).map(|length| length.to_string()),
        modifier: |data_type| length(data_type).map_or(-1, length_modifier),
        of_modifier: |modifier| DataType::Char { length: length_of(modifier) },
        number: |_| INFO.number,
        put: |out, data_type| {
            put_optional(out, length(data_type));
        },
        read: |reader| Ok(DataType::Char { length: read_optional(reader)? }),
    }),
    // The key holds no spaces at the end; the type tells how many there were.
    key: KeyCodec {
        gives_back: true,
        put: |encoder, datum, order| {
            let Datum::Char(value) = datum else { return Err(mistyped_key()) };
            encoder.text(Some(unpadded(value)), order);
            Ok(())
        },
        take: |decoder, data_type, order| {
            Ok(decoder.text(order)?.map(|text| Datum::Char(cut_char(&text, length(data_type)))))
        },
    },
    wire: WireForm { oid: 1042, size: -1, read: |bytes| Ok(Datum::Char(utf8(bytes)?.to_owned())) },
    from_text: |text, data_type| fit_char(text, length(data_type)).map(Datum::Char),
    casts: &[
        (DataType::Text, CastRule::Implicit),
        (DataType::Varchar { length_max: None }, CastRule::Implicit),
    ],
    cast: |datum, cast| {
        let (value, length) = (written(datum, cast), length(cast.to));
        Some(match cast.kind {
            CastKind::Assignment => fit_char(&value, length).map(Datum::Char),
            CastKind::Explicit => Ok(Datum::Char(cut_char(&value, length))),
        })
    },
    sample: || Datum::Char(String::new()),
    array: Some(&ARRAY),
};

array_of!("character", "bpchar", 1014);

/// Characters.
fn length(data_type: DataType) -> Option<u32> {
    let DataType::Char { length } = data_type else { return None };
    length
}
