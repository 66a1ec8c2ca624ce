//! No version of a range lies above the newest write that its replica knows of: writes above that look for none.

use quorate_engine::hlc::Timestamp;
use quorate_engine::mvcc::key_format::{data_span, decode_data_key};
use quorate_engine::store::{Family, Snapshot, Store};
use quorate_raft_groups::local_ranges::ReplicaStatus;
use quorate_raft_groups::range_format::{decode_size, size_key};

use super::{Broken, View};

const NAME: &str = "no version lies above its range's newest write";

/// Looks at all versions of all replicas.
pub fn check(view: &View) -> Result<(), Broken> {
    for (seen, status) in view.replicas().filter(|(_, status)| status.applied > 0) {
        let snapshot = seen.store.snapshot();
        let newest = newest_version(snapshot.as_ref(), status)?;
        let marked = newest_write(snapshot.as_ref(), status)?;
        if newest > marked {
            let detail = format!(
                "{} on m{} has a version of {newest}, and knows of none above {marked}",
                status.descriptor.range_id, seen.machine
            );
            return Err((NAME, detail));
        }
    }
    Ok(())
}

fn newest_write(snapshot: &dyn Snapshot, status: &ReplicaStatus) -> Result<Timestamp, Broken> {
    let stored =
        snapshot.get(Family::Range, &size_key(status.descriptor.range_id)).expect("a store in memory");
    let Some(stored) = stored else { return Ok(Timestamp::MIN) };
    let (_, newest) = decode_size(&stored).map_err(|error| (NAME, error.to_string()))?;
    newest.ok_or_else(|| (NAME, format!("{} does not know it", status.descriptor.range_id)))
}

fn newest_version(snapshot: &dyn Snapshot, status: &ReplicaStatus) -> Result<Timestamp, Broken> {
    let (start, end) = data_span(&status.descriptor.span);
    let mut cursor = snapshot.cursor(Family::Data, &start, &end);
    let mut newest = Timestamp::MIN;
    cursor.next().expect("a store in memory");
    while let Some(key) = cursor.key() {
        let (_, at) = decode_data_key(key).map_err(|error| (NAME, error.to_string()))?;
        newest = newest.max(at);
        cursor.next().expect("a store in memory");
    }
    Ok(newest)
}
