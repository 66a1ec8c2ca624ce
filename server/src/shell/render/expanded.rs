//! Each column in a line of its own, and a rule above each row, as psql prints them after `\\x`.

use std::io::{self, Write};

use unicode_width::UnicodeWidthStr;

use super::table::{NULL, printable};
use super::{Column, TextRow};

/// Prints rows as they come.
#[derive(Debug)]
pub struct ExpandedRenderer {
    columns: Vec<Column>,
    width: usize,
    rows: u64,
}

impl ExpandedRenderer {
    /// A renderer for these columns.
    pub fn new(columns: Vec<Column>) -> Self {
        let width = columns.iter().map(|column| column.name.width()).max().unwrap_or(0);
        Self { columns, width, rows: 0 }
    }

    /// Prints a row.
    pub fn row(&mut self, out: &mut dyn Write, row: &TextRow) -> io::Result<()> {
        self.rows += 1;
        writeln!(out, "-[ RECORD {} ]{}", self.rows, "-".repeat(self.width))?;
        for (column, value) in self.columns.iter().zip(row) {
            let blanks = " ".repeat(self.width.saturating_sub(column.name.width()));
            let value = value.as_deref().map_or_else(|| NULL.to_owned(), printable);
            writeln!(out, "{}{blanks} | {value}", column.name)?;
        }
        Ok(())
    }

    /// Prints what says that there was nothing, or an empty line.
    pub fn end(&mut self, out: &mut dyn Write) -> io::Result<()> {
        if self.rows == 0 { writeln!(out, "(0 rows)\n") } else { writeln!(out) }
    }
}
