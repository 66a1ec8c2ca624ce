//! What is wanted of a range: how many replicas.
//!
//! A policy is checked when it is made; everything else takes it as it is.

use std::fmt;

/// Most replicas of a range: more than seven voters cost latency and add no safety that anyone needs.
pub const REPLICAS_MAX: usize = 7;
/// Replicas of a range where nobody asked for another number: survives the loss of one.
pub const REPLICAS_DEFAULT: usize = 3;
/// Replicas of range 1 where there are that many nodes: survives the loss of two.
pub const SYSTEM_REPLICAS: usize = 5;
const _: () = assert!(REPLICAS_DEFAULT <= SYSTEM_REPLICAS && SYSTEM_REPLICAS <= REPLICAS_MAX);

/// The wishes for one range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    replicas: usize,
    up_to: bool,
}

impl Policy {
    /// Exactly this many replicas.
    ///
    /// # Errors
    /// Zero, or more than [`REPLICAS_MAX`].
    pub fn new(replicas: usize) -> Result<Self, PolicyError> {
        if replicas == 0 || replicas > REPLICAS_MAX {
            return Err(PolicyError { replicas });
        }
        Ok(Self { replicas, up_to: false })
    }

    /// The policy of range 1: up to [`SYSTEM_REPLICAS`], as many as there are nodes.
    pub fn system() -> Self {
        Self { replicas: SYSTEM_REPLICAS, up_to: true }
    }

    /// Replicas that a range should have in a cluster of this many nodes.
    ///
    /// Where the number follows the nodes it is odd from three on: a fourth replica makes quorums larger and survives
    /// no more.
    pub fn replicas_wanted(&self, nodes: usize) -> usize {
        match self.replicas.min(nodes) {
            _ if !self.up_to => self.replicas,
            few @ 0..=2 => few,
            many => many - usize::from(many % 2 == 0),
        }
    }
}

impl Default for Policy {
    fn default() -> Self {
        Self { replicas: REPLICAS_DEFAULT, up_to: false }
    }
}

/// A number of replicas that no range can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PolicyError {
    /// The number asked for.
    pub replicas: usize,
}

impl fmt::Display for PolicyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a range has between 1 and {REPLICAS_MAX} replicas, not {}", self.replicas)
    }
}

impl std::error::Error for PolicyError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policy_refuses_impossible_numbers() {
        assert_eq!(Policy::new(0), Err(PolicyError { replicas: 0 }));
        assert!(Policy::new(REPLICAS_MAX).is_ok());
        let error = Policy::new(REPLICAS_MAX + 1).unwrap_err();
        assert_eq!(error.to_string(), "a range has between 1 and 7 replicas, not 8");
    }

    #[test]
    fn policy_of_the_system_range_takes_what_there_is() {
        assert_eq!([1, 2, 3, 4].map(|nodes| Policy::system().replicas_wanted(nodes)), [1, 2, 3, 3]);
        assert_eq!(Policy::system().replicas_wanted(9), SYSTEM_REPLICAS);
        assert_eq!(Policy::default().replicas_wanted(1), REPLICAS_DEFAULT);
    }
}
