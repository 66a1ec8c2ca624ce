//! The cluster's version: its row in range 1, and what this node has seen of it; see [`crate::cluster::version`].

use quorate_engine::kv::{Database, Span, TransactionOptions, Write, keyspace};

use super::attempts::DirectoryAttempts;
use super::{Directory, rows};
use crate::cluster::error::ClusterError;
use crate::cluster::node_format::decode_node;
use crate::cluster::settings::{CLUSTER_VERSION, parse_version, setting_key};
use crate::cluster::version::{FIRST, hindrance};

impl Directory {
    /// The version was read, or raised.
    pub(super) fn take_version(&self, version: u32) {
        self.version.raise(version);
        self.ranges.set_cluster_version(self.version.get());
    }

    /// Raises the version, once all nodes can work with it. Where a node has registered meanwhile that is tried again; a
    /// version that was raised is found so.
    pub(super) async fn raise_version(&self, version: u32) -> Result<(), ClusterError> {
        DirectoryAttempts::default().run(|| self.try_raise_version(version)).await
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
        for (key, value) in rows::scan_all(transaction.as_mut(), span).await? {
            records.push(decode_node(&value).map_err(|error| rows::damaged(&key, &error))?);
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
