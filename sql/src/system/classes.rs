//! `pg_class`, `pg_tables`, `pg_am`.

use std::sync::Arc;

use super::relation::{Index, Relation};
use super::roles::{OWNER, OWNER_OID};
use super::values::{NULL, count, flag, function, nulls, number, text};
use crate::catalog::oids::table_oid;
use crate::catalog::sequence::SequenceDescriptor;
use crate::catalog::snapshot::CatalogSnapshot;
use crate::catalog::system::{Form, Schema};
use crate::types::{Datum, Row};

/// How rows of a table are kept, by PostgreSQL's number.
const HEAP: u32 = 2;
/// How indexes are kept.
const BTREE: u32 = 403;
/// Columns that a sequence has as a relation.
const SEQUENCE_COLUMNS: usize = 3;

/// `pg_am`.
pub fn access_methods() -> Vec<Row> {
    vec![
        vec![number(HEAP), text("heap"), function("heap_tableam_handler", 3), text("t")],
        vec![number(BTREE), text("btree"), function("bthandler", 330), text("i")],
    ]
}

/// `pg_class`: the relation and its indexes.
pub fn classes(relation: &Relation<'_>) -> Vec<Row> {
    let indexes = relation.indexes();
    let (kind, method) = match relation.form() {
        Form::Table => ("r", HEAP),
        Form::View => ("v", 0),
    };
    let table = Class {
        oid: relation.oid(),
        name: &relation.descriptor().name,
        schema: relation.schema().oid(),
        method,
        kind,
        columns: relation.columns().count(),
        has_index: !indexes.is_empty(),
        identity: if relation.is_user() { "d" } else { "n" },
    };
    let mut rows = vec![table.row()];
    rows.extend(indexes.iter().map(|index| index_class(relation, index).row()));
    rows
}

/// `pg_class`: sequences.
pub fn sequences(catalog: &CatalogSnapshot) -> Vec<Row> {
    let class = |sequence: &Arc<SequenceDescriptor>| {
        let (oid, schema) = (table_oid(sequence.id), Schema::Public.oid());
        let columns = SEQUENCE_COLUMNS;
        let (kind, identity, has_index) = ("S", "n", false);
        Class { oid, name: &sequence.name, schema, method: 0, kind, columns, has_index, identity }.row()
    };
    catalog.sequences().map(class).collect()
}

fn index_class<'a>(relation: &Relation<'_>, index: &Index<'a>) -> Class<'a> {
    Class {
        oid: index.oid(),
        name: &index.index.name,
        schema: relation.schema().oid(),
        method: BTREE,
        kind: "i",
        columns: index.columns.len(),
        has_index: false,
        identity: "n",
    }
}

/// What differs between rows of `pg_class`.
struct Class<'a> {
    oid: u32,
    name: &'a str,
    schema: u32,
    method: u32,
    kind: &'a str,
    columns: usize,
    has_index: bool,
    identity: &'a str,
}

impl Class<'_> {
    fn row(&self) -> Row {
        let zero = || number(0);
        let no = || flag(false);
        let stored = if self.kind == "v" { 0 } else { self.oid };
        let mut row: Vec<Datum> = vec![number(self.oid), text(self.name), number(self.schema)];
        // Neither a type of its rows nor one that it was made of.
        row.extend([zero(), zero(), number(OWNER_OID), number(self.method), number(stored), zero()]);
        // Pages are not counted; -1 rows says that nobody has counted them.
        let tuples = if self.kind == "v" { 0.0 } else { -1.0 };
        row.extend([zero(), Datum::Float(tuples), zero(), zero(), flag(self.has_index), no()]);
        row.extend([text("p"), text(self.kind), count(self.columns), zero()]);
        row.extend([no(), no(), no(), no(), no(), flag(true), text(self.identity), no()]);
        row.extend([zero(), zero(), zero()]);
        row.extend(nulls(3));
        row
    }
}

/// `pg_tables`.
pub fn tables(relation: &Relation<'_>) -> Vec<Row> {
    if relation.form() == Form::View {
        return Vec::new();
    }
    let mut row = vec![text(relation.schema().name()), text(&relation.descriptor().name), text(OWNER)];
    row.extend([NULL, flag(!relation.indexes().is_empty()), flag(false), flag(false), flag(false)]);
    vec![row]
}
