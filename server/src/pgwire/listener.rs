//! The listener: accepts, admits up to a number of sessions, and drains when the node stops.
//!
//! Invariant: the task of a connection is never aborted. A stop asks idle connections to go, waits for statements, then
//! cancels them, and waits again.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use pgwire::messages::PgWireBackendMessage;
use pgwire::messages::startup::{Authentication, BackendKeyData, NegotiateProtocolVersion, SecretKey};
use quorate_sql::error::{SqlError, SqlState};
use quorate_sql::session::SessionOptions;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{sleep, timeout};

use super::SqlAccess;
use super::cancel::{CancelRegistry, Secret};
use super::connection::{ClientOut, ClientReader, Connection, End, end};
use super::frame::{FrameReader, violation};
use super::memory::{MessageMemory, node_budget_bytes};
use super::out::Out;
use super::portal::Named;
use super::reply::{self, Severity};
use super::startup::{self, Hello, Wish};
use crate::descriptors::Connections;
use crate::limits::{CONNECTIONS_MAX, FRAME_PROGRESS_MAX, MEMORY_WAIT_MAX};
use crate::{limited, metrics};

/// Pause after a failed accept: it fails again at once while the process has no descriptors left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// How long connections may take to end once their statements were cancelled.
const CANCEL_GRACE: Duration = Duration::from_secs(5);

/// Limits of the listener.
#[derive(Clone, Debug)]
pub struct WireOptions {
    /// Most sessions at once.
    pub connections_max: usize,
    /// Most sockets beyond the sessions: for cancel requests, and for telling clients that there are too many.
    pub starting_max: usize,
    /// How long a client may take to say what it wants.
    pub startup_max: Duration,
    /// How long the rest of a begun message may stay away.
    pub message_progress_max: Duration,
    /// Bytes that the messages of all connections may take together.
    pub messages_max_bytes: usize,
    /// How long a large message may wait for its share of that.
    pub memory_wait_max: Duration,
    /// How long statements may go on when the node stops, before they are cancelled.
    pub drain_max: Duration,
}

impl Default for WireOptions {
    fn default() -> Self {
        let (startup_max, drain_max) = (Duration::from_secs(30), Duration::from_secs(5));
        Self {
            connections_max: CONNECTIONS_MAX,
            starting_max: 100,
            startup_max,
            message_progress_max: FRAME_PROGRESS_MAX,
            messages_max_bytes: node_budget_bytes(),
            memory_wait_max: MEMORY_WAIT_MAX,
            drain_max,
        }
    }
}

impl WireOptions {
    /// The usual limits, with as many sessions and sockets as there are descriptors for.
    pub fn of(connections: Connections) -> Self {
        let Connections { sessions, starting, .. } = connections;
        Self { connections_max: sessions, starting_max: starting, ..Self::default() }
    }

    fn sockets_max(&self) -> usize {
        self.connections_max + self.starting_max
    }
}

/// PostgreSQL's protocol of one node.
pub struct Wire {
    access: Arc<dyn SqlAccess>,
    options: WireOptions,
    registry: Arc<CancelRegistry>,
    sessions: Arc<Semaphore>,
    sockets: Arc<Semaphore>,
    memory: Arc<MessageMemory>,
    stops: watch::Sender<bool>,
}

impl Wire {
    /// A listener that asks this for the SQL of each session.
    pub fn new(access: Arc<dyn SqlAccess>, options: WireOptions) -> Arc<Self> {
        Arc::new(Self {
            access,
            registry: Arc::new(CancelRegistry::default()),
            sessions: Arc::new(Semaphore::new(options.connections_max)),
            sockets: Arc::new(Semaphore::new(options.sockets_max())),
            memory: MessageMemory::new(options.messages_max_bytes, options.memory_wait_max),
            stops: watch::Sender::new(false),
            options,
        })
    }

    /// Serves until `stop` is ready, then drains; returns when all connections have ended, or do not within the limits.
    pub async fn serve(self: Arc<Self>, listener: TcpListener, stop: impl Future<Output = ()> + Send) {
        let mut stop = pin!(stop);
        loop {
            let accepted = tokio::select! {
                () = &mut stop => break,
                accepted = self.accept(&listener) => accepted,
            };
            match accepted {
                Ok((socket, address, permit)) => {
                    tokio::spawn(Arc::clone(&self).run(socket, address, permit));
                }
                Err(error) => {
                    tracing::warn!(%error, "a SQL connection was not accepted");
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
        drop(listener);
        self.drain().await;
    }

    /// The next connection that there is room for; one that there is none for is told so, and not waited for.
    async fn accept(
        &self,
        listener: &TcpListener,
    ) -> std::io::Result<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
        loop {
            let (socket, address) = listener.accept().await?;
            if let Ok(permit) = Arc::clone(&self.sockets).try_acquire_owned() {
                return Ok((socket, address, permit));
            }
            ::metrics::counter!(metrics::WIRE_REFUSED).increment(1);
            let mut refusal = BytesMut::new();
            let error = reply::error(Severity::Fatal, &too_many(self.options.connections_max));
            if error.encode(&mut refusal).is_ok() {
                limited::refuse(socket, &refusal);
            }
        }
    }

    async fn drain(&self) {
        self.stops.send_replace(true);
        let all = u32::try_from(self.options.sockets_max()).unwrap_or(u32::MAX);
        if timeout(self.options.drain_max, self.sockets.acquire_many(all)).await.is_ok() {
            return;
        }
        self.registry.cancel_all();
        if timeout(CANCEL_GRACE, self.sockets.acquire_many(all)).await.is_err() {
            tracing::warn!("SQL connections are left although their statements were cancelled");
        }
    }

    /// One connection from its first packet to its end; the permit goes with it.
    async fn run(self: Arc<Self>, socket: TcpStream, address: SocketAddr, permit: OwnedSemaphorePermit) {
        tracing::trace!(%address, "a SQL connection begins");
        set_options(&socket);
        let (read, write) = socket.into_split();
        let memory = Arc::clone(&self.memory);
        let mut reader = FrameReader::new(read, self.options.message_progress_max, memory);
        let mut out = Out::new(write);
        let wish = timeout(self.options.startup_max, startup::read(&mut reader, &mut out));
        match wish.await {
            Ok(Ok(Wish::Session(hello))) => self.session(hello, reader, out).await,
            Ok(Ok(Wish::Cancel { number, secret })) => {
                self.registry.cancel(number, &secret);
                end(reader, out, End::Client).await;
            }
            Ok(Err(error)) => end(reader, out, error.into()).await,
            Err(_) => {
                end(reader, out, End::Fatal(violation("the startup packet did not come in time"))).await
            }
        }
        drop(permit);
    }

    async fn session(&self, hello: Hello, reader: ClientReader, mut out: ClientOut) {
        let Ok(_permit) = Arc::clone(&self.sessions).try_acquire_owned() else {
            ::metrics::counter!(metrics::WIRE_REFUSED).increment(1);
            let error = too_many(self.options.connections_max);
            return end(reader, out, End::Fatal(error)).await;
        };
        let node = match self.access.admit() {
            Ok(node) => node,
            Err(error) => return end(reader, out, End::Fatal(error)).await,
        };
        let secret = Secret::random(hello.long_secret);
        let slot = self.registry.register(secret.clone());
        let options = SessionOptions { backend_pid: slot.number(), ..hello.options.clone() };
        let session = match node.connect(options, &hello.settings) {
            Ok(session) => session,
            Err(error) => return end(reader, out, End::Fatal(error)).await,
        };
        let told = session.parameter_statuses();
        if let Err(error) = greet(&mut out, &hello, told, slot.number(), &secret).await {
            tracing::debug!(%error, "a client left before its session began");
            return;
        }
        let _open = metrics::OpenConnection::begin();
        let connection = Connection {
            reader,
            out,
            session,
            named: Named::default(),
            slot,
            waiting: None,
            ahead: None,
            skips_to_sync: false,
            put_back: None,
            is_idle: true,
        };
        Box::pin(connection.serve(self.stops.subscribe())).await;
    }
}

/// Welcomes a client: any user is accepted, without a password.
async fn greet(
    out: &mut ClientOut,
    hello: &Hello,
    told: Vec<(String, String)>,
    number: i32,
    secret: &Secret,
) -> std::io::Result<()> {
    if let Some(negotiated) = &hello.negotiated {
        let message = NegotiateProtocolVersion::new(negotiated.version, negotiated.unknown.clone());
        out.push(&PgWireBackendMessage::NegotiateProtocolVersion(message))?;
    }
    out.push(&PgWireBackendMessage::Authentication(Authentication::Ok))?;
    for (name, value) in told {
        out.push(&reply::parameter(name, value))?;
    }
    let key = SecretKey::Bytes(Bytes::copy_from_slice(secret.bytes()));
    out.push(&PgWireBackendMessage::BackendKeyData(BackendKeyData::new(number, key)))?;
    out.push(&reply::ready(quorate_sql::session::TransactionStatus::Idle))?;
    out.flush().await
}

fn too_many(limit: usize) -> SqlError {
    SqlError::new(
        SqlState::TooManyConnections,
        format!("sorry, too many clients already: this node takes {limit}"),
    )
    .with_hint("Try again in a moment, connect to another node, or put a connection pool in between.")
}

/// Answers leave at once, and a machine that has vanished is noticed.
fn set_options(socket: &TcpStream) {
    let set =
        socket.set_nodelay(true).and_then(|()| Ok(rustix::net::sockopt::set_socket_keepalive(socket, true)?));
    if let Err(error) = set {
        tracing::debug!(%error, "options of a socket were not set");
    }
}
