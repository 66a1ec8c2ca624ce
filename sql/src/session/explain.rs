//! EXPLAIN and EXPLAIN ANALYZE.

use super::Session;
use super::dispatch::{Run, tag};
use super::dml::{Done, Output};
use super::held_rows::HeldRows;
use super::sink::{Completion, ResultSink};
use super::surroundings::{SessionParts, Surroundings};
use super::transaction::TransactionState;
use crate::bind::BoundDml;
use crate::error::{SqlError, SqlState};
use crate::exec::profile::{OperatorProfile, Place, Profile, RangeProfile};
use crate::expr::eval::EvalContext;
use crate::plan::explain::{Measured, explain as explain_plan};
use crate::plan::node::Plan;
use crate::planner::memory::Unplanned;
use crate::planner::plan;
use crate::types::Datum;

/// Prints the plan of a statement; with ANALYZE runs it first and prints what it did, changes of rows included.
pub(crate) async fn explain(
    session: &mut Session,
    (analyze, statement): (bool, &BoundDml),
    run: &Run<'_>,
    sink: &mut dyn ResultSink,
) -> Result<Completion, SqlError> {
    let lines = if analyze {
        let (done, plan) = session.run_counting(statement, run).await?;
        let mut lines = explain_plan(&plan, &measured(&done.profile));
        lines.push(format!("Rows: {}", done.count));
        lines
    } else {
        let now_micros = session.now_micros();
        let catalog = session.catalog();
        let parts = SessionParts {
            variables: &session.variables,
            sequences: &session.sequences,
            options: &session.options,
        };
        let around = Surroundings::new(&session.node, parts, session.is_read_only()).within(&catalog, None);
        let eval = around.eval(run.parameters, now_micros);
        // What changes the session finds out what it is when it runs.
        let known = eval.session.filter(|_| !run.changes_session);
        let plan = plan(statement, &EvalContext { session: known, sequences: None, ..eval })?;
        explain_plan(&plan, &Measured::new())
    };
    let rows = lines.into_iter().map(|line| vec![Datum::Text(line)]).collect();
    let mut held = HeldRows::new(sink, run.prepared.columns().unwrap_or_default());
    held.rows(rows).await?;
    held.finish().await?;
    Ok(tag("EXPLAIN"))
}

/// Of each operator one line for each range and node that served its pages.
fn measured(profile: &Profile) -> Measured {
    let lines = |operator: &OperatorProfile| operator.ranges.iter().map(served).collect();
    profile.operators().map(|(number, operator)| (number, lines(operator))).collect()
}

fn served((place, range): (&Place, &RangeProfile)) -> String {
    let place = match place {
        Place::Points => "Point lookups".to_owned(),
        Place::Range { range_id, node_id } => format!("Range r{range_id} on node n{node_id}"),
    };
    // Rows that are deleted, and old versions: what else a scan has to step over.
    let others = range.visited.saturating_sub(range.rows_read);
    let others = if others == 0 { String::new() } else { format!(", {others} other versions visited") };
    format!(
        "{place}: {} rows read{others}, {} rows returned, {} pages",
        range.rows_read, range.rows_returned, range.pages
    )
}

impl Session {
    /// Runs a statement for its measures alone.
    async fn run_counting(&mut self, statement: &BoundDml, run: &Run<'_>) -> Result<(Done, Plan), SqlError> {
        let statement = Unplanned { statement, memory: None, changes_session: run.changes_session };
        let mut plan = None;
        let done = if matches!(self.transaction, TransactionState::Idle) {
            let result = self.attempt(statement, run.lease, run, &mut Output::Count(&mut plan)).await;
            result.map_err(|error| error.into_sql(&self.node.catalog.snapshot()))?
        } else {
            self.run_in_transaction(statement, run, &mut Output::Count(&mut plan)).await?
        };
        let plan = plan.ok_or_else(|| SqlError::new(SqlState::InternalError, "no plan was run"))?;
        Ok((done, plan))
    }
}
