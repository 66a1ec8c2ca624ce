//! What a power cut leaves: every vote and every entry that anybody heard of.

use std::sync::Arc;

use quorate_engine::memory::MemoryStore;
use quorate_engine::store::{Batch, Durability, Family, Store};
use quorate_engine::testing::PowerCutStore;
use quorate_placement::topology::{NodeId, RangeId, ReplicaId};
use tokio::sync::watch;

use super::harness::{Cluster, RANGE, Recorder, TestNode, descriptor, put, until, within};
use crate::blocking::Blocking;
use crate::log_position::{LogPosition, VoteState};
use crate::raft::EntryCommand;
use crate::raft::applied_format::{applied_key, encode_applied};
use crate::raft::log_format::{encode_entry, entry_key};
use crate::raft::log_store::GroupLog;
use crate::raft::log_writer::LogWriter;
use crate::raft::{EntryPayload, LogEntry, RaftGroup};
use crate::raft_message::{AppendReply, AppendRequest, MessageBody, RaftMessage, RaftReply, VoteRequest};
use crate::testing::network::LocalNetwork;

fn as_store(store: &Arc<PowerCutStore>) -> Arc<dyn Store> {
    Arc::clone(store) as Arc<dyn Store>
}

/// Messages from replica `from` to replica 2.
fn message(from: u64, body: MessageBody) -> RaftMessage {
    let range_id: RangeId = RANGE;
    RaftMessage { range_id, from_replica: ReplicaId(from), to_replica: ReplicaId(2), body }
}

fn ask_vote(term: u64, candidate: u64) -> RaftMessage {
    let vote = VoteState { term, candidate: ReplicaId(candidate), is_committed: false };
    let last_log = Some(LogPosition::SEED);
    message(candidate, MessageBody::Vote(VoteRequest { vote, last_log, is_leadership_transfer: false }))
}

/// A replica of three, alone, on a store whose power can be cut.
async fn lone_replica(store: &Arc<PowerCutStore>, is_fresh: bool) -> (LocalNetwork, Arc<TestNode>) {
    let network = LocalNetwork::new();
    let node = TestNode::start(NodeId(2), as_store(store), &network);
    if is_fresh {
        node.seed(&descriptor(RANGE, 3));
    }
    node.start_group(&descriptor(RANGE, 3)).await;
    (network, node)
}

#[tokio::test(flavor = "multi_thread")]
async fn vote_is_on_the_disk_before_it_is_given() {
    let store = Arc::new(PowerCutStore::new());
    let (_network, node) = lone_replica(&store, true).await;
    let reply = within("a vote", node.group(RANGE).handle(ask_vote(5, 1))).await;
    // At this very moment.
    let after = Arc::new(store.cut());
    assert!(reply.is_granted());

    let (_network, node) = lone_replica(&after, false).await;
    let group = node.group(RANGE);
    let given = VoteState { term: 5, candidate: ReplicaId(1), is_committed: false };
    assert_eq!(group.stored_vote(), Some(given));
    assert!(!within("an answer", group.handle(ask_vote(5, 3))).await.is_granted());
    assert!(within("an answer", group.handle(ask_vote(6, 3))).await.is_granted());
}

#[tokio::test(flavor = "multi_thread")]
async fn entries_are_on_the_disk_before_they_are_accepted() {
    let store = Arc::new(PowerCutStore::new());
    let (_network, node) = lone_replica(&store, true).await;
    let entry = |index| {
        let payload = EntryPayload::Command(EntryCommand::copy_of(5, b"k=v"));
        LogEntry { position: LogPosition { term: 5, index }, payload }
    };
    let append = AppendRequest {
        vote: VoteState { term: 5, candidate: ReplicaId(1), is_committed: true },
        previous: Some(LogPosition::SEED),
        commit: None,
        entries: (11..=13).map(entry).collect(),
    };
    let reply =
        within("an answer", node.group(RANGE).handle(message(1, MessageBody::Append(append.clone())))).await;
    let after = Arc::new(store.cut());
    assert_eq!(reply, RaftReply::Append(AppendReply::Accepted));

    let (_network, node) = lone_replica(&after, false).await;
    let group = node.group(RANGE);
    assert_eq!(group.last_log(), Some(LogPosition { term: 5, index: 13 }));
    assert_eq!(group.stored_vote(), Some(append.vote));
    // Committed now, they are applied from what was read.
    let commit = AppendRequest {
        previous: Some(LogPosition { term: 5, index: 13 }),
        commit: Some(LogPosition { term: 5, index: 13 }),
        entries: Vec::new(),
        ..append
    };
    within("an answer", group.handle(message(1, MessageBody::Append(commit)))).await;
    assert!(within("applying", group.wait_applied(13)).await);
    assert_eq!(node.value("k").unwrap(), "v");
}

/// A truncation and what is appended after it reach the disk in that order: the truncation alone is not synced.
#[tokio::test(flavor = "multi_thread")]
async fn overwritten_entries_do_not_come_back() {
    let store = Arc::new(PowerCutStore::new());
    let (_network, node) = lone_replica(&store, true).await;
    let group = node.group(RANGE);
    let append = |term, previous, range: std::ops::RangeInclusive<u64>| {
        let entry = |index| LogEntry { position: LogPosition { term, index }, payload: EntryPayload::Blank };
        let vote = VoteState { term, candidate: ReplicaId(1), is_committed: true };
        let entries = range.map(entry).collect();
        message(
            1,
            MessageBody::Append(AppendRequest { vote, previous: Some(previous), commit: None, entries }),
        )
    };
    let first = within("an answer", group.handle(append(5, LogPosition::SEED, 11..=15))).await;
    assert!(first.is_success());
    let second =
        within("an answer", group.handle(append(6, LogPosition { term: 5, index: 12 }, 13..=13))).await;
    assert!(second.is_success());
    let after = Arc::new(store.cut());
    let (_network, node) = lone_replica(&after, false).await;
    assert_eq!(node.group(RANGE).last_log(), Some(LogPosition { term: 6, index: 13 }));
}

/// Writes one key after another until one is refused, or until the power is gone. Gives back what was acknowledged.
async fn write(leader: Arc<RaftGroup>, writer: usize, mut is_dark: watch::Receiver<bool>) -> Vec<String> {
    let mut acknowledged = Vec::new();
    for number in 0..200 {
        let key = format!("w{writer}n{number}");
        let assignment = format!("{key}=1");
        let answer = tokio::select! {
            biased;
            answer = put(&leader, &assignment) => answer,
            _ = is_dark.wait_for(|is_dark| *is_dark) => break,
        };
        match answer {
            Ok(_) => acknowledged.push(key),
            Err(_) => break,
        }
    }
    acknowledged
}

/// Every proposal that was answered is there after all nodes lose their power at once, wherever the disks stopped.
#[tokio::test(flavor = "multi_thread")]
async fn power_cut_everywhere_keeps_what_was_acknowledged() {
    for (lucky, is_leader_last) in [(0, false), (1, false), (3, false), (1, true)] {
        let stores: Vec<_> = (0..3).map(|_| Arc::new(PowerCutStore::new())).collect();
        let cluster = Cluster::start(stores.iter().map(as_store).collect()).await;
        cluster.elect(1).await;
        let (dark, is_dark) = watch::channel(false);
        let start_writer = |writer| tokio::spawn(write(cluster.group(1), writer, is_dark.clone()));
        let writers: Vec<_> = (0..8).map(start_writer).collect();
        let leader = cluster.group(1);
        within("some writes", leader.wait_applied(LogPosition::SEED.index + 100)).await;
        let is_poisoned = |node: &Arc<TestNode>| node.writer.poisoned().is_some();
        let mut survivors = Vec::new();
        for store in stores.iter().rev() {
            if is_leader_last && survivors.len() == 2 {
                until("both followers' failed writes", || cluster.nodes[1..].iter().all(is_poisoned)).await;
            }
            survivors.insert(0, Arc::new(store.cut_keeping(lucky)) as Arc<dyn Store>);
        }
        // Whose write fails first is open: entries that the leader has, and no follower, stay unanswered.
        until("a failed write", || cluster.nodes.iter().any(is_poisoned)).await;
        dark.send(true).unwrap();
        let mut acknowledged = Vec::new();
        for writer in writers {
            acknowledged.extend(within("a writer's end", writer).await.unwrap());
        }
        assert!(acknowledged.len() >= 50 && acknowledged.len() < 1_600, "{}", acknowledged.len());

        let cluster = Cluster::restart(survivors).await;
        let leader = cluster.node(cluster.elect_any().await);
        let lost: Vec<_> = acknowledged.iter().filter(|key| leader.value(key).is_none()).collect();
        assert_eq!(lost, Vec::<&String>::new());
    }
}

/// What is applied may be ahead of the own log, which then still holds what a former leader had written there.
#[test]
fn log_of_another_history_than_the_applied_one_is_removed() {
    let at = |term, index| LogPosition { term, index };
    // Applied, and the last position afterwards, of a log of the entries 5.44 to 5.46.
    let cases = [
        (at(5, 44), at(5, 46), 3),
        (at(6, 44), at(6, 44), 0),
        (at(6, 46), at(6, 46), 0),
        (at(6, 47), at(5, 46), 3),
    ];
    for (applied, last, left) in cases {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
        let mut batch = Batch::new();
        for index in 44..=46 {
            let entry = LogEntry { position: at(5, index), payload: EntryPayload::Blank };
            batch.put(Family::Raft, entry_key(RANGE, index), encode_entry(&entry));
        }
        batch.put(Family::Range, applied_key(RANGE), encode_applied(applied));
        store.write(batch, Durability::Synced).unwrap();
        let blocking = Blocking::threads();
        let writer = LogWriter::start(Arc::clone(&store), &blocking, |error| panic!("{error}")).unwrap();
        let observer = Arc::new(Recorder::default());
        let log = GroupLog::open(RANGE, Arc::clone(&store), writer, observer).unwrap();
        assert_eq!(log.last(), Some(last), "applied {applied}");
        let found =
            (44..=46).filter(|index| store.get(Family::Raft, &entry_key(RANGE, *index)).unwrap().is_some());
        assert_eq!(found.count(), left, "applied {applied}");
    }
}
