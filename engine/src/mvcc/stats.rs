//! What a span weighs: counted by reading it all, so for tests, repairs and small spans.

use super::key_format::{data_span, split_data_key};
use super::{MvccError, version_format};
use crate::codec::check::holds;
use crate::kv::Span;
use crate::store::{Family, Snapshot};

/// Counts and bytes of a span. Bytes are those of encoded keys and values, before compression.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MvccStats {
    /// Keys whose newest version is a value.
    pub live_keys: u64,
    /// Bytes of these versions.
    pub live_bytes: u64,
    /// All other versions: hidden values, and deletions.
    pub garbage_versions: u64,
    /// Bytes of these.
    pub garbage_bytes: u64,
    /// Intents.
    pub intents: u64,
    /// Bytes of these.
    pub intent_bytes: u64,
}

impl MvccStats {
    /// Bytes of everything.
    pub fn total_bytes(&self) -> u64 {
        self.live_bytes + self.garbage_bytes + self.intent_bytes
    }
}

/// Counts a span.
///
/// # Errors
/// The store failed, or holds damaged bytes.
pub fn count(snapshot: &dyn Snapshot, span: &Span) -> Result<MvccStats, MvccError> {
    let mut stats = MvccStats::default();
    let (start, end) = data_span(span);
    let mut cursor = snapshot.cursor(Family::Data, &start, &end);
    let mut prefix = Vec::new();
    cursor.next()?;
    while let (Some(key), Some(value)) = (cursor.key(), cursor.value()) {
        let (found, _) = split_data_key(key)?;
        let bytes = (key.len() + value.len()) as u64;
        if found != prefix && !version_format::is_deletion(value)? {
            stats.live_keys += 1;
            stats.live_bytes += bytes;
        } else {
            stats.garbage_versions += 1;
            stats.garbage_bytes += bytes;
        }
        holds(found >= prefix.as_slice(), "keys are counted in their order")?;
        prefix.clear();
        prefix.extend_from_slice(found);
        cursor.next()?;
    }
    let mut cursor = snapshot.cursor(Family::Lock, span.start.as_ref(), span.end.as_ref());
    cursor.next()?;
    while let (Some(key), Some(value)) = (cursor.key(), cursor.value()) {
        stats.intents += 1;
        stats.intent_bytes += (key.len() + value.len()) as u64;
        cursor.next()?;
    }
    Ok(stats)
}
