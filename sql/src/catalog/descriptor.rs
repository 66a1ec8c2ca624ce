//! The descriptor of a table: what range 1 stores of it and every node caches under its catalog lease.

use crate::expr::Expr;
use crate::types::DataType;

/// A table, at one version.
#[derive(Clone, Debug, PartialEq)]
pub struct TableDescriptor {
    /// Id, never reused; the prefix of all its keys.
    pub id: u64,
    /// Name, folded as PostgreSQL folds it.
    pub name: String,
    /// Version, raised by each change of this descriptor.
    pub version: u64,
    /// Columns in their declared order.
    pub columns: Vec<ColumnDescriptor>,
    /// Ids of the primary key's columns, in key order. A table without a declared key has a hidden `rowid` column.
    pub primary_key: Vec<u32>,
}

/// A column.
#[derive(Clone, Debug, PartialEq)]
pub struct ColumnDescriptor {
    /// Id within the table, never reused; tags the value in stored rows.
    pub id: u32,
    /// Name, folded.
    pub name: String,
    /// Type.
    pub data_type: DataType,
    /// NULL is allowed.
    pub nullable: bool,
    /// `DEFAULT`, bound without an input row.
    pub default: Option<Expr>,
    /// Not shown by `SELECT *`, not a target of INSERT (the hidden row id).
    pub hidden: bool,
}
