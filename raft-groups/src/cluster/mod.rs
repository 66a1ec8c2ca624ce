//! A node in its cluster: how it comes to be, who belongs to it, which ranges there are, and who may rely on what.
//!
//! The life of a [`ClusterNode`]:
//!
//! 1. It opens its [`local_state`]. With a membership there it is a [`member::Member`] at once, whoever else runs.
//! 2. Without one it waits: either it is told to create the cluster ([`bootstrap`]), or it asks the addresses of
//!    `--join` until one of them says that there is a cluster, and who it is in it.
//! 3. As a member it registers itself ([`registry`]), reports each second to range 1's leaseholder, confirms its
//!    catalog ([`catalog`]), and makes its replicas those of the directory (`agent`).
//! 4. While it holds range 1's lease it keeps the board of all reports, places new ranges, repairs and moves leaders
//!    (`leader`).
//!
//! All cluster metadata lies in range 1; nothing is decided from a copy of it that was not read there.

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::Mutex;
use quorate_engine::clock::HybridClock;
use quorate_engine::kv::ScanEvaluator;
use quorate_engine::store::Store;
use quorate_placement::topology::{Locality, NodeId, StoreId};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::sync::watch;

use crate::blocking::Blocking;
use crate::identity::{self, StoreIdentity};
use crate::local_ranges::{LocalRangeError, LocalRanges};
use crate::rpc::Rpc;
use crate::telling::Tellings;
use crate::versions::{Protocols, Versions};

pub mod admin;
pub mod admin_format;
mod agent;
pub mod bootstrap;
pub mod bootstrap_message;
mod calls;
pub mod catalog;
pub(crate) mod directory;
pub mod error;
pub mod hello;
mod identify;
mod leader;
pub mod local_state;
pub mod member;
pub(crate) mod message;
pub mod node_format;
mod place;
pub mod range_command;
mod ranges;
pub mod refusal;
pub mod registry;
mod service;
pub mod settings;
pub mod starts;
pub mod status;
mod tasks;
pub mod version;

use admin::Origin;
use bootstrap::BootstrapTransport;
use error::ClusterError;
use hello::Hello;
use local_state::{LocalState, Membership};
use member::{Member, MemberConfig};
use node_format::NodeRecord;
use refusal::StoreHome;
use registry::Registry;
use starts::Starts;
use status::DiskSyncs;

/// How often others' positions are written down: what was told since is known to this process alone.
const POSITIONS_INTERVAL: Duration = Duration::from_secs(3);

/// What a node is made of.
pub struct ClusterConfig {
    /// Its store.
    pub store: Arc<dyn Store>,
    /// Its clock.
    pub clock: Arc<HybridClock>,
    /// Runs scan programs.
    pub evaluator: Arc<dyn ScanEvaluator>,
    /// Says things to addresses.
    pub bootstrap: Arc<dyn BootstrapTransport>,
    /// Opens the node's parts once its id is known.
    pub host: Arc<dyn MemberHost>,
    /// The space of its disk.
    pub disk: Arc<dyn DiskSpace>,
    /// Where its store lies.
    pub home: Arc<dyn StoreHome>,
    /// Where its work on the disk runs.
    pub blocking: Blocking,
    /// What it tells others of itself.
    pub addresses: NodeAddresses,
    /// Addresses of the first nodes of the cluster, its own among them.
    pub join: Vec<String>,
    /// Where commands come in on its own machine, as a person there can name it.
    pub command_socket: Option<String>,
    /// What its release can: [`Versions::OWN`], except in tests.
    pub versions: Versions,
    /// Seed of ids and jitter; from the operating system, except in a simulation.
    pub seed: [u8; 32],
}

/// Where a node listens and stands.
#[derive(Clone, Debug, Default)]
pub struct NodeAddresses {
    /// For nodes.
    pub address: String,
    /// For SQL; empty where it does not.
    pub sql_address: String,
    /// For HTTP; empty where it does not.
    pub http_address: String,
    /// Where it stands.
    pub locality: Locality,
}

/// Opens what needs the node's id: the transport to other nodes, and the store of ranges. `server` implements it.
#[async_trait]
pub trait MemberHost: Send + Sync + 'static {
    /// Opens both, with what is spoken with other nodes. The handlers of `Service::Range` and `Service::Cluster` are registered by the caller.
    ///
    /// # Errors
    /// The store of ranges could not be opened; the text is for a person.
    async fn open(&self, identity: StoreIdentity, protocols: Arc<Protocols>) -> Result<MemberParts, String>;

    /// The process must end: others have found that its store must not be used. The text is for a person.
    fn give_up(&self, reason: String);
}

/// What [`MemberHost::open`] gives.
pub struct MemberParts {
    /// Calls to other nodes.
    pub rpc: Arc<Rpc>,
    /// The node's replicas.
    pub ranges: Arc<dyn LocalRanges>,
}

/// How a disk is: how much of it is used, and how long it takes.
pub trait DiskSpace: Send + Sync + 'static {
    /// Bytes used, by whomever, and bytes in all; zero where it is not known.
    fn used_and_total(&self) -> (u64, u64);

    /// How long the node's store waits for it; zeros where it is not known.
    fn syncs(&self) -> DiskSyncs {
        DiskSyncs::default()
    }
}

/// How far a node has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodeState {
    /// No cluster yet.
    Uninitialised,
    /// A member.
    Member {
        /// Its id.
        node_id: NodeId,
    },
    /// It could not become one; the reason was logged and given to the caller of `start`.
    Failed,
    /// It takes no part: see [`ClusterNode::refusal`].
    Refused,
}

/// One node.
pub struct ClusterNode {
    config: ClusterConfig,
    local: Arc<LocalState>,
    registry: Arc<Registry>,
    /// Set while an `init` runs here.
    initialising: AtomicBool,
    /// One at a time becomes a member.
    joining: tokio::sync::Mutex<()>,
    /// Joins of others that are checked at the moment.
    joins: tokio::sync::Semaphore,
    /// What keeps it from joining.
    join_troubles: Mutex<Tellings<String>>,
    member: OnceLock<Arc<Member>>,
    identity: OnceLock<StoreIdentity>,
    /// Random number of this start.
    mark: u64,
    /// Others' starts, as far as they were believed.
    starts: Mutex<Starts>,
    /// One greeting at a time is written down.
    admitting: tokio::sync::Mutex<()>,
    /// Why this node takes no part.
    refusal: OnceLock<String>,
    state: watch::Sender<NodeState>,
    stop: watch::Sender<bool>,
    rng: Mutex<StdRng>,
}

impl ClusterNode {
    /// A node over its store; it does nothing yet. Waits for the disk: a fresh store gets its number.
    ///
    /// # Errors
    /// The store failed, or holds damaged bytes.
    pub fn new(config: ClusterConfig) -> Result<Arc<Self>, ClusterError> {
        let mut rng = StdRng::from_seed(config.seed);
        let local = Arc::new(LocalState::open(Arc::clone(&config.store), StoreId(rng.random()))?);
        let starts = refusal::load_starts(config.store.as_ref())?;
        let registry = Arc::new(Registry::new(Protocols::new(config.versions.protocols)));
        if let Some(membership) = local.membership() {
            registry.learn(membership.nodes);
        }
        Ok(Arc::new(Self {
            config,
            local,
            registry,
            initialising: AtomicBool::new(false),
            joining: tokio::sync::Mutex::new(()),
            joins: tokio::sync::Semaphore::new(bootstrap::JOINS_MAX),
            join_troubles: Mutex::default(),
            member: OnceLock::new(),
            identity: OnceLock::new(),
            mark: rng.random(),
            starts: Mutex::new(starts),
            admitting: tokio::sync::Mutex::new(()),
            refusal: OnceLock::new(),
            state: watch::Sender::new(NodeState::Uninitialised),
            stop: watch::Sender::new(false),
            rng: Mutex::new(rng),
        }))
    }

    /// Starts: a member goes on as one, another node begins to ask its `--join` addresses for a cluster. Returns when
    /// the node can be talked to; [`ClusterNode::wait_for_member`] waits for the cluster.
    ///
    /// # Errors
    /// The data directory is not this node's, or the parts could not be opened.
    pub async fn start(self: &Arc<Self>) -> Result<(), ClusterError> {
        if let Some(reason) = self.examine().await? {
            self.refuse(reason);
            return Ok(());
        }
        tokio::spawn(Arc::clone(self).keep_positions_forever());
        if let Some(membership) = self.local.membership() {
            if let Some(reason) = version::refusal(self.config.versions.cluster, membership.cluster_version) {
                return Err(ClusterError::Refused(reason));
            }
            self.check_place(&membership).await?;
            return match self.become_member(membership, false).await {
                Err(ClusterError::NotBelieved(_)) => Ok(()),
                done => done,
            };
        }
        tokio::spawn(Arc::clone(self).ask_to_join());
        Ok(())
    }

    /// Writes down every few seconds what others have told of their stores.
    async fn keep_positions_forever(self: Arc<Self>) {
        let mut stop = self.stop.subscribe();
        let keeping = async {
            loop {
                tokio::time::sleep(POSITIONS_INTERVAL).await;
                self.keep_positions().await;
            }
        };
        tokio::select! {
            () = keeping => {}
            _ = stop.wait_for(|stop| *stop) => {}
        }
    }

    /// How far the node has come.
    pub fn state(&self) -> NodeState {
        *self.state.borrow()
    }

    /// The member, once it is one.
    pub fn member(&self) -> Option<&Arc<Member>> {
        self.member.get()
    }

    /// Waits until the node is a member; `None` where it is stopped, or fails, before.
    pub async fn wait_for_member(&self) -> Option<Arc<Member>> {
        let mut state = self.state.subscribe();
        let mut stop = self.stop.subscribe();
        tokio::select! {
            _ = state.wait_for(|state| *state != NodeState::Uninitialised) => self.member.get().cloned(),
            _ = stop.wait_for(|stop| *stop) => None,
        }
    }

    /// Where nodes reach a node.
    pub fn address_of(&self, node: NodeId) -> Option<String> {
        self.registry.address_of(node)
    }

    /// What this node says when it connects to another; `None` before it is a member.
    pub fn hello(&self) -> Option<Hello> {
        let identity = self.identity.get()?;
        Some(Hello {
            cluster_id: identity.cluster_id,
            node_id: identity.node_id,
            store_id: identity.store_id,
            incarnation: identity.incarnation,
            mark: self.mark,
            opened: self.config.store.positions().opened,
            address: self.config.addresses.address.clone(),
            protocols: self.config.versions.protocols,
        })
    }

    /// Stops everything that runs by itself. The store of ranges is the host's to shut down.
    pub fn stop(&self) {
        let _ = self.stop.send_replace(true);
    }

    /// Why this node serves nothing while it is not a member, for a person: there is no cluster and which command makes
    /// one, or the node belongs to one and has just started.
    pub fn absence(&self) -> String {
        let NodeAddresses { address, .. } = &self.config.addresses;
        match self.local.membership() {
            None => format!("the cluster is not initialised: run quorate init --host {address}"),
            Some(membership) => format!(
                "node {} at {address} is starting: it opens its replicas; ask again in a moment",
                membership.node_id
            ),
        }
    }

    /// Whether the node belongs to a cluster, even if it cannot act as a member yet.
    pub fn has_cluster(&self) -> bool {
        self.local.membership().is_some()
    }

    /// Row of this node in the registry; its id is 0 before it has one.
    fn record(&self) -> NodeRecord {
        let NodeAddresses { address, sql_address, http_address, locality } = self.config.addresses.clone();
        let identity = self.identity.get();
        NodeRecord {
            node_id: identity.map_or(NodeId(0), |identity| identity.node_id),
            store_id: self.local.store_id(),
            address,
            sql_address,
            http_address,
            locality,
            incarnation: identity.map_or(0, |identity| identity.incarnation),
            started: self.config.clock.last(),
            versions: self.config.versions,
        }
    }

    /// Makes this node a member: identity, parts, range 1's replica, then everything that runs by itself.
    ///
    /// Each step may have been done by an earlier start that crashed; doing it again changes nothing.
    async fn become_member(&self, membership: Membership, campaign: bool) -> Result<(), ClusterError> {
        let _one_at_a_time = self.joining.lock().await;
        if self.member.get().is_some() {
            return Ok(());
        }
        let result = self.open_member(membership, campaign).await;
        let state = match &result {
            Ok(member) => NodeState::Member { node_id: member.node_id() },
            Err(ClusterError::NotBelieved(reason)) => {
                self.refuse(reason.clone());
                NodeState::Refused
            }
            Err(error) => {
                tracing::error!(%error, "the node cannot take its place in the cluster");
                NodeState::Failed
            }
        };
        if let Ok(member) = &result {
            let _ = self.member.set(Arc::clone(member));
        }
        self.state.send_replace(state);
        result.map(|_| ())
    }

    async fn open_member(&self, membership: Membership, campaign: bool) -> Result<Arc<Member>, ClusterError> {
        let identity = self.identify(&membership).await?;
        let _ = self.identity.set(identity);
        self.registry.learn(membership.nodes.iter().cloned());
        self.registry.learn([self.record()]);
        if let Some(hello) = self.hello() {
            self.announce(&hello).await?;
        }
        let protocols = Arc::clone(&self.registry.protocols);
        let opened = self.config.host.open(identity, protocols).await;
        let MemberParts { rpc, ranges } = opened.map_err(ClusterError::Refused)?;
        // Written down before the replica was made; where range 1 has changed since, others know better.
        let is_founder =
            membership.system.replica_on(identity.node_id).is_some() && membership.system.is_as_created();
        if is_founder && ranges.status(membership.system.range_id).is_none() {
            let created = ranges.create_replica(&membership.system, campaign).await;
            match created {
                // Range 1 has left this node since that was written down.
                Ok(()) | Err(LocalRangeError::Tombstone { .. }) => {}
                Err(error) => return Err(ClusterError::Refused(error.to_string())),
            }
        }
        let seed = self.rng.lock().random();
        let config = MemberConfig {
            identity,
            record: self.record(),
            membership,
            local: Arc::clone(&self.local),
            registry: Arc::clone(&self.registry),
            rpc,
            ranges,
            clock: Arc::clone(&self.config.clock),
            evaluator: Arc::clone(&self.config.evaluator),
            disk: Arc::clone(&self.config.disk),
            blocking: self.config.blocking.clone(),
            bootstrap: Arc::clone(&self.config.bootstrap),
            host: Arc::clone(&self.config.host),
            stop: self.stop.subscribe(),
            seed,
        };
        Ok(Member::start(config))
    }

    /// The store's identity for this start; created where a crash came between the membership and it.
    async fn identify(&self, membership: &Membership) -> Result<StoreIdentity, ClusterError> {
        let Membership { cluster_id, node_id, .. } = *membership;
        let expected = identity::Expected { cluster_id: Some(cluster_id), node_id: Some(node_id) };
        let (store, store_id) = (Arc::clone(&self.config.store), self.local.store_id());
        let identified = self.config.blocking.run(move || match identity::start(store.as_ref(), expected)? {
            Some(identity) => Ok(identity),
            None => identity::create(store.as_ref(), cluster_id, node_id, store_id),
        });
        Ok(identified.await.map_err(|lost| ClusterError::Refused(lost.to_string()))??)
    }

    /// Answers what was said to this node's address, or to its command socket; see [`bootstrap_message`].
    pub async fn handle_bootstrap(self: &Arc<Self>, payload: Bytes, origin: Origin) -> Bytes {
        bootstrap::handle(self, payload, origin).await
    }
}

#[cfg(test)]
mod tests;
