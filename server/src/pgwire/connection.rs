//! One session: reads messages, runs them, answers, until the client leaves, breaks the protocol, or the node stops.

use std::future::pending;
use std::io;
use std::time::Duration;

use pgwire::messages::PgWireFrontendMessage;
use quorate_sql::cancel::CancelReason;
use quorate_sql::error::{SqlError, SqlState};
use quorate_sql::parser::size::memory_estimate;
use quorate_sql::session::{Session, TransactionStatus};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::watch;
use tokio::time::sleep;

use super::cancel::CancelSlot;
use super::extended::{SYNC, TERMINATE, Waiting};
use super::frame::{Frame, FrameError, FrameReader, violation};
use super::memory::Reservation;
use super::out::Out;
use super::portal::Named;
use super::reply::{self, Severity};
use super::run_ahead::Ahead;
use super::shape;
use crate::limits::{DISCARD_MAX, DISCARD_MAX_BYTES};

/// Messages from the client.
pub type ClientReader = FrameReader<OwnedReadHalf>;
/// Messages to the client.
pub type ClientOut = Out<OwnedWriteHalf>;

/// A message that was read, with the memory that a large one has taken.
pub struct Message {
    pub(super) message: PgWireFrontendMessage,
    pub(super) memory: Option<Reservation>,
}

impl Message {
    /// The message of a frame, or its type and what is wrong with it.
    pub(super) fn decode(frame: Frame) -> Result<Self, (u8, SqlError)> {
        match frame {
            Frame::Refused { kind, error } => Err((kind, error)),
            Frame::Whole { bytes, memory } => {
                let kind = bytes.first().copied().unwrap_or_default();
                let message = shape::decode(bytes).map_err(|error| (kind, error))?;
                Ok(Self { message, memory })
            }
        }
    }

    /// The type of a message that ends a cycle or the connection; zero for all others.
    fn end_kind(&self) -> u8 {
        if matches!(self.message, PgWireFrontendMessage::Sync(_)) {
            return SYNC;
        }
        if matches!(self.message, PgWireFrontendMessage::Terminate(_)) { TERMINATE } else { 0 }
    }
}

/// Takes the memory that reading a large text takes besides the text itself; tells the message's type where there is none.
async fn weighed(reader: &ClientReader, mut message: Message) -> Result<Message, (u8, SqlError)> {
    let Some(memory) = &mut message.memory else { return Ok(message) };
    let (kind, text) = if let PgWireFrontendMessage::Query(query) = &message.message {
        (b'Q', &query.query)
    } else if let PgWireFrontendMessage::Parse(parse) = &message.message {
        (b'P', &parse.query)
    } else {
        // Values and data are as large as they are.
        return Ok(message);
    };
    let more = memory_estimate(text).saturating_sub(text.len());
    let more = reader.reserve_more(more).await;
    memory.add(more.map_err(|error| (kind, error))?);
    Ok(message)
}

/// Which messages are thrown away unread: after an error in the extended protocol all but Sync and Terminate.
fn skips(to_sync: bool) -> impl Fn(u8) -> bool {
    move |kind| to_sync && !matches!(kind, b'S' | b'X')
}

/// Why a connection ends.
#[derive(Debug)]
pub enum End {
    /// The client has left, or cannot be reached.
    Client,
    /// It is told this error first.
    Fatal(SqlError),
}

impl From<io::Error> for End {
    fn from(_: io::Error) -> Self {
        Self::Client
    }
}

impl From<FrameError> for End {
    fn from(error: FrameError) -> Self {
        match error {
            FrameError::Closed => Self::Client,
            FrameError::Io(error) => {
                tracing::debug!(%error, "a client's socket failed");
                Self::Client
            }
            FrameError::Violation(error) => Self::Fatal(error),
        }
    }
}

/// A session and its socket.
pub struct Connection {
    pub(super) reader: ClientReader,
    pub(super) out: ClientOut,
    pub(super) session: Session,
    pub(super) named: Named,
    pub(super) slot: CancelSlot,
    /// An Execute that has come, and waits for the message behind it.
    pub(super) waiting: Option<Waiting>,
    /// What was done for runs that have not had their turn yet.
    pub(super) ahead: Option<Ahead>,
    /// After an error in the extended protocol, everything up to the next Sync is thrown away.
    pub(super) skips_to_sync: bool,
    /// A message that came where another was expected: it is the next.
    pub(super) put_back: Option<Message>,
    /// The client was told that the session is ready, and has sent nothing since.
    pub(super) is_idle: bool,
}

/// Tells a client why its connection ends, and ends it.
pub async fn end(mut reader: ClientReader, mut out: ClientOut, end: End) {
    if let End::Fatal(error) = end {
        tracing::debug!(%error, "a connection ends");
        let told = out.push(&reply::error(Severity::Fatal, &error));
        if told.is_ok() && out.flush().await.is_ok() {
            out.shut_down().await;
            reader.discard(DISCARD_MAX_BYTES, DISCARD_MAX).await;
            return;
        }
    }
    out.shut_down().await;
}

impl Connection {
    /// Runs until the end, and ends the connection. `stops` becomes true when the node stops.
    pub async fn serve(mut self, mut stops: watch::Receiver<bool>) {
        let why = loop {
            if let Err(why) = self.next_message(&mut stops).await {
                break why;
            }
        };
        // What the session holds goes before the client is told.
        let Self { reader, out, session, slot, .. } = self;
        session.close().await;
        drop(slot);
        end(reader, out, why).await;
    }

    async fn next_message(&mut self, stops: &mut watch::Receiver<bool>) -> Result<(), End> {
        // Looked at here, so that a message that has come already is taken without waiting for the stop as well.
        if *stops.borrow() {
            return Err(End::Fatal(CancelReason::Shutdown.error()));
        }
        let read = match self.put_back.take() {
            Some(message) => Ok(message),
            None => self.read_message(stops).await?,
        };
        self.is_idle = false;
        let kind = match &read {
            Ok(message) => message.end_kind(),
            Err((kind, _)) => *kind,
        };
        let next = read.as_ref().ok().map(|message| &message.message);
        self.run_waiting(kind, next).await?;
        if self.skips_to_sync && read.is_err() && skips(true)(kind) {
            return Ok(());
        }
        let weighed = match read {
            Ok(message) => weighed(&self.reader, message).await,
            Err(failure) => Err(failure),
        };
        match weighed {
            Ok(message) => self.dispatch(message).await,
            Err((kind, error)) => self.fail_message(kind, &error).await,
        }
    }

    /// The next message, or the type of one that cannot be read and why.
    async fn read_message(
        &mut self,
        stops: &mut watch::Receiver<bool>,
    ) -> Result<Result<Message, (u8, SqlError)>, End> {
        let skips = skips(self.skips_to_sync);
        let silence_max = self.session.idle_timeout().filter(|_| self.is_idle);
        let frame = tokio::select! {
            biased;
            frame = self.reader.message(skips) => frame?,
            _ = stops.wait_for(|stops| *stops) => return Err(End::Fatal(CancelReason::Shutdown.error())),
            () = after(silence_max) => return Err(End::Fatal(self.was_silent())),
        };
        Ok(Message::decode(frame))
    }

    /// A message that cannot be read, or was thrown away: only it fails.
    async fn fail_message(&mut self, kind: u8, error: &SqlError) -> Result<(), End> {
        match kind {
            b'X' => Err(End::Client),
            b'p' => Err(End::Fatal(violation("no password was asked for"))),
            // Outside of a COPY these mean nothing, whatever is in them.
            b'd' | b'c' | b'f' => Ok(()),
            b'Q' | b'F' | b'S' => {
                self.skips_to_sync = false;
                self.report(error).await?;
                self.end_cycle().await
            }
            _ => self.fail_extended(error).await,
        }
    }

    /// The client was silent for longer than its session allows.
    fn was_silent(&self) -> SqlError {
        let (state, what) = match self.session.transaction_status() {
            TransactionStatus::Idle => (SqlState::IdleSessionTimeout, "idle-session"),
            TransactionStatus::Active | TransactionStatus::Failed => {
                (SqlState::IdleInTransactionSessionTimeout, "idle-in-transaction")
            }
        };
        SqlError::new(state, format!("terminating connection due to {what} timeout"))
    }

    async fn dispatch(&mut self, message: Message) -> Result<(), End> {
        use PgWireFrontendMessage as M;
        let Message { message, memory } = message;
        if self.skips_to_sync && !matches!(message, M::Sync(_) | M::Terminate(_)) {
            return Ok(());
        }
        match message {
            M::Query(query) => self.simple_query(&query.query).await,
            M::Parse(parse) => {
                let result = self.parse(&parse, memory).await;
                self.extended(result).await
            }
            M::Bind(bind) => {
                let result = self.bind(&bind, memory);
                self.extended(result).await
            }
            M::Describe(describe) => {
                let result = self.describe(&describe);
                self.extended(result).await
            }
            M::Execute(execute) => {
                let result = self.execute(&execute).await;
                self.extended(result).await
            }
            M::Close(close) => self.close(&close),
            M::Flush(_) => Ok(self.out.flush().await?),
            M::Sync(_) => {
                self.skips_to_sync = false;
                if let Err(error) = self.session.sync().await {
                    self.report(&error).await?;
                }
                self.after_statement();
                self.end_cycle().await
            }
            // What a client still sends for a COPY that has failed.
            M::CopyData(_) | M::CopyDone(_) | M::CopyFail(_) => Ok(()),
            M::Terminate(_) => Err(End::Client),
            M::PasswordMessageFamily(_) => Err(End::Fatal(violation("no password was asked for"))),
            M::SslNegotiation(_) | M::Startup(_) | M::CancelRequest(_) | M::PortalSuspended(_) => {
                Err(End::Fatal(violation("unexpected message")))
            }
        }
    }

    /// What an extended message has come to: nothing, the statement's error, or the end.
    pub(super) async fn extended(&mut self, result: Result<(), Failure>) -> Result<(), End> {
        match result {
            Ok(()) => Ok(self.out.flush_if_large().await?),
            Err(Failure::Statement(error)) => self.fail_extended(&error).await,
            Err(Failure::Connection(end)) => Err(end),
        }
    }

    async fn fail_extended(&mut self, error: &SqlError) -> Result<(), End> {
        self.skips_to_sync = true;
        self.report(error).await?;
        Ok(self.out.flush().await?)
    }

    /// Tells the client of a statement's error; an open transaction has failed with it.
    pub(super) async fn report(&mut self, error: &SqlError) -> Result<(), End> {
        if self.out.has_failed() {
            return Err(End::Client);
        }
        // What was done ahead of its turn is undone with the rest.
        self.ahead = None;
        self.session.fail_transaction().await;
        metrics::counter!(crate::metrics::WIRE_ERRORS, "sqlstate" => error.state.code()).increment(1);
        Ok(self.out.push(&reply::error(Severity::Error, error))?)
    }

    /// Ends a simple query, or the messages up to a Sync: portals end with their transaction.
    pub(super) async fn end_cycle(&mut self) -> Result<(), End> {
        let status = self.session.transaction_status();
        if status == TransactionStatus::Idle {
            self.end_ahead();
            self.named.close_portals();
        }
        // As PostgreSQL: the client is told once, behind all answers.
        for (name, value) in self.session.take_changed_parameters() {
            self.out.push(&reply::parameter(name, value))?;
        }
        self.out.push(&reply::ready(status))?;
        self.is_idle = true;
        // What waits in the buffer and needs nothing but computing is answered together.
        if self.has_run_ahead() { Ok(self.out.flush_if_large().await?) } else { Ok(self.out.flush().await?) }
    }

    /// What a statement has changed besides data: portals that are gone.
    pub(super) fn after_statement(&mut self) {
        if let Some(savepoint) = self.session.take_gone_back_to() {
            self.named.close_portals_behind(savepoint);
        }
    }
}

/// Ready after this time; never where there is none.
async fn after(limit: Option<Duration>) {
    match limit {
        Some(limit) => sleep(limit).await,
        None => pending().await,
    }
}

/// Why a message of the extended protocol was not done.
#[derive(Debug)]
pub enum Failure {
    /// The statement's error: the session goes on after the next Sync.
    Statement(SqlError),
    /// The connection ends.
    Connection(End),
}

impl From<SqlError> for Failure {
    fn from(error: SqlError) -> Self {
        Self::Statement(error)
    }
}

impl From<End> for Failure {
    fn from(end: End) -> Self {
        Self::Connection(end)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Connection(error.into())
    }
}
