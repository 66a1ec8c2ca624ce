//! `pg_index`, `pg_constraint` and `pg_attrdef`.

use super::default_text::default_text;
use super::relation::{Index, Relation};
use super::type_facts;
use super::values::{array, count, flag, nulls, number, text};
use crate::catalog::descriptor::ColumnDescriptor;
use crate::catalog::oids::default_oid;
use crate::catalog::snapshot::CatalogSnapshot;
use crate::types::Row;

/// `DESC NULLS FIRST`, as PostgreSQL writes it in bits.
const DESCENDING: &str = "3";

/// `pg_index`.
pub fn indexes(relation: &Relation<'_>) -> Vec<Row> {
    relation.indexes().iter().map(|index| index_row(relation, index)).collect()
}

fn index_row(relation: &Relation<'_>, index: &Index<'_>) -> Row {
    let (yes, no) = (|| flag(true), || flag(false));
    let spaced = |words: Vec<String>| text(words.join(" "));
    let collation = |oid| type_facts::of(oid).map_or(0, |facts| facts.collation).to_string();
    let columns = || index.columns.iter();
    let mut row = vec![number(index.oid()), number(relation.oid())];
    row.extend([count(index.columns.len()), count(index.columns.len()), flag(index.is_unique()), no()]);
    row.extend([flag(index.is_primary()), no(), yes(), no(), yes(), no(), yes(), yes(), no()]);
    row.push(spaced(columns().map(|column| column.id.to_string()).collect()));
    row.push(spaced(columns().map(|column| collation(column.data_type.info().wire.oid)).collect()));
    // There are no operator classes to choose from.
    row.push(spaced(columns().map(|_| "0".to_owned()).collect()));
    let option = |descending: bool| if descending { DESCENDING } else { "0" };
    row.push(spaced(index.index.columns.iter().map(|key| option(key.descending).to_owned()).collect()));
    row.extend(nulls(2));
    row
}

/// `pg_constraint`: primary keys and unique indexes. NOT NULL is the column's own.
pub fn constraints(relation: &Relation<'_>) -> Vec<Row> {
    let indexes = relation.indexes();
    let unique = indexes.iter().filter(|index| index.is_unique());
    unique.map(|index| constraint_row(relation, index)).collect()
}

fn constraint_row(relation: &Relation<'_>, index: &Index<'_>) -> Row {
    let kind = if index.is_primary() { "p" } else { "u" };
    let columns = index.columns.iter().map(|column| number(column.id)).collect();
    let mut row = vec![number(index.oid()), text(&index.index.name), number(relation.schema().oid())];
    row.extend([text(kind), flag(false), flag(false), flag(true), number(relation.oid()), number(0)]);
    row.extend([number(index.oid()), number(0), number(0), text(" "), text(" "), text(" ")]);
    row.extend([flag(true), number(0), flag(true), array(columns)]);
    row.extend(nulls(7));
    row
}

/// `pg_attrdef`: defaults of columns.
pub fn defaults(relation: &Relation<'_>, catalog: &CatalogSnapshot) -> Vec<Row> {
    let table = relation.descriptor();
    let row = |column: &ColumnDescriptor| {
        let default = default_text(column, catalog)?;
        let oid = default_oid(table, column.id);
        Some(vec![number(oid), number(relation.oid()), number(column.id), text(default)])
    };
    relation.columns().filter_map(row).collect()
}
