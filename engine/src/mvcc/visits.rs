//! [`Visits`]: how much one piece of work may look at, whatever it finds.
//!
//! Rows that are deleted, changed again and again, or refused by a filter cost as much as those that are returned: limits
//! on what is returned bound no work. Whoever walks versions counts here, and stops where nothing is left.

/// What may still be visited, and what was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Visits {
    steps: u64,
    bytes: u64,
    steps_max: u64,
    bytes_max: u64,
}

impl Visits {
    /// As much as there is: for what stands on other limits, and for tests.
    pub const UNLIMITED: Self = Self::new(u64::MAX, u64::MAX);
    /// One page of a scan or of a refresh: some tens of milliseconds where the data lies in memory, and far less than an
    /// attempt where it lies on a disk.
    pub const PAGE: Self = Self::new(50_000, 32 << 20);
    /// On a thread that others wait for: about a millisecond.
    pub const INLINE: Self = Self::new(1_000, 1 << 20);

    /// At most so many versions stepped over, and so many bytes of values read. The last step may go beyond by one value.
    pub const fn new(steps_max: u64, bytes_max: u64) -> Self {
        Self { steps: 0, bytes: 0, steps_max, bytes_max }
    }

    /// One version is stepped over.
    pub const fn step(&mut self) {
        self.steps += 1;
    }

    /// A value of so many bytes is read.
    pub fn read(&mut self, bytes: usize) {
        self.bytes = self.bytes.saturating_add(bytes as u64);
    }

    /// Whether nothing more may be visited. What has not begun is never spent: each page gets on by a key at least.
    pub const fn are_spent(&self) -> bool {
        self.steps >= self.steps_max || self.bytes >= self.bytes_max
    }

    /// How many versions were stepped over.
    pub const fn steps(&self) -> u64 {
        self.steps
    }
}
