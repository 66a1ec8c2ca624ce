//! One node of Quorate within this process, asked through the traits of `engine::kv`: no wire, no SQL.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use quorate::config::OnLoss;
use quorate::metrics;
use quorate::node::{Listeners, Node, NodeConfig};
use quorate_engine::kv::{
    Database, Direction, Key, KvError, ScanRequest, ScanRows, Span, TransactionOptions, Write, keyspace,
};

use super::KvClient;
use crate::error::{BenchError, Fate, OpError};

/// A table of its own, far beyond those that SQL numbers.
const TABLE_ID: u64 = 1 << 40;
/// Keys of one transaction while loading: well below what one command holds.
const LOAD_ROWS: usize = 500;
/// Bytes of one page of a scan.
const PAGE_BYTES: u64 = 1 << 20;

/// A running node with a range for the keys.
pub struct Embedded {
    node: Node,
    database: Arc<dyn Database>,
}

fn error(what: &str, error: &dyn std::fmt::Display) -> BenchError {
    BenchError::System { system: "embedded".to_owned(), what: what.to_owned(), detail: error.to_string() }
}

impl Embedded {
    /// Starts a cluster of one node in this folder.
    ///
    /// # Errors
    /// It does not start.
    pub async fn start(folder: &Path) -> Result<Self, BenchError> {
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let listeners = Listeners::bind(any, any, any).await.map_err(|fault| error("binding", &fault))?;
        let address = listeners.peer_address().map_err(|fault| error("binding", &fault))?;
        let config = NodeConfig {
            data_dir: folder.join("embedded"),
            address: address.clone(),
            locality: "zone=a".parse().map_err(|fault| error("its locality", &fault))?,
            join: vec![address],
            on_loss: OnLoss::Refuse,
            nodes_in_process: 1,
        };
        let page = metrics::install().map_err(|fault| error("its metrics", &fault))?;
        let node = Node::start(config, listeners, page).await.map_err(|fault| error("starting", &fault))?;
        node.cluster().init().await.map_err(|fault| error("init", &fault))?;
        node.ready().await.ok_or_else(|| error("init", &"the node does not become ready"))?;
        let member = node.cluster().member().ok_or_else(|| error("init", &"the node is no member"))?;
        let database = Arc::new(member.database().clone());
        Ok(Self { node, database })
    }

    /// What it is.
    pub fn description(&self) -> Vec<String> {
        vec![format!("quorate {}, one node in this process", quorate::cli::VERSION)]
    }

    /// Makes the range of the keys, empty.
    ///
    /// # Errors
    /// The node refuses.
    pub async fn create_kv(&self) -> Result<(), BenchError> {
        let member =
            self.node.cluster().member().ok_or_else(|| error("its range", &"the node is no member"))?;
        member
            .create_table_range(keyspace::table_span(TABLE_ID))
            .await
            .map_err(|fault| error("its range", &fault))
    }

    /// A client: a task of this process.
    pub fn kv_client(&self) -> Box<dyn KvClient> {
        Box::new(EmbeddedClient { database: Arc::clone(&self.database) })
    }
}

struct EmbeddedClient {
    database: Arc<dyn Database>,
}

fn key_of(number: u64) -> Key {
    let mut bytes = keyspace::table_prefix(TABLE_ID).as_ref().to_vec();
    bytes.extend_from_slice(&number.to_be_bytes());
    Key::from(bytes)
}

fn number_of(key: &Key) -> u64 {
    key.as_ref().last_chunk::<8>().map_or(u64::MAX, |bytes| u64::from_be_bytes(*bytes))
}

fn text(value: &[u8]) -> String {
    String::from_utf8_lossy(value).into_owned()
}

impl From<KvError> for OpError {
    fn from(error: KvError) -> Self {
        let fate = match (error.is_retryable(), error.is_ambiguous()) {
            (true, _) => Fate::Retry,
            (false, true) => Fate::Unknown,
            (false, false) => Fate::Refused,
        };
        Self { fate, detail: error.to_string() }
    }
}

impl EmbeddedClient {
    async fn write(&self, rows: &[(u64, String)]) -> Result<(), OpError> {
        let mut transaction = self.database.begin(TransactionOptions::default()).await?;
        transaction.start_statement();
        for (key, value) in rows {
            transaction.write(Write::put(key_of(*key), value.clone().into_bytes().into()))?;
        }
        transaction.commit(None).await?;
        Ok(())
    }
}

#[async_trait]
impl KvClient for EmbeddedClient {
    async fn put(&mut self, key: u64, value: &str) -> Result<(), OpError> {
        let mut transaction = self.database.begin(TransactionOptions::default()).await?;
        transaction.start_statement();
        transaction.write(Write::put(key_of(key), value.as_bytes().to_vec().into()))?;
        transaction.commit(None).await?;
        Ok(())
    }

    async fn load(&mut self, rows: &[(u64, String)]) -> Result<(), OpError> {
        for rows in rows.chunks(LOAD_ROWS) {
            self.write(rows).await?;
        }
        Ok(())
    }

    async fn get(&mut self, key: u64) -> Result<Option<String>, OpError> {
        let mut transaction = self.database.begin(TransactionOptions::reading()).await?;
        transaction.start_statement();
        let found = transaction.get_many(vec![key_of(key)]).await?;
        Ok(found.into_iter().next().flatten().map(|value| text(&value)))
    }

    async fn scan(&mut self, from: u64, limit: usize) -> Result<Vec<(u64, String)>, OpError> {
        let mut transaction = self.database.begin(TransactionOptions::reading()).await?;
        transaction.start_statement();
        let end = keyspace::table_span(TABLE_ID).end;
        let mut next = Some(Span::new(key_of(from), end));
        let mut rows = Vec::new();
        while let Some(span) = next.take().filter(|_| rows.len() < limit) {
            let rows_max = (limit - rows.len()) as u64;
            let request = ScanRequest {
                span,
                direction: Direction::Forward,
                program: None,
                rows_max,
                bytes_max: PAGE_BYTES,
            };
            let page = transaction.scan(request).await?;
            if let ScanRows::Pairs(pairs) = page.rows {
                rows.extend(pairs.iter().map(|(key, value)| (number_of(key), text(value))));
            }
            next = page.resume;
        }
        Ok(rows)
    }
}
