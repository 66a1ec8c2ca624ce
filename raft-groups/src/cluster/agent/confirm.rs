//! Confirms this node's catalog, and says until when it may rely on it, and so whether it serves SQL.

use std::sync::Arc;
use std::time::Duration;

use quorate_engine::hlc::Timestamp;
use quorate_placement::topology::NodeId;

use super::Agent;
use crate::client::router::SYSTEM_RANGE;
use crate::clock_guard::ClockDoubt;
use crate::cluster::calls::LEADER_RETRY;
use crate::cluster::catalog::CatalogListener;
use crate::cluster::error::ClusterError;
use crate::cluster::message::ClusterAnswer;
use crate::limits::CATALOG_RENEWAL;
use crate::telling::Telling;

/// Least time between two readings of the catalog.
const CATALOG_PAUSE: Duration = Duration::from_millis(50);
/// How long a node that was told of a new catalog may take to read it before it says what it has.
const CATALOG_READ_TIMEOUT: Duration = Duration::from_secs(5);
/// Pause before a catalog that proved older than expected is read again.
const CATALOG_READ_PAUSE: Duration = Duration::from_millis(100);

impl Agent {
    /// Sets who reads the catalog; the first one stays. Until then this node confirms no catalog and serves no SQL.
    pub fn set_catalog_listener(&self, listener: Arc<dyn CatalogListener>) {
        let _ = self.listener.set(listener);
        self.catalog.changed.notify_one();
    }

    /// Until when this node may rely on the catalog that it confirmed last; a commit must lie below it.
    ///
    /// # Errors
    /// [`ClusterError::CatalogLease`]: it may not, until range 1 can be read again; [`ClusterError::Clock`]: it must not
    /// serve at all.
    pub fn catalog_lease(&self) -> Result<Timestamp, ClusterError> {
        let doubt = self.calls.rpc.check_clock(None).err();
        match &doubt {
            // Says more than the lease, which ends because of it.
            Some(doubt @ ClockDoubt::Beyond { .. }) => return Err(ClusterError::Clock(doubt.to_string())),
            Some(ClockDoubt::Unmeasured { .. } | ClockDoubt::Past) | None => {}
        }
        let until = self.confirmed_until()?;
        doubt.map_or(Ok(until), |doubt| Err(ClusterError::Clock(doubt.to_string())))
    }

    /// Whether this node serves SQL, by what it knows: neither the store nor another node is waited for.
    ///
    /// # Errors
    /// As [`Agent::catalog_lease`].
    pub fn serves(&self) -> Result<(), ClusterError> {
        if let Some(doubt) = self.calls.rpc.check_clock(None).err() {
            return Err(ClusterError::Clock(doubt.to_string()));
        }
        self.confirmed_until().map(|_| ())
    }

    /// How long range 1's leaseholder has not answered this node, which asks it each second.
    pub fn metadata_silence(&self) -> Duration {
        self.contact.silence(self.calls.boottime())
    }

    fn confirmed_until(&self) -> Result<Timestamp, ClusterError> {
        self.catalog.until(self.calls.clock.peek()).ok_or_else(|| self.unconfirmed())
    }

    fn unconfirmed(&self) -> ClusterError {
        let system = self.calls.router.system_range();
        let nodes: Vec<String> = system.nodes().iter().map(NodeId::to_string).collect();
        ClusterError::CatalogLease(format!(
            "node {} cannot confirm its catalog: range {SYSTEM_RANGE}, with replicas on {}, gives it no lease; SQL is \
             served again as soon as a majority of them is reached",
            self.calls.node_id(),
            nodes.join(", ")
        ))
    }

    /// Reads the catalog when it changed, and every few seconds.
    pub async fn confirm_catalog_forever(self: Arc<Self>) {
        let mut telling = Telling::default();
        loop {
            self.await_measured_clock().await;
            if let Some(listener) = self.listener.get() {
                match listener.refresh().await {
                    Ok(version) => {
                        let _ = telling.well(self.calls.boottime());
                        self.catalog.confirm(version, self.calls.clock.physical().boottime());
                        self.report_once().await;
                    }
                    Err(error) => {
                        if let Some(tell) = telling.trouble(self.calls.boottime()) {
                            tracing::warn!(%error, "the catalog could not be confirmed{tell}");
                        }
                        tokio::time::sleep(LEADER_RETRY).await;
                        continue;
                    }
                }
            }
            // A node that reads an older catalog than is required is told so at each report: not at full speed.
            tokio::time::sleep(CATALOG_PAUSE).await;
            let _ = tokio::time::timeout(CATALOG_RENEWAL, self.catalog.changed.notified()).await;
        }
    }

    /// Reads the catalog, for somebody who knows of a newer version, and says which one it has by then.
    pub async fn answer_catalog_changed(&self, version: u64) -> ClusterAnswer {
        let has = || self.catalog.version(self.calls.clock.physical().boottime());
        let is_old = || has().is_none_or(|has| has < version);
        let reading = async {
            while is_old() {
                let confirmed = self.catalog.confirmed.notified();
                self.catalog.changed.notify_one();
                confirmed.await;
                if is_old() {
                    tokio::time::sleep(CATALOG_READ_PAUSE).await;
                }
            }
        };
        let _ = tokio::time::timeout(CATALOG_READ_TIMEOUT, reading).await;
        ClusterAnswer::Catalog { version: has() }
    }
}
