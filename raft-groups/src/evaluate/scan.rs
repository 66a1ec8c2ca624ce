//! `Scan`: one page of pairs, or of what a program makes of them.

use quorate_engine::kv::{ScanEvaluator, ScanPage, ScanRequest};
use quorate_engine::mvcc::{self, PageError};
use quorate_engine::store::Snapshot;

use super::{ANSWER_BYTES_MAX, mvcc_error};
use crate::api::{RangeError, ReadAt};

/// Reads one page; `resume` is what is left of the request's own span. Who served it is filled in by the caller.
///
/// # Errors
/// [`RangeError::Uncertain`], and [`RangeError::Program`] for an error of the statement.
pub fn evaluate(
    snapshot: &dyn Snapshot,
    scan: &ScanRequest,
    read: ReadAt,
    evaluator: &dyn ScanEvaluator,
) -> Result<ScanPage, RangeError> {
    let at = mvcc::ReadAt { timestamp: read.timestamp, uncertainty_limit: read.uncertainty_limit };
    let bounded = ScanRequest {
        rows_max: scan.rows_max.max(1),
        bytes_max: scan.bytes_max.clamp(1, ANSWER_BYTES_MAX),
        ..scan.clone()
    };
    mvcc::read_page(snapshot, &bounded, at, evaluator).map_err(|error| match error {
        PageError::Mvcc(error) => mvcc_error(error),
        PageError::Program(error) => RangeError::Program(error),
    })
}
