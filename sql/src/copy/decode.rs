//! From bytes in pieces to lines of fields; the formats themselves are [`super::csv`] and [`super::text`].

use super::csv::CsvDecoder;
use super::text::TextDecoder;
use crate::error::{SqlError, SqlState};
use crate::limits::COPY_LINE_MAX_BYTES;
use crate::parser::ast::{CopyFormat, CopyOptions};

/// One line, its fields as the format's escapes mean them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// Number of the line on which it begins, from 1.
    pub line: u64,
    /// Bytes of all fields, one after the other.
    bytes: Vec<u8>,
    /// Where each field ends, and whether it is NULL.
    ends: Vec<(usize, bool)>,
}

impl Record {
    /// Forgets the fields, for the next line.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }

    /// Number of fields.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether it has no field.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The fields; `None` for NULL.
    pub fn fields(&self) -> impl Iterator<Item = Option<&[u8]>> {
        let mut start = 0;
        self.ends.iter().map(move |(end, is_null)| {
            let field = self.bytes.get(start..*end).unwrap_or_default();
            start = *end;
            (!is_null).then_some(field)
        })
    }

    pub(super) fn push(&mut self, byte: u8) {
        self.bytes.push(byte);
    }

    pub(super) fn extend(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    pub(super) fn size_bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Bytes of the field that is being read.
    pub(super) fn open_field(&self) -> &[u8] {
        let start = self.ends.last().map_or(0, |(end, _)| *end);
        self.bytes.get(start..).unwrap_or_default()
    }

    pub(super) fn end_field(&mut self, is_null: bool) {
        self.ends.push((self.bytes.len(), is_null));
    }
}

/// What a decoder says of the bytes it was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decoded {
    /// A line is complete; the number is how many bytes were used.
    Line(usize),
    /// All bytes were used, the line goes on.
    More,
    /// The marker of the data's end was read.
    End,
}

/// Reads lines out of pieces of data.
pub enum Decoder {
    /// `FORMAT csv`.
    Csv(CsvDecoder),
    /// `FORMAT text`.
    Text(TextDecoder),
}

impl Decoder {
    /// A decoder of this format.
    pub fn new(options: &CopyOptions) -> Self {
        match options.format {
            CopyFormat::Csv => Self::Csv(CsvDecoder::new(options)),
            CopyFormat::Text => Self::Text(TextDecoder::new(options)),
        }
    }

    /// Takes bytes until a line is complete, into `record`, which is cleared by the caller between lines.
    ///
    /// # Errors
    /// 22P04 for bytes that the format does not allow; 54000 for a line that is too long.
    pub fn step(&mut self, data: &[u8], record: &mut Record) -> Result<Decoded, SqlError> {
        match self {
            Self::Csv(decoder) => decoder.step(data, record),
            Self::Text(decoder) => decoder.step(data, record),
        }
    }

    /// Ends the data; whether `record` now holds a last line, which had no end of line.
    ///
    /// # Errors
    /// 22P04 where the data ends within a quoted field.
    pub fn finish(&mut self, record: &mut Record) -> Result<bool, SqlError> {
        match self {
            Self::Csv(decoder) => decoder.finish(record),
            Self::Text(decoder) => decoder.finish(record),
        }
    }
}

/// How the lines of the data end: as the first one does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum LineEnd {
    /// No line has ended yet.
    #[default]
    Unknown,
    /// LF
    Newline,
    /// CR
    Return,
    /// CR LF
    Both,
}

impl LineEnd {
    /// What a CR that is no part of a field means; the byte behind it may be needed to know.
    ///
    /// # Errors
    /// 22P04 where lines end in LF.
    pub(super) fn at_return(self, what: &str, hint: &str) -> Result<Self, SqlError> {
        match self {
            Self::Newline => {
                Err(bad_file(format!("{what} carriage return found in data")).with_hint(hint.to_owned()))
            }
            Self::Unknown | Self::Return | Self::Both => Ok(self),
        }
    }

    /// Takes an LF that no CR stands before as a line's end.
    ///
    /// # Errors
    /// 22P04 where lines end in CR, or CR LF.
    pub(super) fn at_newline(&mut self, what: &str, hint: &str) -> Result<(), SqlError> {
        match self {
            Self::Unknown | Self::Newline => {
                *self = Self::Newline;
                Ok(())
            }
            Self::Return | Self::Both => {
                Err(bad_file(format!("{what} newline found in data")).with_hint(hint.to_owned()))
            }
        }
    }
}

pub(super) fn bad_file(message: impl Into<String>) -> SqlError {
    SqlError::new(SqlState::BadCopyFileFormat, message)
}

pub(super) fn line_too_long() -> SqlError {
    SqlError::new(
        SqlState::ProgramLimitExceeded,
        format!("a line is longer than the limit of {COPY_LINE_MAX_BYTES} bytes"),
    )
}
