//! A client of etcd's API over gRPC.

use std::time::Duration;

use async_trait::async_trait;
use tonic::transport::{Channel, Endpoint};

use crate::error::{BenchError, OpError};
use crate::systems::KvClient;

mod api {
    tonic::include_proto!("etcdserverpb");
}

use api::kv_client::KvClient as Api;
use api::request_op::Request;
use api::{DeleteRangeRequest, PutRequest, RangeRequest, RequestOp, TxnRequest};

/// How long one request may take.
const ANSWER_MAX: Duration = Duration::from_secs(60);
/// Most operations of one transaction: etcd's own limit.
const LOAD_OPS_MAX: usize = 128;

/// One client; clones share the connection.
#[derive(Clone, Debug)]
pub struct EtcdClient {
    api: Api<Channel>,
}

fn key_bytes(key: u64) -> Vec<u8> {
    format!("bench/{key:016x}").into_bytes()
}

/// Behind all keys: the byte after the slash.
const END: &[u8] = b"bench0";

fn key_of(bytes: &[u8]) -> Result<u64, OpError> {
    let digits = bytes.strip_prefix(b"bench/").and_then(|digits| std::str::from_utf8(digits).ok());
    let key = digits.and_then(|digits| u64::from_str_radix(digits, 16).ok());
    key.ok_or_else(|| OpError::refused("a key that this bench has not written"))
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

impl From<tonic::Status> for OpError {
    fn from(status: tonic::Status) -> Self {
        Self::unknown(format!("{}: {}", status.code(), status.message()))
    }
}

impl EtcdClient {
    /// Connects to the node at this port of loopback.
    ///
    /// # Errors
    /// Nobody answers.
    pub async fn connect(port: u16) -> Result<Self, BenchError> {
        let error = |error: tonic::transport::Error| BenchError::System {
            system: "etcd".to_owned(),
            what: format!("connecting to port {port}"),
            detail: error.to_string(),
        };
        let endpoint = Endpoint::from_shared(format!("http://127.0.0.1:{port}")).map_err(error)?;
        let channel = endpoint.tcp_nodelay(true).timeout(ANSWER_MAX).connect().await.map_err(error)?;
        Ok(Self { api: Api::new(channel) })
    }

    /// Removes all keys.
    ///
    /// # Errors
    /// etcd refuses.
    pub async fn clear(&mut self) -> Result<(), BenchError> {
        let request = DeleteRangeRequest { key: b"bench/".to_vec(), range_end: END.to_vec() };
        self.api.delete_range(request).await.map(drop).map_err(|status| BenchError::System {
            system: "etcd".to_owned(),
            what: "removing all keys".to_owned(),
            detail: status.to_string(),
        })
    }
}

#[async_trait]
impl KvClient for EtcdClient {
    async fn put(&mut self, key: u64, value: &str) -> Result<(), OpError> {
        let request = PutRequest { key: key_bytes(key), value: value.as_bytes().to_vec() };
        self.api.put(request).await?;
        Ok(())
    }

    async fn load(&mut self, rows: &[(u64, String)]) -> Result<(), OpError> {
        for rows in rows.chunks(LOAD_OPS_MAX) {
            let put = |(key, value): &(u64, String)| RequestOp {
                request: Some(Request::RequestPut(PutRequest {
                    key: key_bytes(*key),
                    value: value.as_bytes().to_vec(),
                })),
            };
            self.api.txn(TxnRequest { success: rows.iter().map(put).collect() }).await?;
        }
        Ok(())
    }

    async fn get(&mut self, key: u64) -> Result<Option<String>, OpError> {
        let request = RangeRequest { key: key_bytes(key), ..RangeRequest::default() };
        let answer = self.api.range(request).await?.into_inner();
        Ok(answer.kvs.into_iter().next().map(|pair| text(pair.value)))
    }

    async fn scan(&mut self, from: u64, limit: usize) -> Result<Vec<(u64, String)>, OpError> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let request =
            RangeRequest { key: key_bytes(from), range_end: END.to_vec(), limit, serializable: false };
        let answer = self.api.range(request).await?.into_inner();
        answer.kvs.into_iter().map(|pair| Ok((key_of(&pair.key)?, text(pair.value)))).collect()
    }
}
