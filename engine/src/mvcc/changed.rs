//! Refreshes: has anything in a span changed since it was read?

use uuid::Uuid;

use super::key_format::{data_prefix_end, data_span, split_data_key, user_key, version_of};
use super::{MvccError, intent_format};
use crate::hlc::Timestamp;
use crate::kv::{Key, Span};
use crate::store::{Cursor, Family, Snapshot};

/// The first key of a span that has a version above `after` and at or below `upto`, with the newest such timestamp.
///
/// # Errors
/// [`MvccError::Intent`] for the first intent of the span at or below `upto`: it may yet become such a version. Those of
/// the transaction `own` do not count: they become versions at `upto`, by the one who asks.
pub fn changed_in(
    snapshot: &dyn Snapshot,
    span: &Span,
    after: Timestamp,
    upto: Timestamp,
    own: Option<Uuid>,
) -> Result<Option<(Key, Timestamp)>, MvccError> {
    if span.is_empty() || after >= upto {
        return Ok(None);
    }
    refuse_intents(snapshot, span, upto, own)?;
    let (start, end) = data_span(span);
    let mut cursor = snapshot.cursor(Family::Data, &start, &end);
    cursor.next()?;
    while let Some(found) = cursor.key() {
        let (prefix, timestamp) = split_data_key(found)?;
        if timestamp > upto {
            // The newest version is too new, an older one may not be: it is found here in the next round.
            let target = version_of(prefix.to_vec(), upto);
            cursor.seek(&target)?;
        } else if timestamp > after {
            return Ok(Some((user_key(prefix)?, timestamp)));
        } else {
            pass(cursor.as_mut())?;
        }
    }
    Ok(None)
}

/// Versions of one key that are stepped over before a seek is cheaper.
const STEPS_MAX: usize = 4;

/// Moves to the first version of the next user key.
fn pass(cursor: &mut dyn Cursor) -> Result<(), MvccError> {
    let Some(found) = cursor.key() else { return Ok(()) };
    let prefix = split_data_key(found)?.0.to_vec();
    for _ in 0..STEPS_MAX {
        cursor.next()?;
        if cursor.key().is_none_or(|key| !key.starts_with(&prefix)) {
            return Ok(());
        }
    }
    Ok(cursor.seek(&data_prefix_end(&prefix))?)
}

fn refuse_intents(
    snapshot: &dyn Snapshot,
    span: &Span,
    upto: Timestamp,
    own: Option<Uuid>,
) -> Result<(), MvccError> {
    let mut cursor = snapshot.cursor(Family::Lock, span.start.as_ref(), span.end.as_ref());
    cursor.next()?;
    while let (Some(key), Some(value)) = (cursor.key(), cursor.value()) {
        let intent = intent_format::decode(value)?;
        if intent.write_timestamp <= upto && own != Some(intent.transaction) {
            return Err(MvccError::Intent { key: Key::from(key), intent: Box::new(intent) });
        }
        cursor.next()?;
    }
    Ok(())
}
