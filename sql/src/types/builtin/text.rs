//! TEXT, which sorts by bytes; and what VARCHAR shares with it.

use std::cmp::Ordering;

use bytes::{BufMut, BytesMut};
use quorate_engine::codec::CodecError;
use quorate_engine::codec::value::{Reader, Writer};

use crate::types::builtin::array::array_of;
use crate::types::cast::CastRule;
use crate::types::info::{
    BinaryError, Cast, Category, KeyCodec, Parameters, TypeInfo, WireForm, mistyped_key, read_optional,
};
use crate::types::kind::{Kind, Shape};
use crate::types::text::{to_text, unpadded, utf8};
use crate::types::{DataType, Datum};

/// Text as it is.
pub(crate) struct Text;

impl Kind for Text {
    type Value = String;

    const TAG: u8 = 6;
    const SHAPE: Shape = Shape::Bytes;
    const RANK: u8 = 6;

    fn put(out: &mut Writer, value: &String) {
        out.text(value);
    }

    fn read(reader: &mut Reader<'_>) -> Result<String, CodecError> {
        Ok(reader.text()?.to_owned())
    }

    fn compare(a: &String, b: &String) -> Ordering {
        a.as_bytes().cmp(b.as_bytes())
    }

    fn append_group(bytes: &mut Vec<u8>, value: &String) {
        append_group_text(bytes, value);
    }

    fn heap_bytes(value: &String) -> usize {
        value.capacity()
    }

    fn text(value: &String, _data_type: DataType) -> String {
        value.clone()
    }

    fn put_binary(out: &mut BytesMut, value: &String, data_type: DataType) -> Option<()> {
        // A `"char"` always has its byte.
        if value.is_empty() && data_type == DataType::QuotedChar {
            out.put_u8(0);
        }
        out.put_slice(value.as_bytes());
        Some(())
    }
}

/// Text behind its length.
pub(super) fn append_group_text(bytes: &mut Vec<u8>, text: &str) {
    bytes.extend_from_slice(&text.len().to_be_bytes());
    bytes.extend_from_slice(text.as_bytes());
}

pub(super) const KEY: KeyCodec = KeyCodec {
    gives_back: true,
    put: |encoder, datum, order| {
        let Datum::Text(value) = datum else { return Err(mistyped_key()) };
        encoder.text(Some(value), order);
        Ok(())
    },
    take: |decoder, _, order| Ok(decoder.text(order)?.map(Datum::Text)),
};

/// TEXT. Number 7 was also that of VARCHAR(n), before VARCHAR was a type of its own, and still is.
pub static INFO: TypeInfo = TypeInfo {
    base: DataType::Text,
    name: "text",
    catalog_name: "text",
    sql_names: &["text"],
    category: Some(Category::Text),
    is_preferred: true,
    number: 7,
    row_version: 1,
    parameters: Some(&Parameters {
        text: |_| None,
        modifier: |_| -1,
        of_modifier: |_| DataType::Text,
        number: |_| INFO.number,
        put: |out, _| {
            out.varint(0);
        },
        read: |reader| {
            Ok(match read_optional(reader)? {
                None => DataType::Text,
                length_max => DataType::Varchar { length_max },
            })
        },
    }),
    key: KEY,
    wire: WireForm { oid: 25, size: -1, read },
    from_text: |text, _| Ok(Datum::Text(text.to_owned())),
    casts: &[
        (DataType::Varchar { length_max: None }, CastRule::Implicit),
        (DataType::Char { length: None }, CastRule::Implicit),
        (DataType::Name, CastRule::Implicit),
        (DataType::QuotedChar, CastRule::Implicit),
    ],
    cast: |datum, cast| Some(Ok(Datum::Text(written(datum, cast)))),
    sample: || Datum::Text(String::new()),
    array: Some(&ARRAY),
};

array_of!("text", "text", 1009);

/// Text of a client's bytes.
pub(super) fn read(bytes: &[u8]) -> Result<Datum, BinaryError> {
    Ok(Datum::Text(utf8(bytes)?.to_owned()))
}

/// A value as text, by a cast: the spaces of CHAR(n) are not part of it, and truth values are written out.
pub(super) fn written(datum: Datum, cast: Cast) -> String {
    if let Datum::Text(value) = datum {
        value
    } else if let Datum::Char(value) = datum {
        unpadded(&value).to_owned()
    } else if let Datum::Bool(value) = datum {
        value.to_string()
    } else {
        to_text(&datum, &cast.from).unwrap_or_default()
    }
}
