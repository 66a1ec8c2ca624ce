//! How long the store has waited for its disk: the syncs of the last seconds, and the one that runs now.
//!
//! [`SyncWatch`] is pure: moments come in, as time since some start. [`Syncs`] brings the machine's.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// How far back syncs are remembered: long enough to judge a disk, short enough that a hiccup is over soon.
const REMEMBERED: Duration = Duration::from_secs(10);
/// Syncs that are remembered at most; on a fast disk they reach back less far.
const REMEMBERED_MAX: usize = 4_096;

/// How long syncs take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SyncTimes {
    /// All but one of a hundred of the last seconds took no longer; of fewer, all but the longest.
    pub p99: Duration,
    /// The longest of the last seconds.
    pub longest: Duration,
    /// How long the one has been running that runs the longest; zero where none does.
    pub running: Duration,
}

/// Names a sync that runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct SyncId(u64);

/// Remembers syncs.
#[derive(Debug, Default)]
pub(super) struct SyncWatch {
    next: u64,
    running: BTreeMap<SyncId, Duration>,
    /// When they ended, and how long they took.
    ended: VecDeque<(Duration, Duration)>,
}

impl SyncWatch {
    /// A sync begins.
    pub fn begin(&mut self, now: Duration) -> SyncId {
        let id = SyncId(self.next);
        self.next += 1;
        self.running.insert(id, now);
        id
    }

    /// It has ended, well or not; gives how long it took.
    pub fn end(&mut self, id: SyncId, now: Duration) -> Duration {
        let begun = self.running.remove(&id);
        assert!(begun.is_some(), "a sync that ends has begun, and ends once");
        let took = now.saturating_sub(begun.unwrap_or(now));
        if self.ended.len() >= REMEMBERED_MAX {
            self.ended.pop_front();
        }
        self.ended.push_back((now, took));
        assert!(self.ended.len() <= REMEMBERED_MAX, "no more syncs are remembered than there is room for");
        took
    }

    /// How long they take.
    pub fn times(&mut self, now: Duration) -> SyncTimes {
        while self.ended.front().is_some_and(|(at, _)| now.saturating_sub(*at) > REMEMBERED) {
            self.ended.pop_front();
        }
        let mut took: Vec<Duration> = self.ended.iter().map(|(_, took)| *took).collect();
        took.sort_unstable();
        // Rounded down: one hiccup among few makes no slow disk.
        let place = took.len().saturating_sub(1) * 99 / 100;
        let begun = self.running.values().min();
        SyncTimes {
            p99: took.get(place).copied().unwrap_or_default(),
            longest: took.last().copied().unwrap_or_default(),
            running: begun.map_or(Duration::ZERO, |begun| now.saturating_sub(*begun)),
        }
    }
}

/// The syncs of a store, by the machine's clock.
#[derive(Debug)]
pub(super) struct Syncs {
    began: Instant,
    watch: Mutex<SyncWatch>,
}

impl Syncs {
    /// None so far.
    #[expect(clippy::disallowed_methods, reason = "measures the disk; nothing depends on it")]
    pub fn new() -> Self {
        Self { began: Instant::now(), watch: Mutex::default() }
    }

    /// A sync begins now.
    pub fn begin(&self) -> SyncId {
        self.watch.lock().begin(self.began.elapsed())
    }

    /// It has ended now; gives how long it took.
    pub fn end(&self, id: SyncId) -> Duration {
        self.watch.lock().end(id, self.began.elapsed())
    }

    /// How long they take, as of now.
    pub fn times(&self) -> SyncTimes {
        self.watch.lock().times(self.began.elapsed())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn millis(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    fn sync(watch: &mut SyncWatch, at: u64, took: u64) {
        let id = watch.begin(millis(at));
        assert_eq!(watch.end(id, millis(at + took)), millis(took));
    }

    #[test]
    fn sync_times_are_those_of_the_last_seconds() {
        let mut watch = SyncWatch::default();
        assert_eq!(watch.times(millis(5)), SyncTimes::default());
        sync(&mut watch, 0, 900);
        for at in 1..=200 {
            sync(&mut watch, 1_000 + at * 10, 2);
        }
        let times = watch.times(millis(5_000));
        assert_eq!(times, SyncTimes { p99: millis(2), longest: millis(900), running: Duration::ZERO });
        assert_eq!(watch.times(millis(10_901)).longest, millis(2), "it was too long ago");
        assert_eq!(watch.times(millis(60_000)), SyncTimes::default());
    }

    #[test]
    fn sync_times_of_few_forgive_one_hiccup_and_not_two() {
        let mut watch = SyncWatch::default();
        sync(&mut watch, 0, 3);
        sync(&mut watch, 10, 400);
        assert_eq!(watch.times(millis(500)).p99, millis(3));
        sync(&mut watch, 500, 300);
        assert_eq!(watch.times(millis(900)).p99, millis(300));
    }

    #[test]
    fn sync_that_does_not_come_back_is_told_while_it_runs() {
        let mut watch = SyncWatch::default();
        let (stuck, other) = (watch.begin(millis(100)), watch.begin(millis(400)));
        assert_eq!(watch.times(millis(2_100)).running, millis(2_000));
        watch.end(other, millis(2_200));
        assert_eq!(watch.times(millis(2_300)).running, millis(2_200));
        watch.end(stuck, millis(2_400));
        let times = watch.times(millis(2_400));
        assert_eq!((times.running, times.longest), (Duration::ZERO, millis(2_300)));
    }

    #[test]
    fn sync_watch_remembers_so_many_at_most() {
        let mut watch = SyncWatch::default();
        for at in 0..5_000 {
            sync(&mut watch, at, 1);
        }
        assert_eq!(watch.ended.len(), REMEMBERED_MAX);
    }
}
