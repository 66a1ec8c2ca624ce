//! The rows of the ranges: entered, removed and published, each in one transaction that reads what it decides on.

use quorate_engine::kv::{Database, Fence, KvError, Span, Transaction, TransactionOptions, Write};
use quorate_placement::new_range::NewRangeDecision;
use quorate_placement::topology::{NodeId, RangeId};

use super::attempts::DirectoryAttempts;
use super::publication::{PublishedRows, Verdict};
use super::rows::{FIRST_RANGE_ID, NEXT_RANGE_ID, table_keys};
use super::{Directory, rows};
use crate::client::router::directory_key;
use crate::cluster::error::ClusterError;
use crate::descriptor::RangeDescriptor;
use crate::range_format::encode_descriptor;
use crate::safeguard::{self, Safeguard};
use crate::splits::ids::BLOCK_IDS;

/// Who decides where a new range goes, and takes note of ranges that are entered: range 1's leaseholder.
pub(in crate::cluster) trait Placer: Send + Sync {
    /// Where a new range goes beside those of the directory.
    ///
    /// # Errors
    /// It cannot be placed, or this is not for this node to decide any more.
    fn place(&self, directory: &[RangeDescriptor]) -> Result<NewRangeDecision, ClusterError>;

    /// These are entered in a moment: nobody can read them in the directory yet.
    fn entered(&self, ranges: &[RangeId]);
}

/// A range that stands in the directory, and the node that is to lead it.
pub(in crate::cluster) struct EnteredRange {
    pub descriptor: RangeDescriptor,
    pub leader: NodeId,
}

impl Directory {
    /// Enters a range into the directory, unless it is there.
    ///
    /// # Errors
    /// [`ClusterError::Refused`] where its keys overlap another range, the fence does not hold, or it cannot be placed;
    /// errors of range 1.
    pub async fn enter_range(
        &self,
        span: &Span,
        fence: Option<&Fence>,
        placer: &dyn Placer,
    ) -> Result<EnteredRange, ClusterError> {
        DirectoryAttempts::default().run(|| self.try_enter_range(span, fence, placer)).await
    }

    async fn try_enter_range(
        &self,
        span: &Span,
        fence: Option<&Fence>,
        placer: &dyn Placer,
    ) -> Result<EnteredRange, ClusterError> {
        let mut transaction = self.database.begin(TransactionOptions::default()).await?;
        check_fence(transaction.as_mut(), fence).await?;
        let directory = rows::read_directory(transaction.as_mut(), &table_keys()).await?;
        if let Some(known) = directory.iter().find(|known| known.span.overlaps(span)) {
            return self.known_range(known, span);
        }
        let decision = placer.place(&directory)?;
        let id = rows::take_id(transaction.as_mut(), NEXT_RANGE_ID, FIRST_RANGE_ID).await?;
        let descriptor = RangeDescriptor::new(RangeId(id), span.clone(), &decision.replicas);
        transaction
            .write(Write::insert(directory_key(&span.start), encode_descriptor(&descriptor).into()))?;
        transaction.write(self.placement_row(descriptor.range_id, &decision.to_string()))?;
        // Before anybody can read it there.
        placer.entered(&[descriptor.range_id]);
        transaction.commit(None).await?;
        Ok(EnteredRange { descriptor, leader: decision.leader })
    }

    /// The range that holds the keys already, if it is the one that is wanted.
    fn known_range(&self, known: &RangeDescriptor, span: &Span) -> Result<EnteredRange, ClusterError> {
        if known.span != *span {
            let message = format!("keys {} to {} overlap {}", span.start, span.end, known.range_id);
            return Err(ClusterError::Refused(message));
        }
        let leader = known.replicas.first().map_or(self.router().node(), |replica| replica.node_id);
        Ok(EnteredRange { descriptor: known.clone(), leader })
    }

    /// Removes the directory's rows within a span, and gives them.
    ///
    /// # Errors
    /// [`ClusterError::Refused`] where a range also holds other keys, or the fence does not hold; errors of range 1.
    pub async fn remove_ranges(
        &self,
        span: &Span,
        fence: Option<&Fence>,
    ) -> Result<Vec<RangeDescriptor>, ClusterError> {
        DirectoryAttempts::default().run(|| self.try_remove_ranges(span, fence)).await
    }

    async fn try_remove_ranges(
        &self,
        span: &Span,
        fence: Option<&Fence>,
    ) -> Result<Vec<RangeDescriptor>, ClusterError> {
        let mut transaction = self.database.begin(TransactionOptions::default()).await?;
        check_fence(transaction.as_mut(), fence).await?;
        let found = rows::read_directory(transaction.as_mut(), span).await?;
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

    /// Works changed ranges into the directory, and tells what became of each.
    ///
    /// # Errors
    /// Range 1 was not read or written; whether it was done may be unknown.
    pub async fn publish(
        &self,
        changed: &[RangeDescriptor],
        placer: &dyn Placer,
    ) -> Result<Vec<Verdict>, KvError> {
        DirectoryAttempts::default().run(|| self.try_publish(changed, placer)).await
    }

    async fn try_publish(
        &self,
        changed: &[RangeDescriptor],
        placer: &dyn Placer,
    ) -> Result<Vec<Verdict>, KvError> {
        let mut transaction = self.database.begin(TransactionOptions::default()).await?;
        let before = rows::read_directory(transaction.as_mut(), &table_keys()).await?;
        let mut published = PublishedRows::new(before.clone());
        let verdicts = published.publish_all(changed);
        let changed_rows = self.write_published(transaction.as_mut(), &before, published.as_slice())?;
        if !changed_rows.is_empty() {
            // Before anybody can read them there.
            placer.entered(&changed_rows);
            transaction.commit(None).await?;
        }
        Ok(verdicts)
    }

    /// Makes the rows `before` those `after`; gives the ranges whose rows are new or different.
    fn write_published(
        &self,
        transaction: &mut dyn Transaction,
        before: &[RangeDescriptor],
        after: &[RangeDescriptor],
    ) -> Result<Vec<RangeId>, KvError> {
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
        Ok(changed_rows)
    }

    /// Takes ids for new ranges. Of a block whose fate is unknown nothing is used: ids are plenty.
    ///
    /// # Errors
    /// Range 1 was not written.
    pub async fn take_range_ids(&self) -> Result<std::ops::Range<u64>, KvError> {
        DirectoryAttempts::default().run(|| self.try_take_range_ids()).await
    }

    async fn try_take_range_ids(&self) -> Result<std::ops::Range<u64>, KvError> {
        let mut transaction = self.database.begin(TransactionOptions::default()).await?;
        let block = rows::take_ids(transaction.as_mut(), (NEXT_RANGE_ID, FIRST_RANGE_ID), BLOCK_IDS).await?;
        transaction.commit(None).await?;
        Ok(block)
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
