//! Keys for people: `/Table/101/1/2013-01-01 05:00:00/UA`, `/System/Catalog`, `/Min`, `/Max`.

use std::fmt::Write as _;
use std::sync::Arc;

use quorate_engine::codec::key::KeyDecoder;
use quorate_engine::kv::{Key, keyspace};

use super::index_format::decode_column;
use super::layout::TableLayout;
use crate::types::text;

/// Prints a key that starts a span. `layout_of` finds the layout of a table by its id, where it is known.
pub fn start_key(key: &Key, layout_of: impl Fn(u64) -> Option<Arc<TableLayout>>) -> String {
    if key.is_empty() { "/Min".to_owned() } else { print(key, layout_of) }
}

/// Prints a key that ends a span; the empty key is the end of the keyspace.
pub fn end_key(key: &Key, layout_of: impl Fn(u64) -> Option<Arc<TableLayout>>) -> String {
    if key.is_empty() { "/Max".to_owned() } else { print(key, layout_of) }
}

fn print(key: &Key, layout_of: impl Fn(u64) -> Option<Arc<TableLayout>>) -> String {
    match key.as_ref().split_first() {
        Some((&keyspace::SYSTEM, rest)) => print_system(rest),
        Some((&keyspace::TABLES, rest)) => print_table(rest, layout_of),
        _ => format!("/{}", key.as_ref().escape_ascii()),
    }
}

fn print_system(rest: &[u8]) -> String {
    let Some((part, rest)) = rest.split_first() else { return "/System".to_owned() };
    let part = match *part {
        keyspace::SYSTEM_NODES => "Nodes".to_owned(),
        keyspace::SYSTEM_SETTINGS => "Settings".to_owned(),
        keyspace::SYSTEM_CATALOG => "Catalog".to_owned(),
        keyspace::SYSTEM_RANGES => "Ranges".to_owned(),
        keyspace::SYSTEM_COUNTERS => "Counters".to_owned(),
        keyspace::SYSTEM_PLACEMENT => "Placement".to_owned(),
        other => other.to_string(),
    };
    if rest.is_empty() {
        format!("/System/{part}")
    } else {
        format!("/System/{part}/{}", rest.escape_ascii())
    }
}

fn print_table(rest: &[u8], layout_of: impl Fn(u64) -> Option<Arc<TableLayout>>) -> String {
    let Some((id, rest)) = rest.split_first_chunk::<8>() else {
        return if rest.is_empty() { "/Table".to_owned() } else { format!("/Table/{}", rest.escape_ascii()) };
    };
    let table_id = u64::from_be_bytes(*id);
    let mut out = format!("/Table/{table_id}");
    let Some((index, columns)) = rest.split_first() else { return out };
    let _ = write!(out, "/{index}");
    let layout = layout_of(table_id);
    let mut decoder = KeyDecoder::new(columns);
    let index = layout.as_ref().and_then(|layout| layout.indexes.iter().find(|known| known.id == *index));
    for column in index.iter().flat_map(|index| &index.key) {
        let data_type = layout
            .as_ref()
            .map_or(crate::types::DataType::Unknown, |layout| layout.data_type(column.position));
        let before = decoder.remainder();
        if before.is_empty() {
            return out;
        }
        let Ok(datum) = decode_column(&mut decoder, (data_type, column.order)) else {
            let _ = write!(out, "/{}", before.escape_ascii());
            return out;
        };
        // Only NULL has no text.
        let column = text::to_text(&datum, &data_type);
        let _ = write!(out, "/{}", column.as_deref().unwrap_or("NULL"));
    }
    if !decoder.remainder().is_empty() {
        let _ = write!(out, "/{}", decoder.remainder().escape_ascii());
    }
    out
}
