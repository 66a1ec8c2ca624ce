//! Arrays come back from all their forms, and bad ones are errors.

use proptest::prelude::*;

use super::*;
use crate::types::info::{BinaryError, put_binary};
use crate::types::text::{from_text, to_text};

fn array_of(data_type: DataType) -> DataType {
    data_type.array().unwrap()
}

fn array(elements: Vec<Datum>) -> Datum {
    Datum::Array(Elements::new(elements).unwrap())
}

fn texts() -> impl Strategy<Value = Vec<Datum>> {
    let text = prop_oneof![
        4 => "[a-zA-Z\"\\\\{}, \t]{0,6}",
        1 => Just("NULL".to_owned()),
        2 => "[^\0]{0,6}",
    ];
    prop::collection::vec(prop_oneof![1 => Just(Datum::Null), 5 => text.prop_map(Datum::Text)], 0..6)
}

fn binary(value: &Datum, data_type: DataType) -> Vec<u8> {
    let mut out = BytesMut::new();
    put_binary(&mut out, value, data_type).unwrap();
    out.to_vec()
}

#[test]
fn array_types_carry_the_parameters_of_their_elements() {
    for element in [
        DataType::Int4,
        DataType::Text,
        DataType::Varchar { length_max: None },
        DataType::Varchar { length_max: Some(7) },
        DataType::Char { length: Some(3) },
        DataType::NUMERIC,
        DataType::Numeric { precision: Some(12), scale: 3 },
        DataType::Numeric { precision: Some(3), scale: -2 },
        DataType::TimestampTz,
    ] {
        let arrays = array_of(element);
        assert_eq!(arrays.element(), Some(element));
        assert_eq!(arrays.to_string(), format!("{element}[]"));
        assert_eq!(arrays.base(), array_of(element.base()));
        assert_eq!(arrays.array(), None, "no arrays of arrays");
    }
    assert_eq!(DataType::Unknown.array(), None);
}

#[test]
fn datums_do_not_grow_by_arrays() {
    assert!(size_of::<Elements>() <= size_of::<usize>());
    assert!(size_of::<Datum>() <= 5 * size_of::<usize>());
}

#[test]
fn arrays_of_too_many_elements_are_refused() {
    let many = vec![Datum::Null; ARRAY_ELEMENTS_MAX + 1];
    assert_eq!(Elements::new(many).unwrap_err().state, SqlState::ProgramLimitExceeded);
    let text = format!("{{{}}}", "1,".repeat(ARRAY_ELEMENTS_MAX) + "1");
    let error = from_text(&text, &array_of(DataType::Int4)).unwrap_err();
    assert_eq!(error.state, SqlState::ProgramLimitExceeded);
}

#[test]
fn binary_arrays_of_another_shape_are_refused() {
    let ints = array_of(DataType::Int4);
    let good = binary(&array(vec![Datum::Int(1), Datum::Null]), ints);
    let refused = |at: usize, with: [u8; 4]| {
        let mut bytes = good.clone();
        bytes[at..at + 4].copy_from_slice(&with);
        let refused = read(&bytes, DataType::Int4.info()).unwrap_err();
        if let BinaryError::Value(error) = &refused {
            return format!("{} {}", error.state.code(), error.message);
        }
        format!("{refused:?}")
    };
    let number = i32::to_be_bytes;
    assert_eq!(refused(0, number(-1)), "22P03 invalid number of dimensions: -1");
    assert_eq!(refused(0, number(2)), "0A000 a multidimensional array is not supported yet");
    assert_eq!(refused(4, number(2)), "22P03 invalid array flags");
    let expected = "42804 binary data has array element type 25 (text) instead of expected 23 (integer)";
    assert_eq!(refused(8, number(25)), expected);
    assert_eq!(refused(12, number(3)), "Short");
    assert_eq!(refused(12, number(1)), "Long");
    assert!(refused(12, number(i32::MAX)).starts_with("54000"));
    assert!(refused(16, number(0)).starts_with("0A000"));
    assert_eq!(refused(20, number(5)), "22P03 improper binary format in array element 1");
    assert_eq!(refused(20, number(99)), "22P03 insufficient data left in message");
}

proptest! {
    #[test]
    fn arrays_come_back_from_text(elements in texts()) {
        let value = array(elements);
        let data_type = array_of(DataType::TEXT);
        let text = to_text(&value, &data_type).unwrap();
        prop_assert_eq!(from_text(&text, &data_type).unwrap(), value, "{}", text);
    }

    #[test]
    fn arrays_come_back_from_binary(elements in texts()) {
        let value = array(elements);
        let bytes = binary(&value, array_of(DataType::TEXT));
        prop_assert_eq!(read(&bytes, DataType::TEXT.info()).unwrap(), value);
    }

    #[test]
    fn noise_is_no_array(text in "[{}\\[\\]=:,\"\\\\a1 ]{0,12}", bytes in prop::collection::vec(any::<u8>(), 0..40)) {
        let _ = from_text(&text, &array_of(DataType::TEXT));
        let _ = read(&bytes, DataType::TEXT.info());
    }

    #[test]
    fn order_of_arrays_is_that_of_their_group_keys(a in texts(), b in texts()) {
        let (a, b) = (array(a), array(b));
        let keys = [&a, &b].map(|value| crate::types::compare::GroupKey::of(std::slice::from_ref(value)));
        prop_assert_eq!(compare(&a, &b).is_eq(), keys[0] == keys[1]);
        prop_assert_eq!(compare(&a, &b), compare(&b, &a).reverse());
    }
}
