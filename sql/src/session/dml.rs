//! Runs queries and changes of rows: in the open transaction, or in one of their own that is tried again.

use std::sync::Arc;

use quorate_engine::hlc::Timestamp;
use quorate_engine::kv::{Key, KvError, Transaction, TransactionOptions};

use super::cursors::written_table;
use super::dispatch::{Run, tag};
use super::held_rows::HeldRows;
use super::sink::{Completion, ResultSink};
use super::surroundings::{SessionParts, Surroundings};
use super::transaction::TransactionState;
use super::{Binding, Session};
use crate::bind::BoundDml;
use crate::catalog::descriptor::TableDescriptor;
use crate::catalog::lease::CatalogWait;
use crate::copy::output::Lines;
use crate::copy::parts::Parts;
use crate::error::{SqlError, SqlState};
use crate::exec::context::{ExecContext, ExecError, Limits};
use crate::exec::delete::delete;
use crate::exec::insert::Insert;
use crate::exec::profile::Profile;
use crate::exec::returning::Changed;
use crate::exec::update::update;
use crate::exec::{Operator, build};
use crate::expr::eval::EvalContext;
use crate::node::SqlNode;
use crate::plan::node::{Plan, Query};
use crate::planner::memory::Unplanned;
use crate::retry::Attempts;
use crate::types::Row;

/// Takes a query's rows.
pub(crate) enum Output<'a, 'b> {
    /// The client.
    Held(&'a mut HeldRows<'b>),
    /// `COPY TO STDOUT`.
    Lines(&'a mut Lines<'b>),
    /// Nobody: EXPLAIN ANALYZE only counts, and prints the plan that was run.
    Count(&'a mut Option<Plan>),
}

/// What a plan is run with.
pub(crate) struct PlanRun<'a> {
    pub around: &'a Surroundings<'a>,
    pub limits: &'a Limits,
    pub eval: EvalContext<'a>,
    /// The statement commits alone.
    pub is_autocommit: bool,
}

impl Session {
    /// Runs a statement that reads or changes rows.
    pub(crate) async fn run_dml(
        &mut self,
        binding: &Binding,
        run: &Run<'_>,
        sink: &mut dyn ResultSink,
    ) -> Result<Completion, SqlError> {
        if !matches!(self.transaction, TransactionState::Idle) {
            let mut held = HeldRows::new(sink, run.prepared.columns().unwrap_or_default());
            let statement = binding.unplanned()?;
            let done = self.run_in_transaction(statement, run, &mut Output::Held(&mut held)).await?;
            return finish(statement.statement, done.count, &mut held).await;
        }
        self.run_alone(binding, run, sink).await
    }

    /// Runs it in the open transaction, without committing.
    pub(crate) async fn run_in_transaction(
        &mut self,
        statement: Unplanned<'_>,
        run: &Run<'_>,
        output: &mut Output<'_, '_>,
    ) -> Result<Done, SqlError> {
        if let Some(table) = written_table(statement.statement).filter(|_| self.has_cursors()) {
            // Seldom: kept out of the futures of all statements.
            Box::pin(self.settle_cursors(table, &run.limits)).await?;
        }
        let (node, catalog) = (Arc::clone(&self.node), self.catalog());
        let TransactionState::Open(open) = &mut self.transaction else {
            return Err(SqlError::new(SqlState::InternalError, "no transaction is open"));
        };
        let now_micros = open.now_micros;
        let parts =
            SessionParts { variables: &self.variables, sequences: &self.sequences, options: &self.options };
        let around =
            Surroundings::new(&node, parts, open.read_only).within(&catalog, open.staged.sequences());
        let eval = around.eval(run.parameters, now_micros);
        let plan = statement.plan(&eval)?;
        check_writes(&plan, open.read_only)?;
        for table in plan.tables() {
            open.used_table(table.id, table.version);
        }
        let own_rows = open.parts_for(&node, &plan).await?;
        let transaction = open.begin(&node).await?;
        let plan_run = PlanRun { around: &around, limits: &run.limits, eval, is_autocommit: false };
        let result = run_plan((plan, own_rows), &plan_run, transaction.as_mut(), output).await;
        let result = result.map_err(|error| error.into_sql(&catalog));
        let stored = match result {
            Ok(done) => {
                done.own_stored.iter().for_each(|at| open.filled(*at));
                open.store_much(&node).await.map(|()| done)
            }
            Err(error) => Err(error),
        };
        let changed = around.functions.into_changed();
        self.take_changed(changed);
        let mut done = stored?;
        done.send_returned(output).await?;
        Ok(done)
    }

    /// Runs it as a transaction of its own, again where the store asks for it and nothing was sent yet.
    async fn run_alone(
        &mut self,
        binding: &Binding,
        run: &Run<'_>,
        sink: &mut dyn ResultSink,
    ) -> Result<Completion, SqlError> {
        let result = self.run_attempts(binding, run, sink).await;
        let age = self.tried_since;
        self.note_age(age, &result);
        result
    }

    async fn run_attempts(
        &mut self,
        binding: &Binding,
        run: &Run<'_>,
        sink: &mut dyn ResultSink,
    ) -> Result<Completion, SqlError> {
        let node = Arc::clone(&self.node);
        let mut attempts = Attempts::new(&node);
        let mut rebound: Option<Arc<Binding>> = None;
        let mut lease = run.lease;
        loop {
            let statement = rebound.as_deref().unwrap_or(binding).unplanned()?;
            let mut held = HeldRows::new(&mut *sink, run.prepared.columns().unwrap_or_default());
            match self.attempt(statement, lease, run, &mut Output::Held(&mut held)).await {
                Ok(done) => return finish(statement.statement, done.count, &mut held).await,
                Err(ExecError::Kv(error)) if !held.is_sent() => attempts.after(error).await?,
                Err(error) => return Err(error.into_sql(&node.catalog.snapshot())),
            }
            run.limits.cancel.check()?;
            let (binding, newer) = self.rebind_to_write(run.prepared, &run.limits).await?;
            (rebound, lease) = (Some(binding), newer);
        }
    }

    /// One attempt at a statement that commits alone, before the end of the lease that its binding relies on.
    pub(crate) async fn attempt(
        &mut self,
        statement: Unplanned<'_>,
        lease: Option<Timestamp>,
        run: &Run<'_>,
        output: &mut Output<'_, '_>,
    ) -> Result<Done, ExecError> {
        let node = Arc::clone(&self.node);
        let (now_micros, is_read_only) = (self.now_micros(), self.is_read_only());
        let parts =
            SessionParts { variables: &self.variables, sequences: &self.sequences, options: &self.options };
        // What changes the session runs in a transaction.
        let around = Surroundings::new(&node, parts, is_read_only);
        let eval = around.eval(run.parameters, now_micros);
        let plan = statement.plan(&eval)?;
        check_writes(&plan, is_read_only)?;
        let read_only = matches!(plan, Plan::Query { .. });
        let options = TransactionOptions { read_only, since: self.tried_since };
        let mut transaction = node.database.begin(options).await?;
        self.tried_since.get_or_insert(transaction.read_timestamp());
        check_lease(lease, transaction.read_timestamp())?;
        let plan_run = PlanRun { around: &around, limits: &run.limits, eval, is_autocommit: true };
        let result = run_plan((plan, None), &plan_run, transaction.as_mut(), output).await;
        if read_only || result.is_err() {
            transaction.rollback().await;
            return result;
        }
        let mut under_way = node.commits.begin();
        let deadline = match lease {
            Some(_) => Some(CatalogWait::new(&node, &run.limits.cancel).lease().await?),
            None => None,
        };
        if deadline.is_some() && node.catalog.version() != run.prepared.binding.with.catalog.version {
            check_tables(&node, statement, EvalContext { sequences: None, session: None, ..eval })?;
        }
        // From here on nothing cancels: a commit that was sent is awaited to its end.
        run.limits.cancel.check()?;
        deadline.iter().for_each(|deadline| under_way.sent(*deadline));
        let committed = transaction.commit(deadline).await;
        under_way.answered(&committed);
        committed?;
        let mut done = result?;
        // Told only now: an attempt before that would be made again without a word.
        done.send_returned(output).await?;
        Ok(done)
    }
}

/// Fails where a table is no longer what it was when the statement was bound: the lease on the catalog as it was renewed while the
/// statement ran, which may have been for longer than one lasts, is then not as good as that of its binding.
fn check_tables(node: &SqlNode, statement: Unplanned<'_>, eval: EvalContext<'_>) -> Result<(), ExecError> {
    let catalog = node.catalog.snapshot();
    let is_same = |table: &Arc<TableDescriptor>| {
        catalog.table_by_id(table.id).is_some_and(|now| now.version == table.version)
    };
    if statement.plan(&eval).is_ok_and(|plan| plan.tables().iter().all(is_same)) {
        return Ok(());
    }
    let reason = "a table was changed or dropped meanwhile".to_owned();
    Err(KvError::Retry { key: Key::default(), reason }.into())
}

/// Fails where the lease on the catalog ends before a statement reads: its binding may be of an older catalog then.
fn check_lease(lease: Option<Timestamp>, reads_at: Timestamp) -> Result<(), KvError> {
    match lease {
        Some(until) if reads_at >= until => {
            let reason = "this node was held up until its lease on the catalog had ended".to_owned();
            Err(KvError::Retry { key: Key::default(), reason })
        }
        Some(_) | None => Ok(()),
    }
}

/// What a plan has done.
pub(crate) struct Done {
    /// Rows that it has yielded or changed.
    pub count: u64,
    /// What its operators did.
    pub profile: Profile,
    /// Rows of RETURNING, not sent yet.
    returned: Option<Vec<Row>>,
    /// When rows of a table of the transaction's own were stored last.
    own_stored: Option<Timestamp>,
}

impl Done {
    async fn send_returned(&mut self, output: &mut Output<'_, '_>) -> Result<(), SqlError> {
        match self.returned.take() {
            Some(rows) => send(rows, output).await,
            None => Ok(()),
        }
    }
}

/// Runs a plan as one statement.
async fn run_plan(
    (plan, own_rows): (Plan, Option<Parts>),
    run: &PlanRun<'_>,
    transaction: &mut dyn Transaction,
    output: &mut Output<'_, '_>,
) -> Result<Done, ExecError> {
    let mut context = run.around.begin(transaction, run.limits, run.eval, run.is_autocommit);
    context.own_rows = own_rows;
    if let Output::Count(kept) = output {
        **kept = Some(plan.clone());
        context.profile = Profile::counting();
    }
    let Changed { count, returned } = match plan {
        Plan::Query { query } => {
            Changed { count: run_query(query, &mut context, output).await?, returned: None }
        }
        Plan::Insert { table, source, on_conflict, returning } => {
            Insert::new(table, on_conflict, returning).run(build(source)?, &mut context).await?
        }
        Plan::Update { table, source, assignments, returning } => {
            update(&table, build(source)?, (&assignments, returning), &mut context).await?
        }
        Plan::Delete { table, source, returning } => {
            delete(&table, build(source)?, returning, &mut context).await?
        }
    };
    context.sleep().await?;
    let own_stored = match context.own_rows.take() {
        // Seldom: kept out of the futures of all statements.
        Some(parts) => Box::pin(parts.finished()).await?,
        None => None,
    };
    Ok(Done { count, profile: context.profile, returned, own_stored })
}

async fn run_query(
    query: Query,
    context: &mut ExecContext<'_>,
    output: &mut Output<'_, '_>,
) -> Result<u64, ExecError> {
    let mut operator: Box<dyn Operator> = build(query)?;
    let mut count = 0;
    while let Some(rows) = operator.next(context).await? {
        count += rows.len() as u64;
        send(rows, output).await?;
    }
    Ok(count)
}

async fn send(rows: Vec<Row>, output: &mut Output<'_, '_>) -> Result<(), SqlError> {
    match output {
        Output::Held(held) => held.rows(rows).await,
        Output::Lines(lines) => lines.rows(&rows).await,
        Output::Count(_) => Ok(()),
    }
}

/// The completion of a statement that has run, behind its last rows.
async fn finish(dml: &BoundDml, count: u64, held: &mut HeldRows<'_>) -> Result<Completion, SqlError> {
    if dml.columns().is_some() {
        held.finish().await?;
    }
    Ok(match dml {
        BoundDml::Query(_) => tag(format!("SELECT {count}")),
        BoundDml::Insert(_) => tag(format!("INSERT 0 {count}")),
        BoundDml::Update(_) => tag(format!("UPDATE {count}")),
        BoundDml::Delete(_) => tag(format!("DELETE {count}")),
    })
}

/// Fails for a write in a read-only transaction.
fn check_writes(plan: &Plan, read_only: bool) -> Result<(), SqlError> {
    let what = match plan {
        Plan::Query { .. } => return Ok(()),
        Plan::Insert { .. } => "INSERT",
        Plan::Update { .. } => "UPDATE",
        Plan::Delete { .. } => "DELETE",
    };
    if !read_only {
        return Ok(());
    }
    let message = format!("cannot execute {what} in a read-only transaction");
    Err(SqlError::new(SqlState::ReadOnlySqlTransaction, message))
}
