//! What GROUP BY and ORDER BY may name besides columns: positions and names of the select list.

use super::Binder;
use super::aggregate::has_aggregate;
use super::expr::Place;
use super::scope::Scope;
use crate::error::{SqlError, SqlState};
use crate::expr::{Expr, SortKey};
use crate::parser::ast;
use crate::parser::ast::ExprKind;
use crate::plan::node::OutputColumn;
use crate::types::DataType;

/// One item of a select list, bound.
pub struct Output {
    /// Over the input row.
    pub expr: Expr,
    /// Its name in the result.
    pub name: String,
}

impl Output {
    /// As a column of the result.
    pub fn column(&self) -> OutputColumn {
        OutputColumn { name: self.name.clone(), data_type: self.expr.data_type() }
    }
}

/// The name that PostgreSQL gives to an item without alias.
pub fn name_of(expr: &ast::Expr) -> String {
    let name = match &expr.kind {
        ExprKind::Column { column, .. } => &column.value,
        ExprKind::Call { name, .. } => &name.value,
        // The name of what is cast where it has one of its own; otherwise the outermost type names the item.
        ExprKind::Cast { operand, data_type } if !has_own_name(operand) => type_name(*data_type),
        ExprKind::Cast { operand, .. } | ExprKind::Subscript { operand, .. } => return name_of(operand),
        ExprKind::Array(_) => "array",
        ExprKind::Case { otherwise: Some(otherwise), .. } if has_own_name(otherwise) => {
            return name_of(otherwise);
        }
        ExprKind::Case { .. } => "case",
        ExprKind::Null
        | ExprKind::Bool(_)
        | ExprKind::Number(_)
        | ExprKind::String(_)
        | ExprKind::Parameter(_)
        | ExprKind::Default
        | ExprKind::Unary(..)
        | ExprKind::Binary(..)
        | ExprKind::IsNull { .. }
        | ExprKind::IsTruth { .. }
        | ExprKind::IsDistinct { .. }
        | ExprKind::InList { .. }
        | ExprKind::Quantified { .. }
        | ExprKind::Between { .. }
        | ExprKind::Like { .. }
        | ExprKind::Regex { .. } => "?column?",
    };
    name.to_owned()
}

/// Whether the name of an expression is that of a column or function in it, not of a type or of `CASE`.
fn has_own_name(expr: &ast::Expr) -> bool {
    match &expr.kind {
        ExprKind::Column { .. } | ExprKind::Call { .. } | ExprKind::Array(_) => true,
        ExprKind::Cast { operand, .. } | ExprKind::Subscript { operand, .. } => has_own_name(operand),
        ExprKind::Case { otherwise, .. } => otherwise.as_deref().is_some_and(has_own_name),
        ExprKind::Bool(_)
        | ExprKind::Null
        | ExprKind::Number(_)
        | ExprKind::String(_)
        | ExprKind::Parameter(_)
        | ExprKind::Default
        | ExprKind::Unary(..)
        | ExprKind::Binary(..)
        | ExprKind::IsNull { .. }
        | ExprKind::IsTruth { .. }
        | ExprKind::IsDistinct { .. }
        | ExprKind::InList { .. }
        | ExprKind::Quantified { .. }
        | ExprKind::Between { .. }
        | ExprKind::Like { .. }
        | ExprKind::Regex { .. } => false,
    }
}

/// The catalog's name of a type, by which PostgreSQL names a cast: of an array type that of its elements.
fn type_name(data_type: DataType) -> &'static str {
    let data_type = data_type.element().unwrap_or(data_type);
    // Nothing decided it.
    if data_type == DataType::Unknown { DataType::TEXT } else { data_type }.info().catalog_name
}

impl Binder<'_> {
    /// The keys of GROUP BY over the input row. A name is a column first, then an item of the select list.
    pub(super) fn group_by(
        &self,
        keys: &[ast::Expr],
        outputs: &[Output],
        scope: &Scope,
    ) -> Result<Vec<Expr>, SqlError> {
        let mut bound = Vec::with_capacity(keys.len());
        for key in keys {
            let position = by_position(key, outputs, "GROUP BY")?;
            let is_column = matches!(&key.kind, ExprKind::Column { column, .. } if scope.has(&column.value));
            let named = if is_column { None } else { by_name(key, outputs, "GROUP BY")? };
            let expr = match position.or(named) {
                Some(output) => output.expr.clone(),
                None => {
                    let expr = self.expr(key, &Place::plain(scope, "GROUP BY"))?;
                    self.settle(expr, key.position)?
                }
            };
            if has_aggregate(&expr) {
                let message = "aggregate functions are not allowed in GROUP BY";
                return Err(SqlError::new(SqlState::GroupingError, message).at(key.position));
            }
            if !bound.contains(&expr) {
                bound.push(expr);
            }
        }
        Ok(bound)
    }

    /// The keys of ORDER BY over the input row. A name is an item of the select list first, then a column.
    pub(super) fn order_by(
        &self,
        keys: &[ast::OrderBy],
        outputs: &[Output],
        place: &Place<'_>,
    ) -> Result<Vec<SortKey>, SqlError> {
        let mut bound = Vec::with_capacity(keys.len());
        for key in keys {
            let output = match by_position(&key.expr, outputs, "ORDER BY")? {
                Some(output) => Some(output),
                None => by_name(&key.expr, outputs, "ORDER BY")?,
            };
            let expr = match output {
                Some(output) => output.expr.clone(),
                None => {
                    let expr = self.expr(&key.expr, place)?;
                    self.settle(expr, key.expr.position)?
                }
            };
            let nulls_first = key.nulls_first.unwrap_or(key.descending);
            bound.push(SortKey { expr, descending: key.descending, nulls_first });
        }
        Ok(bound)
    }
}

/// The item that an integer means.
fn by_position<'a>(
    key: &ast::Expr,
    outputs: &'a [Output],
    clause: &str,
) -> Result<Option<&'a Output>, SqlError> {
    let digits = match &key.kind {
        ExprKind::Number(digits) => digits,
        ExprKind::String(_) | ExprKind::Null | ExprKind::Bool(_) => {
            let message = format!("non-integer constant in {clause}");
            return Err(SqlError::new(SqlState::SyntaxError, message).at(key.position));
        }
        ExprKind::Parameter(_)
        | ExprKind::Column { .. }
        | ExprKind::Default
        | ExprKind::Unary(..)
        | ExprKind::Binary(..)
        | ExprKind::IsNull { .. }
        | ExprKind::IsTruth { .. }
        | ExprKind::IsDistinct { .. }
        | ExprKind::InList { .. }
        | ExprKind::Quantified { .. }
        | ExprKind::Between { .. }
        | ExprKind::Like { .. }
        | ExprKind::Regex { .. }
        | ExprKind::Case { .. }
        | ExprKind::Cast { .. }
        | ExprKind::Array(_)
        | ExprKind::Subscript { .. }
        | ExprKind::Call { .. } => return Ok(None),
    };
    let Ok(position) = digits.parse::<i32>() else {
        let message = format!("non-integer constant in {clause}");
        return Err(SqlError::new(SqlState::SyntaxError, message).at(key.position));
    };
    let index = usize::try_from(position).ok().and_then(|position| position.checked_sub(1));
    let found = index.and_then(|index| outputs.get(index));
    found.map(Some).ok_or_else(|| {
        let message = format!("{clause} position {position} is not in select list");
        SqlError::new(SqlState::InvalidColumnReference, message).at(key.position)
    })
}

/// The item whose name stands alone; several of the same name must mean the same.
fn by_name<'a>(key: &ast::Expr, outputs: &'a [Output], clause: &str) -> Result<Option<&'a Output>, SqlError> {
    let ExprKind::Column { table: None, column, .. } = &key.kind else { return Ok(None) };
    let mut named = outputs.iter().filter(|output| output.name == column.value);
    let first = named.next();
    if let Some(first) = first
        && named.any(|other| other.expr != first.expr)
    {
        let message = format!("{clause} \"{}\" is ambiguous", column.value);
        return Err(SqlError::new(SqlState::AmbiguousColumn, message).at(key.position));
    }
    Ok(first)
}
