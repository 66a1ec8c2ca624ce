//! Members change one entry at a time, decided on what was seen; joint ones left behind are finished by whoever leads.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use quorate_engine::memory::MemoryStore;
use quorate_engine::store::Store;
use quorate_placement::topology::{NodeId, ReplicaId};

use super::harness::{Cluster, DEADLINE, elect, until, within};
use crate::membership::GroupMembership;
use crate::raft::{ChangeError, LedMembers, MemberChange, RaftGroup};

fn memory(count: usize) -> Vec<Arc<dyn Store>> {
    (0..count).map(|_| Arc::new(MemoryStore::new()) as Arc<dyn Store>).collect()
}

fn ids(ids: &[u64]) -> BTreeSet<ReplicaId> {
    ids.iter().copied().map(ReplicaId).collect()
}

fn join(promote: &[u64], remove: &[u64]) -> MemberChange {
    MemberChange::Join { promote: ids(promote), remove: ids(remove) }
}

fn members(sets: &[&[u64]], nodes: &[u64]) -> GroupMembership {
    let nodes = nodes.iter().map(|id| (ReplicaId(*id), NodeId(*id))).collect();
    GroupMembership { voters: sets.iter().map(|set| ids(set)).collect(), nodes }
}

/// The members of a leader, once they are committed.
async fn led(group: &RaftGroup) -> LedMembers {
    within("committed members", async {
        loop {
            if let Some(led) = group.led_members().filter(|led| led.is_committed) {
                return led;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await
}

/// Makes a change, again for as long as it is only not possible now.
async fn change(group: &RaftGroup, change: MemberChange) -> Result<(), ChangeError> {
    within("a change of members", async {
        loop {
            let on = led(group).await.stamp;
            match group.change_members(on, change.clone(), DEADLINE).await {
                Err(ChangeError::NotNow(_)) => tokio::time::sleep(Duration::from_millis(5)).await,
                decided => return decided,
            }
        }
    })
    .await
}

#[test]
fn changes_that_make_no_sense_are_refused() {
    let (three, joint) =
        (members(&[&[1, 2, 3]], &[1, 2, 3, 4]), members(&[&[1, 2, 3], &[1, 3, 4]], &[1, 2, 3, 4]));
    let add = |id| MemberChange::AddLearner { replica: ReplicaId(id), node: NodeId(9) };
    for (change, before, said) in [
        (add(4), &three, "p4 is a member already"),
        (MemberChange::RemoveLearner(ReplicaId(3)), &three, "p3 is no learner"),
        (MemberChange::RemoveLearner(ReplicaId(5)), &three, "p5 is no learner"),
        (join(&[5], &[]), &three, "p5 is no learner"),
        (join(&[3], &[]), &three, "p3 is no learner"),
        (join(&[4], &[7]), &three, "p7 is no voter"),
        (join(&[], &[1, 2, 3]), &three, "nobody would vote"),
        (MemberChange::Finish, &three, "no change is under way"),
        (add(5), &joint, "a change is under way already"),
        (join(&[4], &[2]), &joint, "a change is under way already"),
    ] {
        assert_eq!(change.apply(before), Err(said.to_owned()), "{change:?}");
    }
    assert_eq!(join(&[4], &[2]).apply(&three), Ok(joint.clone()));
    assert_eq!(MemberChange::Finish.apply(&joint), Ok(members(&[&[1, 3, 4]], &[1, 3, 4])));
    let without = MemberChange::RemoveLearner(ReplicaId(4)).apply(&three);
    assert_eq!(without, Ok(members(&[&[1, 2, 3]], &[1, 2, 3])));
}

#[tokio::test(flavor = "multi_thread")]
async fn voter_leaves_by_a_joint_step_and_the_rest_goes_on() {
    let cluster = Cluster::start(memory(3)).await;
    cluster.elect(1).await;
    cluster.put(1, "a=1").await.unwrap();
    let leader = cluster.group(1);
    let seen = led(&leader).await;

    change(&leader, join(&[], &[3])).await.unwrap();
    assert_eq!(*led(&leader).await.membership, members(&[&[1, 2, 3], &[1, 2]], &[1, 2, 3]));
    change(&leader, MemberChange::Finish).await.unwrap();
    assert_eq!(*led(&leader).await.membership, members(&[&[1, 2]], &[1, 2]));

    // What was decided on the members before is not done any more.
    let late = leader.change_members(seen.stamp, join(&[], &[2]), DEADLINE).await;
    assert!(matches!(late, Err(ChangeError::Stale(_))), "{late:?}");
    // The two are a quorum; the third hears nothing of what follows.
    cluster.network.detach(NodeId(3));
    cluster.put(1, "b=2").await.unwrap();
    until("the second's copy", || cluster.node(2).value("b").is_some()).await;
    assert_eq!(cluster.node(3).value("b"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn leader_never_removes_itself_and_a_follower_changes_nothing() {
    let cluster = Cluster::start(memory(3)).await;
    cluster.elect(1).await;
    let leader = cluster.group(1);
    let stamp = led(&leader).await.stamp;
    let own = leader.change_members(stamp, join(&[], &[1]), DEADLINE).await;
    assert!(matches!(own, Err(ChangeError::Refused(_))), "{own:?}");
    assert_eq!(cluster.group(2).led_members(), None);
    let follower = cluster.group(2).change_members(stamp, join(&[], &[3]), DEADLINE).await;
    assert!(matches!(follower, Err(ChangeError::Stale(_))), "{follower:?}");
    assert_eq!(*led(&leader).await.membership, members(&[&[1, 2, 3]], &[1, 2, 3]));
}

#[tokio::test(flavor = "multi_thread")]
async fn joint_members_left_behind_are_finished_by_the_next_leader() {
    let mut cluster = Cluster::start(memory(5)).await;
    cluster.elect(1).await;
    change(&cluster.group(1), join(&[], &[4, 5])).await.unwrap();
    // The leader is lost between its two steps.
    cluster.node(1).stop(&cluster.network).await;
    let next = cluster.group(2);
    elect(&next).await;
    let left = led(&next).await;
    assert_eq!(left.membership.voters, members(&[&[1, 2, 3, 4, 5], &[1, 2, 3]], &[]).voters);
    change(&next, MemberChange::Finish).await.unwrap();
    assert_eq!(*led(&next).await.membership, members(&[&[1, 2, 3]], &[1, 2, 3]));
    cluster.put(2, "a=1").await.unwrap();
    // The lost one comes back and learns of it.
    cluster.restart_node(1).await;
    let back = cluster.group(1);
    until("the members on the returned node", || *back.membership() == members(&[&[1, 2, 3]], &[1, 2, 3]))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn change_without_a_quorum_ends_at_its_deadline() {
    let cluster = Cluster::start(memory(3)).await;
    cluster.elect(1).await;
    let leader = cluster.group(1);
    let stamp = led(&leader).await.stamp;
    cluster.network.detach(NodeId(2));
    cluster.network.detach(NodeId(3));
    let add = MemberChange::AddLearner { replica: ReplicaId(4), node: NodeId(4) };
    let undecided = leader.change_members(stamp, add.clone(), Duration::from_millis(200)).await;
    assert!(matches!(undecided, Err(ChangeError::Undecided(_) | ChangeError::NotNow(_))), "{undecided:?}");
    let now = leader.led_members().unwrap();
    if now.stamp == stamp {
        return;
    }
    // It stands in the log and is in effect, but nothing is decided on it before a quorum has it.
    assert!(!now.is_committed && now.membership.nodes.contains_key(&ReplicaId(4)));
    let again = leader.change_members(now.stamp, MemberChange::RemoveLearner(ReplicaId(4)), DEADLINE).await;
    assert!(matches!(again, Err(ChangeError::NotNow(_))), "{again:?}");
}
