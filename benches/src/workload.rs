//! What clients do.

pub mod bank;
pub mod kv;
pub mod pipeline;
pub mod tpcb;
pub mod writers;
pub mod ycsb;

use std::sync::Arc;

use async_trait::async_trait;

use crate::driver::Worker;
use crate::error::BenchError;
use crate::systems::sql::SqlSystem;

/// Transactions over tables of their own, whose sums tell whether each was done as a whole.
#[async_trait]
pub trait Books: Send + Sync {
    /// What is done, in the report and on the terminal.
    fn op(&self) -> &'static str;

    /// Names of the kinds of operations, in the order of their positions.
    fn kinds(&self) -> &'static [&'static str];

    /// A client; `number` must be another one for each client of the whole run, also over several phases.
    ///
    /// # Errors
    /// It cannot connect.
    async fn worker(
        self: Arc<Self>,
        sql: &SqlSystem,
        number: usize,
        seed: u64,
    ) -> Result<Box<dyn Worker>, BenchError>;

    /// Compares the sums; words of what is wrong.
    ///
    /// # Errors
    /// The system refuses.
    async fn verify(&self, sql: &SqlSystem) -> Result<Option<String>, BenchError>;
}
