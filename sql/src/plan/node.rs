//! Plans: what the executor runs. One variant a kind of work; printed by EXPLAIN.

use std::sync::Arc;

use quorate_engine::kv::Span;

use crate::catalog::descriptor::TableDescriptor;
use crate::expr::{Aggregate, Expr, SortKey};
use crate::types::{DataType, Datum};

/// A column of a result.
#[derive(Clone, Debug, PartialEq)]
pub struct OutputColumn {
    /// Name shown to the client.
    pub name: String,
    /// Its type.
    pub data_type: DataType,
}

/// Where a scan reads.
#[derive(Clone, Debug, PartialEq)]
pub enum Access {
    /// These primary keys, each a full key (values in key order): point lookups.
    Points(Vec<Vec<Datum>>),
    /// These spans of the primary index, in order and apart.
    Spans(Vec<Span>),
}

/// What the ranges do with the rows of a [`Query::Scan`] before they send anything.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct PushDown {
    /// Keep only rows for which this is true; over the table's columns.
    pub filter: Option<Expr>,
    /// Send only these expressions over the table's columns; `None` for all columns.
    pub project: Option<Vec<Expr>>,
    /// Stop after this many rows.
    pub limit: Option<u64>,
    /// Send groups with partial aggregates instead of rows; the executor merges them.
    pub aggregate: Option<PushedAggregate>,
}

/// Partial aggregation at the ranges.
#[derive(Clone, Debug, PartialEq)]
pub struct PushedAggregate {
    /// Group keys over the table's columns.
    pub group_by: Vec<Expr>,
    /// Aggregates over the table's columns.
    pub aggregates: Vec<Aggregate>,
}

/// A tree that yields rows.
#[derive(Clone, Debug, PartialEq)]
pub enum Query {
    /// Constant rows.
    Values {
        /// Each row's expressions, without input.
        rows: Vec<Vec<Expr>>,
    },
    /// Reads a table. Yields the table's columns, or what is pushed down makes of them; with a pushed aggregate it
    /// yields complete groups: group keys, then aggregates.
    Scan {
        /// The table as of the statement's catalog.
        table: Arc<TableDescriptor>,
        /// Where.
        access: Access,
        /// Greatest key first.
        reverse: bool,
        /// What runs at the ranges.
        pushed: PushDown,
    },
    /// Keeps rows for which the predicate is true.
    Filter(Box<Query>, Expr),
    /// Computes expressions over each row.
    Project(Box<Query>, Vec<Expr>),
    /// Groups: yields group keys, then aggregates.
    Aggregate {
        /// Input.
        input: Box<Query>,
        /// Keys over the input row; none for one group of all.
        group_by: Vec<Expr>,
        /// Aggregates over the input row.
        aggregates: Vec<Aggregate>,
    },
    /// Sorts; with a limit beside it only the first rows are kept.
    Sort {
        /// Input.
        input: Box<Query>,
        /// Keys over the input row.
        keys: Vec<SortKey>,
        /// Rows wanted, offset included, where known.
        limit: Option<u64>,
    },
    /// `SELECT DISTINCT`.
    Distinct(Box<Query>),
    /// `OFFSET` and `LIMIT`.
    Limit {
        /// Input.
        input: Box<Query>,
        /// Rows skipped.
        offset: u64,
        /// Rows kept.
        limit: Option<u64>,
    },
}

impl Query {
    /// The same tree with `change` done to each of its direct inputs.
    ///
    /// # Errors
    /// The first error of `change`.
    pub fn map_inputs<E>(self, change: &mut dyn FnMut(Query) -> Result<Query, E>) -> Result<Query, E> {
        let mut boxed = |input: Box<Query>| change(*input).map(Box::new);
        Ok(match self {
            Self::Values { .. } | Self::Scan { .. } => self,
            Self::Filter(input, filter) => Self::Filter(boxed(input)?, filter),
            Self::Project(input, exprs) => Self::Project(boxed(input)?, exprs),
            Self::Aggregate { input, group_by, aggregates } => {
                Self::Aggregate { input: boxed(input)?, group_by, aggregates }
            }
            Self::Sort { input, keys, limit } => Self::Sort { input: boxed(input)?, keys, limit },
            Self::Distinct(input) => Self::Distinct(boxed(input)?),
            Self::Limit { input, offset, limit } => Self::Limit { input: boxed(input)?, offset, limit },
        })
    }

    /// The same tree with `change` done to each expression of each node, those pushed down apart.
    ///
    /// # Errors
    /// The first error of `change`.
    pub fn map_exprs<E>(self, change: &mut dyn FnMut(Expr) -> Result<Expr, E>) -> Result<Query, E> {
        let tree = self.map_inputs(&mut |input| input.map_exprs(change))?;
        Ok(match tree {
            Self::Values { rows } => {
                Self::Values { rows: rows.into_iter().map(|row| all(row, change)).collect::<Result<_, E>>()? }
            }
            Self::Filter(input, filter) => Self::Filter(input, change(filter)?),
            Self::Project(input, exprs) => Self::Project(input, all(exprs, change)?),
            Self::Aggregate { input, group_by, aggregates } => Self::Aggregate {
                input,
                group_by: all(group_by, change)?,
                aggregates: aggregates
                    .into_iter()
                    .map(|aggregate| {
                        let argument = aggregate.argument.map(&mut *change).transpose()?;
                        Ok(Aggregate { argument, ..aggregate })
                    })
                    .collect::<Result<_, E>>()?,
            },
            Self::Sort { input, keys, limit } => Self::Sort {
                input,
                keys: keys
                    .into_iter()
                    .map(|key| Ok(SortKey { expr: change(key.expr)?, ..key }))
                    .collect::<Result<_, E>>()?,
                limit,
            },
            Self::Scan { .. } | Self::Distinct(_) | Self::Limit { .. } => tree,
        })
    }
}

fn all<E>(exprs: Vec<Expr>, change: &mut dyn FnMut(Expr) -> Result<Expr, E>) -> Result<Vec<Expr>, E> {
    exprs.into_iter().map(change).collect()
}

/// What ON CONFLICT does.
#[derive(Clone, Debug, PartialEq)]
pub enum OnConflict {
    /// No clause: a duplicate key is an error.
    Error,
    /// `DO NOTHING`.
    Nothing,
    /// `DO UPDATE` of every column outside the key to its `excluded` value: what is stored need not be read.
    Replace,
    /// `DO UPDATE SET column = expression … [WHERE …]`; expressions see the stored row, then the proposed row
    /// (`excluded`), concatenated.
    Update {
        /// Column position and its new value.
        assignments: Vec<(usize, Expr)>,
        /// Only where this is true.
        filter: Option<Expr>,
    },
}

/// A planned statement.
#[derive(Clone, Debug, PartialEq)]
pub enum Plan {
    /// Yields rows.
    Query {
        /// The tree.
        query: Query,
    },
    /// `INSERT`.
    Insert {
        /// Target.
        table: Arc<TableDescriptor>,
        /// Yields full rows of the table: all columns in order, defaults filled in, cast.
        source: Query,
        /// What to do with a duplicate key.
        on_conflict: OnConflict,
    },
    /// `UPDATE`.
    Update {
        /// Target.
        table: Arc<TableDescriptor>,
        /// Yields the table's rows to change.
        source: Query,
        /// Column position and its new value over the old row.
        assignments: Vec<(usize, Expr)>,
    },
    /// `DELETE`.
    Delete {
        /// Target.
        table: Arc<TableDescriptor>,
        /// Yields the table's rows to remove.
        source: Query,
    },
}
