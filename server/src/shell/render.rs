//! How rows are printed: a closed set of formats, one file each.
//!
//! A renderer gets columns once, then rows, then the end, and writes as it goes; only the table format holds rows back,
//! to learn how wide its columns are, and those up to a limit.

mod csv;
mod expanded;
mod json;
pub mod table;
mod tsv;

use std::io::{self, Write};

use csv::CsvRenderer;
use expanded::ExpandedRenderer;
use json::JsonRenderer;
use table::TableRenderer;
use tsv::TsvRenderer;

/// A format for rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Aligned columns and a count.
    Table,
    /// Comma-separated, with a header; NULL is an empty field, an empty text is quoted.
    Csv,
    /// An array of objects.
    Json,
    /// Tab-separated, without a header, escaped as PostgreSQL's COPY does.
    Tsv,
}

/// What kind of values a column has, as far as printing cares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColumnKind {
    /// Not known, or text.
    Text,
    /// Numbers.
    Number,
    /// `t` and `f`.
    Bool,
}

/// A column's head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// What is in it.
    pub kind: ColumnKind,
}

/// A row of text; `None` is NULL.
pub type TextRow = Vec<Option<String>>;

/// Prints one statement's rows.
#[derive(Debug)]
pub enum Renderer {
    /// Aligned columns.
    Table(TableRenderer),
    /// Each column in a line of its own.
    Expanded(ExpandedRenderer),
    /// Comma-separated.
    Csv(CsvRenderer),
    /// An array of objects.
    Json(JsonRenderer),
    /// Tab-separated.
    Tsv(TsvRenderer),
}

impl Renderer {
    /// A renderer for these columns, each in a line of its own.
    pub fn expanded(columns: Vec<Column>) -> Self {
        Self::Expanded(ExpandedRenderer::new(columns))
    }

    /// A renderer of this format for these columns; a table may have a title.
    pub fn new(format: Format, columns: Vec<Column>, title: Option<String>) -> Self {
        match format {
            Format::Table => Self::Table(TableRenderer::new(columns, title)),
            Format::Csv => Self::Csv(CsvRenderer::new(columns)),
            Format::Json => Self::Json(JsonRenderer::new(columns)),
            Format::Tsv => Self::Tsv(TsvRenderer),
        }
    }

    /// Prints the head, where the format has one.
    pub fn begin(&mut self, out: &mut dyn Write) -> io::Result<()> {
        match self {
            Self::Table(_) | Self::Expanded(_) | Self::Tsv(_) => Ok(()),
            Self::Csv(csv) => csv.begin(out),
            Self::Json(json) => json.begin(out),
        }
    }

    /// Prints a row, or keeps it.
    pub fn row(&mut self, out: &mut dyn Write, row: TextRow) -> io::Result<()> {
        match self {
            Self::Table(table) => table.row(out, row),
            Self::Expanded(expanded) => expanded.row(out, &row),
            Self::Csv(csv) => csv.row(out, &row),
            Self::Json(json) => json.row(out, &row),
            Self::Tsv(tsv) => tsv.row(out, &row),
        }
    }

    /// Prints what is left.
    pub fn end(&mut self, out: &mut dyn Write) -> io::Result<()> {
        match self {
            Self::Table(table) => table.end(out),
            Self::Expanded(expanded) => expanded.end(out),
            Self::Json(json) => json.end(out),
            Self::Csv(_) | Self::Tsv(_) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
