//! One group's log without its Raft task: what an append costs by itself, from the entries to the synced write, for
//! benches. The log, the writer and its thread are those of a node.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use openraft::storage::{IOFlushed, RaftLogStorage};
use openraft::type_config::TypeConfigExt;
use quorate_engine::store::Store;
use quorate_placement::topology::{RangeId, ReplicaId};

use super::LeaseObserver;
use super::convert::{TypeConfig, raft_entry_of};
use super::entry_command::EntryCommand;
use super::log_store::{GroupLog, LogStore};
use super::log_writer::LogWriter;
use super::types::{EntryPayload, LogEntry};
use crate::blocking::Blocking;
use crate::log_position::LogPosition;

const RANGE: RangeId = RangeId(7);
const TERM: u64 = 1;

/// See the head of the file.
pub struct LoneLog {
    log: LogStore,
    writer: Arc<LogWriter>,
    last: Option<LogPosition>,
}

/// Nobody has a lease.
struct NoLease;

impl LeaseObserver for NoLease {
    fn sent_now(&self) -> u64 {
        0
    }

    fn acknowledged(&self, _by: ReplicaId, _term: u64, _sent_at: u64) {}

    fn leadership(&self, _term: u64, _leader: Option<ReplicaId>) {}
}

impl LoneLog {
    /// The log that the store has, with a writer of its own.
    ///
    /// # Errors
    /// The store cannot be read, or the system gives no thread.
    pub fn open(store: Arc<dyn Store>) -> io::Result<Self> {
        // A failed write is told to whoever waits for it.
        let writer = LogWriter::start(Arc::clone(&store), &Blocking::threads(), drop)?;
        let log = GroupLog::open(RANGE, store, Arc::clone(&writer), Arc::new(NoLease))?;
        let last = log.last();
        Ok(Self { log: LogStore::new(log), writer, last })
    }

    /// The last entry.
    pub fn last(&self) -> Option<LogPosition> {
        self.last
    }

    /// Appends an entry for each command, all in one append, and waits until they are on the disk.
    ///
    /// # Errors
    /// The write failed.
    pub async fn append(&mut self, commands: impl IntoIterator<Item = Bytes>) -> io::Result<()> {
        let mut entries = Vec::new();
        for command in commands {
            let position = LogPosition { term: TERM, index: self.last.map_or(1, |last| last.index + 1) };
            self.last = Some(position);
            let command = EntryCommand::copy_of(TERM, &command);
            let entry = LogEntry { position, payload: EntryPayload::Command(command) };
            entries.push(raft_entry_of(entry).map_err(io::Error::other)?);
        }
        let (flushed, written) = TypeConfig::oneshot();
        self.log.append(entries, IOFlushed::signal(flushed)).await?;
        written.await.map_err(|_| self.writer.ended())?
    }

    /// Ends the writer, and with it its hold on the store.
    pub async fn close(self) {
        self.writer.shutdown().await;
    }
}

#[cfg(test)]
mod tests {
    use quorate_engine::testing::PowerCutStore;

    use super::*;

    fn commands(count: usize) -> impl Iterator<Item = Bytes> {
        std::iter::repeat_n(Bytes::from_static(b"k=v"), count)
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn lone_log_is_on_the_disk_when_append_returns() {
        let store = Arc::new(PowerCutStore::new());
        let mut log = LoneLog::open(Arc::clone(&store) as Arc<dyn Store>).unwrap();
        assert_eq!(log.last(), None);
        log.append(commands(1)).await.unwrap();
        log.append(commands(64)).await.unwrap();
        // At this very moment.
        let after = Arc::new(store.cut());
        assert_eq!(log.writer.counts().syncs, 2);
        log.close().await;

        let mut log = LoneLog::open(after).unwrap();
        assert_eq!(log.last(), Some(LogPosition { term: TERM, index: 65 }));
        log.append(commands(1)).await.unwrap();
        assert_eq!(log.last(), Some(LogPosition { term: TERM, index: 66 }));
    }
}
