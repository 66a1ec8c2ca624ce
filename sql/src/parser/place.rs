//! Where the grammar's trees stand in the text, found by walking down their left edge.
//!
//! sqlparser can tell the span of any tree, but recurses over all of it, which a long chain of conditions turns into a
//! deep stack; a loop down one edge is enough for a position. A place that is not found is position 0: not known.

use sqlparser::ast::{Expr, Ident, ObjectName, ObjectNamePart, SetExpr, TableFactor};
use sqlparser::tokenizer::Location;

/// The location of nothing.
const UNKNOWN: Location = Location { line: 0, column: 0 };

/// Where an expression starts.
pub fn of_expr(expr: &Expr) -> Location {
    let mut expr = expr;
    loop {
        expr = match expr {
            Expr::Identifier(name) => return name.span.start,
            Expr::CompoundIdentifier(names) => return of_first(names),
            Expr::Value(value) => return value.span.start,
            Expr::TypedString(typed) => return typed.value.span.start,
            Expr::Function(function) => return of_name(&function.name),
            Expr::Case { case_token, .. } => return case_token.0.span.start,
            Expr::Subquery(query) | Expr::Exists { subquery: query, .. } => return of_body(&query.body),
            Expr::Interval(interval) => &interval.value,
            Expr::BinaryOp { left, .. } | Expr::AnyOp { left, .. } | Expr::AllOp { left, .. } => left,
            Expr::IsNull(inner)
            | Expr::IsNotNull(inner)
            | Expr::IsTrue(inner)
            | Expr::IsNotTrue(inner)
            | Expr::IsFalse(inner)
            | Expr::IsNotFalse(inner)
            | Expr::IsUnknown(inner)
            | Expr::IsNotUnknown(inner)
            | Expr::IsDistinctFrom(inner, _)
            | Expr::IsNotDistinctFrom(inner, _)
            | Expr::Nested(inner)
            | Expr::InList { expr: inner, .. }
            | Expr::InSubquery { expr: inner, .. }
            | Expr::Between { expr: inner, .. }
            | Expr::Like { expr: inner, .. }
            | Expr::ILike { expr: inner, .. }
            | Expr::SimilarTo { expr: inner, .. }
            | Expr::UnaryOp { expr: inner, .. }
            | Expr::Cast { expr: inner, .. }
            | Expr::AtTimeZone { timestamp: inner, .. }
            | Expr::Collate { expr: inner, .. }
            | Expr::Extract { expr: inner, .. }
            | Expr::Ceil { expr: inner, .. }
            | Expr::Floor { expr: inner, .. }
            | Expr::Position { expr: inner, .. }
            | Expr::Substring { expr: inner, .. }
            | Expr::Trim { expr: inner, .. }
            | Expr::Overlay { expr: inner, .. }
            | Expr::CompoundFieldAccess { root: inner, .. } => inner,
            Expr::Array(array) => match array.elem.first() {
                Some(first) => first,
                None => return UNKNOWN,
            },
            Expr::Tuple(parts) => match parts.first() {
                Some(first) => first,
                None => return UNKNOWN,
            },
            _ => return UNKNOWN,
        };
    }
}

/// Where a query's body starts.
pub fn of_body(body: &SetExpr) -> Location {
    let mut body = body;
    loop {
        body = match body {
            SetExpr::Select(select) => return select.select_token.0.span.start,
            SetExpr::Values(values) => {
                return values.rows.first().map_or(UNKNOWN, |row| row.opening_token.0.span.start);
            }
            SetExpr::Query(query) => &query.body,
            SetExpr::SetOperation { left, .. } => left,
            SetExpr::Insert(_)
            | SetExpr::Update(_)
            | SetExpr::Delete(_)
            | SetExpr::Merge(_)
            | SetExpr::Table(_) => {
                return UNKNOWN;
            }
        };
    }
}

/// Where an item of FROM starts.
pub fn of_table(table: &TableFactor) -> Location {
    match table {
        TableFactor::Table { name, .. } | TableFactor::Function { name, .. } => of_name(name),
        TableFactor::Derived { subquery, .. } => of_body(&subquery.body),
        _ => UNKNOWN,
    }
}

/// Where a dotted name starts.
pub fn of_name(name: &ObjectName) -> Location {
    match name.0.first() {
        Some(ObjectNamePart::Identifier(ident)) => ident.span.start,
        Some(ObjectNamePart::Function(_)) | None => UNKNOWN,
    }
}

fn of_first(names: &[Ident]) -> Location {
    names.first().map_or(UNKNOWN, |name| name.span.start)
}
