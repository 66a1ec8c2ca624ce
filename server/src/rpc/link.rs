//! One lane to one node: a bounded queue, and a task that keeps a stream open and puts what is queued into frames.
//!
//! There is no lingering: whatever waits when the stream is ready for more goes into the next frame. While the
//! connection is down messages are refused, so that the sender learns it at once; those queued when it broke are lost,
//! as on any network.

use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use futures::Stream;
use hyper_util::rt::TokioIo;
use quorate_placement::topology::NodeId;
use quorate_raft_groups::tasks::Tasks;
use quorate_raft_groups::transport::{Lane, Message, SendError};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tonic::Code;
use tonic::transport::Endpoint;

use super::ask::no_connection;
use super::frame::Frame;
use super::proto::Hello;
use super::proto::peer_client::PeerClient;
use super::{LEASES_FIRST_BYTE, Membership, lane_code};
use crate::limits::{
    FRAME_MESSAGES_MAX, FRAME_TARGET_BYTES, LINK_KEEP_ALIVE_INTERVAL, LINK_KEEP_ALIVE_TIMEOUT,
    LINK_QUEUE_MAX, LINK_QUEUE_MAX_BYTES, NODE_FRAME_MAX_BYTES,
};

/// Window of the HTTP/2 stream and connection: a few commands in flight.
const WINDOW_BYTES: u32 = 8 << 20;
/// How long a connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_millis(1_000);
/// First and last pause between two tries to connect.
const RECONNECT_MIN: Duration = Duration::from_millis(10);
const RECONNECT_MAX: Duration = Duration::from_millis(500);
/// How long no connection comes about before the log says so.
const FAILURE_TOLD_AFTER: Duration = Duration::from_secs(3);

/// The queue of one lane to one node, and the task that empties it. Dropping it ends the stream.
pub struct Link {
    queue: mpsc::Sender<Message>,
    shared: Arc<LinkShared>,
    task: JoinHandle<()>,
}

struct LinkShared {
    to: NodeId,
    lane: Lane,
    membership: Membership,
    queued_bytes: AtomicUsize,
    /// False from a failure until the next connection.
    open: AtomicBool,
}

impl Link {
    /// Starts to connect; messages are queued meanwhile, until the first try has failed.
    pub fn open(to: NodeId, lane: Lane, membership: Membership, tasks: &Tasks) -> Arc<Self> {
        let (queue, receiver) = mpsc::channel(LINK_QUEUE_MAX);
        let queued_bytes = AtomicUsize::new(0);
        let shared = Arc::new(LinkShared { to, lane, membership, queued_bytes, open: AtomicBool::new(true) });
        let running = Arc::clone(&shared).run(Arc::new(Mutex::new(receiver)));
        // With all that the connection starts.
        let task = match lane {
            Lane::Leases => tasks.urgent(running),
            Lane::Data | Lane::Control => tasks.ordinary(running),
        };
        Arc::new(Self { queue, shared, task })
    }

    /// Queues a message.
    ///
    /// # Errors
    /// The connection is down, or the queue is full.
    pub fn send(&self, message: Message) -> Result<(), SendError> {
        if !self.shared.open.load(Ordering::Acquire) {
            return Err(SendError::Unreachable);
        }
        let length = message.len();
        let before = self.shared.queued_bytes.fetch_add(length, Ordering::AcqRel);
        if before > LINK_QUEUE_MAX_BYTES || self.queue.try_send(message).is_err() {
            self.shared.queued_bytes.fetch_sub(length, Ordering::AcqRel);
            return Err(SendError::Unreachable);
        }
        Ok(())
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.task.abort();
    }
}

type Queue = Arc<Mutex<mpsc::Receiver<Message>>>;

impl LinkShared {
    async fn run(self: Arc<Self>, queue: Queue) {
        let mut pause = RECONNECT_MIN;
        let mut told = String::new();
        let mut failing: Option<Instant> = None;
        loop {
            match Arc::clone(&self).connect().await {
                Ok(client) => {
                    failing = None;
                    self.open.store(true, Ordering::Release);
                    let begun = Instant::now();
                    let (reason, is_refusal) = Arc::clone(&self).stream(client, &queue).await;
                    // Another node at this address refuses the stream at once, for as long as it is there: that is
                    // neither asked quickly nor told more than once.
                    if begun.elapsed() >= RECONNECT_MAX {
                        pause = RECONNECT_MIN;
                        told.clear();
                    }
                    if reason == told {
                        // Nothing new.
                    } else if is_refusal {
                        tracing::warn!(to = %self.to, %reason, "another node does not take this one's messages");
                    } else {
                        tracing::info!(to = %self.to, lane = ?self.lane, %reason, "stream to node ended");
                    }
                    told = reason;
                }
                Err(reason) => {
                    // A node that is only started anew is no trouble.
                    if failing.get_or_insert_with(Instant::now).elapsed() >= FAILURE_TOLD_AFTER {
                        tracing::warn!(to = %self.to, %reason, "no connection to node");
                    }
                }
            }
            self.open.store(false, Ordering::Release);
            self.discard(&queue).await;
            self.membership.receiver.disconnected(self.to, self.lane);
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(RECONNECT_MAX);
        }
    }

    async fn connect(self: Arc<Self>) -> Result<PeerClient<tonic::transport::Channel>, String> {
        let address = self.membership.peers.address(self.to).ok_or("address unknown")?;
        let endpoint = Endpoint::from_shared(format!("http://{address}"))
            .map_err(|error| error.to_string())?
            .connect_timeout(CONNECT_TIMEOUT)
            .tcp_nodelay(true)
            .initial_stream_window_size(WINDOW_BYTES)
            .initial_connection_window_size(WINDOW_BYTES)
            .http2_keep_alive_interval(LINK_KEEP_ALIVE_INTERVAL)
            .keep_alive_timeout(LINK_KEEP_ALIVE_TIMEOUT)
            .keep_alive_while_idle(true);
        let channel = match self.lane {
            Lane::Leases => {
                let address = address.clone();
                let connector = tower::service_fn(move |_| connect_for_leases(address.clone()));
                endpoint.connect_with_connector(connector).await
            }
            Lane::Data | Lane::Control => endpoint.connect().await,
        };
        let channel = channel.map_err(|error| no_connection(&address, &error))?;
        Ok(PeerClient::new(channel).max_encoding_message_size(NODE_FRAME_MAX_BYTES))
    }

    /// Runs one stream to its end, and says why it ended, and whether this node is not let in.
    async fn stream(
        self: Arc<Self>,
        mut client: PeerClient<tonic::transport::Channel>,
        queue: &Queue,
    ) -> (String, bool) {
        let frames = Arc::clone(&self).frames(Arc::clone(queue));
        match client.deliver(frames).await {
            Ok(_) => ("the node closed it".to_owned(), false),
            Err(status) => {
                if status.code() == Code::PermissionDenied {
                    self.membership.peers.denied(self.to).await;
                }
                let is_refusal = [Code::PermissionDenied, Code::FailedPrecondition].contains(&status.code());
                (status.message().to_owned(), is_refusal)
            }
        }
    }

    fn hello(&self) -> Frame {
        let hello = Hello {
            to_node: self.to.0,
            lane: lane_code(self.lane),
            introduction: self.membership.peers.hello(),
        };
        Frame { hello: Some(hello), messages: Vec::new() }
    }

    fn frames(self: Arc<Self>, queue: Queue) -> impl Stream<Item = Frame> + Send + 'static {
        let hello = Some(self.hello());
        futures::stream::unfold((self, queue, hello), |(shared, queue, hello)| async move {
            if let Some(hello) = hello {
                return Some((hello, (shared, queue, None)));
            }
            let messages = shared.next_messages(&queue).await?;
            Some((Frame { hello: None, messages }, (shared, queue, None)))
        })
    }

    async fn next_messages(&self, queue: &Queue) -> Option<Vec<Message>> {
        let mut queue = queue.lock().await;
        let first = queue.recv().await?;
        // Whatever else is ready to run may have messages, too: one frame is cheaper than two.
        tokio::task::yield_now().await;
        let mut bytes = first.len();
        let mut messages = vec![first];
        while bytes < FRAME_TARGET_BYTES && messages.len() < FRAME_MESSAGES_MAX {
            let Ok(next) = queue.try_recv() else { break };
            bytes += next.len();
            messages.push(next);
        }
        self.queued_bytes.fetch_sub(bytes, Ordering::AcqRel);
        Some(messages)
    }

    /// Drops what was queued when the connection broke.
    async fn discard(&self, queue: &Queue) {
        let mut queue = queue.lock().await;
        while let Ok(message) = queue.try_recv() {
            self.queued_bytes.fetch_sub(message.len(), Ordering::AcqRel);
        }
    }
}

/// A connection that the other node serves where it keeps its leases: the first byte says so, before it can know anything else.
pub(super) async fn connect_for_leases(address: String) -> io::Result<TokioIo<TcpStream>> {
    let connecting = async {
        let mut stream = TcpStream::connect(&address).await?;
        stream.set_nodelay(true)?;
        stream.write_all(&[LEASES_FIRST_BYTE]).await?;
        Ok(TokioIo::new(stream))
    };
    tokio::time::timeout(CONNECT_TIMEOUT, connecting)
        .await
        .map_err(|_| io::Error::from(ErrorKind::TimedOut))?
}
