//! Reads of one key.

use super::key_format::{data_prefix, data_prefix_end, split_data_key, version_of};
use super::{MvccError, ReadAt, Versioned, intent, version_format};
use crate::codec::check::holds;
use crate::hlc::Timestamp;
use crate::kv::{Key, Value};
use crate::store::{Family, Snapshot};

/// The newest version of a key at or below the read's timestamp; `None` where there is none, or a deletion.
///
/// # Errors
/// [`MvccError::Intent`] and [`MvccError::Uncertain`] as drawn in [`crate::mvcc`].
pub fn get(snapshot: &dyn Snapshot, key: &Key, at: ReadAt) -> Result<Option<Versioned>, MvccError> {
    if let Some(intent) = intent::intent_at(snapshot, key)?
        && intent.write_timestamp <= at.limit()
    {
        return Err(MvccError::Intent { key: key.clone(), intent: Box::new(intent) });
    }
    let prefix = data_prefix(key);
    let mut cursor = snapshot.cursor(Family::Data, &prefix, &data_prefix_end(&prefix));
    cursor.seek(&version_of(prefix.clone(), at.limit()))?;
    let (Some(found), Some(value)) = (cursor.key(), cursor.value()) else { return Ok(None) };
    let (found, timestamp) = split_data_key(found)?;
    holds(found == prefix, "the versions of a key lie under its prefix")?;
    holds(timestamp <= at.limit(), "a read finds no version above its limit")?;
    if timestamp > at.timestamp {
        return Err(MvccError::Uncertain { key: key.clone(), timestamp });
    }
    Ok(version_format::decode(value)?.map(|value| Versioned { timestamp, value }))
}

/// Whether one look shows that no key of a range of keys, both ends included, has a version. `false` says nothing.
pub fn have_no_versions(snapshot: &dyn Snapshot, (first, last): (&Key, &Key)) -> bool {
    snapshot.is_vacant(Family::Data, &data_prefix(first), &data_prefix_end(&data_prefix(last)))
}

/// Timestamp of a key's newest version of all, and whether that is a deletion. Intents are not looked at.
///
/// # Errors
/// The store failed, or holds damaged bytes.
pub fn newest(snapshot: &dyn Snapshot, key: &Key) -> Result<Option<(Timestamp, bool)>, MvccError> {
    let prefix = data_prefix(key);
    let mut cursor = snapshot.cursor(Family::Data, &prefix, &data_prefix_end(&prefix));
    cursor.next()?;
    let (Some(found), Some(value)) = (cursor.key(), cursor.value()) else { return Ok(None) };
    let (found, timestamp) = split_data_key(found)?;
    holds(found == prefix, "the newest version of a key lies under its prefix")?;
    Ok(Some((timestamp, version_format::is_deletion(value)?)))
}

/// The value of a key's newest version at or below a time; `None` for none, or a deletion. Intents are not looked at.
///
/// # Errors
/// The store failed, or holds damaged bytes.
pub(super) fn value_at(
    snapshot: &dyn Snapshot,
    key: &Key,
    at: Timestamp,
) -> Result<Option<Value>, MvccError> {
    let prefix = data_prefix(key);
    let mut cursor = snapshot.cursor(Family::Data, &prefix, &data_prefix_end(&prefix));
    cursor.seek(&version_of(prefix.clone(), at))?;
    let Some(value) = cursor.value() else { return Ok(None) };
    Ok(version_format::decode(value)?)
}
