//! `Refresh`: was anything written in these spans since they were read, that counts?

use quorate_engine::hlc::Timestamp;
use quorate_engine::kv::ScanEvaluator;
use quorate_engine::kv_reads::ReadSpan;
use quorate_engine::mvcc::{self, ChangeWindow, Refreshed, Visits};
use quorate_engine::store::Snapshot;

use super::page_error;
use crate::api::RangeError;

/// Looks for versions in a window, as many as may be visited; gives what is left to be looked at. `written` is a time above
/// which nothing lies in the snapshot's range, if anybody knows one.
///
/// # Errors
/// [`RangeError::Conflict`] with the first one found, [`RangeError::Locked`] for another's intent there.
pub fn evaluate(
    snapshot: &dyn Snapshot,
    spans: &[ReadSpan],
    (window, written): (ChangeWindow, Option<Timestamp>),
    visits: Visits,
    evaluator: &dyn ScanEvaluator,
) -> Result<Vec<ReadSpan>, RangeError> {
    // What is not over lies above the time of a read that has passed it: its reader would have been told of it else.
    if written.is_some_and(|written| written <= window.after) {
        return Ok(Vec::new());
    }
    match mvcc::refresh(snapshot, spans, (window, visits), evaluator).map_err(page_error)? {
        Refreshed::Unchanged => Ok(Vec::new()),
        Refreshed::Changed { key, timestamp } => Err(RangeError::Conflict { key, timestamp }),
        Refreshed::Left(left) => Ok(left),
    }
}
