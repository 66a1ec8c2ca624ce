//! A cluster of stores in one process, with one range on all of them.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use quorate_engine::clock::{ForgetBound, HybridClock, PhysicalClock, SystemClock};
use quorate_engine::hlc::Timestamp;
use quorate_engine::kv::{Key, ProgramError, ScanEvaluator, ScanProgram, ScanRun, Span, Write};
use quorate_engine::testing::{Damage, DamagedStore, PowerCutStore};
use quorate_placement::topology::{NodeId, RangeId};
use tokio::sync::watch;
use uuid::Uuid;

use super::super::serve::refused;
use super::super::{RangeStore, StoreConfig};
use crate::api::{CommitRequest, RangeError, RangeRequest, ReadAt, Request, Response};
use crate::blocking::Blocking;
use crate::descriptor::RangeDescriptor;
use crate::heartbeat::Beat;
use crate::lease::timing::LAN;
use crate::local_ranges::LocalRanges;
use crate::raft::{SnapshotBody, SnapshotMessage};
use crate::raft_message::{RaftMessage, Refusal};
use crate::rpc::{Handler, Rpc, Service};
use crate::testing::network::LocalNetwork;
use crate::wire::beats::{read_beats, write_taken};

/// The one range of these tests.
pub const RANGE: RangeId = RangeId(7);
/// How long anything is waited for, on a machine with other work.
pub const PATIENCE: Duration = Duration::from_secs(20);

static RANGE_IDS: AtomicU64 = AtomicU64::new(1_000);

struct NoPrograms;

impl ScanEvaluator for NoPrograms {
    fn start(&self, _: &ScanProgram) -> Result<Box<dyn ScanRun>, ProgramError> {
        Err(ProgramError { sqlstate: "0A000".to_owned(), message: "no programs here".to_owned() })
    }
}

/// Hands messages between replicas on to a store, and counts them.
#[derive(Default)]
pub struct Taps {
    store: OnceLock<Weak<RangeStore>>,
    /// Those that ask for votes in other ranges than [`RANGE`].
    pub asked: AtomicUsize,
    appends: AtomicUsize,
    beats: AtomicUsize,
    taken: AtomicUsize,
    /// Whether Raft messages are kept waiting: they are late then, and not lost.
    pub is_holding: watch::Sender<bool>,
    /// How many ends of snapshots get lost, and how many answers to them.
    pub lost_ends: AtomicUsize,
    pub lost_answers: AtomicUsize,
}

impl Taps {
    /// Appends and heartbeats for the Raft task of [`RANGE`] that came in.
    pub fn appends(&self) -> usize {
        self.appends.load(Ordering::SeqCst)
    }

    /// Heartbeats past it, of a leader whose group rests, that came in.
    pub fn beats(&self) -> usize {
        self.beats.load(Ordering::SeqCst)
    }

    /// Those of them that were taken.
    pub fn taken(&self) -> usize {
        self.taken.load(Ordering::SeqCst)
    }

    fn store(&self) -> Option<Arc<RangeStore>> {
        self.store.get().and_then(Weak::upgrade)
    }
}

/// The tap of Raft messages.
struct RaftTap(Arc<Taps>);

impl Handler for RaftTap {
    fn handle(&self, _: NodeId, payload: Bytes) -> BoxFuture<'static, Bytes> {
        let message = RaftMessage::decode(payload.clone()).unwrap();
        let (is_vote, is_append) = (message.is_vote(), message.is_append());
        let is_ours = message.range_id == RANGE;
        self.0.asked.fetch_add(usize::from(is_vote && !is_ours), Ordering::SeqCst);
        self.0.appends.fetch_add(usize::from(is_append && is_ours), Ordering::SeqCst);
        match self.0.store() {
            Some(store) if *self.0.is_holding.borrow() => {
                let mut held = self.0.is_holding.subscribe();
                Box::pin(async move {
                    let _ = held.wait_for(|is_holding| !is_holding).await;
                    store.handle_raft(payload).await
                })
            }
            Some(store) => store.handle_raft(payload),
            None => refused(Refusal::Stopped),
        }
    }
}

/// The tap of heartbeats past the Raft tasks.
struct BeatTap(Arc<Taps>);

impl Handler for BeatTap {
    fn handle(&self, _: NodeId, payload: Bytes) -> BoxFuture<'static, Bytes> {
        let beats = read_beats(payload.clone()).unwrap();
        let taken = self.0.store().map(|store| store.take_beats(payload)).unwrap_or_default();
        let rests = |beat: &Beat| beat.range_id == RANGE && beat.last.is_some();
        for (_, is_taken) in beats.iter().zip(&taken).filter(|(beat, _)| rests(beat)) {
            self.0.beats.fetch_add(1, Ordering::SeqCst);
            self.0.taken.fetch_add(usize::from(*is_taken), Ordering::SeqCst);
        }
        Box::pin(std::future::ready(write_taken(&taken)))
    }
}

/// The tap of snapshots.
struct SnapshotTap(Arc<Taps>);

impl Handler for SnapshotTap {
    fn handle(&self, _: NodeId, payload: Bytes) -> BoxFuture<'static, Bytes> {
        let taps = Arc::clone(&self.0);
        let is_end =
            matches!(SnapshotMessage::decode(payload.clone()).unwrap().body, SnapshotBody::End { .. });
        let one_less = |left: &AtomicUsize| {
            is_end
                && left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok()
        };
        let is_lost = one_less(&taps.lost_ends);
        let is_answer_lost = !is_lost && one_less(&taps.lost_answers);
        Box::pin(async move {
            let answer = match taps.store() {
                Some(store) if !is_lost => store.inbox.handle(store.as_ref(), payload).await,
                Some(_) | None => std::future::pending().await,
            };
            if is_answer_lost { std::future::pending().await } else { answer }
        })
    }
}

/// One node: its disk outlives its process.
pub struct Node {
    pub id: NodeId,
    pub disk: Arc<PowerCutStore>,
    /// What cannot be read of it.
    pub damage: Damage,
    pub rpc: Arc<Rpc>,
    pub store: Arc<RangeStore>,
    pub clock: Arc<HybridClock>,
    pub taps: Arc<Taps>,
}

pub struct Cluster {
    pub network: LocalNetwork,
    pub nodes: Vec<Node>,
    pub physical: Arc<dyn PhysicalClock>,
}

async fn start_node(
    network: &LocalNetwork,
    physical: &Arc<dyn PhysicalClock>,
    id: NodeId,
    (disk, damage): (Arc<PowerCutStore>, Damage),
) -> Node {
    let clock = Arc::new(HybridClock::new(Arc::clone(physical), Box::new(ForgetBound)));
    let rpc = Rpc::new(id, network.transport(id), Arc::clone(&clock) as _);
    // The first handler stays.
    let taps = Arc::new(Taps::default());
    rpc.register(Service::Raft, Arc::new(RaftTap(Arc::clone(&taps))));
    rpc.register(Service::Heartbeat, Arc::new(BeatTap(Arc::clone(&taps))));
    rpc.register(Service::Snapshot, Arc::new(SnapshotTap(Arc::clone(&taps))));
    let store = RangeStore::open(StoreConfig {
        node_id: id,
        engine: Arc::new(DamagedStore::new(Arc::clone(&disk), damage.clone())),
        clock: Arc::clone(&clock),
        physical: Arc::clone(physical),
        blocking: Blocking::threads(),
        rpc: Arc::clone(&rpc),
        evaluator: Arc::new(NoPrograms),
        seed: 42,
        timing: LAN,
        on_failure: Arc::new(|_| {}),
    })
    .await
    .unwrap();
    assert!(taps.store.set(Arc::downgrade(&store)).is_ok());
    // As range 1 does: no id is given twice, whoever starts again.
    let first = RANGE_IDS.fetch_add(1_000, Ordering::SeqCst);
    store.offer_range_ids(first..first + 1_000);
    network.attach(id, Arc::clone(&rpc) as _);
    Node { id, disk, damage, rpc, store, clock, taps }
}

impl Cluster {
    /// `count` nodes without ranges.
    pub async fn empty(count: u64) -> Self {
        let network = LocalNetwork::new();
        let physical: Arc<dyn PhysicalClock> = Arc::new(SystemClock::new());
        let mut nodes = Vec::new();
        for id in 1..=count {
            nodes.push(start_node(&network, &physical, NodeId(id), Default::default()).await);
        }
        Self { network, nodes, physical }
    }

    /// `count` nodes with the range, led by the first.
    pub async fn start(count: u64) -> Self {
        let cluster = Self::empty(count).await;
        let descriptor = cluster.descriptor();
        for node in cluster.nodes.iter().rev() {
            node.store.create_replica(&descriptor, node.id == NodeId(1)).await.unwrap();
        }
        assert_eq!(cluster.leader().await.id, NodeId(1), "whoever campaigns wins");
        cluster
    }

    pub fn descriptor(&self) -> RangeDescriptor {
        let nodes: Vec<_> = self.nodes.iter().map(|node| node.id).collect();
        RangeDescriptor::new(RANGE, Span::new(key("a"), key("z")), &nodes)
    }

    pub fn node(&self, id: NodeId) -> &Node {
        self.nodes.iter().find(|node| node.id == id).unwrap()
    }

    /// The node that holds the lease, as soon as one does.
    pub async fn leader(&self) -> &Node {
        self.leader_among(|_| true).await
    }

    /// The node that holds the lease, of those that are asked.
    pub async fn leader_among(&self, asked: impl Fn(NodeId) -> bool) -> &Node {
        self.wait("a leader with a lease", || {
            let holds = |node: &&Node| node.store.status(RANGE).is_some_and(|status| status.has_lease);
            self.nodes.iter().filter(|node| asked(node.id)).find(holds)
        })
        .await
    }

    /// Waits for a condition.
    pub async fn wait<T>(&self, what: &str, condition: impl Fn() -> Option<T>) -> T {
        let start = self.physical.boottime();
        loop {
            if let Some(found) = condition() {
                return found;
            }
            assert!(self.physical.boottime() - start < PATIENCE, "no {what} within {PATIENCE:?}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Cuts the power of a node, and its network.
    pub async fn kill(&mut self, id: NodeId) {
        self.network.detach(id);
        let node = self.nodes.iter_mut().find(|node| node.id == id).unwrap();
        node.disk = Arc::new(node.disk.cut());
        node.store.shutdown().await;
    }

    /// Starts a killed node from its disk.
    pub async fn restart(&mut self, id: NodeId) {
        let node = self.nodes.iter_mut().find(|node| node.id == id).unwrap();
        let disk = (Arc::clone(&node.disk), node.damage.clone());
        *node = start_node(&self.network, &self.physical, id, disk).await;
    }

    /// Writes through whoever leads, trying again until it is acknowledged.
    pub async fn put(&self, name: &str, value: &str) -> Timestamp {
        let start = self.physical.boottime();
        loop {
            for node in &self.nodes {
                let request = node.commit_request(vec![Write::put(key(name), bytes(value))]);
                if let Ok(timestamp) = node.commit(request).await {
                    return timestamp;
                }
            }
            assert!(self.physical.boottime() - start < PATIENCE, "nothing was written within {PATIENCE:?}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Reads from the node that holds the lease.
    pub async fn get(&self, name: &str) -> Option<Bytes> {
        let start = self.physical.boottime();
        loop {
            if let Ok(value) = self.leader().await.get(name).await {
                return value;
            }
            assert!(self.physical.boottime() - start < PATIENCE, "nothing was read within {PATIENCE:?}");
        }
    }
}

impl Node {
    pub fn now(&self) -> Timestamp {
        self.clock.now().unwrap()
    }

    pub async fn ask(&self, request: Request) -> Result<Response, RangeError> {
        self.ask_range(RANGE, request).await
    }

    pub async fn ask_range(&self, range_id: RangeId, request: Request) -> Result<Response, RangeError> {
        self.store.execute(RangeRequest { range_id, generation: 1, request }).await
    }

    pub fn commit_request(&self, writes: Vec<Write>) -> CommitRequest {
        let now = self.now();
        CommitRequest {
            transaction: Uuid::new_v4(),
            attempt: 1,
            started: now,
            read_timestamp: now,
            read_spans: Vec::new(),
            writes,
            deadline: None,
        }
    }

    pub async fn commit(&self, request: CommitRequest) -> Result<Timestamp, RangeError> {
        let answer = self.ask(Request::Commit(request)).await?;
        let Response::Committed(timestamp) = answer else { panic!("a commit was answered {answer:?}") };
        Ok(timestamp)
    }

    pub async fn get(&self, name: &str) -> Result<Option<Bytes>, RangeError> {
        let timestamp = self.now();
        let read = ReadAt { timestamp, uncertainty_limit: timestamp };
        let answer = self.ask(Request::Get { keys: vec![key(name)], read }).await?;
        let Response::Values(mut values) = answer else { panic!("a get was answered {answer:?}") };
        Ok(values.remove(0))
    }
}

pub fn key(name: &str) -> Key {
    Key::from(name.as_bytes())
}

pub fn bytes(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}
