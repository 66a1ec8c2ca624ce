//! Which ranges are short of replicas, and why. Nothing is repaired yet: this is what `status` shows.
//!
//! Only live and draining replicas answer, so only these count. A range can lack replicas altogether (it was made
//! while there were too few nodes) or have some on nodes that do not answer.

use std::fmt;

use crate::topology::{NodeId, RangeId};
use crate::view::{Liveness, RangeView, View};

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Too few replicas answer to make a quorum: the range serves nothing that needs one.
    NoQuorum,
    /// The range works; some of its replicas do not answer.
    ReplicaMissing,
    /// All of its replicas answer, but there are fewer than wanted.
    TooFew,
}

/// A range that is short of replicas.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shortage {
    /// The range.
    pub range: RangeId,
    /// How bad it is.
    pub severity: Severity,
    /// Replicas that its policy wants in this cluster.
    pub wanted: usize,
    /// Replicas that it has.
    pub replicas: usize,
    /// Replicas that answer.
    pub answering: usize,
    /// Nodes of the replicas that do not answer.
    pub missing: Vec<(NodeId, Liveness)>,
}

impl fmt::Display for Shortage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { range, severity, wanted, replicas, answering, missing } = self;
        match severity {
            Severity::NoQuorum => {
                write!(f, "{range} has no quorum: {answering} of its {replicas} replicas answer")?
            }
            Severity::ReplicaMissing => {
                write!(f, "{range} works with {answering} of its {replicas} replicas")?
            }
            Severity::TooFew => write!(f, "{range} has {replicas} of the {wanted} replicas wanted")?,
        }
        for (at, (node, liveness)) in missing.iter().enumerate() {
            write!(f, "{}{node} is {liveness}", if at == 0 { "; " } else { ", " })?;
        }
        Ok(())
    }
}

/// All ranges that are short of replicas, the worst first, then by id.
pub fn shortages(view: &View) -> Vec<Shortage> {
    let mut found: Vec<Shortage> = view.ranges().filter_map(|range| shortage(view, range)).collect();
    found.sort_by_key(|shortage| (shortage.severity, shortage.range));
    found
}

fn shortage(view: &View, range: &RangeView) -> Option<Shortage> {
    let nodes = range.replicas.iter().map(|replica| (replica.node, view.liveness(replica.node)));
    let missing: Vec<_> = nodes.filter(|(_, liveness)| !liveness.answers()).collect();
    let answering = range.replicas.len() - missing.len();
    let wanted = range.policy.replicas_wanted(view.nodes().len());
    let severity = if !view.has_quorum(range) {
        Severity::NoQuorum
    } else if !missing.is_empty() {
        Severity::ReplicaMissing
    } else if range.replicas.len() < wanted {
        Severity::TooFew
    } else {
        return None;
    };
    Some(Shortage { range: range.id, severity, wanted, replicas: range.replicas.len(), answering, missing })
}
