//! What has changed in a span since a moment, as of a later one: for whoever keeps a copy and wants only the difference.
//!
//! ```text
//! versions of a key     …  5  7  |after|  12  15  |read timestamp|  20
//! told of it                              15, once, with its value or as a deletion
//! ```
//!
//! Keys without a version in between cost a step each and are not told. Invariant: what was read as of `after`, with
//! these changes laid over it, is what a scan as of the read timestamp finds.

use super::key_format::{data_span, split_data_key, user_key, version_of};
use super::pass::{STEPS_MAX, pass};
use super::{MvccError, ReadAt, intent_format, version_format};
use crate::hlc::Timestamp;
use crate::kv::{Change, ChangesPage, ChangesRequest, Direction, Key, Span};
use crate::kv_page::remaining;
use crate::store::{Cursor, Family, Snapshot};

/// One page of changes, within the limits of its request.
///
/// # Errors
/// As for a scan: [`MvccError::Intent`] for an intent at or below the read's limit, [`MvccError::Uncertain`] for a version
/// in its window; each for the first such key that the page would reach.
pub fn changes_in(
    snapshot: &dyn Snapshot,
    request: &ChangesRequest,
    at: ReadAt,
) -> Result<ChangesPage, MvccError> {
    let mut page = ChangesPage::default();
    if request.span.is_empty() {
        return Ok(page);
    }
    let (start, end) = data_span(&request.span);
    let mut cursor = snapshot.cursor(Family::Data, &start, &end);
    cursor.next()?;
    let (mut visited, mut bytes) = (0, 0);
    let mut last = None;
    while let Some(found) = cursor.key() {
        if visited >= request.keys_max.max(1) || bytes >= request.bytes_max {
            page.resume = last.and_then(|key| remaining(&request.span, Direction::Forward, &key));
            break;
        }
        visited += 1;
        let prefix = split_data_key(found)?.0.to_vec();
        let key = user_key(&prefix)?;
        if let Some(change) = newest_of(cursor.as_mut(), (&prefix, &key), request.after, at)? {
            bytes += change.size_bytes();
            page.changes.push(change);
        }
        last = Some(key);
        pass(cursor.as_mut(), &prefix, || ())?;
    }
    refuse_intents(snapshot, &request.span, page.resume.as_ref(), at)?;
    Ok(page)
}

/// The newest version of the key under the cursor that the read sees, where it is one of after `after`.
fn newest_of(
    cursor: &mut dyn Cursor,
    (prefix, key): (&[u8], &Key),
    after: Timestamp,
    at: ReadAt,
) -> Result<Option<Change>, MvccError> {
    let limit = at.limit();
    let mut steps = 0;
    loop {
        let Some(found) = cursor.key().filter(|found| found.starts_with(prefix)) else { return Ok(None) };
        let timestamp = split_data_key(found)?.1;
        if timestamp <= limit {
            break;
        }
        if steps < STEPS_MAX {
            cursor.next()?;
        } else {
            cursor.seek(&version_of(prefix.to_vec(), limit))?;
        }
        steps += 1;
    }
    let Some(found) = cursor.key() else { return Ok(None) };
    let timestamp = split_data_key(found)?.1;
    if timestamp > at.timestamp {
        return Err(MvccError::Uncertain { key: key.clone(), timestamp });
    }
    if timestamp <= after {
        return Ok(None);
    }
    let value = version_format::decode(cursor.value().unwrap_or_default())?;
    Ok(Some(Change { key: key.clone(), timestamp, value }))
}

/// Fails for the first intent of the part that was visited, if the read must not pass it.
fn refuse_intents(
    snapshot: &dyn Snapshot,
    span: &Span,
    rest: Option<&Span>,
    at: ReadAt,
) -> Result<(), MvccError> {
    let end = rest.map_or(&span.end, |rest| &rest.start);
    let mut cursor = snapshot.cursor(Family::Lock, span.start.as_ref(), end.as_ref());
    cursor.next()?;
    while let (Some(key), Some(value)) = (cursor.key(), cursor.value()) {
        let intent = intent_format::decode(value)?;
        if intent.write_timestamp <= at.limit() {
            return Err(MvccError::Intent { key: Key::from(key), intent: Box::new(intent) });
        }
        cursor.next()?;
    }
    Ok(())
}
