//! How many requests were answered, by kind and place.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::api::{RangeRequest, Request, Transact};

/// Counts [`RouterCounts`] for whoever watches the node.
const REQUESTS: &str = "quorate_router_requests_total";

/// Requests answered so far, by kind and place; also exported as `quorate_router_requests_total`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RouterCounts {
    /// Reads by replicas of this node.
    pub local_reads: u64,
    /// Reads by other nodes.
    pub remote_reads: u64,
    /// Commits at replicas of this node.
    pub local_writes: u64,
    /// Commits at other nodes.
    pub remote_writes: u64,
}

/// The counters themselves.
#[derive(Debug)]
pub(super) struct Counters {
    local_reads: AtomicU64,
    remote_reads: AtomicU64,
    local_writes: AtomicU64,
    remote_writes: AtomicU64,
}

impl Counters {
    /// All at zero.
    pub fn new() -> Self {
        metrics::describe_counter!(
            REQUESTS,
            "Requests to ranges that were answered, by kind and by whether the replica was here"
        );
        let zero = || AtomicU64::new(0);
        Self { local_reads: zero(), remote_reads: zero(), local_writes: zero(), remote_writes: zero() }
    }

    /// What they say.
    pub fn read(&self) -> RouterCounts {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        RouterCounts {
            local_reads: read(&self.local_reads),
            remote_reads: read(&self.remote_reads),
            local_writes: read(&self.local_writes),
            remote_writes: read(&self.remote_writes),
        }
    }

    /// A request was answered, here or elsewhere.
    pub fn count(&self, message: &RangeRequest, is_here: bool) {
        let (count, kind, place) = match (writes(message), is_here) {
            (false, true) => (&self.local_reads, "read", "local"),
            (false, false) => (&self.remote_reads, "read", "remote"),
            (true, true) => (&self.local_writes, "write", "local"),
            (true, false) => (&self.remote_writes, "write", "remote"),
        };
        count.fetch_add(1, Ordering::Relaxed);
        metrics::counter!(REQUESTS, "kind" => kind, "where" => place).increment(1);
    }
}

/// Whether this is counted as a write.
fn writes(message: &RangeRequest) -> bool {
    matches!(message.request, Request::Commit(_) | Request::Transact(Transact::LayIntents(_)))
}
