//! Rows of jobs in range 1: read, and turned from one step to the next by whoever holds the claim.

use quorate_engine::hlc::Timestamp;
use quorate_engine::kv::{
    Direction, KvError, ScanRequest, ScanRows, Transaction, TransactionOptions, Value, Write,
};

use super::in_place::{self, Before};
use super::job::{Claim, DriverSign, Job, JobKind, JobOrigin, JobStep};
use super::{ids, job_format, tables};
use crate::catalog::descriptor::TableDescriptor;
use crate::catalog::keys;
use crate::error::SqlError;
use crate::node::SqlNode;
use crate::retry::CatalogAttempts;

/// Most jobs of one page.
const PAGE_ROWS: u64 = 1_000;
/// Bytes at which a page of jobs ends.
const PAGE_BYTES: u64 = 1 << 20;

/// What is written in the transaction that turns a job.
#[derive(Clone, Copy, Debug)]
pub(super) enum Along<'a> {
    /// Nothing else.
    Nothing,
    /// The table, if its name is free.
    Table(&'a TableDescriptor),
    /// Writers of a table wait, if it is what it was.
    Hold(&'a Before),
    /// Writers of a table that the job holds go on.
    Release(u64),
    /// The table takes the place of the one that the job holds.
    InPlace(&'a TableDescriptor, &'a Before),
}

/// What became of an attempt to turn a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turned {
    /// The row says so as of then.
    Made(Timestamp),
    /// Another table has the name.
    NameTaken,
    /// The table before is not what it was.
    Changed,
    /// The row is gone, or somebody else's.
    Replaced,
}

/// A new job of this node, which it holds, at its first step. Its row is written by whoever begins it.
pub(super) async fn new_job(
    node: &SqlNode,
    (kind, step): (JobKind, JobStep),
    origin: JobOrigin,
    (table_id, name): (u64, &str),
) -> Result<Job, SqlError> {
    Ok(Job {
        id: ids::take_job_id(node).await?,
        epoch: 1,
        step,
        kind,
        origin,
        claim: own_claim(node),
        table_id,
        name: name.to_owned(),
        created: Timestamp::from_micros(node.clock.now_micros()),
        updated: Timestamp::MIN,
        attempts: 0,
        error: None,
        replaces: None,
    })
}

/// The claim of this process.
pub(super) fn own_claim(node: &SqlNode) -> Claim {
    Claim { node_id: node.cluster.node_id(), incarnation: node.cluster.incarnation() }
}

/// Buffers the row of a job that begins, and a sign of life of who drives it.
pub(super) fn write_new(transaction: &mut dyn Transaction, job: &Job) -> Result<(), KvError> {
    let now = transaction.read_timestamp();
    transaction.write(sign_write(job.claim, now))?;
    transaction.write(row_write(&Job { updated: now, ..job.clone() }))
}

/// The write of a job's row.
pub(super) fn row_write(job: &Job) -> Write {
    Write::put(keys::job_key(job.id), job_format::encode(job).into())
}

/// The write of a sign of life.
pub(super) fn sign_write(claim: Claim, at: Timestamp) -> Write {
    let sign = DriverSign { incarnation: claim.incarnation, at };
    Write::put(keys::job_driver_key(claim.node_id), job_format::encode_sign(sign).into())
}

/// Touches what a user's transaction has read that would publish the job's table: it cannot commit after this.
pub(super) fn touch_write(job_id: u64) -> Write {
    Write::delete(keys::job_turn_key(job_id))
}

/// The row of a job.
pub(super) async fn read_job(transaction: &mut dyn Transaction, id: u64) -> Result<Option<Job>, KvError> {
    let row = transaction.get_many(vec![keys::job_key(id)]).await?.pop().flatten();
    row.map(|row| decode(&row)).transpose()
}

/// All jobs, by id.
///
/// # Errors
/// The store's.
pub async fn read_jobs(transaction: &mut dyn Transaction) -> Result<Vec<Job>, KvError> {
    let mut jobs = Vec::new();
    let mut rest = Some(keys::jobs_span());
    while let Some(span) = rest {
        let request = ScanRequest {
            span,
            direction: Direction::Forward,
            program: None,
            rows_max: PAGE_ROWS,
            bytes_max: PAGE_BYTES,
        };
        let page = transaction.scan(request).await?;
        if let ScanRows::Pairs(pairs) = page.rows {
            for (_, row) in pairs {
                jobs.push(decode(&row)?);
            }
        }
        rest = page.resume;
    }
    Ok(jobs)
}

/// All jobs as of now, by id.
///
/// # Errors
/// The store's.
pub async fn all_jobs(node: &SqlNode) -> Result<Vec<Job>, SqlError> {
    let mut attempts = CatalogAttempts::new(node);
    loop {
        let found = async {
            let mut transaction = node.database.begin(TransactionOptions::reading()).await?;
            read_jobs(transaction.as_mut()).await
        };
        match found.await {
            Ok(jobs) => return Ok(jobs),
            Err(error) => attempts.after(error).await?,
        }
    }
}

fn decode(row: &Value) -> Result<Job, KvError> {
    job_format::decode(row).map_err(tables::damaged)
}

/// Turns a job to a step, in one transaction that reads its row: only for who holds the claim, at the step where it stands.
/// Repeating it does nothing.
///
/// # Errors
/// The store's, once the patience with it is over.
pub(super) async fn turn(
    node: &SqlNode,
    job: &Job,
    to: JobStep,
    along: Along<'_>,
) -> Result<Turned, SqlError> {
    let mut attempts = CatalogAttempts::new(node);
    loop {
        match try_turn(node, job, to, along).await {
            Ok(turned) => return Ok(turned),
            Err(error) => attempts.after(error).await?,
        }
    }
}

async fn try_turn(node: &SqlNode, job: &Job, to: JobStep, along: Along<'_>) -> Result<Turned, KvError> {
    let mut transaction = node.database.begin(TransactionOptions::default()).await?;
    let row = match read_job(transaction.as_mut(), job.id).await? {
        Some(row) if row.epoch == job.epoch => row,
        Some(_) | None => return Ok(Turned::Replaced),
    };
    // An attempt of before, of which that was not known, may have done it.
    if row.step == to {
        return Ok(Turned::Made(transaction.read_timestamp()));
    }
    if row.step != job.step {
        return Ok(Turned::Replaced);
    }
    match along {
        Along::Nothing => {}
        Along::Table(table) => {
            if tables::read_table_id(transaction.as_mut(), &table.name).await?.is_some() {
                return Ok(Turned::NameTaken);
            }
            tables::write_table(transaction.as_mut(), table)?;
        }
        Along::Hold(before) => {
            if !in_place::hold(transaction.as_mut(), before, job.id).await? {
                return Ok(Turned::Changed);
            }
        }
        Along::Release(table_id) => in_place::release(transaction.as_mut(), table_id, job.id).await?,
        Along::InPlace(table, before) => {
            if !in_place::replace(transaction.as_mut(), (table, before), job.id).await? {
                return Ok(Turned::Changed);
            }
        }
    }
    if to == JobStep::DropRanges && job.kind == JobKind::CreateTable {
        transaction.write(touch_write(job.id))?;
    }
    let error = job.error.clone().or(row.error.clone());
    let turned = Job { step: to, updated: transaction.read_timestamp(), error, ..row };
    transaction.write(row_write(&turned))?;
    Ok(Turned::Made(transaction.commit(None).await?.timestamp))
}
