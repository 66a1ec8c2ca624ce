//! One page of a scan: the pairs of a snapshot through the request's program, within its visits.

use super::{MvccError, MvccScan, ReadAt, Visits};
use crate::kv::{ProgramError, ScanEvaluator, ScanPage, ScanRequest};
use crate::kv_page::{PageBuilder, PageFlow, remaining};
use crate::store::Snapshot;

/// Why a page has no answer.
#[derive(Clone, Debug, thiserror::Error)]
pub enum PageError {
    /// The read met something in its way, or failed.
    #[error(transparent)]
    Mvcc(#[from] MvccError),
    /// The program failed on a row.
    #[error(transparent)]
    Program(#[from] ProgramError),
}

/// Reads one page, which ends at a limit of the request's or when the visits are used up, with or without pairs. Its
/// `served` names no range and no node yet.
///
/// # Errors
/// See [`PageError`].
pub fn read_page(
    snapshot: &dyn Snapshot,
    request: &ScanRequest,
    (at, visits): (ReadAt, Visits),
    evaluator: &dyn ScanEvaluator,
) -> Result<ScanPage, PageError> {
    let mut page = PageBuilder::new(request, evaluator)?;
    if request.span.is_empty() {
        return Ok(page.finish(None)?);
    }
    let mut scan = MvccScan::within(snapshot, &request.span, (request.direction, at), visits);
    let rest = loop {
        let Some((key, _, value)) = scan.next()? else {
            break scan.paused().and_then(|last| remaining(&request.span, request.direction, last));
        };
        assert!(request.span.contains(&key), "a page holds keys of its span alone");
        match page.push(&key, value)? {
            PageFlow::More => {}
            PageFlow::Full => break remaining(&request.span, request.direction, &key),
            PageFlow::Stop => break None,
        }
    };
    page.visited(scan.visits().steps());
    Ok(page.finish(rest)?)
}
