//! A table's descriptor as stored in range 1.
//!
//! ```text
//! version | id | name | descriptor version | columns: id, name, type, nullable, hidden, optional default,
//!                                                     from 4 on 0, or identity: 1 always, 2 by default |
//!   1, 2   primary key: column ids
//!   3, …   indexes: id, name, kind (1: primary), columns: id, descending
//!   5      the job for which writers wait
//! ```
//!
//! A table is written in the oldest version that can say all of it, so that nodes of before read what they know. Version
//! 2 came with the second generation of types, version 4 with the third and with identity columns; version 5 is that of a
//! table whose writers wait. Before version 3 there was one index, the primary one, with the name that
//! [`IndexDescriptor::primary`] gives.

use quorate_engine::codec::CodecError;
use quorate_engine::codec::value::{Reader, Writer};

use super::descriptor::{ColumnDescriptor, Identity, TableDescriptor};
use super::index_descriptor::{IndexColumn, IndexDescriptor, IndexKind, PRIMARY_INDEX_ID};
use crate::program::expr_format::{self, put_optional_expr, read_optional_expr};
use crate::storage::type_format::{self, put_type, read_type};

/// Newest version of the format that is read.
pub const DESCRIPTOR_FORMAT_VERSION: u8 = 5;
const WHAT: &str = "table descriptor";
const PRIMARY: u8 = 1;

const NO_IDENTITY: u8 = 0;
const ALWAYS: u8 = 1;
const BY_DEFAULT: u8 = 2;

/// The descriptor's bytes.
pub fn encode(table: &TableDescriptor) -> Vec<u8> {
    let version = version_of(table);
    let mut out = Writer::versioned(version);
    out.u64(table.id).text(&table.name).u64(table.version).count(table.columns.len());
    for column in &table.columns {
        put_type(out.varint(u64::from(column.id)).text(&column.name), column.data_type);
        out.bool(column.nullable).bool(column.hidden);
        put_optional_expr(&mut out, column.default.as_ref());
        if version >= 4 {
            out.u8(match column.identity {
                None => NO_IDENTITY,
                Some(Identity::Always) => ALWAYS,
                Some(Identity::ByDefault) => BY_DEFAULT,
            });
        }
    }
    if version < 3 {
        out.count(table.primary().columns.len());
        table.primary().column_ids().for_each(|id| {
            out.varint(u64::from(id));
        });
    } else {
        out.count(table.indexes.len());
        table.indexes.iter().for_each(|index| put_index(&mut out, index));
    }
    table.held_by.iter().for_each(|job_id| {
        out.varint(*job_id);
    });
    out.finish()
}

/// The oldest version that can say all of a table.
fn version_of(table: &TableDescriptor) -> u8 {
    if table.held_by.is_some() {
        return DESCRIPTOR_FORMAT_VERSION;
    }
    let generation = table.columns.iter().map(generation_of).max().unwrap_or(1);
    let primary = IndexDescriptor::primary(&table.name, table.primary().column_ids());
    match generation {
        3.. => 4,
        _ if table.indexes != [primary] => 3,
        generation => generation,
    }
}

/// Whether the releases of before cluster version 2 cannot read a table's descriptor.
pub fn is_new(table: &TableDescriptor) -> bool {
    version_of(table) >= 4
}

/// The generation of types that a column needs.
fn generation_of(column: &ColumnDescriptor) -> u8 {
    let default = column.default.as_ref().map_or(1, expr_format::generation);
    let identity = if column.identity.is_some() { 3 } else { 1 };
    type_format::generation(column.data_type).max(default).max(identity)
}

fn put_index(out: &mut Writer, index: &IndexDescriptor) {
    out.u8(index.id).text(&index.name);
    match index.kind {
        IndexKind::Primary => out.u8(PRIMARY),
    };
    out.count(index.columns.len());
    for column in &index.columns {
        out.varint(u64::from(column.id)).bool(column.descending);
    }
}

/// Reads a descriptor.
///
/// # Errors
/// Bytes that do not follow the format, or a newer version.
pub fn decode(bytes: &[u8]) -> Result<TableDescriptor, CodecError> {
    let (mut reader, format) = Reader::versioned(bytes, DESCRIPTOR_FORMAT_VERSION, WHAT)?;
    let id = reader.u64()?;
    let name = reader.text()?.to_owned();
    let version = reader.u64()?;
    let count = reader.items()?;
    let columns = (0..count).map(|_| read_column(&mut reader, format)).collect::<Result<Vec<_>, _>>()?;
    let count = reader.items()?;
    let indexes = if format < 3 {
        let ids = (0..count).map(|_| read_column_id(&mut reader)).collect::<Result<Vec<_>, _>>()?;
        vec![IndexDescriptor::primary(&name, ids)]
    } else {
        (0..count).map(|_| read_index(&mut reader)).collect::<Result<Vec<_>, _>>()?
    };
    let held_by = if format < 5 { None } else { Some(reader.varint()?) };
    reader.finish()?;
    check_indexes(&indexes)?;
    Ok(TableDescriptor { id, version, held_by, ..TableDescriptor::new(name, columns, indexes) })
}

fn read_column(reader: &mut Reader<'_>, format: u8) -> Result<ColumnDescriptor, CodecError> {
    Ok(ColumnDescriptor {
        id: read_column_id(reader)?,
        name: reader.text()?.to_owned(),
        data_type: read_type(reader)?,
        nullable: reader.bool()?,
        hidden: reader.bool()?,
        default: read_optional_expr(reader)?,
        identity: if format < 4 { None } else { read_identity(reader)? },
    })
}

fn read_identity(reader: &mut Reader<'_>) -> Result<Option<Identity>, CodecError> {
    Ok(match reader.u8()? {
        NO_IDENTITY => None,
        ALWAYS => Some(Identity::Always),
        BY_DEFAULT => Some(Identity::ByDefault),
        other => return Err(reader.invalid(u64::from(other))),
    })
}

fn read_index(reader: &mut Reader<'_>) -> Result<IndexDescriptor, CodecError> {
    let id = reader.u8()?;
    let name = reader.text()?.to_owned();
    let kind = match reader.u8()? {
        PRIMARY => IndexKind::Primary,
        other => return Err(reader.invalid(u64::from(other))),
    };
    let count = reader.items()?;
    let column =
        |_| Ok::<_, CodecError>(IndexColumn { id: read_column_id(reader)?, descending: reader.bool()? });
    let columns = (0..count).map(column).collect::<Result<Vec<_>, _>>()?;
    Ok(IndexDescriptor { id, name, kind, columns })
}

fn read_column_id(reader: &mut Reader<'_>) -> Result<u32, CodecError> {
    let id = reader.varint()?;
    u32::try_from(id).map_err(|_| reader.invalid(id))
}

/// Each has a key; there is one primary index, at the front, which ascends.
fn check_indexes(indexes: &[IndexDescriptor]) -> Result<(), CodecError> {
    let invalid = |index: &IndexDescriptor| CodecError::Invalid { what: WHAT, found: u64::from(index.id) };
    if let Some(index) = indexes.iter().find(|index| index.columns.is_empty()) {
        return Err(invalid(index));
    }
    let (primary, others) = indexes.split_first().ok_or(CodecError::Truncated { what: WHAT })?;
    let ascends = primary.columns.iter().all(|column| !column.descending);
    if primary.id != PRIMARY_INDEX_ID || primary.kind != IndexKind::Primary || !ascends {
        return Err(invalid(primary));
    }
    match others.iter().find(|index| index.kind == IndexKind::Primary) {
        Some(second) => Err(invalid(second)),
        None => Ok(()),
    }
}
