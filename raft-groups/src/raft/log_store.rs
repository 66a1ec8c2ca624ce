//! One group's log, vote and purge point: openraft's log storage over the store's shared writer.
//!
//! State in memory runs ahead of the disk: an append is readable at once, its completion comes from the writer. The
//! newest entries are in the [`LogTail`]; older ones are read from the store.
//!
//! Invariants: all changes go through the writer, in the order in which openraft asked for them; an entry in memory
//! is not let go before it was written; what is read has no gap.
//! Source: `storage/v2/raft_log_storage.rs` of openraft for the contracts.

use std::collections::VecDeque;
use std::fmt::Debug;
use std::io;
use std::ops::{Bound, RangeBounds};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use futures::stream::{self, Stream};
use openraft::storage::{IOFlushed, RaftLogStorage};
use openraft::{LogState, OptionalSend, RaftLogReader};
use parking_lot::Mutex;
use quorate_engine::store::{Batch, Durability, Family, Store, StoreError};
use quorate_placement::topology::{RangeId, ReplicaId};
use tokio::sync::oneshot;

use super::LeaseObserver;
use super::applied_format::{applied_key, decode_applied};
use super::convert::{
    RaftEntry, RaftLogId, RaftVote, TypeConfig, entry_of, log_id_of, position_of, raft_entry_of,
    raft_vote_of, vote_of,
};
use super::log_format::{
    decode_entry, decode_purged, decode_vote, encode_entry, encode_purged, encode_vote, entries_end,
    entry_key, purged_key, vote_key,
};
use super::log_sizes::LogSizes;
use super::log_tail::LogTail;
use super::log_writer::{Done, LogWriter};
use super::seed::granted_to;
use crate::limits::{LOG_READ_MAX_BYTES, LOG_TAIL_MAX_BYTES};
use crate::log_position::{LogPosition, VoteState};
use crate::safeguard::{self, Safeguard};

/// The log as openraft holds it, and its readers.
#[derive(Clone)]
pub(crate) struct LogStore {
    log: Arc<GroupLog>,
}

/// What all handles of one group's log share.
pub(crate) struct GroupLog {
    range_id: RangeId,
    store: Arc<dyn Store>,
    writer: Arc<LogWriter>,
    observer: Arc<dyn LeaseObserver>,
    /// Number of the last append that was written.
    written: Arc<AtomicU64>,
    state: Mutex<KnownLog>,
}

#[derive(Default)]
struct KnownLog {
    vote: Option<VoteState>,
    purged: Option<LogPosition>,
    /// The last entry, or the purge point where there is none.
    last: Option<LogPosition>,
    tail: LogTail,
    /// Number of the last append.
    sequence: u64,
    /// Bytes of this log in the store, as estimated.
    sizes: LogSizes,
}

impl KnownLog {
    /// Forgets the entries up to a position and says how many bytes they had. Those in memory go too: what is cut off is
    /// applied, and openraft waits until no follower's stream reads it.
    fn purge(&mut self, upto: LogPosition) -> u64 {
        self.purged = self.purged.max(Some(upto));
        self.last = self.last.max(Some(upto));
        self.tail.purge(upto.index);
        self.sizes.purge(upto.index)
    }

    /// The part of `start..end` that can exist.
    fn clamp(&self, start: u64, end: u64) -> (u64, u64) {
        let first = self.purged.map_or(0, |purged| purged.index + 1);
        let next = self.last.map_or(0, |last| last.index + 1);
        (start.max(first), end.min(next))
    }
}

fn damaged(error: impl std::error::Error + Send + Sync + 'static) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

/// Tells of damage on the disk.
pub(crate) fn tell(observer: &dyn LeaseObserver, error: &io::Error) {
    if let Some(damage) = super::damage_of(error) {
        observer.met_damage(&damage.to_string());
    }
}

fn invalid(detail: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, detail)
}

/// What removes a log that is another than the one of which entries are applied; `None` where there is none. A follower
/// applies what is committed, or installs a snapshot, before its own log is written: after a crash the log may hold what
/// the entries that were applied had overwritten. All up to the applied position is committed, and what else the log
/// holds never will be.
pub(crate) fn superseded(store: &dyn Store, range_id: RangeId) -> io::Result<Option<Batch>> {
    let get = |family, key: Vec<u8>| store.get(family, &key).map_err(io::Error::other);
    let Some(applied) = get(Family::Range, applied_key(range_id))? else { return Ok(None) };
    let applied = decode_applied(applied).map_err(damaged)?;
    let Some(entry) = get(Family::Raft, entry_key(range_id, applied.index))? else { return Ok(None) };
    let position = decode_entry(&entry_key(range_id, applied.index), entry).map_err(damaged)?.position;
    if position == applied {
        return Ok(None);
    }
    tracing::info!(range = %range_id, log = %position, %applied, "the log holds entries that were never committed; it is removed, and nothing is lost");
    let mut batch = Batch::new();
    batch.delete_range(Family::Raft, entry_key(range_id, 0), entries_end(range_id));
    batch.put(Family::Raft, purged_key(range_id), encode_purged(applied));
    Ok(Some(batch))
}

impl GroupLog {
    /// Reads where the log of a range stands. Waits for the disk where there is something [`superseded`].
    pub(crate) fn open(
        range_id: RangeId,
        store: Arc<dyn Store>,
        writer: Arc<LogWriter>,
        observer: Arc<dyn LeaseObserver>,
    ) -> io::Result<Arc<Self>> {
        Self::open_stored(range_id, store, writer, Arc::clone(&observer))
            .inspect_err(|error| tell(observer.as_ref(), error))
    }

    fn open_stored(
        range_id: RangeId,
        store: Arc<dyn Store>,
        writer: Arc<LogWriter>,
        observer: Arc<dyn LeaseObserver>,
    ) -> io::Result<Arc<Self>> {
        if let Some(removal) = superseded(store.as_ref(), range_id)? {
            store.write(removal, Durability::Synced).map_err(io::Error::other)?;
        }
        let get = |key: Vec<u8>| store.get(Family::Raft, &key).map_err(io::Error::other);
        let vote = get(vote_key(range_id))?.map(decode_vote).transpose().map_err(damaged)?;
        let purged = get(purged_key(range_id))?.map(decode_purged).transpose().map_err(damaged)?;
        let last_entry = last_entry(store.as_ref(), range_id)?;
        let bytes = store
            .approximate_bytes(Family::Raft, &entry_key(range_id, 0), &entries_end(range_id))
            .map_err(io::Error::other)?;
        let mut sizes = LogSizes::default();
        if let Some(last) = last_entry {
            sizes.push(purged.map_or(0, |purged| purged.index + 1), last.index, bytes);
        }
        let state = KnownLog { vote, purged, last: last_entry.max(purged), sizes, ..KnownLog::default() };
        writer.add_log_bytes(state.sizes.total());
        let written = Arc::new(AtomicU64::new(0));
        Ok(Arc::new(Self { range_id, store, writer, observer, written, state: Mutex::new(state) }))
    }

    /// The last entry, or the purge point.
    pub(crate) fn last(&self) -> Option<LogPosition> {
        self.state.lock().last
    }

    /// The vote on the disk.
    pub(crate) fn vote(&self) -> Option<VoteState> {
        self.state.lock().vote
    }

    /// Whether this vote is on the disk, and this entry is the last one and is there too.
    pub(crate) fn is_settled(&self, vote: VoteState, last: LogPosition) -> bool {
        let state = self.state.lock();
        let is_written = self.written.load(Ordering::Acquire) == state.sequence;
        state.vote == Some(vote) && state.last == Some(last) && is_written
    }

    /// Whether this is the log of a group whose first term is granted to a replica, and nothing has happened since.
    pub(crate) fn is_granted_to(&self, replica_id: ReplicaId) -> bool {
        let state = self.state.lock();
        state.vote == Some(granted_to(replica_id))
            && state.purged == Some(LogPosition::SEED)
            && state.last == state.purged
    }

    /// The entries up to here were cut off.
    #[cfg(test)]
    pub(crate) fn purged(&self) -> Option<LogPosition> {
        self.state.lock().purged
    }

    /// How many bytes its entries take.
    pub(crate) fn sizes(&self) -> LogSizes {
        self.state.lock().sizes.clone()
    }

    /// Waits until all that was asked for has been written. The group's Raft task must have ended.
    pub(crate) async fn close(&self) -> io::Result<()> {
        let sizes = std::mem::take(&mut self.state.lock().sizes);
        self.writer.remove_log_bytes(sizes.total());
        self.writer.barrier(self.range_id).await
    }

    /// Takes entries into memory and gives back the batch that stores them, with the number of this append.
    fn accept(&self, entries: impl IntoIterator<Item = RaftEntry>) -> io::Result<(Batch, u64)> {
        let mut batch = Batch::new();
        let mut state = self.state.lock();
        state.sequence += 1;
        let sequence = state.sequence;
        let mut first = None;
        for entry in entries {
            let own = entry_of(&entry);
            let value = encode_entry(&own);
            let position = own.position;
            // Entries come from another node, too.
            if state.last.is_some_and(|last| last.term > position.term) {
                return Err(invalid(format!("{}: entry {position} is of an earlier term", self.range_id)));
            }
            if !state.tail.push(entry, value.len(), sequence) {
                return Err(invalid(format!(
                    "{}: entry {position} does not follow {:?}",
                    self.range_id, state.last
                )));
            }
            state.last = Some(position);
            first.get_or_insert(position.index);
            batch.put(Family::Raft, entry_key(self.range_id, position.index), value);
        }
        let bytes = batch.size_bytes() as u64;
        if let (Some(first), Some(last)) = (first, state.last) {
            state.sizes.push(first, last.index, bytes);
        }
        state.tail.evict(LOG_TAIL_MAX_BYTES, self.written.load(Ordering::Acquire));
        drop(state);
        self.writer.add_log_bytes(bytes);
        Ok((batch, sequence))
    }

    /// Entries from `start` to before `end`: all, or the first ones up to a number of bytes and at least one.
    fn read(&self, start: u64, end: u64, limit: usize) -> io::Result<Vec<RaftEntry>> {
        let (start, end, in_memory, newer) = {
            let state = self.state.lock();
            let (start, end) = state.clamp(start, end);
            let in_memory = state.tail.first_index().unwrap_or(end).clamp(start.min(end), end);
            let newer = take(state.tail.range(in_memory, end), &mut 0, limit);
            (start, end, in_memory, newer)
        };
        if start >= end {
            return Ok(Vec::new());
        }
        let mut bytes = 0;
        let mut entries = self.read_stored(start, in_memory, &mut bytes, limit)?;
        let reached = entries.last().map_or(start, |entry| entry.log_id.index + 1);
        if reached >= in_memory || entries.is_empty() {
            let newer = newer.iter().map(|entry| (entry, entry_bytes(entry)));
            entries.extend(take(newer, &mut bytes, limit));
        }
        self.check_gaps(start, end, &entries)?;
        Ok(entries)
    }

    fn read_stored(
        &self,
        start: u64,
        end: u64,
        bytes: &mut usize,
        limit: usize,
    ) -> io::Result<Vec<RaftEntry>> {
        let mut entries = Vec::new();
        if start >= end {
            return Ok(entries);
        }
        let snapshot = self.store.snapshot();
        let (first, bound) = (entry_key(self.range_id, start), entry_key(self.range_id, end));
        let mut cursor = snapshot.cursor(Family::Raft, &first, &bound);
        let unreadable = |error: StoreError| {
            let error = io::Error::other(error);
            tell(self.observer.as_ref(), &error);
            error
        };
        cursor.seek(&first).map_err(unreadable)?;
        while let (Some(key), Some(value)) = (cursor.key(), cursor.value()) {
            if *bytes >= limit {
                break;
            }
            *bytes += value.len();
            let entry = decode_entry(key, Bytes::copy_from_slice(value)).map_err(damaged)?;
            entries.push(raft_entry_of(entry).map_err(invalid)?);
            cursor.next().map_err(unreadable)?;
        }
        Ok(entries)
    }

    /// Entries must be consecutive, from the first one asked for unless that was purged meanwhile.
    fn check_gaps(&self, start: u64, end: u64, entries: &[RaftEntry]) -> io::Result<()> {
        let missing = |index: u64| Err(invalid(format!("{}: log entry {index} is missing", self.range_id)));
        let purged = self.state.lock().purged;
        let first = entries.first().map(|entry| entry.log_id.index);
        // A log without a purge point belongs to no seeded range: its first entry may have any index.
        let Some(mut expected) = purged.map(|purged| start.max(purged.index + 1)).or(first) else {
            return Ok(());
        };
        if first.is_none() && expected < end {
            return missing(expected);
        }
        for entry in entries {
            if entry.log_id.index > expected {
                return missing(expected);
            }
            expected = expected.max(entry.log_id.index + 1);
        }
        Ok(())
    }
}

fn entry_bytes(entry: &RaftEntry) -> usize {
    match &entry.payload {
        openraft::EntryPayload::Normal(command) => command.size_bytes(),
        openraft::EntryPayload::Blank | openraft::EntryPayload::Membership(_) => 0,
    }
}

/// Clones entries until `bytes` reaches the limit.
fn take<'a>(
    entries: impl Iterator<Item = (&'a RaftEntry, usize)>,
    bytes: &mut usize,
    limit: usize,
) -> Vec<RaftEntry> {
    let mut taken = Vec::new();
    for (entry, size) in entries {
        if *bytes >= limit {
            break;
        }
        *bytes += size;
        taken.push(entry.clone());
    }
    taken
}

fn last_entry(store: &dyn Store, range_id: RangeId) -> io::Result<Option<LogPosition>> {
    let snapshot = store.snapshot();
    let (start, end) = (entry_key(range_id, 0), entries_end(range_id));
    let mut cursor = snapshot.cursor(Family::Raft, &start, &end);
    cursor.seek_before(&end).map_err(io::Error::other)?;
    let (Some(key), Some(value)) = (cursor.key(), cursor.value()) else { return Ok(None) };
    let entry = decode_entry(key, Bytes::copy_from_slice(value)).map_err(damaged)?;
    Ok(Some(entry.position))
}

fn bounds_of(range: &impl RangeBounds<u64>) -> (u64, u64) {
    let start = match range.start_bound() {
        Bound::Included(&index) => index,
        Bound::Excluded(&index) => index.saturating_add(1),
        Bound::Unbounded => 0,
    };
    let end = match range.end_bound() {
        Bound::Included(&index) => index.saturating_add(1),
        Bound::Excluded(&index) => index,
        Bound::Unbounded => u64::MAX,
    };
    (start, end)
}

impl LogStore {
    pub(crate) fn new(log: Arc<GroupLog>) -> Self {
        Self { log }
    }
}

impl RaftLogReader<TypeConfig> for LogStore {
    async fn try_get_log_entries<RB: RangeBounds<u64> + Clone + Debug + OptionalSend>(
        &mut self,
        range: RB,
    ) -> Result<Vec<RaftEntry>, io::Error> {
        let (start, end) = bounds_of(&range);
        self.log.read(start, end, usize::MAX)
    }

    async fn read_vote(&mut self) -> Result<Option<RaftVote>, io::Error> {
        Ok(self.log.vote().map(raft_vote_of))
    }

    async fn limited_get_log_entries(&mut self, start: u64, end: u64) -> Result<Vec<RaftEntry>, io::Error> {
        self.log.read(start, end, LOG_READ_MAX_BYTES)
    }

    /// Reads in steps: after a restart a whole log may have to be applied.
    async fn entries_stream<RB>(
        &mut self,
        range: RB,
    ) -> impl Stream<Item = Result<RaftEntry, io::Error>> + OptionalSend
    where
        RB: RangeBounds<u64> + Clone + Debug + OptionalSend,
    {
        let (next, end) = bounds_of(&range);
        let steps = Steps { log: Arc::clone(&self.log), next, end, ready: VecDeque::new() };
        stream::iter(steps)
    }
}

/// A reading of entries in steps.
struct Steps {
    log: Arc<GroupLog>,
    next: u64,
    end: u64,
    ready: VecDeque<RaftEntry>,
}

impl Iterator for Steps {
    type Item = io::Result<RaftEntry>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ready.is_empty() && self.next < self.end {
            match self.log.read(self.next, self.end, LOG_READ_MAX_BYTES) {
                Ok(entries) => self.ready = entries.into(),
                Err(error) => {
                    self.next = self.end;
                    return Some(Err(error));
                }
            }
        }
        let entry = self.ready.pop_front()?;
        self.next = entry.log_id.index + 1;
        Some(Ok(entry))
    }
}

impl RaftLogStorage<TypeConfig> for LogStore {
    type LogReader = Self;

    async fn get_log_state(&mut self) -> Result<LogState<TypeConfig>, io::Error> {
        let state = self.log.state.lock();
        Ok(LogState {
            last_purged_log_id: state.purged.map(log_id_of),
            last_log_id: state.last.map(log_id_of),
        })
    }

    async fn get_log_reader(&mut self) -> Self::LogReader {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &RaftVote) -> Result<(), io::Error> {
        let (log, vote) = (&self.log, vote_of(vote));
        let mut batch = Batch::new();
        batch.put(Family::Raft, vote_key(log.range_id), encode_vote(vote));
        if safeguard::holds(Safeguard::PersistedVote) {
            let (done, written) = oneshot::channel();
            log.writer.enqueue(log.range_id, batch, Done::Vote(done)).await?;
            written.await.map_err(|_| log.writer.ended())?;
        }
        let before = log.state.lock().vote.replace(vote);
        assert!(before.is_none_or(|before| before.term <= vote.term), "the term of a vote only rises");
        let leader = vote.is_committed.then_some(vote.candidate);
        log.observer.leadership(vote.term, leader.filter(|leader| *leader != ReplicaId(0)));
        Ok(())
    }

    async fn append<I>(&mut self, entries: I, callback: IOFlushed<TypeConfig>) -> Result<(), io::Error>
    where
        I: IntoIterator<Item = RaftEntry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let log = &self.log;
        let (batch, sequence) = log.accept(entries)?;
        let done = Done::Append { flushed: callback, written: Arc::clone(&log.written), sequence };
        log.writer.enqueue(log.range_id, batch, done).await
    }

    async fn truncate_after(&mut self, last_log_id: Option<RaftLogId>) -> Result<(), io::Error> {
        let log = &self.log;
        let after = last_log_id.as_ref().map(position_of);
        {
            let mut state = log.state.lock();
            state.tail.truncate_after(after.map(|position| position.index));
            let dropped = state.sizes.truncate_after(after.map(|position| position.index));
            state.last = state.last.min(after.max(state.purged));
            log.writer.remove_log_bytes(dropped);
        }
        let first = after.map_or(0, |position| position.index + 1);
        let mut batch = Batch::new();
        batch.delete_range(Family::Raft, entry_key(log.range_id, first), entries_end(log.range_id));
        log.writer.enqueue(log.range_id, batch, Done::Unsynced).await
    }

    async fn purge(&mut self, log_id: RaftLogId) -> Result<(), io::Error> {
        let log = &self.log;
        let upto = position_of(&log_id);
        let dropped = log.state.lock().purge(upto);
        log.writer.remove_log_bytes(dropped);
        let mut batch = Batch::new();
        batch.put(Family::Raft, purged_key(log.range_id), encode_purged(upto));
        let bound = entry_key(log.range_id, upto.index.saturating_add(1));
        batch.delete_range(Family::Raft, entry_key(log.range_id, 0), bound);
        log.writer.enqueue(log.range_id, batch, Done::Unsynced).await
    }
}
