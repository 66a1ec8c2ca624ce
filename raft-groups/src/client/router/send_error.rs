//! Why a request got no answer that its sender can use.

use quorate_placement::topology::RangeId;

use crate::api::RangeError;

/// Why a request got no answer that its sender can use; cut by what the sender does next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SendError {
    /// The descriptor is out of date: find the ranges of the keys again.
    Stale,
    /// The range's own answer.
    Answered(RangeError),
    /// Nobody could serve it in time. Nothing was done.
    Unavailable {
        /// The range.
        range_id: RangeId,
        /// Who is missing, and what to do.
        detail: String,
    },
    /// A commit may or may not have taken place: ask for its record.
    Lost {
        /// The range.
        range_id: RangeId,
        /// What was waited for.
        detail: String,
    },
}
