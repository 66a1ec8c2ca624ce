//! A client of ZooKeeper: one session on one connection, several requests under way where they belong together.
//!
//! A server answers a session's requests in their order, so nobody needs to look for the asker of a reply. The library
//! `zookeeper-client` would bring 42 crates, among them a second async runtime.
//!
//! Invariant: where an answer is missing, late or not the expected one, the session is not used again.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::Mutex;
use tokio::task::JoinHandle;

use super::jute::{self, Reply, Request};
use crate::error::{BenchError, OpError};
use crate::systems::KvClient;

/// How long one request may take.
const ANSWER_MAX: Duration = Duration::from_secs(60);
/// How long a session lasts without a sign of life: the most that a server with the default tick grants.
const SESSION_MS: i32 = 40_000;
/// Signs of life in that time: one may be late, another one lost.
const PINGS_PER_SESSION: u32 = 3;
/// Requests under way at once on a session: below the 1,000 of all sessions at which a server stops reading.
const IN_FLIGHT_MAX: usize = 256;
/// Longest frame that is read: a server sends none that is longer, either (its `jute.maxbuffer`).
const FRAME_MAX_BYTES: usize = 1 << 20;
/// Parent of all nodes of the bench.
const ROOT: &str = "/bench";

fn path_of(key: u64) -> String {
    format!("{ROOT}/{key:016x}")
}

/// See the head of the file.
#[derive(Debug)]
pub struct ZookeeperClient {
    reader: OwnedReadHalf,
    writer: Arc<Mutex<OwnedWriteHalf>>,
    received: BytesMut,
    next_xid: i32,
    is_broken: bool,
    pings: JoinHandle<()>,
}

impl ZookeeperClient {
    /// A session with the server at this port of loopback.
    ///
    /// # Errors
    /// Nobody answers, or no session is given.
    pub async fn connect(port: u16) -> Result<Self, BenchError> {
        let connected = tokio::time::timeout(ANSWER_MAX, Self::try_connect(port)).await;
        connected.map_err(|_| late()).flatten().map_err(failed(format!("connecting to port {port}")))
    }

    async fn try_connect(port: u16) -> Result<Self, OpError> {
        let stream = TcpStream::connect(("127.0.0.1", port)).await.map_err(lost)?;
        stream.set_nodelay(true).map_err(lost)?;
        let (mut reader, mut writer) = stream.into_split();
        writer.write_all(&jute::connect(SESSION_MS)).await.map_err(lost)?;
        let mut received = BytesMut::new();
        let answer = read_frame(&mut reader, &mut received).await?;
        let timeout_ms = jute::decode_connected(answer).map_err(|_| cut_off())?;
        let timeout_ms = u64::try_from(timeout_ms).unwrap_or(0);
        if timeout_ms == 0 {
            return Err(OpError::refused("no session is given"));
        }
        let writer = Arc::new(Mutex::new(writer));
        let interval = Duration::from_millis(timeout_ms) / PINGS_PER_SESSION;
        let pings = tokio::spawn(ping(Arc::clone(&writer), interval));
        Ok(Self { reader, writer, received, next_xid: 1, is_broken: false, pings })
    }

    /// Makes the parent of all keys, which does not exist yet.
    ///
    /// # Errors
    /// The server refuses.
    pub async fn create_root(&mut self) -> Result<(), BenchError> {
        self.all_done(&[Request::Create(ROOT.to_owned(), b"")])
            .await
            .map_err(failed(format!("making {ROOT}")))
    }

    /// Sends all of them at once; their replies, in their order.
    async fn exchange(&mut self, requests: &[Request<'_>]) -> Result<Vec<Reply>, OpError> {
        if self.is_broken {
            return Err(OpError::refused("the session has ended by an earlier error"));
        }
        // Also what is dropped half-way leaves replies behind that nobody waits for.
        self.is_broken = true;
        let replies = tokio::time::timeout(ANSWER_MAX, self.try_exchange(requests));
        let replies = replies.await.map_err(|_| late()).flatten()?;
        self.is_broken = false;
        Ok(replies)
    }

    async fn try_exchange(&mut self, requests: &[Request<'_>]) -> Result<Vec<Reply>, OpError> {
        let first = self.next_xid;
        let mut frames = Vec::new();
        for request in requests {
            request.encode(self.next_xid, &mut frames);
            self.next_xid = self.next_xid.checked_add(1).unwrap_or(1);
        }
        self.writer.lock().await.write_all(&frames).await.map_err(lost)?;
        let (mut replies, mut xid) = (Vec::with_capacity(requests.len()), first);
        for _ in requests {
            replies.push(self.reply(xid).await?);
            xid = xid.checked_add(1).unwrap_or(1);
        }
        Ok(replies)
    }

    /// The reply to this request, which is the next that is no ping's.
    async fn reply(&mut self, xid: i32) -> Result<Reply, OpError> {
        loop {
            let frame = read_frame(&mut self.reader, &mut self.received).await?;
            let reply = Reply::decode(frame).map_err(|_| cut_off())?;
            match reply.xid {
                jute::PING_XID | jute::WATCH_XID => {}
                found if found == xid => return Ok(reply),
                found => {
                    return Err(OpError::unknown(format!("an answer to request {found} instead of {xid}")));
                }
            }
        }
    }

    /// Sends all of them, a few hundred at a time; fails where one was refused.
    async fn all_done(&mut self, requests: &[Request<'_>]) -> Result<(), OpError> {
        for requests in requests.chunks(IN_FLIGHT_MAX) {
            self.exchange(requests).await?.iter().try_for_each(done)?;
        }
        Ok(())
    }
}

impl Drop for ZookeeperClient {
    fn drop(&mut self) {
        self.pings.abort();
        // Without it the session ends by itself, some time later.
        if let Ok(writer) = self.writer.try_lock() {
            let _ = writer.try_write(&jute::close());
        }
    }
}

/// Signs of life, whatever else the session does. Their replies are skipped by whoever reads next.
async fn ping(writer: Arc<Mutex<OwnedWriteHalf>>, interval: Duration) {
    loop {
        tokio::time::sleep(interval).await;
        // Where the connection is gone, whoever reads next says so.
        if writer.lock().await.write_all(&jute::ping()).await.is_err() {
            return;
        }
    }
}

async fn read_frame(reader: &mut OwnedReadHalf, received: &mut BytesMut) -> Result<Bytes, OpError> {
    loop {
        if let Some(head) = received.first_chunk::<{ jute::LENGTH_BYTES }>() {
            let length = usize::try_from(i32::from_be_bytes(*head)).unwrap_or(usize::MAX);
            if length > FRAME_MAX_BYTES {
                return Err(OpError::unknown(format!("a frame of {length} bytes")));
            }
            if received.len() >= jute::LENGTH_BYTES + length {
                received.advance(jute::LENGTH_BYTES);
                return Ok(received.split_to(length).freeze());
            }
        }
        if reader.read_buf(received).await.map_err(lost)? == 0 {
            return Err(OpError::unknown("the server has closed the connection"));
        }
    }
}

fn lost(error: std::io::Error) -> OpError {
    OpError::unknown(error.to_string())
}

fn late() -> OpError {
    OpError::unknown(format!("no answer within {} s", ANSWER_MAX.as_secs()))
}

fn cut_off() -> OpError {
    OpError::unknown("an answer that is cut off")
}

fn failed(what: String) -> impl FnOnce(OpError) -> BenchError {
    move |error| BenchError::System { system: "zookeeper".to_owned(), what, detail: error.detail }
}

/// Some of its codes leave open whether the request has happened: all count as unknown.
fn done(reply: &Reply) -> Result<(), OpError> {
    if reply.error == 0 { Ok(()) } else { Err(OpError::unknown(format!("error {}", reply.error))) }
}

/// The value that a reply to [`Request::GetData`] brings; `None` where there is no such node.
fn value_of(reply: Reply) -> Result<Option<String>, OpError> {
    if reply.error == jute::NO_NODE {
        return Ok(None);
    }
    done(&reply)?;
    let value = jute::decode_buffer(reply.fields).ok_or_else(cut_off)?;
    Ok(Some(String::from_utf8_lossy(&value).into_owned()))
}

#[async_trait]
impl KvClient for ZookeeperClient {
    async fn put(&mut self, key: u64, value: &str) -> Result<(), OpError> {
        self.all_done(&[Request::SetData(path_of(key), value.as_bytes())]).await
    }

    async fn load(&mut self, rows: &[(u64, String)]) -> Result<(), OpError> {
        let requests: Vec<Request<'_>> =
            rows.iter().map(|(key, value)| Request::Create(path_of(*key), value.as_bytes())).collect();
        self.all_done(&requests).await
    }

    async fn get(&mut self, key: u64) -> Result<Option<String>, OpError> {
        // The server answers in this order: what is read was synced before.
        let replies =
            self.exchange(&[Request::Sync(ROOT.to_owned()), Request::GetData(path_of(key))]).await?;
        let [synced, value] = <[Reply; 2]>::try_from(replies).map_err(|_| cut_off())?;
        done(&synced)?;
        value_of(value)
    }

    /// ZooKeeper has no order of names: the keys from this number on are asked for, and those that exist returned.
    async fn scan(&mut self, from: u64, limit: usize) -> Result<Vec<(u64, String)>, OpError> {
        self.all_done(&[Request::Sync(ROOT.to_owned())]).await?;
        let keys: Vec<u64> = (from..).take(limit).collect();
        let mut rows = Vec::new();
        for keys in keys.chunks(IN_FLIGHT_MAX) {
            let requests: Vec<_> = keys.iter().map(|key| Request::GetData(path_of(*key))).collect();
            for (key, reply) in keys.iter().zip(self.exchange(&requests).await?) {
                rows.extend(value_of(reply)?.map(|value| (*key, value)));
            }
        }
        Ok(rows)
    }
}

#[cfg(test)]
mod tests;
