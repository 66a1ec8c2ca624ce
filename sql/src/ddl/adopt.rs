//! Jobs that nobody drives any more: a node takes over those whose driver gives no sign of life, has started anew, or was
//! dropped here.
//!
//! ```text
//! driver      sign ── 2 s ── sign ── 2 s ── sign          (one row a node, as long as it drives anything)
//! any node    every 3 s: jobs and signs; no sign for 10 s, or one of another start ──▶ epoch + 1, claimed, driven
//! ```
//!
//! Invariant: taking over is a transaction that reads the job's row and its driver's sign, and writes the row: of a driver and
//! its successor only one turns the job from where it stands.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::future::join_all;
use quorate_engine::hlc::Timestamp;
use quorate_engine::kv::{KvError, Transaction, TransactionOptions, Write};

use super::driver::{Driven, Driver};
use super::job::{DriverSign, Job};
use super::job_steps::JobEvent;
use super::{job_format, rows, tables};
use crate::catalog::keys;
use crate::error::SqlError;
use crate::kv_error::sql_error;
use crate::node::SqlNode;

/// How long a job that is over is shown.
const SHOWN_MAX: Duration = Duration::from_secs(600);
/// How many jobs that are over are shown.
const SHOWN_JOBS_MAX: usize = 50;
/// Most rows that are removed at once.
const REMOVED_MAX: usize = 500;

impl SqlNode {
    /// Gives signs of life of the jobs that are driven here, and drives those that nobody does: for as long as it is polled.
    pub async fn run_jobs(&self) {
        tokio::join!(self.sign_forever(), self.adopt_forever());
    }

    async fn sign_forever(&self) {
        loop {
            self.clock.sleep(self.job_timing.sign).await;
            if !self.jobs.is_empty()
                && let Err(error) = self.sign().await
            {
                tracing::info!(%error, "no sign of life of the jobs that are driven here could be given");
            }
        }
    }

    /// Gives a sign of life.
    pub(super) async fn sign(&self) -> Result<(), KvError> {
        let mut transaction = self.database.begin(TransactionOptions::default()).await?;
        let now = transaction.read_timestamp();
        transaction.write(rows::sign_write(rows::own_claim(self), now))?;
        transaction.commit(None).await.map(|_| ())
    }

    async fn adopt_forever(&self) {
        loop {
            self.clock.sleep(self.job_timing.look).await;
            if let Err(error) = self.adopt_once().await {
                tracing::info!(%error, "jobs could not be looked at");
            }
        }
    }

    /// Takes over what nobody drives, and drives it; gives the number of jobs.
    ///
    /// # Errors
    /// Range 1 cannot be read.
    pub async fn adopt_once(&self) -> Result<usize, SqlError> {
        let seen = Seen::look(self).await.map_err(|error| sql_error(error, None))?;
        self.remove_old(&seen).await;
        let free = seen.jobs.iter().filter(|job| seen.is_free(self, job));
        let adopted: Vec<Driver> =
            join_all(free.map(|job| adopt(self, job))).await.into_iter().flatten().collect();
        let count = adopted.len();
        join_all(adopted.into_iter().map(|driver| finish(self, driver))).await;
        Ok(count)
    }

    /// Removes rows of jobs that have been over for long, or that are many.
    async fn remove_old(&self, seen: &Seen) {
        let over: Vec<&Job> = seen.jobs.iter().filter(|job| job.step.is_over()).collect();
        let many = over.len().saturating_sub(SHOWN_JOBS_MAX);
        let is_old = |job: &Job| passed(job.updated, seen.now) > SHOWN_MAX;
        let old = over.iter().enumerate().filter(|(at, job)| *at < many || is_old(job)).take(REMOVED_MAX);
        let old: Vec<u64> = old.map(|(_, job)| job.id).collect();
        if old.is_empty() {
            return;
        }
        let removal = async {
            let mut transaction = self.database.begin(TransactionOptions::default()).await?;
            for id in old {
                transaction.write(Write::delete(keys::job_key(id)))?;
            }
            transaction.commit(None).await
        };
        if let Err(error) = removal.await {
            tracing::debug!(%error, "old jobs stay for now");
        }
    }
}

/// All jobs, and the signs of those who drive them, as of one moment.
struct Seen {
    jobs: Vec<Job>,
    signs: BTreeMap<u64, DriverSign>,
    now: Timestamp,
}

impl Seen {
    async fn look(node: &SqlNode) -> Result<Self, KvError> {
        let mut transaction = node.database.begin(TransactionOptions::reading()).await?;
        let jobs = rows::read_jobs(transaction.as_mut()).await?;
        let mut signs = BTreeMap::new();
        for job in jobs.iter().filter(|job| !job.step.is_over()) {
            if !signs.contains_key(&job.claim.node_id)
                && let Some(sign) = read_sign(transaction.as_mut(), job.claim.node_id).await?
            {
                signs.insert(job.claim.node_id, sign);
            }
        }
        Ok(Self { jobs, signs, now: transaction.read_timestamp() })
    }

    fn is_free(&self, node: &SqlNode, job: &Job) -> bool {
        !job.step.is_over() && is_free(node, job, self.signs.get(&job.claim.node_id), self.now)
    }
}

async fn read_sign(transaction: &mut dyn Transaction, node_id: u64) -> Result<Option<DriverSign>, KvError> {
    let row = transaction.get_many(vec![keys::job_driver_key(node_id)]).await?.pop().flatten();
    row.map(|row| job_format::decode_sign(&row).map_err(tables::damaged)).transpose()
}

/// Whether nobody drives a job, by its driver's last sign.
fn is_free(node: &SqlNode, job: &Job, sign: Option<&DriverSign>, now: Timestamp) -> bool {
    let own = rows::own_claim(node);
    if job.claim == own {
        return !node.jobs.is_held(job.id);
    }
    if job.claim.node_id == own.node_id {
        return true;
    }
    let holds = |sign: &DriverSign| {
        sign.incarnation == job.claim.incarnation && passed(sign.at, now) <= node.job_timing.expiry
    };
    !sign.is_some_and(holds)
}

fn passed(since: Timestamp, now: Timestamp) -> Duration {
    Duration::from_micros(now.micros().saturating_sub(since.micros()))
}

/// Takes a job over; `None` where somebody was faster, or range 1 did not let it.
async fn adopt(node: &SqlNode, seen: &Job) -> Option<Driver> {
    match try_adopt(node, seen).await {
        Ok(driver) => driver,
        Err(error) => {
            tracing::info!(job = seen.id, %error, "a job was not taken over");
            None
        }
    }
}

async fn try_adopt(node: &SqlNode, seen: &Job) -> Result<Option<Driver>, KvError> {
    let mut transaction = node.database.begin(TransactionOptions::default()).await?;
    let Some(row) = rows::read_job(transaction.as_mut(), seen.id).await? else { return Ok(None) };
    let sign = read_sign(transaction.as_mut(), row.claim.node_id).await?;
    let now = transaction.read_timestamp();
    if (row.epoch, row.step) != (seen.epoch, seen.step) || !is_free(node, &row, sign.as_ref(), now) {
        return Ok(None);
    }
    let claim = rows::own_claim(node);
    let job = Job { epoch: row.epoch + 1, claim, updated: now, ..row };
    let mut driver = Driver::new(node, job);
    transaction.write(rows::row_write(driver.job()))?;
    transaction.write(rows::touch_write(seen.id))?;
    transaction.write(rows::sign_write(claim, now))?;
    driver.written(transaction.commit(None).await?.timestamp);
    tracing::info!(job = seen.id, epoch = seen.epoch + 1, step = seen.step.name(), "a job is taken over");
    Ok(Some(driver))
}

/// Drives a job that was taken over as far as it goes; what fails is tried again at the next look.
async fn finish(node: &SqlNode, mut driver: Driver) {
    node.cluster.reach("ddl-taken-over").await;
    match driver.run(node, JobEvent::TakenOver).await {
        Ok(
            Driven::Done | Driven::Undone(_) | Driven::AwaitsCopy | Driven::AwaitsCommit | Driven::Replaced,
        ) => {}
        Err(error) => {
            tracing::warn!(job = driver.job().id, %error, "a job that was taken over waits for another attempt");
            if let Err(error) = note_failure(node, driver.job(), &error).await {
                tracing::debug!(%error, "nor could that be noted");
            }
        }
    }
}

async fn note_failure(node: &SqlNode, job: &Job, failure: &SqlError) -> Result<(), KvError> {
    let mut transaction = node.database.begin(TransactionOptions::default()).await?;
    let row = rows::read_job(transaction.as_mut(), job.id).await?;
    let Some(row) = row.filter(|row| row.epoch == job.epoch) else { return Ok(()) };
    let error = Some(failure.to_string());
    let noted = Job { attempts: row.attempts + 1, updated: transaction.read_timestamp(), error, ..row };
    transaction.write(rows::row_write(&noted))?;
    transaction.commit(None).await.map(|_| ())
}
