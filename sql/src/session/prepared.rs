//! Statements on their way to be run: parsed, bound, or one of a text.

use crate::cancel::CancelToken;
use crate::error::SqlError;
use crate::plan::node::OutputColumn;
use crate::session::{Completion, ResultSink, Session};
use crate::types::DataType;

/// A statement that was read, not bound.
#[derive(Clone, Debug)]
pub struct Statement {}

/// A statement that was bound. [`Session::run`] binds it again where the catalog has changed since.
#[derive(Clone, Debug)]
pub struct Prepared {
    parameter_types: Vec<DataType>,
    columns: Option<Vec<OutputColumn>>,
}

impl Prepared {
    /// Types of `$1`, `$2`, ….
    pub fn parameter_types(&self) -> &[DataType] {
        &self.parameter_types
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
}

impl TextRun {
    pub(crate) fn new(statements: Vec<Statement>) -> Self {
        Self { statements: statements.into_iter() }
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
        let _ = (self.statements.next(), session, cancel, sink);
        Err(SqlError::unsupported("run"))
    }
}
