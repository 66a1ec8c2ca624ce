//! The rows of the nodes: given to new ones, entered at each start, struck off.

use quorate_engine::kv::{Database, KvError, Span, TransactionOptions, Write, keyspace};
use quorate_placement::topology::NodeId;

use super::attempts::DirectoryAttempts;
use super::rows::NEXT_NODE_ID;
use super::{Directory, rows};
use crate::cluster::admin_format::{RemovedNode, encode_removed, removed_key};
use crate::cluster::error::ClusterError;
use crate::cluster::node_format::{NodeRecord, decode_node, encode_node, node_key};
use crate::cluster::settings::{CLUSTER_VERSION, parse_version, setting_key};
use crate::cluster::version;

/// Nodes that are registered at one address: one whose disk was lost comes back as another.
const NODES_PER_ADDRESS_MAX: usize = 8;

/// What became of the registration of a start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::cluster) enum Registered {
    /// It stands in its node's row.
    Entered,
    /// The process must end: why, for a person.
    MustEnd(String),
}

impl Directory {
    /// Gives a store that nobody knows an id, and registers it; the same one if it asks again.
    ///
    /// # Errors
    /// [`ClusterError::Refused`] where too many nodes are registered at its address, and errors of range 1.
    pub async fn register_new(&self, record: NodeRecord) -> Result<NodeId, ClusterError> {
        DirectoryAttempts::default().run(|| self.try_register_new(record.clone())).await
    }

    async fn try_register_new(&self, mut record: NodeRecord) -> Result<NodeId, ClusterError> {
        let mut transaction = self.database.begin(TransactionOptions::default()).await?;
        let span = Span::prefix(keyspace::system_prefix(keyspace::SYSTEM_NODES));
        let mut at_address = 0;
        for (key, value) in rows::scan_all(transaction.as_mut(), span).await? {
            let known = decode_node(&value).map_err(|error| rows::damaged(&key, &error))?;
            if known.store_id == record.store_id {
                return Ok(known.node_id);
            }
            at_address += usize::from(known.address == record.address);
        }
        if at_address >= NODES_PER_ADDRESS_MAX {
            return Err(ClusterError::Refused(format!(
                "{at_address} nodes are registered at {} already; remove those that are gone with quorate node remove",
                record.address
            )));
        }
        let id = rows::take_id(transaction.as_mut(), NEXT_NODE_ID, self.founders + 1).await?;
        record.node_id = NodeId(id);
        let row = Write::insert(node_key(record.node_id), encode_node(&record).into());
        transaction.write(row)?;
        transaction.commit(None).await?;
        self.registry.learn([record.clone()]);
        Ok(record.node_id)
    }

    /// Enters a start into its node's row, unless a later one, or another process with this one, is there, or the node was
    /// removed. The row is the same whoever writes it last.
    ///
    /// # Errors
    /// [`ClusterError::Refused`] where the node was removed, and errors of range 1.
    pub async fn register(&self, record: &NodeRecord) -> Result<Registered, ClusterError> {
        DirectoryAttempts::default().run(|| self.try_register(record)).await
    }

    async fn try_register(&self, record: &NodeRecord) -> Result<Registered, ClusterError> {
        let node = record.node_id;
        let key = node_key(node);
        let mut transaction = self.database.begin(TransactionOptions::default()).await?;
        let version_key = setting_key(CLUSTER_VERSION);
        let keys = vec![key.clone(), removed_key(node), version_key.clone()];
        let mut found = transaction.get_many(keys).await?.into_iter();
        let (row, removed, version) =
            (found.next().flatten(), found.next().flatten(), found.next().flatten());
        if removed.is_some() {
            return Err(ClusterError::Refused(format!(
                "{node} was removed from the cluster with quorate node remove: nobody listens to it, and it serves \
                 nothing. Stop it, and start it with --rejoin, or an empty --data-dir, to join as a new node"
            )));
        }
        if let Some(row) = row {
            let known = decode_node(&row).map_err(|error| rows::damaged(&key, &error))?;
            if let Some(reason) = overtaken(record, &known) {
                return Ok(Registered::MustEnd(reason));
            }
        }
        match version.and_then(|value| parse_version(&value)) {
            // The first one of a new cluster, or of one of before versions.
            None => {
                let version = self.version.get().to_string();
                transaction.write(Write::put(version_key, version.into_bytes().into()))?;
            }
            Some(version) => {
                if let Some(reason) = version::refusal(record.versions.cluster, version) {
                    return Ok(Registered::MustEnd(reason));
                }
            }
        }
        transaction.write(Write::put(key, encode_node(record).into()))?;
        transaction.commit(None).await?;
        Ok(Registered::Entered)
    }

    /// Strikes a node off: in place of its row there is one that says that it was removed.
    ///
    /// # Errors
    /// Range 1 was not written.
    pub async fn strike(&self, node: NodeId, removed: RemovedNode) -> Result<(), KvError> {
        let removal = Write::put(removed_key(node), encode_removed(removed).into());
        self.write(&[Write::delete(node_key(node)), removal]).await
    }
}

/// Why a start must not go on, where its node's row is that of a later one, or of another process with the same one.
fn overtaken(record: &NodeRecord, known: &NodeRecord) -> Option<String> {
    let is_later = (known.incarnation, known.started) > (record.incarnation, record.started);
    is_later.then(|| {
        format!(
            "{} runs twice, or on an old copy of its data directory: it is registered with start {} of {}, and this \
             is start {}; stop this process, and never start a copy of a data directory",
            record.node_id, known.incarnation, known.address, record.incarnation
        )
    })
}
