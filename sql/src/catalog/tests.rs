//! The catalog: descriptors in bytes, keys, and what a cache may answer.

use proptest::prelude::*;
use quorate_engine::kv::Key;
use quorate_engine::testing::fixture;

use super::descriptor_format::{decode, encode, is_new};
use super::*;
use crate::catalog::descriptor::TableDescriptor;
use crate::catalog::index_descriptor::{IndexColumn, IndexDescriptor};
use crate::catalog::keys::Described;
use crate::catalog::sequence::{Place, SequenceDescriptor, SequencePosition};
use crate::testing::tables::{arrays, counted, identified, kinds, named_key, newer_kinds};

#[test]
fn descriptor_fixture_reads_back() {
    let bytes = fixture::check(env!("CARGO_MANIFEST_DIR"), "table_descriptor", &encode(&kinds()));
    assert_eq!(decode(&bytes).unwrap(), kinds());
}

#[test]
fn descriptor_of_version_2_reads_back() {
    let bytes = encode(&newer_kinds());
    assert_eq!((encode(&kinds())[0], bytes[0]), (1, 2), "only new types need the new version");
    let bytes = fixture::check(env!("CARGO_MANIFEST_DIR"), "table_descriptor_2", &bytes);
    assert_eq!(decode(&bytes).unwrap(), newer_kinds());
}

#[test]
fn descriptor_of_version_3_reads_back() {
    let bytes = encode(&named_key());
    assert_eq!(bytes[0], 3, "indexes of its own need the new version");
    let bytes = fixture::check(env!("CARGO_MANIFEST_DIR"), "table_descriptor_3", &bytes);
    assert_eq!(decode(&bytes).unwrap(), named_key());
}

#[test]
fn descriptor_of_version_4_reads_back() {
    let bytes = encode(&arrays());
    assert_eq!(bytes[0], 4, "arrays need the new version");
    assert!(is_new(&arrays()) && !is_new(&named_key()));
    let bytes = fixture::check(env!("CARGO_MANIFEST_DIR"), "table_descriptor_4", &bytes);
    assert_eq!(decode(&bytes).unwrap(), arrays());
}

#[test]
fn descriptor_of_version_5_reads_back() {
    let held = TableDescriptor { held_by: Some(300), ..kinds() };
    let bytes = encode(&held);
    assert_eq!(bytes[0], 5, "a table whose writers wait needs the new version");
    let bytes = fixture::check(env!("CARGO_MANIFEST_DIR"), "table_descriptor_5", &bytes);
    assert_eq!(decode(&bytes).unwrap(), held);
}

#[test]
fn descriptor_without_one_primary_index_in_front_is_refused() {
    let with = |change: &dyn Fn(&mut TableDescriptor)| {
        let mut table = named_key();
        change(&mut table);
        decode(&encode(&table))
    };
    assert!(with(&|_| {}).is_ok());
    assert!(with(&|table| table.indexes.push(IndexDescriptor::primary("t", [1]))).is_err(), "a second one");
    assert!(with(&|table| table.indexes[0].id = 2).is_err(), "an id that its keys do not have");
    assert!(with(&|table| table.indexes[0].columns.clear()).is_err(), "no key");
    let descending = IndexColumn { id: 1, descending: true };
    assert!(with(&|table| table.indexes[0].columns[0] = descending).is_err(), "rows are read as ascending");
}

#[test]
fn descriptor_of_a_newer_version_is_an_error() {
    let mut bytes = encode(&kinds());
    bytes[0] = descriptor_format::DESCRIPTOR_FORMAT_VERSION + 1;
    assert!(decode(&bytes).is_err());
}

#[test]
fn catalog_keys_lie_in_range_1() {
    let span = quorate_engine::kv::keyspace::system_span();
    let counters = [keys::table_id_counter_key(), keys::job_id_counter_key()];
    let jobs = [keys::job_key(7), keys::job_turn_key(7), keys::job_driver_key(1)];
    let tables = [keys::name_key("t"), keys::descriptor_key(5), keys::sequence_key(5), keys::position_key(5)];
    let all = counters.iter().chain(&jobs).chain(&tables);
    for key in all {
        assert!(span.contains(key), "{key}");
    }
    assert!(keys::descriptors_span().contains(&keys::descriptor_key(u64::MAX)));
    assert!(jobs.iter().chain(&counters).all(|key| !keys::descriptors_span().contains(key)));
    assert!(keys::jobs_span().contains(&keys::job_key(u64::MAX)));
    assert!(!keys::jobs_span().contains(&keys::job_turn_key(0)));
    assert!(keys::descriptors_span().contains(&keys::sequence_key(u64::MAX)));
    assert!(!keys::descriptors_span().contains(&keys::position_key(0)));
    assert_eq!(keys::described_by(&keys::descriptor_key(5)), Ok(Some(Described::Table(5))));
    assert_eq!(keys::described_by(&keys::sequence_key(5)), Ok(Some(Described::Sequence(5))));
    let counter = Key::from(vec![1, 3, 3]);
    assert_eq!(keys::described_by(&counter), Ok(None), "what was there once");
    assert!(keys::described_by(&keys::job_key(5)).is_err());
}

#[test]
fn descriptor_with_identity_columns_reads_back() {
    let bytes = encode(&identified());
    assert_eq!(bytes[0], 4, "identity, functions and types of the third generation need the new version");
    let bytes = fixture::check(env!("CARGO_MANIFEST_DIR"), "table_descriptor_4_identity", &bytes);
    assert_eq!(decode(&bytes).unwrap(), identified());
}

#[test]
fn sequence_fixtures_read_back() {
    let bytes = fixture::check(env!("CARGO_MANIFEST_DIR"), "sequence", &sequence_format::encode(&counted()));
    assert_eq!(sequence_format::decode(&bytes).unwrap(), counted());
    let position = SequencePosition { epoch: 3, place: Place { value: -7_001, is_called: true } };
    let bytes = sequence_format::encode_position(position);
    let bytes = fixture::check(env!("CARGO_MANIFEST_DIR"), "sequence_position", &bytes);
    assert_eq!(sequence_format::decode_position(&bytes).unwrap(), position);
}

#[test]
fn sequence_that_breaks_a_rule_is_refused() {
    let broken: [fn(&mut SequenceDescriptor); 6] = [
        |sequence| sequence.increment = 0,
        |sequence| sequence.cache = 0,
        |sequence| sequence.min = sequence.max,
        |sequence| sequence.start = sequence.max + 1,
        |sequence| sequence.min = i64::MIN,
        |sequence| sequence.data_type = crate::types::DataType::TEXT,
    ];
    for change in broken {
        let mut sequence = counted();
        change(&mut sequence);
        assert!(sequence.validate().is_err(), "{sequence:?}");
    }
    let position = SequencePosition { epoch: 1, place: Place { value: 1, is_called: false } };
    assert!(position.validate().is_err());
}

proptest! {
    #[test]
    fn damaged_sequences_give_errors(flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4)) {
        let mut bytes = sequence_format::encode(&counted());
        for (index, byte) in flips {
            let index = index.index(bytes.len());
            bytes[index] = byte;
        }
        let _ = sequence_format::decode(&bytes);
        let _ = sequence_format::decode_position(&bytes);
    }

    #[test]
    fn damaged_descriptors_give_errors(newest: bool, flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4)) {
        let mut bytes = encode(&if newest { named_key() } else { kinds() });
        for (index, byte) in flips {
            let index = index.index(bytes.len());
            bytes[index] = byte;
        }
        let _ = decode(&bytes);
    }
}
