//! CSV as PostgreSQL reads it, byte by byte, so that a piece may end anywhere.
//!
//! ```text
//! Plain ── quote ──▶ Quoted ── escape ──▶ Escaped ── quote or escape ──▶ Quoted (that byte)
//!   ▲                  │ quote                └─ other: the quote was the end, or the escape a plain byte
//!   └──────────────────┘        Plain ── CR ──▶ Return ── LF, or any byte where lines end in CR ──▶ end of line
//! ```
//!
//! Lines end as the first one does: in LF, CR LF, or CR alone. A field may be quoted in parts. It is NULL where it has the NULL text and no quote at all. `\.` alone on a line ends the
//! data.

use super::decode::{Decoded, LineEnd, Record, bad_file, line_too_long};
use crate::error::SqlError;
use crate::limits::COPY_LINE_MAX_BYTES;
use crate::parser::ast::CopyOptions;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum CsvState {
    Plain,
    Quoted,
    Escaped,
    Return,
}

/// Reads CSV.
pub struct CsvDecoder {
    delimiter: u8,
    quote: u8,
    escape: u8,
    null: Vec<u8>,
    state: CsvState,
    line_end: LineEnd,
    /// The field that is being read has a quote.
    is_quoted: bool,
    /// The line that is being read has any byte.
    is_started: bool,
    /// Number of the line that is being read.
    line: u64,
}

impl CsvDecoder {
    /// A decoder at the start of the data.
    pub fn new(options: &CopyOptions) -> Self {
        Self {
            delimiter: options.delimiter,
            quote: options.quote,
            escape: options.escape,
            null: options.null.clone().into_bytes(),
            state: CsvState::Plain,
            line_end: LineEnd::default(),
            is_quoted: false,
            is_started: false,
            line: 1,
        }
    }

    /// As [`super::decode::Decoder::step`].
    ///
    /// # Errors
    /// As there.
    pub fn step(&mut self, data: &[u8], record: &mut Record) -> Result<Decoded, SqlError> {
        let mut used = 0;
        while let Some(&byte) = data.get(used) {
            if !std::mem::replace(&mut self.is_started, true) {
                record.line = self.line;
            }
            used += 1;
            match self.state {
                CsvState::Plain if byte == b'\n' => {
                    self.line_end.at_newline("unquoted", "Use quoted CSV field to represent newline.")?;
                    return Ok(self.end_line(record, used));
                }
                CsvState::Plain if byte == b'\r' => {
                    let hint = "Use quoted CSV field to represent carriage return.";
                    if self.line_end.at_return("unquoted", hint)? == LineEnd::Return {
                        return Ok(self.end_line(record, used));
                    }
                    self.state = CsvState::Return;
                }
                CsvState::Plain => used += self.plain(byte, data.get(used..).unwrap_or_default(), record),
                CsvState::Quoted => used += self.quoted(byte, data.get(used..).unwrap_or_default(), record),
                CsvState::Escaped => used -= self.escaped(byte, record),
                CsvState::Return if byte == b'\n' => {
                    self.line_end = LineEnd::Both;
                    return Ok(self.end_line(record, used));
                }
                CsvState::Return if self.line_end == LineEnd::Unknown => {
                    self.line_end = LineEnd::Return;
                    return Ok(self.end_line(record, used - 1));
                }
                CsvState::Return => {
                    return Err(bad_file("unquoted carriage return found in data")
                        .with_hint("Use quoted CSV field to represent carriage return."));
                }
            }
            if record.size_bytes() > COPY_LINE_MAX_BYTES {
                return Err(line_too_long());
            }
        }
        Ok(Decoded::More)
    }

    /// As [`super::decode::Decoder::finish`].
    ///
    /// # Errors
    /// As there.
    pub fn finish(&mut self, record: &mut Record) -> Result<bool, SqlError> {
        if !self.is_started {
            return Ok(false);
        }
        if self.state == CsvState::Quoted || (self.state == CsvState::Escaped && self.escape != self.quote) {
            return Err(bad_file("unterminated CSV quoted field"));
        }
        Ok(matches!(self.end_line(record, 0), Decoded::Line(_)))
    }

    /// A byte outside quotes, and the plain bytes that follow it; returns how many those were.
    fn plain(&mut self, byte: u8, behind: &[u8], record: &mut Record) -> usize {
        if byte == self.delimiter {
            self.end_field(record);
        } else if byte == self.quote {
            self.is_quoted = true;
            self.state = CsvState::Quoted;
        } else {
            let is_special = |other: &u8| {
                *other == self.delimiter || *other == self.quote || *other == b'\n' || *other == b'\r'
            };
            let run = behind.iter().position(is_special).unwrap_or(behind.len());
            record.push(byte);
            record.extend(behind.get(..run).unwrap_or_default());
            return run;
        }
        0
    }

    /// A byte within quotes, and those that follow it and mean themselves; returns how many those were.
    fn quoted(&mut self, byte: u8, behind: &[u8], record: &mut Record) -> usize {
        if byte == self.escape {
            self.state = CsvState::Escaped;
        } else if byte == self.quote {
            self.state = CsvState::Plain;
        } else {
            let is_special = |other: &u8| *other == self.escape || *other == self.quote || *other == b'\n';
            let run = behind.iter().position(is_special).unwrap_or(behind.len());
            self.line += u64::from(byte == b'\n');
            record.push(byte);
            record.extend(behind.get(..run).unwrap_or_default());
            return run;
        }
        0
    }

    /// The byte behind an escape within quotes; returns 1 where it is to be read again.
    fn escaped(&mut self, byte: u8, record: &mut Record) -> usize {
        if byte == self.quote || byte == self.escape {
            record.push(byte);
            self.state = CsvState::Quoted;
            return 0;
        }
        if self.escape == self.quote {
            self.state = CsvState::Plain;
        } else {
            record.push(self.escape);
            self.state = CsvState::Quoted;
        }
        1
    }

    fn end_field(&mut self, record: &mut Record) {
        let is_null = !self.is_quoted && record.open_field() == self.null;
        record.end_field(is_null);
        self.is_quoted = false;
    }

    fn end_line(&mut self, record: &mut Record, used: usize) -> Decoded {
        let is_end = record.is_empty() && !self.is_quoted && record.open_field() == br"\.";
        self.end_field(record);
        self.state = CsvState::Plain;
        self.is_started = false;
        self.line += 1;
        if is_end { Decoded::End } else { Decoded::Line(used) }
    }
}
