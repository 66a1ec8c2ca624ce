//! Numbers of tables and indexes as PostgreSQL's clients know them: 32 bits, made of ids that are never given twice.
//!
//! ```text
//! OID of a table    table id (24 bits) · 0
//! OID of an index   table id (24 bits) · index id (8 bits)
//! ```
//!
//! Both have their own, as both are in `pg_class`. Ids of tables begin far above 64, so that the numbers lie above those
//! that PostgreSQL keeps for itself (below 16,384). Of the 16.7 millionth table on, numbers come again.

use super::descriptor::TableDescriptor;
use super::index_descriptor::IndexDescriptor;

/// The number of a table with this id.
pub fn table_oid(id: u64) -> u32 {
    u32::try_from((id << 8) & u64::from(u32::MAX)).unwrap_or_default()
}

/// The number of an index.
pub fn index_oid(table: &TableDescriptor, index: &IndexDescriptor) -> u32 {
    table_oid(table.id) | u32::from(index.id)
}

/// The ids of the table and, where it is one, the index with this number.
pub fn ids_of(oid: u32) -> (u64, Option<u8>) {
    let index = oid.to_be_bytes()[3];
    (u64::from(oid >> 8), (index != 0).then_some(index))
}

/// The number of a column's default: clients only tell one from another by it.
pub fn default_oid(table: &TableDescriptor, column_id: u32) -> u32 {
    table_oid(table.id).wrapping_mul(8).wrapping_add(column_id)
}
