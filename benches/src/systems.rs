//! What is measured: Quorate in its three forms, and the peers.

pub mod embedded;
pub mod etcd;
pub mod expected;
pub mod postgres;
pub mod quorate;
pub mod sql;
pub mod sql_kv;

use std::path::Path;
use std::str::FromStr;

use async_trait::async_trait;

use crate::error::{BenchError, OpError};
use embedded::Embedded;
use etcd::EtcdCluster;
use postgres::PostgresCluster;
use quorate::QuorateCluster;
use sql::SqlSystem;

/// A client of a system, as a store of keys and values: what all systems can do.
#[async_trait]
pub trait KvClient: Send {
    /// Sets a key; durable on a quorum when it returns.
    async fn put(&mut self, key: u64, value: &str) -> Result<(), OpError>;

    /// Sets keys that do not exist yet, as fast as the system can.
    async fn load(&mut self, rows: &[(u64, String)]) -> Result<(), OpError>;

    /// The newest value of a key.
    async fn get(&mut self, key: u64) -> Result<Option<String>, OpError>;

    /// Up to so many keys from this one on, in their order.
    async fn scan(&mut self, from: u64, limit: usize) -> Result<Vec<(u64, String)>, OpError>;
}

/// Another system in the same run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Peer {
    /// Three nodes of etcd.
    Etcd,
    /// PostgreSQL with two synchronous standbys.
    Postgres,
}

impl FromStr for Peer {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "etcd" => Ok(Self::Etcd),
            "postgres" => Ok(Self::Postgres),
            _ => Err("write etcd or postgres".to_owned()),
        }
    }
}

impl Peer {
    /// Whether it can be started at all: to be told before anything is measured.
    ///
    /// # Errors
    /// It is not installed.
    pub fn check_installed(self) -> Result<(), BenchError> {
        match self {
            Self::Etcd => etcd::check_installed(),
            Self::Postgres => postgres::check_installed(),
        }
    }

    /// Starts it in this folder.
    ///
    /// # Errors
    /// It is not installed, or does not start.
    pub async fn start(self, folder: &Path) -> Result<System, BenchError> {
        match self {
            Self::Etcd => EtcdCluster::start(folder).await.map(System::Etcd),
            Self::Postgres => PostgresCluster::start(folder).await.map(System::Postgres),
        }
    }
}

/// A system that runs.
pub enum System {
    /// Three processes of Quorate, started by this run.
    Quorate(QuorateCluster),
    /// A node of Quorate within this process.
    Embedded(Embedded),
    /// A cluster that was there before.
    Target(SqlSystem),
    /// See [`Peer::Etcd`].
    Etcd(EtcdCluster),
    /// See [`Peer::Postgres`].
    Postgres(PostgresCluster),
}

impl System {
    /// Its name in reports.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Quorate(_) => "quorate",
            Self::Embedded(_) => "embedded",
            Self::Target(_) => "target",
            Self::Etcd(_) => "etcd",
            Self::Postgres(_) => "postgres",
        }
    }

    /// Version and command lines, for the reader of the report.
    pub fn description(&self) -> Vec<String> {
        match self {
            Self::Quorate(cluster) => cluster.description(),
            Self::Embedded(node) => node.description(),
            Self::Target(sql) => sql.urls().iter().map(|url| format!("target {url}")).collect(),
            Self::Etcd(cluster) => cluster.description(),
            Self::Postgres(cluster) => cluster.description(),
        }
    }

    /// Its SQL, where it has one.
    pub fn sql(&self) -> Option<&SqlSystem> {
        match self {
            Self::Quorate(cluster) => Some(cluster.sql()),
            Self::Target(sql) => Some(sql),
            Self::Postgres(cluster) => Some(cluster.sql()),
            Self::Embedded(_) | Self::Etcd(_) => None,
        }
    }

    /// Makes an empty place for the keys of `kv`.
    ///
    /// # Errors
    /// The system refuses.
    pub async fn create_kv(&self) -> Result<(), BenchError> {
        match self {
            Self::Etcd(cluster) => cluster.clear().await,
            Self::Embedded(node) => node.create_kv().await,
            Self::Quorate(_) | Self::Target(_) | Self::Postgres(_) => match self.sql() {
                Some(sql) => sql_kv::create(sql).await,
                None => Ok(()),
            },
        }
    }

    /// A client of the keys of `kv`; client `number` talks to node `number` mod 3 where all nodes serve.
    ///
    /// # Errors
    /// It cannot connect.
    pub async fn kv_client(&self, number: usize) -> Result<Box<dyn KvClient>, BenchError> {
        match self {
            Self::Quorate(cluster) => sql_kv::client(cluster.sql(), number).await,
            Self::Target(sql) => sql_kv::client(sql, number).await,
            Self::Postgres(cluster) => sql_kv::client(cluster.sql(), number).await,
            Self::Embedded(node) => Ok(node.kv_client()),
            Self::Etcd(cluster) => Ok(cluster.client(number)),
        }
    }

    /// Fails where one of its processes has ended.
    ///
    /// # Errors
    /// As said.
    pub fn check(&mut self) -> Result<(), BenchError> {
        match self {
            Self::Quorate(cluster) => cluster.check(),
            Self::Etcd(cluster) => cluster.check(),
            Self::Postgres(cluster) => cluster.check(),
            Self::Embedded(_) | Self::Target(_) => Ok(()),
        }
    }
}
