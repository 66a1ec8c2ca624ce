//! What was written: for each key the writes that a read may see, so that a lost or an old value is noticed.
//!
//! All clients draw stamps from one counter: one when a write begins (it stands in the value), one when it is
//! acknowledged. A write that was acknowledged before another acknowledged one began is overwritten for good, and leaves
//! the key's list. So the list holds what a register may hold (Herlihy and Wing, "Linearizability", 1990): the last
//! acknowledged write, those concurrent with it, and those whose fate is unknown.
//!
//! Invariant: entries only leave a list by being overwritten; one that is on it now was on it at any time since its start.

use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

/// End of a write that was not acknowledged: under way, or unknown.
const OPEN: u64 = u64::MAX;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Write {
    start: u64,
    end: u64,
}

/// The writes of one key; nearly always one.
#[derive(Debug, Default)]
struct Writes {
    first: Option<Write>,
    more: Vec<Write>,
}

impl Writes {
    fn iter(&self) -> impl Iterator<Item = &Write> {
        self.first.iter().chain(&self.more)
    }

    fn add(&mut self, write: Write) {
        if self.first.is_none() {
            self.first = Some(write);
        } else {
            self.more.push(write);
        }
    }

    fn remove(&mut self, start: u64) {
        self.retain(|write| write.start != start);
    }

    fn acknowledge(&mut self, start: u64, end: u64) {
        for write in self.first.iter_mut().chain(&mut self.more) {
            if write.start == start {
                write.end = end;
            }
        }
        let last = self.iter().filter(|write| write.end != OPEN).map(|write| write.start).max();
        let last = last.unwrap_or(0);
        self.retain(|write| write.end >= last);
    }

    fn retain(&mut self, keep: impl Fn(&Write) -> bool) {
        self.more.retain(&keep);
        if self.first.is_some_and(|first| !keep(&first)) {
            self.first = self.more.pop();
        }
    }

    #[cfg(test)]
    fn has(&self, start: u64) -> bool {
        self.iter().any(|write| write.start == start)
    }

    fn has_acknowledged(&self) -> bool {
        self.iter().any(|write| write.end != OPEN)
    }
}

/// What is wrong with a value that was read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Wrong {
    /// An acknowledged write left nothing behind.
    #[error("key {key} was written, and is not there")]
    Missing {
        /// The key.
        key: u64,
    },
    /// Bytes that nobody wrote, or of another key.
    #[error("key {key} has a value that was never written to it: {found}")]
    Foreign {
        /// The key.
        key: u64,
        /// What was found, or its beginning.
        found: String,
    },
    /// A value that an acknowledged write had replaced.
    #[error("key {key} has the value of write {stamp}, which acknowledged writes had replaced before")]
    Old {
        /// The key.
        key: u64,
        /// The write.
        stamp: u64,
    },
}

/// What a read may see that begins now. See [`Ledger::before_read`].
#[derive(Debug)]
pub struct View {
    clock: u64,
    first: Option<u64>,
    more: Vec<u64>,
    must_exist: bool,
}

/// All writes of a run.
#[derive(Debug)]
pub struct Ledger {
    clock: AtomicU64,
    keys: Box<[Mutex<Writes>]>,
}

impl Ledger {
    /// Of the keys from 0 to before `keys`, none written yet.
    pub fn new(keys: usize) -> Self {
        Self { clock: AtomicU64::new(1), keys: (0..keys).map(|_| Mutex::default()).collect() }
    }

    /// Number of keys.
    pub fn len(&self) -> u64 {
        self.keys.len() as u64
    }

    /// Whether there are no keys.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    fn of(&self, key: u64) -> Option<&Mutex<Writes>> {
        self.keys.get(usize::try_from(key).ok()?)
    }

    fn tick(&self) -> u64 {
        self.clock.fetch_add(1, Ordering::SeqCst)
    }

    /// A write begins; its stamp goes into the value.
    pub fn begin(&self, key: u64) -> u64 {
        let start = self.tick();
        if let Some(writes) = self.of(key) {
            writes.lock().add(Write { start, end: OPEN });
        }
        start
    }

    /// The write was acknowledged. One whose fate is unknown stays as it began: nothing needs to be said of it.
    pub fn acknowledge(&self, key: u64, stamp: u64) {
        let end = self.tick();
        if let Some(writes) = self.of(key) {
            writes.lock().acknowledge(stamp, end);
        }
    }

    /// The write has not happened, and never will.
    pub fn forget(&self, key: u64, stamp: u64) {
        if let Some(writes) = self.of(key) {
            writes.lock().remove(stamp);
        }
    }

    /// To be called before a read of the key begins.
    pub fn before_read(&self, key: u64) -> View {
        let Some(writes) = self.of(key) else {
            return View {
                clock: self.clock.load(Ordering::SeqCst),
                first: None,
                more: Vec::new(),
                must_exist: false,
            };
        };
        let writes = writes.lock();
        View {
            clock: self.clock.load(Ordering::SeqCst),
            first: writes.first.map(|write| write.start),
            more: writes.more.iter().map(|write| write.start).collect(),
            must_exist: writes.has_acknowledged(),
        }
    }

    /// Checks what a read has returned: the key and the stamp of its value, as [`crate::values::read`] gives them.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn check(&self, key: u64, view: &View, found: Option<&str>) -> Result<(), Wrong> {
        let Some(value) = found else {
            return if view.must_exist { Err(Wrong::Missing { key }) } else { Ok(()) };
        };
        let stamp = match crate::values::read(value) {
            Some((of, stamp)) if of == key && stamp < self.clock.load(Ordering::SeqCst) => stamp,
            _ => return Err(Wrong::Foreign { key, found: value.chars().take(80).collect() }),
        };
        let was_there = view.first == Some(stamp) || view.more.contains(&stamp);
        // What began after the read did is on the list now, or was overwritten since.
        if was_there || stamp >= view.clock { Ok(()) } else { Err(Wrong::Old { key, stamp }) }
    }

    /// Keys that hold an acknowledged write, of all.
    pub fn written(&self) -> u64 {
        self.keys.iter().filter(|writes| writes.lock().has_acknowledged()).count() as u64
    }

    /// Whether a write is on its key's list; for tests.
    #[cfg(test)]
    fn has(&self, key: u64, stamp: u64) -> bool {
        self.of(key).is_some_and(|writes| writes.lock().has(stamp))
    }
}

#[cfg(test)]
mod tests;
