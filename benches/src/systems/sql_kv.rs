//! Keys and values as a table: the same statements, prepared, for Quorate and PostgreSQL.

use std::pin::pin;

use async_trait::async_trait;
use bytes::Bytes;
use futures::SinkExt;
use tokio_postgres::{Client, Row, Statement};

use super::KvClient;
use super::sql::SqlSystem;
use crate::error::{BenchError, OpError};

const TABLE: &str =
    "DROP TABLE IF EXISTS bench_kv; CREATE TABLE bench_kv (k BIGINT PRIMARY KEY, v TEXT NOT NULL)";
const PUT: &str = "INSERT INTO bench_kv (k, v) VALUES ($1, $2) ON CONFLICT (k) DO UPDATE SET v = excluded.v";
const GET: &str = "SELECT v FROM bench_kv WHERE k = $1";
const SCAN: &str = "SELECT k, v FROM bench_kv WHERE k >= $1 ORDER BY k LIMIT $2";
const COPY: &str = "COPY bench_kv (k, v) FROM STDIN";

/// Bytes of one message of COPY.
const COPY_MESSAGE_BYTES: usize = 64 << 10;

/// Makes the table, empty.
///
/// # Errors
/// The system refuses.
pub async fn create(sql: &SqlSystem) -> Result<(), BenchError> {
    sql.run(TABLE).await
}

/// A client with its statements prepared.
///
/// # Errors
/// It cannot connect, or the table is not there.
pub async fn client(sql: &SqlSystem, number: usize) -> Result<Box<dyn KvClient>, BenchError> {
    let client = sql.connect(number).await?;
    let kv = SqlKv::prepare(client).await.map_err(|error| sql.error("preparing statements", &error))?;
    Ok(Box::new(kv))
}

/// See [`client`].
pub struct SqlKv {
    client: Client,
    put: Statement,
    get: Statement,
    scan: Statement,
}

impl SqlKv {
    /// On this connection.
    ///
    /// # Errors
    /// The table is not there, or the connection has ended.
    pub async fn prepare(client: Client) -> Result<Self, tokio_postgres::Error> {
        let put = client.prepare(PUT).await?;
        let get = client.prepare(GET).await?;
        let scan = client.prepare(SCAN).await?;
        Ok(Self { client, put, get, scan })
    }
}

/// Keys as SQL has them; benches have far fewer than 2^63.
fn signed(key: u64) -> i64 {
    i64::try_from(key).unwrap_or(i64::MAX)
}

fn row(row: &Row) -> Result<(u64, String), OpError> {
    let key: i64 = row.try_get(0)?;
    Ok((u64::try_from(key).unwrap_or(u64::MAX), row.try_get(1)?))
}

#[async_trait]
impl KvClient for SqlKv {
    async fn put(&mut self, key: u64, value: &str) -> Result<(), OpError> {
        match self.client.execute(&self.put, &[&signed(key), &value]).await? {
            1 => Ok(()),
            rows => Err(OpError::refused(format!("an upsert has changed {rows} rows"))),
        }
    }

    async fn load(&mut self, rows: &[(u64, String)]) -> Result<(), OpError> {
        let mut sink = pin!(self.client.copy_in::<_, Bytes>(COPY).await?);
        let mut lines = String::with_capacity(COPY_MESSAGE_BYTES * 2);
        for (key, value) in rows {
            // Values are letters, digits, - and _: nothing needs escaping.
            lines.push_str(&format!("{key}\t{value}\n"));
            if lines.len() >= COPY_MESSAGE_BYTES {
                sink.send(Bytes::from(std::mem::take(&mut lines))).await?;
            }
        }
        sink.send(Bytes::from(lines)).await?;
        let loaded = sink.finish().await?;
        if loaded == rows.len() as u64 {
            return Ok(());
        }
        Err(OpError::refused(format!("COPY says {loaded} rows of {}", rows.len())))
    }

    async fn get(&mut self, key: u64) -> Result<Option<String>, OpError> {
        let row = self.client.query_opt(&self.get, &[&signed(key)]).await?;
        Ok(row.map(|row| row.try_get(0)).transpose()?)
    }

    async fn scan(&mut self, from: u64, limit: usize) -> Result<Vec<(u64, String)>, OpError> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let rows = self.client.query(&self.scan, &[&signed(from), &limit]).await?;
        rows.iter().map(row).collect()
    }
}
