//! When a range is split by itself, and when its writers wait.
//!
//! ```text
//!   0 ─────────── range_max_bytes ─────────── twice that
//!      nothing    │ counted and split         │ writers wait for the split
//! ```
//!
//! A range that cannot be split, because one key has all its bytes, is left alone until it has grown by half again, and
//! its writers do not wait: they would wait for ever.

/// Size beyond which ranges are split unless something else is set (design.md section 12).
pub const RANGE_MAX_BYTES_DEFAULT: u64 = 256 << 20;
/// Writers wait where a range is this many times as large as it should be.
pub const BACK_PRESSURE_TIMES: u64 = 2;

/// What is known of the attempts to split one range.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Attempts {
    /// A split is under way.
    is_running: bool,
    /// Not before the range is this large: an attempt at a smaller size led to nothing.
    not_below: u64,
    /// The last attempt found one key only.
    is_one_key: bool,
}

/// How an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Split.
    Split,
    /// Something was in the way; it may work next time.
    Failed,
    /// All bytes are those of one key.
    OneKey,
    /// There were fewer bytes than estimated.
    Smaller,
}

impl Attempts {
    /// Whether a range of `size` bytes should be split now; if so, the attempt begins.
    pub fn begin(&mut self, size: u64, max: u64) -> bool {
        let begins = !self.is_running && size > max && size >= self.not_below;
        self.is_running |= begins;
        begins
    }

    /// An attempt at `size` bytes is over. True where a person should be told that the range cannot be split.
    pub fn end(&mut self, how: Ended, size: u64) -> bool {
        assert!(self.is_running, "an attempt that ends has begun");
        self.is_running = false;
        let was_one_key = std::mem::replace(&mut self.is_one_key, how == Ended::OneKey);
        self.not_below = match how {
            Ended::Split | Ended::Failed => 0,
            Ended::OneKey | Ended::Smaller => size.saturating_add(size / 2),
        };
        self.is_one_key && !was_one_key
    }

    /// Whether writers to a range of `size` bytes wait for its split.
    pub fn holds_writers(&self, size: u64, max: u64) -> bool {
        let may_split = size >= self.not_below && !self.is_one_key;
        may_split && size >= max.saturating_mul(BACK_PRESSURE_TIMES)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn split_begins_once_beyond_the_limit() {
        let mut attempts = Attempts::default();
        assert!(!attempts.begin(100, 100));
        assert!(attempts.begin(101, 100));
        assert!(!attempts.begin(500, 100), "one at a time");
        assert!(!attempts.end(Ended::Failed, 101));
        assert!(attempts.begin(101, 100), "tried again");
        attempts.end(Ended::Split, 101);
        assert!(!attempts.begin(51, 100));
    }

    #[test]
    fn split_of_one_key_is_told_once_and_tried_when_it_has_grown() {
        let mut attempts = Attempts::default();
        assert!(attempts.begin(200, 100));
        assert!(attempts.end(Ended::OneKey, 200), "said once");
        assert!(!attempts.begin(299, 100));
        assert!(attempts.begin(300, 100));
        assert!(!attempts.end(Ended::OneKey, 300), "and not again");
        assert!(!attempts.holds_writers(10_000, 100), "nobody waits for what cannot come");
    }

    #[test]
    fn split_holds_writers_at_twice_the_size() {
        let mut attempts = Attempts::default();
        assert!(!attempts.holds_writers(199, 100));
        assert!(attempts.holds_writers(200, 100));
        assert!(attempts.begin(200, 100));
        assert!(attempts.holds_writers(200, 100), "also while it is under way");
        attempts.end(Ended::Smaller, 200);
        assert!(!attempts.holds_writers(250, 100), "the estimate was wrong");
        assert!(attempts.holds_writers(300, 100));
    }
}
