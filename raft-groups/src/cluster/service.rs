//! Takes what members of the cluster say: the handler of `Service::Cluster`.

use std::sync::{Arc, Weak};
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use quorate_placement::topology::NodeId;

use super::change::Goal;
use super::member::Member;
use super::message::{ClusterAnswer, ClusterRequest, NodeReport};
use crate::descriptor::RangeDescriptor;
use crate::local_ranges::LocalRangeError;
use crate::wire::cluster::{read_request, write_answer};

/// How long a node that was told of a new catalog may take to read it before it says what it has.
const CATALOG_READ_TIMEOUT: Duration = Duration::from_secs(5);
/// Pause before a catalog that proved older than expected is read again.
const CATALOG_READ_PAUSE: Duration = Duration::from_millis(100);

/// The handler; a member that is gone answers nothing any more.
pub(super) struct ClusterService {
    member: Weak<Member>,
}

impl ClusterService {
    pub fn new(member: &Arc<Member>) -> Arc<Self> {
        Arc::new(Self { member: Arc::downgrade(member) })
    }
}

impl crate::rpc::Handler for ClusterService {
    fn handle(&self, from: NodeId, payload: Bytes) -> BoxFuture<'static, Bytes> {
        let member = self.member.upgrade();
        Box::pin(async move {
            let answer = match (member, read_request(payload)) {
                (None, _) => ClusterAnswer::Unavailable("the node is stopping".to_owned()),
                (_, Err(error)) => {
                    ClusterAnswer::Refused(format!("request of {from} cannot be read: {error}"))
                }
                (Some(member), Ok(request)) => member.answer(from, request).await,
            };
            write_answer(&answer)
        })
    }
}

impl Member {
    async fn answer(self: &Arc<Self>, from: NodeId, request: ClusterRequest) -> ClusterAnswer {
        match request {
            ClusterRequest::Report(report) => self.answer_report(from, report),
            ClusterRequest::CatalogChanged { version } => self.answer_catalog_changed(version).await,
            ClusterRequest::CreateReplica { descriptor, campaign } => {
                self.router().learn(descriptor.clone());
                done(self.ranges.create_replica(&descriptor, campaign).await)
            }
            ClusterRequest::DestroyReplica { range_id, next_replica_id } => {
                self.forget_range(range_id);
                done(self.ranges.destroy_replica(range_id, next_replica_id).await)
            }
            ClusterRequest::ChangeReplicas { range_id, generation, add, remove } => {
                self.begin_change(range_id, Goal { generation, add, remove })
            }
            ClusterRequest::CreateLearner { descriptor } => self.answer_create_learner(&descriptor).await,
            ClusterRequest::Progress { range_id, replica_id } => {
                match self.ranges.progress(range_id, replica_id).await {
                    Ok(progress) => ClusterAnswer::Progress(progress),
                    Err(error) => ClusterAnswer::Unavailable(error.to_string()),
                }
            }
            ClusterRequest::Describe { range_id } => {
                let known = self.ranges.status(range_id).filter(|status| status.is_whole);
                ClusterAnswer::Described(known.map(|status| RangeDescriptor::clone(&status.descriptor)))
            }
            ClusterRequest::Collect { descriptor } => self.answer_collect(&descriptor).await,
            ClusterRequest::TransferLease { range_id, to } => {
                done(self.ranges.end_lease_and_transfer(range_id, to).await)
            }
            // A change of the directory goes on to its end, whether or not the asker still waits.
            ClusterRequest::CreateRange { span } => {
                let member = Arc::clone(self);
                finished(tokio::spawn(async move { member.lead_create_range(span, None).await }).await)
            }
            ClusterRequest::DropRanges { span } => {
                let member = Arc::clone(self);
                finished(tokio::spawn(async move { member.lead_drop_ranges(span, None).await }).await)
            }
            ClusterRequest::CreateRangeFenced { span, fence } => {
                let member = Arc::clone(self);
                finished(tokio::spawn(async move { member.lead_create_range(span, Some(fence)).await }).await)
            }
            ClusterRequest::DropRangesFenced { span, fence } => {
                let member = Arc::clone(self);
                finished(tokio::spawn(async move { member.lead_drop_ranges(span, Some(fence)).await }).await)
            }
            ClusterRequest::PublishRanges { descriptors } => {
                let member = Arc::clone(self);
                finished(tokio::spawn(async move { member.lead_publish(descriptors).await }).await)
            }
            ClusterRequest::SplitRange { range_id, at } => self.answer_split(range_id, at).await,
            ClusterRequest::Time => ClusterAnswer::Done,
            ClusterRequest::RemoveNode { node } => {
                let member = Arc::clone(self);
                finished(tokio::spawn(async move { member.lead_remove_node(node).await }).await)
            }
            ClusterRequest::AwaitCatalog { version } => self.lead_await_catalog(version).await,
            ClusterRequest::Status => match self.lead_status().await {
                Some(status) => ClusterAnswer::Status(Box::new(status)),
                None => self.not_leader(),
            },
        }
    }

    /// What somebody is told who takes this node for range 1's leaseholder.
    pub(super) fn not_leader(&self) -> ClusterAnswer {
        let leader = self.leader().filter(|leader| *leader != self.node_id());
        ClusterAnswer::NotLeader { leader }
    }

    fn answer_report(&self, from: NodeId, report: NodeReport) -> ClusterAnswer {
        let system = self.router().system_range();
        let system = (report.system_generation < system.generation).then(|| system.as_ref().clone());
        let lease = self.with_board(|board, now| (board.report(from, report, now), board.required_version()));
        match lease {
            Some((until, required_version)) => ClusterAnswer::Lease { until, required_version, system },
            None => self.not_leader(),
        }
    }

    async fn answer_catalog_changed(&self, version: u64) -> ClusterAnswer {
        let has = || self.catalog.version(self.clock.physical().boottime());
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

fn done(result: Result<(), LocalRangeError>) -> ClusterAnswer {
    result.map_or_else(refusal, |()| ClusterAnswer::Done)
}

/// What a node says that could not do with a range what it was asked to.
pub(super) fn refusal(error: LocalRangeError) -> ClusterAnswer {
    match &error {
        LocalRangeError::Tombstone { .. }
        | LocalRangeError::Misplaced { .. }
        | LocalRangeError::Refused { .. } => ClusterAnswer::Refused(error.to_string()),
        LocalRangeError::NotLeader { .. } | LocalRangeError::Timeout { .. } | LocalRangeError::Storage(_) => {
            ClusterAnswer::Unavailable(error.to_string())
        }
    }
}

fn finished(answer: Result<ClusterAnswer, tokio::task::JoinError>) -> ClusterAnswer {
    answer.unwrap_or_else(|error| ClusterAnswer::Unavailable(format!("its work broke off: {error}")))
}
