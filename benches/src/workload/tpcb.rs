//! TPC-B as pgbench runs it: account, teller, branch and history in one transaction. Afterwards the sums of all four
//! must agree, and history has a row for each acknowledged transaction.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use rand::RngExt;
use rand::rngs::SmallRng;
use tokio_postgres::{Client, Statement};

use super::Books;
use crate::driver::Worker;
use crate::error::{BenchError, Fate, OpError};
use crate::keys::client_rng;
use crate::systems::sql::SqlSystem;

/// Accounts of a branch: a tenth of pgbench's, so that a short run can load it.
const ACCOUNTS_PER_BRANCH: i64 = 10_000;
const TELLERS_PER_BRANCH: i64 = 10;
/// Most that one transaction moves, in either direction.
const DELTA_MAX: i64 = 5_000;

const TABLES: &str = "\
DROP TABLE IF EXISTS bench_accounts; DROP TABLE IF EXISTS bench_tellers; \
DROP TABLE IF EXISTS bench_branches; DROP TABLE IF EXISTS bench_history; \
CREATE TABLE bench_accounts (aid BIGINT PRIMARY KEY, bid BIGINT NOT NULL, abalance BIGINT NOT NULL, filler TEXT); \
CREATE TABLE bench_tellers (tid BIGINT PRIMARY KEY, bid BIGINT NOT NULL, tbalance BIGINT NOT NULL, filler TEXT); \
CREATE TABLE bench_branches (bid BIGINT PRIMARY KEY, bbalance BIGINT NOT NULL, filler TEXT); \
CREATE TABLE bench_history (client BIGINT NOT NULL, number BIGINT NOT NULL, tid BIGINT, bid BIGINT, aid BIGINT, \
delta BIGINT NOT NULL, PRIMARY KEY (client, number))";

const STATEMENTS: [&str; 5] = [
    "UPDATE bench_accounts SET abalance = abalance + $2 WHERE aid = $1",
    "SELECT abalance FROM bench_accounts WHERE aid = $1",
    "UPDATE bench_tellers SET tbalance = tbalance + $2 WHERE tid = $1",
    "UPDATE bench_branches SET bbalance = bbalance + $2 WHERE bid = $1",
    "INSERT INTO bench_history (client, number, tid, bid, aid, delta) VALUES ($1, $2, $3, $4, $5, $6)",
];

/// The sums that must agree.
const SUMS: [&str; 4] = [
    "SELECT sum(abalance)::BIGINT FROM bench_accounts",
    "SELECT sum(tbalance)::BIGINT FROM bench_tellers",
    "SELECT sum(bbalance)::BIGINT FROM bench_branches",
    "SELECT coalesce(sum(delta)::BIGINT, 0) FROM bench_history",
];

/// The branches with their accounts and tellers.
#[derive(Debug)]
pub struct Tpcb {
    branches: i64,
    acknowledged: AtomicU64,
    unknown: AtomicU64,
}

impl Tpcb {
    /// Makes and fills the tables.
    ///
    /// # Errors
    /// The system refuses.
    pub async fn create(sql: &SqlSystem, branches: u64) -> Result<Arc<Self>, BenchError> {
        let branches = i64::try_from(branches).unwrap_or(i64::MAX).max(1);
        sql.run(TABLES).await?;
        let filler = "x".repeat(84);
        let rows = |per_branch: i64, id: i64| format!("({id}, {}, 0, '{filler}')", id / per_branch);
        let client = sql.connect(0).await?;
        let accounts = branches * ACCOUNTS_PER_BRANCH;
        sql.fill(&client, "bench_accounts", accounts, |id| rows(ACCOUNTS_PER_BRANCH, id)).await?;
        sql.fill(&client, "bench_tellers", branches * TELLERS_PER_BRANCH, |id| rows(TELLERS_PER_BRANCH, id))
            .await?;
        sql.fill(&client, "bench_branches", branches, |id| format!("({id}, 0, '{filler}')")).await?;
        Ok(Arc::new(Self { branches, acknowledged: AtomicU64::new(0), unknown: AtomicU64::new(0) }))
    }
}

#[async_trait]
impl Books for Tpcb {
    fn op(&self) -> &'static str {
        "tpcb"
    }

    fn kinds(&self) -> &'static [&'static str] {
        &["tpcb"]
    }

    async fn worker(
        self: Arc<Self>,
        sql: &SqlSystem,
        number: usize,
        seed: u64,
    ) -> Result<Box<dyn Worker>, BenchError> {
        let client = sql.connect(number).await?;
        let mut statements = Vec::new();
        for statement in STATEMENTS {
            let prepared = client.prepare(statement).await;
            statements.push(prepared.map_err(|error| sql.error(statement, &error))?);
        }
        let number = i64::try_from(number).unwrap_or(i64::MAX);
        let rng = client_rng(seed, usize::try_from(number).unwrap_or(0));
        Ok(Box::new(TpcbWorker { client, statements, tpcb: self, rng, number, sequence: 0 }))
    }

    /// Compares the rows of history with the acknowledged transactions, too.
    async fn verify(&self, sql: &SqlSystem) -> Result<Option<String>, BenchError> {
        let client = sql.connect(0).await?;
        let mut sums: Vec<i64> = Vec::new();
        for query in SUMS {
            sums.push(client.query_one(query, &[]).await.map_err(|error| sql.error(query, &error))?.get(0));
        }
        let query = "SELECT count(*) FROM bench_history";
        let history: i64 =
            client.query_one(query, &[]).await.map_err(|error| sql.error(query, &error))?.get(0);
        let history = u64::try_from(history).unwrap_or(0);
        let acknowledged = self.acknowledged.load(Ordering::SeqCst);
        let unknown = self.unknown.load(Ordering::SeqCst);
        if sums.iter().any(|sum| Some(sum) != sums.first()) {
            return Ok(Some(format!("the sums of accounts, tellers, branches and history differ: {sums:?}")));
        }
        let is_right = (acknowledged..=acknowledged + unknown).contains(&history);
        Ok((!is_right).then(|| {
            format!(
                "history has {history} rows of {acknowledged} acknowledged and {unknown} unknown transactions"
            )
        }))
    }
}

struct TpcbWorker {
    client: Client,
    statements: Vec<Statement>,
    tpcb: Arc<Tpcb>,
    rng: SmallRng,
    number: i64,
    sequence: i64,
}

impl TpcbWorker {
    async fn transaction(&mut self) -> Result<(), OpError> {
        let branches = self.tpcb.branches;
        let account = self.rng.random_range(0..branches * ACCOUNTS_PER_BRANCH);
        let teller = self.rng.random_range(0..branches * TELLERS_PER_BRANCH);
        let branch = teller / TELLERS_PER_BRANCH;
        let delta = self.rng.random_range(-DELTA_MAX..=DELTA_MAX);
        let [update_account, read, update_teller, update_branch, history] = self.statements.as_slice() else {
            return Err(OpError::refused("a statement was not prepared"));
        };
        let client = &self.client;
        client.batch_execute("BEGIN").await?;
        client.execute(update_account, &[&account, &delta]).await?;
        client.query_one(read, &[&account]).await?;
        client.execute(update_teller, &[&teller, &delta]).await?;
        client.execute(update_branch, &[&branch, &delta]).await?;
        let values = [&self.number, &self.sequence, &teller, &branch, &account, &delta];
        client.execute(history, &values.map(|value| value as _)).await?;
        Ok(client.batch_execute("COMMIT").await?)
    }
}

#[async_trait]
impl Worker for TpcbWorker {
    async fn step(&mut self) -> Result<usize, OpError> {
        self.sequence += 1;
        match self.transaction().await {
            Ok(()) => {
                self.tpcb.acknowledged.fetch_add(1, Ordering::SeqCst);
                Ok(0)
            }
            Err(error) => {
                if error.fate == Fate::Unknown {
                    self.tpcb.unknown.fetch_add(1, Ordering::SeqCst);
                } else {
                    self.client.batch_execute("ROLLBACK").await?;
                }
                Err(error)
            }
        }
    }
}
