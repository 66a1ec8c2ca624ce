//! The catalog: descriptors in bytes, keys, and what a cache may answer.

use proptest::prelude::*;
use quorate_engine::testing::fixture;

use super::descriptor_format::{decode, encode};
use super::*;
use crate::testing::tables::{kinds, newer_kinds};

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
    let tables = [keys::name_key("t"), keys::descriptor_key(5)];
    let all = counters.iter().chain(&jobs).chain(&tables);
    for key in all {
        assert!(span.contains(key), "{key}");
    }
    assert!(keys::descriptors_span().contains(&keys::descriptor_key(u64::MAX)));
    assert!(jobs.iter().chain(&counters).all(|key| !keys::descriptors_span().contains(key)));
    assert!(keys::jobs_span().contains(&keys::job_key(u64::MAX)));
    assert!(!keys::jobs_span().contains(&keys::job_turn_key(0)));
    assert_eq!(keys::table_id_of(&keys::descriptor_key(5)), Ok(5));
    assert!(keys::table_id_of(&keys::job_key(5)).is_err());
}

proptest! {
    #[test]
    fn damaged_descriptors_give_errors(flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4)) {
        let mut bytes = encode(&kinds());
        for (index, byte) in flips {
            let index = index.index(bytes.len());
            bytes[index] = byte;
        }
        let _ = decode(&bytes);
    }
}
