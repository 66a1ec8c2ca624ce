//! Computes the rows of a relation of the system catalogs.
//!
//! First come the rows that belong to no relation, then those of one relation after the other: the system's own, then the
//! tables by name. Only the rows of some of them are held at a time, and between them a cancel is noticed: a catalog may
//! have very many tables.

use std::collections::VecDeque;
use std::sync::Arc;

use async_trait::async_trait;

use super::context::{ExecContext, ExecError};
use super::operator::Operator;
use crate::catalog::snapshot::CatalogSnapshot;
use crate::catalog::system::SystemTable;
use crate::expr::Expr;
use crate::expr::eval::is_true;
use crate::limits::BATCH_ROWS;
use crate::system::relation::Relation;
use crate::system::state::SystemState;
use crate::system::{own_rows, rows_of};
use crate::types::Row;

/// Relations that are looked at between two looks at what cancels: a millisecond's work.
const RELATIONS_AT_ONCE: usize = 100;

/// How far a scan is.
enum Cursor {
    /// Nothing was computed.
    Start,
    /// The system's relations are next.
    System(VecDeque<SystemTable>),
    /// The tables behind this name are next.
    Tables(Option<String>),
    /// All was computed.
    End,
}

/// A scan of a system relation.
pub struct SystemScan {
    table: SystemTable,
    filter: Option<Expr>,
    catalog: Option<Arc<CatalogSnapshot>>,
    cursor: Cursor,
}

impl SystemScan {
    /// The rows of this relation for which the filter is true.
    pub fn new(table: SystemTable, filter: Option<Expr>) -> Self {
        Self { table, filter, catalog: None, cursor: Cursor::Start }
    }

    /// The rows of some relations more; `None` where none is left.
    fn page(&mut self, state: &SystemState<'_>) -> Option<Vec<Row>> {
        let catalog = self.catalog.get_or_insert_with(|| state.catalog());
        let mut rows = Vec::new();
        match &mut self.cursor {
            Cursor::Start => {
                rows = own_rows(self.table, state);
                self.cursor = Cursor::System(SystemTable::ALL.iter().copied().collect());
            }
            Cursor::System(left) => {
                while let Some(next) = left.pop_front() {
                    rows.extend(rows_of(self.table, &Relation::System(next), state));
                    if rows.len() >= BATCH_ROWS {
                        return Some(rows);
                    }
                }
                self.cursor = Cursor::Tables(None);
            }
            Cursor::Tables(after) => {
                for _ in 0..RELATIONS_AT_ONCE {
                    let Some(next) = catalog.table_after(after.as_deref()) else {
                        self.cursor = Cursor::End;
                        break;
                    };
                    *after = Some(next.name.clone());
                    rows.extend(rows_of(self.table, &Relation::User(next), state));
                    if rows.len() >= BATCH_ROWS {
                        break;
                    }
                }
            }
            Cursor::End => return None,
        }
        Some(rows)
    }
}

#[async_trait]
impl Operator for SystemScan {
    async fn next(&mut self, context: &mut ExecContext<'_>) -> Result<Option<Vec<Row>>, ExecError> {
        while let Some(mut rows) = self.page(context.system) {
            context.limits.guard(context.node, tokio::task::yield_now()).await?;
            if let Some(filter) = &self.filter {
                let mut kept = Vec::with_capacity(rows.len());
                for row in rows {
                    if is_true(filter, &row, &context.eval)? {
                        kept.push(row);
                    }
                }
                rows = kept;
            }
            if !rows.is_empty() {
                return Ok(Some(rows));
            }
        }
        Ok(None)
    }
}
