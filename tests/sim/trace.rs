//! What happened, as one hash, and on request in words.
//!
//! Equal seeds must give equal traces, byte for byte. Everything that depends on chance or order goes in: packets,
//! faults, operations and their answers.

use std::fmt::Display;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::time::{Shown, SimTime};

/// How much is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verbosity {
    /// Nothing.
    #[default]
    Quiet,
    /// Faults, operations, and what the nodes log.
    Events,
    /// Every packet too.
    Packets,
}

/// The trace of one simulation; clones are the same one.
#[derive(Clone)]
pub struct Trace {
    time: SimTime,
    verbosity: Verbosity,
    hash: Arc<Mutex<u64>>,
}

/// One step of FNV-1a.
pub fn mix(hash: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(hash, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

/// Where a hash begins.
pub const HASH_START: u64 = 0xcbf2_9ce4_8422_2325;

impl Trace {
    /// An empty trace.
    pub fn new(time: SimTime, verbosity: Verbosity) -> Self {
        Self { time, verbosity, hash: Arc::new(Mutex::new(HASH_START)) }
    }

    /// Something that a reader of the trace wants to know.
    pub fn event(&self, machine: u64, what: impl Display) {
        let text = format!("{:>9} m{machine} {what}", Shown(self.time.now()));
        self.add(text.as_bytes());
        if self.verbosity >= Verbosity::Events {
            println!("{text}");
        }
    }

    /// A packet that arrives.
    pub fn packet(&self, from: u64, to: u64, bytes: &[u8]) {
        self.add(&[self.time.now(), from, to].map(u64::to_le_bytes).concat());
        self.add(bytes);
        if self.verbosity >= Verbosity::Packets {
            let hash = mix(HASH_START, bytes);
            println!(
                "{:>9} m{to} packet from m{from}: {} bytes, {hash:016x}",
                Shown(self.time.now()),
                bytes.len()
            );
        }
    }

    /// The hash of all so far.
    pub fn hash(&self) -> u64 {
        *self.hash.lock()
    }

    fn add(&self, bytes: &[u8]) {
        let mut hash = self.hash.lock();
        *hash = mix(*hash, bytes);
    }
}
