//! Statements that change a table whose place another is about to take: they wait until it has, and are bound to that one.

use std::slice;
use std::sync::Arc;
use std::time::Duration;

use quorate_engine::hlc::Timestamp;

use super::{Binding, Prepared, Session};
use crate::bind::sequence::BoundSequence;
use crate::bind::{Bound, BoundDml};
use crate::catalog::descriptor::TableDescriptor;
use crate::error::{SqlError, SqlState};
use crate::exec::context::Limits;
use crate::limits::HELD_WRITERS_WAIT_MAX;

/// First wait before the catalog is looked at again; doubled after each further one.
const WAIT_FIRST: Duration = Duration::from_millis(5);
/// Longest wait before it is looked at again, and how old it may be then.
const WAIT_LONGEST: Duration = Duration::from_millis(200);

impl Session {
    /// As [`Session::rebind`], when none of the tables that the statement changes holds its writers.
    ///
    /// # Errors
    /// Those of [`Session::rebind`]; 55P03 once the wait is over; 57014.
    pub(super) async fn rebind_to_write(
        &mut self,
        prepared: &Prepared,
        limits: &Limits,
    ) -> Result<(Arc<Binding>, Option<Timestamp>), SqlError> {
        let found = self.rebind(prepared, &limits.cancel).await?;
        if held_by(&found.0.bound.kind).is_none() {
            return Ok(found);
        }
        // Seldom: kept out of the futures of all statements.
        Box::pin(self.await_writers_turn(prepared, limits)).await
    }

    async fn await_writers_turn(
        &mut self,
        prepared: &Prepared,
        limits: &Limits,
    ) -> Result<(Arc<Binding>, Option<Timestamp>), SqlError> {
        let node = Arc::clone(&self.node);
        let until = node.clock.now_micros().saturating_add(micros(HELD_WRITERS_WAIT_MAX));
        let mut wait = WAIT_FIRST;
        loop {
            let found = self.rebind(prepared, &limits.cancel).await?;
            let Some((table, job_id)) = held_by(&found.0.bound.kind) else { return Ok(found) };
            if node.clock.now_micros() >= until {
                return Err(waited_in_vain(&table.name, job_id));
            }
            limits.guard(&node, node.clock.sleep(wait)).await?;
            wait = (wait * 2).min(WAIT_LONGEST);
            let known_until = node.catalog.as_of().micros().saturating_add(micros(WAIT_LONGEST));
            if known_until < node.clock.now_micros() {
                node.refresh_catalog().await?;
            }
        }
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

fn waited_in_vain(table: &str, job_id: u64) -> SqlError {
    let message = format!(
        "table \"{table}\" is being given a primary key: it was waited for {} s for job {job_id}",
        HELD_WRITERS_WAIT_MAX.as_secs()
    );
    SqlError::new(SqlState::LockNotAvailable, message).with_hint("SHOW JOBS tells how far it is.")
}

/// The first table that a statement changes and whose writers wait, with the job that they wait for.
fn held_by(bound: &Bound) -> Option<(&TableDescriptor, u64)> {
    changed_tables(bound).iter().find_map(|table| Some((table.as_ref(), table.held_by?)))
}

fn changed_tables(bound: &Bound) -> &[Arc<TableDescriptor>] {
    match bound {
        Bound::Dml(statement) | Bound::Explain { analyze: true, statement } => {
            changed_table(statement).map_or(&[], slice::from_ref)
        }
        Bound::DropTable { tables, .. } | Bound::Truncate { tables, .. } => tables,
        Bound::AddPrimaryKey { table, .. } => table.as_slice(),
        Bound::Sequence(BoundSequence::Create { owner, .. } | BoundSequence::Alter { owner, .. }) => {
            owner.as_slice()
        }
        Bound::CopyFrom(copy) => slice::from_ref(&copy.table),
        Bound::Explain { analyze: false, .. }
        | Bound::CreateTable { .. }
        | Bound::Sequence(BoundSequence::AlterMissing { .. } | BoundSequence::Drop { .. })
        | Bound::Begin { .. }
        | Bound::Commit
        | Bound::Rollback
        | Bound::Savepoint(_)
        | Bound::ShowTables
        | Bound::ShowRanges { .. }
        | Bound::ShowClusterSettings
        | Bound::ShowJobs
        | Bound::ShowVariable { .. }
        | Bound::SetVariable { .. }
        | Bound::ResetAll
        | Bound::SetClusterSetting { .. }
        | Bound::CopyTo { .. }
        | Bound::DiscardAll
        | Bound::Deallocate { .. }
        | Bound::Session(_) => &[],
    }
}

fn changed_table(statement: &BoundDml) -> Option<&Arc<TableDescriptor>> {
    match statement {
        BoundDml::Query(_) => None,
        BoundDml::Insert(insert) => Some(&insert.table),
        BoundDml::Update(update) => Some(&update.table),
        BoundDml::Delete(delete) => Some(&delete.table),
    }
}
