//! Statements about the session: only their queries and tables have something to bind. Arguments of EXECUTE are bound when
//! it runs, since only the session knows what it executes.

use std::sync::Arc;

use super::expr::Place;
use super::scope::Scope;
use super::{BindContext, Binder, BoundDml};
use crate::catalog::descriptor::TableDescriptor;
use crate::catalog::view::CatalogView;
use crate::error::{SqlError, SqlState};
use crate::expr::Expr;
use crate::parser::ast;
use crate::parser::ast::session::{Discard, Execute, Fetch, Maintenance, Modes, Prepare, SessionStatement};
use crate::types::DataType;

/// A bound statement about the session.
#[derive(Clone, Debug, PartialEq)]
pub enum BoundSession {
    /// `DECLARE … CURSOR`.
    Declare {
        /// The cursor's name.
        name: String,
        /// `BINARY`.
        binary: bool,
        /// `SCROLL`.
        scroll: bool,
        /// What yields its rows; a query.
        query: Box<BoundDml>,
    },
    /// `FETCH`, `MOVE`.
    Fetch(Fetch),
    /// `CLOSE`; `None` for all.
    Close {
        /// The cursor.
        name: Option<String>,
    },
    /// `PREPARE`.
    Prepare(Prepare),
    /// `EXECUTE`.
    Execute(Execute),
    /// `UNLISTEN`.
    Unlisten,
    /// `DISCARD PLANS` and the like.
    Discard(Discard),
    /// `SET TRANSACTION`, `SET SESSION CHARACTERISTICS`.
    SetModes {
        /// For all transactions to come.
        of_session: bool,
        /// The modes.
        modes: Modes,
    },
    /// `SET ROLE NONE` and the like.
    KeepRole {
        /// `RESET`.
        is_reset: bool,
    },
    /// `VACUUM`, `ANALYZE`, `CHECKPOINT`.
    Maintain(Maintenance),
    /// `LOCK TABLE … IN ACCESS SHARE MODE`.
    Lock {
        /// The tables.
        tables: Vec<Arc<TableDescriptor>>,
    },
}

impl Binder<'_> {
    /// Binds a statement about the session.
    pub(super) fn session(&self, statement: &SessionStatement) -> Result<BoundSession, SqlError> {
        Ok(match statement {
            SessionStatement::Declare(declare) => BoundSession::Declare {
                name: declare.name.value.clone(),
                binary: declare.binary,
                scroll: declare.scroll,
                query: Box::new(self.dml(&declare.query)?),
            },
            SessionStatement::Fetch(fetch) => BoundSession::Fetch(fetch.clone()),
            SessionStatement::Close { name } => {
                BoundSession::Close { name: name.as_ref().map(|name| name.value.clone()) }
            }
            SessionStatement::Prepare(prepare) => BoundSession::Prepare(prepare.clone()),
            SessionStatement::Execute(execute) => BoundSession::Execute(execute.clone()),
            SessionStatement::Unlisten => BoundSession::Unlisten,
            SessionStatement::Discard(what) => BoundSession::Discard(*what),
            SessionStatement::SetModes { of_session, modes } => {
                BoundSession::SetModes { of_session: *of_session, modes: *modes }
            }
            SessionStatement::KeepRole { is_reset } => BoundSession::KeepRole { is_reset: *is_reset },
            SessionStatement::Maintain { what, tables } => {
                for (name, columns) in tables {
                    check_columns(&*self.table(name)?, columns)?;
                }
                BoundSession::Maintain(*what)
            }
            SessionStatement::Lock { tables } => BoundSession::Lock {
                tables: tables.iter().map(|name| self.table(name)).collect::<Result<_, _>>()?,
            },
        })
    }
}

/// Fails for a column that a table lacks.
fn check_columns(table: &TableDescriptor, names: &[ast::Name]) -> Result<(), SqlError> {
    let has =
        |name: &&ast::Name| !table.columns.iter().any(|column| column.name == name.value && !column.hidden);
    match names.iter().find(has) {
        None => Ok(()),
        Some(name) => {
            let message = format!("column \"{}\" of relation \"{}\" does not exist", name.value, table.name);
            Err(SqlError::new(SqlState::UndefinedColumn, message))
        }
    }
}

/// Binds the arguments of EXECUTE as values of a prepared statement's parameters.
///
/// # Errors
/// 42601 for another number of them, 42804 where one is of a type that does not fit, and those of expressions.
pub fn bind_arguments(
    execute: &Execute,
    types: &[DataType],
    catalog: &dyn CatalogView,
    context: &BindContext<'_>,
) -> Result<Vec<Expr>, SqlError> {
    let Execute { name, arguments } = execute;
    if arguments.len() != types.len() {
        let message = format!("wrong number of parameters for prepared statement \"{}\"", name.value);
        let detail = format!("Expected {} parameters but got {}.", types.len(), arguments.len());
        return Err(SqlError::new(SqlState::SyntaxError, message).with_detail(detail));
    }
    let binder = Binder::new(catalog, context);
    let scope = Scope::empty();
    let place = Place::plain(&scope, "EXECUTE parameters");
    let numbered = arguments.iter().zip(types).zip(1..);
    numbered.map(|((argument, to), number)| binder.argument(argument, (*to, number), &place)).collect()
}

impl Binder<'_> {
    fn argument(
        &self,
        argument: &ast::Expr,
        (to, number): (DataType, u32),
        place: &Place<'_>,
    ) -> Result<Expr, SqlError> {
        let bound = self.expr(argument, place)?;
        let from = bound.data_type();
        self.assign(bound, ("", to), argument.position).map_err(|error| {
            if error.state != SqlState::DatatypeMismatch {
                return error;
            }
            let (from, to) = (from.base(), to.base());
            let message =
                format!("parameter ${number} of type {from} cannot be coerced to the expected type {to}");
            SqlError { message, ..error }
        })
    }
}
