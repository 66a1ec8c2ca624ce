//! Splits, as a cluster does them: ids taken ahead of need, and a split that another node asks for.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use quorate_engine::kv::{Database, Key, KvError, TransactionOptions};
use quorate_placement::topology::RangeId;

use super::leader::FIRST_RANGE_ID;
use super::member::Member;
use super::message::ClusterAnswer;
use super::service::refusal;
use super::system::{self, CHANGE_ATTEMPTS_MAX, NEXT_RANGE_ID};
use crate::splits::ids::BLOCK_IDS;

/// How often a node looks whether it needs ids: an id is waited for longer than this.
const IDS_INTERVAL: Duration = Duration::from_millis(200);

impl Member {
    /// Splits a range that is led here, for another node.
    pub(super) async fn answer_split(&self, range_id: RangeId, at: Option<Key>) -> ClusterAnswer {
        match self.ranges.split(range_id, at).await {
            Ok(right) => ClusterAnswer::Range(Box::new(right)),
            Err(error) => refusal(error),
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
