//! One physical record of RocksDB's log format, at a position of a block.
//!
//! ```text
//!   file:    block of 32 KiB | block | …          a record never crosses a block; what does is cut into fragments
//!   record:  crc 4 | length 2 | type 1 |             payload        types 1 to 4: whole, first, middle, last
//!            crc 4 | length 2 | type 1 | log number 4 | payload     types 5 to 8: the same in a log that is used again
//!   block's end: zeros, where no head of a record fits any more
//! ```
//!
//! The checksum is that of everything from the type on. A log that is used again holds records of the file that it was
//! before: their log number is another one. Source: `db/log_format.h` and `db/log_reader.cc` of RocksDB 11.8.

use super::checksum::{crc32c, masked};

/// Bytes of a block.
pub(super) const BLOCK_BYTES: usize = 32 << 10;
/// Bytes of the head that all records have.
const HEAD_BYTES: usize = 7;
/// Bytes of the head with a log number.
const HEAD_BYTES_MAX: usize = HEAD_BYTES + 4;

/// Which part of a logical record a physical one is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Whole,
    First,
    Middle,
    Last,
    /// Says something of the log itself.
    OfLog,
}

/// What stands at a position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum At<'a> {
    /// A sound record of this log, and where the next one starts.
    Record { part: Part, payload: &'a [u8], next: usize },
    /// No record fits before the block's end.
    End,
    /// None, or one of another log. Where the next one would start, if its length is right.
    Bad { next: Option<usize> },
}

struct Head {
    crc: u32,
    length: usize,
    kind: u8,
    /// Where the payload starts, from the head's start.
    bytes: usize,
    log: Option<u32>,
}

fn head(bytes: &[u8]) -> Option<Head> {
    let ([c0, c1, c2, c3, l0, l1, kind], rest) = bytes.split_first_chunk::<HEAD_BYTES>()?;
    let is_used_again = matches!(*kind, 5..=8 | 11 | 131);
    let log = if is_used_again { Some(u32::from_le_bytes(*rest.first_chunk()?)) } else { None };
    Some(Head {
        crc: u32::from_le_bytes([*c0, *c1, *c2, *c3]),
        length: usize::from(u16::from_le_bytes([*l0, *l1])),
        kind: *kind,
        bytes: if is_used_again { HEAD_BYTES_MAX } else { HEAD_BYTES },
        log,
    })
}

fn part(kind: u8) -> Option<Part> {
    Some(match kind {
        1 | 5 => Part::Whole,
        2 | 6 => Part::First,
        3 | 7 => Part::Middle,
        4 | 8 => Part::Last,
        9 | 10 | 11 | 128.. => Part::OfLog,
        0 | 12..=127 => return None,
    })
}

/// What stands at a position of a block. `log` is the low half of the file's number.
pub(super) fn at(block: &[u8], position: usize, log: u32) -> At<'_> {
    let rest = block.get(position..).unwrap_or_default();
    let is_full_block = block.len() == BLOCK_BYTES;
    if rest.is_empty() || (is_full_block && rest.len() < HEAD_BYTES) {
        return At::End;
    }
    if is_full_block && rest.len() < HEAD_BYTES_MAX && rest.iter().all(|byte| *byte == 0) {
        return At::End;
    }
    let Some(head) = head(rest) else { return At::Bad { next: None } };
    let Some(record) = rest.get(..head.bytes + head.length) else { return At::Bad { next: None } };
    let next = position + record.len();
    let (Some(part), Some(payload)) = (part(head.kind), record.get(head.bytes..)) else {
        return At::Bad { next: None };
    };
    if head.log.is_some_and(|found| found != log) {
        return At::Bad { next: Some(next) };
    }
    let summed = record.get(HEAD_BYTES - 1..).unwrap_or_default();
    if masked(crc32c(summed)) == head.crc {
        return At::Record { part, payload, next };
    }
    At::Bad { next: Some(next) }
}

/// The first position after a bad one at which a sound record of this log starts, within the block. Of a log that is
/// used again, only records with its number count.
pub(super) fn next_sound(block: &[u8], bad: usize, log: u32, is_used_again: bool) -> Option<usize> {
    let is_sound = |position: &usize| {
        // A look at the head alone, before the checksum: most bytes are no heads.
        let Some(head) = block.get(*position..).and_then(head) else { return false };
        let is_ours = head.log == Some(log) || (head.log.is_none() && !is_used_again);
        is_ours && matches!(at(block, *position, log), At::Record { .. })
    };
    let trusted = match at(block, bad, log) {
        At::Bad { next: Some(next) } => Some(next).filter(is_sound),
        At::Bad { next: None } | At::Record { .. } | At::End => None,
    };
    trusted.or_else(|| (bad + 1..block.len()).find(is_sound))
}
