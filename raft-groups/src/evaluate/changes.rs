//! `Changes`: one page of what has changed in a span since a moment.

use quorate_engine::hlc::Timestamp;
use quorate_engine::kv::{ChangesPage, ChangesRequest};
use quorate_engine::mvcc;
use quorate_engine::store::Snapshot;

use super::mvcc_error;
use crate::api::{RangeError, ReadAt};
use crate::limits::ANSWER_BYTES_MAX;

/// Reads one page; `resume` is what is left of the request's own span. `written` is a time above which nothing lies in the
/// snapshot's range, if anybody knows one: where that is known to the asker already, nothing is looked at.
///
/// # Errors
/// [`RangeError::Uncertain`] and [`RangeError::Locked`], as for a scan.
pub fn evaluate(
    snapshot: &dyn Snapshot,
    changes: &ChangesRequest,
    (read, written): (ReadAt, Option<Timestamp>),
) -> Result<ChangesPage, RangeError> {
    // What is not over lies above the time of a read that has passed it, and the asker has read up to `after`.
    if written.is_some_and(|written| written <= changes.after) {
        return Ok(ChangesPage { changes: Vec::new(), resume: None });
    }
    let at = mvcc::ReadAt { timestamp: read.timestamp, uncertainty_limit: read.uncertainty_limit };
    let bytes_max = changes.bytes_max.clamp(1, ANSWER_BYTES_MAX);
    let bounded = ChangesRequest { bytes_max, ..changes.clone() };
    mvcc::changes_in(snapshot, &bounded, at).map_err(mvcc_error)
}
