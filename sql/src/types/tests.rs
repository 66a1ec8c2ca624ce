//! Properties of values: text reads back, order is total, arithmetic of NUMERIC is exact.

use bigdecimal::BigDecimal;
use proptest::prelude::*;

use super::compare::{GroupKey, compare, equal};
use super::text::{from_text, to_text};
use super::{DataType, Datum, datetime, numeric};

/// A type and a value of it.
fn value() -> impl Strategy<Value = (DataType, Datum)> {
    let micros = prop_oneof![
        datetime::TIMESTAMP_MIN..=datetime::TIMESTAMP_MAX,
        Just(datetime::TIMESTAMP_INFINITY),
        Just(datetime::TIMESTAMP_MINUS_INFINITY)
    ];
    let decimal = (any::<i64>(), 0..30_i64).prop_map(|(digits, scale)| BigDecimal::new(digits.into(), scale));
    prop_oneof![
        any::<bool>().prop_map(|value| (DataType::Bool, Datum::Bool(value))),
        any::<i64>().prop_map(|value| (DataType::Int8, Datum::Int(value))),
        any::<i16>().prop_map(|value| (DataType::Int2, Datum::Int(value.into()))),
        any::<u64>().prop_map(|bits| (DataType::Float8, Datum::Float(f64::from_bits(bits)))),
        (-1_000_000..1_000_000_i64).prop_map(|value| (DataType::Float8, Datum::Float(value as f64 / 1e3))),
        decimal.prop_map(|value| (DataType::NUMERIC, Datum::Numeric(value))),
        any::<String>().prop_map(|value| (DataType::TEXT, Datum::Text(value))),
        (datetime::DATE_MIN..=datetime::DATE_MAX).prop_map(|days| (DataType::Date, Datum::Date(days))),
        any::<bool>().prop_map(|later| {
            let days = if later { datetime::DATE_INFINITY } else { datetime::DATE_MINUS_INFINITY };
            (DataType::Date, Datum::Date(days))
        }),
        any::<u32>().prop_map(|bits| (DataType::Float4, Datum::Float(f32::from_bits(bits).into()))),
        "[a-c ]{0,4}".prop_map(|value| {
            (DataType::Char { length: Some(4) }, Datum::Char(super::text::cut_char(&value, Some(4))))
        }),
        micros.clone().prop_map(|micros| (DataType::Timestamp, Datum::Timestamp(micros))),
        micros.prop_map(|micros| (DataType::TimestampTz, Datum::Timestamp(micros))),
        any::<u128>().prop_map(|bits| (DataType::Uuid, Datum::Uuid(uuid::Uuid::from_u128(bits)))),
    ]
}

proptest! {
    #[test]
    fn text_reads_back((data_type, value) in value()) {
        let text = to_text(&value, &data_type).unwrap();
        let read = from_text(&text, &data_type).unwrap();
        prop_assert!(equal(&read, &value), "{:?} {} {:?}", value, text, read);
        prop_assert_eq!(to_text(&read, &data_type).unwrap(), text);
    }

    #[test]
    fn order_is_total_and_agrees_with_group_keys(a in value(), b in value(), c in value()) {
        let (a, b, c) = (a.1, b.1, c.1);
        prop_assert_eq!(compare(&a, &b), compare(&b, &a).reverse());
        prop_assert!(equal(&a, &a));
        // Different kinds of numbers meet only after a cast, which can round: only within a kind must order carry on.
        let same = |x: &Datum, y: &Datum| std::mem::discriminant(x) == std::mem::discriminant(y);
        if same(&a, &b) {
            prop_assert_eq!(equal(&a, &b), GroupKey::of(std::slice::from_ref(&a)) == GroupKey::of(std::slice::from_ref(&b)));
            if same(&b, &c) && compare(&a, &b).is_le() && compare(&b, &c).is_le() {
                prop_assert!(compare(&a, &c).is_le());
            }
        }
    }

    #[test]
    fn quotient_and_remainder_fit(a in any::<i64>(), s in 0..8_i64, b in any::<i32>(), t in 0..8_i64) {
        prop_assume!(b != 0);
        let (a, b) = (BigDecimal::new(a.into(), s), BigDecimal::new(b.into(), t));
        let whole = numeric::truncate(&(a.clone() / b.clone()), 0);
        let rest = numeric::remainder(&a, &b).unwrap();
        prop_assert_eq!(whole * b.clone() + rest, a.clone());
        let quotient = numeric::divide(&a, &b).unwrap();
        let error = (quotient.clone() * b.clone() - a).abs();
        let half = BigDecimal::new(5.into(), quotient.fractional_digit_count() + 1);
        prop_assert!(error <= half * b.abs(), "{} / {}", quotient, b);
    }

    #[test]
    fn any_text_is_a_value_or_an_error(text in "[-+0-9a-zA-Z:. ]{0,24}") {
        let types = [
            DataType::Bool, DataType::Int4, DataType::Float8, DataType::NUMERIC, DataType::Date, DataType::Timestamp,
            DataType::TimestampTz, DataType::Uuid,
        ];
        for data_type in types {
            if let Ok(value) = from_text(&text, &data_type) {
                let printed = to_text(&value, &data_type).unwrap();
                prop_assert!(equal(&from_text(&printed, &data_type).unwrap(), &value), "{}", printed);
            }
        }
    }
}
