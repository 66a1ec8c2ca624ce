//! Tells records that the intents of their transactions are gone, many in one command.
//!
//! What is lost here, with the process or for want of room, is found by the sweep of the records' ranges.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use quorate_placement::topology::RangeId;

use crate::api::{RecordId, Request, Response, Transact};
use crate::client::budget::QuorumBudget;
use crate::client::router::Router;
use crate::descriptor::RangeDescriptor;

/// How long records are gathered. They are in nobody's way: one command for all of them costs least.
const GATHERED_FOR: Duration = Duration::from_millis(500);
/// Records that wait, on one node: further ones are left to the sweep.
const WAITING_MAX: usize = 16_384;
/// Records of one command.
const AT_ONCE_MAX: usize = 512;

#[derive(Default)]
struct Waiting {
    records: Vec<RecordId>,
    /// A task will take them.
    is_awaited: bool,
}

/// The records of one node's transactions whose intents are gone.
#[derive(Clone, Default)]
pub(super) struct Settler {
    waiting: Arc<Mutex<Waiting>>,
}

impl Settler {
    /// The intents of a transaction that is over are gone, every one.
    pub(super) fn note(&self, router: &Arc<Router>, record: RecordId, wait: QuorumBudget) {
        let mut waiting = self.waiting.lock();
        if waiting.records.len() >= WAITING_MAX {
            return;
        }
        waiting.records.push(record);
        if std::mem::replace(&mut waiting.is_awaited, true) {
            return;
        }
        let (this, router) = (self.clone(), Arc::clone(router));
        tokio::spawn(async move {
            tokio::time::sleep(GATHERED_FOR).await;
            let gathered = std::mem::take(&mut *this.waiting.lock());
            settle(&router, gathered.records, wait).await;
        });
    }
}

async fn settle(router: &Router, records: Vec<RecordId>, wait: QuorumBudget) {
    let mut parts: BTreeMap<RangeId, (Arc<RangeDescriptor>, Vec<RecordId>)> = BTreeMap::new();
    let mut budget = wait;
    for record in records {
        match router.range_of(&record.anchor, &mut budget).await {
            Ok(range) => parts.entry(range.range_id).or_insert_with(|| (range, Vec::new())).1.push(record),
            Err(error) => tracing::debug!(%error, "a record is left to the sweep"),
        }
    }
    for (range, records) in parts.into_values() {
        for records in records.chunks(AT_ONCE_MAX) {
            let mut budget = wait;
            let request = Request::Transact(Transact::Settle(records.to_vec()));
            match router.send(&range, request, &mut budget).await {
                Ok(Response::Settled) => {}
                other => tracing::debug!(range = %range.range_id, ?other, "records are left to the sweep"),
            }
        }
    }
}
