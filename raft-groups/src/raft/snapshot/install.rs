//! A received snapshot becomes a replica's state: the marker protocol (design.md section 6; section 14, story 16).
//!
//! ```text
//!   small    one batch, synced: old spans removed, pairs, state
//!   staged   marker, synced ─▶ taken in, family by family ─▶ state without the marker, synced ─▶ parts removed
//!                 └────────── after a power cut: again, before the Raft task starts ──────────┘
//! ```
//!
//! Before the marker nothing has changed; from the marker on there is no way back, and all that is needed to finish lies
//! on the disk. The state (shared pairs, applied position, membership) changes in the last batch alone, together with
//! what the replica held outside of the snapshot's spans.
//!
//! All functions block, and write through the store directly: the caller has seen to it that nothing of the group is
//! queued at the log writer, so that no truncation that openraft asked for before comes after.

use bytes::Bytes;
use quorate_engine::codec::check::must_hold;
use quorate_engine::staging::StagedPart;
use quorate_engine::store::{Batch, Durability, Family, Store, StoreError};
use quorate_placement::topology::RangeId;

use super::head_format::{Marker, decode_marker, encode_marker, marker_key, range_of_marker_key};
use super::{KeySpan, SnapshotHead};
use crate::raft::applied_format::{applied_key, encode_applied, encode_membership, membership_key};
use crate::safeguard::{self, Safeguard};

/// Families that a snapshot may carry.
const FAMILIES: [Family; 3] = [Family::Data, Family::Lock, Family::Txn];

/// How a snapshot is written whose arrival is reported afterwards.
fn durability() -> Durability {
    if safeguard::holds(Safeguard::SyncedBeforeReported) { Durability::Synced } else { Durability::Buffered }
}

/// Installs what fits into one batch.
pub(crate) fn install_small(
    store: &dyn Store,
    range: RangeId,
    (head, replaced): (&SnapshotHead, &[KeySpan]),
    parts: Vec<StagedPart>,
) -> Result<(), StoreError> {
    for part in &parts {
        must_hold("a part of a snapshot", part.validate());
        let is_inside =
            |span: &KeySpan| span.family == part.family && span.start <= part.start && part.end <= span.end;
        assert!(head.spans.iter().any(is_inside), "the parts of a snapshot lie within its spans");
    }
    let mut batch = Batch::new();
    for span in replaced.iter().chain(&head.spans) {
        batch.delete_range(span.family, span.start.clone(), span.end.clone());
    }
    for part in parts {
        for (key, value) in part.pairs {
            batch.put(part.family, key, value);
        }
    }
    put_state(&mut batch, range, head);
    store.write(batch, durability())
}

/// Installs what was staged in the marker's area.
pub(crate) fn install_staged(store: &dyn Store, range: RangeId, marker: &Marker) -> Result<(), StoreError> {
    let mut batch = Batch::new();
    batch.put(Family::Range, marker_key(range), encode_marker(marker));
    store.write(batch, Durability::Synced)?;
    finish(store, range, marker)
}

/// Finishes what its marker says has begun.
fn finish(store: &dyn Store, range: RangeId, marker: &Marker) -> Result<(), StoreError> {
    for family in FAMILIES {
        store.staging().ingest(marker.area, family)?;
    }
    let mut batch = Batch::new();
    for span in outside(&marker.replaced, &marker.head.spans) {
        batch.delete_range(span.family, span.start, span.end);
    }
    put_state(&mut batch, range, &marker.head);
    batch.delete(Family::Range, marker_key(range));
    store.write(batch, durability())?;
    if let Err(error) = store.staging().unstage(marker.area) {
        // The next start removes them; they are in nobody's way.
        tracing::warn!(%range, %error, "staged parts of an installed snapshot are left");
    }
    Ok(())
}

/// The state that changes with the applied position.
fn put_state(batch: &mut Batch, range: RangeId, head: &SnapshotHead) {
    must_hold("a snapshot's head", head.validate());
    let (start, end) = head.shared_bounds.clone();
    batch.delete_range(Family::Range, start, end);
    for (key, value) in &head.shared {
        batch.put(Family::Range, key.clone(), value.clone());
    }
    batch.put(Family::Range, applied_key(range), encode_applied(head.position));
    batch.put(Family::Range, membership_key(range), encode_membership(&head.membership));
}

/// The keys of `old` that no span of `new` holds.
fn outside(old: &[KeySpan], new: &[KeySpan]) -> Vec<KeySpan> {
    let mut left = old.to_vec();
    for taken in new {
        left = left.into_iter().flat_map(|span| without(span, taken)).collect();
    }
    left
}

/// A span without the keys of another.
fn without(span: KeySpan, taken: &KeySpan) -> Vec<KeySpan> {
    if span.family != taken.family {
        return vec![span];
    }
    let piece = |start: &Bytes, end: &Bytes| {
        let piece = KeySpan { family: span.family, start: start.clone(), end: end.clone() };
        (start < end).then_some(piece)
    };
    let before = piece(&span.start, (&span.end).min(&taken.start));
    let after = piece((&span.start).max(&taken.end), &span.end);
    let left: Vec<KeySpan> = before.into_iter().chain(after).collect();
    let is_outside = |piece: &KeySpan| piece.end <= taken.start || piece.start >= taken.end;
    assert!(left.iter().all(is_outside), "nothing that is taken is left");
    left
}

/// Finishes all installations that a power cut or a kill has interrupted, and removes parts that belong to none. Before
/// any replica is opened.
///
/// # Errors
/// The store failed, or holds damaged bytes.
pub fn finish_installs(store: &dyn Store) -> Result<Vec<RangeId>, StoreError> {
    let mut finished = Vec::new();
    for (range, marker) in markers(store)? {
        finish(store, range, &marker)?;
        tracing::info!(%range, position = %marker.head.position, "a snapshot's installation was finished");
        finished.push(range);
    }
    for area in store.staging().areas()? {
        store.staging().unstage(area)?;
    }
    Ok(finished)
}

fn markers(store: &dyn Store) -> Result<Vec<(RangeId, Marker)>, StoreError> {
    let snapshot = store.snapshot();
    let mut cursor = snapshot.cursor(Family::Range, b"", b"");
    let mut markers = Vec::new();
    cursor.next()?;
    while let (Some(key), Some(value)) = (cursor.key(), cursor.value()) {
        if let Some(range) = range_of_marker_key(key) {
            let marker = decode_marker(Bytes::copy_from_slice(value))
                .map_err(|error| StoreError::Corruption(error.to_string()))?;
            markers.push((range, marker));
        }
        cursor.next()?;
    }
    Ok(markers)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(start: &str, end: &str) -> KeySpan {
        let bytes = |text: &str| Bytes::copy_from_slice(text.as_bytes());
        KeySpan { family: Family::Data, start: bytes(start), end: bytes(end) }
    }

    #[test]
    fn outside_is_what_the_snapshot_does_not_replace() {
        let new = [span("d", "m")];
        assert_eq!(outside(&[span("a", "z")], &new), [span("a", "d"), span("m", "z")]);
        assert_eq!(outside(&[span("d", "m")], &new), []);
        assert_eq!(outside(&[span("e", "f")], &new), []);
        assert_eq!(outside(&[span("a", "e")], &new), [span("a", "d")]);
        assert_eq!(outside(&[span("f", "z")], &new), [span("m", "z")]);
        assert_eq!(outside(&[span("a", "b"), span("p", "q")], &new), [span("a", "b"), span("p", "q")]);
        let lock = KeySpan { family: Family::Lock, ..span("a", "z") };
        assert_eq!(outside(std::slice::from_ref(&lock), &new), [lock]);
        assert_eq!(outside(&[span("a", "z")], &[]), [span("a", "z")]);
    }
}
