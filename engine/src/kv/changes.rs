//! What a transaction may ask beside values: the changes of a span since a moment.

use super::{Key, Span, Value};
use crate::hlc::Timestamp;
use crate::limits::WRITE_OVERHEAD_BYTES;

/// One page of changes asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangesRequest {
    /// Keys to visit; may reach over several ranges, of which a page covers at most one.
    pub span: Span,
    /// Versions up to here are known already.
    pub after: Timestamp,
    /// Stop after this many keys were visited, changed or not. At least 1.
    pub keys_max: u64,
    /// Stop when the answer has reached this many bytes.
    pub bytes_max: u64,
}

/// A key whose newest version is one of after the moment asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The key.
    pub key: Key,
    /// When it was written last.
    pub timestamp: Timestamp,
    /// Its value then; `None` where it was deleted.
    pub value: Option<Value>,
}

impl Change {
    /// Bytes that it adds to an answer, overhead included.
    pub fn size_bytes(&self) -> u64 {
        (self.key.len() + self.value.as_ref().map_or(0, Value::len) + WRITE_OVERHEAD_BYTES) as u64
    }
}

/// One page of changes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChangesPage {
    /// Changed keys, ascending.
    pub changes: Vec<Change>,
    /// What is left to visit; `None` at the end.
    pub resume: Option<Span>,
}
