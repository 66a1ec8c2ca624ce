//! UUID: sixteen bytes, which sort as they are.

use std::cmp::Ordering;

use bytes::{BufMut, BytesMut};
use quorate_engine::codec::CodecError;
use quorate_engine::codec::value::{Reader, Writer};

use crate::types::builtin::array::array_of;
use crate::types::info::{Category, KeyCodec, TypeInfo, WireForm, fixed, mistyped_key};
use crate::types::kind::{Kind, Shape};
use crate::types::text::invalid;
use crate::types::{DataType, Datum};

/// Sixteen bytes.
pub(crate) struct Uuid;

impl Kind for Uuid {
    type Value = uuid::Uuid;

    const TAG: u8 = 10;
    const SHAPE: Shape = Shape::Sixteen;
    const RANK: u8 = 8;

    fn put(out: &mut Writer, value: &uuid::Uuid) {
        out.uuid(*value);
    }

    fn read(reader: &mut Reader<'_>) -> Result<uuid::Uuid, CodecError> {
        reader.uuid()
    }

    fn compare(a: &uuid::Uuid, b: &uuid::Uuid) -> Ordering {
        a.cmp(b)
    }

    fn append_group(bytes: &mut Vec<u8>, value: &uuid::Uuid) {
        bytes.extend_from_slice(value.as_bytes());
    }

    fn text(value: &uuid::Uuid, _data_type: DataType) -> String {
        value.to_string()
    }

    fn put_binary(out: &mut BytesMut, value: &uuid::Uuid, _data_type: DataType) -> Option<()> {
        out.put_slice(value.as_bytes());
        Some(())
    }
}

/// UUID.
pub static INFO: TypeInfo = TypeInfo {
    base: DataType::Uuid,
    name: "uuid",
    catalog_name: "uuid",
    sql_names: &["uuid"],
    category: Some(Category::Uuid),
    is_preferred: false,
    number: 16,
    row_version: 3,
    parameters: None,
    key: KeyCodec {
        gives_back: true,
        put: |encoder, datum, order| {
            let Datum::Uuid(value) = datum else { return Err(mistyped_key()) };
            encoder.uuid(Some(*value), order);
            Ok(())
        },
        take: |decoder, _, order| Ok(decoder.uuid(order)?.map(Datum::Uuid)),
    },
    wire: WireForm {
        oid: 2950,
        size: 16,
        read: |bytes| Ok(Datum::Uuid(uuid::Uuid::from_bytes(fixed::<16>(bytes)?))),
    },
    from_text: |text, data_type| parse(text).map(Datum::Uuid).ok_or_else(|| invalid(text, data_type)),
    casts: &[],
    cast: |datum, _| matches!(datum, Datum::Uuid(_)).then_some(Ok(datum)),
    sample: || Datum::Uuid(uuid::Uuid::nil()),
    array: Some(&ARRAY),
};

array_of!("uuid", "uuid", 2951);

/// 32 hexadecimal digits, with a hyphen or none after each four of them, perhaps all in braces (PostgreSQL's manual, 8.12
/// "UUID Type"). The crate's own reader takes hyphens in fewer places, and a prefix besides.
fn parse(text: &str) -> Option<uuid::Uuid> {
    let digits = match text.strip_prefix('{') {
        Some(rest) => rest.strip_suffix('}')?,
        None => text,
    };
    let (mut value, mut count, mut was_hyphen) = (0_u128, 0, false);
    for c in digits.chars() {
        if c == '-' {
            if was_hyphen || count == 0 || count >= 32 || count % 4 != 0 {
                return None;
            }
        } else {
            value = (value << 4) | u128::from(c.to_digit(16)?);
            count += 1;
        }
        was_hyphen = c == '-';
        if count > 32 {
            return None;
        }
    }
    (count == 32).then(|| uuid::Uuid::from_u128(value))
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn uuid_takes_hyphens_where_postgresql_does() {
        let value = parse("a0eebc999c0b4ef8bb6d6bb9bd380a11");
        assert!(value.is_some());
        for text in [
            "A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11",
            "{a0eebc99-9c0b4ef8-bb6d6bb9-bd380a11}",
            "{a0eebc999c0b4ef8bb6d6bb9bd380a11}",
            "a0ee-bc99-9c0b-4ef8-bb6d-6bb9-bd38-0a11",
        ] {
            assert_eq!(parse(text), value, "{text}");
        }
        for text in [
            "",
            "{a0eebc999c0b4ef8bb6d6bb9bd380a11",
            "a0eebc999c0b4ef8bb6d6bb9bd380a11}",
            "a0eebc999c0b4ef8bb6d6bb9bd380a1",
            "a0eebc999c0b4ef8bb6d6bb9bd380a111",
            "a0eebc99--9c0b4ef8bb6d6bb9bd380a11",
            "-a0eebc999c0b4ef8bb6d6bb9bd380a11",
            "a0eebc999c0b4ef8bb6d6bb9bd380a11-",
            "a0e-ebc999c0b4ef8bb6d6bb9bd380a11",
            " a0eebc999c0b4ef8bb6d6bb9bd380a11",
            "urn:uuid:a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
            "g0eebc999c0b4ef8bb6d6bb9bd380a11",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
