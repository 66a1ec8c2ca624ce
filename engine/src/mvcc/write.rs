//! The one way in which versions come into being.

use super::{key_format, version_format};
use crate::hlc::Timestamp;
use crate::kv::{Key, Value};
use crate::store::{Batch, Family};

/// Adds a version of a key to a batch; `None` deletes the key from this timestamp on.
pub fn put(batch: &mut Batch, key: &Key, timestamp: Timestamp, value: Option<&Value>) {
    assert!(timestamp > Timestamp::MIN, "a version has a time: nothing is older than everything");
    batch.put(Family::Data, key_format::data_key(key, timestamp), version_format::encode(value));
}
