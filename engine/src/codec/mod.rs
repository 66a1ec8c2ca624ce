//! Bytes that keep an order ([`key`], [`escape`]) and bytes that do not need one ([`value`]).
//!
//! Invariant: decoding never panics and never trusts a length: damaged input is a [`CodecError`].

pub mod check;
pub mod decimal;
pub mod escape;
pub mod key;
pub mod value;

/// Stored or received bytes that do not decode.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CodecError {
    /// The bytes end before what was expected.
    #[error("bytes end within {what}")]
    Truncated {
        /// What was being read.
        what: &'static str,
    },
    /// A byte or number that has no meaning here.
    #[error("{what} cannot be {found}")]
    Invalid {
        /// What was being read.
        what: &'static str,
        /// What was found.
        found: u64,
    },
    /// Bytes are left after the last part.
    #[error("{count} bytes too many after {what}")]
    Trailing {
        /// What was read last.
        what: &'static str,
        /// Bytes left.
        count: usize,
    },
    /// A format version that this program does not know: written by a newer one.
    #[error("{what} has format version {found}, this program knows up to {known}")]
    Version {
        /// What was being read.
        what: &'static str,
        /// Version found.
        found: u8,
        /// Newest version known.
        known: u8,
    },
    /// The fields can be read, and contradict each other.
    #[error("{what} breaks a rule: {rule}")]
    Broken {
        /// Which format.
        what: &'static str,
        /// What should hold.
        rule: &'static str,
    },
}
