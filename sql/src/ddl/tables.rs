//! Tables and their names in range 1, as transactions read and write them.

use quorate_engine::codec::CodecError;
use quorate_engine::kv::{KvError, Transaction, Write};

use crate::catalog::descriptor::TableDescriptor;
use crate::catalog::{descriptor_format, keys};

/// The id of the table of this name.
pub(super) async fn read_table_id(
    transaction: &mut dyn Transaction,
    name: &str,
) -> Result<Option<u64>, KvError> {
    match transaction.get_many(vec![keys::name_key(name)]).await?.first() {
        Some(Some(value)) => keys::number_of(Some(value), 0).map(Some).map_err(damaged),
        Some(None) | None => Ok(None),
    }
}

/// The table with this id, as stored.
pub(super) async fn read_table(
    transaction: &mut dyn Transaction,
    id: u64,
) -> Result<Option<TableDescriptor>, KvError> {
    let stored = transaction.get_many(vec![keys::descriptor_key(id)]).await?.pop().flatten();
    stored.map(|bytes| descriptor_format::decode(&bytes).map_err(damaged)).transpose()
}

/// Buffers a table's descriptor.
pub(super) fn write_descriptor(
    transaction: &mut dyn Transaction,
    table: &TableDescriptor,
) -> Result<(), KvError> {
    transaction.write(Write::put(keys::descriptor_key(table.id), descriptor_format::encode(table).into()))
}

/// Buffers a table: its name and its descriptor.
pub(super) fn write_table(transaction: &mut dyn Transaction, table: &TableDescriptor) -> Result<(), KvError> {
    transaction.write(Write::put(keys::name_key(&table.name), keys::number_value(table.id)))?;
    write_descriptor(transaction, table)
}

/// Buffers that a table is gone.
pub(super) fn write_no_table(
    transaction: &mut dyn Transaction,
    table: &TableDescriptor,
) -> Result<(), KvError> {
    transaction.write(Write::delete(keys::name_key(&table.name)))?;
    transaction.write(Write::delete(keys::descriptor_key(table.id)))
}

/// Bytes of range 1 that cannot be read.
pub(super) fn damaged(error: CodecError) -> KvError {
    KvError::Storage(error.to_string())
}
