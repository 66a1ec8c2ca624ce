//! Opens what needs the node's id, when it has one: the transport's peers, calls, and the store of ranges.

use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::future::BoxFuture;
use quorate_engine::clock::HybridClock;
use quorate_engine::store::{Store, StoreError};
use quorate_placement::topology::NodeId;
use quorate_raft_groups::assembly::{NodeParts, open_ranges};
use quorate_raft_groups::blocking::Blocking;
use quorate_raft_groups::cluster::admin::Origin;
use quorate_raft_groups::cluster::bootstrap::BootstrapTransport;
use quorate_raft_groups::cluster::{ClusterNode, MemberHost, MemberParts};
use quorate_raft_groups::identity::StoreIdentity;
use quorate_raft_groups::local_ranges::LocalRanges;
use quorate_raft_groups::rpc::Rpc;
use quorate_raft_groups::store::RangeStore;
use quorate_raft_groups::transport::{Receiver, Transport};
use quorate_raft_groups::versions::Protocols;
use quorate_sql::program::scan_evaluator;

use super::peers::ClusterPeers;
use crate::rpc::service::{PeerService, QuestionHandler};
use crate::rpc::{GrpcTransport, Membership, Peers, ask};

/// Longest time that a stopping node takes to hand over what it leads.
const HAND_OVER_TIMEOUT: Duration = Duration::from_secs(3);

/// What a [`Host`] builds with.
pub struct HostParts {
    /// The node's store.
    pub store: Arc<dyn Store>,
    /// Its clock.
    pub clock: Arc<HybridClock>,
    /// Where its work on the disk and its tasks run.
    pub blocking: Blocking,
    /// Its way to others.
    pub transport: Arc<GrpcTransport>,
    /// Told when the store has failed.
    pub on_failure: Arc<dyn Fn(StoreError) + Send + Sync>,
    /// Told why the process must end, when others have found that its store must not be used.
    pub on_refusal: Arc<dyn Fn(String) + Send + Sync>,
}

/// Opens a member's parts.
pub struct Host {
    parts: HostParts,
    connected: OnceLock<(Weak<ClusterNode>, PeerService)>,
    ranges: OnceLock<(NodeId, Arc<RangeStore>)>,
}

impl Host {
    /// A host that is connected before its first use.
    pub fn new(parts: HostParts) -> Arc<Self> {
        Arc::new(Self { parts, connected: OnceLock::new(), ranges: OnceLock::new() })
    }

    /// Tells what comes into being after the host: the cluster, and the service that takes messages.
    pub fn connect(&self, cluster: Weak<ClusterNode>, service: PeerService) {
        let _ = self.connected.set((cluster, service));
    }

    /// The node, and its replicas, once it is a member.
    pub(super) fn member_ranges(&self) -> Option<(NodeId, Arc<RangeStore>)> {
        self.ranges.get().cloned()
    }

    /// Hands over what is led here, while messages still come and go.
    pub async fn hand_over(&self) {
        let Some((_, ranges)) = self.ranges.get() else { return };
        if tokio::time::timeout(HAND_OVER_TIMEOUT, hand_over_all(ranges.as_ref())).await.is_err() {
            tracing::warn!(
                "not everything was handed over in {HAND_OVER_TIMEOUT:?}; the others elect by themselves"
            );
        }
    }

    /// Ends the ranges and all links.
    pub async fn shutdown(&self) {
        if let Some((_, ranges)) = self.ranges.get() {
            ranges.shutdown().await;
        }
        self.parts.transport.shutdown();
    }
}

#[async_trait]
impl MemberHost for Host {
    async fn open(&self, identity: StoreIdentity, protocols: Arc<Protocols>) -> Result<MemberParts, String> {
        let (cluster, service) = self.connected.get().ok_or("the host is not connected")?;
        let HostParts { store, clock, blocking, transport, on_failure, on_refusal: _ } = &self.parts;
        let parts = NodeParts {
            store: Arc::clone(store),
            clock: Arc::clone(clock),
            transport: Arc::clone(transport) as Arc<dyn Transport>,
            blocking: blocking.clone(),
            evaluator: scan_evaluator(),
            seed: rand::random(),
            on_failure: Arc::clone(on_failure),
        };
        let node_id = identity.node_id;
        let peers: Arc<dyn Peers> = Arc::new(ClusterPeers::new(node_id, Weak::clone(cluster)));
        let membership = |rpc: &Arc<Rpc>| Membership {
            peers: Arc::clone(&peers),
            receiver: Arc::clone(rpc) as Arc<dyn Receiver>,
        };
        let connect = |rpc: &Arc<Rpc>| transport.set_membership(membership(rpc));
        let opened = open_ranges(&parts, node_id, protocols, connect).await;
        let (rpc, ranges) = opened.map_err(|error| error.to_string())?;
        let _ = self.ranges.set((node_id, Arc::clone(&ranges)));
        // Messages are taken only now that the replicas on the disk are open.
        service.set_membership(membership(&rpc));
        Ok(MemberParts { rpc, ranges: ranges as Arc<dyn LocalRanges> })
    }

    fn give_up(&self, reason: String) {
        (self.parts.on_refusal)(reason);
    }
}

/// Hands the lease of every range that is led here to another of its nodes, so that nobody waits for an election.
async fn hand_over_all(ranges: &dyn LocalRanges) {
    for status in ranges.statuses().into_iter().filter(|status| status.has_lease) {
        let silent = |node| status.silent_peers.iter().any(|peer| peer.node_id == node);
        let others = status.descriptor.nodes();
        let range_id = status.descriptor.range_id;
        for node in others.into_iter().filter(|node| Some(*node) != status.leader_node && !silent(*node)) {
            match ranges.end_lease_and_transfer(range_id, node).await {
                Ok(()) => break,
                Err(error) => tracing::info!(%error, to = %node, "the lease was not handed over"),
            }
        }
    }
}

/// Says things to addresses, over gRPC.
pub struct AskTransport;

#[async_trait]
impl BootstrapTransport for AskTransport {
    async fn call(&self, address: &str, payload: Bytes, timeout: Duration) -> Result<Bytes, String> {
        ask::ask(address, payload, timeout).await
    }
}

/// Answers what others say to this node's address.
pub struct Questions {
    cluster: Arc<ClusterNode>,
}

impl Questions {
    /// Of this node.
    pub fn new(cluster: Arc<ClusterNode>) -> Self {
        Self { cluster }
    }
}

impl QuestionHandler for Questions {
    fn answer(&self, payload: Bytes, origin: Origin) -> BoxFuture<'static, Bytes> {
        let cluster = Arc::clone(&self.cluster);
        Box::pin(async move { cluster.handle_bootstrap(payload, origin).await })
    }
}
