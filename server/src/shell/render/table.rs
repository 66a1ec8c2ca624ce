//! Aligned columns, a rule under the head, and the number of rows, as psql prints them.
//!
//! Rows are held back until the widths are known; beyond the limits the widths of the first rows stand, and later rows
//! are printed as they come. Control characters are escaped, so that a value cannot break the picture.

use std::fmt::Write as _;
use std::io::{self, Write};

use unicode_width::UnicodeWidthStr;

use super::{Column, ColumnKind, TextRow};

/// Rows held back to learn widths: some screens full.
const HELD_ROWS_MAX: usize = 1_000;
/// Bytes held back to learn widths: enough for the rows above at their usual size.
const HELD_BYTES_MAX: usize = 4 << 20;
/// How NULL is shown.
pub(super) const NULL: &str = "NULL";

/// Prints aligned columns.
#[derive(Debug)]
pub struct TableRenderer {
    columns: Vec<Column>,
    title: Option<String>,
    held: Vec<TextRow>,
    held_bytes: usize,
    layout: Option<Layout>,
    rows: u64,
}

/// Width and side of each column.
#[derive(Debug)]
struct Layout {
    widths: Vec<usize>,
    right: Vec<bool>,
}

impl TableRenderer {
    /// A renderer for these columns, perhaps with a title above them.
    pub fn new(columns: Vec<Column>, title: Option<String>) -> Self {
        Self { columns, title, held: Vec::new(), held_bytes: 0, layout: None, rows: 0 }
    }

    /// Keeps or prints a row.
    pub fn row(&mut self, out: &mut dyn Write, row: TextRow) -> io::Result<()> {
        self.rows += 1;
        let row: TextRow = row.into_iter().map(|value| value.map(|value| printable(&value))).collect();
        if let Some(layout) = &self.layout {
            return layout.write_row(out, &row);
        }
        self.held_bytes += row.iter().flatten().map(String::len).sum::<usize>();
        self.held.push(row);
        if self.held.len() >= HELD_ROWS_MAX || self.held_bytes >= HELD_BYTES_MAX {
            self.write_held(out)?;
        }
        Ok(())
    }

    /// Prints what is held back, and the number of rows.
    pub fn end(&mut self, out: &mut dyn Write) -> io::Result<()> {
        if self.layout.is_none() {
            self.write_held(out)?;
        }
        let noun = if self.rows == 1 { "row" } else { "rows" };
        writeln!(out, "({} {noun})\n", self.rows)
    }

    fn write_held(&mut self, out: &mut dyn Write) -> io::Result<()> {
        let layout = Layout::of(&self.columns, &self.held);
        if let Some(title) = self.title.take() {
            layout.write_title(out, &title)?;
        }
        layout.write_head(out, &self.columns)?;
        for row in self.held.drain(..) {
            layout.write_row(out, &row)?;
        }
        self.layout = Some(layout);
        Ok(())
    }
}

impl Layout {
    fn of(columns: &[Column], rows: &[TextRow]) -> Self {
        let cells = |position: usize| rows.iter().filter_map(move |row| row.get(position));
        let width = |position: usize, column: &Column| {
            let widest = cells(position).map(|cell| cell.as_deref().unwrap_or(NULL).width()).max();
            widest.unwrap_or(0).max(column.name.width())
        };
        let is_right = |position: usize, column: &Column| {
            column.kind == ColumnKind::Number
                || (cells(position).any(Option::is_some)
                    && cells(position).flatten().all(|cell| is_number(cell)))
        };
        Self {
            widths: columns.iter().enumerate().map(|(at, column)| width(at, column)).collect(),
            right: columns.iter().enumerate().map(|(at, column)| is_right(at, column)).collect(),
        }
    }

    /// A title in the middle of the columns.
    fn write_title(&self, out: &mut dyn Write, title: &str) -> io::Result<()> {
        let width = self.widths.iter().map(|width| width + 3).sum::<usize>().saturating_sub(1);
        writeln!(out, "{}{title}", " ".repeat(width.saturating_sub(title.width()) / 2))
    }

    fn write_head(&self, out: &mut dyn Write, columns: &[Column]) -> io::Result<()> {
        let mut head = String::new();
        let mut rule = String::new();
        for (position, (column, width)) in columns.iter().zip(&self.widths).enumerate() {
            let blanks = width - column.name.width().min(*width);
            let left = blanks / 2;
            let separator = if position == 0 { " " } else { " | " };
            let _ =
                write!(head, "{separator}{}{}{}", " ".repeat(left), column.name, " ".repeat(blanks - left));
            let _ = write!(rule, "{}{}", if position == 0 { "" } else { "+" }, "-".repeat(width + 2));
        }
        writeln!(out, "{}\n{rule}", head.trim_end())
    }

    fn write_row(&self, out: &mut dyn Write, row: &TextRow) -> io::Result<()> {
        let mut line = String::new();
        for (position, value) in row.iter().enumerate() {
            let value = value.as_deref().unwrap_or(NULL);
            let width = self.widths.get(position).copied().unwrap_or(0);
            let blanks = " ".repeat(width.saturating_sub(value.width()));
            let separator = if position == 0 { " " } else { " | " };
            let right = self.right.get(position).copied().unwrap_or(false);
            let _ = match right {
                true => write!(line, "{separator}{blanks}{value}"),
                false => write!(line, "{separator}{value}{blanks}"),
            };
        }
        writeln!(out, "{}", line.trim_end())
    }
}

/// Writes all of a table, with a title and without the number of rows.
pub fn write_titled(
    out: &mut dyn Write,
    title: &str,
    columns: &[Column],
    rows: &[TextRow],
) -> io::Result<()> {
    let rows: Vec<TextRow> =
        rows.iter().map(|row| row.iter().map(|value| value.as_deref().map(printable)).collect()).collect();
    let layout = Layout::of(columns, &rows);
    layout.write_title(out, title)?;
    layout.write_head(out, columns)?;
    rows.iter().try_for_each(|row| layout.write_row(out, row))
}

/// Whether text looks like a number, for the side it is aligned to.
fn is_number(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    digits.starts_with(|c: char| c.is_ascii_digit()) && text.parse::<f64>().is_ok()
}

/// The text with control characters escaped.
pub(super) fn printable(text: &str) -> String {
    if !text.contains(char::is_control) {
        return text.to_owned();
    }
    text.chars()
        .map(|c| if c.is_control() { c.escape_default().to_string() } else { c.to_string() })
        .collect()
}
