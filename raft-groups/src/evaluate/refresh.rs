//! `Refresh`: was anything written in these spans since they were read?

use quorate_engine::hlc::Timestamp;
use quorate_engine::kv::Span;
use quorate_engine::mvcc;
use quorate_engine::store::Snapshot;
use uuid::Uuid;

use super::mvcc_error;
use crate::api::RangeError;

/// Looks for versions above `after` and up to `upto`, where intents of `own` do not count.
///
/// # Errors
/// [`RangeError::Conflict`] with the first one found, [`RangeError::Locked`] for another's intent there.
pub fn evaluate(
    snapshot: &dyn Snapshot,
    spans: &[Span],
    after: Timestamp,
    upto: Timestamp,
    own: Option<Uuid>,
) -> Result<(), RangeError> {
    for span in spans {
        if let Some((key, timestamp)) =
            mvcc::changed_in(snapshot, span, after, upto, own).map_err(mvcc_error)?
        {
            return Err(RangeError::Conflict { key, timestamp });
        }
    }
    Ok(())
}
