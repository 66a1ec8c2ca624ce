//! What goes between nodes, in bytes: the one room of prost in this crate.
//!
//! Each message has a form here, a struct whose fields have numbers, and conversions both ways; the rest of the crate knows
//! its own types alone. What lies on the disk has formats of its own (`*_format.rs`), which change by the cluster's version.
//!
//! Forms are derived from structs, not generated from `.proto` files: nobody outside of this crate reads them, and the
//! build needs no compiler of another language.
//!
//! Invariants:
//! - A number is never given to another field, and no field changes its type; a new field may be missing. Whoever does not
//!   know a field skips it, so that a message of a newer release is read as far as it is understood.
//! - A kind that this release does not know is a [`WireError::Missing`], which is answered with a refusal; nothing of it is
//!   done.
//! - Damaged bytes are an error, never a panic. Memory is taken for what is there, not for what a length claims.
//! - What anybody may send without being known (`bootstrap` requests) has no lists.
//!
//! Bytes of values share the message's allocation; keys are copied, since caches keep them for long, and a kept key would
//! keep the whole frame of messages in which it came.

use bytes::Bytes;
use prost::Message;

mod admin;
pub(crate) mod beats;
pub mod bootstrap;
pub(crate) mod cluster;
pub(crate) mod member;
mod pieces;
pub(crate) mod raft;
pub(crate) mod range;
pub(crate) mod range_answer;
mod range_error;
mod report;
pub(crate) mod snapshot;
mod status;
mod transact;

/// Why bytes are no message that can be acted upon.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// They are damaged.
    #[error("{message} is damaged: {detail}")]
    Damaged {
        /// Which message.
        message: &'static str,
        /// What is wrong with them.
        detail: String,
    },
    /// A field is missing, or says something that only a newer release knows.
    #[error(
        "{message} has no {field} that this release knows; if it comes from a newer release, this node or program has to \
         be upgraded"
    )]
    Missing {
        /// Which message.
        message: &'static str,
        /// Which field.
        field: &'static str,
    },
    /// A field has a value that cannot be.
    #[error("{message} has an impossible {field}: {value}")]
    Invalid {
        /// Which message.
        message: &'static str,
        /// Which field.
        field: &'static str,
        /// Its value.
        value: u64,
    },
}

/// The bytes of a form.
pub(crate) fn write(form: &impl Message) -> Bytes {
    form.encode_to_vec().into()
}

/// Reads a form; `message` is named in errors.
pub(crate) fn read<F: Message + Default>(message: &'static str, bytes: Bytes) -> Result<F, WireError> {
    F::decode(bytes).map_err(|error| WireError::Damaged { message, detail: error.to_string() })
}

/// A field that has to be there.
fn must<T>(message: &'static str, field: &'static str, found: Option<T>) -> Result<T, WireError> {
    found.ok_or(WireError::Missing { message, field })
}

/// The forms of a list.
fn forms<'a, T: 'a, F: From<&'a T>>(items: impl IntoIterator<Item = &'a T>) -> Vec<F> {
    items.into_iter().map(F::from).collect()
}

/// What a list of forms means.
fn read_all<F, T: TryFrom<F, Error = WireError>>(forms: Vec<F>) -> Result<Vec<T>, WireError> {
    forms.into_iter().map(T::try_from).collect()
}

/// What a form means that may be missing.
fn read_maybe<F, T: TryFrom<F, Error = WireError>>(form: Option<F>) -> Result<Option<T>, WireError> {
    form.map(T::try_from).transpose()
}

#[cfg(test)]
mod tests;
