//! [`Forgotten`]: what a store has lost of what it had synced.
//!
//! A store that has forgotten still answers, so that it can be read whose it is; but what it says of logs and votes is
//! older than what it has told others. Whoever opens it decides what it may still do.

use std::fmt;

use crate::codec::check::{Broken, holds};

/// A store that recovered less than it had synced, and how that is known. It stays so over restarts: only an empty
/// directory begins anew.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forgotten {
    /// The file that shows it, by its name in the store's directory.
    pub file: String,
    /// The byte in it from which on it is damaged, or less than it was; 0 where the whole file is meant.
    pub offset: u64,
    /// The sequence number up to which the store was recovered.
    pub recovered: u64,
    /// The sequence number up to which it is known to have been written, as far as can be seen.
    pub expected: u64,
    /// What happened, for people: a sentence without a full stop.
    pub reason: String,
}

impl Forgotten {
    /// What must hold of a verdict.
    ///
    /// # Errors
    /// The rule that does not.
    pub fn validate(&self) -> Result<(), Broken> {
        holds(
            self.recovered <= self.expected,
            "a store that has forgotten recovers no more than was expected",
        )?;
        holds(!self.reason.is_empty(), "a verdict says what happened")
    }
}

impl fmt::Display for Forgotten {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}
