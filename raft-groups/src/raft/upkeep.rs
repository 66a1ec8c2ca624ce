//! What keeps a group's log short: snapshots that come in, and entries that are cut off.

use std::collections::BTreeMap;
use std::time::Duration;

use openraft::alias::{SnapshotMetaOf, SnapshotOf};
use openraft::async_runtime::watch::WatchReceiver;
use quorate_placement::topology::ReplicaId;

use super::convert::{
    RaftLogId, RaftStoredMembership, TypeConfig, log_id_of, raft_membership_of, raft_vote_of, vote_of,
};
use super::group::RaftGroup;

use super::snapshot::{RangeSnapshot, Received};
use super::truncation::{FollowerLog, LogView, cut};
use crate::limits::LOG_BYTES_MAX;
use crate::log_position::{LogPosition, VoteState};

/// How long openraft may take to note what a snapshot of now holds: nothing is read for it.
const NOTE_WAIT_MAX: Duration = Duration::from_secs(5);

/// Entries up to here may be cut off, once the store was synced after this was decided.
///
/// What was applied is not synced by itself: the log is, and a power cut is mended by applying it again. So the applied
/// state has to be on the disk before its entries go. As long as both share one write-ahead log a power cut could not
/// keep the cut and lose what was applied before it; the sync makes that true of a log that lives elsewhere, too. It costs
/// little: one for all groups of a store, and only where some log has a stretch that is worth a cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct LogCut(u64);

impl RaftGroup {
    /// The vote of a replica that has applied at least as much as this.
    pub(crate) fn has_applied(&self, position: LogPosition) -> Option<VoteState> {
        let applied = self.applied()?;
        (applied.index >= position.index).then(|| self.status().vote)
    }

    /// Makes a received snapshot this replica's state, and gives back its vote. One of less than it has is ignored.
    pub(crate) async fn install(&self, vote: VoteState, received: Received) -> Result<VoteState, String> {
        let head = &received.head;
        if head.position.term > vote.term {
            return Err(format!(
                "a leader of term {} has no entry of term {}",
                vote.term, head.position.term
            ));
        }
        let membership = raft_membership_of(&head.membership.membership)?;
        let meta = SnapshotMetaOf::<TypeConfig> {
            last_log_id: Some(log_id_of(head.position)),
            last_membership: RaftStoredMembership::new(head.membership.position.map(log_id_of), membership),
        };
        let snapshot = RangeSnapshot::Received(Box::new(received));
        let snapshot = SnapshotOf::<TypeConfig, _> { meta, snapshot };
        let installed = self.raft().install_full_snapshot(raft_vote_of(vote), snapshot).await;
        installed.map(|reply| vote_of(&reply.vote)).map_err(|error| error.to_string())
    }

    /// How many snapshots it has begun to send.
    #[cfg(test)]
    pub fn snapshots_begun(&self) -> u64 {
        self.holds.made()
    }

    /// How many bytes of log the replica keeps.
    pub fn log_bytes(&self) -> u64 {
        self.log().sizes().total()
    }

    /// The index up to which entries may be cut off now, if that is worth it; `is_live` says who has answered lately.
    pub fn next_cut(&self, is_live: &dyn Fn(ReplicaId) -> bool) -> Option<LogCut> {
        let applied = self.applied()?.index;
        let sizes = self.log().sizes();
        let is_pressed = self.writer().counts().log_bytes > LOG_BYTES_MAX / 2;
        let me = self.replica_id().0;
        let follower = |(&id, matched): (&u64, &Option<RaftLogId>)| FollowerLog {
            matched: matched.as_ref().map(|id| id.index),
            is_live: is_live(ReplicaId(id)),
        };
        let others = |progress: &BTreeMap<u64, Option<RaftLogId>>| {
            progress.iter().filter(|(id, _)| **id != me).map(follower).collect()
        };
        let followers = self.metrics().borrow_watched().replication.as_ref().map(others);
        cut(&LogView { sizes: &sizes, applied, held: self.holds.oldest(), followers, is_pressed }).map(LogCut)
    }

    /// Cuts off entries. What was applied when the cut was decided must have been synced since ([`LogCut`]). openraft
    /// waits with it as long as a follower's stream reads them.
    ///
    /// # Errors
    /// The Raft task has ended.
    pub async fn cut_log(&self, LogCut(index): LogCut) -> Result<(), String> {
        // openraft cuts off only what a snapshot has, and takes its own word for what that is.
        if self.noted_snapshot() < Some(index) {
            self.raft().trigger().snapshot().await.map_err(|error| error.to_string())?;
            let mut metrics = self.metrics().clone();
            let noted =
                metrics.wait_until(|metrics| metrics.snapshot.as_ref().map(|id| id.index) >= Some(index));
            match tokio::time::timeout(NOTE_WAIT_MAX, noted).await {
                Ok(Ok(_)) => {}
                // It comes again.
                Ok(Err(_)) | Err(_) => return Ok(()),
            }
        }
        self.raft().trigger().purge_log(index).await.map_err(|error| error.to_string())?;
        tracing::debug!(range = %self.range_id(), index, "log cut off");
        Ok(())
    }

    fn noted_snapshot(&self) -> Option<u64> {
        self.metrics().borrow_watched().snapshot.as_ref().map(|id| id.index)
    }

    /// Ends the Raft task as a defect of its own would: by a panic in it.
    #[cfg(any(test, feature = "known-bugs"))]
    pub async fn kill(&self) {
        let died: fn(&openraft::RaftState<TypeConfig>) = |_| panic!("a test kills this Raft task");
        // Nobody is left to answer.
        let _ = self.raft().with_raft_state(died).await;
    }
}
