//! `Scan`: one page of pairs, or of what a program makes of them.

use quorate_engine::kv::{ScanEvaluator, ScanPage, ScanRequest};
use quorate_engine::mvcc::{self, Visits};
use quorate_engine::store::Snapshot;

use super::page_error;
use crate::api::{RangeError, ReadAt};
use crate::limits::ANSWER_BYTES_MAX;

/// Reads one page, within its visits; `resume` is what is left of the request's own span. Who served it is filled in by the caller.
///
/// # Errors
/// [`RangeError::Uncertain`], and [`RangeError::Program`] for an error of the statement.
pub fn evaluate(
    snapshot: &dyn Snapshot,
    scan: &ScanRequest,
    (read, visits): (ReadAt, Visits),
    evaluator: &dyn ScanEvaluator,
) -> Result<ScanPage, RangeError> {
    let at = mvcc::ReadAt { timestamp: read.timestamp, uncertainty_limit: read.uncertainty_limit };
    let bounded = ScanRequest {
        rows_max: scan.rows_max.max(1),
        bytes_max: scan.bytes_max.clamp(1, ANSWER_BYTES_MAX),
        ..scan.clone()
    };
    let page = mvcc::read_page(snapshot, &bounded, (at, visits), evaluator).map_err(page_error)?;
    assert!(page.served.rows_read <= bounded.rows_max, "a page reads no more rows than were asked for");
    let rest = page.resume.as_ref();
    assert!(rest.is_none_or(|rest| scan.span.covers(rest)), "what is left of a scan is part of it");
    Ok(page)
}
