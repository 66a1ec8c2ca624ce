//! openraft's state machine over a replica's [`Applier`]: one batch for each group of committed entries.
//!
//! Snapshots are virtual: the current one is always "what is applied now". A view is pinned only where one may be sent,
//! in turn with applying; a start builds nothing.
//!
//! Invariant: what is applied and the applied position are written together; once [`ApplyGate::close`] has returned,
//! nothing is written any more, though openraft's worker may live on for a while. It is gone when [`Machinery::_alive`]
//! is.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures::{Stream, StreamExt};
use openraft::alias::{SnapshotMetaOf, SnapshotOf};
use openraft::storage::{EntryResponder, RaftStateMachine};
use openraft::{OptionalSend, RaftSnapshotBuilder};
use quorate_engine::staging::PinnedView;
use quorate_engine::store::{Batch, Durability, Family, Store, StoreError};
use quorate_placement::topology::RangeId;
use tokio::sync::{Mutex, watch};

use super::applied_format::{
    AppliedMembership, applied_key, decode_applied, decode_membership, encode_applied, encode_membership,
    membership_key,
};
use super::convert::{
    AppliedEntry, RaftLogId, RaftStoredMembership, TypeConfig, entry_of, log_id_of, raft_membership_of,
};
use super::log_writer::LogWriter;
use super::snapshot::head_format::Marker;
use super::snapshot::install::{install_small, install_staged};
use super::snapshot::{Content, INSTALLED, LogHolds, Pinned, RangeSnapshot, Received, Snapshots, head_of};
use super::types::{EntryPayload, LogEntry};
use super::{Applier, ApplyError, Holdings};
use crate::blocking::{Blocking, pause};
use crate::limits::{APPLY_MAX_BYTES, APPLY_MAX_ENTRIES};
use crate::log_position::LogPosition;

/// The door that applies pass, until it is closed.
#[derive(Default)]
pub(crate) struct ApplyGate {
    is_closed: Mutex<bool>,
    /// Whether views may be pinned: not while the group starts, when openraft looks at the snapshot and lets it go.
    may_pin: AtomicBool,
}

impl ApplyGate {
    /// Lets nothing be written any more; waits for a write under way.
    pub(crate) async fn close(&self) {
        *self.is_closed.lock().await = true;
    }

    /// Lets snapshots be sent.
    pub(crate) fn allow_pins(&self) {
        self.may_pin.store(true, Ordering::Release);
    }
}

/// What a state machine is made of.
pub(crate) struct Machinery {
    pub(crate) range_id: RangeId,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) writer: Arc<LogWriter>,
    pub(crate) applier: Arc<dyn Applier>,
    pub(crate) gate: Arc<ApplyGate>,
    pub(crate) applied: watch::Sender<Option<LogPosition>>,
    pub(crate) snapshots: Arc<Snapshots>,
    pub(crate) holds: LogHolds,
    pub(crate) blocking: Blocking,
    /// Closed when this is gone: no apply can come any more.
    pub(crate) _alive: watch::Sender<()>,
}

/// See the module.
pub(crate) struct StateMachine {
    machinery: Machinery,
    membership: AppliedMembership,
}

impl StateMachine {
    /// Reads what was applied.
    pub(crate) fn open(machinery: Machinery) -> io::Result<Self> {
        let get = |key: Vec<u8>| machinery.store.get(Family::Range, &key).map_err(io::Error::other);
        let applied = get(applied_key(machinery.range_id))?.map(decode_applied).transpose();
        let membership = get(membership_key(machinery.range_id))?.map(decode_membership).transpose();
        let damaged = |error| io::Error::new(io::ErrorKind::InvalidData, error);
        machinery.applied.send_replace(applied.map_err(damaged)?);
        Ok(Self { machinery, membership: membership.map_err(damaged)?.unwrap_or_default() })
    }

    fn applied(&self) -> Option<LogPosition> {
        *self.machinery.applied.borrow()
    }

    fn stored_membership(&self) -> io::Result<RaftStoredMembership> {
        let membership = raft_membership_of(&self.membership.membership)
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        Ok(RaftStoredMembership::new(self.membership.position.map(log_id_of), membership))
    }

    fn meta(&self) -> io::Result<SnapshotMetaOf<TypeConfig>> {
        Ok(SnapshotMetaOf::<TypeConfig> {
            last_log_id: self.applied().map(log_id_of),
            last_membership: self.stored_membership()?,
        })
    }

    /// A view as of what is applied, if one may be sent now.
    fn pin(&self, position: LogPosition) -> Result<Option<Pinned>, StoreError> {
        let machinery = &self.machinery;
        if !machinery.gate.may_pin.load(Ordering::Acquire) {
            return Ok(None);
        }
        let Some(slot) = machinery.snapshots.slot() else { return Ok(None) };
        let view: Arc<dyn PinnedView> = machinery.store.pin()?.into();
        let holdings = machinery.applier.holdings();
        let mut stored = 0;
        for span in &holdings.spans {
            stored += machinery.store.approximate_bytes(span.family, &span.start, &span.end)?;
        }
        // The store counts what is compressed, and hardly what is in memory.
        let bytes_expected = stored.max(holdings.bytes);
        let head = head_of(view.as_ref(), holdings, position, self.membership.clone())?;
        let hold = machinery.holds.hold(position.index);
        Ok(Some(Pinned { head, view, bytes_expected, _hold: hold, _slot: slot }))
    }

    /// Makes a received snapshot the state, in place of all that was applied.
    async fn install(&mut self, received: Received) -> Result<(), ApplyError> {
        let machinery = &self.machinery;
        let (range_id, Received { head, content }) = (machinery.range_id, received);
        let stopped = |detail: String| ApplyError::Divergence { position: head.position, detail };
        // A truncation that was asked for before must not come after.
        machinery.writer.barrier(range_id).await.map_err(|error| stopped(error.to_string()))?;
        let is_closed = machinery.gate.is_closed.lock().await;
        if *is_closed {
            return Err(stopped("the replica was shut down".to_owned()));
        }
        let Holdings { spans: replaced, shared, .. } = machinery.applier.holdings();
        head.is_of(&shared).map_err(|broken| stopped(broken.to_string()))?;
        let goes_back = self.applied().is_some_and(|applied| applied.index > head.position.index);
        if goes_back {
            return Err(stopped("a snapshot of before what was applied is not installed".to_owned()));
        }
        let (store, new_head) = (Arc::clone(&machinery.store), head.clone());
        let work = move || match content {
            Content::Small(parts) => install_small(store.as_ref(), range_id, (&new_head, &replaced), parts),
            Content::Staged(area) => {
                let marker = Marker { area: area.leave_to_marker(), head: new_head, replaced };
                install_staged(store.as_ref(), range_id, &marker)
            }
        };
        let installed = machinery.blocking.run(work).await.map_err(|error| stopped(error.to_string()))?;
        installed.inspect_err(|error| machinery.writer.poison(error.clone()))?;
        machinery.applier.installed(head.position)?;
        metrics::counter!(INSTALLED).increment(1);
        machinery.applied.send_replace(Some(head.position));
        drop(is_closed);
        self.membership = head.membership;
        Ok(())
    }

    /// Applies some entries in one batch.
    async fn apply_batch(&mut self, entries: &[LogEntry]) -> Result<Vec<AppliedEntry>, ApplyError> {
        let Some(last) = entries.last().map(|entry| entry.position) else { return Ok(Vec::new()) };
        if let Some(stalls) = self.machinery.blocking.stalls() {
            pause(stalls.apply()).await;
        }
        let range_id = self.machinery.range_id;
        let mut batch = Batch::new();
        self.check_order(entries)?;
        let outcomes = self.sound(last, || self.machinery.applier.apply(entries, &mut batch))??;
        if outcomes.len() != entries.len() {
            let detail = format!("{} outcomes of {} entries", outcomes.len(), entries.len());
            return Err(ApplyError::Divergence { position: last, detail });
        }
        batch.put(Family::Range, applied_key(range_id), encode_applied(last));
        let membership = newest_membership(entries);
        if let Some(membership) = &membership {
            batch.put(Family::Range, membership_key(range_id), encode_membership(membership));
        }
        self.write(batch).await?;
        self.membership = membership.unwrap_or_else(|| std::mem::take(&mut self.membership));
        self.sound(last, || self.machinery.applier.applied(entries, last))?;
        self.machinery.applied.send_replace(Some(last));
        let outcome = |(entry, outcome): (&LogEntry, _)| AppliedEntry { position: entry.position, outcome };
        Ok(entries.iter().zip(outcomes).map(outcome).collect())
    }

    /// Runs what must not fail half-way. A rule that is broken there is broken again whenever the same entries are
    /// applied: the replica stops for good, and does not come back to them again and again.
    fn sound<T>(&self, position: LogPosition, work: impl FnOnce() -> T) -> Result<T, ApplyError> {
        caught(work).map_err(|detail| self.diverged(position, detail))
    }

    fn diverged(&self, position: LogPosition, detail: String) -> ApplyError {
        let error = ApplyError::Divergence { position, detail };
        self.machinery.applier.diverged(&error.to_string());
        error
    }

    /// Entries are applied in their order, each once, in terms that only rise.
    fn check_order(&self, entries: &[LogEntry]) -> Result<(), ApplyError> {
        let mut before = self.applied();
        for LogEntry { position, .. } in entries {
            let follows =
                before.is_none_or(|before| position.index > before.index && position.term >= before.term);
            if !follows {
                let before = before.map_or_else(String::new, |before| before.to_string());
                return Err(
                    self.diverged(*position, format!("it does not follow {before}, which was applied last"))
                );
            }
            before = Some(*position);
        }
        Ok(())
    }

    async fn write(&self, batch: Batch) -> Result<(), ApplyError> {
        let is_closed = self.machinery.gate.is_closed.lock().await;
        if *is_closed {
            let detail = "the replica was shut down".to_owned();
            return Err(ApplyError::Divergence {
                position: self.applied().unwrap_or(LogPosition::SEED),
                detail,
            });
        }
        self.machinery.store.write(batch, Durability::Buffered).map_err(|error| {
            self.machinery.writer.poison(error.clone());
            ApplyError::Store(error)
        })
    }
}

/// What work gives, or what it said when it panicked.
fn caught<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("a panic without words").to_owned()
    })
}

fn newest_membership(entries: &[LogEntry]) -> Option<AppliedMembership> {
    entries.iter().rev().find_map(|entry| match &entry.payload {
        EntryPayload::Membership(membership) => {
            Some(AppliedMembership { position: Some(entry.position), membership: membership.clone() })
        }
        EntryPayload::Blank | EntryPayload::Command(_) => None,
    })
}

impl RaftStateMachine<TypeConfig> for StateMachine {
    type SnapshotData = RangeSnapshot;
    type SnapshotBuilder = SnapshotBuilder;

    async fn applied_state(&mut self) -> Result<(Option<RaftLogId>, RaftStoredMembership), io::Error> {
        Ok((self.applied().map(log_id_of), self.stored_membership()?))
    }

    async fn apply<Strm>(&mut self, stream: Strm) -> Result<(), io::Error>
    where
        Strm: Stream<Item = Result<EntryResponder<TypeConfig>, io::Error>> + Unpin + OptionalSend,
    {
        let mut stream = stream.fuse();
        loop {
            let (mut entries, mut responders, mut bytes) = (Vec::new(), Vec::new(), 0);
            while bytes < APPLY_MAX_BYTES && entries.len() < APPLY_MAX_ENTRIES {
                let Some(next) = stream.next().await else { break };
                let (entry, responder) = next?;
                let entry = entry_of(&entry);
                bytes += match &entry.payload {
                    EntryPayload::Command(command) => command.size_bytes(),
                    EntryPayload::Blank | EntryPayload::Membership(_) => 0,
                };
                entries.push(entry);
                responders.push(responder);
            }
            if entries.is_empty() {
                return Ok(());
            }
            let outcomes = self.apply_batch(&entries).await.map_err(io::Error::other)?;
            for (responder, outcome) in responders.into_iter().zip(outcomes) {
                if let Some(responder) = responder {
                    responder.send(outcome);
                }
            }
        }
    }

    async fn get_snapshot_builder(&mut self) -> Self::SnapshotBuilder {
        SnapshotBuilder { meta: self.meta() }
    }

    async fn install_snapshot(
        &mut self,
        _meta: &SnapshotMetaOf<TypeConfig>,
        snapshot: Self::SnapshotData,
    ) -> Result<(), io::Error> {
        match snapshot {
            RangeSnapshot::Received(received) => self.install(*received).await.map_err(io::Error::other),
            RangeSnapshot::Virtual | RangeSnapshot::Pinned(_) => {
                Err(io::Error::new(io::ErrorKind::InvalidInput, "a snapshot of this replica's own"))
            }
        }
    }

    async fn get_current_snapshot(
        &mut self,
    ) -> Result<Option<SnapshotOf<TypeConfig, RangeSnapshot>>, io::Error> {
        let Some(position) = self.applied() else { return Ok(None) };
        let pinned = self.pin(position).map_err(io::Error::other)?;
        let snapshot =
            pinned.map_or(RangeSnapshot::Virtual, |pinned| RangeSnapshot::Pinned(Box::new(pinned)));
        Ok(Some(SnapshotOf::<TypeConfig, _> { meta: self.meta()?, snapshot }))
    }
}

/// Gives out the virtual snapshot of the moment of its making.
pub(crate) struct SnapshotBuilder {
    meta: io::Result<SnapshotMetaOf<TypeConfig>>,
}

impl RaftSnapshotBuilder<TypeConfig> for SnapshotBuilder {
    type SnapshotData = RangeSnapshot;

    async fn build_snapshot(&mut self) -> Result<SnapshotOf<TypeConfig, RangeSnapshot>, io::Error> {
        let built = || io::Error::other("a snapshot was built twice");
        let meta = std::mem::replace(&mut self.meta, Err(built()))?;
        Ok(SnapshotOf::<TypeConfig, _> { meta, snapshot: RangeSnapshot::Virtual })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn broken_rules_are_caught_with_their_words() {
        assert_eq!(caught(|| 7), Ok(7));
        let closed = 3;
        let broken = caught(|| assert!(closed > 4, "what is closed stays closed, not {closed}"));
        assert_eq!(broken, Err("what is closed stays closed, not 3".to_owned()));
        assert_eq!(caught(|| panic!("as a test wants")), Err::<(), _>("as a test wants".to_owned()));
    }
}
