//! Who leads the right side of a split first: its proposer, without votes; and whoever is elected where that one died.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use quorate_engine::store::{Family, Store};
use quorate_placement::topology::{NodeId, RangeId, ReplicaId};

use super::cluster::{Cluster, Node, RANGE, bytes};
use crate::descriptor::RangeDescriptor;
use crate::local_ranges::LocalRanges;
use crate::raft::GRANTED_TERM;
use crate::range_format::replica_key;
use crate::splits::nursery::FirstLeader;

/// Requests for votes that came in anywhere, outside of [`RANGE`].
fn asked(cluster: &Cluster) -> usize {
    cluster.nodes.iter().map(|node| node.taps.asked.load(Ordering::SeqCst)).sum()
}

fn term_of(node: &Node, range_id: RangeId) -> u64 {
    node.store.status(range_id).map_or(0, |status| status.term)
}

/// Splits at a key while the right side cannot start on the leader's node, and cuts that node's power then. Gives the
/// node and the right side.
async fn split_and_die(cluster: &mut Cluster, at: &str) -> (NodeId, RangeDescriptor) {
    let store = Arc::clone(&cluster.leader().await.store);
    let held = store.changing.lock().await;
    let right = cluster.split_at(at).await;
    let id = cluster.leader().await.id;
    let node = cluster.nodes.iter_mut().find(|node| node.id == id).unwrap();
    assert!(node.store.status(right.range_id).is_none(), "it must not run yet");
    // Nothing of it may start any more: its entries would be of a life that has ended.
    node.store.stopping.send_replace(true);
    drop(held);
    cluster.kill(id).await;
    (id, right)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn split_asks_for_no_votes() {
    let cluster = Cluster::start(3).await;
    for at in ["m", "f", "s"] {
        let right = cluster.split_at(at).await;
        let leader = cluster.leader_of(right.range_id).await;
        assert_eq!(leader.id, cluster.leader().await.id, "its proposer leads");
        cluster.put_somewhere(at, "v").await;
        assert_eq!(cluster.get_somewhere(at).await, Some(bytes("v")));
        cluster.tiles().await;
        let started = || {
            let terms: Vec<_> = cluster.nodes.iter().map(|node| term_of(node, right.range_id)).collect();
            (!terms.contains(&0)).then_some(terms)
        };
        // A quorum may serve before the third has applied the split.
        let terms = cluster.wait("start of all replicas", started).await;
        assert_eq!(terms, [GRANTED_TERM; 3]);
    }
    assert_eq!(asked(&cluster), 0);
    // Those that are asked for are counted.
    let leader = cluster.leader().await;
    let right = cluster.split_at("v").await;
    cluster.leader_of(right.range_id).await;
    let to = NodeId(leader.id.0 % 3 + 1);
    cluster.wait("a transfer", || leader.store.status(right.range_id)?.has_lease.then_some(())).await;
    leader.store.end_lease_and_transfer(right.range_id, to).await.unwrap();
    let next = cluster.leader_of(right.range_id).await;
    assert!(asked(&cluster) > 0);
    assert!(term_of(next, right.range_id) > GRANTED_TERM);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn split_side_is_led_by_others_when_its_proposer_dies() {
    let mut cluster = Cluster::start(3).await;
    cluster.put_somewhere("x", "v").await;
    let (dead, right) = split_and_die(&mut cluster, "m").await;
    let leader = cluster.leader_of(right.range_id).await;
    assert_ne!(leader.id, dead);
    assert!(term_of(leader, right.range_id) > GRANTED_TERM, "the granted term is the proposer's alone");
    assert_eq!(cluster.get_somewhere("x").await, Some(bytes("v")));
    cluster.put_somewhere("x", "w").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn split_side_is_elected_when_its_proposer_starts_again() {
    let mut cluster = Cluster::start(3).await;
    cluster.put_somewhere("x", "v").await;
    let (id, right) = split_and_die(&mut cluster, "m").await;
    cluster.restart(id).await;
    let leader = cluster.leader_of(right.range_id).await;
    assert!(term_of(leader, right.range_id) > GRANTED_TERM, "the granted term ended with that life");
    assert_eq!(cluster.get_somewhere("x").await, Some(bytes("v")));
    cluster.put_somewhere("x", "w").await;
    cluster.tiles().await;
}

/// The only node there is has all votes, and still leads no granted term a second time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn split_of_a_single_replica_is_elected_after_a_start() {
    let mut cluster = Cluster::start(1).await;
    cluster.put_somewhere("x", "v").await;
    let right = cluster.split_at("f").await;
    assert_eq!(term_of(cluster.leader_of(right.range_id).await, right.range_id), GRANTED_TERM);
    let (id, right) = split_and_die(&mut cluster, "c").await;
    // One vote is a quorum: the entry was synced before it was applied, and the apply was not.
    let stored = cluster.node(id).disk.get(Family::Range, &replica_key(right.range_id)).unwrap();
    assert_eq!(stored, None, "the split is to be applied anew");
    cluster.restart(id).await;
    let leader = cluster.leader_of(right.range_id).await;
    assert!(term_of(leader, right.range_id) > GRANTED_TERM);
    assert_eq!(cluster.get_somewhere("x").await, Some(bytes("v")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn grant_is_taken_once() {
    let cluster = Cluster::start(3).await;
    let leader = cluster.leader().await;
    let right = cluster.split_at("m").await;
    cluster.leader_of(right.range_id).await;
    let replica = leader.store.replica(RANGE).unwrap();
    let own = replica.replica_id();
    assert_eq!(replica.machine().first_leader(right.range_id, own), FirstLeader::Campaigns, "it was taken");
    assert_eq!(
        replica.machine().first_leader(RangeId(99), own),
        FirstLeader::Campaigns,
        "it was never proposed"
    );
    assert_eq!(replica.machine().first_leader(right.range_id, ReplicaId(own.0 + 1)), FirstLeader::Another);
}
