//! One page of a scan: the pairs of a snapshot through the request's program.

use super::{MvccError, MvccScan, ReadAt};
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

/// Reads one page. Its `served` names no range and no node yet.
///
/// # Errors
/// See [`PageError`].
pub fn read_page(
    snapshot: &dyn Snapshot,
    request: &ScanRequest,
    at: ReadAt,
    evaluator: &dyn ScanEvaluator,
) -> Result<ScanPage, PageError> {
    let mut page = PageBuilder::new(request, evaluator)?;
    if request.span.is_empty() {
        return Ok(page.finish(None)?);
    }
    let mut scan = MvccScan::new(snapshot, &request.span, request.direction, at);
    while let Some((key, _, value)) = scan.next()? {
        match page.push(&key, value)? {
            PageFlow::More => {}
            PageFlow::Full => return Ok(page.finish(remaining(&request.span, request.direction, &key))?),
            PageFlow::Stop => return Ok(page.finish(None)?),
        }
    }
    Ok(page.finish(None)?)
}
