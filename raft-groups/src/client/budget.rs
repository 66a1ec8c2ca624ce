//! How long a statement may still wait for quorums, summed over all its requests.
//!
//! Only time that led nowhere counts: an attempt that was answered costs nothing, however long it took to read.

use std::time::Duration;

use crate::limits::QUORUM_WAIT_MAX;

/// What is left of [`QUORUM_WAIT_MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QuorumBudget {
    full: Duration,
    left: Duration,
}

impl QuorumBudget {
    /// A full allowance of this length.
    pub const fn new(full: Duration) -> Self {
        Self { full, left: full }
    }

    /// A new statement starts.
    pub const fn refill(&mut self) {
        self.left = self.full;
    }

    /// What is left.
    pub const fn left(&self) -> Duration {
        self.left
    }

    /// What was allowed.
    pub const fn full(&self) -> Duration {
        self.full
    }

    /// Takes time that led nowhere.
    pub fn spend(&mut self, wasted: Duration) {
        self.left = self.left.saturating_sub(wasted);
        assert!(self.left <= self.full, "a budget is never more than full");
    }

    /// Leaves no more than another one has, which began as a copy of this one.
    pub fn limit_to(&mut self, other: Self) {
        self.left = self.left.min(other.left);
    }

    /// Whether nothing is left.
    pub const fn is_spent(&self) -> bool {
        self.left.is_zero()
    }
}

impl Default for QuorumBudget {
    fn default() -> Self {
        Self::new(QUORUM_WAIT_MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn budget_sums_up_until_a_new_statement_starts() {
        let mut budget = QuorumBudget::default();
        budget.spend(Duration::from_millis(4_000));
        assert_eq!(budget.left(), Duration::from_millis(500));
        budget.spend(Duration::from_millis(501));
        assert!(budget.is_spent());
        budget.refill();
        assert_eq!(budget.left(), QUORUM_WAIT_MAX);
    }
}
