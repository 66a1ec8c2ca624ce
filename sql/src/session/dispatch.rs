//! What a session does with each kind of statement.

use std::sync::Arc;

use quorate_engine::hlc::Timestamp;

use super::ddl::repeats;
use super::explain::explain;
use super::show;
use super::sink::{Completion, ResultSink, TransactionStatus, WantedNotices};
use super::transaction::{Kind, OpenTransaction, TransactionState};
use super::variables::definitions::READ_ONLY;
use super::variables::values::{boolean, shown_bool};
use super::{Binding, Prepared, Session, Statement};
use crate::bind::{Bound, BoundSession};
use crate::cancel::CancelToken;
use crate::catalog::lease::CatalogWait;
use crate::copy;
use crate::error::{SqlError, SqlState};
use crate::exec::context::Limits;
use crate::parser::ast;
use crate::parser::ast::session::{Maintenance, SessionStatement};
use crate::types::Datum;

/// In what company a statement stands outside BEGIN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// Nothing follows it: it is a transaction of its own, or ends the one that is open.
    Alone,
    /// Others may follow it before the client's Sync.
    BeforeSync,
    /// Others of its text follow it.
    InText,
    /// It is the last of several in its text.
    LastOfText,
}

impl Turn {
    /// Whether the implicit transaction ends with the statement.
    pub const fn is_last(self) -> bool {
        matches!(self, Self::Alone | Self::LastOfText)
    }
}

/// What running a statement needs besides the session.
pub(crate) struct Run<'a> {
    pub prepared: &'a Prepared,
    pub parameters: &'a [Datum],
    pub turn: Turn,
    pub limits: Limits,
    /// Until when the catalog of its binding may be relied on, where it relies on one.
    pub lease: Option<Timestamp>,
    /// It calls functions that change the session.
    pub changes_session: bool,
}

impl Session {
    /// Fails for a statement that a failed transaction does not accept.
    pub(crate) fn check_accepted(&self, statement: &Statement) -> Result<(), SqlError> {
        let is_way_out = matches!(
            statement.tree(),
            ast::Statement::Commit
                | ast::Statement::Rollback
                | ast::Statement::Savepoint(ast::Savepoint::RollbackTo(_))
        );
        if self.transaction.status() != TransactionStatus::Failed || is_way_out {
            return Ok(());
        }
        Err(SqlError::new(
            SqlState::InFailedSqlTransaction,
            "current transaction is aborted, commands ignored until end of transaction block",
        ))
    }

    /// As [`Session::check_accepted`], for a statement that is about to get its parameters.
    ///
    /// # Errors
    /// 25P02.
    pub fn check_accepts(&self, prepared: &Prepared) -> Result<(), SqlError> {
        self.check_accepted(&prepared.statement)
    }

    /// Runs a statement; outside BEGIN the last of its turn is committed before this returns. What an error does to the
    /// transaction is for the caller.
    pub(crate) async fn execute(
        &mut self,
        (prepared, parameters): (&Prepared, &[Datum]),
        turn: Turn,
        cancel: &CancelToken,
        sink: &mut dyn ResultSink,
    ) -> Result<Completion, SqlError> {
        self.check_accepted(&prepared.statement)?;
        cancel.check()?;
        let kind = &prepared.binding.bound.kind;
        let executed = if let Bound::Session(BoundSession::Execute(execute)) = kind {
            Some(self.executed(execute)?)
        } else {
            None
        };
        let statement = executed
            .as_ref()
            .map_or((prepared, parameters), |(prepared, values)| (prepared, values.as_slice()));
        let limits = self.limits(cancel);
        let is_idle = matches!(self.transaction, TransactionState::Idle);
        if is_idle && repeats(statement.0.statement.tree()) {
            return self.execute_repeatedly(statement, (turn, &limits), sink).await;
        }
        self.execute_once(statement, (turn, &limits), sink).await
    }

    /// One attempt at a statement.
    pub(super) async fn execute_once(
        &mut self,
        (prepared, parameters): (&Prepared, &[Datum]),
        (turn, limits): (Turn, &Limits),
        sink: &mut dyn ResultSink,
    ) -> Result<Completion, SqlError> {
        let limits = limits.clone();
        let (binding, lease) = self.rebind_to_write(prepared, &limits).await?;
        let changes_session = binding.bound.changes_session;
        let run = Run { prepared, parameters, turn, limits, lease, changes_session };
        if changes_session || (!turn.is_last() && joins_transaction(&binding.bound.kind, turn)) {
            self.open_implicit();
        }
        let completion = match self.variables.least_notice() {
            None => self.dispatch(&binding, &run, sink).await?,
            Some(least) => self.dispatch(&binding, &run, &mut WantedNotices { sink, least }).await?,
        };
        // A COPY that waits for its data commits when it has them.
        if turn.is_last() && !matches!(completion, Completion::CopyIn(_)) {
            self.sync().await?;
        }
        Ok(completion)
    }

    /// When a statement that begins now has to be over.
    pub(super) fn limits(&self, cancel: &CancelToken) -> Limits {
        let timeout = self.variables.statement_timeout_micros();
        let deadline_micros = timeout.map(|timeout| self.node.clock.now_micros().saturating_add(timeout));
        Limits { cancel: cancel.clone(), deadline_micros }
    }

    /// The statement's binding, a new one where the catalog has changed; with the lease on the catalog, where it needs
    /// one. Fails where this node must not rely on its catalog any more.
    pub(crate) async fn rebind(
        &mut self,
        prepared: &Prepared,
        cancel: &CancelToken,
    ) -> Result<(Arc<Binding>, Option<Timestamp>), SqlError> {
        let told = &prepared.binding;
        // The lease comes first, as in a new binding; what is done by it ends before it, or fails.
        let lease = match needs_catalog(prepared.statement.tree()) {
            true => {
                let node = Arc::clone(&self.node);
                Some(CatalogWait::new(&node, cancel).lease().await?)
            }
            false => None,
        };
        if self.catalog_stamp() == told.with.catalog {
            return Ok((Arc::clone(told), lease));
        }
        let (mut binding, mut lease) =
            self.confirmed_binding(&prepared.statement, &told.with.types, cancel).await?;
        let expected = &told.bound.parameter_types;
        if binding.bound.parameter_types != *expected {
            // The values come in the types that the client was told: they count from now on as if it had named them.
            let declared: Vec<_> = expected.iter().cloned().map(Some).collect();
            (binding, lease) = self.confirmed_binding(&prepared.statement, &declared, cancel).await?;
        }
        let is_same = binding.columns() == told.columns() && binding.bound.parameter_types == *expected;
        if !is_same && !is_about_session(prepared.statement.tree()) {
            return Err(SqlError::new(
                SqlState::FeatureNotSupported,
                "cached plan must not change result type",
            )
            // By this name JDBC knows that it may prepare again by itself.
            .with_routine("RevalidateCachedQuery")
            .with_hint("Prepare the statement again."));
        }
        Ok((binding, lease))
    }

    async fn dispatch(
        &mut self,
        binding: &Binding,
        run: &Run<'_>,
        sink: &mut dyn ResultSink,
    ) -> Result<Completion, SqlError> {
        let bound = &binding.bound;
        let columns = run.prepared.columns().unwrap_or_default();
        match &bound.kind {
            Bound::Dml(_) => self.run_dml(binding, run, sink).await,
            Bound::Explain { analyze, statement } => explain(self, (*analyze, statement), run, sink).await,
            Bound::CreateTable { if_not_exists, table, sequences, ignored } => {
                for what in ignored {
                    sink.notice("NOTICE", SqlState::SuccessfulCompletion, (*what).to_owned());
                }
                self.create_table(*if_not_exists, (table, sequences), sink).await
            }
            Bound::Sequence(statement) => self.sequence_statement(statement, sink).await,
            Bound::DropTable { tables, missing } => self.drop_tables(tables, missing, sink).await,
            Bound::Truncate { tables, restarts } => self.truncate(tables, *restarts).await,
            Bound::AddPrimaryKey { table, keyed } => {
                self.add_primary_key((table.as_ref(), keyed), run, sink).await
            }
            Bound::Begin { read_only, starts } => {
                self.begin(*read_only, sink).await?;
                Ok(tag(if *starts { "START TRANSACTION" } else { "BEGIN" }))
            }
            Bound::Commit => self.commit(sink).await,
            Bound::Rollback => self.rollback(sink).await,
            Bound::Savepoint(savepoint) => self.savepoint(savepoint),
            Bound::ShowTables => show::tables(&self.catalog(), columns, sink).await,
            Bound::ShowRanges { table } => show::ranges(&self.node, table, columns, sink).await,
            Bound::ShowJobs => show::jobs(&self.node, columns, sink).await,
            Bound::ShowClusterSettings => show::cluster_settings(&self.node, columns, sink).await,
            Bound::ShowVariable { name } => self.show_variable(name, columns, sink).await,
            Bound::SetVariable { name, value, local, resets } => {
                let set = self.set_variable((name, value.as_deref()), *local, sink)?;
                Ok(if *resets { tag("RESET") } else { set })
            }
            Bound::ResetAll => {
                self.variables.reset();
                Ok(tag("RESET"))
            }
            Bound::SetClusterSetting { name, value } => {
                self.check_writable("SET CLUSTER SETTING")?;
                self.check_alone("SET CLUSTER SETTING", run.turn)?;
                self.set_cluster_setting(name, value.as_deref()).await
            }
            Bound::CopyFrom(from) => copy::start_copy_in(self, from, run).await,
            Bound::CopyTo { query, options } => copy::copy_out(self, (query, options), run, sink).await,
            Bound::DiscardAll => {
                self.check_alone("DISCARD ALL", run.turn)?;
                Ok(self.discard_all())
            }
            Bound::Deallocate { name } => self.deallocate(name.as_deref()),
            // Seldom: kept out of the futures of all statements.
            Bound::Session(statement) => Box::pin(self.run_session((statement, binding), run, sink)).await,
        }
    }

    async fn begin(&mut self, read_only: Option<bool>, sink: &mut dyn ResultSink) -> Result<(), SqlError> {
        match &mut self.transaction {
            TransactionState::Open(open) if open.kind == Kind::Explicit => {
                let message = "there is already a transaction in progress".to_owned();
                sink.notice("WARNING", SqlState::ActiveSqlTransaction, message);
            }
            // As in PostgreSQL: what the text did before belongs to the transaction that it begins now.
            TransactionState::Open(open) => {
                open.kind = Kind::Explicit;
                if let Some(read_only) = read_only {
                    open.set_read_only(read_only)?;
                }
            }
            TransactionState::Idle | TransactionState::Failed(_) => {
                self.open_transaction(Kind::Explicit, read_only);
            }
        }
        Ok(())
    }

    /// Opens the implicit transaction of several statements, where none is open.
    pub(super) fn open_implicit(&mut self) {
        if matches!(self.transaction, TransactionState::Idle) {
            self.open_transaction(Kind::Implicit, None);
        }
    }

    /// Opens a transaction that has done nothing; one that does not say whether it writes does as the session says.
    pub(crate) fn open_transaction(&mut self, kind: Kind, read_only: Option<bool>) {
        let now = self.now_micros();
        let read_only = read_only.unwrap_or_else(|| self.variables.is_read_only_by_default());
        self.variables.begin();
        let opened = OpenTransaction::new(kind, read_only, now).again(self.tried_since);
        self.transaction = TransactionState::Open(opened);
    }

    pub(crate) fn now_micros(&self) -> i64 {
        i64::try_from(self.node.clock.now_micros()).unwrap_or(i64::MAX)
    }

    async fn commit(&mut self, sink: &mut dyn ResultSink) -> Result<Completion, SqlError> {
        match std::mem::take(&mut self.transaction) {
            TransactionState::Open(open) => {
                if open.kind == Kind::Implicit {
                    warn_no_transaction(sink);
                }
                let age = open.age();
                let result = open.commit(&self.node).await;
                self.variables.end(result.is_ok());
                self.note_age(age, &result);
                result.map(|()| tag("COMMIT"))
            }
            TransactionState::Failed(failed) => {
                failed.rollback(&self.node).await;
                self.variables.end(false);
                Ok(tag("ROLLBACK"))
            }
            TransactionState::Idle => {
                warn_no_transaction(sink);
                Ok(tag("COMMIT"))
            }
        }
    }

    async fn rollback(&mut self, sink: &mut dyn ResultSink) -> Result<Completion, SqlError> {
        match std::mem::take(&mut self.transaction) {
            TransactionState::Open(open) => {
                if open.kind == Kind::Implicit {
                    warn_no_transaction(sink);
                }
                open.rollback(&self.node).await;
                self.tried_since = None;
            }
            TransactionState::Failed(failed) => failed.rollback(&self.node).await,
            TransactionState::Idle => warn_no_transaction(sink),
        }
        self.variables.end(false);
        Ok(tag("ROLLBACK"))
    }

    /// Fails for what cannot be undone, unless it stands alone.
    pub(super) fn check_alone(&self, what: &str, turn: Turn) -> Result<(), SqlError> {
        let is_in_text = matches!(turn, Turn::InText | Turn::LastOfText);
        if !is_in_text && matches!(self.transaction, TransactionState::Idle) {
            return Ok(());
        }
        let message = format!("{what} cannot run inside a transaction block");
        Err(SqlError::new(SqlState::ActiveSqlTransaction, message).with_hint(
            "Run it alone, outside of BEGIN and COMMIT; several statements of one text are a transaction.",
        ))
    }

    fn set_variable(
        &mut self,
        (name, value): (&str, Option<&str>),
        local: bool,
        sink: &mut dyn ResultSink,
    ) -> Result<Completion, SqlError> {
        if name.eq_ignore_ascii_case(READ_ONLY) {
            return self.set_read_only(value, sink);
        }
        if local && !self.is_in_transaction() {
            let message = "SET LOCAL can only be used in transaction blocks".to_owned();
            sink.notice("WARNING", SqlState::NoActiveSqlTransaction, message);
            self.variables.declare(name)?;
            return Ok(tag("SET"));
        }
        self.variables.set(name, value, local)?;
        Ok(tag("SET"))
    }

    /// `SET TRANSACTION READ ONLY` or `READ WRITE`.
    fn set_read_only(
        &mut self,
        value: Option<&str>,
        sink: &mut dyn ResultSink,
    ) -> Result<Completion, SqlError> {
        let read_only = match value {
            Some(value) => boolean(value).ok_or_else(|| {
                let message = format!("parameter \"{READ_ONLY}\" requires a Boolean value");
                SqlError::new(SqlState::InvalidParameterValue, message)
            })?,
            None => self.variables.is_read_only_by_default(),
        };
        match &mut self.transaction {
            TransactionState::Open(open) if open.kind == Kind::Explicit => open.set_read_only(read_only)?,
            TransactionState::Idle | TransactionState::Open(_) | TransactionState::Failed(_) => {
                let message = "SET TRANSACTION can only be used in transaction blocks".to_owned();
                sink.notice("WARNING", SqlState::NoActiveSqlTransaction, message);
            }
        }
        Ok(tag("SET"))
    }

    async fn set_cluster_setting(&mut self, name: &str, value: Option<&str>) -> Result<Completion, SqlError> {
        match value {
            Some(value) => self.node.cluster.set_setting(name, value).await?,
            None => {
                let settings = self.node.cluster.settings().await?;
                let default =
                    settings.into_iter().find(|setting| setting.name == name).map(|setting| setting.default);
                self.node.cluster.set_setting(name, default.as_deref().unwrap_or_default()).await?;
            }
        }
        Ok(tag("SET CLUSTER SETTING"))
    }

    async fn show_variable(
        &mut self,
        name: &str,
        columns: &[crate::plan::node::OutputColumn],
        sink: &mut dyn ResultSink,
    ) -> Result<Completion, SqlError> {
        let rows = if name.eq_ignore_ascii_case("all") {
            let text = |value: &str| Datum::Text(value.to_owned());
            let mut rows = Vec::new();
            for (name, description) in self.variables.names() {
                rows.push(vec![text(name), text(&self.shown_variable(name)?), text(description)]);
            }
            rows
        } else {
            vec![vec![Datum::Text(self.shown_variable(name)?)]]
        };
        show::send(columns, rows, sink).await
    }

    fn shown_variable(&self, name: &str) -> Result<String, SqlError> {
        if name.eq_ignore_ascii_case(READ_ONLY) {
            return Ok(shown_bool(self.is_read_only()).to_owned());
        }
        self.variables.get(name)
    }

    fn discard_all(&mut self) -> Completion {
        self.variables.reset();
        self.texts.clear();
        self.sequences.clear();
        self.statements.clear();
        tag("DISCARD ALL")
    }
}

/// A completion with this tag.
pub(crate) fn tag(tag: impl Into<String>) -> Completion {
    Completion::Tag(tag.into())
}

fn warn_no_transaction(sink: &mut dyn ResultSink) {
    let message = "there is no transaction in progress".to_owned();
    sink.notice("WARNING", SqlState::NoActiveSqlTransaction, message);
}

/// Whether what a statement returns may depend on the session besides the catalog.
pub(crate) fn is_about_session(statement: &ast::Statement) -> bool {
    matches!(statement, ast::Statement::Session(_))
}

/// Whether a statement relies on this node's catalog, or changes something: the end of a transaction and session
/// variables work without.
pub(crate) fn needs_catalog(statement: &ast::Statement) -> bool {
    match statement {
        ast::Statement::Query(_)
        | ast::Statement::Insert(_)
        | ast::Statement::Update(_)
        | ast::Statement::Delete(_)
        | ast::Statement::CreateTable(_)
        | ast::Statement::DropTable { .. }
        | ast::Statement::Truncate { .. }
        | ast::Statement::AddPrimaryKey { .. }
        | ast::Statement::Sequence(_)
        | ast::Statement::ShowTables
        | ast::Statement::ShowRanges { .. }
        | ast::Statement::ShowClusterSettings
        | ast::Statement::SetClusterSetting { .. }
        | ast::Statement::Explain { .. }
        | ast::Statement::Copy(_) => true,
        ast::Statement::Session(statement) => match statement {
            SessionStatement::Declare(_)
            | SessionStatement::Maintain { .. }
            | SessionStatement::Lock { .. } => true,
            SessionStatement::Fetch(_)
            | SessionStatement::Close { .. }
            | SessionStatement::Prepare(_)
            | SessionStatement::Execute(_)
            | SessionStatement::Unlisten
            | SessionStatement::Discard(_)
            | SessionStatement::SetModes { .. }
            | SessionStatement::KeepRole { .. } => false,
        },
        ast::Statement::Begin { .. }
        | ast::Statement::Commit
        | ast::Statement::Rollback
        | ast::Statement::Savepoint(_)
        | ast::Statement::ShowJobs
        | ast::Statement::ShowVariable { .. }
        | ast::Statement::SetVariable { .. }
        | ast::Statement::ResetAll
        | ast::Statement::DiscardAll
        | ast::Statement::Deallocate { .. } => false,
    }
}

/// Whether a statement that is not the last of its turn is done in an implicit transaction. Those that begin and end
/// transactions do so themselves; what cannot be undone stands alone; a COPY before Sync commits its rows in parts.
fn joins_transaction(bound: &Bound, turn: Turn) -> bool {
    match bound {
        Bound::Dml(_)
        | Bound::Explain { .. }
        | Bound::CreateTable { .. }
        | Bound::DropTable { .. }
        | Bound::Truncate { .. }
        | Bound::AddPrimaryKey { .. }
        | Bound::Sequence(_)
        | Bound::ShowTables
        | Bound::ShowRanges { .. }
        | Bound::ShowClusterSettings
        | Bound::ShowJobs
        | Bound::ShowVariable { .. }
        | Bound::SetVariable { .. }
        | Bound::ResetAll
        | Bound::CopyTo { .. }
        | Bound::Deallocate { .. } => true,
        Bound::CopyFrom(_) => turn == Turn::InText,
        Bound::Session(statement) => !matches!(statement, BoundSession::Maintain(Maintenance::Vacuum)),
        Bound::Begin { .. }
        | Bound::Commit
        | Bound::Rollback
        | Bound::Savepoint(_)
        | Bound::SetClusterSetting { .. }
        | Bound::DiscardAll => false,
    }
}
