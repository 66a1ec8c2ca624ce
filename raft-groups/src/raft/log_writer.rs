//! The one writer of a store's logs: a queue of all groups, drained into one batch and one sync.
//!
//! ```text
//! group 1 ─ append ──┐
//! group 2 ─ vote ────┤ bounded queue ─▶ one batch, votes and their groups first ─▶ one synced write ─▶ newest completion
//! group 3 ─ purge ───┘                                                                                 of every group
//! ```
//!
//! On a node it is a thread; in a simulation a task, with the same batches ([`Blocking`]).
//!
//! There is no waiting for more work, but for other threads that are ready to run: while a sync runs, the next batch
//! gathers. Completions are watermarks, so only the newest one of a group is called. A batch of truncations and purges
//! alone is not synced.
//!
//! Invariants: changes of a group reach the store in the order in which the group asked for them; after a failed write
//! nothing is written any more, no completion reports success, and the store's owner is told once.
//! Source: design.md section 5; `storage/callback.rs` of openraft for the watermark.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crossbeam::channel::{Receiver, Sender, TryRecvError, bounded};
use metrics::{Unit, counter, describe_counter};
use openraft::storage::IOFlushed;
use parking_lot::Mutex;
use quorate_engine::store::{Batch, Change, Durability, Family, Store, StoreError};
use quorate_placement::topology::RangeId;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, oneshot};

use super::convert::TypeConfig;
use super::log_format::group_bounds;
use super::log_queue::{BatchLimits, LogQueue, Queued};
use crate::blocking::{Blocking, Stalls, pause};
use crate::limits::{LOG_QUEUE_BYTES_MAX, LOG_QUEUE_REQUESTS_MAX};
use crate::safeguard::{self, Safeguard};

/// What one batch holds: beyond it the completions would come too late.
const BATCH_LIMITS: BatchLimits = BatchLimits { requests: 1_024, bytes: 4 << 20 };

const SYNCS: &str = "quorate_raft_log_syncs_total";
const APPENDS: &str = "quorate_raft_log_appends_total";

/// What happens when a request has been written.
pub(crate) enum Done {
    /// Entries are on the disk.
    Append {
        /// openraft's completion, of which only the newest of a group is called.
        flushed: IOFlushed<TypeConfig>,
        /// The group's watermark of what has been written, and the number of this append in it.
        written: Arc<AtomicU64>,
        /// See `written`.
        sequence: u64,
    },
    /// A vote is on the disk.
    Vote(oneshot::Sender<()>),
    /// Nobody waits, and nothing needs the disk.
    Unsynced,
    /// Everything of before has been written.
    Barrier(oneshot::Sender<()>),
}

impl Done {
    fn needs_sync(&self) -> bool {
        match self {
            Self::Append { .. } | Self::Vote(_) => true,
            Self::Unsynced | Self::Barrier(_) => false,
        }
    }
}

struct Request {
    group: RangeId,
    batch: Batch,
    done: Done,
    /// Its room in the queue, given back when it is done.
    _room: (OwnedSemaphorePermit, OwnedSemaphorePermit),
}

impl Queued for Request {
    fn group(&self) -> RangeId {
        self.group
    }

    fn bytes(&self) -> usize {
        self.batch.size_bytes()
    }

    fn is_vote(&self) -> bool {
        matches!(self.done, Done::Vote(_))
    }
}

type OnPoison = Box<dyn FnOnce(StoreError) + Send>;

/// What writer, its thread and all groups of a store share.
struct LogWriterShared {
    syncs: AtomicU64,
    appends: AtomicU64,
    log_bytes: AtomicU64,
    poison: Mutex<Poison>,
    /// Wakes a writer that is a task: something was queued, or nothing will be any more.
    wake: Notify,
}

struct Poison {
    error: Option<StoreError>,
    on_poison: Option<OnPoison>,
}

impl LogWriterShared {
    fn poison(&self, error: StoreError) {
        let mut poison = self.poison.lock();
        if poison.error.is_some() {
            return;
        }
        tracing::error!(%error, "the store failed; it is not written any more");
        poison.error = Some(error.clone());
        let on_poison = poison.on_poison.take();
        drop(poison);
        if let Some(on_poison) = on_poison {
            on_poison(error);
        }
    }

    fn check(&self) -> Result<(), StoreError> {
        self.poison.lock().error.clone().map_or(Ok(()), Err)
    }
}

/// Numbers of a writer since its start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogWriterCounts {
    /// Synced writes.
    pub syncs: u64,
    /// Appends of groups, each of one entry or more.
    pub appends: u64,
    /// Bytes of log in the store.
    pub log_bytes: u64,
}

/// The writer of a store's logs; one a store.
pub struct LogWriter {
    sender: Mutex<Option<Sender<Request>>>,
    stopped: Mutex<Option<oneshot::Receiver<()>>>,
    shared: Arc<LogWriterShared>,
    slots: Arc<Semaphore>,
    bytes: Arc<Semaphore>,
}

impl LogWriter {
    /// Starts the writer's thread, or its task. `on_poison` is called once, when a write has failed: the store must not
    /// be used any more, and the process should end.
    ///
    /// # Errors
    /// Where the system gives no thread.
    pub fn start(
        store: Arc<dyn Store>,
        blocking: &Blocking,
        on_poison: impl FnOnce(StoreError) + Send + 'static,
    ) -> io::Result<Arc<Self>> {
        describe_counter!(SYNCS, Unit::Count, "Synced writes of the store's log writer");
        describe_counter!(APPENDS, Unit::Count, "Appends of Raft groups, each of one entry or more");
        let poison = Poison { error: None, on_poison: Some(Box::new(on_poison)) };
        let shared = Arc::new(LogWriterShared {
            syncs: AtomicU64::new(0),
            appends: AtomicU64::new(0),
            log_bytes: AtomicU64::new(0),
            poison: Mutex::new(poison),
            wake: Notify::new(),
        });
        let (sender, receiver) = bounded(LOG_QUEUE_REQUESTS_MAX);
        let (stop, stopped) = oneshot::channel();
        let drain = Drain { store, shared: Arc::clone(&shared) };
        match blocking.stalls().cloned() {
            None => Blocking::start_thread("raft-log", move || {
                drain.run(&receiver);
                drop(drain);
                // Nobody need be waiting for the end.
                let _ = stop.send(());
            })?,
            Some(stalls) => drop(tokio::spawn(async move {
                drain.run_as_task(&receiver, stalls.as_ref()).await;
                drop(drain);
                let _ = stop.send(());
            })),
        }
        Ok(Arc::new(Self {
            sender: Mutex::new(Some(sender)),
            stopped: Mutex::new(Some(stopped)),
            shared,
            slots: Arc::new(Semaphore::new(LOG_QUEUE_REQUESTS_MAX)),
            bytes: Arc::new(Semaphore::new(LOG_QUEUE_BYTES_MAX as usize)),
        }))
    }

    /// Numbers since the start.
    pub fn counts(&self) -> LogWriterCounts {
        LogWriterCounts {
            syncs: self.shared.syncs.load(Ordering::Relaxed),
            appends: self.shared.appends.load(Ordering::Relaxed),
            log_bytes: self.shared.log_bytes.load(Ordering::Relaxed),
        }
    }

    /// The error that ended all writing, if any did.
    pub fn poisoned(&self) -> Option<StoreError> {
        self.shared.check().err()
    }

    /// Ends all writing after a failed write elsewhere in the store.
    pub fn poison(&self, error: StoreError) {
        self.shared.poison(error);
    }

    /// Ends the writer after all that was queued, and waits for its thread. Groups are shut down before.
    pub async fn shutdown(&self) {
        drop(self.sender.lock().take());
        self.shared.wake.notify_one();
        let stopped = self.stopped.lock().take();
        if let Some(stopped) = stopped {
            // The thread ends by itself: its queue has no sender any more.
            let _ = stopped.await;
        }
    }

    /// Counts bytes of log found in the store, or added to it.
    pub(crate) fn add_log_bytes(&self, bytes: u64) {
        self.shared.log_bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Counts bytes of log that were removed.
    pub(crate) fn remove_log_bytes(&self, bytes: u64) {
        let update = |current: u64| Some(current.saturating_sub(bytes));
        // The closure never refuses.
        let _ = self.shared.log_bytes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, update);
    }

    /// Queues a request; waits only for room in the queue.
    pub(crate) async fn enqueue(&self, group: RangeId, batch: Batch, done: Done) -> io::Result<()> {
        let (start, end) = group_bounds(group);
        let is_own = |key: &[u8]| start.as_slice() <= key && key < end.as_slice();
        assert!(
            batch.changes().iter().all(|change| changes_only(change, is_own)),
            "a group writes its own log alone"
        );
        self.shared.check().map_err(io::Error::other)?;
        let bytes = u32::try_from(batch.size_bytes()).unwrap_or(LOG_QUEUE_BYTES_MAX).min(LOG_QUEUE_BYTES_MAX);
        let slot = Arc::clone(&self.slots).acquire_owned().await.map_err(io::Error::other)?;
        let room = Arc::clone(&self.bytes).acquire_many_owned(bytes).await.map_err(io::Error::other)?;
        let request = Request { group, batch, done, _room: (slot, room) };
        let sender = self.sender.lock();
        let sender = sender.as_ref().ok_or_else(|| io::Error::other("the log writer has ended"))?;
        // The slots are as many as the queue has places.
        sender.try_send(request).map_err(|_| io::Error::other("the log writer has ended"))?;
        self.shared.wake.notify_one();
        Ok(())
    }

    /// Waits until all that was queued before has been written.
    pub(crate) async fn barrier(&self, group: RangeId) -> io::Result<()> {
        let (done, written) = oneshot::channel();
        self.enqueue(group, Batch::new(), Done::Barrier(done)).await?;
        written.await.map_err(|_| self.ended())
    }

    /// Why a request was dropped instead of done.
    pub(crate) fn ended(&self) -> io::Error {
        match self.shared.check() {
            Err(error) => io::Error::other(error),
            Ok(()) => io::Error::other("the log writer has ended"),
        }
    }
}

/// The thread's half.
struct Drain {
    store: Arc<dyn Store>,
    shared: Arc<LogWriterShared>,
}

/// A rule that is broken while the log is written is the store's end: nobody would hear of entries and votes any more.
impl Drop for Drain {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let detail = "the log writer has failed".to_owned();
            self.shared.poison(StoreError::Device { operation: "write the log", detail });
        }
    }
}

/// Whether a change is one of keys for which `is_own` holds, in the log's family; a removal's end is the last of them.
fn changes_only(change: &Change, is_own: impl Fn(&[u8]) -> bool) -> bool {
    match change {
        Change::Put(Family::Raft, key, _) | Change::Delete(Family::Raft, key) => is_own(key),
        Change::DeleteRange(Family::Raft, start, _) => is_own(start),
        Change::Put(..) | Change::Delete(..) | Change::DeleteRange(..) => false,
    }
}

impl Drain {
    fn run(&self, arriving: &Receiver<Request>) {
        let mut queue = LogQueue::new();
        loop {
            if queue.is_empty() {
                let Ok(first) = arriving.recv() else { return };
                queue.push(first);
                // Whoever has more to append does so before this sync, instead of waiting for the next one.
                Blocking::yield_thread();
            }
            arriving.try_iter().for_each(|request| queue.push(request));
            let written = self.write(queue.next_batch(BATCH_LIMITS));
            self.settle(written);
        }
    }

    /// As [`Drain::run`], in a task: a crash finds a batch on the disk or not, and nobody told of it yet.
    async fn run_as_task(&self, arriving: &Receiver<Request>, stalls: &dyn Stalls) {
        let mut queue = LogQueue::new();
        loop {
            let is_over = loop {
                match arriving.try_recv() {
                    Ok(request) => queue.push(request),
                    Err(TryRecvError::Empty) => break false,
                    Err(TryRecvError::Disconnected) => break true,
                }
            };
            if queue.is_empty() {
                if is_over {
                    return;
                }
                self.shared.wake.notified().await;
                continue;
            }
            let requests = queue.next_batch(BATCH_LIMITS);
            pause(stalls.log_write()).await;
            let written = Blocking::in_place(|| self.write(requests));
            pause(stalls.log_write()).await;
            self.settle(written);
        }
    }

    fn settle(&self, written: Result<Vec<Finished>, (StoreError, Vec<Finished>)>) {
        match written {
            Ok(finished) => finish(finished),
            Err((error, unwritten)) => {
                self.shared.poison(error.clone());
                fail(unwritten, &error);
            }
        }
    }

    /// Writes all requests at once and gives back what remains to be called.
    fn write(&self, requests: Vec<Request>) -> Result<Vec<Finished>, (StoreError, Vec<Finished>)> {
        let mut batch = Batch::new();
        let mut finished = Vec::with_capacity(requests.len());
        let mut appends = 0;
        for request in requests {
            batch.append(request.batch);
            appends += u64::from(matches!(request.done, Done::Append { .. }));
            finished.push(Finished { group: request.group, done: request.done });
        }
        let is_synced = safeguard::holds(Safeguard::SyncBeforeAcknowledge)
            && finished.iter().any(|request| request.done.needs_sync());
        let written = self.shared.check().and_then(|()| self.write_batch(batch, is_synced));
        match written {
            Ok(()) => {
                self.count(u64::from(is_synced), appends);
                Ok(finished)
            }
            Err(error) => Err((error, finished)),
        }
    }

    /// The sync is no part of the write: whoever applies entries meanwhile would wait in the store's queue for the disk.
    fn write_batch(&self, batch: Batch, is_synced: bool) -> Result<(), StoreError> {
        if !batch.is_empty() {
            self.store.write(batch, Durability::Buffered)?;
        }
        if is_synced { self.store.sync() } else { Ok(()) }
    }

    fn count(&self, syncs: u64, appends: u64) {
        self.shared.syncs.fetch_add(syncs, Ordering::Relaxed);
        self.shared.appends.fetch_add(appends, Ordering::Relaxed);
        counter!(SYNCS).increment(syncs);
        counter!(APPENDS).increment(appends);
    }
}

/// A request whose changes have been taken out; its room in the queue is free again.
struct Finished {
    group: RangeId,
    done: Done,
}

fn finish(finished: Vec<Finished>) {
    let mut newest: BTreeMap<RangeId, IOFlushed<TypeConfig>> = BTreeMap::new();
    let mut waiting = Vec::new();
    for Finished { group, done } in finished {
        match done {
            Done::Append { flushed, written, sequence } => {
                let before = written.fetch_max(sequence, Ordering::Release);
                assert!(
                    before < sequence,
                    "a group's appends are written in the order in which it asked for them"
                );
                newest.insert(group, flushed);
            }
            Done::Vote(sender) | Done::Barrier(sender) => waiting.push(sender),
            Done::Unsynced => {}
        }
    }
    newest.into_values().for_each(|flushed| flushed.io_completed(Ok(())));
    for sender in waiting {
        // Whoever asked may be gone: its group was shut down.
        let _ = sender.send(());
    }
}

fn fail(unwritten: Vec<Finished>, error: &StoreError) {
    for Finished { group: _, done } in unwritten {
        match done {
            Done::Append { flushed, .. } => flushed.io_completed(Err(io::Error::other(error.clone()))),
            // Dropped senders tell their receivers.
            Done::Vote(_) | Done::Barrier(_) | Done::Unsynced => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use quorate_engine::memory::MemoryStore;

    use super::*;

    #[test]
    fn log_writer_that_breaks_a_rule_ends_the_store() {
        let told = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&told);
        let on_poison: OnPoison = Box::new(move |_| {
            count.fetch_add(1, Ordering::Relaxed);
        });
        let shared = Arc::new(LogWriterShared {
            syncs: AtomicU64::new(0),
            appends: AtomicU64::new(0),
            log_bytes: AtomicU64::new(0),
            poison: Mutex::new(Poison { error: None, on_poison: Some(on_poison) }),
            wake: Notify::new(),
        });
        let drain = |shared: &Arc<LogWriterShared>| Drain {
            store: Arc::new(MemoryStore::new()),
            shared: Arc::clone(shared),
        };
        drop(drain(&shared));
        assert!(shared.check().is_ok(), "an end in peace is none");
        let drain = drain(&shared);
        let broken = catch_unwind(AssertUnwindSafe(move || {
            let _drain = drain;
            panic!("as a test wants");
        }));
        assert!(broken.is_err() && shared.check().is_err());
        assert_eq!(told.load(Ordering::Relaxed), 1, "its owner is told");
    }
}
