//! What must always hold (design.md section 13): one invariant a file.
//!
//! Cheap ones look at all replicas every few steps; [`same_bytes`] compares their data now and then; the clients' history
//! is judged at the end, against the versions that are left on the disks.

mod acknowledged;
mod bank;
mod intents;
mod linearizable;
mod one_leader;
mod one_server;
mod positions;
mod replicas;
mod same_bytes;
mod serializable;
mod tiling;
pub mod versions;

use std::collections::BTreeMap;
use std::sync::Arc;

use quorate_engine::testing::PowerCutStore;
use quorate_raft_groups::local_ranges::ReplicaStatus;

use crate::coverage::Coverage;
use crate::history::Op;
use crate::network::MachineId;
use versions::Versions;

/// The name of an invariant, and how it is broken.
pub type Broken = (&'static str, String);

/// One machine at one moment.
pub struct Seen {
    /// Its number.
    pub machine: MachineId,
    /// Its disk.
    pub store: Arc<PowerCutStore>,
    /// Its replicas.
    pub statuses: Vec<ReplicaStatus>,
}

/// All machines at one moment.
pub struct View {
    /// The time.
    pub now: u64,
    /// The machines.
    pub machines: Vec<Seen>,
}

impl View {
    /// All running replicas, with their machines.
    pub fn replicas(&self) -> impl Iterator<Item = (&Seen, &ReplicaStatus)> {
        self.machines.iter().flat_map(|seen| seen.statuses.iter().map(move |status| (seen, status)))
    }
}

/// All invariants, with what they remember.
pub struct Invariants {
    coverage: Coverage,
    one_server: one_server::OneServer,
    one_leader: one_leader::OneLeader,
    positions: positions::Positions,
    same_bytes: same_bytes::SameBytes,
    crashes: BTreeMap<MachineId, u64>,
    now: u64,
}

impl Invariants {
    /// With nothing seen yet.
    pub fn new(coverage: Coverage) -> Self {
        Self {
            one_server: one_server::OneServer::new(coverage.clone()),
            coverage,
            one_leader: one_leader::OneLeader::default(),
            positions: positions::Positions::default(),
            same_bytes: same_bytes::SameBytes::default(),
            crashes: BTreeMap::new(),
            now: 0,
        }
    }

    /// A machine lost its process.
    pub fn crashed(&mut self, machine: MachineId) {
        self.positions.crashed(machine);
        self.crashes.insert(machine, self.now);
    }

    /// When a machine last lost its process.
    pub fn started(&self, machine: MachineId) -> u64 {
        self.crashes.get(&machine).copied().unwrap_or(0)
    }

    /// What is looked at every few steps.
    pub fn look(&mut self, view: &View) -> Result<(), Broken> {
        self.now = view.now;
        self.one_server.check(view)?;
        self.one_leader.check(view)?;
        self.positions.check(view)?;
        tiling::no_overlap(view)
    }

    /// What is looked at now and then.
    pub fn compare(&mut self, view: &View) -> Result<(), Broken> {
        self.same_bytes.check(view)
    }

    /// What holds when all is healed and nobody asks for anything.
    pub fn at_rest(&mut self, view: &View) -> Result<(), Broken> {
        tiling::no_gap(view)?;
        replicas::explained(view)?;
        replicas::equal_positions(view)?;
        intents::gone(view)?;
        self.same_bytes.check(view)
    }

    /// What the clients' history must be like.
    pub fn end(&self, view: &View, ops: &[Op]) -> Result<(), Broken> {
        let versions = Versions::read(view)?;
        let commits = acknowledged::check(ops, &versions, &self.coverage)?;
        linearizable::check(ops, &versions, &commits)?;
        serializable::check(ops, &versions, &commits)?;
        bank::check(ops, &versions)
    }
}
