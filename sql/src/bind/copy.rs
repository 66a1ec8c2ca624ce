//! COPY bound: the rows that lines become, or the query whose rows become lines.

use super::select::scan;
use super::write::{full_row, side_by_side, target_columns};
use super::{Binder, Bound, BoundCopyFrom, BoundQuery};
use crate::error::{SqlError, SqlState};
use crate::expr::Expr;
use crate::parser::ast;
use crate::parser::ast::{CopyDirection, CopySource};
use crate::plan::node::{OutputColumn, Query};

impl Binder<'_> {
    /// Binds a COPY.
    pub(super) fn copy(&self, copy: &ast::Copy) -> Result<Bound, SqlError> {
        let options = copy.options.clone();
        let (name, columns) = match &copy.source {
            CopySource::Query(query) => return Ok(Bound::CopyTo { query: self.query(query)?, options }),
            CopySource::Table { name, columns } => (name, columns),
        };
        if self.catalog.sequence(&name.value).is_some() {
            let direction = if copy.direction == CopyDirection::From { "to" } else { "from" };
            let message = format!("cannot copy {direction} sequence \"{}\"", name.value);
            return Err(SqlError::new(SqlState::WrongObjectType, message));
        }
        let table = self.table(name)?;
        let positions = target_columns(&table, columns)?;
        if copy.direction == CopyDirection::From {
            let row = full_row(&table, &side_by_side(&table, &positions));
            return Ok(Bound::CopyFrom(BoundCopyFrom {
                table,
                columns: positions,
                row,
                options,
                freeze: copy.freeze,
            }));
        }
        let mut exprs = Vec::with_capacity(positions.len());
        let mut outputs = Vec::with_capacity(positions.len());
        for index in positions {
            let Some(column) = table.columns.get(index) else { continue };
            exprs.push(Expr::Column { index, data_type: column.data_type });
            outputs.push(OutputColumn::new(&*column.name, column.data_type));
        }
        let tree = Query::Project(Box::new(scan(&table)), exprs);
        let query = BoundQuery { tree, offset: None, limit: None, columns: outputs };
        Ok(Bound::CopyTo { query, options })
    }
}
