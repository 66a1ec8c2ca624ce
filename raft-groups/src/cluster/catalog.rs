//! A node's own side of its lease on the catalog: what it confirmed, and until when it may rely on it.

use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;
use quorate_engine::hlc::Timestamp;
use tokio::sync::Notify;

/// A confirmation older than this is not reported any more: renewals do not succeed.
const CONFIRMED_MAX: Duration = Duration::from_secs(7);

/// Reads the catalog anew; `server` wires it to SQL.
#[async_trait]
pub trait CatalogListener: Send + Sync + 'static {
    /// Reads all of the catalog as of now, replaces what is cached, and returns its version. When it returns, no
    /// statement starts with an older one.
    ///
    /// # Errors
    /// It could not be read; the old one stays.
    async fn refresh(&self) -> Result<u64, String>;
}

/// What is known of the lease.
#[derive(Debug, Default)]
struct LeaseKnown {
    confirmed: Option<(u64, Duration)>,
    lease_until: Timestamp,
}

/// The lease.
#[derive(Debug, Default)]
pub(super) struct CatalogLease {
    state: Mutex<LeaseKnown>,
    /// Wakes the task that refreshes.
    pub(super) changed: Notify,
    /// Wakes who waits for a confirmation.
    pub(super) confirmed: Notify,
}

impl CatalogLease {
    /// The catalog was read, in this version.
    pub fn confirm(&self, version: u64, now: Duration) {
        self.state.lock().confirmed = Some((version, now));
        self.confirmed.notify_waiters();
    }

    /// The version to report.
    pub fn version(&self, now: Duration) -> Option<u64> {
        let (version, at) = self.state.lock().confirmed?;
        (now.saturating_sub(at) <= CONFIRMED_MAX).then_some(version)
    }

    /// The leaseholder of range 1 gave a lease for `reported`, the version that was reported.
    pub fn extend(&self, reported: u64, until: Timestamp) {
        let mut state = self.state.lock();
        // What was confirmed since may be newer, never older: then the lease holds for it too.
        if state.confirmed.is_some_and(|(version, _)| version >= reported) {
            state.lease_until = state.lease_until.max(until);
        }
    }

    /// Until when the catalog may be relied on; `None` where it no longer may.
    pub fn until(&self, now: Timestamp) -> Option<Timestamp> {
        let until = self.state.lock().lease_until;
        (now < until).then_some(until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn catalog_lease_ends_unless_it_is_renewed() {
        let lease = CatalogLease::default();
        let at = Timestamp::from_micros;
        assert_eq!(lease.until(at(1)), None, "a node that never confirmed anything serves nothing");
        lease.confirm(3, Duration::from_secs(1));
        lease.extend(3, at(50));
        assert_eq!(lease.until(at(49)), Some(at(50)));
        assert_eq!(lease.until(at(50)), None);
        lease.extend(4, at(90));
        assert_eq!(lease.until(at(50)), None, "a lease for a version that was never read");
    }

    #[test]
    fn catalog_confirmation_is_not_reported_for_ever() {
        let lease = CatalogLease::default();
        lease.confirm(3, Duration::from_secs(1));
        assert_eq!(lease.version(Duration::from_secs(8)), Some(3));
        assert_eq!(lease.version(Duration::from_secs(9)), None);
    }
}
