//! `Changes`: one page of what has changed in a span since a moment.

use quorate_engine::kv::{ChangesPage, ChangesRequest};
use quorate_engine::mvcc;
use quorate_engine::store::Snapshot;

use super::{ANSWER_BYTES_MAX, mvcc_error};
use crate::api::{RangeError, ReadAt};

/// Reads one page; `resume` is what is left of the request's own span.
///
/// # Errors
/// [`RangeError::Uncertain`] and [`RangeError::Locked`], as for a scan.
pub fn evaluate(
    snapshot: &dyn Snapshot,
    changes: &ChangesRequest,
    read: ReadAt,
) -> Result<ChangesPage, RangeError> {
    let at = mvcc::ReadAt { timestamp: read.timestamp, uncertainty_limit: read.uncertainty_limit };
    let bytes_max = changes.bytes_max.clamp(1, ANSWER_BYTES_MAX);
    let bounded = ChangesRequest { bytes_max, ..changes.clone() };
    mvcc::changes_in(snapshot, &bounded, at).map_err(mvcc_error)
}
