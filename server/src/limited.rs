//! A listener with limits, for HTTP and for other nodes: so many connections at once, and none that is silent for long.
//!
//! ```text
//! accept ── is there a place? ── yes ──▶ connection ── first byte ── request ── answer ── silence … ┐
//!             no: one that has sent nothing, or else was silent the longest, gives its place up       │
//!             no, and none is silent: the new one is refused                                         ▼
//!             deadlines: for the first byte, for the rest of a request, for a connection's life ── closed
//! ```
//!
//! Invariant: accepting never waits for a place, so that those who wait in the system's queue are the newest.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use futures::task::AtomicWaker;
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, Sleep, sleep, sleep_until};

/// Pause after a failed accept: it fails again at once while the process has no descriptors left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// What is read of one that is refused, so that closing it does not take the refusal away.
const REFUSED_READ_BYTES: usize = 4 << 10;

/// Limits of a listener.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Most connections at once.
    pub connections_max: usize,
    /// How long the first byte may stay away.
    pub first_byte_max: Duration,
    /// How long a request may take from its first byte to the first one of its answer; none where they cannot be told.
    pub request_max: Option<Duration>,
    /// How long a connection may live.
    pub life_max: Option<Duration>,
    /// One that has sent nothing for this long may be closed for another.
    pub first_silence_min: Duration,
    /// One that has sent something, and was silent for this long since, may be too.
    pub silence_min: Duration,
    /// What one that is refused is told.
    pub refusal: &'static [u8],
}

/// Accepts within the limits.
pub struct LimitedListener {
    listener: TcpListener,
    places: Arc<Places>,
}

/// The connections that there are, by the order in which they came.
#[derive(Debug)]
struct Places {
    limits: Limits,
    begun: Instant,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    last: u64,
    by_number: BTreeMap<u64, Arc<Place>>,
}

/// What is known of a connection.
#[derive(Debug)]
struct Place {
    /// When it last sent or took a byte, in microseconds since the listener began.
    active_micros: AtomicU64,
    has_sent: AtomicBool,
    /// It has to go for another.
    is_given_away: AtomicBool,
    waker: AtomicWaker,
}

/// A place that is held; dropping it gives it back.
#[derive(Debug)]
struct Held {
    places: Arc<Places>,
    number: u64,
    place: Arc<Place>,
}

impl LimitedListener {
    /// Limits this listener.
    pub fn new(listener: TcpListener, limits: Limits) -> Self {
        let places = Places { limits, begun: Instant::now(), taken: Mutex::default() };
        Self { listener, places: Arc::new(places) }
    }

    /// The next connection that has a place.
    pub async fn next(&mut self) -> (LimitedStream, SocketAddr) {
        loop {
            match self.listener.accept().await {
                Ok((stream, address)) => match self.places.hold() {
                    Some(held) => return (LimitedStream::new(stream, held), address),
                    None => refuse(stream, self.places.limits.refusal),
                },
                Err(error) => {
                    tracing::debug!(%error, "a connection was not accepted");
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    /// Where it listens.
    ///
    /// # Errors
    /// The system does not tell.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// Tells a client that there is no place for it, without waiting for it.
pub fn refuse(stream: TcpStream, refusal: &[u8]) {
    let Ok(mut stream) = stream.into_std() else { return };
    // Nothing is waited for: what cannot be said at once is not said.
    let _ = stream.read(&mut [0; REFUSED_READ_BYTES]);
    let _ = stream.write(refusal);
    let _ = stream.shutdown(Shutdown::Write);
}

impl Places {
    /// A place, perhaps one that was another's.
    fn hold(self: &Arc<Self>) -> Option<Held> {
        let now = self.now_micros();
        let mut taken = self.taken.lock();
        if taken.by_number.len() >= self.limits.connections_max {
            let number = self.longest_silent(&taken, now)?;
            let place = taken.by_number.remove(&number)?;
            place.is_given_away.store(true, Ordering::Release);
            place.waker.wake();
        }
        taken.last += 1;
        let number = taken.last;
        let place = Arc::new(Place {
            active_micros: AtomicU64::new(now),
            has_sent: AtomicBool::new(false),
            is_given_away: AtomicBool::new(false),
            waker: AtomicWaker::new(),
        });
        taken.by_number.insert(number, Arc::clone(&place));
        drop(taken);
        Some(Held { places: Arc::clone(self), number, place })
    }

    /// The one to go for another: first of those that have sent nothing at all.
    fn longest_silent(&self, taken: &Taken, now: u64) -> Option<u64> {
        let state = |place: &Place| {
            (place.has_sent.load(Ordering::Relaxed), place.active_micros.load(Ordering::Relaxed))
        };
        let is_silent = |place: &Place| {
            let (has_sent, active) = state(place);
            let limit = if has_sent { self.limits.silence_min } else { self.limits.first_silence_min };
            u128::from(now.saturating_sub(active)) >= limit.as_micros()
        };
        let silent = taken.by_number.iter().filter(|(_, place)| is_silent(place));
        silent.min_by_key(|(_, place)| state(place)).map(|(number, _)| *number)
    }

    fn now_micros(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_micros()).unwrap_or(u64::MAX)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.places.taken.lock().by_number.remove(&self.number);
    }
}

/// Where a connection stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Nothing has come yet.
    New,
    /// A request has begun, its answer has not.
    Request,
    /// Between an answer and the next request.
    Rest,
}

/// A connection that ends with its time, or when its place is given away.
#[derive(Debug)]
pub struct LimitedStream {
    stream: TcpStream,
    held: Held,
    phase: Phase,
    /// When its life ends.
    end: Option<Instant>,
    /// When the phase ends, or its life.
    timer: Option<Pin<Box<Sleep>>>,
}

impl LimitedStream {
    fn new(stream: TcpStream, held: Held) -> Self {
        // Answers leave at once; a socket that refuses is slower.
        let _ = stream.set_nodelay(true);
        let limits = held.places.limits;
        let end = limits.life_max.map(|life| Instant::now() + life);
        let mut new = Self { stream, held, phase: Phase::New, end, timer: None };
        new.enter(Phase::New, Some(limits.first_byte_max));
        new
    }

    /// Whether the first byte is this one; then it is taken.
    ///
    /// # Errors
    /// The connection ended, by itself or by its limits.
    pub async fn begins_with(&mut self, byte: u8) -> io::Result<bool> {
        let mut first = [0];
        let length = std::future::poll_fn(|context| {
            self.check(context)?;
            self.stream.poll_peek(context, &mut ReadBuf::new(&mut first))
        })
        .await?;
        if length == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        if first != [byte] {
            return Ok(false);
        }
        self.stream.read_exact(&mut first).await?;
        Ok(true)
    }

    /// The same connection in the runtime of whoever calls this: there it is new once more.
    ///
    /// # Errors
    /// The system refuses.
    pub fn moved(self) -> io::Result<Self> {
        let Self { stream, held, .. } = self;
        Ok(Self::new(TcpStream::from_std(stream.into_std()?)?, held))
    }

    fn enter(&mut self, phase: Phase, limit: Option<Duration>) {
        self.phase = phase;
        let phase_end = limit.map(|limit| Instant::now() + limit);
        self.timer = match (phase_end, self.end) {
            (Some(phase_end), Some(end)) => Some(phase_end.min(end)),
            (phase_end, end) => phase_end.or(end),
        }
        .map(|deadline| Box::pin(sleep_until(deadline)));
    }

    fn check(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        let place = &self.held.place;
        place.waker.register(context.waker());
        if place.is_given_away.load(Ordering::Acquire) {
            return Err(io::Error::new(ErrorKind::ConnectionAborted, "its place was given to another"));
        }
        match self.timer.as_mut().map(|timer| timer.as_mut().poll(context)) {
            Some(Poll::Ready(())) => Err(ErrorKind::TimedOut.into()),
            Some(Poll::Pending) | None => Ok(()),
        }
    }

    fn was_active(&self) {
        let now = self.held.places.now_micros();
        self.held.place.active_micros.store(now, Ordering::Relaxed);
    }
}

impl AsyncRead for LimitedStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.check(context)?;
        let before = buffer.filled().len();
        std::task::ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
        if buffer.filled().len() > before {
            self.was_active();
            self.held.place.has_sent.store(true, Ordering::Relaxed);
            if self.phase != Phase::Request {
                let limit = self.held.places.limits.request_max;
                self.enter(Phase::Request, limit);
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for LimitedStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.check(context)?;
        let written = std::task::ready!(Pin::new(&mut self.stream).poll_write(context, bytes))?;
        self.was_active();
        if self.phase == Phase::Request {
            self.enter(Phase::Rest, None);
        }
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests;
