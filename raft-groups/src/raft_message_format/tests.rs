//! Fixtures and damage of messages and answers.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use quorate_engine::testing::fixture;
use quorate_placement::topology::NodeId;

use super::*;
use crate::raft::{EntryPayload, GroupMembership};

fn position(term: u64, index: u64) -> LogPosition {
    LogPosition { term, index }
}

fn vote(is_committed: bool) -> VoteState {
    VoteState { term: 5, candidate: ReplicaId(2), is_committed }
}

fn message(body: MessageBody) -> RaftMessage {
    RaftMessage { range_id: RangeId(9), from_replica: ReplicaId(2), to_replica: ReplicaId(3), body }
}

fn membership() -> GroupMembership {
    let set = |ids: &[u64]| ids.iter().copied().map(ReplicaId).collect::<BTreeSet<_>>();
    let nodes = (1..=4).map(|id| (ReplicaId(id), NodeId(id + 10))).collect::<BTreeMap<_, _>>();
    GroupMembership { voters: vec![set(&[1, 2, 3]), set(&[2, 3])], nodes }
}

fn append() -> RaftMessage {
    let payloads = [
        EntryPayload::Blank,
        EntryPayload::Membership(membership()),
        EntryPayload::Command(Bytes::from_static(b"c")),
    ];
    let entries = payloads.into_iter().zip(11..);
    let entries =
        entries.map(|(payload, index)| LogEntry { position: position(5, index), payload }).collect();
    let (previous, commit) = (Some(position(1, 10)), Some(position(5, 11)));
    message(MessageBody::Append(AppendRequest { vote: vote(true), previous, commit, entries }))
}

fn messages() -> Vec<(&'static str, RaftMessage)> {
    let heartbeat = AppendRequest { vote: vote(true), previous: None, commit: None, entries: Vec::new() };
    let ask = |is_leadership_transfer| VoteRequest {
        vote: vote(false),
        last_log: Some(position(4, 12)),
        is_leadership_transfer,
    };
    let transfer = TransferRequest { leader: vote(true), to: ReplicaId(3), last_log: None };
    vec![
        ("raft_append", append()),
        ("raft_heartbeat", message(MessageBody::Append(heartbeat))),
        ("raft_pre_vote", message(MessageBody::PreVote(ask(false)))),
        ("raft_vote", message(MessageBody::Vote(ask(true)))),
        ("raft_transfer", message(MessageBody::Transfer(transfer))),
    ]
}

fn replies() -> Vec<(&'static str, RaftReply)> {
    let granted = VoteReply { vote: vote(false), is_granted: true, last_log: Some(position(4, 12)) };
    vec![
        ("raft_reply_accepted", RaftReply::Append(AppendReply::Accepted)),
        ("raft_reply_accepted_up_to", RaftReply::Append(AppendReply::AcceptedUpTo(Some(position(5, 11))))),
        ("raft_reply_conflict", RaftReply::Append(AppendReply::Conflict)),
        ("raft_reply_higher_vote", RaftReply::Append(AppendReply::HigherVote(vote(true)))),
        ("raft_reply_vote", RaftReply::Vote(granted)),
        ("raft_reply_transfer", RaftReply::Transfer),
        ("raft_reply_refused", RaftReply::Refused(Refusal::Promised)),
    ]
}

#[test]
fn fixtures_are_read_and_written() {
    for (name, message) in messages() {
        let found = fixture::check(env!("CARGO_MANIFEST_DIR"), name, &message.encode());
        assert_eq!(RaftMessage::decode(found.into()).unwrap(), message);
    }
    for (name, reply) in replies() {
        let found = fixture::check(env!("CARGO_MANIFEST_DIR"), name, &reply.encode());
        assert_eq!(RaftReply::decode(found.into()).unwrap(), reply);
    }
}

#[test]
fn every_cut_is_an_error() {
    // A command takes all bytes that are left, but its length stands before it.
    for bytes in messages().into_iter().map(|(_, message)| message.encode()) {
        (0..bytes.len()).for_each(|length| assert!(RaftMessage::decode(bytes.slice(..length)).is_err()));
    }
    for bytes in replies().into_iter().map(|(_, reply)| reply.encode()) {
        (0..bytes.len()).for_each(|length| assert!(RaftReply::decode(bytes.slice(..length)).is_err()));
    }
}

#[test]
fn accessors_tell_what_promises_need() {
    let facts: Vec<_> = messages()
        .into_iter()
        .map(|(name, message)| {
            (name, message.is_append(), message.is_vote(), message.is_leadership_transfer())
        })
        .collect();
    let expected = [
        ("raft_append", true, false, false),
        ("raft_heartbeat", true, false, false),
        ("raft_pre_vote", false, true, false),
        ("raft_vote", false, true, true),
        ("raft_transfer", false, false, false),
    ];
    assert_eq!(facts, expected);
    assert!(messages().iter().all(|(_, message)| message.term() == 5));
    let accepting: Vec<_> =
        replies().into_iter().filter(|(_, reply)| reply.is_success()).map(|(name, _)| name).collect();
    assert_eq!(accepting, ["raft_reply_accepted", "raft_reply_accepted_up_to"]);
    let granting: Vec<_> =
        replies().into_iter().filter(|(_, reply)| reply.is_granted()).map(|(name, _)| name).collect();
    assert_eq!(granting, ["raft_reply_vote"]);
}

#[test]
fn entries_with_a_gap_are_refused() {
    let RaftMessage { body: MessageBody::Append(mut request), .. } = append() else { unreachable!() };
    request.entries.remove(1);
    let bytes = message(MessageBody::Append(request)).encode();
    assert!(matches!(
        RaftMessage::decode(bytes),
        Err(FormatError::Invalid { field: "index of an entry", .. })
    ));
}

#[test]
fn entries_of_a_candidate_are_refused() {
    let heartbeat = AppendRequest { vote: vote(false), previous: None, commit: None, entries: Vec::new() };
    let bytes = message(MessageBody::Append(heartbeat)).encode();
    assert!(matches!(
        RaftMessage::decode(bytes),
        Err(FormatError::Invalid { field: "vote of a leader", .. })
    ));
}

#[test]
fn voters_without_nodes_are_refused() {
    let mut lame = membership();
    lame.nodes.remove(&ReplicaId(1));
    let entries = vec![LogEntry { position: position(5, 0), payload: EntryPayload::Membership(lame) }];
    let request = AppendRequest { vote: vote(true), previous: None, commit: None, entries };
    let bytes = message(MessageBody::Append(request)).encode();
    assert!(matches!(
        RaftMessage::decode(bytes),
        Err(FormatError::Invalid { field: "voter without a node", .. })
    ));
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(message) = RaftMessage::decode(bytes.clone().into()) {
            prop_assert_eq!(message.encode(), Bytes::from(bytes.clone()));
        }
        if let Ok(reply) = RaftReply::decode(bytes.clone().into()) {
            prop_assert_eq!(reply.encode(), Bytes::from(bytes));
        }
    }

    #[test]
    fn one_changed_byte_never_panics(at in 0_usize..200, value in any::<u8>()) {
        let mut bytes = append().encode().to_vec();
        let at = at % bytes.len();
        bytes[at] = value;
        let _ = RaftMessage::decode(bytes.into());
    }
}
