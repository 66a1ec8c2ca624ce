//! Scalar functions: which exist for which types ([`resolve()`]), and what they compute ([`call`]).

use crate::error::{SqlError, SqlState};
use crate::expr::ScalarFunction;
use crate::expr::eval::{Arguments, mistyped};
use crate::types::compare::compare;
use crate::types::{DataType, Datum, datetime};

mod arrays;
mod catalog;
mod dates;
mod numbers;
pub mod quoting;
mod resolve;
mod sessions;
mod texts;
mod volatile;

pub use resolve::{Signature, is_lacking, resolve};

/// Computes a call; `data_type` is the result's.
///
/// # Errors
/// Those of its arguments and of the function.
pub fn call(
    function: ScalarFunction,
    arguments: &Arguments<'_>,
    data_type: DataType,
) -> Result<Datum, SqlError> {
    if let Some(result) = with_nulls(function, arguments) {
        return result;
    }
    match strict(arguments)? {
        None => Ok(Datum::Null),
        Some(values) => of_values(function, &values, data_type, arguments),
    }
}

/// Computes a function that looks at its arguments where some are NULL, too; `None` for all others.
#[expect(clippy::wildcard_enum_match_arm, reason = "all others are NULL where an argument is")]
fn with_nulls(function: ScalarFunction, arguments: &Arguments<'_>) -> Option<Result<Datum, SqlError>> {
    use ScalarFunction as F;
    Some(match function {
        F::Now => Ok(Datum::Timestamp(datetime::timestamp_of_unix(arguments.context.now_micros))),
        F::Coalesce => first_not_null(arguments),
        F::Greatest => extreme(arguments, std::cmp::Ordering::Greater),
        F::Least => extreme(arguments, std::cmp::Ordering::Less),
        F::Concat => texts::concat(arguments),
        F::NullIf => null_if(arguments),
        F::ArrayOf
        | F::Subscript
        | F::Cardinality
        | F::ArrayLength
        | F::ArrayNdims
        | F::ArrayUpper
        | F::ArrayLower
        | F::ArrayCat
        | F::ArrayAppend
        | F::ArrayPrepend
        | F::ArrayRemove
        | F::ArrayPosition
        | F::ArrayToString
        | F::StringToArray => arrays::call(function, arguments),
        F::FormatType | F::ObjectDescription | F::ColumnDescription | F::SharedDescription => {
            catalog::of_any(function, arguments)
        }
        F::SetConfig => sessions::set_config(arguments),
        F::QuoteNullable => quoting::nullable(arguments),
        _ => return None,
    })
}

fn null_if(arguments: &Arguments<'_>) -> Result<Datum, SqlError> {
    let (value, other) = (arguments.get(0)?, arguments.get(1)?);
    let same = !value.is_null() && !other.is_null() && compare(&value, &other).is_eq();
    Ok(if same { Datum::Null } else { value.into_owned() })
}

/// The arguments' values; `None` where one is NULL, which makes the result NULL.
fn strict(arguments: &Arguments<'_>) -> Result<Option<Vec<Datum>>, SqlError> {
    let mut values = Vec::with_capacity(arguments.count());
    for index in 0..arguments.count() {
        let value = arguments.get(index)?;
        if value.is_null() {
            return Ok(None);
        }
        values.push(value.into_owned());
    }
    Ok(Some(values))
}

fn of_values(
    function: ScalarFunction,
    values: &[Datum],
    data_type: DataType,
    arguments: &Arguments<'_>,
) -> Result<Datum, SqlError> {
    use ScalarFunction as F;
    match function {
        F::Abs | F::Round | F::Trunc | F::Floor | F::Ceil | F::Sign => {
            numbers::call(function, values, data_type)
        }
        F::Lower
        | F::Upper
        | F::Length
        | F::Substr
        | F::Trim
        | F::TrimStart
        | F::TrimEnd
        | F::Replace
        | F::Strpos
        | F::OctetLength
        | F::QuoteIdent
        | F::QuoteLiteral => texts::call(function, values),
        F::DateTrunc | F::Extract => dates::call(function, values, arguments.data_type(1)),
        F::CurrentSetting | F::Sleep => sessions::call(function, values, &arguments.context),
        F::NextVal | F::CurrVal | F::LastVal | F::SetVal | F::SerialSequence | F::RandomUuid => {
            volatile::call(function, values, arguments.context.sequences)
        }
        F::RoleName
        | F::TableIsVisible
        | F::TypeIsVisible
        | F::ExprText
        | F::EncodingName
        | F::IndexDefinition
        | F::ConstraintDefinition
        | F::ToRegclass
        | F::ToRegtype
        | F::Regex
        | F::RegexInsensitive => catalog::call(function, values, &arguments.context),
        F::FormatType
        | F::ObjectDescription
        | F::ColumnDescription
        | F::SharedDescription
        | F::Now
        | F::Coalesce
        | F::Greatest
        | F::Least
        | F::Concat
        | F::NullIf
        | F::SetConfig
        | F::QuoteNullable
        | F::ArrayOf
        | F::Subscript
        | F::Cardinality
        | F::ArrayLength
        | F::ArrayNdims
        | F::ArrayUpper
        | F::ArrayLower
        | F::ArrayCat
        | F::ArrayAppend
        | F::ArrayPrepend
        | F::ArrayRemove
        | F::ArrayPosition
        | F::ArrayToString
        | F::StringToArray => Err(mistyped(function.name())),
    }
}

fn first_not_null(arguments: &Arguments<'_>) -> Result<Datum, SqlError> {
    for index in 0..arguments.count() {
        let value = arguments.get(index)?;
        if !value.is_null() {
            return Ok(value.into_owned());
        }
    }
    Ok(Datum::Null)
}

fn extreme(arguments: &Arguments<'_>, wanted: std::cmp::Ordering) -> Result<Datum, SqlError> {
    let mut kept = Datum::Null;
    for index in 0..arguments.count() {
        let value = arguments.get(index)?;
        if !value.is_null() && (kept.is_null() || compare(&value, &kept) == wanted) {
            kept = value.into_owned();
        }
    }
    Ok(kept)
}

/// The error of an argument that no value of its type may have.
fn invalid_argument(message: impl Into<String>) -> SqlError {
    SqlError::new(SqlState::InvalidParameterValue, message)
}
