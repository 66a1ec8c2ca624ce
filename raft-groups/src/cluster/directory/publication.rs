//! What a changed range means for the directory, decided purely.
//!
//! Ranges are published by their own leaders, in any order, and a directory that is older than the ranges is no harm:
//! it is an index. What must hold is its own order: its rows never overlap, and leave no gap where a table is.
//!
//! ```text
//!   rows       L ──────────────────────────── (generation 5)
//!   the truth  L ─────── 6   R ────── 7   S ─ 7
//!   publish S  L ──────────────────────   S ─     the older row gives way at its end
//!   publish R  L ───────     R ──────     S ─
//!   publish L  L ─────── 6   R ──────     S ─     L waits until no keys would be left without a row
//! ```
//!
//! So the right side of a split comes before the left one. A range whose keys have no rows at all was dropped with its
//! table.

use quorate_engine::kv::Span;

use crate::descriptor::{NEW_GENERATION, RangeDescriptor};

/// What becomes of one publication.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It stands in the directory now, or stood there, or something newer does.
    Stands,
    /// Not yet: others have to be published before it, or its leader has split it again meanwhile.
    Waits,
    /// Its keys belong to no table any more.
    Gone,
}

/// The directory while publications are worked into it.
#[derive(Clone, Debug)]
pub(super) struct PublishedRows {
    /// By start key; they never overlap.
    rows: Vec<RangeDescriptor>,
}

impl PublishedRows {
    /// The rows as read.
    pub fn new(mut rows: Vec<RangeDescriptor>) -> Self {
        rows.sort_by(|a, b| a.span.cmp(&b.span));
        Self { rows }
    }

    /// The rows as they shall be.
    pub fn as_slice(&self) -> &[RangeDescriptor] {
        &self.rows
    }

    /// Works in as many of these as possible; one verdict each.
    pub fn publish_all(&mut self, changed: &[RangeDescriptor]) -> Vec<Verdict> {
        // The rightmost first: each gives the next one its place.
        let mut order: Vec<usize> = (0..changed.len()).collect();
        order.sort_by(|&a, &b| changed.get(b).map(|x| &x.span).cmp(&changed.get(a).map(|x| &x.span)));
        let mut verdicts = vec![Verdict::Waits; changed.len()];
        for at in order {
            if let (Some(descriptor), Some(verdict)) = (changed.get(at), verdicts.get_mut(at)) {
                *verdict = self.publish(descriptor);
            }
        }
        verdicts
    }

    fn publish(&mut self, new: &RangeDescriptor) -> Verdict {
        let own = self.rows.iter().find(|row| row.range_id == new.range_id);
        if own.is_some_and(|own| own.generation >= new.generation) {
            return Verdict::Stands;
        }
        let overlapping: Vec<_> = self.rows.iter().filter(|row| row.span.overlaps(&new.span)).collect();
        if overlapping.is_empty() {
            return Verdict::Gone;
        }
        if let Some(own) = own {
            // Its replicas have changed; or its bounds, and others have taken the keys over that it gave away.
            if own.span != new.span {
                return Verdict::Waits;
            }
        } else if !overlapping.iter().all(|row| gives_way(row, new)) || !covers(&overlapping, &new.span) {
            return Verdict::Waits;
        }
        self.put(new.clone());
        Verdict::Stands
    }

    fn put(&mut self, new: RangeDescriptor) {
        self.rows.retain(|row| row.range_id != new.range_id);
        for row in &mut self.rows {
            if row.span.overlaps(&new.span) {
                row.span.end = new.span.start.clone();
                // A row of this generation says how its replicas begin; a shortened one does not.
                row.generation = row.generation.max(NEW_GENERATION + 1);
            }
        }
        self.rows.retain(|row| !row.span.is_empty());
        self.rows.push(new);
        self.rows.sort_by(|a, b| a.span.cmp(&b.span));
    }
}

/// Whether a row is older than a new descriptor, and loses none but its last keys to it.
fn gives_way(row: &RangeDescriptor, new: &RangeDescriptor) -> bool {
    let ends_within = new.span.end.is_empty() || (!row.span.end.is_empty() && row.span.end <= new.span.end);
    let begins_before = row.span.start < new.span.start;
    row.generation < new.generation && ends_within && begins_before
}

/// Whether rows, by start key, leave no key of a span without one.
fn covers(rows: &[&RangeDescriptor], span: &Span) -> bool {
    let mut next = Some(span.start.clone());
    for row in rows {
        match next {
            Some(key) if row.span.contains(&key) => {
                next = (!row.span.end.is_empty()).then(|| row.span.end.clone());
            }
            Some(_) => return false,
            None => return true,
        }
    }
    next.is_none_or(|key| !span.end.is_empty() && key >= span.end)
}

#[cfg(test)]
mod tests;
