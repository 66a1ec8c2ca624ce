//! What the clients of SQL did and saw: each statement with the times of question and answer.

use std::sync::Arc;

use parking_lot::Mutex;

use crate::network::MachineId;
use crate::time::SimTime;
use crate::trace::Trace;

/// What a statement, or a short transaction, does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SqlKind {
    /// CREATE TABLE, alone or within a transaction.
    Create,
    /// DROP TABLE.
    Drop,
    /// TRUNCATE: another table takes its place.
    Truncate,
    /// ALTER TABLE … ADD PRIMARY KEY: another table takes its place, with the same rows.
    AddKey,
    /// Writes its own number into a row.
    Write {
        /// The row.
        row: u64,
    },
    /// Reads a row.
    Read {
        /// The row.
        row: u64,
    },
    /// Takes the next value of the sequence.
    Next,
    /// Sets the sequence to a place of its own, which is its number times [`PLACE`].
    SetTo,
}

/// Values between two places of the sequence: more than are ever taken.
pub const PLACE: u64 = 1_000_000;

impl SqlKind {
    /// Whether it changes which tables there are, or which rows, all at once.
    pub fn is_ddl(self) -> bool {
        match self {
            Self::Create | Self::Drop | Self::Truncate => true,
            Self::AddKey | Self::Write { .. } | Self::Read { .. } | Self::Next | Self::SetTo => false,
        }
    }
}

/// How it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SqlOutcome {
    /// Not yet; never, where its node crashed.
    Pending,
    /// Done; of a read, the number in the row.
    Done(Option<u64>),
    /// Surely not done, with this SQLSTATE.
    Failed(&'static str),
    /// Done or not.
    Unknown,
}

/// One statement of a client.
#[derive(Clone, Debug)]
pub struct SqlOp {
    /// Its number, from one.
    pub id: u64,
    /// Through which machine.
    pub machine: MachineId,
    /// The table's name.
    pub table: u64,
    /// What it does.
    pub kind: SqlKind,
    /// When it began.
    pub invoked: u64,
    /// When its answer came.
    pub answered: Option<u64>,
    /// How it ended.
    pub outcome: SqlOutcome,
    /// The other write of the same transaction, in another table.
    pub twin: Option<u64>,
    /// Of a write whose transaction has read the row before: what it found.
    pub after: Option<Option<u64>>,
}

/// All of them; clones are the same history.
#[derive(Clone)]
pub struct SqlHistory {
    ops: Arc<Mutex<Vec<SqlOp>>>,
    time: SimTime,
    trace: Trace,
}

impl SqlHistory {
    /// An empty one.
    pub fn new(time: SimTime, trace: Trace) -> Self {
        Self { ops: Arc::default(), time, trace }
    }

    /// A client begins a statement; gives its number.
    pub fn invoke(&self, machine: MachineId, table: u64, kind: SqlKind) -> u64 {
        self.begin(machine, (table, kind), None)
    }

    /// A client begins a transaction that writes the same row of two tables; gives their numbers.
    pub fn invoke_twins(&self, machine: MachineId, tables: [u64; 2], row: u64) -> [u64; 2] {
        let first = self.with(|ops| ops.len() as u64 + 1);
        let twins = [(tables[0], first + 1), (tables[1], first)];
        twins.map(|(table, twin)| self.begin(machine, (table, SqlKind::Write { row }), Some(twin)))
    }

    fn begin(&self, machine: MachineId, (table, kind): (u64, SqlKind), twin: Option<u64>) -> u64 {
        let mut ops = self.ops.lock();
        let id = ops.len() as u64 + 1;
        self.trace.event(machine, format_args!("sql {id} begins: {kind:?} of s{table}"));
        let (invoked, answered, outcome) = (self.time.now(), None, SqlOutcome::Pending);
        ops.push(SqlOp { id, machine, table, kind, invoked, answered, outcome, twin, after: None });
        id
    }

    /// The transaction of a write has found this in the row before it writes.
    pub fn note_read(&self, id: u64, found: Option<u64>) {
        let at = usize::try_from(id - 1).unwrap_or(usize::MAX);
        if let Some(op) = self.ops.lock().get_mut(at) {
            op.after = Some(found);
        }
    }

    /// Its client has an answer.
    pub fn answer(&self, id: u64, outcome: SqlOutcome, told: &str) {
        let at = usize::try_from(id - 1).unwrap_or(usize::MAX);
        if let Some(op) = self.ops.lock().get_mut(at) {
            self.trace.event(op.machine, format_args!("sql {id} ends: {outcome:?} {told}"));
            (op.answered, op.outcome) = (Some(self.time.now()), outcome);
        }
    }

    /// How a statement has ended so far.
    pub fn outcome(&self, id: u64) -> SqlOutcome {
        let at = usize::try_from(id - 1).unwrap_or(usize::MAX);
        self.ops.lock().get(at).map_or(SqlOutcome::Pending, |op| op.outcome.clone())
    }

    /// Looks at all without copying them.
    pub fn with<R>(&self, look: impl FnOnce(&[SqlOp]) -> R) -> R {
        look(&self.ops.lock())
    }
}
