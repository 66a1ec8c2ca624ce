//! What nodes, and the command line, say to an address before node ids are known: `init`, join, status. The bytes are those
//! of `wire::bootstrap`. Every answer can be a refusal with a text for a person.

use quorate_placement::topology::{NodeId, StoreId};
use uuid::Uuid;

use super::admin::{AdminRequest, Token};
use super::hello::Hello;
use super::local_state::Membership;
use super::node_format::NodeRecord;
use super::range_command::LookAt;
use super::status::ClusterStatus;

/// What is asked of the process at an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BootstrapRequest {
    /// By a node that runs `init`: who are you, and is there a cluster, or another `init`? Carries the asker's store,
    /// which is not another one where a node asks itself.
    Probe {
        /// The asker's store.
        asker: StoreId,
    },
    /// By a node without a cluster: is there one now, and who am I in it?
    Join(NodeRecord),
    /// By the command line: how is the cluster?
    Status,
    /// By the command line: create or change the cluster.
    Admin(AdminRequest),
    /// By the node that ran `init`: does SQL answer?
    Serves,
    /// By a node that has started, before it votes: this is my start; do you believe it?
    Announce(Hello),
    /// Who are you, and may you vote?
    Identify,
}

/// What it answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BootstrapAnswer {
    /// To `Probe`: no cluster, and no `init` under way.
    Free(NodeRecord),
    /// To `Probe`: an `init` is under way here.
    Initialising,
    /// To `Probe` and an `init`: there is a cluster.
    Exists {
        /// Its id.
        cluster_id: Uuid,
    },
    /// To `Join`: who you are.
    Joined(Membership),
    /// To `Join` and `Status`: there is no cluster yet; how to create one.
    Uninitialised {
        /// What to run.
        hint: String,
    },
    /// To an `init`: created.
    Created {
        /// Its id.
        cluster_id: Uuid,
        /// Its first nodes.
        nodes: Vec<NodeRecord>,
        /// The token for commands from other machines; `None` where it could not be stored.
        token: Option<Token>,
        /// Nodes that do not serve SQL yet, with what they say.
        not_serving: Vec<String>,
    },
    /// To `Status`.
    Status(ClusterStatus),
    /// To `Serves`: yes.
    Serving,
    /// To `Serves`: no.
    NotServing {
        /// Why.
        reason: String,
    },
    /// To a command from the network that brings no token: where commands are taken without one.
    NotEntitled {
        /// The store of the node.
        store_id: StoreId,
        /// Path of the socket on its machine; empty where it has none.
        socket: String,
    },
    /// To a wish for a new token.
    TokenMade {
        /// The token.
        token: Token,
    },
    /// The node is removed.
    NodeRemoved,
    /// The node is not removed yet; ask again.
    RemovalWaits {
        /// For what.
        waits_for: String,
    },
    /// To a range's command: done, or begun where it takes longer.
    RangeDone(String),
    /// To a range's command: no, why, and where to look.
    RangeRefused {
        /// Why.
        reason: String,
        /// Where to look.
        look_at: LookAt,
    },
    /// No, and why.
    Refused(String),
    /// To `Announce`: you are believed.
    Welcome,
    /// To `Announce`: you are not.
    Unwelcome {
        /// Why not.
        reason: String,
        /// Whether the store must not be used any more: it is an old copy, or has forgotten what it had synced.
        is_final: bool,
    },
    /// To `Identify`: the start of this process, once it has one; and why it takes no part, if it does not.
    Identity(Box<Identity>),
}

/// Who a process is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Its store.
    pub store_id: StoreId,
    /// Its node; `None` before it belongs to a cluster.
    pub node_id: Option<NodeId>,
    /// As it greets others; `None` before it does.
    pub hello: Option<Hello>,
    /// Why it neither votes nor serves, if it must not.
    pub refusal: Option<String>,
}
