//! Rows that a client inserts in one pipeline within one transaction, by one prepared statement: none waits for the answer of
//! the one before. Afterwards the table has all rows of each acknowledged transaction, and of no other.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use futures::future::try_join_all;
use tokio_postgres::{Client, Statement};

use super::Books;
use crate::driver::Worker;
use crate::error::{BenchError, Fate, OpError};
use crate::systems::sql::SqlSystem;

const TABLE: &str = "\
DROP TABLE IF EXISTS bench_pipeline; \
CREATE TABLE bench_pipeline (client BIGINT, number BIGINT, row BIGINT, filler TEXT, PRIMARY KEY (client, number, row))";

const INSERT: &str = "INSERT INTO bench_pipeline (client, number, row, filler) VALUES ($1, $2, $3, $4)";

/// Bytes of a row beside its key.
const FILLER_BYTES: usize = 84;

/// The table.
#[derive(Debug)]
pub struct Pipeline {
    rows: i64,
    acknowledged: AtomicU64,
    unknown: AtomicU64,
}

impl Pipeline {
    /// Makes the table; each transaction inserts so many rows.
    ///
    /// # Errors
    /// The system refuses.
    pub async fn create(sql: &SqlSystem, rows: u64) -> Result<Arc<Self>, BenchError> {
        sql.run(TABLE).await?;
        let rows = i64::try_from(rows).unwrap_or(i64::MAX);
        Ok(Arc::new(Self { rows, acknowledged: AtomicU64::new(0), unknown: AtomicU64::new(0) }))
    }
}

#[async_trait]
impl Books for Pipeline {
    fn op(&self) -> &'static str {
        "pipeline"
    }

    fn kinds(&self) -> &'static [&'static str] {
        &["pipeline"]
    }

    async fn worker(
        self: Arc<Self>,
        sql: &SqlSystem,
        number: usize,
        _seed: u64,
    ) -> Result<Box<dyn Worker>, BenchError> {
        let client = sql.connect(number).await?;
        let insert = client.prepare(INSERT).await.map_err(|error| sql.error(INSERT, &error))?;
        let number = i64::try_from(number).unwrap_or(i64::MAX);
        let filler = "x".repeat(FILLER_BYTES);
        Ok(Box::new(PipelineWorker { client, insert, pipeline: self, number, sequence: 0, filler }))
    }

    async fn verify(&self, sql: &SqlSystem) -> Result<Option<String>, BenchError> {
        let client = sql.connect(0).await?;
        let query = "SELECT count(*) FROM bench_pipeline";
        let count: i64 = client.query_one(query, &[]).await.map_err(|error| sql.error(query, &error))?.get(0);
        let count = u64::try_from(count).unwrap_or(0);
        let rows = u64::try_from(self.rows).unwrap_or(1);
        let acknowledged = self.acknowledged.load(Ordering::SeqCst);
        let possible = acknowledged..=acknowledged + self.unknown.load(Ordering::SeqCst);
        let is_right = count.is_multiple_of(rows) && possible.contains(&(count / rows));
        Ok((!is_right).then(|| {
            format!("there are {count} rows, of {acknowledged} acknowledged transactions of {rows} rows each")
        }))
    }
}

struct PipelineWorker {
    client: Client,
    insert: Statement,
    pipeline: Arc<Pipeline>,
    number: i64,
    sequence: i64,
    filler: String,
}

impl PipelineWorker {
    async fn transaction(&self) -> Result<(), OpError> {
        let client = &self.client;
        client.batch_execute("BEGIN").await?;
        let rows: Vec<i64> = (0..self.pipeline.rows).collect();
        try_join_all(rows.iter().map(async |row| {
            client.execute(&self.insert, &[&self.number, &self.sequence, row, &self.filler]).await
        }))
        .await?;
        Ok(client.batch_execute("COMMIT").await?)
    }
}

#[async_trait]
impl Worker for PipelineWorker {
    async fn step(&mut self) -> Result<usize, OpError> {
        self.sequence += 1;
        match self.transaction().await {
            Ok(()) => {
                self.pipeline.acknowledged.fetch_add(1, Ordering::SeqCst);
                Ok(0)
            }
            Err(error) => {
                if error.fate == Fate::Unknown {
                    self.pipeline.unknown.fetch_add(1, Ordering::SeqCst);
                } else {
                    self.client.batch_execute("ROLLBACK").await?;
                }
                Err(error)
            }
        }
    }
}
