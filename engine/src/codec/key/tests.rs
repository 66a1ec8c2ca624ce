//! Properties of the key codec against the order of the values themselves.

use std::cmp::Ordering;

use proptest::prelude::*;

use super::*;

/// A column of any type.
#[derive(Clone, Debug)]
enum Column {
    Bool(bool),
    I64(i64),
    Shifted(i64),
    F64(f64),
    Bytes(Vec<u8>),
    Decimal(i64, u32),
    Uuid(Uuid),
}

impl Column {
    /// The order that SQL gives to two values of one type.
    fn order(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Bool(a), Self::Bool(b)) => a.cmp(b),
            (Self::I64(a), Self::I64(b)) | (Self::Shifted(a), Self::Shifted(b)) => a.cmp(b),
            (Self::F64(a), Self::F64(b)) => match (a.is_nan(), b.is_nan()) {
                (true, true) => Ordering::Equal,
                (true, false) => Ordering::Greater,
                (false, true) => Ordering::Less,
                (false, false) => a.partial_cmp(b).expect("neither is NaN"),
            },
            (Self::Bytes(a), Self::Bytes(b)) => a.cmp(b),
            (Self::Decimal(a, scale_a), Self::Decimal(b, scale_b)) => (i128::from(*a)
                * 10i128.pow(SCALE_MAX - scale_a))
            .cmp(&(i128::from(*b) * 10i128.pow(SCALE_MAX - scale_b))),
            (Self::Uuid(a), Self::Uuid(b)) => a.as_bytes().cmp(b.as_bytes()),
            _ => panic!("columns of two types"),
        }
    }

    fn encode(&self, encoder: &mut KeyEncoder, order: ColumnOrder) {
        match self {
            Self::Bool(value) => encoder.bool(Some(*value), order),
            Self::I64(value) => encoder.i64(Some(*value), order),
            Self::Shifted(value) => encoder.shifted_i64(Some(*value), SHIFT, order),
            Self::F64(value) => encoder.f64(Some(*value), order),
            Self::Bytes(value) => encoder.bytes(Some(value), order),
            Self::Decimal(unscaled, scale) => encoder.decimal(Some(&decimal(*unscaled, *scale)), order),
            Self::Uuid(value) => encoder.uuid(Some(*value), order),
        };
    }

    fn encode_null(&self, encoder: &mut KeyEncoder, order: ColumnOrder) {
        match self {
            Self::Bool(_) => encoder.bool(None, order),
            Self::I64(_) => encoder.i64(None, order),
            Self::Shifted(_) => encoder.shifted_i64(None, SHIFT, order),
            Self::F64(_) => encoder.f64(None, order),
            Self::Bytes(_) => encoder.bytes(None, order),
            Self::Decimal(..) => encoder.decimal(None, order),
            Self::Uuid(_) => encoder.uuid(None, order),
        };
    }

    /// Decodes one column of this type and checks that it is equal to this one.
    fn check(&self, decoder: &mut KeyDecoder<'_>, order: ColumnOrder) {
        let is_equal = match self {
            Self::Bool(value) => decoder.bool(order).unwrap() == Some(*value),
            Self::I64(value) => decoder.i64(order).unwrap() == Some(*value),
            Self::Shifted(value) => decoder.shifted_i64(SHIFT, order).unwrap() == Some(*value),
            Self::F64(value) => {
                let found = decoder.f64(order).unwrap().unwrap();
                found == *value || (found.is_nan() && value.is_nan())
            }
            Self::Bytes(value) => decoder.bytes(order).unwrap().as_ref() == Some(value),
            Self::Uuid(value) => decoder.uuid(order).unwrap() == Some(*value),
            Self::Decimal(unscaled, scale) => {
                decoder.decimal(order).unwrap() == Some(decimal(*unscaled, *scale))
            }
        };
        assert!(is_equal, "{self:?}");
    }
}

const SCALE_MAX: u32 = 12;
const SHIFT: i64 = 946_684_800_000_000;

fn decimal(unscaled: i64, scale: u32) -> Decimal {
    format!("{unscaled}e-{scale}").parse().unwrap()
}

fn floats() -> impl Strategy<Value = f64> {
    prop_oneof![
        any::<f64>(),
        any::<u64>().prop_map(f64::from_bits),
        prop::sample::select(vec![
            0.0,
            -0.0,
            f64::NAN,
            -f64::NAN,
            f64::INFINITY,
            f64::NEG_INFINITY,
            1.0,
            -1.0
        ]),
    ]
}

/// Two columns of one type, often near each other.
fn pairs() -> impl Strategy<Value = (Column, Column)> {
    let bytes = || prop::collection::vec(prop::sample::select(vec![0u8, 1, 254, 255, b'a']), 0..5);
    let near = || prop_oneof![any::<i64>(), -3i64..3, Just(i64::MIN), Just(i64::MAX)];
    let shifted = || prop_oneof![near(), (-3i64..3).prop_map(|n| i64::MAX - SHIFT + n)];
    let uuids = || prop_oneof![any::<u128>(), 0..3u128].prop_map(Uuid::from_u128);
    let unscaled = || prop_oneof![any::<i64>(), -200i64..200];
    prop_oneof![
        (any::<bool>(), any::<bool>()).prop_map(|(a, b)| (Column::Bool(a), Column::Bool(b))),
        (near(), near()).prop_map(|(a, b)| (Column::I64(a), Column::I64(b))),
        (shifted(), shifted()).prop_map(|(a, b)| (Column::Shifted(a), Column::Shifted(b))),
        (floats(), floats()).prop_map(|(a, b)| (Column::F64(a), Column::F64(b))),
        (bytes(), bytes()).prop_map(|(a, b)| (Column::Bytes(a), Column::Bytes(b))),
        (unscaled(), 0..=SCALE_MAX, unscaled(), 0..=SCALE_MAX)
            .prop_map(|(a, s, b, t)| (Column::Decimal(a, s), Column::Decimal(b, t))),
        (uuids(), uuids()).prop_map(|(a, b)| (Column::Uuid(a), Column::Uuid(b))),
    ]
}

fn orders() -> impl Strategy<Value = ColumnOrder> {
    (any::<bool>(), any::<bool>())
        .prop_map(|(is_descending, nulls_first)| ColumnOrder { is_descending, nulls_first })
}

fn encoded(column: &Column, order: ColumnOrder) -> Vec<u8> {
    let mut encoder = KeyEncoder::default();
    column.encode(&mut encoder, order);
    encoder.as_bytes().to_vec()
}

/// The order that the key should have.
fn wanted(a: &Column, b: &Column, order: ColumnOrder) -> Ordering {
    if order.is_descending { b.order(a) } else { a.order(b) }
}

proptest! {
    #[test]
    fn key_order_is_value_order((a, b) in pairs(), order in orders()) {
        prop_assert_eq!(encoded(&a, order).cmp(&encoded(&b, order)), wanted(&a, &b, order));
    }

    #[test]
    fn key_reads_back((a, b) in pairs(), order in orders()) {
        let mut encoder = KeyEncoder::new(b"");
        a.encode(&mut encoder, order);
        b.encode(&mut encoder, order);
        let key = encoder.finish();
        let mut decoder = KeyDecoder::new(key.as_ref());
        a.check(&mut decoder, order);
        b.check(&mut decoder, order);
        prop_assert_eq!(decoder.remainder(), b"".as_slice());
    }

    #[test]
    fn key_is_no_prefix_of_another((a, b) in pairs(), order in orders()) {
        let (left, right) = (encoded(&a, order), encoded(&b, order));
        if left != right {
            prop_assert!(!right.starts_with(&left) && !left.starts_with(&right));
        }
    }

    #[test]
    fn key_of_columns_compares_column_by_column(
        (a, b) in pairs(), (c, d) in pairs(), first in orders(), second in orders(),
    ) {
        let mut left = encoded(&a, first);
        left.extend(encoded(&c, second));
        let mut right = encoded(&b, first);
        right.extend(encoded(&d, second));
        let order = wanted(&a, &b, first).then(wanted(&c, &d, second));
        prop_assert_eq!(left.cmp(&right), order);
    }

    #[test]
    fn key_null_goes_where_it_was_asked((a, _) in pairs(), order in orders()) {
        let mut encoder = KeyEncoder::default();
        a.encode_null(&mut encoder, order);
        let null = encoder.finish();
        let value = encoded(&a, order);
        let wanted = if order.nulls_first { Ordering::Less } else { Ordering::Greater };
        prop_assert_eq!(null.as_ref().cmp(&value), wanted);
        prop_assert!(!value.starts_with(null.as_ref()));
        prop_assert_eq!(KeyDecoder::new(null.as_ref()).i64(order), Ok(None));
    }

    #[test]
    fn key_decoder_never_panics(bytes: Vec<u8>, order in orders()) {
        let _ = KeyDecoder::new(&bytes).bool(order);
        let _ = KeyDecoder::new(&bytes).i64(order);
        let _ = KeyDecoder::new(&bytes).f64(order);
        let _ = KeyDecoder::new(&bytes).text(order);
        let _ = KeyDecoder::new(&bytes).decimal(order);
    }
}

/// The bytes on disk must not change: keys of older releases would be lost.
#[test]
fn key_bytes_are_as_in_the_fixture() {
    let mut encoder = KeyEncoder::new(&[0x02]);
    for order in [ColumnOrder::ASCENDING, ColumnOrder::DESCENDING] {
        encoder.bool(Some(true), order).i64(Some(-2), order).f64(Some(-0.0), order).f64(Some(1.5), order);
        encoder.text(Some("a\0b"), order).i64(None, order);
        for text in ["-12.5", "0", "1200"] {
            encoder.decimal(Some(&text.parse().unwrap()), order);
        }
    }
    crate::testing::fixture::check(env!("CARGO_MANIFEST_DIR"), "key_columns", encoder.as_bytes());
}
