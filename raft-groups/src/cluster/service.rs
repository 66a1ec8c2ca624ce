//! Takes what members of the cluster say: the handler of `Service::Cluster`.

use std::sync::{Arc, Weak};

use bytes::Bytes;
use futures::future::BoxFuture;
use quorate_placement::topology::NodeId;

use super::agent::change::Goal;
use super::leader::Leader;
use super::member::Member;
use super::message::{ClusterAnswer, ClusterRequest};
use crate::wire::cluster::{read_request, write_answer};

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
    async fn answer(&self, from: NodeId, request: ClusterRequest) -> ClusterAnswer {
        match request {
            ClusterRequest::Report(report) => self.leader.answer_report(from, report),
            ClusterRequest::CatalogChanged { version } => self.agent.answer_catalog_changed(version).await,
            ClusterRequest::CreateReplica { descriptor, campaign } => {
                self.agent.answer_create(descriptor, campaign).await
            }
            ClusterRequest::DestroyReplica { range_id, next_replica_id } => {
                self.agent.answer_destroy(range_id, next_replica_id).await
            }
            ClusterRequest::ChangeReplicas { range_id, generation, add, remove } => {
                self.agent.begin_change(range_id, Goal { generation, add, remove })
            }
            ClusterRequest::CreateLearner { descriptor } => {
                self.agent.answer_create_learner(&descriptor).await
            }
            ClusterRequest::Progress { range_id, replica_id } => {
                self.agent.answer_progress(range_id, replica_id).await
            }
            ClusterRequest::Describe { range_id } => self.agent.answer_describe(range_id),
            ClusterRequest::Collect { descriptor } => self.agent.answer_collect(&descriptor).await,
            ClusterRequest::TransferLease { range_id, to } => self.agent.answer_transfer(range_id, to).await,
            ClusterRequest::CreateRange { span } => {
                self.lead(|leader| async move { leader.lead_create_range(span, None).await }).await
            }
            ClusterRequest::DropRanges { span } => {
                self.lead(|leader| async move { leader.lead_drop_ranges(span, None).await }).await
            }
            ClusterRequest::CreateRangeFenced { span, fence } => {
                self.lead(|leader| async move { leader.lead_create_range(span, Some(fence)).await }).await
            }
            ClusterRequest::DropRangesFenced { span, fence } => {
                self.lead(|leader| async move { leader.lead_drop_ranges(span, Some(fence)).await }).await
            }
            ClusterRequest::PublishRanges { descriptors } => {
                self.lead(|leader| async move { leader.lead_publish(descriptors).await }).await
            }
            ClusterRequest::SplitRange { range_id, at } => self.agent.answer_split(range_id, at).await,
            ClusterRequest::Time => ClusterAnswer::Done,
            ClusterRequest::RemoveNode { node } => {
                self.lead(|leader| async move { leader.lead_remove_node(node).await }).await
            }
            ClusterRequest::AwaitCatalog { version } => self.leader.lead_await_catalog(version).await,
            ClusterRequest::Status => self.lead_status().await,
        }
    }

    /// A change of the directory goes on to its end, whether or not the asker still waits.
    async fn lead<F>(&self, work: impl FnOnce(Arc<Leader>) -> F) -> ClusterAnswer
    where
        F: Future<Output = ClusterAnswer> + Send + 'static,
    {
        finished(tokio::spawn(work(Arc::clone(&self.leader))).await)
    }
}

fn finished(answer: Result<ClusterAnswer, tokio::task::JoinError>) -> ClusterAnswer {
    answer.unwrap_or_else(|error| ClusterAnswer::Unavailable(format!("its work broke off: {error}")))
}
