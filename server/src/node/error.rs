//! Why a node did not start: what happened, and what to do.

use std::io;
use std::path::PathBuf;

use quorate_engine::store::StoreError;
use quorate_raft_groups::cluster::error::ClusterError;

use crate::config::Exposed;

/// Nothing runs and nothing was changed when one of these is told.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// An address that cannot be listened at.
    #[error("{flag} {address}: {}", listener_advice(source))]
    Listener {
        /// The flag that names it.
        flag: &'static str,
        /// The address.
        address: String,
        /// Why not.
        source: io::Error,
    },
    /// A listener's name that means no address here.
    #[error(
        "{flag}: the name {name} is not known on this machine ({source}); name an address, or mend the name"
    )]
    Name {
        /// The flag that names it.
        flag: &'static str,
        /// The name.
        name: String,
        /// What the system says.
        source: io::Error,
    },
    /// A listener's name that means an address that others reach.
    #[error("{flag} {address}: {what}\n  do: {advice}")]
    Exposed {
        /// The flag that names it.
        flag: &'static str,
        /// The address as it was typed.
        address: String,
        /// What it means.
        what: Exposed,
        /// What to do.
        advice: String,
    },
    /// The folder holds what is not a node's.
    #[error("--data-dir {}: it holds files that are not a node's ({}); nothing was changed. Name an empty folder, or one that does not exist yet", path.display(), found.join(", "))]
    Foreign {
        /// The folder.
        path: PathBuf,
        /// Some of the files.
        found: Vec<String>,
    },
    /// The folder may not be written.
    #[error("--data-dir {}: it cannot be written ({source}); nothing was changed. Let this user write there, or name another folder", path.display())]
    ReadOnly {
        /// The folder.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The data directory cannot be created.
    #[error("--data-dir {}: it cannot be created ({source}); name a folder that this user may write", path.display())]
    Directory {
        /// The folder.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The store in it cannot be opened.
    #[error("--data-dir {}: {}", path.display(), store_advice(source))]
    Store {
        /// The folder.
        path: PathBuf,
        /// Why not.
        source: StoreError,
    },
    /// What a store has lost cannot be accepted: others hold its ranges too.
    #[error(
        "--data-dir {}: {loss}; --accept-loss is for a node that is alone: other nodes have voted with this one, or it \
         belongs to no cluster; nothing was changed. Start it with --rejoin instead: it begins anew from the others",
        path.display()
    )]
    NotAlone {
        /// The folder.
        path: PathBuf,
        /// What is lost.
        loss: String,
    },
    /// Too few descriptors.
    #[error(
        "this process may open {limit} files, a node needs {needed} at least; raise the hard limit (ulimit -n 4096, or \
         LimitNOFILE=4096 in the service's unit), then start it again"
    )]
    Descriptors {
        /// How many it may open.
        limit: u64,
        /// How many it needs.
        needed: u64,
    },
    /// The system gives no thread, or work on one was lost.
    #[error(
        "a thread of the node did not start, or failed ({0}); nothing is served. Look at its log, and at the limits with ulimit -a"
    )]
    Thread(io::Error),
    /// The node cannot take its place in a cluster.
    #[error("{0}")]
    Cluster(#[from] ClusterError),
}

fn listener_advice(source: &io::Error) -> String {
    if source.kind() == io::ErrorKind::AddrInUse {
        return "the address is in use by another process; stop that one, or name another port".to_owned();
    }
    format!("it cannot be listened at ({source}); name an address of this machine")
}

fn store_advice(source: &StoreError) -> String {
    match source {
        StoreError::Locked { .. } => {
            "the folder is locked by another process; a node runs on it already: use that one, or name another folder"
                .to_owned()
        }
        StoreError::Device { .. } | StoreError::Corruption(_) | StoreError::Damaged { .. } => {
            format!("{source}; nothing was changed. Look at the disk and its free space before anything else")
        }
    }
}
