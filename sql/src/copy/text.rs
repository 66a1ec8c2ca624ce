//! COPY's text format: fields by a delimiter, backslashes escape, `\N` is NULL, `\.` ends the data.
//!
//! A line is gathered as it is; a line end behind a backslash belongs to it. Then it is cut into fields, of which each is
//! compared with the NULL text before its escapes are read.

use super::decode::{LINE_MAX_BYTES, Record, Step, bad_file, line_too_long};
use crate::error::SqlError;
use crate::parser::ast::CopyOptions;

/// Reads the text format.
pub struct TextDecoder {
    delimiter: u8,
    null: Vec<u8>,
    /// The line so far, as it came.
    raw: Vec<u8>,
    /// The last byte was a backslash that escapes the next.
    is_escaped: bool,
    /// Number of the line that is being read.
    line: u64,
}

impl TextDecoder {
    /// A decoder at the start of the data.
    pub fn new(options: &CopyOptions) -> Self {
        Self {
            delimiter: options.delimiter,
            null: options.null.clone().into_bytes(),
            raw: Vec::new(),
            is_escaped: false,
            line: 1,
        }
    }

    /// As [`super::decode::Decoder::step`].
    ///
    /// # Errors
    /// As there.
    pub fn step(&mut self, data: &[u8], record: &mut Record) -> Result<Step, SqlError> {
        let mut used = 0;
        while let Some(&byte) = data.get(used) {
            used += 1;
            if std::mem::take(&mut self.is_escaped) {
                self.raw.push(byte);
            } else if byte == b'\n' {
                return self.end_line(record, used);
            } else {
                self.is_escaped = byte == b'\\';
                let behind = data.get(used..).unwrap_or_default();
                self.raw.push(byte);
                if !self.is_escaped {
                    let run = behind
                        .iter()
                        .position(|other| matches!(other, b'\n' | b'\\'))
                        .unwrap_or(behind.len());
                    self.raw.extend_from_slice(behind.get(..run).unwrap_or_default());
                    used += run;
                }
            }
            if self.raw.len() > LINE_MAX_BYTES {
                return Err(line_too_long());
            }
        }
        Ok(Step::More)
    }

    /// As [`super::decode::Decoder::finish`].
    ///
    /// # Errors
    /// As there.
    pub fn finish(&mut self, record: &mut Record) -> Result<bool, SqlError> {
        if self.raw.is_empty() {
            return Ok(false);
        }
        Ok(matches!(self.end_line(record, 0)?, Step::Line(_)))
    }

    fn end_line(&mut self, record: &mut Record, used: usize) -> Result<Step, SqlError> {
        let mut raw = std::mem::take(&mut self.raw);
        self.is_escaped = false;
        record.line = self.line;
        self.line += 1 + raw.iter().filter(|byte| **byte == b'\n').count() as u64;
        if raw.last() == Some(&b'\r') {
            raw.pop();
        }
        if raw == br"\." {
            return Ok(Step::End);
        }
        let result = self.cut(&raw, record);
        // The buffer is used again for the next line.
        raw.clear();
        self.raw = raw;
        result.map(|()| Step::Line(used))
    }

    fn cut(&self, raw: &[u8], record: &mut Record) -> Result<(), SqlError> {
        let mut start = 0;
        let mut is_escaped = false;
        for (position, byte) in raw.iter().enumerate() {
            if std::mem::take(&mut is_escaped) {
                continue;
            }
            if *byte == b'\\' {
                is_escaped = true;
            } else if *byte == self.delimiter {
                self.field(raw.get(start..position).unwrap_or_default(), record)?;
                start = position + 1;
            } else if *byte == b'\r' {
                return Err(
                    bad_file("literal carriage return found in data").with_hint("Use \"\\r\" for it.")
                );
            }
        }
        self.field(raw.get(start..).unwrap_or_default(), record)
    }

    fn field(&self, raw: &[u8], record: &mut Record) -> Result<(), SqlError> {
        if raw == self.null {
            record.end_field(true);
            return Ok(());
        }
        let mut rest = raw;
        while let Some((&byte, behind)) = rest.split_first() {
            rest = behind;
            if byte == b'\\' {
                rest = unescape(behind, record);
            } else {
                record.push(byte);
            }
        }
        record.end_field(false);
        Ok(())
    }
}

/// Reads what stands behind a backslash; returns the rest.
fn unescape<'a>(behind: &'a [u8], record: &mut Record) -> &'a [u8] {
    let Some((&byte, rest)) = behind.split_first() else {
        record.push(b'\\');
        return behind;
    };
    match byte {
        b'b' => record.push(0x08),
        b'f' => record.push(0x0c),
        b'n' => record.push(b'\n'),
        b'r' => record.push(b'\r'),
        b't' => record.push(b'\t'),
        b'v' => record.push(0x0b),
        b'0'..=b'7' => return digits(behind, (8, 3), record),
        b'x' if rest.first().is_some_and(u8::is_ascii_hexdigit) => return digits(rest, (16, 2), record),
        other => record.push(other),
    }
    rest
}

/// Reads a byte's number in this base, of at most so many digits.
fn digits<'a>(behind: &'a [u8], (base, digits_max): (u32, usize), record: &mut Record) -> &'a [u8] {
    let mut number = 0;
    let mut rest = behind;
    for _ in 0..digits_max {
        let Some((&byte, after)) = rest.split_first() else { break };
        let Some(digit) = char::from(byte).to_digit(base) else { break };
        number = number * base + digit;
        rest = after;
    }
    // As in PostgreSQL only the low eight bits count (`\777`).
    let [low, ..] = number.to_le_bytes();
    record.push(low);
    rest
}
