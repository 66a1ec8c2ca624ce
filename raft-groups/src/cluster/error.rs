//! Why something about the cluster was not done.

use quorate_engine::kv::KvError;
use quorate_engine::store::StoreError;

use crate::identity::IdentityError;

/// Cut by what the caller does next.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ClusterError {
    /// The cluster was not created yet; the text names the command.
    #[error("{0}")]
    Uninitialised(String),
    /// There is a cluster already.
    #[error("the cluster exists already, with the id {0}; nothing was changed")]
    Exists(uuid::Uuid),
    /// Somebody or something is missing; nothing was done, or it goes on by itself when they return.
    #[error("{0}")]
    Unavailable(String),
    /// Not possible like this; nothing was done.
    #[error("{0}")]
    Refused(String),
    /// This node cannot confirm its catalog: it serves no SQL until it can.
    #[error("{0}")]
    CatalogLease(String),
    /// This node's clock is too far from those of others, or was not compared with them yet: it serves no SQL meanwhile.
    #[error("{0}")]
    Clock(String),
    /// No setting of this name, or not this value.
    #[error("{0}")]
    Setting(String),
    /// Others remember better than this node's store: it must not take part.
    #[error("{0}")]
    NotBelieved(String),
    /// Reading or writing range 1 failed.
    #[error(transparent)]
    Kv(#[from] KvError),
    /// The data directory does not belong here.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The store failed: the node must stop.
    #[error(transparent)]
    Store(#[from] StoreError),
}
