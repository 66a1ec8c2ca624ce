//! `Get`: newest values of keys as of a timestamp.

use bytes::Bytes;
use quorate_engine::kv::Key;
use quorate_engine::mvcc;
use quorate_engine::mvcc::intent::have_no_intents;
use quorate_engine::store::Snapshot;

use super::{many, mvcc_error};
use crate::api::{RangeError, ReadAt};
use crate::limits::ANSWER_BYTES_MAX;

/// Reads the keys, in their order, as many as fit into one answer: at least the first.
///
/// # Errors
/// [`RangeError::Uncertain`] for a version in the read's uncertainty window.
pub fn evaluate(
    snapshot: &dyn Snapshot,
    keys: &[Key],
    read: ReadAt,
) -> Result<Vec<Option<Bytes>>, RangeError> {
    if let Some(ends) = many(keys.iter())
        && mvcc::have_no_versions(snapshot, ends)
        && have_no_intents(snapshot, ends)
    {
        return Ok(vec![None; keys.len()]);
    }
    let at = mvcc::ReadAt { timestamp: read.timestamp, uncertainty_limit: read.uncertainty_limit };
    let mut values = Vec::with_capacity(keys.len());
    let mut bytes = 0_u64;
    for key in keys {
        let found = mvcc::get(snapshot, key, at).map_err(mvcc_error)?;
        let value = found.map(|versioned| versioned.value);
        bytes += value.as_ref().map_or(0, |value| value.len() as u64);
        values.push(value);
        if bytes > ANSWER_BYTES_MAX {
            break;
        }
    }
    assert!(values.len() <= keys.len(), "there are no more answers than questions");
    assert!(keys.is_empty() || !values.is_empty(), "an answer says something of the first key");
    Ok(values)
}
