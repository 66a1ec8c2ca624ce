//! Changes of a range's replicas, as its leader makes them, and what a replica says of its own progress.

use std::task::Poll;
use std::time::Duration;

use super::Replica;
use crate::local_ranges::{LedRange, LocalRangeError, ReplicaProgress};
use crate::raft::{ChangeError, MemberChange, MembersStamp};
use crate::safeguard::{self, Safeguard};

/// How long an entry that changes members may take until it is applied here: afterwards the range is looked at anew.
const CHANGE_TIMEOUT: Duration = Duration::from_secs(5);

impl Replica {
    /// The range as this replica sees it, if it leads.
    pub(crate) fn led(&self) -> Option<LedRange> {
        let members = self.task.group()?.led_members()?;
        let descriptor = self.descriptor();
        Some(LedRange { descriptor: (*descriptor).clone(), replica_id: self.replica_id, members })
    }

    /// Changes the members by one entry; nothing is enqueued behind an EndLease.
    pub(crate) async fn change_members(
        &self,
        on: MembersStamp,
        change: MemberChange,
    ) -> Result<(), ChangeError> {
        let group =
            self.task.group().ok_or_else(|| ChangeError::Stale("its Raft task is down".to_owned()))?;
        group.wake().await;
        let mut changing = Box::pin(group.change_members(on, change, CHANGE_TIMEOUT));
        let first = {
            let _enqueued = self.enqueue_lock.read().await;
            if self.lease.lock().is_handing_over() {
                return Err(ChangeError::Stale("its leader is handing over".to_owned()));
            }
            // The first poll gives the entry its place.
            futures::poll!(changing.as_mut())
        };
        match first {
            Poll::Ready(result) => result,
            Poll::Pending => changing.await,
        }
    }

    /// How far this replica is. What it says is on its disk: whoever hears it may give up other copies.
    pub(crate) async fn progress(&self) -> Result<ReplicaProgress, LocalRangeError> {
        let status = self.status();
        if safeguard::holds(Safeguard::SyncedBeforeReported) {
            self.sync().await?;
        }
        let receiving = status.receiving;
        Ok(ReplicaProgress {
            applied: if status.is_whole { status.applied } else { 0 },
            bytes: receiving.map_or(0, |transfer| transfer.bytes),
            bytes_expected: receiving.map_or(0, |transfer| transfer.bytes_expected),
        })
    }

    async fn sync(&self) -> Result<(), LocalRangeError> {
        let engine = std::sync::Arc::clone(&self.shared.engine);
        let storage = |error: &dyn ToString| LocalRangeError::Storage(error.to_string());
        let synced =
            self.shared.blocking.run(move || engine.sync()).await.map_err(|error| storage(&error))?;
        synced.map_err(|error| {
            // A store that failed to sync must not be used again.
            self.shared.writer.poison(error.clone());
            storage(&error)
        })
    }
}
