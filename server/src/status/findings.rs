//! What is wrong with a cluster, or soon will be: one file a kind of finding, all of them in [`LOOKS`].
//!
//! A look is a pure function of the status. To add one: a file with a function, a line in [`LOOKS`], a script.

mod clocks;
mod damage;
mod disk_space;
mod ranges;
mod silent;
mod slow_disks;

use quorate_placement::topology::NodeId;
use quorate_raft_groups::cluster::status::{ClusterStatus, NodeStatus};

pub(super) use clocks::summary as clocks_summary;
pub(super) use damage::names as names_with_damage;
pub(super) use silent::word as presence_word;

/// How bad a finding is, and what it makes of the verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Nothing is wrong yet.
    Warning,
    /// It is not known yet whether something is.
    Unsure,
    /// Everything can be read and written, but something is missing, or slow.
    Degraded,
    /// Something cannot be read or written, or soon can not.
    Critical,
}

impl Severity {
    /// The word, for programs.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Warning => "warning",
            Self::Unsure => "unsure",
            Self::Degraded => "degraded",
            Self::Critical => "critical",
        }
    }
}

/// Something that a person should know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Its kind, for programs.
    pub kind: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// What it is, above its lines.
    pub title: String,
    /// Where, one a line.
    pub lines: Vec<String>,
    /// What to run or to look at next, one a line.
    pub steps: Vec<String>,
}

/// Looks for one kind of thing.
type Look = fn(&ClusterStatus) -> Option<Finding>;

/// Everything that is looked for, in the order in which it is told.
const LOOKS: &[Look] = &[
    ranges::without_quorum,
    ranges::leaderless,
    silent::unheard_yet,
    silent::silent,
    disk_space::full,
    disk_space::filling,
    slow_disks::slow,
    clocks::doubted,
    clocks::drifting,
    ranges::short_of_replicas,
    damage::replicas,
    damage::files,
];

/// All that is found.
pub fn all(status: &ClusterStatus) -> Vec<Finding> {
    LOOKS.iter().filter_map(|look| look(status)).collect()
}

/// A node of the status.
fn node_of(status: &ClusterStatus, id: NodeId) -> Option<&NodeStatus> {
    status.nodes.iter().find(|node| node.record.node_id == id)
}

/// Where to ask with a command: at the node that told the status.
fn host_of(status: &ClusterStatus) -> &str {
    node_of(status, status.told_by).map_or("HOST:PORT", |node| node.record.address.as_str())
}
