//! The mark: a small file beside the database that says how far the store was synced.
//!
//! ```text
//!   writers ─▶ synced (a number in memory) ─▶ once a second, where it rose: the other slot ─▶ fdatasync
//! ```
//!
//! It never says more than is on the disk, so that a start that recovers less has lost something; what was synced in the
//! second before a crash it may not say. A thread of its own writes it: no writer waits for it.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use parking_lot::Mutex;
use uuid::Uuid;

use super::mark_format::{Mark, SLOT_BYTES};

/// Name of the file in the store's directory.
pub(super) const MARK_FILE: &str = "SYNCED";
/// Time between two marks.
const INTERVAL: Duration = Duration::from_secs(1);

/// How far a store is synced, as its writers know.
#[derive(Debug, Default)]
pub(super) struct Synced(AtomicU64);

impl Synced {
    pub(super) fn get(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }

    pub(super) fn raise(&self, to: u64) {
        self.0.fetch_max(to, Ordering::AcqRel);
    }
}

/// What a directory has of a mark.
#[derive(Debug)]
pub(super) enum FoundMark {
    /// No file: a new store, one of an earlier release, or one that lost it.
    None,
    /// A file that says nothing.
    Damaged,
    /// The newest mark.
    Sound(MarkFile),
}

impl FoundMark {
    /// Looks for the mark of a directory.
    ///
    /// # Errors
    /// The file cannot be read.
    pub(super) fn look(folder: &Path) -> io::Result<Self> {
        let path = folder.join(MARK_FILE);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::None),
            Err(error) => return Err(error),
        };
        // A mark in the other one's slot is a copy of bytes, and no mark.
        let sound = |(slot, bytes)| Mark::decode(bytes).ok().filter(|mark| mark.number % 2 == slot);
        let marks = (0_u64..2).zip(bytes.chunks(SLOT_BYTES)).filter_map(sound);
        let Some(newest) = marks.max_by_key(|mark| mark.number) else { return Ok(Self::Damaged) };
        let file = OpenOptions::new().write(true).open(&path)?;
        Ok(Self::Sound(MarkFile { file, newest }))
    }

    pub(super) fn newest(&self) -> Option<Mark> {
        match self {
            Self::None | Self::Damaged => None,
            Self::Sound(file) => Some(file.newest),
        }
    }
}

/// The file, open, with what it says.
#[derive(Debug)]
pub(super) struct MarkFile {
    file: File,
    newest: Mark,
}

impl MarkFile {
    /// Makes the first mark of a store.
    ///
    /// # Errors
    /// It cannot be written.
    pub(super) fn create(folder: &Path, store: Uuid) -> io::Result<Self> {
        let newest = Mark { number: 0, store, boot: Uuid::nil(), synced: 0 };
        let (path, new) = (folder.join(MARK_FILE), folder.join("SYNCED.new"));
        // Both slots have their place from the beginning: later writes change no size.
        fs::write(&new, [newest.encode(), vec![0; SLOT_BYTES]].concat())?;
        let file = OpenOptions::new().write(true).open(&new)?;
        file.sync_all()?;
        fs::rename(&new, &path)?;
        File::open(folder)?.sync_all()?;
        Ok(Self { file, newest })
    }

    pub(super) fn newest(&self) -> Mark {
        self.newest
    }

    /// Says how far the store is synced now. On the disk when it returns.
    ///
    /// # Errors
    /// It cannot be written; the mark before stays.
    pub(super) fn write(&mut self, boot: Uuid, synced: u64) -> io::Result<()> {
        assert!(synced >= self.newest.synced, "a store is never synced less far than it was");
        let mark = Mark { number: self.newest.number + 1, boot, synced, ..self.newest };
        self.file.write_all_at(&mark.encode(), (mark.number % 2) * SLOT_BYTES as u64)?;
        self.file.sync_data()?;
        self.newest = mark;
        Ok(())
    }
}

/// Writes the marks of an open store.
pub(super) struct Marker {
    shared: Arc<MarkShared>,
    /// None only while this is dropped.
    stop: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
}

struct MarkShared {
    file: Mutex<MarkFile>,
    boot: Uuid,
    synced: Arc<Synced>,
}

impl MarkShared {
    /// Writes a mark where there is something new to say.
    fn mark(&self) -> io::Result<()> {
        let mut file = self.file.lock();
        let synced = self.synced.get();
        if synced > file.newest.synced { file.write(self.boot, synced) } else { Ok(()) }
    }
}

impl Marker {
    /// Starts the thread. The mark of the start itself was written before.
    ///
    /// # Errors
    /// The system gives no thread.
    pub(super) fn start(file: MarkFile, boot: Uuid, synced: Arc<Synced>) -> io::Result<Self> {
        let shared = Arc::new(MarkShared { file: Mutex::new(file), boot, synced });
        let (stop, stopped) = sync_channel(1);
        let of_thread = Arc::clone(&shared);
        let thread = start(move || {
            let mut has_failed = false;
            while let Err(RecvTimeoutError::Timeout) = stopped.recv_timeout(INTERVAL) {
                let result = of_thread.mark();
                if let (Err(error), false) = (&result, has_failed) {
                    tracing::warn!(%error, "the mark of how far the store is synced cannot be written; it is tried again");
                }
                has_failed = result.is_err();
            }
        })?;
        Ok(Self { shared, stop: Some(stop), thread: Some(thread) })
    }

    /// Writes a mark now. For a clean stop, and for tests.
    ///
    /// # Errors
    /// It cannot be written.
    pub(super) fn mark(&self) -> io::Result<()> {
        self.shared.mark()
    }
}

impl Drop for Marker {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic of the thread leaves an older mark, which is right too.
            let _ = thread.join();
        }
        if let Err(error) = self.mark() {
            tracing::warn!(%error, "the last mark of how far the store is synced could not be written");
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "no writer waits for the mark; stores in memory need none")]
fn start(work: impl FnOnce() + Send + 'static) -> io::Result<JoinHandle<()>> {
    std::thread::Builder::new().name("store-mark".to_owned()).spawn(work)
}
