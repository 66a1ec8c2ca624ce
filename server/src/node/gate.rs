//! Who may come in: SQL is served once the node is a member with a confirmed catalog; until then the answer names what
//! to do.

use std::sync::Arc;
use std::time::Duration;

use quorate_raft_groups::cluster::ClusterNode;
use quorate_raft_groups::cluster::member::Member;
use quorate_sql::error::{SqlError, SqlState};
use quorate_sql::node::SqlNode;
use tokio::sync::watch;

use super::ready;
use crate::http::{NotReady, Readiness};
use crate::pgwire::SqlAccess;

/// How often a node that waits for its first catalog lease looks again.
const READY_POLL: Duration = Duration::from_millis(20);

/// State of the gate.
#[derive(Clone)]
enum Door {
    /// The node is not a member, or not yet: the cluster says why.
    Waiting,
    /// Served.
    Open(Arc<SqlNode>, Arc<Member>),
    /// Never any more in this process, and why.
    Closed(String),
    /// Not before a person has done something about this node, and what.
    Refused(String),
}

/// The gate of one node.
pub struct NodeGate {
    cluster: Arc<ClusterNode>,
    door: watch::Sender<Door>,
}

impl NodeGate {
    /// A gate that waits for this node to become a member.
    pub fn new(cluster: Arc<ClusterNode>) -> Arc<Self> {
        Arc::new(Self { cluster, door: watch::Sender::new(Door::Waiting) })
    }

    pub(super) fn open(&self, sql: Arc<SqlNode>, member: Arc<Member>) {
        self.door.send_replace(Door::Open(sql, member));
    }

    pub(super) fn fail(&self, reason: String) {
        self.door.send_replace(Door::Closed(reason));
    }

    pub(super) fn refuse(&self, reason: String) {
        self.door.send_replace(Door::Refused(reason));
    }

    pub(super) fn close(&self) {
        self.fail("this node is shutting down; connect to another".to_owned());
    }

    /// Waits until SQL is served with a confirmed catalog; `None` once it never will be.
    pub async fn opened(&self) -> Option<Arc<SqlNode>> {
        loop {
            let door = self.door.borrow().clone();
            match door {
                Door::Closed(_) | Door::Refused(_) => return None,
                Door::Open(sql, member) if member.catalog_lease().is_ok() => return Some(sql),
                Door::Open(..) | Door::Waiting => tokio::time::sleep(READY_POLL).await,
            }
        }
    }
}

impl SqlAccess for NodeGate {
    fn admit(&self) -> Result<Arc<SqlNode>, SqlError> {
        match &*self.door.borrow() {
            Door::Open(sql, _) => Ok(Arc::clone(sql)),
            Door::Waiting => Err(SqlError::new(SqlState::CannotConnectNow, self.cluster.absence())),
            Door::Refused(reason) => Err(SqlError::new(SqlState::CannotConnectNow, reason.clone())),
            Door::Closed(reason) => Err(SqlError::new(SqlState::AdminShutdown, reason.clone())),
        }
    }
}

impl Readiness for NodeGate {
    fn ready(&self) -> Result<(), NotReady> {
        let not_ready = |reason: String, advice: &str| NotReady { reason, advice: advice.to_owned() };
        match &*self.door.borrow() {
            Door::Open(_, member) => ready::of(member),
            Door::Waiting if self.cluster.has_cluster() => {
                Err(not_ready(self.cluster.absence(), "it goes on by itself; its log says what it does"))
            }
            Door::Waiting => Err(not_ready("there is no cluster yet".to_owned(), &self.cluster.absence())),
            Door::Closed(reason) | Door::Refused(reason) => {
                Err(not_ready(reason.clone(), "use another node"))
            }
        }
    }
}
