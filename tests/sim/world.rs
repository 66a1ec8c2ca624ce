//! The world: machines, network and clients, driven step by step in one thread.
//!
//! A simulation is: a cluster forms and its tables are filled; chaos, by a schedule that the seed gives or a scenario
//! writes; then everything heals, and it must come back to work and to rest. What must always hold is checked all along.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use quorate_engine::kv::{Database, Key, KvError, TransactionOptions, Write, keyspace};
use quorate_placement::topology::{NodeId, RangeId};
use quorate_raft_groups::client::txn::DistributedDatabase;
use quorate_raft_groups::cluster::admin::{AdminCommand, AdminRequest};
use quorate_raft_groups::cluster::bootstrap::ask;
use quorate_raft_groups::cluster::bootstrap_message::{BootstrapAnswer, BootstrapRequest};
use quorate_raft_groups::cluster::range_command::RangeCommand;
use quorate_raft_groups::local_ranges::{LocalRanges, ReplicaStatus};
use quorate_sql::catalog::keys;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};

use crate::coverage::{Coverage, Point};
use crate::history::{History, Op, Outcome};
use crate::invariants::{Invariants, Seen, View};
use crate::machine::{Machine, NodeProcess, Site};
use crate::network::{MachineId, Network, Quality, address};
use crate::sql::JobPoints;
use crate::sql_client::SqlClient;
use crate::sql_history::SqlHistory;
use crate::time::SimTime;
use crate::trace::{Trace, Verbosity};
use crate::workload::{self, Client, Mix, TABLES, Workload};

/// One second of simulated time.
pub const SECOND: u64 = 1_000_000;
/// Clients of each node.
const CLIENTS: u64 = 2;
/// Longest wait of a person for the answer to a command.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(30);
/// Longest time until a cluster has formed and its tables are filled.
const SETUP_MAX: u64 = 60 * SECOND;
/// Steps between two looks at who serves.
const LOOK_STEPS: u64 = 5;
/// Steps between two comparisons of all replicas.
const COMPARE_STEPS: u64 = 500;
/// Longest time from healing to an answer for whoever waits.
const ANSWERS_MAX: u64 = 30 * SECOND;
/// The same where tables are made and dropped: each step of a job is tried for longer than a statement waits.
const DDL_MAX: u64 = 60 * SECOND;
/// Time that clients get after healing, before they stop.
const AFTER_HEALING: u64 = 3 * SECOND;
/// Longest time from healing until every table takes writes.
const RECOVERY_MAX: u64 = 20 * SECOND;
/// Longest time until all replicas are equal and nothing is left over.
const REST_MAX: u64 = 30 * SECOND;
/// An operation that waits longer hangs: two statements and a commit of at most 5 s, and a commit's waits.
const OPERATION_MAX: u64 = 25 * SECOND;

/// How long a process takes no part before a person has read its log.
const REFUSED_FOR: u64 = SECOND;

/// Ids of tables up to here are not SQL's.
const TABLE_IDS_TAKEN: u64 = 200;

/// Ranges split early, so that they split at all.
const SETTINGS: [(&str, &str); 1] = [("range_max_bytes", "64KiB")];

/// What is wrong.
#[derive(Clone, Debug)]
pub struct Violation {
    /// When it was noticed.
    pub at: u64,
    /// What must hold.
    pub invariant: &'static str,
    /// What was found.
    pub detail: String,
}

/// What a simulation is made from.
#[derive(Clone)]
pub struct Setting {
    /// Of everything.
    pub seed: u64,
    /// Number of machines.
    pub machines: MachineId,
    /// What is printed.
    pub verbosity: Verbosity,
    /// The clock, which the log knows already.
    pub time: SimTime,
}

/// A simulation.
pub struct World {
    /// Its time.
    pub time: SimTime,
    /// Its network.
    pub network: Network,
    /// Its machines, by number less one.
    pub machines: Vec<Machine>,
    /// For whoever plans.
    pub rng: StdRng,
    /// What happened how often.
    pub coverage: Coverage,
    /// What happened.
    pub trace: Trace,
    /// What clients saw.
    pub workload: Workload,
    /// What jobs come to.
    pub job_points: JobPoints,
    invariants: Invariants,
    violation: Option<Violation>,
    panicked: Arc<Mutex<Option<String>>>,
    seed: u64,
    steps: u64,
    /// Nodes whose clients run.
    served: Vec<bool>,
    clients_wanted: bool,
    /// Machines whose processes take no part, and when a person will have dealt with them.
    refused: BTreeMap<MachineId, u64>,
}

impl World {
    /// Machines that are switched off.
    pub fn new(setting: Setting, panicked: Arc<Mutex<Option<String>>>) -> Self {
        let time = setting.time;
        let trace = Trace::new(time.clone(), setting.verbosity);
        let coverage = Coverage::default();
        let mut rng = StdRng::seed_from_u64(setting.seed);
        let network = Network::new(time.clone(), coverage.clone(), rng.random());
        let job_points = JobPoints::new(coverage.clone());
        let site = Site {
            time: time.clone(),
            network: network.clone(),
            trace: trace.clone(),
            job_points: job_points.clone(),
            founders: setting.machines,
        };
        let seed = rng.random();
        let machines = (1..=setting.machines).map(|id| Machine::new(id, site.clone(), seed)).collect();
        let workload = Workload {
            history: History::new(time.clone(), trace.clone()),
            sql: SqlHistory::new(time.clone(), trace.clone()),
            coverage: coverage.clone(),
            stop: Arc::new(AtomicBool::new(false)),
            running: Arc::new(AtomicU64::new(0)),
            padding_max: 500,
            is_leisurely: Arc::default(),
            mix: Arc::default(),
        };
        Self {
            time,
            network,
            machines,
            rng,
            invariants: Invariants::new(coverage.clone()),
            coverage,
            trace,
            workload,
            job_points,
            violation: None,
            panicked,
            seed,
            steps: 0,
            served: vec![false; usize::try_from(setting.machines).unwrap_or(0)],
            clients_wanted: false,
            refused: BTreeMap::new(),
        }
    }

    /// What has been found wrong, if anything.
    pub fn violation(&self) -> Option<&Violation> {
        self.violation.as_ref()
    }

    /// Notes the first thing that is wrong.
    pub fn violate(&mut self, invariant: &'static str, detail: String) {
        if self.violation.is_none() {
            self.trace.event(0, format_args!("VIOLATION of {invariant}: {detail}"));
            self.violation = Some(Violation { at: self.time.now(), invariant, detail });
        }
    }

    /// All machines' numbers.
    pub fn ids(&self) -> Vec<MachineId> {
        self.machines.iter().map(|machine| machine.id).collect()
    }

    /// A machine.
    pub fn machine(&mut self, id: MachineId) -> &mut Machine {
        self.machines.iter_mut().find(|machine| machine.id == id).expect("machines are never removed")
    }

    /// Starts a machine's process.
    pub fn start(&mut self, id: MachineId) {
        let seed = self.seed;
        self.machine(id).start(seed);
        self.network.restarted(id);
        self.set_served(id, false);
    }

    /// Cuts a machine's power, or ends its process, of which the machine tells whoever sends to it; some of the unsynced batches
    /// are kept, by chance.
    pub fn crash(&mut self, id: MachineId) {
        let unsynced = self.machine(id).store.unsynced();
        let lost_power = self.rng.random_bool(0.5);
        let kept = if lost_power { 0 } else { self.rng.random_range(0..=unsynced) };
        if !self.machine(id).is_on() {
            return;
        }
        if !lost_power {
            self.network.refuse(id);
        }
        self.coverage.hit(Point::Crash);
        if kept > 0 {
            self.coverage.hit(Point::KeptUnsynced);
        }
        if self.machine(id).crash(kept) > 0 {
            self.coverage.hit(Point::LostUnsynced);
        }
        self.invariants.crashed(id, self.time.now());
        self.set_served(id, false);
    }

    fn set_served(&mut self, id: MachineId, is_served: bool) {
        let at = usize::try_from(id - 1).unwrap_or(usize::MAX);
        if let Some(served) = self.served.get_mut(at) {
            *served = is_served;
        }
    }

    /// One step of all machines, each time beginning with another one.
    pub fn step(&mut self) {
        self.time.advance();
        self.steps += 1;
        let count = self.machines.len();
        let first = usize::try_from(self.steps).unwrap_or(0) % count.max(1);
        let (before, after) = self.machines.split_at_mut(first);
        for machine in after.iter_mut().chain(before) {
            machine.step();
        }
        self.lose_power();
        self.tend_refused();
        if self.clients_wanted {
            self.start_clients();
        }
        self.look();
    }

    /// Machines whose disks have lost their power in this step lose theirs.
    fn lose_power(&mut self) {
        let has_lost = |machine: &&Machine| machine.is_on() && machine.store.is_cut();
        let lost: Vec<MachineId> = self.machines.iter().filter(has_lost).map(|machine| machine.id).collect();
        lost.into_iter().for_each(|id| self.crash(id));
    }

    /// A process that others made end is started again; one that takes no part gets an empty disk after a while, as its log
    /// tells, and joins anew.
    fn tend_refused(&mut self) {
        let now = self.time.now();
        for id in self.ids() {
            let machine = self.machine(id);
            let Some(reason) = machine.refusal() else { continue };
            if machine.node().is_some_and(|node| node.has_given_up()) {
                self.trace.event(id, format_args!("ends: {reason}"));
                self.crash(id);
                self.start(id);
                continue;
            }
            let due = *self.refused.entry(id).or_insert(now + REFUSED_FOR);
            if now >= due {
                self.rejoin(id);
            }
        }
    }

    /// A machine joins anew, with an empty disk.
    fn rejoin(&mut self, id: MachineId) {
        let lost = self.network.node_of(id);
        self.trace.event(id, format_args!("{lost} takes no part: it gets an empty disk"));
        self.coverage.hit(Point::Rejoined);
        self.crash(id);
        self.network.lose(lost);
        self.machine(id).lose_disk();
        self.refused.remove(&id);
        self.start(id);
    }

    /// Whether all machines take part, and every range has all its replicas on nodes that do.
    pub fn is_whole(&self) -> bool {
        let nodes: Vec<NodeId> = self.ids().into_iter().map(|id| self.network.node_of(id)).collect();
        let takes_part = |machine: &Machine| {
            machine.is_awake() && machine.node().is_some_and(|node| node.member().is_some())
        };
        let is_settled = |range_id: RangeId| {
            let led = self.leaseholder(range_id).and_then(|leader| {
                let statuses = self.statuses(leader);
                statuses.into_iter().find(|status| status.descriptor.range_id == range_id)
            });
            led.is_some_and(|status| {
                let all = status.descriptor.nodes();
                all.len() == 3
                    && status.descriptor.voters().count() == 3
                    && all.iter().all(|node| nodes.contains(node))
            })
        };
        self.machines.iter().all(|machine| takes_part(machine) && !machine.damage.is_there())
            && self.ranges().into_iter().all(is_settled)
    }

    /// Steps until a time, or until something is wrong.
    pub fn run_until(&mut self, until: u64) {
        while self.time.now() < until && self.violation.is_none() {
            self.step();
        }
    }

    /// Steps until a condition holds; what does not come about in time is a violation.
    pub fn wait_for(&mut self, what: &'static str, time: u64, mut holds: impl FnMut(&mut Self) -> bool) {
        let until = self.time.now() + time;
        while self.violation.is_none() && !holds(self) {
            if self.time.now() >= until {
                self.violate(
                    "everything comes about in time",
                    format!("in vain for {} s: {what}", time / SECOND),
                );
                return;
            }
            self.step();
        }
    }

    fn look(&mut self) {
        let panicked = self.panicked.lock().take();
        if let Some(text) = panicked {
            self.violate("nothing panics", text);
        }
        for at in 0..self.machines.len() {
            let failure = self.machines.get(at).and_then(|machine| machine.node()?.failure());
            if let Some(reason) = failure {
                self.violate("no process ends by itself", format!("m{}: {reason}", at + 1));
            }
        }
        if self.steps.is_multiple_of(LOOK_STEPS) {
            let view = self.view();
            if let Err((invariant, detail)) = self.invariants.look(&view) {
                self.violate(invariant, detail);
            }
        }
        if self.steps.is_multiple_of(COMPARE_STEPS) {
            let view = self.view();
            if let Err((invariant, detail)) = self.invariants.compare(&view) {
                self.violate(invariant, detail);
            }
            self.check_answers();
        }
    }

    /// Who waits longer than anything may take, with a process that runs.
    fn check_answers(&mut self) {
        let now = self.time.now();
        let awake: Vec<MachineId> =
            self.machines.iter().filter(|machine| machine.is_awake()).map(|machine| machine.id).collect();
        let hanging = self.workload.history.with(|ops| {
            let hangs = |op: &&Op| {
                op.outcome == Outcome::Pending
                    && op.invoked + OPERATION_MAX < now
                    && awake.contains(&op.machine)
                    && self.invariants.started(op.machine) < op.invoked
            };
            ops.iter().find(hangs).map(|op| format!("op {} ({}) on m{}", op.id, op.kind, op.machine))
        });
        if let Some(detail) = hanging {
            self.violate("nothing hangs", detail);
        }
    }

    /// The state of all machines now.
    pub fn view(&self) -> View {
        let machines = self.machines.iter().map(|machine| Seen {
            machine: machine.id,
            node: self.network.node_of(machine.id),
            store: Arc::clone(&machine.store),
            statuses: machine
                .node()
                .and_then(|node| node.ranges())
                .map_or_else(Vec::new, |ranges| ranges.statuses()),
        });
        View {
            now: self.time.now(),
            wall: self.time.wall_micros(),
            is_calm: self.is_calm(),
            machines: machines.collect(),
        }
    }

    /// Whether all machines are up, connected and well.
    pub fn is_calm(&self) -> bool {
        let is_well = |machine: &Machine| {
            let is_member = machine.node().is_some_and(|node| node.member().is_some());
            is_member && machine.is_awake() && machine.disk.is_sound()
        };
        self.network.is_sound() && self.machines.iter().all(is_well)
    }

    /// Clients end with what they are doing, and none begin, until they are let again.
    pub fn let_clients(&mut self, work: bool) {
        self.workload.stop.store(!work, Ordering::Relaxed);
        self.clients_wanted = work;
        self.served.fill(false);
    }

    fn start_clients(&mut self) {
        for at in 0..self.machines.len() {
            let is_served = self.served.get(at).copied().unwrap_or(true);
            let Some(machine) = self.machines.get(at).filter(|_| !is_served) else { continue };
            let id = machine.id;
            let Some(member) = machine.node().and_then(|node| node.member().cloned()) else { continue };
            for _ in 0..CLIENTS {
                let client = Client {
                    workload: self.workload.clone(),
                    machine: id,
                    database: member.database().clone(),
                    rng: StdRng::seed_from_u64(self.rng.random()),
                };
                self.machines.get(at).expect("it was there").spawn(client.run());
            }
            if let Some(client) = self.sql_client(at) {
                self.machines.get(at).expect("it was there").spawn(client.run());
            }
            self.set_served(id, true);
        }
    }

    fn sql_client(&mut self, at: usize) -> Option<SqlClient> {
        let machine = self.machines.get(at)?;
        Some(SqlClient {
            workload: self.workload.clone(),
            machine: machine.id,
            node: Arc::clone(machine.node()?.sql()?),
            rng: StdRng::seed_from_u64(self.rng.random()),
        })
    }

    /// Does something in a machine's process, as its clients do; nothing where it is no member.
    pub fn work_on<F>(&mut self, id: MachineId, work: impl FnOnce(Workload, DistributedDatabase) -> F)
    where
        F: Future<Output = Result<(), KvError>> + Send + 'static,
    {
        let workload = self.workload.clone();
        let machine = self.machine(id);
        let Some(member) = machine.node().and_then(|node| node.member().cloned()) else { return };
        let work = work(workload, member.database().clone());
        // What became of it stands in the history.
        machine.spawn(async move { drop(work.await) });
    }

    /// The statuses of a machine's replicas.
    pub fn statuses(&self, id: MachineId) -> Vec<ReplicaStatus> {
        let node = self.machines.iter().find(|machine| machine.id == id).and_then(|machine| machine.node());
        node.and_then(|node| node.ranges()).map_or_else(Vec::new, |ranges| ranges.statuses())
    }

    /// The machine that holds a range's lease now.
    pub fn leaseholder(&self, range_id: RangeId) -> Option<MachineId> {
        let holds = |id: &MachineId| {
            let statuses = self.statuses(*id);
            statuses.iter().any(|status| status.descriptor.range_id == range_id && status.has_lease)
        };
        self.ids().into_iter().find(holds)
    }

    /// The machine that holds the lease for a key now, and its replica.
    pub fn leader_at(&self, key: &Key) -> Option<(MachineId, ReplicaStatus)> {
        let serves = |status: &ReplicaStatus| status.has_lease && status.descriptor.span.contains(key);
        self.ids().into_iter().find_map(|id| Some((id, self.statuses(id).into_iter().find(serves)?)))
    }

    /// All ranges that some machine has, in order.
    pub fn ranges(&self) -> Vec<RangeId> {
        let statuses = self.ids().into_iter().flat_map(|id| self.statuses(id));
        let mut ranges: Vec<RangeId> = statuses.map(|status| status.descriptor.range_id).collect();
        ranges.sort_unstable();
        ranges.dedup();
        ranges
    }

    /// Hands a range's lease over from whoever holds it, without waiting for the end.
    pub fn hand_over(&mut self, range_id: RangeId, to: MachineId) {
        let Some(from) = self.leaseholder(range_id).filter(|from| *from != to) else { return };
        let Some(ranges) = self.machine(from).node().and_then(|node| node.ranges()).cloned() else { return };
        self.trace.event(from, format_args!("hands {range_id} over to m{to}"));
        let (coverage, trace, node) = (self.coverage.clone(), self.trace.clone(), self.network.node_of(to));
        self.machine(from).spawn(async move {
            match ranges.end_lease_and_transfer(range_id, node).await {
                Ok(()) => coverage.hit(Point::HandOver),
                Err(error) => {
                    trace.event(from, format_args!("hand-over failed: {error}"));
                    coverage.hit(Point::HandOverFailed);
                }
            }
        });
    }

    /// Ends a replica's Raft task, as a defect of its own would.
    pub fn kill_task(&mut self, id: MachineId, range_id: RangeId) {
        let Some(ranges) = self.machine(id).node().and_then(|node| node.ranges()).cloned() else { return };
        self.machine(id).spawn(async move { ranges.kill_raft_task(range_id).await });
    }

    /// Moves a replica of a range to a machine that has none; the node asked is another one by chance.
    pub fn move_replica(&mut self, range_id: RangeId, asked: MachineId) {
        let Some(status) =
            self.statuses(asked).into_iter().find(|status| status.descriptor.range_id == range_id)
        else {
            return;
        };
        let nodes = status.descriptor.nodes();
        let free: Vec<MachineId> =
            self.ids().into_iter().filter(|id| !nodes.contains(&self.network.node_of(*id))).collect();
        let (Some(from), Some(to)) =
            (nodes.choose(&mut self.rng).copied(), free.choose(&mut self.rng).copied())
        else {
            return;
        };
        let to = self.network.node_of(to);
        self.ask(asked, RangeCommand::Move { range_id, from, to, share_tier: true });
    }

    /// What a person asks of a range, through a machine's node.
    pub fn ask(&mut self, asked: MachineId, command: RangeCommand) {
        let (trace, coverage) = (self.trace.clone(), self.coverage.clone());
        let questions = self.network.questions(asked);
        self.machine(asked).spawn(async move {
            let command_of = AdminCommand::Range(command.clone());
            let request = AdminRequest { token: None, store_id: None, command: command_of };
            let request = BootstrapRequest::Admin(request);
            let answer = ask(questions.as_ref(), &address(asked), &request, COMMAND_TIMEOUT).await;
            trace.event(asked, format_args!("{command:?}: {answer:?}"));
            if matches!(command, RangeCommand::Move { .. })
                && matches!(answer, Ok(BootstrapAnswer::RangeDone(_)))
            {
                coverage.hit(Point::Move);
            }
        });
    }

    /// Starts all machines, forms a cluster and fills the tables.
    pub fn set_up(&mut self) {
        for id in self.ids() {
            self.start(id);
        }
        self.wait_for("all processes are up", SETUP_MAX, |world| {
            world.machines.iter().all(|machine| machine.node().is_some_and(|node| node.cluster().is_some()))
        });
        self.do_on_first("the cluster is initialised", |node| async move {
            let cluster = Arc::clone(node.cluster().ok_or("not up")?);
            cluster.init().await.map(|_| ()).map_err(|error| error.to_string())
        });
        self.wait_for("all are members", SETUP_MAX, |world| {
            world.machines.iter().all(|machine| machine.node().is_some_and(|node| node.member().is_some()))
        });
        for table in TABLES {
            self.do_on_first("a table's range is made", move |node| async move {
                let member = Arc::clone(node.member().ok_or("no member")?);
                let span = keyspace::table_span(table);
                member.create_table_range(span).await.map_err(|error| error.to_string())
            });
        }
        // Tables of SQL come behind those that clients make without it.
        self.do_on_first("ids of tables are taken", |node| async move {
            let database = node.member().ok_or("no member")?.database().clone();
            let mut transaction =
                database.begin(TransactionOptions::default()).await.map_err(|e| e.to_string())?;
            let taken = Write::put(keys::table_id_counter_key(), keys::number_value(TABLE_IDS_TAKEN));
            transaction.write(taken).map_err(|error| error.to_string())?;
            transaction.commit(None).await.map(|_| ()).map_err(|error| error.to_string())
        });
        for (name, value) in SETTINGS {
            self.set_setting(name, value);
        }
        let workload = self.workload.clone();
        self.do_on_first("tables are filled", move |node| {
            let workload = workload.clone();
            async move {
                let database = node.member().ok_or("no member")?.database().clone();
                workload::fill(&workload, 1, &database).await.map_err(|error| error.to_string())
            }
        });
        self.clients_wanted = true;
    }

    /// Changes a setting of the cluster, through the first machine.
    pub fn set_setting(&mut self, name: &'static str, value: &'static str) {
        self.do_on_first("a setting is made", move |node| async move {
            let member = Arc::clone(node.member().ok_or("no member")?);
            member.set_setting(name, value).await.map_err(|error| error.to_string())
        });
    }

    /// Does something in the first machine's process until it works.
    fn do_on_first<F>(&mut self, what: &'static str, mut work: impl FnMut(Arc<NodeProcess>) -> F)
    where
        F: Future<Output = Result<(), String>> + Send + 'static,
    {
        let until = self.time.now() + SETUP_MAX;
        while self.violation.is_none() {
            let Some(node) = self.machines.first().and_then(|machine| machine.node()).cloned() else {
                return;
            };
            let result = Arc::new(Mutex::new(None));
            let (slot, work) = (Arc::clone(&result), work(node));
            self.machine(1).spawn(async move {
                let done = work.await;
                *slot.lock() = Some(done);
            });
            self.wait_for(what, SETUP_MAX, |_| result.lock().is_some());
            match result.lock().take() {
                Some(Ok(())) => return,
                Some(Err(reason)) if self.time.now() > until => self.violate(what, reason),
                Some(Err(reason)) => self.trace.event(0, format_args!("not yet: {what}: {reason}")),
                None => return,
            }
            self.run_until(self.time.now() + SECOND / 10);
        }
    }

    /// Ends all faults, and starts what is down.
    pub fn heal(&mut self) {
        self.trace.event(0, "everything heals");
        self.network.set_quality(Quality::GOOD);
        self.workload.set_mix(Mix::Everything);
        let ids = self.ids();
        for from in &ids {
            for to in &ids {
                self.network.mend(*from, *to);
                self.network.slow_down(*from, *to, 0);
            }
        }
        for id in ids {
            let machine = self.machine(id);
            machine.disk.slow_writes(0);
            machine.disk.slow_work(0);
            machine.disk.delay_apply(0);
            machine.offset.store(0, Ordering::Relaxed);
            if !machine.is_on() {
                self.start(id);
            }
        }
    }

    /// After healing: every table takes writes, every client gets its answer, all replicas become equal.
    pub fn come_to_rest(&mut self) {
        self.heal();
        self.wait_for("all processes run", ANSWERS_MAX, |world| {
            world.machines.iter().all(|machine| {
                machine.is_awake() && machine.node().is_some_and(|node| node.member().is_some())
            })
        });
        let healed = self.time.now();
        self.run_until(healed + AFTER_HEALING);
        let kinds = ["transfer", "add", "insert"];
        self.wait_for("every table takes writes", RECOVERY_MAX, |world| {
            world.workload.history.with(|ops| {
                let works = |kind: &&str| ops.iter().rev().any(|op| works_again(op, kind, healed));
                kinds.iter().all(works)
            })
        });
        self.workload.stop.store(true, Ordering::Relaxed);
        self.wait_for("all clients have their answers", DDL_MAX, |world| {
            let waits = |op: &Op| op.outcome == Outcome::Pending && op.invoked >= healed;
            world.workload.running.load(Ordering::Relaxed) == 0
                && !world.workload.history.with(|ops| ops.iter().any(waits))
        });
        self.wait_for("all replicas are equal and nothing is left over", REST_MAX, |world| {
            world.steps.is_multiple_of(LOOK_STEPS) && world.is_at_rest()
        });
        self.check_end();
    }

    fn is_at_rest(&mut self) -> bool {
        let view = self.view();
        self.invariants.at_rest(&view).is_ok()
    }

    /// The checks of the whole history.
    fn check_end(&mut self) {
        if self.violation.is_some() {
            if let Err((invariant, detail)) = self.invariants.at_rest(&self.view()) {
                self.trace.event(0, format_args!("not at rest: {invariant}: {detail}"));
            }
            return;
        }
        let ops = self.workload.history.snapshot();
        let sql = self.workload.sql.with(Invariants::end_of_sql);
        if let Err((invariant, detail)) = sql.and_then(|()| self.invariants.end(&self.view(), &ops)) {
            self.violate(invariant, detail);
        }
    }
}

fn works_again(op: &Op, kind: &str, healed: u64) -> bool {
    match op.outcome {
        Outcome::Committed(_) => op.kind == kind && op.invoked >= healed,
        Outcome::Pending | Outcome::Failed(_) | Outcome::Unknown(_) => false,
    }
}
