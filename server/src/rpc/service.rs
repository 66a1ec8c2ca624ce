//! What answers other nodes: takes their streams, checks who they are, and hands messages and questions on. On the
//! command socket it answers questions alone.

use std::io;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use futures::Stream;
use futures::future::BoxFuture;
use quorate_placement::topology::NodeId;
use quorate_raft_groups::cluster::admin::Origin;
use quorate_raft_groups::transport::Lane;
use tokio::net::UnixListener;
use tokio::sync::watch;
use tokio_stream::wrappers::UnixListenerStream;
use tonic::transport::Server;
use tonic::transport::server::Connected;
use tonic::{Request, Response, Status, Streaming};

use super::proto::peer_server::{Peer, PeerServer};
use super::proto::{Answer, Delivered, Frame, Hello, Question};
use super::{FRAME_MAX_BYTES, Membership, PROTOCOL_VERSION, lane_from_code};
use crate::limited::{LimitedListener, LimitedStream, Limits};

/// Window of the HTTP/2 streams of a connection.
const WINDOW_BYTES: u32 = 8 << 20;

/// How long another node may take to send its first byte: it sends it at once.
const FIRST_BYTE_MAX: Duration = Duration::from_secs(5);
/// One that has sent nothing for this long may go for another.
const FIRST_SILENCE_MIN: Duration = Duration::from_millis(500);
/// A link is never silent for this long, it keeps itself alive: one that is may go for another.
const SILENCE_MIN: Duration = Duration::from_secs(30);

/// The limits of the node port, for so many connections.
pub const fn limits(connections_max: usize) -> Limits {
    Limits {
        connections_max,
        first_byte_max: FIRST_BYTE_MAX,
        request_max: None,
        life_max: None,
        first_silence_min: FIRST_SILENCE_MIN,
        silence_min: SILENCE_MIN,
        refusal: b"",
    }
}

impl Connected for LimitedStream {
    type ConnectInfo = ();

    fn connect_info(&self) {}
}

/// The connections of a listener, without an end.
fn incoming(listener: LimitedListener) -> impl Stream<Item = io::Result<LimitedStream>> {
    futures::stream::unfold(listener, |mut listener| async move {
        let (stream, _) = listener.next().await;
        Some((Ok(stream), listener))
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
    stop: watch::Receiver<bool>,
    origin: Origin,
}

impl PeerService {
    /// A service that answers questions only, until [`PeerService::set_membership`]. It ends its streams when `stop`
    /// turns true.
    pub fn new(questions: Arc<dyn QuestionHandler>, stop: watch::Receiver<bool>) -> Self {
        Self { questions, membership: Arc::new(OnceLock::new()), stop, origin: Origin::Network }
    }

    /// Serves the command socket: the same questions, and no streams, since no node is on the other end.
    ///
    /// # Errors
    /// The listener failed.
    pub async fn serve_commands(&self, listener: UnixListener) -> Result<(), tonic::transport::Error> {
        let (questions, mut stop) = (Arc::clone(&self.questions), self.stop.clone());
        let service =
            Self { questions, membership: Arc::default(), stop: self.stop.clone(), origin: Origin::Machine };
        Server::builder()
            .add_service(PeerServer::new(service).max_encoding_message_size(FRAME_MAX_BYTES))
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
        let mut stop = self.stop.clone();
        let service = PeerServer::new(self)
            .max_decoding_message_size(FRAME_MAX_BYTES)
            .max_encoding_message_size(FRAME_MAX_BYTES);
        Server::builder()
            .initial_stream_window_size(WINDOW_BYTES)
            .initial_connection_window_size(WINDOW_BYTES)
            .add_service(service)
            .serve_with_incoming_shutdown(incoming(listener), async move {
                // An error means that whoever would tell is gone, which is a stop too.
                let _ = stop.wait_for(|stopped| *stopped).await;
            })
            .await
    }

    async fn admit(&self, hello: &Hello, membership: &Membership) -> Result<(NodeId, Lane), Status> {
        if hello.version != PROTOCOL_VERSION {
            let (theirs, ours) = (hello.version, PROTOCOL_VERSION);
            return Err(Status::failed_precondition(format!(
                "protocol {theirs} is not spoken here, but {ours}"
            )));
        }
        let lane = lane_from_code(hello.lane).ok_or_else(|| Status::invalid_argument("unknown lane"))?;
        let own = membership.peers.node_id();
        if hello.to_node != own.0 {
            let message = format!("this is {own}, not {}: its address is out of date", NodeId(hello.to_node));
            return Err(Status::failed_precondition(message));
        }
        let from = membership.peers.admit(&hello.introduction).await.map_err(Status::permission_denied)?;
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
                membership.receiver.receive(from, lane, message);
            }
        }
    }

    async fn ask(&self, request: Request<Question>) -> Result<Response<Answer>, Status> {
        let payload = self.questions.answer(request.into_inner().payload, self.origin).await;
        Ok(Response::new(Answer { payload }))
    }
}
