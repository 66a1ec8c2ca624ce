//! The simulated network: packets with delay, loss and duplication; links that are cut, slow or reset.
//!
//! Within a lane of a link packets arrive in the order in which they were sent, apart from duplicates; the two lanes
//! overtake each other. Loss of single packets is harsher than the connections of a real node, which lose a whole tail
//! and say so: that is a reset here.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::Mutex;
use quorate_placement::topology::NodeId;
use quorate_raft_groups::cluster::bootstrap::BootstrapTransport;
use quorate_raft_groups::cluster::hello::Hello;
use quorate_raft_groups::limits::MESSAGE_MAX_BYTES;
use quorate_raft_groups::rpc::{Service, asked_service};
use quorate_raft_groups::transport::{Lane, Message, SendError, Transport};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::sync::oneshot;

use crate::coverage::{Coverage, Point};
use crate::time::SimTime;

/// A simulated machine, numbered from one.
pub type MachineId = u64;

/// How links are when nothing in particular is wrong with them.
#[derive(Clone, Copy, Debug)]
pub struct Quality {
    /// Shortest delay in microseconds.
    pub delay_min: u64,
    /// Longest delay in microseconds.
    pub delay_max: u64,
    /// Lost packets of a thousand.
    pub lost_permille: u32,
    /// Packets of a thousand that come twice.
    pub twice_permille: u32,
    /// How often an order of one node to another comes once more: whoever drives a change repeats them.
    pub repeats: u32,
    /// How much later, at most, in microseconds.
    pub repeated_after_max: u64,
}

impl Quality {
    /// As in one data centre.
    pub const GOOD: Self = Self {
        delay_min: 100,
        delay_max: 1_500,
        lost_permille: 0,
        twice_permille: 0,
        repeats: 0,
        repeated_after_max: 0,
    };
}

/// What arrives at a machine.
pub enum Arrival {
    /// A message of another node.
    Message {
        /// Its machine.
        machine: MachineId,
        /// The node.
        from: NodeId,
        /// On which lane.
        lane: Lane,
        /// The message.
        bytes: Bytes,
    },
    /// A connection of this machine broke.
    Disconnected {
        /// The node at its other end.
        to: NodeId,
        /// Which lane.
        lane: Lane,
    },
    /// A node does not believe what this machine's node says of itself.
    Denied {
        /// The node.
        by: NodeId,
    },
    /// A question to this machine's address.
    Question {
        /// Who asks.
        machine: MachineId,
        /// What.
        payload: Bytes,
        /// Where the answer goes.
        answer: oneshot::Sender<Bytes>,
    },
}

type Link = (MachineId, MachineId);

struct State {
    rng: StdRng,
    quality: Quality,
    nodes: BTreeMap<NodeId, MachineId>,
    /// How the newest process of each machine greets others.
    hellos: BTreeMap<MachineId, Hello>,
    /// Nodes whose disks are lost: nobody answers for them any more.
    lost: BTreeSet<NodeId>,
    /// Machines that are on, and on which no process runs: whoever sends there is told so.
    refusing: BTreeSet<MachineId>,
    /// What is under way to each machine, by the time of arrival and the order of sending.
    under_way: BTreeMap<MachineId, BTreeMap<(u64, u64), Arrival>>,
    /// When the last packet of a lane arrives.
    last_due: BTreeMap<(Link, Lane), u64>,
    cut: BTreeSet<Link>,
    slow: BTreeMap<Link, u64>,
    sent: u64,
}

/// The network; clones are the same one.
#[derive(Clone)]
pub struct Network {
    state: Arc<Mutex<State>>,
    time: SimTime,
    coverage: Coverage,
}

impl State {
    fn delay(&mut self, link: Link) -> u64 {
        let delay = self.rng.random_range(self.quality.delay_min..=self.quality.delay_max);
        let extra = self.slow.get(&link).copied().unwrap_or(0);
        if extra == 0 { delay } else { delay + self.rng.random_range(0..=extra) }
    }

    fn put(&mut self, to: MachineId, due: u64, arrival: Arrival) {
        self.sent += 1;
        self.under_way.entry(to).or_default().insert((due, self.sent), arrival);
    }

    /// All machines but this one.
    fn others(&self, machine: MachineId) -> BTreeSet<MachineId> {
        self.nodes.values().copied().filter(|id| *id != machine).collect()
    }

    /// A machine is told that its connections to another one broke.
    fn disconnect(&mut self, told: MachineId, from: MachineId, due: u64) {
        let of_machine = self.nodes.iter().filter(|(_, machine)| **machine == from);
        let nodes: Vec<NodeId> = of_machine.map(|(node, _)| *node).collect();
        for to in nodes {
            for lane in Lane::ALL {
                self.put(told, due, Arrival::Disconnected { to, lane });
            }
        }
    }

    /// How often a message comes again, if it is an order. A client's request never does: what its client was told of it
    /// is final.
    fn repeats(&self, message: &[u8]) -> u32 {
        if asked_service(message) == Some(Service::Cluster) { self.quality.repeats } else { 0 }
    }

    fn chance(&mut self, permille: u32) -> bool {
        permille > 0 && self.rng.random_range(0..1_000) < permille
    }
}

impl Network {
    /// A network without nodes.
    pub fn new(time: SimTime, coverage: Coverage, seed: u64) -> Self {
        let state = State {
            rng: StdRng::seed_from_u64(seed),
            quality: Quality::GOOD,
            nodes: BTreeMap::new(),
            hellos: BTreeMap::new(),
            lost: BTreeSet::new(),
            refusing: BTreeSet::new(),
            under_way: BTreeMap::new(),
            last_due: BTreeMap::new(),
            cut: BTreeSet::new(),
            slow: BTreeMap::new(),
            sent: 0,
        };
        Self { state: Arc::new(Mutex::new(state)), time, coverage }
    }

    /// What a machine's node sends through.
    pub fn transport(&self, machine: MachineId, node: NodeId) -> Arc<dyn Transport> {
        self.state.lock().nodes.insert(node, machine);
        Arc::new(SimTransport { network: self.clone(), machine, node })
    }

    /// The node that a machine is: the newest, where it was another one before its disk was lost.
    pub fn node_of(&self, machine: MachineId) -> NodeId {
        let state = self.state.lock();
        let newest = state.nodes.iter().rev().find(|(node, on)| **on == machine && node.0 > 0);
        newest.map_or(NodeId(machine), |(node, _)| *node)
    }

    /// The newest process of a machine greets others like this.
    pub fn set_hello(&self, machine: MachineId, hello: Hello) {
        self.state.lock().hellos.insert(machine, hello);
    }

    /// How a machine's newest process greets others.
    pub fn hello_of(&self, machine: MachineId) -> Option<Hello> {
        self.state.lock().hellos.get(&machine).cloned()
    }

    /// A node tells a machine that it does not believe its greeting.
    pub fn deny(&self, machine: MachineId, by: NodeId) {
        let now = self.time.now();
        self.state.lock().put(machine, now + 1, Arrival::Denied { by });
    }

    /// Nobody is this node any more.
    pub fn lose(&self, node: NodeId) {
        self.state.lock().lost.insert(node);
    }

    /// The process on a machine has ended, and the machine says so to whoever it hears.
    pub fn refuse(&self, machine: MachineId) {
        self.coverage.hit(Point::Refused);
        let now = self.time.now();
        let mut state = self.state.lock();
        state.refusing.insert(machine);
        for other in state.others(machine) {
            if !state.cut.contains(&(machine, other)) {
                state.disconnect(other, machine, now + 1);
            }
        }
    }

    /// A machine's process is a new one: connections to the one before break, as soon as anybody uses them.
    pub fn restarted(&self, machine: MachineId) {
        let now = self.time.now();
        let mut state = self.state.lock();
        state.refusing.remove(&machine);
        for other in state.others(machine) {
            state.disconnect(other, machine, now + 1);
        }
    }

    /// Whether no link is worse than in one data centre.
    pub fn is_sound(&self) -> bool {
        let state = self.state.lock();
        let Quality { lost_permille, twice_permille, delay_max, .. } = state.quality;
        let is_good = lost_permille == 0 && twice_permille == 0 && delay_max <= Quality::GOOD.delay_max;
        is_good && state.cut.is_empty() && state.slow.values().all(|extra| *extra == 0)
    }

    /// How a machine asks addresses.
    pub fn questions(&self, machine: MachineId) -> Arc<dyn BootstrapTransport> {
        Arc::new(SimQuestions { network: self.clone(), machine })
    }

    /// Takes what has arrived at a machine by now.
    pub fn take(&self, machine: MachineId) -> Vec<Arrival> {
        let now = self.time.now();
        let mut state = self.state.lock();
        let Some(under_way) = state.under_way.get_mut(&machine) else { return Vec::new() };
        let later = under_way.split_off(&(now + 1, 0));
        let arrived = std::mem::replace(under_way, later);
        let is_cut = |from: MachineId| state.cut.contains(&(from, machine));
        arrived
            .into_values()
            .filter(|arrival| match arrival {
                Arrival::Message { machine, .. } | Arrival::Question { machine, .. } => !is_cut(*machine),
                Arrival::Disconnected { .. } | Arrival::Denied { .. } => true,
            })
            .collect()
    }

    /// Forgets what is under way to a machine, whose process is gone.
    pub fn drop_arrivals(&self, machine: MachineId) {
        self.state.lock().under_way.remove(&machine);
    }

    /// Whether messages pass from the first machine to the second.
    pub fn passes(&self, from: MachineId, to: MachineId) -> bool {
        !self.state.lock().cut.contains(&(from, to))
    }

    /// From now on messages from the first machine to the second are lost.
    pub fn cut(&self, from: MachineId, to: MachineId) {
        self.state.lock().cut.insert((from, to));
    }

    /// Messages pass again, over new connections.
    pub fn mend(&self, from: MachineId, to: MachineId) {
        if self.state.lock().cut.remove(&(from, to)) {
            self.reset(from, to);
        }
    }

    /// Packets of a link take up to `extra` microseconds longer; none where that is zero.
    pub fn slow_down(&self, from: MachineId, to: MachineId, extra: u64) {
        self.state.lock().slow.insert((from, to), extra);
    }

    /// Changes all links.
    pub fn set_quality(&self, quality: Quality) {
        self.state.lock().quality = quality;
    }

    /// The connections of a link break: what is under way is lost, and the sender is told.
    pub fn reset(&self, from: MachineId, to: MachineId) {
        let now = self.time.now();
        let mut state = self.state.lock();
        if let Some(under_way) = state.under_way.get_mut(&to) {
            under_way.retain(|_, arrival| match arrival {
                Arrival::Message { machine, .. } => *machine != from,
                Arrival::Disconnected { .. } | Arrival::Denied { .. } | Arrival::Question { .. } => true,
            });
        }
        state.disconnect(from, to, now + 1);
    }

    fn send(&self, from: (MachineId, NodeId), to: NodeId, lane: Lane, bytes: Bytes) -> Result<(), SendError> {
        if bytes.len() > MESSAGE_MAX_BYTES {
            return Err(SendError::TooLarge);
        }
        if asked_service(&bytes) == Some(Service::Heartbeat) {
            self.coverage.hit(Point::Beats);
        }
        let now = self.time.now();
        let mut state = self.state.lock();
        let machine = *state.nodes.get(&to).ok_or(SendError::UnknownNode)?;
        if state.lost.contains(&to) {
            return Ok(());
        }
        let link = (from.0, machine);
        let lost_permille = state.quality.lost_permille;
        if state.chance(lost_permille) {
            self.coverage.hit(Point::Lost);
            return Ok(());
        }
        if state.cut.contains(&link) {
            return Ok(());
        }
        if state.refusing.contains(&machine) {
            return Err(SendError::Unreachable);
        }
        let due = now + state.delay(link);
        let last = state.last_due.entry((link, lane)).or_insert(0);
        *last = due.max(*last);
        let due = *last;
        let arrival = |bytes| Arrival::Message { machine: from.0, from: from.1, lane, bytes };
        state.put(machine, due, arrival(bytes.clone()));
        for _ in 0..state.repeats(&bytes) {
            let after_max = state.quality.repeated_after_max;
            let again = due + state.rng.random_range(0..=after_max);
            state.put(machine, again, arrival(bytes.clone()));
        }
        let twice_permille = state.quality.twice_permille;
        if state.chance(twice_permille) {
            self.coverage.hit(Point::Duplicated);
            let again = due + state.delay(link) * 20;
            state.put(machine, again, arrival(bytes));
        }
        Ok(())
    }
}

struct SimTransport {
    network: Network,
    machine: MachineId,
    node: NodeId,
}

impl Transport for SimTransport {
    fn send(&self, to: NodeId, lane: Lane, message: Message) -> Result<(), SendError> {
        self.network.send((self.machine, self.node), to, lane, message.into_bytes())
    }
}

/// The address of a machine.
pub fn address(machine: MachineId) -> String {
    format!("m{machine}:7001")
}

fn machine_at(address: &str) -> Option<MachineId> {
    address.strip_prefix('m')?.split(':').next()?.parse().ok()
}

struct SimQuestions {
    network: Network,
    machine: MachineId,
}

#[async_trait]
impl BootstrapTransport for SimQuestions {
    async fn call(&self, address: &str, payload: Bytes, timeout: Duration) -> Result<Bytes, String> {
        let to = machine_at(address).ok_or("no such address")?;
        let (answer, answered) = oneshot::channel();
        {
            let mut state = self.network.state.lock();
            let due = self.network.time.now() + state.delay((self.machine, to));
            state.put(to, due, Arrival::Question { machine: self.machine, payload, answer });
        }
        match tokio::time::timeout(timeout, answered).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(_)) => Err("connection refused".to_owned()),
            Err(_) => Err(format!("no answer within {timeout:?}")),
        }
    }
}
