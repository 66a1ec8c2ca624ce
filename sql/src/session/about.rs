//! Statements about the session itself, and those that have no effect here and say so.

use std::sync::Arc;

use super::dispatch::{Run, tag};
use super::named::Declared;
use super::sink::{Completion, ResultSink};
use super::transaction::TransactionState;
use super::variables::definitions::{DEFAULT_DEFERRABLE, DEFAULT_ISOLATION, DEFAULT_READ_ONLY, DEFERRABLE};
use super::variables::values::shown_bool;
use super::{Binding, Session};
use crate::bind::BoundSession;
use crate::catalog::descriptor::TableDescriptor;
use crate::error::{SqlError, SqlState};
use crate::parser::ast::session::{Discard, Maintenance, Modes};

impl Session {
    /// Runs a statement about the session. EXECUTE does not come here: what it executes has run instead.
    pub(super) async fn run_session(
        &mut self,
        (statement, binding): (&BoundSession, &Binding),
        run: &Run<'_>,
        sink: &mut dyn ResultSink,
    ) -> Result<Completion, SqlError> {
        match statement {
            BoundSession::Declare { name, binary, scroll, query } => {
                let changes_session = binding.bound.changes_session;
                let (binary, scroll) = (*binary, *scroll);
                let declared = Declared { name, binary, scroll, query, changes_session };
                self.check_in_block("DECLARE CURSOR", run.turn)?;
                self.declare_cursor(&declared, run.parameters).await?;
                Ok(tag("DECLARE CURSOR"))
            }
            BoundSession::Fetch(fetch) => self.fetch(fetch, &run.limits, sink).await,
            BoundSession::Close { name } => self.close_cursors(name.as_deref()),
            BoundSession::Prepare(prepare) => self.prepare_named(prepare, &run.limits.cancel).await,
            BoundSession::Execute(_) => Err(SqlError::unsupported("EXECUTE here")),
            BoundSession::Unlisten => Ok(tag("UNLISTEN")),
            BoundSession::Discard(what) => Ok(self.discard(*what)),
            BoundSession::SetModes { of_session: true, modes } => self.set_session_modes(modes),
            BoundSession::SetModes { of_session: false, modes } => self.set_modes(modes, sink),
            BoundSession::KeepRole { is_reset } => Ok(tag(if *is_reset { "RESET" } else { "SET" })),
            BoundSession::Maintain(what) => self.maintain(*what, run, sink),
            BoundSession::Lock { tables } => self.lock_tables(tables, run),
        }
    }

    fn discard(&mut self, what: Discard) -> Completion {
        match what {
            Discard::Plans => {
                self.texts.clear();
                tag("DISCARD PLANS")
            }
            Discard::Temp => tag("DISCARD TEMP"),
            Discard::Sequences => tag("DISCARD SEQUENCES"),
        }
    }

    /// `SET SESSION CHARACTERISTICS AS TRANSACTION`
    fn set_session_modes(&mut self, modes: &Modes) -> Result<Completion, SqlError> {
        for (name, value) in [
            (DEFAULT_ISOLATION, modes.isolation),
            (DEFAULT_READ_ONLY, modes.read_only.map(shown_bool)),
            (DEFAULT_DEFERRABLE, modes.deferrable.map(shown_bool)),
        ] {
            if value.is_some() {
                self.variables.set(name, value, false)?;
            }
        }
        Ok(tag("SET"))
    }

    /// `SET TRANSACTION`. The level of isolation stays what it is, the strictest.
    fn set_modes(&mut self, modes: &Modes, sink: &mut dyn ResultSink) -> Result<Completion, SqlError> {
        let TransactionState::Open(open) = &mut self.transaction else {
            let message = "SET TRANSACTION can only be used in transaction blocks".to_owned();
            sink.notice("WARNING", SqlState::NoActiveSqlTransaction, message);
            return Ok(tag("SET"));
        };
        if let Some(read_only) = modes.read_only {
            open.set_read_only(read_only)?;
        }
        if let Some(deferrable) = modes.deferrable {
            self.variables.set(DEFERRABLE, Some(shown_bool(deferrable)), true)?;
        }
        Ok(tag("SET"))
    }

    fn maintain(
        &mut self,
        what: Maintenance,
        run: &Run<'_>,
        sink: &mut dyn ResultSink,
    ) -> Result<Completion, SqlError> {
        let why = match what {
            Maintenance::Vacuum => {
                self.check_alone("VACUUM", run.turn)?;
                "there is nothing in the store that it could clean up"
            }
            Maintenance::Analyze => "the planner uses no statistics",
            Maintenance::Checkpoint => "what was committed is on disk",
        };
        let message = format!("{} has no effect: {why}", what.name());
        sink.notice("NOTICE", SqlState::SuccessfulCompletion, message);
        Ok(tag(what.name()))
    }

    /// `LOCK TABLE … IN ACCESS SHARE MODE` keeps tables as they are: COMMIT fails if one was changed or dropped. A
    /// snapshot needs no more.
    fn lock_tables(
        &mut self,
        tables: &[Arc<TableDescriptor>],
        run: &Run<'_>,
    ) -> Result<Completion, SqlError> {
        self.check_in_block("LOCK TABLE", run.turn)?;
        if let TransactionState::Open(open) = &mut self.transaction {
            tables.iter().for_each(|table| open.used_table(table.id, table.version));
        }
        Ok(tag("LOCK TABLE"))
    }
}
