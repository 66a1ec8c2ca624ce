//! At rest tables and ranges agree: no table without ranges, no range without a table, no job that is not over.

use quorate_engine::hlc::Timestamp;
use quorate_engine::kv::Direction;
use quorate_engine::kv::{Key, Span, Value, keyspace};
use quorate_engine::mvcc::{MvccScan, ReadAt};
use quorate_engine::store::{Snapshot, Store};
use quorate_raft_groups::descriptor::RangeDescriptor;
use quorate_raft_groups::range_format::decode_descriptor;
use quorate_sql::catalog::keys::Described;
use quorate_sql::catalog::{descriptor_format, keys, sequence_format};
use quorate_sql::ddl::job_format;

use super::{Broken, View};
use crate::workload::TABLES;

const NAME: &str = "tables and ranges agree";
const JOBS: &str = "every job comes to its end";

/// What is in range 1, as its leaseholder has it.
pub fn agree(view: &View) -> Result<(), Broken> {
    let Some((seen, _)) = view.serving(&keys::jobs_span().start) else {
        return Err((NAME, "nobody serves range 1".to_owned()));
    };
    let snapshot = seen.store.snapshot();
    let snapshot = snapshot.as_ref();
    for (key, row) in pairs(snapshot, &keys::jobs_span())? {
        let job = job_format::decode(&row).map_err(|error| (NAME, format!("{key}: {error}")))?;
        if !job.step.is_over() {
            return Err((JOBS, format!("job {} is at \"{}\": {job:?}", job.id, job.step.name())));
        }
    }
    let ranges = directory(snapshot)?;
    let mut tables = Vec::new();
    for (key, row) in pairs(snapshot, &keys::descriptors_span())? {
        let told = |error: &dyn std::fmt::Display| (NAME, format!("{key}: {error}"));
        match keys::described_by(&key).map_err(|error| told(&error))? {
            Some(Described::Table(_)) => {}
            // It has no range of its own.
            Some(Described::Sequence(_)) => {
                sequence_format::decode(&row).map_err(|error| told(&error))?;
                continue;
            }
            None => continue,
        }
        let table = descriptor_format::decode(&row).map_err(|error| told(&error))?;
        let span = keyspace::table_span(table.id);
        if !ranges.iter().any(|range| range.span.contains(&span.start)) {
            return Err((NAME, format!("table {} ({}) has no range", table.id, table.name)));
        }
        tables.push(span);
    }
    tables.extend(TABLES.map(keyspace::table_span));
    match ranges.iter().find(|range| !tables.iter().any(|table| table.overlaps(&range.span))) {
        Some(range) => Err((NAME, format!("{} holds no table: {}", range.range_id, range.span.start))),
        None => Ok(()),
    }
}

fn directory(snapshot: &dyn Snapshot) -> Result<Vec<RangeDescriptor>, Broken> {
    let part = Span::prefix(keyspace::system_prefix(keyspace::SYSTEM_RANGES));
    let decode =
        |(key, row): (Key, Value)| decode_descriptor(&row).map_err(|error| (NAME, format!("{key}: {error}")));
    pairs(snapshot, &part)?.into_iter().map(decode).collect()
}

fn pairs(snapshot: &dyn Snapshot, span: &Span) -> Result<Vec<(Key, Value)>, Broken> {
    let mut scan = MvccScan::new(snapshot, span, Direction::Forward, ReadAt::exactly(Timestamp::MAX));
    let mut found = Vec::new();
    loop {
        match scan.next() {
            Ok(Some((key, _, value))) => found.push((key, value)),
            Ok(None) => return Ok(found),
            Err(error) => return Err((NAME, error.to_string())),
        }
    }
}
