//! Our own tree of statements: what Quorate understands of SQL, with names folded and positions in the text.
//!
//! Invariant: nothing here is unsupported. What the grammar knows and we do not was refused by the parser.

use crate::types::DataType;
use sequence::{Generated, Overriding, SequenceStatement};

pub mod sequence;

mod relation;

pub use relation::{Alias, FunctionRef, Relation, ValuesRef};

pub mod session;

/// A name, folded to lower case unless it was quoted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name {
    /// The name.
    pub value: String,
    /// Where it stands, in characters from 1; 0 where that is not known.
    pub position: u32,
}

/// One statement of a text.
#[derive(Clone, Debug, PartialEq)]
pub enum Statement {
    /// `SELECT` or `VALUES`.
    Query(Query),
    /// `INSERT`.
    Insert(Box<Insert>),
    /// `UPDATE`.
    Update(Update),
    /// `DELETE`.
    Delete(Delete),
    /// `CREATE TABLE`.
    CreateTable(CreateTable),
    /// `DROP TABLE [IF EXISTS] a, b`.
    DropTable {
        /// No error for tables that do not exist.
        if_exists: bool,
        /// The tables.
        names: Vec<Name>,
    },
    /// `ALTER TABLE t ADD [CONSTRAINT name] PRIMARY KEY (a, b)`.
    AddPrimaryKey {
        /// No error for a table that does not exist.
        if_exists: bool,
        /// The table.
        table: Name,
        /// The key's name, where it says one.
        name: Option<Name>,
        /// Its columns.
        columns: Vec<Name>,
    },
    /// `TRUNCATE a, b`.
    Truncate {
        /// The tables.
        names: Vec<Name>,
        /// `RESTART IDENTITY`.
        restarts: bool,
    },
    /// `CREATE`, `ALTER` and `DROP SEQUENCE`.
    Sequence(SequenceStatement),
    /// `BEGIN`, `START TRANSACTION`.
    Begin {
        /// `READ ONLY` or `READ WRITE`, where it says one.
        read_only: Option<bool>,
        /// `START TRANSACTION`, which is answered so.
        starts: bool,
    },
    /// `COMMIT`, `END`.
    Commit,
    /// `ROLLBACK`, `ABORT`.
    Rollback,
    /// `SAVEPOINT name` and what is done with it.
    Savepoint(Savepoint),
    /// `SHOW TABLES`.
    ShowTables,
    /// `SHOW RANGES FROM TABLE t`.
    ShowRanges {
        /// The table.
        table: Name,
    },
    /// `SHOW CLUSTER SETTINGS`.
    ShowClusterSettings,
    /// `SHOW JOBS`.
    ShowJobs,
    /// `SHOW name`, `SHOW ALL` being the name `all`.
    ShowVariable {
        /// The variable.
        name: Name,
    },
    /// `SET name = value`, `SET TIME ZONE value`.
    SetVariable {
        /// The variable.
        name: Name,
        /// Its value as text; `None` for `DEFAULT`, and for `RESET name`.
        value: Option<String>,
        /// `SET LOCAL`: until the transaction's end.
        local: bool,
        /// `RESET`, which is answered so.
        resets: bool,
    },
    /// `RESET ALL`.
    ResetAll,
    /// `SET CLUSTER SETTING name = value`; `DEFAULT` is `None`.
    SetClusterSetting {
        /// The setting.
        name: Name,
        /// Its value as text.
        value: Option<String>,
    },
    /// `EXPLAIN [ANALYZE] statement`.
    Explain {
        /// Also runs it.
        analyze: bool,
        /// What is explained.
        statement: Box<Statement>,
    },
    /// `COPY`.
    Copy(Copy),
    /// `DISCARD ALL`.
    DiscardAll,
    /// `DEALLOCATE name`, `DEALLOCATE ALL` being `None`.
    Deallocate {
        /// The prepared statement.
        name: Option<Name>,
    },
    /// What is about the session itself.
    Session(session::SessionStatement),
}

/// What is done with a savepoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Savepoint {
    /// `SAVEPOINT name`.
    Set(Name),
    /// `RELEASE [SAVEPOINT] name`.
    Release(Name),
    /// `ROLLBACK TO [SAVEPOINT] name`.
    RollbackTo(Name),
}

/// `SELECT` or `VALUES` with what may follow it.
#[derive(Clone, Debug, PartialEq)]
pub struct Query {
    /// What yields the rows.
    pub body: QueryBody,
    /// `ORDER BY`.
    pub order_by: Vec<OrderBy>,
    /// `LIMIT`, `FETCH FIRST`.
    pub limit: Option<Expr>,
    /// `OFFSET`.
    pub offset: Option<Expr>,
}

/// What yields the rows of a [`Query`].
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "a text has few of them, and they do not live long")]
pub enum QueryBody {
    /// `SELECT`.
    Select(Select),
    /// `VALUES (…), (…)`.
    Values(Vec<Vec<Expr>>),
}

/// `SELECT … FROM … WHERE … GROUP BY … HAVING …`.
#[derive(Clone, Debug, PartialEq)]
pub struct Select {
    /// `DISTINCT`.
    pub distinct: bool,
    /// The select list.
    pub items: Vec<SelectItem>,
    /// What is read; without it there is one row without columns.
    pub from: Option<Relation>,
    /// `WHERE`.
    pub filter: Option<Expr>,
    /// `GROUP BY`.
    pub group_by: Vec<Expr>,
    /// `HAVING`.
    pub having: Option<Expr>,
}

/// What stands before the name of a relation: `schema.` or `database.schema.`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Qualifier {
    /// The database.
    pub database: Option<Name>,
    /// The schema.
    pub schema: Name,
}

/// A table and the name it has in the statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableRef {
    /// What stands before its name; `None` for the schemas that are searched.
    pub qualifier: Option<Box<Qualifier>>,
    /// The table.
    pub name: Name,
    /// `AS alias`.
    pub alias: Option<Name>,
}

/// One item of a select list.
#[derive(Clone, Debug, PartialEq)]
pub enum SelectItem {
    /// `*` and `t.*`.
    Wildcard {
        /// The `t`.
        table: Option<Name>,
        /// Where it stands.
        position: u32,
    },
    /// An expression, perhaps with a name.
    Expr {
        /// The expression.
        expr: Expr,
        /// `AS alias`.
        alias: Option<Name>,
    },
}

/// A key of ORDER BY.
#[derive(Clone, Debug, PartialEq)]
pub struct OrderBy {
    /// What is sorted by: an expression, a position or an alias.
    pub expr: Expr,
    /// `DESC`.
    pub descending: bool,
    /// `NULLS FIRST`, `NULLS LAST`.
    pub nulls_first: Option<bool>,
}

/// `INSERT INTO t (a, b) …`.
#[derive(Clone, Debug, PartialEq)]
pub struct Insert {
    /// Target.
    pub table: TableRef,
    /// Columns named; none for all.
    pub columns: Vec<Name>,
    /// `OVERRIDING … VALUE`.
    pub overriding: Option<Overriding>,
    /// What yields the rows; `None` for `DEFAULT VALUES`.
    pub source: Option<Query>,
    /// `ON CONFLICT`.
    pub on_conflict: Option<OnConflict>,
    /// `RETURNING`.
    pub returning: Option<Vec<SelectItem>>,
}

/// `ON CONFLICT [(a, b)] DO …`.
#[derive(Clone, Debug, PartialEq)]
pub struct OnConflict {
    /// Columns whose uniqueness is meant; none for any.
    pub target: Vec<Name>,
    /// `DO UPDATE`; `None` for `DO NOTHING`.
    pub update: Option<ConflictUpdate>,
    /// Where the clause stands.
    pub position: u32,
}

/// `DO UPDATE SET … WHERE …`.
#[derive(Clone, Debug, PartialEq)]
pub struct ConflictUpdate {
    /// `SET`.
    pub assignments: Vec<Assignment>,
    /// `WHERE`.
    pub filter: Option<Expr>,
}

/// `column = value`.
#[derive(Clone, Debug, PartialEq)]
pub struct Assignment {
    /// The column.
    pub column: Name,
    /// Its new value; may be `DEFAULT`.
    pub value: Expr,
}

/// `UPDATE t SET … WHERE …`.
#[derive(Clone, Debug, PartialEq)]
pub struct Update {
    /// Target.
    pub table: TableRef,
    /// `SET`.
    pub assignments: Vec<Assignment>,
    /// `WHERE`.
    pub filter: Option<Expr>,
    /// `RETURNING`.
    pub returning: Option<Vec<SelectItem>>,
}

/// `DELETE FROM t WHERE …`.
#[derive(Clone, Debug, PartialEq)]
pub struct Delete {
    /// Target.
    pub table: TableRef,
    /// `WHERE`.
    pub filter: Option<Expr>,
    /// `RETURNING`.
    pub returning: Option<Vec<SelectItem>>,
}

/// `CREATE TABLE`.
#[derive(Clone, Debug, PartialEq)]
pub struct CreateTable {
    /// `IF NOT EXISTS`.
    pub if_not_exists: bool,
    /// Its name.
    pub name: Name,
    /// Its columns.
    pub columns: Vec<ColumnDefinition>,
    /// `PRIMARY KEY (a, b)` or of one column; none where no key was declared.
    pub primary_key: Vec<Name>,
    /// What it says that has no effect, as the client is told.
    pub ignored: Vec<&'static str>,
}

/// A column of CREATE TABLE.
#[derive(Clone, Debug, PartialEq)]
pub struct ColumnDefinition {
    /// Its name.
    pub name: Name,
    /// Its type.
    pub data_type: DataType,
    /// `NOT NULL`; key columns are it in any case.
    pub not_null: bool,
    /// `DEFAULT`.
    pub default: Option<Expr>,
    /// `SERIAL` and `GENERATED`.
    pub generated: Option<Generated>,
}

/// `COPY`.
#[derive(Clone, Debug, PartialEq)]
pub struct Copy {
    /// What is copied.
    pub source: CopySource,
    /// `FROM STDIN` or `TO STDOUT`.
    pub direction: CopyDirection,
    /// Format of the data.
    pub options: CopyOptions,
    /// `FREEZE`: only into a table that the transaction itself has made or emptied.
    pub freeze: bool,
}

/// What COPY copies.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "a text has few of them, and they do not live long")]
pub enum CopySource {
    /// A table.
    Table {
        /// The table.
        name: Name,
        /// Columns named; none for all.
        columns: Vec<Name>,
    },
    /// `(query)`, only to STDOUT.
    Query(Query),
}

/// Where COPY's data goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CopyDirection {
    /// `FROM STDIN`.
    From,
    /// `TO STDOUT`.
    To,
}

/// Format of COPY's data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CopyFormat {
    /// Columns by tabs, `\N` for NULL.
    Text,
    /// Comma-separated, quoted.
    Csv,
}

/// Options of COPY, defaults filled in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CopyOptions {
    /// `FORMAT`.
    pub format: CopyFormat,
    /// `HEADER`: the first line has names.
    pub header: bool,
    /// `NULL`: how NULL is written.
    pub null: String,
    /// `DELIMITER`.
    pub delimiter: u8,
    /// `QUOTE`, CSV only.
    pub quote: u8,
    /// `ESCAPE`, CSV only.
    pub escape: u8,
}

/// An expression and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Expr {
    /// What it is.
    pub kind: ExprKind,
    /// Where it begins, in characters from 1; 0 where that is not known.
    pub position: u32,
}

/// Kinds of expressions.
#[derive(Clone, Debug, PartialEq)]
pub enum ExprKind {
    /// `NULL`
    Null,
    /// `TRUE`, `FALSE`
    Bool(bool),
    /// A number as it was written.
    Number(String),
    /// `'text'`
    String(String),
    /// `$1` being 0.
    Parameter(usize),
    /// `c`, `t.c`, `s.t.c` or `d.s.t.c`
    Column {
        /// The `d` and `s`.
        qualifier: Option<Box<Qualifier>>,
        /// The `t`.
        table: Option<Name>,
        /// The `c`.
        column: Name,
    },
    /// `DEFAULT`, in VALUES and SET.
    Default,
    /// `- x`, `+ x`, `NOT x`
    Unary(UnaryOperator, Box<Expr>),
    /// `x op y`
    Binary(crate::expr::BinaryOp, Box<Expr>, Box<Expr>),
    /// `x IS [NOT] NULL`
    IsNull {
        /// The `x`.
        operand: Box<Expr>,
        /// `NOT`.
        negated: bool,
    },
    /// `x IS [NOT] TRUE`, `FALSE`, `UNKNOWN` (a `value` of `None`).
    IsTruth {
        /// The `x`.
        operand: Box<Expr>,
        /// What it is compared with.
        value: Option<bool>,
        /// `NOT`.
        negated: bool,
    },
    /// `x IS [NOT] DISTINCT FROM y`
    IsDistinct {
        /// The `x`.
        left: Box<Expr>,
        /// The `y`.
        right: Box<Expr>,
        /// `NOT`.
        negated: bool,
    },
    /// `x [NOT] IN (a, b)`
    InList {
        /// The `x`.
        operand: Box<Expr>,
        /// The list.
        list: Vec<Expr>,
        /// `NOT`.
        negated: bool,
    },
    /// `x op ANY (array)`, `x op ALL (array)`
    Quantified {
        /// The operator.
        op: crate::expr::BinaryOp,
        /// The `x`.
        operand: Box<Expr>,
        /// The array.
        array: Box<Expr>,
        /// `ALL`.
        all: bool,
    },
    /// `ARRAY[a, b]`
    Array(Vec<Expr>),
    /// `x[1]`
    Subscript {
        /// The `x`.
        operand: Box<Expr>,
        /// Which element.
        index: Box<Expr>,
    },
    /// `x [NOT] BETWEEN low AND high`
    Between {
        /// The `x`.
        operand: Box<Expr>,
        /// Least.
        low: Box<Expr>,
        /// Greatest.
        high: Box<Expr>,
        /// `NOT`.
        negated: bool,
    },
    /// `x [NOT] LIKE y`, `ILIKE`
    Like {
        /// The text.
        operand: Box<Expr>,
        /// The pattern.
        pattern: Box<Expr>,
        /// `NOT`.
        negated: bool,
        /// `ILIKE`.
        case_insensitive: bool,
    },
    /// `x ~ y`, `x !~ y`, `x ~* y`, `x !~* y`
    Regex {
        /// The text.
        operand: Box<Expr>,
        /// The regular expression.
        pattern: Box<Expr>,
        /// `!`.
        negated: bool,
        /// `*`.
        case_insensitive: bool,
    },
    /// `CASE [operand] WHEN … THEN … ELSE … END`
    Case {
        /// Compared with each WHEN.
        operand: Option<Box<Expr>>,
        /// WHEN and THEN.
        branches: Vec<(Expr, Expr)>,
        /// ELSE.
        otherwise: Option<Box<Expr>>,
    },
    /// `CAST(x AS t)`, `x::t`, `t 'text'`
    Cast {
        /// The `x`.
        operand: Box<Expr>,
        /// The `t`.
        data_type: DataType,
    },
    /// `f(a, b)`, `count(*)`, `current_date`
    Call {
        /// The function.
        name: Name,
        /// Its arguments.
        arguments: Vec<Expr>,
        /// `(*)`.
        star: bool,
        /// `(DISTINCT …)`.
        distinct: bool,
    },
}

/// Operators before their operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnaryOperator {
    /// `+`
    Plus,
    /// `-`
    Minus,
    /// `NOT`
    Not,
}
