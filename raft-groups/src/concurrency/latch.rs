//! Latches: requests whose keys overlap pass one after the other, in the order of their arrival.
//!
//! Held from before evaluation until the entry is applied here or can never commit (design.md section 14, story 9): the
//! task that proposes owns the guard, never the one that a client waits in. [`LatchTable`] decides; this file waits.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::oneshot;

use super::latch_table::{LatchId, LatchSpans, LatchTable};
use crate::limits::LATCH_REQUESTS_MAX;

/// Why latches were not had.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LatchError {
    /// Too many wait already.
    #[error("{LATCH_REQUESTS_MAX} requests hold or wait for keys of this range")]
    QueueFull,
    /// Not granted in time: an earlier request still holds a key.
    #[error("earlier requests for the same keys did not end in time")]
    TimedOut,
}

/// The latches of one range.
#[derive(Debug, Default)]
pub struct Latches {
    state: Mutex<LatchState>,
}

#[derive(Debug, Default)]
struct LatchState {
    table: LatchTable,
    waiting: HashMap<LatchId, oneshot::Sender<()>>,
}

impl Latches {
    /// Waits for the latches, at most `timeout`. A dropped future waits no longer.
    ///
    /// # Errors
    /// [`LatchError`]; nothing is held then.
    pub async fn acquire(
        self: &Arc<Self>,
        spans: LatchSpans,
        timeout: Duration,
    ) -> Result<LatchGuard, LatchError> {
        let (guard, granted) = self.enqueue(spans)?;
        if let Some(granted) = granted {
            match tokio::time::timeout(timeout, granted).await {
                Ok(Ok(())) => {}
                // Dropping the guard takes the request out of the queue.
                Ok(Err(_)) | Err(_) => return Err(LatchError::TimedOut),
            }
        }
        Ok(guard)
    }

    fn enqueue(
        self: &Arc<Self>,
        spans: LatchSpans,
    ) -> Result<(LatchGuard, Option<oneshot::Receiver<()>>), LatchError> {
        let mut state = self.state.lock();
        if state.table.len() >= LATCH_REQUESTS_MAX {
            return Err(LatchError::QueueFull);
        }
        let (id, granted) = state.table.insert(spans);
        assert!(state.table.len() <= LATCH_REQUESTS_MAX, "no more requests stand than are allowed");
        let guard = LatchGuard { latches: Arc::clone(self), id };
        if granted {
            return Ok((guard, None));
        }
        let (sender, receiver) = oneshot::channel();
        let other = state.waiting.insert(id, sender);
        assert!(other.is_none(), "each request waits once");
        assert!(state.waiting.len() <= state.table.len(), "only requests that stand wait");
        Ok((guard, Some(receiver)))
    }

    fn release(&self, id: LatchId) {
        let mut state = self.state.lock();
        state.waiting.remove(&id);
        for granted in state.table.release(id) {
            if let Some(sender) = state.waiting.remove(&granted) {
                // A receiver that has gone gives its place up when its guard is dropped.
                let _ = sender.send(());
            }
        }
    }

    /// Requests that hold or wait.
    pub fn len(&self) -> usize {
        self.state.lock().table.len()
    }

    /// Whether nobody holds or waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Latches held, or waited for; dropping it gives them up.
#[derive(Debug)]
pub struct LatchGuard {
    latches: Arc<Latches>,
    id: LatchId,
}

impl Drop for LatchGuard {
    fn drop(&mut self) {
        self.latches.release(self.id);
    }
}

#[cfg(test)]
mod tests;
