//! An array of objects. Numbers and truth values keep their JSON type where the column's type is known; everything
//! else, and numbers that JSON cannot write (`NaN`, `Infinity`), are strings.

use std::io::{self, Write};

use serde_json::Value;

use super::{Column, ColumnKind};

/// Prints an array of objects.
#[derive(Debug)]
pub struct JsonRenderer {
    columns: Vec<Column>,
    rows: u64,
}

impl JsonRenderer {
    /// A renderer for these columns.
    pub fn new(columns: Vec<Column>) -> Self {
        Self { columns, rows: 0 }
    }

    /// Opens the array.
    pub fn begin(&self, out: &mut dyn Write) -> io::Result<()> {
        out.write_all(b"[")
    }

    /// Prints a row.
    pub fn row(&mut self, out: &mut dyn Write, row: &[Option<String>]) -> io::Result<()> {
        let mut line = String::from(if self.rows == 0 { "\n  {" } else { ",\n  {" });
        for (position, (column, value)) in self.columns.iter().zip(row).enumerate() {
            if position > 0 {
                line.push_str(", ");
            }
            line.push_str(&Value::from(column.name.as_str()).to_string());
            line.push_str(": ");
            line.push_str(&literal(column.kind, value.as_deref()));
        }
        line.push('}');
        self.rows += 1;
        out.write_all(line.as_bytes())
    }

    /// Closes the array.
    pub fn end(&self, out: &mut dyn Write) -> io::Result<()> {
        out.write_all(if self.rows == 0 { b"]\n" } else { b"\n]\n" })
    }
}

fn literal(kind: ColumnKind, value: Option<&str>) -> String {
    let Some(value) = value else { return "null".to_owned() };
    match kind {
        // The digits are printed as they came: a NUMERIC has more of them than a double.
        ColumnKind::Number if is_json_number(value) => value.to_owned(),
        ColumnKind::Bool if value == "t" => "true".to_owned(),
        ColumnKind::Bool if value == "f" => "false".to_owned(),
        ColumnKind::Text | ColumnKind::Number | ColumnKind::Bool => Value::from(value).to_string(),
    }
}

fn is_json_number(value: &str) -> bool {
    serde_json::from_str::<serde_json::Number>(value).is_ok()
}
