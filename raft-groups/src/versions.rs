//! Which versions a release can: of the protocol between nodes, and of the cluster.
//!
//! ```text
//!   protocol   how nodes talk. Each says the range that it speaks (`cluster::hello`); two use the newest that both do.
//!   cluster    what may be written down (`cluster::version`). One number for all nodes, raised once all of them can.
//! ```
//!
//! Both are ranges, so that a release talks to the one before it and works on its data: nodes are upgraded one by one.
//! A message gets new fields without a new protocol: whoever does not know them skips them (`wire`). A new protocol is
//! needed where a message would be misunderstood, or not at all.

use std::collections::BTreeMap;
use std::fmt;

use parking_lot::Mutex;
use quorate_placement::topology::NodeId;

/// Protocols that this release speaks. 1 is the first whose messages are Protocol Buffers; what was spoken before had no
/// ranges, and is not spoken any more.
pub const PROTOCOLS: VersionRange = VersionRange { oldest: 1, newest: 1 };
/// Cluster versions that this release works with.
pub const CLUSTER_VERSIONS: VersionRange = VersionRange { oldest: 1, newest: 2 };

const _: () = assert!(PROTOCOLS.newest <= u8::MAX as u32, "a protocol's number is one byte of an envelope");
const _: () =
    assert!(PROTOCOLS.oldest <= PROTOCOLS.newest && CLUSTER_VERSIONS.oldest <= CLUSTER_VERSIONS.newest);

/// From the oldest version that is known to the newest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VersionRange {
    /// The oldest.
    pub oldest: u32,
    /// The newest.
    pub newest: u32,
}

impl VersionRange {
    /// What is said of a release that says nothing: it is older than all that do.
    pub const NONE: Self = Self { oldest: 0, newest: 0 };

    /// Whether it has a version.
    pub fn contains(self, version: u32) -> bool {
        (self.oldest..=self.newest).contains(&version)
    }

    /// The newest version that both have.
    pub fn common(self, other: Self) -> Option<u32> {
        let newest = self.newest.min(other.newest);
        (newest >= self.oldest && newest >= other.oldest).then_some(newest)
    }
}

impl fmt::Display for VersionRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.oldest == self.newest {
            write!(f, "{}", self.newest)
        } else {
            write!(f, "{} to {}", self.oldest, self.newest)
        }
    }
}

/// What a release can. Constructors take it, so that tests run releases that are not there yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Versions {
    /// Protocols between nodes.
    pub protocols: VersionRange,
    /// Cluster versions.
    pub cluster: VersionRange,
}

impl Versions {
    /// Those of this release.
    pub const OWN: Self = Self { protocols: PROTOCOLS, cluster: CLUSTER_VERSIONS };
    /// Those of this process: of this release, without the cargo feature `known-bugs`. With it a test may say how many
    /// releases ahead a process shall be: it says that it can one version more for each, and does what this one does.
    pub fn of_process() -> Self {
        let ahead = releases_ahead();
        let later = |range: VersionRange| VersionRange { newest: range.newest + ahead, ..range };
        Self { protocols: later(PROTOCOLS), cluster: later(CLUSTER_VERSIONS) }
    }

    /// Those of a release that says nothing of them.
    pub const UNTOLD: Self = Self { protocols: VersionRange::NONE, cluster: VersionRange::NONE };
}

#[cfg(not(feature = "known-bugs"))]
const fn releases_ahead() -> u32 {
    0
}

/// Read from `QUORATE_RELEASES_AHEAD`; few.
#[cfg(feature = "known-bugs")]
fn releases_ahead() -> u32 {
    let asked = std::env::var("QUORATE_RELEASES_AHEAD").ok();
    asked.and_then(|text| text.parse().ok()).map_or(0, |ahead: u32| ahead.min(8))
}

/// What this node and the others speak.
#[derive(Debug)]
pub struct Protocols {
    own: VersionRange,
    /// With the start that said so.
    others: Mutex<BTreeMap<NodeId, (u64, VersionRange)>>,
}

impl Default for Protocols {
    fn default() -> Self {
        Self::new(PROTOCOLS)
    }
}

impl Protocols {
    /// Of a node that speaks these.
    pub fn new(own: VersionRange) -> Self {
        Self { own, others: Mutex::default() }
    }

    /// What this node speaks.
    pub fn own(&self) -> VersionRange {
        self.own
    }

    /// A start of a node has said what it speaks. What an earlier one said counts no more.
    pub fn learn(&self, node: NodeId, incarnation: u64, spoken: VersionRange) {
        let mut others = self.others.lock();
        let is_newest = others.get(&node).is_none_or(|(known, _)| *known <= incarnation);
        if is_newest && spoken != VersionRange::NONE {
            others.insert(node, (incarnation, spoken));
        }
    }

    /// What is spoken with a node: the newest that both do; the oldest of this node where nothing is known of the other,
    /// or nothing that both speak, in which case its greeting is refused.
    pub fn with(&self, node: NodeId) -> u32 {
        let spoken = self.others.lock().get(&node).map(|(_, spoken)| *spoken);
        spoken.and_then(|spoken| self.own.common(spoken)).unwrap_or(self.own.oldest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(oldest: u32, newest: u32) -> VersionRange {
        VersionRange { oldest, newest }
    }

    #[test]
    fn versions_in_common_are_the_newest_of_both() {
        assert_eq!(range(1, 2).common(range(1, 1)), Some(1));
        assert_eq!(range(1, 3).common(range(2, 4)), Some(3));
        assert_eq!(range(1, 1).common(range(2, 2)), None);
        assert_eq!(VersionRange::NONE.common(range(1, 2)), None);
        assert_eq!((range(1, 1).to_string(), range(1, 3).to_string()), ("1".to_owned(), "1 to 3".to_owned()));
    }

    #[test]
    fn versions_spoken_with_a_stranger_are_the_oldest() {
        let protocols = Protocols::new(range(1, 3));
        assert_eq!(protocols.with(NodeId(2)), 1);
        protocols.learn(NodeId(2), 4, range(2, 5));
        assert_eq!(protocols.with(NodeId(2)), 3);
        protocols.learn(NodeId(2), 4, VersionRange::NONE);
        assert_eq!(protocols.with(NodeId(2)), 3, "an old row says nothing");
        protocols.learn(NodeId(2), 5, range(1, 2));
        assert_eq!(protocols.with(NodeId(2)), 2, "it came back with an older release");
        protocols.learn(NodeId(2), 4, range(2, 5));
        assert_eq!(protocols.with(NodeId(2)), 2, "its row is that of the start before");
    }
}
