//! Which range holds a key: the cache, and behind it the directory in range 1.
//!
//! The directory has one row a range: its key is the start key of the range's span under
//! [`keyspace::SYSTEM_RANGES`], its value the descriptor. Range 1 itself has none: every store knows it.

use std::sync::Arc;

use quorate_engine::kv::{Direction, Key, KvError, ScanRequest, ScanRows, Span, keyspace};

use super::{Router, SendError, is_system, read_error};
use crate::api::{RangeError, ReadAt, Request, Response};
use crate::client::budget::QuorumBudget;
use crate::clock_bound::{no_timestamp, timestamp_within};
use crate::descriptor::RangeDescriptor;
use crate::limits::DIRECTORY_PAGE_BYTES_MAX;
use crate::range_format::decode_descriptor;

/// Key of the directory's row for the range that starts at `start`.
pub fn directory_key(start: &Key) -> Key {
    let prefix = keyspace::system_prefix(keyspace::SYSTEM_RANGES);
    Key::from([prefix.as_ref(), start.as_ref()].concat())
}

impl Router {
    /// The range that holds `key`.
    ///
    /// # Errors
    /// [`KvError::NoRange`] where none does, and the errors of a read of range 1.
    pub async fn range_of(
        &self,
        key: &Key,
        budget: &mut QuorumBudget,
    ) -> Result<Arc<RangeDescriptor>, KvError> {
        if is_system(key) {
            return Ok(self.system_range());
        }
        if let Some(cached) = self.walk.known.lookup(key) {
            return Ok(cached.descriptor);
        }
        let upto = directory_key(&key.successor());
        let found = self.last_entry_before(upto, budget).await?;
        let found = found.filter(|descriptor| descriptor.span.contains(key));
        self.cached(found, key)
    }

    /// The range that holds the greatest keys below `end`; an empty `end` is the end of the keyspace.
    ///
    /// # Errors
    /// As [`Router::range_of`].
    pub async fn range_before(
        &self,
        end: &Key,
        budget: &mut QuorumBudget,
    ) -> Result<Arc<RangeDescriptor>, KvError> {
        let system = self.system_range();
        if !end.is_empty() && *end > system.span.start && *end <= system.span.end {
            return Ok(system);
        }
        if let Some(cached) = self.walk.known.lookup_before(end) {
            return Ok(cached.descriptor);
        }
        let directory = keyspace::system_prefix(keyspace::SYSTEM_RANGES);
        let upto = if end.is_empty() { directory.prefix_end() } else { directory_key(end) };
        let found = self.last_entry_before(upto, budget).await?;
        let reaches = |descriptor: &RangeDescriptor| {
            let reached = &descriptor.span.end;
            reached.is_empty() || (!end.is_empty() && reached >= end)
        };
        self.cached(found.filter(reaches), end)
    }

    /// The range that holds `key`, or the next one behind it; `None` where no range lies there.
    ///
    /// # Errors
    /// As [`Router::range_of`], but for [`KvError::NoRange`].
    pub async fn range_from(
        &self,
        key: &Key,
        budget: &mut QuorumBudget,
    ) -> Result<Option<Arc<RangeDescriptor>>, KvError> {
        match self.range_of(key, budget).await {
            Ok(range) => return Ok(Some(range)),
            Err(KvError::NoRange { .. }) => {}
            Err(error) => return Err(error),
        }
        let directory = keyspace::system_prefix(keyspace::SYSTEM_RANGES);
        let behind = Span::new(directory_key(&key.successor()), directory.prefix_end());
        let Some(next) = self.entry_in(behind, Direction::Forward, budget).await? else { return Ok(None) };
        self.learn(next.clone());
        Ok(Some(Arc::new(next)))
    }

    fn cached(&self, found: Option<RangeDescriptor>, key: &Key) -> Result<Arc<RangeDescriptor>, KvError> {
        let Some(found) = found else { return Err(KvError::NoRange { key: key.clone() }) };
        self.learn(found.clone());
        // What was learnt from a range itself may be newer than the directory, and then it counts.
        let newer = self.walk.known.lookup(&found.span.start).map(|cached| cached.descriptor);
        let newer = newer.filter(|newer| newer.span.contains(key) || newer.span == found.span);
        Ok(newer.unwrap_or_else(|| Arc::new(found)))
    }

    /// The last row of the directory below `end`, by a strong read.
    async fn last_entry_before(
        &self,
        end: Key,
        budget: &mut QuorumBudget,
    ) -> Result<Option<RangeDescriptor>, KvError> {
        let start = keyspace::system_prefix(keyspace::SYSTEM_RANGES);
        self.entry_in(Span::new(start, end), Direction::Reverse, budget).await
    }

    /// The first row of a part of the directory, in a direction, by a strong read.
    async fn entry_in(
        &self,
        span: Span,
        direction: Direction,
        budget: &mut QuorumBudget,
    ) -> Result<Option<RangeDescriptor>, KvError> {
        let scan =
            ScanRequest { span, direction, program: None, rows_max: 1, bytes_max: DIRECTORY_PAGE_BYTES_MAX };
        let mut pairs = self.read_system_page(scan, budget).await?;
        let Some((key, value)) = pairs.pop() else { return Ok(None) };
        let descriptor = decode_descriptor(&value)
            .map_err(|error| KvError::Storage(format!("directory row {key}: {error}")))?;
        Ok(Some(descriptor))
    }

    /// One page of range 1 as of now, without a transaction.
    async fn read_system_page(
        &self,
        scan: ScanRequest,
        budget: &mut QuorumBudget,
    ) -> Result<Vec<(Key, bytes::Bytes)>, KvError> {
        let key = scan.span.start.clone();
        let now = timestamp_within(self.clock(), budget.left()).await.map_err(no_timestamp)?;
        let mut read = ReadAt { timestamp: now, uncertainty_limit: self.clock().uncertainty_limit() };
        loop {
            let request = Request::Scan { scan: scan.clone(), read };
            match self.send(&self.system_range(), request, budget).await {
                Ok(Response::Page(page)) => match page.rows {
                    ScanRows::Pairs(pairs) => return Ok(pairs),
                    ScanRows::Outputs(_) => return Err(unexpected("outputs without a program")),
                },
                Ok(_) => return Err(unexpected("another answer than a page")),
                Err(SendError::Stale) => {}
                Err(SendError::Answered(RangeError::Uncertain { timestamp, .. })) => {
                    // Nothing else was read at the old timestamp, so the read simply moves; it passes at most every
                    // version within the window once.
                    read.timestamp = timestamp.max(read.timestamp.next());
                    tokio::time::sleep(self.clock().wait_until_passed(timestamp)).await;
                }
                Err(error) => return Err(read_error(error, &key)),
            }
        }
    }
}

/// A range answered something that its request does not ask for.
pub(crate) fn unexpected(what: &str) -> KvError {
    KvError::Storage(format!("a range gave {what}: nodes of different versions?"))
}
