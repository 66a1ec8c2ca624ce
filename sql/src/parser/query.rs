//! SELECT and VALUES of the grammar to ours.

use sqlparser::ast::{
    Distinct, Expr as SqlExpr, GroupByExpr, LimitClause, ObjectName, OrderByExpr, OrderByKind, OrderBySort,
    Query as SqlQuery, Select as SqlSelect, SelectFlavor, SelectItem as SqlItem,
    SelectItemQualifiedWildcardKind, SetExpr, TableAlias, TableFactor, TableWithJoins,
};

use super::ast::{Name, OrderBy, Query, QueryBody, Relation, Select, SelectItem, TableRef};
use super::expr::{Convert, refuse_literal};
use super::names::{Qualified, qualified};
use super::{Source, from, place};
use crate::error::SqlError;

/// A query.
///
/// # Errors
/// 0A000 for what Quorate lacks.
pub fn convert(source: &Source<'_>, query: SqlQuery) -> Result<Query, SqlError> {
    let position = source.positions.of(place::of_body(&query.body));
    let lacking = |what: &str| Err(SqlError::unsupported(what).at(position));
    if query.with.is_some() {
        return lacking("WITH");
    }
    if !query.locks.is_empty() {
        return lacking("SELECT FOR UPDATE or SHARE");
    }
    if query.for_clause.is_some() || query.settings.is_some() || query.format_clause.is_some() {
        return lacking("this clause of SELECT");
    }
    if !query.pipe_operators.is_empty() {
        return lacking("a pipe operator");
    }
    let convert = Convert::new(source);
    let order_by = match query.order_by.map(|order| order.kind) {
        None => Vec::new(),
        Some(OrderByKind::Expressions(keys)) => {
            keys.into_iter().map(|key| order_key(&convert, key)).collect::<Result<_, _>>()?
        }
        Some(OrderByKind::All(_)) => return lacking("ORDER BY ALL"),
    };
    let (mut limit, offset) = limits(&convert, query.limit_clause)?;
    if let Some(fetch) = query.fetch {
        if fetch.with_ties || fetch.percent {
            return lacking("FETCH WITH TIES or PERCENT");
        }
        let one = SqlExpr::value(sqlparser::ast::Value::Number("1".to_owned(), false));
        limit = Some(convert.expr(fetch.quantity.unwrap_or(one))?);
    }
    let outer = Query { body: QueryBody::Values(Vec::new()), order_by, limit, offset };
    body(source, *query.body, outer)
}

/// Puts a body into its query; parentheses around a whole query mean nothing.
fn body(source: &Source<'_>, body: SetExpr, outer: Query) -> Result<Query, SqlError> {
    let position = source.positions.of(place::of_body(&body));
    let bare = outer.order_by.is_empty() && outer.limit.is_none() && outer.offset.is_none();
    match body {
        SetExpr::Select(chosen) => {
            Ok(Query { body: QueryBody::Select(select(source, *chosen, position)?), ..outer })
        }
        SetExpr::Values(values) => {
            let convert = Convert::new(source);
            let rows =
                values.rows.into_iter().map(|row| convert.list(row.content)).collect::<Result<_, _>>()?;
            Ok(Query { body: QueryBody::Values(rows), ..outer })
        }
        SetExpr::Query(inner) if bare => convert(source, *inner),
        SetExpr::Query(inner) => {
            let inner = convert(source, *inner)?;
            if inner.order_by.is_empty() && inner.limit.is_none() && inner.offset.is_none() {
                return Ok(Query { body: inner.body, ..outer });
            }
            Err(SqlError::unsupported("ORDER BY or LIMIT both inside and outside of parentheses")
                .at(position))
        }
        SetExpr::SetOperation { op, .. } => Err(SqlError::unsupported(op).at(position)),
        SetExpr::Insert(_)
        | SetExpr::Update(_)
        | SetExpr::Delete(_)
        | SetExpr::Merge(_)
        | SetExpr::Table(_) => Err(SqlError::unsupported("this form of a query").at(position)),
    }
}

type MaybeExpr = Option<super::ast::Expr>;

fn limits(convert: &Convert<'_>, clause: Option<LimitClause>) -> Result<(MaybeExpr, MaybeExpr), SqlError> {
    match clause {
        None => Ok((None, None)),
        Some(LimitClause::LimitOffset { limit, offset, limit_by }) => {
            if !limit_by.is_empty() {
                return Err(SqlError::unsupported("LIMIT BY"));
            }
            let limit = limit.map(|limit| convert.expr(limit)).transpose()?;
            Ok((limit, offset.map(|offset| convert.expr(offset.value)).transpose()?))
        }
        Some(LimitClause::OffsetCommaLimit { .. }) => {
            Err(SqlError::unsupported("LIMIT offset, count").with_hint("Write LIMIT count OFFSET offset."))
        }
    }
}

fn order_key(convert: &Convert<'_>, key: OrderByExpr) -> Result<OrderBy, SqlError> {
    let expr = convert.expr(key.expr)?;
    let descending = match key.options.sort {
        None | Some(OrderBySort::Asc) => false,
        Some(OrderBySort::Desc) => true,
        Some(OrderBySort::Using(_)) => return Err(SqlError::unsupported("ORDER BY USING").at(expr.position)),
    };
    if key.with_fill.is_some() {
        return Err(SqlError::unsupported("WITH FILL").at(expr.position));
    }
    Ok(OrderBy { expr, descending, nulls_first: key.options.nulls_first })
}

fn select(source: &Source<'_>, select: SqlSelect, position: u32) -> Result<Select, SqlError> {
    let lacking = |what: &str| Err(SqlError::unsupported(what).at(position));
    let distinct = match select.distinct {
        None | Some(Distinct::All) => false,
        Some(Distinct::Distinct) => true,
        Some(Distinct::On(_)) => return lacking("DISTINCT ON"),
    };
    if select.into.is_some() {
        return lacking("SELECT INTO");
    }
    if !select.named_window.is_empty() {
        return lacking("WINDOW");
    }
    let foreign = select.top.is_some()
        || select.exclude.is_some()
        || !select.lateral_views.is_empty()
        || select.prewhere.is_some()
        || !select.connect_by.is_empty()
        || !select.cluster_by.is_empty()
        || !select.distribute_by.is_empty()
        || !select.sort_by.is_empty()
        || select.qualify.is_some()
        || select.value_table_mode.is_some()
        || select.select_modifiers.is_some()
        || select.flavor != SelectFlavor::Standard;
    if foreign {
        return lacking("this clause of SELECT");
    }
    let convert = Convert::new(source);
    let group_by = match select.group_by {
        GroupByExpr::Expressions(keys, modifiers) if modifiers.is_empty() => convert.list(keys)?,
        GroupByExpr::Expressions(..) | GroupByExpr::All(_) => return lacking("this form of GROUP BY"),
    };
    let items =
        select.projection.into_iter().map(|item| select_item(source, item)).collect::<Result<_, _>>()?;
    Ok(Select {
        distinct,
        items,
        from: relation(source, select.from)?,
        filter: select.selection.map(|filter| convert.expr(filter)).transpose()?,
        group_by,
        having: select.having.map(|having| convert.expr(having)).transpose()?,
    })
}

/// An item of a select list, or of RETURNING.
///
/// # Errors
/// 0A000 for what Quorate lacks.
pub fn select_item(source: &Source<'_>, item: SqlItem) -> Result<SelectItem, SqlError> {
    let convert = Convert::new(source);
    match item {
        SqlItem::UnnamedExpr(expr) => Ok(SelectItem::Expr { expr: convert.expr(expr)?, alias: None }),
        SqlItem::ExprWithAlias { expr, alias } => {
            // Behind AS any word is a name, so that reserved ones are not refused here.
            let position = source.positions.of(alias.span.start);
            refuse_literal(&alias, position)?;
            let value = if alias.quote_style.is_some() { alias.value } else { alias.value.to_lowercase() };
            Ok(SelectItem::Expr { expr: convert.expr(expr)?, alias: Some(Name { value, position }) })
        }
        SqlItem::Wildcard(options) => {
            let position = source.positions.of(options.wildcard_token.0.span.start);
            Ok(SelectItem::Wildcard { table: None, position })
        }
        SqlItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(name), _) => {
            let (_, table) = relation_name(source, name)?;
            Ok(SelectItem::Wildcard { position: table.position, table: Some(table) })
        }
        SqlItem::QualifiedWildcard(..) | SqlItem::ExprWithAliases { .. } => {
            Err(SqlError::unsupported("this item of a select list"))
        }
    }
}

fn relation(source: &Source<'_>, tables: Vec<TableWithJoins>) -> Result<Option<Relation>, SqlError> {
    let mut tables = tables.into_iter();
    let Some(first) = tables.next() else { return Ok(None) };
    if let Some(second) = tables.next() {
        let position = source.positions.of(place::of_table(&second.relation));
        return Err(SqlError::unsupported("JOIN (FROM with several tables)").at(position));
    }
    if first.joins.is_empty() && from::is_no_table(&first.relation) {
        return from::relation(source, first.relation).map(Some);
    }
    table(source, first).map(Relation::Table).map(Some)
}

/// A table, perhaps with an alias, and nothing else.
///
/// # Errors
/// 0A000 for joins, subqueries and functions.
pub fn table(source: &Source<'_>, table: TableWithJoins) -> Result<TableRef, SqlError> {
    let position = source.positions.of(place::of_table(&table.relation));
    if let Some(join) = table.joins.first() {
        let position = source.positions.of(place::of_table(&join.relation));
        return Err(SqlError::unsupported("JOIN").at(position));
    }
    let lacking = |what: &str| Err(SqlError::unsupported(what).at(position));
    match table.relation {
        TableFactor::Table {
            name, alias, args: None, version: None, sample: None, json_path: None, ..
        } => {
            let (qualifier, name) = relation_name(source, name)?;
            let alias = alias.map(|alias| self::alias(source, alias)).transpose()?;
            Ok(TableRef { qualifier, name, alias })
        }
        TableFactor::Table { args: Some(_), .. } | TableFactor::Function { .. } => {
            lacking("a function in FROM")
        }
        TableFactor::Derived { .. } => lacking("a subquery in FROM"),
        _ => lacking("this form of FROM"),
    }
}

fn alias(source: &Source<'_>, alias: TableAlias) -> Result<Name, SqlError> {
    let name = Convert::new(source).name(alias.name)?;
    if alias.columns.is_empty() {
        Ok(name)
    } else {
        Err(SqlError::unsupported("a table alias with columns").at(name.position))
    }
}

/// The name of a relation, and what stands before it; its position is that of the whole.
///
/// # Errors
/// 42601 for more than three parts.
pub fn relation_name(source: &Source<'_>, name: ObjectName) -> Result<Qualified, SqlError> {
    let parts = Convert::new(source).names(name)?;
    let position = parts.first().map_or(0, |part| part.position);
    let (qualifier, name) = qualified(parts)?;
    Ok((qualifier, Name { position, ..name }))
}

/// The name of a table that is changed; the schema `public` may stand before it.
///
/// # Errors
/// 0A000 for other schemas.
pub fn table_name(source: &Source<'_>, name: ObjectName) -> Result<Name, SqlError> {
    let mut parts = Convert::new(source).names(name)?;
    let table = parts.pop();
    match (table, parts.pop()) {
        (Some(table), None) => Ok(table),
        (Some(table), Some(schema)) if schema.value == "public" && parts.is_empty() => {
            Ok(Name { value: table.value, position: schema.position })
        }
        (_, Some(schema)) => {
            Err(SqlError::unsupported(format!("schema \"{}\"", schema.value)).at(schema.position))
        }
        (None, None) => Err(SqlError::unsupported("a table without a name")),
    }
}
