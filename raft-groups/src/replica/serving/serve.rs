//! May this replica serve? The lease, waiting for it, and the breaker.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use quorate_engine::clock::ClockError;
use quorate_engine::hlc::Timestamp;
use quorate_engine::kv::Span;
use quorate_placement::topology::NodeId;
use tokio::sync::watch;

use super::Serving;
use super::clockwork::Members;
use crate::api::RangeError;
use crate::clock_bound::timestamp_within;
use crate::concurrency::latch::{LatchError, LatchGuard};
use crate::concurrency::latch_table::LatchSpans;
use crate::descriptor::RangeDescriptor;
use crate::lease::breaker::{Missing, Trip, explain, tripped};
use crate::local_ranges::SilentPeer;
use crate::raft::RaftGroup;

/// The term in which a replica serves: what was read in one term is answered in that term, or not at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServingTerm(pub u64);

/// How long a request may go on waiting, in microseconds of the lease's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Deadline(u64);

enum Standing {
    Serves(ServingTerm),
    /// Leads, but has no lease (yet).
    Waits,
    Follows(Option<NodeId>),
    Stopped(String),
}

impl Serving {
    /// The deadline of a request that arrives now.
    pub(super) fn deadline(&self) -> Deadline {
        Deadline(self.shared.now().saturating_add(self.shared.timing.request))
    }

    /// A deadline that much from now.
    pub(super) fn deadline_within(&self, time: Duration) -> Deadline {
        let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        Deadline(self.shared.now().saturating_add(micros))
    }

    pub(super) fn remaining(&self, deadline: Deadline) -> Duration {
        Duration::from_micros(deadline.0.saturating_sub(self.shared.now()))
    }

    /// Waits until this replica may serve.
    ///
    /// # Errors
    /// [`RangeError::NotLeaseholder`] where another leads, [`RangeError::Unavailable`] where the breaker is open.
    pub(super) async fn wait_to_serve(&self, deadline: Deadline) -> Result<ServingTerm, RangeError> {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            match self.standing() {
                Standing::Serves(term) => {
                    self.check_breaker()?;
                    return Ok(term);
                }
                Standing::Waits => {}
                Standing::Follows(leaseholder) => {
                    self.check_breaker()?;
                    return Err(RangeError::NotLeaseholder { range_id: self.range_id, leaseholder });
                }
                Standing::Stopped(reason) => return Err(self.unavailable(reason)),
            }
            self.check_breaker()?;
            if self.remaining(deadline).is_zero() {
                return Err(self.unavailable("its leader got no lease in time".to_owned()));
            }
            let mut health = self.watch_breaker();
            tokio::select! {
                biased;
                () = changed => {}
                () = tripped_open(&mut health) => {}
                () = tokio::time::sleep(self.remaining(deadline)) => {}
            }
        }
    }

    /// The last thing before an answer: is the lease still held, in the same term? A pause at any moment before is
    /// noticed here (design.md section 14, story 4).
    pub(super) fn still_serves(&self, term: ServingTerm) -> bool {
        match self.standing() {
            Standing::Serves(now) => now == term,
            Standing::Waits | Standing::Follows(_) | Standing::Stopped(_) => false,
        }
    }

    fn standing(&self) -> Standing {
        if let Some(reason) = self.machine.stopped() {
            return Standing::Stopped(reason);
        }
        let Some(group) = self.machine.group() else { return Standing::Follows(None) };
        // A follower need not know the members.
        let members = self.leads().then(|| self.members(&group));
        let lease = self.lease.lock();
        let (Some(term), Some(members)) = (lease.leads(), members) else {
            let now = self.shared.now();
            // A leader that has not been heard of for so long may be dead: no use in sending anyone there.
            let is_recent = now.saturating_sub(lease.evidence_at()) < self.shared.timing.vote_promise;
            drop(lease);
            let leader = group.leader().filter(|leader| is_recent && *leader != self.replica_id);
            return Standing::Follows(leader.and_then(|leader| self.machine.descriptor().node_of(leader)));
        };
        // The time is read after everything else.
        match lease.lease_until(self.shared.now(), &members) {
            Some(until) if self.shared.now() < until => Standing::Serves(ServingTerm(term)),
            Some(_) | None => Standing::Waits,
        }
    }

    pub(super) fn leads(&self) -> bool {
        self.lease.lock().leads().is_some()
    }

    /// Whether the lease is held now.
    pub(crate) fn has_lease(&self) -> bool {
        matches!(self.standing(), Standing::Serves(_))
    }

    /// Why the breaker is open, if it is.
    pub(super) fn trip(&self) -> Option<Trip> {
        self.trip_at(self.shared.now(), |group| self.members(group))
    }

    /// Why the breaker is open, for a person, if it is.
    pub(crate) fn trip_told(&self) -> Option<String> {
        self.trip().map(|trip| self.explain(trip))
    }

    fn trip_at(&self, now: u64, members: impl Fn(&RaftGroup) -> Members) -> Option<Trip> {
        let evidence_at = match self.machine.group().filter(|_| self.leads()) {
            Some(group) => {
                let members = members(&group);
                self.lease.lock().evidence(now, &members)
            }
            None => self.lease.lock().evidence_at(),
        };
        tripped(&self.shared.timing, now, evidence_at, self.in_flight.oldest())
    }

    pub(super) fn check_breaker(&self) -> Result<(), RangeError> {
        match self.trip() {
            Some(trip) => Err(self.unavailable(self.explain(trip))),
            None => Ok(()),
        }
    }

    pub(super) fn unavailable(&self, detail: String) -> RangeError {
        RangeError::Unavailable { range_id: self.range_id, detail }
    }

    /// The breaker's text for a person.
    pub(super) fn explain(&self, trip: Trip) -> String {
        explain(self.range_id, &self.machine.descriptor().span, trip, &self.missing())
    }

    /// Replicas that do not answer, and for how long.
    pub(super) fn missing(&self) -> Vec<Missing> {
        let descriptor = self.machine.descriptor();
        let now = self.shared.now();
        let lease = self.lease.lock();
        let mut missing = Vec::new();
        for peer in descriptor.replicas.iter().filter(|peer| peer.replica_id != self.replica_id) {
            let heard = self.shared.rpc.last_heard(peer.node_id);
            let acknowledged = lease.acknowledged_at(peer.replica_id).map(|at| now.saturating_sub(at));
            let silent = match (lease.leads(), acknowledged) {
                (Some(_), Some(micros)) => Some(Duration::from_micros(micros)),
                (Some(_), None) | (None, _) => heard,
            };
            if silent.is_none_or(|silent| silent >= Duration::from_micros(self.shared.timing.vote_promise)) {
                missing.push(Missing { replica_id: peer.replica_id, node_id: peer.node_id, silent });
            }
        }
        missing
    }

    /// On the leader: peers that have acknowledged nothing for longer than a lease.
    pub(crate) fn silent_peers(&self) -> Vec<SilentPeer> {
        if !self.leads() {
            return Vec::new();
        }
        let peers = self.missing().into_iter();
        peers
            .map(|missing| SilentPeer {
                node_id: missing.node_id,
                silent: missing.silent.unwrap_or(Duration::MAX),
            })
            .collect()
    }

    /// Requests that hold or wait for latches.
    pub(crate) fn latched(&self) -> usize {
        self.latches.len()
    }

    /// Waits for latches, until the deadline or the breaker ends it. Once they are held, no split takes keys of theirs
    /// away while this replica serves in its term.
    ///
    /// # Errors
    /// [`RangeError::Mismatch`] where one has done so before.
    pub(super) async fn latch(
        &self,
        spans: LatchSpans,
        deadline: Deadline,
    ) -> Result<LatchGuard, RangeError> {
        let hull = spans.hull();
        let acquired = self.latches.acquire(spans, self.remaining(deadline));
        let acquired = self.or_tripped(acquired).await?;
        let guard = acquired.map_err(|error| match error {
            LatchError::QueueFull | LatchError::TimedOut => self.unavailable(error.to_string()),
        })?;
        self.check_hull(hull.as_ref())?;
        Ok(guard)
    }

    /// The descriptor as of now, if it covers what a request holds latches for.
    pub(super) fn check_hull(&self, hull: Option<&Span>) -> Result<Arc<RangeDescriptor>, RangeError> {
        let descriptor = self.machine.descriptor();
        if hull.is_none_or(|hull| descriptor.span.covers(hull)) {
            return Ok(descriptor);
        }
        Err(self.mismatch(&descriptor))
    }

    pub(super) fn mismatch(&self, descriptor: &RangeDescriptor) -> RangeError {
        let known = descriptor.is_known().then(|| descriptor.clone());
        RangeError::Mismatch { range_id: self.range_id, known: known.into_iter().collect() }
    }

    /// Waits for `work`, but no longer than the breaker is closed.
    pub(super) async fn or_tripped<T>(&self, work: impl Future<Output = T>) -> Result<T, RangeError> {
        tokio::pin!(work);
        loop {
            let mut health = self.watch_breaker();
            tokio::select! {
                biased;
                done = work.as_mut() => return Ok(done),
                () = tripped_open(&mut health) => self.check_breaker()?,
            }
        }
    }

    /// Whether the breaker is open, from now on: as long as this is held, the ticker looks at each tick.
    fn watch_breaker(&self) -> watch::Receiver<bool> {
        let health = self.tripped.subscribe();
        // What was found for others may be long over.
        if *health.borrow() {
            self.note_trip(self.trip().is_some());
        }
        health
    }

    /// What the ticker does where somebody waits.
    pub(super) fn look_at_breaker(&self, now: u64) {
        if self.tripped.receiver_count() > 0 {
            let seen = |group: &RaftGroup| Members { group: group.membership_seen(), me: self.replica_id };
            self.note_trip(self.trip_at(now, seen).is_some());
        }
    }

    fn note_trip(&self, is_open: bool) {
        self.tripped.send_if_modified(|was_open| std::mem::replace(was_open, is_open) != is_open);
    }

    /// Takes note of a timestamp that came with a request.
    ///
    /// # Errors
    /// It lies too far in the future.
    pub(super) fn forward_clock(&self, timestamp: Timestamp) -> Result<(), RangeError> {
        self.shared.clock.forward(timestamp).map_err(|error| RangeError::Refused(error.to_string()))
    }

    /// Hybrid time; waits for the clock's bound where that is late.
    ///
    /// # Errors
    /// The bound is too late for the request, or could not be persisted.
    pub(super) async fn hybrid_time(&self, deadline: Deadline) -> Result<Timestamp, RangeError> {
        let now = timestamp_within(&self.shared.clock, self.remaining(deadline)).await;
        now.map_err(|error| match error {
            ClockError::Late => self.unavailable(error.to_string()),
            ClockError::TooFarAhead { .. } | ClockError::Bound(_) => RangeError::Storage(error.to_string()),
        })
    }

    /// Commit wait: nothing is answered before the local physical clock has passed the timestamp (story 14).
    pub(super) async fn wait_until_passed(&self, timestamp: Timestamp) {
        loop {
            let wait = self.shared.clock.wait_until_passed(timestamp);
            if wait.is_zero() {
                return;
            }
            tokio::time::sleep(wait).await;
        }
    }

    /// Runs work that may take long on a thread that may block.
    pub(super) async fn offload<T: Send + 'static>(
        self: &Arc<Self>,
        is_long: bool,
        work: impl FnOnce(&Self) -> T + Send + 'static,
    ) -> Result<T, RangeError> {
        if !is_long {
            return Ok(work(self));
        }
        let this = Arc::clone(self);
        let done = self.shared.blocking.run(move || work(&this)).await;
        done.map_err(|error| RangeError::Storage(error.to_string()))
    }
}

/// Ends when the breaker is open.
async fn tripped_open(health: &mut watch::Receiver<bool>) {
    if health.wait_for(|is_open| *is_open).await.is_err() {
        // The replica is gone, and whoever waits for it with it.
        std::future::pending::<()>().await;
    }
}
