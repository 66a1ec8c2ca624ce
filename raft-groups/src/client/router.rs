//! Sends requests to the leaseholders of ranges, on this node or another, and finds the ranges of keys.
//!
//! In layers, each of which knows only the one below it:
//!
//! ```text
//! Router         waits for the holders of locks (`locks`); finds the ranges of keys (`directory`)
//! Walk           asks replica after replica, and learns where ranges lie (`walk`, `known`);
//!                what an answer that was lost leaves open (`fate`)
//! BackPressure   waits for a range that is about to be split (`back_pressure`)
//! Transport      one attempt at one node (`transport`)
//! ```
//!
//! A commit is sent until it was certainly received once: where its answer is lost, [`SendError::Lost`] says so, and the
//! transaction asks for its record.
//!
//! Invariant: every wait is taken from the caller's [`QuorumBudget`], but for those for locks and splits, which have limits
//! of their own; so a statement ends in time.

use std::sync::Arc;

use quorate_engine::clock::HybridClock;
use quorate_engine::kv::{Key, KvError, keyspace};
use quorate_placement::topology::{NodeId, RangeId};

use super::budget::QuorumBudget;
use crate::api::{RangeRequest, Request, Response};
use crate::clock_guard::{ClockDoubt, ClockEpoch};
use crate::descriptor::RangeDescriptor;
use crate::local_ranges::LocalRanges;
use crate::rpc::Rpc;
use crate::safeguard::{self, Safeguard};

mod back_pressure;
mod counts;
mod directory;
mod errors;
mod fate;
mod known;
mod locks;
mod send_error;
mod transport;
mod walk;

use back_pressure::BackPressure;
use counts::Counters;
use known::KnownRanges;
use transport::Transport;
use walk::Walk;

pub use counts::RouterCounts;
pub use directory::directory_key;
pub(crate) use directory::unexpected;
pub(crate) use errors::{answered_error, read_error, wrong_answer};
pub use send_error::SendError;

/// The range that holds all cluster metadata.
pub const SYSTEM_RANGE: RangeId = RangeId(1);

/// What a router is made of.
pub struct RouterConfig {
    /// This node.
    pub node: NodeId,
    /// Its replicas.
    pub ranges: Arc<dyn LocalRanges>,
    /// Calls to other nodes.
    pub rpc: Arc<Rpc>,
    /// The node's clock.
    pub clock: Arc<HybridClock>,
    /// Range 1, as the store last knew it.
    pub system: RangeDescriptor,
    /// Seed of the jitter.
    pub seed: u64,
}

/// Finds ranges and asks them.
pub struct Router {
    walk: Walk,
}

impl Router {
    /// A router that knows range 1 alone.
    pub fn new(config: RouterConfig) -> Arc<Self> {
        let RouterConfig { node, ranges, rpc, clock, system, seed } = config;
        let transport = Transport { node, ranges, rpc, clock };
        Arc::new(Self {
            walk: Walk {
                pressure: BackPressure::new(transport, seed),
                known: KnownRanges::new(system),
                counters: Counters::new(),
            },
        })
    }

    fn transport(&self) -> &Transport {
        &self.walk.pressure.transport
    }

    /// This node.
    pub fn node(&self) -> NodeId {
        self.transport().node
    }

    /// The node's clock.
    pub fn clock(&self) -> &Arc<HybridClock> {
        &self.transport().clock
    }

    /// Whether this node's clock is trusted, and was since an epoch that is given; gives the epoch that begins now.
    ///
    /// # Errors
    /// [`KvError::Clock`].
    pub fn check_clock(&self, since: Option<ClockEpoch>) -> Result<ClockEpoch, KvError> {
        match self.transport().rpc.check_clock(since) {
            Err(doubt) if safeguard::holds(Safeguard::ClockTrusted) => {
                Err(KvError::Clock { detail: doubt.to_string(), is_over: doubt == ClockDoubt::Past })
            }
            epoch => Ok(epoch.unwrap_or_default()),
        }
    }

    /// Requests answered so far.
    pub fn counts(&self) -> RouterCounts {
        self.walk.counters.read()
    }

    /// Range 1, as known here.
    pub fn system_range(&self) -> Arc<RangeDescriptor> {
        self.walk.known.system()
    }

    /// Takes note of a descriptor, if it is newer than what is known.
    pub fn learn(&self, descriptor: RangeDescriptor) -> bool {
        self.walk.known.learn(descriptor)
    }

    /// Forgets what is cached about a range.
    pub fn forget(&self, descriptor: &RangeDescriptor) {
        self.walk.known.forget(descriptor);
    }

    /// As [`Router::send_as`], for a sender that holds no intents.
    ///
    /// # Errors
    /// See [`SendError`].
    pub async fn send(
        &self,
        descriptor: &RangeDescriptor,
        request: Request,
        budget: &mut QuorumBudget,
    ) -> Result<Response, SendError> {
        self.send_as(descriptor, request, budget, None).await
    }

    /// A request as it is sent to a range.
    fn message(descriptor: &RangeDescriptor, request: Request) -> RangeRequest {
        RangeRequest { range_id: descriptor.range_id, generation: descriptor.generation, request }
    }
}

/// Whether range 1 holds the key.
fn is_system(key: &Key) -> bool {
    keyspace::system_span().contains(key)
}
