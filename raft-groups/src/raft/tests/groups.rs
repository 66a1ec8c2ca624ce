//! Groups that elect, replicate, lose nodes and hand over.

use std::sync::mpsc;
use std::time::Duration;

use bytes::Bytes;
use quorate_engine::memory::MemoryStore;
use quorate_engine::store::{Batch, Family, Store};
use std::sync::Arc;

use super::harness::{
    Cluster, RANGE, TestNode, TextApplier, apply_text, descriptor, elect, put, text_holdings, until, within,
};
use crate::log_position::{LogPosition, VoteState};
use crate::raft::EntryCommand;
use crate::raft::{
    Applier, ApplyError, CommittedEntry, Holdings, ProposeError, RaftGroup, Role, group_bounds,
};
use crate::testing::network::LocalNetwork;
use quorate_placement::topology::{NodeId, ReplicaId};

fn memory(count: usize) -> Vec<Arc<dyn Store>> {
    (0..count).map(|_| Arc::new(MemoryStore::new()) as Arc<dyn Store>).collect()
}

fn assignment(key: &str, bytes: usize) -> Bytes {
    Bytes::from([key.as_bytes(), b"=", &vec![b'x'; bytes]].concat())
}

#[tokio::test(flavor = "multi_thread")]
async fn three_replicas_elect_propose_and_apply() {
    let cluster = Cluster::start(memory(3)).await;
    assert_eq!(cluster.group(2).applied(), Some(LogPosition::SEED));
    let term = cluster.elect(1).await;
    assert_eq!(term, LogPosition::SEED.term + 1);

    let applied = cluster.put(1, "k=v").await.unwrap();
    assert_eq!(applied.position.term, term);
    assert_eq!(applied.outcome, format!("k@{}", applied.position.index));
    cluster.until_everywhere("k", "v").await;

    let follower = cluster.group(2);
    until("the follower's status", || follower.status().leader == Some(ReplicaId(1))).await;
    assert_eq!(follower.status().role, Role::Follower);
    let vote = VoteState { term, candidate: ReplicaId(1), is_committed: true };
    assert_eq!((follower.stored_vote(), follower.status().term()), (Some(vote), term));
    assert_eq!(follower.leading_term(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn observer_hears_of_votes_and_acknowledgements() {
    let cluster = Cluster::start(memory(3)).await;
    let term = cluster.elect(1).await;
    let (leader, observer) = (cluster.group(1), &cluster.node(1).observer);
    assert!(observer.leadership.lock().ends_with(&[(term, None), (term, Some(ReplicaId(1)))]));
    let others = &cluster.node(3).observer.leadership;
    until("the follower's stored vote", || others.lock().last() == Some(&(term, Some(ReplicaId(1))))).await;

    // Heartbeats alone raise both followers' stamps.
    let stamp_of = |id| observer.acknowledged.lock().get(&ReplicaId(id)).copied().unwrap_or_default();
    let (second, third) = (stamp_of(2), stamp_of(3));
    until("newer acknowledgements", || stamp_of(2).1 > second.1 && stamp_of(3).1 > third.1).await;
    assert_eq!((stamp_of(2).0, stamp_of(3).0), (term, term));

    // The leader's own stamp is the newest, so that the quorum's is the newer one of both followers'.
    let stamps = |replica: ReplicaId| if replica.0 == 1 { Some(u64::MAX) } else { Some(replica.0) };
    assert_eq!(leader.quorum_newest(&stamps), Some(3));
}

#[tokio::test(flavor = "multi_thread")]
async fn proposal_outside_its_term_is_surely_not_in_the_log() {
    let cluster = Cluster::start(memory(3)).await;
    let term = cluster.elect(1).await;
    cluster.put(1, "a=1").await.unwrap();
    let leader = cluster.group(1);
    let before = leader.last_log();
    for wrong in [term - 1, term + 1] {
        let refused = leader.propose(wrong, EntryCommand::copy_of(wrong, b"a=2")).await.unwrap_err();
        assert_eq!(refused, ProposeError::NotLeader { leader: Some(ReplicaId(1)) });
        assert!(!refused.is_ambiguous());
    }
    let follower = cluster.group(2);
    let refused = follower.propose(term, EntryCommand::copy_of(term, b"a=2")).await.unwrap_err();
    assert_eq!(refused, ProposeError::NotLeader { leader: Some(ReplicaId(1)) });
    assert_eq!(leader.last_log(), before);
    let large =
        leader.propose(term, EntryCommand::copy_of(term, &assignment("a", 2 << 20))).await.unwrap_err();
    assert_eq!(large, ProposeError::TooLarge { bytes: (2 << 20) + 2 });
}

#[tokio::test(flavor = "multi_thread")]
async fn proposals_stand_in_the_log_in_the_order_of_their_queueing() {
    let cluster = Cluster::start(memory(3)).await;
    let term = cluster.elect(1).await;
    let leader = cluster.group(1);
    let mut waiting = Vec::new();
    for number in 0..200 {
        let command = EntryCommand::copy_of(term, format!("n={number}").as_bytes());
        waiting.push(within("room", leader.enqueue(term, command)).await.unwrap());
    }
    let mut positions = Vec::new();
    for proposal in waiting {
        positions.push(within("an outcome", proposal.applied()).await.unwrap().position);
    }
    assert!(positions.is_sorted());
    cluster.until_everywhere("n", "199").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn single_voter_leads_and_applies_alone() {
    let cluster = Cluster::start(memory(1)).await;
    cluster.elect(1).await;
    cluster.put(1, "k=v").await.unwrap();
    assert_eq!(cluster.node(1).value("k").unwrap(), "v");
    assert!(cluster.group(1).membership().is_single_voter());
}

#[tokio::test(flavor = "multi_thread")]
async fn follower_catches_up_after_a_restart() {
    let mut cluster = Cluster::start(memory(3)).await;
    cluster.elect(1).await;
    cluster.put(1, "a=1").await.unwrap();
    cluster.until_everywhere("a", "1").await;
    let applied = cluster.group(3).applied();
    cluster.node(3).stop(&cluster.network).await;
    cluster.put(1, "a=2").await.unwrap();
    assert_eq!(cluster.node(3).value("a").unwrap(), "1");
    cluster.restart_node(3).await;
    assert!(cluster.group(3).applied() >= applied);
    cluster.until_everywhere("a", "2").await;
}

/// More than the tail in memory and than one message holds must be read from the store, in steps.
#[tokio::test(flavor = "multi_thread")]
async fn follower_far_behind_is_served_from_the_store() {
    let mut cluster = Cluster::start(memory(3)).await;
    cluster.elect(1).await;
    cluster.node(3).stop(&cluster.network).await;
    let leader = cluster.group(1);
    for number in 0..40 {
        let command = assignment(&format!("large{number}"), 200 << 10);
        let term = leader.leading_term().unwrap();
        let command = EntryCommand::copy_of(term, &command);
        within("a proposal", leader.propose(term, command)).await.unwrap();
    }
    cluster.restart_node(3).await;
    let (behind, last) = (cluster.group(3), leader.applied().unwrap());
    assert!(within("catching up", behind.wait_applied(last.index)).await);
    let node = cluster.node(3);
    assert!((0..40).all(|number| node.value(&format!("large{number}")).unwrap().len() == 200 << 10));
}

#[tokio::test(flavor = "multi_thread")]
async fn another_leads_after_the_leader_died() {
    let mut cluster = Cluster::start(memory(3)).await;
    let first_term = cluster.elect(1).await;
    for number in 0..50 {
        cluster.put(1, &format!("k{number}=1")).await.unwrap();
    }
    // One of the two alone makes a quorum with it: the other could not win.
    cluster.until_everywhere("k49", "1").await;
    cluster.node(1).stop(&cluster.network).await;
    let term = cluster.elect(2).await;
    assert!(term > first_term);
    assert!((0..50).all(|number| cluster.node(2).value(&format!("k{number}")).is_some()));
    cluster.put(2, "after=1").await.unwrap();
    cluster.restart_node(1).await;
    cluster.until_everywhere("after", "1").await;
    assert_eq!(cluster.group(1).status().role, Role::Follower);
}

#[tokio::test(flavor = "multi_thread")]
async fn proposal_of_a_deposed_leader_is_ambiguous() {
    let cluster = Cluster::start(memory(3)).await;
    let term = cluster.elect(1).await;
    cluster.put(1, "a=1").await.unwrap();
    cluster.until_everywhere("a", "1").await;
    cluster.network.isolate(NodeId(1));
    let lost =
        within("room", cluster.group(1).enqueue(term, EntryCommand::copy_of(term, b"a=lost"))).await.unwrap();
    let old = cluster.group(1);
    until("the entry in the old leader's log", || old.last_log() > old.applied()).await;

    let new_term = cluster.elect(2).await;
    cluster.put(2, "a=2").await.unwrap();
    // Its lease ended before the followers' did, and no follower gives a vote before: it refuses by now.
    let refused =
        within("a refusal", old.propose(term, EntryCommand::copy_of(term, b"a=late"))).await.unwrap_err();
    assert_eq!(refused, ProposeError::Rejected);
    assert!(!refused.is_ambiguous());
    cluster.network.heal();
    let error = within("the entry's end", lost.applied()).await.unwrap_err();
    assert_eq!(error, ProposeError::Ambiguous);
    cluster.until_everywhere("a", "2").await;
    assert_eq!(old.status().term(), new_term);
}

#[tokio::test(flavor = "multi_thread")]
async fn leader_hands_over_before_its_lease_ends() {
    let cluster = Cluster::start(memory(3)).await;
    let term = cluster.elect(1).await;
    cluster.put(1, "a=1").await.unwrap();
    cluster.until_everywhere("a", "1").await;
    // Without the transfer an election is refused as long as the leader is heard.
    cluster.group(2).elect().await;
    cluster.put(1, "a=2").await.unwrap();
    assert_eq!(cluster.group(1).leading_term(), Some(term));
    cluster.until_everywhere("a", "2").await;

    cluster.group(1).transfer_leader(ReplicaId(2)).await;
    let (old, new) = (cluster.group(1), cluster.group(2));
    until("the hand-over", || new.leading_term() == Some(term + 1)).await;
    put(&new, "a=3").await.unwrap();
    cluster.until_everywhere("a", "3").await;
    until("the old leader's following", || old.status().leader == Some(ReplicaId(2))).await;
}

/// Waits in its first application of a command until it is let go.
struct Blocking {
    entered: mpsc::SyncSender<()>,
    go: parking_lot::Mutex<mpsc::Receiver<()>>,
}

impl Applier for Blocking {
    fn apply(&self, entries: &[CommittedEntry], batch: &mut Batch) -> Result<Vec<Bytes>, ApplyError> {
        let outcomes = entries.iter().map(|entry| apply_text(entry, batch)).collect();
        if batch
            .changes()
            .iter()
            .any(|change| matches!(change, quorate_engine::store::Change::Put(Family::Data, ..)))
        {
            let _ = self.entered.try_send(());
            let _ = self.go.lock().recv_timeout(super::harness::DEADLINE);
        }
        outcomes
    }

    fn applied(&self, _entries: &[CommittedEntry], _last: LogPosition) {}

    fn holdings(&self) -> Holdings {
        text_holdings()
    }

    fn installed(&self, _last: LogPosition) -> Result<(), ApplyError> {
        Ok(())
    }
}

/// Openraft's worker goes on applying after its shutdown; the replica's data may be removed by then.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[expect(clippy::disallowed_methods, reason = "a test waits for another thread")]
async fn nothing_is_written_after_a_shutdown() {
    let network = LocalNetwork::new();
    let node = TestNode::start(NodeId(1), Arc::new(MemoryStore::new()), &network);
    let range = descriptor(RANGE, 1);
    node.seed(&range);
    let (entered, has_entered) = mpsc::sync_channel(1);
    let (let_go, go) = mpsc::sync_channel(1);
    let group =
        node.start_group_with(&range, Arc::new(Blocking { entered, go: parking_lot::Mutex::new(go) })).await;
    let term = elect(&group).await;
    let proposal = group.enqueue(term, EntryCommand::copy_of(term, b"k=late")).await.unwrap();
    tokio::task::spawn_blocking(move || has_entered.recv_timeout(super::harness::DEADLINE))
        .await
        .unwrap()
        .unwrap();

    let ending = Arc::clone(&group);
    let mut shutdown = tokio::spawn(async move { ending.shutdown().await });
    let early = tokio::time::timeout(Duration::from_millis(100), &mut shutdown).await;
    assert!(early.is_err(), "an apply is under way, and whoever comes next would read half of it");
    let_go.send(()).unwrap();
    within("shutdown", shutdown).await.unwrap();
    let is_gone = matches!(let_go.try_send(()), Err(mpsc::TrySendError::Disconnected(())));
    assert!(is_gone, "openraft's worker has let go of the applier");
    let (start, end) = group_bounds(RANGE);
    let state = || (node.value("k"), contents(node.store.as_ref(), &start, &end));
    let at_shutdown = state();
    let decided = within("its end", proposal.applied()).await;
    assert_eq!(decided.is_ok(), node.value("k").is_some(), "{decided:?}");
    drop(group);
    node.stop(&network).await;
    assert_eq!(state(), at_shutdown);
}

fn contents(store: &dyn Store, start: &[u8], end: &[u8]) -> Vec<(Vec<u8>, Vec<u8>)> {
    let snapshot = store.snapshot();
    let mut cursor = snapshot.cursor(Family::Raft, start, end);
    cursor.seek(start).unwrap();
    let mut found = Vec::new();
    while let (Some(key), Some(value)) = (cursor.key(), cursor.value()) {
        found.push((key.to_vec(), value.to_vec()));
        cursor.next().unwrap();
    }
    found
}

/// A command that one replica cannot apply stops that replica, and is never skipped.
#[tokio::test(flavor = "multi_thread")]
async fn replica_that_cannot_apply_stops() {
    let cluster = Cluster::start(memory(3)).await;
    let term = cluster.elect(1).await;
    let leader = cluster.group(1);
    let error = within("its end", leader.propose(term, EntryCommand::copy_of(term, b"no assignment")))
        .await
        .unwrap_err();
    assert!(matches!(error, ProposeError::Fatal(_)), "{error}");
    assert!(error.is_ambiguous());
    let text = within("the fatal end", leader.wait_fatal()).await;
    assert!(text.contains("no assignment"), "{text}");
    assert_eq!(leader.fatal(), Some(text));
    // The store itself is well.
    assert!(cluster.node(1).writer.poisoned().is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn replica_without_its_seed_does_not_stand_for_election() {
    let network = LocalNetwork::new();
    let node = TestNode::start(NodeId(1), Arc::new(MemoryStore::new()), &network);
    let group: Arc<RaftGroup> = node.start_group_with(&descriptor(RANGE, 1), Arc::new(TextApplier)).await;
    group.elect().await;
    tokio::task::yield_now().await;
    assert_eq!(
        group.propose(1, EntryCommand::copy_of(1, b"a=1")).await,
        Err(ProposeError::NotLeader { leader: None })
    );
    assert_eq!((group.status().role, group.stored_vote()), (Role::Learner, None));
    assert!(tokio::time::timeout(Duration::from_millis(1), group.wait_fatal()).await.is_err());
}
