//! What answers other nodes: takes their streams, checks who they are, and hands messages and questions on. On the
//! command socket it answers questions alone.
//!
//! ```text
//!   node port ── first byte ──┬──▶ ordinary: streams of data and control, questions
//!                             └──▶ urgent: streams that keep leases (raft_groups::tasks)
//! ```
//!
//! A connection lives in one runtime from its first byte on, since whatever reads and writes it does so there.

use std::io;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use futures::Stream;
use futures::future::BoxFuture;
use quorate_placement::topology::NodeId;
use quorate_raft_groups::cluster::admin::Origin;
use quorate_raft_groups::tasks::Tasks;
use quorate_raft_groups::transport::Lane;
use tokio::net::UnixListener;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio_stream::wrappers::UnixListenerStream;
use tonic::transport::Server;
use tonic::transport::server::Connected;
use tonic::{Request, Response, Status, Streaming};

use super::frame::Frame;
use super::proto::peer_server::{Peer, PeerServer};
use super::proto::{Answer, Delivered, Hello, Question};
use super::{LEASES_FIRST_BYTE, Membership, lane_from_code};
use crate::limited::{LimitedListener, LimitedStream, Limits};
use crate::limits::{LINK_SILENCE_MIN, NODE_FRAME_MAX_BYTES};

/// Window of the HTTP/2 streams of a connection.
const WINDOW_BYTES: u32 = 8 << 20;

/// How long another node may take to send its first byte: it sends it at once.
const FIRST_BYTE_MAX: Duration = Duration::from_secs(5);
/// One that has sent nothing for this long may go for another.
const FIRST_SILENCE_MIN: Duration = Duration::from_millis(500);
/// Connections whose first byte has come, and that wait to be taken: they are taken at once.
const SORTED_MAX: usize = 16;

/// The limits of the node port, for so many connections.
pub const fn limits(connections_max: usize) -> Limits {
    Limits {
        connections_max,
        first_byte_max: FIRST_BYTE_MAX,
        request_max: None,
        life_max: None,
        first_silence_min: FIRST_SILENCE_MIN,
        silence_min: LINK_SILENCE_MIN,
        refusal: b"",
    }
}

impl Connected for LimitedStream {
    type ConnectInfo = ();

    fn connect_info(&self) {}
}

/// Accepts connections, and hands each on once its first byte has come; the listener's limits hold for those that wait for it.
async fn sort(mut listener: LimitedListener, ordinary: Sorted, leases: Sorted) {
    let mut waiting = JoinSet::new();
    loop {
        let (mut stream, _) = listener.next().await;
        let (ordinary, leases) = (ordinary.clone(), leases.clone());
        waiting.spawn(async move {
            let to = match stream.begins_with(LEASES_FIRST_BYTE).await {
                Ok(true) => leases,
                Ok(false) => ordinary,
                Err(_) => return,
            };
            // Nobody takes it where the node stops.
            let _ = to.send(stream).await;
        });
        while waiting.try_join_next().is_some() {}
    }
}

type Sorted = mpsc::Sender<LimitedStream>;

/// The connections of one kind, in the runtime that asks for them.
fn incoming(sorted: mpsc::Receiver<LimitedStream>) -> impl Stream<Item = io::Result<LimitedStream>> {
    futures::stream::unfold(sorted, |mut sorted| async move {
        let stream = sorted.recv().await?;
        Some((stream.moved(), sorted))
    })
}

/// Answers questions that come before node ids are known: init, join, status.
pub trait QuestionHandler: Send + Sync + 'static {
    /// Answers one question that came this way.
    fn answer(&self, payload: Bytes, origin: Origin) -> BoxFuture<'static, Bytes>;
}

/// The service of one node; membership is set when the node has become a member.
#[derive(Clone)]
pub struct PeerService {
    questions: Arc<dyn QuestionHandler>,
    membership: Arc<OnceLock<Membership>>,
    tasks: Tasks,
    stop: watch::Receiver<bool>,
    origin: Origin,
    /// Whether it serves connections that keep leases, and no others: nothing else takes their time.
    keeps_leases: bool,
}

impl PeerService {
    /// A service that answers questions only, until [`PeerService::set_membership`]. It ends its streams when `stop`
    /// turns true.
    pub fn new(questions: Arc<dyn QuestionHandler>, tasks: Tasks, stop: watch::Receiver<bool>) -> Self {
        let membership = Arc::new(OnceLock::new());
        Self { questions, membership, tasks, stop, origin: Origin::Network, keeps_leases: false }
    }

    /// Serves the command socket: the same questions, and no streams, since no node is on the other end.
    ///
    /// # Errors
    /// The listener failed.
    pub async fn serve_commands(&self, listener: UnixListener) -> Result<(), tonic::transport::Error> {
        let (questions, mut stop) = (Arc::clone(&self.questions), self.stop.clone());
        let (tasks, of_service) = (self.tasks.clone(), self.stop.clone());
        let membership = Arc::default();
        let origin = Origin::Machine;
        let service = Self { questions, membership, tasks, stop: of_service, origin, keeps_leases: false };
        Server::builder()
            .add_service(PeerServer::new(service).max_encoding_message_size(NODE_FRAME_MAX_BYTES))
            .serve_with_incoming_shutdown(UnixListenerStream::new(listener), async move {
                let _ = stop.wait_for(|stopped| *stopped).await;
            })
            .await
    }

    /// From now on streams of other nodes are taken; the first call counts.
    pub fn set_membership(&self, membership: Membership) {
        let _ = self.membership.set(membership);
    }

    /// Serves until `stop` turns true.
    ///
    /// # Errors
    /// The listener failed.
    pub async fn serve(self, listener: LimitedListener) -> Result<(), tonic::transport::Error> {
        let (ordinary, sorted) = mpsc::channel(SORTED_MAX);
        let (leases, sorted_leases) = mpsc::channel(SORTED_MAX);
        let keeper = Self { keeps_leases: true, ..self.clone() };
        let urgent = self.tasks.urgent(keeper.serve_sorted(sorted_leases));
        tokio::select! {
            served = self.serve_sorted(sorted) => served?,
            () = sort(listener, ordinary, leases) => {}
        }
        urgent.await.unwrap_or_else(|error| {
            tracing::error!(%error, "what served the connections that keep leases ended before the node");
            Ok(())
        })
    }

    async fn serve_sorted(
        self,
        sorted: mpsc::Receiver<LimitedStream>,
    ) -> Result<(), tonic::transport::Error> {
        let mut stop = self.stop.clone();
        let service = PeerServer::new(self)
            .max_decoding_message_size(NODE_FRAME_MAX_BYTES)
            .max_encoding_message_size(NODE_FRAME_MAX_BYTES);
        Server::builder()
            .initial_stream_window_size(WINDOW_BYTES)
            .initial_connection_window_size(WINDOW_BYTES)
            .add_service(service)
            .serve_with_incoming_shutdown(incoming(sorted), async move {
                // An error means that whoever would tell is gone, which is a stop too.
                let _ = stop.wait_for(|stopped| *stopped).await;
            })
            .await
    }

    async fn admit(&self, hello: &Hello, membership: &Membership) -> Result<(NodeId, Lane), Status> {
        let lane = lane_from_code(hello.lane).ok_or_else(|| Status::invalid_argument("unknown lane"))?;
        if (lane == Lane::Leases) != self.keeps_leases {
            return Err(Status::invalid_argument("a lane on a connection of another kind"));
        }
        let own = membership.peers.node_id();
        if hello.to_node != own.0 {
            let message = format!("this is {own}, not {}: its address is out of date", NodeId(hello.to_node));
            return Err(Status::failed_precondition(message));
        }
        let from =
            membership.peers.admit(hello.introduction.clone()).await.map_err(Status::permission_denied)?;
        Ok((from, lane))
    }
}

#[tonic::async_trait]
impl Peer for PeerService {
    async fn deliver(&self, request: Request<Streaming<Frame>>) -> Result<Response<Delivered>, Status> {
        let membership = self
            .membership
            .get()
            .ok_or_else(|| Status::unavailable("this node is not a member of a cluster yet"))?;
        let mut frames = request.into_inner();
        let first = frames.message().await?;
        let hello = first.and_then(|frame| frame.hello);
        let hello = hello.ok_or_else(|| Status::invalid_argument("the first frame has no hello"))?;
        let (from, lane) = self.admit(&hello, membership).await?;
        let mut stop = self.stop.clone();
        loop {
            let frame = tokio::select! {
                frame = frames.message() => frame?,
                _ = stop.wait_for(|stopped| *stopped) => None,
            };
            let Some(frame) = frame else { return Ok(Response::new(Delivered {})) };
            for message in frame.messages {
                membership.receiver.receive(from, lane, message.into_bytes());
            }
        }
    }

    async fn ask(&self, request: Request<Question>) -> Result<Response<Answer>, Status> {
        if self.keeps_leases {
            return Err(Status::permission_denied("this connection keeps leases: ask by one of your own"));
        }
        let payload = self.questions.answer(request.into_inner().payload, self.origin).await;
        Ok(Response::new(Answer { payload }))
    }
}
