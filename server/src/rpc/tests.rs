//! Two nodes' transports on loopback: order, restarts, and strangers that are not let in.

use std::time::Duration;

use futures::future::BoxFuture;
use quorate_raft_groups::cluster::admin::Origin;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};

use super::service::{PeerService, QuestionHandler, limits};
use super::*;
use crate::limited::LimitedListener;

const N1: NodeId = NodeId(1);
const N2: NodeId = NodeId(2);
const DEADLINE: Duration = Duration::from_secs(20);

struct FixedPeers {
    node: NodeId,
    cluster: u8,
    addresses: Mutex<HashMap<NodeId, String>>,
    denied: Mutex<Vec<NodeId>>,
}

impl FixedPeers {
    fn new(node: NodeId, cluster: u8) -> Arc<Self> {
        Arc::new(Self { node, cluster, addresses: Mutex::default(), denied: Mutex::default() })
    }
}

#[async_trait::async_trait]
impl Peers for FixedPeers {
    fn node_id(&self) -> NodeId {
        self.node
    }

    fn hello(&self) -> Bytes {
        Bytes::from(vec![self.cluster, u8::try_from(self.node.0).unwrap()])
    }

    fn address(&self, node: NodeId) -> Option<String> {
        self.addresses.lock().get(&node).cloned()
    }

    async fn admit(&self, hello: Bytes) -> Result<NodeId, String> {
        let same = hello[0] == self.cluster;
        same.then_some(NodeId(u64::from(hello[1]))).ok_or_else(|| "another cluster".to_owned())
    }

    async fn denied(&self, by: NodeId) {
        self.denied.lock().push(by);
    }
}

type Received = (NodeId, Lane, Bytes);

struct Inbox(mpsc::UnboundedSender<Received>);

impl Receiver for Inbox {
    fn receive(&self, from: NodeId, lane: Lane, message: Bytes) {
        let _ = self.0.send((from, lane, message));
    }

    fn disconnected(&self, _to: NodeId, _lane: Lane) {}
}

struct Upper;

impl QuestionHandler for Upper {
    fn answer(&self, payload: Bytes, _: Origin) -> BoxFuture<'static, Bytes> {
        Box::pin(async move { payload.to_ascii_uppercase().into() })
    }
}

struct Listening {
    address: String,
    inbox: mpsc::UnboundedReceiver<Received>,
    stop: watch::Sender<bool>,
    served: tokio::task::JoinHandle<()>,
}

async fn listen(peers: Arc<FixedPeers>, address: &str) -> Listening {
    listen_in(Tasks::here(), peers, address).await
}

async fn listen_in(tasks: Tasks, peers: Arc<FixedPeers>, address: &str) -> Listening {
    let listener = TcpListener::bind(address).await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (stop, stopped) = watch::channel(false);
    let (sender, inbox) = mpsc::unbounded_channel();
    let service = PeerService::new(Arc::new(Upper), tasks, stopped);
    service.set_membership(Membership { peers, receiver: Arc::new(Inbox(sender)) });
    let served =
        tokio::spawn(async move { service.serve(LimitedListener::new(listener, limits(8))).await.unwrap() });
    Listening { address, inbox, stop, served }
}

/// Sends until the transport takes it: it refuses while a connection is down.
async fn send(transport: &GrpcTransport, to: NodeId, message: Bytes) {
    send_on(Lane::Data, transport, to, message).await;
}

async fn send_on(lane: Lane, transport: &GrpcTransport, to: NodeId, message: Bytes) {
    let sent = async {
        while transport.send(to, lane, message.clone().into()).is_err() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(DEADLINE, sent).await.unwrap();
}

async fn next(listening: &mut Listening) -> Received {
    tokio::time::timeout(DEADLINE, listening.inbox.recv()).await.unwrap().unwrap()
}

async fn sender_to(address: &str, cluster: u8) -> Arc<GrpcTransport> {
    let peers = FixedPeers::new(N1, cluster);
    peers.addresses.lock().insert(N2, address.to_owned());
    let transport = GrpcTransport::new(Tasks::here());
    let (sender, _) = mpsc::unbounded_channel();
    transport.set_membership(Membership { peers, receiver: Arc::new(Inbox(sender)) });
    transport
}

#[tokio::test]
async fn messages_arrive_in_order_and_large_ones_too() {
    let mut two = listen(FixedPeers::new(N2, 7), "127.0.0.1:0").await;
    let transport = sender_to(&two.address, 7).await;
    for number in 0..1_000_u32 {
        send(&transport, N2, Bytes::copy_from_slice(&number.to_be_bytes())).await;
    }
    send(&transport, N2, Bytes::from(vec![9; MESSAGE_MAX_BYTES])).await;
    for number in 0..1_000_u32 {
        assert_eq!(next(&mut two).await, (N1, Lane::Data, Bytes::copy_from_slice(&number.to_be_bytes())));
    }
    assert_eq!(next(&mut two).await.2.len(), MESSAGE_MAX_BYTES);
    let too_large = Bytes::from(vec![9; MESSAGE_MAX_BYTES + 1]);
    assert_eq!(transport.send(N2, Lane::Data, too_large.into()), Err(SendError::TooLarge));
    assert_eq!(transport.send(NodeId(9), Lane::Data, Message::default()), Err(SendError::UnknownNode));
}

#[tokio::test]
async fn link_comes_back_when_the_node_does() {
    let peers = FixedPeers::new(N2, 7);
    let mut two = listen(Arc::clone(&peers), "127.0.0.1:0").await;
    let transport = sender_to(&two.address, 7).await;
    send(&transport, N2, Bytes::from_static(b"before")).await;
    assert_eq!(next(&mut two).await.2, "before");
    two.stop.send(true).unwrap();
    tokio::time::timeout(DEADLINE, &mut two.served).await.unwrap().unwrap();
    let mut again = listen(peers, &two.address).await;
    let arrived = async {
        loop {
            let _ = transport.send(N2, Lane::Data, Bytes::from_static(b"after").into());
            if let Ok(message) = again.inbox.try_recv() {
                break message.2;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    assert_eq!(tokio::time::timeout(DEADLINE, arrived).await.unwrap(), "after");
}

#[tokio::test]
async fn node_of_another_cluster_is_not_let_in() {
    let mut two = listen(FixedPeers::new(N2, 7), "127.0.0.1:0").await;
    let stranger = sender_to(&two.address, 8).await;
    let friend = sender_to(&two.address, 7).await;
    let _ = stranger.send(N2, Lane::Data, Bytes::from_static(b"stranger").into());
    let refused = async {
        while stranger.send(N2, Lane::Data, Bytes::from_static(b"stranger").into()).is_ok() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(DEADLINE, refused).await.unwrap();
    send(&friend, N2, Bytes::from_static(b"friend")).await;
    assert_eq!(next(&mut two).await.2, "friend");
}

#[tokio::test]
async fn question_is_answered_and_silence_is_named() {
    let two = listen(FixedPeers::new(N2, 7), "127.0.0.1:0").await;
    let answer = ask::ask(&two.address, Bytes::from_static(b"hello"), DEADLINE).await;
    assert_eq!(answer.unwrap(), "HELLO");
    let nobody = ask::ask("127.0.0.1:1", Bytes::new(), DEADLINE).await;
    assert_eq!(nobody.unwrap_err(), "nobody listens at 127.0.0.1:1");
}

/// Says in which thread each message came.
struct Threads(mpsc::UnboundedSender<(Lane, String)>);

impl Receiver for Threads {
    fn receive(&self, _: NodeId, lane: Lane, _: Bytes) {
        let _ = self.0.send((lane, std::thread::current().name().unwrap_or_default().to_owned()));
    }

    fn disconnected(&self, _to: NodeId, _lane: Lane) {}
}

#[tokio::test]
async fn lane_for_leases_is_served_apart_from_all_others() {
    let urgent = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name("apart")
        .enable_all()
        .build();
    let urgent = urgent.unwrap();
    let tasks = Tasks::of(urgent.handle().clone(), tokio::runtime::Handle::current(), || {});
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (stop, stopped) = watch::channel(false);
    let service = PeerService::new(Arc::new(Upper), tasks, stopped);
    let (sender, mut came) = mpsc::unbounded_channel();
    let peers = FixedPeers::new(N2, 7);
    service.set_membership(Membership { peers, receiver: Arc::new(Threads(sender)) });
    let served =
        tokio::spawn(async move { service.serve(LimitedListener::new(listener, limits(8))).await.unwrap() });
    let transport = sender_to(&address, 7).await;
    for lane in Lane::ALL {
        send_on(lane, &transport, N2, Bytes::from_static(b"message")).await;
        let (on, thread) = tokio::time::timeout(DEADLINE, came.recv()).await.unwrap().unwrap();
        assert_eq!((on, thread == "apart"), (lane, lane == Lane::Leases), "{thread}");
    }
    stop.send(true).unwrap();
    tokio::time::timeout(DEADLINE, served).await.unwrap().unwrap();
    urgent.shutdown_background();
}

#[tokio::test]
async fn connection_for_leases_takes_nothing_else() {
    let two = listen(FixedPeers::new(N2, 7), "127.0.0.1:0").await;
    let address = two.address.clone();
    let endpoint = tonic::transport::Endpoint::from_shared(format!("http://{address}")).unwrap();
    let connector = tower::service_fn(move |_| link::connect_for_leases(address.clone()));
    let mut client =
        proto::peer_client::PeerClient::new(endpoint.connect_with_connector(connector).await.unwrap());
    let question = proto::Question { payload: Bytes::from_static(b"hello") };
    let refused = client.ask(question).await.unwrap_err();
    assert_eq!(refused.message(), "this connection keeps leases: ask by one of your own");
    let hello = |lane| {
        let introduction = Bytes::from_static(&[7, 1]);
        let hello = proto::Hello { to_node: 2, lane: lane_code(lane), introduction };
        futures::stream::iter([frame::Frame { hello: Some(hello), messages: Vec::new() }])
    };
    let refused = client.deliver(hello(Lane::Data)).await.unwrap_err();
    assert_eq!(refused.message(), "a lane on a connection of another kind");
    client.deliver(hello(Lane::Leases)).await.unwrap();
}
