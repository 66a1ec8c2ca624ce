//! Bound scalar expressions: names resolved to column positions, types known, casts explicit.
//!
//! The binder makes them, the planner moves them, `expr::eval` (beside this file) computes them on a row, and
//! `program` ships them to the ranges.

use crate::types::{DataType, Datum};

/// An expression over one input row.
#[derive(Clone, Debug, PartialEq)]
pub enum Expr {
    /// A constant.
    Literal(Datum, DataType),
    /// Column of the input row, by position.
    Column {
        /// Position in the input row, from 0.
        index: usize,
        /// Its type.
        data_type: DataType,
    },
    /// A parameter of the extended protocol, `$1` being 0.
    Parameter {
        /// Position, from 0.
        index: usize,
        /// Its inferred type.
        data_type: DataType,
    },
    /// `- x`, `NOT x`.
    Unary(UnaryOp, Box<Expr>),
    /// `x + y`, `x = y`, `x AND y`, …; both sides were cast to what the operator takes.
    Binary {
        /// The operator.
        op: BinaryOp,
        /// Left side.
        left: Box<Expr>,
        /// Right side.
        right: Box<Expr>,
        /// Type of the result.
        data_type: DataType,
    },
    /// `x IS NULL`; negated: `x IS NOT NULL`.
    IsNull {
        /// What is tested.
        operand: Box<Expr>,
        /// `IS NOT NULL`.
        negated: bool,
    },
    /// `x [NOT] IN (a, b, …)`.
    InList {
        /// What is looked for.
        operand: Box<Expr>,
        /// Where.
        list: Vec<Expr>,
        /// `NOT IN`.
        negated: bool,
    },
    /// `x [NOT] LIKE pattern`, `ILIKE` when case is ignored.
    Like {
        /// The text.
        operand: Box<Expr>,
        /// The pattern: `%`, `_`, and `\` to escape.
        pattern: Box<Expr>,
        /// `NOT LIKE`.
        negated: bool,
        /// `ILIKE`.
        case_insensitive: bool,
    },
    /// `CASE WHEN c THEN r … ELSE e END` (the form with an operand is bound into comparisons).
    Case {
        /// Conditions with their results, the first true one counts.
        branches: Vec<(Expr, Expr)>,
        /// Without it: NULL.
        otherwise: Option<Box<Expr>>,
        /// Type of all results.
        data_type: DataType,
    },
    /// A cast, explicit or inserted by the binder.
    Cast {
        /// What is cast.
        operand: Box<Expr>,
        /// To which type.
        to: DataType,
    },
    /// A built-in function.
    Call {
        /// Which.
        function: ScalarFunction,
        /// Its arguments, of the types it takes.
        arguments: Vec<Expr>,
        /// Type of the result.
        data_type: DataType,
    },
}

/// Operators with one operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnaryOp {
    /// `-`
    Negate,
    /// `NOT`
    Not,
}

/// Operators with two operands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BinaryOp {
    /// `+`
    Add,
    /// `-`
    Subtract,
    /// `*`
    Multiply,
    /// `/`
    Divide,
    /// `%`
    Modulo,
    /// `||`
    Concat,
    /// `=`
    Equal,
    /// `<>`
    NotEqual,
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
    /// `AND`, three-valued.
    And,
    /// `OR`, three-valued.
    Or,
}

/// Scalar functions that exist; more join by variant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScalarFunction {
    /// `abs(number)`
    Abs,
    /// `coalesce(x, …)`
    Coalesce,
    /// `nullif(x, y)`
    NullIf,
    /// `lower(text)`
    Lower,
    /// `upper(text)`
    Upper,
    /// `length(text)`, in characters
    Length,
    /// `round(number[, digits])`
    Round,
    /// `floor(number)`
    Floor,
    /// `ceil(number)`
    Ceil,
    /// `substr(text, from[, count])`
    Substr,
    /// `date_trunc(unit, timestamp)`
    DateTrunc,
    /// `extract(field FROM timestamp)`, numeric as in PostgreSQL 15
    Extract,
}

/// Aggregate functions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AggregateFunction {
    /// `count(*)`
    CountAll,
    /// `count(x)`
    Count,
    /// `sum(x)`
    Sum,
    /// `min(x)`
    Min,
    /// `max(x)`
    Max,
    /// `avg(x)`
    Avg,
}

/// One aggregate of a query.
#[derive(Clone, Debug, PartialEq)]
pub struct Aggregate {
    /// The function.
    pub function: AggregateFunction,
    /// Its argument over the input row; `None` for `count(*)`.
    pub argument: Option<Expr>,
    /// `DISTINCT` was given.
    pub distinct: bool,
    /// Type of the result.
    pub data_type: DataType,
}

/// `ORDER BY` key over a row.
#[derive(Clone, Debug, PartialEq)]
pub struct SortKey {
    /// What is sorted by.
    pub expr: Expr,
    /// `DESC`.
    pub descending: bool,
    /// NULLs come first (PostgreSQL's default for `DESC`).
    pub nulls_first: bool,
}
