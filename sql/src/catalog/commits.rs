//! [`CommitsUnderWay`]: commits that were sent by what the catalog said then. Until they are over, or too late by their
//! deadlines, the node must not say that it goes by a newer one.
//!
//! ```text
//! begin ── tables are what they were? ── sent, until a deadline ──┬─ answered ──▶ over
//!                                                                 └─ not known ──▶ over behind the deadline
//! ```

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use quorate_engine::hlc::Timestamp;
use quorate_engine::kv::KvError;
use tokio::sync::Notify;

/// How often it is looked again for commits whose end is not known.
pub const LOOK_PAUSE: Duration = Duration::from_millis(50);

/// Commits of one node.
#[derive(Debug, Default)]
pub struct CommitsUnderWay {
    state: Mutex<State>,
    ended: Notify,
}

#[derive(Debug, Default)]
struct State {
    /// Number of the next one.
    next: u64,
    by_number: BTreeMap<u64, Sent>,
    /// The version of the catalog up to which nothing of before is left.
    settled: Timestamp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sent {
    /// Somebody awaits its end.
    Awaited,
    /// Its end is not known; it cannot be committed behind this moment.
    Unknown(Timestamp),
}

/// A moment between commits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CommitMark(u64);

impl CommitsUnderWay {
    /// A commit begins. It looks at the catalog afterwards.
    pub fn begin(self: &Arc<Self>) -> CommitUnderWay {
        let mut state = self.state.lock();
        let number = state.next;
        state.next += 1;
        state.by_number.insert(number, Sent::Awaited);
        CommitUnderWay { commits: Arc::clone(self), number, deadline: None }
    }

    /// Behind all that have begun.
    pub fn mark(&self) -> CommitMark {
        CommitMark(self.state.lock().next)
    }

    /// Whether it is known that nothing is left of what was sent before this version of the catalog.
    pub fn is_settled(&self, version: Timestamp) -> bool {
        self.state.lock().settled >= version
    }

    /// Notes that nothing is left of what was sent before this version.
    pub fn settle(&self, version: Timestamp) {
        let mut state = self.state.lock();
        state.settled = state.settled.max(version);
    }

    /// Whether nothing is left at `now` of what had begun at the mark.
    pub fn are_over(&self, mark: CommitMark, now: Timestamp) -> bool {
        let mut state = self.state.lock();
        state.by_number.retain(|_, sent| match sent {
            Sent::Awaited => true,
            Sent::Unknown(until) => *until > now,
        });
        state.by_number.range(..mark.0).next().is_none()
    }

    /// Returns when one has ended since this was called and first polled.
    pub async fn ended(&self) {
        self.ended.notified().await;
    }

    fn end(&self, number: u64, deadline: Option<Timestamp>) {
        let mut state = self.state.lock();
        let known = match deadline {
            None => state.by_number.remove(&number),
            Some(until) => state.by_number.insert(number, Sent::Unknown(until)),
        };
        assert_eq!(known, Some(Sent::Awaited), "a commit ends once");
        drop(state);
        self.ended.notify_waiters();
    }
}

/// A commit; where it is dropped after it was sent, its end is not known.
#[derive(Debug)]
pub struct CommitUnderWay {
    commits: Arc<CommitsUnderWay>,
    number: u64,
    deadline: Option<Timestamp>,
}

impl CommitUnderWay {
    /// From now on it may be committed, up to a deadline.
    pub fn sent(&mut self, deadline: Timestamp) {
        self.deadline = Some(deadline);
    }

    /// It was answered.
    pub fn answered<T>(mut self, answer: &Result<T, KvError>) {
        if answer.as_ref().err().is_none_or(|error| !error.is_ambiguous()) {
            self.deadline = None;
        }
    }
}

impl Drop for CommitUnderWay {
    fn drop(&mut self) {
        self.commits.end(self.number, self.deadline);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use quorate_engine::kv::Key;
    use uuid::Uuid;

    fn at(micros: u64) -> Timestamp {
        Timestamp::from_micros(micros)
    }

    #[test]
    fn catalog_waits_for_the_commits_of_before_alone() {
        let commits = Arc::new(CommitsUnderWay::default());
        assert!(commits.are_over(commits.mark(), at(1)));
        let (mut first, unsent) = (commits.begin(), commits.begin());
        let mark = commits.mark();
        let later = commits.begin();
        first.sent(at(50));
        assert!(!commits.are_over(mark, at(60)), "somebody awaits its end");
        drop(unsent);
        first.answered(&Ok(()));
        assert!(commits.are_over(mark, at(1)));
        assert!(!commits.are_over(commits.mark(), at(1)));
        drop(later);
        assert!(commits.are_over(commits.mark(), at(1)));
    }

    #[test]
    fn commit_whose_end_is_not_known_is_over_behind_its_deadline() {
        let commits = Arc::new(CommitsUnderWay::default());
        let (mut refused, mut lost, mut unknown) = (commits.begin(), commits.begin(), commits.begin());
        [&mut refused, &mut lost, &mut unknown].into_iter().for_each(|commit| commit.sent(at(50)));
        refused.answered::<()>(&Err(KvError::ConditionFailed { key: Key::default() }));
        drop(lost);
        assert!(!commits.are_over(commits.mark(), at(49)));
        assert!(!commits.are_over(commits.mark(), at(60)), "one is awaited");
        unknown.answered::<()>(&Err(KvError::Ambiguous { transaction: Uuid::nil(), detail: String::new() }));
        assert!(!commits.are_over(commits.mark(), at(49)));
        assert!(commits.are_over(commits.mark(), at(50)));
    }

    #[test]
    fn versions_that_are_settled_rise() {
        let commits = CommitsUnderWay::default();
        assert!(commits.is_settled(Timestamp::MIN) && !commits.is_settled(at(1)));
        commits.settle(at(3));
        commits.settle(at(2));
        assert!(commits.is_settled(at(3)) && !commits.is_settled(at(4)));
    }
}
