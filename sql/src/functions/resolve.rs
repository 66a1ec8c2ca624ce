//! Which function a name and argument types mean: the type that each argument is cast to, and the type of the result.

use crate::expr::ScalarFunction;
use crate::types::DataType;

/// A function found for a call.
#[derive(Clone, Debug, PartialEq)]
pub struct Signature {
    /// The function.
    pub function: ScalarFunction,
    /// What each argument is cast to.
    pub arguments: Vec<DataType>,
    /// Type of the result.
    pub result: DataType,
}

/// Finds the function of a (folded) name for these argument types; `None` where there is none. Arguments of unknown
/// type (string literals, NULL, parameters) fit any type. `coalesce`, `nullif`, `greatest` and `least` take any types that
/// have one in common, and are the binder's.
pub fn resolve(name: &str, arguments: &[DataType]) -> Option<Signature> {
    let function = canonical(name)?;
    let found = of_values(function, arguments).or_else(|| of_array(function, arguments));
    let found = found.or_else(|| of_session(function, arguments)).or_else(|| of_catalog(function, arguments));
    // The binder finds the common type of the arguments of the others, or they have no name to be called by.
    let (wanted, result) = found?;
    (wanted.len() == arguments.len()).then_some(Signature { function, arguments: wanted, result })
}

/// The first argument's type, which is an array's.
fn array(arguments: &[DataType]) -> Option<DataType> {
    let first = arguments.first()?;
    first.element().map(|_| first.base())
}

/// Arguments and result of a function of numbers, texts or times.
#[expect(clippy::wildcard_enum_match_arm, reason = "all others are asked for elsewhere")]
fn of_values(function: ScalarFunction, arguments: &[DataType]) -> Option<(Vec<DataType>, DataType)> {
    use ScalarFunction as F;
    Some(match function {
        F::Now => (vec![], DataType::TimestampTz),
        F::Abs => {
            let number = number(*arguments.first()?, true)?;
            (vec![number], number)
        }
        F::Round | F::Trunc if arguments.len() == 2 => {
            (vec![DataType::NUMERIC, DataType::Int4], DataType::NUMERIC)
        }
        F::Round | F::Trunc | F::Floor | F::Ceil | F::Sign => {
            let number = number(*arguments.first()?, false)?;
            (vec![number], number)
        }
        F::Lower | F::Upper => (vec![DataType::TEXT], DataType::TEXT),
        F::Length | F::OctetLength => {
            // Of CHAR(n) the one counts without the spaces at the end, the other with them.
            let is_char = matches!(arguments.first()?, DataType::Char { .. });
            let wanted = if is_char { DataType::Char { length: None } } else { DataType::TEXT };
            (vec![wanted], DataType::Int4)
        }
        F::Substr if arguments.len() == 2 => (vec![DataType::TEXT, DataType::Int4], DataType::TEXT),
        F::Substr => (vec![DataType::TEXT, DataType::Int4, DataType::Int4], DataType::TEXT),
        F::Trim | F::TrimStart | F::TrimEnd if arguments.len() == 2 => {
            (vec![DataType::TEXT; 2], DataType::TEXT)
        }
        F::Trim | F::TrimStart | F::TrimEnd => (vec![DataType::TEXT], DataType::TEXT),
        F::Replace => (vec![DataType::TEXT; 3], DataType::TEXT),
        F::Concat if arguments.is_empty() => return None,
        F::Concat => (arguments.to_vec(), DataType::TEXT),
        F::Strpos => (vec![DataType::TEXT; 2], DataType::Int4),
        F::QuoteIdent | F::QuoteLiteral | F::QuoteNullable => (vec![DataType::TEXT], DataType::TEXT),
        F::DateTrunc | F::Extract => {
            let (argument, truncated) = timestamp(function, *arguments.get(1)?)?;
            (vec![DataType::TEXT, argument], truncated)
        }
        F::Regex | F::RegexInsensitive => (vec![DataType::TEXT; 2], DataType::Bool),
        _ => return None,
    })
}

/// Arguments and result of a function of arrays.
#[expect(clippy::wildcard_enum_match_arm, reason = "of all functions only those of arrays come here")]
fn of_array(function: ScalarFunction, arguments: &[DataType]) -> Option<(Vec<DataType>, DataType)> {
    use ScalarFunction as F;
    Some(match function {
        F::Cardinality | F::ArrayNdims => (vec![array(arguments)?], DataType::Int4),
        F::ArrayLength | F::ArrayUpper | F::ArrayLower => {
            (vec![array(arguments)?, DataType::Int4], DataType::Int4)
        }
        F::ArrayToString => {
            let texts = arguments.len().checked_sub(1).filter(|texts| matches!(texts, 1 | 2))?;
            let mut wanted = vec![array(arguments)?];
            wanted.extend(vec![DataType::TEXT; texts]);
            (wanted, DataType::TEXT)
        }
        F::StringToArray if arguments.len() == 3 => (vec![DataType::TEXT; 3], DataType::TEXT.array()?),
        F::StringToArray => (vec![DataType::TEXT; 2], DataType::TEXT.array()?),
        _ => return None,
    })
}

/// Arguments and result of a function of sequences, UUIDs and settings.
#[expect(clippy::wildcard_enum_match_arm, reason = "of all functions only those of the session come here")]
fn of_session(function: ScalarFunction, arguments: &[DataType]) -> Option<(Vec<DataType>, DataType)> {
    use ScalarFunction as F;
    Some(match function {
        F::RandomUuid => (vec![], DataType::Uuid),
        F::LastVal => (vec![], DataType::Int8),
        F::NextVal | F::CurrVal => (vec![sequence(*arguments.first()?)?], DataType::Int8),
        F::SetVal => {
            let mut wanted = vec![sequence(*arguments.first()?)?, DataType::Int8, DataType::Bool];
            wanted.truncate(arguments.len().max(2));
            (wanted, DataType::Int8)
        }
        F::SerialSequence => (vec![DataType::TEXT; 2], DataType::TEXT),
        F::CurrentSetting => (first_of(&[DataType::TEXT, DataType::Bool], 1, arguments)?, DataType::TEXT),
        F::SetConfig => (vec![DataType::TEXT, DataType::TEXT, DataType::Bool], DataType::TEXT),
        F::Sleep => (vec![DataType::Float8], DataType::Void),
        _ => return None,
    })
}

/// Arguments and result of a function of the system catalogs.
#[expect(clippy::wildcard_enum_match_arm, reason = "of all functions only those of the catalogs come here")]
fn of_catalog(function: ScalarFunction, arguments: &[DataType]) -> Option<(Vec<DataType>, DataType)> {
    use DataType::{Bool, Int4, Name, NodeTree, Oid, Regclass, Regtype, Text};
    use ScalarFunction as F;
    Some(match function {
        F::FormatType | F::ColumnDescription => (vec![Oid, Int4], Text),
        F::RoleName => (vec![Oid], Name),
        F::TableIsVisible | F::TypeIsVisible => (vec![Oid], Bool),
        F::ExprText => (first_of(&[NodeTree, Oid, Bool], 2, arguments)?, Text),
        F::ObjectDescription => (first_of(&[Oid, Name], 1, arguments)?, Text),
        F::SharedDescription => (vec![Oid, Name], Text),
        F::EncodingName => (vec![Int4], Name),
        F::IndexDefinition if arguments.len() == 1 => (vec![Oid], Text),
        F::IndexDefinition => (vec![Oid, Int4, Bool], Text),
        F::ConstraintDefinition => (first_of(&[Oid, Bool], 1, arguments)?, Text),
        F::ToRegclass => (vec![Text], Regclass),
        F::ToRegtype => (vec![Text], Regtype),
        _ => return None,
    })
}

/// Types of the arguments that are given, of which some may be left out at the end.
fn first_of(all: &[DataType], least: usize, arguments: &[DataType]) -> Option<Vec<DataType>> {
    if arguments.len() < least {
        return None;
    }
    all.get(..arguments.len()).map(<[DataType]>::to_vec)
}

/// Functions by name, with the other names that PostgreSQL has for some.
fn canonical(name: &str) -> Option<ScalarFunction> {
    ScalarFunction::from_name(match name {
        "ceiling" => "ceil",
        "char_length" | "character_length" => "length",
        "substring" => "substr",
        "position" => "strpos",
        "trim" => "btrim",
        "transaction_timestamp" | "statement_timestamp" => "now",
        other => other,
    })
}

/// Functions of PostgreSQL 15 that a user may call, one a line: the names of its catalog without those that only its
/// operators, types and indexes use.
const OF_POSTGRES: &str = include_str!("postgres.txt");

/// Whether a (folded) name is that of a function of PostgreSQL that we do not have.
pub fn is_lacking(name: &str) -> bool {
    canonical(name).is_none() && OF_POSTGRES.lines().any(|known| known == name)
}

/// What names a sequence: text, or the id that the binder has put in its place.
fn sequence(argument: DataType) -> Option<DataType> {
    if argument == DataType::Int8 {
        return Some(argument);
    }
    (argument.is_text() || argument == DataType::Unknown).then_some(DataType::TEXT)
}

/// The number type that a function computes in: integers and REAL stay only where it has them.
fn number(argument: DataType, keeps_width: bool) -> Option<DataType> {
    let narrower = argument.is_integer() || argument == DataType::Float4;
    if narrower && keeps_width {
        Some(argument)
    } else if narrower || matches!(argument, DataType::Float8 | DataType::Unknown) {
        Some(DataType::Float8)
    } else {
        argument.is_number().then_some(DataType::NUMERIC)
    }
}

/// The timestamp type that an argument is cast to, and the type of the result.
fn timestamp(function: ScalarFunction, argument: DataType) -> Option<(DataType, DataType)> {
    let keeps = argument == DataType::Timestamp
        || (argument == DataType::Date && function == ScalarFunction::Extract);
    let becomes = matches!(argument, DataType::Date | DataType::TimestampTz | DataType::Unknown);
    let argument = if keeps { argument } else { becomes.then_some(DataType::TimestampTz)? };
    Some((argument, if function == ScalarFunction::Extract { DataType::NUMERIC } else { argument }))
}
