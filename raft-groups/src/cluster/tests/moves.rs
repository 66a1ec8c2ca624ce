//! Replicas that move, in real time: by hand, because a node is dead, and what is left behind is tidied up.

use std::sync::atomic::AtomicBool;

use super::admin::{command, say};
use super::*;
use crate::client::router::SYSTEM_RANGE;
use crate::cluster::admin::AdminCommand;
use crate::cluster::bootstrap_message::BootstrapAnswer;
use crate::cluster::message::{ClusterAnswer, ClusterRequest};
use crate::cluster::range_command::{LookAt, RangeCommand};
use crate::cluster::settings::NODE_DEAD_AFTER;
use crate::local_ranges::LocalRanges;
use crate::raft::MemberChange;
use quorate_placement::topology::{RangeId, ReplicaId};

const NAMES: [&str; 4] = ["a", "b", "c", "d"];
/// The range of table 100.
const RANGE: RangeId = RangeId(2);

struct Cluster {
    net: Net,
    disks: Vec<Arc<MemoryStore>>,
}

impl Cluster {
    /// Three nodes with a table's range of some rows, then a fourth one that holds nothing.
    async fn of_four() -> Self {
        let net = Net { real: true, ..Net::new() };
        let cluster = Self { net, disks: (0..4).map(|_| Arc::new(MemoryStore::new())).collect() };
        for id in 1..=3 {
            cluster.start(id).await;
        }
        cluster.process(1).init().await.unwrap();
        for id in 1..=3 {
            cluster.await_member(id).await;
        }
        cluster.member(1).create_table_range(table(100)).await.unwrap();
        for number in 0..50 {
            put(&cluster.member(1), &row(number), "x").await;
        }
        cluster.start(4).await;
        cluster.await_member(4).await;
        cluster
    }

    async fn start(&self, id: u64) {
        self.net.process(name(id), &self.disks[at(id)]).await;
    }

    async fn await_member(&self, id: u64) {
        let member = tokio::time::timeout(DEADLINE, self.process(id).wait_for_member()).await.unwrap();
        let member = member.unwrap();
        assert_eq!(member.node_id(), NodeId(id));
        wait("a clock that was compared with others", || member.router().check_clock(None).is_ok()).await;
    }

    async fn kill(&self, id: u64) {
        self.net.kill(name(id));
        let store = self.net.stores.lock().remove(&NodeId(id)).unwrap();
        store.shutdown().await;
    }

    fn process(&self, id: u64) -> Arc<ClusterNode> {
        self.net.switchboard.nodes.lock().get(&address(name(id))).unwrap().clone()
    }

    fn member(&self, id: u64) -> Arc<Member> {
        self.process(id).member().unwrap().clone()
    }

    fn store(&self, id: u64) -> Arc<RangeStore> {
        self.net.stores.lock().get(&NodeId(id)).unwrap().clone()
    }

    /// Nodes of a range's voters, as its replicas on the running nodes agree.
    fn voters(&self, range_id: RangeId) -> Option<Vec<u64>> {
        let stores = self.net.stores.lock();
        let led = stores.values().find_map(|store| store.led_range(range_id))?;
        let is_joint = led.members.membership.voters.len() > 1;
        let learners = led.members.membership.nodes.len() != led.descriptor.voters().count();
        (!is_joint && !learners).then(|| led.descriptor.voter_nodes().iter().map(|node| node.0).collect())
    }

    async fn until_on(&self, range_id: RangeId, nodes: &[u64]) {
        wait(&format!("{range_id} on {nodes:?}"), || self.voters(range_id).as_deref() == Some(nodes)).await;
    }

    fn leader(&self, range_id: RangeId) -> Option<u64> {
        let stores = self.net.stores.lock();
        let leads = |store: &RangeStore| store.status(range_id).is_some_and(|status| status.has_lease);
        stores.iter().find(|(_, store)| leads(store)).map(|(node, _)| node.0)
    }

    async fn until_led(&self, range_id: RangeId) -> u64 {
        wait("a leader", || self.leader(range_id).is_some()).await;
        self.leader(range_id).unwrap()
    }
}

/// Where the node of an id stands in a list.
fn at(id: u64) -> usize {
    usize::try_from(id - 1).unwrap()
}

fn name(id: u64) -> &'static str {
    NAMES[at(id)]
}

fn row(number: u8) -> Key {
    Key::from([table(100).start.as_ref(), &[number]].concat())
}

async fn rows(member: &Member) -> usize {
    let reading = async {
        loop {
            let read = async {
                let mut transaction = member.database().begin(TransactionOptions::reading()).await?;
                directory::rows::scan_all(transaction.as_mut(), table(100)).await
            };
            match read.await {
                Ok(rows) => return rows.len(),
                Err(error) => println!("not read yet: {error}"),
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(DEADLINE, reading).await.expect("in vain: reading the rows")
}

/// Writes one row after the other until it is told to stop; gives the number of acknowledged ones.
fn writer(member: Arc<Member>, stop: Arc<AtomicBool>) -> tokio::task::JoinHandle<u8> {
    tokio::spawn(async move {
        let mut written = 50;
        while !stop.load(Ordering::SeqCst) && written < 250 {
            let mut transaction = member.database().begin(TransactionOptions::default()).await.unwrap();
            transaction.write(Write::put(row(written), Bytes::from_static(b"y"))).unwrap();
            if transaction.commit(None).await.is_ok() {
                written += 1;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        written
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replica_of_the_leader_moves_under_writes_and_the_old_one_is_collected() {
    let cluster = Cluster::of_four().await;
    let from = cluster.until_led(RANGE).await;
    let stop = Arc::new(AtomicBool::new(false));
    let writer = writer(cluster.member(4), Arc::clone(&stop));
    let command =
        RangeCommand::Move { range_id: RANGE, from: NodeId(from), to: NodeId(4), share_tier: false };
    let begun = cluster.member(4).run_range_command(command).await;
    assert!(matches!(begun, BootstrapAnswer::RangeDone(_)), "{begun:?}");
    let after: Vec<u64> = (1..=4).filter(|node| *node != from).collect();
    cluster.until_on(RANGE, &after).await;
    wait("the old replica's end", || cluster.store(from).status(RANGE).is_none()).await;
    stop.store(true, Ordering::SeqCst);
    let written = usize::from(writer.await.unwrap());
    assert!(written > 50, "nothing was written meanwhile");
    assert_eq!(rows(&cluster.member(from)).await, written);

    // The new replica is one of three: with one of the others gone, it is needed for everything.
    let other = after.iter().copied().find(|node| *node != 4).unwrap();
    cluster.kill(other).await;
    assert_eq!(rows(&cluster.member(4)).await, written);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dead_node_is_replaced_without_a_person_and_collects_its_own_when_it_returns() {
    let cluster = Cluster::of_four().await;
    cluster.member(1).set_setting(NODE_DEAD_AFTER, "5s").await.unwrap();
    cluster.kill(2).await;
    cluster.until_on(RANGE, &[1, 3, 4]).await;
    cluster.until_on(SYSTEM_RANGE, &[1, 3, 4]).await;
    assert_eq!(rows(&cluster.member(3)).await, 50);
    let reasons =
        directory::rows::read_part(cluster.member(1).database(), keyspace::SYSTEM_PLACEMENT).await.unwrap();
    let reasons: Vec<_> = reasons.iter().map(|(_, row)| String::from_utf8_lossy(row).into_owned()).collect();
    assert!(reasons.iter().any(|reason| reason.contains("r2 from n2 to n4: dead")), "{reasons:?}");

    // It comes back with its old disk: nobody needs its replicas, and it finds that out by itself.
    cluster.start(2).await;
    cluster.await_member(2).await;
    wait("the end of its replicas", || cluster.store(2).statuses().is_empty()).await;
    assert_eq!(rows(&cluster.member(2)).await, 50);
    // And once more after a start, with nothing on the disk but tombstones.
    cluster.kill(2).await;
    cluster.start(2).await;
    cluster.await_member(2).await;
    assert_eq!(rows(&cluster.member(2)).await, 50);
    assert!(cluster.store(2).statuses().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn empty_replica_of_a_range_that_is_gone_is_removed() {
    let cluster = Cluster::of_four().await;
    // Made for a range that was dropped before it got its state; one of a range that is there waits for it.
    let gone = RangeId(77);
    cluster.store(4).create_learner(gone, ReplicaId(4)).await.unwrap();
    cluster.store(4).create_learner(RANGE, ReplicaId(9)).await.unwrap();
    wait("the end of the empty replica", || cluster.store(4).status(gone).is_none()).await;
    assert!(cluster.store(4).status(RANGE).is_some());
    // Asked for again, it is refused: its id was used.
    assert!(cluster.store(4).create_learner(gone, ReplicaId(4)).await.is_err());
    cluster.store(4).create_learner(gone, ReplicaId(5)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn change_whose_new_node_is_another_store_by_now_is_given_up_long_before_its_timeout() {
    let mut cluster = Cluster::of_four().await;
    let leader = cluster.until_led(RANGE).await;
    let from = (1..=3).find(|node| *node != leader).unwrap();
    cluster.kill(4).await;
    // As if it had been decided before the node was gone: the change begins, and waits for it.
    let generation = cluster.store(leader).led_range(RANGE).unwrap().descriptor.generation;
    let request = ClusterRequest::ChangeReplicas {
        range_id: RANGE,
        generation,
        add: Some(NodeId(4)),
        remove: Some(NodeId(from)),
    };
    let begun = cluster.member(leader).calls.ask_node(NodeId(leader), &request, DEADLINE).await;
    assert_eq!(begun.unwrap(), ClusterAnswer::Done);
    wait("a learner", || cluster.voters(RANGE).is_none()).await;
    let waited = tokio::time::Instant::now();
    cluster.disks[3] = Arc::new(MemoryStore::new());
    cluster.start(4).await;
    cluster.until_on(RANGE, &[1, 2, 3]).await;
    assert!(waited.elapsed() < Duration::from_secs(30), "{:?}", waited.elapsed());
    assert_eq!(rows(&cluster.member(1)).await, 50);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn joint_members_left_behind_are_finished_and_the_missing_replica_comes_back() {
    let cluster = Cluster::of_four().await;
    let leader = cluster.until_led(RANGE).await;
    let store = cluster.store(leader);
    let led = store.led_range(RANGE).unwrap();
    let leaving = led.descriptor.voters().find(|replica| replica.replica_id != led.replica_id).unwrap();
    let change = MemberChange::Join { promote: [].into(), remove: [leaving.replica_id].into() };
    store.change_members(RANGE, led.members.stamp, change).await.unwrap();
    // Nobody drives this change any more: whoever leads finishes it.
    wait("two voters alone", || cluster.voters(RANGE).is_some_and(|nodes| nodes.len() == 2)).await;
    // And the range is short of one now, which is repaired too.
    wait("three voters", || cluster.voters(RANGE).is_some_and(|nodes| nodes.len() == 3)).await;
    assert_eq!(rows(&cluster.member(4)).await, 50);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn moves_that_make_no_sense_are_refused_with_where_to_look() {
    let cluster = Cluster::of_four().await;
    let ask = async |range_id: u64, from: u64, to: u64| {
        let command = RangeCommand::Move {
            range_id: RangeId(range_id),
            from: NodeId(from),
            to: NodeId(to),
            share_tier: false,
        };
        let answer = cluster.member(1).run_range_command(command).await;
        let BootstrapAnswer::RangeRefused { reason, look_at } = answer else { panic!("{answer:?}") };
        (reason, look_at)
    };
    for ((range, from, to), said, look_at) in [
        ((77, 1, 4), "there is no range r77", LookAt::Ranges),
        ((2, 1, 9), "there is no node n9", LookAt::Status),
        ((2, 4, 1), "r2 has no replica on n4 to move", LookAt::Range),
        ((2, 1, 3), "r2 has a replica on n3 already", LookAt::Range),
        ((2, 1, 1), "r2 would move from n1 to itself", LookAt::Range),
    ] {
        assert_eq!(ask(range, from, to).await, (said.to_owned(), look_at));
    }
    let leader = cluster.until_led(RANGE).await;
    let to = (1..=3).find(|node| *node != leader).unwrap();
    let transfer = |to| RangeCommand::TransferLeader { range_id: RANGE, to: NodeId(to) };
    let refused = cluster.member(1).run_range_command(transfer(4)).await;
    assert!(matches!(refused, BootstrapAnswer::RangeRefused { look_at: LookAt::Range, .. }), "{refused:?}");
    let done = cluster.member(1).run_range_command(transfer(to)).await;
    assert_eq!(done, BootstrapAnswer::RangeDone(format!("n{to} leads r2")));
    assert!(cluster.store(to).status(RANGE).unwrap().has_lease || cluster.until_led(RANGE).await > 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn removal_of_a_silent_node_has_its_replicas_replaced_first() {
    let cluster = Cluster::of_four().await;
    let remove = || async {
        let request = command(AdminCommand::RemoveNode(NodeId(3)), None);
        say(&cluster.process(1), &request, Origin::Machine).await
    };
    let answer = remove().await;
    assert!(matches!(&answer, BootstrapAnswer::Refused(text) if text.contains("n3 runs")), "{answer:?}");
    cluster.kill(3).await;
    let begun = tokio::time::Instant::now();
    let mut waited = Vec::new();
    loop {
        let answer = remove().await;
        if answer == BootstrapAnswer::NodeRemoved {
            break;
        }
        // For as long as it may only be late.
        let is_late = matches!(&answer, BootstrapAnswer::Refused(text) if text.contains("n3 runs"));
        if let BootstrapAnswer::RemovalWaits { waits_for } = answer {
            waited.push(waits_for);
        } else {
            assert!(is_late, "{answer:?}");
        }
        assert!(begun.elapsed() < DEADLINE, "{waited:?}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    // Long before it counts as dead by itself.
    assert!(waited.iter().any(|text| text.contains("still ha")), "{waited:?}");
    assert_eq!(cluster.voters(RANGE), Some(vec![1, 2, 4]));
    // Range 1's leaseholder knows at once, and whoever else was asked when it reads the registry next.
    wait("the node asked forgets it too", || cluster.member(1).registry().ids() == [1, 2, 4].map(NodeId))
        .await;
    assert_eq!(get(&cluster.member(4), &row(7)).await.unwrap(), Some(Bytes::from_static(b"x")));
    for id in [1, 2, 4] {
        cluster.kill(id).await;
    }
}
