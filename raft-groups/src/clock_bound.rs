//! Keeps the bound of a node's clock ahead of need, and waits for it where it is late.
//!
//! ```text
//!   now() ── below the bound ──▶ a timestamp
//!         └─ above it: late ──▶ the keeper is rung for ──▶ the disk ──▶ a new bound
//!                └──────────▶ who asked looks again, until its own deadline
//! ```
//!
//! The keeper is a thread of its own on a node, so that nothing that is busy or waits delays it, and a task in a
//! simulation. Nobody else persists a bound, so that no task of a runtime ever waits for the disk for a timestamp.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::Mutex;
use quorate_engine::clock::{ClockError, HybridClock};
use quorate_engine::hlc::Timestamp;
use quorate_engine::kv::KvError;
use tokio::sync::{Notify, oneshot};

use crate::blocking::{Blocking, Stalls, pause};

/// How often the bound is looked at: a tenth of how far it is ahead.
const INTERVAL: Duration = Duration::from_millis(50);
/// Pause before whoever needs a timestamp looks again.
const LATE_PAUSE: Duration = Duration::from_millis(2);

/// Raises a clock's bound until it is stopped, or the clock is gone.
pub struct BoundKeeper {
    bell: Bell,
    is_stopped: Arc<AtomicBool>,
    ended: Mutex<Option<oneshot::Receiver<()>>>,
}

/// Wakes the keeper.
#[derive(Clone)]
enum Bell {
    Thread(SyncSender<()>),
    Task(Arc<Notify>),
}

impl Bell {
    fn ring(&self) {
        match self {
            // One that has not been heard yet is enough.
            Self::Thread(sender) => drop(sender.try_send(())),
            Self::Task(notify) => notify.notify_one(),
        }
    }
}

impl BoundKeeper {
    /// Starts to keep a clock's bound.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn start(clock: &Arc<HybridClock>, blocking: &Blocking) -> io::Result<Self> {
        let is_stopped = Arc::new(AtomicBool::new(false));
        let work = Work { clock: Arc::downgrade(clock), is_stopped: Arc::clone(&is_stopped) };
        let (end, ended) = oneshot::channel();
        let bell = match blocking.stalls().cloned() {
            None => {
                let (sender, rung) = sync_channel(1);
                blocking.start_urgent_thread("clock-bound", move || {
                    work.run(&rung);
                    // Nobody need be waiting for the end.
                    let _ = end.send(());
                })?;
                Bell::Thread(sender)
            }
            Some(stalls) => {
                let rung = Arc::new(Notify::new());
                let bell = Bell::Task(Arc::clone(&rung));
                tokio::spawn(async move {
                    work.run_as_task(&rung, stalls.as_ref()).await;
                    let _ = end.send(());
                });
                bell
            }
        };
        let of_clock = bell.clone();
        clock.tell_when_late(move || of_clock.ring());
        Ok(Self { bell, is_stopped, ended: Mutex::new(Some(ended)) })
    }

    /// Ends it: when this returns nothing is persisted any more, and the clock gives out nothing above its last bound.
    pub async fn stop(&self) {
        self.is_stopped.store(true, Ordering::Release);
        self.bell.ring();
        let ended = self.ended.lock().take();
        if let Some(ended) = ended {
            // An error means that it is gone.
            let _ = ended.await;
        }
    }
}

/// What the keeper does.
struct Work {
    clock: Weak<HybridClock>,
    is_stopped: Arc<AtomicBool>,
}

impl Work {
    fn run(&self, rung: &Receiver<()>) {
        loop {
            match rung.recv_timeout(INTERVAL) {
                Ok(()) | Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            if !self.extend() {
                return;
            }
        }
    }

    async fn run_as_task(&self, rung: &Notify, stalls: &dyn Stalls) {
        loop {
            // Rung for or not: it is looked at either way.
            let _ = tokio::time::timeout(INTERVAL, rung.notified()).await;
            pause(stalls.work()).await;
            if !self.extend() {
                return;
            }
            pause(stalls.work()).await;
        }
    }

    /// Raises the bound where it has to be; false where there is nothing to do any more.
    fn extend(&self) -> bool {
        if self.is_stopped.load(Ordering::Acquire) {
            return false;
        }
        let Some(clock) = self.clock.upgrade() else { return false };
        match Blocking::in_place(|| clock.extend_bound()) {
            Ok(()) => true,
            Err(error) => {
                // The log writer meets the same store, and ends the process.
                tracing::error!(%error, "the clock gives out no more timestamps");
                false
            }
        }
    }
}

/// A timestamp; waits at most that long where the clock's bound is late.
///
/// # Errors
/// As [`HybridClock::now`].
pub async fn timestamp_within(clock: &HybridClock, limit: Duration) -> Result<Timestamp, ClockError> {
    let until = clock.physical().boottime().saturating_add(limit);
    loop {
        match clock.now() {
            Err(ClockError::Late) if clock.physical().boottime() < until => {
                tokio::time::sleep(LATE_PAUSE).await;
            }
            done => return done,
        }
    }
}

/// What a transaction is told that gets no timestamp.
pub fn no_timestamp(error: ClockError) -> KvError {
    match error {
        ClockError::Late => KvError::Clock {
            detail: "this node's disk is too slow to keep its clock: nothing was done; use another node until its disk is \
                     mended"
                .to_owned(),
            is_over: false,
        },
        ClockError::TooFarAhead { .. } | ClockError::Bound(_) => KvError::Storage(error.to_string()),
    }
}

#[cfg(test)]
mod tests;
