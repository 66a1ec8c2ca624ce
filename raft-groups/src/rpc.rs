//! Calls between nodes, made of one-way messages: an envelope, a table of who waits, and handlers by service.
//!
//! Every envelope carries the sender's hybrid time, and the receiver's clock is forwarded before anything else happens
//! (design.md section 7); how far the sender's store is synced, which the receiver remembers (`cluster::starts`); and its wall time, by which [`ClockGuard`] measures how far the two clocks are apart. Handlers are polled once in the order of arrival before they become tasks of their own, so
//! that messages of one Raft group enter it in order.
//!
//! Invariants: a call ends within its timeout; no more than [`HANDLERS_MAX`] requests of a service are worked on at a time,
//! further ones are refused at once, and those of the other services never.

use std::collections::{BTreeMap, HashMap};
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::{Buf, BufMut, Bytes};
use futures::future::BoxFuture;
use parking_lot::Mutex;
use quorate_engine::clock::HybridClock;
use quorate_engine::hlc::Timestamp;
use quorate_engine::store::Store;
use quorate_placement::topology::NodeId;
use tokio::sync::{Semaphore, oneshot};

use crate::clock_guard::{ClockChange, ClockDoubt, ClockEpoch, ClockGuard, Reading, Stamp};
use crate::safeguard::{self, Safeguard};
use crate::transport::{Lane, Message, Receiver, SendError, Transport};
use crate::versions::{Protocols, VersionRange};

/// Requests of one service that a node works on at a time; each holds at most one message in memory.
pub const HANDLERS_MAX: usize = 8_192;
/// How often messages with an unbelievable time are told about.
const REFUSAL_TOLD_EVERY: Duration = Duration::from_secs(5);
/// Bytes of the envelope before the payload: protocol, kind, service, id, hybrid time, wall time, synced position.
const ENVELOPE_BYTES: usize = 3 + 8 + 8 + 8 + 8;

/// What time it is, and what time others say it is.
pub trait MessageClock: Send + Sync + 'static {
    /// Hybrid time now.
    fn now(&self) -> Timestamp;
    /// Learns another node's time; false where it lies too far ahead to be believed.
    fn forward(&self, other: Timestamp) -> bool;
    /// Microseconds of a clock that never goes back and counts suspended time.
    fn monotonic_micros(&self) -> u64;
    /// Wall clock and clock of leases at one moment.
    fn reading(&self) -> Reading;
    /// How far the clocks of two nodes may be apart.
    fn offset_max(&self) -> Duration;
}

impl MessageClock for HybridClock {
    fn now(&self) -> Timestamp {
        // Where the bound is late, or cannot be persisted at all: whoever hears of it is past all that was given out.
        Self::now(self).unwrap_or_else(|_| self.last())
    }

    fn forward(&self, other: Timestamp) -> bool {
        Self::forward(self, other).is_ok()
    }

    fn monotonic_micros(&self) -> u64 {
        micros(self.physical().boottime())
    }

    fn reading(&self) -> Reading {
        Reading::of(self.physical().as_ref())
    }

    fn offset_max(&self) -> Duration {
        Self::offset_max(self)
    }
}

/// Who a request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Service {
    /// Messages of Raft groups.
    Raft,
    /// Requests to ranges.
    Range,
    /// Membership, liveness, catalog, placement.
    Cluster,
    /// Snapshots of ranges.
    Snapshot,
    /// Heartbeats of many Raft groups at once.
    Heartbeat,
}

impl Service {
    const ALL: [Self; 5] = [Self::Raft, Self::Range, Self::Cluster, Self::Snapshot, Self::Heartbeat];

    const fn code(self) -> u8 {
        match self {
            Self::Raft => 1,
            Self::Range => 2,
            Self::Cluster => 3,
            Self::Snapshot => 4,
            Self::Heartbeat => 5,
        }
    }

    fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|service| service.code() == code)
    }

    /// This service on a node, over a lane.
    pub const fn at(self, node: NodeId, lane: Lane) -> Destination {
        Destination { node, lane, service: self }
    }
}

/// Where a call goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Destination {
    /// The node.
    pub node: NodeId,
    /// On which connection.
    pub lane: Lane,
    /// Who handles it there.
    pub service: Service,
}

/// What an envelope is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Request,
    Answer,
    /// The receiver has too much to do, nobody there handles the service, or the sender's time is beyond belief.
    Refusal,
}

impl Kind {
    const ALL: [Self; 3] = [Self::Request, Self::Answer, Self::Refusal];

    const fn code(self) -> u8 {
        match self {
            Self::Request => 1,
            Self::Answer => 2,
            Self::Refusal => 3,
        }
    }
}

/// Handles requests of one service.
pub trait Handler: Send + Sync + 'static {
    /// Answers a request. The future is polled once in the order of arrival, then runs on its own.
    fn handle(&self, from: NodeId, payload: Bytes) -> BoxFuture<'static, Bytes>;
}

/// Why a call has no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RpcError {
    /// The request was surely not sent.
    #[error("not sent: {0}")]
    NotSent(SendError),
    /// Sent, and surely not worked on: the receiver had too much to do, or did not believe this node's time.
    #[error("the node has too much to do, or does not believe this node's clock")]
    Refused,
    /// No answer in time: the request may have been worked on.
    #[error("no answer within {}", crate::telling::shown(*.0))]
    TimedOut(Duration),
    /// The connection broke before the answer: the request may have been worked on.
    #[error("the connection broke")]
    Disconnected,
}

/// A message: a fixed head, since every message has all of it and most are small, and what its service makes of the rest.
/// The head begins with the protocol in which both are written, the newest that sender and receiver speak.
struct Envelope {
    protocol: u8,
    kind: Kind,
    service: Service,
    id: u64,
    time: Timestamp,
    wall_micros: u64,
    synced: u64,
    payload: Message,
}

impl Envelope {
    fn encode(self) -> Message {
        let mut bytes = Vec::with_capacity(ENVELOPE_BYTES);
        bytes.put_u8(self.protocol);
        bytes.put_u8(self.kind.code());
        bytes.put_u8(self.service.code());
        bytes.put_u64(self.id);
        bytes.put_u64(self.time.raw());
        bytes.put_u64(self.wall_micros);
        bytes.put_u64(self.synced);
        self.payload.behind(&bytes)
    }

    /// Reads a message; `None` where it is damaged, or in a protocol that is not spoken here.
    fn decode(mut bytes: Bytes, spoken: VersionRange) -> Option<Self> {
        if bytes.len() < ENVELOPE_BYTES {
            return None;
        }
        let protocol = bytes.get_u8();
        if !spoken.contains(protocol.into()) {
            return None;
        }
        let kind = bytes.get_u8();
        let kind = Kind::ALL.into_iter().find(|candidate| candidate.code() == kind)?;
        let service = Service::from_code(bytes.get_u8())?;
        let id = bytes.get_u64();
        let time = Timestamp::from_raw(bytes.get_u64());
        let wall_micros = bytes.get_u64();
        let synced = bytes.get_u64();
        Some(Self { protocol, kind, service, id, time, wall_micros, synced, payload: bytes.into() })
    }
}

/// The service that a message asks, for whoever looks at messages from outside; `None` for answers.
pub fn asked_service(message: &[u8]) -> Option<Service> {
    match message {
        [_, kind, service, ..] if *kind == Kind::Request.code() => Service::from_code(*service),
        _ => None,
    }
}

type Waiting = HashMap<u64, Waiter>;

/// Somebody who waits for an answer, and from where.
struct Waiter {
    to: NodeId,
    /// When it was asked, by the clock of leases.
    asked: Duration,
    answer: oneshot::Sender<Result<Bytes, RpcError>>,
}

/// What messages of a node have told.
#[derive(Clone, Copy)]
struct Heard {
    /// When the last one came, on the clock that never goes back.
    at: u64,
    /// How far its store is synced.
    synced: u64,
}

/// A service of this node.
struct Served {
    handler: OnceLock<Arc<dyn Handler>>,
    /// Room for what is worked on: however many clients wait, heartbeats and votes have theirs.
    working: Arc<Semaphore>,
}

impl Served {
    fn new() -> Self {
        Self { handler: OnceLock::new(), working: Arc::new(Semaphore::new(HANDLERS_MAX)) }
    }
}

/// Who waits for an answer elsewhere.
#[derive(Clone, Copy)]
struct Asker {
    node: NodeId,
    lane: Lane,
    service: Service,
    id: u64,
}

/// One node's end of all calls.
pub struct Rpc {
    node: NodeId,
    transport: Arc<dyn Transport>,
    clock: Arc<dyn MessageClock>,
    guard: ClockGuard,
    served: [Served; Service::ALL.len()],
    /// By lane: whoever asks for data has nothing to do with those who keep leases.
    waiting: [Mutex<Waiting>; Lane::ALL.len()],
    next_id: AtomicU64,
    heard: Mutex<HashMap<NodeId, Heard>>,
    /// Whose position is told; none in tests without a store.
    store: OnceLock<Arc<dyn Store>>,
    /// What is spoken with others. Known from the start: what is sent or comes in first is in a protocol, too.
    protocols: Arc<Protocols>,
    /// When a message with an unbelievable time was told about last; zero for never.
    refusal_told: AtomicU64,
    this: std::sync::Weak<Self>,
}

impl Rpc {
    /// The end of `node`, which speaks the protocols of this release with all; register its handlers before messages arrive.
    pub fn new(node: NodeId, transport: Arc<dyn Transport>, clock: Arc<dyn MessageClock>) -> Arc<Self> {
        Self::speaking(node, transport, clock, Arc::default())
    }

    /// The end of `node`, with what it speaks with others.
    pub fn speaking(
        node: NodeId,
        transport: Arc<dyn Transport>,
        clock: Arc<dyn MessageClock>,
        protocols: Arc<Protocols>,
    ) -> Arc<Self> {
        // Ids start at the clock, so that an answer to an earlier process of this node finds nobody waiting.
        let wall = Timestamp::from_micros(clock.reading().wall_micros);
        let next_id = AtomicU64::new(clock.now().max(wall).raw());
        Arc::new_cyclic(|this| Self {
            node,
            transport,
            guard: ClockGuard::new(clock.offset_max()),
            clock,
            served: std::array::from_fn(|_| Served::new()),
            waiting: std::array::from_fn(|_| Mutex::default()),
            next_id,
            heard: Mutex::new(HashMap::new()),
            store: OnceLock::new(),
            protocols,
            refusal_told: AtomicU64::new(0),
            this: this.clone(),
        })
    }

    /// The node whose end this is.
    pub fn node(&self) -> NodeId {
        self.node
    }

    /// Sets who handles a service; the first one set stays.
    pub fn register(&self, service: Service, handler: Arc<dyn Handler>) {
        if let Some(served) = self.served(service) {
            let _ = served.handler.set(handler);
        }
    }

    fn served(&self, service: Service) -> Option<&Served> {
        self.served.get(usize::from(service.code()) - 1)
    }

    fn handler(&self, service: Service) -> Option<Arc<dyn Handler>> {
        self.served(service)?.handler.get().cloned()
    }

    /// Asks a node and waits for its answer. A call to this node is a function call.
    ///
    /// # Errors
    /// See [`RpcError`]: they differ in whether the request may have been worked on.
    pub async fn call(
        &self,
        destination: Destination,
        payload: impl Into<Message>,
        timeout: Duration,
    ) -> Result<Bytes, RpcError> {
        let Destination { node: to, lane, service } = destination;
        let payload = payload.into();
        if to == self.node {
            let handler = self.handler(service).ok_or(RpcError::Refused)?;
            let answer = handler.handle(self.node, payload.into_bytes());
            return tokio::time::timeout(timeout, answer).await.map_err(|_| RpcError::TimedOut(timeout));
        }
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let (sender, receiver) = oneshot::channel();
        let asked = self.clock.reading().boot;
        self.waiting_on(lane).lock().insert(id, Waiter { to, asked, answer: sender });
        let _guard = Forget { waiting: self.waiting_on(lane), id };
        let envelope = self.envelope(Kind::Request, to, (service, id), payload);
        self.transport.send(to, lane, envelope.encode()).map_err(RpcError::NotSent)?;
        match tokio::time::timeout(timeout, receiver).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) | Err(_) => Err(RpcError::TimedOut(timeout)),
        }
    }

    /// A number that this node gives to nobody else, not even in a later process.
    pub fn unique(&self) -> u64 {
        self.next_id.fetch_add(1, Ordering::Relaxed)
    }

    /// How long ago any message of a node came in; `None` if none did since this process started.
    pub fn last_heard(&self, node: NodeId) -> Option<Duration> {
        if node == self.node {
            return Some(Duration::ZERO);
        }
        let heard = self.heard.lock().get(&node)?.at;
        Some(Duration::from_micros(self.clock.monotonic_micros().saturating_sub(heard)))
    }

    /// Sets the store whose synced position goes with every message; the first one set stays.
    pub fn tell_positions_of(&self, store: Arc<dyn Store>) {
        let _ = self.store.set(store);
    }

    /// What is spoken with a node: see [`Protocols::with`]. Whoever makes messages that an older protocol does not have
    /// asks here first.
    pub fn protocol_with(&self, node: NodeId) -> u32 {
        self.protocols.with(node)
    }

    /// How far each node's store is synced, by the messages that came since this process started.
    pub fn synced_positions(&self) -> BTreeMap<NodeId, u64> {
        self.heard.lock().iter().map(|(node, heard)| (*node, heard.synced)).collect()
    }

    /// Now, on both clocks of this machine.
    pub fn reading(&self) -> Reading {
        self.clock.reading()
    }

    /// What is known of other nodes' clocks.
    pub fn clock_guard(&self) -> &ClockGuard {
        &self.guard
    }

    /// Whether this node's clock is trusted, and was since an epoch that is given; gives the epoch that begins now.
    ///
    /// # Errors
    /// Why not.
    pub fn check_clock(&self, since: Option<ClockEpoch>) -> Result<ClockEpoch, ClockDoubt> {
        let (result, change) = self.guard.check(since, self.clock.reading());
        tell(change);
        result
    }

    fn envelope(&self, kind: Kind, to: NodeId, (service, id): (Service, u64), payload: Message) -> Envelope {
        // A protocol's number fits: see `versions`.
        let protocol = u8::try_from(self.protocol_with(to)).unwrap_or(u8::MAX);
        let wall_micros = self.clock.reading().wall_micros;
        let synced = self.store.get().map_or(0, |store| store.positions().synced);
        Envelope { protocol, kind, service, id, time: self.clock.now(), wall_micros, synced, payload }
    }

    /// Whether it was some time ago that a message with an unbelievable time was told about.
    fn may_tell_refusal(&self) -> bool {
        let (now, pause) = (self.clock.monotonic_micros(), micros(REFUSAL_TOLD_EVERY));
        let told = self.refusal_told.load(Ordering::Relaxed);
        let is_due = told == 0 || now.saturating_sub(told) >= pause;
        if is_due {
            self.refusal_told.store(now.max(1), Ordering::Relaxed);
        }
        is_due
    }

    /// An answer to somebody here says what time it is elsewhere.
    fn measure(&self, (from, lane): (NodeId, Lane), answer: &Envelope) {
        let asked = {
            let waiting = self.waiting_on(lane).lock();
            waiting.get(&answer.id).filter(|waiter| waiter.to == from).map(|waiter| waiter.asked)
        };
        let Some(asked) = asked else { return };
        let now = self.clock.reading();
        let stamp = Stamp { wall_micros: answer.wall_micros, elapsed: now.boot.saturating_sub(asked) };
        tell(self.guard.measured(from, stamp, now));
    }

    fn work(&self, from: NodeId, lane: Lane, request: Envelope) {
        let Some(this) = self.this.upgrade() else { return };
        let asker = Asker { node: from, lane, service: request.service, id: request.id };
        let permit = self
            .served(request.service)
            .and_then(|served| Arc::clone(&served.working).try_acquire_owned().ok());
        // What keeps leases is short; nothing else comes by its lane.
        let belongs = lane != Lane::Leases || request.service == Service::Heartbeat;
        let handler = self.handler(request.service).filter(|_| belongs);
        let (Some(handler), Some(permit)) = (handler, permit) else {
            self.answer(asker, Kind::Refusal, Bytes::new());
            return;
        };
        let mut future: Pin<Box<_>> =
            Box::pin(tokio::task::unconstrained(handler.handle(from, request.payload.into_bytes())));
        match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(answer) => self.answer(asker, Kind::Answer, answer),
            Poll::Pending => {
                tokio::spawn(async move {
                    let answer = future.await;
                    this.answer(asker, Kind::Answer, answer);
                    drop(permit);
                });
            }
        }
    }

    fn answer(&self, asker: Asker, kind: Kind, payload: Bytes) {
        let Asker { node, lane, service, id } = asker;
        let envelope = self.envelope(kind, node, (service, id), payload.into());
        // An answer that cannot be sent is a lost answer: the asker's timeout deals with it.
        let _ = self.transport.send(node, lane, envelope.encode());
    }
}

impl Receiver for Rpc {
    fn receive(&self, from: NodeId, lane: Lane, message: Bytes) {
        let Some(envelope) = Envelope::decode(message, self.protocols.own()) else {
            tracing::warn!(%from, "message in a protocol that is not spoken here, or damaged; dropped");
            return;
        };
        // Whatever the time: one of the two clocks is wrong, and this may tell which.
        if envelope.kind != Kind::Request {
            self.measure((from, lane), &envelope);
        }
        // So a leader's clock is past whatever its predecessor had heard of before it ended its lease: the second line
        // behind a lease that is looked at too early, and off together with the first.
        if safeguard::holds(Safeguard::LeaseCheckedLast) && !self.clock.forward(envelope.time) {
            if self.may_tell_refusal() {
                tracing::error!(%from, time = %envelope.time, "messages from beyond the maximum clock offset, refused");
            }
            if envelope.kind == Kind::Request {
                // Its sender learns what time it is here.
                let asker = Asker { node: from, lane, service: envelope.service, id: envelope.id };
                self.answer(asker, Kind::Refusal, Bytes::new());
            }
            return;
        }
        self.hear(from, envelope.synced);
        match envelope.kind {
            Kind::Request => self.work(from, lane, envelope),
            Kind::Answer => self.wake(lane, envelope.id, Ok(envelope.payload.into_bytes())),
            Kind::Refusal => self.wake(lane, envelope.id, Err(RpcError::Refused)),
        }
    }

    fn disconnected(&self, to: NodeId, lane: Lane) {
        let mut waiting = self.waiting_on(lane).lock();
        let broken = waiting.extract_if(|_, waiter| waiter.to == to);
        for (_, waiter) in broken {
            let _ = waiter.answer.send(Err(RpcError::Disconnected));
        }
    }
}

impl Rpc {
    fn hear(&self, from: NodeId, synced: u64) {
        let at = self.clock.monotonic_micros();
        let mut heard = self.heard.lock();
        let known = heard.entry(from).or_insert(Heard { at, synced });
        // Lanes overtake each other, and a node of before its restart may still be heard.
        *known = Heard { at, synced: known.synced.max(synced) };
    }

    fn waiting_on(&self, lane: Lane) -> &Mutex<Waiting> {
        let [data, control, leases] = &self.waiting;
        match lane {
            Lane::Data => data,
            Lane::Control => control,
            Lane::Leases => leases,
        }
    }

    fn wake(&self, lane: Lane, id: u64, answer: Result<Bytes, RpcError>) {
        let waiter = self.waiting_on(lane).lock().remove(&id);
        if let Some(waiter) = waiter {
            // Nobody listens any more where the call timed out at this very moment.
            let _ = waiter.answer.send(answer);
        }
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

fn tell(change: Option<ClockChange>) {
    match change {
        None => {}
        Some(ClockChange::Doubted(doubt)) => tracing::error!("{doubt}"),
        Some(ClockChange::Trusted) => {
            tracing::info!("this node's clock agrees with those of others: it serves clients");
        }
    }
}

/// Takes a call out of the table of who waits, also when its future is dropped.
struct Forget<'a> {
    waiting: &'a Mutex<Waiting>,
    id: u64,
}

impl Drop for Forget<'_> {
    fn drop(&mut self) {
        self.waiting.lock().remove(&self.id);
    }
}

#[cfg(test)]
mod tests;
