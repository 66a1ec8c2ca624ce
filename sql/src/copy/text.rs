//! COPY's text format: fields by a delimiter, backslashes escape, `\N` is NULL, `\.` at the end of a line ends the data.
//!
//! A line is gathered as it is, up to an end like that of the first one: LF, CR LF or CR; a line end behind a backslash belongs to it. Then it is cut into fields, of which each is
//! compared with the NULL text before its escapes are read.

use super::decode::{Decoded, LineEnd, Record, bad_file, line_too_long};
use crate::error::SqlError;
use crate::limits::COPY_LINE_MAX_BYTES;
use crate::parser::ast::CopyOptions;

/// Reads the text format.
pub struct TextDecoder {
    delimiter: u8,
    null: Vec<u8>,
    /// The line so far, as it came.
    raw: Vec<u8>,
    state: TextState,
    line_end: LineEnd,
    /// The end's marker stood behind a line: nothing more is read.
    is_over: bool,
    /// Number of the line that is being read.
    line: u64,
}

/// What the last byte was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum TextState {
    Plain,
    /// A backslash that escapes the next.
    Escaped,
    /// A CR: the end of the line, or half of it.
    Return,
    /// The end's marker, of which the line's end is still to come.
    Marker,
}

const RETURN_HINT: &str = "Use \"\\r\" to represent carriage return.";

impl TextDecoder {
    /// A decoder at the start of the data.
    pub fn new(options: &CopyOptions) -> Self {
        Self {
            delimiter: options.delimiter,
            null: options.null.clone().into_bytes(),
            raw: Vec::new(),
            state: TextState::Plain,
            line_end: LineEnd::default(),
            is_over: false,
            line: 1,
        }
    }

    /// As [`super::decode::Decoder::step`].
    ///
    /// # Errors
    /// As there.
    pub fn step(&mut self, data: &[u8], record: &mut Record) -> Result<Decoded, SqlError> {
        let mut used = 0;
        if self.is_over {
            return Ok(Decoded::End);
        }
        while let Some(&byte) = data.get(used) {
            record.line = self.line;
            match self.state {
                TextState::Escaped if byte == b'.' => {
                    self.raw.pop();
                    self.state = TextState::Marker;
                }
                TextState::Marker => return self.end_data(byte, record, used),
                TextState::Return if byte != b'\n' => {
                    if self.line_end == LineEnd::Both {
                        return Err(bad_file("literal carriage return found in data").with_hint(RETURN_HINT));
                    }
                    self.line_end = LineEnd::Return;
                    return self.end_line(record, used);
                }
                TextState::Return => {
                    self.line_end = LineEnd::Both;
                    return self.end_line(record, used + 1);
                }
                TextState::Escaped => {
                    self.state = TextState::Plain;
                    self.raw.push(byte);
                }
                TextState::Plain if byte == b'\n' => {
                    self.line_end.at_newline("literal", "Use \"\\n\" to represent newline.")?;
                    return self.end_line(record, used + 1);
                }
                TextState::Plain if byte == b'\r' => {
                    if self.line_end.at_return("literal", RETURN_HINT)? == LineEnd::Return {
                        return self.end_line(record, used + 1);
                    }
                    self.state = TextState::Return;
                }
                TextState::Plain => used += self.plain(byte, data.get(used + 1..).unwrap_or_default()),
            }
            used += 1;
            if self.raw.len() > COPY_LINE_MAX_BYTES {
                return Err(line_too_long());
            }
        }
        Ok(Decoded::More)
    }

    /// A byte that ends nothing, and those that follow it and mean themselves; returns how many those were.
    fn plain(&mut self, byte: u8, behind: &[u8]) -> usize {
        self.raw.push(byte);
        if byte == b'\\' {
            self.state = TextState::Escaped;
            return 0;
        }
        let is_special = |other: &u8| matches!(other, b'\n' | b'\r' | b'\\');
        let run = behind.iter().position(is_special).unwrap_or(behind.len());
        self.raw.extend_from_slice(behind.get(..run).unwrap_or_default());
        run
    }

    /// As [`super::decode::Decoder::finish`].
    ///
    /// # Errors
    /// As there.
    pub fn finish(&mut self, record: &mut Record) -> Result<bool, SqlError> {
        record.line = self.line;
        if self.is_over || (self.raw.is_empty() && self.state == TextState::Plain) {
            return Ok(false);
        }
        if self.state == TextState::Marker && !self.raw.is_empty() {
            return Err(corrupt_marker());
        }
        if self.state == TextState::Marker {
            return Ok(false);
        }
        Ok(matches!(self.end_line(record, 0)?, Decoded::Line(_)))
    }

    /// The byte behind the end's marker; what stands before the marker is a last line.
    fn end_data(&mut self, byte: u8, record: &mut Record, used: usize) -> Result<Decoded, SqlError> {
        if !matches!(byte, b'\n' | b'\r') {
            return Err(corrupt_marker());
        }
        let is_of_this_style = match self.line_end {
            LineEnd::Unknown => true,
            LineEnd::Newline => byte == b'\n',
            LineEnd::Return | LineEnd::Both => byte == b'\r',
        };
        if !is_of_this_style {
            return Err(bad_file("end-of-copy marker does not match previous newline style"));
        }
        if self.raw.is_empty() {
            return Ok(Decoded::End);
        }
        self.is_over = true;
        self.end_line(record, used)
    }

    fn end_line(&mut self, record: &mut Record, used: usize) -> Result<Decoded, SqlError> {
        let mut raw = std::mem::take(&mut self.raw);
        self.state = TextState::Plain;
        record.line = self.line;
        self.line += 1 + raw.iter().filter(|byte| **byte == b'\n').count() as u64;
        let result = self.cut(&raw, record);
        // The buffer is used again for the next line.
        raw.clear();
        self.raw = raw;
        result.map(|()| Decoded::Line(used))
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

fn corrupt_marker() -> SqlError {
    bad_file("end-of-copy marker corrupt")
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
