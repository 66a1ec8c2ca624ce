//! Clusters of several nodes in one process, over ranges that are played by a fake: what is tested is how nodes find
//! each other, agree and tidy up. Time is tokio's, paused: it passes when everybody waits.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use quorate_engine::clock::{ForgetBound, PhysicalClock};
use quorate_engine::kv::{Database, Key, Span, TransactionOptions, Write, keyspace};
use quorate_engine::memory::MemoryStore;

use super::bootstrap::BootstrapTransport;
use super::catalog::CatalogListener;
use super::*;
use crate::client::fake::{CountPairs, FakeWorld, TokioClock};
use crate::store::{RangeStore, StoreConfig};
use crate::testing::network::LocalNetwork;

mod admin;
mod agreement;
mod clocks;
mod forming;
mod moves;
mod presence;
mod ranges;
mod refusals;
mod replicated;
mod splits;
mod versions;

/// Deadline of everything that is waited for; generous, since paused time costs nothing.
const DEADLINE: Duration = Duration::from_secs(60);

/// Everything that the nodes share.
#[derive(Clone)]
struct Net {
    world: FakeWorld,
    network: LocalNetwork,
    physical: Arc<TokioClock>,
    /// How far the wall clocks of processes, by their names, are ahead, in microseconds.
    shifts: BTreeMap<&'static str, i64>,
    switchboard: Arc<Switchboard>,
    /// What the releases of processes, by their names, can; where it is not what this one can.
    versions: BTreeMap<&'static str, Versions>,
    /// Processes started so far: each has a seed of its own.
    started: Arc<AtomicU64>,
    /// Whether ranges are real; else `world` plays them.
    real: bool,
    /// The real ones that run.
    stores: Arc<Mutex<BTreeMap<NodeId, Arc<RangeStore>>>>,
}

/// Reaches nodes by their addresses.
#[derive(Default)]
struct Switchboard {
    nodes: Mutex<BTreeMap<String, Arc<ClusterNode>>>,
}

#[async_trait]
impl BootstrapTransport for Switchboard {
    async fn call(&self, address: &str, payload: Bytes, _timeout: Duration) -> Result<Bytes, String> {
        let node = self.nodes.lock().get(address).cloned();
        // Whoever is asked answers a little later, so that two questions can cross.
        tokio::time::sleep(Duration::from_millis(5)).await;
        match node {
            Some(node) => Ok(node.handle_bootstrap(payload, Origin::Network).await),
            None => Err("connection refused".to_owned()),
        }
    }
}

struct Host {
    net: Net,
    clock: Arc<HybridClock>,
    store: Arc<MemoryStore>,
}

#[async_trait]
impl MemberHost for Host {
    async fn open(&self, identity: StoreIdentity, protocols: Arc<Protocols>) -> Result<MemberParts, String> {
        let node = identity.node_id;
        let rpc = Rpc::speaking(node, self.net.network.transport(node), self.clock.clone(), protocols);
        rpc.tell_positions_of(self.store.clone());
        self.net.network.attach(node, rpc.clone());
        if self.net.real {
            let ranges = self.open_store(node, &rpc).await?;
            return Ok(MemberParts { rpc, ranges });
        }
        Ok(MemberParts { rpc, ranges: self.net.world.node(node, &self.clock) })
    }

    fn give_up(&self, reason: String) {
        panic!("the process must end: {reason}");
    }
}

impl Host {
    /// A store of real ranges, as `server` opens it.
    async fn open_store(&self, node: NodeId, rpc: &Arc<Rpc>) -> Result<Arc<RangeStore>, String> {
        let config = StoreConfig {
            node_id: node,
            engine: self.store.clone(),
            clock: self.clock.clone(),
            physical: self.net.physical.clone(),
            blocking: crate::blocking::Blocking::threads(),
            rpc: rpc.clone(),
            evaluator: Arc::new(CountPairs),
            seed: node.0,
            timing: crate::lease::timing::LAN,
            on_failure: Arc::new(|error| panic!("the store failed: {error}")),
        };
        let store = RangeStore::open(config).await.map_err(|error| error.to_string())?;
        self.net.stores.lock().insert(node, store.clone());
        Ok(store)
    }
}

/// A wall clock that is not right.
struct ShiftedClock {
    right: Arc<TokioClock>,
    ahead_micros: i64,
}

impl PhysicalClock for ShiftedClock {
    fn now_micros(&self) -> u64 {
        self.right.now_micros().saturating_add_signed(self.ahead_micros)
    }

    fn boottime(&self) -> Duration {
        self.right.boottime()
    }
}

struct NoDisk;

impl DiskSpace for NoDisk {
    fn used_and_total(&self) -> (u64, u64) {
        (10, 100)
    }
}

/// A catalog that is one number.
#[derive(Clone)]
struct Catalog(Arc<AtomicU64>);

#[async_trait]
impl CatalogListener for Catalog {
    async fn refresh(&self) -> Result<u64, String> {
        Ok(self.0.load(Ordering::SeqCst))
    }
}

fn address(name: &str) -> String {
    format!("{name}:7001")
}

impl Net {
    fn new() -> Self {
        Self {
            world: FakeWorld::default(),
            network: LocalNetwork::new(),
            physical: TokioClock::new(),
            shifts: BTreeMap::new(),
            versions: BTreeMap::new(),
            switchboard: Arc::default(),
            started: Arc::default(),
            real: false,
            stores: Arc::default(),
        }
    }

    /// A process with this name in the zone of the same name.
    async fn process(&self, name: &str, store: &Arc<MemoryStore>) -> Arc<ClusterNode> {
        self.process_at(name, store, Arc::new(refusal::NoHome)).await
    }

    /// The same, where the store lies there.
    async fn process_at(
        &self,
        name: &str,
        store: &Arc<MemoryStore>,
        home: Arc<dyn refusal::StoreHome>,
    ) -> Arc<ClusterNode> {
        self.try_process_at(name, store, home).await.unwrap()
    }

    /// The same, if it starts.
    async fn try_process_at(
        &self,
        name: &str,
        store: &Arc<MemoryStore>,
        home: Arc<dyn refusal::StoreHome>,
    ) -> Result<Arc<ClusterNode>, ClusterError> {
        store.reopen();
        let ahead_micros = self.shifts.get(name).copied().unwrap_or_default();
        let physical = Arc::new(ShiftedClock { right: self.physical.clone(), ahead_micros });
        let clock = Arc::new(HybridClock::new(physical, Box::new(ForgetBound)));
        let seed = self.started.fetch_add(1, Ordering::SeqCst);
        let config = ClusterConfig {
            store: store.clone(),
            clock: clock.clone(),
            evaluator: Arc::new(CountPairs),
            bootstrap: self.switchboard.clone(),
            host: Arc::new(Host { net: self.clone(), clock, store: store.clone() }),
            disk: Arc::new(NoDisk),
            home,
            blocking: Blocking::threads(),
            addresses: NodeAddresses {
                address: address(name),
                sql_address: format!("{name}:5401"),
                http_address: String::new(),
                locality: format!("zone={name}").parse().unwrap(),
            },
            join: ["a", "b", "c"].map(address).to_vec(),
            command_socket: Some(format!("/{name}/commands.sock")),
            versions: self.versions.get(name).copied().unwrap_or(Versions::OWN),
            seed: [u8::try_from(seed).unwrap(); 32],
        };
        let node = ClusterNode::new(config).unwrap();
        self.switchboard.nodes.lock().insert(address(name), node.clone());
        node.start().await?;
        Ok(node)
    }

    /// The process is gone.
    fn kill(&self, name: &str) {
        let node = self.switchboard.nodes.lock().remove(&address(name)).unwrap();
        node.stop();
        if let Some(member) = node.member() {
            self.network.detach(member.node_id());
        }
    }
}

/// Three members over a fresh network.
struct Three {
    net: Net,
    stores: Vec<Arc<MemoryStore>>,
    members: Vec<Arc<Member>>,
}

async fn three() -> Three {
    three_in(Net::new()).await
}

async fn three_in(net: Net) -> Three {
    let stores: Vec<_> = (0..3).map(|_| Arc::new(MemoryStore::new())).collect();
    let mut nodes = Vec::new();
    for (name, store) in ["a", "b", "c"].iter().zip(&stores) {
        nodes.push(net.process(name, store).await);
    }
    nodes[0].init().await.unwrap();
    let mut members = Vec::new();
    for node in &nodes {
        members.push(tokio::time::timeout(DEADLINE, node.wait_for_member()).await.unwrap().unwrap());
    }
    wait("all reports", || {
        members[0]
            .leader
            .with_board(|board, _| (1..=3).all(|id| board.has_heard(NodeId(id))))
            .unwrap_or(false)
    })
    .await;
    for member in &members {
        member.agent.await_measured_clock().await;
    }
    Three { net, stores, members }
}

/// Waits for a condition.
async fn wait(what: &str, mut condition: impl FnMut() -> bool) {
    let waiting = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(DEADLINE, waiting).await.unwrap_or_else(|_| panic!("in vain: {what}"));
}

fn table(id: u64) -> Span {
    keyspace::table_span(id)
}

async fn put(member: &Member, key: &Key, text: &'static str) {
    let mut transaction = member.database().begin(TransactionOptions::default()).await.unwrap();
    transaction.write(Write::put(key.clone(), Bytes::from_static(text.as_bytes()))).unwrap();
    transaction.commit(None).await.unwrap();
}

async fn get(member: &Member, key: &Key) -> Result<Option<Bytes>, quorate_engine::kv::KvError> {
    let mut transaction = member.database().begin(TransactionOptions::reading()).await?;
    Ok(transaction.get_many(vec![key.clone()]).await?.pop().unwrap())
}
