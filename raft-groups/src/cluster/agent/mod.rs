//! What a node does for itself: it registers and reports, confirms its catalog, makes its replicas those of the directory,
//! carries out changes of replicas that it leads, publishes what changed, sweeps, and watches itself and its clock.
//!
//! It knows the directory and how to ask other nodes; of range 1's leaseholder (`leader`) only the answers.

use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;

use super::bootstrap::BootstrapTransport;
use super::calls::Calls;
use super::catalog::{CatalogLease, CatalogListener};
use super::directory::Directory;
use super::node_format::NodeRecord;
use super::tasks::Tasks;
use super::{DiskSpace, MemberHost};

pub(super) mod change;
mod clocks;
mod collect;
mod confirm;
mod contact;
mod own_status;
mod publish;
mod range_ids;
mod reconcile;
mod refresh;
mod replicas;
mod report;
mod sweep;
mod watching;

use change::drive::Changes;
use contact::Contact;

/// What an agent is made of.
pub(super) struct AgentConfig {
    pub calls: Arc<Calls>,
    pub directory: Arc<Directory>,
    /// The node's row.
    pub record: NodeRecord,
    pub disk: Arc<dyn DiskSpace>,
    /// Asks at addresses.
    pub bootstrap: Arc<dyn BootstrapTransport>,
    pub host: Arc<dyn MemberHost>,
    pub tasks: Tasks,
}

/// The node's own work.
pub(super) struct Agent {
    calls: Arc<Calls>,
    directory: Arc<Directory>,
    pub record: NodeRecord,
    disk: Arc<dyn DiskSpace>,
    bootstrap: Arc<dyn BootstrapTransport>,
    host: Arc<dyn MemberHost>,
    tasks: Tasks,
    pub catalog: CatalogLease,
    listener: OnceLock<Arc<dyn CatalogListener>>,
    contact: Contact,
    /// Changes of replicas that this node drives.
    changes: Mutex<Changes>,
}

impl Agent {
    /// An agent that does nothing yet.
    pub fn new(config: AgentConfig) -> Self {
        let contact = Contact::new(config.calls.boottime());
        Self {
            calls: config.calls,
            directory: config.directory,
            record: config.record,
            disk: config.disk,
            bootstrap: config.bootstrap,
            host: config.host,
            tasks: config.tasks,
            catalog: CatalogLease::default(),
            listener: OnceLock::new(),
            contact,
            changes: Mutex::default(),
        }
    }
}
