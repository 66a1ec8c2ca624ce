//! Ranges that are played: one memory for all nodes, whose leaders are moved and whose answers are lost on command.
//!
//! What replication would do happens at once; reads, uncertainty, conflicts and records mean what they mean in a real
//! range, since `engine::mvcc` answers them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::Mutex;
use quorate_engine::clock::{HybridClock, PhysicalClock};
use quorate_engine::hlc::Timestamp;
use quorate_engine::kv::{
    Flow, Key, ProgramError, ScanEvaluator, ScanProgram, ScanRun, Value, WriteCondition,
};
use quorate_engine::memory::MemoryStore;
use quorate_engine::mvcc::{self, MvccError, PageError};
use quorate_engine::store::{Batch, Durability, Store};
use quorate_placement::topology::{NodeId, RangeId, ReplicaId};
use uuid::Uuid;

use crate::api::{CommitRequest, RangeError, RangeRequest, ReadAt, Request, Response, TransactionOutcome};
use crate::descriptor::RangeDescriptor;
use crate::local_ranges::{GroupRole, LocalRangeError, LocalRanges, ReplicaStatus};

/// Wall and boot time that follow tokio's, which a test may pause.
pub(crate) struct TokioClock {
    start: tokio::time::Instant,
}

impl TokioClock {
    pub fn new() -> Arc<Self> {
        Arc::new(Self { start: tokio::time::Instant::now() })
    }
}

impl PhysicalClock for TokioClock {
    fn now_micros(&self) -> u64 {
        1_000_000_000 + u64::try_from(self.start.elapsed().as_micros()).unwrap()
    }

    fn boottime(&self) -> Duration {
        self.start.elapsed()
    }
}

/// What becomes of the next commit's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The commit takes place, and its answer is lost.
    LoseAnswer,
    /// The commit is lost on its way, and so is its answer.
    LoseCommit,
}

/// One range, on all its nodes at once.
struct FakeRange {
    descriptor: RangeDescriptor,
    leader: Option<NodeId>,
    term: u64,
    created: Vec<NodeId>,
    store: MemoryStore,
    records: BTreeMap<Uuid, Timestamp>,
    aborted: Vec<Uuid>,
}

/// All ranges.
#[derive(Clone, Default)]
pub(crate) struct FakeWorld {
    state: Arc<Mutex<FakeState>>,
}

#[derive(Default)]
struct FakeState {
    ranges: BTreeMap<RangeId, FakeRange>,
    fault: Option<Fault>,
    commits: u64,
    breaker: BTreeMap<RangeId, String>,
    down: Vec<NodeId>,
    tombstones: Vec<(NodeId, RangeId)>,
}

impl FakeWorld {
    /// Makes a range with replicas everywhere that its descriptor says, led by `leader`.
    pub fn add(&self, descriptor: RangeDescriptor, leader: NodeId) {
        let created = descriptor.nodes();
        let range = FakeRange {
            leader: Some(leader),
            term: 2,
            created,
            store: MemoryStore::new(),
            records: BTreeMap::new(),
            aborted: Vec::new(),
            descriptor: descriptor.clone(),
        };
        self.state.lock().ranges.insert(descriptor.range_id, range);
    }

    /// Another node leads from now on, or none.
    pub fn lead(&self, range_id: RangeId, leader: Option<NodeId>) {
        let mut state = self.state.lock();
        let range = state.ranges.get_mut(&range_id).expect("the range exists");
        range.leader = leader;
        range.term += 1;
    }

    /// The node that leads.
    pub fn leader(&self, range_id: RangeId) -> Option<NodeId> {
        self.state.lock().ranges.get(&range_id)?.leader
    }

    /// The range's replicas that exist.
    pub fn created(&self, range_id: RangeId) -> Vec<NodeId> {
        self.state.lock().ranges.get(&range_id).map(|range| range.created.clone()).unwrap_or_default()
    }

    /// The next commit has this fault.
    pub fn fault(&self, fault: Fault) {
        self.state.lock().fault = Some(fault);
    }

    /// The range's leader refuses everything with this text.
    pub fn open_breaker(&self, range_id: RangeId, text: &str) {
        self.state.lock().breaker.insert(range_id, text.to_owned());
    }

    /// A node's store creates nothing, as if it were away.
    pub fn set_down(&self, node: NodeId, down: bool) {
        let mut state = self.state.lock();
        state.down.retain(|other| *other != node);
        if down {
            state.down.push(node);
        }
    }

    /// Commits that took place.
    pub fn commits(&self) -> u64 {
        self.state.lock().commits
    }

    /// Writes a version behind everybody's back, as another transaction would have.
    pub fn write_at(&self, range_id: RangeId, key: &str, value: &str, at: Timestamp) {
        let state = self.state.lock();
        let range = state.ranges.get(&range_id).expect("the range exists");
        let mut batch = Batch::new();
        let value = Bytes::copy_from_slice(value.as_bytes());
        mvcc::put(&mut batch, &Key::from(key.as_bytes()), at, Some(&value));
        range.store.write(batch, Durability::Buffered).unwrap();
    }

    /// A node's end of the world.
    pub fn node(&self, node: NodeId, clock: &Arc<HybridClock>) -> Arc<FakeRanges> {
        Arc::new(FakeRanges { node, world: self.clone(), clock: Arc::clone(clock) })
    }
}

/// The replicas of one node.
pub(crate) struct FakeRanges {
    node: NodeId,
    world: FakeWorld,
    clock: Arc<HybridClock>,
}

#[async_trait]
impl LocalRanges for FakeRanges {
    async fn execute(&self, request: RangeRequest) -> Result<Response, RangeError> {
        let response = self.serve(&request)?;
        if let Response::Committed(timestamp) = response {
            tokio::time::sleep(self.clock.wait_until_passed(timestamp)).await;
        }
        Ok(response)
    }

    async fn create_replica(
        &self,
        descriptor: &RangeDescriptor,
        campaign: bool,
    ) -> Result<(), LocalRangeError> {
        let mut state = self.world.state.lock();
        let range_id = descriptor.range_id;
        if state.down.contains(&self.node) {
            return Err(LocalRangeError::Storage("the node is away".to_owned()));
        }
        if state.tombstones.contains(&(self.node, range_id)) {
            return Err(LocalRangeError::Tombstone { range_id });
        }
        let range = state.ranges.entry(range_id).or_insert_with(|| FakeRange {
            descriptor: descriptor.clone(),
            leader: None,
            term: 1,
            created: Vec::new(),
            store: MemoryStore::new(),
            records: BTreeMap::new(),
            aborted: Vec::new(),
        });
        if !range.created.contains(&self.node) {
            range.created.push(self.node);
        }
        if campaign && range.leader.is_none() {
            range.leader = Some(self.node);
            range.term += 1;
        }
        Ok(())
    }

    async fn create_learner(&self, range_id: RangeId, _: ReplicaId) -> Result<(), LocalRangeError> {
        let state = self.world.state.lock();
        match state.ranges.get(&range_id) {
            Some(range) if range.created.contains(&self.node) => Ok(()),
            // Nobody sends snapshots here.
            Some(_) | None => Err(LocalRangeError::Storage("no empty replicas here".to_owned())),
        }
    }

    async fn destroy_replica(&self, range_id: RangeId, _next: ReplicaId) -> Result<(), LocalRangeError> {
        let mut state = self.world.state.lock();
        if state.down.contains(&self.node) {
            return Err(LocalRangeError::Storage("the node is away".to_owned()));
        }
        if let Some(range) = state.ranges.get_mut(&range_id) {
            range.created.retain(|node| *node != self.node);
        }
        state.tombstones.push((self.node, range_id));
        Ok(())
    }

    async fn end_lease_and_transfer(&self, range_id: RangeId, to: NodeId) -> Result<(), LocalRangeError> {
        let mut state = self.world.state.lock();
        match state.ranges.get_mut(&range_id) {
            Some(range) if range.leader == Some(self.node) => {
                range.leader = Some(to);
                range.term += 1;
                Ok(())
            }
            Some(_) | None => Err(LocalRangeError::NotLeader { range_id }),
        }
    }

    fn statuses(&self) -> Vec<ReplicaStatus> {
        let state = self.world.state.lock();
        state.ranges.values().filter_map(|range| self.status_of(range)).collect()
    }

    fn status(&self, range_id: RangeId) -> Option<ReplicaStatus> {
        self.status_of(self.world.state.lock().ranges.get(&range_id)?)
    }
}

impl FakeRanges {
    fn status_of(&self, range: &FakeRange) -> Option<ReplicaStatus> {
        let leads = range.leader == Some(self.node);
        range.created.contains(&self.node).then(|| ReplicaStatus {
            descriptor: range.descriptor.clone(),
            replica_id: range.descriptor.replica_on(self.node).map_or(ReplicaId(0), |own| own.replica_id),
            role: if leads { GroupRole::Leader } else { GroupRole::Follower },
            term: range.term,
            leader_node: range.leader,
            has_lease: leads,
            applied: 0,
            size_bytes: 100,
            silent_peers: Vec::new(),
            is_whole: true,
            receiving: None,
            sending: None,
            breaker: None,
        })
    }

    fn serve(&self, request: &RangeRequest) -> Result<Response, RangeError> {
        let mut state = self.world.state.lock();
        let range_id = request.range_id;
        if let Some(text) = state.breaker.get(&range_id) {
            return Err(RangeError::Unavailable { range_id, detail: text.clone() });
        }
        let is_commit = matches!(request.request, Request::Commit(_));
        let fault = if is_commit { state.fault.take() } else { None };
        let known = state.ranges.get_mut(&range_id);
        let Some(range) = known.filter(|range| range.created.contains(&self.node)) else {
            return Err(RangeError::Mismatch { range_id, known: Vec::new() });
        };
        if range.leader.is_none() && range.created.len() > range.descriptor.replicas.len() / 2 {
            // A majority without a leader elects one; here it is whoever is asked first.
            range.leader = Some(self.node);
            range.term += 1;
        }
        if range.leader != Some(self.node) {
            return Err(RangeError::NotLeaseholder { range_id, leaseholder: range.leader });
        }
        match &request.request {
            Request::Get { keys, read } => get(range, keys, *read),
            Request::Scan { scan, read } => {
                let at =
                    mvcc::ReadAt { timestamp: read.timestamp, uncertainty_limit: read.uncertainty_limit };
                let page = mvcc::read_page(range.store.snapshot().as_ref(), scan, at, &CountPairs);
                let mut page = page.map_err(page_error)?;
                (page.served.range_id, page.served.node_id) = (range_id.0, self.node.0);
                Ok(Response::Page(page))
            }
            Request::Refresh { spans, after, upto } => {
                refresh(range, spans.iter(), *after, *upto).map(|()| Response::Refreshed)
            }
            Request::QueryTransaction { transaction, .. } => {
                let found = range.records.get(transaction);
                if found.is_none() {
                    range.aborted.push(*transaction);
                }
                Ok(Response::Outcome(match found {
                    Some(at) => TransactionOutcome::Committed(*at),
                    None => TransactionOutcome::Aborted,
                }))
            }
            Request::Commit(commit) => {
                let lost = || RangeError::Ambiguous { range_id, detail: "its answer was lost".to_owned() };
                if fault == Some(Fault::LoseCommit) {
                    return Err(lost());
                }
                let timestamp = self.commit(range, commit)?;
                state.commits += 1;
                if fault == Some(Fault::LoseAnswer) {
                    Err(lost())
                } else {
                    Ok(Response::Committed(timestamp))
                }
            }
        }
    }

    fn commit(&self, range: &mut FakeRange, commit: &CommitRequest) -> Result<Timestamp, RangeError> {
        assert!(!range.aborted.contains(&commit.transaction), "an aborted id must not be sent again");
        if let Some(done) = range.records.get(&commit.transaction) {
            return Ok(*done);
        }
        let timestamp = self.clock.now().unwrap();
        refresh(range, commit.read_spans.iter(), commit.read_timestamp, timestamp)?;
        if commit.deadline.is_some_and(|deadline| timestamp >= deadline) {
            return Err(RangeError::PastDeadline { timestamp });
        }
        let mut batch = Batch::new();
        for write in &commit.writes {
            let newest = mvcc::newest(range.store.snapshot().as_ref(), &write.key).map_err(mvcc_error)?;
            if write.condition == WriteCondition::Absent && newest.is_some_and(|(_, deleted)| !deleted) {
                return Err(RangeError::ConditionFailed { key: write.key.clone() });
            }
            mvcc::put(&mut batch, &write.key, timestamp, write.value.as_ref());
        }
        range.store.write(batch, Durability::Buffered).unwrap();
        range.records.insert(commit.transaction, timestamp);
        Ok(timestamp)
    }
}

fn get(range: &FakeRange, keys: &[Key], read: ReadAt) -> Result<Response, RangeError> {
    let at = mvcc::ReadAt { timestamp: read.timestamp, uncertainty_limit: read.uncertainty_limit };
    let snapshot = range.store.snapshot();
    let values: Result<Vec<_>, _> = keys
        .iter()
        .map(|key| mvcc::get(snapshot.as_ref(), key, at).map(|found| found.map(|found| found.value)))
        .collect();
    values.map(Response::Values).map_err(mvcc_error)
}

fn refresh<'a>(
    range: &FakeRange,
    mut spans: impl Iterator<Item = &'a quorate_engine::kv::Span>,
    after: Timestamp,
    upto: Timestamp,
) -> Result<(), RangeError> {
    spans.try_for_each(|span| {
        let changed = mvcc::changed_in(range.store.snapshot().as_ref(), span, after, upto);
        match changed.map_err(mvcc_error)? {
            Some((key, timestamp)) => Err(RangeError::Conflict { key, timestamp }),
            None => Ok(()),
        }
    })
}

fn mvcc_error(error: MvccError) -> RangeError {
    if let MvccError::Uncertain { key, timestamp } = error {
        return RangeError::Uncertain { key, timestamp };
    }
    RangeError::Storage(error.to_string())
}

fn page_error(error: PageError) -> RangeError {
    match error {
        PageError::Mvcc(error) => mvcc_error(error),
        PageError::Program(error) => RangeError::Program(error),
    }
}

/// Every program counts the pairs of a page.
pub(crate) struct CountPairs;

struct Counting(u64);

impl ScanEvaluator for CountPairs {
    fn start(&self, _program: &ScanProgram) -> Result<Box<dyn ScanRun>, ProgramError> {
        Ok(Box::new(Counting(0)))
    }
}

impl ScanRun for Counting {
    fn pair(&mut self, _key: &[u8], _value: &Value, _out: &mut Vec<Bytes>) -> Result<Flow, ProgramError> {
        self.0 += 1;
        Ok(Flow::Continue)
    }

    fn finish(&mut self, out: &mut Vec<Bytes>) -> Result<(), ProgramError> {
        out.push(self.0.to_string().into());
        Ok(())
    }
}
