//! Messages between replicas: Raft's, heartbeats past it, snapshots.

use std::collections::{BTreeMap, BTreeSet};

use quorate_engine::store::Family;
use quorate_placement::topology::{NodeId, RangeId, ReplicaId};

use super::*;
use crate::heartbeat::Beat;
use crate::limits::BEATS_MAX;
use crate::log_position::{LogPosition, VoteState};
use crate::membership::GroupMembership;
use crate::raft::snapshot::message::{
    SnapshotBody, SnapshotMessage, SnapshotOffer, SnapshotRefusal, SnapshotReply,
};
use crate::raft::{AppliedMembership, EntryCommand, EntryPayload, KeySpan, LogEntry, SnapshotHead};
use crate::raft_message::{
    AppendReply, AppendRequest, MessageBody, RaftMessage, RaftReply, Refusal, TransferRequest, VoteReply,
    VoteRequest,
};
use crate::transport::Message;
use crate::wire::beats::{read_beats, read_taken, write_beats, write_taken};

const MESSAGES: Kind<RaftMessage> = Kind {
    fixture: "raft_messages",
    write: |message| message.encode().into_bytes(),
    read: RaftMessage::decode,
};
const REPLIES: Kind<RaftReply> =
    Kind { fixture: "raft_replies", write: RaftReply::encode, read: RaftReply::decode };
const SNAPSHOT_MESSAGES: Kind<SnapshotMessage> =
    Kind { fixture: "snapshot_messages", write: SnapshotMessage::encode, read: SnapshotMessage::decode };
const SNAPSHOT_REPLIES: Kind<SnapshotReply> =
    Kind { fixture: "snapshot_replies", write: |reply| reply.encode(), read: SnapshotReply::decode };
const BEATS: Kind<Vec<Beat>> =
    Kind { fixture: "heartbeats", write: |beats| write_beats(beats), read: read_beats };
const TAKEN: Kind<Vec<bool>> =
    Kind { fixture: "heartbeats_taken", write: |taken| write_taken(taken), read: read_taken };

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
        EntryPayload::Command(EntryCommand::copy_of(5, b"c")),
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

fn beat(range: u64) -> Beat {
    let last = (range != 9).then_some(position(4, 70 + range));
    Beat { range_id: RangeId(range), from: ReplicaId(2), to: ReplicaId(3), term: 5, last }
}

fn snapshot_messages() -> Vec<SnapshotMessage> {
    let bytes = Bytes::from_static;
    let span = |family| KeySpan { family, start: bytes(b"a"), end: bytes(b"m") };
    let applied = AppliedMembership { position: Some(position(4, 17)), membership: membership() };
    let head = SnapshotHead {
        position: position(4, 17),
        membership: applied,
        spans: Family::ALL.map(span).to_vec(),
        shared: vec![(bytes(b"key"), bytes(b"value"))],
        shared_bounds: (bytes(b"k"), bytes(b"l")),
    };
    let (from_replica, to_replica) = (ReplicaId(2), ReplicaId(5));
    let offer = SnapshotOffer { from_replica, to_replica, vote: vote(true), bytes_expected: 1_000, head };
    let bodies = [
        SnapshotBody::Begin(Box::new(offer)),
        SnapshotBody::Chunk { sequence: 6, span: 1, pairs: vec![(bytes(b"b"), bytes(b"value"))] },
        SnapshotBody::End { chunks: 7 },
        SnapshotBody::Abort,
    ];
    bodies.map(|body| SnapshotMessage { range_id: RangeId(9), transfer: 8, body }).to_vec()
}

fn plain<T: Clone>(named: Vec<(&'static str, T)>) -> Vec<T> {
    named.into_iter().map(|(_, message)| message).collect()
}

#[test]
fn raft_messages_survive_their_bytes() {
    MESSAGES.check(&plain(messages()));
    let refused = [Refusal::UnknownReplica, Refusal::Stopped, Refusal::Unreadable].map(RaftReply::Refused);
    REPLIES.check(&[plain(replies()), refused.to_vec()].concat());
    BEATS.check(&[vec![beat(1), beat(9)]]);
    TAKEN.check(&[vec![true, false, true]]);
}

#[test]
fn snapshot_messages_survive_their_bytes() {
    SNAPSHOT_MESSAGES.check(&snapshot_messages());
    let refusals = [
        SnapshotRefusal::Busy,
        SnapshotRefusal::UnknownReplica,
        SnapshotRefusal::Overlap,
        SnapshotRefusal::Stopped,
        SnapshotRefusal::Lost,
        SnapshotRefusal::Failed,
        SnapshotRefusal::Unreadable,
    ];
    let refused = refusals.map(SnapshotReply::Refused);
    let replies = [&[SnapshotReply::Ready, SnapshotReply::Installed(vote(true))][..], &refused].concat();
    SNAPSHOT_REPLIES.check(&replies);
}

#[test]
fn raft_messages_of_unknown_kinds_are_refused() {
    MESSAGES.refuses_the_unknown();
    REPLIES.refuses_the_unknown();
    SNAPSHOT_MESSAGES.refuses_the_unknown();
    SNAPSHOT_REPLIES.refuses_the_unknown();
}

#[test]
fn heartbeats_beyond_their_limit_are_refused() {
    let largest = Beat {
        range_id: RangeId(u64::MAX),
        from: ReplicaId(u64::MAX),
        to: ReplicaId(u64::MAX),
        term: u64::MAX,
        last: Some(position(u64::MAX, u64::MAX)),
    };
    let bytes = write_beats(&vec![largest; BEATS_MAX]);
    assert!(bytes.len() < crate::limits::MESSAGE_MAX_BYTES / 16, "{}", bytes.len());
    assert!(read_beats(write_beats(&vec![largest; BEATS_MAX + 1])).is_err());
    assert!(read_taken(write_taken(&[true; BEATS_MAX + 1])).is_err());
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

fn refused(body: MessageBody) -> WireError {
    RaftMessage::decode(message(body).encode().into_bytes()).unwrap_err()
}

#[test]
fn entries_with_a_gap_are_refused() {
    let RaftMessage { body: MessageBody::Append(mut request), .. } = append() else { unreachable!() };
    request.entries.remove(1);
    let error = refused(MessageBody::Append(request));
    assert!(matches!(error, WireError::Invalid { field: "index of an entry", .. }), "{error}");
}

#[test]
fn entries_of_a_candidate_are_refused() {
    let heartbeat = AppendRequest { vote: vote(false), previous: None, commit: None, entries: Vec::new() };
    let error = refused(MessageBody::Append(heartbeat));
    assert!(matches!(error, WireError::Invalid { field: "vote of a leader", .. }), "{error}");
}

#[test]
fn voters_without_nodes_are_refused() {
    let mut lame = membership();
    lame.nodes.remove(&ReplicaId(1));
    let entries =
        vec![LogEntry { position: position(5, 0), payload: EntryPayload::Membership(lame.clone()) }];
    let request = AppendRequest { vote: vote(true), previous: None, commit: None, entries };
    let error = refused(MessageBody::Append(request)).to_string();
    assert!(error.contains("each voter has a node"), "{error}");
    let [mut begin, ..] = <[SnapshotMessage; 4]>::try_from(snapshot_messages()).unwrap();
    let SnapshotBody::Begin(offer) = &mut begin.body else { unreachable!() };
    offer.head.membership.membership = lame;
    let error = SnapshotMessage::decode(begin.encode()).unwrap_err();
    assert!(matches!(error, WireError::Invalid { field: "voter without a node", value: 1, .. }), "{error}");
}

/// The piece of a message with these bytes.
fn piece<'a>(message: &'a Message, bytes: &Bytes) -> &'a Bytes {
    message.pieces().find(|piece| piece.as_ptr() == bytes.as_ptr()).expect("it is shared")
}

proptest! {
    #[test]
    fn entry_is_one_allocation_from_its_making_to_its_store(size in 1_024_usize..100_000) {
        let command = EntryCommand::build::<()>(5, size, |out| {
            out.resize(out.len() + size, 7);
            Ok(())
        });
        let entry = LogEntry { position: position(5, 0), payload: EntryPayload::Command(command.unwrap()) };
        let EntryPayload::Command(command) = &entry.payload else { unreachable!() };
        let stored = crate::raft::log_format::encode_entry(&entry);
        prop_assert_eq!(stored.as_ptr(), crate::raft::log_format::encode_entry(&entry.clone()).as_ptr());
        prop_assert_eq!(command.command().as_ptr_range().end, stored.as_ptr_range().end);

        // The leader's messages carry it, and the envelope around them too.
        let request = AppendRequest {
            vote: vote(true),
            previous: None,
            commit: None,
            entries: vec![entry.clone()],
        };
        let sent = message(MessageBody::Append(request)).encode().behind(b"an envelope");
        prop_assert_eq!(piece(&sent, &stored), &stored);

        // A follower stores, keeps and applies a part of what it received.
        let received = sent.into_bytes().slice(b"an envelope".len()..);
        let RaftMessage { body: MessageBody::Append(request), .. } =
            RaftMessage::decode(received.clone()).unwrap() else { unreachable!() };
        let stored = crate::raft::log_format::encode_entry(&request.entries[0]);
        prop_assert_eq!(stored.as_ptr_range().end, received.as_ptr_range().end);
        prop_assert_eq!(&request.entries, &[entry]);
    }

    #[test]
    fn raft_messages_of_anybody_never_panic(
        noise in proptest::collection::vec(any::<u8>(), 0..200),
        which: prop::sample::Index,
        at: prop::sample::Index,
        byte: u8,
    ) {
        MESSAGES.survives(&noise, which.get(&plain(messages())), at, byte);
        REPLIES.survives(&noise, which.get(&plain(replies())), at, byte);
        SNAPSHOT_MESSAGES.survives(&noise, which.get(&snapshot_messages()), at, byte);
        SNAPSHOT_REPLIES.survives(&noise, &SnapshotReply::Installed(vote(true)), at, byte);
        BEATS.survives(&noise, &vec![beat(1), beat(9)], at, byte);
        TAKEN.survives(&noise, &vec![true, false], at, byte);
    }
}
