//! What was written to each key of a [`WriteBuffer`](super::WriteBuffer), by [`Sequence`], as far as somebody may ask for it.
//!
//! ```text
//! hidden: (s1, a) (s4, b)   newest: (s7, c)      marks: s2, s9
//!            │       └ asked for by nobody: the next write drops it
//!            └ as of s2; ROLLBACK TO s2 brings it back
//! ```
//!
//! Invariant: a hidden value is kept while the running statement or a mark lies between its sequence and that of the value
//! which hides it; so that a key has at most one more than there are marks.

use std::collections::BTreeSet;
use std::ops::Bound;

use crate::kv::{Key, Sequence, Value, Write};

/// What was written to a key.
#[derive(Clone, Debug)]
pub(super) struct Written {
    /// The newest write, which COMMIT sends.
    pub newest: Write,
    /// When: the point of the statement that made it.
    since: Sequence,
    /// Values that it hides, oldest first, each with the point of its statement.
    pub hidden: Vec<(Sequence, Option<Value>)>,
}

impl Written {
    /// The first write to a key.
    pub fn new(write: Write, since: Sequence) -> Self {
        Self { newest: write, since, hidden: Vec::new() }
    }

    /// The point of the statement that made the newest write.
    pub fn since(&self) -> Sequence {
        self.since
    }

    /// What is seen as of a point: `None` for nothing that was written here.
    pub fn as_of(&self, as_of: Sequence) -> Option<Option<&Value>> {
        if self.since < as_of {
            return Some(self.newest.value.as_ref());
        }
        let hidden = self.hidden.iter().rev().find(|(since, _)| *since < as_of);
        hidden.map(|(_, value)| value.as_ref())
    }

    /// Takes a newer write, which keeps the first one's condition. What it hides is kept for the running statement; gives
    /// whether anything is.
    pub fn replace(&mut self, mut write: Write, now: Sequence) -> bool {
        write.condition = self.newest.condition;
        assert!(self.newest.key == write.key, "a write replaces one of its own key");
        assert!(self.since <= now, "what is written now is newer than what was written before");
        let earlier = std::mem::replace(&mut self.newest, write);
        let since = std::mem::replace(&mut self.since, now);
        let hides = since < now;
        if hides {
            self.hidden.push((since, earlier.value));
        }
        hides
    }

    /// Bytes of what is hidden.
    pub fn hidden_bytes(&self) -> usize {
        self.hidden.iter().map(|(_, value)| self.size_hidden(value.as_ref())).sum()
    }

    /// Bytes that the newest write's value will be counted with once it is hidden by one of this statement.
    pub fn bytes_to_hide(&self, now: Sequence) -> usize {
        if self.since < now { self.size_hidden(self.newest.value.as_ref()) } else { 0 }
    }

    /// Drops what no mark asks for, once no statement runs that may.
    pub fn prune(&mut self, marks: &BTreeSet<Sequence>) {
        if marks.is_empty() {
            self.hidden = Vec::new();
            return;
        }
        let mut hidden_at = self.since;
        let mut kept = Vec::new();
        while let Some((since, value)) = self.hidden.pop() {
            assert!(since < hidden_at, "what is hidden is older than what hides it");
            if marks.range((Bound::Excluded(since), Bound::Included(hidden_at))).next().is_some() {
                kept.push((since, value));
            }
            hidden_at = since;
        }
        kept.reverse();
        assert!(kept.len() <= marks.len(), "each value that is kept is kept for a mark of its own");
        self.hidden = kept;
    }

    /// Brings back what was there as of a mark; gives whether anything was.
    pub fn go_back_to(&mut self, mark: Sequence) -> bool {
        while self.since >= mark {
            let Some((since, value)) = self.hidden.pop() else { return false };
            assert!(since < self.since, "what is hidden is older than what hides it");
            (self.since, self.newest.value) = (since, value);
        }
        true
    }

    fn size_hidden(&self, value: Option<&Value>) -> usize {
        self.newest.key.len() + value.map_or(0, Value::len)
    }
}

/// The points to which a transaction may go back, and what was written since the oldest of them.
#[derive(Clone, Debug, Default)]
pub(super) struct Marks {
    points: BTreeSet<Sequence>,
    /// Keys by the sequences of their newest writes, those of before the oldest mark left out.
    recent: BTreeSet<(Sequence, Key)>,
}

impl Marks {
    /// The points.
    pub fn points(&self) -> &BTreeSet<Sequence> {
        &self.points
    }

    /// Adds a point behind all others.
    pub fn add(&mut self, mark: Sequence) {
        assert!(self.points.last().is_none_or(|last| *last < mark), "a mark lies behind those before");
        self.points.insert(mark);
    }

    /// Notes a write; `before`: when the key was written last.
    pub fn written(&mut self, key: &Key, before: Option<Sequence>, now: Sequence) {
        if self.points.is_empty() || before == Some(now) {
            return;
        }
        if let Some(before) = before {
            self.recent.remove(&(before, key.clone()));
        }
        self.recent.insert((now, key.clone()));
    }

    /// Forgets a point and those behind it; gives the keys written since, which may have hidden values for them alone.
    pub fn release(&mut self, mark: Sequence) -> Vec<Key> {
        assert!(self.points.contains(&mark), "only a mark that is there can be released");
        self.points.split_off(&mark);
        if !self.points.is_empty() {
            let since = (Bound::Included((mark, Key::default())), Bound::Unbounded);
            return self.recent.range(since).map(|(_, key)| key.clone()).collect();
        }
        std::mem::take(&mut self.recent).into_iter().map(|(_, key)| key).collect()
    }

    /// Forgets the points behind a mark, and gives the keys written since.
    pub fn go_back_to(&mut self, mark: Sequence) -> Vec<Key> {
        assert!(self.points.contains(&mark), "only a mark that is there can be gone back to");
        self.points.split_off(&mark);
        self.points.insert(mark);
        let since = self.recent.split_off(&(mark, Key::default()));
        since.into_iter().map(|(_, key)| key).collect()
    }

    /// Forgets a key that is not written any more.
    pub fn forget(&mut self, key: &Key, since: Sequence) {
        self.recent.remove(&(since, key.clone()));
    }

    /// Notes again a key whose newest write is an older one now.
    pub fn went_back(&mut self, key: &Key, since: Sequence) {
        if self.points.first().is_some_and(|oldest| since >= *oldest) {
            self.recent.insert((since, key.clone()));
        }
    }
}
