//! What waits for the log writer, and what comes first: groups that have a vote to write, then all others in their order.
//!
//! A vote is waited for by a whole election, on a slow disk behind seconds of others' entries. What its own group asked for
//! before goes along: changes of a group reach the store in the group's order.

use std::collections::{BTreeSet, VecDeque};

use quorate_placement::topology::RangeId;

/// A request as the queue sees it.
pub(super) trait Queued {
    /// Whose it is.
    fn group(&self) -> RangeId;
    /// Bytes of its batch.
    fn bytes(&self) -> usize;
    /// Whether an election waits for it.
    fn is_vote(&self) -> bool;
}

/// Most requests and bytes of a batch, apart from its last request and from those that come first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BatchLimits {
    /// Requests.
    pub requests: usize,
    /// Bytes.
    pub bytes: usize,
}

/// Requests that were taken from the channel, in the order of their arrival.
pub(super) struct LogQueue<R> {
    waiting: VecDeque<R>,
}

impl<R: Queued> LogQueue<R> {
    /// An empty queue.
    pub(super) fn new() -> Self {
        Self { waiting: VecDeque::new() }
    }

    /// Takes a request in.
    pub(super) fn push(&mut self, request: R) {
        self.waiting.push_back(request);
    }

    /// Whether nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// The requests of the next batch, in the order in which they are written: at least one where any waits.
    pub(super) fn next_batch(&mut self, limits: BatchLimits) -> Vec<R> {
        let voting: BTreeSet<RangeId> =
            self.waiting.iter().filter(|request| request.is_vote()).map(Queued::group).collect();
        let mut batch = Vec::new();
        if !voting.is_empty() {
            let is_first = |request: &R| voting.contains(&request.group());
            let (first, rest): (Vec<R>, Vec<R>) = self.waiting.drain(..).partition(is_first);
            (batch, self.waiting) = (first, rest.into());
        }
        let had = batch.len() + self.waiting.len();
        let mut bytes: usize = batch.iter().map(Queued::bytes).sum();
        while batch.is_empty() || (batch.len() < limits.requests && bytes < limits.bytes) {
            let Some(next) = self.waiting.pop_front() else { break };
            bytes += next.bytes();
            batch.push(next);
        }
        assert!(batch.len() + self.waiting.len() == had, "what waits is written or goes on waiting");
        assert!(had == 0 || !batch.is_empty(), "where something waits, something is written");
        batch
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Asked(u64, &'static str);

    impl Queued for Asked {
        fn group(&self) -> RangeId {
            RangeId(self.0)
        }

        fn bytes(&self) -> usize {
            10
        }

        fn is_vote(&self) -> bool {
            self.1.starts_with("vote")
        }
    }

    fn batches(asked: &[(u64, &'static str)], limits: BatchLimits) -> Vec<String> {
        let mut queue = LogQueue::new();
        asked.iter().for_each(|(group, what)| queue.push(Asked(*group, what)));
        let mut batches = Vec::new();
        while !queue.is_empty() {
            let batch = queue.next_batch(limits);
            let shown = batch.iter().map(|Asked(group, what)| format!("{group} {what}"));
            batches.push(shown.collect::<Vec<_>>().join(", "));
        }
        batches
    }

    #[test]
    fn queue_is_cut_into_batches_in_its_order() {
        let asked = [(1, "a"), (2, "b"), (1, "c"), (3, "d")];
        assert_eq!(batches(&asked, BatchLimits { requests: 3, bytes: 100 }), ["1 a, 2 b, 1 c", "3 d"]);
        assert_eq!(batches(&asked, BatchLimits { requests: 9, bytes: 20 }), ["1 a, 2 b", "1 c, 3 d"]);
        assert_eq!(batches(&asked, BatchLimits { requests: 1, bytes: 1 }), ["1 a", "2 b", "1 c", "3 d"]);
    }

    /// Of what others wait for nothing is in front of a vote; what its own group asked for keeps its order.
    #[test]
    fn queue_lets_votes_go_first_with_all_that_their_groups_asked_for() {
        let asked = [(1, "a"), (2, "b"), (1, "c"), (3, "d"), (2, "vote"), (2, "e"), (1, "f")];
        let limits = BatchLimits { requests: 4, bytes: 100 };
        assert_eq!(batches(&asked, limits), ["2 b, 2 vote, 2 e, 1 a", "1 c, 3 d, 1 f"]);
        let limits = BatchLimits { requests: 1, bytes: 1 };
        assert_eq!(batches(&asked, limits)[..2], ["2 b, 2 vote, 2 e", "1 a"]);
    }
}
