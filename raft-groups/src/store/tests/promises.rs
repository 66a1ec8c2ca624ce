//! The promise not to vote, at the door of a real replica.

use std::time::Duration;

use quorate_placement::topology::{NodeId, ReplicaId};

use super::cluster::{Cluster, PATIENCE, RANGE};
use crate::log_position::{LogPosition, VoteState};
use crate::raft_message::{MessageBody, RaftMessage, RaftReply, Refusal, VoteRequest};
use crate::rpc::Service;
use crate::transport::Lane;

/// Replica 3, as it would ask for the vote of replica 2 in a term that nobody has seen.
fn question(term: u64, pre: bool) -> RaftMessage {
    let request = VoteRequest {
        vote: VoteState { term, candidate: ReplicaId(3), is_committed: false },
        last_log: Some(LogPosition { term: 50, index: 5_000 }),
        is_leadership_transfer: false,
    };
    let body = if pre { MessageBody::PreVote(request) } else { MessageBody::Vote(request) };
    RaftMessage { range_id: RANGE, from_replica: ReplicaId(3), to_replica: ReplicaId(2), body }
}

async fn ask(cluster: &Cluster, message: &RaftMessage) -> RaftReply {
    let node = cluster.node(NodeId(2));
    let answer =
        node.rpc.call(Service::Raft.at(NodeId(2), Lane::Control), message.encode(), PATIENCE).await.unwrap();
    RaftReply::decode(answer).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn follower_of_a_live_leader_votes_for_nobody() {
    let cluster = Cluster::start(3).await;
    cluster.put("k", "v").await;
    for pre in [true, false] {
        assert_eq!(ask(&cluster, &question(60, pre)).await, RaftReply::Refused(Refusal::Promised));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn restarted_follower_keeps_the_promise_that_it_forgot() {
    let mut cluster = Cluster::start(3).await;
    cluster.put("k", "v").await;
    // The leader is gone, so that nothing renews the promise but the restart itself.
    cluster.kill(NodeId(1)).await;
    cluster.kill(NodeId(3)).await;
    cluster.kill(NodeId(2)).await;
    cluster.restart(NodeId(2)).await;
    let start = cluster.physical.boottime();
    loop {
        let reply = ask(&cluster, &question(60, false)).await;
        let waited = cluster.physical.boottime() - start;
        if reply != RaftReply::Refused(Refusal::Promised) {
            assert!(waited >= Duration::from_millis(900), "voted after {waited:?}");
            assert!(reply.is_granted(), "{reply:?}");
            return;
        }
        assert!(waited < PATIENCE);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Story 11 of design.md section 14: what a replica promised outlives its Raft task.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rebuilt_raft_task_keeps_the_promise_of_the_one_before() {
    let cluster = Cluster::start(3).await;
    cluster.put("k", "v").await;
    let replica = cluster.node(NodeId(2)).store.replica(RANGE).unwrap();
    let before = replica.running().unwrap();
    // Nobody renews the promise; the leader's last heartbeat came one interval ago at most.
    cluster.network.isolate(NodeId(1));
    cluster.network.isolate(NodeId(3));
    let start = cluster.physical.boottime();
    cluster.node(NodeId(2)).store.kill_raft_task(RANGE).await;
    let is_rebuilt = || {
        let now = replica.running()?;
        (!std::sync::Arc::ptr_eq(&now, &before) && now.fatal().is_none()).then_some(())
    };
    cluster.wait("rebuilt Raft task", is_rebuilt).await;
    let granted = || async {
        loop {
            if ask(&cluster, &question(60, false)).await.is_granted() {
                return cluster.physical.boottime() - start;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let waited = tokio::time::timeout(PATIENCE, granted()).await.unwrap();
    assert!(waited >= Duration::from_millis(600), "voted after {waited:?}");
}
