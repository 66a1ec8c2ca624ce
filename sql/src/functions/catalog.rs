//! Functions of the system catalogs: names, definitions and visibility of objects; and the operators `~` and `~*`, which
//! the catalogs' clients write.

use crate::error::SqlError;
use crate::expr::ScalarFunction;
use crate::expr::eval::{Arguments, EvalContext, mistyped};
use crate::expr::objects::{cast_to_reg, objects, type_named};
use crate::expr::regex::is_match;
use crate::types::info::TypeInfo;
use crate::types::{DataType, Datum};

/// Computes a function whose arguments may be NULL.
///
/// # Errors
/// Those of its arguments.
pub fn of_any(function: ScalarFunction, arguments: &Arguments<'_>) -> Result<Datum, SqlError> {
    if function != ScalarFunction::FormatType {
        // Nothing has a comment: there is no COMMENT ON.
        return Ok(Datum::Null);
    }
    let (oid, modifier) = (arguments.get(0)?, arguments.get(1)?);
    let Datum::Int(oid) = *oid else { return Ok(Datum::Null) };
    let modifier = if let Datum::Int(modifier) = *modifier { Some(modifier) } else { None };
    Ok(Datum::Text(format_type(oid, modifier)))
}

/// Computes a function; no argument is NULL.
///
/// # Errors
/// XX000 where the catalog is not at hand; 2201B for a pattern that is none.
pub fn call(
    function: ScalarFunction,
    values: &[Datum],
    context: &EvalContext<'_>,
) -> Result<Datum, SqlError> {
    use ScalarFunction as F;
    match (function, values) {
        (F::Regex | F::RegexInsensitive, [Datum::Text(value), Datum::Text(pattern)]) => {
            is_match(value, pattern, function == F::RegexInsensitive).map(Datum::Bool)
        }
        (F::ExprText, [Datum::Text(expr), ..]) => Ok(Datum::Text(expr.clone())),
        (F::ToRegclass, [name]) => match cast_to_reg(name.clone(), DataType::Regclass, context) {
            Err(_) if context.objects.is_some() => Ok(Datum::Null),
            found => found,
        },
        (F::ToRegtype, [Datum::Text(name)]) if type_named(name).is_none() => Ok(Datum::Null),
        (F::ToRegtype, [name]) => cast_to_reg(name.clone(), DataType::Regtype, context),
        (F::EncodingName, [Datum::Int(number)]) => Ok(Datum::Text(encoding_name(*number).to_owned())),
        (F::TypeIsVisible, [Datum::Int(oid)]) => Ok(type_of(*oid).map_or(Datum::Null, |_| Datum::Bool(true))),
        (F::IndexDefinition, [Datum::Int(oid), Datum::Int(number), _]) if *number != 0 => {
            let objects = objects(context)?;
            let column = u32::try_from(*oid).ok().zip(usize::try_from(*number).ok());
            let found = column.and_then(|(oid, number)| objects.index_column(oid, number));
            Ok(found.map_or(Datum::Null, Datum::Text))
        }
        (_, [Datum::Int(oid), ..]) => of_object(function, *oid, context),
        _ => Err(mistyped(function.name())),
    }
}

/// A function of the number of an object that the catalog knows.
#[expect(clippy::wildcard_enum_match_arm, reason = "of all functions only those of this file come here")]
fn of_object(function: ScalarFunction, oid: i64, context: &EvalContext<'_>) -> Result<Datum, SqlError> {
    use ScalarFunction as F;
    let objects = objects(context)?;
    let oid = u32::try_from(oid).unwrap_or_default();
    let text = |text: Option<String>| text.map_or(Datum::Null, Datum::Text);
    Ok(match function {
        F::TableIsVisible => {
            objects.relation_name(oid).map_or(Datum::Null, |relation| Datum::Bool(relation.is_visible))
        }
        F::RoleName => Datum::Text(objects.role_name(oid).unwrap_or_else(|| format!("unknown (OID={oid})"))),
        F::IndexDefinition => text(objects.index_definition(oid)),
        F::ConstraintDefinition => text(objects.constraint_definition(oid)),
        _ => return Err(mistyped(function.name())),
    })
}

fn encoding_name(number: i64) -> &'static str {
    match number {
        0 => "SQL_ASCII",
        6 => "UTF8",
        _ => "",
    }
}

fn type_of(oid: i64) -> Option<&'static TypeInfo> {
    u32::try_from(oid).ok().and_then(TypeInfo::by_oid)
}

/// A type as it would be written, with the length, precision and scale of a modifier.
fn format_type(oid: i64, modifier: Option<i64>) -> String {
    if oid == 0 {
        return "-".to_owned();
    }
    let Some(info) = type_of(oid) else { return "???".to_owned() };
    let Some(modifier) = modifier else { return info.name.to_owned() };
    // Less the length of a header that PostgreSQL counts in.
    let number = modifier - 4;
    let length = u32::try_from(number).ok();
    if matches!(info.base, DataType::Char { .. }) && length.is_none() {
        return info.catalog_name.to_owned();
    }
    match (info.base, length) {
        (DataType::Varchar { .. }, length_max) => DataType::Varchar { length_max },
        (DataType::Char { .. }, length) => DataType::Char { length },
        (DataType::Numeric { .. }, Some(both)) => {
            // The scale has eleven bits and a sign.
            let scale = i32::try_from(both & 0x7ff).unwrap_or_default();
            DataType::Numeric { precision: Some(both >> 16), scale: (scale ^ 1_024) - 1_024 }
        }
        (base, _) => base,
    }
    .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_formatted_as_they_were_declared() {
        for (data_type, name) in [
            (DataType::Int4, "integer"),
            (DataType::Varchar { length_max: Some(5) }, "character varying(5)"),
            (DataType::Varchar { length_max: None }, "character varying"),
            (DataType::Char { length: Some(3) }, "character(3)"),
            (DataType::Char { length: None }, "bpchar"),
            (DataType::Numeric { precision: Some(10), scale: 2 }, "numeric(10,2)"),
            (DataType::Numeric { precision: Some(10), scale: -2 }, "numeric(10,-2)"),
            (DataType::NUMERIC, "numeric"),
            (DataType::TimestampTz, "timestamp with time zone"),
        ] {
            let info = data_type.info();
            let modifier = info.parameters.map_or(-1, |parameters| (parameters.modifier)(data_type));
            assert_eq!(format_type(info.wire.oid.into(), Some(modifier.into())), name);
        }
        assert_eq!(format_type(1_042, None), "character");
        assert_eq!(format_type(99_999, Some(-1)), "???");
    }
}
