//! Ranges tile the keyspace: no overlap at any time, no gap at rest.

use std::collections::BTreeMap;

use quorate_engine::kv::{Key, Span, keyspace};
use quorate_placement::topology::RangeId;
use quorate_raft_groups::descriptor::RangeDescriptor;

use super::{Broken, View};
use crate::workload::TABLES;

const NAME: &str = "ranges tile the keyspace";

/// The newest descriptor of every range.
fn newest(view: &View) -> BTreeMap<RangeId, &RangeDescriptor> {
    let mut newest: BTreeMap<RangeId, &RangeDescriptor> = BTreeMap::new();
    for (_, status) in view.replicas() {
        let descriptor = &status.descriptor;
        let known = newest.entry(descriptor.range_id).or_insert(descriptor);
        if known.generation < descriptor.generation {
            *known = descriptor;
        }
    }
    newest
}

/// No two ranges hold the same key.
pub fn no_overlap(view: &View) -> Result<(), Broken> {
    let newest: Vec<_> = newest(view).into_values().collect();
    for (at, one) in newest.iter().enumerate() {
        if let Some(other) = newest.iter().skip(at + 1).find(|other| other.span.overlaps(&one.span)) {
            return Err((NAME, format!("{} and {} overlap", one.range_id, other.range_id)));
        }
    }
    Ok(())
}

/// Some range holds each key of each table.
pub fn no_gap(view: &View) -> Result<(), Broken> {
    let newest: Vec<_> = newest(view).into_values().collect();
    let tables = TABLES.into_iter().map(keyspace::table_span);
    for table in std::iter::once(keyspace::system_span()).chain(tables) {
        covered(&newest, &table)?;
    }
    Ok(())
}

fn covered(ranges: &[&RangeDescriptor], wanted: &Span) -> Result<(), Broken> {
    let mut upto: Key = wanted.start.clone();
    while upto < wanted.end {
        let Some(range) = ranges.iter().find(|range| range.span.contains(&upto)) else {
            return Err((NAME, format!("no range holds {upto}")));
        };
        if range.span.end.is_empty() {
            break;
        }
        upto = range.span.end.clone();
    }
    Ok(())
}
