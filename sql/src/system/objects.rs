//! Names and numbers of objects, for expressions.

use super::relation::Relation;
use super::state::SystemState;
use super::{roles, type_facts};
use crate::catalog::oids::{ids_of, table_oid};
use crate::catalog::system::{Schema, SystemTable};
use crate::catalog::view::CatalogView;
use crate::expr::objects::{Objects, RelationName};
use crate::functions::quoting::ident;

/// An index by its number: what a statement or a clause says of it.
struct IndexText {
    name: String,
    table: String,
    columns: String,
    is_unique: bool,
    is_primary: bool,
}

impl SystemState<'_> {
    fn index_text(&self, oid: u32) -> Option<IndexText> {
        let (table_id, index_id) = ids_of(oid);
        let (catalog, index_id) = (self.catalog(), index_id?);
        let table = catalog.table_by_id(table_id)?;
        let indexes = Relation::User(table).indexes();
        let index = indexes.iter().find(|index| index.index.id == index_id)?;
        Some(IndexText {
            name: index.index.name.clone(),
            table: table.name.clone(),
            columns: index.columns_text(),
            is_unique: index.is_unique(),
            is_primary: index.is_primary(),
        })
    }
}

impl Objects for SystemState<'_> {
    fn relation(&self, schema: Option<&str>, name: &str) -> Option<u32> {
        let schema = match schema {
            Some(schema) => Some(Schema::named(schema)?),
            None => None,
        };
        if schema != Some(Schema::Public)
            && let Some(table) = SystemTable::find(schema, name)
        {
            return Some(table.oid());
        }
        if !matches!(schema, None | Some(Schema::Public)) {
            return None;
        }
        let catalog = self.catalog();
        if let Some(table) = catalog.table(name) {
            return Some(table_oid(table.id));
        }
        if let Some(sequence) = catalog.sequence(name) {
            return Some(table_oid(sequence.id));
        }
        // Only a table has an index of its name in front: others are looked for one by one.
        catalog.tables().find_map(|table| {
            let indexes = Relation::User(table).indexes();
            indexes.iter().find(|index| index.index.name == name).map(super::relation::Index::oid)
        })
    }

    fn relation_name(&self, oid: u32) -> Option<RelationName> {
        if let Some(table) = SystemTable::by_oid(oid) {
            let (schema, name) = (table.schema(), table.name().to_owned());
            let is_visible = schema == Schema::Catalog;
            return Some(RelationName { schema: schema.name(), name, is_visible });
        }
        let (table_id, index_id) = ids_of(oid);
        let catalog = self.catalog();
        let name = match index_id {
            Some(_) => self.index_text(oid)?.name,
            None => match catalog.table_by_id(table_id) {
                Some(table) => table.name.clone(),
                None => catalog.sequence_by_id(table_id)?.name.clone(),
            },
        };
        // A relation of the catalogs that has the same name is found first.
        let is_visible = SystemTable::find(None, &name).is_none();
        Some(RelationName { schema: Schema::Public.name(), name, is_visible })
    }

    fn function(&self, name: &str) -> Option<u32> {
        type_facts::function_named(name)
    }

    fn function_name(&self, oid: u32) -> Option<String> {
        type_facts::function_name(oid).map(str::to_owned)
    }

    fn schema(&self, name: &str) -> Option<u32> {
        Schema::named(name).map(Schema::oid)
    }

    fn schema_name(&self, oid: u32) -> Option<&'static str> {
        Schema::ALL.into_iter().find(|schema| schema.oid() == oid).map(Schema::name)
    }

    fn role_name(&self, oid: u32) -> Option<String> {
        roles::all(self).into_iter().find(|(known, _)| *known == oid).map(|(_, name)| name)
    }

    fn index_definition(&self, oid: u32) -> Option<String> {
        let index = self.index_text(oid)?;
        let unique = if index.is_unique { "UNIQUE " } else { "" };
        let (name, table, columns) = (ident(&index.name), ident(&index.table), index.columns);
        Some(format!("CREATE {unique}INDEX {name} ON public.{table} USING btree ({columns})"))
    }

    fn index_column(&self, oid: u32, number: usize) -> Option<String> {
        let (table_id, index_id) = ids_of(oid);
        let (catalog, index_id) = (self.catalog(), index_id?);
        let indexes = Relation::User(catalog.table_by_id(table_id)?).indexes();
        let index = indexes.iter().find(|index| index.index.id == index_id)?;
        let column = number.checked_sub(1).and_then(|at| index.columns.get(at));
        Some(column.map_or_else(String::new, |column| ident(&column.name)))
    }

    fn constraint_definition(&self, oid: u32) -> Option<String> {
        let index = self.index_text(oid)?;
        let kind = if index.is_primary { "PRIMARY KEY" } else { "UNIQUE" };
        index.is_unique.then(|| format!("{kind} ({})", index.columns))
    }
}
