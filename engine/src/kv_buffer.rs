//! [`WriteBuffer`]: a transaction's writes before its commit, and how its own reads see them.
//!
//! Each key has its writes by [`Sequence`], and a read asks as of one: a statement reads as of its start, whatever it has
//! written since, and as of [`Sequence::NEWEST`] to learn whether a key is taken.
//!
//! ```text
//! key ──▶ newest write, made since s2 (what COMMIT sends, and what counts towards the limit)
//!         values that it hides, made since s1, while a read as of s2 may ask for it: until the next statement starts; or
//!         while the transaction may go back to s2: until that mark is released
//! ```
//!
//! A mark ([`WriteBuffer::mark`]) is what SAVEPOINT leaves behind. Invariant: going back to it leaves the buffer as it was
//! there, whatever was written, marked and released since. What is kept for marks has a limit of its own.
//!
//! Nothing is sent before COMMIT, so that a scan has to be laid over by what the transaction has written. Where no
//! write lies in the span, the request goes down as it is ([`ScanPlan::Direct`]). Else the pairs are fetched without the
//! program ([`ScanPlan::Raw`]), and [`WriteBuffer::overlay`] merges both and runs the program here. Invariant: a page
//! made by overlay keeps the request's limits, its direction, and its `resume`, as if the writes were there below.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::ops::Bound;

use crate::kv::{
    Direction, Key, KvError, ScanEvaluator, ScanPage, ScanRequest, ScanRows, Sequence, Span, Value, Write,
    WriteCondition,
};
use crate::kv_page::{PageBuilder, PageFlow, covered, remaining};
use crate::limits::{KEY_MAX_BYTES, VALUE_MAX_BYTES};

mod history;

use history::{Marks, Written};

/// The buffered writes of a transaction.
#[derive(Clone, Debug)]
pub struct WriteBuffer {
    writes: BTreeMap<Key, Written>,
    /// The running statement's point: what is written now is seen from the next one on.
    now: Sequence,
    /// Keys with values that are hidden by writes of the running statement.
    hiding: Vec<Key>,
    marks: Marks,
    bytes: usize,
    /// Bytes of hidden values.
    hidden_bytes: usize,
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
    /// An empty buffer that takes at most `bytes_max` bytes, as [`Write::size_bytes`] counts them, and keeps as many for marks.
    pub fn new(bytes_max: usize) -> Self {
        Self {
            writes: BTreeMap::new(),
            now: Sequence::FIRST,
            hiding: Vec::new(),
            marks: Marks::default(),
            bytes: 0,
            hidden_bytes: 0,
            bytes_max,
        }
    }

    /// A statement starts: returns the point as of which it reads. Reads as of earlier ones are over.
    pub fn start_statement(&mut self) -> Sequence {
        for key in std::mem::take(&mut self.hiding) {
            self.prune(&key);
        }
        assert!(
            self.hidden_bytes == 0 || !self.marks.points().is_empty(),
            "no value is hidden when a statement starts, unless for a mark"
        );
        let earlier = self.now;
        self.now = earlier.next();
        assert!(earlier < self.now, "each statement starts behind those before");
        assert!(self.now < Sequence::NEWEST, "the newest point is no statement's");
        self.now
    }

    /// A point between two statements, to which [`WriteBuffer::go_back_to`] goes back until it is released.
    pub fn mark(&mut self) -> Sequence {
        let mark = self.start_statement();
        self.marks.add(mark);
        mark
    }

    /// Undoes what was written since a mark, which stays; those behind it are gone.
    ///
    /// # Panics
    /// Where there is no such mark.
    pub fn go_back_to(&mut self, mark: Sequence) {
        self.start_statement();
        for key in self.marks.go_back_to(mark) {
            let Some(written) = self.writes.get_mut(&key) else {
                unreachable!("a key that was noted is written")
            };
            self.bytes -= written.newest.size_bytes();
            self.hidden_bytes -= written.hidden_bytes();
            if written.go_back_to(mark) {
                self.bytes += written.newest.size_bytes();
                self.hidden_bytes += written.hidden_bytes();
                self.marks.went_back(&key, written.since());
            } else {
                self.writes.remove(&key);
            }
        }
        assert!(self.bytes <= self.bytes_max, "a buffer was no larger before");
    }

    /// Forgets a mark and those behind it; what was written since stays.
    ///
    /// # Panics
    /// Where there is no such mark.
    pub fn release(&mut self, mark: Sequence) {
        for key in self.marks.release(mark) {
            self.prune(&key);
        }
        // As with a mark, what comes next is another statement's: its writes drop what was kept for the mark.
        self.start_statement();
    }

    /// Drops a key's hidden values that no mark asks for.
    fn prune(&mut self, key: &Key) {
        let Some(written) = self.writes.get_mut(key) else { return };
        self.hidden_bytes -= written.hidden_bytes();
        written.prune(self.marks.points());
        self.hidden_bytes += written.hidden_bytes();
    }

    /// Adds a write. A second write to a key replaces the first, and keeps its condition: what is there below has not
    /// changed. Whether the key is absent is known here, then: a buffered value is one, a buffered deletion is none.
    ///
    /// # Errors
    /// [`KvError::TooLarge`], and [`KvError::ConditionFailed`] for an [`WriteCondition::Absent`] write onto a buffered
    /// value; the buffer is as before.
    pub fn write(&mut self, write: Write) -> Result<(), KvError> {
        check_size("key", write.key.len(), KEY_MAX_BYTES)?;
        check_size("value", write.value.as_ref().map_or(0, Value::len), VALUE_MAX_BYTES)?;
        let earlier = self.writes.get(&write.key);
        let replaced = earlier.map_or(0, |earlier| earlier.newest.size_bytes());
        assert!(replaced <= self.bytes, "what is replaced was counted when it was buffered");
        let bytes = self.bytes - replaced + write.size_bytes();
        check_size("transaction", bytes, self.bytes_max)?;
        let hidden = self.hidden_bytes + earlier.map_or(0, |earlier| earlier.bytes_to_hide(self.now));
        check_size("history kept for savepoints", hidden, self.bytes_max)?;
        let is_value = earlier.is_some_and(|earlier| earlier.newest.value.is_some());
        if write.condition == WriteCondition::Absent && is_value {
            return Err(KvError::ConditionFailed { key: write.key });
        }
        let before = earlier.map(Written::since);
        self.marks.written(&write.key, before, self.now);
        self.keep(write);
        self.bytes = bytes;
        assert!(self.bytes <= self.bytes_max, "a buffer holds no more than it may");
        Ok(())
    }

    fn keep(&mut self, write: Write) {
        match self.writes.entry(write.key.clone()) {
            Entry::Vacant(entry) => {
                entry.insert(Written::new(write, self.now));
            }
            Entry::Occupied(mut entry) => {
                let key = write.key.clone();
                let written = entry.get_mut();
                self.hidden_bytes -= written.hidden_bytes();
                // Before the statement's first write to a key nothing is hidden for it.
                if written.since() < self.now {
                    written.prune(self.marks.points());
                }
                if written.replace(write, self.now) {
                    self.hiding.push(key);
                }
                self.hidden_bytes += written.hidden_bytes();
            }
        }
    }

    /// What the transaction had written to a key: `None` for nothing, `Some(None)` for a deletion.
    pub fn get(&self, key: &Key, as_of: Sequence) -> Option<Option<&Value>> {
        self.writes.get(key)?.as_of(as_of)
    }

    /// Bytes of the newest writes, which COMMIT sends.
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
        self.writes.values().map(|written| &written.newest)
    }

    /// Takes the writes of a span out, in key order, with all that is kept of them for marks: going back to one brings none
    /// of them back.
    pub fn take_span(&mut self, span: &Span) -> Vec<Write> {
        let keys: Vec<Key> = self.range(span).map(|(key, _)| key.clone()).collect();
        let mut taken = Vec::with_capacity(keys.len());
        for key in keys {
            let Some(written) = self.writes.remove(&key) else { continue };
            self.bytes -= written.newest.size_bytes();
            self.hidden_bytes -= written.hidden_bytes();
            self.marks.forget(&key, written.since());
            taken.push(written.newest);
        }
        assert!(taken.is_sorted_by(|a, b| a.key < b.key), "each key is written once, in their order");
        taken
    }

    /// Takes the writes out, in key order.
    pub fn take(&mut self) -> Vec<Write> {
        let bytes = std::mem::take(&mut self.bytes);
        (self.hiding, self.marks, self.hidden_bytes) = (Vec::new(), Marks::default(), 0);
        let writes: Vec<Write> =
            std::mem::take(&mut self.writes).into_values().map(|written| written.newest).collect();
        assert!(
            bytes == writes.iter().map(Write::size_bytes).sum(),
            "the bytes of a buffer are those of its writes"
        );
        writes
    }

    /// How to get the rows of a scan.
    pub fn plan(&self, request: &ScanRequest, as_of: Sequence) -> ScanPlan {
        if self.within(&request.span, as_of).next().is_none() {
            return ScanPlan::Direct;
        }
        ScanPlan::Raw(ScanRequest { program: None, ..request.clone() })
    }

    /// Lays what was written before `as_of` over a page that answers the raw request of [`WriteBuffer::plan`], and runs
    /// the program.
    ///
    /// # Errors
    /// [`KvError::Program`] of the program; [`KvError::Storage`] for a page that is no answer to a raw request.
    pub fn overlay(
        &self,
        (request, as_of): (&ScanRequest, Sequence),
        below: ScanPage,
        evaluator: &dyn ScanEvaluator,
    ) -> Result<ScanPage, KvError> {
        let ScanRows::Pairs(pairs) = below.rows else {
            return Err(KvError::Storage("a scan without a program answered with outputs".to_owned()));
        };
        let is_answer = are_in_order(&pairs, request) && is_part(below.resume.as_ref(), request);
        if !is_answer {
            return Err(KvError::Storage(
                "a page has keys that were not asked for, or in another order".to_owned(),
            ));
        }
        let covered = covered(&request.span, request.direction, below.resume.as_ref());
        let mut page = PageBuilder::new(request, evaluator).map_err(KvError::Program)?;
        let mut resume = below.resume;
        for (key, value) in self.merged(&covered, (request.direction, as_of), pairs) {
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

    /// What was written to the keys of a span, in key order.
    fn range<'a>(&'a self, span: &'a Span) -> impl DoubleEndedIterator<Item = (&'a Key, &'a Written)> {
        let upper = if span.end.is_empty() { Bound::Unbounded } else { Bound::Excluded(&span.end) };
        let bounds = (!span.is_empty()).then_some((Bound::Included(&span.start), upper));
        bounds.into_iter().flat_map(|bounds| self.writes.range::<Key, _>(bounds))
    }

    /// What was written to the keys of a span before `as_of`, in key order.
    fn within<'a>(
        &'a self,
        span: &'a Span,
        as_of: Sequence,
    ) -> impl DoubleEndedIterator<Item = (&'a Key, Option<&'a Value>)> {
        self.range(span).filter_map(move |(key, written)| Some((key, written.as_of(as_of)?)))
    }

    /// Pairs from below and writes of the covered span, in the scan's direction; a write hides the pair of its key.
    fn merged<'a>(
        &'a self,
        covered: &'a Span,
        (direction, as_of): (Direction, Sequence),
        pairs: Vec<(Key, Value)>,
    ) -> impl Iterator<Item = (Key, Value)> + 'a {
        let written: Box<dyn Iterator<Item = (&Key, Option<&Value>)>> = match direction {
            Direction::Forward => Box::new(self.within(covered, as_of)),
            Direction::Reverse => Box::new(self.within(covered, as_of).rev()),
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
                let (key, value) = written.next()?;
                pairs.next_if(|(pair, _)| pair == key);
                if let Some(value) = value {
                    return Some((key.clone(), value.clone()));
                }
            }
        })
    }
}

/// Whether the pairs of a page, which may come from another node, are keys of the span in the scan's direction.
fn are_in_order(pairs: &[(Key, Value)], request: &ScanRequest) -> bool {
    let goes_on = |(before, after): (&(Key, Value), &(Key, Value))| match request.direction {
        Direction::Forward => before.0 < after.0,
        Direction::Reverse => before.0 > after.0,
    };
    let ends = [pairs.first(), pairs.last()];
    ends.into_iter().flatten().all(|(key, _)| request.span.contains(key))
        && pairs.iter().zip(pairs.iter().skip(1)).all(goes_on)
}

/// Whether what a page left lies in the span.
fn is_part(resume: Option<&Span>, request: &ScanRequest) -> bool {
    resume.is_none_or(|rest| request.span.covers(rest))
}

fn check_size(what: &'static str, size: usize, limit: usize) -> Result<(), KvError> {
    if size > limit { Err(KvError::TooLarge { what, size, limit }) } else { Ok(()) }
}

#[cfg(test)]
mod tests;
