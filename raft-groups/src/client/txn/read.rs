//! Reads of a transaction: keys and pages, range by range, at one timestamp.

use std::collections::BTreeMap;

use quorate_engine::hlc::Timestamp;
use quorate_engine::kv::{Direction, Key, KvError, ScanPage, ScanRequest, Sequence, Span, Value};
use quorate_engine::kv_buffer::ScanPlan;
use quorate_engine::kv_page::PageBuilder;

use super::DistributedTransaction;
use super::refresh::{Refresh, refresh};
use crate::api::{RangeError, ReadAt, Request, Response};
use crate::client::router::{SendError, read_error, unexpected};
use crate::descriptor::RangeDescriptor;
use crate::limits::REQUEST_BYTES_MAX;

impl DistributedTransaction {
    /// Values of keys; what was written here before `as_of` is seen.
    pub(super) async fn read_keys(
        &mut self,
        keys: Vec<Key>,
        as_of: Sequence,
    ) -> Result<Vec<Option<Value>>, KvError> {
        let mut values = vec![None; keys.len()];
        // Keys that must be asked for, each with the places where its value goes.
        let mut wanted: BTreeMap<&Key, Vec<usize>> = BTreeMap::new();
        for (at, key) in keys.iter().enumerate() {
            match self.buffer.get(key, as_of) {
                Some(written) => set(&mut values, at, written.cloned()),
                None => match self.ahead.get(key) {
                    Some(known) => set(&mut values, at, known.clone()),
                    None => wanted.entry(key).or_default().push(at),
                },
            }
        }
        while let Some((&first, _)) = wanted.first_key_value() {
            let range = self.shared.router.range_of(first, &mut self.budget).await?;
            let mut bytes = 0;
            let fits = |key: &&&Key| {
                bytes += key.len();
                bytes <= REQUEST_BYTES_MAX && range.span.contains(key)
            };
            let here: Vec<Key> = wanted.keys().take_while(fits).map(|key| (*key).clone()).collect();
            // An answer that would be too large has only the first of the values: the others are asked for again.
            let Some(found) = self.get_in_range(&range, &here).await? else { continue };
            for (key, value) in here.iter().zip(found) {
                for at in wanted.remove(key).unwrap_or_default() {
                    set(&mut values, at, value.clone());
                }
                self.reads.add_key(key.clone());
            }
        }
        Ok(values)
    }

    /// Values of keys of one range, at least of the first; `None` where its descriptor proved stale.
    async fn get_in_range(
        &mut self,
        range: &RangeDescriptor,
        keys: &[Key],
    ) -> Result<Option<Vec<Option<Value>>>, KvError> {
        let Some(first) = keys.first() else { return Ok(Some(Vec::new())) };
        let request = |read| Request::Get { keys: keys.to_vec(), read };
        match self.ask(range, request, first).await? {
            None => Ok(None),
            Some(Response::Values(values)) if (1..=keys.len()).contains(&values.len()) => Ok(Some(values)),
            Some(_) => Err(unexpected("another answer than the values asked for")),
        }
    }

    /// One page, which covers at most one range.
    pub(super) async fn read_page(
        &mut self,
        request: ScanRequest,
        as_of: Sequence,
    ) -> Result<ScanPage, KvError> {
        if request.span.is_empty() {
            let empty =
                PageBuilder::new(&request, self.shared.evaluator.as_ref()).map_err(KvError::Program)?;
            return empty.finish(None).map_err(KvError::Program);
        }
        loop {
            let router = &self.shared.router;
            let range = match request.direction {
                Direction::Forward => router.range_of(&request.span.start, &mut self.budget).await?,
                Direction::Reverse => router.range_before(&request.span.end, &mut self.budget).await?,
            };
            let Some(here) = range.span.intersection(&request.span) else {
                return Err(KvError::NoRange { key: request.span.start });
            };
            let part = ScanRequest { span: here, ..request.clone() };
            if let Some(page) = self.page_in_range(&range, (&part, as_of)).await? {
                return Ok(with_rest(page, &request, &part.span));
            }
        }
    }

    /// One page of one range; `None` where its descriptor proved stale.
    async fn page_in_range(
        &mut self,
        range: &RangeDescriptor,
        (part, as_of): (&ScanRequest, Sequence),
    ) -> Result<Option<ScanPage>, KvError> {
        let plan = self.buffer.plan(part, as_of);
        let below = match &plan {
            ScanPlan::Direct => part,
            ScanPlan::Raw(raw) => raw,
        };
        let request = |read| Request::Scan { scan: below.clone(), read };
        let page = match self.ask(range, request, &part.span.start).await? {
            None => return Ok(None),
            Some(Response::Page(page)) => page,
            Some(_) => return Err(unexpected("another answer than a page")),
        };
        if page.resume.as_ref().is_some_and(|rest| !part.span.covers(rest)) {
            return Err(unexpected("a page that leaves what was not asked for"));
        }
        self.reads.add(visited(part, page.resume.as_ref()), part.program.as_ref());
        match plan {
            ScanPlan::Direct => Ok(Some(page)),
            ScanPlan::Raw(_) => {
                self.buffer.overlay((part, as_of), page, self.shared.evaluator.as_ref()).map(Some)
            }
        }
    }

    /// Asks a range at the read timestamp, which rises where the answer is uncertain. `None` for a stale descriptor.
    pub(super) async fn ask(
        &mut self,
        range: &RangeDescriptor,
        request: impl Fn(ReadAt) -> Request,
        key: &Key,
    ) -> Result<Option<Response>, KvError> {
        loop {
            let sent = self.shared.router.send(range, request(self.read), &mut self.budget).await;
            match sent {
                Ok(response) => return Ok(Some(response)),
                Err(SendError::Stale) => return Ok(None),
                Err(SendError::Answered(RangeError::Uncertain { key, timestamp })) => {
                    self.raise_read_timestamp(timestamp, &key).await?;
                }
                Err(error) => return Err(read_error(error, key)),
            }
        }
    }

    /// Moves the read timestamp up to that of an uncertain version, if all that was read is the same there.
    ///
    /// The uncertainty limit stays: what lies beyond it was written after the transaction had begun.
    async fn raise_read_timestamp(&mut self, upto: Timestamp, key: &Key) -> Result<(), KvError> {
        if upto <= self.read.timestamp {
            return Err(unexpected("an uncertain version below the read timestamp"));
        }
        let refreshed = self.refresh_upto(upto).await;
        if let Err(KvError::Retry { key: changed, reason }) = refreshed {
            let reason =
                format!("{reason}; the write of {key} at {upto} may have come before the transaction");
            return Err(KvError::Retry { key: changed, reason });
        }
        refreshed
    }

    /// Moves the read timestamp up, if all that was read is the same there.
    pub(super) async fn refresh_upto(&mut self, upto: Timestamp) -> Result<(), KvError> {
        let question = Refresh {
            spans: self.reads.iter().collect(),
            after: self.read.timestamp,
            upto,
            own: None,
            rank: None,
        };
        refresh(&self.shared.router, &question, &mut self.budget).await?;
        // What is the transaction's own is not asked about, and may have changed.
        self.ahead.clear();
        self.read.timestamp = upto;
        self.read.uncertainty_limit = self.read.uncertainty_limit.max(upto);
        assert!(self.read.timestamp >= self.started, "a transaction reads at or above its start");
        // No read whose timestamp was raised is answered before the physical clock has passed it.
        tokio::time::sleep(self.shared.router.clock().wait_until_passed(upto)).await;
        Ok(())
    }
}

fn set(values: &mut [Option<Value>], at: usize, value: Option<Value>) {
    if let Some(place) = values.get_mut(at) {
        *place = value;
    }
}

/// The part of a page's span that was looked at.
fn visited(part: &ScanRequest, resume: Option<&Span>) -> Span {
    match (resume, part.direction) {
        (None, _) => part.span.clone(),
        (Some(rest), Direction::Forward) => Span::new(part.span.start.clone(), rest.start.clone()),
        (Some(rest), Direction::Reverse) => Span::new(rest.end.clone(), part.span.end.clone()),
    }
}

/// The page with what is left of the whole request, not only of the part that lay in one range.
fn with_rest(mut page: ScanPage, request: &ScanRequest, part: &Span) -> ScanPage {
    let whole = &request.span;
    if page.is_stopped {
        return page;
    }
    page.resume = match (page.resume, request.direction) {
        (Some(rest), Direction::Forward) => Some(Span::new(rest.start, whole.end.clone())),
        (Some(rest), Direction::Reverse) => Some(Span::new(whole.start.clone(), rest.end)),
        (None, Direction::Forward) => behind(whole, part),
        (None, Direction::Reverse) => {
            (part.start > whole.start).then(|| Span::new(whole.start.clone(), part.start.clone()))
        }
    };
    page
}

/// What of `whole` lies behind `part`.
pub(super) fn behind(whole: &Span, part: &Span) -> Option<Span> {
    let rest = Span::new(part.end.clone(), whole.end.clone());
    (!part.end.is_empty() && !rest.is_empty()).then_some(rest)
}
