//! A command in the bytes of its log entry: encoded once, then shared by log, followers' streams and apply.
//!
//! ```text
//!   stored   version 1 · term u64 · 3 · command            the value of the log's key (`log_format`), whole
//!                                       └────────┘         what apply reads
//! ```
//!
//! Whoever makes a command knows the term in which alone it may be appended, and leaves room for the entry's head. The same
//! allocation is what the log writer stores, what the messages to followers carry, what these store, and what the tail keeps.
//!
//! Invariant: the bytes are a whole entry of their term, and never change.

use std::fmt;

use bytes::Bytes;

use super::entry_format::COMMAND;
use super::log_format::{ENTRY_HEAD_BYTES, put_entry_head};

/// See the module.
#[derive(Clone, PartialEq, Eq)]
pub struct EntryCommand {
    stored: Bytes,
    /// In its head.
    term: u64,
}

impl EntryCommand {
    /// A command for an entry of `term`, whose bytes are appended by `put`; about `capacity` of them.
    ///
    /// # Errors
    /// Those of `put`.
    pub fn build<E>(
        term: u64,
        capacity: usize,
        put: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
    ) -> Result<Self, E> {
        let mut out = Vec::with_capacity(ENTRY_HEAD_BYTES + capacity);
        put_entry_head(&mut out, term);
        out.push(COMMAND);
        put(&mut out)?;
        Ok(Self { stored: out.into(), term })
    }

    /// A copy of a command's bytes.
    pub fn copy_of(term: u64, command: &[u8]) -> Self {
        let mut out = Vec::with_capacity(ENTRY_HEAD_BYTES + command.len());
        put_entry_head(&mut out, term);
        out.push(COMMAND);
        out.extend_from_slice(command);
        Self { stored: out.into(), term }
    }

    /// The bytes of an entry of `term` whose head says that it is a command.
    pub(super) fn of_stored(term: u64, stored: Bytes) -> Self {
        assert!(stored.len() >= ENTRY_HEAD_BYTES, "its head was read");
        Self { stored, term }
    }

    /// The value of the log's key for an entry of `term`. A command that openraft has appended in another term than it was
    /// made for, which it was asked not to, is copied: apply does nothing with it.
    pub(crate) fn stored(&self, term: u64) -> Bytes {
        if term == self.term { self.stored.clone() } else { Self::copy_of(term, self.bytes()).stored }
    }

    /// The command's bytes; shared, not copied.
    pub fn command(&self) -> Bytes {
        self.stored.slice(ENTRY_HEAD_BYTES..)
    }

    /// The command's bytes.
    pub fn bytes(&self) -> &[u8] {
        self.stored.split_at_checked(ENTRY_HEAD_BYTES).map_or(&[], |(_, command)| command)
    }

    /// How many bytes the command has.
    pub fn size_bytes(&self) -> usize {
        self.stored.len().saturating_sub(ENTRY_HEAD_BYTES)
    }
}

impl fmt::Debug for EntryCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EntryCommand({} bytes, of term {})", self.size_bytes(), self.term)
    }
}

impl fmt::Display for EntryCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.size_bytes())
    }
}
