//! Puts a node together, alike in the server and in the simulator: only clock, network, disk and randomness differ.
//!
//! [`start_clock`] comes first: no timestamp is given out before the physical clock has passed all that an earlier
//! process may have given out. [`open_ranges`] follows once the node's id is known; everything above it is built by
//! [`crate::cluster::ClusterNode`].

use std::sync::Arc;
use std::time::Duration;

use quorate_engine::clock::{ClockError, HybridClock, PhysicalClock, StoredBound};
use quorate_engine::hlc::Timestamp;
use quorate_engine::kv::ScanEvaluator;
use quorate_engine::store::{Store, StoreError};
use quorate_placement::topology::NodeId;

use crate::blocking::{Blocking, pause};
use crate::clock_bound::BoundKeeper;
use crate::lease::timing::LAN;
use crate::rpc::{MessageClock, Rpc};
use crate::store::{RangeStore, StoreConfig, StoreOpenError};
use crate::transport::Transport;
use crate::versions::Protocols;

/// Key of the clock's bound in the family `range`: range id 0, and a kind of its own.
const CLOCK_BOUND_KEY: [u8; 9] = [0, 0, 0, 0, 0, 0, 0, 0, 32];
/// A wait of the start that is told about.
const LONG_WAIT: Duration = Duration::from_secs(2);

/// What a node's ranges are built with; what a simulation exchanges is here and nowhere else.
#[derive(Clone)]
pub struct NodeParts {
    /// Its store.
    pub store: Arc<dyn Store>,
    /// Its clock, from [`start_clock`].
    pub clock: Arc<HybridClock>,
    /// Its way to others.
    pub transport: Arc<dyn Transport>,
    /// Where work that may wait for the disk runs.
    pub blocking: Blocking,
    /// Runs scan programs.
    pub evaluator: Arc<dyn ScanEvaluator>,
    /// Of all random times.
    pub seed: u64,
    /// Told once when the store has failed: the process must stop.
    pub on_failure: Arc<dyn Fn(StoreError) + Send + Sync>,
}

/// The hybrid clock of a store, once the physical clock has passed all timestamps that an earlier process may have
/// given out, and who keeps its bound ahead.
///
/// # Errors
/// The store failed, its bound is damaged, or the system gives no thread.
pub async fn start_clock(
    store: Arc<dyn Store>,
    physical: Arc<dyn PhysicalClock>,
    blocking: &Blocking,
) -> Result<(Arc<HybridClock>, BoundKeeper), StoreError> {
    let bounds = StoredBound::new(store, CLOCK_BOUND_KEY.to_vec());
    let bound = bounds.load()?;
    let clock = Arc::new(HybridClock::new(physical, Box::new(bounds)));
    let wait = clock.wait_before_start(bound, Timestamp::MIN);
    if wait > LONG_WAIT {
        tracing::warn!(
            "this machine's clock is behind what was stored: waiting {wait:?} until it has passed it"
        );
    }
    pause(wait).await;
    let failed = |operation, detail| StoreError::Device { operation, detail };
    let extending = Arc::clone(&clock);
    let extended = blocking.run(move || extending.extend_bound()).await;
    match extended.map_err(|lost| failed("write", lost.to_string()))? {
        Ok(()) => {}
        Err(ClockError::Bound(error)) => return Err(error),
        Err(error) => return Err(failed("write", error.to_string())),
    }
    let keeper = BoundKeeper::start(&clock, blocking);
    let keeper = keeper.map_err(|error| failed("start of a thread", error.to_string()))?;
    Ok((clock, keeper))
}

/// Opens a node's replicas. `protocols` is what is spoken with others; `connect` is given the node's end of all calls before replicas open, which send at once;
/// messages of others must not come in before this returns.
///
/// # Errors
/// See [`StoreOpenError`].
pub async fn open_ranges(
    parts: &NodeParts,
    node_id: NodeId,
    protocols: Arc<Protocols>,
    connect: impl FnOnce(&Arc<Rpc>),
) -> Result<(Arc<Rpc>, Arc<RangeStore>), StoreOpenError> {
    let NodeParts { store, clock, transport, blocking, evaluator, seed, on_failure } = parts;
    let clock_of_messages = Arc::clone(clock) as Arc<dyn MessageClock>;
    let rpc = Rpc::speaking(node_id, Arc::clone(transport), clock_of_messages, protocols);
    rpc.tell_positions_of(Arc::clone(store));
    connect(&rpc);
    let config = StoreConfig {
        node_id,
        engine: Arc::clone(store),
        clock: Arc::clone(clock),
        physical: Arc::clone(clock.physical()),
        blocking: blocking.clone(),
        rpc: Arc::clone(&rpc),
        evaluator: Arc::clone(evaluator),
        seed: *seed,
        timing: LAN,
        on_failure: Arc::clone(on_failure),
    };
    Ok((rpc, RangeStore::open(config).await?))
}
