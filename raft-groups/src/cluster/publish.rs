//! Changed ranges find their way into the directory.
//!
//! A range that changed is unpublished, on every replica and over restarts, until somebody knows that the directory has
//! it. Its leader sends it to range 1's leaseholder, which works it in (see [`super::publication`]) in one transaction;
//! the followers learn from the directory itself (`reconcile`). Splits need nobody's leave, so that all of this is
//! after the fact.

use std::sync::Arc;
use std::time::Duration;

use quorate_engine::kv::{Database, KvError, TransactionOptions, Write};
use quorate_placement::topology::RangeId;

use super::error::ClusterError;
use super::member::Member;
use super::message::{ClusterAnswer, ClusterRequest};
use super::publication::{Rows, Verdict};
use super::ranges::{is_listed, table_keys};
use super::system::{self, CHANGE_ATTEMPTS_MAX};
use crate::client::router::directory_key;
use crate::descriptor::RangeDescriptor;
use crate::range_format::encode_descriptor;

/// How often a node looks for ranges that changed.
const PUBLISH_INTERVAL: Duration = Duration::from_millis(250);
/// Longest wait for the answer.
const PUBLISH_TIMEOUT: Duration = Duration::from_secs(5);
/// Ranges in one request: a few hundred bytes each.
const PUBLISH_RANGES_MAX: usize = 256;

impl Member {
    pub(super) async fn publish_forever(self: Arc<Self>) {
        loop {
            tokio::time::sleep(PUBLISH_INTERVAL).await;
            if let Err(error) = self.publish_changed().await {
                tracing::debug!(%error, "changed ranges could not be published yet");
            }
        }
    }

    /// Publishes what changed of the ranges that this node leads.
    async fn publish_changed(&self) -> Result<(), ClusterError> {
        let mut changed = self.ranges.unpublished();
        // Every store knows range 1: it has no row.
        if let Some(system) = changed.iter().find(|descriptor| !is_listed(descriptor.range_id)) {
            self.router().learn(system.clone());
            self.mark_published(system.range_id, system.generation).await;
        }
        changed.retain(|descriptor| is_listed(descriptor.range_id));
        changed.truncate(PUBLISH_RANGES_MAX);
        if changed.is_empty() {
            return Ok(());
        }
        let request = ClusterRequest::PublishRanges { descriptors: changed.clone() };
        let answer = self.ask_leader(&request, PUBLISH_TIMEOUT).await?;
        let ClusterAnswer::Published(verdicts) = answer else { return super::ranges::expect_done(answer) };
        for (descriptor, verdict) in changed.iter().zip(verdicts) {
            if verdict == Verdict::Stands {
                self.mark_published(descriptor.range_id, descriptor.generation).await;
            }
        }
        Ok(())
    }

    /// Remembers that a descriptor, or a newer one, stands in the directory.
    pub(super) async fn mark_published(&self, range_id: RangeId, generation: u64) {
        if let Err(error) = self.ranges.note_published(range_id, generation).await {
            tracing::warn!(range = %range_id, %error, "that it is published could not be remembered");
        }
    }

    /// Works changed ranges into the directory, as range 1's leaseholder.
    pub(super) async fn lead_publish(&self, changed: Vec<RangeDescriptor>) -> ClusterAnswer {
        if !self.is_leader() {
            return self.not_leader();
        }
        // Each reads all rows: side by side they would only repeat each other.
        let _one_at_a_time = self.publishing.lock().await;
        let mut last = None;
        for _ in 0..CHANGE_ATTEMPTS_MAX {
            match self.try_publish(&changed).await {
                Ok(verdicts) => {
                    self.remove_gone(&changed, &verdicts).await;
                    return ClusterAnswer::Published(verdicts);
                }
                Err(error @ (KvError::Retry { .. } | KvError::Ambiguous { .. })) => last = Some(error),
                Err(error) => return ClusterAnswer::Unavailable(error.to_string()),
            }
        }
        ClusterAnswer::Unavailable(last.map_or_else(String::new, |error| error.to_string()))
    }

    async fn try_publish(&self, changed: &[RangeDescriptor]) -> Result<Vec<Verdict>, KvError> {
        let mut transaction = self.database.begin(TransactionOptions::default()).await?;
        let before = system::read_directory(transaction.as_mut(), &table_keys()).await?;
        let mut rows = Rows::new(before.clone());
        let verdicts = rows.publish_all(changed);
        let after = rows.as_slice();
        for gone in before.iter().filter(|old| after.iter().all(|new| new.span.start != old.span.start)) {
            transaction.write(Write::delete(directory_key(&gone.span.start)))?;
        }
        let known = |row: &RangeDescriptor| before.iter().any(|old| old.range_id == row.range_id);
        let mut changed_rows = Vec::new();
        for row in after.iter().filter(|row| !before.contains(row)) {
            transaction.write(Write::put(directory_key(&row.span.start), encode_descriptor(row).into()))?;
            if !known(row) {
                let reason = format!("split off at {}, by its size or on request", row.span.start);
                transaction.write(self.placement_row(row.range_id, &reason))?;
            }
            changed_rows.push(row.range_id);
        }
        if !changed_rows.is_empty() {
            // Before anybody can read them there.
            self.with_board(|board, now| {
                changed_rows.iter().for_each(|range| board.entered(*range, now.boot))
            });
            transaction.commit(None).await?;
        }
        Ok(verdicts)
    }

    /// Ranges whose table was dropped before they were published.
    async fn remove_gone(&self, changed: &[RangeDescriptor], verdicts: &[Verdict]) {
        let gone = changed.iter().zip(verdicts).filter(|(_, verdict)| **verdict == Verdict::Gone);
        let gone: Vec<_> = gone.map(|(descriptor, _)| descriptor.clone()).collect();
        for descriptor in &gone {
            tracing::info!(range = %descriptor.range_id, "removed: its table was dropped before it was published");
        }
        self.destroy_replicas(&gone).await;
    }
}
