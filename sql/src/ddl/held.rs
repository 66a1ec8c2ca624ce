//! [`JobsHeld`]: the jobs that this process drives. What is not here any more, though its row says so, was left behind.

use std::collections::BTreeSet;
use std::sync::Arc;

use parking_lot::Mutex;

/// Ids of jobs that are driven here.
#[derive(Debug, Default)]
pub struct JobsHeld {
    ids: Mutex<BTreeSet<u64>>,
}

impl JobsHeld {
    /// Holds a job until the guard goes.
    pub fn hold(self: &Arc<Self>, id: u64) -> JobHold {
        self.ids.lock().insert(id);
        JobHold { held: Arc::clone(self), id }
    }

    /// Whether somebody here drives it.
    pub fn is_held(&self, id: u64) -> bool {
        self.ids.lock().contains(&id)
    }

    /// Whether nobody here drives anything.
    pub fn is_empty(&self) -> bool {
        self.ids.lock().is_empty()
    }
}

/// Holds a job.
#[derive(Debug)]
pub struct JobHold {
    held: Arc<JobsHeld>,
    id: u64,
}

impl Drop for JobHold {
    fn drop(&mut self) {
        self.held.ids.lock().remove(&self.id);
    }
}
