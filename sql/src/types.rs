//! Types and values of SQL: what a column may hold ([`DataType`]) and one value of it ([`Datum`]).
//!
//! Invariant: a [`Datum`] stored or returned for a column is `Null` or of the column's type; integers of all widths
//! are one variant and checked against their width when they are assigned.

use std::fmt;

use bigdecimal::BigDecimal;

pub mod cast;
pub mod compare;
pub mod datetime;
pub mod numeric;
pub mod text;

#[cfg(test)]
mod tests;

/// Type of a column or an expression.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DataType {
    /// `BOOL`.
    Bool,
    /// `INT2`, `SMALLINT`.
    Int2,
    /// `INT4`, `INT`, `INTEGER`.
    Int4,
    /// `INT8`, `BIGINT`.
    Int8,
    /// `FLOAT8`, `DOUBLE PRECISION` (also `REAL` and `FLOAT`, which are widened).
    Float8,
    /// `NUMERIC`, `DECIMAL`; precision and scale where they were given.
    Numeric {
        /// Digits in all, at most; `None` for any number.
        precision: Option<u32>,
        /// Digits after the point.
        scale: i32,
    },
    /// `TEXT`, `VARCHAR(n)`, `CHAR(n)`; sorts by bytes.
    Text {
        /// Most characters; `None` for any number.
        length_max: Option<u32>,
    },
    /// `DATE`.
    Date,
    /// `TIMESTAMP` without time zone.
    Timestamp,
    /// `TIMESTAMPTZ`.
    TimestampTz,
    /// A literal `NULL` or a string literal whose type its surroundings decide.
    Unknown,
}

/// One value.
#[derive(Clone, Debug, PartialEq)]
pub enum Datum {
    /// SQL's NULL.
    Null,
    /// A truth value.
    Bool(bool),
    /// An integer of any width.
    Int(i64),
    /// A double.
    Float(f64),
    /// An exact number, with the scale that PostgreSQL would print.
    Numeric(BigDecimal),
    /// Text, UTF-8.
    Text(String),
    /// Days since 1970-01-01.
    Date(i32),
    /// Microseconds since 1970-01-01 00:00, without a zone or in UTC.
    Timestamp(i64),
}

/// A row of values.
pub type Row = Vec<Datum>;

impl DataType {
    /// `TEXT` without a length.
    pub const TEXT: Self = Self::Text { length_max: None };
    /// `NUMERIC` without precision and scale.
    pub const NUMERIC: Self = Self::Numeric { precision: None, scale: 0 };

    /// The type without length, precision and scale, which expressions do not carry on.
    #[must_use]
    pub fn base(self) -> Self {
        match self {
            Self::Numeric { .. } => Self::NUMERIC,
            Self::Text { .. } => Self::TEXT,
            Self::Bool
            | Self::Int2
            | Self::Int4
            | Self::Int8
            | Self::Float8
            | Self::Date
            | Self::Timestamp
            | Self::TimestampTz
            | Self::Unknown => self,
        }
    }

    /// Whether it is one of the three integer types.
    pub fn is_integer(self) -> bool {
        matches!(self, Self::Int2 | Self::Int4 | Self::Int8)
    }

    /// Whether it is a number of any kind.
    pub fn is_number(self) -> bool {
        self.is_integer() || matches!(self, Self::Float8 | Self::Numeric { .. })
    }
}

impl Datum {
    /// Whether this is NULL.
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }
}

impl fmt::Display for DataType {
    /// PostgreSQL's name of the type, as `format_type` prints it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool => f.write_str("boolean"),
            Self::Int2 => f.write_str("smallint"),
            Self::Int4 => f.write_str("integer"),
            Self::Int8 => f.write_str("bigint"),
            Self::Float8 => f.write_str("double precision"),
            Self::Numeric { precision: Some(precision), scale } => write!(f, "numeric({precision},{scale})"),
            Self::Numeric { precision: None, .. } => f.write_str("numeric"),
            Self::Text { length_max: Some(length) } => write!(f, "character varying({length})"),
            Self::Text { length_max: None } => f.write_str("text"),
            Self::Date => f.write_str("date"),
            Self::Timestamp => f.write_str("timestamp without time zone"),
            Self::TimestampTz => f.write_str("timestamp with time zone"),
            Self::Unknown => f.write_str("unknown"),
        }
    }
}
