//! Fixtures of what is stored: votes, purge points, entries, applied state, and the seed of a replica.

use bytes::Bytes;
use quorate_engine::store::{Batch, Change};
use quorate_engine::testing::fixture;
use quorate_placement::topology::{RangeId, ReplicaId};

use super::harness::descriptor;
use crate::log_position::{LogPosition, VoteState};
use crate::raft::EntryCommand;
use crate::raft::applied_format::{AppliedMembership, decode_applied, decode_membership, encode_membership};
use crate::raft::applied_format::{applied_key, encode_applied};
use crate::raft::log_format::{
    decode_entry, decode_purged, decode_vote, encode_entry, encode_purged, encode_vote, entry_key,
    group_bounds, purged_key, vote_key,
};
use crate::raft::types::{EntryPayload, LogEntry};
use crate::raft::{erase, seed};

const RANGE: RangeId = RangeId(3);
const POSITION: LogPosition = LogPosition { term: 4, index: 17 };

fn check(name: &str, bytes: &[u8]) -> Bytes {
    fixture::check(env!("CARGO_MANIFEST_DIR"), name, bytes).into()
}

#[test]
fn vote_and_purge_point_have_fixtures() {
    let vote = VoteState { term: 4, candidate: ReplicaId(2), is_committed: true };
    let found = check("raft_log_vote", &encode_vote(vote));
    assert_eq!(decode_vote(found).unwrap(), vote);
    let found = check("raft_log_purged", &encode_purged(POSITION));
    assert_eq!(decode_purged(found).unwrap(), POSITION);
}

#[test]
fn entries_have_fixtures() {
    let membership = descriptor(RANGE, 3).membership();
    let payloads = [
        ("raft_log_blank", EntryPayload::Blank),
        ("raft_log_membership", EntryPayload::Membership(membership)),
        ("raft_log_command", EntryPayload::Command(EntryCommand::copy_of(POSITION.term, b"command"))),
    ];
    for (name, payload) in payloads {
        let entry = LogEntry { position: POSITION, payload };
        let key = entry_key(RANGE, POSITION.index);
        let found = check(name, &[&key[..], &encode_entry(&entry)].concat());
        let (key, value) = (found.slice(..key.len()), found.slice(key.len()..));
        assert_eq!(decode_entry(&key, value).unwrap(), entry);
    }
}

#[test]
fn applied_state_has_fixtures() {
    let found = check("raft_applied", &encode_applied(POSITION));
    assert_eq!(decode_applied(found).unwrap(), POSITION);
    let membership =
        AppliedMembership { position: Some(POSITION), membership: descriptor(RANGE, 2).membership() };
    let found = check("raft_applied_membership", &encode_membership(&membership));
    assert_eq!(decode_membership(found).unwrap(), membership);
}

#[test]
fn damage_is_an_error() {
    let vote = encode_vote(VoteState { term: 4, candidate: ReplicaId(2), is_committed: true });
    assert!((0..vote.len()).all(|length| decode_vote(vote.slice(..length)).is_err()));
    let purged = encode_purged(POSITION);
    assert!((0..purged.len()).all(|length| decode_purged(purged.slice(..length)).is_err()));
    let applied = encode_applied(POSITION);
    assert!((0..applied.len()).all(|length| decode_applied(applied.slice(..length)).is_err()));
    let entry = encode_entry(&LogEntry { position: POSITION, payload: EntryPayload::Blank });
    let key = entry_key(RANGE, 17);
    assert!((0..entry.len()).all(|length| decode_entry(&key, entry.slice(..length)).is_err()));
    assert!(decode_entry(&vote_key(RANGE), entry).is_err());
}

#[test]
fn seed_is_the_same_on_every_node_and_erase_takes_all_of_it() {
    let mut batch = Batch::new();
    seed(&mut batch, &descriptor(RANGE, 3));
    let bytes: Vec<u8> = batch
        .changes()
        .iter()
        .flat_map(|change| match change {
            Change::Put(family, key, value) => [family.name().as_bytes(), key, value].concat(),
            Change::Delete(..) | Change::DeleteRange(..) => panic!("a seed only adds"),
        })
        .collect();
    check("raft_seed", &bytes);

    let mut erased = Batch::new();
    erase(&mut erased, RANGE);
    let (start, end) = group_bounds(RANGE);
    for key in [vote_key(RANGE), purged_key(RANGE), entry_key(RANGE, 0), entry_key(RANGE, u64::MAX)] {
        assert!(start <= key && key < end);
    }
    assert!(
        erased
            .changes()
            .iter()
            .any(|change| matches!(change, Change::Delete(_, key) if *key == applied_key(RANGE)))
    );
    let (next, _) = group_bounds(RangeId(RANGE.0 + 1));
    assert!(end <= next);
}
