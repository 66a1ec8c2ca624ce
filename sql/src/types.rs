//! Types and values of SQL: what a column may hold ([`DataType`]) and one value of it ([`Datum`]). What is known of a type
//! is in its file in [`builtin`], which says how to add one.
//!
//! Invariant: a [`Datum`] stored or returned for a column is `Null` or of the column's type; integers of all widths
//! are one variant and checked against their width when they are assigned, and so are floats: a REAL is a double that
//! has no more than 24 bits.

use std::fmt;

use bigdecimal::BigDecimal;

use builtin::array::{ElementType, Elements};
use kind::{Kind, match_pair, match_value};
pub use reg_value::RegValue;

pub mod builtin;
pub mod calendar;
pub mod cast;
pub mod compare;
pub mod datetime;
pub mod float;
pub mod info;
pub(crate) mod kind;
pub mod numeric;
pub mod reg_value;
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
    /// `FLOAT4`, `REAL`.
    Float4,
    /// `FLOAT8`, `DOUBLE PRECISION`.
    Float8,
    /// `NUMERIC`, `DECIMAL`; precision and scale where they were given.
    Numeric {
        /// Digits in all, at most; `None` for any number.
        precision: Option<u32>,
        /// Digits after the point.
        scale: i32,
    },
    /// `TEXT`; sorts by bytes.
    Text,
    /// `VARCHAR(n)`: text with a limit.
    Varchar {
        /// Most characters; `None` for any number.
        length_max: Option<u32>,
    },
    /// `CHAR(n)`: text filled up with spaces, which mean nothing where values are compared.
    Char {
        /// Characters; `None` in expressions, which do not carry a length on.
        length: Option<u32>,
    },
    /// `DATE`.
    Date,
    /// `TIMESTAMP` without time zone.
    Timestamp,
    /// `TIMESTAMPTZ`.
    TimestampTz,
    /// `T[]`: arrays of any other type.
    Array(ElementType),
    /// `UUID`.
    Uuid,
    /// A literal `NULL` or a string literal whose type its surroundings decide.
    Unknown,
    /// `OID`: the number of an object of the catalog.
    Oid,
    /// `NAME`: text of at most 63 bytes.
    Name,
    /// `"char"`: a byte.
    QuotedChar,
    /// `REGCLASS`: a relation's OID, shown as its name.
    Regclass,
    /// `REGTYPE`: a type's.
    Regtype,
    /// `REGPROC`: a function's.
    Regproc,
    /// `REGNAMESPACE`: a schema's.
    Regnamespace,
    /// `INT2VECTOR`.
    Int2Vector,
    /// `OIDVECTOR`.
    OidVector,
    /// `PG_NODE_TREE`: an expression.
    NodeTree,
    /// `XID`.
    Xid,
    /// `VOID`: the result of functions that have none. No column has it.
    Void,
}

/// One value.
#[derive(Clone, Debug)]
pub enum Datum {
    /// SQL's NULL.
    Null,
    /// A truth value.
    Bool(bool),
    /// An integer of any width.
    Int(i64),
    /// A float of either width.
    Float(f64),
    /// An exact number, with the scale that PostgreSQL would print.
    Numeric(BigDecimal),
    /// Text of any length, UTF-8.
    Text(String),
    /// Text of CHAR(n), with the spaces at its end.
    Char(String),
    /// Days since 1970-01-01, or an infinity of [`datetime`].
    Date(i32),
    /// Microseconds since 2000-01-01 00:00, without a zone or in UTC, or an infinity of [`datetime`].
    Timestamp(i64),
    /// Elements of one type, in one dimension.
    Array(Elements),
    /// Sixteen bytes.
    Uuid(uuid::Uuid),
    /// An OID with its object's name.
    Reg(RegValue),
}

/// A row of values.
pub type Row = Vec<Datum>;

impl DataType {
    /// `TEXT`.
    pub const TEXT: Self = Self::Text;
    /// `NUMERIC` without precision and scale.
    pub const NUMERIC: Self = Self::Numeric { precision: None, scale: 0 };

    /// The type without length, precision and scale, which expressions do not carry on.
    #[must_use]
    pub fn base(self) -> Self {
        self.info().base
    }

    /// The type of its arrays; `None` for arrays, and for what is no type yet.
    #[must_use]
    pub fn array(self) -> Option<Self> {
        ElementType::of(self).map(Self::Array)
    }

    /// The type of an array's elements; `None` for other types.
    #[must_use]
    pub fn element(self) -> Option<Self> {
        if let Self::Array(element) = self { Some(element.data_type()) } else { None }
    }

    /// Whether it is one of the three integer types.
    pub fn is_integer(self) -> bool {
        matches!(self, Self::Int2 | Self::Int4 | Self::Int8)
    }

    /// Whether it is a number of any kind.
    pub fn is_number(self) -> bool {
        self.is_integer() || self.is_float() || matches!(self, Self::Numeric { .. })
    }

    /// Whether it is REAL or DOUBLE PRECISION.
    pub fn is_float(self) -> bool {
        matches!(self, Self::Float4 | Self::Float8)
    }

    /// Whether it is an OID, with its object's name or without.
    pub fn is_oid(self) -> bool {
        matches!(self, Self::Oid) || self.is_reg()
    }

    /// Whether it is an OID that is shown as a name.
    pub fn is_reg(self) -> bool {
        matches!(self, Self::Regclass | Self::Regtype | Self::Regproc | Self::Regnamespace)
    }

    /// Whether tables may have it, and programs that are sent to ranges: types of the system catalogs stay here.
    pub fn is_stored(self) -> bool {
        self.element().unwrap_or(self).info().number < info::UNSTORED_FROM
    }

    /// Whether it is one of the three types of text.
    pub fn is_text(self) -> bool {
        matches!(self, Self::Text | Self::Varchar { .. } | Self::Char { .. })
    }
}

impl Datum {
    /// Whether this is NULL.
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// As the client sees it; `None` for NULL.
    fn as_text(&self, data_type: DataType) -> Option<String> {
        match_value!(self, None, K, value => Some(K::text(value, data_type)))
    }

    /// Estimate of the bytes that it takes beside its own, as in a text's buffer.
    pub fn heap_bytes(&self) -> usize {
        match_value!(self, 0, K, value => K::heap_bytes(value))
    }
}

/// Equality as constants: the same value with the same text. NaN is itself, the two zeros differ, and so do `1.0` and
/// `1.00`. What SQL calls equal is [`compare::equal`].
impl PartialEq for Datum {
    fn eq(&self, other: &Self) -> bool {
        match_pair!(self, other, K, a, b => K::is_same(a, b), self.is_null() && other.is_null())
    }
}

impl fmt::Display for DataType {
    /// PostgreSQL's name of the type, as `format_type` prints it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(element) = self.element() {
            return write!(f, "{element}[]");
        }
        let info = self.info();
        f.write_str(info.name)?;
        match info.parameters.and_then(|parameters| (parameters.text)(*self)) {
            Some(parameters) => write!(f, "({parameters})"),
            None => Ok(()),
        }
    }
}
