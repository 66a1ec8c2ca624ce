//! Binding: a statement's names become positions, its expressions get types, its defaults are filled in.
//!
//! ```text
//! ast::Statement ── bind (catalog, parameter types) ──▶ BoundStatement ── plan (parameters, now) ──▶ Plan
//! ```
//!
//! Binding needs no parameter values and no clock, so that a prepared statement is bound once and planned each time it
//! runs ([`crate::planner::plan`]). Invariant: what is bound needs no further check of names or types.

use std::cell::Cell;
use std::sync::Arc;

use crate::catalog::descriptor::TableDescriptor;
use crate::catalog::view::CatalogView;
use crate::error::{SqlError, SqlState};
use crate::expr::Expr;
use crate::parser::ast::{self, CopyOptions, Savepoint, Statement};
use crate::plan::node::{OnConflict, OutputColumn, Query};
use crate::session::variables::shown_name;
use crate::types::DataType;

mod aggregate;
mod array;
mod call;
mod coerce;
mod common_type;
mod copy;
mod expr;
mod from;
mod naming;
mod operator;
mod order;
mod parameters;
mod relation;
mod scope;
mod select;
pub mod sequence;
mod session;
mod suggest;
mod table;
mod write;

pub use select::scan as select_scan;
pub use session::{BoundSession, bind_arguments};

use parameters::Parameters;
use sequence::{BoundSequence, ColumnSequence};

/// What a statement is bound with besides the catalog.
#[derive(Clone, Copy, Debug)]
pub struct BindContext<'a> {
    /// Types that the client declared for `$1`, `$2`, …; more are inferred.
    pub parameter_types: &'a [Option<DataType>],
    /// `current_user`.
    pub user: &'a str,
    /// `current_database()`.
    pub database: &'a str,
    /// The newest generation of types and functions that all nodes of the cluster can read.
    pub generation: u8,
    /// `pg_backend_pid()`.
    pub backend_pid: i32,
}

/// A statement after binding.
#[derive(Clone, Debug, PartialEq)]
pub struct BoundStatement {
    /// What it is.
    pub kind: Bound,
    /// Types of `$1`, `$2`, …, declared or inferred.
    pub parameter_types: Vec<DataType>,
    /// It changes something of the session's by calling a function, which is undone where the statement fails.
    pub changes_session: bool,
}

impl BoundStatement {
    /// Columns of the rows that it returns to the client; `None` for statements without rows, and for COPY.
    pub fn columns(&self) -> Option<Vec<OutputColumn>> {
        let texts = |names: &[&str]| {
            let column = |name: &&str| OutputColumn::new(*name, DataType::TEXT);
            names.iter().map(column).collect::<Vec<_>>()
        };
        match &self.kind {
            Bound::Dml(dml) => dml.columns().map(<[OutputColumn]>::to_vec),
            Bound::Explain { .. } => Some(texts(&["QUERY PLAN"])),
            Bound::ShowTables => Some(texts(&["table_name"])),
            Bound::ShowRanges { .. } => {
                let integer = |name: &str| OutputColumn::new(name, DataType::Int8);
                let mut columns = vec![integer("range_id")];
                columns.extend(texts(&["start_key", "end_key"]));
                columns.extend([integer("size_bytes"), integer("leader_node")]);
                columns.extend(texts(&["leader_zone", "replicas"]));
                Some(columns)
            }
            Bound::ShowJobs => Some(job_columns()),
            Bound::ShowClusterSettings => Some(texts(&["name", "value", "default", "description"])),
            Bound::ShowVariable { name } if name == "all" => Some(texts(&["name", "setting", "description"])),
            Bound::ShowVariable { name } => Some(texts(&[shown_name(name)])),
            Bound::CreateTable { .. }
            | Bound::DropTable { .. }
            | Bound::Truncate { .. }
            | Bound::AddPrimaryKey { .. }
            | Bound::Sequence(_)
            | Bound::Begin { .. }
            | Bound::Commit
            | Bound::Rollback
            | Bound::Savepoint(_)
            | Bound::SetVariable { .. }
            | Bound::ResetAll
            | Bound::SetClusterSetting { .. }
            | Bound::CopyFrom(_)
            | Bound::CopyTo { .. }
            | Bound::DiscardAll
            | Bound::Deallocate { .. }
            | Bound::Session(_) => None,
        }
    }
}

/// Kinds of bound statements.
#[derive(Clone, Debug, PartialEq)]
pub enum Bound {
    /// Queries and changes of rows: planned by [`crate::planner::plan`], then run by the executor.
    Dml(BoundDml),
    /// `EXPLAIN [ANALYZE]`.
    Explain {
        /// Also runs it.
        analyze: bool,
        /// What is explained.
        statement: BoundDml,
    },
    /// `CREATE TABLE`. Whether the name is free is for the one who creates it.
    CreateTable {
        /// `IF NOT EXISTS`.
        if_not_exists: bool,
        /// The table, with id and version 0. Without a declared key it ends in a hidden `rowid` column, its key.
        table: TableDescriptor,
        /// Sequences that come with it.
        sequences: Vec<ColumnSequence>,
        /// What it says that has no effect, as the client is told.
        ignored: Vec<&'static str>,
    },
    /// `DROP TABLE`.
    DropTable {
        /// Tables that exist.
        tables: Vec<Arc<TableDescriptor>>,
        /// Names that do not, to be told in a notice; only with `IF EXISTS`.
        missing: Vec<String>,
    },
    /// `TRUNCATE`.
    Truncate {
        /// Tables that exist, each once.
        tables: Vec<Arc<TableDescriptor>>,
        /// Their sequences begin anew.
        restarts: bool,
    },
    /// `ALTER TABLE … ADD PRIMARY KEY`.
    AddPrimaryKey {
        /// A table without a declared key; `None` where it does not exist, with `IF EXISTS`.
        table: Option<Arc<TableDescriptor>>,
        /// The table with that key, with id and version 0.
        keyed: TableDescriptor,
    },
    /// `CREATE`, `ALTER` and `DROP SEQUENCE`.
    Sequence(BoundSequence),
    /// `BEGIN`.
    Begin {
        /// `READ ONLY` or `READ WRITE`, where it says one.
        read_only: Option<bool>,
        /// `START TRANSACTION`.
        starts: bool,
    },
    /// `COMMIT`.
    Commit,
    /// `ROLLBACK`.
    Rollback,
    /// `SAVEPOINT`, `RELEASE`, `ROLLBACK TO`.
    Savepoint(Savepoint),
    /// `SHOW TABLES`.
    ShowTables,
    /// `SHOW RANGES FROM TABLE t`.
    ShowRanges {
        /// The table.
        table: Arc<TableDescriptor>,
    },
    /// `SHOW CLUSTER SETTINGS`.
    ShowClusterSettings,
    /// `SHOW JOBS`.
    ShowJobs,
    /// `SHOW name`; `all` shows all.
    ShowVariable {
        /// The variable.
        name: String,
    },
    /// `SET`, `RESET`.
    SetVariable {
        /// The variable.
        name: String,
        /// Its value; `None` for the default.
        value: Option<String>,
        /// Until the transaction's end.
        local: bool,
        /// `RESET`.
        resets: bool,
    },
    /// `RESET ALL`.
    ResetAll,
    /// `SET CLUSTER SETTING`.
    SetClusterSetting {
        /// The setting.
        name: String,
        /// Its value; `None` for the default.
        value: Option<String>,
    },
    /// `COPY t FROM STDIN`.
    CopyFrom(BoundCopyFrom),
    /// `COPY … TO STDOUT`.
    CopyTo {
        /// What yields the rows.
        query: BoundQuery,
        /// Format.
        options: CopyOptions,
    },
    /// `DISCARD ALL`.
    DiscardAll,
    /// `DEALLOCATE`.
    Deallocate {
        /// `None` for all.
        name: Option<String>,
    },
    /// What is about the session itself. The columns of FETCH and EXECUTE are what the session knows.
    Session(BoundSession),
}

/// Queries and changes of rows, not yet planned.
#[derive(Clone, Debug, PartialEq)]
pub enum BoundDml {
    /// `SELECT`, `VALUES`.
    Query(BoundQuery),
    /// `INSERT`.
    Insert(BoundInsert),
    /// `UPDATE`.
    Update(BoundUpdate),
    /// `DELETE`.
    Delete(BoundDelete),
}

impl BoundDml {
    /// Columns of the rows that it yields; `None` for a change of rows that returns none.
    pub fn columns(&self) -> Option<&[OutputColumn]> {
        let returning = match self {
            Self::Query(query) => return Some(&query.columns),
            Self::Insert(insert) => &insert.returning,
            Self::Update(update) => &update.returning,
            Self::Delete(delete) => &delete.returning,
        };
        returning.as_ref().map(|returning| returning.columns.as_slice())
    }
}

/// A bound `RETURNING`.
#[derive(Clone, Debug, PartialEq)]
pub struct BoundReturning {
    /// Over the table's row: the new one, of DELETE the old one.
    pub exprs: Vec<Expr>,
    /// Its columns.
    pub columns: Vec<OutputColumn>,
}

/// A bound query.
#[derive(Clone, Debug, PartialEq)]
pub struct BoundQuery {
    /// The tree as the statement says it: a scan of the whole table below, no limit.
    pub tree: Query,
    /// `OFFSET`, a bigint.
    pub offset: Option<Expr>,
    /// `LIMIT`, a bigint.
    pub limit: Option<Expr>,
    /// Its columns.
    pub columns: Vec<OutputColumn>,
}

/// A bound INSERT.
#[derive(Clone, Debug, PartialEq)]
pub struct BoundInsert {
    /// Target.
    pub table: Arc<TableDescriptor>,
    /// Yields what `columns` makes a row of.
    pub source: BoundQuery,
    /// The table's full row over a row of the source: casts, defaults; NULL for hidden columns, which the executor
    /// fills in.
    pub columns: Vec<Expr>,
    /// `ON CONFLICT`.
    pub on_conflict: OnConflict,
    /// `RETURNING`.
    pub returning: Option<BoundReturning>,
}

/// A bound UPDATE.
#[derive(Clone, Debug, PartialEq)]
pub struct BoundUpdate {
    /// Target.
    pub table: Arc<TableDescriptor>,
    /// `WHERE`, over the table's row.
    pub filter: Option<Expr>,
    /// Column positions with their new values over the table's row.
    pub assignments: Vec<(usize, Expr)>,
    /// `RETURNING`.
    pub returning: Option<BoundReturning>,
}

/// A bound DELETE.
#[derive(Clone, Debug, PartialEq)]
pub struct BoundDelete {
    /// Target.
    pub table: Arc<TableDescriptor>,
    /// `WHERE`, over the table's row.
    pub filter: Option<Expr>,
    /// `RETURNING`.
    pub returning: Option<BoundReturning>,
}

/// A bound `COPY t FROM STDIN`.
#[derive(Clone, Debug, PartialEq)]
pub struct BoundCopyFrom {
    /// Target.
    pub table: Arc<TableDescriptor>,
    /// Positions of the columns that each line gives, in the line's order.
    pub columns: Vec<usize>,
    /// The table's full row over a line's values (which are of their columns' types): defaults for what the line lacks.
    pub row: Vec<Expr>,
    /// Format.
    pub options: CopyOptions,
    /// Only into a table that the transaction itself has made.
    pub freeze: bool,
}

/// Columns of `SHOW JOBS`.
fn job_columns() -> Vec<OutputColumn> {
    let columns = [
        ("job_id", DataType::Int8),
        ("kind", DataType::TEXT),
        ("object", DataType::TEXT),
        ("step", DataType::TEXT),
        ("node", DataType::Int8),
        ("epoch", DataType::Int8),
        ("created", DataType::TimestampTz),
        ("updated", DataType::TimestampTz),
        ("error", DataType::TEXT),
    ];
    let column = |(name, data_type): (&str, DataType)| OutputColumn::new(name, data_type);
    columns.map(column).to_vec()
}

/// Binds a statement.
///
/// # Errors
/// Those of names and types: 42P01, 42703, 42883, 42804, 42803, …, with the position in the text.
pub fn bind(
    statement: &Statement,
    catalog: &dyn CatalogView,
    context: &BindContext<'_>,
) -> Result<BoundStatement, SqlError> {
    let binder = Binder::new(catalog, context);
    let kind = binder.statement(statement)?;
    let changes_session = binder.changes_session.get();
    Ok(BoundStatement { kind, parameter_types: binder.parameters.finish()?, changes_session })
}

/// Binds one statement.
struct Binder<'a> {
    catalog: &'a dyn CatalogView,
    context: BindContext<'a>,
    parameters: Parameters,
    /// A function was bound that changes something of the session's.
    changes_session: Cell<bool>,
}

impl<'a> Binder<'a> {
    fn new(catalog: &'a dyn CatalogView, context: &BindContext<'a>) -> Self {
        let parameters = Parameters::new(context.parameter_types);
        Self { catalog, context: *context, parameters, changes_session: Cell::new(false) }
    }
}

impl Binder<'_> {
    fn statement(&self, statement: &Statement) -> Result<Bound, SqlError> {
        Ok(match statement {
            Statement::Query(_) | Statement::Insert(_) | Statement::Update(_) | Statement::Delete(_) => {
                Bound::Dml(self.dml(statement)?)
            }
            Statement::Explain { analyze, statement } => {
                Bound::Explain { analyze: *analyze, statement: self.dml(statement)? }
            }
            Statement::CreateTable(create) => self.create_table(create)?,
            Statement::DropTable { if_exists, names } => self.drop_table(*if_exists, names)?,
            Statement::AddPrimaryKey { if_exists, table, name, columns } => {
                self.add_primary_key((*if_exists, table), name.as_ref(), columns)?
            }
            Statement::Truncate { names, restarts } => {
                Bound::Truncate { tables: self.tables(names)?, restarts: *restarts }
            }
            Statement::Sequence(statement) => Bound::Sequence(self.sequence_statement(statement)?),
            Statement::Begin { read_only, starts } => Bound::Begin { read_only: *read_only, starts: *starts },
            Statement::Commit => Bound::Commit,
            Statement::Rollback => Bound::Rollback,
            Statement::Savepoint(savepoint) => Bound::Savepoint(savepoint.clone()),
            Statement::ShowTables => Bound::ShowTables,
            Statement::ShowRanges { table } => Bound::ShowRanges { table: self.table(table)? },
            Statement::ShowClusterSettings => Bound::ShowClusterSettings,
            Statement::ShowJobs => Bound::ShowJobs,
            Statement::ShowVariable { name } => Bound::ShowVariable { name: name.value.clone() },
            Statement::SetVariable { name, value, local, resets } => Bound::SetVariable {
                name: name.value.clone(),
                value: value.clone(),
                local: *local,
                resets: *resets,
            },
            Statement::ResetAll => Bound::ResetAll,
            Statement::SetClusterSetting { name, value } => {
                Bound::SetClusterSetting { name: name.value.clone(), value: value.clone() }
            }
            Statement::Copy(copy) => self.copy(copy)?,
            Statement::DiscardAll => Bound::DiscardAll,
            Statement::Deallocate { name } => {
                Bound::Deallocate { name: name.as_ref().map(|name| name.value.clone()) }
            }
            Statement::Session(statement) => Bound::Session(self.session(statement)?),
        })
    }

    fn dml(&self, statement: &Statement) -> Result<BoundDml, SqlError> {
        match statement {
            Statement::Query(query) => self.query(query).map(BoundDml::Query),
            Statement::Insert(insert) => self.insert(insert).map(BoundDml::Insert),
            Statement::Update(update) => self.update(update).map(BoundDml::Update),
            Statement::Delete(delete) => self.delete(delete).map(BoundDml::Delete),
            Statement::CreateTable(_)
            | Statement::DropTable { .. }
            | Statement::Truncate { .. }
            | Statement::AddPrimaryKey { .. }
            | Statement::Sequence(_)
            | Statement::Begin { .. }
            | Statement::Commit
            | Statement::Rollback
            | Statement::Savepoint(_)
            | Statement::ShowTables
            | Statement::ShowRanges { .. }
            | Statement::ShowClusterSettings
            | Statement::ShowJobs
            | Statement::ShowVariable { .. }
            | Statement::SetVariable { .. }
            | Statement::ResetAll
            | Statement::SetClusterSetting { .. }
            | Statement::Explain { .. }
            | Statement::Copy(_)
            | Statement::DiscardAll
            | Statement::Deallocate { .. }
            | Statement::Session(_) => Err(SqlError::unsupported("EXPLAIN of this statement")),
        }
    }

    /// The tables of these names, each once.
    fn tables(&self, names: &[ast::Name]) -> Result<Vec<Arc<TableDescriptor>>, SqlError> {
        let mut tables: Vec<Arc<TableDescriptor>> = Vec::with_capacity(names.len());
        for name in names {
            let table = self.table(name)?;
            if tables.iter().all(|known| known.id != table.id) {
                tables.push(table);
            }
        }
        Ok(tables)
    }

    /// Fails for what some node of the cluster cannot read yet.
    fn check_generation(&self, needed: u8, what: &str) -> Result<(), SqlError> {
        if needed <= self.context.generation {
            return Ok(());
        }
        let message =
            format!("{what} is not supported while nodes of an older release may be in the cluster");
        let hint =
            "Upgrade all nodes, then raise the cluster's version: SET CLUSTER SETTING cluster_version.";
        Err(SqlError::new(SqlState::FeatureNotSupported, message).with_hint(hint))
    }

    /// The table of a name.
    fn table(&self, name: &ast::Name) -> Result<Arc<TableDescriptor>, SqlError> {
        self.catalog.table(&name.value).ok_or_else(|| {
            if self.catalog.sequence(&name.value).is_some() {
                let message = format!("\"{}\" is not a table", name.value);
                return SqlError::new(SqlState::WrongObjectType, message);
            }
            let error = SqlError::new(
                SqlState::UndefinedTable,
                format!("relation \"{}\" does not exist", name.value),
            );
            let names = self.catalog.table_names();
            match suggest::nearest(&name.value, names.iter().map(String::as_str)) {
                Some(near) => error.with_hint(format!("Perhaps you meant the table \"{near}\".")),
                None => error,
            }
            .at(name.position)
        })
    }
}
