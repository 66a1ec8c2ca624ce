//! While this node holds range 1's lease: replicas of dead nodes are replaced, and missing ones added, without a person.
//!
//! What is decided is `placement`'s; here the view is built, the decision handed to the range's leader with the
//! generation that it was decided on, and its reason stored. Nothing is remembered but what was handed out a moment ago
//! and is not reported yet: whoever holds the lease next goes on from the reports.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use quorate_placement::repair::{ReplicaChange, next_change};
use quorate_placement::topology::NodeId;
use quorate_placement::view::{PendingChange, View};
use rand::RngExt;

use super::Leader;
use crate::cluster::error::ClusterError;
use crate::cluster::message::{ClusterAnswer, ClusterRequest};
use crate::descriptor::RangeDescriptor;

/// How often ranges are looked at.
const REPAIR_INTERVAL: Duration = Duration::from_secs(1);
/// Longest wait for a range's leader to begin a change.
const BEGIN_TIMEOUT: Duration = Duration::from_secs(3);
/// Leaders that are asked one after the other: each may name another one.
const LEADERS_ASKED_MAX: usize = 3;
/// Changes begun in one pass; the next pass is near.
const CHANGES_A_PASS_MAX: usize = 8;

impl Leader {
    /// Looks at ranges each second, and has replicas replaced and added.
    pub async fn repair_forever(self: Arc<Self>) {
        loop {
            tokio::time::sleep(REPAIR_INTERVAL).await;
            if let Err(error) = self.repair_pass().await {
                tracing::debug!(%error, "ranges could not be looked at");
            }
        }
    }

    async fn repair_pass(&self) -> Result<(), ClusterError> {
        if !self.calls.is_leader() || self.with_board(|board, now| board.has_listened(now.boot)) != Some(true)
        {
            return Ok(());
        }
        let directory = self.directory.look().await?;
        let nodes: BTreeSet<NodeId> = directory.iter().flat_map(RangeDescriptor::nodes).collect();
        if nodes.into_iter().any(|node| self.directory.registry.get(node).is_none()) {
            // It joined through another node, and a replica is there already.
            self.directory.registry.stranger.notify_one();
        }
        let mut stuck = Vec::new();
        for _ in 0..CHANGES_A_PASS_MAX {
            let seed = self.rng.lock().random();
            let Some(view) = self.view_without(&directory, &stuck) else { return Ok(()) };
            let Some(change) = next_change(&view, seed) else { return Ok(()) };
            if !self.begin_repair(&change, &directory).await? {
                stuck.push(PendingChange { range: change.range, add: None, remove: None });
            }
        }
        Ok(())
    }

    /// The view, in which ranges that could not begin a moment ago count as busy: they keep no other range waiting.
    fn view_without(&self, directory: &[RangeDescriptor], stuck: &[PendingChange]) -> Option<View> {
        let pending = self.with_board(|board, now| board.pending_changes(now.boot))?;
        let all = stuck.iter().chain(&pending).copied().collect();
        Some(self.view(directory)?.with_changes(all))
    }

    /// Hands a change to the range's leader and stores its reason; whether it was begun.
    async fn begin_repair(
        &self,
        change: &ReplicaChange,
        directory: &[RangeDescriptor],
    ) -> Result<bool, ClusterError> {
        let system = self.calls.router.system_range();
        let known = directory.iter().chain([system.as_ref()]);
        let Some(descriptor) = known.into_iter().find(|known| known.range_id == change.range) else {
            return Ok(false);
        };
        let answer = self.ask_to_change(descriptor, change.add, change.remove).await;
        if answer != ClusterAnswer::Done {
            tracing::info!(%change, ?answer, "a repair could not begin");
            return Ok(false);
        }
        tracing::info!(%change, "a repair begins");
        let pending = PendingChange { range: change.range, add: change.add, remove: change.remove };
        self.with_board(|board, now| board.begun(pending, now.boot));
        let reason = self.directory.placement_row(change.range, &change.to_string());
        self.directory.write_placement_rows(vec![reason]).await?;
        Ok(true)
    }

    /// Asks a range's leader to change its replicas, whoever that is by now.
    pub async fn ask_to_change(
        &self,
        descriptor: &RangeDescriptor,
        add: Option<NodeId>,
        remove: Option<NodeId>,
    ) -> ClusterAnswer {
        let (range_id, generation) = (descriptor.range_id, descriptor.generation);
        let request = ClusterRequest::ChangeReplicas { range_id, generation, add, remove };
        let mut node = self.leader_of(descriptor);
        let mut answer = ClusterAnswer::NotLeader { leader: None };
        for _ in 0..LEADERS_ASKED_MAX {
            let Some(asked) = node else { break };
            answer = match self.calls.ask_node(asked, &request, BEGIN_TIMEOUT).await {
                Ok(answer) => answer,
                Err(error) => ClusterAnswer::Unavailable(format!("{asked}: {error}")),
            };
            let ClusterAnswer::NotLeader { leader } = answer else { return answer };
            node = leader;
        }
        answer
    }
}
