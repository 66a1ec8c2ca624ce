//! How one member asks another: who it is itself, what time it is, which ranges it has, and who leads range 1. The agent and
//! the leader's work stand on it; it knows neither.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use quorate_engine::clock::HybridClock;
use quorate_engine::hlc::Timestamp;
use quorate_placement::topology::{NodeId, RangeId};

use super::error::ClusterError;
use super::message::{ClusterAnswer, ClusterRequest};
use crate::client::call::{Call, CallError};
use crate::client::router::{Router, SYSTEM_RANGE};
use crate::identity::StoreIdentity;
use crate::local_ranges::LocalRanges;
use crate::rpc::{Rpc, Service};
use crate::telling::shown;
use crate::transport::Lane;
use crate::wire::cluster::{read_answer, write_request};

/// Pause before range 1's leaseholder is looked for again.
pub(super) const LEADER_RETRY: Duration = Duration::from_millis(100);

/// A moment on both clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Moment {
    /// Hybrid time.
    pub wall: Timestamp,
    /// Time since some start.
    pub boot: Duration,
}

/// Calls of one member.
pub(super) struct Calls {
    pub identity: StoreIdentity,
    pub clock: Arc<HybridClock>,
    pub rpc: Arc<Rpc>,
    pub ranges: Arc<dyn LocalRanges>,
    pub router: Arc<Router>,
    /// Who answered last as range 1's leaseholder.
    pub leader_hint: Mutex<Option<NodeId>>,
}

impl Calls {
    /// This node's id.
    pub fn node_id(&self) -> NodeId {
        self.identity.node_id
    }

    /// Now, on both clocks.
    pub fn moment(&self) -> Moment {
        Moment { wall: self.clock.peek(), boot: self.boottime() }
    }

    /// Time since some start, also while the machine slept.
    pub fn boottime(&self) -> Duration {
        self.clock.physical().boottime()
    }

    /// How far a node's clock is ahead of this one's, in milliseconds; `None` where it was not measured.
    pub fn clock_offset_ms(&self, node: NodeId, now: Duration) -> Option<i64> {
        self.rpc.clock_guard().offset_ms(node, now)
    }

    /// Whether this node holds range 1's lease.
    pub fn is_leader(&self) -> bool {
        self.ranges.status(SYSTEM_RANGE).is_some_and(|status| status.has_lease)
    }

    /// Who may hold range 1's lease.
    pub fn leader(&self) -> Option<NodeId> {
        match self.ranges.status(SYSTEM_RANGE) {
            Some(status) => status.leader_node,
            None => *self.leader_hint.lock(),
        }
    }

    /// What somebody is told who takes this node for range 1's leaseholder.
    pub fn not_leader(&self) -> ClusterAnswer {
        let leader = self.leader().filter(|leader| *leader != self.node_id());
        ClusterAnswer::NotLeader { leader }
    }

    /// A range that this node's router must ask for anew.
    pub fn forget_range(&self, range_id: RangeId) {
        if let Some(status) = self.ranges.status(range_id) {
            self.router.forget(&status.descriptor);
        }
    }

    /// Asks one member; itself by a function call.
    ///
    /// # Errors
    /// It was not reached, did not answer within `timeout`, or its answer cannot be read.
    pub async fn ask_node(
        &self,
        node: NodeId,
        request: &ClusterRequest,
        timeout: Duration,
    ) -> Result<ClusterAnswer, CallError> {
        let payload = write_request(request);
        let call = Call { to: node, lane: Lane::Control, service: Service::Cluster, payload, timeout };
        let answer = call.watched(&self.rpc, self.clock.physical().as_ref()).await?;
        read_answer(answer)
            .map_err(|error| CallError::NoAnswer(format!("its answer cannot be read: {error}")))
    }

    /// Asks range 1's leaseholder, wherever it is, until it answers or the time is over.
    ///
    /// # Errors
    /// [`ClusterError::Unavailable`]: none has answered within `timeout`; the text says why, node by node.
    pub async fn ask_leader(
        &self,
        request: &ClusterRequest,
        timeout: Duration,
    ) -> Result<ClusterAnswer, ClusterError> {
        let reasons = Mutex::new(BTreeMap::new());
        let asking = async {
            loop {
                if let Some(answer) = self.ask_likely_leaders(request, timeout, &reasons).await {
                    return answer;
                }
                tokio::time::sleep(LEADER_RETRY).await;
            }
        };
        tokio::time::timeout(timeout, asking).await.map_err(|_| no_leader(timeout, &reasons.lock()))
    }

    /// Asks each node once that may hold range 1's lease, until one answers as its leaseholder; notes what the others said.
    async fn ask_likely_leaders(
        &self,
        request: &ClusterRequest,
        timeout: Duration,
        reasons: &Mutex<BTreeMap<NodeId, String>>,
    ) -> Option<ClusterAnswer> {
        let system = self.router.system_range().nodes();
        let mut asked = BTreeSet::new();
        let mut others: VecDeque<NodeId> = self.leader().into_iter().chain(system).collect();
        while let Some(node) = others.pop_front() {
            if !asked.insert(node) {
                continue;
            }
            match self.ask_node(node, request, timeout).await {
                Ok(ClusterAnswer::NotLeader { leader }) => {
                    reasons.lock().insert(node, "does not hold its lease".to_owned());
                    // Where range 1 has moved on, whoever held it knows whither.
                    leader.into_iter().for_each(|leader| others.push_front(leader));
                }
                Ok(answer) => {
                    *self.leader_hint.lock() = Some(node);
                    return Some(answer);
                }
                Err(CallError::NotDone(reason) | CallError::NoAnswer(reason)) => {
                    reasons.lock().insert(node, reason);
                }
            }
        }
        None
    }
}

fn no_leader(timeout: Duration, reasons: &BTreeMap<NodeId, String>) -> ClusterError {
    let reasons: Vec<_> = reasons.iter().map(|(node, reason)| format!("{node} {reason}")).collect();
    ClusterError::Unavailable(format!(
        "range {SYSTEM_RANGE}, which holds the cluster's metadata, has no leaseholder that answers within {}: {}; \
         nothing is known to be done, repeat once a majority of its replicas is reached",
        shown(timeout),
        reasons.join(", ")
    ))
}
