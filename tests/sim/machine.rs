//! One simulated machine: a disk, clocks, and at most one process of a node.
//!
//! A process is a tokio runtime of its own, on tokio's paused clock, driven in steps by the world: all machines share one
//! thread. A crash drops the runtime, and with it every task of the process; a pause is not driving it. Within it runs
//! what a real node runs, put together by the same constructors.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;
use quorate_engine::store::{Store, waits};
use quorate_engine::testing::{Damage, DamagedStore, PowerCutStore};
use quorate_placement::topology::NodeId;
use quorate_raft_groups::assembly::{NodeParts, open_ranges, start_clock};
use quorate_raft_groups::blocking::Blocking;
use quorate_raft_groups::cluster::admin::Origin;
use quorate_raft_groups::cluster::member::Member;
use quorate_raft_groups::cluster::refusal::StoreHome;
use quorate_raft_groups::cluster::{
    ClusterConfig, ClusterNode, DiskSpace, MemberHost, MemberParts, NodeAddresses,
};
use quorate_raft_groups::identity::StoreIdentity;
use quorate_raft_groups::local_ranges::LocalRanges;
use quorate_raft_groups::store::RangeStore;
use quorate_raft_groups::transport::Receiver;
use quorate_raft_groups::versions::{Protocols, VersionRange, Versions};
use quorate_sql::node::SqlNode;
use quorate_sql::program::scan_evaluator;
use tokio::runtime::{Builder, Runtime};
use tokio::time::Instant;

use crate::disk::Disk;
use crate::doors::Doors;
use crate::network::{Arrival, MachineId, Network, address};
use crate::sql::{CatalogRefresher, JobPoints, sql_over};
use crate::time::{MachineClock, STEP_MICROS, SimTime};
use crate::trace::Trace;

/// What all machines share.
#[derive(Clone)]
pub struct Site {
    /// The time.
    pub time: SimTime,
    /// What connects them.
    pub network: Network,
    /// What happened.
    pub trace: Trace,
    /// What jobs come to.
    pub job_points: JobPoints,
    /// Machines of the first cluster.
    pub founders: MachineId,
}

/// A machine.
pub struct Machine {
    /// Its number.
    pub id: MachineId,
    /// What survives a crash.
    pub store: Arc<PowerCutStore>,
    /// What cannot be read of it.
    pub damage: Damage,
    /// How slow its disk is.
    pub disk: Disk,
    /// Whether the disk holds a copy of what was on another.
    is_copy: bool,
    /// How far its wall clock is off, in microseconds.
    pub offset: Arc<AtomicI64>,
    site: Site,
    process: Option<Process>,
    paused_until: u64,
    starts: u64,
}

/// A running process.
struct Process {
    runtime: Runtime,
    node: Arc<NodeProcess>,
    /// The runtime's clock and the world's when it began.
    begun: (Instant, u64),
}

/// What a process consists of, as far as it has come.
#[derive(Default)]
pub struct NodeProcess {
    cluster: OnceLock<Arc<ClusterNode>>,
    ranges: OnceLock<Arc<RangeStore>>,
    member: OnceLock<Arc<Member>>,
    sql: OnceLock<Arc<SqlNode>>,
    receiver: OnceLock<Arc<dyn Receiver>>,
    failure: Mutex<Option<String>>,
    /// Who may send to it.
    doors: Doors,
    /// Why others made it end.
    given_up: Mutex<Option<String>>,
    /// Set while the process lives; what it left behind sees that it is gone.
    gone: AtomicBool,
}

impl NodeProcess {
    /// The node, once its store is open.
    pub fn cluster(&self) -> Option<&Arc<ClusterNode>> {
        self.cluster.get()
    }

    /// Its replicas, once it is a member.
    pub fn ranges(&self) -> Option<&Arc<RangeStore>> {
        self.ranges.get()
    }

    /// The member, once it is one.
    pub fn member(&self) -> Option<&Arc<Member>> {
        self.member.get()
    }

    /// Its SQL, once it is a member.
    pub fn sql(&self) -> Option<&Arc<SqlNode>> {
        self.sql.get()
    }

    /// Why the process would have ended by itself.
    pub fn failure(&self) -> Option<String> {
        self.failure.lock().clone()
    }

    /// Who may send to it.
    pub fn doors(&self) -> &Doors {
        &self.doors
    }

    /// Takes messages, once it is a member.
    pub fn receiver(&self) -> Option<&Arc<dyn Receiver>> {
        self.receiver.get()
    }

    /// The node that it is; 0 before it is one.
    pub fn node_id(&self) -> NodeId {
        self.cluster.get().and_then(|cluster| cluster.hello()).map_or(NodeId(0), |hello| hello.node_id)
    }

    /// Others have found that its store must not be used: nothing of it runs any more.
    fn give_up(&self, reason: String) {
        self.given_up.lock().get_or_insert(reason);
    }

    /// Whether the process would have ended, as others made it.
    pub fn has_given_up(&self) -> bool {
        self.given_up.lock().is_some()
    }

    fn fail(&self, reason: String) {
        if !self.gone.load(Ordering::Relaxed) {
            self.failure.lock().get_or_insert(reason);
        }
    }
}

/// What a process is started with.
struct Boot {
    site: Site,
    machine: MachineId,
    store: Arc<PowerCutStore>,
    damage: Damage,
    disk: Disk,
    is_copy: bool,
    clock: MachineClock,
    sql_clock: MachineClock,
    seed: u64,
    node: Arc<NodeProcess>,
}

struct NoDisk;

impl DiskSpace for NoDisk {
    fn used_and_total(&self) -> (u64, u64) {
        (10, 100)
    }
}

/// Opens a member's parts, as the server's does.
struct Host {
    parts: Mutex<NodeParts>,
    network: Network,
    machine: MachineId,
    node: Arc<NodeProcess>,
}

#[async_trait]
impl MemberHost for Host {
    async fn open(&self, identity: StoreIdentity, protocols: Arc<Protocols>) -> Result<MemberParts, String> {
        let mut parts = self.parts.lock().clone();
        if let Some(hello) = self.node.cluster.get().and_then(|cluster| cluster.hello()) {
            self.network.set_hello(self.machine, hello);
        }
        parts.transport = self.network.transport(self.machine, identity.node_id);
        let opened = open_ranges(&parts, identity.node_id, protocols, |_| {}).await;
        let (rpc, ranges) = opened.map_err(|error| error.to_string())?;
        let _ = self.node.ranges.set(Arc::clone(&ranges));
        let _ = self.node.receiver.set(Arc::clone(&rpc) as Arc<dyn Receiver>);
        Ok(MemberParts { rpc, ranges: ranges as Arc<dyn LocalRanges> })
    }

    fn give_up(&self, reason: String) {
        self.node.give_up(reason);
    }
}

/// Says that the disk is a copy, where it is one.
struct Home {
    is_copy: bool,
}

impl StoreHome for Home {
    fn copied(&self, _was_claimed: bool) -> Result<Option<String>, String> {
        Ok(self.is_copy.then(|| "the data directory was copied".to_owned()))
    }

    fn claim(&self) -> Result<(), String> {
        Ok(())
    }
}

impl Boot {
    async fn run(self) {
        let node = Arc::clone(&self.node);
        if let Err(reason) = self.boot().await {
            node.fail(reason);
        }
    }

    async fn boot(self) -> Result<(), String> {
        let Self { site, machine, store, damage, disk, is_copy, clock, sql_clock, seed, node } = self;
        let store: Arc<dyn Store> = Arc::new(DamagedStore::new(store, damage));
        let failing = Arc::clone(&node);
        let blocking = Blocking::in_task(Arc::new(disk));
        let started = start_clock(Arc::clone(&store), Arc::new(clock), &blocking).await;
        // Its bound is kept for as long as the process lives.
        let (clock, _) = started.map_err(|error| error.to_string())?;
        let parts = NodeParts {
            store: Arc::clone(&store),
            clock: Arc::clone(&clock),
            // Replaced once the node's id is known.
            transport: site.network.transport(machine, NodeId(0)),
            blocking: blocking.clone(),
            evaluator: scan_evaluator(),
            seed,
            on_failure: Arc::new(move |error| failing.fail(format!("the store failed: {error}"))),
        };
        let (parts, network) = (Mutex::new(parts), site.network.clone());
        let host = Arc::new(Host { parts, network, machine, node: Arc::clone(&node) });
        let config = ClusterConfig {
            store,
            clock,
            evaluator: scan_evaluator(),
            bootstrap: site.network.questions(machine),
            host,
            disk: Arc::new(NoDisk),
            home: Arc::new(Home { is_copy }),
            blocking: blocking.clone(),
            addresses: addresses(machine),
            join: (1..=site.founders).map(address).collect(),
            command_socket: None,
            versions: versions(machine),
            seed: std::array::from_fn(|at| seed.rotate_left(u32::try_from(at).unwrap_or(0)).to_le_bytes()[0]),
        };
        let made = blocking.run(move || ClusterNode::new(config)).await;
        let cluster = made.map_err(|lost| lost.to_string())?.map_err(|error| error.to_string())?;
        let _ = node.cluster.set(Arc::clone(&cluster));
        cluster.start().await.map_err(|error| error.to_string())?;
        if let Some(refusal) = cluster.refusal() {
            site.trace.event(machine, format_args!("takes no part: {refusal}"));
            return Ok(());
        }
        let member = cluster.wait_for_member().await.ok_or("the node could not become a member")?;
        site.trace.event(machine, format_args!("is member {}", member.node_id()));
        let sql = sql_over(&member, machine, sql_clock, site.job_points.clone());
        let _ = node.sql.set(Arc::clone(&sql));
        let _ = node.member.set(Arc::clone(&member));
        member.set_catalog_listener(Arc::new(CatalogRefresher::new(Arc::clone(&sql))));
        tokio::spawn(async move { sql.run_jobs().await });
        Ok(())
    }
}

/// What a machine's release can: those with even numbers run the one after this, so that every cluster is a mixed one.
fn versions(machine: MachineId) -> Versions {
    let VersionRange { oldest, newest } = Versions::OWN.protocols;
    let protocols = VersionRange { oldest, newest: newest + u32::from(machine.is_multiple_of(2)) };
    Versions { protocols, ..Versions::OWN }
}

fn addresses(machine: MachineId) -> NodeAddresses {
    NodeAddresses {
        address: address(machine),
        sql_address: String::new(),
        http_address: String::new(),
        locality: format!("zone=z{machine}").parse().expect("a locality"),
    }
}

impl Machine {
    /// A machine with an empty disk, switched off.
    pub fn new(id: MachineId, site: Site, seed: u64) -> Self {
        Self {
            id,
            store: Arc::new(PowerCutStore::new()),
            damage: Damage::default(),
            disk: Disk::new(seed ^ id),
            is_copy: false,
            offset: Arc::default(),
            site,
            process: None,
            paused_until: 0,
            starts: 0,
        }
    }

    /// The running process.
    pub fn node(&self) -> Option<&Arc<NodeProcess>> {
        self.process.as_ref().map(|process| &process.node)
    }

    /// Whether its process runs and is not paused.
    pub fn is_awake(&self) -> bool {
        self.process.is_some() && self.paused_until <= self.site.time.now()
    }

    /// Whether it has a process, paused or not.
    pub fn is_on(&self) -> bool {
        self.process.is_some()
    }

    /// Starts a process on what the disk holds.
    pub fn start(&mut self, seed: u64) {
        assert!(self.process.is_none(), "one process a machine");
        self.starts += 1;
        self.site.trace.event(self.id, format_args!("starts, for the {}. time", self.starts));
        // What waits for the disk says so: a task that does it besides would hold up a node with a slow one.
        waits::forbid();
        let runtime = Builder::new_current_thread().enable_time().start_paused(true).build();
        let runtime = runtime.expect("a runtime without threads");
        let node = Arc::new(NodeProcess::default());
        let boot = Boot {
            site: self.site.clone(),
            machine: self.id,
            store: Arc::clone(&self.store),
            damage: self.damage.clone(),
            disk: self.disk.clone(),
            is_copy: self.is_copy,
            clock: MachineClock::new(self.site.time.clone(), Arc::clone(&self.offset)),
            sql_clock: MachineClock::new(self.site.time.clone(), Arc::clone(&self.offset)),
            seed: seed ^ self.id.rotate_left(40) ^ self.starts,
            node: Arc::clone(&node),
        };
        self.site.time.set_machine(self.id);
        let begun = runtime.block_on(async {
            tokio::spawn(boot.run());
            Instant::now()
        });
        self.site.time.set_machine(0);
        self.process = Some(Process { runtime, node, begun: (begun, self.site.time.now()) });
        self.paused_until = 0;
    }

    /// The power goes: the process is gone at once, and all that no sync had reached, but for the first `kept` batches.
    /// Gives the number of batches lost.
    pub fn crash(&mut self, kept: usize) -> usize {
        let Some(process) = self.process.take() else { return 0 };
        let unsynced = self.store.unsynced();
        process.node.gone.store(true, Ordering::Relaxed);
        // The disk first: whatever runs while tasks are dropped changes nothing any more.
        self.store = Arc::new(self.store.cut_keeping(kept));
        self.site.time.set_machine(self.id);
        drop(process.runtime);
        self.site.time.set_machine(0);
        self.site.network.drop_arrivals(self.id);
        let lost = unsynced.saturating_sub(kept);
        self.site.trace.event(self.id, format_args!("crashes: {lost} of {unsynced} unsynced batches lost"));
        lost
    }

    /// The disk of a machine that is switched off is gone, and there is an empty one in its place.
    pub fn lose_disk(&mut self) {
        self.put_disk(PowerCutStore::new(), false);
    }

    /// A machine that is switched off gets another disk: a copy, or the same one without what it had synced lately.
    pub fn put_disk(&mut self, store: PowerCutStore, is_copy: bool) {
        assert!(self.process.is_none(), "its process is gone first");
        self.store = Arc::new(store);
        self.damage = Damage::default();
        self.is_copy = is_copy;
    }

    /// Why its process takes no part, if it does not.
    pub fn refusal(&self) -> Option<String> {
        let node = &self.process.as_ref()?.node;
        node.given_up.lock().clone().or_else(|| Some(node.cluster()?.refusal()?.to_owned()))
    }

    /// The process stands still until then.
    pub fn pause(&mut self, until: u64) {
        self.paused_until = self.paused_until.max(until);
    }

    /// Runs a task in the process.
    pub fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        if let Some(process) = &self.process {
            drop(process.runtime.spawn(task));
        }
    }

    /// Runs the process until the world's clock has moved on by one step.
    pub fn step(&mut self) {
        let now = self.site.time.now();
        if self.paused_until > now {
            return;
        }
        let Some(Process { runtime, node, begun }) = &self.process else { return };
        let arrivals = self.site.network.take(self.id);
        let due = begun.0 + Duration::from_micros(now + STEP_MICROS - begun.1);
        let (site, id) = (&self.site, self.id);
        site.time.set_machine(id);
        runtime.block_on(async {
            // After a pause the process finds all its timers due at once.
            let behind = (due - Duration::from_micros(STEP_MICROS)).saturating_duration_since(Instant::now());
            if !behind.is_zero() {
                tokio::time::advance(behind).await;
            }
            for arrival in arrivals {
                receive(site, id, node, arrival);
            }
            tokio::time::sleep_until(due).await;
        });
        site.time.set_machine(0);
    }
}

fn receive(site: &Site, id: MachineId, node: &Arc<NodeProcess>, arrival: Arrival) {
    match arrival {
        Arrival::Message { machine, from, lane, bytes } => {
            site.trace.packet(machine, id, &bytes);
            if node.receiver.get().is_some() && !node.has_given_up() {
                node.doors.receive(node, &site.network, machine, (from, lane, bytes));
            }
        }
        Arrival::Denied { by } => {
            if let Some(cluster) = node.cluster.get().cloned() {
                tokio::spawn(async move { cluster.denied_by(by).await });
            }
        }
        Arrival::Disconnected { to, lane } => {
            if let Some(receiver) = node.receiver.get() {
                receiver.disconnected(to, lane);
            }
        }
        Arrival::Question { machine, payload, answer } => {
            site.trace.packet(machine, id, &payload);
            let (Some(cluster), network) = (node.cluster.get().cloned(), site.network.clone()) else {
                return;
            };
            tokio::spawn(async move {
                let text = cluster.handle_bootstrap(payload, Origin::Machine).await;
                if network.passes(id, machine) {
                    // Whoever asked may be gone.
                    let _ = answer.send(text);
                }
            });
        }
    }
}
