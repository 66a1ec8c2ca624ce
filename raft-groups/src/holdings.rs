//! What the replicas of a range hold in the store: which spans of keys, and how these are removed.

use bytes::Bytes;
use quorate_engine::mvcc::key_format::{data_span, txn_span};
use quorate_engine::store::{Batch, Family};

use crate::descriptor::RangeDescriptor;
use crate::raft::{Holdings, KeySpan};
use crate::range_format::shared_bounds;

/// What the replicas of a range hold, not counted; of an unknown one, no keys.
pub fn holdings(descriptor: &RangeDescriptor) -> Holdings {
    let span = &descriptor.span;
    let own = |family, start: Bytes, end: Bytes| KeySpan { family, start, end: closed_end(end) };
    let (data_start, data_end) = data_span(span);
    let (txn_start, txn_end) = txn_span(span);
    let mut spans = Vec::new();
    if !span.is_empty() {
        spans.push(own(Family::Data, data_start.into(), data_end.into()));
        spans.push(own(Family::Lock, span.start.bytes().clone(), span.end.bytes().clone()));
        spans.push(own(Family::Txn, txn_start.into(), txn_end.into()));
    }
    Holdings { spans, shared: shared_bounds(descriptor.range_id), bytes: 0 }
}

/// The end of a span in the store: a range without end reaches beyond all keys, whose first byte says whose they are and
/// is never 0xff (`kv::keyspace`).
fn closed_end(end: Bytes) -> Bytes {
    if end.is_empty() { Bytes::from_static(&[u8::MAX]) } else { end }
}

/// Adds the removal of all keys of a range, in every family, to the batch.
pub(crate) fn erase_keys(batch: &mut Batch, descriptor: &RangeDescriptor) {
    for span in holdings(descriptor).spans {
        batch.delete_range(span.family, span.start, span.end);
    }
}
