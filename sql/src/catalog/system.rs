//! The relations of PostgreSQL's system catalogs and of the information schema that Quorate has: their columns. No key
//! holds their rows, which are computed from what a node knows ([`crate::system`]); here is what a statement binds with.

use std::sync::{Arc, LazyLock};

use super::descriptor::{ColumnDescriptor, TableDescriptor};
use super::index_descriptor::IndexDescriptor;
use crate::types::DataType;
use crate::types::info::TypeInfo;

mod columns;
mod schema;

pub use columns::SystemTable;
pub use schema::{Form, Schema};

impl SystemTable {
    /// The relation of this name in a schema, or where an unqualified name is looked for.
    pub fn find(schema: Option<Schema>, name: &str) -> Option<Self> {
        let schema = schema.unwrap_or(Schema::Catalog);
        Self::ALL.iter().copied().find(|table| table.schema() == schema && table.name() == name)
    }

    /// Whether PostgreSQL 15 has a relation of this name in a schema of its own that Quorate does not offer.
    pub fn is_lacking(schema: Schema, name: &str) -> bool {
        let known = include_str!("system/postgres.txt");
        let is_known = match schema {
            Schema::Catalog => known.lines().any(|line| line == name),
            Schema::Information => known.lines().any(|line| {
                line.strip_prefix("information_schema.").is_some_and(|relation| relation == name)
            }),
            Schema::Public => false,
        };
        is_known && Self::find(Some(schema), name).is_none()
    }

    /// The relation with this number.
    pub fn by_oid(oid: u32) -> Option<Self> {
        Self::ALL.iter().copied().find(|table| table.oid() == oid)
    }

    /// Its columns, as a table's. It has id 0, and a key without columns.
    pub fn descriptor(self) -> &'static Arc<TableDescriptor> {
        static DESCRIPTORS: LazyLock<Vec<Arc<TableDescriptor>>> =
            LazyLock::new(|| SystemTable::ALL.iter().map(|table| Arc::new(table.described())).collect());
        let place = Self::ALL.iter().position(|table| *table == self).unwrap_or_default();
        DESCRIPTORS.get(place).expect("each system relation has a descriptor")
    }

    fn described(self) -> TableDescriptor {
        let columns = (1..).zip(self.columns().split(',')).map(|(id, text)| column(id, text.trim()));
        let indexes = vec![IndexDescriptor::primary(self.name(), [])];
        TableDescriptor::new(self.name().to_owned(), columns.collect(), indexes)
    }
}

/// A column of its name and type; `!` behind them says that it is never NULL.
fn column(id: u32, text: &str) -> ColumnDescriptor {
    let (text, nullable) = match text.strip_suffix('!') {
        Some(text) => (text, false),
        None => (text, true),
    };
    let (name, type_name) = text.split_once(' ').unwrap_or((text, "text"));
    ColumnDescriptor {
        id,
        name: name.to_owned(),
        data_type: type_named(type_name),
        nullable,
        default: None,
        hidden: false,
        identity: None,
    }
}

/// The type of a column. What is of a type that Quorate does not have is the text that PostgreSQL shows of it.
fn type_named(name: &str) -> DataType {
    if let Some(element) = name.strip_suffix("[]") {
        return type_named(element).array().unwrap_or(DataType::Text);
    }
    match name {
        "yes_or_no" => DataType::Varchar { length_max: Some(3) },
        name => TypeInfo::by_catalog_name(name).map_or(DataType::Text, |info| info.base),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_have_types_that_exist() {
        for table in SystemTable::ALL {
            for text in table.columns().split(',') {
                let (name, type_name) = text.trim().trim_end_matches('!').split_once(' ').unwrap();
                let is_known = type_name == "yes_or_no" || TypeInfo::by_catalog_name(type_name).is_some();
                let is_array = type_name.ends_with("[]") && type_named(type_name).element().is_some();
                assert!(
                    is_known || is_array || type_name == "anyarray",
                    "{}.{name} {type_name}",
                    table.name()
                );
            }
            assert_eq!(SystemTable::find(Some(table.schema()), table.name()), Some(*table));
            assert_eq!(SystemTable::by_oid(table.oid()), Some(*table));
        }
    }
}
