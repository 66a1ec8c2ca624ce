//! The cluster's version: what may be written down, as one number for all nodes.
//!
//! What lies on disks, and commands, which every replica reads in the same way or stops, must be understood by all nodes, and
//! by the release before the newest while nodes are upgraded one by one. So a new kind of command, or a new version of a
//! format, is a [`Feature`] with the version from which on it may be written; whoever writes asks
//! [`ClusterVersion::allows`] first, and writes what it wrote before as long as the answer is no.
//!
//! ```text
//!   init               the newest version that all of the first nodes can
//!   SET CLUSTER SETTING cluster_version = '2'
//!                      refused while a registered node's release cannot; never lowered
//!   start, join        refused by a release that cannot, or cannot any more, what the cluster is at
//! ```
//!
//! The row in range 1 is the truth (`settings`). It is raised in a transaction that reads all rows of the registry, and a
//! start registers in one that reads it, so that none of the two overlooks the other. Each node keeps what it has seen, in
//! memory for those who write, and in its store for its next start.
//!
//! Invariant: the version only rises, and no node runs that cannot work with it.

use std::sync::atomic::{AtomicU32, Ordering};

use super::node_format::NodeRecord;
use crate::versions::VersionRange;

/// The first version: what was written before there were versions.
pub const FIRST: u32 = 1;

/// What may not be written by every version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Feature {
    /// Commands that write, end a lease, or split.
    FirstCommands,
    /// What SQL stores and sends of its third generation of types and functions: arrays, UUIDs, sequences, identity columns.
    SqlGeneration3,
}

impl Feature {
    /// The version from which on it may be written.
    pub const fn since(self) -> u32 {
        match self {
            Self::FirstCommands => FIRST,
            Self::SqlGeneration3 => 2,
        }
    }
}

/// The version, as this node has seen it.
#[derive(Debug)]
pub struct ClusterVersion(AtomicU32);

impl Default for ClusterVersion {
    fn default() -> Self {
        Self::new(FIRST)
    }
}

impl ClusterVersion {
    /// A cluster at this version.
    pub fn new(version: u32) -> Self {
        Self(AtomicU32::new(version))
    }

    /// The version.
    pub fn get(&self) -> u32 {
        self.0.load(Ordering::Acquire)
    }

    /// It was seen to be this; older news change nothing.
    pub fn raise(&self, version: u32) {
        self.0.fetch_max(version, Ordering::AcqRel);
    }

    /// Whether this may be written. Once it may, it always may.
    pub fn allows(&self, feature: Feature) -> bool {
        self.get() >= feature.since()
    }
}

/// The version of a new cluster: the newest that all of its first nodes can.
pub(super) fn first_of(founders: &[NodeRecord]) -> u32 {
    founders.iter().map(|record| record.versions.cluster.newest).min().unwrap_or(FIRST).max(FIRST)
}

/// Why a release does not work with a cluster's version, and what to do; `None` where it does.
pub(super) fn refusal(release: VersionRange, version: u32) -> Option<String> {
    let other = if release.newest < version { "a newer" } else { "an older" };
    (!release.contains(version)).then(|| {
        format!(
            "the cluster is at version {version}, and this release works with version {release}; nothing was changed. Start \
             the node with {other} release, one that works with cluster version {version}"
        )
    })
}

/// Which nodes cannot work with a version, and what to do; `None` where all can.
pub(super) fn hindrance(records: &[NodeRecord], version: u32) -> Option<String> {
    let cannot = records.iter().filter(|record| !record.versions.cluster.contains(version));
    let cannot: Vec<String> = cannot
        .map(|record| match record.versions.cluster {
            VersionRange::NONE => {
                format!("{} at {} (a release before versions)", record.node_id, record.address)
            }
            range => format!("{} at {} (version {range})", record.node_id, record.address),
        })
        .collect();
    (!cannot.is_empty()).then(|| {
        format!(
            "not all nodes work with cluster version {version}: {}; nothing was changed. Start them with a release that does, \
             and remove those that are gone for good with quorate node remove",
            cannot.join(", ")
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_allows_what_it_has_reached_and_never_less() {
        let version = ClusterVersion::new(0);
        assert!(!version.allows(Feature::FirstCommands));
        version.raise(FIRST);
        assert!(version.allows(Feature::FirstCommands));
        version.raise(0);
        assert!(version.allows(Feature::FirstCommands), "older news change nothing");
    }

    #[test]
    fn version_that_a_release_cannot_names_what_to_start() {
        let release = VersionRange { oldest: 2, newest: 3 };
        assert_eq!(refusal(release, 2), None);
        let text = refusal(release, 4).unwrap();
        assert!(text.contains("a newer release, one that works with cluster version 4"), "{text}");
        let text = refusal(release, 1).unwrap();
        assert!(text.contains("an older release, one that works with cluster version 1"), "{text}");
    }
}
