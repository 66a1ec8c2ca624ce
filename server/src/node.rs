//! One node: the only place that builds its object graph, and takes it down in order.
//!
//! The life of a [`Node`]:
//!
//! 1. [`Listeners::bind`] takes its three addresses, so that a wrong one is noticed before anything is opened.
//! 2. [`Node::start`] opens the store, starts the clock (and waits until it has passed the persisted bound), and answers
//!    questions of other nodes; SQL is refused with the `init` command until there is a cluster.
//! 3. Once the node is a member ([`host`] opens the transport and the store of ranges) SQL is built over the distributed
//!    database, the catalog is read and confirmed, and the [`gate`] opens.
//! 4. [`Node::shutdown`] closes the gate, hands over what is led here, ends listeners and ranges, and syncs the store.

mod accept_loss;
pub mod cluster;
pub mod disk;
pub mod error;
mod folder;
pub mod gate;
pub mod home;
mod home_format;
pub mod host;
pub mod listeners;
mod peers;
mod ready;
mod rejoin;
mod replica_list;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use quorate_engine::clock::{HybridClock, PhysicalClock};
use quorate_engine::rocks::{RocksOptions, RocksStore};
use quorate_engine::store::{Store, StoreError};
use quorate_placement::topology::Locality;
use quorate_raft_groups::assembly::start_clock;
use quorate_raft_groups::blocking::Blocking;
use quorate_raft_groups::clock_bound::BoundKeeper;
use quorate_raft_groups::cluster::error::ClusterError;
use quorate_raft_groups::cluster::member::Member;
use quorate_raft_groups::cluster::{ClusterConfig, ClusterNode, NodeAddresses};
use quorate_raft_groups::safeguard;
use quorate_raft_groups::versions::Versions;
use quorate_sql::ddl::timing::JobTiming;
use quorate_sql::node::SqlNode;
use quorate_sql::program::scan_evaluator;
use tokio::net::UnixListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::clock::MachineClock;
use crate::config::OnLoss;
use crate::descriptors::{self, Connections};
use crate::http::{self, Readiness};
use crate::limited::LimitedListener;
use crate::metrics::MetricsPage;
use crate::pgwire::{SqlAccess, Wire, WireOptions};
use crate::rpc::GrpcTransport;
use crate::rpc::service::{self, PeerService};
use crate::rpc::socket::CommandSocket;
use crate::threads;
use cluster::{CatalogRefresher, SqlCluster};
use disk::DataDirectory;
use error::StartError;
use gate::NodeGate;
use home::DirectoryHome;
use host::{AskTransport, Host, Questions};
pub use listeners::Listeners;

/// How long statements under way may go on when the node stops.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(3);

/// What a node is started with, checked by `config`.
#[derive(Clone, Debug)]
pub struct NodeConfig {
    /// Folder of its store; created where it does not exist.
    pub data_dir: PathBuf,
    /// Where other nodes reach it, `host:port`.
    pub address: String,
    /// Where it stands.
    pub locality: Locality,
    /// Addresses of the cluster's first nodes, its own among them.
    pub join: Vec<String>,
    /// What to do where the store must not be used.
    pub on_loss: OnLoss,
    /// How many nodes this process has: they share its descriptors.
    pub nodes_in_process: usize,
}

/// Why a process must end at once (design.md section 5): nothing may be written or acknowledged any more.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Failure {
    /// The store has failed.
    #[error("the store has failed: {0}\n  do: look at the disk, then start the node again")]
    Store(StoreError),
    /// Others remember better than the store.
    #[error("{0}")]
    Refused(String),
}

/// A running node.
pub struct Node {
    cluster: Arc<ClusterNode>,
    gate: Arc<NodeGate>,
    host: Arc<Host>,
    store: Arc<RocksStore>,
    /// Keeps the clock's bound.
    bound: BoundKeeper,
    /// Its file goes when the node does.
    _commands: Option<CommandSocket>,
    stop: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
    failed: watch::Receiver<Option<Failure>>,
}

impl Node {
    /// Starts a node. It is a member when it was one before; else it waits for `init`.
    ///
    /// # Errors
    /// See [`StartError`]; nothing runs then.
    pub async fn start(
        config: NodeConfig,
        listeners: Listeners,
        page: MetricsPage,
    ) -> Result<Self, StartError> {
        let connections = descriptors::share(config.nodes_in_process)?;
        let tasks = threads::tasks().map_err(StartError::Thread)?;
        let blocking = Blocking::threads_with(tasks.clone());
        let opening = config.clone();
        let store = Arc::new(on_disk(move || open_store(&opening)).await??);
        let mut commands = command_socket(&config);
        let physical = Arc::new(MachineClock) as Arc<dyn PhysicalClock>;
        let clock = start_clock(Arc::clone(&store) as Arc<dyn Store>, physical, &blocking).await;
        let (clock, bound) = clock.map_err(ClusterError::Store)?;
        let (fail, failed) = watch::channel(None);
        let fail = Arc::new(fail);
        let refuse = Arc::clone(&fail);
        let (stop, stopped) = watch::channel(false);
        let transport = GrpcTransport::new(tasks.clone());
        let host = Host::new(host::HostParts {
            store: Arc::clone(&store) as Arc<dyn Store>,
            clock: Arc::clone(&clock),
            blocking: blocking.clone(),
            transport,
            on_failure: Arc::new(move |error: StoreError| {
                fail.send_replace(Some(Failure::Store(error)));
            }),
            on_refusal: Arc::new(move |reason| {
                refuse.send_replace(Some(Failure::Refused(reason)));
            }),
        });
        let mut cluster_config = cluster_config(&config, &listeners, &store, (&clock, blocking), &host)?;
        cluster_config.command_socket =
            commands.as_ref().map(|commands| commands.path().display().to_string());
        let cluster = on_disk(move || ClusterNode::new(cluster_config)).await??;
        let questions = Arc::new(Questions::new(Arc::clone(&cluster)));
        let service = PeerService::new(questions, tasks.clone(), stopped);
        host.connect(Arc::downgrade(&cluster), service.clone());
        let gate = NodeGate::new(Arc::clone(&cluster));
        let listener = commands.as_mut().and_then(CommandSocket::take_listener);
        let mut node =
            Self { cluster, gate, host, store, bound, _commands: commands, stop, tasks: Vec::new(), failed };
        node.serve_commands(service.clone(), listener);
        node.serve(service, listeners, (page, connections))?;
        node.spawn(replica_list::keep(Arc::clone(&node.host), config.data_dir.clone()));
        node.cluster.start().await?;
        node.spawn(open_gate(Arc::clone(&node.cluster), Arc::clone(&node.gate)));
        Ok(node)
    }

    fn serve_commands(&mut self, service: PeerService, listener: Option<UnixListener>) {
        let Some(listener) = listener else { return };
        self.tasks.push(tokio::spawn(async move {
            if let Err(error) = service.serve_commands(listener).await {
                tracing::error!(%error, "the listener for commands ended");
            }
        }));
    }

    fn serve(
        &mut self,
        service: PeerService,
        listeners: Listeners,
        (page, connections): (MetricsPage, Connections),
    ) -> Result<(), StartError> {
        let stopped = self.stop.subscribe();
        let Listeners { peers, sql, http } = listeners;
        let peers = LimitedListener::new(peers, service::limits(connections.nodes));
        self.tasks.push(tokio::spawn(async move {
            if let Err(error) = service.serve(peers).await {
                tracing::error!(%error, "the listener for nodes ended");
            }
        }));
        let wire = Wire::new(Arc::clone(&self.gate) as Arc<dyn SqlAccess>, WireOptions::of(connections));
        let stop = stopping(stopped.clone());
        self.tasks.push(tokio::spawn(async move { wire.serve(sql, stop).await }));
        let readiness = Arc::clone(&self.gate) as Arc<dyn Readiness>;
        let pages = http::serve_apart(http, http::limits(connections.http), (readiness, page), stopped);
        let ended = pages.map_err(StartError::Thread)?;
        self.tasks.push(tokio::spawn(async move { drop(ended.await) }));
        Ok(())
    }

    /// Runs a task until the node stops.
    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let mut stopped = self.stop.subscribe();
        tokio::spawn(async move {
            tokio::select! {
                () = task => {}
                _ = stopped.wait_for(|stopped| *stopped) => {}
            }
        });
    }

    /// Its place in the cluster: `init`, status.
    pub fn cluster(&self) -> &Arc<ClusterNode> {
        &self.cluster
    }

    /// Who may come in.
    pub fn gate(&self) -> Arc<NodeGate> {
        Arc::clone(&self.gate)
    }

    /// Waits until SQL is served, and gives it; `None` where the node cannot become a member.
    pub async fn ready(&self) -> Option<Arc<SqlNode>> {
        self.gate.opened().await
    }

    /// Waits until the node must not go on, and says why: the process must stop then, at once and without a retry.
    pub async fn failure(&self) -> Failure {
        let mut failed = self.failed.clone();
        let failure = failed.wait_for(Option::is_some).await.ok().and_then(|failure| failure.clone());
        match failure {
            Some(failure) => failure,
            None => std::future::pending().await,
        }
    }

    /// Stops: no new statements, what is led here is handed over, then the listeners, the ranges, and a last sync.
    pub async fn shutdown(self) {
        self.gate.close();
        self.host.hand_over().await;
        self.stop.send_replace(true);
        for task in self.tasks {
            if tokio::time::timeout(DRAIN_TIMEOUT, task).await.is_err() {
                tracing::warn!("a listener did not end in {DRAIN_TIMEOUT:?}, and is left behind");
            }
        }
        self.cluster.stop();
        self.host.shutdown().await;
        self.bound.stop().await;
        let store = self.store;
        match on_disk(move || store.sync().and_then(|()| store.mark())).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::error!(%error, "the store could not be synced at the end"),
            Err(error) => tracing::error!(%error, "the store could not be synced at the end"),
        }
    }
}

fn open_store(config: &NodeConfig) -> Result<RocksStore, StartError> {
    let path = config.data_dir.clone();
    std::fs::create_dir_all(&path).map_err(|source| StartError::Directory { path: path.clone(), source })?;
    folder::check(&path)?;
    match config.on_loss {
        OnLoss::Refuse => RocksStore::open(&path, RocksOptions::default()).map_err(|source| {
            let source = replica_list::with_what_is_lost(&path, source);
            StartError::Store { path, source }
        }),
        OnLoss::Rejoin => rejoin::open_or_begin_anew(&path),
        OnLoss::Accept => accept_loss::open_or_accept(&path),
    }
}

/// The command socket, where the data directory's file system takes one.
fn command_socket(config: &NodeConfig) -> Option<CommandSocket> {
    match CommandSocket::bind(&config.data_dir) {
        Ok(socket) => Some(socket),
        Err(error) => {
            tracing::warn!(%error, "no socket for commands in the data directory; they need the cluster's token");
            None
        }
    }
}

/// Runs a part of the start or the end that waits for the disk.
async fn on_disk<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, StartError> {
    let done = Blocking::threads().run(work).await;
    done.map_err(|lost| StartError::Thread(std::io::Error::other(lost)))
}

fn cluster_config(
    config: &NodeConfig,
    listeners: &Listeners,
    store: &Arc<RocksStore>,
    (clock, blocking): (&Arc<HybridClock>, Blocking),
    host: &Arc<Host>,
) -> Result<ClusterConfig, StartError> {
    Ok(ClusterConfig {
        store: Arc::clone(store) as Arc<dyn Store>,
        clock: Arc::clone(clock),
        evaluator: scan_evaluator(),
        bootstrap: Arc::new(AskTransport),
        host: Arc::clone(host) as _,
        disk: Arc::new(DataDirectory::new(config.data_dir.clone()).of_store(Arc::clone(store))),
        home: Arc::new(DirectoryHome::new(config.data_dir.clone())),
        blocking,
        addresses: NodeAddresses {
            address: config.address.clone(),
            sql_address: listeners.sql_address(&config.address)?,
            http_address: listeners.http_address(&config.address)?,
            locality: config.locality.clone(),
        },
        join: config.join.clone(),
        command_socket: None,
        versions: Versions::of_process(),
        seed: rand::random(),
    })
}

/// Ready when the node stops.
async fn stopping(mut stopped: watch::Receiver<bool>) {
    // An error means that whoever would tell is gone, which is a stop too.
    let _ = stopped.wait_for(|stopped| *stopped).await;
}

/// Builds SQL once the node is a member, and opens the gate once its catalog is confirmed.
async fn open_gate(cluster: Arc<ClusterNode>, gate: Arc<NodeGate>) {
    let Some(member) = cluster.wait_for_member().await else {
        match cluster.refusal() {
            Some(refusal) => gate.refuse(refusal.to_owned()),
            None => gate.fail("this node cannot take its place in the cluster; its log says why".to_owned()),
        }
        return;
    };
    let sql = sql_over(&member);
    let refresher = Arc::new(CatalogRefresher::new(Arc::clone(&sql)));
    // The gate is open before there can be a lease: a node with one serves.
    gate.open(Arc::clone(&sql), Arc::clone(&member));
    member.set_catalog_listener(refresher);
    sql.run_jobs().await;
}

fn sql_over(member: &Arc<Member>) -> Arc<SqlNode> {
    let database = Arc::new(member.database().clone());
    let adapter = Arc::new(SqlCluster::new(Arc::clone(member)));
    let timing = job_timing(safeguard::job_expiry());
    SqlNode::with_job_timing(database, adapter, Arc::new(MachineClock), timing)
}

/// When drivers of jobs are missed: as usual, unless a test wants it sooner.
fn job_timing(expiry: Option<Duration>) -> JobTiming {
    match expiry {
        None => JobTiming::default(),
        Some(expiry) => JobTiming { sign: expiry / 5, expiry, look: expiry / 4 },
    }
}
