//! What a session does with prepared statements and cursors by name.

use std::sync::Arc;

use super::cursors::{CursorRun, NewCursor, missing};
use super::dispatch::{Turn, tag};
use super::functions::SessionFunctions;
use super::held_rows::HeldRows;
use super::sink::{Completion, ResultSink, TransactionStatus};
use super::statements::NamedStatement;
use super::surroundings::{SessionParts, Surroundings};
use super::transaction::{Kind, OpenTransaction, TransactionState};
use super::{Binding, Prepared, Session, Statement};
use crate::bind::{Bound, BoundDml, bind_arguments};
use crate::cancel::CancelToken;
use crate::error::{SqlError, SqlState};
use crate::exec::build;
use crate::exec::context::{ExecError, Limits};
use crate::expr::eval::{EvalContext, eval};
use crate::expr::{Expr, ScalarFunction};
use crate::parser::ast;
use crate::parser::ast::session::{Direction, Execute, Fetch, Prepare, SessionStatement};
use crate::plan::node::{OutputColumn, Plan};
use crate::planner::memory::Unplanned;
use crate::types::Datum;

/// `DECLARE`, bound.
pub(super) struct Declared<'a> {
    pub name: &'a str,
    pub binary: bool,
    pub scroll: bool,
    pub query: &'a BoundDml,
    pub changes_session: bool,
}

impl Session {
    /// Keeps a statement under a name.
    ///
    /// # Errors
    /// 42P05 for a name that is taken, 54000 beyond a limit.
    pub fn add_statement(&mut self, name: &str, statement: NamedStatement) -> Result<(), SqlError> {
        self.statements.add(name, statement)
    }

    /// The statement of this name, whether Parse or PREPARE has made it.
    ///
    /// # Errors
    /// 26000.
    pub fn statement(&self, name: &str) -> Result<&NamedStatement, SqlError> {
        self.statements.get(name)
    }

    /// Forgets a statement; no error where there is none.
    pub fn close_statement(&mut self, name: &str) {
        self.statements.close(name);
    }

    /// Columns of the cursor of this name, and whether its rows are told in the binary format.
    pub fn cursor(&self, name: &str) -> Option<(&[OutputColumn], bool)> {
        let TransactionState::Open(open) = &self.transaction else { return None };
        open.cursors.get(name).map(|cursor| (&*cursor.columns, cursor.is_binary))
    }

    /// Closes a cursor; no error where there is none.
    pub fn close_cursor(&mut self, name: &str) {
        if let TransactionState::Open(open) = &mut self.transaction {
            let _ = open.cursors.close(name);
        }
    }

    /// Columns of a statement whose columns are what the session knows.
    pub(super) fn known_columns(&self, statement: &ast::Statement) -> Option<Vec<OutputColumn>> {
        let ast::Statement::Session(statement) = statement else { return None };
        if let SessionStatement::Fetch(fetch) = statement {
            let columns = self.cursor(&fetch.name.value).filter(|_| !fetch.is_move);
            return columns.map(|(columns, _)| columns.to_vec());
        }
        let SessionStatement::Execute(execute) = statement else { return None };
        let prepared = self.statements.get(&execute.name.value).ok()?.prepared.as_ref()?;
        prepared.columns().map(<[_]>::to_vec)
    }

    /// `PREPARE`
    pub(super) async fn prepare_named(
        &mut self,
        prepare: &Prepare,
        cancel: &CancelToken,
    ) -> Result<Completion, SqlError> {
        let name = prepare.name.value.as_str();
        let statement = Statement::new((*prepare.statement).clone());
        let prepared = Some(self.bind(&statement, &prepare.types, cancel).await?);
        let named =
            NamedStatement { prepared, given_types: Vec::new(), text_bytes: prepare.text_bytes, held: None };
        self.statements.add(name, named)?;
        Ok(tag("PREPARE"))
    }

    /// `DEALLOCATE`
    pub(super) fn deallocate(&mut self, name: Option<&str>) -> Result<Completion, SqlError> {
        match name {
            None => {
                self.statements.clear();
                Ok(tag("DEALLOCATE ALL"))
            }
            Some(name) if self.statements.close(name) => Ok(tag("DEALLOCATE")),
            Some(name) => Err(super::statements::missing(name)),
        }
    }

    /// What EXECUTE runs: the prepared statement, and the values of its parameters.
    pub(super) fn executed(&mut self, execute: &Execute) -> Result<(Prepared, Vec<Datum>), SqlError> {
        let name = execute.name.value.as_str();
        let Some(prepared) = self.statements.get(name)?.prepared.clone() else {
            return Err(SqlError::unsupported("EXECUTE of an empty statement"));
        };
        if !is_executable(prepared.statement.tree()) {
            return Err(SqlError::unsupported("EXECUTE of other than a query or a change of rows"));
        }
        let (catalog, context) = (self.catalog(), self.bind_context());
        let arguments = bind_arguments(execute, prepared.parameter_types(), catalog.as_ref(), &context)?;
        if arguments.iter().any(calls_sequence) {
            return Err(SqlError::unsupported("a function of sequences in the arguments of EXECUTE"));
        }
        let now_micros = match &self.transaction {
            TransactionState::Open(open) => open.now_micros,
            TransactionState::Idle | TransactionState::Failed(_) => self.now_micros(),
        };
        let functions = SessionFunctions::new(&self.variables, self.is_read_only());
        let context = EvalContext { now_micros, session: Some(&functions), ..EvalContext::default() };
        let values: Result<Vec<Datum>, SqlError> =
            arguments.iter().map(|argument| eval(argument, &[], &context)).collect();
        let changed = functions.into_changed();
        self.take_changed(changed);
        Ok((prepared, values?))
    }

    /// Opens a query of the protocol as a cursor under its portal's name, so that its rows are read as they are asked
    /// for; false where that cannot be: outside of the user's transaction, and for other statements.
    ///
    /// # Errors
    /// As [`Session::run`]
    pub async fn declare_portal(
        &mut self,
        name: &str,
        (prepared, parameters): (&Prepared, &[Datum]),
        cancel: &CancelToken,
    ) -> Result<bool, SqlError> {
        let is_query = matches!(prepared.binding.bound.kind, Bound::Dml(BoundDml::Query(_)));
        if !is_query || self.transaction_status() != TransactionStatus::Active {
            return Ok(false);
        }
        let result = match self.rebind(prepared, cancel).await {
            Ok((binding, _)) => self.declare_bound(name, &binding, parameters).await,
            Err(error) => Err(error),
        };
        self.after(result).await.map(|()| true)
    }

    async fn declare_bound(
        &mut self,
        name: &str,
        binding: &Binding,
        parameters: &[Datum],
    ) -> Result<(), SqlError> {
        let Bound::Dml(query) = &binding.bound.kind else { return Err(not_a_query()) };
        let changes_session = binding.bound.changes_session;
        let declared = Declared { name, binary: false, scroll: false, query, changes_session };
        self.declare_cursor(&declared, parameters).await
    }

    /// The next rows of a portal that is a cursor: so many, or all; returns their number.
    ///
    /// # Errors
    /// As [`Session::run`]
    pub async fn fetch_portal(
        &mut self,
        (name, count): (&str, Option<u64>),
        cancel: &CancelToken,
        sink: &mut dyn ResultSink,
    ) -> Result<u64, SqlError> {
        let limits = self.limits(cancel);
        let by = |count| Direction::By(i64::try_from(count).unwrap_or(i64::MAX));
        let direction = count.map_or(Direction::ToEnd, by);
        let result = self.fetch_to((name, direction), &limits, sink).await;
        self.after(result).await
    }

    /// `DECLARE … CURSOR`
    pub(super) async fn declare_cursor(
        &mut self,
        declared: &Declared<'_>,
        parameters: &[Datum],
    ) -> Result<(), SqlError> {
        let node = Arc::clone(&self.node);
        let TransactionState::Open(open) = &mut self.transaction else { return Err(no_transaction()) };
        open.cursors.check_free(declared.name)?;
        let catalog = open.staged.catalog(node.catalog.snapshot());
        let parts =
            SessionParts { variables: &self.variables, sequences: &self.sequences, options: &self.options };
        let around =
            Surroundings::new(&node, parts, open.read_only).within(&catalog, open.staged.sequences());
        let now_micros = open.now_micros;
        let context = around.eval(parameters, now_micros);
        let statement =
            Unplanned { statement: declared.query, memory: None, changes_session: declared.changes_session };
        let plan = statement.plan(&context)?;
        let (tables, BoundDml::Query(bound)) = (plan.tables(), declared.query) else {
            return Err(not_a_query());
        };
        let Plan::Query { query } = plan else { return Err(not_a_query()) };
        for table in &tables {
            open.used_table(table.id, table.version);
        }
        open.begin(&node).await?;
        open.cursors.declare(NewCursor {
            name: declared.name.to_owned(),
            binary: declared.binary,
            scroll: declared.scroll,
            operator: build(query)?,
            tables: tables.iter().map(|table| table.id).collect(),
            columns: bound.columns.clone(),
            parameters: parameters.to_vec(),
            now_micros,
        })
    }

    /// `FETCH`, `MOVE`
    pub(super) async fn fetch(
        &mut self,
        fetch: &Fetch,
        limits: &Limits,
        sink: &mut dyn ResultSink,
    ) -> Result<Completion, SqlError> {
        let wanted = (fetch.name.value.as_str(), fetch.direction);
        if fetch.is_move {
            let count = self.fetch_rows(wanted, limits, None).await?;
            return Ok(tag(format!("MOVE {count}")));
        }
        let count = self.fetch_to(wanted, limits, sink).await?;
        Ok(tag(format!("FETCH {count}")))
    }

    /// Moves a cursor, and sends the rows that it passes.
    async fn fetch_to(
        &mut self,
        (name, direction): (&str, Direction),
        limits: &Limits,
        sink: &mut dyn ResultSink,
    ) -> Result<u64, SqlError> {
        let (columns, is_binary) = match &self.transaction {
            TransactionState::Open(open) => {
                let cursor = open.cursors.get(name).ok_or_else(|| missing(name))?;
                (Arc::clone(&cursor.columns), cursor.is_binary)
            }
            TransactionState::Idle | TransactionState::Failed(_) => return Err(missing(name)),
        };
        if is_binary {
            sink.use_binary();
        }
        let mut held = HeldRows::new(sink, &columns);
        let count = self.fetch_rows((name, direction), limits, Some(&mut held)).await?;
        held.finish().await?;
        Ok(count)
    }

    async fn fetch_rows(
        &mut self,
        wanted: (&str, Direction),
        limits: &Limits,
        out: Option<&mut HeldRows<'_>>,
    ) -> Result<u64, SqlError> {
        let (node, catalog) = (Arc::clone(&self.node), self.catalog());
        let TransactionState::Open(open) = &mut self.transaction else { return Err(missing(wanted.0)) };
        let parts =
            SessionParts { variables: &self.variables, sequences: &self.sequences, options: &self.options };
        let around =
            Surroundings::new(&node, parts, open.read_only).within(&catalog, open.staged.sequences());
        // Beside the transaction while it is read by it.
        let mut cursors = std::mem::take(&mut open.cursors);
        let fetched = match cursor_run(open, (&node, limits), &around).await {
            Ok(mut run) => cursors.fetch(wanted, &mut run, out).await,
            Err(error) => Err(error),
        };
        open.cursors = cursors;
        let changed = around.functions.into_changed();
        self.take_changed(changed);
        fetched.map_err(|error| error.into_sql(&catalog))
    }

    /// Whether the open transaction has cursors.
    pub(crate) fn has_cursors(&self) -> bool {
        matches!(&self.transaction, TransactionState::Open(open) if !open.cursors.is_empty())
    }

    /// Lets cursors read what is left of a table before it is written to.
    pub(crate) async fn settle_cursors(&mut self, table: u64, limits: &Limits) -> Result<(), SqlError> {
        let TransactionState::Open(open) = &mut self.transaction else { return Ok(()) };
        let node = Arc::clone(&self.node);
        let catalog = open.staged.catalog(node.catalog.snapshot());
        let parts =
            SessionParts { variables: &self.variables, sequences: &self.sequences, options: &self.options };
        let around =
            Surroundings::new(&node, parts, open.read_only).within(&catalog, open.staged.sequences());
        let mut cursors = std::mem::take(&mut open.cursors);
        let settled = match cursor_run(open, (&node, limits), &around).await {
            Ok(mut run) => cursors.settle(table, &mut run).await,
            Err(error) => Err(error),
        };
        open.cursors = cursors;
        let changed = around.functions.into_changed();
        self.take_changed(changed);
        settled.map_err(|error| error.into_sql(&catalog))
    }

    /// `CLOSE`
    pub(super) fn close_cursors(&mut self, name: Option<&str>) -> Result<Completion, SqlError> {
        match (&mut self.transaction, name) {
            (TransactionState::Open(open), Some(name)) => open.cursors.close(name)?,
            (TransactionState::Open(open), None) => open.cursors.close_all(),
            (TransactionState::Idle | TransactionState::Failed(_), Some(name)) => return Err(missing(name)),
            (TransactionState::Idle | TransactionState::Failed(_), None) => {}
        }
        Ok(tag(if name.is_some() { "CLOSE CURSOR" } else { "CLOSE CURSOR ALL" }))
    }

    /// Fails for what has an effect only until its transaction ends, where that would be at once.
    pub(super) fn check_in_block(&self, what: &str, turn: Turn) -> Result<(), SqlError> {
        let is_in_text = matches!(turn, Turn::InText | Turn::LastOfText);
        match &self.transaction {
            TransactionState::Open(open) if open.kind == Kind::Explicit || is_in_text => Ok(()),
            TransactionState::Open(_) | TransactionState::Idle | TransactionState::Failed(_) => {
                let message = format!("{what} can only be used in transaction blocks");
                Err(SqlError::new(SqlState::NoActiveSqlTransaction, message))
            }
        }
    }
}

async fn cursor_run<'a>(
    open: &'a mut OpenTransaction,
    (node, limits): (&'a Arc<crate::node::SqlNode>, &'a Limits),
    around: &'a Surroundings<'a>,
) -> Result<CursorRun<'a>, ExecError> {
    let transaction = open.begin(node).await?.as_mut();
    Ok(CursorRun { transaction, limits, around })
}

/// Whether an argument takes or sets a value of a sequence, which may have to be fetched.
fn calls_sequence(argument: &Expr) -> bool {
    let mut found = false;
    argument.walk(&mut |part| {
        found |= matches!(
            part,
            Expr::Call {
                function: ScalarFunction::NextVal
                    | ScalarFunction::CurrVal
                    | ScalarFunction::LastVal
                    | ScalarFunction::SetVal,
                ..
            }
        );
    });
    found
}

/// Whether EXECUTE may run it: what PREPARE takes.
fn is_executable(statement: &ast::Statement) -> bool {
    matches!(
        statement,
        ast::Statement::Query(_)
            | ast::Statement::Insert(_)
            | ast::Statement::Update(_)
            | ast::Statement::Delete(_)
    )
}

fn no_transaction() -> SqlError {
    SqlError::new(SqlState::InternalError, "no transaction is open")
}

fn not_a_query() -> SqlError {
    SqlError::new(SqlState::InternalError, "a cursor is of something else than a query")
}
