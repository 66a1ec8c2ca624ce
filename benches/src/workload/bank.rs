//! Transfers between accounts in explicit transactions. The sum of all balances never changes, whatever fails.

use std::sync::Arc;

use async_trait::async_trait;
use rand::RngExt;
use rand::rngs::SmallRng;
use tokio_postgres::{Client, Statement};

use super::Books;
use crate::driver::Worker;
use crate::error::{BenchError, Fate, OpError};
use crate::keys::client_rng;
use crate::systems::sql::SqlSystem;

/// What each account has at the beginning.
const BALANCE: i64 = 1_000;
/// Most that one transfer moves.
const AMOUNT_MAX: i64 = 10;

const TABLE: &str = "DROP TABLE IF EXISTS bench_bank; CREATE TABLE bench_bank (id BIGINT PRIMARY KEY, balance BIGINT NOT NULL)";
const READ: &str = "SELECT balance FROM bench_bank WHERE id = $1";
const WRITE: &str = "UPDATE bench_bank SET balance = balance + $2 WHERE id = $1";

/// The accounts.
#[derive(Debug)]
pub struct Bank {
    accounts: i64,
}

impl Bank {
    /// Makes and fills the table.
    ///
    /// # Errors
    /// The system refuses.
    pub async fn create(sql: &SqlSystem, accounts: u64) -> Result<Arc<Self>, BenchError> {
        let accounts = i64::try_from(accounts).unwrap_or(i64::MAX).max(2);
        sql.run(TABLE).await?;
        let client = sql.connect(0).await?;
        sql.fill(&client, "bench_bank", accounts, |id| format!("({id}, {BALANCE})")).await?;
        Ok(Arc::new(Self { accounts }))
    }
}

#[async_trait]
impl Books for Bank {
    fn op(&self) -> &'static str {
        "bank"
    }

    fn kinds(&self) -> &'static [&'static str] {
        &["transfer"]
    }

    async fn worker(
        self: Arc<Self>,
        sql: &SqlSystem,
        number: usize,
        seed: u64,
    ) -> Result<Box<dyn Worker>, BenchError> {
        let client = sql.connect(number).await?;
        let error = |error| sql.error("preparing statements", &error);
        let (read, write) =
            (client.prepare(READ).await.map_err(error)?, client.prepare(WRITE).await.map_err(error)?);
        Ok(Box::new(BankWorker { client, read, write, bank: self, rng: client_rng(seed, number) }))
    }

    async fn verify(&self, sql: &SqlSystem) -> Result<Option<String>, BenchError> {
        let client = sql.connect(0).await?;
        let query = "SELECT count(*), sum(balance)::BIGINT FROM bench_bank";
        let row = client.query_one(query, &[]).await.map_err(|error| sql.error(query, &error))?;
        let (count, sum): (i64, i64) = (row.get(0), row.get(1));
        let expected = self.accounts * BALANCE;
        Ok((count != self.accounts || sum != expected).then(|| {
            format!("{count} accounts hold {sum}, where {} accounts held {expected}", self.accounts)
        }))
    }
}

struct BankWorker {
    client: Client,
    read: Statement,
    write: Statement,
    bank: Arc<Bank>,
    rng: SmallRng,
}

impl BankWorker {
    /// Moves an amount, unless the account has less.
    async fn transfer(&self, from: i64, to: i64, amount: i64) -> Result<(), OpError> {
        self.client.batch_execute("BEGIN").await?;
        let row = self.client.query_one(&self.read, &[&from]).await?;
        let balance: i64 = row.try_get(0)?;
        if balance >= amount {
            self.client.execute(&self.write, &[&from, &-amount]).await?;
            self.client.execute(&self.write, &[&to, &amount]).await?;
        }
        Ok(self.client.batch_execute("COMMIT").await?)
    }
}

#[async_trait]
impl Worker for BankWorker {
    async fn step(&mut self) -> Result<usize, OpError> {
        let from = self.rng.random_range(0..self.bank.accounts);
        let to = (from + self.rng.random_range(1..self.bank.accounts)) % self.bank.accounts;
        let amount = self.rng.random_range(1..=AMOUNT_MAX);
        match self.transfer(from, to, amount).await {
            Ok(()) => Ok(0),
            Err(error) => {
                if error.fate != Fate::Unknown {
                    self.client.batch_execute("ROLLBACK").await?;
                }
                Err(error)
            }
        }
    }
}
