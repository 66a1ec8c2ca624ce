//! What range 1's leaseholder does for the cluster: places ranges, removes them, waits for catalogs.
//!
//! The directory changes before any replica does, by one transaction on range 1 with the id, the row and the reason.
//! From then on the range exists: replicas that could not be created now are created by their own nodes
//! (`reconcile`). Losing the lease in between only means that somebody else finishes.

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use quorate_engine::kv::{Database, Fence, KvError, Span, Transaction, TransactionOptions, Write};
use quorate_placement::new_range::{NewRangeDecision, place_new_range};
use quorate_placement::policy::Policy;
use quorate_placement::topology::{NodeId, RangeId};
use quorate_placement::view::{NodeView, PendingTransfer, RangeView, ReplicaView, View};
use rand::RngExt;

use super::board::{Board, Moment};
use super::error::ClusterError;
use super::member::Member;
use super::message::{ClusterAnswer, ClusterRequest};
use super::ranges::{is_listed, table_keys};
use super::system::{self, CHANGE_ATTEMPTS_MAX, NEXT_RANGE_ID};
use crate::client::router::directory_key;
use crate::descriptor::RangeDescriptor;
use crate::range_format::encode_descriptor;
use crate::safeguard::{self, Safeguard};

/// Longest wait for one node to create or remove a replica: a synced write, and a queue before it.
const REPLICA_TIMEOUT: Duration = Duration::from_secs(4);
/// How often waiting for catalogs looks again.
const CATALOG_CHECK: Duration = Duration::from_millis(50);
/// Longest wait for one node to say which catalog it has.
const CATALOG_PUSH_TIMEOUT: Duration = Duration::from_secs(6);
/// How often waiting for reports looks again.
const REPORTS_CHECK: Duration = Duration::from_millis(20);
/// First id of a range that is not range 1.
pub(super) const FIRST_RANGE_ID: u64 = 2;

impl Member {
    /// Makes a range; see [`Member::create_table_range`].
    pub(super) async fn lead_create_range(&self, span: Span, fence: Option<Fence>) -> ClusterAnswer {
        if !self.is_leader() {
            return self.not_leader();
        }
        if !self.await_reports().await {
            return self.not_leader();
        }
        let _one_at_a_time = self.directory_lock.lock().await;
        match self.create_range(&span, fence.as_ref()).await {
            Ok(()) => ClusterAnswer::Done,
            Err(ClusterError::Refused(detail)) => ClusterAnswer::Refused(detail),
            Err(error) => ClusterAnswer::Unavailable(error.to_string()),
        }
    }

    /// Waits until every registered node has reported to this leaseholder, or had the time to: what is placed goes to nodes
    /// that were heard, and one that begins has heard nobody yet. False where this node does not hold the lease.
    pub(super) async fn await_reports(&self) -> bool {
        loop {
            let nodes = self.registry.ids();
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
        let (descriptor, leader) = self.enter_range(span, fence).await?;
        self.router().learn(descriptor.clone());
        self.with_board(|board, now| board.placed(descriptor.range_id, leader, now.boot));
        self.create_replicas(&descriptor, leader).await?;
        let mut budget = self.database.budget();
        let mut transaction = self.database.begin(TransactionOptions::reading()).await?;
        // The first strong read is the proof that the range has a leaseholder.
        transaction.get_many(vec![span.start.clone()]).await?;
        self.router().range_of(&span.start, &mut budget).await?;
        Ok(())
    }

    /// Enters a range into the directory, unless it is there; gives its descriptor and the node that is to lead it.
    async fn enter_range(
        &self,
        span: &Span,
        fence: Option<&Fence>,
    ) -> Result<(RangeDescriptor, NodeId), ClusterError> {
        let mut last = None;
        for _ in 0..CHANGE_ATTEMPTS_MAX {
            match self.try_enter_range(span, fence).await {
                Err(ClusterError::Kv(error @ (KvError::Retry { .. } | KvError::Ambiguous { .. }))) => {
                    last = Some(error);
                }
                done => return done,
            }
        }
        Err(ClusterError::Unavailable(last.map_or_else(String::new, |error| error.to_string())))
    }

    async fn try_enter_range(
        &self,
        span: &Span,
        fence: Option<&Fence>,
    ) -> Result<(RangeDescriptor, NodeId), ClusterError> {
        let mut transaction = self.database.begin(TransactionOptions::default()).await?;
        check_fence(transaction.as_mut(), fence).await?;
        let everything = table_keys();
        let directory = system::read_directory(transaction.as_mut(), &everything).await?;
        if let Some(known) = directory.iter().find(|known| known.span.overlaps(span)) {
            if known.span != *span {
                let message = format!("keys {} to {} overlap {}", span.start, span.end, known.range_id);
                return Err(ClusterError::Refused(message));
            }
            let leader = known.replicas.first().map_or(self.node_id(), |replica| replica.node_id);
            return Ok((known.clone(), leader));
        }
        let decision = self.place(&directory)?;
        let id = system::take_id(transaction.as_mut(), NEXT_RANGE_ID, FIRST_RANGE_ID).await?;
        let descriptor = RangeDescriptor::new(RangeId(id), span.clone(), &decision.replicas);
        transaction
            .write(Write::insert(directory_key(&span.start), encode_descriptor(&descriptor).into()))?;
        transaction.write(self.placement_row(descriptor.range_id, &decision.to_string()))?;
        // Before anybody can read it there.
        self.with_board(|board, now| board.entered(descriptor.range_id, now.boot));
        transaction.commit(None).await?;
        Ok((descriptor, decision.leader))
    }

    fn place(&self, directory: &[RangeDescriptor]) -> Result<NewRangeDecision, ClusterError> {
        let seed = self.rng.lock().random();
        let view = self.view(directory).ok_or_else(|| {
            ClusterError::Unavailable("range 1 went to another leaseholder; repeat the statement".to_owned())
        })?;
        place_new_range(&view, &Policy::default(), seed)
            .map_err(|unplaceable| ClusterError::Refused(unplaceable.to_string()))
    }

    /// The cluster as the allocator sees it; `None` where this node does not hold range 1's lease.
    pub(super) fn view(&self, directory: &[RangeDescriptor]) -> Option<View> {
        self.view_after(directory, Vec::new())
    }

    /// [`Member::view`] with hand-overs taken as done.
    pub(super) fn view_after(
        &self,
        directory: &[RangeDescriptor],
        pending: Vec<PendingTransfer>,
    ) -> Option<View> {
        let system = self.router().system_range();
        self.with_board(|board, now| {
            let node = |record: super::node_format::NodeRecord| {
                let report = board.last_report(record.node_id);
                NodeView {
                    id: record.node_id,
                    liveness: board.liveness(record.node_id, now.boot),
                    is_heard: board.has_heard(record.node_id),
                    disk_used_bytes: report.map_or(0, |report| report.disk_used_bytes),
                    disk_total_bytes: report.map_or(0, |report| report.disk_total_bytes),
                    locality: record.locality,
                }
            };
            let range = |descriptor: &RangeDescriptor, policy: Policy| {
                let leader = board.leader(descriptor.range_id, now.boot);
                let voters = descriptor.voters();
                let learners = descriptor.replicas.iter().filter(|replica| !replica.is_voter());
                RangeView {
                    id: descriptor.range_id,
                    replicas: voters
                        .map(|replica| ReplicaView { id: replica.replica_id, node: replica.node_id })
                        .collect(),
                    learners: learners.map(|replica| replica.node_id).collect(),
                    damaged: descriptor
                        .voters()
                        .filter(|replica| board.damage(replica, descriptor.range_id).is_some())
                        .map(|replica| replica.node_id)
                        .collect(),
                    leader,
                    size_bytes: board.size_and_complaint(descriptor.range_id, leader).0,
                    policy,
                }
            };
            let mut ranges = vec![range(&system, Policy::system())];
            let listed = directory.iter().filter(|descriptor| is_listed(descriptor.range_id));
            ranges.extend(listed.map(|descriptor| range(descriptor, Policy::default())));
            View::new(self.registry.all().into_iter().map(node).collect(), ranges, pending)
                .with_changes(board.pending_changes(now.boot))
        })
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
        match self.ask_node(node, &request, REPLICA_TIMEOUT).await {
            Ok(ClusterAnswer::Done) => None,
            Ok(other) => Some(format!("{node}: {}", other.complaint())),
            Err(error) => Some(format!("{node}: {error}")),
        }
    }

    /// Removes ranges; see [`Member::drop_table_ranges`].
    pub(super) async fn lead_drop_ranges(&self, span: Span, fence: Option<Fence>) -> ClusterAnswer {
        if !self.is_leader() {
            return self.not_leader();
        }
        let _one_at_a_time = self.directory_lock.lock().await;
        match self.drop_ranges(&span, fence.as_ref()).await {
            Ok(()) => ClusterAnswer::Done,
            Err(ClusterError::Refused(detail)) => ClusterAnswer::Refused(detail),
            Err(error) => ClusterAnswer::Unavailable(error.to_string()),
        }
    }

    async fn drop_ranges(&self, span: &Span, fence: Option<&Fence>) -> Result<(), ClusterError> {
        self.database.close_span(span).await?;
        let mut last = None;
        for _ in 0..CHANGE_ATTEMPTS_MAX {
            match self.try_remove_rows(span, fence).await {
                Ok(removed) => {
                    self.destroy_replicas(&removed).await;
                    return Ok(());
                }
                Err(ClusterError::Kv(error @ (KvError::Retry { .. } | KvError::Ambiguous { .. }))) => {
                    last = Some(error);
                }
                Err(error) => return Err(error),
            }
        }
        Err(ClusterError::Unavailable(last.map_or_else(String::new, |error| error.to_string())))
    }

    /// Removes the directory's rows within a span.
    async fn try_remove_rows(
        &self,
        span: &Span,
        fence: Option<&Fence>,
    ) -> Result<Vec<RangeDescriptor>, ClusterError> {
        let mut transaction = self.database.begin(TransactionOptions::default()).await?;
        check_fence(transaction.as_mut(), fence).await?;
        let found = system::read_directory(transaction.as_mut(), span).await?;
        if let Some(larger) = found.iter().find(|descriptor| !span.covers(&descriptor.span)) {
            return Err(ClusterError::Refused(format!("{} also holds other keys", larger.range_id)));
        }
        for descriptor in &found {
            transaction.write(Write::delete(directory_key(&descriptor.span.start)))?;
            transaction.write(self.placement_row(descriptor.range_id, "removed with its table"))?;
        }
        transaction.commit(None).await?;
        Ok(found)
    }

    /// Has the nodes remove their replicas; whoever does not answer does it when it looks at the directory again.
    pub(super) async fn destroy_replicas(&self, removed: &[RangeDescriptor]) {
        for descriptor in removed {
            self.router().forget(descriptor);
            let (range_id, next_replica_id) = (descriptor.range_id, descriptor.next_replica_id);
            let request = ClusterRequest::DestroyReplica { range_id, next_replica_id };
            let nodes = descriptor.nodes();
            join_all(nodes.iter().map(|node| self.ask_node(*node, &request, REPLICA_TIMEOUT))).await;
        }
    }

    /// Waits until no node relies on an older catalog; see [`Member::await_catalog`].
    pub(super) async fn lead_await_catalog(self: &Arc<Self>, version: u64) -> ClusterAnswer {
        let mut told: Vec<NodeId> = Vec::new();
        loop {
            // New members may come in while this waits; a node that is not in the copy has no lease from this board.
            let nodes = self.registry.ids();
            let offset_max = self.clock.offset_max();
            let relying = self.with_board(|board, now| {
                board.require(version);
                board.relying_on_older(version, &nodes, now.wall, offset_max)
            });
            let Some(relying) = relying else { return self.not_leader() };
            if relying.is_empty() {
                return ClusterAnswer::Done;
            }
            for node in relying {
                if !told.contains(&node) {
                    told.push(node);
                    tokio::spawn(Arc::clone(self).tell_catalog_changed(node, version));
                }
            }
            tokio::time::sleep(CATALOG_CHECK).await;
        }
    }

    async fn tell_catalog_changed(self: Arc<Self>, node: NodeId, version: u64) {
        let request = ClusterRequest::CatalogChanged { version };
        let answer = self.ask_node(node, &request, CATALOG_PUSH_TIMEOUT).await;
        if let Ok(ClusterAnswer::Catalog { version: Some(confirmed) }) = answer {
            self.with_board(|board, _| board.confirm(node, confirmed));
        }
    }
}

/// Fails where whoever asked was replaced meanwhile, as the transaction sees it that does what was asked.
async fn check_fence(transaction: &mut dyn Transaction, fence: Option<&Fence>) -> Result<(), ClusterError> {
    let Some(fence) = fence else { return Ok(()) };
    if fence.holds(transaction).await? || !safeguard::holds(Safeguard::JobEpochChecked) {
        return Ok(());
    }
    Err(ClusterError::Refused(format!(
        "nothing was done: row {} of range 1 says that another does it",
        fence.key
    )))
}
