//! ALTER TABLE … ADD PRIMARY KEY that stands alone: a table with the key takes the place of one without, whose writers wait
//! meanwhile. Whoever begins the job copies the rows.

use std::sync::Arc;

use super::create;
use super::driver::{Driven, Driver};
use super::in_place::Before;
use super::job::{Job, JobKind, JobOrigin, JobStep};
use super::job_steps::JobEvent;
use super::{ids, rows};
use crate::catalog::descriptor::TableDescriptor;
use crate::catalog::sequence::SequenceDescriptor;
use crate::error::{SqlError, SqlState};
use crate::node::SqlNode;

/// A job that waits for the rows.
#[derive(Debug)]
pub struct KeyJob {
    driver: Driver,
    /// The table that takes the place, which nobody else knows.
    pub table: Arc<TableDescriptor>,
}

impl KeyJob {
    /// Begins: the range is there, and nobody can write to the table before. `keyed` gets its id here; `sequences` belong to
    /// the table before.
    ///
    /// # Errors
    /// 40001 where the table is not what it was any more; those of the store and the cluster. All is as it was then.
    pub async fn begin(
        node: &SqlNode,
        (table, keyed): (&Arc<TableDescriptor>, &TableDescriptor),
        sequences: Vec<Arc<SequenceDescriptor>>,
    ) -> Result<Self, SqlError> {
        let made = TableDescriptor { id: ids::take_table_id(node).await?, version: 1, ..keyed.clone() };
        let kind = (JobKind::AddPrimaryKey, JobStep::MakeRange);
        let job = rows::new_job(node, kind, JobOrigin::Statement, (made.id, &made.name)).await?;
        let before = Before { table: Arc::clone(table), sequences };
        let job = Job { replaces: Some(table.id), ..job };
        let mut driver = Driver::new(node, job).with_table(made.clone()).in_place_of(before);
        create::insert_job(node, driver.job()).await?;
        match driver.advance(node, JobEvent::Begin).await? {
            Driven::AwaitsCopy => Ok(Self { driver, table: Arc::new(made) }),
            other @ (Driven::Done | Driven::Undone(_) | Driven::AwaitsCommit | Driven::Replaced) => {
                Err(driver.told(node, other).await.err().unwrap_or_else(ended_early))
            }
        }
    }

    /// Ends it, by what became of the rows: the table takes the place, or all is as it was.
    ///
    /// # Errors
    /// Why the rows were not copied; those of the store and the cluster.
    pub async fn end(mut self, node: &SqlNode, copied: Result<(), SqlError>) -> Result<(), SqlError> {
        node.cluster.reach("ddl-copied").await;
        if let Err(error) = copied {
            return Err(self.driver.undo(node, error).await);
        }
        let driven = self.driver.advance(node, JobEvent::Copied).await?;
        self.driver.told(node, driven).await
    }
}

fn ended_early() -> SqlError {
    SqlError::new(SqlState::InternalError, "a job ended before its rows were copied")
}
