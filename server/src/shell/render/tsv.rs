//! Tab-separated values as PostgreSQL's COPY writes them: `\N` for NULL, backslash escapes, no header.

use std::io::{self, Write};

/// Prints tab-separated values.
#[derive(Debug)]
pub struct TsvRenderer;

impl TsvRenderer {
    /// Prints a row.
    pub fn row(&self, out: &mut dyn Write, row: &[Option<String>]) -> io::Result<()> {
        let mut line = String::new();
        for (position, value) in row.iter().enumerate() {
            if position > 0 {
                line.push('\t');
            }
            match value {
                None => line.push_str("\\N"),
                Some(value) => push_escaped(&mut line, value),
            }
        }
        line.push('\n');
        out.write_all(line.as_bytes())
    }
}

fn push_escaped(line: &mut String, value: &str) {
    for c in value.chars() {
        match c {
            '\\' => line.push_str("\\\\"),
            '\t' => line.push_str("\\t"),
            '\n' => line.push_str("\\n"),
            '\r' => line.push_str("\\r"),
            _ => line.push(c),
        }
    }
}
