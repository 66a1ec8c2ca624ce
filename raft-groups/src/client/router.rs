//! Sends requests to the leaseholders of ranges, on this node or another, and finds the ranges of keys.
//!
//! A request's way is decided by [`Route`]; this driver asks, waits and learns. A commit is sent until it was certainly
//! received once: where its answer is lost, [`SendError::Lost`] says so, and the transaction asks for its record.
//!
//! Invariant: every wait is taken from the caller's [`QuorumBudget`], so that a statement ends in time.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use quorate_engine::clock::HybridClock;
use quorate_engine::kv::{Key, KvError, keyspace};
use quorate_placement::topology::{NodeId, RangeId};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::budget::QuorumBudget;
use super::call::{Call, CallError};
use super::range_cache::{RANGES_CACHED_MAX, RangeCache};
use super::route::{Failure, Route, RouteStep};
use crate::api::{RangeError, RangeRequest, Request, Response, Transact};
use crate::clock_guard::{ClockDoubt, ClockEpoch};
use crate::descriptor::RangeDescriptor;
use crate::local_ranges::LocalRanges;
use crate::rpc::{Rpc, Service};
use crate::safeguard::{self, Safeguard};
use crate::telling::shown;
use crate::transport::Lane;
use crate::wire::range::write_request;
use crate::wire::range_answer::read_answer;

mod directory;
mod locks;

pub use directory::directory_key;
pub(crate) use directory::unexpected;
pub use locks::LOCK_WAIT_MAX;

/// The range that holds all cluster metadata.
pub const SYSTEM_RANGE: RangeId = RangeId(1);

/// Counts [`RouterCounts`] for whoever watches the node.
const REQUESTS: &str = "quorate_router_requests_total";

/// Pause after the first round; it doubles from round to round.
const PAUSE_FIRST: Duration = Duration::from_millis(20);
/// Longest pause between rounds: an election takes about a second, and the first write after it should not wait long.
const PAUSE_MAX: Duration = Duration::from_millis(160);
/// Longer than the budget: a local replica's own error says more than ours, so it gets the last word.
const LOCAL_GRACE: Duration = Duration::from_millis(200);

/// Longest wait for one node's answer to a read, which can be asked again: an answer may have been lost on its way.
const READ_ATTEMPT_MAX: Duration = Duration::from_millis(1_500);
/// Longest wait for a range's split, once it takes no more writes.
const BACK_PRESSURE_MAX: Duration = Duration::from_secs(30);
/// Longest wait for the answer to a write; what is left of the budget is for its repeat, or for the commit's record.
const COMMIT_ATTEMPT_MAX: Duration = Duration::from_millis(3_000);

/// A shorter wait than this is no news to whoever is told that it was in vain.
const WAIT_TOLD: Duration = Duration::from_secs(1);

/// What a router is made of.
pub struct RouterConfig {
    /// This node.
    pub node: NodeId,
    /// Its replicas.
    pub ranges: Arc<dyn LocalRanges>,
    /// Calls to other nodes.
    pub rpc: Arc<Rpc>,
    /// The node's clock.
    pub clock: Arc<HybridClock>,
    /// Range 1, as the store last knew it.
    pub system: RangeDescriptor,
    /// Seed of the jitter.
    pub seed: u64,
}

/// Finds ranges and asks them.
pub struct Router {
    node: NodeId,
    ranges: Arc<dyn LocalRanges>,
    rpc: Arc<Rpc>,
    clock: Arc<HybridClock>,
    cache: Mutex<RangeCache>,
    system: Mutex<Arc<RangeDescriptor>>,
    jitter: Mutex<StdRng>,
    counts: Counts,
}

/// Requests answered so far, by kind and place; also exported as `quorate_router_requests_total`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RouterCounts {
    /// Reads by replicas of this node.
    pub local_reads: u64,
    /// Reads by other nodes.
    pub remote_reads: u64,
    /// Commits at replicas of this node.
    pub local_writes: u64,
    /// Commits at other nodes.
    pub remote_writes: u64,
}

#[derive(Debug, Default)]
struct Counts {
    local_reads: AtomicU64,
    remote_reads: AtomicU64,
    local_writes: AtomicU64,
    remote_writes: AtomicU64,
}

/// Why a request got no answer that its sender can use; cut by what the sender does next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SendError {
    /// The descriptor is out of date: find the ranges of the keys again.
    Stale,
    /// The range's own answer.
    Answered(RangeError),
    /// Nobody could serve it in time. Nothing was done.
    Unavailable {
        /// The range.
        range_id: RangeId,
        /// Who is missing, and what to do.
        detail: String,
    },
    /// A commit may or may not have taken place: ask for its record.
    Lost {
        /// The range.
        range_id: RangeId,
        /// What was waited for.
        detail: String,
    },
}

/// How one attempt at one node ended.
enum Attempt {
    Answered(Result<Response, RangeError>),
    /// Surely not worked on.
    NotDone(String),
    /// Perhaps worked on.
    NoAnswer(String),
}

/// What the sender learns from an attempt.
enum Verdict {
    Done(Result<Response, SendError>),
    Next(Failure),
    /// It may have been done; asking again does no harm, and tells.
    Perhaps(Failure),
}

impl Router {
    /// A router that knows range 1 alone.
    pub fn new(config: RouterConfig) -> Arc<Self> {
        metrics::describe_counter!(
            REQUESTS,
            "Requests to ranges that were answered, by kind and by whether the replica was here"
        );
        let RouterConfig { node, ranges, rpc, clock, system, seed } = config;
        Arc::new(Self {
            node,
            ranges,
            rpc,
            clock,
            cache: Mutex::new(RangeCache::new(RANGES_CACHED_MAX)),
            system: Mutex::new(Arc::new(system)),
            jitter: Mutex::new(StdRng::seed_from_u64(seed)),
            counts: Counts::default(),
        })
    }

    /// This node.
    pub fn node(&self) -> NodeId {
        self.node
    }

    /// The node's clock.
    pub fn clock(&self) -> &Arc<HybridClock> {
        &self.clock
    }

    /// Whether this node's clock is trusted, and was since an epoch that is given; gives the epoch that begins now.
    ///
    /// # Errors
    /// [`KvError::Clock`].
    pub fn check_clock(&self, since: Option<ClockEpoch>) -> Result<ClockEpoch, KvError> {
        match self.rpc.check_clock(since) {
            Err(doubt) if safeguard::holds(Safeguard::ClockTrusted) => {
                Err(KvError::Clock { detail: doubt.to_string(), is_over: doubt == ClockDoubt::Past })
            }
            epoch => Ok(epoch.unwrap_or_default()),
        }
    }

    /// Requests answered so far.
    pub fn counts(&self) -> RouterCounts {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        RouterCounts {
            local_reads: read(&self.counts.local_reads),
            remote_reads: read(&self.counts.remote_reads),
            local_writes: read(&self.counts.local_writes),
            remote_writes: read(&self.counts.remote_writes),
        }
    }

    /// Range 1, as known here.
    pub fn system_range(&self) -> Arc<RangeDescriptor> {
        Arc::clone(&self.system.lock())
    }

    /// Takes note of a descriptor, if it is newer than what is known.
    pub fn learn(&self, descriptor: RangeDescriptor) -> bool {
        if descriptor.range_id != SYSTEM_RANGE {
            return self.cache.lock().learn(descriptor);
        }
        let mut system = self.system.lock();
        let is_newer = descriptor.generation > system.generation;
        if is_newer {
            *system = Arc::new(descriptor);
        }
        is_newer
    }

    /// Forgets what is cached about a range.
    pub fn forget(&self, descriptor: &RangeDescriptor) {
        let RangeDescriptor { range_id, generation, span, .. } = descriptor;
        self.cache.lock().forget(*range_id, *generation, &span.start);
    }

    /// As [`Router::send_as`], for a sender that holds no intents.
    ///
    /// # Errors
    /// See [`SendError`].
    pub async fn send(
        &self,
        descriptor: &RangeDescriptor,
        request: Request,
        budget: &mut QuorumBudget,
    ) -> Result<Response, SendError> {
        self.send_as(descriptor, request, budget, None).await
    }

    /// A request as it is sent to a range.
    fn message(descriptor: &RangeDescriptor, request: Request) -> RangeRequest {
        RangeRequest { range_id: descriptor.range_id, generation: descriptor.generation, request }
    }

    /// Sends a message, and returns the first answer. Where a decision may have been taken on the way there, an error is
    /// no answer to whether it was.
    async fn send_once(
        &self,
        descriptor: &RangeDescriptor,
        message: &RangeRequest,
        budget: &mut QuorumBudget,
    ) -> Result<Response, SendError> {
        let mut perhaps = None;
        let answer = self.send_along(descriptor, message, budget, &mut perhaps).await;
        match (answer, perhaps) {
            (Err(_), Some(detail)) => Err(SendError::Lost { range_id: message.range_id, detail }),
            (answer, _) => answer,
        }
    }

    /// Asks replica after replica until one answers.
    async fn send_along(
        &self,
        descriptor: &RangeDescriptor,
        message: &RangeRequest,
        budget: &mut QuorumBudget,
        perhaps: &mut Option<String>,
    ) -> Result<Response, SendError> {
        let range_id = descriptor.range_id;
        let mut route = Route::new(descriptor, self.leaseholder_hint(descriptor), self.node);
        let mut encoded = None;
        loop {
            let mut begun = self.clock.physical().boottime();
            match route.next_step() {
                RouteStep::Ask(node) => {
                    let attempt = self.attempt_patiently(node, message, &mut encoded, budget.left()).await;
                    let (attempt, held) = attempt;
                    // Waiting for a split is no waiting for a quorum.
                    begun += held;
                    match self.judge(node, message, descriptor, attempt) {
                        Verdict::Done(Err(SendError::Lost { range_id, detail })) => {
                            self.spend(budget, begun);
                            return Err(SendError::Lost { range_id, detail });
                        }
                        Verdict::Done(done) => return done,
                        Verdict::Perhaps(failure) => {
                            *perhaps = Some(format!("{node}: {}", failure.detail()));
                            route.failed(node, failure);
                        }
                        Verdict::Next(failure) => route.failed(node, failure),
                    }
                }
                RouteStep::Pause { round } => tokio::time::sleep(self.pause(round).min(budget.left())).await,
                RouteStep::Stale => {
                    self.forget(descriptor);
                    tokio::time::sleep(self.pause(1).min(budget.left())).await;
                    self.spend(budget, begun);
                    return Err(if budget.is_spent() {
                        unavailable(range_id, &route, budget)
                    } else {
                        SendError::Stale
                    });
                }
                RouteStep::GiveUp => return Err(unavailable(range_id, &route, budget)),
            }
            self.spend(budget, begun);
            if budget.is_spent() {
                return Err(unavailable(range_id, &route, budget));
            }
        }
    }

    fn spend(&self, budget: &mut QuorumBudget, begun: Duration) {
        budget.spend(self.clock.physical().boottime().saturating_sub(begun));
    }

    fn leaseholder_hint(&self, descriptor: &RangeDescriptor) -> Option<NodeId> {
        if let Some(leader) = self.ranges.leader_node(descriptor.range_id) {
            return leader;
        }
        self.cache.lock().lookup(&descriptor.span.start).and_then(|cached| cached.leaseholder)
    }

    /// Asks a node, again and again while its range is about to be split. Also says how long that was.
    async fn attempt_patiently(
        &self,
        node: NodeId,
        message: &RangeRequest,
        encoded: &mut Option<Bytes>,
        left: Duration,
    ) -> (Attempt, Duration) {
        let begun = self.clock.physical().boottime();
        let mut held = Duration::ZERO;
        loop {
            let attempt = self.attempt(node, message, encoded, left).await;
            let is_busy = matches!(attempt, Attempt::Answered(Err(RangeError::Busy { .. })));
            if !is_busy || held >= BACK_PRESSURE_MAX {
                return (attempt, held);
            }
            tokio::time::sleep(self.pause(1)).await;
            held = self.clock.physical().boottime().saturating_sub(begun);
        }
    }

    async fn attempt(
        &self,
        node: NodeId,
        message: &RangeRequest,
        encoded: &mut Option<Bytes>,
        left: Duration,
    ) -> Attempt {
        if node == self.node {
            let local = self.ranges.execute(message.clone());
            return match tokio::time::timeout(left + LOCAL_GRACE, local).await {
                Ok(answer) => Attempt::Answered(answer),
                Err(_) => Attempt::NoAnswer(format!("no answer within {}", shown(left))),
            };
        }
        let payload = encoded.get_or_insert_with(|| write_request(message)).clone();
        let timeout = left.min(if waits_for_quorum(message) { COMMIT_ATTEMPT_MAX } else { READ_ATTEMPT_MAX });
        let call = Call { to: node, lane: Lane::Data, service: Service::Range, payload, timeout };
        match call.watched(&self.rpc, self.clock.physical().as_ref()).await {
            Ok(bytes) => read_answer(bytes).map_or_else(
                |error| Attempt::NoAnswer(format!("its answer cannot be read: {error}")),
                Attempt::Answered,
            ),
            Err(CallError::NotDone(detail)) => Attempt::NotDone(detail),
            Err(CallError::NoAnswer(detail)) => Attempt::NoAnswer(detail),
        }
    }

    fn judge(
        &self,
        node: NodeId,
        message: &RangeRequest,
        descriptor: &RangeDescriptor,
        attempt: Attempt,
    ) -> Verdict {
        let range_id = message.range_id;
        match attempt {
            Attempt::NotDone(detail) => Verdict::Next(Failure::Unreachable(detail)),
            Attempt::NoAnswer(detail) if is_commit(message) => {
                Verdict::Done(Err(SendError::Lost { range_id, detail: format!("{node}: {detail}") }))
            }
            Attempt::NoAnswer(detail) if decides(message) => Verdict::Perhaps(Failure::Unreachable(detail)),
            Attempt::NoAnswer(detail) => Verdict::Next(Failure::Unreachable(detail)),
            Attempt::Answered(Ok(response)) => {
                self.count(node, message);
                self.cache.lock().set_leaseholder(descriptor, Some(node));
                Verdict::Done(Ok(response))
            }
            Attempt::Answered(Err(error)) => self.judge_error(node, message, descriptor, error),
        }
    }

    fn judge_error(
        &self,
        node: NodeId,
        message: &RangeRequest,
        descriptor: &RangeDescriptor,
        error: RangeError,
    ) -> Verdict {
        let range_id = message.range_id;
        match error {
            RangeError::NotLeaseholder { leaseholder, .. } => {
                Verdict::Next(Failure::NotLeaseholder(leaseholder.filter(|hint| *hint != node)))
            }
            RangeError::Mismatch { known, .. } => {
                let mut learnt = false;
                for known in known.into_iter().filter(|known| known.span.overlaps(&descriptor.span)) {
                    // Somebody else may have learnt it in the meantime: then this request's sender has to look again, too.
                    learnt |= known.generation > descriptor.generation;
                    learnt |= self.learn(known);
                }
                if learnt { Verdict::Done(Err(SendError::Stale)) } else { Verdict::Next(Failure::Mismatch) }
            }
            RangeError::Unavailable { detail, .. } => Verdict::Next(Failure::Unavailable(detail)),
            RangeError::Ambiguous { detail, .. } if is_commit(message) => {
                Verdict::Done(Err(SendError::Lost { range_id, detail }))
            }
            RangeError::Ambiguous { detail, .. } if decides(message) => {
                Verdict::Perhaps(Failure::Unavailable(detail))
            }
            answer @ (RangeError::Ambiguous { .. }
            | RangeError::Uncertain { .. }
            | RangeError::Conflict { .. }
            | RangeError::Locked { .. }
            | RangeError::TooMuchRead
            | RangeError::ConditionFailed { .. }
            | RangeError::PastDeadline { .. }
            | RangeError::Busy { .. }
            | RangeError::Program(_)
            | RangeError::TooOld
            | RangeError::Refused(_)
            | RangeError::Storage(_)
            | RangeError::Damaged(_)) => {
                self.count(node, message);
                Verdict::Done(Err(SendError::Answered(answer)))
            }
        }
    }

    fn count(&self, node: NodeId, message: &RangeRequest) {
        let counts = &self.counts;
        let (count, kind, place) = match (writes(message), node == self.node) {
            (false, true) => (&counts.local_reads, "read", "local"),
            (false, false) => (&counts.remote_reads, "read", "remote"),
            (true, true) => (&counts.local_writes, "write", "local"),
            (true, false) => (&counts.remote_writes, "write", "remote"),
        };
        count.fetch_add(1, Ordering::Relaxed);
        metrics::counter!(REQUESTS, "kind" => kind, "where" => place).increment(1);
    }

    /// Half to the whole of a doubling pause, so that many waiting requests do not come back as one.
    fn pause(&self, round: u32) -> Duration {
        let doubled =
            PAUSE_FIRST.saturating_mul(1_u32.checked_shl(round.saturating_sub(1)).unwrap_or(u32::MAX));
        let share = self.jitter.lock().random_range(0.5..1.0);
        doubled.min(PAUSE_MAX).mul_f64(share)
    }
}

/// Whether this is a request whose repetition needs care.
fn is_commit(message: &RangeRequest) -> bool {
    matches!(message.request, Request::Commit(_))
}

/// Whether this is a commit by a record alone: it may be repeated, but without an answer nobody knows.
fn decides(message: &RangeRequest) -> bool {
    match &message.request {
        Request::Transact(step) => step.decides(),
        Request::Get { .. }
        | Request::Scan { .. }
        | Request::Changes { .. }
        | Request::Refresh { .. }
        | Request::Commit(_)
        | Request::QueryTransaction { .. } => false,
    }
}

/// Whether the answer comes when a quorum has synced a command.
fn waits_for_quorum(message: &RangeRequest) -> bool {
    is_commit(message) || matches!(message.request, Request::Transact(_))
}

/// Whether this is counted as a write.
fn writes(message: &RangeRequest) -> bool {
    is_commit(message) || matches!(message.request, Request::Transact(Transact::LayIntents(_)))
}

fn unavailable(range_id: RangeId, route: &Route, budget: &QuorumBudget) -> SendError {
    let waited = budget.full().saturating_sub(budget.left());
    let missing: Vec<String> = route.missing().iter().map(NodeId::to_string).collect();
    let advice = if missing.is_empty() {
        "repeat the statement in a few seconds".to_owned()
    } else {
        format!("start {} again, then repeat the statement", missing.join(", "))
    };
    let within = if waited < WAIT_TOLD { String::new() } else { format!(" within {}", shown(waited)) };
    let detail = format!("no replica could serve it{within}: {}; {advice}", route.describe());
    SendError::Unavailable { range_id, detail }
}

/// What a failed read of a single range means to the caller of a transaction. `key` is where it looked.
pub(crate) fn read_error(error: SendError, key: &Key) -> KvError {
    match error {
        SendError::Stale => {
            KvError::Retry { key: key.clone(), reason: "the ranges changed meanwhile".to_owned() }
        }
        SendError::Unavailable { range_id, detail } | SendError::Lost { range_id, detail } => {
            KvError::Unavailable { range_id: range_id.0, detail }
        }
        SendError::Answered(error) => answered_error(error, key),
    }
}

/// What a range's own answer means to the caller of a transaction.
pub(crate) fn answered_error(error: RangeError, fallback: &Key) -> KvError {
    let retry = |key: Key, reason: String| KvError::Retry { key, reason };
    match error {
        RangeError::Uncertain { key, timestamp } => {
            retry(key, format!("a version of {timestamp} lies within the clocks' uncertainty"))
        }
        RangeError::Conflict { key, timestamp } => {
            retry(key, format!("another transaction wrote it at {timestamp}"))
        }
        RangeError::Locked { key, holder } => retry(
            key,
            format!("transaction {} holds it and has not ended within {LOCK_WAIT_MAX:?}", holder.transaction),
        ),
        RangeError::ConditionFailed { key } => KvError::ConditionFailed { key },
        RangeError::PastDeadline { timestamp } => retry(
            fallback.clone(),
            format!("the commit at {timestamp} would outlive the node's catalog lease"),
        ),
        RangeError::Unavailable { range_id, detail } => KvError::Unavailable { range_id: range_id.0, detail },
        RangeError::Busy { range_id, size_bytes } => KvError::Unavailable {
            range_id: range_id.0,
            detail: format!(
                "it has {size_bytes} bytes, at least twice range_max_bytes, and takes no writes before it is split, which \
                 took longer than {BACK_PRESSURE_MAX:?}; nothing was written; look at SHOW RANGES and the node's log, or \
                 raise range_max_bytes, and repeat the statement"
            ),
        },
        RangeError::Program(error) => KvError::Program(error),
        RangeError::TooOld => {
            retry(fallback.clone(), "the transaction began more than ten minutes ago".to_owned())
        }
        RangeError::Refused(detail) => KvError::Storage(format!("the range refused the request: {detail}")),
        RangeError::Storage(detail) | RangeError::Damaged(detail) => KvError::Storage(detail),
        other @ (RangeError::NotLeaseholder { .. }
        | RangeError::TooMuchRead
        | RangeError::Mismatch { .. }
        | RangeError::Ambiguous { .. }) => retry(fallback.clone(), other.to_string()),
    }
}

/// Whether range 1 holds the key.
fn is_system(key: &Key) -> bool {
    keyspace::system_span().contains(key)
}
