//! Comma-separated values with a header (RFC 4180, lines end with `\n`); NULL is empty, an empty text is `""`.

use std::io::{self, Write};

use super::Column;

/// Prints comma-separated values.
#[derive(Debug)]
pub struct CsvRenderer {
    columns: Vec<Column>,
}

impl CsvRenderer {
    /// A renderer for these columns.
    pub fn new(columns: Vec<Column>) -> Self {
        Self { columns }
    }

    /// Prints the header.
    pub fn begin(&self, out: &mut dyn Write) -> io::Result<()> {
        write_line(out, self.columns.iter().map(|column| Some(column.name.as_str())))
    }

    /// Prints a row.
    pub fn row(&self, out: &mut dyn Write, row: &[Option<String>]) -> io::Result<()> {
        write_line(out, row.iter().map(Option::as_deref))
    }
}

fn write_line<'a>(out: &mut dyn Write, values: impl Iterator<Item = Option<&'a str>>) -> io::Result<()> {
    let mut line = String::new();
    for (position, value) in values.enumerate() {
        if position > 0 {
            line.push(',');
        }
        if let Some(value) = value {
            push_field(&mut line, value);
        }
    }
    line.push('\n');
    out.write_all(line.as_bytes())
}

fn push_field(line: &mut String, value: &str) {
    let needs_quotes = value.is_empty() || value.contains([',', '"', '\n', '\r']);
    if !needs_quotes {
        line.push_str(value);
        return;
    }
    line.push('"');
    line.push_str(&value.replace('"', "\"\""));
    line.push('"');
}
