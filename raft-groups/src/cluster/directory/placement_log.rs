//! The log of placement decisions, in range 1: when, which range, and why. The oldest rows go when there are too many.

use std::sync::atomic::Ordering;

use quorate_engine::codec::value::Writer;
use quorate_engine::kv::{Database, Key, KvError, TransactionOptions, Write, keyspace};
use quorate_placement::topology::RangeId;

use super::{Directory, rows};

/// Version of a row.
const PLACEMENT_LOG_VERSION: u8 = 1;
/// Rows that are kept.
const PLACEMENT_ROWS_MAX: usize = 10_000;
/// The log is trimmed once in so many rows that this node has written.
const TRIM_INTERVAL_ROWS: u64 = 256;
/// Rows that are removed by one transaction.
const TRIM_BATCH_ROWS_MAX: usize = 500;

impl Directory {
    /// A row of the log; whoever decides writes it together with what was decided.
    pub fn placement_row(&self, range_id: RangeId, reason: &str) -> Write {
        self.placement_rows.fetch_add(1, Ordering::Relaxed);
        let now = self.clock.peek();
        let prefix = keyspace::system_prefix(keyspace::SYSTEM_PLACEMENT);
        let key = [prefix.as_ref(), &now.raw().to_be_bytes(), &range_id.0.to_be_bytes()].concat();
        let mut value = Writer::versioned(PLACEMENT_LOG_VERSION);
        value.timestamp(now).varint(range_id.0).text(reason);
        Write::put(Key::from(key), value.finish().into())
    }

    /// Writes rows about what was done already. Losing them loses no more than a reason.
    ///
    /// # Errors
    /// Range 1 was not written, or it is not known; no other attempt is made.
    pub async fn write_placement_rows(&self, rows: Vec<Write>) -> Result<(), KvError> {
        if rows.is_empty() {
            return Ok(());
        }
        let mut transaction = self.database.begin(TransactionOptions::default()).await?;
        for row in rows {
            transaction.write(row)?;
        }
        transaction.commit(None).await.map(drop)
    }

    /// Removes the oldest rows, from time to time.
    ///
    /// # Errors
    /// Range 1 was not read or written; the rows stay until the next time.
    pub async fn trim_placement_log(&self) -> Result<(), KvError> {
        if self.placement_rows.load(Ordering::Relaxed) < TRIM_INTERVAL_ROWS {
            return Ok(());
        }
        self.placement_rows.store(0, Ordering::Relaxed);
        self.trim_placement_log_to(PLACEMENT_ROWS_MAX).await
    }

    /// Removes the oldest rows beyond so many.
    ///
    /// # Errors
    /// As [`Directory::trim_placement_log`].
    pub async fn trim_placement_log_to(&self, rows_max: usize) -> Result<(), KvError> {
        let rows = rows::read_part(&self.database, keyspace::SYSTEM_PLACEMENT).await?;
        let beyond = rows.len().saturating_sub(rows_max);
        let oldest: Vec<_> = rows.into_iter().take(beyond).map(|(key, _)| key).collect();
        for keys in oldest.chunks(TRIM_BATCH_ROWS_MAX) {
            self.write_placement_rows(keys.iter().cloned().map(Write::delete).collect()).await?;
        }
        Ok(())
    }
}
