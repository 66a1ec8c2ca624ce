//! Bound scalar expressions: names resolved to column positions, types known, casts explicit.
//!
//! The binder makes them, the planner moves them, `expr::eval` (beside this file) computes them on a row, and
//! `program` ships them to the ranges.

use std::cmp::Ordering;

use crate::types::{DataType, Datum};
use in_list::InList;

pub mod aggregate;
pub mod arithmetic;
pub mod eval;
pub mod in_list;
pub mod like;
pub mod objects;
pub mod quantified;
pub mod regex;
pub mod sequences;

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
        list: InList,
        /// `NOT IN`.
        negated: bool,
    },
    /// `x op ANY (array)`; with ALL: `x op ALL (array)`.
    Quantified {
        /// A comparison.
        op: BinaryOp,
        /// What is compared with each element.
        operand: Box<Expr>,
        /// The array.
        array: Box<Expr>,
        /// True for all elements; else for one at least.
        all: bool,
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
        /// How strictly: an assignment refuses text that is too long, an explicit cast cuts it.
        kind: CastKind,
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

pub use crate::types::cast::CastKind;

impl Expr {
    /// Type of what it computes.
    pub fn data_type(&self) -> DataType {
        match self {
            Self::Literal(_, data_type)
            | Self::Column { data_type, .. }
            | Self::Parameter { data_type, .. }
            | Self::Binary { data_type, .. }
            | Self::Case { data_type, .. }
            | Self::Call { data_type, .. } => *data_type,
            Self::Cast { to, .. } => *to,
            Self::Unary(UnaryOp::Not, _)
            | Self::IsNull { .. }
            | Self::InList { .. }
            | Self::Quantified { .. }
            | Self::Like { .. } => DataType::Bool,
            Self::Unary(UnaryOp::Negate, operand) => operand.data_type(),
        }
    }

    /// Its direct parts, for walks over a tree.
    pub fn children(&self) -> Vec<&Expr> {
        match self {
            Self::Literal(..) | Self::Column { .. } | Self::Parameter { .. } => Vec::new(),
            Self::Unary(_, operand) | Self::IsNull { operand, .. } | Self::Cast { operand, .. } => {
                vec![operand]
            }
            Self::Binary { left, right, .. } => vec![left, right],
            Self::InList { operand, list, .. } => {
                std::iter::once(operand.as_ref()).chain(list.computed()).collect()
            }
            Self::Quantified { operand, array, .. } => vec![operand, array],
            Self::Like { operand, pattern, .. } => vec![operand, pattern],
            Self::Case { branches, otherwise, .. } => {
                branches.iter().flat_map(|(when, then)| [when, then]).chain(otherwise.as_deref()).collect()
            }
            Self::Call { arguments, .. } => arguments.iter().collect(),
        }
    }

    /// The same tree with `change` done to each direct part.
    ///
    /// # Errors
    /// The first error of `change`.
    pub fn map_children<E>(self, change: &mut dyn FnMut(Expr) -> Result<Expr, E>) -> Result<Expr, E> {
        let mut boxed = |part: Box<Expr>| change(*part).map(Box::new);
        Ok(match self {
            Self::Literal(..) | Self::Column { .. } | Self::Parameter { .. } => self,
            Self::Unary(op, operand) => Self::Unary(op, boxed(operand)?),
            Self::IsNull { operand, negated } => Self::IsNull { operand: boxed(operand)?, negated },
            Self::Cast { operand, to, kind } => Self::Cast { operand: boxed(operand)?, to, kind },
            Self::Binary { op, left, right, data_type } => {
                Self::Binary { op, left: boxed(left)?, right: boxed(right)?, data_type }
            }
            Self::InList { operand, list, negated } => {
                Self::InList { operand: boxed(operand)?, list: list.map(change)?, negated }
            }
            Self::Quantified { op, operand, array, all } => {
                Self::Quantified { op, operand: boxed(operand)?, array: boxed(array)?, all }
            }
            Self::Like { operand, pattern, negated, case_insensitive } => {
                Self::Like { operand: boxed(operand)?, pattern: boxed(pattern)?, negated, case_insensitive }
            }
            Self::Case { branches, otherwise, data_type } => Self::Case {
                branches: branches
                    .into_iter()
                    .map(|(when, then)| Ok((change(when)?, change(then)?)))
                    .collect::<Result<_, E>>()?,
                otherwise: otherwise.map(|part| change(*part).map(Box::new)).transpose()?,
                data_type,
            },
            Self::Call { function, arguments, data_type } => Self::Call {
                function,
                arguments: arguments.into_iter().map(change).collect::<Result<_, E>>()?,
                data_type,
            },
        })
    }

    /// The next value of the sequence with this id, a BIGINT.
    pub fn next_value(sequence_id: u64) -> Self {
        // Ids count from 1: none comes near to what does not fit.
        let id = Datum::Int(i64::try_from(sequence_id).unwrap_or(i64::MAX));
        let arguments = vec![Self::Literal(id, DataType::Int8)];
        Self::Call { function: ScalarFunction::NextVal, arguments, data_type: DataType::Int8 }
    }

    /// The same with another sequence in the place of one.
    #[must_use]
    pub fn with_sequence(self, from: u64, to: u64) -> Self {
        if self.sequence() == Some(from) {
            return Self::next_value(to);
        }
        match self.map_children(&mut |child| Ok::<_, std::convert::Infallible>(child.with_sequence(from, to)))
        {
            Ok(expr) => expr,
        }
    }

    /// The sequence that it takes the next value of itself, where its name was known when it was bound.
    pub fn sequence(&self) -> Option<u64> {
        let Self::Call { function: ScalarFunction::NextVal, arguments, .. } = self else { return None };
        let [Self::Literal(Datum::Int(id), _)] = arguments.as_slice() else { return None };
        u64::try_from(*id).ok()
    }

    /// Whether a part of it is volatile ([`ScalarFunction::is_volatile`]).
    pub fn is_volatile(&self) -> bool {
        let mut found = false;
        self.walk(&mut |part| {
            found |= matches!(part, Self::Call { function, .. } if function.is_volatile());
        });
        found
    }

    /// Whether ranges can compute it: bytes that are stored hold it, and nothing of it depends on more than the row.
    pub fn is_sent(&self) -> bool {
        let mut depends = false;
        self.walk(&mut |part| {
            depends |=
                matches!(part, Self::Call { function, .. } if function.is_volatile() || function.is_stable());
        });
        !depends && self.is_stored()
    }

    /// Whether bytes that are stored hold it: nothing of it asks the catalog, or has a type that no column has.
    pub fn is_stored(&self) -> bool {
        let mut all = true;
        self.walk(&mut |part| {
            let has_function = !matches!(part, Self::Call { function, .. } if !function.is_stored());
            all &= has_function && part.data_type().is_stored();
        });
        all
    }

    /// Calls `visit` on this expression and everything below it, parents first.
    pub fn walk<'a>(&'a self, visit: &mut dyn FnMut(&'a Expr)) {
        visit(self);
        for child in self.children() {
            child.walk(visit);
        }
    }
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

impl BinaryOp {
    /// How an operator is written.
    pub fn symbol(self) -> &'static str {
        match self {
            Self::Add => "+",
            Self::Subtract => "-",
            Self::Multiply => "*",
            Self::Divide => "/",
            Self::Modulo => "%",
            Self::Concat => "||",
            Self::Equal => "=",
            Self::NotEqual => "<>",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
            Self::And => "AND",
            Self::Or => "OR",
        }
    }

    /// Whether a comparison holds between values that stand so to each other; `None` for other operators.
    pub fn holds(self, ordering: Ordering) -> Option<bool> {
        match self {
            Self::Equal => Some(ordering.is_eq()),
            Self::NotEqual => Some(ordering.is_ne()),
            Self::Less => Some(ordering.is_lt()),
            Self::LessOrEqual => Some(ordering.is_le()),
            Self::Greater => Some(ordering.is_gt()),
            Self::GreaterOrEqual => Some(ordering.is_ge()),
            Self::Add
            | Self::Subtract
            | Self::Multiply
            | Self::Divide
            | Self::Modulo
            | Self::Concat
            | Self::And
            | Self::Or => None,
        }
    }
}

macro_rules! scalar_functions {
    ($($(#[doc = $doc:literal])* $variant:ident = $name:literal,)*) => {
        /// Scalar functions that exist; more join by variant.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum ScalarFunction { $($(#[doc = $doc])* $variant,)* }

        impl ScalarFunction {
            /// The name it is called by; also its name in stored expressions and scan programs.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// The function of this (folded) name.
            pub fn from_name(name: &str) -> Option<Self> {
                match name { $($name => Some(Self::$variant),)* _ => None }
            }
        }
    };
}

scalar_functions! {
    /// `abs(number)`
    Abs = "abs",
    /// `coalesce(x, …)`
    Coalesce = "coalesce",
    /// `nullif(x, y)`
    NullIf = "nullif",
    /// `greatest(x, …)`, NULLs ignored
    Greatest = "greatest",
    /// `least(x, …)`, NULLs ignored
    Least = "least",
    /// `lower(text)`
    Lower = "lower",
    /// `upper(text)`
    Upper = "upper",
    /// `length(text)`, in characters
    Length = "length",
    /// `octet_length(text)`, in bytes
    OctetLength = "octet_length",
    /// `round(number[, digits])`
    Round = "round",
    /// `trunc(number[, digits])`
    Trunc = "trunc",
    /// `floor(number)`
    Floor = "floor",
    /// `ceil(number)`
    Ceil = "ceil",
    /// `sign(number)`
    Sign = "sign",
    /// `substr(text, from[, count])`
    Substr = "substr",
    /// `btrim(text[, characters])`
    Trim = "btrim",
    /// `ltrim(text[, characters])`
    TrimStart = "ltrim",
    /// `rtrim(text[, characters])`
    TrimEnd = "rtrim",
    /// `replace(text, from, to)`
    Replace = "replace",
    /// `concat(text, …)`, NULLs ignored
    Concat = "concat",
    /// `strpos(text, part)`, from 1
    Strpos = "strpos",
    /// `date_trunc(unit, timestamp)`
    DateTrunc = "date_trunc",
    /// `extract(field FROM timestamp)`, numeric as in PostgreSQL 15
    Extract = "extract",
    /// `ARRAY[x, …]`; cannot be called by name
    ArrayOf = "array",
    /// `x[i]`; cannot be called by name
    Subscript = "subscript",
    /// `cardinality(array)`
    Cardinality = "cardinality",
    /// `array_length(array, dimension)`
    ArrayLength = "array_length",
    /// `array_ndims(array)`
    ArrayNdims = "array_ndims",
    /// `array_upper(array, dimension)`
    ArrayUpper = "array_upper",
    /// `array_lower(array, dimension)`
    ArrayLower = "array_lower",
    /// `array_cat(array, array)`, and `||`
    ArrayCat = "array_cat",
    /// `array_append(array, x)`, and `||`
    ArrayAppend = "array_append",
    /// `array_prepend(x, array)`, and `||`
    ArrayPrepend = "array_prepend",
    /// `array_remove(array, x)`
    ArrayRemove = "array_remove",
    /// `array_position(array, x[, from])`
    ArrayPosition = "array_position",
    /// `array_to_string(array, separator[, null])`
    ArrayToString = "array_to_string",
    /// `string_to_array(text, separator[, null])`
    StringToArray = "string_to_array",
    /// `now()`: the transaction's start, a TIMESTAMPTZ from the evaluation's context. Planning replaces it by a
    /// literal, so that a scan program never holds it; a stored DEFAULT does.
    Now = "now",
    /// `nextval(sequence)`; a sequence is its id, where its name was known when the call was bound, or its name
    NextVal = "nextval",
    /// `currval(sequence)`
    CurrVal = "currval",
    /// `lastval()`
    LastVal = "lastval",
    /// `setval(sequence, value[, is_called])`
    SetVal = "setval",
    /// `pg_get_serial_sequence(table, column)`
    SerialSequence = "pg_get_serial_sequence",
    /// `gen_random_uuid()`
    RandomUuid = "gen_random_uuid",
    /// `format_type(type, modifier)`
    FormatType = "format_type",
    /// `pg_get_userbyid(role)`
    RoleName = "pg_get_userbyid",
    /// `pg_table_is_visible(relation)`
    TableIsVisible = "pg_table_is_visible",
    /// `pg_type_is_visible(type)`
    TypeIsVisible = "pg_type_is_visible",
    /// `pg_get_expr(expression, relation[, pretty])`
    ExprText = "pg_get_expr",
    /// `obj_description(object[, catalog])`: there are no comments
    ObjectDescription = "obj_description",
    /// `col_description(relation, column)`: there are no comments
    ColumnDescription = "col_description",
    /// `shobj_description(object, catalog)`: there are no comments
    SharedDescription = "shobj_description",
    /// `pg_encoding_to_char(encoding)`
    EncodingName = "pg_encoding_to_char",
    /// `pg_get_indexdef(index[, column, pretty])`
    IndexDefinition = "pg_get_indexdef",
    /// `pg_get_constraintdef(constraint[, pretty])`
    ConstraintDefinition = "pg_get_constraintdef",
    /// `to_regclass(name)`
    ToRegclass = "to_regclass",
    /// `to_regtype(name)`
    ToRegtype = "to_regtype",
    /// `text ~ pattern`
    Regex = "textregexeq",
    /// `text ~* pattern`
    RegexInsensitive = "texticregexeq",
    /// `current_setting(name[, missing_ok])`
    CurrentSetting = "current_setting",
    /// `set_config(name, value, is_local)`
    SetConfig = "set_config",
    /// `pg_sleep(seconds)`
    Sleep = "pg_sleep",
    /// `quote_ident(text)`
    QuoteIdent = "quote_ident",
    /// `quote_literal(text)`
    QuoteLiteral = "quote_literal",
    /// `quote_nullable(text)`
    QuoteNullable = "quote_nullable",
}

impl ScalarFunction {
    /// Whether only the executor may compute it, once for each row: it has effects, asks the session for what changes, or gives
    /// something else each time.
    pub fn is_volatile(self) -> bool {
        self.takes_from_sequences() || matches!(self, Self::SetConfig | Self::Sleep)
    }

    /// Whether it came with sequences and UUIDs.
    fn takes_from_sequences(self) -> bool {
        matches!(
            self,
            Self::NextVal
                | Self::CurrVal
                | Self::LastVal
                | Self::SetVal
                | Self::SerialSequence
                | Self::RandomUuid
        )
    }

    /// Whether its result depends on the transaction or the session, which stay the same while a statement runs.
    pub fn is_stable(self) -> bool {
        matches!(self, Self::Now | Self::CurrentSetting)
    }

    /// The generation of functions that it came with, as that of a type: stored expressions have a version for each.
    pub fn generation(self) -> u8 {
        if self.takes_from_sequences() { 3 } else { 1 }
    }

    /// Whether bytes that are stored hold it: not what asks the catalog or the session, nor what nodes of the release before
    /// do not have.
    pub fn is_stored(self) -> bool {
        !matches!(
            self,
            Self::FormatType
                | Self::RoleName
                | Self::TableIsVisible
                | Self::TypeIsVisible
                | Self::ExprText
                | Self::ObjectDescription
                | Self::ColumnDescription
                | Self::SharedDescription
                | Self::EncodingName
                | Self::IndexDefinition
                | Self::ConstraintDefinition
                | Self::ToRegclass
                | Self::ToRegtype
                | Self::Regex
                | Self::RegexInsensitive
                | Self::CurrentSetting
                | Self::SetConfig
                | Self::Sleep
                | Self::QuoteIdent
                | Self::QuoteLiteral
                | Self::QuoteNullable
        )
    }
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
    /// `array_agg(x)`
    ArrayAgg,
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
