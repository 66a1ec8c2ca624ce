//! From a line's fields to a full row of the table.

use std::sync::Arc;

use super::decode::{Record, bad_file};
use crate::bind::BoundCopyFrom;
use crate::catalog::descriptor::TableDescriptor;
use crate::error::SqlError;
use crate::exec::rows::{check_not_null, fill_hidden};
use crate::expr::Expr;
use crate::expr::eval::{EvalContext, eval};
use crate::expr::sequences::Sequences;
use crate::node::SqlNode;
use crate::types::{DataType, Datum, Row, text};

/// Most characters of a bad value that an error shows.
const SHOWN_MAX_CHARS: usize = 100;

/// Where a column of the row comes from.
enum Source {
    /// This field of the line, which nothing else uses.
    Field(usize),
    /// Computed over the line's values: a default.
    Computed(Expr),
}

/// Makes rows of lines.
pub struct RowMaker {
    table: Arc<TableDescriptor>,
    /// Name and type of each field.
    fields: Vec<(String, DataType)>,
    sources: Vec<Source>,
    now_micros: i64,
    /// A computed column takes a value of a sequence, or the like.
    pub is_volatile: bool,
}

impl RowMaker {
    /// For this COPY.
    pub fn new(from: &BoundCopyFrom, now_micros: i64) -> Self {
        let fields = from.columns.iter().filter_map(|position| from.table.columns.get(*position));
        let sources = from.row.iter().map(|expr| {
            if let Expr::Column { index, .. } = expr {
                Source::Field(*index)
            } else {
                Source::Computed(expr.clone())
            }
        });
        Self {
            table: Arc::clone(&from.table),
            fields: fields.map(|column| (column.name.clone(), column.data_type)).collect(),
            sources: sources.collect(),
            now_micros,
            is_volatile: from.row.iter().any(Expr::is_volatile),
        }
    }

    /// The full row of a line; `sequences` where columns are volatile.
    ///
    /// # Errors
    /// 22P04 for a wrong number of fields, 22P02 and others for a field that is not of its type, 23502: each with table,
    /// line and column as its detail.
    pub fn row(
        &self,
        record: &Record,
        node: &SqlNode,
        sequences: Option<&dyn Sequences>,
    ) -> Result<Row, SqlError> {
        let mut values = self.values(record)?;
        let context = EvalContext { now_micros: self.now_micros, sequences, ..EvalContext::default() };
        let mut row = Vec::with_capacity(self.sources.len());
        // Computed columns first look at the values, before fields are moved out of them.
        for source in &self.sources {
            row.push(match source {
                Source::Field(_) => Datum::Null,
                Source::Computed(expr) => {
                    eval(expr, &values, &context).map_err(|error| self.at_line(error, record))?
                }
            });
        }
        for (place, source) in row.iter_mut().zip(&self.sources) {
            if let Source::Field(index) = source
                && let Some(value) = values.get_mut(*index)
            {
                *place = std::mem::replace(value, Datum::Null);
            }
        }
        fill_hidden(node, &self.table, &mut row);
        check_not_null(&self.table, &row).map_err(|error| self.at_line(error, record))?;
        Ok(row)
    }

    /// An error with the line that it comes from.
    pub fn at_line(&self, error: SqlError, record: &Record) -> SqlError {
        with_context(error, &format!("COPY {}, line {}", self.table.name, record.line))
    }

    fn values(&self, record: &Record) -> Result<Row, SqlError> {
        if record.len() > self.fields.len() {
            return Err(self.at_line(bad_file("extra data after last expected column"), record));
        }
        if let Some((name, _)) = self.fields.get(record.len()) {
            return Err(self.at_line(bad_file(format!("missing data for column \"{name}\"")), record));
        }
        let mut values = Vec::with_capacity(self.fields.len());
        for (field, (name, data_type)) in record.fields().zip(&self.fields) {
            values.push(match field {
                None => Datum::Null,
                Some(field) => value_of(field, data_type).map_err(|error| {
                    let shown: String =
                        String::from_utf8_lossy(field).chars().take(SHOWN_MAX_CHARS).collect();
                    let place =
                        format!("COPY {}, line {}, column {name}: \"{shown}\"", self.table.name, record.line);
                    with_context(error, &place)
                })?,
            });
        }
        Ok(values)
    }
}

fn value_of(field: &[u8], data_type: &DataType) -> Result<Datum, SqlError> {
    text::from_text(text::utf8(field)?, data_type)
}

/// An error with a place added to its detail.
pub(super) fn with_context(mut error: SqlError, place: &str) -> SqlError {
    error.detail = Some(match error.detail.take() {
        None => place.to_owned(),
        Some(detail) => format!("{detail} {place}"),
    });
    error
}
