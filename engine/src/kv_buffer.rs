//! [`WriteBuffer`]: a transaction's writes before its commit, and how its own reads see them.
//!
//! Nothing is sent before COMMIT, so that a scan has to be laid over by what the transaction has written. Where no
//! write lies in the span, the request goes down as it is ([`ScanPlan::Direct`]). Else the pairs are fetched without the
//! program ([`ScanPlan::Raw`]), and [`WriteBuffer::overlay`] merges both and runs the program here. Invariant: a page
//! made by overlay keeps the request's limits, its direction, and its `resume`, as if the writes were there below.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::ops::Bound;

use crate::kv::{
    Direction, KEY_MAX_BYTES, Key, KvError, ScanEvaluator, ScanPage, ScanRequest, ScanRows, Span,
    VALUE_MAX_BYTES, Value, Write, WriteCondition,
};
use crate::kv_page::{PageBuilder, PageFlow, covered, remaining};

/// The buffered writes of a transaction.
#[derive(Clone, Debug)]
pub struct WriteBuffer {
    writes: BTreeMap<Key, Write>,
    bytes: usize,
    bytes_max: usize,
}

/// How a scan gets its rows from below.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ScanPlan {
    /// As it was asked: no write lies in its span.
    Direct,
    /// With this request, whose page goes through [`WriteBuffer::overlay`].
    Raw(ScanRequest),
}

impl WriteBuffer {
    /// An empty buffer that takes at most `bytes_max` bytes, as [`Write::size_bytes`] counts them.
    pub fn new(bytes_max: usize) -> Self {
        Self { writes: BTreeMap::new(), bytes: 0, bytes_max }
    }

    /// Adds a write. A second write to a key replaces the first, and keeps its condition: what is there below has not
    /// changed. Whether the key is absent is known here, then: a buffered value is one, a buffered deletion is none.
    ///
    /// # Errors
    /// [`KvError::TooLarge`], and [`KvError::ConditionFailed`] for an [`WriteCondition::Absent`] write onto a buffered
    /// value; the buffer is as before.
    pub fn write(&mut self, mut write: Write) -> Result<(), KvError> {
        check_size("key", write.key.len(), KEY_MAX_BYTES)?;
        check_size("value", write.value.as_ref().map_or(0, Value::len), VALUE_MAX_BYTES)?;
        let earlier = self.writes.get(&write.key);
        let bytes = self.bytes - earlier.map_or(0, Write::size_bytes) + write.size_bytes();
        check_size("transaction", bytes, self.bytes_max)?;
        match self.writes.entry(write.key.clone()) {
            Entry::Vacant(entry) => {
                entry.insert(write);
            }
            Entry::Occupied(mut entry) => {
                let earlier = entry.get();
                if write.condition == WriteCondition::Absent && earlier.value.is_some() {
                    return Err(KvError::ConditionFailed { key: write.key });
                }
                write.condition = earlier.condition;
                entry.insert(write);
            }
        }
        self.bytes = bytes;
        Ok(())
    }

    /// What the transaction has written to a key: `None` for nothing, `Some(None)` for a deletion.
    pub fn get(&self, key: &Key) -> Option<Option<&Value>> {
        self.writes.get(key).map(|write| write.value.as_ref())
    }

    /// Bytes of all writes.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// How many keys are written.
    pub fn len(&self) -> usize {
        self.writes.len()
    }

    /// Whether nothing was written.
    pub fn is_empty(&self) -> bool {
        self.writes.is_empty()
    }

    /// The writes, in key order.
    pub fn iter(&self) -> impl Iterator<Item = &Write> {
        self.writes.values()
    }

    /// Takes the writes out, in key order.
    pub fn take(&mut self) -> Vec<Write> {
        self.bytes = 0;
        std::mem::take(&mut self.writes).into_values().collect()
    }

    /// How to get the rows of a scan.
    pub fn plan(&self, request: &ScanRequest) -> ScanPlan {
        if self.within(&request.span).next().is_none() {
            return ScanPlan::Direct;
        }
        ScanPlan::Raw(ScanRequest { program: None, ..request.clone() })
    }

    /// Lays the writes over a page that answers the raw request of [`WriteBuffer::plan`], and runs the program.
    ///
    /// # Errors
    /// [`KvError::Program`] of the program; [`KvError::Storage`] for a page that is no answer to a raw request.
    pub fn overlay(
        &self,
        request: &ScanRequest,
        below: ScanPage,
        evaluator: &dyn ScanEvaluator,
    ) -> Result<ScanPage, KvError> {
        let ScanRows::Pairs(pairs) = below.rows else {
            return Err(KvError::Storage("a scan without a program answered with outputs".to_owned()));
        };
        let covered = covered(&request.span, request.direction, below.resume.as_ref());
        let mut page = PageBuilder::new(request, evaluator).map_err(KvError::Program)?;
        let mut resume = below.resume;
        for (key, value) in self.merged(&covered, request.direction, pairs) {
            match page.push(&key, value).map_err(KvError::Program)? {
                PageFlow::More => {}
                PageFlow::Full => {
                    resume = remaining(&request.span, request.direction, &key);
                    break;
                }
                PageFlow::Stop => {
                    resume = None;
                    break;
                }
            }
        }
        let mut page = page.finish(resume).map_err(KvError::Program)?;
        page.served.range_id = below.served.range_id;
        page.served.node_id = below.served.node_id;
        // Rows read are those of the store, so that a wasteful plan shows.
        page.served.rows_read = below.served.rows_read;
        Ok(page)
    }

    /// The writes of a span, in key order.
    fn within<'a>(&'a self, span: &'a Span) -> impl DoubleEndedIterator<Item = (&'a Key, &'a Write)> {
        let upper = if span.end.is_empty() { Bound::Unbounded } else { Bound::Excluded(&span.end) };
        let bounds = (!span.is_empty()).then_some((Bound::Included(&span.start), upper));
        bounds.into_iter().flat_map(|bounds| self.writes.range::<Key, _>(bounds))
    }

    /// Pairs from below and writes of the covered span, in the scan's direction; a write hides the pair of its key.
    fn merged<'a>(
        &'a self,
        covered: &'a Span,
        direction: Direction,
        pairs: Vec<(Key, Value)>,
    ) -> impl Iterator<Item = (Key, Value)> + 'a {
        let written: Box<dyn Iterator<Item = (&Key, &Write)>> = match direction {
            Direction::Forward => Box::new(self.within(covered)),
            Direction::Reverse => Box::new(self.within(covered).rev()),
        };
        let mut written = written.peekable();
        let mut pairs = pairs.into_iter().peekable();
        std::iter::from_fn(move || {
            loop {
                let write_is_next = match (written.peek(), pairs.peek()) {
                    (None, None) => return None,
                    (None, Some(_)) => false,
                    (Some(_), None) => true,
                    (Some((write, _)), Some((pair, _))) => match direction {
                        Direction::Forward => *write <= pair,
                        Direction::Reverse => *write >= pair,
                    },
                };
                if !write_is_next {
                    return pairs.next();
                }
                let (key, write) = written.next()?;
                pairs.next_if(|(pair, _)| pair == key);
                if let Some(value) = &write.value {
                    return Some((key.clone(), value.clone()));
                }
            }
        })
    }
}

fn check_size(what: &'static str, size: usize, limit: usize) -> Result<(), KvError> {
    if size > limit { Err(KvError::TooLarge { what, size, limit }) } else { Ok(()) }
}

#[cfg(test)]
mod tests;
