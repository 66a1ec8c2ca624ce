//! [`Driver`]: carries out what [`super::job_steps`] decides.

use std::time::Duration;

use quorate_engine::hlc::Timestamp;
use quorate_engine::kv::{Span, TransactionOptions};

use super::held::JobHold;
use super::in_place::Before;
use super::job::{Job, JobStep};
use super::job_format;
use super::job_steps::{JobEffect, JobEvent, JobMachine};
use super::rows::{self, Along, Turned};
use crate::catalog::descriptor::TableDescriptor;
use crate::error::{SqlError, SqlState};
use crate::kv_error::sql_error;
use crate::node::SqlNode;

/// How often the catalog is read after a change, until it can be.
const SETTLE_READS_MAX: u32 = 4;
/// Pause between two such readings.
const SETTLE_PAUSE: Duration = Duration::from_millis(200);
/// How often a statement whose job somebody else has taken over looks for its end.
const END_LOOKS_MAX: u32 = 100;
/// Pause between two such looks.
const END_PAUSE: Duration = Duration::from_millis(300);

/// How far a job was driven.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Driven {
    /// It is over, as was asked.
    Done,
    /// It is over, as if it had never been, for this reason.
    Undone(String),
    /// Whoever began it copies the rows.
    AwaitsCopy,
    /// The user's transaction decides.
    AwaitsCommit,
    /// Somebody else drives it.
    Replaced,
}

/// Drives one job; whoever has it holds the job.
#[derive(Debug)]
pub struct Driver {
    job: Job,
    machine: JobMachine,
    /// What is published.
    table: Option<TableDescriptor>,
    /// Whose place it takes.
    before: Option<Before>,
    /// Nodes must know the catalog as of then.
    settle_upto: Timestamp,
    /// Why it is being undone, for the client.
    refusal: Option<SqlError>,
    _hold: JobHold,
}

impl Driver {
    /// A driver of a job.
    pub fn new(node: &SqlNode, job: Job) -> Self {
        let machine = JobMachine::new(job.kind, job.origin, job.step, job.error.clone());
        let hold = node.jobs.hold(job.id);
        Self {
            job,
            machine,
            table: None,
            before: None,
            settle_upto: Timestamp::MIN,
            refusal: None,
            _hold: hold,
        }
    }

    /// The same, for a table that it publishes.
    #[must_use]
    pub fn with_table(mut self, table: TableDescriptor) -> Self {
        self.table = Some(table);
        self
    }

    /// The same, where it takes the place of another.
    #[must_use]
    pub(super) fn in_place_of(mut self, before: Before) -> Self {
        self.before = Some(before);
        self
    }

    /// The job, as this driver knows it.
    pub fn job(&self) -> &Job {
        &self.job
    }

    /// What nodes must know was written then.
    pub fn written(&mut self, at: Timestamp) {
        self.settle_upto = at;
    }

    /// The user's transaction was committed then, and has turned the job to this step.
    pub fn committed(&mut self, step: JobStep, at: Timestamp) {
        self.job.step = step;
        self.machine = JobMachine::new(self.job.kind, self.job.origin, step, None);
        self.settle_upto = at;
    }

    /// Drives the job as far as it goes.
    ///
    /// # Errors
    /// Those of the store and the cluster; the job stays as it is, for whoever takes it over.
    pub async fn run(&mut self, node: &SqlNode, event: JobEvent) -> Result<Driven, SqlError> {
        let mut effect = self.machine.on(event);
        loop {
            let event = match effect {
                JobEffect::MakeRange => self.make_range(node).await?,
                JobEffect::HoldWriters => self.hold_writers(node).await?,
                JobEffect::AwaitCopy => return Ok(Driven::AwaitsCopy),
                JobEffect::Publish => self.publish(node).await?,
                JobEffect::AwaitCommit => return Ok(Driven::AwaitsCommit),
                JobEffect::Settle => {
                    settle(node, self.settle_upto).await?;
                    node.cluster.reach("ddl-settled").await;
                    JobEvent::Settled
                }
                JobEffect::DropRanges => self.drop_ranges(node, self.job.span()).await?,
                JobEffect::DropReplaced => match self.job.replaced_span() {
                    Some(span) => self.drop_ranges(node, span).await?,
                    None => return Err(SqlError::new(SqlState::InternalError, "a job replaces no table")),
                },
                JobEffect::Turn(step) => self.turn(node, step).await?,
                JobEffect::Done => return Ok(Driven::Done),
                JobEffect::Undone(reason) => return Ok(Driven::Undone(reason)),
                JobEffect::Stop => return Ok(Driven::Replaced),
            };
            effect = self.machine.on(event);
        }
    }

    /// Drives a statement's job from its beginning, and says what its client is told.
    ///
    /// # Errors
    /// Why it was undone; those of [`Driver::run`].
    pub async fn conclude(mut self, node: &SqlNode) -> Result<(), SqlError> {
        let driven = self.advance(node, JobEvent::Begin).await?;
        self.told(node, driven).await
    }

    /// Drives a statement's job as far as it goes; what fails before its table is published undoes it.
    ///
    /// # Errors
    /// Those of [`Driver::run`], as the client is told.
    pub(super) async fn advance(&mut self, node: &SqlNode, event: JobEvent) -> Result<Driven, SqlError> {
        match self.run(node, event).await {
            Ok(driven) => Ok(driven),
            // Whether the table was published says its job's row, to whoever takes it over.
            Err(error) if error.state == SqlState::StatementCompletionUnknown => Err(error),
            Err(error) if matches!(self.machine.step(), JobStep::MakeRange | JobStep::CopyRows) => {
                Err(self.undo(node, error).await)
            }
            // What is left of it is removed by whoever takes it over.
            Err(error) if self.machine.reason().is_some() => Err(self.refusal.take().unwrap_or(error)),
            Err(error) => Err(left_behind(&error, self.job.id)),
        }
    }

    /// What a client is told of how far its job was driven.
    pub(super) async fn told(&mut self, node: &SqlNode, driven: Driven) -> Result<(), SqlError> {
        match driven {
            Driven::Done | Driven::AwaitsCopy | Driven::AwaitsCommit => Ok(()),
            Driven::Undone(reason) => Err(self.refusal.take().unwrap_or_else(|| undone(&reason))),
            Driven::Replaced => self.await_end(node).await,
        }
    }

    /// Undoes a table that was not published, because of an error; gives what the client is told. What cannot be undone now is
    /// undone by whoever takes the job over.
    pub(super) async fn undo(&mut self, node: &SqlNode, error: SqlError) -> SqlError {
        let undone = self.run(node, JobEvent::Refused(error.to_string())).await;
        if let Err(left) = undone {
            tracing::warn!(job = self.job.id, error = %left, "a job is left to be undone");
        }
        error
    }

    async fn make_range(&mut self, node: &SqlNode) -> Result<JobEvent, SqlError> {
        let made = node.cluster.create_table_range(self.job.span(), job_format::fence(&self.job)).await;
        if let Err(error) = made {
            return self.unless_replaced(node, error).await;
        }
        node.cluster.reach("ddl-range-made").await;
        Ok(JobEvent::RangeMade)
    }

    async fn hold_writers(&mut self, node: &SqlNode) -> Result<JobEvent, SqlError> {
        let Some(before) = &self.before else {
            return Err(SqlError::new(SqlState::InternalError, "a job has no table whose writers wait"));
        };
        match rows::turn(node, &self.job, JobStep::CopyRows, Along::Hold(before)).await? {
            Turned::Made(at) => {
                self.job.step = JobStep::CopyRows;
                self.settle_upto = at;
                node.cluster.reach("ddl-held").await;
                Ok(JobEvent::Held)
            }
            Turned::Changed | Turned::NameTaken => Ok(self.refused_for(changed(&self.job.name))),
            Turned::Replaced => Ok(JobEvent::Replaced),
        }
    }

    fn refused_for(&mut self, error: SqlError) -> JobEvent {
        let reason = error.to_string();
        self.refusal = Some(error);
        JobEvent::Refused(reason)
    }

    async fn publish(&mut self, node: &SqlNode) -> Result<JobEvent, SqlError> {
        let Some(table) = &self.table else {
            return Err(SqlError::new(SqlState::InternalError, "a job has no table to publish"));
        };
        let along = match &self.before {
            None => Along::Table(table),
            Some(before) => Along::InPlace(table, before),
        };
        match rows::turn(node, &self.job, JobStep::Settle, along).await? {
            Turned::Made(at) => {
                self.job.step = JobStep::Settle;
                self.settle_upto = at;
                node.cluster.reach("ddl-published").await;
                Ok(JobEvent::Published)
            }
            Turned::NameTaken => Ok(self.refused_for(duplicate_table(&self.job.name))),
            Turned::Changed => Ok(self.refused_for(changed(&self.job.name))),
            Turned::Replaced => Ok(JobEvent::Replaced),
        }
    }

    async fn drop_ranges(&mut self, node: &SqlNode, span: Span) -> Result<JobEvent, SqlError> {
        let dropped = node.cluster.drop_table_ranges(span, job_format::fence(&self.job)).await;
        if let Err(error) = dropped {
            return self.unless_replaced(node, error).await;
        }
        node.cluster.reach("ddl-ranges-dropped").await;
        Ok(JobEvent::RangesDropped)
    }

    async fn turn(&mut self, node: &SqlNode, step: JobStep) -> Result<JobEvent, SqlError> {
        let turning = match self.machine.reason() {
            Some(reason) => Job { error: Some(reason.to_owned()), ..self.job.clone() },
            None => self.job.clone(),
        };
        let along = match turning.replaces {
            Some(table_id) if turning.step == JobStep::CopyRows => Along::Release(table_id),
            Some(_) | None => Along::Nothing,
        };
        match rows::turn(node, &turning, step, along).await? {
            Turned::Made(_) => {
                self.job = Job { step, ..turning };
                node.cluster.reach("ddl-turned").await;
                Ok(JobEvent::Turned)
            }
            Turned::NameTaken | Turned::Changed | Turned::Replaced => Ok(JobEvent::Replaced),
        }
    }

    /// Whether a call failed because somebody else drives the job.
    async fn unless_replaced(&self, node: &SqlNode, error: SqlError) -> Result<JobEvent, SqlError> {
        match self.row(node).await {
            Ok(row) if row.as_ref().is_none_or(|row| row.epoch != self.job.epoch) => Ok(JobEvent::Replaced),
            Ok(_) | Err(_) => Err(error),
        }
    }

    async fn row(&self, node: &SqlNode) -> Result<Option<Job>, SqlError> {
        let options = TransactionOptions::reading();
        let mut transaction = node.database.begin(options).await.map_err(|error| sql_error(error, None))?;
        rows::read_job(transaction.as_mut(), self.job.id).await.map_err(|error| sql_error(error, None))
    }

    /// Waits until whoever has taken the job over has come to its end.
    async fn await_end(&self, node: &SqlNode) -> Result<(), SqlError> {
        for _ in 0..END_LOOKS_MAX {
            match self.row(node).await {
                Ok(None) => break,
                Ok(Some(row)) if row.step == JobStep::Done => return Ok(()),
                Ok(Some(row)) if row.step == JobStep::Undone => {
                    return Err(undone(row.error.as_deref().unwrap_or_default()));
                }
                Ok(Some(_)) | Err(_) => node.clock.sleep(END_PAUSE).await,
            }
        }
        let message =
            format!("it is not known how job {} ended, which another node has taken over", self.job.id);
        Err(SqlError::new(SqlState::StatementCompletionUnknown, message).with_hint("SHOW JOBS tells."))
    }
}

/// Waits until no node can commit by a catalog of before `upto`.
pub(crate) async fn settle(node: &SqlNode, upto: Timestamp) -> Result<(), SqlError> {
    // The change is made: a moment in which it cannot be read is waited out.
    for _ in 1..SETTLE_READS_MAX {
        match node.refresh_catalog().await {
            Ok(_) => break,
            Err(_) => node.clock.sleep(SETTLE_PAUSE).await,
        }
    }
    if node.catalog.as_of() < upto {
        node.refresh_catalog().await?;
    }
    node.cluster.await_catalog(upto).await
}

/// The job goes on without its client: the change is made, whatever kept this node from seeing it through.
pub(super) fn left_behind(error: &SqlError, job_id: u64) -> SqlError {
    let hint =
        format!("Do not repeat it: job {job_id} finishes it by itself, SHOW JOBS tells how far it is.");
    made(error).with_hint(hint)
}

/// A change is made, whatever kept this node from waiting until all nodes know.
pub(crate) fn made(error: &SqlError) -> SqlError {
    let message = format!(
        "the change is made, and it is not known whether all nodes know of it yet: {}",
        error.message
    );
    SqlError::new(SqlState::StatementCompletionUnknown, message)
}

fn undone(reason: &str) -> SqlError {
    SqlError::new(
        SqlState::SerializationFailure,
        format!("restart transaction: the change was undone, as {reason}"),
    )
    .with_hint("Run the whole transaction again.")
}

fn changed(name: &str) -> SqlError {
    let message = format!("restart transaction: table \"{name}\" was changed or dropped meanwhile");
    SqlError::new(SqlState::SerializationFailure, message).with_hint("Run the whole transaction again.")
}

pub(super) fn duplicate_table(name: &str) -> SqlError {
    SqlError::new(SqlState::DuplicateTable, format!("relation \"{name}\" already exists"))
}

/// Why a table that a statement was bound to cannot be dropped: its name is another's by now (it can be tried again), or nobody's.
pub(super) fn not_the_table(name: &str, holder: Option<u64>) -> SqlError {
    match holder {
        Some(_) => SqlError::new(
            SqlState::SerializationFailure,
            format!("restart transaction: another table has the name \"{name}\" by now"),
        )
        .with_hint("Run the whole transaction again."),
        None => undefined_table(name),
    }
}

fn undefined_table(name: &str) -> SqlError {
    SqlError::new(SqlState::UndefinedTable, format!("table \"{name}\" does not exist"))
}
