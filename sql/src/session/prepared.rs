//! Statements on their way to be run: parsed, bound, or one of a text.
//!
//! ```text
//! Statement ─ Arc ─▶ Parsed { tree, newest binding ─ Arc ─▶ Binding { bound, what is known of its plan } }
//! Prepared { Statement, Arc of the Binding that Describe told of }
//! ```
//!
//! Invariants: all of these are cheap to copy. A binding is used only with the catalog's version, the session's user and
//! the declared types that it was made with.

use std::sync::Arc;

use quorate_engine::hlc::Timestamp;

use parking_lot::Mutex;

use super::dispatch::Turn;
use crate::bind::{Bound, BoundStatement};
use crate::cancel::CancelToken;
use crate::error::{SqlError, SqlState};
use crate::parser::ast;
use crate::plan::node::OutputColumn;
use crate::planner::memory::{PlanMemory, Unplanned};
use crate::session::{Completion, ResultSink, Session, SessionOptions};
use crate::types::DataType;

/// A statement that was read, not bound.
#[derive(Clone, Debug)]
pub struct Statement {
    parsed: Arc<Parsed>,
}

#[derive(Debug)]
struct Parsed {
    tree: ast::Statement,
    /// The newest binding, for whoever binds the statement next.
    newest: Mutex<Option<Arc<Binding>>>,
}

impl Statement {
    pub(crate) fn new(tree: ast::Statement) -> Self {
        Self { parsed: Arc::new(Parsed { tree, newest: Mutex::default() }) }
    }

    /// What was read.
    pub(crate) fn tree(&self) -> &ast::Statement {
        &self.parsed.tree
    }

    /// The binding that was made with all of these, if it is the newest.
    pub(crate) fn binding(&self, with: &BoundWith) -> Option<Arc<Binding>> {
        self.parsed.newest.lock().as_ref().filter(|binding| binding.with == *with).cloned()
    }

    /// Remembers a binding instead of the last.
    pub(crate) fn set_binding(&self, binding: &Arc<Binding>) {
        *self.parsed.newest.lock() = Some(Arc::clone(binding));
    }
}

/// All that binding depends on besides the statement.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct BoundWith {
    /// The catalog.
    pub catalog: CatalogStamp,
    /// Types that the client declared.
    pub types: Vec<Option<DataType>>,
    /// User and database.
    pub options: Arc<SessionOptions>,
}

/// Which catalog a session binds with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CatalogStamp {
    /// The node's version.
    pub version: Timestamp,
    /// A number of the session's own for what its transaction has changed; 0 for nothing.
    pub staged: u64,
}

/// A statement bound with one version of the catalog.
#[derive(Debug)]
pub(crate) struct Binding {
    pub with: BoundWith,
    pub bound: BoundStatement,
    columns: Option<Vec<OutputColumn>>,
    plans: PlanMemory,
}

impl Binding {
    /// A statement bound with this; `known_columns` where the session knows its columns, and not the statement.
    pub(crate) fn new(
        with: BoundWith,
        bound: BoundStatement,
        known_columns: Option<Vec<OutputColumn>>,
    ) -> Self {
        let columns = known_columns.or_else(|| bound.columns());
        Self { with, columns, plans: PlanMemory::new(bound.parameter_types.clone()), bound }
    }

    /// Columns of its result; `None` where it has none.
    pub(crate) fn columns(&self) -> Option<&[OutputColumn]> {
        self.columns.as_deref()
    }

    /// The query or change of rows that it is, to be planned.
    pub(crate) fn unplanned(&self) -> Result<Unplanned<'_>, SqlError> {
        match &self.bound.kind {
            Bound::Dml(statement) => {
                let changes_session = self.bound.changes_session;
                Ok(Unplanned { statement, memory: Some(&self.plans), changes_session })
            }
            Bound::Explain { .. }
            | Bound::CreateTable { .. }
            | Bound::DropTable { .. }
            | Bound::Truncate { .. }
            | Bound::AddPrimaryKey { .. }
            | Bound::Sequence(_)
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
            | Bound::CopyFrom(_)
            | Bound::CopyTo { .. }
            | Bound::DiscardAll
            | Bound::Deallocate { .. }
            | Bound::Session(_) => {
                Err(SqlError::new(SqlState::InternalError, "the statement is of another kind than before"))
            }
        }
    }
}

/// A statement that was bound. [`Session::run`] binds it again where the catalog has changed since.
#[derive(Clone, Debug)]
pub struct Prepared {
    pub(crate) statement: Statement,
    pub(crate) binding: Arc<Binding>,
}

impl Prepared {
    /// Types of `$1`, `$2`, ….
    pub fn parameter_types(&self) -> &[DataType] {
        &self.binding.bound.parameter_types
    }

    /// Columns of its result; `None` where it has none.
    pub fn columns(&self) -> Option<&[OutputColumn]> {
        self.binding.columns()
    }

    /// Whether it is a `COPY … FROM STDIN`, which takes its data while it runs.
    pub fn is_copy_in(&self) -> bool {
        matches!(self.binding.bound.kind, Bound::CopyFrom(_))
    }
}

/// The statements of one simple query. Statements outside BEGIN are one implicit transaction, which the last of them
/// commits before it is told to be complete; an error undoes them all, DDL and SET included. COMMIT and ROLLBACK end it
/// early, BEGIN makes it the user's.
#[derive(Debug)]
pub struct TextRun {
    statements: std::vec::IntoIter<Statement>,
    /// There was only one statement: it may commit alone, and be run again by itself.
    is_single: bool,
    is_started: bool,
}

impl TextRun {
    pub(crate) fn new(statements: Vec<Statement>) -> Self {
        Self { is_single: statements.len() == 1, is_started: false, statements: statements.into_iter() }
    }

    /// Runs the next statement; `None` behind the last. A text without statements gives [`Completion::Empty`] once.
    /// After [`Completion::CopyIn`] the copy is to be finished or aborted before the next call.
    ///
    /// # Errors
    /// The statement's; the rest of the text is not run.
    pub async fn next(
        &mut self,
        session: &mut Session,
        cancel: &CancelToken,
        sink: &mut dyn ResultSink,
    ) -> Result<Option<Completion>, SqlError> {
        if !std::mem::replace(&mut self.is_started, true) && self.statements.len() == 0 {
            return Ok(Some(Completion::Empty));
        }
        let Some(statement) = self.statements.next() else {
            // Messages without a Sync may have been before an empty text: it ends their transaction too.
            session.sync().await?;
            return Ok(None);
        };
        let result = self.run_one(session, &statement, cancel, sink).await;
        if result.is_err() {
            self.statements = Vec::new().into_iter();
        }
        session.after(result).await.map(Some)
    }

    async fn run_one(
        &mut self,
        session: &mut Session,
        statement: &Statement,
        cancel: &CancelToken,
        sink: &mut dyn ResultSink,
    ) -> Result<Completion, SqlError> {
        session.check_accepted(statement)?;
        let prepared = session.bind(statement, &[], cancel).await?;
        let turn = match (self.is_single, self.statements.len()) {
            (true, _) => Turn::Alone,
            (false, 0) => Turn::LastOfText,
            (false, _) => Turn::InText,
        };
        session.execute((&prepared, &[]), turn, cancel, sink).await
    }
}
