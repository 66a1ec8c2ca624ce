//! When requests to a range fail at once instead of waiting: the breaker, and what it says.
//!
//! It is open while the range has had no quorum for [`Timing::breaker`](super::timing::Timing::breaker), or while its
//! oldest proposal is that old; a heartbeat that a quorum acknowledges closes it. There is no state to forget: it is
//! computed from the lease and the proposals in flight.

use std::fmt::Write as _;
use std::time::Duration;

use quorate_engine::kv::Span;
use quorate_placement::topology::{NodeId, RangeId, ReplicaId};

use super::timing::Timing;

/// Why a breaker is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trip {
    /// No quorum for this long.
    NoQuorum(Duration),
    /// A proposal has waited this long.
    StuckProposal(Duration),
}

/// Whether the breaker is open at `now`, by when a quorum was last seen and the oldest proposal in flight was made.
pub fn tripped(timing: &Timing, now: u64, evidence_at: u64, oldest_proposal: Option<u64>) -> Option<Trip> {
    let without = now.saturating_sub(evidence_at);
    if without >= timing.breaker {
        return Some(Trip::NoQuorum(Duration::from_micros(without)));
    }
    let stuck = oldest_proposal.map_or(0, |at| now.saturating_sub(at));
    (stuck >= timing.breaker).then(|| Trip::StuckProposal(Duration::from_micros(stuck)))
}

/// A replica that does not answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Missing {
    /// The replica.
    pub replica_id: ReplicaId,
    /// Its node.
    pub node_id: NodeId,
    /// For how long; `None` where nothing was heard since this process started.
    pub silent: Option<Duration>,
}

/// What a person is told: the range, its keys, who is missing for how long, and what to do.
pub fn explain(range_id: RangeId, span: &Span, trip: Trip, missing: &[Missing]) -> String {
    let mut text = match trip {
        Trip::NoQuorum(time) => format!("no quorum of its replicas for {:.1} s", time.as_secs_f64()),
        Trip::StuckProposal(time) => format!("a write has waited {:.1} s for its quorum", time.as_secs_f64()),
    };
    let end = if span.end.is_empty() { "the end".to_owned() } else { format!("'{}'", span.end) };
    let _ = write!(text, " (keys from '{}' to {end})", span.start);
    for (index, Missing { replica_id, node_id, silent }) in missing.iter().enumerate() {
        let before = if index == 0 { "; missing: " } else { ", " };
        let _ = write!(text, "{before}replica {replica_id} on node {node_id} ");
        let _ = match silent {
            Some(silent) => write!(text, "(silent for {:.1} s)", silent.as_secs_f64()),
            None => write!(text, "(not heard of since this node started)"),
        };
    }
    if missing.is_empty() {
        let _ =
            write!(text, "; all its nodes can be reached: look at their logs for disks that do not answer");
    } else {
        let _ = write!(
            text,
            "; start these nodes again or mend the network to them: {range_id} then goes on by itself"
        );
    }
    text
}
