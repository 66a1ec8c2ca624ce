//! What SQL and the command line ask of the cluster; most of it is done by range 1's leaseholder.

use std::time::Duration;

use quorate_engine::kv::{Fence, KvError, Span};
use quorate_placement::topology::{NodeId, RangeId};

use super::calls::LEADER_RETRY;
use super::error::ClusterError;
use super::leader::REPORTS_WAIT;

use super::member::Member;
use super::message::{ClusterAnswer, ClusterRequest};
use super::status::{ClusterStatus, RangeStatus};
use crate::descriptor::RangeDescriptor;
use crate::limits::{AWAIT_CATALOG_ATTEMPT, AWAIT_CATALOG_TIMEOUT};

/// Longest wait for a new range: directory, replicas, election, first read.
const CREATE_TIMEOUT: Duration = Duration::from_secs(60);
/// Longest wait for one attempt at it: whoever was asked may have died without a word.
const CREATE_ATTEMPT_TIMEOUT: Duration = Duration::from_secs(10);
/// Pause before it is tried again.
const CREATE_PAUSE: Duration = Duration::from_millis(200);
/// Longest wait for the removal of ranges.
const DROP_TIMEOUT: Duration = Duration::from_secs(15);
/// Longest wait for the leaseholder's view of the cluster before a node tells what it knows by itself.
const STATUS_TIMEOUT: Duration = Duration::from_secs(2);
const _: () = assert!(REPORTS_WAIT.as_millis() < STATUS_TIMEOUT.as_millis());

/// One range, for SHOW RANGES.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RangeInfo {
    /// What it is.
    pub descriptor: RangeDescriptor,
    /// The node that leads it; `None` while none does, or nobody knows.
    pub leader: Option<NodeId>,
    /// Zone of that node.
    pub leader_zone: Option<String>,
    /// Bytes of its data, about.
    pub size_bytes: u64,
}

impl Member {
    /// Makes a range of these keys, which no range holds yet, and waits until it serves. Repeating it does nothing.
    ///
    /// # Errors
    /// [`ClusterError::Refused`] where it cannot be placed, [`ClusterError::Unavailable`] where something is missing.
    pub async fn create_table_range(&self, span: Span) -> Result<(), ClusterError> {
        self.create_range_if(span, None).await
    }

    /// As [`Member::create_table_range`]; a call whose fence does not hold, in the transaction that enters the range into the
    /// directory, does nothing.
    ///
    /// # Errors
    /// [`ClusterError::Refused`] also where the fence does not hold.
    pub async fn create_fenced_range(&self, span: Span, fence: Fence) -> Result<(), ClusterError> {
        self.create_range_if(span, Some(fence)).await
    }

    async fn create_range_if(&self, span: Span, fence: Option<Fence>) -> Result<(), ClusterError> {
        let until = self.calls.boottime() + CREATE_TIMEOUT;
        loop {
            let left = until.saturating_sub(self.calls.boottime()).min(CREATE_ATTEMPT_TIMEOUT);
            match self.try_create_table_range(&span, fence.as_ref(), left).await {
                // Something was between two leaseholders, or too slow.
                Err(error) if is_passing(&error) && self.calls.boottime() + CREATE_PAUSE < until => {
                    tracing::info!(%error, "a range is not made yet; it is tried again");
                    tokio::time::sleep(CREATE_PAUSE).await;
                }
                done => return done,
            }
        }
    }

    async fn try_create_table_range(
        &self,
        span: &Span,
        fence: Option<&Fence>,
        timeout: Duration,
    ) -> Result<(), ClusterError> {
        let request = match fence.cloned() {
            Some(fence) => ClusterRequest::CreateRangeFenced { span: span.clone(), fence },
            None => ClusterRequest::CreateRange { span: span.clone() },
        };
        self.calls.ask_leader(&request, timeout).await?.expect_done()?;
        let mut budget = self.database().budget();
        self.router().range_of(&span.start, &mut budget).await?;
        Ok(())
    }

    /// Removes the ranges within these keys with all their data. Replicas on nodes that are away go when those return.
    ///
    /// # Errors
    /// As [`Member::create_table_range`].
    pub async fn drop_table_ranges(&self, span: Span) -> Result<(), ClusterError> {
        self.calls.ask_leader(&ClusterRequest::DropRanges { span }, DROP_TIMEOUT).await?.expect_done()
    }

    /// As [`Member::drop_table_ranges`], if the fence holds in the transaction that does it.
    ///
    /// # Errors
    /// As [`Member::create_fenced_range`].
    pub async fn drop_fenced_ranges(&self, span: Span, fence: Fence) -> Result<(), ClusterError> {
        let request = ClusterRequest::DropRangesFenced { span, fence };
        self.calls.ask_leader(&request, DROP_TIMEOUT).await?.expect_done()
    }

    /// Waits until every live node has confirmed a catalog of this version or a newer one, or its lease on an older one
    /// has run out.
    ///
    /// # Errors
    /// [`ClusterError::Unavailable`]: range 1 has no leaseholder that answers in time.
    pub async fn await_catalog(&self, version: u64) -> Result<(), ClusterError> {
        let request = ClusterRequest::AwaitCatalog { version };
        let until = self.calls.boottime() + AWAIT_CATALOG_TIMEOUT;
        loop {
            let left = until.saturating_sub(self.calls.boottime()).min(AWAIT_CATALOG_ATTEMPT);
            match self.calls.ask_leader(&request, left).await {
                Err(error) if is_passing(&error) && self.calls.boottime() + CREATE_PAUSE < until => {
                    tokio::time::sleep(CREATE_PAUSE).await;
                }
                answer => return answer?.expect_done(),
            }
        }
    }

    /// The ranges that overlap a span, by start key; those of the directory, and range 1.
    ///
    /// # Errors
    /// The directory could not be read.
    pub async fn ranges(&self, span: Span) -> Result<Vec<RangeInfo>, ClusterError> {
        let descriptors = self.directory.read(&span).await?;
        let is_elsewhere =
            |descriptor: &RangeDescriptor| self.calls.ranges.status(descriptor.range_id).is_none();
        let elsewhere =
            if descriptors.iter().any(is_elsewhere) { self.told_by_leader().await.ok() } else { None };
        let info = |descriptor: RangeDescriptor| {
            let told = elsewhere.as_ref().and_then(|status| told_range(status, descriptor.range_id));
            let (leader, size_bytes) = match self.calls.ranges.status(descriptor.range_id) {
                Some(status) => (self.agent.believed_leader(&status), status.size_bytes),
                None => told.map_or((None, 0), |range| (range.leader, range.size_bytes)),
            };
            let leader_zone = leader.and_then(|node| self.registry().zone_of(node));
            RangeInfo { descriptor, leader, leader_zone, size_bytes }
        };
        Ok(descriptors.into_iter().map(info).collect())
    }

    /// How the cluster is: as range 1's leaseholder knows, or, where it does not answer, as this node knows by itself.
    pub async fn status(&self) -> ClusterStatus {
        match self.told_by_leader().await {
            Ok(status) => status,
            Err(reason) => self.agent.own_status(reason).await,
        }
    }

    /// What range 1's leaseholder tells within some seconds; one that cannot yet, as right after its start, may a moment later.
    ///
    /// # Errors
    /// Why it told nothing.
    async fn told_by_leader(&self) -> Result<ClusterStatus, String> {
        let until = self.calls.boottime().saturating_add(STATUS_TIMEOUT);
        let mut complaint = None;
        loop {
            let left = until.saturating_sub(self.calls.boottime());
            match self.calls.ask_leader(&ClusterRequest::Status, left).await {
                Ok(ClusterAnswer::Status(status)) => return Ok(*status),
                Ok(other) => complaint = Some(format!("range 1's leaseholder: {}", other.complaint())),
                Err(error) => return Err(complaint.unwrap_or_else(|| error.to_string())),
            }
            tokio::time::sleep(LEADER_RETRY).await;
        }
    }

    /// Everything that range 1's leaseholder knows.
    pub(super) async fn lead_status(&self) -> ClusterAnswer {
        let directory = match self.leader.directory_to_tell().await {
            Ok(directory) => directory,
            Err(answer) => return answer,
        };
        // The leaseholder's own report must not be a second old in its own answer.
        self.agent.report_once().await;
        match self.leader.status_of(&directory) {
            Some(status) => ClusterAnswer::Status(Box::new(status)),
            None => self.calls.not_leader(),
        }
    }
}

/// Whether the same may be done a moment later.
fn is_passing(error: &ClusterError) -> bool {
    matches!(
        error,
        ClusterError::Unavailable(_)
            | ClusterError::Kv(
                KvError::Retry { .. } | KvError::Unavailable { .. } | KvError::Ambiguous { .. }
            )
    )
}

fn told_range(status: &ClusterStatus, range_id: RangeId) -> Option<&RangeStatus> {
    status.ranges.iter().find(|range| range.range_id == range_id)
}
