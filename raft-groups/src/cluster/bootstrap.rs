//! How a cluster comes to be: `init` on one node, join on the others, by address, before anybody has an id.
//!
//! Nobody is taken at their word: an id is given only to a store that answers, as itself, at the address under which the
//! others are to reach it.
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
use parking_lot::Mutex;
use quorate_engine::kv::keyspace;
use quorate_placement::new_range::place_new_range;
use quorate_placement::policy::Policy;
use quorate_placement::topology::{NodeId, StoreId};
use quorate_placement::view::{NodeView, View};
use rand::RngExt;
use uuid::Uuid;

use super::admin::Origin;
use super::bootstrap_message::{BootstrapAnswer, BootstrapRequest};
use super::error::ClusterError;
use super::local_state::Membership;
use super::member::Member;
use super::node_format::NodeRecord;
use super::{ClusterNode, version};
use crate::client::router::SYSTEM_RANGE;
use crate::descriptor::RangeDescriptor;
use crate::telling::Tell;
use crate::wire::bootstrap::{read_answer, read_request, write_answer, write_request};

/// How often a node without a cluster asks for one.
const JOIN_INTERVAL: Duration = Duration::from_millis(500);
/// Rounds of asking in which the others may still be starting.
const JOIN_ROUNDS_QUIET: u32 = 10;
/// Longest wait for one answer.
const BOOTSTRAP_TIMEOUT: Duration = Duration::from_secs(5);
/// Longest wait for a node that wants to join to answer at the address that it names; below [`BOOTSTRAP_TIMEOUT`], in
/// which it waits for the answer.
const JOIN_CHECK_TIMEOUT: Duration = Duration::from_secs(2);
const _: () = assert!(JOIN_CHECK_TIMEOUT.as_millis() < BOOTSTRAP_TIMEOUT.as_millis());
/// Joins that are checked at once: each is a connection to an address that somebody named.
pub(super) const JOINS_MAX: usize = 4;
/// Longest address of a node: a host's name (RFC 1035) and a port.
const ADDRESS_MAX_BYTES: usize = 259;
/// How often nodes that were made members are asked whether they serve.
const SERVES_INTERVAL: Duration = Duration::from_millis(100);

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
    let payload = write_request(request);
    let answer = transport.call(address, payload, timeout).await?;
    read_answer(answer).map_err(|error| format!("its answer cannot be read: {error}"))
}

/// A cluster that was created.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Created {
    /// Its id.
    pub cluster_id: Uuid,
    /// Its first nodes.
    pub nodes: Vec<NodeRecord>,
}

pub(super) async fn handle(node: &Arc<ClusterNode>, payload: Bytes, origin: Origin) -> Bytes {
    let answer = match read_request(payload) {
        Ok(request) => node.answer(request, origin).await,
        Err(error) => BootstrapAnswer::Refused(format!("the request cannot be read: {error}")),
    };
    write_answer(&answer)
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
            self.local.save(membership.clone(), &self.config.blocking).await?;
        }
        let created = Created { cluster_id: membership.cluster_id, nodes: membership.nodes.clone() };
        self.become_member(membership, true).await?;
        Ok(created)
    }

    /// Asks all addresses of `--join`; their records in the list's order, this node's among them.
    async fn ask_founders(&self) -> Result<Vec<NodeRecord>, ClusterError> {
        let own = self.record();
        let asked = self.config.join.iter();
        let answers = join_all(asked.clone().map(|address| self.probe(address, BOOTSTRAP_TIMEOUT))).await;
        let mut founders = judge_founders(asked.cloned().zip(answers).collect())?;
        // One of them may be this node under another name of its address.
        if founders.iter().all(|founder| founder.record.store_id != own.store_id) {
            founders.push(Founder { asked: own.address.clone(), record: own });
        }
        join_all(founders.iter().map(|founder| self.check_told_address(founder)))
            .await
            .into_iter()
            .collect::<Result<Vec<()>, _>>()?;
        Ok(founders.into_iter().map(|founder| founder.record).collect())
    }

    /// Who is at an address; this node knows itself without asking.
    async fn probe(&self, address: &str, timeout: Duration) -> Result<BootstrapAnswer, String> {
        let own = self.record();
        if address == own.address {
            return Ok(BootstrapAnswer::Free(own));
        }
        let probe = BootstrapRequest::Probe { asker: own.store_id };
        ask(self.config.bootstrap.as_ref(), address, &probe, timeout).await
    }

    /// Where a node tells others another address than it was asked at, it has to be found there.
    async fn check_told_address(&self, founder: &Founder) -> Result<(), ClusterError> {
        let Founder { asked, record } = founder;
        if *asked == record.address || record.store_id == self.local.store_id() {
            return Ok(());
        }
        let found = self.probe(&record.address, BOOTSTRAP_TIMEOUT).await;
        is_at(found, record).map(|_| ()).map_err(|reason| {
            ClusterError::Unavailable(format!(
                "the node at {asked} tells others to reach it at {}: {reason}; nothing was created. Start it with \
                 --advertise and an address that the other nodes reach, then run init again",
                record.address
            ))
        })
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
            cluster_version: version::first_of(&founders),
            system: RangeDescriptor::new(SYSTEM_RANGE, keyspace::system_span(), &nodes),
            nodes: founders,
        }
    }

    /// Asks the addresses of `--join` in turn, until this node is a member or stopped.
    pub(super) async fn ask_to_join(self: Arc<Self>) {
        let mut stop = self.stop.subscribe();
        let asking = async {
            let mut rounds = 0_u32;
            while self.member.get().is_none() {
                for address in &self.config.join {
                    if *address != self.config.addresses.address {
                        self.ask_one_to_join(address, rounds >= JOIN_ROUNDS_QUIET).await;
                    }
                }
                rounds = rounds.saturating_add(1);
                tokio::time::sleep(JOIN_INTERVAL).await;
            }
        };
        tokio::select! {
            () = asking => {}
            _ = stop.wait_for(|stop| *stop) => {}
        }
    }

    /// Asks one of them; why it does not answer is told where others had the time to start, too.
    async fn ask_one_to_join(&self, address: &str, tells: bool) {
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
            Ok(BootstrapAnswer::Refused(reason)) => {
                if let Some(tell) = self.join_trouble(&reason) {
                    tracing::warn!(%address, %reason, "join was refused; it is asked for again{tell}");
                }
            }
            Err(reason) if tells => {
                if let Some(tell) = self.join_trouble(address) {
                    tracing::warn!(%address, %reason, "a node of --join does not answer; it is asked again{tell}");
                }
            }
            // Not yet: this node asks again.
            Ok(_) | Err(_) => {}
        }
    }

    fn join_trouble(&self, what: &str) -> Option<Tell> {
        let now = self.config.clock.physical().boottime();
        self.join_troubles.lock().trouble(what.to_owned(), now)
    }

    /// Takes the place that the cluster gives this node, unless an `init` here came first.
    async fn adopt(&self, membership: Membership) -> Result<(), ClusterError> {
        if let Some(reason) = version::refusal(self.config.versions.cluster, membership.cluster_version) {
            return Err(ClusterError::Refused(reason));
        }
        {
            let _one_at_a_time = self.joining.lock().await;
            if self.local.membership().is_some() || self.initialising.load(Ordering::SeqCst) {
                return Ok(());
            }
            self.local.save(membership.clone(), &self.config.blocking).await?;
        }
        self.become_member(membership, false).await
    }

    async fn answer(self: &Arc<Self>, request: BootstrapRequest, origin: Origin) -> BootstrapAnswer {
        let refusal = match &request {
            BootstrapRequest::Probe { .. } | BootstrapRequest::Announce(_) | BootstrapRequest::Identify => {
                None
            }
            BootstrapRequest::Join(_)
            | BootstrapRequest::Admin(_)
            | BootstrapRequest::Serves
            | BootstrapRequest::Status => self.refusal(),
        };
        if let Some(refusal) = refusal {
            return BootstrapAnswer::Refused(refusal.to_owned());
        }
        match request {
            BootstrapRequest::Admin(request) => self.answer_admin(request, origin).await,
            BootstrapRequest::Serves => self.answer_serves(),
            BootstrapRequest::Probe { asker } => self.answer_probe(asker),
            BootstrapRequest::Join(record) => self.answer_join(record).await,
            BootstrapRequest::Announce(hello) => self.answer_announce(&hello).await,
            BootstrapRequest::Identify => self.answer_identify(),
            BootstrapRequest::Status => match self.member.get() {
                Some(member) => BootstrapAnswer::Status(member.status().await),
                None => BootstrapAnswer::Uninitialised { hint: self.absence() },
            },
        }
    }

    fn answer_serves(&self) -> BootstrapAnswer {
        let serving = self.member.get().map(|member| member.catalog_lease());
        match serving {
            Some(Ok(_)) => BootstrapAnswer::Serving,
            Some(Err(error)) => BootstrapAnswer::NotServing { reason: error.to_string() },
            None => BootstrapAnswer::NotServing { reason: "it has not joined yet".to_owned() },
        }
    }

    /// Waits until nodes serve SQL, for as long as is given; those that do not, with what they say.
    pub(super) async fn await_serving(&self, nodes: &[NodeRecord], wait: Duration) -> Vec<String> {
        let complaints: Vec<Mutex<String>> =
            nodes.iter().map(|_| Mutex::new("it did not answer".to_owned())).collect();
        let asking = nodes.iter().zip(&complaints).map(|(node, complaint)| async move {
            loop {
                match self.ask_whether_serving(node).await {
                    Ok(()) => return complaint.lock().clear(),
                    Err(reason) => *complaint.lock() = reason,
                }
                tokio::time::sleep(SERVES_INTERVAL).await;
            }
        });
        // Whoever serves by then has cleared its complaint.
        let _ = tokio::time::timeout(wait, join_all(asking)).await;
        let told = nodes.iter().zip(complaints).map(|(node, complaint)| (node, complaint.into_inner()));
        told.filter(|(_, complaint)| !complaint.is_empty())
            .map(|(node, complaint)| format!("{} at {}: {complaint}", node.node_id, node.address))
            .collect()
    }

    async fn ask_whether_serving(&self, node: &NodeRecord) -> Result<(), String> {
        let answer = if node.store_id == self.local.store_id() {
            self.answer_serves()
        } else {
            let transport = self.config.bootstrap.as_ref();
            ask(transport, &node.address, &BootstrapRequest::Serves, BOOTSTRAP_TIMEOUT).await?
        };
        if let BootstrapAnswer::NotServing { reason } = answer {
            return Err(reason);
        }
        let serves = answer == BootstrapAnswer::Serving;
        serves.then_some(()).ok_or_else(|| "it gave another answer".to_owned())
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
        if let Some(reason) = version::refusal(record.versions.cluster, member.cluster_version().get()) {
            return BootstrapAnswer::Refused(reason);
        }
        let known = membership.nodes.iter().find(|known| known.store_id == record.store_id);
        let node_id = match known {
            Some(known) => known.node_id,
            None => match self.register_joiner(member, record).await {
                Ok(node_id) => node_id,
                Err(reason) => return BootstrapAnswer::Refused(reason),
            },
        };
        let nodes = self.registry.all();
        let system = member.router().system_range().as_ref().clone();
        let cluster_version = member.cluster_version().get();
        BootstrapAnswer::Joined(Membership { node_id, nodes, system, cluster_version, ..membership })
    }

    /// Gives a store an id that nobody knows, once it has answered at the address that it names.
    async fn register_joiner(&self, member: &Member, record: NodeRecord) -> Result<NodeId, String> {
        let texts = [&record.address, &record.sql_address, &record.http_address];
        if texts.iter().any(|text| text.len() > ADDRESS_MAX_BYTES) {
            return Err(format!("no id was given: an address has at most {ADDRESS_MAX_BYTES} bytes"));
        }
        let Ok(_permit) = self.joins.try_acquire() else {
            return Err("other nodes are joining at this moment; ask again".to_owned());
        };
        let found = self.probe(&record.address, JOIN_CHECK_TIMEOUT).await;
        let found = is_at(found, &record).map_err(|reason| {
            format!(
                "no id was given: a node joins only if it answers at the address that it names, {}: {reason}; start it \
                 with --advertise and an address that the other nodes reach",
                record.address
            )
        })?;
        member.directory.register_new(found).await.map_err(|error| format!("no id could be given: {error}"))
    }
}

/// A node that is to be one of the first.
struct Founder {
    /// The address at which it answered.
    asked: String,
    /// What it says of itself, the address that others are told included.
    record: NodeRecord,
}

/// What a node says of itself at its own address, if it is the one that was expected there.
fn is_at(found: Result<BootstrapAnswer, String>, expected: &NodeRecord) -> Result<NodeRecord, String> {
    match found {
        Ok(BootstrapAnswer::Free(record)) if record.store_id == expected.store_id => Ok(record),
        Ok(BootstrapAnswer::Free(_) | BootstrapAnswer::Exists { .. }) => {
            Err("another node answers there".to_owned())
        }
        Ok(BootstrapAnswer::Initialising) => Err("an init is running there".to_owned()),
        Ok(_) => Err("it gives another answer".to_owned()),
        Err(reason) => Err(reason),
    }
}

/// Whether all who were asked are free; they are given in the order of the addresses.
fn judge_founders(
    answers: Vec<(String, Result<BootstrapAnswer, String>)>,
) -> Result<Vec<Founder>, ClusterError> {
    let mut founders: Vec<Founder> = Vec::new();
    let mut missing = Vec::new();
    for (address, answer) in answers {
        match answer {
            Ok(BootstrapAnswer::Free(record)) => {
                if founders.iter().any(|other| other.record.store_id == record.store_id) {
                    let message = format!(
                        "--join names one node twice, the second time as {address}; nothing was done"
                    );
                    return Err(ClusterError::Refused(message));
                }
                founders.push(Founder { asked: address, record });
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
