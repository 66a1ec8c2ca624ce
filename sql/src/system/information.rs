//! `information_schema`: tables, columns and schemata.

use super::default_text::{default_text, next_value_of};
use super::relation::Relation;
use super::roles::OWNER;
use super::state::SystemState;
use super::values::{NULL, maybe_text, nulls, number, text, yes_or_no};
use crate::catalog::descriptor::{ColumnDescriptor, Identity};
use crate::catalog::snapshot::CatalogSnapshot;
use crate::catalog::system::{Form, Schema};
use crate::types::{DataType, Datum, Row};

/// Most bytes of text that has no limit of its own, as PostgreSQL says.
const TEXT_BYTES: i64 = 1 << 30;
/// Most bytes of a character.
const CHARACTER_BYTES: i64 = 4;

/// `information_schema.schemata`.
pub fn schemata(state: &SystemState<'_>) -> Vec<Row> {
    let row = |schema: Schema| {
        let mut row = vec![text(state.database), text(schema.name()), text(OWNER)];
        row.extend(nulls(4));
        row
    };
    Schema::ALL.into_iter().map(row).collect()
}

/// `information_schema.tables`.
pub fn tables(relation: &Relation<'_>, state: &SystemState<'_>) -> Vec<Row> {
    let form = match relation.form() {
        Form::Table => "BASE TABLE",
        Form::View => "VIEW",
    };
    let mut row = place(relation, state);
    row.push(text(form));
    row.extend(nulls(5));
    row.extend([yes_or_no(relation.is_user()), yes_or_no(false), NULL]);
    vec![row]
}

/// Database, schema and name.
fn place(relation: &Relation<'_>, state: &SystemState<'_>) -> Row {
    vec![text(state.database), text(relation.schema().name()), text(&relation.descriptor().name)]
}

/// `information_schema.columns`.
pub fn columns(relation: &Relation<'_>, state: &SystemState<'_>) -> Vec<Row> {
    relation.columns().map(|column| column_row(relation, column, state)).collect()
}

fn column_row(relation: &Relation<'_>, column: &ColumnDescriptor, state: &SystemState<'_>) -> Row {
    let info = column.data_type.info();
    let mut row = place(relation, state);
    let catalog = state.catalog();
    row.extend([text(&column.name), number(column.id), maybe_text(default_text(column, &catalog))]);
    let type_name = if column.data_type.element().is_some() { "ARRAY" } else { info.name };
    row.extend([yes_or_no(column.nullable), text(type_name)]);
    row.extend(lengths(column.data_type));
    row.extend(precision(column.data_type));
    // Neither intervals, character sets, collations of their own, nor domains.
    row.extend(nulls(11));
    row.extend([text(state.database), text(Schema::Catalog.name()), text(info.catalog_name)]);
    row.extend(nulls(4));
    row.extend([text(column.id.to_string()), yes_or_no(false)]);
    row.extend(identity(column, &catalog));
    row.extend([text("NEVER"), NULL, yes_or_no(relation.is_user())]);
    row
}

/// Whether a column makes its own values, when, and of which.
fn identity(column: &ColumnDescriptor, catalog: &CatalogSnapshot) -> Row {
    let sequence = column.default.as_ref().and_then(next_value_of).and_then(|id| catalog.sequence_by_id(id));
    let (Some(identity), Some(sequence)) = (column.identity, sequence) else {
        let mut row = vec![yes_or_no(false)];
        row.extend(nulls(5));
        row.push(yes_or_no(false));
        return row;
    };
    let generation = match identity {
        Identity::Always => "ALWAYS",
        Identity::ByDefault => "BY DEFAULT",
    };
    let numbers = [sequence.start, sequence.increment, sequence.max, sequence.min];
    let mut row = vec![yes_or_no(true), text(generation)];
    row.extend(numbers.map(|number| text(number.to_string())));
    row.push(yes_or_no(sequence.cycles));
    row
}

/// Most characters, and most bytes.
fn lengths(data_type: DataType) -> [Datum; 2] {
    let (DataType::Varchar { length_max: length } | DataType::Char { length }) = data_type else {
        return [NULL, if data_type == DataType::Text { number(TEXT_BYTES) } else { NULL }];
    };
    match length {
        Some(length) => [number(length), number(i64::from(length) * CHARACTER_BYTES)],
        None => [NULL, number(TEXT_BYTES)],
    }
}

/// Digits, their base, those behind the point; and those of seconds.
fn precision(data_type: DataType) -> [Datum; 4] {
    let binary = |bits: i64, scale| [number(bits), number(2), scale, NULL];
    if let DataType::Numeric { precision, scale } = data_type {
        let digits = precision.map_or(NULL, number);
        let scale = if precision.is_some() { number(scale) } else { NULL };
        return [digits, number(10), scale, NULL];
    }
    let bits = [
        (DataType::Int2, 16),
        (DataType::Int4, 32),
        (DataType::Int8, 64),
        (DataType::Float4, 24),
        (DataType::Float8, 53),
    ];
    if let Some((_, bits)) = bits.into_iter().find(|(known, _)| *known == data_type) {
        return binary(bits, if data_type.is_integer() { number(0) } else { NULL });
    }
    let seconds = if data_type == DataType::Date {
        number(0)
    } else if matches!(data_type, DataType::Timestamp | DataType::TimestampTz) {
        number(6)
    } else {
        NULL
    };
    [NULL, NULL, NULL, seconds]
}
