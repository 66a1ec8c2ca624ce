//! Nodes of one process with their stores, and groups on them. A ticker sends heartbeats as the store's will.

use std::collections::{BTreeMap, HashMap};
use std::future::Future;
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::future::BoxFuture;
use parking_lot::Mutex;
use quorate_engine::hlc::Timestamp;
use quorate_engine::kv::{Key, Span};
use quorate_engine::store::{Batch, Durability, Family, Store};
use quorate_placement::topology::{NodeId, RangeId, ReplicaId};

use crate::blocking::Blocking;
use crate::clock_guard::Reading;
use crate::descriptor::RangeDescriptor;
use crate::log_position::LogPosition;
use crate::raft::EntryCommand;
use crate::raft::{
    Admission, Applied, Applier, ApplyError, CommittedEntry, EntryPayload, GroupConfig, GroupTiming,
    Holdings, KeySpan, LeaseObserver, LogWriter, ProposeError, RaftGroup, Role, SNAPSHOT_RATE_DEFAULT,
    SnapshotHost, SnapshotInbox, SnapshotOffer, SnapshotRefusal, Snapshots, finish_installs, seed,
};
use crate::raft_message::{RaftMessage, RaftReply, Refusal};
use crate::rpc::{Handler, MessageClock, Rpc, Service};
use crate::testing::network::LocalNetwork;
use crate::transport::Receiver;

/// How long anything may take on a busy machine.
pub(super) const DEADLINE: Duration = Duration::from_secs(30);
/// The promise of these groups; openraft's lease is 0.9 of it.
pub(super) const PROMISE: Duration = Duration::from_millis(600);

/// Waits until a condition holds.
pub(super) async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    within(what, async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(3)).await;
        }
    })
    .await;
}

/// Waits for a future, for no longer than the deadline.
pub(super) async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(DEADLINE, future).await.unwrap_or_else(|_| give_up(what))
}

/// Fails the test. Says why at once: the end of the runtime may hang on what hangs, and a test's output comes after it.
fn give_up(what: &str) -> ! {
    // Nothing is lost where the reason cannot be told early.
    let _ = writeln!(std::io::stderr(), "in vain: {what}");
    panic!("in vain: {what}")
}

/// A range of the first `nodes` nodes.
pub(super) fn descriptor(range_id: RangeId, nodes: u64) -> RangeDescriptor {
    let span = Span { start: Key::from(&b"a"[..]), end: Key::from(&b"z"[..]) };
    RangeDescriptor::new(range_id, span, &(1..=nodes).map(NodeId).collect::<Vec<_>>())
}

/// Applies commands of the form `key=value`; its outcome is the command and its index.
pub(super) struct TextApplier;

impl Applier for TextApplier {
    fn apply(&self, entries: &[CommittedEntry], batch: &mut Batch) -> Result<Vec<Bytes>, ApplyError> {
        entries.iter().map(|entry| apply_text(entry, batch)).collect()
    }

    fn applied(&self, _entries: &[CommittedEntry], _last: LogPosition) {}

    fn holdings(&self) -> Holdings {
        text_holdings()
    }

    fn installed(&self, _last: LogPosition) -> Result<(), ApplyError> {
        Ok(())
    }
}

/// Everything that text commands write, and no shared pairs.
pub(super) fn text_holdings() -> Holdings {
    let (start, end) = (Bytes::from_static(b"a"), Bytes::from_static(b"z"));
    let spans = vec![KeySpan { family: Family::Data, start, end }];
    let shared = (Bytes::from_static(b"shared"), Bytes::from_static(b"shared"));
    Holdings { spans, shared, bytes: 0 }
}

pub(super) fn apply_text(entry: &CommittedEntry, batch: &mut Batch) -> Result<Bytes, ApplyError> {
    let EntryPayload::Command(command) = &entry.payload else { return Ok(Bytes::new()) };
    let command = command.command();
    let position = entry.position;
    let Some(at) = command.iter().position(|byte| *byte == b'=') else {
        return Err(ApplyError::Divergence { position, detail: "no assignment".to_owned() });
    };
    batch.put(Family::Data, command.slice(..at), command.slice(at + 1..));
    Ok(Bytes::from([&command[..at], format!("@{}", position.index).as_bytes()].concat()))
}

/// Records what an observer hears.
#[derive(Default)]
pub(super) struct Recorder {
    stamp: AtomicU64,
    pub(super) acknowledged: Mutex<BTreeMap<ReplicaId, (u64, u64)>>,
    pub(super) leadership: Mutex<Vec<(u64, Option<ReplicaId>)>>,
}

impl LeaseObserver for Recorder {
    fn sent_now(&self) -> u64 {
        self.stamp.fetch_add(1, Ordering::SeqCst) + 1
    }

    fn acknowledged(&self, by: ReplicaId, term: u64, sent_at: u64) {
        let mut acknowledged = self.acknowledged.lock();
        let newest = acknowledged.entry(by).or_default();
        *newest = (*newest).max((term, sent_at));
    }

    fn leadership(&self, term: u64, leader: Option<ReplicaId>) {
        self.leadership.lock().push((term, leader));
    }
}

/// A clock that counts its readings.
#[derive(Default)]
struct CountingClock(AtomicU64);

impl MessageClock for CountingClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.monotonic_micros())
    }

    fn forward(&self, _other: Timestamp) -> bool {
        true
    }

    fn monotonic_micros(&self) -> u64 {
        self.0.fetch_add(1, Ordering::SeqCst) + 1
    }

    fn reading(&self) -> Reading {
        let micros = self.monotonic_micros();
        Reading { wall_micros: micros, boot: Duration::from_micros(micros) }
    }

    fn offset_max(&self) -> Duration {
        Duration::from_secs(3_600)
    }
}

/// One node.
pub(super) struct TestNode {
    pub(super) node_id: NodeId,
    pub(super) store: Arc<dyn Store>,
    pub(super) writer: Arc<LogWriter>,
    pub(super) rpc: Arc<Rpc>,
    pub(super) observer: Arc<Recorder>,
    pub(super) poisoned: Arc<AtomicU64>,
    pub(super) snapshots: Arc<Snapshots>,
    inbox: SnapshotInbox,
    groups: Mutex<HashMap<RangeId, Arc<RaftGroup>>>,
}

impl TestNode {
    pub(super) fn start(node_id: NodeId, store: Arc<dyn Store>, network: &LocalNetwork) -> Arc<Self> {
        Self::start_with(node_id, store, network, Snapshots::new(SNAPSHOT_RATE_DEFAULT))
    }

    pub(super) fn start_with(
        node_id: NodeId,
        store: Arc<dyn Store>,
        network: &LocalNetwork,
        snapshots: Arc<Snapshots>,
    ) -> Arc<Self> {
        let poisoned = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&poisoned);
        let on_poison = move |_| {
            count.fetch_add(1, Ordering::SeqCst);
        };
        let writer = LogWriter::start(Arc::clone(&store), &Blocking::threads(), on_poison).unwrap();
        let rpc = Rpc::new(node_id, network.transport(node_id), Arc::new(CountingClock::default()));
        let (observer, groups) = (Arc::new(Recorder::default()), Mutex::default());
        finish_installs(store.as_ref()).unwrap();
        let inbox = SnapshotInbox::new(Arc::clone(&store), Blocking::threads(), Arc::clone(&snapshots));
        let node =
            Arc::new(Self { node_id, store, writer, rpc, observer, poisoned, snapshots, inbox, groups });
        node.rpc.register(Service::Raft, Arc::new(Dispatch(Arc::downgrade(&node))));
        node.rpc.register(Service::Snapshot, Arc::new(SnapshotDispatch(Arc::downgrade(&node))));
        network.attach(node_id, Arc::clone(&node.rpc) as Arc<dyn Receiver>);
        node
    }

    /// Seeds a replica of a range on this node.
    pub(super) fn seed(&self, descriptor: &RangeDescriptor) {
        let mut batch = Batch::new();
        seed(&mut batch, descriptor);
        self.store.write(batch, Durability::Synced).unwrap();
    }

    pub(super) fn config(&self, descriptor: &RangeDescriptor, applier: Arc<dyn Applier>) -> GroupConfig {
        GroupConfig {
            range_id: descriptor.range_id,
            replica_id: descriptor.replica_on(self.node_id).unwrap().replica_id,
            store: Arc::clone(&self.store),
            writer: Arc::clone(&self.writer),
            applier,
            observer: Arc::clone(&self.observer) as Arc<dyn LeaseObserver>,
            rpc: Arc::clone(&self.rpc),
            timing: GroupTiming { vote_promise: PROMISE, ..GroupTiming::default() },
            blocking: Blocking::threads(),
            snapshots: Arc::clone(&self.snapshots),
            takes_grant: false,
        }
    }

    pub(super) async fn start_group(&self, descriptor: &RangeDescriptor) -> Arc<RaftGroup> {
        self.start_group_with(descriptor, Arc::new(TextApplier)).await
    }

    pub(super) async fn start_group_with(
        &self,
        descriptor: &RangeDescriptor,
        applier: Arc<dyn Applier>,
    ) -> Arc<RaftGroup> {
        let group = RaftGroup::start(self.config(descriptor, applier)).await.unwrap();
        self.groups.lock().insert(descriptor.range_id, Arc::clone(&group));
        group
    }

    pub(super) fn group(&self, range_id: RangeId) -> Arc<RaftGroup> {
        Arc::clone(self.groups.lock().get(&range_id).unwrap())
    }

    fn all_groups(&self) -> Vec<Arc<RaftGroup>> {
        self.groups.lock().values().cloned().collect()
    }

    /// Ends all groups and the writer, as a clean stop does.
    pub(super) async fn stop(&self, network: &LocalNetwork) {
        network.detach(self.node_id);
        let groups: Vec<_> = self.groups.lock().drain().map(|(_, group)| group).collect();
        for group in groups {
            within("shutdown", group.shutdown()).await;
        }
        within("the writer's end", self.writer.shutdown()).await;
    }

    pub(super) fn value(&self, key: &str) -> Option<Bytes> {
        self.store.get(Family::Data, key.as_bytes()).unwrap()
    }
}

struct Dispatch(std::sync::Weak<TestNode>);

impl Handler for Dispatch {
    fn handle(&self, _from: NodeId, payload: Bytes) -> BoxFuture<'static, Bytes> {
        let refuse = |reason| -> BoxFuture<'static, Bytes> {
            Box::pin(async move { RaftReply::Refused(reason).encode() })
        };
        let Ok(message) = RaftMessage::decode(payload) else { return refuse(Refusal::Unreadable) };
        let node = self.0.upgrade();
        let group = node.and_then(|node| node.groups.lock().get(&message.range_id).cloned());
        let Some(group) = group.filter(|group| group.replica_id() == message.to_replica) else {
            return refuse(Refusal::UnknownReplica);
        };
        let handling = group.handle(message);
        Box::pin(async move { handling.await.encode() })
    }
}

struct SnapshotDispatch(std::sync::Weak<TestNode>);

impl Handler for SnapshotDispatch {
    fn handle(&self, _from: NodeId, payload: Bytes) -> BoxFuture<'static, Bytes> {
        let node = self.0.upgrade();
        Box::pin(async move {
            let Some(node) = node else { return Bytes::new() };
            node.inbox.handle(node.as_ref(), payload).await
        })
    }
}

#[async_trait]
impl SnapshotHost for TestNode {
    async fn admit(&self, range: RangeId, offer: &SnapshotOffer) -> Result<Admission, SnapshotRefusal> {
        let group = self.groups.lock().get(&range).cloned();
        let group = group.filter(|group| group.replica_id() == offer.to_replica);
        let group = group.ok_or(SnapshotRefusal::UnknownReplica)?;
        Ok(Admission { group, reservation: Box::new(()) })
    }
}

/// Nodes with one range.
pub(super) struct Cluster {
    pub(super) network: LocalNetwork,
    pub(super) nodes: Vec<Arc<TestNode>>,
    pub(super) range: RangeDescriptor,
    ticker: tokio::task::JoinHandle<()>,
    ticked: Arc<Mutex<Vec<Arc<TestNode>>>>,
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.ticker.abort();
    }
}

pub(super) const RANGE: RangeId = RangeId(5);

impl Cluster {
    /// A range over as many nodes as stores are given, with nobody elected.
    pub(super) async fn start(stores: Vec<Arc<dyn Store>>) -> Self {
        let range = descriptor(RANGE, stores.len() as u64);
        let cluster = Self::boot(stores, range);
        cluster.nodes.iter().for_each(|node| node.seed(&cluster.range));
        cluster.start_groups().await;
        cluster
    }

    /// The same range over stores that hold it already.
    pub(super) async fn restart(stores: Vec<Arc<dyn Store>>) -> Self {
        let range = descriptor(RANGE, stores.len() as u64);
        let cluster = Self::boot(stores, range);
        cluster.start_groups().await;
        cluster
    }

    fn boot(stores: Vec<Arc<dyn Store>>, range: RangeDescriptor) -> Self {
        let network = LocalNetwork::new();
        let start = |(store, id)| TestNode::start(NodeId(id), store, &network);
        let nodes: Vec<_> = stores.into_iter().zip(1..).map(start).collect();
        let ticked = Arc::new(Mutex::new(nodes.clone()));
        let ticker = tokio::spawn(tick(Arc::clone(&ticked)));
        Self { network, nodes, range, ticker, ticked }
    }

    async fn start_groups(&self) {
        for node in &self.nodes {
            node.start_group(&self.range).await;
        }
    }

    pub(super) fn node(&self, id: u64) -> &Arc<TestNode> {
        self.nodes.iter().find(|node| node.node_id == NodeId(id)).unwrap()
    }

    pub(super) fn group(&self, id: u64) -> Arc<RaftGroup> {
        self.node(id).group(RANGE)
    }

    /// Starts a node anew with snapshots of another rate.
    pub(super) async fn replace_snapshots(&mut self, id: u64, snapshots: Arc<Snapshots>) {
        self.node(id).stop(&self.network).await;
        let store = Arc::clone(&self.node(id).store);
        let node = TestNode::start_with(NodeId(id), store, &self.network, snapshots);
        self.take_in(node).await;
    }

    /// Starts a stopped node anew, with its store.
    pub(super) async fn restart_node(&mut self, id: u64) {
        let store = Arc::clone(&self.node(id).store);
        let node = TestNode::start(NodeId(id), store, &self.network);
        self.take_in(node).await;
    }

    async fn take_in(&mut self, node: Arc<TestNode>) {
        node.start_group(&self.range).await;
        let slot = self.nodes.iter_mut().find(|slot| slot.node_id == node.node_id).unwrap();
        *slot = Arc::clone(&node);
        *self.ticked.lock() = self.nodes.clone();
    }

    /// Elects a node's replica and waits until it has applied its own blank entry.
    pub(super) async fn elect(&self, id: u64) -> u64 {
        elect(&self.group(id)).await
    }

    /// Elects a replica that can win: after a power cut not all logs are equally long. Gives back its node.
    pub(super) async fn elect_any(&self) -> u64 {
        let leader = || {
            self.nodes.iter().find(|node| {
                let group = node.group(RANGE);
                group
                    .leading_term()
                    .is_some_and(|term| group.applied().is_some_and(|applied| applied.term == term))
            })
        };
        within("an election", async {
            for candidate in self.nodes.iter().cycle() {
                candidate.group(RANGE).elect().await;
                for _ in 0..20 {
                    if let Some(node) = leader() {
                        return node.node_id.0;
                    }
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            }
            unreachable!("the cycle of nodes has no end")
        })
        .await
    }

    /// Proposes at a leader, again as long as it surely was not appended for want of a quorum.
    pub(super) async fn put(&self, id: u64, assignment: &str) -> Result<Applied, ProposeError> {
        put(&self.group(id), assignment).await
    }

    pub(super) async fn until_everywhere(&self, key: &str, value: &str) {
        for node in &self.nodes {
            let what = format!("{key}={value} on {}", node.node_id);
            until(&what, || node.value(key).is_some_and(|found| found == value.as_bytes())).await;
        }
    }
}

/// Heartbeats of all leaders, as the store's ticker sends them.
async fn tick(nodes: Arc<Mutex<Vec<Arc<TestNode>>>>) {
    loop {
        tokio::time::sleep(PROMISE / 6).await;
        let groups: Vec<_> = nodes.lock().iter().flat_map(|node| node.all_groups()).collect();
        for group in groups {
            if group.leading_term().is_some() {
                group.heartbeat().await;
            }
        }
    }
}

/// Asks for elections until the replica leads and has applied its own blank entry.
pub(super) async fn elect(group: &RaftGroup) -> u64 {
    within("an election", async {
        loop {
            if let Some(term) = group.leading_term()
                && group.applied().is_some_and(|applied| applied.term == term)
            {
                return term;
            }
            if group.status().role != Role::Leader {
                group.elect().await;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await
}

pub(super) async fn put(group: &RaftGroup, assignment: &str) -> Result<Applied, ProposeError> {
    within("a proposal", async {
        loop {
            let Some(term) = group.leading_term() else {
                return Err(ProposeError::NotLeader { leader: None });
            };
            match group.propose(term, EntryCommand::copy_of(term, assignment.as_bytes())).await {
                Err(ProposeError::Rejected) => tokio::time::sleep(Duration::from_millis(5)).await,
                decided => return decided,
            }
        }
    })
    .await
}
