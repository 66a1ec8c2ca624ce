//! A file of RocksDB's log format, read block by block: the records of its sound beginning, the place where that ends,
//! and what sound records stand behind it.
//!
//! ```text
//!   | whole | first  :  last | whole | #damage# | whole | whole | old records of a log used again …
//!   └──────── sound ────────────────┘          └─ later ─────┘
//!                                   └ broken
//! ```
//!
//! Behind a broken place records are looked for at the starts of blocks, where heads must stand, and between these at
//! every byte. Memory: one block, and the first bytes of one record. Source: `db/log_reader.cc` of RocksDB 11.8, whose
//! point-in-time recovery ends at the broken place too; only over zeros at a record's place it goes on with the next block.

use std::io::{self, Read};

use super::record::{At, BLOCK_BYTES, Part, at, next_sound};

/// What is met on the way through a file, in its order.
#[derive(Debug)]
pub(super) enum Met<'a> {
    /// A logical record of the sound beginning: its first bytes, and where it starts.
    Record { start: u64, head: &'a [u8] },
    /// A sound physical record behind the broken place: the first bytes of a logical record, where it is the start of one.
    Later { end: u64, head: Option<&'a [u8]> },
}

/// How a file ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct LogEnd {
    /// Where the sound beginning ends.
    pub(super) sound: u64,
    /// Whether anything but the file's end follows there.
    pub(super) is_broken: bool,
    /// Bytes of the file.
    pub(super) bytes: u64,
}

/// The logical record that is being put together.
struct Fragments {
    start: Option<u64>,
    head: Vec<u8>,
    keep: usize,
}

impl Fragments {
    fn add(&mut self, payload: &[u8]) {
        let room = self.keep.saturating_sub(self.head.len());
        self.head.extend(payload.iter().take(room));
    }

    /// Takes a physical record: `None` where it does not belong here, else the start of the logical one that it ends.
    fn take(&mut self, part: Part, payload: &[u8], position: u64) -> Option<Option<u64>> {
        // An empty first fragment may be left alone at a block's end.
        let is_begun = self.start.is_some() && !self.head.is_empty();
        match part {
            Part::Whole | Part::First if is_begun => return None,
            Part::Middle | Part::Last if self.start.is_none() => return None,
            Part::Whole | Part::First => {
                self.start = Some(position);
                self.head.clear();
            }
            Part::Middle | Part::Last => {}
            Part::OfLog => return Some(None),
        }
        self.add(payload);
        match part {
            Part::Whole | Part::Last => Some(self.start.take()),
            Part::First | Part::Middle | Part::OfLog => Some(None),
        }
    }
}

/// The way through one file.
struct Walk<'a> {
    log: u32,
    fragments: Fragments,
    /// As its first record says.
    is_used_again: bool,
    end: LogEnd,
    visit: &'a mut dyn FnMut(Met<'_>) -> bool,
}

/// Reads a file with this number. `visit` is given at most `keep` bytes of each record, and answers whether a record of
/// the sound beginning makes sense: where not, the file is broken there.
///
/// # Errors
/// The file cannot be read.
pub(super) fn read_log(
    mut file: impl Read,
    number: u64,
    keep: usize,
    visit: &mut dyn FnMut(Met<'_>) -> bool,
) -> io::Result<LogEnd> {
    let [l0, l1, l2, l3, ..] = number.to_le_bytes();
    let fragments = Fragments { start: None, head: Vec::new(), keep };
    let log = u32::from_le_bytes([l0, l1, l2, l3]);
    let mut walk = Walk { log, fragments, is_used_again: true, end: LogEnd::default(), visit };
    let mut block = vec![0; BLOCK_BYTES];
    loop {
        let length = fill(&mut file, &mut block)?;
        walk.block(block.get(..length).unwrap_or_default());
        if length < BLOCK_BYTES {
            break;
        }
    }
    if walk.fragments.start.is_some() {
        walk.end.is_broken = true;
    }
    Ok(walk.end)
}

/// As many bytes as there are, up to the buffer's.
fn fill(file: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut length = 0;
    while let Some(rest) = buffer.get_mut(length..).filter(|rest| !rest.is_empty()) {
        match file.read(rest) {
            Ok(0) => break,
            Ok(read) => length += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(length)
}

impl Walk<'_> {
    fn block(&mut self, block: &[u8]) {
        let base = self.end.bytes;
        self.end.bytes += block.len() as u64;
        let broken = if self.end.is_broken { Some(0) } else { self.sound_block(block, base) };
        if let Some(position) = broken {
            self.end.is_broken = true;
            self.later_block(block, base, position);
        }
    }

    /// The position where the block's sound part ends before the block does.
    fn sound_block(&mut self, block: &[u8], base: u64) -> Option<usize> {
        let mut position = 0;
        loop {
            let (part, payload, next) = match at(block, position, self.log) {
                At::Record { part, payload, next } => (part, payload, next),
                At::End => return None,
                At::Bad { .. } => return Some(position),
            };
            let (start, after) = (base + position as u64, base + next as u64);
            if start == 0 {
                let kind = block.get(6).copied().unwrap_or_default();
                self.is_used_again = kind >= 5;
            }
            match self.fragments.take(part, payload, start) {
                Some(Some(start)) => {
                    if !(self.visit)(Met::Record { start, head: &self.fragments.head }) {
                        return Some(position);
                    }
                    self.end.sound = after;
                }
                Some(None) if self.fragments.start.is_none() => self.end.sound = after,
                Some(None) => {}
                None => return Some(position),
            }
            position = next;
        }
    }

    /// Looks for sound records from a position on.
    fn later_block(&mut self, block: &[u8], base: u64, mut position: usize) {
        loop {
            match at(block, position, self.log) {
                At::Record { part, payload, next } => {
                    let head = payload.get(..payload.len().min(self.fragments.keep));
                    let head = head.filter(|_| matches!(part, Part::Whole | Part::First));
                    if part != Part::OfLog {
                        (self.visit)(Met::Later { end: base + next as u64, head });
                    }
                    position = next;
                }
                At::End => return,
                At::Bad { .. } => match next_sound(block, position, self.log, self.is_used_again) {
                    Some(next) => position = next,
                    None => return,
                },
            }
        }
    }
}
