//! The default of a column as PostgreSQL writes it.

use crate::catalog::descriptor::ColumnDescriptor;
use crate::catalog::snapshot::CatalogSnapshot;
use crate::expr::{Expr, ScalarFunction};
use crate::functions::quoting;
use crate::plan::explain::expr_text;
use crate::types::{DataType, Datum, text};

/// The default, where the column has one; an identity column has something else.
pub fn default_text(column: &ColumnDescriptor, catalog: &CatalogSnapshot) -> Option<String> {
    let default = column.default.as_ref().filter(|_| column.identity.is_none())?;
    let name = next_value_of(default).and_then(|id| catalog.sequence_by_id(id)).map(|found| &found.name);
    Some(match name {
        Some(name) => format!("nextval({}::regclass)", quoting::literal(&quoting::ident(name))),
        None => written(default),
    })
}

/// The sequence whose next value a default is, perhaps as one of the column's type.
pub fn next_value_of(default: &Expr) -> Option<u64> {
    if let Expr::Cast { operand, .. } = default {
        return operand.sequence();
    }
    default.sequence()
}

fn written(expr: &Expr) -> String {
    if let Expr::Literal(value, data_type) = expr {
        return literal(value, *data_type);
    }
    // What brings a constant to the column's type is not shown.
    if let Expr::Cast { operand, .. } = expr
        && let Expr::Literal(value, data_type) = operand.as_ref()
    {
        return literal(value, *data_type);
    }
    if let Expr::Cast { operand, to, .. } = expr
        && let Expr::Call { function: ScalarFunction::Now, .. } = operand.as_ref()
    {
        if *to == DataType::Date {
            return "CURRENT_DATE".to_owned();
        }
        if *to == DataType::Timestamp {
            return "LOCALTIMESTAMP".to_owned();
        }
    }
    expr_text(expr, &[])
}

/// A constant, with its type where its text alone does not tell it.
fn literal(value: &Datum, data_type: DataType) -> String {
    let info = data_type.info();
    let type_name = if matches!(info.base, DataType::Char { .. }) { info.catalog_name } else { info.name };
    let Some(shown) = text::to_text(value, &data_type) else { return format!("NULL::{type_name}") };
    if let Datum::Bool(value) = value {
        return value.to_string();
    }
    let is_plain = shown.starts_with(|c: char| c.is_ascii_digit());
    if data_type.is_number() && is_plain {
        return shown;
    }
    let is_small = matches!(value, Datum::Int(value) if i32::try_from(*value).is_ok());
    let type_name = if is_small { DataType::Int4.info().name } else { type_name };
    format!("'{}'::{type_name}", shown.replace('\'', "''"))
}
