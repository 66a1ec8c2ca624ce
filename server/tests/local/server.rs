//! SQL over one store in memory behind the real wire.

use std::net::SocketAddr;
use std::sync::Arc;

use parking_lot::Mutex;
use quorate::pgwire::{SqlAccess, Wire, WireOptions};
use quorate_engine::clock::HybridClock;
use quorate_engine::local::LocalDatabase;
use quorate_engine::memory::MemoryStore;
use quorate_sql::error::SqlError;
use quorate_sql::node::SqlNode;
use quorate_sql::program::scan_evaluator;
use quorate_sql::testing::local_cluster::{LocalCluster, TestClock};
use tokio::net::TcpListener;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use tokio_postgres::{Client, NoTls};

use super::database::{Held, held_database};
use super::within;

/// A gate that can be closed.
pub struct TestGate {
    node: Arc<SqlNode>,
    closed: Mutex<Option<SqlError>>,
}

impl TestGate {
    /// Closes the gate with this error, or opens it.
    pub fn set(&self, error: Option<SqlError>) {
        *self.closed.lock() = error;
    }
}

impl SqlAccess for TestGate {
    fn admit(&self) -> Result<Arc<SqlNode>, SqlError> {
        self.closed.lock().clone().map_or_else(|| Ok(Arc::clone(&self.node)), Err)
    }
}

/// A running server.
pub struct Server {
    /// Where it listens.
    pub address: SocketAddr,
    /// Its gate.
    pub gate: Arc<TestGate>,
    /// What its database holds back.
    pub held: Arc<watch::Sender<Held>>,
    stop: Option<oneshot::Sender<()>>,
    task: Option<JoinHandle<()>>,
}

impl Server {
    /// Starts a server with the usual limits.
    pub async fn start() -> Self {
        Self::start_with(WireOptions::default()).await
    }

    /// Starts a server with these limits.
    pub async fn start_with(options: WireOptions) -> Self {
        let clock = Arc::new(HybridClock::system());
        let local = LocalDatabase::new(Arc::new(MemoryStore::new()), clock, scan_evaluator());
        let (database, held) = held_database(Arc::new(local));
        let node = SqlNode::new(database, LocalCluster::new(), TestClock::new());
        node.refresh_catalog().await.unwrap();
        let gate = Arc::new(TestGate { node, closed: Mutex::new(None) });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let wire = Wire::new(Arc::clone(&gate) as Arc<dyn SqlAccess>, options);
        let task = tokio::spawn(wire.serve(listener, async {
            let _ = stopped.await;
        }));
        Self { address, gate, held, stop: Some(stop), task: Some(task) }
    }

    /// Asks the server to stop.
    pub fn stop(&mut self) {
        let _ = self.stop.take().map(|stop| stop.send(()));
    }

    /// Waits until it has stopped.
    pub async fn stopped(&mut self) {
        if let Some(task) = self.task.take() {
            within("the server stops", task).await.unwrap();
        }
    }

    /// A URL for clients.
    pub fn url(&self) -> String {
        format!("postgres://root@{}/quorate", self.address)
    }

    /// A driver's session.
    pub async fn client(&self) -> Client {
        let (client, connection) =
            within("a client connects", tokio_postgres::connect(&self.url(), NoTls)).await.unwrap();
        tokio::spawn(async move {
            let _ = connection.await;
        });
        client
    }
}
