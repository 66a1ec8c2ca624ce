//! What must always hold (design.md section 13): one invariant a file.
//!
//! Cheap ones look at all replicas every few steps; [`same_bytes`] compares their data now and then; the clients' history
//! is judged at the end, against the versions that are left on the disks.

mod acknowledged;
mod bank;
mod damage;
mod intents;
mod kept;
mod linearizable;
mod newest_write;
mod one_leader;
mod one_server;
mod positions;
mod replicas;
mod same_bytes;
mod serializable;
mod sql_rows;
mod sql_sequences;
mod sql_tables;
mod tables_and_ranges;
mod tiling;
pub mod versions;

use std::collections::BTreeMap;
use std::sync::Arc;

use quorate_engine::kv::{Key, Span};
use quorate_engine::mvcc::intent::{Intent, intents_in};
use quorate_engine::mvcc::record::{self, TransactionRecord};
use quorate_engine::store::Store;
use quorate_engine::testing::PowerCutStore;
use quorate_placement::topology::NodeId;
use quorate_raft_groups::local_ranges::ReplicaStatus;
use uuid::Uuid;

use crate::coverage::Coverage;
use crate::history::Op;
use crate::network::MachineId;
use crate::sql_history::SqlOp;
use versions::Versions;

/// The name of an invariant, and how it is broken.
pub type Broken = (&'static str, String);

/// One machine at one moment.
pub struct Seen {
    /// Its number.
    pub machine: MachineId,
    /// The node that it is.
    pub node: NodeId,
    /// Its disk.
    pub store: Arc<PowerCutStore>,
    /// Its replicas.
    pub statuses: Vec<ReplicaStatus>,
}

/// All machines at one moment.
pub struct View {
    /// The time.
    pub now: u64,
    /// True wall time in microseconds.
    pub wall: u64,
    /// Whether all machines are up, connected and well.
    pub is_calm: bool,
    /// The machines.
    pub machines: Vec<Seen>,
}

impl View {
    /// All running replicas, with their machines.
    pub fn replicas(&self) -> impl Iterator<Item = (&Seen, &ReplicaStatus)> {
        self.machines.iter().flat_map(|seen| seen.statuses.iter().map(move |status| (seen, status)))
    }

    /// The replica that serves a key; of two sides of a split that is not applied everywhere, the new one.
    pub fn serving(&self, key: &Key) -> Option<(&Seen, &ReplicaStatus)> {
        let serving = self.replicas().filter(|(_, status)| status.has_lease);
        let of_key = serving.filter(|(_, status)| status.descriptor.span.contains(key));
        of_key.max_by_key(|(_, status)| status.descriptor.generation)
    }

    /// Whether no running replica is there for a key: where all machines run, no range holds it.
    pub fn is_nowhere(&self, key: &Key) -> bool {
        !self.replicas().any(|(_, status)| status.descriptor.span.contains(key))
    }

    /// Intents of a span, as those have them who serve it.
    pub fn intents(&self, span: &Span) -> Vec<(Key, Intent)> {
        let on = |seen: &Seen| {
            let intents = intents_in(seen.store.snapshot().as_ref(), span, usize::MAX);
            let intents = intents.expect("a store in memory").into_iter();
            let serves =
                |key: &Key| self.serving(key).is_some_and(|(server, _)| server.machine == seen.machine);
            intents.filter(|(key, _)| serves(key)).collect::<Vec<_>>()
        };
        self.machines.iter().flat_map(on).collect()
    }

    /// A transaction's record, as the one has it who serves its anchor, if anybody does.
    pub fn record(&self, anchor: &Key, transaction: Uuid) -> Option<Option<TransactionRecord>> {
        let (seen, _) = self.serving(anchor)?;
        let found = record::get(seen.store.snapshot().as_ref(), anchor, transaction);
        Some(found.expect("a store in memory"))
    }
}

/// All invariants, with what they remember.
pub struct Invariants {
    coverage: Coverage,
    one_server: one_server::OneServer,
    one_leader: one_leader::OneLeader,
    positions: positions::Positions,
    kept: kept::Kept,
    same_bytes: same_bytes::SameBytes,
    intents: intents::Intents,
    damage: damage::Damaged,
    crashes: BTreeMap<MachineId, u64>,
}

impl Invariants {
    /// With nothing seen yet.
    pub fn new(coverage: Coverage) -> Self {
        Self {
            one_server: one_server::OneServer::new(coverage.clone()),
            damage: damage::Damaged::new(coverage.clone()),
            coverage,
            one_leader: one_leader::OneLeader::default(),
            positions: positions::Positions::default(),
            kept: kept::Kept::default(),
            same_bytes: same_bytes::SameBytes::default(),
            intents: intents::Intents::default(),
            crashes: BTreeMap::new(),
        }
    }

    /// A machine lost its process.
    pub fn crashed(&mut self, machine: MachineId, now: u64) {
        self.positions.crashed(machine);
        self.crashes.insert(machine, now);
    }

    /// When a machine last lost its process.
    pub fn started(&self, machine: MachineId) -> u64 {
        self.crashes.get(&machine).copied().unwrap_or(0)
    }

    /// What is looked at every few steps.
    pub fn look(&mut self, view: &View) -> Result<(), Broken> {
        self.one_server.check(view)?;
        self.one_leader.check(view)?;
        self.positions.check(view)?;
        self.kept.check(view)?;
        self.damage.look(view);
        tiling::no_overlap(view)
    }

    /// What is looked at now and then.
    pub fn compare(&mut self, view: &View) -> Result<(), Broken> {
        self.intents.check(view)?;
        newest_write::check(view)?;
        self.same_bytes.check(view)
    }

    /// What holds when all is healed and nobody asks for anything.
    pub fn at_rest(&mut self, view: &View) -> Result<(), Broken> {
        tiling::no_gap(view)?;
        replicas::explained(view)?;
        replicas::complete(view)?;
        replicas::equal_positions(view)?;
        intents::gone(view)?;
        damage::replaced(view)?;
        tables_and_ranges::agree(view)?;
        self.same_bytes.check(view)
    }

    /// What the history of SQL's clients must be like.
    pub fn end_of_sql(ops: &[SqlOp]) -> Result<(), Broken> {
        sql_tables::check(ops)?;
        sql_rows::check(ops)?;
        sql_sequences::check(ops)
    }

    /// What the clients' history must be like.
    pub fn end(&self, view: &View, ops: &[Op]) -> Result<(), Broken> {
        damage::untold(ops)?;
        let versions = Versions::read(view)?;
        let commits = acknowledged::check(ops, &versions, &self.coverage)?;
        linearizable::check(ops, &versions, &commits)?;
        serializable::check(ops, &versions, &commits)?;
        bank::check(ops, &versions)
    }
}
