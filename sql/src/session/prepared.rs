//! Statements on their way to be run: parsed, bound, or one of a text.

use super::dispatch::Mode;
use crate::bind::BoundStatement;
use crate::cancel::CancelToken;
use crate::error::SqlError;
use crate::parser::ast;
use crate::plan::node::OutputColumn;
use crate::session::{Completion, ResultSink, Session};
use crate::types::DataType;

/// A statement that was read, not bound.
#[derive(Clone, Debug)]
pub struct Statement {
    pub(crate) tree: ast::Statement,
}

impl Statement {
    pub(crate) fn new(tree: ast::Statement) -> Self {
        Self { tree }
    }
}

/// A statement that was bound. [`Session::run`] binds it again where the catalog has changed since.
#[derive(Clone, Debug)]
pub struct Prepared {
    pub(crate) statement: Statement,
    /// Types that the client declared.
    pub(crate) types: Vec<Option<DataType>>,
    pub(crate) bound: BoundStatement,
    pub(crate) catalog_version: u64,
    columns: Option<Vec<OutputColumn>>,
}

impl Prepared {
    pub(crate) fn new(
        statement: Statement,
        types: Vec<Option<DataType>>,
        bound: BoundStatement,
        catalog_version: u64,
    ) -> Self {
        let columns = bound.columns();
        Self { statement, types, bound, catalog_version, columns }
    }

    /// Types of `$1`, `$2`, ….
    pub fn parameter_types(&self) -> &[DataType] {
        &self.bound.parameter_types
    }

    /// Columns of its result; `None` where it has none.
    pub fn columns(&self) -> Option<&[OutputColumn]> {
        self.columns.as_deref()
    }
}

/// The statements of one simple query. Statements outside BEGIN are one implicit transaction, which the last of them
/// commits before it is told to be complete; an error undoes them all. DDL and COPY commit what stands before them.
#[derive(Debug)]
pub struct TextRun {
    statements: std::vec::IntoIter<Statement>,
    /// There was only one statement: it commits alone, and may be run again by itself.
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
        if !std::mem::replace(&mut self.is_started, true) {
            session.end_implicit(false).await?;
            if self.statements.len() == 0 {
                return Ok(Some(Completion::Empty));
            }
        }
        let Some(statement) = self.statements.next() else {
            // A copy may have been the last: what follows it in the implicit transaction is nothing.
            session.end_implicit(true).await?;
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
        let prepared = session.bind(statement, &[])?;
        let mode = if self.is_single { Mode::Alone } else { Mode::OneOfText };
        let completion = session.execute((&prepared, &[]), mode, cancel, sink).await?;
        if self.statements.len() == 0 {
            session.end_implicit(true).await?;
        }
        Ok(completion)
    }
}
