//! What a log tells of trouble: one line when it begins, one when it ends, and in between a count, more and more rarely.
//!
//! Trouble that lasts comes back with every attempt, ten times a second where somebody tries that often. Who reads the log
//! wants to know when it began, that it goes on, and when it was over. Pure: times come in, as time since some start.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

/// How long trouble goes on before it is told again; the wait doubles each time.
const REMIND_FIRST: Duration = Duration::from_secs(60);
/// Longest wait before trouble that goes on is told again.
const REMIND_MAX: Duration = Duration::from_secs(16 * 60);
/// Least time between two beginnings that are told: what comes and goes is told as something that goes on.
const QUIET: Duration = Duration::from_secs(10);
/// Troubles that are told apart in one [`Tellings`]; further ones count as one.
const KEYS_MAX: usize = 1_000;
const _: () = assert!(QUIET.as_secs() < REMIND_FIRST.as_secs());

/// How a line of the log ends that tells of trouble.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tell {
    /// It begins: nothing is added.
    Begins,
    /// It goes on.
    GoesOn {
        /// How often it was met.
        times: u64,
        /// Since when.
        lasting: Duration,
    },
}

impl fmt::Display for Tell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Begins => Ok(()),
            Self::GoesOn { times, lasting } => write!(f, " ({times} times in {})", shown(*lasting)),
        }
    }
}

/// Trouble that is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Over {
    /// How often it was met.
    pub times: u64,
    /// How long it lasted.
    pub lasting: Duration,
}

#[derive(Clone, Copy, Debug)]
struct Trouble {
    since: Duration,
    times: u64,
    /// Whether there was a line of it.
    is_told: bool,
    remind_after: Duration,
}

/// One kind of trouble.
#[derive(Clone, Copy, Debug, Default)]
pub struct Telling {
    trouble: Option<Trouble>,
    /// When the last line was written.
    told_at: Option<Duration>,
}

impl Telling {
    /// It was met now; what to tell, if anything.
    #[must_use]
    pub fn trouble(&mut self, now: Duration) -> Option<Tell> {
        let silent_for = self.told_at.map(|at| now.saturating_sub(at));
        let fresh = Trouble { since: now, times: 0, is_told: false, remind_after: REMIND_FIRST };
        let trouble = self.trouble.get_or_insert(fresh);
        trouble.times += 1;
        let wait = if trouble.is_told { trouble.remind_after } else { QUIET };
        if silent_for.is_some_and(|silent_for| silent_for < wait) {
            return None;
        }
        if trouble.is_told {
            trouble.remind_after = (trouble.remind_after * 2).min(REMIND_MAX);
        }
        trouble.is_told = true;
        self.told_at = Some(now);
        if trouble.times == 1 {
            return Some(Tell::Begins);
        }
        Some(Tell::GoesOn { times: trouble.times, lasting: now.saturating_sub(trouble.since) })
    }

    /// All is well now; `Some` where trouble that was told is over.
    #[must_use]
    pub fn well(&mut self, now: Duration) -> Option<Over> {
        let trouble = self.trouble.take().filter(|trouble| trouble.is_told)?;
        self.told_at = Some(now);
        Some(Over { times: trouble.times, lasting: now.saturating_sub(trouble.since) })
    }

    /// Whether nothing is known that would keep the next trouble from being told.
    fn is_forgotten(&self, now: Duration) -> bool {
        self.told_at.is_none_or(|at| now.saturating_sub(at) >= REMIND_MAX)
    }
}

/// Many kinds of trouble, by key.
#[derive(Debug)]
pub struct Tellings<K> {
    known: BTreeMap<K, Telling>,
    /// For all keys beyond those.
    others: Telling,
}

impl<K> Default for Tellings<K> {
    fn default() -> Self {
        Self { known: BTreeMap::new(), others: Telling::default() }
    }
}

impl<K: Ord> Tellings<K> {
    /// [`Telling::trouble`] of a key. One that was not met for long begins anew.
    #[must_use]
    pub fn trouble(&mut self, key: K, now: Duration) -> Option<Tell> {
        if self.known.len() >= KEYS_MAX && !self.known.contains_key(&key) {
            self.known.retain(|_, telling| !telling.is_forgotten(now));
        }
        if self.known.len() >= KEYS_MAX && !self.known.contains_key(&key) {
            return self.others.trouble(now);
        }
        self.known.entry(key).or_default().trouble(now)
    }
}

/// A duration for people: tenths of a second, or milliseconds where it is short.
pub fn shown(duration: Duration) -> String {
    if duration < Duration::from_millis(100) {
        return format!("{} ms", duration.as_millis());
    }
    if duration < Duration::from_secs(60) {
        return format!("{:.1} s", duration.as_secs_f64());
    }
    format!("{} min {} s", duration.as_secs() / 60, duration.as_secs() % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn trouble_that_lasts_is_told_once_and_then_counted_more_and_more_rarely() {
        let mut telling = Telling::default();
        let mut told = Vec::new();
        for tenth in 0..36_000 {
            told.extend(telling.trouble(at(tenth * 100)).map(|tell| (tenth / 10, tell.to_string())));
        }
        let lines: Vec<_> = told.iter().map(|(second, line)| (*second, line.as_str())).collect();
        assert_eq!(
            lines,
            [
                (0, ""),
                (60, " (601 times in 1 min 0 s)"),
                (180, " (1801 times in 3 min 0 s)"),
                (420, " (4201 times in 7 min 0 s)"),
                (900, " (9001 times in 15 min 0 s)"),
                (1860, " (18601 times in 31 min 0 s)"),
                (2820, " (28201 times in 47 min 0 s)"),
            ]
        );
        assert_eq!(
            telling.well(at(3_600_000)),
            Some(Over { times: 36_000, lasting: Duration::from_secs(3600) })
        );
        assert_eq!(telling.well(at(3_600_001)), None, "told once");
    }

    #[test]
    fn trouble_that_comes_and_goes_makes_few_lines() {
        let mut telling = Telling::default();
        let mut lines = 0;
        for second in (0..600).step_by(2) {
            lines += u32::from(telling.trouble(at(second * 1000)).is_some());
            lines += u32::from(telling.well(at(second * 1000 + 1000)).is_some());
        }
        assert!((60..=130).contains(&lines), "{lines} lines in ten minutes");
        // After a quiet time it begins anew.
        assert_eq!(telling.trouble(at(700_000)), Some(Tell::Begins));
    }

    #[test]
    fn tellings_keep_keys_apart_up_to_a_limit() {
        let mut tellings = Tellings::default();
        for key in 0..KEYS_MAX {
            assert_eq!(tellings.trouble(key, at(0)), Some(Tell::Begins));
            assert_eq!(tellings.trouble(key, at(1)), None);
        }
        assert_eq!(tellings.trouble(KEYS_MAX, at(2)), Some(Tell::Begins));
        assert_eq!(tellings.trouble(KEYS_MAX + 1, at(3)), None, "all others are one");
        // Those that are long over make place.
        let later = REMIND_MAX.saturating_mul(2);
        assert_eq!(tellings.trouble(KEYS_MAX + 2, later), Some(Tell::Begins));
        assert_eq!(tellings.known.len(), 1);
    }

    #[test]
    fn durations_are_shown_as_people_read_them() {
        let shown = [26, 999, 4_040, 61_000].map(|millis| shown(at(millis)));
        assert_eq!(shown, ["26 ms", "1.0 s", "4.0 s", "1 min 1 s"]);
    }
}
