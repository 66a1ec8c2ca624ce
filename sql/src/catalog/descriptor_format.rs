//! A table's descriptor as stored in range 1.
//!
//! ```text
//! version (1, or 2 with types that came with it) | id | name | descriptor version | columns: id, name, type, nullable, hidden, optional default |
//!   primary key: column ids
//! ```

use quorate_engine::codec::CodecError;
use quorate_engine::codec::value::{Reader, Writer};

use super::descriptor::{ColumnDescriptor, TableDescriptor};
use crate::program::expr_format::{has_new_type, put_optional_expr, read_optional_expr};
use crate::storage::type_format::{is_of_version_2, put_type, read_type};

/// Newest version of the format that is read; it is written for tables with types that version 1 does not have.
pub const DESCRIPTOR_FORMAT_VERSION: u8 = 2;
const WHAT: &str = "table descriptor";

/// The descriptor's bytes.
pub fn encode(table: &TableDescriptor) -> Vec<u8> {
    let is_new = |column: &ColumnDescriptor| {
        is_of_version_2(column.data_type) || column.default.as_ref().is_some_and(has_new_type)
    };
    let version = if table.columns.iter().any(is_new) { DESCRIPTOR_FORMAT_VERSION } else { 1 };
    let mut out = Writer::versioned(version);
    out.u64(table.id).text(&table.name).u64(table.version).count(table.columns.len());
    for column in &table.columns {
        put_type(out.varint(u64::from(column.id)).text(&column.name), column.data_type);
        out.bool(column.nullable).bool(column.hidden);
        put_optional_expr(&mut out, column.default.as_ref());
    }
    out.count(table.primary_key.len());
    table.primary_key.iter().for_each(|id| {
        out.varint(u64::from(*id));
    });
    out.finish()
}

/// Reads a descriptor.
///
/// # Errors
/// Bytes that do not follow the format, or a newer version.
pub fn decode(bytes: &[u8]) -> Result<TableDescriptor, CodecError> {
    let (mut reader, _) = Reader::versioned(bytes, DESCRIPTOR_FORMAT_VERSION, WHAT)?;
    let id = reader.u64()?;
    let name = reader.text()?.to_owned();
    let version = reader.u64()?;
    let count = reader.items()?;
    let columns = (0..count).map(|_| read_column(&mut reader)).collect::<Result<Vec<_>, _>>()?;
    let count = reader.items()?;
    let primary_key = (0..count).map(|_| read_column_id(&mut reader)).collect::<Result<Vec<_>, _>>()?;
    reader.finish()?;
    Ok(TableDescriptor { id, name, version, columns, primary_key })
}

fn read_column(reader: &mut Reader<'_>) -> Result<ColumnDescriptor, CodecError> {
    Ok(ColumnDescriptor {
        id: read_column_id(reader)?,
        name: reader.text()?.to_owned(),
        data_type: read_type(reader)?,
        nullable: reader.bool()?,
        hidden: reader.bool()?,
        default: read_optional_expr(reader)?,
    })
}

fn read_column_id(reader: &mut Reader<'_>) -> Result<u32, CodecError> {
    let id = reader.varint()?;
    u32::try_from(id).map_err(|_| reader.invalid(id))
}
