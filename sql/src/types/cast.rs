//! Casts: which exist and when they may be inserted (PostgreSQL's implicit, assignment and explicit rules), and how a
//! value is cast. Each type's file says which other types may become it.

use super::info::Cast;
use super::text::from_text;
use super::{DataType, Datum};
use crate::error::{SqlError, SqlState};

/// Where a cast comes from, which decides what happens to text that is longer than its type allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CastKind {
    /// Written by the user: `CAST(x AS t)`, `x::t`. Too long text is cut.
    Explicit,
    /// Inserted where a value goes into a column. Too long text is an error (22001), trailing spaces apart.
    Assignment,
}

/// When a cast may be used, from the freest to the strictest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum CastRule {
    /// Wherever an operator or function wants the other type.
    Implicit,
    /// Also where a value goes into a column.
    Assignment,
    /// Only where the user writes it.
    Explicit,
}

/// When values of `from` may become `to`; `None` where there is no such cast. Equal types are implicit.
pub fn cast_rule(from: DataType, to: DataType) -> Option<CastRule> {
    let (from, to) = (from.base(), to.base());
    if from == to || from == DataType::Unknown {
        return Some(CastRule::Implicit);
    }
    if to == DataType::Unknown {
        return None;
    }
    if let (Some(from), Some(to)) = (from.element(), to.element()) {
        return cast_rule(from, to);
    }
    let known = to.info().casts.iter().find(|(known, _)| *known == from).map(|(_, rule)| *rule);
    let by_text = || {
        if to.is_text() {
            return Some(CastRule::Assignment);
        }
        from.is_text().then_some(CastRule::Explicit)
    };
    known.or_else(by_text)
}

/// Casts a value. The binder has checked that the cast exists.
///
/// # Errors
/// 22003 out of range, 22P02 and 22007 for text that is not of the type, 22001 too long, 42846 without such a cast.
pub fn cast(datum: Datum, from: DataType, to: DataType, kind: CastKind) -> Result<Datum, SqlError> {
    if datum.is_null() {
        return Ok(Datum::Null);
    }
    if let Datum::Text(value) | Datum::Char(value) = &datum
        && !to.is_text()
    {
        return from_text(value, &to);
    }
    let missing = || SqlError::new(SqlState::CannotCoerce, format!("cannot cast type {from} to {to}"));
    (to.info().cast)(datum, Cast { from, to, kind }).unwrap_or_else(|| Err(missing()))
}

/// An integer checked against the width of its type.
///
/// # Errors
/// 22003.
pub fn check_integer(value: i64, data_type: DataType) -> Result<i64, SqlError> {
    let is_beyond = (data_type == DataType::Int2 && i16::try_from(value).is_err())
        || (data_type == DataType::Int4 && i32::try_from(value).is_err());
    if is_beyond { Err(integer_out_of_range(data_type)) } else { Ok(value) }
}

/// The error of an integer beyond its type.
pub fn integer_out_of_range(data_type: DataType) -> SqlError {
    SqlError::new(SqlState::NumericValueOutOfRange, format!("{data_type} out of range"))
}
