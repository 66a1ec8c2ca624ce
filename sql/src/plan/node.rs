//! Plans: what the executor runs. One variant a kind of work; printed by EXPLAIN.
//!
//! A node may read several trees. Whoever goes over a plan does it by [`Query::inputs`] and its like, so that a kind of
//! node with more inputs than one is no case of its own.

use std::sync::Arc;

use quorate_engine::kv::Span;

use crate::catalog::descriptor::TableDescriptor;
use crate::catalog::system::SystemTable;
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

impl OutputColumn {
    /// A column.
    pub fn new(name: impl Into<String>, data_type: DataType) -> Self {
        Self { name: name.into(), data_type }
    }
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

/// Functions that yield rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TableFunction {
    /// `unnest(array, …)`: the elements, side by side.
    Unnest,
    /// `generate_series(from, to[, step])`.
    GenerateSeries,
}

impl TableFunction {
    /// Its name in SQL.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unnest => "unnest",
            Self::GenerateSeries => "generate_series",
        }
    }
}

/// A tree that yields rows.
#[derive(Clone, Debug, PartialEq)]
pub enum Query {
    /// Constant rows.
    Values {
        /// Each row's expressions, without input.
        rows: Vec<Vec<Expr>>,
    },
    /// A function in FROM, whose arguments have no input. Yields a row of its columns each, and behind them the row's
    /// number, from 1, where that is asked for.
    Function {
        /// Which.
        function: TableFunction,
        /// Its arguments.
        arguments: Vec<Expr>,
        /// `WITH ORDINALITY`.
        ordinality: bool,
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
    /// Computes the rows of a relation of the system catalogs, here and from what this node knows.
    SystemScan {
        /// Which.
        table: SystemTable,
        /// Keep only rows for which this is true; over the relation's columns.
        filter: Option<Expr>,
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
    /// No rows: what stands in a place whose tree is elsewhere.
    const NOTHING: Self = Self::Values { rows: Vec::new() };

    /// The trees that it reads, in the order in which their columns follow each other.
    pub fn inputs(&self) -> Vec<&Query> {
        match self {
            Self::Values { .. } | Self::Function { .. } | Self::Scan { .. } | Self::SystemScan { .. } => {
                Vec::new()
            }
            Self::Filter(input, _) | Self::Project(input, _) | Self::Distinct(input) => vec![input],
            Self::Aggregate { input, .. } | Self::Sort { input, .. } | Self::Limit { input, .. } => {
                vec![input]
            }
        }
    }

    /// As [`Query::inputs`], to be changed.
    pub fn inputs_mut(&mut self) -> Vec<&mut Query> {
        match self {
            Self::Values { .. } | Self::Function { .. } | Self::Scan { .. } | Self::SystemScan { .. } => {
                Vec::new()
            }
            Self::Filter(input, _) | Self::Project(input, _) | Self::Distinct(input) => vec![input],
            Self::Aggregate { input, .. } | Self::Sort { input, .. } | Self::Limit { input, .. } => {
                vec![input]
            }
        }
    }

    /// The node's own expressions, those pushed down apart.
    pub fn exprs_mut(&mut self) -> Vec<&mut Expr> {
        match self {
            Self::Values { rows } => rows.iter_mut().flatten().collect(),
            Self::Function { arguments, .. } => arguments.iter_mut().collect(),
            Self::Filter(_, filter) => vec![filter],
            Self::SystemScan { filter, .. } => filter.iter_mut().collect(),
            Self::Project(_, exprs) => exprs.iter_mut().collect(),
            Self::Aggregate { group_by, aggregates, .. } => {
                let arguments = aggregates.iter_mut().filter_map(|aggregate| aggregate.argument.as_mut());
                group_by.iter_mut().chain(arguments).collect()
            }
            Self::Sort { keys, .. } => keys.iter_mut().map(|key| &mut key.expr).collect(),
            Self::Scan { .. } | Self::Distinct(_) | Self::Limit { .. } => Vec::new(),
        }
    }

    /// The same tree with `change` done to each of its direct inputs.
    ///
    /// # Errors
    /// The first error of `change`.
    pub fn map_inputs<E>(mut self, change: &mut dyn FnMut(Query) -> Result<Query, E>) -> Result<Query, E> {
        for input in self.inputs_mut() {
            *input = change(std::mem::replace(input, Self::NOTHING))?;
        }
        Ok(self)
    }

    /// The same tree with `change` done to each expression of each node, those pushed down apart.
    ///
    /// # Errors
    /// The first error of `change`.
    pub fn map_exprs<E>(self, change: &mut dyn FnMut(Expr) -> Result<Expr, E>) -> Result<Query, E> {
        let mut tree = self.map_inputs(&mut |input| input.map_exprs(change))?;
        for expr in tree.exprs_mut() {
            let null = Expr::Literal(Datum::Null, DataType::Unknown);
            *expr = change(std::mem::replace(expr, null))?;
        }
        Ok(tree)
    }

    /// Does `visit` to each node, inputs behind what reads them.
    pub fn walk<'a>(&'a self, visit: &mut dyn FnMut(&'a Query)) {
        visit(self);
        self.inputs().into_iter().for_each(|input| input.walk(visit));
    }
}

impl PushDown {
    /// Whether it changes neither what a row is nor how many there are, but for a filter.
    pub fn is_filter_only(&self) -> bool {
        self.project.is_none() && self.limit.is_none() && self.aggregate.is_none()
    }
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
        /// What it returns of each row that it has written, over the new row.
        returning: Option<Vec<Expr>>,
    },
    /// `UPDATE`.
    Update {
        /// Target.
        table: Arc<TableDescriptor>,
        /// Yields the table's rows to change.
        source: Query,
        /// Column position and its new value over the old row.
        assignments: Vec<(usize, Expr)>,
        /// What it returns of each row, over the new row.
        returning: Option<Vec<Expr>>,
    },
    /// `DELETE`.
    Delete {
        /// Target.
        table: Arc<TableDescriptor>,
        /// Yields the table's rows to remove.
        source: Query,
        /// What it returns of each row, over the old row.
        returning: Option<Vec<Expr>>,
    },
}

impl Plan {
    /// The tree of its rows: those that it yields, or those that it changes or inserts.
    fn source(&self) -> &Query {
        match self {
            Self::Query { query } => query,
            Self::Insert { source, .. } | Self::Update { source, .. } | Self::Delete { source, .. } => source,
        }
    }

    /// The tree of its rows, to be changed.
    pub fn source_mut(&mut self) -> &mut Query {
        match self {
            Self::Query { query } => query,
            Self::Insert { source, .. } | Self::Update { source, .. } | Self::Delete { source, .. } => source,
        }
    }

    /// The table whose rows it changes.
    fn target(&self) -> Option<&Arc<TableDescriptor>> {
        match self {
            Self::Query { .. } => None,
            Self::Insert { table, .. } | Self::Update { table, .. } | Self::Delete { table, .. } => {
                Some(table)
            }
        }
    }

    /// All tables that it reads or changes; one may be there twice.
    pub fn tables(&self) -> Vec<Arc<TableDescriptor>> {
        let mut tables: Vec<_> = self.target().cloned().into_iter().collect();
        self.source().walk(&mut |node| {
            if let Query::Scan { table, .. } = node {
                tables.push(Arc::clone(table));
            }
        });
        tables
    }
}
