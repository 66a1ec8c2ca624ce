//! Numbers and formats of the protocol.

use quorate_sql::types::DataType;

use super::{Format, Formats, WireType, parameter_type};

#[test]
fn types_have_the_numbers_of_postgresql() {
    let cases = [
        (DataType::Bool, 16, 1, -1),
        (DataType::Int8, 20, 8, -1),
        (DataType::Numeric { precision: Some(10), scale: 2 }, 1700, -1, (10 << 16 | 2) + 4),
        (DataType::Numeric { precision: None, scale: 0 }, 1700, -1, -1),
        (DataType::Float4, 700, 4, -1),
        (DataType::Text, 25, -1, -1),
        (DataType::Varchar { length_max: Some(5) }, 1043, -1, 9),
        (DataType::Varchar { length_max: None }, 1043, -1, -1),
        (DataType::Char { length: Some(4) }, 1042, -1, 8),
        (DataType::Char { length: None }, 1042, -1, -1),
        (DataType::Unknown, 25, -1, -1),
        (DataType::TimestampTz, 1184, 8, -1),
    ];
    for (data_type, oid, size, modifier) in cases {
        assert_eq!(WireType::of(&data_type), WireType { oid, size, modifier }, "{data_type}");
        if !matches!(data_type, DataType::Unknown) {
            let back = parameter_type(oid).unwrap().unwrap();
            assert_eq!(WireType::of(&back).oid, oid);
        }
    }
    assert_eq!(parameter_type(0), Ok(None));
    assert_eq!(parameter_type(600).unwrap_err().state.code(), "0A000");
}

#[test]
fn formats_are_none_one_or_one_each() {
    assert_eq!(Formats::read(&[], 3).unwrap().of(2), Format::Text);
    assert_eq!(Formats::read(&[1], 3).unwrap().of(2), Format::Binary);
    assert_eq!(Formats::read(&[0, 1], 2).unwrap().of(1), Format::Binary);
    assert_eq!(Formats::read(&[0, 1], 3).unwrap_err().state.code(), "08P01");
    assert_eq!(Formats::read(&[2], 3).unwrap_err().state.code(), "08P01");
}
