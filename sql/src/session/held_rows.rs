//! Between the executor and the client's sink: batches of the right size, and the knowledge whether anything was sent.

use super::sink::ResultSink;
use crate::error::SqlError;
use crate::exec::memory::row_bytes;
use crate::limits::{SINK_BYTES_MAX, SINK_ROWS_MAX};
use crate::plan::node::OutputColumn;
use crate::types::Row;

/// Holds the first batch back: until it leaves, the statement may be run again.
pub struct HeldRows<'a> {
    sink: &'a mut dyn ResultSink,
    columns: &'a [OutputColumn],
    waiting: Vec<Row>,
    waiting_bytes: usize,
    is_sent: bool,
    /// Rows taken so far.
    pub count: u64,
}

impl<'a> HeldRows<'a> {
    /// Nothing was sent.
    pub fn new(sink: &'a mut dyn ResultSink, columns: &'a [OutputColumn]) -> Self {
        Self { sink, columns, waiting: Vec::new(), waiting_bytes: 0, is_sent: false, count: 0 }
    }

    /// Whether something was sent.
    pub fn is_sent(&self) -> bool {
        self.is_sent
    }

    /// Takes rows.
    ///
    /// # Errors
    /// The sink's: the client is gone.
    pub async fn rows(&mut self, rows: Vec<Row>) -> Result<(), SqlError> {
        for row in rows {
            self.waiting_bytes += row_bytes(&row);
            self.count += 1;
            self.waiting.push(row);
            if self.waiting.len() >= SINK_ROWS_MAX || self.waiting_bytes >= SINK_BYTES_MAX {
                self.send().await?;
            }
        }
        Ok(())
    }

    /// Sends what is left; the columns even without rows.
    ///
    /// # Errors
    /// As [`HeldRows::rows`].
    pub async fn finish(&mut self) -> Result<(), SqlError> {
        self.send_columns().await?;
        if self.waiting.is_empty() { Ok(()) } else { self.send().await }
    }

    async fn send_columns(&mut self) -> Result<(), SqlError> {
        if !std::mem::replace(&mut self.is_sent, true) {
            self.sink.columns(self.columns).await?;
        }
        Ok(())
    }

    async fn send(&mut self) -> Result<(), SqlError> {
        self.send_columns().await?;
        self.waiting_bytes = 0;
        self.sink.rows(std::mem::take(&mut self.waiting)).await
    }
}
