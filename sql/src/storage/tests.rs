//! Rows and keys in bytes: fixtures, order, and damaged bytes.

use proptest::prelude::*;
use quorate_engine::codec::key::ColumnOrder;
use quorate_engine::kv::Key;
use quorate_engine::testing::fixture;

use super::layout::TableLayout;
use super::*;
use crate::error::SqlState;
use crate::testing::tables::{
    array_of, arrays, arrays_row, identified, identified_row, kinds, kinds_row, newer_kinds, newer_kinds_row,
};
use crate::types::builtin::array::Elements;
use crate::types::{DataType, Datum};

const CRATE: &str = env!("CARGO_MANIFEST_DIR");

#[test]
fn row_fixture_reads_back() {
    let layout = kinds().layout().clone();
    let row = kinds_row();
    let (key, value) = encode_row(&layout, &row).unwrap();
    let key = fixture::check(CRATE, "primary_key", key.as_ref());
    let value = fixture::check(CRATE, "row", &value);
    assert_eq!(decode_row(&layout, &key, &value).unwrap(), row);
}

#[test]
fn row_of_version_2_reads_back() {
    let layout = newer_kinds().layout().clone();
    let row = newer_kinds_row();
    let (key, value) = encode_row(&layout, &row).unwrap();
    assert_eq!(value[0], 2, "a CHAR outside the key");
    let key = fixture::check(CRATE, "primary_key_2", key.as_ref());
    let value = fixture::check(CRATE, "row_2", &value);
    assert_eq!(decode_row(&layout, &key, &value).unwrap(), row);
}

#[test]
fn row_of_version_3_reads_back() {
    let layout = arrays().layout().clone();
    let row = arrays_row();
    let (key, value) = encode_row(&layout, &row).unwrap();
    assert_eq!(value[0], 3, "arrays");
    let value = fixture::check(CRATE, "row_3", &value);
    assert_eq!(decode_row(&layout, key.as_ref(), &value).unwrap(), row);
}

#[test]
fn row_with_uuids_reads_back() {
    let layout = identified().layout().clone();
    let row = identified_row();
    let (key, value) = encode_row(&layout, &row).unwrap();
    assert_eq!(value[0], 3, "a UUID outside the key");
    let key = fixture::check(CRATE, "primary_key_3", key.as_ref());
    let value = fixture::check(CRATE, "row_3_uuid", &value);
    assert_eq!(decode_row(&layout, &key, &value).unwrap(), row);
}

#[test]
fn arrays_in_arrays_are_damage() {
    let layout = arrays().layout().clone();
    let (key, value) = encode_row(&layout, &[Datum::Int(1), array_of([Datum::Bool(true)])]).unwrap();
    let mut value = value.to_vec();
    assert_eq!(value.last(), Some(&2), "the tag of true");
    *value.last_mut().unwrap() = 11;
    assert_eq!(decode_row(&layout, key.as_ref(), &value).unwrap_err().state, SqlState::DataCorrupted);
}

#[test]
fn keys_of_char_do_not_know_its_spaces() {
    let layout = newer_kinds().layout().clone();
    let mut row = newer_kinds_row();
    let (key, _) = encode_row(&layout, &row).unwrap();
    row[0] = Datum::Char("ab".to_owned());
    assert_eq!(encode_row(&layout, &row).unwrap().0, key);
}

#[test]
fn keys_of_descending_columns_sort_backward() {
    let ascending = newer_kinds().layout().clone();
    let mut descending = TableLayout::clone(&ascending);
    descending.indexes[0].key[1].order = ColumnOrder::DESCENDING;
    let mut earlier = newer_kinds_row();
    earlier[1] = Datum::Timestamp(0);
    let keys = |layout| (encode_key(layout, &earlier), encode_key(layout, &newer_kinds_row()));
    let (a, b) = keys(&ascending);
    assert!(a < b);
    let (a, b) = keys(&descending);
    assert!(a > b);
    let mut row = newer_kinds_row();
    index_format::decode_whole_key(&descending, a.as_ref(), &mut row).unwrap();
    assert_eq!(row, earlier);
}

#[test]
fn row_reads_only_wanted_columns() {
    let layout = kinds().layout().clone();
    let (key, value) = encode_row(&layout, &kinds_row()).unwrap();
    let mut row = vec![Datum::Bool(false); 9];
    let wanted = [false, true, false, true, false, false, false, false, true];
    index_format::decode_key(&layout, &wanted, key.as_ref(), &mut row).unwrap();
    row_format::decode(&layout, &wanted, &value, &mut row).unwrap();
    let kept = Datum::Bool(false);
    for (position, is_wanted) in wanted.iter().enumerate() {
        let expected = if *is_wanted { &kinds_row()[position] } else { &kept };
        assert_eq!(&row[position], expected, "{position}");
    }
}

#[test]
fn row_written_before_a_column_came_or_went_reads() {
    let old = kinds().layout().clone();
    let (key, value) = encode_row(&old, &kinds_row()).unwrap();
    let mut changed = kinds();
    changed.columns.retain(|column| column.name != "small" && column.name != "day");
    let mut added = changed.columns[0].clone();
    added.id = 50;
    changed.columns.insert(1, added);
    let row = decode_row(changed.layout(), key.as_ref(), &value).unwrap();
    assert_eq!(row[0], Datum::Bool(true));
    assert_eq!(row[1], Datum::Null, "a column that the row does not have yet");
    assert_eq!(row[2], Datum::Int(i64::MAX), "columns behind a dropped one");
    assert_eq!(row[6], Datum::Timestamp(1_357_034_400_000_000 - crate::types::datetime::EPOCH_2000_MICROS));
}

#[test]
fn row_of_a_newer_version_is_an_error() {
    let layout = kinds().layout().clone();
    let (key, value) = encode_row(&layout, &kinds_row()).unwrap();
    let mut newer = value.to_vec();
    newer[0] = row_format::ROW_FORMAT_VERSION + 1;
    assert_eq!(decode_row(&layout, key.as_ref(), &newer).unwrap_err().state, SqlState::DataCorrupted);
}

#[test]
fn keys_are_shown_for_people() {
    let layout_of = |id| (id == 104).then(|| kinds().layout().clone());
    let (key, _) = encode_row(kinds().layout(), &kinds_row()).unwrap();
    assert!(
        key_text::start_key(&key, layout_of).starts_with("/Table/104/1/a\0b/12.5"),
        "{}",
        key_text::start_key(&key, layout_of)
    );
    assert_eq!(
        key_text::start_key(&quorate_engine::kv::keyspace::table_prefix(105), layout_of),
        "/Table/105"
    );
    assert_eq!(key_text::start_key(&Key::default(), layout_of), "/Min");
    assert_eq!(key_text::end_key(&Key::default(), layout_of), "/Max");
    assert_eq!(key_text::end_key(&Key::from(vec![1, 3]), layout_of), "/System/Catalog");
    assert_eq!(key_text::end_key(&Key::from(vec![2]), layout_of), "/Table");
}

fn encode_key(layout: &TableLayout, row: &[Datum]) -> Key {
    index_format::encode_key(layout, layout.primary(), row).unwrap()
}

fn value_of(data_type: DataType) -> BoxedStrategy<Datum> {
    let value = match data_type {
        DataType::Bool => any::<bool>().prop_map(Datum::Bool).boxed(),
        DataType::Int2 | DataType::Int4 | DataType::Int8 => any::<i64>().prop_map(Datum::Int).boxed(),
        DataType::Float8 => (-1e9..1e9).prop_map(Datum::Float).boxed(),
        DataType::Float4 => (-1e9..1e9_f32).prop_map(|value| Datum::Float(value.into())).boxed(),
        DataType::Numeric { .. } => (any::<i64>(), -3_i64..9)
            .prop_map(|(unscaled, scale)| Datum::Numeric(bigdecimal::BigDecimal::new(unscaled.into(), scale)))
            .boxed(),
        DataType::Date => any::<i32>().prop_map(Datum::Date).boxed(),
        DataType::Timestamp | DataType::TimestampTz => any::<i64>().prop_map(Datum::Timestamp).boxed(),
        DataType::Text | DataType::Varchar { .. } | DataType::Unknown | DataType::Void => {
            ".{0,10}".prop_map(Datum::Text).boxed()
        }
        DataType::Array(_) => prop::collection::vec(any::<i32>(), 0..4)
            .prop_map(|all| all.into_iter().map(|value| Datum::Int(value.into())).collect())
            .prop_map(|elements| Datum::Array(Elements::new(elements).unwrap()))
            .boxed(),
        DataType::Uuid => any::<u128>().prop_map(|bits| Datum::Uuid(uuid::Uuid::from_u128(bits))).boxed(),
        DataType::Oid
        | DataType::Name
        | DataType::QuotedChar
        | DataType::Regclass
        | DataType::Regtype
        | DataType::Regproc
        | DataType::Regnamespace
        | DataType::Int2Vector
        | DataType::OidVector
        | DataType::NodeTree
        | DataType::Xid => unreachable!("no table has a column of {data_type}"),
        DataType::Char { length } => {
            ".{0,4}".prop_map(move |text| Datum::Char(crate::types::text::cut_char(&text, length))).boxed()
        }
    };
    prop_oneof![1 => Just(Datum::Null), 6 => value].boxed()
}

fn any_row() -> impl Strategy<Value = Row> {
    kinds().columns.iter().map(|column| value_of(column.data_type)).collect::<Vec<_>>()
}

fn any_newer_row() -> impl Strategy<Value = Row> {
    newer_kinds().columns.iter().map(|column| value_of(column.data_type)).collect::<Vec<_>>()
}

fn any_identified_row() -> impl Strategy<Value = Row> {
    let uuid =
        || prop_oneof![any::<u128>(), 0..3_u128].prop_map(|bits| Datum::Uuid(uuid::Uuid::from_u128(bits)));
    (0..2_i64, uuid(), uuid()).prop_map(|(id, key, other)| vec![Datum::Int(id), key, other])
}

proptest! {
    #[test]
    fn keys_of_uuids_sort_as_they_do(a in any_identified_row(), b in any_identified_row()) {
        let layout = identified().layout().clone();
        let by_columns = (0..2)
            .map(|position| crate::types::compare::compare(&a[position], &b[position]))
            .find(|ordering| ordering.is_ne())
            .unwrap_or(std::cmp::Ordering::Equal);
        prop_assert_eq!(encode_key(&layout, &a).cmp(&encode_key(&layout, &b)), by_columns);
        let (key, value) = encode_row(&layout, &a).unwrap();
        prop_assert_eq!(decode_row(&layout, key.as_ref(), &value).unwrap(), a);
    }

    #[test]
    fn rows_come_back(row in any_row()) {
        let layout = kinds().layout().clone();
        let (key, value) = encode_row(&layout, &row).unwrap();
        prop_assert_eq!(decode_row(&layout, key.as_ref(), &value).unwrap(), row);
    }

    #[test]
    fn newer_rows_come_back(row in any_newer_row()) {
        let layout = newer_kinds().layout().clone();
        let (key, value) = encode_row(&layout, &row).unwrap();
        prop_assert_eq!(decode_row(&layout, key.as_ref(), &value).unwrap(), row);
    }

    #[test]
    fn newer_keys_sort_as_their_columns(a in any_newer_row(), b in any_newer_row()) {
        let layout = newer_kinds().layout().clone();
        let by_columns = layout.primary().positions()
            .map(|position| crate::types::compare::compare(&a[position], &b[position]))
            .find(|ordering| ordering.is_ne())
            .unwrap_or(std::cmp::Ordering::Equal);
        let (a, b) = (encode_key(&layout, &a), encode_key(&layout, &b));
        prop_assert_eq!(a.cmp(&b), by_columns);
    }

    #[test]
    fn keys_sort_as_their_columns(a in any_row(), b in any_row()) {
        let layout = kinds().layout().clone();
        let by_columns = layout.primary().positions()
            .map(|position| crate::types::compare::compare(&a[position], &b[position]))
            .find(|ordering| ordering.is_ne())
            .unwrap_or(std::cmp::Ordering::Equal);
        let (a, b) = (encode_key(&layout, &a), encode_key(&layout, &b));
        prop_assert_eq!(a.cmp(&b), by_columns);
    }

    #[test]
    fn damaged_rows_give_errors(key in prop::collection::vec(any::<u8>(), 0..40), mut value in prop::collection::vec(any::<u8>(), 1..60)) {
        value[0] = row_format::ROW_FORMAT_VERSION;
        let _ = decode_row(kinds().layout(), &key, &value);
    }
}
