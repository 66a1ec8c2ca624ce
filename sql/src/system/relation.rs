//! A relation as the system catalogs show it: a table, or one of themselves.

use crate::catalog::descriptor::{ColumnDescriptor, TableDescriptor};
use crate::catalog::index_descriptor::{IndexDescriptor, IndexKind};
use crate::catalog::oids::{index_oid, table_oid};
use crate::catalog::system::{Form, Schema, SystemTable};

/// A relation.
#[derive(Clone, Copy, Debug)]
pub enum Relation<'a> {
    /// One of the system catalogs.
    System(SystemTable),
    /// A table.
    User(&'a TableDescriptor),
}

impl<'a> Relation<'a> {
    /// Its number.
    pub fn oid(&self) -> u32 {
        match self {
            Self::System(table) => table.oid(),
            Self::User(table) => table_oid(table.id),
        }
    }

    /// Its schema.
    pub fn schema(&self) -> Schema {
        match self {
            Self::System(table) => table.schema(),
            Self::User(_) => Schema::Public,
        }
    }

    /// What PostgreSQL calls it.
    pub fn form(&self) -> Form {
        match self {
            Self::System(table) => table.form(),
            Self::User(_) => Form::Table,
        }
    }

    /// Whether it is a table of a user.
    pub fn is_user(&self) -> bool {
        matches!(self, Self::User(_))
    }

    /// Its descriptor.
    pub fn descriptor(&self) -> &'a TableDescriptor {
        match self {
            Self::System(table) => table.descriptor(),
            Self::User(table) => table,
        }
    }

    /// Columns that can be named.
    pub fn columns(&self) -> impl Iterator<Item = &'a ColumnDescriptor> {
        self.descriptor().columns.iter().filter(|column| !column.hidden)
    }

    /// Its indexes, apart from one over a hidden column.
    pub fn indexes(&self) -> Vec<Index<'a>> {
        let table = match self {
            Self::System(_) => return Vec::new(),
            Self::User(table) => *table,
        };
        table.indexes.iter().filter_map(|index| Index::of(table, index)).collect()
    }
}

/// An index of a table, over columns that can be named.
#[derive(Clone, Debug)]
pub struct Index<'a> {
    /// Its table.
    pub table: &'a TableDescriptor,
    /// Itself.
    pub index: &'a IndexDescriptor,
    /// The columns of its keys.
    pub columns: Vec<&'a ColumnDescriptor>,
}

impl<'a> Index<'a> {
    fn of(table: &'a TableDescriptor, index: &'a IndexDescriptor) -> Option<Self> {
        let column = |id| table.columns.iter().find(|column| column.id == id && !column.hidden);
        let columns = index.column_ids().map(column).collect::<Option<Vec<_>>>()?;
        Some(Self { table, index, columns })
    }

    /// Its number.
    pub fn oid(&self) -> u32 {
        index_oid(self.table, self.index)
    }

    /// Whether it is the table's primary key.
    pub fn is_primary(&self) -> bool {
        match self.index.kind {
            IndexKind::Primary => true,
        }
    }

    /// Whether no key of it is there twice.
    pub fn is_unique(&self) -> bool {
        match self.index.kind {
            IndexKind::Primary => true,
        }
    }

    /// Its columns as they are written, each with its direction.
    pub fn columns_text(&self) -> String {
        let directions = self.index.columns.iter().map(|column| column.descending);
        let text = |(column, descending): (&&ColumnDescriptor, bool)| {
            let name = crate::functions::quoting::ident(&column.name);
            if descending { format!("{name} DESC") } else { name }
        };
        self.columns.iter().zip(directions).map(text).collect::<Vec<_>>().join(", ")
    }
}
