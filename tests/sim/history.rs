//! What the clients did and saw: every invocation and every answer, with the time of both.
//!
//! Each value names the operation that wrote it, so that whoever reads it knows where it came from.

use std::sync::Arc;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use parking_lot::Mutex;
use quorate_engine::hlc::Timestamp;
use quorate_engine::kv::{Key, Span};

use crate::network::MachineId;
use crate::time::SimTime;
use crate::trace::Trace;

/// Number of an operation, from one.
pub type OpId = u64;

/// What a value says, apart from padding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cell {
    /// Who wrote it.
    pub writer: OpId,
    /// A balance, a counter.
    pub number: i64,
}

impl Cell {
    /// As stored, with so many bytes of padding.
    pub fn encode(self, padding: usize) -> Bytes {
        let mut bytes = BytesMut::with_capacity(16 + padding);
        bytes.put_u64(self.writer);
        bytes.put_i64(self.number);
        bytes.resize(16 + padding, b'.');
        bytes.freeze()
    }

    /// From a stored value.
    pub fn decode(mut bytes: &[u8]) -> Option<Self> {
        (bytes.len() >= 16).then(|| Self { writer: bytes.get_u64(), number: bytes.get_i64() })
    }
}

/// Something that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Read {
    /// One key.
    Point {
        /// Which.
        key: Key,
        /// What it held.
        found: Option<Cell>,
    },
    /// All keys of a span.
    Scan {
        /// Which.
        span: Span,
        /// What they held.
        rows: Vec<(Key, Cell)>,
    },
}

/// How an operation ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Not yet; never, where its node crashed.
    Pending,
    /// Committed at this timestamp; a reader's is its read timestamp.
    Committed(Timestamp),
    /// Surely not done.
    Failed(String),
    /// Done or not.
    Unknown(String),
}

/// One transaction of a client.
#[derive(Clone, Debug)]
pub struct Op {
    /// Its number.
    pub id: OpId,
    /// Through which machine.
    pub machine: MachineId,
    /// What it was.
    pub kind: &'static str,
    /// When it began.
    pub invoked: u64,
    /// When its answer came.
    pub answered: Option<u64>,
    /// Read timestamp after the last of `reads`.
    pub read_at: Option<Timestamp>,
    /// What it read.
    pub reads: Vec<Read>,
    /// What it wrote, or would have; `None` for a deletion.
    pub writes: Vec<(Key, Option<Cell>)>,
    /// How it ended.
    pub outcome: Outcome,
}

/// All operations; clones are the same history.
#[derive(Clone)]
pub struct History {
    ops: Arc<Mutex<Vec<Op>>>,
    time: SimTime,
    trace: Trace,
}

impl History {
    /// An empty one.
    pub fn new(time: SimTime, trace: Trace) -> Self {
        Self { ops: Arc::default(), time, trace }
    }

    /// A client begins an operation.
    pub fn invoke(&self, machine: MachineId, kind: &'static str) -> OpId {
        let mut ops = self.ops.lock();
        let id = ops.len() as OpId + 1;
        self.trace.event(machine, format_args!("op {id} begins: {kind}"));
        ops.push(Op {
            id,
            machine,
            kind,
            invoked: self.time.now(),
            answered: None,
            read_at: None,
            reads: Vec::new(),
            writes: Vec::new(),
            outcome: Outcome::Pending,
        });
        id
    }

    /// Changes what is known of an operation.
    pub fn update(&self, id: OpId, change: impl FnOnce(&mut Op)) {
        let at = usize::try_from(id - 1).unwrap_or(usize::MAX);
        if let Some(op) = self.ops.lock().get_mut(at) {
            change(op);
        }
    }

    /// Its client has an answer.
    pub fn answer(&self, id: OpId, outcome: Outcome) {
        let now = self.time.now();
        self.update(id, |op| {
            self.trace.event(op.machine, Answer(op, &outcome));
            op.answered = Some(now);
            op.outcome = outcome;
        });
    }

    /// All operations so far.
    pub fn snapshot(&self) -> Vec<Op> {
        self.ops.lock().clone()
    }

    /// Looks at all operations without copying them.
    pub fn with<R>(&self, look: impl FnOnce(&[Op]) -> R) -> R {
        look(&self.ops.lock())
    }
}

/// One line about the end of an operation.
struct Answer<'a>(&'a Op, &'a Outcome);

impl std::fmt::Display for Answer<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self(op, outcome) = self;
        write!(f, "op {} ends: {} {outcome:?}", op.id, op.kind)?;
        for read in &op.reads {
            match read {
                Read::Point { key, found } => write!(f, "; {key} held {}", Found(*found))?,
                Read::Scan { rows, .. } => write!(f, "; {} rows", rows.len())?,
            }
        }
        for (key, cell) in &op.writes {
            write!(f, "; {key} := {}", Found(*cell))?;
        }
        Ok(())
    }
}

/// A cell as people read it.
pub struct Found(pub Option<Cell>);

impl std::fmt::Display for Found {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            None => f.write_str("nothing"),
            Some(Cell { writer, number }) => write!(f, "{number} of op {writer}"),
        }
    }
}
