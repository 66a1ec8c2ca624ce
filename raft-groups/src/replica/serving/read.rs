//! Reads: latches, timestamp cache, snapshot, and the lease last (design.md section 4).

use std::sync::Arc;

use quorate_engine::hlc::Timestamp;
use quorate_engine::kv::{ChangesRequest, Key, ScanRequest, Span};
use quorate_engine::kv_reads::ReadSpan;
use quorate_engine::mvcc::{ChangeWindow, Visits};
use quorate_engine::store::Snapshot;

use super::Serving;
use super::serve::{Deadline, ServingTerm};
use crate::api::{RangeError, ReadAt, Response};
use crate::concurrency::latch_table::{Access, LatchSpans};
use crate::evaluate;
use crate::safeguard::{self, Safeguard};

/// Keys that are read on the spot; more are read on a thread that may block.
const INLINE_KEYS_MAX: usize = 16;
/// Rows that are read on the spot.
const INLINE_ROWS_MAX: u64 = 16;

/// What a read touches, and when.
#[derive(Clone)]
struct Footprint {
    spans: Vec<Span>,
    timestamp: Timestamp,
    is_long: bool,
}

impl Serving {
    pub(super) async fn get(self: &Arc<Self>, keys: Vec<Key>, read: ReadAt) -> Result<Response, RangeError> {
        let footprint = Footprint {
            spans: keys.iter().cloned().map(Span::point).collect(),
            timestamp: read.timestamp,
            is_long: keys.len() > INLINE_KEYS_MAX,
        };
        let keys = Arc::new(keys);
        let evaluate = move |_: &Self, snapshot: &dyn Snapshot| {
            evaluate::get::evaluate(snapshot, &keys, read).map(Response::Values)
        };
        self.read(footprint, evaluate).await
    }

    pub(super) async fn scan(
        self: &Arc<Self>,
        scan: ScanRequest,
        read: ReadAt,
    ) -> Result<Response, RangeError> {
        let scan = Arc::new(scan);
        if scan.rows_max <= INLINE_ROWS_MAX {
            let answer = self.scan_page(&scan, (read, Visits::INLINE), false).await?;
            if !is_paused(&answer, scan.rows_max) {
                return Ok(answer);
            }
        }
        self.scan_page(&scan, (read, Visits::PAGE), true).await
    }

    async fn scan_page(
        self: &Arc<Self>,
        scan: &Arc<ScanRequest>,
        (read, visits): (ReadAt, Visits),
        is_long: bool,
    ) -> Result<Response, RangeError> {
        let footprint = Footprint { spans: vec![scan.span.clone()], timestamp: read.timestamp, is_long };
        let scan = Arc::clone(scan);
        let evaluate = move |this: &Self, snapshot: &dyn Snapshot| {
            let evaluator = this.shared.evaluator.as_ref();
            let mut page = evaluate::scan::evaluate(snapshot, &scan, (read, visits), evaluator)?;
            page.served.range_id = this.range_id.0;
            page.served.node_id = this.shared.node_id.0;
            Ok(Response::Page(page))
        };
        self.read(footprint, evaluate).await
    }

    pub(super) async fn changes(
        self: &Arc<Self>,
        changes: ChangesRequest,
        read: ReadAt,
    ) -> Result<Response, RangeError> {
        let footprint = Footprint {
            spans: vec![changes.span.clone()],
            timestamp: read.timestamp,
            is_long: changes.keys_max > INLINE_ROWS_MAX,
        };
        let changes = Arc::new(changes);
        let evaluate = move |this: &Self, snapshot: &dyn Snapshot| {
            // Asked once the snapshot is there: what is applied is marked before the store shows it.
            let limits = (read, this.machine.newest_write());
            evaluate::changes::evaluate(snapshot, &changes, limits).map(Response::Changes)
        };
        self.read(footprint, evaluate).await
    }

    pub(super) async fn refresh(
        self: &Arc<Self>,
        spans: Vec<ReadSpan>,
        window: ChangeWindow,
    ) -> Result<Response, RangeError> {
        let keys = spans.iter().map(|read| read.span.clone()).collect();
        let footprint = Footprint { spans: keys, timestamp: window.upto, is_long: true };
        let spans = Arc::new(spans);
        let evaluate = move |this: &Self, snapshot: &dyn Snapshot| {
            // Asked once the snapshot is there: what is applied is marked before the store shows it.
            let limits = (window, this.machine.newest_write());
            let evaluator = this.shared.evaluator.as_ref();
            let left = evaluate::refresh::evaluate(snapshot, &spans, limits, Visits::PAGE, evaluator)?;
            Ok(Response::Refreshed { left })
        };
        self.read(footprint, evaluate).await
    }

    /// Reads until the lease was held from before to after, in one term.
    async fn read<F>(self: &Arc<Self>, footprint: Footprint, evaluate: F) -> Result<Response, RangeError>
    where
        F: Fn(&Self, &dyn Snapshot) -> Result<Response, RangeError> + Clone + Send + 'static,
    {
        self.forward_clock(footprint.timestamp)?;
        let deadline = self.deadline();
        loop {
            let term = self.wait_to_serve(deadline).await?;
            let answer = self.read_once(&footprint, evaluate.clone(), deadline).await?;
            // Errors, too, say something about the data.
            if self.still_serves(term) || !safeguard::holds(Safeguard::LeaseCheckedLast) {
                return answer;
            }
        }
    }

    async fn read_once<F>(
        self: &Arc<Self>,
        footprint: &Footprint,
        evaluate: F,
        deadline: Deadline,
    ) -> Result<Result<Response, RangeError>, RangeError>
    where
        F: Fn(&Self, &dyn Snapshot) -> Result<Response, RangeError> + Send + 'static,
    {
        let spans = footprint.spans.iter().cloned().map(|span| (span, Access::Shared));
        let guard = self.latch(LatchSpans::new(spans), deadline).await?;
        {
            let mut cache = self.cache.lock();
            for span in &footprint.spans {
                cache.add(span, footprint.timestamp);
            }
        }
        self.offload(footprint.is_long, move |this| {
            let snapshot = this.shared.engine.snapshot();
            // Writers that come now write above this read, and the snapshot does not show them.
            drop(guard);
            evaluate(this, snapshot.as_ref())
        })
        .await
    }

    /// Answers what depends on the data alone, if this replica served from before to now.
    pub(super) fn if_still_serving<T>(&self, term: ServingTerm, answer: T) -> Option<T> {
        self.still_serves(term).then_some(answer)
    }
}

/// Whether a page ended for want of visits: neither its rows nor its span are at their end.
fn is_paused(answer: &Response, rows_max: u64) -> bool {
    let Response::Page(page) = answer else { return false };
    page.resume.is_some() && page.served.rows_read < rows_max
}
