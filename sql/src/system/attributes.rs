//! `pg_attribute`: columns of relations and of their indexes. Numbers are those of the columns' ids, which stay what they
//! are.

use super::relation::{Index, Relation};
use super::type_facts;
use super::values::{flag, nulls, number, text};
use crate::catalog::descriptor::{ColumnDescriptor, Identity};
use crate::types::Row;

/// `pg_attribute`.
pub fn attributes(relation: &Relation<'_>) -> Vec<Row> {
    let own = relation.columns().map(|column| Attribute {
        relation: relation.oid(),
        number: column.id,
        column,
        not_null: !column.nullable,
        has_default: column.default.is_some() && column.identity.is_none(),
    });
    let indexes = relation.indexes();
    let of_indexes = indexes.iter().flat_map(of_index);
    own.chain(of_indexes).map(|attribute| attribute.row()).collect()
}

/// Columns of an index count from 1.
fn of_index<'a>(index: &Index<'a>) -> Vec<Attribute<'a>> {
    let numbered = (1..).zip(&index.columns);
    let attribute = |(number, column): (u32, &&'a ColumnDescriptor)| Attribute {
        relation: index.oid(),
        number,
        column,
        not_null: false,
        has_default: false,
    };
    numbered.map(attribute).collect()
}

struct Attribute<'a> {
    relation: u32,
    number: u32,
    column: &'a ColumnDescriptor,
    not_null: bool,
    has_default: bool,
}

impl Attribute<'_> {
    fn row(&self) -> Row {
        let data_type = self.column.data_type;
        let info = data_type.info();
        let modifier = info.parameters.map_or(-1, |parameters| (parameters.modifier)(data_type));
        let facts = type_facts::of(info.wire.oid);
        let by_value = facts.as_ref().is_some_and(|facts| facts.by_value);
        let letter = |letter: fn(&type_facts::TypeFacts) -> &'static str, other: &str| match &facts {
            Some(facts) => text(letter(facts)),
            None => text(other),
        };
        let mut row = vec![number(self.relation), text(&self.column.name), number(info.wire.oid)];
        let dimensions = number(u8::from(data_type.element().is_some()));
        row.extend([number(-1), number(info.wire.size), number(self.number), dimensions, number(-1)]);
        row.extend([number(modifier), flag(by_value), letter(|facts| facts.alignment, "i")]);
        row.extend([letter(|facts| facts.storage, "x"), text(""), flag(self.not_null)]);
        let identity = match self.column.identity {
            Some(Identity::Always) => "a",
            Some(Identity::ByDefault) => "d",
            None => "",
        };
        row.extend([flag(self.has_default), flag(false), text(identity), text(""), flag(false), flag(true)]);
        row.extend([number(0), number(facts.as_ref().map_or(0, |facts| facts.collation))]);
        row.extend(nulls(4));
        row
    }
}
