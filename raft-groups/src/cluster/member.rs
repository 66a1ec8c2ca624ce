//! A node that belongs to a cluster: what it offers to SQL, to the command line and to other nodes.
//!
//! Three parts do the work, and this is where they meet:
//!
//! ```text
//!   member ──▶ leader     what range 1's leaseholder does for the cluster ──┐
//!     │                                                                     ├──▶ directory  the rows of range 1
//!     └──────▶ agent      what each node does for itself ───────────────────┘
//!                              both ask other nodes through calls
//! ```

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use quorate_engine::clock::HybridClock;
use quorate_engine::hlc::Timestamp;
use quorate_engine::kv::ScanEvaluator;
use quorate_placement::topology::NodeId;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::sync::watch;
use uuid::Uuid;

use super::agent::{Agent, AgentConfig};
use super::bootstrap::BootstrapTransport;
use super::calls::Calls;
use super::catalog::CatalogListener;
use super::directory::{Directory, DirectoryConfig};
use super::error::ClusterError;
use super::leader::{Leader, LeaderConfig};
use super::local_state::{LocalState, Membership};
use super::node_format::NodeRecord;
use super::registry::Registry;
use super::service::ClusterService;
use super::settings::SettingValue;
use super::tasks::Tasks;
use super::version::ClusterVersion;
use super::{DiskSpace, MemberHost};
use crate::blocking::Blocking;
use crate::client::router::{Router, RouterConfig};
use crate::client::txn::DistributedDatabase;
use crate::identity::StoreIdentity;
use crate::local_ranges::LocalRanges;
use crate::range_service::RangeService;
use crate::rpc::{Rpc, Service};

/// Tokens that are checked at once: each is a read of range 1 that anybody may cause.
const TOKEN_CHECKS_MAX: usize = 4;

pub(super) struct MemberConfig {
    pub identity: StoreIdentity,
    pub record: NodeRecord,
    pub membership: Membership,
    pub local: Arc<LocalState>,
    pub registry: Arc<Registry>,
    pub rpc: Arc<Rpc>,
    pub ranges: Arc<dyn LocalRanges>,
    pub clock: Arc<HybridClock>,
    pub evaluator: Arc<dyn ScanEvaluator>,
    pub disk: Arc<dyn DiskSpace>,
    pub blocking: Blocking,
    pub bootstrap: Arc<dyn BootstrapTransport>,
    pub host: Arc<dyn MemberHost>,
    pub stop: watch::Receiver<bool>,
    pub seed: [u8; 32],
}

/// A node in its cluster.
pub struct Member {
    pub(super) calls: Arc<Calls>,
    pub(super) directory: Arc<Directory>,
    pub(super) leader: Arc<Leader>,
    pub(super) agent: Arc<Agent>,
    /// Tokens of commands that are checked at the moment.
    pub(super) token_checks: tokio::sync::Semaphore,
    pub(super) rng: Arc<Mutex<StdRng>>,
}

impl Member {
    /// Begins: takes requests of other nodes, and everything that runs by itself.
    pub(super) fn start(config: MemberConfig) -> Arc<Self> {
        let tasks = Tasks::new(config.stop.clone());
        let member = Arc::new(Self::assemble(config, &tasks));
        let calls = &member.calls;
        calls.rpc.register(Service::Range, RangeService::new(Arc::clone(&calls.ranges)));
        calls.rpc.register(Service::Cluster, ClusterService::new(&member));
        if member.registry().ids().iter().any(|node| *node != member.node_id()) {
            calls.rpc.clock_guard().expect_peers(calls.rpc.reading());
        }
        member.run(&tasks);
        member
    }

    /// Puts the parts together; nothing runs yet.
    fn assemble(config: MemberConfig, tasks: &Tasks) -> Self {
        let mut rng = StdRng::from_seed(config.seed);
        let router = Router::new(RouterConfig {
            node: config.identity.node_id,
            ranges: Arc::clone(&config.ranges),
            rpc: Arc::clone(&config.rpc),
            clock: Arc::clone(&config.clock),
            system: config.membership.system.clone(),
            seed: rng.random(),
        });
        let database = DistributedDatabase::new(Arc::clone(&router), config.evaluator, rng.random());
        let rng = Arc::new(Mutex::new(rng));
        let calls = Arc::new(Calls {
            identity: config.identity,
            clock: Arc::clone(&config.clock),
            rpc: config.rpc,
            ranges: Arc::clone(&config.ranges),
            router,
            leader_hint: Mutex::new(None),
        });
        let directory = Arc::new(Directory::new(DirectoryConfig {
            database,
            registry: config.registry,
            ranges: config.ranges,
            clock: config.clock,
            local: config.local,
            blocking: config.blocking,
            founders: config.membership.founders,
            cluster_version: config.membership.cluster_version,
        }));
        let leader = Leader::new(LeaderConfig {
            calls: Arc::clone(&calls),
            directory: Arc::clone(&directory),
            bootstrap: Arc::clone(&config.bootstrap),
            rng: Arc::clone(&rng),
        });
        let agent = Agent::new(AgentConfig {
            calls: Arc::clone(&calls),
            directory: Arc::clone(&directory),
            record: config.record,
            disk: config.disk,
            bootstrap: config.bootstrap,
            host: config.host,
            tasks: tasks.clone(),
        });
        let token_checks = tokio::sync::Semaphore::new(TOKEN_CHECKS_MAX);
        Self { calls, directory, leader: Arc::new(leader), agent: Arc::new(agent), token_checks, rng }
    }

    /// Starts everything that runs by itself, in this order.
    fn run(&self, tasks: &Tasks) {
        let agent = || Arc::clone(&self.agent);
        let leader = || Arc::clone(&self.leader);
        tasks.spawn(agent().measure_clocks_forever());
        tasks.spawn(agent().report_forever());
        tasks.spawn(agent().watch_forever());
        tasks.spawn(agent().refresh_forever());
        tasks.spawn(agent().confirm_catalog_forever());
        tasks.spawn(agent().reconcile_forever());
        tasks.spawn(leader().spread_leaders_forever());
        tasks.spawn(agent().tidy_members_forever());
        tasks.spawn(leader().repair_forever());
        tasks.spawn(leader().look_for_absent_forever());
        tasks.spawn(agent().sweep_intents_forever());
        tasks.spawn(agent().sweep_records_forever());
        tasks.spawn(agent().publish_forever());
        tasks.spawn(agent().take_range_ids_forever());
    }

    /// This node's id.
    pub fn node_id(&self) -> NodeId {
        self.calls.node_id()
    }

    /// Which of the node's starts this is.
    pub fn incarnation(&self) -> u64 {
        self.agent.record.incarnation
    }

    /// The cluster's id.
    pub fn cluster_id(&self) -> Uuid {
        self.calls.identity.cluster_id
    }

    /// The database that all ranges are together.
    pub fn database(&self) -> &DistributedDatabase {
        self.directory.database()
    }

    /// Finds ranges, asks them, and counts.
    pub fn router(&self) -> &Arc<Router> {
        &self.calls.router
    }

    /// This node's replicas.
    pub fn local_ranges(&self) -> &Arc<dyn LocalRanges> {
        &self.calls.ranges
    }

    /// The nodes, as known here.
    pub fn registry(&self) -> &Arc<Registry> {
        &self.directory.registry
    }

    /// The cluster's version, for whoever writes: see [`ClusterVersion::allows`].
    pub fn cluster_version(&self) -> &ClusterVersion {
        &self.directory.version
    }

    /// Sets who reads the catalog; the first one stays. Until then this node confirms no catalog and serves no SQL.
    pub fn set_catalog_listener(&self, listener: Arc<dyn CatalogListener>) {
        self.agent.set_catalog_listener(listener);
    }

    /// Until when this node may rely on the catalog that it confirmed last; a commit must lie below it.
    ///
    /// # Errors
    /// [`ClusterError::CatalogLease`]: it may not, until range 1 can be read again; [`ClusterError::Clock`]: it must not
    /// serve at all.
    pub fn catalog_lease(&self) -> Result<Timestamp, ClusterError> {
        self.agent.catalog_lease()
    }

    /// Whether this node serves SQL, by what it knows: neither the store nor another node is waited for.
    ///
    /// # Errors
    /// As [`Member::catalog_lease`].
    pub fn serves(&self) -> Result<(), ClusterError> {
        self.agent.serves()
    }

    /// How long range 1's leaseholder has not answered this node, which asks it each second.
    pub fn metadata_silence(&self) -> Duration {
        self.agent.metadata_silence()
    }

    /// All settings by name, as read within the last seconds.
    pub fn settings(&self) -> Vec<SettingValue> {
        self.directory.settings.all()
    }

    /// Changes a setting.
    ///
    /// # Errors
    /// [`ClusterError::Setting`] for an unknown name or value, and errors of range 1.
    pub async fn set_setting(&self, name: &str, value: &str) -> Result<(), ClusterError> {
        self.directory.set_setting(name, value).await
    }
}
