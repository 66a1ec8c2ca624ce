//! Ranges that are played: one memory for all nodes, whose leaders are moved and whose answers are lost on command.
//!
//! What replication would do happens at once, one request after the other; what a request means is what it means in a
//! real range, since [`crate::evaluate`] answers it, with a timestamp cache of the range's own.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::Mutex;
use quorate_engine::clock::{HybridClock, PhysicalClock};
use quorate_engine::hlc::Timestamp;
use quorate_engine::kv::{Flow, Key, ProgramError, ScanEvaluator, ScanProgram, ScanRun, Span, Value, Write};
use quorate_engine::memory::MemoryStore;
use quorate_engine::mvcc::record::TransactionRecord;
use quorate_engine::mvcc::{self, ChangeWindow, Visits};
use quorate_engine::store::{Batch, Durability, Store};
use quorate_placement::topology::{NodeId, RangeId, ReplicaId};

use crate::api::{
    RangeError, RangeRequest, ReadAt, RecordState, Request, Response, Transact, TransactionOutcome,
};
use crate::concurrency::timestamp_cache::TimestampCache;
use crate::descriptor::RangeDescriptor;
use crate::evaluate::{
    Effects, Evaluated, changes, commit, end, get, heartbeat, intents, push, query_transaction, refresh,
    resolve, scan, settle, sweep,
};
use crate::local_ranges::{
    GroupRole, LedRange, LocalRangeError, LocalRanges, ReplicaProgress, ReplicaStatus,
};
use crate::raft::{ChangeError, MemberChange, MembersStamp};

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

/// What is lost of the next commit, in one range or by its record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lost {
    /// The commit takes place, and its answer is lost.
    Answer,
    /// The commit is lost on its way, and so is its answer.
    Commit,
    /// The commit takes place, and neither its answer nor that to any further one comes.
    AllAnswers,
}

/// One range, on all its nodes at once.
struct FakeRange {
    descriptor: RangeDescriptor,
    leader: Option<NodeId>,
    term: u64,
    created: Vec<NodeId>,
    /// Shared with the range that it was split from.
    store: Arc<MemoryStore>,
    cache: TimestampCache,
    /// Generation that stands in the directory.
    published: u64,
}

/// All ranges.
#[derive(Clone, Default)]
pub(crate) struct FakeWorld {
    state: Arc<Mutex<FakeState>>,
}

#[derive(Default)]
struct FakeState {
    ranges: BTreeMap<RangeId, FakeRange>,
    fault: Option<Lost>,
    commits: u64,
    breaker: BTreeMap<RangeId, String>,
    down: Vec<NodeId>,
    /// How long each request is on its way.
    latency: Duration,
    /// Steps of transactions with intents that were served, by name, in their order.
    steps: Vec<&'static str>,
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
            store: Arc::default(),
            cache: TimestampCache::new(Timestamp::MIN),
            published: descriptor.generation,
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

    /// Splits a range in two, of which nobody is told.
    pub fn split(&self, range_id: RangeId, at: &str, right: RangeId) {
        self.split_at(range_id, Key::from(at.as_bytes()), right);
    }

    /// Removes a range with all that lies in it, of which nobody is told.
    pub fn remove(&self, range_id: RangeId) {
        assert!(self.state.lock().ranges.remove(&range_id).is_some(), "the range exists");
    }

    /// As [`FakeWorld::split`], at any key.
    pub fn split_at(&self, range_id: RangeId, at: Key, right: RangeId) {
        let mut state = self.state.lock();
        let range = state.ranges.get_mut(&range_id).expect("the range exists");
        range.descriptor.generation += 1;
        let span = Span::new(at.clone(), range.descriptor.span.end.clone());
        range.descriptor.span.end = at;
        let descriptor = RangeDescriptor { range_id: right, span, ..range.descriptor.clone() };
        let split = FakeRange {
            published: 0,
            descriptor,
            leader: range.leader,
            term: 2,
            created: range.created.clone(),
            store: Arc::clone(&range.store),
            cache: TimestampCache::new(range.cache.high_water()),
        };
        state.ranges.insert(right, split);
    }

    /// Each request takes this long to arrive, so that requests of several transactions come in between each other.
    pub fn set_latency(&self, latency: Duration) {
        self.state.lock().latency = latency;
    }

    /// Takes the names of the steps of transactions with intents that were served since.
    pub fn take_steps(&self) -> Vec<&'static str> {
        std::mem::take(&mut self.state.lock().steps)
    }

    /// Intents that lie anywhere.
    pub fn intents(&self) -> usize {
        let state = self.state.lock();
        let all = |range: &FakeRange| {
            let span = &range.descriptor.span;
            mvcc::intent::intents_in(range.store.snapshot().as_ref(), span, usize::MAX).unwrap().len()
        };
        state.ranges.values().map(all).sum()
    }

    /// Records of transactions anywhere but in the system range.
    pub fn records(&self) -> usize {
        self.all_records().len()
    }

    /// Those of them that still name intents.
    pub fn unsettled(&self) -> usize {
        self.all_records().iter().filter(|record| !record.intent_spans.is_empty()).count()
    }

    fn all_records(&self) -> Vec<TransactionRecord> {
        let state = self.state.lock();
        let all = |range: &FakeRange| {
            let span = &range.descriptor.span;
            mvcc::record::records_in(range.store.snapshot().as_ref(), span, usize::MAX).unwrap()
        };
        let tables = state.ranges.iter().filter(|(id, _)| id.0 != 1);
        tables.flat_map(|(_, range)| all(range)).collect()
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
    pub fn fault(&self, fault: Lost) {
        self.state.lock().fault = Some(fault);
    }

    /// No answer is lost any more.
    pub fn forget_fault(&self) {
        self.state.lock().fault = None;
    }

    /// The range's leader refuses everything with this text.
    pub fn open_breaker(&self, range_id: RangeId, text: &str) {
        self.state.lock().breaker.insert(range_id, text.to_owned());
    }

    /// The range's leader serves again.
    pub fn close_breaker(&self, range_id: RangeId) {
        self.state.lock().breaker.remove(&range_id);
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
        let latency = self.world.state.lock().latency;
        tokio::time::sleep(latency).await;
        let response = self.serve(&request)?;
        if let Response::Committed(timestamp) = response {
            tokio::time::sleep(self.clock.wait_until_passed(timestamp)).await;
        }
        if response == Response::State(RecordState::Pending) {
            // A real range waits a little for the transaction's end.
            tokio::time::sleep(PENDING_WAIT).await;
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
            store: Arc::default(),
            cache: TimestampCache::new(Timestamp::MIN),
            published: descriptor.generation,
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

    fn led_range(&self, _: RangeId) -> Option<LedRange> {
        // Nobody's replicas change here.
        None
    }

    async fn change_members(
        &self,
        range_id: RangeId,
        _: MembersStamp,
        _: MemberChange,
    ) -> Result<(), ChangeError> {
        Err(ChangeError::Refused(format!("{range_id} is a fake: its replicas stay where they are")))
    }

    async fn progress(&self, _: RangeId, _: ReplicaId) -> Result<Option<ReplicaProgress>, LocalRangeError> {
        Ok(None)
    }

    async fn split(&self, range_id: RangeId, _: Option<Key>) -> Result<RangeDescriptor, LocalRangeError> {
        Err(LocalRangeError::Refused { range_id, detail: "no splits here".to_owned() })
    }

    fn set_range_max_bytes(&self, _: u64) {}

    fn set_cluster_version(&self, _: u32) {}

    fn set_snapshot_rate(&self, _: u64) {}

    fn offer_range_ids(&self, _: Range<u64>) {}

    fn wants_range_ids(&self) -> bool {
        false
    }

    fn unpublished(&self) -> Vec<RangeDescriptor> {
        let state = self.world.state.lock();
        let led = state.ranges.values().filter(|range| range.leader == Some(self.node));
        let unpublished = led.filter(|range| range.published < range.descriptor.generation);
        unpublished.map(|range| range.descriptor.clone()).collect()
    }

    async fn note_published(&self, range_id: RangeId, generation: u64) -> Result<(), LocalRangeError> {
        if let Some(range) = self.world.state.lock().ranges.get_mut(&range_id) {
            range.published = range.published.max(generation);
        }
        Ok(())
    }

    fn damaged_files(&self) -> Vec<String> {
        Vec::new()
    }

    fn statuses(&self) -> Vec<ReplicaStatus> {
        let state = self.world.state.lock();
        state.ranges.values().filter_map(|range| self.status_of(range)).collect()
    }

    fn status(&self, range_id: RangeId) -> Option<ReplicaStatus> {
        self.status_of(self.world.state.lock().ranges.get(&range_id)?)
    }

    fn leader_node(&self, range_id: RangeId) -> Option<Option<NodeId>> {
        self.status(range_id).map(|status| status.leader_node)
    }
}

impl FakeRanges {
    fn status_of(&self, range: &FakeRange) -> Option<ReplicaStatus> {
        let leads = range.leader == Some(self.node);
        range.created.contains(&self.node).then(|| ReplicaStatus {
            descriptor: Arc::new(range.descriptor.clone()),
            replica_id: range.descriptor.replica_on(self.node).map_or(ReplicaId(0), |own| own.replica_id),
            role: if leads { GroupRole::Leader } else { GroupRole::Follower },
            term: range.term,
            leader_node: range.leader,
            has_lease: leads,
            applied: 0,
            size_bytes: 100,
            silent_peers: Vec::new(),
            published: range.published,
            is_whole: true,
            receiving: None,
            sending: None,
            breaker: None,
            damage: None,
        })
    }

    fn serve(&self, request: &RangeRequest) -> Result<Response, RangeError> {
        let mut state = self.world.state.lock();
        let range_id = request.range_id;
        if let Some(text) = state.breaker.get(&range_id) {
            return Err(RangeError::Unavailable { range_id, detail: text.clone() });
        }
        let fault = if is_commit(&request.request) { state.fault.take() } else { None };
        if fault == Some(Lost::AllAnswers) {
            state.fault = fault;
        }
        let is_heartbeat = matches!(request.request, Request::Transact(Transact::Heartbeat { .. }));
        if is_heartbeat && state.fault == Some(Lost::AllAnswers) {
            return Err(lost(range_id));
        }
        let known = state.ranges.values().filter(|range| overlaps(range, &request.request));
        let known = known.map(|range| range.descriptor.clone()).collect();
        let found = state.ranges.get_mut(&range_id);
        let Some(range) = found.filter(|range| range.created.contains(&self.node)) else {
            return Err(RangeError::Mismatch { range_id, known });
        };
        if range.leader.is_none() && range.created.len() > range.descriptor.replicas.len() / 2 {
            // A majority without a leader elects one; here it is whoever is asked first.
            range.leader = Some(self.node);
            range.term += 1;
        }
        if range.leader != Some(self.node) {
            return Err(RangeError::NotLeaseholder { range_id, leaseholder: range.leader });
        }
        let own = &range.descriptor.span;
        if !spans_of(&request.request).iter().all(|span| span.is_empty() || own.covers(span)) {
            return Err(RangeError::Mismatch { range_id, known });
        }
        if fault == Some(Lost::Commit) {
            return Err(lost(range_id));
        }
        let response = Serving { node: self.node, clock: &self.clock, range }.serve(&request.request)?;
        if let Request::Transact(step) = &request.request {
            state.steps.push(name(step));
        }
        if is_commit(&request.request) {
            state.commits += 1;
        }
        match fault {
            Some(Lost::Answer | Lost::AllAnswers) => Err(lost(range_id)),
            Some(Lost::Commit) | None => Ok(response),
        }
    }
}

/// So few that a refresh of some keys takes several pages.
const REFRESH_VISITS: Visits = Visits::new(2, u64::MAX);
/// How long a played range keeps whoever asks for a transaction that is alive.
const PENDING_WAIT: Duration = Duration::from_millis(10);

fn lost(range_id: RangeId) -> RangeError {
    RangeError::Ambiguous { range_id, detail: "its answer was lost".to_owned() }
}

fn is_commit(request: &Request) -> bool {
    match request {
        Request::Commit(_) => true,
        Request::Transact(step) => step.decides(),
        Request::Get { .. }
        | Request::Scan { .. }
        | Request::Changes { .. }
        | Request::Refresh { .. }
        | Request::QueryTransaction { .. } => false,
    }
}

fn name(step: &Transact) -> &'static str {
    match step {
        Transact::LayIntents(request) if request.with_record => "lay with record",
        Transact::LayIntents(_) => "lay",
        Transact::Heartbeat { .. } => "heartbeat",
        Transact::End(_) if step.decides() => "commit",
        Transact::End(_) => "abort",
        Transact::Push(_) => "push",
        Transact::Resolve(_) => "resolve",
        Transact::Sweep(_) => "sweep",
        Transact::Settle(_) => "settle",
    }
}

fn spans_of(request: &Request) -> Vec<Span> {
    let points = |keys: &[Key]| keys.iter().cloned().map(Span::point).collect();
    match request {
        Request::Get { keys, .. } => points(keys),
        Request::Scan { scan, .. } => vec![scan.span.clone()],
        Request::Changes { changes, .. } => vec![changes.span.clone()],
        Request::Refresh { spans, .. } => spans.iter().map(|read| read.span.clone()).collect(),
        Request::Commit(commit) => {
            let writes = commit.writes.iter().map(|write| Span::point(write.key.clone()));
            writes.chain(commit.read_spans.iter().map(|read| read.span.clone())).collect()
        }
        Request::QueryTransaction { anchor, .. } => vec![Span::point(anchor.clone())],
        Request::Transact(step) => step.spans(),
    }
}

fn overlaps(range: &FakeRange, request: &Request) -> bool {
    spans_of(request).iter().any(|span| range.descriptor.span.overlaps(span))
}

/// A range at the moment in which it serves a request: alone, so that there is nothing to latch.
struct Serving<'a> {
    node: NodeId,
    clock: &'a HybridClock,
    range: &'a mut FakeRange,
}

impl Serving<'_> {
    fn serve(&mut self, request: &Request) -> Result<Response, RangeError> {
        let store = Arc::clone(&self.range.store);
        let snapshot = store.snapshot();
        let snapshot = snapshot.as_ref();
        match request {
            Request::Get { keys, read } => {
                self.note_reads(keys.iter().cloned().map(Span::point), *read);
                get::evaluate(snapshot, keys, *read).map(Response::Values)
            }
            Request::Scan { scan, read } => {
                self.note_reads([scan.span.clone()], *read);
                let mut page = scan::evaluate(snapshot, scan, (*read, Visits::PAGE), &CountPairs)?;
                (page.served.range_id, page.served.node_id) = (self.range.descriptor.range_id.0, self.node.0);
                Ok(Response::Page(page))
            }
            Request::Changes { changes, read } => {
                self.note_reads([changes.span.clone()], *read);
                changes::evaluate(snapshot, changes, (*read, None)).map(Response::Changes)
            }
            Request::Refresh { spans, after, upto, own } => {
                self.note_reads(spans.iter().map(|read| read.span.clone()), exactly(*upto));
                let window = ChangeWindow { after: *after, upto: *upto, own: *own };
                let left = refresh::evaluate(snapshot, spans, (window, None), REFRESH_VISITS, &CountPairs)?;
                Ok(Response::Refreshed { left })
            }
            Request::QueryTransaction { transaction, anchor, started } => {
                let now = self.now();
                match query_transaction::evaluate(snapshot, *transaction, anchor, *started, now)? {
                    query_transaction::QueryVerdict::Known(outcome) => Ok(Response::Outcome(outcome)),
                    query_transaction::QueryVerdict::Aborts(effects) => {
                        Ok(self.apply(effects, Response::Outcome(TransactionOutcome::Aborted)))
                    }
                }
            }
            Request::Commit(request) => {
                let floor = self.floor(&request.writes, request.read_timestamp);
                match commit::evaluate(snapshot, request, floor, &CountPairs)? {
                    commit::CommitVerdict::Repeated(timestamp) => Ok(Response::Committed(timestamp)),
                    commit::CommitVerdict::Commits(effects) => {
                        let read = request.read_spans.iter().map(|read| read.span.clone());
                        self.note_reads(read, exactly(effects.timestamp));
                        let response = Response::Committed(effects.timestamp);
                        Ok(self.apply(effects, response))
                    }
                }
            }
            Request::Transact(step) => match self.step(snapshot, step)? {
                Evaluated::Answer(response) => Ok(response),
                Evaluated::Writes(effects, response) => Ok(self.apply(effects, response)),
            },
        }
    }

    fn step(
        &self,
        snapshot: &dyn quorate_engine::store::Snapshot,
        step: &Transact,
    ) -> Result<Evaluated, RangeError> {
        match step {
            Transact::LayIntents(request) => {
                let floor = self.floor(&request.writes, request.transaction.read_timestamp);
                intents::evaluate(snapshot, request, floor)
            }
            Transact::Heartbeat { transaction, anchor } => {
                heartbeat::evaluate(snapshot, *transaction, anchor, self.now())
            }
            Transact::End(request) => end::evaluate(snapshot, request, self.now()),
            Transact::Push(request) => push::evaluate(snapshot, request, self.now()),
            Transact::Sweep(request) => {
                let now = self.now();
                sweep::evaluate(snapshot, &sweep::find(snapshot, request, now)?, now)
            }
            Transact::Settle(records) => settle::evaluate(snapshot, records),
            Transact::Resolve(request) => {
                let found = resolve::find(snapshot, request)?;
                resolve::evaluate(snapshot, request.transaction, request.outcome, &found)
            }
        }
    }

    fn now(&self) -> Timestamp {
        self.clock.now().unwrap()
    }

    fn floor(&self, writes: &[Write], read_timestamp: Timestamp) -> commit::Floor {
        self.clock.forward(read_timestamp).unwrap();
        let reads = writes.iter().map(|write| self.range.cache.newest(&Span::point(write.key.clone())));
        commit::Floor { read: reads.max().unwrap_or_default(), now: self.now(), written: None }
    }

    fn note_reads(&mut self, spans: impl IntoIterator<Item = Span>, read: ReadAt) {
        self.clock.forward(read.timestamp).unwrap();
        for span in spans {
            self.range.cache.add(&span, read.timestamp);
        }
    }

    fn apply(&self, effects: Effects, response: Response) -> Response {
        self.clock.forward_applied(effects.timestamp);
        self.range.store.write(effects.batch, Durability::Buffered).unwrap();
        response
    }
}

fn exactly(timestamp: Timestamp) -> ReadAt {
    ReadAt { timestamp, uncertainty_limit: timestamp }
}

/// Every program counts the pairs of a page; one that is a number stops after as many.
pub(crate) struct CountPairs;

struct Counting {
    pairs: u64,
    stop_after: Option<u64>,
}

impl ScanEvaluator for CountPairs {
    fn start(&self, program: &ScanProgram) -> Result<Box<dyn ScanRun>, ProgramError> {
        let stop_after = std::str::from_utf8(&program.0).ok().and_then(|text| text.parse().ok());
        Ok(Box::new(Counting { pairs: 0, stop_after }))
    }
}

impl ScanRun for Counting {
    fn pair(&mut self, _key: &[u8], _value: &Value, _out: &mut Vec<Bytes>) -> Result<Flow, ProgramError> {
        self.pairs += 1;
        Ok(if Some(self.pairs) == self.stop_after { Flow::Stop } else { Flow::Continue })
    }

    fn finish(&mut self, out: &mut Vec<Bytes>) -> Result<(), ProgramError> {
        out.push(self.pairs.to_string().into());
        Ok(())
    }
}
