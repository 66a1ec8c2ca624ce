//! Makes a node's replicas those that the directory gives it: creates what was missed while it was away, removes what
//! is gone.
//!
//! Local replicas are listed **before** the directory is read: a replica is created only after its row was committed,
//! or comes from the split of a range whose keys have rows. So a listed replica without a row of its own belongs to a
//! range that was removed since, if it once had one, or if its keys have no rows at all; else it is the right side of a
//! split that is not published yet. A look at the kept rows ([`Directory::look`](crate::cluster::directory)) is such a
//! reading: it asks range 1 for what has changed until after it began.
//!
//! A replica that never got its state does not know its keys. It is of a range that is gone where range 1 has no row of that,
//! and no node knows it: a learner's range has committed the learner, so that a quorum of it knows the range.

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use quorate_placement::topology::ReplicaId;

use super::Agent;
use super::collect::RANGES_ASKED_MAX;
use crate::cluster::directory::rows::{is_listed, table_keys};
use crate::cluster::error::ClusterError;
use crate::descriptor::RangeDescriptor;
use crate::local_ranges::{LocalRangeError, ReplicaStatus};

/// How often a node compares.
const RECONCILE_INTERVAL: Duration = Duration::from_secs(3);

/// What becomes of a local replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// Its row is as new as itself.
    Published,
    /// Its range has a row, or will have one.
    Stays,
    /// Its range is gone.
    Goes,
}

fn fate(status: &ReplicaStatus, directory: &[RangeDescriptor]) -> Fate {
    let own = &status.descriptor;
    if let Some(row) = directory.iter().find(|row| row.range_id == own.range_id) {
        return if row.generation >= own.generation { Fate::Published } else { Fate::Stays };
    }
    let was_listed = status.published > 0;
    let has_rows = directory.iter().any(|row| row.span.overlaps(&own.span));
    // What an empty replica holds is not known before its first snapshot.
    if status.is_whole && (was_listed || !has_rows) { Fate::Goes } else { Fate::Stays }
}

/// Whether a replica knows nothing of its range, and the directory neither.
fn is_unlisted_empty(status: &ReplicaStatus, directory: &[RangeDescriptor]) -> bool {
    let range_id = status.descriptor.range_id;
    !status.is_whole && is_listed(range_id) && directory.iter().all(|row| row.range_id != range_id)
}

impl Agent {
    /// Compares every few seconds.
    pub async fn reconcile_forever(self: Arc<Self>) {
        loop {
            if let Err(error) = self.reconcile().await {
                tracing::debug!(%error, "replicas could not be compared with the directory");
            }
            tokio::time::sleep(RECONCILE_INTERVAL).await;
        }
    }

    /// Compares once.
    pub async fn reconcile(&self) -> Result<(), ClusterError> {
        let local = self.calls.ranges.statuses();
        let directory = self.directory.look().await?;
        self.collect_gone(&directory, &self.calls.router.system_range()).await;
        for descriptor in directory.iter() {
            if self.calls.ranges.status(descriptor.range_id).is_none() {
                self.create_missed(descriptor).await;
            }
        }
        let mut going = Vec::new();
        for status in local.iter().filter(|status| is_listed(status.descriptor.range_id)) {
            match fate(status, &directory) {
                Fate::Published => {
                    self.mark_published(status.descriptor.range_id, status.descriptor.generation).await;
                }
                Fate::Stays => {}
                Fate::Goes => going.push(status),
            }
        }
        self.remove_gone_replicas(&going).await?;
        self.remove_empty_replicas(&local, &directory).await
    }

    /// Removes replicas that were made for a range which was gone before they got its state.
    async fn remove_empty_replicas(
        &self,
        local: &[ReplicaStatus],
        directory: &[RangeDescriptor],
    ) -> Result<(), ClusterError> {
        let suspects: Vec<_> = local
            .iter()
            .filter(|status| is_unlisted_empty(status, directory))
            .take(RANGES_ASKED_MAX)
            .collect();
        if suspects.is_empty() {
            return Ok(());
        }
        let asking = suspects.iter().map(|status| self.is_unknown_everywhere(status.descriptor.range_id));
        let answers = join_all(asking.collect::<Vec<_>>()).await;
        // Read behind the answers: one that was published meanwhile has a row.
        let directory = self.directory.read(&table_keys()).await?;
        let unknown = suspects.into_iter().zip(answers).filter(|(_, is_unknown)| *is_unknown);
        for (status, _) in unknown.filter(|(status, _)| is_unlisted_empty(status, &directory)) {
            let range_id = status.descriptor.range_id;
            tracing::info!(range = %range_id, replica = %status.replica_id, "an empty replica is removed, its range is gone");
            let next = ReplicaId(status.replica_id.0 + 1);
            if let Err(error) = self.calls.ranges.destroy_replica(range_id, next).await {
                tracing::warn!(range = %range_id, %error, "it could not be removed");
            }
        }
        Ok(())
    }

    /// Removes replicas whose ranges the kept rows do not have any more. It is final, and seldom: range 1 itself is read
    /// for it once more, so that no fault of what is kept can cost data.
    async fn remove_gone_replicas(&self, going: &[&ReplicaStatus]) -> Result<(), ClusterError> {
        if going.is_empty() {
            return Ok(());
        }
        let directory = self.directory.read(&table_keys()).await?;
        for status in going.iter().filter(|status| fate(status, &directory) == Fate::Goes) {
            self.remove_gone_replica(&status.descriptor).await;
        }
        Ok(())
    }

    /// Creates a replica that the directory gives this node. One of a range that has changed since it was made starts
    /// empty, and gets its state from its leader; where a split of this node's own will bring it, that is waited for.
    async fn create_missed(&self, descriptor: &RangeDescriptor) {
        let Some(own) = descriptor.replica_on(self.calls.node_id()) else { return };
        let statuses = self.calls.ranges.statuses();
        if statuses.iter().any(|status| status.descriptor.span.overlaps(&descriptor.span)) {
            return;
        }
        let created = if descriptor.is_as_created() {
            self.calls.ranges.create_replica(descriptor, false).await
        } else {
            self.calls.ranges.create_learner(descriptor.range_id, own.replica_id).await
        };
        match created {
            Ok(()) => tracing::info!(range = %descriptor.range_id, "a replica was created that was missed"),
            // It was removed here, and the row is older than that.
            Err(LocalRangeError::Tombstone { .. }) => {}
            Err(error) => {
                tracing::warn!(range = %descriptor.range_id, %error, "a replica could not be created")
            }
        }
    }

    async fn remove_gone_replica(&self, descriptor: &RangeDescriptor) {
        let range_id = descriptor.range_id;
        tracing::info!(range = %range_id, "a replica is removed, its range is gone");
        self.calls.router.forget(descriptor);
        if let Err(error) = self.calls.ranges.destroy_replica(range_id, descriptor.next_replica_id).await {
            tracing::warn!(range = %range_id, %error, "it could not be removed");
        }
    }
}

#[cfg(test)]
mod tests {
    use quorate_engine::kv::{Key, Span};
    use quorate_placement::topology::{NodeId, RangeId};

    use super::*;
    use crate::local_ranges::GroupRole;

    fn range(id: u64, start: &str, end: &str, generation: u64) -> RangeDescriptor {
        let span = Span::new(Key::from(start.as_bytes()), Key::from(end.as_bytes()));
        RangeDescriptor { generation, ..RangeDescriptor::new(RangeId(id), span, &[NodeId(1)]) }
    }

    fn status(descriptor: RangeDescriptor, published: u64) -> ReplicaStatus {
        ReplicaStatus {
            descriptor: Arc::new(descriptor),
            replica_id: ReplicaId(1),
            role: GroupRole::Follower,
            term: 1,
            leader_node: None,
            has_lease: false,
            applied: 0,
            size_bytes: 0,
            silent_peers: Vec::new(),
            published,
            is_whole: true,
            receiving: None,
            sending: None,
            breaker: None,
            damage: None,
        }
    }

    #[test]
    fn replica_stays_until_its_range_is_known_to_be_gone() {
        let whole = [range(2, "a", "z", 1)];
        let right = range(3, "m", "z", 2);
        assert_eq!(fate(&status(right.clone(), 0), &whole), Fate::Stays, "not published yet");
        assert_eq!(fate(&status(range(2, "a", "m", 2), 1), &whole), Fate::Stays, "its row is older");
        assert_eq!(fate(&status(right.clone(), 0), &[]), Fate::Goes, "dropped before it was published");
        let both = [range(2, "a", "m", 2), right.clone()];
        assert_eq!(fate(&status(right.clone(), 0), &both), Fate::Published);
        assert_eq!(fate(&status(right.clone(), 2), &whole), Fate::Goes, "its row is gone");
        let empty = ReplicaStatus { is_whole: false, ..status(RangeDescriptor::unknown(RangeId(9)), 0) };
        assert_eq!(fate(&empty, &whole), Fate::Stays);
        assert!(is_unlisted_empty(&empty, &whole), "others are asked");
        assert!(!is_unlisted_empty(&empty, &[range(9, "a", "b", 3)]), "its state will come");
        assert!(!is_unlisted_empty(&status(right, 0), &[]), "it is not empty");
    }
}
