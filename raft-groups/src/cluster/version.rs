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

use quorate_engine::kv::{Database, KvError, Span, TransactionOptions, Write, keyspace};

use super::error::ClusterError;
use super::member::Member;
use super::node_format::{NodeRecord, decode_node};
use super::settings::{CLUSTER_VERSION, parse_version, setting_key};
use super::system::{self, CHANGE_ATTEMPTS_MAX};
use crate::versions::VersionRange;

/// The first version: what was written before there were versions.
pub const FIRST: u32 = 1;

/// What may not be written by every version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Feature {
    /// Commands that write, end a lease, or split.
    FirstCommands,
}

impl Feature {
    /// The version from which on it may be written.
    pub const fn since(self) -> u32 {
        match self {
            Self::FirstCommands => FIRST,
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

impl Member {
    /// The cluster's version, for whoever writes: see [`ClusterVersion::allows`].
    pub fn cluster_version(&self) -> &ClusterVersion {
        &self.version
    }

    /// The version was read, or raised.
    pub(super) fn take_version(&self, version: u32) {
        self.version.raise(version);
        self.ranges.set_cluster_version(self.version.get());
    }

    /// Raises the version, once all nodes can work with it.
    pub(super) async fn raise_version(&self, version: u32) -> Result<(), ClusterError> {
        let mut last = None;
        for _ in 0..CHANGE_ATTEMPTS_MAX {
            match self.try_raise_version(version).await {
                // A node has registered meanwhile; or it was raised, and is found so.
                Err(ClusterError::Kv(error @ (KvError::Retry { .. } | KvError::Ambiguous { .. }))) => {
                    last = Some(error);
                }
                done => return done,
            }
        }
        Err(ClusterError::Unavailable(last.map_or_else(String::new, |error| error.to_string())))
    }

    async fn try_raise_version(&self, version: u32) -> Result<(), ClusterError> {
        let mut transaction = self.database.begin(TransactionOptions::default()).await?;
        let key = setting_key(CLUSTER_VERSION);
        let stored = transaction.get_many(vec![key.clone()]).await?.pop().flatten();
        let current = stored.and_then(|value| parse_version(&value)).unwrap_or(FIRST).max(self.version.get());
        if version < current {
            return Err(ClusterError::Setting(format!(
                "the cluster is at version {current}, which is not lowered: its nodes may have written what older releases \
                 cannot read; nothing was changed"
            )));
        }
        let span = Span::prefix(keyspace::system_prefix(keyspace::SYSTEM_NODES));
        let mut records = Vec::new();
        for (key, value) in system::scan_all(transaction.as_mut(), span).await? {
            records.push(decode_node(&value).map_err(|error| system::damaged(&key, &error))?);
        }
        if let Some(reason) = hindrance(&records, version) {
            return Err(ClusterError::Setting(reason));
        }
        transaction.write(Write::put(key, version.to_string().into_bytes().into()))?;
        transaction.commit(None).await?;
        tracing::info!(version, "the cluster's version was raised");
        Ok(())
    }
}

/// Which nodes cannot work with a version, and what to do; `None` where all can.
fn hindrance(records: &[NodeRecord], version: u32) -> Option<String> {
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
