//! Registers this node's start, then keeps its copy of the registry and the settings fresh.

use std::sync::Arc;
use std::time::Duration;

use super::Agent;
use crate::cluster::directory::nodes::Registered;
use crate::cluster::error::ClusterError;
use crate::limits::REPORT_INTERVAL;

use crate::telling::Telling;

/// How often the registry and the settings are read anew.
const REFRESH_INTERVAL: Duration = Duration::from_secs(5);
/// Least time between two such readings, when a node connects that is not known here.
const REFRESH_PAUSE: Duration = Duration::from_millis(200);

impl Agent {
    /// Registers this node's start, then keeps the registry's copy and the settings fresh.
    pub async fn refresh_forever(self: Arc<Self>) {
        self.await_measured_clock().await;
        if !self.register_until_done().await {
            return;
        }
        let mut telling = Telling::default();
        loop {
            match self.directory.refresh().await {
                Ok(()) => {
                    let _ = telling.well(self.calls.boottime());
                }
                Err(error) => {
                    if let Some(tell) = telling.trouble(self.calls.boottime()) {
                        tracing::warn!(
                            %error,
                            "registry and settings could not be read; the last known ones stay{tell}"
                        );
                    }
                }
            }
            // Strangers that keep coming, of whom range 1 knows nothing either, make no more work than this.
            tokio::time::sleep(REFRESH_PAUSE).await;
            let _ = tokio::time::timeout(REFRESH_INTERVAL, self.directory.registry.stranger.notified()).await;
        }
    }

    /// Tries until this start is registered; false where it never will be.
    async fn register_until_done(&self) -> bool {
        let mut telling = Telling::default();
        while let Err(error) = self.register().await {
            if let ClusterError::Refused(reason) = error {
                tracing::error!("{reason}");
                return false;
            }
            if let Some(tell) = telling.trouble(self.calls.boottime()) {
                tracing::warn!(%error, "the node could not register itself yet{tell}");
            }
            tokio::time::sleep(REPORT_INTERVAL).await;
        }
        true
    }

    /// Registers this start; where the process must end, this does not return.
    async fn register(&self) -> Result<(), ClusterError> {
        match self.directory.register(&self.record).await? {
            Registered::Entered => Ok(()),
            Registered::MustEnd(reason) => {
                self.host.give_up(reason);
                std::future::pending().await
            }
        }
    }
}
