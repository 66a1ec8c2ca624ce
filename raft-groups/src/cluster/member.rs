//! A node that belongs to a cluster: what it offers to SQL and the command line, and what it does by itself.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use parking_lot::Mutex;
use quorate_engine::clock::HybridClock;
use quorate_engine::hlc::Timestamp;
use quorate_engine::kv::{Database, KvError, ScanEvaluator, TransactionOptions, Write, keyspace};
use quorate_placement::topology::{NodeId, RangeId};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::sync::watch;
use uuid::Uuid;

use super::admin_format::{removed_key, removed_of_key};
use super::board::{Board, Moment};
use super::bootstrap::BootstrapTransport;
use super::catalog::{CATALOG_RENEWAL, CatalogLease, CatalogListener};
use super::change::drive::Changes;
use super::contact::Contact;
use super::error::ClusterError;
use super::local_state::{LocalState, Membership};
use super::message::{ClusterAnswer, ClusterRequest, NodeReport, ReplicaReport};
use super::node_format::{NodeRecord, decode_node, encode_node, node_key};
use super::registry::Registry;
use super::service::ClusterService;
use super::settings::{
    self, CLUSTER_VERSION, NODE_DEAD_AFTER, RANGE_MAX_BYTES, SNAPSHOT_RATE, STATEMENT_QUORUM_WAIT,
    SettingValue, Settings, name_of_key, parse_version, setting_key,
};
use super::system::{self, CHANGE_ATTEMPTS_MAX, NEXT_NODE_ID};
use super::version::{self, ClusterVersion, FIRST};
use super::{DiskSpace, MemberHost};
use crate::blocking::Blocking;
use crate::client::call::{Call, CallError};
use crate::client::router::{Router, RouterConfig, SYSTEM_RANGE};
use crate::client::txn::DistributedDatabase;
use crate::clock_guard::ClockDoubt;
use crate::descriptor::RangeDescriptor;
use crate::identity::StoreIdentity;
use crate::local_ranges::LocalRanges;
use crate::range_service::RangeService;
use crate::rpc::{Rpc, Service};
use crate::telling::{Telling, shown};
use crate::transport::Lane;
use crate::wire::cluster::{read_answer, write_request};

/// How often a node reports (design.md section 12).
pub(super) const REPORT_INTERVAL: Duration = Duration::from_secs(1);
/// Longest wait for the answer to a report: the next one is as good.
const REPORT_TIMEOUT: Duration = Duration::from_secs(1);
/// How often intents that transactions have left behind are looked for: somebody may be about to wait for them.
const SWEEP_INTENTS_INTERVAL: Duration = Duration::from_secs(5);
/// How often old records are: they stay for ten minutes anyway.
const SWEEP_RECORDS_INTERVAL: Duration = Duration::from_secs(20);
/// How often the registry and the settings are read anew.
const REFRESH_INTERVAL: Duration = Duration::from_secs(5);
/// Least time between two such readings, when a node connects that is not known here.
const REFRESH_PAUSE: Duration = Duration::from_millis(200);
/// Least time between two readings of the catalog.
const CATALOG_PAUSE: Duration = Duration::from_millis(50);
/// Tokens that are checked at once: each is a read of range 1 that anybody may cause.
const TOKEN_CHECKS_MAX: usize = 4;
/// Nodes that are registered at one address: one whose disk was lost comes back as another.
const NODES_PER_ADDRESS_MAX: usize = 8;
/// Pause before range 1's leaseholder is looked for again.
const LEADER_RETRY: Duration = Duration::from_millis(100);

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
    pub(super) identity: StoreIdentity,
    pub(super) record: NodeRecord,
    pub(super) founders: u64,
    local: Arc<LocalState>,
    pub(super) registry: Arc<Registry>,
    pub(super) rpc: Arc<Rpc>,
    pub(super) ranges: Arc<dyn LocalRanges>,
    pub(super) clock: Arc<HybridClock>,
    pub(super) disk: Arc<dyn DiskSpace>,
    blocking: Blocking,
    pub(super) bootstrap: Arc<dyn BootstrapTransport>,
    host: Arc<dyn MemberHost>,
    pub(super) database: DistributedDatabase,
    settings: Settings,
    pub(super) version: ClusterVersion,
    pub(super) catalog: CatalogLease,
    listener: OnceLock<Arc<dyn CatalogListener>>,
    pub(super) contact: Contact,
    /// What this node keeps while it holds range 1's lease, with the term in which it began.
    pub(super) board: Mutex<Option<(u64, Board)>>,
    /// Changes of replicas that this node drives.
    pub(super) changes: Mutex<Changes>,
    /// Who answered last as range 1's leaseholder.
    leader_hint: Mutex<Option<NodeId>>,
    /// One change of the directory at a time.
    pub(super) directory_lock: tokio::sync::Mutex<()>,
    /// Rows of the placement log that this node wrote since it trimmed it.
    pub(super) placement_rows: AtomicU64,
    /// One publication of changed ranges at a time.
    pub(super) publishing: tokio::sync::Mutex<()>,
    /// Tokens of commands that are checked at the moment.
    pub(super) token_checks: tokio::sync::Semaphore,
    pub(super) rng: Mutex<StdRng>,
    stop: watch::Receiver<bool>,
}

impl Member {
    /// Begins: takes requests of other nodes, and everything that runs by itself.
    pub(super) fn start(config: MemberConfig) -> Arc<Self> {
        let mut rng = StdRng::from_seed(config.seed);
        let router = Router::new(RouterConfig {
            node: config.identity.node_id,
            ranges: Arc::clone(&config.ranges),
            rpc: Arc::clone(&config.rpc),
            clock: Arc::clone(&config.clock),
            system: config.membership.system.clone(),
            seed: rng.random(),
        });
        let contact = Contact::new(config.clock.physical().boottime());
        let member = Arc::new(Self {
            contact,
            identity: config.identity,
            record: config.record,
            founders: config.membership.founders,
            local: config.local,
            registry: config.registry,
            rpc: config.rpc,
            ranges: config.ranges,
            clock: config.clock,
            disk: config.disk,
            blocking: config.blocking,
            bootstrap: config.bootstrap,
            host: config.host,
            database: DistributedDatabase::new(router, config.evaluator, rng.random()),
            settings: Settings::default(),
            version: ClusterVersion::new(config.membership.cluster_version),
            catalog: CatalogLease::default(),
            listener: OnceLock::new(),
            board: Mutex::new(None),
            changes: Mutex::default(),
            leader_hint: Mutex::new(None),
            directory_lock: tokio::sync::Mutex::new(()),
            placement_rows: AtomicU64::new(0),
            publishing: tokio::sync::Mutex::new(()),
            token_checks: tokio::sync::Semaphore::new(TOKEN_CHECKS_MAX),
            rng: Mutex::new(rng),
            stop: config.stop,
        });
        member.take_version(config.membership.cluster_version);
        member.rpc.register(Service::Range, RangeService::new(Arc::clone(&member.ranges)));
        member.rpc.register(Service::Cluster, ClusterService::new(&member));
        if member.registry.ids().iter().any(|node| *node != member.node_id()) {
            member.rpc.clock_guard().expect_peers(member.rpc.reading());
        }
        member.spawn(Arc::clone(&member).measure_clocks_forever());
        member.spawn(Arc::clone(&member).report_forever());
        member.spawn(Arc::clone(&member).watch_forever());
        member.spawn(Arc::clone(&member).refresh_forever());
        member.spawn(Arc::clone(&member).confirm_catalog_forever());
        member.spawn(Arc::clone(&member).reconcile_forever());
        member.spawn(Arc::clone(&member).spread_leaders_forever());
        member.spawn(Arc::clone(&member).tidy_members_forever());
        member.spawn(Arc::clone(&member).repair_forever());
        member.spawn(Arc::clone(&member).look_for_absent_forever());
        member.spawn(Arc::clone(&member).sweep_intents_forever());
        member.spawn(Arc::clone(&member).sweep_records_forever());
        member.spawn(Arc::clone(&member).publish_forever());
        member.spawn(Arc::clone(&member).take_range_ids_forever());
        member
    }

    /// Runs a task until the node is stopped.
    pub(super) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let mut stop = self.stop.clone();
        tokio::spawn(async move {
            tokio::select! {
                () = task => {}
                _ = stop.wait_for(|stop| *stop) => {}
            }
        });
    }

    /// Resolves intents that transactions have left behind in the ranges that are led here.
    async fn sweep_intents_forever(self: Arc<Self>) {
        loop {
            tokio::time::sleep(SWEEP_INTENTS_INTERVAL).await;
            self.database.sweep_intents(self.ranges.as_ref()).await;
        }
    }

    /// Removes records that nobody may ask for any more from the ranges that are led here.
    async fn sweep_records_forever(self: Arc<Self>) {
        loop {
            tokio::time::sleep(SWEEP_RECORDS_INTERVAL).await;
            self.database.sweep_records(self.ranges.as_ref()).await;
        }
    }

    /// This node's id.
    pub fn node_id(&self) -> NodeId {
        self.identity.node_id
    }

    /// Which of the node's starts this is.
    pub fn incarnation(&self) -> u64 {
        self.record.incarnation
    }

    /// The cluster's id.
    pub fn cluster_id(&self) -> Uuid {
        self.identity.cluster_id
    }

    /// The database that all ranges are together.
    pub fn database(&self) -> &DistributedDatabase {
        &self.database
    }

    /// Finds ranges, asks them, and counts.
    pub fn router(&self) -> &Arc<Router> {
        self.database.router()
    }

    /// This node's replicas.
    pub fn local_ranges(&self) -> &Arc<dyn LocalRanges> {
        &self.ranges
    }

    /// The nodes, as known here.
    pub fn registry(&self) -> &Arc<Registry> {
        &self.registry
    }

    /// Sets who reads the catalog; the first one stays. Until then this node confirms no catalog and serves no SQL.
    pub fn set_catalog_listener(&self, listener: Arc<dyn CatalogListener>) {
        let _ = self.listener.set(listener);
        self.catalog.changed.notify_one();
    }

    /// Until when this node may rely on the catalog that it confirmed last; a commit must lie below it.
    ///
    /// # Errors
    /// [`ClusterError::CatalogLease`]: it may not, until range 1 can be read again; [`ClusterError::Clock`]: it must not
    /// serve at all.
    pub fn catalog_lease(&self) -> Result<Timestamp, ClusterError> {
        let doubt = self.rpc.check_clock(None).err();
        match &doubt {
            // Says more than the lease, which ends because of it.
            Some(doubt @ ClockDoubt::Beyond { .. }) => return Err(ClusterError::Clock(doubt.to_string())),
            Some(ClockDoubt::Unmeasured { .. } | ClockDoubt::Past) | None => {}
        }
        let until = self.confirmed_until()?;
        doubt.map_or(Ok(until), |doubt| Err(ClusterError::Clock(doubt.to_string())))
    }

    /// Whether this node serves SQL, by what it knows: neither the store nor another node is waited for.
    ///
    /// # Errors
    /// As [`Member::catalog_lease`].
    pub fn serves(&self) -> Result<(), ClusterError> {
        if let Some(doubt) = self.rpc.check_clock(None).err() {
            return Err(ClusterError::Clock(doubt.to_string()));
        }
        self.confirmed_until().map(|_| ())
    }

    /// How long range 1's leaseholder has not answered this node, which asks it each second.
    pub fn metadata_silence(&self) -> Duration {
        self.contact.silence(self.boottime())
    }

    fn confirmed_until(&self) -> Result<Timestamp, ClusterError> {
        self.catalog.until(self.clock.peek()).ok_or_else(|| self.unconfirmed())
    }

    fn unconfirmed(&self) -> ClusterError {
        let system = self.router().system_range();
        let nodes: Vec<String> = system.nodes().iter().map(NodeId::to_string).collect();
        ClusterError::CatalogLease(format!(
            "node {} cannot confirm its catalog: range {SYSTEM_RANGE}, with replicas on {}, gives it no lease; SQL is \
             served again as soon as a majority of them is reached",
            self.node_id(),
            nodes.join(", ")
        ))
    }

    /// All settings by name, as read within the last seconds.
    pub fn settings(&self) -> Vec<SettingValue> {
        self.settings.all()
    }

    /// Changes a setting.
    ///
    /// # Errors
    /// [`ClusterError::Setting`] for an unknown name or value, and errors of range 1.
    pub async fn set_setting(&self, name: &str, value: &str) -> Result<(), ClusterError> {
        let (setting, value) = settings::check(name, value)?;
        if let (CLUSTER_VERSION, Some(version)) = (setting.name, parse_version(value.as_bytes())) {
            self.raise_version(version).await?;
            self.settings.set(setting.name, value);
            self.take_version(version);
            return Ok(());
        }
        let write = Write::put(setting_key(setting.name), value.clone().into_bytes().into());
        self.write_system(write).await?;
        self.settings.set(setting.name, value);
        self.apply_settings();
        Ok(())
    }

    fn apply_settings(&self) {
        if let Some(version) = self.settings.number(CLUSTER_VERSION) {
            self.take_version(u32::try_from(version).unwrap_or(FIRST));
        }
        if let Some(millis) = self.settings.number(STATEMENT_QUORUM_WAIT) {
            self.database.set_quorum_wait(Duration::from_millis(millis));
        }
        if let Some(bytes) = self.settings.number(RANGE_MAX_BYTES) {
            self.ranges.set_range_max_bytes(bytes);
        }
        if let Some(bytes) = self.settings.number(SNAPSHOT_RATE) {
            self.ranges.set_snapshot_rate(bytes);
        }
    }

    /// Writes one row of range 1.
    pub(super) async fn write_system(&self, write: Write) -> Result<(), KvError> {
        let mut last = None;
        for _ in 0..CHANGE_ATTEMPTS_MAX {
            let mut transaction = self.database.begin(TransactionOptions::default()).await?;
            transaction.write(write.clone())?;
            match transaction.commit(None).await {
                Ok(_) => return Ok(()),
                // The row's value is the same whoever writes it last, so that an unknown fate may be tried again.
                Err(error @ (KvError::Retry { .. } | KvError::Ambiguous { .. })) => last = Some(error),
                Err(error) => return Err(error),
            }
        }
        Err(last.unwrap_or_else(|| KvError::Storage("no attempt was made".to_owned())))
    }

    /// Gives a store that nobody knows an id, and registers it; the same one if it asks again.
    pub(super) async fn register_new(&self, record: NodeRecord) -> Result<NodeId, ClusterError> {
        let mut last = None;
        for _ in 0..CHANGE_ATTEMPTS_MAX {
            match self.try_register_new(record.clone()).await {
                Ok(node_id) => return Ok(node_id),
                Err(ClusterError::Kv(error @ (KvError::Retry { .. } | KvError::Ambiguous { .. }))) => {
                    last = Some(error);
                }
                Err(error) => return Err(error),
            }
        }
        Err(ClusterError::Unavailable(last.map_or_else(String::new, |error| error.to_string())))
    }

    async fn try_register_new(&self, mut record: NodeRecord) -> Result<NodeId, ClusterError> {
        let mut transaction = self.database.begin(TransactionOptions::default()).await?;
        let span = quorate_engine::kv::Span::prefix(keyspace::system_prefix(keyspace::SYSTEM_NODES));
        let mut at_address = 0;
        for (key, value) in system::scan_all(transaction.as_mut(), span).await? {
            let known = decode_node(&value).map_err(|error| system::damaged(&key, &error))?;
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
        let id = system::take_id(transaction.as_mut(), NEXT_NODE_ID, self.founders + 1).await?;
        record.node_id = NodeId(id);
        let row = Write::insert(node_key(record.node_id), encode_node(&record).into());
        transaction.write(row)?;
        transaction.commit(None).await?;
        self.registry.learn([record.clone()]);
        Ok(record.node_id)
    }

    /// Now, on both clocks.
    pub(super) fn moment(&self) -> Moment {
        Moment { wall: self.clock.peek(), boot: self.clock.physical().boottime() }
    }

    /// Works on the board, if this node holds range 1's lease; a new term begins with a new board.
    pub(super) fn with_board<R>(&self, work: impl FnOnce(&mut Board, Moment) -> R) -> Option<R> {
        let status = self.ranges.status(SYSTEM_RANGE).filter(|status| status.has_lease);
        let now = self.moment();
        let dead_after = self.node_dead_after();
        let mut board = self.board.lock();
        let Some(status) = status else {
            *board = None;
            return None;
        };
        if board.as_ref().is_none_or(|(term, _)| *term != status.term) {
            *board = Some((status.term, Board::new(now, dead_after)));
        }
        board.as_mut().map(|(_, board)| {
            board.set_dead_after(dead_after);
            work(board, now)
        })
    }

    /// How long a node may be silent before it counts as dead.
    pub(super) fn node_dead_after(&self) -> Duration {
        Duration::from_millis(self.settings.number(NODE_DEAD_AFTER).unwrap_or(u64::MAX))
    }

    /// Time since some start, also while the machine slept.
    pub(super) fn boottime(&self) -> Duration {
        self.clock.physical().boottime()
    }

    /// Whether this node holds range 1's lease.
    pub(super) fn is_leader(&self) -> bool {
        self.ranges.status(SYSTEM_RANGE).is_some_and(|status| status.has_lease)
    }

    /// Who may hold range 1's lease.
    pub(super) fn leader(&self) -> Option<NodeId> {
        match self.ranges.status(SYSTEM_RANGE) {
            Some(status) => status.leader_node,
            None => *self.leader_hint.lock(),
        }
    }

    /// How this node is.
    fn report(&self) -> NodeReport {
        self.learn_system_range();
        let (disk_used_bytes, disk_total_bytes) = self.disk.used_and_total();
        let replicas = self.ranges.statuses().into_iter().map(|status| ReplicaReport {
            range_id: status.descriptor.range_id,
            replica_id: status.replica_id,
            applied: status.applied,
            has_lease: status.has_lease,
            leader: status.leader_node,
            size_bytes: status.size_bytes,
            complaint: status.breaker,
            damage: status.damage,
        });
        NodeReport {
            catalog_version: self.catalog.version(self.clock.physical().boottime()),
            disk_used_bytes,
            disk_total_bytes,
            system_generation: self.router().system_range().generation,
            replicas: replicas.collect(),
            changes: self.changes.lock().told(self.boottime()),
            syncs: self.disk.syncs(),
            peers: self.peers_told(),
            clock_doubt: self.clock_doubt(),
            damaged_files: self.ranges.damaged_files(),
        }
    }

    /// The router learns where range 1 is from the replica here.
    fn learn_system_range(&self) {
        if let Some(status) = self.ranges.status(SYSTEM_RANGE).filter(|status| status.is_whole) {
            self.router().learn(RangeDescriptor::clone(&status.descriptor));
        }
    }

    async fn report_forever(self: Arc<Self>) {
        loop {
            self.report_once().await;
            tokio::time::sleep(REPORT_INTERVAL).await;
        }
    }

    /// Reports to range 1's leaseholder, and takes the lease on the catalog that it may give.
    pub(super) async fn report_once(&self) {
        let report = self.report();
        let version = report.catalog_version;
        let answer = self.ask_leader(&ClusterRequest::Report(report), REPORT_TIMEOUT).await;
        let Ok(ClusterAnswer::Lease { until, required_version, system }) = answer else { return };
        self.contact.answered(self.boottime());
        if let Some(system) = system {
            self.router().learn(system);
        }
        if let (Some(until), Some(version)) = (until, version) {
            self.catalog.extend(version, until);
        }
        if version.is_some_and(|version| version < required_version) {
            self.catalog.changed.notify_one();
        }
    }

    /// Asks range 1's leaseholder, wherever it is, until it answers or the time is over.
    pub(super) async fn ask_leader(
        &self,
        request: &ClusterRequest,
        timeout: Duration,
    ) -> Result<ClusterAnswer, ClusterError> {
        let reasons = Mutex::new(BTreeMap::new());
        let asking = async {
            loop {
                let system = self.router().system_range().nodes();
                let mut asked = BTreeSet::new();
                let mut others: VecDeque<NodeId> = self.leader().into_iter().chain(system).collect();
                while let Some(node) = others.pop_front() {
                    if !asked.insert(node) {
                        continue;
                    }
                    match self.ask_node(node, request, timeout).await {
                        Ok(ClusterAnswer::NotLeader { leader }) => {
                            reasons.lock().insert(node, "does not hold its lease".to_owned());
                            // Where range 1 has moved on, whoever held it knows whither.
                            leader.into_iter().for_each(|leader| others.push_front(leader));
                        }
                        Ok(answer) => {
                            *self.leader_hint.lock() = Some(node);
                            return answer;
                        }
                        Err(CallError::NotDone(reason) | CallError::NoAnswer(reason)) => {
                            reasons.lock().insert(node, reason);
                        }
                    }
                }
                tokio::time::sleep(LEADER_RETRY).await;
            }
        };
        tokio::time::timeout(timeout, asking).await.map_err(|_| {
            let reasons = reasons.lock();
            let reasons: Vec<_> = reasons.iter().map(|(node, reason)| format!("{node} {reason}")).collect();
            ClusterError::Unavailable(format!(
                "range {SYSTEM_RANGE}, which holds the cluster's metadata, has no leaseholder that answers within \
                 {}: {}; nothing is known to be done, repeat once a majority of its replicas is reached",
                shown(timeout),
                reasons.join(", ")
            ))
        })
    }

    /// Asks one member; itself by a function call.
    pub(super) async fn ask_node(
        &self,
        node: NodeId,
        request: &ClusterRequest,
        timeout: Duration,
    ) -> Result<ClusterAnswer, CallError> {
        let payload = write_request(request);
        let call = Call { to: node, lane: Lane::Control, service: Service::Cluster, payload, timeout };
        let answer = call.watched(&self.rpc, self.clock.physical().as_ref()).await?;
        read_answer(answer)
            .map_err(|error| CallError::NoAnswer(format!("its answer cannot be read: {error}")))
    }

    /// Registers this node's start, then keeps the registry's copy and the settings fresh.
    async fn refresh_forever(self: Arc<Self>) {
        self.await_measured_clock().await;
        let mut telling = Telling::default();
        while let Err(error) = self.register().await {
            if let ClusterError::Refused(reason) = error {
                tracing::error!("{reason}");
                return;
            }
            if let Some(tell) = telling.trouble(self.boottime()) {
                tracing::warn!(%error, "the node could not register itself yet{tell}");
            }
            tokio::time::sleep(REPORT_INTERVAL).await;
        }
        let mut telling = Telling::default();
        loop {
            match self.refresh().await {
                Ok(()) => {
                    let _ = telling.well(self.boottime());
                }
                Err(error) => {
                    if let Some(tell) = telling.trouble(self.boottime()) {
                        tracing::warn!(
                            %error,
                            "registry and settings could not be read; the last known ones stay{tell}"
                        );
                    }
                }
            }
            // Strangers that keep coming, of whom range 1 knows nothing either, make no more work than this.
            tokio::time::sleep(REFRESH_PAUSE).await;
            let _ = tokio::time::timeout(REFRESH_INTERVAL, self.registry.stranger.notified()).await;
        }
    }

    async fn register(&self) -> Result<(), ClusterError> {
        let mut last = None;
        for _ in 0..CHANGE_ATTEMPTS_MAX {
            match self.try_register().await {
                // The row is the same whoever writes it last.
                Err(ClusterError::Kv(error @ (KvError::Retry { .. } | KvError::Ambiguous { .. }))) => {
                    last = Some(error);
                }
                done => return done,
            }
        }
        Err(ClusterError::Unavailable(last.map_or_else(String::new, |error| error.to_string())))
    }

    /// Enters this start into the registry, unless a later one, or another process with this one, is there, or the node was
    /// removed.
    async fn try_register(&self) -> Result<(), ClusterError> {
        let node = self.node_id();
        let key = node_key(node);
        let mut transaction = self.database.begin(TransactionOptions::default()).await?;
        let version_key = setting_key(CLUSTER_VERSION);
        let keys = vec![key.clone(), removed_key(node), version_key.clone()];
        let mut rows = transaction.get_many(keys).await?.into_iter();
        let (row, removed, version) = (rows.next().flatten(), rows.next().flatten(), rows.next().flatten());
        if removed.is_some() {
            return Err(ClusterError::Refused(format!(
                "{node} was removed from the cluster with quorate node remove: nobody listens to it, and it serves \
                 nothing. Stop it, and start it with --rejoin, or an empty --data-dir, to join as a new node"
            )));
        }
        if let Some(row) = row {
            let known = decode_node(&row).map_err(|error| system::damaged(&key, &error))?;
            if (known.incarnation, known.started) > (self.record.incarnation, self.record.started) {
                self.host.give_up(format!(
                    "{} runs twice, or on an old copy of its data directory: it is registered with start {} of {}, and this \
                     is start {}; stop this process, and never start a copy of a data directory",
                    self.node_id(),
                    known.incarnation,
                    known.address,
                    self.record.incarnation
                ));
                return std::future::pending().await;
            }
        }
        match version.and_then(|value| parse_version(&value)) {
            // The first one of a new cluster, or of one of before versions.
            None => {
                let version = self.version.get().to_string();
                transaction.write(Write::put(version_key, version.into_bytes().into()))?;
            }
            Some(version) => {
                if let Some(reason) = version::refusal(self.record.versions.cluster, version) {
                    self.host.give_up(reason);
                    return std::future::pending().await;
                }
            }
        }
        transaction.write(Write::put(key, encode_node(&self.record).into()))?;
        transaction.commit(None).await?;
        Ok(())
    }

    /// Reads the registry and the settings, and remembers the registry in the store.
    pub(super) async fn refresh(&self) -> Result<(), ClusterError> {
        let rows = system::read_part(&self.database, keyspace::SYSTEM_NODES).await?;
        let records: Result<Vec<_>, _> = rows
            .iter()
            .map(|(key, value)| decode_node(value).map_err(|error| system::damaged(key, &error)))
            .collect();
        let removed = system::read_part(&self.database, keyspace::SYSTEM_REMOVED_NODES).await?;
        self.registry.forget(removed.iter().filter_map(|(key, _)| removed_of_key(key)));
        self.registry.learn(records?);
        let rows = system::read_part(&self.database, keyspace::SYSTEM_SETTINGS).await?;
        let text = |value: &[u8]| String::from_utf8(value.to_vec()).ok();
        let values =
            rows.iter().filter_map(|(key, value)| Some((name_of_key(key)?.to_owned(), text(value)?)));
        self.settings.replace(values.collect());
        self.apply_settings();
        if let Some(mut membership) = self.local.membership() {
            membership.nodes = self.registry.all();
            membership.cluster_version = self.version.get();
            membership.system = self.router().system_range().as_ref().clone();
            self.local.save(membership, &self.blocking).await?;
        }
        Ok(())
    }

    /// Reads the catalog when it changed, and every few seconds.
    async fn confirm_catalog_forever(self: Arc<Self>) {
        let mut telling = Telling::default();
        loop {
            self.await_measured_clock().await;
            if let Some(listener) = self.listener.get() {
                match listener.refresh().await {
                    Ok(version) => {
                        let _ = telling.well(self.boottime());
                        self.catalog.confirm(version, self.clock.physical().boottime());
                        self.report_once().await;
                    }
                    Err(error) => {
                        if let Some(tell) = telling.trouble(self.boottime()) {
                            tracing::warn!(%error, "the catalog could not be confirmed{tell}");
                        }
                        tokio::time::sleep(LEADER_RETRY).await;
                        continue;
                    }
                }
            }
            // A node that reads an older catalog than is required is told so at each report: not at full speed.
            tokio::time::sleep(CATALOG_PAUSE).await;
            let _ = tokio::time::timeout(CATALOG_RENEWAL, self.catalog.changed.notified()).await;
        }
    }

    /// A range that this node's router must ask for anew.
    pub(super) fn forget_range(&self, range_id: RangeId) {
        if let Some(status) = self.ranges.status(range_id) {
            self.router().forget(&status.descriptor);
        }
    }
}
