//! Makes ranges and removes them, as range 1's leaseholder.
//!
//! The directory changes before any replica does, by one transaction on range 1 with the id, the row and the reason.
//! From then on the range exists: replicas that could not be created now are created by their own nodes
//! (`reconcile`). Losing the lease in between only means that somebody else finishes.

use std::time::Duration;

use futures::future::join_all;
use quorate_engine::kv::{Database, Fence, Span, TransactionOptions};
use quorate_placement::topology::NodeId;

use super::Leader;
use super::board::Board;
use crate::cluster::calls::Moment;
use crate::cluster::directory::ranges::EnteredRange;
use crate::cluster::directory::rows::table_keys;
use crate::cluster::error::ClusterError;
use crate::cluster::message::{ClusterAnswer, ClusterRequest};
use crate::descriptor::RangeDescriptor;

/// Longest wait for one node to create or remove a replica: a synced write, and a queue before it.
const REPLICA_TIMEOUT: Duration = Duration::from_secs(4);
/// How often waiting for reports looks again.
const REPORTS_CHECK: Duration = Duration::from_millis(20);

impl Leader {
    /// Makes a range; see [`crate::cluster::member::Member::create_table_range`].
    pub async fn lead_create_range(&self, span: Span, fence: Option<Fence>) -> ClusterAnswer {
        if !self.calls.is_leader() {
            return self.calls.not_leader();
        }
        if !self.await_reports().await {
            return self.calls.not_leader();
        }
        let _one_at_a_time = self.directory_lock.lock().await;
        answer(self.create_range(&span, fence.as_ref()).await)
    }

    /// Waits until every registered node has reported to this leaseholder, or had the time to: what is placed goes to nodes
    /// that were heard, and one that begins has heard nobody yet. False where this node does not hold the lease.
    pub async fn await_reports(&self) -> bool {
        loop {
            let nodes = self.directory.registry.ids();
            let knows = |board: &mut Board, now: Moment| {
                board.has_listened(now.boot) || nodes.iter().all(|node| board.has_heard(*node))
            };
            match self.with_board(knows) {
                Some(false) => tokio::time::sleep(REPORTS_CHECK).await,
                Some(true) => return true,
                None => return false,
            }
        }
    }

    async fn create_range(&self, span: &Span, fence: Option<&Fence>) -> Result<(), ClusterError> {
        if span.is_empty() || !table_keys().covers(span) {
            return Err(ClusterError::Refused(format!(
                "no range can be made of keys {} to {}",
                span.start, span.end
            )));
        }
        let EnteredRange { descriptor, leader } = self.directory.enter_range(span, fence, self).await?;
        self.calls.router.learn(descriptor.clone());
        self.with_board(|board, now| board.placed(descriptor.range_id, leader, now.boot));
        self.create_replicas(&descriptor, leader).await?;
        let mut budget = self.directory.database().budget();
        let mut transaction = self.directory.database().begin(TransactionOptions::reading()).await?;
        // The first strong read is the proof that the range has a leaseholder.
        transaction.get_many(vec![span.start.clone()]).await?;
        self.calls.router.range_of(&span.start, &mut budget).await?;
        Ok(())
    }

    /// Has all nodes of a new range create their replicas, the first leader last, so that its voters are there.
    ///
    /// # Errors
    /// Fewer than a majority could; the range exists all the same, and its nodes go on trying.
    async fn create_replicas(
        &self,
        descriptor: &RangeDescriptor,
        leader: NodeId,
    ) -> Result<(), ClusterError> {
        let (leaders, followers): (Vec<_>, Vec<_>) =
            descriptor.nodes().into_iter().partition(|node| *node == leader);
        let mut failures = Vec::new();
        for (nodes, campaign) in [(followers, false), (leaders, true)] {
            let creations = nodes.iter().map(|node| self.create_replica_on(*node, descriptor, campaign));
            failures.extend(join_all(creations).await.into_iter().flatten());
        }
        let created = descriptor.replicas.len().saturating_sub(failures.len());
        if created > descriptor.replicas.len() / 2 {
            return Ok(());
        }
        Err(ClusterError::Unavailable(format!(
            "{} was placed, but only {created} of {} replicas could be created: {}; it works as soon as the missing \
             nodes are back",
            descriptor.range_id,
            descriptor.replicas.len(),
            failures.join(", ")
        )))
    }

    /// What went wrong, if something did.
    async fn create_replica_on(
        &self,
        node: NodeId,
        descriptor: &RangeDescriptor,
        campaign: bool,
    ) -> Option<String> {
        let request = ClusterRequest::CreateReplica { descriptor: descriptor.clone(), campaign };
        match self.calls.ask_node(node, &request, REPLICA_TIMEOUT).await {
            Ok(ClusterAnswer::Done) => None,
            Ok(other) => Some(format!("{node}: {}", other.complaint())),
            Err(error) => Some(format!("{node}: {error}")),
        }
    }

    /// Removes ranges; see [`crate::cluster::member::Member::drop_table_ranges`]. They are closed first, which may take long,
    /// and longer where one has no quorum: nobody who makes a range waits for that.
    pub async fn lead_drop_ranges(&self, span: Span, fence: Option<Fence>) -> ClusterAnswer {
        if !self.calls.is_leader() {
            return self.calls.not_leader();
        }
        if let Err(error) = self.directory.database().close_span(&span).await {
            return answer(Err(error.into()));
        }
        let _one_at_a_time = self.directory_lock.lock().await;
        answer(self.drop_ranges(&span, fence.as_ref()).await)
    }

    /// Has the nodes remove their replicas; whoever does not answer does it when it looks at the directory again.
    pub async fn destroy_replicas(&self, removed: &[RangeDescriptor]) {
        for descriptor in removed {
            self.calls.router.forget(descriptor);
            let (range_id, next_replica_id) = (descriptor.range_id, descriptor.next_replica_id);
            let request = ClusterRequest::DestroyReplica { range_id, next_replica_id };
            let nodes = descriptor.nodes();
            join_all(nodes.iter().map(|node| self.calls.ask_node(*node, &request, REPLICA_TIMEOUT))).await;
        }
    }

    async fn drop_ranges(&self, span: &Span, fence: Option<&Fence>) -> Result<(), ClusterError> {
        let removed = self.directory.remove_ranges(span, fence).await?;
        self.destroy_replicas(&removed).await;
        Ok(())
    }
}

/// What is answered to whoever asked for a change of the directory.
fn answer(result: Result<(), ClusterError>) -> ClusterAnswer {
    match result {
        Ok(()) => ClusterAnswer::Done,
        Err(ClusterError::Refused(detail)) => ClusterAnswer::Refused(detail),
        Err(error) => ClusterAnswer::Unavailable(error.to_string()),
    }
}
