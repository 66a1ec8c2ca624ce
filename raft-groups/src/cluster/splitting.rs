//! Splits, as a cluster does them: ids taken ahead of need, and splits that a person asks for.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use quorate_engine::kv::{Database, Key, KvError, TransactionOptions};
use quorate_placement::topology::{NodeId, RangeId};

use super::error::ClusterError;
use super::leader::FIRST_RANGE_ID;
use super::member::Member;
use super::message_format::{ClusterAnswer, ClusterRequest};
use super::ranges::table_keys;
use super::system::{self, CHANGE_ATTEMPTS_MAX, NEXT_RANGE_ID};
use crate::descriptor::RangeDescriptor;
use crate::local_ranges::LocalRangeError;
use crate::splits::ids::BLOCK_IDS;

/// How often a node looks whether it needs ids: an id is waited for longer than this.
const IDS_INTERVAL: Duration = Duration::from_millis(200);
/// Longest wait for one node to split a range: counting its bytes, its requests, a quorum.
const SPLIT_TIMEOUT: Duration = Duration::from_secs(15);

impl Member {
    /// Splits a range at `at`, or in the middle of its bytes; gives the right side. The left side keeps the range's id.
    /// Both serve when this returns, or soon after; the directory follows by itself.
    ///
    /// # Errors
    /// [`ClusterError::Refused`] for an unknown range, for range 1, for a key that is not inside of the range, and
    /// where one key has all its bytes; [`ClusterError::Unavailable`] where its leader was not found or not able.
    pub async fn split_range(
        &self,
        range_id: RangeId,
        at: Option<Key>,
    ) -> Result<RangeDescriptor, ClusterError> {
        let mut reasons = Vec::new();
        for node in self.nodes_of(range_id).await? {
            let request = ClusterRequest::SplitRange { range_id, at: at.clone() };
            match self.ask_node(node, &request, SPLIT_TIMEOUT).await {
                Ok(ClusterAnswer::Range(right)) => {
                    self.router().learn((*right).clone());
                    return Ok(*right);
                }
                Ok(ClusterAnswer::Refused(detail)) => return Err(ClusterError::Refused(detail)),
                Ok(ClusterAnswer::Unavailable(detail)) => reasons.push(format!("{node}: {detail}")),
                Ok(other) => reasons.push(format!("{node} answered {other:?}")),
                Err(error) => reasons.push(format!("{node}: {error:?}")),
            }
        }
        Err(ClusterError::Unavailable(format!("{range_id} was not split: {}", reasons.join("; "))))
    }

    /// Nodes that may lead a range, the likeliest first.
    async fn nodes_of(&self, range_id: RangeId) -> Result<Vec<NodeId>, ClusterError> {
        let here = self.ranges.status(range_id);
        let leader = here.as_ref().and_then(|status| status.leader_node);
        let mut nodes = match here {
            Some(status) => status.descriptor.nodes(),
            None => {
                let listed = self.directory(&table_keys()).await?;
                let found = listed.into_iter().find(|descriptor| descriptor.range_id == range_id);
                found.map(|descriptor| descriptor.nodes()).ok_or_else(|| {
                    ClusterError::Refused(format!("there is no range {range_id}; SHOW RANGES lists them"))
                })?
            }
        };
        nodes.sort_by_key(|node| Some(*node) != leader);
        Ok(nodes)
    }

    /// Splits a range that is led here, for another node.
    pub(super) async fn answer_split(&self, range_id: RangeId, at: Option<Key>) -> ClusterAnswer {
        match self.ranges.split(range_id, at).await {
            Ok(right) => ClusterAnswer::Range(Box::new(right)),
            Err(
                error @ (LocalRangeError::Refused { .. }
                | LocalRangeError::Misplaced { .. }
                | LocalRangeError::Tombstone { .. }),
            ) => ClusterAnswer::Refused(error.to_string()),
            Err(
                error @ (LocalRangeError::NotLeader { .. }
                | LocalRangeError::Timeout { .. }
                | LocalRangeError::Storage(_)),
            ) => ClusterAnswer::Unavailable(error.to_string()),
        }
    }

    /// Keeps ids for the right sides of splits at hand.
    pub(super) async fn take_range_ids_forever(self: Arc<Self>) {
        loop {
            tokio::time::sleep(IDS_INTERVAL).await;
            if !self.ranges.wants_range_ids() {
                continue;
            }
            match self.take_range_ids().await {
                Ok(block) => self.ranges.offer_range_ids(block),
                Err(error) => tracing::debug!(%error, "range 1 gives no ids for ranges"),
            }
        }
    }

    async fn take_range_ids(&self) -> Result<Range<u64>, KvError> {
        let mut last = None;
        for _ in 0..CHANGE_ATTEMPTS_MAX {
            let mut transaction = self.database.begin(TransactionOptions::default()).await?;
            let block =
                system::take_ids(transaction.as_mut(), (NEXT_RANGE_ID, FIRST_RANGE_ID), BLOCK_IDS).await;
            let taken = match block {
                Ok(block) => transaction.commit(None).await.map(|_| block),
                Err(error) => Err(error),
            };
            match taken {
                // Of a block whose fate is unknown nothing is used: ids are plenty.
                Err(error @ (KvError::Retry { .. } | KvError::Ambiguous { .. })) => last = Some(error),
                done => return done,
            }
        }
        Err(last.unwrap_or_else(|| KvError::Storage("no attempt was made".to_owned())))
    }
}
