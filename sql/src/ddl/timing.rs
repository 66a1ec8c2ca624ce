//! [`JobTiming`]: when drivers of jobs give signs of life, and when they are missed.

use std::time::Duration;

/// When drivers give signs, and when they are missed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JobTiming {
    /// Time between two signs of life.
    pub sign: Duration,
    /// A claim without a sign for this long is over.
    pub expiry: Duration,
    /// Time between two looks for jobs that nobody drives.
    pub look: Duration,
}

impl Default for JobTiming {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self { sign: seconds(2), expiry: seconds(10), look: seconds(3) }
    }
}
