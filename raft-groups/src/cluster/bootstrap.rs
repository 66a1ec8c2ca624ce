//! How a cluster comes to be: `init` on one node, join on the others, by address, before anybody has an id.
//!
//! `init` is safe against a second one and against half a cluster: the guard is set first, then every address of
//! `--join` is asked whether there is a cluster or another `init`, and all must say no. The moment of creation is the
//! synced write of the [`Membership`] on this node; before it nothing has happened, after it the others learn of the
//! cluster when they ask, and a crash changes nothing.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::future::join_all;
use quorate_engine::kv::keyspace;
use quorate_placement::new_range::place_new_range;
use quorate_placement::policy::Policy;
use quorate_placement::topology::{NodeId, StoreId};
use quorate_placement::view::{NodeView, View};
use rand::RngExt;
use uuid::Uuid;

use super::ClusterNode;
use super::bootstrap_format::{
    BootstrapAnswer, BootstrapRequest, decode_bootstrap_answer, decode_bootstrap_request,
    encode_bootstrap_answer, encode_bootstrap_request,
};
use super::error::ClusterError;
use super::local_state::Membership;
use super::node_format::NodeRecord;
use crate::client::router::SYSTEM_RANGE;
use crate::descriptor::RangeDescriptor;

/// How often a node without a cluster asks for one.
const JOIN_INTERVAL: Duration = Duration::from_millis(500);
/// Longest wait for one answer.
const BOOTSTRAP_TIMEOUT: Duration = Duration::from_secs(5);

/// Carries one question to an address and its answer back; `server` implements it by a unary gRPC.
#[async_trait]
pub trait BootstrapTransport: Send + Sync + 'static {
    /// Asks.
    ///
    /// # Errors
    /// No answer in time, in words.
    async fn call(&self, address: &str, payload: Bytes, timeout: Duration) -> Result<Bytes, String>;
}

/// Asks the process at an address, as a node does, and the command line.
///
/// # Errors
/// No answer, or one that cannot be read.
pub async fn ask(
    transport: &dyn BootstrapTransport,
    address: &str,
    request: &BootstrapRequest,
    timeout: Duration,
) -> Result<BootstrapAnswer, String> {
    let payload = encode_bootstrap_request(request).into();
    let answer = transport.call(address, payload, timeout).await?;
    decode_bootstrap_answer(&answer).map_err(|error| format!("its answer cannot be read: {error}"))
}

/// A cluster that was created.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Created {
    /// Its id.
    pub cluster_id: Uuid,
    /// Its first nodes.
    pub nodes: Vec<NodeRecord>,
}

pub(super) async fn handle(node: &Arc<ClusterNode>, payload: Bytes) -> Bytes {
    let answer = match decode_bootstrap_request(&payload) {
        Ok(request) => node.answer(request).await,
        Err(error) => BootstrapAnswer::Refused(format!("the request cannot be read: {error}")),
    };
    encode_bootstrap_answer(&answer).into()
}

impl ClusterNode {
    /// Creates the cluster, with all nodes of `--join` as its first ones.
    ///
    /// # Errors
    /// [`ClusterError::Exists`] with its id; [`ClusterError::Unavailable`] with the addresses that did not answer;
    /// [`ClusterError::Refused`] where another `init` runs. Nothing was created then.
    pub async fn init(&self) -> Result<Created, ClusterError> {
        if self.initialising.swap(true, Ordering::SeqCst) {
            return Err(ClusterError::Refused(
                "another init is running on this node; nothing was done".to_owned(),
            ));
        }
        let result = self.init_guarded().await;
        self.initialising.store(false, Ordering::SeqCst);
        result
    }

    async fn init_guarded(&self) -> Result<Created, ClusterError> {
        if let Some(membership) = self.local.membership() {
            return Err(ClusterError::Exists(membership.cluster_id));
        }
        let founders = self.ask_founders().await?;
        let membership = self.found(founders);
        {
            // A join that was under way when the guard was set may have ended meanwhile.
            let _one_at_a_time = self.joining.lock().await;
            if let Some(membership) = self.local.membership() {
                return Err(ClusterError::Exists(membership.cluster_id));
            }
            self.local.save(&membership)?;
        }
        let created = Created { cluster_id: membership.cluster_id, nodes: membership.nodes.clone() };
        self.become_member(membership, true).await?;
        Ok(created)
    }

    /// Asks all addresses of `--join`; their records in the list's order, this node's among them.
    async fn ask_founders(&self) -> Result<Vec<NodeRecord>, ClusterError> {
        let own = self.record();
        let mut addresses = self.config.join.clone();
        if !addresses.contains(&own.address) {
            addresses.push(own.address.clone());
        }
        let probe = BootstrapRequest::Probe { asker: own.store_id };
        let answers = join_all(addresses.iter().map(|address| self.probe(address, &own, &probe))).await;
        let answers: Vec<_> = addresses.into_iter().zip(answers).collect();
        judge_founders(answers)
    }

    async fn probe(
        &self,
        address: &str,
        own: &NodeRecord,
        probe: &BootstrapRequest,
    ) -> Result<BootstrapAnswer, String> {
        if address == own.address {
            return Ok(BootstrapAnswer::Free(own.clone()));
        }
        ask(self.config.bootstrap.as_ref(), address, probe, BOOTSTRAP_TIMEOUT).await
    }

    /// The first membership: ids in the order of the list, range 1 on up to five of the nodes.
    fn found(&self, mut founders: Vec<NodeRecord>) -> Membership {
        for (record, id) in founders.iter_mut().zip(1..) {
            record.node_id = NodeId(id);
        }
        let view = founders.iter().map(|record| NodeView::live(record.node_id, record.locality.clone()));
        let view = View::new(view.collect(), Vec::new(), Vec::new());
        let mut nodes = match place_new_range(&view, &Policy::system(), 0) {
            Ok(decision) => decision.replicas,
            Err(_) => founders.iter().map(|record| record.node_id).collect(),
        };
        nodes.sort_unstable();
        let cluster_id = uuid::Builder::from_random_bytes(self.rng.lock().random()).into_uuid();
        let own = self.local.store_id();
        let node_id =
            founders.iter().find(|record| record.store_id == own).map_or(NodeId(0), |own| own.node_id);
        assert!(node_id != NodeId(0), "a node is one of the founders that it asked");
        Membership {
            cluster_id,
            node_id,
            founders: founders.len() as u64,
            system: RangeDescriptor::new(SYSTEM_RANGE, keyspace::system_span(), &nodes),
            nodes: founders,
        }
    }

    /// Asks the addresses of `--join` in turn, until this node is a member or stopped.
    pub(super) async fn ask_to_join(self: Arc<Self>) {
        let mut stop = self.stop.subscribe();
        let asking = async {
            while self.member.get().is_none() {
                for address in &self.config.join {
                    if *address != self.config.addresses.address {
                        self.ask_one_to_join(address).await;
                    }
                }
                tokio::time::sleep(JOIN_INTERVAL).await;
            }
        };
        tokio::select! {
            () = asking => {}
            _ = stop.wait_for(|stop| *stop) => {}
        }
    }

    async fn ask_one_to_join(&self, address: &str) {
        if self.member.get().is_some() || self.initialising.load(Ordering::SeqCst) {
            return;
        }
        let request = BootstrapRequest::Join(self.record());
        let answer = ask(self.config.bootstrap.as_ref(), address, &request, BOOTSTRAP_TIMEOUT).await;
        match answer {
            Ok(BootstrapAnswer::Joined(membership)) => {
                if let Err(error) = self.adopt(membership).await {
                    tracing::error!(%error, %address, "the cluster was found, but not joined");
                }
            }
            Ok(BootstrapAnswer::Refused(reason)) => tracing::warn!(%address, %reason, "join was refused"),
            // Not yet: this node asks again.
            Ok(_) | Err(_) => {}
        }
    }

    /// Takes the place that the cluster gives this node, unless an `init` here came first.
    async fn adopt(&self, membership: Membership) -> Result<(), ClusterError> {
        {
            let _one_at_a_time = self.joining.lock().await;
            if self.local.membership().is_some() || self.initialising.load(Ordering::SeqCst) {
                return Ok(());
            }
            self.local.save(&membership)?;
        }
        self.become_member(membership, false).await
    }

    async fn answer(self: &Arc<Self>, request: BootstrapRequest) -> BootstrapAnswer {
        let refusal = match &request {
            BootstrapRequest::Probe { .. } | BootstrapRequest::Announce(_) | BootstrapRequest::Identify => {
                None
            }
            BootstrapRequest::Join(_)
            | BootstrapRequest::Init
            | BootstrapRequest::Status
            | BootstrapRequest::Range(_) => self.refusal(),
        };
        if let Some(refusal) = refusal {
            return BootstrapAnswer::Refused(refusal.to_owned());
        }
        match request {
            BootstrapRequest::Probe { asker } => self.answer_probe(asker),
            BootstrapRequest::Join(record) => self.answer_join(record).await,
            BootstrapRequest::Init => match self.init().await {
                Ok(Created { cluster_id, nodes }) => BootstrapAnswer::Created { cluster_id, nodes },
                Err(ClusterError::Exists(cluster_id)) => BootstrapAnswer::Exists { cluster_id },
                Err(error) => BootstrapAnswer::Refused(error.to_string()),
            },
            BootstrapRequest::Announce(hello) => self.answer_announce(&hello).await,
            BootstrapRequest::Identify => self.answer_identify(),
            BootstrapRequest::Status => match self.member.get() {
                Some(member) => BootstrapAnswer::Status(member.status().await),
                None => BootstrapAnswer::Uninitialised { hint: self.absence() },
            },
            BootstrapRequest::Range(command) => match self.member.get() {
                Some(member) => member.run_range_command(command).await,
                None => BootstrapAnswer::Uninitialised { hint: self.absence() },
            },
        }
    }

    fn answer_probe(&self, asker: StoreId) -> BootstrapAnswer {
        if let Some(membership) = self.local.membership() {
            return BootstrapAnswer::Exists { cluster_id: membership.cluster_id };
        }
        if self.initialising.load(Ordering::SeqCst) && asker != self.local.store_id() {
            return BootstrapAnswer::Initialising;
        }
        BootstrapAnswer::Free(self.record())
    }

    async fn answer_join(&self, record: NodeRecord) -> BootstrapAnswer {
        let (Some(membership), Some(member)) = (self.local.membership(), self.member.get()) else {
            return BootstrapAnswer::Uninitialised { hint: self.absence() };
        };
        let known = membership.nodes.iter().find(|known| known.store_id == record.store_id);
        let node_id = match known {
            Some(known) => known.node_id,
            None => match member.register_new(record).await {
                Ok(node_id) => node_id,
                Err(error) => return BootstrapAnswer::Refused(format!("no id could be given: {error}")),
            },
        };
        let nodes = self.registry.all();
        let system = member.router().system_range().as_ref().clone();
        BootstrapAnswer::Joined(Membership { node_id, nodes, system, ..membership })
    }
}

/// Whether all who were asked are free; their records in the order of the addresses.
fn judge_founders(
    answers: Vec<(String, Result<BootstrapAnswer, String>)>,
) -> Result<Vec<NodeRecord>, ClusterError> {
    let mut founders: Vec<NodeRecord> = Vec::new();
    let mut missing = Vec::new();
    for (address, answer) in answers {
        match answer {
            Ok(BootstrapAnswer::Free(record)) => {
                if founders.iter().any(|other| other.store_id == record.store_id) {
                    let message = format!(
                        "--join names one node twice, the second time as {address}; nothing was done"
                    );
                    return Err(ClusterError::Refused(message));
                }
                founders.push(NodeRecord { address, ..record });
            }
            Ok(BootstrapAnswer::Exists { cluster_id }) => return Err(ClusterError::Exists(cluster_id)),
            Ok(BootstrapAnswer::Initialising) => {
                let message =
                    format!("another init is running on {address}; nothing was done, run init on one node");
                return Err(ClusterError::Refused(message));
            }
            Ok(_) => missing.push(format!("{address} (it gave another answer)")),
            Err(reason) => missing.push(format!("{address} ({reason})")),
        }
    }
    if missing.is_empty() {
        return Ok(founders);
    }
    Err(ClusterError::Unavailable(format!(
        "init needs an answer of every node in --join, so that no second cluster is created; no answer of {}; nothing \
         was created. Start these nodes, then run init again",
        missing.join(", ")
    )))
}
