//! Values there and back, and the bytes that drivers expect.

use bytes::BytesMut;
use proptest::prelude::*;
use quorate_sql::types::text::{from_text, to_text};
use quorate_sql::types::{DataType, Datum};

use super::{Format, put, read};

const NUMERIC: DataType = DataType::Numeric { precision: None, scale: 0 };
const TEXT: DataType = DataType::Text;
const CHAR: DataType = DataType::Char { length: Some(3) };

/// `{7,NULL}` of integers: one dimension, NULLs, integer; two elements from 1 on; each with its length.
const TWO_INTS: &[u8] =
    b"\0\0\0\x20\0\0\0\x01\0\0\0\x01\0\0\0\x17\0\0\0\x02\0\0\0\x01\0\0\0\x04\0\0\0\x07\xff\xff\xff\xff";
const ONE_TEXT: &[u8] = b"\0\0\0\x1a\0\0\0\x01\0\0\0\0\0\0\0\x19\0\0\0\x01\0\0\0\x01\0\0\0\x02\xc3\xa9";

fn encoded(datum: &Datum, data_type: &DataType, format: Format) -> Vec<u8> {
    let mut buffer = BytesMut::new();
    put(&mut buffer, datum, data_type, format).unwrap();
    buffer.to_vec()
}

#[test]
fn values_have_the_bytes_of_postgresql() {
    let (ints, texts) = (DataType::Int4.array().unwrap(), TEXT.array().unwrap());
    let cases: &[(Datum, DataType, &[u8])] = &[
        (Datum::Null, DataType::Int4, b"\xff\xff\xff\xff"),
        (Datum::Bool(true), DataType::Bool, b"\0\0\0\x01\x01"),
        (Datum::Int(-2), DataType::Int2, b"\0\0\0\x02\xff\xfe"),
        (Datum::Int(7), DataType::Int4, b"\0\0\0\x04\0\0\0\x07"),
        (Datum::Int(7), DataType::Int8, b"\0\0\0\x08\0\0\0\0\0\0\0\x07"),
        (Datum::Text("é".to_owned()), TEXT, b"\0\0\0\x02\xc3\xa9"),
        (Datum::Date(10_957), DataType::Date, b"\0\0\0\x04\0\0\0\0"),
        (Datum::Date(i32::MAX), DataType::Date, b"\0\0\0\x04\x7f\xff\xff\xff"),
        (Datum::Date(i32::MIN), DataType::Date, b"\0\0\0\x04\x80\0\0\0"),
        (Datum::Date(-2_440_588), DataType::Date, b"\0\0\0\x04\xff\xda\x97\xa7"),
        (Datum::Timestamp(1), DataType::Timestamp, b"\0\0\0\x08\0\0\0\0\0\0\0\x01"),
        (Datum::Timestamp(i64::MAX), DataType::TimestampTz, b"\0\0\0\x08\x7f\xff\xff\xff\xff\xff\xff\xff"),
        (Datum::Timestamp(i64::MIN), DataType::Timestamp, b"\0\0\0\x08\x80\0\0\0\0\0\0\0"),
        (
            Datum::Uuid(uuid::Uuid::from_u128(0x01)),
            DataType::Uuid,
            b"\0\0\0\x10\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01",
        ),
        (Datum::Float(0.5), DataType::Float4, b"\0\0\0\x04\x3f\0\0\0"),
        (Datum::Float(0.5), DataType::Float8, b"\0\0\0\x08\x3f\xe0\0\0\0\0\0\0"),
        (Datum::Char("a  ".to_owned()), CHAR, b"\0\0\0\x03a  "),
        (from_text("{}", &ints).unwrap(), ints, b"\0\0\0\x0c\0\0\0\0\0\0\0\0\0\0\0\x17"),
        (from_text("{7,NULL}", &ints).unwrap(), ints, TWO_INTS),
        (from_text("{é}", &texts).unwrap(), texts, ONE_TEXT),
        (from_text("-1.5", &NUMERIC).unwrap(), NUMERIC, b"\0\0\0\x0c\0\x02\0\0\x40\0\0\x01\0\x01\x13\x88"),
    ];
    for (datum, data_type, bytes) in cases {
        assert_eq!(encoded(datum, data_type, Format::Binary), *bytes, "{datum:?}");
        if !datum.is_null() {
            assert_eq!(read(Some(&bytes[4..]), data_type, Format::Binary, 1).unwrap(), *datum);
        }
    }
    assert_eq!(encoded(&Datum::Int(7), &DataType::Int4, Format::Text), b"\0\0\0\x017");
}

#[test]
fn values_that_are_not_of_their_type_are_refused() {
    let state = |bytes: &[u8], data_type: &DataType, format| {
        read(Some(bytes), data_type, format, 1).unwrap_err().state.code()
    };
    assert_eq!(state(b"x", &DataType::Int4, Format::Text), "22P02");
    assert_eq!(state(b"\xff", &TEXT, Format::Text), "22021");
    assert_eq!(state(b"a\0b", &TEXT, Format::Text), "22021");
    for (bytes, data_type, wanted) in [
        (&b"123"[..], DataType::Int4, "08P01"),
        (b"12345", DataType::Int4, "22P03"),
        (b"12", DataType::Int4, "08P01"),
        (b"12345678", DataType::Int2, "22P03"),
        (b"1234", DataType::Int8, "08P01"),
        (b"1234", DataType::Float8, "08P01"),
        (b"12345678", DataType::Float4, "22P03"),
        (b"", DataType::Bool, "08P01"),
        (b"12", DataType::Bool, "22P03"),
        (b"12345678", DataType::Date, "22P03"),
        (b"1234", DataType::Timestamp, "08P01"),
        // Beyond 5874897-12-31 and before 4714-11-24 BC.
        (b"\x7f\xff\xff\xfe", DataType::Date, "22008"),
        (b"\x80\0\0\x01", DataType::Date, "22008"),
        (b"\x7f\xff\xff\xff\xff\xff\xff\xfe", DataType::Timestamp, "22008"),
        (b"\x80\0\0\0\0\0\0\x01", DataType::TimestampTz, "22008"),
        (b"\0\0\0\0\xc0\0\0\0", NUMERIC, "0A000"),
        (b"\0\0\0\0\xd0\0\0\0", NUMERIC, "0A000"),
        (b"\0\0\0\0\x10\0\0\0", NUMERIC, "22P03"),
        (b"\0\x01\0\0\0\0\0\0\xff\xff", NUMERIC, "22P03"),
        (b"\0\x01\0\0\0\0\0\0", NUMERIC, "08P01"),
        (b"\0\0\0\0\0\0\0\0\0", NUMERIC, "22P03"),
    ] {
        assert_eq!(state(bytes, &data_type, Format::Binary), wanted, "{data_type} {bytes:?}");
    }
}

proptest! {
    #[test]
    fn numerics_come_back(text in "-?[1-9][0-9]{0,30}(\\.[0-9]{1,20})?") {
        let datum = from_text(&text, &NUMERIC).unwrap();
        let bytes = encoded(&datum, &NUMERIC, Format::Binary);
        let back = read(Some(&bytes[4..]), &NUMERIC, Format::Binary, 1).unwrap();
        prop_assert_eq!(to_text(&back, &NUMERIC), Some(text));
    }

    #[test]
    fn numerics_of_any_bytes_do_not_panic(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
        let _ = read(Some(&bytes), &NUMERIC, Format::Binary, 1);
    }
}
